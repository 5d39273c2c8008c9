"""OGC 18-088, Annex A: observations created, and changes announced, through a real Mosquitto."""

import contextlib
import json
import queue
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.network import open_store

from .conftest import THING, Client, serving, station

paho = pytest.importorskip("paho.mqtt.client", reason="the extra `mqtt` is not installed")
pytest.importorskip("aiomqtt", reason="the extra `mqtt` is not installed")


def mosquitto():
    for place in (shutil.which("mosquitto"), "/usr/sbin/mosquitto"):
        if place and Path(place).exists():
            return place
    pytest.skip("no Mosquitto is installed on this machine")


@contextlib.contextmanager
def broker(folder, port=None):
    program = mosquitto()
    if port is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    words = folder / "mosquitto.conf"
    words.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest topic\nlog_type subscribe\n"
        "max_queued_messages 0\n"
    )
    process = subprocess.Popen(
        [program, "-c", words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


class Listener:
    """A client of the broker with what it has received."""

    def __init__(self, port, *topics):
        self.messages, self.ready = queue.Queue(), queue.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.client.on_message = lambda client, data, message: self.messages.put(
            (message.topic, json.loads(message.payload))
        )
        self.client.on_subscribe = lambda *parts: self.ready.put(True)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        for topic in topics:
            self.client.subscribe(topic, qos=1)
            self.ready.get(timeout=10)
        time.sleep(0.2)  # the broker tells the bridge of a subscription in a message of its own

    def next(self):
        return self.messages.get(timeout=10)

    def publish(self, topic, body):
        text = body if isinstance(body, str) else json.dumps(body)
        self.client.publish(topic, text, qos=1).wait_for_publish(10)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def network(tmp_path):
    """A broker, a service that is joined to it, and a station."""
    from headwater.web import create_app

    with broker(tmp_path) as port, open_store(f"{tmp_path}/network.db") as store:
        app = create_app(store, mqtt=f"mqtt://127.0.0.1:{port}")
        with serving(app) as url:
            client = Client(f"{url}/v1.1", store)
            client.post("Things", station(n=0))
            wait_until(lambda: app.state.service.listeners)
            probe = Listener(port, "v1.1/Things(1)/description")
            # connected once a change is announced
            wait_until(
                lambda: (
                    client.call("PATCH", "Things(1)", {"description": "x"})
                    and not probe.messages.empty()
                )
            )
            probe.close()
            yield client, port


def wait_until(holds, seconds=15):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.1)


def test_the_service_root_names_the_broker(network):
    client, port = network
    settings = client.get("")["serverSettings"]
    base = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
    for requirement in (
        "create-observations-via-mqtt/observations-creation",
        "receive-updates-via-mqtt/receive-updates",
    ):
        assert base + requirement in settings["conformance"]
        assert settings[base + requirement]["endpoints"] == [f"mqtt://127.0.0.1:{port}"]


class TestCreate:
    def test_in_the_collection_of_a_datastream_and_in_all(self, network):
        client, port = network
        sender = Listener(port)
        body = {"phenomenonTime": "2024-01-01T00:00:00Z", "result": 0.3}
        sender.publish("v1.1/Datastreams(1)/Observations", body)
        other = body | {"phenomenonTime": "2024-01-01T01:00:00Z", "Datastream": {"@iot.id": 1}}
        sender.publish("v1.1/Observations", other)
        path = "Datastreams(1)/Observations"
        wait_until(lambda: client.get(path, count="true")["@iot.count"] == 2)
        sender.publish("v1.1/Datastreams(1)/Observations", body)  # again: QoS 1 may do that
        sender.publish("v1.1/Datastreams(1)/Observations", "{not json")
        sender.publish("v1.1/Datastreams(99)/Observations", body)
        last = body | {"phenomenonTime": "2024-01-01T02:00:00Z"}
        sender.publish("v1.1/Datastreams(1)/Observations", last)
        wait_until(lambda: client.get(path, count="true")["@iot.count"] == 3)
        sender.close()

    def test_nothing_else(self, network):
        client, port = network
        sender = Listener(port)
        sender.publish("v1.1/Things", THING)
        sender.publish("v1.1/Datastreams(1)/Observations", {"result": 1})
        wait_until(lambda: len(client.values("Observations")) == 1)
        assert len(client.values("Things")) == 1
        sender.close()


class TestSubscribe:
    def test_to_collections_entities_and_properties(self, network):
        client, port = network
        topics = (
            "v1.1/Observations",
            "v1.1/Datastreams(1)/Observations",
            "v1.1/Things(1)",
            "v1.1/Things(1)/name",
            "v1.1/Things",
        )
        listeners = {topic: Listener(port, topic) for topic in topics}
        id = client.post("Datastreams(1)/Observations", {"result": 0.4})
        for topic in topics[:2]:
            assert listeners[topic].next() == (topic, client.get(f"Observations('{id}')"))
        client.call("PATCH", "Things(1)", {"name": "new"})
        assert listeners["v1.1/Things(1)"].next()[1]["name"] == "new"
        assert listeners["v1.1/Things(1)/name"].next()[1] == {"name": "new"}
        assert listeners["v1.1/Things"].next()[1]["@iot.id"] == 1
        client.call("PATCH", "Things(1)", {"description": "other"})
        assert listeners["v1.1/Things(1)"].next()[1]["description"] == "other"
        assert listeners["v1.1/Things(1)/name"].messages.empty()
        for listener in listeners.values():
            listener.close()

    def test_with_select_and_through_links(self, network):
        client, port = network
        select = "v1.1/Datastreams(1)/Observations?$select=result,phenomenonTime"
        through = "v1.1/Things(1)/Datastreams(1)/Observations"
        chosen, linked = Listener(port, select), Listener(port, through)
        client.post(
            "Datastreams(1)/Observations", {"result": 0.5, "phenomenonTime": "2024-01-01T00:00:00Z"}
        )
        assert chosen.next() == (
            select,
            {"result": 0.5, "phenomenonTime": "2024-01-01T00:00:00Z"},
        )
        assert linked.next()[1]["result"] == 0.5
        chosen.close()
        linked.close()

    def test_what_is_created_over_mqtt_is_announced_once_to_others(self, network):
        client, port = network
        listener, sender = Listener(port, "v1.1/Observations"), Listener(port)
        sender.publish("v1.1/Datastreams(1)/Observations", {"result": 0.6})
        assert listener.next()[1]["result"] == 0.6
        time.sleep(0.5)
        assert listener.messages.empty()
        assert len(client.values("Observations")) == 1
        listener.close()
        sender.close()


def test_the_broker_restarts(tmp_path):
    from headwater.web import create_app

    with open_store(f"{tmp_path}/network.db") as store:
        with broker(tmp_path) as port:
            app = create_app(store, mqtt=f"mqtt://127.0.0.1:{port}")
            server = contextlib.ExitStack()
            client = Client(f"{server.enter_context(serving(app))}/v1.1", store)
            client.post("Things", station(n=0))
        with server, broker(tmp_path, port):
            sender = Listener(port)

            def arrived():
                sender.publish(
                    "v1.1/Datastreams(1)/Observations",
                    {"result": 1, "phenomenonTime": "2024-01-01T00:00:00Z"},
                )
                return len(client.values("Observations")) == 1

            wait_until(arrived, 30)
            sender.close()


@pytest.mark.parametrize("address", ["localhost:1883", "http://localhost", "mqtt://", "mqtt://h:x"])
def test_addresses_that_are_no_broker(tmp_path, address):
    import asyncio

    from headwater.network.sensorthings.mqtt import bridge
    from headwater.network.sensorthings.service import Service

    async def join():
        async with bridge(Service(store), address):
            pass

    with open_store(f"{tmp_path}/network.db") as store, pytest.raises(InputError, match="mqtt://"):
        asyncio.run(join())
