"""A real broker, a real folder, a real server: what comes is kept once, whoever falls meanwhile."""

import getpass
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from headwater.errors import InputError, StudyError
from headwater.network import open_store
from headwater.network.entities import Observations
from headwater.network.ingest.csv_mapping import read_csv
from headwater.network.ingest.folder import watch
from headwater.network.ingest.load import load_reading
from headwater.network.ingest.mapping import Mapping, parse_mapping
from headwater.network.ingest.mqtt import subscribe
from headwater.network.ingest.sensorthings_pull import pull
from headwater.network.store.protocol import Store
from headwater.network.times import microseconds

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="no Mosquitto on this machine")
SERIES = {
    "column": "value",
    "thing": "{station}",
    "property": "soil_moisture",
    "unit": "vol%",
    "depth": 0.1,
}
SOIL = parse_mapping(
    {"mqtt": {"topics": ["soil/+"], "topic": "soil/{station}"}, "series": [SERIES]}
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "net.db") as opened:
        yield opened


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    for _ in range(round(seconds / 0.05)):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


class Broker:
    """A Mosquitto that remembers, and can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port, self.file = free_port(), folder / "broker.conf"
        self.file.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            f"user {getpass.getuser()}\n"  # else root's broker could not write here
            f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
        )
        self.start()

    @property
    def address(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        assert MOSQUITTO is not None
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self.file)], stdout=quiet, stderr=quiet
        )
        until(self.up)

    def up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    running = Broker(folder)
    yield running
    running.stop()


def publish(port: int, messages: list[tuple[str, bytes]]) -> None:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish(topic, payload, qos=1) for topic, payload in messages]
    for one in sent:
        one.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def messages(first: int, n: int, station: str = "A") -> list[tuple[str, bytes]]:
    return [
        (
            f"soil/{station}",
            json.dumps(
                {"time": str(np.datetime64("2026-07-01", "m") + 10 * k) + "Z", "value": 30.0}
            ).encode(),
        )
        for k in range(first, first + n)
    ]


@contextmanager
def subscribed(broker: Broker, store: Store, told: list) -> Iterator[None]:
    stop = threading.Event()
    options = {"stop": stop, "on_taken": told.append}
    thread = threading.Thread(
        target=subscribe, args=(broker.address, SOIL, store), kwargs=options, daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def session_stands(broker: Broker, store: Store) -> None:
    """Publish until the first message arrives: only then does the broker keep for us."""
    for _ in range(100):
        publish(broker.port, messages(0, 1))
        time.sleep(0.1)
        if store.count():
            return
    raise AssertionError("nothing arrives")


@needs_broker
def test_messages_are_kept_once_and_the_bad_ones_told(broker: Broker, store: Store) -> None:
    told: list = []
    with subscribed(broker, store, told):
        session_stands(broker, store)
        bad = [("soil/A", b"{"), ("soil/A", b'{"time": "2026-07-01 00:00", "value": 3}')]
        publish(broker.port, [*messages(0, 300), *bad, *messages(100, 300, "B")])
        until(lambda: store.count() == 600 and sum(len(one.refused) for one in told) == 2)
    reasons = [item.reason for one in told for item in one.refused]
    assert "not a JSON object with a time" in reasons[0]
    assert "without a zone" in reasons[1]
    np.testing.assert_allclose(store.read().result, 0.3)


@needs_broker
def test_what_came_while_we_were_away_is_delivered(broker: Broker, store: Store) -> None:
    with subscribed(broker, store, []):
        session_stands(broker, store)
    publish(broker.port, messages(0, 200))
    assert store.count() == 1
    with subscribed(broker, store, []):
        until(lambda: store.count() == 200)


@needs_broker
def test_broker_restarts(broker: Broker, store: Store) -> None:
    with subscribed(broker, store, []):
        session_stands(broker, store)
        publish(broker.port, messages(0, 100))
        until(lambda: store.count() == 100)
        broker.stop()
        broker.start()
        publish(broker.port, messages(100, 100))
        until(lambda: store.count() == 200)


@needs_broker
def test_nothing_acknowledged_is_lost_when_we_are_killed(broker: Broker, tmp_path: Path) -> None:
    """Killed in the middle and started again, three times: every message is there, once."""
    path = tmp_path / "kill.db"
    (tmp_path / "soil.toml").write_text(
        '[mqtt]\ntopics = ["soil/+"]\ntopic = "soil/{station}"\n[[series]]\ncolumn = "value"\n'
        'thing = "{station}"\nproperty = "soil_moisture"\nunit = "vol%"\ndepth = 0.1\n'
    )
    command = [
        sys.executable,
        "-c",
        "from headwater.cli.network import app; app()",
        "watch",
        "--broker",
        broker.address,
        "--map",
        str(tmp_path / "soil.toml"),
        "--store",
        str(path),
    ]

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    with open_store(path) as store:
        process = started()
        session_stands(broker, store)
        for part in range(3):
            publish(broker.port, messages(2000 * part, 2000))
            process.kill()
            process.wait()
            process = started()
        until(lambda: store.count() == 6000, 60.0)
        process.terminate()
        assert process.wait(30) == 0
        held = store.read()
        assert len(np.unique(held.time)) == len(held) == 6000


def test_addresses_and_mappings_are_checked_first(store: Store) -> None:
    with pytest.raises(InputError, match="not the address of a broker"):
        subscribe("localhost:1883", SOIL, store, stop=threading.Event())
    with pytest.raises(StudyError, match="what to subscribe to"):
        subscribe("mqtt://localhost", Mapping(), store, stop=threading.Event())
    with pytest.raises(InputError, match="no folder to watch"):
        watch("/nowhere/at/all", store, stop=threading.Event(), memory="m.json")


FILES = parse_mapping(
    {"time": {"zone": "UTC"}, "series": [{**SERIES, "column": "VWC", "thing": "A"}]}
)


@contextmanager
def watched(folder: Path, store: Store, told: list) -> Iterator[None]:
    stop = threading.Event()
    options = {
        "stop": stop,
        "on_arrival": told.append,
        "interval": 0.1,
        "pattern": "*.csv",
        "memory": folder / ".memory.json",
    }
    thread = threading.Thread(
        target=watch, args=(folder, store, FILES), kwargs=options, daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_a_folder_whose_files_come_and_grow(tmp_path: Path, store: Store) -> None:
    folder, told = tmp_path / "in", []
    (folder / "deep").mkdir(parents=True)
    rows = [f"2026-07-{1 + k // 24:02d} {k % 24:02d}:00,3{k % 10}\n" for k in range(60)]
    with watched(folder, store, told):
        one = folder / "deep" / "a.csv"
        one.write_text("time,VWC\n" + "".join(rows[:20]) + rows[20][:-3])
        until(lambda: store.count() == 20)  # the last line is still being written
        with one.open("a") as file:
            file.write(rows[20][-3:] + "".join(rows[21:40]))
        until(lambda: store.count() == 40)
        (folder / "bad.csv").write_text("zeit,VWC\n")
        (folder / "other.txt").write_text("nothing")
        (folder / "b.csv").write_text("time,VWC\n" + "".join(rows[30:60]))
        until(lambda: store.count() == 60 and len(told) == 4)
    assert [arrival.path.name for arrival in told if arrival.error] == ["bad.csv"]
    more: list = []
    with watched(folder, store, more):
        (folder / "c.csv").write_text("time,VWC\n2026-08-01 00:00,30\n")
        until(lambda: store.count() == 61)
    assert [arrival.path.name for arrival in more] == ["c.csv"]  # the others are remembered
    assert one.is_file()


@contextmanager
def served(store: Store) -> Iterator[str]:
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    from headwater.web.app import create_app

    port = free_port()
    config = uvicorn.Config(create_app(store), port=port, log_level="error", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: bool(server.started))
    try:
        yield f"http://127.0.0.1:{port}/v1.1"
    finally:
        server.should_exit = True
        thread.join(10)


def test_pull_takes_only_what_is_new(tmp_path: Path, store: Store) -> None:
    text = "time,s,VWC\n" + "".join(
        f"2026-07-{1 + k // 24:02d} {k % 24:02d}:00,S{s},3{k % 10}\n"
        for s in range(3)
        for k in range(600)
    )
    mapping = parse_mapping(
        {
            "time": {"zone": "UTC"},
            "thing": [{"name": f"S{s}", "latitude": 35.0, "longitude": 99.0 + s} for s in range(3)],
            "series": [{**SERIES, "column": "VWC", "thing": "{s}"}],
        }
    )
    with open_store(tmp_path / "there.db") as there:
        loaded = load_reading(read_csv(text.encode(), mapping), there)
        ids = list(loaded.datastreams.values())
        with served(there) as address:
            first = pull(address, store)
            assert [one.error for one in first] == [""] * 3
            assert sum(one.written.inserted for one in first) == store.count() == 1800
            late = int(there.read([ids[0]]).time[590]) + 60_000_000
            there.write(Observations([ids[0]], [late], [0.33]))
            newest = int(there.read([ids[1]]).time[-1]) + 3_600_000_000
            there.write(Observations([ids[2]], [microseconds("2131-01-01T00:00Z")], [0.3]))
            there.write(Observations([ids[1]], [newest], [0.34]))
            again = pull(address, store)
            assert sum(one.written.inserted for one in again) == 3
            (note,) = [note for one in again for note in one.notes]
            assert note.startswith("1 observation of the future")
            assert sum(one.written.unchanged for one in again) < 200  # two days of three series
    np.testing.assert_array_equal(
        np.sort(store.read().result), np.sort(np.append(there_values(tmp_path), []))
    )
    with store.transaction(read_only=True) as session:
        point = json.loads(session.rows("SELECT location FROM locations ORDER BY id")[1][0])
    assert point["coordinates"][:2] == [100.0, 35.0]


def there_values(tmp_path: Path) -> np.ndarray:
    with open_store(tmp_path / "there.db") as there:
        return there.read().result


def test_pull_tells_what_is_wrong_with_the_server(store: Store) -> None:
    with pytest.raises(InputError, match="not the address of a service"):
        pull("file:///etc/passwd", store)
    with pytest.raises(InputError, match="the server does not give"):
        pull(f"http://127.0.0.1:{free_port()}/v1.1", store, timeout=1.0)


def test_postgresql_is_loaded_controlled_and_derived_alike(postgresql, tmp_path: Path) -> None:
    from headwater.network.derived.write import derive
    from headwater.network.quality.run import control_store

    rng = np.random.default_rng(1)
    value = 30 + rng.normal(0, 0.05, 240)
    value[100] = 90.0
    rows = (f"2026-07-{1 + k // 24:02d} {k % 24:02d}:00,{value[k]:.2f}\n" for k in range(240))
    reading = read_csv(("time,VWC\n" + "".join(rows)).encode(), FILES)
    found = []
    for address in (postgresql.database("ingest"), str(tmp_path / "same.db")):
        with open_store(address) as kept:
            loaded = load_reading(reading, kept)
            assert loaded.written.inserted == 240
            told = control_store(kept, spans=loaded.spans)
            assert control_store(kept) == []
            assert sum(one.changed for one in control_store(kept, spans=loaded.spans)) == 0
            derived = derive(kept)
            again = derive(kept)
            assert sum(one.written.inserted + one.written.updated for one in again) == 0
            held = kept.read([derived[0].id])
            found.append((told[0].codes, told[0].changed, held.result.tolist()))
    assert found[0] == found[1]
