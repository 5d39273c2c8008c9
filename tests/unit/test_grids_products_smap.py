"""SMAP Level 3 files made in the product's layout (SPL3SMP data fields, NSIDC), and broken ones."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from headwater.errors import GridError, InputError, StudyError, TimeAxisError
from headwater.grids import read_area
from headwater.grids.geometry import geobox_of, grid_coords
from headwater.grids.products import quality_counts, read_product
from headwater.grids.products.smap import ease2_grid, read_smap

SHAPE = (406, 964)
ROW, COLUMN = 74, 747  # a corner in the Qilian mountains
AREA = read_area((99.2, 37.3, 101.3, 39.2))


def write(
    folder: Path,
    day: str = "20180615",
    *,
    drop: tuple[str, ...] = (),
    cut: tuple[slice, slice] | None = None,
    enhanced: bool = False,
    **patches: dict[tuple[int, int], float],
) -> Path:
    """Write one day: 0.20 (am) and 0.30 (pm) in a block of 20 x 20 cells, fills elsewhere."""
    name = "SM_P_E" if enhanced else "SM_P"
    shape = (1624, 3856) if enhanced else SHAPE
    path = folder / f"SMAP_L3_{name}_{day}_R19240_001.h5"
    swath = np.zeros(shape, dtype=bool)
    swath[ROW - 5 : ROW + 15, COLUMN - 5 : COLUMN + 15] = True
    rows, columns = np.indices(shape)
    y = 7314540.830638599 - 36032.220840584 * (np.arange(shape[0]) + 0.5)
    to_degrees = Transformer.from_crs(6933, 4326, always_xy=True)
    latitude = np.asarray(to_degrees.transform(np.zeros(y.size), y)[1])
    with h5py.File(path, "w") as file:
        file.create_group("Metadata")
        for group, suffix, level in (("AM", "", 0.2), ("PM", "_pm", 0.3)):
            layers = {
                "soil_moisture": np.where(swath, level, -9999.0).astype(np.float32),
                "retrieval_qual_flag": np.where(swath, 0, 65534).astype(np.uint16),
                "surface_flag": np.where(swath, 0, 65534).astype(np.uint16),
                "surface_temperature": np.where(swath, 285.0, -9999.0).astype(np.float32),
                "EASE_row_index": np.where(swath, rows, 65534).astype(np.uint16),
                "EASE_column_index": np.where(swath, columns, 65534).astype(np.uint16),
                "latitude": np.where(swath, latitude[:, None], -9999.0).astype(np.float32),
            }
            for layer, changes in patches.items():
                for place, value in changes.items():
                    layers[layer][place] = value
            into = file.create_group(f"Soil_Moisture_Retrieval_Data_{group}")
            for layer, values in layers.items():
                if layer not in drop:
                    kept = values if cut is None else values[cut]
                    into.create_dataset(layer + suffix, data=kept, compression="gzip")
    return path


def assert_same_grid(cube: xr.Dataset, grid: GeoBox) -> None:
    found = geobox_of(cube)
    assert found.shape == grid.shape
    np.testing.assert_allclose(found.transform[:6], grid.transform[:6], rtol=1e-11)


def at(row: int, column: int) -> tuple[int, int]:
    return ROW + row, COLUMN + column


def test_am_and_pm_are_read_apart(tmp_path: Path) -> None:
    write(tmp_path)
    for overpass, level in (("am", 0.2), ("pm", 0.3)):
        cube = read_smap(tmp_path / "*.h5", overpass=overpass, area=AREA)
        theta = cube["soil_moisture"]
        np.testing.assert_allclose(theta.values, level, rtol=1e-6)
        assert theta.attrs["units"] == "m3 m-3"
        assert str(theta["time"].values[0])[:10] == "2018-06-15"
        assert f"overpass {overpass}" in cube.attrs["notes"]


def test_cells_lie_where_ease_grid_puts_them(tmp_path: Path) -> None:
    write(tmp_path, soil_moisture={at(3, 4): 0.55})
    world = read_smap(tmp_path / "*.h5")
    assert_same_grid(world, ease2_grid(36))
    part = read_smap(tmp_path / "*.h5", area=AREA)["soil_moisture"]
    assert_same_grid(part.to_dataset(), ease2_grid(36, AREA.bounds))
    wet = part.load().where(part > 0.5, drop=True)
    assert wet.sizes == {"time": 1, "y": 1, "x": 1}
    grid = ease2_grid(36).transform
    assert float(wet["x"][0]) == pytest.approx(grid.c + grid.a * (COLUMN + 4.5))
    assert float(wet["y"][0]) == pytest.approx(grid.f + grid.e * (ROW + 3.5))


def test_flags_are_obeyed_and_counted(tmp_path: Path) -> None:
    write(
        tmp_path,
        soil_moisture={at(1, 1): 0.01, at(1, 2): 0.7, at(2, 5): -9999.0},
        retrieval_qual_flag={at(2, 1): 8, at(2, 2): 1, at(2, 3): 5, at(2, 5): 7},
        surface_flag={at(3, 1): 1 << 5, at(3, 2): 1 << 7, at(3, 3): 1 << 8, at(3, 4): 1 << 9},
        surface_temperature={at(4, 1): 270.0},
    )
    part = read_smap(tmp_path / "*.h5")
    block = part.isel(y=slice(ROW, ROW + 10), x=slice(COLUMN, COLUMN + 10))
    counts = quality_counts(block).iloc[0]
    assert counts.to_dict() == {
        "valid": 91,
        "not_observed": 1,
        "poor_quality": 2,
        "frozen_or_snow": 4,
        "out_of_range": 2,
    }
    quality = block["quality"].values[0]
    assert quality[2, 1] == 0  # 8: only the freeze/thaw bit
    assert (quality == 0).sum() == np.isfinite(block["soil_moisture"].values).sum()
    strict = read_smap(tmp_path / "*.h5", keep=(0,))["soil_moisture"]
    assert np.isnan(strict.values[0, ROW + 2, COLUMN + 1])
    winter = read_smap(tmp_path / "*.h5", frozen=True)["soil_moisture"].values[0]
    assert np.isfinite(winter[ROW + 3, COLUMN + 1 : COLUMN + 4]).all()


def test_days_are_in_order_and_lazy_and_an_empty_one_stays(tmp_path: Path) -> None:
    write(tmp_path, "20180617")
    write(tmp_path, "20180615")
    empty = write(tmp_path, "20180616")
    with h5py.File(empty, "r+") as file:
        file["Soil_Moisture_Retrieval_Data_AM/soil_moisture"][...] = -9999.0
    cube = read_smap(tmp_path / "*.h5", area=AREA)
    assert cube["soil_moisture"].chunks is not None
    assert cube["time"].dt.day.values.tolist() == [15, 16, 17]
    counts = quality_counts(cube)
    assert counts["valid"].tolist() == [cube["quality"][0].size, 0, cube["quality"][0].size]
    assert counts["not_observed"].iloc[1] == cube["quality"][0].size


def test_missing_flags_are_refused_or_told(tmp_path: Path) -> None:
    write(tmp_path, drop=("retrieval_qual_flag", "surface_flag", "surface_temperature"))
    with pytest.raises(InputError, match=r"no layer 'retrieval_qual_flag'.*keep=None"):
        read_smap(tmp_path / "*.h5")
    cube = read_smap(tmp_path / "*.h5", keep=None, area=AREA)
    assert "values of any quality are kept" in cube.attrs["notes"]
    assert "frozen soil is not masked" in cube.attrs["notes"]
    assert np.isfinite(cube["soil_moisture"].values).all()


def test_a_cut_out_is_placed_by_its_rows_and_columns(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    part = tmp_path / "part"
    for folder in (whole, part):
        folder.mkdir()
    wet = {at(3, 4): 0.55}
    write(whole, soil_moisture=wet)
    write(part, soil_moisture=wet, cut=(slice(ROW - 2, ROW + 14), slice(COLUMN, COLUMN + 12)))
    ours, theirs = (read_smap(folder / "*.h5", area=AREA) for folder in (part, whole))
    assert geobox_of(ours["soil_moisture"]) == geobox_of(theirs["soil_moisture"])
    np.testing.assert_array_equal(ours["soil_moisture"].values, theirs["soil_moisture"].values)


def test_the_enhanced_product_is_9_km(tmp_path: Path) -> None:
    write(tmp_path, enhanced=True)
    assert_same_grid(read_smap(tmp_path / "*.h5"), ease2_grid(9))


def test_wrong_files_are_named(tmp_path: Path) -> None:
    good = write(tmp_path)
    odd = write(tmp_path, "20180616", cut=(slice(0, 100), slice(0, 100)))
    with pytest.raises(GridError, match=r"EASE-Grid 2\.0 of 36 or 9 km.*100 x 100"):
        read_smap(odd)
    shifted = write(tmp_path, "20180618", EASE_row_index={at(0, 0): ROW + 1})
    with pytest.raises(GridError, match="row by row"):
        read_smap(shifted)
    with pytest.raises(InputError, match="no layer 'soil_moisture_pm'"):
        read_smap(write(tmp_path, "20180619", drop=("soil_moisture",)), overpass="pm")
    with pytest.raises(StudyError, match="Known: am, pm"):
        read_smap(good, overpass="AM")
    with pytest.raises(GridError, match="outside the product's files"):
        read_smap(good, area=read_area((0, 86, 1, 87)))
    text = tmp_path / "SMAP_L3_SM_P_20180620_R19240_001.h5"
    text.write_text("<html>login</html>")
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        read_smap(text)
    other = tmp_path / "SMAP_L3_SM_P_20180621_R19240_001.h5"
    with h5py.File(other, "w") as file:
        file.create_group("Geophysical_Data")
    with pytest.raises(InputError, match=r"Soil_Moisture_Retrieval_Data_AM.*Geophysical_Data"):
        read_smap(other)
    nameless = tmp_path / "june.h5"
    nameless.write_bytes(good.read_bytes())
    with pytest.raises(TimeAxisError, match="no date in its name"):
        read_smap(nameless)
    twice = tmp_path / "SMAP_L3_SM_P_20180615_R19240_002.h5"
    twice.write_bytes(good.read_bytes())
    with pytest.raises(InputError, match="a day is given twice"):
        read_smap([good, twice]).load()


def level_4(folder: Path, name: str, values: np.ndarray, *, whole: bool = False) -> Path:
    grid = ease2_grid(9, (98.0, 38.0, 98.5, 38.4))
    path = folder / f"SMAP_L4_SM_{name}_Vv7032_001.h5"
    with h5py.File(path, "w") as file:
        file["Geophysical_Data/sm_surface"] = values.astype("f4")
        file["Geophysical_Data/sm_rootzone"] = (values / 2).astype("f4")
        if not whole:
            coords = grid_coords(grid)
            file["x"], file["y"] = coords["x"].values, coords["y"].values
    return path


def test_level_4_stands_at_the_start_of_its_three_hours(tmp_path: Path) -> None:
    grid = ease2_grid(9, (98.0, 38.0, 98.5, 38.4))
    values = np.full(grid.shape, 0.3)
    values[0, :2] = -9999.0, 1.5
    for hour in ("01", "04"):
        level_4(tmp_path, f"gph_20170601T{hour}3000", values)
    for layer, expected in (("surface", 0.3), ("rootzone", 0.15)):
        cube = read_product(f"smap-l4-{layer}", tmp_path / "*.h5")
        theta = cube["soil_moisture"]
        assert [str(when)[:16] for when in theta["time"].values] == [
            "2017-06-01T00:00",
            "2017-06-01T03:00",
        ]
        assert float(theta.isel(time=0, y=1, x=1)) == pytest.approx(expected)
        np.testing.assert_allclose(geobox_of(theta).transform, grid.transform)
    assert quality_counts(cube)["not_observed"].tolist() == [1, 1]


def test_level_4_that_is_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="9 km EASE-Grid"):
        read_product(
            "smap-l4-surface",
            level_4(tmp_path, "gph_20170601T013000", np.full((3, 4), 0.2), whole=True),
        )
    path = tmp_path / "SMAP_L4_SM_aup_20170601T030000_Vv7032_001.h5"
    with h5py.File(path, "w") as file:
        file["Analysis_Data/sm_surface_analysis"] = np.zeros((2, 2))
    with pytest.raises(InputError, match="SPL4SMGP"):
        read_product("smap-l4-surface", path)
