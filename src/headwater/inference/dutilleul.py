"""Correlation of two spatial fields, tested with the number of independent places they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.inference.significance import correlation_p, student_p

__all__ = ["ModifiedT", "modified_t_test"]

Floats = NDArray[np.float64]
_FEWEST = 4
_ON_THE_EDGE = 1e-9
_PAIRS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class ModifiedT:
    """Correlation of two fields, or of one field with several, and what it is worth.

    Each is a float, or an array (maps,) when several maps were tested against one.

    Attributes
    ----------
    r : float
        Pearson's correlation [1].
    n : int
        Number of places where both fields have a value.
    effective_n : float
        Number of independent places [1]; may exceed n where neighbours repel each other.
    dof : float
        ``effective_n - 2`` [1].
    F : float
        ``dof r² / (1 - r²)`` [1].
    p_value : float
        From F(1, dof) [1]; NaN where dof is not positive: too few independent places to say.
    p_naive : float
        As if all n places were independent [1], to be shown next to it, not used.
    width : float
        Width of the distance classes [unit of the coordinates]; where it follows from a number of
        classes, that of the last map.
    """

    r: Any
    n: Any
    effective_n: Any
    dof: Any
    F: Any
    p_value: Any
    p_naive: Any
    width: float


def modified_t_test(
    x: Any,
    y: Any,
    *,
    coordinates: Any = None,
    cell_size: tuple[float, float] | None = None,
    width: float | None = None,
    classes: int | None = None,
) -> ModifiedT:
    r"""Test the correlation of two spatial fields by Dutilleul's modified t-test.

    Parameters
    ----------
    x : array, shape (y, x) or (place,)
        One field, on a regular grid or at scattered places; NaN where missing.
    y : array, shape of `x` or (maps, \*shape of `x`)
        The other field, or several. Many maps share the transforms of `x` as long as the same cells
        are missing.
    coordinates : array, shape (place, 2), optional
        Projected coordinates [m, or any one unit] of scattered places. Without them the fields are
        grids.
    cell_size : tuple (height, width), optional
        Size of a grid cell [m, or any one unit]; by default (1, 1), distances then being counted in
        cells. On a geographic grid give ``R Δφ`` and ``R cos(φ0) Δλ`` with φ0 the middle latitude:
        distances are then those of a plane, true along the middle row.
    width : float, optional
        Width of the distance classes [unit of the coordinates]. By default one cell (the longer
        side), or the median distance of scattered places to their nearest neighbour.
    classes : int, optional
        Instead of `width`: that many classes between zero and the largest distance. 13 is the
        default of SpatialPack.

    Returns
    -------
    ModifiedT
        With NaN for r and all that follows from it where fewer than 4 places are valid or a field
        is constant.

    Raises
    ------
    DataError
        If shapes do not match, values are infinite, or the classes have no width.

    Notes
    -----
    With S the correlation matrix of a field, which depends on the distance class only
    (Moran's autocorrelation; (0, w], (w, 2w], …; 1 on the diagonal), and P = I - 11'/n,

    .. math:: \hat M = 1 + \frac{\mathrm{tr}(P S_x)\, \mathrm{tr}(P S_y)}
                                {\mathrm{tr}(P S_x P S_y)}

    is the effective number, and ``F = (M - 2) r² / (1 - r²)`` follows F(1, M - 2). A fixed *number*
    of classes makes them wide on a large grid (139 cells at 720 × 1660), hides the short range
    correlation and makes p too small; hence a width. Places on top of each other count in the first
    class.

    References
    ----------
    Dutilleul, P. (1993). Modifying the t test for assessing the correlation between two spatial
    processes. Biometrics 49, 305-314. doi:10.2307/2532625.
    Clifford, P., Richardson, S., Hémon, D. (1989). Assessing the significance of the correlation
    between two spatial processes. Biometrics 45, 123-134. doi:10.2307/2532039

    Examples
    --------
    >>> slope = np.add.outer(np.arange(20.0), np.arange(30.0))
    >>> noise = np.random.default_rng(1).normal(size=(20, 30))
    >>> test = modified_t_test(slope, slope + 40 * noise)
    >>> test.n, round(test.effective_n), test.p_value > test.p_naive
    (600, 53, True)
    """
    first, others, single = _checked(x, y, coordinates)
    valid = np.isfinite(first) & np.isfinite(others)
    step: Any
    if coordinates is None:
        size = cell_size or (1.0, 1.0)
        step = _width(width, classes, lambda: max(size))
    else:
        places = np.asarray(coordinates, dtype=float)
        step = _width(width, classes, lambda: _nearest_distance(places))
    table, used = np.full((len(others), 3), np.nan), np.nan
    for mask, maps in _same_masks(valid):
        if mask.sum() < _FEWEST:
            continue
        distances: _Distances = (
            _GridDistances(mask, size, step, classes)
            if coordinates is None
            else _PointDistances(places, mask, step, classes)
        )
        used = distances.width
        table[maps] = _correlate(first, others[maps], mask, distances)
    return _as_test(table, valid.sum(axis=tuple(range(1, valid.ndim))), used, single)


def _correlate(first: Floats, others: Floats, mask: NDArray[np.bool_], distances: Any) -> Floats:
    x, spread_x = _centred(first, mask)
    rows, n = np.full((len(others), 3), np.nan), int(mask.sum())
    if not spread_x:
        return rows
    moran_x = _moran(x, distances)
    sums_x = distances.row_sums(moran_x)
    for row, other in zip(rows, others, strict=True):
        y, spread_y = _centred(other, mask)
        if not spread_y:
            continue
        moran_y = _moran(y, distances)
        sums_y = distances.row_sums(moran_y)
        total_x, total_y = sums_x.sum(), sums_y.sum()
        both = (distances.counts * moran_x) @ moran_y
        both += total_x * total_y / n**2 - 2.0 * (sums_x * sums_y).sum() / n
        effective = 1.0 + (n - total_x / n) * (n - total_y / n) / both
        r = float((x * y).sum() / np.sqrt(spread_x * spread_y))
        row[:] = min(max(r, -1.0), 1.0), effective, n
    return rows


def _moran(field: Floats, distances: _Distances) -> Floats:
    counts, products = distances.counts, distances.products(field)
    # Class 0 holds the sum of squares, so that its Moran is 1.
    scale = products[0] / counts[0]
    return np.where(counts > 0, products / np.where(counts > 0, counts, 1.0) / scale, 0.0)


def _as_test(table: Floats, n: NDArray[Any], width: float, single: bool) -> ModifiedT:
    r, effective = table[:, 0], table[:, 1]
    # At r = 1 the ratio is infinite and p is 0, which needs no warning.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (effective - 2.0) * r**2 / ((1.0 - r) * (1.0 + r))
        p = student_p(np.sqrt(np.abs(ratio)), effective - 2.0)
    columns: list[Any] = [r, n, effective, effective - 2.0, ratio, p, correlation_p(r, n)]
    if single:
        columns = [column.item(0) for column in columns]
    return ModifiedT(*[*columns, width])


def _centred(field: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, float]:
    values = field[mask]
    if values.max() == values.min():
        return field, 0.0
    centred = np.where(mask, field - values.mean(), 0.0)
    return centred, float((centred**2).sum())


def _width(width: float | None, classes: int | None, usual: Any) -> float | None:
    if classes is not None and (width is not None or classes < 1):
        raise DataError(
            "distance classes are given by their width or by their number",
            found=f"width={width}, classes={classes}",
            do="Give one of the two, or none; at least one class",
        )
    if classes is not None:
        return None
    chosen = float(usual() if width is None else width)
    if not 0 < chosen < np.inf:
        raise DataError(
            "a distance class needs a width",
            found=f"{chosen:g}",
            do="Give a positive width, in the unit of the coordinates or the cell size",
        )
    return chosen


def _nearest_distance(places: Floats) -> float:
    from scipy.spatial import cKDTree

    distinct = np.unique(places, axis=0)
    return float(np.median(cKDTree(distinct).query(distinct, k=2)[0][:, 1]))


def _same_masks(valid: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], list[int]]]:
    groups: dict[bytes, list[int]] = {}
    for number, mask in enumerate(valid):
        groups.setdefault(np.packbits(mask).tobytes(), []).append(number)
    for maps in groups.values():
        yield valid[maps[0]], maps


def _checked(x: Any, y: Any, coordinates: Any) -> tuple[Floats, Floats, bool]:
    first, others = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    single = others.ndim == first.ndim
    others = others[None] if single else others
    wanted = 2 if coordinates is None else 1
    if first.ndim != wanted or others.shape[1:] != first.shape:
        raise DataError(
            "the fields differ in shape"
            if first.ndim == wanted
            else "a grid is (y, x), places are (place,)",
            found=f"{first.shape} and {np.shape(y)}",
            do="Give two fields of one shape; scattered places need coordinates",
        )
    if coordinates is not None and np.shape(coordinates) != (first.size, 2):
        raise DataError(
            "every place needs two coordinates",
            found=f"{np.shape(coordinates)} for {first.size} places",
            do="Give an array of shape (place, 2)",
        )
    if coordinates is not None and not np.isfinite(np.asarray(coordinates, dtype=float)).all():
        raise DataError(
            "a place has no coordinates",
            found="NaN or infinity among the coordinates",
            do="Leave such places out",
        )
    if np.isinf(first).any() or np.isinf(others).any():
        raise DataError("infinite values", found="inf", do="Set them to NaN if they mean missing")
    return first, others, single


class _Distances(Protocol):
    """Sums over pairs of places by distance class; class 0 is each place with itself."""

    width: float
    counts: Floats

    def products(self, field: Floats) -> Floats: ...
    def row_sums(self, correlation: Floats) -> Floats: ...


class _PointDistances:
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


class _GridDistances:
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
