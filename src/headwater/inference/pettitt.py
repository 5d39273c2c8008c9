"""The null distribution of Pettitt's change-point statistic."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["PETTITT_EXACT_LIMIT", "pettitt_exact_p", "pettitt_p"]

PETTITT_EXACT_LIMIT = 16
"""Longest series [1] whose p-value comes from all orders of its ranks."""


def pettitt_p(statistic: ArrayLike, n: ArrayLike) -> Any:
    """Approximate p-value of Pettitt's statistic.

    Parameters
    ----------
    statistic : array-like
        ``K = max |U_t|`` [1].
    n : array-like
        Number of values [1].

    Returns
    -------
    array
        ``2 exp(-6 K² / (n³ + n²))``, at most 1 [1]; NaN where n < 2. Good below 0.5.

    References
    ----------
    Pettitt, A. N. (1979). A non-parametric approach to the change-point problem. Journal of the
    Royal Statistical Society C (Applied Statistics) 28, 126-135. doi:10.2307/2346729

    Examples
    --------
    >>> round(float(pettitt_p(232, 40)), 4)
    0.0146
    """
    n = np.asarray(n, dtype=float)
    scale = np.where(n >= 2, n**3 + n**2, np.nan)
    return np.minimum(2.0 * np.exp(-6.0 * np.square(statistic) / scale), 1.0)


def pettitt_exact_p(statistic: float, ranks: Any) -> float:
    """Exact permutation p-value of Pettitt's statistic for a short series.

    Parameters
    ----------
    statistic : float
        ``K = max |U_t|`` [1].
    ranks : sequence of float
        Ranks of the values, tied ones averaged [1]; at most 16 of them.

    Returns
    -------
    float
        Share of all orders of the ranks with at least that K [1].

    Notes
    -----
    ``U_t = 2 Σ_{i ≤ t} r_i - t(n + 1)`` depends only on which ranks came first, not on their order.
    So orders with all ``|U_t| < K`` are counted over the 2ⁿ sets of ranks, each from those with one
    rank less, rather than over n! orders.

    Examples
    --------
    K = 4 needs the two lowest of four ranks first or last: 8 of 24 orders.

    >>> round(pettitt_exact_p(4, [1, 2, 3, 4]), 6)
    0.333333
    """
    return _exact(round(2.0 * float(statistic)), tuple(sorted(round(2 * float(r)) for r in ranks)))


@lru_cache(maxsize=8192)
def _exact(doubled: int, ranks: tuple[int, ...]) -> float:
    """Statistic and ranks, all doubled so that averages of ranks are whole."""
    n = len(ranks)
    total, size = np.zeros(1, dtype=int), np.zeros(1, dtype=int)
    for rank in ranks:
        total, size = np.concatenate([total, total + rank]), np.concatenate([size, size + 1])
    below = np.abs(2 * total - size * 2 * (n + 1)) < max(doubled, 1)
    share = np.zeros(2**n)
    share[0] = 1.0
    for k in range(1, n + 1):
        members = np.flatnonzero(size == k)
        came = sum(np.where((members >> i) & 1, share[members & ~(1 << i)], 0.0) for i in range(n))
        share[members] = np.where(below[members] | (k == n), came / (n - k + 1), 0.0)
    return float(min(max(1.0 - share[-1], 0.0), 1.0)) if doubled > 0 else 1.0
