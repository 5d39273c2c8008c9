"""Percentiles of a value among those of the same time of year, and drought classes from them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError

__all__ = [
    "DROUGHT_CLASSES",
    "day_of_year",
    "drought_class",
    "seasonal_percentile",
]

Floats = NDArray[np.float64]

DROUGHT_CLASSES = ("none", "D0", "D1", "D2", "D3", "D4")
"""Classes of the US Drought Monitor: percentiles above 30, and up to 30, 20, 10, 5 and 2."""

_EDGES = (2.0, 5.0, 10.0, 20.0, 30.0)
_YEAR = 365


def day_of_year(times: ArrayLike) -> NDArray[np.int64]:
    """Give the day of a year of 365 days; 29 February counts as 28 February.

    Parameters
    ----------
    times : array-like of datetime, shape (n_times,)

    Returns
    -------
    ndarray of int, shape (n_times,)
        From 0 to 364.

    Examples
    --------
    >>> day_of_year(["2020-02-28", "2020-02-29", "2020-03-01", "2021-03-01"]).tolist()
    [58, 58, 59, 59]
    """
    stamps = pd.DatetimeIndex(np.asarray(times, dtype="datetime64[s]"))
    day = np.asarray(stamps.day_of_year, dtype=np.int64) - 1
    return day - (np.asarray(stamps.is_leap_year) & (day >= 59)).astype(np.int64)


def seasonal_percentile(
    values: ArrayLike,
    times: ArrayLike,
    *,
    window: int = 15,
    reference: ArrayLike | None = None,
    min_n: int = 20,
    ties: Literal["mean", "highest"] = "mean",
) -> Floats:
    """Rank each value among those within some days of its day of the year.

    Parameters
    ----------
    values : array-like, shape (n_times, ...)
        Soil moisture or any other quantity; NaN where missing.
    times : array-like of datetime, shape (n_times,)
    window : int
        Days on both sides of the day of the year [d].
    reference : array-like of bool, shape (n_times,), optional
        Times whose values are the reference; default: all. A value outside is ranked among them
        and itself, so that a new extreme has a percentile too.
    min_n : int
        Fewest reference values in a window; with fewer the percentile is NaN.
    ties : {"mean", "highest"}
        Rank of equal values. With the highest, a percentile is the share of values that are no
        larger, so that what is often so, as a pentad without rain, is never unusual.

    Returns
    -------
    ndarray, shape (n_times, ...)
        Weibull's ``100 r / (n + 1)`` [%], r the rank.

    Raises
    ------
    DataError
        If there is no reference value.

    References
    ----------
    Svoboda et al. (2002), doi:10.1175/1520-0477-83.8.1181.

    Examples
    --------
    >>> import numpy as np
    >>> days = [f"{year}-07-01" for year in range(1991, 2021)]
    >>> p = seasonal_percentile(np.arange(30.0), days)
    >>> round(float(p[0]), 2), round(float(p[-1]), 2)
    (3.23, 96.77)
    """
    x = np.asarray(values, dtype=np.float64)
    flat = x.reshape(len(x), -1)
    held = np.ones(len(x), bool) if reference is None else np.asarray(reference, dtype=bool)
    if window < 0:
        raise StudyError("a window of negative length", found=f"{window} d", do="Give 0 or more")
    if not np.isfinite(flat[held]).any():
        raise DataError(
            "no reference for percentiles", found="no valid value", do="Give years with values"
        )
    day = day_of_year(times)
    found = np.full(flat.shape, np.nan)
    for one in np.unique(day):
        apart = np.abs(day - one)
        near = held & (np.minimum(apart, _YEAR - apart) <= window)
        rows = np.flatnonzero(day == one)
        found[rows] = _ranked(flat[rows], flat[near], held[rows], min_n, ties)
    return found.reshape(x.shape)


def _ranked(
    x: Floats,
    held: Floats,
    inside: NDArray[np.bool_],
    min_n: int,
    of_ties: Literal["mean", "highest"],
) -> Floats:
    n = np.isfinite(held).sum(axis=0)
    found = np.full(x.shape, np.nan)
    for row, (value, own) in enumerate(zip(x, inside, strict=True)):
        low = (held < value).sum(axis=0)
        ties = (held == value).sum(axis=0)
        # a value of the reference is one of its own ties; another one joins the sample
        joins = 0 if own else 1
        alike = ties + joins
        rank = low + ((alike + 1) / 2 if of_ties == "mean" else alike)
        found[row] = 100 * rank / (n + joins + 1)
    found[~np.isfinite(x) | (n < min_n)] = np.nan
    return found


def drought_class(percentile: ArrayLike) -> NDArray[Any]:
    """Name the drought class of percentiles.

    Parameters
    ----------
    percentile : array-like
        [%].

    Returns
    -------
    ndarray of int8
        0 for none, 1 for D0 … 5 for D4, -1 where missing: places in :data:`DROUGHT_CLASSES` less
        the missing ones.

    References
    ----------
    US Drought Monitor, weather.gov/riw/drought: D0 21-30, D1 11-20, D2 6-10, D3 3-5, D4 0-2.

    Examples
    --------
    >>> drought_class([50.0, 25.0, 4.0, 1.0, float("nan")]).tolist()
    [0, 1, 4, 5, -1]
    """
    p = np.asarray(percentile, dtype=np.float64)
    missing = np.isnan(p)
    order = np.searchsorted(_EDGES, np.where(missing, 50.0, p), side="left")
    return np.where(missing, -1, len(_EDGES) - order).astype(np.int8)
