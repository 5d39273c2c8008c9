"""Profiles of degradation grades: versioned thresholds, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike

from headwater.errors import DataError, InputError, nearest

__all__ = ["GRADES", "GradeProfile", "read_profile"]

GRADES = ("none", "light", "moderate", "heavy", "severe")
"""Grades from best to worst."""

BASES = ("relative_loss", "absolute_cover", "weighted_index")
MARKS = ("read", "secondary", "user")
_ASKED_FOR = {"DB63/T 2443-2025", "db63t2443-2025", "DB63/T 2443"}


@dataclass(frozen=True, slots=True)
class GradeProfile:
    """Thresholds of degradation.

    Attributes
    ----------
    name, version : str
        Name and version of the profile.
    basis : {"relative_loss", "absolute_cover", "weighted_index"}
        What is graded: loss of cover against a baseline, cover itself, or an index of several
        terms, each in percent. Profiles of different bases cannot be compared.
    grades : tuple of str
        Grades that the profile defines, best first.
    edges : tuple of float
        Lower edges of the grades after the first, on the scale of growing damage: loss [%], or 100
        minus cover or index [%]. Half-open: a value on an edge belongs to the worse grade where
        `closed` is "left", to the better one where it is "right".
    closed : {"left", "right"}
        Which edge belongs to a band of damage.
    sources, marks : tuple of str
        Source of each edge, and whether it was ``read``, is ``secondary`` or the ``user``'s.
    note : str
        What to know about it.
    """

    name: str
    version: str
    basis: str
    grades: tuple[str, ...]
    edges: tuple[float, ...]
    closed: str
    sources: tuple[str, ...]
    marks: tuple[str, ...]
    note: str = ""

    def grade(self, damage: ArrayLike) -> Any:
        """Return the position in :data:`GRADES` of damage [%], -1 where it is missing.

        Examples
        --------
        >>> profile = read_profile("gb19377-cover")
        >>> [GRADES[k] for k in profile.grade(np.array([10.0, 20.5, 45.0]))]
        ['none', 'moderate', 'heavy']
        """
        values = np.asarray(damage, dtype=np.float64)
        edges = np.asarray(self.edges, dtype=np.float64)
        on_edge = values[..., None] >= edges if self.closed == "left" else values[..., None] > edges
        place = on_edge.sum(axis=-1)
        positions = np.array([GRADES.index(name) for name in self.grades])
        return np.where(np.isfinite(values), positions[place], -1)


def read_profile(name: str | Path) -> GradeProfile:
    """Read a profile of degradation grades.

    Parameters
    ----------
    name : str or Path
        One that is shipped ("gb19377-cover", "qinghai-draft-2021"), or a YAML file of your own.

    Returns
    -------
    GradeProfile

    Raises
    ------
    InputError
        If there is no such file, or it is not YAML.
    DataError
        If its grades overlap, have gaps, are out of order or lack a source.

    Notes
    -----
    DB63/T 2443-2025 (Qinghai, in force since 1 August 2025) could not be read when this was
    written, so that no numbers are shipped: write them into a file from the standard's text. Its
    keys: ``name``, ``version``, ``basis``, ``closed`` (left or right), ``note`` and ``bands``, a
    list of ``grade``, ``from``, ``to`` (in percent of the basis), ``source`` and ``mark``.

    Examples
    --------
    >>> profile = read_profile("gb19377-cover")
    >>> profile.basis, profile.edges, profile.grades
    ('relative_loss', (10.0, 20.0, 30.0), ('none', 'light', 'moderate', 'heavy'))
    """
    if str(name) in _ASKED_FOR:
        raise DataError(
            "no thresholds of DB63/T 2443-2025 are shipped",
            found="a standard whose text we could not read",
            do="Copy its numbers into a YAML file with their source, and give the file",
        )
    shipped = resources.files("headwater.vegetation") / "profiles_data"
    known = sorted(entry.name.removesuffix(".yaml") for entry in shipped.iterdir())
    if str(name) in known:
        text = (shipped / f"{name}.yaml").read_text(encoding="utf-8")
    elif Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        raise InputError("no such profile", found=f"'{name}'", do=nearest(str(name), known))
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError("not YAML", found=str(error).splitlines()[0], do="Correct it") from error
    return _profile(content, str(name))


def _profile(content: object, name: str) -> GradeProfile:
    if not isinstance(content, Mapping):
        raise DataError(f"profile {name} has no keys", found=type(content).__name__, do="Add them")
    lacking = [key for key in ("name", "version", "basis", "bands") if key not in content]
    unknown = set(content) - {"name", "version", "basis", "bands", "closed", "note"}
    if lacking or unknown:
        raise DataError(
            f"profile {name} lacks keys or has unknown ones",
            found=f"lacking {lacking}, unknown {sorted(map(str, unknown))}",
            do="See the documentation of read_profile",
        )
    basis, bands = content["basis"], list(content["bands"])
    closed = content.get("closed", "left")
    if basis not in BASES or closed not in ("left", "right"):
        raise DataError(
            f"profile {name}: unknown basis or closed side",
            found=f"basis '{basis}', closed '{closed}'",
            do=f"Use one of {', '.join(BASES)}, and left or right",
        )
    edges = _edges(bands, name, falling=basis != "relative_loss")
    return GradeProfile(
        name=str(content["name"]),
        version=str(content["version"]),
        basis=basis,
        grades=tuple(str(band["grade"]) for band in bands),
        edges=edges,
        closed=closed,
        sources=tuple(str(band["source"]) for band in bands),
        marks=tuple(str(band["mark"]) for band in bands),
        note=str(content.get("note", "")),
    )


def _edges(bands: list[Any], name: str, *, falling: bool) -> tuple[float, ...]:
    """Check that bands follow each other without gap or overlap, and give the edges of damage."""
    for band in bands:
        lacking = {"grade", "from", "to", "source", "mark"} - set(band)
        if lacking or band["mark"] not in MARKS or band["grade"] not in GRADES:
            raise DataError(
                f"profile {name}: a band is incomplete",
                found=f"{dict(band)}",
                do=f"Give grade ({', '.join(GRADES)}), from, to, source and mark "
                f"({', '.join(MARKS)})",
            )
    order = [GRADES.index(band["grade"]) for band in bands]
    if order != sorted(set(order)) or len(bands) < 2:
        raise DataError(
            f"profile {name}: grades are missing, repeated or out of order",
            found=", ".join(band["grade"] for band in bands),
            do="List two or more of them from none to severe, each once",
        )
    limits = [(float(band["from"]), float(band["to"])) for band in bands]
    damage = [(100.0 - high, 100.0 - low) if falling else (low, high) for low, high in limits]
    for i, ((_, end), (begin, _)) in enumerate(pairwise(damage)):
        if end != begin:
            raise DataError(
                f"profile {name}: bands {'overlap' if end > begin else 'leave a gap'}",
                found=f"{bands[i]['grade']} {limits[i]} and {bands[i + 1]['grade']} "
                f"{limits[i + 1]}",
                do="Let each band begin where the better one ends",
            )
    if any(high <= low for low, high in damage):
        raise DataError(
            f"profile {name}: a band without width", found=f"{limits}", do="Give from < to"
        )
    return tuple(begin for begin, _ in damage[1:])
