"""Files of loggers by HTTP: ``POST /ingest`` takes what ``headwater network ingest`` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError, InputError
from headwater.network.entities import Written
from headwater.network.ingest.clocks import clock_doubts
from headwater.network.ingest.formats import format_of, read_file
from headwater.network.ingest.load import load_reading
from headwater.network.sensorthings.errors import (
    Forbidden,
    UnsupportedMedia,
    WrongRequest,
)
from headwater.network.sensorthings.messages import refusal
from headwater.network.store.protocol import now
from headwater.web.app import Authorise, everybody
from headwater.web.protocol import take_body

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from headwater.network.ingest.mapping import Mapping
    from headwater.network.ingest.parsed_file import Reading
    from headwater.network.store.protocol import Store

__all__ = ["add_push", "take_in"]

_FORMATS = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/geo+json": "geojson",
    "application/geo+json-seq": "geojson",
    "application/vnd.campbell.toa5": "toa5",
    "application/zip": "ismn",
}
_UNTOLD = ("", "application/octet-stream", "text/plain", "application/json")
_ZIP = b"PK\x03\x04"
_MOST_REFUSED = 100
"""Refused lines named in an answer."""


def add_push(
    app: FastAPI,
    store: Store,
    *,
    mapping: Mapping | None = None,
    authorise: Authorise = everybody,
    most: int = 32_000_000,
) -> None:
    """Add ``POST /ingest`` to an application.

    Parameters
    ----------
    app : FastAPI
        As from :func:`headwater.web.create_app`.
    store : Store
        Takes the observations.
    mapping : Mapping, optional
        What the columns of CSV mean, as in the file of ``headwater network init``; without it only
        GeoJSON and TOA5 are taken.
    authorise : callable
        As for :func:`headwater.web.create_app`; asked for the role ``write``.
    most : int
        Largest body [bytes].

    Notes
    -----
    The ``Content-Type`` names the format: ``text/csv``, ``application/geo+json`` or
    ``application/vnd.campbell.toa5``, ``application/zip`` (a download of the International Soil
    Moisture Network); of others name and content decide. ``?name=`` is what reports call the file,
    ``?zone=`` the zone of times without one. The answer is JSON:
    ``lines``, ``kept``, ``refused`` (the first 100, each with ``line`` and ``reason``),
    ``refused_count``, ``new``, ``changed``, ``known``, ``notes``. Sending the same again changes
    nothing. A bad line keeps no good one from coming; where no line could be kept the status is
    422, else 200.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse

    def serve(request: Request, body: bytes) -> Response:
        try:
            things = authorise(request, "write")
            reported = take_in(
                store,
                body,
                request.headers.get("content-type", ""),
                mapping=mapping,
                name=request.query_params.get("name", "")[:200],
                zone=request.query_params.get("zone") or None,
                things=things,
                actor=getattr(request.state, "actor", None),
            )
        except HeadwaterError as error:
            answer = refusal(error)
            return JSONResponse(answer.body, answer.status, dict(answer.headers))
        return JSONResponse(reported, 200 if reported["kept"] or not reported["lines"] else 422)

    async def push(request: Request) -> Response:
        try:
            body = await take_body(request, most, several="files")
        except HeadwaterError as error:
            answer = refusal(error)
            return JSONResponse(answer.body, answer.status, {"Connection": "close"})
        return await run_in_threadpool(serve, request, body)

    app.add_route("/ingest", push, methods=["POST"], include_in_schema=False)


def take_in(
    store: Store,
    body: bytes,
    content_type: str,
    *,
    mapping: Mapping | None = None,
    name: str = "",
    zone: str | None = None,
    things: frozenset[int] | None = None,
    actor: str | None = None,
) -> dict[str, Any]:
    """Read a file that was sent, and write what can be kept.

    Parameters
    ----------
    store : Store
    body : bytes
    content_type : str
        Names the format.
    mapping : Mapping, optional
        For CSV.
    name : str
        Of the file.
    zone : str, optional
        Of times without one, where the mapping names none.
    things : frozenset of int, optional
        Stations that may be written to; None for all, new ones included.
    actor : str, optional
        For the audit trail.

    Returns
    -------
    dict
        See :func:`add_push`.

    Raises
    ------
    UnsupportedMedia
        If the type is unknown, or CSV comes without a mapping.
    WrongRequest
        If the file cannot be read at all.
    Forbidden
        If it holds other stations than the key may write to; nothing is written then.
    """
    format = _format(content_type, body, name)
    if format == "csv" and mapping is None:
        do = "Start the service with a mapping file, or send GeoJSON or TOA5"
        raise UnsupportedMedia("columns of CSV could mean anything", found="no mapping", do=do)
    called = name or f"sent by {actor or 'somebody'}"
    # as on the command line, a mapping speaks of the format that it names
    used = mapping if mapping is not None and mapping.format == format else None
    try:
        reading = _read(body, used, format, called, zone)
    except InputError as error:
        raise WrongRequest(error.wrong, found=error.found, do=error.do) from None
    if things is not None:
        _insist(store, reading, things)
    loaded = load_reading(reading, store, actor=actor or "push") if reading.kept else None
    written = Written() if loaded is None else loaded.written
    doubts = clock_doubts(reading if loaded is None else loaded.reading, now())
    return {
        "lines": reading.lines,
        "kept": reading.kept,
        "refused": [
            {"line": one.line, "reason": one.reason} for one in reading.refused[:_MOST_REFUSED]
        ],
        "refused_count": len(reading.refused),
        "new": written.inserted,
        "changed": written.updated,
        "known": written.unchanged,
        "notes": [*reading.notes, *doubts],
    }


def _format(content_type: str, body: bytes, name: str) -> str:
    """Take the format from the type, or from name and beginning where the type says nothing."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _FORMATS:
        return _FORMATS[kind]
    if kind not in _UNTOLD:
        do = f"Send one of {', '.join(_FORMATS)}, or application/octet-stream"
        raise UnsupportedMedia("unknown type of file", found=kind[:100], do=do)
    if kind == "application/json" or body[:1] == b"{":
        return "geojson"
    return "ismn" if body[:4] == _ZIP else format_of(body, name=name)


def _read(
    body: bytes, mapping: Mapping | None, format: str, name: str, zone: str | None
) -> Reading:
    if body[:4] != _ZIP:
        return read_file(body, mapping, format=format, zone=zone, name=name)
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        archive = Path(folder) / "sent.zip"
        archive.write_bytes(body)
        return read_file(archive, mapping, format=format, zone=zone)


def _insist(store: Store, reading: Reading, things: frozenset[int]) -> None:
    """See that a key for some stations writes to these alone, and makes no new ones."""
    named = {item.thing for item in reading.series.values()} | set(reading.places)
    with store.transaction(read_only=True) as session:
        known = {
            name: session.rows("SELECT id FROM things WHERE name = ? ORDER BY id", (name,))
            for name in named
        }
    # the first of several with one name is the one that is written to
    strange = sorted(name for name, rows in known.items() if not rows or rows[0][0] not in things)
    if strange:
        raise Forbidden(
            "this key may not write to these stations",
            found=", ".join(strange)[:200],
            do="Send a file of your own stations alone",
        )
