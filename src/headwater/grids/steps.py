"""The steps of a time axis: which days each value stands for, wherever its stamp stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from headwater.errors import TimeAxisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "END",
    "STAMPS",
    "TimeSteps",
    "bounded_steps",
    "days_between",
    "month_starts",
    "on_steps",
    "plus_days",
    "time_steps",
]

STAMPS = ("start", "middle", "end")
"""Where a stamp may stand in its step."""

END = "time_end"
"""Coordinate with the first instant after each step, next to labels that are its first."""

_SECOND = 1.0 / 86400.0
# First days of the parts of a month, and the days on which stamps of such parts stand.
_PARTS = {"dekad": (1, 11, 21), "pentad": (1, 6, 11, 16, 21, 26), "half month": (1, 16)}
_LAST = 31
_STAMPED = {
    ("dekad", "start"): {1, 11, 21},
    ("dekad", "end"): {10, 20, _LAST},
    ("dekad", "middle"): {5, 15, 25},
    ("dekad", "middle "): {6, 16, 26},
    ("pentad", "start"): {1, 6, 11, 16, 21, 26},
    ("pentad", "end"): {5, 10, 15, 20, 25, _LAST},
    ("pentad", "middle"): {3, 8, 13, 18, 23, 28},
    ("half month", "start"): {1, 16},
    ("half month", "end"): {15, _LAST},
    ("half month", "middle"): {8, 23},
}
# Shortest and longest gap between stamps of neighbouring parts [d]
_GAPS = {"dekad": (8, 11), "pentad": (3, 6), "half month": (13, 17)}


@dataclass(frozen=True, slots=True, eq=False)
class TimeSteps:
    """The steps of a time axis.

    Attributes
    ----------
    kind : str
        ``year``, ``season``, ``month``, ``half month``, ``dekad``, ``pentad``, ``composite`` (even,
        but starting anew every year), ``even``, ``irregular`` (instants without a length) or
        ``single``.
    start, end : array of dates, shape (time,)
        First instant, and first instant after; both the stamp where there is no length.
    stamp : {"start", "middle", "end", "within"}
        Where the file's stamps stand.
    source : {"bounds", "stamps", "study file"}
        What the steps were taken from.
    """

    kind: str
    start: NDArray[Any]
    end: NDArray[Any]
    stamp: str
    source: str = "stamps"

    @property
    def days(self) -> NDArray[np.float64]:
        """Length of each step [d]."""
        return days_between(self.start, self.end)

    @property
    def has_length(self) -> bool:
        """Whether the steps have a length at all."""
        return self.kind not in ("irregular", "single")

    @property
    def middle(self) -> NDArray[Any]:
        """Middle of each step."""
        return plus_days(self.start, self.days / 2.0)

    def __str__(self) -> str:
        if self.kind in ("irregular", "single"):
            return {"single": "one time of unknown length"}.get(self.kind, "irregular times")
        if self.kind in ("even", "composite"):
            length = float(np.median(self.days))
            plain = {24.0: "days", 1.0: "hours"}.get(round(24 * length, 6))
            text = plain or (f"{24 * length:g} hours" if length < 1 else f"{length:g} days")
            anew = ", beginning anew every year" if self.kind == "composite" else ""
            return plain or f"steps of {text}{anew}"
        return f"{self.kind}s"


def time_steps(data: xr.DataArray, *, stamp: str | None = None) -> TimeSteps:
    """Find the step that each time of an axis stands for.

    Parameters
    ----------
    data : DataArray (time, ...)
        A cube with a coordinate ``time``, or times themselves; in order, of any calendar. A
        coordinate ``time_end`` (time), as :func:`on_steps` gives it, defines the steps.
    stamp : {"start", "middle", "end"}, optional
        Where the stamps stand, where neither bounds nor the stamps themselves say it.

    Returns
    -------
    TimeSteps

    Raises
    ------
    TimeAxisError
        If `stamp` is unknown.

    Notes
    -----
    CF 1.11, section 7.1: bounds define the cell. Without bounds, stamps that fall once in every
    month, year, season, dekad, pentad or half month stand for it, wherever in it they are; daily
    stamps stand for their day. Other even stamps stand at the start of their step, those of half an
    hour at half past in its middle. Composites that start anew every year (8 or 16 days) end where
    the year does.

    References
    ----------
    .. [1] Eaton, B., et al. NetCDF Climate and Forecast (CF) Metadata Conventions, 1.11,
       section 7.1. https://doi.org/10.5281/zenodo.14275599 (recalled, unchecked)

    Examples
    --------
    >>> import pandas as pd
    >>> composites = pd.DatetimeIndex(["2015-12-03", "2015-12-19", "2016-01-01", "2016-01-17"])
    >>> time_steps(xr.DataArray(composites, dims="time")).days.tolist()
    [16.0, 13.0, 16.0, 16.0]
    """
    if stamp is not None and stamp not in STAMPS:
        raise TimeAxisError(
            "unknown place of a stamp", found=f"'{stamp}'", do=f"Use one of {', '.join(STAMPS)}"
        )
    time = data["time"] if "time" in data.coords else data
    if END in data.coords and data.coords[END].dims == ("time",):
        return bounded_steps(time, time.values, data.coords[END].values)
    found = _inferred(_Axis(time), stamp)
    if stamp is None or not found.has_length:
        return found
    return TimeSteps(found.kind, found.start, found.end, stamp, "study file")


def on_steps(data: xr.DataArray, steps: TimeSteps) -> xr.DataArray:
    """Label every value by the start of its step, with its end next to it.

    Parameters
    ----------
    data : DataArray (time, ...)
        Of any labels.
    steps : TimeSteps
        One for each time.

    Returns
    -------
    DataArray (time, ...)
        With a coordinate ``time_end`` (time), unless the steps have no length.

    Examples
    --------
    >>> import pandas as pd
    >>> ends = pd.DatetimeIndex(["2015-01-31", "2015-02-28"])
    >>> data = xr.DataArray([1.0, 2.0], {"time": ends}, "time")
    >>> on_steps(data, time_steps(data["time"])).indexes["time"][1]
    Timestamp('2015-02-01 00:00:00')
    """
    if not steps.has_length:
        return data
    labels = {
        "time": ("time", steps.start, {"long_name": "Start of the step"}),
        END: ("time", steps.end, {"long_name": "First instant after the step"}),
    }
    return data.assign_coords(labels)


def month_starts(index: Any, months: NDArray[Any]) -> NDArray[Any]:
    """Dates of the first of each month (counted from year 0), of the same kind as the index.

    Parameters
    ----------
    index : DatetimeIndex or CFTimeIndex
        Whose calendar to use.
    months : array of int
        12 times the year, plus 0 for January to 11 for December.

    Returns
    -------
    array of dates
    """
    years, month = np.divmod(np.asarray(months), 12)
    if index.dtype == object:
        kind, has_zero = type(index[0]), index[0].has_year_zero
        known = {
            (y, m): kind(y, m + 1, 1, has_year_zero=has_zero)
            for y, m in set(zip(years.tolist(), month.tolist(), strict=True))
        }
        pairs = zip(years.tolist(), month.tolist(), strict=True)
        return np.array([known[pair] for pair in pairs])
    since_1970 = (years - 1970) * 12 + month
    starts: NDArray[Any] = since_1970.astype("datetime64[M]").astype(index.dtype)
    return starts


def days_between(start: ArrayLike, end: ArrayLike) -> NDArray[np.float64]:
    """Days from one date to another, of any calendar.

    Parameters
    ----------
    start, end : array of dates
        Of one kind.

    Returns
    -------
    array of float
        [d]
    """
    difference = np.asarray(end) - np.asarray(start)
    if difference.dtype == object:
        return np.array([each.total_seconds() / 86400.0 for each in difference], dtype=float)
    if not difference.size:
        return np.zeros(0)
    days: NDArray[np.float64] = difference / np.timedelta64(1, "D").astype(difference.dtype)
    return days


def plus_days(dates: ArrayLike, days: ArrayLike) -> NDArray[Any]:
    """Dates that many days later [d]."""
    given = np.asarray(dates)
    seconds = np.rint(np.broadcast_to(np.asarray(days, dtype=float), given.shape) * 86400.0)
    if given.dtype == object:
        return np.array(
            [date + dt.timedelta(seconds=float(s)) for date, s in zip(given, seconds, strict=True)]
        )
    return np.asarray(given + seconds.astype("timedelta64[s]").astype(_unit(given)))


def _unit(dates: NDArray[Any]) -> str:
    return dates.dtype.str.replace("M8", "m8")


class _Axis:
    """A time axis with what the rules ask of it."""

    def __init__(self, time: xr.DataArray) -> None:
        self.values: NDArray[Any] = time.values
        index: Any = time.to_index()
        self.index: Any = index
        self.size = int(self.index.size)
        self.gaps = days_between(self.values[:-1], self.values[1:])
        self.year = np.asarray(index.year)
        self.month = np.asarray(index.month)
        self.day = np.asarray(index.day)
        self.months = self.year * 12 + self.month - 1
        self.month_start = month_starts(self.index, self.months)
        self.month_days = days_between(self.month_start, month_starts(self.index, self.months + 1))
        self.year_start = month_starts(self.index, self.year * 12)
        self.year_days = days_between(
            self.year_start, month_starts(self.index, self.year * 12 + 12)
        )
        self.since_year = days_between(self.year_start, self.values)
        self.since_month = days_between(self.month_start, self.values)
        self.hour = (self.since_month % 1.0) * 24.0

    @property
    def common(self) -> float:
        """Most common gap [d]."""
        _, same, counts = np.unique(np.round(self.gaps, 6), return_inverse=True, return_counts=True)
        return float(np.median(self.gaps[same == counts.argmax()]))

    def moved(self, days: float) -> _Axis:
        """Shift all stamps."""
        return _Axis(xr.DataArray(plus_days(self.values, days), dims="time"))


def _inferred(axis: _Axis, stamp: str | None) -> TimeSteps:
    if axis.size == 1:
        return TimeSteps("single", axis.values, axis.values, "start")
    rules: tuple[Callable[[_Axis, str | None], TimeSteps | None], ...] = (
        _years,
        _seasons,
        _months,
        _parts,
        _composites,
        _days,
        _even,
    )
    for rule in rules:
        found = rule(axis, stamp)
        if found is not None:
            return found
    return TimeSteps("irregular", axis.values, axis.values, "start")


def _share_place(share: NDArray[Any]) -> str:
    """Where stamps stand that are at these shares of their steps."""
    middle = float(np.median(share))
    if middle < 0.04:
        return "start"
    if middle > 0.93:
        return "end"
    return "middle" if 0.38 <= middle <= 0.62 else "within"


def _before(axis: _Axis, place: str, stamp: str | None) -> _Axis:
    """Move stamps into the step that they end, where the study file says so of a first instant."""
    return axis.moved(-_SECOND) if stamp == "end" and place == "start" else axis


def _years(axis: _Axis, stamp: str | None) -> TimeSteps | None:
    share = axis.since_year / axis.year_days
    once = np.unique(axis.year).size == axis.size and np.ptp(share) < 0.05
    if not (once and 359.0 <= axis.common <= 367.0):
        return None
    place = _share_place(share) if np.median(share) > 0.01 else "start"
    at = _before(axis, place, stamp)
    start, end = (month_starts(at.index, (at.year + k) * 12) for k in (0, 1))
    return TimeSteps("year", start, end, place)


def _seasons(axis: _Axis, stamp: str | None) -> TimeSteps | None:
    share = axis.since_month / axis.month_days
    even = np.unique(axis.months % 3).size == 1 and np.ptp(share) < 0.12
    if not (even and 88.0 <= axis.common <= 93.0):
        return None
    place = _share_place(share)
    at = _before(axis, place, stamp)
    back = {"middle": 1, "end": 2}.get(place, 2 if at is not axis else 0)
    start, end = (month_starts(at.index, at.months - back + k) for k in (0, 3))
    return TimeSteps("season", start, end, place)


def _months(axis: _Axis, stamp: str | None) -> TimeSteps | None:
    if not 27.5 <= axis.common <= 31.5:
        return None
    share = axis.since_month / axis.month_days
    months = axis.months
    apart = np.unique(months).size == axis.size
    if not apart or (np.ptp(share) > 0.12 and _all_even(axis.gaps, axis.common)):
        # Months that were counted as twelfths of a year fall up to two days off theirs.
        twelfths = axis.since_year / axis.year_days * 12.0
        off = twelfths - np.round(twelfths)
        even = np.ptp(axis.gaps) < 0.1 and 30.4 <= axis.common <= 30.45
        if not (even and np.ptp(off) < 0.1):
            return None
        months = axis.year * 12 + np.floor(twelfths + 0.1).astype(int)
        share = twelfths + 0.1 - np.floor(twelfths + 0.1)
        share = np.where(share < 0.2, 0.0, share)
        if np.unique(months).size < axis.size:
            return None
    place = _share_place(share)
    months = months - 1 if stamp == "end" and place == "start" else months
    start, end = (month_starts(axis.index, months + k) for k in (0, 1))
    return TimeSteps("month", start, end, place)


def _parts(axis: _Axis, stamp: str | None) -> TimeSteps | None:
    """Dekads, pentads of the month and half months."""
    return _parts_by_day(axis, stamp) or _parts_by_middle(axis)


def _parts_by_day(axis: _Axis, stamp: str | None) -> TimeSteps | None:
    last = axis.day == np.rint(axis.month_days)
    for exact in (True, False):
        for (kind, place), days in _STAMPED.items():
            stamped = np.where(last & (_LAST in days), _LAST, axis.day)
            seen = set(stamped.tolist())
            low, high = _GAPS[kind]
            fits = seen == days if exact else len(seen) > 1 and seen <= days
            if not (fits and low <= axis.common <= high and np.ptp(axis.hour) < 1e-3):
                continue
            start, end = _parts_of(_before(axis, place, stamp), kind)
            return TimeSteps(kind, start, end, place.strip())
    return None


def _parts_by_middle(axis: _Axis) -> TimeSteps | None:
    """Find parts of a month stamped in their middles, which go with the length of the month."""
    for kind in _PARTS:
        low, high = _GAPS[kind]
        if not low <= axis.common <= high:
            continue
        start, end = _parts_of(axis, kind)
        once = (days_between(start[:-1], start[1:]) > 0.5).all()
        off = days_between(start, axis.values) - days_between(start, end) / 2.0
        if once and (np.abs(off) <= 0.51).all():
            return TimeSteps(kind, start, end, "middle")
    return None


def _parts_of(axis: _Axis, kind: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """First instants of the parts of months that hold the stamps, and the instants after."""
    first = np.array(_PARTS[kind])
    part = np.searchsorted(first, axis.day, side="right") - 1
    start = plus_days(axis.month_start, first[part] - 1)
    following = plus_days(axis.month_start, np.append(first, 0)[part + 1] - 1)
    after = month_starts(axis.index, axis.months + 1)
    return start, np.where(part + 1 == first.size, after, following)


def _composites(axis: _Axis, stamp: str | None) -> TimeSteps | None:
    """Even steps of whole days that begin anew every year, counted with or without 29 February."""
    step = axis.common
    if step < 2.0 or abs(step - round(step)) > 1e-6:
        return None
    step = float(round(step))
    day = np.floor(axis.since_year)
    middles = _composites_by_middle(axis, step)
    if middles is not None:
        return middles
    several = np.unique(axis.year).size > 1
    half = np.floor(step / 2.0) if stamp == "middle" else 0.0
    for leap in (0.0, 1.0):
        count = day - leap * ((axis.year_days > 365.5) & (day >= 59))
        phase = np.unique((count - half) % step)
        anew = several and not _all_even(axis.gaps, step)
        if phase.size == 1 and (anew or (not several and phase[0] == 0)):
            first = count - half
            return _yearly_composites(axis, first, step, float(phase[0]), leap)
        ends = (day + 1) % step
        closing = day + 1 == np.rint(axis.year_days)
        if leap == 0.0 and anew and ((ends == 0) | closing).all() and (closing & (ends > 0)).any():
            return _yearly_composites(axis, day // step * step, step, 0.0, leap, place="end")
    return None


def _composites_by_middle(axis: _Axis, step: float) -> TimeSteps | None:
    """Find composites stamped in their middles, where the short last one of a year says so."""
    first = np.floor(axis.since_year / step) * step
    length = np.minimum(step, axis.year_days - first)
    off = axis.since_year - first - length / 2.0
    short = length < step - 1.5
    if not (short.any() and (np.abs(off) <= 0.51).all() and (first > 0).any()):
        return None
    return _yearly_composites(axis, first, step, 0.0, 0.0, place="middle")


def _yearly_composites(
    axis: _Axis,
    first: NDArray[Any],
    step: float,
    phase: float,
    leap: float,
    *,
    place: str = "start",
) -> TimeSteps:
    long = (leap > 0) & (axis.year_days > 365.5)
    year = axis.year_days - long
    after = np.minimum(first + step, year + phase)
    start, end = (plus_days(axis.year_start, day + (long & (day > 59))) for day in (first, after))
    return TimeSteps("composite", start, _not_beyond(start, end), place)


def _days(axis: _Axis, stamp: str | None) -> TimeSteps | None:
    """Find steps of whole days, at whatever hour they are stamped."""
    step = float(round(axis.common))
    if step < 1.0 or abs(axis.common - step) > 0.1:
        return None
    day = plus_days(axis.month_start, np.floor(axis.since_month + _SECOND / 2))
    gaps = days_between(day[:-1], day[1:])
    if (gaps < 0.5).any() or not _all_even(gaps, step) or 2 * (gaps == step).sum() < gaps.size:
        return None
    hour = float(np.median(axis.hour))
    if stamp == "start" and step == 1.0 and hour >= 0.01:
        return None  # each begins at its very stamp
    place = "start" if hour < 0.01 else _share_place(np.array([hour / 24.0]))
    place = place if step == 1.0 else "start"
    back = 0.0
    if stamp == "end":
        back = step if hour < 0.01 else step - 1.0
    elif stamp == "middle":
        back = np.floor(step / 2.0)
    start = plus_days(day, -back)
    return TimeSteps("even", start, plus_days(start, step), place)


def _even(axis: _Axis, stamp: str | None) -> TimeSteps | None:
    step = axis.common
    if not _all_even(axis.gaps, step) or 2 * (np.abs(axis.gaps - step) < 1e-3 * step).sum() < (
        axis.size - 1
    ):
        return None
    place = "start"
    if step < 1.0:
        share = np.median((axis.since_month % 1.0) % step / step)
        place = "middle" if 0.45 < share < 0.55 else "start"
    back = {"end": step, "middle": step / 2.0}.get(stamp or place, 0.0)
    start = plus_days(axis.values, -back)
    return TimeSteps("even", start, plus_days(start, step), place)


def _all_even(gaps: NDArray[Any], step: float) -> bool:
    counts = gaps / step
    return bool((np.abs(counts - np.round(counts)) < 1e-3).all() and (counts > 0.5).all())


def _not_beyond(start: NDArray[Any], end: NDArray[Any]) -> NDArray[Any]:
    """Let a step end where the next one begins, at the latest."""
    following = np.append(start[1:], end[-1:])
    return np.where(days_between(end, following) < 0, following, end)


def bounded_steps(time: xr.DataArray, start: NDArray[Any], end: NDArray[Any]) -> TimeSteps:
    """Build steps whose bounds are known.

    Parameters
    ----------
    time : DataArray (time,)
        The stamps.
    start, end : array of dates, shape (time,)
        End after start.

    Returns
    -------
    TimeSteps
    """
    starts = xr.DataArray(start, dims="time")
    inferred = _inferred(_Axis(starts), None)
    fits = inferred.has_length and np.allclose(inferred.days, days_between(start, end), atol=1.5)
    share = days_between(start, time.values) / days_between(start, end)
    return TimeSteps(inferred.kind if fits else "even", start, end, _share_place(share), "bounds")
