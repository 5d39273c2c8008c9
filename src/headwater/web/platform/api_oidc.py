"""Signing in by an OpenID provider: away to it, and back with a session."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse

from headwater.errors import HeadwaterError
from headwater.network.sensorthings.errors import Forbidden, NotFound, TooMany
from headwater.web.origin import origin_of
from headwater.web.platform.gate import COOKIE, house_of, keep_session
from headwater.web.platform.oidc import NoRoleError, Provider, ProviderAwayError

__all__ = ["router"]

router = APIRouter(prefix="/api/oidc", tags=["people"])
_COOKIE = "headwater_oidc"
_PATH = "/api/oidc"
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_REFUSALS: dict[type[HeadwaterError], str] = {
    ProviderAwayError: "away",
    NoRoleError: "role",
    TooMany: "often",
}
"""What the page says of an error; of any other, that signing in has failed."""
_BACK = re.compile(r"#/[\w/?=&.,;:%+~-]{0,1500}", re.ASCII)


def _provider(request: Request) -> Provider:
    found = house_of(request).provider
    if found is None:
        raise NotFound("no OpenID provider signs people in here", do="Sign in with a password")
    return found


@router.get("/begin", summary="Go to the OpenID provider to sign in", status_code=303)
def _begin(request: Request, back: Annotated[str, Query(max_length=2000)] = "") -> RedirectResponse:
    house, provider = house_of(request), _provider(request)
    place = back if _BACK.fullmatch(back) else "#/map"  # a part of this page, never another one
    redirect = f"{origin_of(request, house.public)}{_PATH}/back"
    try:
        house.people.count_try(request.client.host if request.client else "")
        address, key = provider.begin(redirect, place)
    except (ProviderAwayError, TooMany) as error:
        return _refused(request, error)
    answer = RedirectResponse(address, 303, headers=_HEADERS)
    answer.set_cookie(
        _COOKIE,
        key,
        max_age=600,
        httponly=True,
        samesite="lax",
        secure=redirect.startswith("https:"),
        path=_PATH,
    )
    return answer


@router.get("/back", summary="Come back from the OpenID provider", status_code=303)
def _back(
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
) -> RedirectResponse:
    house, provider = house_of(request), _provider(request)
    try:
        pending = provider.take(state, request.cookies.get(_COOKIE, ""))
        if not code:
            raise Forbidden("the provider signed nobody in", do="Sign in again")
        known = provider.finish(pending, code)
        session = house.people.welcome(known.subject, known.name, known.role)
    except HeadwaterError as error:
        return _refused(request, error)
    house.people.sign_out(request.cookies.get(COOKIE, ""))  # whatever the browser brought
    answer = RedirectResponse(f"/{pending.back}", 303, headers=_HEADERS)
    keep_session(answer, session, secure=pending.redirect.startswith("https:"))
    answer.delete_cookie(_COOKIE, path=_PATH)
    return answer


def _refused(request: Request, error: HeadwaterError) -> RedirectResponse:
    """Go back to the page, which says in its own words what went wrong."""
    house_of(request).people.note(
        "", "sign-in refused", {"wrong": error.wrong, "found": error.found}
    )
    why = next((word for kind, word in _REFUSALS.items() if isinstance(error, kind)), "failed")
    return RedirectResponse(f"/#/map?refused={quote(why)}", 303, headers=_HEADERS)
