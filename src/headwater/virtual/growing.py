"""A virtual headwater whose plants drink its water, with known capacity, droughts and damage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from headwater.virtual.fields import smooth_noise, stream
from headwater.virtual.frame import Frame
from headwater.virtual.landscape import Landscape, lay_landscape
from headwater.virtual.retrieval import composite
from headwater.virtual.soil import extraterrestrial_radiation
from headwater.virtual.vegetation import DORMANT

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "DROUGHTS",
    "Drought",
    "GrowingHeadwater",
    "WORLDS",
    "answer",
    "grow",
    "health_of",
    "hurt_greenness",
    "lay_patches",
    "patch_map",
    "true_capacity",
]

CAUSES = ("grazing", "rodents", "drought", "road")
_LOSSES = (0.05, 0.15, 0.25, 0.45, 0.75)
_FATES = ("lasting", "recovering", "treated")
_RADIUS = 2
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


@dataclass(frozen=True, slots=True)
class Drought:
    """A drought of known strength.

    Attributes
    ----------
    year : int
        Counted from the first year of the record, from 0.
    first_month, last_month : int
        Months that are short of rain.
    factor : float
        What is left of the rain [1].
    """

    year: int
    first_month: int
    last_month: int
    factor: float


DROUGHTS = (Drought(6, 6, 8, 0.45), Drought(13, 5, 7, 0.6), Drought(19, 7, 7, 0.3))
"""The droughts of a record of 25 years."""


def lay_patches(growing: NDArray[np.bool_], *, seed: int, years: int) -> pd.DataFrame:
    """Draw patches of degradation that do not overlap.

    Parameters
    ----------
    growing : ndarray of bool, shape (rows, columns)
        Cells with plants.
    seed : int
        The seed of the headwater.
    years : int
        Length of the record.

    Returns
    -------
    DataFrame
        ``patch`` (from 1), ``row``, ``column`` of the middle, ``cause``, ``onset`` (year of the
        record, from 0), ``speed`` [years until the loss is whole], ``loss`` (of cover) [1],
        ``fate`` (lasting, recovering, treated) and ``turn``, the year in which recovery begins.

    Notes
    -----
    Damage by rodents and grazing creeps, drought takes two years, a road cuts at once. Recovery by
    itself takes a tenth of the loss a year, with treatment a quarter.

    Examples
    --------
    >>> patches = lay_patches(np.ones((20, 30), bool), seed=1, years=25)
    >>> sorted(set(patches["cause"]))
    ['drought', 'grazing', 'road', 'rodents']
    """
    rng = stream(seed, "patches")
    free = growing.copy()
    rows = []
    for number in range(len(CAUSES) * len(_LOSSES)):
        places = np.argwhere(free)
        if len(places) == 0:
            break
        row, column = places[rng.integers(len(places))]
        reach = 2 * _RADIUS
        free[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = (
            False
        )
        cause, loss = CAUSES[number % len(CAUSES)], _LOSSES[number % len(_LOSSES)]
        onset = int(rng.integers(years // 3, max(years // 3 + 1, years - 8)))
        speed = {"road": 1, "drought": 2}.get(cause, int(rng.integers(3, 6)))
        fate = _FATES[0] if number % 4 else _FATES[1 + (number // 4) % 2]
        turn = onset + speed + int(rng.integers(1, 4)) if fate != "lasting" else years
        rows.append((number + 1, row, column, cause, onset, speed, loss, fate, turn))
    names = ["patch", "row", "column", "cause", "onset", "speed", "loss", "fate", "turn"]
    return pd.DataFrame(rows, columns=names)


def patch_map(patches: pd.DataFrame, growing: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Map the number of the patch that each cell lies in, 0 for none."""
    rows, columns = np.indices(growing.shape)
    found = np.zeros(growing.shape, dtype=np.int16)
    for row in patches.to_dict("records"):
        near = (np.abs(rows - row["row"]) <= 1) & (np.abs(columns - row["column"]) <= 1)
        found[near & growing & (found == 0)] = row["patch"]
    return found


def health_of(patches: pd.DataFrame, years: Sequence[float]) -> NDArray[np.float64]:
    """Share of its cover that each patch still has.

    Parameters
    ----------
    patches : DataFrame
        Of :func:`lay_patches`.
    years : sequence of float, length n
        Time since the beginning of the record [years].

    Returns
    -------
    ndarray, shape (patches + 1, n)
        Row 0 is healthy ground.

    Examples
    --------
    >>> one = pd.DataFrame([(1, 0, 0, "road", 2, 1, 0.4, "lasting", 9)],
    ...     columns=["patch", "row", "column", "cause", "onset", "speed", "loss", "fate", "turn"])
    >>> health_of(one, [0.0, 2.5, 5.0])[1].tolist()
    [1.0, 0.8, 0.6]
    """
    time = np.asarray(years, dtype=np.float64)
    health = np.ones((len(patches) + 1, time.size))
    for row in patches.to_dict("records"):
        gone = row["loss"] * np.clip((time - row["onset"]) / row["speed"], 0.0, 1.0)
        pace = {"recovering": 0.1, "treated": 0.25}.get(row["fate"], 0.0)
        gone = gone - row["loss"] * np.clip(pace * (time - row["turn"]), 0.0, 1.0)
        health[row["patch"]] = 1.0 - np.clip(gone, 0.0, 1.0)
    return health


def hurt_greenness(ndvi: xr.DataArray, *, seed: int) -> xr.DataArray:
    """Take greenness from round patches in the last two years of a record, in place.

    Parameters
    ----------
    ndvi : DataArray (time, y, x)
        Greenness without damage; changed in place.
    seed : int
        The seed of the headwater.

    Returns
    -------
    DataArray (y, x)
        Share of cover that is lost [1]: 0.15, 0.25, 0.45 and 0.75 in two patches each. Records
        under four years stay whole, for they have no years to compare with.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2017-01-01", "2020-12-31", freq="30D")
    >>> green = xr.DataArray(np.full((days.size, 30, 60), 0.6), {"time": days}, ("time", "y", "x"))
    >>> lost = hurt_greenness(green, seed=1)
    >>> float(lost.max()), bool((green.isel(time=0) == 0.6).all()), bool((green < 0.6).any())
    (0.75, True, True)
    """
    rows, columns = ndvi.sizes["y"], ndvi.sizes["x"]
    lost = xr.zeros_like(ndvi.isel(time=0, drop=True), dtype=np.float64)
    lost.attrs = {"long_name": "Share of cover that is lost", "units": "1"}
    years = ndvi["time"].dt.year.values
    if years[-1] - years[0] < 3:
        return lost
    rng, radius = stream(seed, "hurt"), max(1.5, min(rows, columns) / 18)
    at = np.indices((rows, columns)).astype(np.float64)
    for loss in (*_LOSSES[1:], *_LOSSES[1:]):
        middle = rng.uniform((0.2 * rows, 0.1 * columns), (0.8 * rows, 0.9 * columns))
        near = np.hypot(at[0] - middle[0], at[1] - middle[1]) <= radius
        lost.values[near] = loss
    for day in np.flatnonzero(years >= years[-1] - 1):
        own = ndvi.values[day]
        own -= (np.maximum(own - DORMANT, 0.0) * lost.values).astype(own.dtype)
    return lost


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
        Of :func:`headwater.virtual.growing.lay_patches`.
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
