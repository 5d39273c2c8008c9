"""The chapter "Early warning": states, drought, each alert's evidence, and how often it errs."""

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

_SHOWN = 12


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``states``, ``timeline``, ``alerts``; ``drought``, ``rain``, ``evidence``, ``rehearsal``
        and ``run-length`` where there are any.
    outline : Area or None
        The study area, in the reference system of the maps.

    Returns
    -------
    Section
    """
    return Section(
        name="warning",
        title="Early warning",
        headline=tuple(_headline(results)),
        blocks=tuple(_blocks(results, outline)),
        methods=tuple(dict.fromkeys(result.method for result in results.values())),
    )


def _headline(results: Mapping[str, Result]) -> Iterator[str]:
    data: Any = results["states"].data
    state, shown = data["state"].values, data["shown"].values == 1
    modelled = int((state >= 0).sum())
    degraded = int(((state >= 1) & (state <= 3) & shown).sum())
    confirmed = int(((state == 3) & shown).sum())
    table: Any = results["alerts"].data
    alerts = f"in {len(table)} alert{'s' if len(table) != 1 else ''}"
    if degraded:
        yield (
            f"On {data.attrs['last_day']}, {degraded} of {modelled} cells fall short of what "
            f"season and soil water let expect, {confirmed} of them confirmed by a second season, "
            f"{alerts}; "
            f"{data.attrs['map_share']:.0%} of the cells shown are false alarms on average."
        )
    else:
        yield (
            f"On {data.attrs['last_day']}, no cell of {modelled} stands out as degraded; "
            f"{data.attrs['false_alarms']:g} false alarms are tolerated per cell and season."
        )
    if "drought" in results:
        yield _drought_words(results["drought"].data)
    if "rain" in results:
        yield _rain_words(results["rain"].data)
    if "rehearsal" in results:
        yield from _rehearsed(results["rehearsal"].data)


def _drought_words(data: Any) -> str:
    days = data["days"].mean(("y", "x"), skipna=True)
    worst = int(days["season"].values[int(np.nanargmax(days.values))])
    return (
        f"The driest growing season of {data.attrs['years']} was {worst}: {float(days.max()):.0f} "
        f"days of drought, mean of cells (all seasons {float(days.mean()):.0f})."
    )


def _rain_words(table: Any) -> str:
    worst = table.loc[table["p"].idxmin()]
    dry = ", ".join(str(one) for one in table.loc[table["dry"], "season"])
    rate = float(table.attrs.get("rate", np.nan))
    named = f"dry seasons, at a share of {rate:.0%}: {dry}" if dry else f"none is dry at {rate:.0%}"
    if "balance_mm" in worst:
        return (
            f"By rain less evaporative demand, the driest growing season of {int(worst['n'])} was "
            f"{int(worst['season'])}: {worst['balance_mm']:.0f} mm in the months to "
            f"{worst['month']}, usually {worst['usual_mm']:.0f} mm (SPEI {worst['index']:.1f}), "
            f"p {worst['p']:.2g}; {named}."
        )
    return (
        f"By rain, the driest growing season of {int(worst['n'])} was {int(worst['season'])}: "
        f"{worst['share_of_usual']:.0%} of the usual rain in the months to {worst['month']} "
        f"(SPI {worst['index']:.1f}), p {worst['p']:.2g}; {named}."
    )


def _rain_caption(table: Any) -> str:
    if "balance_mm" in table:
        return (
            "Growing seasons by rain less evaporative demand. index: the least SPEI of a season's "
            "months; balance_mm: rain less demand of the months behind it; p: share of the seasons "
            "that are as dry; cells_dry: share of the cells whose own balance is."
        )
    return (
        "Growing seasons by their rain. index: the least SPI of a season's months; p: share of "
        "the seasons that are as dry; cells_dry: share of the cells whose own rain is."
    )


def _rehearsed(table: Any) -> Iterator[str]:
    whole = table[table["group"] == "all"].set_index(["regime", "rung"])
    if ("abrupt", "watch") not in whole.index:
        return
    abrupt, quiet = whole.loc[("abrupt", "watch")], whole.loc[("climate only", "watch")]
    delay = float(abrupt["delay_median"])
    soon = f"after {delay:.0f} days in the middle case" if np.isfinite(delay) else "most late"
    yield (
        f"In rehearsals on this history {abrupt['hit']:.0%} of {int(abrupt['n_events'])} planted "
        f"abrupt losses were found within a year, {soon}, with false alarms on "
        f"{abrupt['false_share']:.1%} of healthy cells, and on {quiet['false_share']:.1%} in the "
        "driest years."
    )


def _blocks(results: Mapping[str, Result], outline: Outline | None) -> Iterator[Block]:
    states: Any = results["states"]
    data: Any = states.data
    yield FigureBlock(
        "warning-states",
        partial(states.plot, outline=outline),
        f"State of each cell on {data.attrs['last_day']}. Only cells that stand out on the whole "
        f"map are coloured: a share of {data.attrs['map_share']:.0%} of them is false on average. "
        "Grey within the area: no model; the reason stands in the table below.",
        "Map of the states of early warning.",
    )
    yield TableBlock(
        "warning-reasons", _reasons(data), "Cells by whether there is a model, and why not."
    )
    yield FigureBlock(
        "warning-timeline",
        results["timeline"].plot,
        "Share of cells in each state and in drought, by date, before the control of the whole "
        "map; dashed: the watch begins. Drought resolves with the water, degradation stays.",
        "Shares of cells in each state through time.",
    )
    yield from _alert_blocks(results)
    if "drought" in results:
        drought: Any = results["drought"]
        yield FigureBlock(
            "warning-drought",
            partial(drought.plot, outline=outline),
            "Days of drought in each growing season.",
            "Maps of days of drought by season.",
        )
        yield TableBlock(
            "warning-drought", _drought_table(results["drought"].data), "Drought by season."
        )
    if "rain" in results:
        yield TableBlock(
            "warning-rain",
            results["rain"].data,
            _rain_caption(results["rain"].data),
        )
    yield from _evaluation_blocks(results)


def _reasons(data: Any) -> pd.DataFrame:
    reason = data["reason"].values
    names = list(data.attrs["reasons"])
    rows = [
        {"reason": "there is a model" if code == 0 else name, "cells": int((reason == code).sum())}
        for code, name in enumerate(names)
    ]
    return pd.DataFrame([row for row in rows if row["cells"]])


def _alert_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    table: pd.DataFrame = results["alerts"].data
    if table.empty:
        yield TextBlock("No group of neighbouring cells stands out: there is no alert to look at.")
        return
    if "evidence" in results:
        yield FigureBlock(
            "warning-evidence",
            results["evidence"].plot,
            "Evidence of the largest alerts, means of their cells: what was seen and what season "
            "and soil water let expect; below, the chart as a share of its threshold (dotted).",
            "Series behind the largest alerts.",
        )
    yield TableBlock(
        "warning-alerts",
        table.head(_SHOWN),
        f"Alerts, the largest first ({min(len(table), _SHOWN)} of {len(table)}). loss: observed "
        "less expected in the last season; water_part: what that season's soil water added to what "
        "was expected; p: the largest of its cells.",
    )


def _drought_table(data: Any) -> pd.DataFrame:
    days = data["days"]
    known = np.isfinite(days)
    rows = pd.DataFrame(
        {
            "season": days["season"].values,
            "mean_days": days.mean(("y", "x")).values,
            "share_of_cells": ((days > 0).sum(("y", "x")) / known.sum(("y", "x"))).values,
            "n": known.sum(("y", "x")).values,
        }
    )
    rows.attrs["units"] = {"mean_days": "d"}
    return rows


def _evaluation_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "rehearsal" not in results:
        return
    rehearsal = results["rehearsal"]
    columns = ["regime", "rung", "group", "n_events", "hit", "early", "late", "miss", "n_quiet"]
    columns += ["false_share", "false_per_place_year", "delay_median", "delay_p90", "csi"]
    shown = rehearsal.data[columns]
    shown.attrs["units"] = rehearsal.data.attrs.get("units", {})
    yield TableBlock(
        "warning-rehearsal",
        shown,
        "How planted losses were found, by regime, rung and group of cells. Delays are medians and "
        "90 % points of Kaplan-Meier curves: losses not found are censored, not left out.",
    )
    if "run-length" in results:
        yield TableBlock(
            "warning-run-length",
            results["run-length"].data,
            "Seasons between false alarms of a cell on its own resampled history, next to what the "
            "tolerated rate asks for.",
        )
