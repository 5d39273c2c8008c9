"""SensorThings over MQTT: create observations, and be notified of what is new.

The bridge stands next to a broker, Mosquitto for one. It takes what clients publish to
``v1.1/Observations`` and ``v1.1/Datastreams(1)/Observations``, and publishes each entity that was
created or changed to the topics of its set, of the entity, and of its properties. A topic with
``$select`` is served when the broker says who subscribes to what: Mosquitto does, with the lines
``log_dest topic`` and ``log_type subscribe`` in its configuration.

A message that creates an observation reaches those who subscribe to the same topic as it was sent;
what the service then publishes there is the entity, known by its ``@iot.id``.

References
----------
OGC 18-088, sections 13 and 14 (MQTT); MQTT 5.0, section 3.8.3.1 (No Local).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from headwater.errors import HeadwaterError, InputError
from headwater.network.sensorthings.address import Address, read_address
from headwater.network.sensorthings.events import Change
from headwater.network.sensorthings.messages import Call
from headwater.network.sensorthings.notifications import Notice, notices_of
from headwater.network.sensorthings.query import Query, read_query

if TYPE_CHECKING:
    import aiomqtt

    from headwater.network.sensorthings.service import Service

__all__ = ["bridge", "bridge_name", "created_by", "read_topic"]

_LOG = logging.getLogger("headwater.mqtt")
_PREFIX = "v1.1/"
_CREATE = ("v1.1/Observations", "v1.1/+/Observations")
_TOLD = "$SYS/broker/log/M/subscribe"
_MOST_TOPICS = 10_000


def read_topic(topic: str) -> tuple[Address, Query] | None:
    """Read a topic that somebody subscribes to; None where it is none of the service's.

    Examples
    --------
    >>> address, query = read_topic("v1.1/Datastreams(1)/Observations?$select=result")
    >>> address.last.entity.name, query.select
    ('Observations', ('result',))
    """
    if not topic.startswith(_PREFIX) or "+" in topic or "#" in topic:
        return None
    path, _, options = topic.removeprefix(_PREFIX).partition("?")
    try:
        address = read_address(path)
        query = read_query(options, address.last.entity)
    except HeadwaterError:
        return None
    plain = all(name in ("$select", "$filter", "$expand") for name, _ in query.given)
    return (address, query) if plain and not address.tail else None


def created_by(topic: str) -> str | None:
    """Give the path to which a message of this topic is posted; None where it creates nothing.

    Examples
    --------
    >>> created_by("v1.1/Datastreams(7)/Observations"), created_by("v1.1/Things")
    ('Datastreams(7)/Observations', None)
    """
    path = topic.removeprefix(_PREFIX)
    try:
        address = read_address(path)
    except HeadwaterError:
        return None
    last = address.last
    many = last.key is None and not address.within and not address.tail
    return path if last.entity.name == "Observations" and many else None


@dataclass(slots=True)
class _Bridge:
    """One connection to a broker."""

    service: Service
    root: str
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[list[Notice]] = field(default_factory=lambda: asyncio.Queue(10_000))
    topics: dict[str, tuple[Address, Query]] = field(default_factory=dict)

    def listen(self, root: str, changes: Sequence[Change]) -> None:
        """Look up what changed, in the thread that served the request, and hand it over."""
        notices = notices_of(self.service, self.root or root, changes, dict(self.topics))
        if notices:
            asyncio.run_coroutine_threadsafe(self.queue.put(notices), self.loop)

    async def publish(self, client: aiomqtt.Client) -> None:
        """Publish what changed, in its order."""
        while True:
            for notice in await self.queue.get():
                await client.publish(notice.topic, notice.payload, qos=1)

    async def take(self, client: aiomqtt.Client) -> None:
        """Take messages: new observations, and news of who subscribes."""
        async for message in client.messages:
            topic, payload = str(message.topic), message.payload
            if topic == _TOLD:
                self.learn(payload)
            elif isinstance(payload, bytes | bytearray):
                await asyncio.to_thread(self.create, topic, bytes(payload))

    def learn(self, payload: object) -> None:
        """Remember a topic that a client subscribes to."""
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)
        parts = text.split(" ", 3)  # time: client quality topic
        topic = parts[3] if len(parts) == 4 else ""
        found = read_topic(topic)
        if found is not None and len(self.topics) < _MOST_TOPICS:
            self.topics[topic] = found

    def create(self, topic: str, payload: bytes) -> None:
        """Create an observation; MQTT has no way to refuse, so the log says why not."""
        path = created_by(topic)
        if path is None or b'"@iot.selfLink"' in payload:
            return
        if len(payload) > self.service.limits.body:
            _LOG.warning("message on %s is too large: %d bytes", topic, len(payload))
            return
        call = Call("POST", path, body=payload, root=self.root or "/v1.1", actor="mqtt")
        answer = self.service.answer(call)
        if answer.status != 201:
            _LOG.warning("message on %s refused: %s", topic, answer.body["message"])


@asynccontextmanager
async def bridge(service: Service, broker: str, *, root: str = "") -> AsyncIterator[None]:
    """Join a service to a broker as long as the block runs, and again whenever the broker returns.

    Parameters
    ----------
    service : Service
    broker : str
        ``mqtt://[user:password@]host[:port]``
    root : str
        Address of the service, for the links in what is published; default: the one that each
        client asked for, and relative links in what was created over MQTT.

    Raises
    ------
    InputError
        If `broker` is no such address.
    """
    address = _broker(broker)
    found = _Bridge(service, root, asyncio.get_running_loop())
    service.listeners.append(found.listen)
    address["identifier"] = bridge_name(service, root)
    task = asyncio.create_task(_connected(found, address))
    try:
        yield
    finally:
        service.listeners.remove(found.listen)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def bridge_name(service: Service, root: str) -> str:
    """Name the session of a service at its broker: the same after a restart, one for each store.

    Of several processes that serve one store, one alone should join a broker.
    """
    parts = repr((socket.gethostname(), service.store.address, root))
    return f"headwater-service-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


def _broker(text: str) -> dict[str, Any]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "mqtt" or not parts.hostname:
        do = "Write it as mqtt://localhost:1883"
        raise InputError("not the address of a broker", found=repr(text), do=do)
    return {
        "hostname": parts.hostname,
        "port": port or 1883,
        "username": None if parts.username is None else unquote(parts.username),
        "password": None if parts.password is None else unquote(parts.password),
    }


async def _connected(found: _Bridge, address: dict[str, Any]) -> None:
    import aiomqtt

    pause = 1.0
    while True:
        try:
            async with _client(address) as client:
                pause = 1.0
                await _subscribe(client)
                async with asyncio.TaskGroup() as group:
                    group.create_task(found.publish(client))
                    group.create_task(found.take(client))
        except* aiomqtt.MqttError as errors:
            _LOG.warning("broker lost, again in %g s: %s", pause, errors.exceptions[0])
        await asyncio.sleep(pause)
        pause = min(pause * 2, 30.0)


def _client(address: dict[str, Any]) -> aiomqtt.Client:
    import aiomqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    session.SessionExpiryInterval = 86_400  # what is published while we are away waits a day
    return aiomqtt.Client(
        **address,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=session,
    )


async def _subscribe(client: aiomqtt.Client) -> None:
    from paho.mqtt.subscribeoptions import SubscribeOptions

    # No Local: the bridge shall not take its own announcements for new observations
    options = SubscribeOptions(qos=1, noLocal=True)
    for topic in _CREATE:
        await client.subscribe(topic, options=options)
    await client.subscribe(_TOLD)
