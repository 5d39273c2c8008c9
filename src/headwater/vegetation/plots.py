"""How vegetation looks: maps of cover, seasons, water's share, capacity and grades, and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure
from headwater.grids.plots import map_figure, map_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline
    from headwater.vegetation.results import PlaceGrades

__all__ = [
    "band_seasons",
    "capacity_maps",
    "capacity_scatter",
    "cover_map",
    "cover_series",
    "degraded_map",
    "effect_maps",
    "forecast_fans",
    "grade_map",
    "place_grades",
    "response_curves",
    "season_map",
    "share_map",
]

_MONTHS = "January February March April May June July August September October November December"
_MONTH = dict(enumerate(_MONTHS.split(), start=1))
_MOST_LINES = 6
_VAGUE = 0.5
"""An interval of cover wider than this says little about a single block."""


def cover_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw cover at peak season of :class:`headwater.vegetation.results.CoverMap`."""
    cover = data["cover"].assign_attrs(long_name="Cover at peak season", units="1")
    return map_figure(cover, quantity="ndvi", outline=outline, limits=(0.0, 1.0))


def cover_series(table: pd.DataFrame) -> Figure:
    """Draw the series of :class:`headwater.vegetation.results.CoverSeries`, a panel for a place."""
    # more than a few panels cannot be read; the table has all places
    places = list(dict.fromkeys(table["place"]))
    drawn = places[:_MOST_LINES]
    with house_style():
        figure = new_figure(7.4, 1.0 + 1.6 * len(drawn))
        panels = figure.subplots(len(drawn), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, place in zip(panels, drawn, strict=True):
            own = table[table["place"] == place]
            axes.plot(own["time"], own["cover"], ".", ms=3, color=MUTED, label="mean of 8 days")
            axes.plot(own["time"], own["smooth"], color=CATEGORY[2], label="smoothed")
            axes.set_title(str(place), fontsize=9, loc="left")
            axes.set_ylim(-0.02, 1.02)
        figure.supylabel("Cover", fontsize=9, color=INK)
        if len(places) > len(drawn):
            figure.supxlabel(f"{len(places) - len(drawn)} more places in the table", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=2)
    return figure


def season_map(data: xr.Dataset, name: str, outline: Outline | None = None) -> Figure:
    """Draw the mean start, peak or end of :class:`headwater.vegetation.results.SeasonMap`."""
    return map_figure(data[f"mean_{name}"], outline=outline)


def band_seasons(table: pd.DataFrame) -> Figure:
    """Draw the seasons of each band of :class:`headwater.vegetation.results.GrowthSeasons`."""
    zones = list(dict.fromkeys(table["zone"]))
    with house_style():
        figure = new_figure(7.0, 1.4 + 0.45 * len(zones))
        axes = figure.add_subplot()
        for place, zone in enumerate(zones):
            own = table[table["zone"] == zone]
            for shift, (first, last, color, name) in enumerate(
                (
                    ("start", "end", CATEGORY[2], "green, by NDVI"),
                    ("warm_start", "warm_end", CATEGORY[1], "warm, 5 days at 5 °C or more"),
                )
            ):
                if first not in own or own[[first, last]].isna().all(axis=None):
                    continue
                at = place + 0.18 * (2 * shift - 1) * ("warm_start" in own)
                span = own[[first, last]].mean()
                label = name if place == 0 else None
                axes.plot(span, [at, at], color=color, lw=5, solid_capstyle="butt", label=label)
                axes.plot(own[first], [at] * len(own), "|", color=INK, ms=8, mew=0.8)
                axes.plot(own[last], [at] * len(own), "|", color=INK, ms=8, mew=0.8)
        axes.plot([], [], "|", color=INK, ms=8, mew=0.8, label="single years")
        axes.set_yticks(range(len(zones)), zones)
        axes.set_ylim(-0.6, len(zones) - 0.4)
        axes.set_xlabel("Day of year")
        figure.legend(loc="outside lower left", ncols=3)
    return figure


def share_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw water's share of :class:`headwater.vegetation.results.ResponseMap`."""
    share = 100.0 * data["share"]
    share.attrs = {"long_name": "Cover anomalies that water explains", "units": "%"}
    sure = (data["share_low"] > 0).assign_attrs(long_name="95 % interval above zero")
    return map_figure(
        share, quantity="soil_moisture", outline=outline, stipple=sure, limits=(0.0, 100.0)
    )


def effect_maps(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the effect of water by month of :class:`headwater.vegetation.results.ResponseMap`."""
    months = [int(month) for month in data["month"].values]
    return map_panels(
        data["effect"],
        titles=[_MONTH[month] for month in months],
        columns=3,
        quantity="trend",
        label="Cover, water at its 90 % less at its 10 % quantile",
        outline=outline,
        center=0.0,
    )


def response_curves(table: pd.DataFrame) -> Figure:
    """Draw the curves of :class:`headwater.vegetation.results.ResponseCurves`."""
    table = table[
        table["by"] == ("elevation" if "elevation" in set(table["by"]) else table["by"].iloc[0])
    ]
    months, zones = np.unique(table["month"]), list(dict.fromkeys(table["zone"]))
    # more than a few lines hide each other: the parts with most cells are drawn
    cells = table.groupby("zone")["cells"].first()
    drawn = [zone for zone in zones if zone in set(cells.nlargest(_MOST_LINES).index)]
    columns = min(3, len(months))
    rows = -(-len(months) // columns)
    with house_style():
        figure = new_figure(7.4, 2.3 * rows + 0.8)
        panels = figure.subplots(rows, columns, sharey=True, sharex=True, squeeze=False).ravel()
        for axes, month in zip(panels, months, strict=False):
            for color, zone in zip(CATEGORY, drawn, strict=False):
                own = table[(table["month"] == month) & (table["zone"] == zone)]
                axes.fill_between(
                    own["water"], own["low"], own["high"], color=color, alpha=0.2, lw=0
                )
                axes.plot(own["water"], own["cover"], color=color, label=zone)
            axes.set_title(_MONTH[int(month)], fontsize=9)
        for axes in panels[len(months) :]:
            axes.set_visible(False)
        for axes in panels[max(0, len(months) - columns) : len(months)]:
            axes.set_xlabel("Remembered soil water (m³ m⁻³)")
        panels[0].set_ylim(max(-0.02, table["low"].min()), min(1.02, table["high"].max()))
        figure.supylabel("Cover", fontsize=9, color=INK)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=3)
    return figure


def capacity_maps(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw capacity, its lower limit and present cover of :class:`CapacityMap`."""
    names = ("capacity", "low", "present")
    titles = ["Water carries", "Do not plant denser than", "Present cover"]
    stacked = xr.concat([data[name] for name in names], "panel").rename("cover")
    wide = data["high"] - data["low"] > _VAGUE
    vague = xr.concat([wide, wide, xr.zeros_like(wide)], "panel")
    vague.attrs = {"long_name": f"95 % interval wider than {_VAGUE:g}"}
    return map_panels(
        stacked,
        titles=titles,
        columns=3,
        quantity="ndvi",
        label="Cover at full season",
        outline=outline,
        stipple=vague if bool(vague.any()) else None,
        limits=(0.0, 1.0),
    )


def capacity_scatter(data: xr.Dataset) -> Figure:
    """Draw present cover against capacity of :class:`CapacityMap`, block by block."""
    table = data[["capacity", "low", "high", "present"]].to_dataframe().dropna()
    table = table.groupby(["capacity", "low", "high"])["present"].mean().reset_index()
    over = table["present"] > table["high"]
    with house_style():
        figure = new_figure(5.2, 4.6)
        axes = figure.add_subplot()
        for rows, color, name in (
            (table[~over], CATEGORY[2], "within what water carries"),
            (table[over], CATEGORY[5], "denser than the interval"),
        ):
            width = np.stack([rows["capacity"] - rows["low"], rows["high"] - rows["capacity"]])
            axes.errorbar(
                rows["capacity"],
                rows["present"],
                xerr=np.maximum(width, 0.0),
                fmt="o",
                ms=3,
                color=color,
                elinewidth=0.25,
                alpha=0.6,
                label=f"{name} ({len(rows)} blocks)",
            )
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls="--")
        # points at the ends stay whole
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("Cover that water carries, with 95 % interval")
        axes.set_ylabel("Present cover at peak season")
        figure.legend(loc="outside lower left", ncols=1)
    return figure


def grade_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the grades of :class:`headwater.vegetation.results.GradeMap`."""
    grade = data["grade"].where(data["grade"] >= 0).astype(float)
    grade.attrs = {"long_name": "Degradation grade", "units": "1"}
    unsure = ((data["of_grade"] < 0.8) & (data["grade"] >= 0)) | (
        (data["grade"] >= 3) & ~data["certain"].astype(bool)
    )
    unsure.attrs = {"long_name": "grade uncertain"}
    names = [str(name) for name in data["grade_name"].values]
    return map_figure(
        grade, quantity="degradation", outline=outline, stipple=unsure, categories=names
    )


def place_grades(result: PlaceGrades) -> Figure:
    """Draw damage of each place between the edges of the grades."""
    table = result.data
    graded = table[table["damage"].notna()]
    with house_style():
        figure = new_figure(7.0, 1.5 + 0.32 * max(len(graded), 2))
        axes = figure.add_subplot()
        at = np.arange(len(graded))
        damage = graded["damage"].to_numpy(np.float64)
        low, high = (graded[f"damage_{end}"].to_numpy(np.float64) for end in ("low", "high"))
        width = np.maximum(np.stack([damage - low, high - damage]), 0.0)
        axes.errorbar(damage, at, xerr=width, fmt="o", ms=4, color=CATEGORY[5], elinewidth=1.2)
        last = max(float(np.max(high, initial=0.0)), *result.edges, 0.0) * 1.05 + 2.0
        first = min(float(np.min(low, initial=0.0)), 0.0) * 1.05
        bounds = [first, *result.edges, last]
        for name, begin, end in zip(result.grades, bounds, bounds[1:], strict=False):
            axes.annotate(
                name,
                (0.5 * (begin + end), 1.02),
                xycoords=("data", "axes fraction"),
                ha="center",
                fontsize=8,
                color=MUTED,
            )
        for edge in result.edges:
            axes.axvline(edge, color=MUTED, lw=0.8, ls="--")
        axes.set_xlim(first, last)
        axes.set_yticks(at, list(graded["place"]))
        axes.set_ylim(len(graded) - 0.4, -0.6)
        loss = result.basis == "relative_loss"
        axes.set_xlabel("Loss of cover at peak season (%)" if loss else "Ground without cover (%)")
        if len(graded) < len(table):
            axes.set_title(f"{len(table) - len(graded)} places have no grade", fontsize=9, pad=18)
    return figure


def degraded_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the probability of moderate degradation or worse of :class:`GradeMap`."""
    found = (100.0 * data["degraded"]).assign_attrs(
        long_name="Probability of moderate or worse", units="%"
    )
    return map_figure(found, quantity="degradation", outline=outline, limits=(0.0, 100.0))


def forecast_fans(table: pd.DataFrame) -> Figure:
    """Draw the fans of :class:`headwater.vegetation.results.VegetationForecast`."""
    zones = list(dict.fromkeys(table["zone"]))
    with house_style():
        figure = new_figure(min(1.6 + 1.7 * max(len(zones), 2), 9.0), 4.4)
        panels = figure.subplots(2, len(zones), sharex=True, sharey="row", squeeze=False)
        for row, (quantity, words) in enumerate(
            (("cover", "Cover"), ("water", "Root-zone water (m³ m⁻³)"))
        ):
            for column, zone in enumerate(zones):
                own = table[(table["zone"] == zone) & (table["quantity"] == quantity)]
                _fan(panels[row, column], own)
            panels[row, 0].set_ylabel(words)
        for column, zone in enumerate(zones):
            panels[0, column].set_title(str(zone), fontsize=9)
            panels[1, column].set_xticks(_leads(table["lead"].max()))
        panels[1, len(zones) // 2].set_xlabel("Pentads ahead")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=4)
    return figure


def _leads(last: int) -> range:
    """Choose the leads that are written below a narrow panel."""
    return range(1, int(last) + 1, 1 if last <= 4 else 2)


def _fan(axes: Axes, own: pd.DataFrame) -> None:
    """Draw one fan, with a cross at leads without skill beyond doubt."""
    at, color = own["lead"], CATEGORY[2]
    axes.fill_between(at, own["low"], own["high"], color=color, alpha=0.2, lw=0, label="5 to 95 %")
    axes.fill_between(
        at, own["lower"], own["upper"], color=color, alpha=0.4, lw=0, label="25 to 75 %"
    )
    axes.plot(at, own["median"], color=color, label="median")
    axes.plot(at, own["normal"], color=MUTED, ls="--", lw=0.9, label="mean of the season")
    axes.plot(at, own["observed"], "o", ms=3, color=INK, label="seen afterwards")
    without = own[~(own["skill_low"] > 0)]
    axes.plot(without["lead"], without["median"], "x", ms=5, color=CATEGORY[5], label="no skill")
