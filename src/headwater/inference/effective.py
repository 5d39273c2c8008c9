"""How many independent values a persistent series is worth."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["effective_n", "effective_n_pair", "lag1"]


def lag1(values: Any) -> Any:
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


def effective_n_pair(n: Any, r1_first: Any, r1_second: Any) -> Any:
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
