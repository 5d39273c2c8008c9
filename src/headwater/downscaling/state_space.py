"""The field as independent directions that remember: which, and their filter and smoother."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from headwater.downscaling.covariance import Component

__all__ = [
    "Directions",
    "leading_directions",
    "smooth",
    "stretch_length",
]

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


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Fields of several components by independent coefficients of unit variance.

    Attributes
    ----------
    rows : ndarray, shape (n_rows, m)
        What each coefficient adds to a row (cell or station) [unit of the field].
    points : ndarray, shape (n_points, m)
        What it says of a point: its best prediction from the rows.
    rates : ndarray, shape (m,)
        Inverse memory of each coefficient [d-1].
    left_out : ndarray, shape (n_rows,)
        Variance of a row in directions that were left out.
    """

    rows: Floats
    points: Floats
    rates: Floats
    left_out: Floats


def leading_directions(
    matrix: csr_matrix,
    mixed: Sequence[Floats],
    components: Sequence[Component],
    noise: Floats,
    lasting: Floats,
    looks: Sequence[float],
    *,
    negligible: float,
) -> Directions:
    """Part each component into directions and keep those that observations can resolve.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row: cells, and a station as a row with a single one.
    mixed : sequence of ndarray, shape (n_points, n_rows)
        Correlation of points with rows, for each component.
    components : sequence of Component
        Parts of the covariance.
    noise, lasting : ndarray, shape (n_rows,)
        Variances of a row's white noise and of its error that never changes; the latter shares the
        directions of the component that never changes.
    looks : sequence of float
        For each component, about how many observations of a row fall within its memory.
    negligible : float
        Share of the variance that observations hold and that may be left out, as if unobserved.

    Returns
    -------
    Directions

    Notes
    -----
    A K Aᵀ = U Λ Uᵀ; rows U Λ^½ and points K Aᵀ U Λ^−½. For a covariance that is a product of space
    and time, a point given all rows' series depends on the rows of its own day alone, so nothing
    is lost but the directions left out, and their variance then counts as unexplained: standard
    deviations err to the safe side.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from headwater.downscaling.covariance import Component
    >>> halves = csr_array(np.array([[0.5, 0.5]]))
    >>> mixed = np.array([[0.684], [0.684]])
    >>> found = leading_directions(
    ...     halves, [mixed], [Component(1.0, 1.0, 9.0)], np.ones(1), np.zeros(1), [1.0],
    ...     negligible=0.0)
    >>> found.rows.round(3).tolist(), found.points.round(3).tolist()
    ([[0.827]], [[0.827], [0.827]])
    """
    parted = []
    for one, part, count in zip(components, mixed, looks, strict=True):
        among = np.asarray(matrix @ part) * one.variance
        among = (among + among.T) / 2.0
        whole = among + np.diag(lasting) if np.isinf(one.memory_days) else among
        values, vectors = np.linalg.eigh(whole)
        values = np.maximum(values, 1e-300)
        # what a coefficient that is known says of the rows' field, times how well it is known
        explained = ((among @ vectors) ** 2).sum(axis=0) / values
        parted.append((values, vectors, explained / (1.0 + noise.mean() / (values * count))))
    gains = np.concatenate([one[2] for one in parted])
    order = np.argsort(gains, kind="stable")
    lost = np.cumsum(gains[order]) <= max(negligible, 1e-13) * gains.sum()
    keep = np.ones(gains.size, dtype=bool)
    keep[order[lost]] = False
    rows, points, left_out = [], [], np.zeros(matrix.shape[0])
    kept_of = np.split(keep, len(components))
    for one, part, (values, vectors, _), kept in zip(
        components, mixed, parted, kept_of, strict=True
    ):
        scale = np.sqrt(values[kept])
        rows.append(vectors[:, kept] * scale)
        points.append(part @ (vectors[:, kept] * (one.variance / scale)))
        left_out += (vectors[:, ~kept] ** 2) @ values[~kept]
    rates = [
        np.full(kept.sum(), 1.0 / one.memory_days)
        for one, kept in zip(components, kept_of, strict=True)
    ]
    return Directions(np.hstack(rows), np.hstack(points), np.concatenate(rates), left_out)
