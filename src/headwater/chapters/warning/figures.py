"""How early warning looks: states on the map, days of drought, a timeline, and evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure
from headwater.grids.plots import map_figure, map_panels, unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = ["drought_panels", "evidence", "state_map", "timeline"]

_COLORS = {
    "watch": "#F0E442",
    "warning": "#E69F00",
    "confirmed": "#D55E00",
    "restored": "#009E73",
}
_ORDER = ("none", "restored", "watch", "warning", "confirmed")
"""States in the order of their colours, from pale to dark."""


def state_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the state of each cell that stands out, at the end of the record.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.chapters.warning.results.StateMap`.
    outline : geometry, optional

    Returns
    -------
    Figure
    """
    state = data["state"]
    shown = state.where((state < 1) | (data["shown"] == 1), 0)
    drawn = xr.full_like(state, np.nan, dtype=np.float64)
    for code, name in enumerate(data.attrs["states"]):
        drawn = drawn.where(shown != code, float(_ORDER.index(name)))
    return map_figure(
        drawn.rename("state").assign_attrs(long_name="State"),
        quantity="warning_state",
        categories=_ORDER,
        outline=outline,
        title=f"{data.attrs['of']}: state on {data.attrs['last_day']}",
    )


def drought_panels(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the days of drought of each season.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.chapters.warning.results.DroughtMap`.
    outline : geometry, optional

    Returns
    -------
    Figure
    """
    days = data["days"].isel(season=slice(-8, None))
    highest = max(float(days.max()), 1.0)
    return map_panels(
        days,
        titles=[str(one) for one in days["season"].values],
        columns=3,
        quantity="drought",
        label="Days of drought (d)",
        outline=outline,
        limits=(0.0, highest),
    )


def timeline(table: pd.DataFrame) -> Figure:
    """Draw shares of cells by state, degradation above and drought below.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.chapters.warning.results.Timeline`.

    Returns
    -------
    Figure
    """
    quantities = list(dict.fromkeys(table["quantity"]))
    with house_style():
        figure = new_figure(7.0, 1.0 + 1.7 * len(quantities))
        panels = figure.subplots(len(quantities), 1, sharex=True, squeeze=False)[:, 0]
        for axes, quantity in zip(panels, quantities, strict=True):
            own = table[table["quantity"] == quantity]
            if quantity == "degradation":
                wide = own.pivot_table(index="date", columns="state", values="share")
                names = [name for name in _COLORS if name in wide]
                stacked = [100 * wide[name].to_numpy() for name in names]
                colors = [_COLORS[name] for name in names]
                axes.stackplot(wide.index, stacked, labels=names, colors=colors, step="post")
            else:
                # a drought does not outlast its season: nothing is drawn over the winter
                gap = own["date"].diff(-1) < -pd.Timedelta(days=60)
                axes.fill_between(
                    own["date"],
                    100 * own["share"].mask(gap, 0.0),
                    step="post",
                    color=CATEGORY[0],
                    alpha=0.6,
                    label="drought",
                    lw=0,
                )
            axes.set_ylabel("cells (%)")
            axes.set_title(quantity.capitalize(), fontsize=9)
            axes.set_ylim(bottom=0)
            axes.axvline(pd.Timestamp(table.attrs["split"]), color=MUTED, lw=0.8, ls="--")
            axes.legend(loc="upper left", ncols=4)
    return figure


def evidence(table: pd.DataFrame) -> Figure:
    """Draw what was observed and expected of each alert, and its chart.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.chapters.warning.results.EvidenceTable`.

    Returns
    -------
    Figure
    """
    alerts = list(dict.fromkeys(table["alert"]))[:4]
    states = table.attrs.get("states", {})
    with house_style():
        figure = new_figure(7.0, 0.6 + 2.3 * len(alerts))
        panels = figure.subplots(
            2 * len(alerts), 1, sharex=True, squeeze=False, height_ratios=[3, 1.2] * len(alerts)
        )[:, 0]
        for at, number in enumerate(alerts):
            own = _with_gaps(table[table["alert"] == number])
            words = states.get(str(number), "")
            _draw_series(panels[2 * at], own, table, f"Alert {number}: {words}")
            _draw_chart(panels[2 * at + 1], own)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=4)
    return figure


def _with_gaps(own: pd.DataFrame) -> pd.DataFrame:
    """Break lines over winters."""
    gap = own["date"].diff() > pd.Timedelta(days=90)
    empty = own[gap].assign(date=own.loc[gap, "date"] - pd.Timedelta(days=30))
    columns = ["observed", "expected", "low", "high", "statistic"]
    empty[columns] = np.nan
    return pd.concat([own, empty]).sort_values("date")


def _draw_series(axes: Any, own: pd.DataFrame, table: pd.DataFrame, title: str) -> None:
    axes.fill_between(
        own["date"],
        own["low"],
        own["high"],
        color=CATEGORY[4],
        alpha=0.3,
        lw=0,
        label="95 % of single healthy observations",
    )
    axes.plot(own["date"], own["expected"], color=CATEGORY[0], lw=1.0, label="expected")
    axes.plot(own["date"], own["observed"], color=INK, marker="o", ms=2, lw=0.7, label="observed")
    axes.axvline(pd.Timestamp(table.attrs["split"]), color=MUTED, lw=0.8, ls="--")
    axes.set_title(title, fontsize=9)
    unit = unit_label(table.attrs["units"]["observed"])
    name = table.attrs["of"]
    axes.set_ylabel(f"{name} ({unit})" if unit else name, fontsize=8)


def _draw_chart(axes: Axes, own: pd.DataFrame) -> None:
    axes.plot(own["date"], own["statistic"], color=CATEGORY[5], lw=1.2)
    axes.axhline(1.0, color=MUTED, lw=0.8, ls=":")
    axes.set_ylim(0, 2.1)
    axes.set_ylabel("chart /\nthreshold", fontsize=7)
