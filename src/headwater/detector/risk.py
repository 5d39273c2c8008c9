"""The risk detector: where the response is high and where it is low."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.factor import INDEPENDENCE_CAUTION
from headwater.detector.letters import compact_letters
from headwater.detector.references import BENJAMINI1995, HOLM1979, WANG2010
from headwater.detector.results import ContrastResult, RiskResult
from headwater.detector.sample import Missing, same_units
from headwater.detector.sums import StratumSums, stratum_sums
from headwater.inference.multiplicity import benjamini_hochberg, holm
from headwater.results import fingerprint

__all__ = ["contrasts", "risk"]


def risk(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    *,
    weights: npt.ArrayLike | None = None,
    missing: Missing = "pairwise",
    level: float = 0.95,
) -> RiskResult:
    """Compute the mean of the response in each stratum.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    strata : mapping of str to Strata or array_like
        The factors, parted into strata.
    weights : array_like, same shape, optional
        Weight of each unit.
    missing : {"pairwise", "listwise"}
        Whether each factor uses all units it has, or all use the same.
    level : float
        Confidence level of the intervals.

    Returns
    -------
    RiskResult
        n, mean, standard deviation and interval (Student's t) of each stratum [unit of the
        response]; NaN where one unit allows none. Strata that share a letter do not differ in
        :func:`contrasts` at one minus `level`, corrected after Holm.

    Examples
    --------
    >>> risk([1.0, 3.0, 7.0, 9.0], {"cover": ["a", "a", "b", "b"]}).data["mean"].tolist()
    [2.0, 8.0]
    """
    from scipy.special import stdtrit

    values, partitions = same_units(response, strata, missing)
    rows = []
    for name, partition in partitions.items():
        sums = stratum_sums(values, partition.codes, partition.realised, weights=weights)
        sd = np.sqrt(sums.variance)
        free = np.where(sums.n > 1, sums.n - 1.0, np.nan)
        half = stdtrit(free, (1 + level) / 2) * sd / np.sqrt(np.maximum(sums.n, 1))
        letters = _letters(sums, partition.names, 1.0 - level)
        columns = zip(partition.names, sums.n, sums.mean, sd, half, letters, strict=True)
        rows += [
            {
                "factor": name,
                "stratum": number,
                "name": stratum,
                "n": int(n),
                "mean": mean,
                "sd": spread,
                "low": mean - reach,
                "high": mean + reach,
                "letters": letter,
            }
            for number, (stratum, n, mean, spread, reach, letter) in enumerate(columns, start=1)
        ]
    return RiskResult(
        data=pd.DataFrame(rows),
        method=f"Risk detector: mean of the response in each stratum, with its {level:.0%} "
        "interval (Student's t); strata that share a letter do not differ (Welch's t, corrected "
        "after Holm).",
        references=(WANG2010, HOLM1979),
        fingerprint=fingerprint(values, *(part.codes for part in partitions.values())),
        cautions=(INDEPENDENCE_CAUTION,),
    )


def contrasts(
    response: npt.ArrayLike, strata: Mapping[str, Any], *, missing: Missing = "pairwise"
) -> ContrastResult:
    r"""Compare the strata of each factor, all pairs.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    strata : mapping of str to Strata or array_like
        The factors, parted into strata.
    missing : {"pairwise", "listwise"}
        Whether each factor uses all units it has, or all use the same.

    Returns
    -------
    ContrastResult
        Difference of the means [unit of the response], Welch's t, its degrees of freedom after
        Satterthwaite, p, and p corrected within the factor after Holm (no false one among all) and
        after Benjamini and Hochberg (few false ones among those found). NaN where a stratum has one
        unit, or both have no variance.

    Notes
    -----
    .. math:: t = (m_i - m_j) / \sqrt{s_i^2 / n_i + s_j^2 / n_j}

    References
    ----------
    Welch, B. L. (1947). The generalization of "Student's" problem when several different
    population variances are involved. Biometrika 34, 28-35.
    https://doi.org/10.1093/biomet/34.1-2.28

    Examples
    --------
    >>> table = contrasts([1.0, 3.0, 7.0, 9.0], {"cover": ["a", "a", "b", "b"]}).data
    >>> table[["difference", "df"]].values.tolist()
    [[-6.0, 2.0]]
    """
    values, partitions = same_units(response, strata, missing)
    tables = []
    for name, partition in partitions.items():
        sums = stratum_sums(values, partition.codes, partition.realised)
        table = _welch(sums, partition.names)
        table.insert(0, "factor", name)
        table["p_holm"] = holm(table["p_value"])
        table["p_fdr"] = benjamini_hochberg(table["p_value"])
        tables.append(table)
    return ContrastResult(
        data=pd.concat(tables, ignore_index=True),
        method="Risk detector: all pairs of strata by Welch's t, corrected within each factor "
        "after Holm (p_holm) and after Benjamini and Hochberg (p_fdr).",
        references=(WANG2010, HOLM1979, BENJAMINI1995),
        fingerprint=fingerprint(values, *(part.codes for part in partitions.values())),
        cautions=(INDEPENDENCE_CAUTION,),
    )


def _letters(sums: StratumSums, names: tuple[str, ...], alpha: float) -> list[str]:
    pairs = np.array(list(combinations(range(len(names)), 2)), dtype=np.intp).reshape(-1, 2)
    apart = np.zeros((len(names), len(names)), bool)
    found = holm(_welch(sums, names)["p_value"]) < alpha
    apart[pairs[:, 0], pairs[:, 1]] = apart[pairs[:, 1], pairs[:, 0]] = found
    # an empty stratum has no mean, and sorts last
    return compact_letters(apart, np.where(sums.n > 0, sums.mean, -np.inf))


def _welch(sums: StratumSums, names: tuple[str, ...]) -> pd.DataFrame:
    from scipy.special import stdtr

    pairs = np.array(list(combinations(range(len(names)), 2)), dtype=np.intp).reshape(-1, 2)
    one, two = pairs.T
    error = sums.variance / np.maximum(sums.n, 1)
    free = np.maximum(sums.n - 1.0, 1.0)
    both = error[one] + error[two]
    both = np.where(both > 0, both, np.nan)
    difference = sums.offset[one] - sums.offset[two]
    t = difference / np.sqrt(both)
    df = both**2 / (error[one] ** 2 / free[one] + error[two] ** 2 / free[two])
    return pd.DataFrame(
        {
            "name_1": [names[i] for i in one],
            "name_2": [names[i] for i in two],
            "difference": difference,
            "t": t,
            "df": df,
            "p_value": 2.0 * stdtr(df, -np.abs(t)),
            "p_holm": np.nan,
            "p_fdr": np.nan,
            "n_1": sums.n[one],
            "n_2": sums.n[two],
        }
    )
