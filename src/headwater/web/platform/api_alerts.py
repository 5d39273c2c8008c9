"""Alerts over HTTP: the inbox, who sees to what, silences, evidence, CAP files, rules."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from headwater.alerts.cap import CapAlert, CapArea, write_cap
from headwater.alerts.events import (
    Alert,
    acknowledge,
    add_silence,
    list_alerts,
    read_evidence,
    replay_store,
)
from headwater.alerts.rules import AlertRule
from headwater.network.inventory import Stream, list_series
from headwater.network.sensorthings.errors import NotFound
from headwater.network.store.protocol import Store, now
from headwater.network.times import iso
from headwater.web.platform.answers import answer_csv, answer_json
from headwater.web.platform.gate import Editor, Ranger, Viewer, house_of

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["alerts"])
_DEGREE = 0.02
"""Half the side of the square that a CAP message draws round a station [degrees]."""


class _Silence(BaseModel):
    reason: str = Field(min_length=3, max_length=500)
    hours: float = Field(gt=0, le=24 * 90)
    rule: str = Field("*", max_length=100)
    station: str = Field("*", max_length=200)


@router.get("/alerts", summary="Alerts, the newest first")
def _alerts(
    request: Request,
    person: Viewer,
    resolved: bool = True,
    format: Literal["json", "csv"] = "json",
) -> Response:
    store = house_of(request).store
    streams = _streams(store)
    found = [_as_json(one, streams) for one in list_alerts(store, open_only=not resolved, most=500)]
    if format == "csv":
        columns = tuple(found[0]) if found else ("key",)
        return answer_csv(request, "alerts", columns, [tuple(one.values()) for one in found])
    return answer_json(request, found)


def _streams(store: Store) -> dict[str, Stream]:
    with store.transaction(read_only=True) as session:
        return {str(one.id): one for one in list_series(session, derived=True)}


def _as_json(one: Alert, streams: dict[str, Stream]) -> dict[str, Any]:
    stream = streams.get(one.target)
    times = {
        name: None if value is None else iso(value)
        for name, value in (
            ("raised", one.raised),
            ("resolved", one.resolved),
            ("acknowledged", one.acknowledged),
        )
    }
    return {
        "key": one.key,
        "rule": one.rule,
        "state": one.state,
        "severity": one.severity,
        "headline": one.headline,
        "station": stream.thing if stream else "",
        "station_id": stream.thing_id if stream else None,
        "quantity": stream.role if stream else "",
        "depth": stream.depth if stream else None,
        **times,
        "acknowledged_by": one.acknowledged_by,
    }


def _one(store: Store, key: str) -> Alert:
    for one in list_alerts(store, open_only=False, most=100_000):
        if one.key == key:
            return one
    raise NotFound("no such alert", found=f"'{key[:100]}'", do="See GET /api/alerts")


@router.get("/alerts/one", summary="One alert with all its evidence, oldest first")
def _alert(
    request: Request, person: Viewer, key: Annotated[str, Query(max_length=300)]
) -> Response:
    store = house_of(request).store
    reported = _as_json(_one(store, key), _streams(store))
    return answer_json(request, {**reported, "evidence": read_evidence(store, key)})


@router.post("/alerts/acknowledge", summary="Say that I see to an alert")
def _acknowledge(
    request: Request, person: Ranger, key: Annotated[str, Query(max_length=300)]
) -> Response:
    house = house_of(request)
    found = acknowledge(house.store, key, person.name)
    house.people.note(person.name, "acknowledge", {"alert": key})
    return answer_json(request, _as_json(found, _streams(house.store)))


@router.get("/silences", summary="Silences that hold, and how they were reasoned")
def _silences(request: Request, person: Viewer) -> Response:
    with house_of(request).store.transaction(read_only=True) as session:
        rows = session.rows(
            "SELECT id, rule, station, reason, author, created, expires FROM alert_silences"
            " WHERE expires > ? ORDER BY expires",
            (now(),),
        )
    names = ("id", "rule", "station", "reason", "author", "created", "expires")
    reported = [dict(zip(names, row, strict=True)) for row in rows]
    return answer_json(
        request,
        [
            {**one, "created": iso(one["created"]), "expires": iso(one["expires"])}
            for one in reported
        ],
    )


@router.post("/silences", summary="Silence alerts by matcher, with a reason, for some hours")
def _silence(request: Request, given: _Silence, person: Ranger) -> Response:
    house = house_of(request)
    until = now() + int(given.hours * 3600e6)
    id = add_silence(
        house.store,
        reason=given.reason,
        until=until,
        rule=given.rule,
        station=given.station,
        by=person.name,
    )
    house.people.note(person.name, "silence", given.model_dump())
    return answer_json(request, {"id": id, "expires": iso(until)})


@router.get("/alerts/cap", summary="An alert as a CAP 1.2 file")
def _cap(request: Request, person: Viewer, key: Annotated[str, Query(max_length=300)]) -> Response:
    house = house_of(request)
    one = _one(house.store, key)
    stream = _streams(house.store).get(one.target)
    text = write_cap(_message(one, stream, _instruction(request, one.rule)))
    headers = {
        "Content-Disposition": 'attachment; filename="alert.cap.xml"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(text, media_type="application/cap+xml", headers=headers)


def _instruction(request: Request, rule: str) -> str:
    rules = house_of(request).rules
    found = next((one for one in rules.rule if one.name == rule), None) if rules else None
    return found.instruction if found else ""


def _message(one: Alert, stream: Stream | None, instruction: str) -> CapAlert:
    sent = dt.datetime.fromtimestamp(one.raised / 1e6, tz=dt.UTC).replace(microsecond=0)
    name = "hw-" + hashlib.sha256(f"{one.key}|{one.raised}".encode()).hexdigest()[:20]
    ring: tuple[tuple[float, float], ...] = ()
    if stream is not None and stream.longitude == stream.longitude:
        x, y, d = stream.longitude, stream.latitude, _DEGREE
        ring = ((x - d, y - d), (x + d, y - d), (x + d, y + d), (x - d, y + d))
    place = stream.thing if stream else one.target
    return CapAlert(
        identifier=name,
        sender="headwater@localhost",
        sent=sent,
        expires=sent + dt.timedelta(days=7),
        event="Soil water",
        headline=one.headline,
        description=f"Rule {one.rule}, event {one.event} at {place}.",
        area=CapArea(place, ring),
        instruction=instruction,
        severity=one.severity,  # type: ignore[arg-type]
        certainty="Observed",
    )


@router.get("/rules", summary="The rules that watch the stations")
def _rules(request: Request, person: Viewer) -> Response:
    rules = house_of(request).rules
    reported = [one.model_dump(mode="json") for one in rules.rule] if rules else []
    return answer_json(request, reported)


@router.post("/rules/try", summary="What a rule would have sent on all that the store holds")
def _try(request: Request, rule: AlertRule, person: Editor) -> Response:
    found = replay_store(house_of(request).store, rule)
    reported = [
        {"time": iso(one.time), "kind": one.kind, "event": one.event, "station": station}
        for station, one in found
    ]
    return answer_json(request, {"messages": reported[:1000], "count": len(reported)})
