"""Open a store by its address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from headwater.errors import InputError, nearest
from headwater.network.store.archive import Archive
from headwater.network.store.protocol import Store, now

__all__ = ["open_store", "sqlite_path"]


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
