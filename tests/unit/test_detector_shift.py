"""The shift test against rolled arrays, and what it does where the F test fails."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from headwater.detector import factor, stratify
from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.torus_shift import _all_shifts, torus_shift_test
from headwater.errors import DataError


@pytest.fixture
def fields() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y, x = (gaussian_filter(rng.normal(size=(7, 9)), 1) for _ in range(2))
    y[0, :4] = np.nan
    x[3:5, 8] = np.nan
    return y + 300.0, x


def test_every_shift_is_that_of_a_rolled_map(fields) -> None:
    y, x = fields
    strata = stratify(x, "quantile", 3)
    mass = np.random.default_rng(1).uniform(0.5, 2.0, y.shape)
    n, q, adjusted = _all_shifts(y, strata.codes, 3, mass)
    for down in range(7):
        for right in range(9):
            rolled, weight = (np.roll(one, (-down, -right), axis=(0, 1)) for one in (y, mass))
            direct = q_statistic(stratum_sums(rolled, strata.codes, 3, weights=weight))
            assert n[down, right] == direct.n
            assert q[down, right] == pytest.approx(direct.q, abs=1e-9)
            assert adjusted[down, right] == pytest.approx(direct.adjusted, abs=1e-9)


def test_p_counts_the_map_itself(fields) -> None:
    y, _ = fields
    found = torus_shift_test(y, stratify(y, "quantile", 4), min_overlap=0.0)
    assert found.p_value == pytest.approx(1 / found.shifts)


def test_unrelated_smooth_fields_are_not_taken_for_related() -> None:
    rng = np.random.default_rng(1)
    shifted, central = [], []
    for _ in range(60):
        y, x = (gaussian_filter(rng.normal(size=(80, 80)), 2)[20:60, 20:60] for _ in range(2))
        strata = stratify(x, "quantile", 5)
        shifted.append(torus_shift_test(y, strata).p_value)
        central.append(factor(y, {"x": strata}).data["p_value"][0])
    assert np.mean(np.array(shifted) < 0.05) < 0.15
    assert np.mean(np.array(central) < 0.05) > 0.7


def test_related_smooth_fields_are_found() -> None:
    rng = np.random.default_rng(2)
    x, noise = (gaussian_filter(rng.normal(size=(50, 70)), 2) for _ in range(2))
    found = torus_shift_test(x + noise, stratify(x, "quantile", 5))
    assert found.p_value < 0.01
    assert 0 < found.chance < 0.4


def test_rows_of_a_table_are_refused() -> None:
    with pytest.raises(DataError, match="needs maps"):
        torus_shift_test(np.arange(9.0), stratify(np.arange(9.0), "equal", 3))
