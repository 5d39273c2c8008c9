"""Texts as numbers: decimal and thousands signs, marks of missing values, detection limits."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import InputError
from headwater.tables.report import MissingCode

__all__ = [
    "MISSING",
    "Numbers",
    "Signs",
    "is_below_detection",
    "is_missing",
    "parse_numbers",
    "plain",
    "signs_of",
]

Floats = NDArray[np.float64]
_INF = float("inf")

MISSING = frozenset(
    (
        "",
        "-",
        "--",
        "---",
        "–",
        "—",
        "/",
        "//",
        "\\",
        ".",
        "..",
        "...",
        "*",
        "**",
        "?",
        "x",
        "na",
        "n/a",
        "n.a.",
        "n.a",
        "#n/a",
        "#na",
        "nan",
        "-nan",
        "null",
        "none",
        "nil",
        "nd",
        "n.d.",
        "n.d",
        "n/d",
        "nodata",
        "no data",
        "no_data",
        "missing",
        "miss",
        "void",
        "empty",
        "#div/0!",
        "#value!",
        "#ref!",
        "#name?",
        "#num!",
        "#null!",
        "inf",
        "-inf",
        "infinity",
        "无",
        "無",
        "缺",
        "缺测",
        "缺測",
        "缺失",
        "缺省",
        "未测",
        "未測",
        "未检测",
        "无数据",
        "空",
        "keine",
        "k.a.",
        "s.d.",
        "s/d",
    )
)
"""What stands for a missing value, in lower case."""

_BELOW = re.compile(
    r"(?:<|≤|&lt;)\s*(?P<limit>[-+]?[\d.,]+)?\s*(?:l\.?o\.?[dq]\.?|d\.?l\.?|m\.?d\.?l\.?|检出限)?"
    r"\s*[^\d]{0,8}|b\.?d\.?l\.?|b\.?l\.?d\.?|l\.?o\.?d\.?|below detection(?: limit)?|"
    r"未检出|低于检出限",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
_BODY = re.compile(r"[-+]?[\d.,]*\d[\d.,]*(?:e[-+]?\d+)?", re.IGNORECASE)
_SPACED = re.compile(r"[-+]?\d{1,3}(?:[ '’]\d{3})+(?:[.,]\d+)?")
_GROUPS = {sign: re.compile(rf"[-+]?[1-9]\d{{0,2}}(?:\{sign}\d{{3}})+") for sign in ",."}
_CODES = (
    -9999.0,
    -999.0,
    -99999.0,
    -999999.0,
    -9999.9,
    -9999.99,
    -999.9,
    -999.99,
    -8888.0,
    -7777.0,
    -7999.0,
    -6999.0,
    -32768.0,
    -32767.0,
    -2147483648.0,
)
_DOUBTFUL = (
    9999.0,
    999.0,
    99999.0,
    999999.0,
    9999.9,
    999.9,
    9999.99,
    999.99,
    32767.0,
    32766.0,
    65535.0,
    255.0,
    7999.0,
    6999.0,
    8888.0,
    -99.0,
    -99.9,
    -99.99,
    -9.0,
    -1.0,
    -888.0,
    -777.0,
    7777.0,
)

_TYPICAL = tuple(code for code in _DOUBTFUL if code >= 999.0)


@dataclass(frozen=True, slots=True)
class Signs:
    """What commas and points mean in a text.

    Attributes
    ----------
    comma, point : {"decimal", "thousands", ""}
        Empty where nothing says it.
    """

    comma: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What a column of texts holds.

    Attributes
    ----------
    values : float64 array, shape (n,)
        NaN where missing, below detection or not a number.
    unread : bool array, shape (n,)
        Where the text is neither a number nor a mark.
    below : float64 array, shape (n,)
        Detection limit where the text says that a value is below it, infinite where it names no
        limit; NaN elsewhere.
    missing : tuple of MissingCode
    guesses : tuple of str
    """

    values: Floats
    unread: NDArray[np.bool_]
    below: Floats
    missing: tuple[MissingCode, ...] = ()
    guesses: tuple[str, ...] = ()


def is_missing(text: str, marks: Sequence[str] = ()) -> bool:
    """Say whether a text stands for a missing value.

    Examples
    --------
    >>> is_missing("N/A"), is_missing("缺测"), is_missing("0")
    (True, True, False)
    """
    return text.strip().lower() in MISSING or text.strip() in marks


def is_below_detection(text: str) -> bool:
    """Say whether a text stands for a value below a detection limit.

    Examples
    --------
    >>> is_below_detection("< 0.5"), is_below_detection("BDL"), is_below_detection("0.5")
    (True, True, False)
    """
    return _BELOW.fullmatch(text.strip()) is not None


def plain(text: str) -> str:
    """Write digits, signs and blanks in their plain forms.

    Examples
    --------
    >>> plain("−１２．３"), plain("3\u202f500")
    ('-12.3', '3 500')
    """
    if text.isascii():
        return text.strip()
    text = unicodedata.normalize("NFKC", text)
    return re.sub(r"[−–﹣－]", "-", text).replace("\u3000", " ").strip()


def signs_of(texts: Sequence[str], *, strict: bool = True) -> Signs:
    """Say what commas and points mean, from the numbers that leave no doubt.

    Parameters
    ----------
    texts : sequence of str
    strict : bool
        False to leave a meaning open where two numbers contradict each other.

    Returns
    -------
    Signs

    Raises
    ------
    InputError
        If two numbers contradict each other.

    Examples
    --------
    >>> signs_of(["1,234.5", "12"])
    Signs(comma='thousands', point='decimal')
    >>> signs_of(["3,500"]), signs_of(["12,3"]).comma
    (Signs(comma='', point=''), 'decimal')
    """
    said: dict[str, Counter[str]] = {",": Counter(), ".": Counter()}
    for text in texts:
        if "," in text or "." in text:
            _testify(plain(text), said)
    meaning = {}
    for sign, counts in said.items():
        if len(counts) > 1 and strict:
            raise InputError(
                f"'{sign}' is a decimal sign in some numbers and parts thousands in others",
                found=", ".join(f"{n} × {what}" for what, n in counts.items()),
                do="Write all numbers alike",
            )
        meaning[sign] = next(iter(counts)) if len(counts) == 1 else ""
    return Signs(meaning[","], meaning["."])


def _testify(text: str, said: dict[str, Counter[str]]) -> None:
    """Add what one number says beyond doubt."""
    found = _BODY.match(text)
    if found is None or _is_code(text):
        return
    body = re.split(r"[eE]", found.group())[0].lstrip("+-")
    commas, points = body.count(","), body.count(".")
    for sign, other, n, m in ((",", ".", commas, points), (".", ",", points, commas)):
        if n == 0:
            continue
        if n > 1:
            if _GROUPS[sign].fullmatch(body.split(other)[0]):
                said[sign]["thousands"] += 1
        elif m:
            last = body.rfind(sign) > body.rfind(other)
            said[sign]["decimal" if last else "thousands"] += 1
        elif not _GROUPS[sign].fullmatch(body):
            said[sign]["decimal"] += 1


def _is_code(text: str) -> bool:
    """Whether a text is a number such as -9999.0, which says nothing of the signs around it."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return False
    return value in _CODES or value in _DOUBTFUL


def parse_numbers(
    texts: Sequence[str],
    *,
    name: str = "the column",
    signs: Signs = Signs(),
    decimal: str | None = None,
    missing: Sequence[str] = (),
    valid: tuple[float, float] | None = None,
) -> Numbers:
    """Read a column of numbers.

    Parameters
    ----------
    texts : sequence of str, shape (n,)
    name : str
        Of the column, for messages.
    signs : Signs
        What commas and points mean in the rest of the file; the column itself comes first.
    decimal : {".", ","}, optional
        Decimal sign, where it is known.
    missing : sequence of str
        Marks of a missing value besides the usual ones; a number stands for all its spellings.
    valid : (float, float), optional
        Range of what is possible: numbers such as -9999 or 255 that lie outside stand for missing
        values. Without it, those that are never measured do.

    Returns
    -------
    Numbers

    Raises
    ------
    InputError
        If a comma or a point can mean two things and nothing in the file decides.

    Examples
    --------
    >>> parse_numbers(["-12,3", "ND", "<0,5", "-9999"]).values
    array([-12.3,   nan,   nan,   nan])
    >>> parse_numbers(["3,500"], signs=Signs(point="decimal")).values
    array([3500.])
    """
    column = pd.Series([plain(text) for text in texts], dtype=object)
    quick = pd.to_numeric(column.where(column.str.fullmatch(_PLAIN), None), errors="coerce")
    values = quick.to_numpy(np.float64, copy=True)
    rest = np.flatnonzero(np.isnan(values))
    unread = np.zeros(len(column), dtype=bool)
    below = np.full(len(column), np.nan)
    codes: Counter[tuple[str, str]] = Counter()
    use, guesses = _meaning([column.iloc[i] for i in rest], column, name, signs, decimal)
    for i in rest:
        text = str(column.iloc[i]).strip()
        if text == "":
            codes["", "missing"] += 1
        elif is_missing(text, missing):
            codes[text, "missing"] += 1
        elif _BELOW.fullmatch(text):
            codes[text, "below detection"] += 1
            below[i] = _limit(text, use)
        else:
            values[i] = _one(plain(text), use)
            unread[i] = np.isnan(values[i])
    if use.point == "thousands":
        plainly = np.flatnonzero(~np.isnan(quick.to_numpy(np.float64)))
        for i in plainly:
            values[i] = _one(str(column.iloc[i]), use)
    values, more, doubts = _without_codes(values, missing, valid, name, use)
    marks = [MissingCode(name, code or "empty", n, kind) for (code, kind), n in codes.items()]
    return Numbers(values, unread, below, (*marks, *more), (*guesses, *doubts))


def _limit(text: str, signs: Signs) -> float:
    """Read the limit that a text such as <0.5 names; infinite where it names none."""
    found = _BELOW.fullmatch(text)
    held = plain((found.group("limit") if found else None) or "")
    if not held:
        return _INF
    limit = _one(held, signs)
    return limit if np.isfinite(limit) else _one(held, Signs("decimal", "decimal"))


def _meaning(
    texts: list[Any], column: pd.Series, name: str, signs: Signs, decimal: str | None
) -> tuple[Signs, list[str]]:
    """Decide what commas and points mean in this column."""
    if decimal is not None:
        other = {",": Signs("decimal", "thousands"), ".": Signs("thousands", "decimal")}
        return other[decimal], []
    commas = [str(text) for text in texts if "," in str(text) and not _is_code(plain(str(text)))]
    points = _grouped_points(column)
    if not commas and not points:
        return Signs(point="decimal"), []
    own = signs_of([str(text) for text in column])
    comma = own.comma or _other(own.point)
    point = own.point or _other(own.comma if own.comma == "thousands" else "")
    numbers = [text for text in commas if _BODY.fullmatch(plain(text))]
    if numbers and not comma:
        comma = _by_file(signs.comma, signs.point)
        if not comma:
            raise _two_ways(name, "comma", numbers[0])
    if points and not point:
        point = _by_file(signs.point, signs.comma)
        if not point and signs.point == signs.comma == "decimal":
            raise _two_ways(name, "point", points[0])
        said = f"'{points[0]}' in {name} read as "
        if point == "thousands":
            return Signs(comma, point), [
                f"{said}thousands, as the file has decimal commas; decimal settles it"
            ]
        mixed = column.str.fullmatch(r"[-+]?[1-9]\d{0,4}").any()
        outcome = [f"{said}decimals; decimal settles it"] if mixed else []
        return Signs(comma, "decimal"), outcome
    if own.point == own.comma == "decimal":
        return own, [f"both ',' and '.' stand before decimals in {name}"]
    return Signs(comma, point or "decimal"), []


def _other(sign: str) -> str:
    return {"decimal": "thousands", "thousands": "decimal"}.get(sign, "")


def _by_file(sign: str, other: str) -> str:
    """Decide by the rest of the file; empty where it uses both signs alike, or neither."""
    if sign and other and sign == other:
        return ""
    return sign or _other(other)


def _two_ways(name: str, sign: str, text: str) -> InputError:
    return InputError(
        f"a {sign} in {name} can be a decimal sign or part thousands",
        found=f"'{text}', and nothing in the file decides",
        do="Say which, as an option of reading: decimal = '.' or decimal = ','",
    )


def _grouped_points(column: pd.Series) -> list[str]:
    """Numbers whose point can part thousands, where no number of the column says otherwise."""
    pointed = column[column.str.contains(".", regex=False, na=False)]
    # most columns have a number with another count of decimals among the first few
    for size in (20, len(pointed)):
        head = pointed.iloc[:size]
        if any(
            _PLAIN.fullmatch(t) and not _GROUPS["."].fullmatch(t) and not _is_code(t) for t in head
        ):
            return []
    return [text for text in pointed if _GROUPS["."].fullmatch(text)]


def _one(text: str, signs: Signs) -> float:
    """Read one number; NaN where it is none."""
    if _SPACED.fullmatch(text):
        text = re.sub(r"[ '’]", "", text)
    text = re.sub(r"^([-+])\s+", r"\1", text)
    if not _BODY.fullmatch(text):
        return float("nan")
    head, _, power = text.lower().partition("e")
    for sign, what in ((",", signs.comma), (".", signs.point)):
        if sign not in head or what != "thousands":
            continue
        other = "." if sign == "," else ","
        whole = head.split(other)[0]
        if not _GROUPS[sign].fullmatch(whole):
            return float("nan")
        head = head.replace(sign, "")
    head = head.replace(",", ".")
    if head.count(".") > 1:
        return float("nan")
    return float(f"{head}e{power}" if power else head)


def _without_codes(
    values: Floats,
    missing: Sequence[str],
    valid: tuple[float, float] | None,
    name: str,
    signs: Signs,
) -> tuple[Floats, list[MissingCode], list[str]]:
    """Take numbers for missing that stand for it, and report those that may."""
    clean = values.copy()
    marks: list[MissingCode] = []
    given = [_one(plain(mark), signs) for mark in missing]
    low, high = valid or (-_INF, _INF)
    for code in dict.fromkeys((*[g for g in given if np.isfinite(g)], *_CODES, *_DOUBTFUL)):
        at = clean == code
        outside = valid is not None and not low <= code <= high
        sure = code in given or outside or code in _CODES
        if at.any() and sure:
            clean[at] = np.nan
            marks.append(MissingCode(name, f"{code:g}", int(at.sum())))
    huge = np.abs(clean) > 1e19
    if huge.any():
        marks.append(MissingCode(name, f"{clean[huge][0]:g}", int(huge.sum())))
        clean[huge] = np.nan
    guesses = [
        f"{mark.code} in {name} taken for missing ({mark.n} ×); missing settles it"
        for mark in marks
        if valid is None and float(mark.code) not in given
    ]
    return clean, marks, guesses + _suspects(clean, name, valid is not None)


def _suspects(values: Floats, name: str, known: bool) -> list[str]:
    """Report numbers that often stand for missing values, though these can be measured.

    In a column of known meaning each is reported; in any other those at the edge of all values, or
    more frequent than any other value.
    """
    finite, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    found = []
    for place in np.flatnonzero(np.isin(finite, (*_CODES, *_DOUBTFUL))):
        code, n = float(finite[place]), int(counts[place])
        others = np.delete(finite, place)
        edge = place in (0, finite.size - 1)
        spread = float(np.ptp(others)) if others.size else 0.0
        gap = float(np.abs(others - code).min()) if others.size else _INF
        far = edge and others.size > 2 and gap > max(spread, 1e-12)
        frequent = n > 1 and n > np.delete(counts, place).max(initial=0)
        if far or (code in _TYPICAL and (known or edge or frequent)):
            found.append(
                f"{code:g} in {name} ({n} ×) was kept as a value; if it stands for missing ones, "
                f"set missing = ['{code:g}']"
            )
    return found
