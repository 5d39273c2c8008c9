"""Entities in the shape that SensorThings 2.0 gives them.

References
----------
OGC 23-019, section 8 (core data model) and section 9, requesting data.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headwater.network.sensorthings.context import Context
from headwater.network.sensorthings.model import EntitySet
from headwater.network.sensorthings.model_2 import target_of

if TYPE_CHECKING:
    from headwater.network.sensorthings.paging import Row

__all__ = ["as_in_2", "renamed", "span_of"]

Json = dict[str, Any]
_COUNT = "OM_CountObservation"
_KINDS = {
    "OM_CategoryObservation": "Category",
    _COUNT: "Count",
    "OM_TruthObservation": "Boolean",
    "OM_Measurement": "Quantity",
}
_NAMES = {
    "@iot.id": "id",
    "@iot.selfLink": "@id",
    "@iot.count": "@count",
    "@iot.nextLink": "@nextLink",
}
_SUFFIXES = ("navigationLink", "count", "nextLink")


def as_in_2(context: Context, entity: EntitySet, rows: Sequence[Row], items: list[Json]) -> None:
    """Give the times of entities a start and an end, and datastreams the type of their results.

    Parameters
    ----------
    context : Context
    entity : EntitySet
    rows : sequence of dict
        By column.
    items : list of dict
        As rendered from the rows; changed.
    """
    spans = [n for n, entry in entity.properties.items() if entry.end]
    for item in items:
        for name in spans:
            if isinstance(item.get(name), str):
                item[name] = span_of(item[name])
    if entity.name != "Datastreams" or not items:
        return
    observed = _observed(context, [row["id"] for row in rows])
    for row, item in zip(rows, items, strict=True):
        if "resultType" in item:
            item["resultType"] = _result_type(row, observed.get(row["id"], []))
        if item.pop("resultEncoding", 0):
            item["resultEncoding"] = {"type": "JSONEncoding", "recordsAsArrays": True}


def span_of(text: str) -> Json:
    """Write an interval with its start and, where it has one, its end."""
    start, _, end = text.partition("/")
    return {"start": start, "end": end} if end else {"start": start}


def _observed(context: Context, ids: Sequence[int]) -> dict[int, list[tuple[int, str]]]:
    """List the observed properties of datastreams, each as its key and name, in their order."""
    marks = ", ".join("?" * len(ids))
    rows = context.session.rows(
        "SELECT d.id, 0, o.id, o.name FROM datastreams d JOIN observed_properties o"
        f" ON o.id = d.observed_property_id WHERE d.multi = 0 AND d.id IN ({marks})"
        " UNION ALL SELECT r.datastream_id, r.rank, o.id, o.name"
        " FROM datastreams_observed_properties r JOIN observed_properties o"
        f" ON o.id = r.observed_property_id WHERE r.datastream_id IN ({marks}) ORDER BY 1, 2",
        (*ids, *ids),
    )
    found: dict[int, list[tuple[int, str]]] = {}
    for stream, _, key, name in rows:
        found.setdefault(stream, []).append((key, name))
    return found


def _result_type(row: Row, observed: Sequence[tuple[int, str]]) -> Json:
    """Describe results as a component of SWE Common: a quantity, or a record of several."""
    units = json.loads(row["unit_of_measurement"])
    if isinstance(units, dict):
        return _component(units, str(row["observation_type"]), *observed[0]) if observed else {}
    types = json.loads(row["multi_observation_data_types"])
    return {
        "type": "DataRecord",
        "fields": [
            {"name": f"field{k + 1}", **_component(unit, str(type), *property)}
            for k, (unit, type, property) in enumerate(zip(units, types, observed, strict=False))
        ],
    }


def _component(unit: Json, type: str, key: int, label: str) -> Json:
    kind = _KINDS.get(type.rsplit("/", 1)[-1], "Quantity")
    found: Json = {"type": kind, "label": label, "definition": f"ObservedProperties({key})"}
    if kind == "Quantity":
        known = {"label": unit.get("name"), "symbol": unit.get("symbol")}
        uom = {n: value for n, value in known.items() if value is not None}
        definition = unit.get("definition")
        found["uom"] = {"href": definition, **uom} if definition else uom
    return found


def renamed(value: Any, entity: EntitySet) -> Any:
    """Write control information of 1.1 as that of 2.0, in what an answer holds, to any depth.

    Examples
    --------
    >>> from headwater.network.sensorthings.model_2 import ENTITY_SETS_2
    >>> renamed({"@iot.id": 7, "name": "A"}, ENTITY_SETS_2["Things"])
    {'id': 7, 'name': 'A'}
    """
    if isinstance(value, list):
        return [renamed(item, entity) for item in value]
    found: Json = {}
    for name, inner in value.items():
        link = entity.links.get(name)
        if link is not None:
            found[name] = renamed(inner, target_of(link))
        elif name == "value" and isinstance(inner, list):
            found[name] = renamed(inner, entity)
        else:
            head, at, tail = name.partition("@iot.")
            short = f"{head}@{tail}" if at and head and tail in _SUFFIXES else name
            found[_NAMES.get(name, short)] = inner
    return found
