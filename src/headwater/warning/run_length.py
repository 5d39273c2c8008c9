"""How long control charts run until an alarm, exactly, and thresholds for a tolerated rate.

The average run length L solves an integral equation over the chart's statistic, here by
Gauss-Legendre quadrature: exact to more digits than anyone needs for normal, independent residuals.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headwater.errors import StudyError

__all__ = [
    "cusum_run_length",
    "cusum_threshold",
    "ewma_limit",
    "ewma_run_length",
    "season_alarm_probability",
]

Floats = NDArray[np.float64]
_NODES = 80


def cusum_run_length(threshold: float, *, allowance: float = 0.5, shift: float = 0.0) -> float:
    """Compute the average run length of a one-sided CUSUM.

    Parameters
    ----------
    threshold : float
        Alarm when ``C_t = max(0, C_(t-1) + z_t - allowance)`` exceeds it [σ].
    allowance : float
        Half of the smallest shift of interest [σ].
    shift : float
        Mean of z, in the direction of the alarm [σ]; 0 for false alarms.

    Returns
    -------
    float
        Mean number of observations until the alarm, from C = 0.

    Notes
    -----
    ``L(c) = 1 + L(0) Φ(k - c - μ) + ∫_0^h L(y) φ(y + k - c - μ) dy``.

    References
    ----------
    Page (1954), doi:10.1093/biomet/41.1-2.100; Brook & Evans (1972),
    doi:10.1093/biomet/59.3.539.

    Examples
    --------
    >>> round(cusum_run_length(4.0), 1), round(cusum_run_length(5.0, shift=1.0), 2)
    (335.4, 10.38)
    """
    _check_chart(threshold, allowance)
    from scipy.special import ndtr

    y, weight = _quadrature(0.0, threshold)
    drift = allowance - shift
    points = np.append(0.0, y)
    kernel = _density(y[None, :] + drift - points[:, None]) * weight
    system = np.eye(len(points))
    system[:, 1:] -= kernel
    system[:, 0] -= ndtr(drift - points)
    return float(np.linalg.solve(system, np.ones(len(points)))[0])


def ewma_run_length(
    limit: float, *, memory: float, shift: float = 0.0, one_sided: bool = False
) -> float:
    """Compute the average run length of an EWMA.

    Parameters
    ----------
    limit : float
        Alarm when ``|Z_t|`` exceeds `limit` times the standard deviation that Z has in the long
        run, ``sqrt(λ / (2 - λ))`` [σ].
    memory : float
        λ in ``Z_t = (1 - λ) Z_(t-1) + λ z_t``, above 0 and at most 1 [1].
    shift : float
        Mean of z, in the direction of the alarm [σ].
    one_sided : bool
        Whether Z is not let below 0, as that of :class:`headwater.warning.charts.Detector`.

    Returns
    -------
    float
        Mean number of observations until the alarm, from Z = 0.

    References
    ----------
    Crowder (1987), doi:10.1080/00401706.1987.10488267.

    Examples
    --------
    >>> round(ewma_run_length(2.814, memory=0.1), 0), round(ewma_run_length(2.0, memory=0.3), 1)
    (500.0, 34.5)
    """
    if not (limit > 0 and 0 < memory <= 1):
        raise StudyError(
            "an EWMA chart that cannot be",
            found=f"limit {limit:g}, memory {memory:g}",
            do="Give a limit above 0 and a memory above 0 and at most 1",
        )
    from scipy.special import ndtr

    edge = limit * np.sqrt(memory / (2 - memory))
    y, weight = _quadrature(0.0 if one_sided else -edge, edge)
    points = np.append(0.0, y)
    density = _density((y[None, :] - (1 - memory) * points[:, None]) / memory - shift)
    system = np.eye(len(points))
    system[:, 1:] -= density * weight / memory
    if one_sided:
        system[:, 0] -= ndtr(-(1 - memory) * points / memory - shift)
    return float(np.linalg.solve(system, np.ones(len(points)))[0])


def cusum_threshold(run_length: float, *, allowance: float = 0.5) -> float:
    """Find the threshold of a one-sided CUSUM with a given run length between false alarms.

    Parameters
    ----------
    run_length : float
        Observations between false alarms, above 2.
    allowance : float
        As for :func:`cusum_run_length`.

    Returns
    -------
    float
        Threshold [σ].

    Examples
    --------
    >>> round(cusum_threshold(930.852), 3)
    5.0
    """
    return _solve(lambda h: cusum_run_length(h, allowance=allowance), run_length)


def ewma_limit(run_length: float, *, memory: float = 0.2, one_sided: bool = False) -> float:
    """Find the limit of an EWMA with a given run length between false alarms.

    Parameters
    ----------
    run_length : float
        Observations between false alarms, above 2.
    memory, one_sided
        As for :func:`ewma_run_length`.

    Returns
    -------
    float
        Limit [standard deviations of the statistic in the long run].

    Examples
    --------
    >>> round(ewma_limit(499.68), 3)
    2.962
    """
    return _solve(
        lambda limit: ewma_run_length(limit, memory=memory, one_sided=one_sided), run_length
    )


def season_alarm_probability(
    threshold: float, n_steps: int, *, allowance: float = 0.5, shift: float = 0.0
) -> float:
    """Compute the probability that a one-sided CUSUM alarms within a season that starts at 0.

    Parameters
    ----------
    threshold, allowance, shift
        As for :func:`cusum_run_length`.
    n_steps : int
        Observations in the season.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> 0 < season_alarm_probability(4.0, 11) < 11 / 335.4
    True
    """
    _check_chart(threshold, allowance)
    from scipy.special import ndtr

    y, weight = _quadrature(0.0, threshold)
    drift = allowance - shift
    points = np.append(0.0, y)
    step = np.empty((len(points), len(points)))
    step[:, 0] = ndtr(drift - points)
    step[:, 1:] = _density(y[None, :] + drift - points[:, None]) * weight
    survival = np.ones(len(points))
    for _ in range(n_steps):
        survival = step @ survival
    return float(np.clip(1 - survival[0], 0.0, 1.0))


def _quadrature(low: float, high: float) -> tuple[Floats, Floats]:
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    half = (high - low) / 2
    return low + half * (node + 1), weight * half


def _density(z: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))


def _check_chart(threshold: float, allowance: float) -> None:
    if not (threshold > 0 and allowance >= 0):
        raise StudyError(
            "a CUSUM chart that cannot be",
            found=f"threshold {threshold:g}, allowance {allowance:g}",
            do="Give a threshold above 0 and an allowance of 0 or more",
        )


def _solve(run_length_of: Callable[[float], float], wanted: float) -> float:
    from scipy.optimize import brentq

    if not wanted > 2:
        raise StudyError(
            "a run length too short to be one", found=f"{wanted:g}", do="Give more than 2"
        )
    low, high = 1e-3, 1.0
    while run_length_of(high) < wanted:
        low, high = high, high * 1.5
        if high > 60:
            raise StudyError(
                "a run length that no chart reaches", found=f"{wanted:g}", do="Give a shorter one"
            )
    log = np.log(wanted)
    return float(brentq(lambda h: np.log(run_length_of(h)) - log, low, high, xtol=1e-9))
