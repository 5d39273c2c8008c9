"""Crossings, polygons and quantiles of zones, and what infinite values get."""

from pathlib import Path

import numpy as np
import pytest
import shapely
import xarray as xr

from headwater.errors import DataError, InputError
from headwater.grids import elevation_bands, read_area, study_grid
from headwater.grids.area import Area, read_areas
from headwater.grids.geometry import grid_coords
from headwater.grids.zonal import zone_mean, zone_quantiles
from headwater.grids.zones import aspect_sectors, class_zones, cross, polygon_zones

GRID = study_grid(resolution=0.25, area=read_area((94, 36, 97, 38)))


def field(values) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, dtype=float), grid_coords(GRID), ("y", "x"))


def cube(seed: int = 0, dtype: str = "float32") -> xr.DataArray:
    values = np.random.default_rng(seed).normal(0.2, 0.05, (9, *GRID.shape)).astype(dtype)
    values[np.random.default_rng(seed + 1).random(values.shape) < 0.2] = np.nan
    times = {"time": np.arange("2020-01", "2020-10", dtype="datetime64[M]").astype("<M8[ns]")}
    return xr.DataArray(values, {**times, **grid_coords(GRID)}, ("time", "y", "x"), "sm")


def some_zones(seed: int = 5):
    codes = field(np.random.default_rng(seed).integers(0, 3, GRID.shape))
    return class_zones(codes.where(codes["x"] < 96.6)), field(
        np.random.default_rng(seed + 1).uniform(10, 30, GRID.shape)
    )


def test_a_crossing_has_the_cells_that_both_zones_share() -> None:
    rng = np.random.default_rng(1)
    bands = elevation_bands(field(rng.uniform(2000, 5000, GRID.shape)), count=3)
    facing = aspect_sectors(field(rng.uniform(0, 360, GRID.shape)), count=4)
    cover = class_zones(field(rng.integers(1, 3, GRID.shape)), {1: "meadow", 2: "steppe"})
    three = cross(cross(bands, facing), cover)
    assert three.kind == "crossing"
    assert three.count == len(set(three.names)) <= 3 * 4 * 2
    for code, name in enumerate(three.names):
        band, wind, kind = name.split(", ")
        wanted = (
            (bands.labels == bands.names.index(band))
            & (facing.labels == facing.names.index(wind))
            & (cover.labels == cover.names.index(kind))
        )
        assert wanted.any()
        assert ((three.labels == code) == wanted).all()


def test_zones_that_do_not_cross_are_refused() -> None:
    west = class_zones(field(np.where(np.arange(12) < 6, 1.0, np.nan)[None].repeat(8, 0)))
    east = class_zones(field(np.where(np.arange(12) < 6, np.nan, 1.0)[None].repeat(8, 0)))
    with pytest.raises(DataError, match="do not cross"):
        cross(west, east)
    with pytest.raises(DataError, match="different cells"):
        cross(west, class_zones(xr.DataArray([[1.0]], dims=("y", "x"))))


def write_polygons(path: Path) -> Path:
    import pyogrio

    shapes = [shapely.box(94, 36, 95, 38), shapely.box(95, 36, 96, 38), shapely.box(96, 36, 97, 37)]
    names = np.array(["Heihe", "Shule", "Heihe"], dtype=object)
    pyogrio.raw.write(
        path, shapely.to_wkb(shapes), [names], ["basin"], geometry_type="Polygon", crs="EPSG:4326"
    )
    return path


def test_polygons_of_a_file_are_zones_by_name_or_number(tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "basins.geojson")
    zones = polygon_zones(path, field(np.zeros(GRID.shape)), names="basin")
    assert zones.names == ("Heihe", "Shule")
    assert zones.kind == "polygon"
    assert int((zones.labels == 0).sum()) == 4 * 8 + 4 * 4
    assert int((zones.labels == 1).sum()) == 4 * 8
    assert polygon_zones(path, GRID).names == ("1", "2", "3")
    moved = {name: area.to_crs(3857) for name, area in read_areas(path, names="basin").items()}
    xr.testing.assert_equal(polygon_zones(moved, GRID).labels, zones.labels)
    with pytest.raises(InputError, match="no attribute 'bason'"):
        read_areas(path, names="bason")


def test_polygons_that_overlap_or_hold_no_cell_are_refused() -> None:
    crs = read_area((94, 36, 96, 38)).crs
    one, two = (Area(shapely.box(*box), crs, "") for box in ((94, 36, 96, 38), (95, 36, 97, 38)))
    with pytest.raises(DataError, match="polygons overlap"):
        polygon_zones({"one": one, "two": two}, GRID)
    tiny = Area(shapely.box(94.01, 36.01, 94.02, 36.02), crs, "")
    with pytest.raises(DataError, match="no polygon holds"):
        polygon_zones({"tiny": tiny}, GRID)
    both = polygon_zones({"one": one, "tiny": Area(tiny.geometry, crs, "")}, GRID)
    assert zone_mean(cube(), both, some_zones()[1])["n"].values[:, 1].tolist() == [0] * 9


def test_quantiles_of_equal_areas_are_those_of_hazen() -> None:
    data, (zones, _) = cube(dtype="float64"), some_zones()
    shares = (0.0, 0.1, 0.5, 0.73, 1.0)
    found = zone_quantiles(data, zones, field(np.full(GRID.shape, 7.0)), shares)
    for code in range(zones.count):
        for time in range(9):
            values = data.values[time][(zones.labels == code).values]
            wanted = np.nanquantile(values, shares, method="hazen")
            np.testing.assert_allclose(found["quantiles"][time, code], wanted, rtol=1e-12)
            assert int(found["n"][time, code]) == np.isfinite(values).sum()


def test_an_area_twice_as_large_counts_as_two_cells() -> None:
    zones = class_zones(xr.DataArray([[1.0, 1.0, 1.0]], dims=("y", "x")))
    values = xr.DataArray([[3.0, 1.0, 2.0]], dims=("y", "x"))
    area = xr.DataArray([[1.0, 4.0, 1.0]], dims=("y", "x"))
    found = zone_quantiles(values, zones, area, [0.0, 1 / 3, 0.75, 1.0])["quantiles"].values
    np.testing.assert_allclose(found, [[1.0, 1.0, 2.0, 3.0]])


@pytest.mark.parametrize("chunks", [{"time": 2}, {"time": 4, "y": 3, "x": 5}])
def test_lazy_quantiles_are_the_same(chunks) -> None:
    data, (zones, area) = cube(), some_zones()
    lazy = zone_quantiles(data.chunk(chunks), zones, area)
    assert lazy["quantiles"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), zone_quantiles(data, zones, area))


def test_zones_without_values_are_missing_and_a_map_has_no_time() -> None:
    data, (zones, area) = cube(), some_zones()
    empty = data.where((zones.labels != 1) | (data.time.dt.month != 4))
    found = zone_quantiles(empty, zones, area)
    assert np.isnan(found["quantiles"][3, 1]).all()
    assert int(found["n"][3, 1]) == 0
    one = zone_quantiles(empty.isel(time=3, drop=True), zones, area)
    xr.testing.assert_equal(one["quantiles"], found["quantiles"].isel(time=3, drop=True))


def test_infinite_values_percent_and_angles_are_refused() -> None:
    data, (zones, area) = cube(), some_zones()
    strange = data.where(data != data.max(), np.inf)
    everywhere = class_zones(field(np.ones(GRID.shape)))
    for method in (zone_mean, zone_quantiles):
        with pytest.raises(DataError, match="infinite"):
            method(strange, everywhere, area)
        with pytest.raises(DataError, match="infinite"):
            method(strange.chunk(time=2), everywhere, area).compute()
        with pytest.raises(DataError, match="no arithmetic mean"):
            method(data.assign_attrs(kind="circular"), zones, area)
    for shares in ([50], [], [np.nan]):
        with pytest.raises(DataError, match="between 0 and 1"):
            zone_quantiles(data, zones, area, shares)
