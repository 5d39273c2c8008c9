"""Study areas: what can be read, and how they move between reference systems."""

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from headwater.errors import CRSError, GridError, InputError
from headwater.grids import read_area


def write_geojson(path: Path, features: list[tuple[str, shapely.Geometry]]) -> Path:
    collection = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"name": name}, "geometry": shape.__geo_interface__}
            for name, shape in features
        ],
    }
    path.write_text(json.dumps(collection))
    return path


@pytest.fixture
def regions(tmp_path: Path) -> Path:
    shapes = [("east", shapely.box(100, 36, 102, 38)), ("west", shapely.box(95, 36, 97, 38))]
    return write_geojson(tmp_path / "regions.geojson", shapes)


def test_features_are_united(regions: Path) -> None:
    area = read_area(regions)
    assert area.geometry.area == pytest.approx(8.0)
    assert area.bounds == (95, 36, 102, 38)
    assert area.name == "regions"


def test_where_selects_one_or_several(regions: Path) -> None:
    assert read_area(regions, where={"name": "east"}).bounds == (100, 36, 102, 38)
    assert read_area(regions, where={"name": ["east", "west"]}).geometry.area == pytest.approx(8.0)


def test_where_names_what_is_present(regions: Path) -> None:
    with pytest.raises(InputError, match=r"no feature with name = 'eats'.*'east'.*east, west"):
        read_area(regions, where={"name": "eats"})
    with pytest.raises(InputError, match=r"no attribute 'nam'.*'name'"):
        read_area(regions, where={"nam": "east"})


def test_a_ring_that_crosses_itself_is_repaired(tmp_path: Path) -> None:
    bow_tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    area = read_area(write_geojson(tmp_path / "bow.geojson", [("bow", bow_tie)]))
    assert area.geometry.is_valid
    assert area.geometry.area == pytest.approx(2.0)


def test_geopackage_and_shapefile(tmp_path: Path) -> None:

    shape = np.array([shapely.to_wkb(shapely.box(0, 0, 1000, 2000))], dtype=object)
    for suffix in ("gpkg", "shp"):
        path = tmp_path / f"area.{suffix}"
        pyogrio.raw.write(
            path,
            shape,
            [np.array(["a"], dtype=object)],
            ["name"],
            crs="EPSG:32632",
            geometry_type="Polygon",
        )
        area = read_area(path)
        assert area.crs.to_epsg() == 32632
        assert area.geometry.area == pytest.approx(2e6)


def test_missing_and_different_crs(tmp_path: Path) -> None:

    shape = np.array([shapely.to_wkb(shapely.box(0, 0, 1, 2))], dtype=object)
    path = tmp_path / "bare.shp"
    with pytest.warns(UserWarning, match="crs"):
        pyogrio.raw.write(
            path, shape, [np.array(["a"], dtype=object)], ["name"], geometry_type="Polygon"
        )
    with pytest.raises(CRSError, match="names no coordinate reference system"):
        read_area(path)
    assert read_area(path, crs=3035).crs.to_epsg() == 3035
    other = write_geojson(tmp_path / "wgs84.geojson", [("a", shapely.box(0, 0, 1, 2))])
    with pytest.raises(CRSError, match=r"WGS 84.* in the file, ETRS89.* in the study file"):
        read_area(other, crs="EPSG:3035")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_area(tmp_path / "none.geojson")
    (tmp_path / "bad.geojson").write_text("{")
    with pytest.raises(InputError, match="cannot be read as a vector file"):
        read_area(tmp_path / "bad.geojson")
    line = write_geojson(tmp_path / "line.geojson", [("l", shapely.LineString([(0, 0), (1, 1)]))])
    with pytest.raises(InputError, match=r"holds no polygon. Found: LineString"):
        read_area(line)


@pytest.mark.parametrize("box", [(1, 2, 3), (3, 0, 1, 2), (0, 2, 1, 1), (0, 80, 1, 100)])
def test_impossible_boxes(box: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="bounding box"):
        read_area(box)


def test_an_edge_bends_when_it_is_reprojected() -> None:
    # A parallel is an arc of a polar map: four corners are not enough.
    area = read_area((-40, 60, 40, 80)).to_crs("EPSG:3995")
    corners = shapely.box(-40, 60, 40, 80).boundary.coords
    assert len(shapely.get_coordinates(area.geometry)) > 10 * len(corners)
    assert area.to_crs(4326).geometry.area == pytest.approx(80 * 20, rel=1e-3)


def test_unknown_crs() -> None:
    with pytest.raises(CRSError, match=r"unknown coordinate reference system. Found: 'EPSG:1'"):
        read_area((0, 0, 1, 1), crs="EPSG:1")


def test_overlap_of_two_areas() -> None:
    region = read_area((0, 0, 2, 2))
    assert region.overlap(read_area((1, 1, 3, 3))).bounds == (1, 1, 2, 2)
    with pytest.raises(GridError, match="do not overlap"):
        region.overlap(read_area((5, 5, 6, 6)))
