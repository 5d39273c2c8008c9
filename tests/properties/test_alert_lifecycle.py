"""No sequence of readings sends more than one message per hold, and messages come in pairs."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.alerts.lifecycle import INACTIVE, Reading, Trigger, advance
from headwater.errors import StudyError

MANY = 4 * settings.default.max_examples

MINUTE = 60_000_000


def sent(readings, trigger):
    state, found = INACTIVE, []
    for reading in readings:
        state, messages = advance(state, reading, trigger)
        found += messages
    return state, found


values = st.one_of(st.none(), st.floats(0, 0.5), st.sampled_from([0.0999, 0.1, 0.1001, 0.12]))
steps = st.lists(st.tuples(st.integers(1, 120), values, st.booleans()), max_size=80)
triggers = st.builds(
    Trigger,
    raise_at=st.just(0.1),
    clear_at=st.sampled_from([0.1, 0.12, 0.2]),
    debounce=st.integers(1, 4),
    debounce_seconds=st.sampled_from([0.0, 600.0]),
    hold_seconds=st.sampled_from([0.0, 60.0, 3600.0, 86400.0]),
    grace_seconds=st.sampled_from([None, 600.0, 7200.0]),
)


def in_time(rows):
    time = 0
    for minutes, value, inhibited in rows:
        time += minutes * MINUTE
        yield Reading(time, value, inhibited)


@settings(max_examples=MANY)
@given(rows=steps, trigger=triggers)
def test_no_flapping_sends_more_than_one_message_per_hold(rows, trigger):
    _, found = sent(in_time(rows), trigger)
    times = [message.time for message in found]
    assert all(later - earlier >= trigger.hold_seconds * 1e6 for earlier, later in pairwise(times))


@settings(max_examples=MANY)
@given(rows=steps, trigger=triggers)
def test_each_event_begins_once_and_ends_at_most_once(rows, trigger):
    state, found = sent(in_time(rows), trigger)
    begun = [message.event for message in found if message.kind in ("raised", "nodata")]
    ended = [message.event for message in found if message.kind in ("resolved", "data_back")]
    assert len(set(begun)) == len(begun)
    assert len(set(ended)) == len(ended)
    assert set(ended) <= set(begun)
    assert begun == sorted(begun)
    assert state.event == (max(begun) if begun else 0)


@settings(max_examples=MANY)
@given(rows=steps, trigger=triggers)
def test_inhibited_readings_never_raise(rows, trigger):
    doubted = [Reading(one.time, one.value, True) for one in in_time(rows)]
    _, found = sent(doubted, trigger)
    assert "raised" not in {message.kind for message in found}


@given(rows=steps, trigger=triggers)
def test_a_clock_that_jumps_back_changes_nothing(rows, trigger):
    readings = [one for one in in_time(rows) if one.value is not None]
    state, _ = sent(readings, trigger)
    if readings:
        again, messages = advance(state, Reading(readings[-1].time - 1, 0.0), trigger)
        assert (again, messages) == (state, ())


def test_missing_data_wait_for_their_grace():
    rule = Trigger(0.1, 0.1, hold_seconds=0, grace_seconds=3600)
    readings = [Reading(0, 0.3), Reading(50 * MINUTE), Reading(61 * MINUTE), Reading(62 * MINUTE)]
    _, found = sent([*readings, Reading(70 * MINUTE, 0.3)], rule)
    assert [(one.kind, one.time // MINUTE) for one in found] == [("nodata", 61), ("data_back", 70)]


def test_between_raise_and_clear_nothing_changes():
    rule = Trigger(0.1, 0.2, debounce=1, hold_seconds=0)
    state, found = sent([Reading(1, 0.05), Reading(2, 0.15), Reading(3, 0.12)], rule)
    assert state.phase == "firing"
    assert len(found) == 1


def test_a_rule_that_would_flap_is_refused():
    with pytest.raises(StudyError, match="flap"):
        Trigger(raise_at=0.2, clear_at=0.1)
    with pytest.raises(StudyError, match="flap"):
        Trigger(raise_at=30, clear_at=35, below=False)
