"""Where the cells of a study lie: on the ground, and in the picture that a browser draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from headwater.web.platform.layers import Layer

__all__ = ["Grid", "read_grid"]


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of a study.

    Attributes
    ----------
    x, y : ndarray
        Centres of the cells, in the grid's reference.
    crs : str
        As text of its authority, or WKT.
    geographic : bool
        Whether x and y are degrees.
    inside : ndarray of bool, shape (rows, columns)
        Cells with a value.
    elevation : ndarray or None, shape (rows, columns)
        [m]
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    crs: str
    geographic: bool
    inside: NDArray[np.bool_]
    elevation: NDArray[np.float32] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y), len(self.x)

    @property
    def stretch(self) -> float:
        """Height of a cell by its width on the ground."""
        wide, high = abs(self.x[1] - self.x[0]), abs(self.y[1] - self.y[0])
        if self.geographic:
            wide = wide * float(np.cos(np.radians(self.y.mean())))
        return float(high / wide)

    @property
    def km(self) -> float:
        """Width of a cell on the ground [km]."""
        wide = abs(float(self.x[1] - self.x[0]))
        if self.geographic:
            return wide * 111.195 * float(np.cos(np.radians(self.y.mean())))
        return wide / 1000.0

    def weights(self) -> NDArray[np.float64]:
        """Relative area of the cells of each row."""
        if not self.geographic:
            return np.ones(len(self.y))
        return np.asarray(np.cos(np.radians(self.y)))

    def to_picture(self, longitude: ArrayLike, latitude: ArrayLike) -> NDArray[np.float64]:
        """Find columns and rows of places, in cells from the corner of the first one.

        Returns
        -------
        ndarray, shape (n, 2)
        """
        lon, lat = np.atleast_1d(longitude).astype(float), np.atleast_1d(latitude).astype(float)
        if self.geographic:
            x, y = lon, lat
        else:
            from pyproj import Transformer

            x, y = Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(lon, lat)
        column = (np.asarray(x) - self.x[0]) / (self.x[1] - self.x[0]) + 0.5
        row = (np.asarray(y) - self.y[0]) / (self.y[1] - self.y[0]) + 0.5
        return np.column_stack([column, row])

    def to_ground(self, column: float, row: float) -> tuple[float, float]:
        """Find longitude and latitude of a place in the picture [degrees]."""
        x = float(self.x[0] + (column - 0.5) * (self.x[1] - self.x[0]))
        y = float(self.y[0] + (row - 0.5) * (self.y[1] - self.y[0]))
        if self.geographic:
            return x, y
        from pyproj import Transformer

        lon, lat = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True).transform(x, y)
        return float(lon), float(lat)

    def outline(self) -> list[list[list[float]]]:
        """Rings round the cells with a value, as (column, row) in cells."""
        from rasterio.features import shapes

        mask = self.inside.astype(np.uint8)
        rings = []
        for shape, value in shapes(mask, mask=self.inside):
            if value:
                rings += [[list(map(float, at)) for at in ring] for ring in shape["coordinates"]]
        return sorted(rings, key=len, reverse=True)[:200]


def read_grid(layer: Layer, results: Path) -> Grid:
    """Read the grid from a layer of the study, with its elevation where the study has one.

    Parameters
    ----------
    layer : Layer
    results : Path

    Returns
    -------
    Grid

    Raises
    ------
    ResumeError
        If the layer is damaged.
    """
    from headwater.grids.geometry import crs_of
    from headwater.web.platform.layers import open_values, reading

    values = open_values(layer)
    crs = crs_of(values)
    with reading(layer.path):
        first = values.isel(time=slice(0, 8)).values if layer.cube else values.values
    inside = np.isfinite(first).any(axis=0) if layer.cube else np.isfinite(first)
    authority = crs.to_epsg() if hasattr(crs, "to_epsg") else None
    return Grid(
        x=np.asarray(values["x"].values, dtype=np.float64),
        y=np.asarray(values["y"].values, dtype=np.float64),
        crs=f"EPSG:{authority}" if authority else str(crs.to_wkt()),
        geographic=bool(getattr(crs, "is_geographic", False) or getattr(crs, "geographic", False)),
        inside=inside,
        elevation=_elevation(results),
    )


def _elevation(results: Path) -> Any:
    import xarray as xr

    path = results / "grids" / "elevation.nc"
    if not path.is_file():
        return None
    try:
        with xr.open_dataset(path, engine="h5netcdf") as maps:
            return np.asarray(maps["elevation"].values, dtype=np.float32)
    except (OSError, ValueError, KeyError, RuntimeError):
        return None  # damaged: maps are shown without it
