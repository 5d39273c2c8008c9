"""The command that compares a product with stations and with other products."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.errors import report_errors
from headwater.cli.output import Out, print_table, warn, write_results

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run_validate"]

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
_GROUPINGS = ("season", "station", "stratum")
_FIGURES = ("summary", "forest", "series", "boxes")


def run_validate(  # noqa: PLR0913, PLR0917 - a command has the options that its users need
    product: Annotated[Path, typer.Argument(help="Soil moisture: NetCDF or Zarr, with time.")],
    stations: Annotated[
        Path,
        typer.Argument(
            help="Table of station, longitude, latitude, time, soil_moisture [m3 m-3]; folder or "
            "ZIP of ISMN; or store of a network (.db)."
        ),
    ],
    variable: Annotated[
        str | None, typer.Option(help="Variable of the product; default: soil_moisture.")
    ] = None,
    units: Annotated[
        str | None, typer.Option(help="Unit of a product that does not say its.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="season, station or stratum; may be repeated.")
    ] = None,
    scaling: Annotated[
        str | None, typer.Option(help="mean_std, min_max, linreg or cdf_match; default: none.")
    ] = None,
    anomalies: Annotated[
        bool, typer.Option("--anomalies", help="Score anomalies too, of 35 days and of the year.")
    ] = False,
    pairs_only: Annotated[
        bool,
        typer.Option("--pairs-only", help="Take anomalies from the matched pairs alone."),
    ] = False,
    overpass: Annotated[
        list[float] | None,
        typer.Option(help="Local solar hour of the satellite, 6 or 18; default: daily means."),
    ] = None,
    window_hours: Annotated[
        float, typer.Option(help="How far from the overpass a measurement may be [h].", min=0.01)
    ] = 1.0,
    flag: Annotated[
        list[str] | None, typer.Option(help="ISMN flag that is kept; default: G; repeat.")
    ] = None,
    strata: Annotated[
        Path | None, typer.Option(help="Map of classes: the class of a station is its stratum.")
    ] = None,
    correlated: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B", help="Two of the products that may err together (with --against)."
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another product, for triple collocation; may be repeated."),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(
            metavar="TOP-BOTTOM",
            help="Layer of the sensors, such as 0-0.1, or one depth [m]; default: all.",
        ),
    ] = None,
    reading: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What the table of stations leaves open: zone=Asia/Shanghai, dates=dmy; repeat.",
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Compare a product with stations: scores with intervals that know of autocorrelation."""
    with report_errors():
        import numpy as np

        from headwater.chapters.validation.run import (
            Comparison,
            compare_with_stations,
            open_product,
        )
        from headwater.tables.options import parse_options

        _check_groupings(by or [])
        cube = open_product(product, variable=variable, units=units)
        options = Comparison(
            scaling=scaling,
            anomalies=("pairs" if pairs_only else "full") if anomalies else "none",
            depth=_layer(depth),
            flags=tuple(flag or ("G",)),
            overpass=tuple(overpass or ()),
            window_hours=window_hours,
            correlated=tuple(_pair(text) for text in correlated or ()),
            reading=parse_options(reading or ()),
        )
        found = compare_with_stations(
            cube,
            stations,
            options,
            others={path.stem: open_product(path) for path in against or []},
            strata=None if strata is None else _classes(strata),
            intervals=_intervals(product, variable),
            rng=np.random.default_rng(1),
        )
        _show(found, by or [], scaling)
        _keep(out, found)
        _write_qa4sm(out, found, product.stem)
        warn(dict.fromkeys(text for result in found.values() for text in result.cautions))


def _layer(text: str | None) -> tuple[float, float] | None:
    """Read a layer or one depth."""
    from headwater.errors import StudyError

    if text is None:
        return None
    try:
        ends = [float(part) for part in text.split("-")]
        if len(ends) > 2 or not 0.0 <= ends[0] <= ends[-1]:
            raise ValueError(text)
    except ValueError as error:
        raise StudyError(
            "a depth that cannot be read", found=repr(text), do="Write 0.05, or 0-0.1, in m"
        ) from error
    return ends[0], ends[-1]


def _pair(text: str) -> tuple[str, str]:
    from headwater.errors import StudyError

    names = [part.strip() for part in text.split(",")]
    if len(names) != 2:
        raise StudyError(
            "two products may err together", found=repr(text), do="Write --correlated product,gldas"
        )
    return names[0], names[1]


def _classes(path: Path) -> Any:
    from headwater.glossary import Term
    from headwater.grids import open_grid

    term = Term("strata", "", "Strata", "", "1", (-1e9, 1e9), kind="categorical", total="none")
    return open_grid(path, term).compute()


def _intervals(product: Path, variable: str | None) -> Any:
    """Open the intervals that a downscaled product carries, where it does."""
    import xarray as xr

    if product.suffix != ".zarr":
        return None
    name = variable or "soil_moisture"
    cube = xr.open_zarr(product, decode_coords="all")
    if f"{name}_low" not in cube:
        return None
    words = str(cube[f"{name}_low"].attrs.get("long_name", ""))
    share = next((part for part in words.split() if part.endswith("%")), "90%")
    layers = {"low": cube[f"{name}_low"], "high": cube[f"{name}_high"]}
    return xr.Dataset(layers, attrs={"interval": float(share.rstrip("%")) / 100.0})


def _show(found: dict[str, Any], by: list[str], scaling: str | None) -> None:
    for name in ("scorecard", "scorecard-scaled"):
        if name in found:
            words = "" if name == "scorecard" else f", scaled by {scaling}"
            _show_card(found[name].data, by, words)
    if "intervals" in found:
        _show_intervals(found["intervals"].data)
    if "pairwise" in found:
        _show_pairs(found["pairwise"].data)
    for name in ("collocation", "extended-collocation"):
        if name in found:
            _show_collocation(found[name].data)


def _show_intervals(table: pd.DataFrame) -> None:
    heads = {
        "station": "station",
        "picp": "inside",
        "picp_low": "low",
        "picp_high": "high",
        "width": "mean width [m³ m⁻³]",
        "n": "n",
    }
    print_table(table, heads, title="Share of measurements inside the product's own intervals")


def _show_pairs(table: pd.DataFrame) -> None:
    own = table[table["measure"].isin(["bias", "ubrmsd", "pearson"])]
    heads = {
        "station": "station",
        "product": "product",
        "reference": "reference",
        "measure": "measure",
        "value": "value",
        "low": "low",
        "high": "high",
        "n": "n",
    }
    print_table(own.reset_index(drop=True), heads, title="Each two of the products (95 %)")


def _write_qa4sm(out: Path | None, found: dict[str, Any], product: str) -> None:
    if out is None:
        return
    from headwater.chapters.validation.tables import to_qa4sm

    named = to_qa4sm(found["stations"], product=product, reference="reference")
    named.to_netcdf(out / "qa4sm.nc", engine="h5netcdf")


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
    heads = {name: words for name, words in heads.items() if name in table}
    title = "Triple collocation" if "triplet" in table else "Extended collocation"
    print_table(table, heads, title=f"{title} (error sd in m³ m⁻³ on each product's own scale)")


def _keep(out: Path | None, found: dict[str, Any]) -> None:
    figures = {
        f"{name}-{kind}": partial(result.plot, kind=kind)
        for name, result in found.items()
        if name.startswith("scorecard")
        for kind in _FIGURES
    } | {"stations": found["stations"].plot}
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
