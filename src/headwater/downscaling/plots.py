"""Figures of a downscaling: what the learner leans on, and the skill on twins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.figures import CATEGORY, MUTED, house_style, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["draw_importance", "draw_twin"]

_MOST = 12
_PANELS = {
    "rmse": "RMSE (m³ m⁻³)",
    "ubrmse": "Unbiased RMSE (m³ m⁻³)",
    "r": "R in time",
    "r_within": "R within cells",
}
_NAMES = {
    "nearest": "Nearest cell",
    "bilinear": "Bilinear",
    "pipeline": "Downscaled",
    "oracle": "Oracle",
}
_COLORS = {"nearest": MUTED, "bilinear": MUTED, "pipeline": CATEGORY[0], "oracle": CATEGORY[2]}


def draw_importance(table: pd.DataFrame) -> Figure:
    """Draw how much the held-out error rises when each predictor is shuffled.

    Parameters
    ----------
    table : DataFrame
        ``predictor`` and ``rise`` [m3 m-3].

    Returns
    -------
    Figure
    """
    shown = table.sort_values("rise", ascending=False).head(_MOST).iloc[::-1]
    with house_style():
        figure = new_figure(6.4, 0.8 + 0.26 * len(shown))
        axes = figure.subplots()
        names = [str(name).replace("_", " ") for name in shown["predictor"]]
        axes.barh(names, shown["rise"], color=CATEGORY[0], height=0.66)
        axes.axvline(0.0, color="0.4", linewidth=0.8)
        axes.set_xlabel("Rise of the held-out RMSE when shuffled (m³ m⁻³)")
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
    return figure


def draw_twin(table: pd.DataFrame) -> Figure:
    """Draw RMSE, unbiased RMSE and correlations of nearest cell, bilinear, pipeline and oracle.

    Parameters
    ----------
    table : DataFrame
        Of a twin experiment: a row for each draw and method.

    Returns
    -------
    Figure
    """
    with house_style():
        figure = new_figure(8.0, 3.2)
        figure.suptitle(
            "Skill to expect at the fine scale, on twins with known truth",
            x=0.01,
            ha="left",
            fontsize=10,
            fontweight="bold",
        )
        for axes, (name, label) in zip(figure.subplots(1, 4), _PANELS.items(), strict=True):
            for place, method in enumerate(_NAMES):
                own = table[table["method"] == method]
                axes.bar(place, own[name].mean(), width=0.62, color=_COLORS[method], alpha=0.35)
                offset = [(i - (len(own) - 1) / 2) * 0.4 / len(own) for i in range(len(own))]
                axes.plot(
                    [place + one for one in offset],
                    own[name],
                    "o",
                    markersize=4,
                    color=_COLORS[method],
                )
            axes.set_xticks(range(len(_NAMES)), list(_NAMES.values()), rotation=35, ha="right")
            axes.set_title(label, fontsize=9, fontweight="normal")
            if name in ("r", "r_within"):
                axes.set_ylim(min(0.0, float(table[name].min()) * 1.1), 1.0)
    return figure
