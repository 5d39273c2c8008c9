"""Intervals of q by resampling blocks of units, which keeps what neighbours share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headwater.detector.field_covariance import FieldPlaces
from headwater.detector.null_models import Randomisation
from headwater.errors import DataError

__all__ = [
    "BlockSums",
    "Blocks",
    "Resampling",
    "block_limits",
    "point_blocks",
    "q_of_sums",
    "square_blocks",
    "unit_blocks",
]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_LEAST_BLOCKS = 16
_MOST_BLOCKS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Which block each unit belongs to; blocks are resampled whole.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
        Block of each unit, from 0.
    side : int
        Side of a square block [cells]; 0 where blocks are no squares.
    """

    labels: Places
    side: int = 0

    @property
    def number(self) -> int:
        """How many blocks there are."""
        return int(self.labels.max()) + 1

    @property
    def words(self) -> str:
        """What is resampled."""
        if self.side > 1:
            return f"{self.number} blocks of {self.side} × {self.side} cells"
        return f"{self.number} units, squares of points or random groups of units"


@dataclass(frozen=True, slots=True, eq=False)
class Resampling:
    """How tests draw responses by chance, and how intervals resample the units.

    Attributes
    ----------
    rng : numpy Generator
        Source of randomness.
    null : Randomisation or None
        For tests; None leaves them to the F distribution.
    blocks : Blocks or None
        For intervals, and for tests of two factors against each other; None leaves them to the
        F distribution.
    n_resamples : int
        How many responses, and how many resamples.
    where : FieldPlaces or None
        Where the units lie: intervals then follow from a covariance fitted to the field; None
        takes the units as independent.
    notes : tuple of str
        What a reader must know of these choices: fewer draws than asked for, a scale taken out.
    """

    rng: np.random.Generator
    null: Randomisation | None = None
    blocks: Blocks | None = None
    n_resamples: int = 999
    where: FieldPlaces | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class BlockSums:
    """Units, weight, sum and sum of squares by block and cell of a partition.

    Attributes
    ----------
    table : ndarray, shape (blocks, cells, 4)
        In that order; the response less its mean.
    """

    table: Floats

    @classmethod
    def of(
        cls,
        values: Floats,
        codes: npt.NDArray[np.int32],
        cells: int,
        blocks: Blocks,
        weights: Floats | None = None,
    ) -> BlockSums:
        """Sum the units of each block and cell.

        Parameters
        ----------
        values : ndarray, shape (n,)
            The response [any unit]; NaN is passed over.
        codes : ndarray of int32, shape (n,)
            Cell of each unit, below zero where missing.
        cells : int
            Number of cells.
        blocks : Blocks
            Of the same units.
        weights : ndarray, shape (n,), optional
            Weight of each unit.

        Returns
        -------
        BlockSums
        """
        kept = (codes >= 0) & ~np.isnan(values)
        y = values[kept] - values[kept].mean()
        unit = np.ones(y.size) if weights is None else weights[kept]
        at = blocks.labels[kept] * cells + codes[kept]
        parts = [None, unit, unit * y, unit * y**2]
        size = blocks.number * cells
        sums = [np.bincount(at, weights=part, minlength=size) for part in parts]
        table = np.stack([part.astype(np.float64) for part in sums], axis=-1)
        return cls(table.reshape(blocks.number, cells, 4))

    def resampled(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """Draw as many blocks as there are, with replacement, again and again.

        Parameters
        ----------
        n_resamples : int
            How often.
        rng : numpy Generator
            Source of randomness.

        Returns
        -------
        ndarray, shape (n_resamples, cells, 4)
        """
        blocks = len(self.table)
        drawn = rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), n_resamples).astype(
            np.float64
        )
        return (drawn @ self.table.reshape(blocks, -1)).reshape(n_resamples, *self.table.shape[1:])


def q_of_sums(sums: Floats) -> tuple[Floats, Floats]:
    """Compute q and adjusted q from sums by stratum.

    Parameters
    ----------
    sums : ndarray, shape (..., strata, 4)
        Units, weight, sum and sum of squares.

    Returns
    -------
    q, adjusted : ndarray, shape (...)
        NaN where a single stratum or no variance is left.

    Examples
    --------
    >>> q, adjusted = q_of_sums(np.array([[2.0, 2.0, -2.0, 2.5], [2.0, 2.0, 2.0, 2.5]]))
    >>> round(float(q), 3), round(float(adjusted), 3)
    (0.8, 0.7)
    """
    n, weight, first, second = np.moveaxis(sums, -1, 0)
    units, strata = n.sum(axis=-1), (n > 0).sum(axis=-1)
    squares = np.divide(first**2, weight, out=np.zeros_like(first), where=weight > 0)
    whole = weight.sum(axis=-1)
    common = np.divide(first.sum(axis=-1) ** 2, whole, out=np.zeros_like(whole), where=whole > 0)
    total = second.sum(axis=-1) - common
    sound = (strata > 1) & (units > strata) & (total > 0)
    total = np.where(sound, total, np.nan)
    q = (squares.sum(axis=-1) - common) / total
    free = np.where(sound, units - strata, 1)
    return q, 1.0 - (1.0 - q) * (units - 1) / free


def block_limits(samples: Floats, blocks: int, level: float = 0.95) -> tuple[float, float]:
    """Take the limits of an interval from resamples.

    Parameters
    ----------
    samples : ndarray, shape (resamples,)
        A statistic of each resample; NaN are left out.
    blocks : int
        How many blocks were resampled.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Quantiles of the resamples, moved away from their median by the ratio of the quantiles of
        Student's t with ``blocks - 1`` degrees of freedom and the normal distribution, for few
        blocks vary too little.

    Examples
    --------
    >>> low, high = block_limits(np.arange(101.0), 1000, 0.9)
    >>> round(low, 1), round(high, 1)
    (4.9, 95.1)
    """
    from scipy.special import ndtri, stdtrit

    kept = samples[np.isfinite(samples)]
    if kept.size == 0 or blocks < 2:
        return np.nan, np.nan
    tail = (1.0 - level) / 2.0
    low, middle, high = np.quantile(kept, [tail, 0.5, 1.0 - tail])
    wider = float(stdtrit(blocks - 1, tail) / ndtri(tail) * np.sqrt(blocks / (blocks - 1)))
    return float(middle - wider * (middle - low)), float(middle + wider * (high - middle))


def square_blocks(
    cells: Places, shape: tuple[int, int], values: Floats, side: int | None = None
) -> Blocks:
    """Cut a map into squares.

    Parameters
    ----------
    cells : ndarray of int, shape (n,)
        Place of each unit in the grid, counted along rows.
    shape : tuple of int
        Rows and columns of the grid.
    values : ndarray, shape (n,)
        The response [any unit], whose smoothness sets the side.
    side : int, optional
        Side of a square [cells]. By default twice the distance at which the response's
        autocorrelation along rows and columns falls below 0.1, but such that 16 squares fit.

    Returns
    -------
    Blocks

    Examples
    --------
    >>> square_blocks(np.arange(64), (8, 8), np.arange(64.0) % 2, side=2).number
    16
    """
    rows, columns = np.divmod(cells, shape[1])
    most = max(1, int(np.sqrt(cells.size / _LEAST_BLOCKS)))
    if side is None:
        sheet = np.full(shape, np.nan)
        sheet[rows, columns] = values
        side = min(max(1, 2 * _reach(sheet, most)), most)
    if side < 1:
        raise DataError("a block needs a side", found=f"{side}", do="Give one cell or more")
    across = -(-shape[1] // side)
    labels = np.unique(rows // side * across + columns // side, return_inverse=True)[1]
    return Blocks(labels, side)


def point_blocks(places: Floats, across: int = 6) -> Blocks:
    """Cut a point pattern into squares.

    Parameters
    ----------
    places : ndarray, shape (n, 2)
        Projected coordinates [m, or any one unit].
    across : int
        Squares along the longer side of the pattern.

    Returns
    -------
    Blocks

    Examples
    --------
    >>> point_blocks(np.array([[0.0, 0.0], [1.0, 0.0], [11.9, 12.0]])).labels
    array([0, 0, 1])
    """
    low = places.min(axis=0)
    side = max(float(np.ptp(places, axis=0).max()) / across, 1e-300)
    squares = np.minimum((places - low) // side, across - 1).astype(np.intp)
    labels = np.unique(squares[:, 0] * across + squares[:, 1], return_inverse=True)[1]
    return Blocks(labels)


def unit_blocks(n: int, rng: np.random.Generator) -> Blocks:
    """Take each unit as a block; of many units, random groups.

    Parameters
    ----------
    n : int
        Number of units.
    rng : numpy Generator
        Deals units out to groups.

    Returns
    -------
    Blocks
        At most 2000.

    Examples
    --------
    >>> unit_blocks(5, np.random.default_rng(1)).number
    5
    """
    labels = np.arange(n) % _MOST_BLOCKS
    return Blocks(rng.permutation(labels) if n > _MOST_BLOCKS else labels)


def _reach(sheet: Floats, most: int) -> int:
    """Count the cells over which the map's autocorrelation stays at 0.1 or more."""
    centred = sheet - np.nanmean(sheet)
    spread = float(np.nanmean(centred**2))
    for lag in range(1, most + 1):
        pairs = np.concatenate(
            [
                (centred[lag:] * centred[:-lag]).ravel(),
                (centred[:, lag:] * centred[:, :-lag]).ravel(),
            ]
        )
        pairs = pairs[~np.isnan(pairs)]
        if pairs.size == 0 or pairs.mean() < 0.1 * spread:
            return lag - 1
    return most
