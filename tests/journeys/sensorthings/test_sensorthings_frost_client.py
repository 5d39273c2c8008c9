"""A client that others wrote, unchanged: frost-sta-client from PyPI."""

import datetime as dt

import pytest

from .conftest import station

fsc = pytest.importorskip("frost_sta_client")
geojson = pytest.importorskip("geojson")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def whole_station():
    unit = fsc.UnitOfMeasurement(name="percent", symbol="%", definition="http://x.org/percent")
    sensor = fsc.Sensor(name="5TM", description="p", encoding_type="text/plain", metadata="sheet")
    observed = fsc.ObservedProperty(
        name="soil moisture", definition="http://x.org", description="w"
    )
    stream = fsc.Datastream(
        name="sm10",
        description="10 cm",
        observation_type="http://x.org/OM_Measurement",
        unit_of_measurement=unit,
        sensor=sensor,
        observed_property=observed,
    )
    place = fsc.Location(
        name="meadow",
        description="slope",
        encoding_type="application/geo+json",
        location=geojson.Point((97.5, 35.1)),
    )
    thing = fsc.Thing(name="upper", description="station", properties={"slope": 12.5})
    thing.locations, thing.datastreams = (
        fsc.model.ext.entity_list.EntityList(entity_class=kind, entities=[entity])
        for kind, entity in (
            ("frost_sta_client.model.location.Location", place),
            ("frost_sta_client.model.datastream.Datastream", stream),
        )
    )
    return thing


def test_creates_reads_filters_changes_and_deletes(fresh):
    service = fsc.SensorThingsService(fresh.url)
    thing = whole_station()
    service.create(thing)
    (stream,) = service.things().find(thing.id).get_datastreams().query().list().entities
    assert stream.name == "sm10"
    assert stream.unit_of_measurement.symbol == "%"

    for hour in range(30):
        time = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        reading = fsc.Observation(
            phenomenon_time=time.isoformat(), result=hour / 10, datastream=stream
        )
        service.create(reading)
    assert reading.id.startswith(f"{stream.id}@")

    wet = service.observations().query().filter("result gt 2.0 and Datastream/name eq 'sm10'")
    found = wet.orderby("phenomenonTime", "desc").top(4).count().list()
    assert found.count == 9
    assert [entry.result for entry in found] == [k / 10 for k in range(29, 20, -1)]

    thing.description = "renamed"
    thing.locations = thing.datastreams = None
    service.update(thing)
    service.patch(thing, [{"op": "replace", "path": "/properties/slope", "value": 3}])
    again = service.things().find(thing.id)
    assert (again.description, again.properties) == ("renamed", {"slope": 3})
    (place,) = service.locations().query().list().entities
    assert place.location["coordinates"] == [97.5, 35.1]

    service.delete(reading)
    assert service.observations().query().count().list().count == 29
    service.delete(again)
    assert service.observations().query().count().list().count == 0


def test_sends_data_arrays(fresh):
    fresh.post("Things", station(n=0))
    service = fsc.SensorThingsService(fresh.url)
    (stream,) = service.datastreams().query().list().entities
    table = fsc.model.ext.data_array_value.DataArrayValue()
    table.components = {table.Property.PHENOMENON_TIME, table.Property.RESULT}
    table.datastream = stream
    for hour in range(5):
        table.add_observation(
            fsc.Observation(
                phenomenon_time=f"2024-01-01T{hour:02}:00:00Z", result=hour, datastream=stream
            )
        )
    document = fsc.model.ext.data_array_document.DataArrayDocument()
    document.add_data_array_value(table)
    links = service.observations().create(document)
    assert len(links) == 5
    assert [item["result"] for item in fresh.values("Observations")] == [0, 1, 2, 3, 4]


class Units(list):
    """Units of several quantities: the client asks the list itself for what it sends."""

    def __getstate__(self):
        return [unit.__getstate__() for unit in self]


def test_several_quantities_in_one_stream(fresh):
    service = fsc.SensorThingsService(fresh.url)
    units = Units(
        fsc.UnitOfMeasurement(name=name, symbol=name, definition=f"http://x.org/{name}")
        for name in ("percent", "celsius")
    )
    observed = [
        fsc.ObservedProperty(name=name, definition=f"http://x.org/{name}", description="d")
        for name in ("soil moisture", "soil temperature")
    ]
    thing = fsc.Thing(name="upper", description="station")
    service.create(thing)
    stream = fsc.MultiDatastream(
        name="both",
        description="d",
        observation_type="http://x.org/OM_ComplexObservation",
        multi_observation_data_types=["http://x.org/OM_Measurement"] * 2,
        unit_of_measurements=units,
        sensor=fsc.Sensor(name="5TM", description="d", encoding_type="text/plain", metadata="m"),
        observed_properties=observed,
        thing=thing,
    )
    service.create(stream)
    hour = "2024-01-01T00:00:00Z/2024-01-01T01:00:00Z"
    reading = fsc.Observation(phenomenon_time=hour, result=[31.0, 4.5], multi_datastream=stream)
    service.create(reading)
    again = service.multi_datastreams().find(stream.id)
    assert [unit["symbol"] for unit in again.unit_of_measurements] == ["percent", "celsius"]
    names = [entry.name for entry in again.get_observed_properties().query().list()]
    assert names == ["soil moisture", "soil temperature"]
    (found,) = again.get_observations().query().list()
    assert (found.result, found.phenomenon_time) == ([31.0, 4.5], hour)


def test_is_told_what_is_wrong(fresh):
    requests = pytest.importorskip("requests")
    service = fsc.SensorThingsService(fresh.url)
    with pytest.raises(requests.exceptions.HTTPError) as error:
        service.things().find(987654321)
    assert "no such Thing" in error.value.response.json()["message"]
