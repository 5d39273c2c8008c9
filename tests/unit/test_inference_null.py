from itertools import permutations

import numpy as np
import numpy.testing as npt
import pytest
from scipy import stats

from headwater.inference import effective_n, fdr
from headwater.inference.effective import effective_n_pair, lag1
from headwater.inference.kendall import kendall_p, score_variance, smallest_p
from headwater.inference.significance import correlation_p, field_statement, student_p


def score(values):
    return sum(np.sign(b - a) for i, a in enumerate(values) for b in values[i + 1 :])


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
def test_exact_null_counts_all_orders(n):
    scores = np.array([score(order) for order in permutations(range(n))])
    for s in np.unique(scores):
        assert kendall_p(s, n) == pytest.approx(np.mean(np.abs(scores) >= abs(s)), abs=1e-14)


@pytest.mark.parametrize("n", [8, 15, 30])
def test_exact_null_equals_scipy(n):
    rng = np.random.default_rng(n)
    values = rng.normal(size=n)
    expected = stats.kendalltau(np.arange(n), values, method="exact").pvalue
    assert kendall_p(score(values), n) == pytest.approx(expected, rel=1e-10)


def test_smallest_p_is_two_in_n_factorial_until_the_normal_takes_over():
    npt.assert_allclose(smallest_p([2, 3, 4, 5]), [1.0, 1 / 3, 1 / 12, 1 / 60])
    assert np.isnan(smallest_p(1))
    assert 0 < smallest_p(31) < 1e-12


def test_ties_use_the_normal_with_a_smaller_variance():
    assert score_variance(5, 2 * 1 * 9) == pytest.approx(score_variance(5) - 1.0)
    tied = kendall_p(9, 5, 18)
    assert tied == pytest.approx(2 * stats.norm.sf(8 / np.sqrt(score_variance(5, 18))))


def test_a_constant_series_has_p_one():
    assert kendall_p(0, 5, 5 * 4 * 15) == 1.0


def test_far_tails_are_not_zero():
    assert 0 < kendall_p(100 * 99 / 2, 100) < 1e-40
    assert 0 < student_p(60.0, 30) < 1e-30


def test_correlation_p_equals_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 25))
    r, p = stats.pearsonr(a, b)
    assert correlation_p(r, 25) == pytest.approx(p, rel=1e-12)


def test_correlation_p_at_its_limits():
    npt.assert_array_equal(correlation_p([1.0, -1.0, np.nan], 10), [0.0, 0.0, np.nan])
    assert np.isnan(correlation_p(0.5, 2))


def test_fdr_equals_scipy_where_nothing_is_missing():
    p = np.random.default_rng(2).random(200) ** 3
    adjusted = stats.false_discovery_control(p)
    npt.assert_array_equal(fdr(p, 0.1).mask, adjusted <= 0.1)


def test_fdr_leaves_nan_out_of_the_count():
    p = np.array([[0.01, np.nan], [0.04, np.nan]])
    test = fdr(p, 0.05)
    assert test.n == 2
    assert test.passed == 2
    assert not test.mask[:, 1].any()


def test_fdr_of_nothing_and_of_wilks():
    assert fdr(np.full(3, np.nan)).n == 0
    assert fdr(np.full(3, 0.9)).threshold == 0.0
    assert fdr(np.array([0.09]), 0.05, wilks=True).passed == 1


def test_the_statement_says_outright_when_nothing_could_pass():
    five_years = fdr(np.full(10_000, 0.2))
    assert "unless at least 33.3 %" in field_statement(five_years, smallest_p(5))
    three_years = field_statement(five_years, smallest_p(3))
    assert "nothing could pass" in three_years
    assert "reached it" not in field_statement(five_years, smallest_p(25))
    assert "enough values" in field_statement(fdr(np.full(3, np.nan)))


def test_lag1_leaves_gaps_out_and_finds_persistence():
    rng = np.random.default_rng(3)
    x = np.zeros(20_000)
    for i in range(1, x.size):
        x[i] = 0.6 * x[i - 1] + rng.normal()
    holes = np.where(rng.random(x.size) < 0.2, np.nan, x)
    assert lag1(x) == pytest.approx(0.6, abs=0.02)
    assert lag1(holes) == pytest.approx(0.6, abs=0.02)
    assert np.isnan(lag1(np.ones(10)))
    assert np.isnan(lag1(np.array([1.0, np.nan, 2.0, np.nan, 3.0])))


def test_effective_numbers_never_exceed_n():
    assert effective_n(40, -0.5) == 40
    assert effective_n_pair(40, -0.5, 0.5) == 40
    assert effective_n_pair(40, -0.5, -0.5) == 24
