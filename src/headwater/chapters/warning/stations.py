"""The same watch over stations: a station is a grid of one cell.

All is computed anew from the store each time, so late and corrected observations need no
checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning.options import StationWarningOptions
from headwater.chapters.warning.rain import rain_standing
from headwater.chapters.warning.run import Plan, make_plan
from headwater.chapters.warning.series import averaged, calendar_of, composites, days_of
from headwater.chapters.warning.standing import SEVERITY, Standing
from headwater.chapters.warning.watching import Archive, begin_watch, shown_cells
from headwater.errors import DataError, StudyError
from headwater.network.times import DAY, LEEWAY
from headwater.warning import seasonal_percentile
from headwater.warning.baseline import season_parts
from headwater.warning.drought import drought_watch
from headwater.warning.ladder import STATES
from headwater.warning.standardised import DROUGHT_CLASSES, drought_class

if TYPE_CHECKING:
    from headwater.network.store.protocol import Store

__all__ = ["StationSeries", "read_stations", "station_options", "station_standings"]

_PENTAD = 5
_GREEN = ("ndvi", "evi", "fractional_cover", "lai")
_CHINESE = {"watch": "关注", "warning": "预警", "confirmed": "确认退化"}


@dataclass(frozen=True, slots=True, eq=False)
class StationSeries:
    """Daily means of the stations of a store.

    Attributes
    ----------
    stations : DataFrame
        ``station``, ``longitude``, ``latitude``, ``elevation``; in the order of the columns.
    water : DataArray (time, y, x) or None
        One row; a column for each station.
    green, rain : DataArray (time, y, x) or None
    """

    stations: pd.DataFrame
    water: xr.DataArray | None
    green: xr.DataArray | None
    rain: xr.DataArray | None = None


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
    """Read daily means of soil water and greenness.

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
        If no station observes either.
    """
    from headwater.network.inventory import list_series

    with store.transaction(read_only=True) as session:
        streams = list_series(session, virtual=options.cells)
        present = session.clock() + LEEWAY
    roles = {one.role for one in streams if np.isfinite(one.longitude)}
    green = options.of or next((one for one in _GREEN if one in roles), None)
    water, rain = options.water or "soil_moisture", options.rain or "precipitation"
    wanted = [name for name in (water, green, rain) if name in roles]
    spans = [one for one in streams if one.role in wanted and one.first is not None]
    if not spans:
        raise DataError(
            "no station with a known place observes what [warning] watches",
            found=", ".join(sorted(roles)) or "an empty store",
            do=f"Ingest {water} or a greenness ({', '.join(_GREEN)}), or name them as water and of",
        )
    first = min(one.first for one in spans if one.first is not None) // DAY
    # one clock that is wrong must not stretch all series by centuries
    last = min(max(one.last for one in spans if one.last is not None), present) // DAY
    edges = np.arange(first, last + 2, dtype=np.int64) * DAY
    return _joined(
        store, edges, {"water": water, "green": green, "rain": rain}, set(wanted), options
    )


def _joined(
    store: Store,
    edges: NDArray[np.int64],
    names: dict[str, str | None],
    there: set[str],
    options: StationWarningOptions,
) -> StationSeries:
    from headwater.network.derived.interval_means import station_means

    held = {
        part: station_means(
            store,
            name,
            edges,
            depth=options.depth if part == "water" else None,
            virtual=options.cells,
        )
        for part, name in names.items()
        if name in there and name is not None
    }
    table = pd.concat([one.stations for one in held.values()]).drop_duplicates("station")
    table = table.sort_values("station").reset_index(drop=True)
    times = pd.DatetimeIndex((edges[:-1] // DAY).astype("datetime64[D]").astype("datetime64[ns]"))
    found: dict[str, xr.DataArray | None] = {}
    for part, one in held.items():
        values = np.full((len(times), 1, len(table)), np.nan)
        where = table["station"].searchsorted(one.stations["station"].to_numpy())
        values[:, 0, where] = one.mean
        found[part] = xr.DataArray(values, {"time": times}, ("time", "y", "x"), name=names[part])
    return StationSeries(table, *(found.get(part) for part in ("water", "green", "rain")))


def station_standings(
    series: StationSeries,
    options: StationWarningOptions,
    today: np.datetime64,
    *,
    rng: np.random.Generator,
) -> Iterator[Standing]:
    """Watch the stations, and describe what stands as an alert.

    Parameters
    ----------
    series : StationSeries
    options : StationWarningOptions
    today : datetime64[D]
    rng : Generator
        Of the calibration.

    Yields
    ------
    Standing
    """
    if series.water is not None:
        yield from _droughts(series, options, today)
    if series.rain is not None:
        yield from _dry_seasons(series, options, today)
    if series.green is not None:
        try:
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
            return  # greenness of too few years: soil water and rain are watched alone
        yield from _losses(series, plan, today)


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
    days = days_of(series.rain)
    for at, row in series.stations.iterrows():
        values = series.rain.values[:, 0, int(str(at))].astype(np.float64)
        found = rain_standing(
            values, days, options, options.growing_season, today, place=str(row["station"])
        )
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


def _losses(series: StationSeries, plan: Plan, today: np.datetime64) -> Iterator[Standing]:
    assert series.green is not None
    archive = Archive(series.green, series.water, today, 1e9)
    state = begin_watch(archive, plan, "stations")
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
