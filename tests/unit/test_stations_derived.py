"""Means of periods, storage of the root zone and what the network says."""

import numpy as np
import pytest

from headwater.errors import DataError, StudyError
from headwater.network.derived.series import (
    network_mean,
    period_means,
    root_zone_storage,
    temporal_stability,
)

HOUR = 3_600_000_000


def micros(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


def test_days_of_china_begin_eight_hours_before_those_of_utc() -> None:
    start = micros("2020-06-30T16:00")
    time = start + np.arange(48) * HOUR
    told = period_means(time, np.arange(48.0), "day", cadence=1.0, offset=8.0)
    assert told.start.tolist() == [start, start + 24 * HOUR]
    assert told.mean.tolist() == [11.5, 35.5]


def test_pentads_follow_the_calendar_and_leap_days() -> None:
    time = np.arange(micros("2020-02-20"), micros("2020-03-07"), 24 * HOUR)
    told = period_means(time, np.ones(time.size), "pentad", cadence=24.0, min_coverage=0.5)
    starts = [str(np.datetime64(int(at), "us").astype("datetime64[D]")) for at in told.start]
    assert starts == ["2020-02-16", "2020-02-21", "2020-02-26", "2020-03-01", "2020-03-06"]
    assert told.n.tolist() == [1, 5, 4, 5, 1]
    assert told.coverage[2] == pytest.approx(1.0)
    assert np.isnan(told.mean[[0, 4]]).all()


def test_time_before_1970() -> None:
    told = period_means([micros("1969-12-31T23:30")], [0.3], "hour", cadence=1.0)
    assert told.start.tolist() == [micros("1969-12-31T23:00")]


def test_missing_hours_lower_the_coverage() -> None:
    value = np.ones(24)
    value[:7] = np.nan
    told = period_means(np.arange(24) * HOUR, value, "day", cadence=1.0)
    assert told.n.tolist() == [17]
    assert np.isnan(told.mean[0])


@pytest.mark.parametrize(("period", "cadence"), [("hour", 3.0), ("week", 1.0)])
def test_periods_that_cannot_be(period: str, cadence: float) -> None:
    with pytest.raises(StudyError):
        period_means([0, HOUR], [1.0, 1.0], period, cadence=cadence)


def test_storage_stands_in_for_a_missing_depth_only_if_it_is_small() -> None:
    values = np.array([[0.2, 0.2, 0.2], [np.nan, 0.2, 0.2], [0.2, np.nan, 0.2]])
    told = root_zone_storage(values, [0.05, 0.2, 0.5], bottom=0.6)
    assert told.weights.tolist() == pytest.approx([125.0, 225.0, 250.0])
    assert told.water[0] == pytest.approx(120.0)
    assert np.isnan(told.water[1:]).all() == (told.share[1:] < 0.8).all()


@pytest.mark.parametrize("depths", [[0.2, 0.1], [0.9, 1.0], [0.1]])
def test_profiles_without_sense(depths: list[float]) -> None:
    with pytest.raises(DataError):
        root_zone_storage(np.zeros((3, 2)), depths, bottom=0.5)


def test_the_mean_does_not_leap_when_a_station_falls_silent() -> None:
    rng = np.random.default_rng(1)
    day = 0.2 + 0.05 * np.sin(np.arange(300) / 30)
    values = day[:, None] + np.array([-0.1, 0.0, 0.05, 0.15]) + rng.normal(0, 1e-3, (300, 4))
    whole = network_mean(values)
    values[120:180, 3] = np.nan
    told = network_mean(values)
    assert np.abs(told.mean - whole.mean).max() < 2e-3
    assert np.abs(np.nanmean(values, axis=1) - whole.mean).max() > 0.03
    assert told.n[150] == 3


def test_silent_times_and_stations_stay_missing() -> None:
    values = np.full((4, 3), np.nan)
    values[1, 0] = 0.2
    told = network_mean(values)
    assert np.isnan(told.mean).all()
    assert told.n.tolist() == [0, 1, 0, 0]


def test_the_steadiest_station_stands_best_for_the_network() -> None:
    rng = np.random.default_rng(2)
    day = 0.25 + 0.05 * np.sin(np.arange(400) / 40)
    noise = rng.normal(0, 1, (400, 3)) * [0.001, 0.04, 0.002]
    values = day[:, None] * [1.0, 1.02, 1.3] + noise
    table = temporal_stability(values, ["steady", "noisy", "wet"]).table
    assert table.index[table["rank"] == 1].tolist() == ["steady"]
    assert table.sd_relative_difference.idxmin() != "noisy"
    assert (table.n == 400).all()
    with pytest.raises(DataError):
        temporal_stability(values, ["a", "b"])
