"""q and its tests against plain NumPy, and what they say to bad input."""

import numpy as np
import pytest
from scipy import stats

from headwater.detector import ecological, factor, interaction, risk
from headwater.detector.interaction_detector import interaction_class
from headwater.detector.q import p_central, q_statistic, stratum_sums
from headwater.errors import DataError
from headwater.inference.significance import holm


@pytest.fixture
def units() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 5, 200).astype(np.int32)
    return 0.4 * codes + rng.normal(size=200), codes


def plain_q(y: np.ndarray, codes: np.ndarray) -> float:
    within = sum(((y[codes == c] - y[codes == c].mean()) ** 2).sum() for c in np.unique(codes))
    return 1 - within / ((y - y.mean()) ** 2).sum()


def test_q_f_and_p_are_those_of_the_analysis_of_variance(units) -> None:
    y, codes = units
    found = q_statistic(stratum_sums(y, codes, 5))
    f, p = stats.f_oneway(*(y[codes == c] for c in range(5)))
    assert found.q == pytest.approx(plain_q(y, codes), abs=1e-13)
    assert found.f == pytest.approx(f, rel=1e-12)
    assert p_central(found) == pytest.approx(p, rel=1e-9)
    assert found.adjusted == pytest.approx(1 - (1 - found.q) * 199 / 195, abs=1e-14)


def test_whole_weights_are_repeated_units(units) -> None:
    y, codes = units
    repeats = np.random.default_rng(1).integers(1, 4, y.size)
    weighted = q_statistic(stratum_sums(y, codes, 5, weights=repeats.astype(float)))
    repeated = q_statistic(stratum_sums(np.repeat(y, repeats), np.repeat(codes, repeats), 5))
    assert weighted.q == pytest.approx(repeated.q, abs=1e-13)
    assert weighted.n == y.size


def test_adjusted_q_is_zero_on_average_where_there_is_no_effect() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(6, dtype=np.int32), 20)
    found = [q_statistic(stratum_sums(rng.normal(size=120), codes, 6)) for _ in range(400)]
    plain, adjusted = (np.mean([getattr(one, name) for one in found]) for name in ("q", "adjusted"))
    assert plain == pytest.approx(5 / 119, abs=0.005)
    assert adjusted == pytest.approx(0.0, abs=0.005)


def test_missing_units_are_counted(units) -> None:
    y, codes = units
    y = y.copy()
    y[:7] = np.nan
    names = [None if code == 4 else str(code) for code in codes]
    table = factor(y, {"a": names, "b": codes}).data.set_index("factor")
    assert table.loc["b", "n_missing"] == 7
    assert table.loc["a", "n"] == sum(name is not None for name in names[7:])
    both = factor(y, {"a": names, "b": codes}, missing="listwise").data
    assert both["n"].nunique() == 1


@pytest.mark.parametrize(
    ("y", "codes", "wrong"),
    [
        ([273.15] * 6, [0, 0, 1, 1, 2, 2], "constant"),
        ([0.1] * 6, [0, 0, 1, 1, 2, 2], "constant"),
        ([1.0, 2.0, 3.0], [0, 0, 0], "one stratum"),
        ([1.0, 2.0, 3.0], [0, 1, 2], "as many strata as units"),
        ([np.nan, np.nan], [0, 1], "no unit"),
        ([1.0, np.inf, 2.0], [0, 1, 1], "infinite"),
        ([1.0, 2.0], [0, 1, 1], "not of the response"),
    ],
)
def test_bad_units_are_refused(y: list[float], codes: list[int], wrong: str) -> None:
    with pytest.raises(DataError, match=wrong):
        factor(y, {"x": codes})


def test_bad_weights_are_refused() -> None:
    with pytest.raises(DataError, match="weights"):
        factor([1.0, 2.0, 3.0], {"x": [0, 0, 1]}, weights=[1.0, 0.0, 1.0])


def test_perfect_strata() -> None:
    table = factor([1.0, 1.0, 2.0, 2.0], {"x": [0, 0, 1, 1]}).data
    assert table[["q", "p_value", "q_low"]].values.tolist() == [[1.0, 0.0, 1.0]]


def test_the_p_of_wang_moves_with_the_origin_and_the_central_one_does_not(units) -> None:
    y, codes = units
    here = {
        m: factor(y, {"x": codes}, p_method=m).data["p_value"][0] for m in ("central", "wang2016")
    }
    far = {
        m: factor(y + 273.15, {"x": codes}, p_method=m).data["p_value"][0]
        for m in ("central", "wang2016")
    }
    assert far["central"] == pytest.approx(here["central"], rel=1e-6)
    assert far["wang2016"] > 0.9
    assert here["wang2016"] < 0.01


@pytest.mark.parametrize(
    ("q12", "name"),
    [
        (0.1, "weaken, nonlinear"),
        (0.25, "weaken, uni"),
        (0.3, "weaken, uni"),
        (0.4, "enhance, bi"),
        (0.5, "independent"),
        (0.6, "enhance, nonlinear"),
    ],
)
def test_published_classes(q12: float, name: str) -> None:
    assert interaction_class(0.2, 0.3, q12) == name
    assert interaction_class(0.3, 0.2, q12) == name


def test_interaction_against_two_way_analysis_of_variance() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 3, 120), rng.integers(0, 4, 120)
    y = a + 0.5 * b + rng.normal(size=120)
    row = interaction(y, {"a": a, "b": b}).data.iloc[0]
    cells = np.column_stack([(a == i) & (b == j) for i in range(3) for j in range(4)]).astype(float)
    main = np.column_stack([*(a == i for i in range(3)), *(b == j for j in range(1, 4))]).astype(
        float
    )
    full, additive = (float(np.linalg.lstsq(m, y, rcond=None)[1][0]) for m in (cells, main))
    f = (additive - full) / 6 / (full / 108)
    assert row["p_nonadditive"] == pytest.approx(stats.f.sf(f, 6, 108), rel=1e-9)
    assert row["q_12"] == pytest.approx(plain_q(y, a * 4 + b), abs=1e-13)


def test_noise_is_called_nonlinear_by_the_published_rule_and_nothing_by_the_tests() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 6, (2, 600))
    row = interaction(rng.normal(size=600), {"a": a, "b": b}).data.iloc[0]
    assert row["interaction"] == "enhance, nonlinear"
    assert row["tested"] == "no gain shown"
    assert abs(row["q_12_adjusted"]) < 0.03 < row["q_12"]


def test_nested_factors_gain_nothing() -> None:
    fine = np.repeat(np.arange(6), 10)
    y = np.random.default_rng(2).normal(size=60) + fine
    row = interaction(y, {"fine": fine, "coarse": fine // 2}).data.iloc[0]
    assert row["interaction"] == "weaken, uni"
    assert row["beyond_best"] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(row["p_nonadditive"])


def test_cells_of_one_unit_each_are_no_crash() -> None:
    y = np.random.default_rng(1).normal(size=16)
    pair = {"a": np.repeat(np.arange(4), 4), "b": np.tile(np.arange(4), 4)}
    kept = interaction(y, pair).data.iloc[0]
    assert kept["q_12"] == 1.0
    assert np.isnan(kept["p_value"])
    dropped = interaction(y, pair, singletons="drop").data.iloc[0]
    assert np.isnan(dropped["q_12"])


def test_interaction_needs_two() -> None:
    with pytest.raises(DataError, match="two factors"):
        interaction([1.0, 2.0, 3.0], {"a": [0, 0, 1]})
    with pytest.raises(DataError, match="in common"):
        interaction([1.0, 2.0, 3.0], {"a": [0.0, 1.0, np.nan], "b": [np.nan, np.nan, 1.0]})


def test_ecological_test_is_symmetric(units) -> None:
    y, codes = units
    other = np.random.default_rng(0).integers(0, 3, y.size)
    one = ecological(y, {"a": codes, "b": other}, method="wang2010").data.iloc[0]
    two = ecological(y, {"b": other, "a": codes}, method="wang2010").data.iloc[0]
    assert one["p_value"] == pytest.approx(two["p_value"], rel=1e-9)
    assert one["F"] == pytest.approx(1 / two["F"], rel=1e-12)


def test_risk_intervals_are_students() -> None:
    y = np.array([1.0, 2.0, 4.0, 9.0])
    table = risk(y, {"x": ["a", "a", "a", "b"]}).data
    low, high = stats.t.interval(0.95, 2, y[:3].mean(), stats.sem(y[:3]))
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx([low, high])
    assert table.loc[1, ["sd", "low", "high"]].isna().all()


def test_holm_passes_over_tests_not_made() -> None:
    assert holm([0.01, np.nan, 0.04]).tolist() == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
