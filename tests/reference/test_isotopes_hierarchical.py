"""The hierarchical engine against numpyro's and MixSIAR's posteriors, and its own refusals.

Provenance: ``shared/cases/isotopes/mix250_numpyro.json`` (numpyro 0.22, the tight target) and
``mix250_mixsiar_expected.json`` (MixSIAR 3.1.12, not converged: groups only, 0.2 sd).
"""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, StudyError
from headwater.isotopes.bayes_hierarchical import (
    Effects,
    grouped_kfold,
    hierarchical_posterior,
    leave_one_out,
    predictive_check,
    prior_check,
)
from headwater.isotopes.composition import compose_stated

CASES = Path(__file__).parents[3] / "shared" / "cases" / "isotopes"
EXTRA = all(find_spec(name) for name in ("numpyro", "arviz_stats"))
needs_extra = pytest.mark.skipif(not EXTRA, reason="the extra bayes is not installed")
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="reference cases are not at hand")


def sources(tracers=("d18O", "dexcess")):
    return compose_stated(
        pd.DataFrame({"source": ["precipitation", "ground_ice", "snow_melt"],
                      tracers[0]: [-11.0, -14.0, -16.0], f"{tracers[0]}_sd": [1.5, 1.0, 1.2],
                      tracers[1]: [8.0, 2.0, 14.0], f"{tracers[1]}_sd": [2.0, 1.5, 2.0],
                      "n": [100, 66, 27]}), tracers,
    )  # fmt: skip


def simulated(n=240, seed=0):
    """Fractions that fall with elevation and differ by month, known."""
    rng = np.random.default_rng(seed)
    ends = sources()
    frame = pd.DataFrame({"month": rng.integers(0, 4, n), "site": rng.integers(0, 3, n),
                          "elevation": rng.choice([3600.0, 4000.0, 4400.0], n)})  # fmt: skip
    shift = np.array([0.6, 0.0, -0.4, -0.2])[frame["month"]]
    log = np.stack([1.2 + shift - (frame["elevation"] - 4000) / 400 * 0.4, np.zeros(n),
                    np.full(n, -0.3)])  # fmt: skip
    f = (np.exp(log) / np.exp(log).sum(axis=0)).T
    noise = rng.normal(size=(n, 3, 2)) * np.sqrt(ends.covariance.diagonal(axis1=1, axis2=2))
    values = np.einsum("nk,nkt->nt", f, ends.mean + noise)
    return frame.assign(d18O=values[:, 0], dexcess=values[:, 1])


def test_absent_extra_is_named():
    if EXTRA:
        pytest.skip("the extra bayes is installed")
    with pytest.raises(StudyError, match=r"headwater\[bayes\]"):
        hierarchical_posterior(sources(), simulated(), Effects(("month",)))


@needs_extra
@needs_cases
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mixsiar_model():
    samples = pd.read_csv(CASES / "mix250_mixtures.csv")
    post = hierarchical_posterior(sources(), samples, Effects(("group",)))
    case = json.loads((CASES / "mix250_numpyro.json").read_text())["mixsiar"]
    found = post.data["fraction"].to_numpy().reshape(10, 3)
    mean, sd = (np.array(case["posterior_p"][key]) for key in ("mean", "sd"))
    assert (np.abs(found - mean) < 0.1 * sd).all()
    assert post.data["sd"].to_numpy().reshape(10, 3) == pytest.approx(sd, rel=0.08)
    overall = post.overall["fraction"].to_numpy()
    assert overall == pytest.approx(case["p_global"]["mean"], abs=0.01)
    assert post.divergences == 0
    assert post.diagnostics["r_hat"].max() <= 1.01
    score = leave_one_out(post)
    assert score.se > 0.0
    assert len(score.data) == 250
    checks = predictive_check(post, rng=np.random.default_rng(0))
    assert checks["p"].between(0.01, 0.99).all()


@needs_extra
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nested_and_continuous_effects_are_found():
    frame = simulated()
    effects = Effects(("month",), (("site", "month"),), ("elevation",))
    post = hierarchical_posterior(sources(), frame, effects, residual="process", tau_scale=0.5)
    by_height = post.data[post.data["source"] == "precipitation"].groupby("elevation")["fraction"]
    assert by_height.mean().is_monotonic_decreasing
    assert {"tau month", "tau site in month"} <= set(post.parameters["parameter"])


@needs_extra
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_evaporation_inside_the_model():
    rng = np.random.default_rng(2)
    ends = compose_stated(
        pd.DataFrame({"source": ["rain", "ice"], "d18O": [-9.0, -17.0], "d18O_sd": 0.6,
                      "d2H": [-62.0, -126.0], "d2H_sd": 4.8, "n": 60}), ["d18O", "d2H"],
        correlation={name: [[1, 0.95], [0.95, 1]] for name in ("rain", "ice")},
    )  # fmt: skip
    share = np.repeat([0.7, 0.4, 0.55], 15)
    made = np.stack([share * -9 + (1 - share) * -17, share * -62 + (1 - share) * -126], axis=1)
    made = made + 2.0 * np.array([1.0, 4.5]) + rng.normal(0, [0.3, 1.5], (45, 2))
    frame = pd.DataFrame(made, columns=["d18O", "d2H"]).assign(month=np.repeat([6, 8, 9], 15))
    post = hierarchical_posterior(ends, frame, Effects(("month",)), evaporation=(4.5, 0.2),
                                  residual="process_residual", length=(1500, 1500, 4))  # fmt: skip
    rain = post.data[post.data["source"] == "rain"]
    assert ((rain["low"] <= [0.7, 0.4, 0.55]) & (rain["high"] >= [0.7, 0.4, 0.55])).all()
    enriched = post.parameters[post.parameters["parameter"].str.startswith("enrichment")]
    assert enriched["mean"].to_numpy() == pytest.approx([2.0, 2.0, 2.0], abs=1.0)


@needs_extra
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_unconverged_chains_give_no_fractions():
    with pytest.raises(DataError, match=r"have not converged.*(R-hat|effective draws)"):
        hierarchical_posterior(sources(), simulated(60), Effects(("month",)), length=(20, 30, 2))


@needs_extra
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_held_out_groups_and_prior():
    frame = simulated(120)
    score = grouped_kfold(sources(), frame, Effects(("month",)), by="month", folds=2,
                          length=(200, 200, 2))  # fmt: skip
    assert np.isfinite(score.elpd)
    assert score.data.groupby(frame["month"])["fold"].nunique().eq(1).all()
    prior = prior_check(sources(), frame, Effects(("month",))).set_index("quantity")
    assert prior.loc["snow_melt", "mean"] == pytest.approx(1 / 3, abs=0.05)


@needs_extra
def test_missing_tracers_are_named():
    frame = simulated(20)
    frame.loc[4, "d18O"] = np.nan
    with pytest.raises(DataError, match=r"lack a tracer or an effect \(row 4\)"):
        hierarchical_posterior(sources(), frame, Effects(("month",)))
