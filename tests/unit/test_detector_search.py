"""The best breaks against all breaks, and the test of the whole search."""

from itertools import combinations

import numpy as np
import pytest

from headwater.detector import opgd, stratify
from headwater.detector.breaks import optimal_breaks
from headwater.detector.null_models import GridSpectral
from headwater.detector.optimal_parameters import search_test
from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.search_options import Search
from headwater.errors import DataError


def q_of(x: np.ndarray, y: np.ndarray, inner) -> float:
    codes = np.searchsorted(inner, x, side="left").astype(np.int32)
    return q_statistic(stratum_sums(y, codes, len(inner) + 1)).q


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("smallest", [1, 2, 4])
def test_best_breaks_are_the_best_of_all(seed: int, smallest: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=22), 1)
    y = rng.normal(size=22)
    distinct = np.unique(x)[:-1]
    for classes in (2, 3, 4):
        best = -1.0
        for inner in combinations(distinct, classes - 1):
            sizes = np.bincount(np.searchsorted(inner, x, side="left"), minlength=classes)
            if sizes.min() >= smallest:
                best = max(best, q_of(x, y, inner))
        (found,) = optimal_breaks(x, y, [classes], min_units=smallest)
        assert found.size == classes - 1
        assert q_of(x, y, found) == pytest.approx(best, abs=1e-12)


def test_few_places_and_impossible_classes() -> None:
    x = np.arange(300.0)
    y = np.sin(x / 30)
    (exact,), (coarse,) = (optimal_breaks(x, y, [5], limits=limits) for limits in (None, 60))
    assert q_of(x, y, coarse) <= q_of(x, y, exact)
    assert q_of(x, y, coarse) > q_of(x, y, exact) - 0.01
    (fewer,) = optimal_breaks([1.0, 1.0, 2.0, 2.0], [0.0, 1.0, 2.0, 4.0], [4])
    assert fewer.tolist() == [1.0]
    with pytest.raises(DataError, match="need the response"):
        stratify(x, "optimal", 3)


def test_the_optimal_rule_beats_every_other_by_plain_q() -> None:
    rng = np.random.default_rng(3)
    x = rng.gamma(2, size=200)
    y = np.sin(3 * x) + rng.normal(size=200)
    methods = ["equal", "quantile", "natural", "optimal"]
    found = opgd(y, {"x": x}, methods=methods, by="q")
    assert found.best["method"][0] == "optimal"
    weighted = opgd(y, {"x": x}, methods=methods, by="q", weights=rng.uniform(1, 2, 200))
    assert weighted.best["method"][0] == "optimal"
    strata = stratify(x, "optimal", 8, response=y)
    assert strata.realised == 8
    assert any("optimistic" in caution for caution in found.cautions)


def test_the_search_of_noise_is_no_discovery() -> None:
    rng = np.random.default_rng(5)
    fixed, searched = [], []
    for _ in range(60):
        x, y = rng.normal(size=(2, 120))
        found = search_test(
            y, {"x": x}, Search(methods=("equal", "optimal"), by="q"), n_resamples=99, rng=rng
        ).data.iloc[0]
        fixed.append(found["p_fixed"])
        searched.append(found["p_search"])
    assert np.mean(np.array(fixed) <= 0.05) > 0.3
    assert np.mean(np.array(searched) <= 0.05) < 0.15


def test_the_search_test_finds_what_is_there_and_counts_itself() -> None:
    rng = np.random.default_rng(6)
    x, noise = rng.normal(size=(2, 20, 30))
    cells = np.arange(600)
    found = search_test(
        x + noise,
        {"x": x, "sky": rng.integers(0, 4, (20, 30)).astype(str)},
        null=GridSpectral(cells, (20, 30)),
        n_resamples=199,
        rng=rng,
    ).data.set_index("factor")
    assert found.loc["x", "p_search"] == pytest.approx(1 / 200)
    assert found.loc["sky", "p_search"] > 0.05
    assert found.loc["x", "q_chance"] < 0.1
    assert found.loc["x", "number"] == 199


def test_scores_of_many_responses_are_those_of_each() -> None:
    rng = np.random.default_rng(7)
    x, weights = rng.normal(size=50), rng.uniform(1, 2, 50)
    responses = rng.normal(size=(6, 50))
    plan = Search(methods=("quantile", "optimal"), classes=(3, 4))
    layouts = plan.layouts("x", x, responses[0], weights)
    scores = plan.scores(layouts, responses, weights, anew=True)
    for at, y in enumerate(responses):
        table = opgd(y, {"x": x}, methods=plan.methods, classes=plan.classes, weights=weights).data
        np.testing.assert_allclose(scores.q[at], table["q"], atol=1e-12)
        np.testing.assert_allclose(scores.q_cv[at], table["q_cv"], atol=1e-12)
