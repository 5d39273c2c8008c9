"""Answers for spreadsheets and maps: ``$resultFormat=CSV`` and ``GeoJSON``.

Nested names are joined by a slash; an expanded collection makes one row for each of its entities.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from headwater.network.sensorthings.geometry import bare_geometry
from headwater.network.sensorthings.messages import Answer
from headwater.network.sensorthings.model import EntitySet

__all__ = ["as_table"]

Json = dict[str, Any]
_SHAPES = ("location", "feature", "observedArea")


def as_table(items: Sequence[Json], entity: EntitySet, format: str, more: str | None) -> Answer:
    """Write entities as CSV or GeoJSON.

    Parameters
    ----------
    items : sequence of dict
        As rendered.
    entity : EntitySet
    format : {"CSV", "GeoJSON"}
    more : str or None
        Address of the next page; of CSV it goes into the header ``Link``.

    Returns
    -------
    Answer

    Examples
    --------
    >>> from headwater.network.sensorthings.model import ENTITY_SETS
    >>> items = [{"@iot.id": 1, "name": "A", "properties": {"slope": 3}}]
    >>> as_table(items, ENTITY_SETS["Things"], "CSV", None).body.splitlines()
    ['id,name,properties/slope', '1,A,3']
    """
    if format == "CSV":
        headers = {"Link": f'<{more}>; rel="next"'} if more else {}
        return Answer(200, _csv(items), headers, "text/csv; charset=utf-8")
    collection: Json = {"type": "FeatureCollection"}
    collection["features"] = [_feature(item) for item in items]
    if more:
        collection["links"] = [{"rel": "next", "href": more}]
    return Answer(200, json.dumps(collection, ensure_ascii=False), {}, "application/geo+json")


def _csv(items: Sequence[Json]) -> str:
    rows = [row for item in items for row in _rows(item)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(item: Json, prefix: str = "") -> Iterator[Json]:
    """Write an entity as one row, or as many as its expanded collections hold."""
    flat: Json = {}
    lists: list[tuple[str, list[Json]]] = []
    for name, value in item.items():
        if name.endswith(("@iot.navigationLink", "@iot.selfLink", "@iot.nextLink", "@iot.count")):
            continue
        called = prefix + ("id" if name == "@iot.id" else name)
        if isinstance(value, list) and value and isinstance(value[0], dict) and _is_link(name):
            lists.append((called, value))
        elif isinstance(value, dict) and name not in _SHAPES:
            for inner in list(_rows(value, f"{called}/"))[:1]:
                flat |= inner
        elif isinstance(value, dict | list):
            flat[called] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        else:
            flat[called] = value
    if not lists:
        yield flat
        return
    for called, values in lists:
        for value in values:
            for inner in _rows(value, f"{called}/"):
                yield flat | inner


def _is_link(name: str) -> bool:
    return name[:1].isupper()


def _feature(item: Json) -> Json:
    """Make a feature: its geometry is that of the entity, or of the first one expanded in it."""
    shape = _geometry(item)
    properties = next(_rows({name: v for name, v in item.items() if name not in _SHAPES}), {})
    return {
        "type": "Feature",
        "id": item.get("@iot.id"),
        "geometry": shape,
        "properties": properties,
    }


def _geometry(item: Json) -> Any:
    for name in _SHAPES:
        if isinstance(item.get(name), dict):
            return bare_geometry(item[name])
    for name, value in item.items():
        if not _is_link(name):
            continue
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and (found := _geometry(inner)) is not None:
                return found
    return None
