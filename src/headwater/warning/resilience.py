"""Critical slowing down: a slow layer of resilience with surrogate p-values, never an alert.

Before some transitions a system recovers ever more slowly, so its memory and variance rise. They
also rise by chance and by trends of the weather: in simulations without any transition one run in
six shows a strong rise. So this is a layer to look at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__ = [
    "Resilience",
    "critical_slowing_down",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Resilience:
    """Rise of memory and variance in a moving window.

    Attributes
    ----------
    memory, variance : ndarray, shape (n_times,)
        Lag-one correlation and variance of the window that ends at each time; NaN before the first.
    tau_memory, tau_variance : float
        Kendall's tau of each with time: 1 where it always rises.
    p_memory, p_variance : float
        Share of surrogates with the same spectrum whose tau is at least as high.
    n_surrogates : int
    """

    memory: Floats
    variance: Floats
    tau_memory: float
    tau_variance: float
    p_memory: float
    p_variance: float
    n_surrogates: int


def critical_slowing_down(
    values: ArrayLike,
    *,
    rng: np.random.Generator,
    window: float = 0.5,
    bandwidth: float = 0.1,
    n_surrogates: int = 500,
) -> Resilience:
    """Estimate whether a series loses resilience.

    Parameters
    ----------
    values : array-like, shape (n_times,)
        Steps of equal length without gaps, deseasonalised.
    rng : numpy.random.Generator
    window : float
        Length of the moving window, as a share of the series.
    bandwidth : float
        Of the Gaussian trend that is taken out, as a share of the series.
    n_surrogates : int
        Series with random phases and the same spectrum.

    Returns
    -------
    Resilience

    Raises
    ------
    DataError
        If values are missing, or there are fewer than 30.

    References
    ----------
    Scheffer et al. (2009), doi:10.1038/nature08227; Dakos et al. (2012),
    doi:10.1371/journal.pone.0041010; Theiler et al. (1992), doi:10.1016/0167-2789(92)90102-S.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(1).normal(size=200)
    >>> found = critical_slowing_down(noise, rng=np.random.default_rng(2), n_surrogates=200)
    >>> found.p_memory > 0.01
    True
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < 30 or not np.isfinite(x).all():
        raise DataError(
            "resilience cannot be judged from this series",
            found=f"{x.size} values, {int((~np.isfinite(x)).sum())} missing",
            do="Give at least 30 steps without gaps",
        )
    residual = x - _trend(x, bandwidth)
    width = max(int(window * len(x)), 10)
    surrogates = _surrogates(residual, n_surrogates, rng)
    memory, variance = _moving(np.vstack([residual, surrogates]), width)
    tau_memory, tau_variance = _tau(memory), _tau(variance)
    lead = np.full(width - 1, np.nan)
    return Resilience(
        np.append(lead, memory[0]),
        np.append(lead, variance[0]),
        float(tau_memory[0]),
        float(tau_variance[0]),
        _share_above(tau_memory),
        _share_above(tau_variance),
        n_surrogates,
    )


def _share_above(tau: Floats) -> float:
    return float((1 + (tau[1:] >= tau[0]).sum()) / len(tau))


def _trend(x: Floats, bandwidth: float) -> Floats:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(x, max(bandwidth * len(x), 1.0), mode="reflect"))


def _surrogates(x: Floats, number: int, rng: np.random.Generator) -> Floats:
    spectrum = np.fft.rfft(x - x.mean())
    turn = rng.uniform(0, 2 * np.pi, (number, len(spectrum)))
    turn[:, 0] = 0.0
    if len(x) % 2 == 0:
        turn[:, -1] = 0.0
    return np.asarray(np.fft.irfft(spectrum * np.exp(1j * turn), n=len(x), axis=1))


def _moving(series: Floats, width: int) -> tuple[Floats, Floats]:
    """Lag-one correlation and variance of each window, from running sums."""
    now, before = series[:, 1:], series[:, :-1]

    def window_sum(values: Floats, length: int) -> Floats:
        total = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
        return np.asarray(total[:, length:] - total[:, :-length])

    n = width - 1
    sum_now, sum_before = window_sum(now, n), window_sum(before, n)
    both = window_sum(now * before, n) - sum_now * sum_before / n
    spread_now = window_sum(now**2, n) - sum_now**2 / n
    spread_before = window_sum(before**2, n) - sum_before**2 / n
    whole = window_sum(series, width)
    variance = (window_sum(series**2, width) - whole**2 / width) / (width - 1)
    return both / np.sqrt(spread_now * spread_before), variance


def _tau(moving: Floats) -> Floats:
    """Kendall's tau of each row with time."""
    from scipy.stats import kendalltau

    steps = np.arange(moving.shape[1])
    return np.array([kendalltau(steps, row).statistic for row in moving])
