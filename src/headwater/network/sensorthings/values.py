"""Fragments of SQL, compiled values with their kinds, and how one kind is read as another.

A fragment is fixed text with its parameters: values never become text.

JSON and results of observations have no fixed kind: next to a number they are read as numbers,
next to text as text, as which a number is what JSON writes; what cannot be counts as null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from headwater.network.sensorthings.errors import WrongRequest

__all__ = [
    "FALSE",
    "Sql",
    "TRUE",
    "Value",
    "as_kind",
    "fill",
    "is_null",
    "joined",
    "json_part",
    "json_place",
]

_PLACE = re.compile(r"\{(\d)\}")


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL; each ``?`` in the text has its value in `parameters`."""

    text: str
    parameters: tuple[Any, ...] = ()


TRUE, FALSE = Sql("TRUE"), Sql("FALSE")


def fill(template: str, *parts: Sql) -> Sql:
    """Put fragments into a template; a part that is named twice brings its parameters twice.

    Examples
    --------
    >>> fill("{0} > {1} OR {0} IS NULL", Sql("t.time"), Sql("?", (5,)))
    Sql(text='t.time > ? OR t.time IS NULL', parameters=(5,))
    """
    parameters: list[Any] = []

    def place(match: re.Match[str]) -> str:
        part = parts[int(match.group(1))]
        parameters.extend(part.parameters)
        return part.text

    text = _PLACE.sub(place, template)
    return Sql(text, tuple(parameters))


def joined(mark: str, parts: Iterable[Sql]) -> Sql:
    """Join fragments by ``AND``, ``OR`` or a comma, each in brackets where it is a condition.

    Examples
    --------
    >>> joined(" AND ", [Sql("a = ?", (1,)), Sql("b")]).text
    '(a = ?) AND (b)'
    """
    listed = list(parts)
    bracketed = mark.strip() in ("AND", "OR")
    texts = [f"({part.text})" if bracketed else part.text for part in listed]
    return Sql(mark.join(texts), tuple(value for part in listed for value in part.parameters))


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression compiles to.

    Attributes
    ----------
    kind : str
        boolean, number, text, instant, interval, period, duration, date, clock, json, result,
        key, geometry, null.
    sql : Sql
        The value; of an interval its start; of JSON the column.
    end : Sql, optional
        End of an interval, null where it is an instant; number of a result.
    path : tuple of str
        Names inside the JSON.
    """

    kind: str
    sql: Sql
    end: Sql | None = None
    path: tuple[str, ...] = ()


_TYPES = {
    "number": ("IN ('integer', 'real')", "= 'number'", "DOUBLE PRECISION"),
    "text": ("", "IN ('string', 'number', 'boolean')", "TEXT"),
    "string": ("= 'text'", "= 'string'", "TEXT"),
    "boolean": ("IN ('true', 'false')", "= 'boolean'", "BOOLEAN"),
}
_TEXT_OF_JSON = (
    "CASE json_type({0}, {1}) WHEN 'text' THEN json_extract({0}, {1})"
    " WHEN 'integer' THEN {0} -> {1} WHEN 'real' THEN {0} -> {1}"
    " WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' END"
)


def json_part(value: Value, kind: str, dialect: str) -> Sql:
    """Take a number, a text or a truth value out of JSON; null where there is no such one.

    Numbers and truth values are taken as text, too, as JSON writes them, but not as a string.
    """
    sqlite, postgresql, cast = _TYPES[kind]
    if dialect == "sqlite":
        place = _sqlite_path(value.path)
        if kind == "text":
            return fill(_TEXT_OF_JSON, value.sql, place)
        template = f"CASE WHEN json_type({{0}}, {{1}}) {sqlite} THEN json_extract({{0}}, {{1}}) END"
        return fill(template, value.sql, place)
    place = json_place(value.path, dialect)
    return fill(
        f"CASE WHEN jsonb_typeof({{0}} #> {{1}}) {postgresql}"
        f" THEN CAST({{0}} #>> {{1}} AS {cast}) END",
        value.sql,
        place,
    )


def json_place(path: tuple[str, ...], dialect: str) -> Sql:
    """Write a place inside JSON as the data base names it."""
    if dialect == "sqlite":
        return _sqlite_path(path)
    return Sql("CAST(? AS TEXT[])", (list(path),))


def _sqlite_path(path: tuple[str, ...]) -> Sql:
    steps = []
    for name in path:
        if '"' in name or "\\" in name:
            raise WrongRequest("a name inside JSON with a quote or backslash", found=name[:40])
        steps.append(f"[{int(name)}]" if name.isdecimal() and len(name) < 9 else f'."{name}"')
    return Sql("?", ("$" + "".join(steps),))


def is_null(value: Value, dialect: str, equal: bool = True) -> Sql:
    """Write the condition that a value is null; by any other comparison null is nothing."""
    if not equal:
        return Sql("FALSE")
    if value.kind in ("json", "result"):
        if dialect == "sqlite":
            missing = fill("json_extract({0}, {1}) IS NULL", value.sql, _sqlite_path(value.path))
        else:
            place = json_place(value.path, dialect)
            missing = fill("({0} #>> {1}) IS NULL", value.sql, place)
        return fill("{0} AND {1} IS NULL", missing, value.end) if value.end else missing
    return fill("{0} IS NULL", value.sql)


_AS_INSTANT = frozenset({"instant", "interval", "period", "date"})


def as_kind(value: Value, kind: str, dialect: str) -> Sql:
    """Read a value as one of another kind.

    Parameters
    ----------
    value : Value
    kind : str
    dialect : {"sqlite", "postgresql"}

    Returns
    -------
    Sql

    Raises
    ------
    WrongRequest
        If the one cannot be the other.
    """
    if value.kind == kind or (kind == "instant" and value.kind in _AS_INSTANT):
        return value.sql
    if value.kind == "null":
        return Sql("NULL")
    if value.kind == "result" and kind == "number" and value.end is not None:
        return value.end
    if value.kind in ("json", "result") and kind in _TYPES:
        return json_part(value, kind, dialect)
    if value.kind == "key" and kind == "text":
        return value.sql
    raise WrongRequest(f"{_A[kind]} is needed in the expression", found=_A[value.kind])


_A = {
    "boolean": "true or false",
    "number": "a number",
    "text": "text",
    "instant": "a time",
    "interval": "a time",
    "period": "a time",
    "duration": "a duration",
    "date": "a date",
    "clock": "a time of day",
    "json": "JSON",
    "result": "a result",
    "key": "an identifier",
    "geometry": "a geometry",
    "null": "null",
}
