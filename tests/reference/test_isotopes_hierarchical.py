"""The hierarchical engine against numpyro's and MixSIAR's posteriors, and its own refusals.

Provenance: ``tests/data/reference/isotopes/mix250_numpyro.json`` (the same model written in numpyro
0.22's own language, the tight target) and ``mix250_mixsiar_expected.json`` (MixSIAR 3.1.12, 3 x
3000 iterations, not converged, so 0.3 sd). Each model compiles once, in about 8 s of one core; fits
that several tests look at are made once.
"""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, InputError, StudyError
from headwater.isotopes.mixing.composition import compose_stated
from headwater.isotopes.mixing.hierarchical import (
    Effects,
    contribution_draws,
    hierarchical_contributions,
    mix_hierarchical,
)
from headwater.isotopes.mixing.hierarchical_checks import (
    grouped_kfold,
    leave_one_out,
    predictive_check,
    prior_check,
)
from headwater.isotopes.mixing.priors import capped_prior, dirichlet_prior

CASES = Path(__file__).parents[1] / "data" / "reference" / "isotopes"
EXTRA = all(find_spec(name) for name in ("numpyro", "arviz_stats"))
needs_extra = pytest.mark.skipif(not EXTRA, reason="the extra bayes is not installed")


def sources(tracers=("d18O", "dexcess")):
    return compose_stated(
        pd.DataFrame(
            {
                "source": ["precipitation", "ground_ice", "snow_melt"],
                tracers[0]: [-11.0, -14.0, -16.0],
                f"{tracers[0]}_sd": [1.5, 1.0, 1.2],
                tracers[1]: [8.0, 2.0, 14.0],
                f"{tracers[1]}_sd": [2.0, 1.5, 2.0],
                "n": [100, 66, 27],
            }
        ),
        tracers,
    )


def fresh():
    return np.random.default_rng(0)


def simulated(n=240, seed=0):
    """Fractions that fall with elevation and differ by month, known."""
    rng = np.random.default_rng(seed)
    ends = sources()
    frame = pd.DataFrame(
        {
            "month": rng.integers(0, 4, n),
            "site": rng.integers(0, 3, n),
            "elevation": rng.choice([3600.0, 4000.0, 4400.0], n),
        }
    )
    shift = np.array([0.6, 0.0, -0.4, -0.2])[frame["month"]]
    log = np.stack(
        [1.2 + shift - (frame["elevation"] - 4000) / 400 * 0.4, np.zeros(n), np.full(n, -0.3)]
    )
    f = (np.exp(log) / np.exp(log).sum(axis=0)).T
    noise = rng.normal(size=(n, 3, 2)) * np.sqrt(ends.covariance.diagonal(axis1=1, axis2=2))
    values = np.einsum("nk,nkt->nt", f, ends.mean + noise)
    return frame.assign(d18O=values[:, 0], dexcess=values[:, 1])


def test_absent_extra_is_named():
    if EXTRA:
        pytest.skip("the extra bayes is installed")
    with pytest.raises(StudyError, match=r"headwater\[bayes\]"):
        mix_hierarchical(sources(), simulated(), Effects(("month",)), rng=fresh())


SHORT = (100, 100, 2)


@pytest.fixture(scope="module")
def mixsiar_fit():
    samples = pd.read_csv(CASES / "mix250_mixtures.csv")
    return mix_hierarchical(sources(), samples, Effects(("group",)), rng=fresh())


@pytest.fixture(scope="module")
def by_height():
    effects = Effects(("month",), (("site", "month"),), ("elevation",))
    return mix_hierarchical(
        sources(),
        simulated(),
        effects,
        rng=fresh(),
        residual="process",
        tau_scale=0.5,
    )


@needs_extra
@pytest.mark.slow
def test_mixsiar_model(mixsiar_fit):
    case = json.loads((CASES / "mix250_numpyro.json").read_text())["mixsiar"]
    found = mixsiar_fit.data["fraction"].to_numpy().reshape(10, 3)
    mean, sd = (np.array(case["posterior_p"][key]) for key in ("mean", "sd"))
    assert (np.abs(found - mean) < 0.1 * sd).all()
    assert mixsiar_fit.data["sd"].to_numpy().reshape(10, 3) == pytest.approx(sd, rel=0.08)
    overall = mixsiar_fit.overall["fraction"].to_numpy()
    assert overall == pytest.approx(case["p_global"]["mean"], abs=0.01)
    assert mixsiar_fit.divergences == 0
    assert mixsiar_fit.diagnostics["r_hat"].max() <= 1.01


@needs_extra
@pytest.mark.slow
def test_scores_and_checks_of_a_fit(mixsiar_fit):
    score = leave_one_out(mixsiar_fit)
    assert score.se > 0.0
    assert len(score.data) == 250
    checks = predictive_check(mixsiar_fit, rng=fresh())
    assert checks["p"].between(0.01, 0.99).all()


@needs_extra
@pytest.mark.slow
def test_nested_and_continuous_effects_are_found(by_height):
    rain = by_height.data[by_height.data["source"] == "precipitation"]
    assert rain.groupby("elevation")["fraction"].mean().is_monotonic_decreasing
    assert {"tau month", "tau site in month"} <= set(by_height.parameters["parameter"])


@needs_extra
@pytest.mark.slow
def test_contributions_by_any_of_the_effects(by_height):
    every = hierarchical_contributions(by_height)
    assert list(every.columns) == [
        "month",
        "site",
        "elevation",
        "source",
        "mean",
        "sd",
        "lower",
        "upper",
        "n",
        "method",
    ]
    assert every["mean"].to_numpy() == pytest.approx(by_height.data["fraction"].to_numpy())
    month = hierarchical_contributions(by_height, by=["month"])
    cells = every.assign(part=every["mean"] * every["n"]).groupby(["month", "source"])
    expected = cells["part"].sum() / cells["n"].sum()
    found = month.set_index(["month", "source"])
    assert found["mean"].to_numpy() == pytest.approx(expected.loc[found.index].to_numpy())
    assert found["n"].groupby("month").first().sum() == 240
    # A mean of cells is surer than its cells.
    assert month["sd"].mean() < every["sd"].mean()
    groups, draws = contribution_draws(by_height, by=[])
    assert groups["n"].tolist() == [240]
    assert draws.sum(axis=2) == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(InputError, match=r"no such effect.*'mont'.*Did you mean 'month'"):
        contribution_draws(by_height, by=["mont"])


@needs_extra
@pytest.mark.slow
def test_evaporation_inside_the_model():
    rng = np.random.default_rng(2)
    ends = compose_stated(
        pd.DataFrame(
            {
                "source": ["rain", "ice"],
                "d18O": [-9.0, -17.0],
                "d18O_sd": 0.6,
                "d2H": [-62.0, -126.0],
                "d2H_sd": 4.8,
                "n": 60,
            }
        ),
        ["d18O", "d2H"],
        correlation={name: [[1, 0.95], [0.95, 1]] for name in ("rain", "ice")},
    )
    share = np.repeat([0.7, 0.4, 0.55], 15)
    made = np.stack([share * -9 + (1 - share) * -17, share * -62 + (1 - share) * -126], axis=1)
    made = made + 2.0 * np.array([1.0, 4.5]) + rng.normal(0, [0.3, 1.5], (45, 2))
    frame = pd.DataFrame(made, columns=["d18O", "d2H"]).assign(month=np.repeat([6, 8, 9], 15))
    post = mix_hierarchical(
        ends,
        frame,
        Effects(("month",)),
        rng=fresh(),
        evaporation=(4.5, 0.2),
        residual="process_residual",
        length=(1000, 1500, 4),
    )
    rain = post.data[post.data["source"] == "rain"]
    assert ((rain["low"] <= [0.7, 0.4, 0.55]) & (rain["high"] >= [0.7, 0.4, 0.55])).all()
    enriched = post.parameters[post.parameters["parameter"].str.startswith("enrichment")]
    assert enriched["mean"].to_numpy() == pytest.approx([2.0, 2.0, 2.0], abs=1.0)


@needs_extra
@pytest.mark.slow
def test_caps_cut_the_posterior():
    frame, effects = simulated(120), Effects()
    whole = mix_hierarchical(sources(), frame, effects, rng=fresh())
    limit = round(float(np.median(whole.draws[0][:, 0])), 3)
    prior = capped_prior(dirichlet_prior([1, 1, 1]), sources().labels, {"precipitation": limit})
    cut = mix_hierarchical(sources(), frame, effects, rng=fresh(), prior=prior)
    kept = whole.draws[0][whole.draws[0][:, 0] <= limit]
    assert cut.draws[..., 0].max() <= limit
    assert cut.data["fraction"].to_numpy() == pytest.approx(kept.mean(axis=0), abs=0.004)
    assert cut.data["sd"].to_numpy() == pytest.approx(kept.std(axis=0), rel=0.15)
    assert any("precipitation at most" in said for said in cut.choices)
    assert "cap of precipitation" in cut.cautions[0]


@needs_extra
@pytest.mark.slow
def test_unconverged_chains_give_no_fractions():
    with pytest.raises(DataError, match=r"have not converged.*(R-hat|effective draws)"):
        mix_hierarchical(
            sources(),
            simulated(120),
            Effects(("month",)),
            rng=fresh(),
            length=SHORT,
        )


@needs_extra
@pytest.mark.slow
def test_held_out_groups():
    frame = simulated(120)
    score = grouped_kfold(
        sources(),
        frame,
        Effects(("month",)),
        by="month",
        folds=2,
        rng=fresh(),
        length=SHORT,
    )
    assert np.isfinite(score.elpd)
    assert score.data.groupby(frame["month"])["fold"].nunique().eq(1).all()
    with pytest.raises(InputError, match="Did you mean 'month'"):
        grouped_kfold(sources(), frame, Effects(("month",)), by="mont", rng=fresh())


@needs_extra
def test_prior_alone():
    frame, effects = simulated(120), Effects(("month",))
    prior = prior_check(sources(), frame, effects, rng=fresh(), n_resamples=4000).set_index(
        "quantity"
    )
    assert prior.loc["snow_melt", "mean"] == pytest.approx(1 / 3, abs=0.02)
    capped = capped_prior(dirichlet_prior([1, 1, 1]), sources().labels, {"snow_melt": 0.5})
    cut = prior_check(
        sources(), frame, effects, rng=fresh(), n_resamples=4000, prior=capped
    ).set_index("quantity")
    assert cut.loc["snow_melt", "high"] <= 0.5


@needs_extra
def test_missing_tracers_are_named():
    frame = simulated(20)
    frame.loc[4, "d18O"] = np.nan
    with pytest.raises(DataError, match=r"lack a tracer or an effect \(row 4\)"):
        mix_hierarchical(sources(), frame, Effects(("month",)), rng=fresh())
