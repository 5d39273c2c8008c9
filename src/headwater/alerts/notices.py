"""Notices from elsewhere, such as deadlines of a plan: into the outbox once, by their key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from headwater.alerts.outbox import Draft, put_messages
from headwater.alerts.rules import Rules
from headwater.network.store.protocol import Store
from headwater.network.times import iso

__all__ = ["Notice", "post_notices"]

_EVENT = (
    "INSERT INTO alert_events (alert_key, rule, target, event, kind, severity, headline, raised)"
    " VALUES (?, ?, ?, 1, 'reminder', 'Minor', ?, ?) ON CONFLICT DO NOTHING"
)


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
