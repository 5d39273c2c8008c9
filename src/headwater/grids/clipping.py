"""Cut a grid down to an area."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import GridError
from headwater.grids.geometry import SHARE, _crs, crs_of, geobox_of, grid_coords

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area

__all__ = ["cell_shares", "clip", "inside"]


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
    from headwater.grids.area import Area

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
