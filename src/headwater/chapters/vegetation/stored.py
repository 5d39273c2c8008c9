"""Cubes of a study averaged in steps or blocks, kept on disk, and read some cells at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.vegetation.inputs import CELLS_AT_ONCE
from headwater.study.cluster import each

if TYPE_CHECKING:
    from headwater.study.step import Context
    from headwater.vegetation.steps import Stamp

__all__ = ["Cells", "blocks_of", "cells_of", "remove_steps", "years_of"]

_ROOM = 2**24
"""Steps times cells that one task averages."""
_AT_ONCE = 64
"""Blocks in time that one task averages over cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A cube of the study in steps, on disk, where each worker reads its own cells.

    Attributes
    ----------
    path : Path
        Of a Zarr array of float32 (times, y, x), NaN where nothing was seen.
    times : DatetimeIndex
        The times.
    dates : DatetimeIndex
        Mean of the study's own times within each step.
    like : DataArray (y, x)
        A map of the study grid, whose values do not count.
    """

    path: Path
    times: pd.DatetimeIndex
    dates: pd.DatetimeIndex
    like: xr.DataArray

    def part(self, cells: NDArray[np.int64]) -> xr.DataArray:
        """Read some cells, in the order of the map, as a cube (time, cell)."""
        import zarr

        cube: Any = zarr.open_array(self.path, mode="r")
        count, _, columns = cube.shape
        height = cube.chunks[1]
        found = np.empty((count, cells.size))
        of = cells // (height * columns)
        for band in np.unique(of):
            own = of == band
            values = cube[:, band * height : (band + 1) * height].reshape(count, -1)
            found[:, own] = values[:, cells[own] - band * height * columns]
        return xr.DataArray(found, {"time": self.times}, ("time", "cell"))


def cells_of(context: Context, name: str, days: int, *, stamp: Stamp = "middle") -> Cells:
    """Average a variable in steps, each block of the grid read once, on the workers of the run.

    Parameters
    ----------
    context : Context
        Of the running step.
    name : str
        A variable that changes in time.
    days : int
        Length of a step [d].
    stamp : {"middle", "end", "mean"}
        As in :func:`headwater.vegetation.steps.mean_steps`.

    Returns
    -------
    Cells
        Valid until :func:`remove_steps`.
    """
    from headwater.vegetation._series import times_of
    from headwater.vegetation.steps import step_axis, step_dates, step_numbers

    data = _in_the_middle(context.variable(name))
    times = times_of(data)
    place = step_numbers(times, days)
    path = _folder(context) / f"{name}-{days}.zarr"
    if not path.exists():
        parts = _make_room(path, data, int(place[-1]) + 1)
        for _ in each(partial(_average, data, place, path), parts):
            pass
    like = xr.zeros_like(data.isel(time=0, drop=True).drop_vars("time_end", errors="ignore"))
    return Cells(path, step_axis(times, days, stamp), step_dates(times, days), like.compute())


def _folder(context: Context) -> Path:
    return context.folder / ".steps"


def remove_steps(context: Context) -> None:
    """Remove what :func:`cells_of` has written."""
    shutil.rmtree(_folder(context), ignore_errors=True)


def _make_room(path: Path, data: xr.DataArray, count: int) -> list[tuple[slice, slice]]:
    """Create an array; return steps and rows that tasks fill, each with chunks of its own."""
    import zarr

    rows, columns = data.sizes["y"], data.sizes["x"]
    height = min(rows, max(1, CELLS_AT_ONCE // columns))
    length = min(count, max(1, _ROOM // (rows * columns)))
    whole = length * rows * columns <= _ROOM
    tall = rows if whole else height * max(1, _ROOM // (length * height * columns))
    zarr.create_array(
        path,
        shape=(count, rows, columns),
        chunks=(length, height, columns),
        dtype="float32",
        fill_value=float("nan"),
    )
    return [
        (slice(step, min(step + length, count)), slice(row, min(row + tall, rows)))
        for row in range(0, rows, tall)
        for step in range(0, count, length)
    ]


def _average(
    data: xr.DataArray, place: NDArray[np.int64], path: Path, part: tuple[slice, slice]
) -> None:
    """Average some steps of some rows, and write them."""
    import zarr

    from headwater.vegetation.steps import average_in_steps

    steps, rows = part
    first, last = np.searchsorted(place, (steps.start, steps.stop))
    if first == last:
        return
    own = data.isel(time=slice(int(first), int(last)), y=rows)
    cube: Any = zarr.open_array(path, mode="r+")
    cube[steps, rows] = average_in_steps(
        own, place[first:last] - steps.start, steps.stop - steps.start
    )


def years_of(cells: Cells, months: tuple[int, ...], part: NDArray[np.int64]) -> xr.DataArray:
    """Average some months of each year of some cells.

    Parameters
    ----------
    cells : Cells
        A cube in steps.
    months : tuple of int
        Months that count.
    part : ndarray of int
        Cells.

    Returns
    -------
    DataArray (year, cell)
    """
    inside = np.flatnonzero(np.isin(cells.times.month, months))
    steps = cells.part(part).values[inside]
    years, first = np.unique(cells.times.year[inside], return_index=True)
    seen = np.isfinite(steps)
    total = np.add.reduceat(np.where(seen, steps, 0.0), first, axis=0)
    n = np.add.reduceat(seen, first, axis=0, dtype=np.int64)
    mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return xr.DataArray(mean, {"year": years}, ("year", "cell"))


def blocks_of(data: xr.DataArray, side: int) -> xr.DataArray:
    """Average blocks of cells as :func:`headwater.vegetation.steps.mean_blocks`, on the workers.

    Parameters
    ----------
    data : DataArray (time, y, x)
        Lazy.
    side : int
        Cells along a side of a block.

    Returns
    -------
    DataArray (time, y, x)
    """
    plain = data.drop_vars("time_end", errors="ignore")
    parts: Iterable[xr.DataArray] = each(partial(_blocks_at, plain, side), _slices(plain))
    return xr.concat(parts, "time")


def _blocks_at(data: xr.DataArray, side: int, times: slice) -> xr.DataArray:
    from headwater.vegetation.steps import mean_blocks

    return mean_blocks(data.isel(time=times), side)


def _slices(data: xr.DataArray) -> Iterator[slice]:
    """Divide a cube in time where its blocks end."""
    # of the values alone: other coordinates of time may have other blocks
    lengths = data.chunks[data.get_axis_num("time")] if data.chunks else (data.sizes["time"],)
    ends = np.cumsum(lengths)
    start = 0
    for end in [*ends[_AT_ONCE - 1 :: _AT_ONCE], ends[-1]]:
        if end > start:
            yield slice(start, int(end))
        start = int(end)


def _in_the_middle(data: xr.DataArray) -> xr.DataArray:
    """Put values of longer steps on the day in the middle of their step."""
    if "time_end" not in data.coords:
        return data
    start, end = data["time"].values, data["time_end"].values
    middle = start + (end - start) // 2
    return data.assign_coords(time=middle.astype("datetime64[D]").astype("datetime64[ns]"))
