"""Commands that make a study's soil moisture finer, and that state what to expect of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import Out, print_table, warn, write_results
from headwater.cli.study_run import draw_report, progress_of, run_with_progress, settings_of

if TYPE_CHECKING:
    import pandas as pd

    from headwater.study import Study

__all__ = ["run_downscale", "run_twin"]

_File = Annotated[Path, typer.Argument(help="The study file.", show_default=True)]
_Threads = Annotated[int | None, typer.Option(help="Threads that compute at once.", min=1)]

_NAMES = {
    "nearest": "nearest cell",
    "bilinear": "bilinear",
    "pipeline": "this downscaling",
    "oracle": "oracle",
}
_SKILL = {
    "method": "",
    "rmse": "RMSE [m³ m⁻³]",
    "rmse_sd": "± sd",
    "ubrmse": "ubRMSE [m³ m⁻³]",
    "r": "R in time",
    "r_space": "R in space",
    "r_within": "R within cells",
    "coverage": "in intervals",
    "n": "n",
}


def run_downscale(
    file: _File = Path("study.toml"),
    threads: _Threads = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute every step anew, keeping none.")
    ] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Compute, but draw no report.")
    ] = False,
) -> None:
    """Make the soil moisture of a study finer, and say how far it can be trusted."""
    with report_errors() as place:
        from headwater.study import load_result

        study = _asked(file)
        place.append(study.results)
        settings = settings_of(study, threads=threads)
        run_with_progress(study, settings, fresh=fresh, until="downscaling")
        _show_product(study, load_result)
        if not no_report:
            draw_report(study, settings)


def _show_product(study: Study, load: Any) -> None:
    folder = study.results / "downscaling"
    if (folder / "twin.json").exists():
        _show_skill(load(study.results, "downscaling/twin").data)
    else:
        typer.echo("\nNo twin was asked for: the error at the fine scale is not known.")
    if (folder / "stations.json").exists():
        _show_stations(load(study.results, "downscaling/stations").data)
    closure = load(study.results, "downscaling/closure").data.iloc[0]
    typer.echo(
        f"\nCoarse means depart from the observations by {closure['rmse']:.4f} m³ m⁻³ (RMSE, n = "
        f"{int(closure['n'])}), their noise included; this says little of the fine scale."
    )
    assert study.downscaling is not None
    typer.echo(f"Product: {folder / study.downscaling.of}.zarr")
    warn(load(study.results, "downscaling/maps").cautions)


def run_twin(
    file: _File = Path("study.toml"),
    draws: Annotated[
        int | None,
        typer.Option(help="Synthetic truths; default: twins of the study file, or 2.", min=2),
    ] = None,
    threads: _Threads = None,
    out: Out = None,
) -> None:
    """State what skill to expect of a downscaling before a map is made."""
    with report_errors() as place:
        from headwater.chapters.downscaling.check import expected_skill
        from headwater.chapters.downscaling.results import twin_results
        from headwater.results import fingerprint

        study = _asked(file)
        place.append(study.results)
        titles = {"grids": "Align the inputs", "twin": "Lay synthetic truths"}
        with progress_of(titles) as progress:
            found = expected_skill(
                study,
                settings=settings_of(study, threads=threads),
                n_resamples=draws,
                progress=progress,
            )
        results = twin_results(found.twin, fingerprint(found.task.retrieval))
        _show_skill(results["twin"].data)
        gap = found.twin.headroom
        typer.echo(
            f"\nHead-room to the oracle: RMSE {gap['rmse']:+.4f}, ubRMSE {gap['ubrmse']:+.4f} m³ "
            f"m⁻³, R within cells {gap['r_within']:+.2f}. The oracle is trained on the fine truth, "
            "but knows no observation of the day."
        )
        write_results(out, results)
        warn((found.twin.assumptions, *found.task.notes, *found.twin.notes))


def _asked(file: Path) -> Study:
    from headwater.chapters import STEPS
    from headwater.errors import StudyError
    from headwater.study import read_study

    study = read_study(file, STEPS)
    if study.downscaling is None:
        raise StudyError(
            "the study asks for no downscaling",
            found=f"{file} without a table [downscaling]",
            do="Add [downscaling]; headwater init writes a study file that explains its keys",
        )
    return study


def _show_skill(table: pd.DataFrame) -> None:
    means = table.groupby("method")[["rmse", "ubrmse", "r", "r_space", "r_within", "coverage"]]
    shown = means.mean().reindex(list(_NAMES))
    shown["rmse_sd"] = table.groupby("method")["rmse"].std()
    shown["n"] = table.groupby("method")["n"].sum().astype(int)
    shown = shown.reset_index().assign(method=list(_NAMES.values()))
    title = (
        f"Skill to expect at the fine scale, on {table['draw'].nunique()} synthetic truths over "
        "the study's own predictors"
    )
    print_table(shown, _SKILL, title=title)


def _show_stations(table: pd.DataFrame) -> None:
    whole = table[(table["grouping"] == "all") & (table["series"] == "raw")]
    wanted = ("bias", "rmsd", "ubrmsd", "pearson", "spearman", "within_cell_r")
    heads = {
        "measure": "measure",
        "value": "value",
        "low": "low",
        "high": "high",
        "n": "n",
        "stations": "stations",
        "unit": "unit",
    }
    rows = whole[whole["measure"].isin(wanted)].reset_index(drop=True)
    print_table(rows, heads, title="Against stations that took no part in the product (95 %)")
