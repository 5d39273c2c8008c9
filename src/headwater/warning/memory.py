"""Memory of residuals, pooled over the places of a map: that of one place scatters by chance.

A memory that is taken too low makes a place alarm too often, one too high lets losses pass, and ten
seasons of 16 days let an estimate scatter by 0.1 to 0.15. Places of one map say together what it
is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.warning.baseline import (
    BaselineOptions,
    PooledMemory,
    fit_baseline,
    innovations,
)

__all__ = ["autoregressive", "pool_memory"]

Floats = NDArray[np.float64]

_FEWEST = 20
_SIMULATED = 1000
_LEAST_SPREAD, _LEAST_KEPT = 0.03, 0.05


def autoregressive(noise: Floats, memory: float) -> Floats:
    """Give noise a memory of one step; its variance stays.

    Parameters
    ----------
    noise : ndarray, shape (n_times, ...)
    memory : float
        Correlation of neighbours in time [1].

    Returns
    -------
    ndarray

    Examples
    --------
    >>> autoregressive(np.array([1.0, 0.0, 0.0]), 0.5).tolist()
    [1.0, 0.5, 0.25]
    """
    values = noise.copy()
    scale = np.sqrt(1 - memory**2)
    for at in range(1, len(values)):
        values[at] = memory * values[at - 1] + scale * noise[at]
    return values


def pool_memory(
    values: ArrayLike,
    times: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    rng: np.random.Generator,
    options: BaselineOptions | None = None,
) -> PooledMemory | None:
    """Find what the memory of a map's places is, and how much their own estimates say beyond it.

    Parameters
    ----------
    values, times, covariates
        Histories of a sample of places, as for :func:`headwater.warning.fit_baseline`.
    rng : numpy.random.Generator
    options : BaselineOptions, optional

    Returns
    -------
    PooledMemory or None
        None with fewer than 20 places that have a baseline: too few to say more than each does.

    Notes
    -----
    Empirical Bayes: of the variance of the estimates what chance brings (simulated at the same
    dates and gaps) is taken off. Places that share their weather err together, so that their mean
    is as uncertain as one of them where they share all of it; that is added.

    References
    ----------
    Efron & Morris (1973), doi:10.1080/01621459.1973.10481350.

    Examples
    --------
    >>> days = np.arange("2008-01-01", "2018-01-01", 16, dtype="datetime64[D]")
    >>> rng = np.random.default_rng(1)
    >>> green = autoregressive(rng.standard_normal((len(days), 200)), 0.6)
    >>> found = pool_memory(green, days, rng=rng)
    >>> round(found.mean, 1), found.kept < 0.3
    (0.6, True)
    """
    chosen = replace(options or BaselineOptions(), stable=False, memory=None)
    x = np.asarray(values, dtype=np.float64)
    water = np.empty((0, *x.shape)) if covariates is None else np.asarray(covariates, np.float64)
    fitted = fit_baseline(x, times, water, options=chosen)
    whole = fitted.reason == 0
    if whole.sum() < _FEWEST:
        return None
    own = fitted.rho[whole]
    mean = float(np.clip(own.mean(), -0.1, 0.85))
    chance = _by_chance(x[:, whole], times, len(water), mean, rng=rng, options=chosen)
    bare = replace(fitted, rho=np.zeros(len(fitted.rho)), last=np.full(len(fitted.rho), np.nan))
    residual = innovations(bare, x, times, water)[0][:, whole]
    shared = max(_shared(residual), 1 / len(own))
    true = max(float(own.var()) - chance**2 * (1 - shared), 0.0) + chance**2 * shared
    spread = max(float(np.sqrt(true)), _LEAST_SPREAD)
    return PooledMemory(mean, spread, max(spread**2 / (spread**2 + chance**2), _LEAST_KEPT))


def _by_chance(
    values: Floats,
    times: ArrayLike,
    n_covariates: int,
    mean: float,
    *,
    rng: np.random.Generator,
    options: BaselineOptions,
) -> float:
    """Simulate how estimates scatter where all places have the same memory."""
    places = rng.integers(values.shape[1], size=_SIMULATED)
    shape = (len(values), _SIMULATED)
    healthy = autoregressive(rng.standard_normal(shape), mean)
    healthy[~np.isfinite(values[:, places])] = np.nan
    water = np.empty((n_covariates, *shape))
    for one in range(n_covariates):
        water[one] = autoregressive(rng.standard_normal(shape), mean)
    fitted = fit_baseline(healthy, times, water, options=options)
    return float(fitted.rho[fitted.reason == 0].std())


def _shared(residual: Floats) -> float:
    """Mean correlation of the places' residuals: what of their variance is common to all."""
    seen = np.isfinite(residual)
    rows = seen.sum(axis=1) >= 2
    if not rows.any():
        return 1.0
    n = seen[rows].sum(axis=1)
    total = np.where(seen[rows], residual[rows], 0.0).sum(axis=1)
    square = np.where(seen[rows], residual[rows] ** 2, 0.0).sum(axis=1)
    pairs = (n * (n - 1)).sum()
    return float(np.clip(((total**2 - square).sum() / pairs) / (square.sum() / n.sum()), 0.0, 1.0))
