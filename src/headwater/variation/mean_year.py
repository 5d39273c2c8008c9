"""The mean year: by month, and as one map over all years."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from headwater.inference import moments
from headwater.variation._maps import (
    Values,
    as_cube,
    as_given,
    as_maps,
    count,
    name_of,
    refuse_classes,
    words,
)
from headwater.variation.aggregation import aggregate
from headwater.variation.calendar import check_time

_Given = TypeVar("_Given", xr.DataArray, pd.Series)

__all__ = ["anomalies", "climatology", "mean_of_years", "period_mean"]


def climatology(monthly: Values) -> xr.Dataset:
    """Compute the mean year of a monthly cube.

    Parameters
    ----------
    monthly : DataArray (time, ...)
        One value per month, as :func:`headwater.variation.aggregate` gives it.

    Returns
    -------
    Dataset (month, ...)
        ``mean`` and ``sd`` (between years, ddof 1) [units of monthly] and ``n`` (years) [1].

    Raises
    ------
    TimeAxisError
        If times cannot be trusted.
    DataError
        For angles, classes and infinite values.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.date_range("2017-01-01", periods=24, freq="MS")
    >>> cube = xr.DataArray(np.arange(24.0), {"time": months}, "time")
    >>> mean_year = climatology(cube)
    >>> float(mean_year["mean"].sel(month=1)), int(mean_year["n"].sel(month=1))
    (6.0, 2)
    """
    monthly = as_cube(monthly)
    month = np.asarray(check_time(monthly).month)
    refuse_classes(monthly, "averaged over time")
    ordered = monthly.transpose("time", ...)
    parts = [
        # a month that never occurs has a mean year of nothing
        _mean_month(ordered.isel(time=np.flatnonzero(month == m)))
        if (month == m).any()
        else _mean_month(ordered.isel(time=[0]).where(False))
        for m in range(1, 13)
    ]
    return xr.concat(parts, xr.DataArray(np.arange(1, 13), dims="month", name="month"))


def _mean_month(values: xr.DataArray) -> xr.Dataset:
    units, long_name = values.attrs.get("units", ""), words(values)
    found: Any = moments.of(values.data)
    return as_maps(
        values,
        {
            "mean": (found.mean[0], units, f"{long_name}, mean over years"),
            "sd": (np.sqrt(found.variance()), units, f"{long_name}, spread between years"),
            "n": (count(found.n), "1", "Years"),
        },
    )


def anomalies(monthly: _Given) -> _Given:
    """Subtract the mean year from a monthly cube or series.

    Parameters
    ----------
    monthly : DataArray (time, ...) or Series
        One value per month.

    Returns
    -------
    DataArray (time, ...) or Series
        Departure from the mean of that month over all years [units of monthly].

    Raises
    ------
    TimeAxisError, DataError
        As :func:`climatology`.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.date_range("2017-01-01", periods=24, freq="MS")
    >>> cube = xr.DataArray(np.arange(24.0), {"time": months}, "time")
    >>> anomalies(cube).values[[0, 12]]
    array([-6.,  6.])
    """
    cube = as_cube(monthly)
    mean = climatology(cube)["mean"]
    month = xr.DataArray(np.asarray(check_time(cube).month), dims="time")
    departure = (cube - mean.sel(month=month).drop_vars("month")).transpose(*cube.dims)
    departure.attrs = {**cube.attrs, "long_name": f"{words(cube)}, anomaly"}
    found: _Given = as_given(departure.rename(cube.name), monthly)
    return found


def period_mean(
    data: xr.DataArray, *, months: tuple[int, int] | None = None, min_coverage: float = 0.8
) -> xr.Dataset:
    """Average a cube over all years into one map.

    Parameters
    ----------
    data : DataArray (time, ...)
        Of any cadence up to yearly.
    months : tuple of int, optional
        First and last month of the season to average, e.g. the growing season (5, 10); the whole
        year without it.
    min_coverage : float
        Least share [1] of a year's season with data, below which that year does not count.

    Returns
    -------
    Dataset (...)
        ``<name>``: the mean over years of the seasonal mean or, where steps add up, of the seasonal
        total [units of data]; ``n`` (years) [1].

    Raises
    ------
    TimeAxisError, DataError
        As :func:`headwater.variation.aggregate`.

    Notes
    -----
    Years weigh the same, however many steps they have. The map is float64.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2017-01-01", "2018-12-31")
    >>> rain = xr.DataArray(np.ones(730), {"time": days}, "time", "rain", {"total": "sum"})
    >>> float(period_mean(rain)["rain"]), int(period_mean(rain)["n"])
    (365.0, 2)
    """
    period = "growing_season" if months else "year"
    season = months or (1, 12)
    yearly = aggregate(data, period, min_coverage=min_coverage, growing_season=season)
    return mean_of_years(yearly[name_of(data)], months=months)


def mean_of_years(yearly: xr.DataArray, *, months: tuple[int, int] | None = None) -> xr.Dataset:
    """Average yearly or growing-season values into one map.

    Parameters
    ----------
    yearly : DataArray (time, ...)
        One value per year, as :func:`headwater.variation.aggregate` gives them.
    months : tuple of int, optional
        The season that they are of, to be named; whole years without it.

    Returns
    -------
    Dataset (...)
        As :func:`period_mean`.

    Examples
    --------
    >>> import pandas as pd
    >>> years = {"time": pd.date_range("2017-01-01", periods=2, freq="YS")}
    >>> float(mean_of_years(xr.DataArray([1.0, 2.0], years, "time", "theta"))["theta"])
    1.5
    """
    name, found = name_of(yearly), moments.of(yearly.data)
    season = f"months {months[0]}-{months[1]}" if months else "whole years"
    how = "total" if yearly.attrs.get("total") == "sum" else "mean"
    maps = as_maps(
        yearly,
        {
            name: (found.mean[0], yearly.attrs.get("units", ""), words(yearly)),
            "n": (count(found.n), "1", "Years"),
        },
        period=f"{how} over {season}, averaged over years",
    )
    maps[name].attrs = {**yearly.attrs, **maps[name].attrs}
    return maps
