"""Maps and tables as chance would have made them: what q is compared with.

A smooth response agrees with a smooth factor by chance far more often than scattered values do.
Apart from plain permutation, the randomisations here keep how smooth the response is, and break
only how it lies to the factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from headwater.errors import DataError

__all__ = [
    "GridSpectral",
    "MOST_POINTS",
    "MoranSpectral",
    "Permutation",
    "Randomisation",
    "Rotation",
    "draw_blocks",
    "present_values",
]

Floats = npt.NDArray[np.float64]

_BLOCK = 1_000_000
_RELAXATIONS = 100


class Randomisation(Protocol):
    """A way of drawing responses under the hypothesis of no effect."""

    @property
    def column(self) -> str:
        """Name of the column that holds its p-values."""

    @property
    def words(self) -> str:
        """What it does, as a methods section prints it."""

    def draw(
        self, values: npt.ArrayLike, n_resamples: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of shape (some, n) until all are drawn; NaN keep their places."""

    def tested(self, values: npt.ArrayLike) -> Floats:
        """Return what the drawn responses are compared with: the values, or those made equal."""


@dataclass(frozen=True, slots=True)
class Permutation:
    """Deal the values out to the units anew.

    Notes
    -----
    Exact where units are exchangeable; wrong for neighbouring cells of a smooth field.

    Examples
    --------
    >>> (block,) = Permutation().draw([1.0, 2.0, 3.0], 4, np.random.default_rng(1))
    >>> block.shape, set(block.sum(axis=1).tolist())
    ((4, 3), {6.0})
    """

    @property
    def column(self) -> str:
        """Name of the column that holds its p-values."""
        return "p_permutation"

    @property
    def words(self) -> str:
        """What it does."""
        return "permutations of the units"

    def draw(
        self, values: npt.ArrayLike, n_resamples: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of permuted values.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response [any unit].
        n_resamples : int
            How many permutations.
        rng : numpy Generator
            Source of randomness.

        Yields
        ------
        ndarray, shape (some, n)
        """
        array, present = present_values(values)
        for size in draw_blocks(n_resamples, array.size):
            block = np.full((size, array.size), np.nan)
            block[:, present] = rng.permuted(np.tile(array[present], (size, 1)), axis=1)
            yield block

    def tested(self, values: npt.ArrayLike) -> Floats:
        """Return the values [any unit] themselves."""
        return present_values(values)[0]


@dataclass(frozen=True, slots=True, eq=False)
class GridSpectral:
    """Flip the signs of a map's cosine waves at random.

    Attributes
    ----------
    cells : ndarray of int, shape (n,)
        Place of each unit in the grid, counted along rows.
    shape : tuple of int
        Rows and columns of the grid.
    scale : ndarray, shape (n,), optional
        Local standard deviation of the response, up to a factor
        (:func:`headwater.detector.spread.spread_across`). The response is divided by it, and so
        compared with maps that vary equally, as it then does (:meth:`tested`).

    Notes
    -----
    The map is written as a sum of cosine waves (the discrete cosine transform, DCT-II), each wave
    keeps its size and takes a random sign. So every drawn map has the same spectrum, hence the same
    smoothness, and the same trend in strength; unlike a torus, the waves have no seam where
    opposite edges meet. The waves are the eigenvectors of the grid's neighbourhoods, so that this
    is Moran spectral randomisation (its singleton form) for regular grids, in O(N log N).

    Cells without a value are bridged over, from the nearest value and relaxed to a smooth surface,
    before the transform, and are missing again after it.

    References
    ----------
    Wagner, H. H., Dray, S. (2015). Generating spatially constrained null models for irregularly
    spaced data using Moran spectral randomization methods. Methods in Ecology and Evolution 6,
    1169-1178. https://doi.org/10.1111/2041-210X.12407

    Examples
    --------
    >>> null = GridSpectral(np.arange(12), (3, 4))
    >>> (block,) = null.draw(np.arange(12.0), 5, np.random.default_rng(1))
    >>> block.std(axis=1).round(3).tolist()
    [3.452, 3.452, 3.452, 3.452, 3.452]
    """

    cells: npt.NDArray[np.intp]
    shape: tuple[int, int]
    scale: Floats | None = None

    @property
    def column(self) -> str:
        """Name of the column that holds its p-values."""
        return "p_spatial"

    @property
    def words(self) -> str:
        """What it does."""
        over = "" if self.scale is None else ", over its local standard deviation"
        waves = f"random signs of the cosine waves of the response's map{over}"
        return f"maps of the same spectrum ({waves})"

    def draw(
        self, values: npt.ArrayLike, n_resamples: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of maps with the spectrum of this one.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response by cell [any unit].
        n_resamples : int
            How many maps.
        rng : numpy Generator
            Source of randomness.

        Yields
        ------
        ndarray, shape (some, n)
        """
        from scipy.fft import dctn, idctn

        array, present = present_values(self.tested(values))
        rows, columns = np.divmod(self.cells, self.shape[1])
        rows, columns = rows - rows[present].min(), columns - columns[present].min()
        box = (int(rows[present].max()) + 1, int(columns[present].max()) + 1)
        mean = float(array[present].mean())
        sheet = np.full(box, np.nan)
        sheet[rows[present], columns[present]] = array[present] - mean
        # single precision is ample for drawing by chance, and twice as fast
        waves = dctn(_bridged(sheet), norm="ortho").astype(np.float32)
        at = rows[present] * box[1] + columns[present]
        for size in draw_blocks(n_resamples, sheet.size):
            maps = rng.integers(0, 2, (size, *box), dtype=np.int8) * np.float32(2) - np.float32(1)
            maps *= waves
            maps = idctn(maps, axes=(1, 2), norm="ortho", overwrite_x=True).reshape(size, -1)
            block = np.full((size, array.size), np.nan)
            block[:, present] = np.take(maps, at, axis=1)
            block += mean
            yield block

    def tested(self, values: npt.ArrayLike) -> Floats:
        """Divide the values by their local standard deviation, where that is known.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response by cell [any unit].

        Returns
        -------
        ndarray, shape (n,)
            The values themselves without a scale.
        """
        array, present = present_values(values)
        if self.scale is None:
            return array
        # a level set by the restless end would stand out where little varies
        mean = float(np.average(array[present], weights=self.scale[present] ** -2.0))
        equal: Floats = (array - mean) / self.scale
        return equal


def present_values(values: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Find which values are there.

    Parameters
    ----------
    values : array_like, shape (n,)
        Any; NaN is missing.

    Returns
    -------
    values, present : ndarray, shape (n,)

    Raises
    ------
    DataError
        If all are missing.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    present = ~np.isnan(array)
    if not present.any():
        raise DataError("all values are missing", found=f"{array.size} units", do="Leave it out")
    return array, present


def draw_blocks(n_resamples: int, units: int) -> Iterator[int]:
    """Cut the draws so that a block stays small in memory.

    Parameters
    ----------
    n_resamples, units : int
        Draws wanted, and values in each.

    Yields
    ------
    int
        Draws of a block.
    """
    most = max(1, _BLOCK // max(units, 1))
    for start in range(0, n_resamples, most):
        yield min(most, n_resamples - start)


def _bridged(sheet: Floats) -> Floats:
    """Fill gaps from the nearest value, then relax them towards a smooth surface."""
    from scipy.ndimage import distance_transform_edt

    gaps = np.isnan(sheet)
    if not gaps.any():
        return sheet
    nearest = distance_transform_edt(gaps, return_distances=False, return_indices=True)
    filled: Floats = sheet[tuple(nearest)]
    for _ in range(_RELAXATIONS):
        framed = np.pad(filled, 1, mode="edge")
        around = framed[:-2, 1:-1] + framed[2:, 1:-1] + framed[1:-1, :-2] + framed[1:-1, 2:]
        filled = np.where(gaps, around / 4.0, sheet)
    return filled


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
        self, values: npt.ArrayLike, n_resamples: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of patterns with the spectrum of this one.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response by unit [any unit].
        n_resamples : int
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
        for size in draw_blocks(n_resamples, array.size):
            signs = rng.integers(0, 2, (size, sizes.size), dtype=np.int8) * 2.0 - 1.0
            block = np.full((size, array.size), np.nan)
            block[:, present] = (signs * sizes) @ vectors.T + mean
            yield block

    def tested(self, values: npt.ArrayLike) -> Floats:
        """Return the values [any unit] themselves."""
        return present_values(values)[0]


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
        self, values: npt.ArrayLike, n_resamples: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of turned patterns.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response by unit [any unit].
        n_resamples : int
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
        for size in draw_blocks(n_resamples, array.size):
            block = np.full((size, array.size), np.nan)
            for row in block:
                angle = rng.uniform(0.0, 2.0 * np.pi)
                turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                turn[:, 0] *= rng.choice([-1.0, 1.0])
                row[present] = array[present][tree.query(places @ turn.T)[1]]
            yield block

    def tested(self, values: npt.ArrayLike) -> Floats:
        """Return the values [any unit] themselves."""
        return present_values(values)[0]


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


def _check_places(places: ArrayLike, most: int | None) -> None:
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
