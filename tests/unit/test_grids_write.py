"""Writing: whole or not at all, and readable by others."""

from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import CRSError, GridError, ResumeError
from headwater.grids import read_area, study_grid, write_geotiff, write_netcdf, write_zarr
from headwater.grids.geometry import crs_of, grid_coords
from headwater.grids.write import own_words

GRID = study_grid(resolution=0.5, area=read_area((94, 36, 97, 38)))
VALUES = np.random.default_rng(5).normal(size=(7, 4, 6)).astype(np.float32)
VALUES[2, 1, 1] = np.nan


def cube() -> xr.Dataset:
    data = xr.DataArray(
        VALUES,
        dims=("time", "y", "x"),
        coords={"time": pd.date_range("2020-01-01", periods=7), **grid_coords(GRID)},
        attrs={"units": "mm", "long_name": "Precipitation"},
    )
    return xr.Dataset({"precipitation": data, "n": (data > 0).sum("time")}, attrs={"title": "t"})


def test_netcdf_is_cf(tmp_path: Path) -> None:
    path = write_netcdf(cube(), tmp_path / "p.nc")
    raw = xr.open_dataset(path, engine="h5netcdf", decode_cf=False)
    assert raw.attrs["Conventions"] == "CF-1.11"
    assert raw.attrs["history"].startswith("Written by Headwater")
    assert raw["precipitation"].attrs["grid_mapping"] == "spatial_ref"
    assert np.isnan(raw["precipitation"].attrs["_FillValue"])
    again = xr.open_dataset(path, engine="h5netcdf", decode_coords="all")
    np.testing.assert_array_equal(again["precipitation"], VALUES)
    assert again["n"].dtype.kind == "i"
    assert again["precipitation"].encoding["zlib"]
    assert crs_of(again).to_epsg() == 4326
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.nc"]


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize("freq", ["D", "6h"])
@pytest.mark.parametrize("gathered", [1e9, 600.0])
def test_bounds_of_times_are_kept(
    tmp_path: Path, calendar: str, freq: str, gathered: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headwater.grids.write._GATHERED", gathered)  # small: written in two stages
    edges = xr.date_range(
        "2020-01-01", periods=8, freq=freq, calendar=calendar, use_cftime=calendar != "standard"
    )
    bounds = (("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1))
    data = cube().assign_coords(time=edges[:-1]).assign_coords(time_bnds=bounds).chunk(time=1)
    data["time"].attrs["bounds"] = "time_bnds"
    store = write_zarr(data, tmp_path / "p.zarr", chunks={"time": -1, "y": 2, "x": 2})
    for again in (
        xr.open_zarr(store, decode_coords="all"),
        xr.open_dataset(
            write_netcdf(data, tmp_path / "p.nc"), engine="h5netcdf", decode_coords="all"
        ),
    ):
        assert "time_bnds" in again.coords
        assert again["time"].encoding["bounds"] == "time_bnds"
        np.testing.assert_array_equal(again["time_bnds"].values, bounds[1])
        np.testing.assert_array_equal(again["time"].values, data["time"].values)


def test_the_same_data_make_the_same_file(tmp_path: Path) -> None:
    one, two = (write_geotiff(cube()["n"], tmp_path / name) for name in ("a.tif", "b.tif"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("chunks", [{"time": -1, "y": 2, "x": 3}, {"time": 1, "y": -1, "x": -1}])
@pytest.mark.parametrize("blocks", [{"time": 2}, {"time": -1, "y": 1}, {}])
def test_zarr_in_any_chunks(tmp_path: Path, chunks: dict[str, int], blocks: dict[str, int]) -> None:
    data = cube().chunk(blocks) if blocks else cube()
    path = write_zarr(data, tmp_path / "p.zarr", chunks=chunks)
    again = xr.open_zarr(path, decode_coords="all")
    expected = tuple(
        chunks[dim] if chunks[dim] > 0 else size
        for dim, size in cube()["precipitation"].sizes.items()
    )
    assert again["precipitation"].encoding["chunks"] == expected
    np.testing.assert_array_equal(again["precipitation"], VALUES)
    np.testing.assert_array_equal(again["n"], cube()["n"])
    assert crs_of(again).to_epsg() == 4326
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.zarr"]


def test_a_cube_of_many_blocks_is_turned_in_two_passes(tmp_path: Path) -> None:
    # 160 MB in blocks of one day: more than is joined in memory at a time
    days = da.arange(1000, chunks=1, dtype=np.float32)[:, None, None]
    lazy = days + da.zeros((1, 200, 200), chunks=-1, dtype=np.float32)
    data = xr.Dataset({"p": (("time", "y", "x"), lazy)})
    path = write_zarr(data, tmp_path / "p.zarr", chunks={"time": -1, "y": 100, "x": 100})
    again = xr.open_zarr(path)["p"]
    assert again.encoding["chunks"] == (1000, 100, 100)
    np.testing.assert_array_equal(again[:, 150, 20], np.arange(1000))
    assert float(again.std(["y", "x"]).max()) == 0.0
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.zarr"]


def test_a_store_is_replaced_whole(tmp_path: Path) -> None:
    path = write_zarr(cube(), tmp_path / "p.zarr", chunks={"time": 1})
    write_zarr(cube()[["n"]], path, chunks={})
    assert list(xr.open_zarr(path, decode_coords="all").data_vars) == ["n"]
    assert len(list(tmp_path.iterdir())) == 1


def failing() -> xr.Dataset:
    def fail(block: np.ndarray) -> np.ndarray:
        message = "the third block is lost"
        raise ValueError(message)

    lazy = da.map_blocks(fail, da.zeros((4, 4, 6), chunks=(1, 4, 6)), meta=np.zeros((0, 0, 0)))
    return xr.Dataset({"p": (("time", "y", "x"), lazy)}, coords=grid_coords(GRID))


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    kept = write_netcdf(cube(), tmp_path / "p.nc")
    before = kept.read_bytes()
    with pytest.raises(ValueError, match="third block"):
        write_netcdf(failing(), kept)
    with pytest.raises(ValueError, match="third block"):
        write_zarr(failing(), tmp_path / "p.zarr", chunks={"time": -1})
    with pytest.raises(ValueError, match="third block"):
        write_geotiff(failing()["p"][0], tmp_path / "p.tif")
    assert kept.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.nc"]


def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    (tmp_path / ".p.zarr.part").mkdir()
    (tmp_path / ".p.zarr.part" / "old").write_text("")
    write_zarr(cube(), tmp_path / "p.zarr", chunks={})
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.zarr"]
    assert not (tmp_path / "p.zarr" / "old").exists()


def test_geotiff_is_north_up_and_says_its_unit(tmp_path: Path) -> None:
    import rasterio

    upward = cube()["precipitation"].isel(y=slice(None, None, -1))
    path = write_geotiff(upward[2].drop_vars("time"), tmp_path / "p.tif")
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.compression.name == "deflate"
        assert file.crs.to_epsg() == 4326
        assert file.bounds == (94, 36, 97, 38)
        assert np.isnan(file.nodata)
        assert file.units == ("mm",)
        assert file.descriptions == ("Precipitation",)
        assert file.tags()["long_name"] == "Precipitation"
        np.testing.assert_array_equal(file.read(1), VALUES[2])
    stack = write_geotiff(upward, tmp_path / "stack.tif")
    with rasterio.open(stack) as file:
        assert file.descriptions[:2] == ("2020-01-01T00:00:00", "2020-01-02T00:00:00")


def test_truth_values_are_bytes(tmp_path: Path) -> None:
    import rasterio

    with rasterio.open(write_geotiff(cube()["n"] > 3, tmp_path / "b.tif")) as file:
        assert file.dtypes == ("uint8",)


def test_what_cannot_be_a_geotiff(tmp_path: Path) -> None:
    with pytest.raises(CRSError, match="no coordinate reference system"):
        write_geotiff(cube()["n"].drop_vars("spatial_ref"), tmp_path / "n.tif")
    with pytest.raises(GridError, match=r"a GeoTIFF holds a map.*dimensions \('time',\)"):
        write_geotiff(cube()["precipitation"][:, 0, 0], tmp_path / "n.tif")


def test_a_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match=r"cannot be written. Found: no folder"):
        write_netcdf(cube(), tmp_path / "none" / "p.nc")


def test_what_cf_has_no_words_for_is_kept_and_comes_back(tmp_path: Path) -> None:
    meanings = "none no_start:_the_record_begins_too_late,_or_has_a_gap"
    maps = xr.Dataset(
        {
            "start": (("y", "x"), np.ones((2, 3)), {"units": "day of year"}),
            "reason": (
                ("y", "x"),
                np.ones((2, 3), np.int8),
                {"units": "1", "flag_values": [0, 1], "flag_meanings": meanings},
            ),
            "mean": (
                ("y", "x"),
                np.ones((2, 3)),
                {"units": "degC", "standard_name": "air_temperature", "long_name": "Mean"},
            ),
        }
    )
    path = write_netcdf(maps, tmp_path / "season.nc")
    with xr.open_dataset(path, engine="h5netcdf") as file:
        written = file.load()
    assert (written["start"].attrs["units"], written["start"].attrs["long_name"]) == ("1", "Start")
    words = written["reason"].attrs["flag_meanings"].split()
    assert words == ["none", "no_start_the_record_begins_too_late_or_has_a_gap"]
    assert written["reason"].attrs["flag_values"].dtype == np.int8
    assert written["mean"].attrs["units_metadata"] == "temperature: on_scale"
    back = own_words(written)
    assert back["start"].attrs["units"] == "day of year"
    assert back["reason"].attrs["flag_meanings"] == meanings
