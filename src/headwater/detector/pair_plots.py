"""Figures of pairs of factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.detector.plots import labels_of, response_of
from headwater.figures import INK, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_ecological", "draw_interactions"]

_MARKS = {
    "gain, non-additive": "▲",
    "gain, additive": "△",
    "no gain shown": "·",
}


def draw_interactions(table: pd.DataFrame) -> Figure:
    """Draw q of all pairs as a lower triangle, single factors on the diagonal.

    Parameters
    ----------
    table : DataFrame
        Of an InteractionResult.

    Returns
    -------
    Figure
    """
    names = _names_by_strength(table)
    place = {name: i for i, name in enumerate(names)}
    shares = np.full((len(names), len(names)), np.nan)
    for row in table.to_dict("records"):
        one, two = place[row["factor_1"]], place[row["factor_2"]]
        shares[max(one, two), min(one, two)] = row["q_12"]
        shares[one, one], shares[two, two] = row["q_1"], row["q_2"]
    with house_style():
        size = 0.72 * len(names)
        figure = new_figure(size + 3.0, size + 1.9)
        axes = figure.add_subplot()
        image = axes.imshow(
            shares, cmap="YlGnBu", vmin=0.0, vmax=max(float(np.nanmax(shares)), 0.1)
        )
        _square(axes, labels_of(table, names))
        for i, share in enumerate(np.diag(shares)):
            _write_cell(axes, (i, i), f"{share:.2f}", image, share, box=True)
        for row in table.to_dict("records"):
            one, two = place[row["factor_1"]], place[row["factor_2"]]
            text = f"{row['q_12']:.2f}\n{_MARKS[row['tested']]}"
            spot = (min(one, two), max(one, two))
            bold = str(row["tested"]).startswith("gain")
            _write_cell(axes, spot, text, image, row["q_12"], bold=bold)
        figure.colorbar(image, ax=axes, label=f"q of {response_of(table)}", shrink=0.7, aspect=25)
        _interaction_legend(figure, table)
    return figure


def draw_ecological(table: pd.DataFrame) -> Figure:
    """Draw how much more each factor explains than each other, as a lower triangle.

    Parameters
    ----------
    table : DataFrame
        Of an EcologicalResult.

    Returns
    -------
    Figure
    """
    names = _names_by_strength(table)
    place = {name: i for i, name in enumerate(names)}
    gaps = np.full((len(names), len(names)), np.nan)
    for row in table.to_dict("records"):
        one, two = place[row["factor_1"]], place[row["factor_2"]]
        gaps[max(one, two), min(one, two)] = row["difference"] if one < two else -row["difference"]
    with house_style():
        size = 0.72 * len(names)
        figure = new_figure(size + 3.0, size + 1.7)
        axes = figure.add_subplot()
        most = max(float(np.nanmax(np.abs(gaps))), 0.05)
        image = axes.imshow(gaps, cmap="YlGnBu", vmin=0.0, vmax=most)
        _square(axes, labels_of(table, names))
        for row in table.to_dict("records"):
            one, two = place[row["factor_1"]], place[row["factor_2"]]
            gap = gaps[max(one, two), min(one, two)]
            spot = (min(one, two), max(one, two))
            text = f"{gap:.2f}".replace("-", "\N{MINUS SIGN}")
            _write_cell(axes, spot, text, image, gap, bold=bool(row["differ"]))
        figure.colorbar(image, ax=axes, label="difference of the adjusted q", shrink=0.7, aspect=25)
        words = "column less row; bold: the two differ, corrected after Holm"
        figure.supxlabel(words, fontsize=8, color=INK, x=0.01, ha="left")
    return figure


def _square(axes: Axes, labels: list[str]) -> None:
    """Name rows and columns, and part the cells by white lines."""
    number = len(labels)
    axes.set_xticks(range(number), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(number), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    edges = np.arange(number + 1) - 0.5
    axes.hlines(edges, -0.5, number - 0.5, color="white", linewidth=2)
    axes.vlines(edges, -0.5, number - 0.5, color="white", linewidth=2)


def _write_cell(
    axes: Axes,
    spot: tuple[int, int],
    text: str,
    image: Any,
    share: float,
    *,
    bold: bool = False,
    box: bool = False,
) -> None:
    from matplotlib.patches import Rectangle

    red, green, blue, _ = image.cmap(image.norm(share))
    ink = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else INK
    weight = "bold" if bold else "normal"
    axes.text(*spot, text, ha="center", va="center", color=ink, fontsize=8.5, fontweight=weight)
    if box:
        corner = (spot[0] - 0.47, spot[1] - 0.47)
        axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=INK, linewidth=1.2))


def _interaction_legend(figure: Figure, table: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    there = [kind for kind in _MARKS if kind in set(table["tested"])]
    texts = [f"{_MARKS[kind]}  {kind}" for kind in there]
    texts += ["framed: the factor alone", "bold: crossing explains more than the better one"]
    handles = [Line2D([], [], linestyle="none", label=text) for text in texts]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=2, handlelength=0, handletextpad=0
    )


def _names_by_strength(table: pd.DataFrame) -> list[str]:
    q = dict(zip(table["factor_1"], table["q_1"], strict=True))
    q |= dict(zip(table["factor_2"], table["q_2"], strict=True))
    return sorted(q, key=lambda name: -q[name])
