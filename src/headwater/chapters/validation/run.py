"""A gridded product against station measurements, and against other products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, StudyError, nearest
from headwater.tables.options import DEFAULTS, ReadingOptions

if TYPE_CHECKING:
    import xarray as xr

    from headwater.results import Result
    from headwater.tables import ReadingReport
    from headwater.validation.scorecards import Scorecard

__all__ = ["Comparison", "compare_with_stations", "open_product"]

_YEARS = 3.0
"""A mean year of fewer years holds their events."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a product is compared.

    Attributes
    ----------
    scaling : str or None
        Way to scale the product, fitted on the first half of each station's days and applied to the
        second, which alone is scored then.
    anomalies : bool
        Whether anomalies are scored too.
    outside : {"refuse", "leave out"}
        What is done about stations outside of the product's grid.
    seed : int
        Of the bootstraps.
    depth : float, optional
        Depth of the stations' series that are taken [m]; default: all, each a series of its own.
    reading : ReadingOptions
        What the table of stations leaves open.
    """

    scaling: str | None = None
    anomalies: bool = False
    outside: str = "refuse"
    seed: int = 1
    depth: float | None = None
    reading: ReadingOptions = DEFAULTS


def open_product(
    path: str | Path, *, variable: str | None = None, units: str | None = None
) -> xr.DataArray:
    """Open gridded soil moisture.

    Parameters
    ----------
    path : path
        NetCDF, Zarr, GeoTIFF; the step ``downscaling`` writes one.
    variable : str, optional
        Its variable; default: soil_moisture where there is one.
    units : str, optional
        Unit of a file that does not say its.

    Returns
    -------
    DataArray (time, y, x)
        [m3 m-3]

    Raises
    ------
    InputError, GridError
        If the file cannot be read.
    DataError
        If it does not change in time.
    """
    from headwater.glossary import GLOSSARY
    from headwater.grids import open_grid

    chosen = variable or ("soil_moisture" if _has_soil_moisture(Path(path)) else None)
    cube = open_grid(path, GLOSSARY["soil_moisture"], variable=chosen, units=units)
    if "time" not in cube.dims:
        raise DataError(f"{path} is one map", found="no time", do="Give a series of maps")
    return cube


def compare_with_stations(
    product: xr.DataArray,
    stations: str | Path,
    options: Comparison | None = None,
    *,
    others: Sequence[tuple[str, xr.DataArray]] = (),
) -> dict[str, Result]:
    """Score a product at stations, with intervals; and collocate it with others.

    Parameters
    ----------
    product : DataArray (time, y, x)
        [m3 m-3]
    stations : path
        A table as of :func:`headwater.chapters.validation.stations.read_stations`.
    options : Comparison, optional
        How it is compared.
    others : sequence of (str, DataArray)
        Other products by name: each three of product, others and stations are collocated.

    Returns
    -------
    dict of Result
        ``scorecard``; with scaling also ``scorecard-scaled``; with others ``collocation``.

    Raises
    ------
    InputError, GridError, DataError
        If the stations cannot be read, stand outside of the grid, or share too few days.

    Notes
    -----
    Values of a day are averaged, of the product and of the stations, in UTC.
    """
    from headwater.chapters.validation.stations import read_stations
    from headwater.validation.scorecards import ScorecardOptions, scorecard

    chosen = options or Comparison()
    read = read_stations(stations, depth=chosen.depth, reading=chosen.reading)
    table = read.daily
    x, y = _aligned(_at_stations(product, table, chosen), table)
    if chosen.scaling is not None:
        x, y, scaled = _scaled(x, y, chosen.scaling)
    rng = np.random.default_rng(chosen.seed)
    how = ScorecardOptions(series=_series(chosen, pd.DatetimeIndex(x.index)))
    card = scorecard(x, y, rng=rng, options=how)
    found: dict[str, Result] = {"scorecard": card}
    if chosen.scaling is not None:
        found["scorecard-scaled"] = _told_scaled(scorecard(scaled, y, rng=rng, options=how), chosen)
    if others:
        found["collocation"] = _collocated(x, y, table, others, chosen)
    return {name: _with_report(result, read.report) for name, result in found.items()}


def _with_report(result: Result, report: ReadingReport) -> Result:
    """Keep with a result how its stations were read."""
    return replace(
        result,
        choices=(*report.choices(), *result.choices),
        cautions=(*report.guesses, *result.cautions),
    )


def _has_soil_moisture(path: Path) -> bool:
    import xarray as xr

    try:
        zarr = path.suffix == ".zarr" or (path / ".zgroup").exists()
        with xr.open_zarr(path) if zarr else xr.open_dataset(path, engine="h5netcdf") as cube:
            return "soil_moisture" in cube.data_vars
    except (OSError, ValueError, KeyError):
        return False


def _at_stations(cube: xr.DataArray, table: pd.DataFrame, options: Comparison) -> pd.DataFrame:
    """Read the cells of the stations, averaged by day."""
    from headwater.validation.matching import station_series

    places = table.drop_duplicates("station")
    series = station_series(cube, places, outside=options.outside)
    low, high = 0.0, 1.0
    series = series.where((series >= low) & (series <= high))
    return series.groupby(pd.DatetimeIndex(series.index).floor("D")).mean()


def _aligned(product: pd.DataFrame, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lay product and stations on the days that both reach, one after the other."""
    wide = table.set_index(["day", "station"])["soil_moisture"].unstack("station")  # noqa: PD010
    wide = wide.reindex(columns=product.columns)
    start, end = (
        pick(a, b)
        for pick, a, b in (
            (max, product.index.min(), wide.index.min()),
            (min, product.index.max(), wide.index.max()),
        )
    )
    if end < start:
        raise DataError(
            "product and stations share no day",
            found=f"product {_span(product)}, stations {_span(wide)}",
            do="Give measurements of the product's period",
        )
    days = pd.date_range(start, end, freq="D")
    return product.reindex(days), wide.reindex(days)


def _span(frame: pd.DataFrame) -> str:
    return f"{frame.index.min():%Y-%m-%d} to {frame.index.max():%Y-%m-%d}"


def _series(options: Comparison, days: pd.DatetimeIndex) -> tuple[str, ...]:
    from headwater.validation.scorecards import SERIES

    if not options.anomalies:
        return SERIES[:1]
    years = (days.max() - days.min()).days / 365.25
    return SERIES if years >= _YEARS else SERIES[:2]


def _scaled(
    product: pd.DataFrame, reference: pd.DataFrame, method: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Fit on the first half of each station's pairs; give the second, as it is and scaled."""
    from headwater.validation.scaling import SCALINGS, fit_scaling

    if method not in SCALINGS:
        raise StudyError("unknown scaling", found=f"'{method}'", do=nearest(method, SCALINGS))
    x, y = product.copy(), reference.copy()
    scaled = x.copy()
    for name in x.columns:
        days = np.flatnonzero(x[name].notna() & y[name].notna())
        if days.size < 2:
            continue
        middle = int(days[days.size // 2])
        own = fit_scaling(x[name].iloc[:middle], y[name].iloc[:middle], method)
        scaled[name] = own.transform(x[name].to_numpy())
        for frame in (x, y, scaled):
            frame[name] = frame[name].where(np.arange(len(frame)) >= middle)
    return x, y, scaled


def _told_scaled(card: Scorecard, options: Comparison) -> Scorecard:
    from dataclasses import replace

    told = (
        f"The product was scaled ({options.scaling}) on the first half of each station's days: its "
        "bias and spread on the second are those of the fit. The unscaled scores stand beside."
    )
    return replace(card, cautions=(*card.cautions, told))


def _collocated(
    product: pd.DataFrame,
    reference: pd.DataFrame,
    table: pd.DataFrame,
    others: Sequence[tuple[str, Any]],
    options: Comparison,
) -> Result:
    from headwater.results import TableResult, fingerprint
    from headwater.validation.collocation import triple_collocations

    read = {
        name: _at_stations(cube, table, options).reindex(product.index) for name, cube in others
    }
    parts = []
    for station in product.columns:
        series = {"product": product[station]}
        series |= {name: frame[station] for name, frame in read.items() if station in frame}
        frame = pd.DataFrame({**series, "station": reference[station]})
        if frame.shape[1] < 3:
            continue
        rng = np.random.default_rng(options.seed)
        own = triple_collocations(frame, reference="station", rng=rng)
        parts.append(own.assign(station=station))
    if not parts:
        raise DataError(
            "no station lies on three products",
            found=f"{len(read)} other products",
            do="Give products that cover the stations",
        )
    joined = pd.concat(parts, ignore_index=True)
    columns = ["station", "triplet", *(n for n in joined if n not in ("station", "triplet"))]
    return TableResult(
        joined[columns],
        "Triple collocation at each station, with a circular block bootstrap.",
        fingerprint=fingerprint(product.to_numpy(), *(f.to_numpy() for f in read.values())),
        cautions=(
            "Collocation holds where the three err independently; a station's error holds how a "
            "point differs from a cell.",
        ),
    )
