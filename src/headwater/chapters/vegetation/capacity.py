"""Carrying capacity for the chapter on vegetation, on blocks of cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.vegetation.inputs import Roles, on_grid, parts_of, typical_step
from headwater.chapters.vegetation.stored import blocks_of
from headwater.study.cluster import each
from headwater.vegetation import results as kinds
from headwater.vegetation._series import times_of

if TYPE_CHECKING:
    from headwater.chapters.vegetation.run import Ground, Notes
    from headwater.study.step import Context
    from headwater.vegetation.bucket import Weather

__all__ = ["Blocks", "block_weather", "carried"]

Floats = NDArray[np.float64]

_FEWEST_YEARS = 5
_DRAWS = 6
_BLOCKS_AT_ONCE = 32
"""Blocks whose capacity is found at once."""
_LEAST_R2 = 0.3
_BLOCK_DAYS = "blocks and days"
_BRIDGED = 5
"""Days without weather that are bridged by their neighbours."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Weather, cover and soil water of blocks of cells.

    Attributes
    ----------
    block : ndarray of int, shape (cells,)
        Block of every cell of the map.
    side : int
        Cells along a side.
    weather : Weather
        (days, blocks) each; ``cover`` relative to full season.
    present : ndarray, shape (blocks,)
        Cover at full season [1].
    years : ndarray of int, shape (days,)
        Year of each day.
    water : ndarray, shape (days, blocks)
        Soil water as seen [m3 m-3].
    """

    block: NDArray[np.int64]
    side: int
    weather: Weather
    present: Floats
    years: NDArray[np.int64]
    water: Floats


def carried(
    context: Context, roles: Roles, ground: Ground, notes: Notes
) -> dict[str, kinds.CapacityMap | kinds.VegetationForecast]:
    """Compute what water carries, and forecast, where the study has what it takes.

    Parameters
    ----------
    context : Context
        Of the running step.
    roles : Roles
        Who plays which part.
    ground : Ground
        Cover and its cells.
    notes : Notes
        Takes what is left out.

    Returns
    -------
    dict
        ``capacity`` and ``forecast``, or what of them can be computed.
    """
    options = context.study.vegetation
    assert options is not None
    if options.capacity is None:
        return {}
    why = _lacking(context, roles)
    if why:
        notes.add(f"no carrying capacity: {why}", 1, "result")
        return {}
    side = max(1, int(np.ceil(np.sqrt(ground.cells.size / options.capacity.most_blocks))))
    block, like = _block_of_cells(ground, side)
    weather, present, years = block_weather(context, roles, ground, side, notes)
    water = _observed(context, roles, years, side)
    blocks = Blocks(block, side, weather, present, years, water)
    from headwater.chapters.vegetation.forecast import forecasts

    ahead = forecasts(context, roles, ground, blocks, notes)
    if len(np.unique(years)) < _FEWEST_YEARS:
        notes.add("too few whole years for a carrying capacity", len(np.unique(years)), "years")
        return {**ahead}
    found = _capacity(context, blocks)
    if found is None:
        notes.add("no carrying capacity: no block has whole weather and soil water", 1, "result")
        return {**ahead}
    _leave_out_misfits(found, notes)
    fields = {name: ("cell", values[block[ground.cells]]) for name, values in found.items()}
    data = on_grid(xr.Dataset(fields), ground.cells, like)
    for name in ("capacity", "low", "high", "present"):
        data[name].attrs = {"long_name": f"Cover at full season, {name}", "units": "1"}
    return {"capacity": _result(options, data, side, float(np.nanmedian(found["r2"]))), **ahead}


def _observed(context: Context, roles: Roles, years: NDArray[np.int64], side: int) -> Floats:
    """Average soil water of blocks as seen, on all days of some years."""
    seen = blocks_of(context.variable(str(roles.water)), side)
    frame = pd.DataFrame(seen.values.reshape(len(seen), -1), times_of(seen).normalize())
    days = pd.date_range(f"{years[0]}-01-01", f"{years[-1]}-12-31")
    return np.asarray(frame.reindex(days), dtype=np.float64)


def _lacking(context: Context, roles: Roles) -> str:
    missing = [
        words
        for words, name in (
            ("soil water", roles.water),
            ("precipitation", roles.rain),
            ("temperature", roles.temperature),
        )
        if name is None
    ]
    if missing:
        return f"the study has no {', '.join(missing)}"
    coarse = [
        n for n in (roles.rain, roles.temperature) if typical_step(context.variable(str(n))) > 1
    ]
    return f"{', '.join(map(str, coarse))} not daily" if coarse else ""


def _block_of_cells(ground: Ground, side: int) -> tuple[NDArray[np.int64], xr.DataArray]:
    """Give every cell of the map the number of its block."""
    like = ground.ndvi.like
    rows, columns = np.indices(like.shape)
    wide = -(-like.shape[1] // side)
    return (rows // side * wide + columns // side).ravel(), like


def block_weather(
    context: Context, roles: Roles, ground: Ground, side: int, notes: Notes
) -> tuple[Weather, Floats, NDArray[np.int64]]:
    """Average the weather and the cover of blocks, over whole years.

    Returns
    -------
    weather : Weather
        (days, blocks) each; ``cover`` relative to full season.
    present : ndarray (blocks,)
        Cover at full season, mean of the recent years [1].
    years : ndarray (days,)
        Year of each day.
    """
    from headwater.vegetation.bucket import Weather

    rain, air = (blocks_of(context.variable(str(n)), side) for n in (roles.rain, roles.temperature))
    start, end = (
        pick(times_of(one)[place] for one in (rain, air)).normalize()
        for pick, place in ((max, 0), (min, -1))
    )
    days = pd.date_range(start, end, freq="D")
    days = pd.DatetimeIndex(days[(days >= _first_of_year(start)) & (days <= _last_of_year(end))])
    parts, filled = [], 0
    for one in (rain, air):
        frame = pd.DataFrame(one.values.reshape(len(one), -1), times_of(one).normalize())
        whole = frame.reindex(days)
        bridged = whole.interpolate(limit=_BRIDGED, limit_area="inside")
        filled += int((whole.isna() & bridged.notna()).sum().sum())
        parts.append(bridged)
    notes.add("of weather bridged by their neighbours", filled, _BLOCK_DAYS)
    demand = _demand(context, roles, air, parts[1], side, notes)
    course, present = _course(context, ground, days, _block_of_cells(ground, side)[0])
    wet, warm = (np.asarray(part, dtype=np.float64) for part in parts)
    return Weather(wet, warm, demand, course), present, days.year.to_numpy()


def _first_of_year(day: pd.Timestamp) -> pd.Timestamp:
    first = pd.Timestamp(day.year, 1, 1)
    return first if day <= first else pd.Timestamp(day.year + 1, 1, 1)


def _last_of_year(day: pd.Timestamp) -> pd.Timestamp:
    last = pd.Timestamp(day.year, 12, 31)
    return last if day >= last else pd.Timestamp(day.year - 1, 12, 31)


def _demand(
    context: Context,
    roles: Roles,
    air: xr.DataArray,
    warm: pd.DataFrame,
    side: int,
    notes: Notes,
) -> Floats:
    """Take potential evapotranspiration from the study, or from temperature; never negative."""
    from headwater.grids.geometry import geobox_of
    from headwater.vegetation.evapotranspiration import (
        extraterrestrial_radiation,
        reference_evapotranspiration,
    )

    if roles.demand is not None and typical_step(context.variable(roles.demand)) <= 1:
        given = blocks_of(context.variable(roles.demand), side)
        frame = pd.DataFrame(given.values.reshape(len(given), -1), times_of(given).normalize())
        whole = frame.reindex(warm.index).interpolate(limit=_BRIDGED, limit_area="inside")
        values = np.asarray(whole, dtype=np.float64)
        notes.add("of negative evaporative demand set to 0", int((values < 0).sum()), _BLOCK_DAYS)
        return np.maximum(values, 0.0)
    crs = geobox_of(context.variable(str(roles.temperature))).crs
    x, y = np.meshgrid(air["x"].values, air["y"].values)
    if crs is not None and not crs.geographic:
        from pyproj import Transformer

        y = Transformer.from_crs(crs.to_wkt(), 4326, always_xy=True).transform(x, y)[1]
    top = extraterrestrial_radiation(
        y.ravel()[None], pd.DatetimeIndex(warm.index).day_of_year.to_numpy()[:, None]
    )
    mean = warm.to_numpy()
    return np.asarray(reference_evapotranspiration(mean, mean, top, method="oudin"))


def _course(
    context: Context, ground: Ground, days: pd.DatetimeIndex, block: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Smooth the cover of blocks, and give its course relative to full season and its height."""
    from headwater.vegetation.smoothing import whittaker

    options = context.study.vegetation
    assert options is not None
    count, times = int(block.max()) + 1, ground.ndvi.times
    total, n = np.zeros((len(times), count)), np.zeros((len(times), count))
    act = partial(_sums, ground, options.power, block)
    for more, counted in each(act, parts_of(ground.cells)):
        total += more
        n += counted
    mean = xr.DataArray(
        np.where(n > 0, total / np.maximum(n, 1), np.nan), {"time": times}, ("time", "cell")
    )
    smooth = whittaker(mean, strength=ground.strength)
    peaks = smooth.groupby("time.year").max().sel(year=slice(days[0].year, days[-1].year))
    full = peaks.mean("year").values
    frame = pd.DataFrame(smooth.values / np.where(full > 0, full, np.nan), times)
    union = frame.reindex(frame.index.union(days)).interpolate(method="time", limit_area="inside")
    # before the first and after the last composite, and in gaps of winter, nothing grows
    course = union.reindex(days).fillna(0.0).clip(0.0, 1.0).to_numpy()
    recent = ground.recent or (int(days[-1].year), int(days[-1].year))
    present = peaks.sel(year=slice(*recent)).mean("year").values
    return course, np.clip(present, 0.0, 1.0)


def _sums(
    ground: Ground, power: float, block: NDArray[np.int64], part: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Add up the cover of some cells by block, and count it, (times, blocks) each."""
    from headwater.chapters.vegetation.run import cover_of

    count = int(block.max()) + 1
    values = cover_of(ground, part, power).transpose("time", "cell").values
    seen, own = np.isfinite(values), block[part]
    sums = [np.bincount(own, np.where(k, v, 0.0), count) for k, v in zip(seen, values, strict=True)]
    counts = [np.bincount(own, k, count) for k in seen]
    return np.stack(sums), np.stack(counts).astype(np.float64)


def _capacity(context: Context, blocks: Blocks) -> dict[str, Floats] | None:
    """Calibrate the soil of each block, and find the cover that it carries."""
    from headwater.vegetation.bucket import Soil
    from headwater.vegetation.calibration import calibrate_soil
    from headwater.vegetation.capacity import Exhaustion, Scenario

    options = context.study.vegetation
    assert options is not None
    assert options.capacity is not None
    own, weather, present, years = options.capacity, blocks.weather, blocks.present, blocks.years
    observed = blocks.water
    # liquid water is what plants drink: out of season it may be frozen
    observed = np.where(weather.cover > 0.3, observed, np.nan)
    whole = np.isfinite(np.stack([part.sum(axis=0) for part in weather[:3]])).all(axis=0)
    usable = whole & np.isfinite(present) & (np.isfinite(observed).sum(axis=0) >= 90)
    usable &= np.nanstd(np.where(usable, observed, 0.0), axis=0) > 0
    if not usable.any():
        return None
    drives = weather._replace(**{k: v[:, usable] for k, v in weather._asdict().items()})
    actual = drives._replace(cover=np.clip(drives.cover * present[usable], 0.0, 1.0))
    soil = Soil(own.field_capacity, own.wilting_point, root_depth=own.root_depth)
    fit = calibrate_soil(observed[:, usable], actual, soil, apply=each)
    soils = [fit.soil, *(fit.draw(context.rng) for _ in range(_DRAWS))]
    changed = Scenario(own.rain, own.demand, own.warming).of(drives)
    limit, seed = Exhaustion(own.risk, own.reserve), int(context.rng.integers(2**31))
    act = partial(_carried, changed, soils, years.tolist(), limit, seed)
    parts = list(each(act, parts_of(np.arange(changed.rain.shape[1]), _BLOCKS_AT_ONCE)))
    names = ("capacity", "low", "high", "at_limit")
    at = {k: np.concatenate(v) for k, v in zip(names, zip(*parts, strict=True), strict=True)}
    at |= {"r2": fit.r2, "present": present[usable]}
    at["over"] = np.where(np.isfinite(at["low"]), present[usable] > at["low"], np.nan)
    out: dict[str, Any] = {name: np.full(usable.size, np.nan) for name in at}
    for name, values in at.items():
        out[name][usable] = values
    return out


def _carried(
    weather: Weather,
    soils: list[Any],
    years: list[int],
    limit: Any,
    seed: int,
    part: NDArray[np.int64],
) -> tuple[Floats, ...]:
    """Find what some blocks carry; all draw the same years and soils."""
    from headwater.vegetation.capacity import carrying_capacity

    found = carrying_capacity(
        weather._replace(**{k: v[:, part] for k, v in weather._asdict().items()}),
        [soil.of_cells(part, weather.rain.shape[1:]) for soil in soils],
        years,
        rng=np.random.default_rng(seed),
        limit=limit,
    )
    return found.cover, found.low, found.high, found.at_limit.astype(np.float64)


def _leave_out_misfits(found: dict[str, Floats], notes: Notes) -> None:
    """Give no capacity where the bucket explains little of the soil water that was seen."""
    misfit = found["r2"] < _LEAST_R2
    notes.add(
        f"without a capacity: the bucket explains less than {100 * _LEAST_R2:.0f} % of the "
        "variance of their soil water",
        int(misfit.sum()),
        "blocks",
    )
    for name, values in found.items():
        if name not in ("r2", "present"):
            found[name] = np.where(misfit, np.nan, values)


def _result(options: Any, data: xr.Dataset, side: int, r2: float) -> kinds.CapacityMap:
    own = options.capacity
    climate = ""
    if (own.rain, own.demand, own.warming) != (1.0, 1.0, 0.0):
        climate = (
            f" Another climate: precipitation × {own.rain:g}, demand × {own.demand:g}, "
            f"{own.warming:+g} °C."
        )
    return kinds.CapacityMap(
        data.assign_attrs(side=side),
        f"Densest cover at which at most {100 * own.risk:g} % of years leave less than "
        f"{100 * own.reserve:g} % of the root zone's extractable water for ten days; bucket model "
        f"calibrated to soil water (median R² {r2:.2f}).{climate}",
        (
            "Laio, F., Porporato, A., Ridolfi, L., Rodriguez-Iturbe, I. (2001). Plants in "
            "water-controlled ecosystems: active role in hydrologic processes and response to "
            "water stress. II. Probabilistic soil moisture dynamics. Advances in Water Resources "
            "24, 707-723. doi:10.1016/S0309-1708(01)00005-7",
        ),
        choices=(
            f"Blocks of {side} × {side} cells; cells of a block share its capacity.",
            "Potential evapotranspiration: "
            + (f"'{options.demand}'" if options.demand else "of the study, else Oudin's formula")
            + ".",
        ),
        cautions=(
            "Read a capacity as a class: against a world with known capacity its median error is "
            "0.11 to 0.13 of cover.",
        ),
    )
