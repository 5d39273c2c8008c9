"""Which share of which cell of one grid makes up each cell of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headwater.grids._axes import same_crs
from headwater.grids.geometry import _authalic, _crs, is_geographic

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox
    from scipy.sparse import csr_matrix

__all__ = ["Weights", "apply", "reach", "samples_per_side", "share_crs", "weights"]

_SLIVER = 1e-9
_SAMPLES = (8, 64)


class Weights(NamedTuple):
    """A row for each target cell, a column for each source cell, and what full cover sums to."""

    matrix: csr_matrix
    full: NDArray[np.float64]


def weights(source: GeoBox, target: GeoBox, method: str) -> Weights:
    """Weigh source cells for each target cell.

    Areas ("mean", "mode") are exact where both grids share a reference system; otherwise each
    target cell is sampled by 8 x 8 to 64 x 64 points, up to four for each source cell a way.
    """
    shared = share_crs(source, target)
    if method in ("mean", "mode"):
        return _overlap(source, target) if shared else _sampled(source, target)
    x, y = _centres(target)
    column, row = _places(source, *(x, y) if shared else _moved(source, target, x, y))
    return _nearest(source, column, row) if method == "nearest" else _bilinear(source, column, row)


def apply(
    block: NDArray[Any], weighing: Weights, *, how: str, least: float, shape: tuple[int, int]
) -> NDArray[Any]:
    """Weigh the maps of one block: (..., source y, source x) becomes (..., target y, target x)."""
    maps = block.reshape(-1, weighing.matrix.shape[1]).T.astype(np.float64)
    valid = ~np.isnan(maps)
    cover = weighing.matrix @ valid.astype(np.float64)
    if how == "mode":
        result = _largest_class(weighing, maps)
    elif how == "circular":
        angle = np.radians(np.where(valid, maps, 0.0))
        sine, cosine = (weighing.matrix @ (f(angle) * valid) for f in (np.sin, np.cos))
        result = np.degrees(np.arctan2(sine, cosine)) % 360.0
        # Directions that cancel out have no mean.
        result[np.hypot(sine, cosine) <= 1e-9 * cover] = np.nan
    else:
        total = weighing.matrix @ np.where(valid, maps, 0.0)
        result = np.divide(total, cover, out=np.full(cover.shape, np.nan), where=cover > 0)
    enough = (cover > 0) & (cover >= (least - 1e-9) * weighing.full[:, None])
    return np.where(enough, result, np.nan).T.reshape(*block.shape[:-2], *shape).astype(block.dtype)


def _largest_class(weighing: Weights, maps: NDArray[Any]) -> NDArray[Any]:
    """Class of the largest area; classes go up, so that of equal ones the smallest code stays."""
    shape = (weighing.matrix.shape[0], maps.shape[1])
    largest, result = np.zeros(shape), np.full(shape, np.nan)
    for code in np.unique(maps[~np.isnan(maps)]):
        area = weighing.matrix @ (maps == code).astype(np.float64)
        wins = area > largest * (1 + 1e-9)
        largest[wins], result[wins] = area[wins], code
    return result


def share_crs(one: GeoBox, other: GeoBox) -> bool:
    """Say whether two grids share a reference system."""
    return same_crs(_crs(one), _crs(other))


def samples_per_side(source: GeoBox, target: GeoBox) -> int:
    """Sample points along the side of a target cell that let no source cell escape unseen."""
    t = target.transform
    x = t.c + t.a * (target.shape[1] / 2 + np.array([-0.5, 0.5, 0.0, 0.0]))
    y = t.f + t.e * (target.shape[0] / 2 + np.array([0.0, 0.0, -0.5, 0.5]))
    column, row = _places(source, *_moved(source, target, x, y))
    sides = np.hypot(column[1::2] - column[::2], row[1::2] - row[::2])
    known = sides[np.isfinite(sides)]
    return int(np.clip(np.ceil(4.0 * known.max(initial=0.0)), *_SAMPLES))


def reach(source: GeoBox, target: GeoBox) -> tuple[slice, slice] | None:
    """Rows and columns of the source that a target can need; None where they do not overlap."""
    shared = share_crs(source, target)
    rows, columns = target.shape
    inner = np.linspace(0, 1, 33)
    u, v = (mesh.ravel() for mesh in np.meshgrid(inner * columns, inner * rows))
    t = target.transform
    x, y = t.c + t.a * u, t.f + t.e * v
    column, row = _places(source, *(x, y) if shared else _moved(source, target, x, y))
    spans = []
    for place, size in ((row, source.shape[0]), (column, source.shape[1])):
        known = place[np.isfinite(place)]
        if known.size == 0:
            return None
        # Edges bend between the probes when a map is reprojected.
        slack = 0.0 if shared else 0.02 * float(np.ptp(known))
        low, high = known.min() - slack, known.max() + slack
        if high < -0.5 or low > size - 0.5:
            return None
        spans.append(slice(max(int(low) - 2, 0), min(int(np.ceil(high)) + 3, size)))
    return spans[0], spans[1]


def _overlap(source: GeoBox, target: GeoBox) -> Weights:
    """Exact areas: the overlap of two upright grids is the product of two overlaps of intervals."""
    from scipy.sparse import kron

    by_row, height = _shares(source, target, "y")
    by_column, width = _shares(source, target, "x")
    return Weights(kron(by_row, by_column, format="csr"), np.outer(height, width).ravel())


def _shares(source: GeoBox, target: GeoBox, axis: str) -> tuple[csr_matrix, NDArray[np.float64]]:
    """Overlap of each source interval with each target interval, and the targets' full lengths."""
    from scipy.sparse import csr_matrix

    ours, theirs = _edges(target, axis), _edges(source, axis)
    low, high = max(ours.min(), theirs.min()), min(ours.max(), theirs.max())
    cuts = np.unique(np.concatenate([ours, theirs]))
    cuts = cuts[(cuts >= low) & (cuts <= high)]
    thin = _SLIVER * min(abs(ours[1] - ours[0]), abs(theirs[1] - theirs[0]))
    broad = np.diff(cuts) > thin
    middle = ((cuts[1:] + cuts[:-1]) / 2)[broad]
    share = np.diff(_measure(target, cuts, axis))[broad]
    at, of = _interval(ours, middle), _interval(theirs, middle)
    shape = (ours.size - 1, theirs.size - 1)
    return csr_matrix((share, (at, of)), shape=shape), np.abs(np.diff(_measure(target, ours, axis)))


def _sampled(source: GeoBox, target: GeoBox) -> Weights:
    from scipy.sparse import csr_matrix

    side, (rows, columns), t = samples_per_side(source, target), target.shape, target.transform
    within = (np.arange(side) + 0.5) / side
    corners = np.meshgrid(t.c + t.a * np.arange(columns + 1.0), t.f + t.e * np.arange(rows + 1.0))
    places = _places(source, *_moved(source, target, *corners))
    number, known = _cell_number(source, *(_inside(place, within) for place in places))
    share = np.full((rows, side), 1.0 / side**2)
    if is_geographic(target):
        share *= np.cos(np.radians(t.f + t.e * (np.arange(rows)[:, None] + within)))
    shares = np.broadcast_to(share[:, None, :, None], (rows, columns, side, side)).ravel()
    cell = np.repeat(np.arange(rows * columns), side * side)
    size = (rows * columns, source.shape[0] * source.shape[1])
    matrix = csr_matrix((shares[known], (cell[known], number[known])), shape=size)
    return Weights(matrix, np.repeat(share.sum(axis=1) * side, columns))


def _inside(corners: NDArray[Any], within: NDArray[Any]) -> NDArray[np.float64]:
    """Interpolate from the corners of the cells to points inside them, cell after cell.

    Within a cell a projection bends by less than its side over eight times the Earth's radius.
    """
    down = corners[:-1, :, None] * (1 - within) + corners[1:, :, None] * within
    across = down[:, :-1, :, None] * (1 - within) + down[:, 1:, :, None] * within
    return np.asarray(across.ravel())


def _nearest(source: GeoBox, column: NDArray[Any], row: NDArray[Any]) -> Weights:
    from scipy.sparse import csr_matrix

    number, known = _cell_number(source, column, row)
    cells = np.flatnonzero(known)
    size = (column.size, source.shape[0] * source.shape[1])
    matrix = csr_matrix((np.ones(cells.size), (cells, number[known])), shape=size)
    return Weights(matrix, np.ones(column.size))


def _bilinear(source: GeoBox, column: NDArray[Any], row: NDArray[Any]) -> Weights:
    from scipy.sparse import csr_matrix

    # A point outside the grid takes nothing; one in the outer half cell lacks some neighbours.
    _, known = _cell_number(source, column, row)
    cell = np.flatnonzero(known)
    column, row = column[known], row[known]
    left, top = np.floor(column), np.floor(row)
    right_share, low_share = column - left, row - top
    entries = []
    for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (low_share if down else 1 - low_share) * (
            right_share if across else 1 - right_share
        )
        number, exists = _cell_number(source, left + across, top + down)
        exists &= weight > _SLIVER
        entries.append((weight[exists], cell[exists], number[exists]))
    weight, cells, numbers = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    size = (known.size, source.shape[0] * source.shape[1])
    return Weights(csr_matrix((weight, (cells, numbers)), shape=size), np.ones(known.size))


def _edges(grid: GeoBox, axis: str) -> NDArray[np.float64]:
    t = grid.transform
    start, step, n = (t.c, t.a, grid.shape[1]) if axis == "x" else (t.f, t.e, grid.shape[0])
    # The same edge must be the same number on both grids.
    return np.round(start + step * np.arange(n + 1), 9)


def _measure(grid: GeoBox, places: NDArray[Any], axis: str) -> NDArray[np.float64]:
    """Coordinate in which equal lengths are equal areas."""
    if axis == "x" or not is_geographic(grid):
        return places
    return _authalic(np.radians(np.clip(places, -90.0, 90.0)), _crs(grid))


def _interval(edges: NDArray[Any], middle: NDArray[Any]) -> NDArray[np.intp]:
    if edges[0] < edges[-1]:
        return np.searchsorted(edges, middle) - 1
    return edges.size - 1 - np.searchsorted(edges[::-1], middle)


def _centres(grid: GeoBox) -> tuple[NDArray[Any], NDArray[Any]]:
    """Centres of the cells, cell after cell."""
    t, (rows, columns) = grid.transform, grid.shape
    x = t.c + t.a * (np.arange(columns) + 0.5)
    y = t.f + t.e * (np.arange(rows) + 0.5)
    return np.tile(x, rows), np.repeat(y, columns)


def _moved(
    source: GeoBox, target: GeoBox, x: NDArray[Any], y: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    from pyproj import Transformer

    to_source = Transformer.from_crs(_crs(target), _crs(source), always_xy=True)
    moved = to_source.transform(x, y)
    return np.asarray(moved[0]), np.asarray(moved[1])


def _places(source: GeoBox, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Column and row, fractional, 0 at the centre of the first cell; infinite where off the map."""
    t = source.transform
    return (x - t.c) / t.a - 0.5, (y - t.f) / t.e - 0.5


def _cell_number(
    source: GeoBox, column: NDArray[Any], row: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Flat number of the cell that holds a place, and whether there is one."""
    rows, columns = source.shape
    # A place on an edge, up to rounding, belongs to the cell after it.
    i, j = np.floor(row + 0.5 + _SLIVER), np.floor(column + 0.5 + _SLIVER)
    known = (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
    number = np.where(known, i, 0) * columns + np.where(known, j, 0)
    return number.astype(np.intp), known
