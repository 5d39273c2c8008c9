"""Lines, crossings, Craig-Gordon and the audit against reference values.

Provenance: tests/data/reference/isotopes. Lines: R 4.2.2 (lm, MASS::rlm) and isoWater 1.2.1 on
synthetic precipitation. Crossing: R delta method, Fieller, Monte Carlo (4e5). Craig-Gordon: the
equations of Benettin et al. (2018). Audit: Li et al. (2024), HESS 28:719, CC BY 4.0. York (2004):
Pearson's data with York's weights; the coefficients of the paper are recalled, unchecked, and
confirmed here by direct minimisation.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.isotopes import (
    GMWL,
    Climate,
    WaterLine,
    audit_tables,
    d_excess,
    evaporated_fraction,
    fit_line,
    lc_excess,
)
from headwater.isotopes.audit.rules_lines import line_crossings, recover_labels
from headwater.isotopes.audit.rules_means import hull_misfit, signs_and_ranges
from headwater.isotopes.audit.run import published_study
from headwater.isotopes.audit.tables import prepare
from headwater.isotopes.evaporation import craig_gordon, evaporation_slope, residual_water
from headwater.isotopes.intersection import bootstrap_crossing, intersect, slope_envelope
from headwater.isotopes.regression import york

CASES = Path(__file__).parents[1] / "data" / "reference" / "isotopes"


def expected(name: str) -> dict:
    return json.loads((CASES / f"{name}_expected.json").read_text())


@pytest.fixture
def rain() -> pd.DataFrame:
    return pd.read_csv(CASES / "mwl_precip.csv")


@pytest.mark.parametrize(
    ("key", "method", "weighted", "tolerance"),
    [
        ("OLS", "ols", False, 1e-9),
        ("PWLSR", "ols", True, 1e-9),
        ("MA", "ma", False, 1e-9),
        ("PW_RMA", "rma", True, 1e-9),
        ("PW_MA", "ma", True, 1e-9),
        ("TheilSen", "theil-sen", False, 1e-9),
        # rlm stops at 1e-4, ours iterates on
        ("Huber_rlm", "huber", False, 1e-5),
    ],
)
def test_lines_equal_r(rain, key, method, weighted, tolerance) -> None:
    known = expected("mwl")[key]
    amount = rain["precip_mm"] if weighted else None
    line = fit_line(rain["d18O"], rain["d2H"], method=method, amount=amount)
    assert line.slope == pytest.approx(known["slope"], rel=tolerance)
    assert line.intercept == pytest.approx(known["intercept"], rel=tolerance)
    for name, ours in (
        ("se_slope", line.slope_se),
        ("se_intercept", line.intercept_se),
        ("r2", line.r2),
        ("cov_slope_intercept", line.covariance),
        ("rmse", line.rmse),
    ):
        if name in known:
            assert ours == pytest.approx(known[name], rel=1e-9)


def test_bands_equal_r(rain) -> None:
    known, line = expected("mwl")["OLS"], fit_line(rain["d18O"], rain["d2H"])
    for kind, key in (("confidence", "conf_at_minus15"), ("prediction", "pred_at_minus15")):
        low, high = line.band(-15.0, kind=kind)
        assert low == pytest.approx(known[key]["lwr"], rel=1e-10)
        assert high == pytest.approx(known[key]["upr"], rel=1e-10)


def test_rma_and_excess_equal_isowater(rain) -> None:
    known = expected("mwl")
    line = fit_line(rain["d18O"], rain["d2H"], method="rma")
    assert line.slope == pytest.approx(known["isoWater_mwl"]["slope_RMA"], rel=1e-9)
    assert line.rmse == pytest.approx(known["isoWater_mwl"]["rmse"], rel=1e-9)
    for row in known["isoWater_dex_first5"]:
        assert d_excess(row["O"], row["H"]) == pytest.approx(row["dex"], abs=1e-9)
        assert lc_excess(row["O"], row["H"], line) == pytest.approx(row["lcex"], abs=1e-7)
    # isoWater's own global line, as its numbers give it
    for row in known["isoWater_lcexcess_GMWL_first5"]:
        ours = lc_excess(row["O"], row["H"], WaterLine(8.01, 9.57))
        assert ours == pytest.approx(row["lcex"], abs=1e-9)


def test_crossing_equals_delta_fieller_and_monte_carlo(rain) -> None:
    known, soil = expected("lel"), pd.read_csv(CASES / "lel_soil.csv")
    lel = fit_line(soil["d18O"], soil["d2H"])
    assert lel.slope == pytest.approx(known["LEL"]["slope"], rel=1e-9)
    assert lel.covariance == pytest.approx(known["LEL"]["cov"], rel=1e-9)
    point = intersect(fit_line(rain["d18O"], rain["d2H"]), lel)
    for name, ours in (
        ("d18O", point.d18O),
        ("d2H", point.d2H),
        ("se_d18O", point.d18O_sd),
        ("se_d2H", point.d2H_sd),
        ("cov", point.covariance),
    ):
        assert ours == pytest.approx(known["intersection"][name], rel=1e-8)
    assert [point.d18O_low, point.d18O_high] == pytest.approx(known["fieller95_d18O"], rel=1e-8)
    _, edges = bootstrap_crossing(
        rain[["d18O", "d2H"]], soil[["d18O", "d2H"]], rng=np.random.default_rng(7), n_resamples=4000
    )
    # resampling both sets adds what a normal approximation lacks, and takes what it has too much
    assert edges == pytest.approx((known["mc"]["q025"], known["mc"]["q975"]), abs=0.15)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_craig_gordon(number: int) -> None:
    case = expected("craig_gordon")["cases"][number]
    climate = Climate(case["T_C"], case["h"], case["n"])
    source = (case["dP"]["d18O"], case["dP"]["d2H"])
    for delta, isotope, key in zip(source, ("d18O", "d2H"), "OH", strict=True):
        known, ours = case[key], craig_gordon(delta, climate, isotope)
        for name, value in (
            ("alpha", ours.alpha),
            ("eps_plus", ours.equilibrium),
            ("eps_k", ours.kinetic),
            ("dA", ours.vapour),
            ("m", ours.exponent),
            ("d_star", ours.limit),
        ):
            assert float(value) == pytest.approx(known[name], rel=1e-10)
        for setting, table in (("desiccating", "residual"), ("throughflow", "steady_state")):
            for lost, left in known[table].items():
                now = residual_water(delta, float(lost), ours, setting=setting)
                assert float(now) == pytest.approx(left, abs=1e-9)
                back = evaporated_fraction(now, delta, ours, setting=setting)
                assert float(back) == pytest.approx(float(lost), abs=1e-10)
    assert float(evaporation_slope(source, climate, lost=1.0)) == pytest.approx(
        case["LEL_slope"], rel=1e-10
    )
    assert float(evaporation_slope(source, climate, lost=0.0)) == pytest.approx(
        case["LEL_slope_initial"], rel=1e-10
    )


def test_envelope_of_the_note() -> None:
    # 0-15 °C, h .3-.85, n .5-1, x = .2, source -15: measured as 2.6 to 4.2
    found = slope_envelope(-15.0, -106.07, lost=(0.2, 0.2))
    assert (round(found.low, 1), round(found.high, 1)) == (2.6, 4.2)


def test_york_on_pearsons_data() -> None:
    from scipy.optimize import minimize

    x = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
    y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
    wx = np.array([1000.0, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1])
    wy = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500.0])
    fit = york(x, y, x_sd=wx**-0.5, y_sd=wy**-0.5)

    def misfit(line: np.ndarray) -> float:
        return float(((y - line[0] * x - line[1]) ** 2 / (1 / wy + line[0] ** 2 / wx)).sum())

    best = minimize(
        misfit, [-0.5, 5.5], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13}
    )
    assert [fit.slope, fit.intercept] == pytest.approx(best.x, abs=1e-6)
    assert [fit.slope, fit.intercept] == pytest.approx([-0.480533, 5.479910], abs=1e-6)
    widened = misfit(np.array([fit.slope, fit.intercept])) / 8
    assert np.sqrt(fit.slope_var / widened) == pytest.approx(0.0580, abs=1e-4)
    assert np.sqrt(fit.intercept_var / widened) == pytest.approx(0.2950, abs=1e-4)


@pytest.fixture(scope="module")
def report() -> pd.DataFrame:
    return audit_tables(published_study("li2024")).data


def test_audit_finds_what_is_printed_and_no_more(report) -> None:
    counts = report["rule"].value_counts().to_dict()
    assert counts == {
        "A1": 2,
        "A2": 12,
        "A3": 1,
        "A4": 1,
        "A7": 5,
        "A8": 3,
        "A9": 1,
        "A10": 1,
        "A12": 4,
    }
    assert set(report.loc[report["rule"].isin(["A2", "A3"]), "period"]) == {"August"}
    signs = report[report["rule"] == "A1"]
    assert set(zip(signs["label"], signs["quantity"], signs["consistent"], strict=True)) == {
        ("0-20 cm", "d18O", "-14.23"),
        ("Western slope", "d2H", "-93.63"),
    }
    assert report.loc[report["rule"] == "A4", "label"].tolist() == ["Southern slope"]


def test_audit_equals_the_reference_audit(report) -> None:
    known, flags = expected("seed_audit"), pd.read_csv(CASES / "table1.csv", dtype=str)
    wrong = report[report["rule"] == "A2"].set_index("label")
    for label, month, printed, consistent in known["count"]["d_excess_gt_1.5"]:
        assert month == "August"
        row = wrong.loc[label]
        assert row["printed"] == printed
        assert float(row["consistent"]) == pytest.approx(float(consistent), abs=0.006)
    flagged = flags[flags["flag"].fillna("").str.contains("mismatch")]["label"]
    assert set(wrong.index) == set(flagged)
    case = prepare(published_study("li2024"))
    signs_and_ranges(case)
    labels = recover_labels(case).set_index("row")
    for row, label in known["assignment"].items():
        assert labels.loc[row, "label"] == label
        assert labels.loc[row, "cost"] == pytest.approx(known["cost_assigned"][label], abs=0.006)
        runner_up = known["second_best_cost_per_label"][label]
        assert labels.loc[row, "runner_up"] == pytest.approx(runner_up, abs=0.006)
    for key in known["convexity_min_L1_misfit"]:
        period, grouping = key.split("/")
        some = case.means[case.means["period"] == period]
        parts = some[some["grouping"] == grouping][["d18O", "d2H"]].to_numpy(float)
        whole = some[some["grouping"] == "all"][["d18O", "d2H"]].to_numpy(float)[0]
        # printed there with two decimals
        assert hull_misfit(parts, whole)[0] == pytest.approx(0.0, abs=0.005)


def test_crossings_of_the_printed_lines(report) -> None:
    known = pd.read_csv(CASES / "table2.csv")
    lines = prepare(published_study("li2024")).lines
    points = line_crossings(lines, WaterLine(7.90, 12.43))
    assert points["d18O"].to_numpy() == pytest.approx(known["d18O_int"].to_numpy(), abs=0.006)
    assert points["d2H"].to_numpy() == pytest.approx(known["d2H_int"].to_numpy(), abs=0.006)
    low, high = known["d18O_int_rounding_lo"].to_numpy(), known["d18O_int_rounding_hi"].to_numpy()
    assert points["d18O_low"].to_numpy() == pytest.approx(low, abs=0.02)
    assert points["d18O_high"].to_numpy() == pytest.approx(high, abs=0.02)
    near = known[known["flag"].fillna("").str.contains("near_parallel")]
    parallel = report[report["rule"] == "A7"]
    assert len(near) == len(parallel) == 5
    sources = expected("seed_audit")["stated"]
    for _, row in report[report["rule"] == "A8"].iterrows():
        off = float(row["printed"]) - float(row["consistent"])
        assert off == pytest.approx(sources[row["period"]]["off_published_LMWL_d2H"], abs=0.01)
        assert f"{sources[row['period']]['repro_with_published_LMWL_d18O']:.2f}" in row["reason"]
        assert "7.90 δ¹⁸O + 11.69" in row["reason"]


def test_qilian_annual_means() -> None:
    finding = audit_tables(published_study("zhao2025")).data
    assert finding["rule"].tolist() == ["A11"]
    assert "0.1048 to 0.1073" in finding.loc[0, "reason"]
    # with one more hundredth of contradiction not even rounding helps
    worse = published_study("zhao2025")
    worse.facts.loc[worse.facts["kind"] == "annual_max", "value"] = "0.148"
    assert audit_tables(worse).data["severity"].tolist() == ["impossible"]


def test_gmwl_is_craigs() -> None:
    assert GMWL.slope == 8.0
    assert GMWL.intercept == 10.0
