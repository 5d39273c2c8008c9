import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from headwater.errors import DataError, TimeAxisError
from headwater.variation import anomalies, correlate, lagged_correlation
from headwater.variation.correlation import follows, monthly_correlation


def cube(values, freq="MS", name="theta", **attrs):
    values = np.asarray(values, dtype=float)
    index = pd.date_range("2000-01-01", periods=values.shape[0], freq=freq)
    return xr.DataArray(values, {"time": index}, ("time", "y", "x")[: values.ndim], name, attrs)


def holed(seed, shape=(60, 2, 3), share=0.15):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    values[rng.random(shape) < share] = np.nan
    return values


def cells(*cubes):
    """The complete pairs of every cell."""
    for y, x in np.ndindex(cubes[0].shape[1:]):
        columns = np.stack([each.values[:, y, x] for each in cubes])
        yield (y, x), columns[:, ~np.isnan(columns).any(axis=0)]


def test_ranks_equal_scipy_with_ties_and_gaps():
    a, b = (cube(np.round(holed(seed), 1)) for seed in (1, 2))
    found = correlate(a, b, method="spearman")
    for cell, (x, y) in cells(a, b):
        rho, p = stats.spearmanr(x, y)
        assert float(found["r"][cell]) == pytest.approx(rho, rel=1e-10)
        assert float(found["p"][cell]) == pytest.approx(p, rel=1e-8)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_partial_correlation_is_that_of_residuals(count):
    a, b, *controls = (cube(holed(seed)) for seed in range(2 + count))
    a = a + 2.0 * controls[0].fillna(0.0)
    found = correlate(a, b, controls=controls)
    for cell, (x, y, *fixed) in cells(a, b, *controls):
        inverse = np.linalg.inv(np.corrcoef(np.stack([x, y, *fixed])))
        r = -inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
        dof = x.size - 2 - count
        assert float(found["r"][cell]) == pytest.approx(r, rel=1e-9)
        p = 2 * stats.t.sf(abs(r) * np.sqrt(dof / (1 - r * r)), dof)
        assert float(found["p"][cell]) == pytest.approx(p, rel=1e-8)
        assert int(found["n"][cell]) == x.size


def test_nothing_is_left_beside_a_control_that_says_it_all():
    a, b, c = (cube(holed(seed)) for seed in (3, 4, 5))
    assert np.isnan(correlate(3.0 * c - 1.0, b, controls=[c])["r"]).all()
    assert np.isnan(correlate(a, b, controls=[c, 2.0 * c])["r"]).all()
    assert np.isnan(correlate(a, b, controls=[xr.ones_like(c)])["r"]).all()


def test_deseasonalised_equals_anomalies_of_the_shared_times_and_costs_eleven_months():
    a, b = (cube(holed(seed)) for seed in (6, 7))
    season = xr.DataArray(np.tile(np.arange(12.0), 5), dims="time")
    found = correlate(a + season, b + 3.0 * season, deseasonalised=True)
    both = np.isfinite(a + b)
    plain = correlate(anomalies(a.where(both)), anomalies(b.where(both)), persistence=False)
    npt.assert_allclose(found["r"], plain["r"], rtol=1e-9)
    n = found["n"].values
    t = found["r"] * np.sqrt((n - 13) / (1 - found["r"] ** 2))
    npt.assert_allclose(found["p"], 2 * stats.t.sf(np.abs(t), n - 13), rtol=1e-8)
    pure = season.expand_dims({"y": 1, "x": 1}, axis=(1, 2)).assign_coords(time=a["time"])
    assert np.isnan(correlate(pure, b[:, :1, :1], deseasonalised=True)["r"]).all()


def test_p_of_persistent_series_is_uniform_after_correction():
    rng = np.random.default_rng(8)
    noise = rng.normal(size=(2, 150, 1, 2000))
    for i in range(1, 150):
        noise[:, i] += 0.5 * noise[:, i - 1]
    found = correlate(cube(noise[0, 30:]), cube(noise[1, 30:]), deseasonalised=True)
    assert float((found["p"] < 0.05).mean()) > 0.08
    assert float((found["p_effective"] < 0.05).mean()) == pytest.approx(0.05, abs=0.02)
    assert stats.kstest(found["p_effective"].values.ravel(), "uniform").statistic < 0.05


@pytest.mark.parametrize(
    "options", [{"method": "spearman"}, {"deseasonalised": True}, {"controls": 2}, {}]
)
def test_lazy_and_chunked_equals_whole(options):
    a, b, *controls = (cube(holed(seed)) for seed in range(9, 13))
    options = {**options, "controls": controls[: options.get("controls", 0)]}
    whole = correlate(a, b, **options)
    chunks = {"time": 7, "y": 1, "x": 2}
    options["controls"] = [each.chunk(chunks) for each in options["controls"]]
    lazy = correlate(a.chunk(chunks), b.chunk(chunks), **options)
    assert all(values.chunks is not None for values in lazy.data_vars.values())
    xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-9)


def test_gaps_in_the_calendar_are_no_neighbours():
    index = pd.date_range("2000-01-01", periods=9, freq="MS").delete([3])
    assert follows(index).tolist() == [False, True, True, False, True, True, True, True]
    years = pd.DatetimeIndex(["2000-01-01", "2001-01-01", "2002-01-01", "2004-01-01"])
    assert follows(years).tolist() == [False, True, True, False]
    strange = pd.DatetimeIndex(["2000-01-01", "2000-01-04", "2000-02-01", "2000-02-09"])
    assert not follows(strange).any()
    assert follows(index[:1]).tolist() == [False]
    noleap = xr.date_range("2000-02-27", periods=4, calendar="noleap", use_cftime=True)
    assert follows(noleap).tolist() == [False, True, True, True]
    found = correlate(*(cube(holed(seed))[:4].assign_coords(time=strange) for seed in (1, 2)))
    assert np.isnan(found["p_effective"]).all()
    assert not np.isnan(found["r"]).all()


def test_constant_all_missing_and_few_values_are_missing():
    values = holed(13, (12, 1, 4), 0.0)
    values[:, 0, 0], values[:, 0, 1], values[2:, 0, 2] = np.nan, 4.0, np.nan
    other = cube(holed(14, (12, 1, 4), 0.0))
    for options in ({}, {"method": "spearman"}, {"controls": [cube(holed(15, (12, 1, 4), 0.0))]}):
        found = correlate(cube(values), other, **options)
        assert np.isnan(found["r"][0, :2]).all()
        assert np.isnan(found["p"][0, :3]).all()
        assert found["n"].values.tolist() == [[0, 12, 2, 12]]
        assert not np.isnan(found["p"][0, 3])


@pytest.mark.parametrize("options", [{}, {"method": "spearman"}, {"deseasonalised": True}])
def test_infinite_values_are_refused(options):
    a, b = cube(holed(16)), cube(holed(17))
    with pytest.raises(DataError, match="infinite"):
        correlate(a.where(a.time != a.time[3], np.inf), b, **options)
    with pytest.raises(DataError, match="unknown method"):
        correlate(a, b, method="kendal")
    with pytest.raises(DataError, match="circular"):
        correlate(a, b, controls=[b.assign_attrs(kind="circular")])


def test_the_best_lag_is_found_and_pays_for_the_search():
    rng = np.random.default_rng(18)
    rain = cube(rng.normal(size=(120, 2, 3)))
    wet = rain.shift(time=3) + 0.3 * rng.normal(size=(120, 2, 3))
    found = lagged_correlation(wet, rain, range(6))
    assert (found["best_lag"] == 3).all()
    assert (found["best_r"] > 0.8).all()
    npt.assert_allclose(found["best_p"], 6 * found["p_effective"].sel(lag=3), rtol=1e-12)
    npt.assert_allclose(found["r"].sel(lag=2), correlate(wet, rain.shift(time=2))["r"], rtol=1e-12)
    noise = lagged_correlation(
        cube(rng.normal(size=(60, 30, 40))), cube(rng.normal(size=(60, 30, 40)))
    )
    assert 0.02 < float((noise["best_p"] < 0.05).mean()) < 0.06
    lazy = lagged_correlation(wet.chunk(time=11), rain.chunk(time=11), range(6))
    xr.testing.assert_allclose(lazy.compute(), found, rtol=1e-9)


def test_lags_need_an_even_calendar_and_sense():
    a, b = cube(holed(19)), cube(holed(20))
    with pytest.raises(TimeAxisError, match="evenly spaced"):
        lagged_correlation(a.isel(time=[0, 1, 2, 5, 6, 7, 8]), b)
    for lags in ([], [1, 1], [60]):
        with pytest.raises(DataError, match="different steps"):
            lagged_correlation(a, b, lags)
    assert np.isnan(lagged_correlation(cube(np.ones((20, 1, 1))), b[:20, :1, :1])["best_lag"]).all()


def test_months_are_correlated_over_years_by_themselves():
    a, b = cube(holed(21, (96, 2, 2))), cube(holed(22, (96, 2, 2)))
    found = monthly_correlation(a, b, [6, 8, 9], min_years=5)
    assert found["month"].values.tolist() == [6, 8, 9]
    for month in (6, 8, 9):
        own = a["time"].dt.month == month
        for cell, (x, y) in cells(a[own], b[own]):
            here = found.sel(month=month)
            assert int(here["n"][cell]) == x.size
            if x.size < 5:
                assert np.isnan(here["r"][cell])
            else:
                assert float(here["r"][cell]) == pytest.approx(stats.pearsonr(x, y)[0], rel=1e-9)
    for options in ({"months": [13]}, {"months": []}, {"min_years": 2}):
        with pytest.raises(DataError, match="months go from 1 to 12"):
            monthly_correlation(a, b, **options)
    with pytest.raises(DataError, match="share no month 9"):
        monthly_correlation(a[:6], b[:6], [9])
