import dask.array as da
import numpy as np
import numpy.testing as npt
import pytest

from headwater.errors import DataError, GridError
from headwater.inference import moments
from headwater.inference.effective import effective_n_pair, lag1, serial_pair


def cubes(seed=0, steps=60, share=0.2):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(steps, 3, 4)).cumsum(axis=0)
    second = rng.normal(size=first.shape) + 0.5 * first + 7.0
    for cube in (first, second):
        cube[rng.random(cube.shape) < share] = np.nan
    first[:, 0, 0] = np.nan
    second[:, 0, 1] = 3.0
    return first, second


def test_it_equals_the_plain_moments_and_autocorrelations():
    a, b = cubes()
    both = ~(np.isnan(a) | np.isnan(b))
    found, plain = serial_pair(a, b), moments.of(a, b)
    npt.assert_allclose(found.moments.comoment, plain.comoment, rtol=1e-12)
    npt.assert_array_equal(found.moments.n, plain.n)
    npt.assert_allclose(found.r1_first, lag1(np.where(both, a, np.nan)), rtol=1e-11)
    npt.assert_allclose(found.r1_second, lag1(np.where(both, b, np.nan)), rtol=1e-11)
    wanted = effective_n_pair(plain.n, found.r1_first, found.r1_second)
    npt.assert_allclose(found.effective_n(), wanted, rtol=1e-12)


@pytest.mark.parametrize("length", [1, 2, 7, 31, 60])
def test_any_chunks_give_the_whole(length):
    a, b = cubes(1)
    follows = np.random.default_rng(2).random(60) < 0.8
    whole = serial_pair(a, b, follows)
    lazy = serial_pair(*(da.from_array(cube, chunks=(length, 2, 3)) for cube in (a, b)), follows)
    assert hasattr(lazy.r1_first, "dask")
    for name in ("r1_first", "r1_second"):
        npt.assert_allclose(getattr(lazy, name).compute(), getattr(whole, name), rtol=1e-10)
    npt.assert_allclose(lazy.effective_n().compute(), whole.effective_n(), rtol=1e-10)


def test_a_gap_in_the_calendar_is_no_pair_of_neighbours():
    x = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0])[:, None]
    joined = np.concatenate([x, x[::-1]])
    gap = np.ones(16, dtype=bool)
    gap[8] = False
    assert serial_pair(joined, joined, gap).r1_first.item() == pytest.approx(-1.0)
    assert serial_pair(joined, joined).r1_first.item() > -1.0


def test_too_few_or_equal_values_have_no_persistence():
    x = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [np.nan, 5.0]])
    found = serial_pair(x, x)
    assert np.isnan(found.r1_first).all()
    assert np.isnan(found.effective_n()).all()


def test_float32_sums_are_exact_and_bad_input_is_named():
    rng = np.random.default_rng(3)
    a, b = (rng.normal(280.0, 1.0, (500, 2)).astype(np.float32) for _ in range(2))
    exact = serial_pair(a.astype(float), b.astype(float))
    npt.assert_allclose(serial_pair(a, b).r1_first, exact.r1_first, rtol=1e-10)
    with pytest.raises(GridError, match="different shapes"):
        serial_pair(a, b[:, :1])
    a[3, 1] = np.inf
    with pytest.raises(DataError, match="infinite"):
        serial_pair(a, b)
