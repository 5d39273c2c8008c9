"""Quality control of one soil moisture series, whole or as it comes in.

The same scans serve both: a stream keeps the hours that rules look back at and the little that
lasts longer (frost, the repeated value, the highest value), so that a series cut into any pieces
ends with the flags it has in one piece.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.network.quality import scans
from headwater.network.quality.flags import DOUBTS, Flag
from headwater.network.quality.rules import Rules

__all__ = ["Flagged", "QualityControl", "flag_series"]

_HOUR = 3_600_000_000
_GAP = 1.6
"""Neighbours further apart than this many usual steps have a gap between them."""

Floats = NDArray[np.float64]
Bits = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Flagged:
    """Flags of a run of observations.

    Attributes
    ----------
    time : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    flag : ndarray of int64, shape (n,)
        Bits of :class:`Flag`.
    settled : ndarray of bool, shape (n,)
        False where later observations may still change the flag.
    """

    time: Bits
    flag: Bits
    settled: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Lasting:
    """What outlasts any window: state of the soil, level of a plateau, highest value, the run."""

    soil: Floats = field(
        default_factory=lambda: np.array([-np.inf, np.inf, np.nan, -np.inf, np.nan, -np.inf])
    )
    low: Floats = field(default_factory=lambda: np.array([np.nan]))
    high: Floats = field(default_factory=lambda: np.array([-np.inf, np.nan]))
    run: Floats = field(default_factory=lambda: np.array([np.nan, -np.inf, np.inf]))

    def copy(self) -> _Lasting:
        return _Lasting(*(np.copy(part) for part in (self.soil, self.low, self.high, self.run)))


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """The observations that are still looked at: columns are hours, value, soil, air, rain."""

    columns: Floats = field(default_factory=lambda: np.empty((5, 0)))
    ground: Floats = field(default_factory=lambda: np.empty(0))
    flags: Bits = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    settled: int = 0
    rain: float = 0.0
    """Rain since the last observation that had a value [mm]."""


class QualityControl:
    """Quality control of a soil moisture sensor as its observations come in.

    Parameters
    ----------
    rules : Rules, optional
        Thresholds.
    cadence : float, optional
        Usual time between observations [h]; default: the median of the first batch.

    Notes
    -----
    ``push`` takes observations in order of time. What comes late is controlled by :func:`control`
    on the stretch around it.

    Examples
    --------
    >>> import numpy as np
    >>> stream = QualityControl(cadence=1.0)
    >>> time = np.arange(200) * 3_600_000_000
    >>> value = 0.2 + 0.001 * np.sin(np.arange(200))
    >>> value[24] = 0.4
    >>> early, late = stream.push(time[:30], value[:30]), stream.push(time[30:], value[30:])
    >>> int(early.flag[24]), bool(early.settled[24]), bool(late.settled[24])
    (64, False, True)
    """

    def __init__(self, rules: Rules | None = None, *, cadence: float | None = None) -> None:
        self.rules = rules or Rules()
        self.cadence = cadence
        self._held = _Held()
        self._lasting = _Lasting()

    def push(
        self,
        time: ArrayLike,
        value: ArrayLike,
        *,
        soil_temperature: ArrayLike | None = None,
        air_temperature: ArrayLike | None = None,
        rain: ArrayLike | None = None,
    ) -> Flagged:
        """Take observations, and flag them and those before them that were not settled.

        Parameters
        ----------
        time : array_like of int, shape (n,)
            Microseconds since 1970, UTC, strictly rising and after all earlier ones.
        value : array_like, shape (n,)
            Soil moisture [m3 m-3]; NaN where missing, which is left out of the answer.
        soil_temperature, air_temperature : array_like, shape (n,), optional
            Next to the sensor [°C]; NaN where missing.
        rain : array_like, shape (n,), optional
            Rain since the observation before [mm]; NaN where missing.

        Returns
        -------
        Flagged
            From the first observation whose flags were not settled before.

        Raises
        ------
        DataError
            If times do not rise, lengths differ, or the cadence cannot be determined.
        """
        held = self._held
        columns = _columns(time, value, soil_temperature, air_temperature, rain)
        new, rain_left = _with_value(columns, held.rain)
        self._held = replace(held, rain=rain_left)
        if held.columns.size and new.size and new[0, 0] <= held.columns[0, -1]:
            raise DataError(
                "observations that are not later than those before",
                found=f"one of {np.datetime64(round(new[0, 0] * _HOUR), 'us')}",
                do="Control the stretch around late observations with flag_series()",
            )
        if self.cadence is None:
            self.cadence = _cadence(new[0])
        return self._flag(np.hstack([held.columns, new]), _scaled(self.rules, self.cadence))

    def _flag(self, columns: Floats, rules: Rules) -> Flagged:
        held, hours = self._held, columns[0]
        n, first = hours.size, held.settled
        delay = max(rules.delay, rules.stuck)
        last = hours[-1] if n else -np.inf
        settled = max(first, int(np.searchsorted(hours, last - delay)))
        flags = np.concatenate([held.flags, np.zeros(n - first, dtype=np.int64)])
        ground = np.concatenate([held.ground, np.full(n - first, np.nan)])
        gap = _GAP * float(self.cadence or 0.0)
        _Scan(columns, rules, gap, (first, settled), self._lasting, flags, ground).run()
        reported = flags.copy()
        reported[settled:] = 0  # a pair of spikes may have reached over
        _Scan(columns, rules, gap, (settled, n), self._lasting.copy(), reported, ground).run()
        # in the buffer stays what the first observation not settled may look back at
        keep = min(settled, int(np.searchsorted(hours, last - delay - rules.memory)))
        self._held = _Held(
            columns[:, keep:], ground[keep:settled], flags[keep:settled], settled - keep, held.rain
        )
        time = np.rint(hours[first:] * _HOUR).astype(np.int64)
        return Flagged(time, reported[first:], np.arange(first, n) < settled)


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """One pass of all rules over `span`: the observations, the thresholds, what lasts, the flags.

    The rules write into `flags` and `ground`, which are made for this pass.
    """

    columns: Floats
    rules: Rules
    gap: float
    span: tuple[int, int]
    lasting: _Lasting
    flags: Bits
    ground: Floats

    @property
    def scanned(self) -> scans.Scanned:
        """What each rule looks at."""
        hours, value, soil, air, rain = self.columns
        return scans.Scanned(hours, value, soil, air, rain, self.ground, self.span, self.gap)

    def run(self) -> None:
        """Add all bits; later rules read the bits of earlier ones."""
        if self.span[0] >= self.span[1]:
            return
        self._states()
        self._steps()
        self._plateaus()

    def _states(self) -> None:
        rules, here = self.rules, slice(*self.span)
        self.ground[here] = scans.soil_states(
            self.scanned,
            (rules.frost, rules.warm, rules.thaw),
            (int(Flag.FROZEN), int(Flag.THAWING)),
            self.lasting.soil,
            self.flags,
        )
        self.flags[here] |= _range(self.columns[1, here], rules)

    def _steps(self) -> None:
        rules, flags, scanned = self.rules, self.flags, self.scanned
        change = (rules.min_change, rules.relative_change, rules.window)
        spike = int(Flag.SPIKE)
        today = scans.rain_before(scanned, 24.0)
        lately = scans.rain_before(scanned, max(6.0, self.gap))
        scans.spikes(scanned, today, change, spike, flags)
        limits = (*change, max(0.5 * rules.window, 2.0 * self.gap), rules.depth)
        bits = (int(Flag.DROP), int(Flag.JUMP), spike)
        scans.breaks(scanned, lately, limits, bits, flags)
        pardon = int(Flag.FROZEN | Flag.THAWING | Flag.SPIKE | Flag.JUMP)
        least = (rules.min_rise, rules.min_rain)
        scans.rises(scanned, today, least, (int(Flag.RISE_WITHOUT_WATER), pardon), flags)

    def _plateaus(self) -> None:
        rules, lasting, flags, scanned = self.rules, self.lasting, self.flags, self.scanned
        frozen = int(Flag.FROZEN)
        low = (int(Flag.LOW_PLATEAU), int(Flag.DROP), frozen)
        scans.low_plateaus(scanned, rules.plateau, low, lasting.low, flags)
        limits = (rules.plateau, rules.flat, rules.window)
        # not of repeats: these are found later, and those of pieces before are known already
        high = (int(Flag.HIGH_PLATEAU), int(DOUBTS & ~Flag.STUCK), frozen)
        scans.high_plateaus(scanned, limits, high, lasting.high, flags)
        repeat = (int(Flag.STUCK), frozen)
        scans.stuck(scanned, rules.stuck, repeat, lasting.run, flags)


def _range(value: Floats, rules: Rules) -> Bits:
    flags = np.where(value < rules.lowest, int(Flag.BELOW_RANGE), 0)
    flags |= np.where(value > rules.highest, int(Flag.ABOVE_RANGE), 0)
    if rules.saturation is not None:
        flags |= np.where(value > rules.saturation, int(Flag.ABOVE_SATURATION), 0)
    return flags.astype(np.int64)


def _scaled(rules: Rules, cadence: float) -> Rules:
    """Widen windows that would hold too few observations at this cadence."""
    return replace(
        rules,
        window=max(rules.window, 6.0 * cadence),
        plateau=max(rules.plateau, 4.0 * cadence),
        stuck=max(rules.stuck, 8.0 * cadence),
    )


def _cadence(hours: Floats) -> float:
    if hours.size < 3:
        raise DataError(
            "too few observations to say their cadence",
            found=f"{hours.size}",
            do="Give cadence [h], or begin with a longer stretch",
        )
    return float(np.median(np.diff(hours)))


def _columns(*given: ArrayLike | None) -> Floats:
    """Check and stack hours, value, soil and air temperature, rain."""
    time = np.asarray(given[0], dtype=np.int64)
    rows = [time / _HOUR]
    for column in given[1:]:
        rows.append(np.full(time.size, np.nan) if column is None else np.asarray(column, float))
    if any(row.shape != time.shape or time.ndim != 1 for row in rows):
        raise DataError(
            "columns of different lengths",
            found=", ".join(str(row.shape) for row in rows),
            do="Give one value per time, NaN where missing",
        )
    if np.any(np.diff(time) <= 0):
        raise DataError(
            "times that do not rise",
            found=f"at observation {int(np.argmax(np.diff(time) <= 0)) + 1}",
            do="Sort the series and drop repeated times",
        )
    return np.vstack(rows)


def _with_value(columns: Floats, rain: float) -> tuple[Floats, float]:
    """Leave out what has no value, adding its rain to the next observation that has one."""
    seen = ~np.isnan(columns[1])
    following = np.append(0, np.cumsum(seen))[: seen.size]
    sums = np.bincount(following, columns[4], minlength=int(seen.sum()) + 1)
    sums[0] += rain
    kept = columns[:, seen]
    kept[4] = sums[: kept.shape[1]]
    return kept, float(sums[kept.shape[1]])


def flag_series(
    time: ArrayLike,
    value: ArrayLike,
    *,
    rules: Rules | None = None,
    cadence: float | None = None,
    soil_temperature: ArrayLike | None = None,
    air_temperature: ArrayLike | None = None,
    rain: ArrayLike | None = None,
) -> Bits:
    """Flag a whole soil moisture series.

    Parameters
    ----------
    time : array_like of int, shape (n,)
        Microseconds since 1970, UTC, strictly rising.
    value : array_like, shape (n,)
        Soil moisture [m3 m-3]; NaN where missing, whose flag is 0.
    rules : Rules, optional
        Thresholds.
    cadence : float, optional
        Usual time between observations [h]; default: the median.
    soil_temperature, air_temperature, rain : array_like, shape (n,), optional
        Next to the sensor [°C, °C, mm since the observation before]. Without temperature frost and
        thaw cannot be known; without rain nothing is accused of rising without it.

    Returns
    -------
    ndarray of int64, shape (n,)
        Bits of :class:`Flag`.

    Raises
    ------
    DataError
        If times do not rise, or lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(100) * 3_600_000_000
    >>> value = 0.2 + 0.001 * np.sin(np.arange(100))
    >>> value[50] = 0.01
    >>> flag_series(time, value)[49:52] == Flag.SPIKE
    array([False,  True, False])
    """
    flagged = QualityControl(rules, cadence=cadence).push(
        time,
        value,
        soil_temperature=soil_temperature,
        air_temperature=air_temperature,
        rain=rain,
    )
    flags = np.zeros(np.size(time), dtype=np.int64)
    flags[~np.isnan(np.asarray(value, dtype=float))] = flagged.flag
    return flags
