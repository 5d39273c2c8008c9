"""Degradation grades of the cells of a study, with what weather did to them taken out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.vegetation.inputs import (
    WATER_DAYS,
    Roles,
    on_grid,
    parts_of,
    still_map,
)
from headwater.chapters.vegetation.step import profile_of
from headwater.chapters.vegetation.stored import Cells, cells_of, years_of
from headwater.study.cluster import each
from headwater.vegetation import results as kinds

if TYPE_CHECKING:
    from headwater.chapters.vegetation.run import Ground, Notes
    from headwater.study.step import Context
    from headwater.vegetation.profiles import GradeProfile

__all__ = ["add_land_degradation", "grade_map"]

_WEATHER_OUT = (
    "A year's weather is taken out by its warmth and soil water alone; what earlier years did to "
    "slow plants is part of a grade. damage_as_seen has the loss with the weather left in."
)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What grades of cells need besides NDVI: weather of years, field plots, profile and spans."""

    weather: tuple[tuple[Cells, tuple[int, ...]], ...]
    plots: xr.DataArray | None
    profile: GradeProfile
    baseline: tuple[int, int]
    recent: tuple[int, int]


def grade_map(
    context: Context, roles: Roles, ground: Ground, notes: Notes
) -> kinds.GradeMap | None:
    """Grade the cells of a study, some at a time.

    Parameters
    ----------
    context : Context
        Of the running step.
    roles : Roles
        Who plays which part.
    ground : Ground
        NDVI and its cells.
    notes : Notes
        Takes what is left out.

    Returns
    -------
    GradeMap or None
        None without years to compare.
    """
    if ground.baseline is None or ground.recent is None:
        return None
    seed = int(context.rng.integers(2**31))
    known = _Known(
        _weather(context, roles, ground.peak_months),
        still_map(context, roles.field_plot),
        profile_of(context.study),
        ground.baseline,
        ground.recent,
    )
    # one seed for all parts: cells draw the same years, as weather does
    parts = each(partial(_grade, ground, known, seed), parts_of(ground.cells))
    data = on_grid(xr.concat(parts, "cell"), ground.cells, ground.ndvi.like)
    if known.weather:
        few = int((data["adjusted"].values == 0.0).sum())
        notes.add("graded with the weather left in, for lack of ten years", few, "cells")
    return _grade_result(known.profile, data)


def _weather(
    context: Context, roles: Roles, months: tuple[int, ...]
) -> tuple[tuple[Cells, tuple[int, ...]], ...]:
    """Take temperature in the months of the peak, and soil water from the month before.

    Nothing where the study has no temperature: it is warmth that moves grades.
    """
    if roles.temperature is None or not months:
        return ()
    wanted = {roles.temperature: months}
    if roles.water is not None:
        wanted[roles.water] = (max(1, months[0] - 1), *months)
    return tuple((cells_of(context, name, WATER_DAYS), own) for name, own in wanted.items())


def _grade(ground: Ground, known: _Known, seed: int, part: NDArray[np.int64]) -> xr.Dataset:
    from headwater.vegetation.degradation import grade_degradation, in_usual_weather, peak_of_season

    rng = np.random.default_rng(seed)
    spans: Any = {"baseline": known.baseline, "recent": known.recent}
    types = None if ground.types is None else xr.DataArray(ground.types[part], dims="cell")
    ends: Any = {"ends": ground.ends, "types": types}
    confirmed = None if known.plots is None else known.plots.values.ravel()[part] == 1.0
    plot = False if confirmed is None else xr.DataArray(confirmed, dims="cell")
    seen = peak_of_season(ground.ndvi.part(part), months=ground.peak_months, min_values=1)
    peaks = seen
    if known.weather:
        own = [
            years_of(cells, months, part).reindex(year=seen["year"])
            for cells, months in known.weather
        ]
        peaks = in_usual_weather(seen, own, **spans, **ends)
    found = grade_degradation(peaks, known.profile, **spans, **ends, rng=rng, field_plot=plot)
    found = found.drop_vars(("weather_error", "adjusted"), errors="ignore")
    if known.weather:
        found["adjusted"] = ("cell", peaks["adjusted"].values.astype(float))
        as_seen = grade_degradation(seen, known.profile, **spans, **ends, rng=rng, n_resamples=2)
        found["damage_as_seen"] = as_seen["damage"]
    place = found["grade"].clip(0).astype(int)
    found["of_grade"] = found["probability"].isel(grade_name=place).drop_vars("grade_name")
    found["degraded"] = (
        found["probability"].isel(grade_name=slice(2, None)).sum("grade_name", skipna=False)
    )
    for name in ("certain", "seasons", "years_before", "years_after"):
        found[name] = found[name].astype(float)
    return found


def _grade_result(profile: GradeProfile, data: xr.Dataset) -> kinds.GradeMap:
    data["certain"] = data["certain"].where(data["grade"] >= 0)
    out = "adjusted" in data and bool((data["adjusted"] == 1.0).any())
    return kinds.GradeMap(
        data,
        f"Loss of cover at peak season, {data.attrs['recent']} against {data.attrs['baseline']}, "
        f"graded by {profile.name} ({profile.basis}); probabilities from a bootstrap over years "
        "and end values."
        + (
            " What warmth, and soil water where it is known, did to peaks is taken out."
            if out
            else ""
        ),
        choices=(profile.note,) if profile.note else (),
        cautions=(
            "Heavy and severe are certain only where two seasons by themselves, or a plot on the "
            "ground, say so.",
            _WEATHER_OUT
            if out
            else "What the weather of the compared years did is part of a grade.",
        ),
    )


def add_land_degradation(grade: kinds.GradeMap, peak: xr.Dataset, ground: Ground) -> None:
    """Put trend, state and performance next to the grade, where there are eight years.

    Parameters
    ----------
    grade : GradeMap
        Takes the variables of :func:`headwater.vegetation.degradation.land_degradation`.
    peak : Dataset
        ``peak`` (year, y, x), cover at peak season.
    ground : Ground
        Cells, types and years.
    """
    from headwater.vegetation.degradation import land_degradation

    if len(ground.years) < 8 or not (ground.baseline and ground.recent):
        return
    kinds_of = np.zeros(ground.ndvi.like.size) if ground.types is None else ground.types
    units = ground.ndvi.like.copy(data=kinds_of.reshape(ground.ndvi.like.shape))
    known = peak["peak"]
    data = land_degradation(known, units, baseline=ground.baseline, recent=ground.recent)
    valid = np.isfinite(known.mean("year"))
    for name in ("trend", "trend_p", "state", "performance"):
        grade.data[name] = data[name].astype(float).where(valid)
    grade.data["ldn"] = data["degraded"].astype(float).where(valid)
