"""Measured share of false alarms on maps of healthy and degraded noise.

Run ``python -m benchmarks.map_share_warning``, which writes it to docs/simulations/warning.md;
seeds are fixed, so the numbers come out the same.
"""

from __future__ import annotations

import sys

import numpy as np
from benchmarks._pages import write_section
from benchmarks.rates_warning import PAGE, YEAR, null_values

from headwater.warning import calibrate_thresholds
from headwater.warning.baseline import BaselineOptions, pool_memory
from headwater.warning.charts import Thresholds, Tolerance
from headwater.warning.monitor import field_control, start_monitor, watch_dates

HISTORY = np.arange("2012-01-01", "2018-01-01", 16, dtype="datetime64[D]")
LATER = np.concatenate([YEAR + np.timedelta64(365 * one, "D") for one in range(3)])
BATCHES, LOSS, DEGRADED = 24, 2.5, 0.01
BEGIN, END = "## False alarms on the whole map", "<!-- end of map -->"
HEAD = (
    "| seed | memory φ | share asked | share false | places shown | degraded places shown |\n"
    "|---|---|---|---|---|---|"
)
WORDS = (
    "`python -m benchmarks.map_share_warning`. Maps of 120 000 places of noise, of which 1 % lose "
    "2.5 standard deviations in the first season of three; six years of history; the cells that "
    "the map shows at `map_share = 0.1` (Benjamini & Hochberg). Seeds are those of the "
    "calibration; chance alone moves a share by about 0.01."
)


def measured(
    thresholds: Thresholds, memory: float, share: float, seed: int, options: BaselineOptions
) -> tuple[float, float, int]:
    """Count the share of false ones among the places shown, and of degraded places shown."""
    rng = np.random.default_rng(seed)
    peaks, memories, degraded = [], [], []
    for _ in range(BATCHES):
        values = null_values("normal", memory, len(HISTORY) + len(LATER), rng)
        bad = rng.random(values.shape[1]) < DEGRADED
        values[len(HISTORY) + 4 :, bad] -= LOSS
        monitor = start_monitor(
            values[: len(HISTORY)], HISTORY, thresholds=thresholds, options=options
        )
        _, monitor = watch_dates(monitor, values[len(HISTORY) :], LATER)
        known = monitor.baseline.reason == 0
        peaks.append(np.where(known, monitor.peak, np.nan))
        memories.append(np.where(known, monitor.baseline.rho, np.nan))
        degraded.append(bad)
    p = thresholds.p_value(np.concatenate(peaks), np.concatenate(memories), 3)
    shown, bad = field_control(p, share=share), np.concatenate(degraded)
    false, found = (shown & ~bad).sum() / shown.sum(), (shown & bad).sum() / bad.sum()
    return float(false), float(found), int(shown.sum())


def row(seed: int, memory: float) -> str:
    """Calibrate as a study does, with the memory of its places pooled, and count."""
    history = null_values("normal", memory, len(HISTORY), np.random.default_rng(100 + seed))
    rng = np.random.default_rng(seed)
    pooled = pool_memory(history[:, :2000], HISTORY, rng=rng)
    options = BaselineOptions(memory=pooled)
    thresholds = calibrate_thresholds(
        HISTORY, YEAR, rng=rng, tolerance=Tolerance(rate=0.01), options=options
    )
    false, found, n = measured(thresholds, memory, 0.1, seed=6 + seed, options=options)
    return f"| {seed} | {memory:g} | 0.1 | {false:.3f} | {n} | {found:.3f} |"


def main() -> None:
    """Write one row per seed and memory; print only some where their seed and memory are given."""
    wanted = [tuple(map(float, one.split(","))) for one in sys.argv[1:]]
    pairs = [(seed, memory) for seed in (1, 2) for memory in (0.0, 0.3, 0.6)]
    table = []
    for seed, memory in pairs:
        if not wanted or (seed, memory) in wanted:
            table.append(row(seed, memory))
            print(table[-1], flush=True)
    if not wanted:
        write_section(PAGE, BEGIN, END, f"{WORDS}\n\n{HEAD}\n" + "\n".join(table))


if __name__ == "__main__":
    main()
