"""Alerts whose whole list is known each time, such as those of a map: compared with the store.

What stands and is not in the store is raised; what has climbed is updated; what no longer stands is
resolved: all in one transaction. Whoever dies before or after it and comes again with the same list
changes nothing, and the next list says all over again what holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headwater.alerts.events import Silence, read_silences, silence_of
from headwater.alerts.outbox import Draft, put_messages
from headwater.alerts.rules import Rules
from headwater.network.store.protocol import Session, Store
from headwater.network.times import iso

__all__ = ["Condition", "Posted", "post_standing"]

RUNGS = ("watch", "warning", "confirmed")
"""Rising; a message goes out when an alert climbs, none when it steps down."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that stands as an alert.

    Attributes
    ----------
    target : str
        What it is of; the same as long as it lasts. Silences match it as a station.
    rung : {"watch", "warning", "confirmed"}
    severity, headline : str
    headline_zh : str
        The same in Chinese; empty: in English there too.
    detail : dict
        Evidence; ``outline`` (degrees) becomes the polygon of CAP messages.
    """

    target: str
    rung: str
    severity: str
    headline: str
    headline_zh: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Posted:
    """A change that was put in the store and the outbox.

    Attributes
    ----------
    key : str
        Of the event.
    kind : {"watch", "warning", "confirmed", "resolved", "restored"}
    headline : str
    """

    key: str
    kind: str
    headline: str


@dataclass(frozen=True, slots=True)
class _Case:
    """What one transaction works with."""

    session: Session
    rule: str
    channels: Mapping[str, str]
    now: int
    silences: Sequence[Silence]
    drafts: list[Draft] = field(default_factory=list)


def post_standing(
    store: Store,
    rule: str,
    standing: Iterable[Condition],
    rules: Rules,
    *,
    channels: Iterable[str] = ("inbox",),
    ended: Mapping[str, str] | None = None,
    now: int | None = None,
) -> list[Posted]:
    """Make the store's open alerts of a rule those that stand.

    Parameters
    ----------
    store : Store
    rule : str
        Name under which they stand; silences match it.
    standing : iterable of Condition
        All of this rule that stand now.
    rules : Rules
        With the channels.
    channels : iterable of str
        Names of the channels that messages go to.
    ended : mapping, optional
        ``resolved`` or ``restored`` by target, or ``unknown``, where nothing can be said now: it
        stays as it is; default: resolved.
    now : int, optional
        [µs]; default: the store's clock.

    Returns
    -------
    list of Posted
        What has changed.

    Raises
    ------
    InputError, StudyError
        If a channel is unknown.
    """
    kinds = {name: rules.channel(name).kind for name in channels}
    by_target = {one.target: one for one in standing}
    found: list[Posted] = []
    with store.transaction(actor="watch") as session:
        if session.dialect == "postgresql":
            # one watch at a time: whoever comes second compares with what the first has written
            session.execute("LOCK TABLE alert_events IN EXCLUSIVE MODE")
        time = session.clock() if now is None else now
        case = _Case(session, rule, kinds, time, read_silences(session))
        held = _open(session, rule)
        for target, one in by_target.items():
            if target not in held:
                found.append(_raised(case, one))
            else:
                found += _moved(case, one, held[target])
        for target, (key, _, headline) in held.items():
            if target not in by_target:
                kind = (ended or {}).get(target, "resolved")
                if kind != "unknown":
                    found.append(_ended(case, key, target, kind, headline))
        put_messages(session, case.drafts)
    return found


def _open(session: Session, rule: str) -> dict[str, tuple[str, str, str]]:
    rows = session.rows(
        "SELECT target, alert_key, kind, headline FROM alert_events"
        " WHERE rule = ? AND resolved IS NULL ORDER BY id",
        (rule,),
    )
    return {target: (key, kind, headline) for target, key, kind, headline in rows}


def _raised(case: _Case, one: Condition) -> Posted:
    session = case.session
    number = 1 + int(
        session.rows(
            "SELECT coalesce(max(event), 0) FROM alert_events WHERE rule = ? AND target = ?",
            (case.rule, one.target),
        )[0][0]
    )
    key = f"{case.rule}|{one.target}|{number}"
    session.insert(
        "alert_events",
        {
            "alert_key": key,
            "rule": case.rule,
            "target": one.target,
            "event": number,
            "kind": one.rung,
            "severity": one.severity,
            "headline": one.headline,
            "raised": case.now,
        },
    )
    return _told(case, key, one, one.rung)


def _moved(case: _Case, one: Condition, held: tuple[str, str, str]) -> list[Posted]:
    key, before, _ = held
    if one.rung == before:
        return []
    case.session.execute(
        "UPDATE alert_events SET kind = ?, severity = ?, headline = ? WHERE alert_key = ?",
        (one.rung, one.severity, one.headline, key),
    )
    if before in RUNGS and RUNGS.index(one.rung) < RUNGS.index(before):
        _evidence(case, key, one.rung, one.detail)  # lowered by late data: kept, not sent
        return []
    return [_told(case, key, one, one.rung)]


def _ended(case: _Case, key: str, target: str, kind: str, headline: str) -> Posted:
    # resolving wins over acknowledging: it is set whatever the state was
    case.session.execute(
        "UPDATE alert_events SET resolved = ? WHERE alert_key = ? AND resolved IS NULL",
        (case.now, key),
    )
    held = case.session.rows(
        "SELECT detail FROM alert_evidence WHERE alert_key = ? ORDER BY id DESC LIMIT 1", (key,)
    )
    last = json.loads(held[0][0]) if held else {}
    zh = str(last.get("headline_zh", ""))
    outline = {"outline": last["outline"]} if "outline" in last else {}
    gone = Condition(target, kind, "Minor", f"{headline} ({kind})", zh, outline)
    return _told(case, key, gone, kind)


def _evidence(case: _Case, key: str, kind: str, detail: Mapping[str, Any]) -> None:
    row = {"kind": kind, "time": iso(case.now), **detail}
    case.session.insert(
        "alert_evidence", {"alert_key": key, "time": case.session.clock(), "detail": row}
    )


def _told(case: _Case, key: str, one: Condition, kind: str) -> Posted:
    session = case.session
    before = _sent_before(case, key)
    zh = {"headline_zh": one.headline_zh} if one.headline_zh else {}
    _evidence(case, key, kind, {**one.detail, "headline": one.headline, **zh})
    raised = session.rows("SELECT raised FROM alert_events WHERE alert_key = ?", (key,))[0][0]
    words: dict[str, Any] = {
        "kind": kind,
        "headline": one.headline,
        **zh,
        "severity": one.severity,
        "time": iso(case.now),
        "raised": iso(int(raised)),
        "before": before,
    }
    if "outline" in one.detail:
        words["outline"] = one.detail["outline"]
    silence = silence_of(case.silences, case.rule, one.target, case.now)
    case.drafts.extend(
        Draft(key, case.rule, name, way, words, silence is not None)
        for name, way in case.channels.items()
    )
    session.audit(f"alert {kind}", "alert", key, {"silenced_by": silence})
    return Posted(key, kind, one.headline)


def _sent_before(case: _Case, key: str) -> list[list[str]]:
    """Kind and time of what was said of this event, oldest first, for references of CAP."""
    rows = case.session.rows(
        "SELECT detail FROM alert_outbox WHERE alert_key = ? ORDER BY id", (key,)
    )
    said = [json.loads(row[0]) for row in rows]
    return [list(pair) for pair in dict.fromkeys((one["kind"], one["time"]) for one in said)]
