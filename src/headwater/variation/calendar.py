"""The time axis as the calendar has it: steps, periods and decimal years."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from headwater.errors import DataError, TimeAxisError, nearest
from headwater.grids.steps import days_between as _days_between
from headwater.grids.steps import month_starts as _month_starts
from headwater.grids.steps import time_steps
from headwater.grids.times import check_times
from headwater.variation._maps import words

__all__ = ["Cadence", "PERIODS", "Periods", "cadence", "check_time", "decimal_years", "periods"]

Period = Literal["day", "pentad", "month", "season", "growing_season", "year"]
PERIODS = ("day", "pentad", "month", "season", "growing_season", "year")
"""Periods that a cube can be aggregated to."""

_LONGEST = {
    "day": 1.0,
    "pentad": 6.0,
    "month": 31.0,
    "season": 92.0,
    "growing_season": 31.0,
    "year": 366.0,
}


_NAMES = {
    "month": "monthly",
    "year": "yearly",
    "season": "seasonal",
    "half month": "half-monthly",
    "dekad": "dekadal",
    "pentad": "pentadal",
}


@dataclass(frozen=True, slots=True)
class Cadence:
    """The native step of a time axis.

    Attributes
    ----------
    name : {"even", "monthly", "yearly", "seasonal", "half-monthly", "dekadal", "pentadal", \
"irregular"}
        ``even`` steps have one length (hourly, daily, 8-daily); composites that start anew every
        year are even too.
    days : float
        Median length of the steps [d].
    """

    name: str
    days: float

    def __str__(self) -> str:
        plain = {24.0: "daily", 1.0: "hourly"}.get(round(24 * self.days, 6), f"{self.days:g}-daily")
        irregular = f"irregular (median {self.days:.3g} days)"
        return {"even": plain, "irregular": irregular}.get(self.name, self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Periods of the calendar and the time steps in them.

    Attributes
    ----------
    group : array of int, shape (time,)
        Index of the period of each step; -1 outside the growing season.
    start, end : array of dates, shape (period,)
        First instant, and first instant after.
    days : array, shape (period,)
        Length [d].
    """

    group: np.ndarray
    start: np.ndarray
    end: np.ndarray
    days: np.ndarray


def check_time(data: xr.DataArray) -> Any:
    """Return the time index of a cube, if it can be trusted.

    Parameters
    ----------
    data : DataArray
        With a dimension ``time`` of dates of one calendar, standard or cftime.

    Returns
    -------
    DatetimeIndex or CFTimeIndex

    Raises
    ------
    TimeAxisError
        If there is no time, or times are no dates, missing, duplicated or not ascending.

    Examples
    --------
    >>> times = np.array(["2017-01-01", "2017-01-01"], dtype="datetime64[ns]")
    >>> check_time(xr.DataArray([1.0, 2.0], {"time": times}, "time", "rain"))
    Traceback (most recent call last):
    headwater.errors.TimeAxisError: rain: a time occurs twice. Found: 2017-01-01T00:00:00...
    """
    if "time" not in data.indexes:
        raise TimeAxisError(
            "no time axis",
            found=f"dimensions {', '.join(map(str, data.dims))}",
            do="Use data with a dimension 'time' of dates",
        )
    index: Any = data.indexes["time"]
    if not hasattr(index, "year"):
        raise TimeAxisError(
            "times are no dates", found=f"{index.dtype}", do="Decode the times (CF units, calendar)"
        )
    check_times(data["time"], words(data))
    return index


def cadence(index: Any) -> Cadence:
    """Infer the native step of a time axis, gaps allowed.

    Parameters
    ----------
    index : DatetimeIndex or CFTimeIndex
        At least two times, ascending.

    Returns
    -------
    Cadence

    Raises
    ------
    TimeAxisError
        If there are fewer than two times.

    Notes
    -----
    As :func:`headwater.grids.steps.time_steps` finds them from the stamps alone: yearly, seasonal,
    monthly, parts of months, even (also where composites start anew every year); else irregular,
    with the median step.

    Examples
    --------
    >>> import pandas as pd
    >>> print(cadence(pd.date_range("2017-01-01", periods=9)))
    daily
    """
    if len(index) < 2:
        raise TimeAxisError(
            "one time has no step", found=f"{len(index)} times", do="Give at least two times"
        )
    steps = time_steps(xr.DataArray(index.values, dims="time"))
    if not steps.has_length:
        return Cadence("irregular", float(np.median(_days_between(index[:-1], index[1:]))))
    return Cadence(_NAMES.get(steps.kind, "even"), float(np.median(steps.days)))


def periods(
    index: Any, period: str, growing_season: tuple[int, int] = (5, 10), *, step_days: float = 1.0
) -> Periods:
    """Find the periods of the calendar from the first to the last time.

    Parameters
    ----------
    index : DatetimeIndex or CFTimeIndex
        Times, ascending.
    period : {"day", "pentad", "month", "season", "growing_season", "year"}
        Pentads are the six parts of a month that start on its days 1, 6, 11, 16, 21 and 26; the
        last has three to six days. Seasons are December-February, March-May, June-August and
        September-November.
    growing_season : tuple of int
        First and last month; (11, 3) wraps the year and belongs to the year of its first month.
    step_days : float
        Length of the native step [d], to refuse a period that is shorter.

    Returns
    -------
    Periods
        Without gaps, so that a period without data is there, empty.

    Raises
    ------
    TimeAxisError
        If the period is unknown or shorter than the native step.
    DataError
        If no time falls in the growing season.
    """
    if period not in PERIODS:
        raise TimeAxisError("unknown period", found=f"'{period}'", do=nearest(period, PERIODS))
    if step_days > _LONGEST[period] + 1e-6:
        raise TimeAxisError(
            f"a step longer than a {period.replace('_', ' ')}",
            found=f"one value every {step_days:g} days",
            do="Aggregate to a longer period",
        )
    if period == "day":
        return _days(index)
    if period == "pentad":
        return _pentads(index)
    every, first, length = _rhythm(period, growing_season)
    month = np.asarray(index.year) * 12 + np.asarray(index.month) - 1
    number, within = np.divmod(month - first, every)
    number = np.where(within < length, number, -1)
    if (number < 0).all():
        raise DataError(
            "no time falls in the growing season",
            found=f"times {index[0]} to {index[-1]}",
            do="Check growing_season and the period of the data",
        )
    inside = number[number >= 0]
    starts = np.arange(inside.min(), inside.max() + 1) * every + first
    start, end = _month_starts(index, starts), _month_starts(index, starts + length)
    group = np.where(number >= 0, number - inside.min(), -1)
    return Periods(group, start, end, _days_between(start, end))


def decimal_years(index: Any) -> np.ndarray:
    """Return times as years with a fraction, on their own calendar.

    Parameters
    ----------
    index : DatetimeIndex or CFTimeIndex
        Times.

    Returns
    -------
    array, shape (time,)
        Year + elapsed share of that year [year].

    Examples
    --------
    >>> import pandas as pd
    >>> decimal_years(pd.DatetimeIndex(["2017-01-01", "2020-07-02"]))
    array([2017. , 2020.5])
    """
    year = np.asarray(index.year)
    start, end = _month_starts(index, year * 12), _month_starts(index, year * 12 + 12)
    elapsed: np.ndarray = year + _days_between(start, index) / _days_between(start, end)
    return elapsed


def _rhythm(period: str, growing_season: tuple[int, int]) -> tuple[int, int, int]:
    """Period as (every, first, length) in months; first counts from January = 0."""
    first, last = growing_season
    # refused whatever the period: an option that is wrong is wrong also where it is not used
    if not (1 <= first <= 12 and 1 <= last <= 12):
        raise TimeAxisError(
            "a month that does not exist", found=f"{growing_season}", do="Use months 1 to 12"
        )
    if period != "growing_season":
        return {"month": (1, 0, 1), "season": (3, -1, 3), "year": (12, 0, 12)}[period]
    return 12, first - 1, (last - first) % 12 + 1


def _days(index: Any) -> Periods:
    if index.dtype == object:
        start = np.array(
            [date.replace(hour=0, minute=0, second=0, microsecond=0) for date in index]
        )
        day = _days_between(np.repeat(start[:1], start.size), start)
    else:
        start = index.values.astype("datetime64[D]")
        day = (start - start[0]).astype(float)
    number = np.rint(day).astype(int)
    import datetime as dt

    unit: Any = dt.timedelta(days=1) if index.dtype == object else np.timedelta64(1, "D")
    first = start[0] + np.arange(number[-1] + 1) * unit
    first = first if index.dtype == object else first.astype(index.dtype)
    return Periods(number, first, first + unit, np.ones(first.size))


def _pentads(index: Any) -> Periods:
    month = np.asarray(index.year) * 12 + np.asarray(index.month) - 1
    number = month * 6 + np.minimum((np.asarray(index.day) - 1) // 5, 5)
    every = np.arange(number[0], number[-1] + 2)
    edges = _month_starts(index, every // 6) + every % 6 * _five_days(index)
    days = _days_between(edges[:-1], edges[1:])
    return Periods(number - number[0], edges[:-1], edges[1:], days)


def _five_days(index: Any) -> Any:
    import datetime as dt

    return dt.timedelta(days=5) if index.dtype == object else np.timedelta64(5, "D")
