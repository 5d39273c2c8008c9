"""The interaction detector: what two factors explain together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.factor_detector import independence_cautions
from headwater.detector.field_intervals import MIN_BLOCKS
from headwater.detector.interaction_tests import crossed_samples, gain_p, nonadditive_p
from headwater.detector.q import QStatistic, StratumSums, p_central, q_statistic, stratum_sums
from headwater.detector.resample import Resampling, block_limits
from headwater.detector.results import HOLM1979, WANG2010, InteractionResult
from headwater.detector.sample import Missing, same_units
from headwater.detector.strata import Singletons, Strata, cross_strata
from headwater.errors import DataError
from headwater.inference.significance import holm
from headwater.results import of_inputs

__all__ = ["INTERACTIONS", "interaction", "interaction_class"]

Floats = npt.NDArray[np.float64]

_SINGLE_CELLS = {"keep": "kept", "drop": "left out of q12"}

INTERACTIONS = (
    "weaken, nonlinear",
    "weaken, uni",
    "enhance, bi",
    "independent",
    "enhance, nonlinear",
)
"""The five published classes, from least to most."""


@of_inputs
def interaction(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    *,
    weights: npt.ArrayLike | None = None,
    singletons: Singletons = "keep",
    tolerance: float = 1e-10,
    missing: Missing = "pairwise",
    level: float = 0.95,
    resampling: Resampling | None = None,
) -> InteractionResult:
    """Cross each pair of factors and compare the q of the crossing with theirs.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    strata : mapping of str to Strata or array_like
        At least two factors; anything but Strata is taken as categories.
    weights : array_like, same shape, optional
        Weight of each unit.
    singletons : {"keep", "drop"}
        Whether a cell of the crossing with one unit stays (as in the R package geodetector) or
        its unit is left out of q12 (as in GD and gdverse).
    tolerance : float
        How near q12 must be to q1 + q2, max or min to count as equal in the published classes.
    missing : {"pairwise", "listwise"}
        Whether each pair uses all units that both have, or all pairs use the same.
    level : float
        Confidence level of the intervals, and one minus the size of the tested class.
    resampling : Resampling, optional
        With a null, ``p_gain`` and ``p_nonadditive`` come from residuals drawn by chance in place
        of the F distribution; with blocks, ``beyond_best`` and ``beyond_sum`` have intervals
        (``…_low``, ``…_high``) from resampling them.

    Returns
    -------
    InteractionResult
        Strongest pair first. All q of a row are of the same units.

    Raises
    ------
    DataError
        If there are fewer than two factors, or a pair has no unit in common.

    Notes
    -----
    The published class (Wang et al. 2010) compares plain q values: see
    :func:`interaction_class`. It has no error rate: crossing always adds strata, so that of 500
    simulated pairs of pure noise all 500 came out as "enhance, nonlinear". Next to it stand

    - ``tested``: what the tests below, corrected after Holm over all pairs, show at one minus
      `level`;
    - ``beyond_best`` and ``beyond_sum``: q12 less the better of the two, and less their sum, all
      adjusted for the number of strata;
    - ``p_gain``: the nested test that crossing explains more than the better factor alone;
    - ``p_nonadditive``: the test of two-way analysis of variance that crossing explains more than
      the sum of the two factors' effects. Where factors go together, q12 lies below q1 + q2 even
      though effects add up exactly: the test is about effects, ``beyond_sum`` about shares.

    The F tests take units as independent. The tests by a null draw what the smaller model leaves
    unexplained anew (permutation of residuals after Freedman and Lane), with the smoothness of a
    map where the null keeps it.

    References
    ----------
    Wang, J. F., Li, X. H., Christakos, G., et al. (2010). Geographical detectors-based health risk
    assessment. International Journal of Geographical Information Science 24, 107-127.
    https://doi.org/10.1080/13658810802443457

    Examples
    --------
    An exclusive-or: neither factor explains anything alone, both together all.

    >>> pair = {"a": [0, 0, 1, 1] * 3, "b": [0, 1, 0, 1] * 3}
    >>> table = interaction([0.0, 1.0, 1.0, 0.0] * 3, pair).data
    >>> table[["q_1", "q_2", "q_12", "interaction"]].values.tolist()
    [[0.0, 0.0, 1.0, 'enhance, nonlinear']]
    """
    values, partitions = same_units(response, strata, missing)
    if len(partitions) < 2 or singletons == "merge":
        raise DataError(
            "an interaction needs two factors"
            if len(partitions) < 2
            else "cells of a crossing have no neighbours to merge with",
            found=", ".join(partitions),
            do="Give two factors or more; singletons 'keep' or 'drop'",
        )
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    rows = [
        _row(pair, values, unit, singletons, tolerance)
        for pair in combinations(partitions.items(), 2)
    ]
    table = pd.DataFrame(rows)
    if resampling is not None:
        table = _resampled(table, values, partitions, unit, resampling, level)
    table["tested"] = _tested(table, 1.0 - level)
    table = table.sort_values("q_12", ascending=False, kind="stable", ignore_index=True)
    return InteractionResult(
        data=table,
        method="Interaction detector: q of the strata of two factors crossed, with the class that "
        "tests support and, next to it, the class published by Wang et al. (2010).",
        references=(WANG2010, HOLM1979),
        choices=(
            f"Cells of the crossing with one unit were {_SINGLE_CELLS[singletons]}.",
            f"In the published class, q values within {tolerance:g} count as equal.",
            f"The tested class is at the level {1.0 - level:g}, after Holm for {len(rows)} pairs, "
            f"{_test_words(resampling)}.",
            "Units are " + ("weighted." if weights is not None else "not weighted."),
        ),
        cautions=_cautions(table, resampling),
    )


def interaction_class(q1: float, q2: float, q12: float, tolerance: float = 1e-10) -> str:
    """Name the published class of an interaction.

    Parameters
    ----------
    q1, q2, q12 : float
        q of the two factors and of their crossing [1].
    tolerance : float
        How near two q must be to count as equal.

    Returns
    -------
    str
        - ``"independent"``: q12 = q1 + q2;
        - ``"enhance, nonlinear"``: q12 > q1 + q2;
        - ``"enhance, bi"``: max(q1, q2) < q12 < q1 + q2;
        - ``"weaken, uni"``: min(q1, q2) ≤ q12 ≤ max(q1, q2);
        - ``"weaken, nonlinear"``: q12 < min(q1, q2).

    Notes
    -----
    A crossing refines both factors, so q12 ≥ max(q1, q2) always: the two "weaken" classes arise
    only where units were dropped, or where q12 equals the larger q (nested factors).

    Examples
    --------
    >>> interaction_class(0.2, 0.3, 0.4), interaction_class(0.2, 0.3, 0.3)
    ('enhance, bi', 'weaken, uni')
    """
    if abs(q12 - (q1 + q2)) <= tolerance:
        return "independent"
    if q12 > q1 + q2:
        return "enhance, nonlinear"
    if q12 > max(q1, q2) + tolerance:
        return "enhance, bi"
    return "weaken, nonlinear" if q12 < min(q1, q2) - tolerance else "weaken, uni"


def _row(
    pair: tuple[tuple[str, Strata], tuple[str, Strata]],
    values: Floats,
    weights: Floats | None,
    singletons: Singletons,
    tolerance: float,
) -> dict[str, Any]:
    (name_1, first), (name_2, second) = pair
    cells = first.realised * second.realised
    sums = stratum_sums(values, cross_strata(first, second), cells, weights=weights)
    if not sums.n.any():
        raise DataError(
            f"'{name_1}' and '{name_2}' have no unit in common",
            found=f"{values.size} units",
            do="Leave one of them out",
        )
    shape = (first.realised, second.realised)
    crossed = q_statistic(sums)
    alone = (
        q_statistic(_margin(sums, shape, axis=1)),
        q_statistic(_margin(sums, shape, axis=0)),
    )
    # tests compare partitions of the same units; only the published q12 may leave some out
    published = _published(sums) if singletons == "drop" else crossed
    adjusted = [part.adjusted for part in alone]
    better = alone[0] if adjusted[0] >= adjusted[1] else alone[1]
    return {
        "factor_1": name_1,
        "factor_2": name_2,
        "q_1": alone[0].q,
        "q_2": alone[1].q,
        "q_12": published.q,
        "tested": "",
        "interaction": interaction_class(alone[0].q, alone[1].q, published.q, tolerance),
        "q_1_adjusted": alone[0].adjusted,
        "q_2_adjusted": alone[1].adjusted,
        "q_12_adjusted": published.adjusted,
        "beyond_best": published.adjusted - max(adjusted),
        "beyond_sum": published.adjusted - sum(adjusted),
        "F": published.f,
        "p_value": p_central(published),
        "p_gain": _nested_p(better.within, better.strata, crossed),
        "p_nonadditive": _nonadditive_p(sums, shape, crossed),
        "n": published.n,
        "cells": published.strata,
        "single_cells": int((sums.n == 1).sum()),
    }


def _published(sums: StratumSums) -> QStatistic:
    kept = sums.drop(2)
    if (kept.n > 0).sum() < 2:
        return QStatistic(np.nan, np.nan, np.nan, int(kept.n.sum()), kept.n.size, np.nan, np.nan)
    return q_statistic(kept)


def _margin(sums: StratumSums, shape: tuple[int, int], axis: int) -> StratumSums:
    """Merge the cells of a crossing into the strata of one of its factors."""
    n = sums.n.reshape(shape)
    weight, offset = sums.weight.reshape(shape), sums.offset.reshape(shape)
    whole = weight.sum(axis)
    mean = np.divide((weight * offset).sum(axis), whole, out=np.zeros_like(whole), where=whole > 0)
    spread = (weight * (offset - np.expand_dims(mean, axis)) ** 2).sum(axis)
    within = sums.within.reshape(shape).sum(axis) + spread
    return StratumSums(n.sum(axis), whole, mean, within, sums.centre)


def _nested_p(within: float, strata: float, crossed: QStatistic) -> float:
    """Test whether the crossing leaves less than a coarser model of the same units."""
    from scipy.special import fdtrc

    gained, free = crossed.strata - strata, crossed.n - crossed.strata
    if gained <= 0 or free <= 0:
        return np.nan
    if crossed.within <= 0:
        return 0.0 if within > 0 else np.nan
    f = max(within - crossed.within, 0.0) / gained / (crossed.within / free)
    return float(fdtrc(gained, free, f))


def _nonadditive_p(sums: StratumSums, shape: tuple[int, int], crossed: QStatistic) -> float:
    """Compare the crossing with the sum of both factors' effects, fitted to the cell means."""
    present = np.flatnonzero(sums.n > 0)
    rows, columns = np.divmod(present, shape[1])
    design = np.hstack([np.eye(shape[0])[rows], np.eye(shape[1])[columns]])
    root = np.sqrt(sums.weight[present])
    target = root * sums.offset[present]
    fitted, _, rank, _ = np.linalg.lstsq(design * root[:, None], target, rcond=None)
    lack = float(((target - (design * root[:, None]) @ fitted) ** 2).sum())
    return _nested_p(crossed.within + lack, float(rank), crossed)


def _tested(table: pd.DataFrame, significance: float) -> list[str]:
    gain, nonadditive = holm(table["p_gain"]), holm(table["p_nonadditive"])
    return [
        "gain, non-additive" if more and bend else "gain, additive" if more else "no gain shown"
        for more, bend in zip(gain < significance, nonadditive < significance, strict=True)
    ]


def _resampled(
    table: pd.DataFrame,
    values: Floats,
    partitions: Mapping[str, Strata],
    weights: Floats | None,
    by: Resampling,
    level: float,
) -> pd.DataFrame:
    """Put the tests of residuals drawn by chance in place of F's, and add intervals."""
    rows = table.to_dict("records")
    pairs = [(partitions[row["factor_1"]], partitions[row["factor_2"]]) for row in rows]
    if by.null is not None:
        ordered = [_better_first(row) for row in rows]
        table = table.assign(
            p_gain=gain_p(values, partitions, ordered, weights, by),
            p_nonadditive=[nonadditive_p(values, pair, weights, by) for pair in pairs],
        )
    if by.blocks is None:
        return table
    limits: dict[str, list[float]] = {
        f"{name}_{end}": [] for name in ("beyond_best", "beyond_sum") for end in ("low", "high")
    }
    for pair in pairs:
        samples = {"beyond_best": np.array([np.nan]), "beyond_sum": np.array([np.nan])}
        if by.blocks.number >= MIN_BLOCKS:
            first, second, crossed = crossed_samples(values, pair, weights, by)
            samples["beyond_best"] = crossed - np.maximum(first, second)
            samples["beyond_sum"] = crossed - first - second
        for name, drawn in samples.items():
            low, high = block_limits(drawn, by.blocks.number, level)
            limits[f"{name}_low"].append(low)
            limits[f"{name}_high"].append(high)
    return table.assign(**limits)


def _better_first(row: Mapping[Any, Any]) -> tuple[str, str]:
    names = (str(row["factor_1"]), str(row["factor_2"]))
    return names if row["q_1_adjusted"] >= row["q_2_adjusted"] else names[::-1]


def _test_words(resampling: Resampling | None) -> str:
    if resampling is None or resampling.null is None:
        return "by F tests"
    return f"by {resampling.n_resamples} {resampling.null.words}"


def _cautions(table: pd.DataFrame, resampling: Resampling | None) -> tuple[str, ...]:
    words = [
        "The published interaction classes compare plain q values, which grow with the number of "
        "cells: of 500 simulated pairs of pure noise all 500 came out as “enhance, nonlinear”. "
        "Read the tested class and the adjusted differences instead.",
    ]
    if resampling is None or resampling.null is None:
        words += independence_cautions(resampling)
    else:
        words.append(
            "Crossing two smooth maps gains something even where they have nothing to do with the "
            "response: beyond_best and beyond_sum, and their intervals, contain that chance "
            "agreement; their tests do not."
        )
    if resampling is not None and resampling.blocks is not None:
        number = resampling.blocks.number
        if number < MIN_BLOCKS:
            words.append(
                f"No intervals of beyond_best and beyond_sum: {number} blocks fit, {MIN_BLOCKS} "
                "are needed."
            )
    per_cell = table["n"] / table["cells"]
    if (per_cell < 10).any():
        words.append(
            f"{(per_cell < 10).sum()} of {len(table)} crossings have fewer than ten units per cell "
            f"on average (least: {per_cell.min():.1f}); much of their q12 may be chance."
        )
    return tuple(words)
