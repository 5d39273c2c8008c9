"""Every detector keeps the rate that was set, goes on as it stopped, and finds what it is for."""

import numpy as np
import pytest

from headwater.errors import StudyError
from headwater.warning import calibrate_thresholds, fit_baseline
from headwater.warning.baseline import BaselineOptions, pool_memory
from headwater.warning.charts import DETECTORS, Detector, Tolerance, blank_chart, update_chart
from headwater.warning.evaluation import detector_alarms
from headwater.warning.monitor import (
    join_monitors,
    pack_monitor,
    start_monitor,
    unpack_monitor,
    watch_dates,
)
from headwater.warning.rehearsal import History, raise_thresholds
from headwater.warning.run_length import ewma_limit, ewma_run_length

DAYS = np.arange("2010-01-01", "2021-01-01", 16, dtype="datetime64[D]")
SPLIT = np.datetime64("2018-01-01")
YEAR = DAYS[DAYS.astype("datetime64[Y]") == np.datetime64("2018")]


@pytest.fixture(scope="module")
def limits():
    def calibrated(kind):
        return calibrate_thresholds(
            DAYS[DAYS < SPLIT],
            YEAR,
            rng=np.random.default_rng(1),
            tolerance=Tolerance(rate=0.03, detector=DETECTORS[kind], n_resamples=4000),
        )

    return {kind: calibrated(kind) for kind in DETECTORS}


def healthy(places, seed, memory=0.3):
    noise = np.random.default_rng(seed).standard_normal((len(DAYS), places))
    for at in range(1, len(noise)):
        noise[at] = memory * noise[at - 1] + np.sqrt(1 - memory**2) * noise[at]
    return noise


@pytest.mark.parametrize("kind", sorted(DETECTORS))
@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_each_keeps_the_rate_that_was_set(limits, kind, memory):
    alarm = detector_alarms(limits[kind], healthy(8000, 5, memory), DAYS, split=SPLIT)
    rate = np.isfinite(alarm).mean() / 3
    # standard error 0.001; the calibration's own, of 4000 simulations, 0.0015
    assert 0.024 <= rate <= 0.036


def test_a_slow_trend_is_found_best_by_the_longest_memory(limits):
    values = healthy(1000, 6)
    values -= np.clip((DAYS - SPLIT).astype(float) / 365 * 0.3, 0, None)[:, None]
    found = {
        kind: np.isfinite(detector_alarms(one, values, DAYS, split=SPLIT)).mean()
        for kind, one in limits.items()
    }
    assert found["slow"] > found["cusum"] + 0.05
    assert found["slow"] > 0.45


@pytest.mark.parametrize("kind", sorted(DETECTORS))
def test_each_goes_on_to_the_bit_as_it_was_kept(limits, kind):
    values, past = healthy(20, 7), DAYS < SPLIT
    later, x = DAYS[~past], values[~past]
    monitor = start_monitor(values[past], DAYS[past], thresholds=limits[kind])
    whole, end = watch_dates(monitor, x, later)
    _, half = watch_dates(monitor, x[:30], later[:30])
    kept = unpack_monitor(
        pack_monitor(half), thresholds=limits[kind], options=half.baseline.options
    )
    rest, last = watch_dates(join_monitors([kept]), x[30:], later[30:])
    np.testing.assert_array_equal(rest.statistic, whole.statistic[30:])
    np.testing.assert_array_equal(rest.state, whole.state[30:])
    np.testing.assert_array_equal(last.peak, end.peak)
    assert end.bytes_per_place <= 100


def test_the_charts_are_what_they_are_said_to_be():
    u = healthy(3, 8)
    ewma, _ = update_chart(blank_chart(Detector("ewma", smoothing=0.2), np.ones(3)), u)
    loss, z = -np.maximum(u, -3.0), np.zeros(3)
    for at in range(len(u)):
        z = np.maximum(0, 0.8 * z + 0.2 * loss[at])
        np.testing.assert_allclose(ewma[at], z, atol=1e-12)


def test_run_lengths_of_a_one_sided_average_are_exact():
    limit = ewma_limit(200.0, memory=0.15, one_sided=True)
    assert ewma_run_length(limit, memory=0.15, one_sided=True) == pytest.approx(200.0)
    u = np.random.default_rng(2).standard_normal((4000, 1500))
    path, _ = update_chart(blank_chart(Detector("ewma"), np.ones(1500)), np.maximum(u, -3.0))
    alarm = path > limit * np.sqrt(0.15 / 1.85)
    # one observation counts three standard deviations at most: the run is a little longer
    assert alarm.argmax(axis=0).mean() + 1 == pytest.approx(200, rel=0.08)


def test_what_cannot_be_is_named():
    with pytest.raises(StudyError, match="a detector that cannot be"):
        Detector("ewma", smoothing=0.0)


def test_thresholds_are_raised_where_the_form_of_the_response_is_wrong(limits):
    """Greenness answers water below its mean only; the baseline is linear in it."""
    water = healthy(3000, 9, memory=0.8)
    values, past = 2 * np.minimum(water, 0) + healthy(3000, 10, memory=0.0), DAYS < SPLIT
    history = History(values[past][:, :150], DAYS[past], water[None, past, :150])
    raised = raise_thresholds(limits["cusum"], history, rng=np.random.default_rng(1))
    rates = [
        np.isfinite(detector_alarms(one, values, DAYS, water[None], split=SPLIT)).mean() / 3
        for one in (limits["cusum"], raised)
    ]
    assert rates[0] > 0.045, "0.03 was asked for"
    assert 0.02 < rates[1] < 0.04


def test_a_season_lost_in_the_history_does_not_hide_the_next(limits):
    values = healthy(400, 7, 0.0)
    past, lost = DAYS < SPLIT, np.datetime64("2013-06-01")
    inside = np.abs(DAYS - lost) < np.timedelta64(40, "D")
    clean = fit_baseline(values[past], DAYS[past])
    values[inside] -= 8.0
    fitted = fit_baseline(values[past], DAYS[past])
    assert (fitted.reason == 0).mean() > 0.85
    assert np.median(fitted.spread / clean.spread) == pytest.approx(1.0, abs=0.05)
    assert abs(np.median(fitted.rho - clean.rho)) < 0.1


def test_places_of_a_map_say_together_what_their_memory_is(limits):
    values, past = healthy(1000, 8, 0.6), DAYS < SPLIT
    pooled = pool_memory(values[past], DAYS[past], rng=np.random.default_rng(2))
    assert pooled.mean == pytest.approx(0.6, abs=0.05)
    assert pooled.kept < 0.3
    options = BaselineOptions(memory=pooled)
    own = calibrate_thresholds(
        DAYS[past],
        YEAR,
        rng=np.random.default_rng(1),
        tolerance=Tolerance(rate=0.03, n_resamples=4000),
        options=options,
    )
    many = healthy(8000, 5, 0.6)
    rate = np.isfinite(detector_alarms(own, many, DAYS, split=SPLIT, options=options)).mean() / 3
    assert 0.024 <= rate <= 0.036
    values[len(DAYS[past]) + 12 :] -= 2.0
    with_all = detector_alarms(own, values, DAYS, split=SPLIT, options=options)
    alone = detector_alarms(limits["cusum"], values, DAYS, split=SPLIT)
    assert np.isfinite(with_all).mean() >= np.isfinite(alone).mean()
    # what all places share they are wrong about together
    shared = np.repeat(healthy(1, 9, 0.6), 50, axis=1)[past]
    assert pool_memory(shared, DAYS[past], rng=np.random.default_rng(2)).spread > 0.08
    assert pool_memory(shared[:, :5], DAYS[past], rng=np.random.default_rng(2)) is None
