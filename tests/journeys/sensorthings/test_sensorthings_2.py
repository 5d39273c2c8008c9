"""SensorThings 2.0 (OGC 23-019) to read: the same stations in the words of the later standard."""

import pytest

from .conftest import MEASUREMENT, OBSERVED, SENSOR, UNIT, Client, station

CELSIUS = {"name": "degree Celsius", "symbol": "°C", "definition": None}


@pytest.fixture(scope="module")
def later(service):
    """One station of four hours with a record of two quantities besides; served as 2.0."""
    thing = service.post("Things", station("one", n=4))
    body = {
        "name": "both",
        "description": "",
        "unitOfMeasurements": [
            UNIT,
            {"name": "degree Celsius", "symbol": "°C", "definition": None},
        ],
        "multiObservationDataTypes": [MEASUREMENT] * 2,
        "Thing": {"@iot.id": thing},
        "Sensor": SENSOR,
        "ObservedProperties": [OBSERVED, OBSERVED | {"name": "temperature"}],
    }
    both = service.post("MultiDatastreams", body)
    interval = "2024-01-02T00:00:00Z/2024-01-02T01:00:00Z"
    service.post(
        f"MultiDatastreams({both})/Observations",
        {"phenomenonTime": interval, "result": [0.3, 4.5], "parameters": {"sky": "clear"}},
    )
    return Client(service.url.replace("/v1.1", "/v2.0"), service.store)


def test_the_service_document_and_its_metadata(later):
    found = later.get("")
    assert found["@context"] == f"{later.url}/$metadata"
    names = {entry["name"] for entry in found["value"]}
    assert names >= {"Things", "Datastreams", "Features", "FeatureTypes"}
    assert "MultiDatastreams" not in names
    settings = found["serverSettings"]
    assert settings["http://www.opengis.net/spec/sensorthings/2.0/req/binding/http"] == {
        "endpoints": [later.url]
    }
    assert {"any", "st_within", "year"} <= set(settings["functions"])
    model = later.get("$metadata")["org.OGC.STA"]
    assert model["Observation"]["Datastream"]["$Type"] == "org.OGC.STA.Datastream"
    for name in names:
        assert later.get(name, top=1)["@context"] == f"{later.url}/$metadata#{name}"


def test_every_link_of_every_entity_leads_somewhere(later):
    seen = 0
    for name in ("Things", "Locations", "HistoricalLocations", "Datastreams", "Features"):
        for item in later.values(name):
            assert later.get(item["@id"])["id"] == item["id"]
            assert not any("@iot." in key for key in item)
            for key, address in item.items():
                if key.endswith("@navigationLink"):
                    status = later.call("GET", address).status_code
                    assert status == 200 or (status, item["name"]) == (404, "both"), address
                    seen += 1
    assert seen > 15


def test_times_have_a_start_and_an_end(later):
    instant, *_, interval = later.values("Observations", orderby="phenomenonTime/start")
    assert instant["phenomenonTime"] == {"start": "2024-01-01T00:00:00Z"}
    assert interval["phenomenonTime"] == {
        "start": "2024-01-02T00:00:00Z",
        "end": "2024-01-02T01:00:00Z",
    }
    assert interval["result"] == [0.3, 4.5]
    assert interval["properties"] == {"sky": "clear"}
    text = "phenomenonTime/start ge 2024-01-01T02:00:00Z and phenomenonTime/end eq null"
    assert later.get("Observations", filter=text, count="true", top=0)["@count"] == 2


def test_datastreams_say_what_their_results_are(later):
    one, both = later.values("Datastreams", orderby="id", expand="ObservedProperties")
    (observed,) = one["ObservedProperties"]
    assert one["resultType"] == {
        "type": "Quantity",
        "label": "soil moisture",
        "definition": f"ObservedProperties({observed['id']})",
        "uom": {"href": UNIT["definition"], "label": UNIT["name"], "symbol": UNIT["symbol"]},
    }
    assert one["phenomenonTime"]["end"] == "2024-01-01T03:00:00Z"
    assert "resultEncoding" not in one
    fields = both["resultType"]["fields"]
    assert [field["label"] for field in fields] == ["soil moisture", "temperature"]
    assert fields[1]["uom"] == {"label": "degree Celsius", "symbol": "°C"}
    assert both["resultEncoding"] == {"type": "JSONEncoding", "recordsAsArrays": True}
    assert len(both["ObservedProperties"]) == 2
    assert later.names("Datastreams", filter="resultType/type eq 'Quantity'") == ["one sm10"]
    assert later.names("Datastreams", filter="resultType/type eq 'DataRecord'") == ["both"]
    symbol = UNIT["symbol"]
    assert later.names("Datastreams", filter=f"resultType/uom/symbol eq '{symbol}'") == ["one sm10"]
    later.refused("GET", "Datastreams", filter="resultType/fields eq 'x'", status=501)


def test_options_nested_in_expand(later):
    expand = (
        "Datastreams($orderby=id;$top=1;$count=true;$expand=Observations($top=1;$select=result))"
    )
    (thing,) = later.values("Things", expand=expand, select="name")
    assert thing["Datastreams@count"] == 2
    assert thing["Datastreams@nextLink"].startswith(later.url)
    (stream,) = thing["Datastreams"]
    assert stream["Observations"] == [{"result": 0.0}]
    assert set(thing) == {"name", "Datastreams", "Datastreams@count", "Datastreams@nextLink"}
    (other,) = later.values(thing["Datastreams@nextLink"])
    assert other["name"] == "both"


def test_properties_references_and_formats(later):
    (thing,) = later.values("Things")
    path = f"Things({thing['id']})"
    assert later.get(f"{path}/name") == {
        "@context": f"{later.url}/$metadata#Edm.String",
        "value": "one",
    }
    assert later.call("GET", f"{path}/name/$value").text == "one"
    streams = [f"{later.url}/Datastreams({s['id']})" for s in later.values("Datastreams")]
    assert later.values(f"{path}/Datastreams/$ref") == [{"@id": address} for address in streams]
    assert later.get(f"{streams[0]}/Thing/$ref")["@id"] == thing["@id"]
    none = later.get("Things", format="application/json;metadata=none", count="true", top=1)
    assert none["@count"] == 1
    assert not any("@" in key for key in none["value"][0])
    assert "@context" not in none
    later.refused("GET", "Things", format="text/csv", status=501)
    later.refused("GET", "Things", resultFormat="CSV")


def test_features_have_their_role_by_the_link(later):
    (feature,) = later.values("Features", filter="Observations/any(o: o/result eq 0.01)")
    path = f"Features({feature['id']})"
    assert later.get(f"{path}/Observations", count="true", top=0)["@count"] == 5
    assert later.names(f"{path}/DatastreamsProximate", orderby="id") == ["one sm10", "both"]
    assert later.values(f"{path}/DatastreamsUltimate") == []
    assert later.values("FeatureTypes") == []


def test_it_is_served_to_read(later):
    assert "v1.1" in later.refused("POST", "Things", {"name": "x"}, status=405)
    later.refused("GET", "MultiDatastreams", status=404)
    later.refused("GET", "Things(999)", status=404)
    assert later.call("HEAD", "Things").status_code == 200
