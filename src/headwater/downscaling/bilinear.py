"""Residuals of cells spread to pixels by straight lines: first along time, then over the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bilinear_weights"]

Floats = NDArray[np.float64]


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
