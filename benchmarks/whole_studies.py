"""Both studies on the virtual headwater, whole: `python -m benchmarks.whole_studies [FOLDER]`.

From what satellites see (soil moisture in cells of 36 km, with their error and gaps) and samples,
through downscaling, to drivers, sources, vegetation, warning and plan, with what was recovered.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NOISE, REVISIT, BIAS = 0.025, 0.45, 0.006
"""Error of a retrieval [m3 m-3], share of days with one, and the lasting bias of a cell."""


def make_coarse(data: Path, *, seed: int = 1, cell_km: int = 36) -> None:
    """Replace the fine soil moisture of a demo by what a radiometer sees of its truth."""
    import xarray as xr

    from headwater.downscaling.support_operator import support
    from headwater.grids import write_netcdf
    from headwater.grids.geometry import grid_coords
    from headwater.grids.products.smap import ease2_grid

    with xr.open_dataset(data / "truth.nc", decode_coords="all") as truth:
        fine = truth["soil_moisture"].load()
    operator = support(ease2_grid(cell_km), fine)
    rng = np.random.default_rng([seed, cell_km])
    seen = operator.matrix @ fine.values.reshape(len(fine), -1).T
    seen = seen.T + rng.normal(0, NOISE, seen.T.shape) + rng.normal(0, BIAS, seen.shape[0])
    seen[rng.random(seen.shape) > REVISIT] = np.nan
    rows, columns = np.unravel_index(operator.cells, operator.coarse_shape)
    part = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    shape = (part[0].stop - part[0].start, part[1].stop - part[1].start)
    maps = np.full((len(seen), *shape), np.nan, dtype=np.float32)
    maps[:, rows - rows.min(), columns - columns.min()] = seen.clip(0.005)
    cube = xr.DataArray(
        maps,
        dims=("time", "y", "x"),
        coords=grid_coords(operator.coarse_grid[part]) | {"time": fine["time"]},
        attrs={"units": "m3 m-3", "long_name": "Soil moisture"},
    )
    for path in data.glob("soil_moisture_*.nc"):
        path.unlink()
    write_netcdf(cube.to_dataset(name="soil_moisture"), data / "soil_moisture_coarse.nc")


def write_study(folder: Path, *, seed: int = 1) -> Path:
    """Write the demo with coarse soil moisture and a table ``[downscaling]``."""
    from headwater.study.demo import write_demo

    study = write_demo(folder, seed=seed)
    make_coarse(folder / "data", seed=seed)
    text = study.read_text(encoding="utf-8").replace('like = "soil_moisture"', 'like = "ndvi"')
    text = re.sub(r"^\[variation\]$", "[downscaling]\n\n[variation]", text, flags=re.MULTILINE)
    study.write_text(text, encoding="utf-8")
    return study


def main() -> None:
    """Write the study, run it in a process of its own, and say what that took."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    study = write_study(folder)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "headwater", "run", str(study)], check=True)
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"wall {wall:.0f} s, CPU {used.ru_utime + used.ru_stime:.0f} s, "
        f"peak memory {used.ru_maxrss / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
