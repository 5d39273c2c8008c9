"""Greenness that answers warmth and the soil water of some weeks before.

    NDVI(t) = n₀ + (n_max − n₀) · h(t) · g(t)
    g(t) = 1 − exp(−θ̃(t − L) / k)                soil water, saturating
    h(t) = 1 / (1 + exp(−(T̃(t) − 0.6 ΔT − 2.5) / 1.9))    warmth

θ̃ is the soil moisture of the 15 days centred on t − L, so that the lag L is exact; T̃ is the mean
temperature of the 51 days before t, and ΔT how much warmer the place is than the study area: plants
are fitted to six tenths of it. n₀ is dormant ground, and n_max, L and k belong to the
vegetation class. Before the record begins, its first value stands in: the ground is frozen then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.virtual.fields import Floats

__all__ = ["GREENNESS", "Greenness", "lag_map", "ndvi"]

DORMANT, HALF_GREEN, ACCLIMATION = 0.205, 2.5, 0.6
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Greenness:
    """How a vegetation class answers.

    Attributes
    ----------
    highest : float
        NDVI with neither cold nor thirst.
    lag : int
        Days from soil water to greenness [d].
    scale : float
        Soil moisture at which the answer is 63 % [m3 m-3].
    """

    highest: float
    lag: int
    scale: float


GREENNESS = {
    1: Greenness(0.80, 16, 0.10),
    2: Greenness(0.92, 20, 0.10),
    3: Greenness(0.98, 28, 0.10),
    4: Greenness(0.98, 36, 0.09),
    5: Greenness(0.70, 24, 0.10),
}
"""The answer of every vegetation class."""


def lag_map(vegetation: NDArray[np.int8]) -> NDArray[np.int16]:
    """Days from soil water to greenness in every cell.

    Parameters
    ----------
    vegetation : ndarray of int
        Numbers of the classes.

    Returns
    -------
    ndarray of int16
        [d]

    Examples
    --------
    >>> lag_map(np.array([1, 4], dtype=np.int8)).tolist()
    [16, 36]
    """
    lags = np.zeros(max(GREENNESS) + 1, dtype=np.int16)
    for number, answer in GREENNESS.items():
        lags[number] = answer.lag
    return np.asarray(lags[vegetation])


def ndvi(
    soil_moisture: Floats,
    temperature: Floats,
    vegetation: NDArray[np.int8],
    warmth: Floats,
    *,
    out: Floats | None = None,
) -> Floats:
    """Greenness of every day and cell.

    Parameters
    ----------
    soil_moisture : ndarray of float32, shape (days, rows, columns)
        True soil moisture [m3 m-3].
    temperature : ndarray of float32, shape (days, rows, columns)
        [°C]
    vegetation : ndarray of int, shape (rows, columns)
        Numbers of the classes.
    warmth : ndarray of float32, shape (rows, columns)
        Mean temperature of the place minus that of the study area [°C].
    out : ndarray of float32, optional
        Where to write, shape (days, rows, columns).

    Returns
    -------
    ndarray of float32, shape (days, rows, columns)

    Examples
    --------
    >>> wet, hot = np.full((90, 1, 1), 0.3, np.float32), np.full((90, 1, 1), 20, np.float32)
    >>> round(float(ndvi(wet, hot, np.array([[3]]), np.float32([[0]]))[-1, 0, 0]), 2)
    0.94
    """
    green = np.empty_like(soil_moisture) if out is None else out
    days = len(soil_moisture)
    water, air, target = (array.reshape(days, -1) for array in (soil_moisture, temperature, green))
    local = warmth.ravel()
    for number, answer in GREENNESS.items():
        cells = np.flatnonzero(vegetation.ravel() == number)
        # in blocks, because a copy of the whole cube would double the memory
        for first in range(0, cells.size, _BLOCK):
            block = cells[first : first + _BLOCK]
            felt = air[:, block] - np.float32(ACCLIMATION) * local[block]
            target[:, block] = _answer(water[:, block], felt, answer)
    return green


def _answer(water: Floats, warmth: Floats, answer: Greenness) -> Any:
    from scipy.ndimage import uniform_filter1d

    around = uniform_filter1d(water, 15, axis=0, mode="nearest")
    earlier = around[np.maximum(np.arange(len(water)) - answer.lag, 0)]
    before = uniform_filter1d(warmth, 51, axis=0, mode="nearest", origin=25)
    thirst = 1.0 - np.exp(-earlier / np.float32(answer.scale))
    cold = 1.0 / (1.0 + np.exp((np.float32(HALF_GREEN) - before) / np.float32(1.9)))
    return np.float32(DORMANT) + np.float32(answer.highest - DORMANT) * thirst * cold
