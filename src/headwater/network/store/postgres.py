"""The store in PostgreSQL: several programs at once, through psycopg 3."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray

from headwater.errors import InputError
from headwater.installation import install_hint
from headwater.network.entities import Observations, Written
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
    StoreUnreachableError,
    now,
)
from headwater.network.store.read import kept
from headwater.network.store.schema import (
    JSON_COLUMNS,
    KEY_COLUMNS,
    OBSERVATION_COLUMNS,
    RESULT_COLUMNS,
    TABLES,
)
from headwater.network.times import NEVER, month_bounds, months_of

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from headwater.network.store.archive import Archive

    Connection = psycopg.Connection[tuple[Any, ...]]

__all__ = [
    "PostgreSQLSession",
    "PostgreSQLStore",
    "binary_rows",
    "copy_rows",
    "translate",
]

_LOCK = 0x4EAD3A7E5  # of migrations and partitions, among all programs on one data base
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?|%")
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_BLOCK = 100_000  # rows of one message; bounds the memory


@lru_cache(maxsize=1024)
def translate(sql: str) -> str:
    """Write ``?`` as psycopg's ``%s``, outside of quotes.

    Parameters
    ----------
    sql : str

    Returns
    -------
    str

    Examples
    --------
    >>> translate("SELECT '?', 7 % ? WHERE name LIKE '%a'")
    "SELECT '?', 7 %% %s WHERE name LIKE '%%a'"
    """

    def marked(match: re.Match[str]) -> str:
        return "%s" if match[0] == "?" else match[0].replace("%", "%%")

    return _TOKEN.sub(marked, sql)


class PostgreSQLSession(Session):
    """A transaction of a PostgreSQL store."""

    dialect = "postgresql"

    def __init__(
        self,
        connection: Connection,
        partition: Callable[[Sequence[str]], None],
        *,
        actor: str | None,
        clock: Callable[[], int],
        archive: Archive | None,
    ) -> None:
        super().__init__(actor=actor, clock=clock, archive=archive)
        self._connection, self._partition = connection, partition

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Ask."""
        return self._run(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Do."""
        return self._run(sql, parameters).rowcount

    def _run(self, sql: str, parameters: Parameters) -> psycopg.Cursor[tuple[Any, ...]]:
        # Without parameters psycopg takes the text as it is, and % stands for itself.
        if not parameters:
            return self._connection.execute(cast("Any", sql))
        return self._connection.execute(cast("Any", translate(sql)), parameters)

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> int:
        """Do for many."""
        with self._connection.cursor() as cursor:
            cursor.executemany(cast("Any", translate(sql)), parameters)
            return max(cursor.rowcount, 0)

    def has_table(self, name: str) -> bool:
        """Ask for a table."""
        return bool(self.rows("SELECT to_regclass(?) IS NOT NULL", (name,))[0][0])

    def insert(self, table: str, row: dict[str, Any]) -> int:
        """Insert an entity; one that brings its identifier moves the identity on beyond it."""
        id = super().insert(table, row)
        if "id" in row and table in TABLES:
            self.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'),"
                f" greatest(?::bigint, (SELECT max(id) FROM {table})))",
                (id,),
            )
        return id

    def heads(self, datastream_ids: Sequence[int]) -> dict[int, Head]:
        """Lock first and look afterwards: what is read in the same breath may be older."""
        ids = list(datastream_ids)
        lock = "SELECT id FROM datastreams WHERE id = ANY(?) ORDER BY id FOR NO KEY UPDATE"
        self.execute(lock, (ids,))
        found = self.rows(
            "SELECT d.id, l.time, observation_count, first_time, last_time, first_result_time,"
            " last_result_time FROM datastreams d LEFT JOIN latest l ON l.datastream_id = d.id"
            " WHERE d.id = ANY(?)",
            (ids,),
        )
        return {row[0]: row[1:] for row in found}

    def prepare(self, batch: Observations) -> None:
        """Make the partitions of the months that the observations fall into."""
        self._partition(np.unique(months_of(batch.time)).tolist())

    def append(self, batch: Observations) -> None:
        """Copy into the table itself."""
        self._copy("observations", batch)

    def merge(self, batch: Observations) -> list[tuple[int, int, int]]:
        """Copy into a staging table, insert what is new, then update what differs."""
        columns = [*OBSERVATION_COLUMNS.values(), "variant"]
        self.execute(
            "CREATE TEMP TABLE IF NOT EXISTS staging ON COMMIT DELETE ROWS AS"
            f" SELECT {', '.join(columns)} FROM observations WITH NO DATA"
        )
        self.execute("TRUNCATE staging")
        present = self._copy("staging", batch)
        self.execute("ANALYZE staging")
        listed = ", ".join(present)
        inserted = self._tally(
            f"INSERT INTO observations ({listed}) SELECT {listed} FROM staging"
            " ON CONFLICT (datastream_id, time, variant) DO NOTHING RETURNING datastream_id"
        )
        updated: dict[int, int] = {}
        if sum(inserted.values()) < len(batch):
            content = [name for name in present if name not in (*KEY_COLUMNS, "received")]
            sets = ", ".join(f"{name} = s.{name}" for name in [*content, "received"])
            if "quality" not in content:
                # a verdict on another result says nothing of this one
                changed = " OR ".join(
                    f"o.{n} IS DISTINCT FROM s.{n}" for n in RESULT_COLUMNS if n in content
                )
                sets += f", quality = CASE WHEN {changed} THEN NULL ELSE o.quality END"
            differs = " OR ".join(f"o.{name} IS DISTINCT FROM s.{name}" for name in content)
            updated = self._tally(
                f"UPDATE observations o SET {sets} FROM staging s"
                " WHERE o.datastream_id = s.datastream_id AND o.time = s.time"
                " AND o.variant = s.variant"
                f" AND o.time BETWEEN {int(batch.time.min())} AND {int(batch.time.max())}"
                f" AND ({differs}) RETURNING o.datastream_id"
            )
        ids = sorted({*inserted, *updated})
        return [(id, inserted.get(id, 0), updated.get(id, 0)) for id in ids]

    def _tally(self, sql: str) -> dict[int, int]:
        counted = f"WITH touched AS ({sql}) SELECT datastream_id, count(*) FROM touched GROUP BY 1"
        return dict(cast("list[tuple[int, int]]", self.rows(counted)))

    def _copy(self, table: str, batch: Observations) -> list[str]:
        return copy_rows(self._connection, table, batch)


class PostgreSQLStore(Store):
    """A store in a PostgreSQL data base.

    Parameters
    ----------
    address : str
        ``postgresql://user:password@host:port/database``
    wait : float
        How long to wait for another writer, or for the server to come back [s].
    clock : callable
        Time of receipt [µs since 1970-01-01T00:00Z].
    archive : Archive, optional

    Raises
    ------
    StoreError
        If the server cannot be reached, or its tables are newer than this program.
    """

    dialect = "postgresql"

    def __init__(
        self,
        address: str,
        *,
        wait: float = 30.0,
        clock: Callable[[], int] = now,
        archive: Archive | None = None,
    ) -> None:
        _needs_psycopg()
        self._conninfo, self.address, self.archive = address, _masked(address), archive
        self._wait, self._clock = wait, clock
        self._pool = Pool(self._connect, sound=_sound)
        self._months: set[str] = set()
        self._making = threading.Lock()
        try:
            with self.transaction() as session:
                session.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
                fresh = not session.has_table("migrations")
                migrate(session, hypertable=fresh and _timescale(session))
                kind = session.rows(
                    "SELECT relkind FROM pg_class WHERE oid = 'observations'::regclass"
                )
                self._partitioned = kind[0][0] == "p"
        except BaseException:
            self.close()
            raise

    def _connect(self) -> Connection:
        import psycopg

        connection = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=10)
        _read_as_sqlite_does(connection)
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute(f"SET lock_timeout = {int(self._wait * 1000)}")
        return connection

    @contextmanager
    def transaction(
        self, *, read_only: bool = False, actor: str | None = None
    ) -> Iterator[PostgreSQLSession]:
        """Open a transaction."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if read_only else "BEGIN"
        with self._begun(begin) as connection, _in_sentences(self.address):
            try:
                yield PostgreSQLSession(
                    connection,
                    self.make_partitions,
                    actor=actor,
                    clock=self._clock,
                    archive=self.archive,
                )
                connection.execute("COMMIT")
            except BaseException:
                if not connection.closed:
                    with suppress(Exception):
                        connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _begun(self, begin: str) -> Iterator[Connection]:
        """Lend a connection on which a transaction has begun, trying until the server answers."""
        import psycopg

        until, pause = time.monotonic() + self._wait, 0.05
        while True:
            try:
                lent = self._pool.lend()
                connection = lent.__enter__()
            except psycopg.OperationalError as error:
                if time.monotonic() > until or not _may_come_back(error):
                    raise _unreachable(self.address, error) from error
                time.sleep(pause)
                pause = min(2 * pause, 1.0)
                continue
            try:
                connection.execute(cast("Any", begin))
                break
            except psycopg.OperationalError:
                # the server has gone since; the other idle connections died with it
                connection.close()
                lent.__exit__(None, None, None)
                self._pool.drop()
        try:
            yield connection
        finally:
            lent.__exit__(None, None, None)

    def write(self, observations: Observations, *, actor: str | None = None) -> Written:
        """Write; when the server goes meanwhile, write again, for the keys make that harmless."""
        until = time.monotonic() + self._wait
        while True:
            try:
                return super().write(observations, actor=actor)
            except StoreUnreachableError:
                if time.monotonic() > until:
                    raise

    def make_partitions(self, months: Sequence[str]) -> None:
        """Make the partitions of these months where they are missing.

        In a transaction of its own: to hold the lock on all observations until the end of a long
        load would make others wait, or wait for each other.
        """
        missing = [month for month in months if month not in self._months]
        if not missing or not self._partitioned:
            return
        with self._making, self._begun("BEGIN") as connection, _in_sentences(self.address):
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            for month in missing:
                _make_partition(connection, month)
            connection.execute("COMMIT")
        self._months.update(missing)

    def copy_to(self, path: Path) -> tuple[int, list[str]]:
        """Dump what one transaction sees, with pg_dump."""
        from headwater.network.store.backup import dump

        with self.transaction(read_only=True) as session:
            dump(self._conninfo, session.rows("SELECT pg_export_snapshot()")[0][0], path)
            return kept(session)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _make_partition(connection: Connection, month: str) -> None:
    name = "observations_" + month.replace("-", "_")
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()
    if found and found[0]:
        return
    start, end = month_bounds(month)
    # To attach locks less than to create in place, and lets others read and write meanwhile.
    connection.execute(cast("Any", f"CREATE TABLE {name} (LIKE observations INCLUDING ALL)"))
    attach = (
        f"ALTER TABLE observations ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"
    )
    connection.execute(cast("Any", attach))


def _timescale(session: Session) -> bool:
    """Switch TimescaleDB on where it is available and we may."""
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
    if not session.rows(available):
        return False
    session.execute("SAVEPOINT extension")
    try:
        session.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except Exception:
        session.execute("ROLLBACK TO SAVEPOINT extension")
        return False
    return True


def _read_as_sqlite_does(connection: Connection) -> None:
    """JSON as its text, sums of whole numbers as whole numbers."""
    from psycopg.adapt import Loader
    from psycopg.types.string import TextLoader

    class NumberLoader(Loader):
        def load(self, data: Any) -> int | float:
            text = bytes(data).decode()
            return int(text) if text.lstrip("-").isdigit() else float(text)

    connection.adapters.register_loader("jsonb", TextLoader)
    connection.adapters.register_loader("json", TextLoader)
    connection.adapters.register_loader("numeric", NumberLoader)


def _sound(connection: Connection) -> bool:
    from psycopg.pq import TransactionStatus

    return not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE


def _needs_psycopg() -> None:
    from importlib.util import find_spec

    if find_spec("psycopg") is None:
        do = install_hint("postgres")
        raise StoreError("a PostgreSQL store needs psycopg 3, which is not installed", do=do)


def _masked(address: str) -> str:
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")
    user = host[0].partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{host[2]}" if user else host[2], query=""))


@contextmanager
def _in_sentences(address: str) -> Iterator[None]:
    """Say in a sentence what psycopg says in a class."""
    import psycopg
    from psycopg import errors

    try:
        yield
    except errors.IntegrityError as error:
        do = "Give all required fields, and links only to what exists"
        text = f"the store refuses the entity: {error.diag.message_primary}"
        raise InputError(text, do=do) from error
    except (errors.DiskFull, errors.OutOfMemory, errors.IoError) as error:
        raise StoreFullError(
            "the store cannot grow; nothing of this transaction was kept",
            found=f"'{error.diag.message_primary}' at {address}",
            do="Make room on the disk of the server, then send the data again",
        ) from error
    except (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure) as error:
        found = f"{error.diag.message_primary} at {address}"
        raise StoreBusyError(
            "another writer was in the way", found=found, do="Try again"
        ) from error
    except errors.DataError as error:
        found = str(error.diag.message_primary or error)
        raise InputError("a value that the store cannot hold", found=found) from error
    except psycopg.OperationalError as error:
        raise _unreachable(address, error) from error
    except psycopg.Error as error:
        raise StoreError(f"the store {address} failed", found=str(error).strip()) from error


def _may_come_back(error: psycopg.OperationalError) -> bool:
    # what cannot be helped by waiting: a wrong password, a data base or host that is not there
    return not re.search(r"authentication|does not exist|resolve|not permitted", str(error))


def _unreachable(address: str, error: Exception) -> StoreUnreachableError:
    return StoreUnreachableError(
        "the PostgreSQL server does not answer",
        found=f"'{str(error).strip().splitlines()[0]}' at {address}",
        do="Start the server and send the data again; what was kept already is not doubled",
    )


def copy_rows(connection: psycopg.Connection[Any], table: str, batch: Observations) -> list[str]:
    """Copy observations into a table, the columns that are present.

    Parameters
    ----------
    connection : psycopg.Connection
    table : str
    batch : Observations

    Returns
    -------
    list of str
        The columns.
    """
    columns = {OBSERVATION_COLUMNS[name]: column for name, column in batch.columns().items()}
    columns["variant"] = batch.variant()
    listed = ", ".join(columns)
    texts = JSON_COLUMNS & set(columns)
    form = "" if texts else " WITH (FORMAT binary)"
    sql = f"COPY {table} ({listed}) FROM STDIN{form}"
    with connection.cursor() as cursor, cursor.copy(cast("Any", sql)) as copy:
        if texts:
            for row in zip(*(_plain(column) for column in columns.values()), strict=True):
                copy.write_row(row)
        else:
            copy.write(_HEAD)
            for k in range(0, len(batch), _BLOCK):
                part = [column[k : k + _BLOCK] for column in columns.values()]
                copy.write(binary_rows(part))
            copy.write(_TAIL)
    return list(columns)


def _plain(column: NDArray[Any]) -> list[Any]:
    missing = _missing(column)
    return [None if no else value for value, no in zip(column.tolist(), missing, strict=True)]


def _missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype == object:
        return np.array([value is None for value in column], dtype=bool)
    missing: NDArray[np.bool_] = np.isnan(column) if column.dtype.kind == "f" else column == NEVER
    return missing


def binary_rows(columns: list[NDArray[Any]]) -> bytes:
    """Write rows of 8-byte numbers in the binary format; missing ones as NULL.

    Rows with the same columns missing are of one length and are made at once; the order of rows
    changes, which a table does not mind.

    Parameters
    ----------
    columns : list of int64 or float64 array, shape (n,)

    Returns
    -------
    bytes

    Examples
    --------
    >>> len(binary_rows([np.array([1, 2]), np.array([0.5, np.nan])]))
    44
    """
    missing = np.stack([_missing(column) for column in columns])
    weights = 1 << np.arange(len(columns))
    pattern = weights @ missing
    return b"".join(
        _records(columns, pattern == code, [bool(code & weight) for weight in weights])
        for code in np.unique(pattern)
    )


def _records(columns: list[NDArray[Any]], rows: NDArray[np.bool_], null: list[bool]) -> bytes:
    layout: list[tuple[str, str]] = [("n", ">i2")]
    for k, column in enumerate(columns):
        layout.append((f"length{k}", ">i4"))
        if not null[k]:
            layout.append((f"value{k}", ">f8" if column.dtype.kind == "f" else ">i8"))
    records = np.empty(int(rows.sum()), dtype=layout)
    records["n"] = len(columns)
    for k, column in enumerate(columns):
        records[f"length{k}"] = -1 if null[k] else 8
        if not null[k]:
            records[f"value{k}"] = column[rows]
    return records.tobytes()
