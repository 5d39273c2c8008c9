"""The daily water balance of the soil, compiled."""

from __future__ import annotations

import math
from typing import Any

from numba import njit
from numpy.typing import NDArray

__all__: list[str] = []

# Constants of the balance; their meaning and units stand in soil.py.
RAIN_ABOVE, SNOW_BELOW, MELT_ABOVE = 2.0, -1.0, -1.0
SNOW_FACTOR, ICE_FACTOR, ICE_GROWTH = 2.2, 0.055, 0.0016
GROUND_OFFSET, GROUND_MEMORY = 2.5, 15.0
UNFROZEN, FREEZING_WIDTH = 0.72, 0.7
STRESS, DRAINAGE, DEPTH, RESIDUAL = 0.60, 0.45, 590.0, 0.044


@njit(cache=True, nogil=True, inline="always")
def soil_day(fall: float, air: float, radiation: float, place: Any, stores: Any) -> Any:
    """Step one place through one day.

    place: capacity, demand, ice limit; stores: snow, soil water, ground ice, ground temperature.
    Returns the stores, the liquid share of soil water, and the fluxes in the order of soil.FLUXES.
    """
    capacity, demand, ice_limit = place
    snow, water, ice, ground = stores

    snowfall = fall * min(1.0, max(0.0, (RAIN_ABOVE - air) / (RAIN_ABOVE - SNOW_BELOW)))
    snow += snowfall
    melt = min(snow, SNOW_FACTOR * max(air - MELT_ABOVE, 0.0))
    snow -= melt

    ground += (air + GROUND_OFFSET - ground) / GROUND_MEMORY
    liquid = UNFROZEN + (1.0 - UNFROZEN) / (1.0 + math.exp(-ground / FREEZING_WIDTH))
    thawed = min(ice, ICE_FACTOR * max(ground, 0.0))
    frozen = min(ice_limit - ice, ICE_GROWTH * water) if ground < 0.0 else 0.0
    ice += frozen - thawed

    supply = fall - snowfall + melt + thawed
    runoff = supply * min(1.0, water / capacity) ** 2
    water += supply - runoff - frozen
    runoff += max(0.0, water - capacity)
    water = min(water, capacity)

    demand = demand * radiation * max(air + 5.0, 0.0)
    loss = min(demand * min(1.0, liquid * water / (STRESS * capacity)), liquid * water)
    water -= loss
    drained = min(DRAINAGE * liquid * (water / capacity) ** 3, water)
    water -= drained
    runoff += drained
    return (snow, water, ice, ground), liquid, (loss, runoff, melt, thawed, snowfall)


@njit(cache=True, nogil=True)
def soil_water_balance(
    precipitation: NDArray[Any],
    temperature: NDArray[Any],
    radiation: NDArray[Any],
    soil: NDArray[Any],
    state: NDArray[Any],
    theta: NDArray[Any],
    snow_melt: NDArray[Any],
    fluxes: NDArray[Any],
) -> None:
    """Step every cell through the days; `state`, `theta`, `snow_melt` and `fluxes` are written.

    precipitation, temperature, theta, snow_melt: float32 (days, rows, columns); radiation: float64
    (days, rows); soil: float64 (3, rows, columns); state: float64 (4, rows, columns); fluxes:
    float64 (5, rows, columns), added to.
    """
    days, rows, columns = precipitation.shape
    for day in range(days):
        for row in range(rows):
            for column in range(columns):
                place = soil[0, row, column], soil[1, row, column], soil[2, row, column]
                before = (
                    state[0, row, column],
                    state[1, row, column],
                    state[2, row, column],
                    state[3, row, column],
                )
                fall, air = float(precipitation[day, row, column]), temperature[day, row, column]
                after, liquid, moved = soil_day(
                    fall, float(air), radiation[day, row], place, before
                )
                for store in range(4):
                    state[store, row, column] = after[store]
                for flux in range(5):
                    fluxes[flux, row, column] += moved[flux]
                theta[day, row, column] = RESIDUAL + liquid * after[1] / DEPTH
                snow_melt[day, row, column] = moved[2]
