"""OGC 18-088, Annex A: batch requests, multi-datastreams and data arrays."""

import pytest

from .conftest import DATASTREAM, OBSERVED, SENSOR, THING, UNIT, station

COMPLEX = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation"
TYPE = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"


class TestDataArray:
    @pytest.fixture
    def stream(self, fresh):
        fresh.post("Things", station(n=3))
        return fresh.values("Datastreams")[0]["@iot.id"]

    def test_reading_groups_by_datastream(self, fresh, stream):
        fresh.post("Things", station("station 2", n=2, offset=0.5))
        tables = fresh.values("Observations", resultFormat="dataArray")
        assert [table["dataArray@iot.count"] for table in tables] == [3, 2]
        assert tables[0]["components"] == ["id", "phenomenonTime", "result", "resultTime"]
        assert tables[0]["Datastream@iot.navigationLink"] == f"{fresh.url}/Datastreams({stream})"
        assert [row[2] for table in tables for row in table["dataArray"]] == [
            0,
            0.01,
            0.02,
            0.5,
            0.51,
        ]
        assert tables[1]["dataArray"][0][1] == "2024-01-01T00:00:00Z"

    def test_reading_with_options(self, fresh, stream):
        page = fresh.get(
            f"Datastreams({stream})/Observations",
            resultFormat="dataArray",
            top=2,
            count="true",
            select="result,phenomenonTime",
            orderby="phenomenonTime desc",
        )
        assert page["@iot.count"] == 3
        (table,) = page["value"]
        assert table["components"] == ["result", "phenomenonTime"]
        assert [row[0] for row in table["dataArray"]] == [0.02, 0.01]
        assert fresh.values(page["@iot.nextLink"])[0]["dataArray"][0][0] == 0

    def test_only_observations_have_it(self, fresh, stream):
        fresh.refused("GET", "Things", resultFormat="dataArray")

    def test_creating(self, fresh, stream):
        body = [
            {
                "Datastream": {"@iot.id": stream},
                "components": ["phenomenonTime", "result", "resultTime"],
                "dataArray@iot.count": 3,
                "dataArray": [
                    ["2025-01-01T00:00:00Z", 0.5, None],
                    ["yesterday", 0.6, None],
                    ["2025-01-01T02:00:00Z", 0.7, "2025-01-01T03:00:00Z"],
                ],
            },
            {"Datastream": {"@iot.id": 987654321}, "components": ["result"], "dataArray": [[1]]},
        ]
        answer = fresh.call("POST", "CreateObservations", body)
        assert answer.status_code == 201
        links = answer.json()
        assert [link.startswith("error") for link in links] == [False, True, False, True]
        assert "yesterday" in links[1]
        assert fresh.get(links[2])["resultTime"] == "2025-01-01T03:00:00Z"
        assert fresh.get("Observations", count="true")["@iot.count"] == 5
        assert fresh.call("POST", "CreateObservations", body).json() == links
        assert fresh.get("Observations", count="true")["@iot.count"] == 5

    def test_creating_with_features(self, fresh, stream):
        feature = fresh.post(
            "FeaturesOfInterest",
            {
                "name": "f",
                "description": "",
                "encodingType": "application/geo+json",
                "feature": {"type": "Point", "coordinates": [98.5, 35.2]},
            },
        )
        table = {
            "Datastream": {"@iot.id": stream},
            "components": ["result", "FeatureOfInterest/id"],
            "dataArray": [[1, feature], [1, 987654321]],
        }
        first, second = fresh.call("POST", "CreateObservations", [table]).json()
        assert fresh.get(f"{first}/FeatureOfInterest")["@iot.id"] == feature
        assert second.startswith("error")
        assert fresh.get(f"Datastreams({stream})/observedArea")["observedArea"]["type"] == "Polygon"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [1],
            [{}],
            [{"components": ["result"], "dataArray": 3}],
            [{"components": ["wrong", "result"], "dataArray": []}],
            [{"components": ["phenomenonTime"], "dataArray": []}],
            [{"components": ["result", "result"], "dataArray": [[1, 2]]}],
        ],
    )
    def test_creating_what_is_none(self, fresh, body):
        fresh.refused("POST", "CreateObservations", body)
        fresh.refused("GET", "CreateObservations", status=404)


class TestMultiDatastreams:
    def body(self, **changes):
        return {
            "name": "profile",
            "description": "two depths",
            "observationType": COMPLEX,
            "multiObservationDataTypes": [TYPE, TYPE],
            "unitOfMeasurements": [UNIT, UNIT],
            "Sensor": SENSOR,
            "ObservedProperties": [OBSERVED | {"name": "b"}, OBSERVED | {"name": "a"}],
        } | changes

    @pytest.fixture
    def multi(self, fresh):
        thing = station(n=1) | {"MultiDatastreams": [self.body()]}
        fresh.post("Things", thing)
        return fresh.values("MultiDatastreams")[0]["@iot.id"]

    def test_entity_and_links(self, fresh, multi):
        found = fresh.get(f"MultiDatastreams({multi})", expand="ObservedProperties,Sensor,Thing")
        assert found["unitOfMeasurements"] == [UNIT, UNIT]
        assert [entry["name"] for entry in found["ObservedProperties"]] == ["b", "a"]
        assert found["Thing"]["name"] == "station 1"
        for path in ("Things", "Sensors"):
            assert (
                sum(
                    map(
                        len,
                        (
                            fresh.values(f"{path}({entry['@iot.id']})/MultiDatastreams")
                            for entry in fresh.values(path)
                        ),
                    )
                )
                == 1
            )
        (observed,) = fresh.values(
            "ObservedProperties", filter="name eq 'a'", expand="MultiDatastreams"
        )
        assert observed["MultiDatastreams"][0]["@iot.id"] == multi
        fresh.refused("GET", f"Datastreams({multi})", status=404)
        assert len(fresh.values("Datastreams")) == 1

    def test_observations(self, fresh, multi):
        body = {"phenomenonTime": "2024-01-01T00:00:00Z", "result": [0.31, 0.35]}
        id = fresh.post(f"MultiDatastreams({multi})/Observations", body)
        found = fresh.get(f"Observations('{id}')", expand="MultiDatastream")
        assert found["result"] == [0.31, 0.35]
        assert found["MultiDatastream"]["name"] == "profile"
        assert "Datastream@iot.navigationLink" not in found
        fresh.refused("GET", f"Observations('{id}')/Datastream", status=404)
        other = body | {
            "MultiDatastream": {"@iot.id": multi},
            "phenomenonTime": "2024-01-02T00:00:00Z",
        }
        fresh.post("Observations", other)
        assert fresh.get(f"MultiDatastreams({multi})/Observations", count="true")["@iot.count"] == 2
        assert fresh.get("Observations", filter="result/1 gt 0.34", count="true")["@iot.count"] == 2
        tables = fresh.values("Observations", resultFormat="dataArray")
        assert any("MultiDatastream@iot.navigationLink" in table for table in tables)

    def test_results_of_another_size(self, fresh, multi):
        for result in (0.3, [0.3], [1, 2, 3], None):
            assert "2" in fresh.refused(
                "POST", f"MultiDatastreams({multi})/Observations", {"result": result}
            )
        body = {"result": [1, 2], "Datastream": {"@iot.id": multi}}
        fresh.refused("POST", "Observations", body)

    @pytest.mark.parametrize(
        "changes",
        [
            {"unitOfMeasurements": [UNIT]},
            {"multiObservationDataTypes": [TYPE]},
            {"ObservedProperties": [OBSERVED]},
            {"ObservedProperties": []},
            {"unitOfMeasurements": UNIT},
        ],
    )
    def test_units_types_and_properties_must_match(self, fresh, changes):
        fresh.refused("POST", "MultiDatastreams", self.body(Thing=THING, **changes))
        assert fresh.values("Things") == []

    def test_deleting(self, fresh, multi):
        observed = fresh.values("ObservedProperties", filter="name eq 'b'")[0]["@iot.id"]
        assert fresh.call("DELETE", f"ObservedProperties({observed})").ok
        assert fresh.values("MultiDatastreams") == []
        assert len(fresh.values("Datastreams")) == 1


def multipart(*parts):
    lines = []
    for part in parts:
        lines += ["--b1", part]
    return "\r\n".join([*lines, "--b1--", ""]).encode()


def single(request):
    return f"Content-Type: application/http\r\n\r\n{request}\r\n"


def change_set(*requests):
    inner = "".join(
        f"--c1\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n{request}\r\n"
        for number, request in enumerate(requests, start=1)
    )
    return f"Content-Type: multipart/mixed; boundary=c1\r\n\r\n{inner}--c1--\r\n"


JSON = "Content-Type: application/json\r\n\r\n"
HEAD = {"Content-Type": "multipart/mixed; boundary=b1"}


class TestBatch:
    def test_multipart(self, fresh):
        body = multipart(
            change_set(
                f'POST /v1.1/Things HTTP/1.1\r\n{JSON}{{"name": "n", "description": "d"}}',
                f'PATCH /v1.1/$1 HTTP/1.1\r\n{JSON}{{"description": "changed"}}',
            ),
            single(f"GET {fresh.url}/Things?$select=description HTTP/1.1\r\nHost: here\r\n\r\n"),
            single("GET /v1.1/Things(987654321) HTTP/1.1\r\n\r\n"),
        )
        answer = fresh.call("POST", "$batch", data=body, headers=HEAD)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("multipart/mixed")
        statuses = [line for line in answer.text.split("\r\n") if line.startswith("HTTP/1.1")]
        assert statuses == [
            "HTTP/1.1 201 Created",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 404 Not Found",
        ]
        assert '{"description": "changed"}' in answer.text
        assert "Content-ID: 1" in answer.text

    def test_a_change_set_that_fails_leaves_nothing(self, fresh):
        body = multipart(
            change_set(
                f'POST /v1.1/Things HTTP/1.1\r\n{JSON}{{"name": "n", "description": "d"}}',
                f'POST /v1.1/Things HTTP/1.1\r\n{JSON}{{"name": "n"}}',
            )
        )
        answer = fresh.call("POST", "$batch", data=body, headers=HEAD)
        assert answer.text.count("HTTP/1.1 400 Bad Request") == 1
        assert fresh.values("Things") == []

    def test_json_with_references(self, fresh):
        observation = {"result": 0.4, "phenomenonTime": "2024-01-01T00:00:00Z"}
        stream = DATASTREAM | {
            "Sensor": {"@iot.id": "$s"},
            "Thing": {"@iot.id": "$t"},
            "ObservedProperty": OBSERVED,
        }
        place = station(n=0)["Locations"]
        requests = [
            {"id": "s", "atomicityGroup": "g", "method": "post", "url": "Sensors", "body": SENSOR},
            {
                "id": "t",
                "atomicityGroup": "g",
                "method": "post",
                "url": "Things",
                "body": THING | {"Locations": place},
            },
            {
                "id": "d",
                "atomicityGroup": "g",
                "method": "post",
                "url": "Datastreams",
                "body": stream,
            },
            {"id": "o", "method": "post", "url": "$d/Observations", "body": observation},
            {"id": "g", "method": "get", "url": "$o?$select=result"},
            {"id": "x", "method": "delete", "url": "Things(987654321)"},
        ]
        answers = fresh.call("POST", "$batch", {"requests": requests}).json()["responses"]
        assert [(a["id"], a["status"]) for a in answers] == [
            ("s", 201),
            ("t", 201),
            ("d", 201),
            ("o", 201),
            ("g", 200),
            ("x", 404),
        ]
        assert answers[4]["body"] == {"result": 0.4}
        assert fresh.get(answers[2]["location"])["name"] == "sm10"

    def test_json_groups_are_kept_whole(self, fresh):
        group = [
            {"id": "a", "atomicityGroup": "g", "method": "post", "url": "Things", "body": THING},
            {"id": "b", "atomicityGroup": "g", "method": "post", "url": "Things", "body": {}},
            {"id": "c", "method": "post", "url": "Things", "body": THING},
        ]
        answers = fresh.call("POST", "$batch", {"requests": group}).json()["responses"]
        assert [answer["status"] for answer in answers] == [400, 400, 201]
        assert len(fresh.values("Things")) == 1

    @pytest.mark.parametrize(
        ("body", "media", "status"),
        [
            (b"{}", "application/json", 400),
            (b"[]", "application/json", 400),
            (b'{"requests": [1]}', "application/json", 400),
            (b'{"requests": [{"id": "1"}]}', "application/json", 400),
            (
                b'{"requests": [{"id": "1", "method": "post", "url": "$batch"}]}',
                "application/json",
                400,
            ),
            (b'{"requests": [{"id": "a b", "method": "get", "url": ""}]}', "application/json", 400),
            (b"nothing", "multipart/mixed; boundary=b1", 400),
            (b"nothing", "multipart/mixed", 400),
            (b"--b1\r\n\r\n--b1--", "multipart/mixed; boundary=b1", 400),
            (b"x", "text/plain", 415),
        ],
    )
    def test_batches_that_are_none(self, fresh, body, media, status):
        answer = fresh.call("POST", "$batch", data=body, headers={"Content-Type": media})
        assert answer.status_code == status, answer.text
        assert answer.json()["message"]
