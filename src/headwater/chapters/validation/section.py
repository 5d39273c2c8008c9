"""The chapter "Validation": what stations say of the product, and what products of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from headwater.report.section import Block, FigureBlock, Section, TableBlock

if TYPE_CHECKING:
    from headwater.figures import Outline
    from headwater.grids.area import Area
    from headwater.results import Result
    from headwater.validation.scorecards import Scorecard

__all__ = ["make_section"]

_SHOWN = ("bias", "rmsd", "ubrmsd", "pearson", "spearman", "spatial_r")


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        As of :func:`headwater.chapters.validation.run.compare_with_stations`.
    outline : Area or None
        The study area.

    Returns
    -------
    Section
    """
    card = results["scorecard"]
    return Section(
        name="validation",
        title="Validation",
        headline=tuple(_headline(results)),
        blocks=tuple(_blocks(results, outline)),
        methods=(card.method, *card.choices),
    )


def _headline(results: Mapping[str, Result]) -> Iterator[str]:
    table: Any = results["scorecard"].data
    raw = table[(table["grouping"] == "all") & (table["series"] == "raw")].set_index("measure")
    ub, r, bias = (raw.loc[name] for name in ("ubrmsd", "pearson", "bias"))
    yield (
        f"Against {int(ub['stations'])} series of measurements (n = {int(ub['n'])}) the unbiased "
        f"RMSD is {ub['value']:.3f} m³ m⁻³ ({ub['low']:.3f} to {ub['high']:.3f}), the bias "
        f"{bias['value']:+.3f} m³ m⁻³, R {r['value']:.2f} ({r['low']:.2f} to {r['high']:.2f})."
    )
    if "intervals" in results:
        every = results["intervals"].data.set_index("station").loc["all"]
        yield (
            f"The product's own intervals hold {every['picp']:.0%} of the measurements "
            f"({every['picp_low']:.0%} to {every['picp_high']:.0%})."
        )
    yield from (text for text in results["scorecard"].cautions if "took part" in text)


def _blocks(results: Mapping[str, Result], outline: Outline | None) -> Iterator[Block]:
    stations: Any = results["stations"]
    card = _card(results)
    yield FigureBlock(
        "summary",
        card.plot,
        "Scatter of all pairs, Taylor and target diagram of the stations, and measures of groups "
        "with their intervals.",
        "Four diagrams of agreement with stations.",
    )
    yield FigureBlock(
        "stations",
        partial(stations.plot, outline=outline),
        "Correlation and unbiased RMSD of each station.",
        "Maps of stations coloured by correlation and unbiased RMSD.",
    )
    yield FigureBlock(
        "boxes",
        partial(card.plot, kind="boxes"),
        "Spread over stations of bias, unbiased RMSD and correlation, of all stations and in each "
        "season and stratum: median, quartiles, and the range.",
        "Box plots of measures over stations.",
    )
    for name in ("scorecard", "scorecard-scaled"):
        if name in results:
            yield _card_table(name, results[name].data)
    yield TableBlock("stations", stations.data, "Measures of each station with their intervals.")
    words = {
        "intervals": "How often the product's intervals hold the measurements, and how wide they "
        "are.",
        "pairwise": "Each two of the products and the station, at every station.",
        "collocation": "Triple collocation: error of each product on its own scale.",
        "extended-collocation": "Extended collocation: errors of all products, of which some may "
        "err together.",
    }
    for name, caption in words.items():
        if name in results:
            yield TableBlock(name, results[name].data, caption)


def _card(results: Mapping[str, Result]) -> Scorecard:
    """Put the scorecard together from the tables that were written."""
    from headwater.validation.scorecards import Scorecard

    own: Any = results["scorecard"]
    stations: Any = results["stations"]
    pairs: Any = results["pairs"]
    strata = stations.data.set_index("station")["stratum"].dropna()
    return Scorecard(
        own.data,
        own.method,
        own.references,
        own.fingerprint,
        own.choices,
        own.cautions,
        pairs.data,
        strata if len(strata) else None,
    )


def _card_table(name: str, table: Any) -> TableBlock:
    own = table[
        table["measure"].isin(_SHOWN) & table["grouping"].isin(["all", "season", "stratum"])
    ]
    scaled = ", scaled; the second half of each station's days" if "scaled" in name else ""
    return TableBlock(
        name, own.reset_index(drop=True), f"Agreement with measurements by group{scaled}."
    )
