"""Sections of documentation pages that a benchmark writes by itself."""

from __future__ import annotations

from pathlib import Path


def write_section(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a page, the first of which is its title."""
    held = page.read_text(encoding="utf-8")
    head, after = held.partition(begin)[0], held.partition(end)[2]
    page.write_text(f"{head}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
