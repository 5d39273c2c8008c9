"""What the running service must survive: death, lost servers, no room, greed, haste, clocks."""

import contextlib
import http.client
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.network import open_store
from headwater.network.client import Client
from headwater.network.entities import Datastream, ObservedProperty, Sensor, Thing
from headwater.network.keys import issue
from headwater.network.times import iso, microseconds

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

HEADWATER = str(Path(sys.executable).with_name("headwater"))
T0 = microseconds("2024-02-28T00:00:00Z")
MINUTE = 60_000_000


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Service:
    """A `headwater serve` that can be killed and started again on the same port."""

    def __init__(self, store, *words):
        self.store, self.words, self.port = str(store), words, free_port()
        if self.store.startswith("postgresql"):  # accounts are kept next to a file, else here
            self.words = (*words, "--people", f"{tempfile.mkdtemp()}/people.db")
        self.url = f"http://127.0.0.1:{self.port}/v1.1"
        with open_store(self.store) as opened:
            self.key = issue(opened, "logger", "write")
            self.stream = a_stream(opened)

    def start(self, **options):
        self.process = subprocess.Popen(
            [HEADWATER, "serve", "--port", str(self.port), "--store", self.store, *self.words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        with contextlib.suppress(DataError):
            Client(self.url, patience=60).ask("GET", "")
        assert self.process.poll() is None, self.process.stderr.read()

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        error = self.process.communicate(timeout=60)[1]
        return self.process.returncode, error

    def client(self, patience=60.0):
        return Client(self.url, self.key, patience)


@contextlib.contextmanager
def serving(store, *words, **options):
    service = Service(store, *words)
    service.start(**options)
    try:
        yield service
    finally:
        service.end(signal.SIGKILL)


def a_stream(store):
    """A station with one datastream and a place to observe; returns the datastream."""
    with store.transaction() as session:
        thing = session.add(Thing(name="T"))
        point = {"type": "Point", "coordinates": [97.5, 35.1]}
        place = {
            "name": "L",
            "description": "",
            "encoding_type": "application/geo+json",
            "location": point,
        }
        location = session.insert("locations", place)
        session.insert("things_locations", {"thing_id": thing, "location_id": location})
        return session.add(
            Datastream(
                name="sm",
                unit_of_measurement={},
                thing_id=thing,
                sensor_id=session.add(Sensor(name="S")),
                observed_property_id=session.add(ObservedProperty(name="P", definition="d")),
            )
        )


def table(stream, k, size):
    """The k-th load of a series: `size` minutes, each with the number of the load."""
    rows = [[iso(T0 + MINUTE * (k * size + i)), float(k)] for i in range(size)]
    return [
        {
            "Datastream": {"@iot.id": stream},
            "components": ["phenomenonTime", "result"],
            "dataArray": rows,
        }
    ]


def sound(store, n):
    """Every observation is there, once; counters and latest values agree with the rows."""
    with open_store(store) as opened:
        found = opened.read()
        assert len(found) == n
        assert np.unique(np.stack([found.datastream, found.time]), axis=1).shape[1] == n
        assert opened.count() == n
        assert opened.latest().time.tolist() == [found.time.max()]
        return found


# ---- death ----


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_in_the_middle_of_a_hundred_bulk_loads(kind, tmp_path, request):
    store = f"sqlite:///{tmp_path}/network.db"
    if kind == "postgresql":
        store = request.getfixturevalue("postgresql").database(f"f{uuid4().hex}")
    # large enough that a hundred outlast several restarts of a fast machine
    size, loads, told, rng = 4000, 100, [], random.Random(7)
    with serving(store) as service:
        waiting, lock = list(range(loads)), threading.Lock()

        def load():
            client = service.client(patience=120)
            while True:
                with lock:
                    if not waiting:
                        return
                    k = waiting.pop(0)
                answers = client.ask("POST", "CreateObservations", table(service.stream, k, size))
                assert not any(text.startswith("error") for text in answers)
                told.append(k)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        kills = 0
        while any(thread.is_alive() for thread in threads) and kills < 5:
            goal = len(told) + rng.randrange(5, 15)
            while len(told) < goal and any(thread.is_alive() for thread in threads):
                time.sleep(0.002)
            time.sleep(rng.random() * 0.05)
            service.end(signal.SIGKILL)
            acknowledged = set(told)
            with open_store(store) as opened:
                held = set(np.unique(opened.read().result).astype(int).tolist())
            assert acknowledged <= held
            kills += 1
            service.start()
        for thread in threads:
            thread.join(240)
        assert kills >= 3
        assert sorted(told) == list(range(loads))
        assert service.end()[0] == 0
    found = sound(store, loads * size)
    np.testing.assert_array_equal(found.result, np.repeat(np.arange(100.0), size))


# ---- greed ----


def resident(pid):
    """Memory that a process holds, and the most it has held [MB]."""
    words = Path(f"/proc/{pid}/status").read_text()
    held = {
        line.split(":")[0]: line.split()[1]
        for line in words.splitlines()
        if "VmHWM" in line or "VmRSS" in line
    }
    return int(held["VmRSS"]) / 1024, int(held["VmHWM"]) / 1024


def pour(service, declared):
    """Send a body of 1 GB; returns the status, the answer, and how much went out [bytes]."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    connection.putrequest("POST", "/v1.1/CreateObservations")
    connection.putheader("X-API-Key", service.key)
    connection.putheader("Content-Type", "application/json")
    size, piece, sent = 10**9, b"[" * 65536, 0
    connection.putheader(
        *(("Content-Length", str(size)) if declared else ("Transfer-Encoding", "chunked"))
    )
    connection.endheaders()
    with contextlib.suppress(OSError):
        while sent < size:
            connection.send(piece if declared else b"10000\r\n" + piece + b"\r\n")
            sent += len(piece)
    try:
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), sent
    except OSError:  # cut off while sending: the answer was lost on the way
        return None, None, sent
    finally:
        connection.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("declared", [True, False], ids=["with its size", "in chunks"])
def test_a_gigabyte_is_refused_in_bounded_memory(declared, tmp_path):
    with serving(tmp_path / "network.db") as service:
        before, _ = resident(service.process.pid)
        for _ in range(3):
            status, answer, sent = pour(service, declared)
            assert status in (413, None)
            assert answer is None or "too large" in answer["message"]
            assert sent < 200e6
        _, most = resident(service.process.pid)
        print(f"resident before {before:.0f} MB, at most {most:.0f} MB")
        assert most - before < 120
        rows = service.client().ask("POST", "CreateObservations", table(service.stream, 0, 10))
        assert len(rows) == 10


def test_without_a_key_not_even_the_body_is_taken(tmp_path):
    with serving(tmp_path / "network.db") as service:
        service.key = "hw_none"
        status, _, sent = pour(service, declared=True)
        assert status in (401, None)
        assert sent < 50e6


# ---- the data base goes ----


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_the_data_base_restarts_under_the_service(postgresql, stop):
    store = postgresql.database(f"f{uuid4().hex}")
    with serving(store) as service:
        client, told = service.client(patience=120), []
        go = threading.Event()

        def load():
            for k in range(60):
                client.ask("POST", "CreateObservations", table(service.stream, k, 50))
                told.append(k)
                if k == 10:
                    go.set()

        thread = threading.Thread(target=load)
        thread.start()
        assert go.wait(60)
        postgresql.stop(stop)
        time.sleep(1.0)
        postgresql.start()
        thread.join(180)
        assert told == list(range(60))
        assert "Observation network" in page(service)
    sound(store, 60 * 50)


def page(service):
    return asked(service, "GET", "/live")[1]


def asked(service, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


# ---- no room ----


def little_room():
    """No file of this process may grow beyond 3 MB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_a_full_disk_is_said_in_a_sentence_and_nothing_breaks(tmp_path):
    store = tmp_path / "network.db"
    told = []
    with serving(store, preexec_fn=little_room) as service:
        client = service.client(patience=0)
        with pytest.raises(DataError, match=r"room|grow"):
            fill(client, service.stream, told)
        status, text = raw(service, table(service.stream, len(told), 1000))
        assert status == 507
        assert "room" in text or "grow" in text
        assert len(told) > 3
        assert "Observation network" in page(service)
        assert client.ask("GET", "Datastreams?$count=true")["@iot.count"] == 1
        service.end()
        service.start()  # with room again
        for k in range(len(told), len(told) + 3):
            service.client().ask("POST", "CreateObservations", table(service.stream, k, 1000))
    sound(store, (len(told) + 3) * 1000)


def fill(client, stream, told):
    for k in range(400):
        client.ask("POST", "CreateObservations", table(stream, k, 1000))
        told.append(k)


def raw(service, body):
    headers = {"X-API-Key": service.key, "Content-Type": "application/json"}
    return asked(service, "POST", "/v1.1/CreateObservations", json.dumps(body), headers)


# ---- haste, and strange clocks ----


def test_many_write_at_once_to_the_service_and_beside_it(tmp_path):
    store = tmp_path / "network.db"
    with serving(store) as service:
        failed = []

        def over_http(part):
            try:
                for k in range(part, 40, 4):
                    service.client().ask(
                        "POST", "CreateObservations", table(service.stream, k, 100)
                    )
                    # everybody sends the first load, too: it is there once all the same
                    service.client().ask(
                        "POST", "CreateObservations", table(service.stream, 0, 100)
                    )
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=over_http, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        beside = subprocess.run(
            [sys.executable, "-c", BESIDE, str(store), str(service.stream)], check=True
        )
        for thread in threads:
            thread.join(120)
        assert (beside.returncode, failed) == (0, [])
    sound(store, 60 * 100)


def test_two_services_on_one_store(tmp_path):
    store = tmp_path / "network.db"
    with serving(store) as service:
        port = free_port()
        words = ["serve", "--port", str(port), "--store", str(store)]
        other = subprocess.Popen(
            [HEADWATER, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            clients = [service.client(), Client(f"http://127.0.0.1:{port}/v1.1", service.key, 60)]

            def send(client, part):
                for k in range(part, 20, 2):
                    client.ask("POST", "CreateObservations", table(service.stream, k, 100))

            threads = [
                threading.Thread(target=send, args=(client, part))
                for part, client in enumerate(clients)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            path = f"Datastreams({service.stream})/Observations?$count=true&$top=0"
            assert [c.ask("GET", path)["@iot.count"] for c in clients] == [2000, 2000]
        finally:
            other.terminate()
            other.wait(60)
    sound(store, 2000)


BESIDE = f"""
import sys, numpy as np
from headwater.network import open_store
from headwater.network.entities import Observations
with open_store(sys.argv[1]) as store:
    for k in range(40, 60):
        time = {T0} + {MINUTE} * (np.arange(100) + k * 100)
        store.write(Observations(np.full(100, int(sys.argv[2])), time, np.full(100, float(k))))
"""


def test_leap_days_summer_time_and_clocks_set_back(tmp_path):
    store = tmp_path / "network.db"
    with serving(store) as service:
        client, path = service.client(), f"Datastreams({service.stream})/Observations"
        moments = {
            "2024-02-29T23:59:59Z": "2024-02-29T23:59:59.000Z",
            # twice the same hour on the clocks of Berlin, twice another moment
            "2024-10-27T02:30:00+02:00": "2024-10-27T00:30:00.000Z",
            "2024-10-27T02:30:00+01:00": "2024-10-27T01:30:00.000Z",
            "1969-12-31T23:59:59.5Z": "1969-12-31T23:59:59.500Z",
            "2031-01-01T00:00:00Z": "2031-01-01T00:00:00.000Z",
        }
        for order, text in enumerate(moments):
            client.ask("POST", path, {"phenomenonTime": text, "result": order})
        held = client.ask("GET", f"{path}?$orderby=phenomenonTime%20asc")["value"]
        kept = [(microseconds(item["phenomenonTime"]), item["result"]) for item in held]
        assert kept == sorted((microseconds(t), k) for k, t in enumerate(moments))
        with pytest.raises(DataError, match="zone"):
            client.ask("POST", path, {"phenomenonTime": "2024-01-01T00:00:00", "result": 1})
        # a logger whose clock was set back sends older times after newer ones
        for minute in (5, 6, 7, 2, 3, 4, 7):
            body = {"phenomenonTime": f"2026-01-01T00:0{minute}:00Z", "result": minute}
            client.ask("POST", path, body)
    found = sound(store, 5 + 6)
    assert iso(int(found.time.max())).startswith("2031-01-01")


# ---- the broker goes ----


def mosquitto():
    for place in (shutil.which("mosquitto"), "/usr/sbin/mosquitto"):
        if place and Path(place).exists():
            return place
    pytest.skip("no Mosquitto is installed on this machine")


class Broker:
    """A broker that can be stopped and started again with what it holds."""

    def __init__(self, folder):
        folder.mkdir()
        self.port, self.words = free_port(), folder / "mosquitto.conf"
        self.words.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nmax_queued_messages 0\nuser {user()}\n"
        )
        self.program = mosquitto()

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "-c", self.words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def user():
    return "root" if os.getuid() == 0 else "nobody"


def joined(service, logger):
    """Wait until the service has its session with the broker; what comes later waits there."""
    first = {"phenomenonTime": iso(T0), "result": 0.0}
    with open_store(service.store) as opened:
        until = time.monotonic() + 60
        while opened.count([service.stream]) == 0:
            assert time.monotonic() < until, "the service does not join the broker"
            topic = f"v1.1/Datastreams({service.stream})/Observations"
            logger.publish(topic, json.dumps(first), qos=1)
            time.sleep(0.2)


@pytest.mark.slow
def test_the_broker_restarts_under_the_service(tmp_path):
    paho = pytest.importorskip("paho.mqtt.client", reason="the extra `mqtt` is not installed")
    pytest.importorskip("aiomqtt", reason="the extra `mqtt` is not installed")
    broker, store = Broker(tmp_path / "broker"), tmp_path / "network.db"
    broker.start()
    try:
        with serving(store, "--mqtt", f"mqtt://127.0.0.1:{broker.port}") as service:
            logger = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="logger")
            taken = set()
            logger.on_publish = lambda client, data, message, *_: taken.add(message)
            logger.reconnect_delay_set(1, 2)
            logger.connect("127.0.0.1", broker.port)
            logger.loop_start()
            joined(service, logger)
            topic = f"v1.1/Datastreams({service.stream})/Observations"
            sent = []
            for k in range(300):
                body = {"phenomenonTime": iso(T0 + k * MINUTE), "result": float(k)}
                sent.append(logger.publish(topic, json.dumps(body), qos=1).mid)
                if k == 100:
                    broker.stop()
                    time.sleep(1.0)
                if k == 150:
                    broker.start()
                time.sleep(0.005)
            arrived(store, 300)
            assert set(sent) <= taken
            logger.disconnect()
            logger.loop_stop()
    finally:
        broker.stop()
    found = sound(store, 300)
    np.testing.assert_array_equal(found.result, np.arange(300.0))


def arrived(store, n):
    with open_store(store) as opened:
        until = time.monotonic() + 90
        while opened.count() < n:
            assert time.monotonic() < until, f"{opened.count()} of {n} have arrived"
            time.sleep(0.2)


@pytest.mark.slow
def test_replay_over_a_broker_that_restarts(tmp_path):
    paho = pytest.importorskip("paho.mqtt.client", reason="the extra `mqtt` is not installed")
    pytest.importorskip("aiomqtt", reason="the extra `mqtt` is not installed")
    broker, store = Broker(tmp_path / "broker"), tmp_path / "network.db"
    broker.start()
    try:
        with serving(store, "--mqtt", f"mqtt://127.0.0.1:{broker.port}") as service:
            logger = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="logger")
            logger.connect("127.0.0.1", broker.port)
            logger.loop_start()
            joined(service, logger)
            logger.disconnect()
            logger.loop_stop()
            player = subprocess.Popen(
                [
                    HEADWATER,
                    "replay",
                    "--http",
                    service.url,
                    "--key",
                    service.key,
                    "--mqtt",
                    f"127.0.0.1:{broker.port}",
                    "--stations",
                    "1",
                    "--start",
                    "2026-03-20",
                    "--until",
                    "2026-03-20",
                    "--speed",
                    "10000",
                ],
                stderr=subprocess.PIPE,
                text=True,
            )
            for line in player.stderr:
                if "observations sent" in line and " 0 obs" not in line:
                    break
            broker.stop()
            time.sleep(1.0)
            broker.start()
            error = player.communicate(timeout=120)[1]
            assert player.returncode == 0, error
            arrived(store, 144 * 11 + 1)
    finally:
        broker.stop()
    with open_store(store) as opened:
        assert opened.count() == 144 * 11 + 1
