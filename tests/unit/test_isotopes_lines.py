import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, StudyError
from headwater.inference.significance import holm
from headwater.isotopes import GMWL, WaterLine, fit_line, fit_lines
from headwater.isotopes.intersection import bootstrap_crossing, crossings, intersect
from headwater.isotopes.slopes import equal_slopes

X = np.linspace(-20, -5, 30)
WIGGLE = np.sin(np.arange(30.0) * 1.7)


@pytest.mark.parametrize("method", ["ols", "rma", "ma", "huber", "theil-sen", "york"])
def test_all_methods_find_an_exact_line(method) -> None:
    errors = {"d18O_sd": 0.1, "d2H_sd": 0.6} if method == "york" else {}
    line = fit_line(X, 7.5 * X + 4, method=method, **errors)
    assert (line.slope, line.intercept) == (pytest.approx(7.5), pytest.approx(4.0, abs=1e-8))
    assert line.n == 30


def test_samples_without_a_pair_do_not_count() -> None:
    y = 8 * X + 10 + WIGGLE
    gappy = np.where(np.arange(30) < 3, np.nan, y)
    assert fit_line(X, gappy) == fit_line(X[3:], y[3:])


def test_outlier_moves_robust_lines_little() -> None:
    y = 8 * X + 10 + WIGGLE
    spoilt = y.copy()
    spoilt[0] += 80
    for method in ("huber", "theil-sen"):
        moved = fit_line(X, spoilt, method=method).slope - fit_line(X, y, method=method).slope
        assert abs(moved) < 0.2 * abs(fit_line(X, spoilt).slope - fit_line(X, y).slope)


def test_york_widens_and_says_so() -> None:
    line = fit_line(X, 8 * X + 10 + 10 * WIGGLE, method="york", d18O_sd=0.1, d2H_sd=0.5)
    assert "widened" in line.note


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ({"method": "olss"}, StudyError, "Did you mean 'ols'"),
        ({"method": "york"}, StudyError, "analytical errors"),
        ({"method": "huber", "amount": np.ones(30)}, StudyError, "no precipitation-weighted"),
        ({"amount": -np.ones(30)}, DataError, "must be 0 or more"),
        ({"method": "york", "d18O_sd": 0.0, "d2H_sd": 1.0}, DataError, "above 0"),
    ],
)
def test_wrong_calls(call, error, words) -> None:
    with pytest.raises(error, match=words):
        fit_line(X, 8 * X + WIGGLE, **call)


def test_no_line_through_two_points_or_one_value() -> None:
    with pytest.raises(DataError, match="2 complete samples"):
        fit_line([-12.0, -11.0], [-90.0, -80.0])
    with pytest.raises(DataError, match="1 different"):
        fit_line([-12.0] * 5, [-90.0, -91, -92, -93, -94])


def test_line_survives_a_table(tmp_path) -> None:
    line = fit_line(X, 8 * X + 10 + WIGGLE, label="June")
    pd.DataFrame([line.to_row()]).to_csv(tmp_path / "lines.csv", index=False)
    back = WaterLine.from_row(pd.read_csv(tmp_path / "lines.csv").to_dict("records")[0])
    assert back == line


def test_group_without_a_line_is_named() -> None:
    frame = pd.DataFrame(
        {
            "water": ["soil"] * 4 + ["river"],
            "d18O": [-12.0, -11, -10, -9, -8],
            "d2H": [-90.0, -86, -80, -77, -60],
        }
    )
    result = fit_lines(frame, ["water"])
    assert [line.label for line in result.lines()] == ["soil"]
    assert "no line can be fitted to 'river'" in result.cautions[0]


def test_equal_slopes_equals_a_regression_with_interaction() -> None:
    y = np.r_[8 * X + 10 + WIGGLE, 6 * X - 5 + 2 * WIGGLE[::-1]]
    group = np.repeat([0.0, 1.0], 30)
    frame = pd.DataFrame({"month": np.where(group, "May", "June"), "d18O": np.r_[X, X], "d2H": y})
    row = equal_slopes(frame, ["month"]).data.loc[0]
    x = np.r_[X, X]
    full = np.column_stack([np.ones(60), group, x, x * group])
    sse = [np.linalg.lstsq(m, y, rcond=None)[1][0] for m in (full[:, :3], full)]
    assert row["statistic"] == pytest.approx((sse[0] - sse[1]) / (sse[1] / 56))
    assert (row["dof_1"], row["dof_2"]) == (1, 56)
    with pytest.raises(DataError, match="two groups"):
        equal_slopes(frame[frame["month"] == "May"], ["month"])


def test_holm_keeps_missing_and_order() -> None:
    adjusted = holm([0.01, np.nan, 0.02, 0.9])
    assert adjusted[[0, 2, 3]].tolist() == pytest.approx([0.03, 0.04, 0.9])
    assert np.isnan(adjusted[1])


def test_parallel_lines_are_refused_and_near_ones_flagged() -> None:
    noisy = fit_line(X, 7.9 * X + 9 + 10 * WIGGLE, label="soil")
    lmwl = fit_line(X, 8 * X + 10 + 10 * WIGGLE[::-1])
    refused = intersect(lmwl, noisy)
    assert refused.status == "refused"
    assert np.isnan(refused.d18O)
    assert "any water" in refused.reason
    near = intersect(GMWL, WaterLine(7.7, 5.0, label="forest"))
    assert near.status == "near-parallel"
    table = crossings(GMWL, [WaterLine(7.7, 5.0, label="forest"), WaterLine(5.0, -35.0)])
    assert len(table.cautions) == 1
    with pytest.raises(StudyError, match="between 0 and 1"):
        intersect(GMWL, GMWL, level=95)


@pytest.mark.parametrize("method", ["ols", "rma", "ma"])
def test_bootstrap_is_repeatable_and_centred(method) -> None:
    rain = np.column_stack([X, 8 * X + 10 + WIGGLE])
    soil = np.column_stack([X + 5, 5 * X - 10 + WIGGLE[::-1]])
    runs = [
        bootstrap_crossing(rain, soil, rng=np.random.default_rng(2), n_resamples=400, method=method)
        for _ in range(2)
    ]
    assert np.array_equal(runs[0][0], runs[1][0])
    point = intersect(*(fit_line(*cloud.T, method=method) for cloud in (rain, soil)))
    assert runs[0][1][0] < point.d18O < runs[0][1][1]


@pytest.mark.parametrize("method", ["rma", "ma"])
def test_intervals_of_rma_and_ma_hold_with_twelve_samples(method: str) -> None:
    # equal scatter in both axes about a line of slope 2: both estimators have slopes of their own
    rng, inside = np.random.default_rng(4), 0
    truth = {"rma": np.sqrt(4.3 / 1.3), "ma": 2.0}[method]
    for _ in range(400):
        x = rng.normal(size=12)
        line = fit_line(
            x + rng.normal(0, np.sqrt(0.3), 12),
            2 * x + rng.normal(0, np.sqrt(0.3), 12),
            method=method,
        )
        low, high = line.slope_interval()
        inside += low <= truth <= high
    assert 0.92 <= inside / 400 <= 0.98


def test_an_interval_without_correlation_is_unbounded() -> None:
    rng = np.random.default_rng(3)
    line = fit_line(rng.normal(size=6), rng.normal(size=6), method="ma")
    assert line.slope_interval() == (-np.inf, np.inf)
    plain = fit_line([-20.0, -15.0, -10.0, -5.0], [-150.0, -113.0, -70.0, -31.0])
    low, high = plain.slope_interval()
    assert (low + high) / 2 == pytest.approx(plain.slope)
    assert high - low == pytest.approx(2 * 4.302653 * plain.slope_se)


def test_values_that_do_not_differ_are_the_reason_given() -> None:
    with pytest.raises(DataError, match=r"4 different δ¹⁸O, 1 different values.*computed from"):
        fit_line(np.array([-12.0, -11, -10, -9]), np.full(4, 10.0), label="excess")
