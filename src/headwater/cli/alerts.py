"""``headwater alerts``: watch rules, send messages, and see to what has been raised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.command_help import WIDTH, Commands
from headwater.cli.errors import report_errors
from headwater.cli.network_keep import existing_store, store_exists
from headwater.cli.words import error_text, say

if TYPE_CHECKING:
    from headwater.alerts.outbox import Delivery
    from headwater.alerts.rules import Rules
    from headwater.network.store.protocol import Store

__all__ = [
    "ack",
    "app",
    "channels",
    "check",
    "feed",
    "init",
    "judge",
    "list_",
    "show",
    "show_delivery",
    "silence",
    "try_",
    "warn_of_unwatched",
    "watch",
]

app = typer.Typer(
    cls=Commands,
    context_settings=WIDTH,
    name="alerts",
    help="Watch rules over the stations, and see to alerts.",
    no_args_is_help=True,
)

_Store = Annotated[
    str, typer.Option(envvar="HEADWATER_STORE", help="SQLite file, or postgresql://…")
]
_Rules = Annotated[Path, typer.Option("--rules", help="Rules file (TOML).")]
_Key = Annotated[str, typer.Argument(help="Of the alert: headwater alerts list.")]


@app.command()
def init(rules: _Rules = Path("alerts.toml"), store: _Store = "network.db") -> None:
    """Write a first rules file, with levels from what the store holds; then check and try it."""
    with report_errors():
        from headwater.alerts.rules import rules_template
        from headwater.errors import InputError
        from headwater.study.results_io import write_whole

        if rules.exists():
            raise InputError(
                "a rules file is there already", found=str(rules), do="Name another with --rules"
            )
        if store_exists(store):
            with existing_store(store) as opened:
                text = rules_template(opened)
        else:
            text = rules_template()
            typer.echo(f"No store {store}: the levels in the file are examples", err=True)
        try:
            write_whole(rules, lambda to: to.write_text(text, encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"{rules} cannot be written", found=str(error), do="Name another with --rules"
            ) from error
        typer.echo(say(f"Rules: {rules}"))
        typer.echo(say("Next: headwater alerts check, then headwater alerts try (nothing is sent)"))


def warn_of_unwatched(store: Store, rules: Rules) -> None:
    """Print which rules watch nothing in a store."""
    from headwater.alerts.rules import unwatched_rules

    for problem in unwatched_rules(store, rules):
        typer.echo(error_text(problem), err=True)


@app.command()
def check(rules: _Rules = Path("alerts.toml"), store: _Store = "network.db") -> None:
    """Check a rules file, alone and against the store, and report every problem at once."""
    with report_errors():
        from headwater.alerts import read_rules
        from headwater.alerts.channels import secret_problems
        from headwater.alerts.rules import unwatched_rules
        from headwater.errors import HeadwaterError, ProblemsError

        found = read_rules(rules)
        problems: list[HeadwaterError] = [*secret_problems(found)]
        counts = f"{len(found.rule)} rules, {len(found.channels)} channels"
        if not problems and not store_exists(store):
            typer.echo(say(f"{counts}. No problems; there is no store {store} to compare with."))
            return
        if store_exists(store):
            with existing_store(store) as opened:
                problems += unwatched_rules(opened, found)
        if problems:
            raise ProblemsError(problems)
        typer.echo(say(f"{counts}. No problems; each rule watches something in {store}."))


@app.command()
def watch(
    rules: _Rules = Path("alerts.toml"),
    store: _Store = "network.db",
    every: Annotated[
        float | None, typer.Option(help="Go on, every so many seconds; default: once.", min=1)
    ] = None,
) -> None:
    """Take new observations in, raise and clear alerts, and send what is due."""
    with report_errors():
        import time

        import numpy as np

        from headwater.alerts import deliver, read_rules
        from headwater.alerts.channels import sender
        from headwater.alerts.outbox import release_lease, this_sender

        wanted = read_rules(rules)
        send, owner = sender(wanted), this_sender()
        rng = np.random.default_rng()
        with existing_store(store) as opened:
            warn_of_unwatched(opened, wanted)
            try:
                while True:
                    judge(opened, wanted, typer.echo)
                    show_delivery(opened, deliver(opened, send, owner=owner, rng=rng))
                    if every is None:
                        return
                    time.sleep(every)
            finally:
                release_lease(opened, owner)


def judge(
    store: Store, rules: Rules, report: Callable[[str], object], *, now: int | None = None
) -> None:
    """Take in what has come, raise, clear and escalate alerts, and report which."""
    from headwater.alerts import evaluate
    from headwater.alerts.escalation import escalate

    for alert in evaluate(store, rules, now=now):
        report(f"{alert.state}: {alert.headline} [{alert.key}]")
    for key in escalate(store, rules, now=now):
        report(f"escalated: {key}")


def show_delivery(store: Store, done: Delivery) -> None:
    """Print what a round of sending did, and why messages wait."""
    if done.held:
        typer.echo(say("Messages wait: another process is sending them"), err=True)
    elif done.sent or done.failed:
        typer.echo(say(f"{done.sent} sent, {done.failed} to be sent again"))
    if done.failed:
        _show_failing(store)


def _show_failing(store: Store) -> None:
    from headwater.alerts.outbox import failing_channels
    from headwater.network.times import iso

    for channel, n, reason, due in failing_channels(store):
        typer.echo(f"{n} waiting for {channel}, again at {iso(due)[:19]}Z: {reason}", err=True)


@app.command("list")
def list_(
    store: _Store = "network.db",
    all_: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
) -> None:
    """List alerts, the newest first."""
    with report_errors():
        from headwater.alerts import list_alerts
        from headwater.alerts.outbox import dead_messages
        from headwater.network.times import iso

        with existing_store(store) as opened:
            found = list_alerts(opened, open_only=not all_)
            for one in found:
                typer.echo(f"{one.state:<12} {iso(one.raised)}  {one.headline}  [{one.key}]")
            dead = dead_messages(opened)
            _show_failing(opened)
        if not found:
            typer.echo(say("No alerts." if all_ else "No open alerts."))
        for message in dead:
            typer.echo(
                say(f"not delivered to {message.channel}: {message.detail['headline']}"), err=True
            )


@app.command()
def show(key: _Key, store: _Store = "network.db") -> None:
    """Show the evidence of an alert, oldest first."""
    with report_errors():
        import json

        from headwater.alerts.events import read_evidence
        from headwater.errors import InputError

        with existing_store(store) as opened:
            found = read_evidence(opened, key)
        if not found:
            raise InputError(
                "no such alert", found=f"'{key}'", do="List them with: headwater alerts list --all"
            )
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


@app.command()
def ack(
    key: _Key,
    by: Annotated[str, typer.Option(help="Who sees to it.")],
    store: _Store = "network.db",
) -> None:
    """Say that somebody sees to an alert; it stops escalating, and stays until it is resolved."""
    with report_errors():
        from headwater.alerts import acknowledge

        with existing_store(store) as opened:
            found = acknowledge(opened, key, by)
        typer.echo(f"{found.state}: {found.headline}")


@app.command()
def silence(
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    hours: Annotated[float, typer.Option(help="For how long [h].", min=0.01)],
    rule: Annotated[str, typer.Option(help="Name of rules, with * and ?.")] = "*",
    station: Annotated[str, typer.Option(help="Name of stations, with * and ?.")] = "*",
    by: Annotated[str, typer.Option(help="Who.")] = "",
    store: _Store = "network.db",
) -> None:
    """Silence alerts for some hours; nothing is lost, they stay in the list."""
    with report_errors():
        from headwater.alerts.events import add_silence
        from headwater.network.store.protocol import now
        from headwater.network.times import iso

        until = now() + int(hours * 3600e6)
        with existing_store(store) as opened:
            id = add_silence(opened, reason=reason, until=until, rule=rule, station=station, by=by)
        typer.echo(say(f"Silence {id} until {iso(until)}"))


@app.command("try")
def try_(rules: _Rules = Path("alerts.toml"), store: _Store = "network.db") -> None:
    """Say what each rule would have sent on all that the store holds; nothing is sent."""
    with report_errors():
        from headwater.alerts import read_rules
        from headwater.alerts.events import replay_store
        from headwater.network.times import iso

        wanted = read_rules(rules)
        with existing_store(store) as opened:
            warn_of_unwatched(opened, wanted)
            for rule in wanted.rule:
                rows = replay_store(opened, rule)
                typer.echo(say(f"{rule.name}: {len(rows)} messages"))
                for station, message in rows:
                    typer.echo(f"  {iso(message.time)}  {message.kind:<10} {station}")


@app.command()
def feed(
    out: Annotated[Path, typer.Option(help="File of the feed.")] = Path("alerts.atom"),
    address: Annotated[
        str, typer.Option(help="Where the feed will be read from.")
    ] = "http://localhost/alerts.atom",
    store: _Store = "network.db",
) -> None:
    """Write the alerts as an Atom feed."""
    with report_errors():
        from headwater.alerts.cap import atom_feed
        from headwater.study.results_io import write_whole

        with existing_store(store) as opened:
            text = atom_feed(opened, address)
        write_whole(out, lambda to: to.write_bytes(text))
        typer.echo(say(f"Feed: {out}"))


@app.command()
def channels() -> None:
    """Say what each kind of channel promises."""
    from headwater.alerts.outbox import PROMISES

    for kind, promise in PROMISES.items():
        typer.echo(f"{kind:<10} {promise}")
