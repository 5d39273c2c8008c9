"""Least-squares trends with standard errors that allow for persistence."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from headwater.errors import StudyError, nearest
from headwater.inference import effective_n
from headwater.inference.effective import autocorrelation, corrected_lag1
from headwater.inference.significance import student_p
from headwater.variation._maps import Values
from headwater.variation.trend._tiles import Parts, mapped

__all__ = ["persistent_ols_trend"]


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
