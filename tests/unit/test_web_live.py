"""What the live page says of a network, and quality control while it runs."""

import json
import time

import numpy as np
import pytest

from headwater.network import open_store
from headwater.network.entities import Datastream, Observations, ObservedProperty, Sensor, Thing
from headwater.network.quality.schedule import QualityScheduler, run_quality_control
from headwater.network.times import DAY, microseconds
from headwater.web.live_page import ago, judge, look, sparkline

T0 = microseconds("2026-03-15T00:00:00Z")
HOUR = DAY // 24


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "network.db", clock=lambda: T0 + 7 * DAY) as opened:
        yield opened


def stream(store, *, name="soil_moisture", unit="m3 m-3", depth=0.05, stations=1):
    with store.transaction() as session:
        known = {
            "sensor_id": session.add(Sensor(name="S")),
            "observed_property_id": session.add(ObservedProperty(name=name, definition="d")),
            "unit_of_measurement": {"symbol": unit},
            "name": name,
            "properties": {"depth": depth},
        }
        things = [session.add(Thing(name=f"T{k}")) for k in range(stations)]
        ids = [session.add(Datastream(thing_id=thing, **known)) for thing in things]
        return ids[0]


def hours(id, n, start=0, value=0.2):
    times = T0 + HOUR * (start + np.arange(n))
    return Observations(np.full(n, id), times, value + 0.001 * np.sin(np.arange(n)))


def only(store, at=T0 + 7 * DAY):
    return look(store, clock=lambda: at).stations[0].series[0]


def test_a_series_is_shown_with_value_unit_depth_and_curve(store):
    id = stream(store)
    store.write(hours(id, 7 * 24))
    seen = only(store)
    assert (seen.name, seen.unit) == ("soil moisture, 5\u00a0cm", "m³ m⁻³")
    assert seen.value == f"{0.2 + 0.001 * np.sin(167):.4g}"
    assert seen.when == "2026-03-21 23:00"
    assert seen.received == "just now"
    assert not seen.silent
    assert seen.path.count("L") == 119
    assert (float(seen.low), float(seen.high)) == (0.199, 0.201)


def test_the_curve_reaches_back_five_days_and_breaks_at_gaps(store):
    id = stream(store)
    store.write(hours(id, 24))
    store.write(hours(id, 24, start=6 * 24))
    assert only(store).path.count("M") == 1  # the first day is too long ago
    store.write(hours(id, 24, start=3 * 24))
    assert only(store).path.count("M") == 2
    assert sparkline([]) == ("", None)
    assert sparkline([(0, 0.3)]) == ("M163.0 17.0", (163.0, 17.0))


def test_a_series_without_value_or_with_words(store):
    id = stream(store, unit="")
    assert (only(store).value, only(store).quality) == ("–", "no value yet")
    text = Observations([id], [T0], [np.nan], result_json=['"wet <b>"'])
    store.write(text)
    assert (only(store).value, only(store).path) == ("wet <b>", "")


def test_silence_is_told_by_the_cadence_of_the_series(store):
    id = stream(store)
    store.write(hours(id, 24))
    late = T0 + 23 * HOUR + 11 * HOUR
    assert not only(store, late).silent
    assert only(store, late + 2 * HOUR).silent


@pytest.mark.parametrize(
    ("quality", "kind", "words"),
    [
        (None, "unchecked", "not checked"),
        ({"flag": "G", "bits": 0}, "good", "good"),
        ({"flag": "D01", "bits": 1, "reasons": ["soil frozen"]}, "state", "soil frozen"),
        ({"flag": "D06", "bits": 65, "reasons": ["frozen", "spike"]}, "doubt", "frozen; spike"),
        ("fair", "unchecked", "fair"),
        ({"other": 1}, "unchecked", "not checked"),
        ([1], "unchecked", "[1]"),
    ],
)
def test_quality_in_words(quality, kind, words):
    assert judge(None if quality is None else json.dumps(quality)) == (kind, words)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (-5, "just now"),
        (31e6, "1 min ago"),
        (89 * 60e6, "89 min ago"),
        (90 * 60e6, "1 h ago"),
        (47.5 * HOUR, "47 h ago"),
        (48 * HOUR, "2 d ago"),
    ],
)
def test_how_long_ago(span, words):
    assert ago(int(span)) == words


def test_many_stations_come_in_pages(store):
    stream(store, stations=120)
    shown, after = [], 0
    while after is not None:
        board = look(store, after=after)
        shown += [station.id for station in board.stations]
        after = board.after
    assert shown == list(range(1, 121))
    assert (board.n_stations, board.n_series) == (120, 120)


def test_what_comes_is_controlled_once(store):
    id, at = stream(store), [0.0]
    scheduler = QualityScheduler(store, clock=lambda: at[0])
    assert scheduler.check_new() == 0
    store.write(hours(id, 48))
    store.write(Observations([id], [T0 + 48 * HOUR], [1.7]))
    assert scheduler.check_new() == 1
    assert only(store, T0 + 49 * HOUR).kind == "doubt"
    assert "range" in only(store).brief
    assert only(store).checked == ""
    assert scheduler.check_new() == 0
    store.write(hours(id, 24, start=49))
    assert only(store).checked == "03-17 00:00"  # what came later is not seen yet
    at[0] = 90_000.0
    assert scheduler.check_new() == 1
    assert all(text is not None for text in store.read().quality)


def test_a_correction_is_controlled_again(store):
    id = stream(store)
    scheduler = QualityScheduler(store)
    store.write(hours(id, 48))
    store.write(Observations([id], [T0 + 48 * HOUR], [1.7]))
    assert scheduler.check_new() == 1
    assert only(store, T0 + 49 * HOUR).kind == "doubt"
    store.write(Observations([id], [T0 + 48 * HOUR], [0.2]))
    assert store.read([id], T0 + 48 * HOUR, T0 + 49 * HOUR).quality is None
    assert scheduler.check_new() == 1
    assert only(store, T0 + 49 * HOUR).kind != "doubt"
    assert scheduler.check_new() == 0


def test_control_goes_on_after_a_fault_of_the_store(tmp_path, caplog):
    path = tmp_path / "network.db"
    with open_store(path) as store:
        id = stream(store)
        store.write(hours(id, 24))
    kept = path.read_bytes()
    path.write_bytes(b"no data base at all" * 1000)
    with run_quality_control(store, 0.05):
        wait_for(lambda: len(caplog.records) > 1)
        store.close()
        whole = tmp_path / "whole"
        whole.write_bytes(kept)
        whole.replace(path)  # at once: an empty file would be taken for a new store
        with open_store(path) as again:
            wait_for(lambda: again.read().quality is not None)
    store.close()
    with run_quality_control(store, 0):
        pass


def wait_for(told):
    until = time.monotonic() + 60
    while not told():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_an_old_value_is_silent_and_not_good(store):
    id = stream(store)
    store.write(hours(id, 48))
    assert QualityScheduler(store).check_new() == 1
    assert only(store, T0 + 48 * HOUR).kind == "good"
    late = only(store, T0 + 520 * DAY)
    assert (late.kind, late.brief) == ("silent", "silent for 17 months; the last value was good")


def test_what_no_rule_knows_is_not_checked(store):
    with store.transaction() as session:
        links = {
            "thing_id": session.add(Thing(name="mill")),
            "sensor_id": session.add(Sensor(name="s")),
            "observed_property_id": session.add(ObservedProperty(name="mood", definition="d")),
        }
        unit = {"symbol": "smiles", "name": "smiles", "definition": ""}
        id = session.add(Datastream(name="mood", unit_of_measurement=unit, **links))
    store.write(Observations([id], [T0], [7999.0]))
    QualityScheduler(store).check_new()
    shown = only(store, T0 + HOUR)
    assert (shown.kind, shown.quality) == ("unchecked", "not checked")


def test_what_a_wrong_clock_sends_is_doubtful_and_a_forecast_is_not(store):
    id = stream(store)
    store.write(hours(id, 24))
    ahead = only(store, at=T0 + 15 * HOUR)
    assert (ahead.kind, ahead.brief) == ("doubt", "time in the future")
    assert "by 8 hours" in ahead.quality
    assert only(store, at=T0 + 22 * HOUR).kind == "unchecked"
    made = Observations([id], [T0 + 30 * HOUR], [0.2], result_time=[T0 + 14 * HOUR])
    store.write(made)
    assert only(store, at=T0 + 15 * HOUR).kind == "unchecked"
