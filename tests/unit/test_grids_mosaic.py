"""Tiles of a map put together, in the layouts of elevation models and classes."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from headwater.errors import GridError
from headwater.glossary import term
from headwater.grids import open_grid

TRUE = np.add.outer(100.0 * np.arange(12), np.arange(16)).astype("f4")
CELL = 1 / 1200


def tile(
    path: Path, rows: slice, columns: slice, *, cell: float = CELL, shift: float = 0.0
) -> Path:
    values = TRUE[rows, columns]
    corner = Affine(cell, 0, 100 + columns.start * cell + shift, 0, -cell, 39 - rows.start * cell)
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "crs": "EPSG:4326"}
    profile |= {"height": values.shape[0], "width": values.shape[1], "nodata": -9999.0}
    with rasterio.open(path, "w", transform=corner, **profile) as file:
        file.write(values, 1)
    return path


@pytest.mark.parametrize(
    "overlap",
    [0, 1],  # Copernicus: tiles side by side; ASTER and SRTM: they share a row and a column
)
def test_tiles_of_an_elevation_model_become_one(tmp_path: Path, overlap: int) -> None:
    for name, rows, columns in (
        ("Copernicus_DSM_COG_10_N38_00_E100_00_DEM", slice(6, 12), slice(0, 8 + overlap)),
        ("Copernicus_DSM_COG_10_N38_00_E101_00_DEM", slice(6, 12), slice(8, 16)),
        ("Copernicus_DSM_COG_10_N39_00_E100_00_DEM", slice(0, 6 + overlap), slice(0, 8 + overlap)),
        ("Copernicus_DSM_COG_10_N39_00_E101_00_DEM", slice(0, 6 + overlap), slice(8, 16)),
    ):
        tile(tmp_path / f"{name}.tif", rows, columns)
    dem = open_grid(tmp_path / "*.tif", term("elevation"), units="m")
    assert dem.dims == ("y", "x")
    np.testing.assert_array_equal(dem.values, TRUE)
    assert float(dem.y[0]) == pytest.approx(39 - CELL / 2)
    assert "4 tiles put together" in dem.attrs["notes"]


def test_what_no_tile_covers_is_missing(tmp_path: Path) -> None:
    tile(tmp_path / "ASTGTMV003_N38E100_dem.tif", slice(6, 12), slice(0, 8))
    tile(tmp_path / "ASTGTMV003_N39E101_dem.tif", slice(0, 6), slice(8, 16))
    dem = open_grid(tmp_path / "*.tif", term("elevation"), units="m").values
    assert np.isnan(dem[:6, :8]).all()
    np.testing.assert_array_equal(dem[6:, :8], TRUE[6:, :8])


@pytest.mark.parametrize(
    ("options", "words"),
    [({"cell": CELL * 1.5}, "do not fit together"), ({"shift": CELL / 3}, "do not fit together")],
)
def test_tiles_of_two_lattices_are_refused(tmp_path: Path, options: dict, words: str) -> None:
    tile(tmp_path / "N38E100.tif", slice(0, 12), slice(0, 8))
    tile(tmp_path / "N38E101.tif", slice(0, 12), slice(8, 16), **options)
    with pytest.raises(GridError, match=words):
        open_grid(tmp_path / "*.tif", term("elevation"), units="m")


def test_two_maps_of_what_lasts_are_refused(tmp_path: Path) -> None:
    for year in (2010, 2020):
        tile(tmp_path / f"landcover_{year}.tif", slice(0, 12), slice(0, 8))
    with pytest.raises(GridError, match=r"landcover_2010\.tif, landcover_2020\.tif"):
        open_grid(tmp_path / "*.tif", term("land_cover"))


def test_tiles_of_each_month_become_a_cube(tmp_path: Path) -> None:
    for month in (1, 2):
        for number, columns in enumerate((slice(0, 8), slice(8, 16))):
            tile(tmp_path / f"h2{number}_2015-{month:02d}.tif", slice(0, 12), columns)
    rain = open_grid(tmp_path / "*.tif", term("precipitation"), units="mm")
    assert dict(rain.sizes) == {"time": 2, "y": 12, "x": 16}
    np.testing.assert_array_equal(rain.values, np.stack([TRUE, TRUE]))
