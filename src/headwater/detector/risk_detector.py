"""The risk detector: where the response is high and where it is low."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from string import ascii_lowercase
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from headwater.detector.factor_detector import independence_cautions
from headwater.detector.field_intervals import (
    FieldMeans,
    difference_p,
    difference_se,
    field_means,
    half_widths,
)
from headwater.detector.q import StratumSums, stratum_sums
from headwater.detector.resample import Resampling
from headwater.detector.results import (
    BENJAMINI1995,
    HOLM1979,
    WANG2010,
    ContrastResult,
    RiskMaps,
    RiskResult,
)
from headwater.detector.sample import Missing, Sample, same_units
from headwater.detector.strata import Strata
from headwater.errors import DataError
from headwater.inference.significance import benjamini_hochberg, holm
from headwater.results import of_inputs

Floats = npt.NDArray[np.float64]

__all__ = ["compact_letters", "contrasts", "risk", "risk_maps"]


@of_inputs
def risk(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    *,
    weights: npt.ArrayLike | None = None,
    missing: Missing = "pairwise",
    level: float = 0.95,
    resampling: Resampling | None = None,
    p_factor: Mapping[str, float] | None = None,
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
    resampling : Resampling, optional
        With places, intervals and letters follow from the covariance of the field; without, from
        Student's t, as if units were independent.
    p_factor : mapping of str to float, optional
        See :func:`contrasts`.

    Returns
    -------
    RiskResult
        n, mean, standard deviation and interval of each stratum [unit of the response]; NaN where
        one unit, or too smooth a field, allows none. Strata that share a letter do not differ in
        :func:`contrasts` at one minus `level`, corrected after Holm.

    Examples
    --------
    >>> risk([1.0, 3.0, 7.0, 9.0], {"cover": ["a", "a", "b", "b"]}).data["mean"].tolist()
    [2.0, 8.0]
    """
    values, partitions = same_units(response, strata, missing)
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    rows, refused = [], []
    for name, partition in partitions.items():
        found = _stratum_means(values, partition, unit, resampling)
        refused += [f"No intervals of the means by {name}: {found.why}."] if found.why else []
        half = found.half_widths(level)
        corrected = _protected(holm(found.differences()["p_value"]), (p_factor or {}).get(name))
        letters = _letters(corrected, found, 1.0 - level)
        columns = zip(partition.names, found.sums.n, found.sums.mean, half, letters, strict=True)
        sd = np.sqrt(found.sums.variance)
        rows += [
            {
                "factor": name,
                "stratum": number,
                "name": stratum,
                "n": int(n),
                "mean": mean,
                "sd": sd[number - 1],
                "low": mean - reach,
                "high": mean + reach,
                "letters": letter,
            }
            for number, (stratum, n, mean, reach, letter) in enumerate(columns, start=1)
        ]
    return RiskResult(
        data=pd.DataFrame(rows),
        method=f"Risk detector: mean of the response in each stratum, with its {level:.0%} "
        f"interval ({_interval_words(resampling)}); strata that share a letter do not differ "
        "(corrected after Holm).",
        references=(WANG2010, HOLM1979),
        choices=(_weight_words(weights),),
        cautions=(*refused, *independence_cautions(resampling)),
    )


@of_inputs
def contrasts(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    *,
    weights: npt.ArrayLike | None = None,
    missing: Missing = "pairwise",
    resampling: Resampling | None = None,
    p_factor: Mapping[str, float] | None = None,
) -> ContrastResult:
    r"""Compare the strata of each factor, all pairs.

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
    resampling : Resampling, optional
        With places, the tests follow from the covariance of the field.
    p_factor : mapping of str to float, optional
        p of the search behind each factor's strata. A difference between strata that a search
        found is no surer than the search: no corrected p of a factor falls below its own.

    Returns
    -------
    ContrastResult
        Difference of the means [unit of the response], t, its degrees of freedom, p, and p
        corrected within the factor after Holm (no false one among all) and after Benjamini and
        Hochberg (few false ones among those found). NaN where a stratum has one unit, or both have
        no variance, or the field is too smooth for a test.

    Notes
    -----
    .. math:: t = (m_i - m_j) / \sqrt{s_i^2 / n_i + s_j^2 / n_j}

    (Welch) for independent units. On maps and at points the variance of the difference follows
    from the covariance of what the factor leaves,
    :func:`headwater.detector.field_covariance.mean_noise`.

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
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    tables, refused = [], []
    for name, partition in partitions.items():
        found = _stratum_means(values, partition, unit, resampling)
        refused += [f"No tests between the strata of {name}: {found.why}."] if found.why else []
        table, least = found.differences(), (p_factor or {}).get(name)
        table.insert(0, "factor", name)
        table["p_holm"] = _protected(holm(table["p_value"]), least)
        table["p_fdr"] = _protected(benjamini_hochberg(table["p_value"]), least)
        tables.append(table)
    how = _test_words(resampling)
    return ContrastResult(
        data=pd.concat(tables, ignore_index=True),
        method=f"Risk detector: all pairs of strata by {how}, corrected within each factor "
        "after Holm (p_holm) and after Benjamini and Hochberg (p_fdr).",
        references=(WANG2010, HOLM1979, BENJAMINI1995),
        choices=(
            _weight_words(weights),
            *([_PROTECTED] if p_factor else []),
        ),
        cautions=(*refused, *independence_cautions(resampling)),
    )


_PROTECTED = (
    "Strata were searched: no corrected p of a contrast is taken as smaller than p_search of its "
    "factor."
)


@dataclass(frozen=True, slots=True, eq=False)
class _StratumMeans:
    """Means of strata, their variances as if independent, and under the field where that holds."""

    names: tuple[str, ...]
    sums: StratumSums
    error: Floats
    field: FieldMeans | None
    why: str

    def half_widths(self, level: float) -> Floats:
        """Half the width of the intervals of the means; NaN where there is none."""
        from scipy.special import stdtrit

        if self.why:
            return np.full(len(self.names), np.nan)
        if self.field is None:
            free = np.where(self.sums.n > 1, self.sums.n - 1.0, np.nan)
            return np.asarray(stdtrit(free, (1 + level) / 2) * np.sqrt(self.error))
        half = np.full(len(self.names), np.nan)
        noise = self.field.noise
        half[self.field.kept] = half_widths(
            np.sqrt(np.einsum("kgg->kg", noise.covariance)), noise, level
        )
        return half

    def differences(self) -> pd.DataFrame:
        """Test all pairs of strata."""
        if self.field is None and not self.why:
            return _welch(self.sums, self.error, self.names)
        table = _welch(self.sums, self.error, self.names)
        table[["t", "df", "p_value"]] = np.nan
        if self.field is None:
            return table
        one, two = _pairs_of(len(self.names))
        place = np.full(len(self.names), -1)
        place[self.field.kept] = np.arange(self.field.kept.size)
        both = (place[one] >= 0) & (place[two] >= 0)
        noise = self.field.noise
        se = difference_se(noise, place[one[both]], place[two[both]])
        difference = table["difference"].to_numpy()[both]
        table.loc[both, "t"] = difference / np.sqrt(noise.weight @ se**2)
        table.loc[both, "df"] = float(noise.df)
        table.loc[both, "p_value"] = difference_p(difference, se, noise)
        return table


def _stratum_means(
    values: Floats, partition: Strata, unit: Floats | None, by: Resampling | None
) -> _StratumMeans:
    sums = stratum_sums(values, partition.codes, partition.realised, weights=unit)
    kept = (partition.codes >= 0) & ~np.isnan(values)
    weight = np.ones(values.size) if unit is None else unit
    squares = (
        np.bincount(partition.codes[kept], weight[kept] ** 2, minlength=partition.realised)
        / np.where(sums.weight > 0, sums.weight, np.nan) ** 2
    )
    error = sums.variance * squares
    if by is None or by.where is None:
        return _StratumMeans(partition.names, sums, error, None, "")
    try:
        means = field_means(values, partition, by.where, unit, by.rng)
    except DataError as cause:
        why = f"{cause.wrong} ({cause.found})"
        return _StratumMeans(partition.names, sums, error, None, why)
    return _StratumMeans(partition.names, sums, error, means, "")


def _protected(p: Floats, least: float | None) -> Floats:
    """Raise p to that of the search which found the strata."""
    return p if least is None or np.isnan(least) else np.maximum(p, least)


def _interval_words(resampling: Resampling | None) -> str:
    if resampling is None or resampling.where is None:
        return "Student's t, units taken as independent"
    return "from the covariance fitted to what the factor leaves"


def _test_words(resampling: Resampling | None) -> str:
    if resampling is None or resampling.where is None:
        return "Welch's t"
    return "t under the covariance fitted to what the factor leaves"


def _weight_words(weights: npt.ArrayLike | None) -> str:
    return "Units are " + ("weighted." if weights is not None else "not weighted.")


def _letters(corrected: Floats, found: _StratumMeans, significance: float) -> list[str]:
    if found.why:
        return [""] * len(found.names)
    one, two = _pairs_of(len(found.names))
    apart = np.zeros((len(found.names), len(found.names)), bool)
    apart[one, two] = apart[two, one] = corrected < significance
    # an empty stratum has no mean, and sorts last
    return compact_letters(apart, np.where(found.sums.n > 0, found.sums.mean, -np.inf))


def _pairs_of(strata: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    pairs = np.array(list(combinations(range(strata), 2)), dtype=np.intp).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _welch(sums: StratumSums, error: Floats, names: tuple[str, ...]) -> pd.DataFrame:
    from scipy.special import stdtr

    one, two = _pairs_of(len(names))
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
        Whether a test distinguishes two strata; symmetric.
    level : array_like, shape (strata,)
        Their means [any unit]: the highest gets "a".

    Returns
    -------
    list of str
        Two strata share a letter exactly where the test does not distinguish them.

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


@of_inputs
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
