"""Slope and aspect of the land, with true distances, and their summary on a coarser grid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import DataError, GridError
from headwater.glossary import term
from headwater.grids.geometry import cell_area, cell_size, geobox_of, grid_coords, is_geographic
from headwater.units import convert

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

__all__ = ["slope_aspect", "terrain_on_grid"]

# Cells worked on at a time: their temporaries fit in a processor's cache.
_BLOCK = 1 << 18
# A DEM must be this many times finer than the study grid for its cells to be counted into it.
_FINER = 4.0
# Below this length of the mean vector its direction is rounding noise.
_NO_DIRECTION = 1e-6


def slope_aspect(dem: xr.DataArray) -> xr.Dataset:
    r"""Derive slope and aspect from a digital elevation model.

    Parameters
    ----------
    dem : DataArray (y, x)
        Elevation, ``attrs["units"]`` a length (metres if absent). Rows may run up or down, cells
        may be rectangular, the system geographic or projected.

    Returns
    -------
    Dataset
        ``slope`` (y, x) [degree] and ``aspect`` (y, x) [degree clockwise from north], the azimuth
        of the steepest descent, float32. Aspect is NaN where the land is flat. Both are NaN where
        the cell or one of its eight neighbours is missing, and so along the edge.

    Raises
    ------
    DataError
        If `dem` is not (y, x).
    GridError
        If the grid is irregular, or has less than three rows or columns.
    CRSError, UnitError
        If the reference system is missing or the unit is not a length.

    Notes
    -----
    Horn's third-order finite difference [1]_ over the 3 x 3 window a b c / d e f / g h i, with
    the distances between centres, :func:`headwater.grids.geometry.cell_size`, of the middle row:

    .. math::
        \frac{\partial z}{\partial x} = \frac{(c+2f+i)-(a+2d+g)}{8\,\Delta x},\quad
        \frac{\partial z}{\partial y} = \frac{(a+2b+c)-(g+2h+i)}{8\,\Delta y}

    .. math::
        S = \arctan\sqrt{z_x^2+z_y^2},\quad A = \operatorname{atan2}(-z_x, -z_y) \bmod 360°

    On a geographic grid a degree of longitude is shorter than one of latitude; programs that leave
    the cell size out of the aspect, or give both the same length, are wrong there. In a projected
    system north is up on the map.

    References
    ----------
    .. [1] Horn, B. K. P. (1981). Hill shading and the reflectance map. Proceedings of the IEEE,
       69(1), 14-47. https://doi.org/10.1109/PROC.1981.11918

    Examples
    --------
    A plane that falls 1 m per metre both eastward and northward, on cells of 10 x 40 m:

    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> grid = GeoBox((5, 5), Affine(10, 0, 500000, 0, -40, 4000200), "EPSG:32647")
    >>> coords = grid_coords(grid)
    >>> plane = (-1.0 * coords["y"] - 1.0 * coords["x"]).assign_coords(coords)
    >>> terrain = slope_aspect(plane)
    >>> [round(float(terrain[name][2, 2]), 4) for name in ("slope", "aspect")]
    [54.7356, 45.0]
    """
    heights, grid = _metres(dem), geobox_of(dem)
    _, columns = dem.shape
    angles = np.empty((2, *dem.shape), dtype=np.float32)
    for rows in _row_blocks(range(dem.shape[0]), columns):
        window = _window(heights, rows, range(columns))
        east, north = _descent(window, _part(grid, rows, range(columns)))
        angles[:, rows.start : rows.stop] = _angles(east, north)
    attrs = _aspect_note(grid)
    return xr.Dataset(
        {
            "slope": (("y", "x"), angles[0], _attrs("slope")),
            "aspect": (("y", "x"), angles[1], {**_attrs("aspect"), **attrs}),
        },
        coords={name: dem.coords[name] for name in ("y", "x", "spatial_ref")},
    )


def terrain_on_grid(dem: xr.DataArray, geobox: GeoBox, *, min_coverage: float = 0.5) -> xr.Dataset:
    r"""Derive terrain at the resolution of the DEM and summarise it on the study grid.

    Parameters
    ----------
    dem : DataArray (y, x)
        As for :func:`slope_aspect`; it may be lazy and is then read by blocks of rows.
    geobox : GeoBox
        The study grid, in any reference system and at any ratio to the DEM.
    min_coverage : float
        Least share of a study cell's area that must have a value, above 0 and at most 1.

    Returns
    -------
    Dataset (y, x)
        ``elevation`` [m], ``slope`` [degree] (mean of the slopes, not slope of the mean),
        ``aspect`` [degree clockwise from north] (direction of the mean vector of the cells that are
        not flat), ``aspect_concentration`` [1] (its length: 0 = all directions, 1 = one direction),
        float32; ``n``, number of valid DEM cells [1]. ``attrs["caution"]`` says if the DEM was too
        coarse.

    Raises
    ------
    DataError
        If `min_coverage` is not within (0, 1], or no study cell has an elevation.
    GridError, CRSError, UnitError
        As :func:`slope_aspect`; GridError also if DEM and study grid do not overlap.

    Notes
    -----
    With the areas w of the DEM cells whose centres lie in a study cell,

    .. math::
        \bar z = \frac{\sum w z}{\sum w},\quad \bar S = \frac{\sum w S}{\sum w},\quad
        \bar R e^{i \bar A} = \frac{\sum w e^{i A}}{\sum w}

    Aspects are never averaged as numbers [1]_. Counting centres is exact where the grids nest, and
    otherwise off by part of a row of DEM cells along the edge of a study cell; so it is used only
    where the DEM is at least four times finer. Otherwise the study cell takes the DEM cell at its
    centre.

    References
    ----------
    .. [1] Mardia, K. V. and Jupp, P. E. (2000). Directional Statistics, section 2.2. Wiley.
       https://doi.org/10.1002/9780470316979

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> fine = GeoBox((32, 32), Affine(30, 0, 500000, 0, -30, 4000960), "EPSG:32647")
    >>> study = GeoBox((2, 2), Affine(480, 0, 500000, 0, -480, 4000960), "EPSG:32647")
    >>> coords = grid_coords(fine)
    >>> plane = (0.0 * coords["y"] + coords["x"] - 499000.0).assign_coords(coords)
    >>> terrain = terrain_on_grid(plane, study)
    >>> [round(float(terrain[v][0, 0]), 3) for v in ("elevation", "slope", "aspect", "n")]
    [1240.0, 45.0, 270.0, 256.0]
    """
    if not 0.0 < min_coverage <= 1.0:
        raise DataError(
            "the least coverage is a share of the cell",
            found=f"min_coverage={min_coverage}",
            do="Give a number above 0 and at most 1",
        )
    heights, grid = _metres(dem), geobox_of(dem)
    if _ratio(grid, geobox) >= _FINER:
        values, n = _aggregated(heights, grid, geobox, min_coverage)
        notes = {"method": f"mean of DEM cells, at least {min_coverage:.0%} of the area"}
    else:
        values, n = _sampled(heights, grid, geobox)
        caution = "the DEM is less than 4 times finer than the grid: one DEM cell stands for a cell"
        notes = {"method": "DEM cell at the centre", "caution": caution}
    if not n.any():
        raise DataError(
            "the DEM holds no elevation on the study grid",
            found="only missing cells there",
            do="Check the DEM's extent and missing value",
        )
    names = ("elevation", "slope", "aspect", "aspect_concentration")
    maps: dict[str, Any] = {
        name: (("y", "x"), value.reshape(geobox.shape).astype(np.float32), _attrs(name))
        for name, value in zip(names, values, strict=True)
    }
    maps["aspect"][2].update(_aspect_note(grid))
    count = {"long_name": "Valid DEM cells", "units": "1"}
    maps["n"] = (("y", "x"), n.reshape(geobox.shape).astype(np.int32), count)
    return xr.Dataset(maps, coords=grid_coords(geobox), attrs=notes)


def _aggregated(
    heights: xr.DataArray, grid: GeoBox, study: GeoBox, min_coverage: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Elevation, slope, aspect and concentration from the DEM cells centred in each study cell."""
    rows, columns = _reach(grid, study)
    size = study.shape[0] * study.shape[1]
    total, weight, sums = np.zeros(size), np.zeros((4, size)), np.zeros((4, size))
    n = np.zeros(size, dtype=np.int64)
    for block in _row_blocks(rows, len(columns)):
        part = _part(grid, block, columns)
        values = _facts(_window(heights, block, columns), part)
        cells = _study_cells(part, study)
        row = cell_area(_part(part, range(len(block)), range(1))).values
        area = np.broadcast_to(row, cells.shape)
        total += _add(cells, area, cells >= 0, size)
        n += _add(cells, None, np.isfinite(values[0]), size)
        for index, value in enumerate(values):
            weight[index] += _add(cells, area, np.isfinite(value), size)
            sums[index] += _add(cells, area * value, np.isfinite(value), size)
    enough = (weight > 0) & (weight >= (min_coverage - 1e-9) * total)
    mean = sums / np.where(enough, weight, np.nan)
    length = np.minimum(np.hypot(mean[2], mean[3]), 1.0)
    azimuth = np.where(length > _NO_DIRECTION, _azimuth(mean[2], mean[3]), np.nan)
    return np.stack([mean[0], mean[1], azimuth, length]), n


def _sampled(
    heights: xr.DataArray, grid: GeoBox, study: GeoBox
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Elevation, slope, aspect and concentration of the DEM cell at each study cell's centre."""
    rows, columns = _reach(grid, study)
    window = _window(heights, rows, columns)
    part = _part(grid, rows, columns)
    slope, aspect = _angles(*_descent(window, part))
    maps = np.stack([window[1:-1, 1:-1], slope, aspect, np.where(np.isfinite(aspect), 1.0, np.nan)])
    values = maps.reshape(4, -1)[:, _study_cells(study, part).ravel()]
    return values, np.isfinite(values[0]).astype(np.int64)


def _facts(window: NDArray[Any], part: GeoBox) -> tuple[NDArray[Any], ...]:
    """Elevation, slope, and the unit vector of the descent to the east and to the north."""
    east, north = _descent(window, part)
    steep = np.hypot(east, north)
    with np.errstate(invalid="ignore"):
        return window[1:-1, 1:-1], np.degrees(np.arctan(steep)), east / steep, north / steep


def _descent(window: NDArray[Any], part: GeoBox) -> tuple[NDArray[Any], NDArray[Any]]:
    """Downward gradient to the east and to the north; `window` has a margin of one cell."""
    eastward, northward = (step[:, None] for step in cell_size(part))
    across = window[:-2] + 2.0 * window[1:-1] + window[2:]
    along = window[:, :-2] + 2.0 * window[:, 1:-1] + window[:, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        east = (across[:, :-2] - across[:, 2:]) / (8.0 * eastward)
        north = (along[:-2] - along[2:]) / (8.0 * northward)
    # The window's middle has no weight of its own, but a missing cell has no slope.
    missing = np.isnan(window[1:-1, 1:-1] + east + north)
    east[missing] = north[missing] = np.nan
    return east, north


def _angles(east: NDArray[Any], north: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    slope = np.degrees(np.arctan(np.hypot(east, north))).astype(np.float32)
    aspect = np.where((east == 0) & (north == 0), np.nan, _azimuth(east, north))
    return slope, aspect


def _azimuth(east: NDArray[Any], north: NDArray[Any]) -> NDArray[Any]:
    """Direction [degree clockwise from north], from 0 to below 360 also in single precision."""
    azimuth = np.mod(np.degrees(np.arctan2(east, north)), 360.0).astype(np.float32)
    return np.where(azimuth >= 360.0, np.float32(0.0), azimuth)


def _add(
    cells: NDArray[Any], values: NDArray[Any] | None, known: NDArray[Any], size: int
) -> NDArray[Any]:
    known = known & (cells >= 0)
    weights = None if values is None else values[known]
    return np.bincount(cells[known], weights=weights, minlength=size)


def _metres(dem: xr.DataArray) -> xr.DataArray:
    if dem.dims != ("y", "x"):
        raise DataError(
            "a DEM needs the dimensions (y, x)",
            found=f"({', '.join(map(str, dem.dims))})",
            do="Select one band or time first",
        )
    if min(dem.shape) < 3:
        raise GridError(
            "slope needs three rows and three columns",
            found=f"{dem.shape[0]} x {dem.shape[1]} cells",
            do="Give a larger or finer DEM",
        )
    heights: xr.DataArray = convert(dem, str(dem.attrs.get("units", "m")), "m")
    return heights


def _row_blocks(rows: range, columns: int) -> Iterator[range]:
    step = max(1, _BLOCK // max(columns, 1))
    for first in range(rows.start, rows.stop, step):
        yield range(first, min(first + step, rows.stop))


def _window(heights: xr.DataArray, rows: range, columns: range) -> NDArray[Any]:
    """Copy cells and a margin of one, NaN beyond the DEM."""
    window = np.full((len(rows) + 2, len(columns) + 2), np.nan)
    inner, outer = [], []
    for span, size in zip((rows, columns), heights.shape, strict=True):
        first, last = max(span.start - 1, 0), min(span.stop + 1, size)
        last = max(first, last)
        outer.append(slice(first, last))
        inner.append(slice(first - span.start + 1, last - span.start + 1))
    if all(part.stop > part.start for part in outer):
        window[tuple(inner)] = heights[tuple(outer)].values
    return window


def _part(grid: GeoBox, rows: range, columns: range) -> GeoBox:
    """Part of a grid, or of its continuation beyond the edges."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    a, _, c, _, e, f = tuple(grid.transform)[:6]
    moved = Affine(a, 0.0, c + a * columns.start, 0.0, e, f + e * rows.start)
    return GeoBox((len(rows), len(columns)), moved, grid.crs)


def _reach(grid: GeoBox, study: GeoBox) -> tuple[range, range]:
    """Rows and columns of the DEM's grid, also beyond its edges, that cover the study grid."""
    height, width = study.shape
    t = study.transform
    side = np.linspace(0.0, 1.0, 33)
    column = np.concatenate([side, side, 0 * side, 0 * side + 1]) * width
    row = np.concatenate([0 * side, 0 * side + 1, side, side]) * height
    x, y = _to_crs(study, grid, t.c + t.a * column, t.f + t.e * row)
    reach = []
    for places, step, origin, size in (
        (y, grid.transform.e, grid.transform.f, grid.shape[0]),
        (x, grid.transform.a, grid.transform.c, grid.shape[1]),
    ):
        at = (places[np.isfinite(places)] - origin) / step
        if not at.size or at.max() <= 0 or at.min() >= size:
            raise GridError(
                "the DEM and the study grid do not overlap",
                found=f"DEM {grid.boundingbox}, study grid {study.boundingbox}",
                do="Check the reference systems and the extent of the DEM",
            )
        reach.append(range(int(np.floor(at.min())) - 1, int(np.ceil(at.max())) + 1))
    return reach[0], reach[1]


def _study_cells(points: GeoBox, cells: GeoBox) -> NDArray[Any]:
    """Flat index of the cell of one grid in which each cell centre of another lies, else -1."""
    t, (height, width) = points.transform, points.shape
    x = t.c + t.a * (np.arange(width) + 0.5)
    y = t.f + t.e * (np.arange(height) + 0.5)
    if points.crs == cells.crs:
        x, y = x[None, :], y[:, None]
    else:
        x, y = _to_crs(points, cells, *np.meshgrid(x, y))
    t, (height, width) = cells.transform, cells.shape
    with np.errstate(invalid="ignore"):
        column, row = np.floor((x - t.c) / t.a), np.floor((y - t.f) / t.e)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        index = np.where(inside, row * width + column, -1.0)
    return index.astype(np.int64)


def _to_crs(
    source: GeoBox, target: GeoBox, x: NDArray[Any], y: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    if source.crs == target.crs:
        return x, y
    from pyproj import Transformer

    crs: Any = (source.crs, target.crs)
    transformer = Transformer.from_crs(crs[0].proj, crs[1].proj, always_xy=True)
    moved = transformer.transform(x, y)
    return np.asarray(moved[0]), np.asarray(moved[1])


def _ratio(grid: GeoBox, study: GeoBox) -> float:
    """How many times a DEM cell fits into the side of a study cell, at the centres."""
    areas = []
    for box in (grid, study):
        middle = range(box.shape[0] // 2, box.shape[0] // 2 + 1)
        areas.append(cell_area(_part(box, middle, range(1))).item())
    return float(np.sqrt(areas[1] / areas[0]))


def _attrs(name: str) -> dict[str, Any]:
    if name == "aspect_concentration":
        return {"long_name": "Concentration of aspect", "units": "1", "kind": "continuous"}
    entry = term(name)
    attrs = {"long_name": entry.long_name, "units": entry.units, "kind": entry.kind}
    named = {"standard_name": entry.standard_name} if entry.standard_name else {}
    return {**attrs, **named, "total": entry.total}


def _aspect_note(grid: GeoBox) -> dict[str, str]:
    if is_geographic(grid):
        return {}
    from headwater.grids._cartography import map_frame

    north = map_frame(grid)[1]
    return {"caution": f"from grid north; true north is {north:+.1f} degree clockwise of it"}
