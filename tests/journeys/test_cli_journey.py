"""The command line as a new user meets it: real processes, real files, real kills."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from headwater.installation import requirements

HEADWATER = Path(sys.executable).with_name("headwater")
PATIENCE = 120.0

pytestmark = pytest.mark.slow


def headwater(*words: str | Path, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HEADWATER, *map(str, words)],
        cwd=at,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def started(*words: str | Path, at: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [HEADWATER, *map(str, words)],
        cwd=at,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(int(PATIENCE / 0.005)):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    pytest.fail(f"{path} did not appear")


def tables(results: Path) -> dict[str, bytes]:
    files = [*results.glob("*/*.csv"), *results.glob("*/*.json")]
    steps = {"grids", "variation", "correlation", "detector", "vegetation", "samples"}
    return {str(f.relative_to(results)): f.read_bytes() for f in files if f.parent.name in steps}


def modules_of_extras() -> list[str]:
    """Name the modules that only an extra brings, and that a plain installation lacks."""
    extras = {"archive", "bayes", "cluster", "hdf4", "postgres"}
    names = {Requirement(one).name.lower() for extra in extras for one in requirements(extra)}
    return [
        module
        for module, brought_by in packages_distributions().items()
        if names & {name.lower() for name in brought_by}
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo, computed without a break, with no more than a plain installation has."""
    home = tmp_path_factory.mktemp("whole")
    words = ["demo", "--out", "demo", "--small", "--no-open", "--no-report"]
    lacking = modules_of_extras()
    assert {"distributed", "psycopg", "pyarrow"} <= set(lacking)
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({lacking})); sys.argv[1:] = {words}; "
        "from headwater.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "7 steps computed" in done.stdout
    return home / "demo"


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    """The same study, not computed yet."""
    (tmp_path / "data").symlink_to(whole / "data")
    (tmp_path / "study.toml").write_text((whole / "study.toml").read_text())
    return tmp_path / "study.toml"


def test_a_new_user_is_led_from_init_to_results(whole: Path, tmp_path: Path) -> None:
    done = headwater("init", at=tmp_path)
    assert done.returncode == 0
    assert "headwater check study.toml" in done.stdout
    file = tmp_path / "study.toml"
    assert headwater("init", at=tmp_path).returncode == 2

    # The user fills in real files, and makes three mistakes.
    (tmp_path / "data").symlink_to(whole / "data")
    text = file.read_text().replace("data/dem.tif", "data/demm.tif")
    text = text.replace("[inputs.temperature]", '[inputs.temperature]\nunits = "celcius"')
    text = text.replace("# seed = 1", "sed = 1")
    file.write_text(text)
    done = headwater("check", at=tmp_path)
    assert done.returncode == 2
    assert "unknown key in [study]. Found: 'sed'. Did you mean" in done.stderr
    assert "[inputs.temperature] units: unknown unit. Found: 'celcius'. Did you mean" in done.stderr
    assert "Traceback" not in done.stderr

    file.write_text(text.replace("sed = 1", "seed = 1").replace('units = "celcius"', ""))
    done = headwater("check", at=tmp_path)
    assert done.returncode == 3
    assert "demm.tif" in done.stderr
    assert "soil_moisture: 10 x 16 cells" in done.stdout
    done = headwater("run", "--no-report", at=tmp_path)
    assert done.returncode == 3
    assert "demm.tif" in done.stderr
    assert not (tmp_path / "results" / "grids").exists()

    text = file.read_text().replace('data/demm.tif"', 'data/dem.tif"')
    file.write_text(text)
    done = headwater("check", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No problems. Next: headwater run study.toml" in done.stdout
    done = headwater("run", "--no-report", "--until", "grids", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 step computed" in done.stdout


def test_three_mistakes_in_files_are_told_at_once(study: Path) -> None:
    text = study.read_text().replace("data/ndvi.nc", "data/ndvi_*.nc")
    text = text.replace('units = "m"', 'units = "degC"').replace("data/area", "data/aera")
    study.write_text(text)
    done = headwater("check", study, at=study.parent)
    assert done.returncode == 3
    for words in ("ndvi_*.nc", "aera.geojson", "units of different kinds"):
        assert words in done.stderr
    assert "3 problems found" in done.stderr


def test_every_map_says_what_it_is_to_other_programs(whole: Path) -> None:
    import rasterio
    import xarray as xr

    lacking = []
    for file in sorted((whole / "results").glob("*/*.nc")):
        with xr.open_dataset(file, engine="h5netcdf", decode_cf=False) as maps:
            assert maps.attrs["Conventions"].startswith("CF-")
            assert maps.attrs["history"].startswith("Written by Headwater")
            assert {"crs_wkt", "grid_mapping_name"} <= set(maps["spatial_ref"].attrs)
            for axis in ("y", "x"):
                assert {"standard_name", "units", "axis"} <= set(maps[axis].attrs)
            for name, values in maps.data_vars.items():
                if not {"y", "x"} <= set(values.dims):
                    continue
                needed = {"units", "long_name", "grid_mapping"}
                needed |= {"_FillValue"} if values.dtype.kind == "f" else set()
                lost = needed - set(values.attrs)
                lacking += [f"{file.parent.name}/{file.name} {name}: {lost}"] if lost else []
    assert lacking == []
    rasters = sorted((whole / "results").glob("*/*.tif"))
    assert len(rasters) > 20
    for file in rasters:
        with rasterio.open(file) as raster:
            assert raster.crs.to_epsg() == 4326
            assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert raster.units[0], file.name
            missing = raster.nodata is not None and np.isnan(raster.nodata)
            assert missing == raster.dtypes[0].startswith("float")


def test_a_killed_run_goes_on_and_ends_with_the_same_numbers(whole: Path, study: Path) -> None:
    results = study.parent / "results"
    process = started("run", "--no-report", at=study.parent)
    wait_for(results / "grids" / "step.json", process)
    wait_for(results / ".running-variation", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (results / ".running-variation").exists()
    assert not (results / "variation").exists()

    done = headwater("run", "--no-report", at=study.parent)
    assert done.returncode == 0, done.stderr
    assert "grids: unchanged, kept" in done.stderr
    assert "6 steps computed, 1 kept" in done.stdout
    assert not list(results.glob(".running-*"))
    assert tables(results) == tables(whole / "results")
    record = json.loads((results / "provenance.json").read_text())
    assert [step["skipped"] for step in record["steps"]] == [True, *[False] * 6]

    done = headwater("run", "--no-report", at=study.parent)
    assert "0 steps computed, 7 kept" in done.stdout


def test_a_second_run_is_refused_and_an_interrupt_keeps_what_is_done(study: Path) -> None:
    results = study.parent / "results"
    process = started("run", "--no-report", at=study.parent)
    wait_for(results / "grids" / "step.json", process)
    # held still, so that it cannot finish before the second has asked for the folder
    os.kill(process.pid, signal.SIGSTOP)
    second = headwater("run", "--no-report", at=study.parent)
    assert second.returncode == 5
    assert "another run is writing this results folder" in second.stderr

    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Interrupted. Kept: " in told
    assert "grids" in told
    assert "Traceback" not in told
    assert not list(results.glob(".running-*"))
    assert "interrupted" in (results / "headwater.log").read_text()


def test_a_folder_of_other_things_is_left_alone(study: Path) -> None:
    other = study.parent / "thesis"
    other.mkdir()
    (other / "chapter.docx").touch()
    study.write_text(study.read_text().replace("seed = 1", 'seed = 1\nresults = "thesis"'))
    done = headwater("run", "--no-report", at=study.parent)
    assert done.returncode == 5
    assert "holds other things than results" in done.stderr
    assert [entry.name for entry in other.iterdir()] == ["chapter.docx"]
    done = headwater("demo", "--out", other, "--small", at=study.parent)
    assert done.returncode == 5


def test_the_report_needs_results(study: Path) -> None:
    done = headwater("report", at=study.parent)
    assert done.returncode == 5
    assert "there are no results to draw" in done.stderr


def test_help_tells_commands_and_exit_codes(tmp_path: Path) -> None:
    done = headwater("--help", at=tmp_path)
    assert done.returncode == 0
    for word in ("init", "check", "run", "report", "demo", "130"):
        assert word in done.stdout
    # sentences are not cut, and every section has its head
    assert "would have been warned, when, and how often wrongly." in " ".join(done.stdout.split())
    assert "One table or product:" in done.stdout
    assert headwater("--version", at=tmp_path).stdout.startswith("headwater ")
    assert headwater("rum", at=tmp_path).returncode == 2


def test_the_command_line_starts_without_heavy_libraries() -> None:
    heavy = "('numpy', 'xarray', 'pandas', 'dask', 'pydantic', 'matplotlib', 'rich', 'ssl')"
    code = (
        "import sys, headwater.cli\n"
        "try: headwater.cli.app(['--help'])\n"
        f"except SystemExit: print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_service_starts_without_compilers() -> None:
    """Its memory is promised; what only some requests need is loaded by these."""
    heavy = "('numba', 'xarray', 'dask', 'scipy', 'matplotlib')"
    code = (
        "import sys, headwater.web.platform.app, headwater.web.security, headwater.cli.serve\n"
        "import headwater.web.platform.studies, headwater.network.sensorthings.service\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
