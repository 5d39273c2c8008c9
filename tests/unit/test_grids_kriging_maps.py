"""Kriged maps: on the grid asked for, with units, score and cautions."""

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.errors import DataError, GridError
from headwater.grids.geometry import geobox_of, grid_coords
from headwater.grids.kriging import Kriging
from headwater.grids.kriging_maps import krige_grid, krige_stations
from headwater.grids.variogram import Variogram

GRID = GeoBox((6, 9), Affine(0.5, 0, 95, 0, -0.5, 40), "EPSG:4326")
RNG = np.random.default_rng(7)
PLACES = np.column_stack([RNG.uniform(95, 99.5, 15), RNG.uniform(37, 40, 15)])
MODEL = Variogram("exponential", nugget=0.1, partial_sill=2.0, range=150_000.0)
RAIN = xr.DataArray(
    RNG.normal(5, 1, (4, 15)),
    dims=("time", "station"),
    coords={"time": np.arange("2020-01-01", "2020-01-05", dtype="datetime64[D]")},
    name="precipitation",
    attrs={"units": "mm", "long_name": "Precipitation"},
)


def test_stations_become_a_cube():
    kriged = krige_stations(RAIN, PLACES, GRID, MODEL)
    rain = kriged.data["precipitation"]
    assert rain.dims == ("time", "y", "x")
    assert geobox_of(kriged.data) == GRID
    assert rain.attrs == RAIN.attrs
    assert kriged.data["standard_error"].attrs["units"] == "mm"
    centre = [[float(rain.x[4]), float(rain.y[2])]]
    alone = Kriging(MODEL, geographic=True).fit(PLACES)
    np.testing.assert_allclose(rain[:, 2, 4], alone.predict(RAIN, centre)[:, 0])
    assert kriged.data.attrs["loo_n"] == 60
    assert "exponential" in kriged.choices[0]


def test_missing_values_are_told():
    kriged = krige_stations(RAIN.where(RAIN > 4.0), PLACES, GRID, MODEL, neighbours=8)
    assert any("missing" in caution for caution in kriged.cautions)
    assert np.isfinite(kriged.data["precipitation"]).all()


def test_a_station_that_never_reports_adds_no_certainty():
    silent = RAIN.copy()
    silent[:, 0] = np.nan
    kriged = krige_stations(silent, PLACES, GRID, MODEL)
    without = krige_stations(RAIN[:, 1:], PLACES[1:], GRID, MODEL)
    for name in ("precipitation", "standard_error"):
        np.testing.assert_allclose(kriged.data[name], without.data[name], rtol=1e-8)


def test_drift_is_needed_on_both_sides_and_on_the_grid():
    drift = xr.DataArray(RNG.normal(size=(6, 9)), dims=("y", "x"), coords=grid_coords(GRID))
    kriged = krige_stations(RAIN, PLACES, GRID, MODEL, drift=drift, station_drift=PLACES[:, 1])
    assert "external drift" in kriged.method
    with pytest.raises(DataError, match="at the stations and on the grid"):
        krige_stations(RAIN, PLACES, GRID, MODEL, drift=drift)
    with pytest.raises(GridError, match="does not lie on the grid"):
        krige_stations(RAIN, PLACES, GRID, MODEL, drift=drift[:3], station_drift=PLACES[:, 1])


def test_figures_draw_for_one_time_and_many(shows):
    many = krige_stations(RAIN, PLACES, GRID, MODEL)
    one = krige_stations(RAIN[0], PLACES, GRID, MODEL)
    assert one.data["precipitation"].dims == ("y", "x")
    assert "mean of 4 times" in many.plot().axes[0].get_title(loc="left")
    shows(one.plot(), one.data, "precipitation")


def test_a_grid_is_resampled_with_a_caution_and_nothing_filled():
    values = np.add.outer(np.arange(6.0), np.arange(9.0))
    values[0, 0] = np.nan
    coarse = xr.DataArray(values, dims=("y", "x"), coords=grid_coords(GRID), name="elevation")
    fine = GeoBox((12, 20), Affine(0.25, 0, 95, 0, -0.25, 40), "EPSG:4326")
    kriged = krige_grid(coarse, fine, model="spherical", neighbours=8)
    made = kriged.data["elevation"].values
    missing = np.zeros((12, 20), bool)
    missing[:2, :2] = missing[:, 18:] = True
    np.testing.assert_array_equal(np.isnan(made), missing)
    expected = np.add.outer((np.arange(12) - 0.5) / 2, (np.arange(20) - 0.5) / 2)
    np.testing.assert_allclose(made[2:10, 2:16], expected[2:10, 2:16], atol=0.3)
    assert "Conservative averaging" in kriged.cautions[0]
    assert "Conservative averaging" in kriged.data.attrs["caution"]


def test_a_grid_in_another_system_and_over_time():
    values = np.stack([np.add.outer(np.arange(6.0), np.arange(9.0))] * 2)
    values[1, 2, 2] = np.nan
    cube = xr.DataArray(
        values,
        dims=("time", "y", "x"),
        coords={"time": [0, 1], **grid_coords(GRID)},
        name="elevation",
    )
    metres = GeoBox.from_bbox((100e3, 4150e3, 350e3, 4350e3), "EPSG:32647", resolution=50e3)
    made = krige_grid(cube, metres, model="spherical", neighbours=6).data["elevation"]
    assert made.dims == ("time", "y", "x")
    assert np.isfinite(made[0]).any()
    assert int(np.isnan(made[1]).sum()) >= int(np.isnan(made[0]).sum())


def test_too_few_cells_are_named():
    empty = xr.DataArray(np.full((6, 9), np.nan), dims=("y", "x"), coords=grid_coords(GRID))
    with pytest.raises(DataError, match="too few cells"):
        krige_grid(empty, GRID)
