"""Size of the tests between groups of samples: `python -m benchmarks.size_groups [count]`.

Writes docs/simulations/groups.md.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from headwater.isotopes.slopes import equal_slopes
from headwater.isotopes.summary import compare_groups

PAGE = Path(__file__).parents[1] / "docs" / "simulations" / "groups.md"
WORLDS = {
    "independent samples": 0.0,
    "four profiles a group, correlation 0.2 within": 0.2,
    "four profiles a group, correlation 0.5 within": 0.5,
}
SIZES = (12, 40)
PROFILES, SPREAD = 4, np.array([2.0, 4.0])
"""Scatter of δ18O, and of δ2H about its line [‰]."""


def made(n: int, within: float, rng: np.random.Generator) -> pd.DataFrame:
    """Three groups that do not differ, of profiles that do."""
    group = np.repeat(["grassland", "meadow", "forest"], n)
    profile = np.tile(np.arange(n) % PROFILES, 3) + PROFILES * np.repeat(np.arange(3), n)
    common = np.sqrt(within) * rng.standard_normal((3 * PROFILES, 2))[profile]
    z = common + np.sqrt(1.0 - within) * rng.standard_normal((3 * n, 2))
    d18O, off = (SPREAD * z).T
    return pd.DataFrame(
        {"vegetation": group, "d18O": d18O - 12.0, "d2H": 6.5 * (d18O - 12.0) - 10.0 + off}
    )


def rates(n: int, within: float, count: int) -> list[float]:
    """Shares below 5 %: means, ranks, any pair after Holm, slopes; and coverage of 0."""
    rng = np.random.default_rng([23, n, int(10 * within)])
    found = []
    for _ in range(count):
        table = made(n, within, rng)
        tests = compare_groups(table, "vegetation").data
        whole = tests[tests["group_a"] == "all groups"].iloc[0]
        pairs = tests[tests["group_a"] != "all groups"]
        held = ((pairs["low"] <= 0.0) & (pairs["high"] >= 0.0)).mean()
        slopes = equal_slopes(table, ["vegetation"]).data["p"].iloc[0]
        any_pair = (pairs["p_mean_holm"] < 0.05).any()
        found.append(
            [whole["p_mean"] < 0.05, whole["p_rank"] < 0.05, any_pair, held, slopes < 0.05]
        )
    return [100.0 * float(share) for share in np.mean(found, axis=0)]


def main(count: int = 200) -> None:
    start, lines = time.process_time(), []
    for name, within in WORLDS.items():
        for n in SIZES:
            shares = " | ".join(f"{share:.1f}" for share in rates(n, within, count))
            lines.append(f"| {name} | {n} | {shares} |")
            print(lines[-1], flush=True)
    spent = time.process_time() - start
    PAGE.write_text(HEAD.format(count=count, spent=spent) + "\n".join(lines) + "\n" + NOTE)


HEAD = """\
# How often groups of samples that do not differ are said to

Three groups of soil water with the same mean and line; δ18O scatters by 2 ‰, δ2H about its line by
4 ‰. Share, in per cent, of tests below 0.05 (standard error 1.5 at 5): Welch's analysis of
variance, Kruskal and Wallis, any pair by Welch's t after Holm, equality of slopes; and of 95 %
intervals of the difference of two groups that hold 0. {count} tables a row, seed 23. Made by
`python -m benchmarks.size_groups` ({spent:.0f} CPU seconds).

| samples | of a group | means | ranks | any pair | intervals | slopes |
|---|---|---|---|---|---|---|
"""
NOTE = """
Tests and intervals take samples as independent. Samples of one profile are not, and more of them
make it worse: average profiles first, or read a small p as a difference of these profiles alone.
"""


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
