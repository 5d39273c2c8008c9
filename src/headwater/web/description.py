"""The OpenAPI document of the service, written from its data model."""

from __future__ import annotations

from typing import Any

import headwater
from headwater.network.sensorthings.context import Limits
from headwater.network.sensorthings.model import ENTITY_SETS, EntitySet, Property

__all__ = ["describe"]

Json = dict[str, Any]
_KINDS: dict[str, Json] = {
    "text": {"type": "string"},
    "json": {},
    "geometry": {"type": "object", "description": "GeoJSON"},
    "instant": {"type": "string", "format": "date-time"},
    "interval": {"type": "string", "description": "ISO 8601 instant or start/end, with zone"},
    "period": {"type": "string", "description": "ISO 8601 start/end, kept by the service"},
    "result": {"description": "number, text, true or false, list, object or null"},
}
_OPTIONS: tuple[tuple[str, Json, str], ...] = (
    ("$select", {"type": "string"}, "names of properties, with commas"),
    ("$expand", {"type": "string"}, "links to follow, with options in brackets"),
    ("$filter", {"type": "string"}, "such as: result gt 0.3 and Datastream/name eq 'sm10'"),
    ("$orderby", {"type": "string"}, "such as: phenomenonTime desc"),
    ("$top", {"type": "integer", "minimum": 0}, "entities of a page"),
    ("$skip", {"type": "integer", "minimum": 0}, "entities to leave out first"),
    ("$count", {"type": "boolean"}, "say how many there are"),
)


def describe(limits: Limits) -> Json:
    """Write the OpenAPI 3.1 document.

    Parameters
    ----------
    limits : Limits

    Returns
    -------
    dict

    Examples
    --------
    >>> "/Things({id})" in describe(Limits())["paths"]
    True
    """
    paths: Json = {"/": {"get": _operation("the service root")}}
    for entity in ENTITY_SETS.values():
        one, many = f"/{entity.name}({{id}})", f"/{entity.name}"
        paths[many] = {
            "get": _operation(f"list {entity.name}", options=_OPTIONS),
            "post": _operation(f"create one of {entity.name}", entity),
        }
        paths[one] = {
            "parameters": [_key(entity)],
            "get": _operation(f"one of {entity.name}", options=_OPTIONS[:2]),
            "patch": _operation(f"change one of {entity.name}", entity),
            "put": _operation(f"replace one of {entity.name}", entity),
            "delete": _operation(f"delete one of {entity.name}"),
        }
        for link in entity.links.values():
            paths[f"{one}/{link.name}"] = {
                "parameters": [_key(entity)],
                "get": _operation(
                    f"{link.name} of one of {entity.name}",
                    options=_OPTIONS if link.many else _OPTIONS[:2],
                ),
            }
    paths["/CreateObservations"] = {"post": _operation("create tables of observations", True)}
    paths["/$batch"] = {"post": _operation("several requests in one", True)}
    schemas = {entity.singular: _schema(entity) for entity in ENTITY_SETS.values()}
    title = "Headwater observation network"
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": headwater.__version__},
        "servers": [{"url": "/v1.1", "description": f"bodies up to {limits.body} bytes"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _key(entity: EntitySet) -> Json:
    kind = {"type": "integer"} if len(entity.key) == 1 else {"type": "string"}
    return {"name": "id", "in": "path", "required": True, "schema": kind}


def _operation(
    summary: str,
    body: EntitySet | bool = False,
    options: tuple[tuple[str, Json, str], ...] = (),
) -> Json:
    found: Json = {"summary": summary, "responses": {"default": {"description": "JSON"}}}
    if options:
        found["parameters"] = [
            {"name": name, "in": "query", "schema": schema, "description": text}
            for name, schema, text in options
        ]
    if body:
        schema = (
            {"$ref": f"#/components/schemas/{body.singular}"} if isinstance(body, EntitySet) else {}
        )
        found["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return found


def _schema(entity: EntitySet) -> Json:
    properties: Json = {p.name: _property(p) for p in entity.properties.values() if p.written}
    for link in entity.links.values():
        linked: Json = {"type": "object"}
        properties[link.name] = linked if link.one else {"type": "array", "items": linked}
    required = [p.name for p in entity.properties.values() if p.required]
    return {"type": "object", "properties": properties, "required": required}


def _property(entry: Property) -> Json:
    return _KINDS[entry.kind]
