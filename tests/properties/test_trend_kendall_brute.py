"""The fast Sen and Mann-Kendall against all pairs, and the exact null against all orders."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata

from headwater.inference.kendall import kendall_p, series_p, tied_p
from headwater.inference.significance import pettitt_exact_p
from headwater.variation._kernels import sen_kendall

MANY = 4 * settings.default.max_examples

LEVEL = 1.959963984540054


def brute(axis, values):
    """Every pair, as the textbooks write it."""
    ok = ~np.isnan(values)
    n = int(ok.sum())
    if n < 2:
        return np.array([n, *[np.nan] * 6])
    t, x = axis[ok] - axis[ok][0], values[ok]
    i, j = np.triu_indices(n, 1)
    rise = x[j] - x[i]
    slopes = np.sort(rise / (t[j] - t[i]))
    _, size = np.unique(x, return_counts=True)
    ties = (size * (size - 1) * (2 * size + 5)).sum()
    reach = LEVEL * np.sqrt((n * (n - 1) * (2 * n + 5) - ties) / 18)
    low, high = (
        int(np.rint(r)) for r in ((slopes.size - reach) / 2, (slopes.size + reach) / 2 + 1)
    )
    limits = [np.nan, np.nan]
    if low >= 1 and high <= slopes.size:
        limits = [slopes[low - 1], slopes[high - 1]]
    middle = 0.5 * (slopes[(slopes.size - 1) // 2] + slopes[slopes.size // 2])
    return np.array([n, np.sign(rise).sum(), ties, (rise == 0).sum(), middle, *limits])


def fast(axis, values):
    return sen_kendall(axis, values[None], np.array([LEVEL]))[:7, 0]


SHAPES = {
    "noise": lambda rng, n: rng.normal(size=n),
    "heavy ties": lambda rng, n: rng.integers(0, 3, n).astype(float),
    "ties and trend": lambda rng, n: np.round(rng.normal(size=n), 1) + 0.1 * np.arange(n),
    "a line": lambda rng, n: 0.1 * np.arange(n) - 3.0,
    "steps": lambda rng, n: np.repeat(rng.normal(size=n), 5)[:n],
    "walk": lambda rng, n: np.float64(np.float32(np.cumsum(rng.normal(size=n)))),
    "long tails": lambda rng, n: np.exp(4 * rng.normal(size=n)) * rng.choice([-1, 1], n),
    "season": lambda rng, n: np.sin(np.arange(n) * np.pi / 6) + 0.1 * rng.normal(size=n),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_fast_equals_all_pairs(shape):
    # 8 x 1250 = 10 000 series, with gaps in time and missing values
    rng = np.random.default_rng(sum(map(ord, shape)))
    for trial in range(1250):
        n = int(rng.integers(60, 220)) if trial % 25 == 0 else int(rng.integers(0, 50))
        values = SHAPES[shape](rng, n + 2)
        values[rng.random(n + 2) < 0.15] = np.nan
        steps = rng.integers(1, 2 if trial % 3 else 6, n + 2)
        axis = 2000.0 + np.cumsum(steps) / (1.0, 12.0, 365.25)[trial % 3]
        np.testing.assert_array_equal(fast(axis, values), brute(axis, values))


@settings(max_examples=MANY)
@given(
    values=hnp.arrays(
        float,
        st.integers(2, 60),
        elements=st.one_of(
            st.integers(-4, 4).map(float), st.floats(-1e6, 1e6, width=32), st.just(np.nan)
        ),
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_fast_equals_all_pairs_for_strange_series(values, seed):
    axis = np.cumsum(np.random.default_rng(seed).integers(1, 400, values.size)) / 365.0
    np.testing.assert_array_equal(fast(axis, values), brute(axis, values))


def test_long_series_equal_all_pairs():
    rng = np.random.default_rng(9)
    axis = 2017.0 + np.arange(1826) / 365.25
    for values in (
        0.3 + 0.1 * np.sin(2 * np.pi * axis) + 0.02 * rng.normal(size=1826),
        np.round(0.3 + 0.02 * rng.normal(size=1826), 2),
        np.round(np.cumsum(rng.normal(size=1826)), 1),
    ):
        np.testing.assert_array_equal(fast(axis, values), brute(axis, values))


def score(values):
    return sum(np.sign(b - a) for i, a in enumerate(values) for b in values[i + 1 :])


PATTERNS = [
    (1, 1, 2, 3, 3, 3),
    (1, 2, 2, 3, 4, 5, 5),
    (1, 1, 1, 1, 1, 2, 2),
    (1, 2, 3, 4, 5, 6),
    (4, 4, 4, 4),
]


@pytest.mark.parametrize("values", PATTERNS)
def test_exact_nulls_with_ties_count_all_orders(values):
    orders = list(permutations(values))
    scores = np.abs([score(order) for order in orders])
    _, groups = np.unique(values, return_counts=True)
    for s in np.unique(scores):
        assert tied_p(s, groups) == pytest.approx(np.mean(scores >= s), abs=1e-13)
    ranks = rankdata(values)
    place = np.arange(1, ranks.size + 1) * (ranks.size + 1)
    changes = np.array([np.abs(2 * np.cumsum(o) - place).max() for o in permutations(ranks)])
    for k in np.unique(changes):
        assert pettitt_exact_p(k, ranks) == pytest.approx(np.mean(changes >= k), abs=1e-12)


@given(groups=st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_exact_null_with_ties_has_the_variance_of_the_formula(groups):
    n, sizes = sum(groups), np.array(groups)
    if n < 2:
        return
    most = (n * (n - 1) - (sizes * (sizes - 1)).sum()) // 2
    tail = np.array([tied_p(s, groups) for s in range(most + 2)])
    share = tail[:-1] - tail[1:]
    variance = (share * np.arange(most + 1) ** 2).sum()
    ties = (sizes * (sizes - 1) * (2 * sizes + 5)).sum()
    assert variance == pytest.approx((n * (n - 1) * (2 * n + 5) - ties) / 18, rel=1e-9, abs=1e-9)
    assert tail[0] == 1.0


def test_exact_null_without_ties_is_the_one_known():
    for n in (2, 5, 12, 30):
        most = n * (n - 1) // 2
        for s in range(most % 2, most + 1, 2):
            assert tied_p(s, [1] * n) == pytest.approx(float(kendall_p(s, n)), rel=1e-9)


def test_p_of_series_takes_each_its_own_ties():
    values = np.array([[1.0, 1, np.nan, 7], [1, 2, 1, 7], [1, 3, 2, 7], [2, 4, 3, 7], [2, 5, 4, 7]])
    found = sen_kendall(np.arange(5.0), values.T.copy(), np.full(4, LEVEL))
    p = series_p(values, found[1], found[2])
    np.testing.assert_allclose(p, [0.2, 1 / 60, 1 / 12, 1.0])
