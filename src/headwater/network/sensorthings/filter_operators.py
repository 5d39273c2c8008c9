"""Compare and reckon with compiled values, times and intervals among them.

An interval lies before an instant if it ends no later, after it if it starts later; it equals an
interval with the same bounds. What is null compares as false, except with ``null`` itself and by
``ne`` (OData 4.0 Part 2, section 5.1.1.1).
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
        parts = [_plain(operator, left, right, kind, dialect) for kind in ("number", "text")]
        return joined(" OR ", parts)
    return _plain(operator, left, right, _common(left, right), dialect)


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


def _plain(operator: str, left: Value, right: Value, kind: str, dialect: str) -> Sql:
    if kind == "geometry":
        raise WrongRequest("geometries are compared by st_equals and its like", found=operator)
    parts = [as_kind(side, kind, dialect) for side in (left, right)]
    return fill(f"{{0}} {_SIGNS[operator]} {{1}}", *parts)


def _spans(operator: str, left: Value, right: Value) -> Sql:
    for side in (left, right):
        if side.kind not in _SPANS | _TIMES:
            raise WrongRequest("a time is compared with a time", found=side.kind)
    if left.kind not in _SPANS:  # keep the span on the left
        operator, left, right = _MIRROR[operator], right, left
    ends = right.end is not None
    if operator == "eq":
        if not ends:
            missing = _same_end(left)
            return fill("{0} = {1} AND {2}", left.sql, right.sql, missing)
        assert left.end is not None
        return fill(
            "{0} = {1} AND coalesce({2}, {0}) = coalesce({3}, {1})",
            left.sql,
            right.sql,
            left.end,
            right.end or right.sql,
        )
    if operator in ("gt", "ge"):
        bound = fill("coalesce({0}, {1})", right.end, right.sql) if right.end else right.sql
        # two half-open intervals that touch do not overlap
        sign = ">=" if ends or operator == "ge" else ">"
        return fill(f"{{0}} {sign} {{1}}", left.sql, bound)
    return _before(operator, left, right.sql)


def _same_end(left: Value) -> Sql:
    """Write that a span is one instant."""
    assert left.end is not None
    return fill("({0} IS NULL OR {0} = {1})", left.end, left.sql)


def _before(operator: str, left: Value, bound: Sql) -> Sql:
    assert left.end is not None
    sign = _SIGNS[operator]
    # the start is compared as well, though its end says it all: the index is by start
    end_sign = "<=" if left.kind == "interval" else sign
    return fill(
        f"{{0}} {sign} {{1}} AND ({{2}} IS NULL OR {{2}} {end_sign} {{1}})",
        left.sql,
        bound,
        left.end,
    )


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
