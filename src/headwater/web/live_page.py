"""What the live page shows: the stations with their latest values, read in three queries."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headwater.network.quality.flags import NOT_CHECKED, STATES, Flag
from headwater.network.store.protocol import now
from headwater.network.times import DAY, LEEWAY, iso

if TYPE_CHECKING:
    from headwater.network.store.protocol import Session, Store

__all__ = ["Board", "SeriesView", "StationView", "ago", "is_ahead", "judge", "look", "sparkline"]

_PAGE = 50
_DAYS = 5
_POINTS = 120
_WIDTH, _HEIGHT = 168, 34
_MINUTE = 60_000_000
_LATE_DAYS = 2
_QUIET = 12
"""A series is silent after as many of its usual steps, and not before six hours."""


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One series as it is shown.

    Attributes
    ----------
    id : int
        Its ``@iot.id``.
    name, value, unit : str
        What is observed, and the latest value; an en dash where there is none.
    when, received : str
        Time of the latest value (UTC), and how long ago it came.
    kind : {"good", "state", "doubt", "unchecked", "silent", "none"}
    quality, brief : str
        In words, and in fewer.
    checked : str
        Until when, where quality control has not seen the latest value yet.
    silent : bool
        Nothing has come for long.
    path : str
        Path of the curve, in an area of 168 × 34; empty where there is none.
    end : tuple of float or None
        Place of the latest point.
    low, high : str
        Range of the curve.
    """

    id: int
    name: str
    value: str
    unit: str
    when: str
    received: str
    kind: str
    quality: str
    brief: str
    checked: str
    silent: bool
    path: str
    end: tuple[float, float] | None
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class StationView:
    """One station with its series."""

    id: int
    name: str
    description: str
    place: str
    series: tuple[SeriesView, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A page of stations.

    Attributes
    ----------
    stations : tuple of StationView
    n_stations, n_series, n_observations : int
        In the whole network.
    written : str
        When this was read (UTC).
    after : int or None
        Where the next page begins.
    days : int
        That the curves reach back.
    """

    stations: tuple[StationView, ...]
    n_stations: int
    n_series: int
    n_observations: int
    written: str
    after: int | None
    days: int = _DAYS


def look(store: Store, *, after: int = 0, clock: Callable[[], int] = now) -> Board:
    """Read what the page shows.

    Parameters
    ----------
    store : Store
    after : int
        Show stations with a larger ``@iot.id``.
    clock : callable
        Returns the time [µs].

    Returns
    -------
    Board
    """
    with store.transaction(read_only=True) as session:
        sql = "SELECT id, name, description FROM things WHERE id > ? ORDER BY id LIMIT ?"
        things = session.rows(sql, (after, _PAGE + 1))
        shown = [int(row[0]) for row in things[:_PAGE]]
        series, at = _series(session, shown, clock()), _places(session, shown)
        n_things = session.rows("SELECT count(*) FROM things")[0][0]
        totals = session.rows(
            "SELECT count(*), coalesce(sum(observation_count), 0) FROM datastreams"
        )[0]
    stations = tuple(
        StationView(int(id), name, text, at.get(int(id), ""), tuple(series.get(int(id), ())))
        for id, name, text in things[:_PAGE]
    )
    following = shown[-1] if len(things) > _PAGE else None
    written = _clock_text(clock())
    return Board(stations, int(n_things), int(totals[0]), int(totals[1]), written, following)


def _marks(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids)) or "NULL"


def _series(session: Session, things: list[int], at: int) -> dict[int, list[SeriesView]]:
    rows = session.rows(
        "SELECT d.id, d.thing_id, d.name, d.unit_of_measurement, d.observation_count, d.first_time,"
        " l.time, l.result_number, l.result_json, l.quality,"
        " (SELECT max(o.received) FROM observations o WHERE o.datastream_id = d.id"
        " AND o.time = l.time), p.name, d.properties, d.last_result_time"
        " FROM datastreams d LEFT JOIN latest l ON l.datastream_id = d.id"
        " LEFT JOIN observed_properties p ON p.id = d.observed_property_id"
        f" WHERE d.thing_id IN ({_marks(things)})",
        things,
    )
    curves = _curves(session, [int(row[0]) for row in rows if row[6] is not None])
    checked = _checked(session, [int(row[0]) for row in rows if row[6] is not None and not row[9]])
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        depth = _depth(row[12])
        name = str(row[11] or row[2]).replace("_", " ")
        label = name if depth is None else f"{name}, {depth * 100:g}\u00a0cm"
        order = (name, depth if depth is not None else -1.0, row[0])
        found.setdefault(int(row[1]), []).append((*order, _view(row, label, curves, checked, at)))
    return {thing: [view for *_, view in sorted(views)] for thing, views in found.items()}


def _depth(properties: str | None) -> float | None:
    held = json.loads(properties) if properties else None
    depth = held.get("depth") if isinstance(held, dict) else None
    number = isinstance(depth, int | float) and not isinstance(depth, bool)
    return float(depth) if number and depth is not None else None


def _view(
    row: tuple[Any, ...],
    label: str,
    curves: dict[int, list[tuple[int, float]]],
    checked: dict[int, tuple[str, str]],
    at: int,
) -> SeriesView:
    id, _, _, unit, count, first, time, number, other, quality, received, _, _, made = row
    seen, until = checked.get(int(id), (quality, ""))
    kind, words = judge(seen)
    points = curves.get(int(id), [])
    path, end = sparkline(points)
    values = [value for _, value in points]
    silent = _silent(at, time, received, int(count), first)
    if silent and time is not None:
        kind, words = "silent", f"silent for {_span(at - time)}; the last value was {words}"
    if time is not None and is_ahead(time, made, at):
        kind, words = (
            "doubt",
            f"time in the future: by {_span(time - at)}, check the logger's clock",
        )
    return SeriesView(
        id=int(id),
        name=label,
        value=_value_text(number, other),
        unit=_unit_text(unit),
        when=_clock_text(time) if time is not None else "",
        received=ago(at - received) if received is not None else "",
        kind=kind if time is not None else "none",
        quality=words if time is not None else "no value yet",
        brief=_brief(words) if time is not None else "no value yet",
        checked=until,
        silent=silent,
        path=path,
        end=end,
        low=_number_text(min(values), 3) if values else "",
        high=_number_text(max(values), 3) if values else "",
    )


def _silent(at: int, time: int | None, received: int | None, count: int, first: int | None) -> bool:
    if time is None or first is None:
        return False
    usual = (time - first) / (count - 1) if count > 1 else DAY
    grace = max(_QUIET * usual, DAY / 4)
    # what a logger sends once a day is heard of when it comes; what is days old when it comes,
    # such as an old file, says nothing of how the station is now
    heard = received if received is not None and received - time < _LATE_DAYS * DAY else time
    return at - max(time, heard) > grace


def is_ahead(time: int, made: int | None, at: int) -> bool:
    """Say whether an observation is of the future, which only a forecast may be.

    Parameters
    ----------
    time, made, at : int
        Of the observation, of its result (forecasts are made before what they are of), and of the
        present [µs].

    Examples
    --------
    >>> is_ahead(2 * DAY, None, DAY), is_ahead(2 * DAY, DAY, DAY)
    (True, False)
    """
    return time > at + LEEWAY and (made is None or made >= time)


def _span(time: int) -> str:
    """Say how long something lasts, in the largest unit of which there are two.

    Examples
    --------
    >>> _span(520 * DAY), _span(3 * DAY), _span(DAY // 3)
    ('17 months', '3 days', '8 hours')
    """
    for unit, length in (("years", 365.25), ("months", 30.44), ("days", 1.0)):
        if time >= 2 * length * DAY:
            return f"{time / (length * DAY):.0f} {unit}"
    hours = round(time / (DAY / 24))
    return "an hour" if hours == 1 else f"{hours} hours"


def _checked(session: Session, ids: list[int]) -> dict[int, tuple[str, str]]:
    """Find what quality control last said of series whose latest value it has not seen yet."""
    sql = (
        "SELECT o.datastream_id, o.time, o.quality FROM observations o JOIN"
        " (SELECT p.datastream_id AS id, max(p.time) AS time FROM latest l JOIN observations p"
        " ON p.datastream_id = l.datastream_id AND p.time > l.time - ? AND p.time <= l.time"
        f" WHERE l.datastream_id IN ({_marks(ids)}) AND p.quality IS NOT NULL"
        " GROUP BY p.datastream_id) k ON k.id = o.datastream_id AND k.time = o.time"
    )
    rows = session.rows(sql, (_DAYS * DAY, *ids))
    return {int(id): (quality, _clock_text(time)[5:]) for id, time, quality in rows}


def _curves(session: Session, ids: list[int]) -> dict[int, list[tuple[int, float]]]:
    """Means of short spans over the last days of each series."""
    width = _DAYS * DAY // _POINTS
    # floor division is the same in both dialects only above zero, so spans count from the end
    sql = (
        "SELECT o.datastream_id, (l.time - o.time) / ? AS span, avg(o.result_number)"
        " FROM latest l JOIN observations o ON o.datastream_id = l.datastream_id"
        " AND o.time > l.time - ? AND o.time <= l.time"
        f" WHERE l.datastream_id IN ({_marks(ids)}) AND o.result_number IS NOT NULL"
        " GROUP BY o.datastream_id, span ORDER BY o.datastream_id, span DESC"
    )
    found: dict[int, list[tuple[int, float]]] = {}
    for id, span, mean in session.rows(sql, (width, _DAYS * DAY, *ids)):
        found.setdefault(int(id), []).append((-int(span), float(mean)))
    return found


def _places(session: Session, things: list[int]) -> dict[int, str]:
    sql = (
        "SELECT tl.thing_id, l.location FROM things_locations tl"
        f" JOIN locations l ON l.id = tl.location_id WHERE tl.thing_id IN ({_marks(things)})"
    )
    return {int(id): _place_text(json.loads(text)) for id, text in session.rows(sql, things)}


def _place_text(location: object) -> str:
    shape = location.get("geometry", location) if isinstance(location, dict) else None
    at = shape.get("coordinates") if isinstance(shape, dict) else None
    numbers = isinstance(at, list) and all(isinstance(x, int | float) for x in at)
    if not numbers or at is None or len(at) < 2:
        return ""
    north = f"{abs(at[1]):.4f}° {'N' if at[1] >= 0 else 'S'}"
    east = f"{abs(at[0]):.4f}° {'E' if at[0] >= 0 else 'W'}"
    return f"{north}, {east}" + (f", {at[2]:.0f} m" if len(at) > 2 else "")


def sparkline(points: Sequence[tuple[int, float]]) -> tuple[str, tuple[float, float] | None]:
    """Draw a curve into an area of 168 × 34; it breaks where more than four spans are missing.

    Parameters
    ----------
    points : sequence of (int, float)
        Span, 0 for the latest and negative before it, and mean; in their order.

    Returns
    -------
    path : str
        Of SVG.
    end : tuple of float or None
        Of the last point.

    Examples
    --------
    >>> sparkline([(-1, 0.2), (0, 0.3)])
    ('M161.6 30.0L163.0 4.0', (163.0, 4.0))
    """
    finite = [(span, value) for span, value in points if math.isfinite(value)]
    if not finite:
        return "", None
    low = min(value for _, value in finite)
    extent = max(value for _, value in finite) - low
    parts, last, x, y = [], None, 0.0, 0.0
    for span, value in finite:
        x = _WIDTH - 5 + span * (_WIDTH - 5) / (_POINTS - 1)
        y = _HEIGHT / 2 if extent == 0 else _HEIGHT - 4 - (value - low) / extent * (_HEIGHT - 8)
        move = "L" if last is not None and span - last <= 4 else "M"
        parts.append(f"{move}{max(x, 0.0):.1f} {y:.1f}")
        last = span
    return "".join(parts), (round(x, 1), round(y, 1))


def judge(quality: str | None) -> tuple[str, str]:
    """Say in words what quality control found.

    Parameters
    ----------
    quality : str or None
        As kept: JSON with ``bits`` and ``reasons``, or whatever the client sent.

    Returns
    -------
    kind : {"good", "state", "doubt", "unchecked"}
    words : str

    Examples
    --------
    >>> judge('{"flag":"D06","bits":64,"reasons":["spike: leaves and comes back"]}')
    ('doubt', 'spike: leaves and comes back')
    >>> judge(None), judge('"fair"')
    (('unchecked', 'not checked'), ('unchecked', 'fair'))
    """
    if quality is None:
        return "unchecked", NOT_CHECKED
    held = json.loads(quality)
    if not isinstance(held, dict):
        return "unchecked", str(held)
    bits, reported = held.get("bits"), held.get("reasons")
    words = (
        "; ".join(map(str, reported)) if isinstance(reported, list) else str(held.get("flag", ""))
    )
    if not isinstance(bits, int):
        return "unchecked", words or "not checked"
    if bits < 0 or bits & int(Flag.UNCHECKED):
        return "unchecked", NOT_CHECKED
    if bits == 0:
        return "good", "good"
    return ("doubt" if bits & ~int(STATES) else "state"), words


def _brief(words: str) -> str:
    """Leave out of each reason what comes after its colon."""
    return "; ".join(part.partition(": ")[0] for part in words.split("; "))


def ago(span: int) -> str:
    """Say how long ago [µs] something was.

    Examples
    --------
    >>> ago(3_000_000), ago(7_300_000_000), ago(200_000_000_000)
    ('just now', '2 h ago', '2 d ago')
    """
    if span < _MINUTE / 2:
        return "just now"
    for unit, size, most in (("min", _MINUTE, 90), ("h", 60 * _MINUTE, 48)):
        if span < most * size:
            return f"{max(1, span // size)} {unit} ago"
    return f"{span // DAY} d ago"


def _clock_text(at: int) -> str:
    return iso(at)[:16].replace("T", " ")


def _number_text(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}".replace("-", "−")


def _value_text(number: float | None, other: str | None) -> str:
    if number is not None:
        return _number_text(number)
    if other is None:
        return "–"
    held = json.loads(other)
    if isinstance(held, list) and all(isinstance(x, int | float) for x in held):
        return " · ".join(_number_text(x) for x in held)[:60]
    return str(held)[:60]


_SYMBOLS = {"m3 m-3": "m³ m⁻³", "degC": "°C", "m s-1": "m s⁻¹", "W m-2": "W m⁻²"}


def _unit_text(unit: str | None) -> str:
    held = json.loads(unit) if unit else None
    if isinstance(held, list):
        return " · ".join(str(part.get("symbol") or "") for part in held if isinstance(part, dict))
    symbol = str(held.get("symbol") or "") if isinstance(held, dict) else ""
    return _SYMBOLS.get(symbol, symbol)
