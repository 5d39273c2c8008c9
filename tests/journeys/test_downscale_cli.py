"""A study made finer from the command line: real processes, real files, real kills."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headwater.study.demo import write_satellite_demo

HEADWATER = Path(sys.executable).with_name("headwater")
KEYS = 'trees = 10\nrows = 800\nlearners = ["forest"]\nstations = "stations.csv"\n'

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


def written(results: Path) -> dict[str, bytes]:
    """All that the step wrote, but for when it was."""
    folder = results / "downscaling"
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "step.json"]
    # NetCDF and GeoTIFF may hold the order of threads in their blocks; Zarr and CSV may not
    kept = [path for path in files if path.suffix not in {".nc", ".tif"}]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study on a virtual headwater with 72 days, and its results."""
    home = tmp_path_factory.mktemp("finer")
    file = write_satellite_demo(home, seed=3, shape=(16, 28), days=slice(150, 222), stations=12)
    file.write_text(file.read_text() + KEYS)
    return file


@pytest.fixture(scope="module")
def whole(study: Path) -> dict[str, bytes]:
    done = headwater("check", at=study.parent)
    assert done.returncode == 0, done.stderr
    assert "Steps: grids, downscaling" in done.stdout
    done = headwater("downscale", at=study.parent)
    assert done.returncode == 0, done.stderr
    for words in (
        "2 steps computed",
        "Skill to expect at the fine scale",
        "nearest cell",
        "oracle",
        "Against stations that took no part",
        "ubrmsd",
        "Coarse means depart",
        "Report in",
    ):
        assert words in done.stdout
    assert "Twins have no stations" in done.stderr
    assert "Warning" not in done.stderr
    return written(study.parent / "results")


def test_the_report_tells_what_to_expect(study: Path, whole: dict[str, bytes]) -> None:
    assert len(whole) > 20
    page = (study.parent / "results" / "report.html").read_text()
    assert "Downscaled soil moisture" in page
    assert "Expect this, not the agreement with the coarse input" in page
    assert "stations that took no part" in page
    for name in ("mean", "error", "observed", "twin", "importance", "stations"):
        assert (study.parent / "results" / "figures" / f"downscaling-{name}.svg").stat().st_size


def test_killed_without_warning_the_same_command_goes_on_to_the_same_bits(
    study: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    for path in study.parent.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    process = subprocess.Popen(
        [HEADWATER, "downscale", "--no-report"],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    draft = "*downscaling*/.mean.npy"
    for _ in range(24_000):
        if list((tmp_path / "results").glob(draft)):
            break
        assert process.poll() is None
        time.sleep(0.005)
    else:
        pytest.fail("the step did not start to predict")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "results" / "downscaling").exists()
    done = headwater("downscale", "--no-report", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 step computed, 1 kept" in done.stdout
    assert written(tmp_path / "results") == whole
    assert not list((tmp_path / "results").glob(draft))


def test_the_twin_alone_makes_no_map(study: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    text = study.read_text().replace('path = "', f'path = "{study.parent}/')
    file = tmp_path / "study.toml"
    # what stations show of the product's bias enters the twin, with the map or without
    file.write_text(text.replace('stations = "', f'stations = "{study.parent}/'))
    done = headwater("twin", file, "--out", "told", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Head-room to the oracle" in done.stdout
    assert not (tmp_path / "results" / "downscaling").exists()
    assert (tmp_path / "told" / "twin.png").stat().st_size > 5000
    # the same seed: what was expected is what the map then says of itself
    assert (tmp_path / "told" / "twin.csv").read_bytes() == whole["twin.csv"]


def test_the_product_is_validated_by_its_own_command(study: Path, whole: dict[str, bytes]) -> None:
    assert whole
    product = "results/downscaling/soil_moisture.zarr"
    done = headwater("validate", product, "stations.csv", "--by", "season", at=study.parent)
    assert done.returncode == 0, done.stderr
    assert "All stations (95 % intervals)" in done.stdout
    assert "JJA" in done.stdout


@pytest.mark.parametrize(
    ("keys", "code", "words"),
    [
        ("memory_mb = 5\n", 4, "more memory than allowed"),
        ("level = 8\n", 4, "the wavelet level does not fit the series"),
        ('predictors = ["elevation"]\n', 3, "no predictor changes in time"),
        ("rows = 1\n", 2, "rows"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_computed(
    study: Path, tmp_path: Path, keys: str, code: int, words: str
) -> None:
    text = study.read_text().replace('path = "', f'path = "{study.parent}/').replace(KEYS, keys)
    (tmp_path / "study.toml").write_text(text)
    # what stops a run at once is found by the same survey: one of them is run to show it
    for command in ("check", "downscale") if code == 2 else ("check",):
        done = headwater(command, at=tmp_path)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "results" / "grids").exists()


def test_fewer_observations_than_predictors_are_told(study: Path, tmp_path: Path) -> None:
    text = study.read_text().replace('path = "', f'path = "{study.parent}/')
    text = text.replace(KEYS, 'coupling = "none"\n')
    period = 'name = "few"\nperiod = ["2018-05-02", "2018-05-03"]'
    file = tmp_path / "study.toml"
    file.write_text(text.replace('name = "A virtual headwater, made finer"', period))
    box = "\n[area]\nbbox = [95.2, 37.2, 95.75, 37.6]\n"
    file.write_text(file.read_text() + "min_covered = 0.9\n" + box)
    done = headwater("downscale", at=tmp_path)
    assert done.returncode in {3, 4}, done.stdout
    assert "observation" in done.stderr or "coarse cell" in done.stderr
    assert "Traceback" not in done.stderr
