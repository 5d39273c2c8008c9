"""Pages for people: the live page at ``/`` and how to use the service at ``/docs``.

Whole pages come from the server and work without scripts; a few lines of script ask for the
stations again every two seconds. Nothing is asked of any other host.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError
from headwater.web.description import describe
from headwater.web.live_page import Board, look
from headwater.web.origin import origin_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from headwater.network.store.protocol import Store

__all__ = ["add_pages", "render"]

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; img-src data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FRESH = 1.0
"""So long one reading of the store serves all who look [s]."""


@dataclass(slots=True)
class _Boards:
    """The latest look at each page of stations, so that many browsers cost as much as one."""

    store: Store
    seen: dict[int, tuple[float, Board]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def board(self, after: int) -> Board:
        with self.lock:
            at, board = self.seen.get(after, (-_FRESH, None))
            if board is None or time.monotonic() - at >= _FRESH:
                board = look(self.store, after=after)
                if len(self.seen) > 100:  # whoever counts through the pages fills no memory
                    self.seen.clear()
                self.seen[after] = (time.monotonic(), board)
            return board


def add_pages(app: FastAPI, store: Store, *, home: str = "/", public: str = "") -> None:
    """Add the pages to an application.

    Parameters
    ----------
    app : FastAPI
        As from :func:`headwater.web.create_app`.
    store : Store
        What they show.
    home : str
        Address of the live page.
    public : str
        Address under which the world sees the application.
    """
    boards, limits = _Boards(store), app.state.service.limits

    def live(request: Request) -> Response:
        return _page("live.html.j2", board=boards.board(_after(request)))

    def stations(request: Request) -> Response:
        return _page("stations.html.j2", board=boards.board(_after(request)))

    def docs(request: Request) -> Response:
        root = _root(request, public)
        operations = [
            (method.upper(), path, said["summary"])
            for path, methods in describe(limits)["paths"].items()
            for method, said in methods.items()
            if isinstance(said, dict)
        ]
        return _page("docs.html.j2", root=root, operations=operations, limits=limits)

    app.add_route(home, _with_refusals(live), methods=["GET"], include_in_schema=False)
    app.add_route("/live.js", _script, methods=["GET"], include_in_schema=False)
    app.add_route("/stations", _with_refusals(stations), methods=["GET"], include_in_schema=False)
    app.add_route("/docs", _with_refusals(docs), methods=["GET"], include_in_schema=False)


def _script(request: Request) -> Response:
    from starlette.responses import Response

    text = files("headwater.web").joinpath("templates", "live.js").read_text(encoding="utf-8")
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(text, media_type="text/javascript", headers=headers)


def _root(request: Request, public: str) -> str:
    try:
        return f"{origin_of(request, public)}/v1.1"
    except HeadwaterError:  # a Host that is none
        return "/v1.1"


def _with_refusals(page: Any) -> Any:
    """Let a page that cannot be made say so in a sentence."""

    def answer_or_refuse(request: Request) -> Response:
        from starlette.responses import JSONResponse

        from headwater.network.sensorthings.messages import refusal

        try:
            found: Response = page(request)
        except HeadwaterError as error:
            answer = refusal(error)
            return JSONResponse(answer.body, answer.status, answer.headers)
        return found

    return answer_or_refuse


def _after(request: Request) -> int:
    text = request.query_params.get("after", "")
    return int(text) if text.isdecimal() and len(text) < 18 else 0


def _page(name: str, **values: Any) -> Response:
    from starlette.responses import HTMLResponse

    return HTMLResponse(render(name, **values), headers=_HEADERS)


@lru_cache(maxsize=1)
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("headwater.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, **values: Any) -> str:
    """Write a page.

    Parameters
    ----------
    name : str
        Of the template.
    **values
        What it shows.

    Returns
    -------
    str
        HTML.
    """
    text: str = _templates().get_template(name).render(**values)
    return text
