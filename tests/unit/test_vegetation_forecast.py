"""Forecasts of water and cover: where there is skill, where there is none, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import DataError
from headwater.vegetation.bucket import Soil, Weather, water_balance
from headwater.vegetation.forecast import LEADS, forecast_vegetation

DAYS = pd.date_range("2001-01-01", "2006-12-31")
SOIL = Soil(np.array([0.28]), np.array([0.10]))


def record(answer=2.0, noise=0.01, seed=1, first=0):
    """Weather, water and cover of one place, whose cover answers the water of that day."""
    rng = np.random.default_rng(seed)
    days = DAYS[first:]
    season = np.clip(np.sin((days.day_of_year.to_numpy() - 100) / 200 * np.pi), 0, None)[:, None]
    rain = np.where(rng.random((len(days), 1)) < 0.25, rng.gamma(0.6, 9.0, (len(days), 1)), 0.0)
    weather = Weather(rain, 14.0 * season - 4.0, 4.0 * season, 0.6 * season)
    water = water_balance(weather, SOIL).series["liquid"] + rng.normal(0, noise, rain.shape)
    cover = np.clip(0.3 * season + answer * (water - 0.1) * season, 0, 1)
    cover = cover + rng.normal(0, noise, rain.shape)
    seen = xr.DataArray(cover[::4], {"time": days[::4]}, ("time", "zone"))
    return seen, xr.DataArray(water, {"time": days}, ("time", "zone")), weather, days


def forecast(parts, start="2004-06-30", months=(6, 7)):
    cover, water, weather, days = parts
    rng = np.random.default_rng(2)
    return forecast_vegetation(
        cover, water, weather, days, SOIL, start=pd.Timestamp(start), rng=rng, months=months
    )


@pytest.fixture(scope="module")
def table():
    return forecast(record())


def test_a_row_for_each_quantity_and_lead(table):
    assert len(table) == 2 * LEADS
    assert (np.diff(table[["low", "lower", "median", "upper", "high"]], axis=1) >= 0).all()
    first = table.iloc[0]
    # the pentad after 30 June begins on 30 June of a leap year
    assert pd.Timestamp("2004-06-30") < first["date"] < pd.Timestamp("2004-07-05")
    assert (table["years"] == 6).all()


def test_a_bucket_that_is_right_beats_climatology_and_persistence(table):
    wet = table[table["quantity"] == "water"].set_index("lead")
    assert wet.loc[1, "skill"] > 0.3
    assert wet.loc[1, "skill_persistence"] > 0.0
    # memory fades: what is left at eight pentads is less than at one
    assert wet.loc[LEADS, "skill"] < wet.loc[1, "skill"]
    assert (wet["skill_low"] <= wet["skill"]).all()


def test_cover_that_is_noise_has_no_skill():
    cover, water, weather, days = record()
    noise = np.random.default_rng(5).normal(0.4, 0.05, cover.shape)
    found = forecast((cover.copy(data=noise), water, weather, days))
    green = found[found["quantity"] == "cover"]
    assert green["skill"].mean() < 0.1
    # eight intervals of 95 %: one may miss by chance
    assert (green["skill_low"] > 0.0).sum() <= 1


def test_the_future_of_the_year_is_not_used():
    cover, water, weather, days = record()
    late = days > "2006-07-04"
    other = Weather(*(np.where(late[:, None], 0.0 * part, part) for part in weather))
    dry = water.where(~xr.DataArray(late, {"time": days}, "time"), 0.02)
    unknown = (cover["time"] > np.datetime64("2006-07-04")) & (cover["time.year"] == 2006)
    gone = cover.where(~unknown, 0.0)
    marks = ["low", "median", "high"]
    once, again = (
        forecast(parts, start="2006-06-30")
        for parts in ((cover, water, weather, days), (gone, dry, other, days))
    )
    for quantity in ("water", "cover"):
        ahead, now = (
            table[table["quantity"] == quantity][marks].iloc[:3] for table in (once, again)
        )
        np.testing.assert_allclose(ahead, now, atol=1e-12)


def test_too_few_years_are_refused():
    cover, water, weather, days = record(first=3 * 365)
    keep = days.year >= 2004
    short = Weather(*(part[keep] for part in weather))
    with pytest.raises(DataError, match="weather of other years"):
        forecast((cover, water, short, days[keep]))


def test_a_start_outside_the_record_is_refused():
    with pytest.raises(DataError, match="no such year"):
        forecast(record(), start="2011-06-30")
