"""How tests of a trend look side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure
from headwater.grids.plots import map_panels, unit_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = ["family_intervals", "family_maps"]

_NAMES = {
    "persistent": "Mann-Kendall, AR(1)",
    "mann_kendall": "Mann-Kendall",
    "seasonal_correlated": "seasonal, correlated",
    "seasonal": "seasonal, independent",
    "hamed_rao": "Hamed-Rao",
    "yue_wang": "Yue-Wang",
    "prewhitened": "prewhitened",
    "prewhitened_iterative": "prewhitened, iterative",
    "trend_free": "prewhitened, trend-free",
    "ols": "least squares",
    "ols_ar1": "least squares, AR(1)",
    "ols_newey_west": "least squares, Newey-West",
}


def family_intervals(data: xr.Dataset) -> Figure:
    """Draw the slope of a series by every test, with its interval and its p.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.trend.compare.TrendFamily`, without cells.

    Returns
    -------
    Figure
    """
    names = [str(name) for name in data["test"].values]
    rows = np.arange(len(names))[::-1]
    best = str(data.attrs["recommended"])
    with house_style():
        figure = new_figure(7.0, 1.3 + 0.27 * len(names))
        axes = figure.add_subplot()
        axes.axvline(0.0, color=MUTED, lw=0.8, ls=":")
        for row, name in zip(rows, names, strict=True):
            one = data.sel(test=name)
            slope, low, high, p = (
                float(one[k].values.ravel()[0]) for k in ("slope", "slope_low", "slope_high", "p")
            )
            color = CATEGORY[5] if name == best else CATEGORY[0]
            axes.plot([low, high], [row, row], color=color, lw=2.4 if name == best else 1.4)
            axes.plot(slope, row, "o", color=color, ms=6 if name == best else 4.5)
            text = "p –" if np.isnan(p) else (f"p {p:.3f}" if p >= 0.001 else "p < 0.001")
            axes.annotate(
                text,
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8,
                color=INK,
                weight="bold" if name == best else "normal",
                annotation_clip=False,
            )
        axes.set_yticks(rows, [_NAMES.get(name, name) for name in names])
        for label, name in zip(axes.get_yticklabels(), names, strict=True):
            label.set_fontweight("bold" if name == best else "normal")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-0.7, len(names) - 0.3)
        units = unit_label(str(data.attrs["units_per_year"]))
        share = f"{100 * float(data.attrs['level']):g} %"
        axes.set_xlabel(f"Trend ({units}) with {share} interval; in bold the test to believe")
    return figure


def family_maps(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw p of every test as a map, dotted where significant.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.trend.compare.TrendFamily`, with dims y and x.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    names = [str(name) for name in data["test"].values]
    best = str(data.attrs["recommended"])
    titles = [f"{_NAMES.get(name, name)}{' *' if name == best else ''}" for name in names]
    marked = data["significant"].astype(bool)
    return map_panels(
        data["p"],
        titles=titles,
        columns=min(3, len(names)),
        quantity="p_value",
        label="p of the trend, each cell by itself (* the test to believe)",
        outline=outline,
        limits=(0.0, 1.0),
        stipple=marked if bool(marked.any()) else None,
    )
