"""Shaded relief under the maps, as fine as the study's own elevation allows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.web.platform.grid import Grid

__all__ = ["relief_of", "shade"]

_SUN = (np.radians(315.0), np.radians(45.0))
"""Azimuth and altitude of the light [rad]."""
_WIDEST = 1400
"""Columns that a picture has at most: as many as a screen shows."""
_MEAN_SLOPE = 0.35


def shade(elevation: NDArray[Any], size: float, stretch: float) -> NDArray[np.uint8]:
    """Shade the land as by a light from the north-west.

    Parameters
    ----------
    elevation : ndarray, shape (rows, columns)
        NaN where it is not known [m].
    size : float
        Width of a cell [m].
    stretch : float
        Height of a cell by its width.

    Returns
    -------
    ndarray of uint8
        1 for dark to 255 for bright; 0 where no elevation is known.

    Examples
    --------
    >>> import numpy as np
    >>> ridge = np.abs(np.arange(-3.0, 4.0))[None] * np.ones((4, 1)) * -400
    >>> light = shade(ridge, 1000.0, 1.0)
    >>> bool(light[0, 1] > light[0, 5])
    True
    """
    known = np.isfinite(elevation)
    if not known.any():
        return np.full(elevation.shape, 180, dtype=np.uint8)
    z = np.where(known, elevation, np.nanmean(elevation)).astype(np.float64)
    south, east = np.gradient(z, size * stretch, size)
    # relief of kilometre-wide cells is gentle: steepened so that it can be seen
    steep = max(1.0, _MEAN_SLOPE / max(float(np.hypot(south, east)[known].mean()), 1e-6))
    slope = np.arctan(steep * np.hypot(south, east))
    azimuth, altitude = _SUN
    facing = np.arctan2(-east, south)
    light = np.sin(altitude) * np.cos(slope) + np.cos(altitude) * np.sin(slope) * np.cos(
        azimuth - facing
    )
    shaded: NDArray[np.uint8] = np.where(known, np.clip(light * 254 + 1, 1, 255), 0).astype(
        np.uint8
    )
    return shaded


def relief_of(grid: Grid, file: Path | None) -> NDArray[np.uint8]:
    """Shade the box of a study.

    Parameters
    ----------
    grid : Grid
    file : Path or None
        The study file, where it is here: its own elevation may be finer than the grid, and reach
        beyond the area.

    Returns
    -------
    ndarray of uint8
        A whole multiple of the grid's rows and columns.
    """
    fine = None if file is None else _fine(grid, file)
    if fine is None:
        coarse = np.full(grid.shape, np.nan) if grid.elevation is None else grid.elevation
        return shade(coarse, grid.km * 1000.0, grid.stretch)
    times = fine.shape[1] // grid.shape[1]
    return shade(fine, grid.km * 1000.0 / times, grid.stretch)


def _fine(grid: Grid, file: Path) -> NDArray[np.float32] | None:
    """Read the elevation of the study file into the grid's box, several pixels to a cell."""
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.transform import from_bounds
    from rasterio.warp import Resampling, reproject

    rows, columns = grid.shape
    times = max(1, min(10, _WIDEST // columns))
    try:
        inputs = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("inputs", {})
        path = inputs["elevation"]["path"]
        out = np.full((rows * times, columns * times), np.nan, dtype=np.float32)
        half = 0.5 * abs(float(grid.x[1] - grid.x[0])), 0.5 * abs(float(grid.y[1] - grid.y[0]))
        west, east = float(grid.x.min()) - half[0], float(grid.x.max()) + half[0]
        south, north = float(grid.y.min()) - half[1], float(grid.y.max()) + half[1]
        with rasterio.open(file.parent / path) as source:
            reproject(
                rasterio.band(source, 1),
                out,
                dst_transform=from_bounds(west, south, east, north, columns * times, rows * times),
                dst_crs=grid.crs,
                dst_nodata=np.nan,
                resampling=Resampling.bilinear,
            )
    except (OSError, ValueError, KeyError, TypeError, RasterioError):
        return None
    upright = out[::-1] if grid.y[0] < grid.y[-1] else out
    return upright[:, ::-1] if grid.x[0] > grid.x[-1] else upright
