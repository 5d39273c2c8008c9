"""Figures of stations: where each agrees how well, and the spread over stations by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = ["draw_boxes", "draw_stations"]

_LABELS = {
    "bias": "Bias (m³ m⁻³)",
    "ubrmsd": "Unbiased RMSD (m³ m⁻³)",
    "pearson": "Pearson R",
}
_MAPS = {"pearson": "viridis", "ubrmsd": "viridis_r"}


def draw_boxes(table: pd.DataFrame, *, strata: pd.Series[str] | None = None) -> Figure:
    """Draw the spread over stations of bias, unbiased RMSD and correlation.

    Parameters
    ----------
    table : DataFrame
        Of a :class:`headwater.validation.scorecards.Scorecard`: a box for all stations, and one for
        each series of anomalies.
    strata : Series of str, optional
        Stratum by station: a box each.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no station has a measure.
    """
    own = table[(table["grouping"] == "station") & table["measure"].isin(_LABELS)]
    if own["value"].notna().sum() == 0:
        raise DataError("no station has a measure", found="an empty table", do="Match more days")
    groups = [(name, own[own["series"] == name]) for name in dict.fromkeys(own["series"])]
    if strata is not None:
        raw = own[own["series"] == "raw"]
        for label in dict.fromkeys(strata.dropna()):
            names = strata.index[strata == label]
            groups.append((str(label), raw[raw["group"].isin(names)]))
    with house_style():
        figure = new_figure(7.6, 1.3 + 0.36 * len(groups))
        panels = figure.subplots(1, len(_LABELS), sharey=True)
        places = np.arange(len(groups))[::-1]
        for axes, (measure, label) in zip(panels, _LABELS.items(), strict=True):
            values = [
                rows.loc[rows["measure"] == measure, "value"].dropna().to_numpy()
                for _, rows in groups
            ]
            axes.boxplot(
                values,
                positions=places,
                orientation="horizontal",
                whis=(0, 100),
                widths=0.55,
                medianprops={"color": CATEGORY[1]},
            )
            axes.set_xlabel(label)
        counts = [rows["group"].nunique() for _, rows in groups]
        ticks = [f"{name}  ({n})" for (name, _), n in zip(groups, counts, strict=True)]
        panels[0].set_yticks(places, ticks)
        panels[0].axvline(0.0, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
    return figure


def draw_stations(table: pd.DataFrame, *, outline: Outline | None = None) -> Figure:
    """Draw correlation and unbiased RMSD of each station where it stands.

    Parameters
    ----------
    table : DataFrame
        ``longitude``, ``latitude`` [degrees], ``pearson`` and ``ubrmsd`` of each station.
    outline : shapely geometry, or object with ``.geometry``, optional
        Of the study area, in degrees.

    Returns
    -------
    Figure
    """
    from headwater.grids._cartography import add_outline

    with house_style():
        figure = new_figure(7.6, 3.4)
        for axes, (measure, colors) in zip(figure.subplots(1, 2), _MAPS.items(), strict=True):
            own = table.dropna(subset=[measure])
            bare = table[table[measure].isna()]
            axes.plot(bare["longitude"], bare["latitude"], "x", color=MUTED, markersize=4)
            marks = axes.scatter(
                own["longitude"],
                own["latitude"],
                c=own[measure],
                cmap=colors,
                edgecolors=INK,
                linewidths=0.4,
                s=34,
                zorder=4,
            )
            if outline is not None and _in_degrees(outline):
                add_outline(axes, outline)
            figure.colorbar(marks, ax=axes, shrink=0.8, label=_LABELS[measure])
            axes.set(xlabel="Longitude (°)", ylabel="Latitude (°)")
            axes.set_aspect(1.0 / np.cos(np.deg2rad(float(table["latitude"].mean()))))
    return figure


def _in_degrees(outline: Outline | None) -> bool:
    shape: Any = getattr(outline, "geometry", outline)
    west, south, east, north = shape.bounds
    return bool(max(abs(west), abs(east)) <= 360 and max(abs(south), abs(north)) <= 90)
