"""Trends per cell on the true time axis: least squares, Sen's slope and Mann-Kendall."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import StudyError, nearest
from headwater.inference import effective_n, moments
from headwater.inference.effective import autocorrelation, corrected_lag1
from headwater.inference.kendall import score_variance, series_p, smallest_p, z_score
from headwater.inference.significance import student_p
from headwater.variation._maps import (
    Values,
    as_cube,
    as_maps,
    cellwise,
    count,
    refuse_classes,
    whole_series,
    words,
)
from headwater.variation.calendar import check_time, decimal_years
from headwater.variation.trend._tiles import Parts, by_tile, mapped, per_year, sen_kendall_tile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "TREND_CLASSES",
    "ols_trend",
    "persistent_ols_trend",
    "sen_mann_kendall",
    "trend_class",
]

TREND_CLASSES = {
    -2: "significantly falling",
    -1: "falling, not significant",
    0: "no change",
    1: "rising, not significant",
    2: "significantly rising",
}
"""Codes of :func:`trend_class`; of soil moisture, falling is drying and rising is wetting."""


def ols_trend(data: Values) -> xr.Dataset:
    """Fit a straight line to every cell by least squares.

    Parameters
    ----------
    data : DataArray (time, ...)
        NumPy or Dask, chunked in any way; times on a standard or cftime calendar. A missing value
        is left out, its neighbours keep their times.

    Returns
    -------
    Dataset (...)
        ``slope`` and its standard error ``se`` [units per year], ``intercept`` (at year 0) [units],
        ``r`` [1], ``p`` (two-sided, independent residuals) [1], ``n`` [1].

    Raises
    ------
    TimeAxisError
        If times cannot be trusted.
    DataError
        For angles, classes and infinite values.

    Notes
    -----
    ``b = Sty / Stt``, ``se² = (1 - r²) Syy / ((n - 2) Stt)``, ``t = b / se`` with n - 2 degrees of
    freedom. NaN where n < 2; se and p NaN where n < 3. A constant series has slope 0, p 1, r NaN.
    Positive autocorrelation of residuals makes p too small.

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2017-01-01", periods=5, freq="YS")
    >>> fit = ols_trend(xr.DataArray([1.0, 2.0, 4.0, 4.0, 5.0], {"time": years}, "time"))
    >>> round(float(fit["slope"]), 6), round(float(fit["p"]), 4)
    (1.0, 0.0088)
    """
    data = as_cube(data)
    time = decimal_years(check_time(data))
    refuse_classes(data, "given a trend")
    ordered = data.transpose("time", ...)
    found = moments.of(time, ordered.data)
    n, r, slope = found.n, found.correlation(), found.slope()
    dof = np.where(n > 2, n - 2.0, np.nan)
    square = found.comoment[1, 1]
    left = np.maximum(square - slope * found.comoment[0, 1], 0.0)
    se = np.sqrt(left / dof / np.where(n > 1, found.comoment[0, 0], np.nan))
    # a perfect line has t = infinity, a constant one no trend at all
    t = np.where(se > 0, np.abs(slope) / np.where(se > 0, se, 1.0), np.inf)
    p = np.where(square > 0, cellwise(student_p, t, dof), np.where(n > 2, 1.0, np.nan))
    units, text = data.attrs.get("units", ""), words(data)
    each_year = per_year(units)
    return as_maps(
        ordered,
        {
            "slope": (slope, each_year, f"{text}, trend (least squares)"),
            "intercept": (found.mean[1] - slope * found.mean[0], units, f"{text}, in year 0"),
            "r": (r, "1", f"{text}, correlation with time"),
            "se": (se, each_year, f"{text}, standard error of the trend"),
            "p": (p, "1", f"{text}, p-value of the trend"),
            "n": (count(n), "1", "Values"),
        },
        method="least squares",
    )


def sen_mann_kendall(data: Values, *, level: float = 0.95, continuity: bool = True) -> xr.Dataset:
    """Estimate Sen's slope and test it by Mann-Kendall, for every cell.

    Parameters
    ----------
    data : DataArray (time, ...)
        As in :func:`ols_trend`. Ranks need whole series, so a cube chunked in time is rechunked.
    level : float
        Of the slope's interval [1].
    continuity : bool
        Whether Z uses the continuity correction.

    Returns
    -------
    Dataset (...)
        ``slope``, ``slope_low``, ``slope_high`` [units per year], ``intercept`` (at year 0)
        [units], ``s``, ``var_s``, ``z``, ``p`` (two-sided), ``tau_a``, ``tau_b``, ``smallest_p``
        (that n values could reach) and ``n`` [1].

    Raises
    ------
    TimeAxisError
        If times cannot be trusted.
    DataError
        For angles, classes and infinite values.

    Notes
    -----
    ``slope = median (x_j - x_i)/(t_j - t_i)``; ``S = Σ sgn(x_j - x_i)``;
    ``var S = [n(n-1)(2n+5) - Σ t(t-1)(2t+5)] / 18``; ``Z = (S - sgn S)/√var S``. p is exact for
    n ≤ 30, with ties too, and ``2 Φ(-|Z|)`` otherwise. Interval: of the N slopes in order, those of
    rank (N - C)/2 and (N + C)/2 + 1, rounded, with ``C = z √var S``; NaN where there is no such
    rank. Intercept: ``median x - slope · median t`` (Conover). All assume independent values; see
    :func:`headwater.variation.persistent_mann_kendall` where they persist. A constant series has
    slope 0 and p 1; two values a slope and p 1; fewer are NaN. Gaps, hourly steps and calendars
    without leap days count by true time. Work per cell grows as n log n: slopes are found by rank,
    without all pairs, and are those of all pairs exactly.

    References
    ----------
    Sen, P. K. (1968). Estimates of the regression coefficient based on Kendall's tau. Journal of
    the American Statistical Association 63, 1379-1389. doi:10.1080/01621459.1968.10480934.
    Mann, H. B. (1945). Nonparametric tests against trend. Econometrica 13, 245-259.
    doi:10.2307/1907187.
    Knight, W. R. (1966). A computer method for calculating Kendall's tau with ungrouped data.
    Journal of the American Statistical Association 61, 436-439.
    doi:10.1080/01621459.1966.10480879.
    Dillencourt, M. B., Mount, D. M., Netanyahu, N. S. (1992). A randomized algorithm for slope
    selection. International Journal of Computational Geometry & Applications 2, 1-27.
    doi:10.1142/S0218195992000020

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2017-01-01", periods=5, freq="YS")
    >>> fit = sen_mann_kendall(xr.DataArray([1.0, 2.0, 4.0, 4.5, 5.0], {"time": years}, "time"))
    >>> round(float(fit["p"]), 4), float(fit["s"])
    (0.0167, 10.0)
    """
    data = as_cube(data)
    from scipy.special import ndtri

    time = decimal_years(check_time(data))
    refuse_classes(data, "given a trend")
    ordered = whole_series(data)
    reach = float(ndtri(0.5 + 0.5 * level))
    packed = xr.apply_ufunc(
        _sen_kendall_block,
        ordered,
        input_core_dims=[["time"]],
        output_core_dims=[["part"]],
        kwargs={"axis": time, "reach": reach, "continuity": continuity},
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"part": 9}},
    )
    n, score, ties, tied, slope, low, high, intercept, p = (packed.data[..., i] for i in range(9))
    return _kendall_maps(
        ordered, (n, score, ties, tied), (slope, low, high, intercept), p, continuity
    )


def _sen_kendall_block(
    values: np.ndarray, *, axis: np.ndarray, reach: float, continuity: bool
) -> np.ndarray:
    """Kernel on (..., time), the layout of apply_ufunc; returns (..., 9)."""

    def tile_of(tile: np.ndarray) -> np.ndarray:
        found = sen_kendall_tile(axis, tile, reach)
        p = series_p(tile, found[1], found[2], continuity=continuity)
        return np.concatenate([found, p[None]])

    return by_tile(values, tile_of, 9)


def _kendall_maps(
    data: xr.DataArray,
    kendall: tuple[Any, ...],
    slopes: tuple[Any, ...],
    p: ArrayLike,
    continuity: bool,
) -> xr.Dataset:
    n, score, ties, tied = kendall
    variance = np.where(n >= 2, score_variance(n, ties), np.nan)
    pairs = np.where(n >= 2, n * (n - 1.0) / 2.0, np.nan)
    untied = pairs * (pairs - tied)
    units, text = data.attrs.get("units", ""), words(data)
    each_year = per_year(units)
    slope, low, high, intercept = slopes
    z = cellwise(z_score, score, variance, continuity=continuity)
    tau_b = score / np.sqrt(np.where(untied > 0, untied, np.nan))
    return as_maps(
        data,
        {
            "slope": (slope, each_year, f"{text}, trend (Sen)"),
            "slope_low": (low, each_year, f"{text}, lower limit of the trend"),
            "slope_high": (high, each_year, f"{text}, upper limit of the trend"),
            "intercept": (intercept, units, f"{text}, in year 0"),
            "s": (score, "1", "Kendall's S"),
            "var_s": (variance, "1", "Variance of S"),
            "z": (z, "1", "Z of Mann-Kendall"),
            "p": (p, "1", f"{text}, p-value of Mann-Kendall"),
            "tau_a": (score / pairs, "1", "Kendall's tau-a"),
            "tau_b": (tau_b, "1", "Kendall's tau-b"),
            "smallest_p": (cellwise(smallest_p, n), "1", "Smallest p that n values can reach"),
            "n": (count(n), "1", "Values"),
        },
        method="Sen's slope, Mann-Kendall test",
    )


def trend_class(slope: xr.DataArray, significant: xr.DataArray) -> xr.DataArray:
    """Class a trend by its sign and by whether it is significant.

    Parameters
    ----------
    slope : DataArray
        Trend [units per year].
    significant : DataArray of bool
        After control of the false discovery rate, see :func:`headwater.inference.fdr`.

    Returns
    -------
    DataArray
        Codes of :data:`TREND_CLASSES`, NaN where there is no slope, with CF ``flag_values`` and
        ``flag_meanings``.

    Examples
    --------
    >>> slope = xr.DataArray([-0.1, 0.0, 0.2])
    >>> trend_class(slope, xr.DataArray([True, False, False])).values
    array([-2.,  0.,  1.])
    """
    sign = (slope > 0).astype(float) - (slope < 0)
    codes = (sign * (1.0 + significant)).where(slope.notnull())
    meanings = " ".join(
        text.replace(", ", "_").replace(" ", "_") for text in TREND_CLASSES.values()
    )
    codes.attrs = {
        "units": "1",
        "long_name": "Trend class",
        "flag_values": list(TREND_CLASSES),
        "flag_meanings": meanings,
    }
    return codes.rename("trend_class")


def persistent_ols_trend(
    data: Values, *, kind: str = "ar1", corrected: bool = True, level: float = 0.95
) -> xr.Dataset:
    """Fit a line by least squares, with a standard error that allows for persistence.

    Parameters
    ----------
    data : DataArray (time, ...)
        As in :func:`persistent_mann_kendall`.
    kind : {"ar1", "newey_west"}
        How persistence counts: by an effective number of residuals, or by their autocovariances.
    corrected : bool
        Whether r1 has its bias removed (for ``ar1``); Santer et al. did not.
    level : float
        Of the slope's interval [1].

    Returns
    -------
    Dataset (...)
        As :func:`persistent_mann_kendall`: ``z`` is Student's t, ``s``, ``var_s`` and ``tau_a`` are
        NaN, and ``factor`` is n over the effective n (NaN for ``newey_west``).

    Raises
    ------
    TimeAxisError, DataError
        As :func:`persistent_mann_kendall`.

    Notes
    -----
    *ar1*: ``n_e = n (1 - r1)/(1 + r1)``, ``se² = Σe²/(n_e - 2) / Stt``, n_e - 2 degrees of freedom;
    p is NaN where n_e ≤ 2. Negative r1 counts as none. *newey_west*: Bartlett weights up to lag
    ``⌊4 (n/100)^(2/9)⌋``, times n/(n - 2), n - 2 degrees of freedom.

    References
    ----------
    Santer, B. D. et al. (2000). Statistical significance of trends and trend differences in
    layer-average atmospheric temperature time series. Journal of Geophysical Research 105,
    7337-7356. doi:10.1029/1999JD901105.
    Newey, W. K., West, K. D. (1987). A simple, positive semi-definite, heteroskedasticity and
    autocorrelation consistent covariance matrix. Econometrica 55, 703-708. doi:10.2307/1913610

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> low_high = xr.DataArray(np.repeat([1.0, 2.0], 6), {"time": years}, "time")
    >>> round(float(persistent_ols_trend(low_high)["slope"]), 3)
    0.126
    """
    if kind not in {"ar1", "newey_west"}:
        raise StudyError(
            "unknown standard error", found=f"'{kind}'", do=nearest(kind, ("ar1", "newey_west"))
        )
    test = partial(_ols_tile, kind=kind, corrected=corrected, level=level)
    return mapped(data, test, f"least squares, {kind} standard error")


def _ols_tile(
    axis: np.ndarray, x: np.ndarray, *, kind: str, corrected: bool, level: float
) -> Parts:
    from scipy.special import stdtrit

    valid = ~np.isnan(x)
    n = valid.sum(axis=0).astype(float)
    some = np.where(n > 0, n, np.nan)
    elapsed = (axis - axis[0])[:, None]
    middle, mean = (np.where(valid, v, 0.0).sum(axis=0) / some for v in (elapsed, x))
    time = np.where(valid, elapsed - middle, 0.0)
    stt = np.where(n > 1, (time * time).sum(axis=0), np.nan)
    slope = (time * np.where(valid, x - mean, 0.0)).sum(axis=0) / stt
    left = np.where(valid, x - mean - slope * time, np.nan)
    r1 = autocorrelation(left, 1)[0]
    if kind == "ar1":
        r1 = np.maximum(np.nan_to_num(corrected_lag1(r1, n) if corrected else r1), 0.0)
        dof = effective_n(n, r1) - 2.0
        dof = np.where(dof > 0, dof, np.nan)
        se, factor = np.sqrt(np.nansum(left * left, axis=0) / dof / stt), n / effective_n(some, r1)
    else:
        dof, factor = np.where(n > 2, n - 2.0, np.nan), np.full(n.shape, np.nan)
        se = np.sqrt(_newey_west(np.where(valid, time * left, 0.0), n) * n / dof) / stt
    t = np.where(se > 0, slope / np.where(se > 0, se, 1.0), np.where(slope == 0, 0.0, np.inf))
    reach = stdtrit(np.nan_to_num(dof, nan=1.0), 0.5 + 0.5 * level) * se
    return {
        "slope": slope,
        "slope_low": slope - reach,
        "slope_high": slope + reach,
        "intercept": mean - slope * (middle + axis[0]),
        "z": np.where(np.isnan(dof), np.nan, t),
        "p": student_p(t, dof),
        "n": n,
        "factor": factor,
        "r1": r1,
        "floored": np.zeros(n.shape),
    }


def _newey_west(scores: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Long-run sum of products of scores (time, cell), 0 where missing, with Bartlett weights."""
    last = np.floor(4.0 * (n / 100.0) ** (2.0 / 9.0))
    total: np.ndarray = (scores * scores).sum(axis=0)
    for lag in range(1, min(int(last.max(initial=0)), len(scores) - 1) + 1):
        weight = np.maximum(1.0 - lag / (last + 1.0), 0.0)
        total = total + 2.0 * weight * (scores[lag:] * scores[:-lag]).sum(axis=0)
    kept: np.ndarray = np.maximum(total, 0.0)
    return kept
