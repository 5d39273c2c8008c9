"""Four layers of soil and the plants on them, day by day, compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__: list[str] = []

# Constants; their meaning and units stand in growing.py.
THICKNESS = (100.0, 300.0, 400.0, 400.0)
ROOTS = (0.45, 0.45, 0.10, 0.0)
MEMORY = (4.0, 18.0, 60.0, 110.0)
SNOW_FACTOR, ICE_FACTOR, ICE_GROWTH = 3.0, 0.05, 0.02
UNFROZEN, FREEZING_WIDTH = 0.12, 0.4
RUNOFF, HOLDING, PERCOLATION = 0.35, 0.75, 0.3
EXTINCTION, UPTAKE, BARE = 1.6, 3.5, 0.5
LAYERS = 4


@njit(cache=True, nogil=True, inline="always")
def _share(water: float, liquid: float, thick: float, wilting: float, field: float) -> Any:
    """Return extractable liquid water relative to that between wilting point and field capacity."""
    return max(0.0, (water * liquid / thick - wilting) / (field - wilting))


@njit(cache=True, nogil=True)
def _cold(stores: Any, rain: float, air: float, ice_limit: float) -> Any:
    """Move snow, ground temperature and ice; return stores, liquid shares and supply [mm]."""
    new, liquid = stores.copy(), np.empty(LAYERS)
    snowfall = rain * min(1.0, max(0.0, (1.5 - air) / 3.0))
    melt = min(new[0] + snowfall, SNOW_FACTOR * max(air, 0.0))
    new[0] += snowfall - melt
    for k in range(LAYERS):
        rate = 1.0 / (MEMORY[k] * (1.0 + new[0] / 15.0))
        new[6 + k] += (air + 1.0 - new[6 + k]) * rate
        liquid[k] = UNFROZEN + (1.0 - UNFROZEN) / (1.0 + math.exp(-new[6 + k] / FREEZING_WIDTH))
    thawed = min(new[1], ICE_FACTOR * max(new[8], 0.0))
    frozen = min(ice_limit - new[1], ICE_GROWTH * new[5]) if new[8] < 0.0 else 0.0
    new[1] += frozen - thawed
    new[5] -= frozen
    new[4] += thawed
    return new, liquid, rain - snowfall + melt


@njit(cache=True, nogil=True)
def _drunk(
    stores: Any, liquid: NDArray[Any], place: NDArray[Any], demand: float, cover: float
) -> Any:
    """Let plants and bare ground evaporate; return stores and evapotranspiration [mm]."""
    new, total = stores.copy(), 0.0
    shade = math.exp(-EXTINCTION * cover)
    for k in range(LAYERS):
        left = _share(new[2 + k], liquid[k], THICKNESS[k], place[2], place[1])
        use = demand * 1.05 * (1.0 - shade) * ROOTS[k] * (1.0 - math.exp(-UPTAKE * left))
        if k == 0:
            open_water = new[2] * liquid[0] / (place[1] * THICKNESS[0])
            use += demand * shade * BARE * min(1.0, open_water**2)
        use = min(use, 0.9 * new[2 + k] * liquid[k])
        new[2 + k] -= use
        total += use
    return new, total


@njit(cache=True, nogil=True)
def _percolated(stores: Any, liquid: NDArray[Any], place: NDArray[Any]) -> Any:
    """Let water above field capacity sink; return stores and drainage [mm]."""
    new, drained = stores.copy(), 0.0
    for k in range(LAYERS):
        over = max(0.0, new[2 + k] - place[1] * THICKNESS[k])
        moved = over * PERCOLATION * liquid[k]
        moved += max(0.0, new[2 + k] - moved - place[0] * THICKNESS[k])
        new[2 + k] -= moved
        if k < LAYERS - 1:
            new[3 + k] += moved
        else:
            drained = moved
    return new, drained


@njit(cache=True, nogil=True)
def soil_day(stores: Any, place: NDArray[Any], weather: NDArray[Any], cover: float) -> Any:
    """Step one cell: stores are snow, ground ice, four of water [mm], four temperatures [°C].

    place: porosity, field capacity, wilting point [m3 m-3], ice limit [mm]; weather: rain [mm], air
    temperature [°C], evaporative demand [mm]. Returns the stores, the liquid shares, and
    evapotranspiration, runoff and drainage [mm].
    """
    new, liquid, supply = _cold(stores, weather[0], weather[1], place[3])
    wet = min(1.0, new[2] / (place[0] * THICKNESS[0]))
    runoff = supply * RUNOFF * (1.0 - HOLDING * cover) * wet * (2.0 - liquid[0])
    new[2] += supply - runoff
    new, used = _drunk(new, liquid, place, weather[2], cover)
    new, drained = _percolated(new, liquid, place)
    return new, liquid, (used, runoff, drained)


@njit(cache=True, nogil=True, inline="always")
def answer_to_water(kind: float, moisture: float, wilting: float, scale: float) -> Any:
    """Return how far soil water lets plants cover the ground, from 0 to 1."""
    over = max(0.0, moisture - wilting)
    if kind == 0:
        return 1.0 - math.exp(-over / scale)
    if kind == 1:
        return 0.3 + 0.7 / (1.0 + math.exp(-(over - 1.2 * scale) / (0.12 * scale)))
    if kind == 2:
        return min(1.0, over / (3.0 * scale))
    return 0.75


@njit(cache=True, nogil=True)
def _cover_day(before: float, gate: float, response: float, plant: Any, now: Any) -> Any:
    """Return the cover of a day; now: sign of the season and health; plant as in `grow_cell`."""
    densest, fixed, other = plant[0], plant[4], plant[5]
    if fixed >= 0.0:
        cover = fixed * gate
    elif other > 0.0:
        # plants of the other world grow towards what water allows and remember their past
        target = max(densest * response * now[1], 0.02)
        cover = before + 0.09 * gate * before * (1.0 - (before / target) ** 2)
        cover -= 0.03 * (1.0 - gate) * (before - 0.04)
    else:
        cover = densest * gate * (1.0 + now[0] * (response / 0.75 - 1.0)) * now[1]
    return min(0.98, cover if fixed >= 0.0 else max(0.01, cover))


@njit(cache=True, nogil=True)
def grow_cell(
    weather: NDArray[Any],
    place: NDArray[Any],
    plant: Any,
    sign: NDArray[Any],
    health: NDArray[Any],
    kind: Any,
) -> Any:
    """Run one cell: weather (3, days); returns (days, 9) of states and (4,) of fluxes and change.

    plant: densest cover, warmth at half, scale of the answer, memory [d], fixed cover or -1, and 1
    where plants remember. States are snow, ground ice, liquid water of four layers [m3 m-3],
    temperature at 10 cm, cover, and the soil water that plants remember.
    """
    days = weather.shape[1]
    out, fluxes, stores = np.empty((days, 9)), np.zeros(4), np.empty(10)
    stores[:2] = 0.0, place[3] * 0.5
    for k in range(LAYERS):
        stores[2 + k] = place[1] * 0.7 * THICKNESS[k]
        stores[6 + k] = weather[1, :365].mean()
    begun = stores[:6].sum()
    warmth, remembered, cover = weather[1, 0], place[1] * 0.7, 0.05
    for t in range(days):
        stores, liquid, moved = soil_day(stores, place, weather[:, t], cover)
        for flux in range(3):
            fluxes[flux] += moved[flux]
        warmth += (weather[1, t] - warmth) / 20.0
        root = (stores[2] * liquid[0] + stores[3] * liquid[1]) / 400.0
        remembered += (root - remembered) / plant[3]
        gate = 1.0 / (1.0 + math.exp(-(warmth - plant[1]) / 1.4))
        gate /= 1.0 + math.exp(-(stores[6] - 0.5) / 0.5)
        response = answer_to_water(kind, remembered, place[2], plant[2])
        cover = _cover_day(cover, gate, response, plant, (sign[t], health[t]))
        out[t, 0], out[t, 1] = stores[0], stores[1]
        for k in range(LAYERS):
            out[t, 2 + k] = stores[2 + k] * liquid[k] / THICKNESS[k]
        out[t, 6], out[t, 7], out[t, 8] = stores[6], cover, remembered
    fluxes[3] = stores[:6].sum() - begun
    return out, fluxes


@njit(cache=True, nogil=True)
def grow_all(
    weather: NDArray[Any],
    place: NDArray[Any],
    plant: Any,
    sign: NDArray[Any],
    health: NDArray[Any],
    kind: Any,
) -> Any:
    """Run every cell: weather (3, days, cells), health (patches + 1, days), the rest by cell.

    The last column of place is the number of the patch that a cell lies in, 0 for none.
    """
    _, days, cells = weather.shape
    states = np.empty((9, days, cells), dtype=np.float32)
    fluxes = np.empty((4, cells))
    for j in range(cells):
        here = weather[:, :, j].astype(np.float64)
        one, moved = grow_cell(here, place[j], plant[j], sign[j], health[int(place[j, 4])], kind)
        states[:, :, j] = one.T
        fluxes[:, j] = moved
    return states, fluxes


@njit(cache=True, nogil=True)
def lowest_reserves(
    weather: NDArray[Any],
    place: NDArray[Any],
    plant: Any,
    starts: NDArray[Any],
    spell: int,
) -> Any:
    """Return (years, cells): the lowest share of extractable water that lasts `spell` days.

    Only days with more than half of the season's cover count; a year without has a reserve of 1.
    """
    _, days, cells = weather.shape
    lowest = np.ones((starts.shape[0] - 1, cells))
    still, well = np.zeros(days), np.ones(days)
    for j in range(cells):
        here = weather[:, :, j].astype(np.float64)
        one, _ = grow_cell(here, place[j], plant[j], still, well, 0)
        field, wilting = place[j, 1], place[j, 2]
        for year in range(starts.shape[0] - 1):
            run, recent = 0, np.zeros(spell)
            for t in range(starts[year], starts[year + 1]):
                if one[t, 7] <= 0.5 * plant[j, 4]:
                    run = 0
                    continue
                root = 0.25 * one[t, 2] + 0.75 * one[t, 3]
                recent[run % spell] = (root - wilting) / (field - wilting)
                run += 1
                if run >= spell:
                    lowest[year, j] = min(lowest[year, j], recent.max())
    return lowest
