"""Clipping: cells whose centre lies inside stay."""

import numpy as np
import pytest
import shapely
import xarray as xr

from headwater.errors import GridError
from headwater.grids import clip, read_area, study_grid
from headwater.grids.area import Area, inside
from headwater.grids.geometry import crs_of, geobox_of, grid_coords


def cube(rows_up: bool = False, lazy: bool = False) -> xr.DataArray:
    grid = study_grid(resolution=0.25, area=read_area((90, 30, 100, 36)))
    values = np.arange(2 * 24 * 40, dtype=np.float32).reshape(2, 24, 40)
    data = xr.DataArray(values, dims=("time", "y", "x"), coords=grid_coords(grid), name="theta")
    data = data.isel(y=slice(None, None, -1)) if rows_up else data
    return data.chunk(time=1) if lazy else data


def ring() -> Area:
    return Area(shapely.Point(95, 33).buffer(2), crs_of(cube()), "ring")


@pytest.mark.parametrize("rows_up", [False, True])
def test_a_centre_decides(rows_up: bool) -> None:
    clipped = clip(cube(rows_up), ring())
    x, y = np.meshgrid(clipped["x"], clipped["y"])
    expected = shapely.contains_xy(ring().geometry, x, y)
    np.testing.assert_array_equal(clipped.notnull().values[0], expected)
    assert expected.sum() == clipped.notnull().sum() / 2
    rest = cube(rows_up).sel(x=clipped["x"], y=clipped["y"]).where(expected)
    np.testing.assert_array_equal(clipped, rest)


def test_the_grid_of_the_window_is_written_down() -> None:
    clipped = clip(cube(), read_area((92, 31, 93, 32)))
    west, south, east, north = geobox_of(clipped).extent.boundingbox.bbox
    assert (west, south, east, north) == (92, 31, 93, 32)
    origin = clipped["spatial_ref"].attrs["GeoTransform"].split()
    assert [float(origin[0]), float(origin[3])] == [92, 32]
    assert clipped.notnull().all()


def test_lazy_stays_lazy() -> None:
    lazy = clip(cube(lazy=True), ring())
    assert lazy.chunks is not None
    xr.testing.assert_identical(lazy.compute(), clip(cube(), ring()))


def test_margin_widens_the_area() -> None:
    box = read_area((92, 31, 93, 32))
    assert clip(cube(), box, margin=2).shape == (2, 8, 8)
    assert clip(cube(), read_area((92.05, 31.05, 92.07, 31.07)), margin=1).notnull().any()


def test_an_area_in_another_reference_system() -> None:
    there = ring().to_crs("EPSG:32646")
    moved = clip(cube(), there)
    xr.testing.assert_identical(moved.notnull(), clip(cube(), ring()).notnull())


def test_no_overlap_names_both_extents_in_one_system() -> None:
    elsewhere = read_area((5, 46, 7, 48)).to_crs("EPSG:32632")
    with pytest.raises(
        GridError, match=r"do not overlap.*grid 90 to 100, 30 to 36; area"
    ) as caught:
        clip(cube(), elsewhere)
    assert "WGS 84" in caught.value.found
    assert "5 to 7, 46 to 48" in caught.value.found


def test_an_area_without_a_centre() -> None:
    with pytest.raises(GridError, match=r"holds no cell centre.*margin"):
        clip(cube(), read_area((92.01, 31.01, 92.05, 31.05)))
    diagonal = shapely.Polygon([(92, 31.24), (92.01, 31.24), (92.5, 31.01), (92.49, 31.01)])
    with pytest.raises(GridError, match="holds no cell centre"):
        clip(cube(), Area(diagonal, crs_of(cube()), "sliver"))


def test_inside_counts_cells() -> None:
    grid = geobox_of(cube())
    assert int(inside(grid, read_area((90, 30, 91, 31))).sum()) == 16
