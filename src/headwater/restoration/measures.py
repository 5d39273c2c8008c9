"""Which measures a place takes by its grade, what is refused there, and how much they need."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from headwater.errors import StudyError, nearest
from headwater.restoration.calendar_bands import planting_method
from headwater.restoration.earthwork_design import earthwork_refusals
from headwater.restoration.profile import (
    EARTHWORK,
    GRADES,
    PLANTING,
    MeasureProfile,
    limits_of_seed,
    read_profile,
)

__all__ = [
    "AMOUNTS",
    "Advice",
    "Site",
    "advise",
    "amount_words",
    "amounts_at",
    "check_amounts",
    "check_sowing_date",
]

AMOUNTS = {
    "seed_rate": ("no_till_reseeding", "revegetation"),
    "sowing_date": ("no_till_reseeding", "revegetation"),
    "fertiliser_rate": ("fertiliser",),
    "fencing_years": ("growing_season_grazing_ban",),
}


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
    thaw_depth : float or None
        Of the active layer at its deepest [m].
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
    warning : str
        Where early warning stands: ``watch``, ``warning``, ``confirmed`` or ``restored``; empty
        where nobody watches, or all is well.
    warning_share : float
        Share of the unit where it stands so [1].
    alert : str
        What stations in the unit are alerting of.
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
    thaw_depth: float | None = None
    warning: str = ""
    warning_share: float = float("nan")
    alert: str = ""


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
    certain = site.field_visited or site.seasons >= chosen.number("certain_seasons")
    visit = site.grade in ("heavy", "severe") and not certain
    if site.warning:
        reasons.append(_warning_words(site))
    if site.alert:
        reasons.append(f"alert of its stations: {site.alert}")
    if site.warning == "confirmed" and site.grade in ("none", "light"):
        visit = True
        reasons.append("a loss was confirmed where the grade says little: see which is right")
    if visit:
        reasons.append("heavy and severe need a second season or a visit before they are certain")
    if site.soil_depth is None and any("pits" in name for name, _ in refused):
        visit = True
    return Advice(
        tuple(kept), tuple(refused), tuple(reasons), visit, target, site.grade_probability
    )


def _warning_words(site: Site) -> str:
    where = f" on {site.warning_share:.0%} of the unit" if math.isfinite(site.warning_share) else ""
    words = {
        "watch": "early warning: a watch stands",
        "warning": "early warning: greenness has fallen short and stays so",
        "confirmed": "early warning: loss of greenness confirmed by a second season",
        "restored": "early warning: greenness has come back",
    }
    return words[site.warning] + where


def _target(site: Site, profile: MeasureProfile) -> float:
    wanted = profile.number("target_cover")
    ceilings = [one for one in (site.capacity_lower, site.capacity) if math.isfinite(one)]
    return min([wanted, *ceilings])


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
                thaw_depth=site.thaw_depth,
                kind=kind,  # type: ignore[arg-type]
                override=site.override,
                profile=profile,
            )
        )
    if name in PLANTING and site.protection == "core":
        return "core zone: no sowing"
    if name in PLANTING and site.capacity < site.cover:
        return "the water does not carry more cover than there is"
    if name == "winter_rodent_control" and site.pika_burrows is not None:
        threshold = profile.number("pika_control_threshold")
        if site.pika_burrows < threshold:
            damage = profile.number("pika_damage_level")
            harm = f", above the {damage:g} that do damage: count again next year"
            return (
                f"{site.pika_burrows:g} active burrows per hectare, below the control threshold of "
                f"{threshold:g}{harm if site.pika_burrows >= damage else ''}"
            )
    return ""


"""Fields [kg ha-1, MM-DD, kg ha-1, years], and the measures that they belong to."""


_WORDS = {
    "en": {
        "seed_rate": "seed {:g} kg/ha",
        "sowing_date": "sow on {}",
        "fertiliser_rate": "{:g} kg/ha",
        "fencing_years": "fence for {:g} years",
    },
    "zh": {
        "seed_rate": "播种量 {:g} 公斤/公顷",
        "sowing_date": "{} 播种",
        "fertiliser_rate": "{:g} 公斤/公顷",
        "fencing_years": "围栏 {:g} 年",
    },
}

_BAND = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)\s*$")


def amount_words(
    measure: str, amounts: Mapping[str, float | str], *, deadline: str = "", language: str = "en"
) -> str:
    """Say what the user gave for a measure.

    Parameters
    ----------
    measure : str
    amounts : mapping
        By name of :data:`AMOUNTS`.
    deadline : str
        Of the measure, ISO 8601; a sowing date after it is marked.
    language : {"en", "zh"}

    Returns
    -------
    str
        Empty where nothing was given.

    Examples
    --------
    >>> amount_words("revegetation", {"seed_rate": 25.0, "fencing_years": 5.0})
    'seed 25 kg/ha'
    >>> amount_words("revegetation", {"sowing_date": "06-05"}, deadline="2027-05-25")
    'sow on 06-05, after the deadline'
    """
    found = []
    for name, measures in AMOUNTS.items():
        if measure in measures and name in amounts:
            words = _WORDS[language][name].format(amounts[name])
            if name == "sowing_date" and deadline and deadline[5:] < str(amounts[name]):
                words += ", after the deadline" if language == "en" else "（晚于最后期限）"
            found.append(words)
    return ("; " if language == "en" else "；").join(found)


def check_sowing_date(text: str) -> str:
    """Refuse what is no day of a year, as 05-20 is.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Raises
    ------
    StudyError
        If it is none.
    """
    try:
        return dt.datetime.strptime(f"2000-{text.strip()}", "%Y-%m-%d").strftime("%m-%d")
    except ValueError as error:
        raise StudyError(
            "a sowing date that is no day", found=f"'{text}'", do="Write month and day: 05-20"
        ) from error


def check_amounts(bands: Mapping[str, Mapping[str, float | str]]) -> None:
    """Refuse amounts by altitude that cannot be.

    Parameters
    ----------
    bands : mapping
        By name of :data:`AMOUNTS`, then by band as "3000-3500" [m].

    Raises
    ------
    StudyError
        If a band is not written so, bands of one field overlap, or a number is negative.
    """
    for name, by_band in bands.items():
        edges = sorted(_edges(name, band) for band in by_band)
        for (_, top), (bottom, _) in pairwise(edges):
            if bottom < top:
                raise StudyError(
                    f"bands of {name} that overlap",
                    found=", ".join(by_band),
                    do="Give each altitude to one band",
                )
        for band, value in by_band.items():
            if isinstance(value, str):
                check_sowing_date(value)
            elif not value >= 0:
                raise StudyError(
                    f"a {name} below 0", found=f"{band}: {value:g}", do="Give numbers from 0"
                )


def amounts_at(
    bands: Mapping[str, Mapping[str, float | str]], elevation: float
) -> dict[str, float | str]:
    """Take the user's amounts at an altitude.

    Parameters
    ----------
    bands : mapping
        As of :func:`check_amounts`; the upper edge of a band belongs to the next.
    elevation : float
        [m]

    Returns
    -------
    dict
        By name of :data:`AMOUNTS`; nothing where no band holds the altitude.

    Examples
    --------
    >>> amounts_at({"seed_rate": {"3000-3500": 20.0, "3500-4000": 30.0}}, 3500.0)
    {'seed_rate': 30.0}
    """
    found: dict[str, float | str] = {}
    for name, by_band in bands.items():
        for band, value in by_band.items():
            low, high = _edges(name, band)
            if low <= elevation < high:
                found[name] = value
    return found


def _edges(name: str, band: str) -> tuple[float, float]:
    match = _BAND.match(band)
    if match is None or not float(match[1]) < float(match[2]):
        raise StudyError(
            f"{name} names no band of altitude",
            found=f"'{band}'",
            do='Write the lower and the upper edge in metres: "3000-3500"',
        )
    return float(match[1]), float(match[2])
