"""Runs over HTTP: start one, follow it, stop it, and give it a new table of samples."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from headwater.web.body import take_body
from headwater.web.platform.answers import answer_json
from headwater.web.platform.gate import Editor, Viewer, house_of
from headwater.web.platform.sample_upload import replace_samples

__all__ = ["router"]

router = APIRouter(prefix="/api/studies", tags=["runs"])
_LARGEST = 16_000_000
"""Largest table of samples that is taken [bytes]."""


@router.get("/{study}/run", summary="How far the last run has come that was started here")
def _progress(request: Request, study: str, person: Viewer) -> Response:
    house = house_of(request)
    house.shelf.study(study)
    found = house.runs.progress(study)
    reported = {"may_run": house.runs.may_run(study), "last": asdict(found) if found else None}
    return answer_json(request, reported)


@router.post("/{study}/run", summary="Run a study; what nothing has changed for is kept")
def _start(request: Request, study: str, person: Editor) -> Response:
    house = house_of(request)
    house.shelf.study(study)
    found = house.runs.start(study, by=person.name)
    house.people.note(person.name, "run", {"study": study})
    return answer_json(request, asdict(found))


@router.delete("/{study}/run", summary="Stop a run; its finished steps stay")
def _stop(request: Request, study: str, person: Editor) -> Response:
    house = house_of(request)
    house.runs.stop(study)
    house.people.note(person.name, "run stopped", {"study": study})
    return answer_json(request, {})


@router.put("/{study}/samples", summary="Replace the table of samples, after it was checked")
async def _samples(
    request: Request, study: str, person: Editor, name: Annotated[str, Query(max_length=200)]
) -> Response:
    house = house_of(request)
    file = house.runs.file(study)
    body = await take_body(request, _LARGEST, several="tables")
    said = await run_in_threadpool(replace_samples, file, body, name)
    house.people.note(person.name, "samples", {"study": study, "file": name, "bytes": len(body)})
    return answer_json(request, {"lines": said})
