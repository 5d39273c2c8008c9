"""Dates in names of files and of bands: the forms they are written in, and when to ask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from headwater.errors import TimeAxisError

__all__ = ["CENTURIES", "NAMED", "PARTS", "check_forms", "date_in", "year_doubt"]

NAMED = "time in the file name: "
"""Begins what is said of a date in a name; its form follows."""

PARTS = {"dekad": (1, 11, 21), "pentad": (1, 6, 11, 16, 21, 26), "half month": (1, 16)}
"""First days of numbered parts of a month."""
_FIELDS = {
    "%Y": r"\d{4}",
    "%j": r"\d{3}",
    "%b": "[A-Za-z]{3}",
    "%B": "[A-Za-z]{3,9}",
    "{dekad}": "[1-3]",
    "{pentad}": "[1-6]",
} | {f"%{field}": r"\d{2}" for field in "ymdHMS"}
_FIELD = re.compile(r"%[YymdjHMSbB]|\{dekad\}|\{pentad\}")
# Tried in this order; of a form without signs between, the year must be one of these centuries.
_FORMS = (
    "%Y-%m-%d",
    "%Y_%m_%d",
    "%Y.%m.%d",
    "%Y%m%d%H",
    "%Y%m%d",
    "%Y-%m",
    "%Y_%m",
    "%Y.%m",
    "%Y%j",
    "%Y-%j",
    "%Y_%j",
    "%Y%m",
    "%Y",
)
CENTURIES = (1800, 2100)
_LONE_YEARS = (1850, 2100)
"""Years that stand alone in a name: 1801 is January 2018 rather than a year."""
_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = (
    "january januar janvier janv enero ene gennaio janeiro 一月",
    "february februar février fevrier févr fevr fév fev febrero febbraio fevereiro 二月",
    "march märz maerz mär mrz marzo março 三月",
    "april avril avr abril abr aprile 四月",
    "mai mayo maggio maio 五月",
    "june juni juin junio giugno giu junho 六月",
    "july juli juillet juil julio luglio lug julho 七月",
    "august août aout agosto 八月",
    "september sept septembre septiembre settembre setembro 九月",
    "october oktober okt octobre octubre ottobre ott outubro 十月",
    "november novembre noviembre novembro 十一月",
    "december dezember dez décembre decembre déc diciembre dic dicembre dezembro 十二月",
)
"""Names of the months that mean nothing else in names of files, as mars and set do."""
_MONTH_OF = {
    word: name
    for name, words in zip(_ENGLISH, _MONTHS, strict=True)
    for word in (name, *words.split())
}
_DOUBTFUL = {"gen": "jan", "mars": "mar", "mag": "may", "ago": "aug", "set": "sep", "out": "oct"}
"""Names of months that mean other things as well: read only where a pattern says so."""
_NAMES = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
_MONTH_WORD = re.compile(rf"(?<![^\W\d_])(?:{_NAMES})(?![^\W\d_])", re.IGNORECASE)
_DOUBTFUL_WORD = re.compile(rf"(?<![^\W\d_])(?:{'|'.join(_DOUBTFUL)})(?![^\W\d_])", re.IGNORECASE)
_CAMEL = re.compile(rf"(?<=[A-Za-z])(?=(?:{_NAMES.title()})(?![^\W\d_]))")
_CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月(?:\s*(\d{1,2})\s*日)?")
_NAMED_FORMS = tuple(
    form.replace("_", sign)
    for form in ("%d_%b_%Y", "%b_%d_%Y", "%Y_%b_%d", "%Y_%b", "%b_%Y")
    for sign in ("_", "-", ".", " ", "")
)
# Day, month or its name next to the year, which the forms above cannot read.
_OTHER_ORDER = re.compile(
    r"(?<![\d.a-z])(?:\d\d?[-_])?[01]?\d[-_ ]\d{4}(?!\d)|(?<![\d.])(?:\d\d\.)?[01]\d\.\d{4}(?!\d)"
    r"|(?<!\d)\d{4}[-_.][01]?\d(?![\da-z])",
    re.IGNORECASE,
)
# Words for a part of the year.
_PART = re.compile(
    r"(?<![^\W\d_])(?:djf|jfm|fma|mam|amj|mjj|jja|jas|aso|son|ond|ndj|q[1-4]|m[01]?\d|w[0-5]?\d"
    r"|(?:doy|day|week|month|mon|dekad)[-_]?\d{1,3}|spring|summer|autumn|fall|winter)(?![^\W_])"
    r"|(?<!\d)\d{4}d\d{3}(?!\d)|月|季|[春夏秋冬旬周]",
    re.IGNORECASE,
)
_DAY_BEFORE = re.compile(r"(?<![\d.a-z])\d\d?[-_. ]$", re.IGNORECASE)
_DAY_AFTER = re.compile(r"[-_. ]\d\d?(?![\da-z])", re.IGNORECASE)


def date_in(text: str, pattern: str | None, label: str) -> tuple[pd.Timestamp, str]:
    """Find the date in a text, and the form in which it stands there."""
    found, form, rest = _dates_of(text, pattern)
    if len(found) == 1 and (pattern or not _holds_more(rest, form)):
        return found[0], form
    if found:
        dates = ", ".join(str(date)[:10] for date in found)
        raise TimeAxisError(
            f"{label} could have several dates"
            if len(found) > 1
            else f"the date of {label} is in an order that is not known here",
            found=f"'{text}': {dates}",
            do='Write time = "..." for this input with what stands around the date, such as '
            '"sm_%Y%m" or "%d-%m-%Y"' + (', or "%Y" if it is the year alone' * (form == "%Y")),
        )
    raise TimeAxisError(
        f"{label} has no date",
        found=f"'{text}', looked for {pattern or ' or '.join(_FORMS)}",
        do="Write time = '...' for this input, such as '%Y%j' for year and day of year",
    )


def _holds_more(rest: tuple[str, str], form: str) -> bool:
    """Whether what stands around a date says more of it: a day, a month, a part of the year."""
    text = f"{rest[0]}2000{rest[1]}"
    if form == "%Y":
        return any(each.search(text) for each in (_OTHER_ORDER, _MONTH_WORD, _PART))
    if form not in _NAMED_FORMS or "%d" in form:
        return False
    return bool(
        any(map(_MONTH_WORD.search, rest))
        or _DAY_BEFORE.search(rest[0])
        or _DAY_AFTER.match(rest[1])
    )


def _in_english(text: str) -> str:
    """Write months that are called by their names as three letters, and Chinese dates as ISO."""
    text = _CHINESE.sub(
        lambda match: "-".join([match[1], *(f"{int(n):02d}" for n in match.groups()[1:] if n)]),
        text,
    )
    return _MONTH_WORD.sub(lambda match: _MONTH_OF[match[0].lower()], _CAMEL.sub("_", text))


def _dates_of(text: str, pattern: str | None) -> tuple[list[pd.Timestamp], str, tuple[str, str]]:
    """Find all dates that stand apart in a text, the form of the first and what is around it."""
    if pattern:
        read = [date for _, date in _dates_in(text, pattern, exact=False)]
        if not read and "%b" in pattern.replace("%B", "%b"):
            short = pattern.replace("%B", "%b")
            plain = _DOUBTFUL_WORD.sub(lambda word: _DOUBTFUL[word[0].lower()], _in_english(text))
            read = [date for _, date in _dates_in(plain, short, exact=False)]
        return read[:1], pattern, ("", "")
    text = _in_english(text)
    dates: dict[pd.Timestamp, str] = {}
    taken: list[range] = []
    named = _NAMED_FORMS if _MONTH_WORD.search(text) else ()
    for form in (*named, *_FORMS):
        if form == "%Y" and dates:  # 2000 may be the size of a cell as well
            break
        for span, date in _dates_in(text, form, exact=True):
            if not any(span.start < one.stop and one.start < span.stop for one in taken):
                taken.append(span)
                dates.setdefault(date, form)
    rest = (text[: taken[0].start], text[taken[0].stop :]) if taken else ("", "")
    return list(dates), next(iter(dates.values()), ""), rest


def _dates_in(text: str, form: str, *, exact: bool) -> list[tuple[range, pd.Timestamp]]:
    fields = _FIELD.findall(form)
    rest = list(map(re.escape, _FIELD.split(form)))
    parts = [f"({_FIELDS[field]})" for field in fields]
    if (not exact or "%b" in form) and all(rest[1:-1]):  # 8-Jan-2015, 2015-1-8
        parts = [
            r"(\d{1,2}(?!\d))" if field in ("%d", "%m") else part
            for field, part in zip(fields, parts, strict=True)
        ]
    expression = "".join(one for pair in zip_longest(rest, parts, fillvalue="") for one in pair)
    low, high = _LONE_YEARS if form == "%Y" else CENTURIES
    found: list[tuple[range, pd.Timestamp]] = []
    ahead, behind = (
        r"(?<![A-Za-z\d])" if form[:2] == "%b" else r"(?<!\d)",
        r"(?![A-Za-z\d])" if form[-2:] == "%b" else r"(?!\d)",
    )
    expression = f"{ahead}{expression}{behind}" if exact else rf"(?<!\d){expression}"
    for match in re.finditer(expression, text):
        try:
            date = _date_of(dict(zip(fields, match.groups(), strict=True)))
        except ValueError:
            continue
        if not exact or low <= date.year <= high:
            found.append((range(*match.span()), date))
    return found


def _date_of(parts: dict[str, str]) -> pd.Timestamp:
    """Make a date of the parts of a pattern; dekads and pentads count within their month."""
    plain = {field: text for field, text in parts.items() if field.startswith("%")}
    date = pd.to_datetime(" ".join(plain.values()), format=" ".join(plain))
    for part in parts.keys() - plain.keys():
        date += pd.Timedelta(days=PARTS[part.strip("{}")][int(parts[part]) - 1] - 1)
    return date


def check_forms(files: Sequence[Path], notes: Sequence[str]) -> None:
    """Refuse names of which some say the day or month and others the month or year alone.

    Parameters
    ----------
    files : sequence of Path
    notes : sequence of str
        How the times of the files were understood.

    Raises
    ------
    TimeAxisError
        Naming a file of each kind: the map of a year is no map of its January.
    """
    forms = {note.removeprefix(NAMED) for note in notes if note.startswith(NAMED)}
    if len({_fineness(form) for form in forms}) < 2:
        return
    kinds: dict[str, tuple[str, str]] = {}
    for path in files:
        date, form = date_in(path.stem, None, str(path))
        kinds.setdefault(_fineness(form), (path.name, f"{date:%Y-%m-%d}"))
    raise TimeAxisError(
        "the names of some files say more of their times than those of others",
        found="; ".join(
            f"{name} read as the {kind} of {date}" for kind, (name, date) in kinds.items()
        ),
        do="Give files of one kind, or write time = '...' with the pattern of all dates",
    )


def _fineness(form: str) -> str:
    fields = {"%H": "hour", "%d": "day", "%j": "day", "%m": "month", "%b": "month"}
    return next((word for field, word in fields.items() if field in form), "year")


def year_doubt(files: Sequence[Path], notes: Sequence[str]) -> tuple[str, ...]:
    """Doubt years in file names that are as well two digits of a year and a month: 2001 to 2012.

    Parameters
    ----------
    files : sequence of Path
    notes : sequence of str
        How the times of the files were understood.

    Returns
    -------
    tuple of str
    """
    if len(files) == 1 or f"{NAMED}%Y" not in notes:
        return ()
    years = [date_in(path.stem, None, str(path))[0].year for path in files]
    if not all(1 <= year % 100 <= 12 for year in years):
        return ()
    first = pd.to_datetime(f"{years[0]}", format="%y%m")
    return (
        f"{years[0]} and the like in file names were taken for years; if they are two digits of a "
        f'year and a month ({first:%B %Y}), write time = "%y%m"',
    )
