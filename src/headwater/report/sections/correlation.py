"""The chapter "Correlation": with what the target varies, over the area and in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock

if TYPE_CHECKING:
    from headwater.grids import Area
    from headwater.results import Result

__all__ = ["section"]


def section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``matrix``; where the target has monthly values also ``panels`` and ``with-<factor>``.
    outline : Area or None
        The study area, in the reference system of the maps.

    Returns
    -------
    Section
    """
    matrix = results["matrix"]
    table: pd.DataFrame = matrix.data
    target = str(table["first"].iloc[0])
    maps = {key: result for key, result in results.items() if key.startswith("with-")}
    return Section(
        name="correlation",
        title="Correlation with factors",
        headline=tuple(_headline(table, target, maps)),
        blocks=tuple(_blocks(results, maps, outline)),
        methods=tuple(dict.fromkeys(result.method for result in results.values())),
    )


def _headline(table: pd.DataFrame, target: str, maps: Mapping[str, Result]) -> Iterator[str]:
    own = table[(table["first"] == target) & table["value"].notna()]
    names = table.attrs.get("long_names", {})
    if not own.empty:
        strongest = own.reindex(own["value"].abs().sort_values(ascending=False).index).iloc[:3]
        told = ", ".join(
            f"{_lower(names.get(row['second'], row['second']))} ({row['statistic']} = "
            f"{row['value']:.2f})"
            for row in strongest.to_dict("records")
        )
        low, high = int(own["n"].min()), int(own["n"].max())
        n = f"{low}" if low == high else f"{low} to {high}"
        yield (
            f"Over the area, {_lower(names.get(target, target))} goes most closely with {told}; "
            f"n = {n} cells, which are not independent of each other."
        )
    for result in maps.values():
        data = result.data
        middle = float(data["anomaly_r" if "anomaly_r" in data else "r"].median())
        of = "anomalies from the mean year" if "anomaly_r" in data else "monthly values"
        yield (
            f"In time, {of} correlate with {_lower(data.attrs['factor_name'])} at a median "
            f"r = {middle:.2f} (n = {int(data.attrs['months'])} months); "
            f"{data.attrs['statement']}"
        )


def _blocks(
    results: Mapping[str, Result], maps: Mapping[str, Result], outline: Any
) -> Iterator[Block]:
    matrix: Any = results["matrix"]
    cells = int(matrix.data["n"].max())
    yield FigureBlock(
        "matrix",
        matrix.plot,
        f"Spatial correlation of every pair of maps, n up to {cells} cells. R: circular-linear, "
        "without sign. The stars hold only if neighbouring cells were independent.",
        "Heat map of spatial correlations.",
    )
    yield TableBlock(
        "matrix",
        matrix.data,
        f"Spatial correlation, n up to {cells} cells; p as if cells were independent.",
    )
    if not maps:
        yield TextBlock(
            "There are no common months in which correlation over time could be computed."
        )
        return
    panels: Any = results["panels"]
    yield FigureBlock(
        "panels",
        partial(panels.plot, outline),
        f"Correlation over time of {panels.data.attrs['of']} with each factor, cell by cell; dots "
        "where significant after control of the false discovery rate.",
        "Maps of correlation with each factor.",
    )
    for key, result in maps.items():
        data: Any = result.data
        draw: Any = result.plot
        n = int(data["n"].max())
        yield FigureBlock(
            key,
            partial(draw, outline),
            f"Correlation over time with {_lower(data.attrs['factor_name'])}, n up to {n} months: "
            "of the values, which share the seasonal cycle, and of anomalies, which do not.",
            f"Correlation maps with {_lower(data.attrs['factor_name'])}.",
        )


def _lower(name: str) -> str:
    return name if name.isupper() else name[:1].lower() + name[1:]
