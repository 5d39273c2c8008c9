"""Figures of where water came from: stacked shares, and a concept diagram for each period."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_concept", "draw_stacked"]

_WIDEST, _MOST, _ACROSS = 9.0, 12, 3
_BELOW = ("ground ice", "groundwater", "supra permafrost", "spring", "permafrost")
_NEXT_TO = ("river", "lake")
_HATCHES = ("", "//", "..", "\\\\", "xx", "--", "oo", "++")
_SKY, _GROUND, _DEEP = "#eaf2f8", "#d9c7a8", "#b9a37c"


def _title(name: object) -> str:
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]


def draw_stacked(table: pd.DataFrame) -> Figure:
    """Draw the mean shares of the sources as stacked bars, a panel for each grouping.

    Parameters
    ----------
    table : DataFrame
        ``grouping``, ``label``, ``period``, ``source``, ``fraction``.

    Returns
    -------
    Figure
        Within a group the bars stand in the order of the periods, which the axis names.
    """
    sources = list(dict.fromkeys(table["source"]))
    groupings = list(dict.fromkeys(table["grouping"]))
    bars = {name: _bars(table[table["grouping"] == name]) for name in groupings}
    sizes = [max(len(one), 2) for one in bars.values()]
    rows = _wrap(sizes)
    with house_style():
        figure = new_figure(_WIDEST, 0.8 + 2.5 * len(rows))
        parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
        for part, row in zip(parts, rows, strict=True):
            wide = [sizes[at] for at in row]
            panels = part.subplots(
                1, len(row), sharey=True, squeeze=False, gridspec_kw={"width_ratios": wide}
            )[0]
            for axes, at in zip(panels, row, strict=True):
                _draw_bars(axes, bars[groupings[at]], sources)
                axes.set_title("All samples" if groupings[at] == "all" else _title(groupings[at]))
            panels[0].set_ylabel("Share")
        handles, labels = parts[0].axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 5))
    return figure


def _bars(table: pd.DataFrame) -> pd.DataFrame:
    """One row per bar: a group in a period, its sources as columns."""
    keys = ["label", "period"]
    wide = table.pivot_table(index=keys, columns="source", values="fraction", sort=False)
    order = table[keys].drop_duplicates()
    order["at"] = order["label"].map({n: k for k, n in enumerate(dict.fromkeys(order["label"]))})
    order["when"] = order["period"].map(
        {n: k for k, n in enumerate(dict.fromkeys(order["period"]))}
    )
    order = order.sort_values(["at", "when"])
    return order.merge(wide.reset_index(), on=keys, how="left")


def _wrap(sizes: list[int], most: int = 22) -> list[list[int]]:
    """Lay panels into rows that leave room for their labels."""
    rows: list[list[int]] = [[]]
    for at, size in enumerate(sizes):
        if rows[-1] and sum(sizes[k] for k in rows[-1]) + size > most:
            rows.append([])
        rows[-1].append(at)
    return rows


def _draw_bars(axes: Axes, bars: pd.DataFrame, sources: list[str]) -> None:
    place = np.arange(len(bars)) + 0.55 * bars["at"].to_numpy(dtype=float)
    floor = np.zeros(len(bars))
    for k, source in enumerate(sources):
        share = bars[source].fillna(0.0).to_numpy() if source in bars else floor * 0.0
        axes.bar(
            place,
            share,
            0.86,
            bottom=floor,
            color=CATEGORY[k % 8],
            label=_title(source),
            hatch=_HATCHES[k % 8],
            edgecolor="white",
            linewidth=0.5,
        )
        floor = floor + share
    for at in place[floor == 0.0]:
        axes.text(at, 0.03, "no answer", rotation=90, ha="center", fontsize=7, color=MUTED)
    axes.set_ylim(0.0, 1.0)
    axes.tick_params(axis="x", length=0)
    periods = [str(p)[:3] for p in bars["period"]]
    several = len(set(bars["period"])) > 1
    if several:
        axes.set_xticks(place, periods, fontsize=7)
    else:
        axes.set_xticks([])
    lone = set(bars["label"]) == {"all"}
    for label, own in bars.assign(place=place).groupby("label", sort=False):
        if not lone:
            axes.text(
                own["place"].mean(),
                -0.16 if several else -0.05,
                str(label),
                ha="center",
                va="top",
                fontsize=8,
                transform=axes.get_xaxis_transform(),
            )


def draw_concept(table: pd.DataFrame, evaporation: pd.DataFrame | None = None) -> Figure:
    """Draw where the water came from, a panel for each period.

    Parameters
    ----------
    table : DataFrame
        ``grouping``, ``label``, ``period``, ``source``, ``fraction``, ``low``, ``high``; drawn are
        the rows of the grouping all.
    evaporation : DataFrame, optional
        ``grouping``, ``label``, ``period``, ``enrichment_mean``, ``enrichment_sd`` [‰].

    Returns
    -------
    Figure
    """
    whole = table[(table["grouping"] == "all") & table["fraction"].notna()]
    name = _title(" and ".join(table.attrs.get("mixtures", ("water",))))
    sources = list(dict.fromkeys(whole["source"]))
    groups = list(whole.groupby(["label", "period"], sort=False, dropna=False))[:_MOST]
    across = min(len(groups), _ACROSS)
    down = -(-len(groups) // across)
    with house_style():
        figure = new_figure(3.0 * across if across > 1 else 4.2, 3.1 * down)
        grid = figure.subplots(down, across, squeeze=False)
        for axes in grid.ravel():
            axes.axis("off")
        for axes, ((label, period), rows) in zip(grid.ravel(), groups, strict=False):
            _draw_landscape(axes, name if label == "all" else _title(label))
            _draw_sources(axes, rows, sources)
            _draw_loss(axes, evaporation, str(label), str(period))
            axes.set_title(str(period) or _title(label))
    return figure


def _draw_landscape(axes: Axes, name: str) -> None:
    """Sky, a slope, the soil within it, and what lies deeper."""
    x = np.linspace(0.0, 1.0, 60)
    top = 0.56 + 0.10 * (x - 0.5) + 0.012 * np.sin(9.0 * x)
    axes.fill_between(x, 0.0, 1.0, color=_SKY, linewidth=0)
    axes.fill_between(x, 0.0, top, color=_DEEP, linewidth=0)
    axes.fill_between(x, top - 0.18, top, color=_GROUND, linewidth=0)
    axes.plot(x, top, color=INK, linewidth=1.0)
    axes.plot(x, top - 0.18, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.text(
        0.5, 0.47, name, ha="center", va="center", fontsize=10, weight="bold", color=INK, zorder=6
    )
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)


def _draw_sources(axes: Axes, rows: pd.DataFrame, sources: list[str]) -> None:
    above = [n for n in sources if n not in _BELOW and n not in _NEXT_TO]
    below = [n for n in sources if n in _BELOW or n in _NEXT_TO]
    shares = {row["source"]: row for row in rows.to_dict("records")}
    for names, tail, head in ((above, 0.80, 0.60), (below, 0.17, 0.37)):
        for k, name in enumerate(names):
            x = (k + 0.5) / len(names) * 0.76 if names is above else (k + 0.5) / len(names)
            colour = CATEGORY[sources.index(name) % 8]
            if name in shares:
                _draw_arrow(axes, _Arrow(x, tail, head, colour), shares[name])


class _Arrow(NamedTuple):
    """Where an arrow stands, from tail to head, and its colour."""

    x: float
    tail: float
    head: float
    colour: str


def _draw_arrow(axes: Axes, arrow: _Arrow, row: Mapping[Hashable, Any]) -> None:
    x, tail, head, colour = arrow
    share, name = float(row["fraction"]), str(row["source"])
    if share <= 0.0:
        words = f"{_title(name)}\nnone"
    else:
        wide, tip = 0.02 + 0.17 * share, 0.05 + 0.17 * share
        axes.arrow(
            x,
            tail,
            0.0,
            head - tail,
            width=wide,
            head_width=wide + 0.05,
            head_length=min(tip, 0.10),
            length_includes_head=True,
            color=colour,
            linewidth=0,
            zorder=4,
        )
        low, high = 100 * row["low"], 100 * row["high"]
        words = f"{_title(name)}\n{100 * share:.0f} % ({low:.0f}–{high:.0f} %)"
    axes.text(
        x,
        tail + (0.03 if tail > head else -0.03),
        words,
        ha="center",
        fontsize=8,
        va="bottom" if tail > head else "top",
        color=INK,
        zorder=5,
    )


def _draw_loss(axes: Axes, table: pd.DataFrame | None, label: str, period: str) -> None:
    if table is None:
        return
    own = table[
        (table["grouping"] == "all") & (table["label"] == label) & (table["period"] == period)
    ]
    if own.empty:
        return
    x = np.linspace(0.68, 0.80, 60)
    axes.plot(0.90 + 0.018 * np.sin((x - 0.68) * 105.0), x, color=CATEGORY[5], linewidth=1.6)
    axes.annotate(
        "",
        (0.90, 0.845),
        (0.90, 0.80),
        zorder=4,
        arrowprops={"arrowstyle": "-|>", "color": CATEGORY[5]},
    )
    row = own.iloc[0]
    words = f"Evaporation\n+{row['enrichment_mean']:.1f} ± {row['enrichment_sd']:.1f} ‰\nof δ¹⁸O"
    axes.text(0.985, 0.85, words, ha="right", va="bottom", fontsize=7, color=INK)
