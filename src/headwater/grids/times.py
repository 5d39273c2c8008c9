"""Time axes: their order, the length of their steps, and the period they share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import TimeAxisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_times", "common_period", "step_days"]

_Date = tuple[int, int, int]
# Shortest and longest step [d] of a monthly and of a yearly axis, in any calendar
_MONTH, _YEAR = (28.0, 31.0), (360.0, 366.0)


def check_times(time: xr.DataArray, name: str) -> None:
    """Refuse times that are missing, repeated or out of order.

    Parameters
    ----------
    time : DataArray (time,)
        Decoded times of any calendar.
    name : str
        What the times belong to, for the message.

    Raises
    ------
    TimeAxisError
        Naming the first offender.

    Examples
    --------
    >>> days = xr.DataArray(pd.to_datetime(["2020-01-01", "2020-01-01"]), dims="time")
    >>> check_times(days, "sm.nc")
    Traceback (most recent call last):
    headwater.errors.TimeAxisError: sm.nc: a time occurs twice. Found: 2020-01-01T00:00:00...
    """
    values = time.values
    if pd.isna(values).any():
        raise TimeAxisError(
            f"{name}: a time is missing",
            found=f"no value at position {int(np.flatnonzero(pd.isna(values))[0])}",
            do="Correct the time coordinate of the file",
        )
    gaps = _days_between(time)
    if (gaps > 0).all():
        return
    first = int(np.flatnonzero(gaps <= 0)[0]) + 1
    twice = gaps[first - 1] == 0
    raise TimeAxisError(
        f"{name}: a time occurs twice" if twice else f"{name}: times are out of order",
        found=f"{_text(values[first])} at position {first}, after {_text(values[first - 1])}",
        do="Remove one of the two" if twice else "Sort the file by time",
    )


def step_days(time: xr.DataArray) -> NDArray[np.float64]:
    """Length of each time step.

    Parameters
    ----------
    time : DataArray (time,)
        In order, of any calendar.

    Returns
    -------
    ndarray (time,)
        Length [d]. Monthly and yearly steps have the true length of their month or year; any other
        axis must have one step (missing steps are allowed).

    Raises
    ------
    TimeAxisError
        If there is only one time, or the steps differ.

    Examples
    --------
    >>> months = xr.DataArray(pd.date_range("2020-01-31", periods=3, freq="ME"), dims="time")
    >>> step_days(months)
    array([31., 29., 31.])
    """
    gaps = _days_between(time)
    if gaps.size == 0:
        raise TimeAxisError(
            "a single time has no step",
            found=_text(time.values[0]),
            do="Give time bounds in the file, or a unit that needs no time step",
        )
    kind = _step_kind(time)
    if kind == "month":
        return np.asarray(time.dt.days_in_month.values, dtype=np.float64)
    if kind == "year":
        return np.asarray(time.dt.days_in_year.values, dtype=np.float64)
    shortest = float(gaps.min())
    steps = gaps / shortest
    uneven = np.flatnonzero(np.abs(steps - np.round(steps)) > 1e-3)
    if uneven.size:
        at = int(uneven[0])
        raise TimeAxisError(
            "time steps differ in length",
            found=f"{gaps[at]:g} days after {_text(time.values[at])}, elsewhere {shortest:g}",
            do="Give time bounds in the file, or a unit that needs no time step",
        )
    return np.full(gaps.size + 1, shortest)


def common_period(
    inputs: Iterable[xr.DataArray], period: Sequence[Any] | None = None
) -> tuple[Any, Any]:
    """Find the period that all inputs share.

    Parameters
    ----------
    inputs : iterable of DataArray
        Those without a time axis do not count.
    period : two dates, optional
        The period wanted, for example ``("2017", "2021")`` or two ISO dates; the end is included.

    Returns
    -------
    start, end : pandas.Timestamp or cftime.datetime
        First and last instant, to be used as ``data.sel(time=slice(start, end))``. A monthly or
        yearly step covers its whole month or year, wherever in it the label stands; a shorter one
        covers its day.

    Raises
    ------
    TimeAxisError
        If there is no common period (each input's own is named), the calendars are mixed, or no
        input has times.

    Examples
    --------
    >>> days = pd.date_range("2020-01-10", "2020-12-31")
    >>> data = xr.DataArray(np.zeros(days.size), dims="time", coords={"time": days})
    >>> [str(instant) for instant in common_period([data], ("2019", "2020-06"))]
    ['2020-01-10 00:00:00', '2020-06-30 23:59:59']
    """
    named = [
        (f"input {number}" if data.name is None else str(data.name), data["time"])
        for number, data in enumerate(inputs, start=1)
        if "time" in data.dims
    ]
    if not named:
        raise TimeAxisError(
            "no input has a time axis",
            found="maps only",
            do="Give at least one variable with times",
        )
    _one_calendar(named)
    spans = {name: _span(time) for name, time in named}
    if period is not None:
        spans["the study file"] = _wanted(period)
    start = max(first for first, _ in spans.values())
    end = min(last for _, last in spans.values())
    if start > end:
        each = (f"{name} {_iso(first)} to {_iso(last)}" for name, (first, last) in spans.items())
        raise TimeAxisError(
            "the inputs share no period",
            found="; ".join(each),
            do="Choose inputs or a period that overlap",
        )
    return _instants(named[0][1], start, end)


def _one_calendar(named: list[tuple[str, xr.DataArray]]) -> None:
    calendars = {name: str(time.dt.calendar) for name, time in named}
    if len(set(calendars.values())) > 1:
        raise TimeAxisError(
            "the inputs have different calendars",
            found="; ".join(f"{name} {calendar}" for name, calendar in calendars.items()),
            do="Convert them to one calendar first, for example with xarray's convert_calendar",
        )


def _step_kind(time: xr.DataArray) -> str:
    """Whether steps are months, years or anything else ("even")."""
    gaps = _days_between(time)
    if gaps.size == 0:
        return "even"
    shortest = float(gaps.min())
    if _YEAR[0] <= shortest <= _YEAR[1]:
        return "year"
    months = time.dt.year.values * 12 + time.dt.month.values
    if _MONTH[0] <= shortest <= _MONTH[1] and (np.diff(months) > 0).all():
        return "month"
    return "even"


def _span(time: xr.DataArray) -> tuple[_Date, _Date]:
    """First and last day that an axis covers."""
    first, last = ((int(at.dt.year), int(at.dt.month), int(at.dt.day)) for at in time[[0, -1]])
    kind = _step_kind(time)
    if kind == "month":
        return (first[0], first[1], 1), (last[0], last[1], 31)
    if kind == "year":
        return (first[0], 1, 1), (last[0], 12, 31)
    return first, last


def _wanted(period: Sequence[Any]) -> tuple[_Date, _Date]:
    found = [re.match(r"(\d{4})(?:-(\d\d?))?(?:-(\d\d?))?", str(date)) for date in period]
    if len(found) != 2 or None in found:
        raise TimeAxisError(
            "a period needs a first and a last date",
            found=f"{list(period)}",
            do="Write two years, months or days, such as ['2017-01-01', '2021-12-31']",
        )
    (y0, m0, d0), (y1, m1, d1) = (match.groups() for match in found if match)
    return (int(y0), int(m0 or 1), int(d0 or 1)), (int(y1), int(m1 or 12), int(d1 or 31))


def _instants(time: xr.DataArray, start: _Date, end: _Date) -> tuple[Any, Any]:
    """Dates as instants of the calendar that the axis has."""
    kind = pd.Timestamp if np.issubdtype(time.dtype, np.datetime64) else type(time.values[0])
    month = time.isel(time=[0]).copy(data=[kind(end[0], end[1], 1)])
    day = min(end[2], int(month.dt.days_in_month[0]))
    return kind(*start), kind(end[0], end[1], day, 23, 59, 59)


def _days_between(time: xr.DataArray) -> NDArray[np.float64]:
    values = time.values
    if np.issubdtype(values.dtype, np.datetime64):
        return np.asarray(np.diff(values) / np.timedelta64(1, "s") / 86400.0, dtype=np.float64)
    return np.array([gap.total_seconds() / 86400.0 for gap in np.diff(values)])


def _iso(date: _Date) -> str:
    return f"{date[0]:04d}-{date[1]:02d}-{date[2]:02d}"


def _text(value: Any) -> str:
    return str(value)[:19]
