"""Watchers of brokers: none loses a message, none stands there doing nothing."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from headwater.alerts import list_alerts
from headwater.network import open_store
from headwater.network.ingest.mapping import parse_mapping
from headwater.network.ingest.mqtt import retry_letters, session_name, subscribe
from headwater.network.store.dead_letters import read_letters

from .test_stations_ingest_journey import (
    Broker,
    broker,
    free_port,
    messages,
    needs_broker,
    publish,
    until,
)

__all__ = ["broker"]

HEADWATER = str(Path(sys.executable).with_name("headwater"))

TTN = {
    "end_device_ids": {"device_id": "lse01-a1", "application_ids": {"application_id": "demo"}},
    "received_at": "2025-07-05T16:16:30.899243333Z",
    "uplink_message": {
        "f_port": 2,
        "frm_payload": "C0UAAAXcAQUAyBA=",
        "decoded_payload": {"BatV": 3.58, "temp_SOIL": "12.90", "water_SOIL": "23.41"},
    },
}
TTN_SERIES = {
    "column": "uplink_message.decoded_payload.water_SOIL",
    "thing": "{end_device_ids.device_id}",
    "property": "soil_moisture",
    "unit": "vol%",
    "depth": 0.1,
}


def mapping_of(site: str):
    series = {
        "column": "value",
        "thing": f"{site}-{{station}}",
        "property": "soil_moisture",
        "unit": "vol%",
        "depth": 0.1,
    }
    mqtt = {"topics": [f"{site}/+"], "topic": f"{site}/{{station}}"}
    return parse_mapping({"mqtt": mqtt, "series": [series]})


class Watching:
    """A subscriber in a thread, stopped at the end; what ended it is in `error`."""

    def __init__(self, broker: Broker, mapping, store, **options) -> None:
        self.stop, self.error, self.taken = threading.Event(), None, []
        self.arguments = (broker.address, mapping, store)
        self.options = {"stop": self.stop, "on_taken": self.taken.append, **options}
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        try:
            subscribe(*self.arguments, **self.options)
        except Exception as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def of_site(site: str, n: int, first: int = 0) -> list[tuple[str, bytes]]:
    return [(topic.replace("soil/", f"{site}/"), text) for topic, text in messages(first, n)]


@needs_broker
def test_two_watchers_on_one_broker_lose_and_double_nothing(broker: Broker, tmp_path: Path) -> None:
    mappings = [mapping_of("siteA"), mapping_of("siteB")]
    stores = [open_store(tmp_path / f"{name}.db") for name in "ab"]
    assert session_name(mappings[0], stores[0]) != session_name(mappings[1], stores[1])
    assert session_name(mappings[0], stores[0]) == session_name(mappings[0], stores[0])
    with stores[0], stores[1]:
        with (
            Watching(broker, mappings[0], stores[0]) as one,
            Watching(broker, mappings[1], stores[1]) as other,
        ):
            for k, site in enumerate(("siteA", "siteB")):
                until(
                    lambda k=k, site=site: (
                        publish(broker.port, of_site(site, 1)) or stores[k].count()
                    )
                )
            publishers = [
                threading.Thread(target=publish, args=(broker.port, of_site(site, 1000)))
                for site in ("siteA", "siteB")
            ]
            for each in publishers:
                each.start()
            for each in publishers:
                each.join()
            until(lambda: all(store.count() == 1000 for store in stores), 60)
        assert one.error is None
        assert other.error is None
        for store in stores:
            assert store.count() == 1000
            with store.transaction(read_only=True) as session:
                assert read_letters(session) == []


@needs_broker
def test_of_two_watchers_of_one_name_one_ends_with_an_error(broker: Broker, tmp_path: Path) -> None:
    with open_store(tmp_path / "net.db") as store:
        with Watching(broker, mapping_of("siteA"), store, identifier="same") as first:
            until(lambda: publish(broker.port, of_site("siteA", 1)) or store.count())
            with Watching(broker, mapping_of("siteA"), store, identifier="same") as second:
                until(lambda: first.error or second.error, 60)
        assert "client id 'same'" in str(first.error or second.error)


@needs_broker
def test_a_watcher_whose_name_is_taken_over_ends_and_goes_on_when_started_again(
    broker: Broker, tmp_path: Path
) -> None:
    """As a service manager does it: the exit code asks for another start, and nothing is lost."""
    (tmp_path / "a.toml").write_text(
        '[mqtt]\ntopics = ["siteA/+"]\ntopic = "siteA/{station}"\nclient_id = "same"\n'
        '[[series]]\ncolumn = "value"\nthing = "{station}"\nproperty = "soil_moisture"\n'
        'unit = "vol%"\ndepth = 0.1\n'
    )

    def watching(store: str) -> subprocess.Popen[str]:
        words = ["network", "watch", "--broker", broker.address, "--map", "a.toml"]
        return subprocess.Popen(
            [HEADWATER, *words, "--store", store],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    stores = ["one.db", "other.db"]
    running = [watching(store) for store in stores]
    until(lambda: any(one.poll() is not None for one in running), 60)
    ended = next(k for k, one in enumerate(running) if one.poll() is not None)
    error = running[ended].communicate()[1]
    assert running[ended].returncode == 6, error
    assert "client id 'same'" in error
    other = running[1 - ended]
    assert other.poll() is None
    other.send_signal(signal.SIGTERM)
    other.communicate(timeout=30)
    publish(broker.port, of_site("siteA", 20))  # while nobody watches: the broker keeps them
    again = watching(stores[ended])
    try:
        with open_store(tmp_path / stores[ended]) as store:
            until(lambda: store.count() == 20, 60)
    finally:
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=30)


@needs_broker
def test_strange_messages_become_dead_letters_and_can_be_tried_again(
    broker: Broker, tmp_path: Path
) -> None:
    strange = [
        ("siteA/x/y", b"{}"),
        ("siteA/x", b"\xff\x00"),
        ("siteA/x", b"[1, 2]"),
        ("siteA/x", json.dumps({"time": "2026-07-01T00:00Z", "value": "wet"}).encode()),
        ("siteA/x", json.dumps({"time": "2026-07-01T00:00Z", "other": 31.0}).encode()),
    ]
    wide = parse_mapping(
        {
            "mqtt": {"topics": ["siteA/#"], "topic": "siteA/{station}"},
            "series": [
                {
                    "column": "value",
                    "thing": "{station}",
                    "property": "soil_moisture",
                    "unit": "vol%",
                    "depth": 0.1,
                }
            ],
        }
    )
    with open_store(tmp_path / "net.db") as store:
        with Watching(broker, wide, store):
            until(lambda: publish(broker.port, of_site("siteA", 1)) or store.count())
            publish(broker.port, strange)

            def letters():
                with store.transaction(read_only=True) as session:
                    return read_letters(session)

            until(lambda: len(letters()) >= 4)
        found = letters()
        assert [(one.topic, one.payload) for one in found][:2] == strange[:2]
        assert "does not know" in found[0].reason
        before = len(found)
        again = parse_mapping(
            {
                "mqtt": {"topics": ["siteA/#"], "topic": "siteA/{station}"},
                "series": [
                    {
                        "column": "other",
                        "thing": "{station}",
                        "property": "soil_moisture",
                        "unit": "vol%",
                        "depth": 0.2,
                    }
                ],
            }
        )
        kept, left = retry_letters(store, again)
        assert kept + left == before


@needs_broker
def test_messages_of_the_future_are_counted(broker: Broker, tmp_path: Path) -> None:
    ahead = [("siteA/1", b'{"time": "2131-01-01T00:00Z", "value": 31}')]
    with open_store(tmp_path / "net.db") as store:
        with Watching(broker, mapping_of("siteA"), store) as watching:
            until(lambda: publish(broker.port, ahead) or store.count())
        notes = [note for one in watching.taken for note in one.notes]
    assert "of the future, up to 2131-01-01 00:00:00 UTC" in notes[0]
    assert "message" in notes[0]


@needs_broker
def test_nested_messages_of_a_network_server_and_bytes_that_are_decoded(
    broker: Broker, tmp_path: Path
) -> None:
    mqtt = {"topics": ["v3/+/devices/+/up"], "topic": "v3/{app}/devices/{device}/up"}
    plain = parse_mapping({"time": {"column": "received_at"}, "mqtt": mqtt, "series": [TTN_SERIES]})
    bytes_ = {"decoder": "dragino-lse01", "payload": "uplink_message.frm_payload"}
    decoded = parse_mapping(
        {
            "time": {"column": "received_at"},
            "mqtt": mqtt | bytes_,
            "series": [TTN_SERIES | {"column": "water_SOIL", "depth": 0.2}],
        }
    )
    message = ("v3/demo/devices/lse01-a1/up", json.dumps(TTN).encode())
    with open_store(tmp_path / "net.db") as store:
        with (
            Watching(broker, plain, store, identifier="one"),
            Watching(broker, decoded, store, identifier="two"),
        ):
            until(lambda: publish(broker.port, [message]) or store.count() == 2)
        assert sorted(store.read().result) == [0.15, 0.2341]


@needs_broker
def test_sensors_that_announce_themselves(broker: Broker, tmp_path: Path) -> None:
    config = {
        "name": "Soil moisture",
        "stat_t": "~/state",
        "~": "farm/a",
        "dev_cla": "moisture",
        "unit_of_meas": "%",
        "val_tpl": "{{ value_json.soil.water | float }}",
        "dev": {"name": "Upper meadow"},
    }
    told = parse_mapping({"mqtt": {"discovery": "homeassistant"}})
    state = ("farm/a/state", json.dumps({"soil": {"water": 31.0}}).encode())
    with open_store(tmp_path / "net.db") as store:
        with Watching(broker, told, store) as watching:
            announced = ("homeassistant/sensor/a/soil/config", json.dumps(config).encode())
            until(lambda: publish(broker.port, [announced]) or watching.taken)
            until(lambda: publish(broker.port, [state]) or store.count())
        held = store.read()
        assert set(held.result) == {0.31}
        with store.transaction(read_only=True) as session:
            assert session.rows("SELECT name FROM things") == [("Upper meadow",)]


def test_an_unexpected_fault_of_a_worker_ends_the_process(tmp_path: Path) -> None:
    from headwater.cli.watch import run

    folder = tmp_path / "in"
    folder.mkdir()
    lines: list[str] = []

    def tell(text: str) -> None:
        lines.append(text)
        if text.startswith("a.csv"):
            raise RuntimeError("the terminal has gone")

    mapping = parse_mapping(
        {
            "time": {"zone": "UTC"},
            "series": [{"column": "v", "thing": "A", "property": "soil_moisture", "unit": "vol%"}],
        }
    )
    (folder / "a.csv").write_text("time,v\n2026-07-01 00:00,31\n")
    with (
        open_store(tmp_path / "net.db") as store,
        pytest.raises(RuntimeError, match="terminal has gone"),
    ):
        run(
            store,
            mapping,
            folder=folder,
            broker=None,
            report=tell,
            control_every=1,
            interval=0.1,
            pattern="*.csv",
            zone=None,
        )
    with open_store(tmp_path / "net.db") as store:
        assert np.isclose(store.read().result[0], 0.31)


@needs_broker
def test_a_message_raises_its_alert_as_it_comes(broker, tmp_path):
    (tmp_path / "map.toml").write_text(
        '[mqtt]\ntopics = ["soil/+"]\ntopic = "soil/{station}"\n[[series]]\ncolumn = "value"\n'
        'thing = "{station}"\nproperty = "soil_moisture"\nunit = "vol%"\ndepth = 0.1\n'
    )
    (tmp_path / "alerts.toml").write_text(
        '[[rule]]\nname = "dry"\nquantity = "soil_moisture"\nbelow = 0.1\nclear = 0.15\n'
        "debounce = 1\n"
    )
    words = [HEADWATER, "network", "watch", "--broker", broker.address]
    words += ["--map", "map.toml", "--rules", "alerts.toml"]
    rows = [{"time": f"2026-07-01T0{h}:00:00Z", "value": v} for h, v in ((1, 30), (2, 5))]
    with open_store(str(tmp_path / "network.db")) as store:
        watching = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL)
        try:

            def is_raised() -> bool:
                # what comes before it has subscribed is lost; what comes twice changes nothing
                publish(broker.port, [("soil/A", json.dumps(one).encode()) for one in rows])
                return len(list_alerts(store)) == 1

            until(is_raised)
        finally:
            watching.send_signal(signal.SIGTERM)
            assert watching.wait(20) == 0


def test_a_broker_that_does_not_answer_is_named_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Nobody:
        address = f"mqtt://127.0.0.1:{free_port()}"

    with open_store(tmp_path / "net.db") as store, Watching(Nobody(), mapping_of("a"), store):
        until(
            lambda: any("no broker answers at mqtt://127.0.0.1" in one for one in caplog.messages)
        )
