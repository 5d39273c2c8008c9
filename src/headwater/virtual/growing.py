"""A virtual headwater whose plants drink its water, with known capacity, droughts and damage.

Four layers of soil (0-10, 10-40, 40-80, 80-120 cm) hold water W_k [mm], of which a share
φ_k = 0.12 + 0.88 / (1 + exp(−T_k / 0.4 °C)) is liquid. Every day

    snow       falls below 1.5 °C in part, melts 3 mm °C⁻¹
    ground     T_k follows the air + 1 °C with a memory of 4, 18, 60, 110 days, longer under snow
    ice        in the third layer melts 0.05 mm °C⁻¹, and takes 2 % of the fourth layer as it grows
    runoff     0.35 (1 − 0.75 C) of supply, times the wetness of the first layer, and more on ice
    plants     1.05 PET (1 − e^{−1.6 C}) by root share, each layer × (1 − e^{−3.5 A_k})
    bare soil  0.5 PET e^{−1.6 C} × (wetness of the first layer)²
    drainage   30 % of the liquid water above field capacity, to the layer below

with A_k the extractable share of layer k. Cover answers the water m that plants remember (an
exponential mean of the upper 40 cm), warmth and thaw:

    C = C_max · gate · [1 + s(day) (g(m) / 0.75 − 1)] · health ,   g = 1 − e^{−(m − wilting)⁺ / k}

The sign s is 1 in June and −0.3 in August, as the source study found. In the world ``threshold`` g
is a step, plants grow by Richards' equation towards what water allows, and remember; in ``linear``
g is a straight line; in ``no_water`` it is constant. None of these is a form that an estimator of
this package fits (the straight line aside).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from shapely import Polygon, box

from headwater.errors import DataError
from headwater.virtual import _growing_kernels as kernels
from headwater.virtual.climate import Climate, simulate_climate
from headwater.virtual.composites import composite
from headwater.virtual.damage import DROUGHTS, Drought, health_of, lay_patches, patch_map
from headwater.virtual.fields import smooth_noise, stream
from headwater.virtual.frame import Frame
from headwater.virtual.landscape import Landscape, lay_landscape
from headwater.virtual.soil import extraterrestrial_radiation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["GrowingHeadwater", "WORLDS", "answer", "grow", "true_capacity"]

WORLDS: Mapping[str, int] = {"saturating": 0, "threshold": 1, "linear": 2, "no_water": 3}
"""The worlds, by how cover answers soil water."""

World = Literal["saturating", "threshold", "linear", "no_water"]

DEPTHS = (0.05, 0.25, 0.6, 1.0)
"""Middle of each layer [m]."""

SIGN_DAYS, SIGNS = (1, 151, 180, 212, 235, 260, 366), (1.0, 1.0, 0.9, 0.2, -0.3, 0.2, 1.0)
"""Day of year, and how cover answers water then relative to June."""

RESERVE, SPELL = 0.10, 10
"""The root zone is exhausted when less than this share lasts so many days."""

_STATES = ("snow", "ground_ice", "w1", "w2", "w3", "w4", "soil_temperature", "cover", "remembered")


@dataclass(frozen=True, slots=True, eq=False)
class GrowingHeadwater:
    """What would be observed of a headwater with plants, and the truth next to it.

    Attributes
    ----------
    daily : Dataset
        ``precipitation``, ``potential_evapotranspiration`` [mm], ``temperature``,
        ``soil_temperature`` (10 cm) [degC], ``snow``, ``ground_ice`` [mm], ``cover`` [1] (time, y,
        x) and ``soil_water`` (depth, time, y, x), liquid [m3 m-3], all without noise.
    composites : Dataset
        ``ndvi`` [1], ``day_of_year``, ``flag`` (0 clear, 1 cloud, 2 snow), each (time, y, x): 23 a
        year.
    maps : Dataset
        ``elevation``, ``vegetation``, ``densest_cover``, ``field_capacity``, ``wilting_point``,
        ``answer_scale``, ``patch``, ``inside`` (y, x); ``fluxes`` (flux, y, x) of the whole record.
    patches : DataFrame
        Of :func:`headwater.virtual.damage.lay_patches`.
    droughts : tuple of Drought
        What was taken from the rain.
    units : mapping of Polygon
        Management units by name.
    world : str
        One of :data:`WORLDS`.
    """

    daily: xr.Dataset
    composites: xr.Dataset
    maps: xr.Dataset
    patches: pd.DataFrame
    droughts: tuple[Drought, ...]
    units: Mapping[str, Polygon]
    world: World


def grow(
    *,
    seed: int = 1,
    years: tuple[int, int] = (2000, 2024),
    shape: tuple[int, int] = (16, 24),
    world: World = "saturating",
    droughts: tuple[Drought, ...] = DROUGHTS,
    gaps: float = 0.15,
    damaged: bool = True,
) -> GrowingHeadwater:
    """Grow plants on a virtual headwater.

    Parameters
    ----------
    seed : int
        The same seed gives the same headwater.
    years : tuple of int
        First and last year.
    shape : tuple of int
        Rows and columns; cells of 0.05 degree.
    world : {"saturating", "threshold", "linear", "no_water"}
        How cover answers soil water.
    droughts : tuple of Drought
        Those after the record are left out.
    gaps : float
        Share of composites that clouds hide.
    damaged : bool
        Whether patches harm the plants; without, all else stays the same, so that the difference is
        what they did.

    Returns
    -------
    GrowingHeadwater

    Raises
    ------
    DataError
        If years run backwards or the world is unknown.
    GridError
        If the grid is smaller than 4 × 4 cells.

    Examples
    --------
    >>> here = grow(seed=1, years=(2001, 2003), shape=(6, 8))
    >>> dict(here.daily["soil_water"].sizes)
    {'depth': 4, 'time': 1095, 'y': 6, 'x': 8}
    >>> dict(here.composites["ndvi"].sizes)
    {'time': 69, 'y': 6, 'x': 8}
    """
    if years[1] < years[0] or world not in WORLDS:
        raise DataError(
            "no such growing headwater",
            found=f"years {years}, world '{world}'",
            do=f"Give (first, last) and one of {', '.join(WORLDS)}",
        )
    frame = Frame(*shape, 0.05, 94.87, 36.43)
    land = lay_landscape(frame, seed=seed)
    days = pd.date_range(f"{years[0]}-01-01", f"{years[1]}-12-31", unit="ns")
    happening = tuple(event for event in droughts if event.year <= years[1] - years[0])
    weather = _weather(land, frame, seed=seed, years=years, droughts=happening)
    places = _places(land, seed=seed)
    patches = lay_patches(places["growing"], seed=seed, years=years[1] - years[0] + 1)
    places["patch"] = patch_map(patches, places["growing"])
    decimal = (days.year - years[0] + (days.day_of_year - 1) / 365.25).to_numpy(float)
    states, fluxes = kernels.grow_all(
        weather.reshape(3, len(days), -1),
        _place_table(places),
        _plant_table(places, world),
        _signs(days, places["high"].ravel()),
        health_of(patches, decimal.tolist()) if damaged else np.ones((len(patches) + 1, len(days))),
        WORLDS[world],
    )
    return GrowingHeadwater(
        daily=_daily(weather, states, days, frame),
        composites=composite(
            states[7].reshape(-1, *shape),
            states[0].reshape(-1, *shape),
            days,
            frame,
            rng=stream(seed, "composites"),
            gaps=gaps,
        ),
        maps=_maps(places, land, fluxes, frame),
        patches=patches,
        droughts=happening,
        units=_units(frame),
        world=world,
    )


def answer(
    moisture: NDArray[np.float64], wilting: float, scale: float, *, world: World = "saturating"
) -> NDArray[np.float64]:
    """Give the share of the densest cover that some remembered soil water allows.

    Parameters
    ----------
    moisture : ndarray
        Liquid water of the upper 40 cm as plants remember it [m3 m-3].
    wilting : float
        Wilting point [m3 m-3].
    scale : float
        ``answer_scale`` of the cell [m3 m-3].
    world : str
        One of :data:`WORLDS`.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> np.round(answer(np.array([0.05, 0.12, 0.40]), 0.05, 0.07), 3).tolist()
    [0.0, 0.632, 0.993]
    """
    flat = np.ravel(np.asarray(moisture, dtype=np.float64))
    kind = WORLDS[world]
    found = [kernels.answer_to_water(kind, value, wilting, scale) for value in flat]
    return np.reshape(found, np.shape(moisture))


def true_capacity(
    here: GrowingHeadwater, *, risk: float = 0.05, years: int | None = None, seed: int = 1
) -> xr.DataArray:
    """Find the densest cover that the water of each cell can carry, with this world's own physics.

    Parameters
    ----------
    here : GrowingHeadwater
        The headwater.
    risk : float
        Share of years in which the root zone may be exhausted.
    years : int, optional
        Length of a record of its own climate to judge by; default: the record of `here`.
    seed : int
        The seed that `here` was grown with.

    Returns
    -------
    DataArray (y, x)
        Cover at full season, from 0.02 to 0.98 [1].

    Notes
    -----
    A year exhausts the root zone (0-40 cm) when, on days with more than half of the season's
    cover, less than 10 % of what lies between wilting point and field capacity lasts for 10
    days. Found by bisection to 0.01.
    """
    shape = (here.maps.sizes["y"], here.maps.sizes["x"])
    if years is None:
        first = int(here.daily["time"].dt.year[0])
        span = first, int(here.daily["time"].dt.year[-1])
        names = ("precipitation", "temperature", "potential_evapotranspiration")
        weather = np.stack([here.daily[name].values for name in names])
    else:
        span = (1900, 1899 + years)
        frame = Frame(*shape, 0.05, 94.87, 36.43)
        weather = _weather(
            lay_landscape(frame, seed=seed), frame, seed=seed, years=span, droughts=()
        )
    days = pd.date_range(f"{span[0]}-01-01", f"{span[1]}-12-31", unit="ns")
    starts = np.append(np.flatnonzero(days.day_of_year == 1), len(days)).astype(np.int64)
    soil = ("porosity", "field_capacity", "wilting_point", "ice_limit")
    place = np.column_stack([*(here.maps[name].values.ravel() for name in soil), [0] * _n(shape)])
    plant = _plant_columns(here.maps["half_warmth"].values, here.maps["answer_scale"].values)
    low, high = np.full(_n(shape), 0.02), np.full(_n(shape), 0.98)
    series = np.ascontiguousarray(weather.reshape(3, len(days), -1))
    for _ in range(7):
        plant[:, 4] = (low + high) / 2.0
        lowest = kernels.lowest_reserves(series, place.astype(float), plant, starts, SPELL)
        too_dense = np.quantile(lowest, risk, axis=0) < RESERVE
        low, high = np.where(too_dense, low, plant[:, 4]), np.where(too_dense, plant[:, 4], high)
    found = ((low + high) / 2.0).reshape(shape)
    attrs = {"units": "1", "long_name": "Densest cover that water carries"}
    return here.maps["elevation"].copy(data=found).assign_attrs(attrs).rename("capacity")


def _n(shape: tuple[int, int]) -> int:
    return shape[0] * shape[1]


def _weather(
    land: Landscape,
    frame: Frame,
    *,
    seed: int,
    years: tuple[int, int],
    droughts: tuple[Drought, ...],
) -> NDArray[np.float32]:
    """Make rain, air temperature and evaporative demand, shape (3, days, rows, columns)."""
    here: Climate = simulate_climate(frame, land.grid.z, land.grid.inside, seed=seed, years=years)
    parts = []
    for year in range(years[0], years[1] + 1):
        rain, warmth = here.year(year)
        days = pd.date_range(f"{year}-01-01", periods=len(rain), unit="ns")
        for event in droughts:
            if event.year == year - years[0]:
                dry = (days.month >= event.first_month) & (days.month <= event.last_month)
                rain = np.where(dry[:, None, None], rain * np.float32(event.factor), rain)
        light = extraterrestrial_radiation(frame.latitude, days.day_of_year.to_numpy(np.int64))
        demand = 1.8 * light[:, :, None] / 245.0 * np.maximum(warmth + 5.0, 0.0)
        parts.append(np.stack([rain, warmth, demand.astype(np.float32)]))
    return np.concatenate(parts, axis=1)


def _places(land: Landscape, *, seed: int) -> dict[str, Any]:
    """Lay soil and plants."""
    frame, z = land.grid.frame, land.grid.z.astype(np.float64)
    rng = stream(seed, "growing")
    texture, fertile = (
        smooth_noise(rng, frame.north, frame.east, knots=(5, 7)).astype(np.float64)
        for _ in range(2)
    )
    field = np.clip(0.24 + 0.03 * texture, 0.14, 0.34)
    growing = land.grid.vegetation != 5
    densest = np.clip(0.80 + 0.10 * fertile - 0.1 * (z - 3600.0) / 1000.0, 0.25, 0.95)
    return {
        "porosity": field + 0.18,
        "field_capacity": field,
        "wilting_point": 0.35 * field,
        "ice_limit": 40.0 / (1.0 + np.exp(-(z - 3700.0) / 150.0)),
        "densest_cover": np.where(growing, densest, 0.05),
        "half_warmth": 6.0 + 0.6 * LAPSE * (z - 3400.0),
        "answer_scale": 0.28 * field,
        "growing": growing,
        "high": z > 3900.0,
    }


LAPSE = -0.0052


def _place_table(places: Mapping[str, Any]) -> NDArray[np.float64]:
    names = ("porosity", "field_capacity", "wilting_point", "ice_limit", "patch")
    return np.column_stack([np.ravel(places[name]).astype(np.float64) for name in names])


def _plant_columns(half: ArrayLike, scale: ArrayLike) -> NDArray[np.float64]:
    half = np.ravel(half)
    columns = (np.ones_like(half), half, np.ravel(scale), 20.0 + 0 * half, half * 0 - 1, half * 0)
    return np.column_stack(columns)


def _plant_table(places: Mapping[str, Any], world: World) -> NDArray[np.float64]:
    table = _plant_columns(places["half_warmth"], places["answer_scale"])
    table[:, 0] = np.ravel(places["densest_cover"])
    table[:, 5] = float(world == "threshold")
    return table


def _signs(days: pd.DatetimeIndex, high: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How cover answers water on each day, by cell; high ground answers in September too."""
    low_ground = np.asarray(np.interp(days.day_of_year.to_numpy(), SIGN_DAYS, SIGNS))
    autumn = np.where((days.day_of_year > 235) & (days.day_of_year < 290), 0.4, low_ground)
    return np.where(high[:, None], autumn[None], low_ground[None])


def _daily(
    weather: NDArray[np.float32], states: NDArray[Any], days: pd.DatetimeIndex, frame: Frame
) -> xr.Dataset:
    shape = (len(days), frame.rows, frame.columns)
    of = {name: states[i].reshape(shape) for i, name in enumerate(_STATES)}
    units = {"snow": "mm", "ground_ice": "mm", "soil_temperature": "degC", "cover": "1"}
    units |= {"precipitation": "mm", "temperature": "degC", "potential_evapotranspiration": "mm"}
    units |= {"remembered": "m3 m-3"}
    names = ("precipitation", "temperature", "potential_evapotranspiration")
    fields = dict(zip(names, weather, strict=True))
    fields |= {name: of[name] for name in of if name[0] != "w"}
    dims = ("time", "y", "x")
    cube = xr.Dataset(
        {name: (dims, values, {"units": units[name]}) for name, values in fields.items()},
        {"time": days, "y": frame.latitude, "x": frame.longitude},
    )
    water = np.stack([of[f"w{k}"] for k in range(1, 5)])
    cube["soil_water"] = ("depth", *dims), water, {"units": "m3 m-3"}
    return cube.assign_coords(depth=list(DEPTHS))


def _maps(
    places: Mapping[str, Any], land: Landscape, fluxes: NDArray[Any], frame: Frame
) -> xr.Dataset:
    fields = {name: values for name, values in places.items() if name not in ("growing", "high")}
    fields |= {"elevation": land.grid.z, "vegetation": land.grid.vegetation}
    fields |= {"inside": land.grid.inside}
    maps = xr.Dataset(
        {name: (("y", "x"), values) for name, values in fields.items()},
        {"y": frame.latitude, "x": frame.longitude},
    )
    names = ["evapotranspiration", "runoff", "drainage", "storage_change"]
    maps["fluxes"] = ("flux", "y", "x"), fluxes.reshape(4, frame.rows, frame.columns)
    return maps.assign_coords(flux=names)


def _units(frame: Frame) -> dict[str, Polygon]:
    """Cut the frame into six management units."""
    found = {}
    for i in range(2):
        for j in range(3):
            west, south = frame.west + j * frame.width / 3, frame.south + i * frame.height / 2
            name = f"{('south', 'north')[i]}-{('west', 'middle', 'east')[j]}"
            found[name] = box(west, south, west + frame.width / 3, south + frame.height / 2)
    return found
