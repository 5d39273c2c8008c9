"""Playing records: what is sent when, in which portions, and what is not sent again."""

import numpy as np
import pytest

from headwater.errors import DataError, InputError
from headwater.network.client import Client, service_url
from headwater.network.replay import BATCH, Channel, Station, play
from headwater.network.times import DAY, iso, microseconds

T0 = microseconds("2026-03-15T00:00:00Z")
MINUTE = 60_000_000


class Thing:
    """A service that holds one station; answers as SensorThings does."""

    def __init__(self, ends):
        self.ends, self.asked = ends, []

    def ask(self, method, path, body=None):
        self.asked.append((method, path.partition("?")[0]))
        streams = [
            {"@iot.id": k, "name": name}
            | ({"phenomenonTime": f"{iso(T0)}/{iso(end)}"} if end is not None else {})
            for k, (name, end) in enumerate(self.ends.items(), start=1)
        ]
        return {"value": [{"@iot.id": 1, "Datastreams": streams}]}


class Sent:
    def __init__(self):
        self.batches = []

    def send(self, batch):
        self.batches.append([(id, t.copy(), x.copy()) for id, t, x in batch])

    def times(self, id):
        parts = [t for batch in self.batches for one, t, _ in batch if one == id]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def station(n=100, names=("a", "b"), missing=()):
    time = T0 + 10 * MINUTE * np.arange(n)
    value = np.linspace(0.1, 0.2, n)
    value[list(missing)] = np.nan
    channels = tuple(Channel(name, "soil_moisture", "m3 m-3", time, value) for name in names)
    return Station("S", 97.5, 35.1, 4100.0, channels)


def played(one, ends=None, *, speed=1e13, start=T0, now=T0 + 900 * DAY, rounds=50):
    sent, service = Sent(), Thing(ends or dict.fromkeys(c.name for c in one.channels))
    told = []
    for step in play(
        [one],
        service,
        sent,
        start=start,
        speed=speed,
        clock=lambda: now,
        pause=lambda seconds: None,
    ):
        told.append(step)
        if len(told) == rounds:
            break
    return sent, told


def test_all_is_sent_once_and_in_order():
    one = station()
    sent, told = played(one)
    for id in (1, 2):
        np.testing.assert_array_equal(sent.times(id), one.channels[0].time)
    assert told[-1].sent == 200
    assert told[-1].time == one.channels[0].time[-1]


def test_each_series_goes_on_after_what_the_service_holds():
    one = station()
    ends = {"a": T0 + 300 * MINUTE, "b": None}
    sent, _ = played(one, ends)
    assert sent.times(1)[0] == T0 + 310 * MINUTE
    assert sent.times(2)[0] == T0
    assert sent.times(2).size == 100


def test_what_is_missing_is_not_sent():
    sent, told = played(station(missing=(3, 50)))
    assert T0 + 30 * MINUTE not in sent.times(1)
    assert told[-1].sent == 196


def test_a_replay_never_runs_ahead_of_the_clock():
    sent, told = played(station(), now=T0 + 95 * MINUTE)
    assert sent.times(1).max() == T0 + 90 * MINUTE
    assert told[-1].time == T0 + 95 * MINUTE


def test_no_request_is_larger_than_a_batch():
    sent, _ = played(station(n=3 * BATCH + 7))
    sizes = [sum(t.size for _, t, _ in batch) for batch in sent.batches]
    assert max(sizes) <= BATCH
    assert sum(sizes) == 2 * (3 * BATCH + 7)


def test_a_speed_that_leads_nowhere():
    with pytest.raises(DataError, match="leads nowhere"):
        next(play([station()], Thing({}), Sent(), start=T0, speed=0.0))


@pytest.mark.parametrize("text", ["localhost:8000", "ftp://x", "", "http://"])
def test_what_is_no_address(text):
    with pytest.raises(InputError, match="http://localhost:8000"):
        service_url(text)


def test_a_service_that_is_not_there_is_told_after_some_patience():
    told = []
    client = Client("http://127.0.0.1:9/v1.1", patience=0.5, report=told.append)
    with pytest.raises(DataError, match="headwater serve"):
        client.ask("GET", "Things")
    assert told[0].startswith("waiting for the service")
