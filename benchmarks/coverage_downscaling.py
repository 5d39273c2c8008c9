"""Coverage of the fine intervals: `python -m benchmarks.coverage_downscaling [seed ...]`.

The whole chain at the study's size on the virtual headwater, whose truth is known: train, spread
residuals, calibrate intervals on twins that know only the coarse data, and count how many pixels
and days of the real truth lie inside. Prints the table of `docs/simulations/downscaling.md`.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial

import numpy as np
from benchmarks.downscaling import scored_days, world

from headwater.downscaling.covariance import estimate_covariance
from headwater.downscaling.observation_age import total_sd
from headwater.downscaling.pipeline import downscale
from headwater.downscaling.training import Recipe
from headwater.downscaling.twins import twin_experiment

SEEDS = (101, 102, 103)
LEVEL, DRAWS = 0.90, 2


def covered(seed: int, truth: str = "balance", errors: str = "white") -> dict[str, float]:
    """Run the chain and its twins on one headwater, and hold the intervals against the truth."""
    operator, view, predictors = world(seed, truth, errors)
    start = time.process_time()
    recipe = Recipe(rows=15_000)
    finer = downscale(view.retrieval, predictors, operator, recipe, rng=np.random.default_rng(seed))
    made = time.process_time() - start
    held = view.retrieval - finer.model.out_of_fold
    covariance = estimate_covariance(held, operator, view.times)
    pipeline = partial(
        downscale,
        predictors=predictors,
        support=operator,
        recipe=recipe,
        rng=np.random.default_rng(seed),
    )
    told = twin_experiment(
        view.retrieval,
        predictors,
        operator,
        pipeline,
        covariance,
        n_draws=DRAWS,
        rng=np.random.default_rng(seed),
    )
    days = scored_days(view)
    mean, sd = finer.predict(view.times[days])
    real = np.where(view.thawed[days], view.truth[days], np.nan).reshape(days.size, -1)
    error = mean - real
    whole = total_sd(sd, told.learner_sd)
    coarse = operator.aggregate(mean.astype(float)).value - view.retrieval[days]
    width = np.nanquantile(np.abs(coarse), LEVEL)
    stated = told.data[told.data["method"] == "pipeline"][["rmse", "r_within"]].mean()
    closure = float(np.sqrt(np.nanmean(coarse**2)))
    return {
        "seed": seed,
        "twin-calibrated": told.intervals.coverage(error, whole, view.times[days]),
        "coarse-calibrated": float((np.abs(error) <= width)[np.isfinite(error)].mean()),
        "stated RMSE": stated["rmse"],
        "actual RMSE": float(np.sqrt(np.nanmean(error**2))),
        "coarse closure": closure,
        "CPU s, map": made,
        "CPU s, twins too": time.process_time() - start,
    }


def main(words: list[str]) -> None:
    for seed in [int(word) for word in words] or SEEDS:
        for truth, errors in (
            ("balance", "white"),
            ("balance", "correlated"),
            ("threshold", "white"),
        ):
            print(
                json.dumps({"world": f"{truth}, {errors}"} | covered(seed, truth, errors)),
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
