"""The chapter "What drives the pattern": the geographical detector's findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from headwater.figures import grouped, p_text
from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock
from headwater.results import Result

if TYPE_CHECKING:
    from headwater.grids.area import Area

__all__ = ["make_section"]

_ALIKE = 0.7
"""From which |r| or Cramér's V on two factors are called collinear."""

_SIZE = 0.05
"""Size of the tests that findings must pass."""

_READING = (
    "q is the share of the variance over the area that lies between the strata of a factor: 0 "
    "where strata say nothing, 1 where each stratum has one value. It grows with the number of "
    "strata even by chance; the adjusted q takes that out. q shows where patterns agree, not what "
    "causes what."
)


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``factor``, ``optimal``, ``risk``, ``contrasts``, ``association`` and, with two factors or
        more, ``interaction`` and ``ecological``; ``maps`` for grids; ``series`` for cubes.
    outline : Area or None
        The study area, in the reference system of the maps.

    Returns
    -------
    Section
    """
    every = list(results.values())
    return Section(
        name="detector",
        title="What drives the pattern",
        headline=tuple(_headline(results)),
        blocks=(
            *_factor_blocks(results),
            *_pair_blocks(results),
            *_series_blocks(results),
            *_strata_blocks(results, outline),
            *_further_blocks(results, outline),
        ),
        methods=_unique(text for one in every for text in (one.method, *one.choices)),
        references=_unique(text for one in every for text in one.references),
        cautions=_unique(text for one in every for text in one.cautions),
    )


def _unique(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _headline(results: Mapping[str, Result]) -> Iterator[str]:
    table: pd.DataFrame = results["factor"].data
    yield _first_factor(table)
    if "interaction" in results:
        yield _first_pair(results["interaction"].data)
    if "series" in results:
        yield _leaders(results["series"].data)
    alike = _alike(results["association"].data)
    if alike:
        yield f"These factors go together and cannot be distinguished: {'; '.join(alike)}."


def _first_factor(table: pd.DataFrame) -> str:
    """Say which factor explains the pattern best, if any passes its test."""
    response = _response(table)
    passed = table[_corrected(table) < _SIZE]
    if passed.empty:
        first = table.iloc[0]
        return (
            f"No factor explains the pattern of {response} beyond chance: the largest q, of "
            f"{_label(table, first['factor'])}, is {first['q']:.2f} (adjusted "
            f"{first['q_adjusted']:.2f}, n = {grouped(first['n'])} cells, {_test(first)}; "
            f"corrected for {len(table)} factors)."
        )
    first = passed.iloc[0]
    found = (
        f"q = {first['q']:.2f} (adjusted {first['q_adjusted']:.2f}, n = {grouped(first['n'])} "
        f"cells, {_test(first)})"
    )
    if first["factor"] == table.iloc[0]["factor"]:
        return f"{_label(table, first['factor'])} explains the pattern of {response} best: {found}."
    top = table.iloc[0]
    return (
        f"Of the factors that pass their test, {_label(table, first['factor'])} explains the "
        f"pattern of {response} best: {found}. {_label(table, top['factor'])} has a larger q, "
        f"{top['q']:.2f}, but it is not shown to go beyond chance."
    )


def _first_pair(pairs: pd.DataFrame) -> str:
    """Say which pair explains most, if crossing gains anything that a test shows."""
    passed = pairs[pairs["tested"].astype(str).str.startswith("gain")]
    best = (pairs if passed.empty else passed).iloc[0]
    names = f"{_label(pairs, best['factor_1'])} and {_label(pairs, best['factor_2'])}"
    found = (
        f"q = {best['q_12']:.2f} (adjusted {best['q_12_adjusted']:.2f}, "
        f"{_signed(best['beyond_best'])} over the better one alone"
    )
    if passed.empty:
        return (
            "No pair is shown to explain more than its better factor alone; the largest q, of "
            f"{names}, is {found.removeprefix('q = ')}, n = {grouped(best['n'])} cells)."
        )
    most = "Of all pairs" if len(passed) == len(pairs) else "Of the pairs that gain by crossing"
    return (
        f"{most}, {names} explain most together: {found}: {best['tested']}, "
        f"n = {grouped(best['n'])} cells)."
    )


def _corrected(table: pd.DataFrame) -> pd.Series:
    """P of each factor, corrected for their number: of the search where there is one."""
    from headwater.inference.significance import holm

    if "p_search" in table and table["p_search"].notna().any():
        return pd.Series(holm(table["p_search"]), table.index)
    return table["p_holm"]


def _factor_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    factor = results["factor"]
    table: pd.DataFrame = factor.data
    first = table.iloc[0]
    yield TextBlock(_READING)
    yield FigureBlock(
        "detector-factors",
        factor.plot,
        f"q of each factor for {_response(table)}, with the adjusted q and its "
        f"{table.attrs.get('level', 0.95):.0%} interval (blocks of cells resampled) and, in "
        "orange, what a search reaches in 5 % of responses made by chance, as smooth as the map. "
        "Next to it: how the factor was parted, n and p.",
        f"{_label(table, first['factor'])} has the largest q, {first['q']:.2f}.",
    )
    yield TableBlock("detector-factors", table, f"Factor detector. {_units_sentence(table)}")


def _pair_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "interaction" not in results:
        return
    pairs: pd.DataFrame = results["interaction"].data
    best = pairs.iloc[0]
    yield FigureBlock(
        "detector-interactions",
        results["interaction"].plot,
        f"q of {_response(pairs)} for pairs of factors crossed; framed, the factor alone. Marks: "
        "what tests show of the pair. The published class, which compares plain q values and is "
        "not a test, stands in the table.",
        f"{_label(pairs, best['factor_1'])} with {_label(pairs, best['factor_2'])} has the largest "
        f"q of all pairs, {best['q_12']:.2f}.",
    )
    yield TableBlock(
        "detector-interactions",
        pairs,
        "Interaction detector. beyond_best and beyond_sum: adjusted q of the pair less the better "
        "one's, and less the sum of both, with their intervals; tested: what tests show; "
        "interaction: the published class.",
    )
    yield FigureBlock(
        "detector-ecological",
        results["ecological"].plot,
        "Difference of the adjusted q of two factors; bold where a test shows them to differ.",
        "Which factors explain more than which others.",
        wide=False,
    )
    yield TableBlock(
        "detector-ecological",
        results["ecological"].data,
        "Ecological detector: whether two factors differ in how much they explain.",
    )
    yield TableBlock(
        "detector-association",
        results["association"].data,
        "How alike the factors are: Pearson's r of continuous factors, Cramér's V of the strata.",
    )


def _series_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "series" not in results:
        return
    table: pd.DataFrame = results["series"].data
    within = ", with its 95 % interval" if table["q_low"].notna().any() else ""
    yield FigureBlock(
        "detector-series",
        results["series"].plot,
        f"Adjusted q of each factor for {_response(table)} in each period{within}; strata searched "
        "anew in each.",
        _leaders(table),
    )
    yield TableBlock(
        "detector-series",
        table,
        "q through time; p_lead: whether the first factor of a period predicts better than its "
        "second.",
    )
    if "series_pairs" in results:
        yield TableBlock(
            "detector-series-pairs",
            results["series_pairs"].data,
            "Pairs of factors in each period: what they explain together (tested: what tests show) "
            "and whether the two differ in what they explain.",
        )


def _leaders(table: pd.DataFrame) -> str:
    """Say which factor comes first when, and how often its lead is more than chance."""
    first = table[table["rank"] == 1]
    by_factor = first.groupby("factor", sort=False)["period"].agg(lambda ones: list(map(str, ones)))
    by_factor = by_factor.sort_values(key=lambda lists: lists.map(len), kind="stable")
    *rare, (usual, periods) = by_factor.items()
    words = [f"{_label(table, str(name))} in {', '.join(ones)}" for name, ones in rare]
    rest = "all other periods" if rare else "all periods"
    words.append(f"{_label(table, str(usual))} in {rest} ({len(periods)} of {len(first)})")
    sure = int((first["p_lead"] < 0.05).sum())
    return (
        f"First among the factors: {'; '.join(words)}; the lead is more than chance in "
        f"{sure} of {len(first)}."
    )


def _strata_blocks(results: Mapping[str, Result], outline: Area | None) -> Iterator[Block]:
    yield from _search_blocks(results)
    yield from _risk_blocks(results, outline)


def _search_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    optimal: Any = results["optimal"]
    best: pd.DataFrame = optimal.best
    if len(best) < len(optimal.data):
        yield FigureBlock(
            "detector-search",
            optimal.plot,
            "q against the number of classes for each way of parting a factor. A line that still "
            "rises at the right edge has no optimum within the search.",
            "The chosen way of parting each factor is circled.",
        )
    columns = ["factor", "method", "strata", "q", "q_adjusted", "q_cv", "n", "smallest", "breaks"]
    yield TableBlock(
        "detector-strata",
        best[columns],
        "How each factor was parted; smallest: units in the "
        "smallest stratum; breaks: limits of the classes.",
    )


def _risk_blocks(results: Mapping[str, Result], outline: Area | None) -> Iterator[Block]:
    risk: pd.DataFrame = results["risk"].data
    yield FigureBlock(
        "detector-risk",
        results["risk"].plot,
        f"Mean {_response(risk)} in each stratum, with its interval (from the covariance of what "
        "the factor leaves; none where that reaches across the area); n cells; strata that share "
        "a letter do not differ.",
        f"Means run from {risk['mean'].min():.3g} to {risk['mean'].max():.3g}.",
    )
    if "maps" in results:
        maps: Any = results["maps"]
        yield FigureBlock(
            "detector-maps",
            lambda: maps.plot(outline=outline),
            f"Mean {_response(risk)} of the stratum in which each cell lies, factor by factor "
            "under one scale: the pattern that the factor can explain.",
            "A strong factor shows a strong pattern; a weak one is nearly one colour.",
        )
    yield TableBlock("detector-risk", risk, "Risk detector: the response in each stratum.")
    yield TableBlock(
        "detector-contrasts",
        results["contrasts"].data,
        "Differences between the strata of each factor (t, its p corrected after Holm and after "
        "Benjamini and Hochberg; of strata that were searched, not below p_search).",
    )


_FURTHER = {
    "gozh": "q of zones that a regression tree cuts on each factor (GOZH).",
    "gozh_pairs": "q of the regression tree on each pair of factors (GOZH).",
    "lesh": "Share of each factor in the q of the tree on all (LESH); shares add up to it.",
    "shegd": "Share of each factor in the q of the tree on all (SHEGD).",
    "shegd_pairs": "q of the tree on each pair, divided between its factors (SHEGD).",
    "shares": "Share of each factor in the q of all strata crossed.",
    "rgd": "q of robust strata, cut where the response changes most (RGD).",
    "rid": "Pairs of robust strata crossed (RID).",
    "spade": "Power of spatial determinant: strata against the variance of neighbours (SPADE).",
    "idsa": "Power of interactive determinant of sets of factors, overlaid by risk (IDSA).",
    "srsgd": "Local explanatory power of each factor on a response of classes (SRSGD).",
    "srsgd_pairs": "Local explanatory power of pairs of factors (SRSGD).",
    "scale": "q at several sizes of the cells, and the size that is chosen.",
    "local": "Adjusted q in windows around each cell.",
    "shift": "q against all shifts of the response's map over the strata.",
}
"""Further detectors that a study may ask for, with their captions."""


def _further_blocks(results: Mapping[str, Result], outline: Area | None) -> Iterator[Block]:
    for name, caption in _FURTHER.items():
        if name not in results:
            continue
        result: Any = results[name]
        if name == "local":
            yield FigureBlock(
                "detector-local",
                lambda maps=result: maps.plot(outline=outline),  # type: ignore[misc]
                caption,
                "Where on the map each factor explains the response.",
            )
            continue
        if result.has_own_figure:
            yield FigureBlock(f"detector-{name}", result.plot, caption, result.method)
        yield TableBlock(f"detector-{name}", result.data, caption)


def _alike(table: pd.DataFrame) -> list[str]:
    near = (table["r"].abs() >= _ALIKE) | (table["cramers_v"] >= _ALIKE)
    return [
        f"{_label(table, row['factor_1'])} and {_label(table, row['factor_2'])} "
        + (f"(r = {row['r']:.2f}" if abs(row["r"]) >= _ALIKE else f"(V = {row['cramers_v']:.2f}")
        + f", n = {grouped(row['n'])})"
        for row in table[near].to_dict("records")
    ]


def _units_sentence(table: pd.DataFrame) -> str:
    n = table["n"]
    words = grouped(n.max()) if n.min() == n.max() else f"{grouped(n.min())} to {grouped(n.max())}"
    return f"n = {words} cells; q_low and q_high: interval of q; k: classes asked for."


def _label(table: pd.DataFrame, name: str) -> str:
    return str(table.attrs.get("labels", {}).get(name, name)).partition(",")[0]


def _response(table: pd.DataFrame) -> str:
    name = str(table.attrs.get("response", "the response"))
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _test(row: Any) -> str:
    """Print the p of the whole search where there is one: smooth fields mislead the F test."""
    if pd.notna(row.get("p_search")):
        return f"{p_text(row['p_search'])} by chance maps searched alike"
    return f"{p_text(row['p_value'])} if cells were independent"
