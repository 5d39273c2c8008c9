"""Is a station well? Silence, battery and drift.

A station that says nothing is a different matter from a soil that dries: health is kept apart from
quality, so that an alarm can be held back where the sensor is at fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__ = ["Battery", "Drift", "Silence", "battery", "drift", "silence"]

_HOUR = 3_600_000_000.0
_DAY = 24.0 * _HOUR
_RISE = 1.0
"""A battery that gains this many volts within a day has been changed or charged anew [V]."""


@dataclass(frozen=True, slots=True)
class Silence:
    """When a station was last heard.

    Attributes
    ----------
    status : {"heard", "late", "silent", "never"}
        Late after three usual steps, silent after twelve or after the grace, whichever is longer.
    hours : float
        Since the last observation [h]; infinite where there is none.
    cadence : float
        Usual time between observations [h]; NaN where fewer than three.
    """

    status: Literal["heard", "late", "silent", "never"]
    hours: float
    cadence: float


def silence(time: ArrayLike, now: int, *, grace: float = 6.0) -> Silence:
    """Say whether a station is overdue, by its own cadence.

    Parameters
    ----------
    time : array_like of int, shape (n,)
        Times of its latest observations, some dozens are enough [µs since 1970].
    now : int
        The present [µs since 1970].
    grace : float
        Links over mobile networks pause; before this nothing is called silent [h].

    Returns
    -------
    Silence

    Examples
    --------
    >>> silence(np.arange(10) * 3_600_000_000, now=40 * 3_600_000_000)
    Silence(status='silent', hours=31.0, cadence=1.0)
    """
    times = np.sort(np.asarray(time, dtype=np.int64))
    if times.size == 0:
        return Silence("never", float("inf"), float("nan"))
    hours = (now - int(times[-1])) / _HOUR
    cadence = float(np.median(np.diff(times))) / _HOUR if times.size > 2 else float("nan")
    usual = cadence if np.isfinite(cadence) else 24.0
    if hours <= 3.0 * usual:
        return Silence("heard", hours, cadence)
    status: Literal["late", "silent"] = "silent" if hours > max(12.0 * usual, grace) else "late"
    return Silence(status, hours, cadence)


@dataclass(frozen=True, slots=True)
class Battery:
    """How long a battery will last.

    Attributes
    ----------
    volts : float
        Daily least voltage of the last day [V].
    per_day : float
        Its slope since the last change of battery [V d-1].
    per_day_sd : float
        Standard error of that slope [V d-1].
    days_left : float
        Until `empty` on that slope; infinite where it does not fall beyond twice its error.
    n : int
        Days used.
    """

    volts: float
    per_day: float
    per_day_sd: float
    days_left: float
    n: int


def battery(time: ArrayLike, volts: ArrayLike, *, empty: float = 11.5, days: int = 30) -> Battery:
    """Fit the nightly least voltage, which the sun does not hide.

    Parameters
    ----------
    time : array_like of int, shape (n,)
        [µs since 1970].
    volts : array_like, shape (n,)
        Voltage [V]; NaN where missing.
    empty : float
        Voltage at which the station stops; 11.5 for a 12 V lead battery [V].
    days : int
        How far to look back.

    Returns
    -------
    Battery

    Raises
    ------
    DataError
        If there are fewer than three days with a voltage.

    Examples
    --------
    >>> time = np.arange(20 * 24) * 3_600_000_000
    >>> reported = battery(time, 13.0 - 0.05 * np.arange(480) / 24)
    >>> round(reported.per_day, 3), round(reported.days_left, 1)
    (-0.05, 10.0)
    """
    at, level = np.asarray(time, dtype=np.int64), np.asarray(volts, dtype=float)
    at, level = at[np.isfinite(level)], level[np.isfinite(level)]
    day = np.floor(at / _DAY).astype(np.int64)
    kept, start = np.unique(day, return_index=True)
    if kept.size < 3:
        raise DataError(
            "too few days to say how a battery falls",
            found=f"{kept.size} days",
            do="Wait for three days of voltages",
        )
    least = np.minimum.reduceat(level, start)
    recent = kept > kept[-1] - days
    kept, least = kept[recent].astype(float), least[recent]
    changed = np.flatnonzero(np.diff(least) > _RISE)
    since = int(changed[-1]) + 1 if changed.size else 0
    kept, least = kept[since:], least[since:]
    n = kept.size
    if n < 3:
        return Battery(float(least[-1]), float("nan"), float("nan"), float("nan"), n)
    centred = kept - kept.mean()
    spread = float((centred**2).sum())
    slope = float((centred * least).sum()) / spread
    rest = least - least.mean() - slope * centred
    sd = float(np.sqrt((rest**2).sum() / (n - 2) / spread))
    falling = slope < -2.0 * sd and slope < 0
    left = max(0.0, (float(least[-1]) - empty) / -slope) if falling else float("inf")
    return Battery(float(least[-1]), slope, sd, left, n)


@dataclass(frozen=True, slots=True)
class Drift:
    """Slow departure of a sensor from its neighbours.

    Attributes
    ----------
    per_year : float
        Sen's slope of the difference [m3 m-3 yr-1].
    low, high : float
        95 % interval, from blocks of 30 days [m3 m-3 yr-1].
    drifting : bool
        Whether the interval leaves out zero and the slope is beyond `min_slope`.
    n : int
        Days used.
    """

    per_year: float
    low: float
    high: float
    drifting: bool
    n: int


def drift(
    time: ArrayLike, difference: ArrayLike, *, rng: np.random.Generator, min_slope: float = 0.01
) -> Drift:
    """Distinguish a slow drift from the difference between a sensor and what its neighbours say.

    Sen's slope of daily medians within pairs one year apart, so that seasons cancel, or of all
    pairs in a shorter record; its interval from 400 moving-block draws, because days depend on each
    other.

    Parameters
    ----------
    time : array_like of int, shape (n,)
        [µs since 1970].
    difference : array_like, shape (n,)
        Sensor minus the median of its neighbours [m3 m-3]; NaN where missing.
    rng : numpy.random.Generator
        For the interval.
    min_slope : float
        A slope below this is no fault [m3 m-3 yr-1].

    Returns
    -------
    Drift

    Raises
    ------
    DataError
        If there are fewer than 60 days.

    References
    ----------
    Sen, P. K. (1968). Estimates of the regression coefficient based on Kendall's tau. Journal of
    the American Statistical Association, 63, 1379-1389.
    https://doi.org/10.1080/01621459.1968.10480934

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> time = np.arange(300) * 86_400_000_000
    >>> reported = drift(time, 0.04 * np.arange(300) / 365.25 + rng.normal(0, 0.003, 300), rng=rng)
    >>> reported.drifting, round(reported.per_year, 2)
    (True, 0.04)
    """
    at, apart = np.asarray(time, dtype=np.int64), np.asarray(difference, dtype=float)
    at, apart = at[np.isfinite(apart)], apart[np.isfinite(apart)]
    day = np.floor(at / _DAY).astype(np.int64)
    days, start = np.unique(day, return_index=True)
    if days.size < 60:
        raise DataError(
            "too few days to find a drift",
            found=f"{days.size}",
            do="Wait for 60 days of neighbours",
        )
    daily = np.array([np.median(part) for part in np.split(apart, start[1:])])
    years = days / 365.25
    slope = _sen(years, daily)
    # moving blocks keep the dependence of days; the slope is added back so that only noise is drawn
    rest = daily - slope * (years - years.mean())
    block = 30
    draws = np.empty(400)
    for draw in range(draws.size):
        starts = rng.integers(0, max(1, rest.size - block), size=rest.size // block + 1)
        noise = np.concatenate([rest[s : s + block] for s in starts])[: rest.size]
        draws[draw] = _sen(years[: noise.size], noise)
    low, high = slope - np.quantile(draws, [0.975, 0.025])
    reported = bool((low > 0 or high < 0) and abs(slope) > min_slope)
    return Drift(float(slope), float(low), float(high), reported, int(days.size))


def _sen(years: NDArray[np.float64], value: NDArray[np.float64]) -> float:
    """Median slope over pairs one year apart within ten days, or over all where there are few."""
    lag = years[None, :] - years[:, None]
    pairs = np.abs(lag - 1.0) < 10 / 365.25
    if pairs.sum() < 60:
        pairs = lag > 0
    return float(np.median((value[None, :] - value[:, None])[pairs] / lag[pairs]))
