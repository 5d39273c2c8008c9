"""What must hold for any sources and any mixture."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, nnls
from scipy.special import gammaln

from headwater.isotopes.mixing.bounds import fraction_bounds
from headwater.isotopes.mixing.closed_form import (
    exact_fractions,
    fraction_covariance,
    simplex_fractions,
)
from headwater.isotopes.mixing.evaporated_water import EnrichmentPrior
from headwater.isotopes.mixing.importance_sampling import truncated_normal
from headwater.isotopes.mixing.priors import clr_prior, dirichlet_prior, ilr_basis
from headwater.isotopes.mixing.source_checks import in_polygon

seeds = st.integers(0, 10_000)
few = settings(deadline=None)


def problem(seed, k, t, n=20):
    rng = np.random.default_rng(seed)
    sources = rng.normal(0, 5, (k, t))
    if k > 1:
        gaps = np.linalg.svd(sources - sources.mean(axis=0), compute_uv=False)
        assume(gaps[min(k - 1, t) - 1] > 0.5)
    return rng, sources, rng.normal(0, 6, (n, t))


@given(seed=seeds, k=st.integers(2, 5), extra=st.integers(0, 2))
@few
def test_simplex_equals_nnls(seed, k, extra):
    _, s, y = problem(seed, k, k - 1 + extra, n=8)
    found = simplex_fractions(s, y)
    stacked = np.vstack([s.T, 1e5 * np.ones(k)])
    oracle = np.array([nnls(stacked, np.append(row, 1e5))[0] for row in y])
    assert found.sum(axis=1) == pytest.approx(np.ones(8), abs=1e-9)
    assert found.min() >= 0.0
    gap = np.linalg.norm(y - found @ s, axis=1) - np.linalg.norm(y - oracle @ s, axis=1)
    assert gap.max() < 1e-4


@given(seed=seeds)
@few
def test_answer_does_not_depend_on_the_choice_of_tracers(seed):
    rng, s, y = problem(seed, 3, 2)
    a = rng.normal(size=(2, 2))
    assume(abs(np.linalg.det(a)) > 0.1)
    cov = np.array([[1.0, 0.3], [0.3, 0.5]])
    assert simplex_fractions(s @ a.T, y @ a.T, covariance=a @ cov @ a.T) == pytest.approx(
        simplex_fractions(s, y, covariance=cov), abs=1e-6
    )


@given(seed=seeds)
@few
def test_order_and_shift_do_not_matter(seed):
    rng, s, y = problem(seed, 4, 3)
    order = rng.permutation(4)
    assert simplex_fractions(s[order] + 7.0, y + 7.0) == pytest.approx(
        simplex_fractions(s, y)[:, order], abs=1e-7
    )


@given(seed=seeds)
@few
def test_paired_sources_that_are_all_the_same_change_nothing(seed):
    _, s, y = problem(seed, 3, 2)
    paired = np.broadcast_to(s, (len(y), 3, 2))
    assert simplex_fractions(paired, y) == pytest.approx(simplex_fractions(s, y), abs=1e-9)
    assert exact_fractions(paired, y) == pytest.approx(exact_fractions(s, y), abs=1e-9)


@given(seed=seeds, k=st.integers(2, 4))
@few
def test_mixtures_that_were_made_are_unmade(seed, k):
    rng, s, _ = problem(seed, k, k - 1)
    f = rng.dirichlet(np.ones(k), 10)
    assert exact_fractions(s, f @ s) == pytest.approx(f, abs=1e-6)
    assert simplex_fractions(s, f @ s) == pytest.approx(f, abs=1e-6)


@given(seed=seeds)
@few
def test_caps_are_kept_and_cost_distance(seed):
    rng, s, y = problem(seed, 3, 2)
    caps = rng.dirichlet(np.ones(3)) + 0.15
    held, free = simplex_fractions(s, y, caps=caps), simplex_fractions(s, y)
    assert (held <= np.minimum(caps, 1) + 1e-9).all()
    assert held.sum(axis=1) == pytest.approx(np.ones(len(y)), abs=1e-9)
    off = [np.linalg.norm(y - f @ s, axis=1) for f in (held, free)]
    assert (off[0] >= off[1] - 1e-8).all()


@given(seed=seeds, k=st.integers(3, 6))
@few
def test_bounds_equal_the_linear_programmes(seed, k):
    rng, s, _ = problem(seed, k, 2)
    y = rng.dirichlet(np.ones(k), 3) @ s
    low, high = fraction_bounds(s, y)
    for row in range(3):
        for i in range(k):
            for sign, found in ((1, low), (-1, high)):
                best = linprog(
                    sign * np.eye(k)[i],
                    A_eq=np.vstack([s.T, np.ones(k)]),
                    b_eq=np.append(y[row], 1.0),
                    bounds=(0, 1),
                )
                assert sign * best.fun == pytest.approx(found[row, i], abs=1e-6)


@given(seed=seeds, k=st.integers(3, 6))
@few
def test_inside_the_polygon_is_where_bounds_exist(seed, k):
    _, s, y = problem(seed, k, 2)
    assert (in_polygon(s, y) == np.isfinite(fraction_bounds(s, y)[0][:, 0])).all()


@given(seed=seeds)
@settings(max_examples=8, deadline=None)
def test_first_order_errors_are_those_of_a_simulation(seed):
    rng, s, _ = problem(seed, 3, 2)
    f = np.array([0.5, 0.3, 0.2])
    area = abs(np.linalg.det(s[1:] - s[0]))
    assume(area > 15.0)
    root = rng.normal(0, 0.05, (3, 2, 2))
    noise = root @ np.swapaxes(root, 1, 2) + 1e-4 * np.eye(2)
    var = fraction_covariance(s, f[None], mixture_covariance=noise[0], source_covariance=noise)[0]
    draws = s + np.einsum(
        "ktu,dku->dkt", np.linalg.cholesky(noise), rng.normal(size=(20_000, 3, 2))
    )
    y = f @ s + rng.normal(size=(20_000, 2)) @ np.linalg.cholesky(noise[0]).T
    made = np.cov(exact_fractions(draws, y).T)
    assert np.sqrt(made.diagonal()) == pytest.approx(np.sqrt(var.diagonal()), rel=0.08)


@given(seed=seeds, k=st.integers(2, 5))
@few
def test_priors_in_log_ratios_integrate_as_their_draws(seed, k):
    rng = np.random.default_rng(seed)
    basis = ilr_basis(k)
    assert basis.sum(axis=0) == pytest.approx(np.zeros(k - 1), abs=1e-12)
    z = rng.normal(size=(k - 1, 5))
    log_p = basis @ z
    log_p = log_p - np.log(np.exp(log_p).sum(axis=0))
    ratio = dirichlet_prior(np.full(k, 2.0)).log_density(z, log_p)
    # Dirichlet density times the Jacobian of the coordinates, which integrates to 1
    norm = gammaln(2.0 * k) - k * gammaln(2.0) + 0.5 * np.log(k)
    assert ratio == pytest.approx(2.0 * log_p.sum(axis=0) + norm)
    same = clr_prior(k).log_density(z, log_p)
    assert same == pytest.approx(-0.5 * (z**2).sum(axis=0))


@given(mean=st.floats(-30, 30), low=st.floats(-3, 3), width=st.floats(0.1, 5))
@few
def test_truncated_normals_stay_within_their_bounds(mean, low, width):
    rng = np.random.default_rng(0)
    draws, _, _ = truncated_normal(np.full(50, mean), np.ones(50), (low, low + width), rng)
    assert (draws >= low).all()
    assert (draws <= low + width).all()


def test_enrichment_prior_bounds():
    assert EnrichmentPrior().bounds == (0.0, 15.0)
    assert EnrichmentPrior("gamma", 2.0, 1.0).bounds == (0.0, float("inf"))
