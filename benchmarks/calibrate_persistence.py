"""Tabulate the tests of persistent series: `python -m benchmarks.calibrate_persistence`.

Simulates AR(1) series without a trend, of φ from 0 to 0.7 and 10 to 240 values, and finds for each
number of values and each level how large a statistic must be, given the lag-1 autocorrelation of
the residuals, so that the share of series that reach it is the level whatever φ up to 0.6. Writes
src/headwater/inference/persistence.csv (about six CPU minutes, seeded). Tails come from importance
sampling: most series get a trend of their own, and count by their likelihood without it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numba import njit
from scipy.optimize import least_squares
from scipy.special import ndtri

import headwater

PERSISTENCE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SERIES = {
    10: 240_000,
    12: 240_000,
    15: 240_000,
    18: 240_000,
    22: 240_000,
    28: 240_000,
    36: 200_000,
    50: 160_000,
    75: 100_000,
    120: 50_000,
    240: 24_000,
}
LEVELS = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
KNOTS = (-0.75, -0.6, -0.45, -0.3, -0.15, 0.0, 0.15, 0.3, 0.45, 0.6, 0.8)
TILTS = np.array((0.0, 1.5, 3.0, 4.5, 6.0))
TARGET = Path(headwater.__file__).parent / "inference" / "persistence.csv"
# Shares that reach a level may differ from it by this factor where φ is at most 0.6, and at 0.7.
TOLERANCE, BEYOND = 1.25, 2.5
STRICT = 1.1
LONG = 40
ACCEPTED = 1.45
_EDGES = np.linspace(-0.85, 0.95, 73)
_MIDDLE = 0.5 * (_EDGES[1:] + _EDGES[:-1])
_GRID = np.linspace(np.log(0.05), np.log(200.0), 1200)
_BASIS = np.stack([np.interp(_MIDDLE, KNOTS, unit) for unit in np.eye(len(KNOTS))], axis=1)


@njit(cache=True, nogil=True)
def _residual_r1(x: np.ndarray, fitted: np.ndarray) -> float:
    left = x - fitted
    left = left - left.mean()
    return (left[1:] * left[:-1]).sum() / (left * left).sum()


@njit(cache=True, nogil=True)
def _kendall(x: np.ndarray, t: np.ndarray, slopes: np.ndarray) -> tuple:
    """Z of Mann-Kendall with continuity, and Sen's slope."""
    n, score, m = x.size, 0.0, 0
    for i in range(n):
        for j in range(i + 1, n):
            score += np.sign(x[j] - x[i])
            slopes[m] = (x[j] - x[i]) / (t[j] - t[i])
            m += 1
    spread = np.sqrt(n * (n - 1.0) * (2.0 * n + 5.0) / 18.0)
    return (score - np.sign(score)) / spread, np.median(slopes)


@njit(cache=True, nogil=True)
def trends_of_noise(n: int, phi: float, tilts: np.ndarray, series: int, seed: int) -> np.ndarray:
    """Return (series, 5): Z and r1 from Sen's line, t and r1 from that of least squares, weight."""
    np.random.seed(seed)  # noqa: NPY002
    t = np.arange(n) - 0.5 * (n - 1)
    stt = (t * t).sum()
    white = t[1:] - phi * t[:-1]
    information = (1.0 - phi * phi) * t[0] * t[0] + (white * white).sum()
    rise = tilts / np.sqrt(information)
    slopes, x, out = np.empty(n * (n - 1) // 2), np.empty(n), np.empty((series, 5))
    for s in range(series):
        x[0] = np.random.normal() / np.sqrt(1.0 - phi * phi)  # noqa: NPY002
        for i in range(1, n):
            x[i] = phi * x[i - 1] + np.random.normal()  # noqa: NPY002
        x += rise[s % tilts.size] * t
        found = (1.0 - phi * phi) * t[0] * x[0] + (white * (x[1:] - phi * x[:-1])).sum()
        # the density with each trend by that without, all trends being equally frequent
        out[s, 4] = tilts.size / np.exp(rise * found - 0.5 * rise * rise * information).sum()
        z, slope = _kendall(x, t, slopes)
        line = (t * x).sum() / stt
        left = x - x.mean() - line * t
        out[s, 0], out[s, 1] = z, _residual_r1(x, slope * t)
        out[s, 2] = line / np.sqrt((left * left).sum() / (n - 2) / stt)
        out[s, 3] = _residual_r1(x, line * t)
    return out


@njit(cache=True, nogil=True)
def steps_of_noise(n: int, phi: float, series: int, seed: int) -> np.ndarray:
    """Return (series, 2): Pettitt's K scaled, and r1 of residuals from the step that it finds."""
    np.random.seed(seed)  # noqa: NPY002
    x, fitted, out = np.empty(n), np.empty(n), np.empty((series, 2))
    scale = np.sqrt(6.0 / (float(n) ** 3 + float(n) ** 2))
    for s in range(series):
        x[0] = np.random.normal() / np.sqrt(1.0 - phi * phi)  # noqa: NPY002
        for i in range(1, n):
            x[i] = phi * x[i - 1] + np.random.normal()  # noqa: NPY002
        ranks = np.empty(n)
        ranks[np.argsort(x)] = np.arange(1.0, n + 1.0)
        total, largest, at = 0.0, -1.0, 0
        for i in range(n):
            total += 2.0 * ranks[i] - (n + 1.0)
            if abs(total) > largest:
                largest, at = abs(total), i
        fitted[: at + 1] = x[: at + 1].mean()
        if at + 1 < n:
            fitted[at + 1 :] = x[at + 1 :].mean()
        out[s, 0], out[s, 1] = largest * scale, _residual_r1(x, fitted)
    return out


def tails(statistic: np.ndarray, r1: np.ndarray, weight: np.ndarray, sides: float) -> np.ndarray:
    """Shares of series with r1 in a bin and at least a statistic: (φ, bin, grid of its log)."""
    found = np.zeros((len(statistic), _MIDDLE.size, _GRID.size))
    for j in range(len(statistic)):
        row = np.clip(np.digitize(r1[j], _EDGES) - 1, 0, _MIDDLE.size - 1)
        column = np.digitize(np.log(np.maximum(statistic[j], 1e-9)), _GRID) - 1
        reached = column >= 0
        np.add.at(found[j], (row[reached], column[reached]), weight[j][reached])
        found[j] = found[j][:, ::-1].cumsum(axis=1)[:, ::-1] * sides / len(statistic[j])
    return found


def shares(tail: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Share of series of each φ beyond limits, given as logs at the knots of r1."""
    place = (_BASIS @ limit - _GRID[0]) / (_GRID[1] - _GRID[0]) + 1.0
    place = np.clip(place, 0.0, _GRID.size - 1.001)
    low, bins = place.astype(int), np.arange(_MIDDLE.size)
    part = place - low
    both = tail[:, bins, low] * (1.0 - part) + tail[:, bins, low + 1] * part
    return both.sum(axis=1)


def limits(tail: np.ndarray, plain: np.ndarray, n: int, within: float) -> np.ndarray:
    """Find the limits of each level, (level, knot), that rise with r1 and keep their level."""
    found: list[np.ndarray] = []
    tolerance = np.log(np.array((within,) * 7 + (BEYOND,)))
    # the more values there are, the less power costs
    even, low = 0.35 * max(1.0, n / 15.0), 0.12 * min(1.0, 20.0 / n)
    for k, level in enumerate(LEVELS):
        usual = np.log(plain[k])
        lowest = found[-1] + 0.002 if found else np.full(len(KNOTS), np.log(0.02))
        start = usual + 0.6 * np.clip(KNOTS, -0.5, 0.8)
        if found:
            start = np.maximum(found[-1] + usual - np.log(plain[k - 1]), lowest + 0.01)

        def miss(limit, level=level, usual=usual, lowest=lowest):
            off = np.log(np.maximum(shares(tail, limit), 1e-14) / level)
            beyond = np.sign(off) * np.maximum(np.abs(off) - tolerance, 0.0)
            # among limits that keep the level: low ones, for power, and smooth ones
            return np.concatenate(
                [
                    10.0 * beyond,
                    even * off[:7],
                    30.0 * np.minimum(np.diff(limit) - 0.003, 0.0),
                    30.0 * np.minimum(limit - lowest, 0.0),
                    low * (limit - usual),
                    0.35 * np.diff(limit, 2),
                ]
            )

        best = least_squares(miss, start, max_nfev=200).x
        found.append(np.maximum(np.maximum.accumulate(best), lowest))
    return np.array(found)


def rows(name: str, n: int, tail: np.ndarray, plain: np.ndarray, last: float) -> list[dict]:
    """Limits of one statistic and number of values, down to the last level that holds."""
    table = []
    within = STRICT if name == "pettitt" or n >= LONG else TOLERANCE
    for level, limit in zip(LEVELS, limits(tail, plain, n, within), strict=True):
        held = shares(tail, limit)[:7] / level
        print(f"{name} {n} {level:g}: {held.round(2)}", flush=True)
        if level < last or (level < 0.01 and not ((held < ACCEPTED) & (held > 0.6)).all()):
            break
        values = dict(zip(map(str, KNOTS), np.exp(limit).round(4), strict=True))
        table.append({"statistic": name, "n": n, "level": level} | values)
    return table


def main() -> None:
    table: list[dict] = []
    normal = -ndtri(np.array(LEVELS) / 2.0)
    kolmogorov = np.sqrt(np.maximum(np.log(2.0 / np.array(LEVELS)), 0.01))
    for n, series in SERIES.items():
        drawn = np.stack(
            [
                trends_of_noise(n, phi, TILTS, series, 1000 * n + j)
                for j, phi in enumerate(PERSISTENCE)
            ]
        )
        for name, column in (("kendall", 0), ("student", 2)):
            tail = tails(drawn[:, :, column], drawn[:, :, column + 1], drawn[:, :, 4], 2.0)
            table += rows(name, n, tail, normal, 1e-5)
        size = min(4 * series, 400_000) if n < 100 else series * 4
        stepped = np.stack(
            [steps_of_noise(n, phi, size, 7000 * n + j) for j, phi in enumerate(PERSISTENCE)]
        )
        even = np.ones(stepped.shape[:2])
        table += rows(
            "pettitt", n, tails(stepped[:, :, 0], stepped[:, :, 1], even, 1.0), kolmogorov, 3e-4
        )
    pd.DataFrame(table).to_csv(TARGET, index=False)


if __name__ == "__main__":
    main()
