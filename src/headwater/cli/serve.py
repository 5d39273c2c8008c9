"""``headwater serve``: run the observation network's service."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.errors import report_errors
from headwater.cli.network_keep import store_address, with_password

if TYPE_CHECKING:
    from headwater.network.ingest.mapping import Mapping
    from headwater.network.store.protocol import Store

__all__ = ["run_serve"]

_LOCAL = ("localhost", "127.0.0.1", "::1")


def run_serve(  # noqa: PLR0913, PLR0917  (one for each option of the command)
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
) -> None:
    """Serve a network of stations: SensorThings at /v1.1, live values at /."""
    with report_errors():
        from headwater.errors import InputError
        from headwater.network import open_store

        _insist_on_web(mqtt)
        from headwater.network.quality.schedule import run_quality_control
        from headwater.web.security import Access, create_service

        if open_ and (host not in _LOCAL or read_key):
            raise InputError(
                "--open is for one's own machine only",
                found=f"--host {host}" if host not in _LOCAL else "--read-key",
                do="Leave --open out and make keys with: headwater keys add",
            )
        access = Access(reading="key" if read_key else "open", writing="open" if open_ else "key")
        with _listening(host, port) as listener, open_store(store_address(store)) as opened:
            from headwater.network.sensorthings.context import Limits

            app = create_service(
                opened,
                access=access,
                limits=Limits(body=round(body_mb * 1e6)),
                public=public,
                mqtt=with_password(mqtt, None, "HEADWATER_BROKER_PASSWORD_FILE") if mqtt else "",
                origins=tuple(cors or ()),
                mapping=_mapping_beside(store),
            )
            _announce(opened, listener, store, access.writing == "open")
            with run_quality_control(opened, control_every):
                _run(app, listener, tuple(proxy or ()))


def _mapping_beside(store: str) -> Mapping | None:
    """Read the mapping file that ``headwater network init`` laid beside the store, if any."""
    from pathlib import Path

    from headwater.network.ingest.mapping import read_mapping

    beside = Path(store).with_suffix(".toml")
    return read_mapping(beside) if "://" not in store and beside.is_file() else None


def _insist_on_web(mqtt: str) -> None:
    from importlib.util import find_spec

    from headwater.errors import InputError
    from headwater.installation import install_hint

    for module, extra in (("fastapi", "web"), ("uvicorn", "web"), ("aiomqtt", "mqtt")):
        if find_spec(module) is None and (mqtt or extra == "web"):
            do = install_hint(extra)
            raise InputError(f"serving needs {module}", found="it is not installed", do=do)


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
    typer.echo(f"Live values   http://{shown}:{port}/")
    typer.echo(f"SensorThings  http://{shown}:{port}/v1.1")
    if everybody:
        typer.echo("Writing       open to this machine, without a key")
    elif key:
        typer.echo(f"Writing       needs this key, which is shown only now: {key}")
    else:
        typer.echo(f"Writing       needs a key: headwater keys add NAME --store {store}")


def _run(app: Any, listener: socket.socket, proxies: tuple[str, ...]) -> None:
    import uvicorn

    from headwater.web.protocol import ImpatientProtocol

    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=",".join(proxies) or None,
        timeout_graceful_shutdown=10,
        ws="none",
    )
    # the server ends its requests and then raises the signal again: by then there is nothing left
    # to interrupt, and the store must still be closed
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listener])
    typer.echo("Stopped.", err=True)
