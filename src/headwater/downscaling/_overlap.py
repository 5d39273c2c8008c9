"""Which area every cell of one grid shares with every cell of another, on the ellipsoid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headwater.errors import GridError
from headwater.grids._axes import same_crs
from headwater.grids._weights import _interval, reach
from headwater.grids.geometry import _authalic, _crs, _eccentricity, _ellipsoid, _unit_factor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from odc.geo.geobox import GeoBox
    from pyproj import CRS
    from scipy.sparse import csr_matrix

__all__ = ["Overlap", "centres_km", "local_plane", "overlap"]

# A strip of a cell thinner than this share of it is rounding, not land.
_SLIVER = 1e-9
# Pieces into which the longer of two edges is cut before a map bends it: an edge of 36 km at 40
# degrees bends by some 25 m, and 32 pieces leave 25 m / 32^2 of that.
_PIECES = 32
_STRIP = 50_000


class Overlap(NamedTuple):
    """Shared areas (coarse cells x fine cells) and the areas of the coarse cells [km2].

    The area of a coarse cell is NaN where the fine grid is too far for it to be drawn.
    """

    shared: csr_matrix
    area: NDArray[np.float64]


class _Lines(NamedTuple):
    """Edges of columns and rows in a plane in which rectangles keep their area."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    km2: float
    """Area of a unit square."""
    turn: float
    """What once round the Earth is along x; 0 where the plane has an end."""


def overlap(coarse: GeoBox, fine: GeoBox) -> Overlap:
    """Measure shared areas, exactly where both grids are rectangles in one equal-area plane."""
    for grid in (coarse, fine):
        if grid.transform.b or grid.transform.d:
            raise GridError(
                "the grid is rotated",
                found=f"transform {tuple(grid.transform[:6])}",
                do="Warp it to a grid whose rows run along x",
            )
    lines = _plane_of_both(coarse, fine)
    return _polygons(coarse, fine) if lines is None else _product(*lines)


def local_plane(grid: GeoBox) -> CRS:
    """Lambert's azimuthal equal-area plane that touches the Earth in the middle of a grid."""
    from pyproj import CRS, Transformer

    t, (rows, columns) = grid.transform, grid.shape
    middle = t.c + t.a * columns / 2, t.f + t.e * rows / 2
    to_degrees = Transformer.from_crs(_crs(grid), CRS.from_epsg(4326), always_xy=True)
    longitude, latitude = to_degrees.transform(*middle)
    if not np.isfinite([longitude, latitude]).all():
        raise GridError(
            "the middle of the grid lies off its own map",
            found=f"{middle[0]:g}, {middle[1]:g} in {_crs(grid).name}",
            do="Correct the coordinates or the crs of this input",
        )
    return CRS.from_proj4(
        f"+proj=laea +lat_0={latitude:.9f} +lon_0={longitude:.9f} +ellps=WGS84 +units=m +type=crs"
    )


def centres_km(grid: GeoBox, plane: CRS, cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Centres of some cells, by their flat numbers, in a plane [km]."""
    t = grid.transform
    row, column = np.divmod(cells, grid.shape[1])
    moved = _moved(grid, plane, t.c + t.a * (column + 0.5), t.f + t.e * (row + 0.5))
    return np.column_stack(moved) / 1000.0


def _plane_of_both(coarse: GeoBox, fine: GeoBox) -> tuple[_Lines, _Lines] | None:
    """Edges of both grids in one plane in which both have rectangular cells, if there is one."""
    crs = _crs(coarse)
    if not crs.is_geographic and same_crs(crs, _crs(fine)) and _equal_area(coarse):
        km2 = (_unit_factor(crs) / 1000.0) ** 2
        return _Lines(*_edges(coarse), km2, 0.0), _Lines(*_edges(fine), km2, 0.0)
    ours, theirs = _on_cylinder(coarse), _on_cylinder(fine)
    # Areas that differ by less come of names of one datum (GRS 80 and WGS 84).
    if ours is None or theirs is None or abs(ours.km2 / theirs.km2 - 1.0) > 1e-9:
        return None
    return ours, theirs


def _equal_area(grid: GeoBox) -> bool:
    """Find out by the areas of its map at the corners and the middle of a grid."""
    from pyproj import Proj

    crs, t, (rows, columns) = _crs(grid), grid.transform, grid.shape
    u, v = np.array([0.01, 0.99, 0.5, 0.01, 0.99]), np.array([0.01, 0.01, 0.5, 0.99, 0.99])
    proj = Proj(crs)
    longitude, latitude = proj(t.c + t.a * columns * u, t.f + t.e * rows * v, inverse=True)
    if not np.isfinite([longitude, latitude]).all():
        return False
    return bool(np.ptp(proj.get_factors(longitude, latitude).areal_scale) < 1e-8)


def _edges(grid: GeoBox) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    t, (rows, columns) = grid.transform, grid.shape
    return t.c + t.a * np.arange(columns + 1.0), t.f + t.e * np.arange(rows + 1.0)


def _on_cylinder(grid: GeoBox) -> _Lines | None:
    """Edges as longitude [rad] and Snyder's q, for degrees and for Lambert's cylinder."""
    crs, (x, y) = _crs(grid), _edges(grid)
    radius, unit, e = float(_ellipsoid(crs).semi_major_metre), _unit_factor(crs), _eccentricity(crs)
    pole = np.pi / 2
    if crs.is_geographic:
        greenwich = float(crs.prime_meridian.longitude) if crs.prime_meridian else 0.0
        x, q = x * unit + np.radians(greenwich), _authalic(np.clip(y * unit, -pole, pole), crs)
    else:
        operation = crs.coordinate_operation
        if operation is None or operation.method_code not in ("9834", "9835"):
            return None
        known = {p.name: float(p.value) * p.unit_conversion_factor for p in operation.params}
        parallel = known["Latitude of 1st standard parallel"]
        scale = np.cos(parallel) / np.sqrt(1.0 - (e * np.sin(parallel)) ** 2)
        x = (x * unit - known["False easting"]) / (radius * scale)
        x += known["Longitude of natural origin"]
        q = 2.0 * scale * (y * unit - known["False northing"]) / radius
        most = float(_authalic(np.array(pole), crs))
        q = np.clip(q, -most, most)
    # q knows the ellipsoid's shape, so that a sphere and an ellipsoid of one radius differ here.
    shape = float(_authalic(np.array(pole), crs)) / 2.0
    return _Lines(x, q / shape, radius**2 * shape / 2.0 / 1e6, 2.0 * np.pi)


def _product(coarse: _Lines, fine: _Lines) -> Overlap:
    """Multiply the overlaps of rows and of columns: rectangles overlap in rectangles."""
    from scipy.sparse import kron

    turns = (-coarse.turn, 0.0, coarse.turn) if coarse.turn else (0.0,)
    width = sum(_intervals(coarse.x, fine.x + turn) for turn in turns)
    height = _intervals(coarse.y, fine.y)
    area = np.outer(np.abs(np.diff(coarse.y)), np.abs(np.diff(coarse.x))).ravel()
    return Overlap(kron(height, width, format="csr") * coarse.km2, area * coarse.km2)


def _intervals(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> csr_matrix:
    """Length that each of our intervals shares with each of theirs."""
    from scipy.sparse import csr_matrix

    shape = (ours.size - 1, theirs.size - 1)
    low, high = max(ours.min(), theirs.min()), min(ours.max(), theirs.max())
    cuts = np.unique(np.concatenate([ours, theirs]))
    cuts = cuts[(cuts >= low) & (cuts <= high)]
    steps = np.abs(np.concatenate([np.diff(ours), np.diff(theirs)]))
    length = np.diff(cuts)
    broad = length > _SLIVER * steps[steps > 0].min()
    middle = ((cuts[1:] + cuts[:-1]) / 2)[broad]
    at, of = _interval(ours, middle), _interval(theirs, middle)
    return csr_matrix((length[broad], (at, of)), shape=shape)


def _polygons(coarse: GeoBox, fine: GeoBox) -> Overlap:
    """Cut polygons with bent edges, strip by strip of the fine grid."""
    from scipy.sparse import csr_matrix

    plane, size = local_plane(fine), coarse.shape[0] * coarse.shape[1]
    area = np.full(size, np.nan)
    window = reach(coarse, fine)
    shape = (size, fine.shape[0] * fine.shape[1])
    if window is None:
        return Overlap(csr_matrix(shape), area)
    near = np.arange(size).reshape(coarse.shape)[window].ravel()
    pieces = _pieces(coarse, fine, plane)
    ours = _cells(coarse[window], plane, pieces[0])
    area[near] = _areas(ours)
    parts = []
    rows, columns = fine.shape
    step = max(_STRIP // columns, 1)
    for top in range(0, rows, step):
        strip = fine[top : min(top + step, rows), 0:columns]
        shared, at, of = _pairs(ours, _cells(strip, plane, pieces[1]))
        parts.append((shared, near[at], of + top * columns))
    shared, at, of = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Overlap(csr_matrix((shared, (at, of)), shape=shape), area)


def _pieces(coarse: GeoBox, fine: GeoBox, plane: CRS) -> tuple[int, int]:
    """Pieces for an edge of either grid, of about one length on the ground."""
    sides = []
    for grid in (coarse, fine):
        t, (rows, columns) = grid.transform, grid.shape
        x = t.c + t.a * (columns // 2 + np.array([0.0, 1.0, 0.0]))
        y = t.f + t.e * (rows // 2 + np.array([0.0, 0.0, 1.0]))
        x, y = _moved(grid, plane, x, y)
        sides.append(np.hypot(x[1:] - x[0], y[1:] - y[0]).max(initial=1.0))
    counts = [int(np.ceil(_PIECES * side / max(sides) - 1e-6)) for side in sides]
    return max(counts[0], 1), max(counts[1], 1)


def _cells(grid: GeoBox, plane: CRS, pieces: int) -> NDArray[Any]:
    """Polygons of the cells; neighbours have every point of their common edge in common."""
    import shapely

    t, (rows, columns) = grid.transform, grid.shape
    u, v = np.arange(columns * pieces + 1) / pieces, np.arange(rows * pieces + 1) / pieces
    across = _moved(grid, plane, *np.meshgrid(t.c + t.a * u, t.f + t.e * np.arange(rows + 1.0)))
    down = _moved(grid, plane, *np.meshgrid(t.c + t.a * np.arange(columns + 1.0), t.f + t.e * v))
    i, j = (index.ravel()[:, None] for index in np.mgrid[0:rows, 0:columns])
    k = np.arange(pieces)
    ring = np.stack(
        [
            np.concatenate(
                [
                    horizontal[i, j * pieces + k],
                    vertical[i * pieces + k, j + 1],
                    horizontal[i + 1, (j + 1) * pieces - k],
                    vertical[(i + 1) * pieces - k, j],
                ],
                axis=1,
            )
            for horizontal, vertical in zip(across, down, strict=True)
        ],
        axis=-1,
    )
    known = np.isfinite(ring).all(axis=(1, 2))
    cells = np.full(known.size, shapely.Polygon(), dtype=object)
    cells[known] = shapely.polygons(ring[known] / 1000.0)
    return cells


def _areas(cells: NDArray[Any]) -> NDArray[np.float64]:
    import shapely

    area = shapely.area(cells)
    return np.where(area > 0, area, np.nan)


def _pairs(
    ours: NDArray[Any], theirs: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Shared area, our cell and their cell, of all pairs that share any."""
    import shapely

    tree = shapely.STRtree(theirs)
    at, of = tree.query(ours, predicate="intersects")
    number = at * theirs.size + of
    whole = tree.query(ours, predicate="contains_properly")
    inside = np.isin(number, whole[0] * theirs.size + whole[1], assume_unique=True)
    shared = shapely.area(theirs)[of]
    cut = ~inside
    shared[cut] = shapely.area(shapely.intersection(ours[at[cut]], theirs[of[cut]]))
    some = shared > 0
    return shared[some], at[some], of[some]


def _moved(
    grid: GeoBox, plane: CRS, x: ArrayLike, y: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any]]:
    from pyproj import Transformer

    moved = Transformer.from_crs(_crs(grid), plane, always_xy=True).transform(x, y)
    return np.asarray(moved[0]), np.asarray(moved[1])
