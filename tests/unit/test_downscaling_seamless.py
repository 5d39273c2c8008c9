"""Days to the nearest observation of each pixel."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from headwater.downscaling.observation_age import days_to_observation, observed_within, total_sd
from headwater.errors import DataError


def test_days_equal_those_of_a_plain_search():
    rng = np.random.default_rng(1)
    matrix = csr_matrix(rng.random((5, 40)) * (rng.random((5, 40)) < 0.4))
    times = np.cumsum(rng.integers(1, 4, 60))
    seen = rng.random((60, 5)) < 0.1
    seen[:, 2] = False
    found = days_to_observation(
        seen, SimpleNamespace(matrix=matrix), np.datetime64("2019-01-01") + times
    )
    for pixel in range(40):
        cells = np.flatnonzero(matrix.toarray()[:, pixel])
        looked = times[seen[:, cells].any(axis=1)]
        for day in range(60):
            wanted = np.abs(looked - times[day]).min() if looked.size else -1
            assert found[day, pixel] == wanted
    assert found.dtype == np.int16
    near = observed_within(found, 3)
    assert not near[found < 0].any()
    assert near[found == 3].all()


def test_standard_deviations_join_as_roots_of_sums_of_squares():
    assert total_sd([0.03, 0.0], 0.04) == pytest.approx([0.05, 0.04])


def test_wrong_shape_is_named():
    grid = SimpleNamespace(matrix=csr_matrix(np.eye(3)))
    with pytest.raises(DataError, match="do not fit"):
        days_to_observation(np.zeros((2, 4)), grid, np.datetime64("2019-01-01") + np.arange(2))
