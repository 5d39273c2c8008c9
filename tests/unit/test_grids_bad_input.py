"""Bad input gets what was wrong, what was found and what to do, and nothing is computed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import (
    CRSError,
    GridError,
    HeadwaterError,
    InputError,
    TimeAxisError,
    UnitError,
)
from headwater.glossary import term
from headwater.grids import open_grid, read_area

THETA = term("soil_moisture")


def plain(units: str | None = "m3 m-3", days: int = 4) -> xr.Dataset:
    attrs = {} if units is None else {"units": units}
    return xr.Dataset(
        {"sm": (("time", "lat", "lon"), np.full((days, 3, 4), 0.2, np.float32), attrs)},
        coords={
            "time": pd.date_range("2020-01-01", periods=days),
            "lat": ("lat", [38.5, 37.5, 36.5], {"units": "degrees_north"}),
            "lon": ("lon", [95.5, 96.5, 97.5, 98.5], {"units": "degrees_east"}),
        },
    )


def save(path: Path, data: xr.Dataset) -> Path:
    data.to_netcdf(path, engine="h5netcdf")
    return path


def assert_whole(error: HeadwaterError) -> None:
    """All three parts are there, and the exit code is that of an input."""
    assert error.wrong
    assert error.found
    assert error.do
    assert error.exit_code == 3


def test_missing_file_and_empty_pattern(tmp_path: Path) -> None:
    save(tmp_path / "soil.nc", plain())
    with pytest.raises(InputError, match=r"no such file.*its folder holds soil.nc") as caught:
        open_grid(tmp_path / "sm.nc", THETA)
    assert_whole(caught.value)
    with pytest.raises(InputError, match="no file fits the pattern") as caught:
        open_grid(tmp_path / "*.tif", THETA)
    assert_whole(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    whole = save(tmp_path / "sm.nc", plain()).read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[:2000])
    (tmp_path / "text.nc").write_text("not a grid")
    (tmp_path / "empty.nc").write_text("")
    (tmp_path / "old.hdf").write_bytes(b"\x0e\x03\x13\x01rest")
    (tmp_path / "cut.tif").write_bytes(b"II*\x00rest")
    for name, message in (
        ("cut.nc", "cannot be read"),
        ("cut.tif", "cannot be read"),
        ("text.nc", r"no format that Headwater reads. Found: first bytes b'not a gr'"),
        ("empty.nc", "Found: an empty file"),
        ("old.hdf", "Found: HDF4"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            open_grid(tmp_path / name, THETA)
        assert_whole(caught.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"is a folder. Found: no Zarr store"):
        open_grid(tmp_path / "folder", THETA)


def test_units(tmp_path: Path) -> None:
    cases = (
        (None, None, r"sm.nc, variable 'sm' has no unit.*units = "),
        ("furlong", None, r"sm.nc, variable 'sm': unknown unit. Found: 'furlong'"),
        ("m3 m-3", "parsec", r"unknown unit. Found: 'parsec'"),
        ("K", None, r"units of different kinds. Found: 'K' \(temperature\)"),
        ("kg m-2", None, r"layer of known thickness.*layer_depth"),
    )
    for number, (units, given, message) in enumerate(cases):
        path = save(tmp_path / f"{number}_sm.nc", plain(units))
        with pytest.raises(UnitError, match=message) as caught:
            open_grid(path, THETA, units=given)
        assert_whole(caught.value)


def test_times_out_of_order_and_repeated(tmp_path: Path) -> None:
    disordered = plain().isel(time=[0, 2, 1, 3])
    with pytest.raises(TimeAxisError, match=r"bad.nc: times are out of order. Found: 2020-01-02"):
        open_grid(save(tmp_path / "bad.nc", disordered), THETA)
    with pytest.raises(TimeAxisError, match=r"a time occurs twice. Found: 2020-01-01") as caught:
        open_grid(save(tmp_path / "twice.nc", plain().isel(time=[0, 0, 1])), THETA)
    assert_whole(caught.value)


def test_files_that_overlap_in_time(tmp_path: Path) -> None:
    save(tmp_path / "a.nc", plain())
    save(tmp_path / "b.nc", plain().isel(time=[3]))
    with pytest.raises(
        TimeAxisError, match=r"overlap in time. Found: a.nc ends 2020-01-04.*b.nc begins 2020-01-04"
    ):
        open_grid(tmp_path / "?.nc", THETA)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    first = save(tmp_path / "a.nc", plain())
    later = plain().assign_coords(time=pd.date_range("2021-01-01", periods=4))
    moved = save(tmp_path / "b.nc", later.assign_coords(lat=later["lat"] + 0.5))
    with pytest.raises(GridError, match=r"different grids. Found: a.nc 3 x 4 from \(38.5, 95.5\)"):
        open_grid([first, moved], THETA)
    later["sm"].attrs["units"] = "%"
    with pytest.raises(UnitError, match=r"different units. Found: a.nc 'm3 m-3', c.nc '%'"):
        open_grid([first, save(tmp_path / "c.nc", later)], THETA)


def test_times_without_date_or_calendar(tmp_path: Path) -> None:
    bare = plain().drop_vars("time")
    with pytest.raises(TimeAxisError, match=r"dimension 'time' of .* has no times"):
        open_grid(save(tmp_path / "bare.nc", bare), THETA)
    wrong = bare.assign_coords(time=("time", np.arange(4), {"units": "days since the flood"}))
    with pytest.raises(TimeAxisError, match=r"cannot be read. Found: units 'days since the flood'"):
        open_grid(save(tmp_path / "flood.nc", wrong), THETA)
    julian = {"units": "days since 2000-01-01", "calendar": "lunar"}
    lunar = bare.assign_coords(time=("time", np.arange(4), julian))
    with pytest.raises(TimeAxisError, match="calendar 'lunar'"):
        open_grid(save(tmp_path / "lunar.nc", lunar), THETA)


def test_no_grid(tmp_path: Path) -> None:
    irregular = plain().assign_coords(lat=[38.5, 37.5, 36.0])
    irregular["lat"].attrs["units"] = "degrees_north"
    with pytest.raises(
        GridError, match=r"variable 'sm': the grid is not regular along y"
    ) as caught:
        open_grid(save(tmp_path / "odd.nc", irregular), THETA)
    assert_whole(caught.value)
    series = plain().isel(lat=0, lon=0)
    with pytest.raises(GridError, match="holds no grid"):
        open_grid(save(tmp_path / "series.nc", series), THETA)
    with pytest.raises(GridError, match=r"'sm' of .* lies on no grid"):
        open_grid(tmp_path / "series.nc", THETA, variable="sm")
    curved = plain().drop_vars(["lat", "lon"]).rename(lat="y", lon="x")
    curved["lat"] = (("y", "x"), np.ones((3, 4)), {"units": "degrees_north"})
    curved["lon"] = (("y", "x"), np.ones((3, 4)), {"units": "degrees_east"})
    with pytest.raises(GridError, match=r"curvilinear grid whose cells have no area. Found: lat"):
        open_grid(save(tmp_path / "curved.nc", curved), THETA, crs=4326)
    twice = plain().rename(time="latitude")
    with pytest.raises(GridError, match=r"two dimensions that could be y"):
        open_grid(save(tmp_path / "twice.nc", twice.drop_vars("latitude")), THETA, variable="sm")


def test_crs_missing_and_different(tmp_path: Path) -> None:
    bare = plain()
    for axis in ("lat", "lon"):
        bare[axis].attrs = {}
    path = save(tmp_path / "bare.nc", bare)
    with pytest.raises(CRSError, match=r"Write crs = 'EPSG:...' for this input") as caught:
        open_grid(path, THETA)
    assert_whole(caught.value)
    with pytest.raises(CRSError, match=r"unknown coordinate reference system. Found: 'WGS85'"):
        open_grid(path, THETA, crs="WGS85")
    with pytest.raises(CRSError, match=r"different reference systems.*UTM zone 47N"):
        open_grid(save(tmp_path / "wgs.nc", plain()), THETA, crs="EPSG:32647")
    broken = plain().assign_coords(spatial_ref=((), 0, {"crs_wkt": "GEOGCS[nonsense"}))
    with pytest.raises(CRSError, match="'spatial_ref' of the file cannot be understood"):
        open_grid(save(tmp_path / "broken.nc", broken), THETA)


def test_area_beside_the_grid(tmp_path: Path) -> None:
    from headwater.grids import clip

    cube = open_grid(save(tmp_path / "sm.nc", plain()), THETA)
    with pytest.raises(GridError, match=r"grid 95 to 99, 36 to 39; area .* 5 to 7, 46 to 48"):
        clip(cube, read_area((5, 46, 7, 48)))


def test_a_rotated_raster(tmp_path: Path) -> None:
    import rasterio
    from affine import Affine

    profile = {"driver": "GTiff", "width": 3, "height": 2, "count": 1, "dtype": "float32"}
    turned = Affine(10, 3, 0, 3, -10, 0)
    path = tmp_path / "turned.tif"
    with rasterio.open(path, "w", crs="EPSG:32632", transform=turned, **profile) as file:
        file.write(np.ones((1, 2, 3), np.float32))
    with pytest.raises(GridError, match="is a rotated grid"):
        open_grid(path, THETA)
