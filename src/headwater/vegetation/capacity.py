"""The densest cover that the water of a place can carry, year after year."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from headwater.errors import DataError
from headwater.vegetation import _bucket_kernels as kernels
from headwater.vegetation.bucket import Loss, Soil, Weather, soil_table, water_balance

__all__ = ["Capacity", "Exhaustion", "Scenario", "carrying_capacity"]

Floats = NDArray[np.float64]

COVERS = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.98)
_BLOCK = 2048
_CHANCE = 1e-5
"""Of a bootstrap sample to keep within the risk at a cover that ends the search."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A change of climate, as factors on the record.

    Attributes
    ----------
    rain, demand : float
        Factors of precipitation and potential evapotranspiration [1].
    warming : float
        Added to air temperature [degC].
    """

    rain: float = 1.0
    demand: float = 1.0
    warming: float = 0.0

    def of(self, weather: Weather) -> Weather:
        """Return the weather as this change makes it."""
        rain, air, demand, cover = (np.asarray(part, dtype=np.float64) for part in weather)
        return Weather(rain * self.rain, air + self.warming, demand * self.demand, cover)


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """When a year counts as one that exhausted the root zone, and how often that may be.

    Attributes
    ----------
    risk : float
        Share of years that may be such [1].
    reserve : float
        Less than this share of what lies between wilting point and field capacity must last [1],
    spell : int
        for so many days of the season, in which cover is over half of its full [d].
    """

    risk: float = 0.05
    reserve: float = 0.10
    spell: int = 10


@dataclass(frozen=True, slots=True, eq=False)
class Capacity:
    """The densest cover that water carries.

    Attributes
    ----------
    cover, low, high : ndarray, shape (...)
        Cover at full season and its interval [1]: do not plant denser than `low` where being wrong
        is dear. NaN where soil or weather is missing.
    at_limit : ndarray of bool
        Where even the densest cover that was tried keeps a reserve: capacity is at least that.
    reserves : ndarray, shape (covers, years, ...)
        Lowest extractable share of each year at each cover. Sparser covers than one at which every
        year keeps a reserve, and denser ones than one at which far too many years do not, are not
        tried: they have the values of the nearest that is.
    covers : tuple of float
        Covers.
    limit : Exhaustion
        What was allowed.
    """

    cover: Floats
    low: Floats
    high: Floats
    at_limit: NDArray[np.bool_]
    reserves: Floats
    covers: tuple[float, ...]
    limit: Exhaustion


def carrying_capacity(
    weather: Weather,
    soils: Sequence[Soil],
    years: Sequence[int],
    *,
    rng: np.random.Generator,
    loss: Loss = "laio",
    limit: Exhaustion | None = None,
    model_error: float = 0.15,
    level: float = 0.95,
    n_resamples: int = 100,
) -> Capacity:
    """Find the densest cover at which at most 5 % of years exhaust the root zone.

    Parameters
    ----------
    weather : Weather
        Of whole years; ``cover`` is its course relative to full season, 0 to 1. For other
        climates give ``Scenario(rain=0.9).of(weather)``, or years of a weather generator.
    soils : sequence of Soil
        The best soil first, then others drawn from its uncertainty
        (:meth:`headwater.vegetation.calibration.CalibratedSoil.draw`), which the interval holds.
    years : sequence of int, shape (days,)
        Year of each day.
    rng : numpy Generator
        Source of the bootstrap over years.
    loss : {"laio", "fao56"}
        As in :func:`headwater.vegetation.water_balance`.
    limit : Exhaustion, optional
        What counts as exhausted, and how often it may be; default: 5 % of years.
    model_error : float
        Standard deviation of what the bucket itself has wrong, in cover [1]. The default is what
        was found on a world with other equations (docs/simulations/vegetation.md); 0 trusts the
        bucket.
    level : float
        Of the interval [1].
    n_resamples : int
        Bootstrap samples of years.

    Returns
    -------
    Capacity

    Raises
    ------
    DataError
        If there is no soil, fewer than five years, or a risk that is none.

    Notes
    -----
    The bucket runs with covers among ten from 5 to 98 %, as many as decide; capacity lies where the
    `risk` quantile over years of the lowest reserve falls to `reserve`, in a straight line between
    two covers. The interval draws years anew, and a soil with them. It does not hold what the
    bucket itself has wrong: see docs/simulations/vegetation.md.

    References
    ----------
    Guo, Z. and Shao, M. (2013). Impact of afforestation density on soil and water conservation of
    the semiarid Loess Plateau, China. J. Soil Water Conserv. 68, 401-410 (soil water carrying
    capacity of vegetation; recalled, unchecked). Idea of the limit: storage at which every layer
    has dried, as in doi:10.4236/as.2013.45B019.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days = np.arange(6 * 365)
    >>> season = np.clip(np.sin((days % 365 - 120) / 120 * np.pi), 0, 1) * (days % 365 > 120)
    >>> season = np.where(days % 365 < 240, season, 0.0)
    >>> rain = rng.gamma(0.3, 9.0, days.size) * (rng.random(days.size) < 0.4)
    >>> weather = Weather(rain, 12.0 * season, 4.0 * season, season)
    >>> found = carrying_capacity(
    ...     weather, [Soil(0.28, 0.10)], 2001 + days // 365, rng=rng, limit=Exhaustion(reserve=0.3))
    >>> bool(found.low[0] <= found.cover[0] <= found.high[0])
    True
    """
    limit = limit or Exhaustion()
    names, starts = np.unique(np.asarray(years), return_index=True)
    if not soils or len(names) < 5 or not 0.0 < limit.risk < 1.0:
        raise DataError(
            "no carrying capacity can be found",
            found=f"{len(soils)} soils, {len(names)} years, risk {limit.risk}",
            do="Give a soil, five whole years or more, and a risk between 0 and 1",
        )
    bounds = np.append(starts, len(years)).astype(np.int64)
    changed = Scenario().of(weather)
    shape = max((np.shape(part)[1:] for part in changed), key=len) or (1,)
    flat = [np.broadcast_to(_by_day(part), (len(years), *shape)) for part in changed]
    rows = [part.reshape(len(years), -1) for part in flat]
    tried = np.empty((len(soils), len(COVERS), len(names), rows[0].shape[1]))
    for first in range(0, tried.shape[-1], _BLOCK):
        cells = slice(first, first + _BLOCK)
        block = Weather(*(np.ascontiguousarray(part[:, cells]) for part in rows))
        own = [soil.of_cells(cells, shape) for soil in soils]
        tried[..., cells] = _tried(block, own, bounds, limit, loss)
    best = _crossing(np.quantile(tried[0], limit.risk, axis=1), limit.reserve)
    draws = [
        _crossing(_drawn_quantile(tried, rng, limit.risk), limit.reserve)
        + rng.normal(0.0, model_error, best.shape)
        for _ in range(n_resamples)
    ]
    low, high = np.quantile(draws, (0.5 - level / 2.0, 0.5 + level / 2.0), axis=0)
    open_end = np.quantile(tried[0, -1], limit.risk, axis=0) >= limit.reserve
    return Capacity(
        cover=best.reshape(shape),
        low=np.clip(np.minimum(low, best), 0.0, 1.0).reshape(shape),
        high=np.clip(np.maximum(high, best), 0.0, 1.0).reshape(shape),
        at_limit=open_end.reshape(shape),
        reserves=tried[0].reshape(len(COVERS), len(names), *shape),
        covers=COVERS,
        limit=limit,
    )


def _by_day(part: Floats) -> Floats:
    return part[:, None] if part.ndim == 1 else part


def _tried(
    weather: Weather,
    soils: Sequence[Soil],
    bounds: NDArray[np.int64],
    limit: Exhaustion,
    loss: Loss,
) -> Floats:
    """Give the lowest reserves (soils, covers, years, cells), from covers that decide."""
    years, cells = len(bounds) - 1, weather.rain.shape[1]
    found = np.full((len(soils), len(COVERS), years, cells), np.nan)
    enough = _hopeless(years, limit.risk)
    start = np.zeros(cells, dtype=np.int64)
    whole = np.all([np.isfinite(part.sum(axis=0)) for part in weather], axis=0)
    for soil, mine in zip(soils, found, strict=True):

        def add(k: int, own: NDArray[np.int64], soil: Soil = soil, mine: Floats = mine) -> Any:
            """Try a cover in some cells; return how many years of each exhaust the root zone."""
            lowest = _reserves(*_of(weather, soil, own), COVERS[k], bounds, limit.spell, loss)
            mine[k][:, own] = lowest
            return (mine[k][:, own] < limit.reserve).sum(axis=0)

        known = whole & np.isfinite(soil_table(soil, (cells,))).all(axis=0)
        first = _climb(add, start, known, enough)
        _fill(mine, first)
        if soil is soils[0]:
            start = _last_whole(mine, limit.reserve)
    return found


def _hopeless(years: int, risk: float) -> int:
    """Count the exhausted years beyond which hardly any bootstrap sample keeps within the risk."""
    allowed = math.floor(risk * (years - 1))
    chances = binom.cdf(allowed + 1, years, np.arange(years + 1) / years)
    return int(np.searchsorted(-chances, -_CHANCE))


def _climb(
    add: Any, start: NDArray[np.int64], known: NDArray[np.bool_], enough: int
) -> NDArray[np.int64]:
    """Try denser covers until too many years are exhausted, and sparser until none; cover by cover.

    Returns the sparsest cover that was tried in each cell.
    """
    done, sound = ~known, ~known
    for k in range(len(COVERS)):
        own = np.flatnonzero(~done & (start <= k))
        if own.size:
            count = add(k, own)
            done[own] = count >= enough
            begins = start[own] == k
            sound[own[begins]] = count[begins] == 0
    first = start.copy()
    for k in range(len(COVERS) - 2, -1, -1):
        own = np.flatnonzero(~sound & (first == k + 1))
        if own.size:
            sound[own] = add(k, own) == 0
            first[own] = k
    return first


def _fill(mine: Floats, first: NDArray[np.int64]) -> None:
    """Give covers that were not tried the values of the nearest that was."""
    missing = np.asarray(np.isnan(mine).all(axis=1))
    for k in range(1, len(COVERS)):
        own = missing[k] & (first < k)
        mine[k][:, own] = mine[k - 1][:, own]
    for k in range(len(COVERS) - 2, -1, -1):
        own = first > k
        mine[k][:, own] = mine[k + 1][:, own]


def _last_whole(mine: Floats, reserve: float) -> NDArray[np.int64]:
    """Find the densest cover at which no year is exhausted."""
    whole = (np.minimum.accumulate(mine, axis=0) >= reserve).all(axis=1)
    return np.asarray(np.maximum(whole.sum(axis=0) - 1, 0), dtype=np.int64)


def _of(weather: Weather, soil: Soil, own: NDArray[np.int64]) -> tuple[Weather, Soil]:
    cells = weather.rain.shape[1]
    if own.size == cells:
        return weather, soil
    part = Weather(*(np.take(values, own, axis=1) for values in weather))
    return part, soil.of_cells(own, (cells,))


def _reserves(
    weather: Weather, soil: Soil, cover: float, bounds: NDArray[np.int64], spell: int, loss: Loss
) -> Floats:
    """Run a cover, and give the lowest reserves (years, cells)."""
    count = weather.rain.shape[1]
    marks = np.stack(
        [np.broadcast_to(mark, count) for mark in (soil.wilting_point, soil.field_capacity)]
    ).astype(np.float64)
    drives = weather._replace(cover=np.clip(cover * weather.cover, 0.0, 1.0))
    liquid = water_balance(drives, soil, loss=loss).series["liquid"]
    return np.asarray(kernels.lowest_reserves(liquid, weather.cover, marks, bounds, spell))


def _drawn_quantile(tried: Floats, rng: np.random.Generator, risk: float) -> Floats:
    years = tried.shape[2]
    soil = rng.integers(len(tried))
    return np.asarray(np.quantile(tried[soil][:, rng.integers(0, years, years)], risk, axis=1))


def _crossing(worst: Floats, reserve: float) -> Floats:
    """Find the cover at which the worst reserve (covers, cells) falls to the limit."""
    # a denser cover cannot help: what the search for a spell makes uneven is evened out
    falling = np.minimum.accumulate(worst, axis=0)
    under = falling < reserve
    first = np.where(under.any(axis=0), under.argmax(axis=0), len(COVERS))
    covers = np.asarray(COVERS)
    at = np.clip(first, 1, len(COVERS) - 1)
    cells = np.arange(worst.shape[1])
    above, below = falling[at - 1, cells], falling[at, cells]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip((above - reserve) / (above - below), 0.0, 1.0)
    found = covers[at - 1] + part * (covers[at] - covers[at - 1])
    found = np.where(first == 0, covers[0], np.where(first == len(COVERS), covers[-1], found))
    return np.where(np.isfinite(worst).all(axis=0), found, np.nan)
