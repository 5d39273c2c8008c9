"""Printed tables made ready for the audit: numbers, how far they were rounded, findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import InputError, nearest

__all__ = ["Case", "Claims", "Finding", "NEEDS", "SLACK", "prepare", "printed"]

SLACK = 2.0
"""Rounding is allowed for twice over: many tables round numbers that were rounded before."""

NEEDS = {
    "means": ("grouping", "label", "period", "d18O", "d2H"),
    "lines": ("label", "period", "slope", "intercept"),
    "facts": ("kind", "period", "label", "quantity", "value"),
}
"""Columns that each part of the claims must have."""


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """What a study prints about its waters; any part may be absent.

    Attributes
    ----------
    title : str
        Of the study.
    means : DataFrame, optional
        ``grouping, label, period, d18O, d2H`` [‰] and perhaps ``d_excess``; ``grouping`` ``all``
        for the pooled mean. Best as text, which keeps the printed decimals.
    lines : DataFrame, optional
        ``label, period, slope, intercept`` and perhaps ``grouping``, ``row`` (which lines stand in
        one printed row), ``d18O_crossing``.
    facts : DataFrame, optional
        ``kind, period, label, quantity, value``. Kinds: meteoric, source, precision, fraction,
        count, total, trend, annual, annual_mean, annual_min, annual_max, annual_years.
    water : str
        Kind of water of the means.
    citation : str
        Where it was printed.
    reading : tuple of str
        How the files were read, line by line.
    """

    title: str
    means: pd.DataFrame | None = None
    lines: pd.DataFrame | None = None
    facts: pd.DataFrame | None = None
    water: str = "soil"
    citation: str = ""
    reading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that cannot be true, or hardly."""

    rule: str
    severity: str
    table: str
    label: str
    period: str
    quantity: str
    printed: str
    consistent: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Claims as numbers: every number column ``x`` has ``x_half``, half a unit of its last digit.

    ``means`` carries ``d18O`` and ``d2H`` with lost signs restored once rule A1 has run.
    """

    means: pd.DataFrame
    lines: pd.DataFrame
    facts: pd.DataFrame
    water: str
    envelope: Any = None
    notes: dict[str, str] = field(default_factory=dict)

    def fact(self, kind: str, quantity: str = "") -> tuple[float, float]:
        """Return a stated figure and half a unit of its last digit; NaN where not stated."""
        rows = self.facts[self.facts["kind"] == kind]
        rows = rows[rows["quantity"] == quantity] if quantity else rows
        if rows.empty:
            return np.nan, np.nan
        return float(rows["number"].iloc[0]), float(rows["half"].iloc[0])


def _text(cell: Any) -> str:
    """Write a cell as printed, a missing one as empty."""
    missing: Any = pd.isna(cell)
    return "" if missing else str(cell).strip().replace("−", "-")


def printed(column: pd.Series, *, alone: bool = False) -> tuple[pd.Series, pd.Series]:
    """Read printed numbers, and half a unit of the last digit of each.

    Parameters
    ----------
    column : Series
        Text as printed, or numbers.
    alone : bool
        Whether each value has its own number of decimals; else at least the column's usual number,
        because spreadsheets drop trailing zeros (6.80 becomes 6.8).

    Returns
    -------
    numbers, halves : Series of float

    Examples
    --------
    >>> printed(pd.Series(["-12.00", "-13.26", "-100.0"]))[1].tolist()
    [0.005, 0.005, 0.005]
    """
    text = column.map(_text)
    numbers = pd.to_numeric(text.replace("", None), errors="coerce").astype(float)
    decimals = text.map(lambda cell: len(cell.partition(".")[2])).where(numbers.notna())
    if not alone and numbers.notna().any():
        decimals = decimals.clip(lower=float(decimals.mode().iloc[-1]))
    return numbers, 0.5 * 10.0**-decimals


def prepare(claims: Claims, envelope: object = None) -> Case:
    """Check the parts of the claims and turn them into numbers.

    Parameters
    ----------
    claims : Claims
        As printed.
    envelope : Envelope, optional
        Slopes that evaporation can have.

    Returns
    -------
    Case

    Raises
    ------
    InputError
        If a part lacks a column.

    Examples
    --------
    >>> frame = pd.DataFrame({"kind": ["precision"], "period": [""], "label": [""],
    ...                       "quantity": ["d18O_sd"], "value": ["0.5"]})
    >>> prepare(Claims("ours", facts=frame)).fact("precision", "d18O_sd")
    (0.5, 0.05)
    """
    frames = {}
    for part, needed in NEEDS.items():
        given = getattr(claims, part)
        frame = pd.DataFrame(columns=list(needed)) if given is None else given.copy()
        for name in needed:
            if name not in frame.columns:
                raise InputError(
                    f"the table of {part} lacks a column",
                    found=f"no '{name}'",
                    do=nearest(name, [str(c) for c in frame.columns]),
                )
        for name in ("label", "period", "grouping", "kind", "quantity", "row"):
            if name in frame.columns:
                frame[name] = frame[name].map(_text)
        frames[part] = frame.reset_index(drop=True)
    means, lines, facts = frames["means"], frames["lines"], frames["facts"]
    for frame, names in (
        (means, ("d18O", "d2H", "d_excess")),
        (lines, ("slope", "intercept", "d18O_crossing")),
    ):
        for name in names:
            cells = frame[name] if name in frame.columns else pd.Series(np.nan, frame.index)
            frame[f"{name}_text"] = cells.map(_text)
            frame[name], frame[f"{name}_half"] = printed(cells)
    facts["number"], facts["half"] = printed(facts["value"], alone=True)
    if "row" not in lines.columns:
        lines["row"] = lines["label"]
    return Case(means, lines, facts, claims.water, envelope)
