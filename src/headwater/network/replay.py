"""Play recorded stations into a service as if they were alive, at any speed, over HTTP or MQTT.

Time in the record runs `speed` times as fast as ours, but never ahead of ours: once it has caught
up, the stations go on at the pace of the world. What was sent before is not sent again: each series
goes on after the last observation that the service holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.network.client import Client
from headwater.network.store.protocol import now
from headwater.network.times import iso, microseconds

__all__ = [
    "BATCH",
    "Channel",
    "HttpSender",
    "MqttSender",
    "Played",
    "Sender",
    "Station",
    "ensure",
    "play",
]

BATCH = 5000
"""Observations of one request at most."""

_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One series to play.

    Attributes
    ----------
    name : str
        Unlike all others of its station.
    quantity, unit : str
        What is observed, and its unit.
    time : ndarray of int, shape (n,)
        Increasing [µs since 1970, UTC].
    value : ndarray, shape (n,)
        NaN where there is none; then nothing is sent.
    depth : float or None
        Below the surface [m].
    definition : str
        URI of the quantity.
    """

    name: str
    quantity: str
    unit: str
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    depth: float | None = None
    definition: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Station:
    """A station to play; known to the service by its name."""

    name: str
    longitude: float
    latitude: float
    elevation: float
    channels: tuple[Channel, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """How far the record has been played: observations sent, and time in it [µs]."""

    sent: int
    time: int


class Sender(Protocol):
    """Carries observations to the service; when it returns, they are acknowledged."""

    def send(self, batch: Sequence[tuple[int, NDArray[np.int64], NDArray[np.float64]]]) -> None:
        """Send times [µs] and values of some datastreams."""


@dataclass(frozen=True, slots=True)
class HttpSender:
    """Sends tables of observations to ``CreateObservations``.

    Parameters
    ----------
    client : Client
        Of the service; waits and tries again while it is away.
    """

    client: Client

    def send(self, batch: Sequence[tuple[int, NDArray[np.int64], NDArray[np.float64]]]) -> None:
        """Send; an observation that is refused is reported.

        Raises
        ------
        DataError
            If the service refuses any of them.
        """
        body = [
            {
                "Datastream": {"@iot.id": id},
                "components": ["phenomenonTime", "result"],
                "dataArray": [
                    [iso(t), x] for t, x in zip(times.tolist(), values.tolist(), strict=True)
                ],
            }
            for id, times, values in batch
        ]
        answers = self.client.ask("POST", "CreateObservations", body) or []
        refused = [text for text in answers if str(text).startswith("error")]
        if refused:
            wrong = f"the service refused {len(refused)} of {len(answers)} observations"
            raise DataError(
                wrong, found=str(refused[0])[:200], do="Ask for a key of these stations"
            )


class MqttSender:
    """Publishes each observation to ``v1.1/Datastreams(id)/Observations`` with QoS 1.

    Parameters
    ----------
    host : str
        Of the broker.
    port : int
    name : str
        Client identifier, so that the session outlives a lost connection.
    patience : float
        How long to wait for the broker [s].
    """

    def __init__(
        self, host: str, port: int, *, name: str = "headwater-replay", patience: float = 60.0
    ) -> None:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.patience = patience
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._taken: set[int] = set()
        self._client.on_publish = lambda client, data, message, *_: self._taken.add(message)
        self._client.max_inflight_messages_set(500)
        self._client.reconnect_delay_set(1, 5)
        try:
            self._client.connect(host, port)
        except OSError as error:
            do = "Start the broker, or correct the address"
            found = f"{host}:{port}: {error}"
            raise DataError("the broker does not answer", found=found, do=do) from None
        self._client.loop_start()

    def send(self, batch: Sequence[tuple[int, NDArray[np.int64], NDArray[np.float64]]]) -> None:
        """Publish, and wait until the broker has all of them.

        Raises
        ------
        DataError
            If it does not take them in time.
        """
        import json

        waiting = set()
        for id, times, values in batch:
            topic = f"v1.1/Datastreams({id})/Observations"
            for at, value in zip(times.tolist(), values.tolist(), strict=True):
                body = json.dumps({"phenomenonTime": iso(at), "result": value})
                # a message that finds the broker away is kept and goes out when it is back
                waiting.add(self._client.publish(topic, body, qos=1).mid)
        until = time.monotonic() + self.patience
        while not waiting <= self._taken:
            if time.monotonic() > until:
                do = "Start the broker; what it has not taken is sent again"
                raise DataError("the broker does not take what is sent", do=do)
            time.sleep(0.002)
        self._taken.clear()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


def ensure(client: Client, station: Station) -> dict[str, tuple[int, int | None]]:
    """Find a station in the service by its name, or make it.

    Parameters
    ----------
    client : Client
    station : Station

    Returns
    -------
    dict of str to (int, int or None)
        By channel: ``@iot.id`` of its datastream, and the time of its last observation [µs].
    """
    name = station.name.replace("'", "''")
    filtered = quote(f"name eq '{name}'")
    expanded = "$expand=Datastreams($select=id,name,phenomenonTime;$top=1000)"
    found = client.ask("GET", f"Things?$filter={filtered}&{expanded}")["value"]
    if not found:
        client.ask("POST", "Things", _thing(station))
        found = client.ask("GET", f"Things?$filter={filtered}&{expanded}")["value"]
    thing = found[0]
    held = {item["name"]: item for item in thing["Datastreams"]}
    for channel in station.channels:
        if channel.name not in held:
            path = f"Things({thing['@iot.id']})/Datastreams"
            made = client.ask("POST", path, _datastream(client, channel))
            held[channel.name] = {"@iot.id": made["@iot.id"]}
    return {
        channel.name: (int(held[channel.name]["@iot.id"]), _end(held[channel.name]))
        for channel in station.channels
    }


def _thing(station: Station) -> dict[str, Any]:
    at = [station.longitude, station.latitude, station.elevation]
    return {
        "name": station.name,
        "description": station.description or station.name,
        "properties": {"virtual": True},
        "Locations": [
            {
                "name": station.name,
                "description": f"Place of {station.name}",
                "encodingType": "application/geo+json",
                "location": {"type": "Point", "coordinates": at},
            }
        ],
    }


def _datastream(client: Client, channel: Channel) -> dict[str, Any]:
    known = {"definition": channel.definition, "description": channel.quantity.replace("_", " ")}
    return {
        "name": channel.name,
        "description": f"{channel.name} [{channel.unit}]",
        "observationType": _MEASUREMENT,
        "unitOfMeasurement": {"name": channel.unit, "symbol": channel.unit, "definition": ""},
        "properties": {} if channel.depth is None else {"depth": channel.depth},
        "ObservedProperty": _shared(client, "ObservedProperties", channel.quantity, known),
        "Sensor": _shared(
            client,
            "Sensors",
            "virtual sensor",
            {"description": "Plays a record.", "encodingType": "text/plain", "metadata": "none"},
        ),
    }


def _shared(client: Client, kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Link to what another series made, or make it."""
    quoted = name.replace("'", "''")
    filtered = quote(f"name eq '{quoted}'")
    found = client.ask("GET", f"{kind}?$filter={filtered}&$top=1")["value"]
    return {"@iot.id": found[0]["@iot.id"]} if found else {"name": name, **body}


def _end(datastream: dict[str, Any]) -> int | None:
    span = datastream.get("phenomenonTime")
    return microseconds(span.rpartition("/")[2]) if span else None


def play(
    stations: Sequence[Station],
    client: Client,
    sender: Sender,
    *,
    start: int,
    speed: float,
    tick: float = 1.0,
    clock: Callable[[], int] = now,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Played]:
    """Play stations until their records end.

    Parameters
    ----------
    stations : sequence of Station
        What to play.
    client : Client
        Of the service; stations and series are made through it.
    sender : Sender
        Carries the observations.
    start : int
        Where to begin [µs]; where the service holds later observations, after the last of them.
    speed : float
        Seconds of the record in one second of ours.
    tick : float
        Time between two rounds [s].
    clock, pause : callable
        Return the time [µs], and wait [s].

    Yields
    ------
    Played
        After each round.

    Raises
    ------
    DataError
        If the speed is not positive.
    """
    if not speed > 0:
        raise DataError("a speed that leads nowhere", found=f"{speed}", do="Give 1 or more")
    cursors: list[_Cursor] = []
    for station in stations:
        known = ensure(client, station)
        cursors += [_Cursor.begin(c, *known[c.name], start) for c in station.channels]
    end = max(int(cursor.channel.time[-1]) for cursor in cursors)
    begin = max([start, *(cursor.held for cursor in cursors if cursor.held is not None)])
    sent, since = 0, time.monotonic()
    while True:
        at = min(begin + round((time.monotonic() - since) * speed * 1e6), clock(), end)
        for batch in _batches(cursors, at):
            sender.send(batch)
            sent += sum(times.size for _, times, _ in batch)
        yield Played(sent, at)
        if at >= end:
            return
        pause(tick)


@dataclass(slots=True)
class _Cursor:
    """How far a channel has been played."""

    channel: Channel
    id: int
    held: int | None
    next: int

    @classmethod
    def begin(cls, channel: Channel, id: int, held: int | None, start: int) -> _Cursor:
        after = start if held is None else max(start, held + 1)
        return cls(channel, id, held, int(np.searchsorted(channel.time, after)))

    def take(self, at: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        stop = int(np.searchsorted(self.channel.time, at, side="right"))
        span, self.next = slice(self.next, max(stop, self.next)), max(stop, self.next)
        times, values = self.channel.time[span], self.channel.value[span]
        there = np.isfinite(values)
        return times[there], values[there]


def _batches(
    cursors: Sequence[_Cursor], at: int
) -> Iterator[list[tuple[int, NDArray[np.int64], NDArray[np.float64]]]]:
    batch: list[tuple[int, NDArray[np.int64], NDArray[np.float64]]] = []
    size = 0
    for cursor in cursors:
        times, values = cursor.take(at)
        for first in range(0, times.size, BATCH):
            part = slice(first, first + BATCH)
            if size + times[part].size > BATCH and batch:
                yield batch
                batch, size = [], 0
            batch.append((cursor.id, times[part], values[part]))
            size += times[part].size
    if batch:
        yield batch
