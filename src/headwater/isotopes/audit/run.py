"""The audit: what cannot be true in summary tables of isotopes, and what would be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from headwater.errors import InputError, StudyError, nearest
from headwater.isotopes.audit.rules_lines import (
    means_on_lines,
    recovered_labels,
    slopes_of_evaporation,
    sources_on_line,
    stated_crossings,
)
from headwater.isotopes.audit.rules_means import (
    d_excess_of_means,
    parts_and_totals,
    pooled_within_parts,
    precision_swapped,
    signs_and_ranges,
    trends,
    whole_period,
)
from headwater.isotopes.audit.tables import NEEDS, Case, Claims, Finding, prepare
from headwater.isotopes.intersection import Envelope
from headwater.isotopes.results import AuditReport
from headwater.results import of_inputs
from headwater.tables import ReadingOptions, read_table
from headwater.tables.numbers import plain
from headwater.tables.options import DEFAULTS
from headwater.tables.vocabulary import Field, fields_named

__all__ = ["RULES", "audit_tables", "published_study", "read_claims"]

_CLAIMED = (
    *(replace(entry, kind="text") for entry in fields_named(("d18O", "d2H"))),
    Field("d_excess", "text", "dexcess dex dexc deuteriumexcess 氘盈余 氘过量"),
    Field("label", "text", "label group 组 组别 分组 样地"),
    Field("period", "text", "period month season 月份 时期 时段"),
    Field("grouping", "text", "grouping 分类 分组方式"),
    Field("slope", "text", "slope 斜率"),
    Field("intercept", "text", "intercept 截距"),
)
_PRINTED = {"d18O", "d2H", "d_excess", "slope", "intercept", "value", "d18O_crossing"}

_CHECKS: dict[str, tuple[str, Callable[[Case], tuple[int, list[Finding]]]]] = {
    "A1": ("sign and range by kind of water", signs_and_ranges),
    "A2": ("d-excess = δ²H - 8 δ¹⁸O, within rounding", d_excess_of_means),
    "A3": ("one period wrong in all groups", whole_period),
    "A4": ("a mean lies on its least-squares line", means_on_lines),
    "A5": ("labels of lines, by the means they pass through", recovered_labels),
    "A6": ("a pooled mean lies among its parts", pooled_within_parts),
    "A7": ("crossings recomputed; nearly parallel lines", stated_crossings),
    "A8": ("initial waters lie on the stated meteoric line", sources_on_line),
    "A9": ("slopes that evaporation can draw", slopes_of_evaporation),
    "A10": ("precision of δ¹⁸O and δ²H exchanged", precision_swapped),
    "A11": ("fractions, counts and means of years add up", parts_and_totals),
    "A12": ("sentences about trends and the numbers", trends),
}

RULES: dict[str, str] = {rule: words for rule, (words, _) in _CHECKS.items()}
"""The twelve rules, each in a line."""


@of_inputs
def audit_tables(claims: Claims, *, envelope: Envelope | None = None) -> AuditReport:
    """Audit printed summary tables.

    Parameters
    ----------
    claims : Claims
        What is printed; :func:`read_claims` reads it from files.
    envelope : Envelope, optional
        Slopes that evaporation can have in this climate; by default those of 0-15 °C and a
        humidity of 0.3-0.85, from the stated meteoric line.

    Returns
    -------
    AuditReport
        One row per finding: ``impossible`` where arithmetic forbids it, ``doubtful`` where it
        would need an explanation.

    Raises
    ------
    InputError
        If a table lacks a column.

    Examples
    --------
    >>> report = audit_tables(published_study("zhao2025"))
    >>> report.data[["rule", "severity", "printed", "consistent"]].values.tolist()
    [['A11', 'doubtful', '0.114', 'at least 0.1148']]
    """
    case = prepare(claims, envelope)
    found: list[Finding] = []
    checked = {}
    for rule, (_, check) in _CHECKS.items():  # A1 first: it restores lost signs for the others
        checked[rule], findings = check(case)
        found += findings
    table = pd.DataFrame(
        [asdict(finding) for finding in found], columns=list(Finding.__dataclass_fields__)
    )
    worst = int((table["severity"] == "impossible").sum())
    return AuditReport(
        table,
        f"Audit of {claims.title}: {worst} impossible, {len(table) - worst} doubtful, "
        f"{sum(checked.values())} checks by {sum(n > 0 for n in checked.values())} rules",
        (claims.citation,) if claims.citation else (),
        choices=(
            "Rounding is allowed for twice over; a value with fewer decimals than its column is "
            "taken to have lost trailing zeros",
            "Rules that follow A1 use the signs that it restored",
        ),
        checked=checked,
    )


_STUDIES = {
    "li2024": (
        "Li et al. (2024), Three-Rivers Headwater Region",
        "Li, Gui, Cui, Xue, Du & Si (2024), Hydrol. Earth Syst. Sci. 28:719, CC BY 4.0",
    ),
    "zhao2025": (
        "Zhao et al. (2025), Qilian Mountains",
        "Zhao, Li & Wang (2025), Arid Land Geography 48(8)",
    ),
}


def published_study(name: str) -> Claims:
    """Load the printed figures of a published study that come with the package.

    Parameters
    ----------
    name : {"li2024", "zhao2025"}
        Which.

    Returns
    -------
    Claims

    Raises
    ------
    StudyError
        If there is no such study.

    Examples
    --------
    >>> len(published_study("li2024").means)
    36
    """
    if name not in _STUDIES:
        raise StudyError(
            "no such published study", found=f"'{name}'", do=nearest(name, list(_STUDIES))
        )
    folder = files("headwater.isotopes") / "data"
    parts = {}
    for part in NEEDS:
        source = folder / f"{name}_{part}.csv"
        if source.is_file():
            with source.open(encoding="utf-8") as stream:
                parts[part] = pd.read_csv(stream, dtype=str, keep_default_na=False, comment="#")
    title, citation = _STUDIES[name]
    return _claims(title, parts, citation=citation)


def read_claims(
    *paths: Path | str, water: str = "soil", reading: ReadingOptions = DEFAULTS
) -> Claims:
    r"""Read printed tables from CSV, TSV or XLSX files, each known by its columns.

    Parameters
    ----------
    *paths : Path
        A table of means, of lines or of facts (see :class:`Claims`).
    water : str
        Kind of water of the means.
    reading : ReadingOptions
        What the files leave open.

    Returns
    -------
    Claims

    Raises
    ------
    InputError
        If a file is missing, or is none of the three; if two give other figures for one thing.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "table.csv"
    ...     _ = file.write_text("label,d18O,d2H,d_excess\nmeadow,-12.15,-90.36,9.87\n")
    ...     audit_tables(read_claims(file)).data[["rule", "printed", "consistent"]].values.tolist()
    [['A2', '9.87', '6.84']]
    """
    parts: dict[str, pd.DataFrame] = {}
    said: list[str] = []
    for path in map(Path, paths):
        if not path.is_file():
            raise InputError("no such table", found=str(path), do="Check the path")
        frame, lines = _printed_texts(path, reading)
        said += lines
        kind = next((k for k, needed in NEEDS.items() if set(needed) <= set(frame.columns)), None)
        if kind is None:
            raise InputError(
                f"{path.name} is no table of means, of lines or of facts",
                found=", ".join(map(str, frame.columns)),
                do="Means have label, d18O, d2H (and period, grouping, d_excess); lines have "
                "label, slope, intercept; facts have kind, period, label, quantity, value",
            )
        parts[kind] = _joined(parts.get(kind), frame, path.name)
    title = ", ".join(Path(path).name for path in paths) or "nothing"
    return replace(_claims(title, parts, water=water), reading=tuple(said))


def _printed_texts(path: Path, reading: ReadingOptions) -> tuple[pd.DataFrame, list[str]]:
    """Read a table as text: how a number is printed says how far it was rounded."""
    table = read_table(path, _CLAIMED, options=reading)
    frame = table.data.astype(object).where(table.data.notna(), "").astype(str)
    frame.index = pd.RangeIndex(len(frame))
    for name in _PRINTED & set(frame.columns):
        frame[name] = [_with_point(plain(text)) for text in frame[name]]
    empty = {name: "" for name in ("grouping", "period") if name not in frame.columns}
    return frame.assign(**empty), list(table.report.lines())


def _with_point(text: str) -> str:
    """Write a decimal comma as a point; what parts thousands is none of these figures."""
    return text.replace(",", ".") if re.fullmatch(r"[-+]?\d*,\d+", text) else text


def _joined(before: pd.DataFrame | None, frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Put tables of one kind under each other; two that say one thing differently are refused."""
    if before is None:
        return frame
    both = pd.concat([before, frame], ignore_index=True).fillna("").drop_duplicates()
    keys = [key for key in ("kind", "grouping", "label", "period", "quantity") if key in both]
    twice = both[both.duplicated(keys)]
    if not twice.empty:
        where = ", ".join(text for text in map(str, twice[keys].iloc[0]) if text)
        raise InputError(
            f"{name} gives other figures than a table before it",
            found=f"'{where}' in both",
            do="Audit the tables one by one, or give them groupings of their own",
        )
    return both.reset_index(drop=True)


def _claims(title: str, parts: dict[str, pd.DataFrame], **said: Any) -> Claims:
    means, lines, facts = (parts.get(part) for part in ("means", "lines", "facts"))
    return Claims(title, means, lines, facts, **said)
