"""The importance-sampling posterior: agreement with itself, priors, and refusals."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, StudyError
from headwater.isotopes.lines import GMWL, WaterLine
from headwater.isotopes.mixing.composition import compose, compose_each, compose_stated
from headwater.isotopes.mixing.evaporated_water import (
    EnrichmentPrior,
    evaporated_source,
    mix_evaporated,
    source_prior,
)
from headwater.isotopes.mixing.importance_sampling import pareto_smooth, resample
from headwater.isotopes.mixing.plots import draw_posterior_matrix
from headwater.isotopes.mixing.posterior import mix_posterior
from headwater.isotopes.mixing.priors import clr_prior, dirichlet_prior, elicit_prior

TRACERS = ["d18O", "d2H"]
LMWL = WaterLine(8.0, 10.0, 0.1, 1.2, 0.11, rmse=3.0, n=60)


def rng(seed=0):
    return np.random.default_rng(seed)


def sources(names=("rain", "ice", "snow"), n=40, r=0.0):
    table = pd.DataFrame(
        {
            "source": names,
            "d18O": [-10.0, -15.0, -18.0][: len(names)],
            "d18O_sd": 1.0,
            "d2H": [-70.0, -118.0, -130.0][: len(names)],
            "d2H_sd": 8.0,
            "n": n,
        }
    )
    return compose_stated(table, TRACERS, correlation={k: [[1, r], [r, 1]] for k in names})


def soil(n=20, groups=2, seed=1):
    values = rng(seed).normal([-13.0, -98.0], [0.8, 6.0], (n * groups, 2))
    return pd.DataFrame(values, columns=TRACERS).assign(site=np.repeat(list("abcdef")[:groups], n))


@pytest.mark.parametrize("residual", ["process_residual", "process", "residual", "simmr"])
def test_fractions_are_a_whole_and_draws_are_good(residual):
    post = mix_posterior(
        sources(r=0.9), compose(soil(), TRACERS, by=["site"]), rng=rng(), residual=residual
    )
    assert post.data["fraction"].sum() == pytest.approx(2.0)
    assert post.data["pareto_k"].max() < 0.7
    assert post.data["effective_draws"].min() > 6000
    assert (post.data["low"] < post.data["fraction"]).all()
    assert post.draws.shape == (2, 4000, 3)


def test_tracers_that_carry_the_same_information_give_the_same_answer():
    frame = soil().assign(d_excess=lambda t: t["d2H"] - 8 * t["d18O"])
    ends = pd.DataFrame(rng(5).multivariate_normal([0, 0], [[1, 7], [7, 60]], 60), columns=TRACERS)
    ends["water"] = np.repeat(["rain", "ice", "snow"], 20)
    ends[TRACERS] += np.repeat([[-10.0, -70], [-15, -118], [-18, -130]], 20, axis=0)
    answers = [
        mix_posterior(
            compose(ends, pair), compose(frame, pair, by=["site"]), rng=rng(), residual="process"
        )
        .data["fraction"]
        .to_numpy()
        for pair in (["d18O", "d2H"], ["d18O", "d_excess"])
    ]
    assert answers[0] == pytest.approx(answers[1], abs=0.01)


def test_order_of_sources_and_number_of_groups_do_not_matter():
    frame = soil(groups=3)
    water = compose(frame, TRACERS, by=["site"])
    three = mix_posterior(sources(), water, rng=rng()).data
    turned = mix_posterior(sources().take(["snow", "rain", "ice"]), water, rng=rng(9)).data
    merged = three.merge(turned, on=["mixture", "source"])
    assert merged["fraction_x"].to_numpy() == pytest.approx(merged["fraction_y"], abs=0.01)


def test_informative_prior_pulls():
    water = compose(soil(n=3, groups=1), TRACERS, by=["site"])
    flat = mix_posterior(sources(), water, rng=rng(), prior=dirichlet_prior([1, 1, 1]))
    sure = mix_posterior(sources(), water, rng=rng(), prior=elicit_prior([0.9, 0.05, 0.05], 0.02))
    assert sure.data["fraction"][0] > flat.data["fraction"][0] + 0.1
    assert sure.data["sd"][0] < flat.data["sd"][0]


def test_without_data_the_prior_comes_back():
    vague = compose_stated(
        pd.DataFrame(
            {
                "source": ["x"],
                "d18O": [-14.0],
                "d18O_sd": [500.0],
                "d2H": [-100.0],
                "d2H_sd": [5000.0],
                "n": [1],
            }
        ),
        TRACERS,
    )
    for prior in (dirichlet_prior([2, 1, 3]), clr_prior(3, [0.5, 0, -0.5], [1, 0.5, 1])):
        post = mix_posterior(sources(), vague, rng=rng(), prior=prior, residual="process")
        expected = prior.draw(200_000, rng(3))
        assert post.data["fraction"].to_numpy() == pytest.approx(expected.mean(axis=0), abs=0.01)
        assert post.data["sd"].to_numpy() == pytest.approx(expected.std(axis=0), abs=0.01)


def test_missing_values_still_count():
    frame = soil(groups=1)
    frame.loc[:4, "d2H"] = np.nan
    frame.loc[10:12, "d18O"] = np.nan
    post = mix_posterior(sources(), compose(frame, TRACERS, by=["site"]), rng=rng())
    assert "8 samples lack a tracer" in " ".join(post.choices)
    assert post.data["status"].eq("ok").all()


def test_single_samples_and_more_sources_than_tracers():
    one = compose_each(pd.DataFrame({"d18O": [-13.0], "d18O_sd": [0.2]}), ["d18O"])
    table = pd.DataFrame(
        {"source": ["a", "b", "c"], "d18O": [-10.0, -15, -18], "d18O_sd": 1.0, "n": 9}
    )
    post = mix_posterior(compose_stated(table, ["d18O"]), one, rng=rng(), residual="process")
    assert "the prior decides" in post.cautions[0]


def test_mixture_outside_the_polygon_is_said():
    off = pd.DataFrame({"d18O": [-2.0, -2.5, -1.9], "d2H": [-130.0, -131, -128], "site": "a"})
    post = mix_posterior(sources(), compose(off, TRACERS, by=["site"]), rng=rng())
    assert "outside 95 % of the polygons" in " ".join(post.cautions)


def test_untrusted_draws_give_a_sentence_and_no_fractions():
    table = pd.DataFrame(
        {"source": ["a", "b", "c", "d"], "d18O": [-10.0, -12, -14, -16], "d18O_sd": 0.1, "n": 200}
    )
    water = compose_stated(
        pd.DataFrame({"source": ["x"], "d18O": [-13.0], "d18O_sd": [0.05], "n": [500]}), ["d18O"]
    )
    with pytest.raises(DataError, match=r"no group has a posterior that can be trusted.*Pareto k"):
        mix_posterior(
            compose_stated(table, ["d18O"]),
            water,
            rng=rng(),
            prior=dirichlet_prior([0.3] * 4),
            residual="process",
            n_resamples=200,
        )


@pytest.mark.parametrize(
    ("prior", "said"), [(clr_prior(2), "another number of sources")], ids=["size"]
)
def test_wrong_prior(prior, said):
    with pytest.raises(DataError, match=said):
        mix_posterior(sources(), compose(soil(), TRACERS, by=["site"]), rng=rng(), prior=prior)
    with pytest.raises(DataError, match="all or nothing"):
        mix_posterior(
            sources(),
            compose(soil(), TRACERS, by=["site"]),
            rng=rng(),
            prior=dirichlet_prior([0.01] * 3),
        )
    with pytest.raises(DataError, match="must be above 0"):
        dirichlet_prior([1, 0])
    with pytest.raises(DataError, match="sum to 1"):
        elicit_prior([0.5, 0.2], 0.1)


def test_unknown_residual_names_the_known():
    with pytest.raises(StudyError, match="Did you mean 'process'"):
        mix_posterior(
            sources(), compose(soil(), TRACERS, by=["site"]), rng=rng(), residual="proces"
        )  # type: ignore[arg-type]


def test_difference_of_groups_and_matrix():
    frame = soil()
    frame.loc[frame["site"] == "b", TRACERS] += [1.5, 12.0]
    post = mix_posterior(sources(), compose(frame, TRACERS, by=["site"]), rng=rng())
    gap = post.difference("b", "a").set_index("source")
    assert gap.loc["rain", "probability"] > 0.9
    assert gap["difference"].sum() == pytest.approx(0.0, abs=1e-12)
    assert len(draw_posterior_matrix(post, "a").axes) == 9
    with pytest.raises(DataError, match="no posterior to draw"):
        draw_posterior_matrix(post, "z")


# --- importance sampling -------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "low", "high"), [(0.3, 0.15, 0.45), (0.9, 0.75, 1.05)])
def test_pareto_k_recovers_the_shape_of_the_tail(shape, low, high):
    u = rng(2).random(40_000)
    _, k = pareto_smooth(np.log(u**-shape))
    assert low < k < high


def test_resampling_keeps_the_weights():
    weights = rng().dirichlet(np.ones(50))
    counts = np.bincount(resample(weights, 10_000, rng()), minlength=50)
    assert np.abs(counts - 10_000 * weights).max() <= 1.0


# --- evaporated water ----------------------------------------------------------------------------


def evaporated(**changes):
    frame = pd.DataFrame(
        {"d18O": [-6.0, -4.0], "d2H": [-60.0, -50.0], "d18O_sd": 0.1, "d2H_sd": 0.5}, index=[3, 4]
    )
    return compose_each(frame.assign(**changes), TRACERS)


def test_batch_equals_one_by_one():
    both = evaporated_source(evaporated(), LMWL, rng=rng()).data
    alone = evaporated_source(evaporated().take(["row 4"]), LMWL, rng=rng(1)).data
    assert both["mean"].to_numpy()[4:] == pytest.approx(alone["mean"].to_numpy(), abs=0.25)


def test_source_lies_on_the_line_it_must():
    table = evaporated_source(evaporated(), LMWL, rng=rng(), kind="mean").data
    wide = table.pivot_table(index="sample", columns="quantity", values="mean")
    assert (wide["d2H"] - LMWL(wide["d18O"])).abs().max() < 1.0
    assert (wide["enrichment"] > 0).all()


def test_gamma_prior_of_the_enrichment_pulls():
    flat = evaporated_source(evaporated(), LMWL, rng=rng()).data
    small = evaporated_source(
        evaporated(), LMWL, rng=rng(), enrichment=EnrichmentPrior("gamma", 2.0, 2.0)
    ).data
    assert small["mean"][3] < flat["mean"][3]


def test_water_above_the_line_is_not_evaporated():
    table = evaporated_source(evaporated(d2H=[40.0, -50.0]), LMWL, rng=rng(), slope=(5.0, 0.1)).data
    assert table["status"][0].startswith("not answered")
    assert np.isnan(table["mean"][0])
    assert table["status"].iloc[-1] == "ok"


@pytest.mark.parametrize(
    ("water", "line", "said"),
    [
        (evaporated(d18O_sd=0.0, d2H_sd=0.0), LMWL, r"error of row 3 is not known \(row 3\)"),
        (evaporated(d2H=[np.nan, -50.0]), LMWL, r"row 3 lacks an isotope \(row 3\)"),
        (evaporated(), GMWL, "no scatter"),
        (evaporated(), WaterLine(5.2, 10.0, 0.4, rmse=3.0), "near-parallel"),
    ],
)
def test_evaporated_source_refusals(water, line, said):
    with pytest.raises(DataError, match=said):
        evaporated_source(water, line, rng=rng())


def test_source_prior_widens_with_the_band():
    one, many = (source_prior(-6.0, -60.0, LMWL, slope=5.0, kind=k)[1] for k in ("sample", "mean"))
    assert one > many > 0.0


def test_evaporated_mixture_finds_the_fraction_behind_the_enrichment():
    pair = sources(("rain", "ice"), n=200, r=0.95)
    made = np.array([-12.5, -94.0]) + 3.0 * np.array([1.0, 4.5])
    water = compose_each(
        pd.DataFrame([{"d18O": made[0], "d2H": made[1], "d18O_sd": 0.1, "d2H_sd": 0.5}]), TRACERS
    )
    post = mix_evaporated(pair, water, rng=rng(), slope=(4.5, 0.2))
    assert post.data["fraction"][0] == pytest.approx(0.5, abs=0.1)
    assert post.parameters.set_index("parameter").loc["enrichment", "mean"] == pytest.approx(
        3, abs=1
    )


def test_evaporated_mixture_refuses_the_impossible():
    water = compose_each(
        pd.DataFrame({"d18O": [-12.0], "d2H": [200.0], "d18O_sd": 0.1, "d2H_sd": 0.5}), TRACERS
    )
    with pytest.raises(DataError, match="no mixture of these sources evaporates"):
        mix_evaporated(sources(), water, rng=rng())
