"""What warning refuses, and what it says."""

import numpy as np
import pytest

from headwater.errors import DataError, StudyError
from headwater.warning import (
    calibrate_thresholds,
    critical_slowing_down,
    drought_class,
    find_flash_droughts,
    fit_baseline,
    monitor_structure,
    score_detector,
    seasonal_percentile,
)
from headwater.warning.baseline import REASONS, BaselineOptions
from headwater.warning.charts import Detector, Tolerance, blank_chart
from headwater.warning.drought import FlashRule, moisture_deficit_index, soil_water_deficit_index
from headwater.warning.evaluation import delay_curve
from headwater.warning.ladder import LadderRule, climb, new_ladder
from headwater.warning.run_length import cusum_run_length, ewma_limit
from headwater.warning.standardised import fit_standardisation, rolling_total

DAYS = np.arange("2008-01-01", "2018-01-01", 16, dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: soil_water_deficit_index(0.2, 0.1, 0.3), DataError, "not below field capacity"),
        (lambda: FlashRule(start=20, end=40), StudyError, "nothing can meet"),
        (lambda: LadderRule(persist=0), StudyError, "cannot be climbed"),
        (lambda: Tolerance(rate=1e-7), StudyError, "cannot be calibrated"),
        (lambda: BaselineOptions(season=(200, 100)), StudyError, "season"),
        (lambda: cusum_run_length(-1.0), StudyError, "cannot be"),
        (lambda: ewma_limit(1.0), StudyError, "too short"),
        (lambda: seasonal_percentile([np.nan], ["2020-01-01"]), DataError, "no reference"),
        (lambda: fit_standardisation([1.0, 2.0], [0, 0]), DataError, "too few years"),
        (lambda: monitor_structure([1.0], [[1.0]], 1), DataError, "too few observations"),
        (lambda: score_detector([1.0], [1.0, 2.0], start=0, end=1), DataError, "do not fit"),
        (lambda: fit_baseline([1.0], ["2020-07-01"]), DataError, "do not fit"),
        (lambda: rolling_total([1.0], 0), StudyError, "over no steps"),
        (
            lambda: find_flash_droughts([50, 10], FlashRule(max_evapotranspiration=50)),
            StudyError,
            "asks for evapotranspiration",
        ),
        (
            lambda: critical_slowing_down([1.0, np.nan], rng=np.random.default_rng(1)),
            DataError,
            "missing",
        ),
        (
            lambda: calibrate_thresholds(
                ["2020-01-01"], ["2021-01-01"], rng=np.random.default_rng(1)
            ),
            StudyError,
            "growing season",
        ),
    ],
)
def test_named_errors(act, error, words):
    with pytest.raises(error, match=words):
        act()


def test_every_place_without_a_baseline_has_a_reason():
    rng = np.random.default_rng(1)
    values = 0.5 + 0.05 * rng.standard_normal((len(DAYS), 4))
    values[:, 0] = np.nan
    values[:, 1] = 0.5
    values[np.datetime64("2013-01-01") <= DAYS, 2] -= 0.3
    fitted = fit_baseline(values, DAYS)
    assert [REASONS[one] for one in fitted.reason] == [
        "too few observations in the history",
        "no variation in the history",
        "history not stable",
        "ok",
    ]
    chart = blank_chart(Detector(), np.where(fitted.reason == 0, 4.0, np.nan))
    assert new_ladder(chart).state.tolist() == [-1, -1, -1, 0]


def test_dates_that_go_back_are_refused():
    chart = blank_chart(Detector(), np.array([4.0]))
    _, ladder, chart = climb(new_ladder(chart), chart, [[0.0]], [10], [2020])
    with pytest.raises(DataError, match="checkpoint"):
        climb(ladder, chart, [[0.0]], [5], [2019])


def test_a_period_whose_median_is_its_maximum_is_named():
    index, degenerate = moisture_deficit_index([0.2, 0.1, 0.2, 0.1, 0.2], np.zeros(5, int))
    assert degenerate.tolist() == [True]
    assert np.isnan(index[0])
    assert drought_class([np.nan]).tolist() == [-1]


def test_recovery_withdraws_and_restores():
    chart = blank_chart(Detector(), np.array([4.0, 4.0]))
    dip = np.array([[-3.0, -3.0]] * 2 + [[0.5, -4.0]] * 6 + [[0.1, -4.0]] * 6 + [[0.1, 0.2]] * 6)
    seasons = [2019] * 8 + [2020] * 6 + [2021] * 6
    states, *_ = climb(new_ladder(chart), chart, dip, np.arange(20), seasons)
    assert states[1].tolist() == [1, 1]
    assert states[7, 0] == 0
    assert states[13].tolist() == [0, 3]
    assert states[-1].tolist() == [0, 4]


def test_events_never_found_are_censored():
    curve = delay_curve([5, 10, 10], [True, False, False])
    assert curve.quantile(0.5) == float("inf")
