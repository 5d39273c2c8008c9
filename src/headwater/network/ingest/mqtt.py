"""Observations from a broker: each message is kept, or refused with its reason, exactly once.

Messages are taken with quality of service 1 in a session that outlives us, and acknowledged only
when the store has them: whoever falls, nothing acknowledged is lost, and what comes twice changes
nothing. What cannot be read is kept, too, as a dead letter with its reason. Mosquitto hands out 20
messages at a time unless its configuration says ``max_inflight_messages 1000``, which is what makes
it fast.

References
----------
OASIS (2019). MQTT Version 5.0, section 4.3.2 (QoS 1) and 4.4 (message delivery retry).
"""

from __future__ import annotations

import hashlib
import logging
import math
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from headwater.errors import HeadwaterError, InputError, StudyError
from headwater.network.entities import Written
from headwater.network.ingest.clocks import clock_doubts
from headwater.network.ingest.home_assistant import AnnouncedSensors
from headwater.network.ingest.load import load_reading
from headwater.network.ingest.mapping import Mapping
from headwater.network.ingest.messages import Message, read_messages
from headwater.network.ingest.parsed_file import Refused
from headwater.network.store.dead_letters import (
    DeadLetter,
    drop_letters,
    keep_letters,
    read_letters,
)
from headwater.network.store.protocol import Store, StoreError, now

if TYPE_CHECKING:
    import paho.mqtt.client as paho

__all__ = ["BrokerError", "Taken", "retry_letters", "session_name", "subscribe"]

_LOG = logging.getLogger("headwater.ingest.mqtt")
_MOST = 5000
"""Messages that may wait for the store, and of one transaction."""
_WEEK = 7 * 86_400
_SHORT, _OFTEN = 10.0, 3
"""Connections that last less [s], so often in a row, are not lost by chance."""
_TAKEN_OVER = 142
"""Reason code of MQTT 5 (section 2.4): another client with our name has come."""


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
    notes : tuple of str
        What else was seen: messages of the future.
    """

    messages: int
    written: Written = field(default_factory=Written)
    refused: tuple[Refused, ...] = ()
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def subscribe(
    broker: str,
    mapping: Mapping,
    store: Store,
    *,
    stop: threading.Event,
    identifier: str | None = None,
    on_taken: Callable[[Taken], None] | None = None,
    pause: float = 1.0,
) -> int:
    """Take messages until asked to stop; where the broker or the store is away, wait and go on.

    Parameters
    ----------
    broker : str
        ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` with the certificates of the system.
    mapping : Mapping
        With ``[mqtt] topics``.
    store : Store
    stop : threading.Event
        Set it to stop.
    identifier : str, optional
        Name of the session; two subscribers of one name throw each other out. Default: that of the
        mapping, or one made of the host, the store and the topics.
    on_taken : callable, optional
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
    BrokerError
        If another subscriber has taken our session over, or the connection has died for good.
    """
    if not (mapping.topics and mapping.rules) and not mapping.discovery:
        raise StudyError(
            "the mapping does not say what to subscribe to",
            found=f"topics = {list(mapping.topics)}, {len(mapping.rules)} series",
            do='Write [mqtt] topics = ["soil/+/+"] and topic = "soil/{station}/{depth}"',
        )
    name = identifier or mapping.client_id or session_name(mapping, store)
    waiting: queue.Queue[_Waiting] = queue.Queue()
    connection = _Connection(broker, _topics(mapping), waiting, name)
    client = connection.open(pause)
    worker = _Worker(mapping, store, stop, source=connection.shown)
    client.loop_start()
    taken = 0
    try:
        while not stop.is_set():
            connection.insist()
            batch = _batch(waiting)
            if batch:
                result = worker.keep([(one.topic, one.payload) for one in batch], taken + 1)
                if result is None:
                    break
                taken += len(batch)
                _acknowledge(client, batch)
                _follow_announced(client, worker)
                if on_taken is not None:
                    on_taken(result)
    finally:
        client.disconnect()
        client.loop_stop()
    return taken


def retry_letters(store: Store, mapping: Mapping) -> tuple[int, int]:
    """Try dead letters again, and drop those that can be read now.

    Parameters
    ----------
    store : Store
    mapping : Mapping

    Returns
    -------
    kept, left : int
        Messages that were read, and those that are still refused.
    """
    with store.transaction(read_only=True) as session:
        letters = read_letters(session)
    worker = _Worker(mapping, store, threading.Event(), source="")
    done = []
    for one in letters:
        tried = worker.try_one((one.topic, one.payload))
        if not tried.refused:
            done.append(one.id)
    with store.transaction(actor="mqtt") as session:
        drop_letters(session, done)
    return len(done), len(letters) - len(done)


class BrokerError(HeadwaterError, ConnectionError):
    """The broker cannot be read from any more."""

    exit_code = 6


def session_name(mapping: Mapping, store: Store) -> str:
    """Name a session at a broker: the same after a restart, another for another watcher.

    Parameters
    ----------
    mapping : Mapping
    store : Store

    Returns
    -------
    str
    """
    parts = repr((socket.gethostname(), store.address, mapping.topics, mapping.discovery))
    return f"headwater-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


def _topics(mapping: Mapping) -> tuple[str, ...]:
    """List what to subscribe to; an announcement of Home Assistant has three or four levels."""
    announced = (f"{mapping.discovery}/+/+/config", f"{mapping.discovery}/+/+/+/config")
    return (*mapping.topics, *(announced if mapping.discovery else ()))


def _follow_announced(client: paho.Client, worker: _Worker) -> None:
    """Subscribe to the topics of sensors that have been announced since."""
    new = worker.sensors.take_new_topics()
    if new:
        client.subscribe([(topic, 1) for topic in new])


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message that is not acknowledged yet, and the connection that it came by."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    connection: int


@dataclass(slots=True)
class _Connection:
    """A session at a broker, and whether it still lives."""

    broker: str
    topics: Sequence[str]
    waiting: queue.Queue[_Waiting]
    identifier: str
    taken_over: bool = False
    short: int = 0
    since: float = 0.0
    unreached: bool = False
    client: paho.Client | None = None

    @property
    def shown(self) -> str:
        """Name the broker without a password."""
        host, port, *_ = _address(self.broker)
        return f"mqtt://{host}:{port}"

    def open(self, pause: float) -> paho.Client:
        """Begin to connect; the connection is tried again until it stands."""
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        host, port, user, password, secure = _address(self.broker)
        client = paho.Client(
            CallbackAPIVersion.VERSION2, self.identifier, protocol=paho.MQTTv5, manual_ack=True
        )
        client.user_data_set(0)
        client.on_connect, client.on_disconnect = self._connected, self._lost
        client.on_message, client.on_connect_fail = self._came, self._unreached
        if user:
            client.username_pw_set(user, password)
        if secure:
            client.tls_set()
        client.reconnect_delay_set(min_delay=max(1, round(pause)), max_delay=60)
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = _WEEK
        session.ReceiveMaximum = _MOST
        client.connect_async(host, port, clean_start=False, properties=session)
        self.client = client
        return client

    def insist(self) -> None:
        """See that messages can still come.

        Raises
        ------
        BrokerError
            If another subscriber has our name, or the thread that reads has died.
        """
        if self.taken_over:
            raise BrokerError(
                "the session is taken from us, as by another subscriber with our client id",
                found=f"client id {self.identifier!r} at {self.shown}",
                do="Stop the other watcher, or give this one another --client-id",
            )
        thread = self.client._thread if self.client is not None else None
        if thread is not None and not thread.is_alive():
            do = "Start the watcher again; its log says what happened"
            raise BrokerError("reading from the broker has ended", found=self.shown, do=do)

    def _connected(
        self, client: paho.Client, count: int, flags: Any, code: Any, properties: Any
    ) -> None:
        if code.is_failure:
            _LOG.warning("the broker refuses us: %s", code)
            return
        if self.unreached:
            _LOG.warning("the broker at %s answers", self.shown)
            self.unreached = False
        client.user_data_set(count + 1)
        self.since = time.monotonic()
        client.subscribe([(topic, 1) for topic in self.topics])

    def _unreached(self, client: paho.Client, count: int) -> None:
        """Say that nobody answers, at once and each time; the pauses grow to a minute."""
        why, self.unreached = sys.exc_info()[1], True
        _LOG.warning("no broker answers at %s, trying again: %s", self.shown, why)

    def _came(self, client: paho.Client, count: int, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload)
        self.waiting.put(_Waiting(message.topic, payload, message.mid, message.qos, count))

    def _lost(
        self, client: paho.Client, count: int, flags: Any, code: Any, properties: Any
    ) -> None:
        # not every broker gives the reason: two of one name throw each other out within seconds
        lived = time.monotonic() - self.since if self.since else math.inf
        self.short = self.short + 1 if code.is_failure and lived < _SHORT else 0
        if code.value == _TAKEN_OVER or self.short >= _OFTEN:
            self.taken_over = True
        if code.is_failure:
            _LOG.warning("broker lost, waiting for it: %s", code)


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
    user, password = (None if t is None else unquote(t) for t in (parts.username, parts.password))
    return parts.hostname, port or standard, user, password, secure


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


@dataclass(slots=True)
class _Worker:
    """What turns messages into observations, or into dead letters, and never loses one."""

    mapping: Mapping
    store: Store
    stop: threading.Event
    source: str
    known: dict[str, int] = field(default_factory=dict)
    sensors: AnnouncedSensors = field(default_factory=AnnouncedSensors)

    def keep(self, messages: Sequence[Message], first: int) -> Taken | None:
        """Write messages, however long the store takes; None when asked to stop before."""
        pause = 0.5
        while True:
            try:
                return self._written(messages, first)
            except StoreError as error:
                _LOG.warning("the store does not take messages, again in %g s: %s", pause, error)
            if self.stop.wait(pause):
                return None
            pause = min(2 * pause, 30.0)

    def try_one(self, message: Message) -> Taken:
        """Write one message, without keeping it as a letter where it is refused."""
        return self._tried([message], [1])

    def _written(self, messages: Sequence[Message], first: int) -> Taken:
        ours, others = self._sorted(messages, first)
        mapped = self._tried([message for _, message in ours], [n for n, _ in ours])
        refused = sorted((*mapped.refused, *others.refused), key=lambda item: item.line)
        whole = Taken(
            len(messages),
            mapped.written + others.written,
            tuple(refused),
            {**mapped.spans, **others.spans},
            (*mapped.notes, *others.notes),
        )
        lost = [_letter(messages[one.line - first], one, self.source) for one in whole.refused]
        if lost:
            # a message with several values of which some are refused is one letter
            letters = list({(one.topic, one.payload): one for one in lost}.values())
            with self.store.transaction(actor="mqtt") as session:
                keep_letters(session, letters)
        for item in whole.refused:
            _LOG.warning("message refused, and kept as a dead letter: %s", item.reason)
        return whole

    def _sorted(
        self, messages: Sequence[Message], first: int
    ) -> tuple[list[tuple[int, Message]], Taken]:
        """Take out what concerns announced sensors; the rest is for the mapping."""
        numbered = list(enumerate(messages, start=first))
        if not self.mapping.discovery:
            return numbered, Taken(0)
        sensors = self.sensors.with_announcements(messages, self.mapping.discovery)
        self.sensors = sensors
        ours = [(n, one) for n, one in numbered if not sensors.concerns(one, self.mapping)]
        reading = sensors.read(numbered, self.mapping, now=now())
        if not len(reading.data):
            return ours, Taken(0, refused=reading.refused)
        loaded = load_reading(reading, self.store, actor="mqtt")
        notes = clock_doubts(loaded.reading, now(), "message")
        return ours, Taken(0, loaded.written, reading.refused, loaded.spans, notes)

    def _tried(self, messages: Sequence[Message], numbers: Sequence[int]) -> Taken:
        """Write messages; where some of them cannot be, halve until it is known which."""
        if not messages:
            return Taken(0)
        try:
            reading = read_messages(messages, self.mapping)
            loaded = load_reading(reading, self.store, known=self.known, actor="mqtt")
        except StoreError:
            raise
        except Exception as error:  # whatever one message does, the others are kept
            if self.known:  # a datastream may have been deleted since
                self.known.clear()
                return self._tried(messages, numbers)
            if len(messages) == 1:
                return Taken(1, refused=(Refused(numbers[0], _reason(error)),))
            half = len(messages) // 2
            one = self._tried(messages[:half], numbers[:half])
            other = self._tried(messages[half:], numbers[half:])
            return Taken(
                len(messages),
                one.written + other.written,
                one.refused + other.refused,
                {**one.spans, **other.spans},
                (*one.notes, *other.notes),
            )
        self.known.update(loaded.datastreams)
        refused = tuple(Refused(numbers[one.line - 1], one.reason) for one in reading.refused)
        notes = clock_doubts(loaded.reading, now(), "message")
        return Taken(len(messages), loaded.written, refused, loaded.spans, notes)


def _reason(error: Exception) -> str:
    if isinstance(error, HeadwaterError):
        return str(error)
    _LOG.exception("a message could not be read", exc_info=error)
    return f"unexpected {type(error).__name__}: {error}"


def _letter(message: Message, refused: Refused, source: str) -> DeadLetter:
    return DeadLetter(message[0], message[1], refused.reason, source)


def _acknowledge(client: paho.Client, batch: Sequence[_Waiting]) -> None:
    """Say to the broker what the store has.

    A number of an earlier connection may stand for another message by now, which is not kept yet;
    the broker sends such messages again, and again they change nothing.
    """
    for one in batch:
        if one.qos and one.connection == client.user_data_get():
            client.ack(one.mid, one.qos)
