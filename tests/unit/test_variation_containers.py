"""Functions take arrays, Series and DataArrays, NumPy or Dask, and say the same of each."""

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr

from headwater import variation
from headwater.errors import DataError, TimeAxisError
from headwater.variation.trend.classic import persistent_ols_trend
from headwater.variation.trend.mann_kendall_persistent import (
    hamed_rao,
    prewhitened_mann_kendall,
    yue_wang,
)

RNG = np.random.default_rng(11)
YEARS = pd.date_range("2001-01-01", periods=24, freq="YS")
MONTHS = pd.date_range("2001-01-01", periods=60, freq="MS")
TESTS = [
    variation.ols_trend,
    variation.sen_mann_kendall,
    variation.persistent_mann_kendall,
    persistent_ols_trend,
    hamed_rao,
    yue_wang,
    prewhitened_mann_kendall,
    variation.pettitt,
    variation.interannual_cv,
]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
def test_every_container_gives_the_same_numbers(test) -> None:
    values = 2.0 + RNG.normal(size=24)
    cube = xr.DataArray(values, {"time": YEARS}, "time")
    wanted = test(cube)
    kinds = [
        pd.Series(values, YEARS),
        pd.Series(values, YEARS.to_period("Y")),
        pd.Series(values, YEARS.year),
        cube.chunk(time=8),
    ]
    for kind in kinds:
        for name, found in test(kind).items():
            npt.assert_allclose(found, wanted[name], rtol=1e-9, err_msg=str(name))
    # an array has no times: years count from 1970, which only moves intercepts and dates
    bare = test(values)
    for name in set(bare) - {"intercept", "last"}:
        npt.assert_allclose(bare[name], wanted[name], rtol=1e-6, err_msg=str(name))


def test_arrays_of_cells_keep_their_shape() -> None:
    cube = RNG.normal(size=(12, 3, 4))
    assert variation.sen_mann_kendall(cube)["slope"].shape == (3, 4)
    assert variation.sen_mann_kendall(cube[:, 0])["slope"].shape == (4,)
    dask = pytest.importorskip("dask.array")
    lazy = variation.sen_mann_kendall(dask.from_array(cube, chunks=(5, 3, 2)))
    npt.assert_allclose(lazy["p"], variation.sen_mann_kendall(cube)["p"])


def test_a_series_comes_back_as_a_series() -> None:
    series = pd.Series(np.arange(60.0), MONTHS, name="theta")
    found = variation.anomalies(series)
    assert isinstance(found, pd.Series)
    assert found.name == "theta"
    assert found.index.equals(series.index)
    npt.assert_allclose(found, variation.anomalies(series.to_xarray().rename(index="time")))


def test_correlation_takes_series_and_arrays() -> None:
    a, b = RNG.normal(size=(2, 60))
    wanted = float(np.corrcoef(a, b)[0, 1])
    assert float(variation.correlate(pd.Series(a, MONTHS), pd.Series(b, MONTHS))["r"]) == (
        pytest.approx(wanted)
    )
    assert float(variation.correlate(a, b)["r"]) == pytest.approx(wanted)
    assert float(variation.lagged_correlation(a, b, [0])["r"][0]) == pytest.approx(wanted)
    assert variation.correlate_maps(a.reshape(6, 10), b.reshape(6, 10)).value == (
        pytest.approx(wanted)
    )


def test_what_has_no_times_is_refused() -> None:
    with pytest.raises(TimeAxisError, match="times as its index"):
        variation.sen_mann_kendall(pd.Series([1.0, 2.0, 3.0]))
    with pytest.raises(DataError, match="time first"):
        variation.sen_mann_kendall(np.zeros((2, 2, 2, 2)))
