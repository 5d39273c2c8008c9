"""How correlation looks: maps over time, by lag and by month, and the matrix of maps."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.figures import INK, MUTED, grouped, house_style, new_figure
from headwater.grids.plots import map_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = [
    "correlation_map",
    "correlation_matrix",
    "correlation_panels",
    "lag_panels",
    "monthly_panels",
]

_FILL = "#f2f4f6"


def correlation_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the correlation of monthly values and of anomalies under one scale.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.results.CorrelationMap`.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    maps = {"": "Monthly values", "anomaly_": "Anomalies from the mean year"}
    present = {prefix: title for prefix, title in maps.items() if f"{prefix}r" in data}
    r, significant = (
        xr.concat([data[f"{prefix}{name}"] for prefix in present], "panel", coords="minimal")
        for name in ("r", "significant")
    )
    return map_panels(
        r,
        titles=list(present.values()),
        columns=2,
        quantity="correlation",
        label="Correlation r over time",
        outline=outline,
        limits=(-1.0, 1.0),
        stipple=_marks(significant),
    )


def correlation_panels(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the correlation with several factors under one scale.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.results.CorrelationPanels`.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    return map_panels(
        data["r"],
        titles=[str(name) for name in data["factor"].values],
        columns=3 if data.sizes["factor"] == 3 else 2,
        quantity="correlation",
        label=f"Correlation r of {data.attrs['of']} over time",
        outline=outline,
        limits=(-1.0, 1.0),
        stipple=_marks(data["significant"]),
    )


def monthly_panels(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the correlation over the years, a map for each month.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.results.MonthlyCorrelation`.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    titles = [calendar.month_name[int(month)] for month in data["month"].values]
    return map_panels(
        data["r"],
        titles=titles,
        columns=3,
        quantity="correlation",
        label="Correlation r over years",
        outline=outline,
        limits=(-1.0, 1.0),
        stipple=_marks(data["significant"]),
    )


def lag_panels(data: xr.Dataset, outline: Outline | None = None) -> Figure:
    """Draw the lag of the largest correlation with each factor under one scale.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.results.LagPanels`.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    return map_panels(
        data["best_lag"],
        titles=[str(name) for name in data["factor"].values],
        columns=3 if data.sizes["factor"] == 3 else 2,
        quantity="lag",
        label="Lag of the largest correlation (months)",
        outline=outline,
        limits=(0.0, float(data.attrs["longest"])),
        stipple=_marks(data["significant"]),
    )


def _marks(significant: xr.DataArray) -> xr.DataArray | None:
    """Stipples, or none where there is nothing to mark."""
    marked = significant.astype(bool)
    return marked if bool(marked.any()) else None


def correlation_matrix(table: pd.DataFrame) -> Figure:
    """Draw the spatial correlation of every pair of maps, and its two p-values side by side.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.variation.results.CorrelationMatrix`.

    Returns
    -------
    Figure
        Below the diagonal r with the p of the effective number of cells, which alone earns stars;
        above it, mirrored, the p as if cells were independent.
    """
    names = list(dict.fromkeys([*table["first"], *table["second"]]))
    known: dict[str, str] = table.attrs.get("long_names", {})
    labels = [known.get(name, name.replace("_", " ")) for name in names]
    place = {name: i for i, name in enumerate(names)}
    square = np.full((len(names), len(names)), np.nan)
    side = 1.7 + 0.74 * len(names)
    with house_style():
        figure = new_figure(side + 1.0, side)
        axes = figure.add_subplot()
        for row in table.to_dict("records"):
            i, j = place[row["second"]], place[row["first"]]
            square[i, j] = row["value"]
            _write_pair(axes, row, i, j)
        image = axes.imshow(square, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_xticks(range(len(names)), labels, rotation=40, ha="right")
        axes.set_yticks(range(len(names)), labels)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, shrink=0.6, pad=0.02)
        bar.set_label("Spatial correlation r (R, without sign, for aspect)")
        bar.outline.set_visible(False)
        axes.set_xlabel(
            "Below the diagonal: p of the nₑ independent cells (Dutilleul), * p < 0.05.\n"
            "Above: p as if all n cells were independent, which they are not.",
            color=MUTED,
            fontsize=8,
        )
    return figure


def _write_pair(axes: Axes, row: Mapping[Any, Any], i: int, j: int) -> None:
    from matplotlib.patches import Rectangle

    known = not np.isnan(row["value"])
    ink = "white" if known and abs(row["value"]) > 0.6 else INK
    sign = "" if row["statistic"] == "r" else f"{row['statistic']} "
    star = "*" if row["p_effective"] < 0.05 else ""
    axes.add_patch(Rectangle((i - 0.47, j - 0.47), 0.94, 0.94, fc=_FILL, ec="none"))
    if not known:
        axes.text(j, i, "–", ha="center", va="center", color=ink)
        return
    below = f"p {_p_text(row['p_effective'])}\nnₑ {_n_text(row['n_effective'])}"
    centred: dict[str, Any] = {"ha": "center", "linespacing": 1.25}
    axes.text(
        j,
        i - 0.1,
        f"{sign}{grouped(row['value'], 2)}{star}",
        fontsize=8.5,
        va="bottom",
        color=ink,
        **centred,
    )
    axes.text(j, i - 0.04, below, fontsize=6.6, va="top", color=ink, **centred)
    above = f"p {_p_text(row['p'])}\nn {_n_text(row['n'])}"
    axes.text(i, j, above, fontsize=6.6, va="center", color=MUTED, **centred)


def _p_text(p: float) -> str:
    if np.isnan(p):
        return "–"
    return f"= {p:.2g}" if p >= 0.001 else "< 0.001"


def _n_text(n: float) -> str:
    return "–" if np.isnan(n) else f"{n:.0f}"
