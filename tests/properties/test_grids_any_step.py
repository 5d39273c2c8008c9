"""Regular grids of any step and origin stay whole: cells are joined by index, never by label."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from headwater.glossary import term
from headwater.grids import align, clip, read_area, study_grid
from headwater.grids.area import inside
from headwater.grids.geometry import geobox_of, grid_coords
from headwater.grids.open import _on_grid

CELLS = st.integers(2, 40)


def cube(parts: int, first: tuple[int, int], shape: tuple[int, int], offset: float, kind: str):
    """Cell centres as producers write them: computed in one of the ways that differ by rounding."""
    step = 1.0 / parts
    x, y = (np.arange(n) + k for n, k in zip(shape[::-1], first[::-1], strict=True))
    if kind == "divided":
        x, y = (x + offset) / parts, (y + offset) / parts
    elif kind == "added":
        x, y = (np.cumsum(np.r_[(a[0] + offset) * step, np.full(a.size - 1, step)]) for a in (x, y))
    elif kind == "single":
        x, y = (((a + offset) * step).astype("f4").astype(str).astype("f8") for a in (x, y))
    else:
        x, y = ((a + offset) * step for a in (x, y))
    data = xr.DataArray(
        np.arange(float(np.prod(shape))).reshape(shape),
        {"y": y[::-1], "x": x},
        ("y", "x"),
        attrs={"kind": "continuous"},
        name=term("ndvi").name,
    )
    from pyproj import CRS

    return _on_grid(data, CRS.from_epsg(4326), "a file")


@given(
    parts=st.one_of(st.integers(1, 240), st.sampled_from([360, 480, 600, 1200, 3600])),
    first=st.tuples(st.integers(-9000, 9000), st.integers(-9000, 9000)),
    shape=st.tuples(CELLS, CELLS),
    offset=st.sampled_from([0.0, 0.5]),
    kinds=st.tuples(*[st.sampled_from(["divided", "multiplied", "added"])] * 2),
)
def test_the_same_cells_from_two_files_join_whole(parts, first, shape, offset, kinds) -> None:
    first = tuple(int(k) % (60 * parts) for k in first)
    one, other = (cube(parts, first, shape, offset, kind) for kind in kinds)
    grid = study_grid(one)
    assert geobox_of(one).shape == shape
    joined = align(one, grid, method="mean") + align(other, grid, method="mean")
    assert joined.shape == shape
    np.testing.assert_array_equal(joined, 2 * one.values)
    again = geobox_of(joined.assign_coords(grid_coords(grid)))
    assert again.shape == grid.shape


@given(
    parts=st.one_of(st.integers(1, 240), st.sampled_from([360, 1200, 3600])),
    first=st.integers(-5000, 5000),
    shape=st.tuples(st.integers(6, 40), st.integers(6, 40)),
)
def test_a_part_of_a_grid_keeps_its_cells(parts: int, first: int, shape: tuple[int, int]) -> None:
    whole = cube(parts, (first % (50 * parts), first % (90 * parts)), shape, 0.5, "divided")
    x, y = whole["x"].values, whole["y"].values
    quarter = 0.25 / parts
    area = read_area((x[2] - quarter, y[-3] - quarter, x[-3] + quarter, y[2] + quarter))
    grid = study_grid(whole, area=area)
    aligned = align(whole, grid, method="nearest")
    masked = aligned.where(inside(grid, area).drop_vars("spatial_ref"))
    assert masked.shape == tuple(grid.shape)
    rows, columns = masked.shape
    found = clip(whole, area)
    assert found.shape <= masked.shape
    top = int(np.abs(y - float(aligned["y"][0])).argmin())
    left = int(np.abs(x - float(aligned["x"][0])).argmin())
    np.testing.assert_array_equal(aligned, whole.values[top : top + rows, left : left + columns])


@pytest.mark.parametrize("parts", [24, 12, 120, 240, 3])
def test_steps_are_known_exactly(parts: int) -> None:
    data = cube(parts, (30 * parts, 95 * parts), (50, 60), 0.5, "added")
    assert abs(geobox_of(data).transform.a - 1 / parts) < 1e-15
