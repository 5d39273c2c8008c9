"""The step "correlation": with what the target varies, over the area and in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headwater.chapters.correlation.options import CorrelationOptions
from headwater.chapters.variation.step import aggregated, month_sums
from headwater.errors import DataError, StudyError, TimeAxisError
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    import xarray as xr

    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["STEP"]

_LONGEST_STEP = 31.5


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
    maps, monthly, notes = {}, {}, []
    for done, name in enumerate((target, *factors)):
        context.progress(done / (2 + len(factors)), name)
        data = context.variable(name)
        maps[name], note, cube = _reduced(context, data, options.min_coverage)
        notes.append(f"{name} in the correlation matrix: {note}.")
        if cube is not None:
            monthly[name] = cube
    matrix = relations.correlation_matrix(maps, choices=tuple(notes))
    context.progress((1 + len(factors)) / (2 + len(factors)), "maps of correlation")
    return {"matrix": matrix} | _over_time(context, target, monthly, options)


def _over_time(
    context: Context, target: str, monthly: dict[str, xr.DataArray], options: CorrelationOptions
) -> dict[str, Result]:
    """Correlate the target's months with those of each factor: all, month by month, by lag."""
    from headwater.variation import correlation_results as relations

    own = monthly.pop(target, None)
    maps: dict[str, Any] = {}
    found: dict[str, Result] = {}
    if own is None:
        return {}
    months = options.months or _season_months(context.study.growing_season)
    for name, factor in monthly.items():
        try:
            maps[name] = relations.correlation_map(own, factor, alpha=options.alpha)
            by_month = relations.monthly_maps(own, factor, months, alpha=options.alpha)
        except TimeAxisError:
            # no month in common: the matrix compares what each has by itself
            continue
        found[f"with-{name}"] = maps[name]
        if by_month is not None:
            found[f"months-{name}"] = by_month
    if maps:
        found["panels"] = relations.correlation_panels(maps)
    lags = options.longest_lag and relations.lag_panels(
        own, monthly, longest=options.longest_lag, alpha=options.alpha
    )
    return found | ({"lags": lags} if lags else {})


def _season_months(season: tuple[int, int]) -> list[int]:
    first, last = season
    return [(first - 1 + i) % 12 + 1 for i in range((last - first) % 12 + 1)]


def _reduced(
    context: Context, data: xr.DataArray, least: float
) -> tuple[xr.DataArray, str, xr.DataArray | None]:
    """Reduce a variable to one map, say how, and give its months where it has any."""
    from headwater.variation import period_mean
    from headwater.variation.calendar import cadence, check_time

    if data.sizes.get("time", 1) == 1:
        still = data.isel(time=0, drop=True) if "time" in data.dims else data
        return still.compute(), "the one map that there is", None
    if data.attrs.get("kind", "continuous") != "continuous":
        raise DataError(
            f"'{data.name}' has no mean over time",
            found=f"a {data.attrs['kind']} quantity",
            do="Remove it from correlation.with, or give one map of it",
        )
    if cadence(check_time(data)).days > _LONGEST_STEP:
        return *_shown(data, [period_mean(data, min_coverage=least)]), None
    with month_sums(context, data) as sums:
        monthly = aggregated(context, sums, "month", least)
        return *_shown(data, _seasons(context, sums, least)), monthly


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


STEP = Step(
    name="correlation",
    title="Correlate with factors",
    needs=("grids",),
    options=_options,
    run=_run,
    after=("downscaling",),
)
