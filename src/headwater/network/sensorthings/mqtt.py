"""SensorThings over MQTT: create observations, and be notified of what is new."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from headwater.errors import HeadwaterError, InputError
from headwater.network.sensorthings.address import Address, key_text, read_address
from headwater.network.sensorthings.context import Change, Context
from headwater.network.sensorthings.messages import Call
from headwater.network.sensorthings.query import Query, read_query
from headwater.network.sensorthings.read import Place, entity_matching, entity_of, locate

if TYPE_CHECKING:
    import aiomqtt

    from headwater.network.sensorthings.service import Service

__all__ = [
    "Notice",
    "bridge",
    "bridge_name",
    "created_by",
    "notices_of",
    "read_topic",
]

_LOG = logging.getLogger("headwater.mqtt")
_PREFIX = "v1.1/"
_CREATE = ("v1.1/Observations", "v1.1/+/Observations")
_TOLD = "$SYS/broker/log/M/subscribe"
_MOST_TOPICS = 10_000
Topics = Mapping[str, tuple[Address, Query]]


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


@dataclass(frozen=True, slots=True)
class Notice:
    """One message."""

    topic: str
    payload: bytes


def notices_of(
    service: Service, root: str, changes: Sequence[Change], topics: Topics
) -> list[Notice]:
    """Write the messages that a request causes.

    Parameters
    ----------
    service : Service
    root : str
        Address of the service, for links.
    changes : sequence of Change
        In the order in which they were made.
    topics : mapping of str to (Address, Query)
        What is subscribed to beyond the topics that are always published.

    Returns
    -------
    list of Notice
    """
    found: list[Notice] = []
    with service.store.transaction(read_only=True) as session:
        context = Context(session, root, service.clock(), service.limits)
        for change in changes:
            try:
                item = entity_of(context, Place(change.entity, change.key), Query())
            except HeadwaterError:
                continue  # deleted in the meantime
            always = _always(change, item)
            found += [Notice(topic, _payload(value)) for topic, value in always.items()]
            for topic, (address, query) in topics.items():
                if topic not in always and _concerns(context, address, change):
                    chosen = _chosen(context, change, address, query, item)
                    found += [] if chosen is None else [Notice(topic, _payload(chosen))]
    return found


def _payload(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _always(change: Change, item: dict[str, Any]) -> dict[str, Any]:
    name = change.entity.name
    topics: dict[str, Any] = {f"{_PREFIX}{name}": item}
    if name == "Observations":
        kind = "MultiDatastreams" if "MultiDatastream@iot.navigationLink" in item else "Datastreams"
        topics[f"{_PREFIX}{kind}({change.key[0]})/Observations"] = item
        return topics
    one = f"{_PREFIX}{name}({key_text(change.key)})"
    topics[one] = item
    for changed in change.names & set(item):
        topics[f"{one}/{changed}"] = {changed: item[changed]}
    return topics


def _concerns(context: Context, address: Address, change: Change) -> bool:
    """Say whether a path leads to what changed."""
    if address.last.entity is not change.entity:
        return False
    if address.within and address.within[0] not in change.names and not change.created:
        return False
    try:
        place = locate(context, address)
    except HeadwaterError:
        return False
    if place.key is not None:
        return place.key == change.key
    keyed = " AND ".join(f"t.{column} = ?" for column in change.entity.key)
    where = f"({place.base.text}) AND {keyed}"
    if change.entity.where:
        where += f" AND {change.entity.where.format(t='t')}"
    sql = f"SELECT 1 FROM {change.entity.table} t WHERE {where}"
    return bool(context.session.rows(sql, (*place.base.parameters, *change.key)))


def _chosen(
    context: Context, change: Change, address: Address, query: Query, item: dict[str, Any]
) -> Any:
    """Give what a subscription asks for; None where its filter leaves the change out."""
    if address.within:
        name = address.within[0]
        return {name: item.get(name)}
    if query.filter is not None or query.expand:
        whole = replace(query, select=None, within=())
        found = entity_matching(context, change.entity, change.key, whole)
        if found is None:
            return None
        item = found
    if query.select is None:
        return item
    links = {expansion.link for expansion in query.expand}
    chosen = {name: item.get("@iot.id" if name == "id" else name) for name in query.select}
    return chosen | {name: value for name, value in item.items() if name in links}
