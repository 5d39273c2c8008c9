"""What a store promises, held to in SQLite and in PostgreSQL alike."""

import json
import threading
from uuid import uuid4

import numpy as np
import pytest

from headwater.errors import InputError
from headwater.network import open_store
from headwater.network.entities import (
    Datastream,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    Observations,
    ObservedProperty,
    Sensor,
    Thing,
    Written,
)
from headwater.network.store.archive_months import close_months, recall, verify
from headwater.network.store.backup import back_up, check, restore
from headwater.network.store.protocol import StoreBusyError, StoreError
from headwater.network.store.schema import VERSIONS
from headwater.network.times import DAY, NEVER, microseconds

T0 = microseconds("2024-01-30T00:00:00Z")
STEP = 600_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """A function that opens the same new store, again and again."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path}/network.db"
    else:
        address = request.getfixturevalue("postgresql").database(f"s{uuid4().hex}")
    return lambda **options: open_store(
        address, **{"archive": tmp_path / "archive", "wait": 10, **options}
    )


@pytest.fixture
def store(place):
    with place() as opened:
        yield opened


def streams(store, n=3):
    with store.transaction() as session:
        thing = session.add(Thing(name="Upper meadow"))
        sensor = session.add(Sensor(name="5TM", metadata="https://example.org/5tm.pdf"))
        kind = session.add(ObservedProperty(name="soil moisture", definition="https://d.org/w"))
        return [
            session.add(
                Datastream(
                    name=f"depth {k}",
                    thing_id=thing,
                    sensor_id=sensor,
                    observed_property_id=kind,
                    unit_of_measurement={"symbol": "%"},
                )
            )
            for k in range(n)
        ]


def counters(store, id):
    with store.transaction(read_only=True) as session:
        return session.rows(
            "SELECT observation_count, first_time, last_time, first_result_time, last_result_time"
            " FROM datastreams WHERE id = ?",
            (id,),
        )[0]


def series(id, n, start=T0, **columns):
    time = start + STEP * np.arange(n)
    return Observations(np.full(n, id), time, 20 + np.sin(np.arange(n)), **columns)


def same(a, b):
    assert set(a.columns()) == set(b.columns())
    for name, column in a.columns().items():
        np.testing.assert_array_equal(column, getattr(b, name), err_msg=name)


def test_what_is_written_is_read(store):
    a, b, _ = streams(store)
    given = Observations(
        datastream=[b, a, a],
        time=[T0, T0 + 1, T0],
        result=[np.nan, 0.1 + 0.2, -1e-300],
        result_json=['{"state":"frozen"}', None, None],
        quality=[None, '{"flags":["C01"]}', None],
        result_time=[NEVER, T0 + 5, T0 + 3],
        time_end=[T0 + 9, NEVER, NEVER],
        valid_start=[T0, NEVER, NEVER],
        valid_end=[T0 + 1, NEVER, NEVER],
        parameters=[None, None, '{"depth_cm":5}'],
    )
    assert store.write(given) == Written(inserted=3)
    back = store.read()
    assert back.datastream.tolist() == [a, a, b]
    assert back.time.tolist() == [T0, T0 + 1, T0]
    np.testing.assert_array_equal(back.result, [-1e-300, 0.1 + 0.2, np.nan])
    assert json.loads(back.result_json[2]) == {"state": "frozen"}
    assert json.loads(back.quality[1]) == {"flags": ["C01"]}
    assert json.loads(back.parameters[0]) == {"depth_cm": 5}
    assert back.time_end.tolist() == [NEVER, NEVER, T0 + 9]
    assert back.result_time.tolist() == [T0 + 3, T0 + 5, NEVER]
    assert counters(store, a) == (2, T0, T0 + 1, T0 + 3, T0 + 5)
    assert counters(store, b) == (1, T0, T0 + 9, None, None)


def test_the_same_key_never_doubles(store):
    a, *_ = streams(store)
    batch = series(a, 100)
    assert store.write(batch) == Written(inserted=100)
    assert store.write(batch) == Written(unchanged=100)
    changed = Observations(
        batch.datastream, batch.time, np.where(np.arange(100) < 7, 1, batch.result)
    )
    assert store.write(changed) == Written(updated=7, unchanged=93)
    assert store.count() == len(store.read()) == 100
    with store.transaction(read_only=True) as session:
        ((action, detail),) = session.rows("SELECT action, detail FROM audit")
    assert (action, json.loads(detail)) == ("revise", {str(a): 7})


def test_of_a_key_given_twice_at_once_the_last_counts(store):
    a, *_ = streams(store)
    assert store.write(Observations([a] * 3, [T0, T0 + 1, T0], [1, 2, 3])) == Written(2, 0, 1)
    assert store.read().result.tolist() == [3, 2]


def test_a_column_that_is_not_given_stays(store):
    a, *_ = streams(store)
    store.write(series(a, 5, quality=['{"flags":["D01"]}'] * 5))
    assert store.write(series(a, 5)) == Written(unchanged=5)
    assert None not in store.read().quality.tolist()
    assert json.loads(store.latest().quality[0]) == {"flags": ["D01"]}
    assert store.write(series(a, 5, quality=[None] * 5)) == Written(updated=5)
    assert store.read().quality is None
    assert store.latest().quality is None


def test_a_new_result_without_quality_loses_the_old_one(store):
    a, *_ = streams(store)
    flagged = series(a, 3, quality=['{"flags":["D01"]}'] * 3)
    store.write(flagged)
    corrected = Observations([a] * 3, flagged.time, [*flagged.result[:2], 7.0])
    assert store.write(corrected) == Written(updated=1, unchanged=2)
    told = store.read().quality.tolist()
    assert [text is None for text in told] == [False, False, True]
    assert store.latest().quality is None
    # a result that is no number any more, beside quality of its own, and a change of nothing else
    void = Observations([a], flagged.time[:1], [np.nan])
    store.write(void)
    assert store.read().quality.tolist()[0] is None
    store.write(series(a, 3, quality=['{"flags":["G"]}'] * 3))
    assert None not in store.read().quality.tolist()
    store.write(series(a, 3, parameters=['{"flag":"M"}'] * 3))
    assert None not in store.read().quality.tolist()


def test_late_and_out_of_order_data_are_normal(store):
    a, b, _ = streams(store)
    store.write(series(a, 10, start=T0 + 90 * DAY))
    store.write(series(b, 4))
    late = Observations([a, b, a], [T0 + 40 * DAY, T0 + STEP, T0 - 50 * DAY], [1, 2, 3])
    assert store.write(late) == Written(inserted=2, updated=1)
    assert counters(store, a)[:3] == (12, T0 - 50 * DAY, T0 + 90 * DAY + 9 * STEP)
    assert store.latest([a]).time.tolist() == [T0 + 90 * DAY + 9 * STEP]
    assert (np.diff(store.read([a]).time) > 0).all()


def test_an_update_of_the_newest_is_the_latest_value(store):
    a, *_ = streams(store)
    store.write(series(a, 3))
    store.write(Observations([a], [T0 + 2 * STEP], [7.5]))
    assert store.latest().result.tolist() == [7.5]


def test_a_deletion_takes_the_extreme_of_result_times_back(store):
    a, *_ = streams(store)
    store.write(Observations([a, a], [T0, T0 + 1], [1, 2], result_time=[T0 + 10, T0 + 99]))
    store.write(Observations([a], [T0 + 1], [2], result_time=[T0 + 11]))
    assert counters(store, a)[3:] == (T0 + 10, T0 + 99)
    last = int(Observations([a], [T0 + 1], [2], result_time=[T0 + 99]).variant()[0])
    with store.transaction() as session:
        session.delete_observations(a, keys=[(T0 + 1, last)])
    assert counters(store, a)[3:] == (T0 + 10, T0 + 11)


def test_unknown_datastreams_are_refused_whole(store):
    a, *_ = streams(store)
    with pytest.raises(InputError, match="identifiers 999"):
        store.write(Observations([a, 999], [T0, T0], [1, 2]))
    assert store.count() == 0


def test_ranges_are_half_open(store):
    a, b, _ = streams(store)
    store.write(series(a, 10))
    store.write(series(b, 10))
    found = store.read([b], T0 + STEP, T0 + 3 * STEP)
    assert found.datastream.tolist() == [b, b]
    assert found.time.tolist() == [T0 + STEP, T0 + 2 * STEP]
    assert len(store.read([])) == len(store.read([12345])) == 0


def test_deleting_moves_counters_and_latest_back(store):
    a, *_ = streams(store)
    store.write(series(a, 10, result_time=T0 + np.arange(10)))
    with store.transaction() as session:
        assert session.delete_observations(a, times=[T0 + 9 * STEP, T0 + 9 * STEP, 5]) == 1
        assert session.delete_observations(a, end=T0 + 2 * STEP) == 2
    assert counters(store, a) == (7, T0 + 2 * STEP, T0 + 8 * STEP, T0 + 2, T0 + 8)
    assert store.latest().time.tolist() == [T0 + 8 * STEP]
    with store.transaction() as session:
        assert session.delete_observations(a) == 7
    assert counters(store, a) == (0, None, None, None, None)
    assert len(store.latest()) == 0


def test_a_failed_transaction_leaves_nothing(store):
    a, *_ = streams(store)
    with pytest.raises(RuntimeError), store.transaction() as session:  # noqa: PT012
        session.write(series(a, 10))
        session.insert("things", {"name": "x", "description": ""})
        raise RuntimeError
    assert store.count() == len(store.read()) == len(store.latest()) == 0
    with store.transaction(read_only=True) as session:
        assert session.rows("SELECT count(*) FROM things") == [(1,)]


def test_readers_cannot_write_and_see_one_state(store):
    a, *_ = streams(store)
    with pytest.raises(StoreError), store.transaction(read_only=True) as session:
        session.execute("DELETE FROM things")
    with store.transaction(read_only=True) as session:
        before = session.rows("SELECT count(*) FROM observations")
        store.write(series(a, 3))
        assert session.rows("SELECT count(*) FROM observations") == before == [(0,)]
    assert store.count() == 3


def test_daily_means_agree_with_numpy(store):
    a, b, _ = streams(store)
    batch = series(a, 500, start=T0 + 7 * STEP)
    store.write(batch)
    store.write(Observations([b, b, b], [-1, -DAY, 0], [1, 3, np.nan]))
    for offset in (0, 8 * 3_600_000_000):
        means = store.daily_means([a], offset=offset)
        day = (batch.time + offset) // DAY
        assert means.day.tolist() == (np.unique(day) * DAY - offset).tolist()
        for k, one in enumerate(np.unique(day)):
            inside = batch.result[day == one]
            assert means.mean[k] == pytest.approx(inside.mean(), rel=1e-12)
            found = (means.count[k], means.minimum[k], means.maximum[k])
            assert found == (len(inside), inside.min(), inside.max())
    old = store.daily_means([b])
    assert (old.day.tolist(), old.mean.tolist(), old.count.tolist()) == ([-DAY], [2], [2])


def entities(store, session):
    thing = session.add(Thing(name="T", properties={"height_m": 4520, "name": "玉树"}))
    place = session.add(Location(name="L", location={"type": "Point", "coordinates": [97, 33]}))
    session.insert("things_locations", {"thing_id": thing, "location_id": place})
    history = session.add(HistoricalLocation(thing_id=thing, time=T0, location_ids=(place,)))
    sensor = session.add(Sensor(name="S"))
    kinds = [session.add(ObservedProperty(name=n, definition=n)) for n in ("theta", "t")]
    feature = session.add(FeatureOfInterest(name="F", feature={"type": "Point"}))
    links = {"thing_id": thing, "sensor_id": sensor, "feature_id": feature}
    single = session.add(
        Datastream(name="D", observed_property_id=kinds[0], unit_of_measurement={}, **links)
    )
    multi = session.add(
        MultiDatastream(
            name="M",
            observed_property_ids=tuple(kinds),
            unit_of_measurement=[{}, {}],
            multi_observation_data_types=["m", "m"],
            **links,
        )
    )
    session.write(Observations([single, multi], [T0, T0], [1, np.nan], result_json=[None, "[1,2]"]))
    return {
        "things": thing,
        "locations": place,
        "historical_locations": history,
        "sensors": sensor,
        "observed_properties": kinds[1],
        "features_of_interest": feature,
        "datastreams": single,
    }


EVERYTHING = {
    "things": 1,
    "locations": 1,
    "historical_locations": 1,
    "sensors": 1,
    "observed_properties": 2,
    "features_of_interest": 1,
    "datastreams": 2,
    "observations": 2,
    "latest": 2,
    "things_locations": 1,
    "historical_locations_locations": 1,
    "datastreams_observed_properties": 2,
}
GONE_WITH = {
    "things": {
        "things": 0,
        "datastreams": 0,
        "observations": 0,
        "latest": 0,
        "historical_locations": 0,
        "things_locations": 0,
        "historical_locations_locations": 0,
        "datastreams_observed_properties": 0,
    },
    "locations": {
        "locations": 0,
        "historical_locations": 0,
        "things_locations": 0,
        "historical_locations_locations": 0,
    },
    "historical_locations": {"historical_locations": 0, "historical_locations_locations": 0},
    "sensors": {
        "sensors": 0,
        "datastreams": 0,
        "observations": 0,
        "latest": 0,
        "datastreams_observed_properties": 0,
    },
    "observed_properties": {
        "observed_properties": 1,
        "datastreams": 1,
        "observations": 1,
        "latest": 1,
        "datastreams_observed_properties": 0,
    },
    "features_of_interest": {"features_of_interest": 0, "observations": 0, "latest": 0},
    "datastreams": {"datastreams": 1, "observations": 1, "latest": 1},
}


@pytest.mark.parametrize("table", GONE_WITH)
def test_deleting_an_entity_takes_along_what_the_standard_says(store, table):
    with store.transaction() as session:
        made = entities(store, session)
    with store.transaction() as session:
        assert session.delete(table, made[table])
        assert not session.delete(table, made[table])
    with store.transaction(read_only=True) as session:
        left = {name: session.rows(f"SELECT count(*) FROM {name}")[0][0] for name in EVERYTHING}
        total = session.rows("SELECT sum(observation_count) FROM datastreams")[0][0] or 0
    assert left == EVERYTHING | GONE_WITH[table]
    assert total == left["observations"]


def test_entities_keep_their_values_and_take_changes(store):
    with store.transaction() as session:
        made = entities(store, session)
        sql = "SELECT properties FROM things WHERE id = ?"
        text = session.rows(sql, (made["things"],))[0][0]
        assert json.loads(text) == {"height_m": 4520, "name": "玉树"}
        assert session.update("things", made["things"], {"properties": {"a": "?%"}, "name": "%?"})
        assert not session.update("things", 4711, {"name": "x"})
        assert json.loads(session.rows(sql, (made["things"],))[0][0]) == {"a": "?%"}
        found = session.rows("SELECT id FROM things WHERE name = '%?' AND id % ? = 0", (1,))
        assert found == [(made["things"],)]


def test_identifiers_are_never_given_twice(store):
    with store.transaction() as session:
        first = session.add(Thing(name="a"))
        assert session.insert("things", {"id": 40, "name": "b", "description": ""}) == 40
        session.delete("things", 40)
        assert session.add(Thing(name="c")) > 40 > first


def test_an_entity_that_misses_a_field_is_refused(store):
    with pytest.raises(InputError, match="refuses"), store.transaction() as session:
        session.insert("things", {"description": "no name"})
    with pytest.raises(InputError, match="refuses"), store.transaction() as session:
        session.add(HistoricalLocation(thing_id=99, time=0))
    with pytest.raises(InputError, match="not a name"), store.transaction() as session:
        session.insert("things", {"name) VALUES ('x'); --": 1})


def test_opening_again_changes_nothing_and_a_newer_store_is_refused(place):
    with place() as store:
        a, *_ = streams(store)
        store.write(series(a, 3))
    with place() as store:
        assert store.count() == 3
        with store.transaction() as session:
            assert session.rows("SELECT count(*) FROM migrations") == [(len(VERSIONS),)]
            session.execute("INSERT INTO migrations VALUES (999, 0)")
    with pytest.raises(StoreError, match=r"newer version.*999"):
        place()


def test_threads_that_write_the_same_series_at_once(store):
    ids = streams(store)
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(15):
                time = T0 + STEP * rng.integers(0, 300, 40)
                store.write(Observations(rng.choice(ids, 40), time, time / 1e15))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    found = store.read()
    assert len(np.unique(np.stack([found.datastream, found.time]), axis=1).T) == len(found)
    for id in ids:
        mine = found.take(found.datastream == id)
        assert counters(store, id)[:3] == (len(mine), mine.time.min(), mine.time.max())
        assert store.latest([id]).time.tolist() == [mine.time.max()]


def test_a_writer_waits_only_as_long_as_it_may(place):
    with place() as one, place(wait=0.3) as other:
        a, *_ = streams(one)
        with one.transaction() as session:
            session.write(series(a, 1))
            with pytest.raises(StoreBusyError):
                other.write(series(a, 1))
        assert other.write(series(a, 2)) == Written(inserted=1, unchanged=1)


# ---- archive ----


@pytest.fixture
def archived(store):
    """Three months of two series, the first two of them closed."""
    a, b, _ = ids = streams(store)
    n = 90 * 24
    hourly = T0 + 6 * STEP * np.arange(n)
    rng = np.random.default_rng(1)
    texts = np.where(np.arange(n) % 50 == 0, '{"flags":["C01"]}', None)
    store.write(
        Observations(
            np.full(n, a),
            hourly,
            rng.normal(20, 1, n),
            quality=texts,
            result_time=np.where(np.arange(n) % 3 == 0, hourly + 7, NEVER),
        )
    )
    sparse = np.where(np.arange(n) % 7 == 0, np.nan, 1.0)
    store.write(Observations(np.full(n, b), hourly, sparse, time_end=hourly + 3))
    before = store.read(), store.latest(), store.daily_means(), [counters(store, i) for i in ids]
    closed = close_months(store, before=microseconds("2024-04-01T00:00:00Z"))
    return store, ids, before, closed


def test_closing_months_changes_no_answer(archived):
    store, ids, (read, latest, means, counted), closed = archived
    assert [month.month for month in closed] == ["2024-01", "2024-02", "2024-03"]
    with store.transaction(read_only=True) as session:
        stored = session.rows("SELECT count(*) FROM observations")[0][0]
    assert stored + sum(month.rows for month in closed) == len(read) == store.count()
    assert [counters(store, id) for id in ids] == counted
    same(store.latest(), latest)
    assert json_equal(store.read(), read)
    again = store.daily_means()
    for name in ("datastream", "day", "count", "minimum", "maximum"):
        np.testing.assert_array_equal(getattr(again, name), getattr(means, name))
    np.testing.assert_allclose(again.mean, means.mean, rtol=1e-13)
    part = store.read([ids[0]], T0 + 10 * DAY, T0 + 40 * DAY)
    inside = (read.datastream == ids[0]) & (read.time >= T0 + 10 * DAY)
    assert json_equal(part, read.take(inside & (read.time < T0 + 40 * DAY)))
    assert verify(store) == 3


def json_equal(a, b):
    for name, column in a.columns().items():
        other = getattr(b, name)
        if column.dtype == object:
            loaded = [[t and json.loads(t) for t in texts] for texts in (column, other)]
            assert loaded[0] == loaded[1], name
        else:
            np.testing.assert_array_equal(column, other, err_msg=name)
    return len(a) == len(b)


def test_late_data_of_a_closed_month_win_and_are_closed_again(archived):
    store, (a, b, c), (read, *_), closed = archived
    stamp = int(read.time[30])
    made = [int(read.result_time[30]), NEVER, NEVER]
    late = Observations([a, a, c], [stamp, stamp + 1, stamp], [99, 98, 97], result_time=made)
    assert store.write(late) == Written(inserted=2, updated=1)
    assert store.write(late) == Written(unchanged=3)
    assert store.count() == len(store.read()) == len(read) + 2
    assert store.read([a], stamp, stamp + 2).result.tolist() == [99, 98]
    assert counters(store, a)[0] == counters(store, b)[0] + 1
    before = store.read()
    again = close_months(store, before=microseconds("2024-04-01T00:00:00Z"))
    assert [month.month for month in again] == ["2024-01"]
    assert again[0].rows == closed[0].rows + 2
    assert json_equal(store.read(), before)
    close_months(store, before=0)
    assert len(list(store.archive.folder.glob("*.parquet"))) == verify(store) == 3


def test_readers_see_everything_while_months_are_closed(store):
    a, *_ = streams(store)
    n = 300 * 24
    store.write(Observations(np.full(n, a), T0 + 6 * STEP * np.arange(n), np.arange(n) * 1.0))
    done, seen = threading.Event(), []

    def watch():
        while not done.is_set():
            seen.append(store.read([a]).result.tolist() == list(range(n)))

    thread = threading.Thread(target=watch)
    thread.start()
    closed = close_months(store)
    done.set()
    thread.join()
    assert len(closed) == 11
    assert seen
    assert all(seen)


def test_deleting_from_closed_months(archived):
    store, (a, b, _), (read, *_), _ = archived
    mine = read.take(read.datastream == a)
    with store.transaction() as session:
        assert session.delete_observations(a, times=[int(mine.time[5])]) == 1
        cut = int(mine.time[60 * 24])
        assert session.delete_observations(a, start=cut) == 30 * 24
    left = np.delete(mine.time[: 60 * 24], 5)
    assert store.read([a]).time.tolist() == left.tolist()
    assert counters(store, a)[:3] == (len(left), left[0], left[-1])
    assert store.latest([a]).time.tolist() == [left[-1]]
    with store.transaction() as session:
        assert session.delete_observations(a) == len(left)
        assert session.delete("datastreams", b)
    assert store.count() == len(store.read()) == 0


def test_deleting_a_feature_reaches_into_closed_months(store):
    a, b, _ = streams(store)
    with store.transaction() as session:
        feature = session.add(FeatureOfInterest(name="F", feature={"type": "Point"}))
    store.write(series(a, 10, feature=np.where(np.arange(10) < 4, feature, NEVER)))
    store.write(series(b, 10))
    close_months(store)
    with store.transaction() as session:
        assert session.delete("features_of_interest", feature)
    assert (store.count([a]), store.count([b])) == (6, 10)
    assert counters(store, a)[1] == T0 + 4 * STEP


def test_recalled_months_can_be_asked_in_sql(archived):
    store, (a, *_), (read, *_), _ = archived
    wanted = int(
        ((read.datastream == a) & (read.time < microseconds("2024-03-01T00:00:00Z"))).sum()
    )
    assert recall(store, [a], T0, T0 + 3 * DAY) == wanted
    with store.transaction(read_only=True) as session:
        assert session.rows("SELECT count(*) FROM observations WHERE time < ?", (T0 + 3 * DAY,))[0][
            0
        ] == int(((read.datastream == a) & (read.time < T0 + 3 * DAY)).sum())
    assert json_equal(store.read(), read)


def test_an_archive_that_nobody_named_is_not_passed_over(place, archived):
    archived[0].close()
    with place(archive="/nowhere/else") as blind, pytest.raises(StoreError, match="cannot be read"):
        blind.read()


def test_a_changed_file_of_the_archive_is_found(archived):
    store = archived[0]
    path = next(iter(sorted(store.archive.folder.glob("*.parquet"))))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="not what was written"):
        verify(store)


# ---- backup ----


def test_backup_and_restore(archived, tmp_path, request):
    store, ids, _, _ = archived
    store.write(Observations([ids[0]], [T0 + 5], [5.0]))  # reopens a part
    made = back_up(store, tmp_path / "copy")
    assert made == check(tmp_path / "copy")
    assert made.observations == store.count()
    if store.dialect == "sqlite":
        address = f"{tmp_path}/restored.db"
    else:
        address = request.getfixturevalue("postgresql").database(f"r{uuid4().hex}")
    n = restore(tmp_path / "copy", address, archive=tmp_path / "other")
    with open_store(address, archive=tmp_path / "other") as other:
        assert n == other.count() == store.count()
        assert json_equal(other.read(), store.read())
        same(other.latest(), store.latest())
        verify(other)
        assert other.write(series(ids[2], 4)) == Written(inserted=4)
        with other.transaction() as session:
            assert session.add(Thing(name="next")) == 2
    with pytest.raises(InputError, match=r"exists|holds a store"):
        restore(tmp_path / "copy", address)
    with pytest.raises(InputError, match="exists"):
        back_up(store, tmp_path / "copy")


def test_a_damaged_backup_is_refused(store, tmp_path):
    streams(store)
    back_up(store, tmp_path / "copy")
    path = next(path for path in (tmp_path / "copy").iterdir() if path.name.startswith("store"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match="damaged"):
        restore(
            tmp_path / "copy", tmp_path / "new.db" if store.dialect == "sqlite" else store.address
        )
    with pytest.raises(InputError, match="no backup"):
        check(tmp_path)


HOUR = 3_600_000_000


def of_one_hour(id, **columns):
    """Three observations that begin together: of an hour, of 59 minutes, and of the instant."""
    end = [T0 + HOUR, T0 + 59 * 60_000_000, NEVER]
    return Observations([id] * 3, [T0] * 3, [1.0, 2.0, 3.0], time_end=end, **columns)


def test_what_begins_together_and_ends_apart_is_all_kept(store):
    [id] = streams(store, 1)
    assert store.write(of_one_hour(id)) == Written(3)
    assert store.write(of_one_hour(id)) == Written(0, 0, 3)
    assert sorted(store.read([id]).result) == [1.0, 2.0, 3.0]
    assert store.count() == 3
    revised = Observations([id], [T0], [9.0], time_end=[T0 + HOUR])
    assert store.write(revised) == Written(0, 1, 0)
    assert sorted(store.read([id]).result) == [2.0, 3.0, 9.0]
    # an interval without length is the instant
    assert store.write(Observations([id], [T0], [3.0], time_end=[T0])) == Written(0, 0, 1)


def test_forecasts_for_one_time_are_kept_and_the_last_made_is_the_latest(store):
    [id] = streams(store, 1)
    made = [T0 - HOUR * k for k in (1, 3, 2)]
    runs = Observations([id] * 3, [T0] * 3, [0.1, 0.3, 0.2], result_time=made)
    assert store.write(runs).inserted == 3
    assert store.latest().result.tolist() == [0.1]
    assert counters(store, id)[0] == 3
    with store.transaction() as session:
        variant = int(runs.variant()[0])
        assert session.delete_observations(id, keys=[(T0, variant)]) == 1
    assert store.latest().result.tolist() == [0.2]
    assert counters(store, id)[0] == 2
    with store.transaction() as session:
        assert session.delete_observations(id, times=[T0]) == 2
    assert counters(store, id)[:3] == (0, None, None)


def test_features_of_interest_tell_observations_apart(store):
    [id] = streams(store, 1)
    point = {"type": "Point", "coordinates": [97.5, 35.1]}
    with store.transaction() as session:
        near, far = (session.add(FeatureOfInterest(name=n, feature=point)) for n in ("a", "b"))
    both = Observations([id] * 3, [T0] * 3, [1.0, 2.0, 3.0], feature=[near, far, NEVER])
    assert store.write(both).inserted == 3
    with store.transaction() as session:
        session.delete("features_of_interest", near)
    assert sorted(store.read([id]).result) == [2.0, 3.0]


def test_variants_go_through_the_archive(store):
    [id] = streams(store, 1)
    store.write(of_one_hour(id))
    close_months(store, before=T0 + 400 * DAY)
    held = store.read([id])
    assert sorted(held.result) == [1.0, 2.0, 3.0]
    assert store.write(Observations([id], [T0], [9.0], time_end=[T0 + HOUR])).updated == 1
    assert sorted(store.read([id]).result) == [2.0, 3.0, 9.0]


def of_version_1(place, downgrade):
    """Fill a store, then take away what version 2 added."""
    with place() as store:
        [id] = streams(store, 1)
        store.write(series(id, 3))
        store.write(Observations([id], [T0 + DAY], [5.0], time_end=[T0 + DAY + HOUR]))
        store.write(Observations([id], [T0 + 2 * DAY], [6.0], result_time=[T0]))
        with store.transaction() as session:
            for statement in downgrade[session.dialect]:
                session.execute(statement)
            for table in LATER:
                session.execute(f"DROP TABLE {table}")
            session.execute("DELETE FROM migrations WHERE version > 1")
    return id


_OLD = (
    "datastream_id, time, time_end, result_number, result_json, result_time, valid_start,"
    " valid_end, quality, parameters, feature_id, received"
)
LATER = (  # tables of the versions after the first, those that refer to others first
    "moved_observations",
    "dead_letters",
    "alert_states",
    "alert_evidence",
    "alert_events",
    "alert_silences",
    "alert_outbox",
    "leases",
)
DOWNGRADE = {
    "sqlite": (
        "DROP TRIGGER observations_go_with_datastream",
        "ALTER TABLE observations RENAME TO newer",
        "DROP INDEX observations_by_end",
        "DROP INDEX observations_by_result_time",
        "DROP INDEX observations_of_feature",
        "CREATE TABLE observations (datastream_id INTEGER NOT NULL, time INTEGER NOT NULL,"
        " time_end INTEGER, result_number REAL, result_json TEXT, result_time INTEGER,"
        " valid_start INTEGER, valid_end INTEGER, quality TEXT, parameters TEXT,"
        " feature_id INTEGER, received INTEGER NOT NULL, PRIMARY KEY (datastream_id, time))"
        " WITHOUT ROWID",
        f"INSERT INTO observations ({_OLD}) SELECT {_OLD} FROM newer",
        "DROP TABLE newer",
        "CREATE INDEX observations_by_end ON observations (datastream_id, time_end)",
        "CREATE INDEX observations_by_result_time ON observations (datastream_id, result_time)",
        "CREATE INDEX observations_of_feature ON observations (feature_id)",
        "CREATE TRIGGER observations_go_with_datastream AFTER DELETE ON datastreams BEGIN"
        " DELETE FROM observations WHERE datastream_id = OLD.id; END",
    ),
    "postgresql": (
        "ALTER TABLE observations DROP CONSTRAINT observations_pkey",
        "ALTER TABLE observations DROP COLUMN variant",
        "ALTER TABLE observations ADD PRIMARY KEY (datastream_id, time)",
    ),
}


def test_a_store_of_version_1_is_brought_up_with_all_it_holds(place):
    id = of_version_1(place, DOWNGRADE)
    with place() as store:
        assert store.count([id]) == 5
        assert len(store.read([id])) == 5
        # what was there is known again by the new key, and what differs in it is kept besides
        assert store.write(series(id, 3)).unchanged == 3
        again = Observations([id], [T0 + DAY], [5.0], time_end=[T0 + DAY + HOUR])
        assert store.write(again).unchanged == 1
        longer = Observations([id], [T0 + DAY], [5.5], time_end=[T0 + DAY + 2 * HOUR])
        assert store.write(longer).inserted == 1
        assert store.write(series(id, 1, start=T0 + 400 * DAY)).inserted == 1  # a new partition
        with store.transaction() as session:
            session.delete("datastreams", id)
        assert store.count() == 0
        with store.transaction(read_only=True) as session:
            assert session.rows("SELECT count(*) FROM observations") == [(0,)]
