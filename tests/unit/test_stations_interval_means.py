"""Means of stations over intervals: units, depths, doubts, frost and places."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.network import open_store
from headwater.network.derived.interval_means import station_means
from headwater.network.entities import Observations
from headwater.network.ingest.load import ensure_series
from headwater.network.ingest.parsed_file import Place, Series
from headwater.network.quality.flags import Flag, verdict
from headwater.network.times import DAY, microseconds

T0 = microseconds("2026-06-01T00:00:00Z")
EDGES = T0 + DAY * np.arange(3)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "net.db") as opened:
        yield opened


def put(store, thing, values, *, unit="m3 m-3", depth=0.05, place=True, quality=None, **more):
    """Write values every six hours from the first edge on."""
    here = {"longitude": 99.0, "latitude": 35.0} if place else {}
    item = Series(
        thing=thing,
        name=f"Soil moisture at {depth:g} m",
        quantity="soil_moisture",
        unit=unit,
        depth=depth,
        **more,
    )
    with store.transaction() as session:
        id = ensure_series(session, item, Place(name=thing, **here))
    n = len(values)
    time = T0 + DAY // 4 * np.arange(n)
    store.write(Observations(np.full(n, id), time, values, quality=quality))
    return id


def test_each_day_has_mean_spread_and_number(store):
    put(store, "A", [0.1, 0.2, 0.3, 0.4, 0.5])
    told = station_means(store, "soil_moisture", EDGES)
    np.testing.assert_allclose(told.mean[:, 0], [0.25, 0.5])
    np.testing.assert_allclose(told.sd[:, 0], [np.std([1, 2, 3, 4], ddof=1) / 10, np.nan])
    assert told.n[:, 0].tolist() == [4, 1]
    assert told.units == "m3 m-3"


def test_units_are_brought_together(store):
    put(store, "A", [0.2])
    put(store, "B", [20.0], unit="%")
    np.testing.assert_allclose(station_means(store, "soil_moisture", EDGES).mean[0], [0.2, 0.2])


def test_the_shallowest_or_the_depth_asked_for(store):
    put(store, "A", [0.1], depth=0.4)
    put(store, "A", [0.2], depth=0.05)
    put(store, "B", [0.3], depth=0.4)
    told = station_means(store, "soil_moisture", EDGES)
    assert told.stations["depth"].tolist() == [0.05, 0.4]
    assert station_means(store, "soil_moisture", EDGES, depth=0.4).mean[0].tolist() == [0.1, 0.3]


def test_doubted_and_frozen_do_not_count(store):
    told = [verdict(0), verdict(int(Flag.SPIKE)), verdict(int(Flag.FROZEN)), None]
    put(store, "A", [0.2, 0.9, 0.05, 0.4], quality=told)
    means = station_means(store, "soil_moisture", EDGES)
    assert means.n[0, 0] == 2
    assert means.mean[0, 0] == pytest.approx(0.3)


def test_neither_derived_series_nor_stations_without_a_place(store):
    put(store, "A", [0.2])
    put(store, "A", [0.9], depth=0.01, properties={"derived": "cell of a grid"})
    put(store, "B", [0.3], place=False)
    told = station_means(store, "soil_moisture", EDGES)
    assert told.stations["station"].tolist() == ["A"]
    assert told.mean[0].tolist() == [0.2]


def test_nothing_to_average_is_told(store):
    with pytest.raises(DataError, match="no station with a known place observes soil_moisture"):
        station_means(store, "soil_moisture", EDGES)
    put(store, "A", [0.2])
    with pytest.raises(DataError, match=r"depths of 0\.05 m"):
        station_means(store, "soil_moisture", EDGES, depth=0.1)
    with pytest.raises(DataError, match="no station observed"):
        station_means(store, "soil_moisture", EDGES + 90 * DAY)
