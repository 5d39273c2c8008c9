"""Cross-validation whose test data are not neighbours of its training data.

Values close in time or space resemble each other, so that a random split lets a model look up its
answers. Here whole blocks are held back, with a buffer around them that nobody uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__ = ["Split", "spatial_blocks", "temporal_blocks"]

Split = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions of the training units and of the test units."""


def temporal_blocks(times: ArrayLike, *, folds: int = 5, buffer: Any = None) -> list[Split]:
    """Hold back one stretch of time after the other.

    Parameters
    ----------
    times : array, shape (unit,)
        Time of every unit, in any order: datetime64, cftime or numbers. Units of one time stay
        together.
    folds : int
        Number of stretches, with times as evenly shared out as can be.
    buffer : timedelta or number, optional
        Training units as close as this to a tested stretch, before or after, are left out [as the
        difference of two `times`].

    Returns
    -------
    list of (train, test)
        Positions in `times`; every unit is tested exactly once. Fits wherever scikit-learn takes
        ``cv=``.

    Raises
    ------
    DataError
        If there are fewer times than folds, a time is missing, or the buffer leaves nothing to
        train on.

    References
    ----------
    Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure. Ecography 40, 913-929. doi:10.1111/ecog.02881

    Examples
    --------
    >>> [test.tolist() for train, test in temporal_blocks(np.arange(6), folds=3)]
    [[0, 1], [2, 3], [4, 5]]
    >>> temporal_blocks(np.arange(6), folds=3, buffer=1)[1][0].tolist()
    [0, 5]
    """
    axis = np.asarray(times)
    if axis.dtype.kind in "fmM" and np.isnan(axis).any():
        raise DataError("a unit has no time", found="NaN or NaT", do="Leave such units out")
    distinct, which = np.unique(axis, return_inverse=True)
    _check_folds(folds, len(distinct), "times")
    fold = (np.arange(len(distinct)) * folds // len(distinct))[which]
    splits = []
    for number in range(folds):
        tested = fold == number
        train = ~tested
        if buffer is not None:
            first, last = axis[tested].min(), axis[tested].max()
            train &= (axis < first - buffer) | (axis > last + buffer)
        splits.append(_split(train, tested, buffer))
    return splits


def spatial_blocks(
    coordinates: ArrayLike,
    *,
    size: float,
    folds: int = 5,
    buffer: float = 0.0,
    rng: np.random.Generator,
) -> list[Split]:
    """Hold back squares of land, dealt out to the folds at random.

    Parameters
    ----------
    coordinates : array, shape (unit, 2)
        Projected coordinates [m, or any one unit]; degrees would make squares of unequal sides.
    size : float
        Side of a square [unit of the coordinates]; choose it longer than the field is correlated.
    folds : int
        Number of folds.
    buffer : float
        Training units as close as this to a test unit are left out [unit of the coordinates]; 0
        for none.
    rng : numpy Generator
        Shuffles the squares; the same generator state gives the same folds.

    Returns
    -------
    list of (train, test)
        Positions in `coordinates`; every unit is tested exactly once.

    Raises
    ------
    DataError
        If fewer squares than folds are occupied, a coordinate is missing, or the buffer leaves
        nothing to train on.

    Notes
    -----
    Squares are dealt in random order, each to the fold that holds the fewest units so far, so that
    folds are of nearly equal size.

    References
    ----------
    Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure. Ecography 40, 913-929. doi:10.1111/ecog.02881

    Examples
    --------
    >>> places = np.array([[0.0, 0.0], [1.0, 0.0], [10.0, 0.0], [11.0, 0.0]])
    >>> splits = spatial_blocks(places, size=5, folds=2, rng=np.random.default_rng(1))
    >>> sorted(test.tolist() for train, test in splits)
    [[0, 1], [2, 3]]
    """
    places = _checked_places(coordinates, size)
    squares, which, held = np.unique(
        np.floor((places - places.min(axis=0)) / size).astype(np.int64),
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    _check_folds(folds, len(squares), "occupied squares")
    load, owner = np.zeros(folds, dtype=np.int64), np.empty(len(squares), dtype=np.int64)
    for square in rng.permutation(len(squares)):
        owner[square] = load.argmin()
        load[owner[square]] += held[square]
    fold = owner[which.ravel()]
    splits = []
    for number in range(folds):
        tested = fold == number
        train = ~tested
        if buffer > 0:
            train &= _farther(places, places[tested], buffer)
        splits.append(_split(train, tested, buffer))
    return splits


def _farther(
    places: NDArray[np.float64], tested: NDArray[np.float64], buffer: float
) -> NDArray[np.bool_]:
    from scipy.spatial import cKDTree

    apart: NDArray[np.float64] = cKDTree(tested).query(places)[0]
    return apart > buffer


def _split(train: NDArray[np.bool_], tested: NDArray[np.bool_], buffer: Any) -> Split:
    if not train.any():
        raise DataError(
            "the buffer leaves nothing to train on",
            found=f"buffer {buffer}",
            do="Give a smaller buffer or more folds",
        )
    return np.flatnonzero(train), np.flatnonzero(tested)


def _check_folds(folds: int, available: int, of_what: str) -> None:
    if not 2 <= folds <= available:
        raise DataError(
            f"{folds} folds cannot be made",
            found=f"{available} {of_what}",
            do="Give at least 2 folds, and no more than there are blocks",
        )


def _checked_places(coordinates: ArrayLike, size: float) -> NDArray[np.float64]:
    places = np.asarray(coordinates, dtype=float)
    if places.ndim != 2 or places.shape[1] != 2 or not np.isfinite(places).all():
        raise DataError(
            "every unit needs two finite coordinates",
            found=f"an array of shape {places.shape}",
            do="Give shape (unit, 2) and leave out units without a place",
        )
    if not size > 0:
        raise DataError("a square needs a side", found=f"{size:g}", do="Give a positive size")
    return places
