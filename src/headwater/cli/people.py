"""``headwater people``: accounts of the platform in the browser."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headwater.cli.command_help import WIDTH, Commands
from headwater.cli.errors import report_errors

if TYPE_CHECKING:
    from headwater.web.platform.people import People

__all__ = ["add", "app", "audit", "list_", "open_people", "people_file", "remove"]

app = typer.Typer(
    cls=Commands,
    context_settings=WIDTH,
    name="people",
    help="Accounts of the platform in the browser.",
    no_args_is_help=True,
)

_Store = Annotated[
    str, typer.Option(envvar="HEADWATER_STORE", help="Store that the service runs over.")
]
_File = Annotated[
    Path | None, typer.Option("--people", help="File of accounts; default: next to the store.")
]


def people_file(store: str, people: Path | None) -> Path:
    """Find the file of accounts: the one given, or the one next to the store.

    Examples
    --------
    >>> people_file("field/network.db", None).as_posix()
    'field/network.people.db'
    >>> people_file("sqlite:///field/network.db", None).as_posix()
    'field/network.people.db'
    """
    if people is not None:
        return people
    file = store.removeprefix("sqlite:///").partition("?")[0]
    return Path("headwater.people.db" if "://" in file else Path(file).with_suffix(".people.db"))


def open_people(store: str, people: Path | None) -> People:
    """Open the accounts; the file is made if it is not there."""
    from sqlite3 import Error

    from headwater.errors import InputError
    from headwater.web.platform.people import People

    path = people_file(store, people)
    try:
        return People(path)
    except (Error, OSError) as error:
        raise InputError(
            "the file of accounts cannot be opened", found=f"{path}: {error}", do="Give another"
        ) from None


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who signs in.")],
    role: Annotated[
        Literal["viewer", "ranger", "editor", "admin"],
        typer.Option(help="Rangers see to alerts, editors decide on plans and rules."),
    ] = "viewer",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    store: _Store = "network.db",
    people: _File = None,
) -> None:
    """Make an account, or give one a new password and role; its sessions end."""
    with report_errors():
        if password_stdin:
            password = sys.stdin.readline().rstrip("\r\n")
        else:
            password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        opened = open_people(store, people)
        opened.add(name, password, role)
        opened.close()
        typer.echo(f"{name} may sign in as {role}.")


@app.command("list")
def list_(store: _Store = "network.db", people: _File = None) -> None:
    """List the accounts."""
    with report_errors():
        opened = open_people(store, people)
        for one in opened.listed():
            typer.echo(f"{one.name:<30} {one.role}")
        opened.close()


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="Whose account.")],
    store: _Store = "network.db",
    people: _File = None,
) -> None:
    """Take an account away; its sessions end."""
    with report_errors():
        opened = open_people(store, people)
        opened.remove(name)
        opened.close()
        typer.echo(f"{name} may not sign in any more.")


@app.command()
def audit(
    most: Annotated[int, typer.Option(help="How many lines.", min=1)] = 50,
    store: _Store = "network.db",
    people: _File = None,
) -> None:
    """List who did what, the newest first."""
    with report_errors():
        import datetime as dt

        opened = open_people(store, people)
        for line in opened.audit(most):
            at = dt.datetime.fromtimestamp(line["time"], tz=dt.UTC).isoformat(timespec="seconds")
            typer.echo(f"{at}  {line['actor']:<20} {line['action']:<16} {line['detail']}")
        opened.close()
