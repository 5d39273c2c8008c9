"""Least squares, Sen and Mann-Kendall for whole maps: `python -m benchmarks.trend`."""

from __future__ import annotations

import statistics
import time
import warnings

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from headwater.variation import ols_trend, persistent_mann_kendall, sen_mann_kendall
from headwater.variation.calendar import decimal_years

CUBES = {"D": (1826, 72, 166, "D"), "M": (240, 720, 166, "MS"), "A": (40, 720, 166, "YS")}
TARGETS = {"D": "≤ 10", "M": "≤ 8", "A": "≤ 1"}
PYMANNKENDALL = {"D": 1062, "M": 713, "A": 264}
SUBSET = {"D": 6, "M": 60, "A": 300}


def cube(name: str) -> xr.DataArray:
    """Draw float32 values that persist, with a season where there is one and 8 % missing."""
    steps, height, width, freq = CUBES[name]
    rng = np.random.default_rng(7)
    values = rng.normal(size=(steps, height, width)).astype(np.float32)
    for i in range(1, steps):
        values[i] += np.float32(0.5) * values[i - 1]
    times = pd.date_range("1981-01-01", periods=steps, freq=freq)
    if freq != "YS":
        turn = 2 * np.pi * (decimal_years(times) % 1.0)
        values += (3 * np.sin(turn)).astype(np.float32)[:, None, None]
    values = np.float32(0.25) + np.float32(0.02) * values
    values[rng.random(values.shape) < 0.08] = np.nan
    attrs = {"units": "m3 m-3", "long_name": "Soil moisture"}
    return xr.DataArray(values, {"time": times}, ("time", "y", "x"), "soil_moisture", attrs)


def seconds(call, repeats: int = 3) -> float:
    """Return the median CPU time of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def peer_of(name: str, data: xr.DataArray) -> tuple[float, str]:
    """Time Sen and Mann-Kendall of some cells by a peer, scaled to all of them."""
    t = decimal_years(data.indexes["time"])
    some = data.values.reshape(len(t), -1)[:, : SUBSET[name]].astype(float)
    scale = data[0].size / SUBSET[name]
    try:
        import pymannkendall
    except ImportError:
        return scale * seconds(lambda: [by_scipy(t, x) for x in some.T], 1), "scipy (Sen and tau)"
    by_peer = pymannkendall.original_test
    return scale * seconds(lambda: [by_peer(x) for x in some.T], 1), "pymannkendall"


def by_scipy(t: np.ndarray, x: np.ndarray) -> tuple:
    ok = ~np.isnan(x)
    return stats.theilslopes(x[ok], t[ok]), stats.kendalltau(t[ok], x[ok])


def polyfit(data: xr.DataArray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.polyfit("time", 1)


def rows() -> list[dict]:
    """Measure every task; the compiler's time is not counted."""
    table = []
    daily = cube("D")
    ols_trend(daily[:, :2])
    table.append(
        {
            "task": "OLS: slope, se, p, r, intercept, n, cube D",
            "ours": seconds(lambda: ols_trend(daily), 5),
            "peer": seconds(lambda: polyfit(daily), 1),
            "peer_name": "xarray.polyfit",
            "target": "≤ 0.12",
            "unit": "CPU s",
            "note": "the peer gives no p",
        }
    )
    sen_mann_kendall(daily[:, :1])
    for name in CUBES:
        data = daily if name == "D" else cube(name)
        peer, peer_name = peer_of(name, data)
        table.append(
            {
                "task": f"Sen with interval, Mann-Kendall with p, cube {name}",
                "ours": seconds(lambda data=data: sen_mann_kendall(data), 1 if name == "D" else 3),
                "peer": peer,
                "peer_name": peer_name,
                "target": TARGETS[name],
                "unit": "CPU s",
                "note": f"{peer_name}, {SUBSET[name]} cells, scaled to {data[0].size}; "
                f"pymannkendall 1.4.3, no interval, measured apart: {PYMANNKENDALL[name]}",
            }
        )
    data = cube("A")
    persistent_mann_kendall(data[:, :1])
    table.append(
        {
            "task": "Mann-Kendall for AR(1) series with widened interval, cube A",
            "ours": seconds(lambda: persistent_mann_kendall(data), 1),
            "peer": None,
            "peer_name": "",
            "target": "",
            "unit": "CPU s",
            "note": "two passes of the above and the autocorrelation",
        }
    )
    return table


if __name__ == "__main__":
    for row in rows():
        print(row)
