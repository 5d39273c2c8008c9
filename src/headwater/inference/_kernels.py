"""Loops over time for whole maps, compiled: one pass, float64 sums, no transposition."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["line_moments", "pair_moments"]

# Cells handled together, so that their accumulators stay in the fastest memory.
_TILE = 512


@njit(cache=True, nogil=True)
def line_moments(axis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return (6, cell): n, mean and co-moments of a shared axis (time) and values (time, cell)."""
    steps, cells = values.shape
    packed = np.zeros((6, cells))
    shift = np.zeros(cells)
    origin = axis[0]
    for first in range(0, cells, _TILE):
        last = min(first + _TILE, cells)
        for j in range(first, last):
            for i in range(steps):
                if values[i, j] == values[i, j]:
                    shift[j] = values[i, j]
                    break
        n, mean_a, mean_b = packed[0], packed[1], packed[2]
        aa, ab, bb = packed[3], packed[4], packed[5]
        for i in range(steps):
            a = axis[i] - origin
            square = a * a
            for j in range(first, last):
                valid = values[i, j] == values[i, j]
                # a select, not a branch, so that the loop runs on vector registers
                b = values[i, j] - shift[j] if valid else 0.0
                n[j] += 1.0 if valid else 0.0
                mean_a[j] += a if valid else 0.0
                aa[j] += square if valid else 0.0
                mean_b[j] += b
                ab[j] += a * b
                bb[j] += b * b
    for j in range(cells):
        _finish(packed, j, origin, shift[j])
    return packed


@njit(cache=True, nogil=True)
def pair_moments(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return (6, cell): n, mean and co-moments of two cubes (time, cell), pairwise complete."""
    steps, cells = left.shape
    packed = np.zeros((6, cells))
    shift = np.zeros((2, cells))
    for first in range(0, cells, _TILE):
        last = min(first + _TILE, cells)
        for j in range(first, last):
            for i in range(steps):
                if left[i, j] == left[i, j] and right[i, j] == right[i, j]:
                    shift[0, j] = left[i, j]
                    shift[1, j] = right[i, j]
                    break
        n, mean_a, mean_b = packed[0], packed[1], packed[2]
        aa, ab, bb = packed[3], packed[4], packed[5]
        shift_a, shift_b = shift[0], shift[1]
        for i in range(steps):
            for j in range(first, last):
                valid = (left[i, j] == left[i, j]) & (right[i, j] == right[i, j])
                a = left[i, j] - shift_a[j] if valid else 0.0
                b = right[i, j] - shift_b[j] if valid else 0.0
                n[j] += 1.0 if valid else 0.0
                mean_a[j] += a
                mean_b[j] += b
                aa[j] += a * a
                ab[j] += a * b
                bb[j] += b * b
    for j in range(cells):
        _finish(packed, j, shift[0, j], shift[1, j])
    return packed


@njit(cache=True, nogil=True)
def _finish(packed: np.ndarray, j: int, shift_a: float, shift_b: float) -> None:
    """Turn shifted sums of one cell into means and centred co-moments."""
    n = packed[0, j]
    if n == 0.0:
        packed[1, j] = packed[2, j] = np.nan
        return
    a, b = packed[1, j] / n, packed[2, j] / n
    packed[3, j] = max(packed[3, j] - n * a * a, 0.0)
    packed[4, j] -= n * a * b
    packed[5, j] = max(packed[5, j] - n * b * b, 0.0)
    packed[1, j] = shift_a + a
    packed[2, j] = shift_b + b
