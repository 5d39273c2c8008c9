"""Daily means of stations, kept from look to look: read again is only what the store has changed.

Every write gives an observation a new time of receipt, and every loss a lower count; so both, month
by month of thirty days, show where a series has changed, late and corrected data included.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning.kept import (
    DAMAGED,
    WatchState,
    forget_state,
    key_of_state,
    load_state,
    save_state,
)
from headwater.chapters.warning.options import StationWarningOptions
from headwater.chapters.warning.watching import Arrived
from headwater.errors import DataError, ResumeError, UnitError, nearest
from headwater.glossary import GLOSSARY
from headwater.network.derived.interval_means import choose_series, mean_of_series
from headwater.network.inventory import Stream, list_series
from headwater.network.store.protocol import Session, Store
from headwater.network.times import DAY, LEEWAY, month_bounds

__all__ = [
    "KeptSeries",
    "KnownWatch",
    "StationDays",
    "StationSeries",
    "days_arrived",
    "held_watch",
    "load_watch",
    "read_days",
    "save_watch",
]

Floats = NDArray[np.float64]
_GREEN = ("ndvi", "evi", "fractional_cover", "lai")
_PARTS = ("water", "green", "rain", "demand")
_ALERTS = {"water": "drought", "green": "vegetation", "rain": "dry season", "demand": "dry season"}
"""What is said of a station by each part."""
_MONTH = 30 * DAY
_PRIME = 1_000_000_007
"""Sums of times of receipt are kept small by this modulus."""
_FILE = "days.npz"
_PATIENCE = 600
"""How long one look waits for another to end [s]."""
_NOTED = ("facts", "stored", "units", "first", "settled", "before", "months", "archived")
_STATION = ("station", "series", "longitude", "latitude", "elevation", "depth")


@dataclass(frozen=True, slots=True, eq=False)
class StationSeries:
    """Daily means of the stations of a store.

    Attributes
    ----------
    stations : DataFrame
        ``station``, ``longitude``, ``latitude``, ``elevation``; in the order of the columns.
    water : DataArray (time, y, x) or None
        One row; a column for each station.
    green : DataArray (time, y, x) or None
    rain, demand : DataArray (time, y, x) or None
        Amounts of a day.
    """

    stations: pd.DataFrame
    water: xr.DataArray | None
    green: xr.DataArray | None
    rain: xr.DataArray | None = None
    demand: xr.DataArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KeptSeries:
    """What one series of the store held at the last look.

    Attributes
    ----------
    facts : dict
        Station, series, place and depth.
    stored, units : str
        Unit of the store, and that of the means.
    first : int
        Day of the first mean, since 1970 [d].
    mean : ndarray, shape (n_days,)
        In `units`; NaN where nothing sound was observed.
    n : ndarray of int, shape (n_days,)
        Observations behind each.
    settled : int
        Beginning of what may still grow [µs].
    before : tuple of int
        Count and times of receipt of all that lies before it.
    months : dict of tuple of int
        The same by month of thirty days.
    archived : dict of str
        Hash of what is archived, by month.
    """

    facts: dict[str, Any]
    stored: str
    units: str
    first: int
    mean: Floats
    n: NDArray[np.int64]
    settled: int
    before: tuple[int, ...]
    months: dict[int, tuple[int, ...]]
    archived: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class StationDays:
    """Daily means of all series that are watched.

    Attributes
    ----------
    names : dict of str
        Quantity by part: water, green, rain, demand.
    first, last : int
        Days since 1970 [d].
    series : dict of KeptSeries
        By part and identifier of the datastream, such as ``water 7``.
    problems : dict of str
        Why series are left out, with station, unit and what to do, by key as in `series`.
    unknown : tuple of str
        Targets of alerts of which nothing can be said without them.
    """

    names: dict[str, str]
    first: int
    last: int
    series: dict[str, KeptSeries]
    problems: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def by_station(self) -> StationSeries:
        """Put the series next to each other, one column for each station.

        Returns
        -------
        StationSeries
        """
        facts = [one.facts for one in self.series.values() if np.isfinite(one.mean).any()]
        table = pd.DataFrame(facts, columns=list(_STATION)).drop_duplicates("station")
        table = table.sort_values("station").reset_index(drop=True)
        days = np.arange(self.first, self.last + 1).astype("datetime64[D]")
        times = pd.DatetimeIndex(days.astype("datetime64[ns]"))
        found = {}
        for part, name in self.names.items():
            values = np.full((len(times), 1, len(table)), np.nan)
            for key, one in self.series.items():
                if key.split()[0] == part and np.isfinite(one.mean).any():
                    column = int(table["station"].searchsorted(one.facts["station"]))
                    at = one.first - self.first
                    values[at : at + len(one.mean), 0, column] = one.mean * _steps(one, name)
            found[part] = xr.DataArray(values, {"time": times}, ("time", "y", "x"), name=name)
        return StationSeries(table, *(found.get(part) for part in _PARTS))


def _steps(series: KeptSeries, name: str) -> float:
    """Give the usual number of steps a day, of which a day's amount is the sum."""
    term = GLOSSARY.get(name)
    if term is None or term.total != "sum":
        return 1.0
    return float(np.median(series.n[series.n > 0]))


def read_days(
    store: Store, options: StationWarningOptions, kept: StationDays | None = None
) -> StationDays:
    """Read daily means of soil water, greenness and rain.

    Parameters
    ----------
    store : Store
    options : StationWarningOptions
    kept : StationDays, optional
        From an earlier look at the same store with the same options.

    Returns
    -------
    StationDays
        Without the series whose unit is unknown or of another kind, which are its problems.

    Raises
    ------
    DataError
        If no station observes what is watched, or nothing sound, or none in a unit that is known.
    """
    with store.transaction(read_only=True) as session:
        streams = list_series(session, virtual=options.cells)
        present = session.clock() + LEEWAY
    names, spans = _watched(streams, options)
    first = min(one.first for one in spans if one.first is not None) // DAY
    # one clock that is wrong must not stretch all series by centuries
    last = min(max(one.last for one in spans if one.last is not None), present) // DAY
    held = {} if kept is None else kept.series
    known = {key: one for key, one in held.items() if _same_part(key, names, kept)}
    series: dict[str, KeptSeries] = {}
    problems, unknown = dict[str, str](), list[str]()
    for part, name in names.items():
        depth = options.depth if part == "water" else None
        for one in choose_series(store, name, depth, options.cells):
            if one.first is not None and one.last is not None and one.first // DAY <= last:
                key = f"{part} {one.id}"
                try:
                    series[key] = _read_series(store, one, name, last, known.get(key))
                except UnitError as error:
                    problems[key] = _unit_problem(one, error)
                    unknown.append(f"{one.thing}: {_ALERTS[part]}")
    names = _without_refused(names, series, problems)
    _check_sound(names, series)
    return StationDays(names, first, last, series, problems, tuple(unknown))


def _same_part(key: str, names: dict[str, str], kept: StationDays | None) -> bool:
    part = key.split(maxsplit=1)[0]
    return kept is not None and part in names and kept.names.get(part) == names[part]


def _unit_problem(stream: Stream, error: UnitError) -> str:
    return (
        f"{stream.name} of {stream.thing}: its unit '{stream.unit}' is not understood for "
        f"{stream.role} ({error.wrong}); correct unitOfMeasurement of Datastreams({stream.id})"
    )


def _without_refused(
    names: dict[str, str], series: dict[str, KeptSeries], problems: dict[str, str]
) -> dict[str, str]:
    """Leave out what has lost all its series to their units."""
    there, refused = {key.split()[0] for key in series}, {key.split()[0] for key in problems}
    left = {part: name for part, name in names.items() if part in there or part not in refused}
    if not left.keys() - {"demand"}:
        raise DataError(
            "no series is left to watch",
            found="; ".join(problems.values()),
            do="Correct the units and look again",
        )
    return left


def _check_sound(names: dict[str, str], series: dict[str, KeptSeries]) -> None:
    for part, name in names.items():
        own = [one for key, one in series.items() if key.split()[0] == part]
        if not any(np.isfinite(one.mean).any() for one in own):
            raise DataError(
                f"no station observed {name} in this time",
                found=f"{len(own)} series, none with a sound value",
                do="Choose another quantity: headwater network status prints what there is",
            )


def _watched(
    streams: list[Stream], options: StationWarningOptions
) -> tuple[dict[str, str], list[Stream]]:
    roles = {one.role for one in streams if np.isfinite(one.longitude)}
    green = options.of or next((one for one in _GREEN if one in roles), None)
    water, rain = options.water or "soil_moisture", options.rain or "precipitation"
    asked = {"water": water, "green": green, "rain": rain, "demand": options.demand}
    names = {part: name for part, name in asked.items() if name is not None and name in roles}
    spans = [one for one in streams if one.role in names.values() and one.first is not None]
    if not spans:
        raise DataError(
            "no station with a known place observes what [warning] watches",
            found=", ".join(sorted(roles)) or "an empty store",
            do=f"Ingest {water} or a greenness ({', '.join(_GREEN)}), or name them as water and of",
        )
    named = (options.water, options.of, options.rain, options.demand)
    lacking = [name for name in named if name is not None and name not in roles]
    if lacking:
        raise DataError(
            "no station with a known place observes what [warning] names",
            found=", ".join(lacking),
            do=nearest(lacking[0], sorted(roles)),
        )
    return names, spans


def _read_series(
    store: Store, stream: Stream, name: str, last: int, kept: KeptSeries | None
) -> KeptSeries:
    """Read a series whole, or what of it has changed."""
    term = GLOSSARY.get(name)
    units = term.units if term else stream.unit
    facts: dict[str, str | float] = {"station": stream.thing, "series": stream.name}
    facts |= {one: float(getattr(stream, one) or np.nan) for one in _STATION[2:5]}
    facts["depth"] = np.nan if stream.depth is None else float(stream.depth)
    assert stream.first is not None
    first = stream.first // DAY
    length = max(0, last + 1 - first)
    mean, n = np.full(length, np.nan), np.zeros(length, dtype=np.int64)
    now = (stream.unit, units, first)
    if kept is None or (kept.stored, kept.units, kept.first) != now:
        state = _looked_at(store, stream.id, last)
        spans = [(first, last + 1)]
    else:
        state, spans = _changed(store, stream.id, last, kept)
        size = min(length, len(kept.mean))
        mean[:size], n[:size] = kept.mean[:size], kept.n[:size]
    for span in spans:
        begin, end = max(span[0], first), min(span[1], last + 1)
        if begin < end:
            edges = np.arange(begin, end + 1, dtype=np.int64) * DAY
            here = slice(begin - first, end - first)
            mean[here], n[here] = mean_of_series(store, stream, edges, units)
    return replace(state, facts=facts, mean=mean, n=n, stored=stream.unit, units=units, first=first)


def _looked_at(store: Store, id: int, last: int) -> KeptSeries:
    """Note what a series holds, before it is read."""
    settled = (last * DAY // _MONTH - 1) * _MONTH
    with store.transaction(read_only=True) as session:
        before, months = _before(session, id, settled), _months(session, id)
        archived = _archived(session, id)
    nothing = np.zeros(0)
    none = nothing.astype(np.int64)
    return KeptSeries({}, "", "", 0, nothing, none, settled, before, months, archived)


def _changed(
    store: Store, id: int, last: int, kept: KeptSeries
) -> tuple[KeptSeries, list[tuple[int, int]]]:
    """Say which days [begin, end) of a series may have changed, and note what it holds now."""
    with store.transaction(read_only=True) as session:
        archived = _archived(session, id)
        same = archived == kept.archived and _before(session, id, kept.settled) == kept.before
    tail = (kept.settled // DAY, last + 1)
    if same and (last * DAY // _MONTH - 1) * _MONTH == kept.settled:
        return kept, [tail]
    state = _looked_at(store, id, last)
    spans = [tail]
    for month in sorted(kept.months.keys() | state.months.keys()):
        if kept.months.get(month) != state.months.get(month):
            # division rounds towards zero, so that month 0 reaches to both sides of 1970
            begin, end = (month - (month <= 0)) * 30, (month + (month >= 0)) * 30
            spans.append((begin, end))
    for name in kept.archived.keys() | archived.keys():
        if kept.archived.get(name) != archived.get(name):
            begin, end = month_bounds(name)
            spans.append((begin // DAY, end // DAY))
    return state, spans


_STATE = f"count(*), coalesce(max(received), 0), coalesce(sum(received % {_PRIME}), 0)"


def _before(session: Session, id: int, end: int) -> tuple[int, ...]:
    sql = f"SELECT {_STATE} FROM observations WHERE datastream_id = ? AND time < ?"
    return tuple(int(value) for value in session.rows(sql, (id, end))[0])


def _months(session: Session, id: int) -> dict[int, tuple[int, ...]]:
    sql = f"SELECT time / {_MONTH}, {_STATE} FROM observations WHERE datastream_id = ? GROUP BY 1"
    return {int(row[0]): tuple(int(value) for value in row[1:]) for row in session.rows(sql, (id,))}


def _archived(session: Session, id: int) -> dict[str, str]:
    sql = (
        "SELECT a.month, a.rows, f.sha256 FROM archived a JOIN archive_files f ON f.file = a.file"
        " WHERE a.datastream_id = ?"
    )
    return {str(month): f"{rows} {sha}" for month, rows, sha in session.rows(sql, (id,))}


def days_arrived(before: StationSeries, now: StationSeries) -> Arrived:
    """Say which days have come, gone or changed between two looks at the same stations.

    Parameters
    ----------
    before, now : StationSeries

    Returns
    -------
    Arrived
    """

    def differing(part: str) -> Iterator[np.datetime64]:
        old, new = getattr(before, part), getattr(now, part)
        if old is None or new is None:
            return
        days = np.union1d(old["time"].values, new["time"].values)
        a, b = (one.reindex(time=days).values[:, 0] for one in (old, new))
        changed = ((a != b) & ~(np.isnan(a) & np.isnan(b))).any(axis=1)
        yield from days[changed].astype("datetime64[D]")

    return Arrived(*(tuple(differing(part)) for part in ("green", "water", "rain")))


@dataclass(frozen=True, slots=True, eq=False)
class KnownWatch:
    """What is known from the last look.

    Attributes
    ----------
    days : StationDays or None
    state : WatchState or None
    """

    days: StationDays | None = None
    state: WatchState | None = None


@contextmanager
def held_watch(home: Path) -> Iterator[None]:
    """Be the only one who looks at stations with this state; wait while another does.

    Parameters
    ----------
    home : Path
        Folder of the watch; made when it is not there.

    Raises
    ------
    ResumeError
        If the folder cannot be written, or the other look does not end.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(home / ".lock")
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_PATIENCE)
    except Timeout as error:
        raise ResumeError(
            "another watch is looking at these stations",
            found=f"it has held {home} for {_PATIENCE // 60} minutes",
            do="End it, or wait",
        ) from error
    except OSError as error:
        raise _not_kept(error) from error
    try:
        yield
    finally:
        lock.release()


def _not_kept(error: OSError) -> ResumeError:
    return ResumeError(
        "the state of the watch cannot be written", found=str(error), do="Make room or rights"
    )


def save_watch(
    home: Path, address: str, today: np.datetime64, days: StationDays, state: WatchState | None
) -> None:
    """Keep a look for the next one.

    Parameters
    ----------
    home : Path
        Folder of the watch.
    address : str
        Of the store.
    today : datetime64[D]
    days : StationDays
    state : WatchState or None

    Raises
    ------
    ResumeError
        If the folder cannot be written.
    """
    noted = {}
    for key, one in days.series.items():
        noted[key] = {name: getattr(one, name) for name in _NOTED}
    whole = [address, str(today), days.names, days.first, days.last, noted]
    arrays: dict[str, Any] = {key: one.mean for key, one in days.series.items()}
    arrays |= {f"{key} n": one.n for key, one in days.series.items()}
    text = np.frombuffer(json.dumps(whole).encode(), dtype=np.uint8)
    part = home / f".writing-{_FILE}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        # days last: whoever dies between comes to them again, and runs again from the checkpoint
        if state is None:
            forget_state(home)
        else:
            save_state(home, state)
        with part.open("wb") as stream:
            np.savez(stream, noted=text, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(home / _FILE)
    except OSError as error:
        raise _not_kept(error) from error


def load_watch(
    home: Path, address: str, today: np.datetime64, options: StationWarningOptions
) -> KnownWatch:
    """Take up the last look at a store.

    Parameters
    ----------
    home : Path
    address : str
        Of the store.
    today : datetime64[D]
        A look at an earlier day begins from the history.
    options : StationWarningOptions

    Returns
    -------
    KnownWatch
        Empty where nothing is kept of this store, or it cannot be read: all is read anew then.
    """
    try:
        with (home / _FILE).open("rb") as stream, np.load(stream) as held:
            of, then, names, first, last, noted = json.loads(held["noted"].tobytes())
            series = {key: _kept(one, held[key], held[f"{key} n"]) for key, one in noted.items()}
        days = StationDays(names, first, last, series)
        if of != address:
            return KnownWatch()
        later = np.datetime64(then, "D") > today
    except DAMAGED:
        return KnownWatch()
    key = None if later else key_of_state(home)
    try:
        return KnownWatch(days, None if key is None else load_state(home, key, options))
    except ResumeError:
        return KnownWatch(days)


def _kept(noted: Mapping[str, Any], mean: Floats, n: NDArray[np.int64]) -> KeptSeries:
    months = {int(month): tuple(state) for month, state in noted["months"].items()}
    return KeptSeries(
        **{**noted, "months": months, "before": tuple(noted["before"]), "mean": mean, "n": n}
    )
