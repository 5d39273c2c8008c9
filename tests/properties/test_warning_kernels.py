"""Kernels against plain NumPy, one date at a time against all at once, and what must not matter."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.warning import fit_baseline, innovations
from headwater.warning.baseline import BaselineOptions, baseline_design, season_parts
from headwater.warning.charts import Detector, blank_chart, update_chart
from headwater.warning.ladder import climb, new_ladder

DAYS = np.arange("2008-01-01", "2018-01-01", 16, dtype="datetime64[D]")
LATER = np.arange("2018-01-02", "2020-01-01", 16, dtype="datetime64[D]")
OPTIONS = BaselineOptions(stable=False)


def green(rng, times, missing=0.1, places=4):
    values = 0.4 + 0.05 * rng.standard_normal((len(times), places))
    values[rng.random(values.shape) < missing] = np.nan
    return values


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), missing=st.floats(0, 0.5))
def test_the_regression_is_least_squares(seed, missing):
    values = green(np.random.default_rng(seed), DAYS, missing)
    fitted = fit_baseline(values, DAYS, options=OPTIONS)
    design, inside = baseline_design(DAYS, OPTIONS), season_parts(DAYS, OPTIONS) >= 0
    for place in np.flatnonzero(fitted.reason == 0):
        seen = np.isfinite(values[:, place]) & inside
        expected, *_ = np.linalg.lstsq(design[seen], values[seen, place], rcond=None)
        np.testing.assert_allclose(fitted.coefficients[place], expected, atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 40))
def test_one_date_at_a_time_gives_the_same_to_the_bit(seed, cut):
    rng = np.random.default_rng(seed)
    fitted = fit_baseline(green(rng, DAYS), DAYS, options=OPTIONS)
    values = green(rng, LATER)
    whole, last = innovations(fitted, values, LATER)
    first, memory = innovations(fitted, values[:cut], LATER[:cut])
    second, end = innovations(memory, values[cut:], LATER[cut:])
    np.testing.assert_array_equal(whole, np.concatenate([first, second]))
    np.testing.assert_array_equal(last.last, end.last)
    chart = blank_chart(Detector(), np.full(4, 3.0))
    year = LATER.astype("datetime64[Y]").astype(int)
    states, *_ = climb(new_ladder(chart), chart, whole, LATER.astype(int), year)
    part, ladder, held = climb(
        new_ladder(chart), chart, whole[:cut], LATER[:cut].astype(int), year[:cut]
    )
    rest, *_ = climb(ladder, held, whole[cut:], LATER[cut:].astype(int), year[cut:])
    np.testing.assert_array_equal(states, np.concatenate([part, rest]))


@given(seed=st.integers(0, 2**32 - 1))
def test_the_chart_is_the_running_maximum_of_sums(seed):
    u = np.random.default_rng(seed).standard_normal((30, 3))
    u[np.random.default_rng(seed + 1).random(u.shape) < 0.2] = np.nan
    path, chart = update_chart(blank_chart(Detector(), np.full(3, np.nan)), u)
    for place in range(3):
        total = 0.0
        for at, value in enumerate(u[:, place]):
            total = total if np.isnan(value) else max(0.0, total - max(value, -3.0) - 0.5)
            assert path[at, place] == total
        assert chart.statistic[place] == total


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0.1, 100), shift=st.floats(-5, 5))
def test_units_do_not_matter(seed, factor, shift):
    rng = np.random.default_rng(seed)
    values, later = green(rng, DAYS), green(rng, LATER)
    plain, _ = innovations(fit_baseline(values, DAYS, options=OPTIONS), later, LATER)
    moved, _ = innovations(
        fit_baseline(factor * values + shift, DAYS, options=OPTIONS),
        factor * later + shift,
        LATER,
    )
    np.testing.assert_allclose(moved, plain, atol=1e-5)
