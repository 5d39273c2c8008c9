"""Back a store up while it is in use, and restore it; every file with its hash.

A backup is a folder: the tables (a SQLite file, or a dump of pg_dump), the archived months, and
``manifest.json``, which is written last. It appears under its name when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headwater.errors import InputError
from headwater.network.store.open import open_store, sqlite_path
from headwater.network.store.protocol import Store, StoreError, StoreFullError, now
from headwater.network.times import iso

__all__ = ["Backup", "back_up", "check", "restore"]

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
        As for :func:`headwater.network.store.open_store`.

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
        from headwater.network.store.pg_dump import load

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
