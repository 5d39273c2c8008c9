"""How unusual a value is for its time of the year: percentiles, classes, standardised indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError

__all__ = [
    "DROUGHT_CLASSES",
    "Standardisation",
    "day_of_year",
    "drought_class",
    "fit_standardisation",
    "rolling_total",
    "seasonal_percentile",
    "standardise",
]

Floats = NDArray[np.float64]
Distribution = Literal["empirical", "kernel", "gamma", "pearson3", "loglogistic", "beta", "normal"]
LIMIT = 3.09
"""Where indices of fitted distributions end: beyond lies less than one value in a thousand."""
FEWEST = 10
"""Fewest years of a calendar period that give a distribution (30 are the usual advice)."""
DROUGHT_CLASSES = ("none", "D0", "D1", "D2", "D3", "D4")
"""Classes of the US Drought Monitor: percentiles above 30, and up to 30, 20, 10, 5 and 2."""
_EDGES = (2.0, 5.0, 10.0, 20.0, 30.0)
_YEAR = 365


@dataclass(frozen=True, slots=True, eq=False)
class Standardisation:
    """Distributions fitted for each calendar period and series; apply them with :meth:`index`.

    Attributes
    ----------
    distribution : str
        Which family.
    parameters : ndarray, shape (n_periods, n_parameters, n_series)
        Of fitted families; empty for those that keep the sample.
    sample : ndarray, shape (n_periods, n_years, n_series)
        Sorted values of the calibration years; NaN last. Empty for fitted families.
    zeros : ndarray, shape (n_periods, n_series)
        Probability of a zero, for families of positive values.
    n : ndarray, shape (n_periods, n_series)
        Values behind each distribution.
    """

    distribution: Distribution
    parameters: Floats
    sample: Floats
    zeros: Floats
    n: NDArray[np.int64]

    def probability(self, values: ArrayLike, period: ArrayLike) -> Floats:
        """Give the probability of a value not above each one.

        Parameters
        ----------
        values : array-like, shape (n_times, n_series)
            In the unit of the calibration values.
        period : array-like of int, shape (n_times,)
            Calendar period of each time, from 0.

        Returns
        -------
        ndarray, shape (n_times, n_series)
            NaN where the value is missing or its period has no distribution.
        """
        x = np.asarray(values, dtype=np.float64)
        where = np.asarray(period, dtype=np.int64)
        found = np.full(x.shape, np.nan)
        for one in np.unique(where):
            rows = where == one
            found[rows] = self._of_period(x[rows], int(one))
        found[:, :][np.broadcast_to(~np.isfinite(x), x.shape)] = np.nan
        return found

    def index(self, values: ArrayLike, period: ArrayLike) -> Floats:
        """Give the standard normal deviate of each value.

        Parameters
        ----------
        values, period
            As for :meth:`probability`.

        Returns
        -------
        ndarray, shape (n_times, n_series)
            Fitted families are cut off at ±3.09; empirical ones end where their sample does.
        """
        from scipy.special import ndtri

        p = self.probability(values, period)
        if self.distribution == "empirical":
            return np.asarray(ndtri(p))
        index: Floats = np.clip(ndtri(np.clip(p, 0.0, 1.0)), -LIMIT, LIMIT)
        return index

    def _of_period(self, x: Floats, period: int) -> Floats:
        enough = self.n[period] >= FEWEST
        if self.distribution in ("empirical", "kernel"):
            p = _sample_probability(x, self.sample[period], self.n[period], self.distribution)
        else:
            p = _family_probability(x, self.parameters[period], self.distribution)
            if self.distribution == "gamma":
                dry = self.zeros[period]
                p = np.where(x <= 0, dry, dry + (1 - dry) * p)
        return np.where(enough, p, np.nan)


def _like(found: NDArray[Any], given: ArrayLike) -> Any:
    """Give numbers back in the kind of container that the values came in."""
    if isinstance(given, pd.Series):
        return pd.Series(found, given.index, name=given.name)
    if hasattr(given, "coords"):
        import xarray as xr  # the platform ranks values without it, and starts without loading it

        if isinstance(given, xr.DataArray):
            return xr.DataArray(found, given.coords, given.dims, name=given.name)
    return found


def rolling_total(values: ArrayLike, length: int) -> Any:
    """Add up each value and those before it.

    Parameters
    ----------
    values : array, Series or DataArray, shape (n_times, ...)
        Steps of equal length, for example monthly sums [mm].
    length : int
        Number of steps.

    Returns
    -------
    Same kind and shape as `values`
        NaN for the first ``length - 1`` steps and wherever one of the steps is missing.

    Examples
    --------
    >>> rolling_total([1.0, 2.0, 3.0, 4.0], 2).tolist()
    [nan, 3.0, 5.0, 7.0]
    """
    x = np.asarray(values, dtype=np.float64)
    if length < 1:
        raise StudyError("a total over no steps", found=f"length = {length}", do="Give 1 or more")
    total = np.full(x.shape, np.nan)
    if len(x) >= length:
        windows = np.lib.stride_tricks.sliding_window_view(x, length, axis=0)
        total[length - 1 :] = windows.sum(axis=-1)
    return _like(total, values)


def fit_standardisation(
    values: ArrayLike,
    period: ArrayLike,
    *,
    distribution: Distribution = "gamma",
    calibration: ArrayLike | None = None,
) -> Standardisation:
    """Fit a distribution for each calendar period.

    Parameters
    ----------
    values : array-like, shape (n_times, n_series) or (n_times,)
        Steps of equal length; NaN where missing.
    period : array-like of int, shape (n_times,)
        Calendar period (month, pentad, day of the year) of each time, from 0.
    distribution : {"gamma", "pearson3", "loglogistic", "beta", "normal", "kernel", "empirical"}
        ``gamma`` (precipitation, with a probability of zero), ``pearson3`` (L-moments),
        ``loglogistic`` (SPEI; probability-weighted moments), ``beta`` (soil moisture, which is
        bounded), ``normal``, ``kernel`` (Gaussian kernels, Scott's width), ``empirical``
        (Gringorten's plotting position).
    calibration : array-like of bool, shape (n_times,), optional
        Times that the distributions are fitted on; default: all.

    Returns
    -------
    Standardisation

    Raises
    ------
    DataError
        If no calendar period has ten values.

    References
    ----------
    McKee, Doesken & Kleist (1993), 8th Conf. Applied Climatology; Vicente-Serrano et al. (2010),
    doi:10.1175/2009JCLI2909.1; Hao & AghaKouchak (2013), doi:10.1016/j.advwatres.2013.03.009;
    Thom (1958), doi:10.1175/1520-0493(1958)086<0117:ANOTGD>2.0.CO;2; Hosking (1990).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(1.0, 31.0)
    >>> fitted = fit_standardisation(x, np.zeros(30, int), distribution="empirical")
    >>> round(float(fitted.index([[30.0]], [0])[0, 0]), 3)
    2.084
    """
    x = np.asarray(values, dtype=np.float64)
    x = x.reshape(len(x), -1)
    where = np.asarray(period, dtype=np.int64)
    used = np.ones(len(x), bool) if calibration is None else np.asarray(calibration, dtype=bool)
    count = int(where.max()) + 1 if len(where) else 0
    groups = [x[(where == one) & used] for one in range(count)]
    n = np.array([np.isfinite(group).sum(axis=0) for group in groups]).reshape(count, x.shape[1])
    if not (n >= FEWEST).any():
        raise DataError(
            "too few years for a standardised index",
            found=f"at most {int(n.max(initial=0))} values of one calendar period",
            do=f"Give at least {FEWEST} years, better 30",
        )
    if distribution in ("empirical", "kernel"):
        most = max(len(group) for group in groups)
        sample = np.full((count, most, x.shape[1]), np.nan)
        for one, group in enumerate(groups):
            sample[one, : len(group)] = np.sort(group, axis=0)
        none = np.empty((count, 0, x.shape[1]))
        return Standardisation(distribution, none, sample, np.zeros(n.shape), n)
    parameters = np.array([_parameters(group, distribution) for group in groups])
    with np.errstate(invalid="ignore", divide="ignore"):
        zeros = np.array([(group == 0).sum(axis=0) for group in groups]) / n
    return Standardisation(distribution, parameters, np.empty((count, 0, x.shape[1])), zeros, n)


def standardise(
    values: ArrayLike,
    period: ArrayLike,
    *,
    distribution: Distribution = "gamma",
    calibration: ArrayLike | None = None,
) -> Any:
    """Fit and apply in one call; see :func:`fit_standardisation`.

    Parameters
    ----------
    values, period, distribution, calibration
        As for :func:`fit_standardisation`.

    Returns
    -------
    Same kind and shape as `values`
        Standard normal deviates [1].

    Examples
    --------
    >>> import numpy as np
    >>> rain = np.random.default_rng(1).gamma(2.0, 30.0, 40 * 12)
    >>> index = standardise(rain, np.arange(480) % 12)
    >>> bool(abs(index.mean()) < 0.05 and abs(index.std() - 1) < 0.05)
    True
    """
    fitted = fit_standardisation(values, period, distribution=distribution, calibration=calibration)
    x = np.asarray(values, dtype=np.float64)
    return _like(fitted.index(x.reshape(len(x), -1), period).reshape(x.shape), values)


def _parameters(group: Floats, distribution: Distribution) -> Floats:
    if distribution == "gamma":
        return _gamma(group)
    if distribution == "pearson3":
        return _pearson3(group)
    if distribution == "loglogistic":
        return _log_logistic(group)
    if distribution == "beta":
        return _beta(group)
    n = np.isfinite(group).sum(axis=0)
    mean = np.where(n > 0, np.nansum(group, axis=0), np.nan) / np.maximum(n, 1)
    square = np.nansum((group - mean) ** 2, axis=0) / np.maximum(n - 1, 1)
    return np.stack([mean, np.sqrt(square)])


def _gamma(group: Floats) -> Floats:
    """Thom's approximation to the maximum of the likelihood, on values above zero."""
    x = np.where(group > 0, group, np.nan)
    n = np.isfinite(x).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(x, axis=0) / n
        gap = np.log(mean) - np.nansum(np.log(x), axis=0) / n
        shape = (1 + np.sqrt(1 + 4 * gap / 3)) / (4 * gap)
        return np.stack([shape, mean / shape])


def _pearson3(group: Floats) -> Floats:
    """Location, scale and skew from the first three L-moments (Hosking 1990)."""
    w0, w1, w2 = np.array([_weighted_moments(column) for column in group.T]).T
    first, second = w0, 2 * w1 - w0
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (6 * w2 - 6 * w1 + w0) / second
    size = np.abs(ratio)
    t1 = 3 * np.pi * ratio**2
    t2 = 1 - size
    small = (1 + 0.2906 * t1) / (t1 + 0.1882 * t1**2 + 0.0442 * t1**3)
    large = t2 * (0.36067 - 0.59567 * t2 + 0.25361 * t2**2)
    large = large / (1 - 2.78861 * t2 + 2.56096 * t2**2 - 0.77045 * t2**3)
    shape = np.where(size < 1 / 3, small, large)
    from scipy.special import gammaln

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        spread = np.exp(gammaln(shape) - gammaln(shape + 0.5))
        sd = np.sqrt(np.pi) * second * np.sqrt(shape) * spread
        skew = 2 / np.sqrt(shape) * np.sign(ratio)
    normal = size <= 1e-6
    return np.stack(
        [
            first,
            np.where(normal, second * np.sqrt(np.pi), sd),
            np.where(normal, 0.0, skew),
        ]
    )


def _weighted_moments(column: Floats) -> tuple[float, float, float]:
    """Unbiased probability-weighted moments of order 0, 1 and 2, weights rising with rank."""
    x = np.sort(column[np.isfinite(column)])
    n = len(x)
    if n < 4:
        return np.nan, np.nan, np.nan
    rank = np.arange(n)
    rising = rank * (rank - 1) / ((n - 1) * (n - 2))
    return float(x.mean()), float((rank / (n - 1) * x).mean()), float((rising * x).mean())


def _log_logistic(group: Floats) -> Floats:
    """Scale, shape and origin from probability-weighted moments (Vicente-Serrano et al. 2010)."""
    from scipy.special import gamma

    b0, b1, b2 = np.array([_weighted_moments(column) for column in group.T]).T
    # weights that fall with rank, as the paper has them
    w0, w1, w2 = b0, b0 - b1, b0 - 2 * b1 + b2
    with np.errstate(invalid="ignore", divide="ignore"):
        shape = (2 * w1 - w0) / (6 * w1 - w0 - 6 * w2)
        both = gamma(1 + 1 / shape) * gamma(1 - 1 / shape)
        scale = (w0 - 2 * w1) * shape / both
        return np.stack([scale, shape, w0 - scale * both])


def _beta(group: Floats) -> Floats:
    """Moments of a beta distribution between bounds just outside the values."""
    low, high = np.nanmin(group, axis=0), np.nanmax(group, axis=0)
    margin = (high - low) / np.maximum(np.isfinite(group).sum(axis=0), 1)
    low, high = low - margin, high + margin
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (group - low) / (high - low)
        mean, variance = np.nanmean(share, axis=0), np.nanvar(share, axis=0, ddof=1)
        size = mean * (1 - mean) / variance - 1
    return np.stack([mean * size, (1 - mean) * size, low, high])


def _family_probability(x: Floats, of: Floats, distribution: Distribution) -> Any:
    from scipy import special

    with np.errstate(invalid="ignore", divide="ignore"):
        if distribution == "gamma":
            return special.gammainc(of[0], np.maximum(x, 0) / of[1])
        if distribution == "loglogistic":
            above = x - of[2]
            return np.where(above > 0, 1 / (1 + (of[0] / above) ** of[1]), 0.0)
        if distribution == "beta":
            share = np.clip((x - of[2]) / (of[3] - of[2]), 0, 1)
            return special.betainc(of[0], of[1], share)
        deviate = (x - of[0]) / of[1]
        if distribution == "normal":
            return special.ndtr(deviate)
        skew = of[2]
        shape = 4 / np.where(skew == 0, np.nan, skew) ** 2
        upward = np.sign(skew) * deviate
        part = special.gammainc(shape, np.maximum(shape + upward * 2 / np.abs(skew), 0))
        return np.where(np.isnan(shape), special.ndtr(deviate), np.where(skew > 0, part, 1 - part))


def _sample_probability(
    x: Floats, sample: Floats, n: NDArray[np.int64], distribution: Distribution
) -> Floats:
    found = np.empty(x.shape)
    for at in range(x.shape[1]):
        held = sample[: n[at], at]
        if distribution == "kernel":
            found[:, at] = _kernel_probability(x[:, at], held)
        else:
            below = np.searchsorted(held, x[:, at], side="right")
            found[:, at] = (np.clip(below, 1, n[at]) - 0.44) / (n[at] + 0.12)
    return found


def _kernel_probability(x: Floats, held: Floats) -> Floats:
    from scipy.special import ndtr

    if len(held) < 2:
        return np.full(len(x), np.nan)
    width = held.std(ddof=1) * len(held) ** -0.2
    return np.asarray(ndtr((x[:, None] - held) / width).mean(axis=1))


def day_of_year(times: ArrayLike) -> NDArray[np.int64]:
    """Give the day of a year of 365 days; 29 February counts as 28 February.

    Parameters
    ----------
    times : array-like of datetime, shape (n_times,)

    Returns
    -------
    ndarray of int, shape (n_times,)
        From 0 to 364.

    Examples
    --------
    >>> day_of_year(["2020-02-28", "2020-02-29", "2020-03-01", "2021-03-01"]).tolist()
    [58, 58, 59, 59]
    """
    stamps = pd.DatetimeIndex(np.asarray(times, dtype="datetime64[s]"))
    day = np.asarray(stamps.day_of_year, dtype=np.int64) - 1
    return day - (np.asarray(stamps.is_leap_year) & (day >= 59)).astype(np.int64)


def seasonal_percentile(
    values: ArrayLike,
    times: ArrayLike,
    *,
    window: int = 15,
    reference: ArrayLike | None = None,
    min_n: int = 20,
    ties: Literal["mean", "highest"] = "mean",
) -> Any:
    """Rank each value among those within some days of its day of the year.

    Parameters
    ----------
    values : array, Series or DataArray, shape (n_times, ...)
        Soil moisture or any other quantity; NaN where missing.
    times : array-like of datetime, shape (n_times,)
    window : int
        Days on both sides of the day of the year [d].
    reference : array-like of bool, shape (n_times,), optional
        Times whose values are the reference; default: all. A value outside is ranked among them
        and itself, so that a new extreme has a percentile too.
    min_n : int
        Fewest reference values in a window; with fewer the percentile is NaN.
    ties : {"mean", "highest"}
        Rank of equal values. With the highest, a percentile is the share of values that are no
        larger, so that what is often so, as a pentad without rain, is never unusual.

    Returns
    -------
    Same kind and shape as `values`
        Weibull's ``100 r / (n + 1)`` [%], r the rank.

    Raises
    ------
    DataError
        If there is no reference value.

    References
    ----------
    Svoboda et al. (2002), doi:10.1175/1520-0477-83.8.1181.

    Examples
    --------
    >>> import numpy as np
    >>> days = [f"{year}-07-01" for year in range(1991, 2021)]
    >>> p = seasonal_percentile(np.arange(30.0), days)
    >>> round(float(p[0]), 2), round(float(p[-1]), 2)
    (3.23, 96.77)
    """
    x = np.asarray(values, dtype=np.float64)
    flat = x.reshape(len(x), -1)
    held = np.ones(len(x), bool) if reference is None else np.asarray(reference, dtype=bool)
    if window < 0:
        raise StudyError("a window of negative length", found=f"{window} d", do="Give 0 or more")
    if not np.isfinite(flat[held]).any():
        raise DataError(
            "no reference for percentiles", found="no valid value", do="Give years with values"
        )
    day = day_of_year(times)
    found = np.full(flat.shape, np.nan)
    for one in np.unique(day):
        apart = np.abs(day - one)
        near = held & (np.minimum(apart, _YEAR - apart) <= window)
        rows = np.flatnonzero(day == one)
        found[rows] = _ranked(flat[rows], flat[near], held[rows], min_n, ties)
    return _like(found.reshape(x.shape), values)


def _ranked(
    x: Floats,
    held: Floats,
    inside: NDArray[np.bool_],
    min_n: int,
    of_ties: Literal["mean", "highest"],
) -> Floats:
    n = np.isfinite(held).sum(axis=0)
    found = np.full(x.shape, np.nan)
    for row, (value, own) in enumerate(zip(x, inside, strict=True)):
        low = (held < value).sum(axis=0)
        ties = (held == value).sum(axis=0)
        # a value of the reference is one of its own ties; another one joins the sample
        joins = 0 if own else 1
        alike = ties + joins
        rank = low + ((alike + 1) / 2 if of_ties == "mean" else alike)
        found[row] = 100 * rank / (n + joins + 1)
    found[~np.isfinite(x) | (n < min_n)] = np.nan
    return found


def drought_class(percentile: ArrayLike) -> Any:
    """Name the drought class of percentiles.

    Parameters
    ----------
    percentile : array, Series or DataArray
        [%].

    Returns
    -------
    Same kind and shape as `percentile`, int8
        0 for none, 1 for D0 … 5 for D4, -1 where missing: places in :data:`DROUGHT_CLASSES` less
        the missing ones.

    References
    ----------
    US Drought Monitor, weather.gov/riw/drought: D0 21-30, D1 11-20, D2 6-10, D3 3-5, D4 0-2.

    Examples
    --------
    >>> drought_class([50.0, 25.0, 4.0, 1.0, float("nan")]).tolist()
    [0, 1, 4, 5, -1]
    """
    p = np.asarray(percentile, dtype=np.float64)
    missing = np.isnan(p)
    order = np.searchsorted(_EDGES, np.where(missing, 50.0, p), side="left")
    return _like(np.where(missing, -1, len(_EDGES) - order).astype(np.int8), percentile)
