"""Rows of a collection, page by page: sorted, filtered, counted without looking at each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from headwater.network.sensorthings.context import Context
from headwater.network.sensorthings.errors import WrongRequest
from headwater.network.sensorthings.expression import (
    Expression,
    GeometryTable,
    Lambda,
    Path,
    paths_of,
    with_parts,
)
from headwater.network.sensorthings.filter_to_sql import condition, sort_values
from headwater.network.sensorthings.geometry import with_tables
from headwater.network.sensorthings.model import ENTITY_SETS, EntitySet, Link
from headwater.network.sensorthings.model_2 import target_of
from headwater.network.sensorthings.query import Query
from headwater.network.sensorthings.values import TRUE, Sql, fill, joined

__all__ = [
    "Page",
    "Row",
    "SortKey",
    "count_of",
    "counts_of",
    "linked_to",
    "next_link",
    "pages_of",
    "rank_in",
    "read_page",
    "ready",
    "selection",
    "size_of",
    "sorting",
]

Row = dict[str, Any]
#: Parents whose children are asked for in one statement; SQLite joins 500 selections at most.
_ARMS = 200
_SUM = "SELECT coalesce(sum(d.observation_count), 0) FROM datastreams d"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One sort key; null sorts before everything else, as in OData."""

    sql: Sql
    descending: bool = False
    nullable: bool = False

    def ordered(self) -> Sql:
        """Write the term of ORDER BY."""
        way = " DESC" if self.descending else ""
        # an index serves a term without NULLS FIRST only, so that it stands where it must
        nulls = f" NULLS {'LAST' if self.descending else 'FIRST'}" if self.nullable else ""
        return fill(f"{{0}}{way}{nulls}", self.sql)

    def after(self, value: object) -> Sql:
        """Write that this key alone puts a row after the one with the value."""
        bound = Sql("?", (value,))
        if value is None:
            return Sql("FALSE") if self.descending else fill("{0} IS NOT NULL", self.sql)
        if not self.descending:
            return fill("{0} > {1}", self.sql, bound)
        smaller = fill("{0} < {1}", self.sql, bound)
        return fill("({0} OR {1} IS NULL)", smaller, self.sql) if self.nullable else smaller

    def same(self, value: object) -> Sql:
        """Write that the key has the value."""
        if value is None:
            return fill("{0} IS NULL", self.sql)
        return fill("{0} = {1}", self.sql, Sql("?", (value,)))


@dataclass(frozen=True, slots=True)
class Page:
    """Rows by column, and the sort keys of the last one where more rows follow."""

    rows: list[Row]
    after: tuple[Any, ...] | None = None


def next_link(address: str, query: Query, name: str, value: str) -> str:
    """Write the link to the page after this one.

    Parameters
    ----------
    address : str
        Of the collection.
    query : Query
        Whose options are kept, except where a page begins.
    name, value : str
        Option that says where the next page begins.

    Returns
    -------
    str
    """
    kept = [pair for pair in query.given if pair[0] not in ("$skip", "$skiptoken")]
    pairs = [*kept, (name, value)]
    options = "&".join(f"{key}={quote(text, safe='$/(),:;=')}" for key, text in pairs)
    return f"{quote(address, safe=_SAFE)}?{options}"


_SAFE = "/:()'@,$"


def sorting(
    context: Context, entity: EntitySet, query: Query, rank: Sql | None = None
) -> list[SortKey]:
    """List the sort keys of a query; the last ones make the order unambiguous.

    Parameters
    ----------
    context : Context
    entity : EntitySet
    query : Query
    rank : Sql, optional
        The order that siblings have of themselves.

    Returns
    -------
    list of SortKey
    """
    scope = context.scope(entity)
    keys: list[SortKey] = []
    for order in query.orderby:
        for sql, nullable in sort_values(order.expression, scope):
            keys.append(SortKey(sql, order.descending, nullable))
    if rank is not None and not query.orderby:
        keys.append(SortKey(rank))
    known = {key.sql.text for key in keys}
    ties = [f"t.{column}" for column in entity.key]
    return keys + [SortKey(Sql(text)) for text in ties if text not in known]


def ready(context: Context, entity: EntitySet, query: Query) -> Query:
    """Compute the geospatial functions of a query, once for all its statements."""
    if query.filter is not None:
        query = replace(query, filter=with_tables(query.filter, entity, context.session))
    orders = tuple(
        replace(order, expression=with_tables(order.expression, entity, context.session))
        for order in query.orderby
    )
    return replace(query, orderby=orders)


def selection(
    context: Context, entity: EntitySet, base: Sql, query: Query, keys: Sequence[SortKey] = ()
) -> Sql:
    """Write the condition on the rows of a collection, or of one page where keys are given."""
    parts = [base] if base != TRUE else []
    if entity.where:
        parts.append(Sql(entity.where.format(t="t")))
    if query.filter is not None:
        parts.append(condition(query.filter, context.scope(entity)))
    if keys and query.after is not None:
        parts.append(_after(keys, query.after))
    return joined(" AND ", parts) if parts else TRUE


def _after(keys: Sequence[SortKey], values: tuple[Any, ...]) -> Sql:
    if len(values) != len(keys):
        raise WrongRequest("$skiptoken belongs to another $orderby")
    ways = {(key.descending, key.nullable) for key in keys}
    if ways in ({(False, False)}, {(True, False)}):
        left = joined(", ", (key.sql for key in keys))
        right = joined(", ", (Sql("?", (value,)) for value in values))
        sign = "<" if keys[0].descending else ">"
        if None not in values:
            return fill(f"({{0}}) {sign} ({{1}})", left, right)
    found = keys[-1].after(values[-1])
    for key, value in reversed(list(zip(keys[:-1], values[:-1], strict=True))):
        found = fill("{0} OR ({1} AND ({2}))", key.after(value), key.same(value), found)
    return found


def size_of(context: Context, query: Query) -> int:
    """Say how many entities a page holds."""
    return min(context.limits.page if query.top is None else query.top, context.limits.top)


def _columns(entity: EntitySet, keys: Sequence[SortKey], query: Query) -> tuple[list[str], Sql]:
    """Name the columns of a page, and write what is selected."""
    names = list(entity.columns)
    parts = [Sql(f"t.{column}") for column in names]
    for expansion in query.expand:
        link = entity.links[expansion.link]
        if link.one:
            names.append(f"one {link.name}")
            parts.append(Sql(link.one.format(s="t")))
    for place, key in enumerate(keys):
        names.append(f"key {place}")
        parts.append(key.sql)
    texts = [f"{part.text} AS c{place}" for place, part in enumerate(parts)]
    return names, Sql(", ".join(texts), tuple(v for part in parts for v in part.parameters))


def read_page(
    context: Context, entity: EntitySet, base: Sql, query: Query, rank: Sql | None = None
) -> Page:
    """Read one page of a collection.

    Parameters
    ----------
    context : Context
    entity : EntitySet
    base : Sql
        Condition on ``t`` that makes the collection.
    query : Query
    rank : Sql, optional

    Returns
    -------
    Page
    """
    query = ready(context, entity, query)
    if _newest_first(entity, base, query):
        return _merged(context, entity, query)
    pieces = _Pieces.of(context, entity, query, rank)
    done = pieces.statement(entity, base, query, size_of(context, query))
    rows = context.session.rows(done.text, done.parameters)
    named = [dict(zip(pieces.names, row, strict=True)) for row in rows]
    return _page(named, size_of(context, query), len(pieces.keys))


@dataclass(frozen=True, slots=True)
class _Pieces:
    """What the selections of many parents have in common."""

    names: list[str]
    columns: Sql
    where: Sql
    keys: list[SortKey]

    @classmethod
    def of(cls, context: Context, entity: EntitySet, query: Query, rank: Sql | None) -> _Pieces:
        keys = sorting(context, entity, query, rank)
        names, columns = _columns(entity, keys, query)
        return cls(names, columns, selection(context, entity, TRUE, query, keys), keys)

    def statement(self, entity: EntitySet, base: Sql, query: Query, size: int) -> Sql:
        """Write the selection of one page, with one row more to see whether others follow."""
        return fill(
            f"SELECT {{0}} FROM {entity.table} t WHERE ({{1}}) AND ({{2}}) ORDER BY {{3}}"
            " LIMIT {4} OFFSET {5}",
            self.columns,
            base,
            self.where,
            joined(", ", (key.ordered() for key in self.keys)),
            Sql("?", (size + 1,)),
            Sql("?", (query.skip if query.after is None else 0,)),
        )


def _page(rows: list[Row], size: int, keys: int) -> Page:
    if len(rows) <= size or not size:
        return Page(rows[:size])
    last = rows[size - 1]
    return Page(rows[:size], tuple(last[f"key {place}"] for place in range(keys)))


def _newest_first(entity: EntitySet, base: Sql, query: Query) -> bool:
    """Say whether all observations of all datastreams are wanted in the order of time."""
    by_time = len(query.orderby) == 1 and query.orderby[0].expression == Path(("phenomenonTime",))
    return entity.name == "Observations" and base == TRUE and by_time and not query.skip


def _merged(context: Context, entity: EntitySet, query: Query) -> Page:
    """Merge the observations of all datastreams by time: each has its index, all have none.

    The keys come first, those of one page from each datastream; then the rows of the page.
    """
    ids = [row[0] for row in context.session.rows("SELECT id FROM datastreams ORDER BY id")]
    size, way = size_of(context, query), query.orderby[0].descending
    pieces = _Pieces.of(context, entity, query, None)
    slim = replace(pieces, columns=Sql("t.datastream_id AS c0, t.time AS c1, t.variant AS c2"))

    def whole(id: int) -> tuple[_Pieces, Sql]:
        return slim, Sql("t.datastream_id = ?", (id,))

    keys = [row[1:] for row in _selected(context, entity, ids, query, whole)]
    keys.sort(key=lambda key: (key[0], key[2]))
    keys.sort(key=lambda key: key[1], reverse=way)
    times: dict[int, list[int]] = {}
    for stream, time, _ in keys[: size + 1]:
        times.setdefault(stream, []).append(time)

    def chosen(id: int) -> tuple[_Pieces, Sql]:
        marks = ", ".join("?" * len(times[id]))
        return pieces, Sql(f"t.datastream_id = ? AND t.time IN ({marks})", (id, *times[id]))

    rows = {row[1:4]: row[1:] for row in _selected(context, entity, list(times), query, chosen)}
    found = [dict(zip(pieces.names, rows[key], strict=True)) for key in keys[: size + 1]]
    return _page(found, size, len(pieces.keys))


def linked_to(link: Link, key: int) -> Sql:
    """Write the condition that makes the collection a link leads to from one entity."""
    return Sql(link.many.format(t="t", key="?"), (key,) * link.many.count("{key}"))


def rank_in(link: Link, key: int) -> Sql | None:
    """Write the order that the entities at the end of a link have of themselves, if any."""
    if not link.rank:
        return None
    return Sql(link.rank.format(t="t", key="?"), (key,) * link.rank.count("{key}"))


def pages_of(
    context: Context, entity: EntitySet, link: Link, parents: Sequence[int], query: Query
) -> dict[int, Page]:
    """Read the first page of what each of many parents is linked to.

    Each parent has its own selection with its own limit, and one statement joins up to 200 of
    them, so that the newest observation of a thousand series costs five statements and a thousand
    looks into an index.

    Returns
    -------
    dict of int to Page
    """
    query = ready(context, entity, query)
    size = size_of(context, query)
    keys = len(sorting(context, entity, query, rank_in(link, 0)))
    found = _arms(context, entity, link, parents, query)
    return {parent: _page(rows, size, keys) for parent, rows in found.items()}


def _arms(
    context: Context, entity: EntitySet, link: Link, parents: Sequence[int], query: Query
) -> dict[int, list[Row]]:
    shared = None if link.rank else _Pieces.of(context, entity, query, None)

    def of_parent(parent: int) -> tuple[_Pieces, Sql]:
        pieces = shared or _Pieces.of(context, entity, query, rank_in(link, parent))
        return pieces, linked_to(link, parent)

    found: dict[int, list[Row]] = {parent: [] for parent in parents}
    if parents:
        names = of_parent(parents[0])[0].names
        for row in _selected(context, entity, parents, query, of_parent):
            found[row[0]].append(dict(zip(names, row[1:], strict=True)))
    return found


def _selected(
    context: Context,
    entity: EntitySet,
    parents: Sequence[int],
    query: Query,
    of_parent: Callable[[int], tuple[_Pieces, Sql]],
) -> list[tuple[Any, ...]]:
    """Select the first page of each parent, in a row with the parent at its head."""
    rows: list[tuple[Any, ...]] = []
    size = size_of(context, query)
    for start in range(0, len(parents), _ARMS):
        arms = []
        for parent in parents[start : start + _ARMS]:
            pieces, base = of_parent(parent)
            own = pieces.statement(entity, base, query, size)
            mark = Sql("CAST(? AS BIGINT)", (parent,))
            arms.append(fill("SELECT {0} AS parent, arm.* FROM ({1}) arm", mark, own))
        done = joined(" UNION ALL ", arms)
        rows += context.session.rows(done.text, done.parameters)
    return rows


def count_of(
    context: Context, entity: EntitySet, query: Query, link: Link | None, parent: int | None
) -> int:
    """Count a collection, whatever page of it is shown.

    Parameters
    ----------
    context : Context
    entity : EntitySet
    query : Query
        Its filter counts, its page does not.
    link : Link or None
        How the collection was reached.
    parent : int or None
        From which entity.

    Returns
    -------
    int

    Notes
    -----
    Observations without a filter, or with one that speaks of their datastream only, are counted
    from the counters of the datastreams. A filter on the observations themselves has to look at
    those of the range of time that it names.
    """
    query = ready(context, entity, query)
    if entity.name == "Observations":
        counters = _by_counters(context, entity, query, link, parent)
        if counters is not None:
            done = fill(f"{_SUM} WHERE {{0}}", counters)
            return int(context.session.rows(done.text, done.parameters)[0][0])
    base = TRUE if link is None or parent is None else linked_to(link, parent)
    where = selection(context, entity, base, query)
    done = fill(f"SELECT count(*) FROM {entity.table} t WHERE {{0}}", where)
    return int(context.session.rows(done.text, done.parameters)[0][0])


def _by_counters(
    context: Context, entity: EntitySet, query: Query, link: Link | None, parent: int | None
) -> Sql | None:
    """Write the condition on datastreams whose counters make the count, where there is one."""
    if link is None:
        base = TRUE
    elif link.many == "{t}.datastream_id = {key}":
        base = Sql("d.id = ?", (parent,))
    else:
        return None
    if query.filter is None:
        return base
    paths = paths_of(query.filter)
    if entity.version != "1.1" or not paths or any(path.steps[0] != "Datastream" for path in paths):
        return None
    streams = ENTITY_SETS["Datastreams"]
    scope = replace(context.scope(streams), alias="d")
    return fill("{0} AND d.multi = 0 AND ({1})", base, condition(_rooted(query.filter), scope))


def _rooted(expression: Expression) -> Expression:
    """Let the paths of an expression start at the datastream."""
    if isinstance(expression, Path):
        return Path(expression.steps[1:])
    if isinstance(expression, Lambda):
        return replace(expression, path=Path(expression.path.steps[1:]))
    if isinstance(expression, GeometryTable):
        return replace(expression, path=Path(expression.path.steps[1:]))
    return with_parts(expression, _rooted)


def counts_of(
    context: Context,
    source: EntitySet,
    link: Link,
    parents: Sequence[int],
    query: Query,
) -> dict[int, int]:
    """Count what each of many parents is linked to, in one statement.

    Returns
    -------
    dict of int to int
    """
    if not parents:
        return {}
    entity = target_of(link)
    marks = Sql(", ".join("?" * len(parents)), tuple(parents))
    if entity.name == "Observations" and source.table == "datastreams" and query.filter is None:
        count = Sql("p.observation_count")
    else:
        base = Sql(link.many.format(t="t", key="p.id"))
        where = selection(context, entity, base, ready(context, entity, query))
        count = fill(f"(SELECT count(*) FROM {entity.table} t WHERE {{0}})", where)
    done = fill(f"SELECT p.id, {{0}} FROM {source.table} p WHERE p.id IN ({{1}})", count, marks)
    return {row[0]: int(row[1]) for row in context.session.rows(done.text, done.parameters)}
