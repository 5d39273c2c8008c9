"""Trees against scikit-learn and by hand; robust cuts against every cut there is."""

from itertools import combinations

import numpy as np
import pytest

from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.robust_detector import rgd, robust_strata
from headwater.detector.tree import gozh, grow_tree, tree_strata
from headwater.errors import DataError


def within(y: np.ndarray, codes: np.ndarray) -> float:
    return sum(float(((y[codes == c] - y[codes == c].mean()) ** 2).sum()) for c in np.unique(codes))


@pytest.mark.parametrize("cp", [0.003, 0.01, 0.05])
def test_leaves_are_those_of_scikit_learn(cp: float) -> None:
    tree = pytest.importorskip("sklearn.tree")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 3))
    y = np.sin(2 * x[:, 0]) + (x[:, 1] > 0.5) * x[:, 2] + rng.normal(0, 0.3, 400)
    ours = tree_strata(y, {name: x[:, i] for i, name in enumerate("abc")}, cp=cp)
    theirs = tree.DecisionTreeRegressor(
        min_samples_split=20, min_samples_leaf=7, ccp_alpha=cp * y.var()
    ).fit(x, y)
    leaves = theirs.apply(x)
    assert ours.realised == np.unique(leaves).size
    assert within(y, ours.codes) == pytest.approx(within(y, leaves), rel=1e-12)


def test_a_single_factor_has_intervals_with_breaks() -> None:
    x = np.arange(60.0)
    strata = tree_strata(np.repeat([1.0, 5.0, 2.0], 20), {"rain": x})
    assert strata.breaks == (0.0, 19.5, 39.5, 59.0)
    assert strata.method == "tree"
    np.testing.assert_array_equal(strata.codes, np.repeat([0, 1, 2], 20))


def test_categories_are_parted_in_the_best_two_sets() -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 5, 200)
    y = np.array([3.0, -1.0, 2.5, 0.0, -2.0])[codes] + rng.normal(0, 0.5, 200)
    names = np.array(["meadow", "forest", "ice", "rock", "lake"])[codes]
    strata = tree_strata(y, {"cover": names}, cp=0.5)
    best = min(
        within(y, np.isin(codes, group))
        for size in range(1, 5)
        for group in combinations(range(5), size)
    )
    assert within(y, strata.codes) == pytest.approx(best)
    assert sorted(strata.names) == ["cover in {forest, lake, rock}", "cover in {ice, meadow}"]


def test_rules_name_the_leaves_of_several_factors() -> None:
    x, cover = np.tile(np.arange(40.0), 4), np.repeat(["ice", "rock"], 80)
    strata = tree_strata((cover == "ice") * (1 + (x > 19)), {"z": x, "cover": cover})
    assert set(strata.names) == {
        "cover in {rock}",
        "z ≤ 19.5 and cover in {ice}",
        "19.5 < z and cover in {ice}",
    }


def test_weights_act_as_repeated_units() -> None:
    rng = np.random.default_rng(8)
    x, times = rng.normal(size=80), rng.integers(1, 4, 80)
    y = np.sin(2 * x) + rng.normal(0, 0.2, 80)
    weighted = tree_strata(y, {"x": x}, weights=times, min_units=1, min_split=2, cp=0.05)
    repeated = tree_strata(
        np.repeat(y, times), {"x": np.repeat(x, times)}, min_units=1, min_split=2, cp=0.05
    )
    assert weighted.breaks == repeated.breaks


def test_missing_units_keep_their_places() -> None:
    x = np.arange(60.0).reshape(6, 10)
    y = np.where(x > 29, 4.0, 1.0)
    y[0, 0], x[5, 9] = np.nan, np.nan
    strata = tree_strata(y, {"x": x})
    assert strata.codes.shape == (6, 10)
    assert strata.codes[0, 0] == strata.codes[5, 9] == -1
    assert strata.codes[0, 1] == 0


@pytest.mark.parametrize(
    ("y", "x", "words"),
    [
        (np.ones(40), np.arange(40.0), "constant"),
        (np.tile([0.0, 1.0], 20), np.arange(40.0), "no cut"),
        (np.arange(40.0), np.ones(40), "no cut"),
        (np.full(40, np.nan), np.arange(40.0), "no unit"),
        (np.arange(40.0), np.arange(39.0), "not of the response's units"),
        (np.arange(5.0), np.arange(5.0), "no cut"),
    ],
)
def test_bad_input_is_refused(y, x, words: str) -> None:
    with pytest.raises(DataError, match=words):
        tree_strata(y, {"x": x})


def test_a_factor_without_a_cut_is_left_out_and_named() -> None:
    x = np.arange(40.0)
    found = gozh(x > 19, {"x": x, "flat": np.ones(40)})
    assert list(found.strata) == ["x"]
    assert any("flat" in caution for caution in found.factor.cautions)
    assert found.interaction is None
    assert grow_tree(x > 19, {"flat": np.ones(40)}).names == ("all units",)


@pytest.mark.parametrize("smallest", [1, 2, 3])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_robust_cuts_are_the_best_of_all(smallest: int, classes: int) -> None:
    rng = np.random.default_rng(classes)
    x, y = np.round(rng.normal(size=16), 1), rng.normal(size=16)
    found = robust_strata(y, x, classes, min_units=smallest)
    distinct = np.unique(x)
    every = (
        np.searchsorted(cuts, x, side="left")
        for cuts in combinations((distinct[1:] + distinct[:-1]) / 2, classes - 1)
    )
    best = min(within(y, codes) for codes in every if np.bincount(codes).min() >= smallest)
    assert within(y, found.codes) == pytest.approx(best)


def test_robust_cuts_follow_ranks_only() -> None:
    rng = np.random.default_rng(2)
    x = rng.gamma(2.0, size=200)
    y = np.floor(3 * x / x.max()) + rng.normal(0, 0.2, 200)
    plain, stretched = robust_strata(y, x, 4), robust_strata(y, np.exp(5 * x), 4)
    np.testing.assert_array_equal(plain.codes, stretched.codes)


def test_thinned_places_come_near_the_best() -> None:
    rng = np.random.default_rng(6)
    x = rng.uniform(size=3000)
    y = (x > 0.37) + 0.5 * (x > 0.8) + rng.normal(0, 0.3, 3000)
    exact, thinned = (
        within(y, robust_strata(y, x, 3, limits=limits).codes) for limits in (None, 200)
    )
    assert exact <= thinned < 1.03 * exact


def test_robust_detection() -> None:
    rng = np.random.default_rng(4)
    x, cover = rng.uniform(size=300), rng.integers(0, 3, 300)
    y = np.floor(4 * x) + cover + rng.normal(0, 0.1, 300)
    cover = np.array(["a", "b", "c"])[cover]
    found = rgd(y, {"x": x, "cover": cover})
    assert found.interaction is not None
    assert found.interaction.data["q_12"][0] > 0.97
    assert (found.sweep.groupby("factor")["q"].diff().dropna() >= 0).all()
    assert found.sweep["chosen"].sum() == 1
    sums = stratum_sums(y, found.strata["x"].codes, found.strata["x"].realised)
    assert found.factor.data["q"].max() == pytest.approx(q_statistic(sums).q)


@pytest.mark.parametrize(
    ("y", "x", "words"),
    [
        (np.ones(9), np.arange(9.0), "constant"),
        (np.arange(9.0), np.ones(9), "so many classes"),
        (np.arange(9.0), np.full(9, np.nan), "no unit"),
        (np.arange(4.0), np.arange(4.0), "so many classes"),
    ],
)
def test_robust_refuses_bad_input(y, x, words: str) -> None:
    with pytest.raises(DataError, match=words):
        robust_strata(y, x, 3)
