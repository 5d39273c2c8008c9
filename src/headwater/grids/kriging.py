"""Kriging from stations to any places, its weights solved once and applied to every day.

Our own, because the peers have had no release for over a year, and PyKrige builds the n × n matrix
even for a local neighbourhood (its issues 264, 166, 310) and neither it nor GSTools lets weights be
kept: each day is solved anew. For grids from grids see ``docs/resampling-and-kriging.md``: kriging
is for points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.grids._kriging_systems import GlobalSystem, LocalSystems, Stations
from headwater.grids.variogram import Variogram, checked_places, drift_columns, embed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Kriging", "KrigingWeights", "LeaveOneOut"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class KrigingWeights:
    """Weights that were solved once, for any number of days on which all stations report.

    Attributes
    ----------
    matrix : array or sparse matrix, shape (target, station)
        Weights; each row sums to 1.
    variance : array, shape (target,)
        Kriging variance [unit²]; NaN where the target has no drift.
    """

    matrix: Any
    variance: Floats

    def apply(self, values: ArrayLike) -> Floats:
        """Weigh the stations' values.

        Parameters
        ----------
        values : array, shape (station,) or (time, station)
            NaN at a weighted station gives NaN; see :meth:`Kriging.predict` for gaps.

        Returns
        -------
        array, shape (target,) or (time, target)
        """
        estimate = np.asarray(self.matrix @ np.ascontiguousarray(np.asarray(values, float).T)).T
        return np.where(np.isnan(self.variance), np.nan, estimate)


@dataclass(frozen=True, slots=True, eq=False)
class LeaveOneOut:
    """How well each station is estimated from the others.

    Attributes
    ----------
    error : array, shape (time, station)
        Estimate minus value [unit]; NaN where there is no value, or no way to estimate it.
    variance : array, shape (time, station)
        Kriging variance of that estimate [unit²].
    n : int
        Number of errors.
    rmse, bias : float
        Root mean square and mean of the errors [unit].
    ratio : float
        Mean of error² / variance [1]: near 1 where the variogram is right about uncertainty.
    """

    error: Floats
    variance: Floats
    n: int
    rmse: float
    bias: float
    ratio: float


class Kriging:
    """Ordinary kriging, or kriging with external drift, from stations to places.

    Parameters
    ----------
    variogram : Variogram
        Of the values; with drift, of the residuals.
    neighbours : int, optional
        Use only so many nearest stations for each place; by default all. Local estimates jump where
        the neighbourhood changes, so prefer all up to about 3000 stations: memory is three matrices
        of (station, station), time grows with the cube.
    geographic : bool
        Whether coordinates are longitude and latitude [degree]; distances then run along great
        circles [m].

    Attributes
    ----------
    stations_ : int
        Number of stations, after :meth:`fit`.
    drifts_ : int
        Number of external drifts, after :meth:`fit`.

    Notes
    -----
    ``z* = Σ w_i z_i`` with the w that make z* unbiased for any mean (and any linear effect of the
    drift) and its error variance least. It is exact: at a station it returns the station's value
    with variance 0, nugget or not. Stations may lie anywhere, also outside the grid. A day on which
    stations are missing gets the estimate from the others; a day without any, or with too few to
    determine the external drift, gets NaN.

    References
    ----------
    Chilès, J.-P., Delfiner, P. (2012). Geostatistics: modeling spatial uncertainty, 2nd ed. Wiley.
    doi:10.1002/9781118136188

    Examples
    --------
    >>> model = Variogram("exponential", nugget=0.0, partial_sill=1.0, range=10.0)
    >>> kriging = Kriging(model).fit([[0.0, 0.0], [4.0, 0.0]])
    >>> kriging.predict([[1.0, 3.0], [5.0, np.nan]], [[2.0, 0.0]]).round(6).tolist()
    [[2.0], [5.0]]
    """

    def __init__(
        self, variogram: Variogram, *, neighbours: int | None = None, geographic: bool = False
    ) -> None:
        self.variogram = variogram
        self.neighbours = neighbours
        self.geographic = geographic

    def fit(self, coordinates: Any, drift: Any = None) -> Kriging:
        """Learn where the stations are, and solve what does not depend on the targets.

        Parameters
        ----------
        coordinates : array, shape (station, 2)
            (easting, northing) [m], or (longitude, latitude) [degree].
        drift : array, shape (station,) or (station, k), optional
            External drift at the stations, for example elevation [m].

        Returns
        -------
        Kriging
            Itself.

        Raises
        ------
        DataError
            If two stations share a place, there are too few, drift is missing at a station, or the
            system is singular.
        """
        places = checked_places(coordinates, self.geographic)
        columns = drift_columns(drift, len(places))
        self._check(places, columns)
        self.stations_, self.drifts_ = len(places), columns.shape[1]
        self.drift_mean_, spread = columns.mean(axis=0), columns.std(axis=0)
        self.drift_scale_ = np.where(spread > 0, spread, 1.0)
        embedded = embed(places, self.geographic)
        known = Stations(embedded, self._base(columns), self.variogram, self.geographic)
        if np.linalg.matrix_rank(known.base) < known.base.shape[1]:
            raise DataError(
                "the drift cannot be distinguished from the mean or from another drift",
                found=f"{self.drifts_} drifts at {self.stations_} stations",
                do="Leave out drifts that are constant or follow from each other",
            )
        self._system: GlobalSystem | LocalSystems = (
            GlobalSystem(known)
            if self.neighbours is None
            else LocalSystems(known, min(self.neighbours, self.stations_))
        )
        return self

    def weights(self, targets: Any, drift: Any = None, *, missing: Any = None) -> KrigingWeights:
        """Solve the weights of all stations for the targets, to keep and apply.

        Parameters
        ----------
        targets : array, shape (target, 2)
            Coordinates as in :meth:`fit`.
        drift : array, shape (target,) or (target, k), optional
            External drift at the targets; NaN there gives NaN.
        missing : array of bool, shape (station,), optional
            Stations without a value, which get weight 0.

        Returns
        -------
        KrigingWeights
            Sparse for a local neighbourhood; (target, station) in full otherwise, which
            :meth:`predict` avoids.

        Raises
        ------
        DataError
            If the drift does not match that of :meth:`fit`, or no station is left.
        """
        places, base, usable = self._targets(targets, drift)
        lost = None if missing is None else np.asarray(missing, dtype=bool)
        if lost is not None and np.count_nonzero(~lost) < base.shape[1]:
            raise DataError(
                "too few stations have a value",
                found=f"{np.count_nonzero(~lost)} of {self.stations_}",
                do=f"At least {base.shape[1]} are needed",
            )
        solved = self._system.weights(places, base, lost)
        variance = np.where(usable, np.maximum(solved.variance, 0.0), np.nan)
        return KrigingWeights(solved.matrix, variance)

    def predict(self, values: Any, targets: Any, drift: Any = None) -> Floats:
        """Estimate the values at the targets, day by day.

        Parameters
        ----------
        values : array, shape (station,) or (time, station)
            NaN where a station has no value. Days with the same stations missing share their
            solution; with all stations in one system, no day needs a new one.
        targets, drift
            As :meth:`weights`.

        Returns
        -------
        array, shape (target,) or (time, target)
            Same unit as `values`.

        Raises
        ------
        DataError
            If the values or the drift do not match the stations, or a value is infinite.
        """
        series = self._values(values)
        places, base, usable = self._targets(targets, drift)
        estimate = self._system.estimate(series, places, base)
        estimate[:, ~usable] = np.nan
        return estimate[0] if np.ndim(values) == 1 else estimate

    def variance(self, targets: Any, drift: Any = None, *, missing: Any = None) -> Floats:
        """Return the kriging variance at the targets, without keeping weights.

        Parameters
        ----------
        targets, drift, missing
            As :meth:`weights`.

        Returns
        -------
        array, shape (target,)
            Variance of the error, if the variogram is right [unit²].
        """
        places, base, usable = self._targets(targets, drift)
        lost = None if missing is None else np.asarray(missing, dtype=bool)
        variance = self._system.variance(places, base, lost)
        return np.where(usable, np.maximum(variance, 0.0), np.nan)

    def leave_one_out(self, values: ArrayLike) -> LeaveOneOut:
        """Estimate each station from the others, every day.

        Parameters
        ----------
        values : array, shape (station,) or (time, station)
            NaN where a station has no value.

        Returns
        -------
        LeaveOneOut

        Raises
        ------
        DataError
            As :meth:`predict`.

        Notes
        -----
        With all stations in one system the errors are those of the full solution over the diagonal
        of the inverse matrix: no system is solved again.

        References
        ----------
        Dubrule, O. (1983). Cross validation of kriging in a unique neighborhood. Journal of the
        International Association for Mathematical Geology 15, 687-699. doi:10.1007/BF01033232
        """
        error, variance = self._system.leave_one_out(self._values(values))
        made = np.isfinite(error)
        errors = error[made]
        if not errors.size:
            return LeaveOneOut(error, variance, 0, np.nan, np.nan, np.nan)
        rmse, bias = float(np.sqrt(np.mean(errors**2))), float(errors.mean())
        ratio = float(np.mean(errors**2 / variance[made]))
        return LeaveOneOut(error, variance, int(errors.size), rmse, bias, ratio)

    def _base(self, columns: Floats) -> Floats:
        scaled = (columns - self.drift_mean_) / self.drift_scale_
        return np.column_stack([np.ones(len(columns)), scaled])

    def _targets(
        self, targets: ArrayLike, drift: ArrayLike
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        places = checked_places(targets, self.geographic)
        columns = drift_columns(drift, len(places))
        if columns.shape[1] != self.drifts_:
            raise DataError(
                "the drift at the targets is not that of the stations",
                found=f"{columns.shape[1]} drifts at the targets, {self.drifts_} at the stations",
                do="Give the same drifts to fit and to predict",
            )
        usable: NDArray[np.bool_] = np.asarray(np.isfinite(columns).all(axis=1))
        base = self._base(np.where(usable[:, None], columns, self.drift_mean_))
        return embed(places, self.geographic), base, usable

    def _values(self, values: ArrayLike) -> Floats:
        series = np.atleast_2d(np.asarray(values, dtype=float))
        if series.ndim != 2 or series.shape[1] != self.stations_ or np.isinf(series).any():
            raise DataError(
                "values and stations do not match",
                found=f"values of shape {np.shape(values)} for {self.stations_} stations",
                do="Give finite values or NaN, shape (station,) or (time, station)",
            )
        return series

    def _check(self, places: Floats, columns: Floats) -> None:
        needed = columns.shape[1] + 2
        fewest = min(len(places), len(places) if self.neighbours is None else self.neighbours)
        if fewest < needed:
            raise DataError(
                "too few stations to krige from",
                found=f"{len(places)} stations, neighbourhood of {self.neighbours or 'all'}",
                do=f"At least {needed} are needed in each neighbourhood",
            )
        if not np.isfinite(columns).all():
            raise DataError(
                "a station has no drift",
                found=f"station {int(np.flatnonzero(~np.isfinite(columns).all(axis=1))[0])}",
                do="Leave such stations out",
            )
        _, first, which = np.unique(places, axis=0, return_index=True, return_inverse=True)
        twin = np.flatnonzero(first[which.ravel()] != np.arange(len(places)))
        if twin.size:
            pair = (int(first[which.ravel()[twin[0]]]), int(twin[0]))
            raise DataError(
                "two stations share one place",
                found=f"stations {pair[0]} and {pair[1]} at {places[pair[0]].tolist()}",
                do="Average them first, or leave one out",
            )
