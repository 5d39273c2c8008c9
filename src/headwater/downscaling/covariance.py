"""Covariance of a residual field in space and time, by moments of out-of-fold residuals.

    C(h, u) = Σ σ_k² ρ_A(h; L_k) exp(−u / τ_k) + [same cell] (b² + [same day] s²)

ρ_A is exp(−d / L) averaged over the pixels of two cells; the components are a lasting, a seasonal
and a daily one; b is an error that stays with a cell and s the white noise of a retrieval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.area_to_point import cell_correlation
from headwater.errors import DataError

if TYPE_CHECKING:
    from headwater.downscaling.support_operator import Support

__all__ = ["Component", "ResidualCovariance", "estimate_covariance"]

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
