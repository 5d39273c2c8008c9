"""Commands that keep a store in shape: archive months, bring them back, look after dead letters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlsplit, urlunsplit

import typer

from headwater.cli.errors import report_errors

if TYPE_CHECKING:
    from headwater.network.store.dead_letters import DeadLetter
    from headwater.network.store.protocol import Store

__all__ = [
    "archive",
    "existing_store",
    "letters",
    "recall",
    "store_address",
    "store_exists",
    "with_password",
]

_Address = Annotated[
    str, typer.Option("--store", envvar="HEADWATER_STORE", help="A file, or postgresql://….")
]
_DEFAULT = "network.db"


def with_password(address: str, file: Path | None, variable: str) -> str:
    """Put the password of a file into an address, so that it stands in no list of processes.

    Parameters
    ----------
    address : str
        ``scheme://user@host…``
    file : Path or None
        Default: the one that the environment names.
    variable : str
        Of the environment.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If the file cannot be read, or the address names no user, or a password already.
    """
    from headwater.errors import InputError

    named = os.environ.get(variable)
    file = file or (Path(named) if named else None)
    if file is None:
        return address
    try:
        words = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"cannot read {file}", found=why, do="Name another file") from None
    parts = urlsplit(address)
    if not words or not words[0] or not parts.username or parts.password:
        raise InputError(
            "a password file needs a password, and an address that names a user and no password",
            found=f"{len(words)} lines, user {parts.username!r}",
            do="Write scheme://user@host, and the password in the first line of the file",
        )
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{parts.username}:{quote(words[0], safe='')}@{host}"
    return urlunsplit(parts._replace(netloc=netloc))


def store_address(address: str) -> str:
    """Complete the address of a store by the password file that the environment names.

    Examples
    --------
    >>> store_address("network.db")
    'network.db'
    """
    if "://" not in address or address.startswith("sqlite"):
        return address
    return with_password(address, None, "HEADWATER_STORE_PASSWORD_FILE")


def store_exists(address: str) -> bool:
    """Say whether a store is there; of a data base only its server can say so."""
    from headwater.network.store.open import sqlite_path

    return address.startswith("postgres") or sqlite_path(address)[0].exists()


def existing_store(address: str) -> Store:
    """Open a store that is there: a misspelt name would make a new, empty one.

    Raises
    ------
    InputError
        If there is no such store.
    """
    from headwater.errors import InputError
    from headwater.network import open_store

    if not store_exists(address):
        do = "Make it with: headwater network init, or headwater serve; or name it with --store"
        raise InputError("there is no such store", found=str(Path(address)), do=do)
    return open_store(store_address(address))


def archive(
    address: _Address = _DEFAULT,
    before: Annotated[
        str | None, typer.Option(help="Months that end by this time; default: 31 days ago.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only compare the files with their hashes.")
    ] = False,
) -> None:
    """Move closed months into Parquet files, from which they are read as before."""
    with report_errors():
        from headwater.network.store import archive_months
        from headwater.network.times import microseconds

        with existing_store(address) as store:
            if verify:
                typer.echo(f"{archive_months.verify(store)} files hold what was written")
                return
            limit = None if before is None else microseconds(before, "UTC")
            closed = archive_months.close_months(store, before=limit)
        for month in closed:
            typer.echo(f"{month.month}: {month.rows} observations, {month.size / 1e6:.1f} MB")
        typer.echo(f"{len(closed)} months archived")


def recall(
    start: Annotated[
        str | None, typer.Argument(help="From this time on (ISO 8601); whole months come back.")
    ] = None,
    end: Annotated[str | None, typer.Argument(help="Until before this time.")] = None,
    address: _Address = _DEFAULT,
) -> None:
    """Bring archived months back into the store, to list and filter them over SensorThings."""
    with report_errors():
        from headwater.network.store import archive_months
        from headwater.network.times import microseconds

        first, last = (None if t is None else microseconds(t, "UTC") for t in (start, end))
        with existing_store(address) as store:
            n = archive_months.recall(store, start=first, end=last)
        typer.echo(f"{n} observations are back in the store")


def letters(
    mapping: Annotated[
        Path | None, typer.Option("--map", help="Try them again with this mapping.")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Drop all of them.")] = False,
    address: _Address = _DEFAULT,
) -> None:
    """Show the messages that could not be read; try them again with a mapping, or drop them."""
    with report_errors():
        from headwater.network.ingest.mapping import read_mapping
        from headwater.network.ingest.mqtt import retry_letters
        from headwater.network.store.dead_letters import drop_letters, read_letters

        with existing_store(address) as store:
            if mapping is not None:
                kept, left = retry_letters(store, read_mapping(mapping))
                typer.echo(f"{kept} messages read now, {left} still refused")
            with store.transaction() as session:
                found = read_letters(session)
                if drop:
                    n = drop_letters(session, [one.id for one in found])
                    typer.echo(f"{n} messages dropped")
                    return
        for one in found:
            typer.echo(_line(one))
        if not found:
            typer.echo("No message has been refused.")


def _line(one: DeadLetter) -> str:
    from headwater.network.times import iso

    payload = one.payload[:80].decode("utf-8", "backslashreplace")
    return f"{one.id}  {iso(one.received)}  {one.topic}  {one.reason}  {payload}"
