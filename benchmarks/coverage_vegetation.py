"""How often what the room of vegetation says is so: `python -m benchmarks.coverage_vegetation`.

Writes docs/simulations/vegetation.md. Worlds with known truth: single answers of cover to water,
and the growing virtual headwater, whose equations no estimator shares.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import lfilter

from headwater.vegetation.bucket import Soil, Weather
from headwater.vegetation.calibration import calibrate_soil
from headwater.vegetation.capacity import carrying_capacity
from headwater.vegetation.curves import response_curves
from headwater.vegetation.degradation import grade_degradation, in_usual_weather, peak_of_season
from headwater.vegetation.profiles import read_profile
from headwater.vegetation.response import fit_response
from headwater.virtual.growing import grow, true_capacity

PAGE = Path(__file__).parent.parent / "docs" / "simulations" / "vegetation.md"
SIGN = np.array([1, 1, 1, 1, 1, 1, 0.9, 0.4, -0.3, 0.2, 1, 1, 1])
ANSWERS = {
    "saturating": lambda m: 1 - np.exp(-np.maximum(m - 0.05, 0) / 0.06),
    "plateau": lambda m: np.clip((m - 0.05) / 0.10, 0, 1),
    "linear": lambda m: m / 0.2,
    "threshold": lambda m: 0.3 + 0.7 / (1 + np.exp(-(m - 0.13) / 0.008)),
    "none": lambda m: 0 * m + 0.75,
}
CASES = {
    "noise 0.03, ρ 0.5": (0.5, 0.0),
    "white noise": (0.0, 0.0),
    "ρ 0.8": (0.8, 0.0),
    "ρ 0.5, 40 % gaps": (0.5, 0.4),
}


def world(rng, answer, rho, gaps, *, years=20, cells=10):
    """Water with a memory of a month, and cover that answers its mean of about 20 days."""
    days = pd.date_range("2001-01-01", f"{2000 + years}-12-31", unit="ns")
    shared, own = (
        lfilter([1], [1, -0.97], rng.normal(0, 0.25, (days.size, n)), axis=0) for n in (1, cells)
    )
    theta = np.clip(0.14 + 0.03 * shared + 0.01 * own, 0.011, None)
    felt = lfilter([0.05], [1, -0.95], theta - 0.14, axis=0) + 0.14
    sign = SIGN[days.month.to_numpy()][:, None]
    cover = 0.6 * (1 + sign * (ANSWERS[answer](felt) / 0.75 - 1))
    seen = (days.day_of_year.to_numpy() - 1) % 16 == 0
    noise = rng.normal(0, 0.03, (seen.sum(), cells))
    cover = cover[seen] + lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=0)
    cover[rng.random(cover.shape) < gaps] = np.nan
    return (
        xr.DataArray(cover, {"time": days[seen]}, ("time", "cell")),
        xr.DataArray(theta, {"time": days}, ("time", "cell")),
    )


def curve_rows(draws):
    rows = []
    for answer in ("saturating", "plateau", "linear", "threshold"):
        for case, (rho, gaps) in CASES.items():
            held, errors = [], []
            for seed in range(draws):
                rng = np.random.default_rng([11, seed])
                cover, water = world(rng, answer, rho, gaps)
                found = response_curves(cover, water, rng=rng, months=(6, 7, 8), n_resamples=200)
                for month, one in found.groupby("month"):
                    truth = 0.6 * (1 + SIGN[month] * (ANSWERS[answer](one["water"]) / 0.75 - 1))
                    held.append(((one["low"] <= truth) & (truth <= one["high"])).mean())
                    if month == 6:
                        errors.append(np.abs(one["cover"] - truth).max() / np.ptp(truth))
            rows.append((answer, case, np.mean(held), np.median(errors), np.quantile(errors, 0.9)))
    return rows


def share_rows(draws):
    rows = []
    for answer in ("none", "saturating", "threshold"):
        for case, (rho, gaps) in CASES.items():
            zero, share = [], []
            for seed in range(draws):
                rng = np.random.default_rng([12, seed])
                maps = fit_response(*world(rng, answer, rho, gaps, years=12)).maps
                zero.append((maps["share_low"] <= 0).mean())
                share.append(maps["share"].median())
            rows.append((answer, case, np.mean(zero), np.median(share)))
    return rows


def capacity_rows(seeds):
    rows = []
    for seed in seeds:
        here = grow(seed=seed, shape=(8, 12), world="no_water", droughts=())
        daily, rng = here.daily, np.random.default_rng([13, seed])
        names = ("precipitation", "temperature", "potential_evapotranspiration", "cover")
        drives = Weather(*(daily[name].values for name in names))
        peak = daily["cover"].groupby("time.year").max().mean("year")
        course = (daily["cover"] / peak).clip(0, 1).values
        water = (0.25 * daily["soil_water"][0] + 0.75 * daily["soil_water"][1]).values
        seen = np.where(course > 0.5, water + rng.normal(0, 0.01, water.shape), np.nan)
        fit = calibrate_soil(seen, drives, Soil(0.24, 0.09))
        soils = [fit.soil, *(fit.draw(rng) for _ in range(6))]
        years = daily["time"].dt.year.values
        found = carrying_capacity(drives._replace(cover=course), soils, years, rng=rng)
        truth = true_capacity(here).values
        inner = (here.maps["vegetation"] != 5).values & (truth < 0.95) & (truth > 0.06)
        error = (found.cover - truth)[inner]
        held = ((found.low <= truth) & (truth <= found.high))[inner].mean()
        close = (np.abs(error) / truth[inner] < 0.1).mean()
        r = np.corrcoef(found.cover[inner], truth[inner])[0, 1]
        rows.append((seed, inner.sum(), np.median(error), np.median(abs(error)), close, held, r))
    return rows


def by_patch(data, here, patches):
    """Means over the cells of each patch."""
    numbers = here.maps["patch"]
    means = [data.where(numbers == one).mean(("y", "x")) for one in patches["patch"]]
    found = xr.concat(means, pd.Index(patches["patch"].to_numpy(), name="patch"))
    return found.transpose("time", "patch").dropna("patch", how="all")


def yearly(data, months):
    """Mean of some months of each year."""
    return data.sel(time=np.isin(data["time"].dt.month, months)).groupby("time.year").mean()


def grade_rows(seeds):
    rows = []
    profile = read_profile("gb19377-cover")
    span = {"baseline": (2000, 2007), "recent": (2022, 2024)}
    for world_name in ("saturating", "linear", "threshold"):
        off, held = {}, {}
        for seed in seeds:
            here, sound = (grow(seed=seed, world=world_name, damaged=one) for one in (True, False))
            lasting = here.patches[here.patches["fate"] == "lasting"]
            ndvi = here.composites["ndvi"].where(here.composites["flag"] == 0)
            peak = peak_of_season(by_patch(((ndvi - 0.08) / 0.74).clip(0, 1), here, lasting))
            true, whole = (
                peak_of_season(by_patch(one.daily["cover"], here, lasting)) for one in (here, sound)
            )
            late = slice(*span["recent"])
            loss = 100 * (
                1 - (true.sel(year=late).mean("year") / whole.sel(year=late).mean("year"))
            )
            root = here.daily["soil_water"][0] * 0.25 + here.daily["soil_water"][1] * 0.75
            weather = [
                yearly(by_patch(here.daily["temperature"], here, lasting), (7, 8)),
                yearly(by_patch(root, here, lasting), (6, 7, 8)),
            ]
            ways = {
                "as seen": peak,
                "rid of water": in_usual_weather(peak, weather[1:], **span),
                "rid of warmth and water": in_usual_weather(peak, weather, **span),
                "sound cover known": peak / whole * whole.mean("year"),
            }
            for way, values in ways.items():
                rng = np.random.default_rng([14, seed])
                found = grade_degradation(values, profile, rng=rng, **span)
                wrong = np.abs(found["grade"].values - profile.grade(loss.values))
                inside = (found["damage_low"] <= loss) & (loss <= found["damage_high"])
                off.setdefault(way, []).append(wrong)
                held.setdefault(way, []).append(inside.values)
        for way, parts in off.items():
            one = np.concatenate(parts)
            inside = np.concatenate(held[way]).mean()
            rows.append((world_name, way, one.size, (one == 0).mean(), (one == 1).mean(), inside))
    return rows


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [f"{one:.3f}" if isinstance(one, float) else str(one) for one in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(draws=10, seeds=(1, 2, 3)):
    start = time.process_time()
    parts = {
        "curves": table(
            ("answer", "case", "band holds", "median error, June", "90 %"), curve_rows(draws)
        ),
        "shares": table(("answer", "case", "interval has zero", "median share"), share_rows(draws)),
        "grades": table(
            ("world", "cover", "patches", "right", "one off", "interval holds"),
            grade_rows(range(1, 7)),
        ),
        "capacity": table(
            ("seed", "cells", "bias", "median error", "within 10 %", "interval holds", "r"),
            capacity_rows(seeds),
        ),
    }
    text = TEXT.format(**parts, draws=draws, seconds=time.process_time() - start)
    PAGE.write_text(text, encoding="utf-8")


TEXT = """# What the room of vegetation gets right, and where it fails

Made by `python -m benchmarks.coverage_vegetation` ({draws} draws a row, seeds 11-14;
{seconds:.0f} CPU s). Nominal level: 0.95.

## Response curves

20 years, 10 cells, a composite every 16 days, cover answers water as plants remember it (an
exponential memory of 20 days, which no candidate has), with a sign that changes from June to
August. Error: largest distance from the truth over its range, in June. `plateau` and `linear` are
forms that are fitted; `saturating` here is exponential and `threshold` a step, which are not.

{curves}

**Where it fails**: a step. No candidate has its form, and the band, which knows only the
candidates, is too narrow. Plateaus hold in about 80 % only, straight lines in 87 to 90 %, although
both forms are fitted: the plants' exponential memory is none of the candidates' and blurs corners.
The bands of saturating answers hold in 90 to 94 %, short of the wanted 93 to 97 %.

## Share that water explains

12 years, single cells. Where water explains nothing, the interval must hold zero in 95 % of cells.

{shares}

## Degradation grades

The growing virtual headwater, seeds 1 to 6: means of patches of nine cells with a lasting loss of
5, 15, 25, 45 or 75 %, graded by `gb19377-cover`, 2022-2024 against 2000-2007: as seen; with what
`in_usual_weather` says of water, and of warmth and water, taken out, as the chapter does; and, as
the most that these composites can give, with the cover that a sound patch would have had in each
year known. Truth is the grade of what damage took from the cover of these years: the same world
runs without it. The target is 90 %.

{grades}

**Where it fails**: plants that remember (threshold) answer the weather of years before, of which a
regression on the year's own weather says nothing; nor would more be right than 72 % if the cover
of sound patches were known, for slow losses lie close to edges there. Weather left in, losses of
15 and 25 % lie five points from an edge, and three recent years move the mean by as much; it is
warmth that does it.

## Carrying capacity

The growing virtual headwater's own four layers against one bucket that was calibrated to soil
moisture seen in the season, 25 years; cells whose capacity lies between 6 and 95 %.

{capacity}

**Where it fails**: one bucket with one loss function is not four layers. The ranking of cells is
right (r), single cells are not within 10 %; intervals hold only because `model_error` (0.15) is
part of them, which was chosen on seeds 1 and 2. Read a capacity as a class, not as a number. What
limits it is where plants begin to close their stomata, half way between wilting point and field
capacity: at 0.3 of the way capacities come out 0.26 to 0.31 too low (seeds 1, 2), at 0.7 0.19 to
0.29 too high; fitted to each cell it ranks cells better (r 0.80, 0.80, 0.86) and is 0.11, 0.18 and
0.21 too high. Knowing how this world's plants shade the ground changes nothing (seeds 2, 3).
"""

if __name__ == "__main__":
    arguments = [int(one) for one in sys.argv[1:]]
    main(*arguments[:1])
