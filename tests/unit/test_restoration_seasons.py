"""Seasons and the study's statements on when to work, on a headwater whose plants are simulated."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import TimeAxisError
from headwater.restoration import season_windows
from headwater.restoration.calendar_bands import planting_method
from headwater.restoration.seasons import HALF_YEAR, dry_year_shift, germination_water
from headwater.restoration.work_calendar import calendar_table, fit_seasons, season_days, work_days
from headwater.vegetation.phenology import temperature_season
from headwater.virtual.growing import grow

MAY_31, JUNE_1, JUNE_30 = 151, 152, 181
# middles of the study's bands of 500 m, and the lowest ground where seed fails
LOW, HIGH = (3250.0, 3750.0), (4250.0, 4310.0)
SEEDS = (1, 2, 3)


def windows_of(daily, shift=0, limit=None):
    water = daily["soil_water"].isel(depth=0, drop=True)
    limit = germination_water(water) if limit is None else limit
    air, soil = daily["temperature"], daily["soil_temperature"]
    return season_windows(air, soil, water, germination=limit, shift=shift)


@pytest.fixture(scope="module", params=SEEDS)
def world(request):
    here = grow(seed=request.param, years=(2001, 2024), shape=(10, 16))
    windows = windows_of(here.daily)
    rain = here.daily["precipitation"]
    spring = rain.isel(time=np.isin(rain["time"].dt.month, (4, 5, 6, 7)))
    wetness = spring.mean(("y", "x")).groupby("time.year").mean()
    dry = dry_year_shift(windows["closes"].values, wetness.values, windows["year"].values)
    fits = fit_seasons(windows, here.maps["elevation"].values, dry_shift=dry.shift)
    return here, windows, dry, fits


def test_low_bands_are_sown_and_finished_by_the_end_of_may(world):
    *_, fits = world
    days = season_days(fits, LOW)
    sown = work_days("before_start", days, duration=7)
    assert {planting_method(height)[0] for height in LOW} == {"sow"}
    assert JUNE_1 <= days.middle[1] <= JUNE_30  # there the season starts in June
    assert (sown.deadline <= MAY_31).all()
    assert sown.enough.all()


def test_high_bands_are_planted_with_seedlings_at_the_end_of_june(world):
    *_, fits = world
    days = season_days(fits, HIGH)
    planted = work_days("at_start", days, duration=7)
    assert [planting_method(height)[0] for height in HIGH] == ["either", "transplant"]
    assert not days.extrapolated.any()
    assert (abs(days.middle - JUNE_30) <= 7).all()
    assert (planted.opens >= JUNE_1).all()
    assert (abs(planted.deadline - JUNE_30) <= 7).all()
    assert planted.enough.all()


def test_the_calendar_says_so_in_its_rows(world):
    *_, fits = world
    table = calendar_table(fits, [3500, 4000, 4500, 5000], durations={})
    rows = table[table["aspect"] == "east or west"].set_index(["elevation", "work"])
    assert rows.loc[(3750, "no_till_reseeding"), "deadline"] <= MAY_31
    assert (3750, "transplanting") not in rows.index
    assert abs(rows.loc[(4250, "transplanting"), "deadline"] - JUNE_30) <= 7
    assert (4750, "no_till_reseeding") not in rows.index


def test_the_window_closes_earlier_in_dry_years(world):
    here, _, dry, fits = world
    assert dry.shift > 0
    assert dry.lower > 0
    days = season_days(fits, LOW)
    np.testing.assert_allclose(days.closes - days.closes_dry, dry.shift)
    # the droughts that were taken from the rain of spring and summer are among the dry years
    taken = [2001 + event.year for event in here.droughts if event.first_month < 7]
    assert set(taken) <= set(dry.years[dry.dry])


def test_seasons_that_span_new_year_are_those_of_half_a_year_earlier():
    here = grow(seed=1, years=(2001, 2006), shape=(4, 6))
    north = windows_of(here.daily, limit=0.1)
    moved = here.daily["time"] - np.timedelta64(HALF_YEAR, "D")
    south = windows_of(here.daily.assign_coords(time=moved), shift=HALF_YEAR, limit=0.1)
    xr.testing.assert_allclose(south + HALF_YEAR, north)
    assert south["year"].values.tolist() == list(range(2001, 2007))
    assert float(south["start"].median()) < 0  # in spring of the year before
    fits = fit_seasons(south, here.maps["elevation"].values, shift=HALF_YEAR)
    days = season_days(fits, [3500.0])
    winter = work_days("winter", days, duration=5)
    # May to September of the year before
    assert (winter.opens[0], winter.deadline[0]) == (305 - 365 - 184, 90 - 184)
    assert winter.deadline[0] < work_days("before_start", days, duration=5).deadline[0]


def series(first="2001-01-01", last="2002-12-31"):
    days = pd.date_range(first, last)
    day = xr.DataArray(days.day_of_year.values * 1.0, {"time": days}, "time")
    return 12.0 - abs(day - 200) / 8


def test_starts_are_those_of_temperature_where_nothing_else_limits():
    air = series()
    found = season_windows(air, 0 * air + 9, 0 * air + 0.3, germination=0.1)
    alone = temperature_season(air)
    assert found["start"].values.tolist() == alone["start"].values.tolist()
    assert found["end"].values.tolist() == alone["end"].values.tolist()


def test_a_record_that_begins_in_summer_has_no_start_that_year():
    found = season_windows(
        series("2001-06-20"), series("2001-06-20"), 0 * series("2001-06-20") + 0.3, germination=0.1
    )
    assert np.isnan(found["start"].values[0])
    assert np.isnan(found["thaw"].values[0])
    assert found["start"].values[1] == 144
    assert np.isfinite(found["end"].values).all()


def test_gaps_that_could_move_the_start_leave_it_out_and_others_do_not():
    air = series("2001-01-01", "2001-12-31")
    water = 0 * air + 0.3
    winter, spring, short = water.copy(), water.copy(), water.copy()
    winter[:90] = np.nan  # frozen soil needs no soil water
    spring[140:175] = np.nan
    short[145] = np.nan
    starts = [
        float(season_windows(air, air + 1, one, germination=0.1)["start"][0])
        for one in (water, winter, spring, short)
    ]
    assert starts[:2] == [144, 144]
    assert np.isnan(starts[2])
    assert starts[3] == 147
    with pytest.raises(TimeAxisError, match="daily"):
        season_windows(air[::3], air[::3], water[::3], germination=0.1)
