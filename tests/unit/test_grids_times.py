"""Time axes: order, length of steps, and the period in common."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import TimeAxisError
from headwater.grids.times import check_times, common_period, step_days


def axis(*labels: str) -> xr.DataArray:
    return xr.DataArray(pd.to_datetime(list(labels), format="ISO8601"), dims="time")


def cube(start: str, end: str, freq: str, name: str) -> xr.DataArray:
    times = pd.date_range(start, end, freq=freq)
    return xr.DataArray(np.zeros(times.size), dims="time", coords={"time": times}, name=name)


@pytest.mark.parametrize("freq", ["MS", "ME"])
def test_months_have_their_true_length(freq: str) -> None:
    lengths = step_days(cube("2019-12-01", "2020-05-31", freq, "P")["time"])
    np.testing.assert_array_equal(lengths[:4], [31, 31, 29, 31])


def test_months_in_the_middle_and_with_gaps() -> None:
    np.testing.assert_array_equal(
        step_days(axis("2019-01-16T12", "2019-02-15", "2019-03-16T12", "2019-06-16")),
        [31, 28, 31, 30],
    )


def test_years_and_days_with_gaps() -> None:
    np.testing.assert_array_equal(
        step_days(axis("2019-07-01", "2020-07-01", "2021-07-01")), [365, 366, 365]
    )
    np.testing.assert_array_equal(step_days(axis("2020-01-01", "2020-01-02", "2020-01-05")), 1.0)
    np.testing.assert_array_equal(step_days(axis("2020-01-01T00", "2020-01-01T03")), 0.125)


def test_one_time_and_uneven_times_have_no_step() -> None:
    with pytest.raises(TimeAxisError, match="a single time has no step"):
        step_days(axis("2020-01-01"))
    with pytest.raises(TimeAxisError, match=r"differ in length. Found: 3 days after 2020-01-03"):
        step_days(axis("2020-01-01", "2020-01-03", "2020-01-06"))


def test_first_offender_is_named() -> None:
    with pytest.raises(TimeAxisError, match=r"pre.nc: a time occurs twice. Found: 2020-01-02.*2"):
        check_times(axis("2020-01-01", "2020-01-02", "2020-01-02", "2020-01-01"), "pre.nc")
    with pytest.raises(TimeAxisError, match=r"out of order. Found: 2020-01-01.* at position 1"):
        check_times(axis("2020-01-02", "2020-01-01"), "pre.nc")
    with pytest.raises(TimeAxisError, match=r"a time is missing. Found: no value at position 1"):
        check_times(axis("2020-01-02", "NaT"), "pre.nc")


def test_monthly_labels_cover_their_months() -> None:
    # Month-end labels and month-start labels mean the same period.
    daily = cube("1989-01-01", "1993-12-31", "D", "P")
    for freq in ("MS", "ME"):
        start, end = common_period([daily, cube("1990-01-01", "1993-12-31", freq, "sm")])
        assert (str(start), str(end)) == ("1990-01-01 00:00:00", "1993-12-31 23:59:59")
    assert daily.sel(time=slice(start, end)).size == 1461


def test_a_wish_narrows_the_period() -> None:
    daily = cube("1989-01-01", "1993-12-31", "D", "P")
    start, end = common_period([daily], ("1990", 1991))
    assert daily.sel(time=slice(start, end)).size == 730
    start, end = common_period([daily], ("1992-02", "1992-02"))
    assert daily.sel(time=slice(start, end)).size == 29


def test_no_common_period_names_each_input() -> None:
    with pytest.raises(
        TimeAxisError, match=r"share no period.*P 2000-01-01 to 2000-12-31; sm 2001-01-01 to 2001"
    ):
        common_period([cube("2000", "2000-12-31", "D", "P"), cube("2001", "2001-12-31", "D", "sm")])
    with pytest.raises(TimeAxisError, match=r"the study file 1950-01-01 to 1950-12-31"):
        common_period([cube("2000", "2000-12-31", "D", "P")], ("1950", "1950"))
    with pytest.raises(TimeAxisError, match="needs a first and a last date"):
        common_period([cube("2000", "2000-12-31", "D", "P")], ("yesterday", "today"))
    with pytest.raises(TimeAxisError, match="no input has a time axis"):
        common_period([xr.DataArray(1.0)])


def test_other_calendars() -> None:
    pytest.importorskip("cftime")
    coords = {"time": xr.date_range("2019-01-01", periods=24, freq="MS", calendar="360_day")}
    model = xr.DataArray(np.zeros(24), dims="time", coords=coords, name="model")
    np.testing.assert_array_equal(step_days(model["time"]), 30.0)
    start, end = common_period([model], ("2019-03", "2020-02"))
    assert (end.day, end.calendar) == (30, "360_day")
    assert model.sel(time=slice(start, end)).size == 12
    with pytest.raises(TimeAxisError, match=r"different calendars. Found: model 360_day; P prolep"):
        common_period([model, cube("2000", "2000-12-31", "D", "P")])
    daily = xr.date_range("2020-02-27", periods=3, calendar="noleap", use_cftime=True)
    assert step_days(xr.DataArray(daily, dims="time")).tolist() == [1, 1, 1]
    check_times(xr.DataArray(daily, dims="time"), "model")
