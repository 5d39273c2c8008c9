"""Figures of mixing: the mixing diagram, fractions with intervals, posterior matrix, components."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure
from headwater.isotopes._arrays import Places
from headwater.isotopes.mixing.composition import Composition
from headwater.isotopes.samples import water

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from headwater.isotopes.mixing.results import EmmaResult, MixingPosterior

__all__ = ["draw_emma", "draw_fractions", "draw_mixing_diagram", "draw_posterior_matrix"]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_NAMES = {"d18O": "δ¹⁸O (‰ VSMOW)", "d2H": "δ²H (‰ VSMOW)", "d_excess": "d-excess (‰)"}
_OUTSIDE = "#D55E00"


def _title(name: str) -> str:
    return water(name).long_name


def draw_mixing_diagram(
    sources: Composition,
    mixtures: Composition,
    *,
    tracers: tuple[str, str] | None = None,
    probability: Any = None,
) -> Figure:
    """Draw end members with their scatter, the polygon of their means, and the mixtures.

    Parameters
    ----------
    sources, mixtures : Composition
        With at least two tracers.
    tracers : tuple of str, optional
        The two to draw; the first two by default.
    probability : array of shape (N,), optional
        Of the polygon test: mixtures below 0.05 are marked.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If there is only one tracer.
    """
    if len(sources.tracers) < 2:
        raise DataError(
            "a mixing diagram needs two tracers",
            found=sources.tracers[0],
            do="Draw the fractions instead",
        )
    pair = tracers or sources.tracers[:2]
    i, j = (sources.tracers.index(name) for name in pair)
    with house_style():
        figure = new_figure(7.2, 4.6)
        axes = figure.add_subplot()
        _draw_polygon(axes, sources.mean[:, [i, j]])
        _draw_mixtures(axes, mixtures, (i, j), probability)
        for k, label in enumerate(sources.labels):
            sd = np.sqrt(sources.covariance[k].diagonal())
            axes.errorbar(
                sources.mean[k, i],
                sources.mean[k, j],
                xerr=sd[i],
                yerr=sd[j],
                capsize=3,
                fmt=_MARKERS[k % 8],
                color=CATEGORY[k % 8],
                markersize=9,
                markeredgecolor="white",
                label=f"{_title(label)} (n = {int(sources.n[k].max())}, ± sd)",
                zorder=4,
            )
        axes.set_xlabel(_NAMES.get(pair[0], pair[0]))
        axes.set_ylabel(_NAMES.get(pair[1], pair[1]))
        figure.legend(loc="outside right upper")
    return figure


def _draw_polygon(axes: Axes, corners: NDArray[Any]) -> None:
    if len(corners) > 2:
        from scipy.spatial import ConvexHull

        corners = corners[ConvexHull(corners).vertices]
        axes.fill(*corners.T, facecolor=MUTED, alpha=0.10, edgecolor="none", zorder=0)
    closed = np.vstack([corners, corners[:1]])
    axes.plot(
        *closed.T,
        color=MUTED,
        linewidth=1.0,
        linestyle=(0, (5, 3)),
        zorder=1,
        label="Polygon of the means",
    )


def _draw_mixtures(axes: Axes, mixtures: Composition, at: Sequence[int], chance: ArrayLike) -> None:
    places = mixtures.mean[:, list(at)]
    outside = np.zeros(len(mixtures), dtype=bool)
    if chance is not None:
        outside = np.asarray(chance, dtype=float) < 0.05
    many = len(mixtures) > 40
    for rows, colour, mark, label in (
        (~outside, INK, "o", "Mixtures"),
        (outside, _OUTSIDE, "x", "Outside 95 % of polygons"),
    ):
        if rows.any():
            axes.scatter(
                places[rows, 0],
                places[rows, 1],
                s=14 if many else 24,
                color=colour,
                marker=mark,
                alpha=0.6 if many else 0.9,
                linewidth=1.0 if mark == "x" else 0.0,
                label=f"{label} (n = {int(rows.sum())})",
                zorder=3,
            )


def draw_fractions(table: pd.DataFrame, *, most: int = 60) -> Figure:
    """Draw fractions of each source by mixture, with their intervals where there are any.

    Parameters
    ----------
    table : DataFrame
        ``mixture``, ``source``, ``fraction`` (or only ``low`` and ``high``), ``low``, ``high``.
    most : int
        Most mixtures drawn; the first ones.

    Returns
    -------
    Figure
    """
    sources = list(dict.fromkeys(table["source"]))
    labels = list(dict.fromkeys(table["mixture"]))
    shown = labels[:most]
    place = np.arange(len(shown))[::-1]
    with house_style():
        figure = new_figure(1.4 + 1.9 * len(sources), 1.1 + 0.24 * len(shown))
        panels = figure.subplots(1, len(sources), sharey=True, squeeze=False)[0]
        for k, (axes, source) in enumerate(zip(panels, sources, strict=True)):
            part = table[table["source"] == source].set_index("mixture").loc[shown]
            _draw_panel(axes, part, place, CATEGORY[k % 8], _MARKERS[k % 8])
            axes.set_title(_title(source))
            axes.set_xlim(-0.02, 1.02)
            axes.set_xticks([0.0, 0.5, 1.0])
            axes.grid(axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
        panels[0].set_yticks(place, shown)
        panels[0].set_ylim(-0.6, len(shown) - 0.4)
        more = f" (the first {most} of {len(labels)})" if len(labels) > most else ""
        figure.supxlabel(
            f"Fraction, with 95 % interval{more}"
            if "fraction" in table
            else f"Possible range of the fraction{more}",
            fontsize=9,
        )
    return figure


def _draw_panel(axes: Axes, part: pd.DataFrame, place: Places, colour: str, mark: str) -> None:
    if {"low", "high"} <= set(part):
        wide = 1.6 if "fraction" in part else 6.0
        axes.hlines(place, part["low"], part["high"], color=colour, linewidth=wide, alpha=0.8)
    if "fraction" in part:
        axes.plot(
            part["fraction"],
            place,
            mark,
            color=colour,
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.6,
        )
    missing = part["low" if "low" in part else "fraction"].isna().to_numpy()
    for y in place[missing]:
        axes.annotate("no answer", (0.5, y), ha="center", va="center", color=MUTED, fontsize=7)


def draw_posterior_matrix(posterior: MixingPosterior, mixture: str) -> Figure:
    """Draw the posterior of one group: densities, pairs of fractions, and their correlations.

    Parameters
    ----------
    posterior : MixingPosterior
        With draws.
    mixture : str
        Which group.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If the group has no fractions.
    """
    labels = list(dict.fromkeys(posterior.data["mixture"]))
    sources = list(dict.fromkeys(posterior.data["source"]))
    if mixture not in labels or np.isnan(posterior.draws[labels.index(mixture)]).all():
        raise DataError(
            "this group has no posterior to draw",
            found=f"'{mixture}'",
            do=f"Groups: {', '.join(labels[:10])}",
        )
    draws = posterior.draws[labels.index(mixture)]
    k = len(sources)
    with house_style():
        figure = new_figure(1.2 + 1.75 * k, 0.9 + 1.6 * k)
        grid = figure.subplots(k, k, squeeze=False)
        for i in range(k):
            grid[i, i].hist(
                draws[:, i],
                bins=np.linspace(0, 1, 51),
                density=True,
                color=CATEGORY[i % 8],
                alpha=0.85,
            )
            grid[i, i].set_title(_title(sources[i]))
            grid[i, i].set_yticks([])
            grid[i, i].set_xlim(0, 1)
        for i, j in combinations(range(k), 2):
            _draw_pair(grid[j, i], draws[:, i], draws[:, j])
            _write_correlation(grid[i, j], draws[:, i], draws[:, j])
        for i in range(k):
            grid[k - 1, i].set_xlabel("Fraction")
            if i:
                grid[i, 0].set_ylabel("Fraction")
    return figure


def _draw_pair(axes: Axes, x: NDArray[Any], y: NDArray[Any]) -> None:
    edges = np.linspace(0, 1, 41)
    counts, _, _ = np.histogram2d(x, y, bins=(edges, edges))
    axes.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), cmap="Blues")
    axes.plot([0, 1], [1, 0], color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _write_correlation(axes: Axes, x: NDArray[Any], y: NDArray[Any]) -> None:
    r = float(np.corrcoef(x, y)[0, 1])
    axes.axis("off")
    axes.text(
        0.5,
        0.5,
        f"r = {r:.2f}",
        ha="center",
        va="center",
        transform=axes.transAxes,
        fontsize=9 + 4 * abs(r),
        color=INK,
    )


def draw_emma(result: EmmaResult) -> Figure:
    """Draw eigenvalues with their criteria, and the samples in the mixing space.

    Parameters
    ----------
    result : EmmaResult
        From :func:`~headwater.isotopes.mixing.end_member_analysis.emma`.

    Returns
    -------
    Figure
    """
    with house_style():
        figure = new_figure(8.2 if result.scores is not None else 4.4, 3.6)
        panels = figure.subplots(1, 1 if result.scores is None else 2, squeeze=False)[0]
        _draw_eigenvalues(panels[0], result.data)
        if result.scores is not None:
            _draw_scores(panels[1], result.scores, result.data["explained"])
    return figure


def _draw_eigenvalues(axes: Axes, table: pd.DataFrame) -> None:
    axes.bar(table["component"], table["eigenvalue"], color=CATEGORY[4], label="Eigenvalue")
    axes.plot(
        table["component"],
        table["parallel"],
        "o--",
        color=CATEGORY[5],
        markersize=4,
        label="Noise, 95th percentile (Horn)",
    )
    total = float(table["eigenvalue"].sum())
    axes.plot(
        table["component"],
        table["broken_stick"] * total,
        "s:",
        color=INK,
        markersize=4,
        label="Broken stick",
    )
    axes.axhline(total / len(table), color=MUTED, linewidth=0.8, label="Rule of one")
    axes.set_xticks(table["component"])
    axes.set_xlabel("Component")
    axes.set_ylabel("Eigenvalue (1)")
    axes.legend()


def _draw_scores(axes: Axes, scores: pd.DataFrame, explained: Any) -> None:
    names = list(scores.columns)[:2]
    across = scores[names[1]] if len(names) > 1 else np.zeros(len(scores))
    axes.scatter(scores[names[0]], across, s=16, color=INK, alpha=0.6, linewidth=0)
    shares = [f"{100 * share:.0f} %" for share in explained[:2]]
    axes.set_xlabel(f"First component ({shares[0]} of variance, n = {len(scores)})")
    axes.set_ylabel(f"Second component ({shares[1]})" if len(names) > 1 else "")
