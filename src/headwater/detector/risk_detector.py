"""The risk detector: where the response is high and where it is low."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from string import ascii_lowercase
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from headwater.detector.factor_detector import INDEPENDENCE_CAUTION
from headwater.detector.q import StratumSums, stratum_sums
from headwater.detector.references import BENJAMINI1995, HOLM1979, WANG2010
from headwater.detector.results import ContrastResult, RiskMaps, RiskResult
from headwater.detector.sample import Missing, Sample, same_units
from headwater.detector.strata import Strata
from headwater.inference.multiplicity import benjamini_hochberg, holm
from headwater.results import fingerprint

__all__ = ["compact_letters", "contrasts", "risk", "risk_maps"]


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


def compact_letters(different: npt.ArrayLike, level: npt.ArrayLike) -> list[str]:
    """Give the same letter to strata that do not differ.

    Parameters
    ----------
    different : array_like of bool, shape (strata, strata)
        Whether a test tells two strata apart; symmetric.
    level : array_like, shape (strata,)
        Their means [any unit]: the highest gets "a".

    Returns
    -------
    list of str
        Two strata share a letter exactly where the test does not tell them apart.

    Notes
    -----
    Insert and absorb: start with one group of all; every difference splits the groups that hold
    both; a group within another goes out.

    References
    ----------
    Piepho, H.-P. (2004). An algorithm for a letter-based representation of all-pairwise
    comparisons. Journal of Computational and Graphical Statistics 13, 456-466.
    https://doi.org/10.1198/1061860043515

    Examples
    --------
    >>> compact_letters([[0, 0, 1], [0, 0, 0], [1, 0, 0]], [3.0, 2.0, 1.0])
    ['a', 'ab', 'b']
    """
    apart = np.asarray(different, dtype=bool)
    order = np.argsort(-np.asarray(level, dtype=np.float64), kind="stable").tolist()
    groups = [frozenset(order)]
    for place, one in enumerate(order):
        for two in order[place + 1 :]:
            if apart[one, two]:
                groups = _split(groups, one, two)
    groups.sort(key=lambda group: sorted(order.index(member) for member in group))
    return [
        "".join(_letter(at) for at, group in enumerate(groups) if stratum in group)
        for stratum in range(len(order))
    ]


def _split(groups: list[frozenset[int]], one: int, two: int) -> list[frozenset[int]]:
    parted: list[frozenset[int]] = []
    for group in groups:
        parted += [group - {one}, group - {two}] if {one, two} <= group else [group]
    distinct = list(dict.fromkeys(parted))
    return [group for group in distinct if not any(group < other for other in distinct)]


def _letter(at: int) -> str:
    return ascii_lowercase[at % 26] + "\N{PRIME}" * (at // 26)


def risk_maps(sample: Sample, strata: Mapping[str, Strata], risks: RiskResult) -> RiskMaps:
    """Put strata and their means back on the grid.

    Parameters
    ----------
    sample : Sample
        Read from maps.
    strata : mapping of str to Strata
        The partitions of its units.
    risks : RiskResult
        Means of these strata.

    Returns
    -------
    RiskMaps
    """
    assert sample.grid is not None
    maps = {}
    for name, partition in strata.items():
        of_factor = risks.data[risks.data["factor"] == name]
        label = sample.labels.get(name, name)
        listing = "; ".join(f"{row.stratum}: {row[3]}" for row in of_factor.itertuples())
        codes, means = partition.codes, np.append(of_factor["mean"].to_numpy(), np.nan)
        maps[f"{name}_stratum"] = _on_grid(
            sample,
            np.where(codes < 0, np.nan, codes + 1.0).astype(np.float32),
            {"long_name": f"Stratum of {label}", "units": "1", "strata": listing},
        )
        maps[f"{name}_mean"] = _on_grid(
            sample,
            means[codes],
            {"long_name": f"Mean {_lower(sample.name)} by {label}", "units": sample.units},
        )
    return RiskMaps(
        data=xr.Dataset(maps),
        method="Risk maps: the stratum of each cell, and the mean of the response in that stratum.",
        references=risks.references,
        fingerprint=risks.fingerprint,
        cautions=risks.cautions,
    )


def _lower(name: str) -> str:
    """Write a name within a sentence; NDVI stays NDVI."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def _on_grid(sample: Sample, values: npt.NDArray[Any], attrs: dict[str, str]) -> xr.DataArray:
    assert sample.grid is not None
    grid = sample.grid
    coords = {name: coord for name, coord in grid.coords.items() if set(coord.dims) <= {"y", "x"}}
    return xr.DataArray(_spread(sample, values, np.nan), coords, grid.dims, attrs=attrs)


def _spread(sample: Sample, values: npt.NDArray[Any], missing: float) -> npt.NDArray[Any]:
    """Put units back into their cells."""
    assert sample.grid is not None
    full = np.full(sample.grid.size, missing, values.dtype)
    full[sample.cells] = values
    return full.reshape(sample.grid.shape)
