"""Intervals of the measures of agreement that are honest about autocorrelation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, nearest
from headwater.inference.effective import Persistence, evenly_spaced, fit_persistence
from headwater.validation.measures import MEASURES, agreement_measures, valid_pairs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["INTERVALS", "agreement", "pairwise_agreement"]

Floats = NDArray[np.float64]
Interval = tuple[float, float]

INTERVALS = ("effective", "bootstrap", "independent")
"""Ways to an interval: effective sizes, blocks of time, or as if every value were independent."""

_NO_INTERVAL = (np.nan, np.nan)


def agreement(
    product: ArrayLike,
    reference: ArrayLike,
    *,
    times: ArrayLike | None = None,
    level: float = 0.95,
    interval: str = "effective",
    rng: np.random.Generator | None = None,
    n_resamples: int = 999,
    units: str = "m3 m-3",
) -> pd.DataFrame:
    r"""Measure how well a product agrees with a reference, each number with its interval.

    Parameters
    ----------
    product, reference : array, shape (time,)
        In one unit; NaN where missing.
    times : array, shape (time,), optional
        datetime64 or numbers; by default evenly spaced, which missing times must then be NaN for.
    level : float
        Coverage of the intervals [1].
    interval : {"effective", "bootstrap", "independent"}
        Effective sizes of the series at their valid times; circular block bootstrap; or the
        textbook intervals of independent values, which programs print and which are far too narrow
        for soil moisture.
    rng : numpy Generator, optional
        Source of randomness of the bootstrap, which needs it.
    n_resamples : int
        Of the bootstrap.
    units : str
        Unit of both series.

    Returns
    -------
    DataFrame
        A row for each measure of :data:`headwater.validation.measures.MEASURES`: measure, value,
        low, high, n, n_effective, unit. ``n_effective`` is NaN for the bootstrap.

    Raises
    ------
    DataError
        If fewer than 8 pairs are valid, a value is infinite, or `interval` is unknown.
    TimeAxisError
        If a time is missing or occurs twice.

    Notes
    -----
    With m the effective size of the difference d for its mean, v for its variance, and q that of
    the pair for a correlation (:class:`headwater.inference.effective.Persistence`):

    .. math::
        b \pm t_{m-1} \sqrt{s_d^2/(m-1)}, \quad
        \frac{\mathrm{ubrmsd}^2\,\nu}{(1-1/m)\,\chi^2_\nu}, \; \nu = v - 1, \quad
        \tanh\!\left(\operatorname{artanh} R \pm z\,c/\sqrt{q-3}\right)

    with c² = 1 for Pearson and 1 + ρ²/2 for Spearman; for Kendall τ the standard error is
    √(0.437/(q-4)). At m = v = q = n these are the textbook intervals. All other measures are smooth
    functions of means; theirs come from the mean of their influence values with the effective size
    of those, on a logarithmic scale where a measure cannot pass its best value.

    References
    ----------
    Bonett, D. G., Wright, T. A. (2000). Sample size requirements for estimating Pearson, Kendall
    and Spearman correlations. Psychometrika 65, 23-28. doi:10.1007/BF02294183. Bretherton et al.
    (1999), see :func:`headwater.inference.effective.effective_n_pair`. Gruber, A. et al. (2020).
    Validation practices for satellite soil moisture retrievals. Remote Sensing of Environment 244,
    111806. doi:10.1016/j.rse.2020.111806 (recalled, unchecked).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.normal(0.25, 0.05, 400)
    >>> found = agreement(truth + 0.02 + rng.normal(0, 0.03, 400), truth).set_index("measure")
    >>> bool(found.low["bias"] < 0.02 < found.high["bias"])
    True
    """
    import pandas as pd

    _check_choice(interval, rng)
    if times is not None:
        product, reference = evenly_spaced(times, product, reference)
    x, y = _aligned(product, reference)
    values = agreement_measures(x, y)
    if interval == "bootstrap":
        bounds = _by_bootstrap(x, y, level, rng or np.random.default_rng(), n_resamples)
        sizes = dict.fromkeys(values, np.nan)
    else:
        found = _Sample(x, y, values, level, independent=interval == "independent")
        reported = found.intervals()
        bounds = {name: reported[name][0] for name in reported}
        sizes = {name: reported[name][1] for name in reported}
    n = int(np.isfinite(x).sum())
    rows = [
        (name, values[name], *bounds[name], n, sizes[name], MEASURES[name].unit(units))
        for name in MEASURES
    ]
    columns = ["measure", "value", "low", "high", "n", "n_effective", "unit"]
    table = pd.DataFrame(rows, columns=columns)
    table.attrs.update(level=level, interval=interval)
    return table


def _check_choice(interval: str, rng: np.random.Generator | None) -> None:
    if interval not in INTERVALS:
        raise DataError(
            "unknown kind of interval", found=repr(interval), do=nearest(interval, INTERVALS)
        )
    if interval == "bootstrap" and rng is None:
        raise DataError(
            "a bootstrap needs a source of randomness",
            found="no rng",
            do="Give rng=numpy.random.default_rng(seed)",
        )


def _aligned(product: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    """Return both series with NaN wherever one is missing, so that gaps keep their places."""
    valid_pairs(product, reference, min_pairs=8)
    x, y = np.array(product, dtype=float), np.array(reference, dtype=float)
    missing = np.isnan(x) | np.isnan(y)
    x[missing] = y[missing] = np.nan
    return x, y


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Two series of which the same times are valid, and what was measured of them."""

    x: Floats
    y: Floats
    values: dict[str, float]
    level: float
    independent: bool

    def intervals(self) -> dict[str, tuple[Interval, float]]:
        """Interval and effective size of every measure."""
        return {
            "bias": self._bias(),
            "ubrmsd": self._ubrmsd(),
            **self._correlations(),
            **self._from_means(),
            **self._from_bias_and_spread(),
            "mad": self._mad(),
        }

    def _persistence(self, series: Floats) -> Persistence:
        if not self.independent:
            return fit_persistence(series)
        pairs = np.zeros(1)
        pairs[0] = np.isfinite(series).sum()
        return Persistence(0.0, 0.0, pairs)

    def _t(self, size: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(size - 1.0, 0.5 + self.level / 2.0))

    def _bias(self) -> tuple[Interval, float]:
        difference = self.x - self.y
        size = self._persistence(difference).size_of_mean()
        half = self._t(size) * float(np.nanstd(difference)) / np.sqrt(size - 1.0)
        return (self.values["bias"] - half, self.values["bias"] + half), size

    def _ubrmsd(self) -> tuple[Interval, float]:
        from scipy.special import chdtri

        found = self._persistence(self.x - self.y)
        size, lost = found.size_of_variance(), 1.0 / found.size_of_mean()
        freedom = max(size - 1.0, 1.0)
        spread = self.values["ubrmsd"] ** 2 * freedom / (1.0 - lost)
        tail = (1.0 - self.level) / 2.0
        # chdtri is the quantile from the right
        return (
            float(np.sqrt(spread / chdtri(freedom, tail))),
            float(np.sqrt(spread / chdtri(freedom, 1.0 - tail))),
        ), size

    def _correlations(self) -> dict[str, tuple[Interval, float]]:
        from scipy.stats import rankdata

        size = self._persistence(self.x).size_of_correlation(self._persistence(self.y))
        ranked = [rankdata(series, nan_policy="omit") for series in (self.x, self.y)]
        of_ranks = self._persistence(ranked[0]).size_of_correlation(self._persistence(ranked[1]))
        rho = self.values["spearman"]
        errors = {
            "pearson": (size, 1.0 / np.sqrt(max(size - 3.0, 1.0))),
            "spearman": (of_ranks, np.sqrt((1.0 + rho**2 / 2.0) / max(of_ranks - 3.0, 1.0))),
            "kendall": (of_ranks, np.sqrt(0.437 / max(of_ranks - 4.0, 1.0))),
        }
        return {
            name: (self._fisher(self.values[name], error), worth)
            for name, (worth, error) in errors.items()
        }

    def _fisher(self, value: float, error: float) -> Interval:
        from scipy.special import ndtri

        if not abs(value) < 1.0:
            return _NO_INTERVAL
        half = float(ndtri(0.5 + self.level / 2.0)) * error
        return float(np.tanh(np.arctanh(value) - half)), float(np.tanh(np.arctanh(value) + half))

    def _smooth(self, influence: Floats) -> tuple[float, float, float]:
        """Half width, in the unit of the measure, and effective size of a mean of influences."""
        size = self._persistence(influence).size_of_mean()
        error = float(np.nanstd(influence)) / np.sqrt(size - 1.0)
        return self._t(size) * error, size, error

    def _from_means(self) -> dict[str, tuple[Interval, float]]:
        """Measures above 0 (or 1 - measure above 0), on a logarithmic scale."""
        x, y, reported = self.x, self.y, self.values
        square, dy = (x - y) ** 2, y - np.nanmean(y)
        n = int(np.isfinite(x).sum())
        half, size, _ = self._smooth(square - reported["msd"])
        msd = _on_log_scale(reported["msd"], half)
        root = (float(np.sqrt(msd[0])), float(np.sqrt(msd[1])))
        span = reported["rmsd"] / reported["nrmsd"] if reported["nrmsd"] else np.nan
        found: dict[str, tuple[Interval, float]] = {
            "msd": (msd, size),
            "rmsd": (root, size),
            "nrmsd": ((root[0] / span, root[1] / span), size),
            "rss": ((n * msd[0], n * msd[1]), size),
        }
        half, size, _ = self._smooth(np.abs(x - y) - reported["aad"])
        found["aad"] = _on_log_scale(reported["aad"], half), size
        found["mse_corr"] = self._mse_corr()
        for name, scale in (("nash_sutcliffe", dy**2), ("index_of_agreement", self._potential())):
            if np.isnan(reported[name]):
                found[name] = _NO_INTERVAL, np.nan
                continue
            rest = 1.0 - reported[name]
            half, size, _ = self._smooth((square - rest * scale) / float(np.nanmean(scale)))
            low, high = _on_log_scale(rest, half)
            found[name] = (1.0 - high, 1.0 - low), size
        return found

    def _potential(self) -> Floats:
        """Largest square difference; its dependence on the mean is in its influence."""
        ax, ay = self.x - np.nanmean(self.y), self.y - np.nanmean(self.y)
        reach = np.abs(ax) + np.abs(ay)
        slope = float(np.nanmean(-2.0 * reach * (np.sign(ax) + np.sign(ay))))
        return np.asarray(reach**2 + slope * ay)

    def _spreads(self) -> tuple[Floats, Floats, float, float]:
        dx, dy = self.x - np.nanmean(self.x), self.y - np.nanmean(self.y)
        return dx, dy, float(np.nanstd(self.x)), float(np.nanstd(self.y))

    def _mse_corr(self) -> tuple[Interval, float]:
        dx, dy, sx, sy = self._spreads()
        if not (sx > 0 and sy > 0):
            return _NO_INTERVAL, np.nan
        product = sx * sy * ((dx / sx) ** 2 + (dy / sy) ** 2) / 2.0
        influence = 2.0 * (product - dx * dy) - self.values["mse_corr"]
        half, size, _ = self._smooth(influence)
        return _on_log_scale(self.values["mse_corr"], half), size

    def _from_bias_and_spread(self) -> dict[str, tuple[Interval, float]]:
        """Squares of quantities that may have either sign."""
        bias, size = self._bias()
        found = {"mse_bias": (_squared(bias), size)}
        dx, dy, sx, sy = self._spreads()
        if not (sx > 0 and sy > 0):
            return {**found, "mse_var": (_NO_INTERVAL, np.nan)}
        influence = (dx**2 / sx - sx - dy**2 / sy + sy) / 2.0
        half, size, _ = self._smooth(influence)
        found["mse_var"] = _squared((sx - sy - half, sx - sy + half)), size
        return found

    def _mad(self) -> tuple[Interval, float]:
        """Quantiles about the median, as many values away as the effective size allows."""
        from scipy.special import ndtri

        apart = np.abs(self.x - self.y)
        below = np.where(np.isnan(apart), np.nan, apart <= self.values["mad"])
        size = self._persistence(below).size_of_mean()
        reach = min(float(ndtri(0.5 + self.level / 2.0)) / (2.0 * np.sqrt(size)), 0.5)
        low, high = np.nanquantile(apart, [0.5 - reach, 0.5 + reach])
        return (float(low), float(high)), size


def _on_log_scale(value: float, half: float) -> Interval:
    if not value > 0:
        return _NO_INTERVAL
    factor = float(np.exp(half / value))
    return value / factor, value * factor


def _squared(bounds: Interval) -> Interval:
    squares = bounds[0] ** 2, bounds[1] ** 2
    return (0.0 if bounds[0] < 0 < bounds[1] else min(squares)), max(squares)


def _by_bootstrap(
    x: Floats, y: Floats, level: float, rng: np.random.Generator, n_resamples: int
) -> dict[str, Interval]:
    from headwater.inference import block_bootstrap

    measure: Callable[[Floats], Floats] = _all_measures
    found = block_bootstrap(
        np.column_stack([x, y]), measure, rng=rng, n_resamples=n_resamples, level=level
    )
    low, high = found.percentile
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(MEASURES)}


def _all_measures(pairs: Floats) -> Floats:
    valid = np.isfinite(pairs).all(axis=1)
    if valid.sum() < 3:
        return np.full(len(MEASURES), np.nan)
    found = agreement_measures(pairs[:, 0], pairs[:, 1])
    return np.array([found[name] for name in MEASURES])


def pairwise_agreement(
    frame: pd.DataFrame, *, reference: str | None = None, **options: Any
) -> pd.DataFrame:
    """Compare every two of many products.

    Parameters
    ----------
    frame : DataFrame, shape (time, product)
        Matched in time (:func:`headwater.validation.match_series`); NaN where missing, every pair
        using the times that it has.
    reference : str, optional
        Only pairs with this one as the reference; by default each pair once, the later column as
        the reference.
    **options
        As for :func:`headwater.validation.agreement`.

    Returns
    -------
    DataFrame
        The rows of :func:`headwater.validation.agreement` with product and reference; a pair with
        fewer than 8 common times is left out and named in ``attrs["left_out"]``.

    Raises
    ------
    DataError
        If there are fewer than two products, or `reference` is none of them.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> frame = pd.DataFrame(rng.normal(0.25, 0.05, (50, 3)), columns=list("abc"))
    >>> pairwise_agreement(frame)[["product", "reference"]].drop_duplicates().values.tolist()
    [['a', 'b'], ['a', 'c'], ['b', 'c']]
    """
    import pandas as pd

    names = [str(name) for name in frame.columns]
    if len(names) < 2:
        raise DataError(
            "nothing to compare", found=f"{len(names)} product", do="Give at least two columns"
        )
    if reference is not None and reference not in names:
        raise DataError("unknown reference", found=f"'{reference}'", do=nearest(reference, names))
    pairs = (
        combinations(names, 2)
        if reference is None
        else ((name, reference) for name in names if name != reference)
    )
    parts, left_out = [], []
    for first, second in pairs:
        both = frame[[first, second]].notna().all(axis=1).sum()
        if both < 8:
            left_out.append(f"{first}, {second}")
            continue
        found = agreement(frame[first], frame[second], **options)
        found.insert(0, "product", first)
        found.insert(1, "reference", second)
        parts.append(found)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table.attrs["left_out"] = left_out
    return table
