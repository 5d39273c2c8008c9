"""Coverage of the fine intervals: `python -m benchmarks.coverage_downscaling [small] [seed ...]`.

The whole chain on the virtual headwater, whose truth is known: train, spread residuals, calibrate
intervals on twins that know only the coarse observations, and count how many pixels and days of the
real truth lie inside. Prints the tables of `docs/simulations/downscaling.md`: at the study's size,
or with `small` on ten headwaters of 32 x 64 pixels and one summer of 92 days, with other worlds in
which an assumption of the twins is broken, or met because it is stated.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from benchmarks.downscaling import scored_days, world

from headwater.downscaling.baselines import BASELINES, interpolate_cells
from headwater.downscaling.covariance import estimate_covariance
from headwater.downscaling.observation_age import total_sd
from headwater.downscaling.pipeline import disaggregate_residuals, downscale
from headwater.downscaling.predictors import Predictors, build_predictors
from headwater.downscaling.support_operator import Support, support
from headwater.downscaling.systematic import SystematicError
from headwater.downscaling.training import Recipe, fit_downscaling
from headwater.downscaling.twins import TwinOptions, twin_experiment
from headwater.grids.products.smap import ease2_grid
from headwater.virtual import make_headwater
from headwater.virtual.satellite import SatelliteView, observe_from_space

SEEDS = (101, 102, 103)
SMALL_SEEDS = range(201, 211)
LEVEL, DRAWS = 0.90, 2
SEASON = slice(152, 244)
WORLDS = (("balance", "white"), ("balance", "correlated"), ("threshold", "white"))
GAIN, OFFSET = 0.8, 0.06
"""A product that is biased and too flat: 0.8 times the truth, and 0.06 m3 m-3."""
WETTER, IRRIGATED = 0.12, 0.15
"""Irrigation from June to September: how much wetter [m3 m-3], and the share of pixels."""


@dataclass(frozen=True)
class Case:
    """One headwater, what is seen of it, and what the twins are told."""

    support: Support
    view: SatelliteView
    predictors: Predictors
    recipe: Recipe
    options: TwinOptions = field(
        default_factory=lambda: TwinOptions(n_resamples=DRAWS, level=LEVEL, oracle=False)
    )


def full_case(seed: int, truth: str, errors: str) -> Case:
    operator, view, predictors = world(seed, truth, errors)
    return Case(operator, view, predictors, Recipe(rows=15_000))


def small_case(seed: int, truth: str, errors: str) -> Case:
    here = make_headwater(seed=seed, years=(2018, 2018), shape=(32, 64), noise=0, gaps=0)
    operator = support(ease2_grid(36), here.cube)
    operator = operator.only(operator.covered > 0.5)
    view = cut(observe_from_space(here, operator.matrix, seed=seed, truth=truth, errors=errors))
    predictors = build_predictors(view.dynamic, view.static, view.times)
    return Case(operator, view, predictors, Recipe(trees=10, rows=1500, workers=1))


def cut(view: SatelliteView) -> SatelliteView:
    """Keep one thawed season."""
    return replace(
        view,
        truth=view.truth[SEASON],
        retrieval=view.retrieval[SEASON],
        dynamic={name: cube[SEASON] for name, cube in view.dynamic.items()},
        times=view.times[SEASON],
        thawed=view.thawed[SEASON],
    )


def biased(case: Case, *, stated: bool) -> Case:
    """Let the product be 0.8 times what it was, and 0.06; tell the twins, or do not."""
    was = case.view.retrieval
    view = replace(case.view, retrieval=GAIN * was + OFFSET)
    bias = float(np.nanmean(view.retrieval - was))
    wrong = SystematicError(bias, bias, GAIN, GAIN, "stated")
    options = replace(case.options, systematic=wrong) if stated else case.options
    return replace(case, view=view, options=options)


def ranged(case: Case) -> Case:
    """Let the product be biased, and tell the twins a range in which it lies."""
    found = biased(case, stated=False)
    wrong = SystematicError(-0.02, 0.04, 0.7, 1.1, "assumed")
    return replace(found, options=replace(case.options, systematic=wrong))


def irrigated(case: Case, *, seed: int) -> Case:
    """Water fields that no predictor shows, and let cells see their share of it."""
    rng = np.random.default_rng([seed, 9])
    fields = (rng.random(case.view.truth.shape[1:]) < IRRIGATED).astype(np.float32)
    months = case.view.times.astype("datetime64[M]").astype(int) % 12 + 1
    wetter = WETTER * fields * ((months >= 6) & (months <= 9))[:, None, None]
    cells = case.support.aggregate(wetter.reshape(len(wetter), -1)).value
    view = replace(case.view, truth=case.view.truth + wetter, retrieval=case.view.retrieval + cells)
    return replace(case, view=view)


def covered(case: Case, seed: int) -> dict[str, float]:
    """Run the chain and its twins on one headwater, and compare the intervals with the truth."""
    operator, view, predictors, recipe = case.support, case.view, case.predictors, case.recipe
    start = time.process_time()
    rng = np.random.default_rng(seed)
    model = fit_downscaling(view.retrieval, predictors, operator, recipe, rng=rng)
    finer = disaggregate_residuals(model, view.retrieval)
    left = view.retrieval - model.out_of_fold
    covariance = estimate_covariance(left, operator, view.times)
    at = {"predictors": predictors, "support": operator, "recipe": recipe}
    found = twin_experiment(
        view.retrieval,
        predictors,
        operator,
        partial(downscale, **at, rng=np.random.default_rng([seed, 1])),
        covariance,
        residuals=left,
        held_out=lambda seen: (
            fit_downscaling(seen, **at, rng=np.random.default_rng([seed, 3])).out_of_fold
        ),
        options=case.options,
        rng=np.random.default_rng([seed, 2]),
    )
    days = scored_days(view)
    mean, sd = finer.predict(view.times[days])
    real = np.where(view.thawed[days], view.truth[days], np.nan).reshape(days.size, -1)
    error = mean - real
    whole = total_sd(sd, found.learner_sd)
    coarse = operator.aggregate(mean.astype(float)).value - view.retrieval[days]
    width = np.nanquantile(np.abs(coarse), LEVEL)
    stated = found.data.groupby("method")["rmse"].mean()
    plain = {
        f"RMSE, {name}": rmse(interpolate_cells(view.retrieval, operator, method=name)[days] - real)
        for name in BASELINES
    }
    return {
        "seed": seed,
        "twin-calibrated": found.intervals.coverage(error, whole, view.times[days]),
        "coarse-calibrated": float((np.abs(error) <= width)[np.isfinite(error)].mean()),
        "stated RMSE": float(stated["pipeline"]),
        "actual RMSE": rmse(error),
        **plain,
        "helps": found.helps,
        "coarse closure": rmse(coarse),
        "CPU s": time.process_time() - start,
    }


def rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(error))))


def small_cases(seed: int) -> dict[str, Case]:
    """Every world at the small size: three that meet the assumptions, and four that bend them."""
    found = {f"{truth}, {errors}": small_case(seed, truth, errors) for truth, errors in WORLDS}
    plain = found["balance, white"]
    found["biased product, not stated"] = biased(plain, stated=False)
    found["biased product, stated"] = biased(plain, stated=True)
    found["biased product, within an assumed range"] = ranged(plain)
    found["irrigation that no predictor shows"] = irrigated(plain, seed=seed)
    return found


def main(words: list[str]) -> None:
    small = words[:1] == ["small"]
    seeds = [int(word) for word in words[small:] if word.isdigit()]
    wanted = [word for word in words[small:] if not word.isdigit()]
    for seed in seeds or (SMALL_SEEDS if small else SEEDS):
        if small:
            cases = small_cases(seed)
        else:
            cases = {f"{one}, {other}": full_case(seed, one, other) for one, other in WORLDS}
        for name, case in cases.items():
            if not wanted or any(word in name for word in wanted):
                print(json.dumps({"world": name} | covered(case, seed)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
