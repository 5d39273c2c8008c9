"""Who asks, and whether they may: sessions, tokens against other sites' pages, the own machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from headwater.alerts.rules import Rules
from headwater.errors import HeadwaterError
from headwater.network.sensorthings.errors import Forbidden, Unauthorised
from headwater.network.store.protocol import Store
from headwater.web.platform.answers import answer_error
from headwater.web.platform.oidc import Provider
from headwater.web.platform.people import NOBODY, People, Person, Session
from headwater.web.platform.plans import Plans
from headwater.web.platform.pulse import Pulse
from headwater.web.platform.runs import Runs
from headwater.web.platform.studies import Shelf
from headwater.web.protocol import take_body
from headwater.web.security import is_local

__all__ = [
    "Admin",
    "COOKIE",
    "Editor",
    "House",
    "Ranger",
    "SmallBodies",
    "TOKEN",
    "Viewer",
    "house_of",
    "insist_on_own_page",
    "keep_session",
    "needs",
    "session_of",
]

COOKIE = "headwater_session"
TOKEN = "x-csrf-token"
_READING = ("GET", "HEAD")
_MOST_BODY = 1_000_000
"""The largest body is an area with its corners [bytes]."""


@dataclass(frozen=True, slots=True)
class House:
    """All that the platform's addresses need.

    Attributes
    ----------
    store : Store
        Of the stations and their alerts.
    shelf : Shelf
        Of the studies.
    people : People
    plans : Plans
        Of the studies that have one.
    pulse : Pulse
        What has just changed.
    runs : Runs
        Of the studies whose files are here.
    rules : Rules or None
        That watch the stations.
    anonymous : bool
        Whether this machine's own browser may look without an account.
    provider : Provider or None
        Of OpenID, that signs people in.
    public : str
        Address under which the world sees the service; empty: as the request has it.
    """

    store: Store
    shelf: Shelf
    people: People
    plans: Plans
    pulse: Pulse
    runs: Runs
    rules: Rules | None = None
    anonymous: bool = False
    provider: Provider | None = None
    public: str = ""


def house_of(request: Request) -> House:
    """Find what the application was built over."""
    found: House = request.app.state.house
    return found


def keep_session(answer: Response, session: Session, *, secure: bool) -> None:
    """Give the browser the key of a session, which no script can read."""
    answer.set_cookie(COOKIE, session.key, httponly=True, samesite="lax", secure=secure, path="/")


def session_of(request: Request) -> Session | None:
    """Find the session of a request; a key that was not given out here is none."""
    key = request.cookies.get(COOKIE, "")
    return house_of(request).people.known(key) if key else None


def needs(role: str) -> Callable[[Request], Person]:
    """Make a dependency that lets people of a role pass.

    Parameters
    ----------
    role : {"viewer", "ranger", "editor", "admin"}

    Returns
    -------
    callable
        Gives the person, or raises ``Unauthorised`` or ``Forbidden``. Whatever changes something
        must bring the session's token, and come from a page of this very host.
    """

    def person(request: Request) -> Person:
        house, session = house_of(request), session_of(request)
        if session is None:
            if house.anonymous and NOBODY.may(role) and request.method in _READING:
                _insist_on_own_machine(request)
                return NOBODY
            raise Unauthorised("this needs an account", do="Sign in")
        if request.method not in _READING:
            insist_on_own_page(request)
            if request.headers.get(TOKEN, "") != session.token:
                raise Forbidden(
                    "a request without the token of its session", do="Load the page anew"
                )
        if not session.person.may(role):
            raise Forbidden(
                f"this needs the role {role}",
                found=f"'{session.person.name}' is {session.person.role}",
            )
        return session.person

    return person


def _insist_on_own_machine(request: Request) -> None:
    host = request.headers.get("host", "")
    if not is_local(host):
        raise Forbidden("without an account only the own machine may look", found=host[:100])


def insist_on_own_page(request: Request) -> None:
    """Refuse what a page of another host sends.

    Raises
    ------
    Forbidden
        If the request says that it comes from elsewhere.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign or site not in {"same-origin", "none"}:
        raise Forbidden("a request from another site's page", found=(origin or site)[:100])


Viewer = Annotated[Person, Depends(needs("viewer"))]
Ranger = Annotated[Person, Depends(needs("ranger"))]
Editor = Annotated[Person, Depends(needs("editor"))]
Admin = Annotated[Person, Depends(needs("admin"))]


class SmallBodies:
    """Refuses large bodies of the platform's addresses before anything reads them whole.

    Parameters
    ----------
    app : callable
        ASGI application.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection; tables of samples have a limit of their own."""
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or not path.startswith("/api/") or path.endswith("/samples"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await take_body(request, _MOST_BODY, several="smaller ones")
        except HeadwaterError as error:
            answer = answer_error(request, error)
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
            return
        except ClientDisconnect:
            return
        sent = False

        async def again() -> Any:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)
