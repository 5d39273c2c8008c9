"""Figures of what goes beyond one factor: shares, spatial power, local q, size of the cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import CRSError
from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from headwater.figures import Outline

__all__ = [
    "draw_idsa",
    "draw_local",
    "draw_pair_shares",
    "draw_rough_sets",
    "draw_scales",
    "draw_shares",
    "draw_spade",
    "draw_tree_pairs",
]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
_GRID = "#e3e6ea"


def draw_shares(table: pd.DataFrame) -> Figure:
    """Draw each factor's share of the joint q, with its q alone and what it adds to all others.

    Parameters
    ----------
    table : DataFrame
        Of a SharesResult.

    Returns
    -------
    Figure
    """
    ordered = table.iloc[::-1]
    places = np.arange(len(ordered))
    joint = float(table.attrs.get("joint", table["share"].sum()))
    with house_style():
        figure = new_figure(7.0, 1.3 + 0.4 * len(ordered))
        axes = figure.add_subplot()
        axes.barh(places, ordered["share"], height=0.6, color=CATEGORY[4], label="share")
        axes.plot(
            ordered["q"], places, "o", color=INK, markersize=4.5, label="q of the factor alone"
        )
        axes.plot(
            ordered["last"],
            places,
            "D",
            color=CATEGORY[5],
            markersize=4.5,
            label="added to all others",
        )
        axes.axvline(0, color=MUTED, linewidth=0.8)
        _factor_axis(axes, places, _names(table, ordered["factor"]))
        most = float(ordered[["share", "q", "last"]].to_numpy().max())
        least = float(ordered[["share", "last"]].to_numpy().min())
        axes.set_xlim(min(0.0, least) - 0.02 * most, 1.06 * most)
        axes.set_xlabel(f"share of the joint q = {joint:.3f} (n = {int(table['n'].iloc[0])})")
        for place, percent in zip(places, ordered["percent"], strict=True):
            _beside(axes, place, f"{percent:.0f} %")
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def draw_pair_shares(table: pd.DataFrame) -> Figure:
    """Draw q of each pair's tree as a bar of two parts.

    Parameters
    ----------
    table : DataFrame
        Of a PairSharesResult.

    Returns
    -------
    Figure
    """
    ordered = table.iloc[::-1].reset_index(drop=True)
    places = np.arange(len(ordered))
    factors = list(dict.fromkeys([*table["factor_1"], *table["factor_2"]]))
    color = {name: CATEGORY[number % 8] for number, name in enumerate(factors)}
    with house_style():
        figure = new_figure(7.0, 1.2 + 0.3 * len(ordered))
        axes = figure.add_subplot()
        for place, row in zip(places, ordered.to_dict("records"), strict=True):
            if np.isnan(row["share_1"]):
                axes.barh(place, row["q_12"], 0.62, color="#d9dde2")
                continue
            parts = (
                (0.0, row["share_1"], "factor_1"),
                (row["share_1"], row["share_2"], "factor_2"),
            )
            for start, width, key in parts:
                axes.barh(
                    place,
                    width,
                    0.62,
                    left=start,
                    color=color[row[key]],
                    edgecolor="white",
                    linewidth=0.8,
                )
            _beside(axes, place, str(row["interaction"]))
        names = [
            " × ".join(_names(table, [row["factor_1"], row["factor_2"]]))
            for row in ordered.to_dict("records")
        ]
        _factor_axis(axes, places, names)
        axes.set_xlabel(f"q of the pair's tree (n = {int(table['n'].iloc[0])})")
        _color_legend(figure, _names(table, factors), [color[name] for name in factors])
    return figure


def draw_tree_pairs(table: pd.DataFrame) -> Figure:
    """Draw q of each pair's tree as a bar, with q of the trees on either factor alone.

    Parameters
    ----------
    table : DataFrame
        Of a TreeInteractionResult.

    Returns
    -------
    Figure
    """
    ordered = table.iloc[::-1].reset_index(drop=True)
    places = np.arange(len(ordered))
    with house_style():
        figure = new_figure(7.0, 1.2 + 0.32 * len(ordered))
        axes = figure.add_subplot()
        axes.barh(places, ordered["q_12"], height=0.6, color=CATEGORY[4], label="both, one tree")
        axes.plot(ordered["q_1"], places, "o", color=INK, markersize=4.5, label="first alone")
        axes.plot(
            ordered["q_2"],
            places,
            "o",
            color=INK,
            markersize=4.5,
            markerfacecolor="white",
            label="second alone",
        )
        names = [
            " × ".join(_names(table, [row["factor_1"], row["factor_2"]]))
            for row in ordered.to_dict("records")
        ]
        _factor_axis(axes, places, names)
        axes.set_xlim(0.0, 1.04 * float(ordered[["q_1", "q_2", "q_12"]].to_numpy().max()))
        axes.set_xlabel("q of the leaves")
        for place, row in zip(places, ordered.to_dict("records"), strict=True):
            _beside(axes, place, f"{row['interaction']}\nn = {row['n']}")
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def draw_spade(table: pd.DataFrame) -> Figure:
    """Draw the spatial power of each factor, with a dot for each number of classes.

    Parameters
    ----------
    table : DataFrame
        Of a SpadeResult.

    Returns
    -------
    Figure
    """
    ordered = table.iloc[::-1]
    places = np.arange(len(ordered))
    columns = [name for name in table if str(name).startswith("cpsd_")]
    with house_style():
        figure = new_figure(7.0, 1.3 + 0.4 * len(ordered))
        axes = figure.add_subplot()
        axes.barh(places, ordered["psmd"], height=0.6, color=CATEGORY[4], label="mean (PSMD)")
        tones = np.linspace(0.75, 0.0, len(columns))
        for name, tone in zip(columns, tones, strict=True):
            axes.plot(
                ordered[name],
                places,
                "o",
                color=str(tone),
                markersize=4.5,
                markeredgecolor=INK,
                markeredgewidth=0.6,
                label=f"{str(name)[5:]} classes",
            )
        axes.axvline(0, color=MUTED, linewidth=0.8)
        _factor_axis(axes, places, _names(table, ordered["factor"]))
        axes.set_xlabel("power of spatial determinant, made up for what parting the factor lost")
        for place, row in zip(places, ordered.to_dict("records"), strict=True):
            p = row["p_value"]
            _beside(axes, place, f"n = {row['n']}" + ("" if np.isnan(p) else f"\np = {p:.3f}"))
        figure.legend(loc="outside upper left", ncols=min(4, len(columns) + 1))
    return figure


def draw_idsa(table: pd.DataFrame, most: int = 15) -> Figure:
    """Draw the power of the strongest sets of factors.

    Parameters
    ----------
    table : DataFrame
        Of an IdsaResult.
    most : int
        Sets that are drawn.

    Returns
    -------
    Figure
    """
    shown = table.head(most).iloc[::-1]
    places = np.arange(len(shown))
    with house_style():
        figure = new_figure(7.0, 1.3 + 0.34 * len(shown))
        axes = figure.add_subplot()
        axes.barh(places, shown["pid"], height=0.6, color=CATEGORY[4], label="PID")
        axes.plot(shown["theta"], places, "o", color=INK, markersize=4.5, label="not compensated")
        _factor_axis(axes, places, [str(name) for name in shown["factors"]])
        axes.set_xlabel("power of interactive determinant")
        for place, row in zip(places, shown.to_dict("records"), strict=True):
            _beside(axes, place, f"{row['zones']} zones")
        figure.legend(loc="outside upper left", ncols=2)
    return figure


def draw_rough_sets(table: pd.DataFrame) -> Figure:
    """Draw the local explanatory power of each factor, with what chance reaches.

    Parameters
    ----------
    table : DataFrame
        Of a RoughSetResult.

    Returns
    -------
    Figure
    """
    shown = table.iloc[::-1]
    places = np.arange(len(shown))
    with house_style():
        figure = new_figure(7.0, 1.3 + 0.4 * len(shown))
        axes = figure.add_subplot()
        axes.barh(places, shown["pd"], height=0.6, color=CATEGORY[4], label="PD")
        axes.plot(
            shown["chance"], places, "|", color=CATEGORY[5], markersize=16, label="mean of chance"
        )
        _factor_axis(axes, places, _names(table, shown["factor"]))
        axes.set_xlabel("mean local explanatory power")
        for place, row in zip(places, shown.to_dict("records"), strict=True):
            _beside(axes, place, f"p = {row['p_value']:.3f}")
        figure.legend(loc="outside upper left", ncols=2)
    return figure


def draw_local(maps: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the adjusted q around each cell, a map for each factor under one scale.

    Parameters
    ----------
    maps : Dataset (y, x)
        Of a LocalMaps.
    outline : shapely geometry, or object with ``.geometry``, optional
        Drawn as a line.

    Returns
    -------
    Figure

    Raises
    ------
    CRSError
        If the maps have no ``spatial_ref``.
    """
    from headwater.grids.plots import map_panels

    if "spatial_ref" not in maps.coords:
        raise CRSError(
            "the maps have no coordinate reference system",
            found=f"coordinates {', '.join(map(str, maps.coords)) or 'none'}",
            do="Give the response with a spatial_ref",
        )
    suffix = "_q_adjusted"
    names = [str(name) for name in maps.data_vars if str(name).endswith(suffix)]
    layers = [maps[name].clip(min=0.0) for name in names]
    stacked = xr.concat(layers, "factor", combine_attrs="drop", coords="minimal", compat="override")
    stacked.attrs = {"long_name": "Adjusted q", "units": "1"}
    titles = [name.removesuffix(suffix).replace("_", " ") for name in names]
    limits = (0.0, float(np.nanmax(stacked.values, initial=0.1)))
    figure = map_panels(
        stacked, titles=titles, columns=3, quantity="q", outline=outline, limits=limits
    )
    side = maps.attrs.get("window", "")
    words = f"in windows of {side} × {side} cells around each cell; below 0 drawn as 0"
    with house_style():
        figure.supxlabel(words, fontsize=8, color=MUTED)
    return figure


def draw_scales(table: pd.DataFrame) -> Figure:
    """Draw the adjusted q of each factor against the size of the cells, and what was chosen by.

    Parameters
    ----------
    table : DataFrame
        Of a ScaleResult.

    Returns
    -------
    Figure
    """
    known = bool(table["side"].notna().all())
    across = "side" if known else "size"
    curve = table.drop_duplicates("size")
    chosen = curve[curve["chosen"]]
    with house_style():
        figure = new_figure(7.0, 4.2)
        axes = figure.add_subplot()
        axes.axvline(float(chosen[across].iloc[0]), color=_GRID, linewidth=9, zorder=0)
        for number, (name, own) in enumerate(table.groupby("factor", sort=False)):
            color, marker = CATEGORY[number % 8], _MARKERS[number % 8]
            axes.fill_between(
                own[across], own["q_low"], own["q_high"], color=color, alpha=0.13, lw=0
            )
            axes.plot(own[across], own["q"], ":", color=color, linewidth=1.0)
            axes.plot(
                own[across],
                own["q_adjusted"],
                marker=marker,
                color=color,
                markersize=5,
                label=_names(table, [name])[0],
            )
        axes.plot(curve[across], curve["curve"], "--", color=INK, label="what chooses the size")
        axes.plot([], [], ":", color=MUTED, linewidth=1.0, label="plain q")
        unit = str(table.attrs.get("unit", ""))
        words = f"side of a cell ({unit})" if unit and known else "cells joined, side by side"
        axes.set_xlabel(words)
        axes.set_ylabel("adjusted q (line) with the interval of q")
        ticks = [f"{row[across]:.4g}\nn = {row['n']}" for row in curve.to_dict("records")]
        # sizes are multiples: each doubling takes the same room
        axes.set_xscale("log")
        axes.set_xticks(curve[across], ticks)
        axes.set_xticks([], minor=True)
        axes.tick_params(axis="x", labelsize=7)
        figure.legend(loc="outside upper left", ncols=4)
    return figure


def _factor_axis(axes: Axes, places: ArrayLike, names: Sequence[str]) -> None:
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def _beside(axes: Axes, place: ArrayLike, text: str) -> None:
    axes.annotate(
        text,
        (1.015, place),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=7,
        color=MUTED,
    )


def _color_legend(figure: Figure, names: Sequence[str], colors: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=color, label=name) for name, color in zip(names, colors, strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4)


def _names(table: pd.DataFrame, names: Any) -> list[str]:
    labels = table.attrs.get("labels", {})
    return [str(labels.get(name, name)).partition(",")[0] for name in names]
