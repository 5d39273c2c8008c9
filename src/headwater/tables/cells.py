"""The cells of a table as text, each with its number in the file: of texts and of workbooks."""

from __future__ import annotations

import csv
import datetime as dt
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any

from headwater.errors import InputError, nearest
from headwater.tables.numbers import is_missing
from headwater.tables.options import DEFAULTS, ReadingOptions
from headwater.tables.report import LeftOut, name_rows
from headwater.tables.text import Source, decode, name_of, read_bytes

__all__ = [
    "Cells",
    "Row",
    "Score",
    "even_rows",
    "read_cells",
    "read_workbook",
]

_WORDS = {"tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "bar": "|"}
_NAMES = {sign: word for word, sign in _WORDS.items()}
_SAMPLE = 400
Score = Callable[[Sequence[str]], int]
"""How many columns of known meaning a row names."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes
    ----------
    number : int
        In the file, from 1, as a spreadsheet counts.
    cells : tuple of str
        Without blanks around them.
    """

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """All rows of a table that are not blank.

    Attributes
    ----------
    rows : tuple of Row
    name : str
        Of the file.
    layout : str
        Encoding and separator, or the sheet, in words.
    guesses : tuple of str
        What was assumed.
    left_out : tuple of LeftOut
    typed : bool
        Whether the file itself keeps numbers as numbers (a workbook), so that only texts can have
        decimal commas.
    """

    rows: tuple[Row, ...]
    name: str
    layout: str
    guesses: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    typed: bool = False


def read_cells(
    source: Source,
    options: ReadingOptions = DEFAULTS,
    *,
    name: str | None = None,
    score: Score | None = None,
) -> Cells:
    r"""Read the cells of a CSV, TSV or XLSX file as text.

    Parameters
    ----------
    source : path or bytes
    options : ReadingOptions
    name : str, optional
        Of the file, where `source` is its content.
    score : callable, optional
        Counts the known names in a row, by which the separator and the sheet are chosen.

    Returns
    -------
    Cells

    Raises
    ------
    InputError
        If the file cannot be read, is of another kind, or a quote is never closed.

    Examples
    --------
    >>> [row.cells for row in read_cells(b"a;b\n1;2,5\n").rows]
    [('a', 'b'), ('1', '2,5')]
    """
    called = name_of(source) if name is None else name
    content = read_bytes(source)
    if content.startswith(b"PK\x03\x04"):
        return read_workbook(content, called, options, score)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(
            f"{called} is a workbook of the old kind (.xls), which is not read",
            do="Open it in Excel, WPS or LibreOffice and save it as XLSX or CSV",
        )
    text = decode(content, name=called, encoding=options.encoding)
    start = text.text.lstrip()[:200].lower()
    if start.startswith(("<html", "<!doctype", "<table", "<?xml")):
        raise InputError(
            f"{called} is a web page or XML, whatever its name says",
            found=start[:40],
            do="Open it in a spreadsheet and save it as CSV",
        )
    return _parse(text.text, called, options, score, text.encoding, text.guesses)


def _parse(
    text: str,
    name: str,
    options: ReadingOptions,
    score: Score | None,
    encoding: str,
    guesses: tuple[str, ...],
) -> Cells:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    stated = re.match(r'"?sep=(.)"?\n', text)  # what Excel writes to itself
    separator = _WORDS.get(options.separator or "", options.separator) or (
        stated.group(1) if stated else _separator(text, score)
    )
    if len(separator) != 1:
        raise InputError(
            "not a separator",
            found=repr(separator),
            do="Give one character, or tab, comma, semicolon, space",
        )
    rows = _rows(text, separator, name)
    rows = rows[1:] if stated else rows
    rows, left = _without_comments(rows)
    word = _NAMES.get(separator, repr(separator))
    return Cells(tuple(rows), name, f"{encoding}, separated by {word}", guesses, left)


def _rows(text: str, separator: str, name: str) -> list[Row]:
    if separator == " ":
        lines = enumerate(text.split("\n"), start=1)
        return [Row(n, tuple(line.split())) for n, line in lines if line.strip()]
    rows = []
    try:
        records = csv.reader(StringIO(text), delimiter=separator, strict=True)
        for number, record in enumerate(records, start=1):
            cells = tuple(cell.replace("\n", " ").strip() for cell in record)
            if any(cells):
                rows.append(Row(number, cells))
    except csv.Error as error:
        raise InputError(
            f"{name or 'the file'} has quotes that do not match",
            found=f"{error} (after row {rows[-1].number if rows else 0})",
            do='Close the quote, or write " twice inside a quoted cell',
        ) from None
    return rows


def _separator(text: str, score: Score | None) -> str:
    """Choose the separator that makes the most columns of known meaning, and rows of one length."""
    lines = [line for line in text.split("\n")[:_SAMPLE] if line.strip()]
    best, most = ",", (0, 0.0, 0)
    for sign in (",", ";", "\t", "|", "，", "；", " "):
        cells = [_split(line, sign) for line in lines]
        widths = Counter(len(row) for row in cells if len(row) > 1)
        if not widths:
            continue
        width, agree = max(widths.items(), key=lambda item: (item[1], item[0]))
        known = max(map(score, cells[:60])) if score else 0
        if sign == " " and agree < 0.8 * len(cells):
            continue  # words of a sentence are many and separate nothing
        rank = (known, agree / len(cells), width)
        if rank > most:
            best, most = sign, rank
    return best


def _split(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def _without_comments(rows: list[Row]) -> tuple[list[Row], tuple[LeftOut, ...]]:
    """Leave out lines that begin with # and are not like the others."""
    widths = Counter(len(row.cells) for row in rows if not row.cells[0].startswith("#"))
    usual = widths.most_common(1)[0][0] if widths else 0
    comments = [
        row
        for row in rows
        if row.cells[0].startswith("#")
        and not is_missing(row.cells[0])
        and (len(row.cells) != usual or not any(row.cells[1:]))
    ]
    if not comments or usual == 0:
        return rows, ()
    numbers = {row.number for row in comments}
    left = (LeftOut("comment", tuple(sorted(numbers))),)
    return [row for row in rows if row.number not in numbers], left


def even_rows(rows: Sequence[Row], width: int, name: str) -> list[Row]:
    """Bring rows to the width of the head; cells that nothing names must be empty.

    Parameters
    ----------
    rows : sequence of Row
    width : int
        Number of names.
    name : str
        Of the file.

    Returns
    -------
    list of Row

    Raises
    ------
    InputError
        If a row has fewer cells than there are names, or a filled one too many; the rows are named.

    Examples
    --------
    >>> even_rows([Row(2, ("a", "1", ""))], 2, "lab.csv")[0].cells
    ('a', '1')
    """
    ragged = [row for row in rows if len(row.cells) < width or any(row.cells[width:])]
    if ragged:
        first = ragged[0]
        raise InputError(
            f"{name or 'the table'} has rows of another length than its head",
            found=f"{len(first.cells)} cells under {width} names in row {first.number} "
            f"({name_rows([row.number for row in ragged])} in all)",
            do="Complete the rows; a decimal comma in a file of commas needs quotes, or separate "
            "by semicolons",
        )
    return [Row(row.number, row.cells[:width]) for row in rows]


def read_workbook(
    content: bytes, name: str, options: ReadingOptions, score: Score | None = None
) -> Cells:
    """Read the cells of an XLSX file as text.

    Numbers are written in full with a decimal point, dates as ISO 8601, percentages with their
    sign; a merged cell stands in all places that it covers.

    Parameters
    ----------
    content : bytes
    name : str
        Of the file.
    options : ReadingOptions
        ``sheet`` says which.
    score : callable, optional
        Counts the known names in a row; the first sheet that has any is read.

    Returns
    -------
    Cells

    Raises
    ------
    InputError
        If the sheet does not exist or is empty, or the file is no workbook.
    """
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(BytesIO(content), data_only=True)
        formulas = load_workbook(BytesIO(content))
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(
            f"{name} is no XLSX workbook", found=str(error)[:200], do="Save it anew as XLSX or CSV"
        ) from None
    tables = {sheet.title: _rows_of_sheet(sheet) for sheet in book.worksheets}
    title, guesses = _choose(tables, options.sheet, score)
    sheet = book[title]
    guesses += _uncomputed(sheet, formulas[title]) + _merged(sheet) + _hidden(sheet)
    return Cells(tuple(tables[title]), name, f"XLSX, sheet '{title}'", tuple(guesses), typed=True)


def _choose(
    tables: dict[str, list[Row]], sheet: str | int | None, score: Score | None
) -> tuple[str, list[str]]:
    titles = list(tables)
    if isinstance(sheet, int) and -len(titles) <= sheet < len(titles):
        return titles[sheet], []
    if sheet is not None:
        if sheet not in tables:
            raise InputError(
                "the workbook has no such sheet", found=f"'{sheet}'", do=nearest(str(sheet), titles)
            )
        return str(sheet), []
    filled = [title for title in titles if len(tables[title]) > 1]
    if not filled:
        raise InputError("the workbook is empty", found=", ".join(titles), do="Check the file")
    if score is None:
        good = filled
    else:
        rank = {t: max(score(row.cells) for row in tables[t][:60]) for t in filled}
        good = [t for t in filled if rank[t] == max(rank.values())] or filled
    if len(good) > 1:
        others = ", ".join(f"'{title}'" for title in good[1:])
        return good[0], [f"sheet '{good[0]}' was read, not {others}; sheet settles it"]
    return good[0], []


def _rows_of_sheet(sheet: Any) -> list[Row]:
    held: dict[tuple[int, int], Any] = {}
    for area in sheet.merged_cells.ranges:
        corner = sheet.cell(area.min_row, area.min_col)
        for place in area.cells:
            held[place] = corner
    rows = []
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = tuple(
            _text(held.get((number, place), cell)) for place, cell in enumerate(cells, start=1)
        )
        if any(texts):
            rows.append(Row(number, texts))
    width = max((i + 1 for row in rows for i, text in enumerate(row.cells) if text), default=0)
    return [Row(row.number, row.cells[:width]) for row in rows]


def _text(cell: Any) -> str:
    """Write a cell as its reader means it."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time(0) and "h" not in str(cell.number_format).lower()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, int | float):
        percent = "%" in str(cell.number_format)
        # what the sheet shows as 25.3 % is kept in it as 0.253
        return f"{float(f'{value * 100:.12g}')!r}%" if percent else repr(value)
    return " ".join(str(value).split())


def _uncomputed(sheet: Any, formulas: Any) -> list[str]:
    lost = [
        cell.coordinate
        for row in formulas.iter_rows()
        for cell in row
        if cell.data_type == "f" and sheet[cell.coordinate].value is None
    ]
    if not lost:
        return []
    return [
        f"{len(lost)} formulas have no stored value and are read as missing (first: "
        f"{lost[0]}); open and save the workbook in a spreadsheet program"
    ]


def _merged(sheet: Any) -> list[str]:
    tall = [
        str(area)
        for area in sheet.merged_cells.ranges
        if area.max_row > area.min_row and area.min_row > 2
    ]
    if not tall:
        return []
    return [f"merged cells stand for all the rows that they cover: {', '.join(tall[:5])}"]


def _hidden(sheet: Any) -> list[str]:
    n = sum(1 for _, rows in sheet.row_dimensions.items() if rows.hidden)
    return [f"{n} hidden rows were read like the others"] if n else []
