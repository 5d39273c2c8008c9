"""The item of STAC beside the maps, as another program reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pystac
import rasterio

from headwater.study.model import Study
from headwater.study.stac_item import ITEM, write_item


def a_study(**more: object) -> Study:
    inputs = {"soil_moisture": {"path": "sm.nc"}}
    table = {"name": "Upper basin, 2020", **more}
    return Study.model_validate({"study": table, "inputs": inputs})


def put_map(results: Path, name: str, west: float) -> None:
    (results / "variation").mkdir(parents=True, exist_ok=True)
    transform = rasterio.transform.from_origin(west, 4_300_000, 1000, 1000)
    profile = {"driver": "GTiff", "dtype": "float32", "crs": "EPSG:32647", "nodata": np.nan}
    size = {"count": 1, "height": 3, "width": 4, "transform": transform}
    with rasterio.open(results / "variation" / f"{name}.tif", "w", **profile, **size) as raster:
        raster.write(np.ones((1, 3, 4), np.float32))
        raster.units, raster.descriptions = ["m3 m-3"], ["Mean soil moisture"]


def test_the_item_is_read_by_pystac_and_keeps_the_rules(tmp_path: Path) -> None:
    put_map(tmp_path, "mean", 500_000)
    put_map(tmp_path, "trend.slope", 503_000)
    file = write_item(tmp_path, a_study(period=["2020-01-01", "2020-12-31"]))
    assert file == tmp_path / ITEM
    written = json.loads(file.read_text(encoding="utf-8"))
    # rules of the specification: no single moment asks for both ends, and the ring is closed
    assert written["properties"]["datetime"] is None
    assert written["geometry"]["coordinates"][0][0] == written["geometry"]["coordinates"][0][-1]
    item = pystac.Item.from_file(str(file))
    assert item.id == "upper-basin-2020"
    assert item.common_metadata.start_datetime is not None
    assert item.common_metadata.end_datetime is not None
    assert item.common_metadata.end_datetime.day == 31
    # 99 degrees east is the middle of the zone; the second map reaches 7 km further
    west, south, east, north = item.bbox or [0, 0, 0, 0]
    assert abs(west - 99.0) < 1e-9
    assert 0.075 < east - west < 0.085
    assert south < north < 39
    assert set(item.assets) == {"variation.mean", "variation.trend.slope"}
    one = item.assets["variation.mean"]
    assert Path(one.get_absolute_href() or "").is_file()
    assert one.extra_fields["raster:bands"][0] == {
        "data_type": "float32",
        "nodata": "nan",
        "unit": "m3 m-3",
    }


def test_without_maps_or_a_time_there_is_no_item(tmp_path: Path) -> None:
    assert write_item(tmp_path, a_study(period=["2020-01-01", "2020-12-31"])) is None
    put_map(tmp_path, "mean", 500_000)
    assert write_item(tmp_path, a_study()) is None
    assert not (tmp_path / ITEM).exists()
