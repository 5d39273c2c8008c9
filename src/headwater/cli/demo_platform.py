"""``headwater demo-platform``: the platform over a virtual headwater, with stations that live."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.errors import report_errors

if TYPE_CHECKING:
    from headwater.network.replay import Station

__all__ = ["choose_rule", "run_demo_platform"]

_MAKING: dict[str, Any] = {"shape": (30, 69), "resolution": 0.12}
_YEARS = (2019, 2021)
_STATIONS = 5
_DAY = 86_400_000_000
_BEFORE = 2.2
"""Days of the record that are played fast, before the stations go on at the pace of the world."""
_SPEED = 1200.0
_RULE = """\
[[rule]]
name = "virtual-threshold"
quantity = "soil_moisture"
stations = ["{station}"]
depth = [{depth:g}, {depth:g}]
{side} = {level:.4f}
debounce = 1
hold = "10 min"
severity = "Moderate"
headline = "Soil water has passed its threshold"
instruction = "Look at the meadow, and say on the platform that you see to it."
"""


def run_demo_platform(
    out: Annotated[Path, typer.Option(help="Folder of the demo.")] = Path(
        "headwater-demo-platform"
    ),
    port: Annotated[int, typer.Option(help="Port to listen at.", min=1, max=65535)] = 8000,
    seed: Annotated[int, typer.Option(help="Seed of the virtual headwater.", min=0)] = 1,
) -> None:
    """Open the platform over a virtual headwater: live stations, an alert, a plan to approve."""
    from headwater.cli.serve import run_serve

    stop = threading.Event()
    store = out / "live" / "network.db"
    with report_errors():
        _study(out, seed)
        store.parent.mkdir(exist_ok=True)
        stations, first = _stations(seed)
        (store.parent / "alerts.toml").write_text(choose_rule(stations, first), encoding="utf-8")
        _sign_up(store)
    player = threading.Thread(target=_play, args=(stations, first, port, stop), daemon=True)
    player.start()
    try:
        run_serve(
            studies=[out],
            port=port,
            store=str(store),
            open_=True,
            rules=store.parent / "alerts.toml",
            rules_every=2.0,
            control_every=5.0,
        )
    finally:
        stop.set()


def _sign_up(store: Path) -> None:
    """Make accounts for this time, and print their passwords."""
    from headwater.cli.people import open_people

    people = open_people(str(store), None)
    for role in ("ranger", "editor"):
        password = secrets.token_urlsafe(9)
        people.add(role, password, role)
        typer.echo(f"Sign in as    {role}, password {password}")
    people.close()


def _study(out: Path, seed: int) -> None:
    """Make the study, unless an earlier demo has left it complete; then only what is new runs."""
    from headwater.cli.study_run import run_with_progress, settings_of
    from headwater.study import read_study
    from headwater.study.demo import write_demo

    done = (out / "results" / "provenance.json").is_file()
    file = out / "study.toml" if done else write_demo(out, seed=seed, making=_making(_YEARS))
    study = read_study(file)
    if done:
        return
    typer.echo("Computing the study of a virtual headwater …", err=True)
    run_with_progress(study, settings_of(study))
    _propose(study.results)


def _propose(results: Path) -> None:
    """Put the first units of the plan forward, so that there is something to approve."""
    from headwater.restoration import change_plan, load_plan

    path = results / "restoration" / "plan.geojson"
    if not path.is_file():
        return
    names = [line.unit.name for line in load_plan(path).lines if line.advice.measures][:2]
    if names:
        words = "made up, like all of this"
        change_plan(path, tuple(names), "proposed", person="ranger", comment=words)


def _making(years: tuple[int, int]) -> dict[str, Any]:
    return {**_MAKING, "years": years}


def _stations(seed: int) -> tuple[list[Station], int]:
    from headwater.cli.replay import station_of
    from headwater.network.store.protocol import now
    from headwater.network.times import iso
    from headwater.virtual import make_headwater
    from headwater.virtual.gauges import place_gauges

    first = now() - round(_BEFORE * _DAY)
    years = int(iso(first)[:4]), int(iso(now() + 2 * _DAY)[:4])
    here = make_headwater(seed=seed, **_making(years))
    gauges = place_gauges(here, _STATIONS, seed=seed, minutes=10)
    return [station_of(gauge, None) for gauge in gauges], first


def choose_rule(stations: Sequence[Station], first: int) -> str:
    """Write a rule that will fire while somebody watches, whatever the season.

    Parameters
    ----------
    stations : sequence of Station
    first : int
        Where their record begins to be played [µs].

    Returns
    -------
    str
        A rules file: a threshold that one series passes first between a fifth and three fifths of
        the span that is played fast.
    """
    import numpy as np

    best = (0.0, "", 0.05, "below", 0.0)
    for station in stations:
        for channel in station.channels:
            if channel.quantity != "soil_moisture" or channel.depth is None:
                continue
            span = _BEFORE * _DAY
            held = (channel.time >= first) & (channel.time < first + span)
            share, value = (channel.time[held] - first) / span, channel.value[held]
            early, later = value[share < 0.2], value[(share >= 0.2) & (share < 0.6)]
            if not (np.isfinite(early).any() and np.isfinite(later).any()):
                continue
            fall = float(np.nanmin(early) - np.nanmin(later))
            rise = float(np.nanmax(later) - np.nanmax(early))
            for gain, side, edge in (
                (fall, "below", np.nanmin(early) - 0.5 * fall),
                (rise, "above", np.nanmax(early) + 0.5 * rise),
            ):
                if gain > best[0]:
                    best = (gain, station.name, channel.depth, side, float(edge))
    _, name, depth, side, level = best
    return _RULE.format(station=name or "*", depth=depth, side=side, level=level)


def _play(stations: list[Station], first: int, port: int, stop: threading.Event) -> None:
    from headwater.errors import HeadwaterError
    from headwater.network.client import Client, service_url
    from headwater.network.replay import HttpSender, play

    time.sleep(1.0)
    client = Client(service_url(f"http://127.0.0.1:{port}"), None, 60.0, report=lambda words: None)
    try:
        for _ in play(stations, client, HttpSender(client), start=first, speed=_SPEED):
            if stop.is_set():
                return
    except HeadwaterError as error:
        typer.echo(f"The virtual stations have stopped: {error}", err=True)
