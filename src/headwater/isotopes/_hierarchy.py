"""The hierarchical mixing model in numpyro, and the data it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, StudyError, nearest
from headwater.isotopes.composition import Composition, name_rows
from headwater.isotopes.priors import FractionPrior, ilr_basis

__all__ = ["Cells", "Model", "draw_prior", "make_cells", "needs_extra", "run_chains"]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Samples that share every effect are one cell: n, mean and scatter are all that counts.

    ``values`` (N, T) in standard units, ``cell`` (N,) their cells; n (C,), mean (C, T), scatter
    (C, T, T); ``levels`` (C,) indices by random effect; covariates (C, B); the table of cells.
    """

    values: Any
    cell: Any
    n: Any
    mean: Any
    scatter: Any
    levels: Mapping[str, Any]
    names: Mapping[str, tuple[str, ...]]
    covariates: Any
    table: pd.DataFrame
    tracers: tuple[str, ...]
    centre: Any
    scale: Any

    def without(self, rows: Any) -> Cells:
        """Return the same cells with these samples held out."""
        kept = np.setdiff1d(np.arange(len(self.values)), rows)
        return replace(self, **_sums(self.values[kept], self.cell[kept], len(self.n)))


def needs_extra() -> None:
    """Refuse politely where the extra is not installed."""
    from importlib.util import find_spec

    lacking = [name for name in ("numpyro", "arviz_stats") if find_spec(name) is None]
    if lacking:
        raise StudyError(
            "hierarchical mixing needs the extra `bayes`",
            found=f"{' and '.join(lacking)} not installed",
            do="pip install 'headwater[bayes]', or use mixing_posterior for independent groups",
        )


def make_cells(
    samples: pd.DataFrame, tracers: tuple[str, ...], effects: Any, sources: Composition
) -> Cells:
    """Group samples into cells of equal effects, in standard units of the tracers."""
    nested = [name for pair in effects.nested for name in pair]
    needed = [*tracers, *effects.random, *nested, *effects.continuous]
    for name in needed:
        if name not in samples:
            raise InputError("no such column", found=f"'{name}'",
                             do=nearest(name, [str(c) for c in samples.columns]))  # fmt: skip
    holes = samples.index[samples[needed].isna().any(axis=1).to_numpy()]
    if len(holes):
        raise DataError(
            f"samples lack a tracer or an effect{name_rows([int(row) for row in holes])}",
            found=f"{len(holes)} of {len(samples)}",
            do="Leave them out, or use mixing_posterior, which takes missing tracers",
        )
    factors = list(dict.fromkeys([*effects.random, *nested, *effects.continuous]))
    keys = samples[factors] if factors else pd.DataFrame({"all": 1}, index=samples.index)
    cell = keys.groupby(list(keys.columns), sort=True, observed=True).ngroup().to_numpy()
    table = keys.assign(_cell=cell).drop_duplicates("_cell").sort_values("_cell")
    table = table.drop(columns="_cell").reset_index(drop=True)
    raw = samples[list(tracers)].to_numpy(dtype=float)
    centre = sources.mean.mean(axis=0)
    scale = np.sqrt(sources.covariance.diagonal(axis1=1, axis2=2).mean(axis=0))
    values = (raw - centre) / scale
    levels, names = _levels(table, effects)
    return Cells(
        values=values, cell=cell, **_sums(values, cell, len(table)), levels=levels, names=names,
        covariates=_covariates(table, samples, effects.continuous), table=table,
        tracers=tracers, centre=centre, scale=scale,
    )  # fmt: skip


def _sums(values: Any, cell: Any, count: int) -> dict[str, Any]:
    n = np.bincount(cell, minlength=count).astype(float)
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, cell, values)
    mean = total / np.maximum(n, 1.0)[:, None]
    off = values - mean[cell]
    scatter = np.zeros((count, values.shape[1], values.shape[1]))
    np.add.at(scatter, cell, off[:, :, None] * off[:, None, :])
    return {"n": n, "mean": mean, "scatter": scatter}


def _levels(table: pd.DataFrame, effects: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    levels, names = {}, {}
    for name in effects.random:
        codes, found = pd.factorize(table[name].astype(str), sort=True)
        levels[name], names[name] = codes, tuple(found)
    for inner, outer in effects.nested:
        both = table[outer].astype(str) + " / " + table[inner].astype(str)
        codes, found = pd.factorize(both, sort=True)
        levels[f"{inner} in {outer}"], names[f"{inner} in {outer}"] = codes, tuple(found)
    return levels, names


def _covariates(table: pd.DataFrame, samples: pd.DataFrame, columns: tuple[str, ...]) -> Any:
    parts = []
    for name in columns:
        sd = float(samples[name].std())
        if not sd > 0.0:
            raise DataError(f"{name} is the same for all samples", found="standard deviation 0",
                            do="Leave the effect out")  # fmt: skip
        parts.append((table[name].to_numpy(dtype=float) - float(samples[name].mean())) / sd)
    return np.array(parts).T if parts else np.zeros((len(table), 0))


@dataclass(frozen=True, slots=True)
class Model:
    """What does not change between runs: priors, residual, evaporation."""

    prior: FractionPrior
    residual: str
    evaporation: tuple[float, float] | None
    tau_scale: float


def _arrays(cells: Cells, sources: Composition) -> dict[str, Any]:
    sd = np.sqrt(sources.covariance.diagonal(axis1=1, axis2=2))
    relative = sources.covariance / sd[:, :, None] / sd[:, None, :]
    return {
        "n": cells.n, "mean": cells.mean, "scatter": cells.scatter, "x": cells.covariates,
        "levels": dict(cells.levels), "sizes": {k: len(v) for k, v in cells.names.items()},
        "source": (sources.mean - cells.centre) / cells.scale, "sd": sd / cells.scale,
        "r": relative, "root": np.linalg.cholesky(relative), "count": sources.n.astype(float),
        "slope_unit": cells.scale[0] / cells.scale[-1], "unit": cells.scale[0],
    }  # fmt: skip


def _program(model: Model, d: dict[str, Any]) -> Any:
    """Return the numpyro model; `data` holds what cross-validation changes (n, mean, scatter)."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    k, t = d["source"].shape
    basis = jnp.asarray(ilr_basis(k))

    def fractions() -> Any:
        z = _global(model.prior, basis)
        numpyro.deterministic("p_global", jax.nn.softmax(basis @ z))
        for name, codes in d["levels"].items():
            tau = numpyro.sample(f"tau {name}", dist.HalfNormal(model.tau_scale))
            eta = numpyro.sample(
                f"eta {name}", dist.Normal(0, 1).expand([d["sizes"][name], k - 1]).to_event(2)
            )
            z = z + tau * eta[codes]
        if d["x"].shape[1]:
            shape = [d["x"].shape[1], k - 1]
            z = z + d["x"] @ numpyro.sample("beta", dist.Normal(0, 1).expand(shape).to_event(2))
        z = jnp.broadcast_to(z, (len(d["mean"]), k - 1))
        return numpyro.deterministic("p", jax.nn.softmax(z @ basis.T, axis=-1))

    def program(n: Any, mean: Any, scatter: Any) -> None:
        p = fractions()
        mu, omega = _sources(d, k, t)
        spread = jnp.einsum("ck,ktu->ctu", p**2, omega[:, :, None] * d["r"] * omega[:, None, :])
        v = numpyro.deterministic("v", _residual(model.residual, spread, t))
        centre = p @ mu
        if model.evaporation is not None:
            centre = centre + _evaporation(model.evaporation, d, len(p))
        numpyro.deterministic("centre", centre)
        numpyro.factor("data", _log_likelihood(n, mean - centre, scatter, v))

    return program


def _global(prior: FractionPrior, basis: Any) -> Any:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    first = jnp.asarray(prior.first)
    if prior.kind == "dirichlet":
        return basis.T @ jnp.log(numpyro.sample("p0", dist.Dirichlet(first)))
    cov = basis.T @ jnp.diag(jnp.asarray(prior.second) ** 2) @ basis
    return numpyro.sample("z0", dist.MultivariateNormal(basis.T @ first, cov))


def _sources(d: dict[str, Any], k: int, t: int) -> tuple[Any, Any]:
    """Means ~ N(m, s²/n); variances ~ (n - 1) s² / χ²_n (Ward et al. 2010)."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    off = numpyro.sample("source", dist.Normal(0, 1).expand([k, t]).to_event(2))
    step = jnp.einsum("ktu,ku->kt", d["root"], off) * d["sd"] / jnp.sqrt(d["count"])
    chi = numpyro.sample("chi", dist.Gamma(d["count"] / 2.0, 0.5).to_event(2))
    return d["source"] + step, d["sd"] * jnp.sqrt((d["count"] - 1.0) / chi)


def _residual(kind: str, spread: Any, t: int) -> Any:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    if kind == "process":
        return spread
    if kind == "process_residual":
        xi = jnp.sqrt(numpyro.sample("xi", dist.Uniform(0, 20).expand([t]).to_event(1)))
        return spread * xi[:, None] * xi[None, :]
    sigma = numpyro.sample("sigma", dist.HalfNormal(2).expand([t]).to_event(1))
    own = jnp.diag(sigma**2)
    return spread + own if kind == "simmr" else jnp.broadcast_to(own, spread.shape)


def _evaporation(slope: tuple[float, float], d: dict[str, Any], cells: int) -> Any:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    s = numpyro.sample("slope", dist.Normal(*slope))
    own = numpyro.sample("enrichment", dist.HalfNormal(5.0).expand([cells]).to_event(1))
    e = own / d["unit"]
    return jnp.stack([e, e * s * d["slope_unit"]], axis=1)


def _log_likelihood(n: Any, miss: Any, scatter: Any, v: Any) -> Any:
    import jax.numpy as jnp

    whole = scatter + n[:, None, None] * miss[:, :, None] * miss[:, None, :]
    if v.shape[-1] == 2:  # by hand: far faster than a batch of small factorisations
        a, b, c = v[:, 0, 0], v[:, 0, 1], v[:, 1, 1]
        det = a * c - b * b
        trace = (c * whole[:, 0, 0] - 2.0 * b * whole[:, 0, 1] + a * whole[:, 1, 1]) / det
        return -0.5 * (n * jnp.log(det) + trace).sum()
    trace = jnp.trace(jnp.linalg.solve(v, whole), axis1=1, axis2=2)
    return -0.5 * (n * jnp.linalg.slogdet(v)[1] + trace).sum()


def run_chains(
    model: Model, cells: Cells, sources: Composition, seed: int, length: tuple[int, int, int],
    folds: Any = (),
) -> tuple[dict[str, Any], int, list[dict[str, Any]]]:  # fmt: skip
    """Sample; return draws by chain, the number of divergences, and the draws of each fold.

    Chains with a divergence are run once more with shorter steps. A fold is an array of held-out
    samples; levels without samples are drawn from their prior.
    """
    import jax
    from numpyro.infer import MCMC, NUTS

    warmup, draws, chains = length
    program = _program(model, _arrays(cells, sources))

    def run(part: Cells, key: int, accept: float = 0.9) -> tuple[dict[str, Any], int]:
        sampler = MCMC(
            NUTS(program, target_accept_prob=accept), num_warmup=warmup, num_samples=draws,
            num_chains=chains, chain_method="vectorized", progress_bar=False,
        )  # fmt: skip
        sampler.run(jax.random.PRNGKey(key), part.n, part.mean, part.scatter)
        found = {k: np.asarray(v) for k, v in sampler.get_samples(group_by_chain=True).items()}
        return found, int(np.asarray(sampler.get_extra_fields()["diverging"]).sum())

    if len(folds):
        held = [run(cells.without(fold), seed + i)[0] for i, fold in enumerate(folds)]
        return {}, 0, held
    found, divergences = run(cells, seed)
    if divergences:  # shorter steps follow a narrower posterior
        found, divergences = run(cells, seed, 0.99)
    return found, divergences, []


def draw_prior(
    model: Model, cells: Cells, sources: Composition, seed: int, count: int
) -> dict[str, Any]:
    """Draw from the priors alone."""
    import jax
    from numpyro.infer import Predictive

    program = _program(model, _arrays(cells, sources))
    drawn = Predictive(program, num_samples=count)(
        jax.random.PRNGKey(seed), cells.n, cells.mean, cells.scatter
    )
    return {name: np.asarray(value) for name, value in drawn.items() if name != "data"}
