"""From a statistic to a p-value, and from many p-values to what may be called significant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from headwater.figures import grouped

__all__ = [
    "FieldTest",
    "PETTITT_EXACT_LIMIT",
    "benjamini_hochberg",
    "chance_p",
    "correlation_p",
    "fdr",
    "field_statement",
    "holm",
    "pettitt_exact_p",
    "pettitt_p",
    "student_p",
]

PETTITT_EXACT_LIMIT = 16


def student_p(t: ArrayLike, dof: ArrayLike) -> Any:
    """Two-sided p-value of Student's t.

    Parameters
    ----------
    t : array-like
        Statistic [1].
    dof : array-like
        Degrees of freedom [1].

    Returns
    -------
    array
        ``2 F(-|t|)`` [1], accurate in the far tail; NaN where dof < 1.

    Examples
    --------
    >>> round(float(student_p(2.228, 10)), 3)
    0.05
    """
    from scipy.special import stdtr

    return 2.0 * stdtr(np.where(np.asarray(dof) > 0, dof, np.nan), -np.abs(t))


def correlation_p(r: ArrayLike, n: ArrayLike) -> Any:
    """Two-sided p-value of Pearson's r from n independent pairs.

    Parameters
    ----------
    r : array-like
        Correlation [1].
    n : array-like
        Number of pairs, or effective number [1].

    Returns
    -------
    array
        p [1]; NaN where n < 3 or r is NaN.

    Notes
    -----
    ``t = r √((n-2) / ((1-r)(1+r)))`` with n - 2 degrees of freedom.

    Examples
    --------
    >>> round(float(correlation_p(0.632, 10)), 3)
    0.05
    """
    r, dof = np.asarray(r, dtype=float), np.asarray(n, dtype=float) - 2.0
    dof = np.where(dof > 0, dof, np.nan)
    left = (1.0 - r) * (1.0 + r)
    t = r * np.sqrt(dof / np.where(left > 0, left, 1.0))
    return student_p(np.where(left > 0, t, np.inf * np.where(np.isnan(dof * r), np.nan, 1.0)), dof)


@dataclass(frozen=True, slots=True, eq=False)
class FieldTest:
    """Which of many tests stand when all are made at once.

    Attributes
    ----------
    mask : array of bool
        True where the test stands.
    threshold : float
        Largest p that stands; 0 when none does.
    n : int
        Number of tests, i.e. of valid p-values.
    significance : float
        False discovery rate that was controlled.
    """

    mask: Any
    threshold: float
    n: int
    significance: float

    @property
    def passed(self) -> int:
        """Number of tests that stand."""
        return int(np.count_nonzero(self.mask))


def fdr(p: ArrayLike, significance: float = 0.05, *, wilks: bool = False) -> FieldTest:
    """Control the false discovery rate among many p-values, NaN left out.

    Parameters
    ----------
    p : array-like, any shape
        p-values [1].
    significance : float
        False discovery rate [1]; with `wilks` the global level wanted.
    wilks : bool
        Whether to double `significance`, Wilks' rule for fields with moderate spatial correlation.

    Returns
    -------
    FieldTest

    Notes
    -----
    ``p* = max { p_(i) : p_(i) ≤ (i/N) α }`` with N the number of valid p-values; all p ≤ p* stand.

    References
    ----------
    Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the Royal
    Statistical Society B 57, 289-300. doi:10.1111/j.2517-6161.1995.tb02031.x.
    Wilks, D. S. (2016). "The stippling shows statistically significant grid points". Bulletin of
    the American Meteorological Society 97, 2263-2273. doi:10.1175/BAMS-D-15-00267.1

    Examples
    --------
    >>> fdr(np.array([0.01, 0.02, 0.2, np.nan])).mask
    array([ True,  True, False, False])
    """
    p = np.asarray(p, dtype=float)
    level = min(2.0 * significance, 1.0) if wilks else significance
    ordered = np.sort(p[~np.isnan(p)])
    below = ordered <= level * np.arange(1, ordered.size + 1) / max(ordered.size, 1)
    threshold = float(ordered[below][-1]) if below.any() else 0.0
    mask = (p <= threshold) & bool(below.any())
    return FieldTest(mask, threshold, int(ordered.size), level)


def field_statement(test: FieldTest, smallest: float = 0.0, *, of_what: str = "cells") -> str:
    """Say what a field of tests shows, and outright when it could show nothing.

    Parameters
    ----------
    test : FieldTest
        From :func:`fdr`.
    smallest : float
        Smallest p that a single test can reach [1], see
        :func:`headwater.inference.kendall.smallest_p`.
    of_what : str
        What was tested.

    Returns
    -------
    str
        One or two sentences.

    Notes
    -----
    If no p can be below `smallest`, then i tests stand only if i/N ≥ smallest/α.

    Examples
    --------
    >>> print(field_statement(fdr(np.full(10_000, 0.2)), 1 / 60))
    0 of 10...000 cells (0.0 %) are significant at a false discovery rate of 0.05. One test cannot
    reach a p below 0.017, so none could pass unless at least 33.3 % of the cells reached it.
    """
    if test.n == 0:
        return f"None of the {of_what} has enough values for a test."
    share = 100.0 * test.passed / test.n
    text = (
        f"{grouped(test.passed)} of {grouped(test.n)} {of_what} ({share:.1f} %) are significant at "
        f"a false discovery rate of {test.significance:g}."
    )
    if smallest > test.significance:
        return (
            f"{text} One test cannot reach a p below {smallest:.2g}: nothing could pass, whatever "
            "the data say."
        )
    needed = smallest / test.significance
    if needed * test.n <= 1.0:
        return text
    return (
        f"{text} One test cannot reach a p below {smallest:.2g}, so none could pass unless at "
        f"least {100.0 * needed:.3g} % of the {of_what} reached it."
    )


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Correct p-values for the number of tests, whatever their dependence.

    Parameters
    ----------
    p_values : array_like, shape (m,)
        Probabilities [1]; NaN are tests that were not made, and are not counted.

    Returns
    -------
    ndarray, shape (m,)
        Corrected probabilities: below α, all hypotheses together are wrongly rejected with
        probability α at most.

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal
    of Statistics 6, 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full(p.shape, np.nan)
    made = np.flatnonzero(~np.isnan(p))
    ranked = made[np.argsort(p[made], kind="stable")]
    scaled = p[ranked] * np.arange(ranked.size, 0, -1)
    corrected[ranked] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def benjamini_hochberg(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Correct p-values so that few of the tests called significant are wrong.

    Parameters
    ----------
    p_values : array_like, shape (m,)
        Probabilities [1]; NaN are tests that were not made, and are not counted.

    Returns
    -------
    ndarray, shape (m,)
        Corrected probabilities: of the tests below α, a share of α at most is wrong on average
        (for independent or positively dependent tests).

    References
    ----------
    Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the Royal
    Statistical Society B 57, 289-300. https://doi.org/10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full(p.shape, np.nan)
    made = np.flatnonzero(~np.isnan(p))
    falling = made[np.argsort(-p[made], kind="stable")]
    scaled = p[falling] * falling.size / np.arange(falling.size, 0, -1)
    corrected[falling] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return corrected


def chance_p(observed: float, drawn: npt.ArrayLike) -> float:
    """Compute the p of a statistic from a few values that chance drew.

    Parameters
    ----------
    observed : float
        The statistic; large values speak against the null hypothesis.
    drawn : array_like, shape (m,)
        The statistic of responses made by chance.

    Returns
    -------
    float
        (1 + number drawn that reach it) / (1 + m) where at least ten do; else the tail of a gamma
        distribution with the mean, variance and skewness of the values drawn, so that a few hundred
        draws can stand a correction for many tests.

    References
    ----------
    Winkler, A. M., Ridgway, G. R., Douaud, G., Nichols, T. E., Smith, S. M. (2016). Faster
    permutation inference in brain imaging. NeuroImage 141, 502-516.
    https://doi.org/10.1016/j.neuroimage.2016.05.068

    Examples
    --------
    >>> draws = np.random.default_rng(1).chisquare(4, 199)
    >>> 0.0005 < chance_p(18.5, draws) < 0.002, chance_p(1.0, draws) > 0.8
    (True, True)
    """
    from scipy.special import gammaincc

    values = np.asarray(drawn, dtype=np.float64)
    reached = int((values >= observed * (1 - 1e-9)).sum())
    mean, spread = float(values.mean()), float(values.std())
    if reached >= 10 or spread == 0.0:
        return (1 + reached) / (1 + values.size)
    standard = (values - mean) / spread
    # statistics of this kind are skewed to the right; a floor keeps the gamma distribution proper
    skewness = max(float((standard**3).mean()), 0.05)
    shape = 4.0 / skewness**2
    place = shape + (observed - mean) / spread * np.sqrt(shape)
    return float(gammaincc(shape, max(place, 0.0)))


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
