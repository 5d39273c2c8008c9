"""Detectors on simulated alpine grassland and against R strucchange.

tests/data/warning/alpine: our own simulation, 300 places of which half see an event (values in
thousandths, soil water in hundredths). tests/data/reference/warning/strucchange: five series of
Sentinel-2 and the results of R strucchange on them (ec-jrc/nrt fc3b79b, EUPL-1.2).
"""

from pathlib import Path

import numpy as np
import pytest

from headwater.warning import (
    calibrate_thresholds,
    fit_baseline,
    innovations,
    monitor_structure,
    score_detector,
)
from headwater.warning.baseline import BaselineOptions
from headwater.warning.charts import Tolerance, new_chart
from headwater.warning.evaluation import first_alarms
from headwater.warning.ladder import climb, new_ladder
from headwater.warning.structural import recursive_residuals, stable_history_start

DATA = Path(__file__).parents[1] / "data"
MISSING = -9999
OPTIONS = BaselineOptions(season=(150, 280))
SPLIT = np.datetime64("2018-01-01")


def opened(name):
    """One simulated case: its values, the days they stand for, and which of them are the past."""
    case = np.load(DATA / "warning" / "alpine" / f"{name}.npz")
    days = np.datetime64("1970-01-01") + case["dates"].astype("timedelta64[D]")
    return case, days, days < SPLIT


@pytest.fixture(scope="module")
def thresholds():
    """Thresholds for one false alarm in 500 places and seasons; the cases share their days."""
    _, days, past = opened("abrupt")
    return calibrate_thresholds(
        days[past],
        days[days.astype("datetime64[Y]") == np.datetime64("2019")],
        rng=np.random.default_rng(1),
        tolerance=Tolerance(rate=0.002, missing=0.15, n_covariates=1),
        options=OPTIONS,
    )


@pytest.fixture
def watched(thresholds):
    """Watch six seasons of a case, after a baseline on ten years."""

    def watch(name):
        case, days, past = opened(name)
        green = np.where(case["ndvi"] == MISSING, np.nan, case["ndvi"] / 1000.0)
        water = case["soil_water"][None] / 100.0
        fitted = fit_baseline(green[past], days[past], water[:, past], options=OPTIONS)
        found, fitted = innovations(fitted, green[~past], days[~past], water[:, ~past])
        chart = new_chart(fitted, thresholds)
        number, year = case["dates"][~past], days[~past].astype("datetime64[Y]").astype(int) + 1970
        states, _, _ = climb(new_ladder(chart), chart, found, number, year)
        event = case["break_idx"]
        happened = np.where(event >= 0, case["dates"][np.maximum(event, 0)], np.nan)
        return states, number, happened

    return watch


def scores(states, number, happened, rung, within):
    alarm = first_alarms((states >= rung) & (states < 4), number)
    return score_detector(
        alarm, happened, start=float(number[0]), end=float(number[-1]), within=within
    ).data.iloc[0]


def test_abrupt_losses_are_found_within_a_year(watched):
    row = scores(*watched("abrupt"), 1, 365)
    assert row["hit"] >= 0.95
    assert row["false_share"] <= 0.01


def test_gradual_losses_are_found_within_two_years(watched):
    row = scores(*watched("gradual"), 1, 730)
    assert row["hit"] >= 0.9
    assert row["false_share"] <= 0.04


def test_dips_that_recover_are_not_confirmed(watched):
    row = scores(*watched("transient"), 3, 1e5)
    assert row["hit"] + row["early"] <= 0.02


def test_monitoring_equals_strucchange():
    folder = DATA / "reference" / "warning" / "strucchange"
    design = np.loadtxt(folder / "X.csv", delimiter=",")
    values = np.loadtxt(folder / "y.csv", delimiter=",")
    for kind in ("cusum", "mosum"):
        process, boundary, history, sigma = np.loadtxt(folder / f"{kind}_result.csv", delimiter=",")
        for place in range(values.shape[1]):
            found = monitor_structure(values[:, place], design, 100, kind=kind)
            assert found.n_history == history[place]
            assert found.sigma == pytest.approx(sigma[place], abs=1e-10)
            assert found.process[-1] == pytest.approx(process[place], abs=1e-10)
            assert found.boundary[-1] == pytest.approx(boundary[place], abs=1e-5)


def test_history_starts_equal_strucchange_where_it_counts_as_it_does():
    """strucchange was given a design with two intercepts: it counts six terms and leaves one out.

    Its Rec-CUSUM of place 1 equals ours without the first recursive residual to 1e-10; so do the
    starts 1, 8, 49, 62, 1 (counted from 1). With all residuals they are 1, 19, 46, 62, 1.
    """
    folder = DATA / "reference" / "warning" / "strucchange"
    design = np.loadtxt(folder / "X.csv", delimiter=",")
    values = np.loadtxt(folder / "y.csv", delimiter=",")
    expected = np.loadtxt(folder / "roc_history_result.csv", delimiter=",")
    paths, starts = [], []
    for series in values.T:
        seen = np.isfinite(series)
        residual = recursive_residuals(series[seen][::-1], design[seen][::-1])[1:]
        path = np.cumsum(residual) / (residual.std(ddof=1) * np.sqrt(len(residual)))
        share = np.arange(1, len(path) + 1) / len(path)
        crossed = np.abs(path) > 0.9478982340418134 * (1 + 2 * share)
        starts.append(1 + (len(path) - crossed.argmax() if crossed.any() else 0))
        paths.append(np.append(0.0, path))
    np.testing.assert_array_equal(starts, expected)
    reference = np.loadtxt(folder / "efp_result.csv")
    np.testing.assert_allclose(paths[0], reference, rtol=0, atol=1e-10)
    ours = [1 + stable_history_start(series, design) for series in values.T]
    assert ours == [1, 19, 46, 62, 1]
