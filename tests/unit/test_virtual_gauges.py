"""Virtual stations: what was put in comes out, and the ground freezes and thaws."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.virtual import make_headwater
from headwater.virtual.gauges import DEPTHS, place_gauges


@pytest.fixture(scope="module")
def here():
    return make_headwater(seed=1, years=(2019, 2019), shape=(10, 16))


@pytest.fixture(scope="module")
def stations(here):
    return place_gauges(here, 4, minutes=60)


def record(station, quantity, depth=None):
    return next(r.value for r in station.records if (r.quantity, r.depth) == (quantity, depth))


def test_the_same_seed_gives_the_same_bits(here, stations):
    again = place_gauges(here, 4, minutes=60)
    other = place_gauges(here, 4, seed=2, minutes=60)
    for one, two, three in zip(stations, again, other, strict=True):
        for a, b in zip(one.records, two.records, strict=True):
            np.testing.assert_array_equal(a.value, b.value)
        assert not np.array_equal(record(one, "battery"), record(three, "battery"))


def test_stations_lie_inside_from_low_to_high(here, stations):
    heights = [station.elevation for station in stations]
    assert heights == sorted(heights)
    west, south, east, north = here.area.bounds
    for station in stations:
        assert west < station.longitude < east
        assert south < station.latitude < north


def test_steps_are_even_and_values_possible(stations):
    for station in stations:
        assert set(np.diff(station.time)) == {3_600_000_000}
        for one in station.records:
            assert np.isfinite(one.value).all()
        assert record(station, "soil_moisture", 0.05).min() >= 0.0
        assert record(station, "soil_moisture", 0.05).max() < 0.6
        assert record(station, "precipitation").min() >= 0.0


def test_days_keep_the_weather_of_the_headwater(here, stations):
    for station in stations:
        cell = here.cube.sel(x=station.longitude, y=station.latitude, method="nearest")
        daily = record(station, "air_temperature").reshape(-1, 24).mean(axis=1)
        np.testing.assert_allclose(daily, cell["temperature"], atol=2.5)
        warm = cell["temperature"].values > 3.0  # all of it falls as rain
        rain = record(station, "precipitation").reshape(-1, 24).sum(axis=1)
        want = cell["precipitation"].values.astype(float)
        # the gauge keeps what does not fill it for the next step
        assert abs(rain[warm].sum() - want[warm].sum()) < 1.0 + 0.02 * want.sum()


def test_heat_sinks_in_with_delay_and_loss(stations):
    for station in stations:
        soil = [record(station, "soil_temperature", depth) for depth in DEPTHS]
        spread = [np.ptp(series) for series in soil]
        assert spread == sorted(spread, reverse=True)


def test_frozen_soil_hides_its_water_and_thaw_brings_it_back_without_rain(stations):
    station = stations[1]
    theta, soil = (record(station, name, 0.4) for name in ("soil_moisture", "soil_temperature"))
    assert theta[soil < -2.0].max() < theta[soil > 2.0].min()
    theta, soil, rain = (
        record(station, *name).reshape(-1, 24)
        for name in (("soil_moisture", 0.05), ("soil_temperature", 0.05), ("precipitation",))
    )
    dry = np.convolve(rain.sum(axis=1), np.ones(4))[: len(rain)] == 0.0  # for four days
    thawing = dry & (soil.min(axis=1) < -1.0) & (soil.max(axis=1) > 0.5)
    assert thawing.sum() >= 3
    assert np.median(np.ptp(theta[thawing], axis=1)) > 0.02


@pytest.mark.parametrize(("n", "minutes"), [(0, 10), (10_000, 10), (1, 7), (1, 0)])
def test_what_cannot_be(here, n, minutes):
    with pytest.raises(DataError):
        place_gauges(here, n, minutes=minutes)
