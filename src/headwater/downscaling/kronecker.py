"""Weights of a Gaussian process whose covariance is a sum of products of space and time.

With S_k between rows and T_k between days, observations z have the covariance

    C = Σ_k T_k ⊗ S_k + B + R ,

B and R the lasting and the white error of each row. C is never formed: T_k, an exponential, is
applied by one walk forward and one back through the days, and C w = z is solved by conjugate
gradients, the same steps in the same order every time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError

__all__ = ["remember", "solve_weights"]

Floats = NDArray[np.float64]


def remember(weights: Floats, times: Floats, memory: float) -> Floats:
    """Multiply by exp(−|t − t'| / τ) along the days.

    Parameters
    ----------
    weights : ndarray, shape (n_days, n)
        What is to be multiplied.
    times : ndarray, shape (n_days,)
        Increasing [d].
    memory : float
        τ [d]; infinite for a sum over all days.

    Returns
    -------
    ndarray, shape (n_days, n)

    Examples
    --------
    >>> remember(np.array([[1.0], [0.0]]), np.array([0.0, 1.0]), 1.0).round(3).tolist()
    [[1.0], [0.368]]
    """
    if np.isinf(memory):
        return np.broadcast_to(weights.sum(axis=0), weights.shape)
    decay = np.exp(-np.diff(times) / memory)
    found = weights.copy()
    for day in range(1, len(found)):
        found[day] += decay[day - 1] * found[day - 1]
    back = np.zeros(weights.shape[1])
    for day in range(len(found) - 2, -1, -1):
        back = decay[day] * (back + weights[day + 1])
        found[day] += back
    return found


def solve_weights(
    values: Floats,
    times: Floats,
    spaces: Sequence[tuple[Floats, float]],
    noise: Floats,
    lasting: Floats,
    *,
    tolerance: float = 1e-12,
    most: int = 5000,
) -> Floats:
    """Solve C w = z over all observed rows and days.

    Parameters
    ----------
    values : ndarray, shape (n_days, n_rows)
        Observations z; NaN where there is none.
    times : ndarray, shape (n_days,)
        Increasing [d].
    spaces : sequence of (ndarray of shape (n_rows, n_rows), float)
        S_k and its memory τ_k [d].
    noise, lasting : ndarray, shape (n_rows,)
        Variances of the white and of the lasting error of each row.
    tolerance : float
        Largest norm of what is left, as a share of that of z.
    most : int
        Most steps.

    Returns
    -------
    ndarray, shape (n_days, n_rows)
        Zero where nothing was observed.

    Raises
    ------
    DataError
        If the steps do not suffice.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> solve_weights(2 * one, np.zeros(1), [(one, 1.0)], np.ones(1), np.zeros(1)).tolist()
    [[1.0]]
    """
    seen = np.isfinite(values)

    def apply(weights: Floats) -> Floats:
        found = noise * weights + lasting * weights.sum(axis=0)
        for among, memory in spaces:
            found += remember(weights, times, memory) @ among
        return np.where(seen, found, 0.0)

    left = np.where(seen, values, 0.0)
    # a row's own variance, for stations may be far quieter than cells
    scale = 1.0 / (noise + lasting + sum(np.diag(among) for among, _ in spaces))
    weights, wanted = np.zeros_like(left), tolerance * np.linalg.norm(left)
    step = scale * left
    along, reach = step, float((left * step).sum())
    for _ in range(most):
        if np.linalg.norm(left) <= wanted:
            return weights
        moved = apply(along)
        length = reach / float((along * moved).sum())
        weights = weights + length * along
        left = left - length * moved
        step = scale * left
        before, reach = reach, float((left * step).sum())
        along = step + (reach / before) * along
    raise DataError(
        "the residual field could not be solved for",
        found=f"{np.linalg.norm(left) / np.linalg.norm(values[seen]):.1e} left after {most} steps",
        do="Check the covariance: noise next to zero makes it nearly singular",
    )
