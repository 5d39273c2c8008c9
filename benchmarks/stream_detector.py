"""The factor detector on a cube of 1e8 cells on disk: `python -m benchmarks.stream_detector`."""

from __future__ import annotations

import resource
import tempfile
import time

import dask
import dask.array as da
import numpy as np
import zarr

from headwater.detector import factor
from headwater.detector.stream import chunked_strata

SHAPE, CHUNKS = (100, 1000, 1000), (1, 1000, 1000)
EDGES = [-np.inf, -1.0, 0.0, 1.0, np.inf]


def write(folder: str) -> list[zarr.Array]:
    """Write a response and a factor, a step at a time."""
    arrays = [
        zarr.create_array(f"{folder}/{name}", shape=SHAPE, chunks=CHUNKS, dtype="f4")
        for name in ("response", "factor")
    ]
    rng = np.random.default_rng(1)
    for step in range(SHAPE[0]):
        x = rng.normal(size=SHAPE[1:])
        arrays[0][step], arrays[1][step] = x + rng.normal(size=SHAPE[1:]), x
    return arrays


def peak() -> float:
    """Highest memory of this process so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        y, x = (da.from_zarr(array) for array in write(folder))
        before, cpu, wall = peak(), time.process_time(), time.perf_counter()
        with dask.config.set(scheduler="threads", num_workers=2):
            table = factor(y, {"x": chunked_strata(x, EDGES)}).data
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(f"n = {table['n'][0]:,}, q = {table['q'][0]:.4f}")
        print(f"{cpu:.1f} s CPU, {wall:.1f} s wall; {before:.0f} MB before, {peak():.0f} MB peak")


if __name__ == "__main__":
    main()
