"""Runs over HTTP: start one, follow it, stop it, and give it a new table of samples."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import threading
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from headwater.errors import DataError, InputError
from headwater.web.platform.answers import answer_json
from headwater.web.platform.gate import Editor, Viewer, house_of
from headwater.web.protocol import take_body

__all__ = [
    "replace_samples",
    "router",
]

router = APIRouter(prefix="/api/studies", tags=["runs"])
_LARGEST = 16_000_000
"""Largest table of samples that is taken [bytes]."""
_LOCK = threading.Lock()
_TABLE = re.compile(r"^\s*\[samples\][^\n]*\n(?P<body>(?:(?!^\s*\[).*\n?)*)", re.MULTILINE)
_PATH = re.compile(r"""^(?P<key>\s*path\s*=\s*)(?:"[^"\n]*"|'[^'\n]*')""", re.MULTILINE)


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


def replace_samples(file: Path, body: bytes, name: str) -> list[str]:
    """Exchange the table of samples of a study, if the study passes its check with the new one.

    Parameters
    ----------
    file : Path
        The study file.
    body : bytes
        The new table.
    name : str
        That the sender gave it; only its suffix counts.

    Returns
    -------
    list of str
        What the check of the study says of the new table.

    Raises
    ------
    InputError
        If the study reads no samples, or a table of another kind.
    DataError
        With what the check found; then nothing has changed.

    Notes
    -----
    The table it replaces stays next to it, named ``….before``.
    """
    target = _target(file)
    if Path(name).suffix.lower() != target.suffix.lower():
        raise InputError(
            "a table of another kind than the study reads",
            found=f"'{name[:80]}'",
            do=f"Save it as {target.suffix}, as {target.name} is",
        )
    with _LOCK:
        new = target.with_name(f".{secrets.token_hex(6)}{target.suffix}")
        trial = file.with_name(f".{secrets.token_hex(6)}.toml")
        try:
            new.write_bytes(body)
            trial.write_text(_pointed(file, new), encoding="utf-8")
            said = _checked(trial, file, new, name)
            if target.exists():
                old = target.with_name(f"{target.name}.before")
                old.write_bytes(target.read_bytes())
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
            trial.unlink(missing_ok=True)
    return said


def _target(file: Path) -> Path:
    table = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("samples", {})
    if not isinstance(table.get("path"), str):
        raise InputError(
            "this study reads no samples",
            found=file.name,
            do="Add a table [samples] with a path to the study file",
        )
    found: Path = (file.parent / table["path"]).resolve()
    if not found.is_relative_to(file.parent.resolve()):
        raise InputError(
            "the samples of this study lie outside of its folder",
            found=found.name,
            do="Exchange that file where it is kept",
        )
    return found


def _pointed(file: Path, table: Path) -> str:
    """Write the study with another path of samples."""
    text = file.read_text(encoding="utf-8-sig")
    found = _TABLE.search(text)
    path = os.path.relpath(table, file.parent).replace(os.sep, "/")
    if found is not None:
        body, n = _PATH.subn(rf'\g<key>"{path}"', found["body"], count=1)
        if n:
            start, end = found.span("body")
            return text[:start] + body + text[end:]
    raise InputError(
        "the path of the samples cannot be found in the study file",
        found=file.name,
        do="Write it as path = in a table [samples] of its own",
    )


def _checked(trial: Path, file: Path, new: Path, name: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "headwater", "check", str(trial)],
        cwd=file.parent,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
    )
    lines = (done.stdout + done.stderr).splitlines()
    home = f"{file.parent}{os.sep}"
    plain = [
        one.replace(home, "").replace(new.name, name[:80]).replace(trial.name, file.name)
        for one in lines
    ]
    if done.returncode:
        raise DataError(
            "the study does not pass its check with this table",
            found="\n".join(plain[-20:]),
            do="Correct the table and send it again; nothing has been changed",
        )
    first = next((k for k, one in enumerate(plain) if one.startswith("Samples:")), 0)
    return [one for one in plain[first:] if not one.startswith("No problems")]
