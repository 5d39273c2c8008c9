"""Heads and values of GeoTIFFs of a run, read without building a dataset of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["raster_head", "raster_values"]

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
            (_told(file.tags()), _told(file.tags(1)), tuple(file.subdatasets)),
        )


def _told(tags: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tag for tag in tags.items() if not tag[0].startswith(_TALK)))


def raster_values(path: Path, key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
    """Read stored numbers by band, row and column.

    Parameters
    ----------
    path : Path
        Raster of one band.
    key : tuple of int or slice
        Of band, y and x.
    """
    import rasterio
    from rasterio.windows import Window

    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"), rasterio.open(path) as file:
        rows, columns = (np.arange(n)[part] for n, part in zip(file.shape, key[1:], strict=True))
        if not (np.size(rows) and np.size(columns)):
            return np.asarray(np.empty((1, *file.shape), file.dtypes[0])[key])
        (top, bottom), (left, right) = (
            (int(np.min(each)), int(np.max(each)) + 1) for each in (rows, columns)
        )
        block = file.read(1, window=Window(left, top, right - left, bottom - top))
    part = np.asarray(block[rows - top][..., columns - left])
    return part if isinstance(key[0], int | np.integer) else np.asarray(part[None][key[0]])
