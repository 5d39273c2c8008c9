"""The study area: a polygon with its reference system and its name, and grids cut down to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import CRSError, GridError, InputError, nearest
from headwater.grids._axes import agreed_crs, known_crs
from headwater.grids.geometry import SHARE, _crs, crs_of, geobox_of, grid_coords
from headwater.storage import local_copy, path_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox
    from pyproj import CRS
    from shapely.geometry.base import BaseGeometry

__all__ = [
    "Area",
    "cell_shares",
    "clip",
    "inside",
    "read_area",
    "read_areas",
    "read_features",
]

_SEGMENTS = 200


@dataclass(frozen=True, slots=True)
class Area:
    """A study area.

    Attributes
    ----------
    geometry : shapely Polygon or MultiPolygon
        Valid and not empty.
    crs : pyproj.CRS
        Reference system of `geometry`, with x (longitude) first.
    name : str
        What the area is called.
    """

    geometry: BaseGeometry
    crs: CRS
    name: str

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north in `crs`."""
        west, south, east, north = self.geometry.bounds
        return west, south, east, north

    def to_crs(self, crs: object) -> Area:
        """Reproject, with edges that bend as the map does.

        Parameters
        ----------
        crs : pyproj.CRS, int or str
            Where to.

        Returns
        -------
        Area

        Raises
        ------
        CRSError
            If `crs` is unknown, or the area has no place in it.
        """
        import shapely
        from pyproj import Transformer

        target = known_crs(crs)
        if target.equals(self.crs, ignore_axis_order=True):
            return Area(self.geometry, target, self.name)
        west, south, east, north = self.bounds
        dense = shapely.segmentize(self.geometry, max(east - west, north - south) / _SEGMENTS)
        project: Any = Transformer.from_crs(self.crs, target, always_xy=True).transform
        moved = shapely.transform(dense, project, interleaved=False)
        if not np.isfinite(moved.bounds).all():
            raise CRSError(
                f"the area '{self.name}' cannot be drawn in another reference system",
                found=f"{self.crs.name} to {target.name}",
                do="Choose a crs whose domain holds the area",
            )
        return Area(_polygons(moved), target, self.name)

    def overlap(self, other: Area) -> Area:
        """Keep what lies in both areas, for example in a region and in a bounding box.

        Parameters
        ----------
        other : Area
            In any reference system.

        Returns
        -------
        Area
            In the reference system of this one, and of its name.

        Raises
        ------
        GridError
            If the two have nothing in common.
        """
        shared = _polygons(self.geometry.intersection(other.to_crs(self.crs).geometry))
        if shared.is_empty:
            raise GridError(
                f"the areas '{self.name}' and '{other.name}' do not overlap",
                found=f"{self.bounds} and {other.to_crs(self.crs).bounds} in {self.crs.name}",
                do="Correct one of them",
            )
        return Area(shared, self.crs, self.name)


def read_area(
    source: str | Path | Sequence[float],
    *,
    crs: object = None,
    where: Mapping[str, Any] | None = None,
    encoding: str | None = None,
) -> Area:
    """Read a study area from a polygon file, or make one from four numbers.

    Parameters
    ----------
    source : path or four numbers
        GeoJSON, GeoPackage, Shapefile or any other vector file that GDAL reads; or (west, south,
        east, north).
    crs : pyproj.CRS, int or str, optional
        For a file: needed where the file names none, and must not contradict the one it names. For
        four numbers: EPSG:4326 unless given.
    where : mapping, optional
        Attributes that a feature must have to count, each a value or a list of values.
    encoding : str, optional
        Of the attributes, where the file does not say it or says it wrongly: ``"GBK"``. Where
        `where` fits no feature, UTF-8 and GB18030 are tried.

    Returns
    -------
    Area
        The union of the features, repaired where a ring crosses itself.

    Raises
    ------
    InputError
        If the file is missing, unreadable or holds no polygon, or if no feature fits `where`.
    CRSError
        If there is no reference system, or file and argument contradict each other.

    Examples
    --------
    >>> read_area((94.87, 36.43, 103.15, 40.02)).crs.to_epsg()
    4326
    """
    if not isinstance(source, str | Path):
        return _box(source, crs)
    path = local_copy(path_of(source))
    layer, fields, geometries, found_crs = _features(path, encoding)
    if where:
        fields = fields if encoding else _decoded(path, fields, where)
        geometries = geometries[_selected(path, fields, where)]
    polygons = _polygons(geometries)
    if polygons.is_empty:
        kinds = sorted({_kind(shape) for shape in geometries if shape is not None})
        raise InputError(
            f"{path} holds no polygon",
            found=", ".join(kinds) or "no feature",
            do="Give a file with the outline of the study area",
        )
    name = ", ".join(str(value) for value in where.values()) if where else layer
    return Area(
        polygons, agreed_crs(found_crs and known_crs(found_crs), True, crs, str(path)), name
    )


def read_areas(
    source: str | Path, *, names: str | None = None, crs: object = None
) -> dict[str, Area]:
    """Read the polygons of a file as areas by name.

    Parameters
    ----------
    source : path
        As in :func:`read_area`.
    names : str, optional
        Attribute that names the features; features of one name become one area. Without it they
        are numbered from 1.
    crs : pyproj.CRS, int or str, optional
        As in :func:`read_area`.

    Returns
    -------
    dict of Area
        In the order of the file.

    Raises
    ------
    InputError
        As :func:`read_area`, and if the file has no attribute `names`.
    CRSError
        As :func:`read_area`.
    """
    path = local_copy(path_of(source))
    _, fields, geometries, found_crs = _features(path, None)
    if names is not None and names not in fields:
        raise InputError(
            f"{path} has no attribute '{names}'",
            found=f"attributes {', '.join(fields) or 'none'}",
            do=nearest(names, list(fields)),
        )
    called = [str(each) for each in (fields[names] if names else range(1, len(geometries) + 1))]
    system = agreed_crs(found_crs and known_crs(found_crs), True, crs, str(path))
    areas = {}
    for name in dict.fromkeys(called):
        own = _polygons(geometries[[each == name for each in called]])
        if not own.is_empty:
            areas[name] = Area(own, system, name)
    if not areas:
        raise InputError(
            f"{path} holds no polygon", found=f"{len(called)} features", do="Give a polygon file"
        )
    return areas


def read_features(
    source: str | Path, *, crs: object = None, encoding: str | None = None
) -> tuple[Any, dict[str, Any], CRS]:
    """Read the features of a polygon file as they are, one by one.

    Parameters
    ----------
    source : path
        As in :func:`read_area`.
    crs : pyproj.CRS, int or str, optional
        As in :func:`read_area`.
    encoding : str, optional
        As in :func:`read_area`.

    Returns
    -------
    shapes : ndarray of shapely geometry, shape (n,)
        None where a feature has none.
    fields : dict of ndarray, shape (n,)
        Attributes.
    crs : pyproj.CRS
        With x (longitude) first.

    Raises
    ------
    InputError
        If the file is missing or unreadable.
    CRSError
        As :func:`read_area`.
    """
    path = local_copy(path_of(source))
    _, fields, geometries, found_crs = _features(path, encoding)
    system = agreed_crs(found_crs and known_crs(found_crs), True, crs, str(path))
    return geometries, fields, system


def _kind(shape: BaseGeometry) -> str:
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        return str(shape.geom_type)
    return f"{shape.geom_type} without {'corners' if shape.is_empty else 'extent'}"


def _box(source: Sequence[float], crs: object) -> Area:
    import shapely

    numbers = np.asarray(source, dtype=np.float64).ravel()
    if numbers.size != 4 or not np.isfinite(numbers).all():
        raise InputError(
            "a bounding box needs four numbers",
            found=f"{list(source)}",
            do="Write [west, south, east, north]",
        )
    west, south, east, north = numbers.tolist()
    system = known_crs(crs or "EPSG:4326")
    if west >= east or south >= north or (system.is_geographic and max(-south, north) > 90):
        raise InputError(
            "the bounding box is turned round or off the Earth",
            found=f"west {west:g}, south {south:g}, east {east:g}, north {north:g}",
            do="Write [west, south, east, north] with west < east and south < north",
        )
    return Area(shapely.box(west, south, east, north), system, "bounding box")


def _features(path: Path, encoding: str | None) -> tuple[str, dict[str, Any], Any, Any]:
    """Name, attribute columns, geometries and CRS of the layer with polygons."""
    import pyogrio
    import shapely

    if not path.exists():
        raise InputError("no such file", found=str(path), do="Correct this path")
    try:
        layers = pyogrio.list_layers(path)
        polygonal = [name for name, kind in layers if kind and "Polygon" in kind]
        candidates = polygonal or [name for name, _ in layers]
        meta, _, shapes, columns = pyogrio.raw.read(path, layer=candidates[0], encoding=encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise InputError(
            f"the attributes of {path} cannot be read",
            found=str(error),
            do='Write encoding = "GBK" (or another) in the table of the area',
        ) from error
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, IndexError) as error:
        raise InputError(
            f"{path} cannot be read as a vector file",
            found=str(error).splitlines()[0],
            do="Give a GeoJSON, GeoPackage or Shapefile",
        ) from error
    if len(candidates) > 1:
        raise InputError(
            f"{path} holds several layers",
            found=", ".join(candidates),
            do="Save the one that holds the study area in a file of its own",
        )
    fields = dict(zip(meta["fields"], columns, strict=True))
    return path.stem, fields, shapely.from_wkb(shapes), meta["crs"]


def _decoded(path: Path, fields: dict[str, Any], where: Mapping[str, Any]) -> dict[str, Any]:
    """Read attributes in another encoding where none of them fits, as those of many shapefiles."""
    wanted = {str(v) for wish in where.values() for v in ([wish] if np.isscalar(wish) else wish)}
    names = {str(name) for name in fields}
    if all(v.isascii() for v in (*wanted, *where)) or path.suffix.lower() != ".shp":
        return fields
    present = {str(v) for column in fields.values() for v in column}
    if set(where) <= names and wanted & present:
        return fields
    for encoding in ("UTF-8", "GB18030"):
        try:
            found = _features(path, encoding)[1]
        except InputError:
            continue
        values = {str(v) for name in where if name in found for v in found[name]}
        if wanted & values:
            return found
    return fields


def _selected(path: Path, fields: dict[str, Any], where: Mapping[str, Any]) -> Any:
    """Rows that fit every attribute of `where`."""
    chosen: Any = True
    for attribute, wanted in where.items():
        if attribute not in fields:
            raise InputError(
                f"{path} has no attribute '{attribute}'",
                found=f"attributes {', '.join(fields) or 'none'}",
                do=nearest(attribute, list(fields)),
            )
        values = [str(wish) for wish in ([wanted] if np.isscalar(wanted) else wanted)]
        present = np.array([str(value) for value in fields[attribute]])
        missing = [value for value in values if value not in present]
        if missing:
            raise InputError(
                f"{path} has no feature with {attribute} = '{missing[0]}'",
                found=f"{present.size} features",
                do=nearest(missing[0], sorted(set(present.tolist()))[:50]),
            )
        chosen = chosen & np.isin(present, values)
    if not np.any(chosen):
        raise InputError(
            f"no feature of {path} has all the attributes asked for",
            found=f"where {dict(where)}",
            do="Ask for fewer attributes",
        )
    return chosen


def _polygons(shapes: object) -> BaseGeometry:
    """Union of all polygons, repaired; lines and points that a repair leaves are dropped."""
    import shapely

    shapes = np.atleast_1d(np.asarray(shapes, dtype=object))
    valid = shapely.make_valid(shapes[shapely.get_dimensions(shapes) == 2])
    parts = shapely.get_parts(shapely.get_parts(valid))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])


def inside(grid: GeoBox, area: Area) -> xr.DataArray:
    """Find which cells of a grid have their centre in an area.

    Parameters
    ----------
    grid : GeoBox
        Rows may run either way.
    area : Area
        In any reference system.

    Returns
    -------
    DataArray (y, x)
        True where the centre lies inside.

    Examples
    --------
    >>> from headwater.grids import read_area, study_grid
    >>> grid = study_grid(resolution=0.5, area=read_area((94, 36, 96, 37)))
    >>> int(inside(grid, read_area((94, 36, 95, 37))).sum())
    4
    """
    from rasterio.features import geometry_mask

    outline = area.to_crs(_crs(grid)).geometry
    mask = geometry_mask([outline], out_shape=grid.shape, transform=grid.transform, invert=True)
    return xr.DataArray(mask, dims=("y", "x"), coords=grid_coords(grid), name="inside")


def cell_shares(grid: GeoBox, area: Area) -> xr.DataArray:
    """Find the share of each cell of a grid that lies in an area.

    Parameters
    ----------
    grid : GeoBox
        Rows may run either way.
    area : Area
        In any reference system.

    Returns
    -------
    DataArray (y, x)
        From 0 to 1 [1], of areas in the plane of the grid's own coordinates.

    Examples
    --------
    >>> from headwater.grids import read_area, study_grid
    >>> grid = study_grid(resolution=0.5, area=read_area((94, 36, 95, 36.5)))
    >>> cell_shares(grid, read_area((94.4, 36.1, 94.6, 36.2))).round(3).values.tolist()
    [[0.04, 0.04]]
    """
    import shapely

    t, (rows, columns) = grid.transform, grid.shape
    left, top = t.c + t.a * np.arange(columns), t.f + t.e * np.arange(rows)
    x, y = (mesh.ravel() for mesh in np.meshgrid(left, top))
    cells = shapely.box(x, np.minimum(y, y + t.e), x + t.a, np.maximum(y, y + t.e))
    outline = area.to_crs(_crs(grid)).geometry
    share = shapely.area(shapely.intersection(cells, outline)) / shapely.area(cells)
    return xr.DataArray(
        share.reshape(grid.shape),
        dims=("y", "x"),
        coords=grid_coords(grid),
        name=SHARE,
        attrs={"units": "1", "long_name": "Share of the cell in the area"},
    )


def clip(data: xr.DataArray, area: Area, *, margin: int = 0) -> xr.DataArray:
    """Crop a grid to an area and mask what lies outside, lazily.

    Parameters
    ----------
    data : DataArray (..., y, x)
        On a regular grid with a ``spatial_ref``.
    area : Area
        In any reference system.
    margin : int
        Cells to keep around the area, for methods that look beyond its edge: the area is first
        widened by this many cells (of the longer side).

    Returns
    -------
    DataArray (..., y, x)
        The cells whose centre lies inside the (widened) area; NaN elsewhere.

    Raises
    ------
    GridError
        If grid and area do not overlap (both extents are named in the grid's own reference
        system), or the area holds no cell centre.
    CRSError
        If the data has no reference system.

    Examples
    --------
    >>> from headwater.grids import read_area, study_grid
    >>> grid = study_grid(resolution=0.5, area=read_area((94, 36, 96, 37)))
    >>> cube = xr.DataArray(np.ones(grid.shape), dims=("y", "x"), coords=grid_coords(grid))
    >>> dict(clip(cube, read_area((94, 36, 95, 37))).sizes)
    {'y': 2, 'x': 2}
    """
    grid = geobox_of(data)
    region = area.to_crs(crs_of(data))
    if margin:
        width = margin * max(abs(grid.transform.a), abs(grid.transform.e))
        region = Area(region.geometry.buffer(width), region.crs, region.name)
    west, south, east, north = region.bounds
    rows, columns = _within(data["y"], south, north), _within(data["x"], west, east)
    if rows is None or columns is None:
        raise _no_overlap(grid, region)
    window = grid[rows, columns]
    mask = inside(window, region)
    if not mask.any():
        raise _no_overlap(grid, region)
    cropped = data.isel(y=rows, x=columns).assign_coords(grid_coords(window))
    return cropped if mask.all() else cropped.where(mask.drop_vars("spatial_ref"))


def _within(centres: xr.DataArray, low: float, high: float) -> slice | None:
    values: NDArray[Any] = centres.values
    found = np.flatnonzero((values >= low) & (values <= high))
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else None


def _no_overlap(grid: GeoBox, region: Area) -> GridError:
    extent = grid.extent.boundingbox
    ours = f"grid {extent.left:.6g} to {extent.right:.6g}, {extent.bottom:.6g} to {extent.top:.6g}"
    west, south, east, north = region.bounds
    theirs = f"area '{region.name}' {west:.6g} to {east:.6g}, {south:.6g} to {north:.6g}"
    apart = west > extent.right or east < extent.left or south > extent.top or north < extent.bottom
    return GridError(
        "grid and area do not overlap" if apart else "the area holds no cell centre of the grid",
        found=f"{ours}; {theirs} (x, y in {region.crs.name})",
        do="Correct the area or the crs of this input"
        if apart
        else "Choose a larger area or a finer grid, or keep a margin of 1 cell",
    )
