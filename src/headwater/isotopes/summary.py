"""Means of waters by group and period, and whether groups differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.inference.significance import holm
from headwater.isotopes.excess import d_excess, d_excess_sd, lc_excess, lc_excess_normalised
from headwater.isotopes.lines import WaterLine
from headwater.isotopes.quality import duplicates
from headwater.isotopes.results import GroupTests, SampleSummary
from headwater.isotopes.samples import group_label, group_rows
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["add_excess", "compare_groups", "summarise"]


def add_excess(samples: pd.DataFrame, lmwl: WaterLine | None = None) -> pd.DataFrame:
    """Add the deuterium excess of each sample, and its line-conditioned excess.

    Parameters
    ----------
    samples : DataFrame
        The sample table.
    lmwl : WaterLine, optional
        The local meteoric water line; without it there is no lc-excess.

    Returns
    -------
    DataFrame
        With ``d_excess`` [‰] and, with a line, ``lc_excess`` [‰] and ``lc_excess_normalised`` [1]
        (missing where a sample has no analytical errors).

    Examples
    --------
    >>> from headwater.isotopes.samples import check_samples
    >>> add_excess(check_samples(pd.DataFrame({"d18O": [-12.0], "d2H": [-90.0]})))["d_excess"][0]
    np.float64(6.0)
    """
    table = samples.copy()
    o, h = table["d18O"], table["d2H"]
    table["d_excess"] = d_excess(o, h)
    if lmwl is not None:
        table["lc_excess"] = lc_excess(o, h, lmwl)
        table["lc_excess_normalised"] = lc_excess_normalised(
            o, h, lmwl, d18O_sd=table["d18O_sd"], d2H_sd=table["d2H_sd"]
        )
    return table


@of_inputs
def summarise(
    samples: pd.DataFrame,
    by: Iterable[str] = (),
    *,
    lmwl: WaterLine | None = None,
    weighted: bool = False,
) -> SampleSummary:
    """Summarise waters by group (the study's Table 1, with its uncertainty).

    Parameters
    ----------
    samples : DataFrame
        The sample table, with any column of :func:`~headwater.isotopes.samples.add_groups`.
    by : iterable of str
        Columns that make the groups; a period is a column like any other.
    lmwl : WaterLine, optional
        For the lc-excess.
    weighted : bool
        Whether means are weighted by ``amount``.

    Returns
    -------
    SampleSummary

    Notes
    -----
    σ of d-excess from the full covariance, ``σ_d² = σ_H² + 64 σ_O² - 16 σ_HO``. Weighted means have
    ``se = √(Σ w²(x - x̄)²) / Σ w · √(n/(n-1))`` and a weighted sd.

    Examples
    --------
    >>> from headwater.isotopes.samples import check_samples
    >>> frame = check_samples(pd.DataFrame({"d18O": [-12.0, -10.0], "d2H": [-90.0, -72.0]}))
    >>> summarise(frame).data[["n", "d18O_mean", "d_excess_mean", "d_excess_sd"]].round(3).values
    array([[ 2.   , -11.   ,  7.   ,  1.414]])
    """
    names = list(by)
    table = add_excess(samples, lmwl)
    quantities = [q for q in _QUANTITIES if q in table.columns]
    if weighted and not (table["amount"] > 0).any():
        raise DataError(
            "no amounts to weight the means by",
            found="column amount is empty",
            do="Give amounts, or weighted=False",
        )
    rows = [
        {**keys, "group": group_label(keys), **_describe(rows, quantities, weighted)}
        for keys, rows in group_rows(table, names)
    ]
    data = pd.DataFrame(rows)
    data.attrs["units"] = {
        column: "1" if column.startswith("lc_excess_normalised") else "‰"
        for column in data.columns
        if column.endswith(("_mean", "_sd", "_se", "_error"))
    } | {"covariance": "‰²"}
    return SampleSummary(
        data,
        f"{'Amount-weighted m' if weighted else 'M'}eans and standard deviations"
        f"{' per ' + ' and '.join(names) if names else ''}; d-excess = δ²H - 8 δ¹⁸O"
        + (f"; lc-excess from {lmwl.equation()}" if lmwl else ""),
        (
            "Dansgaard (1964), Tellus 16:436, doi:10.3402/tellusa.v16i4.8993",
            "Landwehr & Coplen (2006), IAEA-CN-118/56, 132 (no DOI; recalled, unchecked)",
        ),
        cautions=tuple(_cautions(samples, data)),
    )


def _cautions(samples: pd.DataFrame, data: pd.DataFrame) -> Iterator[str]:
    """Name groups of one sample, samples that stand twice, and means of fewer samples than n."""
    lone = [str(g) for g, n in zip(data["group"], data["n"], strict=True) if n < 2]
    if lone:
        yield f"One sample only, so no spread: {', '.join(lone)}"
    twice = len({row for row, *_ in duplicates(samples)})
    if twice:
        yield (
            f"{twice} of {len(samples)} samples repeat one above (its number, or its water, place, "
            "time and δ): n counts them and standard errors are too small; the quality check "
            "names them"
        )
    measured = samples[["d18O", "d2H"]].notna()
    for column, name in (("d18O", "δ18O"), ("d2H", "δ2H")):
        fewer = int((measured.any(axis=1) & ~measured[column]).sum())
        if fewer:
            yield f"{fewer} of the samples counted in n have no {name}: its means rest on fewer"


_QUANTITIES = ("d18O", "d2H", "d_excess", "lc_excess", "lc_excess_normalised")


def _describe(rows: pd.DataFrame, quantities: list[str], weighted: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"n": int(rows[["d18O", "d2H"]].notna().any(axis=1).sum())}
    weight = rows["amount"].to_numpy(dtype=float) if weighted else np.ones(len(rows))
    for name in quantities:
        stats = _moments(rows[name].to_numpy(dtype=float), weight)
        found |= {f"{name}_{what}": value for what, value in stats.items()}
    both = rows[["d18O", "d2H"]].dropna()
    found["covariance"] = float(np.cov(both.to_numpy().T)[0, 1]) if len(both) > 1 else np.nan
    errors = rows[["d18O_sd", "d2H_sd"]].dropna()
    # root mean square of the analytical errors, carried into d
    mean_square = (errors**2).mean() if len(errors) else pd.Series([np.nan, np.nan])
    found["d_excess_error"] = float(d_excess_sd(*np.sqrt(mean_square)))
    return found


def _moments(values: NDArray[Any], weight: NDArray[Any]) -> dict[str, float]:
    use = np.isfinite(values) & (weight > 0)
    values, weight, n = values[use], weight[use], int(use.sum())
    if n == 0:
        return {"mean": np.nan, "sd": np.nan, "se": np.nan, "n": 0}
    share = weight / weight.sum()
    mean = float(share @ values)
    if n == 1:
        return {"mean": mean, "sd": np.nan, "se": np.nan, "n": 1}
    rest, wide = (values - mean) ** 2, n / (n - 1)
    return {
        "mean": mean,
        "sd": float(np.sqrt(share @ rest * wide)),
        "se": float(np.sqrt(share**2 @ rest * wide)),
        "n": n,
    }


@of_inputs
def compare_groups(
    samples: pd.DataFrame,
    by: str,
    quantity: str = "d18O",
    *,
    within: Iterable[str] = (),
    level: float = 0.95,
) -> GroupTests:
    """Test whether a quantity differs between groups or periods.

    Parameters
    ----------
    samples : DataFrame
        The sample table; `quantity` may be a column of :func:`add_excess`.
    by : str
        The column whose groups are compared.
    quantity : str
        The column of numbers.
    within : iterable of str
        Columns held fixed: the test is repeated in each of their groups.
    level : float
        Of the intervals [1].

    Returns
    -------
    GroupTests
        For each fixed group one row of all groups at once (Welch's analysis of variance and
        Kruskal-Wallis), then all pairs (Welch's t with interval, Mann-Whitney), the p of the pairs
        adjusted by Holm.

    Raises
    ------
    DataError
        If nowhere two groups have two samples each.

    References
    ----------
    Welch (1951), On the comparison of several mean values, Biometrika 38:330,
    doi:10.1093/biomet/38.3-4.330.
    Kruskal & Wallis (1952), J. Am. Stat. Assoc. 47:583,
    doi:10.1080/01621459.1952.10483441.

    Examples
    --------
    >>> frame = pd.DataFrame({"month": ["June"] * 4 + ["May"] * 4,
    ...                       "d18O": [-12., -11, -12.5, -11.5, -9, -8, -8.5, -9.5]})
    >>> compare_groups(frame, "month").data.loc[1, ["difference", "p_mean"]].round(4).tolist()
    [-3.0, 0.0006]
    """
    rows: list[dict[str, Any]] = []
    for keys, part in group_rows(samples, within):
        groups = {
            group_label(key): some[quantity].dropna().to_numpy(dtype=float)
            for key, some in group_rows(part, [by])
        }
        groups = {name: values for name, values in groups.items() if len(values) > 1}
        if len(groups) > 1:
            rows += [{**keys, **row} for row in _tests(groups, level)]
    if not rows:
        raise DataError(
            f"no two groups of '{by}' to compare",
            found="fewer than two groups with two samples each",
            do="Group by another column, or drop `within`",
        )
    table = pd.DataFrame(rows)
    table.attrs["units"] = dict.fromkeys(("difference", "low", "high"), "‰")
    return GroupTests(
        table,
        f"Differences of {quantity} between {by}: Welch and rank tests, pairs adjusted by Holm",
        (
            "Welch (1951), Biometrika 38:330, doi:10.1093/biomet/38.3-4.330",
            "Kruskal & Wallis (1952), J. Am. Stat. Assoc. 47:583, "
            "doi:10.1080/01621459.1952.10483441",
            "Holm (1979), Scand. J. Stat. 6:65 (no DOI)",
        ),
        cautions=(
            "The tests take samples as independent: samples of one profile or one site are "
            "not, and their p-values are too small (of groups that do not differ, with four "
            "profiles each, 10 to 58 % were said to at 5 %).",
        ),
    )


def _tests(groups: dict[str, Any], level: float) -> list[dict[str, Any]]:
    from scipy import stats

    values = list(groups.values())
    same = np.ptp(np.concatenate(values)) == 0
    first = {
        "group_a": "all groups",
        "group_b": "",
        "n_a": sum(map(len, values)),
        "n_b": 0,
        "difference": np.nan,
        "low": np.nan,
        "high": np.nan,
        "p_mean": _welch_anova(values),
        "p_rank": np.nan if same else float(stats.kruskal(*values).pvalue),
    }
    pairs = [_pair(a, b, groups, level) for a, b in combinations(groups, 2)]
    for name in ("p_mean", "p_rank"):
        adjusted = holm([pair[name] for pair in pairs])
        first[f"{name}_holm"] = first[name]
        for pair, p in zip(pairs, adjusted, strict=True):
            pair[f"{name}_holm"] = float(p)
    return [first, *pairs]


def _pair(a: str, b: str, groups: dict[str, Any], level: float) -> dict[str, Any]:
    from scipy import stats
    from scipy.special import stdtr, stdtrit

    one, two = groups[a], groups[b]
    parts = one.var(ddof=1) / len(one), two.var(ddof=1) / len(two)
    spread, gap = float(np.sqrt(sum(parts))), float(one.mean() - two.mean())
    if spread > 0:
        dof = sum(parts) ** 2 / (parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(two) - 1))
        half, p = stdtrit(dof, 0.5 + level / 2.0) * spread, 2.0 * stdtr(dof, -abs(gap / spread))
        rank = stats.mannwhitneyu(one, two, alternative="two-sided").pvalue
    else:
        half, p, rank = np.nan, np.nan, np.nan
    return {
        "group_a": a,
        "group_b": b,
        "n_a": len(one),
        "n_b": len(two),
        "difference": gap,
        "low": gap - half,
        "high": gap + half,
        "p_mean": float(p),
        "p_rank": float(rank),
    }


def _welch_anova(values: list[Any]) -> float:
    """Test equal means, each group with its own spread."""
    from scipy.special import fdtrc

    spreads = np.array([group.var(ddof=1) for group in values])
    if (spreads <= 0).any():
        return float("nan")
    n, k = np.array([len(group) for group in values], dtype=float), len(values)
    weight = n / spreads
    means = np.array([group.mean() for group in values])
    centre = weight @ means / weight.sum()
    lack = float(((1.0 - weight / weight.sum()) ** 2 / (n - 1.0)).sum())
    between = weight @ (means - centre) ** 2 / (k - 1)
    ratio = between / (1.0 + 2.0 * (k - 2) / (k * k - 1.0) * lack)
    return float(fdtrc(k - 1, (k * k - 1.0) / (3.0 * lack), ratio))
