"""Labels for maps: a Dataset with the cells of a cube, and each variable's unit and words."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from headwater.errors import DataError

__all__ = ["as_maps", "cellwise", "count", "name_of", "refuse_classes", "whole_series", "words"]


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
