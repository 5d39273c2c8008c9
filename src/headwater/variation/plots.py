"""How variation looks: the mean year, the years, the bands, and maps of trend and correlation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.figures import CATEGORY, INK, MUTED, house_style, new_figure
from headwater.grids.plots import map_figure, map_panels, quantity_label, unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "annual_series",
    "band_lines",
    "correlation_map",
    "correlation_matrix",
    "correlation_panels",
    "cv_map",
    "p_map",
    "season_maps",
    "seasonal_cycle",
    "seasonal_cycles",
    "trend_map",
]

_MONTHS = "JFMAMJJASOND"


def seasonal_cycle(table: pd.DataFrame) -> Figure:
    """Draw the mean year with the spread of years and of cells.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.variation.results.SeasonalCycle`.

    Returns
    -------
    Figure
    """
    with house_style():
        figure = new_figure(7.0, 3.4)
        axes = figure.add_subplot()
        _draw_cycle(axes, table)
        axes.set_ylabel(_label(table, "mean"))
        figure.legend(loc="outside lower left", ncols=3)
    return figure


def seasonal_cycles(table: pd.DataFrame) -> Figure:
    """Draw the mean years of several variables in small panels.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.variation.results.SeasonalCycles`.

    Returns
    -------
    Figure
    """
    names, units = table.attrs["long_names"], table.attrs["units_of"]
    columns = 2 if len(names) in {2, 4} else min(3, len(names))
    rows = -(-len(names) // columns)
    with house_style():
        figure = new_figure(7.0, 2.1 * rows + 0.4)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (variable, name) in zip(panels, names.items(), strict=False):
            _draw_cycle(axes, table[table["variable"] == variable])
            axes.set_title(name, fontsize=9)
            axes.set_ylabel(unit_label(units[variable]) or "1")
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=3)
    return figure


def _draw_cycle(axes: Axes, table: pd.DataFrame) -> None:
    month, color = table["month"], CATEGORY[0]
    cells = int(table["cells"].max())
    fewest, most = int(table["years"].min()), int(table["years"].max())
    years = f"{most}" if fewest == most else f"up to {most}"
    axes.fill_between(
        month, table["cell_low"], table["cell_high"], color=CATEGORY[4], alpha=0.25, lw=0,
        label=f"middle 80 % of {cells} cells",
    )  # fmt: skip
    axes.fill_between(
        month, table["year_low"], table["year_high"], color=color, alpha=0.35, lw=0,
        label=f"lowest to highest of {years} years",
    )  # fmt: skip
    axes.plot(month, table["mean"], color=color, marker="o", ms=3, label="mean of the area")
    axes.set_xticks(range(1, 13), list(_MONTHS))
    axes.set_xlim(0.7, 12.3)


def annual_series(table: pd.DataFrame) -> Figure:
    """Draw years and growing seasons side by side, with the spread of cells.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.variation.results.AnnualSeries`.

    Returns
    -------
    Figure
    """
    periods = list(dict.fromkeys(table["period"]))
    names = {"year": "whole year", "growing_season": "growing season"}
    # a bar says "amount from zero", which an interval scale does not have
    bars = table.attrs["units"]["mean"] not in {"degC", "degF"}
    width = 0.8 / len(periods)
    with house_style():
        figure = new_figure(7.0, 3.4)
        axes = figure.add_subplot()
        for i, period in enumerate(periods):
            part = table[table["period"] == period]
            place = part["year"] + (i - (len(periods) - 1) / 2) * width
            spread = [part["mean"] - part["cell_low"], part["cell_high"] - part["mean"]]
            spread = [np.maximum(side, 0.0) for side in spread]
            color, label = CATEGORY[i], names.get(period, period)
            if bars:
                axes.bar(place, part["mean"], 0.92 * width, color=color, alpha=0.85, label=label)
            else:
                axes.plot(place, part["mean"], "o", color=color, ms=5, label=label)
            axes.errorbar(place, part["mean"], spread, fmt="none", ecolor=INK, elinewidth=0.8)
        years = np.unique(table["year"])
        axes.set_xticks(years[:: max(1, years.size // 12)])
        axes.set_ylabel(_label(table, "mean"))
        axes.errorbar([], [], [], fmt="none", ecolor=INK, label="middle 80 % of cells")
        figure.legend(loc="outside lower left", ncols=3)
    return figure


def band_lines(table: pd.DataFrame) -> Figure:
    """Draw a line for each elevation band: the mean year, and year by year.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.variation.results.BandSeries`.

    Returns
    -------
    Figure
    """
    from matplotlib import colormaps

    zones = list(dict.fromkeys(table["zone"]))
    colors = colormaps["cividis"](np.linspace(0.0, 0.8, len(zones)))
    yearly = "year" if table.loc[table["period"] == "year", "mean"].notna().any() else (
        "growing_season"
    )  # fmt: skip
    with house_style():
        figure = new_figure(7.4, 3.8)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.15, 1.0))
        for zone, color in zip(zones, colors, strict=True):
            own = table[table["zone"] == zone]
            month, year = own[own["period"] == "month"], own[own["period"] == yearly]
            left.plot(month["month_or_year"], month["mean"], color=color, marker="o", ms=2.5)
            right.plot(year["month_or_year"], year["mean"], color=color, marker="o", ms=3)
        left.set_xticks(range(1, 13), list(_MONTHS))
        left.set_title("Mean year", fontsize=9)
        left.set_ylabel(_label(table, "mean"))
        right.set_title("Whole years" if yearly == "year" else "Growing seasons", fontsize=9)
        _whole_years(right, table.loc[table["period"] == yearly, "month_or_year"])
        _label_ends(right, zones, colors)
    return figure


def _whole_years(axes: Axes, years: pd.Series[Any]) -> None:
    ticks = np.unique(years)
    axes.set_xticks(ticks[:: max(1, -(-ticks.size // 6))])


def _label_ends(axes: Axes, names: list[str], colors: Any) -> None:
    """Write each line's name at its end, moved apart where ends are close."""
    ends = []
    for name, line, color in zip(names, axes.lines, colors, strict=True):
        data = np.asarray(line.get_xydata(), dtype=float)
        valid = data[~np.isnan(data[:, 1])]
        if valid.size:
            ends.append((float(valid[-1, 1]), name, color))
    low, high = axes.get_ylim()
    gap, last = 0.06 * (high - low), -np.inf
    for value, name, color in sorted(ends, key=lambda end: end[0]):
        place = max(value, last + gap)
        last = place
        axes.annotate(
            name, (1.0, place), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=8, color=color,
            annotation_clip=False,
        )  # fmt: skip


def season_maps(data: xr.Dataset, outline: Any = None) -> Figure:
    """Draw the growing season of every year under one scale.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.results.SeasonMaps`.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    yearly = data["yearly"]
    titles = [str(year) for year in yearly["year"].values]
    columns = 2 if len(titles) <= 6 else 4
    named = f"{yearly.attrs.get('long_name', yearly.name)}, growing season"
    label = quantity_label(yearly.assign_attrs(long_name=named))
    return map_panels(
        yearly, titles=titles, columns=columns, quantity=str(data.attrs.get("variable", "")),
        outline=outline, label=label,
    )  # fmt: skip


def cv_map(data: xr.Dataset, outline: Any = None) -> Figure:
    """Draw the coefficient of variation.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.results.CVMap`.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    scope = str(data.attrs.get("scope", ""))
    return map_figure(
        data["cv"], quantity="cv", label=f"Coefficient of variation, {scope} (1)", outline=outline
    )


def trend_map(data: xr.Dataset, outline: Any = None) -> Figure:
    """Draw Sen's slope, dotted where significant.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.results.TrendMap`.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    units = unit_label(str(data["slope"].attrs.get("units", "")))
    return map_figure(
        data["slope"], quantity="trend", label=f"Trend, Sen's slope ({units})", outline=outline,
        stipple=_marks(data["significant"]),
    )  # fmt: skip


def p_map(data: xr.Dataset, outline: Any = None) -> Figure:
    """Draw the p-value of Mann-Kendall.

    Parameters
    ----------
    data : Dataset
        Of :class:`headwater.variation.results.TrendMap`.
    outline : Area, optional
        Drawn as a line.

    Returns
    -------
    Figure
    """
    return map_figure(
        data["p"], quantity="p_value", label="p of Mann-Kendall, each cell by itself",
        outline=outline, limits=(0.0, 1.0),
    )  # fmt: skip


def correlation_map(data: xr.Dataset, outline: Any = None) -> Figure:
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
        r, titles=list(present.values()), columns=2, quantity="correlation",
        label="Correlation r over time", outline=outline, limits=(-1.0, 1.0),
        stipple=_marks(significant),
    )  # fmt: skip


def correlation_panels(data: xr.Dataset, outline: Any = None) -> Figure:
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
        data["r"], titles=[str(name) for name in data["factor"].values], columns=2,
        quantity="correlation", label=f"Correlation r of {data.attrs['of']} over time",
        outline=outline, limits=(-1.0, 1.0), stipple=_marks(data["significant"]),
    )  # fmt: skip


def _marks(significant: xr.DataArray) -> xr.DataArray | None:
    """Stipples, or none where there is nothing to mark."""
    marked = significant.astype(bool)
    return marked if bool(marked.any()) else None


def correlation_matrix(table: pd.DataFrame) -> Figure:
    """Draw the spatial correlation of every pair of maps.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.variation.results.CorrelationMatrix`.

    Returns
    -------
    Figure
    """
    names = list(dict.fromkeys([*table["first"], *table["second"]]))
    known: dict[str, str] = table.attrs.get("long_names", {})
    labels = [known.get(name, name.replace("_", " ")) for name in names]
    place = {name: i for i, name in enumerate(names)}
    square = np.full((len(names), len(names)), np.nan)
    side = 1.9 + 0.62 * len(names)
    with house_style():
        figure = new_figure(side + 1.2, side)
        axes = figure.add_subplot()
        for row in table.to_dict("records"):
            i, j = place[row["second"]], place[row["first"]]
            square[i, j] = row["value"]
            axes.text(j, i, _cell_text(row), ha="center", va="center", fontsize=7,
                      color="white" if abs(row["value"]) > 0.6 else INK)  # fmt: skip
        image = axes.imshow(square[1:, :-1], cmap="RdBu_r", vmin=-1, vmax=1,
                            extent=(-0.5, len(names) - 1.5, len(names) - 0.5, 0.5))  # fmt: skip
        axes.set_xticks(range(len(names) - 1), labels[:-1], rotation=40, ha="right")
        axes.set_yticks(range(1, len(names)), labels[1:])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, shrink=0.7, pad=0.02)
        bar.set_label("Spatial correlation r (R, without sign, for aspect)")
        bar.outline.set_visible(False)
        low, high = int(table["n"].min()), int(table["n"].max())
        count = f"{low}" if low == high else f"{low} to {high}"
        axes.set_xlabel(f"n = {count} cells; * p < 0.05 if cells were independent, which they "
                        "are not", color=MUTED, fontsize=8)  # fmt: skip
    return figure


def _cell_text(row: Mapping[Any, Any]) -> str:
    if np.isnan(row["value"]):
        return "–"
    star = "*" if row["p"] < 0.05 else ""
    return f"{'R ' if row['statistic'] == 'R' else ''}{row['value']:.2f}{star}"


def _label(table: pd.DataFrame, column: str) -> str:
    units = unit_label(table.attrs["units"].get(column, ""))
    name = str(table.attrs["long_name"])
    return f"{name} ({units})" if units else name
