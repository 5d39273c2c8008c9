"""Point patterns as chance would have made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headwater.detector.null_models import draw_blocks, present_values
from headwater.errors import DataError

__all__ = ["MOST_POINTS", "MoranSpectral", "Rotation"]

Floats = npt.NDArray[np.float64]

MOST_POINTS = 2500
"""Up to this many points their Moran eigenvectors are computed."""


@dataclass(frozen=True, slots=True, eq=False)
class MoranSpectral:
    """Flip the signs of a point pattern's Moran eigenvectors at random.

    Attributes
    ----------
    places : ndarray, shape (n, 2)
        Projected coordinates of the units [m, or any one unit]; at most 2500, for all pairs are
        held in memory.

    Notes
    -----
    With weights falling linearly from 1 at no distance to 0 at the greatest one, W is doubly
    centred; its eigenvectors are patterns from the broadest to the finest. The response is written
    as their sum, each keeps its size and takes a random sign (the singleton form).

    References
    ----------
    Wagner, H. H., Dray, S. (2015). Generating spatially constrained null models for irregularly
    spaced data using Moran spectral randomization methods. Methods in Ecology and Evolution 6,
    1169-1178. https://doi.org/10.1111/2041-210X.12407

    Examples
    --------
    >>> places = np.random.default_rng(1).uniform(size=(20, 2))
    >>> (block,) = MoranSpectral(places).draw(places[:, 0], 3, np.random.default_rng(2))
    >>> block.std(axis=1).round(6).tolist() == [round(places[:, 0].std(), 6)] * 3
    True
    """

    places: Floats

    def __post_init__(self) -> None:
        _check_places(self.places, MOST_POINTS)

    @property
    def column(self) -> str:
        """Name of the column that holds its p-values."""
        return "p_spatial"

    @property
    def words(self) -> str:
        """What it does."""
        return "patterns of the same spectrum (random signs of the Moran eigenvectors)"

    def draw(
        self, values: npt.ArrayLike, number: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of patterns with the spectrum of this one.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response by unit [any unit].
        number : int
            How many patterns.
        rng : numpy Generator
            Source of randomness.

        Yields
        ------
        ndarray, shape (some, n)
        """
        array, present = present_values(values)
        mean = float(array[present].mean())
        vectors = _moran_vectors(self.places[present])
        sizes = vectors.T @ (array[present] - mean)
        for size in draw_blocks(number, array.size):
            signs = rng.integers(0, 2, (size, sizes.size), dtype=np.int8) * 2.0 - 1.0
            block = np.full((size, array.size), np.nan)
            block[:, present] = (signs * sizes) @ vectors.T + mean
            yield block


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """Turn and mirror a point pattern about its centre at random.

    Attributes
    ----------
    places : ndarray, shape (n, 2)
        Projected coordinates of the units [m, or any one unit].

    Notes
    -----
    Each unit takes the value nearest to where it comes to lie. Values near the centre move little,
    and units turned out of the pattern all take values of its edge: :class:`MoranSpectral` holds
    its level better.

    Examples
    --------
    >>> places = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> (block,) = Rotation(places).draw([1.0, 2.0, 3.0, 4.0], 2, np.random.default_rng(1))
    >>> block.shape
    (2, 4)
    """

    places: Floats

    def __post_init__(self) -> None:
        _check_places(self.places, None)

    @property
    def column(self) -> str:
        """Name of the column that holds its p-values."""
        return "p_spatial"

    @property
    def words(self) -> str:
        """What it does."""
        return "random rotations and reflections of the pattern"

    def draw(
        self, values: npt.ArrayLike, number: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of turned patterns.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response by unit [any unit].
        number : int
            How many patterns.
        rng : numpy Generator
            Source of randomness.

        Yields
        ------
        ndarray, shape (some, n)
        """
        from scipy.spatial import cKDTree

        array, present = present_values(values)
        places = self.places[present] - self.places[present].mean(axis=0)
        tree = cKDTree(places)
        for size in draw_blocks(number, array.size):
            block = np.full((size, array.size), np.nan)
            for row in block:
                angle = rng.uniform(0.0, 2.0 * np.pi)
                turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                turn[:, 0] *= rng.choice([-1.0, 1.0])
                row[present] = array[present][tree.query(places @ turn.T)[1]]
            yield block


def _moran_vectors(places: Floats) -> Floats:
    from scipy.linalg import eigh
    from scipy.spatial.distance import cdist

    distance = cdist(places, places)
    weights = 1.0 - distance / max(float(distance.max()), 1e-300)
    weights -= weights.mean(axis=0)
    weights -= weights.mean(axis=1, keepdims=True)
    vectors: Floats = eigh(weights)[1]
    # one vector is the constant, whose sign must not turn the mean about: it has no size here
    return vectors


def _check_places(places: Any, most: int | None) -> None:
    array = np.asarray(places)
    sound = array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind in "iuf"
    if not sound or not np.isfinite(array).all():
        raise DataError(
            "every unit needs two finite coordinates",
            found=f"an array of shape {array.shape}",
            do="Give shape (n, 2), projected, without missing values",
        )
    if most is not None and len(array) > most:
        raise DataError(
            "too many points for their eigenvectors",
            found=f"{len(array)} points, at most {most}",
            do="Put them on a grid (GridSpectral), thin them, or use Rotation",
        )
