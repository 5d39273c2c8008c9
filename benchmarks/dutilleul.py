"""Dutilleul's modified t-test on small and large grids: `python -m benchmarks.dutilleul`."""

from __future__ import annotations

import statistics
import time

import numpy as np
from scipy.ndimage import gaussian_filter

from headwater.inference.dutilleul import modified_t_test

PEER = (
    "R SpatialPack 0.4.1: 18.8 s elapsed at 3000 points, O(n²), measured apart on a loaded machine"
)


def seconds(call, repeats: int = 5) -> float:
    """Return the median CPU time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def fields(shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(1)
    made = np.stack([gaussian_filter(rng.normal(size=shape), 4) for _ in range(2)])
    made[:, rng.random(shape) < 0.08] = np.nan
    return made


def rows() -> list[dict]:
    table = []
    for shape, target in (((72, 166), "≤ 0.03"), ((720, 1660), "≤ 2")):
        x, y = fields(shape)
        table.append(
            {
                "task": f"Dutilleul {shape[0]}×{shape[1]}",
                "ours": seconds(lambda x=x, y=y: modified_t_test(x, y)),
                "peer": None,
                "target": target,
                "note": PEER,
            }
        )
    rng = np.random.default_rng(2)
    places, x, y = rng.uniform(size=(3000, 2)), rng.normal(size=3000), rng.normal(size=3000)
    table.append(
        {
            "task": "Dutilleul 3000 scattered points, 13 classes",
            "ours": seconds(lambda: modified_t_test(x, y, coordinates=places, classes=13), 3),
            "peer": None,
            "target": "",
            "note": PEER,
        }
    )
    return table


if __name__ == "__main__":
    for row in rows():
        print(row)
