"""Products whose files must be told what their numbers mean, in the layouts of their stores."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import InputError, StudyError
from headwater.grids import read_area, study_grid, write_geotiff
from headwater.grids.geometry import grid_coords
from headwater.grids.products import read_product
from headwater.grids.products.catalogue import PRODUCTS
from headwater.grids.products.gridded import GRIDDED
from headwater.variation import aggregate

MONTHS = pd.date_range("2015-01-01", periods=24, freq="MS")
DAYS = MONTHS.days_in_month.to_numpy(float)
LAT, LON = 37.0 - 0.1 * np.arange(3), 95.0 + 0.1 * np.arange(4)


def save(
    path: Path, name: str, values: np.ndarray, times: Any, *, new: bool = False, **attrs: Any
) -> Path:
    """Write a file as the old store of Copernicus does, or as the new one."""
    time = "valid_time" if new else "time"
    data = xr.Dataset(
        {name: ((time, "latitude", "longitude"), values, attrs)},
        {
            time: times,
            "latitude": ("latitude", LAT, {"units": "degrees_north"}),
            "longitude": ("longitude", LON, {"units": "degrees_east"}),
        },
    )
    if new:
        data = data.assign_coords(number=0, expver=(time, np.array(["0001"] * len(times))))
        data[time].encoding["units"] = "seconds since 1970-01-01"
    data.to_netcdf(path, engine="h5netcdf")
    return path


def cells(series: np.ndarray, dtype: str = "f4") -> np.ndarray:
    return (np.asarray(series, float)[:, None, None] * np.ones((1, 3, 4))).astype(dtype)


def yearly(cube: xr.Dataset, name: str) -> np.ndarray:
    return aggregate(cube[name], "year", min_coverage=0.99)[name].values[:, 0, 0]


@pytest.mark.parametrize("new", [False, True])
def test_monthly_means_of_era5_land_are_those_of_a_day(tmp_path: Path, new: bool) -> None:
    path = save(tmp_path / "a.nc", "tp", cells(np.full(24, 1e-3)), MONTHS, new=new, units="m")
    cube = read_product("era5-land-monthly-precipitation", path)
    np.testing.assert_allclose(yearly(cube, "precipitation"), [365.0, 366.0], rtol=1e-5)


def test_evaporation_of_ecmwf_is_counted_downwards(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.nc", "e", cells(np.full(24, -1e-3)), MONTHS, units="m of water equivalent"
    )
    cube = read_product("era5-land-monthly-evapotranspiration", path)
    np.testing.assert_allclose(yearly(cube, "evapotranspiration"), [365.0, 366.0], rtol=1e-5)


@pytest.mark.parametrize("accum", ["accum", ""])
def test_hours_of_era5_land_and_of_era5(tmp_path: Path, accum: str) -> None:
    rng = np.random.default_rng(4)
    hourly = rng.gamma(0.5, 2e-4, 240)
    stamps = pd.date_range("2015-01-01 01:00", periods=240, freq="h")
    running = np.cumsum(hourly.reshape(10, 24), axis=1).ravel()
    attrs = {"units": "m"} | ({"GRIB_stepType": accum} if accum else {})
    land = save(tmp_path / "land.nc", "tp", cells(running, "f8"), stamps, **attrs)
    era5 = save(tmp_path / "era5.nc", "tp", cells(hourly, "f8"), stamps, **attrs)
    one = read_product("era5-land-hourly-precipitation", land)["precipitation"]
    other = read_product("era5-hourly-precipitation", era5)["precipitation"]
    np.testing.assert_allclose(one[:, 0, 0], hourly * 1e3, atol=1e-6)
    np.testing.assert_allclose(other[:, 0, 0], hourly * 1e3, atol=1e-6)
    np.testing.assert_array_equal(one["time"], stamps - pd.Timedelta("1h"))
    np.testing.assert_array_equal(other["time"], one["time"])


def test_final_and_preliminary_months_are_joined(tmp_path: Path) -> None:
    values = np.full((24, 2, 3, 4), np.nan, "f4")
    values[:20, 0], values[20:, 1] = 280.0, 290.0
    data = xr.Dataset(
        {"t2m": (("time", "expver", "latitude", "longitude"), values, {"units": "K"})},
        {
            "time": MONTHS,
            "expver": [1, 5],
            "latitude": ("latitude", LAT, {"units": "degrees_north"}),
            "longitude": ("longitude", LON, {"units": "degrees_east"}),
        },
    )
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read_product("era5-monthly-temperature", tmp_path / "a.nc")["temperature"]
    np.testing.assert_allclose(found[[0, 23], 0, 0], [6.85, 16.85], atol=1e-4)


@pytest.mark.parametrize(
    ("product", "variable", "stored", "attrs", "quantity", "expected"),
    [
        ("chirps-monthly-", "precip", DAYS, {"units": "mm/month"}, "precipitation", 365.0),
        ("terraclimate-", "ppt", DAYS * 10, {"scale_factor": 0.1}, "precipitation", 365.0),
        ("china-1km-", "pre", DAYS * 10, {"units": "0.1mm"}, "precipitation", 365.0),
        ("gleam-monthly-", "E", DAYS, {"units": "mm/month"}, "evapotranspiration", 365.0),
        ("worldclim-monthly-", "prec", DAYS, {}, "precipitation", 365.0),
    ],
)
def test_monthly_totals(
    tmp_path: Path,
    product: str,
    variable: str,
    stored: Any,
    attrs: Any,
    quantity: str,
    expected: float,
) -> None:
    path = save(tmp_path / "a.nc", variable, cells(stored, "i4"), MONTHS, **attrs)
    name = "chirps-monthly" if "chirps" in product else f"{product}{quantity}"
    found = yearly(read_product(name, path), quantity)
    np.testing.assert_allclose(found, [expected, expected + 1], rtol=1e-6)


def test_tenths_of_a_degree_and_their_fill(tmp_path: Path) -> None:
    stored = cells(np.full(24, -165), "i2")
    stored[:, 0, 0] = -32768
    path = save(tmp_path / "tmp_2015.nc", "tmp", stored, MONTHS, units="0.1 degrees Celsius")
    cube = read_product("china-1km-temperature", path)
    np.testing.assert_allclose(cube["temperature"][:, 1, 1], -16.5, rtol=1e-6)
    assert (cube["quality"].values[:, 0, 0] == 1).all()


def test_months_in_names_of_geotiffs(tmp_path: Path) -> None:
    grid = study_grid(resolution=0.1, area=read_area((95, 36, 95.4, 36.3)))
    for month in (1, 2, 3):
        data = xr.DataArray(np.full(grid.shape, 31.0), dims=("y", "x"), coords=grid_coords(grid))
        write_geotiff(data, tmp_path / f"CHELSA_pr_{month:02d}_2015_V.2.1.tif")
        write_geotiff(data, tmp_path / f"chirps-v2.0.2015.{month:02d}.tif")
    for product, pattern in (
        ("chelsa-monthly-precipitation", "CHELSA*.tif"),
        ("chirps-monthly", "chirps*.tif"),
    ):
        found = read_product(product, tmp_path / pattern)["precipitation"]
        assert [str(t)[:7] for t in found["time"].values] == ["2015-01", "2015-02", "2015-03"]
        np.testing.assert_allclose(found, 31.0)


def test_days_of_esa_cci_are_those_of_their_names(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        early = pd.date_range(f"2010-01-{day:02d}", periods=1) - pd.Timedelta("1D")
        name = f"ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-201001{day:02d}000000-fv02.2.nc"
        save(tmp_path / name, "sm", cells([0.2]), early, units="m3 m-3")
    found = read_product("esa-cci", tmp_path / "*.nc")
    assert [str(t)[:10] for t in found["time"].values] == ["2010-01-01", "2010-01-02", "2010-01-03"]


def test_files_of_another_product_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nc", "tp", cells(np.ones(24)), MONTHS, units="m")
    both = xr.load_dataset(path)
    both.assign(sf=both["tp"]).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="no variable of terraclimate-precipitation"):
        read_product("terraclimate-precipitation", tmp_path / "b.nc")
    with pytest.raises(StudyError, match="Did you mean 'chirps-monthly'"):
        read_product("chirps-month", path)


def test_every_product_stands_in_the_table_of_the_docs() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "satellite-products.md").read_text("utf-8")
    names = {name for name in PRODUCTS if not name.startswith("era5")}
    assert [name for name in sorted(names) if f"`{name}`" not in docs] == []
    assert all(
        f"`era5-land-monthly-{name.split('-', 3)[3]}`" in docs or "-NAME" in docs
        for name in GRIDDED
        if name.startswith("era5-land-monthly")
    )
