"""Downscaling on the virtual headwater: what each part of the recipe is worth at the fine scale.

`python -m benchmarks.downscaling [seed] [truth] [errors]` prints one world's ablation;
`python -m benchmarks downscaling` takes the first of the seeds below, which were used for nothing
else; what the others gave stands in `docs/simulations/downscaling.md`.
Sizes are the study's: 730 days, 72 x 166 pixels of 0.05 degree, EASE-Grid cells of 36 km. Scores
are over all pixels of thawed ground on every eighth day.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np

from headwater.downscaling.folds import predict_bands
from headwater.downscaling.learners import fit_learners, pinned
from headwater.downscaling.predictors import Predictors, build_predictors
from headwater.downscaling.residual import fit_residual
from headwater.downscaling.support_operator import Support, support
from headwater.downscaling.training import DownscalingModel, Recipe, fit_downscaling
from headwater.downscaling.wavelets import Coupling
from headwater.grids.products.smap import ease2_grid
from headwater.virtual import make_headwater
from headwater.virtual.satellite import SatelliteView, observe_from_space

SEEDS = (101, 102, 103)
WORLDS = (("balance", "white"), ("balance", "correlated"), ("threshold", "white"))
EVERY, TREES, ROWS = 8, 100, 15_000

PLAIN = Recipe(("forest",), Coupling("none"), "none", TREES, ROWS, fold_count=0)
RECIPES = {
    "plain random forest": PLAIN,
    "forest, noise-matched": replace(PLAIN, noise="matched"),
    "forest, optical/thermal replaced by low-pass": replace(PLAIN, coupling=Coupling("smooth")),
    "forest, wavelet bands (the study's mode)": replace(PLAIN, coupling=Coupling("bands")),
    "forest, low-pass + noise-matched": replace(
        PLAIN, noise="matched", coupling=Coupling("smooth")
    ),
    "boosting, bands + noise-matched": replace(
        PLAIN, learners=("boosting",), noise="matched", coupling=Coupling("bands")
    ),
    "default: mean of both, bands + noise-matched": Recipe(trees=TREES, rows=ROWS),
}
DEFAULT = list(RECIPES)[-1]


def world(seed: int, truth: str, errors: str) -> tuple[Support, SatelliteView, Predictors]:
    """Make a headwater and look at it from space."""
    here = make_headwater(seed=seed, years=(2018, 2019), noise=0, gaps=0)
    operator = support(ease2_grid(36), here.cube)
    view = observe_from_space(here, operator.matrix, seed=seed, truth=truth, errors=errors)
    return operator, view, build_predictors(view.dynamic, view.static, view.times)


def scored_days(view: SatelliteView) -> np.ndarray:
    return np.flatnonzero(view.thawed.mean(axis=(1, 2)) > 0.3)[::EVERY]


def score(maps: np.ndarray, view: SatelliteView, operator: Support, days: np.ndarray) -> dict:
    """Compare maps of some days with the truth, pixel by pixel."""
    there = view.thawed[days].reshape(days.size, -1)
    product = maps.reshape(days.size, -1)[there].astype(float)
    truth = view.truth[days].reshape(days.size, -1)[there].astype(float)
    owner = operator.matrix.toarray().argmax(axis=0)
    group = (np.arange(days.size)[:, None] * operator.n_coarse + owner)[there]
    error = product - truth
    return {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "ubrmse": float(error.std()),
        "r": float(np.corrcoef(product, truth)[0, 1]),
        "r_within": float(np.corrcoef(within(product, group), within(truth, group))[0, 1]),
    }


def within(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Take from values the mean of their cell and day."""
    count = np.bincount(group)
    return values - (np.bincount(group, values) / np.maximum(count, 1))[group]


def gain(maps: np.ndarray, view: SatelliteView, operator: Support, days: np.ndarray) -> float:
    """Mean G_DOWN of pixels in time, against the nearest coarse value where there is one."""
    owner = operator.matrix.toarray().argmax(axis=0)
    coarse = view.retrieval[days][:, owner]
    use = np.isfinite(coarse) & view.thawed[days].reshape(days.size, -1)
    truth = np.where(use, view.truth[days].reshape(days.size, -1), np.nan)
    enough = use.sum(axis=0) >= 12
    parts = [
        departures(np.where(use, x.reshape(days.size, -1), np.nan)[:, enough], truth[:, enough])
        for x in (coarse, maps)
    ]
    low, high = parts
    return float(np.mean([(a - b) / (a + b) for a, b in zip(low, high, strict=True)]))


def departures(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Departures of slope and correlation from one, and of the bias from zero."""
    dx, dy = x - np.nanmean(x, axis=0), y - np.nanmean(y, axis=0)
    cross, vx, vy = (np.nanmean(a * b, axis=0) for a, b in ((dx, dy), (dx, dx), (dy, dy)))
    r = cross / np.sqrt(vx * vy)
    return np.abs(1 - r * np.sqrt(vx / vy)), np.abs(1 - r), np.abs(np.nanmean(x - y, axis=0))


def oracle(view: SatelliteView, predictors: Predictors, days: np.ndarray, kind: str) -> np.ndarray:
    """Train a forest on the fine truth itself, with predictors as they come or smoothed."""
    rng = np.random.default_rng(5)
    (known,) = Coupling(kind).views(predictors)
    warm = np.flatnonzero(view.thawed.any(axis=(1, 2)))
    tables, targets = [], []
    for day in warm:
        pixels = np.flatnonzero(view.thawed[day].ravel())
        pixels = rng.choice(pixels, min(pixels.size, 2 * ROWS // warm.size), replace=False)
        tables.append(known.day(day, pixels))
        targets.append(view.truth[day].ravel()[pixels])
    table, target = np.concatenate(tables), np.concatenate(targets)
    model = fit_learners(["forest"], [table], target, trees=TREES, workers=2)
    with pinned():
        return np.stack([predict_bands([model], [known.day(day)]) for day in days])


def residuals(
    model: DownscalingModel, maps: np.ndarray, at: tuple, days: np.ndarray
) -> dict[str, tuple[np.ndarray, float]]:
    """Add residuals back, softly and exactly."""
    operator, view, _ = at
    start = time.process_time()
    soft = fit_residual(view.retrieval - model.out_of_fold, operator, view.times, uncertainty=False)
    softly = maps + soft.predict(view.times[days])[0].reshape(maps.shape)
    spent = time.process_time() - start
    start = time.process_time()
    closure = view.retrieval - operator.aggregate(model.predict()).value
    exact = fit_residual(
        closure, operator, view.times, method="exact", covariance=soft.covariance, uncertainty=False
    )
    exactly = maps + exact.predict(view.times[days])[0].reshape(maps.shape)
    return {"soft": (softly, spent), "exact": (exactly, time.process_time() - start)}


def ablation(seed: int, truth: str = "balance", errors: str = "white") -> list[dict]:
    """Score every recipe in one world."""
    at = operator, view, predictors = world(seed, truth, errors)
    days = scored_days(view)
    table: list[dict] = []

    def add(name: str, maps: np.ndarray, spent: float) -> None:
        scores = score(maps, view, operator, days)
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        g_down = gain(maps, view, operator, days)
        more = {"g_down": g_down, "cpu_s": spent, "rss_mb": rss}
        table.append({"method": name, **scores, **more})
        print(json.dumps(table[-1]), file=sys.stderr, flush=True)

    for name, recipe in RECIPES.items():
        start = time.process_time()
        model = fit_downscaling(
            view.retrieval, predictors, operator, recipe, rng=np.random.default_rng(seed)
        )
        maps = model.predict(view.times[days])
        add(name, maps, time.process_time() - start)
        if name == DEFAULT:
            for how, (corrected, spent) in residuals(model, maps, at, days).items():
                add(f"{name}, {how} residuals", corrected, spent)
        del model
    add("oracle: forest on fine truth", oracle(view, predictors, days, "none"), 0.0)
    smooth = oracle(view, predictors, days, "smooth")
    add("oracle: forest on fine truth, low-pass predictors", smooth, 0.0)
    return table


def closed(table: list[dict], name: str, what: str, against: str) -> float:
    """Share of the gap between the plain forest and an oracle that is closed [%]."""
    value = {row["method"]: row[what] for row in table}
    plain, best = value["plain random forest"], value[against]
    return 100.0 * (plain - value[name]) / (plain - best)


def whole_run(seed: int) -> dict:
    """Time the default recipe, held-out folds and all 730 days, in this process."""
    operator, view, predictors = world(seed, "balance", "white")
    start, wall = time.process_time(), time.perf_counter()
    model = fit_downscaling(view.retrieval, predictors, operator, rng=np.random.default_rng(seed))
    for _ in model.stream():
        pass
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = time.process_time() - start
    return {"cpu_s": spent, "wall_s": time.perf_counter() - wall, "rss_mb": rss}


def apart(*words: str) -> list | dict:
    """Run a part in a process of its own, whose peak memory is its own."""
    command = [sys.executable, "-m", "benchmarks.downscaling", "--json", *words]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def rows() -> list[dict]:
    """Lines of the benchmark table: RMSE of every method beside the plain forest's."""
    lines = []
    for truth, errors in WORLDS:
        tables = [apart(str(seed), truth, errors) for seed in SEEDS[:1]]
        lines += [line(tables, truth, errors, row["method"]) for row in tables[0][1:]]
        lines += gaps(tables, truth, errors)
    run = apart("whole")
    note = f"wall {run['wall_s']:.0f} s on this machine; seed {SEEDS[0]}"
    size = "730 days x 11952 pixels"
    lines.append(
        entry(f"train, hold out, predict {size} [CPU s]", run["cpu_s"], None, "≤ 600", note)
    )
    note = "whole process, the world itself among it"
    lines.append(entry("peak memory of the same [MB]", run["rss_mb"], None, "≤ 1500", note))
    return lines


def line(tables: list[list[dict]], truth: str, errors: str, name: str) -> dict:
    found = [row for table in tables for row in table if row["method"] == name]
    mean = {key: np.mean([row[key] for row in found]) for key in found[0] if key != "method"}
    plain = float(np.mean([table[0]["rmse"] for table in tables]))
    note = (
        f"ubRMSE {mean['ubrmse']:.4f}, R {mean['r']:.3f}, within cells {mean['r_within']:.3f}, "
        f"G_DOWN {mean['g_down']:+.2f}, CPU {mean['cpu_s']:.0f} s, {len(tables)} seeds"
    )
    target = f"≤ {0.94 * plain:.4f}" if "study's mode" in name and errors == "white" else ""
    task = f"RMSE [m3 m-3], {truth} world, {errors} errors: {name}"
    return entry(task, float(mean["rmse"]), plain, target, note)


def gaps(tables: list[list[dict]], truth: str, errors: str) -> list[dict]:
    """Say how much of the gap to the oracle the whole chain closes."""
    best, lines = f"{DEFAULT}, soft residuals", []
    smooth = "oracle: forest on fine truth, low-pass predictors"
    main = (truth, errors) == WORLDS[0]
    for what in ("rmse", "ubrmse"):
        shares, strict = (
            [closed(table, best, what, against) for table in tables]
            for against in ("oracle: forest on fine truth", smooth)
        )
        note = f"seeds {', '.join(f'{s:.0f}' for s in shares)}; of the gap to the smoothed oracle "
        note += f"{np.mean(strict):.0f} %"
        task = f"gap in {what} closed [%], {truth} world, {errors} errors"
        lines.append(entry(task, float(np.mean(shares)), None, "≥ 65" if main else "", note))
    rise = [
        next(row for row in table if row["method"] == best)["r_within"] - table[0]["r_within"]
        for table in tables
    ]
    task = f"rise of R within cells, {truth} world, {errors} errors"
    note = f"plain forest {np.mean([table[0]['r_within'] for table in tables]):.3f}"
    return [*lines, entry(task, float(np.mean(rise)), None, "≥ 0.12" if main else "", note)]


def entry(task: str, ours: float, peer: float | None, target: str, note: str) -> dict:
    return {"task": task, "ours": ours, "peer": peer, "target": target, "note": note}


def main(words: list[str]) -> None:
    as_json = words[:1] == ["--json"]
    words = words[as_json:]
    if words[:1] == ["whole"]:
        found: list | dict = whole_run(int(words[1]) if len(words) > 1 else SEEDS[0])
    else:
        found = ablation(int(words[0]) if words else 1, *words[1:3])
    if as_json:
        print(json.dumps(found))
        return
    for row in found if isinstance(found, list) else [found]:
        print("  ".join(v if isinstance(v, str) else f"{k} {v:.4g}" for k, v in row.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
