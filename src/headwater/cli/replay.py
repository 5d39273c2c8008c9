"""``headwater replay``: play the stations of a virtual headwater into a service."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.errors import report_errors

if TYPE_CHECKING:
    from headwater.network.replay import Sender, Station
    from headwater.virtual.gauges import Gauge

__all__ = ["run_replay", "station_of"]

_SMALL = (10, 16)
_PATIENCE = 3600.0
"""How long to wait for a service that is away [s]."""


def run_replay(
    speed: Annotated[
        float, typer.Option(help="Seconds of the record in one second; 7200 is 2 h a second.")
    ] = 7200.0,
    http: Annotated[str, typer.Option(help="Address of the service.")] = "http://127.0.0.1:8000",
    key: Annotated[
        str | None, typer.Option(help="A key that may write.", envvar="HEADWATER_KEY")
    ] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Send observations to this broker; stations are still made over HTTP.",
        ),
    ] = None,
    stations: Annotated[int, typer.Option(help="How many stations.", min=1, max=80)] = 6,
    start: Annotated[
        str | None,
        typer.Option(help="First day, such as 2026-03-15; default: the last fifteenth of March."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Last day; default: goes on with the present.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the virtual headwater.", min=0)] = 1,
    minutes: Annotated[int, typer.Option(help="Between two observations.", min=1)] = 10,
) -> None:
    """Play a virtual headwater's stations live; run again, it goes on where it stopped.

    Time runs fast until it has caught up with the present, then at its own pace.
    """
    with report_errors():
        from headwater.network.client import Client, service_url
        from headwater.network.replay import play
        from headwater.network.times import iso

        first, last = _days(start, until)
        client = Client(
            service_url(http), key, _PATIENCE, report=lambda words: typer.echo(words, err=True)
        )
        client.ask("GET", "")  # before anything is computed
        played = _virtual(first, last, stations, seed=seed, minutes=minutes)
        with ExitStack() as stack:
            sender = _sender(client, mqtt, stack)
            typer.echo(
                f"{stations} stations, {sum(len(s.channels) for s in played)} series", err=True
            )
            for done in play(played, client, sender, start=first, speed=speed):
                _tell(
                    f"{iso(done.time)[:16].replace('T', ' ')} UTC · {done.sent} observations sent"
                )
        typer.echo("\nThe record has ended.", err=True)


def _tell(words: str) -> None:
    end = "" if sys.stderr.isatty() else "\n"
    typer.echo(f"\r{words}" if not end else words, err=True, nl=bool(end))


def _days(start: str | None, until: str | None) -> tuple[int, int | None]:
    """Read the first and the last day [µs]."""
    from headwater.errors import InputError
    from headwater.network.store.protocol import now
    from headwater.network.times import DAY, iso, microseconds

    if start is None:
        year = int(iso(now())[:4])
        start = f"{year if iso(now())[5:10] > '03-15' else year - 1}-03-15"
    try:
        first = microseconds(f"{start}T00:00:00Z")
        last = None if until is None else microseconds(f"{until}T00:00:00Z") + DAY
    except InputError:
        do = "Write it as 2026-03-15"
        raise InputError("not a day", found=f"'{start}', '{until or ''}'", do=do) from None
    if first > now() or (last is not None and last <= first):
        raise InputError(
            "nothing to play between these days",
            found=f"{start} to {until or 'now'}",
            do="Begin in the past, and end after the beginning",
        )
    return first, last


def _virtual(first: int, last: int | None, n: int, *, seed: int, minutes: int) -> list[Station]:
    """Make the headwater of these years, with its stations as values that can be played."""
    from headwater.network.store.protocol import now
    from headwater.network.times import DAY, iso
    from headwater.virtual import make_headwater
    from headwater.virtual.gauges import place_gauges

    typer.echo("Making a virtual headwater …", err=True)
    years = int(iso(first)[:4]), int(iso((last or now() + 30 * DAY) - 1)[:4])
    here = make_headwater(seed=seed, years=years, shape=_SMALL)
    gauges = place_gauges(here, n, seed=seed, minutes=minutes)
    return [station_of(gauge, last) for gauge in gauges]


def station_of(gauge: Gauge, last: int | None) -> Station:
    """Give a gauge of a virtual headwater as a station that can be played, up to a time [µs]."""
    from headwater.glossary import GLOSSARY
    from headwater.network.replay import Channel, Station

    kept = slice(None) if last is None else gauge.time < last
    channels = []
    for record in gauge.records:
        known = GLOSSARY.get(record.quantity)
        standard = known.standard_name if known else ""
        depth = "" if record.depth is None else f" {record.depth * 100:g} cm"
        channels.append(
            Channel(
                name=f"{record.quantity}{depth}",
                quantity=record.quantity,
                unit=record.unit,
                time=gauge.time[kept],
                value=record.value[kept],
                depth=record.depth,
                definition=f"http://vocab.nerc.ac.uk/standard_name/{standard}/"
                if standard
                else f"urn:headwater:{record.quantity}",
            )
        )
    words = f"Station of a virtual headwater at {gauge.elevation:.0f} m."
    return Station(
        gauge.name, gauge.longitude, gauge.latitude, gauge.elevation, tuple(channels), words
    )


def _sender(client: object, mqtt: str | None, stack: ExitStack) -> Sender:
    from headwater.errors import InputError
    from headwater.network.client import Client
    from headwater.network.replay import HttpSender, MqttSender

    assert isinstance(client, Client)
    if mqtt is None:
        return HttpSender(client)
    host, _, port = mqtt.removeprefix("mqtt://").rpartition(":")
    if not host or not port.isdecimal():
        do = "Write it as localhost:1883"
        raise InputError("not the address of a broker", found=repr(mqtt), do=do)
    sender = MqttSender(host, int(port))
    stack.callback(sender.close)
    return sender
