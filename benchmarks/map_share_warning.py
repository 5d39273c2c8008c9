"""Measured share of false alarms on maps of healthy and degraded noise, printed as a table.

Run ``python -m benchmarks.map_share_warning``; seeds are fixed, so the numbers come out the same.
"""

from __future__ import annotations

import time

import numpy as np
from benchmarks.rates_warning import YEAR, null_values

from headwater.warning import calibrate_thresholds
from headwater.warning.charts import Thresholds, Tolerance
from headwater.warning.monitor import field_control, start_monitor, watch_dates

HISTORY = np.arange("2012-01-01", "2018-01-01", 16, dtype="datetime64[D]")
LATER = np.concatenate([YEAR + np.timedelta64(365 * one, "D") for one in range(3)])
BATCHES, LOSS, DEGRADED = 24, 2.5, 0.01


def measured(thresholds: Thresholds, memory: float, share: float, seed: int) -> tuple[float, float]:
    """Share of false ones among the places shown, and share of degraded places shown."""
    rng = np.random.default_rng(seed)
    peaks, memories, degraded = [], [], []
    for _ in range(BATCHES):
        values = null_values("normal", memory, len(HISTORY) + len(LATER), rng)
        bad = rng.random(values.shape[1]) < DEGRADED
        values[len(HISTORY) + 4 :, bad] -= LOSS
        monitor = start_monitor(values[: len(HISTORY)], HISTORY, thresholds=thresholds)
        _, monitor = watch_dates(monitor, values[len(HISTORY) :], LATER)
        known = monitor.baseline.reason == 0
        peaks.append(np.where(known, monitor.peak, np.nan))
        memories.append(np.where(known, monitor.baseline.rho, np.nan))
        degraded.append(bad)
    p = thresholds.p_value(np.concatenate(peaks), np.concatenate(memories), 3)
    shown, bad = field_control(p, share=share), np.concatenate(degraded)
    return float((shown & ~bad).sum() / shown.sum()), float((shown & bad).sum() / bad.sum())


def main() -> None:
    """Print one row per memory."""
    started = time.process_time()
    print("| memory φ | share asked | share false | degraded places shown |\n|---|---|---|---|")
    for seed in (1, 2):
        thresholds = calibrate_thresholds(
            HISTORY,
            YEAR,
            rng=np.random.default_rng(seed),
            tolerance=Tolerance(rate=0.01),
        )
        for memory in (0.0, 0.3, 0.6):
            false, found = measured(thresholds, memory, 0.1, 7)
            print(f"| {memory:g} | 0.1 | {false:.3f} | {found:.3f} |")
    print(f"{time.process_time() - started:.0f} CPU s")


if __name__ == "__main__":
    main()
