"""From a statistic to a p-value, and from many p-values to what may be called significant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headwater.figures import grouped

__all__ = ["FieldTest", "correlation_p", "fdr", "field_statement", "student_p"]


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
    alpha : float
        False discovery rate that was controlled.
    """

    mask: Any
    threshold: float
    n: int
    alpha: float

    @property
    def passed(self) -> int:
        """Number of tests that stand."""
        return int(np.count_nonzero(self.mask))


def fdr(p: ArrayLike, alpha: float = 0.05, *, wilks: bool = False) -> FieldTest:
    """Control the false discovery rate among many p-values, NaN left out.

    Parameters
    ----------
    p : array-like, any shape
        p-values [1].
    alpha : float
        False discovery rate [1]; with `wilks` the global level wanted.
    wilks : bool
        Whether to double `alpha`, Wilks' rule for fields with moderate spatial correlation.

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
    level = min(2.0 * alpha, 1.0) if wilks else alpha
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
        f"a false discovery rate of {test.alpha:g}."
    )
    if smallest > test.alpha:
        return (
            f"{text} One test cannot reach a p below {smallest:.2g}: nothing could pass, whatever "
            "the data say."
        )
    needed = smallest / test.alpha
    if needed * test.n <= 1.0:
        return text
    return (
        f"{text} One test cannot reach a p below {smallest:.2g}, so none could pass unless at "
        f"least {100.0 * needed:.3g} % of the {of_what} reached it."
    )
