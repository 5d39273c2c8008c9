"""Plans as files: GeoJSON that any map program opens, changed under a lock and never half-written.

Every change reads the file, makes a new plan and puts it in the old one's place by rename; a crash
leaves the old file or the new one. Two people who change one plan wait for each other.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from headwater.errors import InputError, ResumeError
from headwater.restoration.earthwork_design import EarthworkDesign
from headwater.restoration.measures import Advice, Site
from headwater.restoration.plan import STATES, Plan, PlanLine, State, Work, move_line
from headwater.restoration.units import Unit

__all__ = [
    "change_plan",
    "keep_evaluation",
    "load_plan",
    "locked",
    "merge_plan",
    "plan_as_json",
    "plan_from_json",
    "save_plan",
]

FORMAT = 1
"""Version of the file."""


def save_plan(plan: Plan, path: str | Path) -> Path:
    """Write a plan whole: under a temporary name, flushed to the disk, then renamed.

    Parameters
    ----------
    plan : Plan
    path : str or Path
        ``.geojson``.

    Returns
    -------
    Path

    Raises
    ------
    ResumeError
        If it cannot be written; an older plan is then still there.
    """
    target = Path(path)
    temporary = target.with_name(f".writing-{os.getpid()}-{target.name}")
    text = json.dumps(plan_as_json(plan), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise ResumeError(
            "the plan cannot be written", found=str(error), do="Choose another place"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def load_plan(path: str | Path) -> Plan:
    """Read a plan.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If there is none, or the file is not a plan.
    """
    source = Path(path)
    try:
        return plan_from_json(json.loads(source.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(
            "there is no plan",
            found=str(source),
            do="Make one with `headwater plan make study.toml`, or name another with --plan",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{source} is no plan of Headwater",
            found=f"{type(error).__name__}: {error}"[:200],
            do="Give the file that headwater plan make wrote",
        ) from error


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold the lock of a plan, so that a change is made by one process at a time.

    Parameters
    ----------
    path : str or Path
        Of the plan.
    """
    from filelock import FileLock, Timeout

    lock = Path(path).with_name(f".{Path(path).name}.lock")
    try:
        with FileLock(lock, timeout=30):
            yield
    except Timeout as error:
        raise ResumeError(
            "somebody else is changing the plan", found=str(lock), do="Try again in a minute"
        ) from error


def change_plan(
    path: str | Path,
    units: str | tuple[str, ...],
    state: State,
    *,
    person: str,
    comment: str = "",
    time: str | None = None,
) -> Plan:
    """Move lines of a plan file on; all of them or none.

    Parameters
    ----------
    path : str or Path
    units : str or tuple of str
        Their names.
    state : str
        Where to: proposed, approved, declined, done, draft.
    person : str
        Who does it.
    comment : str
        Needed to decline, and to approve where a field visit must come first.
    time : str, optional
        ISO 8601; default: now.

    Returns
    -------
    Plan

    Raises
    ------
    StudyError
        If a unit is unknown, a step is not allowed, or lacks its person or comment.
    InputError
        If there is no plan.
    """
    stamp = time or dt.datetime.now().astimezone().isoformat(timespec="seconds")
    names = (units,) if isinstance(units, str) else units
    with locked(path):
        plan = load_plan(path)
        for name in names:
            moved = move_line(plan.line(name), state, person=person, time=stamp, comment=comment)
            plan = plan.with_line(moved)
        save_plan(plan, path)
    return plan


def keep_evaluation(
    path: str | Path,
    found: Mapping[str, Mapping[str, float | str]],
    *,
    person: str,
    time: str | None = None,
) -> Plan:
    """Keep what was found after the work, and move its lines to evaluated.

    Parameters
    ----------
    path : str or Path
    found : mapping of str to mapping
        By unit: of :func:`headwater.restoration.evaluate_plan`.
    person : str
    time : str, optional
        ISO 8601; default: now.

    Returns
    -------
    Plan
    """
    stamp = time or dt.datetime.now().astimezone().isoformat(timespec="seconds")
    with locked(path):
        plan = load_plan(path)
        for name, evaluation in found.items():
            words = str(evaluation.get("statement", ""))
            line = move_line(plan.line(name), "evaluated", person=person, time=stamp, comment=words)
            plan = plan.with_line(replace(line, evaluation=dict(evaluation)))
        save_plan(plan, path)
    return plan


def merge_plan(old: Plan | None, new: Plan, *, time: str) -> Plan:
    """Take new advice into a plan that people have worked on.

    Parameters
    ----------
    old : Plan or None
        The plan that there is.
    new : Plan
        Of drafts.
    time : str
        ISO 8601.

    Returns
    -------
    Plan
        Lines that nobody has moved are those of `new`. Lines that somebody has moved keep advice,
        state and history; where the advice would now be another, the history says so. Moved lines
        of units that `new` lacks are kept at the end.
    """
    if old is None:
        return new
    moved = {line.unit.name: line for line in old.lines if line.history}
    lines = [_kept(moved.pop(line.unit.name, None), line, time) for line in new.lines]
    texts = {**old.texts, **new.texts}
    return replace(new, lines=(*lines, *moved.values()), texts=texts)


def _kept(before: PlanLine | None, line: PlanLine, time: str) -> PlanLine:
    if before is None:
        return line
    same = before.advice.measures == line.advice.measures
    words = f"new advice: {', '.join(line.advice.measures) or 'nothing'}"
    said = any(step[3] == words for step in before.history)
    if same or said:
        return before
    note = (time, "Headwater", before.state, words)
    return replace(before, history=(*before.history, note))


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Give a plan as GeoJSON: a feature for each unit, what is missing as null.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    dict
    """
    return {
        "type": "FeatureCollection",
        "headwater_plan": FORMAT,
        "year": plan.year,
        "profile": plan.profile,
        "measures": {name: dict(text) for name, text in plan.texts.items()},
        "features": [_feature(line) for line in plan.lines],
    }


def plan_from_json(raw: Mapping[str, Any]) -> Plan:
    """Make a plan of its GeoJSON.

    Parameters
    ----------
    raw : mapping

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If it is no plan, or one of a later version.
    """
    if raw.get("headwater_plan") != FORMAT:
        raise InputError(
            "no plan of this version of Headwater",
            found=f"version {raw.get('headwater_plan')}",
            do="Make it anew, or use the version that wrote it",
        )
    lines = tuple(_line(feature) for feature in raw["features"])
    return Plan(lines, int(raw["year"]), str(raw["profile"]), dict(raw.get("measures", {})))


def _feature(line: PlanLine) -> dict[str, Any]:
    import shapely

    unit = line.unit
    outline = None if unit.outline is None else shapely.geometry.mapping(unit.outline)
    own = {
        "name": unit.name,
        "hectares": unit.hectares,
        "coming_water": unit.coming_water,
        "aspect": unit.aspect,
        "amounts": dict(unit.amounts),
        "site": asdict(unit.site),
        "advice": asdict(line.advice),
        "priority": line.priority,
        "works": [asdict(work) for work in line.works],
        "state": line.state,
        "history": [list(step) for step in line.history],
        "evaluation": None if line.evaluation is None else dict(line.evaluation),
    }
    return {"type": "Feature", "geometry": outline, "properties": _plain(own)}


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _line(feature: Mapping[str, Any]) -> PlanLine:
    import shapely

    own = feature["properties"]
    outline = feature["geometry"]
    if own["state"] not in STATES:
        raise ValueError(f"state '{own['state']}'")
    advice = own["advice"]
    return PlanLine(
        unit=Unit(
            name=own["name"],
            outline=None if outline is None else shapely.geometry.shape(outline),
            hectares=own["hectares"],
            site=Site(**_numbers(own["site"], _MISSING)),
            coming_water=_number(own["coming_water"]),
            aspect=_number(own["aspect"]),
            amounts=dict(own.get("amounts", {})),
        ),
        advice=Advice(
            measures=tuple(advice["measures"]),
            refused=tuple((name, why) for name, why in advice["refused"]),
            reasons=tuple(advice["reasons"]),
            field_visit_first=advice["field_visit_first"],
            target_cover=_number(advice["target_cover"]),
            confidence=_number(advice["confidence"]),
        ),
        priority=own["priority"],
        works=tuple(_work(work) for work in own["works"]),
        state=own["state"],
        history=tuple((step[0], step[1], step[2], step[3]) for step in own["history"]),
        evaluation=None if own["evaluation"] is None else dict(own["evaluation"]),
    )


_MISSING = ("cover", "capacity", "capacity_lower", "warning_share")
_DAYS = ("opens", "latest_beginning", "deadline", "closes", "closes_dry")


def _work(raw: Mapping[str, Any]) -> Work:
    design = raw["design"]
    found = _numbers(raw, _DAYS)
    return Work(**{**found, "design": None if design is None else EarthworkDesign(**design)})


def _numbers(raw: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {key: _number(value) if key in names else value for key, value in raw.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
