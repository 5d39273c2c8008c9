"""Folds of coarse observations that keep neighbours in space and time together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError, nearest
from headwater.inference.blocks import spatial_blocks, temporal_blocks

__all__ = ["Fold", "KINDS", "make_folds"]

Fold = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Whether a day and cell is trained on, and whether it is tested: two arrays (time, cell)."""

KINDS = ("space", "time", "space-time", "random")
"""What is held back: squares of land, stretches of time, both at once, or days and cells at random
(which lets a learner look up its answers, and is there for comparison)."""


def make_folds(
    kind: str,
    times: Any,
    coarse_xy: Any,
    *,
    folds: int = 5,
    size_km: float | None = None,
    rng: np.random.Generator,
) -> list[Fold]:
    """Part days and cells into what is trained on and what is tested.

    Parameters
    ----------
    kind : {"space", "time", "space-time", "random"}
        What is held back.
    times : array of datetime64 (time,)
        Days of the observations.
    coarse_xy : array (cell, 2)
        Centres of the cells [km].
    folds : int
        Number of folds; "space-time" holds back every pair of as many squares and stretches.
    size_km : float, optional
        Side of a square [km]; default: about two and a half cells.
    rng : numpy Generator
        Deals out the squares.

    Returns
    -------
    list of (train, test)
        Every day and cell is tested once. Of "space-time", what shares land or time with the
        tested is neither trained on nor tested.

    Raises
    ------
    DataError
        If the kind is unknown or there are too few days or squares.

    References
    ----------
    Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure. Ecography 40, 913-929. doi:10.1111/ecog.02881

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]")
    >>> cells = np.array([[0.0, 0.0], [36.0, 0.0], [200.0, 0.0], [236.0, 0.0]])
    >>> rng = np.random.default_rng(1)
    >>> [test[0].tolist() for _, test in make_folds("space", days, cells, folds=2, rng=rng)]
    [[True, True, False, False], [False, False, True, True]]
    """
    if kind not in KINDS:
        raise DataError("unknown kind of folds", found=repr(kind), do=nearest(kind, KINDS))
    days, cells = np.asarray(times).astype("datetime64[D]"), np.asarray(coarse_xy, dtype=float)
    shape = (days.size, len(cells))
    if kind == "random":
        fold = rng.permutation(days.size * len(cells)).reshape(shape) % folds
        return [(fold != number, fold == number) for number in range(folds)]
    every = np.ones(shape, dtype=bool)
    held_days, held_cells = [np.zeros(shape, bool)], [np.zeros(shape, bool)]
    if kind in ("time", "space-time"):
        splits = temporal_blocks(days, folds=folds)
        held_days = [every & _at(test, days.size)[:, None] for _, test in splits]
    if kind in ("space", "space-time"):
        splits = spatial_blocks(cells, size=size_km or _side(cells), folds=folds, rng=rng)
        held_cells = [every & _at(test, len(cells))[None, :] for _, test in splits]
    if kind == "time":
        return [(~held, held) for held in held_days]
    if kind == "space":
        return [(~held, held) for held in held_cells]
    return [(~(d | c), d & c) for d in held_days for c in held_cells]


def _at(positions: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    chosen = np.zeros(count, dtype=bool)
    chosen[positions] = True
    return chosen


def _side(cells: NDArray[np.float64]) -> float:
    """Two and a half times the usual distance between neighbours."""
    from scipy.spatial import cKDTree

    if len(cells) < 2:
        return 1.0
    return 2.5 * float(np.median(cKDTree(cells).query(cells, k=2)[0][:, 1]))
