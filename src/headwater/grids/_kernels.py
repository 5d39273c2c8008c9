"""Sums over zones, compiled: one pass over a cube, float64 sums."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["zone_sums"]

# Times handled together: their sums are independent, so that additions need not wait.
_ROWS = 4


@njit(cache=True, nogil=True)
def zone_sums(values: np.ndarray, code: np.ndarray, area: np.ndarray, count: int) -> np.ndarray:
    """Return (time, 3, zone): sums of area times value, of area, and number of valid cells.

    values is (time, cell); code (cell,) is -1 outside every zone; area is (cell,).
    """
    steps, cells = values.shape
    sums = np.zeros((steps, 3, count))
    # a spare zone takes what lies outside, so that the loop has no branch
    part = np.zeros((_ROWS, count + 1, 3))
    for first in range(0, steps, _ROWS):
        rows = min(_ROWS, steps - first)
        part[:] = 0.0
        for j in range(cells):
            zone, weight = code[j], area[j]
            for i in range(rows):
                value = values[first + i, j]
                valid = not np.isnan(value)
                part[i, zone, 0] += weight * value if valid else 0.0
                part[i, zone, 1] += weight if valid else 0.0
                part[i, zone, 2] += 1.0 if valid else 0.0
        for i in range(rows):
            for zone in range(count):
                for k in range(3):
                    sums[first + i, k, zone] = part[i, zone, k]
    return sums
