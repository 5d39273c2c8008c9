"""The chapter "Vegetation": what soil water lets grow, and where it is degrading."""

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

_GRADES = ("none", "light", "moderate", "heavy", "severe")


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``cover``, ``season``, ``end-values`` and ``notes``; where the record allows also
        ``warm-season``, ``bands``, ``response``, ``curves``, ``capacity`` and ``grade``.
    outline : Area or None
        The study area, in the reference system of the maps.

    Returns
    -------
    Section
    """
    found: dict[str, Any] = dict(results)
    return Section(
        name="vegetation",
        title="Vegetation",
        headline=tuple(_headline(found)),
        blocks=tuple(_blocks(found, outline)),
        methods=tuple(dict.fromkeys(result.method for result in results.values())),
        references=tuple(
            dict.fromkeys(text for result in results.values() for text in result.references)
        ),
        cautions=tuple(
            dict.fromkeys(text for result in results.values() for text in result.cautions)
        ),
    )


def _headline(found: Mapping[str, Any]) -> Iterator[str]:
    cover, season = found["cover"].data, found["season"].data
    low, middle, high = (float(v) for v in cover["cover"].quantile((0.1, 0.5, 0.9)))
    yield (
        f"At peak season plants cover {middle:.2f} of the ground (median; middle 80 % of cells "
        f"{low:.2f} to {high:.2f}; n = {int(cover['cover'].count())} cells, "
        f"{cover.attrs['recent']})."
    )
    start, end = (season[f"mean_{name}"] for name in ("start", "end"))
    if int(start.count()):
        yield (
            f"Greenness starts on day {float(start.median()):.0f} and ends on day "
            f"{float(end.median()):.0f} of the year (medians of n = {int(start.count())} cells; "
            f"median standard error of the start {float(season['start_error'].median()):.1f} d)."
        )
    if "response" in found:
        yield _share_sentence(found["response"].data)
    if "capacity" in found:
        yield _capacity_sentence(found["capacity"].data)
    if "forecast" in found:
        yield from _skill_sentences(found["forecast"].data)
    if "grade" in found:
        yield _grade_sentence(found["grade"].data)


def _skill_sentences(table: pd.DataFrame) -> Iterator[str]:
    """Say how far ahead forecasts beat the mean of the season, and where they do not."""
    for quantity, words in (("water", "root-zone water"), ("cover", "cover")):
        own = table[table["quantity"] == quantity]
        skill = own.groupby("lead")["skill"].median()
        sure = own.assign(sure=own["skill_low"] > 0).groupby("lead")["sure"].mean()
        n = f"n = {own['zone'].nunique()} zones, {int(own['years'].max())} years"
        leads = [int(lead) for lead in sure.index if sure[lead] > 0.5]
        if leads:
            yield (
                f"Forecasts of {words} beat the mean of the season {', '.join(map(str, leads))} "
                f"pentad{'s' if leads != [1] else ''} ahead in most zones (skill "
                f"{skill.iloc[0]:.2f} at one pentad, {skill.iloc[-1]:.2f} at {skill.index[-1]}; "
                f"medians, {n}); at other leads they have no skill beyond doubt."
            )
        else:
            yield (
                f"Forecasts of {words} have no skill beyond doubt at any lead (skill "
                f"{skill.iloc[0]:.2f} at one pentad; median, {n}): use the mean of the season."
            )


def _share_sentence(data: Any) -> str:
    share, sure = data["share"], (data["share_low"] > 0) & np.isfinite(data["share"])
    n = int(share.count())
    signs = data["effect"].median(("y", "x")).to_series()
    low, high = int(signs.idxmin()), int(signs.idxmax())
    return (
        f"Soil water explains {100 * float(share.median()):.0f} % of the cover anomalies of a cell "
        f"(median of n = {n}), beyond doubt in {100 * int(sure.sum()) / max(n, 1):.0f} % of cells; "
        f"its effect is largest in {_month(high)} ({signs.max():+.2f} of cover, median) and "
        f"smallest in {_month(low)} ({signs.min():+.2f})."
    )


def _capacity_sentence(data: Any) -> str:
    present, over = data["present"], data["over"]
    limit = data["at_limit"]
    n = int(data["capacity"].count())
    return (
        f"Water carries a cover of {float(data['capacity'].median()):.2f} (median; 95 % intervals "
        f"{float(data['low'].median()):.2f} to {float(data['high'].median()):.2f}); present cover "
        f"is {float(present.median()):.2f}. In {100 * float(over.mean()):.0f} % of n = {n} cells "
        "it is denser than the lower limit, so that denser planting cannot be recommended there; "
        f"in {100 * float(limit.mean()):.0f} % water does not limit cover."
    )


def _grade_sentence(data: Any) -> str:
    grade = data["grade"].values
    n = int((grade >= 0).sum())
    shares = [
        f"{name} {100 * (grade == k).sum() / max(n, 1):.1f} %"
        for k, name in enumerate(_GRADES)
        if (grade == k).any()
    ]
    bad = grade >= 3
    sure = int((bad & (data["certain"].values == 1)).sum())
    return (
        f"Degradation by {data.attrs['profile']}, {data.attrs['recent']} against "
        f"{data.attrs['baseline']}: {', '.join(shares)} of n = {n} cells"
        + (f"; of {int(bad.sum())} cells heavy or worse {sure} are certain." if bad.any() else ".")
    )


def _blocks(found: Mapping[str, Any], outline: Outline | None) -> Iterator[Block]:
    yield _figure(
        "cover",
        found["cover"],
        outline,
        "Fractional cover at peak season, mean of the recent "
        f"years ({found['cover'].data.attrs['recent']}).",
        "Map of cover at peak season.",
    )
    yield from _season_blocks(found, outline)
    if "response" in found:
        yield from _response_blocks(found, outline)
    if "capacity" in found:
        yield from _capacity_blocks(found["capacity"], outline)
    if "forecast" in found:
        yield from _forecast_blocks(found["forecast"])
    if "grade" in found:
        yield from _grade_blocks(found["grade"], outline)
    yield TableBlock(
        "vegetation-end-values",
        found["end-values"].data,
        "NDVI of bare ground and of full cover by vegetation type, with standard errors; n: values "
        "they come from, 0 where the study file gives them.",
    )
    notes: pd.DataFrame = found["notes"].data
    if len(notes):
        yield TableBlock("vegetation-notes", notes, found["notes"].method)


def _season_blocks(found: Mapping[str, Any], outline: Outline | None) -> Iterator[Block]:
    season = found["season"]
    years = int((season.data["start"].count(("y", "x")) > 0).sum())
    for name, draw in (
        ("start", season.plot),
        ("peak", season.plot_peak),
        ("end", season.plot_end),
    ):
        yield FigureBlock(
            f"vegetation-season-{name}",
            partial(draw, outline=outline),
            f"Mean {name} of the green season, up to {years} years.",
            f"Map of the {name} of season.",
            wide=False,
        )
    if "bands" in found:
        yield _figure(
            "bands",
            found["bands"],
            outline,
            "Seasons by elevation band: bars span the mean start and end, ticks are single years. "
            "Between the start of warmth and that of greenness plants wait.",
            "Bars of the growing season of each elevation band.",
        )


def _response_blocks(found: Mapping[str, Any], outline: Outline | None) -> Iterator[Block]:
    response = found["response"]
    yield _figure(
        "share",
        response,
        outline,
        "Share of the variance of cover anomalies that soil water explains, from years left out; "
        "dots where its 95 % interval lies above zero. What is left may be grazing, rodents, "
        "disease, warmth or noise.",
        "Map of the share of cover anomalies that soil water explains.",
    )
    yield FigureBlock(
        "vegetation-effect",
        partial(response.plot_effect, outline=outline),
        "What much rather than little soil water (90 % and 10 % quantile of the month) does to "
        "cover, month by month. Brown: more water goes with less cover.",
        "Maps of the effect of soil water by month.",
    )
    if "curves" in found:
        table: pd.DataFrame = found["curves"].data
        forms = table[table["by"] == _drawn(table)].groupby("zone", sort=False)["form"].first()
        yield _figure(
            "curves",
            found["curves"],
            outline,
            f"Cover against soil water by month, n = {int(table['years'].max())} years, with 95 % "
            "bands. Forms that were chosen: "
            + "; ".join(f"{zone} {form}" for zone, form in forms.items())
            + ".",
            "Response curves of cover to soil water.",
        )


def _drawn(table: pd.DataFrame) -> str:
    """Say by what the curves are divided that the figure shows."""
    by = set(table["by"])
    return "elevation" if "elevation" in by else str(table["by"].iloc[0])


def _capacity_blocks(capacity: Any, outline: Any) -> Iterator[Block]:
    side = int(capacity.data.attrs["side"])
    yield _figure(
        "capacity",
        capacity,
        outline,
        f"The densest cover that soil water carries, the lower limit of its 95 % interval, and the "
        f"cover that is there; blocks of {side} × {side} cells.",
        "Maps of carrying capacity and present cover.",
    )
    yield FigureBlock(
        "vegetation-capacity-present",
        capacity.plot_present,
        "Present cover against what water carries, with 95 % intervals, block by block. Above the "
        "dashed line there is more than water carries.",
        "Present cover against carrying capacity.",
        wide=False,
    )


def _forecast_blocks(forecast: Any) -> Iterator[Block]:
    table: pd.DataFrame = forecast.data
    first = table["date"].min()
    yield _figure(
        "forecast",
        forecast,
        None,
        f"Cover and root-zone water 1 to {int(table['lead'].max())} pentads ahead, from "
        f"{pd.Timestamp(first):%d %B %Y} on, by the weather of other years. Crosses mark leads "
        "without skill against the mean of the season beyond doubt; dots are what was seen "
        "afterwards, which the forecast did not know.",
        "Fans of forecasts by elevation band.",
    )
    names = ["zone", "quantity", "lead", "crps", "skill", "skill_low", "skill_high"]
    yield TableBlock(
        "vegetation-forecast-skill",
        table[[*names, "skill_persistence", "years", "starts"]],
        "Skill of forecasts, 1 − CRPS / CRPS of the reference: against the mean of the season with "
        "95 % intervals, and against persistence.",
    )


def _grade_blocks(grade: Any, outline: Any) -> Iterator[Block]:
    data = grade.data
    yield _figure(
        "grade",
        grade,
        outline,
        f"Degradation grade by {data.attrs['profile']}, {data.attrs['recent']} against "
        f"{data.attrs['baseline']}; dots where the grade has a probability under 80 %, or is heavy "
        "or severe without two seasons or a plot that say so.",
        "Map of degradation grades.",
    )
    yield FigureBlock(
        "vegetation-degraded",
        partial(grade.plot_probability, outline=outline),
        "Probability that a cell is moderately degraded or worse, from a bootstrap over years and "
        "end values.",
        "Map of the probability of degradation.",
    )
    if "ldn" in data:
        n = int(data["ldn"].count())
        yield TextBlock(
            "Land degradation as indicator 15.3.1 counts it, next to the grade: trend falling in "
            f"{_percent(data['trend'] < 0, n)}, state two classes lower or more in "
            f"{_percent(data['state'] <= -2, n)}, performance under one half in "
            f"{_percent(data['performance'] < 0.5, n)}, any of the three in "
            f"{_percent(data['ldn'] == 1, n)} of n = {n} cells."
        )
    else:
        yield TextBlock(
            "Trend, state and performance as indicator 15.3.1 counts them need eight years."
        )


def _percent(what: Any, n: int) -> str:
    return f"{100 * int(what.sum()) / max(n, 1):.1f} %"


def _month(number: int) -> str:
    names = "January February March April May June July August September October November December"
    return names.split()[number - 1]


def _figure(key: str, result: Any, outline: Any, caption: str, alt: str) -> FigureBlock:
    return FigureBlock(f"vegetation-{key}", partial(result.plot, outline=outline), caption, alt)
