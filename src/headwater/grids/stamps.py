"""What the place of a stamp in its step is taken for, and what makes it doubtful."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from headwater.grids.steps import TimeSteps, _Axis, days_between, plus_days

__all__ = ["gap_doubt", "local_doubt", "stamp_doubt", "stamp_words"]

_LONG = 28.0
"""Days without values above which a gap is named [d]."""
_NAMED = 3
_EASTERN = {15.0, 16.0, 17.0, 19.0}
"""Hours of UTC at which days begin in Asia, save that of an evening overpass [h]."""


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
