"""Figures of waters: dual-isotope plot, means by group, slopes, doubts, audit panel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure
from headwater.isotopes.lines import GMWL, WaterLine
from headwater.isotopes.samples import water

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["draw_audit", "draw_doubts", "draw_dual_isotope", "draw_slopes", "draw_summary"]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_LINES = (CATEGORY[5], CATEGORY[0], CATEGORY[2], CATEGORY[3], CATEGORY[1], CATEGORY[4])
_IMPOSSIBLE, _DOUBTFUL = "#D55E00", "#E69F00"


def draw_dual_isotope(
    samples: pd.DataFrame,
    *,
    lmwl: WaterLine | None = None,
    lines: Iterable[WaterLine] = (),
    crossings: pd.DataFrame | None = None,
    by: str = "water",
) -> Figure:
    """Draw δ²H against δ¹⁸O with the water lines.

    Parameters
    ----------
    samples : DataFrame
        The sample table.
    lmwl : WaterLine, optional
        Drawn with its 95 % confidence band.
    lines : iterable of WaterLine
        Evaporation lines.
    crossings : DataFrame, optional
        Of a CrossingTable; drawn with δ¹⁸O intervals where they may be used.
    by : str
        Column that gives colour and mark.

    Returns
    -------
    Figure
    """
    with house_style():
        figure = new_figure(7.6, 4.9)
        axes = figure.add_subplot()
        whole = samples.dropna(subset=["d18O", "d2H"])
        counts = whole[by].value_counts()
        for i, kind in enumerate(counts.index):
            part = whole[whole[by] == kind]
            label = water(str(kind)).long_name if by == "water" else str(kind)
            axes.scatter(
                part["d18O"],
                part["d2H"],
                s=22,
                color=CATEGORY[i % 8],
                marker=_MARKERS[i // 8 % 8] if len(counts) > 8 else _MARKERS[i % 8],
                alpha=0.75,
                linewidth=0.4,
                edgecolor="white",
                label=f"{label} (n = {len(part)})",
                zorder=3,
            )
        span = _span(whole["d18O"], crossings)
        axes.set_xlim(*span)
        _draw_lines(axes, np.linspace(*span, 60), lmwl, tuple(lines))
        if crossings is not None:
            _draw_crossings(axes, crossings)
        axes.set_ylim(*_heights(whole["d2H"], crossings))
        axes.set_xlabel("δ¹⁸O (‰ VSMOW)")
        axes.set_ylabel("δ²H (‰ VSMOW)")
        figure.legend(loc="outside right upper")
    return figure


def _span(d18O: pd.Series, crossings: pd.DataFrame | None) -> tuple[float, float]:
    values = [d18O.min(), d18O.max()]
    if crossings is not None:
        values += list(crossings.loc[crossings["status"] == "ok", "d18O"].dropna())
    margin = max(0.06 * (max(values) - min(values)), 0.5)
    return float(min(values) - margin), float(max(values) + margin)


def _heights(d2H: pd.Series, crossings: pd.DataFrame | None) -> tuple[float, float]:
    values = [d2H.min(), d2H.max()]
    if crossings is not None:
        values += list(crossings.loc[crossings["status"] == "ok", "d2H"].dropna())
    margin = max(0.07 * (max(values) - min(values)), 4.0)
    return float(min(values) - margin), float(max(values) + margin)


def _draw_lines(
    axes: Axes, o: ArrayLike, lmwl: WaterLine | None, lines: tuple[WaterLine, ...]
) -> None:
    axes.plot(
        o,
        GMWL(o),
        color=MUTED,
        linewidth=1.0,
        linestyle=(0, (5, 3)),
        label=f"GMWL: {GMWL.equation()}",
        zorder=1,
    )
    if lmwl is not None:
        axes.plot(o, lmwl(o), color=INK, label=f"LMWL: {lmwl.equation()}", zorder=2)
        if lmwl.n:
            axes.fill_between(
                o,
                *lmwl.band(o),
                color=INK,
                alpha=0.15,
                linewidth=0,
                zorder=1,
                label="95 % confidence of the LMWL",
            )
    styles = ("-", "--", "-.", ":")
    for i, line in enumerate(lines):
        axes.plot(
            o,
            line(o),
            color=_LINES[i % len(_LINES)],
            linewidth=1.2,
            linestyle=styles[i % 4],
            label=f"{line.label}: {line.equation()}",
            zorder=2,
        )


def _draw_crossings(axes: Axes, crossings: pd.DataFrame) -> None:
    usable = crossings[crossings["status"] == "ok"]
    if usable.empty:
        return
    reach = usable[["d18O_low", "d18O_high"]].sub(usable["d18O"], axis=0).abs().to_numpy().T
    axes.errorbar(
        usable["d18O"],
        usable["d2H"],
        xerr=reach,
        fmt="*",
        color=INK,
        markersize=11,
        markerfacecolor="white",
        capsize=2,
        linewidth=1.0,
        zorder=4,
        label="Crossing, 95 % (Fieller)",
    )


_TITLES = {
    "d18O": ("δ¹⁸O (‰)", CATEGORY[0]),
    "d2H": ("δ²H (‰)", CATEGORY[2]),
    "d_excess": ("d-excess (‰)", CATEGORY[5]),
    "lc_excess": ("lc-excess (‰)", CATEGORY[3]),
}


def draw_summary(table: pd.DataFrame) -> Figure:
    """Draw means by group, one panel per quantity, with 95 % intervals and n.

    Parameters
    ----------
    table : DataFrame
        Of a SampleSummary.

    Returns
    -------
    Figure
    """
    names = [q for q in _TITLES if f"{q}_mean" in table and table[f"{q}_mean"].notna().any()]
    places = np.arange(len(table))[::-1]
    with house_style():
        figure = new_figure(1.6 + 2.0 * len(names), 1.2 + 0.3 * len(table))
        panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            _draw_means(axes, table, name)
        labels = [f"{g} (n = {int(n)})" for g, n in zip(table["group"], table["n"], strict=True)]
        panels[0].set_yticks(places, labels)
        panels[0].set_ylim(-0.6, len(table) - 0.4)
        figure.suptitle(
            "Mean with 95 % interval; pale bar: ± 1 standard deviation of samples",
            x=0.01,
            ha="left",
            fontsize=8,
            color=MUTED,
        )
    return figure


def _draw_means(axes: Axes, table: pd.DataFrame, name: str) -> None:
    """Draw the means of one quantity, a line of its own for each group."""
    from scipy.special import stdtrit

    title, colour = _TITLES[name]
    places = np.arange(len(table))[::-1]
    n = table[f"{name}_n"].to_numpy(dtype=float)
    half = table[f"{name}_se"] * stdtrit(np.maximum(n - 1.0, 1.0), 0.975)
    mean, sd = table[f"{name}_mean"], table[f"{name}_sd"]
    axes.hlines(places, mean - sd, mean + sd, color=colour, linewidth=4, alpha=0.22)
    look: dict[str, Any] = {
        "fmt": "o",
        "color": colour,
        "capsize": 2,
        "markersize": 5,
        "linewidth": 1.4,
    }
    axes.errorbar(mean, places, xerr=half.fillna(0.0), **look)
    if name == "lc_excess":
        axes.axvline(0.0, color=MUTED, linewidth=0.8)
    axes.set_xlabel(title)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=MUTED, alpha=0.15)


def draw_slopes(table: pd.DataFrame, lmwl: WaterLine | None = None) -> Figure:
    """Draw the slopes of lines with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        Of a LineTable.
    lmwl : WaterLine, optional
        Its slope is drawn with them.

    Returns
    -------
    Figure
    """
    table = table[table["status"] == "ok"].replace([np.inf, -np.inf], np.nan)
    places = np.arange(len(table))[::-1]
    ends = [table["slope"] - table["slope_low"], table["slope_high"] - table["slope"]]
    with house_style():
        figure = new_figure(6.4, 1.1 + 0.3 * len(table))
        axes = figure.add_subplot()
        axes.errorbar(
            table["slope"],
            places,
            xerr=np.maximum(ends, 0.0),
            fmt="o",
            color=CATEGORY[0],
            capsize=2,
        )
        if lmwl is not None:
            low, high = lmwl.slope_interval()
            axes.axvspan(low, high, color=INK, alpha=0.12, linewidth=0)
            axes.axvline(lmwl.slope, color=INK, linewidth=1.0)
            axes.annotate(
                "LMWL",
                (lmwl.slope, 1.0),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=8,
            )
        labels = [f"{g} (n = {n})" for g, n in zip(table["label"], table["n"], strict=True)]
        axes.set_yticks(places, labels)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.6, len(table) - 0.4)
        axes.set_xlabel("Slope of δ²H on δ¹⁸O, with 95 % interval")
    return figure


def draw_doubts(table: pd.DataFrame) -> Figure:
    """Draw how many doubts each rule raised.

    Parameters
    ----------
    table : DataFrame
        Of a QualityReport.

    Returns
    -------
    Figure
    """
    counts = pd.crosstab(table["rule"], table["severity"])
    counts = counts.reindex(columns=["error", "doubt"], fill_value=0)
    places = np.arange(len(counts))[::-1]
    with house_style():
        figure = new_figure(5.5, 1.3 + 0.32 * max(len(counts), 1))
        axes = figure.add_subplot()
        axes.barh(places, counts["error"], color=_IMPOSSIBLE, height=0.6, label="error")
        axes.barh(
            places,
            counts["doubt"],
            left=counts["error"],
            color=_DOUBTFUL,
            height=0.6,
            label="doubt",
        )
        axes.set_yticks(places, [str(rule).replace("_", " ") for rule in counts.index])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.8, max(len(counts) - 0.2, 1.2))
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("Samples")
        if counts.empty:
            axes.text(0.5, 0.5, "No doubts", transform=axes.transAxes, ha="center")
        else:
            figure.legend(loc="outside upper right", ncols=2)
    return figure


def draw_audit(table: pd.DataFrame, checked: Mapping[str, int]) -> Figure:
    """Draw the audit panel: each rule, how much it checked, what it found, and an example.

    Parameters
    ----------
    table : DataFrame
        Of an AuditReport.
    checked : mapping of str to int
        Number of values that each rule looked at.

    Returns
    -------
    Figure
    """
    from headwater.isotopes.audit.run import RULES

    with house_style():
        figure = new_figure(9.6, 0.7 + 0.42 * len(RULES))
        axes = figure.add_subplot()
        axes.set_xlim(0.0, 100.0)
        axes.set_ylim(len(RULES) - 0.4, -1.1)
        axes.axis("off")
        for x, words in ((0.0, "Rule"), (40.0, "Checked"), (50.0, "Found"), (57.0, "For example")):
            axes.text(x, -0.75, words, fontsize=8, color=MUTED, va="center")
        for place, (rule, words) in enumerate(RULES.items()):
            found = table[table["rule"] == rule]
            axes.axhline(place - 0.5, color=MUTED, linewidth=0.4, alpha=0.4)
            axes.text(0.0, place, rule, va="center", weight="bold")
            axes.text(4.5, place, words, va="center", fontsize=8)
            axes.text(44.5, place, f"{checked.get(rule, 0)}", va="center", ha="right", fontsize=8)
            _write_found(axes, place, found, checked.get(rule, 0))
        handles = [
            axes.scatter([], [], s=90, color=colour, label=label)
            for colour, label in ((_IMPOSSIBLE, "impossible"), (_DOUBTFUL, "doubtful"))
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
    return figure


def _write_found(axes: Axes, place: int, found: pd.DataFrame, checked: int) -> None:
    if found.empty:
        text = "clear" if checked else "nothing to check"
        axes.text(52.0, place, text, va="center", ha="center", fontsize=8, color=MUTED)
        return
    first = found.iloc[0]
    colour = _IMPOSSIBLE if (found["severity"] == "impossible").any() else _DOUBTFUL
    axes.scatter([52.0], [place], s=190, color=colour, zorder=2)
    axes.text(
        52.0,
        place,
        f"{len(found)}",
        va="center",
        ha="center",
        fontsize=8,
        color="white",
        weight="bold",
        zorder=3,
    )
    # an empty text comes back from a file as missing
    names = ("" if pd.isna(one) else str(one) for one in (first["label"], first["period"]))
    where = ", ".join(name.replace(">", "-") for name in names if name)
    what = shorten(f"{where}: {_spell(first['quantity'])}", 62, placeholder="…")
    axes.text(57.0, place - 0.2, what, va="center", fontsize=7.5)
    change = f"printed {first['printed']}, consistent {first['consistent']}"
    axes.text(
        57.0,
        place + 0.2,
        shorten(change, 66, placeholder="…"),
        va="center",
        fontsize=7.5,
        color=MUTED,
    )


def _spell(quantity: str) -> str:
    for plain, proper in (("d18O", "δ¹⁸O"), ("d2H", "δ²H"), ("d_excess", "d-excess"), ("_", " ")):
        quantity = quantity.replace(plain, proper)
    return quantity
