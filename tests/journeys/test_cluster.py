"""The same study in threads, in processes and on a real scheduler, through the death of each."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.study.provenance import CRATE, PROV

STUDY = """
[study]
name = "Spread"
results = "{results}"
[inputs.soil_moisture]
path = "sm.nc"
[inputs.precipitation]
path = "p.nc"
[variation]
of = ["soil_moisture"]
"""
QUIET = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cubes of four years of months, and what threads make of them."""
    folder = tmp_path_factory.mktemp("spread")
    rng = np.random.default_rng(1)
    rain = rng.gamma(2.0, 10.0, (48, 6, 8))
    theta = np.clip(0.05 + 0.003 * rain + rng.normal(0, 0.01, rain.shape), 0.0, 0.6)
    theta[5, 2:4, 3] = np.nan
    places = {
        "time": pd.date_range("2018-01-01", periods=48, freq="MS"),
        "lat": ("lat", 40.0 - 0.25 * (np.arange(6) + 0.5), {"units": "degrees_north"}),
        "lon": ("lon", 94.0 + 0.25 * (np.arange(8) + 0.5), {"units": "degrees_east"}),
    }
    for name, units, values in (("sm", "m3 m-3", theta), ("p", "mm", rain)):
        data = xr.DataArray(values, dims=("time", "lat", "lon"), coords=places, name="v")
        data.attrs["units"] = units
        data.to_netcdf(folder / f"{name}.nc", engine="h5netcdf")
    assert headwater(folder, "threads").returncode == 0
    return folder


def headwater(
    home: Path, results: str, *options: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(home, results, *options),
        check=False,
        capture_output=True,
        text=True,
        env=env or QUIET,
    )


def command(home: Path, results: str, *options: str) -> list[str]:
    file = home / f"{results}.toml"
    file.write_text(STUDY.format(results=results))
    # a cube is 18 kB: several blocks a step, as a large one has
    small = ("--chunk-mb", "0.01")
    return [sys.executable, "-m", "headwater", "run", str(file), "--no-report", *small, *options]


def values_of(home: Path, results: str) -> dict[str, bytes]:
    """Everything that was computed, to the byte; logs and provenance speak of the run itself."""
    root = home / results
    skipped = {"provenance.json", "headwater.log", ".study", ".lock", CRATE, PROV}
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in skipped and not path.name.startswith(".")
    }


def assert_same(home: Path, results: str) -> None:
    ours, theirs = values_of(home, results), values_of(home, "threads")
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if ours[name] != theirs[name]]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def started(*words: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program of Dask in a process group of its own, ended with all its children."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
        env=env or QUIET,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def scheduler_at(port: int) -> Any:
    return started(
        "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"
    )


def worker_of(port: int, *options: str, env: dict[str, str] | None = None) -> Any:
    address = f"tcp://127.0.0.1:{port}"
    quiet = ("--nthreads", "1", "--no-dashboard", "--no-nanny")
    return started("worker", address, *quiet, *options, env=env)


def wait_for(home: Path, results: str, word: str, process: subprocess.Popen[str]) -> None:
    log = home / results / "headwater.log"
    for _ in range(1200):
        if log.exists() and word in log.read_text():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"'{word}' never came into the log")


@pytest.mark.slow
def test_processes_of_this_machine_give_the_same_bytes(home: Path) -> None:
    done = headwater(home, "processes", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "2 workers on this machine; dashboard http://127.0.0.1:" in done.stderr
    assert_same(home, "processes")


@pytest.mark.slow
def test_a_worker_and_the_scheduler_may_die(home: Path) -> None:
    port = free_port()
    options = ("--scheduler", f"tcp://127.0.0.1:{port}")
    with worker_of(port) as dying, worker_of(port):
        with scheduler_at(port) as scheduler:
            run = subprocess.Popen(
                command(home, "deaths", *options), stderr=subprocess.PIPE, text=True, env=QUIET
            )
            wait_for(home, "deaths", "step grids: started", run)
            os.kill(dying.pid, signal.SIGKILL)
            wait_for(home, "deaths", "step variation: started", run)
            time.sleep(2.0)  # so that blocks are on their way
            os.kill(scheduler.pid, signal.SIGKILL)
        with scheduler_at(port), worker_of(port):
            _, said = run.communicate(timeout=300)
            assert run.returncode == 0, said
    assert_same(home, "deaths")


def test_a_scheduler_that_does_not_answer(home: Path) -> None:
    refused = headwater(home, "nobody", "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert refused.returncode == 6
    assert "the scheduler does not answer" in refused.stderr
    assert not list((home / "nobody").glob("grids"))


@pytest.mark.slow
def test_workers_of_another_version_or_with_little_memory(home: Path, tmp_path: Path) -> None:
    port = free_port()
    other = tmp_path / "headwater"
    other.mkdir()
    (other / "__init__.py").write_text('__version__ = "0.0.1"\n')
    changed = QUIET | {"PYTHONPATH": str(tmp_path)}
    options = ("--scheduler", f"tcp://127.0.0.1:{port}")
    with scheduler_at(port):
        with worker_of(port, env=changed):
            refused = headwater(home, "other", *options)
        assert refused.returncode == 6
        assert "has headwater 0.0.1" in refused.stderr
        (other / "__init__.py").write_text("raise ImportError\n")
        with worker_of(port, env=changed):
            refused = headwater(home, "none", *options)
        assert refused.returncode == 6
        assert "has headwater not at all" in refused.stderr
        with worker_of(port, "--memory-limit", "300MB"):
            refused = headwater(home, "small", *options, "--chunk-mb", "64")
        assert refused.returncode == 6
        assert "too little memory for the blocks of this study" in refused.stderr


@pytest.mark.slow
def test_downscaling_is_the_same_wherever_it_is_computed(tmp_path: Path) -> None:
    from headwater.chapters import STEPS
    from headwater.settings import Settings
    from headwater.study import parse_study, run
    from headwater.study.demo import write_satellite_demo

    path = write_satellite_demo(tmp_path, seed=3, shape=(16, 28), days=slice(100, 260), stations=0)
    text = path.read_text() + "trees = 10\nrows = 400\nfold_count = 2\ntwins = 0\n"
    for results, settings in (
        ("threads", Settings(threads=2)),
        ("processes", Settings(workers=2, chunk_mb=0.05)),
    ):
        own = text.replace("[study]\n", f'[study]\nresults = "{results}"\n', 1)
        run(parse_study(own, tmp_path / f"{results}.toml"), STEPS, settings=settings)
    ours, theirs = values_of(tmp_path, "processes"), values_of(tmp_path, "threads")
    kept = [name for name in ours if name.startswith("downscaling")]
    assert len(kept) > 10
    assert not list((tmp_path / "processes").rglob(".cubes"))
    assert not [name for name in kept if ours[name] != theirs.get(name)]


@pytest.mark.slow
def test_fits_of_cells_are_the_same_wherever_they_are_computed(tmp_path: Path) -> None:
    from headwater.chapters import STEPS
    from headwater.settings import Settings
    from headwater.study import parse_study, run
    from headwater.virtual import make_headwater

    names = ("ndvi", "soil_moisture", "precipitation", "temperature")
    cube = make_headwater(seed=2, years=(2014, 2018), shape=(6, 8), resolution=0.4).cube
    for name in names:
        cube[[name]].to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    tables = "".join(f'[inputs.{name}]\npath = "{name}.nc"\n' for name in names)
    tables += "[warning]\nrehearsals = 0\n[detector]\nresponse = 'ndvi'\n[vegetation]\n"
    for results, settings in (
        ("threads", Settings(threads=2)),
        ("processes", Settings(workers=2, chunk_mb=0.05)),
    ):
        text = f'[study]\nname = "Cells"\nresults = "{results}"\n{tables}'
        run(parse_study(text, tmp_path / f"{results}.toml"), STEPS, settings=settings)
    ours, theirs = values_of(tmp_path, "processes"), values_of(tmp_path, "threads")
    # the blocks of the grids are of another size, all else is the same
    kept = [name for name in ours if not name.startswith("grids")]
    assert len(kept) > 40
    assert {"vegetation/capacity.nc", "vegetation/response.nc", "vegetation/grade.nc"} <= {*kept}
    assert not list(tmp_path.rglob(".steps"))
    assert not [name for name in kept if ours[name] != theirs.get(name)]
