"""Deficits of water in the soil: when a drought is on, flash droughts, how long the water lasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError

__all__ = [
    "FlashDrought",
    "FlashRule",
    "advance_drought",
    "days_of_supply",
    "drought_watch",
    "find_flash_droughts",
    "moisture_deficit_index",
    "soil_water_deficit_index",
]

Floats = NDArray[np.float64]


def soil_water_deficit_index(
    soil_moisture: ArrayLike, field_capacity: ArrayLike, wilting_point: ArrayLike
) -> Floats:
    """Compute SWDI: 0 at field capacity, -10 at the wilting point.

    Parameters
    ----------
    soil_moisture, field_capacity, wilting_point : array-like
        Liquid soil water [m3 m-3]; broadcast against each other.

    Returns
    -------
    ndarray
        ``10 (θ - θ_FC) / (θ_FC - θ_WP)`` [1]; classes none > 0, mild to -2, moderate to -5, severe
        to -10, extreme below.

    Raises
    ------
    DataError
        If a wilting point is not below its field capacity.

    References
    ----------
    Martínez-Fernández et al. (2015), doi:10.1016/j.jhydrol.2014.12.051 (formula from secondary
    sources).

    Examples
    --------
    >>> soil_water_deficit_index([0.28, 0.19, 0.10], 0.28, 0.10).round(6).tolist()
    [0.0, -5.0, -10.0]
    """
    capacity, wilting = np.asarray(field_capacity, float), np.asarray(wilting_point, float)
    wrong = ~(wilting < capacity) & np.isfinite(wilting) & np.isfinite(capacity)
    if wrong.any():
        raise DataError(
            "a wilting point that is not below field capacity",
            found=f"{int(wrong.sum())} of {wrong.size}",
            do="Exchange the two, or correct the soil map",
        )
    index: Floats = 10 * (np.asarray(soil_moisture, float) - capacity) / (capacity - wilting)
    return index


def moisture_deficit_index(
    soil_water: ArrayLike, period: ArrayLike
) -> tuple[Floats, NDArray[np.bool_]]:
    """Compute SMDI, which carries half of each step's deficit on to the next.

    Parameters
    ----------
    soil_water : array-like, shape (n_times, ...)
        Water of the root zone in steps of equal length (weeks), in time order.
    period : array-like of int, shape (n_times,)
        Calendar period of each step, from 0.

    Returns
    -------
    index : ndarray, shape (n_times, ...)
        -4 (very dry) to 4 [1]; NaN where missing or degenerate, after which it starts anew.
    degenerate : ndarray of bool, shape (n_periods, ...)
        Periods whose median equals their minimum or maximum: nothing is defined there.

    Notes
    -----
    ``SD = 100 (W - med) / (med - min)`` if W ≤ med, else ``100 (W - med) / (max - med)``;
    ``SMDI_1 = SD_1 / 50``, ``SMDI_t = 0.5 SMDI_(t-1) + SD_t / 50``.

    References
    ----------
    Narasimhan & Srinivasan (2005), doi:10.1016/j.agrformet.2005.07.012.

    Examples
    --------
    >>> index, _ = moisture_deficit_index([0.16, 0.22, 0.15, 0.21, 0.14, 0.20], [0, 1, 0, 1, 0, 1])
    >>> index.round(2).tolist()
    [2.0, 3.0, 1.5, 0.75, -1.62, -2.81]
    """
    water = np.asarray(soil_water, dtype=np.float64)
    where = np.asarray(period, dtype=np.int64)
    shape = (int(where.max()) + 1, *water.shape[1:])
    low, middle, high = (np.full(shape, np.nan) for _ in range(3))
    for one in range(shape[0]):
        rows = water[where == one]
        seen = np.isfinite(rows).any(axis=0)
        filled = np.where(seen, rows, 0.0)
        low[one] = np.where(seen, np.nanmin(filled, axis=0), np.nan)
        middle[one] = np.where(seen, np.nanmedian(filled, axis=0), np.nan)
        high[one] = np.where(seen, np.nanmax(filled, axis=0), np.nan)
    degenerate = np.asarray((middle <= low) | (high <= middle))
    span = np.where(water <= middle[where], (middle - low)[where], (high - middle)[where])
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.where(degenerate[where], np.nan, 2 * (water - middle[where]) / span)
    index = np.full(water.shape, np.nan)
    before = np.zeros(water.shape[1:])
    for at, now in enumerate(step):
        index[at] = 0.5 * before + now
        before = np.where(np.isfinite(index[at]), index[at], 0.0)
    return index, degenerate


def days_of_supply(water: ArrayLike, use: ArrayLike, reserve: ArrayLike = 0.0) -> Floats:
    """Count the days until plants have used what the root zone holds above a reserve.

    Parameters
    ----------
    water : array-like
        Plant-available liquid water [mm].
    use : array-like
        Expected transpiration less expected rain [mm d-1].
    reserve : array-like
        Water that must stay, for example at the onset of stress [mm].

    Returns
    -------
    ndarray
        [d]; infinite where nothing is used on balance, 0 where the reserve is reached already.

    Examples
    --------
    >>> days_of_supply([40.0, 10.0, 25.0], [2.0, 2.0, -1.0], 10.0).tolist()
    [15.0, 0.0, inf]
    """
    left = np.maximum(np.asarray(water, float) - np.asarray(reserve, float), 0.0)
    rate = np.asarray(use, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rate > 0, left / np.where(rate > 0, rate, np.nan), np.inf)


@dataclass(frozen=True, slots=True)
class FlashRule:
    """What counts as a flash drought, in percentiles of pentads.

    Attributes
    ----------
    start, end : float
        It falls from at least `start` to at most `end` [%].
    fall : float
        Mean fall since the start [% per pentad].
    min_length : int
        Shortest drought [pentads].
    min_below : int
        Fewest pentads below `end`; 0 for none.
    max_length : int or None
        At which a drought is cut, for it is then no flash drought any more [pentads].
    max_evapotranspiration : float or None
        Highest mean percentile of evapotranspiration during the drought [%].
    """

    start: float = 40.0
    end: float = 20.0
    fall: float = 5.0
    min_length: int = 4
    min_below: int = 0
    max_length: int | None = None
    max_evapotranspiration: float | None = None

    def __post_init__(self) -> None:
        """Refuse a rule that nothing can meet."""
        if not 0 < self.end < self.start < 100 or self.fall <= 0 or self.min_length < 1:
            raise StudyError(
                "a rule for flash droughts that nothing can meet",
                found=f"from {self.start:g} to {self.end:g}, fall {self.fall:g}",
                do="Give 0 < end < start < 100, a fall above 0 and a length of at least 1",
            )


@dataclass(frozen=True, slots=True)
class FlashDrought:
    """One flash drought: places of its first, deepest and last pentad, and its severity.

    Attributes
    ----------
    first, onset_end, last : int
        Places in the series, from 0; the onset ends where the percentile first rises.
    severity : float
        Sum of (start - percentile) [% pentad].
    fastest : float
        Mean fall during onset [% per pentad].
    """

    first: int
    onset_end: int
    last: int
    severity: float
    fastest: float

    @property
    def length(self) -> int:
        """Pentads from first to last."""
        return self.last - self.first + 1


def find_flash_droughts(
    percentile: ArrayLike,
    rule: FlashRule | None = None,
    *,
    evapotranspiration: ArrayLike | None = None,
) -> tuple[FlashDrought, ...]:
    """Find flash droughts in a series of root-zone percentiles.

    Parameters
    ----------
    percentile : array-like, shape (n_pentads,)
        [%]; a missing pentad ends a drought.
    rule : FlashRule, optional
        Default: Yuan et al. (2019); ``FlashRule(min_below=3, max_length=8)`` with an
        evapotranspiration of at most 50 is the authors' later version.
    evapotranspiration : array-like, shape (n_pentads,), optional
        Percentile of evapotranspiration [%], for a rule that asks for it.

    Returns
    -------
    tuple of FlashDrought

    References
    ----------
    Yuan et al. (2019), doi:10.1038/s41467-019-12692-7; Yuan et al. (2023),
    doi:10.1126/science.abn6301.

    Examples
    --------
    >>> series = [60, 55, 50, 42, 33, 24, 15, 10, 12, 18, 22, 30, 45]
    >>> [(d.first, d.last, d.severity) for d in find_flash_droughts(series)]
    [(4, 9, 128.0)]
    """
    p = np.asarray(percentile, dtype=np.float64)
    chosen = rule or FlashRule()
    water_use = None if evapotranspiration is None else np.asarray(evapotranspiration, float)
    if chosen.max_evapotranspiration is not None and water_use is None:
        raise StudyError(
            "the rule for flash droughts asks for evapotranspiration",
            found="none given",
            do="Give its percentiles, or max_evapotranspiration = None",
        )
    found: list[FlashDrought] = []
    at = 1
    while at < len(p):
        drought = _drought_from(p, at, chosen) if p[at] < chosen.start <= p[at - 1] else None
        if drought is not None and _counts(p, drought, chosen, water_use):
            found.append(drought)
            at = drought.last
        at += 1
    return tuple(found)


def _drought_from(p: Floats, first: int, rule: FlashRule) -> FlashDrought | None:
    at, lowest = first, np.inf
    while at < len(p) and rule.start - p[at] >= rule.fall * (at - first + 1):
        if lowest <= rule.end and p[at] > lowest:
            break
        lowest = min(lowest, p[at])
        at += 1
    if lowest > rule.end:
        return None
    onset_end = at - 1
    while at < len(p) and p[at] <= rule.end:
        at += 1
    last = at - 1
    if rule.max_length is not None:
        last = min(last, first + rule.max_length - 1)
    onset_end = min(onset_end, last)
    fastest = (rule.start - p[onset_end]) / (onset_end - first + 1)
    severity = float((rule.start - p[first : last + 1]).sum())
    return FlashDrought(first, onset_end, last, severity, float(fastest))


def _counts(p: Floats, drought: FlashDrought, rule: FlashRule, water_use: Floats | None) -> bool:
    part = slice(drought.first, drought.last + 1)
    if drought.length < rule.min_length or (p[part] < rule.end).sum() < rule.min_below:
        return False
    if rule.max_evapotranspiration is None or water_use is None:
        return True
    return bool(np.nanmean(water_use[part]) <= rule.max_evapotranspiration)


def drought_watch(
    percentile: ArrayLike,
    season: ArrayLike,
    *,
    begins: float = 20.0,
    ends: float = 30.0,
    persist: int = 3,
) -> NDArray[np.bool_]:
    """Say when a drought is on.

    Parameters
    ----------
    percentile : array-like, shape (n_times, n_places)
        Of soil water in its time of year [%]; a missing one changes nothing.
    season : array-like of int, shape (n_times,)
        Year of the growing season of each time; a drought does not outlast its season.
    begins, ends : float
        It begins at or below the one and ends above the other [%].
    persist : int
        Steps in a row at or below `begins` before it is on.

    Returns
    -------
    ndarray of bool, shape (n_times, n_places)

    Raises
    ------
    StudyError
        If it would end before it begins.

    Examples
    --------
    >>> series = [[15.0], [18.0], [12.0], [25.0], [35.0], [10.0]]
    >>> drought_watch(series, [2020] * 6, persist=2)[:, 0].tolist()
    [False, True, True, True, False, False]
    """
    if ends < begins or persist < 1:
        raise StudyError(
            "a drought that ends before it begins",
            found=f"begins {begins:g}, ends {ends:g}, persist {persist}",
            do="Let ends be no lower than begins, and persist at least 1",
        )
    p, year = np.asarray(percentile, dtype=np.float64), np.asarray(season)
    on = np.zeros(p.shape[1:], dtype=bool)
    count = np.zeros(p.shape[1:], dtype=np.int64)
    found = np.zeros(p.shape, dtype=bool)
    for at, now in enumerate(p):
        if at and year[at] != year[at - 1]:
            on, count = np.zeros_like(on), np.zeros_like(count)
        on, count = advance_drought(on, count, now, begins=begins, ends=ends, persist=persist)
        found[at] = on
    return found


def advance_drought(
    on: ArrayLike,
    count: ArrayLike,
    percentile: ArrayLike,
    *,
    begins: float,
    ends: float,
    persist: int,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Take one step in.

    Parameters
    ----------
    on : array-like of bool, shape (n_places,)
        Whether a drought was on.
    count : array-like of int, shape (n_places,)
        Steps in a row at or below `begins`.
    percentile : array-like, shape (n_places,)
        [%]; a missing one changes nothing.
    begins, ends, persist
        As for :func:`drought_watch`.

    Returns
    -------
    on, count : ndarray
    """
    now, was = np.asarray(percentile, dtype=np.float64), np.asarray(on, dtype=bool)
    before = np.asarray(count, dtype=np.int64)
    seen = np.isfinite(now)
    counted = np.where(seen, np.where(now <= begins, before + 1, 0), before)
    return np.where(seen, (was & ~(now > ends)) | (counted >= persist), was), counted
