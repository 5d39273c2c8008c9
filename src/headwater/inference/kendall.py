"""The null distribution of Kendall's S, exact for short series."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

__all__ = ["EXACT_LIMIT", "kendall_p", "score_variance", "smallest_p", "z_score"]

EXACT_LIMIT = 30
"""Longest series [1] whose p-value comes from the exact null distribution."""


@cache
def _tail_table() -> np.ndarray:
    """P(|S| ≥ s) for n = 0..EXACT_LIMIT and s = 0..n(n-1)/2, from the Mahonian recursion."""
    size = EXACT_LIMIT * (EXACT_LIMIT - 1) // 2 + 1
    table = np.full((EXACT_LIMIT + 1, size), np.nan)
    # Share of permutations with k inversions: a further value adds 0..n-1, all equally likely.
    share = np.array([1.0])
    for n in range(1, EXACT_LIMIT + 1):
        share = np.convolve(share, np.full(n, 1.0 / n))
        score = np.abs(share.size - 1 - 2 * np.arange(share.size))
        by_score = np.bincount(score, weights=share, minlength=size)
        table[n] = np.minimum(by_score[::-1].cumsum()[::-1], 1.0)
    return table


def score_variance(n: Any, tie_sum: Any = 0.0) -> Any:
    """Variance of Kendall's S under no trend, with ties.

    Parameters
    ----------
    n : array-like
        Number of values [1].
    tie_sum : array-like
        ``Σ t(t-1)(2t+5)`` over groups of t equal values [1].

    Returns
    -------
    array
        ``[n(n-1)(2n+5) - tie_sum] / 18`` [1].

    References
    ----------
    Kendall, M. G. (1975). Rank Correlation Methods, 4th ed., Griffin, London.

    Examples
    --------
    >>> score_variance(10)
    125.0
    """
    return (n * (n - 1.0) * (2.0 * n + 5.0) - tie_sum) / 18.0


def z_score(score: Any, variance: Any, *, continuity: bool = True) -> Any:
    """Standardise Kendall's S.

    Parameters
    ----------
    score, variance : array-like
        S and its variance [1].
    continuity : bool
        Whether S is moved by one towards zero.

    Returns
    -------
    array
        Z [1]; 0 where S is 0.

    Examples
    --------
    >>> round(float(z_score(-1387, 112728.0 + 1 / 3)), 6)
    -4.128067
    """
    moved = score - np.sign(score) if continuity else score
    return moved / np.sqrt(np.where(np.asarray(variance) > 0, variance, 1.0))


def kendall_p(score: Any, n: Any, tie_sum: Any = 0.0, *, continuity: bool = True) -> Any:
    """Two-sided p-value of Kendall's S.

    Parameters
    ----------
    score : array-like
        S [1].
    n : array-like
        Number of values [1].
    tie_sum : array-like
        ``Σ t(t-1)(2t+5)`` over groups of t equal values [1].
    continuity : bool
        Whether the normal approximation uses the continuity correction.

    Returns
    -------
    array
        p [1]; NaN where n < 2.

    Notes
    -----
    Without ties and for n ≤ 30 the exact distribution: of n! orders, as many have S = n(n-1)/2 - 2k
    as there are permutations with k inversions. Otherwise ``2 Φ(-|Z|)`` with the variance for ties,
    which is rough for short series with ties.

    References
    ----------
    Mann, H. B. (1945). Nonparametric tests against trend. Econometrica 13, 245-259.
    doi:10.2307/1907187. Kendall, M. G. (1938). A new measure of rank correlation. Biometrika 30,
    81-93. doi:10.1093/biomet/30.1-2.81

    Examples
    --------
    Five rising values: only 2 of 5! = 120 orders are as extreme.

    >>> round(float(kendall_p(10, 5)), 6)
    0.016667
    """
    from scipy.special import ndtr

    score, n, ties = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (score, n, tie_sum)))
    z = z_score(score, score_variance(n, ties), continuity=continuity)
    normal = np.minimum(2.0 * ndtr(-np.abs(z)), 1.0)
    exact = (n <= EXACT_LIMIT) & (n >= 2) & (ties == 0)
    row = np.where(exact, n, 0).astype(int)
    column = np.where(exact, np.abs(score), 0).astype(int)
    p = np.where(exact, _tail_table()[row, column], normal)
    return np.where(n >= 2, p, np.nan)[()]


def smallest_p(n: Any) -> Any:
    """Return the smallest p-value that a perfectly monotone series of n values can reach.

    Parameters
    ----------
    n : array-like
        Number of values [1], without ties.

    Returns
    -------
    array
        2/n! for n ≤ 30 [1]; NaN where n < 2.

    Examples
    --------
    >>> round(float(smallest_p(5)), 6), float(smallest_p(2))
    (0.016667, 1.0)
    """
    n = np.asarray(n, dtype=float)
    return kendall_p(n * (n - 1.0) / 2.0, n)
