"""Days of a product stacked into a cube of values and of reasons why values are missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import GridError, InputError, TimeAxisError
from headwater.grids.geometry import _crs, geobox_of, grid_coords

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.glossary import Term
    from headwater.grids.area import Area

__all__ = [
    "CODES",
    "by_date",
    "coded",
    "cropped",
    "described",
    "open_hdf5",
    "quality_counts",
    "stacked",
    "window",
]

# What the layer `quality` says, in CF's flag_meanings.
CODES = {
    "valid": 0,
    "not_observed": 1,
    "poor_quality": 2,
    "frozen_or_snow": 3,
    "out_of_range": 4,
}


def quality_counts(cube: xr.Dataset) -> pd.DataFrame:
    """Count, day by day, the cells that have a value and why the others have none.

    Parameters
    ----------
    cube : Dataset
        From a reader of :mod:`headwater.grids.products`.

    Returns
    -------
    DataFrame
        A row for each time; columns ``valid``, ``not_observed``, ``poor_quality``,
        ``frozen_or_snow``, ``out_of_range``, which add up to the cells of a map. A day without a
        single value has ``valid`` 0 and stays in the cube.

    Raises
    ------
    InputError
        If the cube has no layer ``quality``.

    Examples
    --------
    >>> quality = xr.DataArray(np.array([[[0, 0, 1], [0, 2, 1]]]), dims=("time", "y", "x"))
    >>> quality_counts(quality.assign_coords(time=[5]).to_dataset(name="quality")).iloc[0].to_list()
    [3, 2, 1, 0, 0]
    """
    if "quality" not in cube:
        raise InputError(
            "the cube does not say why values are missing",
            found=f"variables {', '.join(map(str, cube.data_vars)) or 'none'}",
            do="Read it with a reader of headwater.grids.products, which adds the layer 'quality'",
        )
    quality = cube["quality"]
    counts = {name: (quality == code).sum(("y", "x")) for name, code in CODES.items()}
    table = xr.Dataset(counts).compute()
    return pd.DataFrame(
        {name: table[name].values for name in CODES}, index=pd.Index(quality["time"].values)
    )


def coded(reasons: Mapping[str, Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Write down the first reason that holds for each cell, 0 where none does."""
    code = np.zeros(shape, dtype=np.uint8)
    for name, holds in reasons.items():
        code[(code == 0) & holds] = CODES[name]
    return code


def by_date(
    files: Sequence[Path], pattern: str, form: str, product: str
) -> dict[pd.Timestamp, list[Path]]:
    """Group files by the date in their names, in order of time."""
    days: dict[pd.Timestamp, list[Path]] = {}
    for path in files:
        match = re.search(pattern, path.name)
        try:
            date = datetime.strptime("".join(filter(None, match.groups())) if match else "", form)
        except ValueError as error:
            raise TimeAxisError(
                f"{path} has no date in its name",
                found=f"'{path.name}'",
                do=f"Keep the name that {product} files are delivered under",
            ) from error
        days.setdefault(pd.Timestamp(date), []).append(path)
    return dict(sorted(days.items()))


def window(grid: GeoBox, area: Area | None) -> GeoBox:
    """Cells of a grid that touch an area."""
    if area is None:
        return grid
    west, south, east, north = area.to_crs(_crs(grid)).bounds
    t, (rows, columns) = grid.transform, grid.shape
    spans = []
    for edges, size in (
        (((west - t.c) / t.a, (east - t.c) / t.a), columns),
        (((south - t.f) / t.e, (north - t.f) / t.e), rows),
    ):
        low, high = int(np.floor(min(edges) + 1e-6)), int(np.ceil(max(edges) - 1e-6))
        spans.append(slice(max(low, 0), min(high, size)))
    if any(span.start >= span.stop for span in spans):
        box = grid.extent.boundingbox
        raise GridError(
            f"the area '{area.name}' lies outside the product's files",
            found=f"area {west:.6g} to {east:.6g}, {south:.6g} to {north:.6g}; "
            f"files {box.left:.6g} to {box.right:.6g}, {box.bottom:.6g} to {box.top:.6g}",
            do="Give the files (tiles) that hold the area",
        )
    return grid[spans[1], spans[0]]


def cropped(data: xr.DataArray, area: Area | None) -> xr.DataArray:
    """Keep the cells of a cube that touch an area."""
    if area is None:
        return data
    grid = geobox_of(data)
    part = window(grid, area)
    top = round((part.transform.f - grid.transform.f) / grid.transform.e)
    left = round((part.transform.c - grid.transform.c) / grid.transform.a)
    rows, columns = part.shape
    return data.isel(y=slice(top, top + rows), x=slice(left, left + columns))


def stacked(
    days: Mapping[pd.Timestamp, Sequence[Path]],
    read: Callable[[tuple[Path, ...]], NDArray[np.float32]],
    grid: GeoBox,
) -> tuple[xr.DataArray, xr.DataArray]:
    """Stack days lazily; `read` makes values and codes (2, y, x) of the files of one day."""
    import dask.array
    from dask.delayed import delayed

    da: Any = dask.array
    shape = (2, *grid.shape)
    work = delayed(read, pure=True)
    maps = [da.from_delayed(work(tuple(files)), shape, np.float32) for files in days.values()]
    both = da.concatenate([each[:, None] for each in maps], axis=1)
    coords: dict[str, Any] = {
        "time": pd.DatetimeIndex(list(days)).as_unit("ns"),
        **grid_coords(grid),
    }
    dims = ("time", "y", "x")
    return (
        xr.DataArray(both[0], dims=dims, coords=coords),
        xr.DataArray(both[1].astype(np.uint8), dims=dims, coords=coords),
    )


def described(
    values: xr.DataArray,
    quality: xr.DataArray,
    quantity: Term,
    *,
    source: Sequence[Path],
    product: str,
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Make the cube of a quantity and its quality, with the attributes that a cube has."""
    names = [path.name for path in source]
    values.attrs = {
        "long_name": quantity.long_name,
        **({"standard_name": quantity.standard_name} if quantity.standard_name else {}),
        "units": quantity.units,
        "kind": quantity.kind,
        "total": quantity.total,
        "source": names[0] if len(names) == 1 else f"{len(names)} files, {names[0]} to {names[-1]}",
    }
    quality.attrs = {
        "long_name": "Why a value is missing",
        "units": "1",
        "kind": "categorical",
        "total": "none",
        "flag_values": np.array(list(CODES.values()), dtype=np.uint8),
        "flag_meanings": " ".join(CODES),
    }
    cube = xr.Dataset({quantity.name: values, "quality": quality})
    cube.attrs = {"product": product, "notes": "; ".join(notes)}
    for variable in cube.data_vars.values():
        variable.encoding = {"grid_mapping": "spatial_ref"}
    _refuse_repeated(cube)
    return cube


def _refuse_repeated(cube: xr.Dataset) -> None:
    times: Any = cube["time"].values if "time" in cube.dims else ()
    for before, after in pairwise(times):
        if not before < after:
            raise TimeAxisError(
                "a day is given twice",
                found=f"{str(before)[:19]}, then {str(after)[:19]}",
                do="Keep one file for each day",
            )


def open_hdf5(path: Path, product: str) -> Any:
    """Open a file of a product as HDF5, or say that it is none."""
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read as HDF5",
            found=str(error).splitlines()[0][:200],
            do=f"Check whether the file is a complete {product} file",
        ) from error
