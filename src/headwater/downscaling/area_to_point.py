"""How a field's covariance between points becomes one between cells, and between cells and points.

With A the support operator and K the covariance of points, cells have A K Aᵀ and points and cells
K Aᵀ, so that an average over a cell is never mistaken for the value at its centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "cell_correlation",
    "cell_variance",
    "point_to_area",
    "thin_rows",
]

Floats = NDArray[np.float64]

_CHUNK = 2**22


def point_to_area(matrix: Any, places: Floats, lengths: Sequence[float]) -> list[Floats]:
    """Correlate every point with the average over every row of an operator.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row, each row summing to one.
    places : ndarray, shape (n_points, 2)
        Places of the points [km].
    lengths : sequence of float
        Ranges L of the correlation exp(−d / L) [km].

    Returns
    -------
    list of ndarray, shape (n_points, n_rows)
        One for each range.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> halves = csr_array(np.array([[0.5, 0.5]]))
    >>> (one,) = point_to_area(halves, np.array([[0.0, 0.0], [1.0, 0.0]]), [1.0])
    >>> np.round(one[:, 0], 4).tolist()
    [0.6839, 0.6839]
    """
    from scipy.spatial.distance import cdist

    used = np.unique(matrix.indices)
    weights = matrix[:, used].T.tocsc()
    found = [np.empty((len(places), matrix.shape[0])) for _ in lengths]
    step = max(1, _CHUNK // max(used.size, 1))
    for start in range(0, len(places), step):
        distance = cdist(places[start : start + step], places[used])
        for one, length in zip(found, lengths, strict=True):
            one[start : start + step] = np.exp(distance / -length) @ weights
    return found


def cell_variance(matrix: Any, places: Floats, length: float) -> Floats:
    """Return the variance of each row's average of a field of unit variance.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row.
    places : ndarray, shape (n_points, 2)
        Places of the points [km].
    length : float
        Range of the correlation [km].

    Returns
    -------
    ndarray, shape (n_rows,)

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> halves = csr_array(np.array([[0.5, 0.5]]))
    >>> np.round(cell_variance(halves, np.array([[0.0, 0.0], [1.0, 0.0]]), 1.0), 4).tolist()
    [0.6839]
    """
    from scipy.spatial.distance import cdist

    variance = np.empty(matrix.shape[0])
    for row in range(matrix.shape[0]):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        inside, weight = places[matrix.indices[part]], matrix.data[part]
        variance[row] = weight @ np.exp(cdist(inside, inside) / -length) @ weight
    return variance


def thin_rows(matrix: Any, most: int) -> Any:
    """Keep at most so many evenly spread points of each row, for sums that need no more.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row.
    most : int
        Points to keep in a row.

    Returns
    -------
    CSR matrix of the same shape
        Rows sum to one again.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> thin_rows(csr_array(np.full((1, 9), 1 / 9)), 3).toarray().round(2).tolist()
    [[0.0, 0.33, 0.0, 0.0, 0.33, 0.0, 0.0, 0.33, 0.0]]
    """
    from scipy.sparse import csr_matrix

    indices: list[Any] = []
    weights: list[Any] = []
    for row in range(matrix.shape[0]):
        part = np.arange(matrix.indptr[row], matrix.indptr[row + 1])
        if part.size > most:
            part = part[((np.arange(most) + 0.5) * part.size / most).astype(int)]
        indices.append(matrix.indices[part])
        weights.append(matrix.data[part] / max(matrix.data[part].sum(), 1e-300))
    starts = np.concatenate([[0], np.cumsum([len(one) for one in indices])])
    return csr_matrix((np.concatenate(weights), np.concatenate(indices), starts), matrix.shape)


def cell_correlation(matrix: Any, places: Floats, length: float, *, most: int) -> Floats:
    """Correlate rows with rows: exact within a row, by thinned rows between them.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row.
    places : ndarray, shape (n_points, 2)
        Places of the points [km].
    length : float
        Range of the correlation [km].
    most : int
        Points of a row that take part between rows.

    Returns
    -------
    ndarray, shape (n_rows, n_rows)

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> points = csr_array(np.eye(2))
    >>> places = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> cell_correlation(points, places, 1.0, most=9).round(4).tolist()
    [[1.0, 0.3679], [0.3679, 1.0]]
    """
    thin = thin_rows(matrix, most)
    found = np.asarray(thin @ point_to_area(thin, places, [length])[0])
    np.fill_diagonal(found, cell_variance(matrix, places, length))
    return found
