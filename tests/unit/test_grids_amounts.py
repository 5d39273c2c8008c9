"""Amounts, rates and running sums of water: a year's total is the same, however it is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.glossary import term
from headwater.grids import open_grid
from headwater.variation import aggregate

RAIN, RADIATION, WARMTH = map(term, ("precipitation", "net_radiation", "temperature"))
LAT = ("lat", 36.05 + 0.1 * np.arange(3), {"units": "degrees_north"})
LON = ("lon", 95.05 + 0.1 * np.arange(3), {"units": "degrees_east"})
MONTHS = pd.date_range("2015-01-01", periods=24, freq="MS")
DAYS = MONTHS.days_in_month.to_numpy(float)[:, None, None]
DAILY = np.random.default_rng(5).gamma(1.0, 1.0, (731, 3, 3))


def save(path: Path, values: np.ndarray, times: Any, name: str = "pr", **attrs: Any) -> Path:
    data = xr.Dataset(
        {name: (("time", "lat", "lon"), values, attrs)}, {"time": times, "lat": LAT, "lon": LON}
    )
    data.to_netcdf(path, engine="h5netcdf")
    return path


def years(path: Path, **options: Any) -> np.ndarray:
    found = aggregate(open_grid(path, RAIN, **options), "year", min_coverage=0.99)
    return found["precipitation"].values[:, 0, 0]


@pytest.mark.parametrize(
    ("units", "per_day"),
    [
        ("mm d-1", 1.0),
        ("mm/day", 1.0),
        ("kg m-2 s-1", 1 / 86400),
        ("m s**-1", 1e-3 / 86400),
        ("mm/month", DAYS),
        ("Kg/m^2 month-1", DAYS),
        ("0.1 mm/month", DAYS * 10),
        ("mm/year", 365 + (MONTHS.year == 2016).astype(float)[:, None, None]),
        ("mm", DAYS),
        ("cm", DAYS / 10),
        ("inch/day", 1 / 25.4),
    ],
)
def test_a_millimetre_a_day_is_one_in_every_unit(tmp_path: Path, units: str, per_day: Any) -> None:
    values = np.ones((24, 3, 3)) * per_day
    found = years(save(tmp_path / "a.nc", values, MONTHS, units=units))
    np.testing.assert_allclose(found, [365.0, 366.0], rtol=1e-6)


def test_a_sum_over_eight_days_is_one_in_the_short_last_step_too(tmp_path: Path) -> None:
    starts = pd.DatetimeIndex(
        [d for y in (2015, 2016) for d in pd.date_range(f"{y}-01-01", f"{y}-12-31", freq="8D")]
    )
    lengths = np.where(starts.day_of_year > 360, [5.0 + (y == 2016) for y in starts.year], 8)
    values = np.ones((starts.size, 3, 3)) * lengths[:, None, None]
    found = years(save(tmp_path / "a.nc", values, starts, units="kg/m^2/8day"))
    np.testing.assert_allclose(found, [365.0, 366.0])


def test_monthly_means_of_daily_amounts(tmp_path: Path) -> None:
    metres = np.full((24, 3, 3), 1e-3)
    declared = save(tmp_path / "a.nc", metres, MONTHS, "tp", units="m", GRIB_stepType="avgad")
    np.testing.assert_allclose(years(declared), [365.0, 366.0], rtol=1e-6)
    assert "average day" in open_grid(declared, RAIN).attrs["notes"]
    bare = save(tmp_path / "b.nc", metres, MONTHS, "tp", units="m")
    assert 'units = "m d-1"' in open_grid(bare, RAIN).attrs["warnings"]
    np.testing.assert_allclose(years(bare, units="m d-1"), [365.0, 366.0], rtol=1e-6)
    cmor = save(
        tmp_path / "c.nc",
        metres * 1e3,
        MONTHS,
        units="mm",
        cell_methods="time: mean (interval: 1 day)",
    )
    np.testing.assert_allclose(years(cmor), [365.0, 366.0], rtol=1e-6)
    doubtful = save(tmp_path / "d.nc", metres, MONTHS, units="mm", cell_methods="time: mean")
    assert "mean over time" in open_grid(doubtful, RAIN).attrs["warnings"]


def test_accumulations_since_midnight_become_amounts(tmp_path: Path) -> None:
    days = np.repeat(DAILY[:10], 24, axis=0) / 24.0
    running = np.cumsum(days.reshape(10, 24, 3, 3), axis=1).reshape(240, 3, 3) / 1e3
    stamps = pd.date_range("2015-01-01 01:00", periods=240, freq="h")
    path = save(
        tmp_path / "a.nc",
        running,
        stamps,
        "tp",
        units="m",
        GRIB_stepType="accum",
    )
    cube = open_grid(path, RAIN)
    np.testing.assert_allclose(cube, days, atol=1e-5)
    assert str(cube["time"].values[0])[:16] == "2015-01-01T00:00"
    daily = aggregate(cube, "day")["precipitation"]
    np.testing.assert_allclose(daily, DAILY[:10], rtol=1e-4)
    # a file that begins at midnight has the whole of a day whose other hours it lacks
    late = save(
        tmp_path / "b.nc", running[23:], stamps[23:], "tp", units="m", GRIB_stepType="accum"
    )
    assert str(open_grid(late, RAIN)["time"].values[0])[:16] == "2015-01-02T00:00"
    np.testing.assert_allclose(open_grid(late, RAIN), days[24:], atol=1e-5)


def test_hourly_amounts_stand_at_the_end_of_their_hour(tmp_path: Path) -> None:
    hourly = np.random.default_rng(2).gamma(1.0, 1e-4, (240, 3, 3))
    stamps = pd.date_range("2015-01-01 01:00", periods=240, freq="h")
    path = save(tmp_path / "a.nc", hourly, stamps, "tp", units="m", GRIB_stepType="accum")
    cube = open_grid(path, RAIN)
    np.testing.assert_allclose(cube, hourly * 1e3, rtol=1e-5)
    assert str(cube["time"].values[0])[:16] == "2015-01-01T00:00"


def test_energy_becomes_a_flux(tmp_path: Path) -> None:
    joules = np.full((24, 3, 3), 100.0 * 86400)
    path = save(tmp_path / "a.nc", joules * DAYS, MONTHS, "ssr", units="J m**-2")
    np.testing.assert_allclose(open_grid(path, RADIATION), 100.0, rtol=1e-6)


@pytest.mark.parametrize("units", ["0.1℃", "0.1 degC", "0.1 degrees C"])
def test_tenths_of_degrees(tmp_path: Path, units: str) -> None:
    stored = np.full((24, 3, 3), -165, dtype="int16")
    stored[:, 0, 0] = -32768
    path = save(tmp_path / "a.nc", stored, MONTHS, "tmp", units=units, _FillValue=np.int16(-32768))
    found = open_grid(path, WARMTH)
    np.testing.assert_allclose(found[:, 1, 1], -16.5, rtol=1e-6)
    assert np.isnan(found[:, 0, 0]).all()
