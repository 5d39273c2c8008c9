"""How well a product agrees with a reference, and whether predicted intervals hold the truth."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.inference.effective import fit_persistence

__all__ = [
    "MEASURES",
    "Measure",
    "agreement_measures",
    "crps_ensemble",
    "crps_normal",
    "interval_skill",
    "raised",
    "valid_pairs",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """What a measure is called and measured in.

    Attributes
    ----------
    name : str
        As in the tables.
    label : str
        As on an axis.
    power : int
        Its unit is the unit of the series to this power; 0 for a bare number.
    best : float
        Its value where product and reference are the same.
    """

    name: str
    label: str
    power: int
    best: float

    def unit(self, units: str) -> str:
        """Name the unit for series in `units`."""
        return "1" if self.power == 0 else raised(units, self.power)


def raised(units: str, power: int) -> str:
    """Name a unit to a power.

    Parameters
    ----------
    units : str
        As in ``attrs["units"]``.
    power : int
        From 1.

    Returns
    -------
    str

    Examples
    --------
    >>> raised("m3 m-3", 2), raised("1", 2), raised("mm", 1)
    ('m6 m-6', '1', 'mm')
    """
    if power == 1:
        return units
    parts = re.findall(r"([^\d\s-]+)(-?\d+)?", units)
    return " ".join(f"{base}{int(own or 1) * power}" for base, own in parts) or "1"


MEASURES = {
    entry.name: entry
    for entry in (
        Measure("bias", "Bias", 1, 0.0),
        Measure("aad", "Mean absolute difference", 1, 0.0),
        Measure("mad", "Median absolute difference", 1, 0.0),
        Measure("msd", "Mean square difference", 2, 0.0),
        Measure("rmsd", "RMSD", 1, 0.0),
        Measure("nrmsd", "RMSD / range", 0, 0.0),
        Measure("ubrmsd", "ubRMSD", 1, 0.0),
        Measure("mse_bias", "MSE from bias", 2, 0.0),
        Measure("mse_var", "MSE from variance", 2, 0.0),
        Measure("mse_corr", "MSE from correlation", 2, 0.0),
        Measure("rss", "Residual sum of squares", 2, 0.0),
        Measure("pearson", "Correlation R", 0, 1.0),
        Measure("spearman", "Rank correlation ρ", 0, 1.0),
        Measure("kendall", "Kendall τ", 0, 1.0),
        Measure("nash_sutcliffe", "Nash-Sutcliffe efficiency", 0, 1.0),
        Measure("index_of_agreement", "Index of agreement", 0, 1.0),
    )
}
"""Every measure of :func:`agreement_measures`, in the order of the tables."""


def agreement_measures(product: ArrayLike, reference: ArrayLike) -> dict[str, float]:
    r"""Compute all measures of agreement of two series.

    Parameters
    ----------
    product, reference : array, shape (time,)
        In one unit; a time at which either is NaN is left out.

    Returns
    -------
    dict
        One value for each name in :data:`MEASURES`, in the unit it has there; NaN where it is not
        defined (a correlation with a constant).

    Raises
    ------
    DataError
        If fewer than 3 pairs are valid, or a value is infinite.

    Notes
    -----
    With x the product, y the reference, and standard deviations of ddof 0:

    .. math::
        b = \bar x - \bar y, \quad
        \mathrm{msd} = b^2 + (s_x - s_y)^2 + 2 s_x s_y (1 - R), \quad
        \mathrm{ubrmsd}^2 = \mathrm{msd} - b^2

    .. math::
        \mathrm{NSE} = 1 - \frac{\sum (x-y)^2}{\sum (y-\bar y)^2}, \quad
        d = 1 - \frac{\sum (x-y)^2}{\sum (|x-\bar y| + |y-\bar y|)^2}

    ``nrmsd`` divides by the range of both series together.

    References
    ----------
    Gupta, H. V. et al. (2009). Decomposition of the mean squared error and NSE performance
    criteria. Journal of Hydrology 377, 80-91. doi:10.1016/j.jhydrol.2009.08.003. Willmott, C. J.
    (1981). On the validation of models. Physical Geography 2, 184-194.
    doi:10.1080/02723646.1981.10642213 (recalled, unchecked).

    Examples
    --------
    >>> found = agreement_measures([0.2, 0.3, 0.4], [0.1, 0.2, 0.3])
    >>> round(found["bias"], 3), round(found["ubrmsd"], 3), round(found["pearson"], 3)
    (0.1, 0.0, 1.0)
    """
    x, y = valid_pairs(product, reference)
    return {**_of_moments(x, y), **_of_order(x, y)}


def valid_pairs(
    product: ArrayLike, reference: ArrayLike, min_pairs: int = 3
) -> tuple[Floats, Floats]:
    """Return the pairs of which both are valid.

    Parameters
    ----------
    product, reference : array, shape (time,)
        NaN where missing.
    min_pairs : int
        Fewest pairs that will do.

    Returns
    -------
    tuple of array

    Raises
    ------
    DataError
        If the shapes differ, a value is infinite, or pairs are too few.

    Examples
    --------
    >>> valid_pairs([0.1, np.nan, 0.3], [0.1, 0.2, 0.3], min_pairs=2)[0].tolist()
    [0.1, 0.3]
    """
    x, y = np.asarray(product, dtype=float), np.asarray(reference, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(
            "product and reference are not two series of one length",
            found=f"shapes {x.shape} and {y.shape}",
            do="Match them in time first: headwater.validation.matching.match_times",
        )
    if np.isinf(x).any() or np.isinf(y).any():
        raise DataError("infinite values", found="inf", do="Set them to NaN if they mean missing")
    valid = np.isfinite(x) & np.isfinite(y)
    if valid.sum() < min_pairs:
        raise DataError(
            "too few pairs to compare",
            found=f"{int(valid.sum())} times with both product and reference",
            do=f"Give at least {min_pairs}; a wider matching window may help",
        )
    return x[valid], y[valid]


def _of_moments(x: Floats, y: Floats) -> dict[str, float]:
    n, bias = len(x), float(x.mean() - y.mean())
    dx, dy = x - x.mean(), y - y.mean()
    sx, sy = float(np.sqrt((dx @ dx) / n)), float(np.sqrt((dy @ dy) / n))
    # A constant leaves rounding in its standard deviation, which is no variation.
    steady = not sy > 1e-14 * np.abs(y).max()
    moving = not steady and sx > 1e-14 * np.abs(x).max()
    r = float(np.clip((dx @ dy) / (n * sx * sy), -1.0, 1.0)) if moving else np.nan
    rss = float(((x - y) ** 2).sum())
    span = float(max(x.max(), y.max()) - min(x.min(), y.min()))
    potential = float(((np.abs(x - y.mean()) + np.abs(dy)) ** 2).sum())
    shared = sx * sy * r if moving else 0.0
    return {
        "bias": bias,
        "aad": float(np.abs(x - y).mean()),
        "mad": float(np.median(np.abs(x - y))),
        "msd": rss / n,
        "rmsd": float(np.sqrt(rss / n)),
        "nrmsd": float(np.sqrt(rss / n)) / span if span > 0 else np.nan,
        "ubrmsd": float(np.sqrt(((dx - dy) ** 2).sum() / n)),
        "mse_bias": bias**2,
        "mse_var": (sx - sy) ** 2,
        "mse_corr": 2.0 * (sx * sy - shared),
        "rss": rss,
        "pearson": r,
        "nash_sutcliffe": np.nan if steady else 1.0 - rss / (n * sy**2),
        "index_of_agreement": 1.0 - rss / potential if potential > 0 else np.nan,
    }


def _of_order(x: Floats, y: Floats) -> dict[str, float]:
    from scipy.stats import kendalltau, rankdata

    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"spearman": np.nan, "kendall": np.nan}
    ranks = np.corrcoef(rankdata(x), rankdata(y))[0, 1]
    return {"spearman": float(ranks), "kendall": float(kendalltau(x, y).statistic)}


def interval_skill(
    low: ArrayLike, high: ArrayLike, reference: ArrayLike, *, nominal: float, level: float = 0.95
) -> dict[str, float]:
    r"""Count how often intervals hold the reference, and how wide they are.

    Parameters
    ----------
    low, high : array, shape (time, ...)
        Ends of the predicted intervals; NaN where missing.
    reference : array, shape (time, ...)
        In the same unit.
    nominal : float
        What the intervals promise [1].
    level : float
        Coverage of the interval of the PICP itself [1].

    Returns
    -------
    dict
        ``picp`` with ``picp_low`` and ``picp_high`` [1]; ``width``, the mean width, and ``score``,
        the mean interval score [unit]; ``n`` and ``n_effective`` values.

    Raises
    ------
    DataError
        If an interval ends below its start, the shapes differ, or fewer than 8 times are valid.

    Notes
    -----
    PICP is the share of references inside. Its interval is Wilson's with an effective n: with
    further dimensions, that of the daily share over time, which also holds for neighbours that err
    together. The interval score is

    .. math:: (u - l) + \tfrac{2}{\alpha}(l - y)^+ + \tfrac{2}{\alpha}(y - u)^+, \; \alpha = 1 -
              \mathrm{nominal}

    References
    ----------
    Gneiting, T., Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and estimation.
    Journal of the American Statistical Association 102, 359-378. doi:10.1198/016214506000001437.
    Wilson, E. B. (1927). Probable inference. JASA 22, 209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> truth = np.random.default_rng(1).normal(size=1000)
    >>> found = interval_skill(truth * 0 - 1.645, truth * 0 + 1.645, truth, nominal=0.9)
    >>> bool(found["picp_low"] < 0.9 < found["picp_high"])
    True
    """
    bottom, top, y = (np.asarray(part, dtype=float) for part in (low, high, reference))
    if not bottom.shape == top.shape == y.shape:
        raise DataError(
            "intervals and reference differ in shape",
            found=f"{bottom.shape}, {top.shape} and {y.shape}",
            do="Match them first",
        )
    if (top < bottom).any():
        raise DataError(
            "an interval ends below its start",
            found=f"{int((top < bottom).sum())} of them",
            do="Give low before high",
        )
    valid = np.isfinite(bottom) & np.isfinite(top) & np.isfinite(y)
    inside = np.where(valid, (y >= bottom) & (y <= top), np.nan)
    miss = np.maximum(bottom - y, 0.0) + np.maximum(y - top, 0.0)
    n = int(valid.sum())
    size = _size_of_share(inside, valid, n)
    share = float(np.nansum(inside)) / n
    picp_low, picp_high = _wilson(share, size, level)
    score = top - bottom + 2.0 / (1.0 - nominal) * miss
    return {
        "picp": share,
        "picp_low": picp_low,
        "picp_high": picp_high,
        "width": float((top - bottom)[valid].mean()),
        "score": float(score[valid].mean()),
        "n": n,
        "n_effective": size,
    }


def _size_of_share(inside: Floats, valid: NDArray[np.bool_], n: int) -> float:
    """Effective number of values for the share inside, from the variance of its daily mean."""
    days = valid.reshape(len(valid), -1).sum(axis=1)
    if (days > 0).sum() < 8:
        raise DataError(
            "too few times to judge intervals by",
            found=f"{int((days > 0).sum())} times with interval and reference",
            do="Give at least 8",
        )
    hits = np.nansum(inside.reshape(len(inside), -1), axis=1)
    daily = np.where(days > 0, hits / np.maximum(days, 1), np.nan)
    share = hits.sum() / n
    spread = float(np.nanvar(daily))
    if not spread > 0 or share in (0.0, 1.0):
        return float((days > 0).sum())
    size = fit_persistence(daily).size_of_mean()
    return float(min(share * (1.0 - share) / spread * size, n))


def _wilson(share: float, n: float, level: float) -> tuple[float, float]:
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2.0))
    centre = (share + z**2 / (2.0 * n)) / (1.0 + z**2 / n)
    half = z / (1.0 + z**2 / n) * np.sqrt(share * (1.0 - share) / n + z**2 / (4.0 * n**2))
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def crps_normal(mean: ArrayLike, sd: ArrayLike, reference: ArrayLike) -> Floats:
    r"""Score normal predictions by the continuous ranked probability score.

    Parameters
    ----------
    mean, sd : array
        Prediction and its standard deviation (0 for a certain one); NaN where missing.
    reference : array
        In the same unit.

    Returns
    -------
    array
        CRPS [unit], 0 for a perfect prediction; the absolute error where `sd` is 0.

    Raises
    ------
    DataError
        If a standard deviation is negative.

    Notes
    -----
    .. math:: \sigma \left[ z (2 \Phi(z) - 1) + 2 \varphi(z) - 1/\sqrt{\pi} \right],\;
              z = (y - \mu)/\sigma

    References
    ----------
    Gneiting & Raftery (2007), see :func:`interval_skill`, eq. 21.

    Examples
    --------
    >>> round(float(crps_normal(0.0, 1.0, 0.0)), 4)
    0.2337
    """
    from scipy.special import ndtr

    sigma = np.asarray(sd, dtype=float)
    if (sigma < 0).any():
        raise DataError(
            "a standard deviation is negative",
            found=f"{np.nanmin(sigma):g}",
            do="Give standard deviations, not variances or errors",
        )
    error = np.asarray(reference, dtype=float) - np.asarray(mean, dtype=float)
    scale = np.where(sigma > 0, sigma, 1.0)
    z = error / scale
    density = np.exp(-(z**2) / 2.0) / np.sqrt(2.0 * np.pi)
    score = scale * (z * (2.0 * ndtr(z) - 1.0) + 2.0 * density - 1.0 / np.sqrt(np.pi))
    found: Floats = np.where(np.isnan(sigma), np.nan, np.where(sigma > 0, score, np.abs(error)))
    return found[()]


def crps_ensemble(members: ArrayLike, reference: ArrayLike) -> Floats:
    r"""Score ensembles by the continuous ranked probability score.

    Parameters
    ----------
    members : array, shape (member, ...)
        Predictions that are equally likely.
    reference : array, shape (...)
        In the same unit.

    Returns
    -------
    array, shape (...)
        CRPS [unit], unbiased for a small ensemble ("fair"); NaN where a member or the reference is
        missing.

    Raises
    ------
    DataError
        If there are fewer than 2 members.

    Notes
    -----
    .. math:: \frac1m \sum_i |x_i - y| - \frac{1}{2 m (m-1)} \sum_{i,j} |x_i - x_j|

    References
    ----------
    Ferro, C. A. T. (2014). Fair scores for ensemble forecasts. Quarterly Journal of the Royal
    Meteorological Society 140, 1917-1923. doi:10.1002/qj.2270

    Examples
    --------
    >>> float(crps_ensemble([0.1, 0.3], 0.2))
    0.0
    """
    drawn = np.sort(np.asarray(members, dtype=float), axis=0)
    m = len(drawn)
    if m < 2:
        raise DataError(
            "an ensemble needs members", found=f"{m}", do="Give at least 2 along the first axis"
        )
    apart = np.abs(drawn - np.asarray(reference, dtype=float)).mean(axis=0)
    # Σ|xi - xj| over sorted members, without making the pairs
    weight = (2.0 * np.arange(1, m + 1) - m - 1.0).reshape(-1, *[1] * (drawn.ndim - 1))
    spread = (weight * drawn).sum(axis=0) / (m * (m - 1.0))
    found: Floats = np.where(np.isnan(apart), np.nan, np.round(apart - spread, 15))
    return found[()]
