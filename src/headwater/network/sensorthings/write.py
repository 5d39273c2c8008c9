"""Create, change and delete entities, whole trees of them in one transaction.

References
----------
OGC 18-088, section 10 (create, update, delete), tables 23 and 24.
"""

from __future__ import annotations

import re
from typing import Any

from headwater.network.sensorthings.address import Key, key_of, read_key
from headwater.network.sensorthings.context import Work
from headwater.network.sensorthings.errors import NotFound, WrongRequest
from headwater.network.sensorthings.features import history_posted, move, place_things
from headwater.network.sensorthings.model import ENTITY_SETS, EntitySet, Link
from headwater.network.sensorthings.observations import (
    change_observation,
    check_multi,
    delete_observation,
    insert_observation,
)
from headwater.network.sensorthings.paging import read_page
from headwater.network.sensorthings.query import Query
from headwater.network.sensorthings.read import Place
from headwater.network.sensorthings.validate import as_object, columns_of

__all__ = [
    "change",
    "delete",
    "delete_matching",
    "insert",
    "link_existing",
    "referred",
    "unlink",
]

Json = dict[str, Any]
Given = dict[str, int]
_DEEPEST = 12


def insert(work: Work, entity: EntitySet, body: object, given: Given, depth: int = 0) -> Key:
    """Create an entity with all that its body holds.

    Parameters
    ----------
    work : Work
    entity : EntitySet
    body : JSON object
        Linked entities are created too, or linked to where only their ``@iot.id`` is given.
    given : dict of str to int
        Links that the address has settled already.

    Returns
    -------
    tuple of int
        Key of the new entity.

    Raises
    ------
    WrongRequest
        If anything in the body is missing or wrong; nothing of it is kept then.
    """
    body = as_object(body, f"a {entity.singular}")
    if depth > _DEEPEST:
        raise WrongRequest("a deep insert of too many levels", found=f"over {_DEEPEST}")
    columns = columns_of(entity, body)
    singles = {
        name: _single(work, entity, link, body, given, depth)
        for name, link in entity.links.items()
        if link.one
    }
    if entity.name == "Observations":
        return insert_observation(work, columns, singles)
    row = columns | {_column(entity.links[n]): id for n, id in singles.items() if id is not None}
    if entity.name == "MultiDatastreams":
        row = _multi(row, body)
    guarded = ENTITY_SETS["Things"] if "thing_id" in row else entity
    if work.things is not None:
        work.guard(guarded, (row["thing_id"],) if "thing_id" in row else None)
    key = (work.context.session.insert(entity.table, row),)
    work.note(entity, key, created=True)
    _children(work, entity, key[0], body, depth)
    return key


def _column(link: Link) -> str:
    return link.one.removeprefix("{s}.")


def _multi(row: Json, body: Json) -> Json:
    complex_ = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation"
    properties = body.get("ObservedProperties")
    check_multi(row, properties)
    return {"observation_type": complex_, **row, "multi": 1}


def _single(
    work: Work, entity: EntitySet, link: Link, body: Json, given: Given, depth: int
) -> int | None:
    """Find or make the one entity at the end of a link."""
    value = body.get(link.name)
    if link.name in given:
        named = value.get("@iot.id") if isinstance(value, dict) else None
        if value is not None and str(named) != str(given[link.name]):
            raise WrongRequest(
                f"the body names another {link.name} than the address",
                found=str(value)[:80],
                do="Leave it out of the body, or post to the other one",
            )
        return given[link.name]
    if value is None:
        if link.required:
            raise WrongRequest(f"a {entity.singular} without {link.name}")
        return None
    return _linked(work, ENTITY_SETS[link.target], value, {}, depth)


def _linked(work: Work, target: EntitySet, value: object, given: Given, depth: int) -> int:
    value = as_object(value, f"a linked {target.singular}")
    if "@iot.id" in value:
        return _existing(work, target, value["@iot.id"])
    return insert(work, target, value, given, depth + 1)[0]


def _existing(work: Work, target: EntitySet, id: object) -> int:
    try:
        key = read_key(target, id)
    except NotFound:
        key = (0,)
    where = f" AND {target.where.format(t='t')}" if target.where else ""
    sql = f"SELECT 1 FROM {target.table} t WHERE t.id = ?{where}"
    if len(key) != 1 or not work.context.session.rows(sql, key):
        found = f"@iot.id {str(id)[:40]!r}"
        raise WrongRequest(f"there is no such {target.singular} to link to", found=found)
    return key[0]


def _children(work: Work, entity: EntitySet, id: int, body: Json, depth: int) -> None:
    """Create or link what a new entity has many of; locations first, for observations need them."""
    for name, link in sorted(entity.links.items(), key=lambda entry: entry[0] != "Locations"):
        values = body.get(name)
        if link.one or (values is None and not link.required):
            continue
        if not isinstance(values, list) or (link.required and not values):
            raise WrongRequest(f"{name} of a {entity.singular} must be a list with entities")
        back = _back(entity, ENTITY_SETS[link.target])
        if back is None:
            ids = [_linked(work, ENTITY_SETS[link.target], v, {}, depth) for v in values]
            _join(work, entity, id, name, ids)
            continue
        for value in values:
            link_existing(work, entity, id, link, value, depth)
    if entity.name == "HistoricalLocations":
        history_posted(work.context, id)


def _back(entity: EntitySet, target: EntitySet) -> Link | None:
    """Find the link that leads from one of many back to this entity."""
    found = [link for link in target.links.values() if link.one and link.target == entity.name]
    return found[0] if found else None


def link_existing(
    work: Work, entity: EntitySet, id: int, link: Link, value: object, depth: int = 0
) -> Key:
    """Create an entity at the end of a link to many, or link one that exists.

    Parameters
    ----------
    work : Work
    entity : EntitySet
        What the link starts from.
    id : int
        Which of them.
    link : Link
    value : JSON object

    Returns
    -------
    tuple of int
        Key of the linked entity.
    """
    target = ENTITY_SETS[link.target]
    value = as_object(value, f"a {target.singular}")
    back = _back(entity, target)
    if work.things is not None:
        work.guard(entity, (id,))
    if back is None:
        other = _linked(work, target, value, {}, depth)
        _join(work, entity, id, link.name, [other])
        return (other,)
    if set(value) == {"@iot.id"} and target.name != "Observations":
        other = _existing(work, target, value["@iot.id"])
        work.context.session.update(target.table, other, {_column(back): id})
        work.note(target, (other,), created=False, names=frozenset({back.name}))
        return (other,)
    return insert(work, target, value, {back.name: id}, depth + 1)


def _join(work: Work, entity: EntitySet, id: int, name: str, ids: list[int]) -> None:
    """Link entities of which both sides may have many."""
    context = work.context
    pair = (entity.name, name)
    if pair == ("Things", "Locations"):
        move(context, id, ids)
    elif pair == ("Locations", "Things"):
        place_things(context, id, ids)
    elif pair == ("MultiDatastreams", "ObservedProperties"):
        start = context.session.rows(
            "SELECT count(*) FROM datastreams_observed_properties WHERE datastream_id = ?", (id,)
        )[0][0]
        for rank, other in enumerate(ids, start=start):
            row = {"datastream_id": id, "rank": rank, "observed_property_id": other}
            context.session.insert("datastreams_observed_properties", row)
    elif pair == ("HistoricalLocations", "Locations"):
        for other in dict.fromkeys(ids):
            row = {"historical_location_id": id, "location_id": other}
            context.session.insert("historical_locations_locations", row)
    else:
        raise WrongRequest(f"{name} cannot be linked from {entity.name}", do="Link the other way")


def change(work: Work, entity: EntitySet, key: Key, body: object, *, whole: bool = False) -> None:
    """Change properties and single links of an entity.

    Parameters
    ----------
    work : Work
    entity : EntitySet
    key : tuple of int
    body : JSON object
    whole : bool
        Replace it: optional properties that are absent become null, as with PUT.

    Raises
    ------
    WrongRequest
        If the body is wrong, or holds new entities: only links to existing ones can be changed.
    """
    body = as_object(body, f"a {entity.singular}")
    columns = columns_of(entity, body, partial=not whole)
    if whole:
        absent = {
            column: None
            for entry in entity.properties.values()
            if entry.written and entry.name not in body
            for column in (entry.column, entry.end)
            if column and (entry.name, entity.name) != ("phenomenonTime", "Observations")
        }
        columns = absent | columns
    work.guard(entity, key)
    links = _relinked(work, entity, body)
    if entity.name == "Observations":
        change_observation(work, key, columns, links)
        return
    if entity.name == "MultiDatastreams":
        _check_change_of_multi(work, key[0], columns)
    row = columns | {_column(entity.links[name]): id for name, id in links.items()}
    if "thing_id" in row:
        work.guard(ENTITY_SETS["Things"], (row["thing_id"],))
    work.context.session.update(entity.table, key[0], row)
    names = frozenset(name for name in body if name in entity.properties or name in entity.links)
    work.note(entity, key, created=False, names=names)
    if entity.name == "Things" and body.get("Locations") is not None:
        locations = body["Locations"]
        if not isinstance(locations, list):
            raise WrongRequest("Locations must be a list")
        ids = [_reference(work, ENTITY_SETS["Locations"], value) for value in locations]
        move(work.context, key[0], ids)


def _relinked(work: Work, entity: EntitySet, body: Json) -> dict[str, int]:
    found = {}
    for name, link in entity.links.items():
        if name not in body or body[name] is None:
            continue
        if link.one:
            found[name] = _reference(work, ENTITY_SETS[link.target], body[name])
        elif (entity.name, name) != ("Things", "Locations"):
            raise WrongRequest(
                f"{name} cannot be changed from a {entity.singular}",
                do=f"POST to {entity.name}(…)/{name}, or change the {link.target} themselves",
            )
    return found


def _reference(work: Work, target: EntitySet, value: object) -> int:
    value = as_object(value, f"a linked {target.singular}")
    if "@iot.id" not in value:
        do = 'Create it first, then link to it: {"@iot.id": …}'
        raise WrongRequest("a change cannot create linked entities", found=target.singular, do=do)
    return _existing(work, target, value["@iot.id"])


def _check_change_of_multi(work: Work, id: int, columns: Json) -> None:
    rows = work.context.session.rows(
        "SELECT count(*) FROM datastreams_observed_properties WHERE datastream_id = ?", (id,)
    )
    for name in ("unit_of_measurement", "multi_observation_data_types"):
        if name in columns and len(columns[name]) != rows[0][0]:
            found = f"{len(columns[name])} for {rows[0][0]} observed properties"
            raise WrongRequest("a MultiDatastream has one of each per property", found=found)


def delete(work: Work, entity: EntitySet, key: Key) -> None:
    """Delete an entity, and with it what cannot be without it (18-088, table 24)."""
    work.guard(entity, key)
    if entity.name == "Observations":
        delete_observation(work.context, key)
        return
    work.context.session.delete(entity.table, key[0])
    work.context.session.audit("delete", entity.name, key[0])


_PAGE = 1000


def delete_matching(work: Work, place: Place, query: Query) -> int:
    """Delete the entities of a collection that a ``$filter`` chooses.

    Parameters
    ----------
    work : Work
    place : Place
    query : Query
        With a filter, and nothing else.

    Returns
    -------
    int
        How many there were.

    Raises
    ------
    WrongRequest
        If there is no filter, or another option.
    """
    if query.filter is None or query.given != tuple(p for p in query.given if p[0] == "$filter"):
        raise WrongRequest(
            "DELETE on a collection takes $filter, and nothing else",
            do="Write $filter=true to delete all of it" if query.filter is None else "",
        )
    entity, n = place.entity, 0
    while True:
        only = Query(filter=query.filter, top=_PAGE)
        page = read_page(work.context, entity, place.base, only)
        keys = [key_of(entity, tuple(row[c] for c in entity.key)) for row in page.rows]
        if not keys:
            return n
        n += len(keys)
        if entity.name != "Observations":
            for key in keys:
                delete(work, entity, key)
            continue
        for stream in dict.fromkeys(key[0] for key in keys):
            work.guard(entity, (stream,))
            chosen = [(key[1], key[2]) for key in keys if key[0] == stream]
            work.context.session.delete_observations(stream, keys=chosen)
            work.context.session.audit("delete", "Observations", stream, {"n": len(chosen)})


def referred(body: object, target: EntitySet) -> Any:
    """Read which entity a reference means: ``@iot.id``, or an address in ``@id``.

    Examples
    --------
    >>> referred({"@id": "http://host/v1.1/Locations(7)"}, ENTITY_SETS["Locations"])
    '7'
    """
    body = as_object(body, f"a reference to a {target.singular}")
    if "@iot.id" in body:
        return body["@iot.id"]
    return _referred_id(str(body.get("@id", body.get("@odata.id", ""))), target)


def _referred_id(address: str, target: EntitySet) -> str:
    found = re.fullmatch(r"(?:.*/)?(\w+)\('?([^()']+)'?\)", address)
    if found is None or found[1] != target.name:
        raise WrongRequest(f"no reference to a {target.singular}", found=repr(address)[:100])
    return found[2]


_UNLINKED = {
    ("Things", "Locations"): ("things_locations", "thing_id", "location_id"),
    ("Locations", "Things"): ("things_locations", "location_id", "thing_id"),
    ("HistoricalLocations", "Locations"): (
        "historical_locations_locations",
        "historical_location_id",
        "location_id",
    ),
}


def unlink(work: Work, place: Place, address: str | None) -> None:
    """Undo a link between two entities; both stay.

    Parameters
    ----------
    work : Work
    place : Place
        The linked entity, or the collection of which `address` names one.
    address : str, optional

    Raises
    ------
    WrongRequest
        If the entity cannot be without the link.
    """
    assert place.source is not None
    assert place.link is not None
    assert place.parent is not None
    key = place.key
    if key is None:
        if address is None:
            raise WrongRequest("which of them is not said", do="Add ?$id=Locations(7)")
        key = (_existing(work, place.entity, _referred_id(address, place.entity)),)
    table = _UNLINKED.get((place.source.name, place.link.name))
    if table is None:
        raise WrongRequest(
            f"a {place.source.singular} cannot be without its {place.link.name}",
            do="PUT another in its place, or delete one of the two",
        )
    work.guard(place.source, place.parent)
    name, own, other = table
    sql = f"DELETE FROM {name} WHERE {own} = ? AND {other} = ?"
    work.context.session.execute(sql, (place.parent[0], key[0]))
    names = frozenset({place.link.name})
    work.note(place.source, place.parent, created=False, names=names)
