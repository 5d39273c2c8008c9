"""A whole virtual headwater: what would be observed, and the truth next to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from shapely import Polygon

from headwater.errors import DataError
from headwater.virtual.climate import LAPSE_RATE, Climate, simulate_climate
from headwater.virtual.fields import Floats
from headwater.virtual.frame import Frame
from headwater.virtual.labels import days_of, label
from headwater.virtual.landscape import lay_landscape
from headwater.virtual.retrieval import add_noise, cut_gaps
from headwater.virtual.samples import LMWL, PRECISION, fractions, sampling, sources
from headwater.virtual.soil import FLUXES, Column, State, advance, soil_column
from headwater.virtual.vegetation import lag_map, ndvi

__all__ = ["DRIVERS", "Truth", "VirtualHeadwater", "impose_trend", "make_headwater"]

CRS = "EPSG:4326"
SPIN_UP = 2
WETTING = 0.002
"""Largest imposed trend of soil moisture, reached in the east [m3 m-3 yr-1]."""

DRIVERS: Mapping[str, str] = {
    "precipitation": "cause: the only water supply but for ground ice",
    "temperature": "cause: evaporative demand, snow, freezing; falls with elevation",
    "elevation": "only through temperature, the rain belt, soil capacity and ground ice",
    "aspect": "weak cause: slopes that look north evaporate less",
    "slope": "no effect beyond aspect",
    "ndvi": "consequence: answers soil moisture after its lag, never feeds back",
}
"""What each candidate driver does to soil moisture in the generator."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known because it was put in.

    Attributes
    ----------
    fields : Dataset
        ``soil_moisture`` (time, y, x) without noise or gaps; ``trend`` (y, x), the wetting imposed
        on it [m3 m-3 yr-1]; ``ndvi_lag`` (y, x) [d]; ``capacity``, ``demand``, ``ice_limit`` (y, x)
        of the soil; ``inside`` (y, x), cells of the study area; and by ``year`` the fluxes
        [mm yr-1] and ``storage_change`` [mm].
    noise : mapping
        Standard deviation of the noise of ``soil_moisture``, ``ndvi``, ``d18O`` and ``d2H``.
    drivers : mapping
        What each candidate driver does, in words.
    lapse_rate : float
        Change of temperature with elevation [°C m-1].
    lmwl : mapping
        ``slope``, ``intercept`` [‰] and residual ``sd`` [‰] of the local meteoric water line.
    fractions : DataFrame
        Mean share of each source in soil water by month, altitude band, vegetation and aspect.
    sources : DataFrame
        Mean δ¹⁸O and δ²H of each source by month and altitude band [‰].
    samples : DataFrame
        For each soil, river and supra-permafrost sample: its own shares, the mixture before
        evaporation, its enrichment, and its isotopes without measurement error.
    """

    fields: xr.Dataset
    noise: Mapping[str, float]
    samples: pd.DataFrame
    drivers: Mapping[str, str] = field(default_factory=lambda: DRIVERS)
    lapse_rate: float = LAPSE_RATE
    lmwl: Mapping[str, float] = field(default_factory=lambda: LMWL)
    fractions: pd.DataFrame = field(default_factory=fractions)
    sources: pd.DataFrame = field(default_factory=sources)


@dataclass(frozen=True, slots=True, eq=False)
class VirtualHeadwater:
    """A headwater that can be studied like a real one, and checked like no real one.

    Attributes
    ----------
    cube : Dataset
        ``soil_moisture`` [m3 m-3], ``precipitation`` [mm], ``temperature`` [degC], ``ndvi`` [1] and
        ``snow_melt`` [mm], daily, dims (time, y, x).
    dem : DataArray
        ``elevation`` [m] in cells ten times smaller, dims (y, x).
    vegetation : DataArray
        Class numbers on the study grid, dims (y, x).
    samples : DataFrame
        Water samples, as a laboratory would hand them over.
    area : shapely.Polygon
        Outline of the study, longitude and latitude.
    truth : Truth
        What is known because it was put in.
    crs : str
        Coordinate reference system of all of these.
    """

    cube: xr.Dataset
    dem: xr.DataArray
    vegetation: xr.DataArray
    samples: pd.DataFrame
    area: Polygon
    truth: Truth
    crs: str = CRS


def make_headwater(
    *,
    seed: int = 1,
    years: tuple[int, int] = (2017, 2021),
    shape: tuple[int, int] = (72, 166),
    resolution: float = 0.05,
    corner: tuple[float, float] = (94.87, 36.43),
    noise: float = 0.01,
    gaps: float = 0.02,
) -> VirtualHeadwater:
    """Make a virtual headwater.

    Parameters
    ----------
    seed : int
        The same seed gives the same bits on the same machine.
    years : tuple of int
        First and last year. 2017-2021 have the annual amounts of the Qilian study.
    shape : tuple of int
        Rows and columns of the study grid. A small headwater is a miniature with the same
        climatology, not a corner of a large one.
    resolution : float
        Side of a cell [degree].
    corner : tuple of float
        West and south edge [degree].
    noise : float
        Standard deviation of the retrieval noise, of soil moisture [m3 m-3] and of NDVI [1].
    gaps : float
        Share of soil moisture that is missing, as whole days and swath gaps.

    Returns
    -------
    VirtualHeadwater

    Raises
    ------
    DataError
        If the years run backwards, or noise or gaps are impossible.
    GridError
        If the grid is smaller than 4 × 4 cells.

    Notes
    -----
    The equations stand in the modules `landscape`, `climate`, `soil`, `vegetation`, `retrieval` and
    `samples`; docs/virtual-headwater.md compares the result with the published figures. Two years
    of spin-up repeat the weather of the first one.

    Examples
    --------
    >>> here = make_headwater(seed=1, years=(2019, 2019), shape=(8, 12))
    >>> dict(here.cube.sizes)
    {'time': 365, 'y': 8, 'x': 12}
    """
    _check(seed, years, noise, gaps)
    frame = Frame(*shape, resolution, *corner)
    land = lay_landscape(frame, seed=seed)
    weather = simulate_climate(frame, land.grid.z, land.grid.inside, seed=seed, years=years)
    column = soil_column(land.grid, weather.pattern, seed=seed)
    cube, balance = _simulate(weather, column, years)
    trend = _wetting(frame)
    impose_trend(cube["soil_moisture"], trend)
    cube["ndvi"] = ndvi(
        cube["soil_moisture"], cube["temperature"], land.grid.vegetation, weather.warmth
    )
    true = {"soil_moisture": cube["soil_moisture"], "trend": trend, "inside": land.grid.inside}
    true |= {"ndvi_lag": lag_map(land.grid.vegetation), **balance}
    true |= {name: getattr(column, name) for name in ("capacity", "demand", "ice_limit")}
    _observe(cube, frame, seed=seed, noise=noise, gaps=gaps)
    campaign = sampling(land.fine, seed=seed, year=years[1])
    grid = label({"vegetation": land.grid.vegetation}, frame, years)
    fine = label({"elevation": land.fine.z}, land.fine.frame, years)
    return VirtualHeadwater(
        cube=label(cube, frame, years),
        dem=fine["elevation"],
        vegetation=grid["vegetation"],
        samples=campaign.table,
        area=land.area,
        truth=Truth(
            fields=label(true, frame, years),
            noise={"soil_moisture": noise, "ndvi": noise, **PRECISION},
            samples=campaign.truth,
        ),
    )


def impose_trend(soil_moisture: Floats, trend: NDArray[np.float64]) -> None:
    """Add a straight trend in place, with no change in the middle of the record.

    Parameters
    ----------
    soil_moisture : ndarray of float32, shape (days, rows, columns)
        Changed in place [m3 m-3].
    trend : ndarray, shape (rows, columns)
        [m3 m-3 yr-1], a year having 365.25 days.

    Examples
    --------
    >>> series = np.full((1462, 1, 1), 0.1, np.float32)
    >>> impose_trend(series, np.array([[0.01]]))
    >>> round(float(series[-1, 0, 0] - series[0, 0, 0]), 3)
    0.04
    """
    middle = (len(soil_moisture) - 1) / 2.0
    for day in range(len(soil_moisture)):
        soil_moisture[day] += (trend * ((day - middle) / 365.25)).astype(np.float32)


def _check(seed: int, years: tuple[int, int], noise: float, gaps: float) -> None:
    if seed < 0:
        raise DataError("a seed cannot be negative", found=f"{seed}", do="Give 0 or more")
    if years[1] < years[0]:
        raise DataError("years run backwards", found=f"{years}", do="Give (first, last)")
    if not 0.0 <= noise < np.inf:
        raise DataError("noise cannot be negative", found=f"{noise}", do="Give 0 or a positive sd")
    if not 0.0 <= gaps < 1.0:
        raise DataError("no such share of gaps", found=f"{gaps}", do="Give 0 ≤ gaps < 1")


def _observe(cube: dict[str, Any], frame: Frame, *, seed: int, noise: float, gaps: float) -> None:
    """Replace the true soil moisture and greenness by what a satellite makes of them."""
    cube["soil_moisture"] = cube["soil_moisture"].copy()
    for name in ("soil_moisture", "ndvi"):
        add_noise(cube[name], sd=noise, seed=seed, name=name)
    cut_gaps(cube["soil_moisture"], frame, share=gaps, seed=seed)


def _wetting(frame: Frame) -> NDArray[np.float64]:
    """Map the imposed trend: nothing in the west, `WETTING` in the east."""
    eastern = 1.0 / (1.0 + np.exp(-(frame.east - 0.72) / 0.05))
    return np.asarray(WETTING * eastern * np.ones((frame.rows, 1)))


def _simulate(
    weather: Climate, column: Column, years: tuple[int, int]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run weather and soil year by year, so that only the cube itself is large."""
    shape = (days_of(years), *column.capacity.shape)
    names = ("precipitation", "temperature", "soil_moisture", "snow_melt")
    cube: dict[str, Any] = {name: np.empty(shape, dtype=np.float32) for name in names}
    state, latitude = State.start(column), weather.frame.latitude
    rain, warmth = weather.year(years[0])
    for _ in range(SPIN_UP):
        advance(state, column, rain, warmth, latitude)
    yearly, start = [], 0
    for year in range(years[0], years[1] + 1):
        rain, warmth = weather.year(year)
        rows = slice(start, start + len(rain))
        cube["precipitation"][rows], cube["temperature"][rows] = rain, warmth
        state.fluxes[:] = 0.0
        before = state.storage
        moisture, melt = cube["soil_moisture"][rows], cube["snow_melt"][rows]
        advance(state, column, rain, warmth, latitude, moisture=moisture, melt=melt)
        yearly.append(np.concatenate([state.fluxes, [state.storage - before]]))
        start = rows.stop
    totals = np.stack(yearly, axis=1)
    return cube, dict(zip((*FLUXES, "storage_change"), totals, strict=True))
