"""A gridded product against station measurements, and against other products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.chapters.validation.reference import Reference, check_hours, read_reference
from headwater.errors import DataError, StudyError, nearest
from headwater.tables.options import DEFAULTS, ReadingOptions

if TYPE_CHECKING:
    import xarray as xr

    from headwater.results import Result
    from headwater.validation.scorecards import Scorecard

__all__ = ["Comparison", "compare_with_stations", "open_product"]

_YEARS = 3.0
"""A mean year of fewer years holds their events."""
_DEGREES_AN_HOUR = 15.0
_DAY = np.timedelta64(1, "D")
_LONG = 1.5
"""Steps of so many days are no days [d]."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a product is compared.

    Attributes
    ----------
    scaling : str or None
        Way to scale the product, fitted on the first half of each station's days and scored on the
        second.
    anomalies : {"none", "full", "pairs"}
        Whether anomalies are scored too, from each full series or from the matched pairs alone.
    outside : {"refuse", "leave out"}
        What is done about stations outside of the product's grid.
    depth : tuple of float, optional
        Top and bottom of the layer whose sensors are taken [m]; default: all, each a series.
    flags : tuple of str
        Flags of the ISMN whose values are kept.
    overpass : tuple of float
        Local solar hours at which the satellite passes; empty for daily means.
    window_hours : float
        How far from the overpass a measurement may be [h].
    correlated : tuple of pairs of str
        Products that may err together, for extended collocation.
    level : float
        Coverage of the intervals [1].
    min_pairs : int
        Fewest pairs for a station to count.
    reading : ReadingOptions
        What a table of stations leaves open.
    """

    scaling: str | None = None
    anomalies: str = "none"
    outside: str = "refuse"
    depth: tuple[float, float] | None = None
    flags: tuple[str, ...] = ("G",)
    overpass: tuple[float, ...] = ()
    window_hours: float = 1.0
    correlated: tuple[tuple[str, str], ...] = ()
    level: float = 0.95
    min_pairs: int = 30
    reading: ReadingOptions = DEFAULTS


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Product and reference on the same days and stations, and where the stations stand."""

    product: pd.DataFrame
    reference: pd.DataFrame
    places: pd.DataFrame


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
    stations: str | Path | Reference,
    options: Comparison | None = None,
    *,
    others: Mapping[str, xr.DataArray] | None = None,
    strata: xr.DataArray | Mapping[str, str] | None = None,
    intervals: xr.Dataset | None = None,
    rng: np.random.Generator,
) -> dict[str, Result]:
    """Score a product at stations, with intervals; and compare and collocate it with others.

    Parameters
    ----------
    product : DataArray (time, y, x)
        [m3 m-3]
    stations : path or Reference
        As of :func:`headwater.chapters.validation.reference.read_reference`.
    options : Comparison, optional
        How it is compared.
    others : mapping of str to DataArray, optional
        Other products by name: each two of product, others and stations are compared, each three
        collocated.
    strata : DataArray (y, x) or mapping of station to str, optional
        Classes, whose value at a station makes its stratum.
    intervals : Dataset, optional
        With layers ``low`` and ``high`` and attribute ``interval``, that the product predicts.
    rng : numpy Generator
        For bootstraps.

    Returns
    -------
    dict of Result
        ``scorecard`` and ``stations``, one row a station; with scaling ``scorecard-scaled``; with
        intervals ``intervals``; with others ``pairwise`` and ``collocation``, and where products
        may err together ``extended-collocation``.

    Raises
    ------
    InputError, GridError, DataError
        If the stations cannot be read, stand outside of the grid, or share too few days.

    Notes
    -----
    Values of a day are averaged, of the product and of the stations, in UTC; with `overpass`, the
    stations' values within the window around it are, at each station's own solar time. A product
    of steps longer than a day (8-day composites, months) is compared with the mean of the stations'
    days in each step, where at least half of them have values, at the middle of the step.
    """
    from headwater.chapters.validation.tables import (
        collocation_results,
        interval_table,
        station_table,
    )
    from headwater.validation.scorecards import scorecard

    chosen = options or Comparison()
    reference = stations
    if not isinstance(reference, Reference):
        reference = read_reference(
            reference, depth=chosen.depth, flags=chosen.flags, reading=chosen.reading
        )
    spans = _long_steps(product)
    series = _at_stations(product, reference.places, chosen, spans)
    pairs = _aligned(series, reference, chosen, spans)
    x, y = pairs.product, pairs.reference
    how = _card_options(chosen, pd.DatetimeIndex(x.index))
    labels = _labels(strata, pairs.places)
    card = scorecard(x, y, rng=rng, options=how, strata=labels)
    found: dict[str, Result] = {"scorecard": card}
    found["stations"] = station_table(card, pairs.places, labels)
    if chosen.scaling is not None:
        found["scorecard-scaled"] = _scaled_card(pairs, chosen, how, rng)
    if intervals is not None:
        ends = [
            _at_stations(intervals[name], pairs.places, chosen, spans) for name in ("low", "high")
        ]
        low, high = (end.reindex(index=x.index, columns=x.columns) for end in ends)
        nominal = float(intervals.attrs["interval"])
        found["intervals"] = interval_table(low, high, y, nominal=nominal)
    if others:
        frames = {
            name: _at_stations(cube, pairs.places, chosen, spans).reindex(x.index)
            for name, cube in others.items()
        }
        found |= collocation_results(x, y, frames, correlated=chosen.correlated, rng=rng)
    return {name: _with_reading(result, reference, chosen, spans) for name, result in found.items()}


def _long_steps(product: xr.DataArray) -> pd.IntervalIndex | None:
    """Find the steps of a product that lasts longer than a day."""
    from headwater.grids.steps import time_steps

    steps = time_steps(product)
    if not steps.has_length or float(np.median(steps.days)) < _LONG:
        return None
    start, end = pd.DatetimeIndex(steps.start), pd.DatetimeIndex(steps.end)
    return pd.IntervalIndex.from_arrays(start.as_unit("ns"), end.as_unit("ns"), closed="left")


def _days_of(spans: pd.IntervalIndex) -> NDArray[np.float64]:
    days: NDArray[np.float64] = (spans.right.to_numpy() - spans.left.to_numpy()) / _DAY
    return days


def _over_steps(frame: pd.DataFrame, spans: pd.IntervalIndex) -> pd.DataFrame:
    """Average days over steps, where half of a step's days have values, and stamp its middle."""
    at = spans.get_indexer(pd.DatetimeIndex(frame.index))
    inside, groups = frame[at >= 0], at[at >= 0]
    means, counts = (getattr(inside.groupby(groups), how)() for how in ("mean", "count"))
    most = counts.max(axis=None) if len(counts) else 0
    # values that stand once in a step are those of a product with the same steps
    least = 0.5 * _days_of(spans)[means.index] if most > 1 else np.zeros(len(means))
    kept: pd.DataFrame = means.where(counts.ge(least, axis=0))
    kept.index = spans.mid[kept.index].floor("D")
    return kept


def _with_reading(
    result: Result, reference: Reference, options: Comparison, spans: pd.IntervalIndex | None
) -> Result:
    """Keep with a result how its reference was read and matched."""
    when = "Daily means in UTC are compared."
    if options.overpass:
        hours = ", ".join(f"{hour:g}:00" for hour in options.overpass)
        when = (
            f"Measurements within {options.window_hours:g} h of {hours} local solar time are "
            "compared."
        )
    if spans is not None:
        length = float(np.median(_days_of(spans)))
        when += (
            f" The product's steps last {length:g} days: means of the stations' days in each step, "
            "where at least half of them have values, are compared at its middle."
        )
    return replace(
        result,
        choices=(*reference.choices, when, *result.choices),
        cautions=(*reference.cautions, *result.cautions),
    )


def _has_soil_moisture(path: Path) -> bool:
    import xarray as xr

    try:
        zarr = path.suffix == ".zarr" or (path / ".zgroup").exists()
        with xr.open_zarr(path) if zarr else xr.open_dataset(path, engine="h5netcdf") as cube:
            return "soil_moisture" in cube.data_vars
    except (OSError, ValueError, KeyError):
        return False


def _at_stations(
    cube: xr.DataArray,
    places: pd.DataFrame,
    options: Comparison,
    spans: pd.IntervalIndex | None,
) -> pd.DataFrame:
    """Read the cells of the stations, averaged by day, or over the steps of a long one."""
    from headwater.grids.steps import time_steps
    from headwater.validation.matching import station_series

    series = station_series(cube, places, outside=options.outside)
    series = series.where((series >= 0.0) & (series <= 1.0))
    if spans is not None:
        # a composite stands for its middle, wherever it is stamped
        steps = time_steps(cube)
        series.index = pd.DatetimeIndex(steps.middle if steps.has_length else series.index)
        return _over_steps(series, spans)
    return series.groupby(pd.DatetimeIndex(series.index).floor("D")).mean()


def _aligned(
    product: pd.DataFrame,
    reference: Reference,
    options: Comparison,
    spans: pd.IntervalIndex | None,
) -> _Pairs:
    """Bring product and stations to the days, or steps, that both reach, one after the other."""
    data = reference.data[reference.data["station"].isin(product.columns)]
    if options.overpass:
        wide = _at_overpass(data, reference.places, options)
    else:
        day = data["time"].dt.floor("D").rename("day")
        wide = data.groupby([day, "station"])["soil_moisture"].mean().unstack("station")  # noqa: PD010
    wide = wide.reindex(columns=product.columns)
    if spans is not None:
        wide = _over_steps(wide, spans)
    if wide.empty:
        raise _no_days(product, data)
    start = max(product.index.min(), wide.index.min())
    end = min(product.index.max(), wide.index.max())
    if end < start:
        raise _no_days(product, data)
    if spans is None:
        days = pd.date_range(start, end, freq="D")
    else:
        middles = spans.mid.floor("D")
        days = middles[(middles >= start) & (middles <= end)]
    places = reference.places.set_index("station").loc[list(product.columns)].reset_index()
    return _Pairs(product.reindex(days), wide.reindex(days), places)


def _at_overpass(data: pd.DataFrame, places: pd.DataFrame, options: Comparison) -> pd.DataFrame:
    """Average what each station measured around the satellite's local solar hours of a day."""
    from headwater.validation.matching import match_times

    check_hours(data)
    first, last = (pick(data["time"]).floor("D") for pick in (min, max))
    days = pd.date_range(first, last, freq="D")
    columns = {}
    for station, longitude in zip(places["station"], places["longitude"], strict=True):
        own = data[data["station"] == station]
        east = (float(longitude) + 180.0) % 360.0 - 180.0
        found = []
        for hour in options.overpass:
            passes = days + pd.to_timedelta(hour - east / _DEGREES_AN_HOUR, unit="h")
            found.append(
                match_times(
                    passes,
                    own["time"],
                    own["soil_moisture"],
                    window=options.window_hours / 24.0,
                    method="mean",
                ).values
            )
        columns[station] = pd.DataFrame(found).mean(axis=0).to_numpy()
    return pd.DataFrame(columns, index=days)


def _no_days(product: pd.DataFrame, data: pd.DataFrame) -> DataError:
    own, theirs = (
        f"{times.min():%Y-%m-%d} to {times.max():%Y-%m-%d}"
        for times in (product.index, data["time"])
    )
    return DataError(
        "product and stations share no day",
        found=f"product {own}, stations {theirs}",
        do="Give measurements of the product's period",
    )


def _card_options(options: Comparison, days: pd.DatetimeIndex) -> Any:
    from headwater.validation.scorecards import SERIES, ScorecardOptions

    years = (days.max() - days.min()).days / 365.25
    series = SERIES if years >= _YEARS else SERIES[:2]
    return ScorecardOptions(
        level=options.level,
        min_pairs=options.min_pairs,
        series=SERIES[:1] if options.anomalies == "none" else series,
        anomalies="pairs" if options.anomalies == "pairs" else "full",
    )


def _labels(
    strata: xr.DataArray | Mapping[str, str] | None, places: pd.DataFrame
) -> Mapping[str, str] | None:
    """Find the stratum of each station."""
    if strata is None or isinstance(strata, Mapping):
        return strata
    from headwater.validation.matching import station_cells

    cells = station_cells(places, strata, outside="leave out")
    names = _class_names(strata)
    found = {}
    values = strata.values[cells["row"].to_numpy(), cells["column"].to_numpy()]
    for station, value in zip(cells["station"].astype(str), values.astype(float), strict=True):
        if np.isfinite(value):
            found[station] = names.get(int(value), f"{value:g}")
    return found


def _class_names(strata: xr.DataArray) -> dict[int, str]:
    values, words = (strata.attrs.get(name) for name in ("flag_values", "flag_meanings"))
    if values is None or words is None:
        return {}
    return dict(zip((int(one) for one in np.ravel(values)), str(words).split(), strict=False))


def _scaled_card(
    pairs: _Pairs, options: Comparison, how: Any, rng: np.random.Generator
) -> Scorecard:
    """Fit on the first half of each station's pairs, and score the second; all else stays whole."""
    from headwater.validation.scaling import SCALINGS, fit_scaling
    from headwater.validation.scorecards import scorecard

    method = str(options.scaling)
    if method not in SCALINGS:
        raise StudyError("unknown scaling", found=f"'{method}'", do=nearest(method, SCALINGS))
    x, y = pairs.product, pairs.reference
    scaled, half = x.copy(), y.copy()
    for name in x.columns:
        days = np.flatnonzero(x[name].notna() & y[name].notna())
        later = np.zeros(len(x), dtype=bool)
        if days.size >= 2:
            middle = int(days[days.size // 2])
            own = fit_scaling(x[name].iloc[:middle], y[name].iloc[:middle], method)
            scaled[name] = own.transform(x[name].to_numpy())
            later = np.arange(len(x)) >= middle
        scaled[name], half[name] = scaled[name].where(later), half[name].where(later)
    card = scorecard(scaled, half, rng=rng, options=how)
    caution = (
        f"The product was scaled ({method}) on the first half of each station's days: its bias and "
        "spread on the second are those of the fit. The unscaled scores are of all days."
    )
    return replace(card, cautions=(*card.cautions, caution))
