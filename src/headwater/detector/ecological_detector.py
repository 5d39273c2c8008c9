"""The ecological detector: whether two factors differ in what they explain."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.field_intervals import MIN_BLOCKS
from headwater.detector.interaction_tests import crossed_samples, paired_p
from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.resample import Resampling, block_limits, unit_blocks
from headwater.detector.results import HOLM1979, WANG2010, EcologicalResult
from headwater.detector.sample import Missing, same_units
from headwater.detector.strata import Strata
from headwater.errors import DataError, StudyError, nearest
from headwater.inference.significance import holm
from headwater.results import of_inputs

__all__ = ["EcologicalMethod", "ecological"]

Floats = npt.NDArray[np.float64]
EcologicalMethod = Literal["paired", "wang2010", "gd", "gdverse"]

_WORDS = {
    "paired": "paired test of the squared errors of leave-one-out prediction by the two factors, "
    "signs flipped by block, in all ways",
    "wang2010": "two-sided F test of the sums of squares within strata, with crossed degrees of "
    "freedom",
    "gd": "the rule of the R package GD: q2 / q1, or its inverse, beyond the 90 % point of F",
    "gdverse": "the rule of the R package gdverse: the upper tail of F at (1 - q1) / (1 - q2)",
}
_CAUTIONS = {
    "paired": "Where squares of cells are the blocks, the paired test supposes that cells further "
    "apart than a block do not depend on each other.",
    "wang2010": "The ecological F test compares two sums of squares of the same response, which "
    "are not independent as it supposes, and takes the units as independent.",
    "gd": "The rule of GD compares q with q, not variances, and is at the 20 % level: it is given "
    "for comparison with other software and is no valid test.",
    "gdverse": "The rule of gdverse is one-sided, so that its answer changes with the order of the "
    "two factors: it is given for comparison with other software and is no valid test.",
}


@of_inputs
def ecological(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    *,
    weights: npt.ArrayLike | None = None,
    method: EcologicalMethod = "paired",
    missing: Missing = "pairwise",
    level: float = 0.95,
    resampling: Resampling | None = None,
) -> EcologicalResult:
    r"""Compare what two factors explain.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    strata : mapping of str to Strata or array_like
        At least two factors.
    weights : array_like, same shape, optional
        Weight of each unit.
    method : {"paired", "wang2010", "gd", "gdverse"}
        The test; the last two reproduce other software and are no valid tests.
    missing : {"pairwise", "listwise"}
        Whether each pair uses all units that both have, or all pairs use the same.
    level : float
        Confidence level of the interval, and one minus the size of the decision.
    resampling : Resampling, optional
        Blocks of the paired test and of the interval, their number and source of randomness;
        default: single units (2000 random groups of more), 999 times, from a generator seeded
        with 1.

    Returns
    -------
    EcologicalResult
        Difference of the adjusted q with its interval from resampled blocks, the F ratio, p, p
        corrected after Holm over all pairs, and whether the factors differ: by the corrected p, or
        by the rule of the package.

    Raises
    ------
    DataError
        If there are fewer than two factors.
    StudyError
        If the method is unknown.

    Notes
    -----
    .. math:: F = \frac{N_1 (N_2 - 1) SSW_1}{N_2 (N_1 - 1) SSW_2}

    with N1 - 1 and N2 - 1 degrees of freedom (Wang et al. 2010). Some papers print
    N1 (N1 - 1) SSW1 / [N2 (N2 - 1) SSW2], without the crossed terms: a misprint that changes
    nothing only because both factors are of the same units, N1 = N2, and F = SSW1 / SSW2. Its test
    is two-sided here, so that the order of the factors does not matter. But both sums of squares
    are of the same response, not independent as F supposes. The paired test takes the response as
    given: every unit is predicted by the mean of the others in its stratum, once by either factor,
    and the signs of the differences of squared errors are flipped block by block, in all ways: no
    number of draws bounds its p, so that it stands a correction for many pairs.

    References
    ----------
    Wang, J. F., Li, X. H., Christakos, G., et al. (2010). Geographical detectors-based health risk
    assessment. International Journal of Geographical Information Science 24, 107-127.
    https://doi.org/10.1080/13658810802443457

    Examples
    --------
    >>> pair = {"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]}
    >>> round(float(ecological([1.0, 2.0, 6.0, 7.0], pair, method="wang2010").data["F"][0]), 4)
    0.04
    """
    if method not in _WORDS:
        known = list(_WORDS)
        raise StudyError("unknown method", found=f"'{method}'", do=nearest(method, known))
    values, partitions = same_units(response, strata, missing)
    if len(partitions) < 2:
        raise DataError(
            "a comparison needs two factors", found=", ".join(partitions), do="Give two or more"
        )
    by = _resampling(values, resampling)
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    pairs = combinations(partitions.items(), 2)
    table = pd.DataFrame([_row(pair, values, unit, method, by, level) for pair in pairs])
    corrected = holm(table["p_value"])
    table.insert(list(table.columns).index("p_value") + 1, "p_holm", corrected)
    if method in ("paired", "wang2010"):
        table["differ"] = corrected < 1.0 - level
    return EcologicalResult(
        data=table,
        method=f"Ecological detector: {_WORDS[method]}.",
        references=(WANG2010, HOLM1979),
        choices=(
            f"Resampled: {_block_words(by)}, {by.n_resamples} times.",
            "Units are " + ("weighted." if weights is not None else "not weighted."),
        ),
        cautions=(
            _CAUTIONS[method],
            *(_block_cautions(by, len(table), level) if method == "paired" else ()),
        ),
    )


def _resampling(values: Floats, given: Resampling | None) -> Resampling:
    by = given or Resampling(np.random.default_rng(1))
    if by.blocks is not None:
        return by
    return Resampling(by.rng, by.null, unit_blocks(values.size, by.rng), by.n_resamples)


def _row(
    named: tuple[tuple[str, Strata], tuple[str, Strata]],
    values: Floats,
    unit: Floats | None,
    method: EcologicalMethod,
    by: Resampling,
    level: float,
) -> dict[str, Any]:
    assert by.blocks is not None
    one, two = named
    pair = (one[1], two[1])
    common = (one[1].codes >= 0) & (two[1].codes >= 0)
    first, second = (
        q_statistic(
            stratum_sums(values, np.where(common, part.codes, -1), part.realised, weights=unit)
        )
        for part in pair
    )
    low = high = np.nan
    if by.blocks.number >= MIN_BLOCKS:
        samples = crossed_samples(values, pair, unit, by)
        low, high = block_limits(samples[0] - samples[1], by.blocks.number, level)
    f, p, differ = _test(first.q, second.q, first.n, method)
    if method == "paired":
        p = paired_p(values, pair, by.blocks, unit)
    return {
        "factor_1": one[0],
        "factor_2": two[0],
        "q_1": first.q,
        "q_2": second.q,
        "difference": first.adjusted - second.adjusted,
        "low": low,
        "high": high,
        "F": f,
        "p_value": p,
        "differ": differ,
        "n": first.n,
    }


def _block_words(by: Resampling) -> str:
    assert by.blocks is not None
    return by.blocks.words


def _block_cautions(by: Resampling, pairs: int, level: float) -> tuple[str, ...]:
    """Report the smallest p that blocks allow, where it is too large to show anything."""
    assert by.blocks is not None
    number, words = by.blocks.number, []
    least = 2.0 ** (1 - number)
    if least * pairs > 1.0 - level:
        words.append(
            f"With {number} blocks the smallest p there can be is {least:.2g}; corrected for "
            f"{pairs} pairs it stays above {1.0 - level:g}: no two factors can be shown to differ."
        )
    if number < MIN_BLOCKS:
        words.append(
            f"No interval of the difference of q: {number} blocks fit, {MIN_BLOCKS} are needed."
        )
    return tuple(words)


def _test(q1: float, q2: float, n: int, method: EcologicalMethod) -> tuple[float, float, bool]:
    """Compute F, p and the decision; of GD, whose rule knows no p, NaN."""
    from scipy.special import fdtr, fdtrc, fdtri

    free = n - 1
    top, bottom = (q2, q1) if method == "gd" else (1.0 - q1, 1.0 - q2)
    if bottom <= 0:
        return (np.inf, 0.0, True) if top > 0 else (np.nan, np.nan, False)
    f = top / bottom
    if method == "gd":
        return f, np.nan, bool(f > 0 and max(f, 1.0 / f) > fdtri(free, free, 0.9))
    upper = float(fdtrc(free, free, f))
    if method == "gdverse":
        return f, upper, upper < 0.05
    return f, min(1.0, 2.0 * min(upper, float(fdtr(free, free, f)))), False
