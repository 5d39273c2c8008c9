"""Opening: the same field in every format and convention comes out as one cube."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import CRSError, GridError, InputError, TimeAxisError, UnitError
from headwater.glossary import term
from headwater.grids import open_grid, read_area, study_grid, write_geotiff, write_zarr
from headwater.grids.geometry import crs_of, grid_coords
from headwater.grids.open import out_of_range

THETA, RAIN, WARMTH, HEIGHT = map(
    term, ("soil_moisture", "precipitation", "temperature", "elevation")
)
LAT, LON = np.arange(39.5, 36, -1.0), np.arange(95.5, 101, 1.0)
VALUES = np.random.default_rng(7).uniform(0.05, 0.4, (5, 4, 6)).astype(np.float32)
VALUES[1, 2, 3] = np.nan


def dataset(**attrs: Any) -> xr.Dataset:
    """A plain CF file: time, lat (north to south), lon."""
    return xr.Dataset(
        {"sm": (("time", "lat", "lon"), VALUES, {"units": "m3 m-3", **attrs})},
        coords={
            "time": pd.date_range("2020-01-01", periods=5),
            "lat": ("lat", LAT, {"units": "degrees_north"}),
            "lon": ("lon", LON, {"units": "degrees_east"}),
        },
    )


def save(path: Path, data: xr.Dataset, engine: Any = "h5netcdf", **encoding: Any) -> Path:
    data.to_netcdf(path, engine=engine, encoding=encoding)
    return path


def test_a_cube_carries_the_glossary(tmp_path: Path) -> None:
    cube = open_grid(save(tmp_path / "sm.nc", dataset()), THETA)
    assert cube.dims == ("time", "y", "x")
    assert cube.chunks is not None
    assert cube.name == "soil_moisture"
    assert cube.attrs == {
        "long_name": "Soil moisture",
        "standard_name": "volume_fraction_of_condensed_water_in_soil",
        "units": "m3 m-3",
        "kind": "continuous",
        "total": "mean",
        "source": "sm.nc",
        "source_variable": "sm",
        "source_units": "m3 m-3",
        "notes": "time: days, stamped at the start (assumed)",
        "stored": "1.0 0.0",
    }
    assert crs_of(cube).to_epsg() == 4326
    np.testing.assert_array_equal(cube, VALUES)
    np.testing.assert_array_equal(cube["y"], LAT)


def test_classic_netcdf_and_zarr(tmp_path: Path) -> None:
    classic = open_grid(save(tmp_path / "sm.nc", dataset(), "scipy"), THETA)
    np.testing.assert_array_equal(classic, VALUES)
    dataset().to_zarr(tmp_path / "sm.zarr", zarr_format=2)
    np.testing.assert_array_equal(open_grid(tmp_path / "sm.zarr", THETA), VALUES)
    dataset().to_zarr(tmp_path / "v3.zarr", zarr_format=3, consolidated=False)
    np.testing.assert_array_equal(open_grid(tmp_path / "v3.zarr", THETA), VALUES)


@pytest.mark.parametrize(
    ("y", "x"),
    [
        ({"axis": "Y"}, {"axis": "X"}),
        ({"standard_name": "latitude"}, {"standard_name": "longitude"}),
        ({"_CoordinateAxisType": "Lat"}, {"_CoordinateAxisType": "Lon"}),
        ({"units": "degree_N"}, {"units": "degreesE"}),
    ],
)
def test_axes_are_found_by_what_they_are(tmp_path: Path, y: dict, x: dict) -> None:
    odd = dataset().rename(lat="north_south", lon="east_west").transpose("east_west", ...)
    odd["north_south"].attrs, odd["east_west"].attrs = y, x
    cube = open_grid(save(tmp_path / "odd.nc", odd), THETA, crs=4326)
    np.testing.assert_array_equal(cube, VALUES)


def test_axes_are_found_by_name_and_beside_the_dimension(tmp_path: Path) -> None:
    bare = dataset().drop_vars(["lat", "lon"])
    named = bare.rename_dims(lat="northing", lon="easting").assign_coords(
        northing=LAT * 1000, easting=LON * 1000
    )
    cube = open_grid(save(tmp_path / "named.nc", named), THETA, crs=32647)
    assert cube["x"].values.tolist() == (LON * 1000).tolist()
    beside = bare.rename_dims(lat="j", lon="i").assign(
        latitude=("j", LAT, {"units": "degrees_north"}),
        longitude=("i", LON, {"units": "degrees_east"}),
    )
    np.testing.assert_array_equal(open_grid(save(tmp_path / "beside.nc", beside), THETA), VALUES)


def test_south_to_north_is_kept(tmp_path: Path) -> None:
    upward = dataset().isel(lat=slice(None, None, -1))
    cube = open_grid(save(tmp_path / "up.nc", upward), THETA)
    assert cube["y"].values[0] < cube["y"].values[-1]
    np.testing.assert_array_equal(cube.sel(y=LAT), VALUES)


def test_longitudes_beyond_180_are_wrapped(tmp_path: Path) -> None:
    world = dataset().isel(lon=[0, 1, 2, 3]).assign_coords(lon=[45.0, 135.0, 225.0, 315.0])
    world["lon"].attrs["units"] = "degrees_east"
    cube = open_grid(save(tmp_path / "world.nc", world), THETA)
    assert cube["x"].values.tolist() == [-135.0, -45.0, 45.0, 135.0]
    np.testing.assert_array_equal(cube, VALUES[:, :, [2, 3, 0, 1]])
    pacific = dataset().assign_coords(lon=np.arange(177.5, 183, 1.0))
    pacific["lon"].attrs["units"] = "degrees_east"
    kept = open_grid(save(tmp_path / "pacific.nc", pacific), THETA)
    assert kept["x"].values[-1] == 182.5


def test_scale_offset_and_missing_values_are_decoded(tmp_path: Path) -> None:
    packed = {"dtype": "int16", "scale_factor": 0.001, "add_offset": 0.2, "_FillValue": -9999}
    path = save(tmp_path / "packed.nc", dataset(), sm=packed)
    cube = open_grid(path, THETA)
    np.testing.assert_allclose(cube, VALUES, atol=0.0006)
    assert int(cube.count()) == 119
    for value in (np.float32(-1), "-1."):
        raw = dataset(missing_value=value)
        raw["sm"][0, 0, 0] = -1.0
        found = open_grid(
            save(tmp_path / f"{type(value).__name__}.nc", raw, sm={"_FillValue": -9999.0}), THETA
        )
        assert np.isnan(found[0, 0, 0])
        assert int(found.count()) == 118


def test_marks_of_missing_values_add_to_the_files_own_unless_there_are_none(tmp_path: Path) -> None:
    raw = dataset()
    raw["sm"][0, 0, :3] = [0.0, 0.9, 0.9]
    path = save(tmp_path / "fill.nc", raw, sm={"_FillValue": 0.9})
    own = int(open_grid(path, THETA).count())
    assert int(open_grid(path, THETA, missing=[0.0]).count()) == own - 1
    bare = open_grid(path, THETA, missing=[])
    assert own < int(bare.count()) == raw["sm"].size
    assert "0.9 is a value here, as missing = [] says" in bare.attrs["notes"]


def test_float32_coordinates_mean_what_they_say(tmp_path: Path) -> None:
    fine = dataset().assign_coords(lon=(94.87 + np.arange(6) / 100).astype(np.float32))
    fine["lon"].attrs["units"] = "degrees_east"
    cube = open_grid(save(tmp_path / "fine.nc", fine), THETA)
    np.testing.assert_allclose(cube["x"], 94.87 + np.arange(6) / 100, rtol=0, atol=1e-9)


def test_single_levels_are_dropped_and_others_refused(tmp_path: Path) -> None:
    level = dataset().expand_dims(level=[0.05], axis=1)
    assert open_grid(save(tmp_path / "one.nc", level), THETA).shape == (5, 4, 6)
    two = xr.concat([dataset(), dataset()], dim=pd.Index([0.05, 0.2], name="depth"))
    with pytest.raises(GridError, match=r"besides time, y and x. Found: depth \(2\)"):
        open_grid(save(tmp_path / "two.nc", two), THETA)


def test_the_variable_is_chosen(tmp_path: Path) -> None:
    path = save(tmp_path / "two.nc", dataset().assign(flag=dataset()["sm"] > 0.2))
    with pytest.raises(InputError, match=r"holds several variables. Found: sm, flag"):
        open_grid(path, THETA)
    with pytest.raises(InputError, match=r"no variable 'smm'. Found: variables sm, flag.*'sm'"):
        open_grid(path, THETA, variable="smm")
    np.testing.assert_array_equal(open_grid(path, THETA, variable="sm"), VALUES)


def test_units_are_converted_once(tmp_path: Path) -> None:
    kelvin = save(tmp_path / "t.nc", dataset(units="K"))
    np.testing.assert_allclose(open_grid(kelvin, WARMTH), VALUES - 273.15, atol=1e-4)
    np.testing.assert_allclose(open_grid(kelvin, THETA, units="%"), VALUES / 100, rtol=1e-6)
    layer = save(tmp_path / "w.nc", dataset(units="kg m-2"))
    np.testing.assert_allclose(open_grid(layer, THETA, layer_depth=0.1), VALUES / 100, rtol=1e-6)
    assert open_grid(layer, THETA, layer_depth=0.1).dtype == np.float32


def test_fluxes_become_amounts_of_their_steps(tmp_path: Path) -> None:
    daily = open_grid(save(tmp_path / "d.nc", dataset(units="mm d-1")), RAIN)
    np.testing.assert_allclose(daily, VALUES, rtol=1e-6)
    months = dataset(units="kg m-2 s-1").assign_coords(
        time=pd.date_range("2020-01-01", periods=5, freq="MS")
    )
    days = np.array([31, 29, 31, 30, 31])[:, None, None]
    monthly = open_grid(save(tmp_path / "m.nc", months), RAIN)
    np.testing.assert_allclose(monthly, VALUES * 86400 * days, rtol=1e-6)
    np.testing.assert_array_equal(
        open_grid(save(tmp_path / "a.nc", dataset(units="mm")), RAIN), VALUES
    )


def test_time_bounds_tell_the_length_of_a_step(tmp_path: Path) -> None:
    one = dataset(units="mm d-1").isel(time=[0])
    bounds = np.array([["2020-01-01", "2020-01-11"]], dtype="datetime64[ns]")
    one["time"].attrs["bounds"] = "time_bnds"
    one["time"].encoding["units"] = "days since 2000-01-01"
    one["time_bnds"] = (("time", "bnds"), bounds)
    cube = open_grid(save(tmp_path / "ten.nc", one), RAIN, variable="sm")
    np.testing.assert_allclose(cube, VALUES[:1] * 10, rtol=1e-6)
    with pytest.raises(UnitError, match="a single time has no step"):
        open_grid(save(tmp_path / "bare.nc", dataset(units="mm d-1").isel(time=[0])), RAIN)


def test_files_are_joined_in_the_order_of_their_times(tmp_path: Path) -> None:
    for name, part in (("a", slice(3, 5)), ("b", slice(0, 2)), ("c", slice(2, 3))):
        save(tmp_path / f"{name}.nc", dataset().isel(time=part))
    cube = open_grid(tmp_path / "*.nc", THETA)
    np.testing.assert_array_equal(cube, VALUES)
    assert cube.attrs["source"] == "3 files, a.nc to c.nc"
    listed = open_grid([tmp_path / "a.nc", tmp_path / "b.nc"], THETA)
    assert listed.sizes["time"] == 4


def test_geotiff_stacks_take_times_from_names_or_bands(tmp_path: Path) -> None:
    grid = study_grid(resolution=1, area=read_area((95, 36, 101, 40)))
    cube = xr.DataArray(
        VALUES,
        dims=("time", "y", "x"),
        coords={"time": pd.date_range("2020-01-01", periods=5), **grid_coords(grid)},
        attrs={"units": "m3 m-3", "long_name": "Soil moisture"},
    )
    for day, layer in zip(range(1, 6), cube, strict=True):
        write_geotiff(layer.drop_vars("time"), tmp_path / f"sm_2020-01-{day:02d}.tif")
        write_geotiff(layer.drop_vars("time"), tmp_path / f"A2020{day:03d}_v1.tif")
    write_geotiff(cube, tmp_path / "stack.tif")
    for source, pattern in (("sm_*.tif", None), ("A*.tif", "%Y%j"), ("stack.tif", None)):
        found = open_grid(tmp_path / source, THETA, time=pattern)
        np.testing.assert_array_equal(found, VALUES)
        np.testing.assert_array_equal(found["time"], cube["time"])
    found = open_grid(tmp_path / "A*.tif", THETA)
    np.testing.assert_array_equal(found["time"], cube["time"])
    with pytest.raises(TimeAxisError, match=r"has no date. Found: 'A2020001_v1'"):
        open_grid(tmp_path / "A*.tif", THETA, time="%d%m%Y")
    single = open_grid(tmp_path / "sm_2020-01-01.tif", THETA)
    assert single.dims == ("y", "x")


def test_ascii_grids_keep_decimals_behind_a_long_void(tmp_path: Path) -> None:
    # GDAL looks at 100 kB to tell integers from decimals; a basin's grid begins with void rows.
    rows = ["-9999 " * 300] * 100 + ["1.75 " * 300]
    head = "ncols 300\nnrows 101\nxllcorner 0\nyllcorner 0\ncellsize 500\nNODATA_value -9999\n"
    (tmp_path / "slope.asc").write_text(head + "\n".join(rows) + "\n")
    slope = open_grid(tmp_path / "slope.asc", term("slope"), units="degree", crs="EPSG:3035")
    assert float(slope[-1].min()) == 1.75
    assert int(slope.count()) == 300
    assert slope["y"].values[[0, -1]].tolist() == [50250.0, 250.0]


def test_georeference_by_index(tmp_path: Path) -> None:
    bare = save(tmp_path / "bare.nc", dataset().drop_vars(["lat", "lon"]))
    with pytest.raises(CRSError, match="names no coordinate reference system"):
        open_grid(bare, THETA)
    with pytest.raises(GridError, match=r"no coordinates along y and x.*georeference"):
        open_grid(bare, THETA, crs=32647)
    places = xr.Dataset({"yc": ("r", LAT * 1000), "xc": ("c", LON * 1000), "short": ("s", LON[:3])})
    there = save(tmp_path / "places.nc", places)
    cube = open_grid(bare, THETA, crs=32647, georeference=(there, "xc", "yc"))
    np.testing.assert_array_equal(cube["y"], LAT * 1000)
    np.testing.assert_array_equal(cube, VALUES)
    with pytest.raises(GridError, match=r"does not fit.*4 x 3 coordinates for 4 x 6 cells"):
        open_grid(bare, THETA, crs=32647, georeference=(there, "short", "yc"))
    with pytest.raises(InputError, match=r"no coordinate 'xx'.*yc, xc, short"):
        open_grid(bare, THETA, crs=32647, georeference=(there, "xx", "yc"))


def test_a_grid_mapping_wins_and_kilometres_are_metres(tmp_path: Path) -> None:
    from pyproj import CRS

    mapped = dataset(grid_mapping="proj").assign(proj=((), 0, CRS.from_epsg(3035).to_cf()))
    mapped = mapped.assign_coords(
        lat=("lat", np.arange(2900.0, 2500, -100), {"units": "km", "axis": "Y"}),
        lon=("lon", np.arange(4000.0, 4600, 100), {"units": "km", "axis": "X"}),
    )
    path = save(tmp_path / "laea.nc", mapped)
    cube = open_grid(path, THETA)
    assert crs_of(cube).to_epsg() == 3035
    assert cube["y"].values.tolist() == [2.9e6, 2.8e6, 2.7e6, 2.6e6]
    with pytest.raises(CRSError, match=r"ETRS89.* in the file, WGS 84.* in the study file"):
        open_grid(path, THETA, crs=4326)


def test_degrees_of_no_datum_take_the_one_of_the_study_file(tmp_path: Path) -> None:
    path = save(tmp_path / "sm.nc", dataset())
    assert crs_of(open_grid(path, THETA, crs="EPSG:4490")).to_epsg() == 4490
    with pytest.raises(CRSError, match=r"EPSG:4326.* in the file, .*EPSG:32647"):
        open_grid(path, THETA, crs="EPSG:32647")


def test_a_store_of_ours_opens_again(tmp_path: Path) -> None:
    cube = open_grid(save(tmp_path / "sm.nc", dataset()), THETA)
    write_zarr(cube.to_dataset(), tmp_path / "sm.zarr", chunks={"time": -1, "y": 2, "x": 2})
    again = open_grid(tmp_path / "sm.zarr", THETA)
    np.testing.assert_array_equal(again, VALUES)
    assert crs_of(again) == crs_of(cube)


def test_blocks_are_as_large_as_asked(tmp_path: Path) -> None:
    many = (
        dataset()
        .isel(time=np.zeros(400, int))
        .assign_coords(time=pd.date_range("2020-01-01", periods=400))
    )
    path = save(tmp_path / "many.nc", many, sm={"chunksizes": (10, 4, 6)})
    cube = open_grid(path, THETA, chunk_mb=0.005)
    assert cube.chunks[0][:2] == (50, 50)
    assert cube.chunks[1:] == ((4,), (6,))
    whole = open_grid(path, THETA, chunk_mb=0.0005)
    assert [max(lengths) for lengths in whole.chunks] == [10, 4, 6]  # read once, not in halves
    small = open_grid(path, THETA, chunk_mb=0.0003)
    assert max(small.chunks[0]) * max(small.chunks[1]) * max(small.chunks[2]) <= 75
    np.testing.assert_array_equal(small, cube)


def test_static_maps_lose_a_single_time(tmp_path: Path) -> None:
    dem = dataset(units="m").isel(time=[0])
    assert open_grid(save(tmp_path / "dem.nc", dem), HEIGHT).dims == ("y", "x")


def test_impossible_values_are_told_and_kept(tmp_path: Path) -> None:
    odd = dataset()
    odd["sm"][0, 0, :2] = [1.5, -0.2]
    cube = open_grid(save(tmp_path / "odd.nc", odd), THETA)
    report = out_of_range(cube)
    assert (report.count, report.n) == (2, 119)
    assert report.fraction == pytest.approx(2 / 119)
    assert (report.minimum, report.maximum) == pytest.approx((-0.2, 1.5))
    empty = out_of_range(cube.where(False))
    assert empty.n == 0
    assert np.isnan(empty.fraction)


def test_model_calendars(tmp_path: Path) -> None:
    pytest.importorskip("cftime")
    times = xr.date_range("2020-02-27", periods=5, calendar="noleap", use_cftime=True)
    path = save(tmp_path / "noleap.nc", dataset(units="mm d-1").assign_coords(time=times))
    cube = open_grid(path, RAIN)
    assert cube["time"].dt.calendar == "noleap"
    assert int(cube["time"].dt.day[2]) == 1
    np.testing.assert_allclose(cube, VALUES, rtol=1e-6)
    real = dataset(units="mm d-1").assign_coords(time=pd.date_range("2021-01-01", periods=5))
    with pytest.raises(TimeAxisError, match=r"different calendars. Found: noleap.nc noleap; real"):
        open_grid([path, save(tmp_path / "real.nc", real)], RAIN)
