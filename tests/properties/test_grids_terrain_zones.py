"""What must hold for any land: flips, turns, additions, and zones that add up."""

import numpy as np
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox

from headwater.grids.geometry import cell_area, grid_coords
from headwater.grids.terrain import slope_aspect, terrain_on_grid
from headwater.grids.zonal import zone_mean
from headwater.grids.zones import class_zones, elevation_bands

HEIGHTS = arrays(
    np.float64,
    (7, 8),
    elements=st.integers(200_000, 580_000).map(lambda cm: cm / 100) | st.just(np.nan),
)
LIMITED = settings(deadline=None)


def on(values: np.ndarray, step_x: float, step_y: float, crs: str = "EPSG:4326") -> xr.DataArray:
    left, top = (95.0, 39.0) if crs == "EPSG:4326" else (5e5, 4e6)
    grid = GeoBox(values.shape, Affine(step_x, 0, left, 0, step_y, top), crs)
    return xr.DataArray(values, dims=("y", "x"), coords=grid_coords(grid))


def turned(aspect: xr.DataArray, by: float) -> np.ndarray:
    return np.mod(aspect.values.astype(float) + by, 360)


def same_direction(one: np.ndarray, other: np.ndarray) -> bool:
    assert np.array_equal(np.isnan(one), np.isnan(other))
    apart = np.abs(one - other)
    return bool(np.nanmax(np.minimum(apart, 360 - apart), initial=0.0) < 1e-2)


@LIMITED
@given(HEIGHTS)
def test_the_order_of_rows_and_columns_changes_nothing(heights: np.ndarray) -> None:
    dem = on(heights, 0.01, -0.01)
    terrain = slope_aspect(dem)
    for order in ({"y": slice(None, None, -1)}, {"x": slice(None, None, -1)}):
        xr.testing.assert_allclose(slope_aspect(dem.isel(order)).isel(order), terrain, rtol=1e-5)


@LIMITED
@given(HEIGHTS)
def test_a_quarter_turn_turns_the_aspect(heights: np.ndarray) -> None:
    terrain = slope_aspect(on(heights, 30, -30, "EPSG:32647"))
    quarter = slope_aspect(on(np.rot90(heights, -1), 30, -30, "EPSG:32647"))
    assert np.allclose(np.rot90(terrain.slope, -1), quarter.slope, equal_nan=True, atol=1e-4)
    assert same_direction(np.rot90(turned(terrain.aspect, 90), -1), turned(quarter.aspect, 0))


@LIMITED
@given(HEIGHTS)
def test_the_land_upside_down_faces_the_other_way(heights: np.ndarray) -> None:
    terrain, other = (slope_aspect(on(z, 0.01, -0.01)) for z in (heights, 8000 - heights))
    assert np.allclose(terrain.slope, other.slope, equal_nan=True, atol=1e-4)


@LIMITED
@given(arrays(np.float64, (16, 16), elements=st.integers(2000, 5000).map(float)))
def test_the_mean_of_the_study_grid_is_the_mean_of_the_dem(heights: np.ndarray) -> None:
    dem = on(heights, 0.01, -0.01)
    study = GeoBox((2, 2), Affine(0.08, 0, 95.0, 0, -0.08, 39.0), "EPSG:4326")
    terrain = terrain_on_grid(dem, study, min_coverage=0.1)
    fine, coarse = cell_area(dem), cell_area(study)
    expected = (fine * dem).sum() / fine.sum()
    mean = (coarse * terrain.elevation.astype(float)).sum() / coarse.sum()
    assert np.isclose(mean, expected, rtol=1e-6)
    assert ((terrain.aspect_concentration <= 1.0) | terrain.aspect_concentration.isnull()).all()
    assert int(terrain.n.sum()) == 256


@LIMITED
@given(HEIGHTS, st.integers(1, 5))
def test_bands_partition_the_valid_cells_in_order(heights: np.ndarray, count: int) -> None:
    valid = heights[np.isfinite(heights)]
    if valid.size == 0 or valid.min() == valid.max():
        return
    bands = elevation_bands(on(heights, 0.01, -0.01), count=count)
    codes = bands.labels.values
    assert np.array_equal(np.isnan(codes), np.isnan(heights))
    for code in range(count):
        inside = heights[codes == code]
        assert ((inside >= bands.edges[code]) & (inside <= bands.edges[code + 1])).all()


@LIMITED
@given(HEIGHTS, st.integers(0, 2**32 - 1))
def test_zones_add_up_to_the_whole(values: np.ndarray, seed: int) -> None:
    data = on(values, 0.01, -0.01)
    area = cell_area(data)
    classes = xr.zeros_like(data).copy(data=np.random.default_rng(seed).integers(0, 3, (7, 8)))
    parts = zone_mean(data, class_zones(classes.astype(float)), area)
    whole = zone_mean(data, class_zones(xr.zeros_like(data)), area)
    assert int(parts["n"].sum()) == int(whole["n"].sum()) == np.isfinite(values).sum()
    total = (parts["mean"] * parts["area_valid"]).sum()
    assert np.isclose(total, (whole["mean"] * whole["area_valid"]).sum())
