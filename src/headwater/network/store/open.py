"""Open a store by its address, and bring it to the version of tables that this program knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np

from headwater.errors import InputError, nearest
from headwater.network.entities import Observations
from headwater.network.store.archive import Archive
from headwater.network.store.protocol import Session, Store, StoreError, now
from headwater.network.store.schema import OBSERVATION_COLUMNS, VERSIONS, statements
from headwater.network.times import NEVER

__all__ = [
    "migrate",
    "open_store",
    "sqlite_path",
    "version_of",
]


def open_store(
    address: str | Path,
    *,
    wait: float = 30.0,
    archive: str | Path | None = None,
    clock: Callable[[], int] = now,
) -> Store:
    """Open a store, make it if it is not there, and bring its tables up to date.

    Parameters
    ----------
    address : str or Path
        Path of a SQLite file, ``sqlite:///path`` (``?synchronous=full`` to wait for the disk on
        each transaction), or ``postgresql://user@host:port/database``.
    wait : float
        How long to wait for another writer, or for the server to come back [s].
    archive : str or Path, optional
        Folder of closed months; default: next to the SQLite file, with ``.archive`` at its end;
        none for PostgreSQL.
    clock : callable
        Gives the time of receipt [µs since 1970-01-01T00:00Z].

    Returns
    -------
    Store
        A context manager.

    Raises
    ------
    InputError
        If the address cannot be understood.
    StoreError
        If the store is not one of ours, newer than this program, or out of reach.

    Examples
    --------
    >>> import tempfile
    >>> from headwater.network.entities import Thing
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/net.db") as store:
    ...     with store.transaction() as session:
    ...         station = session.add(Thing(name="Upper meadow"))
    ...     station, store.count()
    (1, 0)
    """
    text = str(address)
    kind = urlsplit(text).scheme if "://" in text else "sqlite"
    if kind in ("postgresql", "postgres"):
        from headwater.network.store.postgres import PostgreSQLStore

        kept = None if archive is None else Archive(Path(archive))
        return PostgreSQLStore(text, wait=wait, clock=clock, archive=kept)
    if kind != "sqlite":
        do = nearest(kind, ["sqlite", "postgresql"])
        raise InputError("unknown kind of store", found=f"'{kind}://'", do=do)
    return _sqlite(text, wait, archive, clock)


def _sqlite(text: str, wait: float, archive: str | Path | None, clock: Callable[[], int]) -> Store:
    from headwater.network.store.sqlite import SQLiteStore

    path, options = sqlite_path(text)
    if path.name == ":memory:":
        do = "Name a file, in a temporary folder if need be"
        raise InputError("a store in memory would be another one for each thread", do=do)
    if not path.parent.is_dir():
        do = "Create the folder first"
        raise InputError("the folder of the store does not exist", found=str(path.parent), do=do)
    kept = Archive(Path(archive) if archive else path.with_name(path.name + ".archive"))
    return SQLiteStore(path, wait=wait, clock=clock, archive=kept, **options)


def sqlite_path(address: str) -> tuple[Path, dict[str, str]]:
    """Take the address of a SQLite store apart.

    Parameters
    ----------
    address : str
        A path, or ``sqlite:///path?option=value``.

    Returns
    -------
    path : Path
    options : dict

    Raises
    ------
    InputError
        If it names a host, no path, or an option that is not known.

    Examples
    --------
    >>> sqlite_path("sqlite:////srv/net.db?synchronous=full")
    (PosixPath('/srv/net.db'), {'synchronous': 'full'})
    """
    path, options = Path(address), {}
    if "://" in address:
        parts = urlsplit(address)
        if parts.netloc or not parts.path.strip("/"):
            do = "Write sqlite:///network.db, or sqlite:////srv/network.db for an absolute path"
            raise InputError("not an address of a SQLite file", found=address, do=do)
        path, options = Path(unquote(parts.path[1:])), dict(parse_qsl(parts.query))
    if set(options) - {"synchronous"}:
        found = ", ".join(options)
        raise InputError("unknown option of the store", found=found, do="Known: synchronous")
    return path, options


def version_of(session: Session) -> int:
    """Ask a store for the version of its tables; 0 when it is empty.

    Parameters
    ----------
    session : Session

    Returns
    -------
    int
    """
    if not session.has_table("migrations"):
        return 0
    return int(session.rows("SELECT coalesce(max(version), 0) FROM migrations")[0][0])


def migrate(session: Session, *, hypertable: bool = False) -> int:
    """Apply what is missing, all of it or nothing.

    Parameters
    ----------
    session : Session
        Of a transaction that writes; the caller commits.
    hypertable : bool
        Leave the partitions of observations to TimescaleDB.

    Returns
    -------
    int
        How many versions were applied.

    Raises
    ------
    StoreError
        If the store was written by a newer program.
    """
    have, known = version_of(session), len(VERSIONS)
    if have > known:
        raise StoreError(
            "the store was written by a newer version of Headwater",
            found=f"tables of version {have}; this program knows version {known}",
            do="Update Headwater, or restore a backup from before the update",
        )
    if not have:
        session.execute(
            "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, applied BIGINT)"
        )
    for version in range(have + 1, known + 1):
        for statement in statements(version, session.dialect, hypertable=hypertable):
            session.execute(statement)
        if version == 2 and have:
            _number_variants(session)
        session.execute("INSERT INTO migrations VALUES (?, ?)", (version, time.time_ns() // 1000))
    return known - have


_BLOCK = 50_000


def _number_variants(session: Session) -> None:
    """Fill in the variants of version 1, where each key had one observation."""
    names = ["datastream", "time", "time_end", "result_time", "feature"]
    columns = ", ".join(OBSERVATION_COLUMNS[name] for name in names)
    identified = "time_end IS NOT NULL OR result_time IS NOT NULL OR feature_id IS NOT NULL"
    after = (NEVER, NEVER)
    while True:
        rows = session.rows(
            f"SELECT {columns} FROM observations WHERE variant = 0 AND ({identified})"
            " AND (datastream_id, time) > (?, ?) ORDER BY datastream_id, time LIMIT ?",
            (*after, _BLOCK),
        )
        if not rows:
            return
        table = [
            np.array([NEVER if v is None else v for v in column])
            for column in zip(*rows, strict=True)
        ]
        batch = Observations(
            table[0],
            table[1],
            np.zeros(len(rows)),
            time_end=table[2],
            result_time=table[3],
            feature=table[4],
        )
        session.executemany(
            "UPDATE observations SET variant = ? WHERE datastream_id = ? AND time = ?"
            " AND variant = 0",
            list(zip(batch.variant().tolist(), *(c.tolist() for c in table[:2]), strict=True)),
        )
        after = (rows[-1][0], rows[-1][1])
