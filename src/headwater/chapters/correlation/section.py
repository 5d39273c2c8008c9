"""The chapter "Correlation": with what the target varies, over the area and in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock

if TYPE_CHECKING:
    from headwater.figures import Outline
    from headwater.grids.area import Area
    from headwater.results import Result

__all__ = ["make_section"]


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``matrix``; where the target has monthly values also ``with-<factor>``,
        ``months-<factor>`` and ``lags``.
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
        leading = own.reindex(own["value"].abs().sort_values(ascending=False).index).iloc[:3]
        listed = ", ".join(
            f"{_lower(names.get(row['second'], row['second']))} ({row['statistic']} = "
            f"{row['value']:.2f}, {_honest(row)})"
            for row in leading.to_dict("records")
        )
        low, high = int(own["n"].min()), int(own["n"].max())
        n = f"{low}" if low == high else f"{low} to {high}"
        yield (
            f"Over the area, {_lower(names.get(target, target))} goes most closely with {listed}; "
            f"n = {n} cells, which neighbours make worth fewer."
        )
    for result in maps.values():
        data = result.data
        middle = float(data["anomaly_r" if "anomaly_r" in data else "r"].median())
        plain = "yearly values" if _unit(data.attrs) == "years" else "monthly values"
        of = "anomalies from the mean year" if "anomaly_r" in data else plain
        found = (
            "have no correlation" if np.isnan(middle) else f"correlate at a median r = {middle:.2f}"
        )
        yield (
            f"In time, {of} of {_lower(names.get(target, target))} and "
            f"{_lower(data.attrs['factor_name'])} {found} ({_months(data.attrs)}); "
            f"{data.attrs['statement']}"
        )


def _honest(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["p_effective"]):
        return "too few independent cells for a p"
    p = row["p_effective"]
    text = f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"
    return f"{text} with {row['n_effective']:.0f} independent cells"


def _unit(attrs: Mapping[str, Any]) -> str:
    return str(attrs.get("unit", "months"))


def _months(attrs: Mapping[str, Any]) -> str:
    """Say how many months, or years, the cells really have, of those in common."""
    least, middle, most = (int(attrs[f"n_{part}"]) for part in ("least", "median", "most"))
    common = int(attrs["months"])
    if not most:
        return f"no cell has enough of the {common} {_unit(attrs)} in common"
    if least == most:
        return f"n = {most} {_unit(attrs)} in every cell"
    return f"n = {least} to {most} {_unit(attrs)} by cell, median {middle}, of {common} in common"


def _blocks(
    results: Mapping[str, Result], maps: Mapping[str, Result], outline: Outline | None
) -> Iterator[Block]:
    yield from _matrix_blocks(results["matrix"])
    if not maps:
        yield TextBlock(
            "There are no common months in which correlation over time could be computed."
        )
        return
    for key, result in maps.items():
        data: Any = result.data
        yield _figure(
            key,
            result,
            outline,
            f"Correlation over time with {_lower(data.attrs['factor_name'])} "
            f"({_months(data.attrs)})"
            + (
                ": of the values, which share the seasonal cycle, and of anomalies, which do not."
                if "anomaly_r" in data
                else "."
            ),
            f"Correlation maps with {_lower(data.attrs['factor_name'])}.",
        )
    yield from _lag_blocks(results, outline)
    yield from _month_blocks(results, outline)


def _matrix_blocks(matrix: Any) -> Iterator[Block]:
    cells = int(matrix.data["n"].max())
    yield FigureBlock(
        "matrix",
        matrix.plot,
        f"Spatial correlation of every pair of maps, n up to {cells} cells. Below the diagonal "
        "with the p of the effective number of cells (stars: p < 0.05); above it the p as if cells "
        "were independent. R: circular-linear, without sign.",
        "Heat map of spatial correlations with two p-values each.",
    )
    yield TableBlock(
        "matrix",
        matrix.data,
        f"Spatial correlation, n up to {cells} cells. p: as if cells were independent; p "
        "effective: "
        "of the effective number (Dutilleul). Empty where too few cells are independent.",
    )


def _lag_blocks(results: Mapping[str, Result], outline: Outline | None) -> Iterator[Block]:
    if "lags" not in results:
        return
    data: Any = results["lags"].data
    yield TextBlock(f"Lags of the factors before the target. {data.attrs['statement']}")
    if not bool(data["significant"].any()):
        # the lags of chance correlations would only look like a finding
        return
    yield _figure(
        "lags",
        results["lags"],
        outline,
        f"Months (0 to {data.attrs['longest']}) that anomalies of each factor go before those of "
        "the target where they correlate most; dots where significant after correction for the "
        "number of lags and control of the false discovery rate. Elsewhere the lag is chance.",
        "Maps of the lag of the largest correlation with each factor.",
    )


def _month_blocks(results: Mapping[str, Result], outline: Outline | None) -> Iterator[Block]:
    for key, result in results.items():
        if not key.startswith("months-"):
            continue
        about: Any = result.data.attrs
        name = _lower(str(about["factor_name"]))
        least, most = int(about["n_least"]), int(about["n_most"])
        years = f"{most}" if least == most else f"{least} to {most}"
        if not bool(result.data["significant"].any()):
            # correlations over a handful of years would only look like a finding
            yield TextBlock(
                f"Month by month over the years (n = {years}), correlation with {name} is "
                f"significant in no cell and is not drawn. {about['statement']}"
            )
            continue
        yield _figure(
            key,
            result,
            outline,
            f"Correlation with {name} over the years for each month by itself, n = {years} years; "
            f"months without four years anywhere are not shown. {about['statement']}",
            f"Maps of correlation with {name} by month.",
        )


def _figure(key: str, result: Any, outline: Outline | None, caption: str, alt: str) -> FigureBlock:
    return FigureBlock(key, partial(result.plot, outline=outline), caption, alt)


def _lower(name: str) -> str:
    return name if name.isupper() else name[:1].lower() + name[1:]
