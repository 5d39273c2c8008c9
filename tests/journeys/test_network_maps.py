"""From stations to maps and from maps to stations, by the command line, on a virtual headwater."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

from headwater.chapters.warning.options import StationWarningOptions
from headwater.chapters.warning.stations import read_stations
from headwater.errors import DataError
from headwater.network import open_store
from headwater.network.sensorthings import Service
from headwater.network.sensorthings.messages import Call
from headwater.network.times import microseconds
from headwater.study.demo import write_demo
from headwater.virtual import make_headwater

DAYS = pd.date_range("2020-06-10", "2020-07-20")
SILENT = "S3"

pytestmark = pytest.mark.slow


def headwater(*words, fails=0):
    done = subprocess.run(
        [sys.executable, "-c", "from headwater.cli import main; main()", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == fails, done.stderr + done.stdout
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def truth():
    return make_headwater(seed=1, years=(2020, 2021), shape=(10, 16), resolution=0.5).truth.fields


@pytest.fixture(scope="module")
def places(truth):
    """Ten cells of the area, by name."""
    inside = np.argwhere(truth["inside"].values)
    rng = np.random.default_rng(7)
    chosen = inside[rng.choice(len(inside), 10, replace=False)]
    return {f"S{k}": (int(row), int(column)) for k, (row, column) in enumerate(chosen)}


@pytest.fixture(scope="module")
def home(tmp_path_factory, truth, places):
    """A study with its grids computed, and a store of ten stations that measure the truth."""
    home = tmp_path_factory.mktemp("maps") / "demo"
    write_demo(home, small=True)
    features = []
    for name, (row, column) in places.items():
        at = [float(truth["x"][column]), float(truth["y"][row]), 4000.0]
        series = truth["soil_moisture"][:, row, column].sel(time=DAYS).values
        for day, value in zip(DAYS, series, strict=True):
            if name == SILENT and day == pd.Timestamp("2020-07-01"):
                continue
            for hour, off in ((6, -0.002), (18, 0.002)):
                features.append(
                    {
                        "type": "Feature",
                        "geometry": {"type": "Point", "coordinates": at},
                        "properties": {
                            "station": name,
                            "time": f"{day:%Y-%m-%d}T{hour:02}:00Z",
                            "depth": 0.05,
                            "value": 100 * (float(value) + off),
                            "property": "soil_moisture",
                            "unit": "%",
                        },
                    }
                )
    file = home / "stations.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    headwater("network", "ingest", file, "--store", home / "net.db", "--no-check")
    headwater("run", home / "study.toml", "--until", "grids", "--no-report")
    return home


def test_a_day_of_the_network_becomes_a_map_with_its_error(home, truth, places):
    said = headwater(
        "network",
        "map",
        home / "study.toml",
        "--of",
        "soil_moisture",
        "--depth",
        "0.05",
        "--day",
        "2020-06-20",
        "--store",
        home / "net.db",
    )
    assert "1 of 1 maps from 10 places" in said
    stem = home / "network-maps" / "soil_moisture-0.05m-2020-06-20"
    with xr.open_dataset(f"{stem}.nc", engine="h5netcdf", decode_coords="all") as data:
        value, error = data["soil_moisture"][0], data["standard_error"][0]
        assert value.attrs["units"] == error.attrs["units"] == "m3 m-3"
        assert data["stations"].values.tolist() == [10]
        # at the stations, which measured the truth, the map says the truth to within the nugget
        real = truth["soil_moisture"].sel(time="2020-06-20").squeeze()
        for name, (row, column) in places.items():
            here = {"x": float(truth["x"][column]), "y": float(truth["y"][row])}
            at = value.sel(here, method="nearest")
            assert abs(float(at) - float(real[row, column])) < 0.03, name
        assert float(error.min()) >= 0
        assert float(error.max()) < 0.5
        off = abs(value.values - real.sel(x=value["x"], y=value["y"], method="nearest").values)
        known = np.isfinite(value.values)
        assert (off[known] < 2 * error.values[known] + 1e-3).mean() > 0.8
        # better than the mean of the stations everywhere
        mean = float(data["station_value"].mean())
        spread = abs(real.sel(x=value["x"], y=value["y"], method="nearest").values - mean)
        assert np.sqrt((off[known] ** 2).mean()) < np.sqrt((spread[known] ** 2).mean())
        cells = int(truth["inside"].sum())
        assert int(value.count()) == int(error.count()) == cells
        assert data.attrs["loo_n"] == 10
        expected = value.sortby("y", ascending=False).values
    with rasterio.open(f"{stem}.soil_moisture.tif") as tif:
        np.testing.assert_array_equal(tif.read(1), expected)
        assert tif.descriptions == ("2020-06-20",)
    about = json.loads((stem.parent / f"{stem.name}.json").read_text())
    assert any("Variogram" in text for text in about["choices"])
    for layer in ("soil_moisture", "standard_error"):
        assert (stem.parent / f"{stem.name}.{layer}.png").read_bytes().startswith(b"\x89PNG")


def test_a_silent_station_makes_its_day_less_certain(home):
    headwater(
        "network",
        "map",
        home / "study.toml",
        "--period",
        "2020-06-30",
        "2020-07-02",
        "--store",
        home / "net.db",
        "--out",
        home / "three",
    )
    (file,) = (home / "three").glob("*.nc")
    with xr.open_dataset(file, engine="h5netcdf") as data:
        assert data["stations"].values.tolist() == [10, 9, 10]
        error = data["standard_error"]
        assert float((error[1] - error[0]).min()) > -1e-9
        assert float((error[1] - error[0]).max()) > 1e-4
        np.testing.assert_allclose(error[0], error[2])


def test_pentads_are_means_of_their_days(home):
    headwater(
        "network",
        "map",
        home / "study.toml",
        "--period",
        "2020-06-11",
        "2020-06-20",
        "--step",
        "pentad",
        "--store",
        home / "net.db",
        "--out",
        home / "pentads",
    )
    (file,) = (home / "pentads").glob("*.nc")
    with xr.open_dataset(file, engine="h5netcdf") as data:
        assert [str(t)[:10] for t in data["time"].values] == ["2020-06-11", "2020-06-16"]


def test_what_cannot_be_mapped_is_told(home):
    def told(*words):
        return headwater(
            "network", "map", home / "study.toml", "--store", home / "net.db", *words, fails=4
        )

    assert "no station observed" in told("--day", "2019-01-01")
    assert "depths of 0.05 m" in told("--day", "2020-06-20", "--depth", "0.4")
    assert "soil_moisture" in told("--day", "2020-06-20", "--of", "ndvi")
    words = ("network", "map", home / "study.toml", "--store", home / "net.db")
    assert "needs a day" in headwater(*words, fails=2)
    assert "first and last day" in headwater(*words, "--day", "June", fails=2)


def test_cells_stand_beside_stations_in_the_same_interface(home, truth, places):
    study, store = home / "study.toml", home / "net.db"
    headwater("network", "pixels", study, "--of", "soil_moisture", "--store", store)
    cube = xr.open_zarr(home / "results" / "grids" / "soil_moisture.zarr", decode_coords="all")
    with open_store(store) as opened:
        before = opened.read()
        service = Service(opened)
        answer = service.answer(
            Call(
                "GET",
                "Things",
                "$filter=name eq 'S1'&$expand=Datastreams("
                "$expand=Sensor,ObservedProperty,Observations($top=1;$filter=phenomenonTime ge "
                "2020-07-01T00:00:00Z;$orderby=phenomenonTime asc))",
                root="http://h/v1.1",
            ),
            lambda role: None,
        )
        assert answer.status == 200, answer.body
        body = answer.body if isinstance(answer.body, dict) else json.loads(answer.body)
        streams = {one["Sensor"]["name"]: one for one in body["value"][0]["Datastreams"]}
        assert len(streams) == 2
        pixel = streams["cell of grids/soil_moisture.zarr"]
        assert pixel["ObservedProperty"]["name"] == "soil_moisture"
        assert pixel["properties"]["cube"] == "grids/soil_moisture.zarr"
        assert pixel["properties"]["fingerprint"]
        row, column = places["S1"]
        at = {"x": float(truth["x"][column]), "y": float(truth["y"][row])}
        series = cube["soil_moisture"].sel(at, method="nearest")
        own = before.take(before.datastream == pixel["@iot.id"])
        finite = np.isfinite(series.values)
        np.testing.assert_allclose(own.result, series.values[finite], atol=1e-7)
        assert len(own) == finite.sum()
        assert own.time[0] == microseconds(f"{str(series.time.values[finite][0])[:10]}T00:00:00Z")
    # again: nothing changes, and neither maps nor control take cells for stations
    again = headwater("network", "pixels", study, "--of", "soil_moisture", "--store", store)
    assert "Cells of grids/soil_moisture.zarr" in again
    with open_store(store) as opened:
        after = opened.read()
    for name, column in before.columns().items():
        if name != "received":
            np.testing.assert_array_equal(column, getattr(after, name), err_msg=name)
    np.testing.assert_array_equal(before.received, after.received)
    said = headwater(
        "network", "map", study, "--day", "2020-06-20", "--store", store, "--out", home / "again"
    )
    assert "1 of 1 maps from 10 places" in said
    assert "All observations" not in headwater("network", "check", "--store", store)


def test_cells_become_stations_that_the_warning_watches(home, truth):
    study, store = home / "study.toml", home / "virtual.db"
    headwater("network", "pixels", study, "--store", store, "--every", "4")
    cube = xr.open_zarr(home / "results" / "grids" / "soil_moisture.zarr", decode_coords="all")
    known = np.isfinite(cube["soil_moisture"]).any("time").values[2::4, 2::4]
    with open_store(store) as opened:
        seen = read_stations(opened, StationWarningOptions(cells=True))
        assert len(seen.stations) == known.sum() > 1
        name = seen.stations["station"][0]
        row, column = (int(part) for part in name.rpartition(" cell ")[2].split(", "))
        place = seen.water.isel(y=0, x=0).dropna("time")
        own = cube["soil_moisture"][:, row, column].sel(time=place["time"].values)
        np.testing.assert_allclose(place.values, own.values, atol=1e-6)
        at = seen.stations.iloc[0]
        np.testing.assert_allclose(at["longitude"], float(cube["x"][column]), atol=1e-5)
        with pytest.raises(DataError, match="no station with a known place"):
            read_stations(opened, StationWarningOptions())
    dry = '[[rule]]\nname = "dry"\nquantity = "soil_moisture"\nabove = 0.0\n'
    (home / "dry.toml").write_text(dry)
    words = ("--rules", home / "dry.toml", "--store", store)
    assert "cells = true" in headwater("alerts", "check", *words, fails=2)
    (home / "dry.toml").write_text(dry + "cells = true\n")
    headwater("alerts", "watch", *words)
    assert f"dry: soil moisture at {name}" in headwater("alerts", "list", "--store", store)


def test_cells_of_what_is_not_computed_are_told(home, tmp_path):
    write_demo(tmp_path / "other", small=True)
    study = tmp_path / "other" / "study.toml"
    words = ("network", "pixels", study, "--store", home / "net.db")
    assert "headwater run --until grids" in headwater(*words, fails=5)
    assert "no such variable" in headwater(*words, "--of", "soil_moistur", fails=2)


def test_maps_and_cells_are_the_same_from_postgresql(home, postgresql):
    study, maps, counts = home / "study.toml", [], []
    for name, store in (("one", home / "new.db"), ("other", postgresql.database("maps"))):
        headwater("network", "ingest", home / "stations.geojson", "--store", store, "--no-check")
        headwater("network", "pixels", study, "--store", store)
        headwater("network", "pixels", study, "--store", store)
        words = ("--day", "2020-06-20", "--store", store, "--out", home / name)
        headwater("network", "map", study, *words)
        with xr.open_dataset(
            home / name / "soil_moisture-2020-06-20.nc", engine="h5netcdf"
        ) as data:
            maps.append(data["soil_moisture"].values)
        with open_store(store) as opened:
            counts.append(opened.count())
    assert counts[0] == counts[1]
    np.testing.assert_array_equal(*maps)
