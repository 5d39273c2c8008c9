import numpy as np
import numpy.testing as npt
import pytest

from headwater.errors import DataError, GridError
from headwater.inference import moments
from headwater.inference.moments import merge


def holed(shape, seed=0, dtype=float):
    rng = np.random.default_rng(seed)
    values = rng.normal(0.2, 0.05, shape)
    values[rng.random(shape) < 0.2] = np.nan
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_variable_against_numpy(dtype):
    values = holed((40, 5, 7), dtype=dtype)
    found = moments.of(values)
    exact = values.astype(float)
    npt.assert_array_equal(found.n, (~np.isnan(exact)).sum(axis=0))
    npt.assert_allclose(found.mean[0], np.nanmean(exact, axis=0), rtol=1e-14)
    npt.assert_allclose(found.variance(), np.nanvar(exact, axis=0, ddof=1), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pairs_leave_out_what_either_misses(dtype):
    a, b = holed((60, 3), 1, dtype), holed((60, 3), 2, dtype)
    found = moments.of(a, b)
    for j in range(3):
        valid = ~(np.isnan(a[:, j]) | np.isnan(b[:, j]))
        pair = np.stack([a[valid, j], b[valid, j]]).astype(float)
        assert found.n[j] == valid.sum()
        npt.assert_allclose(found.comoment[:, :, j], np.cov(pair) * (valid.sum() - 1), rtol=1e-11)
        npt.assert_allclose(found.correlation()[j], np.corrcoef(pair)[0, 1], rtol=1e-12)


def test_a_shared_axis_counts_only_times_with_a_value():
    axis = np.linspace(2000.0, 2020.0, 50)
    values = holed((50, 4), 3)
    line = moments.of(axis, values)
    pair = moments.of(np.broadcast_to(axis[:, None], values.shape).copy(), values)
    npt.assert_allclose(line.mean, pair.mean, rtol=1e-14)
    npt.assert_allclose(line.comoment, pair.comoment, rtol=1e-11, atol=1e-12)


def test_three_variables_give_the_whole_matrix():
    a, b, c = (holed((80, 2), seed) for seed in (4, 5, 6))
    found = moments.of(a, b, c)
    valid = ~np.isnan(np.stack([a, b, c])).any(axis=0)
    table = np.stack([a, b, c])[:, valid[:, 0], 0]
    npt.assert_allclose(found.comoment[:, :, 0], np.cov(table) * (table.shape[1] - 1), rtol=1e-12)
    assert found.mean.shape == (3, 2)


def test_cells_without_values_are_missing_and_quiet():
    values = np.full((4, 2), np.nan)
    values[:, 1] = [1.0, 1.0, 1.0, 1.0]
    found = moments.of(values)
    assert found.n.tolist() == [0.0, 4.0]
    assert np.isnan(found.mean[0, 0])
    assert np.isnan(found.variance()[0])
    assert found.variance()[1] == 0.0


def test_large_offsets_do_not_cancel():
    values = 1e8 + np.array([[0.0], [1.0], [2.0]])
    assert moments.of(values).variance()[0] == 1.0


def test_merging_with_nothing_changes_nothing():
    some, none = moments.of(holed((9, 3))), moments.of(np.full((2, 3), np.nan))
    for merged in (merge(some, none), merge(none, some)):
        npt.assert_array_equal(merged.mean, some.mean)
        npt.assert_array_equal(merged.comoment, some.comoment)


def test_infinite_values_are_refused():
    with pytest.raises(DataError, match="infinite"):
        moments.of(np.array([[1.0], [np.inf], [2.0]]))
    with pytest.raises(DataError, match="infinite"):
        moments.of(np.array([[-np.inf], [np.nan], [2.0]]), np.ones((3, 1)))


def test_different_shapes_are_refused():
    with pytest.raises(GridError, match="different shapes"):
        moments.of(np.ones((3, 2)), np.ones((3, 4)))


def test_dask_stays_lazy_and_keeps_time_chunks():
    da = pytest.importorskip("dask.array")
    values = holed((30, 4, 6), dtype=np.float32)
    lazy = moments.of(np.arange(30.0), da.from_array(values, chunks=(7, 2, 6)))
    assert lazy.n.chunks == ((2, 2), (6,))
    npt.assert_allclose(
        lazy.slope().compute(), moments.of(np.arange(30.0), values).slope(), rtol=1e-9
    )


def test_infinite_values_in_a_chunk_are_refused_when_computed():
    da = pytest.importorskip("dask.array")
    lazy = moments.of(da.from_array(np.array([[1.0], [np.inf]]), chunks=(1, 1)))
    with pytest.raises(DataError, match="infinite"):
        lazy.n.compute()
