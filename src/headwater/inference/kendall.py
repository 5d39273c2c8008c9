"""The null distribution of Kendall's S, exact for short series."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "EXACT_LIMIT",
    "kendall_p",
    "score_variance",
    "series_p",
    "smallest_p",
    "tied_p",
    "z_score",
]

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


def z_score(score: ArrayLike, variance: ArrayLike, *, continuity: bool = True) -> Any:
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


def kendall_p(
    score: ArrayLike, n: ArrayLike, tie_sum: ArrayLike = 0.0, *, continuity: bool = True
) -> Any:
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
    which is rough for short series with ties: :func:`tied_p` is exact for them.

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


def smallest_p(n: ArrayLike) -> Any:
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


def tied_p(score: Any, groups: Any) -> Any:
    """Exact two-sided p-value of Kendall's S for one pattern of ties.

    Parameters
    ----------
    score : array-like
        S [1].
    groups : sequence of int
        Sizes of the groups of equal values [1], in any order, those of size 1 included.

    Returns
    -------
    array
        Share of all orders of these values with at least that ``|S|`` [1]; NaN for fewer than 2.

    Notes
    -----
    Inversions among orders of values with ties are counted by the Gaussian multinomial coefficient
    ``[n]! / Π [t_g]!``, built up group by group from Mann-Whitney distributions. The permutation
    test without its sampling error; cost grows as n³ and suits n up to about 100.

    References
    ----------
    Kendall, M. G. (1975). Rank Correlation Methods, 4th ed., Griffin, London.

    Examples
    --------
    Of the 10 orders of 1 1 1 2 2 two reach ``|S|`` = 6.

    >>> float(tied_p(6, [3, 2]))
    0.2
    """
    tail = _tied_tail(tuple(sorted(int(size) for size in groups)))
    if tail.size == 0:
        return np.full(np.shape(score), np.nan)[()]
    place = np.abs(np.asarray(score, dtype=float))
    inside = np.minimum(np.nan_to_num(place), tail.size - 1).astype(int)
    return np.where(np.isnan(place), np.nan, np.where(place < tail.size, tail[inside], 0.0))[()]


def series_p(values: Any, score: Any, tie_sum: Any, *, continuity: bool = True) -> Any:
    """Two-sided p-value of Kendall's S of each series, exact up to 30 values with or without ties.

    Parameters
    ----------
    values : array, shape (time, cell)
        Series; NaN is missing.
    score, tie_sum : array, shape (cell,)
        S and ``Σ t(t-1)(2t+5)`` of each [1].
    continuity : bool
        Whether the normal approximation, for longer series, uses the continuity correction.

    Returns
    -------
    array, shape (cell,)
        p [1]; NaN where n < 2.

    Examples
    --------
    >>> float(series_p(np.array([[1.0], [1.0], [1.0], [2.0], [2.0]]), [6.0], [102.0])[0])
    0.2
    """
    n = (~np.isnan(values)).sum(axis=0)
    p = np.array(kendall_p(score, n, tie_sum, continuity=continuity), dtype=float, ndmin=1)
    tied = np.flatnonzero((np.asarray(tie_sum) > 0) & (n <= EXACT_LIMIT) & (n >= 2))
    if tied.size:
        patterns, which = np.unique(_tie_groups(values[:, tied]), axis=1, return_inverse=True)
        for i, groups in enumerate(patterns.T):
            own = tied[which.ravel() == i]
            p[own] = tied_p(np.asarray(score)[own], groups[groups > 0])
    return p


def _tie_groups(values: np.ndarray) -> np.ndarray:
    """Sizes of groups of equal values, (time, cell), the largest first and zeros after."""
    ordered = np.sort(values, axis=0)  # NaN last
    new = np.ones(ordered.shape, dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    group = new.cumsum(axis=0) - 1
    sizes = np.zeros(ordered.shape, dtype=int)
    time, cell = np.nonzero(~np.isnan(ordered))
    np.add.at(sizes, (group[time, cell], cell), 1)
    return -np.sort(-sizes, axis=0)


@lru_cache(maxsize=4096)
def _tied_tail(groups: tuple[int, ...]) -> np.ndarray:
    """P(|S| ≥ s) for s = 0, 1, ... and sizes of groups of equal values."""
    if sum(groups) < 2:
        return np.empty(0)
    share, n = np.array([1.0]), 0
    for size in groups:
        share, n = np.convolve(share, _mann_whitney(min(n, size), max(n, size))), n + size
    by_score = np.bincount(np.abs(share.size - 1 - 2 * np.arange(share.size)), weights=share)
    tail: np.ndarray = np.minimum(by_score[::-1].cumsum()[::-1], 1.0)
    tail[0] = 1.0
    return tail


@cache
def _mann_whitney(m: int, n: int) -> np.ndarray:
    """Distribution of inversions between m equal and n other equal values, m ≤ n."""
    table = [np.array([1.0])] * (n + 1)
    for i in range(1, m + 1):
        row = [np.array([1.0])]
        for j in range(1, n + 1):
            share = np.zeros(i * j + 1)
            # the last value is one of the m, which all n before exceed, or one of the n
            share[j:] += table[j] * (i / (i + j))
            share[: i * (j - 1) + 1] += row[j - 1] * (j / (i + j))
            row.append(share)
        table = row
    return table[n]
