"""The store in one SQLite file: no server, many readers next to one writer.

SQLite runs in WAL mode with ``synchronous = NORMAL``: what was acknowledged survives the death of
the program, always; a loss of power may take the last transactions with it, but never damages the
file. Whoever wants the last transaction on the disk as well opens the store with
``?synchronous=full`` and pays one flush of the disk for each.

References
----------
Write-ahead logging, https://www.sqlite.org/wal.html, section 2.2 (durability).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.errors import InputError
from headwater.network.entities import Observations
from headwater.network.store.open import migrate
from headwater.network.store.pool import Pool
from headwater.network.store.protocol import (
    Head,
    Parameters,
    Session,
    Store,
    StoreBusyError,
    StoreError,
    StoreFullError,
    now,
)
from headwater.network.store.read import kept
from headwater.network.store.schema import KEY_COLUMNS, OBSERVATION_COLUMNS, RESULT_COLUMNS
from headwater.network.times import NEVER, zone_offset

if TYPE_CHECKING:
    from headwater.network.store.archive import Archive

__all__ = ["SQLiteSession", "SQLiteStore"]


def _whole(number: Any) -> int:
    return int(number)


# Whole numbers of NumPy would be stored as the bytes they are made of.
for _kind in (np.int64, np.int32, np.uint32, np.int16, np.uint8):
    sqlite3.register_adapter(_kind, _whole)

_MANY = 10_000  # parameters of one statement, well under SQLite's limit


class SQLiteSession(Session):
    """A transaction of a SQLite store."""

    dialect = "sqlite"

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        actor: str | None,
        clock: Callable[[], int],
        archive: Archive | None,
    ) -> None:
        super().__init__(actor=actor, clock=clock, archive=archive)
        self._connection = connection

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Ask."""
        return self._connection.execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Do."""
        return self._connection.execute(sql, parameters).rowcount

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> int:
        """Do for many."""
        return self._connection.executemany(sql, parameters).rowcount

    def has_table(self, name: str) -> bool:
        """Ask for a table."""
        sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return bool(self.rows(sql, (name,)))

    def heads(self, datastream_ids: Sequence[int]) -> dict[int, Head]:
        """Read the counters; BEGIN IMMEDIATE has locked every other writer out."""
        found: dict[int, Head] = {}
        for k in range(0, len(datastream_ids), _MANY):
            part = datastream_ids[k : k + _MANY]
            sql = (
                "SELECT d.id, l.time, observation_count, first_time, last_time, first_result_time,"
                " last_result_time FROM datastreams d LEFT JOIN latest l ON l.datastream_id = d.id"
                f" WHERE d.id IN ({', '.join('?' * len(part))})"
            )
            found |= {row[0]: row[1:] for row in self.rows(sql, part)}
        return found

    def backup(self, copy: sqlite3.Connection) -> None:
        """Copy all pages into another data base."""
        self._connection.backup(copy)

    def append(self, batch: Observations) -> None:
        """Insert."""
        self._insert("INSERT INTO observations", batch)

    def merge(self, batch: Observations) -> list[tuple[int, int, int]]:
        """Insert into a staging table, look at what differs, then upsert."""
        self.execute("DELETE FROM temp.staging")
        columns = self._insert("INSERT INTO temp.staging", batch)
        content = [name for name in columns if name not in (*KEY_COLUMNS, "received")]
        differs = " OR ".join(f"o.{name} IS NOT s.{name}" for name in content)
        fates = self.rows(
            f"SELECT s.datastream_id, sum(o.time IS NULL), sum(o.time IS NOT NULL AND ({differs}))"
            " FROM temp.staging s LEFT JOIN main.observations o"
            " ON o.datastream_id = s.datastream_id AND o.time = s.time AND o.variant = s.variant"
            " GROUP BY 1"
        )
        listed = ", ".join(columns)
        sets = ", ".join(f"{name} = excluded.{name}" for name in (*content, "received"))
        if "quality" not in content:
            # a verdict on another result says nothing of this one
            changed = " OR ".join(
                f"{n} IS NOT excluded.{n}" for n in RESULT_COLUMNS if n in content
            )
            sets += f", quality = CASE WHEN {changed} THEN NULL ELSE quality END"
        other = " OR ".join(f"{name} IS NOT excluded.{name}" for name in content)
        self.execute(
            f"INSERT INTO main.observations ({listed}) SELECT {listed} FROM temp.staging WHERE true"
            f" ON CONFLICT ({', '.join(KEY_COLUMNS)}) DO UPDATE SET {sets} WHERE {other}"
        )
        self.execute("DELETE FROM temp.staging")
        return [(id, new, changed) for id, new, changed in fates if new or changed]

    def _insert(self, into: str, batch: Observations) -> list[str]:
        """Insert the columns that are present; returns their names."""
        present = batch.columns()
        columns = [*(OBSERVATION_COLUMNS[name] for name in present), "variant"]
        present["variant"] = batch.variant()
        marks = ", ".join("?" * len(columns))
        sql = f"{into} ({', '.join(columns)}) VALUES ({marks})"
        # NaN goes in as it is: SQLite itself turns it into NULL
        self.executemany(sql, zip(*(_plain(c) for c in present.values()), strict=True))
        return columns


def _plain(column: np.ndarray[Any, Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    if column.dtype == np.int64 and (column == NEVER).any():
        return [None if value == NEVER else value for value in values]
    return values


class SQLiteStore(Store):
    """A store in one SQLite file.

    Parameters
    ----------
    path : Path
    synchronous : {"normal", "full"}
        Whether each transaction waits for the disk.
    wait : float
        How long to wait for another writer [s].
    clock : callable
        Time of receipt [µs since 1970-01-01T00:00Z].
    archive : Archive, optional

    Raises
    ------
    StoreError
        If the file is no store, or was written by a newer program.
    """

    dialect = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        synchronous: str = "normal",
        wait: float = 30.0,
        clock: Callable[[], int] = now,
        archive: Archive | None = None,
    ) -> None:
        if synchronous not in ("normal", "full"):
            raise InputError("unknown 'synchronous'", found=synchronous, do="Use normal or full")
        self.path, self.address, self.archive = path, f"sqlite:///{path}", archive
        self._synchronous, self._wait, self._clock = synchronous, wait, clock
        self._pool = Pool(self._connect, sound=lambda connection: not connection.in_transaction)
        # Threads of one program queue here; SQLite's own waiting is by polling, and not in turn.
        self._writer = threading.Lock()
        try:
            with self.transaction() as session:
                migrate(session)
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        with _in_sentences(self.path):
            connection = sqlite3.connect(
                self.path,
                timeout=self._wait,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.create_function("zone_offset", 2, zone_offset, deterministic=True)
        connection.create_function("lower_text", 1, _lower, deterministic=True)
        connection.create_function("upper_text", 1, _upper, deterministic=True)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file only
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -2048")  # of each connection
        connection.execute("PRAGMA temp_store = MEMORY")
        columns = ", ".join([*OBSERVATION_COLUMNS.values(), "variant"])
        connection.execute(f"CREATE TEMP TABLE staging ({columns})")

    @contextmanager
    def transaction(
        self, *, read_only: bool = False, actor: str | None = None
    ) -> Iterator[SQLiteSession]:
        """Open a transaction."""
        with self._pool.lend() as connection, self._turn(read_only), _in_sentences(self.path):
            connection.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
            connection.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")
            try:
                yield SQLiteSession(
                    connection, actor=actor, clock=self._clock, archive=self.archive
                )
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _turn(self, read_only: bool) -> Iterator[None]:
        if read_only:
            yield
            return
        if not self._writer.acquire(timeout=self._wait):
            raise _busy(self.path)
        try:
            yield
        finally:
            self._writer.release()

    def copy_to(self, path: Path) -> tuple[int, list[str]]:
        """Copy what one transaction sees, through SQLite's own backup."""
        with self.transaction(read_only=True) as session:
            found = kept(session)  # the first look fixes what the transaction sees
            with closing(sqlite3.connect(path)) as copy:
                session.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
            return found

    def shrink(self) -> None:
        """Give the room that deleted observations took back to the disk."""
        with self._pool.lend() as connection, self._turn(False), _in_sentences(self.path):
            connection.execute("PRAGMA query_only = OFF")
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close all connections; the last one to close folds the log into the file."""
        self._pool.close()


@contextmanager
def _in_sentences(path: Path) -> Iterator[None]:
    """Say in a sentence what SQLite says in a word."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise InputError(f"the store refuses the entity: {error}", do=_LINKED) from error
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise _busy(path) from error
        if "full" in text or "disk I/O" in text:
            raise StoreFullError(
                "the store cannot grow; nothing of this transaction was kept",
                found=f"'{text}' at {path}",
                do="Make room on the disk, or archive closed months, then send the data again",
            ) from error
        if "not a database" in text or "malformed" in text:
            do = "Name another file, or restore a backup"
            raise StoreError(f"not a sound store: {path}", found=text, do=do) from error
        raise StoreError(f"the store {path} failed", found=text) from error


_LINKED = "Give all required fields, and links only to what exists"


def _busy(path: Path) -> StoreBusyError:
    return StoreBusyError(
        "another program has been writing for too long", found=str(path), do="Try again later"
    )


def _lower(text: object) -> str | None:
    return None if text is None else str(text).lower()


def _upper(text: object) -> str | None:
    return None if text is None else str(text).upper()
