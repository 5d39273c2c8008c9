"""Carries a computation on rows of times to arrays, series and cubes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError, TimeAxisError
from headwater.grids.times import check_times

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "Rows",
    "Series",
    "check_ndvi",
    "dates",
    "in_rows",
    "plain_array",
    "quantiles_of",
    "times_of",
    "year_bounds",
]

Rows = NDArray[np.float64]
Series = NDArray[np.float64] | pd.Series | xr.DataArray
"""Values in time: an array whose first axis is time, a series, or a cube with dimension time."""


def in_rows(compute: Callable[..., Rows], data: ArrayLike, *others: Any) -> Any:
    """Apply a computation on rows (rows, times) and return what came in: array, series or cube.

    Parameters
    ----------
    compute : callable
        From arrays (rows, times) to one array (rows, times).
    data : ndarray (time, ...), Series or DataArray with dimension time
        NumPy or Dask; a cube of Dask is computed block by block, whole in time.
    *others : array-like
        Of the same kind and shape as `data`.

    Returns
    -------
    Same kind as `data`.

    Examples
    --------
    >>> in_rows(lambda rows: rows - rows.mean(axis=1, keepdims=True), np.array([1.0, 3.0]))
    array([-1.,  1.])
    """
    if isinstance(data, xr.DataArray):
        found = xr.apply_ufunc(
            lambda *blocks: _ravelled(compute, *blocks),
            data,
            *others,
            input_core_dims=[["time"]] * (1 + len(others)),
            output_core_dims=[["time"]],
            dask="parallelized",
            output_dtypes=[np.float64],
            dask_gufunc_kwargs={"allow_rechunk": True},
            keep_attrs=True,
        )
        return found.transpose(*data.dims)
    if isinstance(data, pd.Series):
        rows = compute(*(np.asarray(one, dtype=np.float64)[None] for one in (data, *others)))
        return pd.Series(rows[0], index=data.index, name=data.name)
    last = [np.moveaxis(np.asarray(one, dtype=np.float64), 0, -1) for one in (data, *others)]
    return np.moveaxis(_ravelled(compute, *last), -1, 0)


def _ravelled(compute: Callable[..., Rows], *blocks: Any) -> Rows:
    shape = np.broadcast_shapes(*(np.shape(block) for block in blocks))
    rows = [plain_array(block, shape).reshape(-1, shape[-1]) for block in blocks]
    return compute(*rows).reshape(shape)


def plain_array(values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Give an array a shape, in rows and open to writing, copied only where it is not.

    Kernels are compiled anew for arrays that are read-only or in another order.

    Examples
    --------
    >>> plain_array(1.0, (2,)).flags.writeable
    True
    """
    whole = values if np.shape(values) == shape else np.broadcast_to(values, shape)
    return np.require(whole, np.float64, ["C", "W"])


def times_of(data: ArrayLike) -> pd.DatetimeIndex:
    """Read the times of a series or cube.

    Parameters
    ----------
    data : Series or DataArray
        With times that are in order and do not repeat.

    Returns
    -------
    DatetimeIndex

    Raises
    ------
    TimeAxisError
        If there are no times, or they cannot be trusted.

    Examples
    --------
    >>> days = pd.date_range("2020-01-01", periods=2)
    >>> times_of(pd.Series([1.0, 2.0], days)).day_of_year.tolist()
    [1, 2]
    """
    if isinstance(data, pd.Series) and isinstance(data.index, pd.DatetimeIndex):
        data = xr.DataArray(data.to_numpy(), {"time": data.index.rename("time")}, "time")
    if not isinstance(data, xr.DataArray) or "time" not in data.coords:
        raise TimeAxisError(
            "no times", found=type(data).__name__, do="Give a cube or series with times"
        )
    check_times(data["time"], "data" if data.name is None else str(data.name))
    if not np.issubdtype(data["time"].dtype, np.datetime64):
        index: Any = data["time"].to_index()
        return pd.DatetimeIndex(index.to_datetimeindex(time_unit="ns"))
    return pd.DatetimeIndex(data["time"].values)


def dates(times: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Count days from the first of January of the first year, shape (times,) [d]."""
    start = pd.Timestamp(year=int(times[0].year), month=1, day=1)
    return np.asarray((times - start) / pd.Timedelta(days=1), dtype=np.float64)


def year_bounds(times: pd.DatetimeIndex) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the years, and the first index of each with the number of times as last."""
    years, first = np.unique(times.year.to_numpy(), return_index=True)
    return years.astype(np.int64), np.append(first, len(times)).astype(np.int64)


def quantiles_of(values: Rows, marks: tuple[float, ...]) -> Rows:
    """Quantiles over the first axis without missing values, NaN where all are missing.

    NumPy's `nanquantile` goes column by column, which on a map takes a hundred times as long.

    Examples
    --------
    >>> quantiles_of(np.array([[1.0], [np.nan], [3.0]]), (0.5,)).tolist()
    [[2.0]]
    """
    ordered = np.sort(values, axis=0)
    last = np.maximum(np.isfinite(values).sum(axis=0) - 1, 0)
    found = []
    for mark in marks:
        place = mark * last
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, last)
        low, high = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (below, above))
        found.append(low + (place - below) * (high - low))
    return np.stack(found)


def check_ndvi(low: float, high: float) -> None:
    """Refuse values that no NDVI has.

    Parameters
    ----------
    low, high : float
        Least and greatest value.

    Raises
    ------
    DataError
        If they lie outside -1 to 1.

    Examples
    --------
    >>> check_ndvi(0.1, 8200.0)
    Traceback (most recent call last):
    headwater.errors.DataError: NDVI outside -1 to 1. Found: 0.1 to 8200. Declare its scale, ...
    """
    if low < -1.0 or high > 1.0:
        raise DataError(
            "NDVI outside -1 to 1",
            found=f"{low:g} to {high:g}",
            do="Declare its scale, as in clean_ndvi(..., scale=0.0001) for products of 0-10000",
        )
