"""What holds for every expression, order and page of the SensorThings room."""

import contextlib
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.network import open_store
from headwater.network.entities import Datastream, Observations, ObservedProperty, Sensor, Thing
from headwater.network.sensorthings import Service
from headwater.network.sensorthings.context import Limits
from headwater.network.sensorthings.errors import Refused
from headwater.network.sensorthings.expression import paths_of, read_expression
from headwater.network.sensorthings.messages import Call
from headwater.network.sensorthings.query import read_token, token_of

MANY = 4 * settings.default.max_examples

STEP = 3_600_000_000


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Four series of 60 hours with repeated, missing and textual results."""
    rng = np.random.default_rng(7)
    with open_store(f"{tmp_path_factory.mktemp('store')}/network.db") as store:
        with store.transaction() as session:
            thing = session.add(Thing(name="a"))
            sensor, kind = session.add(Sensor(name="s")), ObservedProperty(name="p", definition="d")
            observed = session.add(kind)
            for k in range(4):
                stream = session.add(
                    Datastream(
                        name=f"s{k % 3}",
                        thing_id=thing,
                        sensor_id=sensor,
                        observed_property_id=observed,
                        unit_of_measurement={},
                    )
                )
                result = rng.integers(0, 6, 60) / 2.0
                result[rng.random(60) < 0.2] = np.nan
                texts = [
                    json.dumps("wet") if np.isnan(r) and rng.random() < 0.5 else None
                    for r in result
                ]
                times = np.arange(60) * STEP
                session.write(Observations([stream] * 60, times, result, texts))
        yield Service(store, limits=Limits(page=7))


def pages(service, path, query):
    """All entities of a collection, page by page."""
    found, link = [], query
    while True:
        answer = service.answer(Call("GET", path, link, root="r"))
        assert answer.status == 200, answer.body
        found += answer.body["value"]
        if "@iot.nextLink" not in answer.body:
            return found
        link = answer.body["@iot.nextLink"].partition("?")[2]


ORDERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "result",
                "phenomenonTime",
                "Datastream/name",
                "Datastream/id",
                "id",
                "resultTime",
                "parameters/x",
            ]
        ),
        st.sampled_from(["asc", "desc"]),
    ),
    max_size=3,
    unique_by=lambda pair: pair[0],
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    orders=ORDERS,
    top=st.integers(1, 50),
    text=st.sampled_from(["", "result gt 0.5", "not result gt 0.5", "Datastream/name eq 's0'"]),
)
def test_pages_show_each_entity_once_and_in_the_same_order_as_one_page(service, orders, top, text):
    order = ",".join(f"{name} {way}" for name, way in orders)
    options = (f"&$orderby={order}" if order else "") + (f"&$filter={text}" if text else "")
    whole = pages(service, "Observations", f"$top=1000{options}")
    paged = pages(service, "Observations", f"$top={top}{options}")
    assert paged == whole
    count = service.answer(Call("GET", "Observations", f"$top=0&$count=true{options}"))
    assert count.body["@iot.count"] == len(whole) == len({item["@iot.id"] for item in whole})


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from(
        [
            "result gt 1",
            "result eq 'wet'",
            "result ne 1",
            "resultTime eq null",
            "startswith(result,'w')",
            "hour(phenomenonTime) mod 2 eq 0",
        ]
    ),
    other=st.sampled_from(["Datastream/id eq 2", "result lt 2", "phenomenonTime lt 1970-01-02"]),
)
def test_a_condition_and_its_contrary_make_the_whole(service, text, other):
    def count(condition):
        answer = service.answer(
            Call("GET", "Observations", f"$top=0&$count=true&$filter={condition}")
        )
        assert answer.status == 200, answer.body
        return answer.body["@iot.count"]

    assert count(text) + count(f"not ({text})") == 240
    both, either = count(f"{text} and {other}"), count(f"{text} or {other}")
    assert both + either == count(text) + count(other)


def test_pages_by_result_are_sorted(service):
    numbers = [item["result"] for item in pages(service, "Observations", "$orderby=result desc")]
    real = [number for number in numbers if isinstance(number, float)]
    assert all(first >= second for first, second in pairwise(real))


@settings(max_examples=MANY)
@given(st.text(alphabet=st.sampled_from(list("ab1'()/,.- +:TZ[]\\\"%$@éaeqndorst")), max_size=40))
def test_an_expression_is_read_or_refused(text):
    with contextlib.suppress(Refused):
        assert paths_of(read_expression(text)) is not None


@given(
    st.lists(
        st.integers(-(2**62), 2**62)
        | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=9)
        | st.none()
        | st.booleans(),
        max_size=5,
    ).map(tuple)
)
def test_tokens_come_back(values):
    assert read_token(token_of(values)) == values
