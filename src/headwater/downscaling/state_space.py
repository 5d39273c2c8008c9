"""Filter and smoother of independent coefficients that remember, seen through noisy rows by day.

    a(t) = φ a(t−1) + √(1 − φ²) ε ,   φ = exp(−Δt / τ) ,   z(t) = H a(t) + e ,   e ~ N(0, R)

Filter and fixed-interval smoother are those of Kalman and of de Jong (1989, doi:10.2307/2290078,
recalled, unchecked), which need no inverse of a covariance. Only the state at the start of every
stretch of about √n days is kept and the stretch is filtered again on the way back, so that memory
does not grow with the record.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["smooth", "stretch_length"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One filtered day, and its news whitened: gain, innovation and weight of the rows."""

    mean: Floats
    covariance: Floats
    decay: Floats
    gain: Floats | None = None
    news: Floats | None = None
    weight: Floats | None = None


def stretch_length(days: int) -> int:
    """Return how many days are filtered again at once on the way back.

    Parameters
    ----------
    days : int
        Length of the record.

    Returns
    -------
    int

    Examples
    --------
    >>> stretch_length(730)
    28
    """
    return max(1, math.ceil(math.sqrt(days)))


def smooth(
    values: Floats,
    rows: Floats,
    noise: Floats,
    rates: Floats,
    times: Floats,
    *,
    take: Callable[[int, Floats], None] | None = None,
) -> Floats:
    """Estimate the coefficients of every day from the rows of all days.

    Parameters
    ----------
    values : ndarray, shape (n_days, n_rows)
        Observations of rows; NaN where there is none.
    rows : ndarray, shape (n_rows, m)
        What each coefficient adds to a row.
    noise : ndarray, shape (n_rows,)
        Variance of an observation's error.
    rates : ndarray, shape (m,)
        Inverse memory [d-1]; zero for a coefficient that never changes.
    times : ndarray, shape (n_days,)
        Increasing [d].
    take : callable, optional
        Called with a day's number and the covariance (m, m) of its coefficients, last day first;
        without it, covariances of smoothed days are not computed.

    Returns
    -------
    ndarray, shape (n_days, m)
        Posterior means.

    Examples
    --------
    One value of 2 with signal and noise of equal variance is halved; a day later, with a memory of
    a day, exp(−1) of that is left.

    >>> one = np.ones((1, 1))
    >>> seen = np.array([[2.0], [np.nan]])
    >>> found = smooth(seen, one, np.ones(1), np.ones(1), np.array([0.0, 1.0]))
    >>> found[:, 0].round(3).tolist()
    [1.0, 0.368]
    """
    days, size = len(values), len(rates)
    steps = np.diff(times, prepend=times[0])
    decays = np.exp(-steps[:, None] * rates)
    length = stretch_length(days)
    starts = list(range(0, days, length))
    state = (np.zeros(size), np.eye(size))
    at_start = []
    for start in starts:
        at_start.append(state)
        if start != starts[-1]:
            for day in range(start, start + length):
                last = _filter_day(*state, values[day], rows, noise, decays[day])
                state = (last.mean, last.covariance)
    means = np.empty((days, size))
    pull, tight = np.zeros(size), np.zeros((size, size)) if take else None
    for start, begin in zip(reversed(starts), reversed(at_start), strict=True):
        stretch, state = [], begin
        for day in range(start, min(start + length, days)):
            stretch.append(_filter_day(*state, values[day], rows, noise, decays[day]))
            state = (stretch[-1].mean, stretch[-1].covariance)
        for day, step in reversed(list(enumerate(stretch, start))):
            means[day] = step.mean + step.covariance @ pull
            if take is not None and tight is not None:
                drop = step.covariance @ tight @ step.covariance
                take(day, step.covariance - drop)
            pull, tight = _back(step, pull, tight)
    return means


def _filter_day(
    mean: Floats,
    covariance: Floats,
    values: Floats,
    rows: Floats,
    noise: Floats,
    decay: Floats,
) -> _Step:
    mean = decay * mean
    covariance = covariance * np.multiply.outer(decay, decay)
    covariance[np.diag_indices_from(covariance)] += 1.0 - decay**2
    seen = np.flatnonzero(np.isfinite(values))
    if not seen.size:
        return _Step(mean, covariance, decay)
    own = rows[seen]
    mixed = own @ covariance
    among = mixed @ own.T
    among[np.diag_indices_from(among)] += noise[seen]
    factor = np.linalg.inv(np.linalg.cholesky(among))
    half = factor @ mixed
    weight = factor @ own
    news = factor @ (values[seen] - own @ mean)
    # symmetric by construction, which keeps it a covariance over thousands of days
    covariance = covariance - half.T @ half
    return _Step(mean + half.T @ news, covariance, decay, half, news, weight)


def _back(step: _Step, pull: Floats, tight: Floats | None) -> tuple[Floats, Floats | None]:
    """Carry what later days say to before the news of this day, and to the day before."""
    if step.gain is not None and step.weight is not None and step.news is not None:
        pull = pull + step.weight.T @ (step.news - step.gain @ pull)
        if tight is not None:
            side = step.gain @ tight
            cross = step.weight.T @ side
            core = side @ step.gain.T
            core[np.diag_indices_from(core)] += 1.0
            tight = tight - cross - cross.T + step.weight.T @ core @ step.weight
    pull = step.decay * pull
    if tight is not None:
        tight = tight * np.multiply.outer(step.decay, step.decay)
    return pull, tight
