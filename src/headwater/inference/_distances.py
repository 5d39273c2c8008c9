"""Sums over all pairs of places by distance class: pair by pair for points, by FFT for grids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError

__all__: list[str] = []

Floats = NDArray[np.float64]

_ON_THE_EDGE = 1e-9
_PAIRS_AT_ONCE = 2_000_000


class Distances(Protocol):
    """Sums over pairs of places by distance class; class 0 is each place with itself."""

    width: float
    counts: Floats

    def products(self, field: Floats) -> Floats: ...
    def row_sums(self, correlation: Floats) -> Floats: ...


class PointDistances:
    """All pairs of scattered places, in blocks of rows."""

    def __init__(
        self, places: Floats, mask: NDArray[np.bool_], width: float | None, classes: int | None
    ) -> None:
        self.places, self.mask = places[mask], mask
        farthest = max(float(block.max()) for _, block in self._blocks())
        self.width = _class_width(width, classes, farthest)
        self.classes = _class_of(np.array(farthest), self.width).item() + 1
        n = len(self.places)
        self.by_row = np.zeros((n, self.classes))
        for rows, index in self._indexed():
            flat = index + self.classes * np.arange(len(index))[:, None]
            count = np.bincount(flat.ravel(), minlength=flat.shape[0] * self.classes)
            self.by_row[rows] = count.reshape(-1, self.classes)
        self.counts: Floats = self.by_row.sum(axis=0)

    def _blocks(self) -> Iterator[tuple[slice, Floats]]:
        from scipy.spatial.distance import cdist

        n = len(self.places)
        step = max(1, _PAIRS_AT_ONCE // n)
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            yield rows, cdist(self.places[rows], self.places)

    def _indexed(self) -> Iterator[tuple[slice, NDArray[np.int64]]]:
        for rows, distance in self._blocks():
            index = np.maximum(_class_of(distance, self.width), 1)
            index[np.arange(len(index)), np.arange(rows.start, rows.stop)] = 0
            yield rows, index

    def products(self, field: Floats) -> Floats:
        """Sum field(i) field(j) over all ordered pairs of each class."""
        values, total = field[self.mask], np.zeros(self.classes)
        for rows, index in self._indexed():
            pairs = np.multiply.outer(values[rows], values)
            total += np.bincount(index.ravel(), pairs.ravel(), minlength=self.classes)
        return total

    def row_sums(self, correlation: Floats) -> Floats:
        """Sum the correlation of every place with all places."""
        sums: Floats = self.by_row @ correlation
        return sums


class GridDistances:
    """All pairs of valid cells of a grid, by displacement, through the FFT.

    A class depends on the steps between two rows and two columns but not on their signs, so
    everything folds into one quadrant, where the transform of an even array is the cosine
    transform of type I.
    """

    def __init__(
        self,
        mask: NDArray[np.bool_],
        cell_size: tuple[float, float],
        width: float | None,
        classes: int | None,
    ) -> None:
        from scipy.fft import next_fast_len

        self.mask = mask
        self.padded = tuple(2 * next_fast_len(n, real=True) for n in mask.shape)
        self.mask_spectrum = self._forward(mask.astype(float))
        pairs = np.rint(self._folded(self.mask_spectrum))
        down, across = (
            np.arange(n) * abs(size) for n, size in zip(mask.shape, cell_size, strict=True)
        )
        distance = np.hypot(down[:, None], across)
        self.width = _class_width(width, classes, float(distance[pairs > 0].max()))
        self.index = _class_of(distance, self.width)
        self.counts: Floats = np.bincount(self.index.ravel(), pairs.ravel()).astype(float)

    def _forward(self, field: Floats) -> NDArray[np.complex128]:
        from scipy.fft import fft, rfft

        spectrum: NDArray[np.complex128] = fft(
            rfft(field, self.padded[1], axis=1), self.padded[0], axis=0, overwrite_x=True
        )
        return spectrum

    def _folded(self, spectrum: NDArray[np.complex128]) -> Floats:
        """Sum products over all pairs of cells with the same |Δrow| and |Δcolumn|."""
        from scipy.fft import dctn

        power = spectrum.real**2 + spectrum.imag**2
        half = self.padded[0] // 2
        even = power[: half + 1].copy()
        even[1:half] += power[:half:-1]
        even[1:half] *= 0.5
        rows, columns = self.mask.shape
        quadrant: Floats = dctn(even, type=1, overwrite_x=True)[:rows, :columns]
        quadrant /= self.padded[0] * self.padded[1]
        quadrant[1:] *= 2.0
        quadrant[:, 1:] *= 2.0
        return quadrant

    def products(self, field: Floats) -> Floats:
        """Sum field(i) field(j) over all ordered pairs of each class."""
        folded = self._folded(self._forward(field))
        return np.bincount(self.index.ravel(), folded.ravel()).astype(float)

    def row_sums(self, correlation: Floats) -> Floats:
        """Sum the correlation of every cell with all valid cells; 0 at cells without a value."""
        from scipy.fft import dctn, ifft, irfft

        half = [n // 2 + 1 for n in self.padded]
        rows, columns = self.mask.shape
        kernel = np.zeros(half)
        kernel[:rows, :columns] = correlation[self.index]
        transfer = dctn(kernel, type=1, overwrite_x=True)
        product = self.mask_spectrum.copy()
        product[: half[0]] *= transfer
        product[half[0] :] *= transfer[half[0] - 2 : 0 : -1]
        lines = ifft(product, axis=0, overwrite_x=True)[:rows]
        sums: Floats = irfft(lines, self.padded[1], axis=1)[:, :columns] * self.mask
        return sums


def _class_of(distance: Floats, width: float) -> NDArray[np.int64]:
    # A distance of exactly k widths belongs to class k, whatever its last bit says.
    return np.ceil(distance / width - _ON_THE_EDGE).astype(np.int64)


def _class_width(width: float | None, classes: int | None, farthest: float) -> float:
    if width is not None:
        return width
    if not farthest > 0:
        raise DataError(
            "all places are the same one",
            found=f"largest distance {farthest:g}",
            do="Give the coordinates of different places",
        )
    return farthest / (classes or 1)
