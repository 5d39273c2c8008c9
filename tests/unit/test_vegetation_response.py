"""The response of cover to soil water: its form, its sign by month, its share, and none."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.signal import lfilter

from headwater.errors import DataError
from headwater.vegetation.curves import response_curves
from headwater.vegetation.response import FORMS, fit_response, lagged_water


def world(rng, *, years=12, cells=6, slope=1.5, sign=None, noise=0.02, step=8):
    """Water that persists, and cover that answers the mean of the last five days."""
    days = pd.date_range("2001-01-01", f"{2000 + years}-12-31")
    steps = rng.normal(0, 0.008, (days.size, cells))
    theta = 0.15 + lfilter([1.0], [1.0, -0.95], steps, axis=0)
    water = xr.DataArray(theta, {"time": days}, ("time", "cell"))
    recent = water.rolling(time=5, min_periods=1).mean()
    by_month = np.ones(13) if sign is None else np.asarray(sign, float)
    effect = slope * by_month[days.month.to_numpy()][:, None] * (recent - 0.15)
    cover = (0.5 + effect + rng.normal(0, noise, theta.shape))[::step]
    return cover, water


def test_the_sign_may_change_from_june_to_august():
    sign = [0, 1, 1, 1, 1, 1, 1, 0.5, -1, 1, 1, 1, 1]
    cover, water = world(np.random.default_rng(1), sign=sign)
    maps = fit_response(cover, water, months=(6, 7, 8)).maps
    assert bool((maps["effect"].sel(month=6) > 0).all())
    assert bool((maps["effect"].sel(month=8) < 0).all())


def test_share_is_what_was_put_in():
    cover, water = world(np.random.default_rng(2), cells=40, years=20)
    found = fit_response(cover, water).maps
    assert 0.6 < float(found["share"].median()) < 0.95
    assert bool((found["share_low"] > 0.3).all())
    assert bool((found["share_low"] <= found["share"]).all())


def test_water_that_explains_nothing_gets_nothing():
    hits, shares = [], []
    for seed in range(4):
        cover, water = world(np.random.default_rng(seed), cells=100, slope=0.0, years=10)
        found = fit_response(cover, water).maps
        hits.append(found["share_low"].values <= 0)
        shares.append(found["share"].values)
    assert np.mean(hits) >= 0.95
    assert np.median(shares) < 0.02


def test_residuals_are_rid_of_water_and_standardised():
    cover, water = world(np.random.default_rng(3), noise=0.03)
    found = fit_response(cover, water)
    left = found.residuals(cover, water)
    assert float(left["residual"].std()) == pytest.approx(0.03, rel=0.1)
    assert float(left["z"].std()) == pytest.approx(1.0, abs=0.1)
    assert bool(np.isnan(left["z"].sel(time="2003-01")).all())


def test_frozen_ground_is_left_out_and_counted():
    cover, water = world(np.random.default_rng(4))
    thawed = xr.ones_like(cover, dtype=bool)
    thawed.loc[{"time": slice("2005-05-01", "2005-06-30")}] = False
    found = fit_response(cover, water, thawed=thawed)
    assert found.frozen > 0
    assert float(found.maps["n"].max()) < float(fit_response(cover, water).maps["n"].max())


def test_lags_average_what_they_should():
    days = pd.date_range("2001-01-01", periods=30)
    water = xr.DataArray(np.arange(30.0), {"time": days}, "time")
    water[20:25] = np.nan
    found = lagged_water(water, days[[29]], lags=3, step=5.0)[:, 0, 0]
    assert found[0] == 27.0
    assert np.isnan(found[1])
    assert found[2] == 17.0


def test_a_plateau_is_recognised():
    rng = np.random.default_rng(5)
    cover, water = world(rng, cells=30, years=20)
    flat = 0.2 + 3.0 * water.rolling(time=5, min_periods=1).mean().clip(0.10, 0.15)
    cover = (flat + rng.normal(0, 0.01, water.shape))[::8]
    forms = fit_response(cover, water).maps["form"].values
    assert np.mean([FORMS[int(k)] == "plateau" for k in forms]) > 0.8


def test_curves_by_group_hold_the_truth():
    rng = np.random.default_rng(6)
    cover, water = world(rng, cells=8, years=15)
    groups = xr.DataArray([1.0] * 4 + [2.0] * 3 + [np.nan], dims="cell")
    curves = response_curves(cover, water, groups, rng=rng, months=(6, 7), n_resamples=150)
    assert curves.groupby("group")["cells"].first().to_dict() == {1.0: 4, 2.0: 3}
    truth = 0.5 + 1.5 * (curves["water"] - 0.15)
    assert ((curves["low"] < truth) & (truth < curves["high"])).mean() > 0.8
    assert (curves["cover"] - truth).abs().max() < 0.03


@pytest.mark.parametrize("years", [1, 2])
def test_a_season_or_two_are_not_enough(years):
    cover, water = world(np.random.default_rng(7), years=years)
    with pytest.raises(DataError, match="three years"):
        fit_response(cover, water)
    with pytest.raises(DataError, match="four years"):
        response_curves(cover, water, rng=np.random.default_rng(1))


def test_constant_cover_and_other_cells_are_refused():
    cover, water = world(np.random.default_rng(8))
    with pytest.raises(DataError, match="does not change"):
        fit_response(xr.full_like(cover, 0.5), water)
    with pytest.raises(DataError, match="different cells"):
        fit_response(cover, water[:, :3])


def test_cells_without_values_stay_missing():
    cover, water = world(np.random.default_rng(9))
    cover[:, 2] = np.nan
    maps = fit_response(cover, water).maps
    assert np.isnan(maps["share"].values[2])
    assert int(maps["n"][2]) == 0


def test_cover_that_is_the_same_every_year_has_no_response_and_is_counted():
    rng = np.random.default_rng(5)
    cover, water = world(rng, cells=3)
    mean_year = 0.4 + 0.2 * np.sin(cover["time"].dt.month.values / 2.0)
    cover.values[:, 1] = mean_year + rng.normal(0, 1e-9, cover.sizes["time"])
    found = fit_response(cover, water).maps
    assert np.isnan(found["share"].values[1])
    assert np.isfinite(found["share"].values[[0, 2]]).all()
    assert found.attrs["constant"] == 1
