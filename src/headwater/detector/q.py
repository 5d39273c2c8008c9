"""The q-statistic: the share of a variable's variance that lies between strata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

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

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class StratumSums:
    """What q needs to know of the units, by stratum; sums of parts add up to those of the whole.

    Attributes
    ----------
    n : ndarray of int, shape (strata,)
        Units in each stratum.
    weight : ndarray, shape (strata,)
        Sum of their weights (the number itself without weights).
    offset : ndarray, shape (strata,)
        Mean of the response less `centre` [unit of the response]; 0 in an empty stratum.
    within : ndarray, shape (strata,)
        Sum of squares about the stratum's own mean.
    centre : float
        A value near the mean, taken out so that a large mean costs no digits.
    """

    n: Counts
    weight: Floats
    offset: Floats
    within: Floats
    centre: float

    @property
    def mean(self) -> Floats:
        """Mean of each stratum; NaN where it is empty."""
        return np.where(self.n > 0, self.centre + self.offset, np.nan)

    @property
    def variance(self) -> Floats:
        """Sample variance of each stratum; NaN below two units."""
        free = np.where(self.n > 1, self.weight * (1.0 - 1.0 / np.maximum(self.n, 1)), np.nan)
        return self.within / free

    def merge(self, other: StratumSums) -> StratumSums:
        """Add the units of another part (Chan, Golub & LeVeque 1979).

        Parameters
        ----------
        other : StratumSums
            Of the same strata.

        Returns
        -------
        StratumSums
        """
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        shift = other.offset + (other.centre - self.centre) - self.offset
        shift = np.where(other.n > 0, shift, 0.0)
        # an empty part has offset 0, which `share` = 1 then replaces
        return StratumSums(
            self.n + other.n,
            weight,
            self.offset + share * shift,
            self.within + other.within + self.weight * share * shift**2,
            self.centre,
        )

    def drop(self, min_units: int) -> StratumSums:
        """Leave out strata with fewer than `min_units` units.

        Parameters
        ----------
        min_units : int
            Least number of units.

        Returns
        -------
        StratumSums
        """
        keep = self.n >= min_units
        return StratumSums(
            self.n[keep], self.weight[keep], self.offset[keep], self.within[keep], self.centre
        )


def stratum_sums(
    response: npt.ArrayLike,
    codes: npt.NDArray[np.int32],
    strata: int,
    *,
    weights: npt.ArrayLike | None = None,
) -> StratumSums:
    """Sum the response by stratum, in one pass and in float64.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is passed over.
    codes : ndarray of int32, same shape
        Stratum of each unit, below zero where missing.
    strata : int
        Number of strata.
    weights : array_like, same shape, optional
        Weight of each unit, such as its area; without them every unit counts one.

    Returns
    -------
    StratumSums

    Examples
    --------
    >>> stratum_sums([1.0, 2.0, 6.0], np.array([0, 0, 1], np.int32), 2).mean
    array([1.5, 6. ])
    """
    from headwater.detector._kernels import sums_by_code

    values = np.ascontiguousarray(response, dtype=np.float64).ravel()
    flat = np.ascontiguousarray(codes, dtype=np.int32).ravel()
    unit = np.zeros(0) if weights is None else _checked_weights(weights, values.size)
    centre = _centre(values)
    n, weight, first, second = sums_by_code(values, flat, unit, centre, strata)
    offset = np.divide(first, weight, out=np.zeros(strata), where=weight > 0)
    # rounding must not leave a sum of squares below zero
    within = np.maximum(second - first * offset, 0.0)
    return StratumSums(n, weight, offset, within, centre)


def check_varies(total: float, n: int, centre: float) -> None:
    """Refuse a response that is the same in all units.

    Parameters
    ----------
    total : float
        Sum of squares about the mean [unit of the response squared].
    n : int
        Units.
    centre : float
        A value near the mean [unit of the response].

    Raises
    ------
    DataError
        If the sum of squares is no more than rounding leaves of equal values.

    Examples
    --------
    >>> check_varies(2.0, 2, 0.0)
    """
    rounding = 8 * np.finfo(np.float64).eps * max(abs(centre), 1e-300)
    if total <= n * rounding**2:
        raise DataError(
            "the response is constant", found=f"{n} units of {centre:.6g}", do="Leave it out"
        )


def _centre(values: Floats) -> float:
    finite = values if not np.isnan(values.sum()) else values[~np.isnan(values)]
    centre = float(finite.mean()) if finite.size else 0.0
    if np.isinf(centre) or np.isnan(centre):
        raise DataError(
            "infinite values of the response",
            found=f"{np.isinf(finite).sum()} units",
            do="Set them to NaN",
        )
    return centre


def _checked_weights(weights: npt.ArrayLike, size: int) -> Floats:
    unit = np.ascontiguousarray(weights, dtype=np.float64).ravel()
    if unit.size != size or not (unit > 0).all() or np.isinf(unit).any():
        raise DataError(
            "weights must be positive, one for each unit",
            found=f"{unit.size} weights for {size} units, least {unit.min(initial=np.inf):.6g}",
            do="Give the area of each cell, or no weights",
        )
    return unit


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
