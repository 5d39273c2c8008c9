"""Growing seasons that are dry by rain: ranks, months that count, stations, and ties of zeros."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters.warning.options import StationWarningOptions, WarningOptions
from headwater.chapters.warning.rain import (
    area_rain,
    months_of_means,
    months_of_rain,
    rain_seasons,
    rain_standing,
    rain_table,
)
from headwater.chapters.warning.station_days import StationSeries
from headwater.chapters.warning.stations import read_stations, station_standings
from headwater.errors import DataError, StudyError
from headwater.network import open_store
from headwater.network.entities import Observations
from headwater.network.ingest.load import ensure_series
from headwater.network.ingest.parsed_file import Place, Series
from headwater.network.times import DAY
from headwater.warning import seasonal_percentile
from headwater.warning.dry_seasons import monthly_means, rank_dry_seasons

MONTHS = np.arange("2000-01", "2020-01", dtype="datetime64[M]")
DAYS = np.arange("2004-01-01", "2020-11-15", dtype="datetime64[D]")
SEASON = (5, 10)


def monthly_rain(n, seed=1):
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, 20.0, (len(MONTHS), n))


def daily_rain(dry="2020-06-10", wet="2021-01-01", seed=3):
    """Rain on every third day; little of it from one day to another."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(1.0, 4.0, len(DAYS)) * (rng.random(len(DAYS)) < 0.4)
    rain[(np.datetime64(dry) <= DAYS) & (np.datetime64(wet) > DAYS)] *= 0.05
    return rain


def test_the_share_of_seasons_called_dry_is_what_was_asked_for():
    found = rank_dry_seasons(monthly_rain(500), MONTHS)
    assert found.n.tolist() == [20] * 500
    assert (found.p[-1] <= 0.1).mean() == pytest.approx(0.1, abs=0.04)
    # each season of a place has a rank of its own but for ties, which count as drier
    assert (np.sort(found.p, axis=0) >= np.arange(1, 21)[:, None] / 20 - 1e-12).all()


def test_a_season_that_has_begun_is_compared_with_whole_ones():
    rain = monthly_rain(50)
    whole = rank_dry_seasons(rain, MONTHS)
    begun = rank_dry_seasons(rain[:-6], MONTHS[:-6])
    assert int(begun.seasons[-1]) == 2019
    assert (begun.p[-1] <= 0.2).mean() <= (whole.p[-1] <= 0.2).mean()
    assert begun.p[-1].mean() > whole.p[-1].mean()
    lost = rain.copy()
    lost[np.datetime64("2010-07") == MONTHS] = np.nan
    found = rank_dry_seasons(lost, MONTHS)
    assert np.isnan(found.p[found.seasons == 2010]).all(), "no season without all of its months"
    assert (found.n == 19).all()


def test_months_that_are_always_dry_and_seasons_over_new_year():
    rain = monthly_rain(20)
    rain[MONTHS.astype(int) % 12 == 7] = 0.0
    found = rank_dry_seasons(rain, MONTHS, season=(8, 8), length=1)
    assert (found.p == 1).all(), "what is always so is never dry"
    over = rank_dry_seasons(rain, MONTHS, season=(11, 3))
    assert over.seasons[0] == 1999
    assert np.isnan(over.p[0]).all()
    assert int(over.seasons[-1]) == 2019


def test_few_years_give_no_p_and_gaps_in_months_are_refused():
    assert rain_table(cube(daily_rain()[:2000], DAYS[:2000]), WarningOptions(), SEASON, 64) is None
    with pytest.raises(StudyError, match="follow each other"):
        rank_dry_seasons(monthly_rain(1)[::2], MONTHS[::2])


def test_months_need_four_fifths_of_their_steps_and_to_have_ended():
    days = np.arange("2020-01-01", "2020-04-01", dtype="datetime64[D]")
    values = np.ones((len(days), 1))
    values[5:14] = np.nan
    months, means = monthly_means(values, days, np.datetime64("2020-03-20"))
    assert np.isnan(means[:, 0]).tolist() == [True, False, True]
    assert len(months) == 3


def months(rain, day):
    known = day >= DAYS
    return months_of_rain(rain[known][:, None], DAYS[known], day)


def cube(rain, days):
    values = np.repeat(rain[:, None], 6, axis=1).reshape(-1, 2, 3)
    values[:, 0, 0] = np.nan
    return xr.DataArray(values, {"time": days.astype("datetime64[ns]")}, ("time", "y", "x"))


def test_the_table_of_a_study_names_the_dry_season_and_reads_only_new_days():
    found = rain_table(cube(daily_rain(), DAYS), WarningOptions(), SEASON, 64)
    table = found.data.set_index("season")
    assert table.loc[2020, "dry"]
    assert table.loc[2020, "cells_dry"] == 1.0
    assert table.loc[2020, "share_of_usual"] < 0.3
    assert table.loc[2020, "p"] == pytest.approx(1 / 17)
    whole = area_rain(cube(daily_rain(), DAYS), {})
    part = area_rain(cube(daily_rain(), DAYS)[:4000], {})
    again = area_rain(cube(daily_rain(), DAYS), part, [DAYS[7]], megabytes=0.01)
    assert again == whole


def test_the_table_of_a_study_ranks_by_rain_less_demand_of_other_steps():
    rng = np.random.default_rng(9)
    rain = np.repeat(3.0 + rng.normal(0, 0.2, len(DAYS)), 6).reshape(-1, 2, 3)
    rain[:, 0, 0] = np.nan
    rain = xr.DataArray(rain, {"time": DAYS.astype("datetime64[ns]")}, ("time", "y", "x"))
    months = np.unique(DAYS.astype("datetime64[M]"))
    thirst = np.where(months.astype(int) // 12 + 1970 == 2020, 5.0, 4.0)
    thirst = np.repeat(thirst + rng.normal(0, 0.1, len(months)), 6).reshape(-1, 2, 3)
    times = {"time": months.astype("datetime64[ns]")}
    demand = xr.DataArray(thirst, times, ("time", "y", "x"))
    found = rain_table(rain, WarningOptions(demand="pet"), SEASON, 64, demand=demand)
    table = found.data.set_index("season")
    assert table["p"].idxmin() == 2020
    assert table.loc[2020, "balance_mm"] == pytest.approx(-2 * 92, abs=12)
    assert table.loc[2020, "usual_mm"] == pytest.approx(-1 * 92, abs=15)
    assert table.loc[2020, "cells_dry"] == 1.0
    assert "SPEI" in found.method
    assert (
        not rain_table(rain, WarningOptions(), SEASON, 64).data.set_index("season").loc[2020, "dry"]
    ), "rain alone was as ever"
    area, lost = area_rain(rain, {}), area_rain(demand, {})
    day = np.datetime64("2020-09-10")
    until = {one: mean for one, mean in area.items() if np.datetime64(one) <= day}
    standing = rain_standing(
        months_of_means(until, lost, day), WarningOptions(demand="pet"), SEASON, day
    )
    assert standing.headline.startswith("Drought by rain less evaporative demand: -1")
    assert "SPEI" in standing.headline_zh


def test_a_demand_without_a_month_of_the_rain_ranks_nothing():
    rain, day = daily_rain(), np.datetime64("1990-01-01")
    empty = months_of_rain(rain[:, None], DAYS, demand=np.empty((0, 1)))
    assert rain_standing(empty, WarningOptions(), SEASON, day) is None
    assert not np.isfinite(empty.values).any()
    assert rain_seasons(months_of_means({}), WarningOptions(), SEASON) is None


@pytest.mark.parametrize(
    ("today", "wet", "on"),
    [
        ("2020-07-05", "2021-01-01", False),  # one dry month of three
        ("2020-09-10", "2021-01-01", True),
        ("2020-11-10", "2021-01-01", True),  # October is known only in November
        ("2020-12-05", "2021-01-01", False),  # the season is over
    ],
)
def test_a_drought_by_rain_lasts_as_long_as_its_season(today, wet, on):
    day = np.datetime64(today)
    found = rain_standing(months(daily_rain(wet=wet), day), WarningOptions(), SEASON, day)
    assert (found is not None) == on
    if found is not None:
        assert found.rung == "watch"
        assert "of the usual rain of 3 months to 2020-" in found.headline
        assert found.detail["p"] <= 0.1
        assert "降水干旱" in found.headline_zh


def test_rain_that_comes_back_ends_it():
    rain = daily_rain(dry="2020-05-01", wet="2020-08-01")
    rain[(np.datetime64("2020-08-01") <= DAYS) & (np.datetime64("2020-09-15") > DAYS)] *= 4
    day = np.datetime64("2020-08-03")
    call = (WarningOptions(), SEASON)
    assert rain_standing(months(rain, day), *call, day) is not None
    day = np.datetime64("2020-10-03")
    assert rain_standing(months(rain, day), *call, day) is None


def test_stations_with_a_gauge_alone_are_watched():
    rain = np.stack([daily_rain(), daily_rain(dry="2021-01-01", seed=8)], axis=1)[:, None]
    known = np.datetime64("2020-09-10") >= DAYS
    times = {"time": DAYS[known].astype("datetime64[ns]")}
    stations = pd.DataFrame({"station": ["Dry", "Usual"], "longitude": 99.0, "latitude": 35.0})
    series = StationSeries(
        stations, None, None, xr.DataArray(rain[known], times, ("time", "y", "x"))
    )
    options = StationWarningOptions(dry_seasons=0.06)
    (one,) = station_standings(series, options, np.datetime64("2020-09-10"))
    assert one.target == "Dry: dry season"
    assert one.headline.startswith("Drought by rain at Dry: ")


def test_a_thirsty_season_is_dry_whatever_it_rained(tmp_path):
    """Rain as ever, each half day 1 mm; demand of 3 mm a day, and of 6 from June 2020 on."""
    days = np.arange("2006-01-01", "2020-09-10", dtype="datetime64[D]")
    rng = np.random.default_rng(4)
    thirst = np.where(days >= np.datetime64("2020-06-01"), 6.0, 3.0)
    demand = thirst + rng.normal(0, 0.3, len(days))
    noon = days.astype("datetime64[us]").astype(np.int64) + DAY // 2
    half = np.sort(np.concatenate([noon, noon + DAY // 4]))
    amounts = {"precipitation": (half, rng.gamma(4.0, 0.25, len(half)))}
    amounts["potential_evapotranspiration"] = (noon, demand)
    options = StationWarningOptions(demand="potential_evapotranspiration")
    with open_store(tmp_path / "n.db") as store:
        place = Place(name="Upper", latitude=35.0, longitude=99.0)
        for name, (time, value) in amounts.items():
            item = Series(thing="Upper", name=name, quantity=name, unit="mm")
            with store.transaction() as session:
                id = ensure_series(session, item, place)
            store.write(Observations(np.full(len(time), id), time, value))
        series = read_stations(store, options)
        for named in ({"demand": "pet"}, {"water": "soil_mosture"}, {"of": "ndvii"}):
            with pytest.raises(DataError, match=f"names. Found: {next(iter(named.values()))}"):
                read_stations(store, StationWarningOptions(**named))
    assert float(series.rain.mean()) == pytest.approx(2.0, abs=0.05)
    today = np.datetime64("2020-09-10")
    (one,) = station_standings(series, options, today)
    assert one.headline.startswith("Drought by rain less evaporative demand at Upper: -1")
    assert one.detail["month"] == "2020-06"  # from here on the index is at its end
    assert one.detail["usual_mm"] == pytest.approx(-91, abs=15)
    assert one.detail["balance_mm"] == pytest.approx(-181, abs=15)
    assert "SPEI" in one.headline_zh
    # by rain alone nothing is dry
    assert not list(station_standings(replace(series, demand=None), options, today))


def test_pentads_without_rain_are_no_drought_where_they_are_usual():
    rng = np.random.default_rng(2)
    days = np.arange("2000-01-03", "2020-01-01", 5, dtype="datetime64[D]")
    rain = np.where(rng.random(len(days)) < 0.35, 0.0, rng.gamma(2.0, 5.0, len(days)))
    middle = seasonal_percentile(rain, days)
    highest = seasonal_percentile(rain, days, ties="highest")
    assert (middle[rain == 0] <= 20).mean() > 0.6, "mean ranks call a third of all pentads dry"
    assert (highest[rain == 0] <= 20).mean() < 0.02
    np.testing.assert_allclose(highest[rain > 0], middle[rain > 0])
