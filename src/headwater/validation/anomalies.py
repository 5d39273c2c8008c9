"""Departures of soil moisture from its moving mean and from its mean year."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, TimeAxisError

__all__ = ["long_term_anomalies", "mean_year", "moving_mean", "short_term_anomalies"]

Floats = NDArray[np.float64]

_DAYS_BEFORE = np.array([0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335])
_YEAR = 366


def moving_mean(
    times: ArrayLike, values: ArrayLike, window: float, *, fill: bool = False, min_values: int = 1
) -> Floats:
    """Average over a window of time around every time, gaps left out.

    Parameters
    ----------
    times : array of datetime64, shape (time,)
        In order; unevenly spaced times are fine.
    values : array, shape (time, ...)
        NaN where missing.
    window : float
        Width of the window, half to either side, both ends included [d].
    fill : bool
        Whether a missing value gets the mean of its window; otherwise it stays missing.
    min_values : int
        Fewest valid values in a window.

    Returns
    -------
    array, shape (time, ...)

    Raises
    ------
    TimeAxisError
        If a time is missing or they are out of order.
    DataError
        If the window is not positive.

    Examples
    --------
    >>> days = pd.date_range("2020-01-01", periods=4)
    >>> moving_mean(days, [1.0, 2.0, np.nan, 4.0], 2).tolist()
    [1.5, 1.5, nan, 4.0]
    """
    instants = _instants(times)
    series = np.asarray(values, dtype=float)
    _check_window(window)
    half = int(window / 2.0 * 86_400e9)
    first = np.searchsorted(instants, instants - half, side="left")
    last = np.searchsorted(instants, instants + half, side="right")
    found = _mean_between(series, first, last, min_values)
    return found if fill else np.where(np.isnan(series), np.nan, found)


def short_term_anomalies(
    times: ArrayLike, values: ArrayLike, *, window: float = 35.0, min_values: int = 1
) -> Floats:
    """Subtract the moving mean: what is wetter or drier than the weeks around it.

    Parameters
    ----------
    times : array of datetime64, shape (time,)
        In order.
    values : array, shape (time, ...)
        NaN where missing.
    window : float
        Width of the window [d].
    min_values : int
        Fewest valid values in a window.

    Returns
    -------
    array, shape (time, ...)
        In the unit of `values`.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`moving_mean`.

    Examples
    --------
    >>> days = pd.date_range("2020-01-01", periods=3)
    >>> short_term_anomalies(days, [0.1, 0.4, 0.1]).round(3).tolist()
    [-0.1, 0.2, -0.1]
    """
    return np.asarray(values, dtype=float) - moving_mean(
        times, values, window, min_values=min_values
    )


def mean_year(
    times: ArrayLike,
    values: ArrayLike,
    *,
    smooth: float = 5.0,
    smooth_year: float = 30.0,
    min_values: int = 1,
) -> Floats:
    """Average all years to one mean year of 366 days, smoothed before and after.

    Parameters
    ----------
    times : array of datetime64, shape (time,)
        In order; any step up to a day.
    values : array, shape (time, ...)
        NaN where missing.
    smooth : float
        Window of the moving mean over the series [d].
    smooth_year : float
        Window of the moving mean over the mean year, which runs on from December to January [d].
    min_values : int
        Fewest valid values in either window.

    Returns
    -------
    array, shape (366, ...)
        From 1 January to 31 December with 29 February in its place, so that a date has one place in
        every year. NaN where the windows hold nothing.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`moving_mean`.

    Examples
    --------
    >>> days = pd.date_range("2019-01-01", "2020-12-31")
    >>> year = mean_year(days, 0.2 + 0.1 * (days.month == 7))
    >>> year.shape, round(float(year[197]), 2), round(float(year[14]), 2)
    ((366,), 0.3, 0.2)
    """
    series = moving_mean(times, values, smooth, fill=True, min_values=min_values)
    _check_window(smooth_year)
    places = _day_of_year(times)
    valid = np.isfinite(series)
    total = np.zeros((_YEAR, *series.shape[1:]))
    count = np.zeros_like(total)
    np.add.at(total, places, np.where(valid, series, 0.0))
    np.add.at(count, places, valid)
    year = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
    around = np.concatenate([year, year, year])
    reach = int(smooth_year / 2.0)
    place = np.arange(_YEAR) + _YEAR
    return _mean_between(around, place - reach, place + reach + 1, min_values)


def long_term_anomalies(
    times: ArrayLike, values: ArrayLike, year: ArrayLike | None = None, **options: Any
) -> Floats:
    """Subtract the mean year: what is wetter or drier than the season has it.

    Parameters
    ----------
    times : array of datetime64, shape (time,)
        In order.
    values : array, shape (time, ...)
        NaN where missing.
    year : array, shape (366, ...), optional
        A mean year; by default that of the series itself by :func:`mean_year`.
    **options
        As for :func:`mean_year`.

    Returns
    -------
    array, shape (time, ...)
        In the unit of `values`.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`moving_mean`; also if `year` has not 366 days.

    Notes
    -----
    Series and mean year count days the same way, 1 March being day 61 in every year. Programs that
    count 1 March as day 60 in common years when they look up a mean year made with day 61 are one
    day off from March to December.

    Examples
    --------
    >>> days = pd.date_range("2019-01-01", "2020-12-31")
    >>> season = np.sin(2 * np.pi * days.day_of_year / 365)
    >>> bool(np.abs(long_term_anomalies(days, season, smooth=1, smooth_year=1)).max() < 0.01)
    True
    """
    series = np.asarray(values, dtype=float)
    usual = mean_year(times, series, **options) if year is None else np.asarray(year, dtype=float)
    if usual.shape != (_YEAR, *series.shape[1:]):
        raise DataError(
            "a mean year has 366 days",
            found=f"shape {usual.shape}",
            do="Make it with headwater.validation.anomalies.mean_year",
        )
    return np.asarray(series - usual[_day_of_year(times)])


def _instants(times: Any) -> NDArray[np.int64]:
    axis = np.asarray(pd.DatetimeIndex(times), dtype="datetime64[ns]")
    instants = axis.astype(np.int64)
    if np.isnat(axis).any() or (np.diff(instants) < 0).any():
        raise TimeAxisError(
            "a time is missing, or times are out of order",
            found=f"{int(np.isnat(axis).sum())} missing",
            do="Sort the series by time and leave out what has none",
        )
    return instants


def _check_window(window: float) -> None:
    if not window > 0:
        raise DataError("a window has a width", found=f"{window:g} days", do="Give a positive one")


def _day_of_year(times: Any) -> NDArray[np.int64]:
    """Place of every date in a year of 366 days, from 0."""
    dates = pd.DatetimeIndex(times)
    return np.asarray(_DAYS_BEFORE[dates.month - 1] + dates.day - 1, dtype=np.int64)


def _mean_between(
    series: Floats, first: NDArray[Any], last: NDArray[Any], min_values: int
) -> Floats:
    """Mean of the valid values from `first` up to, not with, `last`, by running sums."""
    valid = np.isfinite(series)
    # Running sums of departures, not of values, keep their digits over long series.
    level = np.where(valid, series, 0.0).sum(axis=0) / np.maximum(valid.sum(axis=0), 1)
    zero = np.zeros((1, *series.shape[1:]))
    total = np.concatenate([zero, np.where(valid, series - level, 0.0).cumsum(axis=0)])
    count = np.concatenate([zero, valid.astype(float).cumsum(axis=0)])
    n = count[last] - count[first]
    mean = level + (total[last] - total[first]) / np.maximum(n, 1.0)
    return np.asarray(np.where(n >= max(min_values, 1), mean, np.nan))
