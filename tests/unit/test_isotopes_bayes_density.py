"""The hierarchical density against a plain NumPy twin that sums over samples, in ‰."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from headwater.isotopes.mixing.composition import compose_stated
from headwater.isotopes.mixing.hierarchical import Effects
from headwater.isotopes.mixing.hierarchical_chains import arrays, draw_prior, lay_out
from headwater.isotopes.mixing.hierarchical_density import Model, log_density, make_cells, split
from headwater.isotopes.mixing.priors import clr_prior, dirichlet_prior, ilr_basis

needs_extra = pytest.mark.skipif(
    not all(find_spec(name) for name in ("numpyro", "arviz_stats")),
    reason="the extra bayes is not installed",
)
TRACERS = ("d18O", "d2H")
PRIORS = {"dirichlet": dirichlet_prior([1.0, 2.0, 0.7]), "clr": clr_prior(3, [0.5, 0, 0], 1.3)}
CASES = [
    ("process_residual", "dirichlet", None),
    ("process_residual", "clr", (4.5, 0.4)),
    ("process", "dirichlet", (5.0, 0.3)),
    ("simmr", "clr", None),
    ("residual", "dirichlet", None),
    ("both", "clr", None),
]


def sources(r=0.9):
    table = pd.DataFrame(
        {
            "source": ["rain", "ice", "snow"],
            "d18O": [-11.0, -14.0, -16.0],
            "d18O_sd": [1.5, 1.0, 1.2],
            "d2H": [-80.0, -110.0, -114.0],
            "d2H_sd": [11.0, 8.0, 9.0],
            "n": [30, 20, 10],
        }
    )
    matrix = {name: [[1, r], [r, 1]] for name in table["source"]}
    return compose_stated(table, TRACERS, correlation=matrix)


def samples():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "month": rng.choice([6, 8, 9], 25),
            "site": rng.choice(list("ab"), 25),
            "elevation": rng.choice([3600.0, 4000.0], 25),
        }
    )
    made = rng.multivariate_normal([-13.0, -98.0], [[1.0, 6.0], [6.0, 50.0]], 25)
    return frame.assign(d18O=made[:, 0], d2H=made[:, 1])


EFFECTS = Effects(("month",), (("site", "month"),), ("elevation",))


def twin(values, model, frame, ends):
    """Log posterior of parameters in their own units: SciPy's densities, sample by sample."""
    basis = ilr_basis(3)
    total = 0.0
    z = np.tile(values["z0"], (len(frame), 1))
    months = frame["month"].astype(str)
    for name, keys in (("month", months), ("site in month", months + " / " + frame["site"])):
        codes = pd.factorize(keys, sort=True)[0]
        tau, eta = values.get(f"tau {name}", 1.0), values[f"eta {name}"]
        z = z + tau * eta[codes]
        total += stats.norm.logpdf(eta).sum()
        total += 0.0 if name in model.fixed else stats.halfnorm.logpdf(tau, scale=model.tau_scale)
    height = frame["elevation"]
    x = ((height - height.mean()) / height.std()).to_numpy()
    z = z + x[:, None] * values["beta"]
    total += stats.norm.logpdf(values["beta"]).sum() + stats.norm.logpdf(values["source"]).sum()
    p = np.exp(z @ basis.T)
    p = p / p.sum(axis=1, keepdims=True)
    common = np.exp(basis @ values["z0"])
    log_p = np.log(common / common.sum())
    total += model.prior.log_density(values["z0"][:, None], log_p[:, None])[0]
    n, sd = ends.n, np.sqrt(ends.covariance.diagonal(axis1=1, axis2=2))
    r = ends.covariance / sd[:, :, None] / sd[:, None, :]
    total += stats.chi2.logpdf(values["chi"], n).sum()
    root = np.linalg.cholesky(ends.covariance / n[:, :1, None])
    mu = ends.mean + np.einsum("ktu,ku->kt", root, values["source"])
    omega = sd * np.sqrt((n - 1.0) / values["chi"])
    v = np.einsum("ik,ktu->itu", p**2, omega[:, :, None] * r * omega[:, None, :])
    unit = np.sqrt((sd**2).mean(axis=0))
    if "xi" in values:
        v = v * np.sqrt(values["xi"][:, None] * values["xi"][None, :])
        total += stats.uniform.logpdf(values["xi"], 0, 20).sum()
    if "sigma" in values:
        v = v + np.diag((values["sigma"] * unit) ** 2)
        total += stats.halfnorm.logpdf(values["sigma"], scale=2.0).sum()
    if "omega" in values:
        own = values["omega"] * np.outer(unit, unit)
        v = own + (v if model.residual == "both" else 0.0 * v)
        expected = ends.covariance.mean(axis=0) / np.outer(unit, unit)
        total += stats.wishart.logpdf(values["omega"], 3, expected / 3.0)
    centre = p @ mu
    if model.evaporation:
        cell = frame.groupby(["month", "site", "elevation"]).ngroup().to_numpy()
        centre = centre + values["enrichment"][cell, None] * [1.0, values["slope"]]
        total += stats.halfnorm.logpdf(values["enrichment"], scale=5.0).sum()
        total += stats.norm.logpdf(values["slope"], *model.evaporation)
    y = frame[list(TRACERS)].to_numpy()
    return total + sum(
        stats.multivariate_normal.logpdf(y[i], centre[i], v[i]) for i in range(len(y))
    )


def log_jacobian(layout, vector):
    """Of the way from the unconstrained vector, where it is not constant."""
    at, total = 0, 0.0
    for name, shape in layout.shapes.items():
        u = vector[at : at + int(np.prod(shape))]
        at += len(u)
        if name.startswith("tau") or name in ("sigma", "enrichment"):
            total += u.sum()
        elif name == "chi":
            n = sources().n.ravel().astype(float)
            total += (u * np.sqrt(2.0 / n)).sum()
        elif name == "omega":  # Bartlett's triangle, its diagonal as logarithms
            total += 3.0 * u[0] + 2.0 * u[1]
        elif name == "xi":
            total -= (np.logaddexp(0.0, u) + np.logaddexp(0.0, -u)).sum()
    return total


@needs_extra
@pytest.mark.parametrize(("residual", "kind", "evaporation"), CASES)
def test_density_is_that_of_the_model(residual, kind, evaporation):
    model, ends, frame = Model(PRIORS[kind], residual, evaporation, 0.7), sources(), samples()
    cells = make_cells(frame, TRACERS, EFFECTS, ends)
    layout, data = lay_out(model, cells, ends), arrays(model, cells, ends)
    vectors = np.random.default_rng(1).normal(0.0, 0.5, (3, layout.size))
    found, expected = [], []
    for vector in vectors:
        values = {
            name: np.asarray(v, dtype=float) for name, v in split(layout, data, vector)[0].items()
        }
        found.append(log_density(layout, data, cells.n, cells.mean, cells.scatter, vector))
        expected.append(twin(values, model, frame, ends) + log_jacobian(layout, vector))
    found, expected = np.array(found, dtype=float), np.array(expected)
    assert np.diff(found) == pytest.approx(np.diff(expected), rel=1e-4, abs=0.02)


@needs_extra
def test_levels_of_a_fixed_effect_have_no_common_sd():
    model = Model(PRIORS["dirichlet"], "process", None, 0.7, fixed=("month",))
    ends, frame = sources(), samples()
    effects = Effects((), (("site", "month"),), ("elevation",), ("month",))
    cells = make_cells(frame, TRACERS, effects, ends)
    layout, data = lay_out(model, cells, ends), arrays(model, cells, ends)
    assert "tau month" not in layout.shapes
    found, expected = [], []
    for vector in np.random.default_rng(4).normal(0.0, 0.5, (2, layout.size)):
        values = {
            name: np.asarray(v, dtype=float) for name, v in split(layout, data, vector)[0].items()
        }
        found.append(log_density(layout, data, cells.n, cells.mean, cells.scatter, vector))
        expected.append(twin(values, model, frame, ends) + log_jacobian(layout, vector))
    assert np.diff(np.array(found, dtype=float)) == pytest.approx(np.diff(expected), abs=0.02)


@needs_extra
def test_draws_of_a_residual_covariance():
    model, ends = Model(PRIORS["dirichlet"], "both", None, 0.7), sources()
    cells = make_cells(samples(), TRACERS, EFFECTS, ends)
    drawn = draw_prior(model, cells, ends, 4000, np.random.default_rng(3))["omega"]
    expected = ends.covariance.mean(axis=0) / np.outer(cells.scale, cells.scale)
    assert drawn.mean(axis=0) == pytest.approx(expected, abs=0.05)


@needs_extra
def test_three_tracers_take_the_general_way():
    ends = sources().labels
    table = pd.DataFrame(
        {"source": ends, "n": 20}
        | {
            f"{t}{end}": [a, b, c]
            for t, a, b, c in (
                ("d18O", -11, -14, -16),
                ("d2H", -80, -110, -114),
                ("ec", 30, 200, 10),
            )
            for end in ("",)
        }
        | {"d18O_sd": 1.2, "d2H_sd": 9.0, "ec_sd": 8.0}
    )
    three = compose_stated(table, ("d18O", "d2H", "ec"))
    frame = samples().assign(ec=np.linspace(40.0, 120.0, 25))
    model = Model(PRIORS["dirichlet"], "process", None, 1.0)
    cells = make_cells(frame, three.tracers, Effects(), three)
    layout, data = lay_out(model, cells, three), arrays(model, cells, three)
    vectors = np.random.default_rng(2).normal(0.0, 0.3, (2, layout.size))
    found, expected = [], []
    for vector in vectors:
        values, prior = split(layout, data, vector)
        p = np.exp(ilr_basis(3) @ np.asarray(values["z0"], dtype=float))
        p = p / p.sum()
        sd = np.array([1.2, 9.0, 8.0])
        mu = three.mean + np.asarray(values["source"]) * sd / np.sqrt(20)
        variance = (p[:, None] ** 2 * sd**2 * 19.0 / np.asarray(values["chi"])).sum(axis=0)
        y = frame[list(three.tracers)].to_numpy()
        expected.append(float(prior) + stats.norm.logpdf(y, p @ mu, np.sqrt(variance)).sum())
        found.append(log_density(layout, data, cells.n, cells.mean, cells.scatter, vector))
    assert np.diff(np.array(found, dtype=float)) == pytest.approx(np.diff(expected), rel=1e-4)


@needs_extra
def test_draws_of_the_priors():
    model, ends = Model(PRIORS["dirichlet"], "process_residual", (4.5, 0.4), 0.7), sources()
    cells = make_cells(samples(), TRACERS, EFFECTS, ends)
    drawn = draw_prior(model, cells, ends, 4000, np.random.default_rng(3))
    alpha = np.array([1.0, 2.0, 0.7])
    assert drawn["p_global"].mean(axis=0) == pytest.approx(alpha / alpha.sum(), abs=0.02)
    assert drawn["xi"].mean() == pytest.approx(10.0, abs=0.3)
    assert drawn["tau month"].mean() == pytest.approx(0.7 * np.sqrt(2 / np.pi), abs=0.03)
    assert drawn["chi"].mean(axis=0) == pytest.approx(ends.n.astype(float), rel=0.03)
    assert drawn["slope"].std() == pytest.approx(0.4, abs=0.02)
    assert drawn["enrichment"].mean() == pytest.approx(5.0 * np.sqrt(2 / np.pi), abs=0.15)
