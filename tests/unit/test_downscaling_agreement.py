"""Measures of agreement: what they are, what their intervals hold, what is refused."""

import numpy as np
import pytest
from scipy.signal import lfilter

from headwater.errors import DataError, TimeAxisError
from headwater.inference.effective import evenly_spaced, fit_persistence
from headwater.validation.agreement_intervals import agreement
from headwater.validation.measures import (
    MEASURES,
    agreement_measures,
    crps_ensemble,
    crps_normal,
    interval_skill,
    raised,
)


def autoregressive(phi, shape, rng):
    noise = rng.normal(size=(*shape[:-1], shape[-1] + 300))
    return lfilter([np.sqrt(1 - phi**2)], [1, -phi], noise)[..., 300:]


def pair(n=200, seed=1, phi=0.8):
    rng = np.random.default_rng(seed)
    truth, noise = autoregressive(phi, (2, n), rng)
    return 0.27 + 0.05 * truth + 0.02 * noise, 0.25 + 0.05 * truth


def test_perfect_product_has_the_best_of_every_measure():
    _, y = pair()
    found = agreement_measures(y, y)
    for name, value in found.items():
        assert value == pytest.approx(MEASURES[name].best, abs=1e-12)


def test_parts_of_the_mean_square_add_up():
    found = agreement_measures(*pair())
    parts = found["mse_bias"] + found["mse_var"] + found["mse_corr"]
    assert parts == pytest.approx(found["msd"], rel=1e-12)
    assert found["rmsd"] ** 2 - found["bias"] ** 2 == pytest.approx(found["ubrmsd"] ** 2)


def test_missing_values_are_left_out_and_counted():
    x, y = pair()
    whole = agreement_measures(x[:100], y[:100])
    x[100:], y[150:] = np.nan, np.nan
    assert agreement_measures(x, y) == pytest.approx(whole)
    assert (agreement(x, y)["n"] == 100).all()


def test_constant_product_has_no_correlation():
    _, y = pair()
    found = agreement(np.full_like(y, 0.3), y).set_index("measure")
    assert found.loc[["pearson", "spearman", "kendall"], "value"].isna().all()
    assert found.value["rmsd"] > 0
    assert found.loc["rmsd", ["low", "high"]].notna().all()


def test_constant_reference_has_no_efficiency():
    x, _ = pair()
    found = agreement(x, np.full_like(x, 0.1 + 0.2)).set_index("measure")
    assert np.isnan(found.value["nash_sutcliffe"])
    assert np.isfinite(found.value["bias"])


@pytest.mark.parametrize("interval", ["effective", "independent", "bootstrap"])
def test_every_value_lies_in_its_interval(interval):
    table = agreement(*pair(), interval=interval, rng=np.random.default_rng(1), n_resamples=200)
    assert len(table) == 16
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


def test_persistence_widens_every_interval():
    x, y = pair(400, phi=0.95)
    honest, naive = agreement(x, y), agreement(x, y, interval="independent")
    assert (honest["high"] - honest["low"] > naive["high"] - naive["low"]).all()


def test_same_seed_same_interval():
    tables = [
        agreement(*pair(), interval="bootstrap", rng=np.random.default_rng(4), n_resamples=50)
        for _ in range(2)
    ]
    assert tables[0].equals(tables[1])


def test_times_with_gaps_give_what_nan_gives():
    x, y = pair()
    keep = np.random.default_rng(2).random(200) < 0.6
    keep[[0, 1, -1]] = True
    gappy = np.where(keep, x, np.nan)
    days = np.datetime64("2020-01-01") + np.arange(200)
    one = agreement(gappy, y)
    other = agreement(x[keep], y[keep], times=days[keep])
    assert np.allclose(one[["low", "high"]], other[["low", "high"]], equal_nan=True)


def test_units_of_squares():
    table = agreement(*pair(), units="m3 m-3").set_index("measure")
    assert table.unit["msd"] == "m6 m-6"
    assert table.unit["pearson"] == "1"
    assert raised("kg m-2", 2) == "kg2 m-4"


def test_kendall_interval_covers_and_the_narrower_one_of_programs_does_not():
    rng, r = np.random.default_rng(3), 0.6
    tau, hits, narrow = 2 / np.pi * np.arcsin(r), 0, 0
    for _ in range(300):
        y, e = rng.normal(size=(2, 60))
        row = agreement(r * y + np.sqrt(1 - r**2) * e, y, interval="independent")
        row = row.set_index("measure").loc["kendall"]
        hits += row["low"] < tau < row["high"]
        narrow += abs(np.arctanh(row["value"]) - np.arctanh(tau)) < 1.96 * 0.431 / np.sqrt(57)
    assert hits / 300 > 0.92
    assert narrow / 300 < 0.86


def test_intervals_hold_the_truth_of_persistent_series():
    rng, reps, hits = np.random.default_rng(5), 150, np.zeros(2)
    for _ in range(reps):
        x, y = autoregressive(0.9, (2, 300), rng)
        table = agreement(x, y).set_index("measure")
        for i, (name, truth) in enumerate((("bias", 0.0), ("ubrmsd", np.sqrt(2.0)))):
            hits[i] += table.low[name] < truth < table.high[name]
    # binomial standard error 1.8 %
    assert (hits / reps > 0.89).all()


def test_persistence_of_noise_on_a_memory_is_found():
    rng = np.random.default_rng(6)
    slow, noise = autoregressive(0.95, (4000,), rng), rng.normal(size=4000)
    found = fit_persistence((slow + noise) / np.sqrt(2))
    assert found.share == pytest.approx(0.5, abs=0.1)
    assert found.memory == pytest.approx(0.95, abs=0.03)


def test_sizes_are_those_of_the_whole_matrix_of_correlations():
    rng = np.random.default_rng(7)
    series = autoregressive(0.8, (60,), rng)
    series[rng.random(60) < 0.4] = np.nan
    found = fit_persistence(series)
    times = np.flatnonzero(np.isfinite(series))
    apart = np.abs(times[:, None] - times)
    matrix = np.where(apart == 0, 1.0, found.share * found.memory**apart)
    assert found.size_of_mean() == pytest.approx(len(times) ** 2 / matrix.sum())
    assert found.size_of_variance() == pytest.approx(len(times) ** 2 / (matrix**2).sum())


def test_a_satellite_that_returns_every_third_day_has_a_memory_too():
    series = autoregressive(0.95, (1500,), np.random.default_rng(8))
    seen = np.where(np.arange(1500) % 3 == 0, series, np.nan)
    assert fit_persistence(seen).memory == pytest.approx(0.95, abs=0.03)
    assert fit_persistence(seen).size_of_mean() < 100


def test_uneven_times_are_laid_on_even_steps():
    x = evenly_spaced(np.array([0.0, 1.1, 1.9, 4.0]), [1.0, 2.0, 3.0, 4.0])[0]
    assert np.isfinite(x).sum() == 4
    with pytest.raises(TimeAxisError, match="occurs twice"):
        evenly_spaced([0, 1, 1], [1, 2, 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:5], y[:5]), "too few pairs"),
        (lambda x, y: (x[:-1], y), "not two series of one length"),
        (lambda x, y: (np.where(x > 0, np.inf, x), y), "infinite"),
    ],
)
def test_bad_series_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        agreement(*change(*pair()))


def test_unknown_interval_names_the_nearest():
    with pytest.raises(DataError, match="Did you mean 'bootstrap'"):
        agreement(*pair(), interval="bootstrp")
    with pytest.raises(DataError, match="source of randomness"):
        agreement(*pair(), interval="bootstrap")


def test_scores_of_predictions():
    rng = np.random.default_rng(9)
    drawn = rng.normal(0.3, 0.05, 40_000)
    exact = crps_normal(0.3, 0.05, 0.35)
    assert crps_ensemble(drawn, 0.35) == pytest.approx(exact, rel=0.02)
    assert crps_normal(0.3, 0.0, 0.35) == pytest.approx(0.05)
    assert np.isnan(crps_normal(np.nan, 1.0, 0.0))
    with pytest.raises(DataError, match="negative"):
        crps_normal(0.0, -1.0, 0.0)
    with pytest.raises(DataError, match="needs members"):
        crps_ensemble([0.1], 0.2)


def test_share_inside_knows_that_neighbours_err_together():
    rng = np.random.default_rng(10)
    shared = rng.normal(size=(300, 1)) * np.ones((1, 50))
    alone = rng.normal(size=(300, 50))
    bound = np.full((300, 50), 1.645)
    together = interval_skill(-bound, bound, shared, nominal=0.9)
    apart = interval_skill(-bound, bound, alone, nominal=0.9)
    assert together["n"] == apart["n"] == 15_000
    assert together["n_effective"] < 500
    assert apart["n_effective"] > 10_000
    assert together["picp_low"] < 0.9 < together["picp_high"]
    assert apart["width"] == pytest.approx(3.29)
    with pytest.raises(DataError, match="ends below its start"):
        interval_skill(bound, -bound, shared, nominal=0.9)
