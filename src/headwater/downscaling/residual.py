"""What the learner left over at the cells, brought back to the pixels of every day.

The default is a Gaussian process in space and time that knows that a cell is the average of its
pixels and that a retrieval is noisy; it fills gaps between swaths and under cloud by itself, and
says how sure it is. Spreading residuals so that the cells are met exactly is its limit without
noise; straight lines between cells are the plain alternative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from headwater.downscaling.baselines import bilinear_weights
from headwater.downscaling.covariance import ResidualCovariance, estimate_covariance, point_to_area
from headwater.downscaling.kronecker import remember, solve_weights
from headwater.downscaling.residual_variance import Rows, posterior_variance
from headwater.downscaling.state_space import stretch_length
from headwater.downscaling.stations import StationResiduals, station_noise, station_pixels
from headwater.downscaling.wavelets import fill_in_time
from headwater.errors import DataError, StudyError, TimeAxisError, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from headwater.downscaling.support_operator import Support

__all__ = ["ResidualField", "ResidualMethod", "fit_residual", "residual_memory_mb"]

ResidualMethod = Literal["soft", "exact", "bilinear", "none"]
Floats = NDArray[np.float64]

_METHODS = ("soft", "exact", "bilinear", "none")
_NO_NOISE = 1e-9
_SOLVED, _MET = 1e-10, 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class ResidualField:
    """A residual for every pixel and day, with its standard deviation.

    Attributes
    ----------
    method : str
        How residuals were spread.
    days : ndarray of datetime64[D], shape (n_days,)
        Days that can be asked for.
    n_observed : int
        Residuals of cells and stations that took part.
    loadings : ndarray or sparse matrix, shape (n_pixels, m)
        What each coefficient adds to a pixel.
    states : ndarray, shape (n_days, m)
        Coefficients of each day [m3 m-3].
    variance : ndarray of float32, shape (n_days, n_pixels), optional
        Posterior variance of the field, without the learner's own error [m6 m-6].
    covariance : ResidualCovariance, optional
        Of the Gaussian process.
    parts : tuple of (str, slice)
        Coefficients of each component of the field.
    notes : tuple of str
        What a reader must know.
    """

    method: ResidualMethod
    days: NDArray[np.datetime64]
    n_observed: int
    loadings: Any
    states: Floats
    variance: NDArray[np.float32] | None = None
    covariance: ResidualCovariance | None = None
    parts: tuple[tuple[str, slice], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters of the Gaussian process by name, with the unit in the name."""
        if self.covariance is None:
            return {}
        found = {
            "noise_sd_m3_m3": self.covariance.noise_sd,
            "bias_sd_m3_m3": self.covariance.bias_sd,
        }
        for one in self.covariance.components:
            found[f"{one.name}_sd_m3_m3"] = one.variance**0.5
            found[f"{one.name}_length_km"] = one.length_km
            found[f"{one.name}_memory_days"] = one.memory_days
        return found

    def predict(self, days: Any = None) -> tuple[Floats, NDArray[np.float32]]:
        """Return the field of some days.

        Parameters
        ----------
        days : array-like of datetime64, optional
            Some of :attr:`days`; default: all.

        Returns
        -------
        mean : ndarray of float64, shape (n, n_pixels)
            [m3 m-3]
        sd : ndarray of float32, shape (n, n_pixels)
            Of the field alone [m3 m-3]; NaN where the method knows none.

        Raises
        ------
        TimeAxisError
            If a day was not part of the fit.
        """
        where = self._find(days)
        mean = np.asarray((self.loadings @ self.states[where].T).T)
        if self.variance is None:
            return mean, np.full(mean.shape, np.nan, dtype=np.float32)
        return mean, np.sqrt(self.variance[where])

    def stream(
        self, days: Any = None, *, block: int = 16
    ) -> Iterator[tuple[NDArray[np.datetime64], Floats, NDArray[np.float32]]]:
        """Yield days, mean and sd in blocks of days, so that memory does not grow with them.

        Parameters
        ----------
        days : array-like of datetime64, optional
            Some of :attr:`days`; default: all.
        block : int
            Days at once.

        Yields
        ------
        tuple
            Days (b,), mean and sd (b, n_pixels), as of :meth:`predict`.
        """
        where = self._find(days)
        for start in range(0, len(where), block):
            some = self.days[where[start : start + block]]
            yield some, *self.predict(some)

    def components(self, days: Any = None) -> dict[str, Floats]:
        """Part the mean into the components of the covariance.

        Parameters
        ----------
        days : array-like of datetime64, optional
            Some of :attr:`days`; default: all.

        Returns
        -------
        dict of str to ndarray, shape (n, n_pixels)
            They sum to the mean [m3 m-3].
        """
        some = self.states[self._find(days)]
        return {name: some[:, part] @ self.loadings[:, part].T for name, part in self.parts}

    def _find(self, days: ArrayLike) -> NDArray[np.intp]:
        if days is None:
            return np.arange(len(self.days))
        asked = np.atleast_1d(np.asarray(days, dtype="datetime64[D]"))
        where = np.searchsorted(self.days, asked)
        known = (where < len(self.days)) & (self.days[where % len(self.days)] == asked)
        if not known.all():
            raise TimeAxisError(
                "a day was not part of the fit",
                found=f"{asked[~known][0]}; known are {self.days[0]} to {self.days[-1]}",
                do="Fit with that day among the days; it may be all NaN",
            )
        return where


def fit_residual(
    residuals: ArrayLike,
    support: Support,
    days: ArrayLike,
    *,
    method: ResidualMethod = "soft",
    covariance: ResidualCovariance | None = None,
    stations: StationResiduals | None = None,
    uncertainty: bool = True,
    memory_mb: float = 1500.0,
) -> ResidualField:
    """Spread the residuals of cells over the pixels of every day.

    Parameters
    ----------
    residuals : array-like, shape (n_days, n_cells)
        Observed minus predicted at the cells, NaN where there is none [m3 m-3]. For ``soft``, of
        cells left out of training (out of fold), or the signal is hidden. For ``exact``, of the
        final prediction, with `covariance` from out-of-fold residuals.
    support : Support
        Of the cells over the pixels.
    days : array-like of datetime64, shape (n_days,)
        Increasing; days without any observation are filled.
    method : {"soft", "exact", "bilinear", "none"}
        A Gaussian process with retrieval noise; the same without noise, which meets every observed
        cell; straight lines in time, then in space; nothing.
    covariance : ResidualCovariance, optional
        Of the Gaussian process; default: estimated from `residuals`.
    stations : StationResiduals, optional
        Points that are observed, too.
    uncertainty : bool
        Whether standard deviations are computed, which takes most of the time.
    memory_mb : float
        Largest memory to use [MB].

    Returns
    -------
    ResidualField

    Raises
    ------
    DataError
        If shapes do not fit, nothing is observed, or more memory is needed than allowed.
    GridError
        If a station stands outside of the grid.
    StudyError
        If the method is unknown.

    Notes
    -----
    r_f = k_fc (K_cc + R)⁻¹ r_c over all days at once (area-to-point kriging: Kyriakidis 2004,
    doi:10.1111/j.1538-4632.2004.tb01135.x, recalled, unchecked), computed day by day by a filter
    and a smoother, since each component is a product of space and an exponential in time.
    Directions in which the observations would explain less than about one per cent of the variance
    are left at their prior.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_array
    >>> from headwater.downscaling.covariance import Component
    >>> places = np.array([[0.0, 0.0], [5.0, 0.0], [10.0, 0.0], [15.0, 0.0]])
    >>> cells = csr_array(np.kron(np.eye(2), [[0.5, 0.5]]))
    >>> grid = SimpleNamespace(matrix=cells, fine_xy=places, coarse_xy=cells @ places)
    >>> days = np.array(["2019-07-01", "2019-07-02"], dtype="datetime64[D]")
    >>> field = ResidualCovariance((Component(4e-4, 20.0, 5.0, "daily"),), noise_sd=0.02)
    >>> seen = np.array([[0.02, np.nan], [np.nan, np.nan]])
    >>> mean, sd = fit_residual(seen, grid, days, covariance=field).predict()
    >>> mean.round(4).tolist()
    [[0.0094, 0.0094, 0.0073, 0.0057], [0.0077, 0.0077, 0.006, 0.0047]]
    >>> [round(float(one), 4) for one in sd[0]]
    [0.0152, 0.0152, 0.0173, 0.0184]
    """
    if method not in _METHODS:
        raise StudyError(
            "unknown way to spread residuals", found=f"'{method}'", do=nearest(method, _METHODS)
        )
    table, dates = _checked(residuals, support, days)
    seen = int(np.isfinite(table).sum())
    if method == "none":
        empty = np.zeros((support.matrix.shape[1], 0))
        return ResidualField("none", dates, 0, empty, np.zeros((len(dates), 0)))
    if method == "bilinear":
        return _bilinear(table, support, dates, seen, stations)
    n_parts = 3 if covariance is None else len(covariance.components) + (covariance.bias_sd > 0)
    n_rows = table.shape[1] + (0 if stations is None else len(stations.xy_km))
    _check_memory(support, len(dates), n_rows, n_parts, memory_mb)
    found = covariance or estimate_covariance(table, support, dates)
    if not found.components:
        empty = np.zeros((support.matrix.shape[1], 0))
        nothing = np.zeros((len(dates), support.matrix.shape[1]), dtype=np.float32)
        none = np.zeros((len(dates), 0))
        return ResidualField(method, dates, seen, empty, none, nothing, found, (), found.notes)
    rows = _rows(table, support, found, stations, method)
    field = _gaussian_process(rows, support, dates, method, found, uncertainty=uncertainty)
    return _closed(field, table, support) if method == "exact" else field


def residual_memory_mb(pixels: int, days: int, rows: int, parts: int = 3) -> float:
    """Estimate the memory that the Gaussian process will need at most [MB].

    Parameters
    ----------
    pixels, days, rows : int
        Numbers of pixels, of days, and of cells and stations together.
    parts : int
        Components of the covariance.

    Returns
    -------
    float

    Examples
    --------
    >>> 100 < residual_memory_mb(72 * 166, 730, 230) < 1000
    True
    """
    state = parts * rows
    spatial = 2.5 * pixels * state + 3 * 2**22 + 3 * state**2
    stretches = 2.5 * stretch_length(days) * state**2
    return (8.0 * (spatial + stretches) + 4.0 * days * pixels) / 2**20


def _checked(residuals: Any, support: Support, days: Any) -> tuple[Floats, NDArray[np.datetime64]]:
    table = np.asarray(residuals, dtype=float)
    dates = np.asarray(days, dtype="datetime64[D]")
    shape = (dates.size, support.matrix.shape[0])
    if table.shape != shape:
        raise DataError(
            "residuals do not fit their days and cells",
            found=f"shape {table.shape}",
            do=f"Give an array of shape {shape}",
        )
    if (np.diff(dates.astype(np.int64)) <= 0).any():
        raise TimeAxisError(
            "days must increase",
            found="a day at or before the one before it",
            do="Sort the days and leave each in once",
        )
    if not np.isfinite(table).any():
        raise DataError(
            "no residual at all",
            found=f"{table.size} values, all NaN",
            do="Check the retrieval flags and the period",
        )
    return table, dates


def _check_memory(support: Support, days: int, rows: int, parts: int, allowed: float) -> None:
    needed = residual_memory_mb(support.matrix.shape[1], days, rows, max(parts, 1))
    if needed > allowed:
        raise DataError(
            "spreading the residuals would need more memory than allowed",
            found=f"about {needed:.0f} MB for {support.matrix.shape[1]} pixels, {days} days and "
            f"{rows} cells and stations, with {allowed:.0f} MB allowed",
            do="Take a smaller area or period, method 'bilinear', or allow more memory",
        )


def _bilinear(
    table: Floats,
    support: Support,
    dates: NDArray[np.datetime64],
    seen: int,
    stations: StationResiduals | None,
) -> ResidualField:
    ever = np.isfinite(table).any(axis=0)
    filled = np.asarray(fill_in_time(table[:, ever], times=dates.astype(np.int64))[0], float)
    weights = bilinear_weights(np.asarray(support.coarse_xy)[ever], support.fine_xy)
    unused = () if stations is None else ("Stations take no part in straight lines.",)
    lost = () if ever.all() else (f"{int((~ever).sum())} cells were never observed.",)
    return ResidualField("bilinear", dates, seen, weights, filled, notes=(*unused, *lost))


def _gaussian_process(
    rows: Rows,
    support: Support,
    dates: NDArray[np.datetime64],
    method: ResidualMethod,
    covariance: ResidualCovariance,
    *,
    uncertainty: bool,
) -> ResidualField:
    places, times = np.asarray(support.fine_xy, float), dates.astype(np.int64).astype(float)
    components = covariance.components
    lengths = [one.length_km for one in components]
    mixed = point_to_area(rows.matrix, places, lengths)
    spaces = [
        (_even(rows.matrix @ part) * one.variance, one.memory_days)
        for one, part in zip(components, mixed, strict=True)
    ]
    weights = solve_weights(
        rows.values,
        times,
        spaces,
        rows.noise,
        rows.lasting,
        tolerance=_SOLVED if method == "soft" else _MET,
    )
    parts, states = [], []
    for one in components:
        states.append(one.variance * remember(weights, times, one.memory_days))
        end = rows.noise.size * len(states)
        parts.append((one.name, slice(end - rows.noise.size, end)))
    variance = posterior_variance(rows, support, components, mixed, times) if uncertainty else None
    return ResidualField(
        method,
        dates,
        int(np.isfinite(rows.values).sum()),
        np.hstack(mixed),
        np.hstack(states),
        variance,
        covariance,
        tuple(parts),
        covariance.notes,
    )


def _rows(
    table: Floats,
    support: Support,
    covariance: ResidualCovariance,
    stations: StationResiduals | None,
    method: ResidualMethod,
) -> Rows:
    from scipy.sparse import csr_matrix, vstack

    cells = table.shape[1]
    matrix, values = support.matrix, table
    least, soft = _NO_NOISE * covariance.point_sd**2, method == "soft"
    noise = np.full(cells, max(covariance.noise_sd**2 * soft, least))
    lasting = np.full(cells, covariance.bias_sd**2 * soft)
    if stations is not None:
        if np.shape(stations.values) != (len(table), len(stations.xy_km)):
            raise DataError(
                "stations do not fit their days",
                found=f"shape {np.shape(stations.values)}",
                do=f"Give {len(table)} days by {len(stations.xy_km)} stations",
            )
        pixel = station_pixels(stations, support)
        shape = (pixel.size, matrix.shape[1])
        points = csr_matrix((np.ones(pixel.size), (np.arange(pixel.size), pixel)), shape)
        matrix = vstack([matrix, points]).tocsr()
        values = np.hstack([table, np.asarray(stations.values, dtype=float)])
        noise = np.concatenate([noise, station_noise(stations, covariance)])
        lasting = np.concatenate([lasting, np.zeros(pixel.size)])
    return Rows(matrix, values, noise, lasting)


def _even(among: ArrayLike) -> Floats:
    square = np.asarray(among)
    return np.asarray((square + square.T) / 2.0)


def _closed(field: ResidualField, table: Floats, support: Support) -> ResidualField:
    """Spread what the solver left at the observed cells, so that they are met to the last digit."""
    cells = table.shape[1]
    parts = [part for _, part in field.parts]
    variances = [one.variance for one in field.covariance.components]  # type: ignore[union-attr]
    mixed = sum(
        variance * field.loadings[:, part.start : part.start + cells]
        for variance, part in zip(variances, parts, strict=True)
    )
    whole = np.asarray(support.matrix @ mixed)
    rest = np.zeros(table.shape)
    met = np.asarray(support.matrix @ field.loadings)
    for day, values in enumerate(table):
        seen = np.flatnonzero(np.isfinite(values))
        miss = values[seen] - met[seen] @ field.states[day]
        rest[day, seen] = np.linalg.solve(whole[np.ix_(seen, seen)], miss)
    end = field.states.shape[1]
    return replace(
        field,
        loadings=np.hstack([field.loadings, mixed]),
        states=np.hstack([field.states, rest]),
        parts=(*field.parts, ("closure", slice(end, end + cells))),
    )
