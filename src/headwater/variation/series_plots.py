"""How series look: every month and every year of several variables, one panel each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.figures import CATEGORY, INK, house_style, new_figure
from headwater.grids.plots import unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["monthly_panels", "yearly_panels"]

_AMOUNTS = {"mm", "kg m-2"}
"""Units of what adds up, which is drawn as bars from zero."""
_PERIODS = {"year": "whole year", "growing_season": "growing season"}


def monthly_panels(tables: Sequence[pd.DataFrame]) -> Figure:
    """Draw every month of several variables above each other, with the middle 80 % of cells.

    Parameters
    ----------
    tables : sequence of DataFrame
        Of :class:`headwater.variation.results.MonthlySeries`.

    Returns
    -------
    Figure
    """
    with house_style():
        figure = new_figure(7.4, 0.7 + 1.5 * len(tables))
        panels = figure.subplots(len(tables), 1, sharex=True, squeeze=False)[:, 0]
        for axes, table in zip(panels, tables, strict=True):
            _draw_months(axes, table)
            _name_panel(axes, table)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=2)
    return figure


def _draw_months(axes: Axes, table: pd.DataFrame) -> None:
    time = pd.to_datetime(table["time"])
    spread, mean = "middle 80 % of cells", "mean of the area"
    if table.attrs["units"]["mean"] in _AMOUNTS:
        axes.bar(time, table["mean"], width=25, align="edge", color=CATEGORY[0], label=mean)
        middle = time + pd.Timedelta(days=12)
        axes.vlines(middle, table["cell_low"], table["cell_high"], color=INK, lw=0.6, label=spread)
        axes.set_ylim(bottom=0.0)
        return
    look: dict[str, Any] = {"color": CATEGORY[4], "alpha": 0.3, "lw": 0.0}
    axes.fill_between(time, table["cell_low"], table["cell_high"], label=spread, **look)
    axes.plot(time, table["mean"], color=CATEGORY[0], marker=".", ms=3, lw=1.1, label=mean)


def yearly_panels(tables: Sequence[pd.DataFrame]) -> Figure:
    """Draw years and growing seasons of several variables above each other.

    Parameters
    ----------
    tables : sequence of DataFrame
        Of :class:`headwater.variation.results.AnnualSeries`.

    Returns
    -------
    Figure
    """
    from matplotlib.ticker import MaxNLocator

    with house_style():
        figure = new_figure(7.4, 0.7 + 1.4 * len(tables))
        panels = figure.subplots(len(tables), 1, sharex=True, squeeze=False)[:, 0]
        for axes, table in zip(panels, tables, strict=True):
            for k, (period, own) in enumerate(table.groupby("period", sort=False)):
                _draw_years(axes, own, 0.12 * (2 * k - 1), CATEGORY[k], str(period))
            _name_panel(axes, table)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=2)
    return figure


def _draw_years(axes: Axes, own: pd.DataFrame, shift: float, color: str, period: str) -> None:
    place = own["year"] + shift
    low, high = own["cell_low"].to_numpy(), own["cell_high"].to_numpy()
    axes.vlines(place, low, high, color=color, lw=1.0, alpha=0.55)
    known = np.isfinite(own["mean"])
    look: dict[str, Any] = {
        "color": color,
        "ms": 4.0,
        "lw": 1.0,
        "label": _PERIODS.get(period, period),
    }
    axes.plot(place[known], own["mean"][known], "o-", **look)


def _name_panel(axes: Axes, table: pd.DataFrame) -> None:
    """Put the variable above its panel and the unit at its axis."""
    axes.set_title(str(table.attrs["long_name"]), fontsize=9)
    axes.set_ylabel(unit_label(str(table.attrs["units"]["mean"])), fontsize=8)
    axes.margins(x=0.02)
