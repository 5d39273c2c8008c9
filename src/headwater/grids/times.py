"""Time axes: order, length of steps, the period they share, and where a stamp lies in its step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import TimeAxisError
from headwater.grids.steps import TimeSteps, _Axis, days_between, plus_days, time_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "check_times",
    "common_period",
    "gap_doubt",
    "in_period",
    "local_doubt",
    "stamp_doubt",
    "stamp_words",
    "step_days",
]

_Date = tuple[int, int, int]
_LONG = 28.0
"""Days without values above which a gap is named [d]."""
_NAMED = 3
_EASTERN = {15.0, 16.0, 17.0, 19.0}
"""Hours of UTC at which days begin in Asia, save that of an evening overpass [h]."""


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
    gaps = days_between(values[:-1], values[1:])
    if (gaps > 0).all():
        return
    first = int(np.flatnonzero(gaps <= 0)[0]) + 1
    twice = gaps[first - 1] == 0
    raise TimeAxisError(
        f"{name}: a time occurs twice" if twice else f"{name}: times are out of order",
        found=f"{_text(values[first])} at position {first}, after {_text(values[first - 1])}",
        do="Remove one of the two" if twice else "Sort the file by time",
    )


def step_days(data: xr.DataArray) -> NDArray[np.float64]:
    """Length of each time step.

    Parameters
    ----------
    data : DataArray (time, ...)
        As for :func:`headwater.grids.steps.time_steps`.

    Returns
    -------
    ndarray (time,)
        Length [d], from bounds or from what the stamps say (missing steps are allowed).

    Raises
    ------
    TimeAxisError
        If there is only one time, or the steps differ without any rule.

    Examples
    --------
    >>> months = xr.DataArray(pd.date_range("2020-01-31", periods=3, freq="ME"), dims="time")
    >>> step_days(months)
    array([31., 29., 31.])
    """
    steps = time_steps(data)
    if steps.kind == "single":
        raise TimeAxisError(
            "a single time has no step",
            found=_text(steps.start[0]),
            do="Give time bounds in the file, or a unit that needs no time step",
        )
    if steps.kind == "irregular":
        gaps = days_between(steps.start[:-1], steps.start[1:])
        shortest = float(gaps.min())
        counts = gaps / shortest
        at = int(np.argmax(np.abs(counts - np.round(counts))))
        raise TimeAxisError(
            "time steps differ in length",
            found=f"{gaps[at]:g} days after {_text(steps.start[at])}, elsewhere {shortest:g}",
            do="Give time bounds in the file, or a unit that needs no time step",
        )
    return steps.days


def common_period(
    inputs: Iterable[xr.DataArray], period: Sequence[Any] | None = None
) -> tuple[Any, Any]:
    """Find the period that all inputs share.

    Parameters
    ----------
    inputs : iterable of DataArray
        Those without a time axis do not count, nor single times where others have several.
    period : two dates, optional
        The period wanted, for example ``("2017", "2021")`` or two ISO dates; the end is included.

    Returns
    -------
    start, end : pandas.Timestamp or cftime.datetime
        First and last instant, to be used with :func:`in_period`. A step covers all its days,
        wherever in it the label stands; an instant covers its day.

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
        (f"input {number}" if data.name is None else str(data.name), data)
        for number, data in enumerate(inputs, start=1)
        if "time" in data.dims
    ]
    if not named:
        raise TimeAxisError(
            "no input has a time axis",
            found="maps only",
            do="Give at least one variable with times",
        )
    # The one map that there is of something else says nothing about the period.
    named = [(name, data) for name, data in named if data.sizes["time"] > 1] or named
    _one_calendar([(name, data["time"]) for name, data in named])
    spans = {name: _span(data) for name, data in named}
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
    return _instants(named[0][1]["time"], start, end)


def in_period(data: xr.DataArray, period: tuple[Any, Any] | None) -> xr.DataArray:
    """Keep the steps whose middle lies in a period; a single time is kept wherever it is.

    Parameters
    ----------
    data : DataArray
        With or without times.
    period : two dates, or None
        First and last instant, as of :func:`common_period`.

    Returns
    -------
    DataArray

    Raises
    ------
    TimeAxisError
        If no step's middle lies in it.

    Examples
    --------
    >>> months = pd.date_range("2020-01-01", periods=12, freq="MS")
    >>> data = xr.DataArray(np.zeros(12), {"time": months}, "time")
    >>> in_period(data, (pd.Timestamp("2020-03-05"), pd.Timestamp("2020-05-20"))).sizes["time"]
    3
    """
    if period is None or data.sizes.get("time", 1) == 1:
        return data
    middle = time_steps(data).middle
    first, last = (np.asarray(each, dtype=middle.dtype) for each in period)
    inside = np.flatnonzero((middle >= first) & (middle <= last))
    if not inside.size:
        raise TimeAxisError(
            "no time in the period",
            found=f"times {_text(middle[0])} to {_text(middle[-1])}; period {_text(first)} to "
            f"{_text(last)}",
            do="Choose a longer period, or remove this input",
        )
    return data.isel(time=slice(int(inside[0]), int(inside[-1]) + 1))


def _one_calendar(named: list[tuple[str, xr.DataArray]]) -> None:
    calendars = {name: str(time.dt.calendar) for name, time in named}
    if len(set(calendars.values())) > 1:
        raise TimeAxisError(
            "the inputs have different calendars",
            found="; ".join(f"{name} {calendar}" for name, calendar in calendars.items()),
            do="Convert them to one calendar first, for example with xarray's convert_calendar",
        )


def _span(data: xr.DataArray) -> tuple[_Date, _Date]:
    """First and last day that an axis covers."""
    steps = time_steps(data)
    first, last = steps.start[:1], steps.end[-1:]
    if steps.has_length:
        last = plus_days(last, -1.0 / 86400.0)
    return _day_of(first), _day_of(last)


def _day_of(dates: NDArray[Any]) -> _Date:
    index: Any = xr.DataArray(dates, dims="time").to_index()
    return int(index.year[0]), int(index.month[0]), int(index.day[0])


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


def _iso(date: _Date) -> str:
    return f"{date[0]:04d}-{date[1]:02d}-{date[2]:02d}"


def _text(value: object) -> str:
    return str(value)[:19]


def stamp_words(steps: TimeSteps) -> str:
    """Say what the steps are, and where the stamps stand in them.

    Parameters
    ----------
    steps : TimeSteps
        Of an axis.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from headwater.grids.steps import time_steps
    >>> ends = xr.DataArray(pd.date_range("2015-01-31", periods=3, freq="ME"), dims="time")
    >>> stamp_words(time_steps(ends))
    'months, stamped at the end (as the stamps say)'
    """
    if not steps.has_length:
        return str(steps)
    where = {"within": "inside"}.get(steps.stamp, f"at the {steps.stamp}")
    source = {"bounds": "by the file's bounds", "study file": "by the study file"}
    assumed = steps.stamp == "start" and steps.source == "stamps"
    why = "assumed" if assumed else source.get(steps.source, "as the stamps say")
    return f"{steps}, stamped {where} ({why})"


def stamp_doubt(time: xr.DataArray, steps: TimeSteps) -> tuple[str, ...]:
    """Say what makes the place of the stamps doubtful.

    Parameters
    ----------
    time : DataArray (time,)
        The stamps.
    steps : TimeSteps
        What they were taken for.

    Returns
    -------
    tuple of str
    """
    if steps.source != "stamps" or not steps.has_length:
        return ()
    axis = _Axis(time)
    doubts = []
    if steps.kind == "year" and steps.stamp == "within":
        doubts.append(
            f"yearly values stamped on {axis.month[0]:02d}-{axis.day[0]:02d} are taken for "
            "calendar years"
        )
    if steps.stamp == "start" and _looks_late(axis, steps):
        doubts.append(
            f"times run from {str(time.values[0])[:16]} to {str(time.values[-1])[:16]}, as they do "
            'where each stands at the end of its step; write stamp = "end" if they do, else '
            'stamp = "start"'
        )
    elif steps.stamp == "start" and _looks_halfway(axis, steps):
        doubts.append(
            f"the first step of a year is stamped {float(np.median(steps.days)) / 2.0:g} days "
            'after New Year; write stamp = "middle" if that is its middle, else stamp = "start"'
        )
    return tuple(doubts)


def gap_doubt(steps: TimeSteps) -> tuple[str, ...]:
    """Name the gaps of a series that are longer than four weeks and a step, the longest first.

    Parameters
    ----------
    steps : TimeSteps
        Of an axis.

    Returns
    -------
    tuple of str
        Empty also where every year has the same gap: then the files are of one season.

    Examples
    --------
    >>> import pandas as pd
    >>> from headwater.grids.steps import time_steps
    >>> months = pd.date_range("2011-01-01", "2014-12-01", freq="MS")
    >>> gap_doubt(time_steps(xr.DataArray(months[months.year != 2012], dims="time")))
    ('there are no values from 2012-01-01 to 2012-12-31',)
    """
    if not steps.has_length or steps.start.size < 2:
        return ()
    lost = days_between(steps.end[:-1], steps.start[1:])
    step = float(np.median(steps.days))
    long = np.flatnonzero((lost > _LONG) & (lost > 0.6 * step))
    years = float(days_between(steps.start[:1], steps.end[-1:])[0]) / 365.25
    every = (
        long.size > 1
        and long.size >= int(years + 0.02)
        and np.ptp(lost[long]) <= max(step, 5.0)
        and _of_one_season(days_between(steps.end[:1], steps.end[long]), max(step, 5.0))
    )
    if not long.size or every:
        return ()
    ranked = long[np.argsort(-lost[long], kind="stable")]
    named = [
        f"from {_day(steps.end[k])} to {_day(plus_days(steps.start[k + 1 : k + 2], -1.0)[0])}"
        for k in ranked[:_NAMED]
    ]
    more = f" and {ranked.size - _NAMED} more times" if ranked.size > _NAMED else ""
    return (f"there are no values {', '.join(named)}{more}",)


def local_doubt(time: xr.DataArray, steps: TimeSteps) -> tuple[str, ...]:
    """Say where days are stamped at an hour that is midnight in Asia.

    Parameters
    ----------
    time : DataArray (time,)
        The stamps.
    steps : TimeSteps
        What they were taken for.

    Returns
    -------
    tuple of str
    """
    if steps.source != "stamps" or steps.kind != "even" or steps.stamp != "within":
        return ()
    hours = np.round(_Axis(time).since_month % 1.0 * 24.0, 3)
    if np.abs(steps.days - 1.0).max() > 1e-6 or np.ptp(hours) > 0 or hours[0] not in _EASTERN:
        return ()
    zone = 24.0 - hours[0]
    return (
        f"days stamped at {hours[0]:g}:00 are booked on the date of their stamp; if they begin "
        f'then, as days at UTC+{zone:g} do whose times are in UTC, write stamp = "start"',
    )


def _of_one_season(since: Any, leeway: float) -> bool:
    """Whether days since some date are whole years apart."""
    apart = (since - since[0] + 182.625) % 365.25 - 182.625
    return bool(np.ptp(apart) <= leeway)


def _day(instant: object) -> str:
    return str(instant)[:10]


def _looks_late(axis: _Axis, steps: TimeSteps) -> bool:
    """Whether the axis is one of whole years, or days, but begins one step late."""
    length = float(np.median(steps.days))
    if axis.size < 2 or steps.kind == "year":
        return False  # nothing distinguishes years from those that they name
    if steps.kind in ("month", "season"):
        second, last = {"month": (2, 1), "season": (3, 12)}[steps.kind]
        return bool(axis.month[0] == second and axis.month[-1] == last)
    if steps.kind == "even" and length < 1.0:
        late_day = axis.since_month[0] % 1.0, axis.since_month[-1] % 1.0
        return bool(abs(late_day[0] - length) < 1e-6 and late_day[1] < 1e-6)
    begin, finish = axis.since_year[0], axis.since_year[-1]
    return bool(abs(begin - length) < 0.6 and begin > 0.5 and finish < 1e-6)


def _looks_halfway(axis: _Axis, steps: TimeSteps) -> bool:
    """Whether composites begin half a step after New Year, as their middles would."""
    length = float(np.median(steps.days))
    if steps.kind not in ("composite", "even") or length < 2.0:
        return False
    first = axis.since_year[np.diff(axis.year, prepend=axis.year[0] - 1) > 0]
    return bool((np.abs(first - length / 2.0) <= 0.51).any())
