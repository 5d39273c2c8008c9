"""Covariance of a residual field in space and time, between points and between cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

if TYPE_CHECKING:
    from headwater.downscaling.support_operator import Support

__all__ = [
    "Component",
    "ResidualCovariance",
    "cell_correlation",
    "cell_variance",
    "estimate_covariance",
    "point_to_area",
    "thin_rows",
]

Floats = NDArray[np.float64]
# a range below the spacing of cells cannot be distinguished from a larger variance of points
_SPACINGS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0)
_MEMORIES = {
    "lasting": (math.inf,),
    "seasonal": (15.0, 30.0, 60.0, 120.0),
    "daily": (0.2, 1.0, 2.0, 4.0, 8.0),
}
_FEWEST = 30
_DENSE = 6000
_CHUNK = 2**22


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a covariance, a product of space and time.

    Attributes
    ----------
    variance : float
        Of a point, not of a cell's average [m6 m-6].
    length_km : float
        Range L of exp(−d / L) [km].
    memory_days : float
        Memory τ of exp(−t / τ) [d]; infinite for what never changes.
    name : str
        What it is called.
    """

    variance: float
    length_km: float
    memory_days: float
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ResidualCovariance:
    """How residuals hang together, and what of them is error and not field.

    Attributes
    ----------
    components : tuple of Component
        Parts of the field.
    noise_sd : float
        White noise of one cell on one day [m3 m-3].
    bias_sd : float
        Error that stays with one cell and is not shared by its neighbours [m3 m-3].
    moments : DataFrame
        ``distance_km``, ``lag_days``, mean product ``found``, ``fitted`` [m6 m-6] and ``n`` pairs.
    notes : tuple of str
        What a reader must know.
    """

    components: tuple[Component, ...]
    noise_sd: float
    bias_sd: float = 0.0
    moments: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()

    @property
    def point_sd(self) -> float:
        """Standard deviation of the field at a point [m3 m-3]."""
        return math.sqrt(sum(one.variance for one in self.components))


def estimate_covariance(
    residuals: ArrayLike, support: Support, days: ArrayLike, *, greatest_lag: int | None = None
) -> ResidualCovariance:
    """Estimate the covariance of a residual field from the residuals of cells.

    Parameters
    ----------
    residuals : array-like, shape (n_days, n_cells)
        Out-of-fold residuals, NaN where there is none [m3 m-3]. Residuals of the training itself
        hide the signal, for the learner has fitted part of it and of the noise.
    support : Support
        Of the cells over the pixels.
    days : array-like of datetime64, shape (n_days,)
        Increasing.
    greatest_lag : int, optional
        Longest lag that takes part [d]; default: half the record.

    Returns
    -------
    ResidualCovariance

    Raises
    ------
    DataError
        If there are fewer than 30 residuals, or shapes and days do not fit.

    Notes
    -----
    Mean products of residuals by class of distance and lag are met by least squares with
    non-negative variances, weighted by the root of the number of pairs, on a grid of ranges (1
    to 16 cell spacings) and memories; the best grid point is taken. The white noise is what a
    cell's products lose between lag zero and the shortest lags beyond what the field explains. An
    error that stays with a cell and a field of far shorter range than a cell look the same from
    cells; both are counted as the cell's error.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_array
    >>> places = np.array([[36.0 * i, 36.0 * j] for i in range(5) for j in range(5)])
    >>> grid = SimpleNamespace(matrix=csr_array(np.eye(25)), fine_xy=places, coarse_xy=places)
    >>> noise = np.random.default_rng(1).normal(0.0, 0.03, (200, 25))
    >>> days = np.datetime64("2019-01-01") + np.arange(200)
    >>> round(estimate_covariance(noise, grid, days).noise_sd, 2)
    0.03
    """
    table, times = _checked(residuals, support, days)
    lags = _lags(int(greatest_lag or times[-1] // 2))
    classes = _Classes.of(np.asarray(support.coarse_xy, dtype=float), lags)
    found, count = classes.moments(table, times)
    fitted, components, noise, bias = _fit(found, count, classes, support)
    moments = pd.DataFrame(
        {
            "distance_km": np.repeat(classes.distances, len(lags)),
            "lag_days": np.tile(lags, len(classes.distances)),
            "found": found.ravel(),
            "fitted": fitted.ravel(),
            "n": count.ravel().astype(int),
        }
    )
    notes = () if components else ("No field was found in the residuals: they look like noise.",)
    return ResidualCovariance(
        components, math.sqrt(noise), math.sqrt(bias), moments[moments["n"] > 0], notes
    )


def _checked(
    residuals: ArrayLike, support: Support, days: ArrayLike
) -> tuple[Floats, NDArray[np.int64]]:
    table = np.asarray(residuals, dtype=float)
    shape = (len(np.asarray(days)), support.matrix.shape[0])
    if table.shape != shape:
        raise DataError(
            "residuals do not fit their days and cells",
            found=f"{table.shape}",
            do=f"Give an array of shape {shape}",
        )
    seen = int(np.isfinite(table).sum())
    if seen < _FEWEST:
        raise DataError(
            "too few residuals to learn how they hang together",
            found=f"{seen}",
            do=f"Give at least {_FEWEST}, or use method='none'",
        )
    times = np.asarray(days, dtype="datetime64[D]").astype(np.int64)
    if (np.diff(times) <= 0).any():
        raise DataError(
            "days must increase",
            found="a day at or before the one before it",
            do="Sort the days and leave each in once",
        )
    return table, times - times[0]


def _lags(greatest: int) -> NDArray[np.int64]:
    wide = np.unique(np.geomspace(1, max(greatest, 1), 28).round().astype(np.int64))
    return np.concatenate([[0], wide])


@dataclass(frozen=True, slots=True, eq=False)
class _Classes:
    """Pairs of cells by distance (class 0: a cell with itself) and the lags in days."""

    number: NDArray[np.int64]
    distances: Floats
    spacing: float
    lags: NDArray[np.int64]

    @classmethod
    def of(cls, places: Floats, lags: NDArray[np.int64]) -> _Classes:
        from scipy.spatial.distance import cdist

        distance = cdist(places, places)
        apart = distance + np.where(np.eye(len(places), dtype=bool), np.inf, 0.0)
        spacing = float(np.median(apart.min(axis=1))) if len(places) > 1 else 1.0
        number = np.rint(distance / spacing).astype(np.int64)
        number = np.maximum(number, 1)
        # pairs beyond half the extent are few, and all from the rim
        number[number > max(2, number.max() // 2)] = -1
        np.fill_diagonal(number, 0)
        inside = number >= 0
        size = np.bincount(number[inside])
        mean = np.bincount(number[inside], distance[inside]) / np.maximum(size, 1)
        return cls(number, mean, spacing, lags)

    def mean(self, pairs: Floats) -> Floats:
        """Average a value of pairs over each class."""
        inside = self.number >= 0
        size = np.bincount(self.number[inside])
        return np.bincount(self.number[inside], pairs[inside]) / np.maximum(size, 1)

    def moments(self, table: Floats, times: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return mean products and numbers of pairs, shape (classes, lags)."""
        full = np.full((times[-1] + 1, table.shape[1]), np.nan)
        full[times] = table
        seen = np.isfinite(full).astype(float)
        full = np.where(seen > 0, full, 0.0)
        shape = (len(self.distances), len(self.lags))
        total, count = np.zeros(shape), np.zeros(shape)
        inside = self.number >= 0
        for column, lag in enumerate(self.lags):
            end = len(full) - lag
            for kind, cube in ((total, full), (count, seen)):
                products = cube[:end].T @ cube[lag:]
                kind[:, column] = np.bincount(
                    self.number[inside], products[inside], minlength=shape[0]
                )
        return np.divide(total, count, out=np.zeros(shape), where=count > 0), count


def _fit(
    found: Floats, count: Floats, classes: _Classes, support: Support
) -> tuple[Floats, tuple[Component, ...], float, float]:
    """Meet the moments at every grid point of ranges and memories; keep the best."""
    from scipy.optimize import nnls

    lengths = [classes.spacing * one for one in _SPACINGS]
    places = np.asarray(support.fine_xy, dtype=float)
    most = max(1, _DENSE // support.matrix.shape[0])
    decay = [
        classes.mean(cell_correlation(support.matrix, places, one, most=most)) for one in lengths
    ]
    weight = np.sqrt(count.ravel())
    own = np.zeros((2, *found.shape))
    own[0, 0, 0] = own[1, 0, :] = 1.0
    still = (own.reshape(2, -1) * weight).T
    grid = {
        name: [
            ((length, memory), (shape[:, None] * np.exp(-classes.lags / memory)).ravel() * weight)
            for (length, shape), memory in product(zip(lengths, decay, strict=True), memories)
        ]
        for name, memories in _MEMORIES.items()
    }
    target = found.ravel() * weight
    # products of residuals are of the order of 1e-4: the solver's own tolerance is not
    scale = max(float(np.abs(target).max()), 1e-300)
    best: tuple[float, Floats, tuple[Any, ...]] = (math.inf, np.zeros(5), ())
    for picked in product(*grid.values()):
        design = np.column_stack([*(one[1] for one in picked), still])
        variances, misfit = nnls(design, target / scale)
        if misfit < best[0] - 1e-12:
            best = (misfit, variances * scale, picked)
    _, variances, picked = best
    components = tuple(
        Component(float(variance), *where, name)
        for name, variance, (where, _) in zip(_MEMORIES, variances, picked, strict=False)
        if variance > 0.0
    )
    design = np.column_stack([*(one[1] for one in picked), still])
    fitted = np.divide(design @ variances, weight, out=np.zeros_like(weight), where=weight > 0)
    return fitted.reshape(found.shape), components, float(variances[-2]), float(variances[-1])


def point_to_area(matrix: Any, places: Floats, lengths: Sequence[float]) -> list[Floats]:
    """Correlate every point with the average over every row of an operator.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row, each row summing to one.
    places : ndarray, shape (n_points, 2)
        Places of the points [km].
    lengths : sequence of float
        Ranges L of the correlation exp(−d / L) [km].

    Returns
    -------
    list of ndarray, shape (n_points, n_rows)
        One for each range.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> halves = csr_array(np.array([[0.5, 0.5]]))
    >>> (one,) = point_to_area(halves, np.array([[0.0, 0.0], [1.0, 0.0]]), [1.0])
    >>> np.round(one[:, 0], 4).tolist()
    [0.6839, 0.6839]
    """
    from scipy.spatial.distance import cdist

    used = np.unique(matrix.indices)
    weights = matrix[:, used].T.tocsc()
    found = [np.empty((len(places), matrix.shape[0])) for _ in lengths]
    step = max(1, _CHUNK // max(used.size, 1))
    for start in range(0, len(places), step):
        distance = cdist(places[start : start + step], places[used])
        for one, length in zip(found, lengths, strict=True):
            one[start : start + step] = np.exp(distance / -length) @ weights
    return found


def cell_variance(matrix: Any, places: Floats, length: float) -> Floats:
    """Return the variance of each row's average of a field of unit variance.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row.
    places : ndarray, shape (n_points, 2)
        Places of the points [km].
    length : float
        Range of the correlation [km].

    Returns
    -------
    ndarray, shape (n_rows,)

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> halves = csr_array(np.array([[0.5, 0.5]]))
    >>> np.round(cell_variance(halves, np.array([[0.0, 0.0], [1.0, 0.0]]), 1.0), 4).tolist()
    [0.6839]
    """
    from scipy.spatial.distance import cdist

    variance = np.empty(matrix.shape[0])
    for row in range(matrix.shape[0]):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        inside, weight = places[matrix.indices[part]], matrix.data[part]
        variance[row] = weight @ np.exp(cdist(inside, inside) / -length) @ weight
    return variance


def thin_rows(matrix: Any, most: int) -> Any:
    """Keep at most so many evenly spread points of each row, for sums that need no more.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row.
    most : int
        Points to keep in a row.

    Returns
    -------
    CSR matrix of the same shape
        Rows sum to one again.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> thin_rows(csr_array(np.full((1, 9), 1 / 9)), 3).toarray().round(2).tolist()
    [[0.0, 0.33, 0.0, 0.0, 0.33, 0.0, 0.0, 0.33, 0.0]]
    """
    from scipy.sparse import csr_matrix

    indices: list[Any] = []
    weights: list[Any] = []
    for row in range(matrix.shape[0]):
        part = np.arange(matrix.indptr[row], matrix.indptr[row + 1])
        if part.size > most:
            part = part[((np.arange(most) + 0.5) * part.size / most).astype(int)]
        indices.append(matrix.indices[part])
        weights.append(matrix.data[part] / max(matrix.data[part].sum(), 1e-300))
    starts = np.concatenate([[0], np.cumsum([len(one) for one in indices])])
    return csr_matrix((np.concatenate(weights), np.concatenate(indices), starts), matrix.shape)


def cell_correlation(matrix: Any, places: Floats, length: float, *, most: int) -> Floats:
    """Correlate rows with rows: exact within a row, by thinned rows between them.

    Parameters
    ----------
    matrix : CSR matrix, shape (n_rows, n_points)
        Weights of points in a row.
    places : ndarray, shape (n_points, 2)
        Places of the points [km].
    length : float
        Range of the correlation [km].
    most : int
        Points of a row that take part between rows.

    Returns
    -------
    ndarray, shape (n_rows, n_rows)

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> points = csr_array(np.eye(2))
    >>> places = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> cell_correlation(points, places, 1.0, most=9).round(4).tolist()
    [[1.0, 0.3679], [0.3679, 1.0]]
    """
    thin = thin_rows(matrix, most)
    found = np.asarray(thin @ point_to_area(thin, places, [length])[0])
    np.fill_diagonal(found, cell_variance(matrix, places, length))
    return found
