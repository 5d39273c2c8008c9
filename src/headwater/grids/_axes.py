"""What a file says of its axes and its reference system, and whether the study agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import CRSError, GridError

if TYPE_CHECKING:
    from pyproj import CRS

__all__ = [
    "NORTH",
    "agreed_crs",
    "axis_of",
    "crs_in",
    "exchanged",
    "find_axes",
    "is_map",
    "is_place",
    "is_time_name",
    "known_crs",
    "mesh_of",
    "same_crs",
    "straightened",
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
_METRES = {"m", "km", "metre", "metres", "meter", "meters", "kilometre", "kilometer"}
_NAMES = {
    "time": {"time", "t", "date", "day", "month", "year", "valid_time", "datetime"},
    "y": {
        *("y", "yc", "lat", "latitude", "northing", "north", "nlat", "rlat", "row", "rows"),
        *("south_north", "nj", "j", "ny"),
    },
    "x": {
        *("x", "xc", "lon", "longitude", "long", "easting", "east", "nlon", "rlon", "col", "cols"),
        *("west_east", "ni", "i", "nx"),
    },
}
_MESH = {
    "y": {"lat", "latitude", "xlat", "nav_lat", "lat2d", "tlat"},
    "x": {"lon", "longitude", "xlong", "nav_lon", "lon2d", "tlon", "tlong"},
}
"""What latitude and longitude of each cell are called where no unit says so."""
# Attributes that hold a reference system as text, the best first.
_TEXTS = ("crs_wkt", "spatial_ref", "esri_pe_string", "epsg_code", "proj4_params", "proj4")


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
    """Say whether a variable has y and x, and is not itself a place or a time."""
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


def exchanged(dataset: xr.Dataset, axes: dict[str, str], path: object) -> bool:
    """Whether a file calls its longitudes latitudes: such lie beyond a pole.

    Raises
    ------
    GridError
        If latitudes lie beyond a pole, and the other axis holds none either.
    """
    lines = {role: axis_of(dataset, axes[role]) for role in ("y", "x") if role in axes}
    y, x = lines.get("y"), lines.get("x")
    if y is None or x is None or y.size == 0 or not _is_latitude(y):
        return False
    reach = {role: float(np.nanmax(np.abs(tidy_axis(line)))) for role, line in (("y", y), ("x", x))}
    if reach["y"] <= 90.01:
        return False
    if reach["x"] <= 90.0:
        return True
    raise GridError(
        f"'{axes['y']}' of {path} holds latitudes beyond a pole",
        found=f"{float(np.nanmin(y.values)):g} to {float(np.nanmax(y.values)):g}",
        do="Correct the coordinate, or name a file with the right ones: "
        "georeference = { path = ..., x = ..., y = ... }",
    )


def _is_latitude(line: xr.Variable) -> bool:
    return units_in(line.attrs) in NORTH or line.attrs.get("standard_name") == "latitude"


def straightened(dataset: xr.Dataset, name: str) -> tuple[xr.Dataset, str | None]:
    """Take latitude and longitude out of two-dimensional coordinates, where they make a grid.

    Returns
    -------
    dataset : Dataset
        With one-dimensional coordinates, where it is regular.
    bent : str or None
        In words, the grid whose cells lie at other places than its axes say.
    """
    axes = find_axes(dataset, name)
    if not {"y", "x"} <= axes.keys():
        return dataset, None
    lines = {role: axis_of(dataset, axes[role]) for role in ("y", "x")}
    rotated = [role for role, line in lines.items() if line is not None and _is_rotated(line)]
    if rotated or str(axes["y"]).lower() in ("rlat", "grid_latitude"):
        return dataset, "a rotated pole"
    mesh = mesh_of(dataset, axes)
    if mesh is None or _projected(dataset, name, lines):
        return dataset, None
    latitude, longitude = (np.asarray(each.values, dtype=np.float64) for each in mesh)
    row, column = latitude[:, :1], longitude[:1]
    scale = min(np.ptp(each) / max(each.size - 1, 1) for each in (row, column))
    bent = max(np.nanmax(np.abs(latitude - row)), np.nanmax(np.abs(longitude - column)))
    if not (scale > 0 and bent <= 1e-3 * scale):
        own = [units_in(line.attrs) for line in lines.values() if line is not None]
        if any(units in NORTH | _EAST for units in own):
            return dataset, None
        return dataset, "a curvilinear grid"
    found = {
        axes["y"]: (axes["y"], row[:, 0], {"units": "degrees_north"}),
        axes["x"]: (axes["x"], column[0], {"units": "degrees_east"}),
    }
    bare = dataset.drop_vars([axes["y"], axes["x"]], errors="ignore")
    return bare.assign_coords(found), None


def _is_rotated(line: xr.Variable) -> bool:
    return str(line.attrs.get("standard_name", "")) in ("grid_latitude", "grid_longitude")


def _projected(dataset: xr.Dataset, name: str, lines: dict[str, xr.Variable | None]) -> bool:
    """Whether x and y are coordinates of a projection, next to which a mesh is only for show."""
    if any(line is None for line in lines.values()):
        return False
    named = all(
        line is not None and (_by_attributes(line.attrs) or units_in(line.attrs) in _METRES)
        for line in lines.values()
    )
    return named or "grid_mapping" in dataset[name].attrs


def mesh_of(dataset: xr.Dataset, axes: dict[str, str]) -> tuple[xr.Variable, xr.Variable] | None:
    """Find latitude and longitude of every cell, on the dimensions of the rows and columns."""
    found: dict[str, xr.Variable] = {}
    for name, variable in dataset.variables.items():
        if variable.dims[-2:] != (axes["y"], axes["x"]):
            continue
        for role, words, standard in (("y", NORTH, "latitude"), ("x", _EAST, "longitude")):
            called = str(name).lower() in _MESH[role]
            if units_in(variable.attrs) in words or (
                called and variable.attrs.get("standard_name", standard) == standard
            ):
                still = _unchanging(variable)
                found |= {} if still is None else {role: still}
    return (found["y"], found["x"]) if len(found) == 2 else None


def is_place(
    name: str, dims: Sequence[str], attrs: Mapping[str, Any], variables: Mapping[str, Any]
) -> bool:
    """Whether the numbers of a variable may say where cells lie: a line, a mesh, its corners."""
    if len(dims) == 1 or units_in(dict(attrs)) in NORTH | _EAST:
        return True
    if any(name.lower() in names for names in _MESH.values()):
        return True
    return any(getattr(other, "bounds", None) == name for other in variables.values())


def _unchanging(variable: xr.Variable) -> xr.Variable | None:
    """Take the places of cells that a file repeats for each time; None where they move."""
    if variable.ndim == 2:
        return variable
    if variable.ndim != 3 or variable.shape[0] == 0:
        return None
    first, last = (variable[at] for at in (0, -1))
    return first if np.array_equal(first.values, last.values) else None


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


def known_crs(crs: object) -> CRS:
    """Understand an EPSG code, WKT or CRS, or say that it is unknown."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError as ProjError

    try:
        return CRS.from_user_input(crs)
    except ProjError as error:
        raise CRSError(
            "unknown coordinate reference system",
            found=f"'{crs}'",
            do="Write an EPSG code such as 'EPSG:4326', or WKT",
        ) from error


def same_crs(one: CRS, other: CRS) -> bool:
    """Whether two systems give the same coordinates, whatever their names and axis order."""
    if one.equals(other, ignore_axis_order=True):
        return True
    if one.is_geographic and other.is_geographic:
        datums = [
            crs.datum.name.removesuffix(" ensemble") if crs.datum else "" for crs in (one, other)
        ]
        return bool(datums[0]) and datums[0] == datums[1]
    code = one.to_epsg()
    return code is not None and code == other.to_epsg()


def crs_in(dataset: xr.Dataset, name: str) -> tuple[CRS | None, bool]:
    """Read the reference system that a file names for a variable.

    Returns
    -------
    crs, written : CRS or None, bool
        `written` is False where the file only says degrees north and east, of no stated datum.
    """
    from pyproj import CRS

    own = dataset[name].attrs
    if own.get("esri_pe_string"):
        return _crs_from(own, name), True
    mapping = str(own.get("grid_mapping", "")).split(":")[0].strip()
    for candidate in (mapping, "spatial_ref", "crs"):
        if candidate in dataset.variables:
            crs = _crs_from(dataset.variables[candidate].attrs, candidate)
            if crs is not None:
                return crs, not _no_datum(crs)
    axes = find_axes(dataset, name)
    rows = axis_of(dataset, axes["y"]) if "y" in axes else None
    attrs = rows.attrs if rows is not None else {}
    if units_in(attrs) in NORTH or attrs.get("standard_name") == "latitude":
        return CRS.from_epsg(4326), False
    return None, False


def agreed_crs(found: CRS | None, written: bool, given: object, where: str) -> CRS:
    """Settle the one reference system that file and study file agree upon."""
    wanted = None if given is None else known_crs(given)
    if found is None:
        if wanted is not None:
            return wanted
        raise CRSError(
            f"{where} names no coordinate reference system",
            found="neither a grid mapping nor degrees north and east",
            do="Write crs = 'EPSG:...' for this input in the study file; longitude and latitude in "
            "degrees are crs = 'EPSG:4326'",
        )
    if wanted is None or same_crs(found, wanted):
        return found
    if not written and found.is_geographic and wanted.is_geographic:
        return wanted
    raise CRSError(
        f"{where} and the study file name different reference systems",
        found=f"{_label(found)} in the file, {_label(wanted)} in the study file",
        do="Remove crs from this input in the study file, or correct the file",
    )


def _crs_from(attrs: dict[Any, Any], name: str) -> CRS | None:
    from pyproj import CRS
    from pyproj.exceptions import CRSError as ProjError

    text = next((attrs[key] for key in _TEXTS if attrs.get(key)), None)
    if not text and "grid_mapping_name" not in attrs:
        return None
    try:
        return CRS.from_user_input(text) if text else CRS.from_cf(attrs)
    except (ProjError, KeyError) as error:
        raise CRSError(
            f"the grid mapping '{name}' of the file cannot be understood",
            found=str(text or attrs.get("grid_mapping_name"))[:120],
            do="Correct it, or remove it and write crs in the study file",
        ) from error


def _no_datum(crs: CRS) -> bool:
    datum = crs.datum.name.lower() if crs.datum else "unknown"
    return any(word in datum for word in ("unknown", "undefined"))


def _label(crs: CRS) -> str:
    code = crs.to_epsg()
    return f"{crs.name} (EPSG:{code})" if code else str(crs.name)
