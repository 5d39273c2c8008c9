"""Texts in columns become series, their times placed in a zone, by the rules of a mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping as Mapping_
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import HeadwaterError, InputError, TimeAxisError, UnitError, nearest
from headwater.glossary import GLOSSARY, Term
from headwater.network.ingest.mapping import Mapping, Rule, fields_of, filled
from headwater.network.ingest.parsed_file import (
    Place,
    Reading,
    Refused,
    Series,
    empty_frame,
    one_category,
)
from headwater.network.times import NEVER, known_zone, microseconds
from headwater.tables.numbers import is_below_detection, is_missing, plain
from headwater.units import convert, parse

__all__ = [
    "Table",
    "instants",
    "numbers",
    "series_name",
    "tabulate",
]

_THOUSANDS = r"\s*[-+]?[1-9]\d{0,2}\.\d{3}\s*"
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_CHINESE = re.compile(
    r"(?=.*[年时点上下])(?P<year>\d{4})[年/.-](?P<month>\d{1,2})[月/.-](?P<day>\d{1,2})日?\s*"
    r"(?P<half>[上下]午)?\s*(?:(?P<hour>\d{1,2})[时点:：](?:(?P<minute>\d{1,2})分?)?"
    r"(?:[:：]?(?P<second>\d{1,2})秒?)?)?"
)
_DIGITS = re.compile(
    r"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)"
    r"(?P<second>\d\d)?"
)
_FEWEST = 24
"""Values whose median says something about their unit."""
_ODD = frozenset(("x", "?", "*", "**", ".", "..", "...", "inf", "-inf", "infinity", "/", "//"))
"""Marks that people write in tables; from a logger they are a fault worth knowing."""
_GONE = (-9999.0, -99999.0, -999999.0, -9999.9, -9999.99, -7999.0, -6999.0)
"""Numbers that loggers write where they have none, and that no sensor measures."""
# an offset stands behind a time of day, so that the day of 2026-07-01 is not taken for one
_ZONED = re.compile(r"(?:Z|z|[+-]\d\d(?::?\d\d)?)\s*$")
_NAIVE = "a time without a zone, and the mapping names none"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Texts in columns.

    Attributes
    ----------
    columns : dict of sequence of str
        By name.
    line : int64 array
        Number of the line of each row.
    source : str
        Name of the file.
    units : dict of str
        Of columns whose unit the file names.
    """

    columns: Mapping_[str, Sequence[str]]
    line: NDArray[np.int64]
    source: str = ""
    units: dict[str, str] = field(default_factory=dict)


def numbers(
    texts: Sequence[str], missing: Sequence[str] = (), decimal: str = "."
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read numbers; NaN where the text stands for a missing value.

    Parameters
    ----------
    texts : sequence of str, shape (n,)
    missing : sequence of str
        Marks of a missing value, besides the usual ones; a number stands for all its spellings.
    decimal : str

    Returns
    -------
    value : float64 array, shape (n,)
    unread : bool array, shape (n,)
        Where the text is neither, or has two meanings: 1.250 among decimal commas.

    Examples
    --------
    >>> value, unread = numbers(["0.3", "-9999.0", "x", ""], missing=["-9999"])
    >>> value, unread
    (array([0.3, nan, nan, nan]), array([False, False,  True, False]))
    >>> numbers(["0,3", "1.250", "0.25"], decimal=",")
    (array([0.3 ,  nan, 0.25]), array([False,  True, False]))
    """
    column = pd.Series(list(texts), dtype=object)
    if decimal != ".":
        column = column.where(~column.str.fullmatch(_THOUSANDS), "two meanings")
        column = column.str.replace(decimal, ".", regex=False)
    value = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, copy=True)
    unread = ~np.isfinite(value)
    for i in np.flatnonzero(unread):
        text = plain(str(column.iloc[i])).strip('"')
        mark = is_missing(text, missing) and (text.lower() not in _ODD or text in missing)
        unread[i] = not (mark or is_below_detection(text))
        if unread[i] and _NUMBER.fullmatch(text):  # other minus signs, digits of full width
            value[i] = float(text)
            unread[i] = not np.isfinite(value[i])
    marks = [_number_of(mark.replace(decimal, ".")) for mark in missing]
    value[np.isin(value, [*marks, *_GONE]) | ~np.isfinite(value)] = np.nan
    return value, unread


def _number_of(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def series_name(property: str, depth: float | None, sensor: str = "") -> str:
    """Name a series within its station.

    Examples
    --------
    >>> series_name("soil_moisture", 0.05)
    'Soil moisture at 0.05 m'
    """
    known = GLOSSARY.get(property)
    words = known.long_name if known else property.replace("_", " ").capitalize()
    place = f" at {depth:g} m" if depth is not None else ""
    return f"{words}{place}" + (f", {sensor}" if sensor else "")


@dataclass(slots=True)
class _Fates:
    """What becomes of each row while rules go through them."""

    kept: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    refused: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def tabulate(table: Table, mapping: Mapping) -> Reading:
    """Make series of a table.

    Parameters
    ----------
    table : Table
    mapping : Mapping

    Returns
    -------
    Reading
        Rows of each series in the order of the lines.

    Raises
    ------
    InputError
        If the table lacks a column that the mapping names, or no rule holds in it.
    UnitError
        If a unit that the mapping names cannot be converted.
    """
    rules = mapping.rules_of(table.source)
    _check_columns(table, mapping, rules)
    n = len(table.line)
    parts = [table.columns[name] for name in mapping.time]
    texts = parts[0] if len(parts) == 1 else [" ".join(row) for row in zip(*parts, strict=True)]
    time, wrong = instants(texts, format=mapping.time_format, zone=mapping.zone)
    fates = _Fates(np.zeros(n, dtype=bool), time == NEVER)
    fates.refused += [
        Refused(int(table.line[i]), reason, table.source) for i, reason in wrong.items()
    ]
    frames, series = [], {}
    for rule in rules:
        for frame, item in _apply(rule, table, mapping, time, fates):
            series[item.key] = item
            frames.append(frame)
    data = empty_frame()
    if frames:
        kinds = pd.CategoricalDtype(list(series))
        data = pd.concat(
            [frame.assign(series=frame["series"].astype(kinds)) for frame in frames],
            ignore_index=True,
        )
    ignored = int((~fates.kept & ~fates.lost).sum())
    places = {item.thing: _place(item.thing, mapping) for item in series.values()}
    refused = tuple(sorted(fates.refused, key=lambda item: item.line))
    return Reading(
        data,
        series,
        places,
        lines=n,
        kept=int(fates.kept.sum()),
        ignored=ignored,
        refused=refused,
        notes=tuple(fates.notes),
    )


def _place(thing: str, mapping: Mapping) -> Place:
    """Find the place of a station; what the mapping says of the network goes with it."""
    known = mapping.places.get(thing, Place(name=thing))
    return replace(known, properties={**mapping.network, **known.properties})


def _check_columns(table: Table, mapping: Mapping, rules: Sequence[Rule]) -> None:
    if not rules:
        raise InputError(
            f"the mapping has no series for {table.source}",
            found=f"file = {', '.join(sorted({repr(rule.file) for rule in mapping.rules})) or '-'}",
            do="Add a [[series]] whose file matches",
        )
    wanted = list(mapping.time)
    for rule in rules:
        named = [name for text in rule.templates() for name in fields_of(text)]
        wanted += [rule.column, *named, *rule.where, *([rule.flag] if rule.flag else [])]
    for name in wanted:
        if name not in table.columns:
            raise InputError(
                f"{table.source or 'the table'} has no column that the mapping names",
                found=f"'{name}'",
                do=_undivided(list(table.columns)) or nearest(name, list(table.columns)),
            )


def _undivided(columns: Sequence[str]) -> str:
    """Advise where a line of names was not divided, for all of them are one column."""
    signs = [sign for sign in (";", "\t", "|", ",") if len(columns) == 1 and sign in columns[0]]
    if not signs:
        return ""
    word = "tab" if signs[0] == "\t" else signs[0]
    return f"All names stand in one column, '{columns[0]}': set [file] delimiter = \"{word}\""


def _apply(
    rule: Rule, table: Table, mapping: Mapping, time: NDArray[np.int64], fates: _Fates
) -> list[tuple[pd.DataFrame, Series]]:
    """Take out of the table the series of one rule."""
    rows = np.arange(len(time))
    for name, text in rule.where.items():
        column = table.columns[name]
        rows = rows[[column[int(i)].strip() == text for i in rows]]
    rows = rows[time[rows] != NEVER]
    value, unread = numbers(
        _taken(table.columns[rule.column], rows), mapping.missing, mapping.decimal
    )
    for i in np.flatnonzero(unread):
        found = table.columns[rule.column][rows[i]]
        two = mapping.decimal != "." and re.fullmatch(_THOUSANDS, found)
        why = "could be thousands or a decimal point" if two else "is not a number"
        _refuse(fates, table, rows[i], f"{rule.column} {why}: {found!r}")
    rows, value = rows[~unread], value[~unread]
    made = []
    for held, here in _groups(rule, table, rows):
        try:
            item = _series(rule, table, mapping, held)
        except HeadwaterError as error:
            if not held:
                raise
            # an error of units says what to write
            short = f"{error.wrong}: {error.found}"
            reason = str(error) if isinstance(error, UnitError) else short
            for row in rows[here]:
                _refuse(fates, table, row, reason)
            continue
        unit = filled(rule.unit, held) or table.units.get(rule.column, "")
        fates.kept[rows[here]] = True
        held_in = _into(value[here], unit, item)
        fates.notes += _of_another_unit(value[here], held_in, unit, item)
        made.append((_frame(rule, table, item, rows[here], time, held_in), item))
    return made


def _taken(column: Sequence[str], rows: NDArray[np.int64]) -> Sequence[str]:
    return column if len(rows) == len(column) else [column[i] for i in rows]


def _refuse(fates: _Fates, table: Table, row: int, reason: str) -> None:
    fates.lost[row] = True
    fates.refused.append(Refused(int(table.line[row]), reason, table.source))


def _groups(
    rule: Rule, table: Table, rows: NDArray[np.int64]
) -> list[tuple[dict[str, str], NDArray[np.int64]]]:
    """Rows that share what stands in the columns that the rule's texts name."""
    names = list(dict.fromkeys(name for text in rule.templates() for name in fields_of(text)))
    if not names:
        return [({}, np.arange(len(rows)))]
    keys: list[Any] = [[text.strip() for text in _taken(table.columns[n], rows)] for n in names]
    joined = keys[0] if len(keys) == 1 else ["\x1f".join(row) for row in zip(*keys, strict=True)]
    codes, _ = pd.factorize(np.array(joined, dtype=object))
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    groups = np.split(order, starts[1:]) if len(order) else []
    return [({n: k[g[0]] for n, k in zip(names, keys, strict=True)}, g) for g in groups]


def _series(rule: Rule, table: Table, mapping: Mapping, held: dict[str, str]) -> Series:
    """Say what a group of rows is."""
    texts = [filled(text, held).strip() for text in rule.templates()]
    thing, name, property, unit, depth, sensor = texts
    if not thing or not property:
        raise InputError("no station or property", found=repr(held), do="Fill the columns")
    if mapping.places and not mapping.others and thing not in mapping.places:
        do = nearest(thing, list(mapping.places))
        raise InputError("not a station of the list", found=f"'{thing}'", do=do)
    deep = _depth(depth)
    unit = unit or table.units.get(rule.column, "")
    known = GLOSSARY.get(property)
    if known and known.units != unit:
        _check_unit(unit or "an empty unit", known, rule.column)
    return Series(
        thing=thing,
        name=name or series_name(property, deep),
        quantity=property,
        unit=known.units if known else unit,
        depth=deep,
        sensor=sensor,
        properties=dict(rule.properties),
    )


def _check_unit(unit: str, term: Term, column: str) -> None:
    """Refuse a unit that values of a quantity cannot be kept in, in the words of a mapping."""
    read = parse(unit)
    try:
        convert(0.0, unit, term.units)
    except UnitError as error:
        do = f"Write in its [[series]] a unit that can become '{term.units}', or another property"
        if term.total == "sum" and read.dimension == "water flux":
            do = (
                f"Stations keep the amount of each line: write unit = '{term.units}' in its "
                "[[series]] where a line holds the sum of its own step (mm d-1 once a day), else "
                "multiply the column by the step first"
            )
        wrong = f"column {column}: {error.wrong}"
        raise UnitError(wrong, found=f"{error.found}, for {term.name}", do=do) from error


def _depth(text: str) -> float | None:
    if not text:
        return None
    try:
        depth = float(text)
    except ValueError:
        depth = float("nan")
    if not 0.0 <= depth < 1e4:
        raise InputError("not a depth in metres", found=f"'{text}'", do="Write 0.05 for 5 cm")
    return depth


def _into(value: NDArray[np.float64], unit: str, item: Series) -> NDArray[np.float64]:
    if unit == item.unit or item.quantity not in GLOSSARY:
        return value
    converted: NDArray[np.float64] = convert(value, unit, item.unit)
    # 25.1 vol% is 0.251: the last bit of the factor is no measurement
    return np.asarray(np.round(converted, 12))


def _of_another_unit(
    read: NDArray[np.float64], value: NDArray[np.float64], unit: str, item: Series
) -> list[str]:
    """Warn of soil moisture that no soil has in the unit named, and name one in which it has."""
    seen = np.isfinite(value)
    if item.quantity != "soil_moisture" or seen.sum() < _FEWEST:
        return []
    term, usual = GLOSSARY["soil_moisture"], float(np.median(value[seen]))
    low, most = term.plausible[0], term.valid_range[1]
    if low <= usual <= most:
        return []
    raw, high = float(np.median(read[seen])), term.plausible[1]
    tried = (term.units, "vol%")
    fits = [one for one in tried if low <= float(convert(raw, one, term.units)) <= high]
    side = f"below {low:g}" if usual < low else f"above {most:g}"
    do = (
        f"write unit = '{fits[0]}' in its [[series]]"
        if fits
        else "correct the unit of its column; or the sensor is at fault"
    )
    return [
        f"{item.key}: a median {side} {term.units} (read as '{unit}') is hardly possible in soil; "
        f"if the file holds another unit, {do}"
    ]


def _frame(
    rule: Rule,
    table: Table,
    item: Series,
    rows: NDArray[np.int64],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
) -> pd.DataFrame:
    flag: Any = None
    if rule.flag:
        flag = [text.strip() or None for text in _taken(table.columns[rule.flag], rows)]
    return pd.DataFrame(
        {
            "series": one_category(item.key, len(rows)),
            "time": pd.DatetimeIndex(time[rows].view("datetime64[us]")).tz_localize("UTC"),
            "value": value,
            "flag": pd.Series(flag, dtype=object, index=range(len(rows))),
            "line": table.line[rows],
        }
    )


def instants(
    texts: Sequence[str], *, format: str | None = None, zone: str | None = None
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Read times as whole microseconds of UTC.

    Parameters
    ----------
    texts : sequence of str, shape (n,)
    format : str, optional
        As of ``strptime``; default: ISO 8601, or as Chinese loggers write it (2024年5月1日 8时5分,
        上午 and 下午 among it), or digits alone (20240501080500).
    zone : str, optional
        Zone of the IANA data base of times that carry no offset. Zones of a fixed offset are
        written ``Etc/GMT-8`` for eight hours east of Greenwich.

    Returns
    -------
    time : int64 array, shape (n,)
        [µs since 1970-01-01T00:00Z]; NEVER where refused.
    refused : dict
        Reason by place.

    Raises
    ------
    InputError
        If the zone is unknown.

    Examples
    --------
    >>> time, refused = instants(["2024-02-29 12:00", "2023-02-29 12:00"], zone="Asia/Shanghai")
    >>> int(time[0]), list(refused)
    (1709179200000000, [1])
    """
    _check_zone(zone)
    if format is None:
        return _iso(pd.Series([_spelt_out(text) for text in texts], dtype=object), zone)
    reported = pd.Series(list(texts), dtype=object)
    aware = "%z" in format
    parsed = pd.to_datetime(reported, format=format, errors="coerce", exact=True, utc=aware)
    wrong = f"not a time of the form {format}: "
    refused = {int(i): wrong + repr(reported.iloc[i]) for i in np.flatnonzero(parsed.isna())}
    if aware:
        return _whole(parsed), refused
    return _placed(parsed, reported, zone, refused)


def _spelt_out(text: str) -> str:
    """Write as ISO 8601 what is not far from it; anything else is left as it is.

    Examples
    --------
    >>> _spelt_out("2024年5月1日下午1时5分"), _spelt_out("202405010805"), _spelt_out("12:00")
    ('2024-05-01 13:05:00', '2024-05-01 08:05:00', '12:00')
    """
    found = _CHINESE.fullmatch(text.strip()) or _DIGITS.fullmatch(text.strip())
    if found is None:
        return text
    parts = found.groupdict()
    hour, half = int(parts["hour"] or 0), parts.get("half")
    if half and not 1 <= hour <= 12:
        return text
    if half:
        hour = hour % 12 + (12 if half == "下午" else 0)
    year, month, day = (int(parts[name]) for name in ("year", "month", "day"))
    minute, second = (int(parts[name] or 0) for name in ("minute", "second"))
    return f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"


def _check_zone(zone: str | None) -> None:
    if zone is not None and known_zone(zone) is None:
        do = "Use a name of the IANA data base, such as UTC, Asia/Shanghai or Etc/GMT-8"
        raise InputError("unknown time zone", found=f"'{zone}'", do=do)


def _iso(reported: pd.Series, zone: str | None) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Read ISO 8601 in bulk, and what bulk reading does not understand one by one."""
    day_only = reported.str.len() <= 10
    aware = reported.str.contains(_ZONED).to_numpy(bool) & ~day_only.to_numpy(bool)
    time = np.full(len(reported), NEVER)
    refused: dict[int, str] = {}
    for part, known in ((aware, True), (~aware, False)):
        if not part.any():
            continue
        some = reported[part].str.strip()
        parsed = pd.to_datetime(some, format="ISO8601", errors="coerce", utc=known)
        rows = np.flatnonzero(part)
        unread = {int(i): "" for i in np.flatnonzero(parsed.isna())}
        here, reasons = (
            (_whole(parsed), unread) if known else _placed(parsed, some, zone, dict(unread))
        )
        time[rows] = here
        for i, reason in reasons.items():
            time[rows[i]], why = _alone(some.iloc[i], zone)
            if time[rows[i]] == NEVER:
                refused[int(rows[i])] = reason or why
    return time, refused


def _alone(text: str, zone: str | None) -> tuple[int, str]:
    try:
        return microseconds(text, zone), ""
    except TimeAxisError as error:
        return NEVER, f"{error.wrong}: {text!r}"


def _placed(
    parsed: pd.Series, reported: pd.Series, zone: str | None, refused: dict[int, str]
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Put local times into their zone; what the clocks repeat or skip is refused."""
    if zone is None:
        good = np.flatnonzero(parsed.notna())
        refused |= {int(i): f"{_NAIVE}: {reported.iloc[i]!r}" for i in good}
        return np.full(len(parsed), NEVER), refused
    local = parsed.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    for i in np.flatnonzero(parsed.notna() & local.isna()):
        moved = parsed.iloc[[int(i)]].dt.tz_localize(zone, ambiguous=False, nonexistent="NaT")
        happens = "does not exist" if moved.isna().iloc[0] else "happens twice"
        why = f"a local time that {happens} in {zone}, for the clocks change"
        refused[int(i)] = f"{why}: {reported.iloc[i]!r}"
    return _whole(local.dt.tz_convert("UTC")), refused


def _whole(parsed: pd.Series) -> NDArray[np.int64]:
    naive = parsed.dt.tz_localize(None) if parsed.dt.tz is not None else parsed
    # NaT and NEVER are the same whole number
    whole: NDArray[np.int64] = naive.to_numpy("datetime64[us]").astype(np.int64)
    return whole
