"""``headwater serve``: the platform in the browser, over stations and studies."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.errors import report_errors
from headwater.cli.network_keep import store_address, with_password
from headwater.cli.people import open_people

if TYPE_CHECKING:
    from headwater.alerts.rules import Rules
    from headwater.network.ingest.mapping import Mapping
    from headwater.network.store.protocol import Store
    from headwater.web.platform.app import Platform
    from headwater.web.platform.people import People

__all__ = ["run_serve"]

_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3
"""Of malloc.h."""
_LOCAL = ("localhost", "127.0.0.1", "::1")


def run_serve(  # noqa: PLR0913, PLR0917  (one for each option of the command)
    studies: Annotated[
        list[Path] | None,
        typer.Argument(help="Study files, their folders or results folders to show."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.", min=0, max=65535)] = 8000,
    store: Annotated[
        str,
        typer.Option(
            envvar="HEADWATER_STORE", help="SQLite file, made if not there, or postgresql://…"
        ),
    ] = "network.db",
    read_key: Annotated[bool, typer.Option("--read-key", help="Reading needs a key, too.")] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="No keys at all; only for one's own machine.")
    ] = False,
    public: Annotated[
        str, typer.Option(help="Address under which the world sees it, behind a proxy.")
    ] = "",
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address of a proxy whose X-Forwarded headers are believed."),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(help="Origin whose pages may read, such as https://map.example.org; or *."),
    ] = None,
    mqtt: Annotated[str, typer.Option(help="Broker to join, such as mqtt://localhost:1883.")] = "",
    control_every: Annotated[
        float, typer.Option(help="Seconds between quality controls of what came; 0: none.", min=0)
    ] = 15.0,
    body_mb: Annotated[
        float, typer.Option(help="Largest request that is taken, in MB.", min=0.001)
    ] = 32.0,
    rules: Annotated[
        Path | None, typer.Option(help="Rules file whose alerts are raised while it runs.")
    ] = None,
    rules_every: Annotated[
        float, typer.Option(help="Seconds between two looks at the rules.", min=0.5)
    ] = 30.0,
    people: Annotated[
        Path | None, typer.Option(help="File of accounts; default: next to the store.")
    ] = None,
    embed: Annotated[
        list[str] | None,
        typer.Option(help="Origin whose pages may show the map in a frame, at /embed."),
    ] = None,
    oidc: Annotated[
        Path | None, typer.Option(help="File of an OpenID provider that signs people in.")
    ] = None,
) -> None:
    """Open the platform in the browser: studies and stations at /, SensorThings at /v1.1."""
    with report_errors():
        from headwater.network import open_store
        from headwater.network.quality.schedule import run_quality_control
        from headwater.web.platform.watching import run_alerts
        from headwater.web.security import Access, create_service

        _insist_on_own_machine(host, open_, read_key)
        _spare_memory()
        access = Access(reading="key" if read_key else "open", writing="open" if open_ else "key")
        with _listening(host, port) as listener, open_store(store_address(store)) as opened:
            from headwater.network.sensorthings.context import Limits

            platform = _platform(studies or [], rules, open_people(store, people), host, embed)
            if oidc is not None:
                from headwater.web.platform.oidc import read_provider

                platform = replace(platform, provider=read_provider(oidc))
            app = create_service(
                opened,
                access=access,
                limits=Limits(body=round(body_mb * 1e6)),
                public=public,
                mqtt=with_password(mqtt, None, "HEADWATER_BROKER_PASSWORD_FILE") if mqtt else "",
                origins=tuple(cors or ()),
                mapping=_mapping_beside(store),
                platform=platform,
            )
            _announce(opened, listener, store, access.writing == "open")
            _announce_platform(platform)
            stopped, shelf = threading.Event(), app.state.house.shelf
            threading.Thread(target=shelf.keep_warm, args=(stopped,), daemon=True).start()
            with (
                closing(app.state.house.runs),
                run_quality_control(opened, control_every),
                run_alerts(opened, platform.rules, rules_every),
            ):
                _run(app, listener, tuple(proxy or ()))
                stopped.set()


def _insist_on_own_machine(host: str, open_: bool, read_key: bool) -> None:
    from headwater.errors import InputError

    if open_ and (host not in _LOCAL or read_key):
        raise InputError(
            "--open is for one's own machine only",
            found=f"--host {host}" if host not in _LOCAL else "--read-key",
            do="Leave --open out and make keys with: headwater keys add",
        )


def _platform(
    studies: list[Path],
    rules: Path | None,
    people: People,
    host: str,
    embed: list[str] | None,
) -> Platform:
    from headwater.alerts import read_rules
    from headwater.web.platform.app import Platform
    from headwater.web.platform.studies import find_results

    found = {one: find_results(one) for one in studies}
    read: Rules | None = None if rules is None else read_rules(rules)
    return Platform(
        people=people,
        studies=list(found.values()),
        files={results: one.resolve() for one, results in found.items() if one.is_file()},
        rules=read,
        anonymous=host in _LOCAL,
        embed=tuple(embed or ()),
    )


def _announce_platform(platform: Platform) -> None:
    from headwater.web.platform.site import is_built

    typer.echo(f"Studies       {len(platform.studies)}")
    if not platform.people.listed():
        open_to = "anybody on this machine may look" if platform.anonymous else "nobody can sign in"
        typer.echo(f"People        none yet ({open_to}): headwater people add NAME --role editor")
    if not is_built():
        typer.echo("The page has not been built; build it with: python frontend/build.py", err=True)


def _mapping_beside(store: str) -> Mapping | None:
    """Read the mapping file that ``headwater network init`` laid next to the store, if any."""
    from pathlib import Path

    from headwater.network.ingest.mapping import read_mapping

    file = Path(store).with_suffix(".toml")
    return read_mapping(file) if "://" not in store and file.is_file() else None


def _listening(host: str, port: int) -> socket.socket:
    """Take the port, before anything is made."""
    from headwater.errors import InputError

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # with its protocol named, so that asyncio sends small answers without delay (TCP_NODELAY)
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise InputError(
            f"cannot listen at {host}, port {port}",
            found=error.strerror or str(error),
            do="Stop the program that listens there, or choose another with --port",
        ) from None
    return listener


def _announce(opened: Store, listener: socket.socket, store: str, everybody: bool) -> None:
    from headwater.web.security import first_key

    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "localhost", "::": "localhost", "::1": "[::1]"}.get(host, host)
    key = None if everybody else first_key(opened)
    typer.echo(f"Store         {opened.address}")
    typer.echo(f"Platform      http://{shown}:{port}/")
    typer.echo(f"Live values   http://{shown}:{port}/live")
    typer.echo(f"SensorThings  http://{shown}:{port}/v1.1")
    if everybody:
        typer.echo("Writing       open to this machine, without a key")
    elif key:
        typer.echo(f"Writing       needs this key, which is shown only now: {key}")
    else:
        typer.echo(f"Writing       needs a key: headwater keys add NAME --store {store}")


def _spare_memory() -> None:
    """Let the threads share two arenas, and give larger arrays back as soon as they are done with.

    glibc makes an arena for each thread otherwise, and keeps what each of them ever held.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 18)


def _run(app: Any, listener: socket.socket, proxies: tuple[str, ...]) -> None:
    import uvicorn

    from headwater.web.origin import TrustedProxies
    from headwater.web.protocol import ImpatientProtocol

    config = uvicorn.Config(
        TrustedProxies(app, proxies) if proxies else app,
        http=ImpatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
        ws="none",
    )
    # the server ends its requests and then raises the signal again: by then there is nothing left
    # to interrupt, and the store must still be closed
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            app.state.house.pulse.stopping = True  # or watchers would hold the end up
            super().handle_exit(sig, frame)

    Server(config).run(sockets=[listener])
    typer.echo("Stopped.", err=True)
