"""Mann-Kendall with the variance of S that persistence gives it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from headwater.inference import effective_n, student_p
from headwater.inference.effective import autocorrelation, corrected_lag1
from headwater.inference.kendall import score_variance, series_p, z_score
from headwater.variation._maps import Values
from headwater.variation.trend._tiles import (
    Parts,
    kendall_parts,
    mapped,
    midranks,
    normal_level,
    sen_kendall_tile,
)

__all__ = [
    "SHORTEST_PERSISTENCE",
    "hamed_rao",
    "persistent_mann_kendall",
    "yue_wang",
]

SHORTEST_PERSISTENCE = 10
"""Fewest values [1] from which persistence is estimated by :func:`persistent_mann_kendall`."""


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
        ``var_s`` (with the factor), ``z``, ``p``, ``tau_a``, ``n``, ``factor``, ``r1``,
        ``floored`` (always 0 here) [1].

    Raises
    ------
    TimeAxisError
        If times cannot be trusted, or steps are not even.
    DataError
        For angles, classes and infinite values.

    Notes
    -----
    The lag-1 autocorrelation of residuals from Sen's line, its bias removed, gives that of ranks,
    :math:`ρ_k = (6/π) \arcsin(r_1^k / 2)`, and with Hamed and Rao's sum
    :math:`n/n^* = 1 + \frac{2}{n(n-1)(n-2)} Σ_k (n-k)(n-k-1)(n-k-2) ρ_k`
    the variance of S. As r1 is itself uncertain, Z is referred to Student's t with
    ``n (1 - r1)/(1 + r1) - 2`` degrees of freedom (at least 1). Negative r1 counts as none. Without
    persistence found, and for n < 10, from which none can be, p is that of the plain test. The
    interval of the slope is widened alike. Sizes: docs/simulations/trend.md.

    References
    ----------
    Hamed, K. H., Rao, A. R. (1998). A modified Mann-Kendall trend test for autocorrelated data.
    Journal of Hydrology 204, 182-196. doi:10.1016/S0022-1694(97)00125-X.
    Hamed, K. H. (2009). Enhancing the effectiveness of prewhitening in trend analysis of hydrologic
    data. Journal of Hydrology 368, 143-155. doi:10.1016/j.jhydrol.2009.01.040.
    Santer, B. D. et al. (2000). Statistical significance of trends and trend differences in
    layer-average atmospheric temperature time series. Journal of Geophysical Research 105,
    7337-7356. doi:10.1029/1999JD901105

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
    from scipy.special import stdtrit

    plain = sen_kendall_tile(axis, x, normal_level(level))
    n, score, ties = plain[:3]
    r1 = corrected_lag1(autocorrelation(x - plain[4] * (axis - axis[0])[:, None], 1)[0], n)
    r1 = np.where((n < SHORTEST_PERSISTENCE) | np.isnan(r1), 0.0, np.maximum(r1, 0.0))
    factor = _variance_factor(n, lambda k: 6.0 / np.pi * np.arcsin(0.5 * r1**k), len(axis) - 1)
    dof = np.maximum(effective_n(n, r1) - 2.0, 1.0)
    variance = np.where(n >= 2, score_variance(n, ties) * factor, np.nan)
    z = z_score(score, variance)
    found = r1 > 0
    reach = np.where(found, stdtrit(dof, 0.5 + 0.5 * level), normal_level(level))
    kendall = sen_kendall_tile(axis, x, reach * np.sqrt(factor)) if found.any() else plain
    p = np.where(found, student_p(z, dof), series_p(x, score, ties))
    return kendall_parts(kendall, p=p, z=z, var_s=variance, factor=factor, r1=r1)


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
