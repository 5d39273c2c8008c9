"""The page itself: one small document, its script and style, under a policy without exceptions."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["add_site", "is_built", "policy"]

_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".html": "text/html; charset=utf-8",
}
_NOT_BUILT = """<!DOCTYPE html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Headwater</title>
<main><h1>The platform's page has not been built</h1>
<p>This is an installation from a checkout without its front end. Build it with
<code>python frontend/build.py</code> and load this page again.</p>
<p><a href="/live">Stations and their latest values</a> ·
<a href="/docs">How to use the service</a></p>
</main></html>"""


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the built page, as it is and gzipped."""

    plain: bytes
    packed: bytes
    media: str


@lru_cache(maxsize=1)
def _built() -> dict[str, _File]:
    """Read the built page; paths from outside are looked up here and never joined to a folder."""
    home = files("headwater.web") / "static"
    found: dict[str, _File] = {}
    for folder in (home, home / "assets"):
        if not folder.is_dir():
            continue
        for one in folder.iterdir():
            suffix = f".{one.name.rpartition('.')[2]}"
            if one.is_file() and suffix in _TYPES:
                body = one.read_bytes()
                name = one.name if folder is home else f"assets/{one.name}"
                found[name] = _File(body, gzip.compress(body), _TYPES[suffix])
    return found


def is_built() -> bool:
    """Return whether this installation holds the front end."""
    return "index.html" in _built()


def policy(frames: tuple[str, ...] = ()) -> str:
    """Write the Content-Security-Policy of the page.

    Parameters
    ----------
    frames : tuple of str
        Origins whose pages may show it in a frame; none by default.

    Examples
    --------
    >>> "script-src 'self'" in policy(), "unsafe" in policy()
    (True, False)
    """
    allowed = " ".join(frames) or "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
        " connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none';"
        f" frame-ancestors {allowed}"
    )


def add_site(app: FastAPI, *, embed: tuple[str, ...] = ()) -> None:
    """Add the page at ``/``, the page for frames of other sites at ``/embed``, and its files.

    Parameters
    ----------
    app : FastAPI
    embed : tuple of str
        Origins that may show ``/embed``.
    """

    def page(request: Request) -> Response:
        return _page(request, ())

    def framed(request: Request) -> Response:
        return _page(request, embed) if embed else RedirectResponse("/", 307)

    app.add_route("/", page, methods=["GET"], include_in_schema=False)
    app.add_route("/embed", framed, methods=["GET"], include_in_schema=False)
    app.add_route("/assets/{name}", _asset, methods=["GET"], include_in_schema=False)


def _page(request: Request, frames: tuple[str, ...]) -> Response:
    headers = {
        "Content-Security-Policy": policy(frames),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    if not frames:
        headers["X-Frame-Options"] = "DENY"
    if not is_built():
        return HTMLResponse(_NOT_BUILT, headers=headers)
    return HTMLResponse(_built()["index.html"].plain, headers=headers)


def _asset(request: Request) -> Response:
    name = f"assets/{request.path_params['name']}"
    found = _built().get(name)
    if found is None:
        return Response("no such file", 404, media_type="text/plain")
    fixed = bool(re.search(r"-[\w-]{8}\.\w+$", name))
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
        "Cache-Control": "public, max-age=31536000, immutable" if fixed else "no-cache",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.packed, media_type=found.media, headers=headers)
    return Response(found.plain, media_type=found.media, headers=headers)
