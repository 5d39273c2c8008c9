"""Aligning against brute force: every sub-cell counted, every mass weighed."""

import numpy as np
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from headwater.grids import align, cell_area
from headwater.grids.geometry import grid_coords


def grid(rows: int, columns: int, step: tuple[int, int], at: tuple[int, int], up: bool) -> GeoBox:
    """Grid in whole units; `step` and `at` are (x, y)."""
    top = at[1] if up else at[1] + rows * step[1]
    transform = Affine(step[0], 0, at[0], 0, step[1] if up else -step[1], top)
    return GeoBox((rows, columns), transform, "EPSG:32632")


grids = st.builds(
    grid,
    st.integers(1, 6),
    st.integers(1, 6),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(-4, 4), st.integers(-4, 4)),
    st.booleans(),
)
seeds = st.integers(0, 2**16)


def unit_squares(box: GeoBox) -> dict[tuple[int, int], tuple[int, int]]:
    """Row and column of the cell that holds each unit square (x, y)."""
    squares = {}
    t = box.transform
    for i in range(box.shape[0]):
        for j in range(box.shape[1]):
            low = int(min(t.f + t.e * i, t.f + t.e * (i + 1)))
            for y in range(low, low + int(abs(t.e))):
                for x in range(int(t.c + t.a * j), int(t.c + t.a * (j + 1))):
                    squares[x, y] = (i, j)
    return squares


def field(box: GeoBox, seed: int, kind: str = "continuous") -> xr.DataArray:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 4, box.shape) if kind == "categorical" else rng.normal(size=box.shape)
    values = np.where(rng.random(box.shape) < 0.25, np.nan, values)
    return xr.DataArray(values, dims=("y", "x"), coords=grid_coords(box), attrs={"kind": kind})


def members(source: xr.DataArray, source_box: GeoBox, target: GeoBox) -> list[list[list[float]]]:
    """Values of the unit squares of each target cell, NaN where there is none."""
    there, rows, columns = unit_squares(source_box), *target.shape
    found: list[list[list[float]]] = [[[] for _ in range(columns)] for _ in range(rows)]
    for square, (i, j) in unit_squares(target).items():
        value = float(source.values[there[square]]) if square in there else np.nan
        found[i][j].append(value)
    return found


@given(grids, grids, seeds, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_mean_is_the_mean_of_unit_squares(
    source: GeoBox, target: GeoBox, seed: int, least: float
) -> None:
    data = field(source, seed)
    squares = members(data, source, target)
    if not set(unit_squares(source)) & set(unit_squares(target)):
        return
    result = align(data, target, method="mean", min_coverage=least).values
    for i, row in enumerate(squares):
        for j, values in enumerate(row):
            valid = np.array(values)[~np.isnan(values)]
            if valid.size and valid.size / len(values) >= least - 1e-12:
                np.testing.assert_allclose(result[i, j], valid.mean(), rtol=1e-12, atol=1e-12)
            else:
                assert np.isnan(result[i, j])


@given(grids, grids, seeds)
def test_mode_is_the_mode_of_unit_squares(source: GeoBox, target: GeoBox, seed: int) -> None:
    data = field(source, seed, "categorical")
    if not set(unit_squares(source)) & set(unit_squares(target)):
        return
    result = align(data, target, method="mode").values
    for i, row in enumerate(members(data, source, target)):
        for j, values in enumerate(row):
            valid = np.array(values)[~np.isnan(values)]
            codes, counts = np.unique(valid, return_counts=True)
            if valid.size and valid.size / len(values) >= 0.5:
                assert result[i, j] == codes[counts.argmax()]
            else:
                assert np.isnan(result[i, j])


@given(grids, grids, seeds)
def test_nearest_is_a_lookup(source: GeoBox, target: GeoBox, seed: int) -> None:
    data = field(source, seed)
    if not set(unit_squares(source)) & set(unit_squares(target)):
        return
    result = align(data, target, method="nearest").values
    t, s = target.transform, source.transform
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            column = (t.c + t.a * (j + 0.5) - s.c) / s.a
            row = (t.f + t.e * (i + 0.5) - s.f) / s.e
            if min(abs(column - round(column)), abs(row - round(row))) < 1e-9:
                continue  # on an edge, both neighbours are as near
            inside = 0 <= row < source.shape[0] and 0 <= column < source.shape[1]
            expected = data.values[int(row), int(column)] if inside else np.nan
            np.testing.assert_array_equal(result[i, j], expected)


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(-80, 60), seeds, st.sampled_from([1, -1])
)
def test_water_is_conserved_on_the_ellipsoid(
    rows: int, columns: int, south: int, seed: int, way: int
) -> None:
    # Any number of target cells over the same 20 x 10 degrees holds the same volume of water.
    step = 0.5
    edge = (south + 20 * step) if way < 0 else south
    source = GeoBox((20, 40), Affine(step, 0, 90, 0, way * step, edge), "EPSG:4326")
    target = GeoBox((rows, columns), Affine(20 / columns, 0, 90, 0, -10 / rows, south + 10), 4326)
    values = np.random.default_rng(seed).gamma(2.0, size=source.shape)
    data = xr.DataArray(values, dims=("y", "x"), coords=grid_coords(source))
    result = align(data, target, method="mean")
    before = float((data * cell_area(source)).sum())
    after = float((result.values * cell_area(target).values).sum())
    np.testing.assert_allclose(after, before, rtol=1e-10)


@given(grids, grids, seeds, st.sampled_from(["mean", "bilinear", "nearest"]))
def test_results_stay_within_the_range_and_scale_with_the_unit(
    source: GeoBox, target: GeoBox, seed: int, method: str
) -> None:
    data = field(source, seed)
    if not set(unit_squares(source)) & set(unit_squares(target)):
        return
    result = align(data, target, method=method)
    if result.notnull().any():
        assert float(result.min()) >= float(data.min()) - 1e-12
        assert float(result.max()) <= float(data.max()) + 1e-12
    scaled = align(data * 3.0 + 1.0, target, method=method)
    np.testing.assert_allclose(scaled, result * 3.0 + 1.0, rtol=1e-12, atol=1e-12)


@given(grids, seeds, st.sampled_from(["mean", "bilinear", "nearest"]), st.integers(1, 4))
def test_chunking_changes_nothing(source: GeoBox, seed: int, method: str, step: int) -> None:
    rng = np.random.default_rng(seed)
    coords = grid_coords(source)
    cube = xr.DataArray(rng.normal(size=(5, *source.shape)), dims=("time", "y", "x"), coords=coords)
    t = source.transform
    target = GeoBox((2, 2), Affine(t.a * 1.5, 0, t.c, 0, t.e * 1.5, t.f), source.crs)
    lazy = align(cube.chunk(time=step, y=-1, x=1), target, method=method)
    xr.testing.assert_identical(lazy.compute(), align(cube, target, method=method))
