"""Tiles of one lattice put together: elevation, land cover, products that are delivered so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from headwater.errors import GridError
from headwater.grids._layers import Layer

__all__ = ["mosaicked", "same_places"]

_NEAR = 0.01
"""Departure of a tile from the lattice of the first that rounding makes, in cells."""


class _Place(NamedTuple):
    """First row and column of a tile on the lattice of all."""

    row: int
    column: int


def same_places(one: xr.DataArray, other: xr.DataArray) -> bool:
    """Whether two layers have the same cells."""
    if one.sizes["y"] != other.sizes["y"] or one.sizes["x"] != other.sizes["x"]:
        return False
    pairs = [(one[axis].values, other[axis].values) for axis in "yx" if axis in one.coords]
    return all(np.allclose(a, b, rtol=0, atol=1e-3 * np.ptp(a) / a.size) for a, b in pairs)


def mosaicked(layers: Sequence[Layer]) -> list[Layer]:
    """Put tiles of the same time together; layers that are no tiles stay as they are.

    Where tiles overlap, the first that has a value counts; cells without a tile are missing.
    """
    first = layers[0].data
    groups: dict[bytes, list[Layer]] = {}
    for layer in layers:
        key = layer.data["time"].values.astype(str).tobytes() if "time" in layer.data.dims else b""
        groups.setdefault(key, []).append(layer)
    apart = not all(same_places(first, layer.data) for layer in layers)
    tiled = apart and max(map(len, groups.values())) > 1
    units = {layer.units for layer in layers}
    if not tiled or len(units) > 1 or any(axis not in first.coords for axis in "yx"):
        _refuse_twice(groups)
        return list(layers)
    places = [_place(layer, layers[0]) for layer in layers]
    top, left = (min(place[axis] for place in places) for axis in (0, 1))
    ends = [
        (place.row + layer.data.sizes["y"], place.column + layer.data.sizes["x"])
        for place, layer in zip(places, layers, strict=True)
    ]
    shape = (max(end[0] for end in ends) - top, max(end[1] for end in ends) - left)
    at = {
        id(layer): _Place(place.row - top, place.column - left)
        for place, layer in zip(places, layers, strict=True)
    }
    axes = {
        axis: _axis(first[axis].values, origin, size)
        for axis, origin, size in zip("yx", (top, left), shape, strict=True)
    }
    return [_together(group, at, axes) for group in groups.values()]


def _refuse_twice(groups: dict[bytes, list[Layer]]) -> None:
    """Refuse several maps of what lasts in one place."""
    several = groups.get(b"", ())
    if len(several) > 1:
        raise GridError(
            "several maps of a quantity that does not change",
            found=", ".join(layer.path.name for layer in several[:4]),
            do="Give one of them, or the tiles of one map",
        )


def _place(tile: Layer, first: Layer) -> _Place:
    """Find where a tile lies on the lattice of the first."""
    found = []
    for axis in "yx":
        own, given = (layer.data[axis].values.astype(float) for layer in (first, tile))
        step = (own[-1] - own[0]) / (own.size - 1)
        other = (given[-1] - given[0]) / (given.size - 1)
        offset = (given[0] - own[0]) / step
        drift = abs(other / step - 1) * given.size
        if max(drift, abs(offset - round(offset))) > _NEAR:
            raise GridError(
                "the tiles do not fit together",
                found=f"{first.path.name} with cells of {abs(step):.8g}, {tile.path.name} with "
                f"cells of {abs(other):.8g}, {offset:.3f} cells from it along {axis}",
                do="Give tiles of one product and resolution, or one input for each",
            )
        found.append(round(offset))
    return _Place(*found)


def _axis(first: Any, origin: int, size: int) -> Any:
    step = (float(first[-1]) - float(first[0])) / (first.size - 1)
    return float(first[0]) + step * (origin + np.arange(size))


def _together(tiles: Sequence[Layer], at: dict[int, _Place], axes: dict[str, Any]) -> Layer:
    """Build one map out of pieces that the edges of all tiles cut."""
    import dask.array

    da: Any = dask.array
    spans = [(at[id(tile)], tile.data.transpose(..., "y", "x").data) for tile in tiles]
    rows, columns = (
        _cuts([(p[axis], p[axis] + data.shape[axis - 2]) for p, data in spans], axes["yx"[axis]])
        for axis in (0, 1)
    )
    lead = spans[0][1].shape[:-2]
    dtype = np.result_type(*(data.dtype for _, data in spans))
    pieces = []
    for top, bottom in rows:
        line = []
        for left, right in columns:
            piece: Any = None
            for place, data in spans:
                y, x = top - place.row, left - place.column
                if 0 <= y < data.shape[-2] and 0 <= x < data.shape[-1]:
                    part = data[..., y : bottom - place.row, x : right - place.column]
                    piece = part if piece is None else da.where(da.isnan(piece), part, piece)
            empty = da.full((*lead, bottom - top, right - left), np.nan, dtype=dtype)
            line.append(empty if piece is None else piece)
        pieces.append(line)
    first = tiles[0]
    dims = first.data.transpose(..., "y", "x").dims
    coords = {k: v for k, v in first.data.coords.items() if not {"y", "x"} & set(v.dims)}
    data = xr.DataArray(
        da.block(pieces), {**coords, **axes}, dims, first.data.name, first.data.attrs
    )
    notes = tuple(dict.fromkeys(note for tile in tiles for note in tile.notes))
    return replace(first, data=data, notes=(f"{len(tiles)} tiles put together", *notes))


def _cuts(spans: Sequence[tuple[int, int]], axis: Any) -> list[tuple[int, int]]:
    edges = sorted({0, len(axis), *(edge for span in spans for edge in span)})
    return list(pairwise(edges))
