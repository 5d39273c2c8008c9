"""Intervals of strata means, of their differences and of q, under a fitted covariance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from headwater.detector.field_covariance import (
    CovarianceFit,
    FieldPlaces,
    MeanNoise,
    fit_covariance,
    mean_noise,
)
from headwater.detector.strata import Strata, compact
from headwater.errors import DataError

__all__ = [
    "FieldMeans",
    "MIN_BLOCKS",
    "difference_p",
    "difference_se",
    "field_means",
    "half_widths",
    "q_limits",
]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

MIN_BLOCKS = 30
"""Independent patches, or blocks, below which no interval of q is given."""

_LONGEST = 0.8
"""Share of the longest correlation tried up to which an interval can be trusted."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldMeans:
    """Means of the strata that have units, and how they vary.

    Attributes
    ----------
    kept : ndarray of int, shape (k,)
        Which strata these are.
    mean, weight : ndarray, shape (k,)
        Mean of the response [its unit], and sum of the weights.
    noise : MeanNoise
        Of the means.
    fit : CovarianceFit
        What it follows from.
    units : int
        How many units have a value and a stratum.
    """

    kept: Places
    mean: Floats
    weight: Floats
    noise: MeanNoise
    fit: CovarianceFit
    units: int

    @property
    def patches(self) -> int:
        """How many patches of the length of the correlation the units fill."""
        return int(self.units / max(self.fit.reach, 1.0) ** 2)


def field_means(
    values: Floats,
    strata: Strata,
    where: FieldPlaces,
    weights: Floats | None,
    rng: np.random.Generator,
) -> FieldMeans:
    """Fit the covariance of what a factor leaves, and compute how its means vary.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The response [any unit]; NaN is missing.
    strata : Strata
        With codes of shape (n,).
    where : FieldPlaces
        Of the same units.
    weights : ndarray, shape (n,), optional
        Weight of each unit.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    FieldMeans

    Raises
    ------
    DataError
        If there are too few units, or the correlation reaches across most of the area.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> where = FieldPlaces.of_cells(np.arange(400), (20, 20))
    >>> halves = Strata(np.repeat([0, 1], 200).astype(np.int32), ("a", "b"))
    >>> field_means(rng.normal(size=400), halves, where, None, rng).mean.shape
    (2,)
    """
    key = _key(values, strata.codes, weights)
    if key not in where.memo:
        where.memo[key] = _fitted(values, strata, where, weights, rng)
    found: FieldMeans = where.memo[key]
    if found.fit.strain > _LONGEST:
        raise DataError(
            "what the factor leaves is correlated across most of the area",
            found="the correlation falls to a twentieth only at "
            f"{found.fit.reach / where.extent:.0%} of its extent",
            do="Take a larger area, or a factor that explains the broad pattern",
        )
    return found


def _key(*arrays: npt.NDArray[Any] | None) -> bytes:
    digest = sha256()
    for array in arrays:
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _fitted(
    values: Floats,
    strata: Strata,
    where: FieldPlaces,
    weights: Floats | None,
    rng: np.random.Generator,
) -> FieldMeans:
    codes = np.where(np.isnan(values), np.int32(-1), strata.codes)
    numbers = np.arange(strata.realised)
    kept = numbers[np.bincount(codes[codes >= 0], minlength=strata.realised) > 0]
    own = compact(replace(strata, codes=codes)).codes
    fit = fit_covariance(values, own, where, rng)
    noise = mean_noise(fit, own, where, weights)
    unit = np.ones(values.size) if weights is None else weights
    inside = own >= 0
    weight = np.bincount(own[inside], unit[inside]).astype(np.float64)
    mean = np.bincount(own[inside], (unit * values)[inside]) / weight
    return FieldMeans(kept, mean, weight, noise, fit, int(inside.sum()))


def half_widths(se: Floats, noise: MeanNoise, level: float) -> Floats:
    """Find the half width of intervals under all kernels together.

    Parameters
    ----------
    se : ndarray, shape (kernels, m)
        Standard errors under each kernel [unit of the response].
    noise : MeanNoise
        Weights of the kernels, and degrees of freedom.
    level : float
        Confidence level.

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> one = MeanNoise(np.ones(1), np.ones((1, 1, 1)), np.ones(1), 10)
    >>> half_widths(np.ones((1, 1)), one, 0.95).round(3)
    array([2.228])
    """
    low: Floats = np.zeros(se.shape[1])
    high: Floats = 100.0 * se.max(axis=0)
    for _ in range(60):
        middle = (low + high) / 2.0
        inside = difference_p(middle, se, noise) > 1.0 - level
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return high


def difference_p(difference: Floats, se: Floats, noise: MeanNoise) -> Floats:
    """Compute two-sided p under all kernels together.

    Parameters
    ----------
    difference : ndarray, shape (m,)
        [unit of the response]
    se : ndarray, shape (kernels, m)
        Standard errors under each kernel.
    noise : MeanNoise
        Weights of the kernels, and degrees of freedom.

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> one = MeanNoise(np.ones(1), np.ones((1, 1, 1)), np.ones(1), 10)
    >>> difference_p(np.array([2.228]), np.ones((1, 1)), one).round(3)
    array([0.05])
    """
    from scipy.special import stdtr

    t = np.abs(difference) / np.where(se > 0, se, np.nan)
    p: Floats = 2.0 * noise.weight @ stdtr(noise.df, -t)
    return p


def difference_se(noise: MeanNoise, one: Places, two: Places) -> Floats:
    """Compute the standard errors of differences of two means.

    Parameters
    ----------
    noise : MeanNoise
        Of the means.
    one, two : ndarray of int, shape (m,)
        Which means.

    Returns
    -------
    ndarray, shape (kernels, m)
    """
    covariance = noise.covariance
    variance = covariance[:, one, one] + covariance[:, two, two] - 2.0 * covariance[:, one, two]
    se: Floats = np.sqrt(np.maximum(variance, 0.0))
    return se


def q_limits(
    means: FieldMeans, shares: Floats, level: float, rng: np.random.Generator
) -> tuple[float, float]:
    r"""Compute an interval of the q of the process behind a map.

    Parameters
    ----------
    means : FieldMeans
        From :func:`field_means`.
    shares : ndarray, shape (draws, k)
        Sizes of the strata, resampled: a map is one of many, with strata larger here and smaller
        there.
    level : float
        Confidence level.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    tuple of float
        Equal tails [1].

    Notes
    -----
    For each draw of a kernel, of the variance of the field and of the noise m of the means, the
    strength c of the pattern p of the means is found at which strata as strong and noise as drawn
    would give the sum of squares observed,

    .. math:: \sum_h W_h (c \, p_h + m_h - \bar m)^2 = \sum_h W_h p_h^2

    and with it the q of the process, c² V(p) / (c² V(p) + σ²): a generalised pivotal quantity,
    which inverts the distribution of q as a test would.

    References
    ----------
    Hannig, J., Iyer, H., Patterson, P. (2006). Fiducial generalized confidence intervals. Journal
    of the American Statistical Association 101, 254-269.
    https://doi.org/10.1198/016214505000000736

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> where = FieldPlaces.of_cells(np.arange(900), (30, 30))
    >>> codes = rng.integers(0, 2, 900).astype(np.int32)
    >>> values = codes + rng.normal(size=900)
    >>> means = field_means(values, Strata(codes, ("a", "b")), where, None, rng)
    >>> low, high = q_limits(means, np.ones((999, 2)), 0.95, rng)
    >>> bool(low < 0.2 < high)
    True
    """
    draws, weight, noise = len(shares), means.weight, means.noise
    whole = weight.sum()
    pattern = means.mean - weight @ means.mean / whole
    kernel = rng.choice(noise.weight.size, draws, p=noise.weight)
    stretch = noise.df / rng.chisquare(noise.df, draws)
    size = np.einsum("kgg->k", noise.covariance)
    jitter = 1e-12 * size[:, None, None] * np.eye(weight.size)
    roots = np.linalg.cholesky(noise.covariance + jitter)
    normal = rng.normal(size=(draws, weight.size)) * np.sqrt(stretch)[:, None]
    drawn = np.einsum("jgh,jh->jg", roots[kernel], normal)
    drawn -= (drawn @ weight / whole)[:, None]
    observed = float(weight @ pattern**2)
    cross = drawn @ (weight * pattern)
    excess = drawn**2 @ weight - observed
    root = np.sqrt(np.maximum(cross**2 - observed * excess, 0.0))
    found = cross**2 >= observed * excess
    strength = np.where(found, np.maximum(root - cross, 0.0) / max(observed, 1e-300), 0.0)
    sizes = shares.sum(axis=1)
    between = shares @ pattern**2 / sizes - (shares @ pattern / sizes) ** 2
    between = strength**2 * between
    q = between / (between + noise.variance[kernel] * stretch)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(q, [tail, 1.0 - tail])
    return float(low), float(high)
