"""The head of a table: where the names stand, what they mean, and the units in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from headwater.errors import InputError, UnitError
from headwater.tables.cells import Row
from headwater.tables.numbers import is_missing, plain
from headwater.tables.times import order_in
from headwater.tables.vocabulary import Field
from headwater.units import convert, parse

__all__ = [
    "Head",
    "Label",
    "Match",
    "convert_unit",
    "find_head",
    "is_unit",
    "known_names",
    "label",
    "match",
]

_LOOK = 60
_LONGEST = 30
_LENGTHS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0, "ft": 0.3048, "in": 0.0254, "dm": 0.1}
_SPELLED = {
    "米": "m",
    "公尺": "m",
    "metre": "m",
    "meter": "m",
    "metres": "m",
    "meters": "m",
    "mtr": "m",
    "masl": "m",
    "厘米": "cm",
    "公分": "cm",
    "centimetre": "cm",
    "centimeter": "cm",
    "centimetres": "cm",
    "centimeters": "cm",
    "毫米": "mm",
    "millimetre": "mm",
    "millimeter": "mm",
    "millimetres": "mm",
    "millimeters": "mm",
    "千米": "km",
    "公里": "km",
    "feet": "ft",
    "foot": "ft",
    "英尺": "ft",
    "inch": "in",
    "inches": "in",
    "分米": "dm",
    "‰": "‰",
    "permil": "‰",
    "per mil": "‰",
    "per mille": "‰",
    "permille": "‰",
    "per mill": "‰",
    "o/oo": "‰",
    "0/00": "‰",
    "千分之": "‰",
    "per ml": "‰",
    "promille": "‰",
    "度": "degree",
    "°": "degree",
    "deg": "degree",
    "degrees": "degree",
    "degree": "degree",
    "°e": "degree",
    "°n": "degree",
    "dd": "degree",
    "decimal degrees": "degree",
    "decimal degree": "degree",
    "deg n": "degree",
    "deg e": "degree",
    "degrees north": "degree",
    "degrees east": "degree",
    "摄氏度": "degC",
    "°c": "degC",
    "℃": "degC",
    "deg c": "degC",
    "degc": "degC",
    "degrees c": "degC",
    "百分比": "%",
    "percent": "%",
    "pct": "%",
    "vol%": "vol%",
    "% vol": "vol%",
    "vol.%": "vol%",
    "vol %": "vol%",
    "vol-%": "vol%",
    "cm3/cm3": "m3 m-3",
    "m3/m3": "m3 m-3",
    "m3 m-3": "m3 m-3",
    "cm3 cm-3": "m3 m-3",
    "cm³/cm³": "m3 m-3",
    "m³/m³": "m3 m-3",
    "%": "%",
    "m^3/m^3": "m3 m-3",
    "cm^3/cm^3": "m3 m-3",
    "cm3·cm-3": "m3 m-3",
    "m3·m-3": "m3 m-3",
    "mm/d": "mm/d",
    "小时": "h",
}
_REFERENCE = re.compile(
    r"\b(?:v-?smow2?|smow|a\.?\s?s\.?\s?l\.?|m\.?s\.?l\.?|above sea level|wgs ?-?84|below surface|"
    r"b\.?g\.?l\.?|vienna)\b\.?|,|;|vs\.?$|，",
    re.IGNORECASE,
)
_SPREAD = re.compile(
    r"\b(?:[12]?\s?(?:sd|se|σ|sigma)|std|stdev|stderr|error|uncertainty|precision|min|max|median|n|cv)\b"
    r"|标准差|误差|精度",
    re.IGNORECASE,
)
_QUALIFIES = re.compile(rf"{_SPREAD.pattern}|pdb|pp[mb]|average|mean|平均", re.IGNORECASE)
"""In the name of a group of columns, what makes them another quantity."""
_BRACKETS = re.compile(r"[(\[{【（]([^()\[\]{}【】（）]*)[)\]}】）]")


@dataclass(frozen=True, slots=True)
class Label:
    """A name taken apart.

    Attributes
    ----------
    key : str
        Its letters and digits, to look it up.
    pairs : tuple of (str, str)
        Keys of what is left without a unit, each with that unit; those of brackets first.
    bracketed : str
        Unit that stands in brackets.
    remark : str
        What stands in brackets and is no unit.
    """

    key: str
    pairs: tuple[tuple[str, str], ...]
    bracketed: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """What a column is.

    Attributes
    ----------
    field : Field
    how : {"exact", "spelling"}
    unit : str
        That the name holds.
    remark : str
        What stands in brackets and is no unit.
    """

    field: Field
    how: str
    unit: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the names stand.

    Attributes
    ----------
    names : tuple of str
        One for each column; empty where the column has none.
    units : tuple of str
        From a row of units; empty where it says nothing.
    first : int
        Place in the rows of the first one with data.
    row : int
        Number of the row of the names.
    above : tuple of int
        Numbers of the rows before it.
    notes : tuple of str
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    first: int
    row: int
    above: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def _key(text: str) -> str:
    """Reduce a name to its letters and digits, with d for every delta."""
    text = plain(text).lower().replace("delta", "d").replace("δ", "d").replace("∂", "d")
    text = re.sub(r"‰|per mil\b|permil\b", "", text)
    return re.sub(r"[\W_]+", "", text)


@lru_cache(maxsize=4096)
def is_unit(text: str) -> str:
    """Write a unit as the unit table knows it; empty where the text is none.

    Examples
    --------
    >>> is_unit("m a.s.l."), is_unit("‰, VSMOW"), is_unit("厘米"), is_unit("top")
    ('m', '‰', 'cm', '')
    """
    bare = " ".join(_REFERENCE.sub(" ", plain(text)).split()).strip(" .")
    if not bare or len(bare) > _LONGEST or is_missing(bare):
        return ""
    low = bare.lower()
    if low in _SPELLED:
        return _SPELLED[low]
    if bare in _LENGTHS or low in _LENGTHS:
        return bare if bare in _LENGTHS else low
    try:
        parse(bare)
    except UnitError:
        return ""
    return bare if re.search(r"[^\W\d]|[%‰°]", bare) else ""


def convert_unit(values: float, unit: str, to: str) -> float:
    """Convert a number, lengths in feet and inches among them.

    Raises
    ------
    UnitError
        If the units do not fit.

    Examples
    --------
    >>> convert_unit(100.0, "ft", "m"), convert_unit(20.0, "cm", "m")
    (30.48, 0.2)
    """
    if unit in _LENGTHS and to in _LENGTHS:
        return float(round(values * _LENGTHS[unit] / _LENGTHS[to], 9))
    # the last bit of a factor is no measurement
    return float(round(float(convert(values, unit, to)), 12))


def label(name: str) -> Label:
    """Take a name apart into what it calls and the unit that it may hold.

    Examples
    --------
    >>> label("海拔/m").pairs, label("depth_cm").pairs
    ((('海拔', 'm'),), (('depth', 'cm'),))
    >>> label("δ18O (‰, VSMOW)").bracketed, label("elevation (SRTM)").remark
    ('‰', 'SRTM')
    """
    text = plain(name)
    bare = " ".join(_BRACKETS.sub(" ", text).split())
    bracketed, remarks = "", []
    for inside in _BRACKETS.findall(text):
        unit = is_unit(inside)
        if unit:
            bracketed = bracketed or unit
        elif _REFERENCE.sub("", inside).strip(" .") and not order_in(inside):
            remarks.append(inside.strip())
    pairs = [(_key(bare), bracketed)] if bare != text else []
    if bracketed and remarks:  # d(18_16)Mean (‰): only the unit goes
        kept = _BRACKETS.sub(lambda found: " " if is_unit(found.group(1)) else found.group(), text)
        pairs.insert(0, (_key(kept), bracketed))
    if not bracketed:
        places = [found.start() for found in re.finditer(r"[\s/,_，:]+", bare)]
        tails = [(bare[:i], bare[i:].strip(" /,_，:")) for i in places if i]
        pairs += [(_key(stem), is_unit(end)) for stem, end in tails if is_unit(end)]
        if "‰" in bare:
            pairs.append((_key(bare), "‰"))
    plainer = _key(_REFERENCE.sub(" ", re.sub(r"\bvs\b\.?", " ", bare.replace("_", " "))))
    if plainer and plainer not in {_key(text), *(key for key, _ in pairs)}:
        pairs.append((plainer, bracketed or next((unit for _, unit in pairs if unit), "")))
    return Label(_key(text), tuple(pairs), bracketed, ", ".join(remarks))


def match(name: str, fields: Sequence[Field]) -> Match | None:
    """Find what a column is; None if its name has no known meaning.

    Examples
    --------
    >>> from headwater.tables.vocabulary import FIELDS
    >>> hit = match("海拔 (ft)", list(FIELDS.values()))
    >>> hit.field.name, hit.unit
    ('elevation', 'ft')
    """
    return _match(name, tuple(fields))


@lru_cache(maxsize=4096)
def _match(name: str, fields: tuple[Field, ...]) -> Match | None:
    for entry in fields:
        if plain(name) == entry.name:
            return Match(entry, "exact")
    spelled = _spelled(fields)
    parts = label(name)
    # the spread of a quantity is another quantity
    pairs = () if _SPREAD.search(parts.remark) else parts.pairs
    for key, unit in pairs:
        # a tail that does not fit is no unit, as in "sample m"
        if key in spelled and (parts.bracketed or _fits(unit, spelled[key].unit)):
            return Match(spelled[key], "spelling", unit, parts.remark)
    if parts.key in spelled:
        return Match(spelled[parts.key], "spelling", parts.bracketed)
    return None


@lru_cache(maxsize=64)
def _spelled(fields: tuple[Field, ...]) -> dict[str, Field]:
    words = {word: entry for entry in reversed(fields) for word in entry.spellings.split()}
    return words | {_key(entry.name): entry for entry in fields}


def _fits(unit: str, to: str) -> bool:
    if not unit:
        return True
    try:
        convert_unit(1.0, unit, to or unit)
    except UnitError:
        return False
    return bool(to)


def find_head(
    rows: Sequence[Row],
    fields: Sequence[Field],
    *,
    header: int | None = None,
    name: str = "",
    given: Sequence[str] = (),
) -> Head:
    """Find the row of the names.

    Parameters
    ----------
    rows : sequence of Row
    fields : sequence of Field
        Columns whose names are looked for; none to go by the shape of the table alone.
    header : int, optional
        Number of the row, where it is known.
    name : str
        Of the file.
    given : sequence of str
        The file's own names of columns, as far as they are known.

    Returns
    -------
    Head

    Raises
    ------
    InputError
        If there is no such row, or the first row has numbers where names belong.
    """
    if not rows:
        raise InputError(f"{name or 'the table'} is empty", do="Check the file")
    if header is not None:
        place = next((i for i, row in enumerate(rows) if row.number == header), None)
        if place is None:
            raise InputError(
                "the row of the names is blank or not there",
                found=f"row {header}",
                do="Correct header",
            )
    else:
        known = [known_names(row.cells, fields, given) for row in rows[:_LOOK]]
        place = known.index(max(known)) if max(known) > 0 else _by_shape(rows, name)
    return _completed(rows, place, fields, name)


def known_names(cells: Sequence[str], fields: Sequence[Field], given: Sequence[str] = ()) -> int:
    """Count the different fields that a row names, and the names that are given.

    Examples
    --------
    >>> from headwater.tables.vocabulary import fields_named
    >>> known_names(["δD", "d2H", "station"], fields_named(["d2H", "station"]))
    2
    """
    if any(map(_is_number, cells)):
        return 0
    found = {hit.field.name for text in cells if text and (hit := match(text, fields))}
    return len(found) + sum(text in cells for text in given)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+−]?[\d.,]*\d[\d.,]*(?:[eE][-+]?\d+)?%?", text))


def _by_shape(rows: Sequence[Row], name: str) -> int:
    """Take the fullest row before the first one that holds numbers."""
    data = next((i for i, row in enumerate(rows) if any(map(_is_number, row.cells))), None)
    if data == 0:
        years = [int(t) for t in rows[0].cells if re.fullmatch(r"\d{4}", t)]
        words = [t for t in rows[0].cells if t and not _is_number(t)]
        if words and all(1800 < y < 2200 for y in years) and len(rows) > 1:
            return 0
        raise InputError(
            f"{name or 'the table'} has no names of columns",
            found=f"numbers in the first row: {', '.join(rows[0].cells)[:60]}",
            do="Write the names in the first row",
        )
    if data is None:
        return 0
    best = data - 1
    while best > 0 and _is_unit_row(rows[best].cells):
        best -= 1
    return best


def _is_unit_row(cells: Sequence[str]) -> bool:
    filled = [text for text in cells if text and not is_missing(text)]
    units = [text for text in filled if is_unit(text.strip("()[]（）")) or order_in(text)]
    return bool(units) and len(units) == len(filled)


def _completed(rows: Sequence[Row], place: int, fields: Sequence[Field], name: str) -> Head:
    """Add what stands above the names, and the rows of units or second names below them."""
    cells = list(rows[place].cells)
    while cells and not cells[-1]:
        cells.pop()
    notes = []
    below = place + 1
    group = rows[place - 1].cells if place else ()
    twice = len({text for text in cells if text}) < sum(bool(text) for text in cells)
    if twice or (not all(cells) and len(group) >= len(cells)):
        merged = _under(group, cells, fields) if _spans(group) else None
        if merged is not None:
            cells = merged
            notes.append(
                f"names joined from rows {rows[place - 1].number} and {rows[place].number}"
            )
    units = [""] * len(cells)
    if below < len(rows) and _spans(cells) and _is_second(rows[below].cells, cells):
        cells = _under(tuple(cells), rows[below].cells, fields)
        units = [""] * len(cells)
        notes.append(f"names joined from rows {rows[place].number} and {rows[below].number}")
        below += 1
    if below < len(rows) and _is_unit_row(rows[below].cells):
        said = [text.strip("()[]（） ") for text in rows[below].cells]
        units = [*said[: len(cells)], *[""] * (len(cells) - len(said))]
        notes.append(f"units from row {rows[below].number}")
        below += 1
    if below < len(rows) and fields and known_names(rows[below].cells, fields) > 1:
        notes.append(f"row {rows[below].number} names the columns again and is left out")
        below += 1
    names, more = _named_once(cells, fields, rows[place].number, name)
    above = tuple(row.number for row in rows[:place])
    return Head(tuple(names), tuple(units), below, rows[place].number, above, (*notes, *more))


def _spans(cells: Sequence[str]) -> bool:
    """Whether a row has names that stand over several columns."""
    filled = [text for text in cells if text]
    if len(set(filled)) == 1 and len(filled) == len(cells):
        return False  # a title that is merged over the whole table
    return len(filled) > 1 and (len(filled) < len(cells) or len(set(filled)) < len(filled))


def _is_second(cells: Sequence[str], above: Sequence[str]) -> bool:
    """Whether a row continues the names above it: words where they are repeated or blank."""
    filled = [text for text in cells if text]
    if not filled or any(map(_is_number, filled)) or _is_unit_row(cells):
        return False
    open_ = [i for i, text in enumerate(above) if not text or list(above).count(text) > 1]
    return bool(open_) and all(i < len(cells) and cells[i] for i in open_)


def _under(group: Sequence[str], cells: Sequence[str], fields: Sequence[Field]) -> list[str]:
    """Join the names of a group, spread to the right, with those under it."""
    joined, last = [], ""
    for i in range(max(len(group), len(cells))):
        over = group[i] if i < len(group) else ""
        own = cells[i] if i < len(cells) else ""
        last = over or last
        both = own if not last or own == last else f"{last} {own}".strip() if own else last
        joined.append(own if _says_all(own, both, cells, fields) else both)
    return joined


def _says_all(own: str, both: str, cells: Sequence[str], fields: Sequence[Field]) -> bool:
    """Whether a name is known by itself, and not under that of its group: isotopes, d18O."""
    if not fields or list(cells).count(own) > 1 or _QUALIFIES.search(both):
        return False
    return match(both, fields) is None and match(own, fields) is not None


def _named_once(
    cells: Sequence[str], fields: Sequence[Field], row: int, name: str
) -> tuple[list[str], list[str]]:
    """Give every column a name of its own; two of one known meaning are refused."""
    named: list[str] = []
    notes = []
    for i, text in enumerate(cells):
        own = text or f"column {i + 1}"
        if own in named:
            if not fields or match(own, fields):
                raise InputError(
                    f"two columns of {name or 'the table'} have one name",
                    found=f"'{own}' in row {row}",
                    do="Give each a name of its own",
                )
            own = next(f"{text} ({k})" for k in range(2, 999) if f"{text} ({k})" not in named)
            notes.append(f"a second column '{text}' is called '{own}'")
        named.append(own)
    return named, notes
