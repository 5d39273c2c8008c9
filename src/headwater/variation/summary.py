"""The key figures of a variable: means, variation by scope, and trend of the area mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import DataError
from headwater.grids.geometry import cell_area
from headwater.results import of_inputs
from headwater.variation import cv
from headwater.variation._maps import name_of
from headwater.variation.aggregation import area_series
from headwater.variation.mean_year import climatology
from headwater.variation.results import Summary
from headwater.variation.trend.compare import recommended_trend, trends

__all__ = ["key_figures", "summary_table"]

COLUMNS = ("variable", "statistic", "period", "value", "low", "high", "units", "p", "n", "of")
_PERIODS = {"year": "year", "growing_season": "growing season"}
_TRENDS = {
    "persistent": "trend (Sen, Mann-Kendall for AR(1))",
    "mann_kendall": "trend (Sen, Mann-Kendall)",
    "ols": "trend (least squares)",
}
Row = dict[str, Any]


@of_inputs
def summary_table(rows: list[Row], *, left_out: Sequence[str] = ()) -> Summary:
    """Gather rows of :func:`key_figures` into one table.

    Parameters
    ----------
    rows : list of dict
        Of several variables.
    left_out : sequence of str
        Sentences on variables that are not described.

    Returns
    -------
    Summary
    """
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs["units"] = {"p": "1", "n": "1"}
    return Summary(
        table,
        "Key figures of the area mean: means, coefficients of variation by scope, and trends with "
        "95 % intervals (Sen; least squares next to it).",
        cautions=tuple(left_out),
    )


def key_figures(
    monthly: xr.DataArray | None,
    yearly: Mapping[str, xr.DataArray],
    *,
    min_coverage: float = 0.8,
) -> list[Row]:
    """Compute the key figures of a variable.

    Parameters
    ----------
    monthly : DataArray (time, y, x) or None
        One value per month; None where there is one per year only.
    yearly : mapping of period to DataArray (time, y, x)
        ``year`` and ``growing_season`` values.
    min_coverage : float
        Least share [1] of the area with data.

    Returns
    -------
    list of dict
        One per statistic, with keys of :class:`headwater.variation.results.Summary`.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`headwater.variation.aggregation.area_series`.
    """
    cubes = {**({} if monthly is None else {"month": monthly}), **yearly}
    first = next(iter(cubes.values()))
    area = cell_area(first)
    series = {
        period: area_series(cube, area, min_coverage=min_coverage)["mean"].load()
        for period, cube in cubes.items()
    }
    rows = []
    for period in yearly:
        rows += _level(series[period], _PERIODS[period])
    rows += _variation(series, yearly, area)
    for period in yearly:
        rows += _trends(series[period], _PERIODS[period])
    units = str(first.attrs.get("units", ""))
    per_year = f"{units} year-1" if units != "1" else "year-1"
    own = {"": units, "per year": per_year}
    return [
        {"variable": name_of(first), **row, "units": own.get(row["units"], row["units"])}
        for row in rows
    ]


def _row(statistic: str, period: str, value: Any, n: Any, of: str, **more: Any) -> Row:
    blank = {"low": np.nan, "high": np.nan, "p": np.nan, "units": ""}
    own = {"statistic": statistic, "period": period, "value": float(value)}
    return {**own, "n": int(n), "of": of, **blank, **more}


def _level(series: xr.DataArray, period: str) -> list[Row]:
    values = series.values[~np.isnan(series.values)]
    if not values.size:
        return [_row("mean", period, np.nan, 0, "years")]
    low, high = float(values.min()), float(values.max())
    rows = [_row("mean", period, values.mean(), values.size, "years", low=low, high=high)]
    if values.size > 1:
        spread = values.std(ddof=1)
        rows.append(_row("standard deviation", period, spread, values.size, "years"))
    return rows


def _variation(
    series: Mapping[str, xr.DataArray], yearly: Mapping[str, xr.DataArray], area: xr.DataArray
) -> list[Row]:
    rows = []
    if "month" in series:
        mean_year = climatology(series["month"])["mean"]
        months = mean_year.values[~np.isnan(mean_year.values)]
        if months.size > 1:
            spread = months.std(ddof=1)
            rows.append(_row("standard deviation", "mean year", spread, months.size, "months"))
    try:
        cv.check_ratio_scale(next(iter(series.values())))
    except DataError:
        return rows
    for period in yearly:
        found = cv.interannual_cv(series[period])
        rows.append(_ratio("interannual CV", _PERIODS[period], found, "years"))
        found = cv.interannual_cv(series[period], robust=True)
        rows.append(_ratio("interannual CV, robust", _PERIODS[period], found, "years"))
    if "month" in series:
        rows.append(_ratio("monthly CV", "mean year", cv.monthly_cv(series["month"]), "months"))
    period = "growing_season" if "growing_season" in yearly else "year"
    mean_map = yearly[period].mean("time", keep_attrs=True)
    rows.append(_ratio("spatial CV", _PERIODS[period], cv.spatial_cv(mean_map, area), "cells"))
    return rows


def _ratio(statistic: str, period: str, found: xr.Dataset, of: str) -> Row:
    return _row(statistic, period, found["cv"], found["n"], of, units="1")


def _trends(series: xr.DataArray, period: str) -> list[Row]:
    found = trends(series, [*_suited(series), "mann_kendall", "ols"]).data
    n = int(found["n"].max())
    if n < 3:
        return []
    rows = []
    for name in found["test"].values:
        one = found.sel(test=name, drop=True)
        limits = {"low": float(one["slope_low"]), "high": float(one["slope_high"])}
        more = {**limits, "p": float(one["p"]), "units": "per year"}
        rows.append(_row(_TRENDS[str(name)], period, one["slope"], n, "years", **more))
    return rows


def _suited(series: xr.DataArray) -> list[str]:
    """Name the test that allows for persistence, where the series is long enough for it."""
    return [name for name in [recommended_trend(series)] if name == "persistent"]
