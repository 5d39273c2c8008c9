"""Caps: as a prior, in the importance sampler, and what they refuse."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, InputError
from headwater.isotopes.mixing.composition import compose, compose_each, compose_stated
from headwater.isotopes.mixing.evaporated_water import mix_evaporated
from headwater.isotopes.mixing.hierarchical import contribution_draws
from headwater.isotopes.mixing.posterior import mix_posterior
from headwater.isotopes.mixing.priors import capped_prior, clr_prior, dirichlet_prior

TRACERS, NAMES = ["d18O", "d2H"], ("rain", "ice", "snow")


def rng(seed=0):
    return np.random.default_rng(seed)


def sources(r=0.9):
    table = pd.DataFrame(
        {
            "source": NAMES,
            "d18O": [-10.0, -15.0, -18.0],
            "d18O_sd": 1.0,
            "d2H": [-70.0, -118.0, -130.0],
            "d2H_sd": 8.0,
            "n": 40,
        }
    )
    return compose_stated(table, TRACERS, correlation={k: [[1, r], [r, 1]] for k in NAMES})


def soil(n=20):
    values = rng(1).normal([-13.0, -98.0], [0.8, 6.0], (2 * n, 2))
    frame = pd.DataFrame(values, columns=TRACERS).assign(site=np.repeat(["a", "b"], n))
    return compose(frame, TRACERS, by=["site"])


def posterior(caps, draws=20_000, kept=4000, base=None):
    base = base or dirichlet_prior([1, 1, 1])
    prior = capped_prior(base, NAMES, caps) if caps else base
    return mix_posterior(sources(), soil(), rng=rng(), prior=prior, n_resamples=draws, n_kept=kept)


@pytest.mark.parametrize("base", [dirichlet_prior([1, 1, 1]), clr_prior(3)], ids=lambda p: p.kind)
@pytest.mark.parametrize("caps", [{"rain": 0.4}, {"rain": 0.5, "ice": 0.45}, {"rain": 0.35}])
def test_posterior_is_that_without_caps_cut(caps, base):
    whole, cut = posterior({}, 200_000, 200_000, base), posterior(caps, base=base)
    limits = np.array([caps.get(name, 1.0) for name in NAMES])
    assert (cut.draws <= limits).all()
    for g in range(2):
        kept = whole.draws[g][(whole.draws[g] <= limits).all(axis=1)]
        rows = cut.data.iloc[3 * g : 3 * g + 3]
        assert len(kept) > 1000
        assert rows["fraction"].to_numpy() == pytest.approx(kept.mean(axis=0), abs=0.008)
        assert rows["sd"].to_numpy() == pytest.approx(kept.std(axis=0), rel=0.08)
    assert cut.data["pareto_k"].max() < 0.7


def test_caps_that_cut_nothing_change_nothing():
    free, loose = posterior({}), posterior({"rain": 0.95})
    assert loose.data["fraction"].to_numpy() == pytest.approx(free.data["fraction"], abs=0.004)
    assert "rain at most 0.95" in " ".join(loose.choices)


def test_evaporated_mixtures_take_caps_too():
    water = compose_each(
        pd.DataFrame({"d18O": [-9.0], "d2H": [-70.0], "d18O_sd": 0.1, "d2H_sd": 0.5}), TRACERS
    )
    prior = capped_prior(dirichlet_prior([1, 1, 1]), NAMES, {"rain": 0.6})
    post = mix_evaporated(sources(), water, rng=rng(), prior=prior)
    assert post.draws[0, :, 0].max() <= 0.6


def test_samples_that_ask_for_more_than_the_cap_are_told():
    post = posterior({"rain": 0.2})
    assert post.draws[..., 0].max() <= 0.2
    assert "cap of rain (0.2) holds its fraction in 2 of 2 groups" in " ".join(post.cautions)
    assert "holds" not in " ".join(posterior({"rain": 0.6}).cautions)


@pytest.mark.parametrize(
    ("caps", "error", "said"),
    [
        ({"rian": 0.3}, InputError, "no such source.*Did you mean 'rain'"),
        ({"rain": 0.2, "ice": 0.3, "snow": 0.4}, DataError, "do not fill the mixture.*0.9"),
        ({"rain": 0.0}, DataError, "cap of rain must be above 0"),
        ({"rain": float("nan")}, DataError, "cap of rain must be above 0"),
    ],
)
def test_wrong_caps(caps, error, said):
    with pytest.raises(error, match=said):
        capped_prior(dirichlet_prior([1, 1, 1]), NAMES, caps)


def test_prior_against_its_caps():
    prior = capped_prior(dirichlet_prior([900, 50, 50]), NAMES, {"rain": 0.1})
    with pytest.raises(DataError, match="contradict each other"):
        prior.draw(10, rng())


def test_draws_of_independent_groups_are_joined_by_their_size():
    post = posterior({})
    groups, draws = contribution_draws(post)
    assert groups["mixture"].tolist() == ["a", "b"]
    assert draws == pytest.approx(post.draws)
    assert contribution_draws(post, by=[])[1][0] == pytest.approx(post.draws.mean(axis=0))
