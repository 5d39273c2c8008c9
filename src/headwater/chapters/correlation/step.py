"""The step "correlation": with what the target varies, over the area and in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.chapters.correlation.options import CorrelationOptions
from headwater.chapters.variation.step import aggregated, month_sums
from headwater.errors import DataError, HeadwaterError, StudyError, TimeAxisError
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["STEP"]

_LONGEST_STEP, _YEAR = 31.5, 366.5
_FEWEST_YEARS = 3


def _named(study: Study, options: CorrelationOptions) -> tuple[str, tuple[str, ...]]:
    target = options.of or next(iter(study.inputs))
    others = tuple(name for name in study.variables if name != target)
    factors = others if options.with_ is None else options.with_
    study.require("correlation", (target, *factors))
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
    from headwater.variation import correlation_results as relations

    options = context.study.correlation
    assert options is not None
    target, factors = _named(context.study, options)
    maps: dict[str, xr.DataArray] = {}
    monthly: dict[str, xr.DataArray] = {}
    yearly: dict[str, xr.DataArray] = {}
    notes = []
    for done, name in enumerate((target, *factors)):
        context.progress(done / (2 + len(factors)), name)
        data = context.variable(name)
        maps[name], note, cubes = _reduced(context, data, options.min_coverage)
        notes.append(f"{name} in the correlation matrix: {note}.")
        monthly |= {name: cubes["month"]} if "month" in cubes else {}
        yearly |= {name: cubes["year"]} if "year" in cubes else {}
    matrix: Result = relations.correlation_matrix(maps, choices=tuple(notes))
    context.progress((1 + len(factors)) / (2 + len(factors)), "maps of correlation")
    return {"matrix": matrix} | _over_time(context, target, monthly, yearly, options)


def _over_time(
    context: Context,
    target: str,
    monthly: dict[str, xr.DataArray],
    yearly: dict[str, xr.DataArray],
    options: CorrelationOptions,
) -> dict[str, Result]:
    """Correlate the target's months with those of each factor: all, month by month, by lag.

    What has no months, target or factor, is correlated year by year.
    """
    from headwater.variation import correlation_results as relations

    own = monthly.pop(target, None)
    by_year = [name for name in yearly if name != target and (own is None or name not in monthly)]
    found: dict[str, Result] = {
        f"with-{name}": relations.correlation_map(
            yearly[target], yearly[name], significance=options.alpha
        )
        for name in (by_year if target in yearly else [])
        if _share_years(yearly[target], yearly[name])
    }
    if own is None:
        return found
    months = options.months or _season_months(context.study.growing_season)
    for name, factor in monthly.items():
        try:
            found[f"with-{name}"] = relations.correlation_map(
                own, factor, significance=options.alpha
            )
            of_months = relations.monthly_maps(own, factor, months, significance=options.alpha)
        except TimeAxisError:
            # no month in common: the matrix compares what each has by itself
            continue
        if of_months is not None:
            found[f"months-{name}"] = of_months
    lags = options.longest_lag and relations.lag_panels(
        own, monthly, longest=options.longest_lag, significance=options.alpha
    )
    return found | ({"lags": lags} if lags else {})


def _share_years(one: xr.DataArray, other: xr.DataArray) -> bool:
    """Whether three years or more have both: fewer give no correlation."""
    shared = np.intersect1d(one["time"].values, other["time"].values)
    return bool(shared.size >= _FEWEST_YEARS)


def _season_months(season: tuple[int, int]) -> list[int]:
    first, last = season
    return [(first - 1 + i) % 12 + 1 for i in range((last - first) % 12 + 1)]


def _reduced(
    context: Context, data: xr.DataArray, least: float
) -> tuple[xr.DataArray, str, dict[str, xr.DataArray]]:
    """Reduce a variable to one map, say how, and give its months and years where it has any."""
    from headwater.variation.calendar import cadence, check_time
    from headwater.variation.mean_year import period_mean

    if data.sizes.get("time", 1) == 1:
        still = data.isel(time=0, drop=True) if "time" in data.dims else data
        return still.compute(), "the one map that there is", {}
    if not _has_mean(data):
        raise _no_mean(data)
    days = cadence(check_time(data)).days
    if days > _LONGEST_STEP:
        kept = {}
        if days <= _YEAR:
            with month_sums(context, data, "year") as sums:
                kept = {"year": aggregated(context, sums, "year", least)}
        return *_shown(data, [period_mean(data, min_coverage=least)]), _there(kept)
    with month_sums(context, data) as sums:
        kept = {period: aggregated(context, sums, period, least) for period in ("month", "year")}
        return *_shown(data, _seasons(context, sums, least)), _there(kept)


def _there(kept: Mapping[str, xr.DataArray | None]) -> dict[str, xr.DataArray]:
    return {period: cube for period, cube in kept.items() if cube is not None}


def _seasons(context: Context, sums: xr.Dataset, least: float) -> Iterator[xr.Dataset]:
    """Give the mean map of the growing season, and failing that the one of whole years."""
    from headwater.variation.aggregation import aggregate_sums
    from headwater.variation.mean_year import mean_of_years

    season = context.study.growing_season
    for period, months in (("growing_season", season), ("year", None)):
        try:
            yearly = aggregate_sums(sums, period, min_coverage=least, growing_season=season)
        except DataError:
            # no time in the season
            continue
        yield mean_of_years(yearly[sums.attrs["name"]], months=months)


def _shown(data: xr.DataArray, maps: Iterable[xr.Dataset]) -> tuple[xr.DataArray, str]:
    """Take the first map with values."""
    for one in maps:
        values: xr.DataArray = one[str(data.name)].compute()
        if bool(values.notnull().any()):
            return values, str(one.attrs["period"])
    short = "mean of all times, for no season has enough data"
    return data.mean("time", keep_attrs=True, dtype=float).compute(), short


def _check(
    study: Study, inputs: Mapping[str, xr.DataArray], grid: GeoBox, period: tuple[Any, Any] | None
) -> Iterator[HeadwaterError]:
    """Report classes and directions that change in time, of which there is no mean."""
    if study.correlation is None:
        return
    target, factors = _named(study, study.correlation)
    for name in (target, *factors):
        data = inputs.get(name)
        if data is not None and data.sizes.get("time", 1) > 1 and not _has_mean(data):
            yield _no_mean(data)


def _has_mean(data: xr.DataArray) -> bool:
    return bool(data.attrs.get("kind", "continuous") == "continuous")


def _no_mean(data: xr.DataArray) -> DataError:
    return DataError(
        f"'{data.name}' has no mean over time",
        found=f"a {data.attrs['kind']} quantity",
        do="Remove it from correlation.with, or give one map of it",
    )


STEP = Step(
    name="correlation",
    title="Correlate with factors",
    needs=("grids",),
    options=_options,
    run=_run,
    after=("downscaling",),
    check=_check,
)
