"""The work plan: a line for each management unit, with reasons, a water check and a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from headwater.errors import DataError, InputError, StudyError
from headwater.restoration.measures import (
    GRADES,
    Advice,
    MeasureProfile,
    Site,
    advise,
    read_profile,
)

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

__all__ = [
    "PlanLine",
    "Unit",
    "check_units",
    "make_plan",
    "move_line",
    "plan_table",
    "write_plan",
]

State = Literal["draft", "proposed", "approved", "declined", "done", "evaluated"]
_NEXT: dict[State, tuple[State, ...]] = {
    "draft": ("proposed",),
    "proposed": ("approved", "declined", "draft"),
    "approved": ("done", "declined"),
    "declined": ("draft",),
    "done": ("evaluated",),
    "evaluated": (),
}
_COST = {"low": 1, "medium": 2, "high": 3}


@dataclass(frozen=True, slots=True)
class Unit:
    """A management unit.

    Attributes
    ----------
    name : str
    outline : shapely geometry
        In any projected or geographic reference.
    hectares : float
    site : Site
    coming_water : float
        Probability that the coming season's water suffices [1]; NaN where not forecast.
    """

    name: str
    outline: BaseGeometry
    hectares: float
    site: Site
    coming_water: float = float("nan")


@dataclass(frozen=True, slots=True)
class PlanLine:
    """What is to be done at one unit.

    Attributes
    ----------
    unit : Unit
    advice : Advice
    priority : float
        From 0 to 1, by area, grade, and chance of success.
    state : str
    history : tuple of (time, person, state, comment)
    """

    unit: Unit
    advice: Advice
    priority: float
    state: State = "draft"
    history: tuple[tuple[str, str, str, str], ...] = field(default=())


def check_units(units: Sequence[Unit]) -> None:
    """Refuse units that cannot be planned for.

    Parameters
    ----------
    units : sequence of Unit

    Raises
    ------
    DataError
        If units are empty, nameless, of one name, or overlap by more than one per cent.

    Examples
    --------
    >>> check_units([])
    Traceback (most recent call last):
    headwater.errors.DataError: no management units. Found: 0. Give polygons with names.
    """
    if not units:
        raise DataError("no management units", found="0", do="Give polygons with names")
    names = [unit.name for unit in units]
    double = sorted({one for one in names if not one or names.count(one) > 1})
    if double:
        raise DataError(
            "units without a name, or two of one name",
            found=f"'{double[0]}'",
            do="Give each unit a name of its own",
        )
    for unit in units:
        if unit.outline.is_empty or not unit.outline.is_valid or unit.outline.area <= 0:
            raise DataError(
                "a unit without area, or with an outline that crosses itself",
                found=unit.name,
                do="Correct its polygon",
            )
    _refuse_overlaps(units)


def _refuse_overlaps(units: Sequence[Unit]) -> None:
    from shapely import STRtree

    outlines = [unit.outline for unit in units]
    first, second = STRtree(outlines).query(outlines, predicate="intersects")
    for one, two in zip(first, second, strict=True):
        if one < two:
            shared = outlines[one].intersection(outlines[two]).area
            if shared > 0.01 * min(outlines[one].area, outlines[two].area):
                raise DataError(
                    "units that overlap",
                    found=f"{units[one].name} and {units[two].name}",
                    do="Correct their outlines: an area must not be planned for twice",
                )


def make_plan(units: Sequence[Unit], profile: MeasureProfile | None = None) -> tuple[PlanLine, ...]:
    """Plan the work of all units, the most urgent first.

    Parameters
    ----------
    units : sequence of Unit
    profile : MeasureProfile, optional

    Returns
    -------
    tuple of PlanLine
        Drafts: a person proposes and approves.

    Notes
    -----
    Priority = grade (0 to 1) × probability of the grade × share of the largest area's square root ×
    chance of success (the coming season's water; one half where not forecast).
    """
    check_units(units)
    chosen = profile or read_profile()
    largest = max(unit.hectares for unit in units)
    lines = [PlanLine(unit, advise(unit.site, chosen), _priority(unit, largest)) for unit in units]
    return tuple(sorted(lines, key=lambda line: (-line.priority, line.unit.name)))


def _priority(unit: Unit, largest: float) -> float:
    grade = GRADES.index(unit.site.grade) / (len(GRADES) - 1)
    chance = 0.5 if unit.coming_water != unit.coming_water else unit.coming_water
    return float(grade * unit.site.grade_probability * (unit.hectares / largest) ** 0.5 * chance)


def move_line(
    line: PlanLine, state: State, *, person: str, time: str, comment: str = ""
) -> PlanLine:
    """Move a line on: draft → proposed → approved → done → evaluated, or declined.

    Parameters
    ----------
    line : PlanLine
    state : str
    person : str
        Who moves it.
    time : str
        ISO 8601.
    comment : str
        Needed to decline, and to approve where a field visit must come first.

    Returns
    -------
    PlanLine

    Raises
    ------
    StudyError
        If the step is not allowed, or lacks its person or comment.
    """
    if state not in _NEXT[line.state]:
        raise StudyError(
            "a step that a plan does not take",
            found=f"{line.unit.name}: {line.state} to {state}",
            do=f"From {line.state} it goes to {' or '.join(_NEXT[line.state]) or 'nothing'}",
        )
    must = state == "declined" or (state == "approved" and line.advice.field_visit_first)
    if not person.strip() or (must and not comment.strip()):
        raise StudyError(
            "a step without its person or its comment",
            found=f"{line.unit.name}: {state} by '{person}', comment '{comment}'",
            do="Name the person; say why it is declined, or what the field visit found",
        )
    return replace(line, state=state, history=(*line.history, (time, person, state, comment)))


def plan_table(
    lines: Sequence[PlanLine], profile: MeasureProfile | None = None, *, language: str = "en"
) -> pd.DataFrame:
    """Write a plan as a table, a row for each measure of each unit.

    Parameters
    ----------
    lines : sequence of PlanLine
    profile : MeasureProfile, optional
    language : {"en", "zh"}

    Returns
    -------
    DataFrame
        ``unit``, ``hectares``, ``grade``, ``confidence``, ``measure``, ``season``, ``cost_class``,
        ``target_cover``, ``water_check``, ``reasons``, ``refused``, ``source``, ``state``,
        ``field_visit_first``, ``priority``.
    """
    chosen = profile or read_profile()
    rows = []
    for line in lines:
        for name in line.advice.measures:
            text = chosen.texts[name]
            rows.append(
                {
                    "unit": line.unit.name,
                    "hectares": line.unit.hectares,
                    "grade": line.unit.site.grade,
                    "confidence": line.advice.confidence,
                    "measure": text[language],
                    "season": text["season"],
                    "cost_class": _COST[text["cost"]],
                    "target_cover": line.advice.target_cover,
                    "water_check": _water_check(line),
                    "reasons": "; ".join(line.advice.reasons),
                    "refused": "; ".join(f"{one}: {why}" for one, why in line.advice.refused),
                    "source": f"{text['source']} ({text['mark']})",
                    "state": line.state,
                    "field_visit_first": line.advice.field_visit_first,
                    "priority": line.priority,
                }
            )
    table = pd.DataFrame(rows)
    table.attrs["units"] = {"hectares": "ha", "confidence": "1", "target_cover": "1"}
    return table


def _water_check(line: PlanLine) -> str:
    site = line.unit.site
    if site.capacity != site.capacity:
        return "carrying capacity not known"
    if site.capacity < site.cover:
        return f"cover {site.cover:.0%} exceeds what the water carries, {site.capacity:.0%}"
    return f"planned {line.advice.target_cover:.0%}, the water carries {site.capacity:.0%}"


def write_plan(
    lines: Sequence[PlanLine], path: str | Path, *, language: str = "en", crs: str = "EPSG:4326"
) -> Path:
    """Write a plan as CSV, XLSX or GeoPackage.

    Parameters
    ----------
    lines : sequence of PlanLine
    path : str or Path
        Its suffix says which.
    language : {"en", "zh"}
    crs : str
        Of the outlines, for a GeoPackage.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the suffix is none of .csv, .xlsx, .gpkg.
    """
    target = Path(path)
    temporary = target.with_name(f".writing-{target.name}")
    table = plan_table(lines, language=language)
    try:
        if target.suffix == ".csv":
            table.to_csv(temporary, index=False, encoding="utf-8-sig", lineterminator="\n")
        elif target.suffix == ".xlsx":
            table.to_excel(temporary, index=False)
        elif target.suffix == ".gpkg":
            _write_geopackage(lines, temporary, crs)
        else:
            raise InputError(
                "a plan in no format that is known",
                found=f"'{target.suffix}'",
                do="Write .csv, .xlsx or .gpkg",
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _write_geopackage(lines: Sequence[PlanLine], path: Path, crs: str) -> None:
    import numpy as np
    from pyogrio.raw import write
    from shapely import to_wkb

    fields = {
        "unit": [line.unit.name for line in lines],
        "grade": [line.unit.site.grade for line in lines],
        "measures": [", ".join(line.advice.measures) for line in lines],
        "state": [line.state for line in lines],
        "priority": [line.priority for line in lines],
        "hectares": [line.unit.hectares for line in lines],
    }
    write(
        path,
        geometry=np.array([to_wkb(line.unit.outline) for line in lines], dtype=object),
        field_data=[np.asarray(values) for values in fields.values()],
        fields=list(fields),
        geometry_type="Unknown",
        crs=crs,
        driver="GPKG",
        layer="plan",
    )
