"""Quality control of what the store holds: flags and reasons next to each observation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import UnitError
from headwater.glossary import GLOSSARY
from headwater.network.entities import Observations
from headwater.network.inventory import Stream, distance, list_series
from headwater.network.quality.clock import SET_BACK, clock_state
from headwater.network.quality.consistency import departures, departures_from_baseline, doubtful
from headwater.network.quality.control import flag_series
from headwater.network.quality.flags import STATES, Flag, bits_of, checked, doubted, verdict
from headwater.network.quality.rules import Rules
from headwater.network.store.protocol import Session, Store
from headwater.network.times import DAY, NEVER, ahead
from headwater.units import convert

__all__ = [
    "CONTROL",
    "Controlled",
    "companions_of",
    "control_store",
    "newest_between",
    "range_bits",
    "sum_between",
    "uncontrolled",
]

CONTROL = "quality control"
"""Who acts, for the audit trail, when flags are written."""
_LEAD = 75 * DAY
"""A stretch begins this long before what is new: frost and thaw, and the window of neighbours."""
_TAIL = 30 * DAY
"""And ends this long after: a thaw explains rises for 30 days."""
_BACK = 15 * DAY
"""Flags this long before what is new may change: a repeat at a coarse sensor is reported late."""
_LASTING = int(Flag.LOW_PLATEAU | Flag.HIGH_PLATEAU | Flag.STUCK)
_OWN = int(Flag.AGAINST_DEPTHS | Flag.AGAINST_NEIGHBOURS)
_HABIT = 430 * DAY
"""Comparison with others looks back at a year of departures, each from a window of 60 days."""
_BLOCK = 10
"""Stations that are compared with each other."""
Spans = Mapping[int, tuple[int, int]]
Times = NDArray[np.int64]
Floats = NDArray[np.float64]
_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Controlled:
    """What quality control said of one series.

    Attributes
    ----------
    stream : Stream
    n : int
        Observations controlled.
    doubted : int
        Of them doubted.
    unchecked : int
        Of them looked at by no rule.
    frozen : int
        Of them in frozen or thawing soil.
    changed : int
        Flags that were written, since they differ from those in the store.
    codes : dict of int
        Observations by bit.
    """

    stream: Stream
    n: int
    doubted: int
    unchecked: int
    frozen: int
    changed: int
    codes: dict[Flag, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One series while it is controlled: the stretch, and from where on flags are written."""

    stream: Stream
    time: NDArray[np.int64]
    raw: NDArray[np.float64]
    bits: NDArray[np.int64]
    since: int


def control_store(
    store: Store,
    *,
    spans: Spans | None = None,
    rules: Rules | None = None,
    reach: float = 2.0,
    neighbours: float = 5.0,
    consistency: bool = True,
    actor: str | None = CONTROL,
) -> list[Controlled]:
    """Control what is new, and write flags and reasons.

    Soil moisture is controlled by :func:`headwater.network.quality.control.flag_series` with soil
    and air temperature of its station and rain of its station or of a gauge within `reach`; then
    against the other depths (three at least) and against neighbours of the same depth (three
    stations at least), where the soil is neither frozen nor thawing. Other quantities are compared
    with their possible range; those whose range nobody knows are marked as not checked. What is
    stamped later than the store took it, or after its logger's clock was set back, is doubted,
    whatever it is.

    Parameters
    ----------
    store : Store
    spans : mapping of tuple of int, optional
        First and last time of what is new, by datastream [µs], as :func:`load_reading` reports
        it. Default: all that has no flags yet.
    rules : Rules, optional
        Depth and saturation are those of the series, where it has them.
    reach : float
        A rain gauge speaks for stations within this distance [km].
    neighbours : float
        Stations within this distance are compared [km].
    consistency : bool
        False to leave flags of depths and neighbours as they are: comparing looks back at a year,
        which is too slow to do for each message.
    actor : str, optional
        For the audit trail.

    Returns
    -------
    list of Controlled
        One for each series that was controlled.

    Notes
    -----
    A stretch begins 75 days before what is new, or earlier where a plateau or repeat is under way.
    The highest value so far, which a flat top is compared with, is that of the stretch.
    """
    with store.transaction(read_only=True) as session:
        streams = list_series(session)
        new = dict(spans) if spans is not None else uncontrolled(session, streams)
    written = []
    for stream in streams:
        if stream.id in new and stream.role != "soil_moisture":
            run = _ranged(store, stream, new[stream.id])
            if run is not None:
                written.append(_write(store, run, actor))
    work = _affected(streams, new, reach)
    runs = {}
    for stream in streams:
        if stream.id in work:
            run = _moisture(store, stream, streams, work[stream.id], rules or Rules(), reach)
            if run is not None:
                runs[stream.id] = run
    if consistency:
        for bit, members in _groups([run.stream for run in runs.values()], streams, neighbours):
            _compare(store, bit, members, runs)
    kept = 0 if consistency else _OWN
    return written + [_write(store, run, actor, kept) for run in runs.values()]


def uncontrolled(session: Session, streams: Sequence[Stream]) -> dict[int, tuple[int, int]]:
    """Find what has no flags yet.

    Parameters
    ----------
    session : Session
    streams : sequence of Stream

    Returns
    -------
    dict of tuple of int
        First and last time, by datastream [µs].
    """
    sql = (
        "SELECT min(time), max(time) FROM observations"
        " WHERE datastream_id = ? AND quality IS NULL AND result_number IS NOT NULL"
    )
    found = {}
    for stream in streams:
        if stream.count:
            first, last = session.rows(sql, (stream.id,))[0]
            if first is not None:
                found[stream.id] = (int(first), int(last))
    return found


def _affected(streams: Sequence[Stream], new: Spans, reach: float) -> dict[int, tuple[int, int]]:
    """Spans of soil moisture whose flags may change, by what is new next to it too."""
    work: dict[int, tuple[int, int]] = {}
    for stream in streams:
        if stream.role != "soil_moisture":
            continue
        others = [other.id for other in companions_of(stream, streams, reach=reach).values()]
        spans = [new[id] for id in (stream.id, *others) if id in new]
        if spans and stream.first is not None:
            work[stream.id] = (min(a for a, _ in spans), max(b for _, b in spans))
    return work


def _ranged(store: Store, stream: Stream, span: tuple[int, int]) -> _Run | None:
    """Compare a quantity other than soil moisture with its possible range."""
    held = store.read([stream.id], span[0], span[1] + 1)
    held = held.take(_first_of_each_time(held))
    bits = range_bits(stream, held.result) | _clock(held)
    return _Run(stream, held.time, held.result, bits, span[0])


def _clock(held: Observations) -> NDArray[np.int64]:
    """Doubt what was made, by its own word, after the store took it, or by a clock set back.

    A forecast is made before its time. What came ahead of its time stays doubted: a later change
    of what stands next to it gives it a new time of receipt, which the clock may have passed.
    """
    made = held.time
    if held.result_time is not None:
        made = np.where(held.result_time == NEVER, made, held.result_time)
    before = np.maximum(bits_of(held.quality, len(held)), 0) & int(Flag.FUTURE)
    bits: NDArray[np.int64] = np.where(made == held.time, before, 0)
    if held.parameters is not None:
        back = [clock_state(text) == SET_BACK for text in held.parameters]
        bits |= np.where(back, int(Flag.SET_BACK), 0)
    if held.received is None:
        return bits
    return bits | np.where(ahead(made, held.received), int(Flag.FUTURE), 0)


def range_bits(stream: Stream, value: NDArray[np.float64]) -> NDArray[np.int64]:
    """Compare values with what is physically possible.

    Parameters
    ----------
    stream : Stream
        Its quantity gives the range; where that is unknown its unit, if it has but one sense.
    value : float64 array, shape (n,)
        In the unit of the stream.

    Returns
    -------
    int64 array, shape (n,)
        Bits; UNCHECKED where neither quantity nor unit is known.
    """
    bits = np.zeros(len(value), dtype=np.int64)
    found = _possible(stream, value)
    if found is None:
        return bits | int(Flag.UNCHECKED)
    value, (low, high) = found
    bits |= np.where(value < low, int(Flag.BELOW_RANGE), 0)
    return bits | np.where(value > high, int(Flag.ABOVE_RANGE), 0)


_RANGE_OF_ROLE = {"battery_voltage": ("V", (0.0, 100.0)), "relative_humidity": ("%", (0.0, 105.0))}

_RANGE_OF_UNIT = {
    "m3 m-3": (0.0, 1.0),
    "degC": (-95.0, 95.0),
    "V": (-1000.0, 1000.0),
    "W m-2": (-500.0, 2000.0),
}
"""What no sensor of a station can honestly report, whatever the quantity."""


def _possible(
    stream: Stream, value: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[float, float]] | None:
    """Find the range of a series, with its values in the unit of the range."""
    term = GLOSSARY.get(stream.role)
    choices = [(term.units, term.valid_range)] if term else []
    choices += [_RANGE_OF_ROLE[stream.role]] if stream.role in _RANGE_OF_ROLE else []
    choices += list(_RANGE_OF_UNIT.items())
    for unit, limits in choices:
        if stream.unit == unit:
            return value, limits
        try:
            return convert(value, stream.unit, unit), limits
        except UnitError:
            continue
    return None


def _first_of_each_time(held: Observations) -> NDArray[np.int64]:
    """Choose one of several observations with one time, such as forecasts."""
    return np.unique(held.time, return_index=True)[1]


def _moisture(
    store: Store,
    stream: Stream,
    streams: Sequence[Stream],
    span: tuple[int, int],
    rules: Rules,
    reach: float,
) -> _Run | None:
    here = _rules_of(stream, rules)
    # a coarse sensor is given five times as long before it repeats itself
    back = max(_BACK, round(5.0 * here.stuck * 3.6e9))
    start, end = _begin(store, stream.id, span[0], max(_LEAD, 2 * back)), span[1] + _TAIL
    held = store.read([stream.id], start, end)
    held = held.take(np.isfinite(held.result))
    held = held.take(_first_of_each_time(held))
    time, value, clock = held.time, held.result, _clock(held)
    try:
        moisture = convert(value, stream.unit, "m3 m-3")
    except UnitError:
        return _Run(stream, time, value, range_bits(stream, value) | clock, span[0])
    if len(time) < 3:  # too few for anything but the range
        return _Run(stream, time, value, range_bits(stream, value) | clock, span[0])
    levels: dict[str, NDArray[np.float64]] = {}
    for name, other in companions_of(stream, streams, reach=reach).items():
        at, level = _believed(store, other.id, start, end)
        align = sum_between if name == "rain" else newest_between
        levels[name] = align(time, at, level)
    bits = flag_series(
        time,
        moisture,
        rules=here,
        soil_temperature=levels.get("soil_temperature"),
        air_temperature=levels.get("air_temperature"),
        rain=levels.get("rain"),
    )
    return _Run(stream, time, value, bits | clock, span[0] - back)


def _rules_of(stream: Stream, rules: Rules) -> Rules:
    """Fit the rules to a sensor: deep soil is slow, and repeats itself honestly.

    A repeat may last in proportion to depth: at Cook farm (daily, resolution 0.001) 0.1 % of good
    values at 0.3 m are in repeats of 20 days, and 0.9 % at 1.5 m in repeats of 90 days.
    """
    depth = stream.depth if stream.depth else rules.depth
    return replace(
        rules,
        depth=depth,
        saturation=stream.properties.get("saturation", rules.saturation),
        stuck=rules.stuck * max(1.0, depth / 0.05),
    )


def _begin(store: Store, id: int, first: int, lead: int) -> int:
    """Begin where nothing that lasts is under way."""
    sql = (
        "SELECT quality FROM observations WHERE datastream_id = ? AND time < ?"
        " ORDER BY time DESC LIMIT 1"
    )
    with store.transaction(read_only=True) as session:
        while True:
            found = session.rows(sql, (id, first - lead))
            bits = int(bits_of([row[0] for row in found], 1)[0]) if found else 0
            if bits < 0 or not bits & _LASTING:
                return first - lead
            lead *= 2


def _believed(
    store: Store, id: int, start: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read ends and values of a series, without what is doubted."""
    held = store.read([id], start, end)
    good = ~doubted(bits_of(held.quality, len(held)))
    ends = held.time if held.time_end is None else np.maximum(held.time, held.time_end)
    return ends[good], held.result[good]


def _groups(
    wanted: Sequence[Stream], streams: Sequence[Stream], near: float
) -> list[tuple[int, list[Stream]]]:
    """Series that are compared: depths of a station, and stations at one depth."""
    moist = [one for one in streams if one.role == "soil_moisture" and one.count]
    asked = {one.id for one in wanted}
    groups = []
    for thing in dict.fromkeys(one.thing_id for one in wanted):
        depths = [one for one in moist if one.thing_id == thing and one.depth is not None]
        if len({one.depth for one in depths}) >= 3:
            groups.append((int(Flag.AGAINST_DEPTHS), depths))
    left = [one for one in moist if one.depth is not None and np.isfinite(one.longitude)]
    while left:
        first, *others = left
        level = [one for one in others if abs(one.depth - first.depth) <= 0.1 * first.depth + 0.011]  # type: ignore[operator]
        by = sorted((distance(first, one), one.id, one) for one in level)
        block = [first, *(one for far, _, one in by[: _BLOCK - 1] if far <= near)]
        left = [one for one in left if one not in block]
        if len({one.thing_id for one in block}) >= 3 and asked & {one.id for one in block}:
            groups.append((int(Flag.AGAINST_NEIGHBOURS), block))
    return groups


def _compare(store: Store, bit: int, members: list[Stream], runs: dict[int, _Run]) -> None:
    """Add the bit to runs of the group where they depart from the others more than usual."""
    ours = [runs[one.id] for one in members if one.id in runs and len(runs[one.id].time) > 2]
    if not ours:
        return
    step = max(int(np.median(np.diff(run.time))) for run in ours)
    start = min(run.since for run in ours) - _HABIT
    end = max(int(run.time[-1]) for run in ours) + 1
    columns = {one.id: _plain(store, one, runs.get(one.id), start, end) for one in members}
    frame = pd.DataFrame(
        {id: part.groupby(part.index // step).mean() for id, part in columns.items()}
    )
    if frame.empty:
        return
    frame = frame.reindex(np.arange(frame.index.min(), frame.index.max() + 1))
    per_day = max(1, round(DAY / step))
    found = departures(frame.to_numpy(), window=max(60, 60 * per_day), step=max(5, per_day))
    against = doubtful(departures_from_baseline(found, per_day), lasting=max(3, per_day))
    for run in ours:
        place = [one.id for one in members].index(run.stream.id)
        row = run.time // step - int(frame.index[0])
        inside = (row >= 0) & (row < len(frame))
        hit = np.zeros(len(row), dtype=bool)
        hit[inside] = against[row[inside], place]
        run.bits[hit & (run.bits & int(STATES) == 0)] |= bit


def _plain(store: Store, one: Stream, run: _Run | None, start: int, end: int) -> pd.Series[float]:
    """Values that are neither doubted nor of frozen or thawing soil."""
    held = store.read([one.id], start, end)
    bits = bits_of(held.quality, len(held))
    if run is not None and len(run.time):
        at = np.minimum(np.searchsorted(run.time, held.time), len(run.time) - 1)
        bits = np.where(run.time[at] == held.time, run.bits[at], bits)
    try:
        value = convert(held.result, one.unit, "m3 m-3")
    except UnitError:
        value = np.full(len(held), np.nan)
    good = (bits < 0) | (bits & ~_OWN == 0)
    first = _first_of_each_time(held)
    return pd.Series(np.where(good, value, np.nan)[first], index=held.time[first])


def _write(store: Store, run: _Run, actor: str | None, kept: int = 0) -> Controlled:
    """Write flags that differ, of observations that are still what was controlled.

    Bits of `kept` stay as they are in the store.
    """
    here = run.time >= run.since
    time, bits = run.time[here], run.bits[here]
    changed = 0
    if len(time):
        with store.transaction(actor=actor) as session:
            changed = _flag(session, run, time, bits, kept)
    flags = {flag: int((bits & int(flag) != 0).sum()) for flag in Flag if flag}
    return Controlled(
        stream=run.stream,
        n=len(time),
        doubted=int(doubted(bits).sum()),
        unchecked=int((~checked(bits)).sum()),
        frozen=int((bits & int(STATES) != 0).sum()),
        changed=changed,
        codes={flag: n for flag, n in flags.items() if n and flag != Flag.UNCHECKED},
    )


def _flag(
    session: Session, run: _Run, time: NDArray[np.int64], bits: NDArray[np.int64], kept: int
) -> int:
    from headwater.network.store.read import read_observations

    id = run.stream.id
    session.heads([id])  # nobody else writes to it from here on
    held = read_observations(session, [id], int(time[0]), int(time[-1]) + 1)
    at = np.minimum(np.searchsorted(time, held.time), len(time) - 1)
    same = (time[at] == held.time) & np.isfinite(held.result)
    # another observation of the same time, such as an earlier forecast, is compared by range alone
    other = same & np.append(False, held.time[1:] == held.time[:-1])
    same[same] = np.isclose(held.result[same], run.raw[run.time >= run.since][at[same]], rtol=0)
    old = bits_of(held.quality, len(held))
    new = bits[at] | np.where(old > 0, old & kept, 0)
    new[other] = range_bits(run.stream, held.result[other]) | _clock(held)[other]
    differs = (same | other) & (old != new)
    if differs.any():
        texts = np.array([verdict(bit) for bit in new[differs].tolist()], dtype=object)
        session.write(replace(held.take(differs), quality=texts))
    return int(differs.sum())


def companions_of(stream: Stream, streams: Sequence[Stream], *, reach: float) -> dict[str, Stream]:
    """Choose the series that show what happens to the soil at a sensor.

    Soil temperature at the nearest depth and air temperature of the same station; rain of the same
    station, or of the nearest one within `reach`.

    Parameters
    ----------
    stream : Stream
    streams : sequence of Stream
    reach : float
        [km]

    Returns
    -------
    dict of Stream
        ``soil_temperature``, ``air_temperature``, ``rain``, as far as they are observed.
    """
    found: dict[str, Stream] = {}
    here = [other for other in streams if other.thing_id == stream.thing_id]
    soil = [other for other in here if other.role == "soil_temperature"]
    if soil:
        deep = stream.depth or 0.0
        found["soil_temperature"] = min(soil, key=lambda other: abs((other.depth or 0.0) - deep))
    air = [other for other in here if other.role == "temperature"]
    if air:
        found["air_temperature"] = air[0]
    rain = [other for other in here if other.role == "precipitation"]
    if not rain:
        gauges = [other for other in streams if other.role == "precipitation"]
        near = [(distance(stream, other), other.id, other) for other in gauges]
        rain = [other for far, _, other in sorted(near) if far <= reach][:1]
    if rain:
        found["rain"] = rain[0]
    return found


def newest_between(time: Times, other: Times, value: Floats) -> Floats:
    """Newest value since the observation before; NaN where there is none.

    Parameters
    ----------
    time : int64 array, shape (n,)
        Rising [µs].
    other : int64 array, shape (m,)
        Rising times of the other series [µs].
    value : float64 array, shape (m,)

    Returns
    -------
    float64 array, shape (n,)

    Examples
    --------
    >>> newest_between(np.array([0, 10, 20]), np.array([0, 4, 9]), np.array([1.0, 2.0, 3.0]))
    array([ 1.,  3., nan])
    """
    seen = np.isfinite(value)
    other, value = other[seen], value[seen]
    if not len(other):
        return np.full(len(time), np.nan)
    at = np.searchsorted(other, time, side="right") - 1
    newest = np.where(at >= 0, value[at], np.nan)
    since = np.where(at >= 0, other[at], 0) > _before(time)
    return np.where((at >= 0) & since, newest, np.nan)


def sum_between(time: Times, other: Times, value: Floats) -> Floats:
    """Sum since the observation before, as of a rain gauge; NaN where a quarter of it is unknown.

    Parameters
    ----------
    time : int64 array, shape (n,)
        Rising [µs].
    other : int64 array, shape (m,)
        Rising ends of the sums of the other series [µs].
    value : float64 array, shape (m,)

    Returns
    -------
    float64 array, shape (n,)

    Examples
    --------
    >>> at = np.arange(7) * 10
    >>> sum_between(np.array([0, 30, 60]), at, np.array([0.5, 1, 1, 1, 2, np.nan, np.nan]))
    array([nan,  3., nan])
    """
    seen = np.isfinite(value)
    other, value = other[seen], value[seen]
    if not len(other):
        return np.full(len(time), np.nan)
    total = np.append(0.0, np.cumsum(value))
    before = _before(time)
    low, high = (np.searchsorted(other, edge, side="right") for edge in (before, time))
    cadence = float(np.median(np.diff(other))) if len(other) > 1 else float(_HOUR)
    expected = (time - before) / cadence
    enough = (high > low) & (high - low >= 0.75 * expected - 0.5)
    return np.where(enough, total[high] - total[low], np.nan)


def _before(time: Times) -> Times:
    """Time of the observation before each; of the first, one usual step earlier."""
    step = int(np.median(np.diff(time))) if len(time) > 1 else _HOUR
    return np.append(time[0] - step, time[:-1]) if len(time) else time
