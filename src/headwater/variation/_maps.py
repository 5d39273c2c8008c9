"""Functions of series over maps: what they take, how results are labelled, cubes block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import DataError, TimeAxisError

__all__ = [
    "Values",
    "as_cube",
    "as_given",
    "as_maps",
    "cellwise",
    "count",
    "in_blocks",
    "maps_of",
    "name_of",
    "refuse_classes",
    "whole_series",
    "words",
]

Values = xr.DataArray | pd.Series | np.ndarray
"""A cube (time, ...), NumPy or Dask; a series with times as its index; or an array (time, ...)."""
_MOST_TASKS = 2048
"""Beyond it, a task works through several blocks one after another."""
_MAPS_AT_ONCE = 64e6
"""Bytes of maps that are read together, since a store may hold whole series in its chunks."""


_CELLS = {0: (), 1: ("cell",), 2: ("y", "x")}


def as_cube(data: Values) -> xr.DataArray:
    """Give every kind of series or cube a time axis and named dimensions.

    A DataArray stays as it is. The index of a pandas Series is times, periods or whole years. An
    array has no times: its first dimension is taken as one value per year, so that slopes are per
    step.
    """
    if isinstance(data, xr.DataArray):
        return data
    if isinstance(data, pd.Series):
        name = None if data.name is None else str(data.name)
        return xr.DataArray(data.to_numpy(dtype=float), {"time": _times_of(data)}, "time", name)
    if not hasattr(data, "dask"):
        data = np.asarray(data, dtype=float)
    if data.ndim < 1 or data.ndim - 1 not in _CELLS:
        raise DataError(
            "an array of series has time first",
            found=f"shape {data.shape}",
            do="Give (time), (time, cell) or (time, y, x), or a DataArray with named dimensions",
        )
    years = np.arange(data.shape[0]).astype("datetime64[Y]").astype("datetime64[s]")
    return xr.DataArray(data, {"time": years}, ("time", *_CELLS[data.ndim - 1]))


def _times_of(series: pd.Series) -> Any:
    index = series.index
    if isinstance(index, pd.DatetimeIndex):
        return index
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    if pd.api.types.is_integer_dtype(index) and len(index) and index.min() >= 1000:
        return (index.to_numpy() - 1970).astype("datetime64[Y]").astype("datetime64[s]")
    raise TimeAxisError(
        "a series needs times as its index",
        found=f"an index of {index.dtype} from {index[:1].tolist()}",
        do="Use a DatetimeIndex, a PeriodIndex or whole years, or give an array without times",
    )


def as_given(found: xr.DataArray, data: Values) -> Any:
    """Return a cube in the kind of container that its data came in."""
    if isinstance(data, xr.DataArray):
        return found
    if isinstance(data, pd.Series):
        return pd.Series(found.values, data.index, name=data.name)
    return found.data


def name_of(data: xr.DataArray) -> str:
    """Name of a cube; "value" where it has none."""
    return str(data.name) if data.name is not None else "value"


def words(data: xr.DataArray) -> str:
    """Words for a cube in titles and attributes."""
    return str(data.attrs.get("long_name", name_of(data)))


def as_maps(
    like: xr.DataArray, variables: Mapping[str, tuple[Any, str, str]], **attrs: Any
) -> xr.Dataset:
    """Label arrays over the cells of `like`, given as name: (array, units, long name)."""
    cells = like.isel(time=0, drop=True) if "time" in like.dims else like
    coords = {name: c for name, c in cells.coords.items() if "time" not in str(name)}
    labelled = {
        name: (cells.dims, array, {"units": units, "long_name": long_name})
        for name, (array, units, long_name) in variables.items()
    }
    return xr.Dataset(labelled, coords, attrs)


def refuse_classes(data: xr.DataArray, act: str) -> None:
    """Refuse angles and classes, for which sums mean nothing."""
    kind = data.attrs.get("kind", "continuous")
    if kind != "continuous":
        raise DataError(
            f"{words(data)} cannot be {act}",
            found=f"a {kind} quantity",
            do="Angles need circular statistics; classes need counts",
        )


def check_share(name: str, value: float) -> None:
    """Refuse a share that is none, such as a percentage."""
    if not 0.0 <= value <= 1.0:
        raise DataError(
            f"{name} is not a share", found=f"{value}", do="Give a number from 0 to 1, 0.8 for 80 %"
        )


def whole_series(data: xr.DataArray) -> xr.DataArray:
    """Put time first, in one chunk: ranks and lags need whole series."""
    ordered = data.transpose("time", ...)
    return ordered if ordered.chunks is None else ordered.chunk(time=-1)


def cellwise(function: Any, *arrays: Any, **options: Any) -> Any:
    """Apply a function of arrays, to NumPy at once and to Dask block by block when computed."""
    if not any(hasattr(array, "dask") for array in arrays):
        return function(*arrays, **options)
    da: Any = import_module("dask.array")
    return da.map_blocks(function, *arrays, dtype=float, **options)


def count(n: Any) -> Any:
    """Make counts whole numbers, lazy or not."""
    return n.astype(np.int32)


def maps_of(cube: xr.DataArray) -> Iterator[np.ndarray]:
    """Give the maps of a cube (time, y, x) one after another, reading many at once."""
    maps = cube.variable.transpose("time", ...)
    many = max(1, int(_MAPS_AT_ONCE / (maps[0].size * maps.dtype.itemsize)))
    for first in range(0, maps.sizes["time"], many):
        yield from np.asarray(maps[first : first + many].values)


def in_blocks(function: Callable[..., xr.Dataset], *cubes: xr.DataArray) -> xr.Dataset:
    """Apply a function to cubes (time, y, x) block by block of cells, and join its maps.

    A chain of lazy operations on whole series makes hundreds of tasks a block, whose bookkeeping
    takes more memory than the data. Here a block is loaded, worked on and forgotten.
    """
    if not any(hasattr(cube.data, "dask") for cube in cubes):
        return function(*cubes)
    dask: Any = import_module("dask")
    first = next(cube for cube in cubes if hasattr(cube.data, "dask"))
    rows, columns = (_edges(first, dim) for dim in ("y", "x"))

    def some(blocks: tuple[list[xr.DataArray], ...]) -> list[xr.Dataset]:
        return [
            function(*(part.compute(scheduler="synchronous") for part in parts)) for parts in blocks
        ]

    task = dask.delayed(some, pure=False)
    blocks = [[cube.isel(y=row, x=column) for cube in cubes] for row in rows for column in columns]
    share = -(-len(blocks) // _MOST_TASKS)
    tasks = [task(_Held(blocks[at : at + share])) for at in range(0, len(blocks), share)]
    maps = chain.from_iterable(dask.compute(tasks)[0])
    grid = [[next(maps) for _ in columns] for _ in rows]
    joined: xr.Dataset = xr.combine_nested(
        grid,
        concat_dim=["y", "x"],
        coords="minimal",
        compat="override",
        combine_attrs="override",
        data_vars="minimal",
    )
    return joined


class _Held(tuple):  # type: ignore[type-arg]
    """A tuple that Dask does not look into, so that its parts are read by the task itself."""

    __slots__ = ()


def _edges(cube: xr.DataArray, dim: str) -> list[slice]:
    edges = np.cumsum((0, *cube.chunksizes[dim]))
    return [slice(int(low), int(high)) for low, high in pairwise(edges)]
