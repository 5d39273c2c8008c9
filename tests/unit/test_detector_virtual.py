"""The virtual headwater's known drivers are ranked rightly, with intervals that cover."""

import numpy as np
import pytest
import xarray as xr

from headwater.detector import detect, factor
from headwater.detector.field_covariance import FieldPlaces
from headwater.detector.resample import Resampling, square_blocks
from headwater.detector.strata import Strata
from headwater.grids import terrain_on_grid
from headwater.grids.geometry import geobox_of
from headwater.virtual import make_headwater


@pytest.fixture(scope="module")
def found():
    here = make_headwater(seed=3, years=(2019, 2020), shape=(48, 110))
    cube = here.cube
    months = cube["time"].dt.month
    season = (months >= 5) & (months <= 10)
    maps = {
        "soil_moisture": cube["soil_moisture"].isel(time=season.values).mean("time"),
        "precipitation": cube["precipitation"].mean("time"),
        "temperature": cube["temperature"].mean("time"),
        **dict(terrain_on_grid(here.dem, geobox_of(cube))[["elevation", "slope", "aspect"]]),
    }
    sky = np.random.default_rng(1).normal(size=maps["slope"].shape)
    maps["noise"] = xr.DataArray(sky, dims=("y", "x"))
    layers = {name: (("y", "x"), one.values) for name, one in maps.items()}
    return detect(xr.Dataset(layers).assign(aspect=_circular(maps["aspect"])), "soil_moisture")


def _circular(aspect: xr.DataArray) -> xr.DataArray:
    return xr.DataArray(aspect.values, dims=("y", "x"), attrs={"kind": "circular"})


@pytest.mark.slow
def test_drivers_of_the_virtual_headwater(found) -> None:
    table = found.factor.data.set_index("factor")
    assert table.index[0] == "precipitation"
    assert set(table.index[1:3]) == {"temperature", "elevation"}
    assert table.loc["precipitation", "p_search"] < 0.05
    assert table.loc["temperature", "p_search"] < 0.05
    assert table.loc["noise", "p_search"] > 0.05
    # the slope does nothing, and the F test takes it for a driver all the same
    assert table.loc["slope", "p_value"] < 1e-4
    assert table.loc["slope", "q"] < 0.1
    ecological = found.ecological.data.set_index(["factor_1", "factor_2"])
    assert ecological.loc[("precipitation", "slope"), "differ"]


@pytest.mark.slow
def test_intervals_cover_the_q_of_the_process(found) -> None:
    """Soil moisture redrawn: the strata's own means with noise as smooth as what they leave."""
    from scipy.ndimage import gaussian_filter

    codes = np.full(found.maps.data["precipitation_stratum"].shape, -1, np.int32)
    stratum = found.maps.data["precipitation_stratum"].values
    inside = np.isfinite(stratum)
    codes[inside] = stratum[inside].astype(np.int32) - 1
    mean = np.nan_to_num(found.maps.data["precipitation_mean"].values)
    strata = {"precipitation": Strata(codes, found.strata["precipitation"].names)}
    rng = np.random.default_rng(2)
    between = mean[inside].var()
    true, hits = 0.5, 0
    cells = np.arange(codes.size)
    for _ in range(40):
        noise = gaussian_filter(rng.normal(size=(80, 142)), 1)[16:64, 16:126]
        noise *= np.sqrt(between * (1 - true) / true) * 2 * np.sqrt(np.pi)
        y = np.where(inside, mean + noise, np.nan)
        blocks = square_blocks(cells[inside.ravel()], codes.shape, y[inside])
        part = {
            "precipitation": Strata(
                codes[inside], strata["precipitation"].names, method="quantile"
            ),
        }
        where = FieldPlaces.of_cells(cells[inside.ravel()], codes.shape)
        by = Resampling(rng, blocks=blocks, n_resamples=499, where=where)
        row = factor(y[inside], part, resampling=by).data.iloc[0]
        hits += row["q_low"] <= true <= row["q_high"]
    assert 35 <= hits <= 40
