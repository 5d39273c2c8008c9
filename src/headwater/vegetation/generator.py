"""Draws years of weather that a record might have had: wet and dry spells, rain, warmth, demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.vegetation.bucket import Weather

__all__ = ["WET_DAY", "WeatherGenerator", "fit_generator"]

Floats = NDArray[np.float64]

WET_DAY = 0.1
"""A day with less is dry [mm]."""
_WARM_UP = 60
_LEAST_YEARS = 3
_FEWEST_WET = 10


@dataclass(frozen=True, slots=True, eq=False)
class WeatherGenerator:
    """A fitted generator of daily weather; each cell by itself, all with the same chances.

    Attributes
    ----------
    chance : ndarray, shape (2, 12, cells)
        Probability of a wet day after a dry one and after a wet one, by month [1].
    shape, scale : ndarray, shape (12, cells)
        Gamma distribution of rain on wet days [1] and [mm].
    mean, sd : ndarray, shape (2, 2, 12, cells)
        Of air temperature [degC] and demand [mm] (first axis) on dry and wet days (second).
    carry, push : ndarray, shape (2, 2, cells)
        Matrices A and B of the first-order process of both.
    spread : ndarray, shape (cells,)
        Variance of the factor on the rain of a whole year that daily weather alone lacks [1].
    cover : ndarray, shape (366, cells)
        Mean course of cover by day of the year [1].
    n_years : int
        Years of the record.
    """

    chance: Floats
    shape: Floats
    scale: Floats
    mean: Floats
    sd: Floats
    carry: Floats
    push: Floats
    spread: Floats
    cover: Floats
    n_years: int

    def draw(self, years: int, *, rng: np.random.Generator) -> tuple[Weather, NDArray[np.int64]]:
        """Draw years of 365 days, each independent of the others.

        Parameters
        ----------
        years : int
            How many.
        rng : numpy Generator
            Source of chance.

        Returns
        -------
        weather : Weather
            (days, cells) each.
        years : ndarray of int, shape (days,)
            Number of the year of each day, from 1.
        """
        factor = _year_factors(self.spread, years, rng)
        days = _drawn_days(self, years, factor, rng)
        cells = self.spread.size
        rain, air, demand = (part.swapaxes(0, 1).reshape(years * 365, cells) for part in days)
        cover = np.tile(self.cover[:365], (years, 1))
        return Weather(rain, air, demand, cover), np.repeat(np.arange(1, years + 1), 365)


def fit_generator(weather: Weather, days: pd.DatetimeIndex) -> WeatherGenerator:
    """Fit a generator of daily weather to a record.

    Parameters
    ----------
    weather : Weather
        ``rain`` [mm], ``air`` [degC], ``demand`` [mm] and ``cover`` [1], each (days, cells).
    days : DatetimeIndex
        The days, whole years.

    Returns
    -------
    WeatherGenerator

    Raises
    ------
    DataError
        If there are fewer than three years, or a value is missing.

    Notes
    -----
    Richardson (1981): wet and dry days are a Markov chain of first order by month; rain on wet days
    is gamma distributed (Thom's estimate); temperature and demand, less their mean for the month
    and the state of the day and divided by its standard deviation, are x_t = A x_{t−1} + B e_t with
    A = M₁ M₀⁻¹, B Bᵀ = M₀ − A M₁ᵀ. Means and standard deviations go over from the middle of one
    month to that of the next in a straight line. Such chains give too little variance between years
    (Wilks and Wilby 1999): the rain of a year is multiplied by a gamma factor of mean 1 whose
    variance is what the record has more, as far as its few years show it. Years do not remember
    each other: droughts of several years are rarer than in a climate that does.

    References
    ----------
    Richardson, C. W. (1981). Stochastic simulation of daily precipitation, temperature, and solar
    radiation. Water Resour. Res. 17, 182-190. doi:10.1029/WR017i001p00182. Thom, H. C. S. (1958). A
    note on the gamma distribution. Mon. Weather Rev. 86, 117-122. Wilks, D. S. and Wilby, R. L.
    (1999). The weather generation game. Prog. Phys. Geogr. 23, 329-357.
    doi:10.1177/030913339902300302 (citations recalled, unchecked)

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days = pd.date_range("2001-01-01", "2008-12-31")
    >>> rain = np.where(rng.random((days.size, 1)) < 0.3, rng.gamma(0.8, 6.0, (days.size, 1)), 0.0)
    >>> air = 8.0 + 10.0 * np.sin((days.day_of_year.to_numpy()[:, None] - 110) / 58.1)
    >>> air = air + rng.normal(0, 2, air.shape)
    >>> record = Weather(rain, air, np.clip(0.2 * air, 0, None), np.full(rain.shape, 0.5))
    >>> drawn, years = fit_generator(record, days).draw(50, rng=rng)
    >>> drawn.rain.shape, bool(abs(drawn.rain.mean() / rain.mean() - 1) < 0.1)
    ((18250, 1), True)
    """
    rain, air, demand, cover = (np.asarray(part, dtype=np.float64) for part in weather)
    n_years = len(np.unique(days.year))
    bad = sum(int((~np.isfinite(part)).sum()) for part in (rain, air, demand))
    if n_years < _LEAST_YEARS or bad:
        raise DataError(
            "no weather generator can be fitted",
            found=f"{n_years} years, {bad} missing values",
            do=f"Give whole weather of {_LEAST_YEARS} years or more",
        )
    month = days.month.to_numpy() - 1
    wet = rain >= WET_DAY
    shape, scale = _gamma_of(rain, wet, month)
    both = np.stack([air, demand])
    mean, sd = _moments_of(both, wet, month)
    standard = _standardised(both, wet, days, mean, sd)
    carry, push = _process_of(standard)
    course = np.zeros((366, cover.shape[1]))
    of_year = days.day_of_year.to_numpy() - 1
    np.add.at(course, of_year, np.nan_to_num(cover))
    course /= np.maximum(np.bincount(of_year, minlength=366), 1)[:, None]
    chance = _chances_of(wet, month)
    bare = WeatherGenerator(
        chance, shape, scale, mean, sd, carry, push, np.zeros(rain.shape[1]), course, n_years
    )
    spread = _missing_spread(bare, rain, days)
    return WeatherGenerator(chance, shape, scale, mean, sd, carry, push, spread, course, n_years)


def _chances_of(wet: NDArray[np.bool_], month: NDArray[np.int64]) -> Floats:
    """Probability of a wet day after a dry and a wet one; half a day is added to either count."""
    out = np.empty((2, 12, wet.shape[1]))
    before, after, of = wet[:-1], wet[1:], month[1:]
    for m in range(12):
        own = of == m
        for state in (0, 1):
            came = (before[own] == bool(state)).sum(axis=0)
            turned = ((before[own] == bool(state)) & after[own]).sum(axis=0)
            overall = wet[month == m].mean(axis=0)
            out[state, m] = (turned + overall) / (came + 1.0)
    return out


def _gamma_of(
    rain: Floats, wet: NDArray[np.bool_], month: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Thom's estimate by month; months with few wet days take the whole year's shape."""

    def thom(own: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
        n = own.sum(axis=0)
        held = np.where(own, rain, 0.0).sum(axis=0) / np.maximum(n, 1)
        logs = np.where(own, np.log(np.maximum(rain, WET_DAY)), 0.0).sum(axis=0) / np.maximum(n, 1)
        apart = np.maximum(np.log(np.maximum(held, WET_DAY)) - logs, 1e-3)
        return (1.0 + np.sqrt(1.0 + 4.0 * apart / 3.0)) / (4.0 * apart), held, n

    usual, middle, _ = thom(wet)
    shape, scale = np.empty((12, rain.shape[1])), np.empty((12, rain.shape[1]))
    for m in range(12):
        own, held, n = thom(wet & (month == m)[:, None])
        shape[m] = np.where(n >= _FEWEST_WET, own, usual)
        scale[m] = np.where(n > 0, held, middle) / shape[m]
    return shape, scale


def _moments_of(
    both: Floats, wet: NDArray[np.bool_], month: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Mean and sd of both by state of the day and month; of all days where a state is rare."""
    mean = np.empty((2, 2, 12, wet.shape[1]))
    sd = np.empty_like(mean)
    for m in range(12):
        own = (month == m)[:, None]
        for state in (0, 1):
            of = own & (wet == bool(state))
            rare = of.sum(axis=0) < _FEWEST_WET
            use = np.where(rare, own, of)
            n = np.maximum(use.sum(axis=0), 1)
            middle = np.where(use, both, 0.0).sum(axis=1) / n
            square = np.where(use, (both - middle[:, None]) ** 2, 0.0).sum(axis=1) / n
            mean[:, state, m], sd[:, state, m] = middle, np.sqrt(square)
    return mean, sd


def _between_months(days: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Give for days of the year (from 0) the months before and after, and the weight of after."""
    place = (np.asarray(days) % 365) / (365.0 / 12.0) - 0.5
    before = np.floor(place).astype(np.int64)
    return before % 12, (before + 1) % 12, place - before


def _at_day(values: Floats, days: NDArray[np.int64]) -> Floats:
    """Interpolate values (..., 12, cells) to days of the year, shape (..., days, cells)."""
    before, after, weight = _between_months(days)
    weight = weight[:, None]
    return np.asarray(values[..., before, :] * (1.0 - weight) + values[..., after, :] * weight)


def _standardised(
    both: Floats, wet: NDArray[np.bool_], days: pd.DatetimeIndex, mean: Floats, sd: Floats
) -> Floats:
    of_year = days.day_of_year.to_numpy() - 1
    middle = np.where(wet, _at_day(mean[:, 1], of_year), _at_day(mean[:, 0], of_year))
    width = np.where(wet, _at_day(sd[:, 1], of_year), _at_day(sd[:, 0], of_year))
    return np.where(width > 1e-9, (both - middle) / np.maximum(width, 1e-9), 0.0)


def _process_of(standard: Floats) -> tuple[Floats, Floats]:
    """Fit A and B of x_t = A x_{t-1} + B e_t to (2, days, cells), each (2, 2, cells)."""
    n = standard.shape[1]
    now = np.einsum("itc,jtc->cij", standard, standard) / n + 1e-9 * np.eye(2)
    lagged = np.einsum("itc,jtc->cij", standard[:, 1:], standard[:, :-1]) / n
    carry = lagged @ np.linalg.inv(now)
    left = now - carry @ lagged.swapaxes(1, 2)
    values, vectors = np.linalg.eigh(0.5 * (left + left.swapaxes(1, 2)))
    push = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.moveaxis(carry, 0, -1), np.moveaxis(push, 0, -1)


def _drawn_days(
    fitted: WeatherGenerator, years: int, factor: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Draw rain, air and demand, each (365, years, cells), after days that warm up."""
    cells = fitted.spread.size
    out = np.empty((3, 365, years, cells))
    wet = np.zeros((years, cells), dtype=bool)
    x = np.zeros((2, years, cells))
    for t in range(-_WARM_UP, 365):
        day = np.array([t])
        chance, mean, sd = (
            _at_day(part, day)[..., 0, :] for part in (fitted.chance, fitted.mean, fitted.sd)
        )
        # one chance for all cells of a year: weather comes to neighbours together
        wet = rng.random((years, 1)) < np.where(wet, chance[1], chance[0])
        noise = rng.standard_normal((2, years, 1))
        x = np.einsum("ijc,jyc->iyc", fitted.carry, x) + np.einsum(
            "ijc,jyc->iyc", fitted.push, np.broadcast_to(noise, x.shape)
        )
        amount = _gamma_at(fitted, day, rng.random((years, 1)))
        if t < 0:
            continue
        values = np.where(wet, mean[:, 1, None], mean[:, 0, None]) + x * np.where(
            wet, sd[:, 1, None], sd[:, 0, None]
        )
        out[0, t] = np.where(wet, np.maximum(amount, WET_DAY) * factor, 0.0)
        out[1, t], out[2, t] = values[0], np.maximum(values[1], 0.0)
    return out[0], out[1], out[2]


def _gamma_at(fitted: WeatherGenerator, day: NDArray[np.int64], chance: Floats) -> Floats:
    """Quantiles of rain on wet days, (years, cells), by the month that the day is nearest to."""
    from scipy.special import gammaincinv

    month = int((day[0] % 365) // (365.0 / 12.0))
    return np.asarray(gammaincinv(fitted.shape[month], chance) * fitted.scale[month])


def _year_factors(spread: Floats, years: int, rng: np.random.Generator) -> Floats:
    """Draw the factor of each year's rain, (years, cells), of mean 1."""
    from scipy.special import gammaincinv

    chance = rng.random((years, 1))
    shape = 1.0 / np.maximum(spread, 1e-6)
    return np.where(spread > 1e-6, gammaincinv(shape, chance) / shape, 1.0)


def _missing_spread(bare: WeatherGenerator, rain: Floats, days: pd.DatetimeIndex) -> Floats:
    """Relative variance between years that the record has more than the chain alone."""
    totals = pd.DataFrame(rain).groupby(days.year).sum().to_numpy()
    mean = np.maximum(totals.mean(axis=0), 1e-9)
    seen = totals.var(axis=0, ddof=1) / mean**2
    drawn, of = bare.draw(100, rng=np.random.default_rng(20240229))
    own = pd.DataFrame(drawn.rain).groupby(of).sum().to_numpy()
    chain = own.var(axis=0, ddof=1) / np.maximum(own.mean(axis=0), 1e-9) ** 2
    return np.asarray(np.maximum(seen - chain, 0.0))
