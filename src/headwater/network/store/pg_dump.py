"""Call PostgreSQL's own programs to dump and load a data base."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from headwater.errors import InputError
from headwater.network.store.protocol import StoreError

__all__ = ["dump", "load"]


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
