"""Measures, triple collocation, scaling and anomalies against pytesmo.

Source: tests/data/reference/downscaling (expected.json), made by running pytesmo 0.18.1 (BSD-3)
with numpy on seeded series. Four of its numbers are not ours on purpose, each shown below:

- Nash-Sutcliffe and index of agreement were computed with the product where their definition has
  the observation; with the reference there they are ours with the two exchanged.
- Its Kendall interval takes 0.431 for the standard error of artanh τ; Bonett & Wright (2000) give
  0.437 as its variance (0.661 as its standard error). Counted in test_downscaling_agreement.py.
- Its anomalies from a climatology look 1 March up on day 60 of a mean year that has it on day 61.
- Where an error variance is negative it gives NaN for the error and a finite SNR from its absolute
  value; ours has a flag, no SNR, and intervals.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.validation.agreement_intervals import agreement
from headwater.validation.anomalies import long_term_anomalies, mean_year, short_term_anomalies
from headwater.validation.collocation import extended_collocation, triple_collocation
from headwater.validation.measures import agreement_measures
from headwater.validation.scaling import fit_scaling, scale_cdf

CASES = Path(__file__).parents[1] / "data" / "reference" / "downscaling"
PEER_NAME = {"pearson": "pearson_r", "spearman": "spearman_r", "kendall": "kendall_tau"}
EXCHANGED = ("nash_sutcliffe", "index_of_agreement")
EXACT = {"rel": 1e-10, "abs": 1e-14}


def expected(*keys):
    found = json.loads((CASES / "expected.json").read_text())
    for key in keys:
        found = found[key]
    return found


def case(name):
    return pd.read_csv(CASES / f"{name}.csv")


@pytest.mark.parametrize("name", ["triplet", "short", "ties"])
def test_all_sixteen_measures(name):
    table, peer = case(name), expected("pairwise", name)
    ours, turned = agreement_measures(table.x, table.y), agreement_measures(table.y, table.x)
    assert len(ours) == len(peer) == 16
    for measure, value in ours.items():
        found = turned[measure] if measure in EXCHANGED else value
        assert found == pytest.approx(peer[PEER_NAME.get(measure, measure)]["value"], **EXACT)


@pytest.mark.parametrize("name", ["triplet", "short", "ties"])
def test_intervals_of_independent_values(name):
    table, peer = case(name), expected("pairwise", name)
    ours = agreement(table.x, table.y, interval="independent").set_index("measure")
    for measure in ("bias", "ubrmsd", "pearson", "spearman"):
        wanted = peer[PEER_NAME.get(measure, measure)]["ci95"]
        assert ours.loc[measure, ["low", "high"]].tolist() == pytest.approx(wanted, **EXACT)


def test_kendall_interval_is_wider_than_the_peers_by_the_root_it_forgot():
    table, peer = case("triplet"), expected("pairwise", "triplet", "kendall_tau", "ci95")
    ours = agreement(table.x, table.y, interval="independent").set_index("measure").loc["kendall"]
    width = np.ptp(np.arctanh(ours[["low", "high"]].astype(float)))
    n = len(table)
    wanted = np.sqrt(0.437 / (n - 4)) / (0.431 / np.sqrt(n - 3))
    assert width / np.ptp(np.arctanh(peer)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("measure", ["ubrmsd", "pearson", "mad"])
def test_intervals_are_near_those_of_an_independent_bootstrap(measure):
    table = case("triplet")
    ours = agreement(table.x, table.y, interval="independent").set_index("measure").loc[measure]
    peer = expected("pairwise_bootstrap_seed0_percentile_n1000")[PEER_NAME.get(measure, measure)]
    width = peer[2] - peer[1]
    assert ours["low"] == pytest.approx(peer[1], abs=0.15 * width)
    assert ours["high"] == pytest.approx(peer[2], abs=0.15 * width)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_triple_collocation(number):
    frame, peer = case("triplet")[["x", "y", "z"]], expected("tcol", f"ref{number}")
    rng = np.random.default_rng(1)
    ours = triple_collocation(frame, reference="xyz"[number], rng=rng, n_resamples=20).data
    for name, column in (
        ("snr_db", "snr_db"),
        ("err_std_scaled", "error_sd_scaled"),
        ("beta", "beta"),
        ("R", "correlation"),
    ):
        assert ours[column].tolist() == pytest.approx(peer[name], **EXACT)
    assert ours["flag"].tolist() == ["", "", ""]


def test_bootstrap_of_single_rows_is_the_peers_within_the_noise_of_resampling():
    frame = case("triplet")[["x", "y", "z"]]
    peer = expected("tcol", "bootstrap_seed0_n500_ref0")
    rng = np.random.default_rng(1)
    ours = triple_collocation(frame, rng=rng, length=1, n_resamples=2000).data
    for name, column in (("snr", "snr_db"), ("err_std", "error_sd_scaled"), ("beta", "beta")):
        value, low, high = np.array(peer[name])
        width = np.maximum(high - low, 1e-9)
        assert (np.abs(ours[f"{column}_low"] - low) < 0.1 * width).all()
        assert (np.abs(ours[f"{column}_high"] - high) < 0.1 * width).all()
        assert ours[column].tolist() == pytest.approx(value.tolist(), **EXACT)


def test_blocks_tell_a_wider_interval_of_a_persistent_series():
    frame, rng = case("triplet")[["x", "y", "z"]], np.random.default_rng(1)
    single = triple_collocation(frame, rng=rng, length=1).data
    blocks = triple_collocation(frame, rng=rng).data
    widths = [t["snr_db_high"] - t["snr_db_low"] for t in (single, blocks)]
    assert (widths[1] > widths[0]).all()


def test_negative_error_variance_is_flagged_with_its_interval():
    frame, peer = case("tc_degenerate"), expected("tcol", "degenerate_ref0")
    found = triple_collocation(frame, rng=np.random.default_rng(1))
    ours = found.data.set_index("dataset")
    sound = ["x", "y"]
    assert ours["beta"].tolist() == pytest.approx(peer["beta"], **EXACT)
    assert ours.loc[sound, "snr_db"].tolist() == pytest.approx(peer["snr_db"][:2], **EXACT)
    assert ours.loc[sound, "error_sd_scaled"].tolist() == pytest.approx(
        peer["err_std_scaled"][:2], **EXACT
    )
    assert ours.error_variance["z"] < 0
    assert ours.loc["z", ["error_sd", "snr_db", "correlation"]].isna().all()
    assert "error variance negative" in ours.flag["z"]
    assert any(caution.startswith("z: error variance negative") for caution in found.cautions)
    low, high = ours.error_variance_low["z"], ours.error_variance_high["z"]
    assert low < 0 < high
    assert ours.error_sd_low["z"] == 0
    assert ours.error_sd_high["z"] == pytest.approx(np.sqrt(high))
    assert np.isposinf(ours.snr_db_high["z"])


@pytest.mark.parametrize(
    ("correlated", "name"), [((), "ecol_4sets"), ((("a", "b"),), "ecol_4sets_corr01")]
)
def test_extended_collocation(correlated, name):
    peer, rng = expected("tcol", name), np.random.default_rng(1)
    ours = extended_collocation(case("ecol4"), correlated=correlated, rng=rng, n_resamples=50)
    ours = ours.data.set_index("dataset")
    for dataset in "abcd":
        row = ours.loc[dataset]
        assert row["signal_variance"] == pytest.approx(peer[f"sig_{dataset}"], **EXACT)
        assert row["error_variance"] == pytest.approx(peer[f"err_{dataset}"], **EXACT)
        assert row["snr_db"] == pytest.approx(peer[f"snr_{dataset}"], **EXACT)
    if correlated:
        shared = ours.loc["a & b"]
        assert shared["error_variance"] == pytest.approx(peer["err_cov_a_b"], **EXACT)
        assert shared["correlation"] == pytest.approx(peer["err_corr_a_b"], **EXACT)


@pytest.mark.parametrize("method", ["linreg", "mean_std", "min_max", "cdf_match"])
def test_scaling(method):
    table, scaled = case("triplet"), case("scaled_y_to_x")
    ours = fit_scaling(table.y, table.x, method).transform(table.y)
    assert np.abs(ours - scaled[method]).max() < 1e-14
    peer = expected("scaling", method)
    found = [ours.mean(), ours.std(), ours.min(), ours.max()]
    assert found == pytest.approx([peer[k] for k in ("mean", "std", "min", "max")], **EXACT)


def test_cdf_match_with_few_bins_and_free_ends():
    table, scaled = case("triplet"), case("scaled_y_to_x")
    fitted = scale_cdf(table.y, table.x, bins=20, min_values=None, straight_ends=False)
    assert np.abs(fitted.transform(table.y) - scaled["cdf_match_nbins20_noedge"]).max() < 1e-14


def test_regression_parameters():
    table = case("triplet")
    fitted = fit_scaling(table.y, table.x, "linreg")
    found = [fitted.slope, float(fitted.transform(0.0))]
    assert found == pytest.approx(expected("scaling", "linreg_params"), **EXACT)


def test_short_term_anomaly_and_climatology():
    table = case("triplet")
    ours = short_term_anomalies(table.date, table.x)
    assert np.abs(ours - case("anomaly")["anom35"]).max() < 1e-13
    year = mean_year(table.date, table.x)
    assert np.abs(year - case("climatology")["climatology"]).max() < 1e-13
    assert len(year) == expected("anomaly", "clim_len")


def test_long_term_anomaly_is_the_peers_where_its_calendar_does_not_slip():
    table, peer = case("triplet"), case("anomaly")["anom_clim"]
    ours = long_term_anomalies(table.date, table.x)
    dates = pd.DatetimeIndex(table.date)
    slips = (dates.month > 2) & ~dates.is_leap_year
    assert np.abs(ours - peer)[~slips].max() < 1e-13
    # there the peer reads the mean year one day early: 1 March at 29 February
    year = mean_year(table.date, table.x)
    early = table.x[slips] - year[dates.day_of_year[slips] - 1]
    assert np.abs(early - peer[slips]).max() < 1e-13
