"""Shares add up, trees do not mind names and units, windows see only what lies in them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.detector import stratify
from headwater.detector.local import window_q
from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.robust_detector import robust_strata
from headwater.detector.shapley import crossed_shares, lesh, shapley_values, shegd
from headwater.detector.spatial_association import distance_weights, psd
from headwater.detector.strata import as_strata
from headwater.detector.tree import tree_strata

SETTINGS = settings(deadline=None, max_examples=25)
SEEDS = st.integers(0, 2**32 - 1)


@SETTINGS
@given(st.lists(st.floats(-5, 5), min_size=15, max_size=15), st.permutations("abcd"))
def test_shares_add_up_and_do_not_mind_the_order(worths, order) -> None:
    def worth(subset: frozenset[str]) -> float:
        return worths[sum(2 ** "abcd".index(name) for name in subset) - 1]

    one, two = shapley_values(list("abcd"), worth), shapley_values(list(order), worth)
    assert sum(one.shares.values()) == pytest.approx(worths[14], abs=1e-12)
    for name in "abcd":
        assert one.shares[name] == pytest.approx(two.shares[name], abs=1e-12)


@SETTINGS
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_factors_that_only_add_get_what_they_add(own) -> None:
    worths = shapley_values(list("abc"), lambda part: sum(own["abc".index(n)] for n in part))
    assert list(worths.shares.values()) == pytest.approx(own, abs=1e-12)


def sample(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, 90))
    y = a + (b > 0) * c + rng.normal(0, 0.4, 90)
    return y, {"a": a, "b": b, "c": np.round(c, 1)}


@SETTINGS
@given(SEEDS)
def test_shares_of_trees_add_up_to_the_joint_q(seed: int) -> None:
    y, factors = sample(seed)
    y[7] = np.nan
    found = lesh(y, factors)
    strata = tree_strata(y, factors)
    joint = q_statistic(stratum_sums(y, strata.codes, strata.realised)).q
    assert found.data["share"].sum() == pytest.approx(joint, abs=1e-12)
    assert found.data["percent"].sum() == pytest.approx(100.0)
    pairs = shegd(y, factors).interaction.data.dropna()
    np.testing.assert_allclose(pairs["share_1"] + pairs["share_2"], pairs["q_12"], atol=1e-12)


@SETTINGS
@given(SEEDS, st.sampled_from(["q", "q_adjusted"]))
def test_shares_of_crossings_add_up(seed: int, scale) -> None:
    y, factors = sample(seed)
    parts = {name: stratify(x, "quantile", 3) for name, x in factors.items()}
    found = crossed_shares(y, parts, scale=scale).data
    cells = parts["a"].codes * 9 + parts["b"].codes * 3 + parts["c"].codes
    direct = q_statistic(stratum_sums(y, cells.astype(np.int32), 27))
    joint = direct.q if scale == "q" else direct.adjusted
    assert found["share"].sum() == pytest.approx(joint, abs=1e-12)


@SETTINGS
@given(SEEDS, st.floats(-300, 300), st.sampled_from([-100.0, -1.0, 0.01, 7.0]))
def test_trees_do_not_mind_the_units(seed: int, shift: float, factor: float) -> None:
    y, factors = sample(seed)
    plain = tree_strata(y, factors)
    moved = tree_strata((y + shift) * factor, {n: np.exp(x) for n, x in factors.items()})
    np.testing.assert_array_equal(plain.codes, moved.codes)


@SETTINGS
@given(SEEDS, st.floats(0.005, 0.2))
def test_a_dearer_tree_is_smaller_and_leaves_more(seed: int, cp: float) -> None:
    y, factors = sample(seed)
    fine, coarse = tree_strata(y, factors, cp=cp / 2), tree_strata(y, factors, cp=cp)
    q = [q_statistic(stratum_sums(y, part.codes, part.realised)).q for part in (fine, coarse)]
    assert coarse.realised <= fine.realised
    assert q[1] <= q[0] + 1e-12
    # the leaves of the smaller tree are joined leaves of the larger one
    assert np.unique(np.column_stack([fine.codes, coarse.codes]), axis=0).shape[0] == fine.realised


@SETTINGS
@given(SEEDS, st.integers(2, 6), st.sampled_from(["quantile", "equal", "natural"]))
def test_no_partition_explains_more_than_robust_cuts(seed: int, classes: int, method: str) -> None:
    y, factors = sample(seed)
    best = robust_strata(y, factors["c"], classes, min_units=1)
    other = stratify(factors["c"], method, classes)
    q = [q_statistic(stratum_sums(y, s.codes, s.realised)).q for s in (best, other)]
    assert q[0] >= q[1] - 1e-12


@SETTINGS
@given(SEEDS, st.floats(-300, 300))
def test_psd_does_not_mind_shift_or_names(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    places, y = rng.uniform(size=(40, 2)), rng.normal(size=40)
    codes = rng.integers(0, 3, 40)
    weights = distance_weights(places)
    one = psd(y, as_strata(codes), weights)
    two = psd(-3 * (y + shift), as_strata(np.array(["c", "a", "b"])[codes]), weights)
    assert one <= 1
    assert two == pytest.approx(one, abs=1e-9)


@SETTINGS
@given(SEEDS, st.integers(0, 19), st.integers(0, 19))
def test_a_window_sees_only_its_cells(seed: int, row: int, column: int) -> None:
    rng = np.random.default_rng(seed)
    y, strata = rng.normal(size=(20, 20)), as_strata(rng.integers(0, 3, (20, 20)))
    other = y.copy()
    other[row, column] = 50.0
    one, two = (window_q(values, strata, window=5, min_units=5).q for values in (y, other))
    rows, columns = np.indices(y.shape)
    far = (np.abs(rows - row) > 2) | (np.abs(columns - column) > 2)
    np.testing.assert_allclose(one[far], two[far], atol=1e-9)
    assert np.nanmin(one) >= 0
    assert np.nanmax(one) <= 1
