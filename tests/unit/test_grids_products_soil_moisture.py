"""ESA CCI and GLDAS files in the products' layout, their flags, and files that lack them."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from headwater.errors import GridError, InputError, StudyError
from headwater.grids import read_area
from headwater.grids.products import quality_counts, read_product
from headwater.grids.products.catalogue import PRODUCTS
from headwater.grids.products.esacci import read_esa_cci
from headwater.grids.products.gldas import read_gldas
from headwater.grids.products.smap import ease2_grid


def coordinates(rows: int, columns: int) -> dict[str, tuple]:
    return {
        "lat": ("lat", (40 - 0.25 * np.arange(rows)).astype("f4"), {"units": "degrees_north"}),
        "lon": ("lon", (99 + 0.25 * np.arange(columns)).astype("f4"), {"units": "degrees_east"}),
    }


def esa_cci(folder: Path, day: int = 7, **changes: object) -> Path:
    sm = np.full((1, 3, 4), 0.2, dtype=np.float32)
    flag = np.zeros((1, 3, 4), dtype=np.int8)
    sm[0, 0], flag[0, 0] = -9999.0, [127, 1, 5, 8]
    flag[0, 1, 0] = 16
    variables = {
        "sm": (sm, {"units": "m3 m-3", "_FillValue": np.float32(-9999)}),
        "sm_uncertainty": (sm / 10, {"units": "m3 m-3", "_FillValue": np.float32(-999.9)}),
        "flag": (flag, {"_FillValue": np.int8(127)}),
    }
    for name, change in changes.items():
        if change is None:
            del variables[name]
        else:
            variables[name] = (variables[name][0], {**variables[name][1], **change})
    data = {name: (("time", "lat", "lon"), *pair) for name, pair in variables.items()}
    time = {"time": ("time", [16958.0 + day - 7], {"units": "days since 1970-01-01"})}
    path = folder / f"ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-2016060{day}000000-fv05.2.nc"
    xr.Dataset(data, coords={**coordinates(3, 4), **time}).to_netcdf(path, engine="h5netcdf")
    return path


def test_esa_cci_flags_say_why(tmp_path: Path) -> None:
    esa_cci(tmp_path)
    cube = read_esa_cci(tmp_path / "*.nc")
    assert cube["quality"].values[0, :2].tolist() == [[1, 3, 3, 4], [2, 0, 0, 0]]
    assert int(cube["soil_moisture"].notnull().sum()) == 7
    assert int(cube["soil_moisture_sd"].notnull().sum()) == 7
    assert cube["soil_moisture_sd"].attrs["units"] == "m3 m-3"
    loose = read_esa_cci(tmp_path / "*.nc", keep=(0, 16))
    assert quality_counts(loose)["valid"].tolist() == [8]


def test_esa_cci_without_flags_says_so(tmp_path: Path) -> None:
    esa_cci(tmp_path, flag=None, sm_uncertainty=None)
    cube = read_esa_cci(tmp_path / "*.nc")
    assert "no layer 'flag'" in cube.attrs["notes"]
    assert set(cube.data_vars) == {"soil_moisture", "quality"}
    assert quality_counts(cube).iloc[0].tolist() == [8, 4, 0, 0, 0]


def test_esa_cci_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file of ESA CCI"):
        read_esa_cci(esa_cci(tmp_path, sm=None))
    with pytest.raises(InputError, match="degree of saturation"):
        read_esa_cci(esa_cci(tmp_path, sm={"units": "percent"}))
    with pytest.raises(GridError, match="'bounding box' lies outside"):
        read_esa_cci(esa_cci(tmp_path), area=read_area((10, 45, 11, 46)))


def gldas(folder: Path, *, heat: bool = False, name: str = "SoilMoi10_40cm_inst") -> Path:
    water = np.full((1, 3, 4), 60.0, dtype=np.float32)
    water[0, 0, 0] = -9999.0
    attrs = {"units": "kg m-2", "_FillValue": np.float32(-9999)}
    dims = ("time", "lat", "lon")
    data = {name: (dims, water, attrs)}
    if heat:
        kelvin = np.full((1, 3, 4), 280.0, dtype=np.float32)
        kelvin[0, 2] = 270.0
        data["SoilTMP10_40cm_inst"] = (dims, kelvin, {"units": "K"})
    time = {"time": ("time", [8415360.0], {"units": "minutes since 2000-01-01 00:00:00"})}
    path = folder / "GLDAS_NOAH025_3H.A20160101.0000.021.nc4"
    xr.Dataset(data, coords={**coordinates(3, 4), **time}).to_netcdf(path, engine="h5netcdf")
    return path


def test_gldas_is_a_volume_fraction_of_its_layer(tmp_path: Path) -> None:
    cube = read_gldas(gldas(tmp_path, heat=True), layer="10-40cm")
    assert float(cube["soil_moisture"].max()) == pytest.approx(0.2)
    assert quality_counts(cube).iloc[0].tolist() == [11, 1, 0, 0, 0]
    thawed = read_gldas(tmp_path / "*.nc4", layer="10-40cm", frozen=False)
    assert quality_counts(thawed).iloc[0].tolist() == [7, 1, 0, 4, 0]
    assert "frozen soil masked" in thawed.attrs["notes"]


def test_gldas_without_temperature_says_so(tmp_path: Path) -> None:
    cube = read_gldas(gldas(tmp_path), layer="10-40cm", frozen=False)
    assert "frozen soil is not masked" in cube.attrs["notes"]
    assert quality_counts(cube)["valid"].tolist() == [11]


def test_gldas_wrong_layers(tmp_path: Path) -> None:
    path = gldas(tmp_path)
    with pytest.raises(StudyError, match="no such layer"):
        read_gldas(path, layer="0-5cm")
    with pytest.raises(InputError, match=r"SoilMoi0_10cm_inst.*SoilMoi10_40cm_inst"):
        read_gldas(path)


def test_products_have_names(tmp_path: Path) -> None:
    cube = read_product("gldas-noah", gldas(tmp_path), layer="10-40cm")
    assert cube.attrs["product"] == "GLDAS Noah soil moisture, 10-40cm"
    assert PRODUCTS["gldas-noah"] == ("soil_moisture", read_gldas)
    with pytest.raises(StudyError, match="unknown product"):
        read_product("sentinel", "x.nc")
    with pytest.raises(InputError, match="does not say why"):
        quality_counts(cube.drop_vars("quality"))


@pytest.mark.parametrize(("kilometres", "cells"), [(36, 4), (9, 64), (3, 576), (1, 5184)])
def test_ease_grids_nest(kilometres: int, cells: int) -> None:
    grid = ease2_grid(kilometres)
    assert grid.shape[0] * grid.shape[1] == 406 * 964 * cells // 4
    whole, part = ease2_grid(36).boundingbox, grid.boundingbox
    np.testing.assert_allclose(part.bbox, whole.bbox, rtol=1e-14)


def test_ease_grid_ends_at_the_date_line_and_at_85_degrees() -> None:
    from pyproj import Transformer

    box = ease2_grid(36).boundingbox
    to_degrees = Transformer.from_crs(6933, 4326, always_xy=True)
    east, north = to_degrees.transform(box.right - 1e-3, box.top)
    assert (east, north) == pytest.approx((180.0, 85.0445), abs=1e-4)


@pytest.mark.parametrize("kilometres", [5, 0, 72])
def test_no_other_ease_grids(kilometres: int) -> None:
    with pytest.raises(GridError, match="no cells of this side"):
        ease2_grid(kilometres)
    with pytest.raises(GridError, match="touches no cell"):
        ease2_grid(36, (10, 20, 5, 25))
