"""Watching: the same to the bit when stopped and taken up, a controlled map, and rehearsals."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.warning import calibrate_thresholds
from headwater.warning.baseline import BaselineOptions
from headwater.warning.charts import Tolerance
from headwater.warning.drought import drought_watch
from headwater.warning.monitor import field_control, start_monitor, watch_dates
from headwater.warning.rehearsal import History, Staging, bootstrap_run_length, rehearse

OPTIONS = BaselineOptions()
PAST = np.arange("2010-01-01", "2018-01-01", 16, dtype="datetime64[D]")
YEAR = np.arange("2018-01-02", "2019-01-01", 16, dtype="datetime64[D]")
LATER = np.concatenate([YEAR, YEAR + 365])


@pytest.fixture(scope="module")
def thresholds():
    return calibrate_thresholds(
        PAST,
        YEAR,
        rng=np.random.default_rng(1),
        tolerance=Tolerance(rate=0.01, n_seasons=2, n_resamples=8000),
        options=OPTIONS,
    )


def healthy(places, seed, memory=0.3):
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((len(PAST) + len(LATER), places))
    for at in range(1, len(noise)):
        noise[at] = memory * noise[at - 1] + np.sqrt(1 - memory**2) * noise[at]
    return 0.5 + 0.03 * noise


def test_a_watch_that_is_taken_up_again_goes_on_to_the_bit(thresholds):
    values = healthy(50, 3)
    values[-38:, :5] -= 0.16
    monitor = start_monitor(values[: len(PAST)], PAST, thresholds=thresholds)
    whole, end = watch_dates(monitor, values[len(PAST) :], LATER)
    part, state = [], monitor
    for at in range(0, len(LATER), 7):
        rows = slice(len(PAST) + at, min(len(PAST) + at + 7, len(values)))
        seen, state = watch_dates(state, values[rows], LATER[at : at + 7])
        part.append(seen)
    for name in ("innovation", "statistic", "state"):
        pieces = np.concatenate([getattr(one, name) for one in part])
        np.testing.assert_array_equal(pieces, getattr(whole, name))
    np.testing.assert_array_equal(state.peak, end.peak)
    assert end.bytes_per_place <= 100
    assert (whole.state[-1, :5] == 3).all()


def test_late_dates_are_refused_with_what_to_do(thresholds):
    values = healthy(3, 4)
    monitor = start_monitor(values[: len(PAST)], PAST, thresholds=thresholds)
    _, monitor = watch_dates(monitor, values[-2:], LATER[-2:])
    with pytest.raises(DataError, match="not later than the last"):
        watch_dates(monitor, values[-3:-2], LATER[-3:-2])


def test_the_share_of_false_alarms_on_the_map_is_what_was_set(thresholds):
    """40 000 places of which 1 % are degraded: of those shown, at most 0.1 are false on average."""
    false, found = [], []
    for seed in range(2):
        values = healthy(20_000, 100 + seed)
        lost = np.arange(20_000) < 200
        values[len(PAST) + 8 :, lost] -= 0.08
        monitor = start_monitor(values[: len(PAST)], PAST, thresholds=thresholds)
        _, monitor = watch_dates(monitor, values[len(PAST) :], LATER)
        p = thresholds.p_value(monitor.peak, monitor.baseline.rho, monitor.n_seasons)
        p = np.where(monitor.baseline.reason == 0, p, np.nan)
        shown = field_control(p, share=0.1)
        false.append((shown & ~lost).sum() / shown.sum())
        found.append(shown[lost].mean())
        # a rate per place alone would show hundreds of healthy places
        assert ((monitor.ladder.state >= 1) & ~lost).sum() > 100
    assert 0.02 < np.mean(false) < 0.16
    assert np.mean(found) > 0.8


def test_rehearsals_find_what_was_planted_and_little_else(thresholds):
    history = History(healthy(120, 7, memory=0.1)[: len(PAST)] + season(PAST), PAST)
    found = rehearse(
        history,
        thresholds,
        rng=np.random.default_rng(1),
        options=OPTIONS,
        staging=Staging(n_seasons=2, repeats=3),
        groups=np.repeat(["low", "high"], 60),
    ).data.set_index(["regime", "rung", "group"])
    assert found.loc[("abrupt", "watch", "all"), "hit"] > 0.9
    assert found.loc[("abrupt", "watch", "all"), "false_share"] < 0.1
    assert found.loc[("transient", "confirmed", "all"), "hit"] < 0.05
    assert set(found.index.get_level_values("group")) == {"all", "low", "high"}
    assert found.loc[("climate only", "watch", "all"), "n_events"] == 0


def season(times):
    day = (times - times.astype("datetime64[Y]")).astype(int)
    return 0.2 * np.cos(2 * np.pi * (day - 200) / 365)[:, None]


def test_the_run_length_is_near_what_was_asked_on_long_histories():
    past = np.arange("2004-01-01", "2018-01-01", 16, dtype="datetime64[D]")
    rng = np.random.default_rng(2)
    limits = calibrate_thresholds(
        past,
        YEAR,
        rng=rng,
        tolerance=Tolerance(rate=0.05, n_seasons=3, n_resamples=4000),
        options=OPTIONS,
    )
    history = History(0.5 + 0.03 * rng.standard_normal((len(past), 150)), past)
    found = bootstrap_run_length(history, limits, rng=rng, options=OPTIONS, n_resamples=15)
    assert found.asked == pytest.approx(20)
    assert 10 < found.seasons < 40
    assert found.low < found.seasons < found.high


def test_too_few_years_to_rehearse_with_are_refused(thresholds):
    one = History(np.full((10, 2), 0.5), PAST[:10])
    with pytest.raises(DataError, match="too few years"):
        rehearse(one, thresholds, rng=np.random.default_rng(1))
    with pytest.raises(DataError, match="too few years"):
        bootstrap_run_length(one, thresholds, rng=np.random.default_rng(1))


def test_a_drought_does_not_outlast_its_season_and_gaps_change_nothing():
    series = np.array([[10.0], [np.nan], [12.0], [np.nan], [5.0]])
    on = drought_watch(series, [2020, 2020, 2020, 2020, 2021], persist=2)
    assert on[:, 0].tolist() == [False, False, True, True, False]
