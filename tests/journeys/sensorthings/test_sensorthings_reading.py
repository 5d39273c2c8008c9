"""OGC 18-088, Annex A: data model, resource paths and request data (query options)."""

import pytest

from .conftest import THING, station

SETS = {
    "Things": (
        {"name", "description", "properties"},
        {"Datastreams", "MultiDatastreams", "Locations", "HistoricalLocations"},
    ),
    "Locations": (
        {"name", "description", "encodingType", "location"},
        {"Things", "HistoricalLocations"},
    ),
    "HistoricalLocations": ({"time"}, {"Thing", "Locations"}),
    "Datastreams": (
        {
            "name",
            "description",
            "observationType",
            "unitOfMeasurement",
            "observedArea",
            "phenomenonTime",
            "resultTime",
            "properties",
        },
        {"Thing", "Sensor", "ObservedProperty", "Observations"},
    ),
    "Sensors": (
        {"name", "description", "encodingType", "metadata", "properties"},
        {"Datastreams", "MultiDatastreams"},
    ),
    "ObservedProperties": (
        {"name", "definition", "description"},
        {"Datastreams", "MultiDatastreams"},
    ),
    "Observations": (
        {"phenomenonTime", "result", "resultTime", "parameters"},
        {"Datastream", "FeatureOfInterest"},
    ),
    "FeaturesOfInterest": ({"name", "description", "encodingType", "feature"}, {"Observations"}),
}


@pytest.fixture(scope="module")
def ids(service):
    """Two stations, read only; identifiers of the first."""
    thing = service.post("Things", station("station 1"))
    service.post("Things", station("station 2", coordinates=(97.9, 35.4), offset=0.5))
    found = {"Things": thing}
    (stream,) = service.values(f"Things({thing})/Datastreams")
    found["Datastreams"] = stream["@iot.id"]
    for name in ("Sensor", "ObservedProperty"):
        key = {"Sensor": "Sensors", "ObservedProperty": "ObservedProperties"}[name]
        found[key] = service.get(f"Datastreams({found['Datastreams']})/{name}")["@iot.id"]
    for name in ("Locations", "HistoricalLocations"):
        found[name] = service.values(f"Things({thing})/{name}")[0]["@iot.id"]
    observation = service.values(f"Datastreams({found['Datastreams']})/Observations")[0]
    found["Observations"] = observation["@iot.id"]
    feature = service.get(f"Observations('{found['Observations']}')/FeatureOfInterest")
    found["FeaturesOfInterest"] = feature["@iot.id"]
    return found


def one(name, ids):
    return f"Observations('{ids[name]}')" if name == "Observations" else f"{name}({ids[name]})"


class TestServiceRoot:
    def test_lists_all_entity_sets_with_addresses_that_work(self, service, ids):
        root = service.get("")
        assert {entry["name"] for entry in root["value"]} == {*SETS, "MultiDatastreams"}
        for entry in root["value"]:
            assert service.get(entry["url"])["value"] is not None

    def test_names_the_requirements_it_meets(self, service):
        met = service.get("")["serverSettings"]["conformance"]
        base = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
        wanted = (
            "datamodel",
            "request-data",
            "multi-datastream",
            "data-array/data-array",
            "batch-request/batch-request",
            "create-update-delete/deep-insert",
        )
        assert {base + name for name in wanted} <= set(met)
        assert not any("mqtt" in name for name in met)  # no broker in this test


class TestDataModel:
    @pytest.mark.parametrize("name", SETS)
    def test_entities_have_their_properties_links_and_control_information(self, service, ids, name):
        item = service.get(one(name, ids))
        properties, links = SETS[name]
        assert properties <= set(item)
        assert {f"{link}@iot.navigationLink" for link in links} <= set(item)
        assert item["@iot.id"] == ids[name]
        assert item["@iot.selfLink"] == f"{service.url}/{one(name, ids)}"

    @pytest.mark.parametrize("name", SETS)
    def test_every_navigation_link_can_be_followed(self, service, ids, name):
        item = service.get(one(name, ids))
        for link in SETS[name][1]:
            answer = service.get(item[f"{link}@iot.navigationLink"])
            assert ("value" in answer) == link.endswith("s")

    def test_datastreams_keep_their_periods_and_area(self, service, ids):
        stream = service.get(one("Datastreams", ids))
        assert stream["phenomenonTime"] == "2024-01-01T00:00:00Z/2024-01-01T23:00:00Z"
        assert stream["resultTime"] == "2024-01-01T00:10:00Z/2024-01-01T23:10:00Z"
        assert stream["observedArea"] == {"type": "Point", "coordinates": [97.5, 35.1]}


class TestResourcePaths:
    @pytest.mark.parametrize("name", SETS)
    def test_what_does_not_exist_is_404(self, service, ids, name):
        path = "Observations('1@1')" if name == "Observations" else f"{name}(987654321)"
        assert "no such" in service.refused("GET", path, status=404)

    def test_one_of_a_linked_collection(self, service, ids):
        path = f"{one('Things', ids)}/Datastreams({ids['Datastreams']})/Observations"
        assert len(service.values(path)) == 24
        other = f"Things({ids['Things'] + 1})/Datastreams({ids['Datastreams']})"
        service.refused("GET", other, status=404)

    def test_through_several_links_back_to_the_start(self, service, ids):
        path = f"{one('Observations', ids)}/Datastream/Thing/Locations({ids['Locations']})/Things"
        assert service.names(path) == ["station 1"]

    def test_properties_and_their_raw_values(self, service, ids):
        assert service.get(f"{one('Things', ids)}/name") == {"name": "station 1"}
        assert service.call("GET", f"{one('Things', ids)}/name/$value").text == "station 1"
        assert service.get(f"{one('Things', ids)}/properties/slope") == {"slope": 12.5}
        assert service.call("GET", f"{one('Things', ids)}/properties/tags/1/$value").text == "b"
        assert service.get(f"{one('Datastreams', ids)}/unitOfMeasurement/symbol") == {
            "symbol": "m3 m-3"
        }
        assert service.call("GET", f"{one('Observations', ids)}/result/$value").text == "0"

    def test_a_property_that_is_null_has_no_content(self, service, ids):
        assert service.call("GET", f"{one('Observations', ids)}/validTime").status_code == 204

    def test_references(self, service, ids):
        links = service.values(f"{one('Things', ids)}/Datastreams/$ref")
        assert links == [{"@iot.selfLink": f"{service.url}/{one('Datastreams', ids)}"}]

    @pytest.mark.parametrize(
        "path",
        [
            "Nothings",
            "Things(1)/Nothing",
            "Things/name",
            "Things(1)/name/first",
            "things",
            "Things('a')",
            "Things(1.5)",
            "Things()",
            "Things(1)/$value",
            "Datastreams(1)/Thing(1)",
            "Things(1)(2)",
            "Observations(5)",
            "Things(99999999999999999999)",
            "Things(1)/$count",
        ],
    )
    def test_paths_that_are_none(self, service, ids, path):
        assert service.refused("GET", path, status=404)


class TestSelect:
    def test_keeps_only_what_is_named(self, service, ids):
        for item in service.values("Observations", select="result,phenomenonTime", top=3):
            assert set(item) == {"result", "phenomenonTime"}
        assert service.get(one("Things", ids), select="id,name") == {
            "@iot.id": ids["Things"],
            "name": "station 1",
        }

    def test_keeps_links(self, service, ids):
        item = service.get(one("Things", ids), select="Datastreams")
        assert set(item) == {"Datastreams@iot.navigationLink"}

    def test_of_what_there_is_none(self, service):
        assert "nme" in service.refused("GET", "Things", select="nme")


class TestExpand:
    def test_one_and_many_nested_with_options(self, service, ids):
        inner = "Observations($top=2;$orderby=phenomenonTime desc;$select=result;$count=true)"
        (thing,) = service.values(
            "Things", expand=f"Datastreams($select=name;$expand={inner},Sensor),Locations", top=1
        )
        (stream,) = thing["Datastreams"]
        assert set(stream) == {
            "name",
            "Observations",
            "Observations@iot.count",
            "Observations@iot.nextLink",
            "Sensor",
        }
        assert [item["result"] for item in stream["Observations"]] == [0.23, 0.22]
        assert stream["Observations@iot.count"] == 24
        assert stream["Sensor"]["name"] == "5TM"
        assert thing["Locations"][0]["location"]["type"] == "Point"
        assert "Datastreams@iot.navigationLink" not in thing

    def test_the_next_link_of_what_is_expanded_goes_on_where_it_ended(self, service, ids):
        thing = service.get(
            one("Things", ids), expand="Datastreams($expand=Observations($top=10;$select=result))"
        )
        link = thing["Datastreams"][0]["Observations@iot.nextLink"]
        page = service.get(link)
        assert [item["result"] for item in page["value"]] == [k / 100 for k in range(10, 20)]
        assert len(service.values(page["@iot.nextLink"])) == 4

    def test_by_a_path(self, service, ids):
        item = service.get(one("Observations", ids), expand="Datastream/Thing,Datastream/Sensor")
        assert item["Datastream"]["Thing"]["name"] == "station 1"
        assert item["Datastream"]["Sensor"]["name"] == "5TM"

    def test_with_filter(self, service, ids):
        (stream,) = service.values(
            f"{one('Things', ids)}/Datastreams",
            expand="Observations($filter=result ge 0.2;$count=true;$top=1)",
        )
        assert stream["Observations@iot.count"] == 4

    def test_the_newest_of_all_things_takes_few_statements(self, service, ids):
        sessions = []
        with service.store.transaction(read_only=True) as session:
            kind = type(session)
        original = kind.rows

        def counted(self, sql, parameters=()):
            sessions.append(sql)
            return original(self, sql, parameters)

        kind.rows = counted
        try:
            streams = service.values(
                "Datastreams", expand="Observations($top=1;$orderby=phenomenonTime desc)"
            )
        finally:
            kind.rows = original
        assert [s["Observations"][0]["result"] for s in streams] == [0.23, 0.73]
        assert len(sessions) <= 4

    def test_of_what_there_is_none(self, service, ids):
        service.refused("GET", "Things", expand="Observations")
        service.refused("GET", "Things", expand="Datastreams($top=1")
        service.refused("GET", "Things", expand="Datastreams($wrong=1)")


class TestOrderby:
    def test_both_ways_and_by_two(self, service, ids):
        newest = service.values("Observations", orderby="phenomenonTime desc", top=3)
        assert [item["phenomenonTime"][11:13] for item in newest] == ["23", "23", "22"]
        mixed = service.values("Observations", orderby="phenomenonTime desc,result desc", top=3)
        assert [item["result"] for item in mixed] == [0.73, 0.23, 0.72]

    def test_through_links_and_into_json(self, service, ids):
        results = service.values(
            "Observations", orderby="Datastream/Thing/name desc,result", top=2, select="result"
        )
        assert [item["result"] for item in results] == [0.5, 0.51]
        assert service.names("Things", orderby="properties/slope,name desc") == [
            "station 2",
            "station 1",
        ]

    def test_pages_follow_the_order(self, service, ids):
        page = service.get("Observations", orderby="result desc", top=7, select="result")
        results = [item["result"] for item in page["value"]]
        while "@iot.nextLink" in page:
            page = service.get(page["@iot.nextLink"])
            results += [item["result"] for item in page["value"]]
        assert results == sorted(results, reverse=True)
        assert len(results) == 48

    def test_pages_by_time_over_all_datastreams(self, service, ids):
        page = service.get("Observations", orderby="phenomenonTime desc", top=7)
        seen = [item["@iot.id"] for item in page["value"]]
        while "@iot.nextLink" in page:
            page = service.get(page["@iot.nextLink"])
            seen += [item["@iot.id"] for item in page["value"]]
        times = [int(id.split("@")[1]) for id in seen]
        assert times == sorted(times, reverse=True)
        assert len(set(seen)) == 48

    def test_of_what_there_is_none(self, service):
        service.refused("GET", "Things", orderby="nothing")
        service.refused("GET", "Things", orderby="Datastreams/name")
        service.refused("GET", "Things", orderby="name sideways")


class TestTopSkipCount:
    def test_top_and_next_links_see_each_entity_once(self, service, ids):
        page = service.get("Observations", top=5)
        seen = [item["@iot.id"] for item in page["value"]]
        while "@iot.nextLink" in page:
            assert "$skip=" not in page["@iot.nextLink"]
            page = service.get(page["@iot.nextLink"])
            seen += [item["@iot.id"] for item in page["value"]]
        assert len(seen) == len(set(seen)) == 48

    def test_skip(self, service, ids):
        path = f"{one('Datastreams', ids)}/Observations"
        assert [o["result"] for o in service.values(path, skip=22)] == [0.22, 0.23]
        page = service.get(path, skip=20, top=2)
        assert [o["result"] for o in service.values(page["@iot.nextLink"])] == [0.22, 0.23]

    def test_count_is_of_all_pages_and_after_the_filter(self, service, ids):
        assert service.get("Observations", count="true", top=1)["@iot.count"] == 48
        assert service.get("Observations", count="true", top=0)["value"] == []
        path = f"{one('Datastreams', ids)}/Observations"
        assert service.get(path, count="true", skip=20)["@iot.count"] == 24
        half = service.get("Observations", count="true", filter="result lt 0.12")
        assert half["@iot.count"] == 12
        by_name = "Datastream/Thing/name eq 'station 2'"
        assert service.get("Observations", count="true", filter=by_name)["@iot.count"] == 24
        path = f"{one('FeaturesOfInterest', ids)}/Observations"
        assert service.get(path, count="true")["@iot.count"] == 24
        assert "@iot.count" not in service.get("Things", count="false")

    @pytest.mark.parametrize(
        "options",
        [
            {"top": -1},
            {"top": "many"},
            {"skip": 1.5},
            {"count": "yes"},
            {"wrong": 1},
            {"skiptoken": "bm9uZQ"},
            {"skiptoken": "***"},
            {"resultFormat": "xml"},
        ],
    )
    def test_values_that_are_none(self, service, options):
        status = 501 if "resultFormat" in options else 400
        assert service.refused("GET", "Things", status=status, **options)

    def test_options_of_collections_do_not_go_with_one_entity(self, service, ids):
        service.refused("GET", one("Things", ids), top=1)
        service.refused("GET", one("Things", ids) + "/name", select="name")


def test_options_are_evaluated_in_the_order_of_the_standard(service, ids):
    """First $filter, then $count, $orderby, $skip and $top."""
    answer = service.get(
        "Observations", top=2, skip=1, orderby="result desc", count="true", filter="result lt 0.2"
    )
    assert answer["@iot.count"] == 20
    assert [item["result"] for item in answer["value"]] == [0.18, 0.17]


def test_head_answers_without_a_body(service, ids):
    answer = service.call("HEAD", "Things")
    assert (answer.status_code, answer.content) == (200, b"")


def test_requests_of_qgis(service, ids):
    """What the SensorThings provider of QGIS asks for.

    The count with its filter by kind of geometry stands in QGIS' own tests
    (tests/src/python/test_provider_sensorthings.py); page and extent are recalled, unchecked.
    """
    root = service.get("")
    assert {"name": "Locations", "url": f"{service.url}/Locations"} in root["value"]
    count = service.get("Locations?$top=0&$count=true")
    assert count["@iot.count"] == 2
    filters = "location/type eq 'Point' or location/geometry/type eq 'Point'"
    assert service.get(f"Locations?$top=0&$count=true&$filter={filters}")["@iot.count"] == 2
    box = "geo.intersects(location, geography'POLYGON((97 35, 97.6 35, 97.6 36, 97 36, 97 35))')"
    page = service.get(
        f"Locations?$top=200&$count=false&$filter=({filters}) and ({box})"
        "&$expand=Things($expand=Datastreams($top=10))"
    )
    (found,) = page["value"]
    assert found["Things"][0]["Datastreams"][0]["unitOfMeasurement"]["symbol"] == "m3 m-3"
    assert found["Things"][0]["properties"] == THING["properties"]
