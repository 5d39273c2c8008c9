"""Fits the bucket of every cell to observed soil moisture, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from headwater.errors import DataError
from headwater.vegetation import _bucket_kernels as kernels
from headwater.vegetation._least_squares import Fitted, fit_cells, to_scale, to_values
from headwater.vegetation.bucket import Apply, Loss, Soil, Weather, water_balance

__all__ = ["BOUNDS", "CalibratedSoil", "calibrate_soil"]

Floats = NDArray[np.float64]

BOUNDS: Mapping[str, tuple[float, float]] = {
    "field_capacity": (0.06, 0.42),
    "wilting_share": (0.08, 0.85),
    "transpiration": (0.2, 4.0),
    "conductivity": (0.5, 2000.0),
    "unfrozen": (0.02, 0.98),
    "runoff_power": (0.2, 20.0),
}
"""What is fitted and between which limits; ``wilting_share`` is wilting point by field capacity."""

_LOGS = ("conductivity", "runoff_power")
"""Fitted on the scale of their logarithms."""

_BLOCK, _AT_ONCE = 2048, 128
_WARM_UP = 60
_PRIOR_SD = np.array([2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
"""Of each parameter of BOUNDS on the scale of the fit."""
_NO_RUNOFF_SD = np.array([2.0, 2.0, 2.0, 2.0, 2.0, 0.01])
_RUNOFF, _RUNOFF_START = 5, 3.0
_GOOD, _GAIN = 0.8, 0.05
"""R² below which runoff is fitted too, and what that must add to R²."""


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedSoil:
    """Soils fitted to observed soil moisture.

    Attributes
    ----------
    soil : Soil
        Best values, an ndarray of one value for each cell, NaN where nothing could be fitted.
    low, high : mapping of ndarray
        Limits of the interval of each fitted parameter, by the names of :data:`BOUNDS`.
    rmse, r2 : ndarray
        Of liquid water content [m3 m-3] and [1].
    n : ndarray
        Observations.
    n_effective : ndarray
        What they are worth, for the errors of one day resemble those of the day before.
    estimate, spread : ndarray, shapes (parameters, cells) and (parameters, parameters, cells)
        On the scale of the fit, from which :meth:`draw` draws.
    """

    soil: Soil
    low: Mapping[str, Floats]
    high: Mapping[str, Floats]
    rmse: Floats
    r2: Floats
    n: NDArray[np.int64]
    n_effective: Floats
    estimate: Floats
    spread: Floats

    def draw(self, rng: np.random.Generator) -> Soil:
        """Draw one soil for each cell from the uncertainty of the fit."""
        cells = self.estimate.shape[1]
        root = np.linalg.cholesky(
            np.nan_to_num(np.moveaxis(self.spread, -1, 0)) + 1e-12 * np.eye(len(self.estimate))
        )
        noise = rng.standard_normal((cells, len(self.estimate), 1))
        drawn = self.estimate + (root @ noise)[..., 0].T
        return _soil_of(self.soil, drawn, np.shape(self.soil.field_capacity))


def calibrate_soil(
    observed: ArrayLike,
    weather: Weather,
    soil: Soil,
    *,
    loss: Loss = "laio",
    level: float = 0.95,
    iterations: int = 8,
    min_values: int = 60,
    apply: Apply = map,
) -> CalibratedSoil:
    """Fit field capacity, wilting point, demand, drainage, frost and runoff of every cell.

    Parameters
    ----------
    observed : array-like (days, ...)
        Liquid water content of the root zone [m3 m-3], NaN where missing.
    weather : Weather
        Of the same days, as in :func:`water_balance`.
    soil : Soil
        What is not fitted, and where the fit begins.
    loss : {"laio", "fao56"}
        As in :func:`water_balance`.
    level : float
        Of the intervals [1].
    iterations : int
        Steps of the fit (Levenberg-Marquardt).
    min_values : int
        Least number of observations; cells with fewer stay NaN.
    apply : callable
        ``apply(function, parts)`` runs parts of the cells, in order; default: one after the other.

    Returns
    -------
    CalibratedSoil

    Raises
    ------
    DataError
        If shapes differ, no cell has enough observations, or what is observed is constant.

    Notes
    -----
    Parameters are fitted on a logit scale between :data:`BOUNDS`, with a weak normal prior (sd 2)
    about the soil given, which decides only where the observations say nothing; a start outside
    the bounds is moved to them. Evaporation of bare ground keeps its ratio to transpiration.
    Runoff before the soil is full is fitted only where R² stays below 0.8 without it and rises by
    0.05 or more: from soil water alone it can hardly be distinguished from what plants drink. Such
    cells begin anew from the median soil of all.
    Observations count as n (1 − ρ) / (1 + ρ), ρ being the lag-1 autocorrelation of the residuals.
    The first 60 days warm up and are left out.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> rain = rng.gamma(0.3, 8.0, 700)
    >>> weather = Weather(rain, np.full(700, 12.0), np.full(700, 4.0), np.full(700, 0.7))
    >>> true = Soil(field_capacity=0.26, wilting_point=0.08)
    >>> seen = water_balance(weather, true).series["liquid"] + rng.normal(0, 0.005, (700, 1))
    >>> fit = calibrate_soil(seen, weather, Soil(field_capacity=0.30, wilting_point=0.12))
    >>> bool(fit.low["field_capacity"][0] < 0.26 < fit.high["field_capacity"][0])
    True
    """
    seen = np.asarray(observed, dtype=np.float64)
    shape = seen.shape[1:] or (1,)
    flat = seen.reshape(len(seen), -1)
    used = flat.copy()
    used[:_WARM_UP] = np.nan
    count = np.isfinite(used).sum(axis=0)
    seen_at_all = np.isfinite(used)
    highest = np.where(seen_at_all, used, -np.inf).max(axis=0)
    lowest = np.where(seen_at_all, used, np.inf).min(axis=0)
    enough, constant = count >= min_values, highest <= lowest
    if not (enough & ~constant).any():
        raise DataError(
            "no soil can be calibrated",
            found=f"at most {int(count.max())} observations in a cell, {int(constant.sum())} of "
            f"{flat.shape[1]} cells constant",
            do=f"Give {min_values} or more observations of soil moisture that changes",
        )
    parts = []
    for first in range(0, flat.shape[1], _BLOCK):
        cells = slice(first, first + _BLOCK)
        block = Weather(*(_columns(part, cells, shape) for part in weather))
        own = soil.of_cells(cells, shape)
        fit = partial(_fit_in_parts, iterations=iterations, apply=apply)
        parts.append(_fit_block(used[:, cells], block, own, loss, fit))
    joined = [np.concatenate([part[k] for part in parts], axis=-1) for k in range(5)]
    return _calibrated(soil, joined, count.reshape(shape), enough & ~constant, level)


def _columns(part: ArrayLike, cells: slice | NDArray[np.int64], shape: tuple[int, ...]) -> Any:
    values = np.asarray(part)
    if values.ndim == 1:
        return values
    # in rows, once: the kernel would copy them at each call
    return np.ascontiguousarray(values.reshape(len(values), -1)[:, cells])


def _fit_block(
    used: Floats, weather: Weather, soil: Soil, loss: Loss, fit: Any
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Fit some cells; return estimates, covariances, mean square error, variance, effective n."""
    cells = used.shape[1]
    start = _scaled(soil).reshape(len(BOUNDS), -1)
    prior = np.broadcast_to(start, (len(BOUNDS), cells)).copy()

    seen = np.asarray(np.isfinite(used).any(axis=1))
    # of days without observations one is kept: those around it are no neighbours
    rows = np.flatnonzero(seen | np.append(False, seen[:-1]))
    kept = used[rows]
    last: list[tuple[NDArray[np.int64], Weather, Soil, Floats]] = []

    def misfit_of(own: NDArray[np.int64]) -> Any:
        if not last or not np.array_equal(own, last[0][0]):
            block = Weather(*(_columns(part, own, (cells,)) for part in weather))
            last[:] = [(own, block, soil.of_cells(own, (cells,)), kept[:, own])]
        _, block, part, own_kept = last[0]

        def misfit(values: Floats) -> Floats:
            tried = _soil_of(part, values, (own.size,))
            return own_kept - water_balance(block, tried, loss=loss).series["liquid"][rows]

        return misfit

    given = np.min(soil.runoff_power) < kernels.NO_RUNOFF
    fitted = fit(misfit_of, prior, _PRIOR_SD if given else _NO_RUNOFF_SD)
    known = np.isfinite(used)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, used, 0.0).sum(axis=0) / n
    spread = np.where(known, (used - mean) ** 2, 0.0).sum(axis=0) / n
    poor = np.flatnonzero((fitted.square > (1.0 - _GOOD) * spread) & (known.sum(axis=0) > 0))
    if poor.size and not given:
        again = np.repeat(np.median(fitted.at, axis=1, keepdims=True), poor.size, axis=1)
        again[_RUNOFF] = to_scale(np.array(_RUNOFF_START), *BOUNDS["runoff_power"], logs=True)
        second = fit(lambda own: misfit_of(poor[own]), again, _PRIOR_SD)
        fitted = _better(fitted, second, poor, spread)
    return fitted.at, fitted.spread, fitted.square, spread, fitted.worth


def _fit_in_parts(
    misfit_of: Any, start: Floats, prior_sd: Floats, *, iterations: int, apply: Apply
) -> Fitted:
    """Fit a few cells at a time, so that what belongs to them stays in the cache."""

    def fit(first: int) -> Fitted:
        own = start[:, first : first + _AT_ONCE]
        return fit_cells(lambda cells: misfit_of(first + cells), own, prior_sd, iterations)

    found = list(apply(fit, range(0, start.shape[1], _AT_ONCE)))
    names = ("at", "spread", "square", "worth")
    return Fitted(*(np.concatenate([getattr(one, k) for one in found], axis=-1) for k in names))


def _better(first: Fitted, second: Fitted, poor: NDArray[np.int64], spread: Floats) -> Fitted:
    """Take the second fit of poor cells where it explains clearly more."""
    gain = (first.square[poor] - second.square) / np.maximum(spread[poor], 1e-30)
    taken = gain > _GAIN
    at, covariance = first.at.copy(), np.array(first.spread)
    square, worth = first.square.copy(), first.worth.copy()
    own = poor[taken]
    at[:, own], covariance[..., own] = second.at[:, taken], second.spread[..., taken]
    square[own], worth[own] = second.square[taken], second.worth[taken]
    return Fitted(at, covariance, square, worth)


def _scaled(soil: Soil) -> Floats:
    """Bring the fitted parameters of a soil to the scale of the fit."""
    field = np.asarray(soil.field_capacity, dtype=np.float64)
    values = {
        "field_capacity": field,
        "wilting_share": np.asarray(soil.wilting_point, dtype=np.float64) / field,
        "transpiration": np.asarray(soil.transpiration, dtype=np.float64),
        "conductivity": np.asarray(soil.conductivity, dtype=np.float64),
        "unfrozen": np.asarray(soil.unfrozen, dtype=np.float64),
        "runoff_power": np.asarray(soil.runoff_power, dtype=np.float64),
    }
    rows = [
        to_scale(values[name], low, high, logs=name in _LOGS)
        for name, (low, high) in BOUNDS.items()
    ]
    return np.stack(np.broadcast_arrays(*rows))


def _unscaled(at: Floats) -> dict[str, Floats]:
    return {
        name: to_values(row, low, high, logs=name in _LOGS)
        for row, (name, (low, high)) in zip(at, BOUNDS.items(), strict=True)
    }


def _soil_of(soil: Soil, at: Floats, shape: tuple[int, ...]) -> Soil:
    values = _unscaled(at)
    field = values["field_capacity"]
    porosity = np.maximum(np.broadcast_to(soil.porosity, shape).ravel(), field + 0.02)
    # what is wrong of the demand is wrong for plants and bare ground alike
    ratio = np.asarray(soil.evaporation, dtype=np.float64) / soil.transpiration
    dryness = np.broadcast_to(ratio, shape).ravel()
    return soil.with_values(
        field_capacity=field.reshape(shape),
        wilting_point=(values["wilting_share"] * field).reshape(shape),
        transpiration=values["transpiration"].reshape(shape),
        evaporation=(values["transpiration"] * dryness).reshape(shape),
        conductivity=values["conductivity"].reshape(shape),
        unfrozen=values["unfrozen"].reshape(shape),
        runoff_power=values["runoff_power"].reshape(shape),
        porosity=porosity.reshape(shape),
        stress_point=None,
        hygroscopic_point=None,
    )


def _calibrated(
    soil: Soil, joined: list[Any], count: Any, fitted: Any, level: float
) -> CalibratedSoil:
    shape = count.shape
    at, covariance, square, variance, worth = joined
    at = np.where(fitted, at, np.nan)
    width = float(ndtri(0.5 + level / 2.0)) * np.sqrt(np.einsum("iic->ic", covariance))
    low, high = _unscaled(at - width), _unscaled(at + width)
    rmse = np.where(fitted, np.sqrt(square), np.nan)
    return CalibratedSoil(
        soil=_soil_of(soil, at, shape),
        low={name: values.reshape(shape) for name, values in low.items()},
        high={name: values.reshape(shape) for name, values in high.items()},
        rmse=rmse.reshape(shape),
        r2=np.where(fitted, 1.0 - square / np.maximum(variance, 1e-30), np.nan).reshape(shape),
        n=count,
        n_effective=np.where(fitted, worth, np.nan).reshape(shape),
        estimate=at,
        spread=covariance,
    )
