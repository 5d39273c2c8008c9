"""``headwater demo-platform``: the platform over a virtual headwater, with stations that live."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from headwater.cli.errors import report_errors

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from headwater.network.replay import Station

__all__ = ["choose_rule", "run_demo_platform"]

_MAKING: dict[str, Any] = {"shape": (30, 69), "resolution": 0.12}
_YEARS = (2017, 2021)
_DETECTOR = """\
[detector]                # little is drawn here, so that the whole study takes half a minute
methods = ["quantile"]
classes = [4, 6]
draws = 199
series = "none"
"""
_STATIONS = 5
_DAY = 86_400_000_000
_BEFORE = 2.2
"""Days of the record that are played fast, before the stations go on at the pace of the world."""
_SPEED = 2400.0
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
    store, file = out / "live" / "network.db", out / "study.toml"
    with report_errors():
        writing = _writing(out, seed)
        stations, first = _stations(seed)
        _wait_for(file, writing)
        store.parent.mkdir(exist_ok=True)
        (store.parent / "alerts.toml").write_text(choose_rule(stations, first), encoding="utf-8")
        passwords = _sign_up(store)
    for work, given in ((_play, (stations, first)), (_compute, (passwords, writing))):
        threading.Thread(target=work, args=(*given, port, stop), daemon=True).start()
    try:
        run_serve(
            studies=[file],
            port=port,
            store=str(store),
            open_=True,
            rules=store.parent / "alerts.toml",
            rules_every=2.0,
            control_every=5.0,
        )
    finally:
        stop.set()


def _sign_up(store: Path) -> dict[str, str]:
    """Make accounts for this time, and print their passwords."""
    from headwater.cli.people import open_people

    people = open_people(str(store), None)
    roles: tuple[Literal["ranger", "editor"], ...] = ("ranger", "editor")
    passwords: dict[str, str] = {role: secrets.token_urlsafe(9) for role in roles}
    for role in roles:
        people.add(role, passwords[role], role)
        typer.echo(f"Sign in as    {role}, password {passwords[role]}")
    people.close()
    return passwords


def _writing(out: Path, seed: int) -> BaseProcess | None:
    """Write the study beside all else, unless an earlier demo has left it; None if it has."""
    from multiprocessing import get_context

    if (out / "data" / "truth.nc").is_file() and (out / "study.toml").is_file():
        return None
    typer.echo(f"Writing a virtual headwater to {out} …", err=True)
    writing = get_context("spawn").Process(target=_write_study, args=(out, seed), daemon=True)
    writing.start()
    return writing


def _write_study(out: Path, seed: int) -> None:
    """Write the study and bring its inputs to one grid, which makes the first maps.

    The run that follows keeps them. Its check of all chapters, which samples make long, need not
    be waited for.
    """
    from headwater.chapters import STEPS
    from headwater.study import read_study, run
    from headwater.study.checks import survey
    from headwater.study.demo import write_demo
    from headwater.study.engine import wanted_steps

    with report_errors():
        file = write_demo(out, seed=seed, making=_making(_YEARS))
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("[detector]\n", _DETECTOR, 1), encoding="utf-8")
        study = read_study(file, STEPS)
        inputs = survey(study, wanted_steps(study, STEPS, "grids")).inputs
        run(study, STEPS, until="grids", inputs=inputs)


def _wait_for(file: Path, writing: BaseProcess | None) -> None:
    """Wait for the study file, which is written before the data that it names."""
    while not file.is_file():
        if writing is None or writing.exitcode is not None:
            raise typer.Exit(1)  # the other process has said why
        time.sleep(0.05)


def _compute(
    passwords: dict[str, str], writing: BaseProcess | None, port: int, stop: threading.Event
) -> None:
    """Run the study as an editor would from the browser, then put some of its plan forward."""
    if writing is not None:
        writing.join()
    try:
        editor = _SignedIn(port, "editor", passwords["editor"])
        study = editor.ask("GET", "/api/studies")[0]["id"]
        editor.ask("POST", f"/api/studies/{study}/run", {})
        while not stop.wait(1.0):
            last = editor.ask("GET", f"/api/studies/{study}/run")["last"]
            if last["state"] != "running" or "restoration" in last["done"]:
                break
        if "restoration" in last["done"] and not _is_worked_on(editor, study):
            ranger = _SignedIn(port, "ranger", passwords["ranger"])
            _propose(ranger, study)
    except OSError as error:
        typer.echo(f"The study was not run: {error}", err=True)


def _is_worked_on(someone: _SignedIn, study: str) -> bool:
    states = someone.ask("GET", f"/api/plans/{study}").get("states", {})
    return set(states) != {"draft"}


def _propose(ranger: _SignedIn, study: str) -> None:
    """Put the first units of the plan forward, so that there is something to approve."""
    rows = ranger.ask("GET", f"/api/plans/{study}")["rows"]["en"]
    names = list(dict.fromkeys(row["unit"] for row in rows if row["measure"]))[:2]
    move = {"units": names, "state": "proposed", "comment": "made up, like all of this"}
    ranger.ask("POST", f"/api/plans/{study}/moves", move)


class _SignedIn:
    """Somebody at the platform, by the same addresses as a browser."""

    def __init__(self, port: int, name: str, password: str) -> None:
        self._root = f"http://127.0.0.1:{port}"
        from urllib.request import HTTPCookieProcessor, build_opener

        self._opener = build_opener(HTTPCookieProcessor())
        self._token = ""
        for left in reversed(range(60)):
            try:
                given = {"name": name, "password": password}
                self._token = self.ask("POST", "/api/session", given)["token"]
                return
            except OSError:
                if not left:
                    raise
                time.sleep(0.5)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask, and read the answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-CSRF-Token": self._token}
        from urllib.request import Request

        request = Request(self._root + path, data, headers, method=method)
        with self._opener.open(request, timeout=60) as answer:
            return json.load(answer)


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
