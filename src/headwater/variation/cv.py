"""The coefficient of variation, with its scope in the name, classical or robust."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from headwater.errors import DataError, GridError, UnitError
from headwater.inference import moments
from headwater.units import parse
from headwater.variation._maps import (
    Values,
    as_cube,
    as_maps,
    count,
    refuse_classes,
    whole_series,
    words,
)
from headwater.variation.mean_year import climatology

__all__ = ["check_ratio_scale", "interannual_cv", "monthly_cv", "spatial_cv"]

_KELVIN_OFFSET = -273.15
_COUNTED = {"interannual": "Years", "monthly": "Months of the mean year", "spatial": "Cells"}
_TO_SD = 1.4826
"""What makes the median absolute deviation of a normal distribution its standard deviation."""


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


def interannual_cv(yearly: Values, *, max_cv: float = 10.0, robust: bool = False) -> xr.Dataset:
    """Compute how strongly years differ from one another.

    Parameters
    ----------
    yearly : DataArray (time, ...)
        One value per year (yearly or growing-season values).
    max_cv : float
        Cells whose mean is closer to zero than sd / max_cv are NaN: their ratio means nothing.
    robust : bool
        Whether to take the median for the mean, and 1.4826 times the median absolute deviation for
        the standard deviation: one strange year then counts no more than any other. It needs whole
        series, so cubes chunked in time are rechunked.

    Returns
    -------
    Dataset (...)
        ``cv`` [1], ``mean`` and ``sd`` [units of yearly], ``n`` (years) [1]; robust ``median`` and
        ``scaled_mad`` in place of mean and sd.

    Raises
    ------
    DataError
        For temperature in degrees Celsius, angles, classes and infinite values.

    Notes
    -----
    ``cv = s / |mean|`` with s of ddof 1, or ``1.4826 MAD / |median|``; NaN where n < 2, 0 where all
    values are equal.

    References
    ----------
    Rousseeuw, P. J., Croux, C. (1993). Alternatives to the median absolute deviation. Journal of
    the American Statistical Association 88, 1273-1283. doi:10.1080/01621459.1993.10476408

    Examples
    --------
    >>> import pandas as pd
    >>> years = pd.date_range("2017-01-01", periods=3, freq="YS")
    >>> float(interannual_cv(xr.DataArray([9.0, 10.0, 11.0], {"time": years}, "time"))["cv"])
    0.1
    """
    yearly = as_cube(yearly)
    check_ratio_scale(yearly)
    return _cv(yearly.transpose("time", ...), "interannual", max_cv, robust)


def monthly_cv(
    monthly: Values, *, min_months: int = 10, max_cv: float = 10.0, robust: bool = False
) -> xr.Dataset:
    """Compute how strongly the months of the mean year differ from one another.

    Parameters
    ----------
    monthly : DataArray (time, ...)
        One value per month.
    min_months : int
        Least number of months of the mean year with data; fewer give NaN.
    max_cv, robust
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
    monthly = as_cube(monthly)
    check_ratio_scale(monthly)
    mean_year = climatology(monthly)["mean"].rename(month="time").transpose("time", ...)
    mean_year.attrs = dict(monthly.attrs)
    found = _cv(mean_year, "monthly", max_cv, robust)
    found["cv"] = found["cv"].where(found["n"] >= min_months)
    return found


def spatial_cv(
    data: xr.DataArray, area: xr.DataArray, *, max_cv: float = 10.0, robust: bool = False
) -> xr.Dataset:
    """Compute how strongly places differ from one another, cells weighted by their area.

    Parameters
    ----------
    data : DataArray (..., y, x)
        Maps.
    area : DataArray (y, x)
        Cell area [km2].
    max_cv, robust
        As in :func:`interannual_cv`; medians are weighted by area
        (:func:`headwater.grids.zonal.zone_quantiles`).

    Returns
    -------
    Dataset (...)
        ``cv`` [1], ``mean`` and ``sd`` [units of data], ``n`` (cells) [1]; robust as above.

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
            "areas of other cells",
            found=f"{area.shape} for {data.shape[-2:]}",
            do="Compute the cell areas from these data",
        )
    if robust:
        found = _spatial_spread(data, area)
        return _labelled(data, found, "spatial", max_cv, _ROBUST)
    weight = area.data * data.notnull()
    n = data.notnull().sum(("y", "x"))
    total = weight.sum(("y", "x"))
    mean = (weight * data.fillna(0.0)).sum(("y", "x"), dtype=float) / total.where(total > 0)
    square = (weight * (data - mean).fillna(0.0) ** 2).sum(("y", "x"), dtype=float)
    sd = np.sqrt(square / total.where(total > 0) * n / (n - 1.0).where(n > 1))
    found = xr.Dataset({"middle": mean, "spread": sd, "n": n})
    return _labelled(data, found, "spatial", max_cv)


class _Words(NamedTuple):
    """What the middle, the spread and their ratio are called, as variables and in words."""

    middle: str
    spread: str
    spread_name: str
    ratio_name: str


_PLAIN = _Words("mean", "sd", "standard deviation", "coefficient of variation")
_ROBUST = _Words(
    "median",
    "scaled_mad",
    "scaled median absolute deviation",
    "robust coefficient of variation",
)


def _cv(data: xr.DataArray, scope: str, max_cv: float, robust: bool) -> xr.Dataset:
    names = _ROBUST if robust else _PLAIN
    if robust:
        packed = xr.apply_ufunc(
            _median_spread,
            whole_series(data),
            input_core_dims=[["time"]],
            output_core_dims=[["part"]],
            dask="parallelized",
            output_dtypes=[float],
            dask_gufunc_kwargs={"output_sizes": {"part": 3}},
        )
        middle, spread, n = (packed.isel(part=i).data for i in range(3))
    else:
        found = moments.of(data.data)
        middle, spread, n = found.mean[0], np.sqrt(found.variance()), found.n
    maps = as_maps(
        data, {"middle": (middle, "", ""), "spread": (spread, "", ""), "n": (count(n), "", "")}
    )
    return _labelled(data, maps, scope, max_cv, names)


def _median_spread(values: np.ndarray) -> np.ndarray:
    """Return median, scaled median absolute deviation and count of (..., time)."""
    if np.isinf(values).any():
        raise DataError(
            "infinite values have no spread",
            found="at least one infinite value",
            do="Set them to NaN (missing) or correct the input",
        )
    values = values.astype(float)
    n = (~np.isnan(values)).sum(axis=-1)
    some = np.where(n[..., None] > 0, values, 0.0)
    middle = np.nanmedian(some, axis=-1)
    spread = _TO_SD * np.nanmedian(np.abs(some - middle[..., None]), axis=-1)
    return np.stack([np.where(n > 0, middle, np.nan), np.where(n > 1, spread, np.nan), n], axis=-1)


def _spatial_spread(data: xr.DataArray, area: xr.DataArray) -> xr.Dataset:
    from headwater.grids.zonal import zone_quantiles
    from headwater.grids.zones import Zones

    whole = Zones(xr.zeros_like(area, dtype=np.float32), ("area",))
    found = zone_quantiles(data, whole, area, [0.5]).isel(zone=0, drop=True)
    middle = found["quantiles"].isel(quantile=0, drop=True)
    off: xr.DataArray = abs(data - middle)
    spread = zone_quantiles(off, whole, area, [0.5])["quantiles"]
    spread = _TO_SD * spread.isel(zone=0, quantile=0, drop=True)
    spread = spread.where(found["n"] > 1)
    return xr.Dataset({"middle": middle, "spread": spread, "n": found["n"]})


def _labelled(
    data: xr.DataArray,
    found: xr.Dataset,
    scope: str,
    max_cv: float,
    names: _Words = _PLAIN,
) -> xr.Dataset:
    middle, spread = found["middle"], found["spread"]
    size: xr.DataArray = abs(middle)
    ratio = spread / size.where((size > 0) & (size * max_cv >= spread))
    units, long_name = data.attrs.get("units", ""), words(data)
    variables = {
        "cv": (ratio, "1", f"{long_name}, {scope} {names.ratio_name}"),
        names.middle: (middle, units, f"{long_name}, {names.middle}"),
        names.spread: (spread, units, f"{long_name}, {scope} {names.spread_name}"),
        "n": (found["n"], "1", _COUNTED[scope]),
    }
    labelled = {
        name: values.assign_attrs(units=unit, long_name=text)
        for name, (values, unit, text) in variables.items()
    }
    return xr.Dataset(labelled, attrs={"scope": scope, "max_cv": max_cv})
