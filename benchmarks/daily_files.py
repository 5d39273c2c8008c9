"""The check of a study of a thousand daily files: `python -m benchmarks daily_files`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

FILES = 1000
STUDY = """
[study]
name = "Daily files"
[inputs.soil_moisture]
path = "sm_*.nc"
[variation]
"""


def write(folder: Path, rows: int, columns: int) -> None:
    """Write a file a day, and the study file."""
    rng = np.random.default_rng(1)
    lat, lon = 39.0 - 0.02 * np.arange(rows), 98.0 + 0.02 * np.arange(columns)
    for day in pd.date_range("2015-01-01", periods=FILES):
        season = 0.2 + 0.05 * np.sin(2 * np.pi * day.day_of_year / 365.25)
        values = (season + 0.01 * rng.standard_normal((1, rows, columns))).astype("f4")
        cube = xr.Dataset(
            {"sm": (("time", "lat", "lon"), values, {"units": "m3 m-3"})},
            {
                "time": [day],
                "lat": ("lat", lat, {"units": "degrees_north"}),
                "lon": ("lon", lon, {"units": "degrees_east"}),
            },
        )
        cube.to_netcdf(folder / f"sm_{day:%Y%m%d}.nc", engine="h5netcdf")
    (folder / "study.toml").write_text(STUDY)


def cpu_seconds(folder: Path) -> float:
    """CPU seconds of `headwater check` in a process of its own, imports and all."""
    command = [sys.executable, "-m", "headwater", "check", "study.toml"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows() -> list[dict]:
    found = []
    for cells, note in (
        ((20, 30), "each step is rehearsed"),
        ((100, 100), "above 3 million values nothing is rehearsed"),
    ):
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), *cells)
            cpu_seconds(Path(name))
            found.append(
                {
                    "task": f"`headwater check` of {FILES} daily files of {cells[0]} x {cells[1]}",
                    "ours": min(cpu_seconds(Path(name)) for _ in range(3)),
                    "peer": None,
                    "target": "≤ 3",
                    "note": note,
                }
            )
    return found
