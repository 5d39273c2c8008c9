"""Figures of the chapter on samples: means, lines, mixing diagrams and shares by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_diagrams",
    "draw_lines_by_group",
    "draw_means_by_group",
    "draw_shares",
]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_WORDS = {
    "d18O": "δ¹⁸O (‰)",
    "d2H": "δ²H (‰)",
    "d_excess": "d-excess (‰)",
    "lc_excess": "lc-excess (‰)",
}
_MOST_PERIODS = 12
_WIDEST = 9.0
"""Of a figure, as wide as the page [inch]."""


def draw_means_by_group(table: pd.DataFrame) -> Figure:
    """Draw the means of Table 1, a column of panels for each grouping, colours for periods.

    Parameters
    ----------
    table : DataFrame
        ``grouping``, ``label``, ``period``, and ``<quantity>_mean``, ``_se``, ``_n``.

    Returns
    -------
    Figure
    """
    from scipy.special import stdtrit

    # δ²H goes with δ¹⁸O; what they differ in is the excess
    there = [n for n in _WORDS if f"{n}_mean" in table and table[f"{n}_mean"].notna().any()]
    names = [n for n in there if n != "d2H" or "d18O" not in there]
    with house_style():
        figure, panels = _grid(table, len(names))
        for row, name in zip(panels, names, strict=True):
            n = table[f"{name}_n"].to_numpy(dtype=float)
            half = (table[f"{name}_se"] * stdtrit(np.maximum(n - 1.0, 1.0), 0.975)).fillna(0.0)
            mean = table[f"{name}_mean"]
            values = table.assign(middle=mean, low=mean - half, high=mean + half)
            _draw_row(row, values, _WORDS[name])
        _finish(figure, panels, table)
    return figure


def draw_lines_by_group(
    table: pd.DataFrame,
    crossings: pd.DataFrame | None,
    lmwl: tuple[float, float] | None,
    envelope: tuple[float, ...] | None,
) -> Figure:
    """Draw the slopes of Table 2 against what evaporation can draw, and below them the crossings.

    Parameters
    ----------
    table : DataFrame
        ``grouping``, ``label``, ``period``, ``slope``, ``slope_low``, ``slope_high``.
    crossings : DataFrame, optional
        The same groups with ``d18O``, ``d18O_low``, ``d18O_high``, ``status`` and ``verdict``; what
        may not be used is hollow, what was refused is left out.
    lmwl : tuple of float, optional
        Meteoric slope and its standard error.
    envelope : tuple of float, optional
        Lowest and highest slope of evaporation, and the highest with seasonal vapour.

    Returns
    -------
    Figure
    """
    values = table.assign(
        middle=table["slope"], low=table["slope_low"], high=table["slope_high"]
    ).replace([np.inf, -np.inf], np.nan)
    with house_style():
        figure, panels = _grid(table, 1 if crossings is None else 2)
        _draw_row(panels[0], values, "Slope of δ²H on δ¹⁸O")
        if crossings is not None:
            _draw_crossings(panels[1], crossings)
        marks: list[Artist] = []
        for axes in panels[0]:
            marks = _draw_references(axes, lmwl, envelope)
        _finish(figure, panels, table, marks)
    return figure


def _draw_references(
    axes: Axes, lmwl: tuple[float, float] | None, envelope: tuple[float, ...] | None
) -> list[Artist]:
    """Draw what slopes are compared with; return the marks for the legend."""
    marks: list[Artist] = []
    if envelope:
        low, high, seasonal = envelope
        for bottom, top, colour, alpha, words in (
            (low, high, CATEGORY[2], 0.16, "Evaporation"),
            (high, seasonal, CATEGORY[1], 0.14, "… with seasonal vapour"),
        ):
            look: dict[str, Any] = {"color": colour, "alpha": alpha, "linewidth": 0, "zorder": 0}
            marks.append(axes.axhspan(bottom, top, label=words, **look))
    if lmwl:
        marks.append(axes.axhline(lmwl[0], color=INK, linewidth=1.2, label="LMWL", zorder=1))
    return marks


def _draw_crossings(row: Any, table: pd.DataFrame) -> None:
    values = table.assign(middle=table["d18O"], low=table["d18O_low"], high=table["d18O_high"])
    hollow = (table["status"] != "ok") | table["verdict"].str.startswith("mixing")
    _draw_row(row, values, "Crossing, δ¹⁸O (‰)", hollow)
    usable = values[~hollow]
    if not usable.empty:
        low, high = usable["low"].quantile(0.05), usable["high"].quantile(0.95)
        margin = 0.15 * (high - low) + 0.5
        row[0].set_ylim(low - margin, high + margin)


def draw_diagrams(table: pd.DataFrame) -> Figure:
    """Draw sources, their polygon and the mixtures, a panel for each period.

    Parameters
    ----------
    table : DataFrame
        ``role`` (source, mixture, before evaporation), ``label``, ``period``, ``n`` and two tracers
        with ``<tracer>_sd``.

    Returns
    -------
    Figure
    """
    tracers = [str(c).removesuffix("_sd") for c in table if str(c).endswith("_sd")]
    periods = list(dict.fromkeys(table["period"]))[:_MOST_PERIODS]
    columns = min(len(periods), 3)
    rows = -(-len(periods) // columns)
    with house_style():
        figure = new_figure(max(3.0 * columns, 5.0), 2.9 * rows + 0.5)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.ravel()[len(periods) :]:
            axes.axis("off")
        for axes, period in zip(grid.ravel(), periods, strict=False):
            _draw_diagram(axes, table[table["period"] == period], tracers[0], tracers[1])
            axes.set_title(str(period))
        figure.supxlabel(_WORDS.get(tracers[0], tracers[0]), fontsize=9)
        figure.supylabel(_WORDS.get(tracers[1], tracers[1]), fontsize=9)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _draw_diagram(axes: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    _draw_sources(axes, table[table["role"] == "source"], x, y)
    mixed = table[table["role"] == "mixture"]
    look: dict[str, Any] = {"s": 34, "edgecolor": "white", "linewidth": 0.4, "zorder": 5}
    axes.scatter(mixed[x], mixed[y], color=INK, marker="X", label="Mean of the mixtures", **look)
    before = table[table["role"] == "before evaporation"]
    if before.empty:
        return
    look = {"s": 34, "facecolor": "white", "edgecolor": INK, "zorder": 5}
    axes.scatter(before[x], before[y], label="… before they evaporated", **look)
    for was in before.to_dict("records"):
        now = mixed[mixed["label"] == was["label"]].iloc[0]
        axes.annotate(
            "",
            (now[x], now[y]),
            (was[x], was[y]),
            zorder=4,
            arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 1.0},
        )


def _draw_sources(axes: Axes, ends: pd.DataFrame, x: str, y: str) -> None:
    """Draw the polygon of the means, and each source with the scatter of its samples."""
    closed = pd.concat([ends, ends.iloc[:1]])
    axes.plot(closed[x], closed[y], color=MUTED, linewidth=1.0, linestyle=(0, (5, 3)), zorder=1)
    axes.fill(ends[x], ends[y], color=MUTED, alpha=0.10, linewidth=0, zorder=0)
    for k, end in enumerate(ends.to_dict("records")):
        axes.errorbar(
            end[x],
            end[y],
            xerr=end[f"{x}_sd"],
            yerr=end[f"{y}_sd"],
            fmt=_MARKERS[k % 8],
            color=CATEGORY[k % 8],
            markersize=7,
            markeredgecolor="white",
            capsize=2,
            linewidth=1.0,
            label=f"{_title(end['label'])} (± sd)",
            zorder=3,
        )


def draw_shares(table: pd.DataFrame) -> Figure:
    """Draw stacked bars of the sources' shares, a panel for each grouping, bars by period.

    Parameters
    ----------
    table : DataFrame
        ``grouping``, ``label``, ``period``, ``source``, ``fraction``, ``low``, ``high``.

    Returns
    -------
    Figure
    """
    sources = list(dict.fromkeys(table["source"]))
    with house_style():
        figure, panels = _grid(table, len(sources))
        for k, (row, source) in enumerate(zip(panels, sources, strict=True)):
            part = table[table["source"] == source]
            _draw_bars(row, part, CATEGORY[k % 8], _title(source))
        _finish(figure, panels, table, legend=False)
        _name_shades(figure, table)
    return figure


def _draw_bars(row: Any, table: pd.DataFrame, colour: str, words: str) -> None:
    periods = list(dict.fromkeys(table["period"]))
    width = 0.8 / len(periods)
    for axes, (_, part) in zip(row, table.groupby("grouping", sort=False), strict=True):
        place = _places(part, periods)
        value, low, high = (
            part[name].to_numpy(dtype=float) for name in ("fraction", "low", "high")
        )
        shade = [_shade(periods, period) for period in part["period"]]
        for at, v, a, b, depth in zip(place, value, low, high, shade, strict=True):
            axes.bar(at, v, width=0.92 * width, color=colour, alpha=depth, linewidth=0)
            axes.vlines(at, a, b, color=INK, linewidth=1.0)
        for at in place[~np.isfinite(value)]:
            axes.annotate(
                "no answer", (at, 0.03), rotation=90, ha="center", fontsize=7, color=MUTED
            )
        axes.set_ylim(0.0, 1.0)
        axes.grid(axis="y", color=MUTED, alpha=0.2, linewidth=0.6)
    row[0].set_ylabel(words)


def _shade(periods: list[str], period: object) -> float:
    """Opacity of a period's bars: the later, the darker."""
    return 0.35 + 0.6 * periods.index(str(period)) / max(len(periods) - 1, 1)


def _name_shades(figure: Figure, table: pd.DataFrame) -> None:
    from matplotlib.patches import Patch

    periods = list(dict.fromkeys(table["period"]))
    if len(periods) < 2:
        return
    handles = [Patch(color=INK, alpha=_shade(periods, p), lw=0, label=p) for p in periods]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(periods), 6))


def _title(name: object) -> str:
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]


def _grid(table: pd.DataFrame, rows: int) -> tuple[Figure, Any]:
    """Lay panels out: a column for each grouping, as wide as it has groups."""
    sizes = table.groupby("grouping", sort=False)["label"].nunique()
    periods = table["period"].nunique()
    width = 1.6 + float(sizes.sum()) * max(0.22 * periods, 0.45)
    # wider than the page, the letters would shrink with the figure
    figure = new_figure(min(max(width, 5.5), _WIDEST), 1.4 + 1.6 * rows + 0.04 * _longest(table))
    panels = figure.subplots(
        rows,
        len(sizes),
        sharex="col",
        sharey="row",
        squeeze=False,
        gridspec_kw={"width_ratios": (sizes + 0.3).tolist()},
    )
    return figure, panels


def _longest(table: pd.DataFrame) -> int:
    return int(table["label"].astype(str).str.len().max())


def _places(part: pd.DataFrame, periods: list[str]) -> Any:
    labels = list(dict.fromkeys(part["label"]))
    step = 0.8 / len(periods)
    first = -0.4 + step / 2.0
    return np.array(
        [
            labels.index(label) + first + step * periods.index(period)
            for label, period in zip(part["label"], part["period"], strict=True)
        ]
    )


def _draw_row(row: Any, table: pd.DataFrame, words: str, hollow: Any = None) -> None:
    periods = list(dict.fromkeys(table["period"]))
    for axes, (_, part) in zip(row, table.groupby("grouping", sort=False), strict=True):
        for k, period in enumerate(periods):
            own = part[part["period"] == period]
            if own.empty:
                continue
            place = _places(part, periods)[(part["period"] == period).to_numpy()]
            colour, mark = CATEGORY[k % 8], _MARKERS[k % 8]
            axes.vlines(place, own["low"], own["high"], color=colour, linewidth=1.4)
            pale = np.zeros(len(own), bool) if hollow is None else hollow[own.index].to_numpy()
            face = np.where(pale, "white", colour)
            axes.scatter(
                place,
                own["middle"],
                s=20,
                c=face,
                edgecolor=colour,
                marker=mark,
                linewidth=0.9,
                zorder=3,
            )
        axes.grid(axis="y", color=MUTED, alpha=0.2, linewidth=0.6)
    row[0].set_ylabel(words)


def _finish(
    figure: Figure, panels: Any, table: pd.DataFrame, marks: Any = (), *, legend: bool = True
) -> None:
    from matplotlib.lines import Line2D

    for axes, (grouping, part) in zip(
        panels[-1], table.groupby("grouping", sort=False), strict=True
    ):
        labels = list(dict.fromkeys(part["label"]))
        axes.set_xticks(
            range(len(labels)),
            labels,
            rotation=0 if _longest(part) < 5 else 40,
            ha="center" if _longest(part) < 5 else "right",
        )
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(labels) - 0.4)
        panels[0][list(panels[-1]).index(axes)].set_title(
            "" if grouping == "all" else _title(grouping), fontsize=9
        )
    periods = [p for p in dict.fromkeys(table["period"]) if p]
    handles = [
        Line2D([], [], color=CATEGORY[k % 8], marker=_MARKERS[k % 8], linestyle="", label=period)
        for k, period in enumerate(periods)
    ]
    if legend and (handles or marks):
        figure.legend(
            handles=[*handles, *marks],
            loc="outside upper center",
            ncols=min(len(handles) + len(marks), 6),
        )
