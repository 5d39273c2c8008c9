"""What is saved comes back the same."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import ResumeError
from headwater.results import MapResult, Result, TableResult
from headwater.study.results_io import load_result, save_result, write_whole


def table() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "value": [0.1, 1 / 3, np.nan, 1e-300],
            "short": np.array([0.1, np.nan, 3, 4], "float32"),
            "n": [1, 2, 3, 4],
            "count": pd.array([1, None, 3, 4], "Int64"),
            "significant": [True, False, True, True],
            "words": ["x, y", None, "NaN", "1"],
            "time": pd.to_datetime(
                ["2017-01-01", None, "2018-01-01T12:00", "2018-01-02"], format="ISO8601"
            ),
            "class": pd.Categorical(["a", "b", "a", "b"], ["b", "a"], ordered=True),
            "zone": pd.Categorical([3, 1, 3, 1], [1, 3]),
        }
    )
    frame.attrs["units"] = {"value": "m3 m-3"}
    return frame


def test_a_table_comes_back_exactly(tmp_path: Path) -> None:
    (tmp_path / "step").mkdir()
    saved = TableResult(table(), "Means.", ("A (2020)",), "abc", ("chose",), ("distrust",))
    files = save_result(tmp_path / "step", "means", saved)
    assert [file.name for file in files] == ["means.csv", "means.json"]
    loaded = load_result(tmp_path, "step/means")
    assert type(loaded) is TableResult
    pd.testing.assert_frame_equal(loaded.data, saved.data)
    assert loaded.data.attrs == saved.data.attrs
    for name in ("method", "references", "fingerprint", "choices", "cautions"):
        assert getattr(loaded, name) == getattr(saved, name)


def test_maps_come_back_and_each_is_a_geotiff(tmp_path: Path) -> None:
    import rasterio
    from odc.geo.geobox import GeoBox

    from headwater.grids.geometry import grid_coords

    grid = GeoBox.from_bbox((94, 36, 96, 37), "EPSG:4326", resolution=0.5)
    values = np.array([[0.1, np.nan, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]])
    maps = xr.Dataset(
        {
            "mean": (("y", "x"), values, {"units": "m3 m-3", "long_name": "Soil moisture"}),
            "monthly": (("month", "y", "x"), np.stack([values] * 2), {"units": "m3 m-3"}),
            "n": (("y", "x"), np.arange(8).reshape(2, 4), {"units": "1"}),
        },
        coords={**grid_coords(grid), "month": [5, 6]},
    )
    (tmp_path / "step").mkdir()
    files = save_result(tmp_path / "step", "maps", MapResult(maps, "Means."))
    names = [file.name for file in files]
    assert names == ["maps.nc", "maps.mean.tif", "maps.n.tif", "maps.json"]
    loaded = load_result(tmp_path, "step/maps").data
    for name in maps.data_vars:
        np.testing.assert_array_equal(loaded[name].values, maps[name].values)
        assert loaded[name].attrs["units"] == maps[name].attrs["units"]
    assert "spatial_ref" in loaded.coords
    with rasterio.open(tmp_path / "step" / "maps.mean.tif") as tif:
        assert tif.crs.to_epsg() == 4326
        np.testing.assert_allclose(tif.read(1, masked=True).filled(np.nan), values, rtol=1e-6)


def test_only_flat_tables_are_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="flat"):
        save_result(tmp_path, "t", TableResult(pd.DataFrame({"a": [1]}, index=["x"]), "m"))
    with pytest.raises(TypeError, match="neither"):
        save_result(tmp_path, "t", Result(1, "m"))
    assert not list(tmp_path.iterdir())


def test_a_card_cannot_name_a_class_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"class": "os:system"}))
    with pytest.raises(ResumeError, match="is no result of Headwater"):
        load_result(tmp_path, "x")
    (tmp_path / "x.json").write_text(json.dumps({"class": "headwater.errors:nearest"}))
    with pytest.raises(ResumeError, match="is no result"):
        load_result(tmp_path, "x")


def test_a_result_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="no readable result 'variation/x'"):
        load_result(tmp_path, "variation/x")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(to: Path) -> None:
        to.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
