"""Size and coverage of what has no page of its own: `python -m benchmarks.size_others [count]`.

SPADE, rough sets, several series tested for a common trend, the share of values inside intervals,
and the skill of forecasts. Writes docs/simulations/others.md.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri

from headwater.detector.null_models import GridSpectral
from headwater.detector.resample import Resampling
from headwater.detector.rough_sets import queen_units, srsgd
from headwater.detector.spatial_association import GridWeights, spade
from headwater.validation.measures import interval_skill
from headwater.variation.trend.seasonal import multivariate_mann_kendall
from headwater.vegetation.forecast import _skill

PAGE = Path(__file__).parents[1] / "docs" / "simulations" / "others.md"
SIDE, DRAWS, SEED = 16, 99, 20261128


def field(smooth: float, rng: np.random.Generator) -> np.ndarray:
    """A map of Gaussian noise, cut from a larger one so that no edge shows."""
    edge = int(4 * smooth)
    return gaussian_filter(rng.standard_normal((SIDE + 2 * edge,) * 2), smooth)[
        edge : edge + SIDE, edge : edge + SIDE
    ]


def classes(values: np.ndarray, n: int) -> np.ndarray:
    """Cut a map at its quantiles."""
    return np.searchsorted(np.quantile(values, np.arange(1, n) / n), values)


def spade_sizes(count: int, smoothing: tuple[float, ...] = (0.0, 1.0, 2.0)) -> list[str]:
    cells, rows = np.arange(SIDE**2), []
    for smooth in smoothing:
        rng = np.random.default_rng([SEED, 1, int(smooth)])
        p = np.empty((count, 2))
        for run in range(count):
            response, factor = field(smooth, rng), field(smooth, rng)
            for column, null in enumerate((None, GridSpectral(cells, (SIDE, SIDE)))):
                found = spade(
                    response,
                    {"x": factor},
                    GridWeights(),
                    classes=[4],
                    resampling=Resampling(rng, null=null, n_resamples=DRAWS),
                )
                p[run, column] = found.data["p_value"].iloc[0]
        rows.append(f"| {smooth:g} | " + " | ".join(f"{x:.3f}" for x in (p <= 0.05).mean(0)) + " |")
    return rows


def rough_sizes(count: int) -> list[str]:
    around, rows = queen_units(np.arange(SIDE**2), (SIDE, SIDE)), []
    for smooth in (0.0, 1.0, 2.0):
        rng = np.random.default_rng([SEED, 2, int(smooth)])
        p = [
            srsgd(
                classes(field(smooth, rng), 3).ravel(),
                {"x": classes(field(smooth, rng), 4).ravel()},
                around,
                n_resamples=DRAWS,
                rng=rng,
            )
            .factor.data["p_value"]
            .iloc[0]
            for _ in range(count)
        ]
        rows.append(f"| {smooth:g} | {(np.array(p) <= 0.05).mean():.3f} |")
    return rows


def remembered(shape: tuple[int, ...], memory: float, rng: np.random.Generator) -> np.ndarray:
    x = rng.standard_normal(shape)
    for at in range(1, len(x)):
        x[at] = memory * x[at - 1] + np.sqrt(1 - memory**2) * x[at]
    return x


def common_trends(series: int = 5000) -> list[str]:
    rows = []
    for n in (10, 20, 40):
        for memory in (0.0, 0.3, 0.6):
            rng = np.random.default_rng([SEED, 3, n, int(10 * memory)])
            shared = remembered((n, 1, series), memory, rng)
            own = remembered((n, 3, series), memory, rng)
            data = xr.DataArray(
                np.sqrt(0.6) * shared + np.sqrt(0.4) * own,
                {"time": pd.date_range("1980-01-01", periods=n, freq="YS")},
                ("time", "variable", "cell"),
            )
            p = multivariate_mann_kendall(data)["p"].values
            shares = " | ".join(f"{(p <= level).mean() / level:.2f}" for level in (0.05, 0.01))
            rows.append(f"| {n} | {memory:g} | {shares} |")
    return rows


def shares_inside(count: int) -> list[str]:
    rows, reach = [], float(ndtri(0.95))
    for n in (50, 200, 800):
        for memory in (0.0, 0.5, 0.8):
            for places, common in ((1, 0.0), (20, 0.5)):
                rng = np.random.default_rng([SEED, 4, n, int(10 * memory), places])
                held = []
                for _ in range(count):
                    off = np.sqrt(common) * remembered((n, 1), memory, rng)
                    off = off + np.sqrt(1 - common) * remembered((n, places), memory, rng)
                    low = np.full(off.shape, -reach)
                    found = interval_skill(low, -low, off, nominal=0.9)
                    held.append(found["picp_low"] <= 0.9 <= found["picp_high"])
                rows.append(f"| {n} | {memory:g} | {places} | {np.mean(held):.3f} |")
    return rows


def skills(count: int = 4000) -> list[str]:
    rows = []
    for years in (4, 6, 10, 20):
        for spread in (0.3, 0.8):
            rng = np.random.default_rng([SEED, 5, years, int(10 * spread)])
            held = 0
            for _ in range(count):
                usual = np.exp(spread * rng.standard_normal(years) - spread**2 / 2)
                own = 0.8 * usual * np.exp(0.3 * rng.standard_normal(years) - 0.045)
                scores = np.stack([own, usual, usual, np.full(years, 20.0)])
                found = _skill(scores, 0.95)
                held += found["skill_low"] <= 0.2 <= found["skill_high"]
            rows.append(f"| {years} | {spread:g} | {held / count:.3f} |")
    return rows


def main(count: int = 200) -> None:
    """Write the page."""
    start = time.process_time()
    parts = [
        spade_sizes(count // 2),
        rough_sizes(count),
        common_trends(),
        shares_inside(2 * count),
        skills(),
    ]
    tables = ["\n".join(part) for part in parts]
    text = TEXT.format(*tables, count=count, spent=time.process_time() - start)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


TEXT = """\
# Sizes and coverages of what has no page of its own

Made by `python -m benchmarks.size_others` (seed 20261128; {count} draws a row, half of them of
SPADE, twice as many of shares, where no other number stands; {spent:.0f} CPU seconds).

## SPADE

Unrelated maps of 16 × 16 cells of noise smoothed over σ cells, four classes, 99 draws: share with
p ≤ 0.05, where units are dealt out anew (as in gdverse; tables and points), and where maps of the
same spectrum are drawn (maps).

| σ | units dealt out | spectrum kept |
|---|---|---|
{0}

## Rough sets

A response of three classes and an unrelated factor of four, cut from such maps; queen neighbours.

| σ | share with p ≤ 0.05 |
|---|---|
{1}

## Several series with a common trend

`multivariate_mann_kendall` of three series that correlate by 0.6, AR(1) with memory φ, without any
trend; 5000 draws: observed by nominal share.

| values | φ | at 0.05 | at 0.01 |
|---|---|---|---|
{2}

## Share of values inside intervals

How often `picp_low` to `picp_high` (95 %) hold the true share, 0.9, of errors with memory φ, at one
place, or at 20 whose errors correlate by 0.5.

| times | φ | places | holds |
|---|---|---|---|
{3}

## Skill of forecasts

How often the 95 % interval of the skill against climatology holds the true one, 0.2; scores of
years are lognormal with this standard deviation of their logarithm; 4000 draws.

| years | spread of years | holds |
|---|---|---|
{4}
"""


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
