"""The query options of an address as values: ``$select``, ``$expand``, ``$filter`` and the others.

References
----------
OGC 18-088, section 9.3 (query options and their order of evaluation).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from headwater.network.sensorthings.errors import NotImplementedHere, WrongRequest
from headwater.network.sensorthings.expression import Expression, read_expression
from headwater.network.sensorthings.model import EntitySet
from headwater.network.sensorthings.model_2 import target_of

__all__ = ["Expansion", "Order", "Query", "read_query", "read_token", "token_of"]

_DEEPEST = 8
_DISTINCT = "distinct:"


@dataclass(frozen=True, slots=True)
class Order:
    """One term of ``$orderby``."""

    expression: Expression
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Expansion:
    """A link to be followed, with the options that hold for what it leads to."""

    link: str
    query: Query


@dataclass(frozen=True, slots=True)
class Query:
    """All options of one collection.

    Attributes
    ----------
    select : tuple of str or None
        Names to keep; None keeps all.
    expand : tuple of Expansion
    filter : Expression or None
    orderby : tuple of Order
    top, skip : int or None
    count : bool
    within : tuple of tuple of str
        Of ``$select``: the parts of properties that alone are wanted, such as
        ``("properties", "slope")``.
    distinct : bool
        Whether ``$select`` asks for each combination of values once.
    format : {"", "dataArray", "CSV", "GeoJSON", "minimal", "none"}
        ``$resultFormat``; of 2.0 how much metadata ``$format`` asks for, all of it where empty.
    after : tuple or None
        Values of the sort keys of the last row of the page before.
    given : tuple of (str, str)
        The options as they were written, for the address of the next page.
    """

    select: tuple[str, ...] | None = None
    expand: tuple[Expansion, ...] = ()
    filter: Expression | None = None
    orderby: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    within: tuple[tuple[str, ...], ...] = ()
    distinct: bool = False
    format: str = ""
    after: tuple[Any, ...] | None = None
    given: tuple[tuple[str, str], ...] = field(default=())


def read_query(text: str, entity: EntitySet) -> Query:
    """Read the part of an address after the question mark.

    Parameters
    ----------
    text : str
        Percent-encoded.
    entity : EntitySet
        What the options speak of.

    Returns
    -------
    Query

    Raises
    ------
    WrongRequest
        If an option is unknown, given twice, or wrong.

    Examples
    --------
    >>> from headwater.network.sensorthings.model import entity_set
    >>> things = entity_set("Things")
    >>> query = read_query("$expand=Datastreams($top=1;$select=name)&$count=true", things)
    >>> query.count, query.expand[0].query.top
    (True, 1)
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        found = f"'{text[:100]}'"
        raise WrongRequest("the query options cannot be decoded", found=found) from None
    return _query(pairs, entity, 0)


def _query(pairs: list[tuple[str, str]], entity: EntitySet, depth: int) -> Query:
    if depth > _DEEPEST:
        raise WrongRequest("$expand is nested too deeply", found=f"over {_DEEPEST} levels")
    query = Query(given=tuple(pairs))
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen:
            raise WrongRequest("an option is given twice", found=name[:40])
        seen.add(name)
        if "\x00" in value:
            raise WrongRequest("a zero byte in an option", found=name[:40])
        query = _with_option(query, name, value, entity, depth)
    return query


def _with_option(query: Query, name: str, value: str, entity: EntitySet, depth: int) -> Query:
    options = _OPTIONS if entity.version == "1.1" else _OPTIONS_2
    reader = options.get(name)
    if reader is None:
        do = "Known: " + ", ".join(option for option in options if option != "$skiptoken")
        raise WrongRequest("an unknown query option", found=f"'{name[:40]}'", do=do)
    attribute, read = reader
    if name == "$select":
        distinct = value.startswith(_DISTINCT)
        if distinct and depth:
            do = "Ask for them at the address of the collection"
            raise NotImplementedHere("distinct: values inside $expand", found=value[:60], do=do)
        value = value.removeprefix(_DISTINCT)
        query = replace(query, within=_parts_selected(value), distinct=distinct)
    return replace(query, **{attribute: read(value, entity, depth)})


def _parts_selected(value: str) -> tuple[tuple[str, ...], ...]:
    """List the parts of properties that are selected; a property named as a whole has none."""
    names = [tuple(part.strip().split("/")) for part in value.split(",")]
    whole = {name[0] for name in names if len(name) == 1}
    return tuple(name for name in names if len(name) > 1 and name[0] not in whole)


def _whole(value: str) -> int:
    if not (value.isascii() and value.isdecimal()) or len(value) > 15:
        raise WrongRequest("$top and $skip are whole numbers from 0", found=f"'{value[:40]}'")
    return int(value)


def _truth(value: str) -> bool:
    if value not in ("true", "false"):
        raise WrongRequest("$count is true or false", found=f"'{value[:40]}'")
    return value == "true"


_FORMATS = {name.lower(): name for name in ("dataArray", "CSV", "GeoJSON", "default")}


def _result_format(value: str, entity: EntitySet, depth: int) -> str:
    found = _FORMATS.get(value.lower())
    if found is None:
        do = f"Known: {', '.join(_FORMATS.values())}"
        raise NotImplementedHere("an unknown $resultFormat", found=f"'{value[:40]}'", do=do)
    if depth or (found == "dataArray" and entity.name != "Observations"):
        raise WrongRequest(f"$resultFormat={found} does not belong here", found=entity.name)
    return "" if found == "default" else found


def _media(value: str, entity: EntitySet, depth: int) -> str:
    """Read ``$format`` of 2.0: JSON with full, minimal or no metadata."""
    media, _, parameter = value.partition(";")
    name, _, level = parameter.strip().partition("=")
    levels = ("full", "minimal", "none")
    sound = name == "metadata" and level in levels if parameter else True
    if media.strip() not in ("json", "application/json") or not sound or depth:
        do = "Write application/json, or application/json;metadata=none"
        raise NotImplementedHere("an unknown $format", found=f"'{value[:40]}'", do=do)
    return "" if level == "full" else level


def _select(value: str, entity: EntitySet) -> tuple[str, ...]:
    names = tuple(part.strip() for part in value.split(","))
    known = {"id", "@iot.id", "@iot.selfLink", "@id", "*", *entity.properties, *entity.links}
    for name in names:
        if name.split("/")[0] not in known:
            raise WrongRequest(
                f"{entity.name} have no '{name[:40]}' to select",
                do="Known: " + ", ".join([*entity.properties, *entity.links]),
            )
    return tuple(name.split("/")[0] for name in names)


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark that stands outside brackets and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for at, sign in enumerate(text):
        if sign == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
        elif sign == mark and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    if depth or quoted:
        raise WrongRequest("a bracket or quote is not closed", found=f"'{text[:100]}'")
    return [*parts, text[start:]]


def _expand(value: str, entity: EntitySet, depth: int) -> tuple[Expansion, ...]:
    found: dict[str, Query] = {}
    for part in _split(value, ","):
        steps = tuple(_expand_step(step) for step in _split(part.strip(), "/"))
        _follow(found, steps, entity, depth)
    return tuple(Expansion(link, query) for link, query in found.items())


_Step = tuple[str, list[tuple[str, str]]]


def _expand_step(text: str) -> _Step:
    """Read one step of ``A(options)/B(options)``: the link, and the options that hold there."""
    name, bracket, inner = text.strip().partition("(")
    if bracket and not inner.endswith(")"):
        raise WrongRequest("something follows the options of $expand", found=f"'{text[:100]}'")
    pairs = [_pair(option) for option in _split(inner[:-1], ";")] if inner[:-1] else []
    return name.strip(), pairs


def _pair(option: str) -> tuple[str, str]:
    name, _, value = option.partition("=")
    return name.strip(), value


def _follow(
    found: dict[str, Query],
    steps: tuple[_Step, ...],
    entity: EntitySet,
    depth: int,
) -> None:
    """Put ``A/B(options)`` where it belongs: into what is expanded of A already, or anew."""
    name, pairs = steps[0]
    link = entity.links.get(name)
    if link is None:
        raise WrongRequest(
            f"{entity.name} have no '{name[:40]}' to expand",
            do="Known: " + ", ".join(entity.links),
        )
    target = target_of(link)
    if len(steps) > _DEEPEST - depth:
        raise WrongRequest(
            "$expand is nested too deeply", found="/".join(step for step, _ in steps)[:100]
        )
    if len(steps) == 1:
        options = _query(pairs, target, depth + 1)
        earlier = found.get(link.name)
        found[link.name] = (
            replace(options, expand=options.expand or earlier.expand) if (earlier) else options
        )
        return
    outer = _query(pairs, target, depth + 1) if pairs else found.get(link.name, Query())
    inner = {entry.link: entry.query for entry in outer.expand}
    _follow(inner, steps[1:], target, depth + 1)
    expand = tuple(Expansion(name, query) for name, query in inner.items())
    found[link.name] = replace(outer, expand=expand)


def _orderby(value: str) -> tuple[Order, ...]:
    orders = []
    for part in _split(value, ","):
        words = part.strip().rsplit(None, 1)
        direction = words[-1].lower() if len(words) == 2 else ""
        text = words[0] if direction in ("asc", "desc") else part.strip()
        orders.append(Order(read_expression(text), direction == "desc"))
    if len(orders) > 10:
        raise WrongRequest("too many terms in $orderby", found=str(len(orders)))
    return tuple(orders)


def token_of(values: tuple[Any, ...]) -> str:
    """Write the sort keys of a row as the ``$skiptoken`` of the page after it.

    Examples
    --------
    >>> read_token(token_of((1, 2.5, "name", None)))
    (1, 2.5, 'name', None)
    """
    text = json.dumps(values, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(text: str) -> tuple[Any, ...]:
    """Read a ``$skiptoken``.

    Raises
    ------
    WrongRequest
        If this service has not written it.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        values = json.loads(base64.b64decode(padded.encode("ascii"), b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        values = None
    scalars = (int, float, str, bool, type(None))
    sound = isinstance(values, list) and all(isinstance(value, scalars) for value in values)
    if not sound or any(abs(v) >= 2**63 for v in values if isinstance(v, int | float)):
        raise WrongRequest("$skiptoken is none of ours", found=f"'{text[:40]}'")
    if any("\x00" in value for value in values if isinstance(value, str)):
        raise WrongRequest("$skiptoken is none of ours", found=f"'{text[:40]}'")
    return tuple(values)


_OPTIONS: dict[str, tuple[str, Callable[[str, EntitySet, int], Any]]] = {
    "$select": ("select", lambda value, entity, depth: _select(value, entity)),
    "$expand": ("expand", _expand),
    "$filter": ("filter", lambda value, entity, depth: read_expression(value)),
    "$orderby": ("orderby", lambda value, entity, depth: _orderby(value)),
    "$top": ("top", lambda value, entity, depth: _whole(value)),
    "$skip": ("skip", lambda value, entity, depth: _whole(value)),
    "$count": ("count", lambda value, entity, depth: _truth(value)),
    "$resultFormat": ("format", _result_format),
    "$skiptoken": ("after", lambda value, entity, depth: read_token(value)),
}
#: What 2.0 has in the place of $resultFormat.
_OPTIONS_2 = {n: reader for n, reader in _OPTIONS.items() if n != "$resultFormat"} | {
    "$format": ("format", _media)
}
