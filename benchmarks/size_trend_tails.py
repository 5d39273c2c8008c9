"""How often trend tests err far out in the tail: `python -m benchmarks.size_trend_tails`.

Two million AR(1) series for each persistence and up to 25 values, a quarter of them for more, none
of them those of the tables (`calibrate_persistence.py`); changes of level likewise; maps of 10 000
independent cells. About eight CPU minutes; `--series 200000 --maps 10` for a look.
"""

from __future__ import annotations

import argparse

import numpy as np
from benchmarks.calibrate_persistence import steps_of_noise, trends_of_noise

from headwater.inference import fdr
from headwater.inference.kendall import kendall_p
from headwater.inference.persistence import persistent_p, smallest_persistent_p
from headwater.inference.significance import pettitt_p

LENGTHS = (15, 20, 25, 40, 60)
PERSISTENCE = (0.0, 0.2, 0.4, 0.6)
LEVELS = (0.05, 0.01, 1e-3, 1e-4)
NO_TILT = np.zeros(1)
BLOCK = 200_000


def trend_p(n: int, phi: float, series: int, seed: int) -> dict[str, np.ndarray]:
    """p of the persistent and of the plain test of AR(1) series without a trend."""
    parts: dict[str, list] = {"persistent": [], "plain": []}
    for first in range(0, series, BLOCK):
        drawn = trends_of_noise(n, phi, NO_TILT, min(BLOCK, series - first), seed + first)
        parts["persistent"].append(persistent_p("kendall", drawn[:, 0], drawn[:, 1], n))
        spread = np.sqrt(n * (n - 1.0) * (2.0 * n + 5.0) / 18.0)
        score = np.rint(drawn[:, 0] * spread + np.sign(drawn[:, 0]))
        parts["plain"].append(kendall_p(score, n))
    return {name: np.concatenate(p) for name, p in parts.items()}


def step_p(n: int, phi: float, series: int, seed: int) -> dict[str, np.ndarray]:
    """p of Pettitt's test with and without its correction."""
    drawn = steps_of_noise(n, phi, series, seed)
    statistic = drawn[:, 0] / np.sqrt(6.0 / (float(n) ** 3 + float(n) ** 2))
    return {
        "persistent": persistent_p("pettitt", drawn[:, 0], drawn[:, 1], n),
        "plain": pettitt_p(statistic, n),
    }


def tail_rows(draw, lengths, series: int, seed: int) -> list[dict]:
    """Observed by nominal share at every level, and where the table ends."""
    table = []
    for n in lengths:
        # pairs of values grow as n²
        kept = series if n <= 25 else series // 4
        for phi in PERSISTENCE:
            p = draw(n, phi, kept, seed + 31 * n + int(100 * phi))
            for name, values in p.items():
                ratios = {a: float((values <= a * 1.000001).mean()) / a for a in LEVELS}
                table.append({"n": n, "phi": phi, "test": name} | ratios)
            print(table[-2], flush=True)
    return table


def map_rows(maps: int = 400, cells: int = 10_000, seed: int = 77) -> list[dict]:
    """Share of maps of pure noise on which any cell passes a false discovery rate of 5 %."""
    table = []
    for n in (15, 20, 40):
        for phi in PERSISTENCE:
            kept = maps if n < 40 else maps // 4
            p = trend_p(n, phi, kept * cells, seed + 1000 * n + int(10 * phi))
            hits = {
                name: np.mean([fdr(row).passed > 0 for row in values.reshape(kept, cells)])
                for name, values in p.items()
            }
            table.append({"n": n, "phi": phi, "maps": kept} | hits)
            print(table[-1], flush=True)
    return table


def show_tails(rows: list[dict], statistic: str) -> None:
    print(f"| n | φ | smallest p | {' | '.join(f'{a:g}' for a in LEVELS)} | plain, 1e-3 |")
    print("|" + "---|" * (4 + len(LEVELS)))
    for corrected, plain in zip(rows[::2], rows[1::2], strict=True):
        least = smallest_persistent_p(statistic, corrected["n"])
        cells = [f"{corrected[a]:.2f}" if a >= 0.999 * least else "–" for a in LEVELS]
        print(
            f"| {corrected['n']} | {corrected['phi']:g} | {least:.0e} | {' | '.join(cells)} | "
            f"{plain[1e-3]:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=2_000_000)
    parser.add_argument("--maps", type=int, default=400)
    given = parser.parse_args()
    trends = tail_rows(trend_p, LENGTHS, given.series, 91)
    steps = tail_rows(step_p, (15, 20, 30, 40, 60), min(given.series, 400_000), 92)
    maps = map_rows(given.maps)
    print("\nTrend, observed by nominal share\n")
    show_tails(trends, "kendall")
    print("\nPettitt, observed by nominal share\n")
    show_tails(steps, "pettitt")
    print("\n| n | φ | maps | any hit, persistent | any hit, plain |\n|---|---|---|---|---|")
    for row in maps:
        print(
            f"| {row['n']} | {row['phi']:g} | {row['maps']} | {100 * row['persistent']:.1f} | "
            f"{100 * row['plain']:.1f} |"
        )


if __name__ == "__main__":
    main()
