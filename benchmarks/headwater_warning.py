"""Losses planted on fresh virtual headwaters: ``python -m benchmarks.headwater_warning [seed …]``.

The archive of a seed is watched as a study watches it (response to soil water, pooled memory,
thresholds raised on the own history) for six seasons after ten years; half of its cells with a
growing season lose 35 % of their seasonal amplitude at once, 10 % a year, or for 128 days.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import xarray as xr

from headwater.chapters.warning import series
from headwater.chapters.warning.options import WarningOptions
from headwater.chapters.warning.run import make_plan
from headwater.virtual import make_headwater
from headwater.warning import score_detector
from headwater.warning.evaluation import first_alarms
from headwater.warning.monitor import start_monitor, watch_dates

HEAD = (
    "| seed | regime | rate | hit | early | late | miss | false | confirmed | confirmed, false |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def archive(seed: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Greenness and soil water of a small headwater, by day."""
    cube = make_headwater(seed=seed, years=(2004, 2019), shape=(16, 24)).cube

    def plain(name: str) -> xr.DataArray:
        values = cube[name].transpose("time", "y", "x").values.astype(float)
        return xr.DataArray(values, {"time": cube["time"].values}, ("time", "y", "x"))

    return plain("ndvi"), plain("soil_moisture")


def planted(green: xr.DataArray, regime: str, seed: int) -> tuple[xr.DataArray, np.ndarray]:
    """Take losses off; return the days on which they begin too, NaN where there is none."""
    rng = np.random.default_rng(seed)
    low, high = np.nanquantile(green.values, (0.05, 0.95), axis=0)
    lost = (high - low > 0.1) & (rng.random(low.shape) < 0.5)
    season = pd.date_range("2016-05-10", "2016-09-20", freq="8D").to_numpy().astype("M8[D]")
    event = np.where(lost, rng.choice(season.astype(int), low.shape).astype(float), np.nan)
    days = green["time"].values.astype("M8[D]").astype(int)
    since = np.nan_to_num(days[:, None, None] - event, nan=-1.0)
    share = {
        "abrupt": 0.35 * (since >= 0),
        "gradual": np.clip(since / 3650, 0.0, 0.35),
        "transient": 0.35 * ((since >= 0) & (since < 128)),
    }[regime]
    return green - share * (high - low), event.ravel()


def line(
    seed: int, regime: str, rate: float, green: xr.DataArray, water: xr.DataArray, event: np.ndarray
) -> str:
    options = WarningOptions(watch_from="2014-01-01", false_alarms=rate)
    plan = make_plan(green, water, options, growing_season=(5, 9), rng=np.random.default_rng(1))
    block = next(series.blocks_of(green, water, options.step, 1e9))
    covariates, times = plan.covariates(block), plan.calendar.moved(block.times)
    past = block.times < plan.split

    def of(rows: np.ndarray) -> tuple:
        own = None if covariates is None else covariates[:, rows]
        return block.green[rows], times[rows], own

    monitor = start_monitor(*of(past), thresholds=plan.thresholds, options=plan.calendar.options)
    seen, monitor = watch_dates(monitor, *of(~past))
    number = block.times[~past].astype(int).astype(float)
    known = monitor.baseline.reason == 0
    alarm, sure = (first_alarms(one, number) for one in (seen.state >= 1, seen.state == 3))
    span = {"start": number[0], "end": number[-1]}
    within = 730.0 if regime == "gradual" else 365.0
    row = score_detector(alarm[known], event[known], within=within, **span).data.iloc[0]
    last = score_detector(sure[known], event[known], within=np.inf, **span).data.iloc[0]
    shares = [row[one] for one in ("hit", "early", "late", "miss", "false_share")]
    shares += [last["hit"], last["false_share"]]
    return f"| {seed} | {regime} | {rate:g} | " + " | ".join(f"{one:.3f}" for one in shares) + " |"


def main() -> None:
    """Print one row per seed, regime and rate."""
    print(HEAD)
    for seed in map(int, sys.argv[1:] or ("11", "12", "13")):
        bare, water = archive(seed)
        for regime in ("abrupt", "gradual", "transient"):
            green, event = planted(bare, regime, seed)
            for rate in (0.002, 0.01):
                print(line(seed, regime, rate, green, water, event), flush=True)


if __name__ == "__main__":
    main()
