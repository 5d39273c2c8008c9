"""Read entities: one, a collection, a property, with all that ``$expand`` asks for.

An expansion costs one statement per level and 200 parents, never one per entity.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

from headwater.network.sensorthings.address import Address, Key, Step, identifier, key_text
from headwater.network.sensorthings.context import Context
from headwater.network.sensorthings.errors import NotFound, WrongRequest
from headwater.network.sensorthings.filter_to_sql import row_condition
from headwater.network.sensorthings.model import EntitySet, Link, Property
from headwater.network.sensorthings.model_2 import target_of
from headwater.network.sensorthings.paging import (
    Row,
    count_of,
    counts_of,
    linked_to,
    next_link,
    pages_of,
    rank_in,
    read_page,
)
from headwater.network.sensorthings.query import Expansion, Query, token_of
from headwater.network.sensorthings.shape_2 import as_in_2
from headwater.network.sensorthings.values import TRUE, Sql
from headwater.network.times import iso

__all__ = [
    "Place",
    "collection",
    "entity_matching",
    "entity_of",
    "locate",
    "rows_of",
    "value_of",
]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address leads: one entity, or a collection and where it was reached from.

    Attributes
    ----------
    entity : EntitySet
    key : tuple of int or None
        Of one entity; None is a collection.
    link : Link or None
        The link that led here.
    parent : tuple of int or None
        Key of the entity one came from.
    source : EntitySet or None
        What that entity is.
    """

    entity: EntitySet
    key: Key | None = None
    link: Link | None = None
    parent: Key | None = None
    source: EntitySet | None = None

    @property
    def base(self) -> Sql:
        """Write the condition on ``t`` that makes the collection."""
        if self.link is None or self.parent is None or self.link.one:
            return TRUE
        return linked_to(self.link, self.parent[0])


_EXACT = 2.0**53
"""Below it a float is the number that was sent."""


def _keyed(entity: EntitySet, key: Key) -> Sql:
    return Sql(" AND ".join(f"t.{column} = ?" for column in entity.key), key)


def locate(context: Context, address: Address) -> Place:
    """Follow an address from entity to entity.

    Raises
    ------
    NotFound
        If an entity on the way is not there.
    """
    place: Place | None = None
    for step in address.steps:
        place = _stepped(context, place, step)
    assert place is not None
    return place


def _stepped(context: Context, place: Place | None, step: Step) -> Place:
    entity, link = step.entity, step.link
    parent, source = (place.key, place.entity) if place else (None, None)
    if link is not None and link.one:
        assert place is not None
        assert parent is not None
        return Place(entity, _target(context, place, link), link, parent, source)
    here = Place(entity, step.key, link, parent, source)
    if step.key is None:
        return here
    where = f"({here.base.text}) AND " + _keyed(entity, step.key).text
    if entity.where:
        where += f" AND {entity.where.format(t='t')}"
    sql = f"SELECT 1 FROM {entity.table} t WHERE {where}"
    if context.session.rows(sql, (*here.base.parameters, *step.key)):
        return here
    moved = _moved(context, step.key) if entity.name == "Observations" else None
    if moved is not None and context.session.rows(sql, (*here.base.parameters, *moved)):
        return replace(here, key=moved)
    raise NotFound(f"no such {entity.singular}", found=f"{entity.name}({key_text(step.key)})")


def _moved(context: Context, key: Key) -> Key | None:
    """Say where an observation went whose time, datastream or feature has been changed."""
    sql = (
        "SELECT datastream_id, time, variant FROM moved_observations"
        " WHERE old_datastream_id = ? AND old_time = ? AND old_variant = ?"
    )
    rows = context.session.rows(sql, key)
    return tuple(rows[0]) if rows else None


def _target(context: Context, place: Place, link: Link) -> Key:
    assert place.key is not None
    target = target_of(link)
    keyed = " AND ".join(f"s.{column} = ?" for column in place.entity.key)
    rows = context.session.rows(
        f"SELECT t.id FROM {place.entity.table} s, {target.table} t"
        f" WHERE {keyed} AND {row_condition(link, 's', 't')}",
        place.key,
    )
    if not rows:
        found = f"{place.entity.name}({key_text(place.key)})"
        raise NotFound(f"this {place.entity.singular} has no {link.name}", found=found)
    return (rows[0][0],)


def entity_matching(context: Context, entity: EntitySet, key: Key, query: Query) -> Json | None:
    """Read one entity as options ask for it; None where its ``$filter`` leaves it out."""
    page = read_page(context, entity, _keyed(entity, key), replace(query, orderby=(), top=1))
    rows = rows_of(context, entity, page.rows, query)
    return rows[0] if rows else None


def entity_of(context: Context, place: Place, query: Query) -> Json:
    """Read one entity.

    Raises
    ------
    WrongRequest
        If options of collections were given.
    """
    if query.filter or query.orderby or query.top is not None or query.skip or query.count:
        raise WrongRequest("$filter, $orderby, $top, $skip and $count are for collections")
    assert place.key is not None
    page = read_page(context, place.entity, _keyed(place.entity, place.key), query)
    if not page.rows:
        raise NotFound(f"no such {place.entity.singular}", found=key_text(place.key))
    return rows_of(context, place.entity, page.rows, query)[0]


def collection(context: Context, place: Place, query: Query, path: str) -> Json:
    """Read one page of a collection.

    Parameters
    ----------
    context : Context
    place : Place
    query : Query
    path : str
        Address below the root, for the link to the next page.

    Returns
    -------
    dict
        ``@iot.count`` where asked for, ``@iot.nextLink`` where more follows, ``value``.
    """
    answer: Json = {}
    parent = place.parent[0] if place.parent else None
    if query.count:
        answer["@iot.count"] = count_of(context, place.entity, query, place.link, parent)
    rank = rank_in(place.link, parent) if place.link and parent is not None else None
    page = read_page(context, place.entity, place.base, query, rank)
    if page.after:
        answer["@iot.nextLink"] = next_link(
            f"{context.root}/{path}", query, "$skiptoken", token_of(page.after)
        )
    answer["value"] = rows_of(context, place.entity, page.rows, query)
    return answer


def rows_of(context: Context, entity: EntitySet, rows: Sequence[Row], query: Query) -> list[Json]:
    """Write rows as the JSON of their entities, with what is expanded.

    Parameters
    ----------
    context : Context
    entity : EntitySet
    rows : sequence of dict
        By column.
    query : Query

    Returns
    -------
    list of dict
    """
    hidden = _absent_streams(context, entity, rows)
    render = _renderer(context, entity, query, hidden)
    items = [render(row) for row in rows]
    if entity.version != "1.1":
        as_in_2(context, entity, rows, items)
    for expansion in query.expand:
        _expand(context, entity, rows, items, expansion)
    return items


def _absent_streams(context: Context, entity: EntitySet, rows: Sequence[Row]) -> dict[int, str]:
    """Name the link that an observation does not have, by datastream."""
    if entity.name != "Observations" or entity.version != "1.1" or not rows:
        return {}
    ids = list({row["datastream_id"] for row in rows})
    marks = ", ".join("?" * len(ids))
    sql = f"SELECT id, multi FROM datastreams WHERE id IN ({marks})"
    found = context.session.rows(sql, ids)
    return {id: "Datastream" if multi else "MultiDatastream" for id, multi in found}


def _renderer(
    context: Context, entity: EntitySet, query: Query, hidden: dict[int, str]
) -> Callable[[Row], Json]:
    """Make what writes one row as JSON, without what is expanded.

    What the options say of every row alike is settled here, once for all of them.
    """
    chosen = None if query.select is None or "*" in query.select else set(query.select)
    numbered = chosen is None or bool(chosen & {"id", "@iot.id"})
    linked = chosen is None or bool(chosen & {"@iot.selfLink", "@id"})
    always = ("result", "resultTime") if entity.name == "Observations" else ()
    properties = [
        (name, _reader(entry, query.within), bool(chosen) or name in always)
        for name, entry in entity.properties.items()
        if chosen is None or name in chosen
    ]
    links = [
        (name, f"{name}@iot.navigationLink", f"/{name}")
        for name in entity.links
        if chosen is None or name in chosen
    ]

    def render(row: Row) -> Json:
        key = tuple([row[column] for column in entity.key])
        link = context.link_to(entity, key)
        item: Json = {}
        if numbered:
            item["@iot.id"] = identifier(key)
        if linked:
            item["@iot.selfLink"] = link
        for name, read, shown in properties:
            value = read(row)
            if value is not None or shown:
                item[name] = value
        absent = hidden.get(row["datastream_id"]) if hidden else None
        for name, called, path in links:
            if name != absent:
                item[called] = link + path
        return item

    return render


def _reader(entry: Property, within: Sequence[tuple[str, ...]]) -> Callable[[Row], Any]:
    """Make what reads one property of a row, with the parts of it that were selected."""
    paths = [path[1:] for path in within if path[0] == entry.name]
    if paths:
        return lambda row: _narrowed(value_of(entry, row), paths)
    if entry.kind in ("text", "computed"):
        return itemgetter(entry.column)
    if entry.kind == "json":
        loads = lru_cache(maxsize=16)(json.loads)  # the flags of a page are mostly the same

        def read(row: Row) -> Any:
            text = row[entry.column]
            return None if text is None else loads(text)

        return read
    return partial(value_of, entry)


def _narrowed(value: object, paths: Sequence[tuple[str, ...]]) -> Any:
    """Keep of a property the parts that were selected, in their places."""
    if not isinstance(value, dict):
        return value
    kept: Json = {}
    for path in paths:
        held: Any = value
        here = kept
        for step in path[:-1]:
            held = held.get(step) if isinstance(held, dict) else None
            here = here.setdefault(step, {})
        if isinstance(held, dict) and path[-1] in held and isinstance(here, dict):
            here[path[-1]] = held[path[-1]]
    return kept


def value_of(entry: Property, row: Row) -> Any:
    """Write the value of a property as JSON has it."""
    value, kind = row[entry.column], entry.kind
    if kind == "result":
        return json.loads(value) if value is not None else _number(row["result_number"])
    if value is None or kind == "computed":
        return value
    if kind in ("interval", "period"):
        end = row[entry.end]
        if kind == "interval" and (end is None or end == value):
            return iso(value)
        return f"{iso(value)}/{iso(end)}"
    if kind == "instant":
        return iso(value)
    return json.loads(value) if kind in ("json", "geometry") else value


def _number(value: float | None) -> float | int | None:
    """Write a whole number as one, as the counts and classes that were sent."""
    whole = value is not None and value.is_integer() and abs(value) < _EXACT
    return int(value) if whole and value is not None else value


def _expand(
    context: Context,
    entity: EntitySet,
    rows: Sequence[Row],
    items: list[Json],
    expansion: Expansion,
) -> None:
    link, query = entity.links[expansion.link], expansion.query
    if link.one:
        targets = _singles(context, link, rows, query)
        for row, item in zip(rows, items, strict=True):
            found = targets.get(row[f"one {link.name}"])
            item.pop(f"{link.name}@iot.navigationLink", None)
            if found is not None:
                item[link.name] = found
        return
    target = target_of(link)
    ids = [row["id"] for row in rows]
    pages = pages_of(context, target, link, ids, query)
    inner = rows_of(context, target, [row for id in ids for row in pages[id].rows], query)
    counts = counts_of(context, entity, link, ids, query) if query.count else {}
    at = 0
    for id, item in zip(ids, items, strict=True):
        item.pop(f"{link.name}@iot.navigationLink", None)
        page = pages[id]
        if id in counts:
            item[f"{link.name}@iot.count"] = counts[id]
        item[link.name] = inner[at : at + len(page.rows)]
        at += len(page.rows)
        if page.after:
            address = f"{context.link_to(entity, (id,))}/{link.name}"
            item[f"{link.name}@iot.nextLink"] = next_link(
                address, query, "$skiptoken", token_of(page.after)
            )


def _singles(context: Context, link: Link, rows: Sequence[Row], query: Query) -> dict[int, Json]:
    """Read the single targets of many rows, each of them once."""
    target = target_of(link)
    ids = sorted({row[f"one {link.name}"] for row in rows} - {None})
    found: dict[int, Json] = {}
    for start in range(0, len(ids), context.limits.page):
        part = ids[start : start + context.limits.page]
        base = Sql(f"t.id IN ({', '.join('?' * len(part))})", tuple(part))
        only = Query(query.select, query.expand, query.filter, top=len(part), given=query.given)
        page = read_page(context, target, base, only)
        for row, item in zip(page.rows, rows_of(context, target, page.rows, only), strict=True):
            found[row["id"]] = item
    return found
