"""MIX: the published claims of Carrera et al. (2004), reproduced by simulation.

Provenance: Carrera, Vazquez-Sune, Castillo & Sanchez-Vila (2004), Water Resour. Res. 40:W12101,
application 2 (Table 3: three end members, five species, standard deviation of the mixtures 4; two
levels of noise of the end members) and application 1 (Tables 1 and 2: river and sea, Cl and SO4).
The paper's figures come from one realisation; medians over 30 are compared here, so that bands are
a little wider than the printed ones.
"""

from functools import cache

import numpy as np
import pytest

from headwater.isotopes.mixing.closed_form import simplex_fractions
from headwater.isotopes.mixing.mix_model import estimate_end_members, improvement_index

TRUE = np.array([[500.0, 700, 100, 800, 200], [100, 100, 400, 200, 700], [700, 400, 900, 500, 50]])
NOISE = {
    "low": np.array([[100.0, 100, 50, 100, 50], [50, 50, 100, 50, 100], [100, 100, 100, 100, 25]]),
    "high": np.array([[200.0, 200, 75, 200, 75], [75, 75, 200, 75, 200], [200, 200, 200, 200, 30]]),
}
ERROR = 4.0


def once(n, sd, seed):
    """Correlations of least squares and MIX with the truth, mean errors, improvement index."""
    rng = np.random.default_rng(seed)
    f = rng.dirichlet(np.ones(3), n)
    y = f @ TRUE + rng.normal(0, ERROR, (n, 5))
    measured = TRUE + rng.normal(0, sd)
    plain = simplex_fractions(measured, y)
    found, ends, _ = estimate_end_members(measured, y, source_sd=sd, mixture_sd=[ERROR] * 5)
    r = [np.corrcoef(guess.ravel(), f.ravel())[0, 1] for guess in (plain, found)]
    off = [np.abs(guess - f).mean() for guess in (plain, found)]
    return (*r, *off, improvement_index(ends, TRUE, sd))


@cache
def median(n, noise):
    return np.median([once(n, NOISE[noise], seed) for seed in range(30)], axis=0)


@pytest.mark.slow
def test_least_squares_correlations_are_the_published_ones():
    assert 0.96 <= median(50, "low")[0] <= 0.99  # published 0.97-0.98
    assert 0.90 <= median(50, "high")[0] <= 0.96  # published 0.93-0.94


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["low", "high"])
def test_least_squares_does_not_improve_with_more_samples_and_mix_does(noise):
    few, many = median(10, noise), median(100, noise)
    assert abs(many[0] - few[0]) < 0.02
    assert many[1] > few[1]
    assert many[3] < 0.85 * few[3]  # mean error of MIX falls
    assert many[2] > 0.85 * few[2]  # that of least squares does not


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["low", "high"])
@pytest.mark.parametrize("n", [4, 20, 50, 100])
def test_mix_beats_least_squares(n, noise):
    plain, found, plain_error, found_error, _ = median(n, noise)
    assert found > plain
    assert found_error < plain_error


@pytest.mark.slow
def test_mix_correlation_is_above_099_with_enough_samples():
    for n in (20, 50, 100):
        assert median(n, "low")[1] > 0.985


@pytest.mark.slow
def test_improvement_index_grows_from_about_three_to_about_eight():
    index = [median(n, "low")[4] for n in (4, 20, 100)]
    assert 2.0 < index[0] < 5.0
    assert index[0] < index[1] < index[2]
    assert 4.0 < index[2] < 12.0


@pytest.mark.slow
def test_mix_does_not_care_for_the_noise_of_end_members_when_samples_are_many():
    low, high = median(100, "low"), median(100, "high")
    assert abs(low[1] - high[1]) < abs(low[0] - high[0])


def test_river_and_sea_are_defined_by_more_samples():
    true = np.array([[478.0, 244.0], [21050.0, 2910.0]])
    sd = np.array([[200.0, 150.0], [1000.0, 1000.0]])

    def off(n):
        found = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            y = rng.dirichlet(np.ones(2), n) @ true + rng.normal(0, [600.0, 400.0], (n, 2))
            ends = estimate_end_members(
                true + rng.normal(0, sd), y, source_sd=sd, mixture_sd=[600.0, 400.0]
            )[1]
            assert ends.min() > -300.0
            found.append(np.mean(np.abs(ends - true) / sd))
        return np.median(found)

    assert off(50) < off(4)
