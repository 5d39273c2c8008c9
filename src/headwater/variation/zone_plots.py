"""How the parts of an area look beside each other: zones by months."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headwater.figures import COLORMAP, MUTED, house_style, new_figure
from headwater.grids.plots import unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["zone_heat"]

_MONTHS = "JFMAMJJASOND"
_ROW = 0.24


def zone_heat(table: pd.DataFrame) -> Figure:
    """Draw zones by months, one panel for each division, under one scale.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.variation.results.ZoneSeries`.

    Returns
    -------
    Figure
    """
    groups = dict(tuple(table.groupby("division", sort=False)))
    rows = [group["zone"].nunique() for group in groups.values()]
    limits = (float(table["mean"].min()), float(table["mean"].max()))
    variable = str(table.attrs.get("variable", ""))
    units = unit_label(str(table.attrs["units"]["mean"]))
    name = str(table.attrs["long_name"])
    with house_style():
        figure = new_figure(7.0, _ROW * sum(rows) + 0.34 * len(rows) + 0.5)
        panels = figure.subplots(len(rows), 1, height_ratios=rows, sharex=True, squeeze=False)[:, 0]
        for axes, (division, group) in zip(panels, groups.items(), strict=True):
            image = _heat(axes, group, limits, COLORMAP.get(variable, "viridis"))
            axes.set_title(str(division), fontsize=9)
        panels[-1].set_xticks(range(12), list(_MONTHS))
        bar = figure.colorbar(image, ax=list(panels), pad=0.02, aspect=24)
        bar.set_label(f"{name} ({units})" if units else name)
        bar.outline.set_visible(False)
    return figure


def _heat(axes: Axes, group: pd.DataFrame, limits: tuple[float, float], colors: str) -> AxesImage:
    from matplotlib import colormaps

    zones = list(dict.fromkeys(group["zone"]))
    square = np.full((len(zones), 12), np.nan)
    for row in group.to_dict("records"):
        square[zones.index(row["zone"]), int(row["month"]) - 1] = row["mean"]
    cmap = colormaps[colors].with_extremes(bad="#e3e6ea")
    image = axes.imshow(square, cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto")
    cells = group.groupby("zone", sort=False)["cells"].max()
    axes.set_yticks(range(len(zones)), zones)
    for i, zone in enumerate(zones):
        axes.text(11.65, i, f"n = {int(cells[zone])}", va="center", fontsize=7, color=MUTED)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image
