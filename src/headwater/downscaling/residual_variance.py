"""How sure the residual field is: posterior variance of every pixel and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwater.downscaling.baselines import bilinear_weights
from headwater.downscaling.covariance import thin_rows
from headwater.downscaling.state_space import Directions, leading_directions, smooth

if TYPE_CHECKING:
    from headwater.downscaling.covariance import Component
    from headwater.downscaling.support_operator import Support

__all__ = ["Rows", "posterior_variance"]

Floats = NDArray[np.float64]

_PIXELS_OF_CELL = 9


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """All that is observed: cells and, below them, stations.

    Attributes
    ----------
    matrix : CSR matrix, shape (n_rows, n_pixels)
        Weights of the pixels in each row.
    values : ndarray, shape (n_days, n_rows)
        NaN where there is none [m3 m-3].
    noise, lasting : ndarray, shape (n_rows,)
        Variances of the white and of the lasting error [m6 m-6].
    """

    matrix: Any
    values: Floats
    noise: Floats
    lasting: Floats


def posterior_variance(
    rows: Rows,
    support: Support,
    components: Sequence[Component],
    mixed: Sequence[Floats],
    times: Floats,
    *,
    negligible: float = 0.02,
    pixels_of_cell: int = _PIXELS_OF_CELL,
) -> NDArray[np.float32]:
    """Compute the variance that observations leave to every pixel and day.

    Parameters
    ----------
    rows : Rows
        What is observed.
    support : Support
        Of the cells over the pixels.
    components : sequence of Component
        Parts of the covariance.
    mixed : sequence of ndarray, shape (n_pixels, n_rows)
        Correlation of pixels with rows, for each component.
    times : ndarray, shape (n_days,)
        Increasing [d].
    negligible : float
        Share of the variance given by observations that may be left out, as if unexplained; zero
        for an exact answer.
    pixels_of_cell : int
        Pixels of a cell at which it is computed; it lies on straight lines between them.

    Returns
    -------
    ndarray of float32, shape (n_days, n_pixels)
        [m6 m-6]

    Examples
    --------
    A pixel seen with noise as large as its own variance keeps half of it.

    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_matrix
    >>> from headwater.downscaling.covariance import Component
    >>> grid = SimpleNamespace(matrix=csr_matrix(np.eye(1)), fine_xy=np.zeros((1, 2)))
    >>> seen = Rows(grid.matrix, np.ones((1, 1)), np.ones(1), np.zeros(1))
    >>> parts = [Component(1.0, 9.0, 2.0)]
    >>> posterior_variance(seen, grid, parts, [np.ones((1, 1))], np.zeros(1)).tolist()
    [[0.5]]
    """
    directions = _directions(rows, components, mixed, times, negligible)
    nodes = np.unique(thin_rows(rows.matrix, pixels_of_cell).indices)
    pixels = len(directions.points)
    spread = None
    if nodes.size < pixels:
        places = np.asarray(support.fine_xy, dtype=float)
        spread = bilinear_weights(places[nodes], places)
    prior = sum(one.variance for one in components)
    unknown = prior - (directions.points[nodes] ** 2).sum(axis=1)
    # components share most of their patterns: few axes hold the loadings of all of them
    values, vectors = np.linalg.eigh(directions.points[nodes].T @ directions.points[nodes])
    axes = vectors[:, values > max(1e-13, 1e-8 * negligible) * max(values[-1], 1e-300)]
    loadings = directions.points[nodes] @ axes
    found = np.empty((len(times), pixels), dtype=np.float32)

    def take(day: int, covariance: Floats) -> None:
        inner = axes.T @ covariance @ axes
        here = np.maximum(np.einsum("pi,pi->p", loadings @ inner, loadings) + unknown, 0.0)
        found[day] = here if spread is None else spread @ here

    smooth(
        rows.values,
        directions.rows,
        rows.noise + directions.left_out,
        directions.rates,
        times,
        take=take,
    )
    return found


def _directions(
    rows: Rows,
    components: Sequence[Component],
    mixed: Sequence[Floats],
    times: Floats,
    negligible: float,
) -> Directions:
    """Give a cell's lasting error a component to sit in, and count looks within each memory."""
    if rows.lasting.any() and not any(np.isinf(one.memory_days) for one in components):
        still = replace(components[0], variance=0.0, memory_days=np.inf)
        components, mixed = [*components, still], [*mixed, mixed[0]]
    seen = np.isfinite(rows.values).mean()
    looks = [max(seen * min(len(times), 2.0 * one.memory_days + 1.0), 1.0) for one in components]
    return leading_directions(
        rows.matrix, mixed, components, rows.noise, rows.lasting, looks, negligible=negligible
    )
