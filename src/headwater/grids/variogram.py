"""How much two places differ the farther they lie apart: the variogram, measured and modelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, nearest
from headwater.figures import drawing_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "EmpiricalVariogram",
    "Variogram",
    "along",
    "between",
    "checked_places",
    "drift_columns",
    "embed",
    "empirical_variogram",
    "fit_variogram",
]

Floats = NDArray[np.float64]
_PAIRS_AT_ONCE = 4_000_000
_FEWEST_BINS = 3
EARTH_RADIUS = 6_371_008.8
"""Mean radius of the Earth (IUGG) [m]."""


def _spherical(h: Floats) -> Floats:
    h = np.minimum(h, 1.0)
    return 1.0 - 1.5 * h + 0.5 * h**3


def _matern32(h: Floats) -> Floats:
    scaled = np.sqrt(3.0) * h
    correlation: Floats = (1.0 + scaled) * np.exp(-scaled)
    return correlation


_CORRELATION: dict[str, Callable[[Floats], Floats]] = {
    "exponential": lambda h: np.exp(-h),
    "gaussian": lambda h: np.exp(-(h**2)),
    "matern32": _matern32,
    "nugget": np.zeros_like,
    "spherical": _spherical,
}

MODELS = ("exponential", "gaussian", "matern32", "spherical")
"""Models that can be fitted; ``nugget``, pure noise, can be given too."""

_EFFECTIVE = {"exponential": 2.995732, "gaussian": 1.730818, "matern32": 2.738871}


@dataclass(frozen=True, slots=True)
class Variogram:
    """A model of half the mean squared difference between two places.

    Attributes
    ----------
    model : {"exponential", "gaussian", "matern32", "spherical", "nugget"}
        Form of the structured part.
    nugget : float
        Variance at distances too short to be seen, measurement error included [unit²].
    partial_sill : float
        Variance of the structured part [unit²].
    range : float
        Range parameter a [m, or the unit of projected coordinates].

    Raises
    ------
    DataError
        If the model is unknown, or the parameters make no variogram.

    Notes
    -----
    ``γ(0) = 0`` and, for h > 0, ``γ(h) = nugget + partial_sill (1 - ρ(h/a))`` with ρ(u)

    - spherical: ``1 - 1.5 u + 0.5 u³`` up to u = 1, then 0;
    - exponential: ``exp(-u)``; gaussian: ``exp(-u²)``;
    - matern32: ``(1 + √3 u) exp(-√3 u)``.

    On great-circle distances the spherical and exponential models are valid everywhere on the
    sphere; the gaussian and Matérn-3/2 are not in theory [1]_, and only where the range is short
    against the Earth's radius in practice: a system they cannot solve is reported as singular.

    References
    ----------
    .. [1] Gneiting, T. (2013). Strictly and non-strictly positive definite functions on spheres.
       Bernoulli 19, 1327-1349. doi:10.3150/12-BEJSP06

    Examples
    --------
    >>> Variogram("spherical", nugget=0.1, partial_sill=0.9, range=100.0)([0.0, 50.0, 100.0])
    array([0.    , 0.71875, 1.     ])
    """

    model: str
    nugget: float
    partial_sill: float
    range: float

    def __post_init__(self) -> None:
        if self.model not in _CORRELATION:
            raise DataError(
                "unknown variogram model",
                found=repr(self.model),
                do=nearest(self.model, list(_CORRELATION)),
            )
        numbers = (self.nugget, self.partial_sill, self.range)
        if (
            not (min(numbers[:2]) >= 0 and self.sill > 0 and self.range > 0)
            or np.isinf(numbers).any()
        ):
            raise DataError(
                "these parameters make no variogram",
                found=f"nugget {numbers[0]:g}, partial sill {numbers[1]:g}, range {numbers[2]:g}",
                do="Give variances of at least 0, not both 0, and a positive range",
            )

    def __call__(self, distance: ArrayLike) -> Floats:
        """Return γ at the given distances [unit²]."""
        return self.sill - self.covariance(np.asarray(distance, dtype=float))

    def covariance(self, distance: Floats) -> Floats:
        """Return ``sill - γ`` at the given distances [unit²]."""
        structured = self.partial_sill * _CORRELATION[self.model](distance / self.range)
        total: Floats = structured + self.nugget * (distance == 0.0)
        return total

    @property
    def sill(self) -> float:
        """Variance of places far from each other [unit²]."""
        return self.nugget + self.partial_sill

    @property
    def effective_range(self) -> float:
        """Distance at which 95 % of the structured part is reached (all of it, if spherical)."""
        return self.range * _EFFECTIVE.get(self.model, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class EmpiricalVariogram:
    """Half the mean squared difference of pairs of places, by distance.

    Attributes
    ----------
    distance : array, shape (bin,)
        Mean distance of the pairs [m, or the unit of projected coordinates].
    gamma : array, shape (bin,)
        Semivariance [unit²].
    pairs : array, shape (bin,)
        Number of pairs, those of every time counted.
    places : int
        Number of places with a value.
    """

    distance: Floats
    gamma: Floats
    pairs: Floats
    places: int

    def plot(self, ax: Axes | None = None, *, model: Variogram | None = None) -> Figure:
        """Draw the bins, and the model through them."""
        from headwater.grids import plots

        with drawing_on(ax):
            return plots.variogram_figure(self, model)


def empirical_variogram(
    coordinates: ArrayLike,
    values: ArrayLike,
    *,
    geographic: bool = False,
    bins: int = 15,
    cutoff: float | None = None,
    drift: ArrayLike | None = None,
) -> EmpiricalVariogram:
    """Measure the variogram of scattered values, pooled over all times.

    Parameters
    ----------
    coordinates : array, shape (station, 2)
        (easting, northing) [m], or (longitude, latitude) [degree].
    values : array, shape (station,) or (time, station)
        NaN where missing. Only values of the same time are compared.
    geographic : bool
        Whether the coordinates are longitude and latitude; distances are then along great circles.
    bins : int
        Number of distance bins of equal width.
    cutoff : float, optional
        Largest distance used [m]; by default half the largest between any two stations.
    drift : array, shape (station,) or (station, k), optional
        External drift; the variogram is then that of the residuals from a linear regression on it,
        fitted at each time. Use it for kriging with the same drift.

    Returns
    -------
    EmpiricalVariogram
        Without the bins that hold no pair.

    Raises
    ------
    DataError
        If shapes do not match, a value is infinite, or no two stations share a time.

    Notes
    -----
    ``γ(h) = Σ (z_i - z_j)² / 2 N(h)`` over the N(h) pairs about h apart. The residuals of a
    regression vary a little less than the errors do, so that with drift γ is slightly low at long
    distances.

    References
    ----------
    Matheron, G. (1963). Principles of geostatistics. Economic Geology 58, 1246-1266.
    doi:10.2113/gsecongeo.58.8.1246

    Examples
    --------
    >>> line = np.column_stack([np.arange(4.0), np.zeros(4)])
    >>> empirical_variogram(line, [0.0, 1.0, 2.0, 3.0], bins=2, cutoff=2).gamma
    array([0.5, 2. ])
    """
    places = checked_places(coordinates, geographic)
    series = _checked(values, len(places))
    valid = np.isfinite(series)
    series = _residuals(series, valid, drift_columns(drift, len(places)))
    embedded = embed(places, geographic)
    if cutoff is None:
        cutoff = 0.5 * max(float(block.max()) for _, block in _blocks(embedded, geographic))
    sums = np.zeros((3, bins))
    mask = valid.astype(float)
    for rows, distance in _blocks(embedded, geographic):
        squares = (series[:, rows] ** 2).T @ mask + mask[:, rows].T @ series**2
        squares -= 2.0 * series[:, rows].T @ series
        pairs = mask[:, rows].T @ mask
        # Each pair once: the later station with the earlier one.
        use = np.tri(len(pairs), len(places), rows.start - 1, dtype=bool) & (distance <= cutoff)
        index = np.clip(np.ceil(distance[use] / cutoff * bins - 1e-9).astype(np.int64) - 1, 0, None)
        for row, what in enumerate((pairs, pairs * distance, squares)):
            sums[row] += np.bincount(index, what[use], minlength=bins)
    filled = sums[0] > 0
    if not filled.any():
        raise DataError(
            "no two stations can be compared",
            found=f"{len(places)} stations, cutoff {cutoff:g}",
            do="Give stations that have values at the same time, and a longer cutoff",
        )
    pairs, distance, squares = sums[:, filled]
    gamma = np.maximum(squares, 0.0) / (2.0 * pairs)
    return EmpiricalVariogram(distance / pairs, gamma, pairs, int(valid.any(axis=0).sum()))


def fit_variogram(empirical: EmpiricalVariogram, model: str | None = None) -> Variogram:
    """Fit a variogram model by weighted least squares.

    Parameters
    ----------
    empirical : EmpiricalVariogram
        At least 3 bins.
    model : str, optional
        One of :data:`MODELS`; by default the one that fits best.

    Returns
    -------
    Variogram

    Raises
    ------
    DataError
        If there are fewer than 3 bins, all values are equal, or the model is unknown.

    Notes
    -----
    Minimises ``Σ N(h) (γ̂(h)/γ(h) - 1)²`` over nugget, partial sill and range, none negative, the
    range at most 10 times the longest distance.

    References
    ----------
    Cressie, N. (1985). Fitting variogram models by weighted least squares. Mathematical Geology 17,
    563-586. doi:10.1007/BF01032109

    Examples
    --------
    >>> h = np.arange(1.0, 13.0)
    >>> truth = Variogram("exponential", nugget=0.2, partial_sill=1.0, range=3.0)
    >>> fitted = fit_variogram(EmpiricalVariogram(h, truth(h), np.full(12, 50.0), 40))
    >>> fitted.model, round(fitted.nugget, 3), round(fitted.range, 3)
    ('exponential', 0.2, 3.0)
    """
    if len(empirical.gamma) < _FEWEST_BINS or not empirical.gamma.max() > 0:
        raise DataError(
            "no variogram can be fitted",
            found=f"{len(empirical.gamma)} bins, largest semivariance {empirical.gamma.max():g}",
            do="Give more stations, more bins, or values that differ",
        )
    if model is not None and model not in MODELS:
        raise DataError("unknown variogram model", found=repr(model), do=nearest(model, MODELS))
    fits = [_fit_one(empirical, name) for name in ((model,) if model else MODELS)]
    return min(fits, key=lambda fit: fit[0])[1]


def _fit_one(empirical: EmpiricalVariogram, model: str) -> tuple[float, Variogram]:
    from scipy.optimize import least_squares

    far, high = float(empirical.distance.max()), float(empirical.gamma.max())
    h, gamma = empirical.distance / far, empirical.gamma / high
    weight = np.sqrt(empirical.pairs / empirical.pairs.sum())

    def misfit(parameters: Floats) -> Floats:
        nugget, partial_sill, reach = parameters
        expected = nugget + partial_sill * (1.0 - _CORRELATION[model](h / reach))
        residual: Floats = weight * (gamma / np.maximum(expected, 1e-12) - 1.0)
        return residual

    bounds = ([0.0, 0.0, 1e-3], [np.inf, np.inf, 10.0])
    fits = [
        least_squares(misfit, (0.2 * gamma[0] + 1e-3, 1.0, reach), bounds=bounds)
        for reach in (0.1, 0.3, 0.8)
    ]
    best = min(fits, key=lambda fit: fit.cost)
    nugget, partial_sill, reach = (float(value) for value in best.x)
    return float(best.cost), Variogram(model, nugget * high, partial_sill * high, reach * far)


def _blocks(embedded: Floats, geographic: bool) -> Iterator[tuple[slice, Floats]]:
    step = max(1, _PAIRS_AT_ONCE // len(embedded))
    for start in range(0, len(embedded), step):
        rows = slice(start, min(start + step, len(embedded)))
        yield rows, between(embedded[rows], embedded, geographic)


def _residuals(series: Floats, valid: NDArray[np.bool_], drift: Floats) -> Floats:
    """Take the regression on drift, at least the mean, off every time; 0 where missing."""
    spread = drift.std(axis=0)
    scaled = (drift - drift.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    base = np.column_stack([np.ones(len(drift)), scaled])
    filled = np.where(valid, series, 0.0)
    normal = np.einsum("ts,si,sj->tij", valid.astype(float), base, base)
    slopes = (np.linalg.pinv(normal) @ (filled @ base)[..., None])[..., 0]
    residuals: Floats = np.where(valid, filled - slopes @ base.T, 0.0)
    return residuals


def _checked(values: ArrayLike, places: int) -> Floats:
    series = np.atleast_2d(np.asarray(values, dtype=float))
    if series.ndim != 2 or series.shape[1] != places or np.isinf(series).any():
        raise DataError(
            "values and stations do not match",
            found=f"values of shape {np.shape(values)} for {places} stations"
            + (", some infinite" if np.isinf(series).any() else ""),
            do="Give finite values or NaN, shape (station,) or (time, station)",
        )
    return series


def embed(coordinates: Floats, geographic: bool) -> Floats:
    """Put places where straight lines rank as distances do: the plane, or a sphere in space [m]."""
    if not geographic:
        return coordinates
    longitude, latitude = np.deg2rad(coordinates).T
    level = np.cos(latitude)
    axes = (level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude))
    return EARTH_RADIUS * np.column_stack(axes)


def along(straight: Floats, geographic: bool) -> Floats:
    """Turn straight distances between embedded places into true ones."""
    if not geographic:
        return straight
    return 2.0 * EARTH_RADIUS * np.arcsin(np.minimum(straight / (2.0 * EARTH_RADIUS), 1.0))


def between(first: Floats, second: Floats, geographic: bool) -> Floats:
    """Measure all distances between two sets of embedded places."""
    from scipy.spatial.distance import cdist

    return along(cdist(first, second), geographic)


def checked_places(coordinates: ArrayLike, geographic: bool) -> Floats:
    """Return coordinates as floats of shape (place, 2), or say what is wrong with them."""
    places = np.asarray(coordinates, dtype=float)
    if places.ndim != 2 or places.shape[1] != 2 or not np.isfinite(places).all():
        raise DataError(
            "every place needs two finite coordinates",
            found=f"an array of shape {places.shape}",
            do="Give (easting, northing) or (longitude, latitude), shape (place, 2)",
        )
    if geographic and len(places) and np.abs(places[:, 1]).max() > 90.0:
        raise DataError(
            "a latitude is beyond a pole",
            found=f"{places[np.abs(places[:, 1]).argmax(), 1]:g}",
            do="Give (longitude, latitude) in this order, in degrees",
        )
    return places


def drift_columns(drift: Any, places: int) -> Floats:
    """Return external drift as floats of shape (place, k), k = 0 without drift."""
    if drift is None:
        return np.empty((places, 0))
    columns = np.asarray(drift, dtype=float)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2 or len(columns) != places:
        raise DataError(
            "drift and places differ in number",
            found=f"drift of shape {np.shape(drift)} for {places} places",
            do="Give one row for each place",
        )
    return columns
