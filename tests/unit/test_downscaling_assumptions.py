"""What twins assume, what is written where predictors add nothing, and what small areas allow."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from headwater.chapters.downscaling.run import _better_without, _fallback_note
from headwater.downscaling.baselines import interpolate_cells
from headwater.downscaling.covariance import Component, ResidualCovariance
from headwater.downscaling.folds import make_folds, plan_folds
from headwater.downscaling.observation_age import days_to_observation
from headwater.downscaling.systematic import (
    SystematicError,
    estimate_heterogeneity,
    estimate_systematic,
)
from headwater.downscaling.twin_truth import field_strength, match_covariance, observe_truth
from headwater.errors import DataError

DAYS = np.datetime64("2019-05-01") + np.arange(120)
CELLS = csr_matrix(np.kron(np.eye(3), [[0.25, 0.25, 0.25, 0.25]]))
PLACES = np.column_stack([5.0 * np.arange(12), np.zeros(12)])
GRID = SimpleNamespace(
    matrix=CELLS,
    fine_xy=PLACES,
    coarse_xy=CELLS @ PLACES,
    fine_shape=(1, 12),
    aggregate=lambda x: SimpleNamespace(value=np.asarray(x) @ CELLS.T.toarray()),
)


def test_bias_and_gain_of_a_product_are_found_by_stations() -> None:
    rng = np.random.default_rng(3)
    truth = 0.25 + 0.06 * rng.standard_normal((300, 8))
    product = 0.8 * truth + 0.06 + 0.02 * rng.standard_normal(truth.shape)
    found = estimate_systematic(product, truth, noise_sd=0.02)
    assert found.bias_low == pytest.approx(0.01, abs=0.002)
    assert found.bias_high == pytest.approx(0.01, abs=0.002)
    assert found.gain_low == pytest.approx(0.8, abs=0.02)
    assert found.gain_high == pytest.approx(0.8, abs=0.03)
    assert "8 stations" in found.source


def test_points_that_differ_from_their_cells_widen_the_range_of_the_gain() -> None:
    rng = np.random.default_rng(3)
    truth = 0.25 + 0.06 * rng.standard_normal((300, 8))
    points = truth + 0.03 * rng.standard_normal(truth.shape)
    found = estimate_systematic(truth, points)
    assert found.gain_low < 0.85
    assert found.gain_high == pytest.approx(1.0, abs=0.03)
    lasting = points + np.linspace(-0.03, 0.03, 8)
    assert estimate_heterogeneity(truth, lasting) == pytest.approx(0.021, abs=0.003)


@pytest.mark.parametrize(
    ("product", "words"),
    [(np.ones((90, 2)), "too few stations"), (-np.ones(1), "do not rise together")],
)
def test_stations_that_cannot_judge_are_refused(product, words: str) -> None:
    rng = np.random.default_rng(1)
    truth = 0.2 + 0.05 * rng.standard_normal((90, 4))
    x, y = (product, product) if product.ndim == 2 else (0.4 - truth, truth)
    with pytest.raises(DataError, match=words):
        estimate_systematic(x, y)


def test_truth_and_product_are_each_other_turned_round() -> None:
    wrong = SystematicError(0.02, 0.02, 0.8, 0.8)
    truth = np.linspace(0.1, 0.4, 7)
    back = wrong.truth_of(wrong.product_of(truth, 0.25), 0.25)
    np.testing.assert_allclose(back, truth)
    assert wrong.product_of(0.23, 0.25) == pytest.approx(0.25)
    assert not wrong.absent
    assert SystematicError().absent


def test_draws_run_through_both_ends_of_a_range() -> None:
    wrong = SystematicError(-0.02, 0.04, 0.7, 1.1)
    drawn = [wrong.draw(number, 2) for number in range(2)]
    assert [one.bias_low for one in drawn] == pytest.approx([-0.02, 0.04])
    assert [one.gain_low for one in drawn] == pytest.approx([0.7, 1.1])
    assert all(one.bias_low == one.bias_high for one in drawn)


def test_a_twin_is_observed_with_its_bias() -> None:
    rng = np.random.default_rng(1)
    truth = np.full((120, 12), 0.30, dtype=np.float32)
    observed = np.full((120, 3), 0.25)
    quiet = ResidualCovariance((), 0.0, 0.0)
    wrong = SystematicError(-0.05, -0.05, 1.0, 1.0)
    seen = observe_truth(truth, observed, GRID, quiet, wrong, rng)
    np.testing.assert_allclose(seen, 0.25, atol=1e-6)


def test_what_the_learner_brings_by_itself_is_taken_off_and_nothing_is_raised() -> None:
    user = ResidualCovariance((Component(4e-4, 50.0, 2.0, "daily"),), 0.02, 0.01)
    louder = ResidualCovariance((Component(8e-4, 30.0, 4.0, "daily"),), 0.02, 0.02)
    quieter = ResidualCovariance((Component(1e-4, 30.0, 4.0, "daily"),), 0.01, 0.0)
    assert match_covariance(user, louder).components[0].variance == pytest.approx(2e-4)
    assert match_covariance(user, louder).bias_sd == pytest.approx(0.005)
    same = match_covariance(user, quieter)
    assert same.components == user.components
    assert (same.noise_sd, same.bias_sd) == (user.noise_sd, user.bias_sd)


def test_the_field_is_stronger_on_days_on_which_residuals_are() -> None:
    rng = np.random.default_rng(2)
    sd = np.where(np.arange(120) < 40, 0.05, 0.02)[:, None]
    left = sd * rng.standard_normal((120, 3))
    field = ResidualCovariance((Component(1e-3, 30.0, 2.0, "daily"),), 0.005)
    strength = field_strength(left, GRID, field, DAYS)
    assert strength[:25].mean() > 2.5 * strength[60:].mean()
    assert strength.mean() == pytest.approx(1.0, abs=0.1)
    assert strength.min() > 0


def test_baselines_repeat_or_join_the_cells() -> None:
    seen = np.array([[0.1, np.nan, 0.3], [np.nan, np.nan, np.nan], [0.3, np.nan, 0.3]])
    near = interpolate_cells(seen, GRID, method="nearest")
    np.testing.assert_allclose(near[1, :4], 0.2, atol=1e-6)
    assert np.isnan(near[:, 4:8]).all()
    between = interpolate_cells(seen, GRID)
    assert np.isfinite(between).all()
    with pytest.raises(DataError, match="Did you mean 'bilinear'"):
        interpolate_cells(seen, GRID, method="bilinar")


def twin(pipeline: float, bilinear: float):
    rows = [("pipeline", pipeline), ("bilinear", bilinear), ("nearest", bilinear + 0.01)]
    data = pd.DataFrame(rows, columns=["method", "rmse"])
    return SimpleNamespace(
        data=data, helps=pipeline < bilinear, baseline=SimpleNamespace(method="bilinear")
    )


@pytest.mark.parametrize(
    ("residual", "skill", "expected"),
    [
        (0.02, twin(0.03, 0.05), None),
        (0.02, twin(0.05, 0.04), "bilinear"),
        (0.09, twin(0.03, 0.05), "bilinear"),
        (0.09, None, "bilinear"),
        (0.02, None, None),
    ],
)
def test_a_map_that_does_harm_is_not_written(residual, skill, expected) -> None:
    rng = np.random.default_rng(4)
    retrieval = 0.25 + 0.05 * rng.standard_normal((120, 3))
    found = SimpleNamespace(residuals=residual * rng.standard_normal((120, 3)))
    task, auto = SimpleNamespace(retrieval=retrieval), SimpleNamespace(fallback="auto")
    assert _better_without(auto, task, found, skill) == expected
    assert _better_without(SimpleNamespace(fallback="never"), task, found, skill) is None
    if expected:
        assert "add nothing" in _fallback_note(expected, skill)


def test_pixels_in_no_cell_take_part_in_the_next_one_if_it_is_near() -> None:
    grid = SimpleNamespace(
        matrix=csr_matrix(np.eye(2, 4)),
        fine_xy=np.array([[0.0, 0.0], [10.0, 0.0], [19.0, 0.0], [90.0, 0.0]]),
        coarse_xy=np.array([[0.0, 0.0], [10.0, 0.0]]),
    )
    seen, days = [[1, 0], [0, 1]], np.datetime64("2019-07-01") + np.arange(2)
    assert days_to_observation(seen, grid, days)[:, 2].tolist() == [-1, -1]
    filled = days_to_observation(seen, grid, days, fill_edges=True)
    assert filled[:, 2].tolist() == [1, 0]
    assert filled[:, 3].tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("kind", "cells", "wanted"),
    [
        ("space", [[0, 0], [36, 0], [200, 0], [236, 0]], ("space", 2)),
        ("space", [[0, 0], [36, 0], [0, 36]], ("space", 3)),
        ("space", [[0, 0]], ("time", 5)),
        ("random", [[0, 0]], ("random", 5)),
    ],
)
def test_small_areas_have_the_folds_that_can_be_made(kind, cells, wanted) -> None:
    places = np.array(cells, dtype=float)
    plan = plan_folds(kind, DAYS, places)
    assert (plan.kind, plan.folds) == wanted
    assert bool(plan.note) == (wanted != (kind, 5))
    folds = make_folds(kind, DAYS, places, rng=np.random.default_rng(1))
    tested = np.sum([fold.test for fold in folds], axis=0)
    assert (tested == 1).all()
    assert all(not (fold.train & fold.test).any() for fold in folds)


def test_one_day_of_one_cell_allows_no_folds() -> None:
    with pytest.raises(DataError, match="no folds can be made"):
        plan_folds("space", DAYS[:1], np.zeros((1, 2)))
