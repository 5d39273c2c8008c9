"""Quality rules one by one, and the agreement of sensors with each other."""

import numpy as np
import pytest

from headwater.errors import DataError, StudyError
from headwater.network.health import battery, drift, silence
from headwater.network.quality.consistency import departures, doubtful
from headwater.network.quality.control import QualityControl, flag_series
from headwater.network.quality.faults import inject, recall
from headwater.network.quality.flags import DOUBTS, Flag, from_ismn, to_ismn
from headwater.network.quality.rules import Rules

HOUR = 3_600_000_000
RNG = np.random.default_rng


def quiet(n: int, seed: int = 1) -> np.ndarray:
    return 0.25 + RNG(seed).normal(0, 5e-4, n)


def hours(n: int, step: float = 1.0) -> np.ndarray:
    return (np.arange(n) * step * HOUR).astype(np.int64)


def test_a_wetting_front_with_its_rain_is_no_jump() -> None:
    value = quiet(200)
    value[100:] += 0.08
    rain = np.zeros(200)
    dry = flag_series(hours(200), value, rain=rain)
    assert dry[100] & Flag.JUMP
    rain[98] = 6.0
    assert not np.any(flag_series(hours(200), value, rain=rain) & int(Flag.JUMP))


def test_frost_is_a_state_and_its_fall_no_fault() -> None:
    value = quiet(200)
    value[100:] -= 0.15
    soil = np.full(200, 3.0)
    assert flag_series(hours(200), value, soil_temperature=soil)[100] & Flag.DROP
    soil = np.concatenate([np.linspace(3, 0.1, 100), np.linspace(-0.4, -4, 100)])
    told = flag_series(hours(200), value, soil_temperature=soil)
    assert not np.any(told & int(DOUBTS))
    assert np.all(told[100:] & Flag.FROZEN)


def test_air_temperature_stands_in_for_soil_temperature() -> None:
    air = np.full(400, -8.0)
    told = flag_series(hours(400), quiet(400), air_temperature=air)
    assert np.all(told & Flag.FROZEN)


def test_the_edge_of_a_gap_is_no_spike() -> None:
    value = quiet(100)
    value[48:60] = np.nan
    value[60] += 0.2
    value[61:] += 0.01
    assert not np.any(flag_series(hours(100), value) & int(Flag.SPIKE))


def test_a_coarse_sensor_may_repeat_itself() -> None:
    fine, coarse = quiet(500), np.round(quiet(500), 2)
    coarse[::190] += 0.01
    fine[100:300] = 0.25
    assert flag_series(hours(500), fine)[150] & Flag.STUCK
    assert not np.any(flag_series(hours(500), coarse) & int(Flag.STUCK))


@pytest.mark.parametrize("step", [1 / 6, 0.5, 1.0, 3.0])
def test_rules_scale_with_cadence(step: float) -> None:
    n = int(400 / step)
    value = quiet(n)
    value[n // 2] += 0.15
    rain = np.zeros(n)
    told = flag_series(hours(n, step), value, rain=rain)
    assert np.flatnonzero(told & int(DOUBTS)).tolist() == [n // 2]


def test_a_daily_peak_after_rain_is_no_spike() -> None:
    value, rain = quiet(60), np.zeros(60)
    value[30] += 0.1
    rain[30] = 12.0
    assert not np.any(flag_series(hours(60, 24.0), value, rain=rain) & int(DOUBTS))
    rain[:] = 0.0
    assert flag_series(hours(60, 24.0), value, rain=rain)[30] & Flag.SPIKE


def test_saturation_and_range() -> None:
    told = flag_series(hours(4), [0.2, -0.01, 0.7, 0.5], rules=Rules(saturation=0.45))
    assert [bool(flag & Flag.ABOVE_SATURATION) for flag in told] == [False, False, True, True]
    assert told[1] & Flag.BELOW_RANGE
    assert told[2] & Flag.ABOVE_RANGE


def test_late_observations_are_refused_by_a_stream() -> None:
    stream = QualityControl(cadence=1.0)
    stream.push(hours(10), quiet(10))
    with pytest.raises(DataError, match="not later"):
        stream.push(hours(5), quiet(5))


@pytest.mark.parametrize(
    ("time", "value", "what"),
    [([0, 0, 1], [0.1, 0.1, 0.1], "do not rise"), ([0, 1], [0.1], "different lengths")],
)
def test_wrong_series_are_named(time: list[int], value: list[float], what: str) -> None:
    with pytest.raises(DataError, match=what):
        flag_series(time, value, cadence=1.0)


def test_a_short_series_needs_its_cadence() -> None:
    with pytest.raises(DataError, match="cadence"):
        flag_series([0, HOUR], [0.1, 0.1])


def test_rules_without_sense_are_refused() -> None:
    with pytest.raises(StudyError, match="range"):
        Rules(lowest=0.7)
    with pytest.raises(StudyError, match="window"):
        Rules(stuck=0)


def test_codes_go_there_and_back() -> None:
    for code in ("C01", "C02", "C03", "D01", "D04", "D06", "D07", "D08", "D09", "D10", "D06,D10"):
        assert to_ismn(int(from_ismn([code])[0])) == code
    with pytest.raises(DataError, match="X01"):
        from_ismn(["X01"])


def test_faults_stay_apart_and_unknown_ones_are_named() -> None:
    _, faults = inject(quiet(5000), each=2, rng=RNG(3))
    ends = [fault.stop for fault in faults]
    assert all(fault.start > end for fault, end in zip(faults[1:], ends[:-1], strict=True))
    with pytest.raises(DataError, match="wobble"):
        inject(quiet(5000), kinds=("wobble",), rng=RNG(3))
    with pytest.raises(DataError, match="too short"):
        inject(quiet(500), rng=RNG(3))
    assert recall(faults, np.ones(5000, dtype=bool))["all"] == 1.0


def network(n: int, seed: int) -> np.ndarray:
    rng = RNG(seed)
    common = 0.2 + 0.05 * np.sin(np.arange(n) / 60.0)
    return common[:, None] * [1.0, 1.3, 0.8, 0.6] + rng.normal(0, 0.004, (n, 4))


def test_a_station_against_its_neighbours() -> None:
    values = network(3000, 1)
    assert not doubtful(departures(values)).any()
    values[2500:2600, 2] += 0.1
    told = doubtful(departures(values))
    assert told[2500:2600, 2].mean() > 0.9
    assert told[:, [0, 1, 3]].mean() < 0.01


def test_departures_use_the_past_alone() -> None:
    values = network(2400, 2)
    whole, part = departures(values), departures(values[:1920])
    np.testing.assert_array_equal(whole[:1920], part)


def test_departures_need_neighbours() -> None:
    with pytest.raises(DataError, match="without neighbours"):
        departures(np.zeros((10, 1)))


def test_silence_by_own_cadence() -> None:
    last = 9 * HOUR
    assert silence(hours(10), last + 2 * HOUR).status == "heard"
    assert silence(hours(10), last + 5 * HOUR).status == "late"
    assert silence(hours(10), last + 13 * HOUR).status == "silent"
    assert silence([], last).status == "never"
    minutes = hours(60, 1 / 60)
    assert silence(minutes, int(minutes[-1]) + 2 * HOUR).status == "late"


def test_a_changed_battery_starts_anew() -> None:
    volts = np.concatenate([13.0 - 0.05 * np.arange(20), 13.2 - 0.02 * np.arange(10)])
    told = battery(hours(30, 24.0), volts)
    assert told.n == 10
    assert told.per_day == pytest.approx(-0.02)
    steady = battery(hours(30, 24.0), 12.8 + RNG(1).normal(0, 0.02, 30))
    assert steady.days_left == float("inf")
    with pytest.raises(DataError, match="few days"):
        battery(hours(10), np.full(10, 12.0))


def test_seasons_are_no_drift() -> None:
    days = np.arange(3 * 365)
    season = 0.03 * np.sin(2 * np.pi * days / 365.25) + RNG(5).normal(0, 0.004, days.size)
    assert not drift(hours(days.size, 24.0), season, rng=RNG(6)).drifting
    told = drift(hours(days.size, 24.0), season + 0.02 * days / 365.25, rng=RNG(6))
    assert told.drifting
    assert told.low < 0.02 < told.high
    with pytest.raises(DataError, match="60 days"):
        drift(hours(30, 24.0), np.zeros(30), rng=RNG(1))
