"""Running a study from the command line: settings, bars, and a word when it is done."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from headwater.report.language import Translator
    from headwater.settings import Settings
    from headwater.study import Study
    from headwater.study.provenance import StepRecord

__all__ = [
    "draw_report",
    "log_shown",
    "progress_of",
    "run_with_progress",
    "settings_of",
    "write_page",
]

_EVERY = 60.0
"""Seconds between two lines of progress where nobody watches."""


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
    study: Study,
    settings: Settings,
    *,
    fresh: bool = False,
    until: str | None = None,
    quiet: bool = False,
) -> tuple[StepRecord, ...]:
    """Compute a study with bars, say how long it took, and return the record of each step."""
    from headwater.chapters import STEPS
    from headwater.report.language import translator_of
    from headwater.study import run as run_study
    from headwater.study.engine import wanted_steps

    say = translator_of(study.report.language)
    titles = {step.name: step.title for step in wanted_steps(study, STEPS, until)}
    started = time.perf_counter()
    with progress_of(titles, quiet=quiet, say=say) as progress:
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
    if not quiet:
        place = study.results_url or study.results
        typer.echo(say(f"{words} in {time.perf_counter() - started:.1f} s: {place}"))
    return records


@contextmanager
def log_shown(wanted: bool) -> Iterator[None]:
    """Show on standard error what the log file keeps, where that is wanted."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("headwater")
    if wanted:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def write_page(study: Study, **options: Any) -> Path:
    """Write the report with all its chapters; options are those of `write_report`."""
    from headwater.chapters.listing import CLOSING, COMPARISON, OPENING, SECTIONS
    from headwater.report import write_report

    parts: dict[str, Any] = {"opening": OPENING, "comparison": COMPARISON, "closing": CLOSING}
    return write_report(study.results, study, SECTIONS, **parts, **options)


def draw_report(study: Study, settings: Settings, *, quiet: bool = False) -> Path:
    """Draw the report, and say where it is."""
    from headwater.report.language import translator_of
    from headwater.study.publication import publish

    say = translator_of(study.report.language)
    started = time.perf_counter()
    if not quiet:
        typer.echo(say("Drawing the report"), err=True)
    page = write_page(study, dpi=settings.dpi)
    publish(study)
    if not quiet:
        typer.echo(say(f"Report in {time.perf_counter() - started:.1f} s: {page}"))
    return page


@contextmanager
def progress_of(
    titles: dict[str, str], *, quiet: bool = False, say: Translator | None = None
) -> Iterator[Callable[[str, float, str], None]]:
    """Bars with the time left in a terminal; elsewhere lines, one a minute; in a language."""
    from headwater.report.language import ENGLISH

    say = say or ENGLISH
    if quiet:
        yield lambda step, fraction, what: None
        return
    if not sys.stderr.isatty():
        yield _line_printer(say=say)
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
        yield _bar_mover(bars, titles, say)


def _bar_mover(
    bars: Bars, titles: dict[str, str], say: Translator
) -> Callable[[str, float, str], None]:
    tasks = {
        name: bars.add_task(say.word(title), total=1.0, start=False, what="")
        for name, title in titles.items()
    }

    def move(step: str, fraction: float, what: str) -> None:
        if not bars.tasks[tasks[step]].started:
            bars.start_task(tasks[step])
        shown = say.word(what) if what != titles[step] else ""
        bars.update(tasks[step], completed=fraction, what=shown)

    return move


def _line_printer(
    clock: Callable[[], float] = time.monotonic, say: Translator | None = None
) -> Callable[[str, float, str], None]:
    """Print when a step starts and ends, and each minute between how far it is."""
    begun: dict[str, float] = {}
    said: dict[str, float] = {}

    def report(step: str, fraction: float, what: str) -> None:
        now = clock()
        first = step not in begun
        begun.setdefault(step, now)
        if not first and fraction < 1.0 and now - said[step] < _EVERY:
            return
        said[step] = now
        left = _left(fraction, now - begun[step])
        if say is None or say.language == "en":
            typer.echo(f"{step}: {what}{left}", err=True)
        else:
            typer.echo(f"{say.word(step)}：{say.word(what)}{say(left)}", err=True)

    return report


def _left(fraction: float, passed: float) -> str:
    """Say how far a step is and how long it still takes, where that can be said."""
    if passed < _EVERY or not 0.0 < fraction < 1.0:
        return ""
    minutes = math.ceil(passed * (1.0 - fraction) / fraction / 60.0)
    return f" ({fraction:.0%}, about {minutes} min left in this step)"
