"""Aligning: each method on grids small enough to reckon by hand."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox

from headwater.errors import GridError, StudyError
from headwater.grids import align, cell_area, read_area, study_grid
from headwater.grids.geometry import geobox_of, grid_coords

NAN = np.nan
UTM = "EPSG:32632"


def box(
    west: float, south: float, east: float, north: float, step: float, crs: Any = UTM
) -> GeoBox:
    return GeoBox.from_bbox((west, south, east, north), crs, resolution=step)


def on(grid: GeoBox, values: Any, **attrs: str) -> xr.DataArray:
    values = np.asarray(values, dtype=np.float32)
    dims = ("time", "y", "x")[3 - values.ndim :]
    return xr.DataArray(values, dims=dims, coords=grid_coords(grid), attrs=attrs, name="z")


def test_mean_weighs_by_overlap() -> None:
    # Cells of 2 onto cells of 3: the first takes all of cell 1 and half of cell 2.
    fine = on(box(0, 0, 6, 2, 2), [[1.0, 4.0, 7.0]])
    coarse = GeoBox((1, 2), box(0, 0, 6, 2, 1).transform @ scaled(3, 2), UTM)
    np.testing.assert_allclose(align(fine, coarse, method="mean"), [[2.0, 6.0]])


def scaled(x: float, y: float) -> Any:
    from affine import Affine

    return Affine.scale(x, y)


@pytest.mark.parametrize(("least", "expected"), [(0.5, 2.0), (0.51, NAN), (0.0, 2.0)])
def test_coverage_threshold(least: float, expected: float) -> None:
    fine = on(box(0, 0, 4, 4, 2), [[1.0, NAN], [3.0, NAN]])
    result = align(fine, box(0, 0, 4, 4, 4), method="mean", min_coverage=least)
    np.testing.assert_array_equal(result, [[expected]])


def test_a_target_beyond_the_edge_lacks_coverage() -> None:
    fine = on(box(0, 0, 4, 4, 2), np.ones((2, 2)))
    result = align(fine, box(-4, 0, 8, 4, 4), method="mean")
    np.testing.assert_array_equal(result, [[NAN, 1.0, NAN]])


def test_geographic_weights_are_true_areas() -> None:
    fine = on(box(0, 50, 20, 70, 10, "EPSG:4326"), [[0.0, 0.0], [1.0, 1.0]])
    both = box(0, 50, 20, 70, 10, "EPSG:4326")
    result = align(fine, GeoBox((1, 1), both.transform @ scaled(2, 2), both.crs), method="mean")
    area = cell_area(fine).values
    assert float(result[0, 0]) == pytest.approx(area[1].sum() / area.sum(), rel=1e-6)
    assert float(result[0, 0]) > 0.56


def test_bilinear_by_hand_and_its_missing_neighbours() -> None:
    grid = box(0, 0, 4, 4, 2)
    plane = on(grid, [[0.0, 2.0], [4.0, 6.0]])
    fine = align(plane, box(0, 0, 4, 4, 1), method="bilinear")
    np.testing.assert_allclose(fine[1:3, 1:3], [[1.5, 2.5], [3.5, 4.5]])
    # In the outer half cell the neighbours that do not exist give their weight to the others.
    np.testing.assert_allclose(fine[0, :], [0.0, 0.5, 1.5, 2.0])
    holed = on(grid, [[0.0, NAN], [4.0, 6.0]])
    np.testing.assert_allclose(
        align(holed, box(0, 0, 4, 4, 1), method="bilinear")[1, 1:3],
        [(0 * 9 + 4 * 3 + 6) / 13, NAN],
        rtol=1e-6,
    )


def test_nearest_takes_the_cell_that_holds_the_centre() -> None:
    data = on(box(0, 0, 6, 2, 2), [[1.0, 2.0, 3.0]])
    result = align(data, box(-1, 0, 7, 2, 1), method="nearest")
    np.testing.assert_array_equal(result[0], [NAN, 1, 1, 2, 2, 3, 3, NAN])


def test_mode_takes_the_largest_area_and_of_equals_the_smallest_code() -> None:
    classes = [[7, 7, 3, 5], [2, 7, 5, 3]]
    data = on(box(0, 0, 4, 2, 1), classes, kind="categorical")
    np.testing.assert_array_equal(align(data, box(0, 0, 4, 2, 2), method="mode"), [[7, 3]])
    thirds = GeoBox((1, 2), box(0, 0, 4, 2, 1).transform @ scaled(1.5, 2), UTM)
    np.testing.assert_array_equal(align(data, thirds, method="mode"), [[7, 3]])


def test_directions_are_averaged_as_vectors() -> None:
    north = on(box(0, 0, 8, 2, 2), [[350.0, 20.0, 90.0, 270.0]], kind="circular")
    result = align(
        north, GeoBox((1, 2), box(0, 0, 8, 2, 1).transform @ scaled(4, 2), UTM), method="mean"
    )
    np.testing.assert_allclose(result, [[5.0, NAN]], atol=1e-5)


@pytest.mark.parametrize("method", ["mean", "bilinear", "nearest"])
def test_rows_may_run_south_to_north(method: str) -> None:
    values = np.random.default_rng(1).normal(size=(3, 6, 8)).astype(np.float32)
    data = on(box(0, 0, 8, 6, 1), values)
    target = box(0.5, 0.25, 7, 5, 1.5)
    expected = align(data, target, method=method)
    flipped = align(data.isel(y=slice(None, None, -1)), target, method=method)
    np.testing.assert_allclose(flipped, expected, rtol=1e-6)
    upward = geobox_of(expected.isel(y=slice(None, None, -1)))
    np.testing.assert_allclose(
        align(data, upward, method=method), expected.values[:, ::-1], rtol=1e-6
    )


def test_an_equal_grid_is_returned_unchanged() -> None:
    data = on(box(0, 0, 8, 6, 1), np.ones((6, 8)))
    assert align(data, box(0, 0, 8, 6, 1), method="mean") is data


def test_values_on_a_shared_lattice_survive_bit_by_bit() -> None:
    values = np.random.default_rng(2).normal(size=(6, 8)).astype(np.float32)
    result = align(on(box(0, 0, 8, 6, 1), values), box(2, 1, 7, 5, 1), method="mean")
    np.testing.assert_array_equal(result, values[1:5, 2:7])


def test_lazy_and_eager_agree_and_keep_what_they_were_given() -> None:
    values = np.random.default_rng(3).normal(size=(5, 6, 8)).astype(np.float32)
    data = on(box(0, 0, 8, 6, 1), values, units="mm").assign_coords(time=np.arange(5))
    eager = align(data, box(0, 0, 8, 6, 2), method="mean")
    assert eager.chunks is None
    for chunks in ({"time": 2}, {"time": 1, "y": 3, "x": 5}):
        lazy = align(data.chunk(chunks), box(0, 0, 8, 6, 2), method="mean")
        assert lazy.chunks is not None
        xr.testing.assert_identical(lazy.compute(), eager)
    assert eager.dtype == np.float32
    assert eager.attrs == {"units": "mm", "resampling": "mean"}
    assert eager["time"].values.tolist() == [0, 1, 2, 3, 4]


def test_strips_give_the_same_as_the_whole() -> None:
    values = np.random.default_rng(4).normal(size=(3, 30, 40)).astype(np.float32)
    data = on(box(0, 0, 40, 30, 1), values)
    target = box(-5, -7, 40, 30, 4)
    whole = align(data, target, method="mean")
    strips = align(data.chunk(time=2), target, method="mean", chunk_mb=0.0012)
    assert len(strips.chunks[1]) > 3
    np.testing.assert_array_equal(strips, whole)


def test_reprojection_agrees_with_a_plane() -> None:
    # Through a plane in the source system, the mean of a cell is the value at its centre.
    from pyproj import Transformer

    grid = box(600_000, 5_100_000, 700_000, 5_200_000, 1000)
    x, y = np.meshgrid(grid_coords(grid)["x"], grid_coords(grid)["y"])
    plane = on(grid, 0.001 * (x - 650_000) + 0.002 * (y - 5_150_000))
    target = box(10.4, 46.2, 11.4, 46.8, 0.1, "EPSG:4326")
    lon, lat = np.meshgrid(grid_coords(target)["x"], grid_coords(target)["y"])
    east, north = Transformer.from_crs(4326, 32632, always_xy=True).transform(lon, lat)
    expected = 0.001 * (east - 650_000) + 0.002 * (north - 5_150_000)
    for method in ("mean", "bilinear"):
        result = align(plane, target, method=method)
        np.testing.assert_allclose(result, expected, atol=0.1)  # a step is 1 and 2
    coarse = align(plane, box(10, 46, 12, 47, 0.5, "EPSG:4326"), method="nearest")
    assert coarse.notnull().any()


def test_reprojection_keeps_classes() -> None:
    grid = box(600_000, 5_100_000, 700_000, 5_200_000, 1000)
    halves = np.where(np.arange(100) < 50, 4.0, 9.0)[None, :].repeat(100, axis=0)
    result = align(
        on(grid, halves, kind="categorical"), box(10.5, 46.3, 11.3, 46.7, 0.1, 4326), method="mode"
    )
    assert set(np.unique(result)) == {4.0, 9.0}


@pytest.mark.parametrize(
    ("kind", "method", "message"),
    [
        ("continuous", "cubic", r"unknown method of aligning. Found: 'cubic'. Known"),
        ("categorical", "mean", r"'mean' does not suit a categorical.*mode or nearest"),
        ("continuous", "mode", r"'mode' does not suit a continuous"),
    ],
)
def test_methods_that_do_not_suit(kind: str, method: str, message: str) -> None:
    data = on(box(0, 0, 4, 4, 2), np.ones((2, 2)), kind=kind)
    with pytest.raises(StudyError, match=message):
        align(data, box(0, 0, 4, 4, 4), method=method)


def test_no_overlap_and_impossible_coverage() -> None:
    data = on(box(0, 0, 4, 4, 2), np.ones((2, 2)))
    with pytest.raises(GridError, match=r"does not overlap the study grid.*0 to 4, 0 to 4; study"):
        align(data, box(100, 0, 104, 4, 2), method="mean")
    with pytest.raises(StudyError, match="min_coverage is a share"):
        align(data, box(0, 0, 4, 4, 4), method="mean", min_coverage=50)


def test_study_grid_follows_or_is_made() -> None:
    qilian = read_area((94.87, 36.43, 103.15, 40.02))
    made = study_grid(resolution=0.05, area=qilian)
    west, south, east, north = made.extent.boundingbox.bbox
    np.testing.assert_allclose([west, south, east, north], [94.85, 36.4, 103.15, 40.05])
    data = on(box(90, 30, 100, 40, 0.25, "EPSG:4326"), np.ones((40, 40)))
    assert study_grid(data) == geobox_of(data)
    followed = study_grid(data, area=read_area((92.1, 31.1, 93, 32)))
    np.testing.assert_allclose(followed.extent.boundingbox.bbox, (92, 31, 93, 32))
    upward = study_grid(data[::-1], area=read_area((92.1, 31.1, 93, 32)))
    assert upward.transform.e > 0
    assert study_grid(data, resolution=1).shape == (10, 10)
    utm = study_grid(data, resolution=50_000, crs="EPSG:32646")
    assert utm.crs.epsg == 32646


def test_study_grid_needs_to_know_enough() -> None:
    data = on(box(90, 30, 100, 40, 0.25, "EPSG:4326"), np.ones((40, 40)))
    with pytest.raises(StudyError, match="needs a grid to follow, or a resolution and an area"):
        study_grid(resolution=0.1)
    with pytest.raises(StudyError, match="must be positive"):
        study_grid(data, resolution=-1)
    with pytest.raises(StudyError, match="needs a resolution"):
        study_grid(data, crs="EPSG:32646")
    with pytest.raises(GridError, match="do not overlap"):
        study_grid(data, area=read_area((0, 0, 1, 1)))
