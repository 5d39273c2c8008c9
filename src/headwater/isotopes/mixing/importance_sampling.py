"""Draws with weights: Pareto smoothing, the check whether to trust them, resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PARETO_LIMIT", "effective_draws", "pareto_smooth", "resample", "truncated_normal"]

PARETO_LIMIT = 0.7
"""Largest Pareto k at which an importance-sampled answer is trusted (Vehtari et al. 2024)."""


def pareto_smooth(log_weights: ArrayLike) -> tuple[Any, float]:
    """Smooth the largest importance weights, and report how heavy their tail is.

    Parameters
    ----------
    log_weights : array of shape (S,)
        Logarithm of target over proposal, up to a constant.

    Returns
    -------
    weights : array of shape (S,)
        Normalised to 1 [1].
    k : float
        Shape of the generalised Pareto distribution of the tail; above 0.7 the draws do not
        represent the target. ``inf`` where the weights are not finite or too few.

    Notes
    -----
    The ``min(S/5, 3√S)`` largest weights are replaced by the quantiles of a generalised Pareto
    distribution, fitted by Zhang and Stephens' estimator with the weak prior of PSIS.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling, J. Mach.
    Learn. Res. 25(72). Zhang & Stephens (2009), Technometrics 51:316, doi:10.1198/tech.2009.08017.

    Examples
    --------
    >>> weights, k = pareto_smooth(np.zeros(1000))
    >>> round(float(weights.sum()), 6), k < 0.7
    (1.0, True)
    """
    log_weights = np.asarray(log_weights, dtype=float)
    count = len(log_weights)
    if count < 25 or not np.isfinite(np.max(log_weights)):
        return np.full(count, 1.0 / count), float("inf")
    weights = np.exp(log_weights - np.max(log_weights))
    tail = int(min(0.2 * count, 3.0 * np.sqrt(count)))
    order = np.argpartition(weights, count - tail - 1)
    largest = order[count - tail :]
    largest = largest[np.argsort(weights[largest])]
    cutoff = weights[order[count - tail - 1]]
    excess = weights[largest] - cutoff
    if excess[-1] <= 1e-12 or np.count_nonzero(excess > 0.0) < 5:
        return weights / weights.sum(), 0.0
    k, sigma = _fit_pareto(np.maximum(excess, 1e-300))
    if np.isfinite(k):
        at = (np.arange(tail) + 0.5) / tail
        stretched = -np.log1p(-at) if abs(k) < 1e-8 else np.expm1(-k * np.log1p(-at)) / k
        weights[largest] = np.minimum(cutoff + sigma * stretched, 1.0)
    return weights / weights.sum(), float(k)


def _fit_pareto(excess: NDArray[Any]) -> tuple[float, float]:
    n = len(excess)
    grid = 30 + int(np.sqrt(n))
    b = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    b = b / (3.0 * excess[int(n / 4.0 + 0.5) - 1]) + 1.0 / excess[-1]
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = n * (np.log(-b / k) - k - 1.0)
    profile = np.where(np.isfinite(profile), profile, -np.inf)
    share = np.exp(profile - profile.max())
    best = float(b @ share / share.sum())
    shape = float(np.log1p(-best * excess).mean())
    # The weak prior pulls k to 0.5 with the weight of ten observations.
    return (n * shape + 5.0) / (n + 10.0), -shape / best


def effective_draws(weights: ArrayLike) -> float:
    """Kish's effective number of draws, ``1 / Σ w²`` of normalised weights.

    Examples
    --------
    >>> effective_draws(np.full(100, 0.01))
    100.0
    """
    return round(float(1.0 / np.square(weights).sum()), 6)


def resample(weights: Any, size: int, rng: np.random.Generator) -> Any:
    """Choose draws in proportion to their weights, by systematic resampling, in random order.

    Parameters
    ----------
    weights : array of shape (S,)
        Sum to 1.
    size : int
        How many.
    rng : Generator
        Random numbers.

    Returns
    -------
    array of int of shape (size,)

    Examples
    --------
    >>> sorted(resample(np.array([0.0, 0.5, 0.5]), 4, np.random.default_rng(0)).tolist())
    [1, 1, 2, 2]
    """
    places = (rng.random() + np.arange(size)) / size
    chosen = np.searchsorted(np.cumsum(weights), places)
    return rng.permutation(np.minimum(chosen, len(weights) - 1))


def truncated_normal(
    mean: Any, sd: Any, bounds: tuple[float, float], rng: np.random.Generator
) -> tuple[Any, Any, Any]:
    """Draw from normals cut at two bounds.

    Parameters
    ----------
    mean, sd : array
        Of the whole normals.
    bounds : tuple of float
        Lowest and highest; the highest may be infinite.
    rng : Generator
        Random numbers.

    Returns
    -------
    draws, log_mass, log_density : array
        One draw each; the logarithm of the mass within the bounds (-inf where there is none, the
        draw is then the nearer bound); and the log density of the whole normal at the draw.

    Examples
    --------
    >>> draws, mass, _ = truncated_normal(np.zeros(3), np.ones(3), (0.0, np.inf),
    ...                                   np.random.default_rng(0))
    >>> bool((draws >= 0.0).all()), np.exp(mass).round(6).tolist()
    (True, [0.5, 0.5, 0.5])
    """
    from scipy.special import ndtr, ndtri

    low, high = bounds
    # Below the mean if the bounds are above it: the lower tail keeps its digits.
    flip = np.where(mean < low, -1.0, 1.0)
    a, b = (low - mean) / sd, (high - mean) / sd
    below = ndtr(np.where(flip > 0, a, -b))
    mass = ndtr(np.where(flip > 0, b, -a)) - below
    standard = flip * ndtri(below + rng.random(mean.shape) * mass)
    draws = np.clip(mean + sd * standard, low, high)
    with np.errstate(divide="ignore"):
        log_mass = np.log(mass)
    return draws, log_mass, -0.5 * ((draws - mean) / sd) ** 2 - np.log(sd)
