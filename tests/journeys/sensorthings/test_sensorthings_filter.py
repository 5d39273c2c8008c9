"""OGC 18-088, section 9.3.3.5 and tables 20 and 21: every operator and function of $filter."""

import pytest

from .conftest import station

AREA = "geography'POLYGON((97 35, 97.6 35, 97.6 36, 97 36, 97 35))'"


@pytest.fixture(scope="module")
def filled(service):
    first = station("station 1")
    first["Datastreams"][0]["Observations"] += [
        {
            "phenomenonTime": "2024-01-02T00:00:00Z/2024-01-02T06:00:00Z",
            "result": "wet",
            "resultTime": "2024-01-02T06:00:01.250Z",
            "resultQuality": {"flag": "G"},
        },
        {"phenomenonTime": "2024-02-29T12:30:45.5+08:00", "result": {"mean": 0.3, "n": 12}},
        {
            "phenomenonTime": "1969-12-31T23:59:59.750Z",
            "result": True,
            "validTime": "2024-01-01T00:00:00Z/2024-06-01T00:00:00Z",
        },
    ]
    service.post("Things", first)
    other = station("Station'two", coordinates=(97.9, 35.4), offset=0.5)
    other["properties"] = {"slope": 3, "aspect": "south", "deep": {"a b": [10, {"x": "y"}]}}
    other["description"] = "  fenced  "
    service.post("Things", other)
    return service


def count(service, path, text):
    return service.get(path, filter=text, count="true", top=0)["@iot.count"]


OBSERVATIONS = [
    # comparison
    ("result eq 0.2", 1),
    ("result ne 0.2", 50),
    ("result gt 0.2", 27),
    ("result ge 0.2", 28),
    ("result lt 0.2", 20),
    ("result le 0.2", 21),
    ("0.2 ge result", 21),
    ("result gt -1", 48),
    ("result eq 'wet'", 1),
    ("result eq true", 1),
    ("result/mean lt 0.31", 1),
    ("result/n eq 12", 1),
    ("result eq null", 0),
    ("resultTime eq null", 2),
    ("resultTime ne null", 49),
    ("resultQuality/flag eq 'G'", 1),
    ("parameters/hour eq 5", 2),
    ("parameters/hour gt 21", 4),
    # logic
    ("result gt 0.2 and result lt 0.23", 2),
    ("result lt 0.01 or result gt 0.72", 2),
    ("not (result gt 0.2)", 24),
    ("not result gt 0.2 and result lt 1", 21),
    ("result gt 0.7 or result lt 0.01 and parameters/hour eq 0", 4),
    ("(result gt 0.7 or result lt 0.01) and parameters/hour eq 0", 1),
    # arithmetic
    ("result add 0.5 eq 0.7", 1),
    ("result sub 0.5 gt 0.195", 4),
    ("result mul 10 gt 7", 3),
    ("result div 2 gt 0.36", 1),
    ("parameters/hour mod 6 eq 0", 8),
    ("result div 0 eq 1", 0),
    ("parameters/hour mul 2 add 1 eq 7", 2),
    ("1 add 2 mul 3 eq 7", 51),
    ("5 div 2 eq 2.5", 51),
    ("-3 lt -2", 51),
    ("6 sub 3 sub 1 eq 2", 51),
    # time
    ("phenomenonTime eq 2024-01-01T05:00:00Z", 2),
    ("phenomenonTime eq 2024-01-01T13:00:00+08:00", 2),
    ("phenomenonTime lt 2024-01-01T02:00:00Z", 5),
    ("phenomenonTime ge 2024-01-01T22:00:00Z", 6),
    ("phenomenonTime gt 2024-01-02T00:00:00Z", 1),
    ("phenomenonTime ge 2024-01-02T00:00:00Z", 2),
    ("phenomenonTime lt 2024-01-02T06:00:00Z", 50),
    ("phenomenonTime lt 2024-01-02T03:00:00Z", 49),
    ("phenomenonTime eq 2024-01-02T00:00:00Z/2024-01-02T06:00:00Z", 1),
    ("phenomenonTime gt 2024-01-01T00:00:00Z/2024-01-01T22:00:00Z", 6),
    ("phenomenonTime gt 2024-01-02", 1),
    ("2024-01-02 lt phenomenonTime", 1),
    ("validTime eq null", 50),
    ("validTime gt 2023-12-31T00:00:00Z", 1),
    ("year(phenomenonTime) eq 1969", 1),
    ("month(phenomenonTime) eq 2", 1),
    ("day(phenomenonTime) eq 29", 1),
    ("hour(phenomenonTime) eq 4", 3),
    ("minute(phenomenonTime) eq 30", 1),
    ("second(phenomenonTime) eq 59", 1),
    ("fractionalseconds(phenomenonTime) eq 0.75", 1),
    ("fractionalseconds(resultTime) eq 0.25", 1),
    ("date(phenomenonTime) eq 2024-02-29", 1),
    ("date(phenomenonTime) eq 1969-12-31", 1),
    ("time(phenomenonTime) lt 02:00:00", 5),
    ("time(phenomenonTime) eq 04:30:45.5", 1),
    ("totaloffsetminutes(phenomenonTime) eq 0", 51),
    ("phenomenonTime lt now()", 51),
    ("resultTime gt now()", 0),
    ("phenomenonTime gt mindatetime() and phenomenonTime lt maxdatetime()", 51),
    ("phenomenonTime add duration'PT1H' eq 2024-01-01T05:00:00Z", 2),
    ("resultTime sub phenomenonTime eq duration'PT10M'", 48),
    ("phenomenonTime gt now() sub duration'P36500D'", 51),
    # text and numbers
    ("round(result mul 10) eq 2", 9),
    ("floor(result mul 10) eq 2", 4),
    ("ceiling(result mul 10) eq 2", 10),
    ("length(result) eq 3", 1),
    # through links
    ("Datastream/Thing/name eq 'station 1'", 27),
    ("not Datastream/Thing/name eq 'station 1'", 24),
    ("Datastream/Thing/name eq 'station 1' and result gt 0.2", 3),
    ("Datastream/Thing/properties/slope gt 5 and result eq 0.1", 1),
    ("Datastream/unitOfMeasurement/symbol eq 'm3 m-3'", 51),
    ("Datastream/properties/depth/value eq 10", 51),
    ("Datastream/Sensor/name ne '5TM'", 0),
    ("Datastream/ObservedProperty/name eq 'soil moisture'", 51),
    ("MultiDatastream/id gt 0", 0),
    ("result gt Datastream/properties/depth/value", 0),
    ("result lt Datastream/Thing/properties/slope", 48),
    ("FeatureOfInterest/name eq 'upper meadow'", 51),
    (f"st_within(FeatureOfInterest/feature, {AREA})", 27),
    (f"not st_within(FeatureOfInterest/feature, {AREA})", 24),
    (f"st_within(Datastream/observedArea, {AREA}) and result gt 0.2", 3),
]

THINGS = [
    ("name eq 'station 1'", 1),
    ("name eq 'Station''two'", 1),
    ("name ne 'x'", 2),
    ("name gt 'a'", 1),
    ("substringof('tion', name)", 2),
    ("substringof('two', name)", 1),
    ("contains(name, ' 1')", 1),
    ("startswith(name, 'st')", 1),
    ("startswith(name, '%')", 0),
    ("endswith(name, '1')", 1),
    ("endswith('1', name)", 0),
    ("length(name) eq 9", 1),
    ("indexof(name, 'tion') eq 3", 2),
    ("indexof(name, 'q') eq -1", 2),
    ("substring(name, 8) eq '1'", 1),
    ("substring(name, 1, 3) eq 'tat'", 2),
    ("tolower(name) eq 'station''two'", 1),
    ("toupper(name) eq 'STATION 1'", 1),
    ("toupper('é') eq 'É' and tolower('ÄÖ') eq 'äö'", 2),
    ("trim(description) eq 'fenced'", 1),
    ("concat(concat(name, '-'), 'x') eq 'station 1-x'", 1),
    ("properties/slope gt 5", 1),
    ("properties/slope lt 12.6", 2),
    ("properties/slope eq '3'", 1),
    ("properties/aspect eq 'north'", 1),
    ("properties/grazed", 1),
    ("properties/grazed eq true", 1),
    ("not properties/grazed", 0),
    ("properties/tags/1 eq 'b'", 1),
    ("properties/tags[0] eq 'a'", 1),
    ("properties/slope in ('12.5', 'steep')", 1),
    ("properties/slope gt '1'", 0),
    ("properties/grazed eq Datastreams/Thing/properties/grazed", 1),
    ("Datastreams/Observations/id eq null", 0),
    ("Locations/HistoricalLocations/Thing/name eq null", 0),
    ("Datastreams/Thing/id eq null", 0),
    ("properties/nothing eq null", 2),
    ("properties/aspect ne null", 2),
    ("properties/aspect eq name", 0),
    ("startswith(properties/aspect, 'so')", 1),
    ("Datastreams/name eq 'station 1 sm10'", 1),
    ("Datastreams/Observations/result gt 0.7", 1),
    (f"st_within(Locations/location, {AREA})", 1),
    ("Datastreams/Sensor/properties/depth eq 10", 2),
    ("id gt 0", 2),
    ("Datastreams/phenomenonTime gt 2024-01-01T00:00:00Z", 0),
    ("Datastreams/phenomenonTime ge 2024-01-01T00:00:00Z", 1),
    ("Datastreams/phenomenonTime ge '2024-01-01T00:00:00Z'", 1),
    ("true", 2),
    ("false", 0),
    ("name eq 'station 1' eq true", 1),
]

LOCATIONS = [
    (f"geo.intersects(location, {AREA})", 1),
    (f"st_intersects({AREA}, location)", 1),
    (f"st_within(location, {AREA})", 1),
    (f"st_contains({AREA}, location)", 1),
    (f"st_disjoint(location, {AREA})", 1),
    (f"st_touches(location, {AREA})", 0),
    (f"st_overlaps(location, {AREA})", 0),
    (f"st_crosses(location, {AREA})", 0),
    ("st_equals(location, geography'POINT(97.5 35.1)')", 1),
    (f"st_relate(location, {AREA}, 'T*F**F***')", 1),
    ("geo.distance(location, geography'POINT(97.5 35)') lt 0.11", 1),
    ("geo.distance(location, geometry'SRID=4326;POINT(97.5 35)') ge 0.11", 1),
    ("geo.length(location) eq 0", 2),
    ("location/type eq 'Point'", 2),
    ("Things/MultiDatastreams/id eq null", 2),
    ("location/coordinates/0 gt 97.6", 1),
]


@pytest.mark.parametrize(("text", "expected"), OBSERVATIONS)
def test_observations(filled, text, expected):
    assert count(filled, "Observations", text) == expected
    assert len(filled.values("Observations", filter=text, top=100)) == expected


@pytest.mark.parametrize(("text", "expected"), THINGS)
def test_things(filled, text, expected):
    assert count(filled, "Things", text) == expected


@pytest.mark.parametrize(("text", "expected"), LOCATIONS)
def test_geometries(filled, text, expected):
    assert count(filled, "Locations", text) == expected


def test_identifiers_of_observations(filled):
    (first,) = filled.values("Observations", top=1)
    assert count(filled, "Observations", f"id eq '{first['@iot.id']}'") == 1
    assert count(filled, "Observations", f"@iot.id ne '{first['@iot.id']}'") == 50
    assert count(filled, "Observations", "id eq 'nonsense'") == 0
    assert count(filled, "Observations", f"startswith(id, '{first['@iot.id'][:2]}')") == 27


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("nothing eq 1", "no property"),
        ("name eq", "missing"),
        ("name eq 'a", "sign"),
        ("name eq 'a' and", "missing"),
        ("(name eq 'a'", "missing"),
        ("name eq 'a')", "left over"),
        ("nofunction(name)", "unknown function"),
        ("length(name, name) eq 1", "takes 1"),
        ("name add 1 eq 2", "number"),
        ("name gt 2024-01-01T00:00:00Z", "text"),
        ("name", "true or false"),
        ("1 add 1", "true or false"),
        ("name/first eq 'a'", "inside"),
        ("Datastreams eq 1", "no property"),
        ("year(name) eq 2024", "time"),
        ("st_within(name, geography'POINT(1 1)')", "geometry"),
        ("name eq \x00", "zero byte"),
        ("st_within(Locations/location, geography'POINT(1')", "well-known"),
        ("Datastreams/phenomenonTime gt 2024-01-01T00:00:00", "zone"),
        ("name eq 'a' or " * 900 + "name eq 'b'", "too long"),
        ("(" * 80 + "1", "deep"),
        ("not " * 80 + "true", "deep"),
        ("1" + " add 1" * 60 + " eq 1", "terms"),
        ("Datastreams/phenomenonTime lt 2024-13-01T00:00:00Z", "time"),
        ("properties/a%22b eq 1", "sign"),
        ("length(name) eq 1e999", "beyond"),
    ],
)
def test_wrong_expressions_are_told_in_a_sentence(filled, text, word):
    assert word in filled.refused("GET", "Things", filter=text)


def test_text_of_users_never_becomes_sql(filled):
    for text in ("x'' OR 1=1 --", "''; DROP TABLE things; --", "%", "_tation 1", '"; SELECT'):
        assert count(filled, "Things", f"name eq '{text}'") == 0
    for text in ("properties/x)--(y eq 1", "properties/a;b eq 1"):
        assert filled.refused("GET", "Things", filter=text)
    assert count(filled, "Things", "name ne null") == 2
