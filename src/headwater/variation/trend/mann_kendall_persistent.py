"""Mann-Kendall where values persist: its variance corrected, or the persistence taken out first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from headwater.errors import StudyError, nearest
from headwater.inference.effective import autocorrelation, corrected_lag1
from headwater.inference.kendall import score_variance, series_p, smallest_p, z_score
from headwater.inference.persistence import (
    SHORTEST_PERSISTENCE,
    persistent_limit,
    persistent_p,
)
from headwater.variation._maps import Values
from headwater.variation.trend._tiles import (
    Parts,
    intervals_in_every_cell,
    kendall_parts,
    mapped,
    midranks,
    normal_level,
    residual_lag1,
    sen_kendall_tile,
)

__all__ = [
    "PREWHITENING",
    "hamed_rao",
    "persistent_mann_kendall",
    "prewhitened_mann_kendall",
    "yue_wang",
]

PREWHITENING = ("plain", "corrected", "trend_free", "iterative")


def persistent_mann_kendall(data: Values, *, level: float = 0.95) -> xr.Dataset:
    r"""Test by Mann-Kendall with the variance that S has in an AR(1) series; the default.

    Parameters
    ----------
    data : DataArray (time, ...)
        Evenly spaced, as yearly values or monthly anomalies; gaps keep their place, whether
        missing or absent.
    level : float
        Of the slope's interval [1].

    Returns
    -------
    Dataset (...)
        ``slope``, ``slope_low``, ``slope_high`` [units per year], ``intercept`` [units], ``s``,
        ``var_s`` (with the factor), ``z`` (normal quantile of p, with the sign of S), ``p``,
        ``smallest_p``, ``tau_a``, ``n``, ``factor`` (by which the interval widens the variance),
        ``r1`` (its bias removed), ``least_squares_interval``, ``floored`` (always 0 here) [1].

    Raises
    ------
    TimeAxisError
        If times cannot be trusted, or steps are not even.
    DataError
        For angles, classes and infinite values.

    Notes
    -----
    Z of Mann-Kendall and the lag-1 autocorrelation r1 of residuals from Sen's line lead to p
    through a table (:mod:`headwater.inference.persistence`): of AR(1) series of n values, φ from 0
    to 0.6, simulated without a trend, the share p reaches that Z, given what r1 of so few values
    can say. The interval of the slope holds the slopes that the same table does not reject; where
    even the steepest pair of values is not rejected, it is that of least squares, tabulated alike,
    and ``least_squares_interval`` is 1. No p is below ``smallest_p``: of n values and this r1 the
    tail is not known further, or S cannot be larger. For n < 10, from which no persistence can be
    estimated, all is that of the plain test. Sizes: docs/simulations/trend.md.

    References
    ----------
    Hamed, K. H., Rao, A. R. (1998). A modified Mann-Kendall trend test for autocorrelated data.
    Journal of Hydrology 204, 182-196. doi:10.1016/S0022-1694(97)00125-X, for the variance of S of
    persistent series; the tables are Headwater's own.

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> low_high = xr.DataArray(np.repeat([1.0, 2.0], 6), {"time": years}, "time")
    >>> found = persistent_mann_kendall(low_high)
    >>> bool(found["factor"] > 1), int(found["n"])
    (True, 12)
    """
    test = partial(_persistent_tile, level=level)
    return mapped(data, test, "Mann-Kendall test for AR(1) series, Sen's slope")


def _persistent_tile(axis: np.ndarray, x: np.ndarray, *, level: float) -> Parts:
    from scipy.special import ndtri

    plain = sen_kendall_tile(axis, x, normal_level(level))
    n, score, ties = plain[:3]
    variance = np.where(n >= 2, score_variance(n, ties), np.nan)
    long = n >= SHORTEST_PERSISTENCE
    r1 = residual_lag1(x, x - plain[4] * (axis - axis[0])[:, None])
    p = np.where(
        long,
        persistent_p("kendall", z_score(score, variance), r1, n),
        series_p(x, score, ties),
    )
    reach = np.where(long, persistent_limit("kendall", level, r1, n), normal_level(level))
    kendall = sen_kendall_tile(axis, x, np.nan_to_num(reach, nan=normal_level(level)))
    limits = intervals_in_every_cell(axis, x, kendall, level)
    most = z_score(0.5 * n * (n - 1.0), score_variance(n))
    least = np.where(long, persistent_p("kendall", most, r1, n), smallest_p(n))
    factor = np.where(long, np.square(reach / normal_level(level)), 1.0)
    own = {
        "p": p,
        # on the scale of the normal distribution, as p is
        "z": np.sign(score) * -ndtri(0.5 * p),
        "var_s": variance * factor,
        "factor": factor,
        "r1": np.where(long, corrected_lag1(r1, n), np.nan),
        "smallest_p": least,
    }
    return kendall_parts(kendall, **limits, **own)


def hamed_rao(
    data: Values,
    *,
    max_lag: int | None = 3,
    floor: float = 1.0,
    lag_level: float = 0.95,
    level: float = 0.95,
) -> xr.Dataset:
    r"""Test by Mann-Kendall with the variance corrected after Hamed and Rao.

    Parameters
    ----------
    data : DataArray (time, ...)
        As in :func:`persistent_mann_kendall`.
    max_lag : int or None
        Largest lag [steps] whose autocorrelation counts; None for all, as R ``mmkh``.
    floor : float
        Least factor [1]; the sum of estimated autocorrelations may make it negative. Where it was
        raised, ``floored`` is 1.
    lag_level : float
        An autocorrelation counts beyond ``z/√n`` with z the normal quantile of this level [1].
    level : float
        Of the slope's interval [1], which is that of independent values.

    Returns
    -------
    Dataset (...)
        As :func:`persistent_mann_kendall`.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`persistent_mann_kendall`.

    Notes
    -----
    ``n/n* = 1 + 2/(n(n-1)(n-2)) Σ (n-k)(n-k-1)(n-k-2) ρ_k`` with ρ_k of the ranks of residuals from
    Sen's line.

    References
    ----------
    Hamed, K. H., Rao, A. R. (1998). A modified Mann-Kendall trend test for autocorrelated data.
    Journal of Hydrology 204, 182-196. doi:10.1016/S0022-1694(97)00125-X

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> low_high = xr.DataArray(np.repeat([1.0, 2.0], 6), {"time": years}, "time")
    >>> float(hamed_rao(low_high)["factor"]) >= 1.0
    True
    """
    test = partial(_hamed_rao_tile, max_lag=max_lag, floor=floor, lag_level=lag_level, level=level)
    return mapped(data, test, "Mann-Kendall test after Hamed and Rao, Sen's slope")


def _hamed_rao_tile(
    axis: np.ndarray,
    x: np.ndarray,
    *,
    max_lag: int | None,
    floor: float,
    lag_level: float,
    level: float,
) -> Parts:
    kendall = sen_kendall_tile(axis, x, normal_level(level))
    n = kendall[0]
    left = midranks(x - kendall[4] * (axis - axis[0])[:, None])
    lags = max(1, min(len(axis) - 1, max_lag or len(axis) - 1))
    rho = np.nan_to_num(autocorrelation(left, lags))
    bound = normal_level(lag_level) / np.sqrt(np.maximum(n, 1.0))
    counted = np.where(np.abs(rho) > bound, rho, 0.0)
    factor = _variance_factor(n, lambda k: counted[k - 1], lags)
    return _with_factor(x, kendall, factor, floor, rho[0])


def yue_wang(
    data: Values, *, max_lag: int | None = 1, floor: float = 1.0, level: float = 0.95
) -> xr.Dataset:
    """Test by Mann-Kendall with the variance corrected after Yue and Wang.

    Parameters
    ----------
    data : DataArray (time, ...)
        As in :func:`persistent_mann_kendall`.
    max_lag : {1, None}
        1: an AR(1) series; None: all lags, as R ``mmky``, whose sum the mean of the series all but
        fixes whatever the persistence, so that it corrects little.
    floor, level : float
        As in :func:`hamed_rao`.

    Returns
    -------
    Dataset (...)
        As :func:`persistent_mann_kendall`.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`persistent_mann_kendall`.

    Notes
    -----
    ``n/n* = 1 + 2 Σ (1 - k/n) r_k`` of residuals from Sen's line; for one lag
    ``1 + 2 (1 - 1/n) r1 / (1 - r1)``.

    References
    ----------
    Yue, S., Wang, C. (2004). The Mann-Kendall test modified by effective sample size to detect
    trend in serially correlated hydrological series. Water Resources Management 18, 201-218.
    doi:10.1023/B:WARM.0000043140.61082.60

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> low_high = xr.DataArray(np.repeat([1.0, 2.0], 6), {"time": years}, "time")
    >>> float(yue_wang(low_high)["factor"]) >= 1.0
    True
    """
    test = partial(_yue_wang_tile, max_lag=max_lag, floor=floor, level=level)
    return mapped(data, test, "Mann-Kendall test after Yue and Wang, Sen's slope")


def _yue_wang_tile(
    axis: np.ndarray, x: np.ndarray, *, max_lag: int | None, floor: float, level: float
) -> Parts:
    kendall = sen_kendall_tile(axis, x, normal_level(level))
    n = np.maximum(kendall[0], 1.0)
    lags = 1 if max_lag == 1 else max(1, min(len(axis) - 1, max_lag or len(axis) - 1))
    r = np.nan_to_num(autocorrelation(x - kendall[4] * (axis - axis[0])[:, None], lags))
    if max_lag == 1:
        factor = 1.0 + 2.0 * (1.0 - 1.0 / n) * r[0] / (1.0 - np.minimum(r[0], 0.999))
    else:
        share = np.maximum(1.0 - np.arange(1, lags + 1)[:, None] / n, 0.0)
        factor = 1.0 + 2.0 * (share * r).sum(axis=0)
    return _with_factor(x, kendall, factor, floor, r[0])


def _variance_factor(n: np.ndarray, rho: Callable[[int], Any], lags: int) -> np.ndarray:
    """n/n* of Hamed and Rao from the autocorrelation of ranks at each lag."""
    total = np.zeros(n.shape)
    for k in range(1, lags + 1):
        weight = np.maximum((n - k) * (n - k - 1.0) * (n - k - 2.0), 0.0)
        total += np.where(n > k + 2, weight, 0.0) * rho(k)
    return 1.0 + 2.0 * total / np.maximum(n * (n - 1.0) * (n - 2.0), 1.0)


def _with_factor(
    x: np.ndarray, kendall: np.ndarray, factor: np.ndarray, floor: float, r1: np.ndarray
) -> Parts:
    from scipy.special import ndtr

    n, score, ties = kendall[:3]
    kept = np.maximum(factor, floor)
    variance = np.where(n >= 2, score_variance(n, ties) * kept, np.nan)
    z = z_score(score, variance)
    # without a correction the plain test, exact for short series
    p = np.where(kept == 1.0, series_p(x, score, ties), 2.0 * ndtr(-np.abs(z)))
    p = np.where(n >= 2, p, np.nan)
    floored = (factor < floor).astype(float)
    return kendall_parts(kendall, p=p, z=z, var_s=variance, factor=kept, r1=r1, floored=floored)


"""Kinds of :func:`prewhitened_mann_kendall`."""


def prewhitened_mann_kendall(
    data: Values, *, kind: str = "iterative", level: float = 0.95
) -> xr.Dataset:
    """Test by Mann-Kendall after the persistence was taken out of the series.

    Parameters
    ----------
    data : DataArray (time, ...)
        As in :func:`persistent_mann_kendall`. A value whose predecessor is missing is left out.
    kind : {"plain", "corrected", "trend_free", "iterative"}
        See Notes.
    level : float
        Of the slope's interval [1].

    Returns
    -------
    Dataset (...)
        As :func:`persistent_mann_kendall`, ``r1`` being what was taken out.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`persistent_mann_kendall`.

    Notes
    -----
    All test ``y_t = x_t - r1 x_{t-1}``; its slope over 1 - r1 is that of x.
    *plain* (von Storch 1995): r1 of x itself, trend included, which takes trend out too.
    *corrected* (Hamed 2009): r1 from the regression of x_t on x_{t-1} and t, its bias removed.
    *trend_free* (Yue et al. 2002): r1 of residuals from Sen's line; the line is added back to y.
    It calls too many trends significant, more than the plain test can.
    *iterative* (Zhang et al. 2000; Wang & Swail 2001): r1 and the slope in turn until they stay.

    References
    ----------
    Yue, S., Pilon, P., Phinney, B., Cavadias, G. (2002). The influence of autocorrelation on the
    ability to detect trend in hydrological series. Hydrological Processes 16, 1807-1829.
    doi:10.1002/hyp.1095.
    Wang, X. L., Swail, V. R. (2001). Changes of extreme wave heights in Northern Hemisphere oceans
    and related atmospheric circulation regimes. Journal of Climate 14, 2204-2221.
    doi:10.1175/1520-0442(2001)014<2204:COEWHI>2.0.CO;2.
    Hamed, K. H. (2009). Enhancing the effectiveness of prewhitening in trend analysis of hydrologic
    data. Journal of Hydrology 368, 143-155. doi:10.1016/j.jhydrol.2009.01.040

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> low_high = xr.DataArray(np.repeat([1.0, 2.0], 6), {"time": years}, "time")
    >>> int(prewhitened_mann_kendall(low_high, kind="trend_free")["n"])
    11
    """
    if kind not in PREWHITENING:
        raise StudyError(
            "unknown kind of prewhitening", found=f"'{kind}'", do=nearest(kind, PREWHITENING)
        )
    test = partial(_prewhitened_tile, kind=kind, level=level)
    return mapped(data, test, f"Mann-Kendall test after {kind} prewhitening, Sen's slope")


def _prewhitened_tile(axis: np.ndarray, x: np.ndarray, *, kind: str, level: float) -> Parts:
    reach, elapsed = normal_level(level), (axis - axis[0])[:, None]
    slope = sen_kendall_tile(axis, x, reach)[4]
    n = (~np.isnan(x)).sum(axis=0)
    if kind == "iterative":
        r1 = _settled(axis, x, slope)
    elif kind == "corrected":
        r1 = corrected_lag1(_regressed_r1(axis, x), n)
    else:
        r1 = autocorrelation(x - slope * elapsed if kind == "trend_free" else x, 1)[0]
    r1 = np.nan_to_num(r1)
    free = kind == "trend_free"
    base = x - slope * elapsed if free else x
    y = base[1:] - r1 * base[:-1] + (slope * elapsed[1:] if free else 0.0)
    kendall = sen_kendall_tile(axis[1:], y, reach)
    kendall[4:8] /= 1.0 if free else 1.0 - np.minimum(r1, 0.999)
    p = series_p(y, kendall[1], kendall[2])
    return kendall_parts(kendall, p=p, r1=r1)


def _settled(axis: np.ndarray, x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Lag-1 autocorrelation and slope in turn, until they stay; r1 below 0.05 counts as none."""
    elapsed = (axis - axis[0])[:, None]
    r1, moving = np.zeros(x.shape[1]), np.ones(x.shape[1], dtype=bool)
    for _ in range(50):
        now = np.nan_to_num(autocorrelation(x - slope * elapsed, 1)[0])
        now = np.where(now < 0.05, 0.0, np.minimum(now, 0.999))
        # each cell stops by itself, whatever its neighbours in the tile do
        now = np.where(moving, now, r1)
        moving, r1 = moving & (np.abs(now - r1) >= 1e-4), now
        y = np.where(r1 > 0, (x[1:] - r1 * x[:-1]) / (1.0 - r1), x[1:])
        slope = sen_kendall_tile(axis[1:], y, 0.0)[4]
        if not moving.any():
            break
    return r1


def _regressed_r1(axis: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Coefficient of the value before in the regression on it and on time."""
    valid = ~np.isnan(x[1:] + x[:-1])
    n = np.maximum(valid.sum(axis=0), 1)

    def centred(values: np.ndarray) -> np.ndarray:
        kept = np.where(valid, values, 0.0)
        left: np.ndarray = np.where(valid, kept - kept.sum(axis=0) / n, 0.0)
        return left

    now, before = centred(x[1:]), centred(x[:-1])
    time = centred(np.broadcast_to((axis[1:] - axis[0])[:, None], now.shape))
    tt = (time * time).sum(axis=0)
    tt = np.where(tt > 0, tt, np.nan)
    before = before - time * ((time * before).sum(axis=0) / tt)
    square = (before * before).sum(axis=0)
    found: np.ndarray = (before * now).sum(axis=0) / np.where(square > 0, square, np.nan)
    return found
