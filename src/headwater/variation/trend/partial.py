"""Trend of one series given another."""

from __future__ import annotations

import numpy as np
import xarray as xr

from headwater.errors import TimeAxisError
from headwater.inference import moments
from headwater.inference.significance import student_p
from headwater.variation._maps import Values, as_cube, as_maps, refuse_classes, words
from headwater.variation.breaks import after_regression
from headwater.variation.calendar import check_time, decimal_years
from headwater.variation.trend._tiles import finite, midranks, standardised
from headwater.variation.trend.mann_kendall_persistent import persistent_mann_kendall
from headwater.variation.trend.seasonal import score_covariance

__all__ = ["partial_correlation_trend", "partial_mann_kendall", "residual_trend"]


def partial_mann_kendall(data: Values, control: Values) -> xr.Dataset:
    """Test for a trend in one series given the trend in another.

    Parameters
    ----------
    data, control : DataArray (time, ...)
        On the same times and cells; a time at which either is missing is left out.

    Returns
    -------
    Dataset (...)
        ``s`` (expected part removed), ``var_s``, ``z``, ``p``, ``n`` [1].

    Raises
    ------
    TimeAxisError, DataError
        If times cannot be trusted or differ; for angles and infinite values.

    Notes
    -----
    ``S = S_x - (σ_xy/σ_yy) S_y`` with variance ``σ_xx - σ_xy²/σ_yy``.

    References
    ----------
    Libiseller, C., Grimvall, A. (2002). Performance of partial Mann-Kendall tests for trend
    detection in the presence of covariates. Environmetrics 13, 71-84. doi:10.1002/env.507

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> rain = xr.DataArray(np.arange(12.0), {"time": years}, "time")
    >>> float(partial_mann_kendall(2.0 * rain, rain)["s"])
    0.0
    """
    data, control = as_cube(data), as_cube(control)
    x, y = _pair(data, control)
    score, covariance = score_covariance(np.stack([x.values, y.values], axis=1))
    syy = np.where(covariance[1, 1] > 0, covariance[1, 1], np.inf)
    left = score[0] - covariance[0, 1] / syy * score[1]
    variance = np.maximum(covariance[0, 0] - covariance[0, 1] ** 2 / syy, 0.0)
    z, p = standardised(left, variance, continuity=False)
    n = np.asarray(x.notnull().sum("time"))
    p = np.where(n >= 2, p, np.nan)
    maps = {"s": left, "var_s": variance, "z": z, "p": p, "n": n}
    labelled = {name: (part, "1", f"{words(data)}, partial {name}") for name, part in maps.items()}
    return as_maps(x, labelled, method=f"partial Mann-Kendall test given {words(control)}")


def partial_correlation_trend(
    data: Values, control: Values, *, kind: str = "pearson", lost: int = 3
) -> xr.Dataset:
    """Correlate a series with time, given another series.

    Parameters
    ----------
    data, control : DataArray (time, ...)
        As in :func:`partial_mann_kendall`.
    kind : {"pearson", "spearman"}
        Correlation of values or of ranks.
    lost : int
        Degrees of freedom lost; 3 is right for one control, R ``partial.cor.trend.test`` takes 2.

    Returns
    -------
    Dataset (...)
        ``r``, ``t``, ``p``, ``n`` [1].

    Raises
    ------
    TimeAxisError, DataError
        As :func:`partial_mann_kendall`.

    Notes
    -----
    ``r = (r_xt - r_xy r_yt) / √((1 - r_xy²)(1 - r_yt²))``, ``t = r √(dof / (1 - r²))``.

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2001-01-01", periods=4, freq="YS")
    >>> x = xr.DataArray([1.0, 2.0, 3.0, 5.0], {"time": years}, "time")
    >>> y = xr.DataArray([1.0, -1.0, -1.0, 1.0], {"time": years}, "time")
    >>> round(float(partial_correlation_trend(x, y)["r"]), 3)
    0.997
    """
    data, control = as_cube(data), as_cube(control)
    x, y = _pair(data, control)
    years = decimal_years(check_time(x)).reshape(-1, *[1] * (x.ndim - 1))
    t = np.where(x.isnull(), np.nan, years)
    parts = [np.asarray(v, dtype=float).reshape(len(t), -1) for v in (x.values, t, y.values)]
    if kind == "spearman":
        parts = [midranks(part) for part in parts]
    found = moments.of(*parts)
    xt, xy, ty = (found.correlation(*pair) for pair in ((0, 1), (0, 2), (1, 2)))
    left = (1.0 - xy**2) * (1.0 - ty**2)
    r = np.clip((xt - xy * ty) / np.sqrt(np.where(left > 0, left, np.nan)), -1.0, 1.0)
    dof = np.where(found.n > lost, found.n - lost, np.nan)
    rest = np.where(np.abs(r) < 1, 1.0 - r**2, np.nan)
    statistic = r * np.sqrt(dof / rest)
    maps = {"r": r, "t": statistic, "p": student_p(statistic, dof), "n": found.n}
    shape = x.shape[1:]
    labelled = {k: (v.reshape(shape), "1", f"{words(data)}, partial {k}") for k, v in maps.items()}
    return as_maps(x, labelled, method=f"partial {kind} correlation with time")


def _pair(data: xr.DataArray, control: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    for each in (data, control):
        check_time(each)
        refuse_classes(each, "given a trend")
    if data.shape != control.shape or not data.indexes["time"].equals(control.indexes["time"]):
        raise TimeAxisError(
            "series of different times or cells",
            found=f"{data.shape} and {control.shape}",
            do="Align them on the same times and cells first",
        )
    x, y = (each.transpose("time", ...).load().astype(float) for each in (data, control))
    for each in (x, y):
        finite(each.values)
    return x.where(y.notnull()), y.where(x.notnull())


def residual_trend(data: Values, factor: Values, *, level: float = 0.95) -> xr.Dataset:
    """Test for a trend in what a factor leaves unexplained, as RESTREND does with rain.

    Parameters
    ----------
    data, factor : DataArray (time, ...)
        On the same even times and cells; a time at which either is missing is left out.
    level : float
        Of the slope's interval [1].

    Returns
    -------
    Dataset (...)
        As :func:`headwater.variation.persistent_mann_kendall`, of the residuals of the regression
        of data on the factor; ``factor_slope`` [units of data per unit of factor] and ``factor_r``
        [1]; ``partial_p``: of :func:`partial_mann_kendall` [1], for independent values.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`partial_mann_kendall`.

    Notes
    -----
    A trend that the factor shares is taken for the factor's effect: if both rise, the residual
    trend is smaller than the true one, and none is found where the factor explains it.

    References
    ----------
    Evans, J., Geerken, R. (2004). Discrimination between climate and human-induced dryland
    degradation. Journal of Arid Environments 57, 535-554. doi:10.1016/S0140-1963(03)00121-6

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rain = rng.normal(size=30)
    >>> wet = 2.0 * rain + 0.1 * np.arange(30) + 0.1 * rng.normal(size=30)
    >>> found = residual_trend(wet, rain)
    >>> bool(found["p"] < 0.001), round(float(found["factor_slope"]))
    (True, 2)
    """
    own, given = as_cube(data), as_cube(factor)
    x, y = _pair(own, given)
    found = persistent_mann_kendall(after_regression(x, y).assign_attrs(own.attrs), level=level)
    pair = moments.of(y.data, x.data)
    units = f"{own.attrs.get('units', '')} per ({given.attrs.get('units', '')})"
    text = words(own)
    maps = {
        "factor_slope": (pair.slope(), units, f"{text}, slope on {words(given)}"),
        "factor_r": (pair.correlation(), "1", f"{text}, correlation with {words(given)}"),
        "partial_p": (partial_mann_kendall(own, given)["p"].data, "1", f"{text}, partial p"),
    }
    return found.assign(dict(as_maps(x, maps).items())).assign_attrs(
        method=f"trend of the residuals of a regression on {words(given)}"
    )
