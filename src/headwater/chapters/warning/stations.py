"""The same watch over stations: a station is a grid of one cell.

A new date costs one update of what is kept; late and corrected observations run again from the
checkpoint at the beginning of their season, those of the history from the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning.kept import WatchState
from headwater.chapters.warning.options import StationWarningOptions
from headwater.chapters.warning.rain import months_of_rain, rain_standing
from headwater.chapters.warning.run import make_plan, reference_season
from headwater.chapters.warning.series import averaged, calendar_of, composites, days_of, split_day
from headwater.chapters.warning.standing import SEVERITY, Standing
from headwater.chapters.warning.station_days import StationSeries, read_days
from headwater.chapters.warning.watching import Archive, Arrived, begin_watch, go_on, shown_cells
from headwater.errors import DataError, StudyError
from headwater.results import fingerprint
from headwater.warning import seasonal_percentile
from headwater.warning.baseline import season_parts
from headwater.warning.drought import drought_watch
from headwater.warning.ladder import STATES
from headwater.warning.standardised import DROUGHT_CLASSES, drought_class

if TYPE_CHECKING:
    from headwater.network.store.protocol import Store

__all__ = ["follow_stations", "read_stations", "station_options", "station_standings"]

_PENTAD = 5
_ANSWERED = np.timedelta64(40, "D")
"""Composites and pentads of the history's end reach so far into what is watched, at most."""
_CHINESE = {"watch": "关注", "warning": "预警", "confirmed": "确认退化"}


def station_options(table: dict[str, Any], name: str) -> StationWarningOptions:
    """Check table ``[warning]`` of a mapping.

    Parameters
    ----------
    table : dict
    name : str
        Of the mapping's file.

    Returns
    -------
    StationWarningOptions

    Raises
    ------
    StudyError
        Naming the first key that is unknown or cannot be so.
    """
    from pydantic import ValidationError

    from headwater.errors import nearest

    try:
        return StationWarningOptions.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, StudyError):
            raise cause from error
        key = str(first["loc"][0]) if first["loc"] else ""
        do = first["msg"]
        if first["type"] == "extra_forbidden":
            do = nearest(key, sorted(StationWarningOptions.model_fields))
        raise StudyError(
            f"[warning] of {name}: {key} cannot be so", found=repr(first["input"])[:80], do=do
        ) from error


def read_stations(store: Store, options: StationWarningOptions) -> StationSeries:
    """Read daily means of soil water, greenness and rain.

    Parameters
    ----------
    store : Store
    options : StationWarningOptions

    Returns
    -------
    StationSeries

    Raises
    ------
    DataError
        If no station observes any of them.
    """
    return read_days(store, options).by_station()


def follow_stations(
    series: StationSeries,
    options: StationWarningOptions,
    today: np.datetime64,
    known: WatchState | None = None,
    arrived: Arrived | None = None,
    *,
    rng: np.random.Generator,
) -> WatchState | None:
    """Take what has come into the watch over greenness, from where it stands or from the history.

    Parameters
    ----------
    series : StationSeries
    options : StationWarningOptions
    today : datetime64[D]
    known : WatchState, optional
        Where the watch stood; another history, calendar or list of stations begins anew.
    arrived : Arrived, optional
        What has changed since then.
    rng : Generator
        Of the calibration; give one in the same state each time.

    Returns
    -------
    WatchState or None
        None without greenness of enough years, where soil water or rain are watched alone.

    Raises
    ------
    DataError
        If neither is there.
    """
    if series.green is None:
        return None
    archive = Archive(series.green, today, 1e9, series.water)
    try:
        key = _key(series, options)
        if known is not None and known.key == key and arrived is not None:
            return go_on(known, archive, arrived)[0]
        plan = make_plan(
            series.green,
            series.water,
            options,
            growing_season=options.growing_season,
            rng=rng,
            n_seasons=options.watch_seasons,
        )
    except DataError:
        if series.water is None and series.rain is None:
            raise
        return None
    return begin_watch(archive, plan, key)


def _key(series: StationSeries, options: StationWarningOptions) -> str:
    """Hash all that the histories and thresholds rest on."""
    assert series.green is not None
    calendar = calendar_of(options.growing_season, options)
    times, _ = composites(series.green, options.step)
    split = split_day(pd.DatetimeIndex(times), options)
    moved = calendar.moved(times)
    past = times < split
    year = reference_season(moved, past, calendar.options)
    watched = len(np.unique(moved[~past].astype("datetime64[Y]")))
    history = [
        (one.name, one.values[days_of(one) < split + _ANSWERED])
        for one in (series.green, series.water)
        if one is not None
    ]
    reported = options.model_dump(mode="json", exclude={"channels", "rehearsals", "drought_share"})
    stations = series.stations["station"].tolist()
    return fingerprint(reported, stations, str(split), watched, year, history)


def station_standings(
    series: StationSeries,
    options: StationWarningOptions,
    today: np.datetime64,
    state: WatchState | None = None,
) -> Iterator[Standing]:
    """Describe what stands as an alert.

    Parameters
    ----------
    series : StationSeries
    options : StationWarningOptions
    today : datetime64[D]
    state : WatchState, optional
        Of the greenness, from :func:`follow_stations`.

    Yields
    ------
    Standing
    """
    if series.water is not None:
        yield from _droughts(series, options, today)
    if series.rain is not None:
        yield from _dry_seasons(series, options, today)
    if state is not None:
        yield from _losses(series, state)


def _droughts(
    series: StationSeries, options: StationWarningOptions, today: np.datetime64
) -> Iterator[Standing]:
    assert series.water is not None
    season = _season_of(series.water, options, today)
    if season is None:
        return
    for at, row in series.stations.iterrows():
        place = int(str(at))
        known = np.isfinite(season.values[:, place])
        years = len(np.unique(season.years[known]))
        if not season.on[place] or years < options.min_years:
            continue
        p = float(season.percentile[place])
        kind = DROUGHT_CLASSES[int(drought_class([p])[0])]
        last = season.values[season.day_index[place], place]
        facts = {
            "percentile": round(p, 1),
            "drought_class": kind,
            "soil_water": round(float(last), 4),
            "unit": "m3 m-3",
            "years": years,
            "last_day": str(season.days[season.day_index[place]]),
            "begins_percentile": options.drought_at,
            "ends_percentile": options.drought_ends,
        }
        name = str(row["station"])
        yield Standing(
            f"{name}: drought",
            "watch",
            SEVERITY["drought"],
            f"Drought at {name}: soil water {last:.3f} m3 m-3, percentile {p:.0f} of {years} years",
            f"{name} 干旱：土壤水分 {last:.3f} m³ m⁻³，为 {years} 年中第 {p:.0f} 百分位",
            facts,
        )


def _dry_seasons(
    series: StationSeries, options: StationWarningOptions, today: np.datetime64
) -> Iterator[Standing]:
    assert series.rain is not None
    days, season = days_of(series.rain), options.growing_season
    for at, row in series.stations.iterrows():
        column, name = int(str(at)), str(row["station"])
        rain = series.rain.values[:, 0, column].astype(np.float64)
        demand = None if series.demand is None else series.demand.values[:, 0, column]
        if demand is not None:
            demand = demand[:, None].astype(np.float64) if np.isfinite(demand).any() else None
        months = months_of_rain(rain[:, None], days, today, demand=demand)
        found = rain_standing(months, options, season, today, place=name)
        if found is not None:
            yield found


@dataclass(frozen=True, slots=True, eq=False)
class _Season:
    """Pentads of all growing seasons, and where each station stands in the newest."""

    days: NDArray[np.datetime64]
    years: NDArray[np.int64]
    values: NDArray[np.float64]
    percentile: NDArray[np.float64]
    day_index: NDArray[np.int64]
    on: NDArray[np.bool_]


def _season_of(
    water: xr.DataArray, options: StationWarningOptions, today: np.datetime64
) -> _Season | None:
    calendar = calendar_of(options.growing_season, options)
    middle, starts = composites(water, _PENTAD)
    values = averaged(water.values.reshape(water.sizes["time"], -1), starts)
    moved = calendar.moved(middle)
    inside = season_parts(moved, calendar.options) >= 0
    this = calendar.moved([today])
    if not inside.any() or season_parts(this, calendar.options)[0] < 0:
        return None  # a drought does not outlast its season
    days, values, moved = middle[inside], values[inside], moved[inside]
    year = moved.astype("datetime64[Y]").astype(np.int64) + 1970
    newest = year == int(this[0].astype("datetime64[Y]").astype(np.int64)) + 1970
    if not newest.any():
        return None
    percentile = seasonal_percentile(values, moved, ties="highest")
    on = drought_watch(
        percentile,
        year,
        begins=options.drought_at,
        ends=options.drought_ends,
        persist=options.drought_steps,
    )
    seen = np.isfinite(percentile) & newest[:, None]
    last = len(seen) - 1 - seen[::-1].argmax(axis=0)
    places = np.arange(seen.shape[1])
    there = seen.any(axis=0)
    return _Season(days, year, values, percentile[last, places], last, on[last, places] & there)


def _losses(series: StationSeries, state: WatchState) -> Iterator[Standing]:
    plan = state.plan
    shown, p = shown_cells(state.now, plan)
    ladder = state.now.ladder
    for at, row in series.stations.iterrows():
        place = int(str(at))
        rung = int(ladder.state[place])
        if not shown[place] or rung not in (1, 2, 3):
            continue
        name, word = str(row["station"]), STATES[rung]
        n = int(ladder.n[place])
        facts = {
            "state": word,
            "p": round(float(p[place]), 6),
            "dates_of_season": n,
            "departure_sd": round(float(ladder.total[place] / n), 2) if n else None,
            "history_n": int(state.now.baseline.n[place]),
            "last_day": str(np.datetime64(state.now.last + plan.calendar.shift, "D")),
            "false_alarms_per_season": plan.thresholds.rate,
        }
        yield Standing(
            f"{name}: vegetation",
            word,
            SEVERITY[word],
            f"Vegetation loss at {name}: {word}, p {p[place]:.2g}",
            f"{name} 植被损失（{_CHINESE[word]}），p = {p[place]:.2g}",
            facts,
        )
