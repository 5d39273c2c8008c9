"""What the page says of where the results came from, read from ``provenance.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Lineage", "read_lineage"]

_MOST_INPUTS = 40
Ledger = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Headed ledgers of (label, words), and the study file's own text."""

    ledgers: tuple[tuple[str, Ledger], ...] = ()
    study_text: str = ""


def read_lineage(results: str | Path) -> Lineage:
    """Read the provenance of a results folder.

    Parameters
    ----------
    results : str or Path
        The results folder.

    Returns
    -------
    Lineage
        Empty where the folder has no ``provenance.json``.
    """
    path = Path(results) / "provenance.json"
    if not path.is_file():
        return Lineage()
    record = json.loads(path.read_text(encoding="utf-8"))
    ledgers = (
        ("Software", _software(record)),
        ("Inputs", _inputs(record.get("inputs", {}))),
        ("Steps", _steps(record.get("steps", []))),
    )
    return Lineage(
        tuple((heading, ledger) for heading, ledger in ledgers if ledger),
        record.get("study_file", {}).get("text", ""),
    )


def _software(record: Mapping[str, Any]) -> Ledger:
    packages = record.get("packages", {})
    file = record.get("study_file", {})
    digest = _short(file.get("sha256", ""))
    words = {
        "Headwater": record.get("headwater", ""),
        "Python": f"{record.get('python', '')} on {record.get('platform', '')}",
        "Packages": ", ".join(f"{name} {number}" for name, number in packages.items()),
        "Study file": f"{Path(file.get('path', '')).name}, SHA-256 {digest}",
        "Command": " ".join(record.get("command", [])),
    }
    return tuple((label, text) for label, text in words.items() if text)


def _inputs(inputs: Mapping[str, Mapping[str, Any]]) -> Ledger:
    lines = [
        (name, f"{_size(facts['bytes'])}, SHA-256 {_short(facts['sha256'])} of {facts['of']}")
        for name, facts in list(inputs.items())[:_MOST_INPUTS]
    ]
    more = len(inputs) - len(lines)
    return (*lines, ("…", f"{more} more in provenance.json")) if more else tuple(lines)


def _steps(steps: list[Mapping[str, Any]]) -> Ledger:
    return tuple(
        (
            step["name"],
            f"{step['seconds']:.1f} s, {step['peak_mb']:.0f} MB at most, started {step['started']}"
            + (", kept from an earlier run" if step["skipped"] else ""),
        )
        for step in steps
    )


def _short(digest: str) -> str:
    """Enough of a hash to compare by eye; all of it is in provenance.json."""
    return f"{digest[:16]}…" if len(digest) > 16 else digest


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
