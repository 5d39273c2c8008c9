"""How often what is independent is called correlated: `python -m benchmarks.size_correlation`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter

from headwater.variation import correlate, correlate_maps

ALPHA = 0.05
CELLS = 4000
MAPS = 1000


def series(years: int, persistence: float, rng: np.random.Generator) -> list[xr.DataArray]:
    """Draw pairs of monthly AR(1) series."""
    steps = 12 * years + 60
    noise = rng.normal(size=(2, steps, CELLS))
    for i in range(1, steps):
        noise[:, i] += persistence * noise[:, i - 1]
    times = {"time": pd.date_range("2000-01-01", periods=12 * years, freq="MS")}
    return [xr.DataArray(each[60:], times, ("time", "cell")) for each in noise]


def over_time(seed: int = 20) -> list[dict]:
    """Reject at 5 %: with n pairs, and with the effective number, of values and of anomalies."""
    table = []
    for years in (4, 10, 30):
        for persistence in (0.0, 0.4, 0.7):
            pair = series(years, persistence, np.random.default_rng(seed))
            row = {"years": years, "lag-1": persistence}
            for name, deseasonalised in (("values", False), ("anomalies", True)):
                found = correlate(*pair, deseasonalised=deseasonalised)
                for key, kind in (("p", "naive"), ("p_effective", "effective")):
                    row[f"{name}, {kind}"] = float((found[key] < ALPHA).mean())
            table.append(row)
    return table


def aspect(seed: int = 21, cells: int = 40) -> list[dict]:
    """Reject at 5 % the circular-linear correlation of the aspect of a surface with another one."""
    table = []
    for sigma in (0.5, 1.5, 3.0, 5.0):
        rng, tests = np.random.default_rng(seed), []
        for _ in range(MAPS):
            noise = rng.normal(size=(2, 2 * cells, 2 * cells))
            made = gaussian_filter(noise, (0, sigma, sigma))
            inner = slice(cells // 2, cells // 2 + cells)
            height, other = made[:, inner, inner]
            north, east = np.gradient(height)
            turn = np.degrees(np.arctan2(-east, north)) % 360.0
            facing = xr.DataArray(turn, dims=("y", "x"), attrs={"kind": "circular"})
            tests.append(correlate_maps(facing, xr.DataArray(other, dims=("y", "x"))))
        table.append(
            {
                "sigma": sigma,
                "naive": float(np.mean([test.p < ALPHA for test in tests])),
                "effective": float(np.mean([test.p_effective < ALPHA for test in tests])),
                "effective n": float(np.median([test.n_effective for test in tests])),
            }
        )
    return table


def show(rows: list[dict]) -> None:
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        cells = [
            f"{100 * value:.1f} %" if "naive" in key or key.endswith("effective") else f"{value:g}"
            for key, value in row.items()
        ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    show(over_time())
    print()
    show(aspect())
