"""The q-statistic: the share of a variable's variance that lies between strata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from headwater.detector.sums import StratumSums, check_varies, stratum_sums
from headwater.errors import DataError

__all__ = [
    "PMethod",
    "QStatistic",
    "StratumSums",
    "check_varies",
    "p_central",
    "p_wang2016",
    "q_interval",
    "q_statistic",
    "stratum_sums",
]

PMethod = Literal["central", "wang2016"]


@dataclass(frozen=True, slots=True)
class QStatistic:
    """q of one partition.

    Attributes
    ----------
    q : float
        1 - SSW / SST [1].
    adjusted : float
        1 - (1 - q)(N - 1) / (N - L) [1]: zero on average where there is no effect; NaN if N = L.
    f : float
        F = (N - L) / (L - 1) · q / (1 - q); NaN if N = L.
    n, strata : int
        Units N and strata L.
    within, total : float
        SSW and SST [unit of the response squared, times weight].
    """

    q: float
    adjusted: float
    f: float
    n: int
    strata: int
    within: float
    total: float


def q_statistic(sums: StratumSums) -> QStatistic:
    r"""Compute q from sums per stratum.

    Parameters
    ----------
    sums : StratumSums
        From :func:`stratum_sums`, merged over all parts.

    Returns
    -------
    QStatistic

    Raises
    ------
    DataError
        If no unit has a value, the response is constant, or there is one stratum only.

    Notes
    -----
    .. math:: q = 1 - \frac{\sum_h N_h \sigma_h^2}{N \sigma^2} = 1 - SSW / SST

    q is the R² of the stratum means and grows with the number of strata even where there is no
    effect: its mean is then (L - 1) / (N - 1). The adjusted q takes that out. With weights the
    sums are weighted, while N stays the number of units.

    References
    ----------
    Wang, J. F., Li, X. H., Christakos, G., et al. (2010). Geographical detectors-based health risk
    assessment. International Journal of Geographical Information Science 24, 107-127.
    https://doi.org/10.1080/13658810802443457

    Wang, J. F., Zhang, T. L., Fu, B. J. (2016). A measure of spatial stratified heterogeneity.
    Ecological Indicators 67, 250-256. https://doi.org/10.1016/j.ecolind.2016.02.052

    Examples
    --------
    Within: 0.5 + 0; total: 14. So q = 1 - 0.5 / 14.

    >>> sums = stratum_sums([1.0, 2.0, 6.0], np.array([0, 0, 1], np.int32), 2)
    >>> round(q_statistic(sums).q, 4)
    0.9643
    """
    present = sums.n > 0
    n, strata = int(sums.n.sum()), int(present.sum())
    if n == 0:
        raise DataError("no unit has both a response and a stratum", found="n = 0")
    weight = sums.weight[present]
    offset = sums.offset[present]
    grand = float(weight @ offset / weight.sum())
    within = float(sums.within.sum())
    between = float(weight @ (offset - grand) ** 2)
    total = within + between
    check_varies(total, n, sums.centre)
    if strata < 2:
        raise DataError(
            "one stratum cannot explain anything",
            found=f"{n} units in {strata} stratum",
            do="Choose a factor, or breaks, with at least two strata among units with a response",
        )
    q = between / total
    if n == strata:
        return QStatistic(q, np.nan, np.nan, n, strata, within, total)
    adjusted = 1.0 - within / total * (n - 1) / (n - strata)
    f = (n - strata) / (strata - 1) * between / within if within > 0 else np.inf
    return QStatistic(q, adjusted, f, n, strata, within, total)


def p_central(statistic: QStatistic) -> float:
    """Probability of a q at least as large where strata have no effect.

    Parameters
    ----------
    statistic : QStatistic
        From :func:`q_statistic`.

    Returns
    -------
    float
        Upper tail of the central F distribution with L - 1 and N - L degrees of freedom; NaN if
        N = L.

    Notes
    -----
    Exact for independent normal units of equal variance. Neighbouring units of a smooth field are
    not independent: the test then rejects far too often.

    Examples
    --------
    >>> sums = stratum_sums([1.0, 2.0, 6.0], np.array([0, 0, 1], np.int32), 2)
    >>> round(p_central(q_statistic(sums)), 4)
    0.121
    """
    from scipy.special import fdtrc

    if np.isnan(statistic.f):
        return np.nan
    if np.isinf(statistic.f):
        return 0.0
    return float(fdtrc(statistic.strata - 1, statistic.n - statistic.strata, statistic.f))


def p_wang2016(sums: StratumSums) -> float:
    r"""Probability after Wang et al. (2016), for comparison with other software only.

    Parameters
    ----------
    sums : StratumSums
        From :func:`stratum_sums`.

    Returns
    -------
    float
        Upper tail of the non-central F distribution.

    Warnings
    --------
    Not a valid test: the non-centrality changes when a constant is added to the response (0 °C or
    273.15 K give different answers), and far from zero its power vanishes.

    Notes
    -----
    .. math:: \lambda = \frac{1}{\sigma^2} \Bigl[ \sum_h \bar Y_h^2
              - \frac{1}{N} \bigl( \sum_h \sqrt{N_h} \bar Y_h \bigr)^2 \Bigr]

    with the population variance, as in GD and gdverse.

    References
    ----------
    Wang, J. F., Zhang, T. L., Fu, B. J. (2016). A measure of spatial stratified heterogeneity.
    Ecological Indicators 67, 250-256. https://doi.org/10.1016/j.ecolind.2016.02.052

    Examples
    --------
    >>> codes = np.array([0, 0, 1, 1, 1, 1], np.int32)
    >>> values = np.array([1.0, 2.0, 4.0, 5.0, 7.0, 8.0])
    >>> round(p_wang2016(stratum_sums(values, codes, 2)), 3)
    0.074
    >>> round(p_wang2016(stratum_sums(values + 100.0, codes, 2)), 3)
    1.0
    """
    from scipy.stats import ncf

    statistic = q_statistic(sums)
    if np.isnan(statistic.f):
        return np.nan
    kept = sums.n > 0
    mean, n = sums.mean[kept], sums.n[kept]
    variance = statistic.total / sums.weight.sum()
    scatter = float(mean @ mean - (np.sqrt(n) @ mean) ** 2 / statistic.n)
    free = statistic.n - statistic.strata
    return float(ncf.sf(statistic.f, statistic.strata - 1, free, scatter / variance))


def q_interval(statistic: QStatistic, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of q by inverting the non-central F distribution.

    Parameters
    ----------
    statistic : QStatistic
        From :func:`q_statistic`.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Lower and upper limit [1], equal tails; NaN if N = L.

    Notes
    -----
    The limits of the non-centrality λ at which the F observed is the upper or the lower tail's
    quantile become q = λ / (λ + N). The interval speaks of the population's q, which the plain q
    overestimates: for weak factors the plain q can lie above the interval's middle. Units are
    taken as independent.

    References
    ----------
    Smithson, M. (2003). Confidence Intervals. Sage, Thousand Oaks.

    Examples
    --------
    >>> codes = np.repeat(np.arange(2, dtype=np.int32), 50)
    >>> values = np.tile(np.arange(50.0), 2) + 10.0 * codes
    >>> low, high = q_interval(q_statistic(stratum_sums(values, codes, 2)))
    >>> bool(low < 0.107 < high)
    True
    """
    if np.isnan(statistic.f):
        return np.nan, np.nan
    if np.isinf(statistic.f):
        return 1.0, 1.0
    tail = (1.0 - level) / 2.0
    limits = (_noncentrality(statistic, 1.0 - tail), _noncentrality(statistic, tail))
    low, high = (limit / (limit + statistic.n) for limit in limits)
    return low, high


def _noncentrality(statistic: QStatistic, probability: float) -> float:
    """Find the λ that puts F at this probability, or 0 where none does."""
    from scipy.optimize import brentq
    from scipy.special import ncfdtr

    df = (statistic.strata - 1, statistic.n - statistic.strata)

    def excess(noncentrality: float) -> float:
        return float(ncfdtr(*df, noncentrality, statistic.f)) - probability

    if excess(0.0) <= 0.0:
        return 0.0
    high = 10.0 + 2.0 * statistic.n * statistic.q / (1.0 - statistic.q)
    while excess(high) > 0.0:
        high *= 2.0
    return float(brentq(excess, 0.0, high, xtol=1e-8 * high, rtol=1e-10))
