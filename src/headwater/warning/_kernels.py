"""Compiled loops over places: regression of a history, innovations, and control charts.

Each has a plain NumPy twin in the tests. Places are independent, so the loops release the lock and
chunks may run at once.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_WORST = 3.0
# One observation counts for three standard deviations at most: heavy tails and undetected clouds
# must not raise an alarm alone, and a loss that stays shows at the next dates.

_FAR, _TRIMS = 4.0, 3
# Two dates in a row farther off than so many robust standard deviations are no noise.

__all__ = [
    "accumulate_loss",
    "average_loss",
    "fit_histories",
    "innovate",
]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

_JIT: dict[str, Any] = {"nopython": True, "nogil": True, "cache": True}


@numba.jit(**_JIT)
def _cholesky_solve(matrix: Floats, right: Floats, size: int) -> bool:
    """Solve a symmetric positive system in place; False where it is singular."""
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if total <= 1e-10 * (1.0 + abs(matrix[i, i])):
                    return False
                matrix[i, i] = np.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(size):
        total = right[i]
        for k in range(i):
            total -= matrix[i, k] * right[k]
        right[i] = total / matrix[i, i]
    for i in range(size - 1, -1, -1):
        total = right[i]
        for k in range(i + 1, size):
            total -= matrix[k, i] * right[k]
        right[i] = total / matrix[i, i]
    return True


@numba.jit(**_JIT)
def _row(design: Floats, covariates: Floats, t: int, place: int, into: Floats) -> bool:
    """Fill one row of the regression; False where a covariate is missing."""
    fixed = design.shape[1]
    for j in range(fixed):
        into[j] = design[t, j]
    for j in range(covariates.shape[0]):
        value = covariates[j, t, place]
        if not np.isfinite(value):
            return False
        into[fixed + j] = value
    return True


@numba.jit(**_JIT)
def fit_histories(
    values: Floats, design: Floats, covariates: Floats, group: Whole, n_groups: int
) -> tuple[Floats, Floats, Floats, Whole]:
    """Fit each place's history by trimmed least squares; see ``headwater.warning.baseline``.

    Returns coefficients (place, term), spread (place, group), rho (place), n (place).
    """
    length, places = values.shape
    size = design.shape[1] + covariates.shape[0]
    coefficients = np.full((places, size), np.nan)
    spread = np.full((places, n_groups), np.nan)
    rho = np.full(places, np.nan)
    n = np.zeros(places, np.int64)
    right = np.empty(size)
    residual = np.empty(length)
    used = np.empty(length, np.bool_)
    for place in range(places):
        count = 0
        for t in range(length):
            used[t] = np.isfinite(values[t, place])
            for j in range(covariates.shape[0]):
                used[t] = used[t] and np.isfinite(covariates[j, t, place])
            count += used[t]
        n[place] = count
        if count <= size + 2:
            continue
        solved = _fit_place(values, design, covariates, place, used, right, residual)
        for _ in range(_TRIMS):
            if not solved or not _trim(residual, used, size):
                break
            solved = _fit_place(values, design, covariates, place, used, right, residual)
        if not solved:
            continue
        for t in range(length):
            if not used[t]:
                residual[t] = np.nan
        _fill_spread(residual, group, size, spread[place])
        rho[place] = _memory(residual, group, spread[place], size)
        coefficients[place] = right
    return coefficients, spread, rho, n


@numba.jit(**_JIT)
def _fit_place(
    values: Floats,
    design: Floats,
    covariates: Floats,
    place: int,
    used: Any,
    right: Floats,
    residual: Floats,
) -> bool:
    """Fit one place on the dates that are used; fill coefficients, and residuals of all dates."""
    size = len(right)
    matrix, row = np.zeros((size, size)), np.empty(size)
    right[:] = 0.0
    for t in range(len(used)):
        if used[t] and _row(design, covariates, t, place, row):
            for i in range(size):
                right[i] += row[i] * values[t, place]
                for j in range(i + 1):
                    matrix[i, j] += row[i] * row[j]
    if not _cholesky_solve(matrix, right, size):
        return False
    for t in range(len(used)):
        residual[t] = np.nan
        if np.isfinite(values[t, place]) and _row(design, covariates, t, place, row):
            residual[t] = values[t, place] - np.dot(row, right)
    return True


@numba.jit(**_JIT)
def _trim(residual: Floats, used: Any, size: int) -> bool:
    """Leave neighbouring dates out that both lie far off on one side; False where none change.

    A season of loss in the history would widen the spread, and lend a memory that is none, so that
    the next loss would not show. Single dates stay: noise with heavy tails has them.
    """
    seen = np.isfinite(residual)
    limit = _FAR * 1.4826 * np.median(np.abs(residual[seen]))
    far = np.zeros(len(used), np.bool_)
    before, count = -1, 0
    for t in range(len(used)):
        if not seen[t]:
            continue
        if before >= 0 and min(abs(residual[t]), abs(residual[before])) > limit:
            alike = residual[t] * residual[before] > 0.0
            far[t], far[before] = far[t] or alike, far[before] or alike
        before = t
    for t in range(len(used)):
        count += far[t]
    # where a tenth or more is far, it is no accident but the history
    if count > 0.1 * seen.sum() or seen.sum() - count <= size + 2:
        return False
    changed = False
    for t in range(len(used)):
        changed = changed or (seen[t] and used[t] == far[t])
        used[t] = seen[t] and not far[t]
    return changed


@numba.jit(**_JIT)
def _fill_spread(residual: Floats, group: Whole, size: int, spread: Floats) -> None:
    """Residual spread by group; ten observations' worth of the whole steadies groups of few."""
    by_group, members = np.zeros(len(spread)), np.zeros(len(spread))
    for t in range(len(residual)):
        if np.isfinite(residual[t]):
            by_group[group[t]] += residual[t] ** 2
            members[group[t]] += 1.0
    count = members.sum()
    whole, lost = by_group.sum() / (count - size), count / (count - size)
    for g in range(len(spread)):
        spread[g] = np.sqrt((by_group[g] * lost + 10.0 * whole) / (members[g] + 10.0))


@numba.jit(**_JIT)
def _memory(residual: Floats, group: Whole, spread: Floats, size: int) -> float:
    """Lag-one correlation of standardised residuals, freed of the bias that the fit brings."""
    product, pairs, square, count = 0.0, 0, 0.0, 0
    before = np.nan
    for t in range(len(residual)):
        z = residual[t] / spread[group[t]]
        if np.isfinite(z):
            square += z * z
            count += 1
            if np.isfinite(before):
                product += z * before
                pairs += 1
        before = z
    if pairs < 8 or not square > 0.0:
        return 0.0
    raw = product / pairs / (square / count)
    # residuals of a regression with p terms: E r ~ rho - (p + 3 rho) / n (Marriott & Pope 1954)
    return min(max((raw * count + size) / (count - 3.0), -0.3), 0.95)


@numba.jit(**_JIT)
def innovate(
    values: Floats,
    design: Floats,
    covariates: Floats,
    group: Whole,
    coefficients: Floats,
    spread: Floats,
    rho: Floats,
    last: Floats,
    age: Whole,
) -> Floats:
    """Standardise what the history does not expect, and take its memory out.

    `last` and `age` (standardised residual and steps since it, per place) are updated in place:
    they are copies that belong to the caller.
    """
    length, places = values.shape
    size = coefficients.shape[1]
    found = np.full((length, places), np.nan)
    row = np.empty(size)
    for place in range(places):
        if not np.isfinite(coefficients[place, 0]):
            continue
        for t in range(length):
            age[place] += 1
            y = values[t, place]
            if not np.isfinite(y) or not _row(design, covariates, t, place, row):
                continue
            z = (y - np.dot(row, coefficients[place])) / spread[place, group[t]]
            kept = rho[place] ** age[place] if np.isfinite(last[place]) else 0.0
            before = last[place] if np.isfinite(last[place]) else 0.0
            found[t, place] = (z - kept * before) / np.sqrt(1.0 - kept * kept)
            last[place] = z
            age[place] = 0
    return found


@numba.jit(**_JIT)
def accumulate_loss(
    innovations: Floats, statistic: Floats, allowance: float, ceiling: Floats, path: Floats
) -> None:
    """One-sided CUSUM of losses: C = max(0, C - u - k), no higher than `ceiling`.

    `path` (n_times, n_places) receives the statistic; `statistic` holds the last one.
    """
    length, places = innovations.shape
    for place in range(places):
        c = statistic[place]
        for t in range(length):
            u = innovations[t, place]
            if np.isfinite(u):
                c = min(max(0.0, c - max(u, -_WORST) - allowance), ceiling[place])
            path[t, place] = c
        statistic[place] = c


@numba.jit(**_JIT)
def average_loss(innovations: Floats, statistic: Floats, smoothing: float, path: Floats) -> None:
    """One-sided EWMA of losses: Z = max(0, (1 - λ) Z - λ u); `path` as for accumulate_loss."""
    length, places = innovations.shape
    for place in range(places):
        z = statistic[place]
        for t in range(length):
            u = innovations[t, place]
            if np.isfinite(u):
                z = max(0.0, (1.0 - smoothing) * z - smoothing * max(u, -_WORST))
            path[t, place] = z
        statistic[place] = z
