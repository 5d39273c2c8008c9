"""Cover that grows towards what water lets stand, day by day for many cells, compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

__all__ = ["grow_days"]

_SMALLEST = 1e-3


@njit(cache=True, nogil=True, error_model="numpy")
def grow_days(water: Any, gate: Any, grazing: Any, table: Any, begin: Any) -> Any:
    """Return cover (days, cells).

    water, gate, grazing: (days, cells); table: (6, cells) of rate, densest, dry, half, fade and
    least; begin: (cells,). Each day is solved exactly, with the water of that day.
    """
    days, cells = water.shape
    out = np.empty((days, cells))
    for j in range(cells):
        rate, densest, dry = table[0, j], table[1, j], table[2, j]
        half, fade, least = table[3, j], table[4, j], table[5, j]
        cover = begin[j]
        for t in range(days):
            if gate[t, j] > 0.0:
                over = max(water[t, j] - dry, 0.0)
                limit = max(densest * over / (over + half), _SMALLEST)
                gross = rate * gate[t, j]
                net = gross - grazing[t, j]
                slope = gross / limit
                if abs(net) < 1e-9:
                    cover = cover / (1.0 + slope * cover)
                else:
                    rise = math.exp(net)
                    cover = cover * rise / (1.0 + slope * cover * (rise - 1.0) / net)
            else:
                cover += fade * (least - cover)
            cover = max(cover, least)
            out[t, j] = cover
    return out
