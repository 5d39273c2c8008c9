"""Slope and aspect against GDAL 3.6.2 and an independent WGS84-metric Horn.

Source: tests/data/reference/grid, a 14 x 16 DEM with a flat patch and one missing cell, heights
rounded to 1 cm. ``dem_sq30`` and ``dem_rect``: gdaldem 3.6.2 slope and aspect (Horn), cells of 30 x
30 m and 10 x 40 m. ``dem_geo``: the same heights on 0.05 degree cells, first row at 39.90 N, Horn
with WGS84 radii. gdaldem leaves the cell size out of aspect, so its aspect on 10 x 40 m cells is no
truth; the plane in test_grids_terrain.py is.
"""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.grids.geometry import grid_coords
from headwater.grids.terrain import slope_aspect

CASES = Path(__file__).parents[1] / "data" / "reference" / "grid"


def case(name: str) -> np.ndarray:
    return np.genfromtxt(CASES / f"{name}.csv", delimiter=",")


def terrain(step_x: float, step_y: float, corner: tuple[float, float], crs: str) -> xr.Dataset:
    heights = case("dem_sq30_z")
    grid = GeoBox(heights.shape, Affine(step_x, 0, corner[0], 0, -step_y, corner[1]), crs)
    return slope_aspect(
        xr.DataArray(heights, dims=("y", "x"), coords=grid_coords(grid), attrs={"units": "m"})
    )


def agree(ours: xr.DataArray, expected: np.ndarray, tolerance: float) -> None:
    assert np.array_equal(np.isnan(ours), np.isnan(expected))
    difference = np.abs(ours.values - expected)
    if ours.name == "aspect":
        difference = np.minimum(difference, 360 - difference)
    assert np.nanmax(difference) < tolerance


def test_square_cells_agree_with_gdal() -> None:
    ours = terrain(30, 30, (5e5, 4e6), "EPSG:32647")
    agree(ours.slope, case("dem_sq30_gdal_slope_deg"), 0.001)
    agree(ours.aspect, case("dem_sq30_gdal_aspect_deg"), 0.001)


def test_rectangular_cells_agree_with_gdal_in_slope_and_not_in_aspect() -> None:
    ours = terrain(10, 40, (5e5, 4e6), "EPSG:32647")
    agree(ours.slope, case("dem_rect_gdal_slope_deg"), 0.001)
    gdal = case("dem_rect_gdal_aspect_deg")
    # gdaldem gives the same aspect whatever the cell size
    assert np.array_equal(gdal, case("dem_sq30_gdal_aspect_deg"), equal_nan=True)
    assert np.nanmax(np.abs(ours.aspect.values - gdal)) > 30


def test_geographic_cells_agree_with_the_ellipsoid() -> None:
    ours = terrain(0.05, 0.05, (95.0, 39.925), "EPSG:4326")
    agree(ours.slope, case("dem_geo_wgs84_slope_deg"), 0.0001)
    agree(ours.aspect, case("dem_geo_wgs84_aspect_deg"), 0.002)


def test_one_metre_per_degree_is_not_enough() -> None:
    ours = terrain(0.05, 0.05, (95.0, 39.925), "EPSG:4326").slope.values
    gdal = case("dem_geo_gdal_slope_s111120")
    steep = ours > 0.01
    assert np.nanmedian(gdal[steep] / ours[steep]) == pytest.approx(1 - 0.1638, abs=0.002)
