"""The mean year of the parts of an area, one division beside the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import DataError
from headwater.grids.geometry import cell_area
from headwater.grids.zonal import zone_quantiles
from headwater.grids.zones import Zones
from headwater.results import fingerprint
from headwater.variation import results
from headwater.variation._maps import name_of, words
from headwater.variation.calendar import check_time
from headwater.variation.climatology import climatology
from headwater.variation.series import band_series

__all__ = ["zone_seasons"]

_COLUMNS = ("division", "zone", "month", "mean", "cell_low", "cell_high", "cells", "years")


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
            table = dict(zip(_COLUMNS[3:], (each.values for each in columns), strict=True))
            parts.append(
                pd.DataFrame({"division": division, "zone": zones.names, "month": m} | table)
            )
    joined = pd.concat(parts, ignore_index=True)
    units = str(monthly.attrs.get("units", ""))
    joined.attrs = {
        "units": dict.fromkeys(_COLUMNS[3:6], units) | {"cells": "1"},
        "variable": name_of(monthly),
        "long_name": words(monthly),
    }
    return results.ZoneSeries(
        joined,
        "Means of every month over the zones of the area, cells weighted by their area, then over "
        "the years.",
        fingerprint=fingerprint(joined["mean"].to_numpy(), tuple(divisions)),
        choices=(
            f"{words(monthly)}: the mean of a zone needs data on {100 * min_coverage:.0f} % of its "
            "area that ever has data.",
        ),
    )
