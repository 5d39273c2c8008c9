"""Compile expressions to SQL with parameters: nothing that a user wrote becomes text of SQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from headwater.network.sensorthings.address import read_key
from headwater.network.sensorthings.errors import NotFound, NotImplementedHere, WrongRequest
from headwater.network.sensorthings.expression import (
    Binary,
    Call,
    Expression,
    GeometryTable,
    Lambda,
    Literal,
    Logic,
    Not,
    OuterPath,
    Path,
    paths_of,
    read_expression,
    with_parts,
)
from headwater.network.sensorthings.filter_operators import arithmetic, compared, held_in
from headwater.network.sensorthings.functions import (
    FUNCTIONS,
    GEOMETRY_FUNCTIONS,
    TEMPORAL,
    Function,
    offset_of,
)
from headwater.network.sensorthings.model import EntitySet, Link, Property
from headwater.network.sensorthings.model_2 import target_of
from headwater.network.sensorthings.values import (
    FALSE,
    TRUE,
    Sql,
    Value,
    as_kind,
    fill,
    joined,
    json_part,
)
from headwater.network.times import microseconds

__all__ = ["Scope", "Target", "condition", "resolve", "row_condition", "sort_values"]

_CLOCKS = frozenset({"now", "mindatetime", "maxdatetime"})
_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "mod"})
_HOLDING = frozenset({"json", "geometry", "result", "computed"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression is compiled: of which set, in which data base, at what time.

    Within any and all, `variable` is what stands for an entity of the set, and `outer` is where
    they stand.
    """

    entity: EntitySet
    dialect: str
    now: int
    alias: str = "t"
    aliases: dict[tuple[str, ...], str] = field(default_factory=dict)
    variable: str = ""
    outer: Scope | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to: through links to an entity, and there to a property."""

    links: tuple[Link, ...]
    entity: EntitySet
    entry: Property | None
    within: tuple[str, ...]

    @property
    def chain(self) -> tuple[str, ...]:
        """Name the links on the way."""
        return tuple(link.name for link in self.links)


def resolve(entity: EntitySet, path: Path) -> Target:
    """Follow a path through the model.

    Raises
    ------
    WrongRequest
        If the model has no such path.

    Examples
    --------
    >>> from headwater.network.sensorthings.model import ENTITY_SETS
    >>> things = ENTITY_SETS["Things"]
    >>> resolve(things, Path(("Datastreams", "unitOfMeasurement", "symbol"))).within
    ('symbol',)
    """
    links: list[Link] = []
    steps = list(path.steps)
    while steps and steps[0] in entity.links:
        links.append(entity.links[steps.pop(0)])
        entity = target_of(links[-1])
        if len(links) > 8:
            raise WrongRequest("a path through too many links", found="/".join(path.steps)[:100])
    if steps in (["id"], ["@iot.id"]):
        return Target(tuple(links), entity, None, ())
    entry = entity.properties.get(steps[0]) if steps else None
    if entry is None:
        found = "/".join(path.steps)[:100]
        do = f"{entity.name} have: " + ", ".join(["id", *entity.properties, *entity.links])
        raise WrongRequest("a path to no property", found=f"'{found}'", do=do)
    bound = entry.kind in ("interval", "period") and steps[1:] in (["start"], ["end"])
    if len(steps) > 1 and not bound and entry.kind not in _HOLDING:
        found = "/".join(path.steps)[:100]
        raise WrongRequest(f"'{entry.name}' has nothing inside", found=f"'{found}'")
    return Target(tuple(links), entity, entry, tuple(steps[1:]))


def condition(expression: Expression, scope: Scope) -> Sql:
    """Compile a condition.

    Parameters
    ----------
    expression : Expression
        Of ``$filter``; geospatial functions must have been replaced by their tables.
    scope : Scope

    Returns
    -------
    Sql

    Raises
    ------
    WrongRequest
        If a path, a function or a kind does not fit.

    Notes
    -----
    A path through a link to many holds if it holds for any of them; each comparison on its own.

    Examples
    --------
    >>> from headwater.network.sensorthings.expression import read_expression
    >>> from headwater.network.sensorthings.model import ENTITY_SETS
    >>> scope = Scope(ENTITY_SETS["Observations"], "sqlite", now=0)
    >>> condition(read_expression("result gt 0.3"), scope)
    Sql(text='(t.result_number > ?)', parameters=(0.3,))
    """
    if isinstance(expression, Logic):
        mark = f" {expression.operator.upper()} "
        return joined(mark, (condition(part, scope) for part in expression.parts))
    if isinstance(expression, Not):
        # by OData a comparison with null is false, but not of null is null
        bare = isinstance(expression.part, Path)
        template = "NOT ({0})" if bare else "({0}) IS NOT TRUE"
        return fill(template, condition(expression.part, scope))
    if isinstance(expression, Lambda):
        return _quantified(expression, scope)
    targets = [resolve(scope.entity, path) for path in paths_of(expression)]
    chains = {target.chain[: k + 1] for target in targets for k in range(len(target.links))}
    if not chains:
        return _truth(expression, scope)
    found = _through(expression, scope, targets, sorted(chains, key=len))
    if _asks_for_null(expression):
        none = Binary("ne", Path((*targets[0].chain, "id")), Literal(None, "null"))
        return fill("({0} OR ({1}) IS NOT TRUE)", found, condition(none, scope))
    return found


def _asks_for_null(expression: Expression) -> bool:
    """Say whether a path is compared with null, which holds where it leads to nothing, too."""
    if not isinstance(expression, Binary) or expression.operator != "eq":
        return False
    sides = (expression.left, expression.right)
    return any(isinstance(side, Literal) and side.kind == "null" for side in sides)


def _quantified(found: Lambda, scope: Scope) -> Sql:
    """Compile ``any`` and ``all``: what the variable stands for is one entity throughout."""
    links, entity = [], scope.entity
    for step in found.path.steps:
        link = entity.links.get(step)
        if link is None:
            do = f"{entity.name} have: " + ", ".join(entity.links)
            raise WrongRequest("any and all follow a link", found=f"'{step[:40]}'", do=do)
        links.append(link)
        entity = target_of(link)
    if links[-1].one:
        raise WrongRequest("any and all are for links to many", found="/".join(found.path.steps))
    aliases = [f"{scope.alias}{k}" for k in range(len(links))]
    sources = [scope.alias, *aliases[:-1]]
    tables = ", ".join(
        f"{target_of(link).table} {alias}" for link, alias in zip(links, aliases, strict=True)
    )
    joins = " AND ".join(
        f"({row_condition(link, source, alias)})"
        for link, source, alias in zip(links, sources, aliases, strict=True)
    )
    if found.body is None:
        return Sql(f"EXISTS (SELECT 1 FROM {tables} WHERE {joins})")
    alias, variable = aliases[-1], found.variable
    inner = Scope(entity, scope.dialect, scope.now, alias, variable=variable, outer=scope)
    body = condition(_without_variable(found.body, found.variable), inner)
    if found.quantifier == "any":
        return fill(f"EXISTS (SELECT 1 FROM {tables} WHERE {joins} AND ({{0}}))", body)
    return fill(f"NOT EXISTS (SELECT 1 FROM {tables} WHERE {joins} AND ({{0}}) IS NOT TRUE)", body)


def _without_variable(expression: Expression, variable: str) -> Expression:
    """Let the paths of a body start at what the variable stands for."""
    if isinstance(expression, Path):
        if expression.steps[0] != variable:
            return OuterPath(expression.steps)
        return Path(expression.steps[1:])
    if isinstance(expression, Lambda):
        inner = _without_variable(expression.path, variable)
        if not isinstance(inner, Path):
            raise NotImplementedHere(
                "any and all within others begin with their variable",
                found="/".join(expression.path.steps)[:100],
                do=f"Write {variable}/…",
            )
        return replace(expression, path=inner)
    return with_parts(expression, lambda part: _without_variable(part, variable))


def _through(
    expression: Expression, scope: Scope, targets: list[Target], chains: list[tuple[str, ...]]
) -> Sql:
    """Compile a comparison with paths that lead through links."""
    aliases = {chain: f"n{k}" for k, chain in enumerate(chains)}
    inner = replace(scope, aliases=aliases)
    first = targets[0].links[0] if targets[0].links else None
    # an uncorrelated list of keys lets the data base begin with the few, not with the many
    listed = first is not None and bool(first.one)
    listed = listed and all(target.links[:1] == (first,) for target in targets)
    tables, conditions = [], []
    for chain in chains:
        source = aliases.get(chain[:-1], scope.alias)
        link, entity = _last_link(scope.entity, chain)
        tables.append(f"{entity.table} {aliases[chain]}")
        if not (listed and len(chain) == 1):
            conditions.append(row_condition(link, source, aliases[chain]))
        elif entity.where:
            conditions.append(entity.where.format(t=aliases[chain]))
    body = _truth(expression, inner)
    fixed = " AND ".join(f"({text})" for text in conditions)
    where = fill(f"{fixed} AND ({{0}})" if fixed else "{0}", body)
    if listed and first is not None:
        one = first.one.format(s=scope.alias)
        return fill(f"{one} IN (SELECT n0.id FROM {', '.join(tables)} WHERE {{0}})", where)
    return fill(f"EXISTS (SELECT 1 FROM {', '.join(tables)} WHERE {{0}})", where)


def _last_link(entity: EntitySet, chain: tuple[str, ...]) -> tuple[Link, EntitySet]:
    link = entity.links[chain[0]]
    for name in chain[1:]:
        link = target_of(link).links[name]
    return link, target_of(link)


def row_condition(link: Link, source: str, target: str) -> str:
    """Write that a row of one alias is linked to a row of another; all of it fixed text."""
    text = (
        f"{target}.id = {link.one.format(s=source)}"
        if link.one
        else link.many.format(t=target, key=f"{source}.id")
    )
    where = target_of(link).where
    return f"{text} AND {where.format(t=target)}" if where else text


def _truth(expression: Expression, scope: Scope) -> Sql:
    return as_kind(_value(expression, scope), "boolean", scope.dialect)


def _value(expression: Expression, scope: Scope) -> Value:
    compiled = _COMPILERS.get(type(expression))
    if compiled is None:
        return Value("boolean", condition(expression, scope))
    return compiled(expression, scope)


def _literal(literal: Literal, scope: Scope | None = None) -> Value:
    if literal.kind == "boolean":
        return Value("boolean", TRUE if literal.value else FALSE)
    if literal.kind == "null":
        return Value("null", Sql("NULL"))
    if literal.kind == "interval":
        start, end = (Sql("CAST(? AS BIGINT)", (bound,)) for bound in literal.value)
        return Value("interval", start, end)
    if literal.kind == "number" and isinstance(literal.value, float):
        return Value("number", Sql("?", (literal.value,)))
    types = {"text": "TEXT", "geometry": "TEXT"}
    cast = types.get(literal.kind, "BIGINT")
    return Value(literal.kind, Sql(f"CAST(? AS {cast})", (literal.value,)))


def _path(path: Path, scope: Scope) -> Value:
    target = resolve(scope.entity, path)
    alias = scope.aliases[target.chain] if target.links else scope.alias
    entry = target.entry
    if entry is None:
        if target.entity.name == "Observations":
            variant = f"CASE WHEN {alias}.variant = 0 THEN '' ELSE '@' || {alias}.variant END"
            text = f"({alias}.datastream_id || '@' || {alias}.time || {variant})"
            return Value("key", Sql(text))
        return Value("number", Sql(f"{alias}.id"))
    return _column(entry, target.within, alias)


def _column(entry: Property, within: tuple[str, ...], alias: str) -> Value:
    column = Sql(f"{alias}.{entry.column}")
    if entry.kind == "computed":
        return _computed(entry, within, alias)
    if entry.end and within:
        bound = entry.column if within == ("start",) else entry.end
        return Value("instant", Sql(f"{alias}.{bound}"))
    if entry.kind == "result":
        number = None if within else Sql(f"{alias}.result_number")
        return Value("json" if within else "result", column, number, within)
    if entry.kind == "geometry" and not within:
        return Value("geometry", column)
    if entry.kind in ("json", "geometry"):
        return Value("json", column, path=within)
    end = Sql(f"{alias}.{entry.end}") if entry.end else None
    return Value(entry.kind, column, end)


_OF_RESULTS = {
    ("uom", "label"): "name",
    ("uom", "symbol"): "symbol",
    ("uom", "href"): "definition",
}
_KIND_OF_RESULTS = (
    "CASE WHEN {a}.multi = 1 THEN 'DataRecord' WHEN {a}.observation_type LIKE '%/OM_Category%'"
    " THEN 'Category' WHEN {a}.observation_type LIKE '%/OM_Count%' THEN 'Count'"
    " WHEN {a}.observation_type LIKE '%/OM_Truth%' THEN 'Boolean' ELSE 'Quantity' END"
)


def _computed(entry: Property, within: tuple[str, ...], alias: str) -> Value:
    """Compile what 2.0 says of the results of a datastream, from what 1.1 keeps of it."""
    if entry.name == "resultType" and within in _OF_RESULTS:
        return Value("json", Sql(f"{alias}.{entry.column}"), path=(_OF_RESULTS[within],))
    if entry.name == "resultType" and within == ("type",):
        return Value("text", Sql(_KIND_OF_RESULTS.format(a=alias)))
    raise NotImplementedHere(
        "a path to what is computed",
        found="/".join((entry.name, *within))[:100],
        do="Filter by resultType/type, resultType/uom/symbol, or ObservedProperties/any(o: …)",
    )


def _outer(path: OuterPath, scope: Scope) -> Value:
    """Compile a property of what stands outside of any and all."""
    outer, steps = scope.outer, path.steps
    while outer is not None and outer.variable and steps[0] != outer.variable:
        outer = outer.outer
    assert outer is not None  # the outermost scope has no variable
    own = Path(steps[1:] if outer.variable else steps)
    if resolve(outer.entity, own).links:
        raise NotImplementedHere(
            "a link from what is outside of any and all",
            found="/".join(steps)[:100],
            do="Name a property of it itself",
        )
    return _path(own, outer)


def _table(table: GeometryTable, scope: Scope) -> Value:
    target = resolve(scope.entity, table.path)
    alias = scope.aliases[target.chain] if target.links else scope.alias
    sqlite = scope.dialect == "sqlite"
    if table.boolean:
        known = [id for id, holds in table.values if holds]
        if sqlite:
            listed = Sql("(SELECT value FROM json_each(?))", (json.dumps(known),))
            return Value("boolean", fill(f"{alias}.id IN {{0}}", listed))
        return Value("boolean", Sql(f"{alias}.id = ANY(CAST(? AS BIGINT[]))", (known,)))
    numbers = (json.dumps({str(id): value for id, value in table.values}),)
    text = (
        f"json_extract(?, '$.\"' || {alias}.id || '\"')"
        if sqlite
        else f"CAST(CAST(? AS JSONB) ->> CAST({alias}.id AS TEXT) AS DOUBLE PRECISION)"
    )
    return Value("number", Sql(text, numbers))


def _call(call: Call, scope: Scope) -> Value:
    if not call.arguments and call.name in _CLOCKS:
        return Value("instant", Sql("CAST(? AS BIGINT)", (_moment(call.name, scope),)))
    special = _SPECIAL.get(call.name)
    if special is not None or call.name in TEMPORAL:
        return (special or _temporal)(call, scope)
    name = f"{call.name}/3" if call.name == "substring" and len(call.arguments) == 3 else call.name
    function = FUNCTIONS.get(name)
    arguments = call.arguments
    if function is not None and function.takes == ("instant",) and len(arguments) == 2:
        return _zoned(call, function, scope)
    if function is None:
        if name in GEOMETRY_FUNCTIONS:
            raise NotImplementedHere(f"{name} inside another function")
        known = {*(known for known in FUNCTIONS if "/" not in known), *GEOMETRY_FUNCTIONS}
        known |= {*_CLOCKS, *TEMPORAL, *_SPECIAL}
        do = "Known: " + ", ".join(sorted(known))
        raise WrongRequest("an unknown function", found=f"'{call.name[:40]}'", do=do)
    if len(arguments) != len(function.takes):
        found = f"{len(arguments)} arguments"
        raise WrongRequest(f"{call.name} takes {len(function.takes)}", found=found)
    parts = [
        as_kind(_value(part, scope), kind, scope.dialect)
        for part, kind in zip(arguments, function.takes, strict=True)
    ]
    return Value(function.gives, fill(f"({function.template(scope.dialect)})", *parts))


def _zoned(call: Call, function: Function, scope: Scope) -> Value:
    """Compile a function of the calendar that names a time zone (23-019, built-in functions)."""
    time, zone = call.arguments
    if not isinstance(zone, Literal) or not isinstance(zone.value, str):
        do = f"Write {call.name}(phenomenonTime, 'Asia/Shanghai')"
        raise WrongRequest("a time zone is named by a constant text", do=do)
    instant = as_kind(_value(time, scope), "instant", scope.dialect)
    offset = offset_of(instant, zone.value, scope.dialect)
    if call.name == "totaloffsetminutes":
        return Value("number", fill("({0} / 60000000)", offset))
    local = fill("({0} + {1})", instant, offset)
    return Value(function.gives, fill(f"({function.template(scope.dialect)})", local))


def _temporal(call: Call, scope: Scope) -> Value:
    """Compile a relation of two times, each an instant or a half-open interval."""
    if len(call.arguments) != 2:
        raise WrongRequest(f"{call.name} takes 2", found=f"{len(call.arguments)} arguments")
    bounds = []
    for part in call.arguments:
        value = _value(part, scope)
        start = as_kind(value, "instant", scope.dialect)
        bounds += [start, fill("coalesce({0}, {1})", value.end, start) if value.end else start]
    return Value("boolean", fill(f"({TEMPORAL[call.name]})", *bounds))


def _cast(call: Call, scope: Scope) -> Value:
    """Compile ``cast(result, Edm.Decimal)``: what is of another kind is null."""
    name = call.arguments[-1] if len(call.arguments) == 2 else None
    kind = _TYPES.get(str(name.value)) if isinstance(name, Literal) else None
    if kind is None:
        do = "Write cast(result, Edm.Decimal); known: " + ", ".join(_TYPES)
        raise WrongRequest("cast takes a value and a type", do=do)
    return Value(kind, as_kind(_value(call.arguments[0], scope), kind, scope.dialect))


def _between(call: Call, scope: Scope) -> Value:
    """Compile ``interval(start, end or duration)``."""
    if len(call.arguments) != 2:
        raise WrongRequest("interval takes 2", found=f"{len(call.arguments)} arguments")
    first, second = (_value(part, scope) for part in call.arguments)
    start = as_kind(first, "instant", scope.dialect)
    if second.kind == "duration":
        return Value("interval", start, fill("({0} + {1})", start, second.sql))
    return Value("interval", start, as_kind(second, "instant", scope.dialect))


def _moment(name: str, scope: Scope) -> int:
    if name == "now":
        return scope.now
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
    return microseconds(first if name == "mindatetime" else last)


def _binary(binary: Binary, scope: Scope) -> Value:
    left, right = _value(binary.left, scope), _value(binary.right, scope)
    left, right = _timed(left, binary.left, right), _timed(right, binary.right, left)
    if binary.operator in _ARITHMETIC:
        return arithmetic(binary.operator, left, right, scope.dialect)
    if binary.operator == "in":
        return Value("boolean", held_in(left, right, scope.dialect))
    if "key" in (left.kind, right.kind) and binary.operator in ("eq", "ne"):
        keyed = _by_key(binary, scope)
        if keyed is not None:
            return keyed
    said = compared(binary.operator, left, right, scope.dialect)
    return Value("boolean", fill("({0})", said))


def _timed(value: Value, expression: Expression, other: Value) -> Value:
    """Read a text that is compared with a time as a time: many write them in quotes."""
    quoted = value.kind == "text" and isinstance(expression, Literal)
    if not quoted or other.kind not in ("instant", "interval", "period", "date"):
        return value
    found = read_expression(str(expression.value)) if isinstance(expression, Literal) else None
    if isinstance(found, Literal) and found.kind in ("instant", "interval", "date"):
        return _literal(found)
    do = "Write it as 2026-07-01T00:00:00Z"
    raise WrongRequest("a time is compared with a text that is none", found=str(found)[:40], do=do)


def _by_key(binary: Binary, scope: Scope) -> Value | None:
    """Compare an observation's identifier column by column, so that the index serves."""
    path, literal = binary.left, binary.right
    if isinstance(path, Literal):
        path, literal = literal, path
    if not isinstance(path, Path) or not isinstance(literal, Literal):
        return None
    target = resolve(scope.entity, path)
    alias = scope.aliases[target.chain] if target.links else scope.alias
    try:
        key: tuple[Any, ...] = read_key(target.entity, literal.value)
    except NotFound:
        return Value("boolean", FALSE if binary.operator == "eq" else TRUE)
    columns = " AND ".join(f"{alias}.{column} = ?" for column in target.entity.key)
    same = Sql(f"({columns})", key)
    return Value("boolean", same if binary.operator == "eq" else fill("NOT {0}", same))


_TYPES = {
    **dict.fromkeys(("Edm.Decimal", "Edm.Double", "Edm.Int32", "Edm.Int64"), "number"),
    "Edm.String": "text",
    "Edm.Boolean": "boolean",
}
_SPECIAL: dict[str, Callable[[Call, Scope], Value]] = {"cast": _cast, "interval": _between}
_COMPILERS: dict[type, Callable[[Any, Scope], Value]] = {
    Literal: _literal,
    Path: _path,
    OuterPath: _outer,
    GeometryTable: _table,
    Call: _call,
    Binary: _binary,
}


def sort_values(expression: Expression, scope: Scope) -> list[tuple[Sql, bool]]:
    """Compile a term of ``$orderby`` to sort keys, each with whether it can be null.

    Raises
    ------
    WrongRequest
        If it names no property, or a path leads through a link to many, or to a geometry.
    """
    targets = [resolve(scope.entity, path) for path in paths_of(expression)]
    if not targets:
        raise WrongRequest("$orderby by a constant", do="Sort by a property")
    for target in targets:
        if any(not link.one for link in target.links):
            found = "/".join(target.chain)[:100]
            raise WrongRequest("$orderby through a link to many entities", found=f"'{found}'")
    chains = sorted({t.chain[: k + 1] for t in targets for k in range(len(t.links))}, key=len)
    aliases = {chain: f"n{k}" for k, chain in enumerate(chains)}
    value = _value(expression, replace(scope, aliases=aliases))
    if value.kind == "geometry":
        raise WrongRequest("$orderby by a geometry", do="Sort by geo.distance(location, …)")
    if value.kind == "key":
        columns = [Sql(f"{scope.alias}.{column}") for column in targets[0].entity.key]
        return [(column, False) for column in columns]
    parts = [value.sql]
    if value.kind in ("json", "result"):
        number = as_kind(value, "number", scope.dialect)
        parts = [number, json_part(value, "text", scope.dialect)]
    if not chains:
        return [(part, not _never_null(expression, targets, value, scope)) for part in parts]
    tables, conditions = [], []
    for chain in chains:
        link, entity = _last_link(scope.entity, chain)
        tables.append(f"{entity.table} {aliases[chain]}")
        conditions.append(row_condition(link, aliases.get(chain[:-1], scope.alias), aliases[chain]))
    end = f"FROM {', '.join(tables)} WHERE {' AND '.join(conditions)}"
    return [(fill(f"(SELECT {{0}} {end})", part), True) for part in parts]


def _never_null(expression: Expression, targets: list[Target], value: Value, scope: Scope) -> bool:
    if not isinstance(expression, Path):
        return False
    entry = targets[0].entry
    if entry is None or value.sql.text == f"{scope.alias}.time":
        return True
    return entry.required and value.kind in ("text", "instant", "number")
