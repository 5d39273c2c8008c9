"""Daily precipitation and temperature over the virtual mountain.

**Precipitation** [mm d⁻¹] is a truncated, squared Gaussian field,

    P(t, s) = a(year, s) · m(t) / E(c_t) · π(s) · max(0, w(t, s) − c_t)² ,

with w a smooth field of unit variance that remembers the day before (ρ = 0.35), c_t = Φ⁻¹(1 − share
of wet days), which follows the season from 6 % to 48 %, m(t) the mean daily amount of the season,
and E(c) = (1 + c²)(1 − Φ(c)) − c φ(c) the expectation of the truncated square. The factor a
takes back 85 % of what chance did to the year's total of each place (on a log scale), and makes the
mean over the study area the year's amount exactly. The pattern of the place is

    π ∝ exp[ b_E (u − ½) + b_N (v − ½) − (Δz / 2.1 km)² / 2 + b_0 f ] ,  Δz = z − 3400 m,

wetter to the east and the south, and wettest at middle altitudes.

**Temperature** [°C] is

    T(t, s) = T_year + A₁ cos τ + A₂ cos 2τ + Γ (z − z̄) + σ(t) n(t, s) ,
    τ = 2π (day − 197) / 365.25 ,

with lapse rate Γ, and weather n a smooth field that remembers the day before (ρ = 0.75) with
σ = 2.4 + 0.8 (−cos τ), so that winters are more changeable. The mean over area and year is T_year.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwater.virtual.fields import Floats, smooth_noise, spline_weights, stream
from headwater.virtual.frame import Frame

__all__ = [
    "Climate",
    "annual_precipitation",
    "annual_temperature",
    "precipitation_pattern",
    "seasonal_precipitation",
    "simulate_climate",
]

LAPSE_RATE = -0.0052
"""Change of temperature with elevation [°C m-1]."""

EASTWARD, NORTHWARD, LOCAL = 0.80, -0.22, 0.06
"""Coefficients of log precipitation: across the width, across the height, of the local field."""

STEADINESS = 0.85
"""Share of the chance in a place's annual total that is taken back; 1 leaves no chance at all."""

MONTHLY_PRECIPITATION = (1.6, 2.6, 7.0, 15.0, 38.0, 63.0, 80.1, 74.5, 48.0, 15.0, 3.6, 0.73)
"""Precipitation of the mean year by month, mean over the study area [mm]."""

_PRECIPITATION = {2017: 332.58, 2018: 347.0, 2019: 366.72, 2020: 351.0, 2021: 349.0}
_TEMPERATURE = {2017: -3.40, 2018: -3.62, 2019: -3.87, 2020: -3.55, 2021: -3.24}
_KNOTS = {"rain": (6, 11), "weather": (5, 8)}


def annual_precipitation(year: int, *, seed: int) -> float:
    """Precipitation of a year, mean over the study area [mm].

    Parameters
    ----------
    year : int
        Calendar year. 2017 and 2019 have the amounts that the Qilian study states.
    seed : int
        The seed, which other years than 2017-2021 are drawn from.

    Returns
    -------
    float

    Examples
    --------
    >>> annual_precipitation(2019, seed=1)
    366.72
    """
    drawn = 349.0 * (1.0 + 0.04 * float(stream(seed, "annual rain", year).standard_normal()))
    return _PRECIPITATION.get(year, drawn)


def annual_temperature(year: int, *, seed: int) -> float:
    """Temperature of a year, mean over the study area [°C].

    Parameters
    ----------
    year : int
        Calendar year.
    seed : int
        The seed, which other years than 2017-2021 are drawn from.

    Returns
    -------
    float

    Examples
    --------
    >>> annual_temperature(2021, seed=1)
    -3.24
    """
    drawn = -3.5 + 0.25 * float(stream(seed, "annual warmth", year).standard_normal())
    return _TEMPERATURE.get(year, drawn)


def seasonal_precipitation(day: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean precipitation of a day of the year over the study area, in the mean year.

    Parameters
    ----------
    day : ndarray of int
        Day of the year, from 1.

    Returns
    -------
    ndarray
        [mm d-1]

    Notes
    -----
    Linear between the middles of the months, at heights that keep every month's total.

    Examples
    --------
    >>> round(float(seasonal_precipitation(np.arange(1, 366)).sum()), 0)
    349.0
    """
    lengths = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    ends = np.cumsum(lengths)
    middles = ends - lengths / 2.0 + 0.5

    def between(days: NDArray[np.int64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(days, middles, heights, period=365.0)

    daily = np.array([between(np.arange(1, 366), unit) for unit in np.eye(12)])
    monthly = np.add.reduceat(daily, ends - lengths, axis=1).T
    heights = np.linalg.solve(monthly, np.array(MONTHLY_PRECIPITATION))
    return np.clip(between(day, heights), 0.005, None)


def precipitation_pattern(z: Floats, frame: Frame, *, seed: int) -> Floats:
    """How much more or less precipitation a place has, up to a common factor.

    Parameters
    ----------
    z : ndarray, shape (rows, columns)
        Elevation [m].
    frame : Frame
        The grid of `z`.
    seed : int
        The seed of the headwater.

    Returns
    -------
    ndarray of float32, shape (rows, columns)

    Examples
    --------
    >>> pattern = precipitation_pattern(np.full((4, 8), 3400.0), Frame(4, 8, 1, 0, 0), seed=1)
    >>> bool(pattern[:, -1].mean() > pattern[:, 0].mean())
    True
    """
    local = smooth_noise(stream(seed, "local rain"), frame.north, frame.east, knots=(6, 10))
    position = EASTWARD * (frame.east - 0.5)[None, :] + NORTHWARD * (frame.north - 0.5)[:, None]
    belt = -0.5 * ((z - 3400.0) / 2100.0) ** 2
    return np.asarray(np.exp(position + belt + LOCAL * local), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Climate:
    """The weather of all years in its smallest form: two coarse lattices and the maps of the place.

    Attributes
    ----------
    frame : Frame
        The study grid.
    seed : int
        The seed of the headwater.
    first_day : datetime64
        The day of the first row of the lattices.
    inside : ndarray of bool, shape (rows, columns)
        Cells of the study area.
    pattern : ndarray, shape (rows, columns)
        Precipitation relative to the mean of the study area.
    warmth : ndarray, shape (rows, columns)
        Temperature minus that of the study area, by altitude [°C].
    lattices : dict
        Coarse noise of ``rain`` and ``weather``, shape (days, knots, knots).
    """

    frame: Frame
    seed: int
    first_day: np.datetime64
    inside: NDArray[np.bool_]
    pattern: Floats
    warmth: Floats
    lattices: dict[str, Floats]

    def year(self, year: int) -> tuple[Floats, Floats]:
        """Expand one year to the study grid.

        Parameters
        ----------
        year : int
            One of the years that the climate was made for.

        Returns
        -------
        precipitation, temperature : ndarray of float32, shape (days, rows, columns)
            [mm d-1] and [°C].
        """
        start = int((np.datetime64(f"{year}-01-01") - self.first_day).astype(int))
        days = int(
            (np.datetime64(f"{year + 1}-01-01") - np.datetime64(f"{year}-01-01")).astype(int)
        )
        rows = slice(start, start + days)
        return self._rain(rows, year), self._warmth(rows, year)

    def _rain(self, rows: slice, year: int) -> Floats:
        from scipy.special import ndtr, ndtri

        season = seasonal_precipitation(np.arange(1, rows.stop - rows.start + 1))
        limit = ndtri(1.0 - (0.06 + 0.42 * season / season.max()))
        density = np.exp(-0.5 * limit**2) / np.sqrt(2.0 * np.pi)
        expected = (1.0 + limit**2) * (1.0 - ndtr(limit)) - limit * density
        rain = self._spread("rain", rows)
        rain -= limit[:, None, None].astype(np.float32)
        np.maximum(rain, 0.0, out=rain)
        rain *= rain
        rain *= (season / expected)[:, None, None].astype(np.float32)
        rain *= self.pattern
        # chance alone would let a few storms decide a whole year
        realised = rain.sum(axis=0, dtype=np.float64)
        steady = (self.pattern * season.sum() / realised) ** STEADINESS
        amount = annual_precipitation(year, seed=self.seed)
        steady *= amount / float((realised * steady)[self.inside].mean())
        rain *= steady.astype(np.float32)
        return rain

    def _warmth(self, rows: slice, year: int) -> Floats:
        angle = 2.0 * np.pi * (np.arange(1, rows.stop - rows.start + 1) - 197.0) / 365.25
        season = 13.05 * np.cos(angle) - 0.37 * np.cos(2.0 * angle)
        weather = self._spread("weather", rows)
        weather *= (2.4 - 0.8 * np.cos(angle))[:, None, None].astype(np.float32)
        weather += season[:, None, None].astype(np.float32)
        weather += self.warmth
        mean = float(weather.mean(axis=0, dtype=np.float64)[self.inside].mean())
        weather += np.float32(annual_temperature(year, seed=self.seed) - mean)
        return weather

    def _spread(self, name: str, rows: slice) -> Floats:
        """Carry a lattice to the grid, every day a field of unit variance."""
        lattice = self.lattices[name][rows]
        east = lattice @ spline_weights(self.frame.east, lattice.shape[2]).T
        return np.asarray(
            np.matmul(spline_weights(self.frame.north, lattice.shape[1]), east), dtype=np.float32
        )


def simulate_climate(
    frame: Frame,
    z: Floats,
    inside: NDArray[np.bool_],
    *,
    seed: int,
    years: tuple[int, int],
) -> Climate:
    """Make the climate of some years.

    Parameters
    ----------
    frame : Frame
        The study grid.
    z : ndarray, shape (rows, columns)
        Elevation of the study grid [m].
    inside : ndarray of bool, shape (rows, columns)
        Cells of the study area.
    seed : int
        The seed of the headwater.
    years : tuple of int
        First and last year.

    Returns
    -------
    Climate

    Examples
    --------
    >>> frame, z = Frame(4, 8, 0.05, 95.0, 37.0), np.full((4, 8), 3400.0)
    >>> here = simulate_climate(frame, z, z > 0, seed=1, years=(2019, 2019))
    >>> rain, _ = here.year(2019)
    >>> rain.shape, round(float(rain.sum(axis=0).mean()), 1)
    ((365, 4, 8), 366.7)
    """
    first, last = (np.datetime64(f"{year}-01-01") for year in (years[0], years[1] + 1))
    days = int((last - first).astype(int))
    pattern = precipitation_pattern(z, frame, seed=seed)
    return Climate(
        frame,
        seed,
        first,
        inside,
        pattern / pattern[inside].mean(),
        np.asarray(LAPSE_RATE * (z - z[inside].mean()), dtype=np.float32),
        {
            name: _remembering(stream(seed, name), (days, *_KNOTS[name]), memory)
            for name, memory in (("rain", 0.35), ("weather", 0.75))
        },
    )


def _remembering(rng: np.random.Generator, shape: tuple[int, int, int], memory: float) -> Floats:
    """Noise that keeps a share of the day before: AR(1) with unit variance."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    fresh = np.float32(np.sqrt(1.0 - memory**2))
    for day in range(1, shape[0]):
        noise[day] = np.float32(memory) * noise[day - 1] + fresh * noise[day]
    return noise
