"""Longer steps and larger cells: what daily maps are reduced to before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.vegetation._series import dates, times_of

__all__ = [
    "average_in_steps",
    "level_months",
    "mean_blocks",
    "mean_steps",
    "step_axis",
    "step_dates",
    "step_numbers",
]

Floats = NDArray[np.float64]
Stamp = Literal["middle", "end", "mean"]


def mean_steps(data: xr.DataArray, days: int, *, stamp: Stamp = "middle") -> xr.DataArray:
    """Average what is seen within steps of some days, read block by block in time.

    Parameters
    ----------
    data : DataArray (time, ...)
        NumPy or Dask; steps in time may be uneven.
    days : int
        Length of a step, counted from the first time [d].
    stamp : {"middle", "end", "mean"}
        What becomes the time of each step: one of its days, or the mean of the times of `data` that
        lie in it, so that composites keep their dates.

    Returns
    -------
    Same dims as `data`
        float32; NaN where nothing was seen.

    Raises
    ------
    DataError
        If `days` is not positive.

    Examples
    --------
    >>> time = pd.date_range("2001-01-01", periods=4)
    >>> daily = xr.DataArray(np.arange(4.0).reshape(4, 1, 1), {"time": time}, ("time", "y", "x"))
    >>> found = mean_steps(daily, 2)
    >>> found.values.ravel().tolist(), found["time"].dt.day.values.tolist()
    ([0.5, 2.5], [1, 3])
    """
    if days < 1:
        raise DataError("a step needs a day", found=f"{days}", do="Give 1 or more")
    times = times_of(data)
    place = step_numbers(times, days)
    mean = average_in_steps(data, place, int(place[-1]) + 1)
    axis = step_axis(times, days, stamp)
    coords = {name: c for name, c in data.coords.items() if "time" not in c.dims}
    dims = ("time", *(dim for dim in data.dims if dim != "time"))
    return xr.DataArray(mean, {"time": axis, **coords}, dims, data.name, dict(data.attrs))


def step_numbers(times: pd.DatetimeIndex, days: int) -> NDArray[np.int64]:
    """Count out the steps in which times lie, from that of the first time on.

    Examples
    --------
    >>> step_numbers(pd.to_datetime(["2001-01-01", "2001-01-08", "2001-01-09"]), 8).tolist()
    [0, 0, 1]
    """
    since = dates(times)
    return np.asarray((since - since[0]) // days, dtype=np.int64)


def step_axis(times: pd.DatetimeIndex, days: int, stamp: Stamp) -> pd.DatetimeIndex:
    """Give the times of the steps of :func:`mean_steps`.

    Examples
    --------
    >>> step_axis(pd.to_datetime(["2001-01-01", "2001-01-09"]), 8, "end").day.tolist()
    [8, 16]
    """
    if stamp == "mean":
        return step_dates(times, days)
    inside = pd.Timedelta(days=days - 1 if stamp == "end" else (days - 1) // 2)
    count = int(step_numbers(times, days)[-1]) + 1
    return times[0].normalize() + inside + pd.to_timedelta(np.arange(count) * days, "D")


def average_in_steps(
    data: xr.DataArray, place: NDArray[np.int64], count: int
) -> NDArray[np.float32]:
    """Average what is seen within steps, read block by block in time.

    Parameters
    ----------
    data : DataArray (time, ...)
        NumPy or Dask.
    place : ndarray of int, shape (time,)
        Step of each time, rising.
    count : int
        Steps.

    Returns
    -------
    ndarray of float32, shape (count, ...)
        NaN where nothing was seen. Sums have the precision of float64, so that they do not depend
        on the blocks.

    Examples
    --------
    >>> average_in_steps(xr.DataArray([1.0, 3.0, 5.0], dims="time"), np.array([0, 0, 2]), 3)
    array([ 2., nan,  5.], dtype=float32)
    """
    total, n = np.zeros((count, *data.shape[1:])), np.zeros((count, *data.shape[1:]), np.uint16)
    for where, values in _blocks(data.transpose("time", ...)):
        seen = np.isfinite(values)
        filled = np.where(seen, values, np.float32(0.0))
        own, first = np.unique(place[where], return_index=True)
        total[own] += np.add.reduceat(filled, first, axis=0, dtype=np.float64)
        n[own] += np.add.reduceat(seen, first, axis=0, dtype=np.uint16)
    with np.errstate(invalid="ignore", divide="ignore"):
        total /= n
    return total.astype(np.float32)


def step_dates(times: pd.DatetimeIndex, days: int) -> pd.DatetimeIndex:
    """Average the times that lie in each step of some days.

    Parameters
    ----------
    times : DatetimeIndex
        In order.
    days : int
        Length of a step, counted from the first time [d].

    Returns
    -------
    DatetimeIndex
        Of all steps; one that holds no time has its middle.

    Examples
    --------
    >>> step_dates(pd.to_datetime(["2001-01-01", "2001-01-03", "2001-01-17"]), 8).day.tolist()
    [2, 12, 17]
    """
    place = step_numbers(times, days)
    middles = times[0].normalize() + pd.to_timedelta(
        np.arange(place[-1] + 1) * days + (days - 1) // 2, "D"
    )
    found = pd.Series(times).groupby(place).mean().reindex(range(len(middles)))
    return pd.DatetimeIndex(found.fillna(pd.Series(middles)))


def level_months(data: xr.DataArray) -> xr.DataArray:
    """Take out how a mean year rises or falls within each month; months keep their means.

    Parameters
    ----------
    data : DataArray (time, ...)
        Cover or NDVI on the days on which it was seen; gaps as NaN.

    Returns
    -------
    Same dims as `data`
        float64.

    Notes
    -----
    A model with one mean for each month takes the growth from the first to the last day of May for
    an anomaly. Each cell's values of a month, of all years, lose their line over the day of the
    month; fewer than three different days have none.

    Examples
    --------
    >>> days = pd.to_datetime(["2001-05-01", "2001-05-16", "2001-05-31", "2002-05-16"])
    >>> cover = xr.DataArray([0.2, 0.3, 0.4, 0.34], {"time": days}, "time")
    >>> level_months(cover).values.round(2).tolist()
    [0.3, 0.3, 0.3, 0.34]
    """
    times = times_of(data)
    ordered = data.transpose("time", ...)
    values = ordered.values.astype(np.float64).reshape(len(times), -1)
    day = times.day.to_numpy().astype(np.float64)[:, None]
    for month in range(1, 13):
        own = times.month == month
        if np.unique(day[own]).size < 3:
            continue
        part = values[own]
        seen = np.isfinite(part)
        n = np.maximum(seen.sum(axis=0), 1)
        x = np.where(seen, day[own], 0.0)
        x = np.where(seen, day[own] - x.sum(axis=0) / n, 0.0)
        square = (x * x).sum(axis=0)
        slope = (x * np.where(seen, part, 0.0)).sum(axis=0) / np.where(square > 0, square, 1.0)
        values[own] = part - slope * x
    return ordered.copy(data=values.reshape(ordered.shape)).transpose(*data.dims)


def mean_blocks(data: xr.DataArray, side: int) -> xr.DataArray:
    """Average what is seen within blocks of cells, read block by block in time.

    Parameters
    ----------
    data : DataArray (time, y, x) or (y, x)
        NumPy or Dask.
    side : int
        Cells along a side of a block; blocks at the far edges may be smaller.

    Returns
    -------
    DataArray (time, y, x) or (y, x)
        float64, at the middle of each block; NaN where nothing was seen.

    Examples
    --------
    >>> grid = xr.DataArray([[1.0, 3.0, 5.0]], {"y": [0.0], "x": [0.0, 1.0, 2.0]}, ("y", "x"))
    >>> mean_blocks(grid, 2).values.tolist()
    [[2.0, 5.0]]
    """
    rows, columns = (np.arange(0, data.sizes[dim], side) for dim in ("y", "x"))
    parts = [_block_mean(values, rows, columns) for _, values in _blocks(data)]
    coords: dict[str, Any] = {
        dim: [float(part.mean()) for part in np.split(data[dim].values, first[1:])]
        for dim, first in (("y", rows), ("x", columns))
    }
    if "time" in data.dims:
        coords["time"] = data["time"].values
    return xr.DataArray(np.concatenate(parts), coords, data.dims, data.name, dict(data.attrs))


def _block_mean(
    values: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Floats:
    seen = np.isfinite(values)

    def added(part: Any) -> Floats:
        by_row = np.add.reduceat(part, rows, axis=-2, dtype=np.float64)
        return np.asarray(np.add.reduceat(by_row, columns, axis=-1))

    n = added(seen)
    total = added(np.where(seen, values, 0.0))
    return np.where(n > 0, total / np.maximum(n, 1.0), np.nan)


def _blocks(data: xr.DataArray) -> Iterator[tuple[slice, Any]]:
    """Read a cube by its blocks in time; a map, or what is in memory, at once."""
    if "time" not in data.dims:
        yield slice(None), np.asarray(data.values)
        return
    lengths = data.chunks[0] if data.chunks else (data.sizes["time"],)
    start = 0
    for length in lengths:
        where = slice(start, start + length)
        yield where, np.asarray(data.isel(time=where).values)
        start += length
