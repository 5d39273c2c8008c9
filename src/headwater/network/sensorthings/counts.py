"""How many entities a collection has: of observations from counters, never by looking at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headwater.network.sensorthings.context import Context
from headwater.network.sensorthings.expression import (
    Expression,
    GeometryTable,
    Lambda,
    Path,
    paths_of,
    with_parts,
)
from headwater.network.sensorthings.filter_to_sql import condition
from headwater.network.sensorthings.model import ENTITY_SETS, EntitySet, Link
from headwater.network.sensorthings.model_2 import target_of
from headwater.network.sensorthings.paging import linked_to, ready, selection
from headwater.network.sensorthings.query import Query
from headwater.network.sensorthings.values import TRUE, Sql, fill

__all__ = ["count_of", "counts_of"]

_SUM = "SELECT coalesce(sum(d.observation_count), 0) FROM datastreams d"


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
