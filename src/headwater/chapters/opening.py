"""The figure that opens the report: state, change, drivers, sources and alerts on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure, p_text
from headwater.report.section import FigureBlock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline
    from headwater.grids.area import Area
    from headwater.results import Result

    Found = Mapping[str, Mapping[str, Result]]
    Draw = Callable[[Axes], None]

__all__ = ["make_opening"]

_MOST_FACTORS, _MOST_PERIODS = 7, 12
_LEVEL, _PALE = 0.05, "#c9d3dc"
_STATES = ("none", "restored", "watch", "warning", "confirmed")
_HATCH = ("", "///", "...", "xxx", "\\\\\\", "++")


def make_opening(found: Found, outline: Area | None) -> FigureBlock | None:
    """Compose the figure that opens the report from what the study has.

    Parameters
    ----------
    found : mapping of mapping of Result
        Results by step and name.
    outline : Area or None
        The study area, in the reference system of the maps.

    Returns
    -------
    FigureBlock or None
        Up to six panels; None where fewer than two have anything to show.
    """
    panels = [panel for panel in _panels(found, outline) if panel is not None]
    if len(panels) < 2:
        return None
    return FigureBlock(
        "at-a-glance",
        partial(_draw, [draw for _, draw in panels]),
        "The study at a glance. "
        + " ".join(f"{x}, {words}" for x, (words, _) in zip(ascii_lowercase, panels, strict=False)),
        "State, change, drivers, sources and alerts in small panels.",
    )


def _panels(found: Found, outline: Outline | None) -> Iterator[tuple[str, Draw] | None]:
    variation = found.get("variation", {})
    if "summary" in variation:
        target = str(variation["summary"].data["variable"].iloc[0])
        yield _state(variation, target, outline)
        yield _change(variation, target)
    yield _drivers(found.get("detector", {}))
    yield _sources(found.get("samples", {}))
    yield _alerts(found.get("warning", {}), outline)
    yield _work(found.get("restoration", {}))


def _draw(panels: list[Draw]) -> Figure:
    rows = -(-len(panels) // 2)
    with house_style():
        figure = new_figure(9.0, 2.75 * rows)
        places = figure.subplots(rows, 2, squeeze=False).ravel()
        for letter, axes, draw in zip(ascii_lowercase, places, panels, strict=False):
            draw(axes)
            axes.set_title(f"{letter}  {axes.get_title(loc='left')}", fontsize=9)
        for axes in places[len(panels) :]:
            axes.set_visible(False)
    return figure


def _state(variation: Mapping[str, Result], target: str, outline: Any) -> Any:
    """Show where it is wet: the mean of the growing seasons."""
    if f"{target}-season" not in variation:
        return None
    data: Any = variation[f"{target}-season"].data
    mean, years = data["mean"], int(data.sizes["year"])
    name = str(data["yearly"].attrs.get("long_name", target))
    mean.attrs = {**data["yearly"].attrs, **mean.attrs, "long_name": name}
    words = f"state: {_inside(name)}, mean of {years} growing seasons."
    return words, partial(_draw_state, mean=mean, target=target, outline=outline)


def _draw_state(axes: Axes, mean: Any, target: str, outline: Any) -> None:
    from headwater.grids.plots import draw_map, quantity_label, unit_label

    image = draw_map(axes, mean, quantity=target, outline=outline)
    _quiet_map(axes)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.85, aspect=18, extend="both")
    bar.outline.set_visible(False)
    bar.set_label(unit_label(str(mean.attrs.get("units", ""))), fontsize=8)
    axes.set_title(f"State: {_inside(quantity_label(mean).partition(' (')[0])}", fontsize=9)


def _change(variation: Mapping[str, Result], target: str) -> Any:
    """Show how it changes: the years, with the trend that is to be believed."""
    if f"{target}-years" not in variation:
        return None
    table: pd.DataFrame = variation[f"{target}-years"].data
    summary: pd.DataFrame = variation["summary"].data
    own = summary[(summary["variable"] == target) & (summary["period"] == "year")]
    by_name = {str(row["statistic"]): row for row in own.to_dict("records")}
    best = "trend (Sen, Mann-Kendall for AR(1))"
    trend = by_name.get(best) or by_name.get("trend (Sen, Mann-Kendall)")
    verdict = "too few years for a trend"
    if trend is not None and not np.isnan(trend["value"]):
        sure = "significant" if trend["p"] <= 0.05 else "not significant"
        verdict = f"trend {sure} ({p_text(trend['p'])}, n = {trend['n']} years)"
    words = f"change: area means of years and growing seasons; {verdict}."
    return words, partial(_draw_change, table=table, verdict=verdict)


def _draw_change(axes: Axes, table: pd.DataFrame, verdict: str) -> None:
    from matplotlib.ticker import MaxNLocator

    from headwater.grids.plots import unit_label

    names = {"year": "whole year", "growing_season": "growing season"}
    for k, (period, own) in enumerate(table.groupby("period", sort=False)):
        label = names.get(str(period), str(period))
        axes.plot(own["year"], own["mean"], "o-", ms=3.5, color=CATEGORY[k], label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.margins(y=0.25)
    unit = unit_label(str(table.attrs["units"]["mean"]))
    axes.set_ylabel(unit, fontsize=8)
    axes.set_title(f"Change: {verdict}", fontsize=9)
    axes.legend(loc="upper right", ncols=2)


def _drivers(detector: Mapping[str, Result]) -> Any:
    """Show what explains the pattern, pale where chance could."""
    if "factor" not in detector:
        return None
    table: pd.DataFrame = detector["factor"].data.head(_MOST_FACTORS)
    words = (
        "drivers: adjusted q of each factor with its 95 % interval, pale where a search by chance "
        "reaches as much."
    )
    return words, partial(_draw_drivers, table=table)


def _draw_drivers(axes: Axes, table: pd.DataFrame) -> None:
    from headwater.detector.plots import labels_of

    places = np.arange(len(table))[::-1]
    tested = table["p_search"] if "p_search" in table else table["p_value"]
    tested = tested.fillna(table["p_value"])
    colors = [CATEGORY[0] if p <= _LEVEL else _PALE for p in tested]
    axes.barh(places, table["q_adjusted"], color=colors, height=0.66)
    axes.hlines(places, table["q_low"], table["q_high"], color=INK, linewidth=1.1)
    axes.set_yticks(places, labels_of(table, table["factor"]))
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=min(0.0, float(table["q_adjusted"].min())))
    axes.set_xlabel("adjusted q", fontsize=8)
    axes.set_title("Drivers: share of the pattern explained", fontsize=9)


def _sources(samples: Mapping[str, Result]) -> Any:
    """Show where the water came from, of all samples together by period."""
    if "mixing" not in samples:
        return None
    table: pd.DataFrame = samples["mixing"].data
    table = table[(table["grouping"] == "all") & table["fraction"].notna()]
    first = table["label"].iloc[0] if len(table) else None
    table = table[table["label"] == first]
    if table.empty:
        return None
    words = "sources: mean shares with 95 % intervals of the first source."
    return words, partial(_draw_sources, table=table)


def _draw_sources(axes: Axes, table: pd.DataFrame) -> None:
    periods = list(dict.fromkeys(table["period"].fillna("").astype(str)))[:_MOST_PERIODS]
    base = np.zeros(len(periods))
    for k, (source, own) in enumerate(table.groupby("source", sort=False)):
        by_period = own.assign(period=own["period"].fillna("").astype(str)).set_index("period")
        share = by_period["fraction"].reindex(periods).fillna(0.0).to_numpy()
        look: dict[str, Any] = {"color": CATEGORY[k % 8], "edgecolor": "white", "height": 0.62}
        label = str(source).replace("_", " ")
        axes.barh(periods, share, left=base, hatch=_HATCH[k % 6], label=label, lw=0.4, **look)
        if k == 0:
            limits = by_period[["low", "high"]].reindex(periods)
            axes.hlines(periods, limits["low"], limits["high"], color=INK, linewidth=1.1)
        base = base + share
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(len(periods) - 0.4, -1.1)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share", fontsize=8)
    axes.set_title("Sources of the water", fontsize=9)
    axes.legend(loc="upper left", ncols=3, handlelength=1.2, columnspacing=1.0)


def _alerts(warning: Mapping[str, Result], outline: Any) -> Any:
    """Show where vegetation falls short of what season and soil water let expect."""
    if "states" not in warning:
        return None
    data: Any = warning["states"].data
    alerts = len(warning["alerts"].data) if "alerts" in warning else 0
    count = f"{alerts or 'no'} alert{'' if alerts == 1 else 's'}"
    words = f"alerts: state of early warning on {data.attrs['last_day']}, {count}."
    return words, partial(_draw_alerts, data=data, count=count, outline=outline)


def _draw_alerts(axes: Axes, data: Any, count: str, outline: Any) -> None:
    import xarray as xr
    from matplotlib import colormaps
    from matplotlib.patches import Patch

    from headwater.grids._cartography import NO_DATA
    from headwater.grids.plots import draw_map

    state = data["state"].where((data["state"] < 1) | (data["shown"] == 1), 0)
    drawn = xr.full_like(state, np.nan, dtype=np.float64)
    for code, name in enumerate(data.attrs["states"]):
        drawn = drawn.where(state != code, float(_STATES.index(name)))
    draw_map(axes, drawn, quantity="warning_state", categories=_STATES, outline=outline)
    _quiet_map(axes)
    shades = colormaps["YlOrRd"](np.linspace(0.08, 0.95, len(_STATES)))
    there = {int(code) for code in np.unique(drawn.values[np.isfinite(drawn.values)])}
    handles = [Patch(facecolor=shades[k], label=_STATES[k]) for k in sorted(there)]
    handles.append(Patch(facecolor=NO_DATA, label="no data"))
    below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "ncols": 5}
    axes.legend(handles=handles, handlelength=1.0, columnspacing=1.0, **below)
    axes.set_title(f"Alerts on {data.attrs['last_day']}: {count}", fontsize=9)


def _work(restoration: Mapping[str, Result]) -> Any:
    """Show what to do first: the most urgent units."""
    if "units" not in restoration or restoration["units"].data.empty:
        return None
    table: pd.DataFrame = restoration["units"].data.head(_MOST_FACTORS)
    words = "work: management units in the order of their priority."
    return words, partial(_draw_work, table=table)


def _draw_work(axes: Axes, table: pd.DataFrame) -> None:
    from matplotlib.patches import Patch

    from headwater.restoration.plots import GRADE_COLOURS as shades

    places = np.arange(len(table))[::-1]
    colors = [shades.get(str(grade), MUTED) for grade in table["grade"]]
    axes.barh(places, table["priority"], color=colors, height=0.66)
    axes.set_yticks(places, table["unit"].astype(str))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("priority", fontsize=8)
    axes.set_title("Where to work first", fontsize=9)
    there = [grade for grade in shades if grade in set(table["grade"])]
    handles = [Patch(facecolor=shades[grade], label=grade) for grade in there]
    axes.legend(handles=handles, loc="lower right", handlelength=1.0)


def _quiet_map(axes: Axes) -> None:
    """Leave out what a small map does not need."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _inside(name: str) -> str:
    return name if name[:2].isupper() else name[:1].lower() + name[1:]
