"""A study to try downscaling on: a virtual headwater as satellites see it, with its truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from headwater.virtual.satellite import SatelliteView

__all__ = ["write_satellite_demo"]

_UNITS = {"lst_day": "degC", "lst_range": "K", "ndvi": "1", "albedo": "1", "precipitation": "mm"}
_YEAR = 2018
_STUDY = """\
[study]
name = "A virtual headwater, made finer"

[inputs.soil_moisture]
path = "soil_moisture.nc"

[inputs.precipitation]
path = "precipitation.nc"

[inputs.surface_temperature]
path = "lst_day.nc"

[inputs.lst_range]
path = "lst_range.nc"
units = "K"
long_name = "Daily range of surface temperature"

[inputs.ndvi]
path = "ndvi.nc"

[inputs.albedo]
path = "albedo.nc"

[inputs.elevation]
path = "elevation.nc"

[downscaling]
"""


def write_satellite_demo(
    folder: str | Path,
    *,
    seed: int = 1,
    shape: tuple[int, int] = (36, 72),
    days: slice = slice(None),
    cell_km: int = 18,
    stations: int = 0,
) -> Path:
    """Write coarse soil moisture, fine predictors, the truth, and a study file.

    Parameters
    ----------
    folder : path
        Made when it is not there.
    seed : int
        The same seed gives the same bits on the same machine.
    shape : tuple of int
        Rows and columns of 0.05 degrees.
    days : slice
        Days of the year that are kept.
    cell_km : {36, 18, 9}
        Side of the coarse cells (EASE-Grid 2.0) [km].
    stations : int
        Places where ``stations.csv`` has the truth with a sensor's noise of 0.01 m3 m-3.

    Returns
    -------
    Path
        The study file, which ends with an empty table ``[downscaling]``. ``truth.nc`` next to it
        has the soil moisture that nobody knows, where the ground is thawed.

    Examples
    --------
    ``headwater downscale`` of ``write_satellite_demo("demo")``.
    """
    from headwater.downscaling.support_operator import support
    from headwater.grids.geometry import geobox_of
    from headwater.grids.products.ease2 import ease2_grid
    from headwater.virtual import make_headwater
    from headwater.virtual.satellite import observe_from_space

    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    here = make_headwater(seed=seed, years=(_YEAR, _YEAR), shape=shape, noise=0, gaps=0)
    operator = support(ease2_grid(cell_km), here.cube)
    view = observe_from_space(here, operator.matrix, seed=seed)
    fine, times = geobox_of(here.cube["ndvi"]), view.times[days].astype("datetime64[ns]")
    coarse, maps = _cut(operator, view.retrieval[days])
    _write(home, "soil_moisture", maps, coarse, times, "m3 m-3")
    for name, unit in _UNITS.items():
        _write(home, name, view.dynamic[name][days], fine, times, unit)
    _write(home, "elevation", view.static["elevation"], fine, None, "m")
    truth = np.where(view.thawed, view.truth, np.nan).astype(np.float32)[days]
    _write(home, "truth", truth, fine, times, "m3 m-3")
    if stations:
        table = _stations(view, truth, fine, times, np.random.default_rng([seed, stations]))
        table[table["station"] < f"S{stations:02d}"].to_csv(home / "stations.csv", index=False)
    path = home / "study.toml"
    path.write_text(_STUDY, encoding="utf-8")
    return path


def _cut(operator: Any, retrieval: Any) -> tuple[Any, Any]:
    """Lay retrievals on the part of the coarse grid that has cells."""
    rows, columns = np.unravel_index(operator.cells, operator.coarse_shape)
    part = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    shape = (part[0].stop - part[0].start, part[1].stop - part[1].start)
    maps = np.full((len(retrieval), *shape), np.nan, dtype=np.float32)
    maps[:, rows - rows.min(), columns - columns.min()] = retrieval
    return operator.coarse_grid[part], maps


def _write(home: Path, name: str, values: object, grid: GeoBox, times: object, unit: str) -> None:
    from headwater.grids import write_netcdf
    from headwater.grids.geometry import grid_coords

    dims = ("y", "x") if times is None else ("time", "y", "x")
    coords = grid_coords(grid) | ({} if times is None else {"time": times})
    cube = xr.DataArray(values, dims=dims, coords=coords, attrs={"units": unit, "long_name": name})
    write_netcdf(cube.to_dataset(name=name), home / f"{name}.nc")


def _stations(
    view: SatelliteView, truth: Any, grid: Any, times: Any, rng: np.random.Generator
) -> pd.DataFrame:
    from headwater.grids.geometry import grid_coords

    coords = grid_coords(grid)
    pixels = rng.permutation(truth[0].size)[:99]
    rows, columns = np.unravel_index(pixels, truth.shape[1:])
    parts = [
        pd.DataFrame(
            {
                "station": f"S{number:02d}",
                "longitude": float(coords["x"][column]),
                "latitude": float(coords["y"][row]),
                "time": times,
                "soil_moisture": np.clip(
                    truth[:, row, column] + rng.normal(0.0, 0.01, len(times)), 0.0, 1.0
                ).round(4),
            }
        )
        for number, (row, column) in enumerate(zip(rows, columns, strict=True))
    ]
    return pd.concat(parts, ignore_index=True).dropna()
