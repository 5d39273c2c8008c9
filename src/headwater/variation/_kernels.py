"""Loops over time and cells, compiled: sums by period, and slopes and scores of whole series."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["period_sums", "sen_kendall"]

# Cells handled together, so that their sums stay in the fastest memory.
_TILE = 1024


@njit(cache=True, nogil=True)
def period_sums(
    values: np.ndarray, group: np.ndarray, weight: np.ndarray, factor: np.ndarray, groups: int
) -> np.ndarray:
    """Return (3, groups, cell): count, sum of weights and sum of factor * value of valid steps.

    values is (time, cell); group, weight and factor are (time,), group -1 being left out.
    """
    steps, cells = values.shape
    sums = np.zeros((3, groups, cells))
    for first in range(0, cells, _TILE):
        last = min(first + _TILE, cells)
        for i in range(steps):
            if group[i] < 0:
                continue
            n, weights, total = sums[0, group[i]], sums[1, group[i]], sums[2, group[i]]
            for j in range(first, last):
                valid = values[i, j] == values[i, j]
                n[j] += 1.0 if valid else 0.0
                weights[j] += weight[i] if valid else 0.0
                total[j] += factor[i] * values[i, j] if valid else 0.0
    return sums


@njit(cache=True, nogil=True)
def sen_kendall(axis: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    """Return (8, cell): n, S, tie sum, tied pairs, Sen slope, its limits, intercept.

    axis is (time,), ascending; values is (time, cell); level is the normal quantile of the limits.
    """
    steps, cells = values.shape
    out = np.full((8, cells), np.nan)
    t, x = np.empty(steps), np.empty(steps)
    slopes = np.empty(max(steps * (steps - 1) // 2, 1))
    alike = np.empty(steps)
    for cell in range(cells):
        n = 0
        for i in range(steps):
            if values[i, cell] == values[i, cell]:
                t[n], x[n], alike[n] = axis[i], values[i, cell], 1.0
                n += 1
        out[0, cell] = n
        if n < 2:
            continue
        pairs, score = 0, 0.0
        for i in range(n - 1):
            for j in range(i + 1, n):
                rise = x[j] - x[i]
                score += np.sign(rise)
                if rise == 0.0:
                    alike[i] += 1.0
                    alike[j] += 1.0
                slopes[pairs] = rise / (t[j] - t[i])
                pairs += 1
        tie_sum, tied = 0.0, 0.0
        for i in range(n):
            tie_sum += (alike[i] - 1.0) * (2.0 * alike[i] + 5.0)
            tied += 0.5 * (alike[i] - 1.0)
        out[1, cell], out[2, cell], out[3, cell] = score, tie_sum, tied
        spread = level * np.sqrt((n * (n - 1.0) * (2.0 * n + 5.0) - tie_sum) / 18.0)
        low = int(np.rint(0.5 * (pairs - spread)))
        high = int(np.rint(0.5 * (pairs + spread) + 1.0))
        slope = _median(slopes, pairs)
        out[4, cell] = slope
        if low >= 1 and high <= pairs:
            out[5, cell] = _select(slopes, pairs, low - 1)
            out[6, cell] = _select(slopes, pairs, high - 1)
        out[7, cell] = _median(x, n) - slope * _median(t, n)
    return out


@njit(cache=True, nogil=True)
def _median(values: np.ndarray, n: int) -> Any:
    """Median of the first n values, which are reordered."""
    middle = _select(values, n, n // 2)
    if n % 2 == 1:
        return middle
    below = values[0]
    for i in range(1, n // 2):
        below = max(below, values[i])
    return 0.5 * (below + middle)


@njit(cache=True, nogil=True)
def _select(values: np.ndarray, n: int, k: int) -> Any:
    """Value of rank k (from 0) of the first n, which are reordered about it (Hoare 1961)."""
    left, right = 0, n - 1
    while left < right:
        pivot = values[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            right = j
        elif k >= i:
            left = i
        else:
            break
    return values[k]
