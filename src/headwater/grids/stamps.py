"""What the place of a stamp in its step is taken for, and what makes it doubtful."""

from __future__ import annotations

import numpy as np
import xarray as xr

from headwater.grids.steps import TimeSteps, _Axis

__all__ = ["stamp_doubt", "stamp_words"]


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
