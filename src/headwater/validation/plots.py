"""Figures of a validation: Taylor, target, scatter, time series, intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.figures import CATEGORY, INK, MUTED, grouped, house_style, new_figure
from headwater.validation.measures import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = [
    "draw_collocation",
    "draw_forest",
    "draw_scatter",
    "draw_series",
    "draw_summary",
    "draw_target",
    "draw_taylor",
]

_MARKS = ("o", "s", "^", "D", "v", "P", "X", "<")
_NAMED = 8
"""More stations than this are drawn alike, without a legend."""

_GRID = "#e3e6ea"


def draw_scatter(pairs: pd.DataFrame, *, units: str = "m3 m-3") -> Figure:
    """Draw product against reference as the density of pairs.

    Parameters
    ----------
    pairs : DataFrame
        Columns product and reference.
    units : str
        Of both.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no pair is valid.
    """
    with house_style():
        figure = new_figure(4.6, 4.0)
        _scatter(figure, figure.add_subplot(), pairs, units)
    return figure


def draw_taylor(pairs: pd.DataFrame, table: pd.DataFrame | None = None) -> Figure:
    """Draw standard deviation and correlation of every station in one diagram.

    Parameters
    ----------
    pairs : DataFrame
        Columns station, product and reference.
    table : DataFrame, optional
        Not needed; taken so that all diagrams of a scorecard are drawn alike.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no station has a standard deviation.

    References
    ----------
    Taylor, K. E. (2001). Summarizing multiple aspects of model performance in a single diagram.
    Journal of Geophysical Research 106, 7183-7192. doi:10.1029/2000JD900719
    """
    del table
    with house_style():
        figure = new_figure(4.8, 4.3)
        _taylor(figure.add_subplot(), _normalised(pairs))
    return figure


def draw_target(pairs: pd.DataFrame, table: pd.DataFrame | None = None) -> Figure:
    """Draw bias and ubRMSD of every station about the target.

    Parameters
    ----------
    pairs : DataFrame
        Columns station, product and reference.
    table : DataFrame, optional
        Not needed; taken so that all diagrams of a scorecard are drawn alike.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no station has a standard deviation.

    References
    ----------
    Jolliff, J. K. et al. (2009). Summary diagrams for coupled hydrodynamic-ecosystem model skill
    assessment. Journal of Marine Systems 76, 64-82. doi:10.1016/j.jmarsys.2008.05.014
    """
    del table
    with house_style():
        figure = new_figure(4.8, 4.3)
        _target(figure.add_subplot(), _normalised(pairs))
    return figure


def draw_forest(
    table: pd.DataFrame,
    *,
    measures: tuple[str, ...] = ("bias", "ubrmsd", "pearson"),
    series: str = "raw",
) -> Figure:
    """Draw measures of all groups with their intervals.

    Parameters
    ----------
    table : DataFrame
        Of a :class:`headwater.validation.scorecards.Scorecard`.
    measures : tuple of str
        A panel for each.
    series : str
        Which series to draw.

    Returns
    -------
    Figure
    """
    own = table[table["series"] == series]
    with house_style():
        groups = own[["grouping", "group"]].drop_duplicates()
        figure = new_figure(7.0, 1.0 + 0.21 * len(groups))
        panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        _forest(list(panels), own, measures)
    return figure


def draw_series(pairs: pd.DataFrame, *, units: str = "m3 m-3", most: int = 6) -> Figure:
    """Draw product and reference over time, a panel for each station.

    Parameters
    ----------
    pairs : DataFrame
        Columns time, station, product and reference.
    units : str
        Of both.
    most : int
        Most panels; stations with the most pairs come first.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no pair is valid.
    """
    valid = _valid(pairs)
    shown = valid["station"].value_counts().index[:most]
    names = [name for name in dict.fromkeys(pairs["station"]) if name in set(shown)]
    total = pairs["station"].nunique()
    with house_style():
        figure = new_figure(7.0, 0.8 + 1.15 * len(names))
        panels = figure.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, name in zip(panels, names, strict=True):
            own = pairs[pairs["station"] == name].sort_values("time")
            axes.plot(own["time"], own["reference"], color=INK, linewidth=1.0, label="reference")
            axes.plot(
                own["time"], own["product"], ".", color=CATEGORY[1], markersize=2.5, label="product"
            )
            n = int(own[["product", "reference"]].notna().all(axis=1).sum())
            axes.set_title(f"{name}   n = {grouped(n)}", fontsize=8, pad=3)
            axes.grid(axis="y", color=_GRID, linewidth=0.7)
        figure.supylabel(f"Soil moisture ({_unit(units)})", fontsize=9, color=INK)
        handles, labels = panels[0].get_legend_handles_labels()
        note = (
            ""
            if total <= len(names)
            else f"{len(names)} of {total} stations, those with most pairs"
        )
        figure.legend(
            handles,
            labels,
            loc="outside upper right",
            ncols=2,
            markerscale=3,
            title=note,
            title_fontsize=8,
        )
    return figure


def draw_summary(pairs: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Draw scatter, Taylor diagram, target diagram and intervals on one page.

    Parameters
    ----------
    pairs : DataFrame
        Columns time, station, product and reference.
    table : DataFrame
        Of a :class:`headwater.validation.scorecards.Scorecard`.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no pair is valid.
    """
    own = table[(table["series"] == "raw") & table["grouping"].isin(["all", "season", "stratum"])]
    with house_style():
        figure = new_figure(8.6, 7.6)
        halves: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.0))
        top, bottom = halves
        upper = top.subplots(1, 2)
        _scatter(top, upper[0], pairs, str(table.attrs.get("series_unit", "m3 m-3")))
        points = _normalised(pairs)
        _taylor(upper[1], points)
        left, right = bottom.subfigures(1, 2, width_ratios=(1.0, 1.0))
        # the stations have their legend in the diagram above
        _target(left.subplots(), points, legend=False)
        panels = right.subplots(2, 1)
        for axes, name in zip(panels, ("ubrmsd", "pearson"), strict=True):
            _forest([axes], own, (name,))
    return figure


def draw_collocation(table: pd.DataFrame) -> Figure:
    """Draw error standard deviation and signal-to-noise ratio with their intervals.

    Parameters
    ----------
    table : DataFrame
        Of a :class:`headwater.validation.collocation.Collocation`.

    Returns
    -------
    Figure
    """
    own = table[table["snr_db"].notna() | table["snr_db_high"].notna()]
    sd = "error_sd_scaled" if "error_sd_scaled" in own else "error_sd"
    unit = _unit(str(table.attrs.get("units", {}).get("error_sd", "")))
    places = np.arange(len(own))[::-1]
    with house_style():
        figure = new_figure(7.0, 1.3 + 0.36 * len(own))
        panels = figure.subplots(1, 2, sharey=True)
        scaled = ", scale of the reference" if sd == "error_sd_scaled" else ""
        titles = {
            sd: f"Error standard deviation\n({unit}{scaled})",
            "snr_db": "Signal-to-noise ratio\n(dB)",
        }
        for axes, (name, title) in zip(panels, titles.items(), strict=True):
            bounds = own[[f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
            _whiskers(axes, places, own[name].to_numpy(dtype=float), bounds)
            axes.set_xlabel(title)
        panels[1].axvline(0.0, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
        texts = [
            f"{row.dataset}" + (f"\n{str(row.flag).partition(':')[0]}" if row.flag else "")
            for row in own.itertuples()
        ]
        panels[0].set_yticks(places, texts)
        panels[0].set_ylim(-0.6, len(own) - 0.4)
        figure.legend(handles=_interval_handles(), loc="outside upper right", ncols=2)
    return figure


def _scatter(figure: Figure, axes: Axes, pairs: pd.DataFrame, units: str) -> None:
    valid = _valid(pairs)
    x, y = valid["reference"].to_numpy(), valid["product"].to_numpy()
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    margin = 0.04 * (high - low or 1.0)
    limits = (low - margin, high + margin)
    cells = axes.hexbin(
        x,
        y,
        gridsize=34,
        extent=(*limits, *limits),
        bins="log",
        mincnt=1,
        cmap="viridis_r",
        linewidths=0.1,
    )
    axes.plot(limits, limits, color=MUTED, linewidth=0.9, linestyle="--")
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set_xlabel(f"Reference ({_unit(units)})")
    axes.set_ylabel(f"Product ({_unit(units)})")
    bar = figure.colorbar(cells, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label("pairs in a cell")
    bar.outline.set_visible(False)
    r = np.corrcoef(x, y)[0, 1] if np.ptp(x) > 0 and np.ptp(y) > 0 else np.nan
    rmsd = float(np.sqrt(((x - y) ** 2).mean()))
    text = f"R = {r:.2f}\nRMSD = {rmsd:.3f}\nn = {grouped(len(x))}"
    axes.annotate(text, (0.04, 0.96), xycoords="axes fraction", va="top", fontsize=8)
    axes.set_title("All pairs")


def _normalised(pairs: pd.DataFrame) -> pd.DataFrame:
    """Reduce every station to its point: ratio of standard deviations, R, bias, ubRMSD."""
    rows = []
    for name, own in _valid(pairs).groupby("station", sort=False):
        x, y = own["product"].to_numpy(), own["reference"].to_numpy()
        if len(x) < 3 or not (x.std() > 0 and y.std() > 0):
            continue
        ratio = x.std() / y.std()
        apart = float(((x - x.mean()) - (y - y.mean())).std() / y.std())
        rows.append(
            (
                str(name),
                ratio,
                np.corrcoef(x, y)[0, 1],
                (x.mean() - y.mean()) / y.std(),
                apart * (1.0 if ratio >= 1 else -1.0),
            )
        )
    if not rows:
        raise DataError(
            "no station varies", found="constant or missing values", do="Choose another period"
        )
    return pd.DataFrame(rows, columns=["station", "ratio", "r", "bias", "ubrmsd"])


def _taylor(axes: Axes, points: pd.DataFrame) -> None:
    """Draw on plain axes: x is the part of the deviation that follows the reference."""
    reach = float(max(1.5, 1.1 * points["ratio"].max()))
    least = float(points["r"].min())
    first = -reach if least < -0.05 else 0.0
    turns = np.linspace(0.0, np.pi if first < 0 else np.pi / 2, 200)
    for radius in np.arange(0.5, reach, 0.5):
        color, width = (INK, 1.1) if radius == 1 else (_GRID, 0.9)
        axes.plot(
            radius * np.cos(turns), radius * np.sin(turns), color=color, linewidth=width, zorder=0
        )
    axes.plot(reach * np.cos(turns), reach * np.sin(turns), color=MUTED, linewidth=0.8)
    levels = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99]
    for r in [*(-level for level in levels[5:0:-1] if first < 0), *levels]:
        angle = float(np.arccos(r))
        tip = np.array([np.cos(angle), np.sin(angle)]) * reach
        axes.plot([0, tip[0]], [0, tip[1]], color=_GRID, linewidth=0.6, zorder=0)
        axes.annotate(
            f"{r:g}".replace("-", "−"),
            tuple(1.045 * tip),
            ha="center",
            va="center",
            fontsize=7,
            color=MUTED,
        )
    for apart in (0.5, 1.0):
        _arc_about_reference(axes, apart, reach, first)
    axes.plot(1.0, 0.0, "*", color=INK, markersize=11, clip_on=False, zorder=5)
    angles = np.arccos(points["r"])
    _points(axes, points, points["ratio"] * np.cos(angles), points["ratio"] * np.sin(angles))
    axes.set(xlim=(first * 1.1, reach * 1.1), ylim=(0, reach * 1.1), aspect="equal")
    axes.set_xlabel("Standard deviation / that of the reference (star)")
    axes.spines["left"].set_visible(first == 0)
    axes.set_yticks(np.arange(0.0, reach, 0.5) if first == 0 else [])
    axes.set_xticks(np.arange(-np.floor(-first / 0.5) * 0.5, reach, 0.5))
    axes.set_title("Taylor: correlation on the arc,\ndashed: ubRMSD / s of the reference")


def _arc_about_reference(axes: Axes, apart: float, reach: float, first: float) -> None:
    turns = np.linspace(0.0, np.pi, 200)
    x, y = 1.0 + apart * np.cos(turns), apart * np.sin(turns)
    inside = (np.hypot(x, y) <= reach) & (x >= first)
    axes.plot(x[inside], y[inside], color=CATEGORY[4], linewidth=0.8, linestyle="--", zorder=0)
    place = 1.0 + apart * np.cos(2.6), apart * np.sin(2.6)
    if np.hypot(*place) <= reach and place[0] >= first:
        axes.annotate(
            f"{apart:g}",
            place,
            fontsize=7,
            color=CATEGORY[0],
            ha="center",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )


def _target(axes: Axes, points: pd.DataFrame, legend: bool = True) -> None:
    far = np.hypot(points["ubrmsd"], points["bias"]).max()
    reach = float(max(1.25, 1.15 * far))
    turns = np.linspace(0.0, 2 * np.pi, 300)
    for radius, style in ((0.5, ":"), (1.0, "-")):
        axes.plot(
            radius * np.cos(turns),
            radius * np.sin(turns),
            style,
            color=MUTED,
            linewidth=0.9,
            zorder=0,
        )
        axes.annotate(
            f"{radius:g}",
            (radius * 0.707, -radius * 0.707),
            fontsize=7,
            color=MUTED,
            ha="center",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )
    axes.axhline(0.0, color=_GRID, linewidth=0.9, zorder=0)
    axes.axvline(0.0, color=_GRID, linewidth=0.9, zorder=0)
    _points(axes, points, points["ubrmsd"], points["bias"], legend)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_xlabel("ubRMSD / s of the reference\n← varies less     varies more →")
    axes.set_ylabel("Bias / s of the reference")
    axes.set_title("Target: RMSD / s is the distance\nfrom the centre")


def _points(axes: Axes, points: pd.DataFrame, x: Any, y: Any, legend: bool = True) -> None:
    if len(points) > _NAMED:
        axes.plot(
            x,
            y,
            "o",
            color=CATEGORY[0],
            markersize=4.5,
            alpha=0.7,
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
        axes.plot(
            np.median(x),
            np.median(y),
            "D",
            color=CATEGORY[5],
            markersize=6,
            label=f"median of {len(points)} stations",
        )
    else:
        for number, name in enumerate(points["station"]):
            axes.plot(
                x.iloc[number],
                y.iloc[number],
                _MARKS[number],
                color=CATEGORY[number],
                markersize=6,
                label=name,
                linestyle="none",
            )
    if legend:
        axes.legend(
            loc="upper right",
            fontsize=7,
            handletextpad=0.3,
            borderaxespad=0.1,
            frameon=True,
            framealpha=0.85,
            edgecolor="none",
        )


def _forest(panels: list[Axes], own: pd.DataFrame, measures: tuple[str, ...]) -> None:
    groups = list(own[["grouping", "group"]].drop_duplicates().itertuples(index=False, name=None))
    places = np.arange(len(groups))[::-1]
    for axes, name in zip(panels, measures, strict=True):
        rows = own[own["measure"] == name].set_index(["grouping", "group"]).reindex(groups)
        _whiskers(
            axes,
            places,
            rows["value"].to_numpy(dtype=float),
            rows[["low", "high"]].to_numpy(dtype=float),
        )
        unit = next((u for u in rows["unit"] if isinstance(u, str)), "1")
        label = MEASURES[name].label if name in MEASURES else name
        axes.set_xlabel(label if unit == "1" else f"{label} ({_unit(unit)})")
        if name in MEASURES and MEASURES[name].best == 0.0 and name == "bias":
            axes.axvline(0.0, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
    texts = ["all stations" if kind == "all" else str(group) for kind, group in groups]
    panels[0].set_yticks(places, texts)
    panels[0].tick_params(axis="y", length=0)
    panels[0].set_ylim(-0.6, len(groups) - 0.4)


def _whiskers(axes: Axes, places: NDArray[Any], values: NDArray[Any], bounds: NDArray[Any]) -> None:
    """Draw values with intervals; an end at infinity is an arrow at the edge of the others."""
    finite = np.concatenate([values[np.isfinite(values)], bounds[np.isfinite(bounds)]])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    margin = 0.06 * (high - low or 1.0)
    ends = np.clip(bounds, low - margin, high + margin)
    axes.hlines(places, ends[:, 0], ends[:, 1], color=CATEGORY[4], linewidth=2.4)
    for column, mark in ((0, "<"), (1, ">")):
        open_end = np.isinf(bounds[:, column])
        axes.plot(ends[open_end, column], places[open_end], mark, color=CATEGORY[4], markersize=6)
    axes.plot(values, places, "o", color=CATEGORY[0], markersize=4.5)
    axes.grid(axis="x", color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def _interval_handles() -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D(
            [],
            [],
            marker="o",
            color=CATEGORY[0],
            linestyle="none",
            markersize=4.5,
            label="estimate",
        ),
        Line2D([], [], color=CATEGORY[4], linewidth=2.4, label="interval (arrow: without bound)"),
    ]


def _valid(pairs: pd.DataFrame) -> pd.DataFrame:
    valid = pairs.dropna(subset=["product", "reference"])
    if valid.empty:
        raise DataError(
            "no pair of product and reference", found=f"{len(pairs)} times", do="Match them first"
        )
    return valid


def _unit(units: str) -> str:
    from headwater.grids.plots import unit_label

    return unit_label(units)
