"""Time of the room of vegetation on 11 952 cells and five years: `python -m benchmarks vegetation`.

CPU seconds after one call that compiles. No peer does these jobs on maps in Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from headwater.vegetation.bucket import Soil, Weather, water_balance
from headwater.vegetation.calibration import calibrate_soil
from headwater.vegetation.capacity import carrying_capacity
from headwater.vegetation.phenology import greenness_season
from headwater.vegetation.response import fit_response
from headwater.vegetation.smoothing import whittaker

CELLS, YEARS = 11_952, 5


def greenness(cells: int, rng: np.random.Generator) -> xr.DataArray:
    """Composites of 16 days with noise and 10 % gaps."""
    times = pd.date_range("2001-01-01", periods=23 * YEARS, freq="16D")
    season = 0.15 + 0.5 * np.exp(-(((times.day_of_year.to_numpy() - 205) / 45.0) ** 2))
    values = season[:, None] + rng.normal(0.0, 0.03, (times.size, cells))
    values[rng.random(values.shape) < 0.1] = np.nan
    return xr.DataArray(values, {"time": times}, ("time", "cell"))


def weather(cells: int, rng: np.random.Generator) -> Weather:
    """Daily rain, temperature, demand and cover of five years [mm, degC, mm, 1]."""
    days = np.arange(1826)
    warm = 12.0 * np.sin((days - 110) / 365.25 * 2 * np.pi)[:, None]
    rain = rng.gamma(0.2, 8.0, (days.size, cells))
    air = warm + rng.normal(0.0, 2.0, rain.shape)
    return Weather(rain, air, np.clip(0.25 * air, 0.1, None), np.full(rain.shape, 0.5))


def seconds(task: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    task()
    return time.process_time() - start


def tasks(cells: int) -> dict[str, tuple[Callable[[], object], float]]:
    """List what is timed, with its target [s]."""
    rng = np.random.default_rng(1)
    green = greenness(cells, rng)
    smooth = whittaker(green, strength=1.0)
    days = pd.date_range("2001-01-01", periods=73 * YEARS, freq="5D")
    theta = 0.2 + rng.normal(0.0, 0.03, (days.size, cells))
    water = xr.DataArray(theta, {"time": days}, ("time", "cell"))
    daily, soil = weather(cells, rng), Soil(field_capacity=0.28, wilting_point=0.10)
    return {
        "Whittaker, series of 115": (lambda: whittaker(green, strength=1.0), 0.1),
        "the same, λ chosen": (lambda: whittaker(green), 0.1),
        "seasons of five years": (lambda: greenness_season(smooth), 0.5),
        "response, 12 lags, years left out": (lambda: fit_response(green, water), 10.0),
        "bucket, 1826 days": (lambda: water_balance(daily, soil, keep=("liquid",)), 0.5),
    }


def soils(cells: int) -> dict[str, tuple[Callable[[], object], float]]:
    """List what is timed of soils: seven of each cell, seen in a season of five months."""
    rng = np.random.default_rng(2)
    days = np.arange(1826)
    day = days % 365.25
    course = np.where((day > 110) & (day < 260), np.sin((day - 110) / 150 * np.pi), 0.0)
    plain = weather(cells, rng)
    drives = plain._replace(rain=0.4 * plain.rain, cover=np.repeat(course[:, None], cells, axis=1))
    soil = Soil(rng.uniform(0.2, 0.34, cells), rng.uniform(0.05, 0.12, cells))
    grown = drives._replace(cover=0.5 * drives.cover)
    seen = water_balance(grown, soil).series["liquid"] + rng.normal(0.0, 0.01, grown.rain.shape)
    seen[drives.cover <= 0.3] = np.nan
    factors = rng.uniform(0.9, 1.1, (6, cells))
    many = [soil, *(soil.with_values(transpiration=factor) for factor in factors)]
    years = (days // 365.25).astype(int).tolist()
    return {
        "soil fitted to each cell": (
            lambda: calibrate_soil(seen, grown, Soil(0.28, 0.10)),
            60.0,
        ),
        "carrying capacity of each cell, 7 soils": (
            lambda: carrying_capacity(drives, many, years, rng=rng),
            30.0,
        ),
    }


def rows() -> list[dict[str, object]]:
    """Time each task once, after a small call that compiles."""
    for task, _ in (tasks(64) | soils(64)).values():
        task()
    about = {"peer": None, "note": f"{CELLS} cells, CPU seconds"}
    return [
        {"task": name, "ours": seconds(task), "target": f"≤ {limit:g}", **about}
        for name, (task, limit) in (tasks(CELLS) | soils(CELLS)).items()
    ]


if __name__ == "__main__":
    for row in rows():
        print(f"{row['task']}: {row['ours']:.3f} s, {row['target']} s")
