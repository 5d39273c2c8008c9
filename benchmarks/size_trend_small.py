"""Few values, seasonal tails, breaks: `python -m benchmarks.size_trend_small [part]`."""

from __future__ import annotations

import sys

import numpy as np
import xarray as xr
from benchmarks.size_trend import noise

from headwater.variation import (
    persistent_mann_kendall,
    seasonal_mann_kendall,
    structural_breaks,
)

P_NAMES = ("p", "plain_p")
FIRST = 1783
"""Year at which the series of `noise` begin."""


def ratios(p: np.ndarray, levels: tuple[float, ...]) -> str:
    """Observed by nominal share at each level."""
    return " | ".join(f"{(p <= level).mean() / level:.2f}" for level in levels)


def few_values(series: int = 40_000) -> None:
    """Print the persistent test of ten to fourteen values."""
    for n in (10, 12, 14):
        for phi in (0.0, 0.3, 0.6):
            rng = np.random.default_rng([51, n, int(10 * phi)])
            p = persistent_mann_kendall(noise(n, phi, series, rng, "YS"))["p"].values
            print(f"| {n} | {phi:g} | {ratios(p, (0.2, 0.1, 0.05, 0.01, 0.001))} |", flush=True)


def seasonal_tail(series: int = 20_000, block: int = 5000) -> None:
    """Print the tail of the seasonal test, months correlated, and its plain p."""
    for years in (10, 15, 20, 40):
        for phi in (0.0, 0.2, 0.4, 0.6):
            rng = np.random.default_rng([52, years, int(10 * phi)])
            found = [
                seasonal_mann_kendall(noise(12 * years, phi, block, rng, "MS"))
                for _ in range(series // block)
            ]
            p, plain = (np.concatenate([one[name].values for one in found]) for name in P_NAMES)
            levels = (0.05, 0.01, 0.001, 0.0001)
            print(f"| {years} | {phi:g} | {ratios(p, levels)} | {ratios(plain, levels)} |")


def break_intervals(series: int = 800) -> None:
    """Print how often the interval of a break in the middle holds its year."""
    cases = ((40, 1, 0.0), (40, 2, 0.0), (40, 2, 0.4), (40, 3, 0.4), (80, 1, 0.4), (80, 2, 0.4))
    for n, shift, phi in cases:
        rng = np.random.default_rng([53, n, int(10 * phi), shift])
        later = xr.DataArray(np.arange(n) >= n // 2, dims="time")
        data = noise(n, phi, series, rng, "YS") + shift / np.sqrt(1 - phi**2) * later
        found = structural_breaks(data, max_breaks=2)
        one = found["count"].values == 1
        low, high = (found[name].values[0][one] for name in ("low", "high"))
        true = FIRST + n // 2 - 1
        held = (np.floor(low) <= true) & (true <= np.floor(high))
        sure = found["p"].values[one] <= 0.05
        print(
            f"| {n} | {shift} | {phi:g} | {100 * one.mean():.0f} | {100 * held[sure].mean():.1f} "
            f"({100 * held.mean():.1f}) | {np.nanmedian(high - low):.0f} |",
            flush=True,
        )


PARTS = {"few": few_values, "seasonal": seasonal_tail, "breaks": break_intervals}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
