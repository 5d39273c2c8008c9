"""q through time: what explains the pattern in each year, month or season."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from headwater.detector.detection import Ranking, chance_of, rank_factors
from headwater.detector.ecological_detector import EcologicalMethod, ecological
from headwater.detector.interaction_detector import interaction
from headwater.detector.interaction_tests import paired_p
from headwater.detector.null_models import Permutation
from headwater.detector.resample import Resampling
from headwater.detector.results import (
    SONG2020,
    WAGNER2015,
    WANG2010,
    PairSeriesResult,
    SeriesResult,
)
from headwater.detector.sample import Sample, read_sample
from headwater.detector.search_options import Search
from headwater.errors import DataError, StudyError, nearest
from headwater.results import fingerprint

__all__ = ["QSeries", "SeriesPeriod", "q_series"]

SeriesPeriod = Literal["year", "season", "month", "step"]

_WEIGHT = "weight of a cell"
_PAIR_DRAWS = 99
"""Maps by chance for the pairs of a period; the tail of their statistics is extrapolated."""

_PERIODS = ("year", "season", "month", "step")


@dataclass(frozen=True, slots=True, eq=False)
class QSeries:
    """The factors, and their pairs, in each period.

    Attributes
    ----------
    series : SeriesResult
        q of each factor.
    pairs : PairSeriesResult or None
        Interaction and ecological detectors; None with a single factor.
    """

    series: SeriesResult
    pairs: PairSeriesResult | None


def q_series(
    response: xr.DataArray,
    factors: Mapping[str, xr.DataArray],
    period: SeriesPeriod = "year",
    *,
    search: Search | None = None,
    min_coverage: float = 0.8,
    weights: xr.DataArray | None = None,
    n_resamples: int = 199,
    rng: np.random.Generator | None = None,
) -> QSeries:
    """Rank the factors anew in each year, season or month.

    Parameters
    ----------
    response : DataArray (time, y, x)
        The variable to be explained [any unit].
    factors : mapping of str to DataArray (time, y, x) or (y, x)
        The factors [any unit]; a map without time stands for all periods.
    period : {"year", "season", "month", "step"}
        Calendar years; seasons DJF, MAM, JJA, SON of each year (December counts to the next year);
        months of each year; or every time step as it is, for cubes aggregated before. Within a
        period, steps are averaged (of amounts, the mean orders cells as the total does).
    search : Search, optional
        How factors are parted; repeated in each period, so that breaks follow the year.
    min_coverage : float
        Least share of a period's steps that a cell must have.
    weights : DataArray (y, x), optional
        Weight of each cell, such as its area.
    n_resamples : int
        How many responses are made by chance, and resamples of blocks, per period.
    rng : numpy Generator, optional
        Source of randomness; default: one seeded with 1.

    Returns
    -------
    QSeries
        ``series``, with a row for each period and factor: q with interval and p of the whole
        search, its rank, and, next to the first of each period, ``p_lead``: the paired test that
        it predicts better than the second. ``pairs``, with a row for each period and pair: the
        interaction and ecological detectors; None with a single factor.

    Raises
    ------
    DataError
        If there is no time, no period that all share, or none that can be searched.
    StudyError
        If the period is unknown.

    Notes
    -----
    A period that cannot be searched (a factor constant or empty) is left out and named in the
    cautions.

    Examples
    --------
    >>> x = np.tile(np.arange(12.0), (10, 1)) + np.arange(10.0)[:, None] / 10
    >>> time = pd.date_range("2017", periods=2, freq="YS")
    >>> theta = xr.DataArray(np.stack([x, x.max() - x]), {"time": time}, ("time", "y", "x"))
    >>> noise = np.random.default_rng(1).normal(size=x.shape)
    >>> maps = {"rain": xr.DataArray(x, dims=("y", "x")),
    ...         "noise": xr.DataArray(noise, dims=("y", "x"))}
    >>> table = q_series(theta, maps, n_resamples=99).series.data
    >>> table.loc[table["rank"] == 1, ["period", "factor"]].values.tolist()
    [['2017', 'rain'], ['2018', 'rain']]
    """
    if period not in _PERIODS:
        raise StudyError("unknown period", found=f"'{period}'", do=nearest(period, _PERIODS))
    draws = rng or np.random.default_rng(1)
    plan, name = search or Search(), "response" if response.name is None else str(response.name)
    rows: list[dict[str, Any]] = []
    pairs: list[pd.DataFrame] = []
    failed: list[str] = []
    for label, maps in _maps(response.rename(name), factors, period, min_coverage):
        try:
            sample = _sample(maps, name, list(factors), plan, weights)
            chance = chance_of(sample, n_resamples, draws)
            ranked = rank_factors(sample, replace(plan, kinds=sample.kinds), chance)
        except DataError as error:
            failed.append(f"{label} ({error.wrong})")
            continue
        rows += _rows(label, sample, ranked, chance)
        if len(ranked.strata) > 1:
            pairs.append(_pairs(label, sample, ranked, chance))
    if not rows:
        raise DataError(
            "no period can be searched",
            found="; ".join(failed) or "no period that all inputs share",
            do="Lower min_coverage, choose another period, or check the inputs",
        )
    found = _result(pd.DataFrame(rows), response, factors, plan, failed, n_resamples)
    return QSeries(found, _pair_result(pairs, found))


def _maps(
    response: xr.DataArray,
    factors: Mapping[str, xr.DataArray],
    period: SeriesPeriod,
    min_coverage: float,
) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield the maps of each period that all cubes share."""
    if "time" not in response.dims:
        raise DataError(
            "q through time needs a response with time",
            found=f"dims {response.dims}",
            do="Give a cube (time, y, x)",
        )
    every = {str(response.name): response, **factors}
    cubes = {
        name: _by_period(one, period, min_coverage)
        for name, one in every.items()
        if "time" in one.dims
    }
    still = {name: one for name, one in every.items() if "time" not in one.dims}
    shared = [
        label for label in cubes[str(response.name)] if all(label in of for of in cubes.values())
    ]
    for label in sorted(shared):
        layers = {name: of[label] for name, of in cubes.items()} | still
        yield label, xr.Dataset({name: _bare(layers[name]) for name in every})


def _by_period(
    cube: xr.DataArray, period: SeriesPeriod, min_coverage: float
) -> dict[str, xr.DataArray]:
    labels = _labels(cube["time"], period)
    maps = {}
    for label in dict.fromkeys(labels):
        steps = cube.isel(time=np.flatnonzero(labels == label))
        enough = steps.count("time") >= min_coverage * steps.sizes["time"] - 1e-9
        # a mean of nothing is NaN without a warning, for it is masked by its count
        mean = steps.sum("time", skipna=True) / steps.count("time").where(enough)
        maps[label] = mean.assign_attrs(cube.attrs).compute()
    return maps


def _labels(time: xr.DataArray, period: SeriesPeriod) -> np.ndarray[Any, Any]:
    years, months = time.dt.year.values, time.dt.month.values
    if period == "year":
        return np.array([f"{year}" for year in years])
    if period == "month":
        return np.array([f"{y}-{m:02d}" for y, m in zip(years, months, strict=True)])
    if period == "season":
        names = ("1 DJF", "2 MAM", "3 JJA", "4 SON")
        return np.array(
            [f"{y + (m == 12)} {names[m % 12 // 3]}" for y, m in zip(years, months, strict=True)]
        )
    return np.array([str(day)[:10] for day in time.values])


def _bare(one: xr.DataArray) -> xr.DataArray:
    return one.drop_vars([name for name in one.coords if name not in ("y", "x", "spatial_ref")])


def _rows(
    label: str, sample: Sample, ranked: Ranking, chance: Resampling
) -> Iterator[dict[str, Any]]:
    table = ranked.factor.data
    lead = np.nan
    if len(table) > 1 and chance.n_resamples and chance.blocks is not None:
        one, two = (ranked.strata[name] for name in table["factor"][:2])
        lead = paired_p(sample.response, (one, two), chance.blocks, sample.weights)
    for rank, row in enumerate(table.to_dict("records"), start=1):
        wanted = (
            "q",
            "q_adjusted",
            "q_low",
            "q_high",
            "p_value",
            "p_search",
            "q_chance",
            "n",
            "strata",
            "method",
            "k",
        )
        yield {
            "period": label,
            "factor": row["factor"],
            "rank": rank,
            **{name: row.get(name, np.nan) for name in wanted},
            "p_lead": lead if rank == 1 else np.nan,
        }


def _sample(
    maps: xr.Dataset, name: str, factors: list[str], plan: Search, weights: xr.DataArray | None
) -> Sample:
    if weights is None:
        return read_sample(maps, name, factors, kinds=plan.kinds)
    weighted = maps.assign({_WEIGHT: (("y", "x"), np.asarray(weights.values))})
    return read_sample(weighted, name, factors, kinds=plan.kinds, weights=_WEIGHT)


_PAIR_COLUMNS = (
    *("factor_1", "factor_2", "q_1", "q_2", "q_12", "tested", "interaction", "beyond_best"),
    *("p_gain", "p_nonadditive"),
)


def _pairs(label: str, sample: Sample, ranked: Ranking, chance: Resampling) -> pd.DataFrame:
    """Cross all pairs of a period, and compare what their factors explain."""
    y, weights = sample.response, sample.weights
    by = None
    if chance.n_resamples:
        null = None if isinstance(chance.null, Permutation) else chance.null
        by = replace(chance, null=null, blocks=None, n_resamples=_PAIR_DRAWS)
    together = interaction(y, ranked.strata, weights=weights, resampling=by).data
    method: EcologicalMethod = "paired" if chance.n_resamples else "wang2010"
    blocks = replace(chance, null=None, n_resamples=2)
    apart = ecological(
        y, ranked.strata, weights=weights, method=method, resampling=blocks
    ).data.rename(columns={"p_value": "p_ecological"})
    joined = together[list(_PAIR_COLUMNS)].merge(
        apart[["factor_1", "factor_2", "difference", "p_ecological", "p_holm", "differ", "n"]],
        on=["factor_1", "factor_2"],
    )
    joined.insert(0, "period", label)
    return joined


def _pair_result(tables: list[pd.DataFrame], found: SeriesResult) -> PairSeriesResult | None:
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)
    table["period"] = table["period"].str.replace(r" \d ", " ", regex=True)
    table.attrs |= found.data.attrs
    return PairSeriesResult(
        data=table,
        method="Pairs of factors through time: the interaction detector, tested by "
        f"{_PAIR_DRAWS} maps by chance, and the ecological detector, in each period anew; p is "
        "corrected after Holm within a period.",
        references=(WANG2010, WAGNER2015),
        fingerprint=found.fingerprint,
        choices=(),
        cautions=(
            "No correction is made for the number of periods: a pair that passes in one of many "
            "may do so by chance.",
        ),
    )


def _result(
    table: pd.DataFrame,
    response: xr.DataArray,
    factors: Mapping[str, xr.DataArray],
    plan: Search,
    failed: list[str],
    n_resamples: int,
) -> SeriesResult:
    table["period"] = table["period"].str.replace(r" \d ", " ", regex=True)
    name = str(response.attrs.get("long_name", response.name))
    labels = {key: str(one.attrs.get("long_name", key)) for key, one in factors.items()}
    table.attrs |= {"response": name, "labels": labels}
    left_out = [f"q through time leaves out {'; '.join(failed)}."] if failed else []
    return SeriesResult(
        data=table,
        method="q through time: the search for the best strata and the factor detector, with the "
        f"test of the whole search on {n_resamples} responses made by chance, in each period anew.",
        references=(WANG2010, SONG2020, WAGNER2015),
        fingerprint=fingerprint(table["q"].to_numpy(), plan.by, n_resamples),
        choices=(
            "p_lead: paired test of the errors of prediction by the first factor of a period and "
            "by its second.",
        ),
        cautions=(
            "A change of the first factor from one period to the next says something only where "
            "p_lead is small in both.",
            *left_out,
        ),
    )
