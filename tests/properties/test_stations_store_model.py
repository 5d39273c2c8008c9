"""Any sequence of writes, deletes and closings equals what a plain dict says.

The server is left out here: the tests of the contract hold both data bases to one behaviour.
"""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headwater.network import open_store
from headwater.network.entities import Datastream, Observations, ObservedProperty, Sensor, Thing
from headwater.network.store.archive_months import close_months, recall
from headwater.network.times import DAY, NEVER, microseconds

T0 = microseconds("2024-02-27T12:00:00Z")  # a leap day and two ends of months lie ahead
streams = st.sampled_from([1, 2, 3])
times = st.integers(0, 75).map(lambda half_day: T0 + half_day * DAY // 2)
results = st.one_of(st.just(float("nan")), st.integers(-3, 3).map(float))
optional = st.one_of(st.just(NEVER), st.integers(0, 5).map(lambda k: T0 + 100 * DAY + k))
flags = st.sampled_from([None, '{"bits":0}', '{"bits":64}'])
rows = st.lists(st.tuples(streams, times, results, optional, optional, flags), max_size=12)


class StoreEqualsDict(RuleBasedStateMachine):
    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(Path(self.folder.name) / "network.db")
        self.model = {}
        with self.store.transaction() as session:
            links = {
                "thing_id": session.add(Thing(name="T")),
                "sensor_id": session.add(Sensor(name="S")),
                "observed_property_id": session.add(ObservedProperty(name="P", definition="d")),
            }
            for k in range(3):
                session.add(Datastream(name=f"{k}", unit_of_measurement={}, **links))

    @rule(given=rows, with_times=st.booleans(), with_quality=st.booleans())
    def write(self, given, with_times, with_quality):
        columns = [np.array(column) for column in zip(*given, strict=True)] or [
            np.empty(0, int)
        ] * 6
        extra = {"time_end": columns[3], "result_time": columns[4]} if with_times else {}
        extra |= {"quality": columns[5].astype(object)} if with_quality else {}
        fate = self.store.write(Observations(*columns[:3], **extra))
        before, last = dict(self.model), {}
        for stream, time, result, end, made, flag in given:
            both = (end, made) if with_times else (NEVER, NEVER)
            last[stream, time, *both] = (result, flag)
        for key, (result, flag) in last.items():
            old = self.model.get(key, (None, None))
            value = None if np.isnan(result) else result
            quality = flag if with_quality else old[1] if value == old[0] else None
            self.model[key] = (value, quality)
        touched = set(last)
        inserted = len(touched - set(before))
        updated = sum(key in before and before[key] != self.model[key] for key in touched)
        assert (fate.inserted, fate.updated) == (inserted, updated)
        assert fate.unchanged == len(given) - inserted - updated

    @rule(stream=streams, some=st.lists(times, max_size=3))
    def delete_times(self, stream, some):
        with self.store.transaction() as session:
            gone = session.delete_observations(stream, times=some)
        keys = [key for key in self.model if key[0] == stream and key[1] in some]
        assert gone == len(keys)
        for key in keys:
            del self.model[key]

    @rule(stream=streams, chosen=st.data())
    def delete_key(self, stream, chosen):
        keys = sorted(key for key in self.model if key[0] == stream)
        if not keys:
            return
        key = chosen.draw(st.sampled_from(keys))
        _, time, end, made = key
        one = Observations([stream], [time], [0.0], time_end=[end], result_time=[made])
        with self.store.transaction() as session:
            gone = session.delete_observations(stream, keys=[(time, int(one.variant()[0]))])
        assert gone == 1
        del self.model[key]

    @rule(stream=streams, start=times, length=st.integers(0, 60))
    def delete_range(self, stream, start, length):
        end = start + length * DAY
        with self.store.transaction() as session:
            gone = session.delete_observations(stream, start=start, end=end)
        keys = [key for key in self.model if key[0] == stream and start <= key[1] < end]
        assert gone == len(keys)
        for key in keys:
            del self.model[key]

    @rule(before=times)
    def close(self, before):
        close_months(self.store, before=before)

    @rule(stream=streams, start=times)
    def recall(self, stream, start):
        recall(self.store, [stream], start)

    @invariant()
    def equal(self):
        found = self.store.read()
        columns = [found.datastream, found.time, found.time_end, found.result_time]
        never = np.full(len(found), NEVER)
        keys = zip(*((never if c is None else c).tolist() for c in columns), strict=True)
        results = [None if np.isnan(r) else r for r in found.result]
        quality = [None] * len(found) if found.quality is None else found.quality.tolist()
        held = dict(zip(keys, zip(results, quality, strict=True), strict=True))
        assert len(held) == len(found)
        assert held == self.model
        order = list(zip(found.datastream.tolist(), found.time.tolist(), strict=True))
        assert order == sorted(order)
        self.counters_agree()

    def counters_agree(self):
        newest = {}
        with self.store.transaction(read_only=True) as session:
            counted = session.rows(
                "SELECT id, observation_count, first_time, last_time, first_result_time,"
                " last_result_time FROM datastreams ORDER BY id"
            )
        for id, *figures in counted:
            mine = sorted(key[1:] for key in self.model if key[0] == id)
            stamps = [made for _, _, made in mine if made != NEVER]
            ends = [max(time, end) for time, end, _ in mine]
            first = mine[0][0] if mine else None
            extremes = [first, max(ends, default=None)]
            assert figures == [
                len(mine),
                *extremes,
                min(stamps, default=None),
                max(stamps, default=None),
            ]
            if mine:
                last = [key for key in mine if key[0] == mine[-1][0]]
                made = [key[0] if key[2] == NEVER else key[2] for key in last]
                # of several for one time the one that was made last; any where they agree in that
                newest[id] = {
                    (key[0], self.model[id, *key][0])
                    for key, when in zip(last, made, strict=True)
                    if when == max(made)
                }
        latest = self.store.latest()
        shown = [None if np.isnan(r) else r for r in latest.result]
        assert set(latest.datastream.tolist()) == set(newest)
        for id, time, value in zip(latest.datastream, latest.time, shown, strict=True):
            assert (time, value) in newest[id]

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestStoreEqualsDict = StoreEqualsDict.TestCase
TestStoreEqualsDict.settings = settings(
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
