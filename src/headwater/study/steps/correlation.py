"""The step "correlation": with what the target varies, over the area and in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from headwater.errors import DataError, StudyError, TimeAxisError, nearest
from headwater.study.step import Context, Step
from headwater.study.steps.variation import aggregated

if TYPE_CHECKING:
    import xarray as xr

    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["CorrelationOptions", "STEP"]

_LONGEST_STEP = 31.5


class CorrelationOptions(BaseModel):
    """Table ``[correlation]`` of the study file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    of: str | None = Field(None, description="The target variable; default: the first input.")
    with_: tuple[str, ...] | None = Field(
        None, alias="with", description="Factors; default: all other variables, but classes."
    )
    min_coverage: float = Field(
        0.8, gt=0, le=1, description="Least share of a month or year that must have data."
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="False discovery rate of maps of tests.")


def _named(study: Study, options: CorrelationOptions) -> tuple[str, tuple[str, ...]]:
    target = options.of or next(iter(study.inputs))
    others = tuple(name for name in study.variables if name != target)
    factors = others if options.with_ is None else options.with_
    for name in (target, *factors):
        if name not in study.variables:
            raise StudyError(
                "[correlation] names a variable that the study does not have",
                found=f"'{name}'",
                do=nearest(name, study.variables),
            )
    if not factors or target in factors:
        raise StudyError(
            "[correlation] needs factors other than the target",
            found=f"of = '{target}', with = {list(factors)}",
            do="Add inputs that could go with it",
        )
    return target, factors


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.correlation
    if options is None:
        return None
    target, factors = _named(study, options)
    return {
        **options.model_dump(mode="json"),
        "of": target,
        "with": factors,
        "growing_season": study.growing_season,
    }


def _run(context: Context) -> Mapping[str, Result]:
    from headwater.variation import relations

    options = context.study.correlation
    assert options is not None
    target, factors = _named(context.study, options)
    maps, monthly, notes = {}, {}, []
    for done, name in enumerate((target, *factors)):
        context.progress(done / (2 + len(factors)), name)
        data = context.variable(name)
        maps[name], note = _one_map(context, data, options.min_coverage)
        notes.append(f"{name} in the correlation matrix: {note}.")
        cube = _monthly(context, data, options.min_coverage)
        if cube is not None:
            monthly[name] = cube
    matrix = relations.correlation_matrix(maps, choices=tuple(notes))
    found = {}
    context.progress((1 + len(factors)) / (2 + len(factors)), "maps of correlation")
    for name in factors:
        if target in monthly and name in monthly:
            try:
                found[name] = relations.correlation_map(
                    monthly[target], monthly[name], alpha=options.alpha
                )
            except TimeAxisError:
                # no month in common: the matrix compares what each has by itself
                continue
    if not found:
        return {"matrix": matrix}
    panels = relations.correlation_panels(found)
    return {"matrix": matrix, "panels": panels} | {f"with-{k}": v for k, v in found.items()}


def _one_map(context: Context, data: xr.DataArray, min_coverage: float) -> tuple[xr.DataArray, str]:
    """Reduce a variable to one map and say how: its growing season, its years, or as it is."""
    from headwater.variation import period_mean

    if data.sizes.get("time", 1) == 1:
        still = data.isel(time=0, drop=True) if "time" in data.dims else data
        return still.compute(), "the one map that there is"
    if data.attrs.get("kind", "continuous") != "continuous":
        raise DataError(
            f"'{data.name}' has no mean over time", found=f"a {data.attrs['kind']} quantity",
            do="Remove it from correlation.with, or give one map of it",
        )  # fmt: skip
    season = context.study.growing_season
    for months in (season, None):
        try:
            reduced = period_mean(data, months=months, min_coverage=min_coverage)
        except (DataError, TimeAxisError):
            # no time in the season, or steps longer than it
            continue
        one: xr.DataArray = reduced[str(data.name)].compute()
        if bool(one.notnull().any()):
            return one, str(reduced.attrs["period"])
    short = f"mean of all times, for no season reaches a coverage of {min_coverage:.0%}"
    return data.mean("time", keep_attrs=True, dtype=float).compute(), short


def _monthly(context: Context, data: xr.DataArray, min_coverage: float) -> xr.DataArray | None:
    from headwater.variation import cadence, check_time

    if data.sizes.get("time", 1) < 2 or data.attrs.get("kind", "continuous") != "continuous":
        return None
    if cadence(check_time(data)).days > _LONGEST_STEP:
        return None
    return aggregated(context, data, "month", min_coverage)


STEP = Step(
    name="correlation",
    title="Correlate with factors",
    needs=("grids",),
    options=_options,
    run=_run,
)
