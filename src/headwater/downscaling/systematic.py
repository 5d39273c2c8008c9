"""Error of the coarse product that all cells and days share: a bias, and a gain that is not one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headwater.errors import DataError

__all__ = ["SystematicError", "estimate_heterogeneity", "estimate_systematic"]

_FEWEST_STATIONS, _FEWEST_PAIRS = 3, 30
_GAIN = (0.3, 3.0)


@dataclass(frozen=True, slots=True)
class SystematicError:
    """Error of the coarse product that all cells and days share, within a range.

    Attributes
    ----------
    bias_low, bias_high : float
        Mean of the product minus mean of the truth [m3 m-3].
    gain_low, gain_high : float
        What the product makes of a departure of the truth from its mean [1].
    source : str
        Where the range comes from, for the reader.
    """

    bias_low: float = 0.0
    bias_high: float = 0.0
    gain_low: float = 1.0
    gain_high: float = 1.0
    source: str = "assumed"

    @property
    def absent(self) -> bool:
        """Whether the product is taken to have no such error."""
        return self == SystematicError(source=self.source)

    def draw(self, number: int, n_resamples: int) -> SystematicError:
        """Take one bias and one gain: both ends first, then what lies evenly between.

        Parameters
        ----------
        number, n_resamples : int
            Which draw of how many. Bias and gain run through their ranges in different orders.
        """
        share = number / max(n_resamples - 1, 1)
        # the gain turns round in every second pair, so that no end of one is tied to one of both
        other = share if number // 2 % 2 == 0 else 1.0 - share
        bias = self.bias_low + share * (self.bias_high - self.bias_low)
        gain = self.gain_low + other * (self.gain_high - self.gain_low)
        return SystematicError(bias, bias, gain, gain, self.source)

    def product_of(self, truth: ArrayLike, mean: float) -> Any:
        """Give what the product makes of a truth; `mean` is the product's own."""
        return mean + self.gain_low * (np.asarray(truth) - (mean - self.bias_low))

    def truth_of(self, product: ArrayLike, mean: float) -> Any:
        """Give the truth of which the product would make this; `mean` is the product's own."""
        return (mean - self.bias_low) + (np.asarray(product) - mean) / self.gain_low

    def __str__(self) -> str:
        if self.absent:
            return "no bias and a gain of 1, common to all cells"
        return (
            f"a bias between {self.bias_low:+.3f} and {self.bias_high:+.3f} m3 m-3 and a gain "
            f"between {self.gain_low:.2f} and {self.gain_high:.2f}, common to all cells"
        )


def estimate_systematic(
    product: ArrayLike, stations: ArrayLike, *, noise_sd: float = 0.0
) -> SystematicError:
    r"""Estimate bias and gain of a coarse product from stations in its cells.

    Parameters
    ----------
    product, stations : array-like, shape (n_days, n_stations)
        The product in each station's cell and what the station measured; NaN where missing
        [m3 m-3].
    noise_sd : float
        White noise of the product [m3 m-3], which would pass for a gain above one.

    Returns
    -------
    SystematicError
        The bias with ends one standard error away, so that two draws have the spread of the
        estimate; the gain between the regressions of the product on the stations (too flat, for
        stations are points) and of the stations on the product.

    Raises
    ------
    DataError
        If fewer than three stations share thirty days with the product, or the two do not rise
        together.

    Notes
    -----
    With :math:`d_s` the mean difference at station s, the bias is :math:`\bar d \pm s_d / \sqrt n
    \cdot \sqrt{(n - 1) / (n - 3)}`. With covariances of what is left after each station's own mean,
    the gain lies between :math:`c_{xy} / c_{yy}` and :math:`(c_{xx} - \sigma^2) / c_{xy}`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = 0.25 + 0.06 * rng.standard_normal((300, 6))
    >>> found = estimate_systematic(0.8 * truth + 0.06, truth)
    >>> round(found.bias_low, 2), round(found.gain_low, 2), round(found.gain_high, 2)
    (0.01, 0.8, 0.8)
    """
    x, y, apart = _paired(product, stations)
    n = apart.size
    error = float(apart.std(ddof=1) / np.sqrt(n) * np.sqrt((n - 1) / max(n - 3, 1)))
    within = [np.nan_to_num(one - np.nanmean(one, axis=0)) for one in (x, y)]
    size = np.isfinite(x).sum()
    cxx, cyy, cxy = (
        float((a * b).sum() / size)
        for a, b in (
            (within[0], within[0]),
            (within[1], within[1]),
            (within[0], within[1]),
        )
    )
    if not cxy > 0:
        raise DataError(
            "product and stations do not rise together",
            found=f"covariance {cxy:.2g}",
            do="Give product_gain, or leave the stations out",
        )
    ends = np.clip(sorted((cxy / cyy, max(cxx - noise_sd**2, 0.0) / cxy)), *_GAIN)
    bias = float(apart.mean())
    return SystematicError(
        bias - error, bias + error, float(ends[0]), float(ends[1]), f"from {n} stations"
    )


def estimate_heterogeneity(product: ArrayLike, stations: ArrayLike) -> float:
    """Estimate what lasts within pixels and cells and no map shows, from the means of stations.

    Parameters
    ----------
    product, stations : array-like, shape (n_days, n_stations)
        The product that the stations took no part in, and what they measured [m3 m-3].

    Returns
    -------
    float
        Standard deviation over stations of their mean difference [m3 m-3]; how a point differs
        from its pixel is part of it.

    Raises
    ------
    DataError
        As :func:`estimate_systematic`.

    Examples
    --------
    >>> truth = np.full((40, 4), 0.2)
    >>> round(estimate_heterogeneity(truth + [0.01, -0.01, 0.01, -0.01], truth), 4)
    0.0115
    """
    return float(_paired(product, stations)[2].std(ddof=1))


def _paired(product: ArrayLike, stations: ArrayLike) -> tuple[Any, Any, Any]:
    x, y = np.asarray(product, dtype=float), np.asarray(stations, dtype=float)
    both = np.isfinite(x) & np.isfinite(y)
    enough = both.sum(axis=0) >= _FEWEST_PAIRS
    if enough.sum() < _FEWEST_STATIONS:
        raise DataError(
            "too few stations to judge the product's bias",
            found=f"{int(enough.sum())} with {_FEWEST_PAIRS} days in common",
            do=f"Give {_FEWEST_STATIONS} or more, or product_bias and product_gain",
        )
    x, y = (np.where(both, one, np.nan)[:, enough] for one in (x, y))
    return x, y, np.nanmean(x - y, axis=0)
