"""Under no trend, p is uniform and 5 % are called significant: docs/simulations/trend.md."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from headwater.variation import (
    ols_trend,
    persistent_mann_kendall,
    seasonal_mann_kendall,
    sen_mann_kendall,
)
from headwater.variation.trend.classic import persistent_ols_trend
from headwater.variation.trend.mann_kendall_persistent import prewhitened_mann_kendall

SERIES = 2000
PLAIN = {"sen": sen_mann_kendall, "ols": ols_trend}
CORRECTED = {
    "persistent": persistent_mann_kendall,
    "ols_ar1": persistent_ols_trend,
    "prewhitened": lambda data: prewhitened_mann_kendall(data, kind="corrected"),
}


def noise(n, r, seed, freq="YS"):
    rng = np.random.default_rng([seed, n])
    values = rng.normal(size=(n, SERIES))
    values[0] /= np.sqrt(1 - r * r)
    for i in range(1, n):
        values[i] += r * values[i - 1]
    times = pd.date_range("1783-01-01", periods=n, freq=freq, unit="s")
    return xr.DataArray(values, {"time": times}, ("time", "cell"))


@pytest.mark.slow
@pytest.mark.parametrize("method", PLAIN)
@pytest.mark.parametrize("n", [40, 240])
def test_p_of_plain_tests_is_uniform_for_independent_values(method, n):
    p = PLAIN[method](noise(n, 0.0, 11))["p"].values
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("method", CORRECTED)
@pytest.mark.parametrize("r", [0.2, 0.4, 0.6])
def test_p_of_corrected_tests_is_uniform_for_persistent_values(method, r):
    p = CORRECTED[method](noise(240, r, 12))["p"].values
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 40, 60, 240])
def test_the_recommended_test_keeps_its_size(n):
    for r in (0.0, 0.2, 0.4, 0.6):
        data = noise(n, r, 13)
        found = persistent_mann_kendall(data)
        size = float((found["p"] <= 0.05).mean())
        assert 0.015 < size < 0.08
        if n >= 40:
            assert size < 0.065
            held = (found["slope_low"] <= 0) & (found["slope_high"] >= 0)
            assert float(held.where(~np.isnan(found["slope_low"])).mean()) > 0.92
        if r >= 0.4 and n >= 20:
            assert float((sen_mann_kendall(data)["p"] <= 0.05).mean()) > 0.13


@pytest.mark.slow
@pytest.mark.parametrize("r", [0.0, 0.4, 0.6])
def test_months_may_be_correlated(r):
    data = noise(240, r, 14, "MS")
    size = float((seasonal_mann_kendall(data)["p"] <= 0.05).mean())
    assert 0.02 < size < 0.065


@pytest.mark.slow
def test_five_years_cannot_be_corrected_but_are_exact():
    size = float((sen_mann_kendall(noise(5, 0.0, 15))["p"] <= 0.05).mean())
    assert size == pytest.approx(2 / 120, abs=0.008)
    data = noise(5, 0.0, 16)
    np.testing.assert_array_equal(persistent_mann_kendall(data)["p"], sen_mann_kendall(data)["p"])
