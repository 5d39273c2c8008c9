"""Coverage of the intervals of lines, crossings and evaporated fractions, where truth is known.

`python -m benchmarks.coverage_lines [count]` writes docs/simulations/lines.md.

Waters are made by the laws of the virtual headwater: rain of one month along its meteoric line, one
water of it that evaporates along a slope, errors of measurement. Part of `coverage_samples`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headwater.isotopes import Climate, fit_line
from headwater.isotopes.evaporation import craig_gordon, evaporation_loss, residual_water
from headwater.isotopes.intersection import bootstrap_crossing, intersect
from headwater.isotopes.mixing.composition import compose
from headwater.isotopes.mixing.evaporated_water import evaporated_source
from headwater.virtual.samples import LMWL, PRECISION, meteoric

RAIN, SCATTER, SLOPE, ENRICHMENT = -13.0, 3.0, 3.2, 1.4
SETTINGS = {
    "one water evaporates": 0.0,
    "waters that wander 0.5 ‰ along the meteoric line": 0.5,
}
METHODS = ("ols", "rma", "ma", "york", "huber", "theil-sen")


def measured(d18O: Any, d2H: Any, rng: np.random.Generator) -> pd.DataFrame:
    sd = PRECISION
    n = len(d18O)
    table = {"d18O": d18O + rng.normal(0, sd["d18O"], n), "d2H": d2H + rng.normal(0, sd["d2H"], n)}
    return pd.DataFrame(table).assign(d18O_sd=sd["d18O"], d2H_sd=sd["d2H"])


def rain(n: int, rng: np.random.Generator, scatter: float = LMWL["sd"]) -> pd.DataFrame:
    d18O = RAIN + SCATTER * rng.standard_normal(n)
    return measured(d18O, meteoric(d18O) + scatter * rng.standard_normal(n), rng)


def soil(n: int, wander: float, rng: np.random.Generator) -> pd.DataFrame:
    start = RAIN + wander * rng.standard_normal(n)
    lost = ENRICHMENT * rng.gamma(4.0, 0.25, n)
    return measured(start + lost, meteoric(start) + SLOPE * lost, rng)


def row(name: str, n: int, low: Any, high: Any, value: Any, truth: Any) -> dict[str, Any]:
    """Coverage of one kind of interval; what was refused is counted apart."""
    low, high, value = (np.asarray(part, dtype=float) for part in (low, high, value))
    given = np.isfinite(low) & np.isfinite(high)
    inside = ((low <= truth) & (truth <= high))[given]
    return {
        "interval": name,
        "samples": n,
        "data sets": len(given),
        "given": given.mean(),
        "covered": inside.mean(),
        "median width": np.median((high - low)[given]),
        "mean error": np.mean((value - truth)[given]),
    }


def own_slopes() -> dict[str, float]:
    """The slope that each estimator has of infinitely many samples of the virtual rain."""
    a, o, h = LMWL["slope"], PRECISION["d18O"], PRECISION["d2H"]
    sxx = SCATTER**2 + o**2
    syy = (a * SCATTER) ** 2 + LMWL["sd"] ** 2 + h**2
    sxy = a * SCATTER**2

    def deming(ratio: float) -> float:
        gap = syy - ratio * sxx
        return float((gap + np.sqrt(gap**2 + 4.0 * ratio * sxy**2)) / (2.0 * sxy))

    plain = sxy / sxx
    return {
        "ols": plain,
        "huber": plain,
        "theil-sen": plain,
        "rma": float(np.sqrt(syy / sxx)),
        "ma": deming(1.0),
        "york": deming((h / o) ** 2),
    }


def slopes(count: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Slope of the meteoric line: that of the virtual rain, and each estimator's own."""
    for n in (12, 40, 150):
        found: dict[str, list[Any]] = {name: [] for name in METHODS}
        for _ in range(count):
            water = rain(n, rng)
            for name in METHODS:
                given = {}
                if name == "york":
                    given = {"d18O_sd": water["d18O_sd"], "d2H_sd": water["d2H_sd"]}
                line = fit_line(water["d18O"], water["d2H"], method=name, **given)
                found[name].append((line.slope, *line.slope_interval()))
        for name, values in found.items():
            slope, low, high = np.array(values).T
            own = row(name, n, low, high, slope, own_slopes()[name])
            told = row(name, n, low, high, slope, LMWL["slope"])
            yield told | {"covered, own line": own["covered"], "own slope": own_slopes()[name]}


def crossings(count: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """δ18O where a line of evaporation leaves the meteoric line: the water that evaporated."""
    for name, wander in SETTINGS.items():
        for n in (10, 30, 100):
            found = [crossing(n, wander, rng) for _ in range(count)]
            for kind in found[0]:
                low, high, value = np.array([one[kind] for one in found]).T
                yield {"waters": name} | row(kind, n, low, high, value, RAIN)


def crossing(n: int, wander: float, rng: np.random.Generator) -> dict[str, tuple[float, ...]]:
    """All intervals of one crossing: low, high, value."""
    wet, dry = rain(60, rng), soil(n, wander, rng)
    lmwl, lel = (fit_line(one["d18O"], one["d2H"], method="ols") for one in (wet, dry))
    point = intersect(lmwl, lel)
    half = 1.96 * point.d18O_sd
    pair = [one[["d18O", "d2H"]].to_numpy() for one in (wet, dry)]
    points, (low, high) = bootstrap_crossing(*pair, rng=rng, n_resamples=400)
    water = compose(dry.assign(water="soil"), ["d18O", "d2H"])
    back = evaporated_source(
        water, lmwl, rng=rng, slope=(SLOPE, 0.4), kind="mean", n_resamples=2000
    )
    mine = back.data[back.data["quantity"] == "d18O"].iloc[0]
    return {
        "delta": (point.d18O - half, point.d18O + half, point.d18O),
        "Fieller": (point.d18O_low, point.d18O_high, point.d18O),
        "bootstrap": (low, high, float(np.nanmedian(points[:, 0]))),
        "along a known slope ± 0.4": (mine["low"], mine["high"], mine["mean"]),
    }


def lost(count: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Evaporated fraction by Craig and Gordon: climate and water drawn from their stated errors."""
    sd = {"sample": 0.15, "source": 0.3, "temperature": 2.0, "humidity": 0.05}
    for true in (0.05, 0.15, 0.3):
        start = RAIN + sd["source"] * rng.standard_normal(count)
        air = Climate(
            8.0 + sd["temperature"] * rng.standard_normal(count),
            np.clip(0.6 + sd["humidity"] * rng.standard_normal(count), 0.2, 0.95),
            0.8,
        )
        now = residual_water(start, true, craig_gordon(start, air, "d18O"))
        seen = now + sd["sample"] * rng.standard_normal(count)
        loss = evaporation_loss(
            seen, np.full(count, RAIN), Climate(8.0, 0.6, 0.8), "d18O", rng=rng, sd=sd
        )
        yield row(f"evaporated fraction, truth {true:g}", 1, loss.low, loss.high, loss.mean, true)


PAGE = Path(__file__).parents[1] / "docs" / "simulations" / "lines.md"
HEAD = """\
# Intervals of the slope of a water line

{count} rains of the virtual headwater for each row (seed 0): δ18O scatters by 3 ‰, δ2H about its
meteoric line by 4 ‰, measured to 0.15 and 0.6 ‰. *Own line*: coverage of the slope that the
estimator has of infinitely many samples; *law*: of 7.90, the slope of the mean δ2H at a δ18O. RMA
and MA have the skewed intervals of Jolicoeur and Mosimann (`WaterLine.slope_interval`), the others
Student's t. Made by `python -m benchmarks.coverage_lines`.

| line | samples | own line | law | own slope | median width |
|---|---|---|---|---|---|
"""


def main(count: int = 600) -> None:
    lines = [
        f"| {one['interval']} | {one['samples']} | {100 * one['covered, own line']:.1f} % | "
        f"{100 * one['covered']:.1f} % | {one['own slope']:.3f} | {one['median width']:.2f} |"
        for one in slopes(count, np.random.default_rng(0))
    ]
    PAGE.write_text(HEAD.format(count=count) + "\n".join(lines) + "\n", encoding="utf-8")
    print(PAGE.read_text())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
