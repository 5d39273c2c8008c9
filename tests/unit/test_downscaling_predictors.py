"""Predictors day by day, antecedent precipitation, season, terrain, and what is refused."""

import numpy as np
import pytest
import xarray as xr
from scipy.sparse import csr_matrix

from headwater.downscaling.predictors import (
    Predictors,
    antecedent_precipitation,
    build_predictors,
    coarse_predictors,
    season,
    terrain_predictors,
)
from headwater.downscaling.support_operator import support
from headwater.errors import DataError, GridError, TimeAxisError

DAYS = np.arange("2020-05-01", "2020-05-11", dtype="datetime64[D]")
RNG = np.random.default_rng(1)
HEAT, RAIN = (RNG.normal(size=(10, 4, 6)).astype(np.float32) for _ in range(2))
HEIGHT = RNG.normal(3000, 500, (4, 6)).astype(np.float32)


def some(**more: object) -> Predictors:
    return build_predictors(
        {"heat": HEAT, "precipitation": np.abs(RAIN)}, {"elevation": HEIGHT}, DAYS, **more
    )


def quarters():
    from affine import Affine
    from odc.geo.geobox import GeoBox

    coarse = GeoBox((2, 3), Affine(0.2, 0, 95, 0, -0.2, 38), "EPSG:4326")
    return support(coarse, GeoBox((4, 6), Affine(0.1, 0, 95, 0, -0.1, 38), "EPSG:4326"))


def test_names_and_columns_go_together() -> None:
    known = some()
    assert known.names == (
        "heat",
        "precipitation",
        "antecedent_4d",
        "antecedent_20d",
        "elevation",
        "season_cosine",
        "season_sine",
    )
    assert known.noisy == ("heat",)
    table = known.day(3)
    assert table.shape == (24, 7)
    assert table.dtype == np.float32
    np.testing.assert_array_equal(table[:, 0], HEAT[3].ravel())
    np.testing.assert_array_equal(table[:, 4], HEIGHT.ravel())
    np.testing.assert_array_equal(known.day(3, np.array([5, 2])), table[[5, 2]])


def test_antecedent_precipitation_is_the_weighted_sum() -> None:
    rain = np.abs(RAIN)
    weights = (1 - 1 / 4.0) ** np.arange(10)[::-1]
    last = np.tensordot(weights, rain, axes=1)
    np.testing.assert_allclose(antecedent_precipitation(rain, 4.0)[-1], last, rtol=1e-5)


def test_a_missing_day_counts_as_dry() -> None:
    rain = np.array([4.0, np.nan, 1.0])
    assert antecedent_precipitation(rain, 2.0).tolist() == [4.0, 2.0, 2.0]


def test_a_memory_of_a_day_is_refused() -> None:
    with pytest.raises(DataError, match="longer than a day"):
        antecedent_precipitation(np.ones(3), 1.0)


def test_the_season_closes_its_circle() -> None:
    days = np.array(["2019-12-31", "2020-01-01", "2020-07-01"], dtype="datetime64[D]")
    circle = season(days)
    np.testing.assert_allclose(np.hypot(*circle.T), 1.0, rtol=1e-6)
    assert np.abs(circle[0] - circle[1]).max() < 0.03
    assert circle[2, 0] < -0.99


def test_labelled_and_chunked_cubes_are_read_by_day() -> None:
    import dask.array as da

    cube = xr.DataArray(da.from_array(HEAT, chunks=(2, 4, 6)), dims=("time", "y", "x"))
    known = build_predictors(
        {"heat": cube}, {}, xr.DataArray(DAYS), precipitation=None, seasonal=False
    )
    np.testing.assert_array_equal(known.day(4)[:, 0], HEAT[4].ravel())
    assert known.names == ("heat",)


def test_terrain_has_no_angle_left() -> None:
    slope, aspect = np.array([[10.0, 10.0, 0.0]]), np.array([[359.0, 1.0, np.nan]])
    maps = terrain_predictors(
        xr.Dataset({"slope": (("y", "x"), slope), "aspect": (("y", "x"), aspect)})
    )
    assert list(maps) == ["slope", "northward", "eastward"]
    assert abs(maps["northward"][0, 0] - maps["northward"][0, 1]) < 1e-6
    assert maps["northward"][0, 2] == maps["eastward"][0, 2] == 0.0
    with pytest.raises(DataError, match="terrain without aspect"):
        terrain_predictors(xr.Dataset({"slope": (("y", "x"), slope)}))


def test_coarse_predictors_are_the_operator_applied() -> None:
    operator = quarters()
    table = coarse_predictors(some(), operator)
    assert table.shape == (10, 6, 7)
    wanted = csr_matrix(operator.matrix) @ HEAT[2].ravel()
    np.testing.assert_allclose(table[2, :, 0], wanted, rtol=1e-5)


def test_a_cell_seen_by_less_than_half_is_missing() -> None:
    heat = HEAT.copy()
    heat[:, 0, 0:2] = np.nan
    heat[:, 1, 0] = np.nan
    known = build_predictors({"heat": heat}, {}, DAYS, precipitation=None, seasonal=False)
    table = coarse_predictors(known, quarters())
    assert np.isnan(table[:, 0]).all()
    assert np.isfinite(table[:, 1:]).all()


def test_predictors_of_another_grid_are_refused() -> None:
    small = build_predictors({"heat": HEAT[:, :3]}, {}, DAYS, precipitation=None)
    with pytest.raises(GridError, match=r"3 x 6 pixels; the support has 24"):
        coarse_predictors(small, quarters())


def test_days_outside_are_refused() -> None:
    assert some().positions(np.datetime64("2020-05-03")).tolist() == [2]
    with pytest.raises(TimeAxisError, match="2020-05-11; predictors from 2020-05-01"):
        some().positions(np.datetime64("2020-05-11"))


@pytest.mark.parametrize(
    ("dynamic", "static", "times", "error", "found"),
    [
        ({}, {"z": HEIGHT}, DAYS, DataError, "no dynamic predictors"),
        ({"heat": HEAT, "b": HEAT[:, 1:]}, {}, DAYS, GridError, "predictor 'b'"),
        ({"heat": HEAT}, {"z": HEIGHT[1:]}, DAYS, GridError, "predictor 'z'"),
        ({"heat": HEAT}, {}, DAYS[:-1], TimeAxisError, "10 days; 9 times"),
        ({"heat": HEAT}, {}, DAYS[::-1], TimeAxisError, "a value every day"),
        ({"heat": HEAT}, {}, DAYS[:0], TimeAxisError, "a value every day"),
        ({"heat": HEAT}, {}, np.delete(DAYS, 4), TimeAxisError, "2020-05-04 and then 2020-05-06"),
    ],
)
def test_inputs_that_do_not_fit_are_named(dynamic, static, times, error, found) -> None:
    with pytest.raises(error, match=found):
        build_predictors(dynamic, static, times, precipitation=None)


def test_an_unknown_noisy_predictor_is_named() -> None:
    with pytest.raises(DataError, match="Did you mean 'heat'"):
        some(noisy=["haet"])
