"""Figures of posterior draws: densities, the matrix of pairs, triangles."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure
from headwater.isotopes.samples import water

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["draw_densities", "draw_matrix", "draw_triangles", "fraction_density"]

_LINES: tuple[Any, ...] = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_MOST, _ACROSS = 12, 3
_CELLS = 64
_LEVELS = (0.95, 0.5)


def fraction_density(draws: ArrayLike, at: ArrayLike) -> Any:
    """Density of fractions, which end at 0 and 1.

    Parameters
    ----------
    draws : array of shape (N,)
        Between 0 and 1.
    at : array of shape (M,)
        Where it is wanted.

    Returns
    -------
    array of shape (M,)
        Kernel density with Silverman's width; what would lie beyond 0 or 1 is folded back.

    Examples
    --------
    >>> at = np.linspace(0.0, 1.0, 201)
    >>> dense = fraction_density(np.random.default_rng(0).uniform(size=4000), at)
    >>> bool(abs(np.trapezoid(dense, at) - 1.0) < 0.01)
    True
    """
    x = np.asarray(draws, dtype=float)
    spread = min(x.std(), float(np.subtract(*np.quantile(x, [0.75, 0.25]))) / 1.34)
    width = max(0.9 * spread * len(x) ** -0.2, 0.004)
    edges = np.linspace(0.0, 1.0, 513)
    counts, _ = np.histogram(x, edges)
    middle = 0.5 * (edges[1:] + edges[:-1])
    folded = np.concatenate([-middle, middle, 2.0 - middle])
    off = (np.asarray(at, dtype=float)[:, None] - folded) / width
    return np.exp(-0.5 * off**2) @ np.tile(counts, 3) / (len(x) * width * np.sqrt(2.0 * np.pi))


def _groups(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name the groups by what distinguishes them."""
    several = len(set(table["label"])) > 1
    groups = []
    whole = table.assign(period=table["period"].astype(object).fillna(""))
    for key, rows in whole.groupby(["label", "period"], sort=False):
        label, when = map(str, key)
        name = ", ".join(part for part in (label if several or not when else "", when) if part)
        groups.append((name[:1].upper() + name[1:], rows))
    return groups[:_MOST]


def _sources(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.columns if name not in ("label", "period")]


def _colour(k: int) -> str:
    return CATEGORY[k % len(CATEGORY)]


def draw_densities(table: pd.DataFrame) -> Figure:
    """Draw the posterior density of every source's fraction, a panel for each group.

    Parameters
    ----------
    table : DataFrame
        Draws: a column for each source, ``label`` and ``period``.

    Returns
    -------
    Figure
    """
    groups, sources = _groups(table), _sources(table)
    across = min(len(groups), _ACROSS)
    down = -(-len(groups) // across)
    at = np.linspace(0.0, 1.0, 301)
    with house_style():
        figure = new_figure(max(2.7 * across, 4.2), 2.1 * down + 0.8)
        grid = figure.subplots(down, across, sharex=True, squeeze=False)
        for axes in grid.ravel()[len(groups) :]:
            axes.axis("off")
        for axes, (name, rows) in zip(grid.ravel(), groups, strict=False):
            for k, source in enumerate(sources):
                draws = rows[source].to_numpy(dtype=float)
                if not draws.any():
                    continue  # absent: its fraction is 0 by choice
                dense = fraction_density(draws, at)
                axes.fill_between(at, dense, color=_colour(k), alpha=0.22, linewidth=0)
                axes.plot(at, dense, color=_colour(k), linestyle=_LINES[k % 4], linewidth=1.5)
            axes.set_title(name)
            axes.set_xlim(0.0, 1.0)
            axes.set_ylim(0.0)
            axes.set_yticks([])
        figure.supxlabel("Fraction", fontsize=9)
        figure.supylabel("Posterior density", fontsize=9)
        _name_sources(figure, sources)
    return figure


def _name_sources(figure: Figure, sources: list[str]) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D(
            [],
            [],
            color=_colour(k),
            linestyle=_LINES[k % 4],
            linewidth=2.0,
            label=water(name).long_name,
        )
        for k, name in enumerate(sources)
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=min(len(marks), 4))


def draw_matrix(table: pd.DataFrame) -> Figure:
    """Draw densities, pairs and correlations of the fractions; colours distinguish groups.

    Parameters
    ----------
    table : DataFrame
        Draws: a column for each source, ``label`` and ``period``.

    Returns
    -------
    Figure
        The regions of pairs hold 50 % and 95 % of the draws.

    Raises
    ------
    DataError
        If there are fewer than two sources.
    """
    groups, sources = _groups(table)[:6], _sources(table)
    k = len(sources)
    if k < 2:
        raise DataError(
            "a matrix of pairs needs two sources", found=f"{k}", do="Draw densities instead"
        )
    at = np.linspace(0.0, 1.0, 301)
    with house_style():
        figure = new_figure(1.6 + 2.0 * k, 1.0 + 1.8 * k)
        grid = figure.subplots(k, k, squeeze=False)
        for i, source in enumerate(sources):
            for g, (_, rows) in enumerate(groups):
                if rows[source].any():
                    grid[i, i].plot(
                        at,
                        fraction_density(rows[source], at),
                        color=_colour(g),
                        linestyle=_LINES[g % 4],
                    )
            grid[i, i].set_title(water(source).long_name)
            grid[i, i].set_yticks([])
            grid[i, i].set_xlim(0.0, 1.0)
            grid[i, i].set_ylim(0.0)
            grid[k - 1, i].set_xlabel("Fraction")
        for i, j in combinations(range(k), 2):
            _draw_pairs(grid[j, i], groups, sources[i], sources[j])
            _write_correlations(grid[i, j], groups, sources[i], sources[j])
            if i == 0:
                grid[j, 0].set_ylabel("Fraction")
        _name_groups(figure, groups)
    return figure


def _draw_pairs(axes: Axes, groups: list[tuple[str, pd.DataFrame]], a: str, b: str) -> None:
    for g, (_, rows) in enumerate(groups):
        if rows[a].any() and rows[b].any():
            x, y = rows[a].to_numpy(dtype=float), rows[b].to_numpy(dtype=float)
            _draw_region(axes, x, y, _colour(g))
    axes.plot([0, 1], [1, 0], color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)


def _draw_region(axes: Axes, x: NDArray[Any], y: NDArray[Any], colour: str) -> None:
    """Draw what holds 50 and 95 % of the draws, in cells as fine as they are close."""
    from scipy.ndimage import gaussian_filter

    frame = [(v.min() - 0.15 * np.ptp(v) - 1e-3, v.max() + 0.15 * np.ptp(v) + 1e-3) for v in (x, y)]
    counts, xs, ys = np.histogram2d(x, y, bins=_CELLS, range=frame)
    dense = gaussian_filter(counts.T, 2.0)
    ordered = np.sort(dense.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    levels = sorted({float(ordered[np.searchsorted(share, level)]) for level in _LEVELS})
    place = 0.5 * (xs[1:] + xs[:-1]), 0.5 * (ys[1:] + ys[:-1])
    if len(levels) > 1 and levels[0] > 0.0:
        axes.contourf(
            *place, dense, levels=[*levels, ordered[0] * 1.01], colors=[colour] * 2, alpha=0.25
        )
        axes.contour(*place, dense, levels=levels, colors=[colour], linewidths=1.0)


def _write_correlations(axes: Axes, groups: list[tuple[str, pd.DataFrame]], a: str, b: str) -> None:
    axes.axis("off")
    spread = [
        (g, rows) for g, (_, rows) in enumerate(groups) if rows[a].std() * rows[b].std() > 0.0
    ]
    for place, (g, rows) in enumerate(spread):
        r = float(np.corrcoef(rows[a], rows[b])[0, 1])
        height = 0.5 + 0.22 * (0.5 * (len(spread) - 1) - place)
        words = f"r = {r:.2f}".replace("-", "−")
        axes.text(
            0.5,
            height,
            words,
            ha="center",
            va="center",
            transform=axes.transAxes,
            fontsize=10,
            color=_colour(g),
            weight="bold",
        )


def _name_groups(figure: Figure, groups: list[tuple[str, pd.DataFrame]]) -> None:
    from matplotlib.lines import Line2D

    if len(groups) < 2:
        return
    marks = [
        Line2D([], [], color=_colour(g), linestyle=_LINES[g % 4], linewidth=2.0, label=name)
        for g, (name, _) in enumerate(groups)
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=min(len(marks), 4))


def draw_triangles(table: pd.DataFrame, means: pd.DataFrame | None = None) -> Figure:
    """Draw the fractions of three sources in a triangle, a panel for each group.

    Parameters
    ----------
    table : DataFrame
        Draws: a column for each of three sources, ``label`` and ``period``.
    means : DataFrame, optional
        ``grouping``, ``period`` and a column for each source: marks among the draws.

    Returns
    -------
    Figure
        The regions hold 50 % and 95 % of the draws, the cross is their mean.

    Raises
    ------
    DataError
        If there are not three sources.
    """
    groups, sources = _groups(table), _sources(table)
    if len(sources) != 3:
        raise DataError(
            "a triangle has three corners",
            found=f"{len(sources)} sources",
            do="Draw the matrix of pairs instead",
        )
    across = min(len(groups), _ACROSS)
    down = -(-len(groups) // across)
    with house_style():
        figure = new_figure(max(3.0 * across, 4.6), 2.9 * down + 0.6)
        grid = figure.subplots(down, across, squeeze=False)
        for axes in grid.ravel():
            axes.axis("off")
        for axes, (name, rows) in zip(grid.ravel(), groups, strict=False):
            _draw_triangle(axes, sources)
            _draw_fractions(axes, rows[sources])
            if means is not None:
                _mark_means(axes, means[means["period"].isin(rows["period"])], sources)
            axes.set_title(name, pad=14)
        _name_marks(figure, means)
    return figure


def _place(p: ArrayLike) -> tuple[Any, Any]:
    """Place fractions: the first source on top, the second on the left, the third on the right."""
    shares = np.asarray(p, dtype=float)
    return shares[..., 2] + 0.5 * shares[..., 0], np.sqrt(0.75) * shares[..., 0]


def _cut_to_triangle(axes: Axes) -> None:
    """Smoothing spreads a little beyond the edges, where no fractions are."""
    from matplotlib.patches import Polygon

    inside = Polygon(np.column_stack(_place(np.eye(3))), transform=axes.transData)
    for drawn in axes.collections:
        drawn.set_clip_path(inside)


def _edge_at(rows: pd.DataFrame, level: float) -> Any:
    """Return the draw on an edge below which `level` of the draws of its first source lie."""
    first = next(name for name in rows if rows[name].any())
    ordered = rows.sort_values(str(first))
    return ordered.iloc[round(level * (len(ordered) - 1))].to_numpy(dtype=float)


def _draw_fractions(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the region of the draws, or the part of an edge where a source is absent."""
    draws = rows.to_numpy(dtype=float)
    if draws.any(axis=0).all():
        _draw_region(axes, *_place(draws), CATEGORY[0])
        _cut_to_triangle(axes)
    else:
        low, high = (_place(_edge_at(rows, q)) for q in (0.025, 0.975))
        look: dict[str, Any] = {"color": CATEGORY[0], "linewidth": 6, "alpha": 0.45, "zorder": 2}
        axes.plot([low[0], high[0]], [low[1], high[1]], solid_capstyle="butt", **look)
    look = {"marker": "X", "markersize": 9, "color": INK, "markeredgecolor": "white"}
    axes.plot(*_place(draws.mean(axis=0)), zorder=5, **look)


def _draw_triangle(axes: Axes, sources: list[str]) -> None:
    for share in np.linspace(0.2, 0.8, 4):
        _draw_grid(axes, share)
    axes.plot(*_place(np.vstack([np.eye(3), np.eye(3)[:1]])), color=MUTED, linewidth=1.0, zorder=1)
    for k, (name, shift) in enumerate(zip(sources, (0.04, -0.13, -0.13), strict=True)):
        x, y = _place(np.eye(3)[k])
        axes.text(
            x,
            y + shift,
            water(name).long_name,
            ha="center",
            color=_colour(k),
            weight="bold",
            va="bottom" if k == 0 else "top",
            fontsize=9,
        )
    axes.set_xlim(-0.34, 1.34)
    axes.set_ylim(-0.28, 1.02)
    axes.set_aspect("equal")


def _draw_grid(axes: Axes, share: float) -> None:
    """Draw the three lines of one share, and write it on the three sides."""
    for i in range(3):
        ends = np.zeros((2, 3))
        ends[:, i] = share
        ends[0, (i + 1) % 3] = ends[1, (i + 2) % 3] = 1.0 - share
        axes.plot(*_place(ends), color=MUTED, alpha=0.25, linewidth=0.6, zorder=0)
    for at, (side, right, up) in enumerate(
        (("right", -0.02, 0.0), ("center", 0.0, -0.06), ("left", 0.03, 0.0))
    ):
        p = np.zeros(3)
        p[at], p[(at + 1) % 3] = share, 1.0 - share
        x, y = _place(p)
        look: dict[str, Any] = {"ha": side, "va": "center", "fontsize": 7, "color": MUTED}
        axes.text(x + right, y + up, f"{share:.1f}", **look)


def _mark_means(axes: Axes, means: pd.DataFrame, sources: list[str]) -> None:
    for g, (_, rows) in enumerate(means.groupby("grouping", sort=False)):
        x, y = _place(rows[sources].to_numpy(dtype=float))
        axes.scatter(
            x,
            y,
            s=20,
            marker=_MARKERS[g % 8],
            color=CATEGORY[(g + 1) % 8],
            edgecolor="white",
            linewidth=0.5,
            zorder=4,
        )


def _name_marks(figure: Figure, means: pd.DataFrame | None) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=INK, marker="X", linestyle="", markersize=8, label="Mean of all"),
        Line2D([], [], color=CATEGORY[0], alpha=0.45, linewidth=6, label="50 % and 95 %"),
    ]
    names = [] if means is None else list(dict.fromkeys(means["grouping"]))
    marks += [
        Line2D(
            [],
            [],
            color=CATEGORY[(g + 1) % 8],
            marker=_MARKERS[g % 8],
            linestyle="",
            label=f"by {str(name).replace('_', ' ')}",
        )
        for g, name in enumerate(names)
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=min(len(marks), 5))
