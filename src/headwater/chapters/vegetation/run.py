"""Computes the chapter on vegetation: some cells at a time, from steps that were averaged once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.vegetation.grades import add_land_degradation, grade_map
from headwater.chapters.vegetation.inputs import (
    CELLS_AT_ONCE,
    DIMIDIATE,
    FEWEST_VALUES,
    LAGGED_DAYS,
    NDVI_DAYS,
    QUOTED,
    RESPONSE_DAYS,
    WATER_DAYS,
    Roles,
    compared_years,
    greenest_months,
    on_grid,
    parts_of,
    roles_of,
    still_map,
    typical_step,
    whole_seasons,
)
from headwater.chapters.vegetation.stored import Cells, cells_of, remove_steps
from headwater.errors import DataError
from headwater.study.cluster import each
from headwater.vegetation import results as kinds

if TYPE_CHECKING:
    from headwater.chapters.vegetation.options import VegetationOptions
    from headwater.results import Result
    from headwater.study.step import Context
    from headwater.vegetation.cover import EndValues

__all__ = ["Ground", "Notes", "bands_of", "cover_of", "describe_vegetation"]

_SAMPLE = 500
_MOST_IN_CURVE = 400


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What is known of the area before anything is fitted.

    Attributes
    ----------
    ndvi : Cells
        Steps of eight days.
    cells : ndarray of int
        Cells with NDVI, a type with end values, and a peak of season.
    types : ndarray or None
        Type of every cell of the map.
    ends : EndValues
        NDVI of bare ground and full cover.
    strength : float
        λ of the smoothing.
    peak_months, years, baseline, recent
        Months of the peak; years whose peak was seen; years to compare, None where there are too
        few.
    """

    ndvi: Cells
    cells: NDArray[np.int64]
    types: NDArray[np.float64] | None
    ends: EndValues
    strength: float
    peak_months: tuple[int, ...]
    years: tuple[int, ...]
    baseline: tuple[int, int] | None
    recent: tuple[int, int] | None


@dataclass(slots=True)
class Notes:
    """Collects what was left out, guessed or not computed."""

    rows: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, what: str, count: int, of: str) -> None:
        """Note something, if there is any."""
        if count:
            self.rows.append((what, count, of))


def describe_vegetation(context: Context) -> Mapping[str, Result]:
    """Compute all results of the chapter."""
    try:
        return _described(context)
    finally:
        remove_steps(context)


def _described(context: Context) -> Mapping[str, Result]:
    options = context.study.vegetation
    assert options is not None
    roles, notes = roles_of(context.study), Notes()
    context.progress(0.0, "greenness")
    ground = _ground(context, options, roles, notes)
    found = _seasons_and_grades(context, options, roles, ground, notes)
    if roles.water is not None:
        context.progress(0.4, "response to water")
        found |= _responses(context, options, roles, ground, notes)
    from headwater.chapters.vegetation.capacity import carried

    context.progress(0.7, "carrying capacity and forecast")
    found |= carried(context, roles, ground, notes)
    rows = pd.DataFrame(notes.rows, columns=["what", "count", "of"]).astype({"count": "int64"})
    found["notes"] = kinds.VegetationNotes(rows, "What was left out, guessed or not computed.")
    return found


def _ground(context: Context, options: VegetationOptions, roles: Roles, notes: Notes) -> Ground:
    from headwater.vegetation._series import check_ndvi
    from headwater.vegetation.smoothing import choose_strength

    ndvi = cells_of(context, roles.ndvi, NDVI_DAYS)
    seen, low, high = _seen(ndvi)
    cells = np.flatnonzero(seen)
    if not cells.size:
        raise DataError("no cell has NDVI", found="all values missing", do="Check the period")
    check_ndvi(low, high)
    notes.add("without NDVI, or outside the area", int((~seen).sum()), "cells")
    types = still_map(context, roles.types)
    kinds_of = None if types is None else types.values.ravel().astype(np.float64)
    sample = ndvi.part(cells[:: max(1, cells.size // _SAMPLE)])
    months = options.peak_months or greenest_months(sample, context.study.growing_season)
    ends, kept = _ends(context, ndvi, cells, kinds_of, months, sample)
    if kinds_of is not None:
        notes.add("of types with too few values for end values", cells.size - kept.size, "cells")
    # the last step may reach into a year of which nothing else is known
    whole = whole_seasons(ndvi.times, months)
    baseline, recent = compared_years(options, whole)
    if baseline is None:
        notes.add("too few for a baseline: no grade", len(whole), "seasons")
    return Ground(
        ndvi, kept, kinds_of, ends, choose_strength(sample), months, tuple(whole), baseline, recent
    )


def _seen(cube: Cells) -> tuple[NDArray[np.bool_], float, float]:
    """Find the cells that were ever seen, and the least and greatest value."""
    every = np.arange(cube.like.size)
    parts = list(each(partial(_seen_part, cube), parts_of(every)))
    seen = np.concatenate([part[0] for part in parts])
    return seen, min(part[1] for part in parts), max(part[2] for part in parts)


def _seen_part(cube: Cells, part: NDArray[np.int64]) -> tuple[NDArray[np.bool_], float, float]:
    values = cube.part(part).values
    known = np.isfinite(values)
    low = float(np.min(values, where=known, initial=np.inf))
    return known.any(axis=0), low, float(np.max(values, where=known, initial=-np.inf))


def _peaks(
    cube: Cells, months: tuple[int, ...], min_values: int, part: NDArray[np.int64]
) -> xr.DataArray:
    """Average the months of the peak, of some cells."""
    from headwater.vegetation.degradation import peak_of_season

    return peak_of_season(cube.part(part), months=months, min_values=min_values)


def _ends(
    context: Context,
    ndvi: Cells,
    cells: NDArray[np.int64],
    types: Any,
    months: tuple[int, ...],
    sample: xr.DataArray,
) -> tuple[EndValues, NDArray[np.int64]]:
    """Take end values from the study file, or estimate them; and the cells that have some."""
    from headwater.vegetation.cover import EndValues, end_values

    options = context.study.vegetation
    assert options is not None
    if options.end_values:
        given = {int(kind): pair for kind, pair in options.end_values.items()}
        ends = EndValues.given(given)
    else:
        peaks = xr.concat(each(partial(_peaks, ndvi, months, 1), parts_of(cells)), "cell")
        own = None if types is None else xr.DataArray(types[cells], dims="cell")
        rng = context.rng
        full = end_values(peaks, rng=rng, types=own, min_values=FEWEST_VALUES).table
        bare = end_values(sample, rng=rng, min_values=FEWEST_VALUES).table.loc[0]
        table = full.assign(bare=bare["bare"], bare_sd=bare["bare_sd"])
        table = table[table["full"] > table["bare"] + 0.02]
        words = (
            "bare: 5 % quantile of all NDVI of the area; full: 95 % quantile of the peaks of "
            "season of each type"
        )
        ends = EndValues(table, words)
        if not len(table):
            raise DataError(
                "no end values can be estimated",
                found="no type is greener at its peak than bare ground",
                do="Give them by vegetation.end_values",
            )
    if types is None or set(ends.table.index) == {0}:
        return ends, cells
    return ends, cells[np.isin(types[cells], list(ends.table.index))]


def _seasons_and_grades(
    context: Context, options: VegetationOptions, roles: Roles, ground: Ground, notes: Notes
) -> dict[str, Any]:
    """Smooth cover, find seasons and grade, part by part."""
    grades = grade_map(context, roles, ground, notes)
    act = partial(_season_and_peak, ground, options.power, options.threshold)
    season, peaks = zip(*each(act, parts_of(ground.cells)), strict=True)
    like, cells = ground.ndvi.like, ground.cells
    choices = (
        f"Peak of season: months {', '.join(map(str, ground.peak_months))}.",
        f"End values: {ground.ends.source}.",
        f"Whittaker smoothing with λ = {ground.strength:.3g}, gaps of up to 48 days bridged.",
    )
    seasons = on_grid(xr.concat(season, "cell"), cells, like)
    peak = on_grid(xr.concat(peaks, "cell"), cells, like)
    last = ground.recent or (ground.years[max(0, len(ground.years) - 3)], ground.years[-1])
    found: dict[str, Any] = {
        "end-values": kinds.EndValueTable(
            _named_types(ground.ends.table, _type_names(context, roles)),
            f"End values of the dimidiate pixel model: {ground.ends.source}.",
        ),
        "cover": _cover_result(peak, last, choices),
        "season": _season_result(seasons, "greenness", options.threshold, choices),
    }
    warm = _warm_seasons(context, roles, notes)
    if warm is not None:
        found["warm-season"] = _season_result(warm, "temperature", options.threshold, ())
    bands = _by_band(context, roles, options, seasons, warm)
    if bands is not None:
        found["bands"] = bands
    if grades is not None:
        found["grade"] = grades
        add_land_degradation(grades, peak, ground)
    _note_reasons(seasons, notes)
    return found


def cover_of(ground: Ground, part: NDArray[np.int64], power: float) -> xr.DataArray:
    """Turn the NDVI of some cells into cover (time, cell)."""
    from headwater.vegetation.cover import fractional_cover

    types = None if ground.types is None else xr.DataArray(ground.types[part], dims="cell")
    if set(ground.ends.table.index) == {0}:
        types = None
    found: xr.DataArray = fractional_cover(
        ground.ndvi.part(part), ground.ends, types=types, power=power
    )
    return found


def _season_and_peak(
    ground: Ground, power: float, threshold: float, part: NDArray[np.int64]
) -> tuple[xr.Dataset, xr.Dataset]:
    """Find seasons and peaks of some cells."""
    cover = cover_of(ground, part, power)
    return _season(cover, ground.strength, threshold), _peak(cover, ground.peak_months)


def _season(cover: xr.DataArray, strength: float, threshold: float) -> xr.Dataset:
    from headwater.vegetation.phenology import greenness_season
    from headwater.vegetation.smoothing import whittaker

    smooth = whittaker(cover, strength=strength)
    noise = (cover - smooth).std("time")
    return greenness_season(smooth, threshold=threshold, noise=noise)


def _peak(cover: xr.DataArray, months: tuple[int, ...]) -> xr.Dataset:
    inside = cover.sel(time=np.isin(cover["time"].dt.month, list(months)))
    return inside.groupby("time.year").mean(skipna=True).rename("peak").to_dataset()


def _cover_result(peak: xr.Dataset, last: tuple[int, int], choices: tuple[str, ...]) -> Any:
    recent = peak["peak"].sel(year=slice(*last))
    data = peak.assign(
        cover=recent.mean("year"), cover_sd=recent.std("year", ddof=1), years=recent.count("year")
    )
    data["years"] = data["years"].where(data["years"] > 0).astype(float)
    for name, words in (("peak", "Cover at peak season"), ("cover", "Cover at peak season")):
        data[name].attrs = {"long_name": words, "units": "1"}
    data["cover_sd"].attrs = {"long_name": "Standard deviation between years", "units": "1"}
    data.attrs |= {"recent": f"{last[0]}-{last[1]}"}
    return kinds.CoverMap(
        data,
        "Fractional cover by the dimidiate pixel model, mean of the months of the peak.",
        (DIMIDIATE,),
        choices=choices,
    )


def _season_result(
    data: xr.Dataset, of: str, threshold: float, choices: tuple[str, ...]
) -> kinds.SeasonMap:
    found = data.copy()
    for name in ("start", "peak", "end"):
        if name in data:
            mean = (
                data[name]
                .mean("year")
                .assign_attrs(long_name=f"Mean {name} of season", units="day of year")
            )
            found[f"mean_{name}"] = mean
    n = data["start"].count("year")
    spread = data["start"].std("year", ddof=1) / np.sqrt(n.where(n > 1))
    found["start_error"] = spread.assign_attrs(long_name="Standard error of the start", units="d")
    found["years"] = n.where(n > 0).astype(float).assign_attrs(long_name="Seasons", units="1")
    method = (
        f"Season between the days on which smoothed cover crosses {threshold:g} of its amplitude."
        if of == "greenness"
        else "Season between the first run of 5 days at 5 °C or more and the first run of colder "
        "days after 1 July."
    )
    return kinds.SeasonMap(found.assign_attrs(of=of), method, choices=choices)


def _warm_seasons(context: Context, roles: Roles, notes: Notes) -> xr.Dataset | None:
    """Find the seasons of temperature, some cells at a time."""
    if roles.temperature is None:
        return None
    data = context.variable(roles.temperature)
    days = typical_step(data)
    if not np.allclose(np.diff(data["time"].values) / np.timedelta64(1, "D"), 1.0):
        notes.add("steps are not daily: no season of temperature", round(days), "days a step")
        return None
    daily = cells_of(context, roles.temperature, 1)
    every = parts_of(np.arange(daily.like.size), CELLS_AT_ONCE // 8)
    parts = list(each(partial(_warm_season, daily), every))
    return on_grid(xr.concat(parts, "cell"), np.arange(daily.like.size), daily.like)


def _warm_season(daily: Cells, part: NDArray[np.int64]) -> xr.Dataset:
    from headwater.vegetation.phenology import temperature_season

    return temperature_season(daily.part(part))


def _by_band(
    context: Context,
    roles: Roles,
    options: VegetationOptions,
    seasons: xr.Dataset,
    warm: xr.Dataset | None,
) -> kinds.GrowthSeasons | None:
    labels, names = bands_of(context, roles, options)
    if labels is None:
        return None
    columns = {name: seasons[name] for name in ("start", "peak", "end")}
    if warm is not None:
        columns |= {"warm_start": warm["start"], "warm_end": warm["end"]}
    rows = []
    for code, zone in enumerate(names):
        own = (labels == code).reshape(seasons["start"].shape[1:])
        means = {key: np.where(own, values.values, np.nan) for key, values in columns.items()}
        for k, year in enumerate(seasons["year"].values):
            row = {"zone": zone, "year": int(year)}
            for key, values in means.items():
                some = k < len(values) and np.isfinite(values[k]).any()
                row[key] = float(np.nanmean(values[k])) if some else np.nan
            rows.append(row | {"cells": int(np.isfinite(means["start"][k]).sum())})
    table = pd.DataFrame(rows)
    table.attrs["units"] = dict.fromkeys(columns, "day of year")
    return kinds.GrowthSeasons(table, "Mean season of the cells of each elevation band and year.")


def bands_of(
    context: Context, roles: Roles, options: VegetationOptions
) -> tuple[Any, tuple[str, ...]]:
    """Label the cells of the map by elevation band, None without an elevation; and their names."""
    from headwater.grids.zones import elevation_bands

    elevation = still_map(context, roles.elevation)
    if elevation is None:
        return None, ()
    zones = elevation_bands(elevation, count=options.bands)
    return zones.labels.values.ravel(), zones.names


def _note_reasons(seasons: xr.Dataset, notes: Notes) -> None:
    from headwater.vegetation.phenology import REASONS

    reason = seasons["reason"].values
    for code, words in REASONS.items():
        if words and code != 1:
            notes.add(
                f"seasons without start or end: {words}",
                int((reason == code).sum()),
                "cells and years",
            )


def _responses(
    context: Context, options: VegetationOptions, roles: Roles, ground: Ground, notes: Notes
) -> dict[str, Any]:
    """Fit how cover answers water, where there are three years or more."""
    if len(ground.years) < 3:
        notes.add("too few for a response to water", len(ground.years), "years")
        return {}
    assert roles.water is not None
    step = max(WATER_DAYS, int(np.ceil(typical_step(context.variable(roles.water)))))
    water = cells_of(context, roles.water, step, stamp="end")
    first, last = context.study.growing_season
    months = options.months or tuple(range(first, last + 1))
    lags = {"lags": max(1, LAGGED_DAYS // step), "step": float(step)}
    usable = ground.cells[_seen(water)[0][ground.cells]]
    notes.add("with NDVI but without soil water", ground.cells.size - usable.size, "cells")
    if not usable.size:
        return {}
    act = partial(_fitted, ground, water, options.power, {"months": months, **lags})
    parts = list(each(act, parts_of(usable)))
    same = sum(part.attrs["constant"] for part in parts)
    notes.add("whose cover is the same in every year: no response", same, "cells")
    data = on_grid(xr.concat(parts, "cell"), usable, ground.ndvi.like)
    for name, words in (("share", "Share that water explains"), ("memory", "Memory of water")):
        data[name].attrs |= {"long_name": words}
    result = kinds.ResponseMap(
        data,
        "Cover at steps of up to 16 days, less its mean course within each month, against soil "
        "water of the 60 days before: linear, plateau or saturating, one slope or one for each "
        "month, chosen by leaving out whole years.",
        (QUOTED,),
        cautions=(
            "What water does not explain may be grazing, rodents, disease, warmth or noise.",
        ),
    )
    found: dict[str, Any] = {"response": result}
    curves = _curves(context, options, roles, ground, (water, usable, months, lags))
    return found | ({} if curves is None else {"curves": curves})


def _fitted(
    ground: Ground, water: Cells, power: float, about: Any, part: NDArray[np.int64]
) -> xr.Dataset:
    """Fit the response of some cells."""
    from headwater.vegetation.response import fit_response

    cover = _for_response(ground, cover_of(ground, part, power))
    return fit_response(cover, water.part(part), **about).maps


def _for_response(ground: Ground, cover: xr.DataArray) -> xr.DataArray:
    """Average cover, and the dates on which it was seen, in steps of a response."""
    from headwater.vegetation.steps import level_months, mean_steps

    # steps between composites hold nothing, and no date
    dated = cover.assign_coords(time=ground.ndvi.dates).dropna("time", how="all")
    return level_months(mean_steps(dated, RESPONSE_DAYS, stamp="mean").astype(float))


def _type_names(context: Context, roles: Roles) -> dict[float, str]:
    from headwater.grids.zones import class_names

    return class_names(context.variable(roles.types)) if roles.types else {}


def _named_types(table: pd.DataFrame, names: Mapping[float, str]) -> pd.DataFrame:
    """Put the names that the study file gives next to the numbers of types."""
    found = table.rename_axis("type").reset_index()
    if names:
        found.insert(1, "name", [names.get(float(code), f"{code:g}") for code in found["type"]])
    return found


def _curves(
    context: Context, options: VegetationOptions, roles: Roles, ground: Ground, about: Any
) -> kinds.ResponseCurves | None:
    """Draw response curves by vegetation type and by elevation band."""
    water, usable, months, lags = about
    if len(ground.years) < 4:
        return None
    groups: list[tuple[str, Any, dict[int, str]]] = []
    if ground.types is not None:
        called = _type_names(context, roles)
        of = {k: called.get(float(k), f"type {k:g}") for k in ground.ends.table.index}
        groups.append(("type", ground.types, of))
    labels, names = bands_of(context, roles, options)
    if labels is not None:
        groups.append(("elevation", labels, dict(enumerate(names))))
    groups = groups or [("area", np.zeros(ground.ndvi.like.size), {0: "area"})]
    drawn = []
    for by, labels, of in groups:
        for code, zone in of.items():
            own = usable[labels[usable] == code]
            if own.size > _MOST_IN_CURVE:
                own = np.sort(context.rng.choice(own, _MOST_IN_CURVE, replace=False))
            if own.size:
                drawn.append((by, zone, own, context.rng.spawn(1)[0]))
    about = {"months": months, "n_resamples": 200, **lags}
    tables = list(each(partial(_curve, ground, water, options.power, about), drawn))
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)
    table.attrs["units"] = {"water": "m3 m-3", "cover": "1", "low": "1", "high": "1"}
    return kinds.ResponseCurves(
        table,
        "Curves shared by the cells of a part of the area (up to 400 drawn), each with its own "
        "mean; 95 % bands from a bootstrap over years, the form chosen anew in each.",
    )


def _curve(ground: Ground, water: Cells, power: float, about: Any, part: Any) -> pd.DataFrame:
    """Draw the curve of a part of the area, with chances of its own."""
    from headwater.vegetation.curves import response_curves

    by, zone, own, rng = part
    cover = _for_response(ground, cover_of(ground, own, power))
    table = response_curves(cover, water.part(own), rng=rng, **about)
    return table.drop(columns="group").assign(by=by, zone=zone)
