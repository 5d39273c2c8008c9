"""The command line: parse, hand over to `study` and `report`, print."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli import (
    alerts,
    demo_platform,
    detect,
    doctor,
    downscale,
    early_warning,
    fetch,
    keys,
    network,
    people,
    plan,
    replay,
    samples,
    serve,
    validate,
    vegetation,
)
from headwater.cli.command_help import WIDTH, Commands, parted
from headwater.cli.errors import report_errors
from headwater.cli.output import has_browser, print_json, warn
from headwater.cli.study_run import draw_report, log_shown, run_with_progress, settings_of
from headwater.cli.words import say
from headwater.errors import ProblemsError

if TYPE_CHECKING:
    from headwater.study.model import Study

__all__ = ["app", "main"]

_EPILOG = (
    "Exit codes: 0 done · 1 unexpected (a bug; the log says more) · 2 study file or usage · "
    "3 input file · 4 data · 5 results folder · 6 cluster · 130 interrupted"
)

app = typer.Typer(
    name="headwater",
    cls=Commands,
    context_settings=WIDTH,
    rich_markup_mode=None,  # so that Rich is not imported; command_help.py lists the commands
    help="How much water a mountain's soil holds, how it changes, and what drives it.",
    epilog=_EPILOG,
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_STUDY = "A study of grids or samples"
_TABLE = "One table or product"
_NETWORK = "Stations, alerts and the platform"
_HERE = "This machine"

_File = Annotated[Path, typer.Argument(help="The study file.", show_default=True)]
_Threads = Annotated[int | None, typer.Option(help="Threads that compute at once.", min=1)]
_Workers = Annotated[
    int | None, typer.Option(help="Local processes that compute, in place of threads.", min=1)
]
_Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Dask scheduler of a cluster, such as tcp://host:8786."),
]
_Chunk = Annotated[float | None, typer.Option(help="Size of one block of a grid in memory, in MB.")]
_Dpi = Annotated[int | None, typer.Option(help="Resolution of PNG figures, in dots per inch.")]
_Level = Annotated[
    str | None, typer.Option(help="Least severe message that the log file keeps: DEBUG, INFO, ….")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log, too.")]
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


@app.command(rich_help_panel=_STUDY)
def init(
    file: _File = Path("study.toml"),
    template: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Make a folder for a kind of study: qilian, three-rivers, network, samples, "
            "downscaling or warning.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a study file in which every key is explained, or the folder of a kind of study."""
    with report_errors():
        from headwater.study.study_template import write_layout, write_template

        if template is None:
            write_template(file, force=force)
            typer.echo(say(f"Wrote {file}. Fill in your files, then: headwater check {file}"))
            return
        folder = file.with_suffix("") if file.suffix == ".toml" else file
        for path, what in write_layout(folder, template, force=force).items():
            typer.echo(f"{folder / path}: {what}")
        typer.echo(say(f"Put these files there, then: headwater check {folder / 'study.toml'}"))


@app.command(rich_help_panel=_STUDY)
def check(file: _File = Path("study.toml"), as_json: _Json = False) -> None:
    """Read all inputs and report every problem at once, before anything is computed."""
    with report_errors(file.parent / "data" / "README.md", study=file):
        from headwater.chapters import STEPS
        from headwater.study import read_study
        from headwater.study.checks import survey

        found = survey(read_study(file, STEPS), STEPS, rehearsed=True)
        if as_json:
            print_json(found.facts())
        for line in () if as_json else found.lines():
            typer.echo(say(line))
        if found.problems:
            raise ProblemsError(list(found.problems))
        if not as_json:
            typer.echo(say(f"No problems. Next: headwater run {file}"))


@app.command(rich_help_panel=_STUDY)
def estimate(file: _File = Path("study.toml"), *, chunk_mb: _Chunk = None) -> None:
    """Estimate blocks, bytes, memory and hours for 1 to 1000 workers, before computing."""
    with report_errors(study=file):
        from headwater.chapters import STEPS
        from headwater.study import read_study
        from headwater.study.cost import estimate as estimate_study

        study = read_study(file, STEPS)
        for line in estimate_study(study, STEPS, settings_of(study, chunk_mb=chunk_mb)).lines():
            typer.echo(line)


@app.command(rich_help_panel=_STUDY)
def run(  # noqa: PLR0913 - one flag a setting
    file: _File = Path("study.toml"),
    *,
    threads: _Threads = None,
    workers: _Workers = None,
    scheduler: _Scheduler = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute every step anew, keeping none.")
    ] = False,
    until: Annotated[
        str | None, typer.Option(metavar="STEP", help="Stop after this step (see headwater check).")
    ] = None,
    no_report: _NoReport = False,
    chunk_mb: _Chunk = None,
    dpi: _Dpi = None,
    log_level: _Level = None,
    as_json: _Json = False,
    quiet: _Quiet = False,
    verbose: _Verbose = False,
) -> None:
    """Compute the study; after a crash or an interrupt, go on where it stopped."""
    with report_errors(file.parent / "data" / "README.md", study=file) as place, log_shown(verbose):
        from headwater.chapters import STEPS
        from headwater.study import read_study

        study = read_study(file, STEPS)
        place.append(study.results)
        settings = settings_of(
            study,
            threads=threads,
            workers=workers,
            scheduler=scheduler,
            chunk_mb=chunk_mb,
            dpi=dpi,
            log_level=log_level,
        )
        silent = quiet or as_json
        steps = run_with_progress(study, settings, fresh=fresh, until=until, quiet=silent)
        page = None if no_report else draw_report(study, settings, quiet=silent)
        if as_json:
            records = [asdict(step) for step in steps]
            print_json({"results": study.results, "report": page, "steps": records})


@app.command(rich_help_panel=_STUDY)
def report(file: _File = Path("study.toml"), dpi: _Dpi = None, quiet: _Quiet = False) -> None:
    """Draw the report again from the results that are there."""
    with report_errors(study=file) as place:
        from headwater.study import read_study
        from headwater.study.folder import finished_steps
        from headwater.study.publication import fetch

        study = read_study(file)
        place.append(study.results)
        fetch(study)
        if not finished_steps(study.results):
            from headwater.errors import ResumeError

            raise ResumeError(
                "there are no results to draw",
                found=str(study.results),
                do=f"Compute them with: headwater run {file}",
            )
        _warn_of_unfinished(study, file)
        draw_report(study, settings_of(study, dpi=dpi), quiet=quiet)


def _warn_of_unfinished(study: Study, file: Path) -> None:
    """Name the steps of which the report will have no chapter."""
    from headwater.chapters import STEPS
    from headwater.study.engine import wanted_steps
    from headwater.study.folder import finished_steps

    finished = finished_steps(study.results)
    names = [step.name for step in wanted_steps(study, STEPS) if step.name not in finished]
    if names:
        warn(
            [f"Not finished, so not in the report: {', '.join(names)}. First: headwater run {file}"]
        )


@app.command(rich_help_panel=_STUDY)
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demo.")] = Path("headwater-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the virtual headwater.", min=0)] = 1,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the report in a browser.")
    ] = False,
    small: Annotated[
        bool, typer.Option("--small", help="Two years on few cells, for a quick look.")
    ] = False,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Write data and study file, and compute nothing.")
    ] = False,
    no_report: _NoReport = False,
    quiet: _Quiet = False,
    verbose: _Verbose = False,
) -> None:
    """Make a virtual headwater with known truth and run the whole study on it."""
    with report_errors() as place, log_shown(verbose):
        from headwater.study import read_study
        from headwater.study.demo import write_demo

        if not quiet:
            typer.echo(say(f"Writing a virtual headwater to {out}"), err=True)
        file = write_demo(out, seed=seed, small=small)
        if no_run:
            typer.echo(say(f"Next: headwater check {file}"))
            return
        study = read_study(file)
        place.append(study.results)
        settings = settings_of(study)
        run_with_progress(study, settings, quiet=quiet)
        if not no_report:
            page = draw_report(study, settings, quiet=quiet)
            if not no_open and has_browser():
                typer.launch(page.as_uri())


app.add_typer(fetch.app, name="fetch", rich_help_panel=_STUDY)
app.command("downscale", rich_help_panel=_STUDY)(downscale.run_downscale)
app.command("twin", rich_help_panel=_STUDY)(downscale.run_twin)
app.command("validate", rich_help_panel=_TABLE)(validate.run_validate)
app.command("detect", rich_help_panel=_TABLE)(detect.run_detect)
app.command("vegetation", rich_help_panel=_TABLE)(vegetation.run_vegetation)
app.command("hindcast", rich_help_panel=_STUDY)(early_warning.run_hindcast)
app.command("watch", rich_help_panel=_STUDY)(early_warning.run_watch)
app.add_typer(samples.app, name="samples", rich_help_panel=_TABLE)
app.add_typer(network.app, name="network", rich_help_panel=_NETWORK)
app.command("serve", rich_help_panel=_NETWORK)(serve.run_serve)
app.command("demo-platform", rich_help_panel=_NETWORK)(demo_platform.run_demo_platform)
app.command("replay", rich_help_panel=_NETWORK)(replay.run_replay)
app.add_typer(keys.app, name="keys", rich_help_panel=_NETWORK)
app.add_typer(people.app, name="people", rich_help_panel=_NETWORK)
app.add_typer(alerts.app, name="alerts", rich_help_panel=_NETWORK)
app.add_typer(plan.app, name="plan", rich_help_panel=_STUDY)
app.command("audit", rich_help_panel=_TABLE)(samples.audit)
app.command("doctor", rich_help_panel=_HERE)(doctor.run_doctor)


def main() -> None:
    """Run the command line."""
    app(args=parted(sys.argv[1:]))
