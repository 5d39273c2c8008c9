"""Kriging: exact at stations, gaps as if the station were not there, named refusals."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.grids.kriging import Kriging
from headwater.grids.variogram import MODELS, Variogram

RNG = np.random.default_rng(5)
PLACES = RNG.uniform(0, 100, (40, 2))
TARGETS = RNG.uniform(-10, 110, (25, 2))
VALUES = RNG.normal(size=(9, 40)).cumsum(axis=0)
HEIGHT, TARGET_HEIGHT = PLACES @ [20.0, -7.0] + RNG.normal(0, 300, 40), TARGETS @ [20.0, -7.0]
MODEL = Variogram("spherical", nugget=0.1, partial_sill=1.0, range=50.0)
SETTINGS = [(None, None), (None, HEIGHT), (12, None), (12, HEIGHT)]


def target_drift(drift):
    return None if drift is None else TARGET_HEIGHT


@pytest.mark.parametrize(("neighbours", "drift"), SETTINGS)
def test_exact_at_stations_whatever_the_nugget(neighbours, drift):
    kriging = Kriging(MODEL, neighbours=neighbours).fit(PLACES, drift)
    np.testing.assert_allclose(kriging.predict(VALUES, PLACES, drift), VALUES, atol=1e-9)
    np.testing.assert_allclose(kriging.variance(PLACES, drift), 0, atol=1e-9)


@pytest.mark.parametrize(("neighbours", "drift"), SETTINGS)
def test_missing_stations_are_as_if_they_were_not_there(neighbours, drift):
    values = VALUES.copy()
    values[0, :5] = np.nan
    values[3, 7] = np.nan
    values[4, :5] = np.nan
    values[5, 3:] = np.nan
    kriging = Kriging(MODEL, neighbours=neighbours).fit(PLACES, drift)
    estimate = kriging.predict(values, TARGETS, target_drift(drift))
    for day in (0, 1, 3, 4):
        here = np.isfinite(values[day])
        part = None if drift is None else drift[here]
        alone = Kriging(MODEL, neighbours=neighbours).fit(PLACES[here], part)
        expected = alone.predict(values[day, here], TARGETS, target_drift(drift))
        np.testing.assert_allclose(estimate[day], expected, rtol=1e-8, atol=1e-9)
        variance = kriging.variance(TARGETS, target_drift(drift), missing=~here)
        expected = alone.variance(TARGETS, target_drift(drift))
        np.testing.assert_allclose(variance, expected, rtol=1e-8, atol=1e-9)
        weights = kriging.weights(TARGETS, target_drift(drift), missing=~here)
        filled = np.where(here, values[day], 0.0)
        np.testing.assert_allclose(weights.apply(filled), estimate[day], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("neighbours", [None, 8])
def test_a_day_without_stations_is_missing_and_one_with_one_is_that_one(neighbours):
    values = VALUES[:2].copy()
    values[0] = np.nan
    values[1, 1:] = np.nan
    estimate = Kriging(MODEL, neighbours=neighbours).fit(PLACES).predict(values, TARGETS)
    assert np.isnan(estimate[0]).all()
    np.testing.assert_allclose(estimate[1], values[1, 0])


def test_a_day_that_cannot_tell_the_drift_is_missing():
    values = VALUES[:1].copy()
    values[0, 1:] = np.nan
    kriging = Kriging(MODEL).fit(PLACES, HEIGHT)
    assert np.isnan(kriging.predict(values, TARGETS, TARGET_HEIGHT)).all()


@pytest.mark.parametrize(("neighbours", "drift"), SETTINGS)
def test_leave_one_out_equals_leaving_one_out(neighbours, drift):
    values = VALUES[:2].copy()
    values[1, [2, 5]] = np.nan
    score = Kriging(MODEL, neighbours=neighbours).fit(PLACES, drift).leave_one_out(values)
    assert score.n == 78
    for day, station in ((0, 0), (0, 17), (1, 0), (1, 30)):
        others = np.isfinite(values[day]) & (np.arange(40) != station)
        own = None if drift is None else drift[[station]]
        part = None if drift is None else drift[others]
        alone = Kriging(MODEL, neighbours=neighbours).fit(PLACES[others], part)
        estimate = alone.predict(values[day, others], PLACES[[station]], own)[0]
        variance = alone.variance(PLACES[[station]], own)[0]
        assert score.error[day, station] == pytest.approx(estimate - values[day, station], rel=1e-8)
        assert score.variance[day, station] == pytest.approx(variance, rel=1e-8)
    assert np.isnan(score.error[1, [2, 5]]).all()
    assert score.rmse == pytest.approx(np.sqrt(np.nanmean(score.error**2)))


def test_drift_at_a_target_that_is_missing_gives_missing():
    height = TARGET_HEIGHT.copy()
    height[3] = np.nan
    kriging = Kriging(MODEL).fit(PLACES, HEIGHT)
    estimate, variance = kriging.predict(VALUES, TARGETS, height), kriging.variance(TARGETS, height)
    weighed = kriging.weights(TARGETS, height).apply(VALUES)
    for made in (estimate, variance, weighed):
        assert (np.isnan(made).reshape(-1, 25).all(axis=0) == np.isnan(height)).all()


def test_a_linear_function_of_the_drift_is_returned_exactly():
    kriging = Kriging(MODEL).fit(PLACES, HEIGHT)
    estimate = kriging.predict(20 - 0.0065 * HEIGHT, TARGETS, TARGET_HEIGHT)
    np.testing.assert_allclose(estimate, 20 - 0.0065 * TARGET_HEIGHT, rtol=1e-9)


def test_local_with_all_neighbours_is_global():
    estimate = Kriging(MODEL, neighbours=99).fit(PLACES).predict(VALUES, TARGETS)
    np.testing.assert_allclose(estimate, Kriging(MODEL).fit(PLACES).predict(VALUES, TARGETS))


def test_blocks_do_not_show(monkeypatch):
    from headwater.grids import _kriging_systems

    whole = [Kriging(MODEL, neighbours=n).fit(PLACES).predict(VALUES, TARGETS) for n in (None, 6)]
    monkeypatch.setattr(_kriging_systems, "_ENTRIES_AT_ONCE", 120)
    monkeypatch.setattr(_kriging_systems, "_SYSTEMS_AT_ONCE", 4)
    parts = [Kriging(MODEL, neighbours=n).fit(PLACES).predict(VALUES, TARGETS) for n in (None, 6)]
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_estimates_far_away_tend_to_the_mean_with_the_variance_of_the_sill(model):
    variogram = Variogram(model, 0.2, 1.0, 5.0)
    variance = Kriging(variogram).fit(PLACES).variance([[1e6, 1e6]])[0]
    assert variogram.sill < variance < variogram.sill + 0.5


def test_across_the_date_line_is_near():
    model = Variogram("exponential", 0.0, 1.0, 200_000.0)
    kriging = Kriging(model, geographic=True).fit([[179.9, 0.0], [-90.0, 0.0]])
    assert kriging.predict([1.0, 5.0], [[-179.9, 0.0]])[0] == pytest.approx(1.0, abs=0.5)


@pytest.mark.parametrize(
    ("places", "drift", "options", "wrong"),
    [
        ([[0, 0], [1, 1], [0, 0]], None, {}, "share one place"),
        ([[0, 0]], None, {}, "too few stations"),
        (PLACES, None, {"neighbours": 1}, "too few stations"),
        (PLACES[:2], HEIGHT[:2], {}, "too few stations"),
        (PLACES, np.where(HEIGHT > 0, np.nan, 1.0), {}, "no drift"),
        (PLACES, np.ones(40), {}, "cannot be distinguished"),
        (PLACES, HEIGHT[:-1], {}, "differ in number"),
        ([[0, 0], [np.nan, 1]], None, {}, "two finite coordinates"),
        ([[36.0, 99.0], [37.0, 98.0]], None, {"geographic": True}, "beyond a pole"),
    ],
)
def test_bad_stations_are_named(places, drift, options, wrong):
    with pytest.raises(DataError, match=wrong):
        Kriging(MODEL, **options).fit(places, drift)


def test_a_singular_system_is_named():
    smooth = Variogram("gaussian", nugget=0.0, partial_sill=1.0, range=1e4)
    with pytest.raises(DataError, match="singular"):
        Kriging(smooth).fit(PLACES)
    with pytest.raises(DataError, match="singular"):
        Kriging(smooth, neighbours=20).fit(PLACES).predict(VALUES, TARGETS)
    flat = np.r_[np.zeros(20), np.arange(20.0)]
    line = np.column_stack([np.arange(40.0), np.zeros(40)])
    with pytest.raises(DataError, match="singular"):
        Kriging(MODEL, neighbours=4).fit(line, flat).predict(np.zeros(40), [[2.5, 0.0]], [1.0])


def test_values_and_drift_that_do_not_match_are_named():
    kriging = Kriging(MODEL).fit(PLACES)
    with pytest.raises(DataError, match="do not match"):
        kriging.predict(VALUES[:, :-1], TARGETS)
    with pytest.raises(DataError, match="do not match"):
        kriging.predict(np.full(40, np.inf), TARGETS)
    with pytest.raises(DataError, match="not that of the stations"):
        kriging.predict(VALUES, TARGETS, TARGET_HEIGHT)
    with pytest.raises(DataError, match="too few stations have a value"):
        kriging.weights(TARGETS, missing=np.ones(40, bool))
