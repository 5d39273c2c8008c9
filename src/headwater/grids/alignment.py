"""Bring grids onto one study grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from headwater.errors import GridError, StudyError, nearest
from headwater.grids._axes import known_crs, same_crs
from headwater.grids._weights import apply, reach, samples_per_side, share_crs, weights
from headwater.grids.geometry import _crs, crs_of, geobox_of, grid_coords

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area

__all__ = ["align", "study_grid"]

METHODS = ("bilinear", "mean", "mode", "nearest")


def study_grid(
    data: xr.DataArray | None = None,
    *,
    resolution: float | None = None,
    crs: object = None,
    area: Area | None = None,
) -> GeoBox:
    """Define the grid on which a study is computed.

    Parameters
    ----------
    data : DataArray, optional
        A grid to follow; without `resolution` its cells are kept (cropped to `area`).
    resolution : float, optional
        Side of a cell, in units of `crs` [degree or m].
    crs : pyproj.CRS, int or str, optional
        That of `data`, else of `area`, unless given.
    area : Area, optional
        What the grid must cover; the extent of `data` unless given.

    Returns
    -------
    GeoBox
        Rows run north to south, unless the cells of `data` are kept. The edges of a new grid lie at
        multiples of the resolution, so that studies of one resolution fit together.

    Raises
    ------
    StudyError
        If there is neither `data` nor both `resolution` and `area`.
    GridError
        If `area` does not touch `data`.

    Examples
    --------
    >>> from headwater.grids import read_area
    >>> study_grid(resolution=0.05, area=read_area((94.87, 36.43, 103.15, 40.02))).shape
    Shape2d(x=166, y=73)
    """
    from odc.geo.geobox import GeoBox
    from shapely import box

    from headwater.grids.area import Area

    if resolution is not None and not resolution > 0:
        raise StudyError(
            "a resolution must be positive", found=f"{resolution}", do="Correct resolution"
        )
    if data is not None and resolution is None:
        return _followed(data, crs, area)
    if data is not None:
        own = crs_of(data)
        area = area or Area(box(*geobox_of(data).extent.boundingbox.bbox), own, "data")
    elif area is not None and resolution is not None:
        own = area.crs
    else:
        raise StudyError(
            "a study grid needs a grid to follow, or a resolution and an area",
            found=f"resolution {resolution}, area {area and area.name}",
            do="Write resolution and area, or name the variable whose grid to use",
        )
    wanted = own if crs is None else known_crs(crs)
    return GeoBox.from_bbox(area.to_crs(wanted).bounds, wanted.to_wkt(), resolution=resolution)


def align(
    data: xr.DataArray,
    geobox: GeoBox,
    *,
    method: str,
    min_coverage: float = 0.5,
    chunk_mb: float = 32.0,
) -> xr.DataArray:
    r"""Bring a variable onto a grid, lazily.

    Parameters
    ----------
    data : DataArray (..., y, x)
        On a regular grid with a ``spatial_ref``; rows may run either way.
    geobox : GeoBox
        The grid wanted, for example from :func:`study_grid`.
    method : {"mean", "bilinear", "nearest", "mode"}
        ``mean``: area-weighted, conserves mass. ``bilinear``: between the four nearest centres.
        ``nearest``: the cell that holds the centre. ``mode``: the class of the largest area; of
        equal ones the smallest code.
    min_coverage : float
        Least valid share of a cell (of its weights, for bilinear); below it the cell is missing.
    chunk_mb : float
        Size of one working block in memory [MB]; a few of them exist at once.

    Returns
    -------
    DataArray (..., y, x)
        Of the input's type and attributes; the input itself where it lies on that grid already.

    Raises
    ------
    StudyError
        If the method is unknown or does not suit the kind of the quantity.
    GridError
        If the grids do not overlap.
    CRSError
        If the data has no reference system.

    Notes
    -----
    With :math:`a_{ij}` the area that source cell j shares with target cell i, and the sums over
    valid cells,

    .. math:: z_i = \frac{\sum_j a_{ij} z_j}{\sum_j a_{ij}}, \quad
        \frac{\sum_j a_{ij}}{A_i} \ge c_{min}

    in float64. Areas are exact (those of :func:`cell_area`) where both grids share a reference
    system. Otherwise each target cell is sampled at 8 x 8 to 64 x 64 points, up to four
    for each source cell and direction. Circular quantities (``attrs["kind"]``) are averaged as
    vectors: atan2 of the means of sine and cosine.

    Examples
    --------
    >>> from headwater.grids import read_area
    >>> area = read_area((94, 36, 96, 37))
    >>> fine, coarse = (study_grid(resolution=step, area=area) for step in (0.5, 1.0))
    >>> values = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    >>> cube = xr.DataArray(values, dims=("y", "x"), coords=grid_coords(fine))
    >>> align(cube, coarse, method="mean").values
    array([[1.5, 3.5]])
    """
    kind = str(data.attrs.get("kind", "continuous"))
    _check(method, kind, min_coverage)
    source = geobox_of(data)
    if _same_grid(source, geobox):
        return _labelled(data, geobox)
    if reach(source, geobox) is None:
        raise _apart(source, geobox)
    lazy = data.chunk() if data.chunks is None else data
    how = "circular" if kind == "circular" and method != "nearest" else method
    values = _strips(lazy, source, geobox, _Job(how, method, min_coverage, int(chunk_mb * 1e6 / 8)))
    coords = {c: v for c, v in data.coords.items() if not {"y", "x"} & set(v.dims)}
    aligned = xr.DataArray(
        values,
        dims=data.dims,
        coords={**coords, **grid_coords(geobox)},
        attrs={**data.attrs, "resampling": method},
    )
    aligned.encoding = {"grid_mapping": "spatial_ref"}
    aligned = aligned.rename(data.name)  # None would become the name of the Dask graph
    return aligned.compute() if data.chunks is None else aligned


def _labelled(data: xr.DataArray, geobox: GeoBox) -> xr.DataArray:
    """Give cells that are those of a grid the very labels of that grid, so that all join."""
    labels = grid_coords(geobox)
    if all(np.array_equal(data[axis].values, labels[axis].values) for axis in ("y", "x")):
        return data
    return data.assign_coords(labels)


class _Job(NamedTuple):
    """How to weigh, what to weigh by, the least coverage, and the cells of a working block."""

    how: str
    method: str
    least: float
    cells: int


def _check(method: str, kind: str, min_coverage: float) -> None:
    if method not in METHODS:
        raise StudyError(
            "unknown method of aligning", found=f"'{method}'", do=nearest(method, METHODS)
        )
    fits = ("mode", "nearest") if kind == "categorical" else ("mean", "bilinear", "nearest")
    if method not in fits:
        raise StudyError(
            f"method '{method}' does not suit a {kind} quantity",
            found=f"method = '{method}'",
            do=f"Use {' or '.join(fits)}",
        )
    if not 0 <= min_coverage <= 1:
        raise StudyError(
            "min_coverage is a share", found=f"{min_coverage}", do="Give a number from 0 to 1"
        )


def _strips(data: xr.DataArray, source: GeoBox, target: GeoBox, job: _Job) -> Any:
    """Work strip by strip of target rows, so that neither grid need fit in memory."""
    import dask.array
    from dask.delayed import delayed

    da: Any = dask.array

    rows, columns = target.shape
    count = _strip_count(source, target, job)
    strips = []
    for part in np.array_split(np.arange(rows), count):
        strip = target[int(part[0]) : int(part[-1]) + 1, 0:columns]
        window = reach(source, strip)
        shape = (*data.shape[:-2], *strip.shape)
        if window is None:
            blocks = (*data.data.chunks[:-2], (strip.shape[0],), (columns,))
            strips.append(da.full(shape, np.nan, dtype=data.dtype, chunks=blocks))
            continue
        lazy = delayed(weights, pure=True)(source[window], strip, job.method)
        block = _whole_maps(data.data[(..., *window)], strip.shape[0] * columns, job.cells)
        strips.append(
            da.map_blocks(
                apply,
                block,
                lazy,
                how=job.how,
                least=job.least,
                shape=tuple(strip.shape),
                dtype=data.dtype,
                chunks=(*block.chunks[:-2], (strip.shape[0],), (columns,)),
                meta=np.empty((0,) * data.ndim, dtype=data.dtype),
            )
        )
    return da.concatenate(strips, axis=-2) if len(strips) > 1 else strips[0]


def _strip_count(source: GeoBox, target: GeoBox, job: _Job) -> int:
    window = reach(source, target)
    cells = 0 if window is None else np.prod([part.stop - part.start for part in window])
    samples = target.shape[0] * target.shape[1]
    if job.method in ("mean", "mode") and not share_crs(source, target):
        samples *= samples_per_side(source, target) ** 2
    # A weight takes about four times the memory of a value.
    return int(np.clip(np.ceil(4 * max(cells, samples) / job.cells), 1, target.shape[0]))


def _whole_maps(block: Any, target_cells: int, most_cells: int) -> Any:
    """Rechunk so that a block holds whole maps, but not more of them than memory bears."""
    cells = max(int(np.prod(block.shape[-2:])), target_cells)
    most = max(most_cells // cells, 1)
    leading = {
        axis: min(max(sizes), most) for axis, sizes in enumerate(block.chunks[:-2]) if len(sizes)
    }
    return block.rechunk({**leading, block.ndim - 2: -1, block.ndim - 1: -1})


def _followed(data: xr.DataArray, crs: object, area: Area | None) -> GeoBox:
    """Keep the cells of a grid that touch the area."""
    grid, own = geobox_of(data), crs_of(data)
    if crs is not None and not same_crs(known_crs(crs), own):
        raise StudyError(
            "another crs than that of the grid to follow needs a resolution",
            found=f"{own.name}, wanted {known_crs(crs).name}",
            do="Write resolution in units of crs",
        )
    if area is None:
        return grid
    west, south, east, north = area.to_crs(own).bounds
    t = grid.transform
    columns = _between(((west - t.c) / t.a, (east - t.c) / t.a), grid.shape[1])
    rows = _between(((south - t.f) / t.e, (north - t.f) / t.e), grid.shape[0])
    if columns is None or rows is None:
        raise GridError(
            "grid and area do not overlap",
            found=f"grid {_extent(grid)}; area '{area.name}' "
            f"{west:.6g} to {east:.6g}, {south:.6g} to {north:.6g}",
            do="Correct the area, or follow another grid",
        )
    return grid[rows, columns]


def _between(edges: tuple[float, float], size: int) -> slice | None:
    """Cells that an interval touches, given in cells from the first edge."""
    low, high = int(np.floor(min(edges) + 1e-6)), int(np.ceil(max(edges) - 1e-6))
    low, high = max(low, 0), min(high, size)
    return slice(low, high) if low < high else None


def _same_grid(one: GeoBox, other: GeoBox) -> bool:
    if tuple(one.shape) != tuple(other.shape) or not share_crs(one, other):
        return False
    cell = min(abs(one.transform.a), abs(one.transform.e))
    pairs = zip(one.transform[:6], other.transform[:6], strict=True)
    # A step that is off adds up along the grid.
    longest = max(one.shape)
    scale = (longest, 1, 1, 1, longest, 1)
    return all(abs(a - b) * s <= 1e-6 * cell for (a, b), s in zip(pairs, scale, strict=True))


def _apart(source: GeoBox, target: GeoBox) -> GridError:
    there = target.extent.to_crs(_crs(source)).boundingbox
    return GridError(
        "the variable does not overlap the study grid",
        found=f"variable {_extent(source)}; study grid {there.left:.6g} to {there.right:.6g}, "
        f"{there.bottom:.6g} to {there.top:.6g} (x, y in {_crs(source).name})",
        do="Correct the crs of this input or the area",
    )


def _extent(grid: GeoBox) -> str:
    box = grid.extent.boundingbox
    return f"{box.left:.6g} to {box.right:.6g}, {box.bottom:.6g} to {box.top:.6g}"
