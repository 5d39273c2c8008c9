"""Write and delete observations, with counters and latest values in the same transaction.

Nothing here knows which data base it is; what differs stands in the sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import InputError
from headwater.network.entities import Observations, Written
from headwater.network.store.archive import forget, reopen_feature, reopen_for, reopen_newest
from headwater.network.store.protocol import Head, Session
from headwater.network.times import NEVER

__all__ = ["delete_observations", "delete_of_feature", "write_observations"]

_COUNTERS = (
    "UPDATE datastreams SET observation_count = ?, first_time = ?, last_time = ?,"
    " first_result_time = ?, last_result_time = ? WHERE id = ?"
)
_LATEST = (
    "INSERT INTO latest SELECT datastream_id, time, result_number, result_json, quality"
    " FROM observations WHERE datastream_id = ? AND time = ?"
    # of several for one time the one that was made last
    " ORDER BY coalesce(result_time, time) DESC, received DESC, variant LIMIT 1"
    " ON CONFLICT (datastream_id) DO UPDATE SET time = excluded.time,"
    " result_number = excluded.result_number, result_json = excluded.result_json,"
    " quality = excluded.quality"
)
# One extreme to a query: asked for two at once, SQLite reads the whole series.
_EXTENTS = "SELECT " + ", ".join(
    f"(SELECT {extreme}({column}) FROM observations WHERE datastream_id = ?{present})"
    for extreme, column, present in (
        ("min", "time", ""),
        ("max", "time", ""),
        ("max", "time_end", " AND time_end IS NOT NULL"),
        ("min", "result_time", " AND result_time IS NOT NULL"),
        ("max", "result_time", " AND result_time IS NOT NULL"),
    )
)
_ARCHIVED_EXTENTS = (
    "SELECT min(first_time), max(last_time), max(last_end), min(first_result_time),"
    " max(last_result_time) FROM archived WHERE datastream_id = ?"
)


def write_observations(session: Session, observations: Observations) -> Written:
    """Insert what is new, update what differs, leave the rest; then bring the counters along.

    Parameters
    ----------
    session : Session
    observations : Observations

    Returns
    -------
    Written

    Raises
    ------
    InputError
        If a datastream does not exist.
    """
    if not len(observations):
        return Written()
    received = np.full(len(observations), session.clock())
    batch = replace(_normal(observations), received=received).newest_per_key()
    ids, starts = np.unique(batch.datastream, return_index=True)
    heads = session.heads(ids.tolist())
    _check(session, ids, heads)
    session.prepare(batch)
    ends = np.append(starts[1:], len(batch))
    first, last = batch.time[starts], batch.time[ends - 1]
    known = np.array([NEVER if heads[id][0] is None else heads[id][0] for id in ids.tolist()])
    if (first > known).all():
        session.append(batch)
        fates = zip(ids.tolist(), (ends - starts).tolist(), [0] * len(ids), strict=True)
        changes = {id: (inserted, updated) for id, inserted, updated in fates}
    else:
        reopen_for(session, batch)
        changes = {id: (new, other) for id, new, other in session.merge(batch)}
    _count(session, batch, ids, starts, heads, changes)
    rows = zip(ids.tolist(), last.tolist(), known.tolist(), strict=True)
    session.executemany(_LATEST, [(i, new) for i, new, old in rows if new >= old and i in changes])
    inserted, updated = (sum(change[k] for change in changes.values()) for k in (0, 1))
    if updated:
        detail = {str(id): change[1] for id, change in changes.items() if change[1]}
        session.audit("revise", "Observations", detail=detail)
    return Written(inserted, updated, len(observations) - inserted - updated)


def _normal(observations: Observations) -> Observations:
    """Write an interval without length as the instant that it is."""
    end = observations.time_end
    if end is None:
        return observations
    end = np.where(end == observations.time, NEVER, end)
    return replace(observations, time_end=end if (end != NEVER).any() else None)


def _check(session: Session, ids: NDArray[np.int64], heads: dict[int, Head]) -> None:
    missing = [id for id in ids.tolist() if id not in heads]
    if missing:
        listed = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
        raise InputError(
            "observations of datastreams that do not exist",
            found=f"identifiers {listed}",
            do="Create the datastreams first",
        )


def _count(
    session: Session,
    batch: Observations,
    ids: NDArray[np.int64],
    starts: NDArray[np.int64],
    heads: dict[int, Head],
    changes: dict[int, tuple[int, int]],
) -> None:
    end_of = batch.time if batch.time_end is None else np.maximum(batch.time, batch.time_end)
    latest_end = np.maximum.reduceat(end_of, starts).tolist()
    result_times = _result_extents(batch, starts)
    first = batch.time[starts].tolist()
    counters = []
    for k, id in enumerate(ids.tolist()):
        if id not in changes:
            continue
        # times are of the key, so that what is revised moves no extreme
        inserted, _ = changes[id]
        _, count, begun, ended, first_result, last_result = heads[id]
        news = result_times[k]
        extents = (
            _outer(min, begun, first[k]),
            _outer(max, ended, latest_end[k]),
            _outer(min, first_result, news[0]),
            _outer(max, last_result, news[1]),
        )
        counters.append((count + inserted, *extents, id))
    session.executemany(_COUNTERS, counters)


def _result_extents(
    batch: Observations, starts: NDArray[np.int64]
) -> list[tuple[int | None, int | None]]:
    if batch.result_time is None:
        return [(None, None)] * len(starts)
    far = np.iinfo(np.int64).max
    given = np.where(batch.result_time == NEVER, far, batch.result_time)
    least = np.minimum.reduceat(given, starts).tolist()
    most = np.maximum.reduceat(batch.result_time, starts).tolist()
    return [
        (None, None) if low == far else (low, high) for low, high in zip(least, most, strict=True)
    ]


def _outer(choose: Any, old: int | None, new: int | None) -> int | None:
    known = [value for value in (old, new) if value is not None]
    return choose(known) if known else None


def _extents(session: Session, id: int) -> tuple[int | None, int | None, int | None, int | None]:
    stored = session.rows(_EXTENTS, (id,) * 5)[0]
    kept = session.rows(_ARCHIVED_EXTENTS, (id,))[0]
    first, last, end, first_result, last_result = (
        _outer(choose, a, b)
        for choose, a, b in zip((min, max, max, min, max), stored, kept, strict=True)
    )
    return first, _outer(max, last, end), first_result, last_result


def delete_observations(
    session: Session,
    datastream_id: int,
    *,
    times: Sequence[int] | None = None,
    keys: Sequence[tuple[int, int]] | None = None,
    start: int | None = None,
    end: int | None = None,
) -> int:
    """Delete observations of one datastream: by start, by key, or within [start, end).

    Parameters
    ----------
    session : Session
    datastream_id : int
    times : sequence of int, optional
        Starts [µs]; all observations with one of them.
    keys : sequence of (int, int), optional
        Start [µs] and variant; without `times` and `keys` all between `start` and `end`.
    start, end : int, optional
        [µs]; open where missing.

    Returns
    -------
    int
        How many there were.
    """
    heads = session.heads([datastream_id])
    if datastream_id not in heads:
        return 0
    low, high = NEVER if start is None else start, -(NEVER + 1) if end is None else end
    named = times if keys is None else [time for time, _ in keys]
    gone = forget(session, datastream_id, low, high, named)
    if keys is not None:
        sql = "DELETE FROM observations WHERE datastream_id = ? AND time = ? AND variant = ?"
        gone += session.executemany(sql, [(datastream_id, *key) for key in set(keys)])
    elif times is None:
        sql = "DELETE FROM observations WHERE datastream_id = ? AND time >= ? AND time < ?"
        gone += session.execute(sql, (datastream_id, low, high))
    else:
        sql = "DELETE FROM observations WHERE datastream_id = ? AND time = ?"
        gone += session.executemany(sql, [(datastream_id, int(time)) for time in set(times)])
    if gone:
        _settle(session, datastream_id, heads[datastream_id][1] - gone)
    return gone


def _settle(session: Session, id: int, count: int) -> None:
    """Set counters and latest value anew after observations have gone."""
    session.executemany(_COUNTERS, [(count, *_extents(session, id), id)])
    newest = "SELECT max(time) FROM observations WHERE datastream_id = ?"
    time = session.rows(newest, (id,))[0][0]
    if reopen_newest(session, id, time):
        time = session.rows(newest, (id,))[0][0]
    if time is None:
        session.execute("DELETE FROM latest WHERE datastream_id = ?", (id,))
    else:
        session.execute(_LATEST, (id, time))


def delete_of_feature(session: Session, feature_id: int) -> int:
    """Delete the observations that describe a feature of interest.

    Parameters
    ----------
    session : Session
    feature_id : int

    Returns
    -------
    int
        How many there were.
    """
    reopen_feature(session, feature_id)
    sql = (
        "SELECT datastream_id, time, variant FROM observations WHERE feature_id = ?"
        " ORDER BY datastream_id"
    )
    keys: dict[int, list[tuple[int, int]]] = {}
    for id, *key in session.rows(sql, (feature_id,)):
        keys.setdefault(id, []).append((key[0], key[1]))
    own = (
        "SELECT datastream_id, time, variant FROM observations WHERE feature_id IS NULL"
        " AND datastream_id IN (SELECT id FROM datastreams WHERE feature_id = ?)"
    )
    for id, *key in session.rows(own, (feature_id,)):
        keys.setdefault(id, []).append((key[0], key[1]))
    return sum(delete_observations(session, id, keys=found) for id, found in keys.items())
