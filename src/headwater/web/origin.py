"""Where the service is: the address that links in its answers begin with.

Whoever sends a request also writes its `Host`. A link that began with whatever stands there could
be made to lead elsewhere, and a cache would hand it on to others. So it begins with the public
address that the service was given; or with what a trusted proxy says; or else with the address that
the connection arrived at, under the name the client used for it where that is a name of this
machine.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headwater.network.sensorthings.errors import WrongRequest

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["TrustedProxies", "origin_of"]

_PROXIED = "headwater.proxied"
_PORTS = {"http": 80, "https": 443}


def origin_of(request: Request, public: str = "") -> str:
    """Give the address of the service, without a slash at the end.

    Parameters
    ----------
    request : Request
    public : str
        Address under which the world sees the service, if it was given.

    Returns
    -------
    str

    Raises
    ------
    WrongRequest
        If the Host of the request cannot be read.
    """
    if public:
        return public.rstrip("/")
    host = request.headers.get("host", "")
    try:
        said = urlsplit(f"//{host}")
        name, port = said.hostname or "", said.port
    except ValueError:
        raise WrongRequest("the Host of the request cannot be read", found=host[:60]) from None
    scheme = str(request.scope["scheme"])
    if request.scope.get(_PROXIED):
        return f"{scheme}://{host}"
    arrived_at, arrived = request.scope.get("server") or ("localhost", None)
    address = str(arrived_at).removeprefix("::ffff:")  # IPv4 at a socket of IPv6
    same_port = arrived is None or (port or _PORTS.get(scheme)) == arrived
    called = name if same_port and name in _names_of(address) else address
    shown = f"[{called}]" if ":" in called else called
    return f"{scheme}://{shown}" + (f":{arrived}" if arrived not in (None, _PORTS[scheme]) else "")


def _names_of(address: str) -> frozenset[str]:
    """List the names by which a client may call the address that it arrived at."""
    own = _own_name()
    names = {address.lower(), own, f"{own.partition('.')[0]}.local"}
    if address in ("127.0.0.1", "::1"):
        names |= {"localhost", "127.0.0.1", "::1"}
    return frozenset(names)


@lru_cache(maxsize=1)
def _own_name() -> str:
    return socket.gethostname().lower()


class TrustedProxies:
    """Believe `X-Forwarded-For`, `-Proto` and `-Host`, and the `Host`, of some proxies alone.

    Parameters
    ----------
    app : callable
        ASGI application.
    proxies : sequence of str
        Addresses or networks of the proxies; ``*`` for all.
    """

    def __init__(self, app: Callable[..., Any], proxies: Sequence[str]) -> None:
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        self.app: Any = ProxyHeadersMiddleware(app, list(proxies))
        self._all = "*" in proxies
        self._networks = [
            ipaddress.ip_network(text, strict=False) for text in proxies if text != "*"
        ]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and self._trusts(scope):
            headers = list(scope["headers"])
            host = next((v for n, v in headers if n == b"x-forwarded-host"), b"")
            if host:
                first = host.partition(b",")[0].strip()
                headers = [(n, v) for n, v in headers if n != b"host"] + [(b"host", first)]
            scope = {**scope, "headers": headers, _PROXIED: True}
        await self.app(scope, receive, send)

    def _trusts(self, scope: Any) -> bool:
        if self._all:
            return True
        try:
            client = ipaddress.ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        return any(client in network for network in self._networks)
