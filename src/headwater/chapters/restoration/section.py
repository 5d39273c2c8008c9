"""The chapter "Restoration": calendar, plan and map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.figures import grouped
from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock

if TYPE_CHECKING:
    from headwater.grids.area import Area
    from headwater.results import Result

__all__ = ["make_section"]

_PLAN_COLUMNS = (
    "unit",
    "grade",
    "confidence",
    "measure",
    "latest_beginning",
    "deadline",
    "water_check",
    "field_visit_first",
    "refused",
    "source",
)
# "unit" is the column of units of measurement
_NAMED = {"unit": "management_unit"}
_CALENDAR_COLUMNS = ("band", "aspect", "work", "method", "opens", "latest_beginning", "deadline")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``plan`` and ``units``; where the record suffices ``calendar`` and ``dry-years``; where it
        is severe ``rain-harvesting``.
    outline : Area or None
        The study area, drawn around the units.

    Returns
    -------
    Section
    """
    every = list(results.values())
    return Section(
        name="restoration",
        title="Restoration",
        headline=tuple(_headline(results)),
        blocks=tuple(_blocks(results, outline)),
        methods=tuple(dict.fromkeys(one.method for one in every if one.method)),
        references=tuple(dict.fromkeys(text for one in every for text in one.references)),
        cautions=tuple(dict.fromkeys(text for one in every for text in one.cautions)),
    )


def _headline(results: Mapping[str, Result]) -> Iterator[str]:
    units: pd.DataFrame = results["units"].data
    plan: pd.DataFrame = results["plan"].data
    bad = units[units["grade"].isin(["heavy", "severe"])]
    first = units.iloc[0]
    yield (
        f"{len(units)} management units, {grouped(float(units['hectares'].sum()))} ha; "
        f"{len(bad)} are heavily or severely degraded, {grouped(float(bad['hectares'].sum()))} ha. "
        f"First: {first['unit']} ({first['grade']}, probability {first['confidence']:.0%})."
    )
    begin = sorted(text for text in plan["latest_beginning"].fillna("") if text)
    if begin:
        urgent = plan[plan["latest_beginning"] == begin[0]].iloc[0]
        yield f"The first work, at {urgent['unit']}, must begin by {begin[0]}: {urgent['measure']}."
    visits = units.loc[units["unit"].isin(plan.loc[plan["field_visit_first"], "unit"]), "unit"]
    if len(visits):
        yield f"{len(visits)} units need a field visit before work is approved."
    short = plan.loc[~plan["enough_days"].astype(bool), "unit"].nunique()
    if short:
        yield (
            f"At {short} units some work does not fit between its opening and its deadline (in dry "
            "years too): divide it, bring more people, or begin in the autumn before."
        )
    if "dry-years" in results:
        yield _dry_words(results["dry-years"].data)


def _dry_words(table: pd.DataFrame) -> str:
    shift = table.attrs.get("shift")
    if shift is None:
        return f"{len(table)} years are too few to say how dry years move the window to plant."
    sure = table.attrs["lower"] > 0 or table.attrs["upper"] < 0
    way = "earlier" if shift > 0 else "later"
    # the interval has the sign of the sentence: days earlier, or days later
    ends = (table.attrs["lower"], table.attrs["upper"])
    low, high = ends if shift > 0 else (-ends[1], -ends[0])
    bounds = f"95 % interval {low:.1f} to {high:.1f} d"
    doubt = "" if sure else ", which chance can explain"
    return (
        f"In dry years the window to plant closes {abs(shift):.1f} days {way} than in the mean "
        f"year ({bounds}, n = {len(table)} years){doubt}."
    )


def _blocks(results: Mapping[str, Result], outline: Area | None) -> Iterator[Block]:
    units: Any = results["units"]
    plan = results["plan"]
    area = None if outline is None else outline.to_crs("EPSG:4326").geometry
    frame: pd.DataFrame = units.data
    yield FigureBlock(
        "map",
        partial(units.plot, area=area),
        f"Management units by grade, numbered by priority; n = {len(frame)} units.",
        "Map of management units by grade of degradation.",
    )
    yield FigureBlock(
        "priorities",
        plan.plot,
        "The most urgent units, coloured by grade, and the day by which their first work must "
        "begin. Priority is grade × probability × root of the area × chance of success.",
        f"Priorities of units; first is {frame['unit'].iloc[0]}.",
    )
    yield from _calendar_blocks(results)
    table: pd.DataFrame = plan.data
    shown = table[list(_PLAN_COLUMNS)].rename(columns=_NAMED)
    shown.attrs["units"] = {"confidence": "1"}
    yield TableBlock(
        "plan",
        shown,
        f"Plan of work for the season of {table.attrs.get('year', '')}, {len(frame)} units; drafts "
        "until a person proposes and approves them (headwater plan). All columns: plan.csv, "
        "plan.xlsx and plan.gpkg in results/restoration; plan.html prints.",
    )
    if "rain-harvesting" in results:
        yield from _harvest_blocks(results["rain-harvesting"].data)


def _calendar_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "calendar" not in results:
        yield TextBlock("The record is too short for a calendar: the plan has no dates.")
        return
    calendar = results["calendar"]
    table: pd.DataFrame = calendar.data
    yield FigureBlock(
        "calendar",
        calendar.plot,
        "When the season starts by altitude and aspect (line: median; band: 8 years in 10), the "
        "window for planting (bars: from thaw, or from early starts where seedlings are "
        "transplanted, to the deadline), and when the topsoil dries in the mean and in dry years.",
        "Calendar of planting by altitude.",
    )
    shown = table[(table["aspect"] == "east or west")][list(_CALENDAR_COLUMNS)].copy()
    for name in ("opens", "latest_beginning", "deadline"):
        shown[name] = [_day(day) for day in shown[name]]
    yield TableBlock(
        "calendar",
        shown,
        "Work by altitude band on slopes that face east or west; other aspects in "
        "results/restoration/calendar.csv.",
    )
    if "dry-years" in results and results["dry-years"].data.attrs.get("shift") is not None:
        dry = results["dry-years"]
        yield FigureBlock(
            "dry-years",
            dry.plot,
            f"How early the window to plant closed in each of {len(dry.data)} years, against the "
            "water of the year; the mean of all places.",
            _dry_words(dry.data),
            wide=False,
        )


def _harvest_blocks(table: pd.DataFrame) -> Iterator[Block]:
    shown = table.rename(columns=_NAMED)
    shown.attrs |= table.attrs
    yield TableBlock(
        "rain-harvesting",
        shown,
        "Pits and ditches where degradation is severe and nothing forbids them: what they hold, "
        "what share of the design storm's runoff they keep (with its range for curve numbers ten "
        "lower and higher), and what they would have kept of the last season's rain.",
    )


def _day(day: Any) -> str:
    """Write a day of a year without its year; below 1 it lies in the year before."""
    if not np.isfinite(day):
        return ""
    date = pd.Timestamp("2001-01-01") + pd.Timedelta(days=int(np.floor(day)) - 1)
    return f"{date.day} {_MONTHS[date.month - 1]}"
