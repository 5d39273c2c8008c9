"""Mann-Kendall after the persistence was taken out of the series."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from headwater.errors import StudyError, nearest
from headwater.inference.effective import autocorrelation, corrected_lag1
from headwater.inference.kendall import series_p
from headwater.variation._maps import Values
from headwater.variation.trend._tiles import (
    Parts,
    kendall_parts,
    mapped,
    normal_level,
    sen_kendall_tile,
)

__all__ = ["PREWHITENING", "prewhitened_mann_kendall"]

PREWHITENING = ("plain", "corrected", "trend_free", "iterative")
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
