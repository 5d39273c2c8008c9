"""The daily water balance of the root zone for whole maps, compiled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "FIELDS",
    "NO_RUNOFF",
    "SERIES",
    "Weather",
    "bucket_days",
    "laio_dry_down",
    "lowest_reserves",
]

FIELDS = (
    "root_depth",
    "porosity",
    "field_capacity",
    "stress_point",
    "wilting_point",
    "hygroscopic_point",
    "conductivity",
    "beta",
    "transpiration",
    "evaporation",
    "bare_loss",
    "unfrozen",
    "memory",
    "snow_factor",
    "runoff_power",
)
"""Rows of the table of parameters, in order."""

SERIES = ("liquid", "water", "transpiration", "evaporation", "runoff", "leakage", "snow", "stress")
"""Series that `bucket_days` can write, in order."""

NO_RUNOFF = 500.0
"""From this exponent on nothing runs off before the soil is full."""

_TILE = 512
_TEW, _REW, _DEPLETION = 18.0, 6.0, 0.6


class Weather(NamedTuple):
    """What drives the bucket, each (days, cells).

    Attributes
    ----------
    rain, air, demand, cover : ndarray
        Precipitation [mm], air temperature [degC], potential evapotranspiration [mm], cover [1].
    """

    rain: np.ndarray
    air: np.ndarray
    demand: np.ndarray
    cover: np.ndarray


@njit(nogil=True, error_model="numpy")
def _drain(
    water: float, full: float, field: float, steady: float, leak: float, beta: float, days: float
) -> Any:
    """Fall through the leaking branch; return water, days left and water leaked."""
    slope = beta / full
    over = water - field
    rise = math.exp(slope * over)
    net = steady - leak
    # e^{-bx} follows a linear equation: where it reaches 1 the branch ends
    if abs(net) < 1e-9:
        reach = (1.0 - 1.0 / rise) / (slope * leak)
        inside = min(days, reach)
        u = 1.0 / rise + slope * leak * inside
    else:
        reach = math.log(steady * rise / (net + leak * rise)) / (slope * net)
        inside = min(days, reach)
        ratio = leak / net
        u = (1.0 / rise + ratio) * math.exp(slope * net * inside) - ratio
    after = field if inside >= reach else field - math.log(u) / slope
    return after, days - inside, water - after - steady * inside


@njit(nogil=True, error_model="numpy")
def _fall(water: float, low: float, high: float, least: float, most: float, days: float) -> Any:
    """Fall through a branch whose loss rises from least (at low) to most (at high) with water."""
    rate = (most - least) / (high - low)
    if rate <= 1e-12:
        reach = (water - low) / max(most, 1e-12)
        inside = min(days, reach)
        return water - most * inside, days - inside
    offset = least / rate
    if least > 0.0:
        reach = math.log((water - low + offset) / offset) / rate
        if reach <= days:
            return low, days - reach
    return low - offset + (water - low + offset) * math.exp(-rate * days), 0.0


@njit(nogil=True, error_model="numpy")
def _laio_day(water: float, marks: Any, rates: Any, days: float) -> Any:
    """Return water and leakage after some days of Laio's loss function.

    marks: full, field capacity, stress point, wilting point, hygroscopic point [mm]; rates: loss
    above the stress point, at wilting, leakage factor [mm d-1] and its exponent.
    """
    full, field, star, wilting, dry = marks
    most, bare, leak, beta = rates
    leaked = 0.0
    if water > field:
        water, days, leaked = _drain(water, full, field, most, leak, beta, days)
    if days > 0.0 and water > star:
        inside = min(days, (water - star) / most)
        water -= most * inside
        days -= inside
    if days > 0.0 and water > wilting:
        water, days = _fall(water, wilting, star, min(bare, most), most, days)
    if days > 0.0 and water > dry:
        water, days = _fall(water, dry, wilting, 0.0, min(bare, most), days)
    return water, leaked


@njit(cache=True, nogil=True, error_model="numpy")
def laio_dry_down(water: float, marks: Any, rates: Any, days: float, power: float) -> Any:
    """Return water, leakage and the mean of static stress over some days, integrated in steps."""
    steps = max(8, math.ceil(8.0 * days))
    leaked, stress, star, wilting = 0.0, 0.0, marks[2], marks[3]
    before = min(1.0, max(0.0, (star - water) / (star - wilting))) ** power
    for _ in range(steps):
        water, out = _laio_day(water, marks, rates, days / steps)
        leaked += out
        after = min(1.0, max(0.0, (star - water) / (star - wilting))) ** power
        stress += 0.5 * (before + after) / steps
        before = after
    return water, leaked, stress


@njit(nogil=True, error_model="numpy")
def _fao_day(water: float, top: float, marks: Any, plant: float, bare: float, supply: float) -> Any:
    """Return water, depletion of the topsoil, transpiration, evaporation and leakage of FAO-56."""
    _, field, _, wilting, dry = marks
    leaked = max(0.0, water - field)
    water -= leaked
    total = field - wilting
    depleted = field - water
    stress = min(1.0, max(0.0, (total - depleted) / ((1.0 - _DEPLETION) * total)))
    top = max(0.0, top - supply)
    reduced = min(1.0, max(0.0, (_TEW - top) / (_TEW - _REW)))
    used = min(plant * stress, max(0.0, water - wilting))
    water -= used
    lost = min(bare * reduced, max(0.0, water - dry))
    return water - lost, min(_TEW, top + lost), used, lost, leaked


@njit(cache=True, nogil=True, error_model="numpy")
def bucket_days(weather: Any, table: Any, begin: Any, laio: Any, wanted: NDArray[Any]) -> Any:
    """Step every cell through the days.

    table: (parameters, cells), in the order of `FIELDS`; begin: (4, cells) of snow, water, topsoil
    depletion [mm] and ground temperature [°C]; wanted: positions in `SERIES`, or -1. Returns series
    (wanted, days, cells), the final state (4, cells) and sums (5, cells) of rain, transpiration,
    evaporation, runoff and leakage.
    """
    rain, air, demand, cover = weather
    days, cells = rain.shape
    count = 0
    for k in range(wanted.shape[0]):
        count += 1 if wanted[k] >= 0 else 0
    out = np.empty((count, days, cells), dtype=np.float64)
    state, sums = begin.copy(), np.zeros((5, cells))
    for first in range(0, cells, _TILE):
        for t in range(days):
            for j in range(first, min(first + _TILE, cells)):
                now = (
                    float(rain[t, j]),
                    float(air[t, j]),
                    float(demand[t, j]),
                    float(cover[t, j]),
                )
                here = (state[0, j], state[1, j], state[2, j], state[3, j])
                stores, moved, seen = _cell_day(now, here, table, j, laio)
                for k in range(4):
                    state[k, j] = stores[k]
                sums[0, j] += now[0]
                for k in range(4):
                    sums[1 + k, j] += moved[k]
                if count == 1 and wanted[0] == 0:
                    out[0, t, j] = seen[0]
                    continue
                full = (seen[0], seen[1], moved[0], moved[1], moved[2], moved[3], stores[0])
                for k in range(8):
                    if wanted[k] >= 0:
                        out[wanted[k], t, j] = full[k] if k < 7 else seen[2]
    return out, state, sums


@njit(nogil=True, error_model="numpy")
def _lose(water: float, marks: Any, rates: Any, plant: float) -> Any:
    """Return water, transpiration, evaporation and leakage of a day of Laio's loss function."""
    before, most, leaked = water, rates[0], 0.0
    if water > marks[2] and water <= marks[1] and water - most >= marks[2]:
        water -= most
    else:
        water, leaked = _laio_day(water, marks, rates, 1.0)
    lost = before - water - leaked
    used = 0.0 if before < marks[3] else lost * plant / most
    return water, used, lost - used, leaked


@njit(nogil=True, error_model="numpy")
def _cell_day(now: Any, here: Any, table: NDArray[Any], j: int, laio: bool) -> Any:
    """Step one cell through a day; return stores, fluxes, and liquid, water content and stress."""
    rain, air, demand, cover = now
    snow, water, top, ground = here
    depth = table[0, j]
    marks = (
        depth * table[1, j],
        depth * table[2, j],
        depth * table[3, j],
        depth * table[4, j],
        depth * table[5, j],
    )
    snowfall = rain * min(1.0, max(0.0, (1.5 - air) * (1.0 / 3.0)))
    melt = min(snow + snowfall, table[13, j] * max(air, 0.0))
    snow += snowfall - melt
    ground += (air + 1.0 - ground) / table[12, j]
    liquid = min(1.0, max(table[11, j], 0.5 + 0.5 * ground))
    supply = rain - snowfall + melt
    runoff = 0.0
    if supply > 0.0:
        power = table[14, j]
        if power < NO_RUNOFF:
            runoff = supply * min(1.0, max(water, 0.0) / marks[0]) ** power
        runoff = max(runoff, water + supply - marks[0])
    before = water + supply - runoff
    plant = demand * table[8, j] * cover * liquid
    bare = demand * table[9, j] * (1.0 - cover) * liquid
    if laio:
        most = max(plant + bare, 1e-12)
        rates = (most, min(table[10, j] * liquid, most), table[6, j] * liquid, table[7, j])
        water, used, evaporated, leaked = _lose(before, marks, rates, plant)
    else:
        water, top, used, evaporated, leaked = _fao_day(before, top, marks, plant, bare, supply)
    one = min(1.0, max(0.0, (marks[2] - before) / (marks[2] - marks[3])))
    two = min(1.0, max(0.0, (marks[2] - water) / (marks[2] - marks[3])))
    # Simpson over the day, with the middle between both ends
    stress = (one * one + (one + two) * (one + two) + two * two) / 6.0
    content = water / depth
    seen = (content * liquid, content, stress)
    return (snow, water, top, ground), (used, evaporated, runoff, leaked), seen


@njit(cache=True, nogil=True, error_model="numpy")
def lowest_reserves(
    liquid: NDArray[Any], shape: Any, marks: NDArray[Any], starts: NDArray[Any], spell: int
) -> Any:
    """Return (years, cells): the lowest extractable share that lasts `spell` days in the season.

    liquid, shape: (days, cells) of liquid water content and of cover relative to full season; the
    season is where it is over one half. marks: (2, cells) of wilting point and field capacity. A
    year without a season has a reserve of 1.
    """
    cells = liquid.shape[1]
    lowest = np.ones((starts.shape[0] - 1, cells))
    for j in range(cells):
        width = marks[1, j] - marks[0, j]
        for year in range(starts.shape[0] - 1):
            run, recent = 0, np.zeros(spell)
            for t in range(starts[year], starts[year + 1]):
                if not shape[t, j] > 0.5:
                    run = 0
                    continue
                recent[run % spell] = (liquid[t, j] - marks[0, j]) / width
                run += 1
                if run >= spell:
                    most = recent.max()
                    if most < lowest[year, j] or np.isnan(most):
                        lowest[year, j] = most
    return lowest
