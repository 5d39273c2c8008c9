"""Slope and aspect where the answer is known, and their summary on a coarser grid."""

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.errors import CRSError, DataError, GridError, UnitError
from headwater.grids.geometry import cell_size, grid_coords
from headwater.grids.terrain import slope_aspect, terrain_on_grid

UTM = "EPSG:32647"


def dem_on(grid: GeoBox, heights: np.ndarray, **attrs: str) -> xr.DataArray:
    return xr.DataArray(heights, dims=("y", "x"), coords=grid_coords(grid), attrs=attrs)


def plane(grid: GeoBox, to_east: float, to_north: float, crs_unit: float = 1.0) -> xr.DataArray:
    """A plane that rises by so many metres per metre."""
    coords = grid_coords(grid)
    heights = to_east * (coords["x"] - coords["x"][0]) + to_north * (coords["y"] - coords["y"][0])
    return dem_on(grid, (crs_unit * heights).transpose("y", "x").values)


@pytest.mark.parametrize(
    ("to_east", "to_north", "aspect"),
    [
        (0, -1, 0),
        (-1, -1, 45),
        (-1, 0, 90),
        (-1, 1, 135),
        (0, 1, 180),
        (1, 1, 225),
        (1, 0, 270),
        (1, -1, 315),
    ],
)
@pytest.mark.parametrize(("step_x", "step_y"), [(10, -40), (10, 40), (-30, -30), (25, 5)])
def test_planes_face_where_they_fall(
    to_east: int, to_north: int, aspect: float, step_x: float, step_y: float
) -> None:
    grid = GeoBox((5, 6), Affine(step_x, 0, 5e5, 0, step_y, 4e6), UTM)
    terrain = slope_aspect(plane(grid, to_east, to_north)).isel(y=2, x=2)
    assert terrain.aspect.item() == pytest.approx(aspect, abs=1e-4)
    steepness = np.degrees(np.arctan(np.hypot(to_east, to_north)))
    assert terrain.slope.item() == pytest.approx(steepness, abs=1e-4)


def test_cells_of_10_by_40_metres_have_the_true_aspect() -> None:
    grid = GeoBox((5, 5), Affine(10, 0, 5e5, 0, -40, 4e6), UTM)
    terrain = slope_aspect(plane(grid, -1, -1)).isel(y=2, x=2)
    assert terrain.slope.item() == pytest.approx(54.735610, abs=1e-5)
    assert terrain.aspect.item() == pytest.approx(45.0, abs=1e-5)


@pytest.mark.parametrize("step_y", [-0.05, 0.05])
def test_a_slope_on_the_ellipsoid_has_the_true_metric(step_y: float) -> None:
    grid = GeoBox((7, 7), Affine(0.05, 0, 95, 0, step_y, 39.6), "EPSG:4326")
    eastward, northward = cell_size(grid)
    column, row = np.arange(7), np.arange(7)
    # Falls 0.1 m per metre to the north-east along the middle row.
    heights = -0.1 * (eastward[3] * column + northward[3] * row[:, None])
    terrain = slope_aspect(dem_on(grid, heights)).isel(y=3, x=3)
    assert terrain.aspect.item() == pytest.approx(45.0, abs=1e-3)
    assert terrain.slope.item() == pytest.approx(np.degrees(np.arctan(0.1 * 2**0.5)), rel=1e-5)


def test_feet_of_the_reference_system_and_of_the_heights_are_converted() -> None:
    grid = GeoBox((5, 5), Affine(100, 0, 0, 0, -100, 0), "EPSG:2263")
    terrain = slope_aspect(plane(grid, -1, 0, crs_unit=1200 / 3937))
    assert terrain.slope[2, 2].item() == pytest.approx(45.0, abs=1e-4)
    kilometres = plane(GeoBox((5, 5), Affine(10, 0, 0, 0, -10, 0), UTM), 0.001, 0)
    assert slope_aspect(kilometres.assign_attrs(units="km")).slope[2, 2] == pytest.approx(45.0)


def test_flat_land_faces_nowhere() -> None:
    terrain = slope_aspect(plane(GeoBox((4, 4), Affine(30, 0, 0, 0, -30, 0), UTM), 0, 0))
    assert (terrain.slope[1:-1, 1:-1] == 0).all()
    assert terrain.aspect.isnull().all()


def test_a_missing_cell_silences_its_neighbours_and_edges_are_not_invented() -> None:
    dem = plane(GeoBox((9, 9), Affine(30, 0, 0, 0, -30, 0), UTM), 1, 0)
    dem[4, 4] = np.nan
    known = slope_aspect(dem).slope.notnull().values
    expected = np.zeros((9, 9), dtype=bool)
    expected[1:-1, 1:-1] = True
    expected[3:6, 3:6] = False
    assert (known == expected).all()


def test_blocks_of_rows_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    from headwater.grids import terrain as module

    grid = GeoBox((40, 30), Affine(0.001, 0, 95, 0, -0.001, 39), "EPSG:4326")
    dem = dem_on(grid, np.random.default_rng(1).normal(3000, 50, grid.shape))
    whole = slope_aspect(dem)
    monkeypatch.setattr(module, "_BLOCK", 90)
    xr.testing.assert_identical(slope_aspect(dem), whole)
    xr.testing.assert_identical(slope_aspect(dem.chunk({"y": 7, "x": 11})), whole)


def test_projected_aspect_tells_where_true_north_is() -> None:
    far_east = GeoBox((5, 5), Affine(1000, 0, 5.5e6, 0, -1000, 3e6), "EPSG:3035")
    caution = slope_aspect(plane(far_east, 1, 0)).aspect.attrs["caution"]
    assert "true north is -" in caution


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda dem: dem.expand_dims("band"), DataError, r"dimensions \(y, x\)"),
        (lambda dem: dem.isel(y=slice(2)), GridError, "three rows"),
        (lambda dem: dem.drop_vars("spatial_ref"), CRSError, "no coordinate reference system"),
        (lambda dem: dem.assign_attrs(units="degC"), UnitError, "degC"),
    ],
)
def test_an_unfit_dem_is_refused(spoil, error, words) -> None:
    with pytest.raises(error, match=words):
        slope_aspect(spoil(plane(GeoBox((4, 4), Affine(30, 0, 0, 0, -30, 0), UTM), 1, 0)))


FINE = GeoBox((64, 96), Affine(30, 0, 5e5, 0, -30, 4e6), UTM)
COARSE = GeoBox((4, 6), Affine(480, 0, 5e5, 0, -480, 4e6), UTM)


def test_a_plane_stays_a_plane_on_the_study_grid() -> None:
    terrain = terrain_on_grid(plane(FINE, -1, -1), COARSE, min_coverage=0.5)
    assert np.allclose(terrain.slope, 54.73561, atol=1e-4)
    assert np.allclose(terrain.aspect, 45.0, atol=1e-3)
    assert np.allclose(terrain.aspect_concentration, 1.0, atol=1e-6)
    assert (terrain.n == 256).all()
    assert terrain.elevation[0, 0].item() == pytest.approx(0.0, abs=1e-3)
    assert terrain.slope.attrs["units"] == "degree"


def test_mean_aspect_is_a_vector_and_tells_its_spread() -> None:
    # Two planes that meet in a valley: half of the middle cells face east, half west.
    coords = grid_coords(FINE)
    valley = abs(coords["x"] - (5e5 + 96 * 15.0)) + 0 * coords["y"]
    odd = GeoBox((1, 3), Affine(960, 0, 5e5, 0, -1920, 4e6), UTM)
    terrain = terrain_on_grid(valley.transpose("y", "x").assign_coords(coords), odd)
    assert terrain.aspect[0, 0].item() == pytest.approx(90.0, abs=1e-3)
    assert terrain.aspect[0, 2].item() == pytest.approx(270.0, abs=1e-3)
    assert np.isnan(terrain.aspect[0, 1])
    assert terrain.aspect_concentration[0, 1].item() == pytest.approx(0.0, abs=1e-6)
    assert terrain.slope[0, 0].item() == pytest.approx(45.0, abs=1e-3)


def test_aspects_around_north_average_to_north() -> None:
    grid = GeoBox((40, 40), Affine(30, 0, 5e5, 0, -30, 4e6), UTM)
    coords = grid_coords(grid)
    ridge = -(coords["y"] - 4e6) - 0.2 * abs(coords["x"] - 500600.0)
    one = GeoBox((1, 1), Affine(1200, 0, 5e5, 0, -1200, 4e6), UTM)
    aspect = terrain_on_grid(ridge.transpose("y", "x").assign_coords(coords), one).aspect.item()
    assert min(aspect, 360 - aspect) == pytest.approx(0.0, abs=1e-3)


def test_cells_with_too_little_dem_stay_missing_and_say_how_many_they_had() -> None:
    dem = plane(FINE, 1, 0)
    dem[:, :10] = np.nan
    terrain = terrain_on_grid(dem, COARSE, min_coverage=0.5)
    assert terrain.elevation[:, 0].isnull().all()
    assert (terrain.n[:, 0] == 6 * 16).all()
    lenient = terrain_on_grid(dem, COARSE, min_coverage=0.3)
    assert lenient.elevation[:, 0].notnull().all()
    assert lenient.slope[1:-1, 0].notnull().all()


def test_a_study_cell_half_outside_the_dem_counts_its_outside_as_missing() -> None:
    shifted = GeoBox((4, 6), Affine(480, 0, 5e5 - 300, 0, -480, 4e6), UTM)
    terrain = terrain_on_grid(plane(FINE, 1, 0), shifted, min_coverage=0.5)
    assert terrain.elevation[:, 0].isnull().all()
    assert terrain.elevation[:, 1:].notnull().all()


def test_a_lazy_dem_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from headwater.grids import terrain as module

    dem = dem_on(FINE, np.random.default_rng(2).normal(3000, 100, FINE.shape).astype("float32"))
    whole = terrain_on_grid(dem, COARSE)
    monkeypatch.setattr(module, "_BLOCK", 700)
    xr.testing.assert_allclose(terrain_on_grid(dem.chunk({"y": 20, "x": 50}), COARSE), whole)


def test_another_reference_system_gives_the_same_land() -> None:
    fine = GeoBox((300, 300), Affine(0.001, 0, 98.9, 0, -0.001, 36.2), "EPSG:4326")
    coords = grid_coords(fine)
    hill = 3000 + 500 * np.sin(20 * coords["x"]) * np.cos(20 * coords["y"])
    dem = hill.transpose("y", "x").assign_coords(coords)
    study = GeoBox((8, 8), Affine(2000, 0, 5.0e5, 0, -2000, 4.0e6), UTM)
    terrain = terrain_on_grid(dem, study)
    centre = terrain.isel(y=4, x=4)
    from pyproj import Transformer

    place = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(
        centre.x.item(), centre.y.item()
    )
    expected = 3000 + 500 * np.sin(20 * place[0]) * np.cos(20 * place[1])
    assert centre.elevation.item() == pytest.approx(expected, abs=3.0)
    assert terrain.n.min() >= 350


def test_a_coarse_dem_is_sampled_and_says_so() -> None:
    dem = plane(FINE, -1, -1)
    nearly = GeoBox((30, 40), Affine(45, 0, 5e5, 0, -45, 4e6), UTM)
    terrain = terrain_on_grid(dem, nearly)
    assert "less than 4 times finer" in terrain.attrs["caution"]
    assert terrain.aspect[5, 5].item() == pytest.approx(45.0, abs=1e-3)
    same = terrain_on_grid(dem, FINE)
    assert np.allclose(same.slope, slope_aspect(dem).slope, equal_nan=True)
    assert np.allclose(same.elevation, dem)


def test_no_overlap_and_no_value_are_refused() -> None:
    elsewhere = GeoBox((4, 6), Affine(480, 0, 9e5, 0, -480, 4e6), UTM)
    with pytest.raises(GridError, match="do not overlap"):
        terrain_on_grid(plane(FINE, 1, 0), elsewhere)
    with pytest.raises(DataError, match="no elevation on the study grid"):
        terrain_on_grid(plane(FINE, 1, 0) * np.nan, COARSE)
    with pytest.raises(DataError, match="min_coverage=0"):
        terrain_on_grid(plane(FINE, 1, 0), COARSE, min_coverage=0.0)
