"""The step "detector": what explains the pattern of the target over the area."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.chapters.detector.options import DetectorOptions, Season, StrataOptions
from headwater.errors import DataError, HeadwaterError, StudyError, nearest
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from headwater.detector.results import FactorResult
    from headwater.detector.sample import Sample
    from headwater.detector.search_options import Scheme, Search
    from headwater.results import Result
    from headwater.study.model import Study

__all__ = ["STEP"]

_WHOLE = 3_000_000
"""Values of an input that the check reads; of larger ones it looks at the times."""


def _named(study: Study, options: DetectorOptions) -> tuple[str, tuple[str, ...]]:
    """Resolve the response and the factors, and refuse what the study does not have."""
    response = options.response or next(iter(study.inputs))
    others = tuple(name for name in study.variables if name != response)
    factors = others if options.factors is None else options.factors
    study.require("detector", (response, *factors))
    if not factors or response in factors:
        raise StudyError(
            "[detector] needs factors other than the response",
            found=f"response '{response}', factors {list(factors)}",
            do="Add inputs that could explain it",
        )
    for name in options.strata:
        if name not in factors:
            raise StudyError(
                "[detector.strata] names what is no factor",
                found=f"'{name}'",
                do=nearest(name, factors),
            )
    return response, factors


def _options(study: Study) -> Mapping[str, Any] | None:
    options = study.detector
    if options is None:
        return None
    response, factors = _named(study, options)
    return {
        **options.model_dump(mode="json"),
        "response": response,
        "factors": factors,
        "growing_season": study.growing_season,
    }


def _patterns(study: Study) -> tuple[str, ...]:
    if study.detector is None:
        return ()
    response, factors = _named(study, study.detector)
    return (response, *factors)


def _run(context: Context) -> Mapping[str, Result]:
    from headwater.detector.detection import detect_sample
    from headwater.detector.sample import read_sample

    options = context.study.detector
    assert options is not None
    response, factors = _named(context.study, options)
    reduced = _reduce_all(context, response, factors)
    maps = _weighed({name: one.map for name, one in reduced.items()}, response, options)
    context.progress(0.7, "search for the best strata")
    sample = read_sample(
        xr.Dataset({name: _bare(one) for name, one in maps.items()}),
        response,
        factors,
        weights="cell_area" if "cell_area" in maps else None,
    )
    search = _search(options, sample)
    found = detect_sample(
        sample,
        methods=search.methods,
        classes=search.classes,
        by=search.by,
        fixed=search.fixed,
        n_resamples=options.draws,
        rng=context.rng,
        further=options.also,
        style=options.style,
    )
    noted = found.with_choices(tuple(one.note for one in reduced.values()))
    results = _with_class_names(noted.results(), maps)
    results |= _compared(context, sample, search, found.factor)
    if options.series != "none" and reduced[response].series is not None:
        context.progress(0.9, "q through time")
        cubes = {
            name: one.map if one.series is None else one.series for name, one in reduced.items()
        }
        results |= _series(context, cubes, response, search)
    return results


def _compared(
    context: Context, sample: Sample, search: Search, written: FactorResult
) -> dict[str, Result]:
    """Compare the classes that the study file fixes with a search."""
    from headwater.chapters.detector.choices import compare_choices

    options = context.study.detector
    if options is None or not options.strata:
        return {}
    # a stream of its own leaves that of the other tests as it is without a comparison
    rng = context.rng.spawn(1)[0]
    return {
        "choices": compare_choices(sample, search, written.data, n_resamples=options.draws, rng=rng)
    }


def _reduce_all(context: Context, response: str, factors: tuple[str, ...]) -> dict[str, _Reduced]:
    options = context.study.detector
    assert options is not None
    reduced = {}
    for done, name in enumerate((response, *factors)):
        context.progress(0.7 * done / (1 + len(factors)), name)
        season = options.response_season if name == response else options.factor_season
        reduced[name] = _reduce(context, name, season, options)
    return reduced


def _search(options: DetectorOptions, sample: Sample) -> Search:
    """Collect what the options say of classes."""
    from headwater.detector.search_options import Search

    classes = tuple(range(options.classes[0], options.classes[1] + 1))
    fixed = {name: _scheme(given) for name, given in options.strata.items()}
    return Search(options.methods, classes, options.by, 2, sample.kinds, fixed, options.style)


def _series(
    context: Context, cubes: dict[str, xr.DataArray], response: str, search: Search
) -> dict[str, Result]:
    from headwater.detector import q_series

    options = context.study.detector
    assert options is not None
    assert options.series != "none"
    cubes = dict(cubes)
    target = cubes.pop(response)
    weights = None
    if options.weights == "area":
        from headwater.grids import cell_area

        weights = cell_area(target)
    found = q_series(
        target,
        cubes,
        options.series,
        search=search,
        min_coverage=options.min_coverage,
        weights=weights,
        n_resamples=max(options.draws // 5, 99),
        rng=context.rng,
    )
    return {"series": found.series, **({"series_pairs": found.pairs} if found.pairs else {})}


@dataclass(frozen=True, slots=True)
class _Reduced:
    """A variable as one map, how it was made, and its maps through time."""

    map: xr.DataArray
    note: str
    series: xr.DataArray | None


def _reduce(context: Context, name: str, season: Season, options: DetectorOptions) -> _Reduced:
    """Reduce a variable to one map, and to one a period, reading it once."""
    from headwater.variation.aggregation import aggregate_all
    from headwater.variation.mean_year import mean_of_years

    data = context.variable(name)
    if data.sizes.get("time", 1) == 1:
        one = data.squeeze("time", drop=True) if "time" in data.dims else data
        day = f" of {str(data['time'].values.ravel()[0])[:10]}" if "time" in data.dims else ""
        return _Reduced(one.compute(), f"{name}: the one map{day} that there is.", None)
    first, last = context.study.growing_season
    months = (first, last) if season == "growing_season" else None
    also = [options.series] if options.series in ("season", "month") else []
    found = aggregate_all(
        data, [season, *also], min_coverage=options.min_coverage, growing_season=(first, last)
    )
    yearly = found[season][name].compute() if season in found else data[:0]
    span = f"months {first} to {last}" if months else "the year"
    if not bool(yearly.notnull().any()):
        raise _too_little(name, season, context.study, options)
    reduced = mean_of_years(yearly, months=months)[name].compute()
    how = "total" if data.attrs.get("total") == "sum" else "mean"
    note = f"{name}: {how} over {span}, averaged over the years."
    series = {"none": None, "year": yearly}.get(options.series)
    return _Reduced(reduced, note, found[also[0]][name] if also else series)


def _check(
    study: Study, inputs: Mapping[str, xr.DataArray], grid: GeoBox, period: tuple[Any, Any] | None
) -> Iterator[HeadwaterError]:
    """Report variables of which no season has enough data."""
    from headwater.grids.times import in_period

    options = study.detector
    if options is None:
        return
    response, factors = _named(study, options)
    for name in (response, *factors):
        data = in_period(inputs[name], period) if name in inputs else None
        if data is None or data.sizes.get("time", 1) < 2:
            continue
        season = options.response_season if name == response else options.factor_season
        try:
            if not _has_season(data, season, study, options):
                raise _too_little(name, season, study, options)
        except HeadwaterError as error:
            yield error


def _has_season(data: xr.DataArray, season: Season, study: Study, options: DetectorOptions) -> bool:
    """Whether some year has the season; of large inputs by their times alone.

    So too of what is made finer, which has the days between two overpasses as well.
    """
    from headwater.variation.aggregation import aggregate_all

    probe, finer = data, study.downscaling
    if data.size > _WHOLE or (finer is not None and finer.of == data.name):
        ones = np.ones(data.sizes["time"])
        coords = {name: c for name, c in data.coords.items() if c.dims == ("time",)}
        probe = xr.DataArray(ones, coords, "time", data.name, dict(data.attrs))
    also = [options.series] if options.series in ("season", "month") else []
    found = aggregate_all(
        probe,
        [season, *also],
        min_coverage=options.min_coverage,
        growing_season=study.growing_season,
    )
    name = str(data.name)
    return season in found and bool(found[season][name].notnull().any())


def _too_little(name: str, season: Season, study: Study, options: DetectorOptions) -> DataError:
    first, last = study.growing_season
    span = f"months {first} to {last}" if season == "growing_season" else "the year"
    return DataError(
        f"'{name}' has no cell with enough data in {span}",
        found=f"no year reaches a coverage of {options.min_coverage:.0%}",
        do="Lower detector.min_coverage, choose another season, or a longer period",
    )


def _bare(one: xr.DataArray) -> xr.DataArray:
    """Keep the coordinates that all maps share."""
    return one.drop_vars([name for name in one.coords if name not in ("y", "x", "spatial_ref")])


def _weighed(
    maps: dict[str, xr.DataArray], response: str, options: DetectorOptions
) -> dict[str, xr.DataArray]:
    """Add the area of cells, where they are to count by it."""
    if options.weights != "area":
        return maps
    from headwater.grids import cell_area

    return maps | {"cell_area": cell_area(maps[response])}


def _with_class_names(
    results: dict[str, Result], maps: Mapping[str, xr.DataArray]
) -> dict[str, Result]:
    """Call classes by the names that the study file gives them."""
    from dataclasses import replace

    from headwater.grids.zones import class_names

    named = {
        factor: {f"{code:g}": name for code, name in class_names(one).items()}
        for factor, one in maps.items()
    }
    found = dict(results)
    for key, columns in (("risk", ["name"]), ("contrasts", ["name_1", "name_2"])):
        table: Any = found[key].data.copy()
        for factor, names in named.items():
            own = table["factor"] == factor
            for column in columns:
                table.loc[own, column] = table.loc[own, column].replace(names)
        table.attrs = dict(found[key].data.attrs)
        found[key] = replace(found[key], data=table)
    return found


def _scheme(given: StrataOptions) -> Scheme:
    from headwater.detector.search_options import Scheme

    return Scheme(given.method, given.count, given.breaks)


STEP = Step(
    name="detector",
    title="Detect what drives the pattern",
    needs=("grids",),
    options=_options,
    run=_run,
    patterns=_patterns,
    check=_check,
    after=("downscaling",),
)
