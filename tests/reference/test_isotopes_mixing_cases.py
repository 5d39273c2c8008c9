"""Mixing against published formulas and peers.

Provenance: ``tests/data/reference/isotopes``. ``linear_mixing_expected.json``: closed form
(Genereux 1998; Phillips & Gregg 2001), checked by Monte Carlo; the enumeration is IsoSource's
grid of 1 %. ``emma_*``: R ``eigen(cor)``, Hooper's diagnostics. ``mix250_*``: simmr 0.5.1.217
(JAGS 4.3.1) and numpyro 0.22. ``isowater_*``: isoWater 1.2.1 + JAGS 4.3.1, and the same posteriors
by importance sampling with 1e6 draws.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.isotopes.lines import WaterLine
from headwater.isotopes.mixing.bounds import fraction_bounds
from headwater.isotopes.mixing.closed_form import (
    exact_fractions,
    fraction_covariance,
    fraction_sd,
    mix_closed_form,
    simplex_fractions,
)
from headwater.isotopes.mixing.composition import compose, compose_each, compose_stated
from headwater.isotopes.mixing.end_member_analysis import emma, mixing_space
from headwater.isotopes.mixing.evaporated_water import (
    evaporated_source,
    mix_evaporated,
    source_prior,
)
from headwater.isotopes.mixing.posterior import mix_posterior

CASES = Path(__file__).parents[1] / "data" / "reference" / "isotopes"


def expected(name):
    return json.loads((CASES / name).read_text())


# --- closed form ---------------------------------------------------------------------------------


def test_two_sources_genereux():
    case = expected("linear_mixing_expected.json")["two_source"]
    s = np.array(case["sources"], dtype=float)[:, None]
    w = np.square(case["W"])
    f = exact_fractions(s, [[case["mix"]]])
    assert f[0] == pytest.approx([case["f1"], case["f2"]])
    sd = fraction_sd(s, f, mixture_covariance=[[w[2]]], source_covariance=w[:2, None, None])
    assert sd[0] == pytest.approx([case["W_f1"]] * 2)


@pytest.mark.parametrize(("name", "gap"), [("pg_delta_2", 2.0), ("pg_delta_4", 4.0)])
def test_phillips_gregg_error_halves_when_the_gap_doubles(name, gap):
    case = expected("linear_mixing_expected.json")[name]
    var = case["sd_each"] ** 2 / case["n_each"]
    sd = fraction_sd(
        [[0.0], [gap]],
        [[case["f"], 1 - case["f"]]],
        mixture_covariance=[[var]],
        source_covariance=np.full((2, 1, 1), var),
    )
    assert sd[0, 0] == pytest.approx(case["se"])


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_three_sources_two_tracers(rho):
    whole = expected("linear_mixing_expected.json")
    case = whole["three_source_two_tracer"]
    wanted = case if rho == 0.0 else whole["three_source_two_tracer_rho0.6"]
    sd = np.array(case["source_sd"])
    table = pd.DataFrame(
        {"source": list("abc"), "n": case["n"]}
        | {f"t{j}": np.array(case["sources"])[:, j] for j in (0, 1)}
        | {f"t{j}_sd": sd[:, j] for j in (0, 1)}
    )
    r = [[1.0, rho], [rho, 1.0]]
    ends = compose_stated(table, ["t0", "t1"], correlation=dict.fromkeys("abc", r))
    water = pd.DataFrame(
        {
            "source": ["m"],
            "t0": case["mix"][:1],
            "t1": case["mix"][1:],
            "t0_sd": case["mix_se"][0],
            "t1_sd": case["mix_se"][1],
        }
    )
    result = mix_closed_form(ends, compose_stated(water, ["t0", "t1"], correlation={"m": r})).data
    assert result["fraction"].to_numpy() == pytest.approx(wanted["f"], abs=1e-9)
    assert result["sd"].to_numpy() == pytest.approx(wanted["se_first_order"], rel=1e-9)
    if rho == 0.0:
        assert result["sd"].to_numpy() == pytest.approx(case["se_monte_carlo"], rel=0.01)


def test_covariance_of_the_fractions_has_the_same_diagonal():
    case = expected("linear_mixing_expected.json")["three_source_two_tracer"]
    noise = np.array(
        [np.diag(np.square(sd) / n) for sd, n in zip(case["source_sd"], case["n"], strict=True)]
    )
    var = fraction_covariance(
        case["sources"],
        [case["f"]],
        mixture_covariance=np.diag(np.square(case["mix_se"])),
        source_covariance=noise,
    )
    assert np.sqrt(var[0].diagonal()) == pytest.approx(case["se_first_order"], rel=1e-9)


def test_concentration_dependence():
    whole = expected("linear_mixing_expected.json")
    case, q = whole["concentration_dependent"], whole["concentration_dependent"]["q"]
    s = np.array(whole["three_source_two_tracer"]["sources"])
    ends = compose_stated(
        pd.DataFrame(
            {
                "source": list("abc"),
                "t0": s[:, 0],
                "t1": s[:, 1],
                "t0_sd": 0.1,
                "t1_sd": 0.1,
                "n": 9,
            }
        ),
        ["t0", "t1"],
    )
    water = compose_stated(
        pd.DataFrame({"source": ["m"], "t0": case["mix"][:1], "t1": case["mix"][1:]}), ["t0", "t1"]
    )
    found = mix_closed_form(ends, water, concentration=dict(zip("abc", q, strict=True))).data
    assert found["fraction"].to_numpy() == pytest.approx(case["p_true"], abs=1e-8)
    without = mix_closed_form(ends, water).data["fraction"].to_numpy()
    assert np.abs(without - case["p_true"]).max() > 0.05


def test_outside_the_polygon():
    whole = expected("linear_mixing_expected.json")
    case, s = whole["outside_polygon"], np.array(whole["three_source_two_tracer"]["sources"])
    assert exact_fractions(s, [case["mix"]])[0] == pytest.approx(case["unconstrained"])
    held = simplex_fractions(s, [case["mix"]])
    assert held[0] == pytest.approx(case["constrained"])
    assert np.linalg.norm(case["mix"] - held[0] @ s) == pytest.approx(case["residual_norm"])


def test_bounds_enclose_the_enumeration_of_isosource():
    case = expected("linear_mixing_expected.json")["isosource_enumeration"]
    low, high = fraction_bounds(case["sources"], [case["mix"]], tolerance=case["tol"])
    assert (low[0] <= np.array(case["min"]) + 1e-9).all()
    assert (high[0] >= np.array(case["max"]) - 1e-9).all()
    assert low[0] == pytest.approx(case["min"], abs=2 * case["increment"])
    assert high[0] == pytest.approx(case["max"], abs=2 * case["increment"])


# --- end-member mixing analysis ------------------------------------------------------------------


@pytest.fixture(scope="module")
def streams():
    samples = pd.read_csv(CASES / "emma_samples.csv")
    ends = pd.read_csv(CASES / "emma_endmembers.csv").set_index("end_member")
    return samples, ends, list(samples.columns[1:])


def test_emma_components_and_hooper_diagnostics(streams):
    samples, _, tracers = streams
    case = expected("emma_expected.json")
    result = emma(samples, tracers, rng=np.random.default_rng(0))
    assert result.data["eigenvalue"].to_numpy() == pytest.approx(case["eigenvalues"], abs=1e-7)
    assert result.data["explained"].to_numpy() == pytest.approx(case["explained"], abs=1e-7)
    assert result.ranks["rule of one"] == case["rule_of_one"]
    for rank in case["per_rank"]:
        fit = result.fit[result.fit["rank"] == rank["rank"]].set_index("tracer")
        for column, key in (
            ("rrmse", "RRMSE_percent"),
            ("r2", "resid_vs_conc_r2"),
            ("rmse_over_mean", "RMSE_over_mean_percent"),
            ("p", "resid_vs_conc_p"),
        ):
            wanted = pd.Series(rank[key])[tracers].to_numpy(dtype=float)
            assert fit.loc[tracers, column].to_numpy() == pytest.approx(wanted, abs=1e-7)
        assert fit["bias"].abs().max() < 1e-10


def test_emma_fractions_and_projection(streams):
    samples, ends, tracers = streams
    case = expected("emma_expected.json")
    space = mixing_space(samples, tracers)
    places = space.scores(ends[tracers], 2)
    found = exact_fractions(places, space.scores(samples[tracers], 2))
    assert found.mean(axis=0) == pytest.approx(case["fractions_rank2_mean"], abs=1e-7)
    assert found[:5] == pytest.approx(np.array(case["fractions_rank2_first5"]), abs=1e-7)
    off = 100 * np.abs(space.restore(places) - ends[tracers]) / ends[tracers].abs()
    wanted = [list(row.values()) for row in case["endmember_projection_distance_percent"]]
    assert off.to_numpy() == pytest.approx(np.array(wanted), abs=1e-5)


# --- Bayesian, independent groups ----------------------------------------------------------------


@pytest.fixture(scope="module")
def mix250():
    tracers = ["d18O", "dexcess"]
    table = pd.read_csv(CASES / "mix250_sources.csv")
    table.columns = ["source", "d18O_mean", "d18O_sd", "dexcess_mean", "dexcess_sd", "n"]
    samples = pd.read_csv(CASES / "mix250_mixtures.csv")
    return (compose_stated(table, tracers), compose(samples, tracers, by=["group"]))


def test_simmr_posterior(mix250):
    ends, water = mix250
    post = mix_posterior(
        ends,
        water,
        rng=np.random.default_rng(1),
        residual="simmr",
        source_error=False,
        n_resamples=40_000,
    )
    case = expected("mix250_simmr_expected.json")["posterior"]
    for row in post.data.itertuples():
        peer = case[row.mixture][row.source]
        error = peer["sd"] * np.sqrt(1.0 / peer["n.eff"] + 1.0 / row.effective_draws)
        assert abs(row.fraction - peer["mean"]) < 4.0 * error
        assert row.sd == pytest.approx(peer["sd"], rel=0.05)
        assert row.low == pytest.approx(peer["2.5%"], abs=0.25 * peer["sd"])
        assert row.high == pytest.approx(peer["97.5%"], abs=0.25 * peer["sd"])
    for row in post.parameters.itertuples():
        peer = case[row.mixture][f"sd[{row.tracer}]"]
        assert row.mean == pytest.approx(peer["mean"], abs=0.12 * peer["sd"])
    numpyro = expected("mix250_numpyro.json")["simmr"]["posterior_p"]
    for column, key in (("fraction", "mean"), ("sd", "sd")):
        wanted = np.array(numpyro[key])
        assert post.data[column].to_numpy().reshape(10, 3) == pytest.approx(wanted, abs=0.004)


def test_fractions_are_near_the_truth(mix250):
    ends, water = mix250
    truth = expected("mix250_truth.json")["p_true"]
    post = mix_posterior(ends, water, rng=np.random.default_rng(1))
    found = post.data["fraction"].to_numpy().reshape(10, 3)
    wanted = np.array([truth[label] for label in water.labels])
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.06  # simmr 0.054, MixSIAR 0.042
    covered = (post.data["low"] <= wanted.ravel()) & (wanted.ravel() <= post.data["high"])
    assert covered.mean() >= 0.8


# --- evaporated water ----------------------------------------------------------------------------


def isowater_line(values):
    slope, intercept, mean, ss, rmse, n = values
    se = rmse / np.sqrt(ss)
    return WaterLine(
        slope,
        intercept,
        se,
        float(np.sqrt(rmse**2 / n + (mean * se) ** 2)),
        -mean * se**2,
        rmse=rmse,
        n=int(n),
    )


def local_line():
    case = expected("mwl_expected.json")["isoWater_mwl"]
    names = ("slope_RMA", "intercept", "mean_d18O", "SSx_d18O", "rmse", "n")
    return isowater_line([case[name] for name in names])


GLOBAL = (8.01, 9.57, -8.096, 2564532.2, 5.76, 80672)  # isoWater's default line
QUANTITY = {"d18O": "source_d18O", "d2H": "source_d2H", "slope": "S", "enrichment": "E"}


def sample():
    frame = pd.DataFrame({"d18O": [-6.0], "d2H": [-60.0], "d18O_sd": [0.1], "d2H_sd": [0.5]})
    return compose_each(frame, ["d18O", "d2H"])


@pytest.mark.parametrize(
    ("name", "globally", "kind"),
    [
        ("mwlSource_stype1", False, "sample"),
        ("mwlSource_stype2", False, "mean"),
        ("mwlSource_GMWL_stype1", True, "sample"),
    ],
)
def test_isowater_source(name, globally, kind):
    line = isowater_line(GLOBAL) if globally else local_line()
    case, jags = (
        expected(f)[name] for f in ("isowater_importance_expected.json", "isowater_expected.json")
    )
    centre, width = source_prior(-6.0, -60.0, line, slope=5.0, kind=kind)
    assert centre == pytest.approx(case["o_cent"], abs=1e-9)
    assert width == pytest.approx(case["o_sd"], abs=0.003)  # isoWater steps by 0.001
    found = evaporated_source(
        sample(), line, rng=np.random.default_rng(0), kind=kind, n_resamples=300_000
    ).data.set_index("quantity")
    for quantity, key in QUANTITY.items():
        row, peer = found.loc[quantity], case[key]
        error = peer["sd"] * np.sqrt(1.0 / case["ess"] + 1.0 / row["effective_draws"])
        assert abs(row["mean"] - peer["mean"]) < 4.0 * error
        assert row["sd"] == pytest.approx(peer["sd"], rel=0.01)
        for mine, theirs in (("low", "q025"), ("median", "q50"), ("high", "q975")):
            assert row[mine] == pytest.approx(peer[theirs], abs=0.03 * peer["sd"])
        # JAGS mixes badly: about 300 effective draws.
        assert abs(row["mean"] - jags[key]["mean"]) < 3.0 * jags[key]["sd"] / np.sqrt(290)


def test_isowater_mixture():
    case = expected("isowater_expected.json")["mixSource"]
    table = pd.DataFrame(case["sources"])
    names = ["s1", "s2", "s3"]
    r = table["cov"] / table["Hsd"] / table["Osd"]
    ends = compose_stated(
        pd.DataFrame(
            {
                "source": names,
                "d18O": table["O"],
                "d2H": table["H"],
                "d18O_sd": table["Osd"],
                "d2H_sd": table["Hsd"],
                "n": 50,
            }
        ),
        ["d18O", "d2H"],
        correlation={name: [[1, c], [c, 1]] for name, c in zip(names, r, strict=True)},
    )
    post = mix_evaporated(ends, sample(), rng=np.random.default_rng(0), n_resamples=200_000)
    means = dict(zip(names, post.data["fraction"], strict=True))
    others = post.parameters.set_index("parameter")["mean"]
    limit = 3.5 / np.sqrt(200)  # the smallest effective size of the peer
    for name in names:
        peer = case[f"{name}_fraction"]
        assert abs(means[name] - peer["mean"]) < limit * peer["sd"]
    for mine, theirs in (
        ("slope", "S"),
        ("enrichment", "E"),
        ("mixture_d18O", "mixture_d18O"),
        ("mixture_d2H", "mixture_d2H"),
    ):
        assert abs(others[mine] - case[theirs]["mean"]) < limit * case[theirs]["sd"]
