"""Kriging 1000 stations to a grid, one day or five years: `python -m benchmarks.kriging`."""

from __future__ import annotations

import importlib.util
import statistics
import time

import numpy as np

from headwater.grids.kriging import Kriging
from headwater.grids.variogram import Variogram

DAYS, STATIONS = 1826, 1000
MODEL = Variogram("spherical", nugget=0.1, partial_sill=1.0, range=150e3)


def seconds(call, repeats: int = 3) -> float:
    """Return the median CPU time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    stations = rng.uniform(size=(STATIONS, 2)) * [830e3, 360e3]
    x, y = np.meshgrid((np.arange(166) + 0.5) * 5e3, (np.arange(72) + 0.5) * 5e3)
    return stations, np.column_stack([x.ravel(), y.ravel()]), rng.normal(size=(DAYS, STATIONS))


def pykrige_day(stations, cells, values, **options) -> float | None:
    """Return PyKrige's CPU time for one day, where it is installed."""
    if importlib.util.find_spec("pykrige") is None:
        return None
    from pykrige.ok import OrdinaryKriging

    def solve() -> None:
        peer = OrdinaryKriging(
            *stations.T, values, "spherical", {"psill": 1.0, "range": 150e3, "nugget": 0.1}
        )
        peer.execute("points", *cells.T, **options)

    return seconds(solve, 1)


def rows() -> list[dict]:
    stations, cells, values = problem()
    gaps = np.where(np.random.default_rng(2).random(values.shape) < 0.02, np.nan, values)

    def ours(series, neighbours=None):
        return lambda: Kriging(MODEL, neighbours=neighbours).fit(stations).predict(series, cells)

    near = pykrige_day(stations, cells, values[0], backend="C", n_closest_points=24)
    whole = pykrige_day(stations, cells, values[0], backend="vectorized")
    scaled = "peer: PyKrige, one day × 1826" if near else "PyKrige is not installed"
    five_years = f"kriging {STATIONS} stations → 72×166, {DAYS} days"
    return [
        {
            "task": f"{five_years}, 24 neighbours",
            "ours": seconds(ours(values, 24)),
            "peer": near and near * DAYS,
            "target": "≤ 3",
            "note": scaled,
        },
        {
            "task": f"{five_years}, all stations",
            "ours": seconds(ours(values)),
            "peer": whole and whole * DAYS,
            "target": "",
            "note": scaled,
        },
        {
            "task": f"{five_years}, all stations, 2 % of values missing at random",
            "ours": seconds(ours(gaps), 1),
            "peer": None,
            "target": "",
            "note": "every day lacks other stations; no system is solved anew",
        },
        {
            "task": "leave-one-out, 1000 stations × 1826 days, all stations",
            "ours": seconds(lambda: Kriging(MODEL).fit(stations).leave_one_out(values)),
            "peer": None,
            "target": "",
            "note": "closed form (Dubrule 1983)",
        },
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
