"""Figures of the detectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from headwater.figures import CATEGORY, INK, MUTED, grouped, house_style, new_figure, p_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from headwater.figures import Outline

__all__ = [
    "draw_ecological",
    "draw_factors",
    "draw_interactions",
    "draw_risk",
    "draw_risk_maps",
    "draw_series",
    "draw_sweep",
    "labels_of",
    "response_of",
]

_LINES = ("o", "s", "^", "D", "v", "P", "X")


def draw_factors(table: pd.DataFrame) -> Figure:
    """Draw q of each factor as a bar, with its adjusted q, its interval, n and p.

    Parameters
    ----------
    table : DataFrame
        Of a FactorResult.

    Returns
    -------
    Figure
    """
    ordered = table.sort_values("q", kind="stable")
    places = np.arange(len(ordered))
    with house_style():
        figure = new_figure(7.0, 1.1 + 0.42 * len(ordered))
        axes = figure.add_subplot()
        axes.barh(places, ordered["q"], height=0.62, color=CATEGORY[4], label="q")
        axes.hlines(
            places,
            ordered["q_low"],
            ordered["q_high"],
            color=INK,
            linewidth=1.2,
            label=f"{table.attrs.get('level', 0.95):.0%} interval",
        )
        if "q_chance" in ordered:
            mark: dict[str, Any] = {"color": CATEGORY[5], "markersize": 17, "markeredgewidth": 2}
            label = "reached by 5 % of chance"
            axes.plot(ordered["q_chance"], places, "|", label=label, **mark)
        axes.plot(ordered["q_adjusted"], places, "D", color=INK, markersize=5, label="adjusted q")
        axes.set_yticks(places, labels_of(table, ordered["factor"]))
        axes.tick_params(axis="y", length=0)
        reach = [name for name in ("q", "q_high", "q_chance") if name in ordered]
        highest = float(np.nanmax(ordered[reach].to_numpy()))
        axes.set_xlim(min(0.0, float(ordered["q_adjusted"].min()) * 1.1), min(1.0, highest * 1.06))
        axes.set_xlabel(f"q: share of the variance of {response_of(table)} between strata")
        _write_tests(axes, ordered)
        figure.legend(loc="outside upper left", ncols=4)
    return figure


def _write_tests(axes: Axes, ordered: pd.DataFrame) -> None:
    """Write the rule, n and p of each factor at the right of its bar."""
    for place, row in enumerate(ordered.to_dict("records")):
        axes.annotate(
            f"{_rule(row)}\nn = {grouped(row['n'])}, {_test(row)}",
            (1.015, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
            color=MUTED,
            linespacing=1.25,
        )


def draw_sweep(table: pd.DataFrame) -> Figure:
    """Draw q against the number of classes, a panel for each factor and a line for each method.

    Parameters
    ----------
    table : DataFrame
        Of an OptimalResult.

    Returns
    -------
    Figure
    """
    counts = table.groupby("factor", sort=False)["k"].nunique()
    names = [str(name) for name, number in counts.items() if number > 1] or [str(counts.index[0])]
    methods = list(dict.fromkeys(table.loc[table["factor"].isin(names), "method"]))
    with house_style():
        figure, panels = _panels(len(names), height=2.3)
        for axes, name in zip(panels, names, strict=True):
            for number, method in enumerate(methods):
                own = table[(table["factor"] == name) & (table["method"] == method)]
                _draw_method(axes, own, CATEGORY[number % 8], _LINES[number % 7])
            chosen = table[(table["factor"] == name) & table["chosen"]]
            axes.plot(
                chosen["k"],
                chosen["q_adjusted"],
                "o",
                markersize=13,
                markerfacecolor="none",
                markeredgecolor=INK,
                markeredgewidth=1.4,
            )
            axes.set_title(labels_of(table, [name])[0])
            axes.margins(x=0.08, y=0.14)
            axes.set_xticks(sorted(table.loc[table["factor"] == name, "k"].unique()))
        for axes in panels[-3:]:
            axes.set_xlabel("classes")
        for axes in panels[::3]:
            axes.set_ylabel("q")
        figure.legend(handles=_sweep_handles(methods), loc="outside lower center", ncols=4)
    return figure


def draw_risk(table: pd.DataFrame) -> Figure:
    """Draw the mean of the response in each stratum, a panel for each factor.

    Parameters
    ----------
    table : DataFrame
        Of a RiskResult.

    Returns
    -------
    Figure
    """
    from headwater.grids.plots import unit_label

    names = list(dict.fromkeys(table["factor"]))
    most = int(table.groupby("factor").size().max())
    units = unit_label(table.attrs.get("units", {}).get("mean", ""))
    with house_style():
        # one scale for all panels, so that a weak factor looks weak
        figure, panels = _panels(len(names), height=0.6 + 0.2 * most, columns=2, sharex=True)
        for axes, name in zip(panels, names, strict=True):
            own = table[table["factor"] == name]
            places = np.arange(len(own))
            axes.hlines(places, own["low"], own["high"], color=CATEGORY[4], linewidth=3)
            axes.plot(own["mean"], places, "o", color=CATEGORY[0], markersize=5)
            axes.set_yticks(places, [_interval(str(name)) for name in own["name"]])
            axes.tick_params(axis="y", length=0)
            _write_counts(axes, own)
            axes.margins(x=0.08, y=0.12)
            axes.grid(axis="x", color="#e3e6ea", linewidth=0.7)
            axes.set_axisbelow(True)
            axes.set_title(labels_of(table, [name])[0])
        engine: Any = figure.get_layout_engine()
        if engine is not None:  # a panel of a larger figure has none of its own
            engine.set(w_pad=0.12)
        label = f"Mean {response_of(table)} with its interval" + (f" ({units})" if units else "")
        figure.supxlabel(label, fontsize=9, color=INK)
    return figure


def draw_risk_maps(maps: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the mean of the response by stratum, a map for each factor under one scale.

    Parameters
    ----------
    maps : Dataset (y, x)
        Of a RiskMaps.
    outline : shapely geometry, or object with ``.geometry``, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    from headwater.grids.plots import map_panels

    layers = [layer for name, layer in maps.data_vars.items() if str(name).endswith("_mean")]
    stacked = xr.concat(layers, "factor", combine_attrs="drop", coords="minimal", compat="override")
    words, _, _ = layers[0].attrs["long_name"].partition(" by ")
    stacked.attrs = {"long_name": words, "units": layers[0].attrs["units"]}
    titles = [layer.attrs["long_name"].partition(" by ")[2].partition(",")[0] for layer in layers]
    return map_panels(stacked, titles=titles, columns=3, quantity="soil_moisture", outline=outline)


_INTERVAL = re.compile(r"[(\[]\s*(\S+), (\S+?)\s*[)\]]")


def _interval(name: str) -> str:
    """Write a stratum as readers do: "185 to 260.2"; classes stay what they are called."""
    found = _INTERVAL.fullmatch(name)
    return f"{found[1]} to {found[2]}".replace("-", "−") if found else name


def _write_counts(axes: Axes, own: pd.DataFrame) -> None:
    """Write n of each stratum, and the letters of those that do not differ, at its right."""
    for place, row in enumerate(own.to_dict("records")):
        axes.annotate(
            f"n = {grouped(row['n'])}  {row['letters']}",
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
            color=MUTED,
        )


def _panels(
    number: int, *, height: float, columns: int = 3, sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    across = min(columns, number)
    down = -(-number // across)
    figure = new_figure(7.0 if across > 1 else 4.5, height * down + 0.6)
    grid = figure.subplots(down, across, squeeze=False, sharex=sharex).ravel()
    for axes in grid[number:]:
        axes.remove()
    for axes in grid[:number]:
        axes.tick_params(labelbottom=True)
    return figure, list(grid[:number])


def _draw_method(axes: Axes, own: pd.DataFrame, color: str, marker: str) -> None:
    axes.plot(own["k"], own["q"], ":", color=color, linewidth=1.0)
    axes.plot(own["k"], own["q_adjusted"], "-", color=color, linewidth=1.2)
    for refused, face in ((True, "white"), (False, color)):
        # a table that was read from a file has no empty texts, only missing ones
        rows = own[own["refused"].fillna("").ne("") == refused]
        axes.plot(
            rows["k"], rows["q_adjusted"], marker, color=color, markerfacecolor=face, markersize=4.5
        )


def _sweep_handles(methods: list[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    lines = [
        Line2D(
            [],
            [],
            color=CATEGORY[i % 8],
            marker=_LINES[i % 7],
            markersize=4.5,
            label=_words(method),
        )
        for i, method in enumerate(methods)
    ]
    around = {
        "refused": ("white", 4.5),
        "chosen": ("none", 11.0),
    }
    return [
        *lines,
        Line2D([], [], color=MUTED, linewidth=1.2, label="adjusted q"),
        Line2D([], [], color=MUTED, linestyle=":", label="q"),
        *(
            Line2D(
                [],
                [],
                color=MUTED,
                linestyle="none",
                marker="o",
                markerfacecolor=face,
                markersize=size,
                label=label,
            )
            for label, (face, size) in around.items()
        ),
    ]


def labels_of(table: pd.DataFrame, names: Any) -> list[str]:
    """Name factors as figures print them.

    Parameters
    ----------
    table : DataFrame
        With long names in its attributes.
    names : iterable of str
        Factors.

    Returns
    -------
    list of str
    """
    labels = table.attrs.get("labels", {})
    return [str(labels.get(name, name)).partition(",")[0] for name in names]


def response_of(table: pd.DataFrame) -> str:
    """Name the response as it reads within a sentence; NDVI stays NDVI.

    Parameters
    ----------
    table : DataFrame
        With the response's long name in its attributes.

    Returns
    -------
    str
    """
    name = str(table.attrs.get("response", "the response"))
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def _rule(row: Mapping[Any, Any]) -> str:
    return f"{_words(row['method'])}, {row['strata']} classes"


def _test(row: Mapping[Any, Any]) -> str:
    """Print the p of the whole search where there is one: smooth fields mislead the F test."""
    searched = row.get("p_search", np.nan)
    return (
        f"F test {p_text(row['p_value'])}" if np.isnan(searched) else f"search {p_text(searched)}"
    )


def _words(method: str) -> str:
    return method.replace("_", " ")


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
    from matplotlib.patches import Rectangle

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
            _write_cell(axes, i, i, f"{share:.2f}", ink=_ink_on(image, share))
            corner = (i - 0.47, i - 0.47)
            axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=INK, linewidth=1.2))
        for row in table.to_dict("records"):
            one, two = place[row["factor_1"]], place[row["factor_2"]]
            text = f"{row['q_12']:.2f}\n{_MARKS[row['tested']]}"
            bold = str(row["tested"]).startswith("gain")
            ink = _ink_on(image, row["q_12"])
            _write_cell(axes, min(one, two), max(one, two), text, ink=ink, bold=bold)
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
            text = f"{gap:.2f}".replace("-", "\N{MINUS SIGN}")
            ink, bold = _ink_on(image, gap), bool(row["differ"])
            _write_cell(axes, min(one, two), max(one, two), text, ink=ink, bold=bold)
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


def _ink_on(image: AxesImage, value: float) -> str:
    """Choose the ink that can be read on the colour of a value."""
    red, green, blue, _ = image.to_rgba(np.array([value]))[0]
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else INK


def _write_cell(
    axes: Axes, column: int, row: int, text: str, *, ink: str, bold: bool = False
) -> None:
    weight = "bold" if bold else "normal"
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    axes.text(column, row, text, color=ink, fontsize=8.5, fontweight=weight, **middle)


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


_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")


def draw_series(table: pd.DataFrame) -> Figure:
    """Draw adjusted q of each factor along the periods, with its interval; the first is circled.

    Parameters
    ----------
    table : DataFrame
        Of a SeriesResult.

    Returns
    -------
    Figure
    """
    periods = list(dict.fromkeys(table["period"].astype(str)))
    order = table.groupby("factor")["q_adjusted"].mean().sort_values(ascending=False).index
    with house_style():
        figure = new_figure(max(7.0, 0.2 * len(periods)), 4.0)
        axes = figure.add_subplot()
        for number, name in enumerate(order):
            own = table[table["factor"] == name]
            # neighbours must not hide each other's intervals
            places = np.array([periods.index(str(one)) for one in own["period"]])
            places = places + 0.08 * (number - (len(order) - 1) / 2)
            _draw_one_series(axes, own, places, number, labels_of(table, [name])[0])
        every = -(-len(periods) // 24)
        axes.set_xticks(range(0, len(periods), every), periods[::every])
        if len(periods) > 8:
            axes.tick_params(axis="x", labelrotation=60)
        axes.set_ylim(bottom=min(0.0, float(table["q_low"].min())))
        axes.set_ylabel(f"adjusted q of {response_of(table)}")
        axes.grid(axis="y", color="#e3e6ea", linewidth=0.7)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=4)
        words = "circled: the first factor of the period"
        if table["q_low"].notna().any():
            words = f"lines: 95 % interval; {words}"
        figure.supxlabel(words, fontsize=8, color=MUTED)
    return figure


def _draw_one_series(
    axes: Axes, own: pd.DataFrame, places: npt.NDArray[np.float64], number: int, label: str
) -> None:
    """Draw a factor's line with its intervals, circled where it ranks first."""
    color = CATEGORY[number % len(CATEGORY)]
    axes.vlines(places, own["q_low"], own["q_high"], color=color, linewidth=1.0)
    line: dict[str, Any] = {"color": color, "markersize": 4.5, "linewidth": 1.1, "label": label}
    axes.plot(places, own["q_adjusted"], _MARKERS[number % 8] + "-", **line)
    first = (own["rank"] == 1).to_numpy()
    circled = axes.plot(places[first], own["q_adjusted"][first], "o", markersize=11, color="none")
    circled[0].set(markeredgecolor=INK, markeredgewidth=1.2)
