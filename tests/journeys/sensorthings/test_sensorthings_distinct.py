"""``$select=distinct:``: each combination of values once, in both versions of the interface."""

import pytest

from .conftest import Client, station


@pytest.fixture(scope="module")
def kinds(service):
    """Five stations of two types, one of them of none; and the interface of 2.0."""
    held = [
        {"type": "meadow", "rank": 10, "of": {"year": 2020}},
        {"type": "meadow", "rank": 9},
        {"type": "bog", "rank": 9, "of": {"year": 2021}},
        {"type": "bog", "rank": 9, "of": {"year": 2021}},
        {"rank": None},
    ]
    for k, properties in enumerate(held):
        service.post("Things", station(f"station {k}", n=2) | {"properties": properties})
    return service, Client(service.url.replace("/v1.1", "/v2.0"), service.store)


def test_each_combination_comes_once(kinds) -> None:
    for served, count in zip(kinds, ("@iot.count", "@count"), strict=True):
        asked = {"select": "distinct:properties/type", "orderby": "properties/type"}
        found = served.get("Things", count="true", **asked)
        assert found["value"] == [
            {},
            {"properties": {"type": "bog"}},
            {"properties": {"type": "meadow"}},
        ]
        assert found[count] == 3
        both = served.values(
            "Things",
            select="distinct:properties/type,properties/of/year",
            filter="properties/rank eq 9",
        )
        assert both == [
            {"properties": {"type": "bog", "of": {"year": 2021}}},
            {"properties": {"type": "meadow"}},
        ]


def test_numbers_are_ordered_as_numbers_and_pages_follow_each_other(kinds) -> None:
    for served, more in zip(kinds, ("@iot.nextLink", "@nextLink"), strict=True):
        asked = {"select": "distinct:properties/rank", "orderby": "properties/rank desc"}
        page = served.get("Things", top=2, **asked)
        assert page["value"] == [{"properties": {"rank": 10}}, {"properties": {"rank": 9}}]
        last = served.call("GET", page[more]).json()
        assert (last["value"], more in last) == ([{}], False)


def test_plain_properties_times_and_results(kinds) -> None:
    service, later = kinds
    assert service.values("Locations", select="distinct:name") == [{"name": "upper meadow"}]
    hours = ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"]
    asked = {"select": "distinct:phenomenonTime,result", "orderby": "phenomenonTime"}
    assert service.values("Observations", **asked) == [
        {"phenomenonTime": hour, "result": k / 100} for k, hour in enumerate(hours)
    ]
    assert later.values("Observations", **asked) == [
        {"phenomenonTime": {"start": hour}, "result": k / 100} for k, hour in enumerate(hours)
    ]


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("Things", {"select": "distinct:propertys/type"}, 400),
        ("Things", {"select": "distinct:Locations"}, 501),
        ("Things", {"select": "distinct:name", "orderby": "description"}, 400),
        ("Things", {"select": "distinct:name", "expand": "Locations"}, 400),
        ("Things", {"expand": "Datastreams($select=distinct:name)"}, 501),
        ("Things", {"select": "distinct:name", "resultFormat": "CSV"}, 400),
    ],
)
def test_what_does_not_go_with_it_is_refused(kinds, path, options, status) -> None:
    kinds[0].refused("GET", path, status=status, **options)
