"""Bringing a product to the scale of a reference before they are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, nearest
from headwater.validation.measures import valid_pairs

__all__ = ["SCALINGS", "Scaling", "fit_scaling", "scale_cdf"]

Floats = NDArray[np.float64]

SCALINGS = ("mean_std", "min_max", "linreg", "cdf_match")
"""Ways to scale a product, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """A fitted scaling: straight lines between knots, going on straight beyond the last ones.

    Attributes
    ----------
    method : str
        One of :data:`SCALINGS`.
    product, reference : array, shape (knot,)
        Values of the product and what they become [unit of each]; two knots for a straight line.
    n : int
        Pairs it was fitted to.
    choices : tuple of str
        What was decided on the way.
    """

    method: str
    product: Floats
    reference: Floats
    n: int
    choices: tuple[str, ...] = ()

    @property
    def slope(self) -> float:
        """Slope from the first to the last knot [reference / product]."""
        return float(np.ptp(self.reference) / np.ptp(self.product))

    def transform(self, values: ArrayLike) -> Floats:
        """Scale values of the product, of this period or another.

        Parameters
        ----------
        values : array
            Of any shape; NaN stays NaN.

        Returns
        -------
        array
            On the scale of the reference.
        """
        x = np.asarray(values, dtype=float)
        piece = np.clip(
            np.searchsorted(self.product, x, side="right") - 1, 0, len(self.product) - 2
        )
        width, rise = np.diff(self.product)[piece], np.diff(self.reference)[piece]
        found: Floats = self.reference[piece] + rise / width * (x - self.product[piece])
        return found


def fit_scaling(product: ArrayLike, reference: ArrayLike, method: str = "mean_std") -> Scaling:
    r"""Fit the scaling of a product to a reference, to be applied wherever it is wanted.

    Parameters
    ----------
    product, reference : array, shape (time,)
        Matched in time; NaN where missing.
    method : {"mean_std", "min_max", "linreg", "cdf_match"}
        Same mean and standard deviation; same smallest and largest value; least squares of the
        reference on the product; same distribution (:func:`scale_cdf` with its defaults).

    Returns
    -------
    Scaling

    Raises
    ------
    DataError
        If the method is unknown, fewer than 3 pairs are valid, the product is constant, or for
        ``linreg`` the two do not rise together.

    Notes
    -----
    Scaling hides the bias, and ``cdf_match`` also the difference of the distributions: report the
    measures of the unscaled product too. Fit on one period and transform another where skill is
    claimed.

    References
    ----------
    Gruber, A. et al. (2020). Validation practices for satellite soil moisture retrievals. Remote
    Sensing of Environment 244, 111806. doi:10.1016/j.rse.2020.111806 (recalled, unchecked).

    Examples
    --------
    >>> fitted = fit_scaling([0.1, 0.2, 0.3], [0.2, 0.4, 0.6])
    >>> fitted.transform([0.15, np.nan]).round(3).tolist()
    [0.3, nan]
    """
    if method not in SCALINGS:
        raise DataError("unknown scaling", found=repr(method), do=nearest(method, SCALINGS))
    if method == "cdf_match":
        return scale_cdf(product, reference)
    x, y = valid_pairs(product, reference)
    _check_varies(x)
    if method == "min_max":
        return Scaling(method, _ends(x), _ends(y), len(x))
    if method == "mean_std":
        slope = float(y.std() / x.std())
    else:
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
        if slope <= 0:
            raise DataError(
                "a regression would turn the product upside down",
                found=f"slope {slope:.3g} of the reference on the product",
                do="Compare the unscaled product; a scaling cannot mend a negative correlation",
            )
    knots = _ends(x)
    return Scaling(method, knots, y.mean() + slope * (knots - x.mean()), len(x))


def scale_cdf(
    product: ArrayLike,
    reference: ArrayLike,
    *,
    bins: int = 100,
    min_values: int | None = 20,
    straight_ends: bool = True,
) -> Scaling:
    r"""Fit a scaling that gives the product the distribution of the reference.

    Parameters
    ----------
    product, reference : array, shape (time,)
        Matched in time; only times with both count, so that a season that one lacks does not
        distort the other.
    bins : int
        Percentile bins of equal share.
    min_values : int, optional
        Fewest values in a bin; with fewer, bins are merged. None keeps all bins.
    straight_ends : bool
        Whether the outermost knots of the reference come from a straight line through the values
        of the outermost bins instead of from a single extreme value.

    Returns
    -------
    Scaling
        With method ``cdf_match``.

    Raises
    ------
    DataError
        If `bins` is below 1, fewer than 3 pairs are valid, or a series is constant.

    Notes
    -----
    Percentiles by Hazen's plotting position, (i - ½)/n; a value that fills several percentiles
    (rounded data) is spread between its neighbours. If a single bin is left with straight ends, the
    scaling is the least-squares line.

    References
    ----------
    Moesinger, L. et al. (2020). The global long-term microwave Vegetation Optical Depth Climate
    Archive (VODCA). Earth System Science Data 12, 177-196. doi:10.5194/essd-12-177-2020.
    Reichle, R. H., Koster, R. D. (2004). Bias reduction in short records of satellite soil
    moisture. Geophysical Research Letters 31, L19501. doi:10.1029/2004GL020938

    Examples
    --------
    >>> x = np.linspace(0.1, 0.4, 200)
    >>> float(scale_cdf(x, 2 * x).transform(0.2).round(6))
    0.4
    """
    if bins < 1:
        raise DataError("bins must be at least 1", found=str(bins), do="Give 1 or more")
    x, y = valid_pairs(product, reference)
    _check_varies(x)
    _check_varies(y, "reference")
    count, choices = bins, tuple[str, ...]()
    if min_values is not None and len(x) / bins < min_values:
        count = int(np.clip(len(x) // min_values, 1, bins))
        choices = (f"{count} bins instead of {bins}, to hold at least {min_values} values each.",)
    if count == 1 and straight_ends:
        slope = float(((x - x.mean()) @ (y - y.mean())) / ((x - x.mean()) @ (x - x.mean())))
        ends = _ends(x)
        return Scaling("cdf_match", ends, y.mean() + slope * (ends - x.mean()), len(x), choices)
    low, high = np.sort(x), np.sort(y)
    shares = np.arange(count + 1) / count
    knots, values = _percentiles(low, shares), _percentiles(high, shares)
    if straight_ends:
        values[0] = values[1] + _end_slope(low, high, knots[1], values[1], -1) * (
            knots[0] - knots[1]
        )
        values[-1] = values[-2] + _end_slope(low, high, knots[-2], values[-2], 1) * (
            knots[-1] - knots[-2]
        )
    return Scaling("cdf_match", knots, values, len(x), choices)


def _percentiles(ordered: Floats, shares: Floats) -> Floats:
    """Quantiles by Hazen's position, spread evenly where a value fills several of them."""
    ranks = (np.arange(len(ordered)) + 0.5) / len(ordered)
    found: Floats = np.interp(shares, ranks, ordered)
    distinct, first = np.unique(found, return_index=True)
    if len(distinct) == len(found) or len(distinct) == 1:
        return found
    # A run at the upper end would otherwise be stretched beyond the largest value.
    places = shares[first]
    places[-1] = shares[-1]
    return np.asarray(np.interp(shares, places, distinct))


def _end_slope(low: Floats, high: Floats, knot: float, value: float, side: int) -> float:
    """Slope through the inner knot of the outermost bin, by least squares of its values."""
    x = (low[low >= knot] if side > 0 else low[low <= knot]) - knot
    y = (high[high >= value] if side > 0 else high[high <= value]) - value
    if len(x) != len(y):
        shares = np.linspace(0.0, 1.0, len(y)) if len(y) > 1 else np.array([0.5])
        x = _percentiles(x, shares)
    return float((x @ y) / (x @ x)) if (x @ x) > 0 else 0.0


def _ends(values: Floats) -> Floats:
    return np.array([values.min(), values.max()])


def _check_varies(values: Floats, which: str = "product") -> None:
    if np.ptp(values) == 0:
        raise DataError(
            f"a constant {which} has no scale",
            found=f"{values[0]:g} at all {len(values)} times",
            do="Leave it unscaled",
        )
