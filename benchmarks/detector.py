"""The geographical detector at the sizes of its speed table: `python -m benchmarks.detector`.

CPU seconds. R was not run here. Its figures, and those of gdverse, are quoted in the notes from
another machine, on which py-geodetector took 0.35 s for the first task: they stand in no ratio.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from headwater.detector import factor, interaction, lesh, opgd, stratify
from headwater.detector.local import local_q
from headwater.detector.null_models import GridSpectral
from headwater.detector.resample import Resampling
from headwater.detector.torus_shift import torus_shift_test

FACTORS, CLASSES = 7, 6
FOUR = ("equal", "quantile", "geometric", "standard_deviation")
FIVE = ("equal", "quantile", "natural", "geometric", "standard_deviation")
GRID = (72, 166)
STREAM = (10_000, 10_000)


def seconds(call, repeats: int = 3) -> float:
    """Return the median CPU time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def units(n: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Make a response and seven positive factors, two of which it follows."""
    rng = np.random.default_rng(1)
    x = {f"x{i}": np.exp(rng.normal(size=n)) for i in range(FACTORS)}
    return np.log(x["x0"]) + 0.5 * (x["x1"] > 1) + rng.normal(size=n), x


def peer_detector(y: np.ndarray, strata: dict):
    """Return py-geodetector's detector on the same strata, where it is installed."""
    if importlib.util.find_spec("geodetector") is None:
        return None
    module = importlib.import_module("geodetector")
    if not hasattr(module, "GeoDetector"):
        return None
    table = pd.DataFrame({name: part.codes for name, part in strata.items()} | {"y": y})
    return module.GeoDetector(table, "y", list(strata))


def row(task, ours, peer=None, target="", note="") -> dict:
    return {"task": task, "ours": ours, "peer": peer, "target": target, "note": note}


def detectors() -> list[dict]:
    y, x = units(1_000_000)
    strata = {name: stratify(values, "quantile", CLASSES) for name, values in x.items()}
    peer = peer_detector(y, strata)
    pairs = len(list(combinations(strata, 2)))
    who = "peer: py-geodetector 0.2.1" if peer else "py-geodetector is not installed"
    return [
        row(
            f"factor q with p and interval, {FACTORS} factors, N = 1e6, strata given",
            seconds(lambda: factor(y, strata)),
            seconds(peer.factor_detector, 1) if peer else None,
            "≤ 0.05",
            f"{who}; elsewhere: R GD 1.13, gdverse 1.41, py-geodetector 0.35",
        ),
        row(
            f"{pairs} interactions with tests, N = 1e6",
            seconds(lambda: interaction(y, strata)),
            seconds(peer.interaction_detector, 1) if peer else None,
            "≤ 0.2",
            f"{who}; elsewhere: R GD 13, gdverse 15, py-geodetector 2.0",
        ),
    ]


def searches() -> list[dict]:
    table = []
    for n, methods, target, elsewhere in (
        (100_000, FOUR, "≤ 0.06", "R GD 33, gdverse 6.4"),
        (1_000_000, FOUR, "≤ 0.7", "R GD > 180, gdverse 32"),
        (10_000, FIVE, "≤ 0.1", "gdverse 3.8 (natural breaks of a 15 % sample), R GD 12"),
        (100_000, FIVE, "≤ 1", "gdverse 37 (sampled); R GD 24 for one natural break set"),
    ):
        y, x = units(n)
        rules = "4 rules" if len(methods) == 4 else "5 rules, exact natural breaks"
        table.append(
            row(
                f"optimal parameters, {FACTORS} factors, {rules}, 3 to 8 classes, N = {n:.0e}",
                seconds(lambda x=x, y=y, methods=methods: opgd(y, x, methods=methods)),
                None,
                target,
                f"elsewhere: {elsewhere}",
            )
        )
    return table


def maps() -> list[dict]:
    rng = np.random.default_rng(1)
    y, x = (rng.normal(size=GRID).cumsum(0).cumsum(1) for _ in range(2))
    strata = stratify(x, "quantile", CLASSES)
    flat = stratify(x.ravel(), "quantile", CLASSES)
    waves = GridSpectral(np.arange(y.size), GRID)

    def spectral():
        drawn = Resampling(np.random.default_rng(0), waves, None, 999)
        return factor(y.ravel(), {"x": flat}, resampling=drawn)

    sheet = xr.DataArray(np.random.default_rng(2).normal(size=(1000, 1000)), dims=("y", "x"))
    parts = stratify(np.random.default_rng(3).normal(size=sheet.shape), "quantile", CLASSES)
    size = f"{GRID[0]}×{GRID[1]}"
    return [
        row(
            f"999 spatial permutations of one factor, {size}",
            seconds(spectral),
            None,
            "≤ 1",
            "random signs of the map's cosine waves",
        ),
        row(
            f"all {y.size} torus shifts of one factor, {size}",
            seconds(lambda: torus_shift_test(y, strata)),
            None,
            "",
            "by fast Fourier transform",
        ),
        row(
            "local q, one factor of 6 strata, windows of 101 × 101 cells, 1000×1000",
            seconds(lambda: local_q(sheet, {"x": parts}, window=101)),
            None,
            "",
            "the cost does not depend on the window",
        ),
    ]


def trees() -> list[dict]:
    y, x = units(10_000)
    return [
        row(
            f"shares of {FACTORS} factors in the joint q: {2**FACTORS - 1} trees, N = 1e4",
            seconds(lambda: lesh(y, x), 1),
        )
    ]


_STREAMED = """
import json, resource, sys, time
import dask, dask.array as da
from headwater.detector import factor
from headwater.detector.stream import chunked_strata
dask.config.set(scheduler="threads", num_workers=2)
theta, rain = (da.from_zarr(path) for path in sys.argv[1:3])
start, cpu = time.perf_counter(), time.process_time()
limits = [float("-inf"), -1, -0.5, 0, 0.5, 1, float("inf")]
found = factor(theta, {"rain": chunked_strata(rain, limits)})
print(json.dumps({
    "cpu": time.process_time() - cpu,
    "wall": time.perf_counter() - start,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
    "n": int(found.data["n"][0]),
}))
"""


def write_stream(folder: Path) -> list[str]:
    """Write a response and a factor of 1e8 cells each (Zarr, float32), block by block."""
    import zarr

    rng, step = np.random.default_rng(1), 1000
    paths = [str(folder / name) for name in ("theta.zarr", "rain.zarr")]
    theta, rain = (
        zarr.create_array(path, shape=STREAM, chunks=(step, step), dtype="float32")
        for path in paths
    )
    for top in range(0, STREAM[0], step):
        block = rng.normal(size=(step, STREAM[1])).astype(np.float32)
        rain[top : top + step] = block
        theta[top : top + step] = 0.3 * block + rng.normal(size=block.shape)
    return paths


def stream() -> list[dict]:
    """Measure in a process of its own, so that its peak memory is that of the task."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_stream(Path(folder))
        command = [sys.executable, "-c", _STREAMED, *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    return [
        row(
            f"factor q of {facts['n']:.0e} cells on disk, continuous factor parted on the way",
            facts["cpu"],
            note=f"{facts['wall']:.1f} s of wall time with 2 threads, reading included",
        ),
        row(
            "the same: peak memory of the process (GB), imports included",
            facts["peak"],
            target="≤ 1",
            note="peers hold the whole table in memory",
        ),
    ]


def rows() -> list[dict]:
    return [*detectors(), *searches(), *maps(), *trees(), *stream()]


if __name__ == "__main__":
    for one in rows():
        print(one)
