"""The factor detector: how much of the response each factor explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

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
from headwater.detector.references import HOLM1979, WANG2010, WANG2016
from headwater.detector.resample import BlockSums, Resampling, block_limits, q_of_sums
from headwater.detector.results import FactorResult
from headwater.detector.sample import Missing, same_units
from headwater.detector.strata import Strata
from headwater.detector.stream import is_chunked, stream_sums
from headwater.errors import DataError
from headwater.inference.multiplicity import holm
from headwater.results import fingerprint

__all__ = ["INDEPENDENCE_CAUTION", "factor"]

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
    "The F and t tests and the intervals take the units as independent. Neighbouring cells of "
    "smooth fields are not: between unrelated smooth fields the F test rejects in 50 to 99 % of "
    "cases where 5 % are promised. A small p of theirs is no evidence: for maps, go by p_search "
    "and p_spatial."
)


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
        With a null, a p from responses made by chance stands beside that of the F test
        (``p_permutation``, ``p_spatial``); with blocks, the interval of the adjusted q comes from
        resampling them in place of the F distribution.

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
    if is_chunked(response):
        _check_plain(resampling)
        found = stream_sums(response, strata, weights, listwise=missing == "listwise")
        size, inputs = (
            int(np.prod(np.shape(response))),
            [np.stack([sums.n, sums.offset, sums.within]) for sums, _ in found.values()],
        )
    else:
        values, partitions = same_units(response, strata, missing)
        size, inputs = values.size, [values, *(part.codes for part in partitions.values())]
        found = {
            name: (stratum_sums(values, part.codes, part.realised, weights=weights), part)
            for name, part in partitions.items()
        }
    rows = [_row(name, sums, part, size, p_method, level) for name, (sums, part) in found.items()]
    if resampling is not None:
        _resample(rows, values, partitions, weights, resampling, level)
    table = pd.DataFrame(rows).sort_values("q", ascending=False, kind="stable", ignore_index=True)
    table.insert(list(table.columns).index("p_value") + 1, "p_holm", holm(table["p_value"]))
    table.attrs["level"] = level
    return FactorResult(
        data=table,
        method="Factor detector: q = 1 - SSW / SST, the share of the response's variance that lies "
        f"between strata; {_P_WORDS[p_method]}.",
        references=(WANG2010, WANG2016, HOLM1979),
        fingerprint=fingerprint(*inputs),
        choices=(
            "q is adjusted for the number of strata, 1 - (1 - q)(N - 1) / (N - L); the p of the F "
            "test is corrected after Holm.",
            f"The {level:.0%} interval {_interval_words(resampling)}.",
            "Units are " + ("weighted." if weights is not None else "not weighted."),
        ),
        cautions=(INDEPENDENCE_CAUTION, *([_WANG_CAUTION] if p_method == "wang2016" else [])),
    )


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


def _resample(
    rows: list[dict[str, Any]],
    values: Floats,
    partitions: Mapping[str, Strata],
    weights: npt.ArrayLike | None,
    by: Resampling,
    level: float,
) -> None:
    """Add the p of responses made by chance, and put the blocks' interval in place of F's."""
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    if by.blocks is not None:
        for row, part in zip(rows, partitions.values(), strict=True):
            sums = BlockSums.of(values, part.codes, part.realised, by.blocks, unit)
            adjusted = q_of_sums(sums.resampled(by.n_resamples, by.rng))[1]
            row["q_low"], row["q_high"] = block_limits(adjusted, by.blocks.number, level)
    if by.null is None:
        return
    present = ~np.isnan(values)
    layouts = [lay_out_strata(part, present) for part in partitions.values()]
    reached, drawn = np.zeros(len(rows)), 0
    for block in by.null.draw(values, by.n_resamples, by.rng):
        q = np.stack([layout.scores(block, unit).q[:, 0] for layout in layouts], axis=1)
        reached += (q >= np.array([row["q"] for row in rows]) - 1e-7).sum(axis=0)
        drawn += len(block)
    for row, hits in zip(rows, reached, strict=True):
        row[by.null.column] = (1 + hits) / (1 + drawn)


def _interval_words(resampling: Resampling | None) -> str:
    if resampling is None or resampling.blocks is None:
        return "of q inverts the non-central F distribution"
    return f"is of the adjusted q, from resampling {resampling.blocks.words}"


def _check_plain(resampling: Resampling | None) -> None:
    if resampling is not None:
        raise DataError(
            "a response in chunks cannot be resampled",
            found="resampling with a dask or zarr array",
            do="Load it, or leave resampling out",
        )
