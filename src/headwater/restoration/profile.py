"""A versioned profile of measures by grade, and of their numbers, each with its source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from headwater.errors import InputError

__all__ = [
    "EARTHWORK",
    "GRADES",
    "MeasureProfile",
    "PLANTING",
    "TIMINGS",
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
_RANGES = (
    "winter_work",
    "pit_spacing",
    "pit_rows",
    "pit_slope",
    "ditch_rows",
    "ditch_slope",
    "transplant_above",
)
_NUMBERS = (
    "pika_damage_level",
    "pika_control_threshold",
    "target_cover",
    "certain_seasons",
    "priority_of_warning",
    "priority_of_confirmed",
    "transplant_above",
    "season_warmth",
    "season_run",
    "pit_width",
    "pit_depth",
    "pit_bank",
    "small_pit_width",
    "small_pits_above",
    "ditch_width",
    "ditch_depth",
    "soil_below_pit",
    "thaw_below_pit",
    "calibrated_curve_number",
    "calibrated_capture",
    "calibrated_store",
    "infiltration_group_a",
    "infiltration_group_b",
    "infiltration_group_c",
    "curve_number_group_a",
    "curve_number_group_b",
    "curve_number_group_c",
    "curve_number_group_d",
    "curve_number_range",
    *(f"{name}_{end}" for name in _RANGES for end in ("from", "to")),
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

    def number(self, name: str) -> float:
        """Give a number by its name, in the unit that the profile says."""
        return float(self.numbers[name]["value"])

    def between(self, name: str) -> tuple[float, float]:
        """Give a range, which the profile has as ``<name>_from`` and ``<name>_to``."""
        return self.number(f"{name}_from"), self.number(f"{name}_to")


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
            {name: dict(entry) for name, entry in raw["measures"].items()},
            {name: dict(entry) for name, entry in raw["numbers"].items()},
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
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
    return (profile.number("transplant_above"), *profile.between("transplant_above"))


def _check(profile: MeasureProfile) -> None:
    problems = [f"no measures for grade {one}" for one in GRADES if one not in profile.measures]
    problems += [f"unknown grade {one}" for one in profile.measures if one not in GRADES]
    for grade, names in profile.measures.items():
        problems += [f"{grade}: unknown measure {n}" for n in names if n not in profile.texts]
    if "no_till_reseeding" in profile.texts and "transplanting" not in profile.texts:
        problems.append("no measure transplanting, which reseeding becomes where seed fails")
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
    problems += _wrong_numbers(profile)
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


def _wrong_numbers(profile: MeasureProfile) -> list[str]:
    problems = [f"no number {name}" for name in _NUMBERS if name not in profile.numbers]
    for name, entry in profile.numbers.items():
        if not _is_number(entry.get("value")):
            problems.append(f"number {name} is no number")
        if not str(entry.get("unit") or "").strip():
            problems.append(f"number {name} without a unit")
    whole = not problems
    rising = [name for name in _RANGES if name != "winter_work"]
    return problems + [
        f"{name}_from above {name}_to"
        for name in (rising if whole else [])
        if profile.between(name)[0] > profile.between(name)[1]
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
