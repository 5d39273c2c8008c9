"""Pull what another SensorThings server has and we do not, page by page.

Written for version 1.1 and 1.0 of the standard, of which it uses $expand, $filter on
phenomenonTime, $orderby and @iot.nextLink.

References
----------
OGC SensorThings API Part 1: Sensing, version 1.1, OGC 18-088, section 9.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import numpy as np
import pandas as pd

from headwater.errors import InputError, TimeAxisError, UnitError
from headwater.glossary import GLOSSARY
from headwater.network.entities import Written
from headwater.network.ingest.clocks import clock_doubts
from headwater.network.ingest.load import load_reading
from headwater.network.ingest.parsed_file import (
    Place,
    Reading,
    Refused,
    Series,
    one_category,
    settle,
)
from headwater.network.inventory import list_series, role_of
from headwater.network.store.protocol import Store, now
from headwater.network.times import DAY, iso, microseconds
from headwater.units import convert

__all__ = ["Pulled", "pull"]

_EXPAND = "Locations,Datastreams($expand=Sensor,ObservedProperty)"
_PAGE = 1000
_LARGEST = 64 * 1024 * 1024
"""Bytes of one page."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of one datastream of the other server.

    Attributes
    ----------
    thing, name : str
    written : Written
    refused : tuple of Refused
        Lines are numbers of observations, in order of time.
    spans : dict of tuple of int
        First and last time, by datastream of ours [µs].
    notes : tuple of str
        What else was seen: observations of the future.
    error : str
        Why the whole datastream could not be taken.
    """

    thing: str
    name: str
    written: Written
    refused: tuple[Refused, ...] = ()
    spans: dict[int, tuple[int, int]] | None = None
    notes: tuple[str, ...] = ()
    error: str = ""


def pull(
    address: str,
    store: Store,
    *,
    key: str | None = None,
    overlap: float = 2.0,
    since: str | None = None,
    things: str | None = None,
    timeout: float = 60.0,
) -> list[Pulled]:
    """Take stations, datastreams and observations from another server.

    Parameters
    ----------
    address : str
        Of its root, such as ``https://example.org/FROST-Server/v1.1``.
    store : Store
    key : str, optional
        Sent as ``Authorization: Bearer``.
    overlap : float
        Days before the newest observation that we have, which are asked for again, for what came
        late there [d].
    since : str, optional
        Take nothing before this time, ISO 8601 with a zone.
    things : str, optional
        A ``$filter`` on Things.
    timeout : float
        Of one request [s].

    Returns
    -------
    list of Pulled

    Raises
    ------
    InputError
        If the server does not answer, or not in the words of the standard.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        do = "Write it as https://host/path/v1.1"
        raise InputError("not the address of a service", found=f"'{address}'", do=do)
    server = _Server(address.rstrip("/"), key, timeout)
    first = None if since is None else microseconds(since)
    with store.transaction(read_only=True) as session:
        newest = {(one.thing, one.name): one.last for one in list_series(session, derived=True)}
    options = {"$expand": _EXPAND, "$top": "100"} | ({"$filter": things} if things else {})
    reported = []
    for thing in server.pages(f"{server.root}/Things?{_encoded(options)}"):
        place = _place(thing)
        for stream in _datastreams(server, thing):
            name = str(stream.get("name") or stream.get("@iot.id"))
            last = newest.get((place.name, name))
            start = None if last is None else last - round(overlap * DAY)
            start = max((at for at in (start, first) if at is not None), default=None)
            reported.append(_pulled(server, store, place, stream, start))
    return reported


def _encoded(options: dict[str, str]) -> str:
    return urlencode(options, quote_via=quote, safe="$(),=")


@dataclass(frozen=True, slots=True)
class _Server:
    """Where requests go, and nowhere else."""

    root: str
    key: str | None
    timeout: float

    def pages(self, address: str) -> Iterator[dict[str, Any]]:
        """Entities of a collection, over all its pages."""
        seen = set()
        while address and address not in seen:
            seen.add(address)
            page = self.get(address)
            values = page.get("value")
            if not isinstance(values, list):
                raise InputError(
                    "the server does not answer in the words of SensorThings",
                    found=json.dumps(page)[:120],
                    do="Give the address that ends with /v1.1 or /v1.0",
                )
            yield from (one for one in values if isinstance(one, dict))
            link = page.get("@iot.nextLink")
            address = self._ours(urljoin(address, link)) if isinstance(link, str) else ""

    def _ours(self, link: str) -> str:
        """Keep to the server that was named: behind a proxy, links often name another."""
        there, here = urlsplit(link), urlsplit(self.root)
        return there._replace(scheme=here.scheme, netloc=here.netloc).geturl()

    def get(self, address: str) -> dict[str, Any]:
        """Ask, and again where the server is busy."""
        headers = {"Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(address, headers=headers)
        for attempt in range(4):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    content = answer.read(_LARGEST + 1)
                break
            except urllib.error.HTTPError as error:
                why, again = f"{error.code} {error.reason}", error.code in (429, 502, 503, 504)
                error.close()
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                why, again = str(getattr(error, "reason", error)), True
            if not again or attempt == 3:
                do = "Check the address, the key, and whether the server is up"
                raise InputError(f"the server does not give {address}", found=why, do=do)
            time.sleep(0.5 * 2**attempt)
        return _object(content, address)


def _object(content: bytes, address: str) -> dict[str, Any]:
    try:
        if len(content) > _LARGEST:
            raise ValueError(f"over {_LARGEST} bytes")
        held = json.loads(content)
        if not isinstance(held, dict):
            raise ValueError(f"a {type(held).__name__}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{address} is no page of SensorThings", found=str(error)) from None
    return held


def _datastreams(server: _Server, thing: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All datastreams of a thing: those of the first page, and of those after it."""
    yield from (one for one in thing.get("Datastreams", ()) if isinstance(one, dict))
    link = thing.get("Datastreams@iot.nextLink")
    if isinstance(link, str):
        yield from server.pages(server._ours(urljoin(server.root + "/", link)))


def _place(thing: dict[str, Any]) -> Place:
    called = str(thing.get("name") or thing.get("@iot.id"))
    point: Any = {}
    for location in thing.get("Locations", ())[:1]:
        point = location.get("location") or {}
        point = point.get("geometry", point) if isinstance(point, dict) else {}
    held = point.get("coordinates", []) if isinstance(point, dict) else []
    known = point.get("type") == "Point" if isinstance(point, dict) else False
    numbers = [float(number) for number in held[:3]] if known else []
    longitude, latitude, elevation = [*numbers, None, None, None][:3]
    properties = thing.get("properties")
    return Place(
        name=called,
        latitude=latitude,
        longitude=longitude,
        elevation=elevation,
        description=str(thing.get("description") or ""),
        properties=properties if isinstance(properties, dict) else {},
    )


def _pulled(
    server: _Server, store: Store, place: Place, stream: dict[str, Any], start: int | None
) -> Pulled:
    """Take one datastream; what is wrong with it keeps no other from coming."""
    name = str(stream.get("name") or stream.get("@iot.id"))
    try:
        item, unit = _series(place, stream, server.root)
        reading = _observations(server, stream, item, unit, start)
        loaded = load_reading(replace(reading, places={place.name: place}), store, actor="pull")
    except InputError as error:
        return Pulled(place.name, name, Written(), error=str(error))
    notes = clock_doubts(loaded.reading, now(), "observation")
    return Pulled(place.name, name, loaded.written, reading.refused, loaded.spans, notes)


def _series(place: Place, stream: dict[str, Any], root: str) -> tuple[Series, str]:
    observed, sensor = stream.get("ObservedProperty") or {}, stream.get("Sensor") or {}
    role = role_of(str(observed.get("name", "")), str(observed.get("definition", "")))
    measured = stream.get("unitOfMeasurement") or {}
    unit = str(measured.get("symbol") or measured.get("name") or "")
    held = stream.get("properties")
    properties = dict(held) if isinstance(held, dict) else {}
    depth = properties.get("depth")
    term = GLOSSARY.get(role)
    ours = unit
    if term is not None:
        try:
            convert(0.0, unit, term.units)
            ours = term.units
        except UnitError:
            role = f"{role} [{unit}]"  # kept as it is, and not taken for what it is called
    item = Series(
        thing=place.name,
        name=str(stream.get("name") or stream.get("@iot.id")),
        quantity=role,
        unit=ours,
        depth=float(depth) if isinstance(depth, int | float) else None,
        sensor=str(sensor.get("name") or ""),
        properties={**properties, "source": f"{root}/Datastreams({_quoted(stream['@iot.id'])})"},
    )
    return item, unit


def _quoted(id: object) -> str:
    return f"'{id}'" if isinstance(id, str) else str(id)


def _observations(
    server: _Server, stream: dict[str, Any], item: Series, unit: str, start: int | None
) -> Reading:
    options = {
        "$select": "phenomenonTime,result",
        "$orderby": "phenomenonTime asc",
        "$top": str(_PAGE),
    }
    if start is not None:
        options["$filter"] = f"phenomenonTime ge {iso(start)}"
    address = f"{server.root}/Datastreams({quote(_quoted(stream['@iot.id']))})/Observations"
    times, values, line, refused, n = [], [], [], [], 0
    for one in server.pages(f"{address}?{_encoded(options)}"):
        n += 1
        try:
            times.append(microseconds(str(one.get("phenomenonTime")).split("/", maxsplit=1)[0]))
            values.append(_number(one.get("result")))
            line.append(n)
        except TimeAxisError as error:
            refused.append(Refused(n, f"{error.wrong}: {error.found}", item.key))
        except ValueError:
            del times[-1]
            found = repr(one.get("result"))[:80]
            refused.append(Refused(n, f"the result is not a number: {found}", item.key))
    value = np.array(values, dtype=np.float64)
    if unit != item.unit:
        value = np.round(convert(value, unit, item.unit), 12)
    when = np.array(times, dtype="datetime64[us]")
    data = pd.DataFrame(
        {
            "series": one_category(item.key, len(times)),
            "time": pd.DatetimeIndex(when).tz_localize("UTC"),
            "value": value,
            "flag": np.full(len(times), None, dtype=object),
            "line": np.array(line, dtype=np.int64),
        }
    )
    reported = Reading(data, {item.key: item}, lines=n, kept=len(times), refused=tuple(refused))
    return settle(reported, item.key)


def _number(result: object) -> float:
    if result is None:
        return float("nan")
    number = float(result) if isinstance(result, int | float | str) else float("inf")
    if isinstance(result, bool) or not (np.isfinite(number) or np.isnan(number)):
        raise ValueError
    return number
