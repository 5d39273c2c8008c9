"""Aggregation of a cube: to longer periods of the calendar, or over an area and its bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from headwater.errors import DataError, TimeAxisError, nearest
from headwater.grids.steps import TimeSteps, days_between, plus_days, time_steps
from headwater.grids.zonal import zone_mean
from headwater.grids.zones import Zones
from headwater.variation._maps import (
    Values,
    as_cube,
    check_share,
    count,
    name_of,
    refuse_classes,
)
from headwater.variation.calendar import (
    _NAMES,
    PERIODS,
    Cadence,
    Periods,
    cadence,
    check_time,
    periods,
)

__all__ = [
    "aggregate",
    "aggregate_all",
    "aggregate_sums",
    "area_series",
    "band_series",
    "period_sums",
]

_WHOLE = 1e-9
_PARTS = ("n", "days", "sum")
_MONTH = PERIODS.index("month")


def aggregate(
    data: Values,
    period: str,
    *,
    min_coverage: float = 0.8,
    growing_season: tuple[int, int] = (5, 10),
) -> xr.Dataset:
    """Aggregate a cube to days, pentads, months, seasons, growing seasons or years.

    Parameters
    ----------
    data : DataArray (time, ...), or Series with times as its index
        NumPy or Dask, chunked in any way; times on a standard or cftime calendar, gaps allowed.
        ``attrs["total"]`` says whether steps add up (``sum``) or average (anything else).
    period : {"day", "pentad", "month", "season", "growing_season", "year"}
        The period, as in :func:`headwater.variation.calendar.periods`.
    min_coverage : float
        Least share of the period [1] that valid steps must cover; below it the value is NaN.
    growing_season : tuple of int
        First and last month of the growing season; (11, 3) wraps the year and belongs to the year
        of its first month.

    Returns
    -------
    Dataset
        ``<name>`` [units of data], ``n`` (valid steps) [1] and ``coverage`` [1], float64, lazy if
        the data are. ``time`` is the first instant of each period, ``time_bnds`` has both ends.
        Periods follow each other without a gap: one without data is there, empty.

    Raises
    ------
    TimeAxisError
        If times cannot be trusted, or the native step is longer than the period.
    DataError
        For angles and classes, infinite values, or a growing season without data.

    Notes
    -----
    A step covers the days between its bounds (``time_end``), or those that its stamp says
    (:func:`headwater.grids.steps.time_steps`): a monthly value its month, a composite its 8,
    10 or 16 days. Each period has a share of it: w is the number of its days in the period, and of
    a total x the part f = w / length of the step. With sums over the valid steps,

    ``coverage = Σw / days of the period`` (at most 1), ``mean = Σ w x / Σw`` and
    ``total = Σ f x · days / Σw``.

    Instants without a step stand for the median step, in the period that holds them. Periods run
    from the one that holds the middle of the first step to the one that holds that of the last.

    So nothing is filled: a total over an incomplete period is the mean of what was seen times the
    period's length, and stands next to its coverage. Set `min_coverage` to 1 to allow none of this.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2017-01-01", "2017-02-28")
    >>> rain = xr.DataArray(np.ones(59), {"time": days}, "time", "rain", {"total": "sum"})
    >>> aggregate(rain, "month")["rain"].values
    array([31., 28.])
    """
    return _value(
        period_sums(as_cube(data), period, growing_season=growing_season), period, min_coverage
    )


def aggregate_all(
    data: xr.DataArray,
    wanted: Sequence[str],
    *,
    min_coverage: float = 0.8,
    growing_season: tuple[int, int] = (5, 10),
) -> dict[str, xr.Dataset]:
    """Aggregate a cube to several periods, reading it once.

    Parameters
    ----------
    data, min_coverage, growing_season
        As in :func:`aggregate`.
    wanted : sequence of str
        Periods.

    Returns
    -------
    dict of Dataset
        By period, as :func:`aggregate` gives them; lazy ones share the one pass when they are
        computed together. A growing season in which there is no time is left out.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`aggregate`.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2017-01-01", "2017-12-31")
    >>> rain = xr.DataArray(np.ones(365), {"time": days}, "time", "rain", {"total": "sum"})
    >>> both = aggregate_all(rain, ["month", "year"])
    >>> both["year"]["rain"].values, both["month"].sizes["time"]
    (array([365.]), 12)
    """
    for period in wanted:
        if period not in PERIODS:
            raise TimeAxisError("unknown period", found=f"'{period}'", do=nearest(period, PERIODS))
    check_time(data)
    step = float(np.median(_steps(data)[0].days))
    finest = PERIODS[min((PERIODS.index(period) for period in wanted), default=_MONTH)]
    finest = PERIODS[min(PERIODS.index(finest), _MONTH)]
    options: Any = {"min_coverage": min_coverage, "growing_season": growing_season}
    shared = period_sums(data, finest) if step <= 31.0 else None
    found = {}
    for period in wanted:
        try:
            found[period] = (
                aggregate(data, period, **options)
                if shared is None
                else aggregate_sums(shared, period, **options)
            )
        except DataError:
            if period != "growing_season":
                raise
    return found


def period_sums(
    data: xr.DataArray, period: str = "month", *, growing_season: tuple[int, int] = (5, 10)
) -> xr.Dataset:
    """Add a cube up by period, so that longer periods follow without reading it again.

    Parameters
    ----------
    data, period, growing_season
        As in :func:`aggregate`.

    Returns
    -------
    Dataset (time, ...)
        ``n`` (valid steps) [1], ``days`` that they stand for [d] and ``sum`` of the values [units
        of data], weighted by their days where steps average [times d]; float64, lazy if the data
        are. ``steps`` (time) counts all steps, valid or not.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`aggregate`.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2017-01-01", "2017-02-28")
    >>> rain = xr.DataArray(np.ones(59), {"time": days}, "time", "rain", {"total": "sum"})
    >>> period_sums(rain)["sum"].values
    array([31., 28.])
    """
    check_time(data)
    refuse_classes(data, "averaged over time")
    steps, native = _steps(data)
    middle = xr.DataArray(steps.middle, dims="time").to_index()
    spans = periods(middle, period, growing_season, step_days=float(np.median(steps.days)))
    shares = _shared(steps, spans)
    adds_up = data.attrs.get("total") == "sum"
    factor = shares.part if adds_up else shares.weight
    ordered = data.transpose("time", ...)
    values = ordered.data if shares.plain else ordered.data[shares.take]
    packed = _period_sums(values, replace(spans, group=shares.group), shares.weight, factor)
    counted = np.bincount(shares.group[shares.group >= 0], minlength=spans.days.size)
    coords = {name: c for name, c in ordered.coords.items() if "time" not in c.dims}
    return _sums(
        xr.Dataset(coords=coords),
        packed,
        ordered.dims,
        spans,
        counted,
        attrs={"name": name_of(data), "native_step": native, "about": dict(data.attrs)},
    )


def aggregate_sums(
    sums: xr.Dataset,
    period: str,
    *,
    min_coverage: float = 0.8,
    growing_season: tuple[int, int] = (5, 10),
) -> xr.Dataset:
    """Aggregate the sums of short periods to longer ones, exactly.

    Parameters
    ----------
    sums : Dataset
        Of :func:`period_sums`, by day, pentad or month.
    period, min_coverage, growing_season
        As in :func:`aggregate`; a period that the short ones divide.

    Returns
    -------
    Dataset
        As :func:`aggregate` of the cube itself.

    Raises
    ------
    TimeAxisError
        If the period is unknown or shorter than those of the sums.
    DataError
        For a growing season without data.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2017-01-01", "2018-12-31")
    >>> rain = xr.DataArray(np.ones(730), {"time": days}, "time", "rain", {"total": "sum"})
    >>> aggregate_sums(period_sums(rain), "year")["rain"].values
    array([365., 365.])
    """
    index, has = sums.indexes["time"], sums["steps"].values > 0
    shortest = float(np.max(_lengths(sums)))
    spans = periods(index[has], period, growing_season, step_days=shortest)
    label = np.searchsorted(spans.start, index.values, side="right") - 1
    label = np.where((label >= 0) & (index.values < spans.end[label]), label, -1)
    inside = np.flatnonzero(label >= 0)
    dims = sums["sum"].dims
    arrays = [sums[part].data[inside] for part in _PARTS]
    lazy = hasattr(arrays[0], "dask")
    stack: Any = import_module("dask.array").stack(arrays) if lazy else np.stack(arrays)
    merged = _merge_rows(stack, label[inside]) if lazy else _add_rows(stack, label[inside])
    steps = np.bincount(label[inside], sums["steps"].values[inside], spans.days.size)
    coords = xr.Dataset(coords={k: c for k, c in sums.coords.items() if "time" not in c.dims})
    longer = _sums(coords, merged, dims, spans, steps.astype(int), attrs=sums.attrs)
    return _value(longer, period, min_coverage)


def _lengths(sums: xr.Dataset) -> Any:
    ends = sums["time_bnds"].values
    span = ends[:, 1] - ends[:, 0]
    if span.dtype == object:
        return np.array([each.total_seconds() / 86400.0 for each in span])
    return span / np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """Which step goes to which period, with how many days and what part of it."""

    take: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    part: np.ndarray

    @property
    def plain(self) -> bool:
        """Whether every step goes to one period."""
        return bool(np.array_equal(self.take, np.arange(self.take.size)))


def _steps(data: xr.DataArray) -> tuple[TimeSteps, str]:
    """Find the steps of a cube and their name; instants stand for the median step."""
    steps = time_steps(data)
    if steps.has_length:
        lengths = float(np.median(steps.days))
        return steps, str(Cadence(_NAMES.get(steps.kind, "even"), lengths))
    native = cadence(data.indexes["time"])
    around = plus_days(steps.start, -native.days / 2)
    return TimeSteps("irregular", around, plus_days(around, native.days), "middle"), str(native)


def _shared(steps: TimeSteps, spans: Periods) -> _Shares:
    """Share the days of each step over the periods they fall in."""
    days = steps.days
    if steps.kind == "irregular":
        return _Shares(np.arange(days.size), spans.group, days, np.ones(days.size))
    origin = spans.start[:1]
    begin, finish = (days_between(origin, dates) for dates in (steps.start, steps.end))
    first, last = (days_between(origin, dates) for dates in (spans.start, spans.end))
    low = np.searchsorted(first, begin + _WHOLE, side="right") - 1
    high = np.searchsorted(first, finish - _WHOLE, side="right") - 1
    count = high - low + 1
    take = np.repeat(np.arange(days.size), count)
    group = low[take] + np.arange(take.size) - np.repeat(np.cumsum(count) - count, count)
    known = np.clip(group, 0, first.size - 1)
    both = np.minimum(finish[take], last[known]) - np.maximum(begin[take], first[known])
    whole = np.abs(both - days[take]) < _WHOLE
    weight = np.where(whole, days[take], both)
    group = np.where((group >= 0) & (weight > _WHOLE), group, -1)
    return _Shares(take, group, np.maximum(weight, 0.0), np.maximum(weight, 0.0) / days[take])


def _sums(
    cells: xr.Dataset, packed: Any, dims: tuple[Any, ...], spans: Periods, steps: Any, *, attrs: Any
) -> xr.Dataset:
    bounds = np.stack([spans.start, spans.end], axis=1)
    time = xr.DataArray(
        spans.start, dims="time", attrs={"bounds": "time_bnds", "long_name": "Start of the period"}
    )
    parts = {name: (dims, packed[i]) for i, name in enumerate(_PARTS)}
    sums = cells.assign_coords(time=time, time_bnds=(("time", "bnds"), bounds))
    return sums.assign(parts).assign(steps=("time", steps)).assign_attrs(attrs)


def _value(sums: xr.Dataset, period: str, min_coverage: float) -> xr.Dataset:
    """Turn sums into values where enough of the period is covered."""
    check_share("min_coverage", min_coverage)
    about: dict[str, Any] = sums.attrs["about"]
    n, days, total = (sums[part].data for part in _PARTS)
    share = days / _lengths(sums).reshape(-1, *(1,) * (n.ndim - 1))
    enough = (share >= min_coverage - _WHOLE) & (n > 0)
    adds_up = about.get("total") == "sum"
    value = total / np.where(enough, share if adds_up else days, np.nan)
    attrs = {
        "period": period,
        "native_step": sums.attrs["native_step"],
        "min_coverage": min_coverage,
    }
    method = f"time: {'sum' if adds_up else 'mean'}"
    dims = sums["sum"].dims
    counted = {"units": "1", "long_name": "Valid steps"}
    covered = {"units": "1", "long_name": "Share of the period with data"}
    return xr.Dataset(
        {
            sums.attrs["name"]: (dims, value, {**about, "cell_methods": method, **attrs}),
            "n": (dims, count(n), counted),
            "coverage": (dims, np.minimum(share, 1.0), covered),
        },
        sums.coords,
        attrs,
    )


def _period_sums(values: Any, spans: Periods, weight: np.ndarray, factor: np.ndarray) -> Any:
    """Add up a NumPy or Dask array (time, ...) to (3, period, ...)."""
    if not hasattr(values, "dask"):
        return _block_sums(values, spans.group, weight, factor, rows=spans.days.size)
    da: Any = import_module("dask.array")
    chunks = values.chunks[0]
    first, rows = _rows_of_blocks(spans.group, chunks, spans.days.size)
    inner = tuple(range(1, values.ndim))
    vectors = [da.from_array(v, chunks=(chunks,)) for v in (spans.group, weight, factor)]
    # one number per block says which rows it holds
    begin = da.from_array(np.repeat(first, chunks), chunks=(chunks,))
    height = da.from_array(np.repeat(rows, chunks), chunks=(chunks,))
    arguments: list[Any] = [values, (0, *inner)]
    for vector in (*vectors, begin, height):
        arguments += [vector, (0,)]
    parts = da.blockwise(
        _chunk_sums,
        (values.ndim, 0, *inner),
        *arguments,
        new_axes={values.ndim: 3},
        adjust_chunks={0: tuple(int(r) for r in rows)},
        dtype=float,
        meta=np.empty((0,) * (values.ndim + 1)),
    )
    labels = np.concatenate([np.arange(f, f + r) for f, r in zip(first, rows, strict=True)])
    return _merge_rows(parts, labels)


def _rows_of_blocks(
    group: np.ndarray, chunks: tuple[int, ...], groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """First period and number of periods of each time block; together they leave none out."""
    # outside the growing season a step belongs to the period that follows
    following = np.where(group < 0, groups - 1, group)
    following = np.minimum.accumulate(following[::-1])[::-1]
    starts = np.cumsum((0, *chunks[:-1]))
    first = following[starts]
    first[0] = 0
    end = np.maximum(following[np.cumsum(chunks) - 1], np.append(first[1:], groups) - 1)
    return first, end - first + 1


def _merge_rows(parts: Any, labels: np.ndarray) -> Any:
    """Add up rows of the same period that neighbouring blocks share."""
    da: Any = import_module("dask.array")
    cuts = np.cumsum(parts.chunks[1])[:-1]
    # a cut inside a period moves to where that period starts
    cuts = np.unique([np.searchsorted(labels, labels[cut]) for cut in cuts])
    cuts = cuts[cuts > 0].astype(int)
    sizes = tuple(int(size) for size in np.diff([0, *cuts, labels.size]))
    aligned = parts.rechunk({1: sizes})
    key = da.from_array(labels, chunks=(sizes,))
    distinct = tuple(int(np.unique(part).size) for part in np.split(labels, cuts))
    axes = tuple(range(parts.ndim))
    return da.blockwise(
        _add_rows,
        axes,
        aligned,
        axes,
        key,
        (1,),
        adjust_chunks={1: distinct},
        dtype=float,
        meta=np.empty((0,) * parts.ndim),
    )


def _add_rows(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    added: np.ndarray = np.add.reduceat(rows, starts, axis=1)
    return added


def _chunk_sums(
    values: np.ndarray,
    group: np.ndarray,
    weight: np.ndarray,
    factor: np.ndarray,
    begin: np.ndarray,
    height: np.ndarray,
) -> np.ndarray:
    own = np.where(group < 0, -1, group - begin[0])
    return _block_sums(values, own, weight, factor, rows=int(height[0]))


def _block_sums(
    values: np.ndarray, group: np.ndarray, weight: np.ndarray, factor: np.ndarray, *, rows: int
) -> np.ndarray:
    from headwater.variation import _kernels

    dtype = np.float32 if values.dtype == np.float32 else float
    flat = np.ascontiguousarray(values, dtype=dtype).reshape(len(group), -1)
    sums = _kernels.period_sums(flat, group.astype(np.int64), weight, factor, rows)
    if not np.isfinite(sums[2]).all():
        raise DataError(
            "infinite values cannot be averaged",
            found="at least one infinite value",
            do="Set them to NaN (missing) or correct the input",
        )
    shaped: np.ndarray = sums.reshape(3, rows, *values.shape[1:])
    return shaped


def area_series(data: xr.DataArray, area: xr.DataArray, *, min_coverage: float = 0.8) -> xr.Dataset:
    """Average a cube over all its cells, each weighted by its area.

    Parameters
    ----------
    data : DataArray (time, y, x)
        Any unit.
    area : DataArray (y, x)
        Cell area [km2].
    min_coverage : float
        As in :func:`band_series`.

    Returns
    -------
    Dataset (time)
        As :func:`band_series`, without zone.

    Raises
    ------
    DataError
        For angles and classes, or other cells.

    Examples
    --------
    >>> import pandas as pd
    >>> times = pd.date_range("2017-01-01", periods=2)
    >>> cube = xr.DataArray([[[1.0, 3.0]], [[2.0, np.nan]]], {"time": times}, ("time", "y", "x"))
    >>> area_series(cube, xr.ones_like(cube[0]))["mean"].values
    array([ 2., nan])
    """
    whole = Zones(xr.zeros_like(area, dtype=np.float32), ("area",))
    return band_series(data, whole, area, min_coverage=min_coverage).isel(zone=0, drop=True)


def band_series(
    data: xr.DataArray, zones: Zones, area: xr.DataArray, *, min_coverage: float = 0.8
) -> xr.Dataset:
    """Average a cube over zones, each cell weighted by its area.

    Parameters
    ----------
    data : DataArray (time, y, x)
        Any unit.
    zones : Zones
        Elevation bands or other zones of the same cells.
    area : DataArray (y, x)
        Cell area [km2].
    min_coverage : float
        Least share [1] of a zone's area with data at a time; below it the mean is NaN, for a mean
        over other cells at every time would show where data are missing, not how they change.

    Returns
    -------
    Dataset (time, zone)
        ``mean`` [units of data], ``n`` (valid cells) [1], ``coverage`` [1]: area of valid cells per
        area of the cells that have data at any time.

    Raises
    ------
    DataError
        For angles and classes, or other cells.

    Examples
    --------
    >>> import pandas as pd
    >>> from headwater.grids.zones import elevation_bands
    >>> bands = elevation_bands(xr.DataArray([[1000.0, 2000.0]], dims=("y", "x")), count=2)
    >>> times = pd.date_range("2017-01-01", periods=2)
    >>> cube = xr.DataArray([[[1.0, 3.0]], [[2.0, 4.0]]], {"time": times}, ("time", "y", "x"))
    >>> band_series(cube, bands, xr.ones_like(cube[0]))["mean"].sel(zone=bands.names[1]).values
    array([3., 4.])
    """
    refuse_classes(data, "averaged over an area")
    found = zone_mean(data, zones, area)
    seen = data.notnull().any("time")
    ever = seen.astype(float).where(seen)
    extent = zone_mean(ever, zones, area)["area_valid"]
    coverage = found["area_valid"] / extent.where(extent > 0)
    coverage.attrs = {"units": "1", "long_name": "Share of the area with data"}
    check_share("min_coverage", min_coverage)
    enough = coverage >= min_coverage - 1e-9
    mean = found["mean"].where(enough)
    mean.attrs = {key: value for key, value in data.attrs.items() if key != "cell_methods"}
    return xr.Dataset({"mean": mean, "n": found["n"], "coverage": coverage})
