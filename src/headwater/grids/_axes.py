"""Which dimension of a file is time, which is y, which is x."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from headwater.errors import GridError

__all__ = [
    "NORTH",
    "axis_of",
    "find_axes",
    "is_map",
    "is_time_name",
    "tidy_axis",
    "units_in",
    "wrap_longitude",
]

_STANDARD = {
    "time": "time",
    "latitude": "y",
    "longitude": "x",
    "projection_y_coordinate": "y",
    "projection_x_coordinate": "x",
    "grid_latitude": "y",
    "grid_longitude": "x",
}
_TYPES = {"Time": "time", "Lat": "y", "GeoY": "y", "Lon": "x", "GeoX": "x"}
NORTH = {"degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen"}
_EAST = {"degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee"}
_NAMES = {
    "time": {"time", "t", "date", "day", "month", "year", "valid_time", "datetime"},
    "y": {"y", "yc", "lat", "latitude", "northing", "north", "nlat", "rlat", "row", "rows"},
    "x": {"x", "xc", "lon", "longitude", "long", "easting", "east", "nlon", "rlon", "col", "cols"},
}


def axis_of(dataset: xr.Dataset, dim: str) -> xr.Variable | None:
    """Find the one-dimensional coordinate that lies along a dimension, if there is one."""
    if dim in dataset.variables and dataset.variables[dim].dims == (dim,):
        return dataset.variables[dim]
    along = [v for name, v in dataset.variables.items() if v.dims == (dim,)]
    named = [v for v in along if _by_attributes(v.attrs)]
    return named[0] if len(named) == 1 else None


def find_axes(dataset: xr.Dataset, name: str) -> dict[str, str]:
    """Map each of time, y, x that a variable has to its dimension.

    CF attributes come first, then common names, so that a file may call its rows what it likes.
    """
    axes: dict[str, str] = {}
    for dim in map(str, dataset[name].dims):
        coordinate = axis_of(dataset, dim)
        role = _by_attributes(coordinate.attrs if coordinate is not None else {}) or _by_name(dim)
        if role is None:
            continue
        if role in axes:
            raise GridError(
                f"variable '{name}' has two dimensions that could be {role}",
                found=f"'{axes[role]}' and '{dim}'",
                do="Give a file whose coordinates carry the CF attribute 'axis'",
            )
        axes[role] = dim
    return axes


def is_map(dataset: xr.Dataset, name: str) -> bool:
    """Tell whether a variable has y and x, and is not itself a place or a time."""
    if _by_attributes(dataset[name].attrs):
        return False
    return {"y", "x"} <= find_axes(dataset, name).keys()


def tidy_axis(variable: xr.Variable) -> np.ndarray[Any, Any]:
    """Coordinate values in float64 [degree or m], as they were meant before float32 cut them."""
    values = np.asarray(variable.values)
    if values.dtype == np.float32:
        values = values.astype(str)
    scale = 1000.0 if units_in(variable.attrs) == "km" else 1.0
    return values.astype(np.float64) * scale


def wrap_longitude(data: xr.DataArray) -> xr.DataArray:
    """Turn longitudes of 0 to 360 into -180 to 180, where the grid stays regular."""
    x = data["x"].values
    if x.max() <= 180.0:
        return data
    wrapped = (x + 180.0) % 360.0 - 180.0
    order = np.argsort(wrapped)
    steps = np.diff(wrapped[order])
    if steps.size and steps.max() > 1.5 * steps.min():
        return data  # it crosses the date line
    return data.isel(x=order).assign_coords(x=wrapped[order])


def _by_attributes(attrs: dict[Any, Any]) -> str | None:
    axis = str(attrs.get("axis", "")).lower()
    if axis in ("x", "y", "t"):
        return "time" if axis == "t" else axis
    for key, roles in (("standard_name", _STANDARD), ("_CoordinateAxisType", _TYPES)):
        if attrs.get(key) in roles:
            return roles[attrs[key]]
    units = units_in(attrs)
    if units in NORTH or units in _EAST:
        return "y" if units in NORTH else "x"
    return "time" if " since " in units else None


def _by_name(dim: str) -> str | None:
    return next((role for role, names in _NAMES.items() if dim.lower() in names), None)


def is_time_name(name: str) -> bool:
    """Whether a variable is called as times are."""
    return name.lower() in _NAMES["time"] | {"times", "dates", "timestr", "date_str"}


def units_in(attrs: dict[Any, Any]) -> str:
    """Spell the unit of a coordinate in lower case, empty where it has none."""
    return str(attrs.get("units", "")).strip().lower()
