"""ESA CCI, GLDAS and MODIS fields through the support operator.

Expected values: sums over the fine cells with their areas on the ellipsoid (an independent road),
and means of 200 x 200 points in each coarse cell.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from headwater.downscaling.support_operator import aggregate_cube, support
from headwater.grids import cell_area, read_area
from headwater.grids.geometry import geobox_of
from headwater.grids.products import read_product
from headwater.grids.products.smap import ease2_grid

DATA = Path(__file__).parents[1] / "data" / "real"

QILIAN = read_area((94.87, 36.43, 103.15, 40.02))


def world(product: str) -> xr.DataArray:
    folder, pattern = {
        "esa-cci": ("esacci-v052-daily", "*.nc"),
        "gldas-noah": ("gldas-noah-20160101", "*0300*.nc4"),
    }[product]
    return read_product(product, DATA / folder / pattern)["soil_moisture"]


@pytest.mark.parametrize("product", ["esa-cci", "gldas-noah"])
def test_the_water_of_the_world_is_conserved(product: str) -> None:
    theta = world(product).isel(time=[0])
    operator = support(ease2_grid(36), theta)
    value, seen = operator.aggregate(theta.data)
    weight = operator.area * operator.covered * np.asarray(seen)[0]
    received = np.nansum(weight * np.asarray(value)[0])
    # EASE-Grid 2.0 ends at 85.044 degrees; of the row that this cuts only a part counts.
    areas = cell_area(theta).values
    inside = np.minimum(
        operator.adjoint(operator.area * operator.covered).reshape(areas.shape), areas
    )
    field = theta.values[0]
    assert received == pytest.approx(float(np.nansum(inside * field)), rel=1e-11)
    whole = np.abs(theta["y"].values) < 84.9
    np.testing.assert_allclose(inside[whole], areas[whole], rtol=1e-11)
    assert weight.sum() == pytest.approx(float(inside[np.isfinite(field)].sum()), rel=1e-11)


def sampled(theta: xr.DataArray, target: GeoBox, side: int = 200) -> np.ndarray:
    """Means of side x side points, evenly spread over each cell of an equal-area grid."""
    t, (rows, columns) = target.transform, target.shape
    x = t.c + t.a * (np.arange(columns * side) + 0.5) / side
    y = t.f + t.e * (np.arange(rows * side) + 0.5) / side
    to_degrees = Transformer.from_crs(6933, 4326, always_xy=True)
    longitude = np.asarray(to_degrees.transform(x, np.full(x.size, y[0]))[0])
    latitude = np.asarray(to_degrees.transform(np.full(y.size, x[0]), y)[1])
    own = geobox_of(theta)
    column = np.floor((longitude - own.transform.c) / own.transform.a).astype(int)
    row = np.floor((latitude - own.transform.f) / own.transform.e).astype(int)
    within = np.ix_((row >= 0) & (row < own.shape[0]), (column >= 0) & (column < own.shape[1]))
    points = np.full((y.size, x.size), np.nan)
    points[within] = theta.values[np.ix_(row[within[0].ravel()], column[within[1].ravel()])]
    blocks = (
        points.reshape(rows, side, columns, side).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    )
    some = np.isfinite(blocks).mean(axis=-1)
    return np.where(some > 0.05, np.nansum(blocks, axis=-1) / (some * side**2 + 1e-300), np.nan)


@pytest.mark.parametrize("product", ["esa-cci", "gldas-noah"])
def test_the_mountains_agree_with_sampled_means(product: str) -> None:
    theta = world(product).isel(time=0)
    target = ease2_grid(36, QILIAN.bounds)
    exact = aggregate_cube(theta, support(target, theta))["soil_moisture"].values
    points = sampled(theta, target)
    both = np.isfinite(points)
    assert both.sum() > 100
    # A point stands for 1/200 of a side: the mean is off by as much of the field's range at most.
    assert np.abs(exact - points)[both].max() < 0.002
    assert abs((exact - points)[both].mean()) < 1e-4


def test_two_products_meet_on_one_support() -> None:
    cubes = {name: world(name).isel(time=0) for name in ("esa-cci", "gldas-noah")}
    target = ease2_grid(36, QILIAN.bounds)
    operators = {name: support(target, cube) for name, cube in cubes.items()}
    ours, theirs = operators.values()
    # 0.25 degree cells of both products are the same cells, from the north or from the south.
    assert ours.cells.tolist() == theirs.cells.tolist()
    flipped = cubes["gldas-noah"].reindex(y=cubes["esa-cci"]["y"].values)
    through = ours.aggregate(flipped.values)
    direct = theirs.aggregate(cubes["gldas-noah"].values)
    np.testing.assert_allclose(through.value, direct.value, rtol=1e-12)
    np.testing.assert_allclose(through.seen, direct.seen, rtol=0, atol=1e-12)


def test_bent_pixels_of_modis_on_smap_cells(tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA / "modis-ndvi-hdf" / "NDVI.zip") as file:
        file.extractall(tmp_path)
    ndvi = read_product("modis-ndvi", tmp_path / "NDVI" / "*.tif")["ndvi"]
    operator = support(ease2_grid(9, (9.0, 45.5, 9.9, 46.3)), ndvi)
    value, seen = (np.asarray(part) for part in operator.aggregate(ndvi.data))
    weight = operator.area * operator.covered
    # The stack covers 122 x 65 pixels of 463.313 m on a sphere whose areas differ by less than
    # 0.3 % from the ellipsoid's; nothing of it may be lost on the way.
    assert weight.sum() == pytest.approx(122 * 65 * 0.463312717**2, rel=0.004)
    share = seen * weight
    mean = np.nansum(share * value, axis=1) / share.sum(axis=1)
    np.testing.assert_allclose(mean, ndvi.mean(("y", "x")).values, atol=2e-4)
