"""What a map of the network is asked for, and how few or strange stations are met."""

import json

import numpy as np
import pytest

from headwater.chapters.network.maps import MapRequest, map_network, write_network_map
from headwater.errors import DataError, StudyError
from headwater.network import open_store
from headwater.network.ingest.geojson import read_geojson
from headwater.network.ingest.load import load_reading
from headwater.study import load_result, read_study
from headwater.study.demo import write_demo


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return read_study(write_demo(tmp_path_factory.mktemp("demo") / "out", small=True))


def store_of(folder, places, days=("2020-06-01", "2020-06-02")):
    """A store of stations at (longitude, latitude), whose moisture grows to the east."""
    store = open_store(folder / "net.db")
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": list(place)},
            "properties": {
                "station": f"S{k}",
                "time": f"{day}T12:00Z",
                "depth": 0.05 if k else 0.1,
                "value": 0.1 + 0.02 * (place[0] - 95) + 0.001 * k,
                "property": "soil_moisture",
                "unit": "m3 m-3",
            },
        }
        for k, place in enumerate(places)
        for day in days
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    load_reading(read_geojson(text), store)
    return store


LINE = [(95.6 + 0.7 * k, 38.0 + 0.3 * (k % 3)) for k in range(8)]


def test_days_pentads_and_periods():
    year = MapRequest("soil_moisture", "2020-01-01", "2020-12-31", step="pentad")
    assert len(year.starts) == 72
    part = MapRequest("soil_moisture", "2020-02-24", "2020-03-02", step="pentad")
    assert [str(day) for day in part.starts] == ["2020-02-24", "2020-02-26", "2020-03-01"]
    assert len(MapRequest("soil_moisture", "2020-02-24", "2020-03-02").starts) == 8
    one = MapRequest("soil_moisture", "2020-02-24", "2020-03-02", depth=0.1, step="period")
    assert len(one.starts) == 1
    assert one.name == "soil_moisture-0.1m-2020-02-24-to-2020-03-02-period"


def test_days_begin_where_the_stations_are():
    east = MapRequest("soil_moisture", "2020-06-01", "2020-06-01", offset=8.0)
    begun = east.instants(east.days).view("datetime64[us]")
    assert str(begun[0])[:16] == "2020-05-31T16:00"


@pytest.mark.parametrize("days", [("2020-06-02", "2020-06-01"), ("June", "July"), ("", "")])
def test_wrong_days_are_told(days):
    with pytest.raises(StudyError, match="first and last day"):
        MapRequest("soil_moisture", *days)


def test_an_unknown_step_is_told():
    with pytest.raises(StudyError, match="unknown step"):
        MapRequest("soil_moisture", "2020-06-01", "2020-06-01", step="week")


def test_stations_at_one_place_are_averaged_and_differing_depths_told(study, tmp_path):
    with store_of(tmp_path, [*LINE, LINE[3]]) as store:
        told = map_network(study, store, MapRequest("soil_moisture", "2020-06-01", "2020-06-02"))
    assert told.data.sizes["station"] == 8
    assert any("share the place" in text for text in told.cautions)
    assert any("differ in depth: 0.05, 0.1 m" in text for text in told.cautions)
    assert any("variogram is hardly known" in text for text in told.cautions)
    twins = [str(name) for name in told.data["station_name"].values if "," in str(name)]
    assert twins == ["S3, S8"]
    cube = told.data["soil_moisture"]
    assert cube.dims == ("time", "y", "x")
    east, west = cube.sel(x=slice(99, None)).mean(), cube.sel(x=slice(None, 97)).mean()
    assert float(east) > float(west)


def test_three_stations_make_no_map(study, tmp_path):
    with (
        store_of(tmp_path, LINE[:3]) as store,
        pytest.raises(DataError, match="too few stations to map"),
    ):
        map_network(study, store, MapRequest("soil_moisture", "2020-06-01", "2020-06-01"))


def test_what_is_written_is_read(study, tmp_path):
    with store_of(tmp_path, LINE) as store:
        told = map_network(study, store, MapRequest("soil_moisture", "2020-06-01", "2020-06-03"))
    assert told.data["stations"].values.tolist() == [8, 8, 0]
    assert np.isnan(told.data["soil_moisture"][2]).all()
    assert any("1 of 3 times have no map" in text for text in told.cautions)
    files = write_network_map(tmp_path / "maps" / "here", "m", told)
    assert sorted(file.name for file in files) == [
        "m.json",
        "m.nc",
        "m.soil_moisture.png",
        "m.soil_moisture.tif",
        "m.standard_error.png",
        "m.standard_error.tif",
    ]
    again = load_result(tmp_path / "maps", "here/m")
    np.testing.assert_array_equal(again.data["soil_moisture"], told.data["soil_moisture"])
    assert again.quantity == "soil_moisture"
    assert again.cautions == told.cautions
    drawn = [axes.get_title(loc="left") for axes in again.plot().figure.axes]
    assert any("2020-06-01 to 2020-06-03, mean of 2 maps" in title for title in drawn)
