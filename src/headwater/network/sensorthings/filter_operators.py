"""Compare and reckon with compiled values, times and intervals among them.

Intervals are half-open: one lies before what begins no earlier than it ends, and what begins with
an interval does not lie before it. By ``le`` and ``ge`` both bounds are compared, as by FROST. What
is null compares as false, except with ``null`` itself and by ``ne`` (OData 4.0 Part 2, section
5.1.1.1).
"""

from __future__ import annotations

from headwater.network.sensorthings.errors import WrongRequest
from headwater.network.sensorthings.values import (
    Sql,
    Value,
    as_kind,
    fill,
    is_null,
    joined,
    json_part,
    json_place,
)

__all__ = ["arithmetic", "compared", "held_in"]

_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_MIRROR = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq", "ne": "ne"}
_LOOSE = frozenset({"json", "result"})
_SPANS = frozenset({"interval", "period"})
_TIMES = frozenset({"instant", "date"})


def compared(operator: str, left: Value, right: Value, dialect: str) -> Sql:
    """Compile a comparison.

    Parameters
    ----------
    operator : {"eq", "ne", "gt", "ge", "lt", "le"}
    left, right : Value
    dialect : {"sqlite", "postgresql"}

    Returns
    -------
    Sql

    Raises
    ------
    WrongRequest
        If the two have nothing in common.
    """
    if operator == "ne":
        return fill("({0}) IS NOT TRUE", compared("eq", left, right, dialect))
    if "null" in (left.kind, right.kind):
        return is_null(right if left.kind == "null" else left, dialect, operator == "eq")
    if left.kind in _SPANS or right.kind in _SPANS:
        return _spans(operator, left, right)
    if left.kind in _LOOSE and right.kind in _LOOSE:
        kinds = ("number", "string", *(("boolean",) if operator == "eq" else ()))
        return joined(" OR ", [_plain(operator, left, right, kind, dialect) for kind in kinds])
    kind = _common(left, right)
    if kind == "text" and operator != "eq":
        # 10 is no text that comes before '9'
        parts = [_string(side, dialect) for side in (left, right)]
        return fill(f"{{0}} {_SIGNS[operator]} {{1}}", *parts)
    return _plain(operator, left, right, kind, dialect)


def held_in(value: Value, among: Value, dialect: str) -> Sql:
    """Compile that a number or text is in a list that stands in JSON.

    Raises
    ------
    WrongRequest
        If it is neither, or the list cannot be one.
    """
    if among.kind not in _LOOSE or value.kind not in ("number", "text"):
        raise WrongRequest(
            "'in' looks for a number or text in a list",
            found=f"{value.kind} in {among.kind}",
            do="Write name in ('a', 'b'), or 'a' in properties/tags",
        )
    place = json_place(among.path, dialect)
    if dialect == "sqlite":
        listed = "SELECT 1 FROM json_each({0}, {1}) e WHERE json_type({0}, {1}) = 'array'"
        return fill(f"EXISTS ({listed} AND e.value = {{2}})", among.sql, place, value.sql)
    type = "TEXT" if value.kind == "text" else "DOUBLE PRECISION"
    template = "coalesce(jsonb_typeof({0} #> {1}) = 'array' AND {0} #> {1} @> to_jsonb({2}), FALSE)"
    return fill(template, among.sql, place, fill(f"CAST({{0}} AS {type})", value.sql))


def _common(left: Value, right: Value) -> str:
    if left.kind in _TIMES and right.kind in _TIMES:
        return "instant"
    if left.kind in _LOOSE or right.kind in _LOOSE:
        other = right.kind if left.kind in _LOOSE else left.kind
        return "text" if other == "key" else other
    return "text" if left.kind == "key" else left.kind


def _string(side: Value, dialect: str) -> Sql:
    if side.kind in _LOOSE:
        return json_part(side, "string", dialect)
    return as_kind(side, "text", dialect)


def _plain(operator: str, left: Value, right: Value, kind: str, dialect: str) -> Sql:
    if kind == "geometry":
        raise WrongRequest("geometries are compared by st_equals and its like", found=operator)
    parts = [as_kind(side, kind, dialect) for side in (left, right)]
    return fill(f"{{0}} {_SIGNS[operator]} {{1}}", *parts)


def _spans(operator: str, left: Value, right: Value) -> Sql:
    for side in (left, right):
        if side.kind not in _SPANS | _TIMES:
            raise WrongRequest("a time is compared with a time", found=side.kind)
    template = _OF_SPANS[_MIRROR[operator] if operator in ("gt", "ge") else operator]
    if operator in ("gt", "ge"):
        left, right = right, left
    return fill(template, left.sql, _end(left), right.sql, _end(right))


# {0} and {1} are start and end of the one, {2} and {3} of the other; starts are compared where the
# ends say it all, too, for the index is by start
_OF_SPANS = {
    "eq": "{0} = {2} AND {1} = {3}",
    "lt": "{0} < {2} AND {1} <= {2}",
    "le": "{0} <= {2} AND {1} <= {3}",
}


def _end(side: Value) -> Sql:
    """Write where a time ends; an instant ends as it begins."""
    return side.sql if side.end is None else fill("coalesce({0}, {1})", side.end, side.sql)


_NUMBERS = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "(CAST({0} AS DOUBLE PRECISION) / nullif(CAST({1} AS DOUBLE PRECISION), 0))",
}
_MODULO = {
    "sqlite": "mod({0}, nullif({1}, 0))",
    "postgresql": "CAST(mod(CAST({0} AS NUMERIC), nullif(CAST({1} AS NUMERIC), 0))"
    " AS DOUBLE PRECISION)",
}
_OF_TIME = {
    ("add", "instant", "duration"): "instant",
    ("sub", "instant", "duration"): "instant",
    ("add", "duration", "instant"): "instant",
    ("sub", "instant", "instant"): "duration",
    ("add", "duration", "duration"): "duration",
    ("sub", "duration", "duration"): "duration",
}


def arithmetic(operator: str, left: Value, right: Value, dialect: str) -> Value:
    """Compile a sum, difference, product, quotient or remainder.

    Raises
    ------
    WrongRequest
        If such values cannot be reckoned with.
    """
    if left.kind in _SPANS and right.kind == "duration" and operator in ("add", "sub"):
        start, end = (fill(_NUMBERS[operator], one, right.sql) for one in (left.sql, _end(left)))
        return Value("interval", start, end)
    kinds = [_reckoned(side) for side in (left, right)]
    given = _OF_TIME.get((operator, kinds[0], kinds[1]))
    if given is not None:
        parts = [
            as_kind(side, kind, dialect) for side, kind in zip((left, right), kinds, strict=True)
        ]
        return Value(given, fill(_NUMBERS[operator], *parts))
    parts = [
        fill("CAST({0} AS DOUBLE PRECISION)", as_kind(side, "number", dialect))
        for side in (left, right)
    ]
    template = _MODULO[dialect] if operator == "mod" else _NUMBERS[operator]
    return Value("number", fill(template, *parts))


def _reckoned(side: Value) -> str:
    return "instant" if side.kind in _SPANS | _TIMES else side.kind
