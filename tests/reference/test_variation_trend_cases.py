"""Sen, Mann-Kendall and least squares against R.

Source: tests/data/reference/grid/trend_expected.csv, from R 4.2.2 with trend 1.1.6, modifiedmk 1.6
and stats::lm on datasets::Nile (annual flow 1871-1970, with ties) and trend::maxau (Rhine at Maxau,
annual sediment s and discharge Q, 45 years).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.variation import ols_trend, sen_mann_kendall

CASES = Path(__file__).parents[1] / "data" / "reference" / "grid"
SERIES = {
    "Nile": ("nile.csv", "flow"),
    "maxau_s": ("maxau.csv", "s"),
    "maxau_Q": ("maxau.csv", "Q"),
}


def series(name):
    file, column = SERIES[name]
    table = pd.read_csv(CASES / file)
    years = (table["year"].to_numpy() - 1970).astype("datetime64[Y]").astype("datetime64[ns]")
    return xr.DataArray(table[column].to_numpy(dtype=float), {"time": years}, "time")


def expected(name, function):
    table = pd.read_csv(CASES / "trend_expected.csv")
    rows = table[(table["dataset"] == name) & (table["fun"] == function)]
    return dict(zip(rows["key"], rows["value"].astype(float), strict=True))


@pytest.mark.parametrize("name", SERIES)
def test_mann_kendall_equals_r_trend(name):
    found, wanted = sen_mann_kendall(series(name)), expected(name, "trend::mk.test")
    keys = {"S": "s", "varS": "var_s", "tau": "tau_b", "z": "z", "p": "p"}
    for theirs, ours in keys.items():
        assert float(found[ours]) == pytest.approx(wanted[theirs], rel=1e-9)


@pytest.mark.parametrize("name", SERIES)
def test_without_continuity_equals_r_trend(name):
    found = sen_mann_kendall(series(name), continuity=False)
    wanted = expected(name, "trend::mk.test(continuity=FALSE)")
    for key in ("z", "p"):
        assert float(found[key]) == pytest.approx(wanted[key], rel=1e-9)


@pytest.mark.parametrize("name", SERIES)
def test_sen_slope_and_its_limits_equal_r_trend(name):
    found, wanted = sen_mann_kendall(series(name)), expected(name, "trend::sens.slope")
    keys = {"slope": "slope", "ci_lo": "slope_low", "ci_hi": "slope_high"}
    for theirs, ours in keys.items():
        assert float(found[ours]) == pytest.approx(wanted[theirs], rel=1e-9)


@pytest.mark.parametrize("name", ["Nile", "maxau_s"])
def test_tau_a_equals_r_modifiedmk(name):
    wanted = expected(name, "modifiedmk::mmkh")["Tau"]
    assert float(sen_mann_kendall(series(name))["tau_a"]) == pytest.approx(wanted, rel=1e-9)


def test_least_squares_equals_r_lm():
    found, wanted = ols_trend(series("Nile")), expected("Nile", "stats::lm")
    for key in ("slope", "se", "p", "intercept"):
        assert float(found[key]) == pytest.approx(wanted[key], rel=1e-9)
    assert float(found["slope"] / found["se"]) == pytest.approx(wanted["t"], rel=1e-9)


def test_heavy_ties_equal_scipy_tau_b():
    from scipy.stats import kendalltau

    flow = series("Nile").round(-2)
    found = sen_mann_kendall(flow)
    assert float(found["tau_b"]) == pytest.approx(
        kendalltau(np.arange(flow.size), flow.values).statistic, rel=1e-12
    )
