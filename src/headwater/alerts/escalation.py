"""Escalation: what nobody sees to goes to others, once, and never after it has grown old."""

from __future__ import annotations

from headwater.alerts.events import read_silences, silence_of
from headwater.alerts.outbox import Draft, put_messages
from headwater.alerts.rules import AlertRule, Rules
from headwater.network.store.protocol import Store
from headwater.network.times import iso

__all__ = ["escalate"]

SECOND = 1_000_000

_OPEN = (
    "SELECT e.alert_key, e.rule, e.headline, e.raised, t.name FROM alert_events e"
    " LEFT JOIN datastreams d ON CAST(d.id AS TEXT) = e.target"
    " LEFT JOIN things t ON t.id = d.thing_id"
    " WHERE e.resolved IS NULL AND e.acknowledged IS NULL ORDER BY e.id"
)


def escalate(store: Store, rules: Rules, *, now: int | None = None) -> list[str]:
    """Put messages in the outbox for open alerts that nobody has acknowledged in time.

    Parameters
    ----------
    store : Store
    rules : Rules
    now : int, optional
        [µs]; default: the store's clock.

    Returns
    -------
    list of str
        Keys of the alerts that were escalated; each is at most once, by a unique key in the
        table. An alert older than its rule's ``max_age`` does not escalate any more, nor does one
        that is acknowledged, resolved or silenced.
    """
    by_name = {rule.name: rule for rule in rules.rule}
    drafts = list[Draft]()
    with store.transaction(actor="alerts") as session:
        time = session.clock() if now is None else now
        silences = read_silences(session)
        for key, name, headline, raised, station in session.rows(_OPEN):
            rule = by_name.get(name)
            if rule is None or not _due(rule, time - raised):
                continue
            if silence_of(silences, name, station or "", time) is not None:
                continue
            words = {
                "kind": "escalated",
                "headline": headline,
                "time": iso(time),
                "raised": iso(raised),
            }
            for to in rules.reached(rule, time):
                drafts.append(Draft(key, name, to, rules.channel(to).kind, words))
        found = list(dict.fromkeys(put_messages(session, drafts)))
        for key in found:
            rule = by_name[key.partition("|")[0]]
            session.audit("alert escalated", "alert", key, {"to": list(rule.escalate_to)})
    return found


def _due(rule: AlertRule, age: int) -> bool:
    if rule.escalate_after is None or not rule.escalate_to:
        return False
    return rule.escalate_after * SECOND <= age <= rule.max_age * SECOND
