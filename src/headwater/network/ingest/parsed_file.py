"""What a reader takes from a file: its lines, series as columns, and what became of every line."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.tables.text import Source, decode, is_chinese, name_of, read_bytes

__all__ = [
    "Place",
    "Reading",
    "Refused",
    "Series",
    "empty_frame",
    "join",
    "lines_of",
    "one_category",
    "settle",
    "split",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A station and where it stands.

    Attributes
    ----------
    name : str
    latitude, longitude : float, optional
        [degrees]
    elevation : float, optional
        [m]
    description : str
    properties : dict
        What else is known, as JSON.
    """

    name: str
    latitude: float | None = None
    longitude: float | None = None
    elevation: float | None = None
    description: str = ""
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of one station.

    Attributes
    ----------
    thing : str
        Name of the station.
    name : str
        Name of the series within the station.
    quantity : str
        What is observed, from the glossary where it has the word.
    unit : str
        Of the values, after conversion.
    depth : float, optional
        Below the surface [m].
    sensor : str
    properties : dict
        What else is known, as JSON.
    """

    thing: str
    name: str
    quantity: str
    unit: str
    depth: float | None = None
    sensor: str = ""
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of the series within the reading."""
        return f"{self.thing} / {self.name}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A line, or one value of it, that could not be read, and why.

    Attributes
    ----------
    line : int
        Number of the line in its file, from 1; of a feature or message where there are no lines.
    reason : str
    source : str
        Name of the file.
    """

    line: int
    reason: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.source or 'line'}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Observations of named series, and a report of the lines that they were read from.

    Every line that is not blank is kept, refused or ignored; a line of several values of which one
    cannot be read is kept, and the value is among `refused`.

    Attributes
    ----------
    data : DataFrame
        Columns ``series`` (category, keys of `series`), ``time`` (UTC), ``value`` (in the unit of
        the series; NaN where the file says missing), ``flag`` (the provider's, or None), ``line``;
        where a clock was set back also ``clock``: for what follows it the line from which it does,
        less than 0 where the mapping confirms the times, else 0.
    series : dict of Series
    places : dict of Place
        Stations by name.
    lines, kept, ignored : int
        Lines with data; of them kept; of them asked for by no series.
    refused : tuple of Refused
        In order of lines.
    repeated : int
        Observations that stood in the file twice, with the same value.
    notes : tuple of str
        What else was seen: clocks that were set, records that are lost.
    """

    data: pd.DataFrame
    series: dict[str, Series]
    places: dict[str, Place] = field(default_factory=dict)
    lines: int = 0
    kept: int = 0
    ignored: int = 0
    refused: tuple[Refused, ...] = ()
    repeated: int = 0
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """Observations that the file holds a place for but no value."""
        return int(self.data["value"].isna().sum())

    def report(self, most: int = 10) -> tuple[str, ...]:
        """Say in lines of text what became of the lines.

        Parameters
        ----------
        most : int
            Refused lines to name.

        Returns
        -------
        tuple of str
        """
        n = len(self.data) - self.missing
        lost = self.lines - self.kept - self.ignored
        ignored = f", {self.ignored} of no series asked for" if self.ignored else ""
        reported = [
            f"{self.lines} lines read, {self.kept} kept, {lost} refused{ignored}",
            f"{n} values of {len(self.series)} series, {self.missing} missing"
            + (f", {self.repeated} said twice" if self.repeated else ""),
        ]
        reported += [f"refused {item}" for item in self.refused[:most]]
        if len(self.refused) > most:
            reported.append(f"… and {len(self.refused) - most} more")
        return (*reported, *self.notes)

    def reasons(self) -> Counter[str]:
        """Count refusals by reason, without the words that were found."""
        return Counter(item.reason.split(": ")[0] for item in self.refused)


def empty_frame() -> pd.DataFrame:
    """Make a frame of observations without rows."""
    return pd.DataFrame(
        {
            "series": pd.Categorical([]),
            "time": pd.DatetimeIndex([], tz="UTC").as_unit("us"),
            "value": np.empty(0),
            "flag": np.empty(0, dtype=object),
            "line": np.empty(0, dtype=np.int64),
        }
    )


def one_category(key: str, n: int) -> pd.Categorical[str]:
    """Name the same series in `n` rows."""
    return pd.Categorical([key]).repeat(n)


def join(readings: Sequence[Reading]) -> Reading:
    """Put readings one after the other, as if they had come from one file.

    Examples
    --------
    >>> join([]).lines
    0
    """
    frames = [reading.data for reading in readings if len(reading.data)]
    series = {key: item for reading in readings for key, item in reading.series.items()}
    places = {name: place for reading in readings for name, place in reading.places.items()}
    if frames:
        if any("clock" in frame for frame in frames):
            frames = [frame if "clock" in frame else frame.assign(clock=0) for frame in frames]
        kinds = pd.CategoricalDtype(list(series))
        frames = [frame.assign(series=frame["series"].astype(kinds)) for frame in frames]
        data = pd.concat(frames, ignore_index=True)
    else:
        data = empty_frame()
    return Reading(
        data,
        series,
        places,
        lines=sum(reading.lines for reading in readings),
        kept=sum(reading.kept for reading in readings),
        ignored=sum(reading.ignored for reading in readings),
        refused=tuple(item for reading in readings for item in reading.refused),
        repeated=sum(reading.repeated for reading in readings),
        notes=tuple(dict.fromkeys(text for reading in readings for text in reading.notes)),
    )


def settle(reading: Reading, source: str) -> Reading:
    """Leave one observation for each series and time.

    Where two lines give different values for one time, the one that stands evenly between its
    neighbours in the file is believed: a line whose time was damaged stands in the wrong place.

    Parameters
    ----------
    reading : Reading
        Of one file, rows in the order of its lines.
    source : str
        Name of the file.

    Returns
    -------
    Reading
    """
    frame = reading.data
    code = frame["series"].cat.codes.to_numpy()
    time = frame["time"].to_numpy("datetime64[us]").astype(np.int64)
    order = np.lexsort((time, code))
    same = (np.diff(code[order]) == 0) & (np.diff(time[order]) == 0)
    if not same.any():
        return reading
    uneven = _unevenness(code, time)
    value = frame["value"].to_numpy()
    drop, refused, repeated = [], [], 0
    clash = np.flatnonzero(np.append(False, same) | np.append(same, False))
    for rows in np.split(order[clash], 1 + np.flatnonzero(~same[clash[:-1]])):
        best = rows[np.argmin(uneven[rows])]
        for row in rows[rows != best]:
            drop.append(row)
            if value[row] == value[best] or np.isnan(value[row]):
                repeated += 1
                continue
            line, other = int(frame["line"].iloc[row]), int(frame["line"].iloc[best])
            reason = f"gives another value for the time of line {other}"
            refused.append(Refused(line, reason, source))
    kept = reading.kept - len({item.line for item in refused} - _lines_left(frame, drop))
    both = tuple(sorted((*reading.refused, *refused), key=lambda item: item.line))
    return Reading(
        frame.drop(index=frame.index[drop]).reset_index(drop=True),
        reading.series,
        reading.places,
        lines=reading.lines,
        kept=kept,
        ignored=reading.ignored,
        refused=both,
        repeated=reading.repeated + repeated,
        notes=reading.notes,
    )


def _lines_left(frame: pd.DataFrame, drop: list[int]) -> set[int]:
    """Lines that still have a row after `drop`."""
    left = np.ones(len(frame), dtype=bool)
    left[drop] = False
    return set(frame["line"].to_numpy()[left].tolist())


def _unevenness(code: NDArray[Any], time: NDArray[np.int64]) -> NDArray[np.float64]:
    """How unlike the steps to the lines before and after are, within each series [µs]."""
    order = np.argsort(code, kind="stable")
    step = np.diff(time[order]).astype(float)
    step[np.diff(code[order]) != 0] = np.nan
    usual = np.nanmedian(step) if np.isfinite(step).any() else 0.0
    step = np.where(np.isnan(step), usual, step)
    uneven = np.empty(time.size)
    uneven[order] = np.abs(np.append(usual, step) - np.append(step, usual))
    return uneven


def lines_of(source: Source, *, whole: bool = True, encoding: str | None = None) -> list[str]:
    r"""Read lines that end in CR LF, LF or a bare CR.

    Files are UTF-8, UTF-16 with its mark, or Chinese (GB18030). Bytes that are none of these are
    read one by one, so that they spoil no more than their line.

    Parameters
    ----------
    source : path or bytes
        A file, compressed or not, or its content.
    whole : bool
        False to leave out a last line without an end, which may still be being written.
    encoding : str, optional
        Where it is known.

    Returns
    -------
    list of str
        Without their ends.

    Raises
    ------
    InputError
        If the file cannot be read, or is not in the encoding given.

    Examples
    --------
    >>> lines_of(b"a\rb\r\nc\n\nd", whole=False)
    ['a', 'b', 'c', '']
    """
    text = _text(read_bytes(source), name_of(source), encoding)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "" or not whole:
        del lines[-1]
    return lines


def _text(content: bytes, name: str, encoding: str | None) -> str:
    """Decode a file of which some lines may be damaged."""
    if encoding is not None:
        return decode(content, name=name, encoding=encoding).text
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        codec = "gb18030" if is_chinese(content) else "utf-8-sig"
        return content.decode(codec, "backslashreplace")


def split(line: str, delimiter: str) -> list[str]:
    """Split a line into fields; quotes never reach beyond it.

    Examples
    --------
    >>> split('a,"b,c"', ","), split('a,"b', ","), split("a  b", " ")
    (['a', 'b,c'], ['a', '"b'], ['a', 'b'])
    """
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return line.split(delimiter)
