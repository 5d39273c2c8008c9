"""Times of every spelling: the days a value stands for are the same, whatever its stamp."""

from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import TimeAxisError
from headwater.glossary import term
from headwater.grids import open_grid
from headwater.grids._dated_names import date_in
from headwater.grids.plausibility import overview
from headwater.grids.steps import time_steps
from headwater.grids.times import gap_doubt, in_period, stamp_doubt
from headwater.variation import aggregate

THETA, RAIN = term("soil_moisture"), term("precipitation")
LAT = ("lat", 36.05 + 0.1 * np.arange(4), {"units": "degrees_north"})
LON = ("lon", 95.05 + 0.1 * np.arange(3), {"units": "degrees_east"})
MONTHS = pd.date_range("2015-01-01", periods=24, freq="MS")
NEXT = MONTHS + pd.offsets.MonthBegin(1)


def axis(labels: Any) -> xr.DataArray:
    return xr.DataArray(pd.DatetimeIndex(labels), dims="time")


def values(steps: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0.1, 0.4, (steps, 4, 3))


def save(path: Path, time: Any, steps: int = 24, bounds: Any = None, **attrs: Any) -> Path:
    data = xr.Dataset(
        {"sm": (("time", "lat", "lon"), values(steps), {"units": "m3 m-3"} | attrs)},
        {"time": time, "lat": LAT, "lon": LON} if time is not None else {"lat": LAT, "lon": LON},
    )
    if bounds is not None:
        data["time"].attrs["bounds"] = "time_bnds"
        data["time"].encoding["units"] = "days since 2000-01-01"
        data["time_bnds"] = (("time", "nv"), bounds)
    data.to_netcdf(path, engine="h5netcdf")
    return path


def year_of(step: int, year: int) -> pd.DatetimeIndex:
    return pd.date_range(f"{year}-01-01", f"{year}-12-31", freq=f"{step}D")


@pytest.mark.parametrize(
    ("labels", "kind", "stamp"),
    [
        (MONTHS, "month", "start"),
        (MONTHS + pd.Timedelta(days=14), "month", "middle"),
        (MONTHS + pd.offsets.MonthEnd(0), "month", "end"),
        (MONTHS[0] + pd.to_timedelta(np.arange(24) * 365.25 / 12, unit="D"), "month", "start"),
        (pd.date_range("2001-07-02", periods=5, freq=pd.DateOffset(years=1)), "year", "middle"),
        (pd.date_range("2001-12-31", periods=5, freq="YE"), "year", "end"),
        (pd.date_range("2001-12-01", periods=8, freq="QS-DEC"), "season", "start"),
        (pd.date_range("2002-02-28", periods=8, freq="QE-FEB"), "season", "end"),
        ([*year_of(8, 2015), *year_of(8, 2016)], "composite", "start"),
        ([pd.Timestamp(2016, m, d) for m in (1, 2, 3) for d in (1, 11, 21)], "dekad", "start"),
        (
            [
                pd.Timestamp(2016, m, 1) + pd.Timedelta(days=min(d, n) - 1)
                for m, n in ((1, 31), (2, 29), (3, 31))
                for d in (10, 20, 31)
            ],
            "dekad",
            "end",
        ),
        ([pd.Timestamp(2016, m, d) for m in (1, 2) for d in range(1, 27, 5)], "pentad", "start"),
        ([pd.Timestamp(2016, m, d) for m in (1, 2, 3) for d in (1, 16)], "half month", "start"),
        (pd.date_range("2015-01-01 12:00", periods=9), "even", "middle"),
        (pd.date_range("2015-01-01 00:30", periods=9, freq="h"), "even", "middle"),
        (pd.date_range("2015-01-05", periods=90, freq="7D"), "even", "start"),
        (pd.date_range("2015-01-15", periods=20, freq="30D"), "even", "start"),
    ],
)
def test_stamps_say_what_they_stand_for(labels: Any, kind: str, stamp: str) -> None:
    steps = time_steps(axis(labels))
    assert (steps.kind, steps.stamp) == (kind, stamp)
    gaps = (steps.start[1:] - steps.end[:-1]) / np.timedelta64(1, "D")
    assert np.abs(gaps).max() < 1e-6  # no day is lost and none counted twice


def test_the_last_composite_of_a_year_is_shorter() -> None:
    days = time_steps(axis([*year_of(16, 2015), *year_of(16, 2016)])).days
    assert days.reshape(2, 23)[:, -1].tolist() == [13.0, 14.0]
    one_year = time_steps(axis(year_of(8, 2015)))
    assert str(one_year.end[-1])[:10] == "2016-01-01"
    # MYD13 starts on the ninth day of every year
    shifted = pd.DatetimeIndex(
        [d for y in (2015, 2016) for d in year_of(16, y) + pd.Timedelta("8D")]
    )
    assert time_steps(axis(shifted)).days.max() == 16.0
    assert str(time_steps(axis(shifted)).end[-1])[:10] == "2017-01-09"


def test_stamps_of_ends_of_composites() -> None:
    ends = [
        day
        for year in (2015, 2016)
        for day in (*pd.date_range(f"{year}-01-08", f"{year}-12-30", freq="8D"), f"{year}-12-31")
    ]
    expected = time_steps(axis([*year_of(8, 2015), *year_of(8, 2016)]))
    found = time_steps(axis(ends))
    np.testing.assert_array_equal(found.start, expected.start)
    np.testing.assert_array_equal(found.end, expected.end)


@pytest.mark.parametrize("calendar", ["noleap", "all_leap", "360_day", "julian"])
def test_every_calendar_has_its_months_and_days(calendar: str) -> None:
    monthly = xr.date_range("2015-01-01", periods=24, freq="MS", calendar=calendar, use_cftime=True)
    days = time_steps(xr.DataArray(monthly, dims="time")).days
    february = {"noleap": 28, "all_leap": 29, "360_day": 30, "julian": 28}
    assert days[1] == february[calendar]
    daily = xr.date_range("2015-02-20", periods=40, calendar=calendar, use_cftime=True)
    assert (time_steps(xr.DataArray(daily, dims="time")).days == 1.0).all()


def test_bounds_define_the_step(tmp_path: Path) -> None:
    bounds = np.stack([MONTHS, NEXT], axis=1)
    start = open_grid(save(tmp_path / "a.nc", MONTHS), THETA)
    last_days = np.stack([MONTHS, NEXT - pd.Timedelta("1D")], axis=1)
    for number, (stamps, edges) in enumerate(
        [
            (NEXT, bounds),
            (MONTHS + pd.Timedelta(days=14), bounds),
            (MONTHS + pd.offsets.MonthEnd(0), last_days),
        ]
    ):
        found = open_grid(save(tmp_path / f"b{number}.nc", stamps, bounds=edges), THETA)
        xr.testing.assert_equal(found.compute(), start.compute())


def test_bounds_beside_the_axis_that_nobody_names_are_used(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nc", NEXT)
    data = xr.load_dataset(path)
    data["time_bnds"] = (("time", "nv"), np.stack([MONTHS, NEXT], axis=1))
    data.to_netcdf(path, engine="h5netcdf")
    found = open_grid(path, THETA)
    assert found.indexes["time"].equals(MONTHS)
    assert "no attribute names as bounds" in found.attrs["notes"]


def test_bounds_that_do_not_hold_their_stamps_are_reported(tmp_path: Path) -> None:
    wrong = np.stack([NEXT + pd.Timedelta("1D"), NEXT + pd.Timedelta("20D")], axis=1)
    found = open_grid(save(tmp_path / "a.nc", MONTHS, bounds=wrong), THETA)
    assert "do not hold their stamps" in found.attrs["warnings"]
    assert found.indexes["time"].equals(MONTHS)


def test_stamps_at_the_end_without_bounds_are_doubted_and_can_be_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nc", NEXT)
    assert 'write stamp = "end"' in open_grid(path, THETA).attrs["warnings"]
    found = open_grid(path, THETA, stamp="end")
    assert found.indexes["time"].equals(MONTHS)
    assert "warnings" not in found.attrs
    hours = axis(pd.date_range("2015-01-01 01:00", "2015-01-04 00:00", freq="h"))
    assert stamp_doubt(hours, time_steps(hours)) != ()
    days = axis(pd.date_range("2015-01-02", "2016-01-01"))
    assert stamp_doubt(days, time_steps(days)) != ()
    assert stamp_doubt(axis(MONTHS), time_steps(axis(MONTHS))) == ()


def edges(kind: str) -> pd.DatetimeIndex:
    """First instants of the steps of three whole years, and the instant after the last."""
    last = pd.DatetimeIndex(["2018-01-01"])
    if kind == "dekad":
        days = pd.date_range("2015-01-01", "2018-01-01")
        return days[days.day.isin((1, 11, 21))]
    return year_of(int(kind), 2015).append([year_of(int(kind), y) for y in (2016, 2017)] + [last])


@pytest.mark.parametrize("kind", ["dekad", "8", "16"])
def test_parts_of_a_year_are_found_by_their_middles(kind: str) -> None:
    both = edges(kind)
    middles = (both[:-1] + (both[1:] - both[:-1]) / 2).floor("D")
    found = time_steps(axis(middles))
    assert found.stamp == "middle"
    assert (found.start == both[:-1].to_numpy()).all()
    assert (found.end == both[1:].to_numpy()).all()


@pytest.mark.parametrize("kind", ["dekad", "8", "16"])
def test_parts_of_a_year_stamped_by_the_next_are_doubted(kind: str) -> None:
    late = axis(edges(kind)[1:])
    assert 'stamp = "end"' in stamp_doubt(late, time_steps(late))[0]
    plain = axis(edges(kind)[:-1])
    assert stamp_doubt(plain, time_steps(plain)) == ()


def test_composites_that_begin_half_a_step_after_new_year_are_asked_for() -> None:
    eighth = [pd.date_range(f"{y}-01-09", f"{y}-12-31", freq="16D") for y in (2015, 2016)]
    aqua = axis(eighth[0].append(eighth[1]))
    assert 'stamp = "middle"' in stamp_doubt(aqua, time_steps(aqua))[0]
    assert time_steps(aqua, stamp="start").source == "study file"


@pytest.mark.parametrize(
    "time",
    [
        ("time", np.arange(24), {"units": "months since 2015-01-01"}),
        ("time", np.arange(24) + 0.5, {"units": "months since 2015-01-01 00:00:00"}),
        ("time", np.arange(24), {"units": "Months since 2015-1-1"}),
        ("time", np.arange(24) / 12, {"units": "years since 2015-01-01"}),
        ("time", np.array([f"{m:%Y%m}" for m in MONTHS], dtype=int)),
        ("time", np.array([f"{m:%Y%m}" for m in MONTHS], dtype=int), {"units": "YYYYMM"}),
        ("time", np.array([f"{m:%Y%m%d}" for m in MONTHS], dtype=int)),
        ("time", np.array([f"{m:%Y%m%d}" for m in MONTHS], dtype=float)),
        ("time", np.array([f"{m:%Y%j}" for m in MONTHS], dtype=int)),
        ("time", np.array([f"{m:%Y%m%d}" for m in MONTHS], float), {"units": "day as %Y%m%d.%f"}),
        ("time", 2015 + np.arange(24) / 12),
        ("time", 2015 + (np.arange(24) + 0.5) / 12),
        ("time", np.round(2015 + np.arange(24) / 12, 2)),
        ("time", np.array([m.year + m.month / 100 for m in MONTHS])),
        ("time", [f"{m:%Y-%m-%d}" for m in MONTHS]),
        ("time", [f"{m:%Y%m}" for m in MONTHS]),
        ("time", [f"{m:%Y-%m-%dT00:00:00Z}" for m in MONTHS]),
        ("time", (MONTHS - pd.Timestamp(1900, 1, 1)).days * 24, {"units": "hours since 1900-1-1"}),
        ("time", (MONTHS - pd.Timestamp(1900, 1, 1)).days, {"units": "days since 1900-01-01 UTC"}),
    ],
)
def test_months_are_read_from_every_spelling(tmp_path: Path, time: Any) -> None:
    found = open_grid(save(tmp_path / "a.nc", time), THETA)
    np.testing.assert_array_equal(found["time"], MONTHS)
    np.testing.assert_array_equal(found["time_end"], NEXT)
    np.testing.assert_allclose(found, values(24).astype(found.dtype))


@pytest.mark.parametrize(
    ("time", "labels"),
    [
        (np.arange(1991, 2015), pd.date_range("1991", periods=24, freq="YS")),
        (1991.5 + np.arange(24), pd.date_range("1991", periods=24, freq="YS")),
        (
            2015 + (np.arange(24) + 0.5) / 365,
            pd.date_range("2015-01-01", periods=24),
        ),
    ],
)
def test_years_and_days_are_read_from_numbers(tmp_path: Path, time: Any, labels: Any) -> None:
    found = open_grid(save(tmp_path / "a.nc", ("time", time)), THETA)
    np.testing.assert_array_equal(found["time"], labels)


def test_counts_take_a_first_date_and_a_step(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nc", ("time", np.arange(24)))
    with pytest.raises(TimeAxisError, match=r'time = "2000-01-01/P1M"'):
        open_grid(path, THETA)
    for key, last in {
        "2015-01/P1M": "2016-12-01",
        "2015-01-01/dekad": "2015-08-21",
        "2015-01-01/P8D": "2015-07-04",
        "2015-01-01/PT6H": "2015-01-06T18",
        "2015/P1Y": "2038-01-01",
    }.items():
        found = open_grid(path, THETA, time=key)
        assert found["time"].values[-1] == np.datetime64(last)
    with pytest.raises(TimeAxisError, match="cannot be counted"):
        open_grid(path, THETA, time="2015-01-01/often")


def test_steps_of_a_year_that_the_file_name_says(tmp_path: Path) -> None:
    for steps, name in ((12, "sm_2016.nc"), (366, "sm_2016_day.nc"), (23, "sm_2016_c.nc")):
        data = xr.Dataset(
            {"sm": (("time", "lat", "lon"), values(steps), {"units": "m3 m-3"})},
            {"lat": LAT, "lon": LON},
        )
        data.to_netcdf(tmp_path / name, engine="h5netcdf")
        found = open_grid(tmp_path / name, THETA)
        assert str(found["time"].values[0])[:10] == "2016-01-01"
        assert str(found["time_end"].values[-1])[:10] == "2017-01-01"
        if steps != 23:
            (tmp_path / "counted").mkdir(exist_ok=True)
            path = tmp_path / "counted" / name
            data.assign_coords(time=np.arange(1, steps + 1)).to_netcdf(path, engine="h5netcdf")
            np.testing.assert_array_equal(open_grid(path, THETA)["time"], found["time"])


def test_a_name_with_several_dates_asks_which() -> None:
    assert date_in("CHIRPS_v2.0_201507_p05", None, "f")[0] == pd.Timestamp("2015-07-01")
    assert date_in("MOD13A2.A2015177.h25v05", None, "f")[0] == pd.Timestamp("2015-06-26")
    with pytest.raises(TimeAxisError, match="could have several dates"):
        date_in("sm_2015_2016", None, "f")
    assert date_in("sm_2015_2016", "%Y_", "f")[0] == pd.Timestamp("2015-01-01")


@pytest.mark.parametrize("step", [8, 10, 16])
def test_composites_are_shared_over_the_periods_they_fall_in(step: int) -> None:
    """Means of months from composites are those of the days, to within what a mean can hold."""
    days = pd.date_range("2015-01-01", "2017-12-31")
    wave = xr.DataArray(
        0.3 + 0.25 * np.sin(2 * np.pi * (days.day_of_year - 100) / 365.25),
        {"time": days},
        "time",
        "ndvi",
    )
    starts = axis([d for y in (2015, 2016, 2017) for d in year_of(step, y)])
    number = np.searchsorted(starts.values, days.values, side="right") - 1
    means = wave.groupby(xr.DataArray(number, dims="time", name="g")).mean().values
    composite = xr.DataArray(means, {"time": starts.values}, "time", "ndvi")
    exact = aggregate(wave, "month")["ndvi"]
    found = aggregate(composite, "month")["ndvi"]
    assert found.sizes["time"] == 36
    assert float(abs(found - exact).max()) < 0.0035
    amounts = composite * time_steps(composite).days
    amounts.attrs["total"] = "sum"
    totals = aggregate(amounts, "year")["ndvi"]
    np.testing.assert_allclose(totals, wave.groupby("time.year").sum(), rtol=1e-12)


def test_a_period_keeps_the_steps_whose_middle_it_holds() -> None:
    data = xr.DataArray(np.arange(46.0), {"time": [*year_of(16, 2015), *year_of(16, 2016)]}, "time")
    part = in_period(data, (pd.Timestamp("2015-12-25"), pd.Timestamp("2016-01-20")))
    assert [str(t)[:10] for t in part["time"].values] == ["2015-12-19", "2016-01-01"]


def test_model_months_have_the_days_of_their_calendar(tmp_path: Path) -> None:
    time = xr.DataArray(
        [cftime.DatetimeNoLeap(2016, m, 16) for m in range(1, 13)],
        dims="time",
    )
    data = xr.Dataset(
        {"pr": (("time", "lat", "lon"), np.full((12, 4, 3), 1.0), {"units": "mm d-1"})},
        {"time": time, "lat": LAT, "lon": LON},
    )
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = open_grid(tmp_path / "a.nc", RAIN)
    assert float(found[1, 0, 0]) == 28.0
    assert float(aggregate(found, "year")["precipitation"][0, 0, 0]) == 365.0


@pytest.mark.parametrize(
    ("name", "pattern", "date"),
    [
        ("sm_01-02-2015", "%d-%m-%Y", "2015-02-01"),
        ("CHELSA_pr_03_1980_V.2.1", "pr_%m_%Y", "1980-03-01"),
        ("v20180301_sm_201501", "sm_%Y%m", "2015-01-01"),
        ("sm_2015-06_v20180301", "sm_%Y-%m", "2015-06-01"),
    ],
)
def test_dates_in_names_that_can_be_misread_are_asked(name: str, pattern: str, date: str) -> None:
    with pytest.raises(TimeAxisError, match=r"several dates|in an order"):
        date_in(name, None, "the file")
    assert str(date_in(name, pattern, "the file")[0])[:10] == date


@pytest.mark.parametrize(
    "name",
    ["chirps-v2.0.2015", "CRU_TS4.05.2015", "sm_layer1_2015", "SMAP_L4_2015_v7", "sm_2015_1km"],
)
def test_versions_and_layers_next_to_a_year_are_no_months(name: str) -> None:
    assert date_in(name, None, "the file")[1] == "%Y"


@pytest.mark.parametrize(
    ("name", "amount", "units", "says"),
    [
        ("precipitation", 1.1, "mm", "write units = 'mm d-1'"),
        ("precipitation", 1.1, "mm/month", ""),
        ("precipitation", 35.0, "mm", ""),
        ("precipitation", 350.0, "mm", "write units = '0.1 mm'"),
        ("temperature", 56.4, "C", "degF"),
        ("temperature", 274.0, "C", "write units = 'K'"),
        ("temperature", 31.0, "C", ""),
    ],
)
def test_values_that_hardly_any_land_has_are_doubted(
    name: str, amount: float, units: str, says: str
) -> None:
    values = amount * (1.0 + 0.01 * np.arange(24.0))[:, None, None]
    data = xr.DataArray(values, {"time": MONTHS}, ("time", "y", "x"), attrs={"source_units": units})
    warnings = overview(data, term(name)).warnings
    assert any(says in text for text in warnings) if says else not warnings


def test_amounts_that_are_counted_from_the_start_of_a_year_are_doubted() -> None:
    month = np.array([2, 3, 8, 20, 45, 80, 95, 70, 40, 15, 5, 2.0])
    for amounts, doubted in ((np.cumsum(month), True), (month, False)):
        values = np.tile(amounts, 2)[:, None, None] * np.ones((2, 3))
        data = xr.DataArray(values, {"time": MONTHS}, ("time", "y", "x"))
        told = overview(data, RAIN).warnings
        assert any("take the differences first" in text for text in told) == doubted


def rasters(folder: Path, names: list[str]) -> str:
    for name in names:
        rows = "\n".join("1 2 3" for _ in range(4))
        text = f"ncols 3\nnrows 4\nxllcorner 95\nyllcorner 36\ncellsize 0.1\n{rows}\n"
        (folder / f"{name}.asc").write_text(text)
    return str(folder / "*.asc")


def rain(source: str, **options: Any) -> xr.DataArray:
    return open_grid(source, RAIN, crs=4326, **({"units": "mm"} | options))


def test_two_digits_of_a_year_are_no_year(tmp_path: Path) -> None:
    source = rasters(tmp_path, [f"pre18{month:02d}" for month in range(1, 13)])
    with pytest.raises(TimeAxisError, match="has no date"):
        rain(source)
    read = rain(source, time="%y%m")
    assert str(read.attrs["notes"]).startswith("time: months")
    assert str(read["time"].values[0])[:10] == "2018-01-01"


def test_years_that_may_be_months_are_told(tmp_path: Path) -> None:
    source = rasters(tmp_path, [f"pre{year}" for year in range(2001, 2013)])
    assert 'write time = "%y%m"' in rain(source).attrs["warnings"]
    rasters(tmp_path, ["pre2013"])
    assert "warnings" not in rain(source).attrs


def test_numbered_parts_of_months(tmp_path: Path) -> None:
    days = [(month, part) for month in (1, 2, 3) for part in range(1, 7)]
    source = rasters(tmp_path, [f"chirps-v2.0.2018.{m:02d}.{p}" for m, p in days])
    with pytest.raises(TimeAxisError, match=r"%Y\.%m\.\{pentad\}"):
        rain(source)
    read = rain(source, time="%Y.%m.{pentad}", units="mm/pentad")
    assert "time: pentads" in read.attrs["notes"]
    assert str(read["time_end"].values[-1])[:10] == "2018-04-01"


def test_months_lost_from_some_years_are_told(tmp_path: Path) -> None:
    lost = pd.DatetimeIndex(["2015-08-01", "2015-09-01", "2016-08-01"])
    months = pd.date_range("2015-01-01", periods=36, freq="MS").difference(lost)
    assert gap_doubt(time_steps(axis(months)))[0].startswith("there are no values from 2015-08-01")
    summers = pd.date_range("2015-01-01", periods=36, freq="MS")
    assert gap_doubt(time_steps(axis(summers[summers.month.isin(range(5, 10))]))) == ()


@pytest.mark.parametrize(("calendar", "days"), [("360_day", 360), ("noleap", 365)])
def test_a_year_has_the_days_of_its_calendar(calendar: str, days: int) -> None:
    times = xr.date_range("2015-01-01", periods=2 * days, calendar=calendar, use_cftime=True)
    data = xr.DataArray(np.ones((2 * days, 2, 2)), {"time": times}, ("time", "y", "x"))
    assert overview(data, RAIN).text == f"{days} mm a year"


def test_a_unit_whose_factor_the_file_applies_itself_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nc", ("time", MONTHS), units="0.1 mm", scale_factor=0.1)
    assert "both were applied" in open_grid(path, RAIN).attrs["warnings"]
    assert "both were" not in open_grid(path, RAIN, units="mm").attrs.get("warnings", "")


@pytest.mark.parametrize(
    ("name", "form", "date"),
    [
        ("sm_2015_Apr", "%Y_%b", "2015-04-01"),
        ("smMay2015", "%b%Y", "2015-05-01"),
        ("sm_12-Mar-2015", "%d-%b-%Y", "2015-03-12"),
        ("sm_2015_September_v2", "%Y_%b", "2015-09-01"),
        ("SMApr2015", "%b%Y", "2015-04-01"),
        ("sm_8-Apr-2015", "%d-%b-%Y", "2015-04-08"),
        ("sm_2015-Apr-5", "%Y-%b-%d", "2015-04-05"),
        ("sm_Apr_25_2015", "%b_%d_%Y", "2015-04-25"),
        ("sm_Mai_2015", "%b_%Y", "2015-05-01"),
        ("sm_2015_avril", "%Y_%b", "2015-04-01"),
        ("août2015", "%b%Y", "2015-08-01"),
        ("sm_2015_十一月", "%Y_%b", "2015-11-01"),
        ("sm_2015-01-05_dec", "%Y-%m-%d", "2015-01-05"),
    ],
)
def test_months_called_by_their_names_are_read(name: str, form: str, date: str) -> None:
    found, used = date_in(name, None, "the file")
    assert (str(found)[:10], used) == (date, form)
    assert date_in(name, form, "the file")[0] == found


def test_dates_in_chinese_are_read() -> None:
    assert date_in("土壤水_2015年4月", None, "f")[0] == pd.Timestamp("2015-04-01")
    assert date_in("2015年12月3日", None, "f")[0] == pd.Timestamp("2015-12-03")
    assert date_in("2015年4月", "%Y年%m月", "f")[0] == pd.Timestamp("2015-04-01")


@pytest.mark.parametrize("name", ["2015_marsh", "decade_2015", "wrfout_d01_2015", "M2T1_2015"])
def test_a_word_that_begins_like_a_month_is_none(name: str) -> None:
    assert date_in(name, None, "the file")[1] == "%Y"


@pytest.mark.parametrize(
    "name",
    [
        *("sm_JJA_2015", "sm_2015_Q2", "sm_2015w12", "sm_2015m04", "sm_2015_doy132", "2015年春"),
        *("ndvi_apr_250m_2015", "summer_2015", "sm_dec_2014_nov_2015", "sm_jun_jul_2015"),
        *("sm_may_2015_06", "sm_4月_2015"),
    ],
)
def test_a_part_of_the_year_next_to_a_date_is_asked_about(name: str) -> None:
    with pytest.raises(TimeAxisError, match="in an order"):
        date_in(name, None, "the file")
    assert date_in(name, "%Y", "the file")[0].month == 1


def test_maps_of_a_year_are_not_taken_for_its_january(tmp_path: Path) -> None:
    for name in ("sm_2015.nc", "sm_2015_04.nc", "sm_2015_05.nc"):
        data = xr.Dataset(
            {"sm": (("lat", "lon"), np.full((4, 3), 0.2), {"units": "m3 m-3"})},
            {"lat": LAT, "lon": LON},
        )
        data.to_netcdf(tmp_path / name, engine="h5netcdf")
    with pytest.raises(TimeAxisError, match=r"sm_2015\.nc read as the year of 2015-01-01"):
        open_grid(str(tmp_path / "sm_*.nc"), THETA)
    assert open_grid(str(tmp_path / "sm_2015_*.nc"), THETA).sizes["time"] == 2


def test_the_keys_that_a_refusal_of_names_offers_are_taken(tmp_path: Path) -> None:
    for number, name in enumerate(("2015_JJA", "2016_JJA", "mars_2015", "set_2015")):
        data = xr.Dataset(
            {"sm": (("lat", "lon"), np.full((4, 3), 0.1 * number), {"units": "m3 m-3"})},
            {"lat": LAT, "lon": LON},
        )
        data.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    with pytest.raises(TimeAxisError, match='"%Y" if it is the year alone'):
        open_grid(str(tmp_path / "*JJA.nc"), THETA)
    summers = open_grid(str(tmp_path / "*JJA.nc"), THETA, time="%Y")
    assert [str(time)[:4] for time in summers["time"].values] == ["2015", "2016"]
    months = open_grid(str(tmp_path / "*2015.nc"), THETA, time="%b_%Y")
    assert [str(time)[:7] for time in months["time"].values] == ["2015-03", "2015-09"]


@pytest.mark.parametrize("clock", ["%H:%M:%S", "%H_%M_%S"])
def test_times_of_wrf_keep_their_hours(tmp_path: Path, clock: str) -> None:
    times = pd.date_range("2015-01-01", periods=8, freq="6h")
    letters = [list(f"{time:%Y-%m-%d}_{time.strftime(clock)}") for time in times]
    with netCDF4.Dataset(tmp_path / "wrfout.nc", "w") as file:
        sizes = {"Time": None, "DateStrLen": 19, "south_north": 3, "west_east": 4}
        for name, size in sizes.items():
            file.createDimension(name, size)
        file.createVariable("Times", "S1", ("Time", "DateStrLen"))[:] = np.array(letters, "S1")
        lat, lon = np.meshgrid(36 + 0.1 * np.arange(3), 98 + 0.1 * np.arange(4), indexing="ij")
        for name, values, units in (
            ("XLAT", np.broadcast_to(lat, (8, 3, 4)), "degree_north"),
            ("XLONG", np.broadcast_to(lon, (8, 3, 4)), "degree_east"),
            ("RAINNC", np.ones((8, 3, 4)), "mm"),
        ):
            variable = file.createVariable(name, "f4", ("Time", "south_north", "west_east"))
            variable[:], variable.units = values, units
    found = open_grid(tmp_path / "wrfout.nc", RAIN, variable="RAINNC")
    assert list(found["time"].values) == list(times.to_numpy())
