"""The step "variation": how each quantity changes in time and over the area."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.chapters.variation.options import VariationOptions
from headwater.errors import DataError, HeadwaterError
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.grids.zones import Zones
    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["STEP", "aggregated", "month_sums"]

_LONGEST_STEP = 31.5
_YEAR = 366.5
_MOST_CLASSES = 20
_SMALLER = 4
"""Blocks of whole series are smaller than blocks that are read, by this factor."""
_FEW_BLOCKS = 8
"""Up to this many blocks, a cube stays in memory once it is written."""


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.variation
    if options is None:
        return None
    study.require("variation", (*(options.of or ()), *((options.rain,) if options.rain else ())))
    return {**options.model_dump(mode="json"), "growing_season": study.growing_season}


def _run(context: Context) -> Mapping[str, Result]:
    from headwater.variation.results_of import seasonal_cycles, zone_seasons
    from headwater.variation.summary import key_figures, summary_table

    options = context.study.variation
    assert options is not None
    cubes, left_out = _chosen(context, options)
    zones = _zones(context, options)
    divisions = _divisions(context, zones)
    rain = _rain_by_year(context, options)
    rows: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for done, (name, cube) in enumerate(cubes.items()):
        context.progress(done / len(cubes), name)
        monthly, years = _by_period(context, cube, options.min_coverage)
        rows += key_figures(monthly, years, min_coverage=options.min_coverage)
        for kind, result in _describe(monthly, years, zones, options).items():
            found[f"{name}-{kind}"] = result
        for kind, result in _changes(years, rain, options).items():
            found[f"{name}-{kind}"] = result
        if divisions and monthly is not None:
            found[f"{name}-zones"] = zone_seasons(
                monthly, divisions, min_coverage=options.min_coverage
            )
    cycles = {name: found[f"{name}-cycle"] for name in cubes if f"{name}-cycle" in found}
    overview = {"summary": summary_table(rows, left_out=left_out)}
    return overview | ({"cycles": seasonal_cycles(cycles)} if cycles else {}) | found


def _by_period(
    context: Context, cube: xr.DataArray, least: float
) -> tuple[xr.DataArray | None, dict[str, xr.DataArray]]:
    """Give a variable's months, where its steps are as short, and its years and seasons."""
    if not _has_months(cube):
        with month_sums(context, cube, "year") as sums:
            values = aggregated(context, sums, "year", least)
        assert values is not None
        return None, {"year": values}
    with month_sums(context, cube) as sums:
        monthly, *yearly = (
            aggregated(context, sums, period, least)
            for period in ("month", "year", "growing_season")
        )
    periods = zip(("year", "growing_season"), yearly, strict=True)
    return monthly, {period: values for period, values in periods if values is not None}


def _has_months(data: xr.DataArray) -> bool:
    from headwater.variation.calendar import cadence, check_time

    return cadence(check_time(data)).days <= _LONGEST_STEP


def _chosen(
    context: Context, options: VariationOptions
) -> tuple[dict[str, xr.DataArray], list[str]]:
    """Open the variables that can be described, and say of the others why not."""
    cubes, left_out = {}, []
    for name in options.of or context.study.variables:
        data = context.variable(name)
        why = _reason_against(data)
        if not why:
            cubes[name] = data
        elif options.of:
            raise DataError(
                f"the variation of '{name}' cannot be described",
                found=why,
                do="Remove it from variation.of, or give data with at least yearly steps",
            )
        elif data.sizes.get("time", 1) > 1:
            left_out.append(f"Variation of {name} is not described: {why}.")
    if not cubes:
        raise DataError(
            "no variable changes in time",
            found="; ".join(left_out) or "only single maps",
            do="Remove [variation] from the study file, or give data with at least yearly steps",
        )
    return cubes, left_out


def _reason_against(data: xr.DataArray) -> str:
    from headwater.variation.calendar import cadence, check_time

    if data.sizes.get("time", 1) < 2:
        return "a single map"
    if data.attrs.get("kind", "continuous") != "continuous":
        return f"a {data.attrs['kind']} quantity"
    step = cadence(check_time(data))
    short = step.days <= _LONGEST_STEP or step.days <= _YEAR
    return "" if short else f"one value every {step.days:g} days"


def _check(
    study: Study, inputs: Mapping[str, xr.DataArray], grid: GeoBox, period: tuple[Any, Any] | None
) -> Iterator[HeadwaterError]:
    """Report what [variation] could not describe."""
    from headwater.grids.times import in_period

    options = study.variation
    names = [n for n in (options.of if options and options.of else study.variables) if n in inputs]
    why = {name: _reason_against(in_period(inputs[name], period)) for name in names}
    if options is not None and options.of:
        yield from (
            DataError(
                f"the variation of '{name}' cannot be described",
                found=reason,
                do="Remove it from variation.of, or give data with at least yearly steps",
            )
            for name, reason in why.items()
            if reason
        )
    elif all(why.values()) and len(inputs) == len(study.inputs):
        yield DataError(
            "no variable changes in time, which [variation] could describe",
            found="; ".join(f"{name}: {reason}" for name, reason in why.items()),
            do="Remove [variation] from the study file, or give data with at least yearly steps",
        )


def _zones(context: Context, options: VariationOptions) -> Zones | None:
    from headwater.grids.zones import elevation_bands

    if options.bands is None or "elevation" not in context.study.variables:
        return None
    given, elevation = options.bands, _still(context, "elevation")
    return elevation_bands(elevation, count=given.count, method=given.method, edges=given.edges)


def _divisions(context: Context, bands: Zones | None) -> dict[str, Zones]:
    """Divide the area by all that it can be divided by: elevation, aspect, classes."""
    from headwater.grids.zones import aspect_sectors, class_names, class_zones

    known, found = context.study.variables, {}
    if bands is not None:
        found["Elevation"] = bands
    if "aspect" in known:
        found["Aspect"] = aspect_sectors(_still(context, "aspect"), count=8)
    for name in ("vegetation", "land_cover"):
        if name in known:
            classes = _still(context, name)
            # NaN - NaN compares as False: nothing to divide by
            if float(classes.max() - classes.min()) < _MOST_CLASSES:
                found[str(classes.attrs["long_name"])] = class_zones(classes, class_names(classes))
    return found


def _still(context: Context, name: str) -> xr.DataArray:
    data = context.variable(name)
    still = data.isel(time=0, drop=True) if "time" in data.dims else data
    return still.load()


@contextmanager
def month_sums(context: Context, cube: xr.DataArray, period: str = "month") -> Iterator[xr.Dataset]:
    """Read a variable once and give its sums by month, from which all longer periods follow.

    Parameters
    ----------
    context : Context
        Of the running step.
    cube : DataArray (time, y, x)
        A variable on the study grid.
    period : {"month", "year"}
        ``year`` for one with longer steps.

    Yields
    ------
    Dataset
        Of :func:`headwater.variation.aggregation.period_sums`; in memory where they are small,
        else in a store below the step's folder that is removed afterwards.
    """
    from headwater.variation.aggregation import period_sums

    store = context.folder / f".{cube.name}-sums.zarr"
    try:
        yield _kept(context, period_sums(cube, period), store, keep=False)
    finally:
        shutil.rmtree(store, ignore_errors=True)


def aggregated(
    context: Context, sums: xr.Dataset, period: str, min_coverage: float
) -> xr.DataArray | None:
    """Aggregate a variable and keep it next to the results, whole series in each block.

    Parameters
    ----------
    context : Context
        Of the running step.
    sums : Dataset
        Of :func:`month_sums`.
    period : str
        As in :func:`headwater.variation.aggregate`.
    min_coverage : float
        Least share of the period that must have data.

    Returns
    -------
    DataArray (period, y, x) or None
        As in ``<folder>/<name>-<period>.zarr``, in memory where it is small; None where no time is
        in the growing season.
    """
    from headwater.variation.aggregation import aggregate_sums

    name, season = sums.attrs["name"], context.study.growing_season
    try:
        found = aggregate_sums(sums, period, min_coverage=min_coverage, growing_season=season)
    except DataError:
        if period == "growing_season":
            return None
        raise
    kept = _kept(context, found, context.folder / f"{name}-{period}.zarr")
    values: xr.DataArray = kept[name]
    return values


def _kept(context: Context, data: xr.Dataset, store: Path, *, keep: bool = True) -> xr.Dataset:
    """Write what is large or to be kept, and have it in memory where it is small."""
    import xarray as xr

    from headwater.grids import write_zarr

    block = context.settings.chunk_mb * 1e6
    small = data.nbytes <= _FEW_BLOCKS * block
    data = data.load() if small else data
    if (keep and not context.rehearsal) or not small:
        # small blocks, for what is computed from them holds many at once
        side = max(1, int((block / _SMALLER / 8 / data.sizes["time"]) ** 0.5))
        cells = {dim: _dividing(data.chunksizes.get(dim, ()), side) for dim in ("y", "x")}
        write_zarr(data, store, chunks={"time": -1, **cells})
    return data if small else xr.open_zarr(store, decode_coords="all")


def _dividing(blocks: Sequence[int], most: int) -> int:
    """Choose a length that divides blocks, so that each is cut by itself; `most` where none is."""
    if len(blocks) < 2:
        return most
    fitting = (n for n in range(min(most, blocks[0]), most // 2, -1) if blocks[0] % n == 0)
    return next(fitting, most)


def _describe(
    monthly: xr.DataArray | None,
    years: Mapping[str, xr.DataArray],
    zones: Zones | None,
    options: VariationOptions,
) -> dict[str, Result]:
    from headwater.variation import results_of as findings

    least = options.min_coverage
    found: dict[str, Result] = {"years": findings.annual_series(years, min_coverage=least)}
    if monthly is not None:
        found["cycle"] = findings.seasonal_cycle(monthly, min_coverage=least)
        found["months"] = findings.monthly_series(monthly, min_coverage=least)
    if zones is not None and monthly is not None:
        found["bands"] = findings.bands_through_time(monthly, years, zones, min_coverage=least)
    if "growing_season" in years:
        found["season"] = findings.season_maps(years["growing_season"])
    trended = _with_most_years(years)
    found["trend"] = findings.trend_map(
        trended, significance=options.alpha, neighbours=options.neighbours
    )
    for scope, cube in {"interannual": trended, "monthly": monthly}.items():
        if cube is None:
            continue
        try:
            found[f"cv_{scope}"] = findings.cv_map(cube, scope)
        except DataError:
            # a temperature in degrees Celsius has no CV; the summary gives standard deviations
            continue
    return found


def _rain_by_year(context: Context, options: VariationOptions) -> xr.DataArray | None:
    """Aggregate to years what trends are adjusted for."""
    from headwater.variation.aggregation import aggregate_sums

    if options.rain is None:
        return None
    data = context.variable(options.rain)
    why = _reason_against(data)
    if why:
        raise DataError(
            f"nothing can be adjusted for '{options.rain}'",
            found=why,
            do="Remove rain from [variation], or give data with at least yearly steps",
        )
    with month_sums(context, data, "month" if _has_months(data) else "year") as sums:
        yearly = aggregate_sums(sums, "year", min_coverage=options.min_coverage)
        values: xr.DataArray = yearly[options.rain].load()
    return values


def _changes(
    years: Mapping[str, xr.DataArray], rain: xr.DataArray | None, options: VariationOptions
) -> dict[str, Result]:
    """Find breaks of the area mean, and trends adjusted for rain."""
    from headwater.variation.adjusted import adjusted_trend_map, break_table

    yearly = years["year"]
    if rain is not None and rain.name == yearly.name:
        rain = None
    found: dict[str, Result] = {}
    if options.max_breaks:
        found["breaks"] = break_table(
            yearly, rain, max_breaks=options.max_breaks, min_coverage=options.min_coverage
        )
    if rain is not None:
        found["adjusted"] = adjusted_trend_map(yearly, rain, significance=options.alpha)
    return found


def _with_most_years(years: Mapping[str, xr.DataArray]) -> xr.DataArray:
    """Whole years, unless gaps leave more data to the growing season alone."""
    most = {period: int(cube.count()) for period, cube in years.items()}
    best = "growing_season" if most.get("growing_season", 0) > most["year"] else "year"
    return years[best]


STEP = Step(
    name="variation",
    title="Describe how it varies",
    needs=("grids",),
    options=_options,
    run=_run,
    after=("downscaling",),
    check=_check,
)
