"""A whole study of a cube larger than the memory it may use: `python -m benchmarks.large_study`."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DAYS, ROWS, COLUMNS, BLOCK = 3653, 360, 288, 40
LIMIT_MB = 1000
STUDY = """
[study]
name = "Larger than memory"
[grid]
like = "soil_moisture"
[inputs.soil_moisture]
path = "soil_moisture.zarr"
[inputs.precipitation]
path = "precipitation.zarr"
[inputs.elevation]
path = "elevation.nc"
[variation]
[correlation]
"""


def write(folder: Path, days: int = DAYS, rows: int = ROWS, columns: int = COLUMNS) -> Path:
    """Write two daily cubes, an elevation and the study file; the cubes block by block."""
    import dask.array as da
    import pandas as pd
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.grids import write_netcdf, write_zarr
    from headwater.grids.geometry import grid_coords

    grid = GeoBox.from_bbox((94, 36, 94 + columns / 50, 36 + rows / 50), 4326, resolution=0.02)
    cells, rng = grid_coords(grid), np.random.default_rng(1)
    noise = rng.random((BLOCK, rows, columns), dtype=np.float32)
    noise[noise < 0.05] = np.nan
    chunks = (tuple(np.diff([*range(0, days, BLOCK), days]).tolist()), (rows,), (columns,))
    times = pd.date_range("2001-01-01", periods=days)
    for name, scale, units in (("soil_moisture", 0.3, "m3 m-3"), ("precipitation", 8.0, "mm")):

        def block(block_info: dict, scale: float = scale) -> np.ndarray:
            start, stop = block_info[None]["array-location"][0]
            season = 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(start, stop) / 365.25)
            shifted = np.roll(noise[: stop - start], start // BLOCK, axis=2)
            return (scale * shifted * season[:, None, None]).astype(np.float32)

        made = da.map_blocks(block, chunks=chunks, dtype="f4", meta=np.empty((0, 0, 0), "f4"))
        about = {"units": units, "long_name": name.replace("_", " ").capitalize()}
        cube = xr.DataArray(made, {"time": times, **cells}, ("time", "y", "x"), name, about)
        layout = {"time": BLOCK, "y": -1, "x": -1}
        write_zarr(cube.to_dataset(), folder / f"{name}.zarr", chunks=layout)
    height = xr.DataArray(
        rng.uniform(2000, 5000, (rows, columns)), cells, ("y", "x"), "elevation", {"units": "m"}
    )
    write_netcdf(height.to_dataset(), folder / "elevation.nc")
    study = folder / "study.toml"
    study.write_text(STUDY)
    return study


def run(study: Path) -> dict[str, float]:
    """Run a study in this process; return its seconds and its peak of memory [MB]."""
    from headwater.chapters import STEPS
    from headwater.study import read_study
    from headwater.study import run as run_study

    start = time.perf_counter()
    steps = run_study(read_study(study), STEPS)
    found = {f"{step.name} MB": step.peak_mb for step in steps}
    found |= {f"{step.name} s": step.seconds for step in steps}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return found | {"wall": time.perf_counter() - start, "cpu": time.process_time(), "peak": peak}


def apart(study: Path) -> dict[str, float]:
    """Run a study in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), str(study)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def rows() -> list[dict]:
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("HEADWATER_BENCH_FOLDER")))
    try:
        found = apart(write(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    size = 2 * DAYS * ROWS * COLUMNS * 4 / 1e9
    steps = ", ".join(f"{name} {found[name]:.0f}" for name in found if name.endswith((" MB", " s")))
    return [
        {
            "task": f"a study of two cubes, {size:.1f} GB: peak memory [MB]",
            "ours": found["peak"],
            "peer": None,
            "target": f"≤ {LIMIT_MB}",
            "note": f"grids, variation and correlation in {found['wall']:.0f} s of wall time, "
            f"{found['cpu']:.0f} CPU s: {steps}",
        }
    ]


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(run(Path(sys.argv[1]))))
    else:
        for row in rows():
            print(row)
