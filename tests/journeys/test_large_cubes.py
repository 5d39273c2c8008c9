"""Cubes larger than the memory that they are worked on in; memory is asserted, time is not."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / "benchmarks").is_dir(), reason="the benchmarks lie beside the tests"
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted otherwise"),
]


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.usefixtures("benchmarks")
def test_statistics_of_a_cube_stay_far_below_its_size(tmp_path: Path) -> None:
    from benchmarks import large_cube

    # 1.75 GB each, both together three times what is allowed; peaks of cv vary with how threads of
    # readers happen to meet: below 1000 MB idle, up to 1040 on a machine at work
    steps = 3652
    for seed, name in enumerate("ab"):
        large_cube.write(tmp_path, name, seed, steps)
    for task in ("cv", "honest correlation"):  # the others share their ways of reading
        assert large_cube.apart(tmp_path, task)["peak_mb"] < 1200, task


@pytest.mark.usefixtures("benchmarks")
def test_a_study_stays_below_the_size_of_its_cubes(tmp_path: Path) -> None:
    from benchmarks import large_study

    # two cubes of 0.9 GB and what comes of them; 920 MB idle, up to 1120 on a machine at work
    study = large_study.write(tmp_path, days=2192)
    assert large_study.apart(study)["peak"] < 1200
    assert (tmp_path / "results" / "correlation" / "lags.json").is_file()
    assert not list((tmp_path / "results").rglob(".*-sums.zarr"))
