"""``headwater keys``: who may write to the network, and read it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command_help import WIDTH, Commands
from headwater.cli.errors import report_errors
from headwater.cli.network_keep import existing_store

if TYPE_CHECKING:
    from headwater.network.keys import Key

__all__ = ["add", "app", "list_", "revoke"]

app = typer.Typer(
    cls=Commands,
    context_settings=WIDTH,
    name="keys",
    help="Give out keys to the network and take them back.",
    no_args_is_help=True,
)

_Store = Annotated[
    str, typer.Option(envvar="HEADWATER_STORE", help="SQLite file, or postgresql://…")
]
_Name = Annotated[str, typer.Argument(help="Whose key: a logger, a person, a program.")]


class _Role(enum.Enum):
    read = "read"
    write = "write"


@app.command()
def add(
    name: _Name,
    role: Annotated[_Role, typer.Option(help="What it may do.")] = _Role.write,
    station: Annotated[
        list[int] | None,
        typer.Option(help="@iot.id of a Thing that it may write to; repeat; default: all."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Requests that it may make in a minute.", min=1)
    ] = None,
    days: Annotated[float | None, typer.Option(help="How long it is valid.")] = None,
    store: _Store = "network.db",
) -> None:
    """Make a key. It is shown now and never again; the store keeps only its hash."""
    with report_errors():
        from headwater.errors import InputError
        from headwater.network import keys

        if station and role is _Role.read:
            do = "Leave --station out, or give --role write"
            raise InputError("stations limit what a key writes, not what it reads", do=do)
        with existing_store(store) as opened:
            token = keys.issue(
                opened, name, role.value, stations=station or (), rate_per_minute=rate, days=days
            )
        # nothing else on standard output, so that a script can keep it
        typer.echo(f"Key of '{name}', shown only now. Send it as Authorization: Bearer …", err=True)
        typer.echo(token)


@app.command("list")
def list_(store: _Store = "network.db") -> None:
    """List all keys that were ever given out, revoked ones too."""
    with report_errors():
        import pandas as pd

        from headwater.cli.output import print_table
        from headwater.network import keys
        from headwater.network.times import iso

        with existing_store(store) as opened:
            found = keys.listed(opened)
        rows = [
            {
                "name": key.name,
                "role": key.role,
                "stations": ", ".join(map(str, key.stations)) or "all",
                "rate": f"{key.rate_per_minute} a minute" if key.rate_per_minute else "any",
                "given out": iso(key.created)[:10],
                "valid": _valid(key),
            }
            for key in found
        ]
        columns = ("name", "role", "stations", "rate", "given out", "valid")
        print_table(pd.DataFrame(rows, columns=list(columns)), columns)


@app.command()
def revoke(name: _Name, store: _Store = "network.db") -> None:
    """Withdraw a key for good; it opens nothing from the next request on."""
    with report_errors():
        from headwater.network import keys
        from headwater.network.times import iso

        with existing_store(store) as opened:
            key = keys.revoke(opened, name)
        when = iso(key.revoked or 0)[:19].replace("T", " ")
        typer.echo(f"The key of '{name}' opens nothing since {when} UTC.")


def _valid(key: Key) -> str:
    from headwater.network.store.protocol import now
    from headwater.network.times import iso

    if key.revoked is not None:
        return f"revoked {iso(key.revoked)[:10]}"
    if key.expires is None:
        return "until revoked"
    return f"{'until' if now() < key.expires else 'expired'} {iso(key.expires)[:10]}"
