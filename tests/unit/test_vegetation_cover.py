"""Cover, smoothing and seasons: gaps, flags, bad input, and what chunks must not change."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.errors import DataError, TimeAxisError
from headwater.vegetation import _kernels
from headwater.vegetation.cover import (
    EndValues,
    clean_ndvi,
    end_values,
    fractional_cover,
    place_composites,
    temperature_condition,
    vegetation_condition,
)
from headwater.vegetation.phenology import greenness_season, temperature_season, thaw_season
from headwater.vegetation.smoothing import choose_strength, hants, whittaker

RNG = np.random.default_rng(20)


def cube(years=4, *, noise=0.02, step="16D", cells=(3, 4)):
    times = pd.date_range("2001-01-01", periods=years * 23, freq=step)
    base = 0.1 + 0.5 * np.exp(-(((times.day_of_year.to_numpy() - 205) / 40.0) ** 2))
    values = base[:, None, None] + np.random.default_rng(3).normal(0, noise, (len(times), *cells))
    return xr.DataArray(values, {"time": times}, ("time", "y", "x"), "ndvi")


def dense(values, weights, strength):
    """Whittaker smoother by a dense solve."""
    second = np.diff(np.eye(len(values)), 2, axis=0)
    left = np.diag(weights) + strength * second.T @ second
    return np.linalg.solve(left, weights * np.nan_to_num(values))


@pytest.mark.parametrize("n", [3, 4, 5, 6, 23, 115])
@pytest.mark.parametrize("strength", [0.1, 10.0, 1e4])
def test_whittaker_kernel_equals_the_dense_solve(n, strength):
    rng = np.random.default_rng(n)
    values, weights = rng.normal(size=(5, n)), rng.random((5, n)) + 0.01
    if n > 6:
        weights[:, 3:5] = 0.0
    found = _kernels.whittaker_rows(values, weights, np.full(5, strength), n)
    for j in range(5):
        first, last = np.flatnonzero(weights[j])[[0, -1]]
        expected = dense(values[j], weights[j], strength)[first : last + 1]
        np.testing.assert_allclose(found[j, first : last + 1], expected, rtol=1e-7, atol=1e-9)


def test_nothing_is_invented_in_long_gaps_or_at_the_ends():
    data = cube()
    data[30:45] = np.nan
    data[:4] = np.nan
    smooth = whittaker(data, strength=10.0, max_gap=6)
    assert bool(np.isnan(smooth[30:45]).all())
    assert bool(np.isnan(smooth[:4]).all())
    short = cube()
    short[30:34] = np.nan
    assert bool(np.isfinite(whittaker(short, strength=10.0, max_gap=6)).all())


def test_a_year_in_a_gap_has_no_season_and_says_why():
    data = cube(noise=0.002)
    data.loc[{"time": "2002"}] = np.nan
    season = greenness_season(whittaker(data, strength=1.0))
    assert bool(np.isnan(season["start"].sel(year=2002)).all())
    assert set(np.unique(season["reason"].sel(year=2002))) <= {1, 3}
    assert bool(np.isfinite(season["start"].sel(year=2003)).all())


def test_smoothing_in_chunks_gives_the_same():
    data = cube(cells=(6, 8))
    whole = whittaker(data, strength=5.0)
    parts = whittaker(data.chunk({"y": 2, "x": 3, "time": 20}), strength=5.0)
    xr.testing.assert_identical(whole, parts.compute())
    assert choose_strength(data) == pytest.approx(choose_strength(data.chunk({"y": 3})))


def test_smoothing_returns_what_it_was_given():
    data = cube()
    series = data[:, 0, 0].to_series()
    as_series = whittaker(series, strength=5.0)
    assert isinstance(as_series, pd.Series)
    np.testing.assert_allclose(whittaker(data.values, strength=5.0)[:, 0, 0], as_series)


def test_hants_gives_no_curve_to_a_year_with_a_long_gap():
    data = cube()[:, 0, 0]
    data.loc[{"time": slice("2002-05-01", "2002-09-01")}] = np.nan
    curve = hants(data)
    assert bool(np.isnan(curve.sel(time="2002")).all())
    assert bool(np.isfinite(curve.sel(time="2003")).all())


def test_ndvi_of_0_to_10000_must_be_declared():
    raw = (cube() * 10000).round()
    with pytest.raises(DataError, match="NDVI outside -1 to 1"):
        clean_ndvi(raw)
    raw[3, 0, 0] = -3000
    flag = xr.zeros_like(raw, dtype=int)
    flag[5, 1, 1] = 2
    good = clean_ndvi(raw, scale=0.0001, flag=flag)
    assert good.attrs["left_out"] == "1 fill, 1 flagged"
    assert int(np.isnan(good).sum()) == 2


def test_nothing_left_is_an_error():
    with pytest.raises(DataError, match="no NDVI is left"):
        clean_ndvi(cube(), flag=xr.ones_like(cube(), dtype=int))


def test_composites_of_the_last_period_may_belong_to_the_next_year():
    time = pd.to_datetime(["2001-12-19"])
    ndvi = xr.DataArray([[0.2, 0.3]], {"time": time}, ("time", "cell"))
    day = xr.DataArray([[360, 2]], {"time": time}, ("time", "cell"))
    even = place_composites(ndvi, day, step=1)
    assert int(even[:, 0].fillna(-1).values.argmax()) == 7
    assert int(even[:, 1].fillna(-1).values.argmax()) == 14


def test_types_need_end_values():
    types = xr.DataArray([1.0, 2.0, np.nan], dims="cell")
    ndvi = xr.DataArray([[0.3, 0.3, 0.3]], dims=("time", "cell"))
    with pytest.raises(DataError, match="types without end values"):
        fractional_cover(ndvi, EndValues.given({1: (0.1, 0.8)}), types=types)
    both = EndValues.given({1: (0.1, 0.8), 2: (0.2, 0.6)})
    cover = fractional_cover(ndvi, both, types=types)
    assert cover.values[0, :2] == pytest.approx([2 / 7, 0.25])
    assert np.isnan(cover.values[0, 2])
    with pytest.raises(DataError, match="several types"):
        fractional_cover(ndvi, both)


def test_end_values_refuse_a_constant_and_too_few():
    with pytest.raises(DataError, match="no end values"):
        end_values(xr.full_like(cube(), 0.3), rng=RNG)
    with pytest.raises(DataError, match="no end values"):
        end_values(cube()[:5, 0, 0], rng=RNG)
    with pytest.raises(DataError, match="greener"):
        EndValues.given({0: (0.8, 0.1)})


def test_end_values_come_with_errors_that_cover_the_truth():
    # bootstrap of independent years: the interval of two standard errors covers in most draws
    hit = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        peaks = xr.DataArray(rng.beta(3, 2, (25, 30)), dims=("year", "cell"))
        row = end_values(peaks, rng=rng, n_resamples=100).table.loc[0]
        hit += abs(row["full"] - 0.9023885) < 2.2 * row["full_sd"]
    assert hit >= 50


def test_condition_compares_with_the_same_days_only():
    data = cube()
    vci = vegetation_condition(data)
    assert float(vci.min()) == 0.0
    assert float(vci.max()) == pytest.approx(100.0)
    twice = vegetation_condition(data * 2 - 0.1)
    np.testing.assert_allclose(twice, vci, atol=1e-9)


def test_tci_is_refused_where_heat_helps_growth():
    data = cube()
    with pytest.raises(DataError, match="TCI has no meaning"):
        temperature_condition(data, 6.0)
    season = xr.DataArray(np.r_[[6.0] * 2, [18.0] * 2], dims="x")
    found = temperature_condition(data, season)
    assert bool(np.isnan(found.isel(x=0)).all())
    assert float(np.isfinite(found.isel(x=3)).mean()) > 0.9


def test_seasons_from_temperature_are_refused_where_it_does_not_limit():
    days = pd.date_range("2001-01-01", "2002-12-31")
    warm = pd.Series(12.0 + 3 * np.cos(days.day_of_year / 58), days)
    season = temperature_season(warm)
    assert set(season["reason"].values.tolist()) == {7}
    assert bool(np.isnan(season["start"]).all())


def test_missing_days_before_a_start_are_counted():
    days = pd.date_range("2001-01-01", "2001-12-31")
    air = pd.Series(10.0 - abs(days.day_of_year - 200) / 10, days)
    air.iloc[100:140] = np.nan
    season = temperature_season(air)
    assert int(season["missing"][0]) == 40
    assert int(season["reason"][0]) == 6


def test_thaw_is_above_zero_not_at_it():
    days = pd.date_range("2001-01-01", "2001-12-31")
    plateau = pd.Series(np.where(days.day_of_year < 150, 0.0, 2.0), days)
    assert float(thaw_season(plateau, margin=0.0)["start"][0]) == 150.0


def test_runs_need_daily_values():
    with pytest.raises(TimeAxisError, match="daily"):
        temperature_season(cube()[:, 0, 0])


def test_flat_series_have_no_season():
    flat = xr.full_like(cube(), 0.2)
    season = greenness_season(flat)
    assert set(np.unique(season["reason"])) == {2}


def test_start_of_season_has_an_honest_error():
    # noise of a known sd on a known curve: about 95 % within 1.96 standard deviations
    times = pd.date_range("2001-01-01", periods=23 * 4, freq="16D")
    curve = 0.1 + 0.5 * np.exp(-(((times.day_of_year.to_numpy() - 205) / 40.0) ** 2))
    noisy = curve[:, None] + np.random.default_rng(8).normal(0, 0.01, (len(times), 400))
    data = xr.DataArray(noisy, {"time": times}, ("time", "cell"))
    clean = greenness_season(xr.DataArray(curve, {"time": times}, "time"))
    found = greenness_season(data, noise=0.01)
    inside = abs(found["start"] - clean["start"]) < 1.96 * found["start_sd"]
    assert 0.90 < float(inside.mean()) < 0.995


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.03])
def test_the_strength_that_is_chosen_keeps_the_season(noise):
    # composites of 16 days on steps of 8: little noise makes the valley beyond the season deeper
    even = cube(8, noise=noise, cells=(1, 1)).resample(time="8D").mean()
    smooth = whittaker(even)
    assert smooth.attrs["strength"] < 50.0
    assert float(smooth.max() - smooth.min()) > 0.4
