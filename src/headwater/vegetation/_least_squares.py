"""Fits a model of many cells at once, each by itself: Levenberg-Marquardt with a weak prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Fitted", "fit_cells", "to_scale", "to_values"]

Floats = NDArray[np.float64]

Whole = NDArray[np.int64]
Misfit = Callable[[Floats], Floats]

_STEP, _SMALL, _HELD = 0.02, 1e-3, 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What was fitted, on the scale of the fit.

    Attributes
    ----------
    at : ndarray, shape (parameters, cells)
        Estimates.
    spread : ndarray, shape (parameters, parameters, cells)
        Covariances.
    square : ndarray, shape (cells,)
        Mean square of the residuals.
    worth : ndarray, shape (cells,)
        How many independent observations those of a cell are worth.
    """

    at: Floats
    spread: Floats
    square: Floats
    worth: Floats


def fit_cells(
    misfit_of: Callable[[Whole], Misfit], start: Floats, prior_sd: Floats, iterations: int
) -> Fitted:
    """Fit the parameters of every cell.

    Parameters
    ----------
    misfit_of : callable
        Gives for some cells a function from parameters (parameters, cells) to observed less
        modelled values (times, cells), NaN where nothing was observed.
    start : ndarray, shape (parameters, cells)
        Where the fit begins, and the middle of the normal prior.
    prior_sd : ndarray, shape (parameters,)
        Its standard deviations; a parameter with one of 0.01 or less stays where it begins.
    iterations : int
        Steps at most; a cell whose step is below 0.001 has found its values.

    Returns
    -------
    Fitted

    Notes
    -----
    Residuals count as n (1 − ρ) / (1 + ρ) observations, ρ being their lag-1 autocorrelation,
    against the prior and in the covariance.
    """
    inverse = prior_sd[:, None] ** -2.0
    free = np.flatnonzero(prior_sd > _HELD)
    count = start.shape[1]
    at, damping = start.copy(), np.full(count, 1e-2)
    errors = misfit_of(np.arange(count))(at)
    n = np.isfinite(errors).sum(axis=0)
    variance = _mean_square(errors, n)
    slopes = np.zeros((len(at), *errors.shape))
    open_now, moved = np.ones(count, bool), np.ones(count, bool)
    for _ in range(iterations):
        own = np.flatnonzero(open_now)
        if not own.size:
            break
        _renew(slopes, misfit_of, at, errors, np.flatnonzero(open_now & moved), free)
        # days resemble each other: they weigh what they are worth, or the prior would not count
        left = errors[:, own]
        weight = _worth(left, n[own]) / (np.maximum(n[own], 1) * variance[own])
        mine = slopes if own.size == count else slopes[:, :, own]
        away = at[:, own] - start[:, own]
        step = _step(mine, left, weight, away, inverse, damping[own])
        tried = np.clip(at[:, own] + np.clip(step, -1.5, 1.5), -6.0, 6.0)
        other = misfit_of(own)(tried)
        before = _cost(left, away, inverse, weight)
        better = _cost(other, tried - start[:, own], inverse, weight) < before
        taken = own[better]
        at[:, taken], errors[:, taken] = tried[:, better], other[:, better]
        moved[own] = better
        open_now[own] = (np.abs(step).max(axis=0) >= _SMALL) | (damping[own] > 1e-2)
        damping[own] = np.clip(np.where(better, damping[own] / 5.0, damping[own] * 8.0), 1e-6, 1e6)
        variance = _mean_square(errors, n)
    _renew(slopes, misfit_of, at, errors, np.flatnonzero(moved), free)
    worth = _worth(errors, n)
    inflated = worth / (variance * np.maximum(n, 1))
    products, _ = _products(slopes, np.nan_to_num(errors))
    normal = products * inflated[:, None, None] + np.eye(len(at)) * inverse[:, 0]
    covariance: Any = np.linalg.inv(normal)
    spread = np.asarray(np.moveaxis(covariance, 0, -1), dtype=np.float64)
    return Fitted(at, spread, variance, worth)


def _mean_square(errors: Floats, n: Whole) -> Floats:
    return np.asarray(np.maximum(np.nansum(errors**2, axis=0) / np.maximum(n, 1), 1e-8))


def _cost(left: Floats, away: Floats, inverse: Floats, weight: Floats) -> Floats:
    return np.asarray(np.nansum(left**2, axis=0) * weight + (away**2 * inverse).sum(axis=0))


def _step(
    slopes: Floats, left: Floats, weight: Floats, away: Floats, inverse: Floats, damping: Floats
) -> Floats:
    """Solve for the damped step of some cells."""
    products, toward = _products(slopes, np.nan_to_num(left))
    gradient = toward * weight - away * inverse
    normal = products * weight[:, None, None] + np.eye(len(slopes)) * inverse[:, 0]
    lifted = normal * (1.0 + damping[:, None, None] * np.eye(len(slopes)))
    return np.asarray(np.linalg.solve(lifted, gradient.T[..., None])[..., 0].T)


def to_scale(values: Floats, low: float, high: float, *, logs: bool = False) -> Floats:
    """Bring values to the scale of the fit, what lies outside the bounds just inside them.

    Examples
    --------
    >>> float(to_scale(np.array(10.0), 1.0, 100.0, logs=True))
    0.0
    """
    if logs:
        values, low, high = np.log(values), float(np.log(low)), float(np.log(high))
    share = np.clip((values - low) / (high - low), 0.01, 0.99)
    return np.asarray(np.log(share / (1.0 - share)))


def to_values(at: Floats, low: float, high: float, *, logs: bool = False) -> Floats:
    """Bring a row of the scale of the fit back between its bounds.

    Examples
    --------
    >>> round(float(to_values(np.array(0.0), 1.0, 100.0, logs=True)), 9)
    10.0
    """
    share = 1.0 / (1.0 + np.exp(-at))
    if logs:
        return np.asarray(np.exp(np.log(low) + share * (np.log(high) - np.log(low))))
    return np.asarray(low + share * (high - low))


def _renew(
    slopes: Floats,
    misfit_of: Callable[[Whole], Misfit],
    at: Floats,
    errors: Floats,
    cells: Whole,
    free: Whole,
) -> None:
    """Differentiate the model of some cells by each free parameter, (parameters, times, cells)."""
    if not cells.size:
        return
    misfit = misfit_of(cells)
    for k in free:
        moved = at[:, cells]
        moved[k] += _STEP
        # what was not observed says nothing
        slopes[k][:, cells] = np.nan_to_num((errors[:, cells] - misfit(moved)) / _STEP)


@njit(cache=True, nogil=True)
def _products(slopes: Any, left: Any) -> Any:
    """Sum products of slopes, (cells, parameters, parameters), and with what is left, over time.

    A day of all cells at a time, so that what is summed stays in the cache.
    """
    count, times, cells = slopes.shape
    sums, toward = np.zeros((count, count, cells)), np.zeros((count, cells))
    for t in range(times):
        for i in range(count):
            for c in range(cells):
                toward[i, c] += slopes[i, t, c] * left[t, c]
            for j in range(i, count):
                for c in range(cells):
                    sums[i, j, c] += slopes[i, t, c] * slopes[j, t, c]
    found = np.empty((cells, count, count))
    for c in range(cells):
        for i in range(count):
            for j in range(i, count):
                found[c, i, j] = found[c, j, i] = sums[i, j, c]
    return found, toward


def _worth(errors: Floats, n: NDArray[np.int64]) -> Floats:
    """How many independent observations those of each cell are worth."""
    lag = _lag1(errors)
    return np.asarray(np.maximum(n * (1.0 - lag) / (1.0 + lag), 5.0))


def _lag1(errors: Floats) -> Floats:
    """Lag-1 autocorrelation of residuals whose days may be missing."""
    both = np.isfinite(errors[1:]) & np.isfinite(errors[:-1])
    known = np.isfinite(errors)
    n = known.sum(axis=0)
    mean = np.where(known, errors, 0.0).sum(axis=0) / np.maximum(n, 1)
    centred = np.where(known, errors - mean, 0.0)
    pairs = np.maximum(both.sum(axis=0), 1)
    product = (centred[1:] * centred[:-1]).sum(axis=0) / pairs
    square = np.maximum((centred**2).sum(axis=0) / np.maximum(n, 1), 1e-30)
    return np.clip(np.where(both.sum(axis=0) > 5, product / square, 0.0), 0.0, 0.995)
