"""Rotated and curvilinear grids, brought conservatively onto longitude and latitude."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from headwater.errors import GridError
from headwater.grids._axes import axis_of, crs_in, known_crs, mesh_of, tidy_axis
from headwater.grids._weights import Weights, apply
from headwater.grids.geometry import _authalic, grid_coords

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

__all__ = ["Corners", "corners_of", "overlap_weights", "regridded"]

_LEAST = 0.5
"""Share of a cell that source cells must cover for it to have a value."""
_MOST_SPAN = 170.0
"""Longitudes that a grid may span, or a cell of it does not surround a pole [degree]."""


class Corners(NamedTuple):
    """Corners of the cells of a grid, (row + 1, column + 1) [degree]."""

    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]


def corners_of(
    dataset: xr.Dataset, name: str, axes: dict[str, str], path: Path, what: str
) -> Corners:
    """Find where the corners of the cells lie: by the grid mapping, by bounds, or by the centres.

    Raises
    ------
    GridError
        If the file says neither, or the grid surrounds a pole.
    """
    corners = _of_mapping(dataset, name, axes) if what == "a rotated pole" else None
    mesh = mesh_of(dataset, axes)
    if corners is None and mesh is not None:
        corners = _of_bounds(dataset, mesh) or _of_centres(*mesh)
    if corners is None:
        raise GridError(
            f"variable '{name}' of {path} lies on {what}, whose cells have no places",
            found="neither latitude and longitude of each cell, nor a grid mapping of the pole",
            do="Give a file with two-dimensional latitude and longitude, or regrid it first: "
            "`cdo remapcon,<grid description> in.nc out.nc`",
        )
    middle = float(np.degrees(np.angle(np.exp(1j * np.radians(corners.longitude)).sum())))
    around = (corners.longitude - middle + 180.0) % 360.0 - 180.0
    if not np.isfinite(around).all() or np.ptp(around) > 2 * _MOST_SPAN - 180.0:
        raise GridError(
            f"variable '{name}' of {path} lies on {what} that surrounds a pole or the globe",
            found=f"longitudes over {np.ptp(around):.0f} degrees",
            do="Cut it to the region first, or regrid it: "
            "`cdo remapcon,<grid description> in.nc out.nc`",
        )
    placed = Corners(around + middle, corners.latitude)
    if not np.median(_polygon_areas(placed.longitude, placed.latitude)) > 0:
        raise GridError(
            f"variable '{name}' of {path} lies on {what} whose cells have no area",
            found=f"latitudes of {_spread(placed.latitude)}, longitudes of "
            f"{_spread(placed.longitude)} degrees",
            do="Mend latitude and longitude in the file, or give the file that holds them as "
            "georeference",
        )
    return placed


def _spread(values: NDArray[np.float64]) -> str:
    return f"{np.nanmin(values):g} to {np.nanmax(values):g}"


def _of_mapping(dataset: xr.Dataset, name: str, axes: dict[str, str]) -> Corners | None:
    """Turn the edges of a rotated pole's axes back, where the file names the pole."""
    from pyproj import Transformer

    lines = [axis_of(dataset, axes[role]) for role in ("x", "y")]
    crs, _ = crs_in(dataset, name)
    if crs is None or any(line is None or line.size < 2 for line in lines):
        return None
    if "grid_mapping" not in dataset[name].attrs or not crs.is_derived:
        return None
    x, y = (_edges(tidy_axis(line)) for line in lines if line is not None)
    turn = Transformer.from_crs(crs, known_crs(4326), always_xy=True)
    longitude, latitude = turn.transform(*np.meshgrid(x, y))
    return Corners(np.asarray(longitude), np.asarray(latitude))


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - middle[0], 2 * centres[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def _of_bounds(dataset: xr.Dataset, mesh: tuple[xr.Variable, xr.Variable]) -> Corners | None:
    """Read corners from bounds of four vertices for each cell, where neighbours share theirs."""
    found = []
    for variable in mesh:
        bounds = dataset.variables.get(variable.attrs.get("bounds", ""))
        if bounds is None or bounds.ndim != 3 or bounds.shape != (*variable.shape, 4):
            return None
        v = np.asarray(bounds.values, dtype=np.float64)
        rows, columns = variable.shape
        corner = np.empty((rows + 1, columns + 1))
        corner[:-1, :-1], corner[:-1, -1] = v[..., 0], v[:, -1, 1]
        corner[-1, -1], corner[-1, :-1] = v[-1, -1, 2], v[-1, :, 3]
        shared = np.stack(
            [corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], axis=-1
        )
        if not np.allclose(shared, v, atol=1e-4):
            return None  # vertices in another order, or cells apart: the centres serve as well
        found.append(corner)
    return Corners(found[1], found[0])


def _of_centres(latitude: xr.Variable, longitude: xr.Variable) -> Corners | None:
    """Put corners between the centres, on the sphere, and beyond the outermost by half a cell."""
    phi, lam = (np.radians(np.asarray(v.values, np.float64)) for v in (latitude, longitude))
    if min(phi.shape) < 2 or not (np.isfinite(phi).all() and np.isfinite(lam).all()):
        return None
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    wider = np.apply_along_axis(_edges, 1, points)
    corners = np.apply_along_axis(_edges, 2, wider)
    corners /= np.linalg.norm(corners, axis=0)
    return Corners(
        np.degrees(np.arctan2(corners[1], corners[0])), np.degrees(np.arcsin(corners[2]))
    )


def regridded(data: xr.DataArray, corners: Corners, kind: str) -> tuple[xr.DataArray, str]:
    r"""Bring a variable from cells of any shape onto a regular grid of their size, lazily.

    Parameters
    ----------
    data : DataArray (..., y, x)
        One value for each cell.
    corners : Corners
        Of the cells.
    kind : str
        Continuous, circular or categorical.

    Returns
    -------
    data : DataArray (..., y, x)
        In longitude and latitude; missing where source cells cover less than half a cell.
    note : str
        What was done.

    Notes
    -----
    A cell's value is :math:`\sum_j a_{ij} z_j / \sum_j a_{ij}`, with the area :math:`a_{ij}` that
    it shares with source cell j, so that means over the area stay what they were [1]_.

    References
    ----------
    .. [1] Jones, P. W. (1999). First- and second-order conservative remapping schemes for grids in
       spherical coordinates. Monthly Weather Review, 127(9), 2204-2210.
       https://doi.org/10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2
    """
    from dask.delayed import delayed

    grid = _grid_for(corners)
    shape = (int(grid.shape[0]), int(grid.shape[1]))
    how = {"circular": "circular", "categorical": "mode"}.get(kind, "mean")
    lazy: Any = data.chunk({"y": -1, "x": -1})
    values = lazy.data.map_blocks(
        apply,
        delayed(overlap_weights, pure=True)(corners, grid),
        how=how,
        least=_LEAST,
        shape=shape,
        dtype=data.dtype,
        chunks=(*lazy.data.chunks[:-2], (shape[0],), (shape[1],)),
        meta=np.empty((0,) * data.ndim, dtype=data.dtype),
    )
    kept = {c: v for c, v in data.coords.items() if not {"y", "x"} & set(v.dims)}
    labels = {axis: (axis, grid_coords(grid)[axis].values) for axis in ("y", "x")}
    moved = xr.DataArray(
        values, dims=data.dims, coords=kept | labels, attrs=data.attrs, name=data.name
    )
    size = f"{abs(grid.resolution.x):g} degree"
    was = f"{data.sizes['y']} x {data.sizes['x']}"
    how = "the class of the largest area" if how == "mode" else "area-weighted means"
    return moved, f"regridded from {was} cells to {shape[0]} x {shape[1]} of {size} ({how})"


def _grid_for(corners: Corners) -> GeoBox:
    """Lay a regular grid over the cells, of about their size, its edges at whole steps."""
    from odc.geo.geobox import GeoBox

    area = _polygon_areas(corners.longitude, np.sin(np.radians(corners.latitude)))
    middle = np.cos(np.radians(corners.latitude.mean()))
    side = float(np.sqrt(np.median(area) * np.degrees(1.0) / middle))
    digits = 1 - int(np.floor(np.log10(side)))
    step = round(side, digits)
    west, east = np.floor(corners.longitude.min() / step), np.ceil(corners.longitude.max() / step)
    south, north = np.floor(corners.latitude.min() / step), np.ceil(corners.latitude.max() / step)
    box = (west * step, max(south * step, -90.0), east * step, min(north * step, 90.0))
    return GeoBox.from_bbox(box, "EPSG:4326", shape=(round(north - south), round(east - west)))


def _polygon_areas(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of each four-sided cell, from the cross product of its diagonals."""
    dx, dy = x[1:, 1:] - x[:-1, :-1], y[1:, 1:] - y[:-1, :-1]
    ex, ey = x[1:, :-1] - x[:-1, 1:], y[1:, :-1] - y[:-1, 1:]
    return np.abs(dx * ey - ex * dy) / 2.0


def overlap_weights(corners: Corners, grid: GeoBox) -> Weights:
    """Areas that cells of any shape share with those of a grid of longitude and latitude.

    Parameters
    ----------
    corners : Corners
        Neighbours share theirs, so that nothing is lost between cells.
    grid : GeoBox
        In longitude and latitude.

    Returns
    -------
    Weights
        In the plane of longitude and the sine of the authalic latitude, where areas are true and
        the cells of the grid are rectangles; edges of source cells are straight there.
    """
    import shapely
    from scipy.sparse import csr_matrix

    crs = known_crs(4326)
    y = _authalic(np.radians(np.clip(corners.latitude, -90.0, 90.0)), crs)
    ring = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)]
    rows, columns = y.shape[0] - 1, y.shape[1] - 1
    vertices = np.stack(
        [
            np.stack([p[i : i + rows, j : j + columns].ravel() for i, j in ring], axis=-1)
            for p in (corners.longitude, y)
        ],
        axis=-1,
    )
    cells: Any = shapely.polygons(vertices)
    t, (down, across) = grid.transform, grid.shape
    east = t.c + t.a * np.arange(across + 1)
    north = _authalic(np.radians(np.clip(t.f + t.e * np.arange(down + 1), -90, 90)), crs)
    low, high = np.minimum(north[:-1], north[1:]), np.maximum(north[:-1], north[1:])
    left, right = (np.tile(edge, down) for edge in (east[:-1], east[1:]))
    boxes: Any = shapely.box(left, np.repeat(low, across), right, np.repeat(high, across))
    at, of = shapely.STRtree(cells).query(boxes, predicate="intersects")
    shared: Any = shapely.area(shapely.intersection(boxes[at], cells[of]))
    some = shared > 0
    matrix = csr_matrix((shared[some], (at[some], of[some])), shape=(boxes.size, cells.size))
    return Weights(matrix, np.asarray(shapely.area(boxes)))
