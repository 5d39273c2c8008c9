"""Result formats: ``dataArray`` to read and write observations, ``CSV`` and ``GeoJSON`` to read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from headwater.errors import InputError
from headwater.network.entities import Observations, concatenate
from headwater.network.sensorthings.address import read_key
from headwater.network.sensorthings.context import Context, Work
from headwater.network.sensorthings.errors import NotFound, Refused, WrongRequest
from headwater.network.sensorthings.features import extend_area, feature_of_stream
from headwater.network.sensorthings.geometry import bare_geometry
from headwater.network.sensorthings.messages import Answer
from headwater.network.sensorthings.model import ENTITY_SETS, EntitySet
from headwater.network.sensorthings.observations import (
    as_result,
    batch_of,
    check_results,
    known_feature,
    multi_size,
    other_than_own,
)
from headwater.network.sensorthings.query import Query
from headwater.network.sensorthings.validate import as_object, columns_of
from headwater.network.times import NEVER

__all__ = [
    "COMPONENTS",
    "as_data_array",
    "as_table",
    "create_observations",
]

Json = dict[str, Any]
_ENTITY = ENTITY_SETS["Observations"]
_COMPONENTS = ("id", *(name for name in _ENTITY.properties))
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
#: Columns of a table when no `$select` says otherwise.
COMPONENTS = ("id", "phenomenonTime", "result", "resultTime")
_SHAPES = ("location", "feature", "observedArea")


def as_data_array(context: Context, items: Sequence[Json], query: Query) -> list[Json]:
    """Group rendered observations by datastream into tables.

    Parameters
    ----------
    context : Context
    items : sequence of dict
        Each with its ``@iot.id``.
    query : Query

    Returns
    -------
    list of dict
        With ``components`` and ``dataArray``, and the link to the datastream.
    """
    chosen = query.select or COMPONENTS
    components = [
        "id" if name == "@iot.id" else name for name in chosen if name in (*_COMPONENTS, "@iot.id")
    ]
    groups: dict[int, list[list[Any]]] = {}
    for item in items:
        stream = int(item["@iot.id"].partition("@")[0])
        row = [item.get("@iot.id" if name == "id" else name) for name in components]
        groups.setdefault(stream, []).append(row)
    marks = ", ".join("?" * len(groups)) or "NULL"
    sql = f"SELECT id FROM datastreams WHERE multi = 1 AND id IN ({marks})"
    multi = {row[0] for row in context.session.rows(sql, list(groups))}
    return [
        {
            f"{_kind(stream in multi)}@iot.navigationLink": context.link_to(
                ENTITY_SETS[f"{_kind(stream in multi)}s"], (stream,)
            ),
            "components": components,
            "dataArray@iot.count": len(rows),
            "dataArray": rows,
        }
        for stream, rows in groups.items()
    ]


def _kind(multi: bool) -> str:
    return "MultiDatastream" if multi else "Datastream"


def create_observations(work: Work, body: object) -> list[str]:
    """Store tables of observations, all that are sound of them, in one transaction.

    Parameters
    ----------
    work : Work
    body : list of JSON objects
        Each with Datastream or MultiDatastream, ``components`` and ``dataArray``.

    Returns
    -------
    list of str
        For each row its address, or ``error: `` and why it was refused.

    Raises
    ------
    WrongRequest
        If the body has another shape; nothing is stored then.
    """
    if not isinstance(body, list):
        raise WrongRequest("CreateObservations takes a list", found=type(body).__name__)
    answers: list[str] = []
    batches = []
    for part in body:
        batch = _table(work, as_object(part, "a data array"), answers)
        if batch is not None:
            batches.append(batch)
    if batches:
        work.context.session.write(concatenate(batches))
    return answers


def _table(work: Work, part: Json, answers: list[str]) -> Observations | None:
    components, rows = part.get("components"), part.get("dataArray")
    if not isinstance(components, list) or not isinstance(rows, list):
        raise WrongRequest("a data array without components or dataArray")
    unknown = [c for c in components if c not in (*_COMPONENTS, "FeatureOfInterest/id")]
    if unknown or "result" not in components or len(set(components)) != len(components):
        known = ", ".join((*_COMPONENTS, "FeatureOfInterest/id"))
        do = f"Known: {known}; result is needed, each once"
        raise WrongRequest("wrong components", found=repr(components)[:100], do=do)
    try:
        stream, size = _stream(work, part)
    except Refused as error:
        answers += [f"error: {error}"] * len(rows)
        return None
    features = _Features(work.context, stream)
    plain = None if size else _plain(rows, components)
    if plain is not None and rows:
        return _kept_plain(work, stream, features, *plain, answers)
    found: list[Json] = []
    for row in rows:
        try:
            found.append(_row(work.context, row, components, size, features))
        except (Refused, InputError) as error:
            answers.append(f"error: {error}")
            continue
        answers.append("")
    if not found:
        return None
    batch = batch_of(stream, found)
    keys = zip(batch.time.tolist(), batch.variant().tolist(), strict=True)
    links = _announced(work, stream, keys)
    first = len(answers) - len(rows)
    answers[first:] = [text or next(links) for text in answers[first:]]
    return batch


def _announced(work: Work, stream: int, keys: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Note new observations, and give their addresses."""
    for time, variant in keys:
        key = (stream, time, variant)
        work.note(_ENTITY, key, created=True)
        yield work.context.link_to(_ENTITY, key)


def _plain(rows: list[Any], components: list[str]) -> tuple[list[int], list[float]] | None:
    """Read a table of nothing but instants and numbers; None where a row needs a closer look."""
    if sorted(components) != ["phenomenonTime", "result"]:
        return None
    when, what = components.index("phenomenonTime"), components.index("result")
    try:
        if any(len(row) != 2 for row in rows) or not {type(row[what]) for row in rows} <= _NUMBERS:
            return None
        moments = [datetime.fromisoformat(row[when]) for row in rows]
        times = [(moment - _EPOCH) // _MICROSECOND for moment in moments]
        return times, [float(row[what]) for row in rows]
    except (TypeError, ValueError, OverflowError, KeyError):
        return None


_NUMBERS = {int, float}


def _kept_plain(
    work: Work,
    stream: int,
    features: _Features,
    times: list[int],
    results: list[float],
    answers: list[str],
) -> Observations | None:
    try:
        feature = features.of(None)
    except Refused as error:
        answers += [f"error: {error}"] * len(times)
        return None
    columns: dict[str, Any] = {"time": times, "result": results}
    if feature is not None:
        here = [known_feature(work.context, stream, {"time": time}, feature) for time in times]
        columns["feature"] = [NEVER if one is None else one for one in here]
    batch = Observations([stream] * len(times), **columns)  # type: ignore[arg-type]
    if feature is not None or work.announced:
        keys = zip(times, batch.variant().tolist(), strict=True)
        answers += _announced(work, stream, keys)
    else:
        begin = work.context.link_to(_ENTITY, (stream, 0, 0)).removesuffix("0')")
        answers += [f"{begin}{time}')" for time in times]
    return batch


def _stream(work: Work, part: Json) -> tuple[int, int]:
    name = "MultiDatastream" if "MultiDatastream" in part else "Datastream"
    reference = part.get(name)
    id = reference.get("@iot.id") if isinstance(reference, dict) else None
    try:
        key = read_key(ENTITY_SETS[f"{name}s"], id)
    except NotFound:
        key = (0,)
    rows = work.context.session.rows("SELECT multi FROM datastreams WHERE id = ?", key)
    if not rows or bool(rows[0][0]) != (name == "MultiDatastream"):
        raise WrongRequest(f"there is no such {name}", found=f"@iot.id {str(id)[:40]!r}")
    work.guard(ENTITY_SETS["Datastreams"], key)
    return key[0], multi_size(work.context, key[0])


@dataclass(slots=True)
class _Features:
    """Features of the rows, each looked up once."""

    context: Context
    stream: int
    known: dict[Any, int | None] = field(default_factory=dict)

    def of(self, id: object) -> int | None:
        name = str(id)
        if name not in self.known:
            self.known[name] = self._found(id)
        return self.known[name]

    def _found(self, id: object) -> int | None:
        if id is None:
            return feature_of_stream(self.context, self.stream)
        entity: EntitySet = ENTITY_SETS["FeaturesOfInterest"]
        key = read_key(entity, id)
        sql = "SELECT 1 FROM features_of_interest WHERE id = ?"
        if not self.context.session.rows(sql, key):
            raise WrongRequest("there is no such FeatureOfInterest", found=str(id)[:40])
        extend_area(self.context, self.stream, key[0])
        return other_than_own(self.context, self.stream, key[0])


def _row(context: Context, row: Any, components: list[str], size: int, features: _Features) -> Json:
    """Check one row and give it by column."""
    if not isinstance(row, list) or len(row) != len(components):
        raise WrongRequest("a row does not match the components", found=repr(row)[:60])
    body = dict(zip(components, row, strict=True))
    named = body.pop("FeatureOfInterest/id", None)
    columns = columns_of(_ENTITY, body)
    check_results(size, columns["result_json"])
    as_result(columns["result_json"])  # refuses integers that no column holds
    if columns.get("time") is None:
        columns["time"] = context.now
    if columns.get("time_end", 0) is None:
        del columns["time_end"]  # an instant, like most: then the batch needs no such column
    feature = features.of(named)
    if named is None:
        feature = known_feature(context, features.stream, columns, feature)
    return columns if feature is None else {**columns, "feature_id": feature}


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
