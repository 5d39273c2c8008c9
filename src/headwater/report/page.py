"""The page: title, chapters, methods, distrust, lineage and references as one HTML text."""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.figures import grouped
from headwater.report.language import ENGLISH, Translator
from headwater.report.section import FigureBlock, TableBlock, TextBlock
from headwater.report.table import TableView, table_csv, view_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from markupsafe import Markup

    from headwater.report.picture import Picture
    from headwater.report.section import Section
    from headwater.results import Result
    from headwater.study import Study

__all__ = [
    "Chapter",
    "Front",
    "Lineage",
    "Reference",
    "compose_page",
    "file_stem",
    "front_of",
    "number_references",
    "read_lineage",
]

# A count of five digits or more, and no part of a code, a path, a DOI or a decimal
# A number by itself: not within a name ('20150101.tif', "12345", 2015_10000, a path or a date).
_LONG_COUNT = re.compile(r"(?<![\w./:,−\\'\"#-])[1-9]\d{4,8}(?![\w/:\\'\"-]|[.,]\w)")
_MOST_INPUTS = 40
Ledger = tuple[tuple[str, str], ...]
# Up to the next space, without the sentence's own punctuation; brackets inside belong to it.
_DOI = re.compile(r"10\.\d{4,9}/(?:\([^\s()]*\)|[^\s()])*(?:\([^\s()]*\)|[^\s.,;()\]])")
# What stands before a DOI: "doi:", "https://doi.org/", brackets.
_LEAD = re.compile(r"[\s(\[]*(?:https?://)?(?:dx\.)?(?:doi(?:\.org/|:\s*|\s+))?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Front:
    """What stands on top: title, summary, facts as (label, words), and the figure that opens it."""

    title: str
    summary: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    opening: tuple[FigureBlock, Picture] | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """A section with its rendered figures and what its results say about themselves."""

    section: Section
    pictures: Mapping[str, Picture]
    choices: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def citations(self) -> tuple[str, ...]:
        """References of the chapter and of its results."""
        return _once(self.section.references, self.references)

    @property
    def distrust(self) -> tuple[str, ...]:
        """Cautions of the chapter and of its results."""
        return _of_all(_once(self.section.cautions, self.cautions))

    @property
    def methods(self) -> tuple[str, ...]:
        """What was done; choices are distinguished."""
        return tuple(text for text in _once(self.section.methods) if text not in self.choices)

    @property
    def decisions(self) -> tuple[str, ...]:
        """Every choice of the results, once."""
        return _of_all(_once(self.choices))


@dataclass(frozen=True, slots=True)
class _Figure:
    number: int
    file: str
    block: FigureBlock
    picture: Picture


@dataclass(frozen=True, slots=True)
class _Table:
    number: int
    file: str
    block: TableBlock
    view: TableView
    csv: str


@dataclass(slots=True)
class _Counter:
    figures: int = 0
    tables: int = 0


def compose_page(
    front: Front,
    chapters: Iterable[Chapter],
    lineage: Lineage,
    translator: Translator = ENGLISH,
) -> str:
    """Compose the report.

    Parameters
    ----------
    front : Front
        Title and facts.
    chapters : iterable of Chapter
        In reading order.
    lineage : Lineage
        Versions, hashes and times.
    translator : Translator
        Of the language of the page.

    Returns
    -------
    str
        HTML that asks no other file and no other host for anything.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    chapters = tuple(chapters)
    numbered = number_references(text for chapter in chapters for text in chapter.citations)
    environment = Environment(
        loader=PackageLoader("headwater.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"hold": _hold_together, "plain": _plain_names}
    environment.globals.update(
        _=translator, word=translator.word, head=translator.head, language=translator.language
    )
    counter = _Counter()
    opening = None
    if front.opening is not None:
        counter.figures += 1
        block, picture = front.opening
        opening = _Figure(counter.figures, block.name, block, picture)
    return environment.get_template("report.html.j2").render(
        front=front,
        opening=opening,
        chapters=[(chapter, _rows(chapter, counter)) for chapter in chapters],
        cited={chapter.section.name: _numbers(chapter, numbered) for chapter in chapters},
        references=_distinct(numbered),
        lineage=lineage,
        figures=counter.figures,
        tables=counter.tables,
    )


def file_stem(section: Section, block: FigureBlock | TableBlock) -> str:
    """Name the files of a figure or table: ``<section>-<name>``, the section once."""
    head = f"{section.name}-"
    return head + block.name.removeprefix(head)


def _rows(chapter: Chapter, counter: _Counter) -> list[list[Any]]:
    """Blocks in reading order; narrow figures that follow each other share a row."""
    rows: list[list[Any]] = []
    for block in chapter.section.blocks:
        file = "" if isinstance(block, TextBlock) else file_stem(chapter.section, block)
        if isinstance(block, FigureBlock):
            counter.figures += 1
            figure = _Figure(counter.figures, file, block, chapter.pictures[block.name])
            if rows and not block.wide and _is_narrow(rows[-1]):
                rows[-1].append(figure)
            else:
                rows.append([figure])
        elif isinstance(block, TableBlock):
            counter.tables += 1
            view = view_table(block.frame, block.digits)
            rows.append([_Table(counter.tables, file, block, view, table_csv(block.frame))])
        else:
            rows.append([block])
    return rows


def _is_narrow(row: list[Any]) -> bool:
    return isinstance(row[0], _Figure) and not row[0].block.wide


def _numbers(chapter: Chapter, numbered: Mapping[str, Reference]) -> list[int]:
    return sorted({numbered[text].number for text in chapter.citations if text in numbered})


def _distinct(numbered: Mapping[str, Reference]) -> list[Reference]:
    return sorted(set(numbered.values()), key=lambda entry: entry.number)


# Names of columns and inputs; no part of a path, of a file's name or of what is quoted.
_CODE_NAME = re.compile(r"(?<![\w./*'\"“-])[a-z]+(?:_[a-z]+)+(?!\w|\.\w|[/*'\"”])")
_READ_AS = {
    "d_excess": "d-excess",
    "lc_excess": "lc-excess",
    "supra_permafrost": "supra-permafrost",
    "ndvi": "NDVI",
    "d18O": "δ¹⁸O",
    "d2H": "δ²H",
    "gb19377-cover": "GB 19377-2003 (cover)",
}
_KNOWN_NAME = re.compile(rf"(?<![\w./'\"“-])(?:{'|'.join(_READ_AS)})(?![\w'\"”]|\.\w)")
_FIRST_LETTER = re.compile(r"(?:^|(?<=[.!?] ))(?!doi)[a-z](?=[a-z]{2,}[ ,:;])")


def _plain_names(text: str) -> str:
    """Write names as people read them, which tables and sentences have as files and code do."""
    text = _KNOWN_NAME.sub(lambda found: _READ_AS[found[0]], text)
    return _CODE_NAME.sub(lambda found: found[0].replace("_", " "), text)


def _hold_together(text: str) -> Markup:
    """Keep a date, and a number with its sign, its unit and its thousands, on one line."""
    from markupsafe import Markup, escape

    text = _LONG_COUNT.sub(lambda found: grouped(int(found[0])), _plain_names(text))
    text = _FIRST_LETTER.sub(lambda found: found[0].upper(), text)
    text = re.sub(r"(?<=\d)%", "\u00a0%", text)
    text = re.sub(r"\b([nprqFRV]) ([=<>≤≥≈]) (?=\S)", "\\1\u00a0\\2\u00a0", text)
    text = re.sub(r"(?<=\d) (?=\d{3}\b|[%‰°×±]|m[³²m]?\b|k[gm]\b|W\b)", "\u00a0", text)
    text = re.sub(r"(?<=\w) (?=[a-zA-Z]+⁻)", "\u00a0", text)
    text = re.sub(r"(?<![\w-])-(?=\d)", "−", text)
    date = re.compile(r"\b\d{4}-\d\d-\d\d\b")
    return Markup(date.sub(r'<span class="date">\g<0></span>', str(escape(text))))


_OF_ONE = re.compile(r"((?:[\w-]+ ?){1,3}): (.+)", re.DOTALL)
"""A sentence about one quantity: its name of at most three words, a colon, what is said of it."""


def _of_all(sentences: Iterable[str]) -> tuple[str, ...]:
    """Say once, of all quantities together, what is said of each in the same words."""
    subjects: dict[str, list[str]] = {}
    for text in sentences:
        one = _OF_ONE.fullmatch(text)
        subjects.setdefault(one[2] if one else text, []).extend([one[1]] if one else [])
    return tuple(f"{', '.join(of)}: {said}" if of else said for said, of in subjects.items())


def _once(*sources: Iterable[str]) -> tuple[str, ...]:
    """All sentences in order, each once."""
    return tuple(dict.fromkeys(text for source in sources for text in source))


def front_of(
    study: Study,
    grids: Mapping[str, Result] | None,
    samples: Mapping[str, Result] | None = None,
) -> Front:
    """Sum a study up.

    Parameters
    ----------
    study : Study
        The study file.
    grids : mapping of Result, or None
        Results of the step ``grids``, where it has finished.
    samples : mapping of Result, optional
        Results of the step ``samples``, where it has finished.

    Returns
    -------
    Front
    """
    facts = list(_place(grids["coverage"].data, grids["inputs"].data)) if grids else []
    first, last = (calendar.month_name[month] for month in study.growing_season)
    if grids is None or (grids["inputs"].data["steps"] > 1).any():
        facts.append(("Growing season", first if first == last else f"{first} to {last}"))
    if samples:
        facts += _campaign(samples["table"].data)
    if not study.inputs:
        return Front(study.name, facts=tuple(fact for fact in facts if fact[0] != "Growing season"))
    target = next(iter(study.inputs))
    return Front(study.name, facts=(("Target", study.term(target).long_name), *facts))


def _campaign(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    kinds = table["water"].nunique()
    yield "Samples", f"{len(table)} of {kinds} water{'' if kinds == 1 else 's'}"
    days = table["time"].dropna()
    if not days.empty:
        yield "Sampled", f"{days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}"


def _place(coverage: xr.Dataset, inputs: pd.DataFrame) -> Iterator[tuple[str, str]]:
    from headwater.grids.geometry import crs_of, geobox_of, is_geographic

    grid, crs = geobox_of(coverage), crs_of(coverage)
    box = grid.boundingbox
    code = f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else crs.name
    side = abs(grid.transform.a)
    if is_geographic(coverage):
        yield (
            "Extent",
            f"{_degrees(box.left, box.right, 'EW')}, {_degrees(box.bottom, box.top, 'NS')}",
        )
        size = f"{side:g}°"
    else:
        edges = (box.left, box.right, box.bottom, box.top)
        west, east, south, north = (f"{edge / 1000:.6g}" for edge in edges)
        yield "Extent", f"{west} to {east} km east, {south} to {north} km north"
        size = f"{side / 1000:g} km" if side >= 1000 else f"{side:g} m"
    rows, columns = grid.shape
    yield "Study grid", f"{rows} × {columns} cells of {size}, {code}"
    varying = inputs[inputs["steps"] > 1]
    dated = inputs[inputs["start"].astype(str).str.len() > 4] if varying.empty else varying
    if not dated.empty:
        ends = map(_last_day, dated["start"], dated["end"], dated["steps"])
        start, end = dated["start"].min(), max(ends)
        yield "Period", start if start == end else f"{start} to {end}"


def _last_day(start: str, end: str, steps: int) -> str:
    """Last day that the times stand for: months and years are often stamped with their first."""
    import pandas as pd

    if steps < 2 or not re.fullmatch(r"\d{4}-\d\d-01", str(end)):
        return end
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    days = (last - first).days / (steps - 1)
    if 27.0 < days < 32.0:
        return f"{last + pd.offsets.MonthEnd(0):%Y-%m-%d}"
    if 360.0 < days < 367.0 and last.month == 1:
        return f"{last.year}-12-31"
    return end


def _degrees(low: float, high: float, letters: str) -> str:
    ends = [f"{abs(round(value, 2)):g}° {letters[value < 0]}" for value in (low, high)]
    same = ends[0][-1] == ends[1][-1]
    return f"{ends[0][:-3]}–{ends[1]}" if same and low >= 0 else f"{ends[0]} to {ends[1]}"


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
