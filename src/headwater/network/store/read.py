"""Read observations, latest values, counts and daily means, from the store and its archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.network.entities import DailyMeans, Observations, concatenate
from headwater.network.store.protocol import Session
from headwater.network.store.schema import OBSERVATION_COLUMNS
from headwater.network.times import DAY, NEVER

__all__ = [
    "condition",
    "count",
    "daily_means",
    "days",
    "kept",
    "latest",
    "observations_of",
    "read_observations",
    "read_stored",
]

_ALL = ", ".join(OBSERVATION_COLUMNS.values())
_MANY = 10_000  # identifiers in one statement


def condition(
    datastream_ids: Sequence[int] | None, start: int | None = None, end: int | None = None
) -> tuple[str, list[int]]:
    """Write the WHERE clause of some datastreams and a half-open interval of time.

    Parameters
    ----------
    datastream_ids : sequence of int, optional
    start, end : int, optional
        [µs]

    Returns
    -------
    sql : str
        Empty, or with a leading space.
    parameters : list of int

    Examples
    --------
    >>> condition([7], start=0)
    (' WHERE datastream_id IN (?) AND time >= ?', [7, 0])
    """
    parts, parameters = [], []
    if datastream_ids is not None:
        ids = [int(id) for id in datastream_ids]
        parts.append(f"datastream_id IN ({', '.join('?' * len(ids)) or 'NULL'})")
        parameters += ids
    for sign, time in ((">=", start), ("<", end)):
        if time is not None:
            parts.append(f"time {sign} ?")
            parameters.append(int(time))
    return (" WHERE " + " AND ".join(parts) if parts else ""), parameters


def read_observations(
    session: Session,
    datastream_ids: Sequence[int] | None = None,
    start: int | None = None,
    end: int | None = None,
) -> Observations:
    """Read observations; see :meth:`headwater.network.store.protocol.Store.read`."""
    from headwater.network.store.archive import read_archived

    kept = read_archived(session, datastream_ids, start, end)
    stored = read_stored(session, datastream_ids, start, end)
    if not len(kept):
        return stored
    whole = concatenate([kept, stored])
    return whole.take(np.lexsort((whole.variant(), whole.time, whole.datastream)))


def read_stored(
    session: Session, datastream_ids: Sequence[int] | None, start: int | None, end: int | None
) -> Observations:
    """Read observations that are not archived, sorted by datastream and time."""
    if datastream_ids is not None and len(datastream_ids) > _MANY:
        ids = sorted({int(id) for id in datastream_ids})
        chunks = [ids[k : k + _MANY] for k in range(0, len(ids), _MANY)]
        return concatenate([read_stored(session, some, start, end) for some in chunks])
    where, parameters = condition(datastream_ids, start, end)
    sql = f"SELECT {_ALL} FROM observations{where} ORDER BY datastream_id, time, variant"
    return observations_of(session.rows(sql, parameters), list(OBSERVATION_COLUMNS))


def observations_of(rows: list[tuple[Any, ...]], names: list[str]) -> Observations:
    """Turn rows of a data base into columns; optional columns without any value become None.

    Parameters
    ----------
    rows : list of tuple
    names : list of str
        Attribute of Observations that each place of a row holds.

    Returns
    -------
    Observations
    """
    if not rows:
        return concatenate([])
    columns: dict[str, Any] = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        if name in ("datastream", "time"):
            columns[name] = np.array(values, dtype=np.int64)
        elif name == "result":
            columns[name] = np.array(values, dtype=np.float64)  # None becomes NaN
        elif name in ("result_json", "quality", "parameters"):
            if any(values):
                columns[name] = values
        elif values.count(None) != len(values):
            columns[name] = np.array([NEVER if value is None else value for value in values])
    return Observations(**columns)


def latest(session: Session, datastream_ids: Sequence[int] | None = None) -> Observations:
    """Read the newest observation of each datastream that has one, sorted by datastream."""
    where, parameters = condition(datastream_ids)
    names = ["datastream", "time", "result", "result_json", "quality"]
    columns = ", ".join(OBSERVATION_COLUMNS[name] for name in names)
    sql = f"SELECT {columns} FROM latest{where} ORDER BY datastream_id"
    return observations_of(session.rows(sql, parameters), names)


def count(session: Session, datastream_ids: Sequence[int] | None = None) -> int:
    """Count observations from the counters of their datastreams."""
    where, parameters = condition(datastream_ids)
    sql = "SELECT coalesce(sum(observation_count), 0) FROM datastreams"
    return int(session.rows(sql + where.replace("datastream_id", "id"), parameters)[0][0])


def kept(session: Session) -> tuple[int, list[str]]:
    """Count the observations, and list the files of the archive that belong to them."""
    files = session.rows("SELECT file FROM archive_files ORDER BY file")
    return count(session), [row[0] for row in files]


def days(time: str, offset: int) -> str:
    """Write the SQL of the number of the day: rounded down, before 1970 too.

    Parameters
    ----------
    time : str
        SQL of a time [µs].
    offset : int
        Of the days from UTC [µs].

    Returns
    -------
    str
    """
    local = f"({time} + {int(offset)})" if offset else time
    return f"({local} / {DAY} - CASE WHEN {local} % {DAY} < 0 THEN 1 ELSE 0 END)"


def daily_means(
    session: Session,
    datastream_ids: Sequence[int] | None = None,
    start: int | None = None,
    end: int | None = None,
    *,
    offset: int = 0,
) -> DailyMeans:
    """Average by day; see :meth:`headwater.network.store.protocol.Store.daily_means`."""
    from headwater.network.store.archive import daily_sums

    where, parameters = condition(datastream_ids, start, end)
    value = "result_number"
    sql = (
        f"SELECT datastream_id, {days('time', offset)}, sum({value}), count({value}),"
        f" min({value}), max({value}) FROM observations{where} GROUP BY 1, 2"
    )
    parts = [_sums(session.rows(sql, parameters))]
    parts += daily_sums(session, datastream_ids, start, end, offset=offset)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return _means(columns, offset)


def _sums(rows: list[tuple[Any, ...]]) -> list[NDArray[Any]]:
    table = list(zip(*rows, strict=True)) or [()] * 6
    kinds = (np.int64, np.int64, np.float64, np.int64, np.float64, np.float64)
    return [np.array(column, dtype=kind) for column, kind in zip(table, kinds, strict=True)]


def _means(columns: list[NDArray[Any]], offset: int) -> DailyMeans:
    """Add up what two parts hold of the same day, and divide."""
    some = columns[3] > 0
    stream, day, total, n, least, most = (column[some] for column in columns)
    order = np.lexsort((day, stream))
    stream, day = stream[order], day[order]
    new = np.ones(len(stream), dtype=bool)
    new[1:] = (stream[1:] != stream[:-1]) | (day[1:] != day[:-1])
    at = np.flatnonzero(new)
    if not len(at):
        return DailyMeans(stream, day, total, least, most, n)
    number = np.add.reduceat(n[order], at)
    return DailyMeans(
        datastream=stream[at],
        day=day[at] * DAY - offset,
        mean=np.add.reduceat(total[order], at) / number,
        minimum=np.minimum.reduceat(least[order], at),
        maximum=np.maximum.reduceat(most[order], at),
        count=number,
    )
