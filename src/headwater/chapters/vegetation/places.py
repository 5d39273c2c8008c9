"""Vegetation of single places, from a table: cover, seasons, response to water, and grades."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from headwater.chapters.vegetation.inputs import (
    DIMIDIATE,
    FEWEST_VALUES,
    LAGGED_DAYS,
    NDVI_DAYS,
    QUOTED,
    RESPONSE_DAYS,
    WATER_DAYS,
    compared_years,
    greenest_months,
    typical_step,
    whole_seasons,
)
from headwater.errors import DataError
from headwater.results import TableResult, of_inputs
from headwater.vegetation import results as kinds
from headwater.vegetation.cover import EndValues, end_values, fractional_cover
from headwater.vegetation.degradation import grade_degradation, peak_of_season
from headwater.vegetation.profiles import GRADES, read_profile
from headwater.vegetation.smoothing import whittaker
from headwater.vegetation.steps import level_months, mean_steps

if TYPE_CHECKING:
    from headwater.chapters.vegetation.options import VegetationOptions
    from headwater.chapters.vegetation.table import GreennessTable
    from headwater.results import Result
    from headwater.vegetation.profiles import GradeProfile

__all__ = ["describe_places"]

_GROWING = (5, 10)
"""First and last month of the growing season, as a study has them by default."""
_FEWEST_STEPS = 5
_LONGEST_STEP = 31.5
_RELATIVE = (
    "End values are quantiles of the NDVI of this table alone: cover is relative to its barest and "
    "greenest values, too high where snow lay, and too low where nothing was bare. Give end values "
    "for cover of the ground."
)
_CALENDAR = "Seasons are of calendar years; one that spans New Year is not found."
_WEATHER = "What the weather of the compared years did is part of a grade."
_CERTAIN = "Heavy and severe are certain only where two seasons by themselves say so."
_UNEXPLAINED = "What water does not explain may be grazing, rodents, disease, warmth or noise."


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """One place: greenness and cover at steps of eight days, cover as seen, soil water."""

    name: str
    green: xr.DataArray
    cover: xr.DataArray
    smooth: xr.DataArray
    seen: xr.DataArray
    water: xr.DataArray | None


def describe_places(
    table: GreennessTable, options: VegetationOptions, *, rng: np.random.Generator
) -> dict[str, Result]:
    """Describe the vegetation of every place of a table.

    Parameters
    ----------
    table : GreennessTable
        Series of NDVI or cover, with soil water where there is some.
    options : VegetationOptions
        Table ``[vegetation]``; of it count ``end_values`` (of type 0), ``power``, ``threshold``,
        ``peak_months``, ``months``, ``profile``, ``baseline`` and ``recent``.
    rng : Generator
        Of the bootstraps; every place starts from its state, which is not advanced.

    Returns
    -------
    dict of Result
        ``cover``, ``seasons``, ``notes``; of NDVI ``end-values``; with soil water ``response`` and
        ``curves``; ``grade``. A place without a season, a response or a grade has the reason.

    Raises
    ------
    DataError
        If no place can be described: too few values, too long steps, or all values equal; if end
        values cannot be estimated; if years that were asked for are not in the record; or if a
        profile does not fit.

    Examples
    --------
    >>> from headwater.chapters.vegetation.options import VegetationOptions
    >>> from headwater.chapters.vegetation.table import read_greenness
    >>> days = pd.date_range("2001-01-01", "2008-12-31", freq="16D")
    >>> green = 0.15 + 0.5 * np.exp(-(((days.day_of_year - 205) / 40.0) ** 2))
    >>> text = pd.DataFrame({"time": days, "ndvi": green}).to_csv(index=False).encode()
    >>> options = VegetationOptions.model_validate({"end_values": {"0": (0.1, 0.8)}})
    >>> found = describe_places(read_greenness(text), options, rng=np.random.default_rng(1))
    >>> found["grade"].data["grade"].tolist(), found["seasons"].data["start"].round().tolist()[1:3]
    (['none'], [157.0, 157.0])
    """
    places, unfit = _usable(table)
    months = options.peak_months or _peak_months(places, options)
    ends = None if table.is_cover else _ends(places, options, rng)
    made = [_place(table, name, green, ends, options) for name, green in places.items()]
    found: dict[str, Result] = {"cover": _cover(made, ends)}
    if ends is not None:
        found["end-values"] = kinds.EndValueTable(
            ends.table.rename_axis("type").reset_index(),
            f"End values of the dimidiate pixel model: {ends.source}.",
            (DIMIDIATE,),
            cautions=(_RELATIVE,) if not options.end_values else (),
        )
    found["seasons"] = _seasons(made, options.threshold)
    if any(place.water is not None for place in made):
        found |= _responses(made, options, rng)
    found["grade"] = _grades(made, options, months, ends, rng)
    rows = [
        *table.left_out,
        *((f"not described: '{k}' has {why}", 1, "places") for k, why in unfit),
    ]
    notes = pd.DataFrame(rows, columns=["what", "count", "of"]).astype({"count": "int64"})
    found["notes"] = kinds.VegetationNotes(notes, "What was left out, guessed or not computed.")
    return found


def _usable(table: GreennessTable) -> tuple[dict[str, xr.DataArray], list[tuple[str, str]]]:
    """Take the series apart by place; those that cannot be described go, with the reason."""
    fit, unfit = {}, []
    for place, own in table.data.groupby("place", sort=False):
        green = _series(own, "green")
        why = _why_not(green)
        if why:
            unfit.append((str(place), why))
        else:
            fit[str(place)] = green
    if not fit:
        raise DataError(
            "no series can be described",
            found="; ".join(f"'{name}' has {why}" for name, why in unfit[:3]),
            do="Give NDVI or cover that changes, at steps of a month or less",
        )
    return fit, unfit


def _series(own: pd.DataFrame, column: str) -> xr.DataArray:
    known = own[own[column].notna()].sort_values("time")
    times = pd.DatetimeIndex(known["time"])
    return xr.DataArray(known[column].to_numpy(np.float64), {"time": times}, ("time",), column)


def _why_not(green: xr.DataArray) -> str:
    """Say why a series cannot be described; empty where it can."""
    if green.size < _FEWEST_STEPS or _evenly(green).count() < _FEWEST_STEPS:
        return f"{green.size} values, which fill fewer than {_FEWEST_STEPS} steps of 8 days"
    if typical_step(green) > _LONGEST_STEP:
        return f"a value every {typical_step(green):g} days"
    return "values that are all equal" if float(green.min()) == float(green.max()) else ""


def _evenly(seen: xr.DataArray) -> xr.DataArray:
    """Average in steps of eight days, each on the day that is the middle of what was seen."""
    even = mean_steps(seen, NDVI_DAYS).astype(np.float64)
    times = pd.DatetimeIndex(seen["time"].values)
    within = (times - times[0].normalize()).days % NDVI_DAYS
    # composites may all lie at the beginning of their steps
    ahead = round(float(within.to_numpy().mean())) - (NDVI_DAYS - 1) // 2
    return even.assign_coords(time=even["time"] + np.timedelta64(ahead, "D"))


def _peak_months(places: Mapping[str, xr.DataArray], options: VegetationOptions) -> tuple[int, ...]:
    """Find the greenest two months of all places."""
    values = np.concatenate([green.values for green in places.values()])
    times = np.concatenate([green["time"].values for green in places.values()])
    sample = xr.DataArray(values[:, None], {"time": times}, ("time", "cell"))
    season = (min(options.months), max(options.months)) if options.months else _GROWING
    found = greenest_months(sample, season)
    if not found:
        raise DataError(
            "no value lies in the growing season",
            found=f"values of months {sorted(set(pd.DatetimeIndex(times).month))}",
            do=f"Name months of the record by --month; default: {season[0]} to {season[1]}",
        )
    return found


def _ends(
    places: Mapping[str, xr.DataArray], options: VegetationOptions, rng: np.random.Generator
) -> EndValues:
    """Take end values from the user, or quantiles of all NDVI, whole years drawn again."""
    if options.end_values:
        return EndValues.given({0: options.end_values["0"]})
    parts = [
        own.values
        for green in places.values()
        for _, own in mean_steps(green, NDVI_DAYS).astype(np.float64).groupby("time.year")
    ]
    rows = np.full((len(parts), max(map(len, parts))), np.nan)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = part
    try:
        return end_values(
            xr.DataArray(rows, dims=("year", "cell")),
            rng=deepcopy(rng),
            min_values=FEWEST_VALUES,
        )
    except DataError as error:
        raise DataError(
            error.wrong, found=error.found, do="Give them: --end-values 0.08 0.80"
        ) from error


def _place(
    table: GreennessTable,
    name: str,
    seen: xr.DataArray,
    ends: EndValues | None,
    options: VegetationOptions,
) -> _Place:
    green = _evenly(seen)
    covers = (
        (green, seen)
        if ends is None
        else tuple(fractional_cover(one, ends, power=options.power) for one in (green, seen))
    )
    own = table.data[table.data["place"] == name]
    water = _series(own, "water") if "water" in own and own["water"].notna().any() else None
    return _Place(name, green, covers[0], whittaker(covers[0]), covers[1], water)


def _without_blanks(table: pd.DataFrame) -> pd.DataFrame:
    """Leave cells of words empty where there is nothing to say, as they come back from a file."""
    words = [name for name in ("form", "grade", "reason") if name in table]
    return table.assign(**{name: table[name].where(table[name] != "") for name in words})


@of_inputs
def _cover(places: list[_Place], ends: EndValues | None) -> kinds.CoverSeries:
    tables, strengths = [], []
    for place in places:
        strengths.append(f"{place.name} {place.smooth.attrs['strength']:.3g}")
        columns = {"time": place.cover["time"].values, "cover": place.cover.values}
        columns |= {"smooth": place.smooth.values}
        if ends is not None:
            columns["ndvi"] = place.green.values
        error = float((place.cover - place.smooth).std())
        tables.append(pd.DataFrame(columns).assign(smooth_error=error).assign(place=place.name))
    table = pd.concat(tables, ignore_index=True)
    table = table[["place", *table.columns.drop("place")]]
    table.attrs["units"] = dict.fromkeys(table.columns.drop(["place", "time"]), "1")
    return kinds.CoverSeries(
        table,
        "Cover at steps of eight days"
        + ("" if ends is None else ", from NDVI by the dimidiate pixel model")
        + ", smoothed by Whittaker's method.",
        () if ends is None else (DIMIDIATE,),
        choices=(f"λ: {', '.join(strengths)}; gaps of up to 48 days are bridged.",),
    )


@of_inputs
def _seasons(places: list[_Place], threshold: float) -> kinds.GrowthSeasons:
    from headwater.vegetation.phenology import REASONS, greenness_season

    tables = []
    for place in places:
        noise = float((place.cover - place.smooth).std())
        found = greenness_season(place.smooth, threshold=threshold, noise=noise)
        table = found.to_dataframe().reset_index()
        # a date within a step of eight days is as uncertain as a uniform draw from it
        within = NDVI_DAYS / np.sqrt(12.0)
        for name in ("start", "end"):
            error = np.hypot(table[f"{name}_sd"], within)
            table[f"{name}_sd"] = error.where(table[name].notna() & np.isfinite(error))
        counts = place.seen.groupby("time.year").count().to_series()
        table = table[table["year"].between(counts.index.min(), counts.index.max())].copy()
        table["n"] = table["year"].map(counts).fillna(0).astype("int64")
        table["reason"] = table["reason"].map(REASONS)
        tables.append(table.assign(zone=place.name))
    first = ["zone", "year", "start", "start_sd", "peak", "end", "end_sd", "amplitude", "n"]
    table = _without_blanks(pd.concat(tables, ignore_index=True)[[*first, "reason"]])
    table.attrs["units"] = dict.fromkeys(("start", "peak", "end"), "day of year")
    table.attrs["units"] |= {"start_sd": "d", "end_sd": "d", "amplitude": "1"}
    return kinds.GrowthSeasons(
        table,
        f"Seasons between the days on which smoothed cover crosses {threshold:g} of its amplitude; "
        "n counts the values seen in the year.",
        ("White et al. (1997), doi:10.1029/97GB00330",),
        cautions=(_CALENDAR,),
    )


def _responses(
    places: list[_Place], options: VegetationOptions, rng: np.random.Generator
) -> dict[str, Result]:
    """Fit how cover answers water in each place; curves of those that answer."""
    months = options.months or tuple(range(_GROWING[0], _GROWING[1] + 1))
    rows, curves = [], []
    for place in places:
        row, curve = _response_of(place, months, rng)
        rows.append(row)
        curves += [] if curve is None else [curve]
    table = _without_blanks(pd.DataFrame(rows))
    table.attrs["units"] = {"share": "1", "share_low": "1", "share_high": "1", "memory": "d"}
    found: dict[str, Result] = {
        "response": TableResult(
            table,
            "Cover at steps of 16 days, less its mean course within each month, against soil water "
            "of the 60 days before: linear, plateau or saturating, one slope or one for each "
            "month, chosen by leaving out whole years; "
            "share of the variance of cover about the mean of each month that water explains, "
            "with its 95 % interval (jackknife over years).",
            (QUOTED,),
            cautions=(_UNEXPLAINED,),
        )
    }
    if curves:
        joined = pd.concat(curves, ignore_index=True)
        joined.attrs["units"] = {"water": "m3 m-3", "cover": "1", "low": "1", "high": "1"}
        found["curves"] = kinds.ResponseCurves(
            joined, "Response curves of each place; 95 % bands from a bootstrap over years."
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """Cover and soil water of one place, in the steps in which a response is fitted."""

    cover: xr.DataArray
    water: xr.DataArray
    months: tuple[int, ...]
    lags: int
    step: float

    @property
    def years(self) -> int:
        """Years with cover and soil water."""
        return int(np.unique(self.cover["time"].dt.year).size)


def _answer_of(place: _Place, months: tuple[int, ...]) -> _Answer | str:
    """Bring cover and soil water to steps, or say why no response can be fitted."""
    if place.water is None or place.water.size < _FEWEST_STEPS:
        return "no soil water"
    if typical_step(place.water) > RESPONSE_DAYS:
        return f"soil water only every {typical_step(place.water):g} days"
    step = max(WATER_DAYS, int(np.ceil(typical_step(place.water))))
    water = mean_steps(place.water, step, stamp="end").astype(np.float64)
    cover = mean_steps(place.seen, RESPONSE_DAYS, stamp="mean").astype(np.float64).dropna("time")
    overlap = (cover["time"] >= water["time"][0]) & (cover["time"] <= water["time"][-1])
    cover = cover[overlap & cover["time"].dt.month.isin(months)]
    found = _Answer(level_months(cover), water, months, max(1, LAGGED_DAYS // step), float(step))
    if found.years < 3:
        return f"{found.years} years of both cover and soil water; three are needed"
    same = float(cover.min()) == float(cover.max())
    return "cover does not change in these months" if same else found


def _response_of(
    place: _Place, months: tuple[int, ...], rng: np.random.Generator
) -> tuple[dict[str, object], pd.DataFrame | None]:
    """Fit one place: a row with the share or the reason why there is none, and curves."""
    from headwater.vegetation.curves import response_curves
    from headwater.vegetation.response import FORMS, fit_response

    none = dict.fromkeys(("share", "share_low", "share_high", "memory"), np.nan)
    row: dict[str, object] = {"place": place.name, "form": "", **none, "n": 0, "years": 0}
    pair = _answer_of(place, months)
    if isinstance(pair, str):
        return row | {"reason": pair}, None
    row |= {"n": pair.cover.size, "years": pair.years}
    fit = fit_response(pair.cover, pair.water, months=months, lags=pair.lags, step=pair.step).maps
    if not np.isfinite(float(fit["share"])):
        return row | {"reason": "too few values of both cover and soil water"}, None
    named = {name: float(fit[name]) for name in ("share", "share_low", "share_high", "memory")}
    row |= {"form": FORMS[int(fit["form"])], **named, "n": int(fit["n"]), "reason": ""}
    if pair.years < 4:
        return row, None
    curve = response_curves(
        pair.cover.expand_dims(cell=1, axis=1),
        pair.water.expand_dims(cell=1, axis=1),
        rng=deepcopy(rng),
        months=months,
        lags=pair.lags,
        step=pair.step,
        n_resamples=200,
    )
    return row, curve.drop(columns="group").assign(by="place", zone=place.name)


def _grades(
    places: list[_Place],
    options: VegetationOptions,
    months: tuple[int, ...],
    ends: EndValues | None,
    rng: np.random.Generator,
) -> kinds.PlaceGrades:
    """Grade each place, or say why there is no grade."""
    profile = read_profile(options.profile)
    rows: list[dict[str, object]] = []
    refused = []
    for place in places:
        years = whole_seasons(pd.DatetimeIndex(place.green.dropna("time")["time"].values), months)
        baseline, recent = compared_years(options, years)
        row: dict[str, object] = {"place": place.name, "grade": "", "reason": ""}
        if baseline is None or recent is None:
            row["reason"] = f"{len(years)} whole seasons are too few to compare years"
            rows.append(row)
            continue
        try:
            peak = peak_of_season(place.green, months=months, min_values=1)
            row |= _grade(peak, profile, baseline, recent, ends, rng)
        except DataError as error:
            refused.append(error)
            row["reason"] = f"{error.wrong}: {error.found}"
        rows.append(row)
    if len(refused) == len(rows):
        raise refused[0]
    return _graded(rows, profile, months)


def _grade(
    peak: xr.DataArray,
    profile: GradeProfile,
    baseline: tuple[int, int],
    recent: tuple[int, int],
    ends: EndValues | None,
    rng: np.random.Generator,
) -> dict[str, object]:
    """Grade one place: loss with its interval, and the probability of each grade."""
    found = grade_degradation(
        peak,
        profile,
        baseline=baseline,
        recent=recent,
        rng=deepcopy(rng),
        ends=ends,
    )
    code = int(found["grade"])
    chances = {f"p_{name}": float(found["probability"][k]) for k, name in enumerate(GRADES)}
    return {
        "baseline": f"{baseline[0]}-{baseline[1]}",
        "recent": f"{recent[0]}-{recent[1]}",
        **{name: float(found[name]) for name in ("damage", "damage_low", "damage_high")},
        "grade": "" if code < 0 else GRADES[code],
        "reason": "too few years with a peak of season" if code < 0 else "",
        **chances,
        "certain": bool(found["certain"]),
        "seasons": int(found["seasons"]),
        "years_before": int(found["years_before"]),
        "years_after": int(found["years_after"]),
    }


_GRADE_COLUMNS = (
    *("place", "baseline", "recent", "years_before", "years_after", "damage", "damage_low"),
    *("damage_high", "grade", *(f"p_{name}" for name in GRADES), "certain", "seasons", "reason"),
)


@of_inputs
def _graded(
    rows: list[dict[str, object]], profile: GradeProfile, months: tuple[int, ...]
) -> kinds.PlaceGrades:
    table = _without_blanks(pd.DataFrame(rows).reindex(columns=list(_GRADE_COLUMNS)))
    # where a place has no grade, counts are missing, not zero
    table = table.astype(dict.fromkeys(("years_before", "years_after", "seasons"), "Int64"))
    table.attrs["units"] = dict.fromkeys(("damage", "damage_low", "damage_high"), "%")
    words = "Loss of cover" if profile.basis == "relative_loss" else "Bare ground"
    return kinds.PlaceGrades(
        table,
        f"{words} at peak season, recent years against the baseline, graded by {profile.name} "
        f"({profile.basis}); 95 % interval and probabilities from a bootstrap over years and end "
        "values.",
        choices=(
            f"Peak of season: months {', '.join(map(str, months))}.",
            *((profile.note,) if profile.note else ()),
        ),
        cautions=(_CERTAIN, _WEATHER),
        edges=profile.edges,
        grades=profile.grades,
        basis=profile.basis,
    )
