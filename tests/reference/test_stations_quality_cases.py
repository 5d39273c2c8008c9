"""Quality control against a thaw without rain, seeded faults, and what flagit makes of them.

Source of the thaw: our own simulation, tests/data/thaw_without_rain.csv. flagit 0.3 (MIT), run on
it, flags 98 of the 120 hours after the thaw as D04 and all 700 frozen hours as D01.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.network.quality.control import flag_series
from headwater.network.quality.faults import inject, recall
from headwater.network.quality.flags import DOUBTS, Flag

DATA = Path(__file__).parents[1] / "data"
THAW = DATA / "thaw_without_rain.csv"
HAMBURG = DATA / "real" / "station-network-hb"


def thaw() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    case = pd.read_csv(THAW, index_col=0, parse_dates=True)
    time = case.index.to_numpy("datetime64[us]").astype(np.int64)
    beside = {
        "soil_temperature": case.soil_temperature.to_numpy(),
        "air_temperature": case.air_temperature.to_numpy(),
        "rain": case.precipitation.to_numpy(),
    }
    return time, case.soil_moisture.to_numpy() / 100.0, beside


def test_melt_water_is_no_fault() -> None:
    time, value, beside = thaw()
    flags = flag_series(time, value, **beside)
    assert not np.any(flags & int(DOUBTS))
    assert (flags & Flag.FROZEN > 0).sum() == 700
    rising = slice(700, 820)
    assert np.all(flags[rising] & Flag.THAWING)


def test_without_temperature_the_same_rise_is_doubted() -> None:
    time, value, beside = thaw()
    flags = flag_series(time, value, rain=beside["rain"])
    assert (flags & Flag.RISE_WITHOUT_WATER > 0).sum() > 50


@pytest.mark.parametrize("seed", range(5))
def test_faults_in_the_thaw_are_still_found(seed: int) -> None:
    time, value, beside = thaw()
    kinds = ("spike", "dead", "saturated", "out_of_range")
    faulty, faults = inject(value, kinds=kinds, each=1, rng=np.random.default_rng(seed))
    flags = flag_series(time, faulty, **beside)
    assert recall(faults, flags & int(DOUBTS) > 0)["all"] == 1.0


def hourly(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draining bucket of 10 cm under showers, with a sensor's noise; returns moisture and rain."""
    rain = np.where(rng.random(n) < 0.02, rng.gamma(0.8, 4.0, n), 0.0)
    value, store = np.empty(n), 0.2
    for hour in range(n):
        store += rain[hour] / 100.0 * max(0.0, 1.0 - store / 0.45)
        store -= 0.0006 * (store - 0.05) / 0.3 * (1 + 0.5 * np.sin(np.pi * hour / 12))
        store -= 0.02 * max(store - 0.3, 0.0)
        value[hour] = store
    smooth = np.convolve(np.pad(value, (2, 0), mode="edge"), [0.25, 0.5, 0.25], "valid")
    return np.round(smooth + rng.normal(0, 5e-4, n), 4), rain


# flagit 0.3 with C01, C02, D04, D06, D07/D08 and D10 on the same series: 0.80 to 0.86 of all
# faults found (never a stuck sensor), 0.14 to 1.3 % of good hours flagged; D09 fails on pandas 3.
@pytest.mark.parametrize("seed", range(6))
def test_recall_is_at_least_that_of_flagit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    value, rain = hourly(35 * 300, rng)
    time = np.arange(value.size) * 3_600_000_000
    beside = {"rain": rain, "soil_temperature": np.full(value.size, 12.0)}
    clean = flag_series(time, value, **beside) & int(DOUBTS) > 0
    assert clean.mean() < 0.002
    faulty, faults = inject(value, each=5, rng=rng)
    found = recall(faults, flag_series(time, faulty, **beside) & int(DOUBTS) > 0)
    assert found["all"] >= 0.97


def test_impossible_values_of_hamburg_are_told() -> None:
    stations = {}
    for station in range(1, 9):
        table = pd.read_csv(HAMBURG / f"sm_d05_s{station:02d}.csv.gz")
        when = pd.to_datetime(table.iloc[:, 0], format="%d-%b-%Y %H:%M:%S")
        value = pd.to_numeric(table.iloc[:, 1], errors="coerce").to_numpy()
        flags = flag_series(when.to_numpy("datetime64[us]").astype(np.int64), value, cadence=1.0)
        assert np.array_equal(flags & Flag.ABOVE_RANGE > 0, value > 0.60)
        stations[station] = float((flags[np.isfinite(value)] & int(DOUBTS) > 0).mean())
    # stations 1 and 2 reach 1.10, which the owners' own list calls good; the others stay possible
    assert stations[1] > 0.0
    assert stations[2] > 0.0
