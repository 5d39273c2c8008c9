"""How much seed and fertiliser, when to sow, how long to fence: the user's numbers, never ours.

No source of rank gives any of them by altitude, so there are no defaults.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from itertools import pairwise

from headwater.errors import StudyError

__all__ = ["AMOUNTS", "amount_words", "amounts_at", "check_amounts", "check_sowing_date"]

AMOUNTS = {
    "seed_rate": ("no_till_reseeding", "revegetation"),
    "sowing_date": ("no_till_reseeding", "revegetation"),
    "fertiliser_rate": ("fertiliser",),
    "fencing_years": ("growing_season_grazing_ban",),
}
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
