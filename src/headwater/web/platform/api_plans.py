"""Work plans over HTTP: what is to be done where, and who approves or declines it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from headwater.errors import HeadwaterError
from headwater.network.sensorthings.errors import NotFound
from headwater.restoration.plan import Plan
from headwater.web.platform.answers import answer_csv, answer_json
from headwater.web.platform.gate import Editor, House, Ranger, Viewer, house_of, needs
from headwater.web.platform.grid import Grid
from headwater.web.platform.plans import add_unit

__all__ = ["router"]

router = APIRouter(prefix="/api/plans", tags=["plan"])
_CALENDAR = (
    *("band", "elevation", "aspect", "work", "start_early", "start_median", "start_late"),
    *("opens", "latest_beginning", "deadline", "closes_dry", "enough_days", "extrapolated"),
)
_OF_EDITORS = ("approved", "declined", "draft")


class _Move(BaseModel):
    units: list[str] = Field(min_length=1, max_length=10_000)
    state: Literal["draft", "proposed", "approved", "declined", "done"]
    comment: str = Field("", max_length=2000)


class _Drawn(BaseModel):
    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f<>]+$")
    grade: Literal["", "none", "light", "moderate", "heavy", "severe"] = ""
    corners: list[tuple[float, float]] = Field(min_length=3, max_length=500)


@router.get("", summary="All plans, with how many of their units stand in which state")
def _plans(request: Request, person: Viewer) -> Response:
    house = house_of(request)
    return answer_json(request, [_card(house, name) for name in house.plans.names])


def _card(house: House, name: str) -> dict[str, Any]:
    try:
        plan = house.plans.read(name)
    except HeadwaterError as error:
        return {"id": name, "problem": str(error)}
    states: dict[str, int] = {}
    for line in plan.lines:
        states[line.state] = states.get(line.state, 0) + 1
    return {"id": name, "year": plan.year, "units": len(plan.lines), "states": states}


@router.get("/{plan}", summary="One plan: units with their outlines, history and measures")
def _plan(
    request: Request,
    plan: str,
    person: Viewer,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response:
    house = house_of(request)
    found = house.plans.read(plan)
    rows = {language: house.plans.table(plan, language) for language in ("en", "zh")}
    if format == "csv":
        columns = list(rows["en"][0]) if rows["en"] else ["unit"]
        return answer_csv(request, f"{plan}-plan", columns, [list(r.values()) for r in rows["en"]])
    grid = house.shelf.study(plan).grid
    units = [_unit(line, grid) for line in found.lines]
    calendar = _calendar(house.shelf.places[plan], found)
    return answer_json(
        request, {**_card(house, plan), "lines": units, "rows": rows, "calendar": calendar}
    )


def _calendar(results: Path, plan: Plan) -> list[dict[str, Any]]:
    """Read the calendar by altitude band, its days as days of the year; empty without one."""
    try:
        table = pd.read_csv(results / "restoration" / "calendar.csv")
    except (OSError, ValueError):
        return []
    held = table[[one for one in _CALENDAR if one in table]].round(1)
    rows = held.astype(object).where(held.notna(), None).to_dict("records")
    names = {work: [plan.text(work)[one] for one in ("en", "zh")] for work in table["work"]}
    return [{**{str(k): v for k, v in row.items()}, "name": names[row["work"]]} for row in rows]


def _unit(line: Any, grid: Grid | None) -> dict[str, Any]:
    return {
        "name": line.unit.name,
        "hectares": line.unit.hectares,
        "grade": line.unit.site.grade,
        "elevation": line.unit.site.elevation,
        "priority": line.priority,
        "state": line.state,
        "field_visit_first": line.advice.field_visit_first,
        "history": [list(step) for step in line.history],
        "rings": _rings(grid, line.unit.outline) if grid is not None else [],
    }


def _rings(grid: Grid, outline: Any) -> list[Any]:
    """Outlines of a unit in the picture of its study, in cells."""
    if outline is None or outline.is_empty:
        return []
    parts = getattr(outline, "geoms", [outline])
    rings = [ring.coords for part in parts for ring in (part.exterior, *part.interiors)]
    return [grid.to_picture([p[0] for p in ring], [p[1] for p in ring]).tolist() for ring in rings]


@router.post("/{study}/units", summary="Add a drawn unit to a study; its next run plans for it")
def _draw(request: Request, study: str, given: _Drawn, person: Editor) -> Response:
    house = house_of(request)
    file, grid = house.runs.file(study), house.shelf.study(study).grid
    if grid is None:
        raise NotFound("this study has no map yet", do="Wait until its first step has finished")
    facts = {"name": given.name, **({"grade": given.grade} if given.grade else {})}
    count = add_unit(file, grid, given.corners, facts)
    house.people.note(person.name, "unit", {"study": study, **given.model_dump()})
    return answer_json(request, {"units": count})


@router.post("/{plan}/moves", summary="Propose, approve, decline or finish units of a plan")
def _move(request: Request, plan: str, given: _Move, person: Ranger) -> Response:
    if given.state in _OF_EDITORS:
        person = needs("editor")(request)
    house = house_of(request)
    moved: Plan = house.plans.move(
        plan, tuple(given.units), given.state, person=person.name, comment=given.comment
    )
    house.people.note(person.name, "plan", {"plan": plan, **given.model_dump()})
    return answer_json(request, {"id": plan, "units": len(moved.lines)})
