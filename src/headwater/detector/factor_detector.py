"""The factor detector: how much of the response each factor explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.field_intervals import MIN_BLOCKS, field_means, q_limits
from headwater.detector.null_models import Permutation
from headwater.detector.partition_scores import lay_out_strata
from headwater.detector.q import (
    PMethod,
    StratumSums,
    p_central,
    p_wang2016,
    q_interval,
    q_statistic,
    stratum_sums,
)
from headwater.detector.resample import BlockSums, Resampling, block_limits, q_of_sums
from headwater.detector.results import HOLM1979, WANG2010, WANG2016, FactorResult
from headwater.detector.sample import Missing, same_units
from headwater.detector.strata import Strata
from headwater.detector.stream import is_chunked, stream_sums
from headwater.errors import DataError
from headwater.inference.significance import holm
from headwater.results import of_inputs

__all__ = ["INDEPENDENCE_CAUTION", "factor", "independence_cautions"]

Floats = npt.NDArray[np.float64]

_P_WORDS = {
    "central": "p from the central F distribution, the null distribution of q for independent "
    "normal units",
    "wang2016": "p from the non-central F distribution as published by Wang et al. (2016)",
}
_WANG_CAUTION = (
    "The p-values after Wang et al. (2016) change when a constant is added to the response (°C or "
    "K): they are given for comparison with other software and are no valid test."
)
INDEPENDENCE_CAUTION = (
    "The F and t tests, and intervals that follow from them, take the units as independent. "
    "Neighbouring cells of smooth fields are not: between unrelated smooth fields the F test "
    "rejects in 50 to 99 % of cases where 5 % are promised."
)
_GO_BY = " A small p of theirs is no evidence: go by p_search and p_spatial."
_NO_PLACES = (
    "Without coordinates nothing shows which units are neighbours: every p and every interval "
    "here, p_search and p_permutation among them, takes the units as exchangeable. If they are "
    "cells of maps, or sites near each other, none of them is evidence: give the coordinates."
)
_STATIONARY = (
    "Intervals follow from a covariance that is fitted to the field and supposed to be the same "
    "everywhere and in all directions."
)


@of_inputs
def factor(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    *,
    weights: npt.ArrayLike | None = None,
    p_method: PMethod = "central",
    missing: Missing = "pairwise",
    level: float = 0.95,
    resampling: Resampling | None = None,
) -> FactorResult:
    """Compute q of each factor.

    Parameters
    ----------
    response : array_like or dask array, any shape
        The variable to be explained [any unit]; NaN is missing.
    strata : mapping of str to Strata or array_like
        The factors, parted into strata; anything else is taken as categories.
    weights : array_like, same shape, optional
        Weight of each unit, such as the area of its cell.
    p_method : {"central", "wang2016"}
        Null distribution; "wang2016" reproduces other software and is no valid test.
    missing : {"pairwise", "listwise"}
        Whether each factor uses all units it has, or all use the same.
    level : float
        Confidence level of the interval.
    resampling : Resampling, optional
        With a null, a p from responses made by chance stands next to that of the F test
        (``p_permutation``, ``p_spatial``); with places, the interval of q follows from the
        covariance of the field, and with blocks alone that of the adjusted q from resampling them,
        in place of the F distribution. Below 30 blocks no interval is given.

    Returns
    -------
    FactorResult
        Strongest factor first.

    Raises
    ------
    DataError
        If the response is constant, a factor has one stratum, or as many strata as units.

    Notes
    -----
    See :func:`headwater.detector.q.q_statistic` for the equation. ``p_holm`` corrects for the
    number of factors. A response that is a dask array is summed chunk by chunk and never held
    whole.

    References
    ----------
    Wang, J. F., Li, X. H., Christakos, G., et al. (2010). Geographical detectors-based health risk
    assessment. International Journal of Geographical Information Science 24, 107-127.
    https://doi.org/10.1080/13658810802443457

    Examples
    --------
    >>> result = factor([1.0, 2.0, 6.0, 7.0], {"cover": ["a", "a", "b", "b"]})
    >>> result.data[["factor", "q", "n", "strata"]].round(4).values.tolist()
    [['cover', 0.9615, 4, 2]]
    """
    units = _units(response, strata, weights, missing)
    rows = [
        _row(name, sums, part, units.size, p_method, level)
        for name, (sums, part) in units.found.items()
    ]
    table = pd.DataFrame(rows)
    refused: tuple[str, ...] = ()
    if resampling is not None:
        _check_plain(units)
        refused, more = _resampled(units, resampling, level)
        table = table.assign(**more)
    table = table.sort_values("q", ascending=False, kind="stable", ignore_index=True)
    table.insert(list(table.columns).index("p_value") + 1, "p_holm", holm(table["p_value"]))
    table.attrs["level"] = level
    return FactorResult(
        data=table,
        method="Factor detector: q = 1 - SSW / SST, the share of the response's variance that lies "
        f"between strata; {_P_WORDS[p_method]}.",
        references=(WANG2010, WANG2016, HOLM1979),
        choices=(
            "q is adjusted for the number of strata, 1 - (1 - q)(N - 1) / (N - L); the p of the F "
            "test is corrected after Holm.",
            f"The {level:.0%} interval {_interval_words(resampling)}.",
            "Units are " + ("weighted." if weights is not None else "not weighted."),
        ),
        cautions=(
            *refused,
            *independence_cautions(resampling),
            *([_WANG_CAUTION] if p_method == "wang2016" else []),
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Units:
    """Sums of every factor; and, of what is held whole, the units themselves."""

    found: Mapping[str, tuple[StratumSums, Strata]]
    size: int
    inputs: list[Any]
    values: Floats | None = None
    weights: Floats | None = None


def _units(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    weights: npt.ArrayLike | None,
    missing: Missing,
) -> _Units:
    if is_chunked(response):
        found = stream_sums(response, strata, weights, listwise=missing == "listwise")
        sums = [np.stack([one.n, one.offset, one.within]) for one, _ in found.values()]
        return _Units(found, int(np.prod(np.shape(response))), sums)
    values, partitions = same_units(response, strata, missing)
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    found = {
        name: (stratum_sums(values, part.codes, part.realised, weights=unit), part)
        for name, part in partitions.items()
    }
    inputs = [values, *(part.codes for part in partitions.values()), unit]
    return _Units(found, values.size, inputs, values, unit)


def independence_cautions(resampling: Resampling | None) -> tuple[str, ...]:
    """Say what the tests and intervals of a run suppose of neighbours.

    Parameters
    ----------
    resampling : Resampling or None
        How the run drew chance and resampled.

    Returns
    -------
    tuple of str
        The caution that fits: whether nothing, coordinates or a whole map was known.

    Examples
    --------
    >>> len(independence_cautions(None))
    1
    """
    if resampling is None:
        return (INDEPENDENCE_CAUTION,)
    if resampling.where is not None:
        return (INDEPENDENCE_CAUTION + _GO_BY, _STATIONARY)
    if resampling.null is None or isinstance(resampling.null, Permutation):
        return (INDEPENDENCE_CAUTION, _NO_PLACES)
    return (INDEPENDENCE_CAUTION + _GO_BY,)


def _row(
    name: str,
    sums: StratumSums,
    strata: Strata,
    size: int,
    p_method: PMethod,
    level: float,
) -> dict[str, Any]:
    try:
        statistic = q_statistic(sums)
    except DataError as error:
        raise DataError(f"{name}: {error.wrong}", found=error.found, do=error.do) from error
    if statistic.strata == statistic.n:
        raise DataError(
            f"{name}: as many strata as units",
            found=f"{statistic.n} units",
            do="Part the factor into fewer classes; declare its kind if it is continuous",
        )
    low, high = q_interval(statistic, level)
    return {
        "factor": name,
        "q": statistic.q,
        "q_adjusted": statistic.adjusted,
        "q_low": low,
        "q_high": high,
        "F": statistic.f,
        "p_value": p_central(statistic) if p_method == "central" else p_wang2016(sums),
        "n": statistic.n,
        "strata": statistic.strata,
        "method": strata.method,
        "k": strata.requested,
        "n_missing": size - statistic.n,
    }


def _resampled(
    units: _Units, by: Resampling, level: float
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Compute columns from resampling: p of responses made by chance, and intervals."""
    assert units.values is not None
    values, unit = units.values, units.weights
    partitions = {name: part for name, (_, part) in units.found.items()}
    more: dict[str, Any] = {}
    refused: list[str] = []
    if by.blocks is not None:
        limits = [_limits(values, part, unit, by, level) for part in partitions.values()]
        more = {"q_low": [low for low, _, _ in limits], "q_high": [high for _, high, _ in limits]}
        reasons = zip(partitions, limits, strict=True)
        refused = [f"No interval of q for {name}: {why}." for name, (_, _, why) in reasons if why]
    if by.null is not None:
        present = ~np.isnan(values)
        layouts = [lay_out_strata(part, present) for part in partitions.values()]
        equal = by.null.tested(values)[None]
        seen = np.array([layout.scores(equal, unit).q[0, 0] for layout in layouts])
        reached, drawn = np.zeros(len(layouts)), 0
        for block in by.null.draw(values, by.n_resamples, by.rng):
            q = np.stack([layout.scores(block, unit).q[:, 0] for layout in layouts], axis=1)
            reached += (q >= seen - 1e-7).sum(axis=0)
            drawn += len(block)
        more[by.null.column] = (1 + reached) / (1 + drawn)
    return tuple(refused), more


def _limits(
    values: Floats, part: Strata, unit: Floats | None, by: Resampling, level: float
) -> tuple[float, float, str]:
    """Compute an interval of q, or say why there is none."""
    assert by.blocks is not None
    number = by.blocks.number
    sums = BlockSums.of(values, part.codes, part.realised, by.blocks, unit)
    drawn = sums.resampled(by.n_resamples, by.rng)
    if by.where is None:
        if number < MIN_BLOCKS:
            return np.nan, np.nan, _too_few(number, "blocks")
        return (*block_limits(q_of_sums(drawn)[1], number, level), "")
    try:
        means = field_means(values, part, by.where, unit, by.rng)
    except DataError as error:
        return np.nan, np.nan, f"{error.wrong} ({error.found})"
    if means.patches < MIN_BLOCKS:
        return np.nan, np.nan, _too_few(means.patches, "patches of what the factor leaves")
    # classes of equal number stay equal in every map; all others are larger here, smaller there
    equal = part.method == "quantile"
    if not equal and number < MIN_BLOCKS:
        return np.nan, np.nan, _too_few(number, "blocks of the response")
    shares = np.tile(means.weight, (len(drawn), 1)) if equal else drawn[:, means.kept, 1]
    return (*q_limits(means, shares, level, by.rng), "")


def _too_few(number: int, what: str) -> str:
    return f"only {number} independent {what} fit, {MIN_BLOCKS} are needed"


def _interval_words(resampling: Resampling | None) -> str:
    if resampling is None or resampling.blocks is None:
        return "of q inverts the non-central F distribution"
    if resampling.where is not None:
        return "of q inverts its distribution under the covariance fitted to the field"
    return f"is of the adjusted q, from resampling {resampling.blocks.words}"


def _check_plain(units: _Units) -> None:
    if units.values is None:
        raise DataError(
            "a response in chunks cannot be resampled",
            found="resampling with a dask or zarr array",
            do="Load it, or leave resampling out",
        )
