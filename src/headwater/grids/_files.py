"""Files of several formats, each opened lazily as a raw Dataset that is not decoded yet."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.core.indexing import LazilyIndexedArray

from headwater.errors import GridError, InputError
from headwater.grids._many_rasters import MaskedRaster, is_masked
from headwater.storage import (
    RangeFile,
    find_remote,
    is_url,
    local_copy,
    open_range,
    read_part,
)

__all__ = [
    "find_files",
    "is_geotiff",
    "is_raster",
    "netcdf_engine",
    "open_raw",
]

_ENGINES = {
    b"\x89HDF": "h5netcdf",
    b"CDF\x01": "scipy",
    b"CDF\x02": "scipy",
    b"CDF\x05": "netcdf4",
}
_RASTERS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_FILLS = {"_FillValue", "missing_value"}
_ZARR = ("zarr.json", ".zgroup", ".zmetadata")
_PCRASTER = b"RUU CROSS SYSTEM MAP FORMAT"
_ZIP = b"PK\x03\x04"
_OTHERS = {
    b"\x0e\x03\x13\x01": "HDF4",
    b"GRIB": "GRIB",
    b"PK\x03\x04": "a ZIP archive",
}


def find_files(source: str | Path | Sequence[str | Path]) -> list[Path]:
    """Files that a path, a glob pattern or a list names, or an error that names the lost one."""
    if not isinstance(source, str | os.PathLike):
        return [path for entry in source for path in find_files(entry)]
    if is_url(source):
        return find_remote(str(source))
    path = Path(source)
    if path.exists():
        return [path]
    if any(sign in str(source) for sign in "*?["):
        found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if found:
            return found
        raise InputError(
            "no file fits the pattern", found=str(source), do="Correct the pattern or the folder"
        )
    folder = path.parent
    near = ", ".join(sorted(entry.name for entry in folder.glob(f"*{path.suffix}"))[:5])
    hint = f"; its folder holds {near}" if near else ""
    do = "Correct the path of this input"
    if "\\" in str(source) and os.sep == "/":
        do = "Write paths with forward slashes: " + str(source).replace("\\", "/")
    raise InputError("no such file", found=f"{path}{hint}", do=do)


def open_raw(path: Path) -> xr.Dataset:
    """Open one file by what it holds, not by what it is called."""
    try:
        kind = _format(path)
        if kind == "raster":
            return _open_raster(path)
        if is_url(path) and kind not in _RANGES:
            path = local_copy(path)
        if kind == "zipped zarr":
            return _open_zipped(path)
        options: dict[str, Any] = {"consolidated": _consolidated(path)} if kind == "zarr" else {}
        source = _RANGES[kind](path) if is_url(path) else path
        return xr.open_dataset(source, engine=kind, decode_cf=False, chunks=None, **options)
    except InputError:
        raise
    except Exception as error:
        # Every library has errors of its own for a damaged file.
        first = (str(error).splitlines() or [type(error).__name__])[0]
        refused = isinstance(error, PermissionError)
        raise InputError(
            f"{path} cannot be read",
            found=first[:200],
            do="Change its permissions" if refused else "Check whether the file is complete",
        ) from error


def _zarr_store(path: Path) -> Any:
    from headwater.grids._remote_zarr import zarr_store  # loads Zarr, which few inputs need

    return zarr_store(path)


_RANGES: dict[str, Any] = {"h5netcdf": lambda path: RangeFile(str(path)), "zarr": _zarr_store}
"""How what is read in parts is opened by URL; files of other formats are copied first."""


def netcdf_engine(path: Path) -> str | None:
    """Name what reads a file of NetCDF on this machine; None of any other."""
    if is_url(path) or path.is_dir():
        return None
    with path.open("rb") as file:
        return _ENGINES.get(file.read(4))


def is_geotiff(path: Path) -> bool:
    """Whether this is a GeoTIFF on this machine."""
    if is_url(path) or path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(4) in _RASTERS


def is_raster(dataset: xr.Dataset) -> bool:
    """Whether this is a raster, with bands in place of named dimensions."""
    return bool(dataset.attrs.get("headwater_raster"))


def _format(path: Path) -> str:
    head = _head(path)
    if head is None:
        if any(_described(path / name) is not None for name in _ZARR):
            return "zarr"
        raise InputError(
            f"{path} is a folder", found="no Zarr store", do="Name the files, such as 'folder/*.nc'"
        )
    if head[:4] in _ENGINES:
        return _ENGINES[head[:4]]
    ascii_grid = head.lstrip()[:5].lower() in (b"ncols", b"nrows")
    if head[:4] in _RASTERS or ascii_grid or head.startswith(_PCRASTER):
        return "raster"
    if head[:4] == _ZIP and _is_zipped_zarr(local_copy(path)):
        return "zipped zarr"
    raise InputError(
        f"{path} is in no format that Headwater reads",
        found=_OTHERS.get(head[:4], "an empty file" if not head else f"first bytes {head[:8]!r}"),
        do="Give NetCDF, Zarr (also zipped), GeoTIFF, ESRI ASCII or PCRaster",
    )


def _head(path: Path) -> bytes | None:
    """Read the first bytes of a file; None of a folder."""
    if is_url(path):
        # a web server may show a folder as a page
        return None if path.suffix == ".zarr" else read_part(path, 64)
    if path.is_dir():
        return None
    with path.open("rb") as file:
        return file.read(64)


def _described(path: Path) -> bytes | None:
    """Read a file of metadata; None where there is none."""
    if is_url(path):
        return read_part(path)
    return path.read_bytes() if path.exists() else None


def _consolidated(store: Path) -> bool:
    if _described(store / ".zmetadata") is not None:
        return True
    described = _described(store / "zarr.json")
    return described is not None and "consolidated_metadata" in json.loads(described)


def _is_zipped_zarr(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(Path(name).name in _ZARR for name in archive.namelist())


def _open_zipped(path: Path) -> xr.Dataset:
    from zarr.storage import ZipStore

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    roots = {str(Path(name).parent) for name in names if Path(name).name in _ZARR}
    root = min(roots, key=len)
    store: Any = ZipStore(path, mode="r")
    nested = root != "."
    return xr.open_dataset(
        store,
        engine="zarr",
        group=root if nested else None,
        consolidated=not nested and ".zmetadata" in names,
        decode_cf=False,
        chunks=None,
    )


def _open_raster(path: Path) -> xr.Dataset:
    import rioxarray

    # GDAL guesses the type of an ASCII grid from its first 100 kB: integers, where the grid begins
    # with rows of -9999, and the decimals of the rest are lost.
    options: dict[str, Any] = (
        {} if path.suffix.lower() in (".tif", ".tiff") else {"DATATYPE": "Float64"}
    )
    if is_url(path):
        options["opener"] = open_range
    attrs, masked = _said(path, options)
    opened: Any = rioxarray.open_rasterio(
        str(path), mask_and_scale=False, parse_coordinates=False, **options
    )
    left, dx, skew_x, top, skew_y, dy = map(float, opened.spatial_ref.attrs["GeoTransform"].split())
    if skew_x or skew_y:
        raise GridError(
            f"{path} is a rotated grid",
            found=f"GeoTransform {opened.spatial_ref.attrs['GeoTransform']}",
            do="Warp it to a grid whose rows run west to east",
        )
    x, y = (np.arange(opened.sizes[axis]) + 0.5 for axis in ("x", "y"))
    bands = opened.assign_coords(x=left + dx * x, y=top + dy * y).rename(path.stem)
    bands.attrs |= attrs
    if masked:
        stored = MaskedRaster(str(path), bands.shape, bands.dtype, **options)
        bands = bands.copy(deep=False, data=LazilyIndexedArray(stored))
    raster: xr.Dataset = bands.to_dataset().assign_attrs(headwater_raster=1)
    return raster


def _said(path: Path, options: dict[str, Any]) -> tuple[dict[str, str], bool]:
    """Read attributes that rioxarray leaves out, and whether a mask stands next to the bands."""
    import rasterio

    with rasterio.open(str(path), **options) as file:
        apart = [
            f"{key} {each}"
            for key in ("scales", "offsets")
            if len(set(each := getattr(file, key))) > 1
        ]
        tags = {**file.tags(), **file.tags(1)}
        attrs = {} if file.nodata is not None else {key: tags[key] for key in _FILLS & tags.keys()}
        scale = tags.get("scale_factor", "1")
        if set(file.scales) == {1.0} and scale not in ("1", "1.0"):
            attrs["scale_in_tags"] = scale
        masked = is_masked(file)
    if apart:
        raise GridError(
            f"the bands of {path} are packed each in its own way",
            found="; ".join(apart),
            do="Write them with one scale and offset, or as one file each",
        )
    return attrs, masked
