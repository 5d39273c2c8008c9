"""OGC 18-088, Annex A: create, update and delete; links, deep inserts, histories, cascades."""

import json

import pytest

from .conftest import DATASTREAM, LOCATION, MEASUREMENT, OBSERVED, SENSOR, THING, UNIT, station

PATCH = {"Content-Type": "application/json-patch+json"}


def everything(service):
    sets = (
        "Things",
        "Locations",
        "HistoricalLocations",
        "Datastreams",
        "Sensors",
        "ObservedProperties",
        "Observations",
        "FeaturesOfInterest",
    )
    return {name: service.get(name, count="true", top=0)["@iot.count"] for name in sets}


class TestCreate:
    def test_each_entity_by_itself_and_linked_to_what_exists(self, fresh):
        thing, sensor = fresh.post("Things", THING), fresh.post("Sensors", SENSOR)
        observed = fresh.post("ObservedProperties", OBSERVED)
        location = fresh.post("Locations", LOCATION | {"Things": [{"@iot.id": thing}]})
        links = {
            "Thing": {"@iot.id": thing},
            "Sensor": {"@iot.id": sensor},
            "ObservedProperty": {"@iot.id": observed},
        }
        stream = fresh.post("Datastreams", DATASTREAM | links)
        feature = fresh.post(
            "FeaturesOfInterest",
            {
                "name": "f",
                "description": "",
                "encodingType": "application/geo+json",
                "feature": {"type": "Point", "coordinates": [1, 2]},
            },
        )
        body = {
            "phenomenonTime": "2024-01-01T00:00:00Z",
            "result": 0.3,
            "Datastream": {"@iot.id": stream},
            "FeatureOfInterest": {"@iot.id": feature},
        }
        observation = fresh.post("Observations", body)
        fresh.post(
            "HistoricalLocations",
            {
                "time": "2020-01-01T00:00:00Z",
                "Thing": {"@iot.id": thing},
                "Locations": [{"@iot.id": location}],
            },
        )
        assert everything(fresh) == dict.fromkeys(everything(fresh), 1) | {"HistoricalLocations": 2}
        found = fresh.get(
            f"Observations('{observation}')", expand="Datastream/Thing,FeatureOfInterest"
        )
        assert found["FeatureOfInterest"]["@iot.id"] == feature
        assert found["Datastream"]["Thing"]["properties"] == THING["properties"]

    def test_answers_201_with_the_address(self, fresh):
        answer = fresh.call("POST", "Things", THING)
        assert answer.status_code == 201
        link = answer.headers["Location"]
        assert link == f"{fresh.url}/Things({answer.json()['@iot.id']})"
        assert fresh.get(link)["name"] == THING["name"]

    def test_deep_insert_makes_all_of_it(self, fresh):
        thing = fresh.post("Things", station(n=3))
        assert everything(fresh) == dict.fromkeys(everything(fresh), 1) | {"Observations": 3}
        (stream,) = fresh.values(f"Things({thing})/Datastreams", expand="Sensor,ObservedProperty")
        assert stream["Sensor"]["properties"] == SENSOR["properties"]
        assert stream["ObservedProperty"]["definition"] == OBSERVED["definition"]
        assert stream["unitOfMeasurement"] == UNIT

    def test_deep_insert_from_below(self, fresh):
        whole = station(n=0)
        stream = whole.pop("Datastreams")[0] | {"Thing": whole}
        stream.pop("Observations")
        fresh.post(
            "Observations",
            {"phenomenonTime": "2024-01-01T00:00:00Z", "result": 1, "Datastream": stream},
        )
        assert everything(fresh) == dict.fromkeys(everything(fresh), 1)

    def test_into_linked_collections(self, fresh):
        thing = fresh.post("Things", THING)
        location = fresh.post(f"Things({thing})/Locations", LOCATION)
        body = DATASTREAM | {"Sensor": SENSOR, "ObservedProperty": OBSERVED}
        stream = fresh.post(f"Things({thing})/Datastreams", body)
        fresh.post(f"Datastreams({stream})/Observations", {"result": 1})
        assert fresh.names(f"Things({thing})/Locations") == [LOCATION["name"]]
        assert fresh.get(f"Datastreams({stream})/Thing")["@iot.id"] == thing
        other = fresh.post(f"Locations({location})/Things", THING | {"name": "beside"})
        assert fresh.get(f"Things({other})/Locations")["value"][0]["@iot.id"] == location

    def test_an_invalid_deep_insert_leaves_nothing_behind(self, fresh):
        before = everything(fresh)
        body = station(n=2)
        body["Datastreams"][0]["Observations"][1]["phenomenonTime"] = "yesterday"
        assert "yesterday" in fresh.refused("POST", "Things", body)
        assert everything(fresh) == before

    @pytest.mark.parametrize(
        "missing",
        ["Thing", "Sensor", "ObservedProperty", "name", "unitOfMeasurement", "observationType"],
    )
    def test_without_what_is_mandatory(self, fresh, missing):
        body = DATASTREAM | {"Thing": THING, "Sensor": SENSOR, "ObservedProperty": OBSERVED}
        del body[missing]
        assert missing in fresh.refused("POST", "Datastreams", body)
        assert everything(fresh)["Things"] == 0

    @pytest.mark.parametrize(
        ("path", "body", "word"),
        [
            ("Things", [], "object"),
            ("Things", {"name": 1, "description": ""}, "name"),
            ("Things", THING | {"nmae": "x"}, "nmae"),
            ("Things", THING | {"properties": 3}, "properties"),
            ("Things", THING | {"Locations": {"@iot.id": 1}}, "list"),
            ("Things", THING | {"Locations": [{"@iot.id": 987654}]}, "no such Location"),
            ("Locations", LOCATION | {"location": {"type": "Point"}}, "GeoJSON"),
            ("Locations", LOCATION | {"location": None}, "null"),
            ("Sensors", {"name": "x", "description": "y", "encodingType": "z"}, "metadata"),
            ("Observations", {"result": 1}, "Datastream"),
            ("Observations", {}, "result"),
            ("HistoricalLocations", {"time": "2020-01-01T00:00:00"}, "zone"),
            ("Things", THING | {"name": "a\x00b"}, "zero byte"),
            ("Things", THING | {"properties": {"é": ["é\x00"]}}, "zero byte"),
            ("Things", THING | {"name": "\ud800"}, "half a character"),
        ],
    )
    def test_wrong_bodies(self, fresh, path, body, word):
        assert word in fresh.refused("POST", path, body)

    @pytest.mark.parametrize(
        "data", [b"", b"{", b"\xff\xfe", b'{"result": NaN}', b'{"result": 1e999}', b"[" * 100_000]
    )
    def test_bodies_that_are_no_json(self, fresh, data):
        answer = fresh.call(
            "POST", "Observations", data=data, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400
        assert answer.json()["message"]

    def test_other_media_types(self, fresh):
        answer = fresh.call("POST", "Things", data=b"a,b", headers={"Content-Type": "text/csv"})
        assert answer.status_code == 415


class TestObservations:
    @pytest.fixture
    def stream(self, fresh):
        thing = fresh.post("Things", station(n=0))
        return fresh.values(f"Things({thing})/Datastreams")[0]["@iot.id"]

    def test_the_feature_is_made_of_the_location(self, fresh, stream):
        first = fresh.post(f"Datastreams({stream})/Observations", {"result": 1})
        feature = fresh.get(f"Observations('{first}')/FeatureOfInterest")
        assert feature["feature"] == LOCATION["location"]
        fresh.post(
            f"Datastreams({stream})/Observations",
            {"result": 2, "phenomenonTime": "2024-01-01T00:00:00Z"},
        )
        path = f"FeaturesOfInterest({feature['@iot.id']})/Observations"
        assert fresh.get(path, count="true")["@iot.count"] == 2

    def test_when_the_thing_moves_old_observations_stay_where_they_were(self, fresh, stream):
        old = fresh.post(
            f"Datastreams({stream})/Observations",
            {"result": 1, "phenomenonTime": "2024-01-01T00:00:00Z"},
        )
        thing = fresh.get(f"Datastreams({stream})/Thing")["@iot.id"]
        moved = LOCATION | {"location": {"type": "Point", "coordinates": [98.0, 36.0]}}
        fresh.post(f"Things({thing})/Locations", moved)
        new = fresh.post(
            f"Datastreams({stream})/Observations",
            {"result": 1, "phenomenonTime": "2024-01-02T00:00:00Z"},
        )
        where = [
            fresh.get(f"Observations('{id}')/FeatureOfInterest/feature/coordinates")
            for id in (old, new)
        ]
        assert [place["coordinates"] for place in where] == [[97.5, 35.1], [98.0, 36.0]]
        area = fresh.get(f"Datastreams({stream})/observedArea")["observedArea"]
        assert area["type"] == "Polygon"
        assert len(fresh.values(f"Things({thing})/HistoricalLocations")) == 2

    def test_without_location_and_feature_it_is_kept(self, fresh):
        body = station(n=0)
        del body["Locations"]
        thing = fresh.post("Things", body)
        stream = fresh.values(f"Things({thing})/Datastreams")[0]["@iot.id"]
        id = fresh.post(f"Datastreams({stream})/Observations", {"result": 1})
        assert fresh.get(f"Observations('{id}')", expand="FeatureOfInterest")["result"] == 1
        fresh.refused("GET", f"Observations('{id}')/FeatureOfInterest", status=404)
        # once the station has a place, so has what it observes from then on
        fresh.post(f"Things({thing})/Locations", LOCATION)
        later = fresh.post(f"Datastreams({stream})/Observations", {"result": 2})
        found = fresh.get(f"Observations('{later}')/FeatureOfInterest")
        assert found["feature"] == LOCATION["location"]

    def test_what_differs_in_end_result_time_or_feature_is_another(self, fresh, stream):
        begin, path = "2018-01-01T07:00:00Z", f"Datastreams({stream})/Observations"
        feature = {
            "name": "f",
            "description": "",
            "encodingType": "application/geo+json",
            "feature": {"type": "Point", "coordinates": [1, 2]},
        }
        bodies = [
            {"phenomenonTime": f"{begin}/2018-01-01T08:00:00Z", "result": 1},
            {"phenomenonTime": f"{begin}/2018-01-01T07:59:00Z", "result": 2},
            {"phenomenonTime": begin, "result": 3},
            {"phenomenonTime": begin, "resultTime": "2018-01-01T00:00:00Z", "result": 4},
            {"phenomenonTime": begin, "resultTime": "2018-01-01T06:00:00Z", "result": 5},
            {"phenomenonTime": begin, "FeatureOfInterest": feature, "result": 6},
        ]
        ids = [fresh.post(path, body) for body in bodies]
        assert len(set(ids)) == len(bodies)
        assert fresh.get(path, count="true")["@iot.count"] == len(bodies)
        for id, body in zip(ids, bodies, strict=True):
            assert fresh.get(f"Observations('{id}')")["result"] == body["result"]
            assert len(fresh.values("Observations", filter=f"id eq '{id}'")) == 1
        # the same again is none more
        again = [fresh.post(path, body) for body in bodies[:5]]
        assert again == ids[:5]
        pages = fresh.values(path, orderby="phenomenonTime,resultTime", top=100)
        assert len({item["@iot.id"] for item in pages}) == len(bodies)

    def test_a_change_to_the_identity_of_another_is_a_conflict(self, fresh, stream):
        path = f"Datastreams({stream})/Observations"
        bodies = [{"phenomenonTime": f"2018-01-0{k}T00:00:00Z", "result": k} for k in (1, 2)]
        one, other = (fresh.post(path, body) for body in bodies)
        taken = {"phenomenonTime": "2018-01-02T00:00:00Z"}
        fresh.refused("PATCH", f"Observations('{one}')", taken, status=409)
        assert sorted(o["result"] for o in fresh.values(path)) == [1, 2]
        assert fresh.call("DELETE", f"Observations('{other}')").ok
        assert fresh.call("PATCH", f"Observations('{one}')", taken).ok
        assert [o["result"] for o in fresh.values(path)] == [1]

    def test_a_station_that_moved_sends_its_memory_again(self, fresh):
        thing = fresh.post("Things", station(n=0))
        stream = fresh.values(f"Things({thing})/Datastreams")[0]["@iot.id"]
        body = {"phenomenonTime": "2018-01-01T07:00:00Z", "result": 1}
        first = fresh.post(f"Datastreams({stream})/Observations", body)
        moved = LOCATION | {"name": "up", "location": {"type": "Point", "coordinates": [98, 36]}}
        fresh.post(f"Things({thing})/Locations", moved)
        assert fresh.post(f"Datastreams({stream})/Observations", body) == first
        table = {
            "Datastream": {"@iot.id": stream},
            "components": ["phenomenonTime", "result"],
            "dataArray": [["2018-01-01T07:00:00Z", 1], ["2018-01-01T08:00:00Z", 2]],
        }
        assert fresh.call("POST", "CreateObservations", [table]).status_code == 201
        assert fresh.get(f"Datastreams({stream})/Observations", count="true")["@iot.count"] == 2

    def test_the_same_again_changes_nothing_and_another_result_revises(self, fresh, stream):
        body = {"phenomenonTime": "2024-01-01T00:00:00Z", "result": 0.3}
        ids = {fresh.post(f"Datastreams({stream})/Observations", body) for _ in range(3)}
        ids.add(fresh.post(f"Datastreams({stream})/Observations", body | {"result": 0.4}))
        assert len(ids) == 1
        (found,) = fresh.values(f"Datastreams({stream})/Observations")
        assert found["result"] == 0.4

    @pytest.mark.parametrize(
        "result", [0.31, 0, -5, "wet", True, False, [1, 2], {"a": None}, None, "", 1e30]
    )
    def test_results_come_back_as_they_were_sent(self, fresh, stream, result):
        id = fresh.post(f"Datastreams({stream})/Observations", {"result": result})
        assert fresh.get(f"Observations('{id}')")["result"] == result

    def test_all_properties(self, fresh, stream):
        body = {
            "phenomenonTime": "2024-01-01T08:00:00+08:00/2024-01-01T09:00:00+08:00",
            "result": 1.5,
            "resultTime": "2024-01-01T01:00:00.123456Z",
            "parameters": {"a": [1, {"b": 2}]},
            "resultQuality": {"flag": "C01"},
            "validTime": "2024-01-01T00:00:00Z/2025-01-01T00:00:00Z",
        }
        id = fresh.post(f"Datastreams({stream})/Observations", body)
        found = fresh.get(f"Observations('{id}')")
        assert found["phenomenonTime"] == "2024-01-01T00:00:00Z/2024-01-01T01:00:00Z"
        for name in ("resultTime", "parameters", "resultQuality", "validTime"):
            assert found[name] == body[name]
        assert fresh.get(f"Datastreams({stream})")["phenomenonTime"] == found["phenomenonTime"]


class TestUpdate:
    def test_patch_changes_what_is_named_only(self, fresh):
        thing = fresh.post("Things", station(n=1))
        assert fresh.call("PATCH", f"Things({thing})", {"description": "new"}).status_code == 200
        found = fresh.get(f"Things({thing})")
        assert (found["name"], found["description"]) == ("station 1", "new")
        (stream,) = fresh.values(f"Things({thing})/Datastreams")
        other = fresh.post("Sensors", SENSOR | {"name": "other"})
        path = f"Datastreams({stream['@iot.id']})"
        assert fresh.call("PATCH", path, {"Sensor": {"@iot.id": other}}).ok
        assert fresh.get(f"{path}/Sensor")["name"] == "other"

    def test_put_replaces(self, fresh):
        thing = fresh.post("Things", THING)
        assert fresh.call("PUT", f"Things({thing})", {"name": "n", "description": "d"}).ok
        assert "properties" not in fresh.get(f"Things({thing})")
        assert "description" in fresh.refused("PUT", f"Things({thing})", {"name": "n"})

    def test_json_patch(self, fresh):
        thing = fresh.post("Things", THING)
        operations = [
            {"op": "test", "path": "/properties/slope", "value": 12.5},
            {"op": "add", "path": "/properties/depths", "value": [5, 10]},
            {"op": "replace", "path": "/properties/aspect", "value": "east"},
            {"op": "remove", "path": "/properties/tags/0"},
            {"op": "move", "from": "/properties/slope", "path": "/properties/steepness"},
            {"op": "copy", "from": "/name", "path": "/description"},
        ]
        answer = fresh.call("PATCH", f"Things({thing})", data=json.dumps(operations), headers=PATCH)
        assert answer.status_code == 200, answer.text
        found = fresh.get(f"Things({thing})")
        assert found["description"] == found["name"]
        assert found["properties"] == {
            "aspect": "east",
            "grazed": True,
            "tags": ["b"],
            "depths": [5, 10],
            "steepness": 12.5,
        }
        failing = [
            {"op": "replace", "path": "/name", "value": "x"},
            {"op": "test", "path": "/name", "value": "y"},
        ]
        answer = fresh.call("PATCH", f"Things({thing})", data=json.dumps(failing), headers=PATCH)
        assert answer.status_code == 409
        assert fresh.get(f"Things({thing})")["name"] == "station 1"

    def test_observations(self, fresh):
        fresh.post("Things", station(n=3))
        first, second, third = (o["@iot.id"] for o in fresh.values("Observations"))
        assert fresh.call("PATCH", f"Observations('{first}')", {"result": 9}).ok
        found = fresh.get(f"Observations('{first}')")
        assert (found["result"], found["parameters"]) == (9, {"hour": 0})
        move = {"phenomenonTime": "2025-01-01T00:00:00Z"}
        assert fresh.call("PATCH", f"Observations('{second}')", move).ok
        # the old address leads to where it is now
        found = fresh.get(f"Observations('{second}')")
        assert found["phenomenonTime"] == "2025-01-01T00:00:00Z"
        assert found["@iot.id"] != second
        assert fresh.get(f"Observations('{found['@iot.id']}')") == found
        assert fresh.get("Observations", count="true")["@iot.count"] == 3
        assert fresh.get("Datastreams")["value"][0]["phenomenonTime"].endswith(
            "2025-01-01T00:00:00Z"
        )
        assert fresh.call("PATCH", f"Observations('{third}')", {"resultTime": None}).ok
        assert fresh.get(f"Observations('{third}')")["resultTime"] is None

    def test_a_new_location_is_noted_in_the_history(self, fresh):
        thing = fresh.post("Things", station(n=0))
        other = fresh.post("Locations", LOCATION | {"name": "below"})
        assert fresh.call("PATCH", f"Things({thing})", {"Locations": [{"@iot.id": other}]}).ok
        assert fresh.names(f"Things({thing})/Locations") == ["below"]
        past = fresh.values(
            f"Things({thing})/HistoricalLocations", expand="Locations", orderby="time,id"
        )
        assert [entry["Locations"][0]["name"] for entry in past] == ["upper meadow", "below"]

    def test_the_latest_historical_location_moves_the_thing(self, fresh):
        thing = fresh.post("Things", station(n=0))
        body = {
            "time": "2199-01-01T00:00:00Z",
            "Thing": {"@iot.id": thing},
            "Locations": [LOCATION | {"name": "planned"}],
        }
        fresh.post("HistoricalLocations", body)
        assert fresh.names(f"Things({thing})/Locations") == ["planned"]

    def test_integers_beyond_what_a_float_holds_are_kept(self, fresh):
        fresh.post("Things", station(n=0))
        (stream,) = fresh.values("Datastreams")
        large = 2**53 + 1
        path = f"Datastreams({stream['@iot.id']})/Observations"
        id = fresh.post(path, {"result": large})
        assert fresh.get(f"Observations('{id}')")["result"] == large
        assert [o["@iot.id"] for o in fresh.values(path, filter=f"result gt {2**52}")] == [id]

    def test_a_historical_location_of_the_past_moves_nothing(self, fresh):
        thing = fresh.post("Things", station(n=0))
        old = {
            "time": "1999-01-01T00:00:00Z",
            "Thing": {"@iot.id": thing},
            "Locations": [LOCATION | {"name": "before"}],
        }
        fresh.post("HistoricalLocations", old)
        assert fresh.names(f"Things({thing})/Locations") == ["upper meadow"]

    def test_what_cannot_be_changed(self, fresh):
        thing = fresh.post("Things", station(n=1))
        fresh.refused("PATCH", f"Things({thing})", {"name": None})
        fresh.refused("PATCH", f"Things({thing})", {"Datastreams": [DATASTREAM]})
        fresh.refused("PATCH", f"Things({thing})", {"Locations": [LOCATION]})
        fresh.refused("PATCH", "Things(987654321)", {"name": "x"}, status=404)
        fresh.refused("PATCH", "Things", {"name": "x"}, status=405)
        fresh.refused("PATCH", f"Things({thing})/name", {"name": "x"}, status=405)
        fresh.refused("POST", f"Things({thing})", THING, status=405)
        fresh.refused("DELETE", "Things", status=405)
        fresh.refused("POST", "", THING, status=405)


class TestDelete:
    #: Table 24: what goes with an entity
    @pytest.mark.parametrize(
        ("name", "gone"),
        [
            ("Things", {"Things", "Datastreams", "HistoricalLocations", "Observations"}),
            ("Locations", {"Locations", "HistoricalLocations"}),
            ("HistoricalLocations", {"HistoricalLocations"}),
            ("Datastreams", {"Datastreams", "Observations"}),
            ("Sensors", {"Sensors", "Datastreams", "Observations"}),
            ("ObservedProperties", {"ObservedProperties", "Datastreams", "Observations"}),
            ("Observations", {"Observations"}),
            ("FeaturesOfInterest", {"FeaturesOfInterest", "Observations"}),
        ],
    )
    def test_takes_along_what_cannot_be_without_it(self, fresh, name, gone):
        fresh.post("Things", station(n=1))
        id = fresh.values(name)[0]["@iot.id"]
        path = f"{name}('{id}')" if name == "Observations" else f"{name}({id})"
        assert fresh.call("DELETE", path).status_code == 200
        left = {name: 0 if name in gone else 1 for name in everything(fresh)}
        assert everything(fresh) == left
        fresh.refused("DELETE", path, status=404)

    def test_counters_follow(self, fresh):
        fresh.post("Things", station(n=5))
        last = fresh.values("Observations", orderby="phenomenonTime desc")[0]["@iot.id"]
        assert fresh.call("DELETE", f"Observations('{last}')").ok
        (stream,) = fresh.values("Datastreams", expand="Observations($count=true)")
        assert stream["Observations@iot.count"] == 4
        assert stream["phenomenonTime"] == "2024-01-01T00:00:00Z/2024-01-01T03:00:00Z"


def test_who_did_what_is_in_the_audit_trail(fresh):
    thing = fresh.post("Things", THING)
    fresh.call("PATCH", f"Things({thing})", {"name": "other"})
    fresh.call("DELETE", f"Things({thing})")
    with fresh.store.transaction(read_only=True) as session:
        rows = session.rows(
            "SELECT action FROM audit WHERE entity = 'Things' AND entity_id = ? ORDER BY id",
            (str(thing),),
        )
    assert [row[0] for row in rows] == ["create", "update", "delete"]


def test_the_type_of_a_datastream_is_kept(fresh):
    fresh.post("Things", station(n=0))
    assert fresh.values("Datastreams")[0]["observationType"] == MEASUREMENT


def test_an_observation_has_one_stream(fresh):
    thing = fresh.post("Things", station("a", n=0))
    (own,) = (item["@iot.id"] for item in fresh.values(f"Things({thing})/Datastreams"))
    other = fresh.post("Things", station("b", n=0))
    (else_,) = (item["@iot.id"] for item in fresh.values(f"Things({other})/Datastreams"))
    body = {"phenomenonTime": "2024-01-01T00:00:00Z", "result": 1}
    path = f"Datastreams({own})/Observations"
    said = fresh.refused("POST", path, body | {"Datastream": {"@iot.id": else_}})
    assert "another Datastream than the address" in said
    key = fresh.post(path, body | {"Datastream": {"@iot.id": own}})
    multi = {
        "name": "both",
        "description": "",
        "unitOfMeasurements": [UNIT],
        "multiObservationDataTypes": [MEASUREMENT],
        "Thing": {"@iot.id": thing},
        "Sensor": SENSOR,
        "ObservedProperties": [OBSERVED],
    }
    link = {"MultiDatastream": {"@iot.id": fresh.post("MultiDatastreams", multi)}}
    assert "cannot become" in fresh.refused("PATCH", f"Observations('{key}')", link)
