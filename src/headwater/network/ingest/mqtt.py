"""Observations from a broker: each message is kept, or refused with its reason, exactly once.

Messages are taken with quality of service 1 in a session that outlives us, and acknowledged only
when the store has them: whoever falls, nothing acknowledged is lost, and what comes twice changes
nothing. Mosquitto hands out 20 messages at a time unless its configuration says
``max_inflight_messages 1000``, which is what makes it fast.

References
----------
OASIS (2019). MQTT Version 5.0, section 4.3.2 (QoS 1) and 4.4 (message delivery retry).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headwater.errors import HeadwaterError, InputError, StudyError
from headwater.network.entities import Written
from headwater.network.ingest.load import load_reading
from headwater.network.ingest.mapping import Mapping
from headwater.network.ingest.messages import Message, read_messages
from headwater.network.ingest.parsed_file import Refused
from headwater.network.store.protocol import Store, StoreError

if TYPE_CHECKING:
    import paho.mqtt.client as paho

__all__ = ["Taken", "subscribe"]

_LOG = logging.getLogger("headwater.ingest.mqtt")
_MOST = 5000
"""Messages that may wait for the store, and of one transaction."""
_WEEK = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some messages.

    Attributes
    ----------
    messages : int
    written : Written
    refused : tuple of Refused
        Lines are numbers of messages since the start.
    spans : dict of tuple of int
        First and last time, by datastream [µs].
    """

    messages: int
    written: Written = field(default_factory=Written)
    refused: tuple[Refused, ...] = ()
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)


def subscribe(
    broker: str,
    mapping: Mapping,
    store: Store,
    *,
    stop: threading.Event,
    identifier: str = "headwater-ingest",
    told: Callable[[Taken], None] | None = None,
    pause: float = 1.0,
) -> int:
    """Take messages until told to stop; where the broker or the store is away, wait and go on.

    Parameters
    ----------
    broker : str
        ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` with the certificates of the system.
    mapping : Mapping
        With ``[mqtt] topics``.
    store : Store
    stop : threading.Event
        Set it to stop.
    identifier : str
        Name of the session; two subscribers of one name throw each other out.
    told : callable, optional
        Is given what became of each batch.
    pause : float
        Least time before a connection is tried again, doubled up to a minute [s].

    Returns
    -------
    int
        Messages that were taken.

    Raises
    ------
    InputError
        If `broker` is no address.
    StudyError
        If the mapping names no topics.
    """
    if not mapping.topics or not mapping.rules:
        raise StudyError(
            "the mapping does not say what to subscribe to",
            found=f"topics = {list(mapping.topics)}, {len(mapping.rules)} series",
            do='Write [mqtt] topics = ["soil/+/+"] and topic = "soil/{station}/{depth}"',
        )
    waiting: queue.Queue[_Waiting] = queue.Queue()
    client = _client(broker, mapping.topics, waiting, identifier, pause)
    client.loop_start()
    taken, known = 0, dict[str, int]()
    try:
        while not stop.is_set():
            batch = _batch(waiting)
            if batch:
                messages = [(one.topic, one.payload) for one in batch]
                result = _kept(messages, taken + 1, mapping, store, known, stop)
                if result is None:
                    break
                taken += len(batch)
                _acknowledge(client, batch)
                if told is not None:
                    told(result)
    finally:
        client.disconnect()
        client.loop_stop()
    return taken


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message that is not acknowledged yet, and the connection that it came by."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    connection: int


def _client(
    broker: str,
    topics: Sequence[str],
    waiting: queue.Queue[_Waiting],
    identifier: str,
    pause: float,
) -> paho.Client:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    host, port, user, password, secure = _address(broker)
    client = paho.Client(
        CallbackAPIVersion.VERSION2, identifier, protocol=paho.MQTTv5, manual_ack=True
    )
    client.user_data_set(0)

    def connected(client: paho.Client, count: int, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            _LOG.warning("the broker refuses us: %s", code)
            return
        client.user_data_set(count + 1)
        client.subscribe([(topic, 1) for topic in topics])

    def came(client: paho.Client, count: int, message: paho.MQTTMessage) -> None:
        one = _Waiting(message.topic, bytes(message.payload), message.mid, message.qos, count)
        waiting.put(one)

    def lost(client: paho.Client, count: int, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            _LOG.warning("broker lost, waiting for it: %s", code)

    client.on_connect, client.on_message, client.on_disconnect = connected, came, lost
    if user:
        client.username_pw_set(user, password)
    if secure:
        client.tls_set()
    client.reconnect_delay_set(min_delay=max(1, round(pause)), max_delay=60)
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    session.SessionExpiryInterval = _WEEK
    session.ReceiveMaximum = _MOST
    client.connect_async(host, port, clean_start=False, properties=session)
    return client


def _address(text: str) -> tuple[str, int, str | None, str | None, bool]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        do = "Write it as mqtt://localhost:1883"
        raise InputError("not the address of a broker", found=repr(text), do=do)
    secure = parts.scheme == "mqtts"
    standard = 8883 if secure else 1883
    return parts.hostname, port or standard, parts.username, parts.password, secure


def _batch(waiting: queue.Queue[_Waiting]) -> list[_Waiting]:
    """Take what waits, without waiting for more."""
    try:
        batch = [waiting.get(timeout=0.2)]
    except queue.Empty:
        return []
    while len(batch) < _MOST:
        try:
            batch.append(waiting.get_nowait())
        except queue.Empty:
            break
    return batch


def _kept(
    messages: Sequence[Message],
    first: int,
    mapping: Mapping,
    store: Store,
    known: dict[str, int],
    stop: threading.Event,
) -> Taken | None:
    """Write messages, however long the store takes; None when told to stop before."""
    pause = 0.5
    while True:
        try:
            return _tried(messages, first, mapping, store, known)
        except StoreError as error:
            _LOG.warning("the store does not take messages, again in %g s: %s", pause, error)
        if stop.wait(pause):
            return None
        pause = min(2 * pause, 30.0)


def _tried(
    messages: Sequence[Message], first: int, mapping: Mapping, store: Store, known: dict[str, int]
) -> Taken:
    """Write messages; where some of them cannot be, halve until it is known which."""
    try:
        reading = read_messages(messages, mapping, first=first)
        loaded = load_reading(reading, store, known=known, actor="mqtt")
    except StoreError:
        raise
    except HeadwaterError as error:
        if known:  # a datastream may have been deleted since
            known.clear()
            return _tried(messages, first, mapping, store, known)
        if len(messages) == 1:
            return Taken(1, refused=(Refused(first, str(error)),))
        half = len(messages) // 2
        one = _tried(messages[:half], first, mapping, store, known)
        other = _tried(messages[half:], first + half, mapping, store, known)
        return Taken(
            len(messages),
            one.written + other.written,
            one.refused + other.refused,
            {**one.spans, **other.spans},
        )
    known.update(loaded.datastreams)
    for item in reading.refused:
        _LOG.warning("message refused: %s", item.reason)
    return Taken(len(messages), loaded.written, reading.refused, loaded.spans)


def _acknowledge(client: paho.Client, batch: Sequence[_Waiting]) -> None:
    """Tell the broker what the store has.

    A number of an earlier connection may stand for another message by now, which is not kept yet;
    the broker sends such messages again, and again they change nothing.
    """
    for one in batch:
        if one.qos and one.connection == client.user_data_get():
            client.ack(one.mid, one.qos)
