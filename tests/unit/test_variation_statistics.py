import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from headwater.errors import DataError, GridError, TimeAxisError
from headwater.inference import fdr
from headwater.variation import (
    anomalies,
    climatology,
    correlate,
    correlate_maps,
    interannual_cv,
    monthly_cv,
    ols_trend,
    sen_mann_kendall,
    spatial_cv,
)
from headwater.variation.calendar import decimal_years
from headwater.variation.map_correlation import circular_linear, matrix
from headwater.variation.trend.classic import trend_class


def cube(values, freq="YS", **attrs):
    values = np.asarray(values, dtype=float)
    index = pd.date_range("2000-01-01", periods=values.shape[0], freq=freq)
    dims = ("time", "y", "x")[: values.ndim]
    return xr.DataArray(values, {"time": index}, dims, "theta", {"units": "m3 m-3", **attrs})


def holed(shape, seed=0, share=0.2):
    rng = np.random.default_rng(seed)
    values = rng.normal(0.2, 0.05, shape)
    values[rng.random(shape) < share] = np.nan
    return values


def test_ols_equals_scipy_and_gaps_keep_their_time():
    data = cube(holed((30, 2, 3)), freq="MS")
    time = decimal_years(data.indexes["time"])
    found = ols_trend(data)
    for y, x in np.ndindex(2, 3):
        values = data.values[:, y, x]
        ok = ~np.isnan(values)
        line = stats.linregress(time[ok], values[ok])
        for ours, theirs in {
            "slope": "slope",
            "se": "stderr",
            "p": "pvalue",
            "r": "rvalue",
        }.items():
            assert float(found[ours][y, x]) == pytest.approx(getattr(line, theirs), rel=1e-9)
        assert float(found["intercept"][y, x]) == pytest.approx(line.intercept, rel=1e-9)
        assert int(found["n"][y, x]) == ok.sum()
    assert found["slope"].attrs["units"] == "m3 m-3 year-1"


def brute(time, values):
    """Plain Sen and Kendall, as the textbooks write them."""
    ok = ~np.isnan(values)
    t, x = time[ok], values[ok]
    i, j = np.triu_indices(x.size, 1)
    rise = x[j] - x[i]
    _, ties = np.unique(x, return_counts=True)
    n = x.size
    variance = (n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    slopes = np.sort(rise / (t[j] - t[i]))
    reach = stats.norm.ppf(0.975) * np.sqrt(variance)
    low, high = np.rint((slopes.size - reach) / 2), np.rint((slopes.size + reach) / 2 + 1)
    limits = (slopes[int(low) - 1], slopes[int(high) - 1])
    return np.sign(rise).sum(), variance, np.median(slopes), *limits


@pytest.mark.parametrize("ties", [False, True])
def test_sen_and_kendall_equal_brute_force(ties):
    values = holed((25, 3, 4), 1)
    data = cube(np.round(values, 2) if ties else values, freq="7D")
    time = decimal_years(data.indexes["time"])
    found = sen_mann_kendall(data)
    for y, x in np.ndindex(3, 4):
        wanted = brute(time, data.values[:, y, x])
        for key, value in zip(
            ("s", "var_s", "slope", "slope_low", "slope_high"), wanted, strict=True
        ):
            assert float(found[key][y, x]) == pytest.approx(value, rel=1e-12)


def test_short_and_strange_series_have_defined_results():
    values = np.full((5, 1, 5), np.nan)
    values[:2, 0, 1] = [1.0, 2.0]
    values[:, 0, 2] = 3.0
    values[:, 0, 3] = [1.0, 2.0, 3.0, 4.0, 5.0]
    values[0, 0, 4] = 7.0
    sen, line = sen_mann_kendall(cube(values)), ols_trend(cube(values))
    assert sen["n"].values[0].tolist() == [0, 2, 5, 5, 1]
    npt.assert_allclose(sen["p"].values[0], [np.nan, 1.0, 1.0, 1 / 60, np.nan])
    npt.assert_allclose(sen["slope"].values[0], [np.nan, 1.0, 0.0, 1.0, np.nan], rtol=1e-2)
    npt.assert_allclose(sen["smallest_p"].values[0], [np.nan, 1.0, 1 / 60, 1 / 60, np.nan])
    npt.assert_allclose(line["slope"].values[0], [np.nan, 1.0, 0.0, 1.0, np.nan], rtol=1e-2)
    npt.assert_allclose(line["p"].values[0, :3], [np.nan, np.nan, 1.0])
    assert line["p"].values[0, 3] < 1e-6
    assert np.isnan(line["r"].values[0, 2])


@pytest.mark.parametrize("method", [ols_trend, sen_mann_kendall])
def test_infinite_values_and_angles_have_no_trend(method):
    with pytest.raises(DataError, match="infinite"):
        method(cube([1.0, np.inf, 2.0]))
    with pytest.raises(DataError, match="circular"):
        method(cube([1.0, 2.0, 3.0], kind="circular"))
    with pytest.raises(TimeAxisError, match="twice"):
        method(cube([1.0, 2.0, 3.0]).isel(time=[0, 0, 1]))


def test_trend_class_tells_sign_and_significance():
    slope = xr.DataArray([-1.0, -1.0, 0.0, 1.0, 1.0, np.nan])
    significant = xr.DataArray([True, False, False, False, True, False])
    codes = trend_class(slope, significant)
    npt.assert_array_equal(codes.values, [-2, -1, 0, 1, 2, np.nan])
    assert len(codes.attrs["flag_meanings"].split()) == 5


def test_p_of_noise_is_uniform():
    noise = np.random.default_rng(5).normal(size=(12, 40, 50))
    exact, line = (
        method(cube(noise))["p"].values.ravel() for method in (sen_mann_kendall, ols_trend)
    )
    assert stats.kstest(line, "uniform").statistic < 0.04
    # S is discrete: its p may only be too large between the values that it can take
    for p in np.unique(exact):
        assert np.mean(exact <= p) == pytest.approx(p, abs=0.04)
    assert fdr(exact).passed <= 3


def test_climatology_and_anomalies_equal_pandas():
    data = cube(holed((60, 1, 2), 2), freq="MS")
    mean_year = climatology(data)
    frame = data.isel(y=0, x=1).to_series()
    by_month = frame.groupby(frame.index.month)
    npt.assert_allclose(mean_year["mean"].values[:, 0, 1], by_month.mean(), rtol=1e-13)
    npt.assert_allclose(mean_year["sd"].values[:, 0, 1], by_month.std(), rtol=1e-11)
    npt.assert_array_equal(mean_year["n"].values[:, 0, 1], by_month.count())
    left = anomalies(data)
    npt.assert_allclose(climatology(left)["mean"].values, 0.0, atol=1e-15)
    assert left.attrs["units"] == data.attrs["units"]


def test_cv_names_its_scope():
    yearly = cube(holed((5, 2, 2), 3, share=0.0))
    found = interannual_cv(yearly)
    expected = yearly.values.std(axis=0, ddof=1) / yearly.values.mean(axis=0)
    npt.assert_allclose(found["cv"], expected, rtol=1e-12)
    assert found.attrs["scope"] == "interannual"
    monthly = cube(np.tile(np.arange(1.0, 13.0), 3), freq="MS")
    assert float(monthly_cv(monthly)["cv"]) == pytest.approx(np.std(np.arange(1, 13), ddof=1) / 6.5)
    assert monthly_cv(monthly).attrs["scope"] == "monthly"
    half = monthly.where(monthly.time.dt.month > 6)
    assert np.isnan(float(monthly_cv(half)["cv"]))
    assert int(monthly_cv(half)["n"]) == 6


def test_spatial_cv_weighs_by_area():
    field = xr.DataArray([[1.0, 3.0, np.nan]], dims=("y", "x"))
    found = spatial_cv(field, xr.DataArray([[3.0, 1.0, 9.0]], dims=("y", "x")))
    assert float(found["mean"]) == 1.5
    assert float(found["sd"]) == pytest.approx(np.sqrt((3 * 0.25 + 2.25) / 4 * 2))
    assert int(found["n"]) == 2
    with pytest.raises(GridError, match="other cells"):
        spatial_cv(field, xr.DataArray([[1.0]], dims=("y", "x")))


def test_cv_near_zero_and_on_interval_scales():
    around_zero = cube([[[1.0, 0.0]], [[-1.0, 0.0]], [[0.01, 0.0]]])
    assert np.isnan(interannual_cv(around_zero)["cv"]).all()
    with pytest.raises(DataError, match="zero is a convention"):
        interannual_cv(cube([1.0, 2.0], units="degC"))
    assert float(interannual_cv(cube([270.0, 272.0], units="K"))["cv"]) > 0
    with pytest.raises(DataError, match="circular"):
        interannual_cv(cube([1.0, 2.0], kind="circular"))


def test_correlation_over_time_equals_scipy():
    a, b = cube(holed((40, 2, 2), 6), freq="MS"), cube(holed((40, 2, 2), 7), freq="MS")
    found = correlate(a, b)
    for y, x in np.ndindex(2, 2):
        ok = ~(np.isnan(a.values[:, y, x]) | np.isnan(b.values[:, y, x]))
        r, p = stats.pearsonr(a.values[ok, y, x], b.values[ok, y, x])
        assert float(found["r"][y, x]) == pytest.approx(r, rel=1e-11)
        assert float(found["p"][y, x]) == pytest.approx(p, rel=1e-9)
        assert int(found["n"][y, x]) == ok.sum()
        assert float(found["p_effective"][y, x]) >= float(found["p"][y, x]) * (1 - 1e-12)


def test_correlation_uses_common_times():
    a, b = cube(np.arange(10.0), freq="MS"), cube(np.arange(10.0) ** 2, freq="MS")
    found = correlate(a.isel(time=slice(0, 8)), b.isel(time=slice(3, 10)))
    assert int(found["n"]) == 5
    with pytest.raises(TimeAxisError, match="share no time"):
        correlate(a.isel(time=slice(0, 3)), b.isel(time=slice(5, 9)))
    with pytest.raises(GridError, match="different cells"):
        correlate(cube(np.ones((3, 2, 2))), cube(np.ones((3, 2, 3))))


def test_persistent_series_are_worth_fewer_pairs():
    rng = np.random.default_rng(8)
    steps = rng.normal(size=(2, 400, 1, 30))
    for i in range(1, 400):
        steps[:, i] += 0.9 * steps[:, i - 1]
    found = correlate(cube(steps[0], freq="D"), cube(steps[1], freq="D"))
    assert (found["p"] < 0.05).mean() > 0.2
    assert (found["p_effective"] < 0.05).mean() < 0.2
    assert (found["n_effective"] < 150).all()


def test_constant_series_have_no_correlation():
    found = correlate(cube(np.ones(9)), cube(np.arange(9.0)))
    assert np.isnan(found["r"])
    assert np.isnan(found["p"])


def test_maps_are_associated_by_kind():
    rng = np.random.default_rng(9)
    turn = rng.uniform(0, 360, (8, 9))
    aspect = xr.DataArray(turn, dims=("y", "x"), attrs={"kind": "circular"})
    wet = xr.DataArray(np.cos(np.radians(turn - 20.0)), dims=("y", "x"))
    assert correlate_maps(aspect, wet).statistic == "R"
    assert correlate_maps(wet, aspect).value == pytest.approx(1.0)
    assert correlate_maps(wet, -wet).value == pytest.approx(-1.0)
    classes = xr.DataArray(np.ones((8, 9)), dims=("y", "x"), attrs={"kind": "categorical"})
    with pytest.raises(DataError, match="geographical detector"):
        correlate_maps(wet, classes)
    with pytest.raises(GridError, match="different cells"):
        correlate_maps(wet, wet[:3])
    table = matrix({"wet": wet, "aspect": aspect, "class": classes, "dry": -wet})
    assert len(table) == 3
    with pytest.raises(DataError, match="nothing to correlate"):
        matrix({"wet": wet, "class": classes})


def test_circular_linear_is_the_r_squared_of_a_regression():
    rng = np.random.default_rng(10)
    turn = rng.uniform(0, 2 * np.pi, 50)
    x = np.sin(turn) + rng.normal(size=50)
    design = np.stack([np.ones(50), np.cos(turn), np.sin(turn)], axis=1)
    left = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
    r2 = 1 - left @ left / ((x - x.mean()) @ (x - x.mean()))
    found = circular_linear(np.degrees(turn), x)
    assert found.value**2 == pytest.approx(r2, rel=1e-10)
    assert np.isnan(circular_linear(np.degrees(turn), np.ones(50)).value)
    assert np.isnan(circular_linear([1.0, 2.0], [1.0, 2.0]).value)


def test_a_month_that_never_occurs_is_missing_from_the_mean_year() -> None:
    summer = pd.date_range("2001-05-01", periods=3, freq="MS")
    cube = xr.DataArray([1.0, 2.0, 3.0], {"time": summer}, ("time",), attrs={"units": "mm"})
    year = climatology(cube)
    assert year["n"].values.tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
    assert np.isnan(year["mean"].sel(month=1))
    assert float(year["mean"].sel(month=6)) == 2.0
