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

from headwater.errors import DataError

__all__ = ["GridSpectral", "Permutation", "Randomisation", "draw_blocks", "present_values"]

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
        self, values: npt.ArrayLike, number: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of shape (some, n) until `number` rows are drawn; NaN keep their places."""


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
        self, values: npt.ArrayLike, number: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of permuted values.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response [any unit].
        number : int
            How many permutations.
        rng : numpy Generator
            Source of randomness.

        Yields
        ------
        ndarray, shape (some, n)
        """
        array, present = present_values(values)
        for size in draw_blocks(number, array.size):
            block = np.full((size, array.size), np.nan)
            block[:, present] = rng.permuted(np.tile(array[present], (size, 1)), axis=1)
            yield block


@dataclass(frozen=True, slots=True, eq=False)
class GridSpectral:
    """Flip the signs of a map's cosine waves at random.

    Attributes
    ----------
    cells : ndarray of int, shape (n,)
        Place of each unit in the grid, counted along rows.
    shape : tuple of int
        Rows and columns of the grid.

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

    @property
    def column(self) -> str:
        """Name of the column that holds its p-values."""
        return "p_spatial"

    @property
    def words(self) -> str:
        """What it does."""
        return "maps of the same spectrum (random signs of the cosine waves of the response's map)"

    def draw(
        self, values: npt.ArrayLike, number: int, rng: np.random.Generator
    ) -> Iterator[Floats]:
        """Yield blocks of maps with the spectrum of this one.

        Parameters
        ----------
        values : array_like, shape (n,)
            The response by cell [any unit].
        number : int
            How many maps.
        rng : numpy Generator
            Source of randomness.

        Yields
        ------
        ndarray, shape (some, n)
        """
        from scipy.fft import dctn, idctn

        array, present = present_values(values)
        rows, columns = np.divmod(self.cells, self.shape[1])
        rows, columns = rows - rows[present].min(), columns - columns[present].min()
        box = (int(rows[present].max()) + 1, int(columns[present].max()) + 1)
        mean = float(array[present].mean())
        sheet = np.full(box, np.nan)
        sheet[rows[present], columns[present]] = array[present] - mean
        # single precision is ample for drawing by chance, and twice as fast
        waves = dctn(_bridged(sheet), norm="ortho").astype(np.float32)
        at = rows[present] * box[1] + columns[present]
        for size in draw_blocks(number, sheet.size):
            maps = rng.integers(0, 2, (size, *box), dtype=np.int8) * np.float32(2) - np.float32(1)
            maps *= waves
            maps = idctn(maps, axes=(1, 2), norm="ortho", overwrite_x=True).reshape(size, -1)
            block = np.full((size, array.size), np.nan)
            block[:, present] = np.take(maps, at, axis=1)
            block += mean
            yield block


def present_values(values: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Tell which values are there.

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


def draw_blocks(number: int, units: int) -> Iterator[int]:
    """Cut the draws so that a block stays small in memory.

    Parameters
    ----------
    number, units : int
        Draws wanted, and values in each.

    Yields
    ------
    int
        Draws of a block.
    """
    most = max(1, _BLOCK // max(units, 1))
    for start in range(0, number, most):
        yield min(most, number - start)


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
