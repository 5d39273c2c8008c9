"""The support operator against geometry by brute force, and what it does with gaps and mistakes."""

import dask.array as da
import numpy as np
import pytest
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from headwater.downscaling.support_operator import Support, aggregate_cube, support
from headwater.errors import DataError, GridError
from headwater.grids.geometry import grid_coords
from headwater.grids.products.smap import ease2_grid

FINE = GeoBox((24, 40), Affine(0.05, 0, 99.0, 0, -0.05, 39.0), "EPSG:4326")
BOX = (99.0, 37.8, 101.0, 39.0)
SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m +type=crs"


def rectangles(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    left, top = (axis.ravel() for axis in np.meshgrid(x[:-1], y[:-1]))
    right, bottom = (axis.ravel() for axis in np.meshgrid(x[1:], y[1:]))
    return shapely.box(left, bottom, right, top)


def edges(grid: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    t = grid.transform
    return t.c + t.a * np.arange(grid.shape[1] + 1), t.f + t.e * np.arange(grid.shape[0] + 1)


def brute_force(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.array([shapely.area(shapely.intersection(cell, theirs)) for cell in ours])


def assert_like(operator: Support, shared: np.ndarray, areas: np.ndarray, tolerance: float) -> None:
    assert set(np.flatnonzero(shared.sum(axis=1) > 0)) == set(operator.cells)
    shared = shared[operator.cells]
    total = shared.sum(axis=1)
    expected = shared / total[:, None]
    assert np.abs(operator.matrix.toarray() - expected).max() < tolerance
    np.testing.assert_allclose(operator.covered, total / areas[operator.cells], atol=tolerance)


@pytest.mark.parametrize("kilometres", [36, 9])
@pytest.mark.parametrize("upwards", [False, True])
def test_ease2_over_degrees_is_exact(kilometres: int, upwards: bool) -> None:
    fine = FINE
    if upwards:
        fine = GeoBox((24, 40), Affine(0.05, 0, 99.0, 0, 0.05, 37.8), "EPSG:4326")
    coarse = ease2_grid(kilometres, BOX)
    to_metres = Transformer.from_crs(4326, 6933, always_xy=True)
    x, y = edges(fine)
    x = np.asarray(to_metres.transform(x, np.full(x.size, 38.0))[0])
    y = np.asarray(to_metres.transform(np.full(y.size, 100.0), y)[1])
    cells = rectangles(*edges(coarse))
    operator = support(coarse, fine)
    assert_like(operator, brute_force(cells, rectangles(x, y)), shapely.area(cells), 1e-12)
    assert np.abs(np.asarray(operator.matrix.sum(axis=1)).ravel() - 1.0).max() < 1e-14
    np.testing.assert_allclose(operator.area, abs(coarse.transform.determinant) / 1e6, rtol=1e-12)


def test_degrees_weigh_by_the_ellipsoid_and_not_by_the_cosine() -> None:
    coarse = GeoBox((1, 1), Affine(10, 0, 95, 0, -10, 45), "EPSG:4326")
    fine = GeoBox((2, 1), Affine(10, 0, 95, 0, -5, 45), "EPSG:4326")
    # Areas of the two halves by numerical integration along the meridian, 20000 strips.
    e2 = 0.0066943799901413165
    latitude = np.radians(35 + 10 * (np.arange(20000) + 0.5) / 20000)
    strip = np.cos(latitude) / (1 - e2 * np.sin(latitude) ** 2) ** 2
    north = strip[10000:].sum() / strip.sum()
    assert support(coarse, fine).matrix.toarray()[0, 0] == pytest.approx(north, abs=1e-9)


def test_two_names_of_one_ellipsoid_stay_exact() -> None:
    etrs = GeoBox(FINE.shape, FINE.transform, "EPSG:4258")
    ours, theirs = (support(ease2_grid(36, BOX), fine).matrix for fine in (FINE, etrs))
    # GRS 80 and WGS 84 differ by a tenth of a millimetre at the pole.
    assert np.abs((ours - theirs).toarray()).max() < 1e-8


def test_longitudes_beyond_180_are_the_same_places() -> None:
    east = GeoBox((4, 4), Affine(0.25, 0, 190.0, 0, -0.25, 1.0), "EPSG:4326")
    west = GeoBox((4, 4), Affine(0.25, 0, -170.0, 0, -0.25, 1.0), "EPSG:4326")
    ours, theirs = (support(ease2_grid(36), fine) for fine in (east, west))
    assert ours.cells.tolist() == theirs.cells.tolist()
    assert np.abs((ours.matrix - theirs.matrix).toarray()).max() < 1e-12


def test_one_equal_area_map_is_exact() -> None:
    coarse = GeoBox((3, 3), Affine(2000, 0, 500, 0, -2000, 4447000), SINUSOIDAL)
    fine = GeoBox((14, 14), Affine(463.3127, 0, 0, 0, -463.3127, 4447802), SINUSOIDAL)
    cells = rectangles(*edges(coarse))
    shared = brute_force(cells, rectangles(*edges(fine)))
    assert_like(support(coarse, fine), shared, shapely.area(cells), 1e-12)


@pytest.mark.parametrize(
    "fine",
    [
        GeoBox((10, 12), Affine(7000, 0, 600000, 0, -7000, 4300000), "EPSG:32647"),
        GeoBox((40, 60), Affine(1853.25, 0, 8700000, 0, -1853.25, 4300000), SINUSOIDAL),
    ],
    ids=["UTM", "sinusoidal"],
)
def test_bent_cells_against_dense_polygons(fine: GeoBox) -> None:
    coarse = ease2_grid(36, (98.0, 36.0, 104.0, 40.0))
    to_metres = Transformer.from_crs(fine.crs.proj, 6933, always_xy=True)
    squares = shapely.segmentize(rectangles(*edges(fine)), abs(fine.transform.a) / 50)
    bent = shapely.transform(squares, to_metres.transform, interleaved=False)
    cells = rectangles(*edges(coarse))
    operator = support(coarse, fine)
    shared = brute_force(cells, bent)
    kept = shared[operator.cells] / shared[operator.cells].sum(axis=1)[:, None]
    # Cells that the fine grid barely grazes divide a small error by a small area.
    inside = operator.covered > 0.05
    assert inside.sum() > 3
    assert np.abs(operator.matrix.toarray() - kept)[inside].max() < 2e-6
    assert np.abs(np.asarray(operator.matrix.sum(axis=1)).ravel() - 1.0).max() < 1e-14


def test_bent_cells_neither_lose_nor_double_area() -> None:
    utm = GeoBox((30, 40), Affine(4000, 0, 600000, 0, -4000, 4300000), "EPSG:32647")
    operator = support(ease2_grid(36, (96.0, 34.0, 108.0, 42.0)), utm)
    shared = operator.matrix.toarray() * (operator.area * operator.covered)[:, None]
    # A UTM cell of 16 km2 has 16 / k^2 km2, with k from 0.9996 to 1.0004 here.
    own = shared.sum(axis=0)
    assert np.ptp(own) < 0.002 * 16
    whole = support(
        GeoBox((1, 1), Affine(160000, 0, 600000, 0, -120000, 4300000), "EPSG:32647"), utm
    )
    assert shared.sum() == pytest.approx(float(whole.area[0]), rel=1e-6)


def test_gaps_are_passed_over_and_told() -> None:
    coarse = GeoBox((1, 2), Affine(2, 0, 0, 0, -1, 1), "EPSG:6933")
    fine = GeoBox((1, 4), Affine(1, 0, 0, 0, -1, 1), "EPSG:6933")
    value, seen = support(coarse, fine).aggregate(np.array([[1.0, np.nan, np.nan, np.nan]]))
    np.testing.assert_array_equal(value, [1.0, np.nan])
    np.testing.assert_array_equal(seen, [0.5, 0.0])


def test_partial_cover_is_told_apart_from_gaps() -> None:
    coarse = GeoBox((1, 1), Affine(4, 0, 0, 0, -1, 1), "EPSG:6933")
    fine = GeoBox((1, 2), Affine(1, 0, 0, 0, -1, 1), "EPSG:6933")
    operator = support(coarse, fine)
    assert operator.covered.tolist() == [0.5]
    _, seen = operator.aggregate(np.array([[3.0, np.nan]]))
    assert seen.tolist() == [0.5]
    cube = xr.DataArray([[3.0, np.nan]], dims=("y", "x"), coords=grid_coords(fine), name="theta")
    assert aggregate_cube(cube, operator)["seen"].values.tolist() == [[0.25]]


@pytest.mark.parametrize("chunks", [(1, 24, 40), (2, 7, 9), (5, 24, 11)])
def test_dask_is_lazy_and_equal_to_the_bit(chunks: tuple[int, int, int]) -> None:
    operator = support(ease2_grid(36, BOX), FINE)
    rng = np.random.default_rng(7)
    values = np.where(rng.random((5, 24, 40)) < 0.3, np.nan, rng.random((5, 24, 40)))
    whole, lazy = (
        operator.aggregate(values),
        operator.aggregate(da.from_array(values, chunks=chunks)),
    )
    for ours, theirs in zip(whole, lazy, strict=True):
        assert isinstance(theirs, da.Array)
        assert theirs.shape == (5, operator.n_coarse)
        np.testing.assert_array_equal(ours, theirs.compute())
    back = operator.adjoint(da.from_array(whole.seen, chunks=(2, 3)))
    np.testing.assert_array_equal(back.compute(), operator.adjoint(whole.seen))


def test_maps_and_vectors_are_the_same_field() -> None:
    operator = support(ease2_grid(36, BOX), FINE)
    values = np.random.default_rng(0).random((3, *FINE.shape)).astype(np.float32)
    as_maps, as_vectors = operator.aggregate(values), operator.aggregate(values.reshape(3, -1))
    np.testing.assert_array_equal(as_maps.value, as_vectors.value)
    np.testing.assert_array_equal(operator.take(operator.coarse_map(as_maps.value)), as_maps.value)


def test_cubes_keep_time_and_attributes() -> None:
    operator = support(ease2_grid(36, BOX), FINE)
    days = np.array(["2018-06-01", "2018-06-02"], dtype="datetime64[ns]")
    cube = xr.DataArray(
        da.full((2, *FINE.shape), 0.25, chunks=(1, 10, 40)),
        dims=("time", "y", "x"),
        coords={"time": days, **grid_coords(FINE)},
        name="soil_moisture",
        attrs={"units": "m3 m-3"},
    )
    coarse = aggregate_cube(cube, operator)
    assert coarse["soil_moisture"].chunks is not None
    assert coarse["soil_moisture"].attrs["units"] == "m3 m-3"
    assert coarse["time"].values.tolist() == days.tolist()
    np.testing.assert_allclose(coarse["soil_moisture"].values[:, 1, 1], 0.25, rtol=1e-14)
    np.testing.assert_allclose(coarse["seen"].values[0].ravel(), operator.covered, atol=1e-12)


def test_some_cells_only() -> None:
    operator = support(ease2_grid(36), FINE)
    kept = operator.only(operator.covered > 0.5)
    assert kept.n_coarse == int((operator.covered > 0.5).sum()) < operator.n_coarse
    assert kept.coarse_xy.shape == (kept.n_coarse, 2)
    mask = np.zeros(operator.coarse_shape, dtype=bool)
    mask.ravel()[kept.cells] = True
    assert operator.only(mask).cells.tolist() == kept.cells.tolist()
    values = np.random.default_rng(1).random(FINE.shape)
    whole = operator.aggregate(values).value[operator.covered > 0.5]
    np.testing.assert_array_equal(kept.aggregate(values).value, whole)


def test_centres_are_at_their_distance_on_the_ground() -> None:
    from pyproj import Geod

    operator = support(ease2_grid(36, BOX), FINE)
    ends = operator.fine_xy[[0, FINE.shape[1] - 1]]
    _, _, metres = Geod(ellps="WGS84").inv(99.025, 38.975, 100.975, 38.975)
    assert np.hypot(*(ends[1] - ends[0])) == pytest.approx(metres / 1000, rel=1e-3)


def test_mistakes_are_named() -> None:
    operator = support(ease2_grid(36, BOX), FINE)
    far = GeoBox((2, 2), Affine(0.05, 0, 10.0, 0, -0.05, 46.0), "EPSG:4326")
    with pytest.raises(GridError, match="do not overlap"):
        support(ease2_grid(36, BOX), far)
    utm = GeoBox((2, 2), Affine(1000, 0, 500000, 0, -1000, 5000000), "EPSG:32632")
    with pytest.raises(GridError, match="do not overlap"):
        support(ease2_grid(36, BOX), utm)
    turned = GeoBox((2, 2), Affine(0.05, 0.01, 99.0, 0.01, -0.05, 38.0), "EPSG:4326")
    with pytest.raises(GridError, match="rotated"):
        support(ease2_grid(36, BOX), turned)
    with pytest.raises(GridError, match="do not fit the grid"):
        operator.aggregate(np.zeros((3, 3)))
    with pytest.raises(GridError, match="coarse cells"):
        operator.adjoint(np.zeros(3))
    with pytest.raises(GridError, match="mask does not fit"):
        operator.only(np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="no coarse cell is left"):
        operator.only(operator.covered > 2)
    other = xr.DataArray(np.zeros(far.shape), dims=("y", "x"), coords=grid_coords(far))
    with pytest.raises(GridError, match="does not lie on the fine grid"):
        aggregate_cube(other, operator)
