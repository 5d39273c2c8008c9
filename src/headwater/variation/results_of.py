"""From monthly and yearly cubes to the results of this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import DataError
from headwater.grids.geometry import cell_area
from headwater.grids.zonal import zone_quantiles
from headwater.grids.zones import Zones
from headwater.inference import fdr, moments
from headwater.inference.significance import field_statement
from headwater.results import of_inputs
from headwater.variation import cv, results
from headwater.variation._maps import maps_of, name_of, words
from headwater.variation.aggregation import area_series, band_series
from headwater.variation.calendar import check_time
from headwater.variation.mean_year import climatology
from headwater.variation.trend import classic as trend
from headwater.variation.trend.compare import TREND_WORDS, recommended_trend, trends

__all__ = [
    "annual_series",
    "bands_through_time",
    "cv_map",
    "monthly_series",
    "season_maps",
    "seasonal_cycle",
    "seasonal_cycles",
    "trend_map",
    "zone_seasons",
]

REFERENCES = {
    "fdr": "Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate. Journal of "
    "the Royal Statistical Society B 57, 289-300. doi:10.1111/j.2517-6161.1995.tb02031.x",
}
_MIDDLE = (0.1, 0.9)
_ZONE_COLUMNS = ("division", "zone", "month", "mean", "cell_low", "cell_high", "cells", "years")
_SHORT = 10
_POOLED = (
    "The test of each cell is that of the mean ranks of its neighbourhood (contextual "
    "Mann-Kendall); slopes are those of the cell."
)
_TWICE = ", twice the level wanted (Wilks)"
_TESTED = {
    "persistent": "p and interval from tables of AR(1) series of as many values, given the "
    "autocorrelation of the residuals",
    "mann_kendall": "years count as independent",
    "seasonal_correlated": "month by month, the months correlated",
}


@of_inputs
def seasonal_cycle(monthly: xr.DataArray, *, min_coverage: float = 0.8) -> results.SeasonalCycle:
    """Describe the mean year of an area.

    Parameters
    ----------
    monthly : DataArray (time, y, x)
        One value per month, on a grid with a reference system.
    min_coverage : float
        Least share [1] of the area with data in a month.

    Returns
    -------
    SeasonalCycle

    Raises
    ------
    TimeAxisError, DataError
        As :func:`headwater.variation.climatology`.
    """
    series = area_series(monthly, cell_area(monthly), min_coverage=min_coverage)["mean"].load()
    month = np.asarray(check_time(monthly).month)
    mean_year = climatology(monthly)["mean"].load()
    rows = []
    for m in range(1, 13):
        years = series.values[month == m]
        years = years[~np.isnan(years)]
        cells = mean_year.sel(month=m).values
        mean, low, high = (f(years) if years.size else np.nan for f in (np.mean, np.min, np.max))
        rows.append((m, mean, low, high, *_middle(cells), years.size, _count(cells)))
    columns = ["month", "mean", "year_low", "year_high", "cell_low", "cell_high", "years", "cells"]
    table = _table(monthly, rows, columns, columns[1:6])
    return results.SeasonalCycle(
        table,
        "Mean of each month over the area (cells weighted by their area), then over the years.",
        choices=(_coverage_choice(monthly, min_coverage),),
    )


@of_inputs
def seasonal_cycles(cycles: Mapping[str, results.SeasonalCycle]) -> results.SeasonalCycles:
    """Gather the mean years of several variables.

    Parameters
    ----------
    cycles : mapping of SeasonalCycle
        By variable.

    Returns
    -------
    SeasonalCycles
    """
    parts = [cycle.data.assign(variable=name) for name, cycle in cycles.items()]
    table = pd.concat(parts, ignore_index=True)
    table.attrs = {
        "long_names": {name: cycle.data.attrs["long_name"] for name, cycle in cycles.items()},
        "units_of": {name: cycle.data.attrs["units"]["mean"] for name, cycle in cycles.items()},
    }
    return results.SeasonalCycles(table, next(iter(cycles.values())).method)


@of_inputs
def annual_series(
    yearly: Mapping[str, xr.DataArray], *, min_coverage: float = 0.8
) -> results.AnnualSeries:
    """Describe every year and growing season of an area.

    Parameters
    ----------
    yearly : mapping of period to DataArray (time, y, x)
        ``year`` and ``growing_season`` values, as :func:`headwater.variation.aggregate` gives them.
    min_coverage : float
        Least share [1] of the area with data in a year.

    Returns
    -------
    AnnualSeries

    Raises
    ------
    TimeAxisError, DataError
        If times cannot be trusted; for angles and classes.
    """
    rows: list[tuple[Any, ...]] = []
    for period, cube in yearly.items():
        found = area_series(cube, cell_area(cube), min_coverage=min_coverage).load()
        years = np.asarray(check_time(cube).year)
        for i, (year, values) in enumerate(zip(years, maps_of(cube), strict=True)):
            one = found.isel(time=i)
            mean, coverage, cells = (float(one[k]) for k in ("mean", "coverage", "n"))
            spread = _middle(values)
            rows.append((period, int(year), mean, *spread, int(cells), coverage))
    first = next(iter(yearly.values()))
    columns = ["period", "year", "mean", "cell_low", "cell_high", "cells", "coverage"]
    table = _table(first, rows, columns, columns[2:5])
    return results.AnnualSeries(
        table,
        "Mean over the area of every year and growing season, cells weighted by their area.",
        choices=(_coverage_choice(first, min_coverage),),
    )


@of_inputs
def monthly_series(monthly: xr.DataArray, *, min_coverage: float = 0.8) -> results.MonthlySeries:
    """Describe every month of an area.

    Parameters
    ----------
    monthly : DataArray (time, y, x)
        One value per month, on a grid with a reference system.
    min_coverage : float
        Least share [1] of the area with data in a month.

    Returns
    -------
    MonthlySeries

    Raises
    ------
    TimeAxisError, DataError
        As :func:`headwater.variation.aggregation.area_series`.
    """
    found = area_series(monthly, cell_area(monthly), min_coverage=min_coverage).load()
    index = check_time(monthly)
    rows = []
    months = zip(index.year, index.month, maps_of(monthly), strict=True)
    for i, (year, month, values) in enumerate(months):
        spread = _middle(values)
        mean, coverage, cells = (float(found[k][i]) for k in ("mean", "coverage", "n"))
        first = pd.Timestamp(year=int(year), month=int(month), day=1)
        rows.append((first, mean, *spread, int(cells), coverage))
    columns = ["time", "mean", "cell_low", "cell_high", "cells", "coverage"]
    table = _table(monthly, rows, columns, columns[1:4])
    return results.MonthlySeries(
        table,
        "Mean over the area of every month, cells weighted by their area.",
        choices=(_coverage_choice(monthly, min_coverage),),
    )


@of_inputs
def bands_through_time(
    monthly: xr.DataArray,
    yearly: Mapping[str, xr.DataArray],
    zones: Zones,
    *,
    min_coverage: float = 0.8,
) -> results.BandSeries:
    """Describe the mean year and the years of elevation bands.

    Parameters
    ----------
    monthly : DataArray (time, y, x)
        One value per month.
    yearly : mapping of period to DataArray (time, y, x)
        As in :func:`annual_series`.
    zones : Zones
        Elevation bands of the same cells.
    min_coverage : float
        Least share [1] of a band's area with data.

    Returns
    -------
    BandSeries

    Raises
    ------
    TimeAxisError, DataError
        As :func:`headwater.variation.aggregation.band_series`.
    """
    area = cell_area(monthly)
    parts = []
    for period, cube in {"month": monthly, **yearly}.items():
        found = band_series(cube, zones, area, min_coverage=min_coverage).load()
        frame = found[["mean", "n"]].to_dataframe().reset_index()
        index = check_time(cube)
        number = index.month if period == "month" else index.year
        frame["number"] = np.repeat(np.asarray(number), zones.count)
        mean = frame.groupby(["zone", "number"], sort=True)
        part = mean.agg(mean=("mean", "mean"), cells=("n", "max"), values=("mean", "count"))
        parts.append(part.reset_index().assign(period=period))
    joined = pd.concat(parts, ignore_index=True)
    order = joined["zone"].map({name: i for i, name in enumerate(zones.names)})
    joined = joined.assign(order=order).sort_values(["period", "order", "number"])
    rows = list(
        joined[["period", "zone", "number", "mean", "cells", "values"]].itertuples(index=False)
    )
    columns = ["period", "zone", "month_or_year", "mean", "cells", "values"]
    table = _table(monthly, rows, columns, ["mean"])
    table.attrs["zones"] = list(zones.names)
    return results.BandSeries(
        table,
        "Means over elevation bands, cells weighted by their area.",
        choices=(f"Elevation bands: {', '.join(zones.names)}.",),
    )


@of_inputs
def zone_seasons(
    monthly: xr.DataArray, divisions: Mapping[str, Zones], *, min_coverage: float = 0.8
) -> results.ZoneSeries:
    """Describe the mean year of every zone of one or more divisions of the area.

    Parameters
    ----------
    monthly : DataArray (time, y, x)
        One value per month, on a grid with a reference system.
    divisions : mapping of str to Zones
        By name, e.g. ``{"Elevation": bands, "Aspect": sectors, "Vegetation": classes}``.
    min_coverage : float
        Least share [1] of a zone's area with data in a month.

    Returns
    -------
    ZoneSeries

    Raises
    ------
    DataError
        Without a division; for angles and classes, infinite values, or other cells.
    TimeAxisError
        If times cannot be trusted.

    Notes
    -----
    The mean of a zone is that of its cells by area, then of the years; ``cell_low`` and
    ``cell_high`` are the area-weighted 10th and 90th percentile of its long-term monthly means.
    """
    if not divisions:
        raise DataError("no zones", found="no division of the area", do="Give at least one")
    area, month = cell_area(monthly), np.asarray(check_time(monthly).month)
    mean_year = climatology(monthly)["mean"].rename(month="time").load()
    parts = []
    for division, zones in divisions.items():
        found = band_series(monthly, zones, area, min_coverage=min_coverage).load()
        spread = zone_quantiles(mean_year, zones, area, (0.1, 0.9))
        for m in range(1, 13):
            own = found.isel(time=np.flatnonzero(month == m))
            years = own["mean"].count("time")
            mean = own["mean"].sum("time") / years.where(years > 0)
            low, high = (spread["quantiles"].isel(time=m - 1, quantile=i) for i in (0, 1))
            columns = (mean, low, high, spread["n"].isel(time=m - 1), years)
            table = dict(zip(_ZONE_COLUMNS[3:], (each.values for each in columns), strict=True))
            parts.append(
                pd.DataFrame({"division": division, "zone": zones.names, "month": m} | table)
            )
    joined = pd.concat(parts, ignore_index=True)
    units = str(monthly.attrs.get("units", ""))
    joined.attrs = {
        "units": dict.fromkeys(_ZONE_COLUMNS[3:6], units) | {"cells": "1"},
        "variable": name_of(monthly),
        "long_name": words(monthly),
    }
    return results.ZoneSeries(
        joined,
        "Means of every month over the zones of the area, cells weighted by their area, then over "
        "the years.",
        choices=(
            f"{words(monthly)}: the mean of a zone needs data on {100 * min_coverage:.0f} % of its "
            "area that ever has data.",
        ),
    )


@of_inputs
def season_maps(season: xr.DataArray) -> results.SeasonMaps:
    """Gather growing-season maps of every year, and their mean.

    Parameters
    ----------
    season : DataArray (time, y, x)
        One value per growing season.

    Returns
    -------
    SeasonMaps

    Raises
    ------
    TimeAxisError, DataError
        If times cannot be trusted; for infinite values.
    """
    years = np.asarray(check_time(season).year)
    found = moments.of(season.transpose("time", "y", "x").data)
    yearly = season.drop_vars(["time", "time_bnds"], errors="ignore").rename(time="year")
    mean = yearly.isel(year=0, drop=True).copy(data=found.mean[0]).rename("mean")
    n = mean.copy(data=found.n)
    n.attrs = {"units": "1", "long_name": "Growing seasons"}
    data = xr.Dataset(
        {"yearly": yearly.assign_coords(year=years), "mean": mean, "n": n},
        attrs={"variable": name_of(season)},
    ).load()
    return results.SeasonMaps(
        data,
        "Growing-season values of every year, and their mean over the years.",
    )


@of_inputs
def cv_map(cube: xr.DataArray, scope: str) -> results.CVMap:
    """Map the coefficient of variation.

    Parameters
    ----------
    cube : DataArray (time, y, x)
        Yearly values for the scope ``interannual``, monthly values for ``monthly``.
    scope : {"interannual", "monthly"}
        What varies.

    Returns
    -------
    CVMap

    Raises
    ------
    DataError
        For temperature in degrees Celsius, angles, classes and infinite values.
    """
    found = cv.monthly_cv(cube) if scope == "monthly" else cv.interannual_cv(cube)
    data = found.load().assign_attrs(variable=name_of(cube))
    of = {"interannual": "yearly values", "monthly": "the twelve long-term monthly means"}[scope]
    return results.CVMap(
        data,
        f"Coefficient of variation of {of}: standard deviation (ddof 1) by mean.",
        choices=(f"The scope is {scope}: CVs of other scopes are other quantities.",),
    )


@of_inputs
def trend_map(
    yearly: xr.DataArray, *, significance: float = 0.05, wilks: bool = False, neighbours: int = 0
) -> results.TrendMap:
    """Map the trend and say what the field of tests shows.

    Parameters
    ----------
    yearly : DataArray (time, y, x)
        One value per year.
    significance : float
        False discovery rate [1].
    wilks : bool
        Whether that rate is doubled, Wilks' rule for fields with moderate spatial correlation.
    neighbours : int
        Test each cell together with those up to so many cells away, where years are enough to
        allow for persistence; 0: by itself.

    Returns
    -------
    TrendMap

    Raises
    ------
    TimeAxisError, DataError
        As :func:`headwater.variation.trends`.
    """
    best = recommended_trend(yearly)
    methods = list(dict.fromkeys([best, "mann_kendall", "ols"]))
    family = trends(yearly, methods, significance=significance, wilks=wilks)
    data = _believed_first(family.data, best)
    pooled = neighbours > 0 and best == "persistent"
    if pooled:
        data = _with_neighbours(data, yearly, neighbours)
    test = fdr(data["p"].values, significance, wilks=wilks)
    most = int(data["n"].max())
    smallest = _smallest(data["smallest_p"])
    data = data.assign(trend_class=trend.trend_class(data["slope"], data["significant"]))
    data.attrs = {
        "variable": name_of(yearly),
        "test": TREND_WORDS[best] + (f", neighbours up to {neighbours}" if pooled else ""),
        "statement": field_statement(test, smallest),
        "tested": test.n,
        "passed": test.passed,
        "alpha": test.significance,
        "smallest_p": smallest,
        "years": most,
    }
    return results.TrendMap(
        data,
        "Sen's slope and the Mann-Kendall test, on the calendar's time axis: "
        f"{_TESTED[best]}; plain Mann-Kendall and least squares with it; Pettitt's change point.",
        references=(*family.references, REFERENCES["fdr"]),
        choices=(
            "p of plain Mann-Kendall is exact for up to 30 values, ties or none, else normal with "
            "continuity and ties corrected.",
            "Significance by Benjamini and Hochberg at a false discovery rate of "
            f"{test.significance:g} among all valid cells{_TWICE if wilks else ''}.",
            *family.choices,
            *((_POOLED,) if pooled else ()),
        ),
        cautions=_trend_cautions(yearly, most, smallest, best),
    )


def _believed_first(family: xr.Dataset, best: str) -> xr.Dataset:
    """Put the plain tests and the change point next to the test to believe."""
    own = family.sel(test=best, drop=True).drop_vars(
        [name for name in family if str(name).startswith("change_")]
    )
    plain, line = (family.sel(test=name, drop=True) for name in ("mann_kendall", "ols"))
    others = {"mann_kendall_p": plain["p"]}
    others |= {f"ols_{name}": line[name] for name in ("slope", "p")}
    others |= {str(k): family[k] for k in family if str(k).startswith("change_")}
    known = own if int(own["factor"].count()) else own.drop_vars("factor")
    found = known.assign(others)
    found["p"].attrs["long_name"] = f"p-value of {TREND_WORDS[best]}"
    found["mann_kendall_p"].attrs["long_name"] = "p-value of plain Mann-Kendall"
    return found.assign(n=found["n"].astype(np.int32))


def _with_neighbours(data: xr.Dataset, yearly: xr.DataArray, reach: int) -> xr.Dataset:
    """Put the test of each cell with its neighbours in place of that of the cell by itself."""
    from headwater.variation.trend.pooled import contextual_mann_kendall

    found = contextual_mann_kendall(yearly, reach=reach)
    taken = {name: found[name] for name in ("z", "p", "smallest_p", "factor")}
    kept = {name: values.assign_attrs(data[name].attrs) for name, values in taken.items()}
    return data.assign({**kept, "own_p": data["p"]})


def _smallest(smallest: xr.DataArray) -> float:
    """Smallest p that any cell could have; 1 where none has a test."""
    known = smallest.values[~np.isnan(smallest.values)]
    return float(known.min()) if known.size else 1.0


def _trend_cautions(
    yearly: xr.DataArray, years: int, smallest: float, best: str
) -> tuple[str, ...]:
    text, cautions = words(yearly), []
    if best == "mann_kendall":
        cautions.append(
            f"{text}: the trend test takes years as independent; persistence makes p too small."
        )
    if years < _SHORT:
        cautions.append(
            f"{text}: {years} years say little about a trend; even a perfectly monotone series "
            f"has p = {smallest:.2g}."
        )
    return tuple(cautions)


def _coverage_choice(data: xr.DataArray, min_coverage: float) -> str:
    return (
        f"{words(data)}: an area mean needs data on {100 * min_coverage:.0f} % of the area that "
        "ever has data."
    )


def _table(
    data: xr.DataArray, rows: list[Any], columns: list[str], own_units: list[str]
) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=columns)
    units = str(data.attrs.get("units", ""))
    table.attrs = {
        "units": dict.fromkeys(own_units, units) | {"coverage": "1", "cells": "1"},
        "variable": name_of(data),
        "long_name": words(data),
        "total": str(data.attrs.get("total", "mean")),
    }
    table.attrs["units"] = {k: v for k, v in table.attrs["units"].items() if k in columns}
    return table


def _middle(values: np.ndarray) -> tuple[float, float]:
    valid = values[~np.isnan(values)]
    if not valid.size:
        return float("nan"), float("nan")
    low, high = np.quantile(valid, _MIDDLE)
    return float(low), float(high)


def _count(values: np.ndarray) -> int:
    return int(np.count_nonzero(~np.isnan(values)))
