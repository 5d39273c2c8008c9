"""Figures of the samples themselves: where they were taken, their spread, their lines by group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.figures import CATEGORY, INK, MUTED, grouped, house_style, new_figure
from headwater.isotopes.lines import WaterLine
from headwater.isotopes.samples import water

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.grids.area import Area

__all__ = ["draw_boxes", "draw_lines_in_panels", "draw_sites", "group_columns", "period_of_rows"]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_QUANTITIES = {
    "d18O": "δ¹⁸O (‰)",
    "d2H": "δ²H (‰)",
    "d_excess": "d-excess (‰)",
    "lc_excess": "lc-excess (‰)",
}
_MOST_PANELS, _FEWEST = 8, 3
_WIDEST = 9.0


def draw_sites(samples: pd.DataFrame, outline: Area | None) -> Figure:
    """Draw where waters were taken, larger where there are more samples.

    Parameters
    ----------
    samples : DataFrame
        The sample table, with ``longitude``, ``latitude`` [degree] and ``water``.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    sites = (
        samples.dropna(subset=["longitude", "latitude"])
        .groupby(["water", "longitude", "latitude"], sort=False)
        .size()
        .reset_index(name="n")
    )
    most = max(int(sites["n"].max()), 1)
    with house_style():
        figure = new_figure(7.2, 4.4)
        axes = figure.add_subplot()
        if outline is not None:
            _draw_outline(axes, outline.to_crs("EPSG:4326").geometry)
        for k, (kind, own) in enumerate(sites.groupby("water", sort=False)):
            name = water(str(kind)).long_name
            axes.scatter(
                own["longitude"],
                own["latitude"],
                s=14 + 90 * np.sqrt(own["n"] / most),
                color=CATEGORY[k % 8],
                marker=_MARKERS[k % 8],
                alpha=0.8,
                edgecolor="white",
                linewidth=0.5,
                zorder=3,
                label=f"{name}: {len(own)} sites, {grouped(int(own['n'].sum()))} samples",
            )
        middle = float(sites["latitude"].mean())
        axes.set_aspect(1.0 / np.cos(np.radians(middle)))
        _name_degrees(axes)
        legend = figure.legend(loc="outside lower left", ncols=2)
        for handle in legend.legend_handles:
            handle.set_sizes([36.0])  # type: ignore[union-attr]
    return figure


def _draw_outline(axes: Axes, geometry: Any) -> None:
    for part in getattr(geometry, "geoms", [geometry]):
        axes.plot(*part.exterior.xy, color=INK, lw=1.0)


def _name_degrees(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}°{'E' if x >= 0 else 'W'}")
    axes.yaxis.set_major_formatter(lambda y, _: f"{abs(y):g}°{'N' if y >= 0 else 'S'}")
    axes.locator_params(nbins=5)
    axes.spines[:].set_visible(True)


def draw_boxes(samples: pd.DataFrame) -> Figure:
    """Draw box plots of each water, a panel for each quantity.

    Parameters
    ----------
    samples : DataFrame
        The sample table with ``water`` and isotopes [‰].

    Returns
    -------
    Figure
        Boxes hold the middle half, whiskers reach 1.5 times as far, points lie beyond.
    """
    names = [q for q in _QUANTITIES if q in samples and samples[q].notna().any()]
    waters = list(dict.fromkeys(samples["water"].dropna()))
    with house_style():
        figure = new_figure(1.4 + 1.9 * len(names), 1.2 + 0.34 * len(waters))
        panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            values = [samples.loc[samples["water"] == kind, name].dropna() for kind in waters]
            drawn = axes.boxplot(values, orientation="horizontal", widths=0.62, patch_artist=True)
            _colour_boxes(drawn)
            axes.set_xlabel(_QUANTITIES[name])
            axes.grid(axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
        counts = samples["water"].value_counts()
        labels = [f"{water(str(kind)).long_name} (n = {counts[kind]})" for kind in waters]
        panels[0].set_yticks(range(1, len(waters) + 1), labels)
        panels[0].set_ylim(len(waters) + 0.6, 0.4)
    return figure


def _colour_boxes(drawn: Any) -> None:
    for k, box in enumerate(drawn["boxes"]):
        box.set(facecolor=CATEGORY[k % 8], alpha=0.55, edgecolor=INK, linewidth=0.8)
    for line in (*drawn["medians"], *drawn["whiskers"], *drawn["caps"]):
        line.set(color=INK, linewidth=1.0)
    for points in drawn["fliers"]:
        points.set(marker=".", markersize=3, markeredgecolor=MUTED, alpha=0.6)


def group_columns(lines: pd.DataFrame, samples: pd.DataFrame) -> list[str]:
    """List the groupings of a table of lines that are columns of the samples.

    Parameters
    ----------
    lines : DataFrame
        With ``grouping``.
    samples : DataFrame
        The sample table.

    Returns
    -------
    list of str
    """
    found = dict.fromkeys(lines["grouping"].astype(str))
    return [name for name in found if name in samples.columns]


def period_of_rows(lines: pd.DataFrame, samples: pd.DataFrame) -> pd.Series:
    """Find the column of the samples that holds the periods of the lines.

    Parameters
    ----------
    lines : DataFrame
        With ``period``.
    samples : DataFrame
        The sample table.

    Returns
    -------
    Series of str
        The period of each sample, empty where lines have none.
    """
    periods = {str(one) for one in lines["period"].fillna("")} - {""}
    for name in ("month", "season", "year", "period"):
        if name in samples and periods and periods <= set(samples[name].astype(str)):
            return samples[name].astype(str)
    return pd.Series("", samples.index)


def draw_lines_in_panels(
    samples: pd.DataFrame, lines: pd.DataFrame, grouping: str, lmwl: WaterLine | None
) -> Figure:
    """Draw samples and their lines in the plane of both isotopes, a panel for each group.

    Parameters
    ----------
    samples : DataFrame
        Of the waters that the lines describe.
    lines : DataFrame
        ``grouping``, ``label``, ``period``, ``slope``, ``intercept``.
    grouping : str
        The column of `samples` that makes the panels.
    lmwl : WaterLine, optional
        Drawn in every panel.

    Returns
    -------
    Figure
        Of the first eight groups.
    """
    own = lines[lines["grouping"] == grouping]
    labels = list(dict.fromkeys(own["label"].astype(str)))[:_MOST_PANELS]
    rows = samples.dropna(subset=["d18O", "d2H"]).assign(period=period_of_rows(lines, samples))
    periods = list(dict.fromkeys(own["period"].fillna("").astype(str)))
    columns = min(len(labels), 4)
    down = -(-len(labels) // columns)
    with house_style():
        figure = new_figure(min(1.0 + 2.1 * columns, _WIDEST), 2.5 * down + 0.7)
        grid = figure.subplots(down, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.ravel()[len(labels) :]:
            axes.set_visible(False)
        for axes, label in zip(grid.ravel(), labels, strict=False):
            there = rows[rows[grouping].astype(str) == label]
            group = own[own["label"].astype(str) == label]
            _draw_group(axes, there, group, periods, lmwl)
            axes.set_title(label, fontsize=9)
        figure.supxlabel("δ¹⁸O (‰)", fontsize=9, color=INK)
        figure.supylabel("δ²H (‰)", fontsize=9, color=INK)
        figure.legend(handles=list(_handles(periods, lmwl)), loc="outside upper left", ncols=5)
    return figure


def _draw_group(
    axes: Axes, rows: pd.DataFrame, lines: pd.DataFrame, periods: list[str], lmwl: WaterLine | None
) -> None:
    if lmwl is not None and len(rows):
        ends = np.array([rows["d18O"].min(), rows["d18O"].max()])
        axes.plot(ends, lmwl(ends), color=INK, lw=1.0, zorder=1)
    for k, period in enumerate(periods):
        part = rows[rows["period"] == period] if period else rows
        line = lines[lines["period"].fillna("").astype(str) == period]
        color = CATEGORY[k % 8]
        look: dict[str, Any] = {"s": 9, "marker": _MARKERS[k % 8], "alpha": 0.45, "linewidth": 0}
        axes.scatter(part["d18O"], part["d2H"], color=color, **look)
        if len(part) < _FEWEST or line.empty or not np.isfinite(line["slope"].iloc[0]):
            continue
        ends = np.array([part["d18O"].min(), part["d18O"].max()])
        slope, intercept = float(line["slope"].iloc[0]), float(line["intercept"].iloc[0])
        axes.plot(ends, slope * ends + intercept, color=color, lw=1.4)
        words = f"{slope:.2f} (n = {len(part)})"
        place = (0.97, 0.04 + 0.09 * (len(periods) - 1 - k))
        axes.text(*place, words, transform=axes.transAxes, ha="right", fontsize=7, color=color)


def _handles(periods: list[str], lmwl: WaterLine | None) -> Iterator[Any]:
    from matplotlib.lines import Line2D

    for k, period in enumerate(periods):
        look: dict[str, Any] = {"color": CATEGORY[k % 8], "marker": _MARKERS[k % 8], "ms": 4}
        yield Line2D([], [], lw=1.4, label=f"{period or 'all'}: slope (n)", **look)
    if lmwl is not None:
        yield Line2D([], [], color=INK, lw=1.0, label="LMWL")
