"""Signing in and out, accounts, and the audit trail."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from headwater.web.origin import origin_of
from headwater.web.platform.answers import answer_json
from headwater.web.platform.gate import (
    COOKIE,
    Admin,
    house_of,
    insist_on_own_page,
    keep_session,
    needs,
    session_of,
)
from headwater.web.platform.people import NOBODY
from headwater.web.security import is_local

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["people"])


class _SignIn(BaseModel):
    name: str = Field(max_length=100)
    password: str = Field(max_length=1000)


class _Account(BaseModel):
    name: str = Field(max_length=100)
    password: str = Field(max_length=1000)
    role: Literal["viewer", "ranger", "editor", "admin"]


@router.get("/session", summary="Who I am, and the token that changes need")
def _who(request: Request) -> Response:
    house, session = house_of(request), session_of(request)
    looks = house.anonymous and is_local(request.headers.get("host", ""))
    person = session.person if session else NOBODY if looks else None
    return answer_json(
        request,
        {
            "name": person.name if person else None,
            "role": person.role if person else None,
            "token": session.token if session else None,
            "anonymous": looks,
            "provider": house.provider.label if house.provider else None,
        },
    )


@router.post("/session", summary="Sign in")
async def _sign_in(request: Request, given: _SignIn) -> Response:
    insist_on_own_page(request)
    house = house_of(request)
    address = request.client.host if request.client else ""
    before = request.cookies.get(COOKIE, "")
    session = await run_in_threadpool(house.people.sign_in, given.name, given.password, address)
    if before:  # whatever key the browser brought is worth nothing from now on
        await run_in_threadpool(house.people.sign_out, before)
    reported = {"name": session.person.name, "role": session.person.role, "token": session.token}
    answer = answer_json(request, reported)
    # behind a proxy that ends TLS the request itself comes by http
    secure = origin_of(request, house.public).startswith("https:")
    keep_session(answer, session, secure=secure)
    return answer


@router.delete("/session", summary="Sign out")
def _sign_out(request: Request) -> Response:
    needs("viewer")(request)
    house_of(request).people.sign_out(request.cookies.get(COOKIE, ""))
    answer = answer_json(request, {})
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/people", summary="Accounts")
def _people(request: Request, person: Admin) -> Response:
    found = house_of(request).people.listed()
    return answer_json(request, [{"name": one.name, "role": one.role} for one in found])


@router.post("/people", summary="Make an account, or give one a new password and role")
def _add(request: Request, given: _Account, person: Admin) -> Response:
    house_of(request).people.add(given.name, given.password, given.role, by=person.name)
    return answer_json(request, {})


@router.delete("/people/{name}", summary="Take an account away")
def _remove(request: Request, name: str, person: Admin) -> Response:
    house_of(request).people.remove(name, by=person.name)
    return answer_json(request, {})


@router.get("/audit", summary="Who did what, the newest first")
def _audit(request: Request, person: Admin) -> Response:
    return answer_json(request, house_of(request).people.audit())
