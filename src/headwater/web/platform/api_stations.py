"""Stations over HTTP: health, latest values, series with their flags, and what changes, live."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from headwater.network.inventory import Stream, list_series
from headwater.network.quality.flags import STATES, Flag, bits_of, reasons
from headwater.network.sensorthings.errors import NotFound
from headwater.network.store.protocol import Store
from headwater.network.times import DAY, iso
from headwater.web.live_page import SeriesView, StationView, look
from headwater.web.platform.answers import answer_csv, answer_json, numbers
from headwater.web.platform.gate import Viewer, house_of

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["stations"])
_MOST_STATIONS = 1000
_MOST_POINTS = 20_000


@router.get("/stations", summary="All stations: place, health, latest values with their flags")
def _stations(
    request: Request, person: Viewer, study: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    house = house_of(request)
    views = _all(house.store)
    with house.store.transaction(read_only=True) as session:
        streams = {one.id: one for one in list_series(session, virtual=True)}
    grid = house.shelf.study(study).grid if study else None
    reported = [_station(view, streams) for view in views]
    for one in reported:
        known = grid is not None and one["longitude"] is not None
        if grid is not None and known:
            at = grid.to_picture(one["longitude"], one["latitude"])[0]
            one["column"], one["row"] = float(at[0]), float(at[1])
    return answer_json(request, reported)


def _all(store: Store) -> list[StationView]:
    views: list[StationView] = []
    after: int | None = 0
    while after is not None and len(views) < _MOST_STATIONS:
        board = look(store, after=after)
        views += board.stations
        after = board.after
    return views


def _station(view: StationView, streams: dict[int, Stream]) -> dict[str, Any]:
    own = [streams[one.id] for one in view.series if one.id in streams]
    placed = next((one for one in own if np.isfinite(one.longitude)), None)
    return {
        "id": view.id,
        "name": view.name,
        "description": view.description,
        "longitude": placed.longitude if placed else None,
        "latitude": placed.latitude if placed else None,
        "elevation": placed.elevation if placed and np.isfinite(placed.elevation) else None,
        "health": _health(view),
        "series": [_shown(one, streams.get(one.id)) for one in view.series],
    }


def _health(view: StationView) -> str:
    """Say the worst that is true of a station: silent, doubtful, good, or nothing yet."""
    kinds = [one.kind for one in view.series]
    for kind in ("silent", "doubt"):
        if kind in kinds:
            return kind
    known = any(kind in {"good", "state", "unchecked"} for kind in kinds)
    return "good" if known else "none"


def _shown(one: SeriesView, stream: Stream | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "role": stream.role if stream else "",
        "depth": stream.depth if stream else None,
        "value": one.value,
        "unit": one.unit,
        "time": one.when,
        "received": one.received,
        "kind": one.kind,
        "quality": one.quality,
        "brief": one.brief,
    }


def _streams_of(store: Store, station: int) -> list[Stream]:
    with store.transaction(read_only=True) as session:
        found = [one for one in list_series(session, virtual=True) if one.thing_id == station]
    if not found:
        raise NotFound("no such station, or one without series", found=str(station))
    return found


@router.get("/stations/{station}/series", summary="All series of a station, with flags")
def _series(
    request: Request,
    station: int,
    person: Viewer,
    days: Annotated[float, Query(gt=0, le=4000)] = 30.0,
    format: Literal["json", "csv"] = "json",
) -> Response:
    store = house_of(request).store
    streams = _streams_of(store, station)
    newest = max((one.last for one in streams if one.last is not None), default=None)
    if newest is None:
        return answer_json(request, {"name": streams[0].thing, "series": [], "step": "as sent"})
    start = newest - round(days * DAY)
    often = max(one.count for one in streams) > _MOST_POINTS and days > 60
    reported = [_points(store, one, start, newest + 1, daily=often) for one in streams]
    step = "daily means" if often else "as sent"
    if format == "csv":
        rows = [
            (iso(int(1e6 * at)), one["name"], one["depth"], value, one["unit"], flag)
            for one in reported
            for at, value, flag in zip(one["times"], one["values"], one["flags"], strict=True)
        ]
        columns = ("time (UTC)", "series", "depth [m]", "value", "unit", "flag")
        return answer_csv(request, streams[0].thing, columns, rows)
    return answer_json(request, {"name": streams[0].thing, "series": reported, "step": step})


def _points(store: Store, one: Stream, start: int, end: int, *, daily: bool) -> dict[str, Any]:
    about = {"id": one.id, "name": one.name, "role": one.role, "unit": one.unit, "depth": one.depth}
    if daily:
        means = store.daily_means([one.id], start, end)
        days = np.asarray(means.day, dtype=np.int64) // 1_000_000
        words = [""] * len(days)
        return {**about, "times": days, "values": numbers(means.mean), "flags": words}
    held = store.read([one.id], start, end)
    step = -(-len(held) // _MOST_POINTS) if len(held) else 1
    bits = bits_of(held.quality, len(held))[::step]
    times = held.time[::step] // 1_000_000
    flags = [_flag(int(b)) for b in bits]
    return {**about, "times": times, "values": numbers(held.result[::step]), "flags": flags}


def _flag(bits: int) -> str:
    """Say in one word how a value stands: good, state (frozen, thawing), doubt, or unchecked."""
    if bits < 0 or bits & int(Flag.UNCHECKED):
        return "unchecked"
    if bits == 0:
        return "good"
    if bits & ~int(STATES):
        return "doubt: " + "; ".join(reasons(bits & ~int(STATES)))
    return "frozen" if bits & int(Flag.FROZEN) else "thawing"


@router.get("/events", summary="Server-sent events: a line whenever observations or alerts change")
def _events(request: Request, person: Viewer) -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    watched = house_of(request).pulse.watch()
    return StreamingResponse(watched, media_type="text/event-stream", headers=headers)
