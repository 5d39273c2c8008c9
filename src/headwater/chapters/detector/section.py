"""The chapter "What drives the pattern": the geographical detector's findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from headwater.figures import grouped, p_text
from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock

if TYPE_CHECKING:
    from headwater.grids import Area
    from headwater.results import Result

__all__ = ["section"]

_ALIKE = 0.7
"""From which |r| or Cramér's V on two factors are called collinear."""

_READING = (
    "q is the share of the variance over the area that lies between the strata of a factor: 0 "
    "where strata tell nothing, 1 where each stratum has one value. It grows with the number of "
    "strata even by chance; the adjusted q takes that out. q tells where patterns agree, not what "
    "causes what."
)


def section(results: Mapping[str, Result], outline: Area | None) -> Section:
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
        ),
        methods=_unique(text for one in every for text in (one.method, *one.choices)),
        references=_unique(text for one in every for text in one.references),
        cautions=_unique(text for one in every for text in one.cautions),
    )


def _unique(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _headline(results: Mapping[str, Result]) -> Iterator[str]:
    table: pd.DataFrame = results["factor"].data
    first = table.iloc[0]
    yield (
        f"{_label(table, first['factor'])} explains most of the pattern of {_response(table)}: "
        f"q = {first['q']:.2f} (adjusted {first['q_adjusted']:.2f}, n = {grouped(first['n'])} "
        f"cells, {_test(first)})."
    )
    if "interaction" in results:
        pairs: pd.DataFrame = results["interaction"].data
        best = pairs.iloc[0]
        yield (
            f"Of all pairs, {_label(pairs, best['factor_1'])} and "
            f"{_label(pairs, best['factor_2'])} explain most together: q = {best['q_12']:.2f} "
            f"(adjusted {best['q_12_adjusted']:.2f}, {_signed(best['beyond_best'])} over the "
            f"better one alone: {best['tested']}, n = {grouped(best['n'])} cells)."
        )
    if "series" in results:
        yield _leaders(results["series"].data)
    alike = _alike(results["association"].data)
    if alike:
        yield f"These factors go together and cannot be told apart: {'; '.join(alike)}."


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
        "Beside it: how the factor was parted, n and p.",
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
        "Difference of the adjusted q of two factors; bold where a test tells them apart.",
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
    yield FigureBlock(
        "detector-series",
        results["series"].plot,
        f"Adjusted q of each factor for {_response(table)} in each period, with its 95 % interval; "
        "strata searched anew in each.",
        _leaders(table),
    )
    yield TableBlock(
        "detector-series",
        table,
        "q through time; p_lead: whether the first factor of a period predicts better than its "
        "second.",
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
    risk: pd.DataFrame = results["risk"].data
    yield FigureBlock(
        "detector-risk",
        results["risk"].plot,
        f"Mean {_response(risk)} in each stratum, with its interval (cells taken as independent); "
        "n cells; strata that share a letter do not differ.",
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
        "Differences between the strata of each factor (Welch's t, p corrected after Holm and "
        "after Benjamini and Hochberg).",
    )


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
    """Tell the p of the whole search where there is one: smooth fields mislead the F test."""
    if pd.notna(row.get("p_search")):
        return f"{p_text(row['p_search'])} by chance maps searched alike"
    return f"{p_text(row['p_value'])} if cells were independent"
