"""What is wrong with a study, its files and their values is told at once, before computing."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters import STEPS
from headwater.errors import DataError, InputError, ProblemsError, StudyError, TimeAxisError
from headwater.study import parse_study, read_study, run
from headwater.study.checks import survey

DAYS = pd.date_range("2020-01-01", periods=30)
HEAD = '[study]\nname = "s"\n[inputs.soil_moisture]\npath = "sm.nc"\n'


def save(path: Path, values: np.ndarray | None = None, *, units: str = "m3 m-3") -> Path:
    shape = (DAYS.size, 6, 8)
    if values is None:
        values = np.random.default_rng(1).uniform(0.05, 0.4, shape)
    data = xr.DataArray(
        np.broadcast_to(values, shape).astype("float32"),
        dims=("time", "lat", "lon"),
        coords={
            "time": DAYS,
            "lat": ("lat", 39.875 - 0.25 * np.arange(6), {"units": "degrees_north"}),
            "lon": ("lon", 94.125 + 0.25 * np.arange(8), {"units": "degrees_east"}),
        },
        attrs={"units": units},
        name="v",
    )
    packed = {"v": {"zlib": True, "chunksizes": (5, 6, 8)}}
    data.to_netcdf(path, engine="h5netcdf", encoding=packed)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    save(tmp_path / "sm.nc")
    return tmp_path


def problems(home: Path, text: str) -> list[Exception]:
    return list(survey(parse_study(text, home / "study.toml"), STEPS).problems)


def test_a_file_whose_values_are_damaged_is_named(home: Path) -> None:
    path = save(home / "p.nc", units="mm")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"\x00" * 4000 + whole[middle + 4000 :])
    found = problems(home, f'{HEAD}[inputs.precipitation]\npath = "p.nc"\n')
    assert [type(problem) for problem in found] == [InputError]
    assert "[inputs.precipitation]" in str(found[0])
    assert found[0].found
    assert found[0].do


def test_a_map_cut_off_is_named(home: Path) -> None:
    import rasterio

    profile = {"driver": "GTiff", "height": 600, "width": 800, "count": 1, "dtype": "float32"}
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(0.0025, 0, 94, 0, -0.0025, 40)}
    path = home / "dem.tif"
    with rasterio.open(path, "w", **profile, **place) as raster:
        raster.write(np.random.default_rng(1).uniform(0, 5000, (1, 600, 800)).astype("float32"))
    path.write_bytes(path.read_bytes()[:1_000_000])
    found = problems(home, f'{HEAD}[inputs.elevation]\npath = "dem.tif"\nunits = "m"\n')
    assert [type(problem) for problem in found] == [InputError]
    assert "[inputs.elevation]: its values cannot be read" in str(found[0])


def test_mistakes_in_the_file_and_in_its_inputs_are_told_together(home: Path) -> None:
    file = home / "study.toml"
    text = HEAD.replace("[inputs", "sed = 1\n[inputs", 1)
    text += '[inputs.temperature]\npath = "sm.nc"\nunits = "celcius"\n'
    text += '[inputs.elevation]\npath = "demm.tif"\n[varation]\n'
    file.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        read_study(file, STEPS)
    told = str(caught.value)
    assert told.startswith("4 problems found")
    for words in ("'sed'", "'celcius'", "'varation'", "[inputs.elevation]: no such file"):
        assert words in told
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[study\n",
        '[study]\nname = "s"\n',
        HEAD.replace("[inputs", 'crs = "EPSG:x"\n[inputs', 1),
    ],
)
def test_where_little_is_right_only_the_file_is_told(home: Path, text: str) -> None:
    file = home / "study.toml"
    file.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        read_study(file, STEPS)
    assert all(isinstance(problem, StudyError) for problem in caught.value.problems)


def test_a_run_tells_all_that_a_check_tells(home: Path) -> None:
    text = f'{HEAD}[inputs.ndvi]\npath = "gone.nc"\n'
    text += "[detector]\nfactors = []\n[correlation]\nwith = []\n"
    study = parse_study(text, home / "study.toml")
    with pytest.raises(ProblemsError) as caught:
        run(study, STEPS)
    assert [str(problem) for problem in caught.value.problems] == [
        str(problem) for problem in survey(study, STEPS).problems
    ]
    assert not (home / "results" / "grids").exists()


def test_a_factor_without_contrast_in_space_is_told(home: Path) -> None:
    save(home / "p.nc", np.arange(30.0)[:, None, None], units="mm")
    text = f'{HEAD}[inputs.precipitation]\npath = "p.nc"\n'
    assert problems(home, text) == []
    found = problems(home, f"{text}[detector]\n")
    assert {type(problem) for problem in found} == {DataError}
    assert "'precipitation' is at all times the same in all cells" in str(found[0])
    assert all("no cell with enough data" in str(problem) for problem in found[1:])


def test_files_that_overlap_are_named(home: Path) -> None:
    for name in ("p_1.nc", "p_2.nc"):
        save(home / name, units="mm")
    found = problems(home, f'{HEAD}[inputs.precipitation]\npath = "p_*.nc"\n')
    assert isinstance(found[0], TimeAxisError)
    assert "p_1.nc ends 2020-01-30" in found[0].found
    assert "p_2.nc begins 2020-01-01" in found[0].found


def test_a_study_file_with_a_byte_order_mark_is_read(home: Path) -> None:
    file = home / "study.toml"
    file.write_text(HEAD, encoding="utf-8-sig")
    assert read_study(file, STEPS).name == "s"


@pytest.mark.parametrize("table", ["study", "area", "grid", "inputs.soil_moisture"])
def test_an_unknown_reference_system_is_told_where_it_stands(home: Path, table: str) -> None:
    line = 'crs = "EPSG:999999"\n'
    text = HEAD + "[area]\nbbox = [94, 38, 96, 40]\n[grid]\n"
    text = text.replace(f"[{table}]\n", f"[{table}]\n{line}")
    with pytest.raises(ProblemsError, match=rf"\[{table}\] crs: unknown coordinate reference"):
        parse_study(text, home / "study.toml")


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may read everything")
def test_a_file_without_permission_is_told_as_such(home: Path) -> None:
    save(home / "p.nc", units="mm").chmod(0)
    text = f'{HEAD}[inputs.precipitation]\npath = "p.nc"\n'
    (found,) = problems(home, text)
    assert "[inputs.precipitation]" in str(found)
    assert "Change its permissions" in str(found)
    with pytest.raises(ProblemsError, match="Change its permissions"):
        run(parse_study(text, home / "study.toml"), STEPS)
