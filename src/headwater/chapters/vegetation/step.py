"""The step "vegetation": what soil water lets grow, and where it is degrading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.chapters.vegetation.inputs import roles_of, typical_step
from headwater.errors import DataError, HeadwaterError, StudyError, TimeAxisError
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.results import Result
    from headwater.study.model import Study
    from headwater.vegetation.profiles import GradeProfile

__all__ = ["STEP", "profile_of"]

_LONGEST_STEP = 31.5
_FEWEST_DAYS = 300.0


def profile_of(study: Study) -> GradeProfile:
    """Read the degradation grades that a study asks for; a file lies relative to the study file."""
    from headwater.vegetation.profiles import read_profile

    assert study.vegetation is not None
    name = study.vegetation.profile
    if name.lower().endswith((".yaml", ".yml")) and not Path(name).is_absolute():
        return read_profile(study.file.absolute().parent / name)
    return read_profile(name)


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.vegetation
    if options is None:
        return None
    roles_of(study)
    if study.growing_season[0] > study.growing_season[1]:
        raise StudyError(
            "[vegetation] needs a growing season within one calendar year",
            found=f"growing_season = {list(study.growing_season)}",
            do="Remove [vegetation]; seasons that span New Year are not supported by it yet",
        )
    profile = profile_of(study)
    if profile.basis == "weighted_index":
        raise StudyError(
            "cover alone is no weighted index",
            found=f"profile {profile.name} of basis weighted_index",
            do="Name a profile of relative_loss or absolute_cover",
        )
    return {
        **options.model_dump(mode="json"),
        "growing_season": study.growing_season,
        "grades": [*map(list, zip(profile.grades[1:], profile.edges, strict=True)), profile.basis],
    }


def _run(context: Context) -> Mapping[str, Result]:
    from headwater.chapters.vegetation.run import describe_vegetation

    return describe_vegetation(context)


def _check(
    study: Study, inputs: Mapping[str, xr.DataArray], grid: GeoBox, period: tuple[Any, Any] | None
) -> Iterator[HeadwaterError]:
    """Report what [vegetation] could not describe."""
    from headwater.grids.times import in_period

    options = study.vegetation
    if options is None:
        return
    roles = roles_of(study)
    if roles.ndvi in inputs:
        ndvi = in_period(inputs[roles.ndvi], period)
        yield from _too_short(ndvi)
        if ndvi.sizes.get("time", 1) > 1:
            yield from _years_outside(np.unique(ndvi["time"].dt.year.values), options)
    if roles.types in inputs and options.end_values and "0" not in options.end_values:
        yield from _without_ends(inputs[str(roles.types)], options.end_values)


def _too_short(ndvi: xr.DataArray) -> Iterator[HeadwaterError]:
    step = typical_step(ndvi)
    if step > _LONGEST_STEP:
        yield TimeAxisError(
            f"[vegetation] needs seasons of '{ndvi.name}'",
            found="one map" if not np.isfinite(step) else f"a value every {step:g} days",
            do="Give composites of a month or less, or remove [vegetation]",
        )
        return
    span = (ndvi["time"].values[-1] - ndvi["time"].values[0]) / np.timedelta64(1, "D") + step
    if span < _FEWEST_DAYS:
        yield TimeAxisError(
            "[vegetation] needs a whole season",
            found=f"{span:.0f} days of '{ndvi.name}'",
            do="Give a year or more, or remove [vegetation]",
        )


def _years_outside(years: Any, options: Any) -> Iterator[HeadwaterError]:
    for name in ("baseline", "recent"):
        span = getattr(options, name)
        count = 0 if span is None else int(((years >= span[0]) & (years <= span[1])).sum())
        needed = 3 if name == "baseline" else 1
        if span is not None and count < needed:
            yield DataError(
                f"vegetation.{name} has too few years of the record",
                found=f"{count} of {span[0]} to {span[1]}; NDVI has {years.min()} to {years.max()}",
                do=f"Name {needed} years or more that it has, or leave the key out",
            )
    if options.baseline and options.recent and options.baseline[1] >= options.recent[0]:
        yield DataError(
            "baseline and recent years overlap",
            found=f"{list(options.baseline)} and {list(options.recent)}",
            do="Let the baseline end before the recent years begin",
        )


def _without_ends(types: xr.DataArray, given: Mapping[str, Any]) -> Iterator[HeadwaterError]:
    values = np.asarray(types.values, dtype=np.float64)
    present = np.unique(values[np.isfinite(values)])
    lacking = [f"{kind:g}" for kind in present if f"{kind:g}" not in given]
    if lacking:
        yield DataError(
            "vegetation types without end values",
            found=f"{', '.join(lacking[:8])} of '{types.name}'",
            do='Add them to vegetation.end_values, or give "0" for all',
        )


STEP = Step(
    name="vegetation",
    title="Describe vegetation",
    needs=("grids",),
    options=_options,
    run=_run,
    after=("downscaling",),
    check=_check,
)
