"""Several tests at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["benjamini_hochberg", "chance_p", "holm"]


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
