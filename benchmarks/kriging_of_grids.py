"""What kriging of cell centres does to a grid: `python -m benchmarks.kriging_of_grids`."""

from __future__ import annotations

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from headwater.grids.geometry import grid_coords
from headwater.grids.kriging_maps import krige_grid


def grid(cells: int, side: float) -> GeoBox:
    return GeoBox((cells, cells), Affine(side, 0, 0, 0, -side, cells * side), "EPSG:32647")


def blocks(field: np.ndarray, size: int) -> np.ndarray:
    cells = field.shape[0] // size
    return field.reshape(cells, size, cells, size).mean(axis=(1, 3))


def cube(field: np.ndarray, side: float) -> xr.DataArray:
    coords = grid_coords(grid(field.shape[0], side))
    return xr.DataArray(field, dims=("y", "x"), coords=coords, name="soil_moisture")


def rows(seed: int = 4) -> list[dict]:
    """Coarsen 1 km to 5 km and refine 20 km to 5 km; compare with the true 5 km means."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(240, 240))
    truth = sum(gaussian_filter(noise, s) * s for s in (1.5, 4.0, 10.0))
    truth = 0.2 + 0.04 * (truth - truth.mean()) / truth.std()
    target, means = grid(48, 5000.0), blocks(truth, 5)
    table = []
    for task, source, side, averaged in (
        ("1 km → 5 km", truth, 1000.0, means),
        ("20 km → 5 km", blocks(truth, 20), 20000.0, np.kron(blocks(truth, 20), np.ones((4, 4)))),
    ):
        kriged = krige_grid(cube(source, side), target, neighbours=16)
        made = kriged.data["soil_moisture"].values
        for method, values in (("averaging", averaged), ("kriging of centres", made)):
            error = values - means
            table.append(
                {
                    "task": task,
                    "method": method,
                    "sd": float(values.std()),
                    "true sd": float(means.std()),
                    "rmse": float(np.sqrt(np.mean(error**2))),
                    "mean error": float(error.mean()),
                    "in extremes": float(error[means > np.quantile(means, 0.95)].mean()),
                }
            )
    return table


if __name__ == "__main__":
    for row in rows():
        print(row)
