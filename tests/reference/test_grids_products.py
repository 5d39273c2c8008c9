"""Real product files, against counts and ranges taken from them independently.

Expected values: counted when the files were collected (tests/data/README.md) and,
for the Mosel grids, the mask that the 500 m elevation grid gives when it is averaged by index.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox

from headwater.glossary import term
from headwater.grids import align, clip, open_grid, read_area, study_grid
from headwater.grids.geometry import crs_of, geobox_of
from headwater.grids.open import out_of_range
from headwater.grids.times import common_period

DATA = Path(__file__).parents[1] / "data" / "real"

QILIAN = (94.87, 36.43, 103.15, 40.02)
THREE_RIVERS = (89.75, 31.65, 102.38, 36.2)
MOSEL = DATA / "mhm-mosel-esacci"
CENTRES = (MOSEL / "latlon_1.nc", "xc", "yc")


def mosel(name: str | Path, quantity: str, **options: object) -> xr.DataArray:
    return open_grid(MOSEL / name, term(quantity), crs="EPSG:3035", **options)  # type: ignore[arg-type]


def heights(maps: Path, grid: GeoBox) -> xr.DataArray:
    """Means of the elevation of 500 m on a coarser grid."""
    fine = mosel(maps / "dem.asc", "elevation", units="m")
    return align(fine, grid, method="mean", min_coverage=0.0)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ESRI ASCII grids of 500 m, out of their archive."""
    folder = tmp_path_factory.mktemp("maps")
    with zipfile.ZipFile(MOSEL / "maps.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize(
    ("box", "shape", "n", "mean"),
    [(QILIAN, (14, 34), 219, 0.156), (THREE_RIVERS, (18, 51), 545, 0.228)],
)
def test_esa_cci(box: tuple[float, ...], shape: tuple[int, int], n: int, mean: float) -> None:
    world = open_grid(DATA / "esacci-v052-daily" / "*.nc", term("soil_moisture"), variable="sm")
    assert world.shape == (2, 720, 1440)
    theta = clip(world, read_area(box))
    assert theta.shape[1:] == shape
    first = theta.sel(time="2016-06-07").squeeze()
    assert int(first.notnull().sum()) == n
    assert float(first.mean()) == pytest.approx(mean, abs=0.0005)


@pytest.mark.parametrize(
    ("box", "shape", "n", "least", "most"),
    [(QILIAN, (14, 34), 469, 4.7, 21.2), (THREE_RIVERS, (18, 51), 916, 5.4, 25.7)],
)
def test_gldas_layers(
    box: tuple[float, ...], shape: tuple[int, int], n: int, least: float, most: float
) -> None:
    files = DATA / "gldas-noah-20160101" / "*.nc4"
    for name, depth in (("SoilMoi0_10cm_inst", 0.1), ("SoilMoi10_40cm_inst", 0.3)):
        theta = open_grid(files, term("soil_moisture"), variable=name, layer_depth=depth)
        theta = clip(theta, read_area(box))
        water = clip(open_grid(files, term("soil_water"), variable=name), read_area(box))
        assert theta.shape == (4, *shape)
        assert theta.notnull().sum(["y", "x"]).values.tolist() == [n] * 4
        np.testing.assert_allclose(theta, water / (1000 * depth), rtol=1e-6)
        if depth == 0.1:
            assert (float(water.min()), float(water.max())) == pytest.approx(
                (least, most), abs=0.05
            )
            assert out_of_range(theta).count == 0


def test_mosel_soil_moisture_is_placed_by_index(maps: Path) -> None:
    theta = mosel("sm.nc", "soil_moisture", georeference=CENTRES)
    assert theta.shape == (48, 9, 6)
    assert theta["x"].values[0] == 3985369.0
    assert int(theta.notnull().any("time").sum()) == 34
    assert float(theta.isnull().mean()) == pytest.approx(0.62, abs=0.005)
    empty = theta.notnull().sum(["y", "x"]) == 0
    assert [str(month)[:7] for month in theta["time"].values[empty.values]] == [
        "1991-04",
        "1991-05",
        "1991-06",
        "1991-07",
    ]
    # The 500 m elevation grid has the same basin in the same cells: index is the right pairing.
    height = heights(maps, geobox_of(theta))
    np.testing.assert_array_equal(height.notnull(), theta.notnull().any("time"))


def test_mosel_meteorology_shares_grid_and_period(maps: Path) -> None:
    theta = mosel("sm.nc", "soil_moisture", georeference=CENTRES)
    weather = [
        mosel(f"{name}.nc", quantity, georeference=CENTRES)
        for name, quantity in (
            ("pre", "precipitation"),
            ("tavg", "temperature"),
            ("pet", "potential_evapotranspiration"),
        )
    ]
    for data in weather:
        assert data.shape == (1826, 9, 6)
        assert geobox_of(data) == geobox_of(theta)
        assert out_of_range(data).count == 0
    start, end = common_period([theta, *weather])
    assert (str(start), str(end)) == ("1990-01-01 00:00:00", "1993-12-31 23:59:59")
    # Colder where it is higher: the pairing by index holds, the one turned round does not.
    warmth = weather[1].mean("time").values
    height = heights(maps, geobox_of(theta)).values
    valid = np.isfinite(height)
    assert np.corrcoef(warmth[valid], height[valid])[0, 1] < -0.8
    assert np.corrcoef(warmth[::-1][valid], height[valid])[0, 1] > -0.4


def test_mosel_evapotranspiration_needs_its_unit() -> None:
    # 'unit' instead of 'units', a missing value written as text, months labelled by their last hour
    amount = mosel("et.nc", "evapotranspiration", units="mm")
    assert amount.shape == (48, 9, 6)
    assert out_of_range(amount).count == 0
    yearly = float(amount.mean()) * 12
    assert 300 < yearly < 900


@pytest.mark.parametrize(
    ("name", "quantity", "units", "low", "high"),
    [
        ("dem.asc", "elevation", "m", 186, 1284),
        ("slope.asc", "slope", "degree", 0, 40),
        ("aspect.asc", "aspect", "degree", 0, 359),
        ("LAI_class.asc", "vegetation", None, 1, 10),
        ("soil_class.asc", "soil_class", None, 20, 1151),
        ("lc_1991.asc", "land_cover", None, 1, 3),
    ],
)
def test_mosel_maps(
    maps: Path, name: str, quantity: str, units: str | None, low: float, high: float
) -> None:
    data = mosel(maps / name, quantity, units=units)
    assert data.shape == (432, 288)
    report = out_of_range(data)
    # Flat land is written as -1 in the aspect grid, which is no direction.
    flat = 2205 if quantity == "aspect" else 0
    assert (report.n, report.minimum, report.maximum) == (46545 - flat, low, high)
    assert report.count == 0


def test_mosel_classes_on_the_model_grid(maps: Path) -> None:
    theta = mosel("sm.nc", "soil_moisture", georeference=CENTRES)
    cover = mosel(maps / "lc_1991.asc", "land_cover")
    coarse = align(cover, geobox_of(theta), method="mode", min_coverage=0.0)
    fine = cover.values.reshape(9, 48, 6, 48)
    for i, j in np.argwhere(coarse.notnull().values):
        codes, counts = np.unique(fine[i, :, j], return_counts=True)
        counts = counts[~np.isnan(codes)]
        assert coarse.values[i, j] == codes[~np.isnan(codes)][counts.argmax()]


def test_gldas_like_fields_of_january_2000() -> None:
    path = DATA / "rmep-gldas-tibet-200001" / "rmep_200001_0p25.nc"
    for name, quantity, units in (
        ("sm", "soil_water", None),
        ("Ts", "surface_temperature", None),
        ("Rn", "net_radiation", None),
        ("qs", "specific_humidity", None),
        ("ETannual", "evapotranspiration", "mm"),
        ("type", "vegetation", None),
    ):
        data = open_grid(path, term(quantity), variable=name, units=units, crs="EPSG:4326")
        box = clip(data, read_area(QILIAN))
        assert box.shape == (14, 34)
        report = out_of_range(box)
        assert (report.n, report.count) == (469, 0)
    water = open_grid(path, term("soil_water"), variable="sm", crs="EPSG:4326")
    report = out_of_range(clip(water, read_area(QILIAN)))
    assert (report.minimum, report.maximum) == pytest.approx((3.6, 18.5), abs=0.05)


def test_natural_earth_regions() -> None:
    path = DATA / "naturalearth-tibet-regions" / "tibet_regions.geojson"
    mountains = read_area(path, where={"name": "QUILIAN MOUNTAINS"})
    # What is left of the range outside the plateau's own polygon: slivers of 0.06 square degrees.
    assert mountains.geometry.area == pytest.approx(0.0622, abs=0.0001)
    plateau = read_area(path, where={"name": "PLATEAU OF TIBET"}).overlap(read_area(QILIAN))
    water = open_grid(
        DATA / "rmep-gldas-tibet-200001" / "rmep_200001_0p25.nc",
        term("soil_water"),
        variable="sm",
        crs="EPSG:4326",
    )
    assert 300 < int(clip(water, plateau).notnull().sum()) < 469


def test_alpine_elevation() -> None:
    folder = DATA / "dem-vinschgau-alps"
    height = open_grid(folder / "elev_vinschgau.tif", term("elevation"), units="m")
    assert height.shape == (194, 252)
    assert crs_of(height).to_epsg() == 32632
    report = out_of_range(height)
    assert (report.minimum, report.maximum) == (388, 3863)
    # Coarser cells in degrees have the mean of what lies in them.
    grid = study_grid(resolution=0.05, area=read_area((10.4, 46.5, 10.9, 46.8)))
    coarse = align(height, grid, method="mean")
    assert coarse.notnull().all()
    window = clip(height, read_area((10.4, 46.5, 10.9, 46.8)))
    assert float(coarse.mean()) == pytest.approx(float(window.mean()), rel=0.002)
    luxembourg = open_grid(folder / "elev.tif", term("elevation"), units="m")
    inside = clip(luxembourg, read_area(folder / "lux.shp"))
    # The districts and the elevation grid were drawn apart: 1 % of cells lie on the border.
    assert 0.98 < out_of_range(inside).n / out_of_range(luxembourg).n < 1.0
