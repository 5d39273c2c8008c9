import numpy as np
import numpy.testing as npt
import odc.geo.xr  # noqa: F401  (the accessor .odc)
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from headwater.errors import DataError, StudyError, TimeAxisError
from headwater.inference.effective import autocorrelation, corrected_lag1
from headwater.inference.significance import pettitt_exact_p, pettitt_p
from headwater.variation import (
    anomalies,
    ols_trend,
    persistent_mann_kendall,
    pettitt,
    seasonal_mann_kendall,
    sen_mann_kendall,
    trends,
)
from headwater.variation.calendar import decimal_years
from headwater.variation.trend._tiles import midranks, regular_axis
from headwater.variation.trend.classic import persistent_ols_trend
from headwater.variation.trend.compare import TREND_METHODS, recommended_trend
from headwater.variation.trend.mann_kendall_persistent import (
    hamed_rao,
    prewhitened_mann_kendall,
    yue_wang,
)
from headwater.variation.trend.partial import partial_correlation_trend, partial_mann_kendall
from headwater.variation.trend.seasonal import multivariate_mann_kendall

PERSISTENT = [
    hamed_rao,
    persistent_mann_kendall,
    persistent_ols_trend,
    prewhitened_mann_kendall,
    yue_wang,
]
ALL = [*PERSISTENT, pettitt, sen_mann_kendall, ols_trend]


def cube(values, freq="YS", start="1980-01-01", **attrs):
    values = np.asarray(values, dtype=float)
    index = pd.date_range(start, periods=values.shape[0], freq=freq)
    dims = ("time", "y", "x")[: values.ndim]
    return xr.DataArray(values, {"time": index}, dims, "theta", {"units": "m3 m-3", **attrs})


def red(shape, r=0.5, seed=0, share=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    for i in range(1, shape[0]):
        values[i] += r * values[i - 1]
    values[rng.random(shape) < share] = np.nan
    return values


@pytest.mark.parametrize("method", ALL)
def test_lazy_equals_whole(method):
    data = cube(red((25, 3, 4), share=0.1))
    lazy = method(data.chunk({"time": 7, "y": 2, "x": 3}))
    assert all(values.chunks is not None for values in lazy.data_vars.values())
    xr.testing.assert_allclose(lazy.compute(), method(data), rtol=1e-9)


@pytest.mark.parametrize("method", ALL)
def test_a_year_absent_is_a_year_missing(method):
    data = cube(red((30, 2, 2)))
    gap = [i for i in range(30) if i not in {4, 5, 17}]
    absent, missing = data.isel(time=gap), data.where(data["time"].isin(data["time"][gap]))
    xr.testing.assert_allclose(method(absent), method(missing), rtol=1e-9)


@pytest.mark.parametrize("method", ALL)
def test_strange_series_have_defined_results(method):
    values = np.full((12, 1, 6), np.nan)
    values[3:5, 0, 1] = [1.0, 2.0]
    values[:, 0, 2] = 3.0
    values[0, 0, 3] = 7.0
    values[:, 0, 4] = np.arange(12) % 2
    values[:, 0, 5] = np.arange(12)
    found = method(cube(values))
    # a line looks like persistence about a step, so that only the plain test of a change sees it
    p = found["plain_p" if "plain_p" in found else "p"].values[0]
    assert np.isnan(p[[0, 3]]).all()
    assert np.isnan(p[1]) or p[1] == 1.0
    assert p[2] == 1.0
    assert 0 < p[4] <= 1
    assert p[5] < 0.05
    if "slope" in found:
        npt.assert_allclose(found["slope"].values[0, [2, 5]], [0.0, 1.0], atol=1e-9)
    assert found["n"].values[0, :4].tolist() in ([0, 2, 12, 1], [0, 1, 11, 0])


@pytest.mark.parametrize("method", [*ALL, seasonal_mann_kendall, trends])
def test_bad_input_is_refused_by_name(method):
    with pytest.raises(DataError, match="infinite"):
        method(cube([1.0, np.inf, 2.0, 4.0], "MS"))
    with pytest.raises(DataError, match="circular"):
        method(cube([1.0, 2.0, 3.0], "MS", kind="circular"))
    with pytest.raises(TimeAxisError, match="twice"):
        method(cube([1.0, 2.0, 3.0], "MS").isel(time=[0, 0, 1]))
    with pytest.raises(TimeAxisError, match="no dates"):
        method(xr.DataArray([1.0, 2.0], {"time": [0, 1]}, "time"))


@pytest.mark.parametrize("method", PERSISTENT)
def test_persistence_needs_even_steps(method):
    times = pd.to_datetime(["2001-01-01", "2001-01-05", "2001-03-01", "2001-07-09", "2003-01-01"])
    with pytest.raises(TimeAxisError, match="even steps"):
        method(xr.DataArray(np.arange(5.0), {"time": times}, "time"))


def test_hours_and_other_calendars_are_true_time():
    hours = cube(np.arange(48.0), "h")
    assert float(sen_mann_kendall(hours)["slope"]) == pytest.approx(24 * 366, rel=1e-6)
    assert float(persistent_ols_trend(hours)["slope"]) == pytest.approx(24 * 366, rel=1e-6)
    noleap = xr.date_range("2001-01-01", periods=36, freq="MS", calendar="noleap", use_cftime=True)
    data = xr.DataArray(np.repeat([1.0, 2.0, 4.0], 12), {"time": noleap}, "time")
    assert float(seasonal_mann_kendall(data)["slope"]) == pytest.approx(1.5)
    assert float(persistent_mann_kendall(data)["n"]) == 36
    assert trends(data).data.attrs["recommended"] == "persistent"


@pytest.mark.parametrize(
    ("index", "length"),
    [
        (pd.date_range("2001-03-01", periods=40, freq="D"), 40),
        (pd.date_range("2001-03-01", periods=400, freq="MS"), 400),
        (pd.date_range("2001-01-01", periods=9, freq="YS").delete(3), 9),
        # 8-day composites that start anew every year
        (
            pd.DatetimeIndex([f"{y}-01-01" for y in (2001, 2002, 2003, 2004)])
            .append(
                pd.DatetimeIndex(
                    np.ravel(
                        [
                            [np.datetime64(f"{y}-01-01") + 8 * k for k in range(1, 46)]
                            for y in (2001, 2002, 2003, 2004)
                        ]
                    )
                )
            )
            .sort_values(),
            184,
        ),
    ],
)
def test_steps_have_their_place(index, length):
    place, axis = regular_axis(index, decimal_years(index))
    assert len(axis) == length
    assert (np.diff(place) >= 1).all()
    npt.assert_allclose(axis[place], decimal_years(index), rtol=1e-12)


def test_midranks_equal_scipy():
    values = np.round(red((30, 5), seed=3), 0)
    values[::7, 2] = np.nan
    for j in range(5):
        ok = ~np.isnan(values[:, j])
        npt.assert_array_equal(midranks(values)[ok, j], stats.rankdata(values[ok, j]))


def test_autocorrelation_is_the_usual_one_and_knows_gaps():
    x = red((4000,), 0.6, 4)
    centred = x - x.mean()
    usual = [(centred[k:] * centred[:-k]).sum() / (centred**2).sum() for k in (1, 2, 3)]
    npt.assert_allclose(autocorrelation(x, 3), usual, rtol=1e-12)
    holes = np.where(np.arange(4000) % 5 == 0, np.nan, x)
    npt.assert_allclose(autocorrelation(holes, 2), [0.6, 0.36], atol=0.05)
    assert np.isnan(autocorrelation(np.ones(9), 1)).all()
    assert corrected_lag1(0.9, 7) == 0.95
    assert corrected_lag1(0.3, 4) == 0.3


def test_newey_west_equals_its_formula():
    y = red((30,), 0.5, 5)
    t = np.arange(30) - 14.5
    b = t @ y / (t @ t)
    u = t * (y - y.mean() - b * t)
    last = int(4 * (30 / 100) ** (2 / 9))
    long_run = u @ u + 2 * sum((1 - k / (last + 1)) * (u[k:] @ u[:-k]) for k in range(1, last + 1))
    se = np.sqrt(long_run * 30 / 28) / (t @ t)
    found = persistent_ols_trend(cube(y), kind="newey_west")
    assert float(found["z"]) == pytest.approx(b / se, rel=1e-10)
    assert float(found["p"]) == pytest.approx(2 * stats.t.sf(abs(b / se), 28), rel=1e-9)


def test_santer_without_persistence_is_the_plain_fit():
    y = np.tile([1.0, -1.0], 15) + 0.01 * np.arange(30)
    plain, found = ols_trend(cube(y)), persistent_ols_trend(cube(y))
    assert float(found["factor"]) == 1.0
    assert float(found["p"]) == pytest.approx(float(plain["p"]), rel=1e-9)
    assert float(found["intercept"]) == pytest.approx(float(plain["intercept"]), rel=1e-9)


def test_floor_is_told():
    swing = cube(np.tile([1.0, -1.0, 1.2, -0.8], 10))
    found = hamed_rao(swing)
    assert float(found["factor"]) == 1.0
    assert float(found["floored"]) == 1.0
    assert float(found["p"]) == pytest.approx(float(sen_mann_kendall(swing)["p"]))
    assert float(hamed_rao(swing, floor=0.1)["factor"]) < 1.0


def test_persistence_widens_interval_and_p():
    data = cube(red((60, 2, 3), 0.7, 6))
    plain, found = sen_mann_kendall(data), persistent_mann_kendall(data)
    npt.assert_allclose(found["slope"], plain["slope"])
    assert (found["p"] > plain["p"]).all()
    width, wide = (fit["slope_high"] - fit["slope_low"] for fit in (plain, found))
    assert ((wide > width) | np.isnan(wide)).all()
    short = cube(red((9, 2, 3), 0.7, 6))
    npt.assert_allclose(persistent_mann_kendall(short)["p"], sen_mann_kendall(short)["p"])


def test_unknown_kinds_name_the_nearest():
    data = cube(red((20,)))
    with pytest.raises(StudyError, match="trend_free"):
        prewhitened_mann_kendall(data, kind="trendfree")
    with pytest.raises(StudyError, match="newey_west"):
        persistent_ols_trend(data, kind="neweywest")
    with pytest.raises(StudyError, match="hamed_rao"):
        trends(data, ["hamed-rao"])
    with pytest.raises(StudyError, match="at least one"):
        trends(data, [])
    with pytest.raises(TimeAxisError, match="does not suit"):
        trends(data, ["seasonal"])
    with pytest.raises(TimeAxisError, match="monthly"):
        seasonal_mann_kendall(data)
    with pytest.raises(DataError, match="no dimension"):
        multivariate_mann_kendall(data)


def test_seasonal_score_is_the_sum_over_months_and_scales():
    months = cube(red((120, 2, 2), 0.3, 7, share=0.1), "MS")
    found = seasonal_mann_kendall(months, correlated=False)
    by_month = [sen_mann_kendall(months[m::12]) for m in range(12)]
    npt.assert_array_equal(found["s"], sum(each["s"] for each in by_month))
    npt.assert_allclose(found["var_s"], sum(each["var_s"] for each in by_month), rtol=1e-12)
    doubled = seasonal_mann_kendall(2 * months + 5, correlated=False)
    npt.assert_allclose(doubled["slope"], 2 * found["slope"], rtol=1e-12)
    lazy = seasonal_mann_kendall(months.chunk({"time": 50, "y": 1}))
    xr.testing.assert_allclose(lazy.compute(), seasonal_mann_kendall(months))


def test_seasonal_of_strange_series():
    values = np.full((36, 1, 4), np.nan)
    values[:, 0, 1] = 5.0
    values[0, 0, 2] = 1.0
    values[[0, 12], 0, 3] = [1.0, 2.0]
    found = seasonal_mann_kendall(cube(values, "MS"))
    npt.assert_array_equal(found["p"].values[0], [np.nan, 1.0, np.nan, 1.0])
    npt.assert_array_equal(found["slope"].values[0], [np.nan, 0.0, np.nan, 1.0])
    assert found["n"].values[0].tolist() == [0, 36, 1, 2]


def test_series_in_step_count_once():
    one = red((40,), 0.0, 8)
    both = cube(one).expand_dims(variable=3).transpose("time", ...)
    found, single = multivariate_mann_kendall(both), sen_mann_kendall(cube(one))
    z = float(single["s"]) / np.sqrt(float(single["var_s"]))
    assert float(found["z"]) == pytest.approx(z, rel=1e-9)


def test_a_control_that_explains_all_leaves_nothing():
    rain = cube(np.arange(20.0) + red((20,), 0.0, 9))
    assert float(partial_mann_kendall(2 * rain, rain)["p"]) == 1.0
    maps = cube(red((20, 2, 3), 0.0, 1))
    other = cube(red((20, 2, 3), 0.0, 2, share=0.1))
    for found in (partial_mann_kendall(maps, other), partial_correlation_trend(maps, other)):
        assert found["p"].shape == (2, 3)
        assert int(found["n"].min()) < 20
    with pytest.raises(TimeAxisError, match="different times"):
        partial_mann_kendall(maps, other[:10])


def test_partial_correlation_is_that_of_residuals():
    x, y = cube(red((30,), 0.0, 1)), cube(red((30,), 0.0, 2))
    t = decimal_years(x.indexes["time"])
    design = np.stack([np.ones(30), y.values], axis=1)
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x.values, t)]
    r = np.corrcoef(*left)[0, 1]
    found = partial_correlation_trend(x, y)
    assert float(found["r"]) == pytest.approx(r, rel=1e-9)
    assert float(found["t"]) == pytest.approx(r * np.sqrt(27 / (1 - r * r)), rel=1e-9)


def test_pettitt_finds_the_jump():
    values = red((40, 2, 2), 0.0, 3) * 0.1
    values[25:] += 1.0
    values[::9, 0, 0] = np.nan
    found = pettitt(cube(values))
    assert set(found["last"].values.ravel()) <= {2003.0, 2004.0}
    npt.assert_allclose(found["shift"], 1.0, atol=0.15)
    assert (found["plain_p"] < 1e-4).all()
    # the cell with gaps has residuals that look persistent by chance
    assert (found["p"].values.ravel()[1:] < 0.01).all()
    assert float(found["p"][0, 0]) < 0.1
    assert found["shift"].attrs["units"] == "m3 m-3"
    still = pettitt(cube(np.ones(9)))
    assert float(still["p"]) == 1.0
    assert np.isnan(still["last"])


def test_pettitt_is_exact_where_short():
    values = red((10,), 0.0, 4)
    found, rough = pettitt(cube(values)), pettitt(cube(values), exact=False)
    k = float(found["statistic"])
    assert float(found["plain_p"]) == pettitt_exact_p(k, stats.rankdata(values))
    assert float(rough["plain_p"]) == float(pettitt_p(k, 10))
    assert np.isnan(pettitt_p(0, 1))


def test_recommendation_follows_length_and_step():
    assert recommended_trend(cube(np.arange(5.0))) == "mann_kendall"
    assert recommended_trend(cube(np.arange(20.0))) == "persistent"
    assert recommended_trend(cube(np.arange(60.0), "MS")) == "persistent"
    assert recommended_trend(cube(np.arange(120.0), "MS")) == "seasonal_correlated"
    odd = pd.to_datetime([f"20{y:02d}-0{1 + y % 7}-{1 + y}" for y in range(1, 13)])
    assert recommended_trend(xr.DataArray(np.arange(12.0), {"time": odd}, "time")) == "mann_kendall"


def test_family_of_a_series_stands_side_by_side(shows):
    months = cube(red((144,), 0.3, 5) + np.tile(np.arange(12.0), 12), "MS", long_name="Soil water")
    family = trends(months)
    assert (
        family.data["test"].values[0] == family.data.attrs["recommended"] == "seasonal_correlated"
    )
    assert set(family.data["test"].values) == set(TREND_METHODS)
    assert family.data.attrs["units_per_year"] == "m3 m-3 year-1"
    plain = sen_mann_kendall(anomalies(months))
    assert float(family.data["p"].sel(test="mann_kendall")) == pytest.approx(float(plain["p"]))
    assert len(family.to_frame()) == len(TREND_METHODS)
    shows(family.plot(), family.data)
    assert any("mean year" in choice for choice in family.choices)


def test_family_of_maps_controls_each_test(shows):
    values = red((20, 4, 5), 0.0, 6)
    values[:, :2] += np.arange(20)[:, None, None]
    values[:, 3, 4] = np.nan
    data = cube(values).assign_coords(y=[39.3, 39.2, 39.1, 39.0], x=98 + 0.1 * np.arange(5))
    data = data.odc.assign_crs(4326)
    family = trends(data, ["mann_kendall", "ols", "persistent"])
    assert family.data["test"].values.tolist() == ["persistent", "mann_kendall", "ols"]
    plain = family.data["significant"].sel(test="mann_kendall")
    assert bool(plain[:2].all())
    assert not bool(plain[3, 4])
    assert family.data["change_last"].attrs["units"] == "year"
    shows(family.plot(), family.data)
    loose = trends(data, ["mann_kendall"], wilks=True).data["significant"]
    assert int(loose.sum()) >= int(plain.sum())


def test_uneven_steps_leave_the_tests_that_need_even_ones_out():
    times = pd.to_datetime(["2001-01-01", "2001-01-05", "2001-03-01", "2001-07-09", "2003-01-01"])
    family = trends(xr.DataArray(np.arange(5.0), {"time": times}, "time"))
    assert family.data["test"].values.tolist() == ["mann_kendall", "ols"]
    assert any("independent" in caution for caution in family.cautions)


def test_maps_of_a_family_keep_units_and_words() -> None:
    years = pd.date_range("2000-01-01", periods=8, freq="YS")
    values = np.random.default_rng(4).normal(size=(8, 2, 3))
    attrs = {"units": "mm", "long_name": "Precipitation"}
    cube = xr.DataArray(values, {"time": years}, ("time", "y", "x"), attrs=attrs)
    maps = trends(cube).data
    assert maps["slope"].attrs["units"] == "mm year-1"
    assert all(maps[name].attrs["long_name"] for name in maps)


def test_p_of_ten_years_of_months_is_neither_bold_nor_mute():
    found = seasonal_mann_kendall(cube(red((120, 1, 4000), 0.4, 3), "MS"))
    assert 0.03 < float((found["p"] <= 0.05).mean()) < 0.065
    assert 0.004 < float((found["p"] <= 0.01).mean()) < 0.015
    assert float((found["plain_p"] <= 0.01).mean()) < 0.006
    assert float(found["p"].min()) >= float(found["smallest_p"].min()) == 1e-4
