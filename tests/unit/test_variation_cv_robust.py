import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from headwater.errors import DataError
from headwater.variation import interannual_cv, monthly_cv, spatial_cv


def cube(values, freq="YS"):
    values = np.asarray(values, dtype=float)
    index = pd.date_range("2000-01-01", periods=values.shape[0], freq=freq)
    dims = ("time", "y", "x")[: values.ndim]
    return xr.DataArray(values, {"time": index}, dims, "theta", {"units": "m3 m-3"})


def test_it_is_the_scaled_median_deviation_by_the_median():
    values = np.random.default_rng(1).normal(0.2, 0.03, (15, 2, 3))
    values[np.random.default_rng(2).random(values.shape) < 0.2] = np.nan
    data = cube(values)
    found = interannual_cv(data, robust=True)
    mad = stats.median_abs_deviation(values, axis=0, nan_policy="omit")
    npt.assert_allclose(found["scaled_mad"], 1.4826 * mad, rtol=1e-12)
    npt.assert_allclose(found["cv"], 1.4826 * mad / np.nanmedian(values, axis=0), rtol=1e-12)
    assert "robust" in found["cv"].attrs["long_name"]
    assert "mean" not in found
    lazy = interannual_cv(data.chunk(time=4, x=2), robust=True)
    assert lazy["cv"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), found)


def test_one_strange_year_moves_it_little_and_normal_values_give_the_plain_one():
    normal = cube(np.random.default_rng(3).normal(10.0, 1.0, 4000))
    assert float(interannual_cv(normal, robust=True)["cv"]) == pytest.approx(0.1, rel=0.05)
    spoilt = normal[:20].where(normal["time"][:20] != normal["time"][3], 500.0)
    assert float(interannual_cv(spoilt)["cv"]) > 1.0
    assert float(interannual_cv(spoilt, robust=True)["cv"]) < 0.2


def test_months_and_places():
    monthly = cube(np.tile([*np.arange(1.0, 12.0), 90.0], 3), freq="MS")
    found = monthly_cv(monthly, robust=True)
    assert float(found["cv"]) == pytest.approx(1.4826 * 3.0 / 6.5)
    maps = cube(np.random.default_rng(4).normal(5.0, 1.0, (3, 40, 50)))
    area = xr.ones_like(maps[0])
    found = spatial_cv(maps, area, robust=True)
    wanted = stats.median_abs_deviation(maps.values.reshape(3, -1), axis=1)
    npt.assert_allclose(found["scaled_mad"], 1.4826 * wanted, rtol=1e-3)
    npt.assert_allclose(found["cv"], 0.2, rtol=0.06)


def test_missing_constant_single_and_infinite_values():
    values = np.array([[np.nan, 3.0, 1.0], [np.nan, 3.0, np.nan], [np.nan, 3.0, np.nan]])[:, None]
    found = interannual_cv(cube(values), robust=True)
    npt.assert_array_equal(found["cv"].values[0], [np.nan, 0.0, np.nan])
    assert found["n"].values.tolist() == [[0, 3, 1]]
    with pytest.raises(DataError, match="infinite"):
        interannual_cv(cube([1.0, np.inf, 2.0]), robust=True)
    with pytest.raises(DataError, match="zero is a convention"):
        interannual_cv(cube([1.0, 2.0]).assign_attrs(units="degC"), robust=True)
