"""The maps of a study as an item of STAC, so that catalogues can list and find them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headwater
from headwater.study.results_io import write_whole

if TYPE_CHECKING:
    from headwater.study.model import Study

__all__ = ["ITEM", "write_item"]

ITEM = "stac-item.json"
"""File in the results folder."""
_SCHEMAS = "https://stac-extensions.github.io"
_EXTENSIONS = (f"{_SCHEMAS}/projection/v1.1.0/schema.json", f"{_SCHEMAS}/raster/v1.1.0/schema.json")
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"

Box = tuple[float, float, float, float]


def write_item(results: Path, study: Study) -> Path | None:
    """Describe every GeoTIFF of a results folder in one item of STAC 1.0.

    Parameters
    ----------
    results : Path
        The results folder.
    study : Study
        Its name, and its period where it has one; else the period that its inputs share.

    Returns
    -------
    Path or None
        ``stac-item.json``; None where the study made no maps, or nothing says of when.

    References
    ----------
    STAC Specification 1.0.0 (OGC Community Standard 24-031), with its extensions for projection
    and raster; recalled, and compared with what pystac reads.
    """
    files, period = sorted(results.glob("*/*.tif")), _period(results, study)
    if not files or period is None:
        return None
    maps = [_Map(file, file.relative_to(results).as_posix()) for file in files]
    box = _union([one.box for one in maps])
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": list(_EXTENSIONS),
        "id": re.sub(r"[^\w.-]+", "-", study.name).strip("-").lower() or "study",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(box),
        "properties": {
            "title": study.name,
            "description": f"Maps of Headwater {headwater.__version__}",
            **period,
            "proj:epsg": maps[0].epsg,
        },
        "links": [],
        "assets": {one.href.removesuffix(".tif").replace("/", "."): one.asset() for one in maps},
    }
    text = json.dumps(item, indent=1, ensure_ascii=False) + "\n"
    write_whole(results / ITEM, partial(Path.write_text, data=text, encoding="utf-8"))
    return results / ITEM


class _Map:
    """One GeoTIFF: where it lies, and what its values are."""

    def __init__(self, file: Path, href: str) -> None:
        import rasterio
        from rasterio.warp import transform_bounds

        self.href = href
        with rasterio.open(file) as raster:
            self.box: Box = transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
            self.epsg = raster.crs.to_epsg()
            self.shape, self.transform = list(raster.shape), list(raster.transform)[:6]
            self.kind, self.nodata = raster.dtypes[0], raster.nodata
            self.unit, self.title = raster.units[0], raster.descriptions[0]

    def asset(self) -> dict[str, Any]:
        band: dict[str, Any] = {"data_type": self.kind}
        if self.nodata is not None:
            band["nodata"] = "nan" if self.nodata != self.nodata else self.nodata
        if self.unit:
            band["unit"] = self.unit
        return {
            "href": f"./{self.href}",
            "type": _COG,
            "title": self.title or self.href.removesuffix(".tif"),
            "roles": ["data"],
            "proj:epsg": self.epsg,
            "proj:shape": self.shape,
            "proj:transform": self.transform,
            "raster:bands": [band],
        }


def _union(boxes: Iterable[Box]) -> Box:
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def _period(results: Path, study: Study) -> dict[str, str | None] | None:
    """Give the first and last moment, as STAC wants them; None where nothing says when."""
    from headwater.errors import ResumeError
    from headwater.study.results_io import load_result

    if study.period is not None:
        first, last = study.period
    else:
        try:
            inputs = load_result(results, "grids/inputs").data
            first, last = str(inputs["start"].dropna().max()), str(inputs["end"].dropna().min())
        except (ResumeError, KeyError):
            first = last = ""
    day = re.compile(r"\d{4}-\d\d-\d\d")
    if not (day.match(first) and day.match(last)):
        return None
    ends = {"start_datetime": f"{first[:10]}T00:00:00Z", "end_datetime": f"{last[:10]}T23:59:59Z"}
    return {"datetime": None, **ends}
