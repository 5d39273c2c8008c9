"""Matching in time and space: brute force as the oracle, named errors for what does not fit."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from headwater.errors import DataError, GridError, TimeAxisError
from headwater.grids.geometry import grid_coords
from headwater.validation.matching import (
    match_series,
    match_times,
    station_cells,
    station_series,
)

START = pd.Timestamp("2020-01-01")


@given(
    hours=st.lists(st.integers(0, 200), min_size=1, max_size=40, unique=True),
    wanted=st.lists(st.integers(-20, 220), min_size=1, max_size=20),
    reach=st.integers(0, 30),
    seed=st.integers(0, 99),
)
def test_both_ways_equal_a_search_through_everything(hours, wanted, reach, seed):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(len(hours)) < 0.3, np.nan, rng.random(len(hours)))
    times, targets = (START + pd.to_timedelta(np.array(h), "h") for h in (hours, wanted))
    near = match_times(targets, times, values, window=reach / 24)
    mean = match_times(targets, times, values, window=reach / 24, method="mean")
    for i, hour in enumerate(wanted):
        apart = np.abs(np.array(hours) - hour)
        inside = (apart <= reach) & np.isfinite(values)
        assert mean.count[i] == inside.sum()
        if not inside.any():
            assert np.isnan(near.values[i])
            assert np.isnan(mean.values[i])
            continue
        assert mean.values[i] == pytest.approx(values[inside].mean())
        assert mean.offset[i] * 24 == pytest.approx(np.mean(np.array(hours)[inside]) - hour)
        best = inside & (apart == apart[inside].min())
        assert near.values[i] == values[best][np.argmax(np.array(hours)[best])]


def test_ends_of_a_window_are_exact():
    days = pd.date_range("2020-01-01", periods=3000, freq="D")
    found = match_times(days, days + pd.Timedelta("12h"), np.arange(3000.0), window=0.5)
    assert (found.count == 1).all()


def test_series_of_many_are_matched_to_one():
    days = pd.date_range("2020-01-01", periods=10)
    series = {
        "smap": pd.Series(np.arange(10.0), days + pd.Timedelta("6h")),
        "cci": pd.Series(np.arange(5.0), days[::2]),
        "station": pd.Series(np.arange(10.0), days),
    }
    table = match_series(series, reference="station", window=0.5)
    assert len(table) == 5
    assert table.attrs["unmatched"] == {"smap": 0, "cci": 5, "station": 0}
    assert len(match_series(series, reference="station", window=0.5, complete=False)) == 10


def test_zones_are_compared_in_universal_time():
    here = pd.date_range("2020-01-01", periods=3, tz="Asia/Shanghai")
    found = match_times(here, here.tz_convert("UTC"), [1.0, 2.0, 3.0], window=0)
    assert found.values.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("wanted", "times", "options", "error", "message"),
    [
        ("2020-01-01", ["2020-01-01", "2020-01-01"], {}, TimeAxisError, "occurs twice"),
        ("2020-01-01", [pd.NaT, "2020-01-01"], {}, TimeAxisError, "a time is missing"),
        ("2020-01-01", ["2020-01-01"] * 2, {"method": "means"}, DataError, "Did you mean 'mean'"),
        ("2020-01-01", ["2020-01-01", "2020-01-02"], {"window": -1}, DataError, "negative"),
    ],
)
def test_bad_times_are_refused(wanted, times, options, error, message):
    asked = {"window": 1.0, **options}
    with pytest.raises(error, match=message):
        match_times(pd.to_datetime([wanted]), pd.to_datetime(times), [1.0, 2.0], **asked)


def test_one_sided_zone_and_empty_match_are_refused():
    days = pd.date_range("2020-01-01", periods=3)
    with pytest.raises(TimeAxisError, match="knows its time zone"):
        match_times(days, days.tz_localize("UTC"), [1, 2, 3], window=1)
    late = {"a": pd.Series([1.0], days[:1]), "b": pd.Series([1.0], days[2:])}
    with pytest.raises(DataError, match="no time has all series"):
        match_series(late, window=0.5)
    with pytest.raises(DataError, match="unknown reference"):
        match_series(late, reference="c", window=0.5)


def grid(crs="EPSG:4326"):
    affine = Affine(0.25, 0, 99, 0, -0.25, 39) if crs == "EPSG:4326" else None
    return GeoBox((8, 12), affine or Affine(9024.3, 0, 9.55e6, 0, -9024.3, 4.7e6), crs)


def places(*rows):
    return pd.DataFrame(rows, columns=["station", "longitude", "latitude"])


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:6933"])
@pytest.mark.parametrize("flip", [False, True])
def test_the_cell_that_contains_a_station_is_the_nearest(crs, flip):
    from pyproj import Transformer

    box, rng = grid(crs), np.random.default_rng(1)
    back = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    edges = box.boundingbox
    x, y = rng.uniform(edges.left, edges.right, 20), rng.uniform(edges.bottom, edges.top, 20)
    longitude, latitude = back.transform(x, y)
    stations = pd.DataFrame({"station": range(20), "longitude": longitude, "latitude": latitude})
    cube = xr.DataArray(np.zeros((8, 12)), dims=("y", "x"), coords=grid_coords(box))
    cube = cube.isel(y=slice(None, None, -1)) if flip else cube
    found = station_cells(stations, cube)
    for i in range(20):
        assert found["row"][i] == np.abs(cube.y.values - y[i]).argmin()
        assert found["column"][i] == np.abs(cube.x.values - x[i]).argmin()
    assert (found["distance"] < 25_000).all()


def test_a_station_outside_the_grid_is_named_or_left_out_on_request():
    here = places(("A", 99.5, 38.5), ("Maqu", 102.3, 33.9))
    with pytest.raises(GridError, match=r"1 of 2 stations.*Maqu \(102.3000, 33.9000\)"):
        station_cells(here, grid())
    kept = station_cells(here, grid(), outside="leave out")
    assert kept["station"].tolist() == ["A"]
    assert kept.attrs["outside"] == ["Maqu"]
    with pytest.raises(GridError, match="1 of 1 stations"):
        station_cells(here.iloc[1:], grid(), outside="leave out")


def test_stations_without_a_place_are_refused():
    with pytest.raises(DataError, match=r"no place on Earth.*B"):
        station_cells(places(("A", 99.5, 38.5), ("B", 99.5, np.nan)), grid())
    with pytest.raises(DataError, match="lack a column"):
        station_cells(pd.DataFrame({"station": ["A"]}), grid())


def test_series_of_a_lazy_cube_at_stations():
    days = pd.date_range("2020-01-01", periods=4)
    values = np.arange(4 * 96.0).reshape(4, 8, 12)
    cube = xr.DataArray(
        values,
        dims=("time", "y", "x"),
        coords={"time": days, **grid_coords(grid())},
        attrs={"units": "m3 m-3"},
    )
    here = places(("A", 99.3, 38.9), ("B", 99.3, 38.9), ("C", 101.9, 37.1))
    for source in (cube, cube.chunk(time=2, y=4)):
        table = station_series(source, here)
        assert table["A"].tolist() == table["B"].tolist() == values[:, 0, 1].tolist()
        assert table["C"].tolist() == values[:, 7, 11].tolist()
        assert table.attrs["units"] == "m3 m-3"
