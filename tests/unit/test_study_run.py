"""A run computes what has changed, keeps the rest, and leaves nothing half-done."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters import STEPS
from headwater.chapters.grids.step import default_alignment
from headwater.errors import ProblemsError, StudyError
from headwater.settings import Settings
from headwater.study import load_result, parse_study, run
from headwater.study.folder import finished_steps

MONTHS = pd.date_range("2018-01-01", periods=48, freq="MS")
TEXT = """
[study]
name = "Small"
[area]
bbox = [94.0, 38.5, 96.0, 40.0]
[inputs.soil_moisture]
path = "sm.nc"
[inputs.precipitation]
path = "p.nc"
[inputs.elevation]
path = "dem.nc"
[correlation]
"""


def grid(rows: int, columns: int, step: float) -> dict[str, Any]:
    return {
        "lat": ("lat", 40.0 - step * (np.arange(rows) + 0.5), {"units": "degrees_north"}),
        "lon": ("lon", 94.0 + step * (np.arange(columns) + 0.5), {"units": "degrees_east"}),
    }


def save(home: Path, name: str, units: str, values: Any, coords: dict[str, Any]) -> None:
    dims = ("time", "lat", "lon")[-values.ndim :]
    data = xr.DataArray(
        values.astype("float32"), dims=dims, coords=coords, attrs={"units": units}, name="v"
    )
    data.to_netcdf(home / name, engine="h5netcdf")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    rain = rng.gamma(2.0, 10.0, (48, 6, 8))
    theta = np.clip(0.05 + 0.003 * rain + rng.normal(0, 0.01, rain.shape), 0.0, 0.6)
    theta[5, 2:4, 3] = np.nan
    coarse = {"time": MONTHS, **grid(6, 8, 0.25)}
    save(tmp_path, "sm.nc", "m3 m-3", theta, coarse)
    save(tmp_path, "p.nc", "mm", rain, coarse)
    hills = 3000.0 + 500.0 * rng.random((60, 80))
    save(tmp_path, "dem.nc", "m", hills, grid(60, 80, 0.025))
    return tmp_path


def compute(home: Path, text: str = TEXT, **options: Any) -> dict[str, bool]:
    """Run, and tell of each step whether it was kept."""
    study = parse_study(text, home / "study.toml")
    return {record.name: record.skipped for record in run(study, STEPS, **options)}


def test_only_what_has_changed_is_computed(home: Path) -> None:
    assert compute(home) == {"grids": False, "correlation": False}
    assert compute(home) == {"grids": True, "correlation": True}
    assert compute(home, TEXT + "alpha = 0.01") == {"grids": True, "correlation": False}
    assert compute(home, TEXT.replace("38.5", "38.7")) == {"grids": False, "correlation": False}
    assert compute(home, settings=Settings(threads=1)) == {"grids": False, "correlation": False}
    assert compute(home, settings=Settings(threads=2)) == {"grids": True, "correlation": True}
    assert compute(home, fresh=True) == {"grids": False, "correlation": False}


def test_a_changed_input_is_noticed(home: Path) -> None:
    compute(home)
    with xr.open_dataset(home / "p.nc", engine="h5netcdf") as opened:
        changed = opened.load() * 2.0
    changed["v"].attrs["units"] = "mm"
    changed.to_netcdf(home / "new.nc", engine="h5netcdf")
    (home / "new.nc").replace(home / "p.nc")
    assert compute(home) == {"grids": False, "correlation": False}


def test_exchanged_inputs_are_noticed(home: Path) -> None:
    text = TEXT.replace("[correlation]", "")
    compute(home, text)
    swapped = text.replace("dem.nc", "other.nc")
    (home / "dem.nc").rename(home / "other.nc")
    assert compute(home, swapped) == {"grids": False}


def test_a_rehearsal_writes_tables_and_no_maps(home: Path) -> None:
    def written(text: str, **options: Any) -> set[str]:
        compute(home, text, **options)
        return {path.suffix for path in (home / "results" / "correlation").iterdir()}

    assert written(TEXT, rehearsal=True) == {".csv", ".json"}
    assert {".nc", ".tif"} <= written(TEXT, fresh=True)


def test_a_lost_file_is_computed_again(home: Path) -> None:
    compute(home)
    (home / "results" / "correlation" / "matrix.csv").unlink()
    assert compute(home) == {"grids": True, "correlation": False}


def test_a_step_no_longer_wanted_is_removed(home: Path) -> None:
    compute(home)
    compute(home, TEXT.replace("[correlation]", ""))
    assert finished_steps(home / "results") == ["grids"]


def test_a_step_whose_files_were_cut_is_computed_anew(home: Path) -> None:
    compute(home)
    table = home / "results" / "correlation" / "matrix.csv"
    whole = table.read_bytes()
    table.write_bytes(whole[: len(whole) // 2])
    assert compute(home) == {"grids": True, "correlation": False}
    assert table.read_bytes() == whole
    store = home / "results" / "grids" / "precipitation.zarr"
    max(filter(Path.is_file, store.rglob("*")), key=lambda file: file.stat().st_size).write_bytes(
        b""
    )
    assert compute(home) == {"grids": False, "correlation": True}


def test_until_stops_early_and_keeps_what_is_still_right(home: Path) -> None:
    assert compute(home, until="grids") == {"grids": False}
    compute(home)
    compute(home, until="grids")
    assert finished_steps(home / "results") == ["correlation", "grids"]
    with pytest.raises(StudyError, match="no such step"):
        compute(home, until="detector")


def test_problems_are_told_before_anything_is_computed(home: Path) -> None:
    text = TEXT.replace("p.nc", "nowhere.nc").replace("94.0, 38.5, 96.0", "10.0, 38.5, 11.0")
    with pytest.raises(ProblemsError) as caught:
        compute(home, text)
    assert len(caught.value.problems) == 3
    assert finished_steps(home / "results") == []
    assert {entry.name for entry in (home / "results").iterdir()} == {
        ".lock",
        "headwater.log",
    }, "a run that is refused does not claim the folder"
    assert "nowhere.nc" in (home / "results" / "headwater.log").read_text()


def test_tables_are_the_same_to_the_byte_with_any_threads(home: Path) -> None:
    found = []
    for threads in (1, 3):
        compute(home, settings=Settings(threads=threads), fresh=True)
        files = sorted((home / "results").glob("*/*.csv"))
        found.append({file.name: file.read_bytes() for file in files})
    assert set(found[0]) == {"inputs.csv", "matrix.csv"}
    assert found[0] == found[1]


def test_the_size_of_blocks_changes_nothing_but_rounding(home: Path) -> None:
    found = []
    for size in (16.0, 0.01):
        compute(home, settings=Settings(chunk_mb=size), fresh=True)
        found.append(load_result(home / "results", "correlation/matrix").data)
    pd.testing.assert_frame_equal(*found, rtol=1e-10)


def test_what_lies_on_the_grid_is_what_was_read(home: Path) -> None:
    compute(home)
    table = load_result(home / "results", "grids/inputs").data.set_index("input")
    assert table.loc["soil_moisture", "alignment"] == "none"
    assert table.loc["elevation", "alignment"] == "mean"
    assert table.loc["precipitation", "steps"] == 48
    assert table.loc["soil_moisture", "valid"] == pytest.approx(100 * (1 - 2 / (48 * 48)))
    with xr.open_dataset(home / "sm.nc", engine="h5netcdf") as source:
        stored = xr.open_zarr(home / "results/grids/soil_moisture.zarr", decode_coords="all")
        np.testing.assert_array_equal(stored["soil_moisture"].values, source["v"].values)
    assert "spatial_ref" in stored.coords
    assert stored["soil_moisture"].attrs["units"] == "m3 m-3"
    assert stored["soil_moisture"].attrs["total"] == "mean"
    with xr.open_dataset(home / "dem.nc", engine="h5netcdf") as source:
        blocks = source["v"].values.reshape(6, 10, 8, 10).mean((1, 3))
    elevation = load_result(home / "results", "grids/elevation").data["elevation"]
    np.testing.assert_allclose(elevation.values, blocks, rtol=1e-4)
    slope = load_result(home / "results", "grids/slope").data["slope"]
    assert slope.attrs["units"] == "degree"
    assert float(slope.min()) > 0


def test_impossible_values_become_missing_and_are_counted(home: Path) -> None:
    with xr.open_dataset(home / "p.nc", engine="h5netcdf") as opened:
        changed = opened.load()
    changed["v"][7, 1, 1] = -5.0
    changed.to_netcdf(home / "new.nc", engine="h5netcdf")
    (home / "new.nc").replace(home / "p.nc")
    compute(home)
    inputs = load_result(home / "results", "grids/inputs")
    row = inputs.data.set_index("input").loc["precipitation"]
    assert row["out_of_range"] == 1
    assert any("1 value was impossible" in caution for caution in inputs.cautions)
    stored = xr.open_zarr(home / "results/grids/precipitation.zarr")["precipitation"]
    assert int(np.isnan(stored.values).sum()) == 1


def test_provenance_tells_where_the_results_come_from(home: Path) -> None:
    study = parse_study(TEXT, home / "study.toml")
    run(study, STEPS, command=["headwater", "run"])
    record = json.loads((home / "results" / "provenance.json").read_text())
    assert record["study_file"]["text"] == TEXT
    assert set(record["inputs"]) == {"sm.nc", "p.nc", "dem.nc"}
    assert [step["name"] for step in record["steps"]] == ["grids", "correlation"]
    assert all(step["seconds"] > 0 and step["peak_mb"] > 10 for step in record["steps"])
    assert record["command"] == ["headwater", "run"]
    assert record["packages"]["numpy"] == np.__version__
    crate = json.loads((home / "results" / "ro-crate-metadata.json").read_text())
    graph = {entity["@id"]: entity for entity in crate["@graph"]}
    assert graph["#correlation"]["result"] == [{"@id": "correlation/"}]
    assert {"./", "ro-crate-metadata.json", "#input/sm.nc", "grids/"} <= set(graph)
    prov = json.loads((home / "results" / "prov.json").read_text())
    assert set(prov["activity"]) == {"hw:grids", "hw:correlation"}
    assert len(prov["used"]) == 6
    run(study, STEPS)
    again = json.loads((home / "results" / "provenance.json").read_text())
    assert [step["skipped"] for step in again["steps"]] == [True, True]
    assert again["steps"][0]["seconds"] == record["steps"][0]["seconds"]


def test_progress_is_told_from_start_to_end_of_each_step(home: Path) -> None:
    told: list[tuple[str, float]] = []
    compute(home, progress=lambda step, fraction, what: told.append((step, fraction)))
    for step in ("grids", "correlation"):
        fractions = [fraction for name, fraction in told if name == step]
        assert fractions[0] == 0.0
        assert fractions[-1] == 1.0
        assert fractions == sorted(fractions)


@pytest.mark.parametrize(
    ("source", "target", "kind", "method"),
    [
        (0.5, 5.0, "continuous", "mean"),
        (36.0, 5.0, "continuous", "bilinear"),
        (5.0, 5.0, "continuous", "bilinear"),
        (0.5, 5.0, "categorical", "mode"),
        (36.0, 5.0, "categorical", "nearest"),
        (0.5, 5.0, "circular", "mean"),
        (36.0, 5.0, "circular", "nearest"),
    ],
)
def test_alignment_follows_kind_and_cell(
    source: float, target: float, kind: str, method: str
) -> None:
    assert default_alignment(source, target, kind) == method


def test_variables_that_were_finished_when_a_run_died_are_not_computed_again(home: Path) -> None:
    (home / "study.toml").write_text(TEXT)
    dying = (
        "import os, sys\n"
        "from headwater.chapters import STEPS\n"
        "from headwater.study import read_study, run\n"
        "die = lambda step, fraction, what: os._exit(9) if what == 'elevation' else None\n"
        "run(read_study(sys.argv[1]), STEPS, progress=die)\n"
    )
    gone = subprocess.run([sys.executable, "-c", dying, str(home / "study.toml")], check=False)
    assert gone.returncode == 9
    chunk = "soil_moisture.zarr/soil_moisture/0.0.0"
    written = (home / "results" / ".running-grids" / chunk).stat()
    run(parse_study(TEXT, home / "study.toml"), STEPS, until="grids")
    kept = (home / "results" / "grids" / chunk).stat()
    assert (kept.st_ino, kept.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert not list((home / "results").glob(".[rl]*-grids"))
    assert not (home / "results" / "grids" / ".key").exists()
