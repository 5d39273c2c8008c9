"""One column of texts as values of its kind: numbers in our unit, times, depths, words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError, UnitError
from headwater.tables.heads import Match, convert_unit, is_unit
from headwater.tables.numbers import Numbers, Signs, is_missing, parse_numbers, plain
from headwater.tables.options import ReadingOptions
from headwater.tables.report import MissingCode, Recognised, name_rows
from headwater.tables.times import Times, order_in, parse_times
from headwater.tables.vocabulary import Field

__all__ = ["Column", "Context", "read_column"]

Floats = NDArray[np.float64]
_BARE = re.compile(r"[-+]?[\d.,]+")
_WITH_UNIT = re.compile(r"([-+−]?\d[\d., '’]*?|[-+−]?[.,]\d+)\s*([^\W\d]\S*.*|%|‰|°.*|℃)")
_INTERVAL = re.compile(
    r"(?P<top>[\d.,]*\d)\s*(?P<unit>[^\W\d]+)?\s*(?:[-–—~～―]+|to|至|到|bis)\s*(?P<bottom>[\d.,]*\d)\s*(?P<last>[^\W\d]+)?"
)
_DEEP = 10.0
"""Depths beyond this without a unit are rather centimetres than metres."""
_OTHER_SCALE = re.compile(r"V?-?PDB2?\b|(?<![a-z])pp[mb]v?(?![a-z])|[×*]\s*10+", re.IGNORECASE)
"""In the name of a δ, what says that its numbers are not ‰ of VSMOW."""
_FROM_VPDB = (
    "Convert it and write the name anew; of oxygen, δ on VSMOW is 1.03092 times δ on VPDB, "
    "plus 30.92"
)
_SLOPES = {
    "北坡": "N",
    "北": "N",
    "阴坡": "N",
    "东北": "NE",
    "东": "E",
    "东坡": "E",
    "东南": "SE",
    "南": "S",
    "南坡": "S",
    "阳坡": "S",
    "西南": "SW",
    "西": "W",
    "西坡": "W",
    "西北": "NW",
}
_FLAT = frozenset(("flat", "平地", "无坡向", "none", "level"))
_WORDS_MISSING = frozenset(
    (
        "",
        "na",
        "n/a",
        "n.a.",
        "nan",
        "null",
        "none",
        "-",
        "--",
        "—",
        "–",
        "/",
        "-9999",
        "-999",
        "-999.9",
        "-9999.0",
        "#n/a",
        "nd",
        "nodata",
        "no data",
        "缺测",
        "缺失",
        "无",
        "空",
    )
)


@dataclass(frozen=True, slots=True)
class Context:
    """What all columns of a table share.

    Attributes
    ----------
    rows : tuple of int
        Numbers of the rows in the file.
    signs : Signs
        What commas and points mean in the file.
    options : ReadingOptions
    source : str
        Name of the file.
    """

    rows: tuple[int, ...]
    signs: Signs
    options: ReadingOptions
    source: str = ""

    def named(self, at: NDArray[np.bool_]) -> str:
        """Name the rows where a condition holds."""
        return name_rows([self.rows[i] for i in np.flatnonzero(at)])


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column as it was read.

    Attributes
    ----------
    name : str
        Ours where it has a known meaning, else the file's.
    values : dict
        Columns of the table that it becomes: one, or top and bottom of a depth.
    recognised : Recognised, optional
    missing : tuple of MissingCode
    guesses : tuple of str
    times : Times, optional
    below : ndarray, optional
        Detection limits, where some values are below one.
    """

    name: str
    values: dict[str, Any]
    recognised: Recognised | None = None
    missing: tuple[MissingCode, ...] = ()
    guesses: tuple[str, ...] = field(default=())
    times: Times | None = None
    below: Floats | None = None


def read_column(
    name: str, texts: Sequence[str], found: Match | None, context: Context, *, typed: bool = False
) -> Column:
    """Read one column.

    Parameters
    ----------
    name : str
        The file's name of it.
    texts : sequence of str, shape (n,)
    found : Match, optional
        What it is; None for a column of no known meaning.
    context : Context
    typed : bool
        Whether a column of no known meaning becomes numbers where all of it is.

    Returns
    -------
    Column

    Raises
    ------
    DataError
        If numbers or dates are wanted and something else stands there; the rows are named.
    UnitError
        If the unit does not fit.
    InputError
        If a number or date can be read in two ways.

    Examples
    --------
    >>> from headwater.tables.heads import match
    >>> from headwater.tables.vocabulary import fields_named
    >>> found = match("土层深度", fields_named(["depth"]))
    >>> read = read_column("土层深度", ["0-20 cm"], found, Context((2,), Signs(), ReadingOptions()))
    >>> read.values["depth_top"], read.values["depth_bottom"]
    (array([0.]), array([0.2]))
    """
    if found is None:
        return _unknown(name, texts, context, typed)
    kinds = {"number": _number, "time": _time, "depth": _depth, "aspect": _aspect, "text": _text}
    read: Column = kinds[found.field.kind](name, texts, found, context)
    return read


def _text(name: str, texts: Sequence[str], found: Match, context: Context) -> Column:
    words, marks = _words(texts, name, context, found.field.words)
    own = found.field.name
    return Column(own, {own: words}, Recognised(name, own, found.how), marks)


def _words(
    texts: Sequence[str], name: str, context: Context, kept: Sequence[str] = ()
) -> tuple[NDArray[np.object_], tuple[MissingCode, ...]]:
    missing = _WORDS_MISSING.difference(kept)
    gone = [text.lower() in missing or text in context.options.missing for text in texts]
    words = np.array([None if g else text for g, text in zip(gone, texts, strict=True)], object)
    codes = Counter(text for g, text in zip(gone, texts, strict=True) if g)
    return words, tuple(MissingCode(name, code or "empty", n) for code, n in codes.items())


def _unknown(name: str, texts: Sequence[str], context: Context, typed: bool) -> Column:
    """Keep a column under its own name; as numbers only where all of it is."""
    filled = [text for text in texts if text]
    lead = any(re.fullmatch(r"0\d+", text) for text in filled)
    if not typed or not filled or lead:
        words, marks = _words(texts, name, context)
        return Column(name, {name: words}, None, _written(marks))
    counted = sum(bool(re.match(r"[-+−]?[.,]?\d", text)) for text in texts)
    if counted < 0.5 * sum(not is_missing(text) for text in filled) or counted == 0:
        words, marks = _words(texts, name, context)
        return Column(name, {name: words}, None, _written(marks))
    bare, unit = _one_unit(texts)
    read = parse_numbers(
        bare,
        name=name,
        signs=context.signs,
        decimal=context.options.decimal,
        missing=context.options.missing,
    )
    if read.unread.any():
        words, marks = _words(texts, name, context)
        reported = _half_read(name, bare, read, context)
        return Column(name, {name: words}, None, _written(marks), reported)
    whole = not read.missing and all(re.fullmatch(r"[-+]?\d{1,15}", text) for text in bare)
    values: Any = read.values.astype(np.int64) if whole else read.values
    guesses = (
        *read.guesses,
        *((f"'{name}': numbers in {unit}, as its cells say",) if unit else ()),
    )
    return Column(name, {name: values}, None, read.missing, guesses, below=_limits(read.below))


def _half_read(name: str, texts: Sequence[str], read: Numbers, context: Context) -> tuple[str, ...]:
    """Report numbers that stay text because of other cells: 0.30, or >90% among 28%."""
    known = np.isfinite(read.values)
    matches = map(_WITH_UNIT.fullmatch, map(plain, texts))
    measured = [bool(match and is_unit(match.group(2))) for match in matches]
    odd = read.unread & ~np.array(measured)
    odd = odd if odd.any() else read.unread
    n = int((known | read.unread & ~odd).sum())
    if not known.any() and n <= odd.sum():
        return ()  # codes such as 1d and 2e
    first = texts[int(np.flatnonzero(odd)[0])]
    words = f"'{name}' holds {n} numbers and text such as '{first}' ({context.named(odd)}): "
    return (f"{words}kept as text",)


def _one_unit(texts: Sequence[str]) -> tuple[Sequence[str], str]:
    """Take the unit out of cells such as 28.25%, where all that hold something have the same."""
    found = [_WITH_UNIT.fullmatch(plain(text)) for text in texts]
    units = {match.group(2) for match in found if match}
    others = (t for t, match in zip(texts, found, strict=True) if not match)
    if len(units) != 1 or not all(is_missing(text) for text in others):
        return texts, ""
    unit = is_unit(units.pop())
    pairs = zip(texts, found, strict=True)
    return ([m.group(1) if m else text for text, m in pairs], unit) if unit else (texts, "")


def _written(marks: tuple[MissingCode, ...]) -> tuple[MissingCode, ...]:
    """Leave out empty cells, which mean nothing in a column of remarks."""
    return tuple(mark for mark in marks if mark.code != "empty")


def _limits(below: Floats) -> Floats | None:
    return below if np.isfinite(below).any() or np.isinf(below).any() else None


def _number(name: str, texts: Sequence[str], found: Match, context: Context) -> Column:
    entry = found.field
    unit, guesses = _declared(name, found, context)
    bare, own = _cell_units(texts, entry)
    numbers = parse_numbers(
        bare,
        name=name,
        signs=context.signs,
        missing=context.options.missing,
        decimal=context.options.decimal,
        valid=_in_unit(entry, unit),
    )
    _refuse_text(name, bare, numbers, context)
    values, below = numbers.values, numbers.below
    to = entry.unit if unit and entry.unit not in ("", unit) else ""
    if to:
        values = _converted(values, unit, entry, name)
        below = _converted(below, unit, entry, name)
    for other in {u for u in own if u}:
        at = np.array([u == other for u in own])
        values = np.where(at, _converted(numbers.values, other, entry, name), values)
    return Column(
        entry.name,
        {entry.name: values},
        Recognised(name, entry.name, found.how, unit, to),
        numbers.missing,
        (*guesses, *_unsaid(name, values, unit, own, found), *numbers.guesses),
        below=_limits(below),
    )


def _unsaid(
    name: str, values: Floats, unit: str, own: Sequence[str], found: Match
) -> tuple[str, ...]:
    """Report depths without a unit, and refuse those that are too deep for soil in metres."""
    entry = found.field
    known = values[np.isfinite(values)]
    if unit or any(own) or not entry.name.startswith("depth") or not known.size:
        return ()
    deepest = float(known.max())
    if deepest > _DEEP and found.how != "exact":
        raise UnitError(
            f"depths in '{name}' have no unit",
            found=f"values up to {deepest:g}",
            do=f"Write the unit in the name, as {name} (cm), or give "
            f"units = {{ {entry.name} = 'cm' }}",
        )
    if deepest > _DEEP or (found.how != "exact" and deepest > 0.0):
        return (f"'{name}' names no unit and was taken in m; units settles it",)
    return ()


def _declared(name: str, found: Match, context: Context) -> tuple[str, list[str]]:
    """Name the unit that the user, the name or the row of units states."""
    entry = found.field
    given = context.options.units.get(entry.name) or context.options.units.get(name)
    text = given or found.unit
    if entry.unit == "‰" and not given and (other := _OTHER_SCALE.search(name)):
        raise UnitError(
            f"'{name}' is not in ‰ of VSMOW",
            found=f"'{other.group()}'",
            do=(
                _FROM_VPDB
                if "PDB" in other.group().upper()
                else "Convert it and write the name anew"
            )
            + f". If it is in ‰ of VSMOW, give units = {{ {entry.name} = '‰' }}",
        )
    if not entry.unit and text:
        return is_unit(text), []
    if not text:
        reported = f"'({found.remark})' in '{name}' is no unit known here and values were taken in "
        missing = entry.unit and found.remark and not given and entry.unit not in ("degree", "‰")
        return "", [f"{reported}{entry.unit}; units settles it"] if missing else []
    unit = is_unit(text)
    if not unit:
        raise UnitError(
            f"unknown unit of '{name}'",
            found=f"'{text}'",
            do=f"Give one that converts to {entry.unit}",
        )
    if unit in ("m3 m-3", "vol%", "%", entry.unit):
        return unit, []
    if entry.name == "soil_moisture" and re.search(r"g|wt", unit):
        raise UnitError(
            f"'{name}' is water per mass of soil, not per volume",
            found=f"'{text}'",
            do="Multiply by the bulk density first",
        )
    _converted(np.zeros(1), unit, entry, name)
    return unit, []


def _converted(values: Floats, unit: str, entry: Field, name: str) -> Floats:
    try:
        factor = convert_unit(1.0, unit, entry.unit) - convert_unit(0.0, unit, entry.unit)
        start = convert_unit(0.0, unit, entry.unit)
    except UnitError:
        raise UnitError(
            f"'{name}' cannot be brought to {entry.unit}",
            found=f"'{unit}'",
            do=f"Correct the unit, or give units = {{ {entry.name} = '{entry.unit}' }}",
        ) from None
    # 1100.0 mm is 1.1 m: the last bit of a product is no measurement
    return np.round(values * factor + start, 10)


def _in_unit(entry: Field, unit: str) -> tuple[float, float] | None:
    """Bring the range of what is possible to the unit of the file."""
    if entry.valid is None or not unit or entry.unit in ("", unit):
        return entry.valid
    step = convert_unit(1.0, unit, entry.unit)
    return (entry.valid[0] / step, entry.valid[1] / step) if step > 0 else None


def _cell_units(texts: Sequence[str], entry: Field) -> tuple[list[str], list[str]]:
    """Take units out of cells such as 3500 m."""
    bare, own = list(texts), [""] * len(texts)
    if not entry.unit:
        return bare, own
    for i, text in enumerate(texts):
        if not text or _BARE.fullmatch(text) or is_missing(text):
            continue
        found = _WITH_UNIT.fullmatch(plain(text))
        unit = is_unit(found.group(2)) if found else ""
        if found and unit:
            bare[i], own[i] = found.group(1), unit
    return bare, own


def _refuse_text(name: str, texts: Sequence[str], read: Numbers, context: Context) -> None:
    if read.unread.any():
        first = texts[int(np.flatnonzero(read.unread)[0])]
        raise DataError(
            f"column '{name}' holds text where numbers are needed",
            found=f"'{first}' ({context.named(read.unread)})",
            do="Correct the cells, leave them empty where the value is missing, or name the mark "
            f"in missing = ['{first}']",
        )


def _time(name: str, texts: Sequence[str], found: Match, context: Context) -> Column:
    order = context.options.dates or order_in(name) or order_in(found.unit) or None
    read = parse_times(
        texts,
        rows=context.rows,
        name=name,
        order=order,
        zone=context.options.zone,
        missing=context.options.missing,
    )
    if read.unread.any() and found.how != "given" and _numbered(texts, context):
        # simmr's Time counts visits; a year or a serial date has more digits
        own = f"{name} (file)" if name == found.field.name else name
        kept = _unknown(own, texts, context, typed=False)
        return replace(
            kept, guesses=(f"'{name}' holds small whole numbers, no dates: kept as text",)
        )
    if read.unread.any():
        first = texts[int(np.flatnonzero(read.unread)[0])]
        raise DataError(
            f"dates that cannot be read in '{name}'",
            found=f"'{first}' ({context.named(read.unread)})",
            do="Write dates as 2020-06-30; dates = 'dmy', 'mdy' or 'ymd' says the order of others",
        )
    own = found.field.name
    codes = Counter(text for text in texts if is_missing(text, context.options.missing))
    marks = tuple(MissingCode(name, code or "empty", n) for code, n in codes.items())
    reported = Recognised(name, own, found.how, f"order {order}" if order else "")
    return Column(
        own, {own: pd.Series(read.values).to_numpy()}, reported, marks, read.guesses, read
    )


def _numbered(texts: Sequence[str], context: Context) -> bool:
    given = [text for text in texts if not is_missing(text, context.options.missing)]
    return bool(given) and all(re.fullmatch(r"\d{1,3}", text) for text in given)


def _depth(name: str, texts: Sequence[str], found: Match, context: Context) -> Column:
    """Read single depths and intervals, as top and bottom."""
    halves = [_INTERVAL.fullmatch(plain(text)) for text in texts]
    if any(
        re.fullmatch(r"\d{4}-\d\d-\d\d.*", text) or re.fullmatch(r"\d{1,2}-[A-Z][a-z]{2}", text)
        for text in texts
    ):
        raise DataError(
            f"'{name}' holds dates: a spreadsheet has turned depths such as 10-20 into them",
            found=next(text for text in texts if "-" in text),
            do="Format the column as text and write the depths anew",
        )
    values: dict[str, Any] = {}
    parts: list[Column] = []
    for own, end in (("depth_top", "top"), ("depth_bottom", "bottom")):
        written = [
            text if half is None else half[end] + " " + (half["last"] or half["unit"] or "")
            for text, half in zip(texts, halves, strict=True)
        ]
        entry = replace(found.field, name=own, kind="number")
        as_spelled = replace(found, field=entry, how="spelling")
        parts.append(_number(name, [text.strip() for text in written], as_spelled, context))
        values[own] = parts[-1].values[own]
    reported = parts[0].recognised
    known = replace(reported, name="depth_top and depth_bottom") if reported else None
    guesses = tuple(dict.fromkeys(text for part in parts for text in part.guesses))
    return Column("depth", values, known, parts[0].missing, guesses)


def _aspect(name: str, texts: Sequence[str], found: Match, context: Context) -> Column:
    """Read degrees, or letters; -1 and the word flat are no direction."""
    letters = [_SLOPES.get(text, text) for text in texts]
    flat = [
        text.lower() in _FLAT or re.fullmatch(r"-1(?:\.0*)?", text) is not None for text in letters
    ]
    rest = ["" if f else text for f, text in zip(flat, letters, strict=True)]
    read = parse_numbers(
        rest,
        name=name,
        signs=context.signs,
        decimal=context.options.decimal,
        missing=context.options.missing,
        valid=found.field.valid,
    )
    words = bool(read.unread.any())
    values: Any = read.values
    beyond = (values < 0.0) | (values > 360.0)
    guesses = read.guesses
    if beyond.any() and not words:
        values = np.where(beyond, np.nan, values)
        guesses = (
            *guesses,
            f"{int(beyond.sum())} values of {name} outside of 0 to 360 are no "
            f"directions and were taken for missing ({context.named(beyond)})",
        )
    if words:
        values, _ = _words(rest, name, context)
    empty = sum(flat)
    marks = [replace(m, n=m.n - empty) if m.code == "empty" else m for m in read.missing]
    marks = [m for m in marks if m.n > 0]
    if empty:
        code = next(text for f, text in zip(flat, texts, strict=True) if f)
        marks.append(MissingCode(name, code, empty, "flat"))
    own = found.field.name
    reported = Recognised(name, own, found.how, "" if words else "degree")
    return Column(own, {own: values}, reported, tuple(marks), () if words else guesses)
