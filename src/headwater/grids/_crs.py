"""Which reference system a file names, and whether the study file agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from headwater.errors import CRSError
from headwater.grids._axes import NORTH, axis_of, find_axes, units_in

if TYPE_CHECKING:
    from pyproj import CRS

__all__ = ["agreed_crs", "crs_in", "known_crs", "same_crs"]

# Attributes that hold a reference system as text, the best first.
_TEXTS = ("crs_wkt", "spatial_ref", "esri_pe_string", "epsg_code", "proj4_params", "proj4")


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
