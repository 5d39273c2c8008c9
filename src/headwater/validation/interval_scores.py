"""Whether predicted intervals hold the truth as often as they say, and how sharp they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.validation.effective_size import fit_persistence

__all__ = ["crps_ensemble", "crps_normal", "interval_skill"]

Floats = NDArray[np.float64]


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
