"""Any chunking of any cube gives the moments of the whole to 1e-12."""

import dask.array as da
import numpy as np
import numpy.testing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.inference import moments
from headwater.inference.moments import merge


@st.composite
def cubes(draw):
    steps, cells = draw(st.integers(2, 40)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    scale, offset = (
        draw(st.sampled_from([1e-3, 1.0, 1e3])),
        draw(st.sampled_from([0.0, 0.3, -40.0])),
    )
    cube = offset + scale * rng.normal(size=(steps, cells))
    cube[rng.random(cube.shape) < draw(st.sampled_from([0.0, 0.3, 0.9]))] = np.nan
    return cube.astype(draw(st.sampled_from([np.float32, np.float64])))


def close(found, whole):
    """Equal to 1e-12 of the natural size of each moment."""
    npt.assert_array_equal(found.n, whole.n)
    spread = np.sqrt(np.stack([whole.comoment[i, i] for i in range(len(whole.mean))]))
    size = np.abs(np.nan_to_num(whole.mean)) + spread
    npt.assert_array_equal(np.isnan(found.mean), whole.n[None] + 0 * size == 0)
    drift = np.nan_to_num(found.mean - whole.mean)
    npt.assert_allclose(drift / (size + 1e-300), 0.0, atol=1e-12)
    product = size[:, None] * size[None] * np.maximum(whole.n, 1)
    npt.assert_allclose((found.comoment - whole.comoment) / (product + 1e-300), 0.0, atol=1e-12)


@given(cube=cubes(), cuts=st.lists(st.integers(1, 39), max_size=5, unique=True))
def test_merged_pieces_equal_the_whole(cube, cuts):
    cuts = sorted(cut for cut in cuts if cut < len(cube))
    axis = 2000.0 + np.arange(len(cube)) / 12.0
    pieces = zip(np.split(axis, cuts), np.split(cube, cuts), strict=True)
    close(merge(*(moments.of(t, x) for t, x in pieces)), moments.of(axis, cube))


@settings(max_examples=25, deadline=None)
@given(cube=cubes(), length=st.integers(1, 40), width=st.integers(1, 5))
def test_dask_chunks_equal_the_whole(cube, length, width):
    other = cube[::-1].copy()
    chunked = (da.from_array(each, chunks=(length, width)) for each in (cube, other))
    lazy = moments.of(*chunked)
    found = moments.Moments(*da.compute(lazy.n, lazy.mean, lazy.comoment))
    close(found, moments.of(cube, other))


@given(cube=cubes(), shift=st.sampled_from([0.0, 5.0]), factor=st.sampled_from([1.0, -2.0, 0.5]))
def test_units_change_the_moments_as_units_do(cube, shift, factor):
    cube = cube.astype(float)
    plain, changed = moments.of(cube), moments.of(shift + factor * cube)
    npt.assert_allclose(changed.mean, shift + factor * plain.mean, rtol=1e-9, atol=1e-9)
    npt.assert_allclose(
        changed.comoment, factor**2 * plain.comoment, rtol=1e-6, atol=1e-10 * (1 + shift**2)
    )
