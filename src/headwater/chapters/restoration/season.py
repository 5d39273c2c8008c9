"""The calendar of a study: seasons of its places, fitted by altitude, aspect and year."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.restoration.places import Places, daily_series
from headwater.errors import DataError, StudyError, nearest

if TYPE_CHECKING:
    from headwater.chapters.restoration.options import RestorationOptions
    from headwater.restoration.profile import MeasureProfile
    from headwater.restoration.seasons import DryYears
    from headwater.restoration.work_calendar import SeasonFits
    from headwater.study.model import Study
    from headwater.study.step import Context

__all__ = ["StudySeason", "needed_variables", "season_of_study"]

AIR = "air"
_FEWEST_YEARS = 3
_ESTABLISHED = 30


@dataclass(frozen=True, slots=True, eq=False)
class StudySeason:
    """What the daily data of a study say of its seasons.

    Attributes
    ----------
    fits : SeasonFits or None
        None where the record is too short.
    dry : DryYears or None
    chance : ndarray, shape (units,)
        Share of years in which the topsoil stays moist for 30 days from the start of the season.
    rain : DataArray (time, place) or None
        Daily rain of the places, of the last whole year of seasons.
    last_year : int
        Of the last season, that of a turn of years being the later one.
    choices, cautions : tuple of str
    """

    fits: SeasonFits | None
    dry: DryYears | None
    chance: NDArray[np.float64]
    rain: xr.DataArray | None
    last_year: int
    choices: tuple[str, ...]
    cautions: tuple[str, ...]


def needed_variables(study: Study, options: RestorationOptions) -> dict[str, str]:
    """Name the variables that the calendar is made from.

    Parameters
    ----------
    study : Study
    options : RestorationOptions

    Returns
    -------
    dict of str
        ``temperature``, ``water``, ``thaw`` (or "air") and, where there is one, ``rain``.

    Raises
    ------
    StudyError
        If the study lacks one of them.
    """
    for key in ("temperature", "water"):
        name = getattr(options, key)
        if name not in study.variables:
            raise StudyError(
                f"[restoration] is a calendar without {key}",
                found=f"no input '{name}'",
                do=f"Add [inputs.{name}], or name the variable. {nearest(name, study.variables)}",
            )
    thaw = options.thaw or ("soil_temperature" if "soil_temperature" in study.variables else "")
    if thaw != AIR and thaw not in study.variables:
        raise StudyError(
            "[restoration] is a calendar without thaw",
            found=f"thaw = '{thaw}'" if thaw else "no soil temperature",
            do='Add [inputs.soil_temperature], or write thaw = "air" to let the ground follow the '
            "air, which can be weeks early",
        )
    found = {"temperature": options.temperature, "water": options.water, "thaw": thaw}
    rain = options.rain or "precipitation"
    if options.rain is not None and rain not in study.variables:
        raise StudyError(
            "[restoration] names a rain that the study does not have",
            found=f"'{rain}'",
            do=nearest(rain, study.variables),
        )
    return found | ({"rain": rain} if rain in study.variables else {})


def season_of_study(context: Context, places: Places, count: int) -> StudySeason:
    """Fit the seasons of a study.

    Parameters
    ----------
    context : Context
    places : Places
    count : int
        Of units.

    Returns
    -------
    StudySeason
    """
    from headwater.restoration import read_profile, season_windows
    from headwater.restoration.seasons import (
        HALF_YEAR,
        air_thaw,
        germination_water,
        season_of_day,
    )

    study, options = context.study, context.study.restoration
    assert options is not None
    names = needed_variables(study, options)
    air = daily_series(context.variable(names["temperature"]), places)
    water = daily_series(context.variable(names["water"]), places, fill=True)
    air, water = xr.align(air, water, join="inner")
    if names["thaw"] == AIR:
        soil = air_thaw(air)
    else:
        soil = daily_series(context.variable(names["thaw"]), places).reindex(time=air["time"])
    limit: Any = options.germination or germination_water(water, months=study.growing_season)
    shift = HALF_YEAR if study.growing_season[0] > study.growing_season[1] else 0
    profile = read_profile(options.measures)
    windows = season_windows(air, soil, water, germination=limit, shift=shift, profile=profile)
    rain = None
    if "rain" in names:
        rain = daily_series(context.variable(names["rain"]), places).reindex(time=air["time"])
    dry, wetness = _dry_years(windows, water if rain is None else rain, study.growing_season, shift)
    fits = _fits(context, windows, places, float("nan") if dry is None else dry.shift, shift)
    return StudySeason(
        fits=fits,
        dry=dry,
        chance=_chance(windows, places, count),
        rain=None if rain is None else _of_last_season(rain, shift),
        last_year=int(season_of_day(air["time"], shift)[-1]),
        choices=_choices(names, options, wetness, profile),
        cautions=_cautions(names, fits, dry, windows),
    )


def _of_last_season(rain: xr.DataArray, shift: int) -> xr.DataArray:
    from headwater.restoration.seasons import season_of_day

    seasons = season_of_day(rain["time"], shift)
    names, n = np.unique(seasons, return_counts=True)
    whole = names[n >= 365]
    last = whole[-1] if len(whole) else names[-1]
    return rain.isel(time=np.flatnonzero(seasons == last))


def _fits(
    context: Context, windows: xr.Dataset, places: Places, dry_shift: float, shift: int
) -> SeasonFits | None:
    from headwater.restoration.work_calendar import fit_seasons

    start = windows["start"].values
    if (np.isfinite(start).any(axis=1)).sum() < _FEWEST_YEARS:
        return None
    elevation = places.pick(context.variable("elevation")).values
    aspect = None
    if "aspect" in context.study.variables:
        aspect = places.pick(context.variable("aspect")).values
    try:
        return fit_seasons(windows, elevation, aspect, dry_shift=dry_shift, shift=shift)
    except DataError:  # starts of three years, yet ends of fewer: the cautions say so
        return None


def _dry_years(
    windows: xr.Dataset, water: xr.DataArray, season: tuple[int, int], shift: int
) -> tuple[DryYears | None, str]:
    """Compare the closing of the window with the water of spring and early summer."""
    from headwater.restoration.seasons import dry_year_shift, season_of_day

    first = season[0]
    months = [(first - 2 + i) % 12 + 1 for i in range(4)]
    spring = water.isel(time=np.flatnonzero(np.isin(water["time"].dt.month.values, months)))
    year = ("time", season_of_day(spring["time"], shift))
    by_year = spring.mean("place").assign_coords(year=year).groupby("year").mean()
    wetness = by_year.reindex(year=windows["year"]).values
    words = f"{water.name}, months {months[0]} to {months[-1]}"
    if np.isfinite(wetness).sum() < _FEWEST_YEARS or not np.nanstd(wetness) > 0:
        return None, words
    closes = windows["closes"].transpose("year", "place").values
    return dry_year_shift(closes, wetness, windows["year"].values), words


def _chance(windows: xr.Dataset, places: Places, count: int) -> NDArray[np.float64]:
    """Share of years with water for seedlings, drawn towards one half where years are few."""
    start, closes = windows["start"].values, windows["closes"].values
    known = np.isfinite(windows["thaw"].values)
    good = np.where(np.isfinite(start) & (closes - start >= _ESTABLISHED), 1.0, 0.0)
    chance = np.full(count, np.nan)
    for unit in range(count):
        own = places.units == unit
        years = known[:, own].any(axis=1) if own.any() else np.zeros(len(good), dtype=bool)
        if years.any():
            share = good[years][:, own].mean(axis=1)
            chance[unit] = (share.sum() + 1) / (len(share) + 2)
    return chance


def _choices(
    names: dict[str, str], options: RestorationOptions, wetness: str, profile: MeasureProfile
) -> tuple[str, ...]:
    limit = (
        f"{options.germination:g} m3 m-3"
        if options.germination
        else "what the driest fifth of its growing-season days has less than (our proposal)"
    )
    thaw = (
        "mean air temperature of 15 days above 0 °C"
        if names["thaw"] == AIR
        else f"{names['thaw']} above 0 °C"
    )
    run, warm = profile.number("season_run"), profile.number("season_warmth")
    return (
        f"The season starts on the first of {run:g} days in a row with {names['temperature']} of "
        f"{warm:g} °C or more, "
        f"thawed soil ({thaw}) and {names['water']} of at least {limit}.",
        f"Dry years are the driest third by {wetness}.",
        f"A gap of up to three days in {names['water']} takes the value before it.",
        "The chance of success is the share of past years in which the topsoil stayed moist for 30 "
        "days from the start of the season, drawn towards one half as (k + 1) / (n + 2).",
    )


def _cautions(
    names: dict[str, str], fits: SeasonFits | None, dry: DryYears | None, windows: xr.Dataset
) -> tuple[str, ...]:
    found = []
    years = windows.sizes["year"]
    if fits is None:
        found.append(f"There is no calendar: fewer than 3 of {years} years have a whole season.")
    elif years < 10:
        found.append(
            f"The calendar rests on {years} years; deadlines from fewer than ten are uncertain."
        )
    if names["thaw"] == AIR:
        found.append(
            "No soil temperature was measured: thaw follows the air, and can be weeks early under "
            "snow."
        )
    if fits is not None and fits.left_out:
        found.append(
            f"{fits.left_out} of {windows.sizes['place']} places have no start in more than three "
            "of ten years, and are left out of the calendar: above them it is extrapolated."
        )
    if dry is None or not np.isfinite(dry.shift):
        found.append("How much earlier the window closes in dry years needs five years or more.")
    return tuple(found)
