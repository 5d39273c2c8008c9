"""Learners by name or of one's own, averaged, bit for bit the same on any number of threads."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from headwater.downscaling.learners import fit_learners, make_learner
from headwater.errors import DataError

RNG = np.random.default_rng(1)
X = RNG.normal(size=(600, 4)).astype(np.float32)
Y = np.sin(X[:, 0]) + 0.5 * X[:, 1] + RNG.normal(0, 0.1, 600)


@pytest.mark.parametrize("learner", ["forest", "boosting", Ridge(), KNeighborsRegressor()])
def test_every_learner_learns(learner) -> None:
    fitted = fit_learners([learner], [X[:500]], Y[:500], trees=60)
    assert np.corrcoef(fitted.predict(X[500:]), Y[500:])[0, 1] > 0.8


def test_several_are_averaged() -> None:
    parts = [
        fit_learners([one], [X], Y, trees=20, random_state=3 + at)
        for at, one in enumerate(("forest", "boosting"))
    ]
    mean = fit_learners(["forest", "boosting"], [X, X], Y, trees=20, random_state=3)
    apart = np.mean([part.predict(X) for part in parts], axis=0)
    np.testing.assert_allclose(mean.predict(X), apart, rtol=1e-12)


@pytest.mark.parametrize("learner", ["forest", "boosting"])
def test_threads_change_no_bit(learner: str) -> None:
    one, two = (
        fit_learners([learner], [X], Y, trees=20, random_state=3, workers=workers).predict(X)
        for workers in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_another_seed_is_another_forest() -> None:
    one, two = (
        fit_learners(["forest"], [X], Y, trees=5, random_state=s).predict(X) for s in (1, 2)
    )
    assert (one != two).any()


def test_a_regressor_of_ones_own_is_left_as_it_was() -> None:
    own = make_learner("forest", trees=5, random_state=9)
    fit_learners([own], [X], Y, random_state=1)
    assert not hasattr(own, "estimators_")
    assert own.random_state == 9


def test_a_row_that_lacks_a_predictor_is_missing() -> None:
    table = X[:5].copy()
    table[2, 1] = np.nan
    predicted = fit_learners(["boosting"], [X], Y, trees=5).predict(table)
    assert np.isnan(predicted).tolist() == [False, False, True, False, False]


def test_only_forests_have_an_out_of_bag_answer() -> None:
    bagged = fit_learners(["boosting", "forest"], [X, X], Y, trees=60).out_of_bag
    assert bagged is not None
    assert np.corrcoef(bagged, Y)[0, 1] > 0.8
    assert fit_learners(["boosting"], [X], Y, trees=5).out_of_bag is None


def test_what_is_no_learner_is_named() -> None:
    with pytest.raises(DataError, match="Did you mean 'forest'"):
        make_learner("forrest")
    with pytest.raises(DataError, match="must fit and predict"):
        make_learner(3)
