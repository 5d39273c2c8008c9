"""The web application: SensorThings under ``/v1.1`` and, to read, ``/v2.0``.

Any refusal is JSON with a sentence.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError
from headwater.network.sensorthings import Service
from headwater.network.sensorthings.context import Limits
from headwater.network.sensorthings.messages import Answer, Call, Permit, Role, refusal
from headwater.network.sensorthings.service_2 import answer_2
from headwater.web.description import describe
from headwater.web.origin import origin_of
from headwater.web.protocol import take_body

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from headwater.network.store.protocol import Store

__all__ = ["Authorise", "create_app", "everybody"]

#: Raises a refusal where the client may not do this; returns the things it may write to, None for
#: all; may set ``request.state.actor``, which goes into the audit trail.
Authorise = Callable[["Request", Role], frozenset[int] | None]

_Answering = Callable[[Call, Permit], Answer]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_LOG = logging.getLogger("headwater.web")


def everybody(request: Request, role: Role) -> frozenset[int] | None:
    """Let everybody read and write: for one's own machine, not for a network."""
    return None


def create_app(
    store: Store,
    *,
    limits: Limits | None = None,
    authorise: Authorise = everybody,
    public: str = "",
    mqtt: str = "",
) -> FastAPI:
    """Build the application over an open store.

    Parameters
    ----------
    store : Store
        Stays open; whoever opened it closes it.
    limits : Limits, optional
        Page sizes and the largest body.
    authorise : callable
        Called for each request with the role it needs, ``read`` or ``write``.
    public : str
        Address under which the world sees the application, such as ``https://water.example.org``;
        default: where its connection arrived, see :mod:`headwater.web.origin`.
    mqtt : str
        Broker, such as ``mqtt://localhost:1883``; observations are created and announced through
        it while the application runs.

    Returns
    -------
    FastAPI
        ``app.state.service`` is its :class:`~headwater.network.sensorthings.Service`.
    """
    from fastapi import FastAPI
    from starlette.exceptions import HTTPException

    brokers = (mqtt,) if mqtt else ()
    service = Service(store, limits=limits or Limits(), mqtt=brokers)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        if not mqtt:
            yield
            return
        from headwater.network.sensorthings.mqtt import bridge

        async with bridge(service, mqtt, root=f"{public.rstrip('/')}/v1.1" if public else ""):
            yield

    app = FastAPI(
        title="Headwater observation network",
        description="OGC SensorThings API Part 1: Sensing, version 1.1",
        lifespan=running,
        docs_url=None,  # its pages would be fetched from elsewhere
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    endpoint = _endpoint(service, authorise, public, "v1.1", service.answer)
    later = _endpoint(service, authorise, public, "v2.0", partial(answer_2, service))
    app.add_route("/v1.1", endpoint, methods=_METHODS, include_in_schema=False)
    app.add_route("/v1.1/openapi.json", _described(service), methods=["GET"])
    app.add_route("/v1.1/{path:path}", endpoint, methods=_METHODS, include_in_schema=False)
    app.add_route("/v2.0", later, methods=_METHODS, include_in_schema=False)
    app.add_route("/v2.0/{path:path}", later, methods=_METHODS, include_in_schema=False)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)
    return app


def _endpoint(
    service: Service, authorise: Authorise, public: str, version: str, answering: _Answering
) -> Any:
    from starlette.concurrency import run_in_threadpool

    async def endpoint(request: Request) -> Response:
        try:
            root = f"{origin_of(request, public)}/{version}"
            body = await take_body(request, service.limits.body, several="requests")
        except HeadwaterError as error:
            return _response(refusal(error))
        return await run_in_threadpool(_serve, answering, authorise, request, root, body)

    return endpoint


def _serve(
    answering: _Answering, authorise: Authorise, request: Request, root: str, body: bytes
) -> Response:
    path = request.path_params.get("path", "")
    batch = path.strip("/") == "$batch"
    role: Role = "read" if batch or request.method in ("GET", "HEAD") else "write"
    known: dict[Role, frozenset[int] | None] = {}

    def permit(needed: Role) -> frozenset[int] | None:
        if needed not in known:
            known[needed] = authorise(request, needed)
        return known[needed]

    try:
        permit(role)
    except HeadwaterError as error:
        return _response(refusal(error))
    call = Call(
        method=request.method,
        path=path,
        query=request.scope["query_string"].decode("latin-1"),
        body=body,
        content_type=request.headers.get("content-type", ""),
        root=root,
        actor=getattr(request.state, "actor", None),
    )
    return _response(answering(call, permit))


def _response(answer: Answer) -> Response:
    from starlette.responses import Response

    content = answer.body
    if content is not None and not isinstance(content, str | bytes):
        content = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    elif isinstance(content, str) and answer.media == "application/json":
        content = json.dumps(content, ensure_ascii=False).encode()
    media = None if content is None else answer.media
    return Response(content, answer.status, answer.headers, media)


def _described(service: Service) -> Any:
    from starlette.responses import JSONResponse

    async def described(request: Request) -> Response:
        return JSONResponse(describe(service.limits))

    return described


async def _refused(request: Request, error: Any) -> Response:
    status = int(error.status_code)
    sentence = {404: "no such address", 405: "this address does not take the method"}
    message = f"{sentence.get(status, str(error.detail))}. The service is under /v1.1."
    headers = dict(error.headers or {})
    return _response(Answer(status, {"code": status, "type": "error", "message": message}, headers))


async def _failed(request: Request, error: Exception) -> Response:
    _LOG.exception("request failed: %s %s", request.method, request.url.path, exc_info=error)
    message = "The service has failed at this; its log says why."
    return _response(Answer(500, {"code": 500, "type": "error", "message": message}))
