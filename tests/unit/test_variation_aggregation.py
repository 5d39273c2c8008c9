import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import DataError, TimeAxisError
from headwater.variation import aggregate
from headwater.variation.aggregation import aggregate_all
from headwater.variation.calendar import cadence, check_time, decimal_years, periods
from headwater.variation.mean_year import period_mean


def cube(index, values, **attrs):
    values = np.asarray(values, dtype=float)
    return xr.DataArray(values, {"time": index}, ("time", "y", "x")[: values.ndim], "rain", attrs)


def daily(first="2016-01-01", last="2018-12-31", holes=0.1, seed=0):
    index = pd.date_range(first, last)
    rng = np.random.default_rng(seed)
    values = rng.gamma(0.5, 4.0, (index.size, 3, 2))
    values[rng.random(values.shape) < holes] = np.nan
    return cube(index, values, units="mm", total="sum")


def test_monthly_means_equal_numpy():
    data = daily().assign_attrs(total="mean")
    found = aggregate(data, "month", min_coverage=0.5)
    for i, start in enumerate(found.indexes["time"]):
        inside = (data.indexes["time"].to_period("M") == start.to_period("M")).nonzero()[0]
        block = data.values[inside]
        npt.assert_allclose(found["rain"].values[i], np.nanmean(block, axis=0), rtol=1e-13)
        npt.assert_array_equal(found["n"].values[i], (~np.isnan(block)).sum(axis=0))
        npt.assert_allclose(found["coverage"].values[i], found["n"].values[i] / start.days_in_month)


def test_totals_are_the_mean_times_the_days_of_the_period():
    data = daily()
    found = aggregate(data, "year", min_coverage=0.5)
    leap = data.sel(time="2016").values
    npt.assert_allclose(found["rain"].values[0], 366 * np.nanmean(leap, axis=0), rtol=1e-13)


def test_a_complete_total_is_the_plain_sum():
    data = daily(holes=0.0)
    found = aggregate(data, "growing_season")
    expected = data.sel(time=slice("2017-05-01", "2017-10-31")).sum("time")
    npt.assert_allclose(found["rain"].values[1], expected.values, rtol=1e-13)


def test_months_weigh_by_their_days():
    index = pd.date_range("2017-01-01", periods=12, freq="MS")
    values = np.arange(12.0)
    found = aggregate(cube(index, values, total="mean"), "year")
    days = index.days_in_month.to_numpy()
    assert float(found["rain"][0]) == pytest.approx((values * days).sum() / 365)
    assert float(aggregate(cube(index, values, total="sum"), "year")["rain"][0]) == values.sum()


def test_below_the_least_coverage_stays_missing_with_its_coverage():
    index = pd.date_range("2017-01-01", "2017-02-28")
    values = np.ones(index.size)
    values[:10] = np.nan
    found = aggregate(cube(index, values), "month", min_coverage=0.8)
    npt.assert_array_equal(found["rain"].values, [np.nan, 1.0])
    npt.assert_allclose(found["coverage"].values, [21 / 31, 1.0])
    assert found["n"].values.tolist() == [21, 28]


def test_days_that_are_absent_count_as_missing():
    index = pd.date_range("2017-01-01", "2017-01-31").delete([3, 4, 5, 6, 7, 8, 9, 10])
    found = aggregate(cube(index, np.ones(index.size)), "month", min_coverage=0.8)
    assert np.isnan(found["rain"].values[0])
    assert float(found["coverage"][0]) == pytest.approx(23 / 31)


def test_an_empty_period_between_is_there():
    index = pd.date_range("2017-01-01", "2017-01-31").append(
        pd.date_range("2017-03-01", "2017-03-31")
    )
    found = aggregate(cube(index, np.ones(62)), "month")
    npt.assert_array_equal(found["rain"].values, [1.0, np.nan, 1.0])
    assert found["coverage"].values.tolist() == [1.0, 0.0, 1.0]


def test_a_season_that_wraps_the_year_belongs_to_its_first_month():
    data = daily("2016-01-01", "2018-12-31", holes=0.0)
    found = aggregate(data, "growing_season", growing_season=(11, 3))
    assert [str(t)[:7] for t in found["time"].values] == [
        "2015-11",
        "2016-11",
        "2017-11",
        "2018-11",
    ]
    winter = data.sel(time=slice("2016-11-01", "2017-03-31")).sum("time")
    npt.assert_allclose(found["rain"].values[1], winter.values, rtol=1e-13)
    assert np.isnan(found["rain"].values[[0, 3]]).all()
    assert str(found["time_bnds"].values[1][1])[:10] == "2017-04-01"


def test_seasons_start_in_december():
    found = aggregate(daily(holes=0.0), "season")
    assert [str(t)[:7] for t in found["time"].values[:3]] == ["2015-12", "2016-03", "2016-06"]


def test_six_hourly_and_eight_daily_steps():
    hours = pd.date_range("2017-01-01", periods=124, freq="6h")
    found = aggregate(cube(hours, np.ones(124), total="sum"), "month")
    assert float(found["rain"][0]) == 124.0
    assert float(aggregate(cube(hours, np.arange(124.0)), "day")["rain"][0]) == 1.5
    composites = pd.DatetimeIndex(
        [
            day
            for year in (2017, 2018)
            for day in pd.date_range(f"{year}-01-01", periods=46, freq="8D")
        ]
    )
    yearly = aggregate(cube(composites, np.ones(92)), "year")
    assert yearly["coverage"].values.tolist() == [1.0, 1.0]


def test_aggregating_to_the_own_step_changes_nothing():
    data = daily().isel(time=slice(40))
    found = aggregate(data, "day")
    npt.assert_array_equal(found["rain"].values, data.values)


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_other_calendars_have_their_own_days(calendar):
    pytest.importorskip("cftime", reason="calendars other than the standard one need cftime")
    length = {"noleap": 365, "360_day": 360}[calendar]
    index = xr.date_range("2016-01-01", periods=2 * length, calendar=calendar, use_cftime=True)
    data = cube(index, np.ones(2 * length), total="sum")
    assert aggregate(data, "year")["rain"].values.tolist() == [length, length]
    assert aggregate(data, "month")["rain"].values[1] == {"noleap": 28, "360_day": 30}[calendar]
    npt.assert_allclose(decimal_years(index)[[0, length]], [2016.0, 2017.0])


def test_pentads_divide_months_and_the_last_takes_what_is_left():
    data = daily("2016-02-01", "2016-03-31", holes=0.0)
    found = aggregate(data, "pentad", min_coverage=1.0)
    lengths = np.diff(found["time_bnds"].values, axis=1)[:, 0] / np.timedelta64(1, "D")
    assert lengths.tolist() == [5, 5, 5, 5, 5, 4, 5, 5, 5, 5, 5, 6]
    npt.assert_allclose(found["rain"].values[5], data.values[25:29].sum(axis=0), rtol=1e-13)
    npt.assert_allclose(found["rain"].sum("time"), data.sum("time"), rtol=1e-13)


def test_pentads_of_a_year_of_360_days_are_alike():
    pytest.importorskip("cftime", reason="calendars other than the standard one need cftime")
    index = xr.date_range("2016-01-03", periods=400, calendar="360_day", use_cftime=True)
    found = aggregate(cube(index, np.ones(400), total="sum"), "pentad", min_coverage=0.5)
    assert set(found["rain"].values[:-1].tolist()) == {5.0}
    assert found["coverage"].values[0] == pytest.approx(0.6)


class Counted:
    """An array that counts how often a value is read from it."""

    def __init__(self, values):
        self.values, self.read = values, 0
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, key):
        part = self.values[key]
        self.read += part.size
        return part


def test_all_periods_are_computed_in_one_pass_over_the_source():
    import dask
    import dask.array as da

    data = daily(holes=0.2)
    source = Counted(data.values)
    lazy = data.copy(data=da.from_array(source, chunks=(100, 3, 2), asarray=False))
    found = aggregate_all(lazy, ["month", "season", "growing_season", "year"], min_coverage=0.5)
    source.read = 0
    computed = dask.compute(found)[0]
    assert source.read == data.size
    for period, one in computed.items():
        xr.testing.assert_allclose(one, aggregate(data, period, min_coverage=0.5), rtol=1e-12)


def test_a_season_without_times_is_left_out_of_all_periods():
    found = aggregate_all(daily("2017-01-01", "2017-03-31"), ["month", "growing_season"])
    assert list(found) == ["month"]
    yearly = cube(pd.date_range("2017-01-01", periods=4, freq="YS"), np.ones(4))
    assert list(aggregate_all(yearly, ["year"])) == ["year"]
    with pytest.raises(TimeAxisError, match="longer than a month"):
        aggregate_all(yearly, ["month", "year"])
    with pytest.raises(TimeAxisError, match="Did you mean"):
        aggregate_all(yearly, ["yeer"])


def test_decimal_years_know_leap_years():
    index = pd.DatetimeIndex(["2016-12-31", "2017-12-31"])
    npt.assert_allclose(decimal_years(index), [2016 + 365 / 366, 2017 + 364 / 365])


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (pd.date_range("2017-01-15", periods=30, freq="MS"), "monthly"),
        (pd.date_range("2017-01-01", periods=9, freq="YS"), "yearly"),
        (pd.date_range("2017-01-01", periods=9).delete([2, 3, 6]), "daily"),
        (pd.date_range("2017-01-01", periods=9, freq="h"), "hourly"),
        (pd.DatetimeIndex(["2017-01-01", "2017-01-04", "2017-02-01", "2017-02-09"]), "irregular"),
    ],
)
def test_cadence(index, name):
    assert str(cadence(index)).startswith(name)


def test_a_step_longer_than_the_period_is_refused():
    monthly = cube(pd.date_range("2017-01-01", periods=24, freq="MS"), np.ones(24))
    with pytest.raises(TimeAxisError, match="longer than a day"):
        aggregate(monthly, "day")
    yearly = cube(pd.date_range("2017-01-01", periods=4, freq="YS"), np.ones(4))
    with pytest.raises(TimeAxisError, match="longer than a month"):
        aggregate(yearly, "month")
    assert aggregate(yearly, "year")["rain"].values.tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda d: d.isel(time=[0]), TimeAxisError, "one time has no step"),
        (lambda d: d.isel(time=[0, 0, 1]), TimeAxisError, "twice"),
        (lambda d: d.isel(time=[1, 0]), TimeAxisError, "out of order"),
        (lambda d: d.isel(time=0, drop=True), TimeAxisError, "no time axis"),
        (lambda d: d.assign_coords(time=np.arange(d.sizes["time"])), TimeAxisError, "no dates"),
        (lambda d: d.where(d.time > d.time[0], np.inf), DataError, "infinite"),
        (lambda d: d.assign_attrs(kind="categorical"), DataError, "categorical"),
        (lambda d: d.assign_attrs(kind="circular"), DataError, "circular"),
    ],
)
def test_bad_input_gets_a_named_error(change, error, words):
    with pytest.raises(error, match=words):
        aggregate(change(daily()), "month")


def test_unknown_periods_and_months_are_refused():
    with pytest.raises(TimeAxisError, match="Did you mean 'month'"):
        aggregate(daily(), "monht")
    with pytest.raises(TimeAxisError, match="month that does not exist"):
        aggregate(daily(), "growing_season", growing_season=(5, 13))
    winter = daily("2017-01-01", "2017-02-28")
    with pytest.raises(DataError, match="growing season"):
        aggregate(winter, "growing_season")


def test_the_result_keeps_cells_units_and_says_what_it_is():
    data = daily().assign_coords(y=[2.0, 1.0, 0.0], x=[0.0, 1.0], spatial_ref=0)
    found = aggregate(data, "month")
    assert found["rain"].attrs["units"] == "mm"
    assert found["rain"].attrs["cell_methods"] == "time: sum"
    assert found["rain"].dtype == np.float64
    assert {"y", "x", "spatial_ref", "time_bnds"} <= set(found.coords)
    assert found["time"].attrs["bounds"] == "time_bnds"


def test_period_mean_weighs_years_alike():
    data = daily("2016-01-01", "2017-12-31", holes=0.05)
    found = period_mean(data, months=(5, 10))
    yearly = aggregate(data, "growing_season")["rain"]
    npt.assert_allclose(found["rain"], yearly.mean("time"), rtol=1e-13)
    assert found["n"].values.tolist() == [[2, 2]] * 3
    assert found["rain"].attrs["units"] == "mm"


def test_periods_have_no_gap():
    found = periods(pd.date_range("2015-03-05", "2018-02-01"), "season")
    assert (found.start[1:] == found.end[:-1]).all()
    assert found.days.sum() == (found.end[-1] - found.start[0]) / np.timedelta64(1, "D")


def test_check_time_returns_the_index():
    data = daily()
    assert check_time(data).equals(data.indexes["time"])
