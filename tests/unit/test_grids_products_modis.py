"""MODIS tiles written in the products' layout (LP DAAC file specifications), and broken ones."""

import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.errors import GridError, InputError, StudyError, TimeAxisError
from headwater.grids import read_area
from headwater.grids.geometry import geobox_of
from headwater.grids.products import quality_counts, read_product
from headwater.grids.products._hdf4 import SINUSOIDAL
from headwater.grids.products.modis import read_modis
from headwater.grids.steps import time_steps

SIDE = 926.625433055833
TILE = 12  # cells; a real tile of 1 km has 1200
LEFT = {25: 7783653.637740, 26: 7783653.637740 + TILE * SIDE}
TOP = 4447802.078667
STRUCT = """GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="MODIS_Grid"
\t\tXDim={columns}
\t\tYDim={rows}
\t\tUpperLeftPointMtrs=({left:.6f},{top:.6f})
\t\tLowerRightMtrs=({right:.6f},{bottom:.6f})
\t\tProjection={projection}
\t\tProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)
\t\tSphereCode=-1
\t\tGROUP=DataField
{fields}
\t\tEND_GROUP=DataField
\tEND_GROUP=GRID_1
END_GROUP=GridStructure
END
"""
TYPES = {"uint8": 21, "int8": 20, "int16": 22, "uint16": 23}  # DFNT codes


def write(path: Path, layers: dict, *, h: int = 25, projection: str = "GCTP_SNSOID") -> Path:
    """Write an HDF-EOS grid in HDF4; layers: name -> (values, attributes)."""
    from pyhdf.SD import SD, SDC

    rows, columns = next(iter(layers.values()))[0].shape
    fields = "\n".join(
        f'\t\t\tOBJECT=DataField_{i}\n\t\t\t\tDataFieldName="{name}"\n\t\t\tEND_OBJECT=DataField_{i}'
        for i, name in enumerate(layers, start=1)
    )
    side = SIDE * TILE / columns
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    file.attr("StructMetadata.0").set(
        SDC.CHAR,
        STRUCT.format(
            rows=rows,
            columns=columns,
            left=LEFT[h],
            top=TOP,
            right=LEFT[h] + columns * side,
            bottom=TOP - rows * side,
            projection=projection,
            fields=fields,
        ),
    )
    for name, (values, attrs) in layers.items():
        data = file.create(name, TYPES[str(values.dtype)], values.shape)
        for key, value in attrs.items():
            setattr(data, key, value)
        data[:] = values
        data.endaccess()
    file.end()
    return path


def full(value: float, kind: str) -> np.ndarray:
    return np.full((TILE, TILE), value, dtype=kind)


def lst(folder: Path, day: str = "2018166", h: int = 25, kelvin: float = 290.0) -> Path:
    values, quality = full(kelvin / 0.02, "uint16"), full(0, "uint8")
    values[0, 0] = 0  # fill
    quality[0, 1] = 0b00000010  # not produced, cloud
    quality[0, 2] = 0b01000001  # other quality, error up to 2 K
    quality[0, 3] = 0b10000001  # other quality, error up to 3 K
    values[0, 4] = 7000  # below the valid range
    path = folder / f"MOD11A1.A{day}.h{h}v05.061.2021336042222.hdf"
    told = {"long_name": "Daily daytime 1km grid Land-surface Temperature", "units": "K"}
    return write(
        path,
        {
            "LST_Day_1km": (values, {**told, "scale_factor": 0.02, "add_offset": 0.0}),
            "QC_Day": (quality, {"long_name": "Quality control for daytime LST and emissivity"}),
        },
        h=h,
    )


def test_temperature_is_in_degrees_and_its_quality_obeyed(tmp_path: Path) -> None:
    cube = read_modis(lst(tmp_path), "lst_day")
    values = cube["surface_temperature"]
    assert values.attrs["units"] == "degC"
    np.testing.assert_allclose(values.values[0, 1:], 16.85, atol=1e-4)
    assert cube["quality"].values[0, 0, :6].tolist() == [1, 2, 0, 2, 4, 0]
    assert np.isnan(values.values[0, 0, [0, 1, 3, 4]]).all()
    assert quality_counts(cube)["valid"].tolist() == [TILE * TILE - 4]
    tolerant = read_modis(tmp_path / "*.hdf", "lst_day", limit=3)
    assert tolerant["quality"].values[0, 0, :6].tolist() == [1, 2, 0, 0, 4, 0]
    strict = read_modis(tmp_path / "*.hdf", "lst_day", limit=0)
    assert strict["quality"].values[0, 0, 2] == 2


def test_tiles_of_a_day_become_one_map(tmp_path: Path) -> None:
    lst(tmp_path, h=25, kelvin=290)
    lst(tmp_path, h=26, kelvin=300)
    lst(tmp_path, day="2018167", h=26, kelvin=300)
    cube = read_product("modis-lst-day", tmp_path / "*.hdf")
    values = cube["surface_temperature"]
    assert values.shape == (2, TILE, 2 * TILE)
    assert values.chunks is not None
    np.testing.assert_allclose(values.values[0, 5, [TILE - 1, TILE]], [16.85, 26.85], atol=1e-4)
    assert np.isnan(values.values[1, :, :TILE]).all()
    assert quality_counts(cube)["not_observed"].tolist() == [2, TILE * TILE + 1]
    wanted = GeoBox((TILE, 2 * TILE), Affine(SIDE, 0, LEFT[25], 0, -SIDE, TOP), SINUSOIDAL)
    found = geobox_of(values)
    np.testing.assert_allclose(found.transform[:6], wanted.transform[:6], rtol=1e-8)


def test_an_area_keeps_the_cells_that_it_touches(tmp_path: Path) -> None:
    lst(tmp_path, h=25, kelvin=290)
    lst(tmp_path, h=26, kelvin=300)
    x, y = LEFT[26] - 0.5 * SIDE, TOP - 4.5 * SIDE
    area = read_area((x, y - SIDE, x + SIDE, y), crs=SINUSOIDAL)
    values = read_modis(tmp_path / "*.hdf", "lst_day", area=area)["surface_temperature"]
    np.testing.assert_allclose(values.values[0], [[16.85, 26.85]] * 2, atol=1e-4)
    with pytest.raises(GridError, match="outside the product's files"):
        read_modis(tmp_path / "*.hdf", "lst_day", area=read_area((10, 45, 11, 46)))


def test_vegetation_index_divides_by_its_scale_of_10000(tmp_path: Path) -> None:
    values, reliability = full(5000, "int16"), full(0, "int8")
    values[0, 0], reliability[0, 0] = -3000, -1
    reliability[0, 1:4] = [1, 2, 3]
    values[0, 4] = -2500
    write(
        tmp_path / "MOD13A2.A2018161.h25v05.061.2021346000000.hdf",
        {
            "1 km 16 days NDVI": (values, {"scale_factor": 10000.0, "units": "NDVI"}),
            "1 km 16 days EVI": (values // 2, {"scale_factor": 10000.0}),
            "1 km 16 days pixel reliability": (reliability, {}),
        },
    )
    cube = read_modis(tmp_path / "*.hdf", "ndvi")
    assert float(cube["ndvi"][0, 5, 5]) == pytest.approx(0.5)
    assert cube["quality"].values[0, 0, :6].tolist() == [1, 0, 3, 2, 4, 0]
    best = read_modis(tmp_path / "*.hdf", "ndvi", limit=0)["quality"].values[0, 0, 1]
    assert best == 2
    assert float(read_modis(tmp_path / "*.hdf", "evi")["evi"][0, 5, 5]) == pytest.approx(0.25)


def test_albedo_takes_full_inversions_unless_told(tmp_path: Path) -> None:
    values, quality = full(180, "int16"), full(0, "uint8")
    values[0, 0], quality[0, 0] = 32767, 255
    quality[0, 1] = 1
    write(
        tmp_path / "MCD43A3.A2018166.h25v05.061.2021346000000.hdf",
        {
            "Albedo_BSA_shortwave": (values, {"scale_factor": 0.001}),
            "Albedo_WSA_shortwave": (values + np.int16(20) * (values < 999), {}),
            "BRDF_Albedo_Band_Mandatory_Quality_shortwave": (quality, {}),
        },
    )
    white = read_modis(tmp_path / "*.hdf", "albedo_white")
    assert float(white["albedo"][0, 5, 5]) == pytest.approx(0.2)
    assert white["quality"].values[0, 0, :3].tolist() == [1, 2, 0]
    black = read_modis(tmp_path / "*.hdf", "albedo_black", limit=1)
    assert black["quality"].values[0, 0, :3].tolist() == [1, 0, 0]
    assert float(black["albedo"][0, 0, 1]) == pytest.approx(0.18)


def test_reflectance_makes_an_index_of_clear_pixels(tmp_path: Path) -> None:
    red, infrared, state = full(1000, "int16"), full(3000, "int16"), full(8, "uint16")
    red[0, 0] = -28672
    state[0, 1:5] = [8 | 1, 8 | 4, 8 | 1 << 12, 8 | 3]
    red[0, 5], infrared[0, 5] = 20000, 3000
    red[0, 6], infrared[0, 6] = 0, 0
    write(
        tmp_path / "MOD09A1.A2018161.h25v05.061.2021346000000.hdf",
        {
            "sur_refl_b01": (red, {"scale_factor": 0.0001}),
            "sur_refl_b02": (infrared, {"scale_factor": 0.0001}),
            "sur_refl_state_500m": (state, {}),
        },
    )
    cube = read_modis(tmp_path / "*.hdf", "ndvi_of_reflectance")
    assert float(cube["ndvi"][0, 5, 5]) == pytest.approx(0.5)
    assert cube["quality"].values[0, 0, :8].tolist() == [1, 2, 2, 3, 0, 4, 4, 0]


def test_wrong_tiles_are_named(tmp_path: Path) -> None:
    good = lst(tmp_path)
    with pytest.raises(StudyError, match="Did you mean 'lst_day'"):
        read_modis(good, "lst-day")
    with pytest.raises(InputError, match=r"no layer '16 days NDVI'.*LST_Day_1km"):
        read_modis(good, "ndvi")
    bare = write(
        tmp_path / "MOD11A1.A2018170.h25v05.061.2021336042222.hdf",
        {"LST_Day_1km": (full(14500, "uint16"), {})},
    )
    with pytest.raises(InputError, match=r"no layer 'QC_Day'.*quality layer"):
        read_modis(bare, "lst_day")
    layers = {"LST_Day_1km": (full(1, "uint16"), {}), "QC_Day": (full(0, "uint8"), {})}
    geographic = write(
        tmp_path / "MOD11A1.A2018171.h25v05.061.1.hdf", layers, projection="GCTP_GEO"
    )
    with pytest.raises(GridError, match="GCTP_GEO"):
        read_modis(geographic, "lst_day")
    coarse = {name: (values[:6, :6], {}) for name, (values, _) in layers.items()}
    other = write(tmp_path / "MOD11A1.A2018172.h26v05.061.1.hdf", coarse, h=26)
    with pytest.raises(GridError, match="tiles do not fit together"):
        read_modis([good, other], "lst_day")
    text = tmp_path / "MOD11A1.A2018173.h25v05.061.1.hdf"
    text.write_text("<html>login</html>")
    with pytest.raises(InputError, match="cannot be read as HDF4"):
        read_modis(text, "lst_day")
    nameless = tmp_path / "june.hdf"
    nameless.write_bytes(good.read_bytes())
    with pytest.raises(TimeAxisError, match="no date in its name"):
        read_modis(nameless, "lst_day")


def test_a_tile_without_structure_is_refused(tmp_path: Path) -> None:
    layers = {"LST_Day_1km": (full(1, "uint16"), {}), "QC_Day": (full(0, "uint8"), {})}
    path = write(tmp_path / "MOD11A1.A2018171.h25v05.061.1.hdf", layers)
    from pyhdf.SD import SD, SDC

    file = SD(str(path), SDC.WRITE)
    file.attr("StructMetadata.0").set(SDC.CHAR, "END")
    file.end()
    with pytest.raises(GridError, match="does not say where its cells lie"):
        read_modis(path, "lst_day")


def test_without_pyhdf_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lst(tmp_path)
    monkeypatch.setitem(sys.modules, "pyhdf", None)  # what Python does for a package not there
    with pytest.raises(InputError, match=r'pip install "pyhdf>='):
        read_modis(path, "lst_day")


def raster(path: Path, values: np.ndarray, crs: str = SINUSOIDAL) -> Path:
    import rasterio

    options = {"driver": "GTiff", "count": 1, "height": 4, "width": 5, "nodata": 32767, "crs": crs}
    with rasterio.open(
        path, "w", **options, dtype=values.dtype, transform=Affine(463.3, 0, 7e6, 0, -463.3, 4e6)
    ) as file:
        file.write(values, 1)
    return path


def test_rasters_of_integers_and_of_floats_are_one_series(tmp_path: Path) -> None:
    stored = np.full((4, 5), 4000, dtype=np.int16)
    stored[0, :3] = [32767, -3000, -2000]
    raster(tmp_path / "MOD13A1_NDVI_2016_001.tif", stored)
    scaled = np.where(stored == 32767, 32767, stored / 10000).astype(np.float32)
    raster(tmp_path / "MOD13A1_NDVI_2016_017.tif", scaled)
    (tmp_path / "more").mkdir()
    for name in ("MOD13A1.A2016033.h25v05.061.NDVI.tif", "MOD13_NDVI_doy2016049_aid0001.tif"):
        raster(tmp_path / "more" / name, stored)
    more = read_modis(tmp_path / "more" / "*.tif", "ndvi")["time"]
    assert more.dt.dayofyear.values.tolist() == [33, 49]
    cube = read_modis(tmp_path / "*.tif", "ndvi")
    for day in range(2):
        np.testing.assert_allclose(cube["ndvi"].values[day, 1:], 0.4, rtol=1e-6)
    assert cube["quality"].values[0, 0, :4].tolist() == [1, 1, 0, 0]
    assert cube["quality"].values[1, 0, :4].tolist() == [1, 4, 0, 0]
    assert cube["time"].dt.dayofyear.values.tolist() == [1, 17]
    assert "MOD13A1_NDVI_2016_017.tif" in cube.attrs["notes"]
    assert "without quality flags" in cube.attrs["notes"]
    with pytest.raises(InputError, match="cannot be read from GeoTIFF"):
        read_modis(tmp_path / "*.tif", "lst_day")
    with pytest.raises(GridError, match="sinusoidal"):
        read_modis(raster(tmp_path / "NDVI_2016_033.tif", stored, "EPSG:32647"), "ndvi")


def test_evapotranspiration_is_the_amount_of_each_composite(tmp_path: Path) -> None:
    for day in ("2018001", "2018009", "2018361", "2019001"):
        values, quality = full(80, "int16"), full(0, "uint8")
        values[0, 0], quality[0, 0] = 32761, 255  # no vegetation: a code, not 3276 mm
        quality[0, 1] = 4 << 5  # not produced
        quality[0, 2] = 3 << 5  # empirical
        write(
            tmp_path / f"MOD16A2GF.A{day}.h25v05.061.2021336042222.hdf",
            {"ET_500m": (values, {"units": "kg/m^2/8day"}), "ET_QC_500m": (quality, {})},
        )
    cube = read_product("modis-evapotranspiration", tmp_path / "*.hdf")
    rain = cube["evapotranspiration"]
    assert rain.isel(time=0, y=0).values[:4].tolist() == pytest.approx(
        [np.nan, np.nan, 8.0, 8.0], nan_ok=True
    )
    assert rain.attrs["total"] == "sum"
    days = time_steps(rain).days
    assert days.tolist() == [8.0, 8.0, 5.0, 8.0]


def test_indices_of_viirs_are_read_from_hdf5(tmp_path: Path) -> None:
    import h5py

    name = "500 m 16 days"
    values, quality = full(6000, "int16"), full(0, "int8")
    values[0, 0], quality[0, 0] = -15000, -4
    quality[0, 1], quality[0, 2], quality[0, 3] = 8, 9, 3
    fields = "\n".join(
        f'\t\t\tDataFieldName="{name} {layer}"' for layer in ("NDVI", "pixel reliability")
    )
    text = STRUCT.format(
        rows=TILE,
        columns=TILE,
        left=LEFT[25],
        top=TOP,
        right=LEFT[25] + TILE * SIDE,
        bottom=TOP - TILE * SIDE,
        projection="HE5_GCTP_SNSOID",
        fields=fields,
    )
    path = tmp_path / "VNP13A1.A2018161.h25v05.002.2021336042222.h5"
    with h5py.File(path, "w") as file:
        home = "HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_500m/Data Fields"
        file[f"{home}/{name} NDVI".replace("500 m 16 days", "500_m_16_days")] = values
        file[f"{home}/500_m_16_days_pixel_reliability"] = quality
        file["HDFEOS INFORMATION/StructMetadata.0"] = text
    cube = read_product("viirs-ndvi", path)
    assert cube["ndvi"].values[0, 0, :5].tolist() == pytest.approx(
        [np.nan, np.nan, np.nan, 0.6, 0.6], nan_ok=True
    )
    counts = quality_counts(cube).iloc[0]
    assert counts[["not_observed", "frozen_or_snow", "poor_quality"]].tolist() == [1, 1, 1]
    assert geobox_of(cube["ndvi"]).transform.c == pytest.approx(LEFT[25])
