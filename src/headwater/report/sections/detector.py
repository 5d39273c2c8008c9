"""The chapter "What drives the pattern": the geographical detector's findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

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
        more, ``interaction`` and ``ecological``; ``maps`` for grids.
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
        f"q = {first['q']:.2f} (adjusted {first['q_adjusted']:.2f}, n = {_count(first['n'])} "
        f"cells, {_test(first)})."
    )
    if "interaction" in results:
        pairs: pd.DataFrame = results["interaction"].data
        best = pairs.iloc[0]
        yield (
            f"Of all pairs, {_label(pairs, best['factor_1'])} and "
            f"{_label(pairs, best['factor_2'])} explain most together: q = {best['q_12']:.2f} "
            f"(adjusted {best['q_12_adjusted']:.2f}, {_signed(best['beyond_best'])} over the "
            f"better one alone, n = {_count(best['n'])} cells)."
        )
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
        f"{table.attrs.get('level', 0.95):.0%} interval (cells taken as independent) and, in "
        "orange, what unrelated maps as smooth as these reach in 5 % of cases. Beside it: how the "
        "factor was parted, n and p.",
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
        "the published class, which compares plain q values and is not a test.",
        f"{_label(pairs, best['factor_1'])} with {_label(pairs, best['factor_2'])} has the largest "
        f"q of all pairs, {best['q_12']:.2f}.",
    )
    yield TableBlock(
        "detector-interactions",
        pairs,
        "Interaction detector. beyond_best and beyond_sum: adjusted q of the pair less the better "
        "one's, and less the sum of both; tested: what F tests show beside the published class.",
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
        "detector-strata", best[columns], "How each factor was parted; smallest: units in the "
        "smallest stratum; breaks: limits of the classes."
    )  # fmt: skip
    risk: pd.DataFrame = results["risk"].data
    yield FigureBlock(
        "detector-risk",
        results["risk"].plot,
        f"Mean {_response(risk)} in each stratum, with its interval; n cells.",
        f"Means run from {risk['mean'].min():.3g} to {risk['mean'].max():.3g}.",
    )
    if "maps" in results:
        maps: Any = results["maps"]
        yield FigureBlock(
            "detector-maps",
            lambda: maps.plot(outline),
            f"Mean {_response(risk)} of the stratum in which each cell lies, factor by factor "
            "under one scale: the pattern that the factor can explain.",
            "A strong factor shows a strong pattern; a weak one is nearly one colour.",
        )
    yield TableBlock("detector-risk", risk, "Risk detector: the response in each stratum.")
    yield TableBlock(
        "detector-contrasts",
        results["contrasts"].data,
        "Differences between the strata of each factor (Welch's t, p corrected after Holm).",
    )


def _alike(table: pd.DataFrame) -> list[str]:
    near = (table["r"].abs() >= _ALIKE) | (table["cramers_v"] >= _ALIKE)
    return [
        f"{_label(table, row['factor_1'])} and {_label(table, row['factor_2'])} "
        + (f"(r = {row['r']:.2f}" if abs(row["r"]) >= _ALIKE else f"(V = {row['cramers_v']:.2f}")
        + f", n = {_count(row['n'])})"
        for row in table[near].to_dict("records")
    ]


def _units_sentence(table: pd.DataFrame) -> str:
    n = table["n"]
    words = _count(n.max()) if n.min() == n.max() else f"{_count(n.min())} to {_count(n.max())}"
    return f"n = {words} cells; q_low and q_high: interval of q; k: classes asked for."


def _label(table: pd.DataFrame, name: str) -> str:
    return str(table.attrs.get("labels", {}).get(name, name)).partition(",")[0]


def _response(table: pd.DataFrame) -> str:
    name = str(table.attrs.get("response", "the response"))
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def _count(n: int) -> str:
    return f"{n:,}".replace(",", " ")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _test(row: Any) -> str:
    """Tell the p of the shift test where there is one: the F test is misled by smooth fields."""
    if pd.notna(row.get("p_shift")):
        return f"{_p(row['p_shift'])} by shifts of the map"
    return f"{_p(row['p_value'])} if cells were independent"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
