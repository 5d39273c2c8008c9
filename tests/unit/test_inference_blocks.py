"""Blocked cross-validation: every unit tested once, nobody trained on a neighbour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import DataError
from headwater.inference.blocks import spatial_blocks, temporal_blocks


@given(
    n=st.integers(6, 60),
    folds=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
    kind=st.booleans(),
)
def test_every_unit_is_tested_exactly_once(n, folds, seed, kind):
    rng = np.random.default_rng(seed)
    if kind:
        splits = temporal_blocks(rng.permutation(n), folds=folds)
    else:
        places = np.arange(n)[:, None] * [2.0, 0.0] + rng.random((n, 2))
        splits = spatial_blocks(places, size=1.5, folds=folds, rng=rng)
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested) == list(range(n))
    for train, test in splits:
        assert not set(train) & set(test)
        assert len(train) + len(test) == n


def test_days_stay_together_and_the_buffer_is_empty():
    days = np.datetime64("2020-01-01") + np.repeat(np.arange(40), 3).astype("timedelta64[D]")
    buffer = np.timedelta64(4, "D")
    for train, test in temporal_blocks(days, folds=4, buffer=buffer):
        assert len(test) == 30
        apart = np.abs(days[train][:, None] - days[test]).min()
        assert apart > buffer


def test_spatial_buffer_is_empty_and_folds_are_even():
    places = np.random.default_rng(3).uniform(0, 100, (600, 2))
    splits = spatial_blocks(places, size=10, buffer=6, rng=np.random.default_rng(4))
    assert {len(test) for _, test in splits} <= set(range(110, 131))
    for train, test in splits:
        apart = np.linalg.norm(places[train][:, None] - places[test], axis=-1)
        assert apart.min() > 6
        assert len(train) > 50


def test_same_generator_same_folds():
    places = np.random.default_rng(3).uniform(0, 100, (60, 2))
    one, two = (spatial_blocks(places, size=20, rng=np.random.default_rng(5)) for _ in range(2))
    assert all((a[1] == b[1]).all() for a, b in zip(one, two, strict=True))


def test_scikit_learn_takes_them():
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import cross_val_score

    x = np.arange(50.0)[:, None]
    scores = cross_val_score(LinearRegression(), x, 3 * x[:, 0], cv=temporal_blocks(x[:, 0]))
    np.testing.assert_allclose(scores, 1.0)


def test_what_cannot_be_split_is_named():
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="folds cannot be made"):
        temporal_blocks(np.arange(3), folds=4)
    with pytest.raises(DataError, match="no time"):
        temporal_blocks(np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"), folds=2)
    with pytest.raises(DataError, match="nothing to train on"):
        temporal_blocks(np.arange(6), folds=2, buffer=10)
    with pytest.raises(DataError, match="folds cannot be made"):
        spatial_blocks(np.zeros((9, 2)), size=1, rng=rng)
    with pytest.raises(DataError, match="two finite coordinates"):
        spatial_blocks(np.full((9, 2), np.nan), size=1, rng=rng)
    with pytest.raises(DataError, match="a side"):
        spatial_blocks(np.zeros((9, 2)), size=0, rng=rng)
