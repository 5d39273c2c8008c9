"""How well a product agrees with a reference in time: the measures themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__ = ["MEASURES", "Measure", "agreement_measures", "raised", "valid_pairs"]

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


def valid_pairs(product: ArrayLike, reference: ArrayLike, least: int = 3) -> tuple[Floats, Floats]:
    """Return the pairs of which both are valid.

    Parameters
    ----------
    product, reference : array, shape (time,)
        NaN where missing.
    least : int
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
    >>> valid_pairs([0.1, np.nan, 0.3], [0.1, 0.2, 0.3], least=2)[0].tolist()
    [0.1, 0.3]
    """
    x, y = np.asarray(product, dtype=float), np.asarray(reference, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(
            "product and reference are not two series of one length",
            found=f"shapes {x.shape} and {y.shape}",
            do="Match them in time first: headwater.validation.match_times",
        )
    if np.isinf(x).any() or np.isinf(y).any():
        raise DataError("infinite values", found="inf", do="Set them to NaN if they mean missing")
    valid = np.isfinite(x) & np.isfinite(y)
    if valid.sum() < least:
        raise DataError(
            "too few pairs to compare",
            found=f"{int(valid.sum())} times with both product and reference",
            do=f"Give at least {least}; a wider matching window may help",
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
