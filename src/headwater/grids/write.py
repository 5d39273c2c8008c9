"""Write grids so that a file is there whole or not at all."""

from __future__ import annotations

import errno
import math
import re
import shutil
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from headwater import __version__
from headwater.errors import GridError, ResumeError
from headwater.grids.geometry import crs_of, geobox_of
from headwater.settings import cluster_client

__all__ = ["own_words", "write_geotiff", "write_netcdf", "write_zarr", "write_zarr_beside"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, *_FULL)
# What is joined before it is written, of all variables together [bytes].
_GATHERED = 24e6
_TIMES = ("units", "calendar")
_OWN = "headwater_"
"""Before the name of an attribute: as it was, where CF wants it otherwise."""
_NO_CF_UNITS = ("day of year",)
_ATTRIBUTES = {"Conventions": "CF-1.11", "history": f"Written by Headwater {__version__}"}


def write_netcdf(
    data: xr.Dataset,
    path: str | Path,
    *,
    encoding: Mapping[Hashable, Mapping[str, Any]] | None = None,
) -> Path:
    """Write a Dataset as compressed CF NetCDF-4, block by block.

    Parameters
    ----------
    data : Dataset
        Maps or cubes, with ``spatial_ref`` where they lie on a grid.
    path : path
        Replaced if it exists; its folder must exist.
    encoding : mapping, optional
        By variable, type, fill, scale and chunks as of xarray; default: values as they are.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ResumeError
        If the folder is missing or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> maps = xr.Dataset({"n": (("y", "x"), np.ones((2, 3)))})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_netcdf(maps, Path(folder) / "n.nc").name
    'n.nc'
    """
    packed: dict[str, Any] = {"zlib": True, "complevel": 4}
    given = encoding or {}
    own = {name: {**packed, **given.get(name, {})} for name, v in data.data_vars.items() if v.ndim}
    with _whole(Path(path)) as part:
        _in_cf_words(_prepared(data, own)).to_netcdf(part, engine="h5netcdf")
    return Path(path)


def own_words(data: xr.Dataset) -> xr.Dataset:
    """Give variables of a NetCDF file of ours the units and meanings that CF has no words for.

    Parameters
    ----------
    data : Dataset
        Opened from what :func:`write_netcdf` wrote.

    Returns
    -------
    Dataset
        The same, with attributes as they were before writing.

    Examples
    --------
    >>> attrs = {"units": "1", "headwater_units": "day of year"}
    >>> own_words(xr.Dataset({"start": ((), 5, attrs)}))["start"].attrs
    {'units': 'day of year'}
    """
    for variable in data.variables.values():
        kept = {key: v for key, v in variable.attrs.items() if str(key).startswith(_OWN)}
        for key, value in kept.items():
            del variable.attrs[key]
            variable.attrs[str(key).removeprefix(_OWN)] = value
    return data


def write_zarr(data: xr.Dataset, path: str | Path, *, chunks: Mapping[str, int]) -> Path:
    """Write a Dataset as a Zarr store, in bounded memory.

    Parameters
    ----------
    data : Dataset
        Maps or cubes, Dask-backed where they are large.
    path : path
        Replaced if it exists; its folder must exist.
    chunks : mapping
        Length of the store's chunks by dimension; -1 is the whole of it. Long series want
        ``{"time": -1, "y": 64, "x": 64}``, maps ``{"time": 1, "y": -1, "x": -1}``.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ResumeError
        If the folder is missing or cannot be written to.

    Notes
    -----
    Chunks longer in time than the blocks of `data` would gather the whole cube in memory. The cube
    is then written twice: first as long as 24 MB allow, cut in space, and from there chunk by
    chunk.

    Examples
    --------
    >>> import tempfile
    >>> maps = xr.Dataset({"n": (("y", "x"), np.ones((4, 6)))})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = write_zarr(maps, Path(folder) / "n.zarr", chunks={"y": 2, "x": -1})
    ...     xr.open_zarr(store)["n"].chunks
    ((2, 2), (6,))
    """
    final = _lengths(data, chunks)
    first = _between(data, final)
    with _whole(Path(path)) as part:
        if first == final:
            _store(data, part, final, {})
        else:
            between = part.with_name(f"{part.name}.between")
            try:
                _store(data, between, first, {})
                # in final chunks, each read by one task
                again = xr.open_zarr(between, decode_coords="all", chunks=dict(final))
                _store(again, part, final, {})
            finally:
                shutil.rmtree(between, ignore_errors=True)
    return Path(path)


def write_zarr_beside(
    data: xr.Dataset,
    path: str | Path,
    beside: Mapping[str, xr.DataArray],
    *,
    chunks: Mapping[str, int],
) -> dict[str, xr.DataArray]:
    """Write a Dataset as :func:`write_zarr` does, and compute what else is made of its sources.

    Parameters
    ----------
    data, path, chunks
        As in :func:`write_zarr`; the chunks are about those of `data`.
    beside : mapping of DataArray
        Counts, sums or samples of the same blocks.

    Returns
    -------
    dict of DataArray
        `beside`, computed. A block of the sources is read once for all.

    Raises
    ------
    ResumeError
        If the folder is missing or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> maps = xr.Dataset({"n": (("y", "x"), np.ones((4, 6)))}).chunk(y=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Path(folder) / "n.zarr"
    ...     found = write_zarr_beside(maps, store, {"sum": maps["n"].sum()}, chunks={"y": 2})
    >>> float(found["sum"])
    24.0
    """
    with _whole(Path(path)) as part:
        return _store(data, part, _lengths(data, chunks), beside)


def _lengths(data: xr.Dataset, chunks: Mapping[str, int]) -> dict[Hashable, int]:
    """Lengths of the store's chunks by dimension."""
    return {
        dim: size if chunks.get(str(dim), -1) == -1 else min(chunks[str(dim)], size)
        for dim, size in data.sizes.items()
    }


def _writes(prepared: xr.Dataset, path: Path) -> list[xr.DataArray]:
    """Give numbers of blocks that are written when the numbers are computed."""
    import zarr

    store, found = zarr.open_group(path, mode="r+"), []
    for name, variable in prepared.data_vars.items():
        if variable.chunks is None:
            continue
        encoded = xr.conventions.encode_cf_variable(variable.variable, name=name).data
        ones = tuple((1,) * len(sizes) for sizes in encoded.chunks)
        done = encoded.map_blocks(_put, store[str(name)], dtype=np.int64, chunks=ones)
        # along one dimension after another: sums then stay with their blocks
        found.append(xr.DataArray(done).sum("dim_0").sum())
    return found


def _put(block: Any, target: Any, block_info: Any = None) -> Any:
    """Write a block where it belongs: one task, one whole chunk of the store."""
    target[tuple(slice(*edges) for edges in block_info[0]["array-location"])] = block
    return np.ones((1,) * block.ndim, np.int64)


def write_geotiff(
    data: xr.DataArray, path: str | Path, *, inside: xr.DataArray | None = None
) -> Path:
    """Write a map as a cloud-optimised GeoTIFF, north up.

    Parameters
    ----------
    data : DataArray (y, x) or (band, y, x)
        With ``spatial_ref``; NaN is missing. Bands are described by their coordinate.
    path : path
        Replaced if it exists; its folder must exist.
    inside : DataArray (y, x), optional
        Where masks and counts have a meaning; elsewhere they are nodata: 255 in masks, the
        greatest number of their type in other integers.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    CRSError
        If there is no reference system.
    GridError
        If the data is no map.
    ResumeError
        If the folder is missing or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> from headwater.grids import read_area, study_grid
    >>> from headwater.grids.geometry import grid_coords
    >>> grid = study_grid(resolution=0.5, area=read_area((94, 36, 96, 37)))
    >>> slope = xr.DataArray(np.ones(grid.shape), dims=("y", "x"), coords=grid_coords(grid))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_geotiff(slope, Path(folder) / "slope.tif").name
    'slope.tif'
    """
    import rasterio

    if data.dims[-2:] != ("y", "x") or data.ndim > 3:
        raise GridError(
            "a GeoTIFF holds a map, or one map for each band",
            found=f"dimensions {data.dims}",
            do="Choose a map, or write NetCDF",
        )
    data = data.sortby("y", ascending=False).sortby("x")
    grid, nodata = geobox_of(data), np.nan
    if data.dtype.kind in "biu":
        data = data.astype(np.uint8) if data.dtype == bool else data
        nodata = np.iinfo(data.dtype).max
        if inside is not None:
            there = inside.sortby("y", ascending=False).sortby("x").values
            data = data.where(xr.DataArray(there, dims=("y", "x")), nodata).astype(data.dtype)
    bands = data if data.ndim == 3 else data.expand_dims("band")
    values = np.asarray(bands.values)
    profile: dict[str, Any] = {
        "driver": "COG",
        "dtype": values.dtype,
        "count": values.shape[0],
        "height": grid.shape[0],
        "width": grid.shape[1],
        "crs": crs_of(data).to_wkt(),
        "transform": grid.transform,
        "compress": "DEFLATE",
    }
    if np.issubdtype(values.dtype, np.floating) or inside is not None:
        profile["nodata"] = nodata
    with _whole(Path(path)) as part, rasterio.open(part, "w", **profile) as file:
        file.write(values)
        file.update_tags(**{str(k): str(v) for k, v in data.attrs.items()})
        file.units = [str(data.attrs.get("units", ""))] * values.shape[0]
        file.descriptions = _descriptions(bands)
    return Path(path)


def _descriptions(bands: xr.DataArray) -> list[str]:
    band = str(bands.dims[0])
    title = str(bands.attrs.get("long_name", "" if bands.name is None else bands.name))
    if band not in bands.coords:
        return [title] * bands.sizes[band]
    return [str(value)[:19] for value in bands[band].values]


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a name next to `path` to write under; rename it when done, remove it when not."""
    part = path.with_name(f".{path.name}.part")
    if not path.parent.is_dir():
        raise ResumeError(
            f"{path.name} cannot be written",
            found=f"no folder {path.parent}",
            do="Create the folder, or choose another one",
        )
    try:
        _remove(part)
        yield part
        old = path.with_name(f".{path.name}.old")
        if path.is_dir():
            _remove(old)
            path.rename(old)
        part.replace(path)
        _remove(old)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise ResumeError(
            f"{path} cannot be written",
            found=str(error),
            do="Make room, then go on"
            if error.errno in _FULL
            else "Choose a folder that you may write to",
        ) from error
    finally:
        _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _prepared(data: xr.Dataset, encoding: Mapping[Hashable, dict[str, Any]]) -> xr.Dataset:
    """CF attributes, an encoding, and a grid mapping on every variable that lies on the grid."""
    prepared = data.copy().assign_attrs(_ATTRIBUTES | {"title": _title(data)} | data.attrs)
    _link_bounds(prepared)
    scalars = {str(name) for name, coordinate in data.coords.items() if coordinate.ndim == 0}
    for name, variable in prepared.variables.items():
        kept = {key: variable.encoding[key] for key in _TIMES if key in variable.encoding}
        variable.encoding = kept | dict(encoding.get(name, {}))
        variable.attrs.pop("grid_mapping", None)
        if (
            name in data.data_vars
            and "spatial_ref" in data.coords
            and {"y", "x"} <= {*variable.dims}
        ):
            variable.encoding["grid_mapping"] = "spatial_ref"
        if variable.dtype.kind == "f":
            fill = np.nan if name in data.data_vars else None
            variable.encoding.setdefault("_FillValue", fill)
        _as_cf(variable, str(name), {*map(str, variable.dims), *scalars})
    return prepared


def _title(data: xr.Dataset) -> str:
    named = (str(v.attrs["long_name"]) for v in data.data_vars.values() if v.attrs.get("long_name"))
    return next(named, "Results of Headwater")


def _as_cf(variable: xr.Variable, name: str, known: set[str]) -> None:
    """Give an attribute the type, and a method the dimension, that CF wants of them."""
    if "flag_values" in variable.attrs and variable.dtype.kind in "fiu":
        flags = np.asarray(variable.attrs["flag_values"])
        if variable.dtype.kind == "f":
            variable.encoding |= {"dtype": "int16", "_FillValue": np.int16(-32768)}
            variable.attrs["flag_values"] = flags.astype(np.int16)
        else:
            variable.attrs["flag_values"] = flags.astype(variable.dtype)
    method = str(variable.attrs.get("cell_methods", ""))
    if method.partition(":")[0].strip() not in {"", "area", *known}:
        # A map that was reduced over time: the method stays, as words.
        variable.attrs["comment"] = f"cell_methods {variable.attrs.pop('cell_methods')}"


def _in_cf_words(data: xr.Dataset) -> xr.Dataset:
    """Write units and meanings as CF allows, names for all, and the kind of temperatures."""
    bounds = {v.attrs.get("bounds") for v in data.variables.values()}
    for name, variable in data.variables.items():
        attrs = variable.attrs
        if attrs.get("units") in _NO_CF_UNITS:
            attrs |= {f"{_OWN}units": attrs["units"], "units": "1"}
        meanings = str(attrs.get("flag_meanings", ""))
        plain = re.sub(r"[^\w.@+ -]", "", meanings, flags=re.ASCII)
        if plain != meanings:
            attrs |= {f"{_OWN}flag_meanings": meanings, "flag_meanings": plain}
        if "temperature" in str(attrs.get("standard_name", "")):
            attrs["units_metadata"] = "temperature: on_scale"
        if name == "time" and variable.dtype.kind in "MO":
            attrs |= {"standard_name": "time", "units_metadata": "leap_seconds: none"}
        named = {"long_name", "standard_name"} & attrs.keys()
        if variable.ndim and not named and name not in bounds:
            attrs["long_name"] = str(name).replace("_", " ").capitalize()
    return data


def _link_bounds(data: xr.Dataset) -> None:
    """Let coordinates name their bounds again, which reading forgets, in one unit with them."""
    for coordinate in data.coords.values():
        variable = coordinate.variable
        bounds = variable.encoding.get("bounds", variable.attrs.get("bounds"))
        if bounds not in data.variables:
            variable.attrs.pop("bounds", None)
            continue
        variable.attrs["bounds"] = bounds
        if variable.dtype.kind not in "fiu":
            midnights = bool((coordinate.dt.floor("D") == coordinate).all())
            unit = "days" if midnights else "seconds"
            variable.encoding.setdefault("units", f"{unit} since 1970-01-01")
            own = {key: variable.encoding[key] for key in _TIMES if key in variable.encoding}
            # bounds are small, and dates in blocks cannot be encoded without a given dtype
            data.variables[bounds].load().encoding.update(own)


def _store(
    data: xr.Dataset,
    path: Path,
    lengths: Mapping[Hashable, int],
    beside: Mapping[str, xr.DataArray],
) -> dict[str, xr.DataArray]:
    """Write in chunks of these lengths, and compute what goes beside in the same pass."""
    dask: Any = import_module("dask")
    prepared = _prepared(data.chunk(_at_once(data, lengths)), _squeezed(data, lengths))
    # in threads, xarray's own writing holds less at a time
    if not beside and cluster_client() is None:
        prepared.to_zarr(path, mode="w", zarr_format=2)
        return {}
    # blocks are written by tasks of our own, all else with the heads
    prepared = prepared.assign_coords({name: c.load() for name, c in prepared.coords.items()})
    prepared.to_zarr(path, mode="w", zarr_format=2, compute=False)
    found: dict[str, xr.DataArray] = dask.compute(dict(beside), _writes(prepared, path))[0]
    return found


def _at_once(data: xr.Dataset, lengths: Mapping[Hashable, int]) -> dict[Hashable, int]:
    """Lengths that one task writes: all whole chunks that lie in a block, none by itself."""
    if not data.chunks:
        return dict(lengths)
    blocks = {dim: _block(data, dim) for dim in lengths}
    return {
        dim: data.sizes[dim] if blocks[dim] == data.sizes[dim] else n * max(blocks[dim] // n, 1)
        for dim, n in lengths.items()
    }


def _squeezed(data: xr.Dataset, lengths: Mapping[Hashable, int]) -> dict[Hashable, dict[str, Any]]:
    """Chunks and compression of each variable."""
    from numcodecs import Blosc

    squeeze = Blosc(cname="zstd", clevel=3, shuffle=Blosc.SHUFFLE)
    return {
        name: {"chunks": tuple(lengths[dim] for dim in variable.dims), "compressor": squeeze}
        for name, variable in data.data_vars.items()
        if variable.ndim
    }


def _between(data: xr.Dataset, final: Mapping[Hashable, int]) -> dict[Hashable, int]:
    """Chunks that memory bears: the final ones, but in one dimension as long as blocks allow."""
    blocks = {dim: _block(data, dim) for dim in data.sizes}
    item = max(sum(v.dtype.itemsize for v in data.data_vars.values() if v.ndim > 1), 1)
    growth = max(int(_GATHERED / (math.prod(blocks.values()) * item)), 1)
    longest = max(final, key=lambda dim: final[dim] / blocks[dim], default=None)
    return {
        dim: min(length, blocks[dim] * (growth if dim == longest else 1))
        for dim, length in final.items()
    }


def _block(data: xr.Dataset, dim: Hashable) -> int:
    """Length of the blocks along a dimension: the whole of it where nothing is chunked."""
    lengths = [max(v.chunksizes[dim]) for v in data.data_vars.values() if dim in v.chunksizes]
    return min(lengths, default=data.sizes[dim])
