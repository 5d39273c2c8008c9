"""Whether the work of a plan helped: its done units against matched controls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError
from headwater.restoration.plan import Plan
from headwater.restoration.treatment_effect import (
    TreatmentEffect,
    estimate_treatment_effect,
    matched_controls,
)
from headwater.tables import read_table
from headwater.tables.vocabulary import Field

__all__ = ["effect_words", "evaluate_plan", "read_cover"]

_CONTROLS, _FEWEST = 10, 8


def evaluate_plan(
    plan: Plan,
    cover: pd.DataFrame,
    *,
    since: int,
    rng: np.random.Generator,
    units: Sequence[str] = (),
    water: Sequence[str] = (),
) -> dict[str, dict[str, float | str]]:
    """Compare done units with controls, before and after the work.

    Parameters
    ----------
    plan : Plan
    cover : DataFrame
        ``unit``, ``year``, ``cover`` [1] of treated units and of others, which may lie outside of
        the plan; a row for each unit and year.
    since : int
        First season after the work.
    rng : numpy Generator
        Source of the placebos.
    units : sequence of str
        Units whose work is evaluated; default: all that are done.
    water : sequence of str
        Columns of `cover` whose effect is taken out, such as rain or soil water.

    Returns
    -------
    dict
        By unit, all the same: ``effect``, ``lower``, ``upper`` [unit of cover], ``level``,
        ``p_value``, ``p_placebo``, ``n_treated``, ``n_control``, ``n_years``, ``design``, ``since``
        and a ``statement``.

    Raises
    ------
    DataError
        If no unit is done, units or columns lack, a unit and year stands twice, or there are too
        few units to compare.

    Notes
    -----
    Controls are units that nobody treats: neither done nor approved in the plan. The ten most
    alike of each treated unit are taken, by elevation and slope, and what changes with these in a
    straight line is taken out; all, as they are, where the plan does not know these or there are
    fewer than eight units. They are not matched by cover before the work: controls that looked as
    poor by chance recover, and an effect is missed or invented in every second case
    (docs/simulations/restoration.md). The effect is that of the group: one unit is no replicate.
    """
    treated = list(units) or [line.unit.name for line in plan.lines if line.state == "done"]
    _check(plan, cover, treated, water)
    touched = {
        line.unit.name
        for line in plan.lines
        if line.state in ("done", "approved", "evaluated") and line.unit.name not in treated
    }
    table = cover[~cover["unit"].isin(touched)]
    wide = _by_year(table, "cover")
    label = wide.index.isin(treated)
    after = np.asarray(wide.columns) >= since
    values = wide.to_numpy(dtype=np.float64)
    traits = _traits(plan, list(wide.index))
    keep = np.ones(len(label), dtype=bool)
    if traits is not None:
        keep = label | matched_controls(traits, label, n_controls=_CONTROLS)
    shown = values[keep]
    extra = None
    if water:
        extra = np.stack([_by_year(table, one).to_numpy(dtype=np.float64)[keep] for one in water])
    own = traits[keep] if traits is not None and keep.sum() >= _FEWEST else None
    found = estimate_treatment_effect(
        shown, label[keep], after, rng=rng, covariates=extra, traits=own
    )
    facts: dict[str, float | str] = {
        "effect": found.effect,
        "lower": found.lower,
        "upper": found.upper,
        "level": found.level,
        "p_value": found.p_value,
        "p_placebo": found.p_placebo,
        "n_treated": float(found.n_treated),
        "n_control": float(found.n_control),
        "n_years": float(wide.shape[1]),
        "design": found.design,
        "since": float(since),
        "statement": effect_words(found),
    }
    return {name: dict(facts) for name in treated}


def read_cover(path: str | Path, water: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of cover by unit and year.

    Parameters
    ----------
    path : str or Path
        CSV or XLSX with ``unit``, ``year``, ``cover`` [1] and the columns of `water`.
    water : sequence of str

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If it cannot be read, or lacks a column.
    DataError
        If cover is no share.
    """
    fields = [
        Field("unit", "text", "unit name"),
        Field("year", "number", "year"),
        Field("cover", "number", "cover vegetationcover"),
        *(Field(name, "number", name.lower()) for name in water),
    ]
    table = read_table(path, fields).data
    missing = [one.name for one in fields if one.name not in table]
    if missing:
        raise InputError(
            f"{path} lacks what an evaluation needs",
            found=f"no {', '.join(missing)}; it has {', '.join(str(c) for c in table)}",
            do="Give unit, year and cover, and the water that is to be taken out",
        )
    wrong = table[(table["cover"] < 0) | (table["cover"] > 1)]
    if len(wrong):
        raise DataError(
            "a cover that is no share",
            found=f"{wrong['cover'].iloc[0]:g} of {wrong['unit'].iloc[0]}",
            do="Give cover from 0 to 1, not in percent",
        )
    return table.astype({"year": int}).reset_index(drop=True)


def _by_year(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table.set_index(["unit", "year"])[name].unstack("year")  # noqa: PD010, it has one value


def effect_words(found: TreatmentEffect) -> str:
    """Say an effect in a sentence.

    Parameters
    ----------
    found : TreatmentEffect

    Returns
    -------
    str
    """
    sure = "helped" if found.lower > 0 else "harmed" if found.upper < 0 else "shows no sure effect"
    words = (
        f"the work {sure}: {100 * found.effect:+.1f} points of cover "
        f"[{100 * found.lower:+.1f}, {100 * found.upper:+.1f}], {found.n_treated} units against "
        f"{found.n_control} controls"
    )
    only = "; nothing was surveyed before, so older differences count as effect"
    return words + (only if found.design == "control_impact" else "")


def _traits(plan: Plan, names: list[str]) -> np.ndarray | None:
    """Elevation and slope of units, where the plan knows all of them."""
    known = {line.unit.name: line.unit.site for line in plan.lines}
    if not all(name in known for name in names):
        return None
    return np.array([[known[name].elevation, known[name].slope] for name in names])


def _check(plan: Plan, cover: pd.DataFrame, treated: list[str], water: Sequence[str]) -> None:
    missing = [name for name in ("unit", "year", "cover", *water) if name not in cover]
    if missing:
        raise DataError(
            "a table of cover without its columns",
            found=f"no {', '.join(missing)}",
            do="Give unit, year and cover, and the water that is to be taken out",
        )
    for name in treated:
        if plan.line(name).state not in ("done", "evaluated"):
            raise DataError(
                "work that is not done cannot be evaluated",
                found=f"{name}: {plan.line(name).state}",
                do="Say when it is done: headwater plan done",
            )
    absent = sorted(set(treated) - set(cover["unit"]))
    if not treated or absent:
        raise DataError(
            "no done unit to evaluate" if not treated else "done units without cover",
            found=", ".join(absent) or "0",
            do="Survey them, and give their cover by year",
        )
    double = cover.duplicated(["unit", "year"])
    if double.any():
        row = cover[double].iloc[0]
        raise DataError(
            "a unit and year stands twice",
            found=f"{row['unit']}, {row['year']}",
            do="Give one cover for each unit and year: its mean",
        )
