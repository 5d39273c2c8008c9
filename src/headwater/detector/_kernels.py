"""Compiled loops of the detector: sums per stratum and the exact natural breaks."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__: list[str] = []

Floats = npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def sums_by_code(
    values: Floats, codes: npt.NDArray[np.int32], weights: Floats, centre: float, count: int
) -> tuple[npt.NDArray[np.int64], Floats, Floats, Floats]:
    """Count, weight, weighted sum and sum of squares about `centre`, by code.

    Units with a code below zero or a NaN value are passed over. Empty `weights` mean one each.
    """
    number = np.zeros(count, np.int64)
    weight, first, second = np.zeros(count), np.zeros(count), np.zeros(count)
    weighted = weights.size > 0
    for i in range(values.size):
        code = codes[i]
        deviation = values[i] - centre
        if code < 0 or np.isnan(deviation):
            continue
        unit = weights[i] if weighted else 1.0
        number[code] += 1
        weight[code] += unit
        first[code] += unit * deviation
        second[code] += unit * deviation * deviation
    return number, weight, first, second


@numba.njit(cache=True, nogil=True)
def fisher_splits(total: Floats, weight: Floats, classes: int) -> npt.NDArray[np.int32]:
    """Start of the last class in the best grouping of the first j values into c + 1 classes.

    `total` and `weight` are prefix sums with a leading zero. Minimising the sum of squares within
    is maximising the sum of (class total)^2 / (class weight). The best start never moves left as j
    grows, so each layer is solved by halving: O(n log n).
    """
    size = total.size - 1
    starts = np.zeros((classes, size + 1), np.int32)
    previous = np.zeros(size + 1)
    for j in range(1, size + 1):
        previous[j] = total[j] * total[j] / weight[j]
    stack = np.empty((256, 4), np.int64)
    for layer in range(1, classes):
        current = np.full(size + 1, -np.inf)
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = layer + 1, size, layer, size - 1
        depth = 1
        while depth > 0:
            depth -= 1
            low, high, left, right = stack[depth]
            middle = (low + high) // 2
            best, where = -np.inf, left
            for i in range(left, min(right, middle - 1) + 1):
                inside = total[middle] - total[i]
                gain = previous[i] + inside * inside / (weight[middle] - weight[i])
                if gain > best:
                    best, where = gain, i
            current[middle] = best
            starts[layer, middle] = where
            if low < middle:
                stack[depth, 0], stack[depth, 1] = low, middle - 1
                stack[depth, 2], stack[depth, 3] = left, where
                depth += 1
            if middle < high:
                stack[depth, 0], stack[depth, 1] = middle + 1, high
                stack[depth, 2], stack[depth, 3] = where, right
                depth += 1
        previous = current
    return starts


@numba.njit(cache=True, nogil=True)
def best_ends(
    total: Floats, weight: Floats, units: npt.NDArray[np.int64], classes: int, smallest: int
) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Greatest sum of (class total)^2 / (class weight) over all places, by number of classes.

    `total`, `weight` and `units` are running sums at the places where a class may end. Unlike in
    `fisher_splits` the response is in no order along the places, so that all starts are tried.
    """
    size = total.size - 1
    starts = np.zeros((classes, size + 1), np.int32)
    gains = np.full(classes, -np.inf)
    previous = np.full(size + 1, -np.inf)
    for j in range(1, size + 1):
        if units[j] >= smallest:
            previous[j] = total[j] * total[j] / weight[j]
    gains[0] = previous[size]
    for layer in range(1, classes):
        current = np.full(size + 1, -np.inf)
        for j in range(layer + 1, size + 1):
            best, where = -np.inf, 0
            for i in range(layer, j):
                if units[j] - units[i] < smallest:
                    break
                inside = total[j] - total[i]
                gain = previous[i] + inside * inside / (weight[j] - weight[i])
                if gain > best:
                    best, where = gain, i
            current[j], starts[layer, j] = best, where
        previous = current
        gains[layer] = previous[size]
    return gains, starts
