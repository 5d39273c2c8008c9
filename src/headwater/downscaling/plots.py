"""Figures of a downscaling: what the learner leans on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.figures import CATEGORY, house_style, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["draw_importance"]

_MOST = 12


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
