"""Addresses of entities: ``Things(1)/Datastreams(2)/Observations`` as a value.

References
----------
OGC 18-088, section 9.2 (resource paths).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from headwater.network.sensorthings.errors import NotFound
from headwater.network.sensorthings.model import ENTITY_SETS, EntitySet, Link
from headwater.network.sensorthings.model_2 import target_of

__all__ = ["Address", "Key", "Step", "identifier", "key_of", "key_text", "read_address", "read_key"]

#: Key of an entity: (id,), or (datastream, start [µs], variant) for an observation.
Key = tuple[int, ...]
Tail = Literal["", "$ref", "$value"]

_SEGMENT = re.compile(r"([A-Za-z]+)(?:\((.*)\))?", re.DOTALL)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Step:
    """One segment: a set that one enters by name or through a link, and perhaps a key in it."""

    entity: EntitySet
    link: Link | None = None
    key: Key | None = None

    @property
    def single(self) -> bool:
        """Say whether this step leads to one entity rather than to a collection."""
        return self.key is not None or (self.link is not None and bool(self.link.one))


@dataclass(frozen=True, slots=True)
class Address:
    """A path through the model.

    Attributes
    ----------
    steps : tuple of Step
    within : tuple of str
        Property of the last entity and names inside its JSON.
    tail : str
        ``$ref``, ``$value`` or nothing.
    """

    steps: tuple[Step, ...]
    within: tuple[str, ...] = ()
    tail: Tail = ""

    @property
    def last(self) -> Step:
        """Give the step that the address ends with."""
        return self.steps[-1]


def key_of(entity: EntitySet, row: tuple[int, ...]) -> Key:
    """Take the key from the head of a row."""
    return tuple(row[: len(entity.key)])


def key_text(key: Key) -> str:
    """Write a key as the address shows it.

    Examples
    --------
    >>> key_text((7,)), key_text((7, 1000, 0)), key_text((7, 1000, 5))
    ('7', "'7@1000'", "'7@1000@5'")
    """
    return str(key[0]) if len(key) == 1 else f"'{identifier(key)}'"


def identifier(key: Key) -> int | str:
    """Write a key as ``@iot.id``; the variant 0, which most observations have, is left out.

    Examples
    --------
    >>> identifier((7,)), identifier((7, 1000, 0))
    (7, '7@1000')
    """
    if len(key) == 1:
        return key[0]
    return "@".join(map(str, key if key[2] else key[:2]))


def read_key(entity: EntitySet, value: object) -> Key:
    """Read an identifier, from an address or from ``@iot.id``.

    Parameters
    ----------
    entity : EntitySet
    value : object
        A whole number, or text such as ``7``, ``7@1000`` or ``7@1000@5``, without quotes.

    Returns
    -------
    tuple of int

    Raises
    ------
    NotFound
        If nothing can have such an identifier.
    """
    text = value if isinstance(value, str) else str(value)
    parts = text.split("@")
    if len(entity.key) == 3 and len(parts) == 2:
        parts.append("0")
    sound = len(parts) == len(entity.key) and not isinstance(value, bool | float)
    if not sound or not all(re.fullmatch(r"-?[0-9]{1,19}", part) for part in parts):
        raise NotFound(f"no such {entity.singular}", found=f"identifier {text[:40]!r}")
    key = tuple(int(part) for part in parts)
    if any(abs(part) > _LARGEST for part in key):
        raise NotFound(f"no such {entity.singular}", found=f"identifier {text[:40]!r}")
    return key


def read_address(path: str, sets: Mapping[str, EntitySet] = ENTITY_SETS) -> Address:
    """Read the path of a request below the root of the service.

    Parameters
    ----------
    path : str
        Without percent-encoding, with or without a slash at either end.
    sets : mapping of str to EntitySet
        What a path may start from.

    Returns
    -------
    Address

    Raises
    ------
    NotFound
        If the model knows no such path.

    Examples
    --------
    >>> address = read_address("Things(1)/Datastreams(2)/unitOfMeasurement/symbol")
    >>> address.last.key, address.within
    ((2,), ('unitOfMeasurement', 'symbol'))
    """
    segments = path.strip("/").split("/")
    if len(segments) > 30:
        raise NotFound("the path is too long", found=f"{len(segments)} segments")
    steps: list[Step] = []
    while segments:
        step = _step(steps[-1] if steps else None, segments[0], sets)
        if step is None:
            break
        steps.append(step)
        segments.pop(0)
    if not steps:
        raise _unknown(path, sets)
    return _ending(steps, segments, path, sets)


def _unknown(path: str, sets: Mapping[str, EntitySet]) -> NotFound:
    do = "Start from one of: " + ", ".join(sets)
    return NotFound("no such address", found=f"'{path[:200]}'", do=do)


def _step(previous: Step | None, segment: str, sets: Mapping[str, EntitySet]) -> Step | None:
    match = _SEGMENT.fullmatch(segment)
    if match is None:
        return None
    name, inside = match.groups()
    link = None
    if previous is None:
        entity = sets.get(name)
    else:
        link = previous.entity.links.get(name) if previous.single else None
        entity = target_of(link) if link else None
    if entity is None:
        return None
    if inside is None:
        return Step(entity, link)
    if link is not None and link.one:
        raise NotFound(f"{name} is one entity and takes no key", found=f"'{segment[:60]}'")
    quoted = len(inside) >= 2 and inside[0] == inside[-1] == "'"
    return Step(entity, link, read_key(entity, inside[1:-1] if quoted else inside))


def _ending(
    steps: list[Step], segments: list[str], path: str, sets: Mapping[str, EntitySet]
) -> Address:
    tail: Tail = ""
    if segments and segments[-1] in ("$ref", "$value"):
        tail = "$ref" if segments.pop() == "$ref" else "$value"
    last = steps[-1]
    if not segments:
        if tail == "$value":
            raise NotFound("$value follows a property", found=f"'{path[:200]}'")
        return Address(tuple(steps), (), tail)
    known = {"id", "@iot.id", "@iot.selfLink", *last.entity.properties}
    if tail == "$ref" or not last.single or segments[0] not in known:
        raise _unknown(path, sets)
    return Address(tuple(steps), tuple(segments), tail)
