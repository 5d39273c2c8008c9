"""The noise that was put in is found, and only what averaging takes out is matched."""

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.downscaling.noise import excess_noise, noise_level
from headwater.downscaling.predictors import build_predictors, coarse_predictors
from headwater.downscaling.support_operator import support
from headwater.errors import DataError

DAYS = np.arange("2019-01-01", "2020-12-31", dtype="datetime64[D]")
SEASON = (10 * np.cos(2 * np.pi * np.arange(DAYS.size) / 365)).astype(np.float32)


def operator():
    coarse = GeoBox((3, 4), Affine(0.4, 0, 95, 0, -0.4, 38), "EPSG:4326")
    return support(coarse, GeoBox((24, 32), Affine(0.05, 0, 95, 0, -0.05, 38), "EPSG:4326"))


def excess(cube: np.ndarray) -> float:
    known = build_predictors({"heat": cube.astype(np.float32)}, {}, DAYS, precipitation=None)
    coarse = coarse_predictors(known, operator())
    return excess_noise(known, operator(), coarse)["heat"]


@pytest.mark.parametrize("sd", [0.012, 1.5, 40.0])
def test_white_noise_is_found_whatever_its_unit(sd: float) -> None:
    noise = np.random.default_rng(1).normal(0, sd, (730, 40))
    assert noise_level(sd * SEASON[:730, None] + noise) == pytest.approx(sd, rel=0.04)


def test_gaps_and_outliers_do_not_mislead() -> None:
    rng = np.random.default_rng(2)
    series = rng.normal(0, 1.5, (730, 60))
    series[rng.random(series.shape) < 0.01] += 50.0
    series[100:200, :30] = np.nan
    series[rng.random(series.shape) < 0.02] = np.nan
    series[:, 59] = np.nan
    assert noise_level(series) == pytest.approx(1.5, rel=0.12)


def test_smooth_series_have_none_and_empty_ones_no_answer() -> None:
    assert noise_level(np.repeat(SEASON[:, None], 3, axis=1)) < 0.01
    assert np.isnan(noise_level(np.full((100, 3), np.nan)))


def test_a_short_series_is_refused() -> None:
    with pytest.raises(DataError, match="10 days; db4 needs 16"):
        noise_level(np.ones((10, 3)))


def test_excess_is_what_averaging_takes_out() -> None:
    rng = np.random.default_rng(3)
    white = SEASON[:, None, None] + rng.normal(0, 1.5, (DAYS.size, 24, 32))
    assert excess(white) == pytest.approx(1.5, rel=0.03)


def test_weather_that_a_whole_cell_shares_is_no_noise() -> None:
    rng = np.random.default_rng(4)
    weather = rng.normal(0, 3.0, (DAYS.size, 1, 1)) + np.zeros((1, 24, 32))
    assert excess(weather) < 0.2
    assert excess(weather + rng.normal(0, 1.5, weather.shape)) == pytest.approx(1.5, rel=0.1)
