"""The command line: parse, hand over to `study` and `report`, print."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from headwater.errors import HeadwaterError, ProblemsError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from headwater.settings import Settings
    from headwater.study import Study

__all__ = ["app", "check", "demo", "init", "main", "report", "run", "top"]

_EPILOG = (
    "Exit codes: 0 done · 1 unexpected (a bug; the log tells more) · 2 study file or usage · "
    "3 input file · 4 data · 5 results folder · 130 interrupted"
)
INTERRUPTED = 130

app = typer.Typer(
    name="headwater",
    help="How much water a mountain's soil holds, how it changes, and what drives it.",
    epilog=_EPILOG,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_File = Annotated[Path, typer.Argument(help="The study file.", show_default=True)]
_Workers = Annotated[int | None, typer.Option(help="Threads that compute at once.", min=1)]
_NoReport = Annotated[bool, typer.Option("--no-report", help="Compute, but draw no report.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from headwater import __version__

        typer.echo(f"headwater {__version__}")
        raise typer.Exit


@app.callback(epilog=_EPILOG)
def top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Turn real grids into a results folder and a report, from one study file."""


@app.command()
def init(
    file: _File = Path("study.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a study file in which every key is explained."""
    with _in_plain_words():
        from headwater.study.template import write_template

        write_template(file, force=force)
        typer.echo(f"Wrote {file}. Fill in your files, then: headwater check {file}")


@app.command()
def check(file: _File = Path("study.toml")) -> None:
    """Read all inputs and tell every problem at once, before anything is computed."""
    with _in_plain_words():
        from headwater.study import read_study, survey

        found = survey(read_study(file))
        for line in found.lines():
            typer.echo(line)
        if found.problems:
            raise ProblemsError(list(found.problems))
        typer.echo(f"No problems. Next: headwater run {file}")


@app.command()
def run(
    file: _File = Path("study.toml"),
    workers: _Workers = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute every step anew, keeping none.")
    ] = False,
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    no_report: _NoReport = False,
) -> None:
    """Compute the study; after a crash or an interrupt, go on where it stopped."""
    with _in_plain_words() as place:
        from headwater.study import read_study

        study = read_study(file)
        place.append(study.results)
        settings = _settings(study, workers)
        _compute(study, settings, fresh=fresh, until=until)
        if not no_report:
            _draw(study, settings)


@app.command()
def report(file: _File = Path("study.toml")) -> None:
    """Draw the report again from the results that are there."""
    with _in_plain_words() as place:
        from headwater.study import finished_steps, read_study

        study = read_study(file)
        place.append(study.results)
        if not finished_steps(study.results):
            from headwater.errors import ResumeError

            raise ResumeError(
                "there are no results to draw",
                found=str(study.results),
                do=f"Compute them with: headwater run {file}",
            )
        _draw(study, _settings(study, None))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demo.")] = Path("headwater-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the virtual headwater.", min=0)] = 1,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the report in a browser.")
    ] = False,
    small: Annotated[
        bool, typer.Option("--small", help="Two years on few cells, for a quick look.")
    ] = False,
    no_report: _NoReport = False,
) -> None:
    """Make a virtual headwater with known truth and run the whole study on it."""
    with _in_plain_words() as place:
        from headwater.study import read_study
        from headwater.study.demo import write_demo

        typer.echo(f"Writing a virtual headwater to {out}", err=True)
        study = read_study(write_demo(out, seed=seed, small=small))
        place.append(study.results)
        settings = _settings(study, None)
        _compute(study, settings)
        if not no_report:
            page = _draw(study, settings)
            if not no_open:
                typer.launch(page.as_uri())


def main() -> None:
    """Run the command line."""
    app()


def _settings(study: Study, workers: int | None) -> Settings:
    from headwater.settings import resolve

    return resolve(study.settings, {"workers": workers})


def _compute(
    study: Study, settings: Settings, *, fresh: bool = False, until: str | None = None
) -> None:
    from headwater.study import run as run_study
    from headwater.study import wanted_steps

    titles = {step.name: step.title for step in wanted_steps(study, until)}
    started = time.perf_counter()
    with _progress(titles) as progress:
        records = run_study(
            study, settings=settings, fresh=fresh, until=until, progress=progress, command=sys.argv
        )
    kept = sum(record.skipped for record in records)
    done = len(records) - kept
    words = f"{done} step{'' if done == 1 else 's'} computed" + (f", {kept} kept" if kept else "")
    typer.echo(f"{words} in {time.perf_counter() - started:.1f} s: {study.results}")


def _draw(study: Study, settings: Settings) -> Path:
    from headwater.report import write_report

    started = time.perf_counter()
    typer.echo("Drawing the report", err=True)
    page = write_report(study.results, study, dpi=settings.dpi)
    typer.echo(f"Report in {time.perf_counter() - started:.1f} s: {page}")
    return page


@contextmanager
def _progress(titles: dict[str, str]) -> Iterator[Callable[[str, float, str], None]]:
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

    def tell(step: str, fraction: float, what: str) -> None:
        if step not in begun or fraction >= 1.0:
            typer.echo(f"{step}: {what}", err=True)
        begun.add(step)

    return tell


@contextmanager
def _in_plain_words() -> Iterator[list[Path]]:
    """Turn what goes wrong into a few words and an exit code; yields the place of the log."""
    place: list[Path] = []
    try:
        yield place
    except HeadwaterError as error:
        typer.echo(f"headwater: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        _tell_interrupt(place)
    except Exception as error:
        log = _keep_traceback(place)
        typer.echo(
            f"headwater: unexpected {type(error).__name__}: {error}\n"
            f"This is a bug in Headwater. Please report it with {log}",
            err=True,
        )
        raise typer.Exit(1) from None


def _tell_interrupt(place: list[Path]) -> NoReturn:
    words = "Interrupted."
    if place:
        from headwater.study import finished_steps

        kept = finished_steps(place[0])
        words += f" Kept: {', '.join(kept)}." if kept else " No step had finished."
        words += " The same command goes on from here."
    typer.echo(words, err=True)
    raise typer.Exit(INTERRUPTED)


def _keep_traceback(place: list[Path]) -> Path:
    import tempfile
    import traceback

    folder = next((path for path in place if path.is_dir()), Path(tempfile.gettempdir()))
    log: Any = folder / "headwater.log"
    with log.open("a", encoding="utf-8") as stream:
        traceback.print_exc(file=stream)
    return Path(log)
