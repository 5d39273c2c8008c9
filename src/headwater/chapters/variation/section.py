"""The chapter "Variation": how the target and its surroundings change in time and space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock
from headwater.variation.plots import monthly_panels, yearly_panels

if TYPE_CHECKING:
    from headwater.figures import Outline
    from headwater.grids.area import Area
    from headwater.results import Result

__all__ = ["make_section"]

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_STILL_FEW = 10
_LEVEL = 0.05
"""Of the p at which a change of level is reported."""


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``summary``, ``cycles``, and by variable ``<name>-cycle``, ``-months``, ``-years``,
        ``-bands``, ``-zones``, ``-season``, ``-trend``, ``-breaks``, ``-adjusted``,
        ``-cv_interannual`` and ``-cv_monthly``.
    outline : Area or None
        The study area, in the reference system of the maps.

    Returns
    -------
    Section
    """
    table: pd.DataFrame = results["summary"].data
    target, *others = dict.fromkeys(table["variable"])
    own = {
        key.removeprefix(f"{target}-"): result
        for key, result in results.items()
        if key.startswith(f"{target}-")
    }
    chapter = _Target(str(target), table[table["variable"] == target], own, outline)
    blocks = [*chapter.blocks()]
    blocks[1:1] = _whole_record(results, [str(target)])
    if others:
        blocks += _surroundings(results, others, outline)
    blocks.append(
        TableBlock(
            "key-figures",
            table,
            "Key figures of area means. Low and high: of a mean the lowest and highest year, of a "
            "trend the limits of its 95 % interval. A coefficient of variation (CV) belongs to its "
            "scope; one scope says nothing about another.",
        )
    )
    return Section(
        name="variation",
        title="Variation in time and space",
        headline=tuple(chapter.headline()),
        blocks=tuple(blocks),
        methods=tuple(dict.fromkeys(result.method for result in results.values())),
        cautions=tuple(chapter.cautions()),
    )


@dataclass(frozen=True, slots=True)
class _Target:
    """The variable that the chapter is about: its key figures and its results by kind."""

    target: str
    table: pd.DataFrame
    own: Mapping[str, Any]
    outline: Outline | None

    @property
    def cycle(self) -> pd.DataFrame | None:
        """The mean year, where the variable has months."""
        return self.own["cycle"].data if "cycle" in self.own else None

    @property
    def years(self) -> pd.DataFrame:
        frame: pd.DataFrame = self.own["years"].data
        return frame

    @property
    def name(self) -> str:
        return str(self.years.attrs["long_name"])

    @property
    def units(self) -> str:
        return _unit(self.years.attrs["units"]["mean"])

    def headline(self) -> Iterator[str]:
        yield from self._level()
        yield from self._season()
        yield from self._trend()
        yield from self._bands()

    def _level(self) -> Iterator[str]:
        mean = self._row("mean", "year")
        period = "whole years"
        if mean is None or np.isnan(mean["value"]):
            mean, period = self._row("mean", "growing season"), "growing seasons"
        if mean is None or np.isnan(mean["value"]):
            yield f"No year has data on enough of the area for a mean of {self._lower()}."
            return
        cells = int((self.years if self.cycle is None else self.cycle)["cells"].max())
        yield (
            f"{self.name} averages {mean['value']:.3g}{self.units} over {period} "
            f"({mean['low']:.3g} to {mean['high']:.3g} between years, n = {mean['n']} years, "
            f"{cells} cells)."
        )

    def _season(self) -> Iterator[str]:
        known = None if self.cycle is None else self.cycle.dropna(subset="mean")
        if known is None or len(known) < 2:
            return
        ordered = known.sort_values("mean").to_dict("records")
        low, high = ordered[0], ordered[-1]
        outcome = [
            f"{scope} {row['value']:.3f}"
            for scope, row in (
                ("of the mean year", self._row("monthly CV", "mean year")),
                ("between years", self._row("interannual CV", "year")),
                ("between places", self._row("spatial CV", "growing season")),
            )
            if row is not None and not np.isnan(row["value"])
        ]
        ratio = f" Coefficient of variation {', '.join(outcome)}." if outcome else ""
        yield (
            f"{self.name} is lowest in {_MONTHS[int(low['month']) - 1]} ({low['mean']:.3g}"
            f"{self.units}) and highest in {_MONTHS[int(high['month']) - 1]} ({high['mean']:.3g}"
            f"{self.units}).{ratio}"
        )

    def _trend(self) -> Iterator[str]:
        for period in ("year", "growing season"):
            plain = self._row("trend (Sen, Mann-Kendall)", period)
            row = self._row("trend (Sen, Mann-Kendall for AR(1))", period) or plain
            if row is not None and plain is not None:
                limits = f"95 % interval {row['low']:.2g} to {row['high']:.2g}"
                if np.isnan(row["low"]):
                    limits = "too few years for an interval"
                yield (
                    f"Trend of the area mean by {period}: {row['value']:.2g}"
                    f"{_unit(row['units'])} ({limits}, {_tested(row, plain)}, "
                    f"n = {row['n']} years). {self._statement()}"
                )
                return
        yield f"Too few years for a trend. {self._statement()}"

    def _statement(self) -> str:
        return f"Cell by cell: {self.own['trend'].data.attrs['statement']}"

    def _bands(self) -> Iterator[str]:
        if "bands" not in self.own:
            return
        table: pd.DataFrame = self.own["bands"].data
        for period in ("year", "growing_season"):
            own = table[table["period"] == period]
            by_year = own.pivot_table(index="month_or_year", columns="zone", values="mean")
            # bands are compared over the years that all of them have
            shared = by_year.dropna()
            means = shared.mean()
            if len(means) > 1 and len(shared):
                yield (
                    f"By elevation, {self._lower()} is highest at {means.idxmax()} "
                    f"({means.max():.3g}{self.units}) and lowest at {means.idxmin()} "
                    f"({means.min():.3g}{self.units}; n = {len(means)} bands, {len(shared)} years)."
                )
                return

    def blocks(self) -> Iterator[Block]:
        if "cycle" in self.own:
            yield self._figure(
                "cycle",
                f"{self.name}: the mean year of the area. Dark band: lowest to highest year; light "
                "band: middle 80 % of cells.",
                f"Mean year of {self._lower()}.",
            )
        yield self._figure(
            "years",
            f"{self.name}: area means of years and growing seasons, with the middle 80 % of cells.",
            f"{self.name} year by year.",
        )
        if "bands" in self.own:
            yield self._figure(
                "bands",
                f"{self.name} by elevation band, area-weighted: the mean year, and year by year.",
                f"{self.name} by elevation band.",
            )
        if "zones" in self.own:
            yield self._figure(
                "zones",
                f"{self.name} of the parts of the area, area-weighted: the mean year of each. "
                "n: cells.",
                f"Heat map of {self._lower()} by zone and month.",
            )
        if "season" in self.own:
            n = int(self.own["season"].data.sizes["year"])
            yield self._figure(
                "season",
                f"{self.name}: growing-season values of {n} years under one scale.",
                f"Maps of growing-season {self._lower()} by year.",
            )
        yield from self._variation_maps()
        yield from self._trend_maps()
        yield from self._changes()

    def _variation_maps(self) -> Iterator[Block]:
        of = {
            "interannual": "of yearly values, between years",
            "monthly": "of the twelve long-term monthly means",
        }
        for scope, words in of.items():
            result = self.own.get(f"cv_{scope}")
            if result is not None and int(result.data["cv"].count()):
                n = int(result.data["n"].max())
                yield self._figure(
                    f"cv_{scope}",
                    f"{self.name}: coefficient of variation {words} (n = {n}).",
                    f"Map of the {scope} coefficient of variation.",
                    wide=False,
                )

    def _trend_maps(self) -> Iterator[Block]:
        result = self.own["trend"]
        data = result.data
        yield TextBlock(self._statement())
        if not int(data["slope"].count()):
            return
        years = int(data["n"].max())
        yield self._figure(
            "trend",
            f"{self.name}: Sen's slope of yearly values, n = {years} years; dots where significant "
            f"at a false discovery rate of {float(data.attrs['alpha']):g}.",
            f"Trend map. {data.attrs['statement']}",
            wide=False,
        )
        if bool(data["significant"].any()):
            yield FigureBlock(
                f"{self.target}-trend-p",
                partial(result.plot_p, outline=self.outline),
                f"{self.name}: p of {data.attrs['test']}, each cell by itself, n = {years} years; "
                f"the smallest that can occur is {float(data.attrs['smallest_p']):.2g}.",
                "Map of p-values of the trend.",
                wide=False,
            )

    def _changes(self) -> Iterator[Block]:
        """Report breaks of the area mean where a change is significant, and adjusted trends."""
        if "breaks" in self.own:
            table: pd.DataFrame = self.own["breaks"].data
            yield TextBlock(" ".join(_break_sentences(table, self.name)))
            own = table[(table["of"] == "mean") & table["time"].notna()]
            if len(own) and float(own["p"].iloc[0]) <= _LEVEL:
                yield self._figure(
                    "breaks",
                    f"{self.name}: yearly area means, with breaks (dashed) and their 95 % "
                    "intervals (shaded).",
                    f"{self.name} by year with breaks.",
                )
        if "adjusted" in self.own:
            data = self.own["adjusted"].data
            factor = str(data.attrs["factor_name"])
            yield TextBlock(f"Adjusted for {factor}, cell by cell: {data.attrs['statement']}")
            if int(data["slope"].count()):
                yield self._figure(
                    "adjusted",
                    f"{self.name}: slope of what {factor} leaves unexplained; dots where "
                    f"significant at a false discovery rate of {float(data.attrs['alpha']):g}.",
                    f"Map of the trend of {self._lower()} adjusted for {factor}.",
                    wide=False,
                )

    def _figure(self, key: str, caption: str, alt: str, *, wide: bool = True) -> FigureBlock:
        name = f"{self.target}-{key.replace('_', '-')}"
        return FigureBlock(
            name, partial(self.own[key].plot, outline=self.outline), caption, alt, wide
        )

    def cautions(self) -> Iterator[str]:
        years = int(self.own["trend"].data["n"].max())
        if years < _STILL_FEW:
            yield (
                f"{years} years are few: differences between years, and trends above all, say "
                "little about the climate of the area."
            )
        empty = 0 if self.cycle is None else 12 - int(self.cycle["mean"].notna().sum())
        if empty:
            yield (
                f"{self.name}: {empty} months of the mean year have data on too little of the area "
                "for a mean."
            )

    def _row(self, statistic: str, period: str) -> dict[str, Any] | None:
        table = self.table
        rows = table[(table["statistic"] == statistic) & (table["period"] == period)]
        found: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
        return found[0] if found else None

    def _lower(self) -> str:
        name = self.name
        return name if name.isupper() else name[0].lower() + name[1:]


def _whole_record(results: Mapping[str, Result], names: list[str]) -> Iterator[Block]:
    """Show every month of the record, of all the named variables that have months."""
    tables = [results[f"{name}-months"].data for name in names if f"{name}-months" in results]
    if tables:
        months = max(len(table) for table in tables)
        yield FigureBlock(
            "months" if len(names) > 1 else f"{names[0]}-months",
            partial(monthly_panels, tables),
            f"Every month of the record ({months}): area means, with the middle 80 % of cells.",
            "Monthly series of the whole record.",
        )


def _season_maps(
    results: Mapping[str, Result], name: str, outline: Outline | None
) -> Iterator[Block]:
    if f"{name}-season" in results:
        maps: Any = results[f"{name}-season"]
        words = results[f"{name}-years"].data.attrs["long_name"]
        yield FigureBlock(
            f"{name}-season",
            partial(maps.plot, outline=outline),
            f"{words}: growing-season values of {maps.data.sizes['year']} years under one scale.",
            f"Maps of growing-season {words} by year.",
        )


def _surroundings(
    results: Mapping[str, Result], others: list[str], outline: Outline | None
) -> Iterator[Block]:
    """Show what the other variables do, in less detail."""
    if "cycles" in results:
        yield FigureBlock(
            "cycles",
            results["cycles"].plot,
            "Mean years of all variables, as in the first figure.",
            "Mean years of all variables in small panels.",
        )
    yield from _whole_record(results, others)
    if len(others):
        yield FigureBlock(
            "years",
            partial(yearly_panels, [results[f"{name}-years"].data for name in others]),
            "The other variables: area means of years and growing seasons; lines: middle 80 % of "
            "cells.",
            "Years of the other variables in panels.",
        )
    for name in others:
        yield from _season_maps(results, name, outline)
    for name in others:
        trend: Any = results[f"{name}-trend"]
        words = results[f"{name}-years"].data.attrs["long_name"]
        if int(trend.data["slope"].count()):
            yield FigureBlock(
                f"{name}-trend",
                partial(trend.plot, outline=outline),
                f"{words}: Sen's slope of yearly values, n = {int(trend.data['n'].max())} years. "
                f"{trend.data.attrs['passed']} of {trend.data.attrs['tested']} cells significant.",
                f"Trend map of {words}.",
                wide=False,
            )


def _break_sentences(table: pd.DataFrame, name: str) -> Iterator[str]:
    """Say of the mean, and of what rain leaves, whether it changed, and when."""
    of = {"mean": name, "adjusted": f"{name}, adjusted,"}
    for kind, own in table.groupby("of", sort=False):
        first = own.iloc[0]
        if np.isnan(first["p"]):
            yield f"{of[str(kind)]} has too few years for a test of a change."
            continue
        p = f"p = {first['p']:.2g} allowing for persistence, {first['plain_p']:.2g} without"
        found = own.dropna(subset="time")
        if first["p"] > _LEVEL or found.empty:
            yield f"{of[str(kind)]} shows no change of level ({p})."
            continue
        times = ", ".join(
            f"after {row['time']:.0f} ({row['low']:.0f} to {row['high']:.0f})"
            if np.isfinite(row["low"])
            else f"after {row['time']:.0f}"
            for row in found.to_dict("records")
        )
        yield f"{of[str(kind)]} changed {times} ({p})."


def _tested(row: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    """Report p of the test to believe, and of plain Mann-Kendall where that is another."""
    if row["statistic"] == plain["statistic"]:
        return f"Mann-Kendall p = {row['p']:.2g}"
    return f"Mann-Kendall p = {row['p']:.2g} allowing for persistence, {plain['p']:.2g} without"


def _unit(units: str) -> str:
    from headwater.grids.plots import unit_label

    text = unit_label(units)
    return f" {text}" if text else ""
