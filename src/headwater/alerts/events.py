"""Alerts in the store: states, events, evidence, silences, and the messages they put in the outbox.

All of one evaluation happens in one transaction: a message is in the outbox exactly when the event
that it reports is in the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headwater.alerts.lifecycle import INACTIVE, AlertState, Message, Reading, advance
from headwater.alerts.rules import AlertRule, Rules
from headwater.errors import InputError
from headwater.network.inventory import Stream, list_series
from headwater.network.quality.flags_json import bits_of, doubted
from headwater.network.store.protocol import Session, Store
from headwater.network.store.read import read_observations
from headwater.network.times import iso

__all__ = [
    "Alert",
    "acknowledge",
    "add_silence",
    "evaluate",
    "list_alerts",
    "read_evidence",
    "replay_rule",
    "replay_store",
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
        streams = list_series(session)
        states = _states(session)
        changed: list[Alert] = []
        for rule in rules.rule:
            for stream in streams:
                if not rule.watches(stream.thing, stream.role, stream.depth):
                    continue
                before = states.get((rule.name, str(stream.id)), INACTIVE)
                changed += _advance(session, rules, rule, _Place(stream, before, clock))
        return changed


@dataclass(frozen=True, slots=True)
class _Place:
    """A series that a rule watches, where it stood, and what time it is."""

    stream: Stream
    before: AlertState
    now: int


def _advance(session: Session, rules: Rules, rule: AlertRule, place: _Place) -> Iterator[Alert]:
    stream, state = place.stream, place.before
    fresh = stream.last is not None and (state.last_value is None or stream.last > state.last_value)
    readings = list(_readings(session, stream, state)) if fresh else []
    for reading in (*readings, Reading(place.now)):
        state, messages = advance(state, reading, rule.trigger)
        for message in messages:
            yield _record(session, rules, rule, stream, message, reading)
    if state != place.before:
        _keep_state(session, rule, stream, state)


def _readings(session: Session, stream: Stream, state: AlertState) -> Iterator[Reading]:
    start = None if state.last_value is None else state.last_value + 1
    held = read_observations(session, [stream.id], start, None)
    wrong = doubted(bits_of(held.quality, len(held)))
    for at in np.flatnonzero(np.isfinite(held.result)):
        # what quality control doubts must not raise an alert of the vegetation
        yield Reading(int(held.time[at]), float(held.result[at]), bool(wrong[at]))


def _states(session: Session) -> dict[tuple[str, str], AlertState]:
    rows = session.rows("SELECT rule, target, detail FROM alert_states")
    return {(rule, target): AlertState(**json.loads(text)) for rule, target, text in rows}


def _keep_state(session: Session, rule: AlertRule, stream: Stream, state: AlertState) -> None:
    session.execute(
        "DELETE FROM alert_states WHERE rule = ? AND target = ?", (rule.name, str(stream.id))
    )
    session.insert(
        "alert_states", {"rule": rule.name, "target": str(stream.id), "detail": asdict(state)}
    )


def _record(
    session: Session,
    rules: Rules,
    rule: AlertRule,
    stream: Stream,
    message: Message,
    reading: Reading,
) -> Alert:
    key = f"{rule.name}|{stream.id}|{message.event}"
    headline = _headline(rule, stream, message)
    if message.kind in ("raised", "nodata"):
        session.insert(
            "alert_events",
            {
                "alert_key": key,
                "rule": rule.name,
                "target": str(stream.id),
                "event": message.event,
                "kind": message.kind,
                "severity": rule.severity,
                "headline": headline,
                "raised": message.time,
            },
        )
    else:
        # resolving wins over acknowledging: it is set whatever the state was
        session.execute(
            "UPDATE alert_events SET resolved = ? WHERE alert_key = ? AND resolved IS NULL",
            (message.time, key),
        )
    evidence = {
        "kind": message.kind,
        "value": reading.value,
        "unit": stream.unit,
        "time": iso(reading.time),
        "rule": rule.model_dump(mode="json"),
    }
    session.insert(
        "alert_evidence", {"alert_key": key, "time": session.clock(), "detail": evidence}
    )
    silenced = _silenced(session, rule, stream, message.time)
    found = _alert(session, key)
    words = _words(message, found, headline)
    for name in rule.channels:
        kept = "sent" if rules.channel(name).kind == "inbox" else "waiting"
        _enqueue(session, name, key, words, status="silenced" if silenced else kept)
    session.audit(f"alert {message.kind}", "alert", key, {"silenced_by": silenced})
    return found


def _words(message: Message, found: Alert, headline: str) -> dict[str, str]:
    times = {"time": iso(message.time), "raised": iso(found.raised)}
    return {"kind": message.kind, "headline": headline, **times}


def _headline(rule: AlertRule, stream: Stream, message: Message) -> str:
    subject = rule.headline or f"{rule.name}: {rule.quantity.replace('_', ' ')}"
    ends = {"raised": "", "resolved": " (resolved)", "nodata": " (no data)", "data_back": " (back)"}
    return f"{subject} at {stream.thing}{ends[message.kind]}"


def _enqueue(
    session: Session, channel: str, key: str, detail: dict[str, str], *, status: str
) -> None:
    row = {
        "message_key": f"{key}|{detail['kind']}|{channel}",
        "channel": channel,
        "alert_key": key,
        "created": session.clock(),
        "due": session.clock(),
        "attempts": 0,
        "status": status,
        "detail": detail,
    }
    session.insert("alert_outbox", row)


def _silenced(session: Session, rule: AlertRule, stream: Stream, time: int) -> int | None:
    """Find a silence by matcher; one that named the members would hide new ones."""
    from fnmatch import fnmatchcase

    rows = session.rows(
        "SELECT id, rule, station FROM alert_silences WHERE expires > ? ORDER BY id", (time,)
    )
    for id, of_rule, station in rows:
        if fnmatchcase(rule.name, of_rule) and fnmatchcase(stream.thing, station):
            return int(id)
    return None


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
        for stream in list_series(session):
            if rule.watches(stream.thing, stream.role, stream.depth):
                readings = _readings(session, stream, INACTIVE)
                found += [(stream.thing, one) for one in replay_rule(rule, readings)]
    return sorted(found, key=lambda pair: pair[1].time)
