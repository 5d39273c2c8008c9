"""What anyone has without a model: each observed cell repeated, or straight lines between cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.wavelets import fill_in_time
from headwater.errors import DataError, nearest

if TYPE_CHECKING:
    from headwater.downscaling.support_operator import Support

__all__ = [
    "BASELINES",
    "bilinear_weights",
    "interpolate_cells",
]

BASELINES = ("nearest", "bilinear")
"""The value of the cell that covers most of a pixel, and straight lines between cell centres."""
Floats = NDArray[np.float64]


def interpolate_cells(
    observed: ArrayLike,
    support: Support,
    *,
    method: str = "bilinear",
    times: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Bring coarse values to the pixels without any predictor.

    Parameters
    ----------
    observed : array-like, shape (n_days, n_cells)
        Coarse values; days between two observations of a cell lie on a straight line, days before
        the first and after the last take its value.
    support : Support
        Of the cells over the pixels.
    method : {"bilinear", "nearest"}
        Straight lines between the centres of cells, or the cell itself.
    times : array-like of datetime64, shape (n_days,), optional
        Default: a day apart.

    Returns
    -------
    ndarray of float32, shape (n_days, n_pixels)
        In the unit of `observed`. ``bilinear`` passes over cells that were never observed;
        ``nearest`` leaves their pixels missing.

    Raises
    ------
    DataError
        If the method is unknown or nothing was observed.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_matrix
    >>> cells = csr_matrix(np.kron(np.eye(2), [[0.5, 0.5]]))
    >>> places = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    >>> grid = SimpleNamespace(matrix=cells, fine_xy=places, coarse_xy=cells @ places)
    >>> interpolate_cells([[0.1, 0.2]], grid, method="nearest").round(1).tolist()[0]
    [0.10000000149011612, 0.10000000149011612, 0.20000000298023224, 0.20000000298023224]
    """
    if method not in BASELINES:
        raise DataError("unknown baseline", found=repr(method), do=nearest(method, BASELINES))
    seen = np.asarray(observed, dtype=float)
    ever = np.isfinite(seen).any(axis=0)
    if not ever.any():
        raise DataError(
            "nothing was observed", found=f"{seen.size} values, all NaN", do="Correct the period"
        )
    when = None if times is None else np.asarray(times, dtype="datetime64[D]").astype(np.int64)
    filled = np.full(seen.shape, np.nan)
    filled[:, ever] = fill_in_time(seen[:, ever], times=when)[0]
    if method == "nearest":
        owner = np.asarray(support.matrix.argmax(axis=0)).ravel()
        return np.asarray(filled[:, owner], dtype=np.float32)
    weights = bilinear_weights(np.asarray(support.coarse_xy)[ever], support.fine_xy)
    return np.asarray((weights @ filled[:, ever].T).T, dtype=np.float32)


def bilinear_weights(coarse_xy: ArrayLike, fine_xy: ArrayLike) -> Any:
    """Weigh the cells around each pixel so that values change along straight lines between them.

    Parameters
    ----------
    coarse_xy : array-like, shape (n_cells, 2)
        Centres of the cells [km].
    fine_xy : array-like, shape (n_pixels, 2)
        Centres of the pixels [km].

    Returns
    -------
    CSR matrix, shape (n_pixels, n_cells)
        Rows sum to one.

    Notes
    -----
    Cells that take part need not fill a rectangle (some are left out, and projections bend
    rows), so the plane is parted into triangles of neighbouring centres and weights are linear in
    each; a pixel outside of all centres takes the value of its nearest cell.

    Examples
    --------
    >>> corners = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> bilinear_weights(corners, [[0.0, 0.25], [2.0, 2.0]]).toarray().tolist()
    [[0.75, 0.25, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """
    from scipy.sparse import csr_matrix
    from scipy.spatial import Delaunay, QhullError, cKDTree

    cells, pixels = np.asarray(coarse_xy, dtype=float), np.asarray(fine_xy, dtype=float)
    corner = np.repeat(cKDTree(cells).query(pixels)[1][:, None], 3, axis=1)
    weight = np.zeros((len(pixels), 3))
    weight[:, 0] = 1.0
    try:
        triangles = Delaunay(cells)
        inside = triangles.find_simplex(pixels, tol=1e-9)
        hit = inside >= 0
        frame = triangles.transform[inside[hit]]
        two = np.einsum("nij,nj->ni", frame[:, :2], pixels[hit] - frame[:, 2])
        corner[hit] = triangles.simplices[inside[hit]]
        weight[hit] = np.column_stack([two, 1.0 - two.sum(axis=1)])
    except QhullError:
        # fewer than three cells, or all on one line: the nearest one is all there is
        pass
    rows = np.repeat(np.arange(len(pixels)), 3)
    shape = (len(pixels), len(cells))
    found = csr_matrix((weight.ravel(), (rows, corner.ravel())), shape)
    found.eliminate_zeros()
    return found
