"""Chunked equals whole, lazily, for everything that works on cubes."""

import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.variation import (
    aggregate,
    anomalies,
    climatology,
    correlate,
    interannual_cv,
    monthly_cv,
    ols_trend,
    sen_mann_kendall,
)
from headwater.variation.aggregation import aggregate_all
from headwater.variation.mean_year import period_mean

PERIODS = ("day", "pentad", "month", "season", "growing_season", "year")


def daily(seed, steps, dtype="float64"):
    rng = np.random.default_rng(seed)
    start = np.datetime64("2015-01-01") + rng.integers(0, 400)
    index = pd.date_range(start, periods=steps)
    values = rng.gamma(2.0, 1.0, (steps, 3, 4)).astype(dtype)
    values[rng.random(values.shape) < 0.15] = np.nan
    total = "sum" if seed % 2 else "mean"
    return xr.DataArray(values, {"time": index}, ("time", "y", "x"), "rain", {"total": total})


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    steps=st.integers(2, 900),
    length=st.integers(1, 900),
    period=st.sampled_from(PERIODS),
    season=st.sampled_from([(5, 10), (11, 3), (1, 12), (7, 7), (6, 5)]),
)
def test_aggregation_of_any_chunks(seed, steps, length, period, season):
    data = daily(seed, max(steps, 400), "float32")
    options = {"min_coverage": 0.5, "growing_season": season}
    whole = aggregate(data, period, **options)
    chunks = {"time": max(length, 20), "y": 2, "x": 3}
    lazy = aggregate(data.chunk(chunks), period, **options)
    assert lazy["rain"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-12)
    for cube in (data, data.chunk(chunks)):
        together = aggregate_all(cube, [period, "month", "year"], **options)
        xr.testing.assert_allclose(together[period].compute(), whole, rtol=1e-12)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), length=st.integers(9, 48), width=st.integers(1, 4))
def test_statistics_of_any_chunks(seed, length, width):
    rng = np.random.default_rng(seed)
    index = pd.date_range("2010-01-01", periods=48, freq="MS")
    values = rng.normal(5.0, 1.0, (2, 48, 3, 4))
    values[rng.random(values.shape) < 0.1] = np.nan
    a, b = (xr.DataArray(each, {"time": index}, ("time", "y", "x"), "v") for each in values)
    chunks = {"time": length, "y": 2, "x": width}
    ca, cb = a.chunk(chunks), b.chunk(chunks)
    pairs = [
        (ols_trend(ca), ols_trend(a)),
        (sen_mann_kendall(ca), sen_mann_kendall(a)),
        (interannual_cv(ca), interannual_cv(a)),
        (monthly_cv(ca, min_months=1), monthly_cv(a, min_months=1)),
        (climatology(ca), climatology(a)),
        (anomalies(ca).to_dataset(name="v"), anomalies(a).to_dataset(name="v")),
        (correlate(ca, cb), correlate(a, b)),
        (period_mean(ca, months=(5, 10)), period_mean(a, months=(5, 10))),
    ]
    for lazy, whole in pairs:
        assert all(values.chunks is not None for values in lazy.data_vars.values())
        xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-8, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), factor=st.sampled_from([0.5, 3.0]), shift=st.sampled_from([0, 7])
)
def test_trends_scale_with_units_and_ignore_an_offset(seed, factor, shift):
    rng = np.random.default_rng(seed)
    index = pd.date_range("2000-01-01", periods=9, freq="YS")
    values = rng.integers(0, 6, (9, 2, 2)).astype(float)
    data = xr.DataArray(values, {"time": index}, ("time", "y", "x"), "v")
    for method in (ols_trend, sen_mann_kendall):
        plain, changed = method(data), method(shift + factor * data)
        np.testing.assert_allclose(changed["slope"], factor * plain["slope"], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(changed["p"], plain["p"], rtol=1e-6, atol=1e-12)
        turned = method(-data)
        np.testing.assert_allclose(turned["slope"], -plain["slope"], rtol=1e-9, atol=1e-12)
