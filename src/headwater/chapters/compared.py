"""The chapter that puts findings as they are often published next to what the data allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.grids.plots import unit_label
from headwater.report.section import Section, TableBlock, TextBlock

if TYPE_CHECKING:
    from headwater.results import Result

    Found = Mapping[str, Mapping[str, Result]]
    Row = dict[str, str]

__all__ = ["make_compared"]

_PUBLISHED_SIZE = 0.01
"""Level of the tests of cells in published correlation maps."""
_LEVEL = 0.05
_WHY_FRACTIONS = (
    "Shares of the sources. The usual way takes the means of the waters as exact and the soil's "
    "water as if it had not evaporated, and gives one number; the other gives the range that the "
    "samples leave (95 %), with evaporation where the study allows for it."
)
_READING = (
    "Published studies of this kind test as if neighbouring cells and successive months were "
    "independent, and choose classes by the largest q. Both make findings look surer than they "
    "are. Here the usual way stands next to one that allows for it, on the same data."
)


def make_compared(found: Found) -> Section | None:
    """Compare the usual methods with those that the report believes.

    Parameters
    ----------
    found : mapping of mapping of Result
        Results by step and name.

    Returns
    -------
    Section or None
        None where no result has both.
    """
    rows = [
        *_of_variation(found.get("variation", {})),
        *_of_correlation(found.get("correlation", {})),
        *_of_detector(found.get("detector", {})),
        *_of_samples(found.get("samples", {})),
    ]
    shares = _fractions(found.get("samples", {}))
    if not rows and shares is None:
        return None
    blocks: list[Any] = [TextBlock(_READING), *(_rows_block(rows) if rows else ())]
    blocks += [] if shares is None else [shares, TextBlock(_WHY_FRACTIONS)]
    choices = found.get("detector", {}).get("choices")
    if choices is not None:
        blocks.append(
            TableBlock(
                "choices",
                choices.data,
                "q of each factor with the classes of the study file and with classes that are "
                "searched.",
            )
        )
    return Section(name="compared", title="As published, and as it should be", blocks=tuple(blocks))


def _rows_block(rows: list[Row]) -> list[Any]:
    table = pd.DataFrame(rows)
    whys = dict(zip(table["question"], table.pop("why"), strict=True))
    # a table with the reasons in it is wider than a page
    words = "As published, and as it should be. Counts: those that pass, of all."
    texts = [TextBlock(f"{question}. {why}") for question, why in whys.items()]
    return [TableBlock("compared", table, words), *texts]


def _fractions(results: Mapping[str, Any]) -> TableBlock | None:
    """Put shares of the sources by period and altitude next to those by means of the waters."""
    if "mixing" not in results or not {"mixing-usual", "mixing-closed"} & set(results):
        return None
    place = ["grouping", "label", "period", "source"]
    usual = results.get("mixing-usual", results.get("mixing-closed")).data
    if "fraction" not in usual:
        return None
    both = results["mixing"].data.merge(usual[[*place, "fraction"]], on=place, suffixes=("", "_u"))
    own = both["grouping"].eq("all") | both["grouping"].str.startswith("altitude")
    both = both[own].reset_index(drop=True)
    if both.empty:
        return None
    table = pd.DataFrame(
        {
            "period": both["period"],
            "group": both["label"],
            "source": both["source"],
            "as published": both["fraction_u"],
            "as it should be": both["fraction"],
            "low": both["low"],
            "high": both["high"],
        }
    )
    table.attrs["units"] = dict.fromkeys(("as published", "as it should be", "low", "high"), "1")
    return TableBlock(
        "fractions", table, "Shares of the sources by period and altitude, both ways.", digits=2
    )


def _row(question: str, published: str, better: str, why: str, *, factor: str = "") -> Row:
    return {
        "question": question,
        "factor": factor,
        "as published": published,
        "as it should be": better,
        "why": why,
    }


def _of_variation(results: Mapping[str, Any]) -> Iterator[Row]:
    if "summary" not in results:
        return
    table: pd.DataFrame = results["summary"].data
    own = table[table["variable"] == table["variable"].iloc[0]]
    by = {(row["statistic"], row["period"]): row for row in own.to_dict("records")}
    line = by.get(("trend (least squares)", "year"))
    plain = by.get(("trend (Sen, Mann-Kendall)", "year"))
    honest = by.get(("trend (Sen, Mann-Kendall for AR(1))", "year"), plain)
    if line and plain and honest and np.isfinite([line["value"], honest["value"]]).all():
        yield _row(
            "Trend of the area mean",
            f"{_number(line['value'])} {unit_label(line['units'])}, p = {line['p']:.2g}",
            f"{_number(honest['value'])} {unit_label(honest['units'])}, p = {honest['p']:.2g}",
            "Least squares follow single years, and their p takes years as independent; Sen's "
            "slope with Mann-Kendall's test does neither, and the interval belongs to it.",
        )
    months, years = by.get(("monthly CV", "mean year")), by.get(("interannual CV", "year"))
    if months and years and np.isfinite([months["value"], years["value"]]).all():
        yield _row(
            "Coefficient of variation between years",
            f"{months['value']:.3f}",
            f"{years['value']:.3f}",
            "The first is the swing of the mean year, which has often been printed as variation "
            "between years; a coefficient belongs to its scope.",
        )


def _of_correlation(results: Mapping[str, Any]) -> Iterator[Row]:
    if "matrix" in results:
        table: pd.DataFrame = results["matrix"].data
        both = table.dropna(subset=["p", "p_effective"])
        naive, honest = ((both[name] < _LEVEL).sum() for name in ("p", "p_effective"))
        yield _row(
            "Pairs of maps that correlate",
            f"{naive} / {len(both)}",
            f"{honest} / {len(both)}",
            "Neighbouring cells are alike: the p of the first takes each as independent.",
        )
    for name, result in results.items():
        data = result.data
        if not name.startswith("with-") or "anomaly_r" not in data:
            continue
        cells = int(data["r"].count())
        naive, honest = (
            int((data["p"] < _PUBLISHED_SIZE).sum()),
            int(data["anomaly_significant"].sum()),
        )
        yield _row(
            "Correlation in time, median of the cells",
            f"r = {_number(float(data['r'].median()))}, {naive} / {cells}",
            f"r = {_number(float(data['anomaly_r'].median()))}, {honest} / {cells}",
            "Monthly values share the seasonal cycle, and 1 % of all cells pass by chance; "
            "anomalies do not share it, and the false discovery rate is controlled.",
            factor=str(data.attrs["factor_name"]),
        )


def _of_detector(results: Mapping[str, Any]) -> Iterator[Row]:
    if "factor" not in results:
        return
    table: pd.DataFrame = results["factor"].data
    honest = next((name for name in ("p_search", "p_spatial") if name in table), None)
    if honest is not None:
        naive, sure = (int((table[name] < _LEVEL).sum()) for name in ("p_value", honest))
        yield _row(
            "Factors that explain the pattern",
            f"{naive} / {len(table)}",
            f"{sure} / {len(table)}",
            "The F test takes cells as independent and knows nothing of a search for classes; "
            "the other compares with maps made by chance, as smooth, and searched alike.",
        )
    pairs = results.get("interaction")
    if pairs is not None:
        table = pairs.data
        sure = int(table["tested"].astype(str).str.startswith("gain").sum())
        yield _row(
            "Pairs of factors that enhance each other",
            f"{int((table['q_12'] > table[['q_1', 'q_2']].max(axis=1)).sum())} / {len(table)}",
            f"{sure} / {len(table)}",
            "Crossing two factors makes more classes, and q grows with them by chance alone.",
        )


def _of_samples(results: Mapping[str, Any]) -> Iterator[Row]:
    if "crossings" not in results:
        return
    crossed: pd.DataFrame = results["crossings"].data
    met = int((crossed["status"] == "ok").sum())
    sure = int((crossed["verdict"] == "evaporation line").sum())
    yield _row(
        "Lines whose crossing is the source water",
        f"{met} / {len(crossed)}",
        f"{sure} / {len(crossed)}",
        "Every line that is not parallel to the meteoric line crosses it; only one that "
        "evaporation can have drawn does so at its source.",
    )


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")
