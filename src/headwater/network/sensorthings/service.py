"""The SensorThings service, transport aside: a call comes in, an answer goes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from headwater.errors import HeadwaterError
from headwater.network.sensorthings.address import Address, identifier, read_address
from headwater.network.sensorthings.context import Change, Context, Limits, Work
from headwater.network.sensorthings.data_array import (
    COMPONENTS,
    as_data_array,
    as_table,
    create_observations,
)
from headwater.network.sensorthings.distinct import distinct_values
from headwater.network.sensorthings.errors import (
    NotAllowed,
    UnsupportedMedia,
    WrongRequest,
)
from headwater.network.sensorthings.json_members import member_at
from headwater.network.sensorthings.jsonpatch import apply_patch
from headwater.network.sensorthings.messages import Answer, Call, Permit, refusal
from headwater.network.sensorthings.model import ENTITY_SETS
from headwater.network.sensorthings.query import Query, read_query
from headwater.network.sensorthings.read import Place, collection, entity_of, locate
from headwater.network.sensorthings.validate import read_body
from headwater.network.sensorthings.write import (
    change,
    delete,
    delete_matching,
    insert,
    link_existing,
    referred,
    unlink,
)
from headwater.network.store.protocol import now

if TYPE_CHECKING:
    from headwater.network.store.protocol import Session, Store

__all__ = [
    "CONFORMANCE",
    "Listener",
    "Service",
    "anyone",
    "service_root",
]

Listener = Callable[[str, Sequence[Change]], None]
_READING = frozenset({"GET", "HEAD"})
_WRITING = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_PATCH = "application/json-patch+json"
_BASE = "http://www.opengis.net/spec/iot_sensing/1.1/req"
_MQTT = f"{_BASE}/create-observations-via-mqtt/observations-creation"
_UPDATES = f"{_BASE}/receive-updates-via-mqtt/receive-updates"
#: Requirements that are met, without those of MQTT, which need a broker.
CONFORMANCE: tuple[str, ...] = tuple(
    f"{_BASE}/{part}"
    for part in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data",
        "create-update-delete/create-entity",
        "create-update-delete/link-to-existing-entities",
        "create-update-delete/deep-insert",
        "create-update-delete/deep-insert-status-code",
        "create-update-delete/update-entity",
        "create-update-delete/delete-entity",
        "create-update-delete/historical-location-auto-creation",
        "batch-request/batch-request",
        "multi-datastream",
        "data-array/data-array",
    )
)


def anyone(role: str) -> frozenset[int] | None:
    """Permit everything to everybody."""
    return None


@dataclass(slots=True)
class Service:
    """The service over one store.

    Attributes
    ----------
    store : Store
        Open; whoever opened it closes it.
    limits : Limits
    mqtt : tuple of str
        Addresses of brokers to name in the service root.
    clock : callable
        Time of a request [µs].
    listeners : list of callable
        Called with the root and the changes of each request after they have been kept.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from headwater.network import open_store
    >>> with TemporaryDirectory() as folder, open_store(f"{folder}/network.db") as store:
    ...     Service(store).answer(Call("GET", "Things")).body
    {'value': []}
    """

    store: Store
    limits: Limits = field(default_factory=Limits)
    mqtt: tuple[str, ...] = ()
    clock: Callable[[], int] = now
    listeners: list[Listener] = field(default_factory=list)

    def answer(self, call: Call, permit: Permit = anyone) -> Answer:
        """Serve one call; every refusal is an answer, too.

        Parameters
        ----------
        call : Call
        permit : callable
            Raises a refusal where the caller may not do what it asks for.

        Returns
        -------
        Answer
        """
        try:
            return self._served(call, permit)
        except HeadwaterError as error:
            return refusal(error)

    def _served(self, call: Call, permit: Permit) -> Answer:
        if "\x00" in call.path:
            raise WrongRequest("a zero byte in the address")
        if call.path.strip("/") == "$batch":
            from headwater.network.sensorthings.batch import run_batch

            if call.method != "POST":
                raise NotAllowed("$batch takes POST", found=call.method)
            return run_batch(self, call, permit)
        if call.method in _READING:
            permit("read")
            with self.store.transaction(read_only=True) as session:
                return self.read(self._context(session, call), call)
        if call.method not in _WRITING:
            raise NotAllowed("an unknown method", found=call.method)
        return self.together([call], permit)[0]

    def _context(self, session: Session, call: Call) -> Context:
        return Context(session, call.root, self.clock(), self.limits)

    def together(
        self,
        calls: Sequence[Call],
        permit: Permit,
        prepare: Callable[[Call, list[Answer]], Call] = lambda call, answers: call,
    ) -> list[Answer]:
        """Serve calls in one transaction: all of them are kept, or none.

        Parameters
        ----------
        calls : sequence of Call
        permit : callable
        prepare : callable
            Gets each call and the answers before it, and returns the call to serve.

        Raises
        ------
        HeadwaterError
            The first refusal; nothing is kept then.
        """
        things = permit("write")
        answers: list[Answer] = []
        with self.store.transaction(actor=calls[0].actor) as session:
            work = Work(self._context(session, calls[0]), things, bool(self.listeners))
            for call in calls:
                ready = prepare(call, answers)
                reads = ready.method in _READING
                answers.append(
                    self.read(work.context, ready) if reads else self._write(work, ready)
                )
        if work.changes:
            for listener in self.listeners:
                listener(calls[0].root, work.changes)
        return answers

    def read(self, context: Context, call: Call) -> Answer:
        """Serve GET."""
        if not call.path.strip("/"):
            if call.query:
                raise WrongRequest("the service root takes no options", found=call.query[:60])
            return Answer(200, service_root(context.root, self.mqtt))
        address = read_address(call.path)
        query = read_query(call.query, address.last.entity)
        place = locate(context, address)
        if address.within:
            return _property(context, address, place, query)
        reader = _read_one if place.key is not None else _read_many
        return reader(context, address, place, query, call.path.strip("/"))

    def _write(self, work: Work, call: Call) -> Answer:
        if call.method != "DELETE":
            _check_media(call)
        if call.path.strip("/") == "CreateObservations":
            if call.method != "POST":
                raise NotAllowed("CreateObservations takes POST", found=call.method)
            return Answer(201, create_observations(work, read_body(call.body)))
        if not call.path.strip("/"):
            raise NotAllowed("the service root can be read only", found=call.method)
        address = read_address(call.path)
        if address.within:
            do = "PATCH the entity itself"
            raise NotAllowed("properties can be read only", found=call.path, do=do)
        place = locate(work.context, address)
        if address.tail:
            return _relink(work, place, call)
        if call.method == "POST":
            return _post(work, place, call)
        if place.key is None and call.method == "DELETE" and call.query:
            query = read_query(call.query, place.entity)
            return Answer(200, {"@iot.count": delete_matching(work, place, query)})
        if place.key is None:
            do = "Name one of them, such as Things(1), or those to delete by $filter"
            raise NotAllowed(f"{call.method} on a collection", found=call.path, do=do)
        if call.method == "DELETE":
            delete(work, place.entity, place.key)
            return Answer(200)
        return _change(work, place, call)


def _relink(work: Work, place: Place, call: Call) -> Answer:
    """Link entities that exist, or unlink them, by ``…/$ref``."""
    if place.link is None or place.parent is None or place.source is None:
        raise NotAllowed("$ref follows a link from an entity", found=call.path)
    if call.method == "DELETE":
        options = dict(parse_qsl(call.query))
        unlink(work, place, options.get("$id", options.get("id")))
    elif call.method == "POST" and place.key is None:
        body = {"@iot.id": referred(read_body(call.body), place.entity)}
        link_existing(work, place.source, place.parent[0], place.link, body)
    elif call.method in ("PUT", "PATCH") and place.link.one:
        body = {place.link.name: {"@iot.id": referred(read_body(call.body), place.entity)}}
        change(work, place.source, place.parent, body)
    else:
        do = "POST to a link to many, PUT to a link to one, DELETE to unlink"
        raise NotAllowed(f"{call.method} of this reference", found=call.path, do=do)
    return Answer(204)


def _check_media(call: Call) -> None:
    media = call.content_type.partition(";")[0].strip().lower()
    if media in ("", "application/json", "application/geo+json"):
        return
    if call.method == "PATCH" and media in (_PATCH, "application/merge-patch+json"):
        return
    known = f"Send application/json{' or ' + _PATCH if call.method == 'PATCH' else ''}"
    raise UnsupportedMedia("the body is not JSON", found=media[:80], do=known)


def _post(work: Work, place: Place, call: Call) -> Answer:
    if place.key is not None:
        raise NotAllowed("POST to one entity", found=call.path, do="POST to a collection")
    body = read_body(call.body)
    if place.link is None or place.parent is None or place.source is None:
        key = insert(work, place.entity, body, {})
    else:
        key = link_existing(work, place.source, place.parent[0], place.link, body)
    link = work.context.link_to(place.entity, key)
    return Answer(201, {"@iot.id": identifier(key), "@iot.selfLink": link}, {"Location": link})


def _change(work: Work, place: Place, call: Call) -> Answer:
    assert place.key is not None
    body = read_body(call.body)
    whole = call.method == "PUT"
    if call.content_type.partition(";")[0].strip().lower() == _PATCH:
        item = entity_of(work.context, place, Query())
        written = {p.name for p in place.entity.properties.values() if p.written}
        body = apply_patch({n: v for n, v in item.items() if n in written}, body)
        whole = True
    change(work, place.entity, place.key, body, whole=whole)
    return Answer(200)


def _read_one(context: Context, address: Address, place: Place, query: Query, path: str) -> Answer:
    if query.distinct:
        raise WrongRequest("distinct: values are of collections")
    if query.format == "dataArray":
        raise WrongRequest("dataArray is for collections of Observations")
    item = entity_of(context, place, query)
    if query.format:
        return as_table([item], place.entity, query.format, None)
    return Answer(200, _reference(item) if address.tail else item)


def _read_many(context: Context, address: Address, place: Place, query: Query, path: str) -> Answer:
    if query.format == "dataArray" and not query.distinct:
        return Answer(200, _data_array(context, place, query, path))
    if query.distinct:
        return Answer(200, distinct_values(context, place, query, path))
    answer = collection(context, place, query, path)
    if query.format:
        more = answer.get("@iot.nextLink")
        return as_table(answer["value"], place.entity, query.format, more)
    if address.tail:
        answer["value"] = [_reference(item) for item in answer["value"]]
    return Answer(200, answer)


def _reference(item: dict[str, Any]) -> dict[str, Any]:
    return {"@iot.selfLink": item["@iot.selfLink"]}


def _data_array(context: Context, place: Place, query: Query, path: str) -> dict[str, Any]:
    if query.expand:
        raise WrongRequest("$expand does not go with dataArray")
    chosen = replace(query, select=query.select or COMPONENTS)
    needed = replace(chosen, select=(*(chosen.select or ()), "@iot.id"))
    answer = collection(context, place, needed, path)
    return answer | {"value": as_data_array(context, answer["value"], chosen)}


def _property(context: Context, address: Address, place: Place, query: Query) -> Answer:
    if query.given:
        raise WrongRequest("a property takes no options", found=query.given[0][0])
    value: Any = entity_of(context, place, Query())
    first, *rest = address.within
    value = member_at(value.get({"id": "@iot.id"}.get(first, first)), rest)
    if value is None:
        return Answer(204)
    if address.tail != "$value":
        return Answer(200, {address.within[-1]: value})
    if isinstance(value, dict | list):
        return Answer(200, value)
    text = value if isinstance(value, str) else json.dumps(value)
    return Answer(200, text, media="text/plain; charset=utf-8")


def service_root(root: str, brokers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Write the answer to a GET of the root.

    Parameters
    ----------
    root : str
    brokers : tuple of str
        Addresses of MQTT, such as ``mqtt://host:1883``.

    Returns
    -------
    dict

    Examples
    --------
    >>> service_root("http://host/v1.1")["value"][0]
    {'name': 'Things', 'url': 'http://host/v1.1/Things'}
    """
    settings: dict[str, Any] = {"conformance": list(CONFORMANCE)}
    if brokers:
        settings["conformance"] += [_MQTT, _UPDATES]
        for requirement in (_MQTT, _UPDATES):
            settings[requirement] = {"endpoints": list(brokers)}
    value = [{"name": name, "url": f"{root}/{name}"} for name in ENTITY_SETS]
    return {"value": value, "serverSettings": settings}
