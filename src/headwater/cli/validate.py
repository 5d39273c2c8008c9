"""The command that holds a product against stations."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import print_table, warn, write_results

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["validate"]

_MEASURES = ("bias", "rmsd", "ubrmsd", "pearson", "spearman", "spatial_r")
_HEADS = {
    "group": "group",
    "series": "series",
    "measure": "measure",
    "value": "value",
    "low": "low",
    "high": "high",
    "n": "n",
    "stations": "stations",
    "unit": "unit",
}
_GROUPINGS = ("season", "station")
_FIGURES = ("summary", "forest", "series")


def validate(  # noqa: PLR0913, PLR0917 - a command has the options that its users need
    product: Annotated[Path, typer.Argument(help="Soil moisture: NetCDF or Zarr, with time.")],
    stations: Annotated[
        Path,
        typer.Argument(help="CSV of station, longitude, latitude, time, soil_moisture [m3 m-3]."),
    ],
    variable: Annotated[
        str | None, typer.Option(help="Variable of the product; default: soil_moisture.")
    ] = None,
    units: Annotated[
        str | None, typer.Option(help="Unit of a product that does not say its.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="season or station; may be repeated.")
    ] = None,
    scaling: Annotated[
        str | None, typer.Option(help="mean_std, min_max, linreg or cdf_match; default: none.")
    ] = None,
    anomalies: Annotated[
        bool, typer.Option("--anomalies", help="Score anomalies too, of 35 days and of the year.")
    ] = False,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another product, for triple collocation; may be repeated."),
    ] = None,
    depth: Annotated[
        float | None, typer.Option(help="Depth of the stations' series [m]; default: all.")
    ] = None,
    reading: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What the table of stations leaves open: zone=Asia/Shanghai, dates=dmy; repeat.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables (CSV) and figures.")] = None,
) -> None:
    """Hold a product against stations: scores with intervals that know of autocorrelation."""
    with report_errors():
        from headwater.chapters.validation.run import (
            Comparison,
            compare_with_stations,
            open_product,
        )
        from headwater.tables import parse_options

        _check_groupings(by or [])
        cube = open_product(product, variable=variable, units=units)
        others = [(path.stem, open_product(path)) for path in against or []]
        options = Comparison(scaling, anomalies, depth=depth, reading=parse_options(reading or ()))
        found = compare_with_stations(cube, stations, options, others=others)
        for name, result in found.items():
            if name == "collocation":
                _show_collocation(result.data)
            else:
                words = "" if name == "scorecard" else f", scaled by {scaling}"
                _show_card(result.data, by or [], words)
        _keep(out, found)
        warn(text for result in found.values() for text in result.cautions)


def _check_groupings(by: list[str]) -> None:
    from headwater.errors import StudyError, nearest

    for name in by:
        if name not in _GROUPINGS:
            raise StudyError("unknown grouping", found=f"'{name}'", do=nearest(name, _GROUPINGS))


def _show_card(table: pd.DataFrame, by: list[str], words: str) -> None:
    titles = {"all": "All stations"} | {name: f"By {name}" for name in by}
    for grouping, title in titles.items():
        own = table[(table["grouping"] == grouping) & table["measure"].isin(_MEASURES)]
        heads = dict(_HEADS)
        if grouping == "all":
            del heads["group"]
        print_table(own.reset_index(drop=True), heads, title=f"{title}{words} (95 % intervals)")


def _show_collocation(table: pd.DataFrame) -> None:
    heads = {
        "station": "station",
        "triplet": "triplet",
        "dataset": "product",
        "error_sd": "error sd",
        "error_sd_low": "low",
        "error_sd_high": "high",
        "snr_db": "SNR [dB]",
        "correlation": "R with the truth",
        "n": "n",
        "flag": "flag",
    }
    print_table(
        table, heads, title="Triple collocation (error sd in m³ m⁻³ on each product's own scale)"
    )


def _keep(out: Path | None, found: dict[str, Any]) -> None:
    figures = {
        f"{name}-{kind}": partial(result.plot, kind)
        for name, result in found.items()
        if name != "collocation"
        for kind in _FIGURES
    }
    write_results(out, {name: _plain(result) for name, result in found.items()}, figures)


def _plain(result: Any) -> Any:
    """Leave the pairs out of what is written: they are the user's own data."""
    from headwater.results import TableResult

    return TableResult(
        result.data,
        result.method,
        result.references,
        result.fingerprint,
        result.choices,
        result.cautions,
    )
