"""Rotated and curvilinear grids come onto longitude and latitude, and nothing is lost or moved."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pyproj import CRS, Transformer

from headwater.errors import GridError
from headwater.glossary import term
from headwater.grids import cell_area, open_grid, read_area, study_grid
from headwater.grids._curvilinear import Corners, overlap_weights

THETA = term("soil_moisture")
POLE = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -80.0,
    "north_pole_grid_longitude": 0.0,
}
R = np.arange(-3, 3, 0.11)
TURN = Transformer.from_crs(CRS.from_cf(POLE), 4326, always_xy=True)
LON, LAT = (np.asarray(each) for each in TURN.transform(*np.meshgrid(R, R[:40])))


def field() -> np.ndarray:
    """Grow with latitude and longitude alone, so that every place has one right value."""
    return 0.2 + 0.01 * (LAT - LAT.mean()) + 0.005 * (LON - LON.mean())


def rotated(**kept: Any) -> xr.Dataset:
    data = xr.Dataset(
        {"sm": (("time", "rlat", "rlon"), np.stack([field()] * 3), {"units": "m3 m-3"})},
        {
            "time": pd.date_range("2015-01-01", periods=3, freq="MS"),
            "rlat": ("rlat", R[:40], {"standard_name": "grid_latitude", "units": "degrees"}),
            "rlon": ("rlon", R, {"standard_name": "grid_longitude", "units": "degrees"}),
        },
    )
    if kept.get("mapping", True):
        data["rotated_pole"] = ((), 0, POLE)
        data["sm"].attrs["grid_mapping"] = "rotated_pole"
    if kept.get("mesh", True):
        data["lat"] = (("rlat", "rlon"), LAT, {"units": "degrees_north"})
        data["lon"] = (("rlat", "rlon"), LON, {"units": "degrees_east"})
    return data


def curvilinear() -> xr.Dataset:
    plain = rotated(mapping=False).drop_vars(["rlat", "rlon"])
    return plain.rename(rlat="south_north", rlon="west_east", lat="XLAT", lon="XLONG")


@pytest.mark.parametrize(
    "data",
    [rotated(), rotated(mesh=False), rotated(mapping=False), curvilinear()],
    ids=["both", "mapping", "mesh", "curvilinear"],
)
def test_values_stay_where_they_are(tmp_path: Path, data: xr.Dataset) -> None:
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = open_grid(tmp_path / "a.nc", THETA)
    assert "regridded from 40 x 55 cells" in found.attrs["notes"]
    lon, lat = np.meshgrid(found["x"], found["y"])
    right = 0.2 + 0.01 * (lat - LAT.mean()) + 0.005 * (lon - LON.mean())
    one = found.isel(time=0).values
    known = np.isfinite(one)
    assert 0.5 < known.mean() < 1.0
    assert np.abs(one - right)[known].max() < 0.003  # less than half a cell of the field
    assert np.abs(np.median((one - right)[known])) < 2e-5
    # the mean over the area, but for cells that are covered by less than half
    weight = cell_area(found).values
    mean = (one * weight)[known].sum() / weight[known].sum()
    cells = np.cos(np.radians(R[:40]))[:, None] * np.ones(R.size)
    assert mean == pytest.approx((field() * cells).sum() / cells.sum(), abs=2e-4)


def test_a_mesh_of_places_wins_over_a_reference_system_that_is_named(tmp_path: Path) -> None:
    """shared/cases/tried/grids/curvi3: the advice to write crs led to a map at 0 to 0.9° E."""
    rotated(mapping=False).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    plain = open_grid(tmp_path / "a.nc", THETA)
    named = open_grid(tmp_path / "a.nc", THETA, crs="EPSG:4326")
    xr.testing.assert_allclose(plain, named)
    assert float(named["x"].min()) > LON.min() - 0.2
    assert float(named["y"].max()) < LAT.max() + 0.2


def corners() -> Corners:
    edges = np.append(R, R[-1] + 0.11) - 0.055
    lon, lat = TURN.transform(*np.meshgrid(edges, edges[:41]))
    return Corners(np.asarray(lon), np.asarray(lat))


@pytest.mark.parametrize("step", [0.05, 0.11, 0.3])
def test_what_is_shared_adds_up_to_what_there_is(step: float) -> None:
    here = corners()
    west, east = here.longitude.min() - 0.5, here.longitude.max() + 0.5
    south, north = here.latitude.min() - 0.5, here.latitude.max() + 0.5
    grid = study_grid(resolution=step, area=read_area((west, south, east, north)))
    found = overlap_weights(here, grid)
    values = np.random.default_rng(1).uniform(0, 1, found.matrix.shape[1])
    own = np.asarray(
        overlap_weights(
            here, study_grid(resolution=90.0, area=read_area((0, 0, 180, 90)))
        ).matrix.sum(axis=0)
    ).ravel()
    shared = np.asarray(found.matrix.sum(axis=0)).ravel()
    np.testing.assert_allclose(shared, own, rtol=1e-10)
    covered = np.asarray(found.matrix.sum(axis=1)).ravel()
    means = np.divide(found.matrix @ values, covered, out=np.zeros(covered.size), where=covered > 0)
    assert (means * covered).sum() == pytest.approx((values * own).sum(), rel=1e-10)


def test_a_constant_stays_one_and_classes_stay_classes(tmp_path: Path) -> None:
    data = rotated()
    data["sm"].values[:] = 0.3
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = open_grid(tmp_path / "a.nc", THETA).values
    np.testing.assert_allclose(found[np.isfinite(found)], 0.3, rtol=1e-12)
    data["sm"].values[:] = np.random.default_rng(2).integers(1, 4, data["sm"].shape)
    data["sm"].attrs["units"] = "1"
    data.isel(time=0, drop=True).to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    classes = open_grid(tmp_path / "c.nc", term("vegetation")).values
    assert set(np.unique(classes[np.isfinite(classes)])) == {1.0, 2.0, 3.0}


def test_cells_without_places_and_around_a_pole_are_refused(tmp_path: Path) -> None:
    rotated(mapping=False, mesh=False).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(GridError, match="rotated pole, whose cells have no places"):
        open_grid(tmp_path / "a.nc", THETA)
    data = curvilinear()
    x, y = np.meshgrid(np.linspace(-2e6, 2e6, 55), np.linspace(-2e6, 2e6, 40))
    polar = Transformer.from_crs("EPSG:3995", 4326, always_xy=True).transform(x, y)
    data["XLONG"].values[:], data["XLAT"].values[:] = polar
    data.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(GridError, match="surrounds a pole"):
        open_grid(tmp_path / "b.nc", THETA)
