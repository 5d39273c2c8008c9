"""Fractions near 0 and 1, residuals with a covariance, cautions of groups that say nothing."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, StudyError
from headwater.isotopes.mixing.composition import check_tracers, compose, compose_stated
from headwater.isotopes.mixing.posterior import mix_posterior
from headwater.isotopes.mixing.priors import boundary_prior, dirichlet_prior

TRACERS = ["d18O", "d2H"]
NAMES = ["rain", "ice", "snow"]
CORNERS = np.array([[-10.0, -70.0], [-15.0, -118.0], [-18.0, -130.0]])


def fresh(seed=0):
    return np.random.default_rng(seed)


def ends(k=3):
    table = pd.DataFrame(CORNERS[:k], columns=TRACERS).assign(
        source=NAMES[:k], d18O_sd=1.0, d2H_sd=8.0, n=60
    )
    near = {name: [[1.0, 0.9], [0.9, 1.0]] for name in NAMES}
    return compose_stated(table, TRACERS, correlation=near)


def water(point, n, seed=1):
    values = fresh(seed).normal(point, [0.4, 3.0], (n, 2))
    return pd.DataFrame(values, columns=TRACERS).assign(site="a")


@pytest.mark.parametrize("residual", ["process", "residual", "both"])
@pytest.mark.parametrize("prior", [dirichlet_prior, boundary_prior])
def test_equivalent_tracers_give_the_same_fractions(residual, prior):
    rows = water([-13.0, -98.0], 12)
    samples = pd.DataFrame(
        fresh(2).multivariate_normal([0, 0], [[1, 7], [7, 60]], 60), columns=TRACERS
    )
    samples += np.repeat(CORNERS, 20, axis=0)
    samples["water"] = np.repeat(NAMES, 20)
    answers = [
        mix_posterior(
            compose(samples, pair),
            compose(rows, pair, by=["site"]),
            rng=fresh(),
            prior=prior([1, 1, 1]),
            residual=residual,
        ).data
        for pair in (["d18O", "d2H"], ["d18O", "d_excess"])
    ]
    for name in ("fraction", "low", "high"):
        assert answers[0][name].to_numpy() == pytest.approx(answers[1][name].to_numpy(), abs=1e-6)


def test_a_boundary_prior_reaches_the_corner_and_a_flat_one_does_not():
    pure = compose(water(CORNERS[0], 30), TRACERS, by=["site"])
    how = {"residual": "residual", "n_resamples": 4000}
    flat = mix_posterior(ends(), pure, rng=fresh(), prior=dirichlet_prior([1, 1, 1]), **how).data
    free = mix_posterior(ends(), pure, rng=fresh(), prior=boundary_prior([1, 1, 1]), **how).data
    assert flat["high"].iloc[0] < 1.0
    assert flat["low"].iloc[1] > 0.0
    assert free["high"].iloc[0] == 1.0
    assert (free["low"].iloc[1:] == 0.0).all()
    assert free["fraction"].iloc[0] > flat["fraction"].iloc[0] + 0.02
    assert free["fraction"].sum() == pytest.approx(1.0)


def test_the_middle_of_the_simplex_is_no_corner():
    middle = compose(water(CORNERS.mean(axis=0), 30), TRACERS, by=["site"])
    free = mix_posterior(
        ends(), middle, rng=fresh(), prior=boundary_prior([1, 1, 1]), residual="residual"
    )
    assert (free.draws > 0.0).all()
    assert free.data["fraction"].to_numpy() == pytest.approx(1 / 3, abs=0.1)


def test_evidence_of_sets_is_that_of_a_grid():
    # two sources, one tracer, a residual of the sources alone: the evidence by quadrature
    table = pd.DataFrame({"source": NAMES[:2], "d18O": [-10.0, -12.0], "d18O_sd": 1.0, "n": 50})
    two = compose_stated(table, ["d18O"])
    one = pd.DataFrame({"source": ["w"], "d18O": [-10.6], "d18O_sd": [0.0], "n": [1]})
    mixture = compose_stated(one, ["d18O"])
    post = mix_posterior(
        two, mixture, rng=fresh(), prior=boundary_prior([1, 1]), residual="process", n_kept=20_000
    )
    p = (np.arange(4000) + 0.5) / 4000
    parts = np.stack([p, 1.0 - p])
    variance = (parts**2).sum(axis=0) * (1.0 + 1.0 / 50)
    centre = parts[0] * -10.0 + parts[1] * -12.0

    def density(mean, var):
        return np.exp(-0.5 * (-10.6 - mean) ** 2 / var) / np.sqrt(var)

    whole = density(centre, variance).mean()
    corners = [density(-12.0, 1.02), density(-10.0, 1.02)]
    chance = np.array([*corners, whole]) / (sum(corners) + whole)
    rain = post.draws[0, :, 0]
    assert (rain == 0.0).mean() == pytest.approx(chance[0], abs=0.015)
    assert (rain == 1.0).mean() == pytest.approx(chance[1], abs=0.015)


def test_a_group_whose_posterior_is_the_prior_is_named():
    near = pd.DataFrame({"source": NAMES[:2], "d18O": [-10.0, -10.2], "d18O_sd": 2.0, "n": 10})
    one = compose(pd.DataFrame({"d18O": [-10.1], "site": ["a"]}), ["d18O"], by=["site"])
    post = mix_posterior(compose_stated(near, ["d18O"]), one, rng=fresh(), residual="residual")
    assert any("posterior of a is the prior" in text for text in post.cautions)
    far = mix_posterior(
        ends(), compose(water(CORNERS[0], 30), TRACERS, by=["site"]), rng=fresh(), residual="both"
    )
    assert not any("is the prior" in text for text in far.cautions)


def test_one_sample_moves_fractions_of_sources_that_lie_apart():
    one = compose(
        pd.DataFrame([[-10.0, -70.0]], columns=TRACERS).assign(site="a"), TRACERS, by=["site"]
    )
    post = mix_posterior(
        ends(2), one, rng=fresh(), prior=dirichlet_prior([1, 1]), residual="residual"
    )
    rain = post.data.iloc[0]
    assert rain["fraction"] > 0.7
    assert rain["high"] - rain["low"] < 0.75


def test_a_mixture_off_the_line_of_two_sources_is_a_misfit():
    off = compose(water([-10.0, -120.0], 20), TRACERS, by=["site"])
    post = mix_posterior(ends(2), off, rng=fresh(), residual="residual")
    assert any("do not fit" in text and "standard deviations" in text for text in post.cautions)
    on = compose(water([-12.5, -94.0], 20), TRACERS, by=["site"])
    fine = mix_posterior(ends(2), on, rng=fresh(), residual="residual")
    assert not any("do not fit" in text for text in fine.cautions)


def test_concentrations_weigh_the_sources():
    # f q / Σ f q: half of each water, of which the first holds three times as much
    table = pd.DataFrame({"source": NAMES[:2], "Cl": [1.0, 5.0], "Cl_sd": 0.05, "n": 50})
    salt = compose_stated(table, ["Cl"])
    mixed = pd.DataFrame({"Cl": 2.0 + 0.02 * fresh().standard_normal(40), "site": "a"})
    q = {"rain": 3.0, "ice": 1.0}
    post = mix_posterior(
        salt, compose(mixed, ["Cl"], by=["site"]), rng=fresh(), residual="residual", concentration=q
    )
    assert post.data["fraction"].iloc[0] == pytest.approx(0.5, abs=0.03)


def test_tracers_that_are_computed_from_others_are_refused_within_rounding():
    rows = water([-12.0, -90.0], 40).round({"d18O": 2, "d2H": 1})
    printed = rows.assign(d_excess=(rows["d2H"] - 8 * rows["d18O"]).round(1))
    with pytest.raises(DataError, match="d_excess is computed from d18O, d2H"):
        check_tracers(printed, [*TRACERS, "d_excess"])
    own = printed.assign(EC=fresh().normal(100, 20, 40).round(0))
    check_tracers(own, ["d18O", "d2H", "EC"])


def test_what_cannot_be_asked_is_named():
    with pytest.raises(DataError, match="too many sets"):
        boundary_prior(np.ones(7))
    with pytest.raises(StudyError, match="residual_sd names no tracer"):
        mix_posterior(
            ends(),
            compose(water([-13.0, -98.0], 9), TRACERS, by=["site"]),
            rng=fresh(),
            residual="both",
            residual_sd={"d18o": 1.0},
        )
