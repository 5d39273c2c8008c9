"""One value per time for an area or for its elevation bands."""

from __future__ import annotations

import numpy as np
import xarray as xr

from headwater.grids.zonal import zone_mean
from headwater.grids.zones import Zones
from headwater.variation._maps import check_share, refuse_classes

__all__ = ["area_series", "band_series"]


def area_series(data: xr.DataArray, area: xr.DataArray, *, min_coverage: float = 0.8) -> xr.Dataset:
    """Average a cube over all its cells, each weighted by its area.

    Parameters
    ----------
    data : DataArray (time, y, x)
        Any unit.
    area : DataArray (y, x)
        Cell area [km2].
    min_coverage : float
        As in :func:`band_series`.

    Returns
    -------
    Dataset (time)
        As :func:`band_series`, without zone.

    Raises
    ------
    DataError
        For angles and classes, or other cells.

    Examples
    --------
    >>> import pandas as pd
    >>> times = pd.date_range("2017-01-01", periods=2)
    >>> cube = xr.DataArray([[[1.0, 3.0]], [[2.0, np.nan]]], {"time": times}, ("time", "y", "x"))
    >>> area_series(cube, xr.ones_like(cube[0]))["mean"].values
    array([ 2., nan])
    """
    whole = Zones(xr.zeros_like(area, dtype=np.float32), ("area",))
    return band_series(data, whole, area, min_coverage=min_coverage).isel(zone=0, drop=True)


def band_series(
    data: xr.DataArray, zones: Zones, area: xr.DataArray, *, min_coverage: float = 0.8
) -> xr.Dataset:
    """Average a cube over zones, each cell weighted by its area.

    Parameters
    ----------
    data : DataArray (time, y, x)
        Any unit.
    zones : Zones
        Elevation bands or other zones of the same cells.
    area : DataArray (y, x)
        Cell area [km2].
    min_coverage : float
        Least share [1] of a zone's area with data at a time; below it the mean is NaN, for a mean
        over other cells at every time would show where data are missing, not how they change.

    Returns
    -------
    Dataset (time, zone)
        ``mean`` [units of data], ``n`` (valid cells) [1], ``coverage`` [1]: area of valid cells per
        area of the cells that have data at any time.

    Raises
    ------
    DataError
        For angles and classes, or other cells.

    Examples
    --------
    >>> import pandas as pd
    >>> from headwater.grids.zones import elevation_bands
    >>> bands = elevation_bands(xr.DataArray([[1000.0, 2000.0]], dims=("y", "x")), count=2)
    >>> times = pd.date_range("2017-01-01", periods=2)
    >>> cube = xr.DataArray([[[1.0, 3.0]], [[2.0, 4.0]]], {"time": times}, ("time", "y", "x"))
    >>> band_series(cube, bands, xr.ones_like(cube[0]))["mean"].sel(zone=bands.names[1]).values
    array([3., 4.])
    """
    refuse_classes(data, "averaged over an area")
    found = zone_mean(data, zones, area)
    seen = data.notnull().any("time")
    ever = seen.astype(float).where(seen)
    extent = zone_mean(ever, zones, area)["area_valid"]
    coverage = found["area_valid"] / extent.where(extent > 0)
    coverage.attrs = {"units": "1", "long_name": "Share of the area with data"}
    check_share("min_coverage", min_coverage)
    enough = coverage >= min_coverage - 1e-9
    mean = found["mean"].where(enough)
    mean.attrs = {key: value for key, value in data.attrs.items() if key != "cell_methods"}
    return xr.Dataset({"mean": mean, "n": found["n"], "coverage": coverage})
