"""How variation looks: the mean year, months and years, bands and zones, and maps of trends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.figures import CATEGORY, COLORMAP, INK, MUTED, house_style, new_figure
from headwater.grids.plots import map_figure, map_panels, quantity_label, unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from headwater.figures import Outline

__all__ = [
    "annual_series",
    "band_lines",
    "break_lines",
    "cv_map",
    "monthly_panels",
    "p_map",
    "season_maps",
    "seasonal_cycle",
    "seasonal_cycles",
    "trend_map",
    "yearly_panels",
    "zone_heat",
]

_MONTHS = "JFMAMJJASOND"
_MOST_BARS = 12
_WARMING = {"°C": "warming", "K": "warming"}
_AMOUNTS = {"mm", "kg m-2"}
"""Trends of temperature go from blue to red, those of water from brown to green."""


_ROW = 0.24
"""Height of a zone in the heat map [inch]."""


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
            axes.set_ylabel(unit_label(units[variable]))
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
        month,
        table["cell_low"],
        table["cell_high"],
        color=CATEGORY[4],
        alpha=0.25,
        lw=0,
        label=f"middle 80 % of {cells} cells",
    )
    axes.fill_between(
        month,
        table["year_low"],
        table["year_high"],
        color=color,
        alpha=0.35,
        lw=0,
        label=f"lowest to highest of {years} years",
    )
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
    years = np.unique(table["year"])
    draw = _year_band if years.size > _MOST_BARS else _year_bars
    with house_style():
        figure = new_figure(7.0, 3.4)
        axes = figure.add_subplot()
        for i, period in enumerate(periods):
            part, place = table[table["period"] == period], i - (len(periods) - 1) / 2
            draw(axes, part, place * 0.8 / len(periods), CATEGORY[i], names.get(period, period))
        axes.set_xticks(years[:: -(-years.size // 12)])
        axes.set_ylabel(_label(table, "mean"))
        if years.size <= _MOST_BARS:
            axes.errorbar([], [], [], fmt="none", ecolor=INK, label="middle 80 % of cells")
        figure.legend(loc="outside lower left", ncols=4)
    return figure


def _year_bars(axes: Axes, part: pd.DataFrame, shift: float, color: str, label: str) -> None:
    """Draw a few years as bars, or as points where an amount does not start from zero."""
    place, width = part["year"] + shift, 0.92 * (2 * abs(shift) or 0.8)
    below, above = part["mean"] - part["cell_low"], part["cell_high"] - part["mean"]
    spread = [np.maximum(side.to_numpy(), 0.0) for side in (below, above)]
    if part.attrs["units"]["mean"] in {"degC", "degF"}:
        axes.plot(place, part["mean"], "o", color=color, ms=5, label=label)
    else:
        axes.bar(place, part["mean"], width, color=color, alpha=0.85, label=label)
    axes.errorbar(place, part["mean"], spread, fmt="none", ecolor=INK, elinewidth=0.8)


def _year_band(axes: Axes, part: pd.DataFrame, shift: float, color: str, label: str) -> None:
    """Draw many years as a line with a band."""
    axes.fill_between(
        part["year"],
        part["cell_low"],
        part["cell_high"],
        color=color,
        alpha=0.2,
        lw=0,
        label=f"{label}, middle 80 % of cells",
    )
    axes.plot(part["year"], part["mean"], color=color, marker="o", ms=2.5, label=label)


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
    # the bright end of the map would be lost on white
    colors = colormaps["viridis"](np.linspace(0.0, 0.86, len(zones)))
    yearly = (
        "year" if table.loc[table["period"] == "year", "mean"].notna().any() else ("growing_season")
    )
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


def _label_ends(axes: Axes, names: list[str], colors: np.ndarray) -> None:
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
        for text, right, ink in (("●", 3, color), (name, 13, INK)):
            axes.annotate(
                text,
                (1.0, place),
                xycoords=("axes fraction", "data"),
                xytext=(right, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=ink,
                annotation_clip=False,
            )


def season_maps(data: xr.Dataset, outline: Outline | None = None) -> Figure:
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
    columns = 2 if len(titles) in {2, 4} else 3 if len(titles) <= 6 else 4
    named = f"{yearly.attrs.get('long_name', yearly.name)}, growing season"
    label = quantity_label(yearly.assign_attrs(long_name=named))
    return map_panels(
        yearly,
        titles=titles,
        columns=columns,
        quantity=str(data.attrs.get("variable", "")),
        outline=outline,
        label=label,
    )


def cv_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
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
        data["cv"], quantity="cv", label=f"Coefficient of variation, {scope}", outline=outline
    )


def trend_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
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
        data["slope"],
        quantity=_WARMING.get(units.split()[0] if units else "", "trend"),
        label=f"Trend, Sen's slope ({units})",
        outline=outline,
        stipple=_marks(data["significant"]),
    )


def p_map(data: xr.Dataset, outline: Outline | None = None) -> Figure:
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
        data["p"],
        quantity="p_value",
        label=f"p of {data.attrs.get('test', 'Mann-Kendall')}, each cell by itself",
        outline=outline,
        limits=(0.0, 1.0),
    )


def _marks(significant: xr.DataArray) -> xr.DataArray | None:
    """Stipples, or none where there is nothing to mark."""
    marked = significant.astype(bool)
    return marked if bool(marked.any()) else None


def _label(table: pd.DataFrame, column: str) -> str:
    units = unit_label(table.attrs["units"].get(column, ""))
    name = str(table.attrs["long_name"])
    return f"{name} ({units})" if units else name


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


def break_lines(table: pd.DataFrame) -> Figure:
    """Draw a yearly series with the means between its breaks, and the intervals of the breaks.

    Parameters
    ----------
    table : DataFrame
        Of :class:`headwater.variation.results.BreakTable`.

    Returns
    -------
    Figure
    """
    years, values = (np.asarray(table.attrs["series"][key]) for key in ("year", "mean"))
    own = table[(table["of"] == "mean") & table["time"].notna()]
    with house_style():
        figure = new_figure(7.0, 2.8)
        axes = figure.add_subplot()
        axes.plot(years, values, "o-", color=CATEGORY[0], markersize=3.5, lw=1.0)
        edges = [-np.inf, *own["time"], np.inf]
        for first, last in pairwise(edges):
            part = (years > first) & (years <= last)
            axes.plot(years[part], np.full(part.sum(), np.nanmean(values[part])), color=INK)
        for row in own.to_dict("records"):
            axes.axvspan(row["low"], row["high"], color=CATEGORY[4], alpha=0.2, lw=0)
            axes.axvline(row["time"] + 0.5, color=CATEGORY[5], lw=1.0, ls="--")
        units = unit_label(str(table.attrs["units"]["shift"]))
        name = str(table.attrs["long_name"])
        axes.set_ylabel(f"{name} ({units})" if units else name)
    return figure


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
