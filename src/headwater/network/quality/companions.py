"""What is observed next to a soil moisture sensor: soil and air temperature, and rain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headwater.network.inventory import Stream, distance

__all__ = ["companions_of", "newest_between", "sum_between"]

Times = NDArray[np.int64]
Floats = NDArray[np.float64]

_HOUR = 3_600_000_000


def companions_of(stream: Stream, streams: Sequence[Stream], *, reach: float) -> dict[str, Stream]:
    """Choose the series that show what happens to the soil at a sensor.

    Soil temperature at the nearest depth and air temperature of the same station; rain of the same
    station, or of the nearest one within `reach`.

    Parameters
    ----------
    stream : Stream
    streams : sequence of Stream
    reach : float
        [km]

    Returns
    -------
    dict of Stream
        ``soil_temperature``, ``air_temperature``, ``rain``, as far as they are observed.
    """
    found: dict[str, Stream] = {}
    here = [other for other in streams if other.thing_id == stream.thing_id]
    soil = [other for other in here if other.role == "soil_temperature"]
    if soil:
        deep = stream.depth or 0.0
        found["soil_temperature"] = min(soil, key=lambda other: abs((other.depth or 0.0) - deep))
    air = [other for other in here if other.role == "temperature"]
    if air:
        found["air_temperature"] = air[0]
    rain = [other for other in here if other.role == "precipitation"]
    if not rain:
        gauges = [other for other in streams if other.role == "precipitation"]
        near = [(distance(stream, other), other.id, other) for other in gauges]
        rain = [other for far, _, other in sorted(near) if far <= reach][:1]
    if rain:
        found["rain"] = rain[0]
    return found


def newest_between(time: Times, other: Times, value: Floats) -> Floats:
    """Newest value since the observation before; NaN where there is none.

    Parameters
    ----------
    time : int64 array, shape (n,)
        Rising [µs].
    other : int64 array, shape (m,)
        Rising times of the other series [µs].
    value : float64 array, shape (m,)

    Returns
    -------
    float64 array, shape (n,)

    Examples
    --------
    >>> newest_between(np.array([0, 10, 20]), np.array([0, 4, 9]), np.array([1.0, 2.0, 3.0]))
    array([ 1.,  3., nan])
    """
    seen = np.isfinite(value)
    other, value = other[seen], value[seen]
    if not len(other):
        return np.full(len(time), np.nan)
    at = np.searchsorted(other, time, side="right") - 1
    newest = np.where(at >= 0, value[at], np.nan)
    since = np.where(at >= 0, other[at], 0) > _before(time)
    return np.where((at >= 0) & since, newest, np.nan)


def sum_between(time: Times, other: Times, value: Floats) -> Floats:
    """Sum since the observation before, as of a rain gauge; NaN where a quarter of it is unknown.

    Parameters
    ----------
    time : int64 array, shape (n,)
        Rising [µs].
    other : int64 array, shape (m,)
        Rising ends of the sums of the other series [µs].
    value : float64 array, shape (m,)

    Returns
    -------
    float64 array, shape (n,)

    Examples
    --------
    >>> at = np.arange(7) * 10
    >>> sum_between(np.array([0, 30, 60]), at, np.array([0.5, 1, 1, 1, 2, np.nan, np.nan]))
    array([nan,  3., nan])
    """
    seen = np.isfinite(value)
    other, value = other[seen], value[seen]
    if not len(other):
        return np.full(len(time), np.nan)
    total = np.append(0.0, np.cumsum(value))
    before = _before(time)
    low, high = (np.searchsorted(other, edge, side="right") for edge in (before, time))
    cadence = float(np.median(np.diff(other))) if len(other) > 1 else float(_HOUR)
    expected = (time - before) / cadence
    enough = (high > low) & (high - low >= 0.75 * expected - 0.5)
    return np.where(enough, total[high] - total[low], np.nan)


def _before(time: Times) -> Times:
    """Time of the observation before each; of the first, one usual step earlier."""
    step = int(np.median(np.diff(time))) if len(time) > 1 else _HOUR
    return np.append(time[0] - step, time[:-1]) if len(time) else time
