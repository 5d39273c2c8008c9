"""The step "warning": states of every cell, drought, alerts with evidence, and rehearsals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning import alerts as alerting
from headwater.chapters.warning import series
from headwater.chapters.warning.options import WarningOptions
from headwater.chapters.warning.rehearsals import rehearsal_results
from headwater.chapters.warning.run import Plan, Seen, make_plan, watch_grid
from headwater.errors import DataError, HeadwaterError
from headwater.results import fingerprint
from headwater.study.step import Context, Step
from headwater.warning.baseline import REASONS
from headwater.warning.ladder import STATES
from headwater.warning.standardised import FEWEST

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["STEP", "watch_results"]

_FEW_YEARS = 30
_REFERENCES = (
    "Page, E. S. (1954). Continuous inspection schemes. Biometrika 41, 100-115. "
    "doi:10.1093/biomet/41.1-2.100 (CUSUM).",
    "Svoboda, M., et al. (2002). The Drought Monitor. Bulletin of the American Meteorological "
    "Society 83, 1181-1190. doi:10.1175/1520-0477-83.8.1181 (drought classes).",
    "Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the "
    "Royal Statistical Society B 57, 289-300. doi:10.1111/j.2517-6161.1995.tb02031.x (share of "
    "false alarms).",
)


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.warning
    if options is None:
        return None
    green, water = series.named(study, options)
    return {
        **options.model_dump(mode="json"),
        "of": green,
        "water": water,
        "rain": series.named_rain(study, options),
        "demand": series.named_demand(study, options),
        "growing_season": study.growing_season,
    }


def _check(
    study: Study, inputs: Mapping[str, xr.DataArray], grid: GeoBox, period: tuple[Any, Any] | None
) -> Iterator[HeadwaterError]:
    """Report what would leave [warning] without a history, before anything is computed."""
    options = study.warning
    if options is None:
        return
    green, water = series.named(study, options)
    demand = series.named_demand(study, options)
    for name in filter(None, (green, water, options.rain, demand)):
        if name in inputs and inputs[name].sizes.get("time", 1) < 2:
            yield DataError(
                f"[warning] needs '{name}' to change in time",
                found="a single map",
                do="Give a series of maps",
            )
            return
    for name in filter(None, (options.rain, demand)):
        if name in inputs:
            yield from _rain_problems(name, _times_of(inputs[name], period))
    both = (series.named_rain(study, options), demand) if demand is not None else ()
    for one in filter(None, both):
        if one in inputs:
            yield from _amount_problems(inputs[one])
    if green in inputs:
        yield from _history_problems(_times_of(inputs[green], period), study, options)


def _times_of(data: xr.DataArray, period: tuple[Any, Any] | None) -> pd.DatetimeIndex:
    times: Any = data.indexes["time"]
    times = times if isinstance(times, pd.DatetimeIndex) else times.to_datetimeindex(time_unit="ns")
    if period is not None:
        times = times[(times >= pd.Timestamp(period[0])) & (times <= pd.Timestamp(period[1]))]
    found: pd.DatetimeIndex = times
    return found


def _amount_problems(data: xr.DataArray) -> Iterator[HeadwaterError]:
    try:
        series.per_day(data, data.attrs.get("units", ""))
    except HeadwaterError as error:
        yield error


def _rain_problems(name: str, times: pd.DatetimeIndex) -> Iterator[HeadwaterError]:
    years = len(np.unique(times.year))
    if years < FEWEST:
        yield DataError(
            f"[warning] has too few years of '{name}' for an index",
            found=f"{years} years",
            do=f"Give at least {FEWEST} years, better 30, or leave it out of [warning]",
        )


def _history_problems(
    times: pd.DatetimeIndex, study: Study, options: WarningOptions
) -> Iterator[HeadwaterError]:
    from headwater.warning.baseline import season_parts

    calendar = series.calendar_of(study.growing_season, options)
    if len(times) < 2:
        yield DataError(
            "[warning] has no times to watch", found=f"{len(times)}", do="Correct the period"
        )
        return
    dummy = xr.DataArray(np.zeros(len(times)), {"time": times}, "time")
    days, _ = series.composites(dummy, options.step)
    try:
        split = series.split_day(pd.DatetimeIndex(days), options)
    except DataError as error:
        yield error
        return
    inside = season_parts(calendar.moved(days), calendar.options) >= 0
    least = max(options.min_n, 2 * options.harmonics + 4)
    n = int((inside & (days < split)).sum())
    if n < least:
        yield DataError(
            "baselines too short: the history of [warning] has too few dates in growing seasons",
            found=f"{n} before {split}, {least} needed",
            do="Give a longer record, a later watch_from, a shorter step, or a smaller min_n",
        )
    if not (inside & (days >= split)).any():
        yield DataError(
            "[warning] has no growing season to watch",
            found=f"none from {split} on",
            do="Give an earlier watch_from",
        )


def _run(context: Context) -> Mapping[str, Result]:
    options = context.study.warning
    assert options is not None
    return watch_results(context, options)


def watch_results(context: Context, options: WarningOptions) -> dict[str, Result]:
    """Watch the study's grids and say how well that works.

    Parameters
    ----------
    context : Context
        With the study's grids computed.
    options : WarningOptions

    Returns
    -------
    dict of Result
        ``states``, ``timeline``, ``alerts``, ``evidence``; ``drought`` where there is water, and
        ``rain`` where there are ten years of rain;
        ``rehearsal`` and ``run-length`` where asked for.
    """
    green_name, water_name = series.named(context.study, options)
    green = context.variable(green_name).transpose("time", "y", "x")
    water = None if water_name is None else context.variable(water_name)
    water = None if water is None else water.transpose("time", "y", "x")
    context.progress(0.02, "thresholds for the set rate of false alarms")
    plan = make_plan(
        green,
        water,
        options,
        growing_season=context.study.growing_season,
        rng=context.rng,
    )
    seen = watch_grid(
        context, green, water, plan, lambda part: context.progress(0.2 + 0.5 * part, "cells")
    )
    grid = green.isel(time=0, drop=True)
    numbers = alerting.label_alerts(seen, options.min_cells)
    found: dict[str, Result] = {"states": _states(seen, plan, numbers, green, grid)}
    found["timeline"] = _timeline(seen, plan)
    if water is not None:
        found["drought"] = _drought(seen, plan, water, grid)
    found |= _by_rain(context, options)
    context.progress(0.75, "evidence of alerts")
    found |= _alerts(seen, plan, numbers, green, water)
    if options.rehearsals:
        context.progress(0.85, "rehearsals on the history")
        found |= rehearsal_results(context, plan, green, water)
    return found


def _by_rain(context: Context, options: WarningOptions) -> dict[str, Result]:
    """Say which seasons are dry by rain, where there are ten years of it."""
    from headwater.chapters.warning.rain import rain_table

    name = series.named_rain(context.study, options)
    if name is None or "time" not in context.variable(name).dims:
        return {}
    rain = context.variable(name).transpose("time", "y", "x")
    asked, demand = series.named_demand(context.study, options), None
    if asked is not None:
        demand = context.variable(asked).transpose("time", "y", "x")
        rain, demand = (series.per_day(one, one.attrs.get("units", "")) for one in (rain, demand))
    season, megabytes = context.study.growing_season, context.settings.chunk_mb
    found = rain_table(rain, options, season, megabytes, demand=demand)
    return {} if found is None else {"rain": found}


def _method(plan: Plan) -> str:
    season = plan.calendar.options.season
    limits = plan.thresholds
    return (
        f"Greenness of the growing season (days {season[0] + plan.calendar.shift} to "
        f"{season[1] + plan.calendar.shift}) was compared with what season and soil water let "
        f"expect, fitted in each cell on its history before {plan.split}; a one-sided "
        f"{limits.detector} above {limits.threshold.min():.1f} to "
        f"{limits.threshold.max():.1f} σ, by memory, raises a watch, {limits.rate:g} false ones "
        "being tolerated per cell and season, on the resampled history too; a watch that lasts is "
        "a warning, and a later season confirms it or not. "
        f"Maps show the cells of which {plan.options.map_share:.0%} are false on average."
    )


def _choices(plan: Plan) -> tuple[str, ...]:
    words = "Water does not enter the baseline: no form of the response beat none."
    water = plan.form.words if plan.form else words
    return (
        water,
        f"Composites of {plan.options.step} days where the input has shorter steps; "
        f"{plan.missing:.0%} of the history's composites are missing, which the thresholds allow "
        "for.",
    )


def _on_grid(values: NDArray[Any], grid: xr.DataArray, **attrs: Any) -> xr.DataArray:
    return xr.DataArray(values, {**grid.coords}, ("y", "x"), attrs=attrs)


def _states(
    seen: Seen, plan: Plan, numbers: NDArray[np.int32], green: xr.DataArray, grid: xr.DataArray
) -> Result:
    from headwater.chapters.warning.results import StateMap

    cells = seen.cells
    data = _state_maps(seen, numbers, str(green.attrs.get("units", "1")), grid)
    data.attrs |= {
        "states": list(STATES),
        "reasons": list(REASONS),
        "of": str(green.attrs.get("long_name", green.name)),
        "first_day": str(plan.split),
        "last_day": str(green["time"].values[-1])[:10],
        "map_share": plan.options.map_share,
        "false_alarms": plan.thresholds.rate,
    }
    lowered = plan.thresholds.rate < plan.options.false_alarms
    words = f"So many seasons are watched that the rate was lowered to {plan.thresholds.rate:g}."
    return StateMap(
        data,
        _method(plan),
        _REFERENCES,
        fingerprint(cells["state"], cells["p"], plan.thresholds.threshold),
        _choices(plan),
        (words,) if lowered else (),
    )


def _state_maps(
    seen: Seen, numbers: NDArray[np.int32], unit: str, grid: xr.DataArray
) -> xr.Dataset:
    """Lay the states and what they rest on on the grid."""
    cells = seen.cells
    state = np.where(cells["reason"] == len(REASONS), -2, cells["state"]).astype(np.int16)
    why = np.where(state == -2, -1, cells["reason"]).astype(np.int16)
    maps = {
        "state": _on_grid(state, grid, long_name="State", units="1"),
        "alert": _on_grid(numbers.astype(np.int32), grid, long_name="Alert", units="1"),
        "shown": _on_grid(cells["shown"].astype(np.int16), grid, long_name="Stands out", units="1"),
        "reason": _on_grid(why, grid, long_name="Why there is no model", units="1"),
    }
    names = {"p": "1", "memory": "1", "n": "1", "loss": unit, "water_part": unit}
    names |= {"since": "d", "first_watch": "d", "confirmed": "d"}
    for name, units in names.items():
        values = np.asarray(cells[name], dtype=np.float64)
        maps[name] = _on_grid(np.where(state >= 0, values, np.nan), grid, units=units)
    data = xr.Dataset(maps)
    data["season_state"] = xr.DataArray(
        cells["season_state"].astype(np.int16),
        {"season": list(seen.seasons), "y": grid["y"], "x": grid["x"]},
        ("season", "y", "x"),
    )
    return data


def _timeline(seen: Seen, plan: Plan) -> Result:
    from headwater.chapters.warning.results import Timeline

    table = seen.shares[seen.shares["n"] > 0].copy()
    table["share"] = table["cells"] / table["n"]
    table = table[["date", "quantity", "state", "share", "n"]].reset_index(drop=True)
    table.attrs["split"] = str(plan.split)
    return Timeline(table, "Share of the cells with a model in each state, by date.")


def _drought(seen: Seen, plan: Plan, water: xr.DataArray, grid: xr.DataArray) -> Result:
    from headwater.chapters.warning.results import DroughtMap

    years = len(seen.drought_seasons)
    cells, options = seen.cells, plan.options
    data = xr.Dataset(
        {
            "percentile": _on_grid(cells["percentile"], grid, units="percent"),
            "drought_class": _on_grid(cells["drought_class"].astype(np.int16), grid, units="1"),
            "ssi": _on_grid(cells["ssi"], grid, units="1"),
            "days": xr.DataArray(
                cells["drought_days"],
                {"season": list(seen.drought_seasons), "y": grid["y"], "x": grid["x"]},
                ("season", "y", "x"),
                attrs={"units": "d", "long_name": "Days of drought"},
            ),
        },
        attrs={"of": str(water.attrs.get("long_name", water.name)), "years": years},
    )
    cautions = (
        (
            f"Percentiles of {years} years: of so few, the driest season is always a drought "
            "somewhere; thirty years are the usual advice.",
        )
        if years < _FEW_YEARS
        else ()
    )
    return DroughtMap(
        data,
        "Pentads of soil water in the growing season were ranked among those within 15 days of "
        f"their day of the year (Weibull's p = r / (n + 1), r the highest of equal "
        f"values, so that what is often so is no drought; {years} years). A drought is on after "
        f"{options.drought_steps} pentads at or below the {options.drought_at:g} % percentile, and "
        f"ends above {options.drought_ends:g} % or with the season. SSI (empirical, Gringorten) "
        "needs ten years.",
        _REFERENCES,
        fingerprint(cells["percentile"], cells["drought_days"]),
        cautions=cautions,
    )


def _alerts(
    seen: Seen,
    plan: Plan,
    numbers: NDArray[np.int32],
    green: xr.DataArray,
    water: xr.DataArray | None,
) -> dict[str, Result]:
    from headwater.chapters.warning.results import AlertTable, EvidenceTable

    table = alerting.alert_rows(seen, numbers, green.isel(time=0, drop=True))
    unit = str(green.attrs.get("units", "1"))
    table.attrs["units"] = {"area": "km2", "loss": unit, "water_part": unit}
    found: dict[str, Result] = {
        "alerts": AlertTable(
            table,
            f"Groups of at least {plan.options.min_cells} neighbouring cells that stand out and "
            "are or were on the ladder.",
        )
    }
    rows = alerting.evidence_rows(green, water, numbers, plan)
    if len(rows):
        rows.attrs["units"] = dict.fromkeys(("observed", "expected", "low", "high"), unit)
        rows.attrs["of"] = str(green.attrs.get("long_name", green.name))
        rows.attrs["split"] = str(plan.split)
        rows = rows.reset_index(drop=True)
        rows.attrs["states"] = dict(zip(table["alert"].astype(str), table["state"], strict=True))
        found["evidence"] = EvidenceTable(
            rows, "Means over the cells of each alert; the band holds 95 % of single observations."
        )
    return found


STEP: Step = Step(
    name="warning",
    title="Watch for drought and degradation",
    needs=("grids",),
    options=_options,
    run=_run,
    after=("downscaling",),
    check=_check,
)
