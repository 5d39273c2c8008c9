"""Instants and intervals in ``$filter``, against their definition in Python, both ways round."""

import itertools
import operator

import pytest

from .conftest import station

CLOCK = ("06:00", "06:59", "07:00", "07:01", "07:59", "08:00", "08:01", "09:00")
TIMES = [(one, one) for one in CLOCK] + list(itertools.combinations(CLOCK, 2))
SEVEN, HOUR = ("07:00", "07:00"), ("07:00", "08:00")


def before(one, other):
    """Half-open: it ends by the time that the other begins, and does not begin with it."""
    return one[0] < other[0] and one[1] <= other[0]


def overlap(one, other):
    if one[0] == one[1]:
        return one == other or other[0] <= one[0] < other[1]
    return overlap(other, one) if other[0] == other[1] else one[0] < other[1] and other[0] < one[1]


RELATIONS = {
    "{0} eq {1}": operator.eq,
    "{0} ne {1}": operator.ne,
    "{0} lt {1}": before,
    "{0} gt {1}": lambda one, other: before(other, one),
    "{0} le {1}": lambda one, other: one[0] <= other[0] and one[1] <= other[1],
    "{0} ge {1}": lambda one, other: one[0] >= other[0] and one[1] >= other[1],
    "before({0}, {1})": before,
    "after({0}, {1})": lambda one, other: before(other, one),
    "meets({0}, {1})": lambda one, other: one[1] == other[0] or one[0] == other[1],
    "during({0}, {1})": lambda one, other: other[0] <= one[0] < other[1] and one[1] <= other[1],
    "overlaps({0}, {1})": overlap,
    "starts({0}, {1})": lambda one, other: one[0] == other[0],
    "finishes({0}, {1})": lambda one, other: one[1] == other[1],
}


def written(time):
    begins, ends = (f"2016-01-01T{one}:00Z" for one in time)
    return begins if begins == ends else f"{begins}/{ends}"


@pytest.fixture(scope="module")
def timed(service):
    """One observation of each time; its result is its number."""
    thing = service.post("Things", station("a", n=0))
    (series,) = service.values(f"Things({thing})/Datastreams")
    for k, time in enumerate(TIMES):
        body = {"phenomenonTime": written(time), "result": k}
        service.post(f"Datastreams({series['@iot.id']})/Observations", body)
    return service


def found(service, text):
    return {item["result"] for item in service.values("Observations", filter=text, top=100)}


@pytest.mark.parametrize("relation", RELATIONS)
def test_relations_of_times(timed, relation) -> None:
    holds = RELATIONS[relation]
    for given in (SEVEN, HOUR):
        ways = [("phenomenonTime", written(given)), (written(given), "phenomenonTime")]
        there = {k for k, time in enumerate(TIMES) if holds(time, given)}
        back = {k for k, time in enumerate(TIMES) if holds(given, time)}
        assert found(timed, relation.format(*ways[0])) == there
        assert found(timed, relation.format(*ways[1])) == back


def test_a_duration_moves_both_ends(timed) -> None:
    moved = "phenomenonTime gt 2016-01-01T08:00:00Z/2016-01-01T09:00:00Z sub duration'PT1H'"
    assert found(timed, moved) == found(timed, f"phenomenonTime gt {written(HOUR)}")
    later = "phenomenonTime add duration'PT1H' le 2016-01-01T08:00:00Z/2016-01-01T09:00:00Z"
    assert found(timed, later) == found(timed, f"phenomenonTime le {written(HOUR)}")


def test_the_periods_of_a_datastream_are_intervals(timed) -> None:
    for text, n in (
        ("phenomenonTime lt 2016-01-01T09:00:00Z", 1),
        ("phenomenonTime lt 2016-01-01T08:59:59Z", 0),
        ("phenomenonTime ge 2016-01-01T05:00:00Z/2016-01-01T09:00:00Z", 1),
        ("after(phenomenonTime, 2016-01-01T06:00:00Z)", 0),
        ("overlaps(phenomenonTime, 2016-01-01T08:59:00Z/2017-01-01T00:00:00Z)", 1),
    ):
        assert len(timed.values("Datastreams", filter=text)) == n, text
