"""Check what a client sends before anything is stored: each property of the kind it must have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from headwater.errors import TimeAxisError, nearest
from headwater.network.sensorthings.errors import WrongRequest
from headwater.network.sensorthings.geometry import bare_geometry
from headwater.network.sensorthings.model import EntitySet, Property
from headwater.network.times import microseconds

__all__ = ["as_object", "columns_of", "read_body", "read_interval"]

Json = dict[str, Any]
_GEOJSON = ("application/geo+json", "application/vnd.geo+json", "application/json")
_DEEPEST = 40


def read_body(body: bytes) -> Any:
    """Read JSON strictly: UTF-8, no NaN, no zero bytes, no more than 40 levels.

    Raises
    ------
    WrongRequest
        If it is none.

    Examples
    --------
    >>> read_body(b'{"result": 0.31}')
    {'result': 0.31}
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        text = str(error)[:200] or "too deeply nested"
        raise WrongRequest("the body is no JSON", found=text) from None
    _check_depth(value, 0)
    return value


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _check_depth(value: object, depth: int) -> None:
    if depth > _DEEPEST:
        raise WrongRequest("the body is nested too deeply", found=f"over {_DEEPEST} levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, part in value.items():
            _check_text(name)
            _check_depth(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, str | dict | list):
                _check_depth(part, depth + 1)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise WrongRequest("a zero byte in a text", found=repr(text[:40]))
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise WrongRequest("half a character in a text", found=ascii(text[:40])) from None


def as_object(value: object, what: str) -> Json:
    """Insist on a JSON object."""
    if not isinstance(value, dict):
        raise WrongRequest(f"{what} must be a JSON object", found=type(value).__name__)
    return value


def read_interval(text: object, name: str) -> tuple[int, int | None]:
    """Read an instant or an interval ``start/end``.

    Returns
    -------
    start : int
        [µs]
    end : int or None

    Raises
    ------
    WrongRequest
        If it is none, has no zone, or ends before it starts.

    Examples
    --------
    >>> read_interval("1970-01-01T00:00:00Z/1970-01-01T00:00:01Z", "validTime")
    (0, 1000000)
    """
    if not isinstance(text, str):
        raise WrongRequest(f"{name} must be a time of ISO 8601", found=repr(text)[:60])
    parts = text.split("/")
    if len(parts) > 2:
        raise WrongRequest(f"{name} has more than a start and an end", found=text[:80])
    bounds = [_instant(part, name) for part in parts]
    if bounds[-1] < bounds[0]:
        raise WrongRequest(f"{name} ends before it starts", found=text[:80])
    return bounds[0], bounds[1] if len(bounds) == 2 else None


def _instant(text: object, name: str) -> int:
    if not isinstance(text, str):
        raise WrongRequest(f"{name} must be a time of ISO 8601", found=repr(text)[:60])
    try:
        return microseconds(text)
    except TimeAxisError as error:
        found = error.found[:80]
        raise WrongRequest(f"{name}: {error.wrong}", found=found, do=error.do) from None


def columns_of(entity: EntitySet, body: Json, *, partial: bool = False) -> dict[str, Any]:
    """Check the properties of an entity and give them by column.

    Parameters
    ----------
    entity : EntitySet
    body : dict
    partial : bool
        Required properties may be absent, as in PATCH.

    Returns
    -------
    dict
        Only the columns that were given; JSON as values, times in µs.

    Raises
    ------
    WrongRequest
        If a property is unknown, missing or of the wrong kind.
    """
    found: dict[str, Any] = {}
    for name, value in body.items():
        entry = entity.properties.get(name)
        if entry is None:
            _check_name(entity, name)
        elif entry.written:
            found |= _checked(entity, entry, value, body)
    missing = [p.name for p in entity.properties.values() if p.required and p.name not in body]
    if missing and not partial:
        raise WrongRequest(
            f"{entity.singular} without {', '.join(missing)}", do="Give all required properties"
        )
    return found


def _check_name(entity: EntitySet, name: str) -> None:
    if name in entity.links or "@iot." in name or name == "id":
        return
    known = [*entity.properties, *entity.links]
    raise WrongRequest(
        f"a {entity.singular} has no such property",
        found=f"'{name[:60]}'",
        do=nearest(name[:60], known, known),
    )


def _checked(entity: EntitySet, entry: Property, value: Any, body: Json) -> dict[str, Any]:
    if value is None and entry.kind != "result":
        if entry.required:
            raise WrongRequest(f"{entry.name} of a {entity.singular} cannot be null")
        return {entry.column: None, **({entry.end: None} if entry.end else {})}
    if entry.kind == "interval":
        start, end = read_interval(value, entry.name)
        return {entry.column: start, entry.end: end}
    if entry.kind == "instant":
        return {entry.column: _instant(value, entry.name)}
    if entry.kind == "text" and not isinstance(value, str):
        raise WrongRequest(f"{entry.name} must be text", found=repr(value)[:60])
    if entry.kind == "geometry":
        _check_geometry(entry, value, body.get("encodingType", _GEOJSON[0]))
    check = _SHAPES.get(entry.name)
    if check is not None and not check[1](value):
        raise WrongRequest(f"{entry.name} must be {check[0]}", found=repr(value)[:60])
    return {entry.column: value}


def _check_geometry(entry: Property, value: object, encoding: object) -> None:
    if encoding not in _GEOJSON:
        return
    import shapely

    try:
        shape = shapely.from_geojson(json.dumps(bare_geometry(value)))
    except shapely.errors.ShapelyError as error:
        text = str(error)[:100]
        raise WrongRequest(f"{entry.name} is no GeoJSON", found=text) from None
    if shape is None:
        raise WrongRequest(f"{entry.name} is no GeoJSON", found=repr(value)[:60])


def _objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


_SHAPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "properties": ("a JSON object", lambda value: isinstance(value, dict)),
    "parameters": ("a JSON object", lambda value: isinstance(value, dict)),
    "unitOfMeasurement": ("a JSON object", lambda value: isinstance(value, dict)),
    "unitOfMeasurements": ("a list of objects", _objects),
    "multiObservationDataTypes": ("a list of texts", _texts),
}
