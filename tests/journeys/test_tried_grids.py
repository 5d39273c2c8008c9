"""Files of the field on which the product once gave wrong numbers: each with the right value.

The files are made here, in the layouts that people report trouble with; nothing of them is copied.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters import STEPS
from headwater.errors import ProblemsError
from headwater.grids import read_area, study_grid, write_geotiff
from headwater.grids.geometry import grid_coords
from headwater.study import read_study, run
from headwater.study.checks import survey

LAT = ("lat", 36.05 + 0.1 * np.arange(6), {"units": "degrees_north"})
LON = ("lon", 95.05 + 0.1 * np.arange(5), {"units": "degrees_east"})
MONTHS = pd.date_range("2001-01-01", periods=120, freq="MS")
NEXT = MONTHS + pd.offsets.MonthBegin(1)
RNG = np.random.default_rng(4)
WARM = 20 + 40 * np.exp(-(((np.arange(120) % 12 - 6) / 1.5) ** 2))
RAIN = WARM[:, None, None] + RNG.normal(0, 5, (120, 6, 5)).clip(-15)
THETA = 0.15 + 0.001 * (RAIN - RAIN.mean(0)) + RNG.normal(0, 0.002, RAIN.shape)


def save(path: Path, name: str, values: Any, time: Any, bounds: Any = None, **attrs: Any) -> None:
    data = xr.Dataset(
        {name: (("time", "lat", "lon"), np.asarray(values), attrs)},
        {"time": time, "lat": LAT, "lon": LON},
    )
    if bounds is not None:
        data["time"].attrs["bounds"] = "time_bnds"
        data["time"].encoding["units"] = "days since 2000-01-01"
        data["time_bnds"] = (("time", "nv"), bounds)
    data.to_netcdf(path, engine="h5netcdf")


def study(folder: Path, inputs: str, tables: str = "[variation]\n", name: str = "study") -> Any:
    file = folder / f"{name}.toml"
    head = f'[study]\nname = "{name}"\nresults = "r_{name}"\ngrowing_season = [5, 9]\n'
    file.write_text(f"{head}{inputs}{tables}")
    return read_study(file, STEPS)


def one(name: str, path: str, more: str = "") -> str:
    return f'[inputs.{name}]\npath = "{path}"\n{more}'


def computed(asked: Any) -> tuple[list[str], pd.DataFrame]:
    found = survey(asked, STEPS)
    assert found.problems == ()
    run(asked, STEPS)
    return list(found.lines()), pd.read_csv(asked.results / "variation" / "summary.csv")


def value(table: pd.DataFrame, statistic: str = "mean", period: str = "year") -> float:
    rows = table[(table["statistic"] == statistic) & (table["period"] == period)]
    return float(rows["value"].iloc[0])


def test_months_stamped_at_their_end_are_the_months_of_their_bounds(tmp_path: Path) -> None:
    save(tmp_path / "start.nc", "sm", THETA, MONTHS, units="m3 m-3")
    bounds = np.stack([MONTHS, NEXT], axis=1)
    save(tmp_path / "end.nc", "sm", THETA, NEXT, bounds, units="m3 m-3")
    save(tmp_path / "p.nc", "pre", RAIN, MONTHS, units="mm")
    tables = "[variation]\n[correlation]\nlongest_lag = 2\n"
    found = {}
    for name in ("start", "end"):
        inputs = one("soil_moisture", f"{name}.nc") + one("precipitation", "p.nc")
        asked = study(tmp_path, inputs, tables, name)
        found[name] = computed(asked)[1]
        cycle = pd.read_csv(asked.results / "variation" / "soil_moisture-cycle.csv")
        assert int(cycle.loc[cycle["mean"].idxmax(), "month"]) == 7
        maps = xr.open_dataset(asked.results / "correlation" / "with-precipitation.nc")
        assert float(maps["anomaly_r"].median()) > 0.9
    pd.testing.assert_frame_equal(found["start"], found["end"])


def test_sixteen_days_are_shared_over_the_months_they_fall_in(tmp_path: Path) -> None:
    days = pd.date_range("2015-01-01", "2017-12-31")
    wave = 0.4 + 0.25 * np.sin(2 * np.pi * (days.day_of_year - 105) / 365.25)
    starts = pd.DatetimeIndex(
        [d for y in (2015, 2016, 2017) for d in pd.date_range(f"{y}", f"{y}-12-31", freq="16D")]
    )
    number = np.searchsorted(starts, days, side="right") - 1
    means = pd.Series(wave).groupby(number).mean().to_numpy()
    noise = np.random.default_rng(1).normal(0, 1e-4, (1, 6, 5))
    save(tmp_path / "n.nc", "ndvi", means[:, None, None] + noise, starts, units="1")
    asked = study(tmp_path, one("ndvi", "n.nc"))
    computed(asked)
    monthly = xr.open_zarr(asked.results / "variation" / "ndvi-month.zarr")["ndvi"]
    exact = pd.Series(wave, days).resample("MS").mean().to_numpy()
    assert monthly.sizes["time"] == 36
    assert float(np.abs(monthly.mean(("y", "x")).values - exact).max()) < 0.0035


def test_yearly_input_beside_monthly_is_correlated_by_years(tmp_path: Path) -> None:
    years = pd.date_range("2001-01-01", periods=10, freq="YS")
    save(tmp_path / "sm.nc", "sm", THETA, MONTHS, units="m3 m-3")
    yearly = THETA.reshape(10, 12, 6, 5).mean(axis=1) * 2
    save(tmp_path / "n.nc", "ndvi", yearly, years, units="1")
    inputs = one("soil_moisture", "sm.nc") + one("ndvi", "n.nc")
    asked = study(tmp_path, inputs, "[variation]\n[correlation]\n")
    computed(asked)
    maps = xr.open_dataset(asked.results / "correlation" / "with-ndvi.nc")
    assert float(maps["r"].min()) > 0.98  # but for the lengths of months
    alone = study(tmp_path, one("ndvi", "n.nc"), name="alone")
    lines, table = computed(alone)
    assert any("years, stamped at the start" in line for line in lines)
    assert value(table) == pytest.approx(float(yearly.mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ("[variation]\n", "no variable changes in time"),
        ("[detector]\ndraws = 99\n", "no cell with enough data in months 5 to 9"),
    ],
)
def test_what_cannot_be_computed_is_predicted(tmp_path: Path, tables: str, words: str) -> None:
    steps = 1 if "variation" in tables else 4
    save(tmp_path / "sm.nc", "sm", THETA[:steps], MONTHS[:steps], units="m3 m-3")
    save(tmp_path / "n.nc", "ndvi", RAIN[:1] / 100, MONTHS[:1], units="1")
    inputs = one("soil_moisture", "sm.nc") + (one("ndvi", "n.nc") if steps > 1 else "")
    found = survey(study(tmp_path, inputs, tables), STEPS)
    assert any(words in str(problem) for problem in found.problems)
    with pytest.raises(ProblemsError):
        run(study(tmp_path, inputs, tables), STEPS)


def test_hourly_accumulations_and_monthly_means_of_era5_land(tmp_path: Path) -> None:
    hours = pd.date_range("2015-01-01", "2016-12-31 23:00", freq="h")
    hour = np.where(hours.hour == 0, 24, hours.hour)
    running = (hour / 24e3)[:, None, None] * (1 + 0.01 * RNG.normal(size=(1, 6, 5)))
    save(tmp_path / "h.nc", "tp", running.astype("f4"), hours, units="m", GRIB_stepType="accum")
    monthly = np.full((120, 6, 5), 1e-3, "f4") * (1 + 0.01 * RNG.normal(size=(1, 6, 5)))
    save(tmp_path / "m.nc", "tp", monthly, MONTHS, units="m", GRIB_stepType="avgad")
    for name in ("h", "m"):
        lines, table = computed(study(tmp_path, one("precipitation", f"{name}.nc"), name=name))
        assert value(table) == pytest.approx(365.4, rel=0.01)
        assert any("mm a year" in line for line in lines)


@pytest.mark.parametrize(
    ("attrs", "key", "warned"),
    [
        ({"valid_range": np.array([0, 6500], "i2")}, "", False),
        ({"valid_max": np.int16(6500)}, "", False),
        ({"_FillValue": np.int16(9990)}, "", False),
        ({"missing_value": np.int16(9990)}, "", False),
        ({}, "missing = 9990\n", False),
        ({}, "valid = [0, 6500]\n", False),
        ({}, "", True),
    ],
)
def test_fills_are_never_values(tmp_path: Path, attrs: Any, key: str, warned: bool) -> None:
    stored = np.round(THETA * 1e4).astype("i2")
    stored[:, 0, :2] = 9990
    save(tmp_path / "a.nc", "sm", stored, MONTHS, units="m3 m-3", scale_factor=1e-4, **attrs)
    found = survey(study(tmp_path, one("soil_moisture", "a.nc", key)), STEPS)
    asked = [word for word in found.warnings if "missing = 9990" in word]
    assert bool(asked) is warned
    if not warned:
        table = computed(study(tmp_path, one("soil_moisture", "a.nc", key)))[1]
        expected = THETA.reshape(120, 30)[:, 2:].mean()
        assert value(table) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("fill", [-0.3, 0.0, 1.0])
def test_a_repeated_value_at_the_edge_of_rasters_is_reported(tmp_path: Path, fill: float) -> None:
    grid = study_grid(resolution=0.1, area=read_area((95, 36, 95.5, 36.6)))
    for month in range(1, 13):
        values = THETA[month - 1].copy()
        values[:2, :2] = fill
        data = xr.DataArray(values, dims=("y", "x"), coords=grid_coords(grid))
        write_geotiff(data, tmp_path / f"n_2015-{month:02d}.tif")
    inputs = one("ndvi", "n_*.tif", 'units = "1"\n')
    found = survey(study(tmp_path, inputs), STEPS)
    assert any(f"write missing = {fill:g}" in word for word in found.warnings)
    mended = one("ndvi", "n_*.tif", f'units = "1"\nmissing = {fill}\n')
    assert survey(study(tmp_path, mended), STEPS).warnings == ()


def test_grids_of_arc_minutes_run(tmp_path: Path) -> None:
    lat = 90 - (np.arange(4320) + 0.5) / 24
    lon = -180 + (np.arange(8640) + 0.5) / 24
    lat, lon = lat[(lat > 36.4) & (lat < 38)], lon[(lon > 94.9) & (lon < 97.2)]
    data = xr.DataArray(
        np.random.default_rng(1).uniform(0.1, 0.3, (24, lat.size, lon.size)).astype("f4"),
        dims=("time", "lat", "lon"),
        name="sm",
        attrs={"units": "m3 m-3"},
        coords={
            "time": pd.date_range("2020-01-31", periods=24, freq="ME"),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )
    data.to_netcdf(tmp_path / "sm.nc", engine="h5netcdf")
    table = computed(study(tmp_path, one("soil_moisture", "sm.nc")))[1]
    assert value(table) == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("path = good.nc", 'Put text in quotes: path = "good.nc"'),
        (
            'path = "C:\\data\\good.nc"',
            'Write paths with forward slashes: path = "C:/data/good.nc"',
        ),
    ],
)
def test_a_line_that_is_not_toml_is_mended_in_the_message(
    tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f'[study]\nname = "M"\n[inputs.soil_moisture]\n{line}\n')
    with pytest.raises(ProblemsError) as caught:
        read_study(file, STEPS)
    assert words in str(caught.value)


def test_exchanged_axes_and_undeclared_fills_are_named(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"sm": (("time", "lon", "lat"), THETA, {"units": "m3 m-3"})},
        {
            "time": MONTHS,
            "lon": ("lon", LAT[1], {"units": "degrees_east"}),
            "lat": ("lat", LON[1], {"units": "degrees_north"}),
        },
    )
    data.to_netcdf(tmp_path / "swapped.nc", engine="h5netcdf")
    found = survey(study(tmp_path, one("soil_moisture", "swapped.nc")), STEPS)
    assert "'lat' holds longitudes and 'lon' latitudes: taken so" in " ".join(found.warnings)
    assert tuple(found.grid.shape) == (6, 5)
    voids = THETA.copy()
    voids[:, ::2] = -9999
    save(tmp_path / "void.nc", "sm", voids, MONTHS, units="m3 m-3")
    problem = str(survey(study(tmp_path, one("soil_moisture", "void.nc")), STEPS).problems[0])
    assert "[inputs.soil_moisture] (void.nc)" in problem
    assert "missing = [-9999]" in problem


def test_a_second_study_leaves_the_results_of_the_first(tmp_path: Path) -> None:
    save(tmp_path / "sm.nc", "sm", THETA, MONTHS, units="m3 m-3")
    first = study(tmp_path, one("soil_moisture", "sm.nc"), name="a")
    run(first, STEPS)
    text = (tmp_path / "a.toml").read_text().replace("[variation]\n", "")
    (tmp_path / "b.toml").write_text(text)
    second = read_study(tmp_path / "b.toml", STEPS)
    assert "holds the results of another study" in str(survey(second, STEPS).problems[0])
    with pytest.raises(Exception, match="holds the results of another study"):
        run(second, STEPS)
    assert (first.results / "variation" / "summary.csv").exists()


def test_a_study_that_is_refused_claims_no_folder(tmp_path: Path) -> None:
    save(tmp_path / "sm.nc", "sm", THETA, MONTHS, units="m3 m-3")
    save(tmp_path / "void.nc", "sm", THETA - 5, MONTHS, units="m3 m-3")
    text = '[study]\nname = "M"\n[variation]\n[inputs.soil_moisture]\n'
    for name in ("void", "sm"):
        (tmp_path / f"{name}.toml").write_text(f'{text}path = "{name}.nc"\n')
    with pytest.raises(ProblemsError):
        run(read_study(tmp_path / "void.toml", STEPS), STEPS)
    run(read_study(tmp_path / "sm.toml", STEPS), STEPS)
    assert (tmp_path / "results" / "variation" / "summary.csv").exists()


@pytest.mark.parametrize(("calendar", "freq"), [("noleap", "D"), ("360_day", "MS")])
def test_calendars_are_brought_together_by_date(tmp_path: Path, calendar: str, freq: str) -> None:
    axis = {"start": "2001-01-01", "calendar": calendar, "use_cftime": True}
    days = xr.date_range(end="2010-12-30", freq=freq, **axis)
    month = np.array([12 * (day.year - 2001) + day.month - 1 for day in days])
    save(tmp_path / "model.nc", "t", RAIN[month] / 4, days, units="degC")
    save(tmp_path / "sm.nc", "sm", THETA, MONTHS, units="m3 m-3")
    inputs = one("soil_moisture", "sm.nc") + one("temperature", "model.nc")
    asked = study(tmp_path, inputs, "[variation]\n[correlation]\nlongest_lag = 0\n")
    lines, table = computed(asked)
    assert any(f"calendar {calendar} brought to the standard one" in line for line in lines)
    rows = table[table["variable"] == "temperature"]
    weights = MONTHS.days_in_month.to_numpy()
    yearly = (RAIN.mean(axis=(1, 2)) / 4 * weights).reshape(10, 12).sum(1)
    expected = (yearly / weights.reshape(10, 12).sum(1)).mean()
    assert value(rows) == pytest.approx(expected, rel=1e-3)
    maps = xr.open_dataset(asked.results / "correlation" / "with-temperature.nc")
    assert float(maps["anomaly_r"].median()) > 0.9


def test_dates_that_no_other_calendar_has_are_refused(tmp_path: Path) -> None:
    days = xr.date_range("2001-01-01", periods=720, calendar="360_day", use_cftime=True)
    save(tmp_path / "model.nc", "t", np.resize(RAIN, (720, 6, 5)), days, units="degC")
    save(tmp_path / "sm.nc", "sm", THETA, MONTHS, units="m3 m-3")
    inputs = one("soil_moisture", "sm.nc") + one("temperature", "model.nc")
    found = survey(study(tmp_path, inputs), STEPS)
    assert any("2001-02-29" in str(problem) for problem in found.problems)


def test_a_climatology_is_a_mean_year(tmp_path: Path) -> None:
    spans = np.stack([MONTHS[:12] - pd.DateOffset(years=30), NEXT[:12]], axis=1)
    save(tmp_path / "c.nc", "pre", RAIN[:12], MONTHS[:12], spans, units="mm")
    with xr.open_dataset(tmp_path / "c.nc", decode_cf=False) as file:
        data = file.load()
    data["time"].attrs["climatology"] = data["time"].attrs.pop("bounds")
    data.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    found = survey(study(tmp_path, one("precipitation", "c.nc")), STEPS)
    assert any("a mean year" in word for word in found.warnings)
    total = RAIN[:12].mean(axis=(1, 2)).sum()
    assert any(f"{total:.3g}"[:2] in line for line in found.lines() if "mm a year" in line)


def test_months_that_are_not_there_make_no_year(tmp_path: Path) -> None:
    summer = np.isin(MONTHS.month, range(4, 11))
    save(tmp_path / "p.nc", "pre", RAIN[summer], MONTHS[summer], units="mm")
    found = survey(study(tmp_path, one("precipitation", "p.nc")), STEPS)
    assert any("those with data (4, 5, 6, 7, 8, 9, 10)" in line for line in found.lines())


def test_saturation_is_no_soil_moisture(tmp_path: Path) -> None:
    saturation = np.clip(THETA * 400, 0, 100)
    save(tmp_path / "s.nc", "ssm", saturation, MONTHS, units="%")
    found = survey(study(tmp_path, one("soil_moisture", "s.nc")), STEPS)
    assert any("more than the pores of mineral soil hold" in word for word in found.warnings)
