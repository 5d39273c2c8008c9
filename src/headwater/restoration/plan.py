"""The work plan: a line for each unit with reasons, dates, a water check, history and deadlines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from headwater.errors import StudyError, nearest
from headwater.restoration.calendar_bands import REMINDERS, planting_method
from headwater.restoration.earthwork_design import EarthworkDesign, design_earthwork
from headwater.restoration.measures import Advice, advise, amount_words
from headwater.restoration.plan_chinese import in_chinese
from headwater.restoration.profile import (
    EARTHWORK,
    GRADES,
    MeasureProfile,
    limits_of_seed,
    read_profile,
)
from headwater.restoration.units import Unit, check_units
from headwater.restoration.work_calendar import (
    SeasonDays,
    SeasonFits,
    WorkDays,
    season_days,
    timing_of,
    work_days,
)

__all__ = [
    "Plan",
    "PlanLine",
    "PlanOptions",
    "Reminder",
    "STATES",
    "Work",
    "day_text",
    "due_reminders",
    "earthwork_text",
    "make_plan",
    "move_line",
    "plan_table",
    "water_check",
]

State = Literal["draft", "proposed", "approved", "declined", "done", "evaluated"]
STATES: tuple[State, ...] = ("draft", "proposed", "approved", "declined", "done", "evaluated")
"""States of a line of a plan."""


_NEXT: dict[State, tuple[State, ...]] = {
    "draft": ("proposed",),
    "proposed": ("approved", "declined", "draft"),
    "approved": ("done", "declined"),
    "declined": ("draft",),
    "done": ("evaluated",),
    "evaluated": (),
}

_UNKNOWN = {"season": "", "cost": "", "source": "not known", "mark": "not known"}

_COST = {"": 0, "low": 1, "medium": 2, "high": 3}


@dataclass(frozen=True, slots=True)
class Work:
    """One measure at one unit, with its days [day of year; below 1: of the year before].

    Attributes
    ----------
    measure : str
    opens, latest_beginning, deadline, closes, closes_dry : float
        NaN without a calendar, or where the measure has no season.
    enough : bool
        Whether the work fits before the deadline, in dry years too.
    design : EarthworkDesign or None
        Of pits and ditches.
    """

    measure: str
    opens: float = float("nan")
    latest_beginning: float = float("nan")
    deadline: float = float("nan")
    closes: float = float("nan")
    closes_dry: float = float("nan")
    enough: bool = True
    design: EarthworkDesign | None = None


@dataclass(frozen=True, slots=True)
class PlanLine:
    """What is to be done at one unit.

    Attributes
    ----------
    unit : Unit
    advice : Advice
    priority : float
        From 0 to 1, by area, grade, and chance of success.
    works : tuple of Work
        One for each measure of the advice.
    state : str
        One of :data:`STATES`.
    history : tuple of (time, person, state, comment)
    evaluation : dict or None
        What was found after the work: :func:`headwater.restoration.evaluate_plan`.
    """

    unit: Unit
    advice: Advice
    priority: float
    works: tuple[Work, ...] = ()
    state: State = "draft"
    history: tuple[tuple[str, str, str, str], ...] = field(default=())
    evaluation: Mapping[str, float | str] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of work.

    Attributes
    ----------
    lines : tuple of PlanLine
        The most urgent first.
    year : int
        Of the season that it is for.
    profile : str
        Name and version of the profile of measures.
    texts : mapping of str to mapping
        What the profile says of each measure that the plan has, so that it can be read without it.
    """

    lines: tuple[PlanLine, ...]
    year: int
    profile: str
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def text(self, measure: str) -> Mapping[str, str]:
        """Give ``en``, ``zh``, ``season``, ``cost``, ``source`` and ``mark`` of a measure."""
        return (
            self.texts.get(measure)
            or read_profile().texts.get(measure)
            or _UNKNOWN | {"en": measure}
        )

    def line(self, unit: str) -> PlanLine:
        """Find the line of a unit; an unknown name is a `StudyError`."""
        for one in self.lines:
            if one.unit.name == unit:
                return one
        names = [one.unit.name for one in self.lines]
        raise StudyError(
            "the plan has no such unit", found=f"'{unit}'", do=nearest(unit, names, names[:20])
        )

    def with_line(self, line: PlanLine) -> Plan:
        """Return the plan with one line in the place of the one of the same unit."""
        name = line.unit.name
        return replace(
            self, lines=tuple(line if one.unit.name == name else one for one in self.lines)
        )


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a plan is made with.

    Attributes
    ----------
    durations : mapping of str to float
        Days that each measure takes [d]; 0 where not given.
    share : float
        Share of years in which the season may start before a deadline [1].
    storm : float
        Design storm of pits and ditches [mm].
    curve_number : float or None
        Of the slopes [1]; None: by `infiltration`, or as calibrated.
    infiltration : float or None
        Final rate of the soil [mm h-1].
    """

    durations: Mapping[str, float] = field(default_factory=dict)
    share: float = 0.1
    storm: float = 54.0
    curve_number: float | None = None
    infiltration: float | None = None


def make_plan(
    units: Sequence[Unit],
    profile: MeasureProfile | None = None,
    *,
    year: int,
    season: SeasonFits | None = None,
    options: PlanOptions | None = None,
) -> Plan:
    """Plan the work of all units, the most urgent first.

    Parameters
    ----------
    units : sequence of Unit
    profile : MeasureProfile, optional
    year : int
        Of the season that the plan is for.
    season : SeasonFits, optional
        The calendar; without it the plan has no dates.
    options : PlanOptions, optional

    Returns
    -------
    Plan
        Of drafts: a person proposes and approves.

    Raises
    ------
    DataError
        If units are empty, nameless, of one name, or overlap.
    StudyError
        If a grade is unknown, or a measure without duration is named.

    Notes
    -----
    Priority = grade (0 to 1) × probability of the grade × share of the largest area's square root ×
    chance of success (the coming season's water; one half where not forecast). A warning raises it
    by a share of what is left to 1: a number of the profile, times the share of the unit that is
    warned of.
    """
    check_units(units)
    chosen, how = profile or read_profile(), options or PlanOptions()
    unknown = [name for name in how.durations if name not in chosen.texts]
    if unknown:
        raise StudyError(
            "a duration of no measure",
            found=f"'{unknown[0]}'",
            do=nearest(unknown[0], list(chosen.texts)),
        )
    largest = max(unit.hectares for unit in units)
    advices = [advise(unit.site, chosen) for unit in units]
    works = _works(units, advices, chosen, season, how)
    lines = [
        PlanLine(unit, advice, _priority(unit, largest, chosen), work)
        for unit, advice, work in zip(units, advices, works, strict=True)
    ]
    ordered = sorted(lines, key=lambda line: (-line.priority, line.unit.name))
    named = {name for line in ordered for name, *_ in line.advice.refused}
    named |= {name for line in ordered for name in line.advice.measures}
    texts = {name: chosen.texts[name] for name in chosen.texts if name in named}
    return Plan(tuple(ordered), year, f"{chosen.name} {chosen.version}", texts)


def _works(
    units: Sequence[Unit],
    advices: Sequence[Advice],
    profile: MeasureProfile,
    season: SeasonFits | None,
    options: PlanOptions,
) -> list[tuple[Work, ...]]:
    """Give every measure of every unit its days; all units at once, measure by measure."""
    limits = limits_of_seed(profile)
    height = np.array([unit.site.elevation for unit in units])
    days = None
    if season is not None:
        facing = np.array([unit.aspect for unit in units])
        days = season_days(season, height, facing, share=options.share)
    methods = [planting_method(z, limits)[0] for z in height]
    timed: dict[tuple[str, str], WorkDays] = {}
    found = []
    for i, (unit, advice) in enumerate(zip(units, advices, strict=True)):
        own = []
        for measure in advice.measures:
            when = timing_of(measure, methods[i], profile)
            work = Work(measure)
            if days is not None and when != "any":
                key = (measure, when)
                if key not in timed:
                    timed[key] = _timed(when, days, options.durations.get(measure, 0.0), profile)
                work = _at(timed[key], measure, i)
            if measure in EARTHWORK:
                work = replace(work, design=_design(measure, unit, options, profile))
            own.append(work)
        found.append(tuple(own))
    return found


def _timed(when: str, days: SeasonDays, duration: float, profile: MeasureProfile) -> WorkDays:
    return work_days(when, days, duration=duration, profile=profile)


def _at(days: WorkDays, measure: str, i: int) -> Work:
    return Work(
        measure,
        float(days.opens[i]),
        float(days.latest_beginning[i]),
        float(days.deadline[i]),
        float(days.closes[i]),
        float(days.closes_dry[i]),
        bool(days.enough[i]),
    )


def _design(
    measure: str, unit: Unit, options: PlanOptions, profile: MeasureProfile
) -> EarthworkDesign:
    return design_earthwork(
        "pits" if measure == "fish_scale_pits" else "ditches",
        slope=unit.site.slope,
        storm=options.storm,
        curve_number=options.curve_number,
        infiltration=options.infiltration,
        profile=profile,
    )


def _priority(unit: Unit, largest: float, profile: MeasureProfile) -> float:
    site = unit.site
    grade = GRADES.index(site.grade) / (len(GRADES) - 1)
    chance = 0.5 if unit.coming_water != unit.coming_water else unit.coming_water
    own = grade * site.grade_probability * (unit.hectares / largest) ** 0.5 * chance
    if site.warning in ("warning", "confirmed"):
        share = site.warning_share if np.isfinite(site.warning_share) else 1.0
        own += (1 - own) * profile.number(f"priority_of_{site.warning}") * share
    elif site.alert:
        own += (1 - own) * profile.number("priority_of_warning")
    return float(own)


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


def day_text(year: int, day: float) -> str:
    """Write a day of a year as a date.

    Parameters
    ----------
    year : int
    day : float
        From 1; below 1 it lies in the year before. A part of a day is left out, so that nothing is
        dated later than it is.

    Returns
    -------
    str
        ISO 8601; empty for NaN.

    Examples
    --------
    >>> day_text(2027, 151.7), day_text(2027, -60), day_text(2027, float("nan"))
    ('2027-05-31', '2026-11-01', '')
    """
    if not np.isfinite(day):
        return ""
    return (dt.date(year, 1, 1) + dt.timedelta(days=int(np.floor(day)) - 1)).isoformat()


def plan_table(plan: Plan, *, language: str = "en") -> pd.DataFrame:
    """Write a plan as a table, a row for each measure of each unit.

    Parameters
    ----------
    plan : Plan
    language : {"en", "zh"}

    Returns
    -------
    DataFrame
        ``unit``, ``hectares``, ``grade``, ``confidence``, ``priority``, ``state``, ``measure``,
        ``season``, ``opens``, ``latest_beginning``, ``deadline``, ``closes``,
        ``closes_dry`` (dates),
        ``enough_days``, ``cost_class``, ``amounts`` (the user's), ``target_cover``,
        ``water_check``, ``field_visit_first``, ``warning``, ``earthwork``, ``reasons``,
        ``refused``, ``source``. A unit of which every measure is refused has one row without a
        measure.
    """
    rows = []
    for line in plan.lines:
        for work in line.works or (None,):
            rows.append(_row(plan, line, work, language))
    table = pd.DataFrame(rows)
    table.attrs["units"] = {"hectares": "ha", "confidence": "1", "target_cover": "1"}
    return table


def _row(plan: Plan, line: PlanLine, work: Work | None, language: str) -> dict[str, object]:
    advice = line.advice
    say, part = (in_chinese, "；") if language == "zh" else (str, "; ")
    text: Mapping[str, str] = {} if work is None else plan.text(work.measure)
    at = Work("") if work is None else work
    dates = {
        name: day_text(plan.year, getattr(at, name))
        for name in ("opens", "latest_beginning", "deadline", "closes", "closes_dry")
    }
    source = f"{text['source']} ({text['mark']})" if text else ""
    return {
        "unit": line.unit.name,
        "hectares": line.unit.hectares,
        "grade": line.unit.site.grade,
        "confidence": advice.confidence,
        "priority": line.priority,
        "state": line.state,
        "measure": _named(text, language),
        "season": text.get("season", ""),
        **dates,
        "enough_days": at.enough,
        "cost_class": _COST[text["cost"]] if text else 0,
        "amounts": amount_words(
            at.measure, line.unit.amounts, deadline=dates["deadline"], language=language
        ),
        "target_cover": advice.target_cover,
        "water_check": say(water_check(line)),
        "field_visit_first": advice.field_visit_first,
        "warning": line.unit.site.warning,
        "earthwork": "" if at.design is None else say(earthwork_text(at.design)),
        "reasons": part.join(say(one) for one in advice.reasons),
        "refused": part.join(
            f"{_named(plan.text(one), language)}: {say(why)}" for one, why in advice.refused
        ),
        "source": source,
    }


def _named(text: Mapping[str, str], language: str) -> str:
    return text.get(language) or text.get("en", "")


def earthwork_text(design: EarthworkDesign) -> str:
    """Say a design in a line.

    Parameters
    ----------
    design : EarthworkDesign

    Returns
    -------
    str
    """
    if design.kind == "pits":
        size = (
            f"{design.per_hectare:.0f} pits/ha, {design.width:g} m wide, {design.depth:g} m deep, "
            f"{design.spacing:g} m apart, rows {design.row_distance:.1f} m apart"
        )
    else:
        size = (
            f"{design.per_hectare:.0f} m of ditch/ha, {design.width:g} m wide, {design.depth:g} m "
            f"deep, rows {design.row_distance:.1f} m apart"
        )
    spill = f", {design.overflow:.1f} mm spill" if design.overflow > 0.05 else ""
    return (
        f"{size}; of {design.storm_runoff:.1f} mm runoff in {design.storm:g} mm rain "
        f"{design.cut:.0%} is kept ({design.cut_low:.0%} to {design.cut_high:.0%}){spill}"
    )


def water_check(line: PlanLine) -> str:
    """Say whether water carries the cover that is planned.

    Parameters
    ----------
    line : PlanLine

    Returns
    -------
    str
    """
    site = line.unit.site
    if site.capacity != site.capacity:
        return "carrying capacity not known"
    if site.capacity < site.cover:
        return f"cover {site.cover:.0%} exceeds what the water carries, {site.capacity:.0%}"
    low = f" (at least {site.capacity_lower:.0%})" if site.capacity_lower > 0 else ""
    return f"planned {line.advice.target_cover:.0%}, the water carries {site.capacity:.0%}{low}"


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder.

    Attributes
    ----------
    key : str
        Unique for ever: year, unit, measure, day of beginning and days ahead. A plan whose dates
        change reminds anew.
    unit, measure : str
    begin_by : date
    days_ahead : int
        60, 30 or 14.
    headline : str
    """

    key: str
    unit: str
    measure: str
    begin_by: dt.date
    days_ahead: int
    headline: str


def due_reminders(plan: Plan, today: dt.date) -> tuple[Reminder, ...]:
    """List the reminders that are due on a day.

    Parameters
    ----------
    plan : Plan
    today : date

    Returns
    -------
    tuple of Reminder
        For work that is approved and whose latest beginning lies ahead: of the marks of 60, 30 and
        14 days the nearest that has passed. Who looks in late hears of a work once, not thrice.
    """
    found = []
    for line in plan.lines:
        for work in line.works if line.state == "approved" else ():
            text = day_text(plan.year, work.latest_beginning)
            if not text:
                continue
            begin = dt.date.fromisoformat(text)
            passed = [days for days in REMINDERS if (begin - today).days <= days]
            if not passed or begin < today:
                continue
            days = min(passed)
            words = plan.text(work.measure)["en"]
            found.append(
                Reminder(
                    key=f"plan-{plan.year}|{line.unit.name}|{work.measure}|{text}|{days}",
                    unit=line.unit.name,
                    measure=work.measure,
                    begin_by=begin,
                    days_ahead=days,
                    headline=f"{line.unit.name}: begin by {text}: {words}",
                )
            )
    return tuple(found)
