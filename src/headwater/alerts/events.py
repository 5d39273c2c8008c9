"""Alerts in the store: states, events, evidence, silences, and messages put in the outbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from headwater.alerts.lifecycle import INACTIVE, AlertState, Message, Reading, advance
from headwater.alerts.outbox import Draft, put_messages
from headwater.alerts.rules import AlertRule, Rules
from headwater.errors import InputError
from headwater.network.inventory import Stream, list_series
from headwater.network.quality.flags import bits_of, doubted
from headwater.network.store.protocol import Session, Store
from headwater.network.store.read import read_observations
from headwater.network.times import DAY, LEEWAY, iso

__all__ = [
    "Alert",
    "Silence",
    "acknowledge",
    "add_silence",
    "evaluate",
    "list_alerts",
    "read_evidence",
    "read_silences",
    "replay_rule",
    "replay_store",
    "silence_of",
]


@dataclass(frozen=True, slots=True)
class Alert:
    """One event of one rule and target.

    Attributes
    ----------
    key : str
        ``rule|target|event``.
    rule, target : str
    event : int
    state : {"firing", "acknowledged", "resolved"}
    severity, headline : str
    raised, resolved, acknowledged : int or None
        [µs]
    acknowledged_by : str or None
    """

    key: str
    rule: str
    target: str
    event: int
    state: str
    severity: str
    headline: str
    raised: int
    resolved: int | None
    acknowledged: int | None
    acknowledged_by: str | None


def evaluate(store: Store, rules: Rules, *, now: int | None = None) -> list[Alert]:
    """Take all observations in that have come since the last time, and put messages in the outbox.

    Parameters
    ----------
    store : Store
    rules : Rules
    now : int, optional
        The time for missing data [µs]; default: the store's clock.

    Returns
    -------
    list of Alert
        Events that began or ended.
    """
    with store.transaction(actor="alerts") as session:
        clock = session.clock() if now is None else now
        streams, states = list_series(session, virtual=True), _states(session)
        places = [
            _Place(rule, stream, _known_at(clock, states.get((rule.name, str(stream.id)))))
            for rule in rules.rule
            for stream in streams
            if rule.watches(stream)
        ]
        fresh = _fresh_readings(session, places)
        case = _Case(session, rules, read_silences(session))
        moved = list[tuple[_Place, AlertState]]()
        for place in places:
            state = place.before
            # what a clock that is wrong dates ahead waits until it is due
            due = (one for one in fresh(place) if one.time <= clock + LEEWAY)
            for reading in (*due, Reading(clock)):
                state, messages = advance(state, reading, place.rule.trigger)
                for message in messages:
                    _record(case, place, message, reading)
            if state != states.get((place.rule.name, str(place.stream.id)), INACTIVE):
                moved.append((place, state))
        _keep_states(session, moved)
        for rule in rules.rule:
            own = [one for one in case.drafts if one.rule == rule.name]
            put_messages(session, own, wait=rule.group)
        return case.changed


def _known_at(clock: int, state: AlertState | None) -> AlertState:
    """Bring back a state that a reading dated ahead has carried into the future."""
    if state is None:
        return INACTIVE
    if state.last_value is None or state.last_value <= clock + LEEWAY:
        return state
    return replace(state, last_value=clock)


@dataclass(frozen=True, slots=True)
class _Place:
    """A series that a rule watches, and where it stood."""

    rule: AlertRule
    stream: Stream
    before: AlertState

    @property
    def since(self) -> int | None:
        """First time that has not been taken in [µs]; None where nothing has."""
        return None if self.before.last_value is None else self.before.last_value + 1

    @property
    def is_fresh(self) -> bool:
        """Whether something has come since."""
        last = self.stream.last
        return last is not None and (self.since is None or last >= self.since)


@dataclass(frozen=True, slots=True)
class _Case:
    """What one evaluation works with, and what it has come to."""

    session: Session
    rules: Rules
    silences: Sequence[Silence]
    changed: list[Alert] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)


_Columns = tuple[list[int], list[float], list[bool]]


def _fresh_readings(
    session: Session, places: Sequence[_Place]
) -> Callable[[_Place], Iterator[Reading]]:
    """Read what has come since the last time, for all rules of a series at once."""
    least: dict[int, int | None] = {}
    for place in places:
        if place.is_fresh:
            held = least.setdefault(place.stream.id, place.since)
            known = held is not None and place.since is not None
            least[place.stream.id] = min(held or 0, place.since or 0) if known else None
    together: dict[int, list[int]] = {}
    for id, start in least.items():
        if start is not None:
            # a station that was silent for long must not make us read all others from then on
            together.setdefault(start // DAY, []).append(id)
    columns: dict[int, _Columns] = {}
    for ids in together.values():
        start = min(one for id in ids if (one := least[id]) is not None)
        columns |= _columns_of(session, ids, start)

    def of(place: _Place) -> Iterator[Reading]:
        if not place.is_fresh:
            return
        id, since = place.stream.id, place.since
        # a series that is seen for the first time is read by itself: it may be long
        own = columns if id in columns else _columns_of(session, [id], None)
        for time, value, doubtful in zip(*own.get(id, ([], [], [])), strict=True):
            if since is None or time >= since:
                # what quality control doubts must not raise an alert of the vegetation
                yield Reading(time, value, doubtful)

    return of


def _columns_of(session: Session, ids: list[int], start: int | None) -> dict[int, _Columns]:
    held = read_observations(session, ids, start, None)
    seen = np.isfinite(held.result)
    wrong = doubted(bits_of(held.quality, len(held)))
    found: dict[int, _Columns] = {}
    for id in ids:
        own = seen & (held.datastream == id)
        found[id] = (held.time[own].tolist(), held.result[own].tolist(), wrong[own].tolist())
    return found


def _states(session: Session) -> dict[tuple[str, str], AlertState]:
    rows = session.rows("SELECT rule, target, detail FROM alert_states")
    return {(rule, target): AlertState(**json.loads(text)) for rule, target, text in rows}


def _keep_states(session: Session, moved: Iterable[tuple[_Place, AlertState]]) -> None:
    session.executemany(
        "INSERT INTO alert_states (rule, target, detail) VALUES (?, ?, ?)"
        " ON CONFLICT (rule, target) DO UPDATE SET detail = excluded.detail",
        [
            (place.rule.name, str(place.stream.id), json.dumps(asdict(state)))
            for place, state in moved
        ],
    )


def _record(case: _Case, place: _Place, message: Message, reading: Reading) -> None:
    session, rule = case.session, place.rule
    key = f"{rule.name}|{place.stream.id}|{message.event}"
    headline = _headline(rule, place.stream, message)
    if message.kind in ("raised", "nodata"):
        event: dict[str, Any] = {"alert_key": key, "rule": rule.name}
        event["target"] = str(place.stream.id)
        event |= {"event": message.event, "kind": message.kind, "raised": message.time}
        session.insert("alert_events", {**event, "severity": rule.severity, "headline": headline})
    else:
        # resolving wins over acknowledging: it is set whatever the state was
        session.execute(
            "UPDATE alert_events SET resolved = ? WHERE alert_key = ? AND resolved IS NULL",
            (message.time, key),
        )
    _keep_evidence(case, place, key, message, reading)
    silenced = silence_of(case.silences, rule.name, place.stream.thing, message.time)
    found = _alert(session, key)
    words = {"kind": message.kind, "headline": headline, "severity": rule.severity}
    words |= {"time": iso(message.time), "raised": iso(found.raised)}
    for name in rule.channels:
        way = case.rules.channel(name).kind
        case.drafts.append(Draft(key, rule.name, name, way, words, silenced is not None))
    session.audit(f"alert {message.kind}", "alert", key, {"silenced_by": silenced})
    case.changed.append(found)


def _keep_evidence(
    case: _Case, place: _Place, key: str, message: Message, reading: Reading
) -> None:
    evidence = {
        "kind": message.kind,
        "value": reading.value,
        "unit": place.stream.unit,
        "time": iso(reading.time),
        "rule": place.rule.model_dump(mode="json"),
    }
    row = {"alert_key": key, "time": case.session.clock(), "detail": evidence}
    case.session.insert("alert_evidence", row)


def _headline(rule: AlertRule, stream: Stream, message: Message) -> str:
    subject = rule.headline or f"{rule.name}: {rule.quantity.replace('_', ' ')}"
    ends = {"raised": "", "resolved": " (resolved)", "nodata": " (no data)", "data_back": " (back)"}
    return f"{subject} at {stream.thing}{ends[message.kind]}"


_ALERT = (
    "SELECT alert_key, rule, target, event, severity, headline, raised, resolved, acknowledged,"
    " acknowledged_by FROM alert_events"
)


def _alert(session: Session, key: str) -> Alert:
    return _from_row(session.rows(f"{_ALERT} WHERE alert_key = ?", (key,))[0])


def _from_row(row: Sequence[Any]) -> Alert:
    key, rule, target, event, severity, headline, raised, resolved, seen, who = row
    state = "resolved" if resolved is not None else "acknowledged" if seen else "firing"
    return Alert(
        key, rule, target, int(event), state, severity, headline, raised, resolved, seen, who
    )


def list_alerts(store: Store, *, open_only: bool = True, most: int = 200) -> list[Alert]:
    """List alerts, the newest first.

    Parameters
    ----------
    store : Store
    open_only : bool
        Leave resolved ones out.
    most : int
        How many at the most.

    Returns
    -------
    list of Alert
    """
    where = " WHERE resolved IS NULL" if open_only else ""
    with store.transaction(read_only=True) as session:
        rows = session.rows(f"{_ALERT}{where} ORDER BY raised DESC, id DESC LIMIT ?", (most,))
    return [_from_row(row) for row in rows]


def acknowledge(store: Store, key: str, by: str, *, now: int | None = None) -> Alert:
    """Say that somebody sees to an alert.

    Parameters
    ----------
    store : Store
    key : str
    by : str
        Who.
    now : int, optional
        [µs]

    Returns
    -------
    Alert
        As it is now; one that has been resolved meanwhile stays resolved.

    Raises
    ------
    InputError
        If there is no such alert.
    """
    with store.transaction(actor=by) as session:
        time = session.clock() if now is None else now
        session.execute(
            "UPDATE alert_events SET acknowledged = ?, acknowledged_by = ?"
            " WHERE alert_key = ? AND resolved IS NULL AND acknowledged IS NULL",
            (time, by, key),
        )
        if not session.rows("SELECT 1 FROM alert_events WHERE alert_key = ?", (key,)):
            raise InputError(
                "no such alert", found=f"'{key}'", do="List them with: headwater alerts list --all"
            )
        session.audit("acknowledge", "alert", key)
        return _alert(session, key)


def add_silence(
    store: Store, *, reason: str, until: int, rule: str = "*", station: str = "*", by: str = ""
) -> int:
    """Silence alerts by matcher until a time; those of stations that join later ring.

    Parameters
    ----------
    store : Store
    reason : str
        Why; kept in the audit trail.
    until : int
        [µs]
    rule, station : str
        Names, with * and ?.
    by : str
        Who.

    Returns
    -------
    int
        Its identifier.

    Raises
    ------
    InputError
        If there is no reason, or it would end before it begins.
    """
    with store.transaction(actor=by or None) as session:
        if not reason.strip() or until <= session.clock():
            raise InputError(
                "a silence needs a reason and an end that lies ahead",
                found=f"reason '{reason}', until {iso(until)}",
                do="Give --reason and a later --until",
            )
        row = {"rule": rule, "station": station, "reason": reason, "expires": until, "author": by}
        id = session.insert("alert_silences", {**row, "created": session.clock()})
        session.audit("silence", "silence", id, row)
    return id


def read_evidence(store: Store, key: str) -> list[dict[str, Any]]:
    """Read all that is known of an alert, oldest first; it is never overwritten.

    Parameters
    ----------
    store : Store
    key : str

    Returns
    -------
    list of dict
    """
    with store.transaction(read_only=True) as session:
        rows = session.rows(
            "SELECT time, detail FROM alert_evidence WHERE alert_key = ? ORDER BY id", (key,)
        )
    return [{"recorded": iso(time), **json.loads(detail)} for time, detail in rows]


def replay_rule(rule: AlertRule, readings: Iterable[Reading]) -> list[Message]:
    """Say what a rule would have sent on a series: its dry run.

    Parameters
    ----------
    rule : AlertRule
    readings : iterable of Reading
        In time order.

    Returns
    -------
    list of Message

    Examples
    --------
    >>> rule = AlertRule(name="dry", quantity="soil_moisture", below=0.1, clear=0.12, hold=0)
    >>> found = replay_rule(rule, [Reading(day, value) for day, value in
    ...                            enumerate([0.2, 0.09, 0.09, 0.13])])
    >>> [message.kind for message in found]
    ['raised', 'resolved']
    """
    state, sent = INACTIVE, list[Message]()
    for reading in readings:
        state, messages = advance(state, reading, rule.trigger)
        sent += messages
    return sent


def replay_store(store: Store, rule: AlertRule) -> list[tuple[str, Message]]:
    """Say what a rule would have sent on all that a store holds.

    Parameters
    ----------
    store : Store
    rule : AlertRule

    Returns
    -------
    list of (station, Message)
        In time order.
    """
    found: list[tuple[str, Message]] = []
    with store.transaction(read_only=True) as session:
        for stream in list_series(session, virtual=True):
            if rule.watches(stream):
                place = _Place(rule, stream, INACTIVE)
                readings = _fresh_readings(session, [place])(place)
                found += [(stream.thing, one) for one in replay_rule(rule, readings)]
    return sorted(found, key=lambda pair: pair[1].time)


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence.

    Attributes
    ----------
    id : int
    rule, station : str
        Patterns with * and ?.
    expires : int
        [µs].
    """

    id: int
    rule: str
    station: str
    expires: int


def read_silences(session: Session) -> list[Silence]:
    """Read all silences, the oldest first; those that are over too, for data that come late.

    Parameters
    ----------
    session : Session

    Returns
    -------
    list of Silence
    """
    rows = session.rows("SELECT id, rule, station, expires FROM alert_silences ORDER BY id")
    return [Silence(*row) for row in rows]


def silence_of(silences: Iterable[Silence], rule: str, station: str, time: int) -> int | None:
    """Find a silence by its patterns; one that named the members would hide new ones.

    Parameters
    ----------
    silences : iterable of Silence
    rule, station : str
    time : int
        Of what would ring [µs].

    Returns
    -------
    int or None
        Of the first that fits; None where nothing silences.

    Examples
    --------
    >>> silences = [Silence(1, "frost", "*", 10), Silence(2, "*", "A?", 20)]
    >>> silence_of(silences, "low-water", "A1", 15), silence_of(silences, "frost", "B1", 15)
    (2, None)
    """
    for one in silences:
        if one.expires > time and fnmatchcase(rule, one.rule) and fnmatchcase(station, one.station):
            return one.id
    return None
