"""Coverage of the intervals of triple collocation: `python -m benchmarks.coverage_collocation`.

Writes docs/simulations/collocation.md; a number is the count of series.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.coverage_validation import standard

from headwater.validation.collocation import triple_collocation

PAGE = Path(__file__).parents[1] / "docs" / "simulations" / "collocation.md"
SPREAD = 0.05
"""Standard deviation of the truth [m3 m-3]."""
ERROR_SD = np.array([0.02, 0.03, 0.04])
SCALE = np.array([1.0, 0.8, 1.3])
NAMES = ("error_sd", "beta", "snr_db", "correlation")
WORLDS = {
    "no memory": (400, 0.0, 0.0),
    "truth φ = 0.8, errors without memory": (400, 0.8, 0.0),
    "truth φ = 0.95, errors without memory": (400, 0.95, 0.0),
    "truth φ = 0.95, errors without memory, 1600 days": (1600, 0.95, 0.0),
    "truth and errors φ = 0.8": (400, 0.8, 0.8),
    "truth and errors φ = 0.95": (400, 0.95, 0.95),
    "truth and errors φ = 0.95, 1600 days": (1600, 0.95, 0.95),
}


def truths() -> dict[str, np.ndarray]:
    ratio = (SCALE * SPREAD / ERROR_SD) ** 2
    return {
        "error_sd": ERROR_SD,
        "beta": SCALE[0] / SCALE,
        "snr_db": 10.0 * np.log10(ratio),
        "correlation": np.sqrt(ratio / (1.0 + ratio)),
    }


def held(world: tuple[int, float, float], count: int) -> dict[str, float]:
    """Share of 95 % intervals that hold the truth, over the products, in per cent."""
    n, phi, other = world
    rng, wanted = np.random.default_rng([19, n, int(100 * phi), int(100 * other)]), truths()
    hits: dict[str, list] = {name: [] for name in NAMES}
    for _ in range(count):
        truth = SPREAD * standard(phi, 0.0, (1, n), rng)[0]
        errors = ERROR_SD[:, None] * standard(other, 0.0, (3, n), rng)
        seen = pd.DataFrame((SCALE[:, None] * truth + errors).T, columns=["a", "b", "c"])
        table = triple_collocation(seen, rng=rng, n_resamples=299).data
        for name in NAMES:
            part = slice(1, None) if name == "beta" else slice(None)
            low, high = (table[f"{name}_{end}"].to_numpy()[part] for end in ("low", "high"))
            hits[name].append((low <= wanted[name][part]) & (wanted[name][part] <= high))
    return {name: 100.0 * float(np.mean(found)) for name, found in hits.items()}


def main(count: int = 100) -> None:
    start, lines = time.process_time(), []
    for name, world in WORLDS.items():
        found = held(world, count)
        lines.append(f"| {name} | {' | '.join(f'{found[q]:.0f}' for q in NAMES)} |")
    spent = time.process_time() - start
    text = HEAD.format(count=count, spent=spent) + "\n".join(lines) + "\n" + NOTE
    PAGE.write_text(text, encoding="utf-8")
    print(text)


HEAD = """\
# Do the intervals of triple collocation hold the truth?

Three products of one truth (standard deviation 0.05) with errors of 0.02, 0.03 and 0.04 m³ m⁻³ that
are independent of it and of each other, and scales of 1, 0.8 and 1.3; 400 days unless said. Share,
in per cent, of 95 % intervals (block bootstrap, 299 resamples) that hold it, all three products
together; {count} series a row. Made by `python -m benchmarks.coverage_collocation`
({spent:.0f} CPU seconds).

| world | error sd | β | SNR | R |
|---|---|---|---|---|
"""
NOTE = """
Intervals are widened for few blocks as Student's t is (Hesterberg 2015, `expanded_level`). Before,
they held 91 to 94 % without memory, 81 to 91 % for a truth of φ = 0.95, and 78 to 89 % where the
errors have that memory too (60 series a row).
"""


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
