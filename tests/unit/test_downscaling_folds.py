"""Folds test everything once and keep neighbours together."""

import numpy as np
import pytest

from headwater.downscaling.folds import KINDS, make_folds
from headwater.errors import DataError

DAYS = np.arange("2020-01-01", "2020-04-10", dtype="datetime64[D]")
CELLS = np.stack(np.meshgrid(np.arange(8) * 36.0, np.arange(6) * 36.0), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_day_and_cell_is_tested_once_and_never_trained_on_then(kind: str) -> None:
    folds = make_folds(kind, DAYS, CELLS, folds=3, rng=np.random.default_rng(1))
    assert len(folds) == (9 if kind == "space-time" else 3)
    assert (np.sum([test for _, test in folds], axis=0) == 1).all()
    assert not any((train & test).any() for train, test in folds)


def test_space_holds_back_cells_and_time_holds_back_days() -> None:
    for _, test in make_folds("space", DAYS, CELLS, rng=np.random.default_rng(1)):
        assert (test == test[0]).all()
    for _, test in make_folds("time", DAYS, CELLS, rng=np.random.default_rng(1)):
        assert (test == test[:, :1]).all()
        days = np.flatnonzero(test[:, 0])
        assert (np.diff(days) == 1).all()


def test_space_time_shares_neither_land_nor_time() -> None:
    for train, test in make_folds("space-time", DAYS, CELLS, folds=3, rng=np.random.default_rng(1)):
        assert not (train.any(axis=0) & test.any(axis=0)).any()
        assert not (train.any(axis=1) & test.any(axis=1)).any()


def test_the_same_generator_gives_the_same_folds() -> None:
    one, two = (
        make_folds("space", DAYS, CELLS, rng=np.random.default_rng(7))[2][1] for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


def test_what_cannot_be_parted_is_named() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="Did you mean 'space'"):
        make_folds("spcae", DAYS, CELLS, rng=rng)
    with pytest.raises(DataError, match="no folds can be made"):
        make_folds("space", DAYS[:1], CELLS[:1], rng=rng)
