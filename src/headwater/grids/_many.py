"""Files of one layout, of which only values and times differ, joined before they are decoded.

Opening a file fully costs 25 ms, which a folder of daily files multiplies by thousands. So what the
files of a run share is read from the first alone. Of each other one, names, dimensions, types and
attributes of all variables and the places of the cells are compared with those of the first; a
file that differs in anything else than values and times begins a run of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK
from xarray.core import indexing

from headwater.grids._axes import is_place
from headwater.grids._files import is_geotiff, netcdf_engine
from headwater.grids._many_rasters import raster_head, raster_values
from headwater.grids._time_axis import counted_from
from headwater.storage import is_url

__all__ = ["Run", "Timing", "runs_of"]

# Attributes that say nothing of values, times or places, and differ from file to file.
_TALK = {
    *("history", "actual_range", "date_created", "creation_date", "source_file"),
    *("min", "max", "minimum", "maximum", "mean", "standard_deviation"),
}


@dataclass(frozen=True, slots=True)
class Timing:
    """Where files keep their times.

    Attributes
    ----------
    dim : str
        Dimension of the values along which their times lie; empty where they have none.
    counts : str
        Variable that counts the times since a date; empty where only the files' names date them.
    bounds : str
        Variable of the bounds of the times; empty where there is none.
    """

    dim: str = ""
    counts: str = ""
    bounds: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Files that share a layout.

    Attributes
    ----------
    paths : tuple of Path
    sizes : tuple of int
        Times in each.
    times : dict of array
        Counts of the times of all files, and of their bounds, in the units of the first.
    """

    paths: tuple[Path, ...]
    sizes: tuple[int, ...]
    times: dict[str, np.ndarray[Any, Any]]

    def dataset(self, first: xr.Dataset, name: str, timing: Timing) -> xr.Dataset:
        """Build the raw dataset that one file with all the values would be."""
        raw, dim = first[name].variable, timing.dim or "time"
        moving = [str(key) for key, v in first.variables.items() if dim in (key, *v.dims)]
        stacked = {
            key: first.variables[key].copy(deep=False, data=counts)
            if first.variables[key].shape == counts.shape
            else xr.Variable(first.variables[key].dims, counts, first.variables[key].attrs)
            for key, counts in self.times.items()
        }
        values = indexing.LazilyIndexedArray(_Files(self, raw, name, timing.dim))
        chunks = raw.encoding.get("preferred_chunks", {}) if timing.dim else {}
        stacked[name] = xr.Variable(
            raw.dims if timing.dim else (dim, *raw.dims),
            values,
            raw.attrs,
            {"preferred_chunks": chunks},
        )
        return first.drop_vars({*moving, name}).assign(stacked)


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """Times of a file as it counts them, from an instant [s since 1970] in steps of `length` s."""

    name: str
    values: np.ndarray[Any, Any]
    key: object
    reference: int
    length: int
    lost: bool

    def since(self, reference: int) -> np.ndarray[Any, Any]:
        """Count from another instant, whole steps away."""
        shift = (self.reference - reference) // self.length
        whole = self.values.dtype.kind in "iu"
        return (self.values.astype("int64") if whole else self.values.astype("float64")) + shift


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    """What a file says of itself; two with the same key differ in values and times alone."""

    path: Path
    key: object
    size: int = 0
    counts: tuple[_Counts, ...] = ()


class _Files(BackendArray):
    """Values of one variable of all files of a run, read where they are asked for."""

    def __init__(self, run: Run, raw: xr.Variable, name: str, dim: str) -> None:
        self.paths, self.name = run.paths, name
        self.axis = raw.dims.index(dim) if dim else None
        self.file_of = np.repeat(np.arange(len(run.sizes)), run.sizes)
        starts = np.cumsum([0, *run.sizes[:-1]])
        self.position = np.arange(self.file_of.size) - starts[self.file_of]
        shape = list(raw.shape) if dim else [0, *raw.shape]
        shape[self.axis or 0] = self.file_of.size
        self.shape, self.dtype = tuple(shape), raw.dtype.newbyteorder("=")

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Any:
        at = self.axis or 0
        wanted = np.arange(self.shape[at])[key[at]]
        single, parts = np.ndim(wanted) == 0, []
        for number, places in groupby(np.atleast_1d(wanted), lambda k: self.file_of[k]):
            chosen = self.position[list(places)]
            within = list(key)
            within[at] = slice(int(chosen[0]), int(chosen[-1]) + 1)
            if self.axis is None:
                part = _values(self.paths[number], self.name, tuple(within[1:]))[None]
            else:
                part = _values(self.paths[number], self.name, tuple(within))
                ahead = sum(not isinstance(k, slice) for k in key[:at])
                part = np.take(part, chosen - chosen[0], axis=at - ahead)
            parts.append(part)
        lead = at - sum(not isinstance(k, slice) for k in key[:at])
        values = np.concatenate(parts, axis=lead).astype(self.dtype, copy=False)
        return values.take(0, axis=lead) if single else values


def _values(path: Path, name: str, key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
    """Read stored numbers of a variable."""
    import h5py
    import netCDF4

    engine = netcdf_engine(path)
    try:
        if engine is None:
            return raster_values(path, key)
        if engine == "h5netcdf":
            with h5py.File(path, "r") as file:
                return np.asarray(file[name][key])
        with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(path) as file:
            file.set_auto_maskandscale(False)
            return np.asarray(file[name][key])
    except (OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise OSError(f"{path.name}: {reason}") from error


def runs_of(files: Sequence[Path], timing: Timing, *, rasters: bool = False) -> list[Run]:
    """Find the files that share a layout.

    Parameters
    ----------
    files : sequence of Path
        In the order in which they are given.
    timing : Timing
        Of the first of them.
    rasters : bool
        Whether the first is a GeoTIFF.

    Returns
    -------
    list of Run
        One, in order of time, where all share a layout; else each of files next to each other.
    """
    heads = [_raster(path) if rasters else _head(path, timing) for path in files]
    if timing.counts and all(head.key == heads[0].key for head in heads):
        base = heads[0].counts[0].reference
        heads.sort(key=lambda head: head.counts[0].since(base)[0])
    return [_run(list(group)) for _, group in groupby(heads, lambda head: head.key)]


def _run(heads: list[_Head]) -> Run:
    times = {
        first.name: np.concatenate([head.counts[number].since(first.reference) for head in heads])
        for number, first in enumerate(heads[0].counts)
    }
    return Run(tuple(head.path for head in heads), tuple(head.size for head in heads), times)


def _raster(path: Path) -> _Head:
    from rasterio.errors import RasterioError

    try:
        key = raster_head(path) if is_geotiff(path) else path
    except (OSError, RasterioError):
        key = path  # reading it fully says what is wrong with it
    return _Head(path, key, 1)


def _head(path: Path, timing: Timing) -> _Head:
    """Read what a file says of itself; one that cannot be read so is like no other."""
    import netCDF4

    alone = _Head(path, path)
    if is_url(path):
        return alone
    try:
        with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(path) as file:
            file.set_auto_maskandscale(False)
            size = len(file.dimensions[timing.dim]) if timing.dim else 1
            counts = tuple(
                _counts(file, name, timing) for name in (timing.counts, timing.bounds) if name
            )
            layout = tuple(_described(file, name, timing) for name in file.variables)
    except (OSError, RuntimeError, KeyError, AttributeError, ValueError):
        return alone  # reading it fully says what is wrong with it
    if size == 0 or any(each.lost for each in counts):
        return alone
    return _Head(path, (layout, *(each.key for each in counts)), size, counts)


def _counts(file: Any, name: str, timing: Timing) -> _Counts:
    variable, owner = file.variables[name], file.variables[timing.counts]
    if variable.dimensions[:1] != (timing.dim,):
        raise ValueError(name)
    units, calendar = (
        str(getattr(variable, key, getattr(owner, key, ""))) for key in ("units", "calendar")
    )
    values = np.asarray(variable[...])
    known = counted_from(units, calendar)
    fills = [variable.__dict__.get(key) for key in ("_FillValue", "missing_value")]
    lost = values.dtype.kind not in "iuf" or any(
        fill is not None and bool((values == fill).any()) for fill in fills
    )
    if known is None:
        return _Counts(name, values, (units, calendar), 0, 1, lost)
    word, second, length = known
    return _Counts(name, values, (word, calendar, second % length), second, length, lost)


def _described(file: Any, name: str, timing: Timing) -> tuple[Any, ...]:
    """Describe a variable: of those that place the cells, with their numbers."""
    variable = file.variables[name]
    attrs = {key: value for key, value in variable.__dict__.items() if key not in _TALK}
    if name in (timing.counts, timing.bounds):
        attrs.pop("units", None)
    dims = variable.dimensions
    sizes = tuple(None if d == timing.dim else len(file.dimensions[d]) for d in dims)
    places = b""
    if timing.dim not in dims and is_place(name, dims, attrs, file.variables):
        places = np.asarray(variable[...]).tobytes()
    described = tuple((key, _plain(value)) for key, value in sorted(attrs.items()))
    return name, dims, sizes, variable.dtype, described, places


def _plain(value: Any) -> object:
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    return (array.dtype.str, array.tobytes()) if array.dtype.kind != "O" else str(value)
