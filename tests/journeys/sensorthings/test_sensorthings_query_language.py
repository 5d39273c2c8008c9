"""What clients ask for beyond the core of 18-088: lambdas, lists, relations of times, tables.

The behaviour asserted is that of OData 4.0 (any, all, in, $ref) and of SensorThings 2.0 (relations
of times), as servers that are in wide use answer it; the tests are written anew.
"""

import csv
import io

import pytest

from .conftest import LOCATION, station


@pytest.fixture(scope="module")
def ids(service):
    """Two stations of two and three hours; the second stands elsewhere."""
    first = service.post("Things", station("one", n=2))
    other = service.post("Things", station("two", n=3, coordinates=(10.0, 45.0), offset=0.5))
    return first, other


class TestFilter:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("Datastreams/any(d:d/name eq 'one sm10')", ["one"]),
            ("Datastreams/any(d: d/Observations/any(o: o/result gt 0.4))", ["two"]),
            ("Datastreams/all(d: d/name eq 'one sm10')", ["one"]),
            ("not Datastreams/any(d: d/name eq 'one sm10')", ["two"]),
            ("Datastreams/any()", ["one", "two"]),
            ("Datastreams/Observations/any(o: o/result eq 0.52)", ["two"]),
            ("Locations/any(l: l/name eq 'upper meadow') and name eq 'two'", ["two"]),
            # what does not begin with the variable is of what stands outside
            ("Datastreams/any(d: startswith(d/name, name) and name ne 'one')", ["two"]),
            (
                "Datastreams/any(d: d/Observations/any(o:"
                " o/result gt properties/slope div 25 and o/phenomenonTime ge d/phenomenonTime))",
                ["two"],
            ),
            ("name in ('one', 'three')", ["one"]),
            ("'b' in properties/tags and name eq 'one'", ["one"]),
            ("'c' in properties/tags or 'a' in properties/aspect", []),
            ("cast(properties/slope, Edm.Decimal) gt 12", ["one", "two"]),
            ("cast(properties/aspect, Edm.Double) ne null", []),
            ("name in ('one','two') and properties/grazed eq true", ["one", "two"]),
        ],
    )
    def test_of_things(self, service, ids, text, names):
        assert sorted(service.names("Things", filter=text)) == names

    @pytest.mark.parametrize("zone", ["'Mars/Base'", "'../etc'", "'Asia'", "'+99:00'", "8"])
    def test_zones_that_are_none(self, service, ids, zone):
        text = f"hour(phenomenonTime, {zone}) eq 1"
        assert "time zone" in service.refused("GET", "Observations", filter=text)

    def test_through_a_link_to_one(self, service, ids):
        text = "Datastream/Thing/Locations/any(l: l/name eq 'upper meadow')"
        assert service.get("Observations", filter=text, count="true")["@iot.count"] == 5
        text = "Datastream/Thing/Locations/any(l: l/name eq 'x')"
        assert service.get("Observations", filter=text, count="true")["@iot.count"] == 0

    @pytest.mark.parametrize(
        ("text", "n"),
        [
            ("before(phenomenonTime, 2024-01-01T01:00:00Z)", 2),
            ("after(phenomenonTime, 2024-01-01T01:00:00Z)", 1),
            ("during(phenomenonTime, 2024-01-01T00:00:00Z/2024-01-01T01:00:00Z)", 2),
            ("overlaps(phenomenonTime, 2024-01-01T01:00:00Z/2024-01-01T05:00:00Z)", 3),
            ("starts(phenomenonTime, 2024-01-01T01:00:00Z/2024-01-01T05:00:00Z)", 2),
            ("finishes(phenomenonTime, 2023-01-01T01:00:00Z/2024-01-01T01:00:00Z)", 2),
            ("result in (0.01, 0.52)", 2),
            ("during(phenomenonTime, interval(2024-01-01T00:00:00Z, duration'PT2H'))", 4),
            # the calendar of a zone, also where 1 January is still the last of December
            ("hour(phenomenonTime, 'Asia/Shanghai') eq 9", 2),
            ("hour(phenomenonTime, '+08:00') eq 9", 2),
            ("year(phenomenonTime, '-03:30') eq 2023", 5),
            ("date(phenomenonTime, 'America/Santiago') eq 2023-12-31", 5),
            ("time(phenomenonTime, 'Europe/Berlin') eq 03:00:00", 1),
            ("totaloffsetminutes(phenomenonTime, '-03:30') eq -210", 5),
            ("totaloffsetminutes(phenomenonTime, 'Europe/Berlin') eq 60", 5),
        ],
    )
    def test_of_observations(self, service, ids, text, n):
        assert len(service.values("Observations", filter=text)) == n

    @pytest.mark.parametrize(
        "text",
        [
            "Datastreams/any(d: e/name eq 'x')",
            "Datastreams/any(d: Datastreams/any(e: e/name eq 'x'))",
            "Datastreams/any(d)",
            "name/any(d: d eq 1)",
            "name in ()",
            "name in 'a'",
            "1 in name",
            "cast(name, Edm.Nothing) eq 1",
            "before(phenomenonTime)",
        ],
    )
    def test_what_makes_no_sense_is_refused(self, service, ids, text):
        answer = service.call("GET", "Things", filter=text)
        assert answer.status_code in (400, 501)


class TestOrderSelectExpand:
    def test_by_an_expression(self, service, ids):
        found = service.values("Observations", orderby="result mul -1", top=10)
        results = [item["result"] for item in found]
        assert results == sorted(results, reverse=True)
        page = service.get("Observations", orderby="length(Datastream/name) desc,result", top=2)
        seen = [o["result"] for o in page["value"]]
        while "@iot.nextLink" in page:
            page = service.get(page["@iot.nextLink"])
            seen += [o["result"] for o in page["value"]]
        assert seen == sorted(seen)
        assert len(seen) == 5

    def test_by_distance(self, service, ids):
        for way, names in (("", ["two", "one"]), (" desc", ["one", "two"])):
            order = f"geo.distance(location, geography'POINT(10 45)'){way}"
            page = service.get("Locations", orderby=order, top=1, expand="Things")
            page["value"] += service.values(page["@iot.nextLink"])
            assert [item["Things"][0]["name"] for item in page["value"]] == names

    def test_parts_of_properties(self, service, ids):
        found = service.get(f"Things({ids[0]})", select="name,properties/slope")
        assert found == {"name": "one", "properties": {"slope": 12.5}}
        (stream,) = service.values(
            f"Things({ids[0]})/Datastreams", select="unitOfMeasurement/symbol"
        )
        assert stream == {"unitOfMeasurement": {"symbol": "m3 m-3"}}

    def test_options_on_the_way(self, service, ids):
        expand = "Datastreams($select=name)/Observations($select=result;$top=1;$orderby=result)"
        found = service.get(f"Things({ids[1]})", expand=expand)
        (stream,) = found["Datastreams"]
        assert stream["name"] == "two sm10"
        assert stream["Observations"] == [{"result": 0.5}]
        assert "description" not in stream


class TestTables:
    def test_csv(self, service, ids):
        path = f"Things({ids[1]})/Datastreams"
        expand = "Observations($select=result,phenomenonTime)"
        answer = service.call("GET", path, select="name", expand=expand, resultFormat="CSV")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [float(row["Observations/result"]) for row in rows] == [0.5, 0.51, 0.52]
        assert {row["name"] for row in rows} == {"two sm10"}
        one = service.call("GET", "Observations", top=1, resultFormat="csv")
        assert 'rel="next"' in one.headers["Link"]

    def test_geojson(self, service, ids):
        answer = service.call("GET", "Things", expand="Locations", resultFormat="GeoJSON")
        assert answer.headers["content-type"].startswith("application/geo+json")
        collection = answer.json()
        places = [feature["geometry"]["coordinates"] for feature in collection["features"]]
        assert places == [[97.5, 35.1], [10.0, 45.0]]
        assert collection["features"][0]["properties"]["properties/slope"] == 12.5

    def test_unknown_formats(self, service, ids):
        service.refused("GET", "Things", resultFormat="xml", status=501)
        service.refused("GET", "Things", resultFormat="dataArray")


class TestMaps:
    """Requests as QGIS makes them: count by kind of geometry, then pages of an extent."""

    KIND = "{0}/type eq '{1}' or {0}/geometry/type eq '{1}'"

    @pytest.mark.parametrize(
        ("path", "shape", "n"),
        [
            ("Locations", "location", 2),
            ("FeaturesOfInterest", "feature", 2),
            ("Datastreams", "observedArea", 2),
        ],
    )
    def test_counts_by_kind_of_geometry(self, service, ids, path, shape, n):
        for kind, expected in (("Point", n), ("Polygon", 0), ("MultiLineString", 0)):
            text = self.KIND.format(shape, kind)
            found = service.get(path, filter=text, top=0, count="true")
            assert found == {"@iot.count": expected, "value": []}

    def test_reads_pages_of_an_extent_with_what_belongs_to_it(self, service, ids):
        extent = "Polygon((9 44, 11 44, 11 46, 9 46, 9 44))"
        kind = self.KIND.format("location", "Point")
        inner = "$orderby=id;$top=1000;$expand=Datastreams($orderby=id;$top=1000)"
        found = service.values(
            "Locations",
            filter=f"({kind}) and geo.intersects(location, geography'{extent}')",
            expand=f"Things({inner})",
            top=200,
            count="false",
        )
        (thing,) = found[0]["Things"]
        assert (thing["name"], thing["Datastreams"][0]["name"]) == ("two", "two sm10")


class TestReferencesAndDeletes:
    def test_links_are_made_and_undone(self, fresh):
        thing = fresh.post("Things", station("one", n=0))
        other = fresh.post("Locations", LOCATION | {"name": "below"})
        path = f"Things({thing})/Locations"
        body = {"@id": f"{fresh.url}/Locations({other})"}
        assert fresh.call("POST", f"{path}/$ref", body).status_code == 204
        assert fresh.names(path) == ["below"]
        assert fresh.call("DELETE", f"{path}({other})/$ref").status_code == 204
        assert fresh.names(path) == []
        assert fresh.get(f"Locations({other})")["name"] == "below"
        (stream,) = fresh.values(f"Things({thing})/Datastreams")
        sensor = fresh.post(
            "Sensors",
            {"name": "new", "description": "", "encodingType": "text/plain", "metadata": "m"},
        )
        one = f"Datastreams({stream['@iot.id']})/Sensor"
        assert fresh.call("PUT", f"{one}/$ref", {"@iot.id": sensor}).status_code == 204
        assert fresh.get(one)["name"] == "new"
        fresh.refused("DELETE", f"{one}/$ref")

    def test_a_filter_chooses_what_is_deleted(self, fresh):
        thing = fresh.post("Things", station("one", n=24))
        (stream,) = fresh.values(f"Things({thing})/Datastreams")
        path = f"Datastreams({stream['@iot.id']})/Observations"
        assert fresh.call("DELETE", path, filter="result ge 0.1").status_code == 200
        assert fresh.get(path, count="true")["@iot.count"] == 10
        assert fresh.get(f"Datastreams({stream['@iot.id']})")["phenomenonTime"].endswith(
            "2024-01-01T09:00:00Z"
        )
        fresh.refused("DELETE", path, status=405)
        fresh.refused("DELETE", path, top=3)
