"""Intervals cover as often as they say."""

import numpy as np
import pytest

from headwater.downscaling.intervals import calibrate_intervals, season_of
from headwater.errors import DataError

DAYS = np.datetime64("2019-01-01") + np.arange(0, 360, 6)


def draw(seed):
    """Errors that the standard deviation tells only in part, and larger in summer."""
    rng = np.random.default_rng(seed)
    sd = rng.uniform(0.01, 0.05, (60, 300))
    width = (0.5 * sd + 0.02) * np.where(season_of(DAYS) == 2, 2.0, 1.0)[:, None]
    return width * rng.standard_t(5, sd.shape), sd


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_new_errors_are_covered_in_every_season_and_class(level):
    scale = calibrate_intervals(*draw(1), DAYS, level=level)
    error, sd = draw(2)
    assert scale.coverage(error, sd, DAYS) == pytest.approx(level, abs=0.01)
    for season in range(4):
        own = season_of(DAYS) == season
        for low, high in ((0.01, 0.02), (0.03, 0.05)):
            part = (sd[own] >= low) & (sd[own] < high)
            some = np.where(part, error[own], np.nan)
            assert scale.coverage(some, sd[own], DAYS[own]) == pytest.approx(level, abs=0.07)


def test_ends_enclose_the_mean_and_never_fall_below_zero():
    scale = calibrate_intervals(*draw(1), DAYS)
    mean, (_, sd) = np.full((60, 300), 0.02), draw(2)
    low, high = scale.bounds(mean, sd, DAYS)
    assert (low >= 0).all()
    assert (low <= mean).all()
    assert (high > mean).all()
    np.testing.assert_allclose(high - mean, scale.half_width(sd, DAYS))


def test_a_season_without_errors_takes_the_factor_of_its_class():
    error, sd = draw(1)
    error[season_of(DAYS) == 0] = np.nan
    scale = calibrate_intervals(error, sd, DAYS)
    table = scale.factors
    assert np.isfinite(table["factor"]).all()
    assert (table.loc[table["season"] == "DJF", "n"] == 0).all()


def test_bad_input_is_named():
    error, sd = draw(1)
    with pytest.raises(DataError, match="level of coverage"):
        calibrate_intervals(error, sd, DAYS, level=90)
    with pytest.raises(DataError, match="too few errors"):
        calibrate_intervals(np.full(sd.shape, np.nan), sd, DAYS)
