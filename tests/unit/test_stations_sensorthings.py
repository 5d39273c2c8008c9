"""The readers of the SensorThings room: expressions, options, addresses, values, patches."""

import pytest

from headwater.network.sensorthings.address import key_text, read_address, read_key
from headwater.network.sensorthings.errors import Conflict, NotFound, WrongRequest
from headwater.network.sensorthings.expression import (
    Binary,
    Literal,
    Logic,
    Not,
    Path,
    paths_of,
    read_duration,
    read_expression,
)
from headwater.network.sensorthings.filter_to_sql import Scope, condition
from headwater.network.sensorthings.jsonpatch import apply_patch
from headwater.network.sensorthings.model import ENTITY_SETS
from headwater.network.sensorthings.paging import _rooted
from headwater.network.sensorthings.query import read_query, read_token, token_of
from headwater.network.sensorthings.validate import columns_of, read_interval
from headwater.network.times import microseconds

OBSERVATIONS, THINGS = ENTITY_SETS["Observations"], ENTITY_SETS["Things"]


def compiled(text, entity=OBSERVATIONS, dialect="sqlite"):
    return condition(read_expression(text), Scope(entity, dialect, now=7))


class TestExpressions:
    def test_and_binds_tighter_than_or_and_not_tighter_than_and(self):
        read = read_expression("a eq 1 or not b eq 2 and c eq 3")
        assert isinstance(read, Logic)
        assert read.operator == "or"
        assert read.parts[1].operator == "and"
        assert isinstance(read.parts[1].parts[0], Not)

    def test_arithmetic_binds_from_the_left_and_by_rank(self):
        read = read_expression("1 sub 2 sub 3 mul 4 lt 5").left
        one, two, three, four = (Literal(k, "number") for k in (1, 2, 3, 4))
        assert read == Binary("sub", Binary("sub", one, two), Binary("mul", three, four))

    def test_quotes_are_doubled_inside_text(self):
        assert read_expression("'it''s'") == Literal("it's", "text")

    def test_times(self):
        east = read_expression("2024-01-01T08:00:00+08:00")
        assert east == read_expression("2024-01-01T00:00:00Z")
        assert east == read_expression("2024-01-01T08:00:00 08:00")  # + sent without encoding
        start, end = read_expression("2024-01-01T00:00:00Z/2024-01-02T00:00:00Z").value
        assert end - start == read_duration("P1D")
        assert read_duration("-PT1.5S") == -1_500_000
        for text in ("P", "P1M", "P1Y", "PT", "1D", "P9999999999D"):
            with pytest.raises(WrongRequest):
                read_duration(text)

    def test_paths(self):
        assert paths_of(read_expression("Datastream/properties/a-b[2] eq x")) == [
            Path(("Datastream", "properties", "a-b", "2")),
            Path(("x",)),
        ]


class TestCompiler:
    def test_nothing_of_the_user_is_in_the_text(self):
        hostile = "Datastream/Thing/name eq 'zqx' and properties/zqx eq 'zqx' or result gt 31337"
        for dialect in ("sqlite", "postgresql"):
            sql = compiled(hostile.replace("properties/", "parameters/"), dialect=dialect)
            assert "zqx" not in sql.text
            assert "31337" not in sql.text
            assert sql.text.count("?") == len(sql.parameters)

    def test_a_path_through_single_links_is_a_list_of_keys(self):
        sql = compiled("Datastream/Thing/name eq 'a'")
        assert sql.text.startswith("t.datastream_id IN (SELECT n0.id FROM datastreams n0, things")

    def test_a_path_through_many_asks_whether_there_is_one(self):
        assert compiled("Datastreams/name eq 'a'", THINGS).text.startswith("EXISTS (SELECT 1")

    def test_null_compares_as_odata_has_it(self):
        assert "IS NOT TRUE" in compiled("result ne 1").text
        assert compiled("resultTime gt null").text == "(FALSE)"

    def test_datastreams_are_asked_instead_of_observations_where_only_they_matter(self):
        rooted = _rooted(read_expression("Datastream/Thing/name eq 'a' and not Datastream/id eq 3"))
        assert [path.steps for path in paths_of(rooted)] == [("Thing", "name"), ("id",)]


class TestOptions:
    def test_expansions_of_one_link_are_joined(self):
        query = read_query("$expand=Datastream/Thing,Datastream/Sensor", OBSERVATIONS)
        (datastream,) = query.expand
        assert [inner.link for inner in datastream.query.expand] == ["Thing", "Sensor"]

    def test_options_inside_brackets_may_hold_brackets_commas_and_quotes(self):
        text = "$expand=Datastreams($filter=substringof('a;b,(c)', name);$select=name,id),Locations"
        first, second = read_query(text, THINGS).expand
        assert first.query.select == ("name", "id")
        assert first.query.filter.arguments[0].value == "a;b,(c)"
        assert second.link == "Locations"

    def test_tokens(self):
        values = (1, -2.5, "ä'\"", None, True)
        assert read_token(token_of(values)) == values
        for text in ("", "e30", "W1tdXQ", "!", "WzFlOTk5XQ"):
            with pytest.raises(WrongRequest):
                read_token(text)

    def test_an_option_twice(self):
        with pytest.raises(WrongRequest, match="twice"):
            read_query("$top=1&$top=2", THINGS)


class TestAddresses:
    def test_keys(self):
        assert read_address("Observations('3@-5')").last.key == (3, -5, 0)
        assert key_text(read_key(OBSERVATIONS, "3@-5")) == "'3@-5'"
        for value in (True, 1.0, None, "1@2@3", "1@", "x", "٣"):
            with pytest.raises(NotFound):
                read_key(THINGS, value)


class TestValidation:
    def test_columns(self):
        body = {
            "result": 1,
            "phenomenonTime": "2024-01-01T00:00:00Z/2024-01-02T00:00:00Z",
            "resultTime": None,
            "@iot.id": "9@9",
            "Datastream@iot.navigationLink": "x",
        }
        columns = columns_of(OBSERVATIONS, body)
        assert columns["time"] == microseconds("2024-01-01T00:00:00Z")
        assert columns["time_end"] == microseconds("2024-01-02T00:00:00Z")
        assert columns["result_time"] is None
        assert set(columns) == {"result_json", "time", "time_end", "result_time"}

    def test_a_mistyped_name_gets_a_suggestion(self):
        with pytest.raises(WrongRequest, match="Did you mean 'description'"):
            columns_of(THINGS, {"name": "a", "descripton": "b"})

    def test_an_interval_ends_after_it_begins(self):
        with pytest.raises(WrongRequest, match="ends before"):
            read_interval("2024-01-02T00:00:00Z/2024-01-01T00:00:00Z", "validTime")


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [  # RFC 6902, appendix A
        (
            {"foo": "bar"},
            [{"op": "add", "path": "/baz", "value": "qux"}],
            {"foo": "bar", "baz": "qux"},
        ),
        (
            {"foo": ["bar", "baz"]},
            [{"op": "add", "path": "/foo/1", "value": "qux"}],
            {"foo": ["bar", "qux", "baz"]},
        ),
        ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
        (
            {"baz": 1, "foo": 2},
            [{"op": "replace", "path": "/baz", "value": 3}],
            {"baz": 3, "foo": 2},
        ),
        (
            {"a": {"b": 1}, "c": {}},
            [{"op": "move", "from": "/a/b", "path": "/c/d"}],
            {"a": {}, "c": {"d": 1}},
        ),
        (
            {"foo": ["all", "cows", "grass", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "grass", "eat", "cows"]},
        ),
        ({"foo": None}, [{"op": "test", "path": "/foo", "value": None}], {"foo": None}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        (
            {"foo": ["bar"]},
            [{"op": "add", "path": "/foo/-", "value": ["x"]}],
            {"foo": ["bar", ["x"]]},
        ),
    ],
)
def test_json_patch(document, operations, expected):
    assert apply_patch(document, operations) == expected


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        ({}, WrongRequest),
        ([1], WrongRequest),
        ([{"op": "spin", "path": ""}], WrongRequest),
        ([{"op": "add", "path": "/a"}], WrongRequest),
        ([{"op": "remove", "path": "a"}], WrongRequest),
        ([{"op": "remove", "path": "/b"}], Conflict),
        ([{"op": "add", "path": "/b/c", "value": 1}], Conflict),
        ([{"op": "replace", "path": "/a/01", "value": 1}], Conflict),
        ([{"op": "add", "path": "/a/9", "value": 1}], Conflict),
        ([{"op": "move", "from": "/a", "path": "/a/0"}], Conflict),
        ([{"op": "test", "path": "/a/0", "value": 2}], Conflict),
    ],
)
def test_json_patches_that_fail(operations, error):
    document = {"a": [1]}
    with pytest.raises(error):
        apply_patch(document, operations)
    assert document == {"a": [1]}
