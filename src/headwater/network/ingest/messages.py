"""Messages of a broker, or bodies of requests, read by the same mapping as files."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from headwater.errors import DataError, HeadwaterError
from headwater.network.ingest.decoders import decode_records
from headwater.network.ingest.mapping import Mapping, fields_of
from headwater.network.ingest.parsed_file import Reading, Refused, settle
from headwater.network.ingest.table import Table, tabulate
from headwater.network.times import iso

__all__ = ["Message", "nested", "read_messages"]

Message = tuple[str, bytes]
"""Topic and payload."""
_PORTS = ("f_port", "fPort", "FPort", "fport", "port")
"""Names under which network servers give the port, next to the bytes."""
_NOTHING = object()


def read_messages(messages: Sequence[Message], mapping: Mapping, *, first: int = 1) -> Reading:
    """Read messages whose payload is a JSON object, or a list of them.

    Members of the object and the parts of the topic that the mapping names in braces are the
    columns. A name with dots leads into nested objects and lists, such as
    ``uplink_message.decoded_payload.water_SOIL`` or ``rxInfo.0.rssi``. Where the mapping names a
    decoder, the bytes under ``payload`` are decoded and their values are columns, too; readings
    that a probe had stored are rows of their own, at their own times. A message that has none of
    the values asked for is refused: a name that is spelt wrong must not swallow what comes.

    Parameters
    ----------
    messages : sequence of (str, bytes)
    mapping : Mapping
    first : int
        Number of the first message, for the report.

    Returns
    -------
    Reading
        Lines are numbers of messages.

    Examples
    --------
    >>> from headwater.network.ingest.mapping import parse_mapping
    >>> series = {"column": "value", "thing": "{station}", "property": "soil_moisture",
    ...           "unit": "vol%", "depth": "{depth}"}
    >>> mapping = parse_mapping({"mqtt": {"topic": "soil/{station}/{depth}"}, "series": [series]})
    >>> reading = read_messages([("soil/Upper/0.1", b'{"time": "2026-07-01T00:00Z", "value": 31}'),
    ...                          ("soil/Upper/0.1", b"31")], mapping)
    >>> list(reading.series), [str(item) for item in reading.refused]
    (['Upper / Soil moisture at 0.1 m'], ['line:2: not a JSON object with a time'])
    """
    found = _Rows()
    wanted = _wanted(mapping)
    for number, (topic, payload) in enumerate(messages, start=first):
        try:
            parts = _parts(topic, mapping.topic)
            rows = [{**row, **parts} for row in _objects(payload, mapping)]
            _insist_on_values(rows, mapping)
        except _Stranger:
            reason = f"a topic that the mapping does not know: {topic}"[:200]
            found.refused.append(Refused(number, reason))
            continue
        except HeadwaterError as error:
            found.refused.append(Refused(number, str(error)[:300]))
            continue
        except (ValueError, TypeError, RecursionError):
            found.refused.append(Refused(number, "not a JSON object with a time"))
            continue
        found.rows.extend(
            [{**{name: nested(row, name) for name in wanted}, **parts} for row in rows]
        )
        found.at.extend([number] * len(rows))
    return _tabulated(found, wanted, mapping)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the messages hold, with their numbers, and those that cannot be read."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def _tabulated(found: _Rows, wanted: Sequence[str], mapping: Mapping) -> Reading:
    names = dict.fromkeys(key for row in found.rows for key in row) | dict.fromkeys(wanted)
    columns = {name: [_text(row.get(name)) for row in found.rows] for name in names}
    reading = tabulate(Table(columns, np.array(found.at, dtype=np.int64)), mapping)
    both = tuple(sorted((*reading.refused, *found.refused), key=lambda item: item.line))
    lines = reading.lines + len(found.refused)
    return settle(replace(reading, lines=lines, refused=both), "")


def _objects(payload: bytes, mapping: Mapping) -> list[dict[str, Any]]:
    """Read the objects of a message, with what their bytes decode to."""
    held = json.loads(payload)
    objects = held if isinstance(held, list) else [held]
    if not all(isinstance(one, dict) for one in objects):
        raise TypeError
    if not mapping.decoder:
        return objects
    return [row for one in objects for row in _decoded(one, mapping)]


def _decoded(held: dict[str, Any], mapping: Mapping) -> list[dict[str, Any]]:
    """Add what the bytes decode to; a row for the present, and one for each stored reading."""
    around = nested(held, mapping.payload.rpartition(".")[0]) if "." in mapping.payload else held
    inside = around if isinstance(around, dict) else {}
    port = next((inside[name] for name in _PORTS if isinstance(inside.get(name), int)), None)
    payload = _bytes_of(nested(held, mapping.payload))
    rows = []
    for time, values in decode_records(mapping.decoder, payload, port):
        row = {**held, **values}
        if time is not None:
            if len(mapping.time) != 1 or mapping.time_format:
                raise DataError(
                    "stored readings of a probe, whose times the mapping has no place for",
                    found=f"columns = {list(mapping.time)}, format = {mapping.time_format}",
                    do="Name one column of times in ISO 8601 under [time]",
                )
            row[mapping.time[0]] = iso(time * 1_000_000)
        rows.append(row)
    return rows


def _insist_on_values(rows: Sequence[dict[str, Any]], mapping: Mapping) -> None:
    """Refuse a message without any of the values that the mapping asks for."""
    asked = list(dict.fromkeys(rule.column for rule in mapping.rules))
    for row in rows:
        if asked and all(_member(row, name) is _NOTHING for name in asked):
            raise DataError(
                "none of the values that the mapping asks for",
                found=", ".join(list(row)[:8]) or "an empty object",
                do=f"It asks for {', '.join(asked[:8])}",
            )


def _bytes_of(value: object) -> bytes:
    """Read bytes that a server has written as hexadecimal digits or in base64."""
    if isinstance(value, list):
        return bytes(value)
    if not isinstance(value, str):
        raise TypeError
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", value):
        return bytes.fromhex(value)
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError("no bytes") from None


def nested(held: object, name: str) -> Any:
    """Find a member by its name, or by names with dots between that lead into objects and lists.

    Parameters
    ----------
    held : dict
    name : str

    Returns
    -------
    object
        None where there is none.

    Examples
    --------
    >>> nested({"object": {"soil": [{"water": 23.4}]}}, "object.soil.0.water")
    23.4
    >>> nested({"a.b": 1}, "a.b"), nested({"a": 1}, "a.b")
    (1, None)
    """
    found = _member(held, name)
    return None if found is _NOTHING else found


def _member(held: object, name: str) -> Any:
    """Find a member; what is there and null is another thing than what is not there."""
    if isinstance(held, dict) and name in held:
        return held[name]
    first, dot, rest = name.partition(".")
    while dot:
        if isinstance(held, dict) and first in held:
            return _member(held[first], rest)
        if isinstance(held, list) and first.isdecimal():
            return _member(held[int(first)], rest) if int(first) < len(held) else _NOTHING
        more, dot, rest = rest.partition(".")
        first = f"{first}.{more}"
    if isinstance(held, list) and name.isdecimal() and int(name) < len(held):
        return held[int(name)]
    return _NOTHING


class _Stranger(ValueError):
    """A topic that the mapping has no place for."""


@lru_cache(maxsize=65536)
def _parts(topic: str, template: str) -> dict[str, str]:
    """Take from a topic what its template names."""
    if not template:
        return {}
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
    found = re.fullmatch(pattern, topic)
    if found is None:
        raise _Stranger
    return found.groupdict()


def _wanted(mapping: Mapping) -> list[str]:
    """All columns that the mapping names: what a message lacks is a blank."""
    named = list(mapping.time)
    for rule in mapping.rules:
        named += [rule.column, *rule.where, *([rule.flag] if rule.flag else [])]
        named += [name for text in rule.templates() for name in fields_of(text)]
    return named


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
