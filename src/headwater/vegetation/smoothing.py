"""Smooth series of NDVI or cover through noise and gaps, without inventing a season."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.vegetation import _kernels
from headwater.vegetation._series import Rows, in_rows, times_of, year_bounds

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["choose_strength", "hants", "whittaker"]

STRENGTHS = 10.0 ** np.arange(-1.0, 4.01, 0.2)
_SAMPLE = 256


def whittaker(
    data: Any,
    *,
    strength: float | str = "auto",
    weights: Any = None,
    max_gap: int = 6,
) -> Any:
    """Smooth by penalised least squares on an even time axis.

    Parameters
    ----------
    data : ndarray (time, ...), Series or DataArray
        At even steps, NaN where missing; NumPy or Dask.
    strength : float or "auto"
        λ: larger is smoother. "auto" chooses one for the whole cube by the V-curve, from up to 256
        evenly spaced cells: one λ keeps maps free of seams and costs little.
    weights : same kind and shape as `data`, optional
        0 leaves a value out; default 1.
    max_gap : int
        Longest gap that is bridged [steps]; longer ones, and what lies before the first and after
        the last value, stay NaN.

    Returns
    -------
    Same kind as `data`
        A DataArray has ``attrs["strength"]``.

    Raises
    ------
    DataError
        If λ is not positive, a weight is negative, or no series has five values to choose λ from.

    Notes
    -----
    ``z = (W + λ D₂ᵀ D₂)⁻¹ W y`` with D₂ the second differences, solved in O(n). Fewer than three
    values give NaN.

    References
    ----------
    Eilers, P. H. C. (2003). A perfect smoother. Anal. Chem. 75, 3631-3636. doi:10.1021/ac034173t.
    Eilers, P. H. C., Pesendorfer, V. and Bonifacio, R. (2017). Automatic smoothing of remote
    sensing data. MultiTemp 2017. doi:10.1109/Multi-Temp.2017.8076705

    Examples
    --------
    >>> y = np.array([0.12, 0.13, 0.15, 0.14, 0.22, 0.35, 0.47, 0.30, 0.58, 0.62, 0.60, 0.57])
    >>> whittaker(y, strength=10.0)[:2].round(4).tolist()
    [0.0877, 0.1217]
    """
    chosen = choose_strength(data, weights=weights) if strength == "auto" else float(strength)
    if not (np.isfinite(chosen) and chosen > 0.0):
        raise DataError("λ must be positive", found=f"{strength}", do="Give a number or 'auto'")

    def compute(values: Rows, given: Rows | None = None) -> Rows:
        weight = _weights(values, given)
        return _kernels.whittaker_rows(values, weight, np.full(len(values), chosen), max_gap)

    smooth = in_rows(compute, data, *(() if weights is None else (weights,)))
    if isinstance(smooth, xr.DataArray):
        smooth.attrs["strength"] = chosen
    return smooth


def choose_strength(data: Any, *, weights: Any = None) -> float:
    """Choose λ of the Whittaker smoother by the V-curve.

    Parameters
    ----------
    data : ndarray (time, ...), Series or DataArray
        At even steps.
    weights : same kind, optional
        As in :func:`whittaker`.

    Returns
    -------
    float
        Over up to 256 evenly spaced series, the median of the least λ at which misfit and roughness
        change less from one λ to the next than they do at its neighbours.

    Raises
    ------
    DataError
        If no series has five values.

    Notes
    -----
    The curve has a second valley where the season itself is smoothed away; on series with little
    noise it is the deeper one, so that the first is taken, and on those without noise the only one:
    where values left out are predicted with 1.5 times the error of the least λ, the λ that
    predicts them best is taken.

    Examples
    --------
    >>> t = np.arange(92)
    >>> noisy = np.sin(t / 23 * 2 * np.pi) + np.random.default_rng(1).normal(0, 0.2, 92)
    >>> 0.1 < choose_strength(noisy) < 1000
    True
    """
    values = _sampled(data)
    weight = _weights(values, None if weights is None else _sampled(weights))
    curves = _kernels.roughness_rows(values, weight, STRENGTHS)
    fit = np.isfinite(curves).all(axis=(1, 2))
    curves, values, weight = curves[fit], values[fit], weight[fit]
    if not len(curves):
        raise DataError(
            "λ cannot be chosen",
            found="no series with five values",
            do="Give strength, or longer series",
        )
    change = np.hypot(*np.moveaxis(np.diff(curves, axis=1), 2, 0))
    middle = 0.5 * (np.log10(STRENGTHS[1:]) + np.log10(STRENGTHS[:-1]))
    chosen = _checked(values, weight, 10.0 ** middle[_first_valley(change)])
    return float(10.0 ** np.median(np.log10(chosen)))


def _first_valley(change: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find in each row the first value that no neighbour up to two places away undercuts."""
    wide = np.pad(change, ((0, 0), (2, 2)), constant_values=np.inf)
    around = np.lib.stride_tricks.sliding_window_view(wide, 5, axis=1).min(axis=2)
    # the least value of a row is a valley, so that there is always one
    return np.asarray((change <= around).argmax(axis=1), dtype=np.int64)


def _checked(values: Rows, weight: Rows, chosen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace λ that smooth the season away by those that predict left-out values best."""
    least = _held_out(values, weight, np.full(len(values), STRENGTHS[0]))
    lost = _held_out(values, weight, chosen) > 1.5 * least
    if not lost.any():
        return chosen
    rows, own = values[lost], weight[lost]
    errors = np.stack([_held_out(rows, own, np.full(len(rows), one)) for one in STRENGTHS])
    out = chosen.copy()
    out[lost] = STRENGTHS[errors.argmin(axis=0)]
    return out


def _held_out(values: Rows, weight: Rows, strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square error, by series, of every third value predicted by the others."""
    seen = weight > 0.0
    fold = np.cumsum(seen, axis=1) % 3
    total, n = np.zeros(len(values)), np.zeros(len(values))
    for one in range(3):
        out = seen & (fold == one)
        smooth = _kernels.whittaker_rows(
            values, np.where(out, 0.0, weight), strength, values.shape[1]
        )
        known = out & np.isfinite(smooth)
        total += (np.where(known, smooth - values, 0.0) ** 2).sum(axis=1)
        n += known.sum(axis=1)
    return np.asarray(np.sqrt(total / np.maximum(n, 1.0)))


def _sampled(data: ArrayLike) -> Rows:
    if isinstance(data, xr.DataArray):
        # whole cells, evenly spaced along both sides, so that a cube of Dask is not all computed
        other = [dim for dim in data.dims if dim != "time"]
        most = max(1, round(_SAMPLE ** (1.0 / max(1, len(other)))))
        picks = {dim: slice(None, None, max(1, data.sizes[dim] // most)) for dim in other}
        data = data.isel(picks).transpose("time", ...).values
    values = np.asarray(data, dtype=np.float64)
    rows = values.reshape(len(values), -1).T
    return np.ascontiguousarray(rows[:: max(1, len(rows) // _SAMPLE)])


def _weights(values: Rows, given: Rows | None) -> Rows:
    seen = np.isfinite(values).astype(np.float64)
    if given is None:
        return seen
    if (given < 0).any():
        raise DataError("a negative weight", found=f"{given.min():g}", do="Give 0 or more")
    return np.where(seen > 0, np.nan_to_num(given), 0.0)


def hants(
    data: ArrayLike,
    *,
    harmonics: int = 3,
    tolerance: float = 0.05,
    overdetermined: int = 5,
    damping: float = 0.1,
    reject: str = "low",
    max_gap: float = 64.0,
) -> Any:
    """Fit harmonics to each year, dropping clouds that lie too low (HANTS).

    Parameters
    ----------
    data : Series or DataArray (time, ...)
        At any times, NaN where missing.
    harmonics : int
        Number of harmonics of the year.
    tolerance : float
        A value that lies further below the curve than this is dropped [unit of data].
    overdetermined : int
        Values that must stay beyond the number of coefficients.
    damping : float
        Ridge on all coefficients but the mean.
    reject : {"low", "high"}
        On which side outliers lie.
    max_gap : float
        A year with a longer gap, its edges included, gets no curve [d].

    Returns
    -------
    Same kind as `data`
        At the times of `data`; NaN in years with too few values or too long a gap.

    Raises
    ------
    DataError
        If `reject` is neither side.
    TimeAxisError
        If there are no times.

    References
    ----------
    Roerink, G. J., Menenti, M. and Verhoef, W. (2000). Reconstructing cloudfree NDVI composites
    using Fourier analysis of time series. Int. J. Remote Sensing 21, 1911-1917.
    doi:10.1080/014311600209814

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2001-01-01", periods=23, freq="16D")
    >>> wave = pd.Series(0.4 - 0.2 * np.cos(np.arange(23) * 16 / 365 * 2 * np.pi), days)
    >>> cloudy = wave.where(days != days[9], 0.1)
    >>> round(float(hants(cloudy, damping=0.0).iloc[9] - wave.iloc[9]), 6)
    -0.0
    """
    if reject not in ("low", "high"):
        raise DataError("no such side", found=f"'{reject}'", do="Give 'low' or 'high'")
    sign = 1.0 if reject == "low" else -1.0
    times = times_of(data)
    _, bounds = year_bounds(times)
    day = times.day_of_year.to_numpy() - 1.0

    def compute(values: Rows) -> Rows:
        out = np.full(values.shape, np.nan)
        for first, last in pairwise(bounds):
            basis = _harmonic_basis(day[first:last], harmonics)
            spare = int(last - first) - len(basis) - overdetermined
            for j, row in enumerate(sign * values[:, first:last]):
                if _longest_gap(np.isfinite(row), day[first:last]) <= max_gap:
                    fitted = _hants_year(row, basis, tolerance, spare, damping)
                    out[j, first:last] = sign * fitted
        return out

    return in_rows(compute, data)


def _harmonic_basis(day: NDArray[np.float64], harmonics: int) -> NDArray[np.float64]:
    angle = 2.0 * np.pi * day / 365.0
    waves = [wave(k * angle) for k in range(1, harmonics + 1) for wave in (np.cos, np.sin)]
    return np.stack([np.ones_like(angle), *waves])


def _longest_gap(seen: NDArray[np.bool_], day: NDArray[np.float64]) -> float:
    """Longest time without a value, from the first of January to the end of the year [d]."""
    edges = np.concatenate([[0.0], day[seen], [366.0]])
    return float(np.diff(edges).max())


def _hants_year(
    row: NDArray[np.float64],
    basis: NDArray[np.float64],
    tolerance: float,
    spare: int,
    damping: float,
) -> NDArray[np.float64]:
    """Fit one year; values too far below the curve are dropped, worst first."""
    keep = np.isfinite(row).astype(np.float64)
    values = np.where(keep > 0, row, 0.0)
    spare -= int((keep == 0).sum())
    if spare < 0:
        return np.full(row.shape, np.nan)
    ridge = damping * np.eye(len(basis))
    ridge[0, 0] = 0.0
    while True:
        normal = (basis * keep) @ basis.T + ridge
        curve = np.linalg.solve(normal, basis @ (keep * values)) @ basis
        below = keep * (curve - values)
        worst = below.max()
        if worst <= tolerance or spare == 0:
            return np.asarray(curve)
        for place in np.argsort(below)[::-1]:
            if below[place] <= 0.5 * worst or spare == 0:
                break
            keep[place], spare = 0.0, spare - 1
