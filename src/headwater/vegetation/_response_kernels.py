"""Sums from which every response of cover to water is fitted and cross-validated, compiled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["choose_rows", "plain_errors", "shapes_of", "validated"]

_QUANTILES = (0.02, 0.10, 0.25, 0.50, 0.65, 0.80, 0.90)


@njit(nogil=True, error_model="numpy")
def _form(kind: float, first: float, second: float, water: float) -> Any:
    """Return the regressor: water, water between two limits, or a saturating function of it."""
    if kind == 0.0:
        return water
    if kind == 1.0:
        return min(max(water, first), second)
    over = max(water - first, 0.0)
    return over / (over + second)


@njit(nogil=True, error_model="numpy")
def _sort(values: NDArray[Any], n: int) -> None:
    """Sort the first n values in place, by Shell's method: it compiles in a tenth of the time."""
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            value, j = values[i], i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


@njit(cache=True, nogil=True, error_model="numpy")
def shapes_of(water: NDArray[Any]) -> Any:
    """Return (13, 3): kind and two parameters of each shape, from the range of water."""
    known, n = np.empty(water.shape[0]), 0
    for t in range(water.shape[0]):
        if not math.isnan(water[t]):
            known[n] = water[t]
            n += 1
    _sort(known, n)
    marks = np.empty(7)
    for k in range(7):
        place = _QUANTILES[k] * (n - 1)
        low = int(place)
        high = min(low + 1, n - 1)
        marks[k] = known[low] + (place - low) * (known[high] - known[low])
    out, row = np.zeros((13, 3)), 1
    for i in range(3):
        for j in range(3):
            out[row, 0], out[row, 1] = 1.0, marks[i]
            out[row, 2] = max(marks[3 + j], marks[i] + 1e-9)
            row += 1
    for share in (0.15, 0.4, 1.0):
        out[row, 0], out[row, 1] = 2.0, marks[0]
        out[row, 2] = max(share * (marks[6] - marks[0]), 1e-9)
        row += 1
    return out


@njit(nogil=True, error_model="numpy")
def _candidate_sums(
    cover: NDArray[Any],
    water: NDArray[Any],
    where: NDArray[Any],
    shape: NDArray[Any],
    sizes: tuple[int, int],
) -> Any:
    """Return (classes, years, 6): n, sums of z, y, zz, zy, yy of one candidate of one cell.

    cover, water: (times,); where: (2, times) of class and year; sizes: classes and years.
    """
    sums = np.zeros((sizes[0], sizes[1], 6))
    for t in range(cover.shape[0]):
        y, w = cover[t], water[t]
        if math.isnan(y) or math.isnan(w) or where[0, t] < 0:
            continue
        z = _form(shape[0], shape[1], shape[2], w)
        cell = sums[where[0, t], where[1, t]]
        cell[0] += 1.0
        cell[1] += z
        cell[2] += y
        cell[3] += z * z
        cell[4] += z * y
        cell[5] += y * y
    return sums


@njit(nogil=True, error_model="numpy")
def _centred(total: NDArray[Any]) -> Any:
    """Return means of z and y, and centred sums zz and zy, of six sums."""
    n = max(total[0], 1.0)
    z, y = total[1] / n, total[2] / n
    return z, y, total[3] - n * z * z, total[4] - n * z * y


@njit(nogil=True, error_model="numpy")
def _add_months(sums: NDArray[Any]) -> Any:
    """Return (classes, 6): sums over years."""
    total = np.zeros((sums.shape[0], 6))
    for c in range(sums.shape[0]):
        for year in range(sums.shape[1]):
            for k in range(6):
                total[c, k] += sums[c, year, k]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def plain_errors(sums: NDArray[Any]) -> Any:
    """Return (years,): squared error in each year of the means of all the others."""
    total = _add_months(sums)
    errors = np.zeros(sums.shape[1])
    for year in range(sums.shape[1]):
        for c in range(sums.shape[0]):
            n = total[c, 0] - sums[c, year, 0]
            own = sums[c, year, 0]
            if own < 1.0 or n < 2.0:
                continue
            mean = (total[c, 2] - sums[c, year, 2]) / n
            errors[year] += sums[c, year, 5] - 2.0 * mean * sums[c, year, 2] + own * mean * mean
    return errors


@njit(cache=True, nogil=True, error_model="numpy")
def validated(sums: NDArray[Any], errors: NDArray[Any]) -> None:
    """Write (2, years): squared error in each year of the fit to all the others.

    First with one slope for all classes, then with one each. What both have in common is computed
    once: this is where the time of a map goes.
    """
    classes, years = sums.shape[0], sums.shape[1]
    total = _add_months(sums)
    parts, rest = np.zeros((classes, 4)), np.zeros(6)
    for year in range(years):
        shared_zz, shared_zy = 0.0, 0.0
        for c in range(classes):
            n = total[c, 0] - sums[c, year, 0]
            if n < 2.0:
                continue
            for k in range(1, 6):
                rest[k] = total[c, k] - sums[c, year, k]
            z, y = rest[1] / n, rest[2] / n
            zz, zy = rest[3] - n * z * z, rest[4] - n * z * y
            scale = 1e-10 * max(rest[3], 1e-30)
            parts[c, 0], parts[c, 1], parts[c, 3] = z, y, scale
            parts[c, 2] = zy / zz if zz > scale else 0.0
            shared_zz += zz
            shared_zy += zy
        for c in range(classes):
            own = sums[c, year]
            if own[0] < 1.0 or total[c, 0] - own[0] < 2.0:
                continue
            z, y, each, scale = parts[c, 0], parts[c, 1], parts[c, 2], parts[c, 3]
            for by_class in range(2):
                slope = each
                if by_class == 0:
                    slope = shared_zy / shared_zz if shared_zz > scale else 0.0
                start = y - slope * z
                errors[by_class, year] += (
                    own[5]
                    - 2.0 * start * own[2]
                    - 2.0 * slope * own[4]
                    + own[0] * start * start
                    + 2.0 * start * slope * own[1]
                    + slope * slope * own[3]
                )


@njit(nogil=True, error_model="numpy")
def _weigh(lagged: NDArray[Any], decay: float) -> Any:
    """Return water as plants remember it, (times,), from (lags, times) with geometric weights."""
    lags, times = lagged.shape
    out = np.empty(times)
    for t in range(times):
        total, weight, full, one = 0.0, 0.0, 0.0, 1.0
        for k in range(lags):
            full += one
            if not math.isnan(lagged[k, t]):
                total += one * lagged[k, t]
                weight += one
            one *= decay
        out[t] = total / weight if weight > 0.5 * full else np.nan
    return out


@njit(nogil=True, error_model="numpy")
def _cell(
    cover: NDArray[Any],
    lagged: NDArray[Any],
    where: NDArray[Any],
    sizes: tuple[int, int],
    decays: NDArray[Any],
) -> Any:
    """Return errors (1 + candidates, years), settings (candidates, 5) of one cell, and its n."""
    count = decays.shape[0] * 26
    errors, settings = np.zeros((1 + count, sizes[1])), np.empty((count, 5))
    place = 1
    for d in range(decays.shape[0]):
        water = _weigh(lagged, decays[d])
        shapes = shapes_of(water)
        for s in range(13):
            sums = _candidate_sums(cover, water, where, shapes[s], sizes)
            if d == 0 and s == 0:
                plain = plain_errors(sums)
                for year in range(sizes[1]):
                    errors[0, year] = plain[year]
            validated(sums, errors[place : place + 2])
            for by_class in range(2):
                for k in range(3):
                    settings[place - 1, k] = shapes[s, k]
                settings[place - 1, 3], settings[place - 1, 4] = decays[d], by_class
                place += 1
    return errors, settings


@njit(nogil=True, error_model="numpy")
def _nested(errors: NDArray[Any]) -> Any:
    """Return (years,): the error in each year of the candidate that the other years choose."""
    candidates, years = errors.shape
    total, out = np.zeros(candidates), np.empty(years)
    for k in range(candidates):
        for year in range(years):
            total[k] += errors[k, year]
    for year in range(years):
        best, least = 0, total[0] - errors[0, year]
        for k in range(1, candidates):
            left = total[k] - errors[k, year]
            if left < least:
                best, least = k, left
        out[year] = errors[best, year]
    return out


@njit(nogil=True, error_model="numpy")
def _coefficients(sums: NDArray[Any], by_class: bool, with_water: bool) -> Any:
    """Return (classes, 4): intercept, slope, residual variance and n."""
    total = _add_months(sums)
    out = np.empty((total.shape[0], 4))
    shared_zz, shared_zy = 0.0, 0.0
    for c in range(total.shape[0]):
        if total[c, 0] >= 2.0:
            parts = _centred(total[c])
            shared_zz += parts[2]
            shared_zy += parts[3]
    for c in range(total.shape[0]):
        out[c, 0] = out[c, 1] = out[c, 2] = math.nan
        out[c, 3] = total[c, 0]
        if total[c, 0] < 3.0:
            continue
        z, y, zz, zy = _centred(total[c])
        own = zy
        if not by_class:
            slope = shared_zy / shared_zz if with_water and shared_zz > 0.0 else 0.0
        else:
            slope = zy / zz if with_water and zz > 1e-10 * max(total[c, 3], 1e-30) else 0.0
        left = total[c, 5] - total[c, 0] * y * y - 2.0 * slope * own + slope * slope * zz
        out[c, 0], out[c, 1] = y - slope * z, slope
        out[c, 2] = max(left, 0.0) / max(total[c, 0] - 2.0, 1.0)
    return out


@njit(nogil=True, error_model="numpy")
def _choose(
    cover: NDArray[Any],
    own: NDArray[Any],
    where: NDArray[Any],
    sizes: tuple[int, int],
    decays: NDArray[Any],
) -> Any:
    """Choose and fit the response of one cell; return what `choose_rows` returns of it."""
    found, tried = _cell(cover, own, where, sizes, decays)
    best, least = 0, math.inf
    for k in range(found.shape[0]):
        total = 0.0
        for year in range(sizes[1]):
            total += found[k, year]
        if total < least:
            best, least = k, total
    nested, errors, settings = _nested(found), np.empty((2, sizes[1])), np.empty(5)
    for year in range(sizes[1]):
        errors[0, year], errors[1, year] = found[0, year], nested[year]
    chosen = tried[max(best - 1, 0)]
    for k in range(5):
        settings[k] = chosen[k]
    if best == 0:
        settings[0] = -1.0
    water = _weigh(own, chosen[3])
    sums = _candidate_sums(cover, water, where, chosen, sizes)
    return settings, _coefficients(sums, chosen[4] > 0.5, best > 0), errors


@njit(cache=True, nogil=True, error_model="numpy")
def choose_rows(
    cover: NDArray[Any],
    lagged: NDArray[Any],
    where: NDArray[Any],
    sizes: tuple[int, int],
    decays: NDArray[Any],
) -> Any:
    """Choose and fit the response of each cell.

    cover: (cells, times); lagged: (lags, times, cells). Returns settings (cells, 6): kind (-1 for
    no water), two parameters, decay, slope by class or not, n; coefficients (cells, classes, 4);
    and errors (cells, 2, years) without water and with what the other years choose.
    """
    cells, lags, times = cover.shape[0], lagged.shape[0], cover.shape[1]
    settings = np.full((cells, 6), math.nan)
    fits = np.full((cells, sizes[0], 4), math.nan)
    errors = np.full((cells, 2, sizes[1]), math.nan)
    own = np.empty((lags, times))
    for j in range(cells):
        n = 0
        for t in range(times):
            for k in range(lags):
                own[k, t] = lagged[k, t, j]
            if not math.isnan(cover[j, t] + own[0, t]) and where[0, t] >= 0:
                n += 1
        settings[j, 5] = n
        if n < 8:
            continue
        chosen, lines, tried = _choose(cover[j], own, where, sizes, decays)
        for k in range(5):
            settings[j, k] = chosen[k]
        for c in range(sizes[0]):
            for k in range(4):
                fits[j, c, k] = lines[c, k]
        for year in range(sizes[1]):
            errors[j, 0, year], errors[j, 1, year] = tried[0, year], tried[1, year]
    return settings, fits, errors
