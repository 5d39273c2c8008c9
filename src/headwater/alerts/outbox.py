"""The outbox: every message and notice leaves at least once, by one sender at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headwater.alerts.rules import Rules
from headwater.network.store.protocol import Session, Store
from headwater.network.times import iso

__all__ = [
    "Delivery",
    "Draft",
    "Notice",
    "OutboxMessage",
    "PROMISES",
    "dead_messages",
    "deliver",
    "failing_channels",
    "post_notices",
    "put_messages",
    "release_lease",
    "this_sender",
]

PROMISES: Mapping[str, str] = {
    "inbox": "exactly once: the message is a row of the store",
    "feed": "exactly once: the feed is read from the store",
    "cap": "exactly once: the file bears the message's name",
    "webhook": "never lost; doubled only if we die between the answer and our mark, with the same "
    "Idempotency-Key",
    "smtp": "never lost; doubled only if we die between the server's OK and our mark, with the "
    "same Message-ID",
    "mqtt": "never lost (QoS 1); doubled only if we die between the broker's answer and our mark",
    "dingtalk": "never lost; may be doubled if we die between the answer and our mark",
    "wecom": "never lost; may be doubled if we die between the answer and our mark",
    "feishu": "never lost; may be doubled if we die between the answer and our mark",
}
"""What is promised of each kind of channel."""
SECOND = 1_000_000
_LEASE = 60 * SECOND
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 3600.0
_FARTHEST = int(2 * _LONGEST_WAIT) * SECOND
"""No message is put off as far as this: one that is was put off by a clock that was ahead."""
_MOST_ATTEMPTS = 30
_SEVERITIES = ("Minor", "Moderate", "Severe", "Extreme")
_EVENT = (
    "INSERT INTO alert_events (alert_key, rule, target, event, kind, severity, headline, raised)"
    " VALUES (?, ?, ?, 1, 'reminder', 'Minor', ?, ?) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message to one channel.

    Attributes
    ----------
    id : int
    key : str
        Unique for ever: Message-ID, Idempotency-Key and file name are made from it.
    channel, alert_key : str
    attempts : int
    detail : dict
        ``kind``, ``headline``, ``time``; ``members`` where it speaks for several alerts.
    """

    id: int
    key: str
    channel: str
    alert_key: str
    attempts: int
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one round of sending did.

    Attributes
    ----------
    sent, failed, dead : int
    held : bool
        Whether another sender holds the lease.
    """

    sent: int = 0
    failed: int = 0
    dead: int = 0
    held: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What one alert has to say to one channel.

    Attributes
    ----------
    alert_key, rule : str
    channel : str
        Its name.
    way : str
        Kind of the channel.
    words : dict
        ``kind``, ``headline``, ``time``; what else is known of it.
    silenced : bool
    """

    alert_key: str
    rule: str
    channel: str
    way: str
    words: Mapping[str, Any]
    silenced: bool = False

    @property
    def key(self) -> str:
        """Of its message, unique for ever."""
        return f"{self.alert_key}|{self.words['kind']}|{self.channel}"


def put_messages(session: Session, drafts: Iterable[Draft], *, wait: float = 0.0) -> list[str]:
    """Put messages in the outbox, one for all alerts of a rule that say the same at once.

    Each alert has a row with a key of its own, so that nothing is put in twice; the row of the
    first speaks for all (``members``), the others are marked as grouped. The inbox keeps each by
    itself, and so do CAP files, whose cancellations refer to their alerts.

    Parameters
    ----------
    session : Session
        The transaction in which the alerts' events are written.
    drafts : iterable of Draft
    wait : float
        Time for which a message waits for others to join it [s].

    Returns
    -------
    list of str
        Keys of the alerts whose message was new.
    """
    now, new = session.clock(), list[str]()
    groups: dict[tuple[str, str, str], list[Draft]] = {}
    for one in drafts:
        status = "silenced" if one.silenced else "sent" if one.way == "inbox" else "waiting"
        alone = status != "waiting" or one.way == "cap"
        due = now if alone else now + int(wait * SECOND)
        if not _insert(session, one, status, due):
            continue
        new.append(one.alert_key)
        if not alone:
            groups.setdefault((one.rule, one.channel, str(one.words["kind"])), []).append(one)
    for members in groups.values():
        _gather(session, members, now if wait else None)
    return new


def _insert(session: Session, one: Draft, status: str, due: int) -> int:
    words = {**one.words, "rule": one.rule}
    return session.execute(
        "INSERT INTO alert_outbox (message_key, channel, alert_key, created, due, attempts,"
        " status, detail) VALUES (?, ?, ?, ?, ?, 0, ?, ?) ON CONFLICT DO NOTHING",
        (
            one.key,
            one.channel,
            one.alert_key,
            session.clock(),
            due,
            status,
            json.dumps(words, ensure_ascii=False),
        ),
    )


def _gather(session: Session, members: list[Draft], waiting_at: int | None) -> None:
    """Let one message speak for all: one that waits for others, or the first of these."""
    first = members[0]
    key, words = first.key, {**first.words, "rule": first.rule}
    held = None if waiting_at is None else _open_message(session, first, waiting_at)
    joining = members[1:]
    if held is not None:
        (key, words), joining = held, members
    if not joining:
        return
    said = words.get("members") or [_member(words["headline"], first.alert_key, words)]
    said += [_member(one.words["headline"], one.alert_key, one.words) for one in joining]
    severities = [words.get("severity"), *(one.words.get("severity") for one in joining)]
    known = [one for one in severities if one in _SEVERITIES]
    if known:
        words["severity"] = max(known, key=_SEVERITIES.index)
    words["members"] = said
    text = json.dumps(words, ensure_ascii=False)
    session.execute("UPDATE alert_outbox SET detail = ? WHERE message_key = ?", (text, key))
    session.executemany(
        "UPDATE alert_outbox SET status = 'grouped' WHERE message_key = ?",
        [(one.key,) for one in joining],
    )


def _member(headline: str, alert: str, words: Mapping[str, Any]) -> dict[str, str]:
    zh = {"headline_zh": words["headline_zh"]} if words.get("headline_zh") else {}
    return {"alert": alert, "headline": headline, **zh}


def _open_message(session: Session, one: Draft, now: int) -> tuple[str, dict[str, Any]] | None:
    """Find a message that still waits for others of this rule, channel and kind."""
    rows = session.rows(
        "SELECT message_key, detail FROM alert_outbox WHERE channel = ? AND status = 'waiting'"
        " AND attempts = 0 AND due > ? AND created < ? ORDER BY id",
        (one.channel, now, now),
    )
    for key, text in rows:
        words = json.loads(text)
        same = words.get("rule") == one.rule and words.get("kind") == one.words["kind"]
        if same and key != one.key:
            return key, words
    return None


def deliver(
    store: Store,
    send: Callable[[OutboxMessage], None],
    *,
    owner: str,
    rng: np.random.Generator,
    most: int = 200,
) -> Delivery:
    """Send what is due, if no other sender does.

    A channel that does not answer in time is left for the rest of the round, so that it holds up no
    other. Clocks that jump ahead and back again hold nothing up: what was put off farther than any
    wait is due.

    Parameters
    ----------
    store : Store
    send : callable
        Sends one message and raises where it could not; see
        :func:`headwater.alerts.channels.sender`.
    owner : str
        Unique name of this process.
    rng : numpy.random.Generator
        For the jitter of waiting times, so that many do not come back at once.
    most : int
        Messages in one round.

    Returns
    -------
    Delivery
    """
    if not _lease(store, owner):
        return Delivery(held=True)
    sent = failed = dead = 0
    mute = set[str]()
    for message in _due(store, most):
        if not _lease(store, owner):
            return Delivery(sent, failed, dead, held=True)
        if message.channel in mute:
            continue
        try:
            send(message)
        except Exception as error:  # a channel may fail in any way; the message must not be lost
            gone = _postpone(store, message, f"{type(error).__name__}: {error}", rng)
            failed, dead = failed + 1, dead + gone
            if isinstance(error, TimeoutError) or "timed out" in str(error):
                # the next message would wait as long, and other channels with it
                mute.add(message.channel)
                _put_off(store, message.channel)
        else:
            _mark_sent(store, message)
            sent += 1
    return Delivery(sent, failed, dead)


def dead_messages(store: Store) -> list[OutboxMessage]:
    """List messages that were given up; the inbox shows them.

    Parameters
    ----------
    store : Store

    Returns
    -------
    list of OutboxMessage
    """
    with store.transaction(read_only=True) as session:
        return [_message(row) for row in session.rows(f"{_SELECT} WHERE status = 'dead'")]


def failing_channels(store: Store) -> list[tuple[str, int, str, int]]:
    """List the channels whose messages wait because they could not be handed over.

    Parameters
    ----------
    store : Store

    Returns
    -------
    list of (channel, n, reason, due)
        Messages that wait, why the last one failed, and when the next is tried [µs].
    """
    with store.transaction(read_only=True) as session:
        rows = session.rows(
            "SELECT channel, last_error, due FROM alert_outbox WHERE status = 'waiting'"
            " AND attempts > 0 ORDER BY id"
        )
    found: dict[str, tuple[str, int, str, int]] = {}
    for channel, reason, due in rows:
        n, next_due = 0, due
        if channel in found:
            _, n, _, next_due = found[channel]
        found[channel] = (channel, n + 1, reason or "", min(due, next_due))
    return list(found.values())


def this_sender() -> str:
    """Name this process as the owner of a lease.

    Returns
    -------
    str
    """
    return f"{socket.gethostname()}:{os.getpid()}"


def release_lease(store: Store, owner: str) -> None:
    """Let the next sender begin at once, instead of when our lease ends by itself.

    Parameters
    ----------
    store : Store
    owner : str
        As for :func:`deliver`.
    """
    with store.transaction() as session:
        session.execute("UPDATE leases SET until = 0 WHERE name = 'outbox' AND owner = ?", (owner,))


_SELECT = "SELECT id, message_key, channel, alert_key, attempts, detail FROM alert_outbox"


def _message(row: Any) -> OutboxMessage:
    id, key, channel, alert_key, attempts, detail = row
    return OutboxMessage(id, key, channel, alert_key, attempts, json.loads(detail))


def _lease(store: Store, owner: str) -> bool:
    """Take or renew the lease of the one sender, by compare and set in the table."""
    with store.transaction() as session:
        time = session.clock()
        taken = session.execute(
            "UPDATE leases SET owner = ?, until = ? WHERE name = 'outbox'"
            " AND (owner = ? OR until < ? OR until > ?)",
            # a lease that ends later than any can was taken by a clock that was ahead
            (owner, time + _LEASE, owner, time, time + 2 * _LEASE),
        )
        if taken:
            return True
        if session.rows("SELECT 1 FROM leases WHERE name = 'outbox'"):
            return False
        return bool(_first_lease(session, owner, time))


def _first_lease(session: Session, owner: str, time: int) -> int:
    return session.execute(
        "INSERT INTO leases (name, owner, until) VALUES ('outbox', ?, ?) ON CONFLICT DO NOTHING",
        (owner, time + _LEASE),
    )


def _due(store: Store, most: int) -> list[OutboxMessage]:
    with store.transaction(read_only=True) as session:
        rows = session.rows(
            f"{_SELECT} WHERE status = 'waiting' AND (due <= ? OR due > ?) ORDER BY id LIMIT ?",
            (session.clock(), session.clock() + _FARTHEST, most),
        )
    return [_message(row) for row in rows]


def _mark_sent(store: Store, message: OutboxMessage) -> None:
    with store.transaction() as session:
        session.execute(
            "UPDATE alert_outbox SET status = 'sent', attempts = attempts + 1, sent = ?"
            " WHERE id = ? AND status = 'waiting'",
            (session.clock(), message.id),
        )


def _put_off(store: Store, channel: str) -> None:
    """Let what is due of a channel that does not answer wait, without counting it as tried."""
    with store.transaction() as session:
        session.execute(
            "UPDATE alert_outbox SET due = ? WHERE channel = ? AND status = 'waiting' AND due <= ?",
            (session.clock() + int(_FIRST_WAIT * SECOND), channel, session.clock()),
        )


def _postpone(store: Store, message: OutboxMessage, reason: str, rng: np.random.Generator) -> int:
    tries = message.attempts + 1
    wait = min(_FIRST_WAIT * 2.0 ** min(tries - 1, 20), _LONGEST_WAIT) * rng.uniform(0.5, 1.5)
    dead = tries >= _MOST_ATTEMPTS
    with store.transaction() as session:
        session.execute(
            "UPDATE alert_outbox SET attempts = ?, due = ?, last_error = ?, status = ?"
            " WHERE id = ? AND status = 'waiting'",
            (
                tries,
                session.clock() + int(wait * SECOND),
                reason[:500],
                "dead" if dead else "waiting",
                message.id,
            ),
        )
    return int(dead)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are to hear of once.

    Attributes
    ----------
    key : str
        Unique for ever; a notice whose key the store knows is not posted again.
    rule, target : str
        What it belongs to: a plan, and its unit.
    headline : str
    detail : dict
        Kept as evidence.
    """

    key: str
    rule: str
    target: str
    headline: str
    detail: dict[str, Any]


def post_notices(
    store: Store, notices: Iterable[Notice], rules: Rules, *, channels: Iterable[str] = ("inbox",)
) -> list[Notice]:
    """Put notices in the outbox, each exactly once, in one transaction.

    Parameters
    ----------
    store : Store
    notices : iterable of Notice
    rules : Rules
        With the channels.
    channels : iterable of str
        Names of the channels that they go to.

    Returns
    -------
    list of Notice
        Those that were new.

    Raises
    ------
    InputError, StudyError
        If a channel is unknown.

    Notes
    -----
    The event and its messages are rows of one transaction, and the event's key is unique: whoever
    posts it twice, or dies in between and posts it again, posts it once.
    """
    kinds = {name: rules.channel(name).kind for name in channels}
    new, drafts = list[Notice](), list[Draft]()
    with store.transaction(actor="plan") as session:
        now = session.clock()
        for notice in notices:
            row = (notice.key, notice.rule, notice.target, notice.headline, now)
            if not session.execute(_EVENT, row):
                continue
            new.append(notice)
            session.insert(
                "alert_evidence",
                {"alert_key": notice.key, "time": now, "detail": notice.detail},
            )
            words = {"kind": "reminder", "headline": notice.headline}
            words |= {"time": iso(now), "raised": iso(now)}
            drafts += [
                Draft(notice.key, notice.rule, name, kind, words) for name, kind in kinds.items()
            ]
            session.audit("alert reminder", "alert", notice.key)
        put_messages(session, drafts)
    return new
