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

_TILE = 1024
_FLOW = (-1, -1, 6, 2, 4, 7)
"""Row of flows that holds a series."""
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
    water: float, field: float, steady: float, leak: float, slope: float, days: float
) -> Any:
    """Fall through the leaking branch; return water, days left and water leaked."""
    start = math.exp(slope * (field - water))
    net = steady - leak
    # e^{-bx} follows a linear equation: where it reaches 1 the branch ends
    if abs(net) < 1e-9:
        u = start + slope * leak * days
        if u >= 1.0:
            reach = (1.0 - start) / (slope * leak)
            return field, days - reach, water - field - steady * reach
    else:
        ratio = leak / net
        u = (start + ratio) * math.exp(slope * net * days) - ratio
        if u >= 1.0:
            reach = math.log((1.0 + ratio) / (start + ratio)) / (slope * net)
            return field, days - reach, water - field - steady * reach
    after = field - math.log(u) / slope
    return after, 0.0, water - after - steady * days


@njit(nogil=True, error_model="numpy")
def _fall(water: float, low: float, high: float, least: float, most: float, days: float) -> Any:
    """Fall through a branch whose loss rises from least (at low) to most (at high) with water."""
    rate = (most - least) / (high - low)
    if rate <= 1e-12:
        reach = (water - low) / max(most, 1e-12)
        inside = min(days, reach)
        return water - most * inside, days - inside
    offset = least / rate
    after = low - offset + (water - low + offset) * math.exp(-rate * days)
    if after < low:
        reach = math.log((water - low + offset) / offset) / rate
        return low, max(days - reach, 0.0)
    return after, 0.0


@njit(nogil=True, error_model="numpy")
def _dry(water: float, marks: Any, most: float, least: float, days: float) -> Any:
    """Return water after some days of Laio's loss function below field capacity.

    marks: stress point, wilting point, hygroscopic point [mm]; most, least: loss above the stress
    point and at wilting [mm d-1].
    """
    star, wilting, dry = marks
    if water > star:
        inside = min(days, (water - star) / most)
        water -= most * inside
        days -= inside
    if days > 0.0 and water > wilting:
        water, days = _fall(water, wilting, star, least, most, days)
    if days > 0.0 and water > dry:
        water, days = _fall(water, dry, wilting, 0.0, least, days)
    return water


@njit(cache=True, nogil=True, error_model="numpy")
def laio_dry_down(water: float, marks: Any, rates: Any, days: float, power: float) -> Any:
    """Return water, leakage and the mean of static stress over some days, integrated in steps.

    marks: field capacity, stress point, wilting point, hygroscopic point [mm]; rates: loss above
    the stress point, at wilting, leakage factor [mm d-1] and its exponent [mm-1].
    """
    steps = max(8, math.ceil(8.0 * days))
    leaked, stress, star, wilting = 0.0, 0.0, marks[1], marks[2]
    before = min(1.0, max(0.0, (star - water) / (star - wilting))) ** power
    for _ in range(steps):
        left = days / steps
        if water > marks[0]:
            water, left, out = _drain(water, marks[0], rates[0], rates[2], rates[3], left)
            leaked += out
        if left > 0.0:
            water = _dry(water, marks[1:], rates[0], rates[1], left)
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
def bucket_days(
    weather: Any, table: Any, begin: Any, laio: Any, wanted: NDArray[Any], out: NDArray[Any]
) -> Any:
    """Step every cell through the days, and write series into `out` (wanted, days, cells).

    table: (parameters, cells), in the order of `FIELDS`; begin: (4, cells) of snow, water, topsoil
    depletion [mm] and ground temperature [°C]; wanted: positions in `out` of each of `SERIES`, or
    -1. Returns the final state (4, cells) and sums (5, cells) of rain, transpiration, evaporation,
    runoff and leakage. NumPy allocates `out`, because it asks for large pages.

    A day goes over a tile of cells three times: what needs no exponential runs through without
    branches, which compilers turn into vector instructions.
    """
    rain, air, demand, cover = weather
    days, cells = rain.shape
    state, sums = begin.copy(), np.zeros((5, cells))
    for first in range(0, cells, _TILE):
        own = slice(first, min(first + _TILE, cells))
        soil = _soil_of_tile(table[:, own])
        stores = state[:, own].copy()
        total, flows = np.zeros((5, stores.shape[1])), np.zeros((8, stores.shape[1]))
        for t in range(days):
            now = (rain[t, own], air[t, own], demand[t, own], cover[t, own])
            _arrive(now, soil, stores, flows)
            if laio:
                _leave(soil, stores, flows)
            else:
                _leave_fao(soil, stores, flows)
            _add(now[0], flows, total)
            for k in range(8):
                if wanted[k] >= 0:
                    _write(k, soil, stores, flows, out[wanted[k], t, own])
        state[:, own], sums[:, own] = stores, total
    return state, sums


@njit(nogil=True, error_model="numpy")
def _soil_of_tile(table: NDArray[Any]) -> Any:
    """Return the table with water contents as storage [mm], and the memory as a rate."""
    soil = table.copy()
    for j in range(soil.shape[1]):
        for k in range(1, 6):
            soil[k, j] *= soil[0, j]
        soil[7, j] /= soil[1, j]
        soil[12, j] = 1.0 / soil[12, j]
    return soil


@njit(nogil=True, error_model="numpy")
def _arrive(now: Any, soil: NDArray[Any], stores: NDArray[Any], flows: NDArray[Any]) -> None:
    """Let rain, melt and frost of a day come over a tile of cells.

    Writes into the stores and into flows: supply, demand of plants, of bare ground, liquid share,
    runoff, water before losses [mm]. Comparisons let what is missing pass as NaN.
    """
    rain, air, demand, cover = now
    runs = False
    for j in range(rain.shape[0]):
        part = (1.5 - air[j]) * (1.0 / 3.0)
        part = 0.0 if part < 0.0 else part
        part = 1.0 if part > 1.0 else part
        snowfall = rain[j] * part
        warm = 0.0 if air[j] < 0.0 else air[j]
        lying, melt = stores[0, j] + snowfall, soil[13, j] * warm
        melt = lying if melt > lying else melt
        stores[0, j] = lying - melt
        ground = stores[3, j] + (air[j] + 1.0 - stores[3, j]) * soil[12, j]
        stores[3, j] = ground
        liquid = 0.5 + 0.5 * ground
        liquid = soil[11, j] if liquid < soil[11, j] else liquid
        liquid = 1.0 if liquid > 1.0 else liquid
        supply = rain[j] - snowfall + melt
        over = stores[1, j] + supply - soil[1, j]
        flows[0, j] = supply
        flows[1, j] = demand[j] * soil[8, j] * cover[j] * liquid
        flows[2, j] = demand[j] * soil[9, j] * (1.0 - cover[j]) * liquid
        flows[3, j] = liquid
        flows[4, j] = 0.0 if over < 0.0 else over
        runs = runs or soil[14, j] < NO_RUNOFF
    if runs:
        for j in range(rain.shape[0]):
            if flows[0, j] > 0.0 and soil[14, j] < NO_RUNOFF:
                share = min(1.0, max(stores[1, j], 0.0) / soil[1, j]) ** soil[14, j]
                flows[4, j] = max(flows[0, j] * share, flows[4, j])
    for j in range(rain.shape[0]):
        flows[5, j] = stores[1, j] + flows[0, j] - flows[4, j]


@njit(nogil=True, error_model="numpy")
def _leave(soil: NDArray[Any], stores: NDArray[Any], flows: NDArray[Any]) -> None:
    """Take a day of Laio's losses; writes flows: transpiration, evaporation and leakage [mm]."""
    for j in range(soil.shape[1]):
        before, liquid = flows[5, j], flows[3, j]
        most = flows[1, j] + flows[2, j]
        most = 1e-12 if most < 1e-12 else most
        water, left, leaked = before, 1.0, 0.0
        if before > soil[2, j]:
            water, left, leaked = _drain(
                before, soil[2, j], most, soil[6, j] * liquid, soil[7, j], 1.0
            )
        elif before - most >= soil[3, j]:
            water, left = before - most, 0.0
        if left > 0.0:
            marks = (soil[3, j], soil[4, j], soil[5, j])
            water = _dry(water, marks, most, min(soil[10, j] * liquid, most), left)
        if math.isnan(most):
            water = math.nan
        stores[1, j], flows[7, j] = water, leaked
        flows[6, j] = most
    for j in range(soil.shape[1]):
        lost = flows[5, j] - stores[1, j] - flows[7, j]
        used = lost * flows[1, j] / flows[6, j]
        used = 0.0 if flows[5, j] < soil[4, j] else used
        flows[6, j], flows[2, j] = used, lost - used


@njit(nogil=True, error_model="numpy")
def _leave_fao(soil: NDArray[Any], stores: NDArray[Any], flows: NDArray[Any]) -> None:
    """Take a day of FAO 56's losses; writes what `_leave` writes, and the topsoil's depletion."""
    for j in range(soil.shape[1]):
        marks = (soil[1, j], soil[2, j], soil[3, j], soil[4, j], soil[5, j])
        bare, supply = flows[2, j], flows[0, j]
        water, top, used, lost, leaked = _fao_day(
            flows[5, j], stores[2, j], marks, flows[1, j], bare, supply
        )
        stores[1, j], stores[2, j] = water, top
        flows[6, j], flows[2, j], flows[7, j] = used, lost, leaked


@njit(nogil=True, error_model="numpy")
def _add(rain: NDArray[Any], flows: NDArray[Any], total: NDArray[Any]) -> None:
    """Add a day to the sums of rain, transpiration, evaporation, runoff and leakage."""
    for j in range(rain.shape[0]):
        total[0, j] += rain[j]
        total[1, j] += flows[6, j]
        total[2, j] += flows[2, j]
        total[3, j] += flows[4, j]
        total[4, j] += flows[7, j]


@njit(nogil=True, error_model="numpy")
def _write(
    which: int, soil: NDArray[Any], stores: NDArray[Any], flows: NDArray[Any], out: NDArray[Any]
) -> None:
    """Write a day of one of `SERIES`."""
    if which == 0:
        for j in range(out.shape[0]):
            out[j] = stores[1, j] / soil[0, j] * flows[3, j]
    elif which == 1:
        for j in range(out.shape[0]):
            out[j] = stores[1, j] / soil[0, j]
    elif which == 6:
        out[:] = stores[0]
    elif which < 6:
        out[:] = flows[_FLOW[which]]
    else:
        for j in range(out.shape[0]):
            width = soil[3, j] - soil[4, j]
            one = min(1.0, max(0.0, (soil[3, j] - flows[5, j]) / width))
            two = min(1.0, max(0.0, (soil[3, j] - stores[1, j]) / width))
            # Simpson over the day, with the middle between both ends
            out[j] = (one * one + (one + two) * (one + two) + two * two) / 6.0


@njit(cache=True, nogil=True, error_model="numpy")
def lowest_reserves(
    liquid: NDArray[Any], shape: Any, marks: NDArray[Any], starts: NDArray[Any], spell: int
) -> Any:
    """Return (years, cells): the lowest extractable share that lasts `spell` days in the season.

    liquid, shape: (days, cells) of liquid water content and of cover relative to full season; the
    season is where it is over one half. marks: (2, cells) of wilting point and field capacity. A
    year without a season has a reserve of 1.
    """
    years, cells = starts.shape[0] - 1, liquid.shape[1]
    lowest, low = np.ones((years, cells)), np.empty(cells, np.int64)
    per = 1.0 / (marks[1] - marks[0])
    for year in range(years):
        low[:] = 0
        for t in range(starts[year], starts[year + 1]):
            for j in range(cells):
                if not shape[t, j] > 0.5:
                    low[j] = 0
                    continue
                # a spell counts if all of its days are lower than what is lowest so far
                share = (liquid[t, j] - marks[0, j]) * per[j]
                low[j] = 0 if share >= lowest[year, j] else low[j] + 1
                if low[j] >= spell:
                    most = liquid[t - spell + 1 : t + 1, j].max()
                    lowest[year, j] = (most - marks[0, j]) * per[j]
                    low[j] = 0
                    # what is missing is never as high, and lasts
                    while low[j] < spell and not liquid[t - low[j], j] >= most:
                        low[j] += 1
    return lowest
