"""Seamless days: how long ago, or how soon, each pixel was really observed, and its whole error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from headwater.downscaling.support_operator import Support

__all__ = ["days_to_observation", "observed_within", "total_sd"]


def days_to_observation(
    observed: ArrayLike, support: Support, days: ArrayLike, *, fill_edges: bool = False
) -> NDArray[np.int16]:
    """Count the days from each pixel and day to the nearest observation of one of its cells.

    Parameters
    ----------
    observed : array-like of bool, shape (n_days, n_cells)
        Where there is a retrieval.
    support : Support
        Of the cells over the pixels.
    days : array-like of datetime64, shape (n_days,)
        Increasing.
    fill_edges : bool
        Whether a pixel in no cell counts the observations of the nearest cell, if its centre lies
        no further from that of the cell than neighbouring cells do from each other.

    Returns
    -------
    ndarray of int16, shape (n_days, n_pixels)
        Days since or until then, whichever is less; −1 where no cell of the pixel was ever
        observed.

    Raises
    ------
    DataError
        If the shape does not fit.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_matrix
    >>> grid = SimpleNamespace(matrix=csr_matrix([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]))
    >>> days = np.datetime64("2019-07-01") + np.arange(3)
    >>> days_to_observation([[1, 0], [0, 0], [0, 1]], grid, days).tolist()
    [[0, 0, 2], [1, 1, 1], [2, 0, 0]]
    """
    seen = np.asarray(observed, dtype=bool)
    times = np.asarray(days, dtype="datetime64[D]").astype(np.int64)
    if seen.shape != (times.size, support.matrix.shape[0]):
        raise DataError(
            "observations do not fit their days and cells",
            found=f"{seen.shape}",
            do="Give a row for each day and a column for each cell",
        )
    far = np.int64(2**15)
    last, following = np.full(seen.shape, -far), np.full(seen.shape, far) + times[-1]
    last[0], following[-1] = np.where(seen[0], times[0], -far), np.where(seen[-1], times[-1], far)
    for day in range(1, times.size):
        last[day] = np.where(seen[day], times[day], last[day - 1])
        following[-1 - day] = np.where(seen[-1 - day], times[-1 - day], following[-day])
    away = np.minimum(times[:, None] - last, following - times[:, None])
    away = np.where(seen.any(axis=0), away, far)
    found = _least_of_cells(away, support.matrix, far)
    if fill_edges:
        pixels, cells = _edges(support)
        near = np.where(away[:, cells] >= far, -1, away[:, cells]).astype(np.int16)
        found[:, pixels] = near
    return found


def _edges(support: Support) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find pixels in no cell, and the cell next to each."""
    from scipy.spatial import cKDTree

    alone = np.flatnonzero(np.asarray(support.matrix.sum(axis=0)).ravel() == 0)
    tree = cKDTree(np.asarray(support.coarse_xy, dtype=float))
    if len(tree.data) < 2 or not alone.size:
        return alone[:0], alone[:0]
    spacing = float(np.median(tree.query(tree.data, k=2)[0][:, 1]))
    distance, cell = tree.query(np.asarray(support.fine_xy, dtype=float)[alone])
    near = distance <= spacing
    return alone[near], np.asarray(cell, dtype=np.intp)[near]


def _least_of_cells(
    away: NDArray[np.int64], matrix: csr_matrix, far: np.int64
) -> NDArray[np.int16]:
    columns = matrix.tocsc()
    found = np.full((len(away), matrix.shape[1]), far, dtype=np.int64)
    # a pixel lies in few cells: take its first, second, ... cell for all pixels at once
    size = np.diff(columns.indptr)
    for place in range(int(size.max(initial=0))):
        pixels = np.flatnonzero(size > place)
        cells = columns.indices[columns.indptr[pixels] + place]
        found[:, pixels] = np.minimum(found[:, pixels], away[:, cells])
    return np.where(found >= far, -1, found).astype(np.int16)


def observed_within(away: ArrayLike, k: int) -> NDArray[np.bool_]:
    """Say which pixels and days have an observation at most `k` days off.

    Parameters
    ----------
    away : array-like of int
        As of :func:`days_to_observation`.
    k : int
        Days, zero or more.

    Returns
    -------
    ndarray of bool, of the same shape

    Examples
    --------
    >>> observed_within([0, 3, 9, -1], 3).tolist()
    [True, True, False, False]
    """
    found = np.asarray(away)
    return (found >= 0) & (found <= k)


def total_sd(residual_sd: ArrayLike, learner_sd: ArrayLike) -> Any:
    """Join the uncertainty of the residual field and the learner's own at the fine scale.

    Parameters
    ----------
    residual_sd, learner_sd : array-like
        Standard deviations that know nothing of each other [m3 m-3]. A residual field that does
        not know its own (NaN) adds none: the learner's then is that of both.

    Returns
    -------
    ndarray
        Root of the sum of squares [m3 m-3].

    Examples
    --------
    >>> round(float(total_sd(0.03, 0.04)), 3)
    0.05
    """
    return np.hypot(np.nan_to_num(residual_sd, nan=0.0), learner_sd)
