"""Measures by grade of degradation, from a versioned profile; every number has its source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from headwater.errors import InputError, StudyError, nearest
from headwater.restoration.calendar_bands import planting_method
from headwater.restoration.rain_harvesting import earthwork_refusals

__all__ = [
    "Advice",
    "EARTHWORK",
    "GRADES",
    "MeasureProfile",
    "PLANTING",
    "Site",
    "TIMINGS",
    "advise",
    "limits_of_seed",
    "read_profile",
]

GRADES = ("none", "light", "moderate", "heavy", "severe")
"""Grades of degradation, from the least."""

TIMINGS = ("winter", "before_start", "at_start", "season", "any")
"""Places of a measure in the calendar."""

PLANTING = ("no_till_reseeding", "revegetation", "transplanting")
"""Measures that put plants or seed into the ground."""

EARTHWORK = ("fish_scale_pits", "contour_ditches")
"""Measures that move soil."""

_MARKS = ("read", "secondary", "proposal")
_NUMBERS = (
    "pika_control_threshold",
    "target_cover",
    "winter_work_from",
    "winter_work_to",
    "certain_seasons",
    "transplant_above",
    "transplant_above_from",
    "transplant_above_to",
)


@dataclass(frozen=True, slots=True)
class MeasureProfile:
    """Measures by grade, with their sources.

    Attributes
    ----------
    name, version : str
    measures : mapping of str to tuple of str
        Names of measures, by grade.
    texts : mapping of str to dict
        ``en``, ``zh``, ``season``, ``when``, ``cost``, ``source``, ``mark`` of each measure.
    numbers : mapping of str to dict
        ``value``, ``unit``, ``source``, ``mark`` of each number.
    """

    name: str
    version: str
    measures: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, Mapping[str, Any]]
    numbers: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Site:
    """What is known of a management unit.

    Attributes
    ----------
    grade : str
        One of :data:`GRADES`.
    grade_probability : float
        That it is this grade [1].
    elevation, slope : float
        [m, degrees]
    soil_depth : float or None
        [m]
    permafrost : bool
    protection : str
        ``core`` zones allow no earthwork and no sowing.
    field_visited : bool
        Whether somebody has seen the place.
    seasons : int
        Seasons that the grade rests on.
    pika_burrows : float or None
        Active burrows [ha-1].
    cover, capacity, capacity_lower : float
        Present cover, and the densest cover that the water carries, with the lower bound of its
        interval [1].
    override : str
        A person's reason to dig on permafrost.
    """

    grade: str
    grade_probability: float
    elevation: float
    slope: float
    soil_depth: float | None = None
    permafrost: bool = False
    protection: str = ""
    field_visited: bool = False
    seasons: int = 1
    pika_burrows: float | None = None
    cover: float = float("nan")
    capacity: float = float("nan")
    capacity_lower: float = float("nan")
    override: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do at a place, and why.

    Attributes
    ----------
    measures : tuple of str
        In the order of work.
    refused : tuple of (measure, reason)
    reasons : tuple of str
    field_visit_first : bool
    target_cover : float
        Cover to plan for: no more than the water carries [1].
    confidence : float
        Probability of the grade [1].
    """

    measures: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]
    field_visit_first: bool
    target_cover: float
    confidence: float


@lru_cache(maxsize=8)
def read_profile(path: str | Path | None = None) -> MeasureProfile:
    """Read a profile of measures.

    Parameters
    ----------
    path : str or Path, optional
        YAML; default: the one that comes with Headwater.

    Returns
    -------
    MeasureProfile

    Raises
    ------
    InputError
        If a grade is missing, a measure is unknown, or anything has no source or mark.

    Examples
    --------
    >>> read_profile().measures["light"]
    ('winter_rodent_control', 'growing_season_grazing_ban', 'fertiliser')
    """
    import yaml

    if path is None:
        text = files("headwater.restoration").joinpath("data/measures.yaml").read_text("utf-8")
    else:
        text = _text_of(Path(path))
    try:
        raw = yaml.safe_load(text)
        profile = MeasureProfile(
            raw["name"],
            str(raw["version"]),
            {grade: tuple(names) for grade, names in raw["grades"].items()},
            raw["measures"],
            raw["numbers"],
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "a profile of measures that cannot be read",
            found=f"{type(error).__name__}: {error}"[:200],
            do="Give name, version, grades, measures and numbers, as the shipped profile has them",
        ) from error
    _check(profile)
    return profile


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "a profile of measures that cannot be read",
            found=str(error),
            do="Correct its path, and save it as UTF-8",
        ) from error


def limits_of_seed(profile: MeasureProfile) -> tuple[float, float, float]:
    """Altitude above which seed fails, with its range, as a profile has it.

    Parameters
    ----------
    profile : MeasureProfile

    Returns
    -------
    tuple of float
        Break, low and high end of the range [m].
    """
    names = ("transplant_above", "transplant_above_from", "transplant_above_to")
    middle, low, high = (float(profile.numbers[name]["value"]) for name in names)
    return middle, low, high


def advise(site: Site, profile: MeasureProfile | None = None) -> Advice:
    """Choose measures for a place, and say what is refused and why.

    Parameters
    ----------
    site : Site
    profile : MeasureProfile, optional

    Returns
    -------
    Advice

    Raises
    ------
    StudyError
        If the grade is unknown.

    Examples
    --------
    >>> advice = advise(Site("severe", 0.9, 3600.0, 25.0, soil_depth=0.9, field_visited=True))
    >>> advice.measures[0]
    'fish_scale_pits'
    """
    chosen = profile or read_profile()
    if site.grade not in GRADES:
        raise StudyError(
            "an unknown grade", found=f"'{site.grade}'", do=nearest(site.grade, GRADES)
        )
    kept, refused = [], []
    for name in chosen.measures[site.grade]:
        reason = _refusal(name, site, chosen)
        if reason:
            refused.append((name, reason))
        else:
            kept.append(name)
    method, why = planting_method(site.elevation, limits_of_seed(chosen))
    reasons = [f"grade {site.grade} with probability {site.grade_probability:.0%}", why]
    if method == "either" and any(name in PLANTING for name in kept):
        reasons.append("between the two, try both and compare before the whole unit is planted")
    if method == "transplant" and "no_till_reseeding" in kept:
        kept[kept.index("no_till_reseeding")] = "transplanting"
    target = _target(site, chosen)
    if site.capacity < site.cover:
        reasons.append("the cover that stands here is more than its water carries: do not add")
    certain = site.field_visited or site.seasons >= chosen.numbers["certain_seasons"]["value"]
    visit = site.grade in ("heavy", "severe") and not certain
    if visit:
        reasons.append("heavy and severe need a second season or a visit before they are certain")
    if site.soil_depth is None and any("pits" in name for name, _ in refused):
        visit = True
    return Advice(
        tuple(kept), tuple(refused), tuple(reasons), visit, target, site.grade_probability
    )


def _target(site: Site, profile: MeasureProfile) -> float:
    wanted = float(profile.numbers["target_cover"]["value"])
    ceilings = [one for one in (site.capacity_lower, site.capacity) if math.isfinite(one)]
    return min(wanted, ceilings[0]) if ceilings else wanted


def _refusal(name: str, site: Site, profile: MeasureProfile) -> str:
    if name in EARTHWORK:
        if site.protection == "core":
            return "core zone: no earthwork"
        kind = "pits" if name == "fish_scale_pits" else "ditches"
        return "; ".join(
            earthwork_refusals(
                slope=site.slope,
                soil_depth=site.soil_depth,
                permafrost=site.permafrost,
                kind=kind,  # type: ignore[arg-type]
                override=site.override,
            )
        )
    if name in PLANTING and site.protection == "core":
        return "core zone: no sowing"
    if name in PLANTING and site.capacity < site.cover:
        return "the water does not carry more cover than there is"
    if name == "winter_rodent_control" and site.pika_burrows is not None:
        threshold = float(profile.numbers["pika_control_threshold"]["value"])
        if site.pika_burrows < threshold:
            return f"{site.pika_burrows:g} active burrows per hectare, below {threshold:g}"
    return ""


def _check(profile: MeasureProfile) -> None:
    problems = [f"no measures for grade {one}" for one in GRADES if one not in profile.measures]
    problems += [f"unknown grade {one}" for one in profile.measures if one not in GRADES]
    for grade, names in profile.measures.items():
        problems += [f"{grade}: unknown measure {n}" for n in names if n not in profile.texts]
    problems += [
        f"measure {name} without a when of {', '.join(TIMINGS)}"
        for name, entry in profile.texts.items()
        if entry.get("when") not in TIMINGS
    ]
    problems += [
        f"measure {name} without {field}"
        for name, entry in profile.texts.items()
        for field in ("en", "season")
        if not entry.get(field)
    ]
    problems += [
        f"measure {name} with cost {entry.get('cost')}"
        for name, entry in profile.texts.items()
        if entry.get("cost") not in ("low", "medium", "high")
    ]
    problems += [f"no number {name}" for name in _NUMBERS if name not in profile.numbers]
    for kind, table in (("measure", profile.texts), ("number", profile.numbers)):
        for name, entry in table.items():
            if not entry.get("source") or entry.get("mark") not in _MARKS:
                problems.append(f"{kind} {name} without a source or a mark of {', '.join(_MARKS)}")
    if problems:
        raise InputError(
            "a profile of measures that cannot be trusted",
            found="; ".join(problems)[:400],
            do="Give every grade its measures, and every measure and number a source and a mark",
        )
