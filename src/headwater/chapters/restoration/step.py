"""The step "restoration": from units, grades and seasons to a plan of work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.chapters.restoration.options import amounts_of
from headwater.chapters.restoration.places import (
    cells_of_units,
    choose_places,
    evidence_of_units,
    grades_computed,
    mean_of_units,
    refuse_unknown,
)
from headwater.chapters.restoration.season import StudySeason, needed_variables, season_of_study
from headwater.errors import DataError, HeadwaterError, StudyError, TimeAxisError
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.chapters.restoration.options import RestorationOptions
    from headwater.restoration.plan import Plan
    from headwater.restoration.profile import MeasureProfile
    from headwater.restoration.results import WorkCalendar
    from headwater.restoration.units import Unit, UnitRecord
    from headwater.restoration.work_calendar import SeasonFits
    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["STEP"]

_BAND = 500.0
YEARS_OF_GRADES = 4
"""Three of a baseline and one to compare, as the chapter on vegetation needs them."""


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.restoration
    if options is None:
        return None
    needed_variables(study, options)
    if "elevation" not in study.variables or "slope" not in study.variables:
        raise StudyError(
            "[restoration] needs the altitude and slope of its units",
            found="no elevation",
            do="Add [inputs.elevation]",
        )
    own = {"growing_season": study.growing_season, "language": _language(study)}
    return options.model_dump(mode="json") | own


def _language(study: Study) -> str:
    """Language of the names of measures: that of the report, unless asked for."""
    asked = study.restoration.language if study.restoration is not None else None
    return asked or study.report.language


def _read(study: Study) -> str | None:
    options = study.restoration
    if options is None:
        return None
    records = _records(options)
    _profile(options)
    bare = [record.name for record in records if "grade" not in record.facts]
    if bare and not grades_computed(study):
        raise StudyError(
            "units without a grade of degradation",
            found=f"{len(bare)} of {len(records)}, such as {bare[0]}",
            do="Give the units an attribute grade (none, light, moderate, heavy or severe), or add "
            "[vegetation]",
        )
    return f"Units: {len(records)} of {options.units}"


def _records(options: RestorationOptions) -> tuple[UnitRecord, ...]:
    from headwater.restoration import read_units

    records = read_units(
        options.units, name=options.name, crs=options.crs, encoding=options.encoding
    )
    if records[0].outline is None:
        raise StudyError(
            "[restoration] units is a table, and has no outlines",
            found=options.units,
            do="Give a GeoPackage, GeoJSON or shapefile; a table goes to: headwater plan make",
        )
    return records


def _profile(options: RestorationOptions) -> MeasureProfile:
    from headwater.restoration import read_profile

    profile = read_profile(options.measures)
    unknown = [name for name in options.durations if name not in profile.texts]
    if unknown:
        raise StudyError(
            "[restoration] durations names no measure",
            found=f"'{unknown[0]}'",
            do=f"Known: {', '.join(profile.texts)}",
        )
    return profile


def _check(
    study: Study, inputs: Mapping[str, xr.DataArray], grid: GeoBox, period: tuple[Any, Any] | None
) -> Iterator[HeadwaterError]:
    """Report units outside of the grid, and data that are not daily."""
    options = study.restoration
    if options is None:
        return
    for name in needed_variables(study, options).values():
        times = (
            inputs[name]["time"].values if name in inputs and "time" in inputs[name].dims else ()
        )
        if name in inputs and not len(times):
            yield TimeAxisError(
                f"a calendar needs daily values of '{name}'", found="no time", do="Give a series"
            )
        steps = np.diff(np.asarray(times)) if len(times) > 1 else np.array([])
        if len(steps) and np.issubdtype(steps.dtype, np.timedelta64):
            days = float(np.median(steps) / np.timedelta64(1, "D"))
            if days > 1:
                yield TimeAxisError(
                    f"a calendar needs daily values of '{name}'",
                    found=f"steps of {days:g} d",
                    do="Give daily data",
                )
    records = _records(options)
    if grid is not None:
        cells_of_units(records, grid)
    yield from _too_short_to_grade(study, inputs, records)


def _too_short_to_grade(
    study: Study, inputs: Mapping[str, xr.DataArray], records: tuple[UnitRecord, ...]
) -> Iterator[HeadwaterError]:
    """Report units without a grade where the record of vegetation cannot give one."""
    bare = [record.name for record in records if "grade" not in record.facts]
    greenness = inputs.get(getattr(study.vegetation, "ndvi", None) or "ndvi")
    if not bare or greenness is None or "time" not in greenness.dims:
        return
    years = np.unique(greenness["time"].dt.year.values).size
    if years < YEARS_OF_GRADES:
        yield DataError(
            "units without a grade of degradation, and too short a record to compute it",
            found=f"{len(bare)} of {len(records)} units, such as {bare[0]}; {years} years of NDVI",
            do=f"Give the units an attribute grade, or {YEARS_OF_GRADES} years of NDVI",
        )


def _run(context: Context) -> Mapping[str, Result]:
    from headwater.grids.geometry import geobox_of

    options = context.study.restoration
    assert options is not None
    records, profile = _records(options), _profile(options)
    elevation = context.variable("elevation").load()
    unit, cell = cells_of_units(records, geobox_of(elevation))
    refuse_unknown(records, unit, np.isfinite(elevation.values.ravel()[cell]))
    context.progress(0.1, "seasons")
    places = choose_places(unit, cell, elevation.values)
    season = season_of_study(context, places, len(records))
    context.progress(0.7, "plan")
    units, left_out = _units(context, records, (unit, cell), season)
    season = replace(season, cautions=(*season.cautions, *left_out))
    plan = _worked_on(context, _plan(options, units, profile, season))
    _write(context, plan)
    return _results(context, plan, profile, season) | _harvest(plan, options, season, places)


def _units(
    context: Context, records: tuple[UnitRecord, ...], pairs: tuple[Any, Any], season: StudySeason
) -> tuple[list[Unit], tuple[str, ...]]:
    """Make the units of which enough is known, and say which are left out."""
    from headwater.restoration.measures import amounts_at
    from headwater.restoration.units import unit_of

    count = len(records)
    amounts = amounts_of(context.study.restoration)
    maps = {
        name: mean_of_units(context.variable(name).values, *pairs, count)
        for name in ("elevation", "slope")
    }
    if "aspect" in context.study.variables:
        facing = np.radians(context.variable("aspect").values)
        east, north = (mean_of_units(part(facing), *pairs, count) for part in (np.sin, np.cos))
        maps["aspect"] = np.degrees(np.arctan2(east, north)) % 360
    maps["coming_water"] = season.chance
    seen = evidence_of_units(context, *pairs, count)
    bare = [i for i in range(count) if "grade" not in {**records[i].facts, **seen[i]}]
    kept = [i for i in range(count) if i not in bare] or list(range(count))
    units = []
    for i in kept:
        known = {name: float(values[i]) for name, values in maps.items()} | seen[i]
        height = float(records[i].facts.get("elevation", known["elevation"]))
        units.append(unit_of(records[i], amounts_at(amounts, height) | known))
    names = ", ".join(records[i].name for i in bare)
    words = f"Left out of the plan, for their grade of degradation is not known: {names}."
    return units, (words,) if bare else ()


def _plan(
    options: RestorationOptions, units: list[Unit], profile: MeasureProfile, season: StudySeason
) -> Plan:
    from headwater.restoration import make_plan
    from headwater.restoration.plan import PlanOptions

    how = PlanOptions(
        durations=options.durations,
        share=options.share,
        storm=options.storm,
        curve_number=options.curve_number,
        infiltration=options.infiltration,
    )
    year = options.year or season.last_year + 1
    return make_plan(units, profile, year=year, season=season.fits, options=how)


def _worked_on(context: Context, plan: Plan) -> Plan:
    """Keep what people have decided on the plan of an earlier run."""
    from headwater.restoration import load_plan
    from headwater.restoration.plan_store import merge_plan

    before = context.results / "restoration" / "plan.geojson"
    if not before.is_file():
        return plan
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return merge_plan(load_plan(before), plan, time=now)


def _write(context: Context, plan: Plan) -> None:
    from headwater.restoration import save_plan, write_plan

    for suffix in ("xlsx", "gpkg") if context.rehearsal else ("xlsx", "gpkg", "html"):
        write_plan(plan, context.folder / f"plan.{suffix}", language=_language(context.study))
    save_plan(plan, context.folder / "plan.geojson")


def _results(
    context: Context, plan: Plan, profile: MeasureProfile, season: StudySeason
) -> dict[str, Result]:
    from headwater.restoration import plan_table
    from headwater.restoration.results import (
        DryYearTable,
        PlanTable,
        UnitTable,
        dry_year_frame,
        unit_frame,
    )

    options = context.study.restoration
    assert options is not None
    table = plan_table(plan, language=_language(context.study))
    table.attrs["year"] = plan.year
    found: dict[str, Result] = {
        "plan": PlanTable(
            table,
            _PLAN,
            choices=(f"Measures by profile {plan.profile}.",),
            cautions=(*_PROPOSALS, *season.cautions),
        ),
        "units": UnitTable(unit_frame(plan.lines), "Management units with grade and priority."),
    }
    if season.fits is not None:
        found["calendar"] = _calendar(options, season, season.fits, profile)
    if season.dry is not None:
        found["dry-years"] = DryYearTable(dry_year_frame(season.dry), _DRY)
    return found


def _calendar(
    options: RestorationOptions,
    season: StudySeason,
    fits: SeasonFits,
    profile: MeasureProfile,
) -> WorkCalendar:
    from headwater.restoration.results import WorkCalendar
    from headwater.restoration.work_calendar import calendar_table

    table = calendar_table(
        fits,
        options.bands or _bands(season),
        durations=options.durations,
        share=options.share,
        profile=profile,
    )
    return WorkCalendar(
        table, _CALENDAR, _REFERENCES, choices=season.choices, cautions=season.cautions
    )


_PLAN = (
    "Each unit takes the measures of its grade, less those that slope, soil, permafrost, "
    "protection or carrying capacity forbid; priority is grade × probability × root of the area × "
    "chance of success."
)
_CALENDAR = (
    "Start of season was fitted by altitude, its square, aspect and year, years as random effects; "
    "a deadline is its early quantile in a year to come, the latest beginning that less "
    "the duration."
)
_DRY = (
    "Closing of the window to plant was regressed on the water of the year, with years as "
    "replicates."
)
_REFERENCES = (
    "Searle, S. R., Casella, G., McCulloch, C. E. (1992). Variance Components. Wiley. "
    "https://doi.org/10.1002/9780470316856",
)
_PROPOSALS = (
    "Numbers marked as proposals have no source: the range of altitudes where seed fails, ditches' "
    "slopes, and limits on permafrost.",
    "Durations of work, seed, fertiliser and fencing are the user's fields, without defaults.",
)


def _bands(season: StudySeason) -> tuple[float, ...]:
    assert season.fits is not None
    low, high = season.fits.start.lowest, season.fits.start.highest
    first, last = np.floor(low / _BAND) * _BAND, np.ceil(high / _BAND) * _BAND
    return tuple(np.arange(first, last + 1, _BAND).tolist())


def _harvest(
    plan: Plan, options: RestorationOptions, season: StudySeason, places: object
) -> dict[str, Result]:
    """Rain harvesting where it is planned: the design, and what it does with a season's rain."""
    import pandas as pd

    from headwater.restoration.earthwork_design import season_harvest
    from headwater.results import TableResult

    rows = []
    for line in plan.lines:
        for work in line.works:
            design = work.design
            if design is None:
                continue
            row: dict[str, Any] = {"unit": line.unit.name, "kind": design.kind}
            names = "width depth spacing row_distance per_hectare volume storm_runoff kept overflow"
            row |= {name: getattr(design, name) for name in names.split()}
            row |= {"cut": design.cut, "cut_low": design.cut_low, "cut_high": design.cut_high}
            row |= {"per_plant": design.per_plant, "enough": design.enough}
            if season.rain is not None:
                kept = season_harvest(
                    season.rain.mean("place").values,
                    design.store,
                    infiltration=options.infiltration or 5.0,
                )
                row |= {"season_runoff": kept.runoff, "season_kept": kept.kept}
                row |= {"season_overflow": kept.overflow}
            rows.append(row)
    if not rows:
        return {}
    table = pd.DataFrame(rows)
    table.attrs["units"] = dict.fromkeys(
        ("width", "depth", "spacing", "row_distance"), "m"
    ) | dict.fromkeys(("volume", "storm_runoff", "kept", "overflow"), "mm")
    table.attrs["units"] |= {"per_hectare": "ha-1", "per_plant": "L"}
    table.attrs["units"] |= dict.fromkeys(
        [name for name in table if str(name).startswith("season_")], "mm"
    )
    return {"rain-harvesting": TableResult(table, _HARVEST, references=_FU)}


_HARVEST = (
    "Runoff by curve number; pits catch the share that was calibrated to three published events "
    "(a calibration, no test), and the cut is given with its range for curve numbers ten lower and "
    "higher."
)
_FU = (
    "Fu, S., et al. (2010). Trans. ASABE 53(1), 157-162.",
    "USDA NRCS (2004). National Engineering Handbook, part 630, chapter 10.",
)


STEP = Step(
    name="restoration",
    title="Plan restoration",
    needs=("grids",),
    options=_options,
    run=_run,
    after=("downscaling", "vegetation", "warning"),
    check=_check,
    read_tables=_read,
)
