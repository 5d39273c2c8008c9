"""Heads and values of GeoTIFFs, read without building a dataset of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

__all__ = ["MaskedRaster", "is_masked", "raster_head", "raster_values"]

# Tags that say nothing of values or places, and differ from file to file.
_TALK = ("TIFFTAG_", "STATISTICS_", "HISTORY", "history", "date_created", "creation_date")


def raster_head(path: Path) -> object:
    """Read what a raster of one band says of itself: two that say the same differ in values alone.

    Raises
    ------
    RasterioError or OSError
        If it cannot be read.
    """
    import rasterio

    # without it, GDAL lists the folder anew for each of its files
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"), rasterio.open(path) as file:
        crs = "" if file.crs is None else file.crs.to_wkt()
        return (
            (file.driver, file.shape, file.count, file.dtypes, repr(file.nodatavals)),
            (tuple(file.transform), crs, repr(file.gcps), repr(file.rpcs)),
            (file.scales, file.offsets, file.units, file.descriptions),
            is_masked(file),
            (_told(file.tags()), _told(file.tags(1)), tuple(file.subdatasets)),
        )


def _told(tags: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tag for tag in tags.items() if not tag[0].startswith(_TALK)))


def is_masked(file: Any) -> bool:
    """Whether an open raster has a mask next to its bands, which says where it holds no value."""
    from rasterio.enums import MaskFlags

    return any(
        MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
        for flags in file.mask_flag_enums
    )


class MaskedRaster(BackendArray):
    """Stored numbers of a raster that has a mask, NaN where it masks them.

    Parameters
    ----------
    path : str
    shape : tuple of int
        Bands, rows and columns.
    dtype : dtype
        Of the stored numbers.
    **options
        Of ``rasterio.open``.
    """

    def __init__(
        self, path: str, shape: tuple[int, ...], dtype: np.dtype[Any], **options: Any
    ) -> None:
        self.path, self.shape, self.options = path, shape, options
        self.dtype = _with_gaps(dtype)

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(
            key,
            self.shape,
            indexing.IndexingSupport.BASIC,
            lambda part: raster_values(self.path, part, **self.options),
        )


def _with_gaps(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Name a type that holds all numbers of another, and NaN."""
    return dtype if dtype.kind == "f" else np.dtype("f4" if dtype.itemsize <= 2 else "f8")


def raster_values(path: str | Path, key: tuple[Any, ...], **options: Any) -> np.ndarray[Any, Any]:
    """Read stored numbers by band, row and column; NaN where a mask says that there is none.

    Parameters
    ----------
    path : str or Path
    key : tuple of int or slice
        Of band, y and x.
    **options
        Of ``rasterio.open``.
    """
    import rasterio
    from rasterio.windows import Window

    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"),
        rasterio.open(path, **options) as file,
    ):
        shape = (file.count, *file.shape)
        bands, rows, columns = (np.arange(n)[part] for n, part in zip(shape, key, strict=True))
        if not (np.size(bands) and np.size(rows) and np.size(columns)):
            return np.asarray(np.empty(shape, file.dtypes[0])[key])
        (top, bottom), (left, right) = (
            (int(np.min(each)), int(np.max(each)) + 1) for each in (rows, columns)
        )
        window = Window(left, top, right - left, bottom - top)
        wanted = [int(band) + 1 for band in np.atleast_1d(bands)]
        block = file.read(wanted, window=window)
        if is_masked(file):
            held = file.read_masks(wanted, window=window) > 0
            block = np.where(held, block.astype(_with_gaps(block.dtype)), np.nan)
    part = np.asarray(block[:, rows - top][..., columns - left])
    return part if np.ndim(bands) else part[0]
