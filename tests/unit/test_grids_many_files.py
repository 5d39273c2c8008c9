"""Files of one layout are opened at once; whatever differs in one of them is still seen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

from headwater.errors import GridError, HeadwaterError, InputError, TimeAxisError, UnitError
from headwater.glossary import term
from headwater.grids import open_grid

DAYS = pd.date_range("2015-01-01", periods=6)
LAT, LON = 36.0 + 0.1 * np.arange(4)[::-1], 95.0 + 0.1 * np.arange(5)


def stored(number: int) -> np.ndarray:
    return (10 * number + np.arange(20.0).reshape(1, 4, 5)).astype("float32") / 1000.0


def day(number: int) -> xr.Dataset:
    return xr.Dataset(
        {"sm": (("time", "lat", "lon"), stored(number), {"units": "m3 m-3"})},
        {
            "time": [DAYS[number]],
            "lat": ("lat", LAT, {"units": "degrees_north"}),
            "lon": ("lon", LON, {"units": "degrees_east"}),
        },
    )


def write(folder: Path, change=None, *, engine: str = "h5netcdf", **encoding) -> str:
    for number in range(len(DAYS)):
        data, own = day(number), dict(encoding)
        if change is not None and number == 3:
            changed = change(data)
            data, more = changed if isinstance(changed, tuple) else (changed, {})
            own |= more
        data.to_netcdf(folder / f"sm_{number}.nc", engine=engine, encoding=own)
    return str(folder / "sm_*.nc")


def opened(pattern: str, **options) -> xr.DataArray:
    return open_grid(pattern, term("soil_moisture"), **options).compute()


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
def test_values_times_and_places_are_those_of_the_files(tmp_path: Path, engine: str) -> None:
    data = opened(write(tmp_path, engine=engine))
    assert list(data["time"].values) == list(DAYS.to_numpy())
    assert np.allclose(data["y"].values, LAT)
    np.testing.assert_allclose(
        data.values, np.concatenate([stored(number) for number in range(6)]), rtol=1e-6
    )


def test_parts_are_read_from_the_files_that_hold_them(tmp_path: Path) -> None:
    lazy = open_grid(write(tmp_path), term("soil_moisture"))
    whole = lazy.compute()
    for key in ({"time": [4, 1]}, {"time": 2}, {"y": 1, "x": slice(1, 4, 2)}, {"time": [0, 5]}):
        np.testing.assert_array_equal(lazy.isel(key).values, whole.isel(key).values)


def test_files_named_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    for number in range(6):
        day(number).to_netcdf(tmp_path / f"sm_{5 - number}.nc", engine="h5netcdf")
    data = opened(str(tmp_path / "*.nc"))
    assert data["time"].to_index().is_monotonic_increasing
    assert float(data[0, 0, 0]) == 0.0


def test_other_units_in_one_file_are_seen(tmp_path: Path) -> None:
    def percent(data: xr.Dataset) -> xr.Dataset:
        return data.assign(sm=(100 * data["sm"]).assign_attrs(units="%"))

    with pytest.raises(UnitError, match=r"sm_3\.nc '%'"):
        opened(write(tmp_path, percent))


def test_another_fill_in_one_file_is_heeded(tmp_path: Path) -> None:
    def filled(data: xr.Dataset) -> tuple[xr.Dataset, dict]:
        data["sm"][0, 0, 0] = np.nan
        return data, {"sm": {"_FillValue": -99.0}}

    data = opened(write(tmp_path, filled, sm={"_FillValue": -9999.0}))
    assert int(np.isnan(data).sum()) == 1
    assert np.isnan(data[3, 0, 0])


def test_another_scale_in_one_file_is_heeded(tmp_path: Path) -> None:
    def packed(data: xr.Dataset) -> tuple[xr.Dataset, dict]:
        return data, {"sm": {"dtype": "int16", "scale_factor": 0.001, "_FillValue": -1}}

    data = opened(
        write(tmp_path, packed, sm={"dtype": "int16", "scale_factor": 0.0005, "_FillValue": -1})
    )
    np.testing.assert_allclose(data[3], stored(3)[0], atol=1e-6)
    np.testing.assert_allclose(data[4], stored(4)[0], atol=1e-6)


def test_another_calendar_in_one_file_is_seen(tmp_path: Path) -> None:
    with pytest.raises(TimeAxisError, match=r"sm_3\.nc noleap"):
        opened(
            write(
                tmp_path,
                lambda data: (
                    data,
                    {"time": {"units": "days since 2015-01-01", "calendar": "noleap"}},
                ),
            )
        )


def test_rows_from_south_to_north_in_one_file_are_seen(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="different grids"):
        opened(write(tmp_path, lambda data: data.isel(lat=slice(None, None, -1))))


def test_another_shape_in_one_file_is_seen(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="3 x 5"):
        opened(write(tmp_path, lambda data: data.isel(lat=slice(3))))


def test_cells_moved_in_one_file_are_seen(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="different grids"):
        opened(write(tmp_path, lambda data: data.assign_coords(lon=data["lon"] + 0.05)))


def test_a_variable_that_one_file_lacks_is_missed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sm_3\.nc has no variable 'sm'"):
        opened(write(tmp_path, lambda data: data.rename(sm="theta")), variable="sm")


def test_times_counted_from_another_date_or_in_other_steps_are_those_meant(tmp_path: Path) -> None:
    def hours(data: xr.Dataset) -> tuple[xr.Dataset, dict]:
        return data, {"time": {"units": "hours since 1999-12-31 12:00"}}

    data = opened(write(tmp_path, hours, time={"units": "days since 1970-01-01"}))
    assert list(data["time"].values) == list(DAYS.to_numpy())


def test_a_time_that_two_files_have_is_refused_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(TimeAxisError, match=r"sm_2\.nc ends.*sm_3\.nc begins"):
        opened(write(tmp_path, lambda data: data.assign_coords(time=[DAYS[2]])))


def test_a_missing_time_in_one_file_is_refused(tmp_path: Path) -> None:
    def lost(data: xr.Dataset) -> tuple[xr.Dataset, dict]:
        late = data.assign_coords(time=("time", [-9999.0], {"units": "days since 1970-01-01"}))
        late["time"].attrs["missing_value"] = -9999.0
        return late, {}

    with pytest.raises(HeadwaterError):
        opened(write(tmp_path, lost))


def test_bounds_in_one_file_alone_are_no_bounds_of_all(tmp_path: Path) -> None:
    def bounded(data: xr.Dataset) -> tuple[xr.Dataset, dict]:
        data["time"].attrs["bounds"] = "time_bnds"
        edges = [[DAYS[3], DAYS[3] + pd.Timedelta(days=1)]]
        with_bounds = data.assign(time_bnds=(("time", "nv"), np.array(edges, "datetime64[ns]")))
        return with_bounds, {"time": {"units": "days since 2015-01-01"}}

    data = opened(write(tmp_path, bounded), variable="sm")
    assert list(data["time"].values) == list(DAYS.to_numpy())


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    pattern = write(tmp_path)
    path = tmp_path / "sm_3.nc"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match=r"sm_3\.nc"):
        opened(pattern)


def test_files_without_times_are_dated_by_their_names(tmp_path: Path) -> None:
    for number, date in enumerate(DAYS):
        flat = day(number).isel(time=0, drop=True)
        flat.to_netcdf(tmp_path / f"sm_{date:%Y%m%d}.nc", engine="h5netcdf")
    data = opened(str(tmp_path / "*.nc"))
    assert list(data["time"].values) == list(DAYS.to_numpy())
    assert "time in the file name" in data.attrs["notes"]
    np.testing.assert_allclose(data[4], stored(4)[0])


def test_a_remark_that_differs_changes_nothing(tmp_path: Path) -> None:
    def remarked(data: xr.Dataset) -> xr.Dataset:
        return data.assign(sm=data["sm"].assign_attrs(long_name="another name"))

    data = opened(write(tmp_path, remarked))
    assert list(data["time"].values) == list(DAYS.to_numpy())
    np.testing.assert_allclose(data[3], stored(3)[0])


def rasters(folder: Path, change: dict | None = None, *, names: str = "%Y%m%d") -> str:
    """Write a GeoTIFF a day; the fourth one changed."""
    for number, date in enumerate(DAYS):
        given = {
            "driver": "GTiff",
            "height": 4,
            "width": 5,
            "count": 1,
            "dtype": "float32",
            "crs": "EPSG:4326",
            "transform": from_origin(95.0, 36.4, 0.1, 0.1),
            "nodata": -9999.0,
            **((change or {}) if number == 3 else {}),
        }
        tags = given.pop("tags", {"TIFFTAG_DATETIME": f"{date:%Y:%m:%d} 00:00:00"})
        scale = given.pop("scale", None)
        with rasterio.open(folder / f"sm_{date.strftime(names)}.tif", "w", **given) as file:
            values = np.resize(stored(number)[0], (given["height"], given["width"]))
            file.write(values.astype(given["dtype"]), 1)
            file.update_tags(**tags)
            if scale is not None:
                file.scales = (scale,)
    return str(folder / "sm_*.tif")


@pytest.mark.parametrize("names", ["%Y%m%d", "%d_%b_%Y"])
def test_rasters_of_one_layout_are_opened_at_once(tmp_path: Path, names: str) -> None:
    data = open_grid(rasters(tmp_path, names=names), term("soil_moisture"), units="1", time=names)
    assert list(data["time"].values) == list(DAYS.to_numpy())
    assert data.chunksizes["time"] == (6,)  # a block each, where they are read one by one
    expected = np.concatenate([stored(number) for number in range(6)])
    np.testing.assert_allclose(data.values, expected)
    for key in ({"time": [4, 1]}, {"time": 2}, {"y": 1, "x": slice(1, 4, 2)}, {"time": [0, 5]}):
        np.testing.assert_array_equal(data.isel(key).values, data.compute().isel(key).values)


def test_a_raster_with_other_fill_or_scale_is_read_by_itself(tmp_path: Path) -> None:
    fill = float(stored(3)[0, 1, 2])
    data = opened(rasters(tmp_path, {"nodata": fill}), units="1")
    assert np.argwhere(np.isnan(data.values)).tolist() == [[3, 1, 2]]
    data = opened(rasters(tmp_path, {"scale": 2.0}), units="1")
    np.testing.assert_allclose(data[3], 2.0 * stored(3)[0])
    np.testing.assert_allclose(data[4], stored(4)[0])


@pytest.mark.parametrize(
    "change",
    [{"height": 3}, {"transform": from_origin(95.1, 36.4, 0.1, 0.1)}, {"crs": "EPSG:32647"}],
    ids=str,
)
def test_a_raster_on_other_cells_is_named(tmp_path: Path, change: dict) -> None:
    with pytest.raises(HeadwaterError, match="sm_20150104"):
        opened(rasters(tmp_path, change), units="1")


def test_a_damaged_raster_is_named(tmp_path: Path) -> None:
    pattern = rasters(tmp_path)
    path = tmp_path / "sm_20150104.tif"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises((HeadwaterError, OSError), match="sm_20150104"):
        opened(pattern, units="1")


@pytest.mark.parametrize("inside", [True, False])
def test_masks_beside_the_bands_are_heeded(tmp_path: Path, inside: bool) -> None:
    pattern = rasters(tmp_path, {"nodata": None})
    path = sorted(tmp_path.glob("*.tif"))[3]
    held = np.full((4, 5), 255, "u1")
    held[1, 2] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as file:
        file.write_mask(held)
    expected = np.concatenate([stored(number) for number in range(6)])
    expected[3, 1, 2] = np.nan
    data = open_grid(pattern, term("soil_moisture"), units="1")
    np.testing.assert_allclose(data, expected)
    np.testing.assert_allclose(data[2:5, 1, ::2], expected[2:5, 1, ::2])
    alone = opened(str(path), units="1", time="%Y%m%d")
    np.testing.assert_allclose(np.squeeze(alone), expected[3])


def test_masks_of_whole_numbers_of_several_bands_are_heeded(tmp_path: Path) -> None:
    shape = {"height": 4, "width": 5, "count": 12, "dtype": "int16", "crs": "EPSG:4326"}
    place = from_origin(95.0, 36.4, 0.1, 0.1)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(tmp_path / "sm_2015.tif", "w", "GTiff", transform=place, **shape) as file,
    ):
        file.write(np.arange(240).reshape(12, 4, 5).astype("i2"))
        file.write_mask(np.arange(20).reshape(4, 5) != 7)
    data = opened(str(tmp_path / "sm_2015.tif"), units="1", scale=1e-3)
    expected = np.arange(240.0).reshape(12, 4, 5) / 1000.0
    expected[:, 1, 2] = np.nan
    np.testing.assert_allclose(data, expected, rtol=1e-6)


def test_fills_and_scales_that_only_tags_name(tmp_path: Path) -> None:
    pattern = rasters(tmp_path, {"nodata": None})
    with rasterio.open(sorted(tmp_path.glob("*.tif"))[3], "r+") as file:
        values = file.read()
        values[0, 1, 2] = -1.0
        file.write(values)
        file.update_tags(1, scale_factor="0.5", _FillValue="-1")
    found = opened(pattern, units="1")
    assert np.argwhere(np.isnan(found.values)).tolist() == [[3, 1, 2]]
    assert "a tag names the scale factor 0.5" in found.attrs["warnings"]
    assert "a tag" not in opened(pattern, units="1", scale=1.0).attrs.get("warnings", "")


def test_bands_packed_apart_are_refused(tmp_path: Path) -> None:
    shape = {"height": 3, "width": 4, "count": 12, "dtype": "int16", "crs": "EPSG:4326"}
    place = from_origin(95.0, 36.4, 0.1, 0.1)
    with rasterio.open(tmp_path / "sm_2015.tif", "w", "GTiff", transform=place, **shape) as file:
        file.write(np.full((12, 3, 4), 2000, "i2"))
        file.scales = [1e-4] * 6 + [1e-3] * 6
    with pytest.raises(GridError, match="packed each in its own way"):
        opened(str(tmp_path / "sm_2015.tif"), units="1")


def test_a_unit_given_for_files_that_name_several_is_doubted(tmp_path: Path) -> None:
    def in_percent(data: xr.Dataset) -> xr.Dataset:
        data["sm"].attrs["units"] = "%"
        return data

    pattern = write(tmp_path, in_percent)
    doubts = opened(pattern, units="m3 m-3").attrs["warnings"]
    assert "'m3 m-3' (sm_0.nc), '%' (sm_3.nc), and all are taken in m3 m-3" in doubts
