"""What is published of a change: to the topics that always are, and to those asked for.

Always: the set (``v1.1/Observations``), the entity (``v1.1/Things(1)``), each changed property
(``v1.1/Things(1)/name``), and for observations ``v1.1/Datastreams(1)/Observations``.
Every other path, and any ``$select``, ``$filter`` and ``$expand``, is published where somebody
subscribes to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError
from headwater.network.sensorthings.address import Address, key_text
from headwater.network.sensorthings.context import Context
from headwater.network.sensorthings.events import Change
from headwater.network.sensorthings.query import Query
from headwater.network.sensorthings.read import Place, entity_matching, entity_of, locate

if TYPE_CHECKING:
    from headwater.network.sensorthings.service import Service

__all__ = ["Notice", "notices_of"]

Topics = Mapping[str, tuple[Address, Query]]
_PREFIX = "v1.1/"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message."""

    topic: str
    payload: bytes


def notices_of(
    service: Service, root: str, changes: Sequence[Change], topics: Topics
) -> list[Notice]:
    """Write the messages that a request causes.

    Parameters
    ----------
    service : Service
    root : str
        Address of the service, for links.
    changes : sequence of Change
        In the order in which they were made.
    topics : mapping of str to (Address, Query)
        What is subscribed to beyond the topics that are always published.

    Returns
    -------
    list of Notice
    """
    found: list[Notice] = []
    with service.store.transaction(read_only=True) as session:
        context = Context(session, root, service.clock(), service.limits)
        for change in changes:
            try:
                item = entity_of(context, Place(change.entity, change.key), Query())
            except HeadwaterError:
                continue  # deleted in the meantime
            always = _always(change, item)
            found += [Notice(topic, _payload(value)) for topic, value in always.items()]
            for topic, (address, query) in topics.items():
                if topic not in always and _concerns(context, address, change):
                    chosen = _chosen(context, change, address, query, item)
                    found += [] if chosen is None else [Notice(topic, _payload(chosen))]
    return found


def _payload(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _always(change: Change, item: dict[str, Any]) -> dict[str, Any]:
    name = change.entity.name
    topics: dict[str, Any] = {f"{_PREFIX}{name}": item}
    if name == "Observations":
        kind = "MultiDatastreams" if "MultiDatastream@iot.navigationLink" in item else "Datastreams"
        topics[f"{_PREFIX}{kind}({change.key[0]})/Observations"] = item
        return topics
    one = f"{_PREFIX}{name}({key_text(change.key)})"
    topics[one] = item
    for changed in change.names & set(item):
        topics[f"{one}/{changed}"] = {changed: item[changed]}
    return topics


def _concerns(context: Context, address: Address, change: Change) -> bool:
    """Say whether a path leads to what changed."""
    if address.last.entity is not change.entity:
        return False
    if address.within and address.within[0] not in change.names and not change.created:
        return False
    try:
        place = locate(context, address)
    except HeadwaterError:
        return False
    if place.key is not None:
        return place.key == change.key
    keyed = " AND ".join(f"t.{column} = ?" for column in change.entity.key)
    where = f"({place.base.text}) AND {keyed}"
    if change.entity.where:
        where += f" AND {change.entity.where.format(t='t')}"
    sql = f"SELECT 1 FROM {change.entity.table} t WHERE {where}"
    return bool(context.session.rows(sql, (*place.base.parameters, *change.key)))


def _chosen(
    context: Context, change: Change, address: Address, query: Query, item: dict[str, Any]
) -> Any:
    """Give what a subscription asks for; None where its filter leaves the change out."""
    if address.within:
        name = address.within[0]
        return {name: item.get(name)}
    if query.filter is not None or query.expand:
        whole = replace(query, select=None, within=())
        found = entity_matching(context, change.entity, change.key, whole)
        if found is None:
            return None
        item = found
    if query.select is None:
        return item
    links = {expansion.link for expansion in query.expand}
    chosen = {name: item.get("@iot.id" if name == "id" else name) for name in query.select}
    return chosen | {name: value for name, value in item.items() if name in links}
