"""Loops over time and cells, compiled: sums by period, and slopes and scores of whole series."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["period_sums", "sen_kendall"]

# Cells handled together, so that their sums stay in the fastest memory.
_TILE = 1024
# Pairs noted in one turn, as a multiple of the values, and turns per series, see _slopes_of_rank.
_ROOM = 16
_LOOKS = 64


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
def sen_kendall(axis: np.ndarray, series: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return (8, cell): n, S, tie sum, tied pairs, Sen slope, its limits, intercept.

    axis is (time,), ascending; series is (cell, time); level is (cell,), the reach of the limits
    in units of √var S.
    """
    cells, steps = series.shape
    out = np.full((8, cells), np.nan)
    # arrays apart, for rows of one array would share lines of the cache
    t, x, key, spare = np.empty(steps), np.empty(steps), np.empty(steps), np.empty(steps)
    order, spare_order = np.empty(steps, np.int32), np.empty(steps, np.int32)
    slopes = np.empty(_ROOM * steps + 64)
    pairs = np.empty((2, _ROOM * steps + 64), np.int32)
    ranks, found = np.empty(4, np.int64), np.empty(4)
    for cell in range(cells):
        n, start = _valid(axis, series[cell], t, x)
        out[0, cell] = n
        if n < 2:
            continue
        below = _sort_residuals(x, t, 0.0, n, key, order, spare, spare_order)
        tied, tie_sum = _ties(key, n)
        total = n * (n - 1) // 2
        out[1, cell], out[2, cell], out[3, cell] = total + tied - 2 * below, tie_sum, tied
        middle = 0.5 * (key[(n - 1) // 2] + key[n // 2])
        spread = level[cell] * np.sqrt((n * (n - 1.0) * (2.0 * n + 5.0) - tie_sum) / 18.0)
        ranks[1], ranks[2] = (total + 1) // 2, total // 2 + 1
        ranks[0] = int(np.rint(0.5 * (total - spread)))
        ranks[3] = int(np.rint(0.5 * (total + spread) + 1.0))
        limits = ranks[0] >= 1 and ranks[3] <= total
        if not limits:
            ranks[0], ranks[3] = ranks[1], ranks[2]
        _slopes_of_rank(
            ranks,
            below - tied,
            below,
            (x, t, n),
            (key, order, spare, spare_order),
            pairs,
            slopes,
            found,
        )
        out[4, cell] = slope = 0.5 * (found[1] + found[2])
        if limits:
            out[5, cell], out[6, cell] = found[0], found[3]
        out[7, cell] = middle - slope * (0.5 * (t[(n - 1) // 2] + t[n // 2]) + start)
    return out


@njit(cache=True, nogil=True)
def _valid(axis: np.ndarray, series: np.ndarray, t: np.ndarray, x: np.ndarray) -> Any:
    """Gather valid values and their times since the first of them; return n and that time."""
    n = 0
    start = axis[0]
    for i in range(series.size):
        if series[i] == series[i]:
            if n == 0:
                start = axis[i]
            t[n], x[n] = axis[i] - start, series[i]
            n += 1
    return n, start


@njit(cache=True, nogil=True)
def _ties(ascending: np.ndarray, n: int) -> Any:
    """Count tied pairs, and sum t(t-1)(2t+5) over groups of t equal values."""
    tied, tie_sum, same = 0, 0.0, 1
    for i in range(1, n + 1):
        if i < n and ascending[i] == ascending[i - 1]:
            same += 1
        else:
            tied += same * (same - 1) // 2
            tie_sum += same * (same - 1.0) * (2.0 * same + 5.0)
            same = 1
    return tied, tie_sum


# Slopes of given rank without all pairs. Sort the values by x - b t: a pair stands the wrong way
# round exactly when its slope is at most b, so inversions count slopes (Knight 1966), and turning
# from b to b' by insertion swaps exactly the pairs whose slopes lie between. A slope is found by
# turning past it and ranking the few pairs that were swapped (Dillencourt, Mount & Netanyahu 1992;
# Matousek 1991), where to turn being interpolated from the ranks met so far.


@njit(cache=True, nogil=True)
def _slopes_of_rank(
    ranks: np.ndarray,
    zero_from: int,
    zero_to: int,
    series: Any,
    sorted_: Any,
    pairs: np.ndarray,
    slopes: np.ndarray,
    found: np.ndarray,
) -> None:
    """Find the slopes of ascending ranks (from 1); those after zero_from up to zero_to are 0."""
    x, t, n = series
    at, rank = np.empty(_LOOKS), np.empty(_LOOKS, np.int64)
    # a typed 1: for a literal one, _pass_by would be compiled twice
    at[0], rank[0] = 0.0, zero_to
    looks: Any = np.int64(1)
    noise, largest = _noise(x, t, n)
    start, density = _first_look(x, t, n)
    done = 0
    while done < ranks.size:
        if zero_from < ranks[done] <= zero_to:
            found[done] = 0.0
            done += 1
            continue
        looks, swaps, density = _pass_by(
            ranks[done], start, density, series, sorted_, pairs, at, rank, looks
        )
        if swaps == 0:
            found[done] = _slope_by_scans(x, t, n, ranks[done])
            done += 1
            continue
        for s in range(swaps):
            i, j = min(pairs[0, s], pairs[1, s]), max(pairs[0, s], pairs[1, s])
            slopes[s] = (x[j] - x[i]) / (t[j] - t[i])
        up = at[looks - 1] > at[looks - 2]
        low, high = (looks - 2, looks - 1) if up else (looks - 1, looks - 2)
        reach = noise * (largest + max(abs(at[low]), abs(at[high])) * t[n - 1])
        while done < ranks.size and ranks[done] <= rank[high]:
            value = _select(slopes, swaps, ranks[done] - rank[low] - 1)
            # so near an end that rounding of x - b t may have hidden or added a pair
            clear = value - at[low] > reach and at[high] - value > reach
            found[done] = value if clear else _slope_by_scans(x, t, n, ranks[done])
            done += 1


@njit(cache=True, nogil=True)
def _pass_by(
    k: int,
    start: float,
    density: float,
    series: Any,
    sorted_: Any,
    pairs: np.ndarray,
    at: np.ndarray,
    rank: np.ndarray,
    looks: int,
) -> Any:
    """Turn until the last turn passed by rank k; return looks, swaps of that turn and density."""
    x, t, n = series
    key, order, spare, spare_order = sorted_
    total, margin = n * (n - 1) // 2, 4 + n // 4
    for trial in range(_LOOKS):
        b, c = at[looks - 1], rank[looks - 1]
        if looks == 1:
            to = start + (k - margin - 0.5 * total) / density
        else:
            to = _next_look(k, margin, density, at[:looks], rank[:looks], trial)
        if looks == _LOOKS or not np.isfinite(to) or to == b:
            break
        swaps, change = -1, 0
        if abs(to - b) * density < pairs.shape[1]:
            swaps, change = _turn(x, t, to, n, key, order, pairs)
        if swaps < 0:
            change = _sort_residuals(x, t, to, n, key, order, spare, spare_order) - c
        at[looks], rank[looks] = to, c + change
        looks += 1
        if change * (to - b) > 0:
            density = max(min(change / (to - b), 4.0 * density), 0.25 * density)
        if swaps > 0 and (c < k) != (c + change < k) and abs(change) == swaps:
            return looks, swaps, density
    return looks, 0, density


@njit(cache=True, nogil=True)
def _next_look(
    k: int, margin: int, density: float, at: np.ndarray, rank: np.ndarray, trial: int
) -> Any:
    """Slope at which to look next for rank k, from the ranks known on both sides."""
    b, c = at[-1], rank[-1]
    low, high, low_rank, high_rank = -np.inf, np.inf, 0, 0
    for i in range(at.size):
        if rank[i] < k and at[i] > low:
            low, low_rank = at[i], rank[i]
        if rank[i] >= k and at[i] < high:
            high, high_rank = at[i], rank[i]
    side = 1 if c < k else -1
    # near enough: just past k; else stop just before it, so that the last turn is a short one
    aim = k + side * margin if abs(k - c) <= 4 * margin else k - side * margin
    if low == -np.inf or high == np.inf:
        return b + (aim - c) / density * (1.0 + 0.5 * trial)
    if trial % 4 == 3:
        return 0.5 * (low + high)
    if high_rank - low_rank <= 6 * margin:
        return high if side > 0 else low
    share = (aim - low_rank) / (high_rank - low_rank)
    return low + min(max(share, 0.02), 0.98) * (high - low)


@njit(cache=True, nogil=True)
def _first_look(x: np.ndarray, t: np.ndarray, n: int) -> Any:
    """Return the least-squares slope and how many slopes lie about it per unit, if normal."""
    middle = mean = tt = tx = xx = apart = 0.0
    for i in range(n):
        middle += t[i]
        mean += x[i]
    middle, mean = middle / n, mean / n
    for i in range(n):
        a, b = t[i] - middle, x[i] - mean
        tt += a * a
        tx += a * b
        xx += b * b
        apart += (2 * i - n + 1) * t[i]
    slope = tx / tt
    left = max(xx - slope * tx, 1e-20 * xx)
    # off the fitted line by a trifle, so that no slope of the data is met exactly
    off = 0.0137 * np.sqrt(left / (tt * n))
    return slope + off, apart / (2.0 * np.sqrt(np.pi * left / n)) if left > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _noise(x: np.ndarray, t: np.ndarray, n: int) -> Any:
    """Return the rounding of x - b t as a slope, per unit of size, and the size of x."""
    shortest, largest = t[1] - t[0], abs(x[0])
    for i in range(1, n):
        shortest = min(shortest, t[i] - t[i - 1])
        largest = max(largest, abs(x[i]))
    return 8.9e-16 / shortest, largest


@njit(cache=True, nogil=True)
def _sort_residuals(
    x: np.ndarray,
    t: np.ndarray,
    b: float,
    n: int,
    key: np.ndarray,
    order: np.ndarray,
    spare: np.ndarray,
    spare_order: np.ndarray,
) -> int:
    """Order by x - b t, of equals the later first; return the number of slopes up to b."""
    for i in range(n):
        key[i] = x[i] - b * t[i]
    count, run, turned = 0, 8, False
    for first in range(0, n, run):
        count += _sort_run(key, order, first, min(first + run, n))
    keys, orders, others, other_orders = key, order, spare, spare_order
    while run < n:
        for first in range(0, n, 2 * run):
            middle, last = min(first + run, n), min(first + 2 * run, n)
            count += _merge(keys, orders, others, other_orders, first, middle, last)
        keys, orders, others, other_orders = others, other_orders, keys, orders
        run, turned = 2 * run, not turned
    if turned:
        for i in range(n):
            key[i], order[i] = keys[i], orders[i]
    return count


@njit(cache=True, nogil=True)
def _sort_run(key: np.ndarray, order: np.ndarray, first: int, last: int) -> int:
    """Sort a short run by insertion and number its values; return the inversions."""
    count = 0
    for p in range(first, last):
        value, q = key[p], p - 1
        while q >= first and key[q] >= value:
            key[q + 1], order[q + 1] = key[q], order[q]
            q -= 1
        key[q + 1], order[q + 1] = value, p
        count += p - 1 - q
    return count


@njit(cache=True, nogil=True)
def _merge(
    key: np.ndarray,
    order: np.ndarray,
    into: np.ndarray,
    into_order: np.ndarray,
    first: int,
    middle: int,
    last: int,
) -> int:
    """Merge two sorted runs; return the inversions between them."""
    i, j, p, count = first, middle, first, 0
    while i < middle and j < last:
        # selects, not branches: which run is next cannot be predicted
        early, late = key[i], key[j]
        later = late <= early
        into[p] = late if later else early
        into_order[p] = order[j] if later else order[i]
        count += middle - i if later else 0
        j += 1 if later else 0
        i += 0 if later else 1
        p += 1
    while i < middle:
        into[p], into_order[p] = key[i], order[i]
        i += 1
        p += 1
    while j < last:
        into[p], into_order[p] = key[j], order[j]
        j += 1
        p += 1
    return count


@njit(cache=True, nogil=True)
def _turn(
    x: np.ndarray,
    t: np.ndarray,
    b: float,
    n: int,
    key: np.ndarray,
    order: np.ndarray,
    pairs: np.ndarray,
) -> Any:
    """Reorder by x - b t by insertion, noting each swap; return swaps and change of count.

    Swaps are -1, and the order is lost, if there are more than pairs has room for.
    """
    swaps, change, room = 0, 0, pairs.shape[1]
    left, right = pairs[0], pairs[1]
    for p in range(n):
        mine = order[p]
        value, q = x[mine] - b * t[mine], p - 1
        while q >= 0:
            other, above = order[q], key[q]
            if above < value or (above == value and other > mine):
                break
            if swaps == room:
                return -1, 0
            left[swaps], right[swaps] = other, mine
            swaps += 1
            change += 1 if other < mine else -1
            key[q + 1], order[q + 1] = above, other
            q -= 1
        key[q + 1], order[q + 1] = value, mine
    return swaps, change


@njit(cache=True, nogil=True)
def _slope_by_scans(x: np.ndarray, t: np.ndarray, n: int, k: int) -> Any:
    """Slope of rank k (from 1) by scans of all pairs, for exact lines and the like; no memory."""
    low, high, before = -np.inf, np.inf, 0
    inside, state = n * (n - 1) // 2, n
    while True:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        pivot = _nth_between(x, t, n, low, high, state % inside)
        if np.isnan(pivot):  # differences too large for a number
            return pivot
        below, same = 0, 0
        for i in range(n - 1):
            for j in range(i + 1, n):
                slope = (x[j] - x[i]) / (t[j] - t[i])
                below += slope < pivot
                same += slope == pivot
        if k <= below:
            high, inside = pivot, below - before
        elif k <= below + same:
            return pivot
        else:
            inside -= below + same - before
            low, before = pivot, below + same


@njit(cache=True, nogil=True)
def _nth_between(x: np.ndarray, t: np.ndarray, n: int, low: float, high: float, which: int) -> Any:
    """Slope number `which` (from 0), in the order of pairs, of those between low and high."""
    for i in range(n - 1):
        for j in range(i + 1, n):
            slope = (x[j] - x[i]) / (t[j] - t[i])
            if low < slope < high:
                if which == 0:
                    return slope
                which -= 1
    return np.nan


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
