"""Running a study from the command line: settings, bars, and a word when it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from headwater.settings import Settings
    from headwater.study import Study

__all__ = ["draw_report", "progress_of", "run_with_progress", "settings_of"]


def settings_of(study: Study, **flags: object) -> Settings:
    """Settle workers, block size and the like: defaults, study file, environment, flags.

    Parameters
    ----------
    study : Study
        The study.
    **flags
        Options of the command line; None where not given.

    Returns
    -------
    Settings
    """
    from headwater.settings import resolve

    return resolve(study.settings, flags)


def run_with_progress(
    study: Study, settings: Settings, *, fresh: bool = False, until: str | None = None
) -> None:
    """Compute a study with bars, and say how long it took."""
    from headwater.chapters import STEPS
    from headwater.study import run as run_study
    from headwater.study.engine import wanted_steps

    titles = {step.name: step.title for step in wanted_steps(study, STEPS, until)}
    started = time.perf_counter()
    with progress_of(titles) as progress:
        records = run_study(
            study,
            STEPS,
            settings=settings,
            fresh=fresh,
            until=until,
            progress=progress,
            command=sys.argv,
        )
    kept = sum(record.skipped for record in records)
    done = len(records) - kept
    words = f"{done} step{'' if done == 1 else 's'} computed" + (f", {kept} kept" if kept else "")
    place = study.results_url or study.results
    typer.echo(f"{words} in {time.perf_counter() - started:.1f} s: {place}")


def draw_report(study: Study, settings: Settings) -> Path:
    """Draw the report, and say where it is."""
    from headwater.chapters.listing import OPENING, SECTIONS
    from headwater.report import write_report
    from headwater.study.publication import publish

    started = time.perf_counter()
    typer.echo("Drawing the report", err=True)
    page = write_report(study.results, study, SECTIONS, opening=OPENING, dpi=settings.dpi)
    publish(study)
    typer.echo(f"Report in {time.perf_counter() - started:.1f} s: {page}")
    return page


@contextmanager
def progress_of(titles: dict[str, str]) -> Iterator[Callable[[str, float, str], None]]:
    """Bars with the time left in a terminal; elsewhere a line when a step starts and ends."""
    if not sys.stderr.isatty():
        yield _line_printer()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[what]}", style="dim"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _bar_mover(bars, titles)


def _bar_mover(bars: Bars, titles: dict[str, str]) -> Callable[[str, float, str], None]:
    tasks = {
        name: bars.add_task(title, total=1.0, start=False, what="")
        for name, title in titles.items()
    }

    def move(step: str, fraction: float, what: str) -> None:
        if not bars.tasks[tasks[step]].started:
            bars.start_task(tasks[step])
        shown = what if what != titles[step] else ""
        bars.update(tasks[step], completed=fraction, what=shown)

    return move


def _line_printer() -> Callable[[str, float, str], None]:
    begun: set[str] = set()

    def show(step: str, fraction: float, what: str) -> None:
        if step not in begun or fraction >= 1.0:
            typer.echo(f"{step}: {what}", err=True)
        begun.add(step)

    return show
