"""The platform put together over a store of stations and the results of studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headwater
from headwater.alerts.rules import Rules
from headwater.errors import HeadwaterError
from headwater.network.store.protocol import Store

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from headwater.web.platform.oidc import Provider
    from headwater.web.platform.people import People

__all__ = ["Platform", "add_platform", "is_of_platform"]

_OWN = ("/api", "/assets", "/embed")


@dataclass(frozen=True, slots=True)
class Platform:
    """What is shown, and to whom.

    Attributes
    ----------
    people : People
    studies : sequence of Path
        Results folders.
    files : mapping of Path to Path
        Study files by their results folders, for those that have never been run; of the others
        the results themselves say which file they are of.
    rules : Rules or None
        That watch the stations.
    anonymous : bool
        Whether the own machine's browser may look without an account.
    embed : tuple of str
        Origins that may show the map in a frame.
    provider : Provider or None
        Of OpenID, that signs people in beside their passwords here.
    """

    people: People
    studies: Sequence[Path] = ()
    files: Mapping[Path, Path] = field(default_factory=dict)
    rules: Rules | None = None
    anonymous: bool = False
    embed: tuple[str, ...] = ()
    provider: Provider | None = None


def is_of_platform(path: str) -> bool:
    """Return whether an address is the platform's, which asks for accounts and not for keys.

    Examples
    --------
    >>> is_of_platform("/"), is_of_platform("/api/studies"), is_of_platform("/apiary")
    (True, True, False)
    """
    return path == "/" or any(path == own or path.startswith(f"{own}/") for own in _OWN)


def add_platform(app: FastAPI, store: Store, platform: Platform, *, public: str = "") -> None:
    """Add the platform to an application.

    Parameters
    ----------
    app : FastAPI
        As from :func:`headwater.web.create_app`.
    store : Store
        Of the stations.
    platform : Platform
    public : str
        Address under which the world sees it.
    """
    from fastapi.exceptions import RequestValidationError

    from headwater.web.platform.gate import House, SmallBodies
    from headwater.web.platform.plans import Plans
    from headwater.web.platform.pulse import Pulse
    from headwater.web.platform.runs import Runs
    from headwater.web.platform.site import add_site
    from headwater.web.platform.studies import Shelf

    shelf = Shelf(platform.studies, files=platform.files)
    runs = Runs(lambda: shelf.files)
    app.state.house = House(
        store=store,
        shelf=shelf,
        plans=Plans(lambda: shelf.places),
        people=platform.people,
        pulse=Pulse(store, lambda: f"{shelf.look()} {runs.going()}"),
        runs=runs,
        rules=platform.rules,
        anonymous=platform.anonymous,
        provider=platform.provider,
        public=public,
    )
    _add_addresses(app, platform)
    app.add_route("/api/openapi.json", _described, methods=["GET"])
    add_site(app, embed=platform.embed)
    app.add_middleware(SmallBodies)
    app.add_exception_handler(HeadwaterError, _refused)
    app.add_exception_handler(RequestValidationError, _misread)


def _add_addresses(app: FastAPI, platform: Platform) -> None:
    from headwater.web.platform import (
        api_alerts,
        api_oidc,
        api_plans,
        api_runs,
        api_session,
        api_sources,
        api_stations,
        api_studies,
        api_summary,
    )

    people_and_studies = (api_session, api_studies, api_summary, api_sources)
    for module in (*people_and_studies, api_runs, api_stations, api_alerts, api_plans):
        app.include_router(module.router)
    if platform.provider is not None:
        app.include_router(api_oidc.router)


def _described(request: Request) -> Response:
    from fastapi.openapi.utils import get_openapi
    from starlette.responses import JSONResponse

    found = get_openapi(
        title="Headwater platform",
        version=headwater.__version__,
        description="What the page in the browser asks for; SensorThings is at /v1.1.",
        routes=request.app.routes,
    )
    return JSONResponse(found)


async def _refused(request: Request, error: Any) -> Response:
    from headwater.web.platform.answers import answer_error

    return answer_error(request, error)


async def _misread(request: Request, error: Any) -> Response:
    from headwater.network.sensorthings.errors import WrongRequest
    from headwater.web.platform.answers import answer_error

    first = error.errors()[0]
    place = ".".join(str(part) for part in first.get("loc", ()))
    do = "See GET /api/openapi.json"
    return answer_error(
        request, WrongRequest(f"{place}: {first.get('msg', 'not understood')}", do=do)
    )
