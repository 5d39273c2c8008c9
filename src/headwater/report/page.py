"""The page: chapters, methods, distrust and references as one HTML text without network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headwater.figures import grouped
from headwater.report.citation import Reference, number_references
from headwater.report.language import ENGLISH, Translator
from headwater.report.section import FigureBlock, TableBlock, TextBlock
from headwater.report.table import TableView, table_csv, view_table

if TYPE_CHECKING:
    from markupsafe import Markup

    from headwater.report.lineage import Lineage
    from headwater.report.picture import Picture
    from headwater.report.section import Section

__all__ = ["Chapter", "Front", "compose_page", "file_stem"]


# A count of five digits or more, and no part of a code, a path, a DOI or a decimal
# A number by itself: not within a name ('20150101.tif', "12345", 2015_10000, a path or a date).
_LONG_COUNT = re.compile(r"(?<![\w./:,−\\'\"#-])[1-9]\d{4,8}(?![\w/:\\'\"-]|[.,]\w)")


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
    environment.filters["hold"] = _hold_together
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


def _hold_together(text: str) -> Markup:
    """Keep a date, and a number with its sign, its unit and its thousands, on one line."""
    from markupsafe import Markup, escape

    text = _LONG_COUNT.sub(lambda found: grouped(int(found[0])), text)
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
