"""Closed months as Parquet: one file for each, read through DuckDB as if it were in the store.

A *part* is what one datastream has in one month. The table ``archived`` lists the parts that lie
in a file; when something late arrives for a part, or some of it is deleted, the part is reopened:
its observations go back into the store, and the file's copy no longer counts. The next time that
the month is closed a new file takes the place of the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.installation import install_hint
from headwater.network.entities import Observations, concatenate
from headwater.network.store.protocol import Session, StoreError
from headwater.network.store.schema import JSON_COLUMNS, OBSERVATION_COLUMNS
from headwater.network.times import DAY, NEVER, months_of

__all__ = [
    "Archive",
    "Part",
    "daily_sums",
    "forget",
    "open_parquet",
    "parts",
    "read_archived",
    "reopen",
    "reopen_feature",
    "reopen_for",
    "reopen_newest",
]

TIMES = ("time", "time_end", "result_time", "valid_start", "valid_end", "received")
_SELECT = ", ".join(
    f"epoch_us({name})"
    if name == "time"
    else f"coalesce(epoch_us({name}), {NEVER})"
    if name in TIMES
    else f"coalesce({name}, {NEVER})"
    if name == "feature_id"
    else name
    for name in OBSERVATION_COLUMNS.values()
)


@dataclass(frozen=True, slots=True)
class Archive:
    """The folder of closed months; all programs on one store must name the same.

    Parameters
    ----------
    folder : Path
    """

    folder: Path


@dataclass(frozen=True, slots=True)
class Part:
    """What one datastream has in one archived month; `whole` if its file holds nothing outdated."""

    datastream: int
    month: str
    file: str
    rows: int
    first: int
    last: int
    whole: bool


def parts(
    session: Session,
    datastream_ids: Sequence[int] | None = None,
    start: int | None = None,
    end: int | None = None,
) -> list[Part]:
    """List the archived parts that may hold observations with start <= time < end [µs].

    Raises
    ------
    StoreError
        If there are any, but the store was opened without a folder for them.
    """
    if not session.rows("SELECT 1 FROM archived LIMIT 1"):
        return []
    sql = (
        "SELECT a.datastream_id, a.month, a.file, a.rows, a.first_time, a.last_time,"
        " (SELECT sum(b.rows) FROM archived b WHERE b.file = a.file) = f.rows"
        " FROM archived a JOIN archive_files f ON f.file = a.file"
        " WHERE a.last_time >= ? AND a.first_time < ? ORDER BY a.month, a.datastream_id"
    )
    bounds = (NEVER if start is None else int(start), -(NEVER + 1) if end is None else int(end))
    wanted = None if datastream_ids is None else {int(id) for id in datastream_ids}
    rows = session.rows(sql, bounds)
    found = [
        Part(row[0], row[1], row[2], row[3], row[4], row[5], whole=bool(row[6]))
        for row in rows
        if wanted is None or row[0] in wanted
    ]
    if found and session.archive is None:
        raise StoreError(
            "months of this store are archived, and nobody said where",
            found=f"{len({part.file for part in found})} files, such as {found[0].file}",
            do="Open the store with archive=<folder>",
        )
    return found


@cache
def open_parquet() -> Any:
    """Open DuckDB in memory, once for the program; each query takes a cursor of its own.

    Raises
    ------
    StoreError
        If it is not installed.
    """
    try:
        import duckdb
    except ImportError:
        do = install_hint("archive")
        raise StoreError("archived months need duckdb and pyarrow", do=do) from None
    return duckdb.connect(config={"threads": 2})


def _query(session: Session, found: Sequence[Part], select: str, tail: str) -> list[dict[str, Any]]:
    """Run one query over all files that are whole, and one over each that is not."""
    if not found or session.archive is None:
        return []
    whole = sorted({part.file for part in found if part.whole})
    broken = sorted({part.file for part in found if not part.whole})
    groups = [[file] for file in broken] + ([whole] if whole else [])
    answers = []
    with open_parquet().cursor() as duck:
        for files in groups:
            ids = sorted({part.datastream for part in found if part.file in set(files)})
            sources = [str(session.archive.folder / file) for file in files]
            sql = f"SELECT {select} FROM read_parquet(?) WHERE datastream_id IN (SELECT unnest(?))"
            try:
                answers.append(duck.execute(f"{sql} {tail}", [sources, ids]).fetchnumpy())
            except Exception as error:
                raise _unreadable(session.archive, error) from error
    return answers


def _unreadable(archive: Archive, error: Exception) -> StoreError:
    return StoreError(
        f"an archived month in {archive.folder} cannot be read",
        found=str(error).splitlines()[0],
        do="Restore the file from a backup; it was verified when it was written",
    )


def read_archived(
    session: Session,
    datastream_ids: Sequence[int] | None = None,
    start: int | None = None,
    end: int | None = None,
    *,
    found: Sequence[Part] | None = None,
) -> Observations:
    """Read what is archived with start <= time < end [µs]; sorted within each file only."""
    found = parts(session, datastream_ids, start, end) if found is None else found
    return concatenate(
        [_observations(answer) for answer in _query(session, found, _SELECT, _within(start, end))]
    )


def _within(start: int | None, end: int | None) -> str:
    text = ""
    for sign, time in ((">=", start), ("<", end)):
        if time is not None:
            text += f" AND time {sign} make_timestamptz({int(time)})"
    return text


def _observations(answer: dict[str, Any]) -> Observations:
    columns: dict[str, Any] = {}
    for name, values in zip(OBSERVATION_COLUMNS, answer.values(), strict=True):
        if OBSERVATION_COLUMNS[name] in JSON_COLUMNS:
            texts = np.array(np.ma.getdata(values), dtype=object)
            texts[np.ma.getmaskarray(values)] = None
            if any(text is not None for text in texts):
                columns[name] = texts
        elif name == "result":
            columns[name] = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
        elif name in ("datastream", "time") or (np.asarray(values) != NEVER).any():
            columns[name] = np.asarray(values).astype(np.int64)
    return Observations(**columns)


def daily_sums(
    session: Session,
    datastream_ids: Sequence[int] | None,
    start: int | None,
    end: int | None,
    *,
    offset: int,
) -> list[list[NDArray[Any]]]:
    """Datastream, day, sum, number, minimum and maximum of numeric results in archived months."""
    day = f"CAST(floor((epoch_us(time) + {int(offset)}) / {DAY}) AS BIGINT)"
    value = "result_number"
    select = (
        f"datastream_id, {day} AS day, sum({value}) AS total, count({value}) AS n,"
        f" min({value}) AS least, max({value}) AS most"
    )
    found = parts(session, datastream_ids, start, end)
    tail = f"{_within(start, end)} GROUP BY ALL"
    return [
        [np.ma.filled(np.ma.asarray(column), 0) for column in answer.values()]
        for answer in _query(session, found, select, tail)
    ]


def reopen(session: Session, found: Sequence[Part]) -> None:
    """Bring parts back into the store; their counters stay as they are.

    Parameters
    ----------
    session : Session
        That holds the locks of the datastreams.
    found : sequence of Part
    """
    if not found:
        return
    back = read_archived(session, found=found)
    _unlist(session, found)
    session.prepare(back)
    session.append(back.newest_per_key())


def _unlist(session: Session, found: Sequence[Part]) -> None:
    sql = "DELETE FROM archived WHERE datastream_id = ? AND month = ?"
    session.executemany(sql, [(part.datastream, part.month) for part in found])
    # The file itself stays until the next closing, for others may be reading it.
    session.execute(
        "DELETE FROM archive_files WHERE NOT EXISTS"
        " (SELECT 1 FROM archived WHERE archived.file = archive_files.file)"
    )


def reopen_for(session: Session, batch: Observations) -> None:
    """Reopen the parts that observations fall into."""
    ids = np.unique(batch.datastream).tolist()
    found = parts(session, ids)
    if found:
        touched = set(zip(batch.datastream.tolist(), months_of(batch.time).tolist(), strict=True))
        reopen(session, [part for part in found if (part.datastream, part.month) in touched])


def reopen_feature(session: Session, feature_id: int) -> None:
    """Reopen the parts that hold observations of a feature of interest."""
    found = parts(session)
    if not found:
        return
    sql = "SELECT id FROM datastreams WHERE feature_id = ?"
    own = {row[0] for row in session.rows(sql, (feature_id,))}
    select = "DISTINCT datastream_id, strftime(time AT TIME ZONE 'UTC', '%Y-%m') AS month"
    named = {
        pair
        for answer in _query(session, found, select, f"AND feature_id = {int(feature_id)}")
        for pair in zip(*(column.tolist() for column in answer.values()), strict=True)
    }
    touched = [p for p in found if p.datastream in own or (p.datastream, p.month) in named]
    session.heads(sorted({part.datastream for part in touched}))
    reopen(session, touched)


def forget(
    session: Session, datastream_id: int, start: int, end: int, times: Sequence[int] | None
) -> int:
    """Leave out what is to be deleted: whole parts at once; others are reopened.

    Returns
    -------
    int
        How many observations are gone with whole parts.
    """
    found = parts(session, [datastream_id], start, end)
    if not found:
        return 0
    if times is not None:
        touched = set(months_of(np.array(list(times), dtype=np.int64)).tolist())
        reopen(session, [part for part in found if part.month in touched])
        return 0
    inside = [part for part in found if part.first >= start and part.last < end]
    reopen(session, [part for part in found if part not in inside])
    _unlist(session, inside)
    return sum(part.rows for part in inside)


def reopen_newest(session: Session, datastream_id: int, time: int | None) -> bool:
    """Reopen the last part of a datastream if it is newer than this time; say whether it was."""
    found = parts(session, [datastream_id], None if time is None else time + 1)
    reopen(session, found[-1:])
    return bool(found)
