"""A table with typed columns of known meaning, and the report of how it was read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Literal

import pandas as pd

from headwater.errors import InputError, nearest
from headwater.tables.cells import Row, even_rows, read_cells
from headwater.tables.columns import Column, Context, read_column
from headwater.tables.heads import Head, Match, find_head, known_names, label, match
from headwater.tables.numbers import Signs, is_missing, signs_of
from headwater.tables.options import DEFAULTS, ReadingOptions
from headwater.tables.report import LeftOut, ReadingReport
from headwater.tables.text import Source, name_of
from headwater.tables.times import Times
from headwater.tables.vocabulary import FIELDS, Field

__all__ = ["Table", "read_table"]

_DATE_PARTS = ("year", "month", "day", "day_of_year", "clock")
_SUMMARY = (
    "mean average avg total median std stdev stddev standarddeviation stderr standarderror "
    "maximum minimum 平均 平均值 均值 合计 总计 标准差 标准偏差 标准误 标准误差 变异系数 "
    "最大值 最小值 中位数 mittelwert moyenne"
)
_SUMMARY_AMONG = "sd se sum max min count cv n"
_NOTE = re.compile(r"\D.*[\s:：，。]|^(?:note|source|注|备注|来源)|^\*", re.IGNORECASE)
_SUMMARIES = frozenset(_SUMMARY.split())
_SUMMARIES_AMONG = frozenset((*_SUMMARIES, *_SUMMARY_AMONG.split()))
"""Next to one of the others these are summaries too; alone SE and N are rather directions."""
_SUMMARIES_LAST = _SUMMARIES_AMONG - {"se", "n"}
"""What sums up the rows above where it stands under them, also alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table as it was read.

    Attributes
    ----------
    data : DataFrame
        Columns of known meaning under our names and in our units, then the others under their
        own; the index ``row`` holds the numbers of the rows in the file.
    report : ReadingReport
    times : dict of Times
        By column, whether texts named a zone or a time of day.
    below : DataFrame
        Detection limit of the values that lie below one, infinite where the file names none; only
        columns that have such values.
    """

    data: pd.DataFrame
    report: ReadingReport
    times: dict[str, Times] = field(default_factory=dict)
    below: pd.DataFrame = field(default_factory=pd.DataFrame)


def read_table(
    source: Source,
    fields: Sequence[Field] = (),
    *,
    columns: Mapping[str, str] | None = None,
    options: ReadingOptions = DEFAULTS,
    name: str | None = None,
    others: Literal["text", "typed"] = "text",
) -> Table:
    r"""Read a CSV, TSV or XLSX table.

    Encoding, separator, the row of the names, decimal and thousands signs, units and the order of
    dates are found; what can mean two things is refused with the option that settles it, and what
    was assumed is in the report.

    Parameters
    ----------
    source : path or bytes
    fields : sequence of Field
        Columns that are looked for.
    columns : mapping, optional
        Our name to the file's, for names that `fields` does not spell.
    options : ReadingOptions
    name : str, optional
        Of the file, where `source` is its content.
    others : {"text", "typed"}
        Whether columns of no known meaning stay texts, or become numbers where all of them are.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file cannot be read, names are missing or twice there, rows are ragged, or a number
        or date can be read in two ways.
    UnitError
        If a unit does not fit its column.
    DataError
        If a column of numbers or dates holds something else; the rows are named.

    Examples
    --------
    >>> from headwater.tables.vocabulary import fields_named
    >>> text = "编号;海拔(ft);δ18O\nA;10.000;-12,3\n".encode("gbk")
    >>> table = read_table(text, fields_named(["sample_id", "elevation", "d18O"]), name="lab.csv")
    >>> table.data.values.tolist()
    [['A', 3048.0, -12.3]]
    >>> table.report.guesses
    ("'10.000' in 海拔(ft) read as thousands, as the file has decimal commas; decimal settles it",)
    """
    called = name_of(source) if name is None else name
    given = dict(columns or {})
    sought = _sought(fields, given)
    cells = read_cells(
        source,
        options,
        name=called,
        score=partial(known_names, fields=sought, given=tuple(given.values())),
    )
    head = find_head(
        cells.rows, sought, header=options.header, name=called, given=tuple(given.values())
    )
    rows, left = _data_rows(cells.rows[head.first :], head, called)
    body = list(zip(*(row.cells for row in rows), strict=True)) or [()] * len(head.names)
    matched = _assign(head, dict(zip(head.names, body, strict=True)), sought, given, called)
    signs = Signs() if cells.typed else _file_signs(matched, options)
    context = Context(tuple(row.number for row in rows), signs, options, called)
    read = _read_columns(matched, context, head.names, others == "typed")
    notes = tuple(f"{note}" for note in head.notes)
    layout = ", ".join((cells.layout, f"names in row {head.row}", *notes))
    above = (LeftOut("above the names", head.above),) if head.above else ()
    guesses = (*cells.guesses, *matched.guesses, *(g for c in read for g in c.guesses))
    report = ReadingReport(
        called,
        layout,
        len(rows),
        tuple(c.recognised for c in read if c.recognised is not None),
        tuple(c.name for c in read if c.recognised is None and c.values),
        (),
        tuple(dict.fromkeys(guesses)),
        tuple(mark for c in read for mark in c.missing),
        (*above, *cells.left_out, *left),
    )
    index = pd.Index(context.rows, name="row", dtype="int64")
    return Table(
        pd.DataFrame({k: v for c in read for k, v in c.values.items()}, index=index),
        report,
        {c.name: c.times for c in read if c.times is not None},
        pd.DataFrame({c.name: c.below for c in read if c.below is not None}, index=index),
    )


@dataclass(frozen=True, slots=True)
class _Matched:
    """Texts by column, which columns have a known meaning, and what was decided on the way."""

    texts: dict[str, Sequence[str]]
    columns: dict[str, Match]
    guesses: tuple[str, ...] = ()


def _sought(fields: Sequence[Field], given: Mapping[str, str]) -> tuple[Field, ...]:
    """Add the parts of a date, and the names that the user gives, to what is looked for."""
    parts = tuple(FIELDS[name] for name in _DATE_PARTS) if _wants_time(fields) else ()
    known = {entry.name for entry in fields}
    named = {FIELDS.get(wanted, Field(wanted, "text", "")) for wanted in given}
    sure = () if fields else tuple(sorted(named, key=lambda entry: entry.name))
    for wanted in given:
        if fields and wanted not in known:
            raise InputError(
                "no such column in this kind of table",
                found=f"'{wanted}'",
                do=nearest(wanted, sorted(known)),
            )
    return (*fields, *sure, *(part for part in parts if part.name not in known))


def _wants_time(fields: Sequence[Field]) -> bool:
    return any(entry.kind == "time" for entry in fields)


def _file_signs(matched: _Matched, options: ReadingOptions) -> Signs:
    """Learn from the columns of numbers what commas and points mean, where a comma is in any."""
    if options.decimal is not None:
        return Signs()
    columns = [
        texts
        for name, texts in matched.texts.items()
        if _holds_numbers(texts, matched.columns.get(name))
    ]
    cells = [text for column in columns for text in column if "," in text or "." in text]
    if not any("," in text for text in cells):
        return Signs(point="decimal" if cells else "")
    return signs_of(cells, strict=False)


def _holds_numbers(texts: Sequence[str], found: Match | None) -> bool:
    if found is not None:
        return found.field.kind in ("number", "depth")
    filled = [text for text in texts[:200] if not is_missing(text)]
    return bool(filled) and all(re.match(r"[-+−]?[\d.,]*\d[\d.,]*\s*\S{0,4}$", t) for t in filled)


def _data_rows(rows: Sequence[Row], head: Head, name: str) -> tuple[list[Row], tuple[LeftOut, ...]]:
    """Leave out names that are repeated, and notes and summaries under the table."""
    again = [row for row in rows if tuple(row.cells[: len(head.names)]) == head.names]
    body = [row for row in rows if row not in again]
    notes: list[Row] = []
    summaries = _summaries(body) if len(head.names) > 2 else []
    summed = {row.number for row in summaries}
    while body and len(head.names) > 2:
        last = body[-1]
        filled = [text for text in last.cells if text]
        if len(filled) == 1 and last.cells[0] and _NOTE.search(last.cells[0]):
            notes.append(body.pop())
        elif last.number in summed:
            body.pop()
        else:
            break
    body = [row for row in body if row.number not in summed]
    found = (
        ("the names again", again),
        ("a note under the table", notes),
        ("a summary of the rows above", summaries),
    )
    left = tuple(
        LeftOut(why, tuple(sorted(row.number for row in some))) for why, some in found if some
    )
    return even_rows(body, len(head.names), name), left


def _summaries(rows: Sequence[Row]) -> list[Row]:
    """Find rows that sum up others, at the end or between groups, where most rows are others."""
    found: list[Row] = []
    for candidate, run in groupby(rows, lambda row: _called(row) in _SUMMARIES_AMONG):
        some = list(run) if candidate else []
        last = bool(some) and some[-1] is rows[-1] and len(some) < len(rows)
        if any(_called(row) in (_SUMMARIES_LAST if last else _SUMMARIES) for row in some):
            found += some
    return found if 2 * len(found) <= len(rows) else []


def _called(row: Row) -> str:
    """Read what a row is called, such as mean of Mean (n = 12), stddev of Std. Dev. of July."""
    filled = [text for text in row.cells if text]
    if len(filled) < 2:
        return ""
    return re.sub(r"[(（\[].*|\s(?:of|for)\s.*|[\s:：._-]", "", filled[0].lower())


def _assign(
    head: Head,
    texts: Mapping[str, Sequence[str]],
    sought: Sequence[Field],
    given: Mapping[str, str],
    name: str,
) -> _Matched:
    """Decide which column is which: given, then of the very name, then of a known spelling."""
    units = dict(zip(head.names, head.units, strict=True))
    taken = _given(head, sought, given, name)
    hits = {text: hit for text in head.names if text not in taken and (hit := match(text, sought))}
    joined = _join_time(texts, {**hits, **taken})
    hits = {text: hit for text, hit in hits.items() if text in joined.texts}
    guesses = []
    for how in ("exact", "spelling"):
        for text, hit in hits.items():
            if hit.how != how:
                continue
            wanted = hit.field.name
            holder = next((t for t, m in taken.items() if m.field.name == wanted), None)
            if holder is None and wanted not in {m.field.name for m in joined.columns.values()}:
                taken[text] = hit
            elif hit.field.kind != "text" and holder and taken[holder].how != "given":
                guesses.append(
                    f"'{holder}' was taken for {wanted}, not '{text}'; columns settles it"
                )
    taken = {text: hit for text, hit in taken.items() if text in joined.texts}
    ends = [text for text, hit in taken.items() if hit.field.name in ("depth_top", "depth_bottom")]
    whole = [text for text, hit in taken.items() if hit.field.name == "depth"]
    if ends and whole:
        del taken[whole[0]]
        guesses.append(f"depths were taken from '{ends[0]}', not from '{whole[0]}'")
    known = {t: replace(m, unit=m.unit or units.get(t, "")) for t, m in taken.items()}
    parts = {text for text, hit in known.items() if hit.field.name in _DATE_PARTS}
    known = {text: hit for text, hit in known.items() if text not in parts}
    in_order = {text: known[text] for text in head.names if text in known}
    return _Matched(joined.texts, {**in_order, **joined.columns}, tuple(guesses))


def _given(
    head: Head, sought: Sequence[Field], given: Mapping[str, str], name: str
) -> dict[str, Match]:
    """Find the columns that the user names."""
    by_name = {entry.name: entry for entry in sought}
    taken = {}
    for wanted, old in given.items():
        place = next((text for text in head.names if text.strip() == old.strip()), None)
        if place is None:
            raise InputError(
                f"the file has no such column: {name}",
                found=f"'{old}'",
                do=nearest(old, list(head.names)),
            )
        entry = replace(by_name[wanted], spellings=_key_of(old, by_name[wanted]))
        hit = match(old, (entry,))
        taken[place] = Match(by_name[wanted], "given", hit.unit if hit else "")
    return taken


def _key_of(old: str, entry: Field) -> str:
    """Spell a field as the file does, so that a unit in the name is found."""
    parts = label(old)
    return " ".join(dict.fromkeys((parts.key, *(key for key, _ in parts.pairs)))) or entry.name


def _join_time(texts: Mapping[str, Sequence[str]], hits: Mapping[str, Match]) -> _Matched:
    """Put date and clock, or year, month and day, together where they stand in columns apart."""
    by_name = {hit.field.name: text for text, hit in reversed(list(hits.items()))}
    times = [text for text, hit in hits.items() if hit.field.kind == "time"]
    clocks = [text for text in times if _all_match(r"\d{1,2}[:：时]\d{1,2}.*", texts[text])]
    dates = [text for text in times if text not in clocks]
    if "clock" in by_name:
        clocks.append(by_name["clock"])
    if not times and "year" in by_name and {"month", "day_of_year"} & set(by_name):
        parts = [by_name[p] for p in ("year", "month", "day") if p in by_name]
        if "month" not in by_name:
            parts = [by_name["year"], by_name["day_of_year"]]
        days = [_date_text(row) for row in zip(*(texts[p] for p in parts), strict=True)]
        dates, used = [", ".join(parts)], parts
        texts = {**texts, dates[0]: days}
    else:
        used = []
    if dates and clocks:
        both = [_with_clock(d, c) for d, c in zip(texts[dates[0]], texts[clocks[0]], strict=True)]
        used = [*used, dates[0], clocks[0]]
        dates = [f"{dates[0]} + {clocks[0]}"]
        texts = {**texts, dates[0]: both}
    if not used:
        return _Matched(dict(texts), {})
    left = {text: column for text, column in texts.items() if text not in used}
    return _Matched(left, {dates[0]: Match(FIELDS["time"], "joined")})


def _all_match(pattern: str, texts: Sequence[str]) -> bool:
    filled = [text for text in texts if text and not is_missing(text)]
    return bool(filled) and all(re.fullmatch(pattern, text) for text in filled)


def _date_text(parts: Sequence[str]) -> str:
    """Write year, month and day, or year and day of the year, as one date."""
    numbers = [re.sub(r"(\.0+|[年月日])$", "", part) for part in parts]
    words = [part for part in numbers[1:] if re.fullmatch(r"[^\W\d]+\.?", part)]
    if not all(numbers) or any(is_missing(part) for part in numbers):
        return ""
    if words:
        return " ".join(reversed(numbers))
    if len(numbers) == 2 and len(numbers[1]) == 3:
        return "".join(numbers)
    return "-".join([numbers[0], *(part.zfill(2) for part in numbers[1:])])


def _with_clock(day: str, clock: str) -> str:
    if not clock or is_missing(clock) or not day:
        return day
    return f"{day} {clock}:00" if re.fullmatch(r"\d{1,2}", clock) else f"{day} {clock}"


def _read_columns(
    matched: _Matched, context: Context, names: Sequence[str], typed: bool
) -> list[Column]:
    """Read every column, those of known meaning first."""
    read = [
        read_column(text, matched.texts[text], hit, context)
        for text, hit in matched.columns.items()
    ]
    rest = [text for text in names if text in matched.texts and text not in matched.columns]
    named = [text for text in rest if any(matched.texts[text]) or not text.startswith("column ")]
    return [
        *read,
        *(read_column(text, matched.texts[text], None, context, typed=typed) for text in named),
    ]
