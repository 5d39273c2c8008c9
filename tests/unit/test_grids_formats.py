"""Formats and reference systems as people have them."""

import functools
import http.server
import json
import shutil
import threading
from pathlib import Path
from typing import Literal

import fsspec
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
import xarray as xr

from headwater.errors import InputError
from headwater.glossary import term
from headwater.grids import open_grid, read_area
from headwater.grids.geometry import crs_of

THETA, HEIGHT = term("soil_moisture"), term("elevation")
VALUES = np.random.default_rng(1).uniform(0.1, 0.4, (3, 4, 5))


def plain() -> xr.Dataset:
    return xr.Dataset(
        {"sm": (("time", "lat", "lon"), VALUES, {"units": "m3 m-3"})},
        {
            "time": pd.date_range("2015-01-01", periods=3),
            "lat": ("lat", 36.05 + 0.1 * np.arange(4), {"units": "degrees_north"}),
            "lon": ("lon", 95.05 + 0.1 * np.arange(5), {"units": "degrees_east"}),
        },
    )


def test_classic_files_of_64_bit_data(tmp_path: Path) -> None:
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(tmp_path / "a.nc", "w", format="NETCDF3_64BIT_DATA") as file:
        for dim, values in (("lat", plain()["lat"].values), ("lon", plain()["lon"].values)):
            file.createDimension(dim, values.size)
            coordinate = file.createVariable(dim, "f8", (dim,))
            coordinate[:] = values
            coordinate.units = "degrees_north" if dim == "lat" else "degrees_east"
        sm = file.createVariable("sm", "f4", ("lat", "lon"))
        sm.units = "m3 m-3"
        sm[:] = VALUES[0]
    assert (tmp_path / "a.nc").read_bytes()[:4] == b"CDF\x05"
    np.testing.assert_allclose(open_grid(tmp_path / "a.nc", THETA), VALUES[0], rtol=1e-6)


@pytest.mark.parametrize("inner", [".", "cube.zarr"])
def test_zipped_zarr(tmp_path: Path, inner: str) -> None:
    plain().to_zarr(tmp_path / "store" / inner, zarr_format=2)
    shutil.make_archive(str(tmp_path / "cube"), "zip", tmp_path / "store")
    np.testing.assert_allclose(open_grid(tmp_path / "cube.zip", THETA), VALUES)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("zipped", [False, True])
def test_blocks_that_a_store_lacks_are_told(
    tmp_path: Path, zarr_format: Literal[2, 3], zipped: bool
) -> None:
    store = tmp_path / "cube.zarr"
    plain().chunk(time=1).to_zarr(store, zarr_format=zarr_format, consolidated=False)
    assert "warnings" not in open_grid(store, THETA).attrs
    block = sorted(file for file in (store / "sm").rglob("*[0-9]*") if file.is_file())[0]
    block.unlink()
    (block.parent / "Thumbs.db").write_bytes(b"of another system")
    if zipped:
        shutil.make_archive(str(tmp_path / "cube"), "zip", store)
    said = open_grid(tmp_path / "cube.zip" if zipped else store, THETA).attrs["warnings"]
    times = plain().sizes["time"]
    assert f"1 of {times} blocks of 'sm' are not in cube.z" in said
    assert "copy it again" in said


def test_blocks_that_a_store_by_url_lacks_are_told(tmp_path: Path) -> None:
    local = tmp_path / "cube.zarr"
    plain().chunk(time=1).to_zarr(local, zarr_format=2)
    memory = fsspec.filesystem("memory")
    memory.put(str(local), "/blocks/cube.zarr", recursive=True)
    assert "warnings" not in open_grid("memory://blocks/cube.zarr", THETA).attrs
    memory.rm("/blocks/cube.zarr/sm/0.0.0")
    said = open_grid("memory://blocks/cube.zarr", THETA).attrs["warnings"]
    assert f"1 of {plain().sizes['time']} blocks of 'sm' are not in cube.zarr" in said


def test_blocks_on_a_web_server_are_not_counted_which_is_told(tmp_path: Path) -> None:
    for name, fill in (("lost", np.nan), ("zero", 0.0)):
        encoding = {"sm": {"_FillValue": None}} if name == "zero" else None
        stored = plain().chunk(time=1)
        stored.to_zarr(tmp_path / f"{name}.zarr", zarr_format=2, encoding=encoding)
        meta = json.loads((tmp_path / f"{name}.zarr" / "sm" / ".zarray").read_text())
        meta["fill_value"] = "NaN" if np.isnan(fill) else 0.0
        (tmp_path / f"{name}.zarr" / "sm" / ".zarray").write_text(json.dumps(meta))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        assert "warnings" not in open_grid(f"{place}/lost.zarr", THETA).attrs
        said = open_grid(f"{place}/zero.zarr", THETA).attrs["warnings"]
        server.shutdown()
    assert "were not counted; one that is not there reads as 0" in said


def test_damaged_stores_are_refused_by_name(tmp_path: Path) -> None:
    store = tmp_path / "cube.zarr"
    plain().to_zarr(store, zarr_format=3, consolidated=False)
    (store / "zarr.json").write_text('{"zarr_format": 3, ')
    with pytest.raises(InputError, match=r"cube\.zarr cannot be read"):
        open_grid(store, THETA)
    shutil.rmtree(store)
    plain().to_zarr(store, zarr_format=2)
    shutil.make_archive(str(tmp_path / "cube"), "zip", store)
    whole = (tmp_path / "cube.zip").read_bytes()
    (tmp_path / "cube.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cube\.zip cannot be read"):
        open_grid(tmp_path / "cube.zip", THETA)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.txt").write_text("a")
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "store")
    with pytest.raises(InputError, match="a ZIP archive"):
        open_grid(tmp_path / "a.zip", THETA)


def test_pcraster_maps(tmp_path: Path) -> None:
    height = np.arange(20, dtype="float32").reshape(4, 5)
    height[0, 0] = -9999
    place = {"transform": rasterio.Affine(100, 0, 0, 0, -100, 400), "height": 4, "width": 5}
    with rasterio.open(
        tmp_path / "a.tif",
        "w",
        driver="GTiff",
        count=1,
        dtype="float32",
        nodata=-9999,
        crs="EPSG:32632",
        **place,
    ) as file:
        file.write(height[None])
    from rasterio.shutil import copy

    copy(
        tmp_path / "a.tif", tmp_path / "dem.map", driver="PCRaster", PCRASTER_VALUESCALE="VS_SCALAR"
    )
    found = open_grid(tmp_path / "dem.map", HEIGHT, units="m", crs="EPSG:32632").compute()
    assert np.isnan(found.values[0, 0])
    np.testing.assert_array_equal(found.values.ravel()[1:], height.ravel()[1:])


def test_a_reference_system_that_arcgis_wrote(tmp_path: Path) -> None:
    from pyproj import CRS

    utm = (
        plain()
        .rename(lat="y", lon="x")
        .assign_coords(y=("y", 4e6 + 1000.0 * np.arange(4)), x=("x", 5e5 + 1000.0 * np.arange(5)))
    )
    utm["sm"].attrs["esri_pe_string"] = CRS.from_epsg(32647).to_wkt("WKT1_ESRI")
    utm.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    assert crs_of(open_grid(tmp_path / "a.nc", THETA)).to_epsg() == 32647


def test_a_mesh_of_parallels_and_meridians_is_a_grid(tmp_path: Path) -> None:
    data = plain()
    lat, lon = np.meshgrid(data["lat"].values, data["lon"].values, indexing="ij")
    mesh = (
        data.drop_vars(["lat", "lon"])
        .rename(lat="j", lon="i")
        .assign_coords(
            nav_lat=(("j", "i"), lat, {"units": "degrees_north"}),
            nav_lon=(("j", "i"), lon, {"units": "degrees_east"}),
        )
    )
    mesh = mesh.rename(j="y", i="x")
    mesh.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = open_grid(tmp_path / "a.nc", THETA)
    np.testing.assert_allclose(found["y"], data["lat"])
    np.testing.assert_allclose(found["x"], data["lon"])


def test_shapefiles_in_chinese(tmp_path: Path) -> None:
    shapes = shapely.to_wkb([shapely.box(95, 36, 96, 37), shapely.box(97, 36, 98, 37)])
    for encoding in ("GBK", "UTF-8"):
        path = tmp_path / encoding / "area.shp"
        path.parent.mkdir()
        pyogrio.raw.write(
            path,
            shapes,
            [np.array(["祁连山", "柴达木"], dtype=object)],
            ["名称"],
            geometry_type="Polygon",
            crs="EPSG:4326",
            encoding=encoding,
        )
        path.with_suffix(".cpg").unlink(missing_ok=True)
        for given in (None, encoding):
            found = read_area(path, where={"名称": "祁连山"}, encoding=given)
            assert found.bounds == (95.0, 36.0, 96.0, 37.0)
