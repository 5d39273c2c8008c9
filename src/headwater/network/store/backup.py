"""Back a store up while it is in use, and restore it; every file with its hash."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headwater.errors import InputError
from headwater.network.store.open import open_store, sqlite_path
from headwater.network.store.protocol import Store, StoreError, StoreFullError, now
from headwater.network.times import iso

__all__ = [
    "Backup",
    "back_up",
    "check",
    "dump",
    "load",
    "restore",
]

_TABLES = {"sqlite": "store.sqlite", "postgresql": "store.dump"}


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes
    ----------
    dialect : {"sqlite", "postgresql"}
    written : str
        ISO 8601, in UTC.
    observations : int
    files : dict
        SHA-256 of each file, by its name within the folder.
    """

    dialect: str
    written: str
    observations: int
    files: dict[str, str]


def back_up(store: Store, folder: str | Path) -> Backup:
    """Write a consistent copy of a store, which others may read and write meanwhile.

    Parameters
    ----------
    store : Store
    folder : str or Path
        Must not exist.

    Returns
    -------
    Backup

    Raises
    ------
    InputError
        If the folder exists.
    StoreError
        If the disk is full, or pg_dump is not installed; nothing is left behind then.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError("the backup exists", found=str(folder), do="Name another folder")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        observations, archived = store.copy_to(part / _TABLES[store.dialect])
        _copy_archive(store, archived, part / "archive")
        files = {str(path.relative_to(part)): _sha256(path) for path in _files(part)}
        made = Backup(store.dialect, iso(now()), observations, files)
        (part / "manifest.json").write_text(json.dumps(asdict(made), indent=1))
        part.rename(folder)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreFullError("the backup cannot be written", found=str(error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


def _copy_archive(store: Store, names: list[str], folder: Path) -> None:
    if not names:
        return
    if store.archive is None:
        raise StoreError("months are archived", do="Open the store with archive=<folder>")
    folder.mkdir()
    for name in names:
        shutil.copyfile(store.archive.folder / name, folder / name)


def check(folder: str | Path) -> Backup:
    """Compare a backup with its manifest.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    Backup

    Raises
    ------
    InputError
        If it is no backup, or a file is missing or changed.
    """
    folder = Path(folder)
    try:
        made = Backup(**json.loads((folder / "manifest.json").read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder} is no backup", found=str(error)) from None
    for name, wanted in made.files.items():
        path = folder / name
        found = _sha256(path) if path.is_file() else "no file"
        if found != wanted:
            do = "Use another backup"
            raise InputError(f"the backup is damaged: {name}", found=found, do=do)
    return made


def restore(folder: str | Path, address: str | Path, *, archive: str | Path | None = None) -> int:
    """Make a store from a backup, where there is none yet.

    Parameters
    ----------
    folder : str or Path
        Of the backup.
    address : str or Path
        Of the new store, of the same kind: a file that does not exist, or an empty data base.
    archive : str or Path, optional
        As for :func:`headwater.network.store.open.open_store`.

    Returns
    -------
    int
        How many observations it holds.

    Raises
    ------
    InputError
        If the backup is damaged, of another kind, or the store exists.
    """
    made, source = check(folder), Path(folder)
    kind = "postgresql" if urlsplit(str(address)).scheme.startswith("postgres") else "sqlite"
    if kind != made.dialect:
        do = "Restore it there, and copy from store to store"
        raise InputError(f"the backup is of a {made.dialect} store", found=str(address), do=do)
    if kind == "postgresql":
        load(str(address), source / _TABLES[kind])
    else:
        _restore_file(source / _TABLES[kind], sqlite_path(str(address))[0])
    with open_store(address, archive=archive) as store:
        for path in sorted((source / "archive").glob("*")):
            if store.archive is None:
                raise InputError("the backup has archived months", do="Give archive=<folder>")
            store.archive.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, store.archive.folder / path.name)
        return store.count()


def _restore_file(source: Path, target: Path) -> None:
    if target.exists():
        raise InputError("the store exists", found=str(target), do="Name another file")
    part = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(source, part)
        with closing(sqlite3.connect(part)) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise InputError("the backup is damaged", found=verdict, do="Use another backup")
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dump(conninfo: str, snapshot: str, path: Path) -> None:
    """Dump a data base as a transaction sees it.

    Parameters
    ----------
    conninfo : str
        Address, with the password if there is one.
    snapshot : str
        Of a transaction that is open, from ``pg_export_snapshot()``.
    path : Path

    Raises
    ------
    StoreError
        If pg_dump is not installed or fails.
    """
    words = ["--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={path}"]
    _run("pg_dump", conninfo, words)


def load(conninfo: str, path: Path) -> None:
    """Load a dump into an empty data base, all of it or nothing.

    Parameters
    ----------
    conninfo : str
    path : Path

    Raises
    ------
    InputError
        If the data base is not empty.
    StoreError
        If pg_restore is not installed or fails.
    """
    import psycopg

    with psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT to_regclass('migrations') IS NOT NULL").fetchone()
    if found and found[0]:
        do = "Create an empty data base and name that"
        raise InputError("the data base holds a store already", do=do)
    _run("pg_restore", conninfo, ["--single-transaction", "--no-owner", str(path)])


def _run(program: str, conninfo: str, words: list[str]) -> None:
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parts: dict[str, Any] = dict(conninfo_to_dict(conninfo))
    # not on the command line, where every user of the machine could read it
    password = parts.pop("password", None)
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    command = [_program(program), f"--dbname={make_conninfo(**parts)}", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(f"{program} failed", found=done.stderr.strip()[-500:])


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        found = str(kept[-1]) if kept else None
    if found is None:
        do = "Install the client programs of PostgreSQL"
        raise StoreError(f"{name} is not installed", do=do)
    return found
