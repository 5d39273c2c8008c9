"""Close months: move them from the store to Parquet, verified before anything leaves the store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headwater.installation import install_hint
from headwater.network.entities import Observations, concatenate
from headwater.network.store.archive import TIMES, Part, parts, read_archived, reopen
from headwater.network.store.protocol import Session, Store, StoreError, StoreFullError
from headwater.network.store.read import condition, read_stored
from headwater.network.store.schema import JSON_COLUMNS, OBSERVATION_COLUMNS
from headwater.network.times import DAY, NEVER, month_bounds, months_of

__all__ = ["ClosedMonth", "close_months", "digest", "recall", "verify"]

_STREAMS = 20  # datastreams that are in memory at once


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A month that was closed.

    Attributes
    ----------
    month : str
        Such as ``2024-02``.
    file : str
        In the folder of the archive.
    rows : int
    size : int
        [bytes]
    """

    month: str
    file: str
    rows: int
    size: int


def close_months(store: Store, *, before: int | None = None) -> list[ClosedMonth]:
    """Move closed months into the archive.

    Each month is one transaction: read, written under a temporary name, read back and compared
    by count and hash, renamed, listed, and only then deleted from the store.

    Parameters
    ----------
    store : Store
    before : int, optional
        Months that end at this time or earlier [µs]; default: 31 days ago.

    Returns
    -------
    list of ClosedMonth

    Raises
    ------
    StoreError
        If the store has no archive, its libraries are missing, or a file does not hold what was
        written; the month is in the store then as it was before.
    """
    if store.archive is None:
        raise StoreError("the store has no archive", do="Open it with archive=<folder>")
    store.archive.folder.mkdir(parents=True, exist_ok=True)
    with store.transaction() as session:
        limit = session.clock() - 31 * DAY if before is None else before
        _lock(session)
        _sweep(session, store.archive.folder)
        months = _months(session, limit)
    closed = []
    for month in months:
        with store.transaction() as session:
            _lock(session)
            closed += _close(session, store.archive.folder, month)
    store.shrink()
    return closed


def recall(
    store: Store,
    datastream_ids: Sequence[int] | None = None,
    start: int | None = None,
    end: int | None = None,
) -> int:
    """Bring archived parts back into the store, to ask for them in SQL.

    Parameters
    ----------
    store : Store
    datastream_ids : sequence of int, optional
    start, end : int, optional
        [µs]; whole months are brought back.

    Returns
    -------
    int
        How many observations.
    """
    with store.transaction() as session:
        session.heads(sorted({part.datastream for part in parts(session, datastream_ids)}))
        found = parts(session, datastream_ids, start, end)
        reopen(session, found)
    return sum(part.rows for part in found)


def verify(store: Store) -> int:
    """Compare the archive with the hashes in the store.

    Parameters
    ----------
    store : Store

    Returns
    -------
    int
        How many files.

    Raises
    ------
    StoreError
        If a file is missing or changed.
    """
    with store.transaction(read_only=True) as session:
        parts(session)
        listed = session.rows("SELECT file, sha256 FROM archive_files ORDER BY file")
    for file, wanted in listed:
        path = store.archive.folder / file if store.archive else Path(file)
        found = _sha256(path) if path.is_file() else "no file"
        if found != wanted:
            do = "Restore it from a backup"
            raise StoreError(f"archived month {path} is not what was written", found=found, do=do)
    return len(listed)


def _lock(session: Session) -> None:
    """Keep others from closing at the same time; SQLite has one writer anyway."""
    if session.dialect == "postgresql":
        session.execute("LOCK TABLE archive_files IN EXCLUSIVE MODE")


def _sweep(session: Session, folder: Path) -> None:
    """Remove files that no month needs any more, since before the last closing."""
    listed = {row[0] for row in session.rows("SELECT file FROM archive_files")}
    for path in [*folder.glob("observations-*.parquet"), *folder.glob("*.part")]:
        if path.name not in listed:
            path.unlink()


def _months(session: Session, limit: int) -> list[str]:
    """List the months that the store has observations of, jumping from one to the next."""
    found: set[str] = set()
    sql = "SELECT min(time) FROM observations WHERE datastream_id = ? AND time >= ?"
    for (id,) in session.rows("SELECT id FROM datastreams"):
        at = NEVER
        while (time := session.rows(sql, (id, at))[0][0]) is not None:
            month = str(months_of(np.array([time]))[0])
            at = month_bounds(month)[1]
            if at > limit:
                break
            found.add(month)
    return sorted(found)


def _close(session: Session, folder: Path, month: str) -> list[ClosedMonth]:
    start, end = month_bounds(month)
    sql = "SELECT DISTINCT datastream_id FROM observations WHERE time >= ? AND time < ?"
    ids = {row[0] for row in session.rows(sql, (start, end))}
    ids |= {part.datastream for part in parts(session, None, start, end)}
    session.heads(sorted(ids))
    kept = parts(session, sorted(ids), start, end)
    part = folder / f"{month}.part"
    try:
        rows, listed = _write(session, part, _chunks(session, sorted(ids), kept, month))
        sha256 = _sha256(part)
        file = f"observations-{month}-{sha256[:12]}.parquet"
        part.replace(folder / file)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        do = "Make room on the disk"
        raise StoreFullError("the archive cannot grow", found=str(error), do=do) from error
    finally:
        part.unlink(missing_ok=True)
    if not rows:
        return []
    session.execute("DELETE FROM archived WHERE month = ?", (month,))
    session.execute("DELETE FROM archive_files WHERE month = ?", (month,))
    session.execute(
        "INSERT INTO archive_files VALUES (?, ?, ?, ?, ?)",
        (file, month, rows, sha256, session.clock()),
    )
    session.executemany(
        "INSERT INTO archived VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(month, row[0], file, *row[1:]) for row in listed],
    )
    gone = 0
    for k in range(0, len(listed), 1000):
        where, values = condition([row[0] for row in listed[k : k + 1000]], start, end)
        gone += session.execute(f"DELETE FROM observations{where}", values)
    return [ClosedMonth(month, file, rows, (folder / file).stat().st_size)]


def _chunks(
    session: Session, ids: list[int], kept: list[Part], month: str
) -> Iterator[Observations]:
    """Read a month, some datastreams at a time, from the store and from the file there was."""
    start, end = month_bounds(month)
    for k in range(0, len(ids), _STREAMS):
        some = set(ids[k : k + _STREAMS])
        old = read_archived(session, found=[part for part in kept if part.datastream in some])
        whole = concatenate([old, read_stored(session, sorted(some), start, end)])
        if len(whole):
            yield whole.take(np.lexsort((whole.variant(), whole.time, whole.datastream)))


def _write(
    session: Session, path: Path, chunks: Iterator[Observations]
) -> tuple[int, list[tuple[Any, ...]]]:
    """Write a file, read it back and compare; returns its rows, and what each datastream has."""
    pq, schema = _parquet()
    wanted, rows, listed = hashlib.sha256(), 0, []
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for chunk in chunks:
            writer.write_table(_table(chunk, schema))
            wanted.update(digest(chunk))
            rows += len(chunk)
            listed += _extents(chunk)
        writer.close()
        file.flush()
        os.fsync(file.fileno())
    found, count = hashlib.sha256(), 0
    with pq.ParquetFile(path) as back:
        for group in range(back.num_row_groups):
            chunk = _columns(back.read_row_group(group))
            found.update(digest(chunk))
            count += len(chunk)
    if (count, found.digest()) != (rows, wanted.digest()):
        raise StoreError(
            f"the file {path} does not hold what was written; the month stays in the store",
            found=f"{count} of {rows} observations, or other values",
            do="Check the disk",
        )
    return rows, listed


def _parquet() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        do = install_hint("archive")
        raise StoreError("archived months need duckdb and pyarrow", do=do) from None
    fields = []
    for name in OBSERVATION_COLUMNS.values():
        if name in TIMES:
            kind = pa.timestamp("us", tz="UTC")
        elif name == "result_number":
            kind = pa.float64()
        else:
            kind = pa.string() if name in JSON_COLUMNS else pa.int64()
        fields.append(pa.field(name, kind))
    return pq, pa.schema(fields)


def _table(chunk: Observations, schema: Any) -> Any:
    import pyarrow as pa

    columns, given = [], chunk.columns()
    for (name, column), field in zip(OBSERVATION_COLUMNS.items(), schema, strict=True):
        if name not in given:
            columns.append(pa.nulls(len(chunk), field.type))
            continue
        values = given[name]
        if column in JSON_COLUMNS:
            columns.append(pa.array(values, field.type))
        else:
            empty = np.isnan(values) if name == "result" else values == NEVER
            columns.append(pa.array(values, mask=empty).cast(field.type))
    return pa.table(columns, schema=schema)


def _columns(table: Any) -> Observations:
    """Read a row group with pyarrow, so that what DuckDB will read is checked by another reader."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name, column in OBSERVATION_COLUMNS.items():
        values = table[column]
        if values.null_count == len(values) and name != "result":
            continue
        if column in JSON_COLUMNS:
            columns[name] = values.to_pylist()
        elif name == "result":
            columns[name] = values.to_numpy(zero_copy_only=False)
        else:
            columns[name] = values.cast(pa.int64()).fill_null(NEVER).to_numpy()
    return Observations(**columns)


def digest(observations: Observations) -> bytes:
    """Hash the content of observations, to the last bit.

    Parameters
    ----------
    observations : Observations

    Returns
    -------
    bytes
        SHA-256; columns that hold nothing do not matter.

    Examples
    --------
    >>> one = Observations(datastream=[1], time=[0], result=[0.5])
    >>> two = Observations(datastream=[1], time=[0], result=[0.5], quality=[None])
    >>> digest(one) == digest(two)
    True
    """
    found = hashlib.sha256()
    for name, column in observations.columns().items():
        if column.dtype == object:
            texts = [text for text in column if text is not None]
            if texts:
                found.update(repr((name, column.tolist())).encode())
        elif name == "result":
            found.update(np.where(np.isnan(column), np.nan, column).tobytes())
        elif (column != NEVER).any():
            found.update(name.encode() + column.tobytes())
    return found.digest()


def _extents(chunk: Observations) -> list[tuple[Any, ...]]:
    """Rows, first and last time, last end, first and last result time of each datastream."""
    ids, starts = np.unique(chunk.datastream, return_index=True)
    far = np.iinfo(np.int64).max
    end = chunk.time if chunk.time_end is None else np.maximum(chunk.time, chunk.time_end)
    result = np.full(len(chunk), NEVER) if chunk.result_time is None else chunk.result_time
    known = np.where(result == NEVER, far, result)
    columns = zip(
        ids.tolist(),
        np.diff(np.append(starts, len(chunk))).tolist(),
        chunk.time[starts].tolist(),
        chunk.time[np.append(starts[1:], len(chunk)) - 1].tolist(),
        np.maximum.reduceat(end, starts).tolist(),
        np.minimum.reduceat(known, starts).tolist(),
        np.maximum.reduceat(result, starts).tolist(),
        strict=True,
    )
    return [(*row[:5], *((None, None) if row[5] == far else row[5:])) for row in columns]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
