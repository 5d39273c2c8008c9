"""Names, units and coordinates of a virtual headwater's arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.glossary import GLOSSARY
from headwater.virtual.frame import Frame
from headwater.virtual.landscape import CLASSES

__all__ = ["days_of", "label"]

# long name, units and total of what only the truth has
_TRUTH_ATTRS = {
    "trend": ("Imposed trend of soil moisture", "m3 m-3 yr-1", "none"),
    "ndvi_lag": ("Lag of NDVI behind soil moisture", "d", "none"),
    "capacity": ("Most mobile water of the soil", "mm", "none"),
    "demand": ("Evaporative demand relative to Oudin's formula", "1", "none"),
    "ice_limit": ("Most ground ice", "mm", "none"),
    "inside": ("Cell of the study area", "1", "none"),
    "evapotranspiration": ("Evapotranspiration of the year", "mm", "sum"),
    "runoff": ("Runoff of the year", "mm", "sum"),
    "ice_melt": ("Ground-ice melt of the year", "mm", "sum"),
    "snowfall": ("Snowfall of the year", "mm", "sum"),
    "storage_change": ("Change of snow, soil water and ground ice in the year", "mm", "sum"),
}
_DIMENSIONS = {2: ("y", "x"), 3: ("time", "y", "x")}


def days_of(years: tuple[int, int]) -> int:
    """Count the days from the first of January of one year to the end of another.

    Parameters
    ----------
    years : tuple of int
        First and last year.

    Returns
    -------
    int

    Examples
    --------
    >>> days_of((2017, 2021))
    1826
    """
    first, last = np.datetime64(f"{years[0]}-01-01"), np.datetime64(f"{years[1] + 1}-01-01")
    return int((last - first).astype(int))


def label(arrays: Mapping[str, Any], frame: Frame, years: tuple[int, int]) -> xr.Dataset:
    """Give arrays their dimensions, coordinates, attributes and coordinate system.

    Parameters
    ----------
    arrays : mapping of ndarray
        Shape (rows, columns), (days, rows, columns) or (years, rows, columns); not copied.
    frame : Frame
        The grid.
    years : tuple of int
        First and last year.

    Returns
    -------
    Dataset
        With ``spatial_ref`` for EPSG:4326, as CF, rioxarray and odc-geo know it.

    Examples
    --------
    >>> frame = Frame(4, 5, 0.05, 95.0, 37.0)
    >>> label({"elevation": np.zeros((4, 5))}, frame, (2019, 2019))["elevation"].attrs["units"]
    'm'
    """
    import rioxarray  # noqa: F401

    count = years[1] - years[0] + 1
    variables = {}
    for name, values in arrays.items():
        dims = _DIMENSIONS[values.ndim]
        if values.ndim == 3 and len(values) == count:
            dims = ("year", "y", "x")
        variables[name] = (dims, values, _attributes(name))
    cube = xr.Dataset(variables, {"y": ("y", frame.latitude), "x": ("x", frame.longitude)})
    cube["y"].attrs.update(standard_name="latitude", units="degrees_north", axis="Y")
    cube["x"].attrs.update(standard_name="longitude", units="degrees_east", axis="X")
    if "time" in cube.dims:
        days = pd.date_range(f"{years[0]}-01-01", periods=cube.sizes["time"], unit="ns")
        cube = cube.assign_coords(time=days)
        cube["time"].attrs.update(standard_name="time", axis="T")
    if "year" in cube.dims:
        cube = cube.assign_coords(year=np.arange(years[0], years[1] + 1))
    # in place, because a copy would double the memory of a large cube
    cube.rio.write_crs("EPSG:4326", inplace=True)
    return cube


def _attributes(name: str) -> dict[str, Any]:
    known = GLOSSARY.get(name)
    if known is None:
        long_name, units, total = _TRUTH_ATTRS[name]
        return {"long_name": long_name, "units": units, "kind": "continuous", "total": total}
    attrs: dict[str, Any] = {
        "long_name": known.long_name,
        "units": known.units,
        "kind": known.kind,
        "total": known.total,
    }
    if known.standard_name:
        attrs["standard_name"] = known.standard_name
    if name == "vegetation":
        attrs["flag_values"] = np.array(list(CLASSES), dtype=np.int8)
        attrs["flag_meanings"] = " ".join(CLASSES.values())
    return attrs
