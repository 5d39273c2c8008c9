"""The flags of the International Soil Moisture Network by its own rules.

The network wrote its rules for hourly values in vol%. Ours (:mod:`.control`) differ from them on
purpose, where cadence, frost, thaw and sensor noise make the originals flag what is real; these
here reproduce the originals, for whoever must give the network's flags or compare with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.network.quality.flags import Flag

__all__ = ["ismn_flags", "on_hours"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_HIGHEST = 60.0
_LEAST_RAIN = 0.2


def ismn_flags(
    value: ArrayLike,
    *,
    saturation: float | None = None,
    soil_temperature: ArrayLike | None = None,
    air_temperature: ArrayLike | None = None,
    rain: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Flag an hourly series by the rules of the International Soil Moisture Network.

    Parameters
    ----------
    value : array_like, shape (n,)
        Soil moisture at every hour [m3 m-3]; NaN where missing, whose flag is 0.
    saturation : float, optional
        Of this soil [m3 m-3].
    soil_temperature, air_temperature : array_like, shape (n,), optional
        [°C]
    rain : array_like, shape (n,), optional
        Of the hour [mm]; NaN counts as none, as the network has it.

    Returns
    -------
    int64 array, shape (n,)
        Bits of :class:`Flag`: range (C01-C03), frozen (D01, D02), rise without rain (D04), spike
        (D06), drop and jump (D07, D08), low and high plateau (D09, D10).

    Raises
    ------
    DataError
        If the columns differ in length.

    Notes
    -----
    With first and second differences d1 = (x[t+1] - x[t-1]) / 2 and d2 = x[t+1] - 2 x[t] + x[t-1]
    in vol%, a spike is a peak of one or two hours with x[t] / x[t-1] outside 0.85 to 1.15,
    |d2[t-1] / d2[t+1]| within 0.8 to 1.2 and a relative variance around it below 1; a break has
    |dx / x| > 0.1, |dx| > 1, |d1| above ten times its mean over a day, |d2[t-1] / d2[t]| of 1 and
    |d2[t] / d2[t+2]| > 10. The highest value of D10 is that of the whole series.

    References
    ----------
    Dorigo, W. A., et al. (2013). Global automated quality control of in situ soil moisture data
    from the International Soil Moisture Network. Vadose Zone Journal, 12(3).
    https://doi.org/10.2136/vzj2012.0097
    TU Wien (2020). flagit (MIT), the network's own program, whose behaviour is followed where the
    paper leaves a choice.

    Examples
    --------
    >>> value = np.full(60, 0.2)
    >>> value[30] = 0.3
    >>> np.flatnonzero(ismn_flags(value) & Flag.SPIKE)
    array([30])
    """
    x = np.asarray(value, dtype=float) * 100.0
    columns = {"soil_temperature": soil_temperature, "air_temperature": air_temperature}
    given = {name: np.asarray(c, dtype=float) for name, c in columns.items() if c is not None}
    fallen = None if rain is None else np.asarray(rain, dtype=float)
    if any(c.shape != x.shape for c in (*given.values(), *([] if fallen is None else [fallen]))):
        raise DataError(
            "columns of different lengths", do="Give one value per hour, NaN if missing"
        )
    flags = np.zeros(x.size, dtype=np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        drop, jump = _breaks(x)
        found = {
            Flag.BELOW_RANGE: x < 0.0,
            Flag.ABOVE_RANGE: x > _HIGHEST,
            Flag.ABOVE_SATURATION: x > (np.inf if saturation is None else 100.0 * saturation),
            Flag.FROZEN: np.any([c < 0.0 for c in given.values()], axis=0)
            if given
            else np.zeros(x.size, dtype=bool),
            Flag.RISE_WITHOUT_WATER: _rises(x, fallen),
            Flag.SPIKE: _spikes(x),
            Flag.DROP: drop,
            Flag.JUMP: jump,
            Flag.LOW_PLATEAU: _low_plateaus(x, drop),
            Flag.HIGH_PLATEAU: _high_plateaus(x),
        }
    for bit, where in found.items():
        flags |= np.where(where, int(bit), 0)
    return flags


def _shifted(x: Floats, by: int) -> Floats:
    """Give x[t - by], NaN where there is none."""
    out = np.full(x.size, np.nan)
    if by >= 0:
        out[by:] = x[: x.size - by]
    else:
        out[:by] = x[-by:]
    return out


def _differences(x: Floats) -> tuple[Floats, Floats]:
    before, after = _shifted(x, 1), _shifted(x, -1)
    before[:1], after[-1:] = x[:1], x[-1:]
    return (after - before) / 2.0, after - 2.0 * x + before


def _windows(x: Floats, before: int, after: int) -> Floats:
    """Give the surroundings of each value as rows, NaN beyond the ends."""
    padded = np.concatenate([np.full(before, np.nan), x, np.full(after, np.nan)])
    return np.lib.stride_tricks.sliding_window_view(padded, before + after + 1)


def _rises(x: Floats, rain: Floats | None) -> Mask:
    if rain is None:
        return np.zeros(x.size, dtype=bool)
    day = np.round(np.nansum(_windows(rain, 23, 0), axis=1), 1)
    around = _windows(x, 24, 0)
    n = np.isfinite(around).sum(axis=1)
    mean = np.nansum(around, axis=1) / n
    deviation = np.sqrt(np.nansum((around - mean[:, None]) ** 2, axis=1) / (n - 1))
    known = np.isfinite(_windows(rain, 23, 0)).any(axis=1)
    rise = x - _shifted(x, 24)
    rising = (x > _shifted(x, 1)) & (rise > 2.0 * deviation) & ~np.isclose(rise, 2.0 * deviation)
    dry: Mask = rising & known & (day < _LEAST_RAIN)
    return dry


def _spikes(x: Floats) -> Mask:
    _, d2 = _differences(x)
    before, after, later = _shifted(x, 1), _shifted(x, -1), _shifted(x, -2)
    ratio = np.round(x / before, 3)
    bend = np.round(np.abs(_shifted(d2, 1) / _shifted(d2, -1)), 3)
    around = np.delete(_windows(x, 12, 12), 12, axis=1)
    whole = np.isfinite(around).all(axis=1)
    relative = np.abs(around.var(axis=1, ddof=1)) / around.mean(axis=1)
    single = ((x > before) & (x > after)) | ((x < before) & (x < after))
    pair = (x == after) & (((x > before) & (x > later)) | ((x < before) & (x < later)))
    calm = whole & (relative < 1.0)
    # of a pair the bend is looked at over its first hour and the hour after it
    wide = np.round(np.abs(_shifted(d2, 1) / _shifted(d2, -2)), 3)
    steep = (ratio > 1.15) | (ratio < 0.85)
    one = single & steep & (bend > 0.8) & (bend < 1.2) & calm
    two = pair & steep & (wide > 0.8) & (wide < 1.2) & calm
    spike: Mask = one | two | np.append(False, two[:-1])
    return spike


def _breaks(x: Floats) -> tuple[Mask, Mask]:
    d1, d2 = _differences(x)
    change = x - _shifted(x, 1)
    around = _windows(d1, 12, 12)
    n = np.isfinite(around).sum(axis=1)
    mean = np.where(n >= 4, np.nansum(around, axis=1) / n, np.nan)
    found = (np.abs(change / x) > 0.1) & (np.abs(change) > 1.0) & (x != 0.0)
    found &= np.abs(d1) > np.abs(10.0 * mean)
    found &= ~np.isclose(np.abs(d1), np.abs(10.0 * mean)) & (d2 != 0.0)
    found &= np.isclose(np.round(np.abs(_shifted(d2, 1) / d2), 1), 1.0, atol=1e-2)
    found &= np.abs(d2 / _shifted(d2, -2)) > 10.0
    to_zero = (np.abs(change) > 5.0) & (x == 0.0)
    return (found & (d1 < 0.0)) | to_zero, found & (d1 > 0.0)


def _low_plateaus(x: Floats, drop: Mask) -> Mask:
    """Mark hours after a drop until the relative variance of the next 13 leaps by 0.001."""
    ahead = _windows(x, 0, 12)
    relative = np.round(ahead.var(axis=1, ddof=1), 4) / np.round(ahead.mean(axis=1), 4)
    relative = np.where(np.isnan(relative) & (x == 0.0), 0.0, relative)
    marked = np.zeros(x.size, dtype=bool)
    leaps = np.flatnonzero(np.diff(relative, prepend=np.nan) >= 1e-3)
    for start in np.flatnonzero(drop & (relative < 1e-3)):
        after = leaps[np.searchsorted(leaps, start, side="right") :]
        last = int(after[0]) if after.size else x.size
        marked[start : min(x.size, last + 12)] = True
    return marked


def _high_plateaus(x: Floats) -> Mask:
    """Mark flat stretches near the highest value that begin with a rise and end with a fall."""
    d1, _ = _differences(x)
    seen = x[np.isfinite(x) & (x < _HIGHEST)]
    marked = np.zeros(x.size, dtype=bool)
    if not seen.size:
        return marked
    flat = _windows(x, 0, 11).var(axis=1, ddof=1) <= 0.05
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.view(np.int8), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        rise = np.nanmax(d1[max(0, start - 12) : start + 13], initial=-np.inf)
        fall = np.nanmin(d1[stop - 1 : min(x.size, stop + 24)], initial=np.inf)
        if np.round(rise, 3) < 0.25 or np.round(fall, 3) >= 0.0:
            continue
        inside = slice(start, min(x.size, stop + 11))
        first = start + _place(d1[inside], rise, 0)
        last = start + _place(d1[inside], fall, inside.stop - start - 1)
        if last >= first and np.nanmean(x[first : last + 1]) > 0.95 * seen.max():
            marked[first : last + 1] = True
    return marked


def _place(d1: Floats, wanted: float, otherwise: int) -> int:
    """Find where in a stretch the difference stands; its edge where it lies outside."""
    at = np.flatnonzero(d1 == wanted)
    return int(at[0]) if at.size else otherwise


_HOUR = 3_600_000_000


def on_hours(time: NDArray[np.int64], value: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Lay a series out at every hour, as the network's rules want it.

    Parameters
    ----------
    time : int64 array, shape (n,)
        Rising [µs].
    value : float64 array, shape (n,)

    Returns
    -------
    place : int64 array, shape (n,)
        Hour of each observation, counted from the first.
    hourly : float64 array
        NaN where there is none; of several in an hour the last.

    Examples
    --------
    >>> on_hours(np.array([0, 2]) * 3_600_000_000, np.array([0.2, 0.3]))[1]
    array([0.2, nan, 0.3])
    """
    if not time.size:
        return time, np.empty(0)
    place = (time - time[0]) // _HOUR
    hourly = np.full(int(place[-1]) + 1, np.nan)
    hourly[place] = value
    return place, hourly
