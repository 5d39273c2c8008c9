"""Messages of a broker, or bodies of requests, read by the same mapping as files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from headwater.network.ingest.mapping import Mapping, fields_of
from headwater.network.ingest.parsed_file import Reading, Refused, settle
from headwater.network.ingest.table import Table, tabulate

__all__ = ["Message", "read_messages"]

Message = tuple[str, bytes]
"""Topic and payload."""


def read_messages(messages: Sequence[Message], mapping: Mapping, *, first: int = 1) -> Reading:
    """Read messages whose payload is a JSON object, or a list of them.

    Members of the object and the parts of the topic that the mapping names in braces are the
    columns.

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
    >>> told = read_messages([("soil/Upper/0.1", b'{"time": "2026-07-01T00:00Z", "value": 31}'),
    ...                       ("soil/Upper/0.1", b"31")], mapping)
    >>> list(told.series), [str(item) for item in told.refused]
    (['Upper / Soil moisture at 0.1 m'], ['line:2: not a JSON object with a time'])
    """
    rows: list[dict[str, Any]] = []
    at: list[int] = []
    refused = []
    for number, (topic, payload) in enumerate(messages, start=first):
        try:
            held = json.loads(payload)
            parts = _parts(topic, mapping.topic)
            found = [{**parts, **one} for one in (held if isinstance(held, list) else [held])]
        except _Stranger:
            refused.append(
                Refused(number, f"a topic that the mapping does not know: {topic}"[:200])
            )
            continue
        except (ValueError, TypeError, RecursionError):
            refused.append(Refused(number, "not a JSON object with a time"))
            continue
        rows += found
        at += [number] * len(found)
    names = dict.fromkeys(key for row in rows for key in row) | dict.fromkeys(_wanted(mapping))
    columns = {name: [_text(row.get(name)) for row in rows] for name in names}
    told = tabulate(Table(columns, np.array(at, dtype=np.int64)), mapping)
    both = tuple(sorted((*told.refused, *refused), key=lambda item: item.line))
    return settle(replace(told, lines=told.lines + len(refused), refused=both), "")


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


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
