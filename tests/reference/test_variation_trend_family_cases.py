"""Every other test of a trend against R: modified, seasonal, partial, multivariate, change point.

Source: tests/data/reference/grid/trend_expected.csv, from R 4.2.2 with trend 1.1.6 and modifiedmk
1.6 on datasets::Nile, trend::maxau, trend::hcb, trend::PagesData and datasets::nottem. The plain
tests are in test_variation_trend_cases.py; `test_no_row_is_left_out` holds the two files to all
rows.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.variation import pettitt, seasonal_mann_kendall, sen_mann_kendall
from headwater.variation.trend.mann_kendall_persistent import (
    hamed_rao,
    prewhitened_mann_kendall,
    yue_wang,
)
from headwater.variation.trend.partial import partial_correlation_trend, partial_mann_kendall
from headwater.variation.trend.seasonal import multivariate_mann_kendall

CASES = Path(__file__).parents[1] / "data" / "reference" / "grid"
SERIES = {
    "Nile": ("nile.csv", "flow"),
    "maxau_s": ("maxau.csv", "s"),
    "maxau_Q": ("maxau.csv", "Q"),
    "PagesData": ("PagesData.csv", "value"),
}
NEAR = {"rel": 1e-9}


def series(name):
    file, column = SERIES[name]
    table = pd.read_csv(CASES / file)
    years = table["year"] if "year" in table else 1950 + table["i"]
    times = (years.to_numpy() - 1970).astype("datetime64[Y]").astype("datetime64[ns]")
    return xr.DataArray(table[column].to_numpy(dtype=float), {"time": times}, "time")


def monthly(file, start):
    table = pd.read_csv(CASES / file).iloc[:, 1:]
    times = pd.date_range(start, periods=len(table), freq="MS")
    return xr.DataArray(table.to_numpy(dtype=float), {"time": times}, ("time", "variable"))


def expected(name, function):
    table = pd.read_csv(CASES / "trend_expected.csv")
    rows = table[(table["dataset"] == name) & (table["fun"] == function)]
    assert len(rows)
    return dict(zip(rows["key"], rows["value"].astype(float), strict=True))


def assert_equal(found, wanted, keys):
    assert set(keys) <= set(wanted)
    for theirs, ours in keys.items():
        assert float(found[ours]) == pytest.approx(wanted[theirs], **NEAR), theirs


VARIANCE_CORRECTED = {
    "mmkh": lambda x: hamed_rao(x, max_lag=None, floor=0.01),
    "mmkh3lag": lambda x: hamed_rao(x, max_lag=3, floor=0.01),
    "mmky": lambda x: yue_wang(x, max_lag=None, floor=0.01),
    "mmky1lag": lambda x: yue_wang(x, max_lag=1, floor=0.01),
}


@pytest.mark.parametrize("name", ["Nile", "maxau_s"])
@pytest.mark.parametrize("function", VARIANCE_CORRECTED)
def test_corrected_variance_equals_r_modifiedmk(name, function):
    wanted = expected(name, f"modifiedmk::{function}")
    keys = {
        "N/N*": "factor",
        "new.variance": "var_s",
        "Corrected Zc": "z",
        "new P-value": "p",
        "Tau": "tau_a",
        "Sen's slope": "slope",
    }
    assert_equal(VARIANCE_CORRECTED[function](series(name)), wanted, keys)
    plain = {"Original Z": "z", "old P.value": "p", "old.variance": "var_s"}
    assert_equal(sen_mann_kendall(series(name)), wanted, plain)
    assert set(wanted) == set(keys) | set(plain)


@pytest.mark.parametrize("name", ["Nile", "maxau_s"])
@pytest.mark.parametrize(
    ("function", "kind", "of_y", "of_x"),
    [
        ("pwmk", "plain", "Sen's Slope", "old. Sen's Slope"),
        ("tfpwmk", "trend_free", "Sen's Slope", "Old Sen's Slope"),
        ("bcpw", "corrected", "Prewhitened Sen's Slope", "Sen's Slope"),
    ],
)
def test_prewhitening_equals_r_modifiedmk(name, function, kind, of_y, of_x):
    wanted = expected(name, f"modifiedmk::{function}")
    found = prewhitened_mann_kendall(series(name), kind=kind)
    assert_equal(
        found, wanted, {"Z-Value": "z", "P-value": "p", "S": "s", "Var(S)": "var_s", "Tau": "tau_a"}
    )
    share = 1.0 if kind == "trend_free" else 1.0 - float(found["r1"])
    assert float(found["slope"]) * share == pytest.approx(wanted[of_y], **NEAR)
    assert float(sen_mann_kendall(series(name))["slope"]) == pytest.approx(wanted[of_x], **NEAR)
    assert len(wanted) == 7


@pytest.mark.parametrize("name", ["Nile", "maxau_s", "maxau_Q", "PagesData"])
def test_pettitt_equals_r_trend(name):
    wanted = expected(name, "trend::pettitt.test")
    keys = {"U": "statistic", "p": "plain_p", "K": "place"}
    assert_equal(pettitt(series(name)), wanted, {k: v for k, v in keys.items() if k in wanted})


def test_seasonal_equals_r_trend():
    temperature = monthly("nottem.csv", "1920-01-01").isel(variable=0)
    plain = seasonal_mann_kendall(temperature, correlated=False)
    keys = {"S": "s", "varS": "var_s", "z": "z", "p": "plain_p"}
    assert_equal(plain, expected("nottem", "trend::smk.test"), keys)
    assert_equal(plain, expected("nottem", "trend::sea.sens.slope"), {"slope": "slope"})
    found = seasonal_mann_kendall(temperature, continuity=False)
    assert_equal(found, expected("nottem", "trend::csmk.test"), keys)


def test_multivariate_equals_r_trend():
    found = multivariate_mann_kendall(monthly("hcb.csv", "1995-01-01"))
    assert_equal(found, expected("hcb", "trend::mult.mk.test"), {"z": "z", "p": "p"})


def test_partial_mann_kendall_equals_r_trend():
    found = partial_mann_kendall(series("maxau_s"), series("maxau_Q"))
    wanted = expected("maxau", "trend::partial.mk.test(s,Q)")
    assert_equal(found, wanted, {"S": "s", "varS": "var_s", "z": "z", "p": "p"})


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_partial_correlation_equals_r_trend(kind):
    # R keeps one degree of freedom too many: n - 2 with one control
    found = partial_correlation_trend(series("maxau_s"), series("maxau_Q"), kind=kind, lost=2)
    wanted = expected("maxau", f"trend::partial.cor.trend.test(s,Q,{kind})")
    assert_equal(found, wanted, {"t": "t", "r": "r", "p": "p"})
    ours = partial_correlation_trend(series("maxau_s"), series("maxau_Q"), kind=kind)
    assert abs(float(ours["t"])) < abs(wanted["t"])


def test_no_row_is_left_out():
    table = pd.read_csv(CASES / "trend_expected.csv")
    here = Path(__file__).read_text()
    plain = (Path(__file__).parent / "test_variation_trend_cases.py").read_text()
    named = {"mmkh", "mmkh3lag", "mmky", "mmky1lag", "pwmk", "tfpwmk", "bcpw"}
    for function in np.unique(table["fun"]):
        short = function.split("::")[1].split("(")[0]
        assert short in named or function.split("(")[0] in here or function.split("(")[0] in plain
