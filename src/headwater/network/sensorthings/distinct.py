"""``$select=distinct:…``: every combination of values that a collection has, each of them once.

References
----------
Fraunhofer IOSB, FROST-Server, extension Select Distinct: syntax and shape of the answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from headwater.network.sensorthings.context import Context
from headwater.network.sensorthings.errors import NotImplementedHere, WrongRequest
from headwater.network.sensorthings.expression import Path
from headwater.network.sensorthings.model import EntitySet, Property
from headwater.network.sensorthings.paging import next_link, ready, selection, size_of
from headwater.network.sensorthings.query import Query
from headwater.network.sensorthings.read import Place, value_of
from headwater.network.sensorthings.shape_2 import span_of
from headwater.network.sensorthings.values import Sql, fill, joined, json_place

__all__ = ["distinct_values"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One selected value: a property, or a part inside one, and its columns."""

    entry: Property
    within: tuple[str, ...]
    columns: tuple[Sql, ...]

    @property
    def path(self) -> tuple[str, ...]:
        return (self.entry.name, *self.within)


def distinct_values(context: Context, place: Place, query: Query, path: str) -> Json:
    """Read one page of the distinct values of a collection.

    Parameters
    ----------
    context : Context
    place : Place
        A collection.
    query : Query
        Its `select` and `within` name the values.
    path : str
        Address below the root, for the link to the next page.

    Returns
    -------
    dict
        As of the collection itself, each item with what was selected of it.

    Raises
    ------
    WrongRequest
        If an option does not go with distinct values.
    """
    if query.expand or query.format or query.after:
        raise WrongRequest("$expand, formats and $skiptoken do not go with distinct: values")
    entity, dialect = place.entity, context.session.dialect
    query = ready(context, entity, query)
    wanted = [_wanted(entity, one, dialect) for one in _paths(query)]
    columns = [column for one in wanted for column in one.columns]
    listed = Sql(
        ", ".join(f"{column.text} AS c{k}" for k, column in enumerate(columns)),
        tuple(value for column in columns for value in column.parameters),
    )
    where = selection(context, entity, place.base, query)
    found = fill(f"SELECT DISTINCT {{0}} FROM {entity.table} t WHERE {{1}}", listed, where)
    answer: Json = {}
    if query.count:
        counted = context.session.rows(f"SELECT count(*) FROM ({found.text}) d", found.parameters)
        answer["@iot.count"] = counted[0][0]
    size = size_of(context, query)
    order = joined(", ", _ordered(query, wanted, len(columns), dialect))
    page = fill("SELECT {2} FROM ({0}) d ORDER BY {1}", found, order, _written(wanted, dialect))
    rows = context.session.rows(
        f"{page.text} LIMIT ? OFFSET ?", (*page.parameters, size + 1, query.skip)
    )
    if len(rows) > size > 0:
        answer["@iot.nextLink"] = next_link(
            f"{context.root}/{path}", query, "$skip", str(query.skip + size)
        )
    answer["value"] = [_item(entity, wanted, row) for row in rows[:size]]
    return answer


def _paths(query: Query) -> list[tuple[str, ...]]:
    names = query.select or ()
    inside = {name[0] for name in query.within}
    whole = [(name,) for name in dict.fromkeys(names) if name not in inside]
    return [*whole, *query.within]


def _wanted(entity: EntitySet, path: tuple[str, ...], dialect: str) -> _Wanted:
    entry, within = entity.properties.get(path[0]), path[1:]
    if (
        entry is None
        or entry.kind == "computed"
        or (within and entry.kind not in ("json", "geometry"))
    ):
        raise NotImplementedHere(
            "distinct: values of this",
            found="/".join(path)[:80],
            do="Select stored properties, or parts of JSON ones, such as distinct:properties/type",
        )
    column = Sql(f"t.{entry.column}")
    if within:
        place = json_place(within, dialect)
        part = "({0} -> {1})" if dialect == "sqlite" else "({0} #> {1})"
        null = "'null'" if dialect == "sqlite" else "CAST('null' AS jsonb)"
        return _Wanted(entry, within, (fill(f"NULLIF({part}, {null})", column, place),))
    also = [entry.end] if entry.end else ["result_number"] if entry.kind == "result" else []
    return _Wanted(entry, (), (column, *(Sql(f"t.{name}") for name in also)))


def _written(wanted: list[_Wanted], dialect: str) -> Sql:
    """Select the columns, parts of JSON as text."""
    parts, at = [], 0
    for one in wanted:
        inside = bool(one.within) and dialect != "sqlite"
        parts += [f"d.c{at + k}" + ("::text" if inside else "") for k in range(len(one.columns))]
        at += len(one.columns)
    return Sql(", ".join(parts))


def _ordered(query: Query, wanted: list[_Wanted], columns: int, dialect: str) -> list[Sql]:
    """Order by what was selected; what is left makes the order unambiguous."""
    begins, at = dict[tuple[str, ...], int](), 0
    for one in wanted:
        begins[one.path] = at
        at += len(one.columns)
    inside = {begins[one.path] for one in wanted if one.within and dialect == "sqlite"}

    def term(k: int, descending: bool) -> Sql:
        text = f"json_extract(d.c{k}, '$')" if k in inside else f"d.c{k}"
        way = "DESC NULLS LAST" if descending else "ASC NULLS FIRST"
        return Sql(f"{text} {way}")

    terms = []
    for order in query.orderby:
        path = order.expression.steps if isinstance(order.expression, Path) else ()
        if path not in begins:
            do = f"Order by {', '.join('/'.join(name) for name in begins)}"
            raise WrongRequest("$orderby of a value that distinct: does not select", do=do)
        terms.append(term(begins[path], order.descending))
    return [*terms, *(term(k, False) for k in range(columns))]


def _item(entity: EntitySet, wanted: list[_Wanted], row: tuple[Any, ...]) -> Json:
    item: Json = {}
    at = 0
    for one in wanted:
        values = row[at : at + len(one.columns)]
        at += len(one.columns)
        if one.within:
            value = None if values[0] is None else json.loads(values[0])
        else:
            names = (one.entry.column, one.entry.end or "result_number")
            value = value_of(one.entry, dict(zip(names, values, strict=False)))
            if one.entry.end and entity.version != "1.1" and isinstance(value, str):
                value = span_of(value)
        if value is None:
            continue
        here = item
        for step in one.path[:-1]:
            here = here.setdefault(step, {})
        here[one.path[-1]] = value
    return item
