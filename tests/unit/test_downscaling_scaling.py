"""Scaling: what it preserves, that fitting and applying are two steps, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import DataError
from headwater.validation.scaling import SCALINGS, fit_scaling, scale_cdf


def pair(n=400, seed=1):
    rng = np.random.default_rng(seed)
    y = rng.gamma(4, 0.06, n)
    return 0.5 * y + 0.3 + rng.normal(0, 0.02, n), y


@pytest.mark.parametrize("method", SCALINGS)
def test_scaled_product_has_what_the_method_promises(method):
    x, y = pair()
    scaled = fit_scaling(x, y, method).transform(x)
    if method == "mean_std":
        assert (scaled.mean(), scaled.std()) == pytest.approx((y.mean(), y.std()))
    elif method == "min_max":
        assert (scaled.min(), scaled.max()) == pytest.approx((y.min(), y.max()))
    elif method == "linreg":
        assert scaled.mean() == pytest.approx(y.mean())
        assert ((scaled - y) @ (x - x.mean())) == pytest.approx(0, abs=1e-10)
    else:
        shares = [0.1, 0.5, 0.9]
        assert np.quantile(scaled, shares) == pytest.approx(np.quantile(y, shares), abs=0.01)


@pytest.mark.parametrize("method", SCALINGS)
def test_fit_on_one_period_applies_to_another(method):
    x, y = pair()
    fitted = fit_scaling(x[:200], y[:200], method)
    later = fitted.transform(np.append(x[200:], np.nan))
    assert np.isnan(later[-1])
    assert np.corrcoef(later[:-1], x[200:])[0, 1] > 0.98
    assert fitted.n == 200


@given(seed=st.integers(0, 10_000), digits=st.integers(1, 3))
def test_cdf_matching_keeps_the_order_of_rounded_values(seed, digits):
    x, y = pair(150, seed)
    x = x.round(digits)
    fitted = scale_cdf(x, y, bins=20, min_values=5, straight_ends=False)
    assert (np.diff(fitted.product) > 0).all()
    scaled = fitted.transform(np.sort(x))
    assert np.isfinite(scaled).all()
    assert (np.diff(scaled) >= -1e-12).all()


def test_few_values_merge_bins_and_say_so():
    x, y = pair(90)
    fitted = scale_cdf(x, y)
    assert len(fitted.product) == 5
    assert "4 bins instead of 100" in fitted.choices[0]
    single = scale_cdf(*pair(25))
    assert single.slope == pytest.approx(np.polyfit(*pair(25), 1)[0])


def test_only_common_times_count():
    x, y = pair()
    x[:100], y[300:] = np.nan, np.nan
    assert fit_scaling(x, y).n == 200


@pytest.mark.parametrize(
    ("x", "y", "method", "message"),
    [
        (np.full(50, 0.3), pair(50)[1], "mean_std", "constant product"),
        (pair(50)[0], np.full(50, 0.3), "cdf_match", "constant reference"),
        (-pair(50)[0], pair(50)[1], "linreg", "upside down"),
        (*pair(50), "cdf_mach", "Did you mean 'cdf_match'"),
        (*pair(2), "mean_std", "too few pairs"),
    ],
)
def test_bad_input_is_refused(x, y, method, message):
    with pytest.raises(DataError, match=message):
        fit_scaling(x, y, method)


def test_no_bins_are_refused():
    with pytest.raises(DataError, match="at least 1"):
        scale_cdf(*pair(), bins=0)
