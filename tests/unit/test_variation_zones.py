"""The mean year of the parts of an area, and its heat map."""

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox

from headwater.errors import DataError
from headwater.grids import cell_area, elevation_bands
from headwater.grids.geometry import grid_coords
from headwater.grids.zones import class_zones
from headwater.variation import results_of as findings
from headwater.variation.results_of import zone_seasons

SHAPE = (6, 9)


def still(values, **attrs):
    grid = GeoBox.from_bbox((98, 36, 98.9, 36.6), "EPSG:4326", resolution=0.1)
    return xr.DataArray(values, grid_coords(grid), ("y", "x"), attrs=attrs)


def monthly(years=3):
    rng = np.random.default_rng(1)
    index = pd.date_range("2017-01-01", periods=12 * years, freq="MS")
    values = rng.gamma(4.0, 0.03, (index.size, *SHAPE))
    values[:, 0, 0] = np.nan
    about = {"units": "m3 m-3", "long_name": "Soil moisture"}
    coords = {"time": index, **still(np.zeros(SHAPE)).coords}
    return xr.DataArray(values, coords, ("time", "y", "x"), "soil_moisture", about)


def divisions():
    heights = still(np.repeat(np.linspace(2000, 4000, 6)[:, None], 9, axis=1))
    cover = still(np.tile([1.0, 1.0, 2.0] * 3, (6, 1)))
    return {
        "Elevation": elevation_bands(heights, count=3),
        "Vegetation": class_zones(cover, {1: "meadow", 2: "steppe"}),
    }


def test_every_zone_has_its_mean_year():
    data, parts = monthly(), divisions()
    table = zone_seasons(data, parts).data
    assert len(table) == 12 * (3 + 2)
    area = cell_area(data)
    for (division, zone), own in table.groupby(["division", "zone"]):
        zones = parts[division]
        inside = zones.labels == zones.names.index(zone)
        series = data.where(inside).weighted(area).mean(("y", "x")).groupby("time.month").mean()
        npt.assert_allclose(own.sort_values("month")["mean"], series, rtol=1e-12)
        assert set(own["years"]) == {3}
        assert (own["cell_low"] < own["mean"]).all()
        assert (own["mean"] < own["cell_high"]).all()
    assert table.attrs["units"]["mean"] == "m3 m-3"


def test_the_heat_map_has_a_panel_for_each_division():
    figure = zone_seasons(monthly(), divisions()).plot()
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in panels] == ["Elevation", "Vegetation"]
    assert [axes.images[0].get_array().shape for axes in panels] == [(3, 12), (2, 12)]


def test_months_without_enough_cells_are_missing():
    data = monthly()
    data = data.where((data.time.dt.month != 2) | (data.x < 98.3))
    table = zone_seasons(data, divisions()).data
    assert table.loc[table["month"] == 2, "mean"].isna().all()
    assert table.loc[table["month"] == 2, "years"].eq(0).all()
    assert zone_seasons(data, divisions()).plot().axes
    with pytest.raises(DataError, match="no zones"):
        zone_seasons(data, {})


@pytest.mark.parametrize("count", [5, 30])
def test_many_years_are_a_line_with_a_band(count):
    index = pd.date_range("1990-01-01", periods=count, freq="YS")
    values = np.random.default_rng(2).normal(0.2, 0.02, (count, *SHAPE))
    coords = {"time": index, **still(np.zeros(SHAPE)).coords}
    cube = xr.DataArray(values, coords, ("time", "y", "x"), "sm", {"units": "m3 m-3"})
    axes = findings.annual_series({"year": cube}).plot().axes[0]
    assert bool(axes.patches) == (count == 5)
    assert len(axes.lines[0].get_xdata() if count == 30 else axes.patches) == count
