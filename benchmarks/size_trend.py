"""How often tests see a trend where there is none: `python -m benchmarks.size_trend`."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from headwater.variation import (
    anomalies,
    ols_trend,
    persistent_mann_kendall,
    seasonal_mann_kendall,
    sen_mann_kendall,
)
from headwater.variation.trend.classic import persistent_ols_trend
from headwater.variation.trend.mann_kendall_persistent import (
    hamed_rao,
    prewhitened_mann_kendall,
    yue_wang,
)

LENGTHS = (5, 10, 20, 40, 60, 240)
MONTHS = (60, 120, 240)
PERSISTENCE = (0.0, 0.2, 0.4, 0.6)
SERIES = 4000
ALPHA = 0.05
TESTS = {
    "Mann-Kendall": sen_mann_kendall,
    "persistent MK": persistent_mann_kendall,
    "Hamed-Rao, 3 lags": hamed_rao,
    "Hamed-Rao, all lags": partial(hamed_rao, max_lag=None),
    "Yue-Wang, lag 1": yue_wang,
    "Yue-Wang, all lags": partial(yue_wang, max_lag=None),
    "trend-free PW": partial(prewhitened_mann_kendall, kind="trend_free"),
    "PW": partial(prewhitened_mann_kendall, kind="plain"),
    "bias-corrected PW": partial(prewhitened_mann_kendall, kind="corrected"),
    "iterative PW": partial(prewhitened_mann_kendall, kind="iterative"),
    "OLS": ols_trend,
    "OLS, AR(1)": persistent_ols_trend,
    "OLS, AR(1) as published": partial(persistent_ols_trend, corrected=False),
    "OLS, Newey-West": partial(persistent_ols_trend, kind="newey_west"),
}
MONTHLY_TESTS = {
    "seasonal MK, independent": partial(seasonal_mann_kendall, correlated=False),
    "seasonal MK, correlated": seasonal_mann_kendall,
    "persistent MK of anomalies": lambda data: persistent_mann_kendall(anomalies(data)),
    "OLS, AR(1), of anomalies": lambda data: persistent_ols_trend(anomalies(data)),
}
COMPARED = ("Mann-Kendall", "persistent MK", "bias-corrected PW", "OLS", "OLS, AR(1)")
INTERVALS = ("Mann-Kendall", "persistent MK", "OLS, AR(1)")


def noise(n: int, r: float, series: int, rng: np.random.Generator, freq: str) -> xr.DataArray:
    """Draw stationary AR(1) series without a trend, evenly spaced."""
    values = rng.normal(size=(n, series))
    values[0] /= np.sqrt(1.0 - r * r)
    for i in range(1, n):
        values[i] += r * values[i - 1]
    start = "1783-01-01" if freq == "YS" else "2001-01-01"
    times = pd.date_range(start, periods=n, freq=freq, unit="s")
    return xr.DataArray(values, {"time": times}, ("time", "cell"))


def rejected(p: xr.DataArray) -> float:
    """Share of all series called significant; one without a p is not."""
    return float((p <= ALPHA).mean())


def covered(fit: xr.Dataset) -> float:
    """Share of intervals, where there are any, that hold the true slope, zero."""
    low, high = fit["slope_low"], fit["slope_high"]
    given = ~np.isnan(low)
    return float(((low <= 0) & (high >= 0)).where(given).mean())


def size_rows(series: int = SERIES, seed: int = 3) -> list[dict]:
    """Size of tests of evenly spaced series, and coverage of their intervals."""
    table = []
    for n in LENGTHS:
        for r in PERSISTENCE:
            data = noise(n, r, series, np.random.default_rng([seed, n]), "YS")
            fits = {name: test(data) for name, test in TESTS.items()}
            row = {"n": n, "r": r} | {name: rejected(fit["p"]) for name, fit in fits.items()}
            row |= {f"interval, {name}": covered(fits[name]) for name in INTERVALS}
            row["interval, OLS"] = 1.0 - row["OLS"]
            table.append(row)
    return table


def monthly_rows(series: int = 1500, seed: int = 4) -> list[dict]:
    """Size of tests of monthly series."""
    table = []
    for n in MONTHS:
        for r in PERSISTENCE:
            data = noise(n, r, series, np.random.default_rng([seed, n]), "MS")
            found = {name: rejected(test(data)["p"]) for name, test in MONTHLY_TESTS.items()}
            table.append({"n": n, "r": r} | found)
    return table


def uniform_rows(series: int = 2000, seed: int = 5) -> list[dict]:
    """Kolmogorov-Smirnov distance of p from the uniform; 0.030 is exceeded by chance in 5 %."""
    from scipy.stats import kstest

    table = []
    for n in (20, 40, 240):
        for r in PERSISTENCE:
            data = noise(n, r, series, np.random.default_rng([seed, n]), "YS")
            row = {"n": n, "r": r}
            for name in COMPARED:
                p = TESTS[name](data)["p"].values
                row[name] = float(kstest(p[~np.isnan(p)], "uniform").statistic)
            table.append(row)
    return table


def power_rows(series: int = 2000, seed: int = 6, rise: float = 2.0) -> list[dict]:
    """Share called significant where the mean rises by `rise` standard deviations in all."""
    table = []
    for n in (10, 20, 40, 60):
        for r in (0.0, 0.4):
            data = noise(n, r, series, np.random.default_rng([seed, n]), "YS")
            spread = rise / np.sqrt(1.0 - r * r)
            line = xr.DataArray(np.linspace(0.0, spread, n), dims="time")
            row = {name: rejected(TESTS[name](data + line)["p"]) for name in COMPARED}
            table.append({"n": n, "r": r} | row)
    return table


def show(rows: list[dict], columns: list[str]) -> None:
    """Print columns of a table in Markdown, in percent."""
    print("| n | φ | " + " | ".join(columns) + " |")
    print("|" + "---|" * (len(columns) + 2))
    for row in rows:
        cells = ["–" if np.isnan(row[name]) else f"{100 * row[name]:.1f}" for name in columns]
        print(f"| {row['n']} | {row['r']:g} | " + " | ".join(cells) + " |")


def main() -> None:
    rows = size_rows()
    names = list(TESTS)
    for columns in (names[:6], names[6:10], names[10:]):
        show(rows, columns)
        print()
    show(rows, [f"interval, {name}" for name in (*INTERVALS[:2], "OLS", INTERVALS[2])])
    print()
    show(monthly_rows(), list(MONTHLY_TESTS))
    print()
    show(uniform_rows(), list(COMPARED))
    print()
    show(power_rows(), list(COMPARED))


if __name__ == "__main__":
    main()
