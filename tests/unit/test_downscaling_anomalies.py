"""Anomalies from a moving mean and from a mean year."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, TimeAxisError
from headwater.validation.anomalies import (
    long_term_anomalies,
    mean_year,
    moving_mean,
    short_term_anomalies,
)

DAYS = pd.date_range("2016-01-01", "2021-12-31")


def series(seed=1):
    rng = np.random.default_rng(seed)
    values = 0.25 + 0.1 * np.sin(2 * np.pi * np.asarray(DAYS.day_of_year) / 365.25)
    values = values + rng.normal(0, 0.02, len(DAYS))
    values[rng.random(len(DAYS)) < 0.3] = np.nan
    return values


def test_moving_mean_is_the_plain_mean_of_its_window():
    values, half = series(), pd.Timedelta("17.5D")
    found = moving_mean(DAYS, values, 35, fill=True)
    for place in (0, 3, 500, 1000, len(DAYS) - 1):
        near = np.abs(DAYS - DAYS[place]) <= half
        assert found[place] == pytest.approx(np.nanmean(values[near]), abs=1e-13)


def test_moving_mean_follows_the_clock_not_the_count():
    times = pd.to_datetime(["2020-01-01 00:00", "2020-01-01 06:00", "2020-01-03 00:00"])
    assert moving_mean(times, [1.0, 3.0, 5.0], 1).tolist() == [2.0, 2.0, 5.0]


def test_missing_stays_missing_unless_filled():
    values = series()
    found = moving_mean(DAYS, values, 35)
    assert np.isnan(found[np.isnan(values)]).all()
    assert np.isfinite(moving_mean(DAYS, values, 35, fill=True)).all()
    lonely = np.where(np.arange(len(DAYS)) % 60 == 0, values, np.nan)
    assert np.isnan(moving_mean(DAYS, lonely, 35, min_values=2)).all()


def test_columns_are_taken_apart():
    both = np.column_stack([series(1), series(2)])
    one = short_term_anomalies(DAYS, both)
    assert np.allclose(one[:, 1], short_term_anomalies(DAYS, series(2)), equal_nan=True)
    far = long_term_anomalies(DAYS, both)
    assert np.allclose(far[:, 0], long_term_anomalies(DAYS, series(1)), equal_nan=True)


def test_mean_year_runs_on_from_december_to_january():
    year = mean_year(DAYS, series())
    assert year.shape == (366,)
    assert abs(year[0] - year[-1]) < 0.01


def test_long_term_anomalies_have_no_season():
    values = series()
    found = long_term_anomalies(DAYS, values)
    months = pd.Series(found).groupby(np.asarray(DAYS.month)).mean()
    assert np.abs(months).max() < 0.005
    assert np.isnan(found).sum() == np.isnan(values).sum()


def test_a_date_has_one_place_in_every_year():
    # a step on 1 March must stay on 1 March in leap and common years
    step = np.where((DAYS.month >= 3), 0.4, 0.1)
    found = long_term_anomalies(DAYS, step, smooth=1, smooth_year=1)
    assert np.abs(found).max() < 1e-12


def test_bad_input_is_refused():
    with pytest.raises(TimeAxisError, match="out of order"):
        moving_mean(DAYS[::-1], series(), 35)
    with pytest.raises(DataError, match="a window has a width"):
        short_term_anomalies(DAYS, series(), window=0)
    with pytest.raises(DataError, match="366 days"):
        long_term_anomalies(DAYS, series(), year=np.zeros(365))
