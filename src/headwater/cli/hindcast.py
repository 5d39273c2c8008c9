"""``headwater hindcast``: what early warning would have said of the past, when, and how wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headwater.chapters.warning.options import WarningOptions
    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["run_hindcast"]

_ALERTS = ("alert", "state", "cells", "area", "first_watch", "confirmed", "loss", "p")
_SCORES = ("regime", "rung", "group", "n_events", "hit", "late", "miss", "n_quiet", "false_share")
_DELAYS = ("delay_median", "delay_p90")


def run_hindcast(
    file: Annotated[Path, typer.Argument(help="The study file.", show_default=True)] = Path(
        "study.toml"
    ),
    watch_from: Annotated[
        str | None,
        typer.Option(
            "--from", help="First day watched; the history lies before. Default: as in [warning]."
        ),
    ] = None,
    false_alarms: Annotated[
        float | None, typer.Option(help="Tolerated false alarms per cell and season.")
    ] = None,
    cells: Annotated[
        int, typer.Option(help="Cells on whose history losses are planted.", min=20)
    ] = 1000,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the tables and maps; default: results/hindcast.")
    ] = None,
) -> None:
    """Replay the archive of a study: what would have been warned, when, and how often wrongly."""
    with report_errors() as place:
        from headwater.chapters import STEPS
        from headwater.study import read_study

        study = read_study(file, STEPS)
        place.append(study.results)
        found = _replayed(study, _options(study, watch_from, false_alarms, cells))
        home = out or study.results / "hindcast"
        _save(found, home)
        _show(found)
        typer.echo(f"Tables and maps: {home}")


def _options(
    study: Study, watch_from: str | None, false_alarms: float | None, cells: int
) -> WarningOptions:
    """Take what the study says, with what the command line says otherwise."""
    from pydantic import ValidationError

    from headwater.chapters.warning.options import WarningOptions
    from headwater.errors import StudyError

    given = {} if study.warning is None else study.warning.model_dump()
    flags = {"watch_from": watch_from, "false_alarms": false_alarms, "rehearsals": cells}
    try:
        return WarningOptions(**given | {name: v for name, v in flags.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise StudyError(
            f"{first['loc'][-1]} cannot be so", found=str(first["input"]), do=first["msg"]
        ) from error


def _replayed(study: Study, options: WarningOptions) -> Mapping[str, Result]:
    import numpy as np

    from headwater.chapters.warning.series import named
    from headwater.chapters.warning.step import watch_results
    from headwater.cli.study_run import progress_of, settings_of
    from headwater.errors import ResumeError
    from headwater.study.inputs import read_study_area
    from headwater.study.step import Context

    green, _ = named(study, options)
    if not (study.results / "grids" / f"{green}.zarr").exists():
        raise ResumeError(
            "the study's grids have not been computed",
            found=f"no {study.results / 'grids' / f'{green}.zarr'}",
            do=f"Compute them with: headwater run {study.file} --until grids",
        )
    with progress_of({"hindcast": "Replay the archive"}) as progress:
        context = Context(
            study=study,
            settings=settings_of(study),
            folder=study.results,
            results=study.results,
            area=read_study_area(study),
            rng=np.random.default_rng([study.seed, 16]),
            progress=lambda fraction, what: progress("hindcast", fraction, what),
        )
        found = watch_results(context, options)
        progress("hindcast", 1.0, "done")
    return found


def _save(found: Mapping[str, Result], home: Path) -> None:
    from headwater.errors import ResumeError
    from headwater.study.results_io import save_result

    try:
        home.mkdir(parents=True, exist_ok=True)
        for name, result in found.items():
            save_result(home, name, result)
    except OSError as error:
        raise ResumeError(
            "the folder cannot be written", found=str(error), do="Choose another with --out"
        ) from error


def _show(found: Mapping[str, Result]) -> None:
    from headwater.chapters.warning.section import make_section

    for line in make_section(found, None).headline:
        typer.echo(line)
    alerts = found["alerts"].data
    if len(alerts):
        print_table(alerts, _ALERTS, title="Alerts")
    if "rehearsal" in found:
        table = found["rehearsal"].data
        print_table(table, (*_SCORES, *_DELAYS), title="Planted losses (delays in days)")
        for caution in found["rehearsal"].cautions:
            typer.echo(caution)
    if "run-length" in found:
        row = found["run-length"].data.iloc[0]
        typer.echo(
            f"Seasons between false alarms of a cell, on {int(row['years'])} years of its own "
            f"resampled history: {row['seasons_between_false_alarms']:.0f} "
            f"({row['low']:.0f} to {row['high']:.0f}; asked for {row['asked']:.0f})"
        )
