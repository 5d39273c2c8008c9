"""How many independent values a persistent series is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["autocorrelation", "corrected_lag1", "effective_n", "effective_n_pair", "lag1"]


def lag1(values: ArrayLike) -> Any:
    """Lag-1 autocorrelation along time, gaps left out pairwise.

    Parameters
    ----------
    values : array, shape (time, ...)
        Evenly spaced series; a missing time must be NaN, not absent.

    Returns
    -------
    array, shape (...)
        ``r1 = Σ x_t x_{t+1} / Σ x_t²`` of centred x [1], each sum divided by its count; NaN for
        fewer than 3 pairs or a constant series.

    Examples
    --------
    >>> float(lag1(np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])))
    -1.0
    """
    values = np.asarray(values, dtype=float)
    valid = ~np.isnan(values)
    n = valid.sum(axis=0)
    mean = np.where(valid, values, 0.0).sum(axis=0) / np.where(n > 0, n, 1)
    centred = np.where(valid, values - mean, 0.0)
    pairs = (valid[1:] & valid[:-1]).sum(axis=0)
    variance = np.square(centred).sum(axis=0) / np.where(n > 0, n, 1)
    product = (centred[1:] * centred[:-1]).sum(axis=0) / np.where(pairs > 0, pairs, 1)
    usable = (pairs >= 3) & (variance > 0)
    return np.where(usable, product / np.where(usable, variance, 1.0), np.nan)[()]


def autocorrelation(values: ArrayLike, lags: int) -> Any:
    """Autocorrelation along time at lags 1 to `lags`, gaps left out pairwise.

    Parameters
    ----------
    values : array, shape (time, ...)
        Evenly spaced series; a missing time must be NaN, not absent.
    lags : int
        Largest lag [steps].

    Returns
    -------
    array, shape (lags, ...)
        ``r_k = Σ x_t x_{t+k} / Σ x_t²`` of centred x [1], as is usual without gaps; with gaps, the
        mean product over the pairs that exist, times 1 - k/L with L the number of steps. 0 where
        no pair exists, NaN for a constant series.

    Examples
    --------
    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0]), 2).tolist()
    [-0.75, 0.5]
    """
    values = np.asarray(values, dtype=float)
    valid = ~np.isnan(values)
    n, steps = valid.sum(axis=0), values.shape[0]
    mean = np.where(valid, values, 0.0).sum(axis=0) / np.where(n > 0, n, 1)
    centred = np.where(valid, values - mean, 0.0)
    variance = np.square(centred).sum(axis=0) / np.where(n > 0, n, 1)
    found = np.zeros((lags, *values.shape[1:]))
    for lag in range(1, min(lags, steps - 1) + 1):
        pairs = (valid[lag:] & valid[:-lag]).sum(axis=0)
        product = (centred[lag:] * centred[:-lag]).sum(axis=0)
        found[lag - 1] = product / np.where(pairs > 0, pairs, 1) * (1.0 - lag / steps)
    return found / np.where(variance > 0, variance, np.nan)


def corrected_lag1(r1: ArrayLike, n: ArrayLike) -> Any:
    """Remove the bias of the lag-1 autocorrelation of residuals from a straight line.

    Parameters
    ----------
    r1 : array-like
        As estimated from n residuals [1].
    n : array-like
        Number of values [1].

    Returns
    -------
    array
        ``(n r1 + 2) / (n - 4)`` [1], kept between -0.95 and 0.95; r1 itself where n < 6.

    References
    ----------
    Hamed, K. H. (2009). Enhancing the effectiveness of prewhitening in trend analysis of hydrologic
    data. Journal of Hydrology 368, 143-155. doi:10.1016/j.jhydrol.2009.01.040

    Examples
    --------
    >>> round(float(corrected_lag1(0.3, 24)), 6)
    0.46
    """
    r1, n = np.asarray(r1, dtype=float), np.asarray(n, dtype=float)
    enough = n >= 6
    better = (n * r1 + 2.0) / np.where(enough, n - 4.0, 1.0)
    return np.clip(np.where(enough, better, r1), -0.95, 0.95)[()]


def effective_n(n: Any, r1: Any) -> Any:
    """Effective number of values for the trend of an AR(1) series.

    Parameters
    ----------
    n : array-like
        Number of values [1].
    r1 : array-like
        Lag-1 autocorrelation of the residuals [1]; negative values count as zero.

    Returns
    -------
    array
        ``n (1 - r1) / (1 + r1)`` [1], never above n.

    References
    ----------
    Santer, B. D. et al. (2000). Statistical significance of trends and trend differences in
    layer-average atmospheric temperature time series. Journal of Geophysical Research 105,
    7337-7356. doi:10.1029/1999JD901105

    Examples
    --------
    >>> float(effective_n(90, 0.5))
    30.0
    """
    r1 = np.maximum(np.asarray(r1, dtype=float), 0.0)
    return n * (1.0 - r1) / (1.0 + r1)


def effective_n_pair(n: ArrayLike, r1_first: ArrayLike, r1_second: ArrayLike) -> Any:
    """Effective number of pairs for the correlation of two AR(1) series.

    Parameters
    ----------
    n : array-like
        Number of pairs [1].
    r1_first, r1_second : array-like
        Lag-1 autocorrelations of the two series [1]; a negative product counts as zero.

    Returns
    -------
    array
        ``n (1 - r1 r1') / (1 + r1 r1')`` [1], never above n.

    References
    ----------
    Bretherton, C. S. et al. (1999). The effective number of spatial degrees of freedom of a
    time-varying field. Journal of Climate 12, 1990-2009, eq. 31.
    doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2

    Examples
    --------
    >>> float(effective_n_pair(100, 0.5, 0.5))
    60.0
    """
    product = np.maximum(np.asarray(r1_first) * np.asarray(r1_second), 0.0)
    return n * (1.0 - product) / (1.0 + product)
