"""How often seasons are called dry by rain: ``python -m benchmarks.rates_dry_seasons``.

Worlds: monthly rain with a dry season (zeros), with memory from month to month, with years that
remember, and with a trend. Each place has seasons before, and one more that is watched month by
month as it comes. The second table plants a drought: rain of four months times a factor.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from benchmarks._pages import write_section
from scipy.special import ndtr
from scipy.stats import gamma

from headwater.warning.dry_seasons import rank_dry_seasons

PAGE = Path(__file__).parents[1] / "docs" / "simulations" / "warning.md"
BEGIN, END = "## Dry seasons by rain", "<!-- end of dry seasons -->"
PLACES, SEED, SEASON = 4000, 20261128, (5, 10)
SCALE = np.array([2, 3, 8, 15, 35, 70, 95, 85, 50, 20, 4, 2]) / 2.0


def normal(years: int, month: float, year: float, trend: float, rng: np.random.Generator):
    """Standard normal drivers of monthly rain: memory of months, of years, and a trend."""
    z = rng.standard_normal((12 * years, PLACES))
    for at in range(1, len(z)):
        z[at] = month * z[at - 1] + np.sqrt(1 - month**2) * z[at]
    common = rng.standard_normal((years, PLACES))
    for at in range(1, years):
        common[at] = year * common[at - 1] + np.sqrt(1 - year**2) * common[at]
    share = 0.3 if year else 0.0
    z = np.sqrt(1 - share) * z + np.sqrt(share) * np.repeat(common, 12, axis=0)
    return z + trend * np.repeat(np.arange(years), 12)[:, None] / 10


def rained(z: np.ndarray) -> np.ndarray:
    """Gamma rain of each month, with zeros in the dry part of the year."""
    scale = np.tile(SCALE, len(z) // 12)[:, None]
    dry = np.clip(0.5 - scale / 20, 0, 0.45)
    p = (ndtr(z) - dry) / (1 - dry)
    return np.where(p > 0, gamma.ppf(np.clip(p, 1e-12, 1 - 1e-12), 2.0) * scale, 0.0)


def called(rain: np.ndarray, months: np.ndarray, rate: float, online: bool) -> np.ndarray:
    """Whether the last season is called dry at its end, or at any of its months."""
    cuts = [len(months) - 2 - one for one in range(6)] if online else [len(months) - 2]
    found = np.zeros(rain.shape[1], bool)
    for cut in cuts:
        found |= rank_dry_seasons(rain[:cut], months[:cut], season=SEASON).p[-1] <= rate
    return found


def main() -> None:
    """Print the tables and write them to the page."""
    rng = np.random.default_rng(SEED)
    worlds = {
        "independent months": (0.0, 0.0, 0.0),
        "months remember, 0.5": (0.5, 0.0, 0.0),
        "years remember, 0.5 of a third": (0.0, 0.5, 0.0),
        "drier by 0.1 σ in ten years": (0.0, 0.0, -0.1),
        "drier by 0.3 σ in ten years": (0.0, 0.0, -0.3),
    }
    rows = ["| world | seasons | rate asked | at the end | at any month |", "|---|---|---|---|---|"]
    for name, world in worlds.items():
        for years in (12, 20, 40):
            months = np.arange(0, 12 * years).astype("datetime64[M]")
            rain = rained(normal(years, *world, rng))
            for rate in (0.1, 0.2):
                shares = [called(rain, months, rate, online).mean() for online in (False, True)]
                words = " | ".join(f"{one:.3f}" for one in shares)
                rows.append(f"| {name} | {years} | {rate:g} | {words} |")
                print(rows[-1], flush=True)
    found = [
        "| seasons | rain of June to September times | found at 0.1 | at 0.2 |",
        "|---|---|---|---|",
    ]
    for years in (12, 20, 40):
        for factor in (0.7, 0.5, 0.3):
            months = np.arange(0, 12 * years).astype("datetime64[M]")
            rain = rained(normal(years, 0.3, 0.0, 0.0, rng))
            rain[-7:-3] *= factor
            shares = " | ".join(
                f"{called(rain, months, rate, True).mean():.3f}" for rate in (0.1, 0.2)
            )
            found.append(f"| {years} | {factor:g} | {shares} |")
            print(found[-1], flush=True)
    words = (
        f"`python -m benchmarks.rates_dry_seasons` (seed {SEED}, {PLACES} places a row). Gamma "
        "rain with a dry winter (zeros in up to 45 % of months); SPI of three months; the last of "
        "so many seasons, May to October, is ranked by the least index of its months among all. "
        "*At any month*: watched as it comes, with the months up to then."
    )
    held = (
        "Where seasons are like each other the rate is what was asked for, within chance, or the "
        "next lower multiple of 1 / seasons: with 12, one in ten means one in twelve. Years that "
        "remember call a tenth more. Climates that dry call more seasons dry, as they should. "
        "Below, what is found of planted droughts: a rank among few seasons cannot be small, so "
        "most moderate droughts pass."
    )
    table, planted = "\n".join(rows), "\n".join(found)
    write_section(PAGE, BEGIN, END, f"{words}\n\n{table}\n\n{held}\n\n{planted}")


if __name__ == "__main__":
    main()
