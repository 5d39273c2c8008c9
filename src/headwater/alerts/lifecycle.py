"""The life of an alert, as a pure state machine: one reading in, one state and its messages out.

inactive → pending (debounce) → firing → recovering (hysteresis, minimum hold) → inactive; missing
data wait for their own grace. Acknowledging, silencing and escalating do not change whether
something is wrong, so they are kept next to this state, not in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from headwater.errors import StudyError

__all__ = [
    "AlertState",
    "INACTIVE",
    "Message",
    "Reading",
    "Trigger",
    "advance",
]

Phase = Literal["inactive", "pending", "firing", "recovering", "nodata"]
Kind = Literal["raised", "resolved", "nodata", "data_back"]
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a rule raises and clears.

    Attributes
    ----------
    raise_at, clear_at : float
        Value at which it becomes wrong, and value at which it is right again.
    below : bool
        Whether low values are wrong; `clear_at` then lies above `raise_at`.
    debounce : int
        Readings in a row that are wrong before it fires.
    debounce_seconds : float
        Time for which they must have been wrong [s].
    hold_seconds : float
        Shortest time between two messages of one target [s].
    grace_seconds : float or None
        Silence after which missing data are a message [s]; None: never.
    """

    raise_at: float
    clear_at: float
    below: bool = True
    debounce: int = 2
    debounce_seconds: float = 0.0
    hold_seconds: float = 3600.0
    grace_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse a trigger that would flap or never clear."""
        right = self.clear_at >= self.raise_at if self.below else self.clear_at <= self.raise_at
        if not right or self.debounce < 1 or self.hold_seconds < 0 or self.debounce_seconds < 0:
            raise StudyError(
                "a rule that would flap or never clear",
                found=f"raise at {self.raise_at:g}, clear at {self.clear_at:g}, "
                f"{'low' if self.below else 'high'} values are wrong, debounce {self.debounce}",
                do="Let clear lie on the healthy side of raise, and debounce be at least 1",
            )

    def wrong(self, value: float) -> bool:
        """Say whether a value is wrong."""
        return value <= self.raise_at if self.below else value >= self.raise_at

    def healthy(self, value: float) -> bool:
        """Say whether a value is right again."""
        return value >= self.clear_at if self.below else value <= self.clear_at


@dataclass(frozen=True, slots=True)
class Reading:
    """What was seen, or that nothing was.

    Attributes
    ----------
    time : int
        [µs since 1970-01-01T00:00Z]
    value : float or None
        None: the clock moved on without a value.
    inhibited : bool
        Whether a fault of the sensor or missing data of the station forbid this alert.
    """

    time: int
    value: float | None = None
    inhibited: bool = False


@dataclass(frozen=True, slots=True)
class AlertState:
    """Where a target of a rule stands.

    Attributes
    ----------
    phase : str
    event : int
        Number of the event; a new one begins each time it fires after it had cleared.
    since : int or None
        When the phase began [µs].
    count : int
        Readings in a row that are wrong while pending.
    last_value : int or None
        Time of the last reading with a value [µs].
    last_message : int or None
        Time of the last message [µs].
    """

    phase: Phase = "inactive"
    event: int = 0
    since: int | None = None
    count: int = 0
    last_value: int | None = None
    last_message: int | None = None


INACTIVE = AlertState()
"""Where every target begins."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent.

    Attributes
    ----------
    kind : {"raised", "resolved", "nodata", "data_back"}
    event : int
        Of which event.
    time : int
        [µs]
    """

    kind: Kind
    event: int
    time: int


def advance(
    state: AlertState, reading: Reading, trigger: Trigger
) -> tuple[AlertState, tuple[Message, ...]]:
    """Take one reading in.

    Parameters
    ----------
    state : AlertState
    reading : Reading
        Not older than the last: a clock that jumps back changes nothing.
    trigger : Trigger

    Returns
    -------
    state : AlertState
    messages : tuple of Message
        At most one.

    Examples
    --------
    >>> rule = Trigger(raise_at=0.1, clear_at=0.15, debounce=2, hold_seconds=0)
    >>> state, sent = INACTIVE, []
    >>> for minute, value in enumerate([0.2, 0.09, 0.08, 0.12, 0.16]):
    ...     state, messages = advance(state, Reading(minute * 60_000_000, value), rule)
    ...     sent += [message.kind for message in messages]
    >>> sent, state.phase
    (['raised', 'resolved'], 'inactive')
    """
    if state.last_value is not None and reading.time < state.last_value:
        return state, ()
    if reading.value is None:
        return _without_value(state, reading, trigger)
    state = replace(state, last_value=reading.time)
    if state.phase == "nodata":
        return _back(state, reading, trigger)
    if reading.inhibited:
        held = state.phase in ("firing", "recovering")
        return (state if held else replace(state, phase="inactive", count=0)), ()
    if state.phase in ("inactive", "pending"):
        return _rising(state, reading, trigger)
    return _falling(state, reading, trigger)


def _rising(
    state: AlertState, reading: Reading, trigger: Trigger
) -> tuple[AlertState, tuple[Message, ...]]:
    assert reading.value is not None
    if not trigger.wrong(reading.value):
        return replace(state, phase="inactive", since=None, count=0), ()
    since = reading.time if state.phase == "inactive" else (state.since or reading.time)
    count = state.count + 1
    waited = reading.time - since >= trigger.debounce_seconds * SECOND
    if count < trigger.debounce or not waited or not _may_speak(state, reading, trigger):
        return replace(state, phase="pending", since=since, count=count), ()
    event = state.event + 1
    fired = replace(
        state, phase="firing", event=event, since=reading.time, count=0, last_message=reading.time
    )
    return fired, (Message("raised", event, reading.time),)


def _falling(
    state: AlertState, reading: Reading, trigger: Trigger
) -> tuple[AlertState, tuple[Message, ...]]:
    assert reading.value is not None
    if trigger.wrong(reading.value):
        return replace(state, phase="firing", since=state.since), ()
    if not trigger.healthy(reading.value):
        return state, ()
    if not _may_speak(state, reading, trigger):
        return replace(state, phase="recovering"), ()
    cleared = replace(state, phase="inactive", since=None, count=0, last_message=reading.time)
    return cleared, (Message("resolved", state.event, reading.time),)


def _without_value(
    state: AlertState, reading: Reading, trigger: Trigger
) -> tuple[AlertState, tuple[Message, ...]]:
    silent = trigger.grace_seconds is not None and state.last_value is not None
    if not silent or state.phase == "nodata" or state.last_value is None:
        return state, ()
    assert trigger.grace_seconds is not None
    quiet = reading.time - state.last_value > trigger.grace_seconds * SECOND
    if not quiet or not _may_speak(state, reading, trigger):
        return state, ()
    event = state.event + 1
    missing = replace(
        state, phase="nodata", event=event, since=reading.time, last_message=reading.time
    )
    return missing, (Message("nodata", event, reading.time),)


def _back(
    state: AlertState, reading: Reading, trigger: Trigger
) -> tuple[AlertState, tuple[Message, ...]]:
    if not _may_speak(state, reading, trigger):
        return state, ()
    here = replace(state, phase="inactive", since=None, count=0, last_message=reading.time)
    return here, (Message("data_back", state.event, reading.time),)


def _may_speak(state: AlertState, reading: Reading, trigger: Trigger) -> bool:
    if state.last_message is None:
        return True
    return reading.time - state.last_message >= trigger.hold_seconds * SECOND
