"""Readers on real files of ESA CCI, GLDAS and MODIS.

Expected values: counted when the files were collected (tests/data/README.md), and the stored
numbers themselves, decoded here by hand. Of the 23 GeoTIFFs, int16 by their description, the last
two hold floats, which these tests found.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

from headwater.grids import clip, read_area
from headwater.grids.geometry import geobox_of
from headwater.grids.products import quality_counts, read_product

DATA = Path(__file__).parents[1] / "data" / "real"

QILIAN = (94.87, 36.43, 103.15, 40.02)


@pytest.fixture(scope="module")
def modis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modis")
    for archive in sorted((DATA / "modis-ndvi-hdf").glob("*.zip")):
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    return folder


def test_esa_cci() -> None:
    cube = read_product("esa-cci", DATA / "esacci-v052-daily" / "*.nc", area=read_area(QILIAN))
    assert cube.sizes == {"time": 2, "y": 16, "x": 34}  # all cells that touch the box
    theta = clip(cube["soil_moisture"], read_area(QILIAN))[0]
    assert theta.shape == (14, 34)
    assert int(theta.notnull().sum()) == 219
    assert float(theta.mean()) == pytest.approx(0.156, abs=0.0005)
    assert (float(theta.min()), float(theta.max())) == pytest.approx((0.067, 0.255), abs=0.0005)
    counts = quality_counts(cube)
    assert (counts.sum(axis=1) == 16 * 34).all()
    assert counts["frozen_or_snow"].tolist() == [29, 1]
    sd = cube["soil_moisture_sd"]
    assert int((sd.notnull() & cube["soil_moisture"].isnull()).sum()) == 0
    assert 0 < float(sd.min()) < float(sd.max()) < 0.1


def test_esa_cci_masks_nothing_that_its_own_flag_accepts() -> None:
    import xarray as xr

    path = next((DATA / "esacci-v052-daily").glob("*20160608*.nc"))
    cube = read_product("esa-cci", path)
    with xr.open_dataset(path, engine="h5netcdf") as raw:
        stored = raw["sm"].values
    np.testing.assert_array_equal(cube["soil_moisture"].values, stored)


def test_gldas() -> None:
    files = DATA / "gldas-noah-20160101" / "*.nc4"
    cube = read_product("gldas-noah", files, area=read_area(QILIAN))
    theta = clip(cube["soil_moisture"], read_area(QILIAN))
    assert theta.shape == (4, 14, 34)
    assert int(theta[0].notnull().sum()) == 469
    assert (float(theta.min()), float(theta.max())) == pytest.approx((0.047, 0.212), abs=0.0005)


def test_modis_reflectance_tile(modis: Path) -> None:
    from pyhdf.SD import SD

    path = next(modis.glob("*.hdf"))
    cube = read_product("modis-reflectance-ndvi", path)
    assert cube["ndvi"].shape == (1, 73, 66)
    assert str(cube["time"].values[0])[:10] == "2017-07-12"
    file = SD(str(path))
    red, infrared, state = (
        np.asarray(file.select(name)[:]).astype(float)
        for name in ("sur_refl_b01", "sur_refl_b02", "sur_refl_state_500m")
    )
    file.end()
    expected = (infrared - red) / (infrared + red)
    kept = np.isfinite(cube["ndvi"].values[0])
    np.testing.assert_allclose(cube["ndvi"].values[0][kept], expected[kept], rtol=1e-6)
    cloudy = np.isin(state.astype(int) & 3, (1, 2)) | ((state.astype(int) & 4) > 0)
    assert quality_counts(cube)["poor_quality"].tolist() == [int(cloudy.sum())] == [348]
    cells = geobox_of(cube["ndvi"])
    assert cells.transform.a == pytest.approx(463.3127, abs=1e-3)
    assert cells.transform.c == pytest.approx(753346.477, abs=1e-2)


def test_modis_series_of_rasters(modis: Path) -> None:
    cube = read_product("modis-ndvi", modis / "NDVI" / "*.tif")
    assert cube["ndvi"].shape == (23, 122, 65)
    assert cube["time"].dt.dayofyear.values.tolist() == list(range(1, 354, 16))
    cells = geobox_of(cube["ndvi"])
    t = cells.transform
    middle = t.c + t.a * 32.5, t.f + t.e * 61
    longitude, latitude = Transformer.from_crs(cells.crs.proj, 4326, always_xy=True).transform(
        *middle
    )
    assert (longitude, latitude) == pytest.approx((9.4, 45.9), abs=0.05)
    season = cube["ndvi"].mean(("y", "x")).values
    assert season.argmax() in (13, 14)  # late July: 209 and 225
    assert season.min() > 0.35
    # The last two files hold floats: unscaled, December lies between November and January.
    assert "MOD13A1_NDVI_2016_337.tif, MOD13A1_NDVI_2016_353.tif" in cube.attrs["notes"]
    assert 0.45 < season[-1] < season[-2] < 0.6
    assert quality_counts(cube)["not_observed"].max() < 0.05 * 122 * 65
