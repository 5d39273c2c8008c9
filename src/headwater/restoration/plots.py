"""How calendar, dry years, units and plan look."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure
from headwater.restoration.profile import GRADES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from shapely.geometry.base import BaseGeometry

__all__ = ["GRADE_COLOURS", "draw_calendar", "draw_dry_years", "draw_priorities", "draw_units"]

GRADE_COLOURS = dict(
    zip(GRADES, ("#e8efe0", "#f4d58d", "#e9a15b", "#c8553d", "#7a1f2b"), strict=True)
)
"""Colours of grades, from the least, also distinguished by lightness alone."""

_LETTERS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = dict(zip((1, 32, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335), _LETTERS, strict=True))


def draw_calendar(table: pd.DataFrame) -> Figure:
    """Draw, by altitude, when the season starts and when planting must be done.

    Parameters
    ----------
    table : DataFrame
        Of :func:`headwater.restoration.work_calendar.calendar_table`.

    Returns
    -------
    Figure
    """
    aspects = list(dict.fromkeys(table["aspect"]))
    with house_style():
        figure = new_figure(8.2, 4.2)
        panels = np.atleast_1d(np.asarray(figure.subplots(1, len(aspects), sharey=True)))
        for axes, aspect in zip(panels, aspects, strict=True):
            own = table[table["aspect"] == aspect].drop_duplicates(["elevation", "work"])
            _season_panel(axes, own)
            axes.set_title(f"Facing {aspect}", fontsize=9)
        panels[0].set_ylabel("Elevation (m)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _season_panel(axes: Axes, own: pd.DataFrame) -> None:
    start = own.drop_duplicates("elevation").sort_values("elevation")
    z = start["elevation"].to_numpy()
    axes.fill_betweenx(
        z,
        start["start_early"],
        start["start_late"],
        color="#56B4E9",
        alpha=0.35,
        lw=0,
        label="Start of season, 8 years in 10",
    )
    axes.plot(start["start_median"], z, color="#0072B2", label="Start of season, median")
    planting = own[own["work"] == "revegetation"].sort_values("elevation")
    heights = planting["elevation"].to_numpy()
    for row in planting.to_dict("records"):
        colour = {"sow": CATEGORY[2], "transplant": CATEGORY[3]}.get(row["method"], CATEGORY[1])
        words = {"sow": "Sow", "transplant": "Transplant"}.get(row["method"], "Sow or transplant")
        seen = set(axes.get_legend_handles_labels()[1])
        axes.plot(
            [row["opens"], row["deadline"]],
            [row["elevation"]] * 2,
            color=colour,
            lw=4,
            solid_capstyle="butt",
            label=words if words not in seen else None,
        )
    if planting["closes_dry"].notna().any():
        axes.plot(planting["closes"], heights, color=MUTED, ls="-", lw=1, label="Soil dries, mean")
        axes.plot(
            planting["closes_dry"], heights, color="#D55E00", ls="--", lw=1.2, label="Dry year"
        )
    _month_axis(axes, own)


def _month_axis(axes: Axes, own: pd.DataFrame) -> None:
    columns = ["start_early", "start_late", "closes", "closes_dry", "opens", "deadline"]
    growing = own[own["work"] == "revegetation"]
    days = growing[columns].to_numpy(dtype=float)
    low, high = np.nanmin(days), np.nanmax(days)
    # days count on from the year before, and into the one after
    months = [(day + 365 * year, name) for year in (-1, 0, 1) for day, name in _MONTHS.items()]
    shown = [(day, name) for day, name in months if low - 31 <= day <= high + 31]
    shown = shown[:: 2 if len(shown) > 5 else 1]
    axes.set_xticks([day for day, _ in shown], [name for _, name in shown])
    axes.set_xlim(low - 8, high + 8)
    axes.grid(axis="x", color="#e4e7eb", lw=0.6)


def draw_dry_years(table: pd.DataFrame) -> Figure:
    """Draw how early the window to plant closed, against the water of the year.

    Parameters
    ----------
    table : DataFrame
        Of :func:`headwater.restoration.results.dry_year_frame`.

    Returns
    -------
    Figure
    """
    with house_style():
        figure = new_figure(5.6, 3.6)
        axes = figure.add_subplot()
        for dry, colour, words in (
            (False, CATEGORY[0], "other years"),
            (True, CATEGORY[5], "dry years"),
        ):
            part = table[table["dry"] == dry]
            axes.scatter(part["wetness"], part["departure"], color=colour, label=words, zorder=3)
            for row in part.to_dict("records"):
                axes.annotate(
                    f"{row['year']}",
                    (row["wetness"], row["departure"]),
                    xytext=(4, 4),
                    textcoords="offset points",
                    fontsize=7,
                    color=MUTED,
                )
        shift = table.attrs.get("shift")
        if shift is not None:
            at = float(table.loc[table["dry"], "wetness"].mean())
            wide = np.array([table["wetness"].min(), table["wetness"].max()])
            axes.plot(wide, -shift / at * wide, color=INK, lw=1)
        axes.margins(0.12)
        axes.axhline(0, color=MUTED, lw=0.6)
        axes.set_xlabel("Water of the year (standard deviations)")
        axes.set_ylabel("Window closes, days from the mean")
        axes.legend()
    return figure


def draw_units(
    table: pd.DataFrame, *, legend: bool = True, area: BaseGeometry | None = None
) -> Figure:
    """Draw units on a map, coloured by grade, numbered by priority.

    Parameters
    ----------
    table : DataFrame
        Of :func:`headwater.restoration.results.unit_frame`.
    legend : bool
        Whether the figure says which colour is which grade.
    area : geometry, optional
        Outline of the study area, in degrees, drawn as a line.

    Returns
    -------
    Figure
    """
    import shapely
    from matplotlib.patches import Patch

    with house_style():
        shapes = shapely.from_wkt(table["outline"].to_numpy(dtype=object))
        west, south, east, north = shapely.total_bounds(
            [*shapes, *([] if area is None else [area])]
        )
        stretch = 1 / np.cos(np.radians((south + north) / 2))
        width = 7.0
        tall = float(np.clip(width * (north - south) * stretch / (east - west), 2.2, 7.0))
        figure = new_figure(width, tall + 0.8)
        axes = figure.add_subplot()
        order = table["priority"].rank(ascending=False, method="first").astype(int)
        for shape, grade, place in zip(shapes, table["grade"], order, strict=True):
            _outline(axes, shape, GRADE_COLOURS[grade])
            if len(table) <= 60:
                _number(axes, shape, place, grade)
        for part in shapely.get_parts(area) if area is not None else ():
            axes.plot(*part.exterior.xy, color=INK, lw=0.9)
        axes.set_aspect(stretch)
        axes.autoscale_view()
        _degrees(axes)
        present = [grade for grade in GRADES if (table["grade"] == grade).any()]
        handles = [Patch(fc=GRADE_COLOURS[one], ec=MUTED, label=one) for one in present]
        if legend:
            figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _outline(axes: Axes, shape: object, colour: str) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Line

    for part in getattr(shape, "geoms", [shape]):
        rings = [part.exterior, *part.interiors]
        whole = Line.make_compound_path(*(Line(np.asarray(r.coords)[:, :2]) for r in rings))
        axes.add_patch(PathPatch(whole, fc=colour, ec=INK, lw=0.6))


def _number(axes: Axes, shape: Any, place: int, grade: str) -> None:
    at = shape.representative_point()
    dark = grade in GRADES[3:]
    axes.text(
        at.x, at.y, f"{place}", ha="center", va="center", fontsize=8, color="white" if dark else INK
    )


def _degrees(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis, letters in ((axes.xaxis, "EW"), (axes.yaxis, "NS")):

        def text(value: float, _: int | None = None, letters: str = letters) -> str:
            return f"{abs(round(value, 4)):g}°{letters[int(value < 0)]}"

        axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(FuncFormatter(text))


def draw_priorities(table: pd.DataFrame) -> Figure:
    """Draw the most urgent units with the last day on which their first work must begin.

    Parameters
    ----------
    table : DataFrame
        Of :func:`headwater.restoration.plan_table`.

    Returns
    -------
    Figure
    """
    units = table.drop_duplicates("unit").head(20).iloc[::-1]
    with house_style():
        figure = new_figure(6.4, 0.9 + 0.27 * len(units))
        axes = figure.add_subplot()
        colours = [GRADE_COLOURS[grade] for grade in units["grade"]]
        axes.barh(units["unit"], units["priority"], color=colours, edgecolor=MUTED, lw=0.6)
        for place, name in enumerate(units["unit"]):
            own = table.loc[table["unit"] == name, "latest_beginning"]
            dates = sorted(text for text in own.fillna("") if text)
            if dates:
                day = dt.date.fromisoformat(dates[0])
                axes.annotate(
                    f"begin by {day.day} {_LETTERS[day.month - 1]} {day.year}",
                    (units["priority"].iloc[place], place),
                    xytext=(4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7,
                    color=MUTED,
                )
        axes.set_xlim(0, max(1e-6, float(units["priority"].max())) * 1.45)
        axes.set_xlabel("Priority (0 to 1)")
    return figure
