"""Figures of q through time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headwater.detector.plots import labels_of, response_of
from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_series"]

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
            color = CATEGORY[number % len(CATEGORY)]
            axes.vlines(places, own["q_low"], own["q_high"], color=color, linewidth=1.0)
            axes.plot(
                places,
                own["q_adjusted"],
                _MARKERS[number % 8] + "-",
                color=color,
                markersize=4.5,
                linewidth=1.1,
                label=labels_of(table, [name])[0],
            )
            first = (own["rank"] == 1).to_numpy()
            axes.plot(
                places[first],
                own["q_adjusted"][first],
                "o",
                markersize=11,
                color="none",
                markeredgecolor=INK,
                markeredgewidth=1.2,
            )
        every = -(-len(periods) // 24)
        axes.set_xticks(range(0, len(periods), every), periods[::every])
        if len(periods) > 8:
            axes.tick_params(axis="x", labelrotation=60)
        axes.set_ylim(bottom=min(0.0, float(table["q_low"].min())))
        axes.set_ylabel(f"adjusted q of {response_of(table)}")
        axes.grid(axis="y", color="#e3e6ea", linewidth=0.7)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=4)
        words = "lines: 95 % interval; circled: the first factor of the period"
        figure.supxlabel(words, fontsize=8, color=MUTED)
    return figure
