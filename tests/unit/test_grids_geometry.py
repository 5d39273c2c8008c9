"""Where cells lie and how large they are."""

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Geod

from headwater.errors import CRSError, GridError
from headwater.grids.geometry import (
    cell_area,
    cell_size,
    crs_of,
    geobox_of,
    grid_coords,
    is_geographic,
)

QILIAN = GeoBox((72, 166), Affine(0.05, 0, 94.87, 0, -0.05, 40.03), "EPSG:4326")
MOSEL = GeoBox((6, 9), Affine(24000, 0, 4.02e6, 0, -24000, 3.0e6), "EPSG:3035")
ALBERS = "+proj=aea +lat_1=25 +lat_2=47 +lat_0=0 +lon_0=105 +datum=WGS84 +units=m"


def cube(grid: GeoBox) -> xr.DataArray:
    return xr.DataArray(np.zeros(grid.shape), dims=("y", "x"), coords=grid_coords(grid))


@pytest.mark.parametrize(
    "grid",
    [
        QILIAN,
        MOSEL,
        GeoBox((3, 4), Affine(0.25, 0, -71, 0, 0.25, -16), "EPSG:4326"),
        GeoBox((3, 4), Affine(-0.25, 0, -71, 0, 0.25, -16), "EPSG:4326"),
        GeoBox((5, 4), Affine(1000, 0, 0, 0, -2000, 4e6), CRS(ALBERS).to_wkt()),
    ],
    ids=["geographic", "projected", "rows up", "columns west", "no EPSG code"],
)
def test_a_grid_survives_the_way_through_coordinates(grid: GeoBox) -> None:
    assert geobox_of(cube(grid)) == grid


def test_single_precision_coordinates_are_regular() -> None:
    rough = cube(QILIAN)
    rough = rough.assign_coords(x=rough.x.astype("float32"), y=rough.y.astype("float32"))
    assert np.allclose(geobox_of(rough).transform, QILIAN.transform, atol=1e-5)


def test_one_row_takes_its_height_from_the_geotransform() -> None:
    assert geobox_of(cube(MOSEL).isel(y=[0])).resolution.y == -24000
    bare = cube(MOSEL).isel(y=[0])
    del bare.spatial_ref.attrs["GeoTransform"]
    assert geobox_of(bare).resolution.y == -24000


def test_one_cell_of_unknown_size_is_refused() -> None:
    bare = cube(MOSEL).isel(y=[0], x=[0])
    del bare.spatial_ref.attrs["GeoTransform"]
    with pytest.raises(GridError, match="single cell has no known size"):
        geobox_of(bare)


def test_irregular_rows_are_refused_with_their_steps() -> None:
    uneven = cube(MOSEL).isel(y=[0, 1, 3, 4, 5])
    with pytest.raises(GridError, match=r"not regular along y.*from -48000 to -24000"):
        geobox_of(uneven)


def test_repeated_coordinates_are_refused() -> None:
    with pytest.raises(GridError, match="not regular along x"):
        geobox_of(cube(MOSEL).isel(x=[0, 0]))


def test_a_cube_without_coordinates_is_refused() -> None:
    with pytest.raises(GridError, match="no coordinate 'x'"):
        geobox_of(cube(MOSEL).drop_vars("x"))


def test_a_missing_reference_system_is_refused() -> None:
    with pytest.raises(CRSError, match="no coordinate reference system"):
        geobox_of(cube(MOSEL).drop_vars("spatial_ref"))
    with pytest.raises(CRSError, match="no coordinate reference system"):
        cell_area(GeoBox((2, 2), Affine(1, 0, 0, 0, -1, 0), None))


def test_a_reference_system_is_read_from_cf_attributes_alone() -> None:
    data = cube(MOSEL)
    for name in ("crs_wkt", "spatial_ref"):
        del data.spatial_ref.attrs[name]
    assert crs_of(data).coordinate_operation.method_name == "Lambert Azimuthal Equal Area"


def test_nonsense_is_no_reference_system() -> None:
    data = cube(MOSEL)
    data.spatial_ref.attrs["crs_wkt"] = "somewhere"
    with pytest.raises(CRSError, match="cannot be understood"):
        crs_of(data)


def test_geographic_or_not() -> None:
    assert is_geographic(cube(QILIAN))
    assert not is_geographic(MOSEL)


def test_area_is_that_of_the_geodesic_polygon() -> None:
    parallels = np.linspace(94.87, 94.92, 2000)
    longitude = np.concatenate([parallels, parallels[::-1]])
    latitude = np.repeat([40.03, 39.98], 2000)
    expected, _ = Geod(ellps="WGS84").polygon_area_perimeter(longitude, latitude)
    assert cell_area(QILIAN)[0, 0].item() == pytest.approx(abs(expected) / 1e6, rel=1e-9)


def test_area_of_the_sphere_is_four_pi_r_squared() -> None:
    globe = CRS("+proj=longlat +R=6371000").to_wkt()
    grid = GeoBox((18, 36), Affine(10, 0, -180, 0, -10, 90), globe)
    assert cell_area(grid).sum().item() == pytest.approx(4 * np.pi * 6371**2, rel=1e-12)


def test_rows_centred_on_the_poles_count_half() -> None:
    grid = GeoBox((19, 36), Affine(10, 0, -180, 0, -10, 95), "EPSG:4326")
    area = cell_area(grid)
    assert area.sum().item() == pytest.approx(510065621.7, rel=1e-9)
    assert area[0, 0] < area[1, 0]


def test_projected_area_is_in_metres_whatever_the_unit() -> None:
    area = cell_area(MOSEL)
    assert (area == 576.0).all()
    assert "distort" in area.attrs["caution"]
    feet = GeoBox((3, 3), Affine(1000, 0, 0, 0, -1000, 0), "EPSG:2263")
    assert cell_area(feet)[0, 0].item() == pytest.approx((1000 * 1200 / 3937) ** 2 / 1e6)


def test_area_keeps_the_coordinates_of_the_cube() -> None:
    data = cube(QILIAN)
    xr.testing.assert_identical(cell_area(data).coords.to_dataset(), data.coords.to_dataset())


def test_steps_are_geodesic_distances() -> None:
    eastward, northward = cell_size(QILIAN)
    geod = Geod(ellps="WGS84")
    along = geod.inv(94.87, 40.005, 94.92, 40.005)[2]
    across = geod.inv(94.87, 40.03, 94.87, 39.98)[2]
    assert eastward[0] == pytest.approx(along, rel=1e-7)
    assert northward[0] == pytest.approx(-across, rel=1e-9)
