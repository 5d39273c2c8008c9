"""The FFT on a grid says what all pairs say, whatever the shape, the gaps and the cells."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headwater.inference.dutilleul import modified_t_test


@given(
    rows=st.integers(1, 9),
    columns=st.integers(4, 9),
    gaps=st.floats(0, 0.4),
    cell=st.tuples(st.sampled_from([1.0, 30.0, 0.3]), st.sampled_from([1.0, 25.0, 0.7])),
    width=st.sampled_from([1.0, 1.5, 4.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_fft_equals_all_pairs(rows, columns, gaps, cell, width, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, rows, columns)).cumsum(axis=2)
    x[rng.random(x.shape) < gaps] = np.nan
    y[rng.random(x.shape) < gaps] = np.nan
    width *= max(cell)
    grid = modified_t_test(x, y, cell_size=cell, width=width)
    places = np.argwhere(np.ones(x.shape)) * cell
    points = modified_t_test(x.ravel(), y.ravel(), coordinates=places, width=width)
    assert grid.n == points.n
    for name in ("r", "effective_n", "p_value"):
        np.testing.assert_allclose(getattr(grid, name), getattr(points, name), rtol=1e-6, atol=1e-9)


@given(
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-1e3, 1e3),
    metres=st.floats(1e-2, 1e4),
    seed=st.integers(0, 2**32 - 1),
)
def test_units_do_not_matter(scale, shift, metres, seed):
    x, y = np.random.default_rng(seed).normal(size=(2, 7, 8)).cumsum(axis=1)
    one = modified_t_test(x, y)
    other = modified_t_test(
        y * scale + shift, x[::-1, ::-1][::-1, ::-1], cell_size=(metres, metres)
    )
    np.testing.assert_allclose(
        [one.r, one.effective_n, one.F], [other.r, other.effective_n, other.F], rtol=1e-6
    )
