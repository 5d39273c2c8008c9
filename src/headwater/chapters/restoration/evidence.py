"""Grade, cover, carrying capacity and warnings of units, from the maps of other chapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwater.chapters.restoration.places import mean_of_units
from headwater.restoration.profile import GRADES
from headwater.warning.ladder import STATES

if TYPE_CHECKING:
    from headwater.study.model import Study
    from headwater.study.step import Context

__all__ = ["evidence_of_units", "grade_of_shares", "grades_computed"]

Ints = NDArray[np.int64]


def grades_computed(study: Study) -> bool:
    """Whether the study computes grades of degradation itself.

    Parameters
    ----------
    study : Study

    Returns
    -------
    bool
    """
    return getattr(study, "vegetation", None) is not None


def evidence_of_units(context: Context, unit: Ints, cell: Ints, count: int) -> list[dict[str, Any]]:
    """Average what the vegetation's maps say over each unit.

    Parameters
    ----------
    context : Context
    unit, cell : ndarray of int, shape (pairs,)
        Of :func:`headwater.chapters.restoration.places.cells_of_units`.
    count : int
        Of units.

    Returns
    -------
    list of dict
        ``grade``, ``grade_probability``, ``seasons``, ``cover``, ``capacity``,
        ``capacity_lower``, ``warning`` and ``warning_share`` of each unit, as far as they are
        known.
    """
    found: list[dict[str, Any]] = [{} for _ in range(count)]
    for i, warned in enumerate(_warnings(context, unit, cell, count)):
        found[i] |= warned
    if not grades_computed(context.study):
        return found
    home = context.results / "vegetation"
    if (home / "grade.json").is_file():
        grades = context.load("vegetation/grade").data
        shares = grades["probability"].transpose("grade_name", "y", "x").values
        means = np.stack([mean_of_units(one, unit, cell, count) for one in shares])
        seasons = mean_of_units(_values(grades, "seasons"), unit, cell, count)
        for i in range(count):
            if np.isfinite(means[:, i]).all():
                grade, probability = grade_of_shares(means[:, i])
                found[i] |= {"grade": grade, "grade_probability": probability}
                found[i]["seasons"] = int(np.nan_to_num(seasons[i]))
    for name, key, variable in (
        ("cover", "cover", "cover"),
        ("capacity", "capacity", "capacity"),
        ("capacity", "capacity_lower", "low"),
    ):
        if (home / f"{name}.json").is_file():
            values = _values(context.load(f"vegetation/{name}").data, variable)
            for i, value in enumerate(mean_of_units(values, unit, cell, count)):
                found[i] |= {key: float(value)} if np.isfinite(value) else {}
    return found


def _warnings(context: Context, unit: Ints, cell: Ints, count: int) -> list[dict[str, Any]]:
    """Take the worst state of early warning in each unit, and on which share of its cells it is.

    Cells count that the map shows, of which a set share is false; a restored cell is no worse than
    one that was never warned of, but worth saying where nothing else stands.
    """
    found: list[dict[str, Any]] = [{} for _ in range(count)]
    at = context.results / "warning" / "states.json"
    if getattr(context.study, "warning", None) is None or not at.is_file():
        return found
    maps = context.load("warning/states").data
    state, shown = _values(maps, "state"), _values(maps, "shown") == 1
    known = np.where(state >= 0, 1.0, np.nan)
    for name in ("restored", "watch", "warning", "confirmed"):
        here = (state == STATES.index(name)) & (shown | (name == "restored"))
        shares = mean_of_units(np.where(here, 1.0, 0.0) * known, unit, cell, count)
        for i in np.flatnonzero(shares > 0):
            found[i] = {"warning": name, "warning_share": float(shares[i])}
    return found


def grade_of_shares(shares: NDArray[np.float64]) -> tuple[str, float]:
    """Choose the grade of a unit from the mean probabilities of its cells.

    Parameters
    ----------
    shares : ndarray, shape (5,)
        By grade, from the least [1].

    Returns
    -------
    grade : str
        The median grade: half of the unit is at least as degraded.
    probability : float
        Of that grade: the share of the unit that has it [1].

    Examples
    --------
    >>> grade_of_shares(np.array([0.3, 0.1, 0.5, 0.1, 0.0]))
    ('moderate', 0.5)
    """
    place = int(np.searchsorted(np.cumsum(shares / shares.sum()), 0.5 - 1e-12))
    return GRADES[place], float(shares[place] / shares.sum())


def _values(maps: Any, name: str) -> NDArray[np.float64]:
    return np.asarray(maps[name].transpose("y", "x").values, dtype=np.float64)
