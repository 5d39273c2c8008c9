"""References: each named once, numbered in the order of the chapters, found by its DOI."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Reference", "number_references"]

# Up to the next space, without the sentence's own punctuation; brackets inside belong to it.
_DOI = re.compile(r"10\.\d{4,9}/(?:\([^\s()]*\)|[^\s()])*(?:\([^\s()]*\)|[^\s.,;()\]])")
# What stands before a DOI: "doi:", "https://doi.org/", brackets.
_LEAD = re.compile(r"[\s(\[]*(?:https?://)?(?:dx\.)?(?:doi(?:\.org/|:\s*|\s+))?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    """A numbered reference, its text without the DOI, and the DOI (empty where there is none)."""

    number: int
    text: str
    doi: str


def number_references(citations: Iterable[str]) -> dict[str, Reference]:
    """Give citations their numbers, the same DOI (or the same words) once.

    Parameters
    ----------
    citations : iterable of str
        In order of appearance, repeats allowed.

    Returns
    -------
    dict
        From each citation as given to its :class:`Reference`.

    Examples
    --------
    >>> numbered = number_references(["Wang 2010, doi:10.1080/13658810802443457.", "Sen 1968"])
    >>> [(entry.number, entry.doi) for entry in numbered.values()]
    [(1, '10.1080/13658810802443457'), (2, '')]
    """
    known: dict[str, Reference] = {}
    numbered: dict[str, Reference] = {}
    for citation in citations:
        text, doi = _split(citation)
        key = doi.lower() or re.sub(r"\W+", " ", text).strip().lower()
        if not key:
            continue
        numbered[citation] = known.setdefault(key, Reference(len(known) + 1, text, doi))
    return numbered


def _split(citation: str) -> tuple[str, str]:
    text = " ".join(citation.split())
    found = _DOI.search(text)
    if found is None:
        return text, ""
    before = _LEAD.sub("", text[: found.start()]).rstrip(" .,;")
    after = text[found.end() :].strip(" .,;]")
    after = after if "(" in after else after.strip(" )")
    joined = f"{before} {after}" if after.startswith("(") else f"{before}. {after}"
    return joined.strip(" .") + ".", found.group()
