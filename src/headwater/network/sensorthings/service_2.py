"""SensorThings 2.0, to read: the same store in the words of the later standard.

References
----------
OGC SensorThings API 2.0, OGC 23-019, section 9 (requesting data) and section 10 (HTTP).
"""

from __future__ import annotations

import json
from typing import Any

from headwater.errors import HeadwaterError
from headwater.network.sensorthings.address import Address, read_address
from headwater.network.sensorthings.context import Context
from headwater.network.sensorthings.distinct import distinct_values
from headwater.network.sensorthings.errors import NotAllowed, WrongRequest
from headwater.network.sensorthings.functions import FUNCTIONS, GEOMETRY_FUNCTIONS, TEMPORAL
from headwater.network.sensorthings.json_members import member_at
from headwater.network.sensorthings.messages import Answer, Call, Permit, refusal
from headwater.network.sensorthings.model import EntitySet
from headwater.network.sensorthings.model_2 import ENTITY_SETS_2, target_of
from headwater.network.sensorthings.query import Query, read_query
from headwater.network.sensorthings.read import Place, collection, entity_of, locate
from headwater.network.sensorthings.service import Service, anyone
from headwater.network.sensorthings.shape_2 import renamed

__all__ = ["answer_2", "metadata", "service_document"]

Json = dict[str, Any]
_SPEC = "http://www.opengis.net/spec/sensorthings/2.0"
_HTTP = f"{_SPEC}/req/binding/http"
_CONFORMANCE = (
    f"{_SPEC}/req-class/datamodel/core",
    *(
        f"{_SPEC}/req/api/read/{part}"
        for part in ("paths", "options/precedence", "options/select", "options/expand")
    ),
    *(
        f"{_SPEC}/req/api/read/options/{part}"
        for part in ("top", "skip", "count", "orderby", "format", "pagination")
    ),
    f"{_SPEC}/req-class/binding/http",
    f"{_HTTP}/request_response",
)
_SPACE = "org.OGC.STA"
_TYPES = {
    "text": "Edm.String",
    "json": f"{_SPACE}.Object",
    "computed": f"{_SPACE}.Object",
    "geometry": "Edm.Geometry",
    "instant": "Edm.DateTimeOffset",
    "interval": f"{_SPACE}.TM_Object",
    "period": f"{_SPACE}.TM_Period",
    "result": "Edm.Untyped",
}


def answer_2(service: Service, call: Call, permit: Permit = anyone) -> Answer:
    """Serve one call of 2.0; every refusal is an answer, too.

    Parameters
    ----------
    service : Service
        Its store, limits and clock.
    call : Call
        Its `root` ends with ``/v2.0``.
    permit : callable
        Raises a refusal where the caller may not read.

    Returns
    -------
    Answer
    """
    try:
        if call.method not in ("GET", "HEAD"):
            do = "Write by 1.1, under /v1.1; what is there shows here as well"
            raise NotAllowed("SensorThings 2.0 is served to read", found=call.method, do=do)
        if "\x00" in call.path:
            raise WrongRequest("a zero byte in the address")
        permit("read")
        with service.store.transaction(read_only=True) as session:
            context = Context(session, call.root, service.clock(), service.limits)
            return _read(context, call)
    except HeadwaterError as error:
        return refusal(error)


def _read(context: Context, call: Call) -> Answer:
    path = call.path.strip("/")
    if path == "":
        return Answer(200, service_document(context.root))
    if path == "$metadata":
        return Answer(200, metadata())
    address = read_address(path, ENTITY_SETS_2)
    query = read_query(call.query, address.last.entity)
    place = locate(context, address)
    if address.within:
        return _property(context, address, place, query)
    return Answer(200, _entities(context, path, address, place, query))


def _entities(context: Context, path: str, address: Address, place: Place, query: Query) -> Json:
    where = f"{context.root}/$metadata#"
    if query.distinct and (place.key is not None or address.tail):
        raise WrongRequest("distinct: values are of collections")
    if place.key is not None:
        item = renamed(entity_of(context, place, query), place.entity)
        if address.tail:
            return {"@context": f"{where}$ref", "@id": item["@id"]}
        return _of_format({"@context": f"{where}{place.entity.name}/$entity", **item}, query)
    reader = distinct_values if query.distinct else collection
    page = renamed(reader(context, place, query, path), place.entity)
    if address.tail:
        page["value"] = [{"@id": item["@id"]} for item in page["value"]]
        return {"@context": f"{where}Collection($ref)", **page}
    return _of_format({"@context": f"{where}{place.entity.name}", **page}, query)


def _of_format(answer: Json, query: Query) -> Json:
    """Leave out what ``$format=application/json;metadata=…`` does not want."""
    if not query.format:
        return answer
    kept = ("@count", "@nextLink", *(() if query.format == "none" else ("@context",)))

    def bare(value: Any, outer: bool) -> Any:
        if isinstance(value, list):
            return [bare(item, False) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name: bare(inner, False) if name[:1].isupper() or name == "value" else inner
            for name, inner in value.items()
            if "@" not in name or (outer and name in kept) or name.endswith(("@count", "@nextLink"))
        }

    found: Json = bare(answer, True)
    return found


def _property(context: Context, address: Address, place: Place, query: Query) -> Answer:
    if query.given:
        raise WrongRequest("a property takes no options", found=query.given[0][0])
    value: Any = renamed(entity_of(context, place, Query()), place.entity)
    first, *rest = address.within
    value = member_at(value.get(first), rest)
    if value is None:
        return Answer(204)
    if address.tail == "$value":
        if isinstance(value, dict | list):
            return Answer(200, value)
        text = value if isinstance(value, str) else json.dumps(value)
        return Answer(200, text, media="text/plain; charset=utf-8")
    entry = place.entity.properties.get(address.within[0])
    kind = _TYPES[entry.kind] if entry and len(address.within) == 1 else "Edm.Untyped"
    return Answer(200, {"@context": f"{context.root}/$metadata#{kind}", "value": value})


def service_document(root: str) -> Json:
    """Write the answer to a GET of the root.

    Examples
    --------
    >>> service_document("http://host/v2.0")["value"][-1]
    {'name': 'FeatureTypes', 'url': 'http://host/v2.0/FeatureTypes'}
    """
    functions = {name for name in FUNCTIONS if "/" not in name} | {*GEOMETRY_FUNCTIONS, *TEMPORAL}
    functions |= {"all", "any", "cast", "interval", "maxdatetime", "mindatetime", "now"}
    return {
        "@context": f"{root}/$metadata",
        "value": [{"name": name, "url": f"{root}/{name}"} for name in ENTITY_SETS_2],
        "serverSettings": {
            "conformance": list(_CONFORMANCE),
            "functions": sorted(functions),
            _HTTP: {"endpoints": [root]},
        },
    }


def metadata() -> Json:
    """Write the service metadata document: the model in OData's CSDL.

    Examples
    --------
    >>> metadata()["org.OGC.STA"]["Thing"]["Datastreams"]["$Type"]
    'org.OGC.STA.Datastream'
    """
    instant = {"$Type": "Edm.DateTimeOffset"}
    maybe = {**instant, "$Nullable": True}
    space: Json = {entity.singular: _described(entity) for entity in ENTITY_SETS_2.values()}
    space["Object"] = {"$Kind": "ComplexType", "$OpenType": True}
    space["TM_Object"] = {"$Kind": "ComplexType", "start": instant, "end": maybe}
    space["TM_Period"] = {"$Kind": "ComplexType", "start": instant, "end": instant}
    space["SensorThingsV2"] = {
        "$Kind": "EntityContainer",
        **{
            name: {
                "$Collection": True,
                "$Type": f"{_SPACE}.{entity.singular}",
                "$NavigationPropertyBinding": {
                    link.name: target_of(link).name for link in entity.links.values()
                },
            }
            for name, entity in ENTITY_SETS_2.items()
        },
    }
    return {"$Version": "4.01", "$EntityContainer": f"{_SPACE}.SensorThingsV2", _SPACE: space}


def _described(entity: EntitySet) -> Json:
    id = {"$Type": "Edm.Int64" if len(entity.key) == 1 else "Edm.String"}
    found: Json = {"$Kind": "EntityType", "$Key": ["id"], "id": id}
    for name, entry in entity.properties.items():
        found[name] = {"$Type": _TYPES[entry.kind]} if entry.kind != "text" else {}
        if not entry.required:
            found[name]["$Nullable"] = True
    for name, link in entity.links.items():
        many = {} if link.one else {"$Collection": True}
        type = f"{_SPACE}.{target_of(link).singular}"
        needed = {} if link.required else {"$Nullable": True}
        found[name] = {"$Kind": "NavigationProperty", **many, "$Type": type, **needed}
    return found
