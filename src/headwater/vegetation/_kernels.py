"""Loops over time for whole maps: smoothing, seasons, runs of days and growth, compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

__all__ = [
    "crossing_rows",
    "first_run_rows",
    "grow_days",
    "roughness_rows",
    "whittaker_rows",
]

_SMALLEST = 1e-3


@njit(nogil=True, error_model="numpy")
def _whittaker(values: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """Solve (W + λ D₂ᵀD₂) z = W y for one series by LDLᵀ of a matrix with five diagonals."""
    n = values.shape[0]
    pivot, upper, far, z = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        edge = min(i, n - 1 - i)
        square = 1.0 if edge == 0 else (5.0 if edge == 1 else 6.0)
        if n == 3 and i == 1:
            square = 4.0
        first = 0.0
        if i < n - 1:
            first = -2.0 if (i == 0 or i == n - 2) else -4.0
        second = 1.0 if i < n - 2 else 0.0
        weight = weights[i]
        d = weight + strength * square
        e = strength * first
        right = weight * values[i] if weight > 0.0 else 0.0
        if i > 0:
            d -= upper[i - 1] * upper[i - 1] * pivot[i - 1]
            e -= upper[i - 1] * pivot[i - 1] * far[i - 1]
            right -= upper[i - 1] * z[i - 1]
        if i > 1:
            d -= far[i - 2] * far[i - 2] * pivot[i - 2]
            right -= far[i - 2] * z[i - 2]
        inverse = 1.0 / d
        pivot[i], upper[i], far[i], z[i] = d, e * inverse, strength * second * inverse, right
    for i in range(n - 1, -1, -1):
        z[i] /= pivot[i]
        if i < n - 1:
            z[i] -= upper[i] * z[i + 1]
        if i < n - 2:
            z[i] -= far[i] * z[i + 2]
    return z


@njit(cache=True, nogil=True, error_model="numpy")
def whittaker_rows(
    values: np.ndarray, weights: np.ndarray, strength: np.ndarray, longest: int
) -> np.ndarray:
    """Smooth each row (rows, times); NaN before the first, after the last and in long gaps.

    weights are 0 where a value is missing; strength is λ by row; longest is the longest gap, in
    steps, that may be bridged.
    """
    rows, n = values.shape
    out = np.full((rows, n), np.nan)
    for j in range(rows):
        first, last, count = -1, -1, 0
        for i in range(n):
            if weights[j, i] > 0.0:
                first = i if first < 0 else first
                last = i
                count += 1
        if count < 3:
            continue
        z = _whittaker(values[j], weights[j], strength[j])
        before = first
        for i in range(first, last + 1):
            if weights[j, i] > 0.0:
                if i - before - 1 <= longest:
                    for k in range(before, i + 1):
                        out[j, k] = z[k]
                else:
                    out[j, before], out[j, i] = z[before], z[i]
                before = i
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def roughness_rows(values: np.ndarray, weights: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Return (rows, strengths, 2): log of misfit and of roughness of each row at each λ."""
    rows, n = values.shape
    out = np.full((rows, strengths.shape[0], 2), np.nan)
    for j in range(rows):
        count = 0
        for i in range(n):
            count += 1 if weights[j, i] > 0.0 else 0
        if count < 5:
            continue
        for k in range(strengths.shape[0]):
            z = _whittaker(values[j], weights[j], strengths[k])
            misfit, rough = 0.0, 0.0
            for i in range(n):
                if weights[j, i] > 0.0:
                    misfit += weights[j, i] * (values[j, i] - z[i]) ** 2
                if i < n - 2:
                    rough += (z[i] - 2.0 * z[i + 1] + z[i + 2]) ** 2
            out[j, k, 0] = math.log(max(misfit, 1e-300))
            out[j, k, 1] = math.log(max(rough, 1e-300))
    return out


@njit(nogil=True, error_model="numpy")
def _crossing(series: np.ndarray, start: int, step: int, level: float) -> float:
    """Walk from the peak until the series falls below a level; NaN at a gap or the end."""
    i = start
    while 0 <= i + step < series.shape[0]:
        here, there = series[i], series[i + step]
        if math.isnan(there):
            return np.nan
        if there < level:
            return float(i + step * (here - level) / (here - there))
        i += step
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def crossing_rows(
    smooth: np.ndarray, bounds: np.ndarray, threshold: float, least: float
) -> np.ndarray:
    """Return (years, rows, 7): start, peak and end [index], slopes there, amplitude and reason.

    bounds are the first index of each year and, last, the number of times. Reasons: 0 none, 1 no
    data, 2 flat, 3 no start, 4 no end. Base is the lower of the lowest values before and after the
    peak for each side; a level is base + threshold × (peak − base).
    """
    rows, years = smooth.shape[0], bounds.shape[0] - 1
    out = np.full((years, rows, 7), np.nan)
    for j in range(rows):
        for year in range(years):
            series = smooth[j, bounds[year] : bounds[year + 1]]
            peak, low = -1, np.inf
            for i in range(series.shape[0]):
                if not math.isnan(series[i]):
                    low = min(low, series[i])
                    if peak < 0 or series[i] > series[peak]:
                        peak = i
            if peak < 0:
                out[year, j, 6] = 1.0
                continue
            size = series[peak] - low
            out[year, j, 5] = size
            if size < least:
                out[year, j, 6] = 2.0
                continue
            _fill_season(out[year, j], series, peak, threshold)
    return out


@njit(nogil=True, error_model="numpy")
def _lowest(series: np.ndarray, start: int, step: int) -> float:
    low, i = series[start], start
    while 0 <= i < series.shape[0] and not math.isnan(series[i]):
        low = min(low, series[i])
        i += step
    return float(low)


@njit(nogil=True, error_model="numpy")
def _fill_season(out: np.ndarray, series: np.ndarray, peak: int, threshold: float) -> None:
    """Write start, peak, end, both slopes and the reason of one season of one cell."""
    out[1], out[6] = peak, 0.0
    for side in range(2):
        step = -1 if side == 0 else 1
        base = _lowest(series, peak, step)
        level = base + threshold * (series[peak] - base)
        place = _crossing(series, peak, step, level)
        if math.isnan(place) or series[peak] - base <= 0.5 * out[5]:
            out[6] = 3.0 + side if out[6] == 0.0 else out[6]
            continue
        near = math.floor(place)
        near = min(max(near, 0), series.shape[0] - 2)
        out[2 * side] = place
        out[3 + side] = series[near + 1] - series[near]


@njit(cache=True, nogil=True, error_model="numpy")
def first_run_rows(
    values: np.ndarray, threshold: float, length: int, above: bool, start: int
) -> np.ndarray:
    """Return (rows, 2): index at which the first run begins, and days missing before it.

    A run is `length` days in a row above (or below) the threshold, the threshold itself counting as
    above; a missing day ends a run. NaN where there is none.
    """
    rows, n = values.shape
    out = np.full((rows, 2), np.nan)
    for j in range(rows):
        run, missing = 0, 0
        for i in range(start, n):
            value = values[j, i]
            if math.isnan(value):
                run, missing = 0, missing + 1
                continue
            held = value >= threshold if above else value < threshold
            run = run + 1 if held else 0
            if run == length:
                out[j, 0] = i - length + 1
                break
        out[j, 1] = missing
    return out


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
