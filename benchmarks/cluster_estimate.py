"""What `headwater estimate` says: `python -m benchmarks.cluster_estimate`."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.large_study import write

SIZES = ((365, 90, 72), (1461, 180, 144))
STEPS = ("grids", "variation", "correlation")
FACTOR = 1.5


def measured(days: int, rows: int, columns: int) -> tuple[float, float]:
    """CPU time of the steps of a study of two cubes [s], as estimated and as measured."""
    from headwater.chapters import STEPS as ALL
    from headwater.study import read_study, run
    from headwater.study.cost import estimate

    folder = Path(tempfile.mkdtemp())
    try:
        study = read_study(write(folder, days, rows, columns))
        said = sum(cost.fixed + cost.spread for cost in estimate(study, ALL).costs)
        start = time.process_time()
        for step in STEPS:
            run(study, ALL, until=step)
        return said, time.process_time() - start
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rows() -> list[dict]:
    found = []
    for size in SIZES:
        said, took = measured(*size)
        found.append(
            {
                "task": f"study of 2 × {size[0]} × {size[1]} × {size[2]} values, CPU time",
                "ours": took,
                "peer": None,
                "target": f"≤ {FACTOR * said:.3g}",
                "note": f"estimated {said:.3g} s: a factor of {max(said / took, took / said):.2f}",
            }
        )
    return found


if __name__ == "__main__":
    for row in rows():
        print(row)
