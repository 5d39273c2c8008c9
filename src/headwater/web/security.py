"""Who may use the service: the keys of the store are asked at every request, before its body.

A revoked key opens nothing from the next request on. Requests that write are noted in the audit
trail before they are served, so that nothing is ever written that was not noted.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from headwater.errors import HeadwaterError
from headwater.network.keys import (
    ROLES,
    Key,
    KeyRefusedError,
    RateLimit,
    RateRefusedError,
    issue,
    listed,
    verify,
)
from headwater.network.sensorthings.context import Limits
from headwater.network.sensorthings.errors import Forbidden, TooMany, Unauthorised
from headwater.network.sensorthings.messages import Role, refusal

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

    from headwater.network.ingest.mapping import Mapping
    from headwater.network.store.protocol import Store
    from headwater.web.platform.app import Platform

__all__ = ["Access", "Gate", "Guard", "create_service", "first_key", "is_local", "presented"]

_READING = ("GET", "HEAD", "OPTIONS")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST_PATH = 500


@dataclass(frozen=True, slots=True)
class Access:
    """What needs a key.

    Attributes
    ----------
    reading, writing : {"key", "open"}
        Open writing is for one's own machine: it is refused to addresses from elsewhere.
    """

    reading: Literal["key", "open"] = "open"
    writing: Literal["key", "open"] = "key"

    def open_to(self, role: str) -> bool:
        """Return whether this needs no key."""
        return (self.reading if role == "read" else self.writing) == "open"


def is_local(host: str) -> bool:
    """Return whether a name with or without port means one's own machine.

    Examples
    --------
    >>> is_local("localhost:8000"), is_local("[::1]:80"), is_local("localhost.example.org")
    (True, True, False)
    """
    try:
        return urlsplit(f"//{host}").hostname in _LOCAL
    except ValueError:
        return False


def presented(request: Request, role: str) -> str | None:
    """Find the key in a request: ``Authorization: Bearer …`` or ``X-API-Key``.

    Browsers, QGIS and other programs ask for a name and a password (``Basic``): the key may be the
    password. From a browser it only reads then, because browsers send it along whichever page asks
    them to.

    Raises
    ------
    Unauthorised
        If the header cannot be read, or a browser would write with a password.
    """
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    kind, text = kind.lower(), text.strip()
    if not kind:
        return request.headers.get("x-api-key")
    if kind == "bearer" and text:
        return text
    if kind == "basic":
        # a browser says for which page it writes; other programs have no pages
        browser = "origin" in request.headers or "sec-fetch-site" in request.headers
        if role != "read" and browser:
            do = "Send the key as Authorization: Bearer …"
            raise Unauthorised("from a browser a password only reads", do=do)
        try:
            return base64.b64decode(text, validate=True).decode().partition(":")[2]
        except ValueError:  # neither base64 nor text
            pass
    do = "Send Authorization: Bearer … or X-API-Key: …"
    raise Unauthorised("the Authorization header cannot be read", do=do)


@dataclass(slots=True)
class Guard:
    """Decides for each request; given to :func:`headwater.web.create_app` as `authorise`.

    Parameters
    ----------
    store : Store
        Holds the keys.
    access : Access
        What needs one.
    limit : RateLimit
        Counts requests by key.
    """

    store: Store
    access: Access = field(default_factory=Access)
    limit: RateLimit = field(default_factory=RateLimit)

    def __call__(self, request: Request, role: Role) -> frozenset[int] | None:
        """Let a request pass, or raise a refusal.

        Returns
        -------
        frozenset of int or None
            Things that it may write to; None for all.
        """
        state = request.state
        if self.access.writing == "open":
            _insist_on_own_machine(request, role)
        if self.access.open_to(role):
            return None
        key: Key | None = getattr(state, "key", None)
        if key is None:
            key = self._known(request, role)
            state.key, state.actor = key, key.name
            self._count(key)
        if ROLES.index(key.role) < ROLES.index(role):
            do = f"Ask whoever runs the service for a key that may {role}"
            raise Forbidden(f"this key may not {role}", found=f"'{key.name}' may {key.role}", do=do)
        return frozenset(key.stations) or None

    def _known(self, request: Request, role: Role) -> Key:
        token = presented(request, role)
        if not token:
            what = "reading" if role == "read" else "writing"
            do = "Send Authorization: Bearer … or X-API-Key: …; whoever runs the service has keys"
            raise Unauthorised(f"{what} needs a key", do=do)
        try:
            return verify(self.store, token, "read")
        except KeyRefusedError as error:
            raise Unauthorised(error.wrong, do=error.do) from None

    def _count(self, key: Key) -> None:
        try:
            self.limit.take(key)
        except RateRefusedError as error:
            raise TooMany(error.wrong, found=error.found, do=error.do) from None

    def asks_store(self, request: Request) -> bool:
        """Say whether :meth:`admit` looks into the store, and so may have to wait for it."""
        batch = str(request.scope["path"]).rstrip("/").endswith("/$batch")
        return batch or request.method not in _READING or not self.access.open_to("read")

    def admit(self, request: Request) -> None:
        """Check a request before its body is read, and note it when it would write.

        Raises
        ------
        Refused
            401, 403 or 429.
        StoreError
            If the audit trail cannot be kept; then nothing may be written either.
        """
        reads = request.method in _READING
        batch = str(request.scope["path"]).rstrip("/").endswith("/$batch")
        self(request, "read" if reads or batch else "write")
        if batch and getattr(request.state, "key", None) is None and self._brings_key(request):
            # its parts may write: whose they are and how often they come is settled now
            request.state.key = self._known(request, "write")
            request.state.actor = request.state.key.name
            self._count(request.state.key)
        if not reads:
            self._note(request)

    def _brings_key(self, request: Request) -> bool:
        return self.access.writing == "key" and bool(
            request.headers.get("x-api-key") or request.headers.get("authorization")
        )

    def _note(self, request: Request) -> None:
        # as it was sent, percent-encoded: no data base takes every character in a text
        path = request.scope.get("raw_path", b"").decode("latin-1")
        detail = {
            "method": request.method,
            "path": path[:_LONGEST_PATH],
            "from": request.client.host if request.client else None,
            "bytes": request.headers.get("content-length", "")[:18] or None,
        }
        actor = getattr(request.state, "actor", None)
        with self.store.transaction(actor=actor) as session:
            session.audit("request", detail=detail)


def _insist_on_own_machine(request: Request, role: str) -> None:
    """Keep pages of other sites, which the user's browser may be showing, from writing here."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    foreign = origin is not None and not is_local(origin.partition("://")[2])
    if not is_local(host) or (role != "read" and foreign):
        do = "Start it without --open, and use keys"
        found = (origin or "") if foreign else host
        raise Forbidden("this service is open to its own machine only", found=found[:100], do=do)


class Gate:
    """The guard in front of an application: who may not come in is refused before the body is read.

    Parameters
    ----------
    app : callable
        ASGI application.
    guard : Guard
    apart : callable, optional
        Says which paths are not its own to guard.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        guard: Guard,
        apart: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self.app, self.guard, self.apart = app, guard, apart

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        from starlette.concurrency import run_in_threadpool
        from starlette.requests import Request

        request = Request(scope, receive)
        if self.apart(str(scope["path"])):
            await self.app(scope, receive, send)
            return
        try:
            if self.guard.asks_store(request):
                await run_in_threadpool(self.guard.admit, request)
            else:
                self.guard.admit(request)  # a journey to another thread costs more than this
        except HeadwaterError as error:
            await self._refused(request, error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refused(self, request: Request, error: HeadwaterError) -> Any:
        from starlette.responses import JSONResponse

        answer = refusal(error)
        headers = dict(answer.headers)
        if request.method not in _READING:
            headers["Connection"] = "close"  # or the body would have to be read and thrown away
        if answer.status == 401:
            headers["WWW-Authenticate"] = _challenge(request)
        if answer.status == 429 and request.state.key.rate_per_minute:
            headers["Retry-After"] = str(math.ceil(60 / request.state.key.rate_per_minute))
        return JSONResponse(answer.body, answer.status, headers)


def _challenge(request: Request) -> str:
    """Let a browser ask for the key when a person wants to see a page."""
    page = "text/html" in request.headers.get("accept", "")
    return 'Basic realm="headwater: the key is the password"' if page else "Bearer"


def create_service(
    store: Store,
    *,
    access: Access | None = None,
    limits: Limits | None = None,
    public: str = "",
    mqtt: str = "",
    mapping: Mapping | None = None,
    origins: tuple[str, ...] = (),
    platform: Platform | None = None,
) -> FastAPI:
    """Build the whole application: SensorThings, the live page, and the guard before both.

    Parameters
    ----------
    store : Store
        Stays open; whoever opened it closes it.
    access : Access, optional
        What needs a key; default: writing.
    limits : Limits, optional
        Page sizes and the largest body.
    public : str
        Address under which the world sees it.
    mqtt : str
        Broker to join.
    mapping : Mapping, optional
        What the columns of CSV files mean that are sent to ``/ingest``.
    origins : tuple of str
        Origins whose pages a browser lets read and write here; ``*`` for all.
    platform : Platform, optional
        Studies, alerts and people, on a page of their own at ``/``; the live page is at ``/live``
        then. Default: stations alone.

    Returns
    -------
    FastAPI
    """
    from headwater.web.app import create_app
    from headwater.web.pages import add_pages
    from headwater.web.upload import add_push

    guard = Guard(store, access or Access())
    app = create_app(store, limits=limits, authorise=guard, public=public, mqtt=mqtt)
    add_pages(app, store, home="/live" if platform else "/", public=public)
    most = app.state.service.limits.body
    add_push(app, store, mapping=mapping, authorise=guard, most=most)
    if platform is not None:
        from headwater.web.platform.app import add_platform, is_of_platform

        add_platform(app, store, platform, public=public)
        app.add_middleware(Gate, guard=guard, apart=is_of_platform)
    else:
        app.add_middleware(Gate, guard=guard)
    if origins:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Link", "Location", "Retry-After"],
        )
    return app


def first_key(store: Store) -> str | None:
    """Make a key that may write, if the store has never had one.

    Parameters
    ----------
    store : Store

    Returns
    -------
    str or None
        The key, for the only time.

    Examples
    --------
    >>> import tempfile
    >>> from headwater.network import open_store
    >>> with tempfile.TemporaryDirectory() as folder, open_store(folder + "/s.db") as store:
    ...     first_key(store)[:3], first_key(store)
    ('hw_', None)
    """
    return None if listed(store) else issue(store, "first", "write")
