"""The field as independent directions that remember, first those that observations resolve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from headwater.downscaling.covariance import Component

__all__ = ["Directions", "leading_directions"]

Floats = NDArray[np.float64]


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
