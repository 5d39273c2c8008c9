"""Block resampling: what is drawn, what the intervals cover, what is refused."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.inference.bootstrap import (
    block_bootstrap,
    block_indices,
    block_length,
    spatial_block_indices,
)


def autoregressive(phi, shape, rng):
    noise = rng.normal(size=(*shape[:-1], shape[-1] + 50))
    for step in range(1, noise.shape[-1]):
        noise[..., step] += phi * noise[..., step - 1]
    return noise[..., 50:]


def test_blocks_are_consecutive_and_stay_inside_when_not_circular():
    drawn = block_indices(100, 7, rng=np.random.default_rng(1), circular=False)
    assert drawn.shape == (100,)
    assert drawn.min() >= 0
    assert drawn.max() < 100
    steps = np.diff(drawn)
    inside_block = np.arange(1, 100) % 7 != 0
    assert (steps[inside_block] == 1).all()


def test_circular_blocks_draw_every_time_equally_often():
    rng = np.random.default_rng(2)
    counts = sum(np.bincount(block_indices(20, 6, rng=rng), minlength=20) for _ in range(4000))
    # mean 4000 per time; a moving block would draw the ends about a sixth as often
    assert counts.min() > 3700
    assert counts.max() < 4300


def test_same_generator_state_same_interval():
    series = autoregressive(0.6, (120,), np.random.default_rng(3))
    one, two = (block_bootstrap(series, rng=np.random.default_rng(4)) for _ in range(2))
    assert one.percentile == two.percentile
    assert one.length == int(np.ceil(block_length(series)))
    low, high = one.percentile
    assert one.basic == pytest.approx((2 * one.estimate - high, 2 * one.estimate - low))
    assert low < one.estimate < high


def test_gaps_stay_gaps_and_the_mean_is_of_what_is_valid():
    series = np.arange(40.0)
    series[5:15] = np.nan
    result = block_bootstrap(series, rng=np.random.default_rng(5), length=4)
    assert result.n == 30
    assert result.estimate == pytest.approx(np.mean(np.r_[0:5, 15:40]))
    assert np.isfinite(result.replicates).all()


def test_columns_are_resampled_together():
    series = np.random.default_rng(6).normal(size=(60, 1))
    both = np.concatenate([series, 2 * series], axis=1)
    result = block_bootstrap(both, rng=np.random.default_rng(7), length=3, n_resamples=50)
    np.testing.assert_allclose(result.replicates[:, 1], 2 * result.replicates[:, 0])
    assert result.standard_error.shape == (2,)


def test_a_column_without_values_stays_missing():
    both = np.random.default_rng(6).normal(size=(60, 2))
    both[:, 1] = np.nan
    result = block_bootstrap(both, rng=np.random.default_rng(7), n_resamples=50)
    assert np.isfinite(result.percentile[0][0])
    assert np.isnan([result.estimate[1], result.standard_error[1], result.percentile[0][1]]).all()


def test_a_correlation_keeps_its_pairs():
    rng = np.random.default_rng(8)
    x = rng.normal(size=200)
    pairs = np.column_stack([x, x + 0.5 * rng.normal(size=200)])
    result = block_bootstrap(
        pairs, lambda data: np.corrcoef(data.T)[0, 1], rng=rng, length=5, n_resamples=300
    )
    assert 0.85 < result.percentile[0] < result.estimate < result.percentile[1] < 0.95


@pytest.mark.slow
def test_interval_of_a_persistent_mean_covers_it_far_better_than_single_values_do():
    rng = np.random.default_rng(9)
    hits = {"blocks": 0, "single": 0}
    for series in autoregressive(0.6, (300, 300), rng):
        for name, length in (("blocks", None), ("single", 1)):
            low, high = block_bootstrap(series, rng=rng, length=length, n_resamples=199).percentile
            hits[name] += low < 0 < high
    # AR(1) 0.6: single values believe the mean twice as certain as it is (nominal 95 %)
    assert hits["blocks"] / 300 > 0.86
    assert hits["single"] / 300 < 0.75


def test_block_length_of_a_constant_or_gappy_series():
    assert block_length(np.full(20, 3.0)) == 1.0
    series = autoregressive(0.8, (500,), np.random.default_rng(10))
    whole = block_length(series)
    series[::9] = np.nan
    assert block_length(series) == pytest.approx(whole, rel=0.5)


def test_spatial_blocks_are_pieces_of_the_grid():
    drawn = spatial_block_indices((10, 13), (4, 5), rng=np.random.default_rng(11))
    assert drawn.shape == (10, 13)
    rows, columns = np.divmod(drawn, 13)
    for top in range(0, 10, 4):
        for left in range(0, 13, 5):
            tile = np.s_[top : top + 4, left : left + 5]
            assert (np.diff(rows[tile], axis=0) == 1).all()
            assert (np.diff(columns[tile], axis=1) == 1).all()


@pytest.mark.parametrize("values", [np.arange(5.0), np.r_[np.arange(9.0), np.inf], np.float64(3)])
def test_bad_series_are_named(values):
    with pytest.raises(DataError):
        block_bootstrap(values, rng=np.random.default_rng(1))


def test_bad_lengths_and_shapes_are_named():
    with pytest.raises(DataError, match="does not fit into the series"):
        block_bootstrap(np.arange(9.0), rng=np.random.default_rng(1), length=10)
    with pytest.raises(DataError, match="does not fit into the grid"):
        spatial_block_indices((4, 4), (5, 1), rng=np.random.default_rng(1))
    with pytest.raises(DataError, match="one series"):
        block_length(np.zeros((9, 2)))
