"""Parts of a study area: elevation bands, aspect sectors, classes, polygons, crossings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from headwater.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area

__all__ = [
    "Zones",
    "aspect_sectors",
    "class_names",
    "class_zones",
    "cross",
    "elevation_bands",
    "polygon_zones",
]

Kind = Literal["elevation", "aspect", "class", "polygon", "crossing"]

_WINDS = {4: "N E S W", 8: "N NE E SE S SW W NW"}


@dataclass(frozen=True, eq=False)
class Zones:
    """A partition of the cells of a grid.

    Attributes
    ----------
    labels : DataArray (y, x)
        Codes 0 to k - 1 [1], float32, NaN outside every zone.
    names : tuple of str
        Name of each code.
    edges : ndarray (k + 1,) or None
        Limits of bands of a continuous quantity, in its unit.
    kind : {"elevation", "aspect", "class", "polygon", "crossing"}
        What the zones divide.

    Examples
    --------
    >>> zones = class_zones(xr.DataArray([[1.0, 3.0, np.nan]], dims=("y", "x")))
    >>> zones.names, zones.count
    (('1', '3'), 2)
    """

    labels: xr.DataArray
    names: tuple[str, ...]
    edges: NDArray[Any] | None = field(default=None)
    kind: Kind = "class"

    @property
    def count(self) -> int:
        """Number of zones."""
        return len(self.names)


def elevation_bands(
    elevation: xr.DataArray,
    *,
    count: int = 6,
    method: Literal["equal", "quantile"] = "equal",
    edges: Sequence[float] | None = None,
) -> Zones:
    """Divide cells into bands of elevation.

    Parameters
    ----------
    elevation : DataArray (y, x)
        Elevation [m]; NaN cells belong to no band.
    count : int
        Number of bands, unless `edges` are given.
    method : {"equal", "quantile"}
        Bands of equal height, or of an equal number of cells.
    edges : sequence of float, optional
        Limits of the bands [m], from low to high. A band includes its lower limit; the highest band
        also includes its upper one.

    Returns
    -------
    Zones
        ``labels.attrs["outside"]`` says how many valid cells no band holds.

    Raises
    ------
    DataError
        If no cell is valid, if `edges` do not increase, or if the elevations cannot be divided into
        `count` bands (all equal, or too many ties).

    Examples
    --------
    >>> heights = xr.DataArray([[2000.0, 2500.0], [3000.0, np.nan]], dims=("y", "x"))
    >>> bands = elevation_bands(heights, count=2)
    >>> bands.names, bands.labels.values.tolist()
    (('2000–2500 m', '2500–3000 m'), [[0.0, 1.0], [1.0, nan]])
    """
    values = np.asarray(elevation.values, dtype=np.float64)
    valid = values[np.isfinite(values)]
    if not valid.size:
        raise DataError(
            "there are no elevation bands without elevations",
            found="no valid cell",
            do="Check that the elevation covers the study area",
        )
    limits = _band_edges(valid, count, method) if edges is None else _given_edges(edges)
    codes = np.searchsorted(limits, values, side="right") - 1.0
    codes[values == limits[-1]] -= 1
    inside = np.isfinite(values) & (codes >= 0) & (codes < limits.size - 1)
    digits = 0 if np.diff(limits).min() >= 1 else 2
    names = [f"{low:.{digits}f}–{high:.{digits}f} m" for low, high in pairwise(limits)]
    outside = int(valid.size - inside.sum())
    return _zones(np.where(inside, codes, np.nan), elevation, names, limits, "elevation", outside)


def aspect_sectors(aspect: xr.DataArray, *, count: Literal[4, 8] = 4) -> Zones:
    """Divide cells by the direction that they face.

    Parameters
    ----------
    aspect : DataArray (y, x)
        Azimuth of the steepest descent [degree, clockwise from north]; NaN (flat or missing) cells
        belong to no sector.
    count : {4, 8}
        Number of sectors; the first is centred on north.

    Returns
    -------
    Zones
        Flat cells stay outside (NaN): they face nowhere.

    Raises
    ------
    DataError
        If `count` is neither 4 nor 8, or an azimuth is not within 0 to 360.

    Examples
    --------
    >>> facing = xr.DataArray([[350.0, 10.0, 180.0, np.nan]], dims=("y", "x"))
    >>> aspect_sectors(facing).labels.values.tolist()
    [[0.0, 0.0, 2.0, nan]]
    """
    values = np.asarray(aspect.values, dtype=np.float64)
    if count not in _WINDS:
        raise DataError("aspect has 4 or 8 sectors", found=str(count), do="Give count=4 or count=8")
    if np.any((values < 0) | (values > 360)):
        raise DataError(
            "aspect is an azimuth from 0 to 360 degrees",
            found=f"values from {np.nanmin(values):g} to {np.nanmax(values):g}",
            do="Give flat cells as NaN, and azimuths clockwise from north",
        )
    codes = np.floor(values / (360.0 / count) + 0.5) % count
    return _zones(codes, aspect, _WINDS[count].split(), None, "aspect", 0)


def class_names(classes: xr.DataArray) -> dict[float, str]:
    """Read the names of classes from the flags of CF.

    Parameters
    ----------
    classes : DataArray
        With ``attrs["flag_values"]`` and ``attrs["flag_meanings"]``, words of a name joined by
        underscores.

    Returns
    -------
    dict of float to str
        Empty where there are none, or their numbers differ.

    Examples
    --------
    >>> attrs = {"flag_values": [1, 2], "flag_meanings": "desert alpine_meadow"}
    >>> class_names(xr.DataArray([1.0, 2.0], attrs=attrs))
    {1.0: 'desert', 2.0: 'alpine meadow'}
    """
    codes = np.atleast_1d(classes.attrs.get("flag_values", []))
    names = str(classes.attrs.get("flag_meanings", "")).split()
    if len(codes) != len(names):
        return {}
    return {float(code): name.replace("_", " ") for code, name in zip(codes, names, strict=True)}


def class_zones(classes: xr.DataArray, names: Mapping[float, str] | None = None) -> Zones:
    """Make a zone of every class that occurs.

    Parameters
    ----------
    classes : DataArray (y, x)
        Class codes; NaN cells belong to no zone.
    names : mapping of code to name, optional
        Classes without a name are called by their code.

    Returns
    -------
    Zones
        In the order of the class codes.

    Raises
    ------
    DataError
        If no cell has a class.

    Examples
    --------
    >>> cover = xr.DataArray([[10.0, 30.0], [10.0, np.nan]], dims=("y", "x"))
    >>> class_zones(cover, {10: "meadow"}).names
    ('meadow', '30')
    """
    values = np.asarray(classes.values, dtype=np.float64)
    present, codes = np.unique(values, return_inverse=True)
    present = present[np.isfinite(present)]
    if not present.size:
        raise DataError(
            "there are no zones without classes",
            found="no valid cell",
            do="Check that the classes cover the study area",
        )
    known = {float(code): name for code, name in (names or {}).items()}
    called = [known.get(float(code), f"{code:g}") for code in present]
    codes = np.where(np.isfinite(values), codes.reshape(values.shape), np.nan)
    return _zones(codes, classes, called, None, "class", 0)


def polygon_zones(
    source: str | Path | Mapping[str, Area],
    like: xr.DataArray | GeoBox,
    *,
    names: str | None = None,
    crs: object = None,
) -> Zones:
    """Make a zone of every polygon: catchments, counties, reserves.

    Parameters
    ----------
    source : path, or mapping of name to Area
        A vector file that GDAL reads, or areas by name, in any reference system.
    like : DataArray (y, x) or GeoBox
        The grid.
    names : str, optional
        Attribute of the file that names its features; features of one name are one zone. Without
        it they are numbered from 1.
    crs : pyproj.CRS, int or str, optional
        Of a file that names none.

    Returns
    -------
    Zones
        A cell belongs to the polygon that holds its centre; cells in none belong to no zone.
        Polygons too small to hold a centre are zones without cells.

    Raises
    ------
    InputError
        If the file cannot be read, holds no polygon or has no attribute `names`.
    CRSError
        If there is no reference system.
    DataError
        If polygons overlap by more than a border, so that cells would count twice, or none holds a
        cell.

    Examples
    --------
    >>> from headwater.grids import read_area, study_grid
    >>> grid = study_grid(resolution=0.5, area=read_area((94, 36, 96, 37)))
    >>> halves = {"west": read_area((94, 36, 95, 37)), "east": read_area((95, 36, 96, 37))}
    >>> polygon_zones(halves, grid).labels.values[0].tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    from headwater.grids.area import inside, read_areas
    from headwater.grids.geometry import geobox_of, grid_coords

    areas = source if isinstance(source, Mapping) else read_areas(source, names=names, crs=crs)
    grid = geobox_of(like) if isinstance(like, xr.DataArray) else like
    codes, twice = np.full(grid.shape, np.nan), []
    for code, (name, area) in enumerate(areas.items()):
        mask = inside(grid, area).values
        if np.isfinite(codes[mask]).any():
            twice.append(name)
        codes[mask] = code
    if twice or np.isnan(codes).all():
        raise DataError(
            "polygons overlap" if twice else "no polygon holds the centre of a cell",
            found=", ".join(twice) or f"{len(areas)} polygons, a grid of {grid.shape}",
            do="Give polygons that share borders only"
            if twice
            else "Check the reference systems, or use a finer grid",
        )
    cells = xr.DataArray(codes, dims=("y", "x"), coords=grid_coords(grid))
    return _zones(codes, cells, list(areas), None, "polygon", 0)


def cross(first: Zones, second: Zones) -> Zones:
    """Cross two divisions of the same cells: the parts of every zone in every other.

    Parameters
    ----------
    first, second : Zones
        Of the same cells; crossings can be crossed again.

    Returns
    -------
    Zones
        One for every pair that occurs, named ``"<first>, <second>"`` and in that order; cells that
        lie in no zone of either belong to none.

    Raises
    ------
    DataError
        If the cells differ, or no cell is in a zone of both.

    Examples
    --------
    >>> cover = class_zones(xr.DataArray([[1.0, 1.0, 2.0]], dims=("y", "x")), {1: "meadow"})
    >>> facing = aspect_sectors(xr.DataArray([[0.0, 180.0, 0.0]], dims=("y", "x")))
    >>> cross(cover, facing).names
    ('meadow, N', 'meadow, S', '2, N')
    """
    a, b = first.labels.values, second.labels.values
    if a.shape != b.shape:
        raise DataError(
            "zones of different cells",
            found=f"{a.shape} and {b.shape}",
            do="Make both on one grid",
        )
    pair = a.astype(np.float64) * second.count + b
    present, codes = np.unique(pair, return_inverse=True)
    present = present[np.isfinite(present)].astype(int)
    if not present.size:
        raise DataError(
            "the zones do not cross",
            found="no cell in a zone of both",
            do="Check that both cover the study area",
        )
    names = [
        f"{first.names[i]}, {second.names[j]}"
        for i, j in (divmod(k, second.count) for k in present.tolist())
    ]
    codes = np.where(np.isfinite(pair), codes.reshape(pair.shape), np.nan)
    return _zones(codes, first.labels, names, None, "crossing", 0)


def _zones(
    codes: NDArray[Any],
    cells: xr.DataArray,
    names: Sequence[str],
    edges: NDArray[Any] | None,
    kind: Kind,
    outside: int,
) -> Zones:
    attrs = {"long_name": f"Zones of {kind}", "units": "1", "kind": "categorical"}
    labels = cells.copy(data=codes.astype(np.float32))
    labels.name, labels.attrs = "zone", {**attrs, "outside": outside}
    return Zones(labels, tuple(names), edges, kind)


def _band_edges(valid: NDArray[Any], count: int, method: str) -> NDArray[Any]:
    if count < 1 or method not in ("equal", "quantile"):
        raise DataError(
            "unknown way to make elevation bands",
            found=f"count={count}, method='{method}'",
            do="Give a count of at least 1 and the method 'equal' or 'quantile'",
        )
    shares = np.linspace(0.0, 1.0, count + 1)
    low, high = valid.min(), valid.max()
    edges = np.quantile(valid, shares) if method == "quantile" else low + shares * (high - low)
    edges[-1] = high
    if count > 1 and np.any(np.diff(edges) <= 0):
        raise DataError(
            f"the elevations cannot be divided into {count} bands",
            found=f"{np.unique(valid).size} different elevations from {low:g} to {high:g} m",
            do="Ask for fewer bands, for method='equal', or give the edges",
        )
    return np.asarray(edges)


def _given_edges(edges: Sequence[float]) -> NDArray[Any]:
    limits = np.asarray(edges, dtype=np.float64)
    if limits.ndim != 1 or limits.size < 2 or not np.all(np.diff(limits) > 0):
        raise DataError(
            "the edges of the elevation bands must increase",
            found=str(list(edges)),
            do="Give at least two elevations in metres, from low to high",
        )
    return limits
