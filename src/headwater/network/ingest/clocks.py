"""Signs of a logger's clock that was set, or that is ahead."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.network.ingest.parsed_file import Reading
from headwater.network.times import ahead

__all__ = ["clock_doubts", "clock_note", "first_of", "mark_after", "with_set_back"]

_END = 2**62

_MOST = 20
"""Notes about clock and records; more are counted."""
_NEAR = 0.9
"""Lines of one series stand nearer than this many usual steps only where a time comes twice."""


def clock_note(place: str, step: float, usual: float) -> str:
    """Say that a clock was set.

    Examples
    --------
    >>> clock_note("a.dat:9", -1800.0, 3600.0)
    'a.dat:9: the clock was set back by 5400 s'
    """
    way = "back" if step < usual else "forward"
    return f"{place}: the clock was set {way} by {abs(step - usual):g} s"


def first_of(notes: list[str], name: str) -> list[str]:
    """Keep the first notes of a file, and count the rest."""
    rest = len(notes) - _MOST
    if rest <= 0:
        return notes
    return [*notes[:_MOST], f"{name}: … and {rest} more of records and clock"]


def clock_doubts(reading: Reading, present: int, noun: str = "line") -> tuple[str, ...]:
    """Say how much is doubted for the clock that stamped it.

    Parameters
    ----------
    reading : Reading
    present : int
        [µs]
    noun : str
        What the reading counts as its lines.

    Returns
    -------
    tuple of str
        A sentence on what is stamped with a time that has not come, one on what follows a clock
        that was set back.
    """
    said = []
    time = reading.data["time"].to_numpy("datetime64[us]").astype(np.int64)
    late = ahead(time, present)
    if late.any():
        n, last = reading.data["line"][late].nunique(), str(reading.data["time"][late].max())
        said.append(
            f"{n} {noun}{'s' if n > 1 else ''} of the future, up to {last[:19]} UTC: the clock of "
            "the logger is wrong, or the zone or form of its times; quality control doubts these "
            "values"
        )
    back = reading.data["clock"] > 0 if "clock" in reading.data else np.zeros(len(time), bool)
    after = back & reading.data["value"].notna()
    if after.any():
        n = reading.data["line"][after].nunique()
        said.append(
            f"{n} {noun}{'s' if n > 1 else ''} after a clock was set back: quality control doubts "
            'these values until clock = "confirmed" stands under [time] of the mapping, or '
            "headwater network confirm names their station"
        )
    return tuple(said)


def with_set_back(reading: Reading, name: str, *, confirmed: bool = False) -> Reading:
    """Find where times go back over times that the file has given before, with other values.

    Lines that fill a gap, stand twice or in falling order are no sign of a clock.

    Parameters
    ----------
    reading : Reading
        Of one file, rows of each series in the order of its lines, times not yet settled.
    name : str
        Of the file.
    confirmed : bool
        Whether the mapping confirms the times that follow.

    Returns
    -------
    Reading
        With a note for each place, and all that follows there of the station marked.
    """
    notes: dict[str, None] = {}
    places: dict[str, list[int]] = {}
    frame = reading.data
    code = frame["series"].cat.codes.to_numpy()
    time = frame["time"].to_numpy("datetime64[us]").astype(np.int64)
    value, line = frame["value"].to_numpy(), frame["line"].to_numpy()
    order = np.argsort(code, kind="stable")
    back = (np.diff(code[order]) == 0) & (np.diff(time[order]) < 0)
    for one in np.unique(code[order[1:]][back]):
        rows = order[code[order] == one]
        step = np.diff(time[rows])
        if not (step > 0).any() or 2 * int((step < 0).sum()) > len(step):
            continue
        usual = float(np.median(step[step > 0]))
        thing = reading.series[frame["series"].cat.categories[one]].thing
        for i in _again(time[rows], value[rows], usual):
            place = f"{name or 'line'}:{line[rows[i]]}"
            notes[clock_note(place, step[i - 1] / 1e6, usual / 1e6)] = None
            places.setdefault(thing, []).append(int(line[rows[i]]))
    noted = (*reading.notes, *first_of(list(notes), name or "line"))
    spans = {thing: [(first, _END) for first in sorted(set(at))] for thing, at in places.items()}
    return mark_after(replace(reading, notes=noted), spans, confirmed=confirmed)


def mark_after(
    reading: Reading, spans: Dict[str, Sequence[tuple[int, int]]], *, confirmed: bool = False
) -> Reading:
    """Mark what follows where a clock was set back.

    Parameters
    ----------
    reading : Reading
    spans : mapping of sequence of (int, int)
        First line, and the line at which the clock was set forward again, by station.
    confirmed : bool
        Whether the mapping confirms the times that follow.

    Returns
    -------
    Reading
        With a column ``clock``, where any is marked.
    """
    frame = reading.data
    code, line = frame["series"].cat.codes.to_numpy(), frame["line"].to_numpy()
    things = np.array([reading.series[key].thing for key in frame["series"].cat.categories])
    clock = np.zeros(len(frame), dtype=np.int64)
    for thing, parts in spans.items():
        of_thing = np.append(things == thing, False)[code]
        for first, end in parts:
            clock[of_thing & (line >= first) & (line < end)] = -first if confirmed else first
    return replace(reading, data=frame.assign(clock=clock)) if clock.any() else reading


def _again(time: NDArray[np.int64], value: NDArray[Any], usual: float) -> list[int]:
    """First rows of stretches that come again over earlier times and say something else."""
    newest = np.maximum.accumulate(time)
    behind = np.append(False, time[1:] <= newest[:-1])
    falls = behind & np.append(False, np.diff(time) < 0)
    start = np.maximum.accumulate(np.where(falls, np.arange(len(time)), 0))
    order = np.argsort(time, kind="stable")
    hit = np.zeros(len(time), dtype=bool)
    for now, other in ((order[1:], order[:-1]), (order[:-1], order[1:])):
        gap = np.abs(time[now] - time[other])
        same = (gap == 0) & (value[now] == value[other])
        known = np.isfinite(value[now]) & np.isfinite(value[other])
        hit[now] |= behind[now] & (other < start[now]) & (gap < _NEAR * usual) & known & ~same
    return [int(i) for i in np.unique(start[hit])]
