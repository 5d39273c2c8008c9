"""The coefficient of variation, with its scope in the name."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from headwater.errors import DataError, GridError, UnitError
from headwater.inference import moments
from headwater.units import parse
from headwater.variation._maps import as_maps, count, refuse_classes, words
from headwater.variation.climatology import climatology

__all__ = ["check_ratio_scale", "interannual_cv", "monthly_cv", "spatial_cv"]

_KELVIN_OFFSET = -273.15


def check_ratio_scale(data: xr.DataArray) -> None:
    """Refuse a quantity whose zero is a convention, so that sd/mean would mean nothing.

    Parameters
    ----------
    data : DataArray
        With ``attrs["units"]``.

    Raises
    ------
    DataError
        For degrees Celsius and Fahrenheit, angles and classes.

    Examples
    --------
    >>> check_ratio_scale(xr.DataArray(1.0, attrs={"units": "mm"}))
    """
    refuse_classes(data, "given a coefficient of variation")
    try:
        unit = parse(str(data.attrs.get("units", "1")))
    except UnitError:
        return
    if unit.dimension == "temperature" and unit.offset != _KELVIN_OFFSET:
        raise DataError(
            f"{words(data)} has no coefficient of variation",
            found=f"units '{data.attrs['units']}', whose zero is a convention",
            do="Use the standard deviation, or convert to kelvin if a ratio is really wanted",
        )


def interannual_cv(yearly: xr.DataArray, *, max_cv: float = 10.0) -> xr.Dataset:
    """Compute how strongly years differ from one another.

    Parameters
    ----------
    yearly : DataArray (time, ...)
        One value per year (yearly or growing-season values).
    max_cv : float
        Cells whose mean is closer to zero than sd / max_cv are NaN: their ratio means nothing.

    Returns
    -------
    Dataset (...)
        ``cv`` [1], ``mean`` and ``sd`` [units of yearly], ``n`` (years) [1].

    Raises
    ------
    DataError
        For temperature in degrees Celsius, angles, classes and infinite values.

    Notes
    -----
    ``cv = s / |mean|`` with s of ddof 1; NaN where n < 2.

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2017-01-01", periods=3, freq="YS")
    >>> float(interannual_cv(xr.DataArray([9.0, 10.0, 11.0], {"time": years}, "time"))["cv"])
    0.1
    """
    check_ratio_scale(yearly)
    ordered = yearly.transpose("time", ...)
    found = moments.of(ordered.data)
    return _cv(ordered, found, "interannual", "Years", max_cv)


def monthly_cv(monthly: xr.DataArray, *, min_months: int = 10, max_cv: float = 10.0) -> xr.Dataset:
    """Compute how strongly the months of the mean year differ from one another.

    Parameters
    ----------
    monthly : DataArray (time, ...)
        One value per month.
    min_months : int
        Least number of months of the mean year with data; fewer give NaN.
    max_cv : float
        As in :func:`interannual_cv`.

    Returns
    -------
    Dataset (...)
        ``cv`` [1], ``mean`` and ``sd`` over the twelve long-term monthly means [units of monthly],
        ``n`` (months) [1].

    Raises
    ------
    DataError
        As :func:`interannual_cv`.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.date_range("2017-01-01", periods=24, freq="MS")
    >>> cube = xr.DataArray(np.tile(np.arange(1.0, 13.0), 2), {"time": months}, "time")
    >>> round(float(monthly_cv(cube)["cv"]), 4)
    0.5547
    """
    check_ratio_scale(monthly)
    mean_year = climatology(monthly)["mean"].rename(month="time").transpose("time", ...)
    mean_year.attrs = dict(monthly.attrs)
    found = _cv(mean_year, moments.of(mean_year.data), "monthly", "Months of the mean year", max_cv)
    found["cv"] = found["cv"].where(found["n"] >= min_months)
    return found


def spatial_cv(data: xr.DataArray, area: xr.DataArray, *, max_cv: float = 10.0) -> xr.Dataset:
    """Compute how strongly places differ from one another, cells weighted by their area.

    Parameters
    ----------
    data : DataArray (..., y, x)
        Maps.
    area : DataArray (y, x)
        Cell area [km2].
    max_cv : float
        As in :func:`interannual_cv`.

    Returns
    -------
    Dataset (...)
        ``cv`` [1], ``mean`` and ``sd`` [units of data], ``n`` (cells) [1].

    Raises
    ------
    GridError
        If `area` has other cells.
    DataError
        As :func:`interannual_cv`.

    Notes
    -----
    ``s² = Σ a (x - m)² / Σ a · n / (n - 1)`` with m the area-weighted mean: ddof 1 where all cells
    are alike.

    Examples
    --------
    >>> field = xr.DataArray([[1.0, 3.0]], dims=("y", "x"))
    >>> round(float(spatial_cv(field, xr.ones_like(field))["cv"]), 4)
    0.7071
    """
    check_ratio_scale(data)
    if area.shape != data.shape[-2:]:
        raise GridError(
            "areas of other cells", found=f"{area.shape} for {data.shape[-2:]}",
            do="Compute the cell areas from these data",
        )  # fmt: skip
    weight = area.data * data.notnull()
    n = data.notnull().sum(("y", "x"))
    total = weight.sum(("y", "x"))
    mean = (weight * data.fillna(0.0)).sum(("y", "x"), dtype=float) / total.where(total > 0)
    square = (weight * (data - mean).fillna(0.0) ** 2).sum(("y", "x"), dtype=float)
    sd = np.sqrt(square / total.where(total > 0) * n / (n - 1.0).where(n > 1))
    return _labelled(data, (mean, sd, n), "spatial", "Cells", max_cv)


def _cv(
    data: xr.DataArray, found: moments.Moments, scope: str, of: str, max_cv: float
) -> xr.Dataset:
    maps = as_maps(
        data, {"mean": (found.mean[0], "", ""), "sd": (np.sqrt(found.variance()), "", ""),
               "n": (count(found.n), "", "")},
    )  # fmt: skip
    return _labelled(data, (maps["mean"], maps["sd"], maps["n"]), scope, of, max_cv)


def _labelled(
    data: xr.DataArray, found: tuple[Any, Any, Any], scope: str, of: str, max_cv: float
) -> xr.Dataset:
    mean, sd, n = found
    size = np.abs(mean)
    ratio = sd / size.where((size > 0) & (size * max_cv >= sd))
    units, long_name = data.attrs.get("units", ""), words(data)
    told = {
        "cv": (ratio, "1", f"{long_name}, {scope} coefficient of variation"),
        "mean": (mean, units, f"{long_name}, mean"),
        "sd": (sd, units, f"{long_name}, {scope} standard deviation"),
        "n": (n, "1", of),
    }
    labelled = {
        name: values.assign_attrs(units=unit, long_name=text)
        for name, (values, unit, text) in told.items()
    }
    return xr.Dataset(labelled, attrs={"scope": scope, "max_cv": max_cv})
