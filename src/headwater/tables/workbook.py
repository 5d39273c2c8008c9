"""The cells of a workbook: sheets, merged cells, formulas and percentages as people see them."""

from __future__ import annotations

import datetime as dt
import zipfile
from io import BytesIO
from typing import Any

from headwater.errors import InputError, nearest
from headwater.tables.cells import Cells, Row, Score
from headwater.tables.options import ReadingOptions

__all__ = ["read_workbook"]


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
    tables = {sheet.title: _rows(sheet) for sheet in book.worksheets}
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


def _rows(sheet: Any) -> list[Row]:
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
