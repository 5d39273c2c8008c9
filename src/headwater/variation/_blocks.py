"""Whole series, block by block of cells: large cubes in little memory, with one task a block."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import chain, pairwise
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["in_blocks"]

_MOST_TASKS = 2048
"""Beyond it, a task works through several blocks one after another."""


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
