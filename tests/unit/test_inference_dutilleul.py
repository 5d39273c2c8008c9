"""The modified t-test: what it returns, what it refuses, and how often it errs."""

import numpy as np
import pytest

from headwater.errors import DataError
from headwater.inference.dutilleul import modified_t_test

RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(2, 12, 15)).cumsum(axis=2)


def dense(x, y, places, width):
    """Dutilleul (1993) with the matrices written out."""
    distance = np.sqrt(((places[:, None] - places) ** 2).sum(axis=-1))
    index = np.ceil(distance / width - 1e-9).astype(int)
    n = len(x)
    x, y = x - x.mean(), y - y.mean()

    def correlation(field):
        counts = np.bincount(index.ravel())
        sums = np.bincount(index.ravel(), np.outer(field, field).ravel())
        return (sums / np.where(counts, counts, 1) / (field @ field / n))[index]

    project = np.eye(n) - 1 / n
    first, second = project @ correlation(x), project @ correlation(y)
    effective = 1 + np.trace(first) * np.trace(second) / np.trace(first @ second)
    return x @ y / np.sqrt(x @ x * (y @ y)), effective


def test_grid_equals_the_matrices_of_the_paper():
    x = X.copy()
    x[3, 4:7] = np.nan
    valid = np.isfinite(x)
    places = np.argwhere(valid) * [3.0, 2.0]
    r, effective = dense(x[valid], Y[valid], places, 3.0)
    test = modified_t_test(x, Y, cell_size=(3.0, 2.0))
    assert test.n == valid.sum()
    assert test.width == 3.0
    np.testing.assert_allclose([test.r, test.effective_n], [r, effective], rtol=1e-10)


def test_many_maps_equal_one_by_one_whatever_is_missing():
    maps = np.stack([Y, Y[::-1], X + Y, np.full_like(Y, 2.0)])
    maps[1, 0, :5] = np.nan
    together = modified_t_test(X, maps, width=2.0)
    for number, one in enumerate(maps[:3]):
        alone = modified_t_test(X, one, width=2.0)
        for name in ("r", "n", "effective_n", "F", "p_value", "p_naive"):
            assert getattr(together, name)[number] == pytest.approx(getattr(alone, name), rel=1e-12)
    assert together.n[3] == X.size
    assert np.isnan([together.r[3], together.p_value[3], together.p_naive[3]]).all()


def test_identical_fields_have_p_zero():
    test = modified_t_test(X, 2 * X + 1)
    assert test.r == pytest.approx(1.0)
    assert test.p_value < 1e-30


def test_too_few_places_give_nan():
    x = np.full((4, 4), np.nan)
    x[0, :3] = [1.0, 2.0, 4.0]
    test = modified_t_test(x, x)
    assert test.n == 3
    assert np.isnan([test.r, test.effective_n, test.p_value]).all()


def test_places_on_top_of_each_other_count_in_the_first_class():
    places = np.array([[0.0, 0], [0, 0], [1, 0], [2, 0], [5, 0], [9, 0]])
    x, y = np.array([1.0, 2, 3, 1, 5, 2]), np.array([2.0, 1, 3, 3, 4, 1])
    test = modified_t_test(x, y, coordinates=places, width=2.0)
    apart = places.copy()
    apart[1, 0] = 1e-9
    moved = modified_t_test(x, y, coordinates=apart, width=2.0)
    assert test.effective_n == pytest.approx(moved.effective_n, rel=1e-6)


def test_default_width_of_points_is_their_usual_spacing():
    places = np.argwhere(np.ones((6, 7))) * 250.0
    test = modified_t_test(X[:6, :7].ravel(), Y[:6, :7].ravel(), coordinates=places)
    assert test.width == 250.0
    grid = modified_t_test(X[:6, :7], Y[:6, :7], cell_size=(250.0, 250.0))
    assert test.effective_n == pytest.approx(grid.effective_n, rel=1e-10)


@pytest.mark.parametrize(
    ("y", "options", "wrong"),
    [
        (Y[:, :-1], {}, "differ in shape"),
        (Y, {"width": 1.0, "classes": 3}, "by their width or by their number"),
        (Y, {"classes": 0}, "by their width or by their number"),
        (Y, {"width": 0.0}, "needs a width"),
        (np.where(Y > 0, np.inf, Y), {}, "infinite values"),
        (Y, {"coordinates": [[0, 0]]}, "places are"),
    ],
)
def test_wrong_input_is_named(y, options, wrong):
    with pytest.raises(DataError, match=wrong):
        modified_t_test(X, y, **options)


def test_wrong_coordinates_are_named():
    x = np.arange(5.0)
    with pytest.raises(DataError, match="two coordinates"):
        modified_t_test(x, x, coordinates=np.zeros((4, 2)))
    with pytest.raises(DataError, match="no coordinates"):
        modified_t_test(x, x, coordinates=np.full((5, 2), np.nan))
    with pytest.raises(DataError, match="needs a width"):
        modified_t_test(x, x, coordinates=np.zeros((5, 2)))
    with pytest.raises(DataError, match="the same one"):
        modified_t_test(x, x, coordinates=np.zeros((5, 2)), classes=3)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0, 4.0])
def test_independent_fields_are_rejected_at_the_nominal_rate(sigma):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(20)
    margin = int(4 * sigma)
    inner = slice(margin, margin + 40)
    tests = []
    for _ in range(1500):
        fields = rng.normal(size=(2, 40 + 2 * margin, 40 + 2 * margin))
        if sigma:
            fields = gaussian_filter(fields, (0, sigma, sigma))
        tests.append(modified_t_test(*fields[:, inner, inner]))
    rate = np.mean([test.p_value < 0.05 for test in tests])
    naive = np.mean([test.p_naive < 0.05 for test in tests])
    # 1500 tests at 5 %: standard error 0.6 %
    assert 0.033 < rate < 0.067
    assert naive > 0.35 or sigma == 0
