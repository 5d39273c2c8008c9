"""Monitoring for structural change as BFAST does it: OLS-CUSUM, MOSUM, and a stable history.

These reproduce strucchange and bfastmonitor, so that what is found here can be compared with what
others have published. They are two-sided, know no season of their own and no water; the charts of
:mod:`headwater.warning.charts` are what alerts rest on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError

__all__ = [
    "Monitoring",
    "monitor_structure",
    "recursive_residuals",
    "stable_history_start",
]

Floats = NDArray[np.float64]

_CUSUM_CRITICAL = {0.05: 2.795483, 0.01: 3.368214}
_MOSUM_CRITICAL = {(0.25, 0.05): 1.3418240}
_RECURSIVE_CRITICAL = {0.05: 0.9478982, 0.01: 1.1430, 0.10: 0.8499}


@dataclass(frozen=True, slots=True, eq=False)
class Monitoring:
    """A monitored series.

    Attributes
    ----------
    process, boundary : ndarray, shape (n_monitored,)
        Process and boundary of each new observation [1].
    alarm : int
        Place of the first new observation at which the process crosses the boundary; -1 for none.
    magnitude : float
        Median residual of the new observations [unit of the series].
    sigma : float
        Standard deviation of the history's residuals.
    n_history : int
        Observations in the history.
    """

    process: Floats
    boundary: Floats
    alarm: int
    magnitude: float
    sigma: float
    n_history: int


def monitor_structure(
    values: ArrayLike,
    design: ArrayLike,
    n_history: int,
    *,
    kind: Literal["cusum", "mosum"] = "mosum",
    window: float = 0.25,
    level: float = 0.95,
) -> Monitoring:
    """Monitor a series for a change of its regression.

    Parameters
    ----------
    values : array-like, shape (n_times,)
        History and new observations; NaN where missing.
    design : array-like, shape (n_times, n_terms)
        Regressors: mean, harmonics, trend, water.
    n_history : int
        Rows that belong to the history.
    kind : {"mosum", "cusum"}
    window : float
        Of the moving sum, as a share of the history [1]; 0.25 is the width whose critical value is
        built in.
    level : float
        0.95 or 0.99 (CUSUM) or 0.95 (MOSUM).

    Returns
    -------
    Monitoring

    Raises
    ------
    DataError
        If the history has no more observations than terms.
    StudyError
        If no critical value is known.

    Notes
    -----
    OLS-CUSUM: ``Σ e / (σ sqrt(n))`` against ``sqrt(x (x - 1) (c² + ln(x / (x - 1))))``; x = n_t/n.
    MOSUM: the last ``window n`` residuals against ``c sqrt(2 max(1, ln x))``.

    References
    ----------
    Chu, Stinchcombe & White (1996), doi:10.2307/2171955; Leisch, Hornik & Kuan (2000),
    doi:10.1017/S0266466600166022; Verbesselt, Zeileis & Herold (2012),
    doi:10.1016/j.rse.2012.02.022.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(1).normal(size=120)
    >>> y[100:] -= 3
    >>> found = monitor_structure(y, np.ones((120, 1)), 80)
    >>> found.alarm >= 20, found.magnitude < 0
    (True, True)
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    seen = np.isfinite(y) & np.isfinite(x).all(axis=1)
    n = int(seen[:n_history].sum())
    if n <= x.shape[1]:
        raise DataError(
            "a history with too few observations",
            found=f"{n} for {x.shape[1]} terms",
            do="Give a longer history, or fewer terms",
        )
    y, x = y[seen], x[seen]
    coefficients, *_ = np.linalg.lstsq(x[:n], y[:n], rcond=None)
    residual = y - x @ coefficients
    sigma = float(np.sqrt((residual[:n] ** 2).sum() / (n - x.shape[1])))
    total = np.cumsum(residual)
    significance = round(1 - level, 10)
    share = np.arange(n + 1, len(y) + 1) / n
    if kind == "cusum":
        process = total[n:] / (sigma * np.sqrt(n))
        c = _critical(_CUSUM_CRITICAL, significance, "CUSUM")
        boundary = np.sqrt(share * (share - 1) * (c**2 + np.log(share / (share - 1))))
    else:
        width = int(np.floor(window * n))
        moving = total - np.concatenate([np.zeros(width), total[:-width]])
        process = moving[n:] / (sigma * np.sqrt(n))
        c = _critical(_MOSUM_CRITICAL, (window, significance), "MOSUM")
        boundary = c * np.sqrt(2 * np.where(share <= np.e, 1.0, np.log(share)))
    crossed = np.abs(process) > boundary
    alarm = int(crossed.argmax()) if crossed.any() else -1
    magnitude = float(np.median(residual[n:])) if len(y) > n else np.nan
    return Monitoring(process, boundary, alarm, magnitude, sigma, n)


def recursive_residuals(values: ArrayLike, design: ArrayLike) -> Floats:
    """Predict each observation from those before it, and standardise the errors.

    Parameters
    ----------
    values : array-like, shape (n_times,)
        Without missing values.
    design : array-like, shape (n_times, n_terms)

    Returns
    -------
    ndarray, shape (n_times - n_terms,)
        NaN where the rows so far do not determine the regression.
        ``(y_t - x_t' β_(t-1)) / sqrt(1 + x_t' (X'X)^-1_(t-1) x_t)``, in the unit of the values.

    References
    ----------
    Brown, Durbin & Evans (1975), doi:10.1111/j.2517-6161.1975.tb01532.x.

    Examples
    --------
    >>> recursive_residuals([1.0, 3.0, 2.0], [[1.0], [1.0], [1.0]]).round(4).tolist()
    [1.4142, 0.0]
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    k = x.shape[1]
    found = np.full(max(len(y) - k, 0), np.nan)
    inverse: Floats = np.zeros((k, k))
    beta: Floats = np.zeros(k)
    for at in range(k, len(y)):
        if at < 3 * k:
            # an ill-conditioned start is solved anew; updating it would keep its errors
            solved, _, rank, _ = np.linalg.lstsq(x[:at], y[:at], rcond=None)
            beta = np.asarray(solved, np.float64)
            inverse = np.asarray(np.linalg.pinv(x[:at].T @ x[:at]), np.float64)
            if rank < k:
                continue
        gain = inverse @ x[at]
        scale = 1 + x[at] @ gain
        error = y[at] - x[at] @ beta
        found[at - k] = error / np.sqrt(scale)
        beta = beta + gain * error / scale
        inverse = inverse - np.outer(gain, gain) / scale
    return found


def stable_history_start(values: ArrayLike, design: ArrayLike, *, level: float = 0.95) -> int:
    """Find where the stable part of a history begins, looking back from its end.

    Parameters
    ----------
    values, design
        As for :func:`monitor_structure`, the history only.
    level : float
        0.90, 0.95 or 0.99.

    Returns
    -------
    int
        Place among the valid observations, from 0: those before it do not belong to the same
        regression.

    Notes
    -----
    Reverse-ordered CUSUM of recursive residuals; the boundary is ``λ (1 + 2 t)``. R's strucchange
    leaves the first residual out where it is given an intercept twice, by formula and by column.

    References
    ----------
    Pesaran & Timmermann (2002), doi:10.1016/S0927-5398(02)00007-5; Verbesselt et al. (2012),
    doi:10.1016/j.rse.2012.02.022.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(1).normal(size=100)
    >>> y[:30] += 5
    >>> 20 <= stable_history_start(y, np.ones((100, 1))) <= 35
    True
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    seen = np.isfinite(y) & np.isfinite(x).all(axis=1)
    y, x = y[seen][::-1], x[seen][::-1]
    residual = recursive_residuals(y, x)
    residual = residual[np.isfinite(residual)]
    if len(residual) < 3:
        return 0
    process = np.cumsum(residual) / (residual.std(ddof=1) * np.sqrt(len(residual)))
    share = np.arange(1, len(residual) + 1) / len(residual)
    critical = _critical(_RECURSIVE_CRITICAL, round(1 - level, 10), "history")
    crossed = np.abs(process) > critical * (1 + 2 * share)
    if not crossed.any():
        return 0
    return int(len(residual) - crossed.argmax())


def _critical(table: Mapping[Any, float], key: object, what: str) -> float:
    if key not in table:
        raise StudyError(
            f"no critical value of the {what} test for this choice",
            found=f"{key}",
            do=f"Choose one of {sorted(table)}",
        )
    return float(table[key])
