"""Texts as dates and times: what they leave open is asked, what is assumed is reported."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import InputError, TimeAxisError
from headwater.tables.numbers import is_missing, plain
from headwater.tables.options import Order
from headwater.tables.report import name_rows

__all__ = ["Times", "check_zone", "order_in", "parse_times"]

_MONTHS = {
    word: number
    for number, words in enumerate(
        (
            "jan janv ene gen",
            "feb fev fév févr febr",
            "mar mär mrz maer mars marzo märz",
            "apr avr abr avril",
            "may mai mayo mag",
            "jun juin giu",
            "jul juil lug juillet",
            "aug aoû août ago aout",
            "sep sept set",
            "oct okt ott",
            "nov",
            "dec dez déc dic",
        ),
        start=1,
    )
    for word in words.split()
}
_CLOCK = re.compile(
    r"(?:[T\s,]\s*|\s*(?P<half0>上午|下午)\s*)?(?P<h>\d{1,2})(?:[:时時h](?P<m>\d{1,2})"
    r"(?:[:分](?P<s>\d{1,2})(?:[.,](?P<f>\d{1,9}))?秒?|分)?|[时時h])"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>.*)"
)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2}):?(\d{2})?")
_YEAR_FIRST = re.compile(r"(\d{4})\s*[-/.年_]\s*(\d{1,2})\s*[-/.月_]\s*(\d{1,2})\s*日?(.*)")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[T ]?(\d{2})(\d{2})(\d{2})?)?(Z?)")
_DIGITS = re.compile(r"(\d{1,2})\s*([-/.])\s*(\d{1,2})\s*\2\s*(\d{4}|\d{2})(?!\d)(.*)")
_DAY_WORD = re.compile(
    r"(?:[A-Za-z]{3,9},\s*)?(\d{1,2})(?:st|nd|rd|th)?[-\s/.]*([^\W\d_]{3,})\.?[-\s/.,]*(\d{4}|\d{2})(?!\d)(.*)"
)
_WORD_DAY = re.compile(
    r"(?:[A-Za-z]{3,9},\s*)?([^\W\d_]{3,})\.?\s*(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(.*)"
)
_MONTH = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*月?|(\d{4})(0[1-9]|1[0-2])")
_WORD_MONTH = re.compile(r"([^\W\d_]{3,})\.?[-\s/.,]*(\d{4})")
_ORDINAL = re.compile(r"(\d{4})-?([0-3]\d\d)")
_SERIAL = re.compile(r"\d{5}(?:[.,]\d+)?")
_EPOCH = re.compile(r"1\d{9}(?:\d{3})?(?:\.\d+)?")
_YEARS = (1800, 2200)


@dataclass(frozen=True, slots=True)
class _Date:
    """One text taken apart; `digits` are open until the whole column is known."""

    kind: str
    year: int = 0
    month: int = 0
    day: int = 0
    digits: tuple[int, int, int] = (0, 0, 0)
    sign: str = ""
    short: bool = False
    clock: float | None = None
    offset: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """What a column of times holds.

    Attributes
    ----------
    values : datetime64[us] array, shape (n,)
        Clock times as written, or in UTC or the zone given where the texts name zones; NaT where
        missing or unread.
    unread : bool array, shape (n,)
    zoned : bool array, shape (n,)
        Where the text names its zone.
    timed : bool array, shape (n,)
        Where the text has a time of day.
    zone : str
        That `values` are in; empty where nothing names one.
    guesses : tuple of str
    """

    values: NDArray[np.datetime64]
    unread: NDArray[np.bool_]
    zoned: NDArray[np.bool_]
    timed: NDArray[np.bool_]
    zone: str = ""
    guesses: tuple[str, ...] = ()


def order_in(words: str) -> Order | None:
    """Find the order of day, month and year that a name or a unit states.

    Examples
    --------
    >>> order_in("date (mm/dd/yyyy)"), order_in("日期（日/月/年）"), order_in("date")
    ('mdy', 'dmy', None)
    """
    text = plain(words).lower().translate(str.maketrans("年月日", "ymd"))
    text = text.replace("tt", "dd").replace("jjjj", "yyyy").replace("jj", "yy")
    found = re.search(
        r"(?<![a-z])(d{1,2}|m{1,2}|y{1,4})[-/. ]?(d{1,2}|m{1,2})[-/. ]?"
        r"(d{1,2}|y{1,4})(?![a-z])",
        text,
    )
    order = "".join(part[0] for part in found.groups()) if found else ""
    known: dict[str, Order] = {"dmy": "dmy", "mdy": "mdy", "ymd": "ymd"}
    return known.get(order)


def parse_times(
    texts: Sequence[str],
    *,
    rows: Sequence[int] | None = None,
    name: str = "time",
    order: Order | None = None,
    zone: str | None = None,
    missing: Sequence[str] = (),
) -> Times:
    """Read a column of dates or times.

    Parameters
    ----------
    texts : sequence of str, shape (n,)
    rows : sequence of int, optional
        Their numbers in the file, for messages.
    name : str
        Of the column.
    order : {"dmy", "mdy", "ymd"}, optional
        Of dates of digits alone; by default what the column allows.
    zone : str, optional
        Zone of times that name none; times that name one are brought to it.
    missing : sequence of str
        Marks of a missing value besides the usual ones.

    Returns
    -------
    Times

    Raises
    ------
    TimeAxisError
        If dates can be read in two ways, or contradict each other.
    InputError
        If the zone is unknown.

    Examples
    --------
    >>> times = parse_times(["2021/6/1", "2021年6月2日", "20210603"])
    >>> [str(day) for day in times.values.astype("datetime64[D]")]
    ['2021-06-01', '2021-06-02', '2021-06-03']
    >>> str(parse_times(["6/5/2020", "6/17/2020"]).values[0])[:10]
    '2020-06-05'
    """
    places = list(rows) if rows is not None else list(range(1, len(texts) + 1))
    distinct = {text: _take_apart(text) for text in dict.fromkeys(texts)}
    blank = {text for text, date in distinct.items() if date is None and is_missing(text, missing)}
    dates = {text: date for text, date in distinct.items() if date is not None}
    first = dict(zip(reversed(list(texts)), reversed(places), strict=True))
    settled, guesses = _settle(dates, order, name, first)
    moments = {text: _moment(date) for text, date in settled.items()}
    good = {text: moment for text, moment in moments.items() if moment is not None}
    zoned = {text for text in good if settled[text].offset is not None}
    shown, used, outcome = _zones(good, settled, zoned, zone, name)
    values = np.array([shown.get(text, np.datetime64("NaT")) for text in texts], "datetime64[us]")
    return Times(
        values,
        np.array([text not in good and text not in blank for text in texts], bool),
        np.array([text in zoned for text in texts], bool),
        np.array([text in good and settled[text].clock is not None for text in texts], bool),
        used,
        (*guesses, *outcome),
    )


@lru_cache(maxsize=65536)
def _take_apart(text: str) -> _Date | None:
    """Take one text apart, without deciding what its columns decide; None if it is no date."""
    text = plain(text)
    for pattern, make in (
        (_COMPACT, _of_compact),
        (_YEAR_FIRST, _of_year_first),
        (_DIGITS, _of_digits),
        (_DAY_WORD, _of_words),
        (_WORD_DAY, _of_words_turned),
    ):
        found = pattern.fullmatch(text)
        date = make(found) if found else None
        if date is not None:
            return date
    return _of_month(text) or _of_number(text)


def _of_compact(found: re.Match[str]) -> _Date | None:
    year, month, day = (int(found.group(i)) for i in (1, 2, 3))
    if not (_YEARS[0] < year < _YEARS[1] and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    clock = None
    if found.group(4):
        clock = int(found.group(4)) * 3600.0 + int(found.group(5)) * 60 + int(found.group(6) or 0)
    return _Date("date", year, month, day, clock=clock, offset=0.0 if found.group(7) else None)


def _of_year_first(found: re.Match[str]) -> _Date | None:
    date = _Date("date", int(found.group(1)), int(found.group(2)), int(found.group(3)))
    return _with_clock(date, found.group(4))


def _of_digits(found: re.Match[str]) -> _Date | None:
    a, b, c = (int(found.group(i)) for i in (1, 3, 4))
    date = _Date("digits", digits=(a, b, c), sign=found.group(2), short=len(found.group(4)) == 2)
    return _with_clock(date, found.group(5))


def _of_words(found: re.Match[str]) -> _Date | None:
    month = _month(found.group(2))
    date = _Date("date", _full(found.group(3)), month, int(found.group(1)))
    return _with_clock(date, found.group(4)) if month else None


def _of_words_turned(found: re.Match[str]) -> _Date | None:
    month = _month(found.group(1))
    date = _Date("date", int(found.group(3)), month, int(found.group(2)))
    return _with_clock(date, found.group(4)) if month else None


def _of_month(text: str) -> _Date | None:
    found = _MONTH.fullmatch(text)
    if found:
        year, month = (int(part) for part in found.groups() if part)
        inside = _YEARS[0] < year < _YEARS[1] and 1 <= month <= 12
        return _Date("month", year, month, 1) if inside else None
    found = _WORD_MONTH.fullmatch(text)
    if found and _month(found.group(1)):
        return _Date("month", int(found.group(2)), _month(found.group(1)), 1)
    return None


def _of_number(text: str) -> _Date | None:
    """Day of the year, serial number of a spreadsheet, or seconds since 1970."""
    if _SERIAL.fullmatch(text):
        days = float(text.replace(",", "."))
        whole = dt.date(1899, 12, 30) + dt.timedelta(days=int(days))
        clock = round((days % 1) * 86400, 3) if days % 1 else None
        return _Date("serial", whole.year, whole.month, whole.day, clock=clock)
    found = _ORDINAL.fullmatch(text)
    if found and 1 <= int(found.group(2)) <= 366 and _YEARS[0] < int(found.group(1)) < _YEARS[1]:
        day = dt.date(int(found.group(1)), 1, 1) + dt.timedelta(days=int(found.group(2)) - 1)
        return _Date("ordinal", day.year, day.month, day.day)
    if _EPOCH.fullmatch(text):
        seconds = float(text) / (1000 if len(text.partition(".")[0]) == 13 else 1)
        whole = dt.date(1970, 1, 1) + dt.timedelta(days=int(seconds // 86400))
        return _Date("epoch", whole.year, whole.month, whole.day, clock=seconds % 86400, offset=0.0)
    return None


def _month(word: str) -> int:
    word = word.lower()
    return _MONTHS.get(word) or _MONTHS.get(word[:4]) or _MONTHS.get(word[:3], 0)


def _full(year: str) -> int:
    number = int(year)
    return number if len(year) == 4 else number + (2000 if number < 69 else 1900)


def _with_clock(date: _Date, rest: str) -> _Date | None:
    """Add the time of day and the zone that follow a date."""
    rest = rest.strip(" \t")
    if not rest:
        return date
    found = _CLOCK.fullmatch(rest)
    if found is None:
        return None
    hour, minute, second = (int(found.group(key) or 0) for key in "hms")
    half = (found.group("half") or found.group("half0") or "").lower().replace(".", "")
    if half in ("pm", "下午") and hour < 12:
        hour += 12
    elif half in ("am", "上午") and hour == 12:
        hour = 0
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and minute + second > 0):
        return None
    fraction = float(f"0.{found.group('f')}") if found.group("f") else 0.0
    offset = _offset(found.group("zone").strip())
    if isinstance(offset, str):
        return None
    return replace(date, clock=hour * 3600.0 + minute * 60 + second + fraction, offset=offset)


def _offset(text: str) -> float | str | None:
    """Read an offset in seconds; None for none, a text for what is no offset."""
    text = text.strip("() ")
    if not text:
        return None
    if text.upper() in ("Z", "UTC", "GMT"):
        return 0.0
    if text in ("北京时间", "BJT"):
        return 8 * 3600.0
    found = _OFFSET.fullmatch(text)
    if found is None:
        return text
    seconds = int(found.group(2)) * 3600.0 + int(found.group(3) or 0) * 60
    return seconds if found.group(1) == "+" else -seconds


def _settle(
    dates: dict[str, _Date], order: Order | None, name: str, first: dict[str, int]
) -> tuple[dict[str, _Date], list[str]]:
    """Decide the order of digits by the whole column, and report what was assumed."""
    settled = dict(dates)
    guesses: list[str] = []
    for sign, short in sorted({(d.sign, d.short) for d in dates.values() if d.kind == "digits"}):
        group = {
            t: d
            for t, d in dates.items()
            if (d.sign, d.short) == (sign, short) and d.kind == "digits"
        }
        chosen = order or _order_of(group, sign, name, first, guesses)
        settled |= {text: _ordered(date, chosen) for text, date in group.items()}
    counted = {
        "serial": "day numbers of a spreadsheet (1900)",
        "epoch": "seconds since 1970 (UTC)",
        "ordinal": "year and day of the year",
        "month": "the first day of the month named",
    }
    for kind, words in counted.items():
        some = [text for text, date in settled.items() if date.kind == kind]
        if some:
            shown = _moment(settled[some[0]])
            guesses.append(f"'{some[0]}' in {name} read as {words}: {str(shown)[:10]}")
    return settled, guesses


def _order_of(
    group: dict[str, _Date], sign: str, name: str, first: dict[str, int], guesses: list[str]
) -> Order:
    """Find the one order in which all dates of a group exist."""
    orders: tuple[Order, ...] = ("dmy", "mdy", "ymd")
    short = next(iter(group.values())).short
    possible = {
        order: [_moment(_ordered(date, order)) for date in group.values()]
        for order in (orders if short else orders[:2])
    }
    good = [order for order, moments in possible.items() if None not in moments]
    same = {tuple(map(str, possible[order])) for order in good}
    text = next(iter(group))
    if not good:
        rows = sorted(first[text] for text in group)
        raise TimeAxisError(
            f"the dates in {name} are of no one order",
            found=f"'{text}' ({name_rows(rows)})",
            do="Write dates as 2020-06-30",
        )
    if len(same) == 1:
        return good[0]
    if sign == "." and not short and "dmy" in good:
        guesses.append(f"'{text}' in {name} read as day.month.year; dates settles it")
        return "dmy"
    readings = ", ".join(f"{str(_moment(_ordered(group[text], o)))[:10]} ({o})" for o in good)
    raise TimeAxisError(
        f"the dates in {name} can be read in several ways",
        found=f"'{text}' in row {first[text]} is {readings}, and no row decides",
        do="Say which, as an option of reading: " + " or ".join(f"dates = '{o}'" for o in good),
    )


def _ordered(date: _Date, order: Order) -> _Date:
    a, b, c = date.digits
    if order == "ymd":
        year, month, day = (a, b, c) if date.short else (0, 0, 0)
    else:
        year = c
        month, day = (b, a) if order == "dmy" else (a, b)
    full = _full(f"{year:02d}") if date.short else year
    return replace(date, kind="date", year=full, month=month, day=day)


def _moment(date: _Date) -> np.datetime64 | None:
    if not _YEARS[0] < date.year < _YEARS[1]:
        return None
    try:
        day = np.datetime64(dt.date(date.year, date.month, date.day), "us")
    except ValueError:
        return None
    return day + np.timedelta64(round((date.clock or 0.0) * 1e6), "us")


def _zones(
    good: dict[str, np.datetime64],
    dates: dict[str, _Date],
    zoned: set[str],
    zone: str | None,
    name: str,
) -> tuple[dict[str, np.datetime64], str, list[str]]:
    """Bring times that name their zones to one."""
    check_zone(zone)
    if not zoned:
        return good, zone or "", []
    offsets = {dates[text].offset or 0.0 for text in zoned}
    bare = [text for text in good if text not in zoned and dates[text].clock is not None]
    if bare and zone is None:
        raise TimeAxisError(
            f"some times in {name} name a zone and others do not",
            found=f"'{next(iter(zoned))}' and '{bare[0]}'",
            do="Say which zone the others are in: zone",
        )
    shown = dict(good)
    for text in zoned:
        shown[text] = good[text] - np.timedelta64(round((dates[text].offset or 0.0) * 1e6), "us")
    if zone is not None:
        utc = pd.DatetimeIndex([shown[text] for text in zoned]).tz_localize("UTC")
        local = utc.tz_convert(zone).tz_localize(None).to_numpy("datetime64[us]")
        return {**shown, **dict(zip(zoned, local, strict=True))}, zone, []
    words = ", ".join(sorted(f"{offset / 3600:+g} h" for offset in offsets))
    outcome = (
        f"times in {name} name their zone ({words}) and are in UTC; zone brings them to another"
    )
    return shown, "UTC", [] if offsets == {0.0} else [outcome]


def check_zone(zone: str | None) -> None:
    """Refuse a zone that the IANA data base does not have.

    Raises
    ------
    InputError
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        if zone is not None:
            ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        do = "Use a name of the IANA data base, such as UTC, Asia/Shanghai or Etc/GMT-8"
        raise InputError("unknown time zone", found=f"'{zone}'", do=do) from None
