"""Loops over time for whole maps, compiled: one pass, float64 sums, no transposition."""

# A value that is not equal to itself is NaN; written so, the compiler makes it a vector compare.
# ruff: noqa: PLR0124

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "line_moments",
    "merge_moments",
    "merge_serial",
    "pair_moments",
    "serial_moments",
    "series_moments",
]

Sums = tuple[float, ...]

# Cells handled together, so that their sums stay in the fastest memory.
_TILE = 512
# Times handled together, so that their sums stay in registers. A value is chosen, not branched on,
# so that the loop over cells runs on vector registers.
_ROWS = 4


@njit(cache=True, nogil=True)
def series_moments(values: np.ndarray) -> np.ndarray:
    """Return (3, cell): n, mean and sum of squares about it, of values (time, cell)."""
    steps, cells = values.shape
    packed, shift = np.zeros((3, cells)), np.zeros(cells)
    n, mean, square = packed[0], packed[1], packed[2]
    whole = steps - steps % _ROWS
    for first in range(0, cells, _TILE):
        last = min(first + _TILE, cells)
        for j in range(first, last):
            for i in range(steps):
                if not np.isnan(values[i, j]):
                    shift[j] = values[i, j]
                    break
        for i in range(0, whole, _ROWS):
            for j in range(first, last):
                count, total, squares, origin = n[j], mean[j], square[j], shift[j]
                for k in range(_ROWS):
                    valid = values[i + k, j] == values[i + k, j]
                    value = values[i + k, j] - origin if valid else 0.0
                    count += 1.0 if valid else 0.0
                    total += value
                    squares += value * value
                n[j] = count
                mean[j] = total
                square[j] = squares
        for i in range(whole, steps):
            for j in range(first, last):
                valid = not np.isnan(values[i, j])
                value = values[i, j] - shift[j] if valid else 0.0
                n[j] += 1.0 if valid else 0.0
                mean[j] += value
                square[j] += value * value
    for j in range(cells):
        if n[j] == 0.0:
            mean[j] = np.nan
            continue
        average = mean[j] / n[j]
        square[j] = max(square[j] - n[j] * average * average, 0.0)
        mean[j] = shift[j] + average
    return packed


@njit(cache=True, nogil=True)
def line_moments(axis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return (6, cell): n, mean and co-moments of a shared axis (time) and values (time, cell)."""
    steps, cells = values.shape
    packed, shift = np.zeros((6, cells)), np.zeros(cells)
    since, whole = axis - axis[0], steps - steps % _ROWS
    for first in range(0, cells, _TILE):
        last = min(first + _TILE, cells)
        for j in range(first, last):
            for i in range(steps):
                if values[i, j] == values[i, j]:
                    shift[j] = values[i, j]
                    break
        for i in range(0, whole, _ROWS):
            for j in range(first, last):
                sums, origin = _load(packed, j), shift[j]
                for k in range(_ROWS):
                    value = values[i + k, j]
                    sums = _add(sums, since[i + k], value - origin, value == value)
                _save(packed, j, sums)
        for i in range(whole, steps):
            for j in range(first, last):
                value = values[i, j]
                sums = _add(_load(packed, j), since[i], value - shift[j], value == value)
                _save(packed, j, sums)
    for j in range(cells):
        _finish(packed, j, axis[0], shift[j])
    return packed


@njit(cache=True, nogil=True)
def pair_moments(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return (6, cell): n, mean and co-moments of two cubes (time, cell), pairwise complete."""
    steps, cells = left.shape
    packed, shift = np.zeros((6, cells)), np.zeros((2, cells))
    whole = steps - steps % _ROWS
    for first in range(0, cells, _TILE):
        last = min(first + _TILE, cells)
        _first_pairs(left, right, shift, first, last)
        for i in range(0, whole, _ROWS):
            for j in range(first, last):
                sums, origin_a, origin_b = _load(packed, j), shift[0, j], shift[1, j]
                for k in range(_ROWS):
                    a, b = left[i + k, j], right[i + k, j]
                    sums = _add(sums, a - origin_a, b - origin_b, (a == a) & (b == b))
                _save(packed, j, sums)
        for i in range(whole, steps):
            for j in range(first, last):
                a, b = left[i, j], right[i, j]
                sums = _add(_load(packed, j), a - shift[0, j], b - shift[1, j], (a == a) & (b == b))
                _save(packed, j, sums)
    for j in range(cells):
        _finish(packed, j, shift[0, j], shift[1, j])
    return packed


@njit(cache=True, nogil=True)
def serial_moments(left: np.ndarray, right: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """Return (17, cell): pair moments of two cubes (time, cell), and sums over neighbours in time.

    follows is (time,): 1.0 where a step comes right after the one before. Rows: 0-5 as
    pair_moments; 6 number of neighbouring pairs; 7-9 and 10-12 for left and right the sums of
    products of neighbours, of the earlier and of the later ones, about the mean; 13-16 the first
    and the last value of left and of right, NaN where missing.
    """
    steps, cells = left.shape
    packed, shift = np.zeros((17, cells)), np.zeros((2, cells))
    before, whole = np.zeros((3, cells)), steps - steps % _ROWS
    for first in range(0, cells, _TILE):
        last = min(first + _TILE, cells)
        _first_pairs(left, right, shift, first, last)
        for i in range(0, whole, _ROWS):
            for j in range(first, last):
                sums, links, old = _load(packed, j), _load_links(packed, j), _load_old(before, j)
                for k in range(_ROWS):
                    a, b = left[i + k, j], right[i + k, j]
                    new = _chosen(a - shift[0, j], b - shift[1, j], (a == a) & (b == b))
                    sums = _add_chosen(sums, new)
                    links = _link(links, follows[i + k], old, new)
                    old = new
                _save(packed, j, sums)
                _save_links(packed, before, j, links, old)
        for i in range(whole, steps):
            for j in range(first, last):
                a, b = left[i, j], right[i, j]
                old = _load_old(before, j)
                new = _chosen(a - shift[0, j], b - shift[1, j], (a == a) & (b == b))
                _save(packed, j, _add_chosen(_load(packed, j), new))
                links = _link(_load_links(packed, j), follows[i], old, new)
                _save_links(packed, before, j, links, new)
    for j in range(cells):
        _finish_serial(packed, left, right, j, shift[0, j], shift[1, j])
    return packed


@njit(cache=True, nogil=True)
def _first_pairs(
    left: np.ndarray, right: np.ndarray, shift: np.ndarray, first: int, last: int
) -> None:
    for j in range(first, last):
        for i in range(left.shape[0]):
            if left[i, j] == left[i, j] and right[i, j] == right[i, j]:
                shift[0, j] = left[i, j]
                shift[1, j] = right[i, j]
                break


@njit(cache=True, nogil=True)
def _load(packed: np.ndarray, j: int) -> Sums:
    return packed[0, j], packed[1, j], packed[2, j], packed[3, j], packed[4, j], packed[5, j]


@njit(cache=True, nogil=True)
def _save(packed: np.ndarray, j: int, sums: Sums) -> None:
    packed[0, j] = sums[0]
    packed[1, j] = sums[1]
    packed[2, j] = sums[2]
    packed[3, j] = sums[3]
    packed[4, j] = sums[4]
    packed[5, j] = sums[5]


@njit(cache=True, nogil=True)
def _chosen(a: float, b: float, valid: bool) -> Sums:
    return 1.0 if valid else 0.0, a if valid else 0.0, b if valid else 0.0


@njit(cache=True, nogil=True)
def _add_chosen(sums: Sums, new: Sums) -> Sums:
    n, mean_a, mean_b, aa, ab, bb = sums
    one, a, b = new
    return n + one, mean_a + a, mean_b + b, aa + a * a, ab + a * b, bb + b * b


@njit(cache=True, nogil=True)
def _add(sums: Sums, a: float, b: float, valid: bool) -> Sums:
    return _add_chosen(sums, _chosen(a, b, valid))


@njit(cache=True, nogil=True)
def _load_links(packed: np.ndarray, j: int) -> Sums:
    return (
        packed[6, j],
        packed[7, j],
        packed[8, j],
        packed[9, j],
        packed[10, j],
        packed[11, j],
        packed[12, j],
    )


@njit(cache=True, nogil=True)
def _load_old(before: np.ndarray, j: int) -> Sums:
    return before[0, j], before[1, j], before[2, j]


@njit(cache=True, nogil=True)
def _link(links: Sums, follows: float, old: Sums, new: Sums) -> Sums:
    """Add a pair of neighbours in time."""
    pairs, product_a, early_a, late_a, product_b, early_b, late_b = links
    linked = follows * old[0] * new[0]
    a, b = linked * new[1], linked * new[2]
    return (
        pairs + linked,
        product_a + old[1] * a,
        early_a + linked * old[1],
        late_a + a,
        product_b + old[2] * b,
        early_b + linked * old[2],
        late_b + b,
    )


@njit(cache=True, nogil=True)
def _save_links(packed: np.ndarray, before: np.ndarray, j: int, links: Sums, old: Sums) -> None:
    packed[6, j] = links[0]
    packed[7, j] = links[1]
    packed[8, j] = links[2]
    packed[9, j] = links[3]
    packed[10, j] = links[4]
    packed[11, j] = links[5]
    packed[12, j] = links[6]
    before[0, j] = old[0]
    before[1, j] = old[1]
    before[2, j] = old[2]


@njit(cache=True, nogil=True)
def _finish_serial(
    packed: np.ndarray, left: np.ndarray, right: np.ndarray, j: int, shift_a: float, shift_b: float
) -> None:
    _finish(packed, j, shift_a, shift_b)
    _centre(packed, j, 7, packed[1, j] - shift_a)
    _centre(packed, j, 10, packed[2, j] - shift_b)
    for edge, i in enumerate((0, left.shape[0] - 1)):
        valid = left[i, j] == left[i, j] and right[i, j] == right[i, j]
        packed[13 + edge, j] = left[i, j] if valid else np.nan
        packed[15 + edge, j] = right[i, j] if valid else np.nan


@njit(cache=True, nogil=True)
def merge_moments(out: np.ndarray, part: np.ndarray, k: int) -> None:
    """Merge (row, cell) of n, k means and the upper triangle of co-moments into out, exactly."""
    delta, weight = np.zeros((k, _TILE)), np.zeros(_TILE)
    cells = out.shape[1]
    for first in range(0, cells, _TILE):
        _merge_tile(out, part, delta, weight, k, first, min(first + _TILE, cells))


@njit(cache=True, nogil=True)
def merge_serial(out: np.ndarray, part: np.ndarray) -> None:
    """Merge (18, cell) of serial_moments into out, the block before; row 17: does part follow."""
    delta, weight = np.zeros((2, _TILE)), np.zeros(_TILE)
    cells = out.shape[1]
    for first in range(0, cells, _TILE):
        last = min(first + _TILE, cells)
        for j in range(first, last):
            a, b = out[0, j], part[0, j]
            share = b / (a + b) if a + b > 0.0 else 0.0
            for i in range(2):
                # the common mean, as _merge_tile has it
                mean = out[1 + i, j] if a > 0.0 else part[1 + i, j]
                if b > 0.0:
                    mean += (part[1 + i, j] - mean) * share
                _join(out, part, j, i, 7 + 3 * i, mean)
            spans = part[17, j] > 0.0 and out[14, j] == out[14, j] and part[13, j] == part[13, j]
            out[6, j] += part[6, j] + (1.0 if spans else 0.0)
            out[14, j] = part[14, j]
            out[16, j] = part[16, j]
        _merge_tile(out, part, delta, weight, 2, first, last)


@njit(cache=True, nogil=True)
def _join(out: np.ndarray, part: np.ndarray, j: int, i: int, row: int, mean: float) -> None:
    """Add the neighbour sums of one cell of a later block, both about the common mean."""
    product, early, late = 0.0, 0.0, 0.0
    for half in (out, part):
        pairs = half[6, j]
        by = half[1 + i, j] - mean if pairs > 0.0 else 0.0
        product += half[row, j] + by * (half[row + 1, j] + half[row + 2, j]) + pairs * by * by
        early += half[row + 1, j] + pairs * by
        late += half[row + 2, j] + pairs * by
    last, first = out[14 + 2 * i, j], part[13 + 2 * i, j]
    if part[17, j] > 0.0 and not np.isnan(last) and not np.isnan(first):
        product += (last - mean) * (first - mean)
        early += last - mean
        late += first - mean
    out[row, j] = product
    out[row + 1, j] = early
    out[row + 2, j] = late


@njit(cache=True, nogil=True)
def _merge_tile(
    out: np.ndarray,
    part: np.ndarray,
    delta: np.ndarray,
    weight: np.ndarray,
    k: int,
    first: int,
    last: int,
) -> None:
    for j in range(first, last):
        a, b = out[0, j], part[0, j]
        weight[j - first] = a * b / (a + b) if a + b > 0.0 else 0.0
    for u in range(k):
        for j in range(first, last):
            both = weight[j - first] > 0.0
            delta[u, j - first] = part[1 + u, j] - out[1 + u, j] if both else 0.0
    row = 1 + k
    for u in range(k):
        for v in range(u, k):
            for j in range(first, last):
                step = delta[u, j - first] * delta[v, j - first] * weight[j - first]
                out[row, j] += part[row, j] + step
            row += 1
    for u in range(k):
        for j in range(first, last):
            b = part[0, j]
            if out[0, j] == 0.0:
                out[1 + u, j] = part[1 + u, j]
            elif b > 0.0:
                out[1 + u, j] += delta[u, j - first] * (b / (out[0, j] + b))
    for j in range(first, last):
        out[0, j] += part[0, j]


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


@njit(cache=True, nogil=True)
def _centre(packed: np.ndarray, j: int, row: int, mean: float) -> None:
    """Move the neighbour sums of one cell from the shift to the mean."""
    pairs = packed[6, j]
    if pairs > 0.0:
        packed[row, j] += mean * (pairs * mean - packed[row + 1, j] - packed[row + 2, j])
        packed[row + 1, j] -= pairs * mean
        packed[row + 2, j] -= pairs * mean
