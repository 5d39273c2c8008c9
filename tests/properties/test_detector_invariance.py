"""What must not change q: shift, scale, names of strata, and how the data are cut into parts."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.detector import factor, interaction, opgd, stratify
from headwater.detector.optimal_parameters import best_strata
from headwater.detector.q import p_central, q_statistic, stratum_sums

SETTINGS = settings(deadline=None)


@st.composite
def samples(draw: st.DrawFn, least: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(least, 150))
    first, second = (rng.integers(0, draw(st.integers(2, 5)), n).astype(np.int32) for _ in range(2))
    first[:4], second[:4] = [0, 0, 1, 1], [0, 1, 0, 1]
    return draw(st.floats(0, 2)) * first + rng.normal(size=n), first, second


@SETTINGS
@given(samples(), st.floats(-300, 300), st.sampled_from([-1000.0, -1.0, 0.001, 7.0]))
def test_shift_and_scale(sample, shift: float, scale: float) -> None:
    y, codes, _ = sample
    one, two = (q_statistic(stratum_sums(v, codes, 5)) for v in (y, (y + shift) * scale))
    assert two.q == pytest.approx(one.q, abs=1e-10)
    assert p_central(two) == pytest.approx(p_central(one), rel=1e-6, abs=1e-14)


@SETTINGS
@given(samples())
def test_names_of_strata(sample) -> None:
    y, codes, _ = sample
    words = np.array(["z", "a_b", "a", "b_c", " "])[codes]
    one, two = (factor(y, {"x": strata}).data["q"][0] for strata in (codes, words))
    assert two == pytest.approx(one, abs=1e-13)


@SETTINGS
@given(samples())
def test_crossing_explains_at_least_as_much(sample) -> None:
    y, first, second = sample
    row = interaction(y, {"a": first, "b": second}).data.iloc[0]
    assert row["q_12"] >= max(row["q_1"], row["q_2"]) - 1e-12
    assert row["interaction"] != "weaken, nonlinear"


@SETTINGS
@given(samples(), st.lists(st.integers(0, 150), max_size=5), st.floats(-1e4, 1e4))
def test_parts_merge_into_the_whole(sample, cuts: list[int], shift: float) -> None:
    y, codes, _ = sample
    y = y + shift
    y[3] = np.nan
    edges = [0, *sorted(min(cut, y.size) for cut in cuts), y.size]
    parts = [stratum_sums(y[a:b], codes[a:b], 5) for a, b in pairwise(edges)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    whole = stratum_sums(y, codes, 5)
    np.testing.assert_array_equal(merged.n, whole.n)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-11)
    assert q_statistic(merged).q == pytest.approx(q_statistic(whole).q, abs=1e-9)


@SETTINGS
@given(samples(least=30), st.booleans())
def test_the_sweep_gives_the_q_of_its_strata(sample, weighted: bool) -> None:
    y, _, _ = sample
    rng = np.random.default_rng(y.size)
    x = np.round(y + rng.normal(size=y.size), 1)
    x[5] = np.nan
    y[7] = np.nan
    weights = rng.uniform(0.5, 2.0, y.size) if weighted else None
    found = opgd(y, {"x": x}, classes=range(2, 6), weights=weights, by="q_adjusted")
    for row in found.data[found.data["refused"] == ""].itertuples():
        edges = [float(text) for text in row.breaks.split()]
        strata = stratify(x, breaks=[-np.inf, *edges[1:-1], np.inf])
        direct = q_statistic(stratum_sums(y, strata.codes, strata.realised, weights=weights))
        assert row.q == pytest.approx(direct.q, abs=1e-12)
        assert row.q_adjusted == pytest.approx(direct.adjusted, abs=1e-12)
        assert row.n == direct.n
    chosen = found.best.iloc[0]
    strata = best_strata({"x": np.where(np.isnan(y), np.nan, x)}, found)["x"]
    assert strata.realised == chosen["strata"]
    assert (
        chosen["q_adjusted"]
        >= found.data.loc[found.data["refused"] == "", "q_adjusted"].max() - 1e-12
    )


@SETTINGS
@given(samples(least=20))
def test_cross_validated_q_is_leave_one_out(sample) -> None:
    y, _, _ = sample
    x = np.arange(y.size, dtype=float)
    row = opgd(y, {"x": x}, methods=["quantile"], classes=[3]).data.iloc[0]
    codes = stratify(x, "quantile", 3).codes
    left_out = [y[(codes == codes[i]) & (x != i)].mean() for i in range(y.size)]
    null = [y[x != i].mean() for i in range(y.size)]
    direct = 1 - np.sum((y - left_out) ** 2) / np.sum((y - null) ** 2)
    assert row["q_cv"] == pytest.approx(direct, abs=1e-10)
