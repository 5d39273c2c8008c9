"""Chains of the hierarchical mixing model, compiled once for models of equal layout."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from headwater.errors import DataError
from headwater.isotopes.mixing.composition import Composition
from headwater.isotopes.mixing.hierarchical_density import (
    Cells,
    Chains,
    Layout,
    Model,
    Sums,
    draw_values,
    log_density,
    predict,
    split,
)
from headwater.isotopes.mixing.posterior import residual_root
from headwater.isotopes.mixing.priors import ilr_basis

__all__ = ["arrays", "draw_prior", "lay_out", "run_chains", "within_caps"]

_ACCEPT, _CAREFUL = 0.9, 0.99
_REACH = 1.0


def lay_out(model: Model, cells: Cells, sources: Composition) -> Layout:
    """Return the layout of a model."""
    return Layout(
        len(sources),
        len(sources.tracers),
        len(cells.table),
        cells.covariates.shape[1],
        model.prior.kind,
        model.residual,
        tuple((name, len(found)) for name, found in cells.names.items()),
        tuple(name for name in cells.names if name in model.fixed),
        model.evaporation is not None,
        bool(model.caps),
    )


def arrays(model: Model, cells: Cells, sources: Composition) -> dict[str, Any]:
    """Return what the density needs apart from the samples, in standard units of the tracers."""
    sd = np.sqrt(sources.covariance.diagonal(axis1=1, axis2=2))
    relative = sources.covariance / sd[:, :, None] / sd[:, None, :]
    basis, first = ilr_basis(len(sources)), np.array(model.prior.first, dtype=float)
    root = np.eye(len(sources) - 1)
    if model.prior.kind == "clr":
        first = basis.T @ first
        cov = basis.T @ np.diag(np.square(model.prior.second)) @ basis
        root = np.linalg.inv(np.linalg.cholesky(cov))
    return {
        "x": cells.covariates,
        "codes": dict(cells.levels),
        "mu": (sources.mean - cells.centre) / cells.scale,
        "sd": sd / cells.scale,
        "r": relative,
        "root": np.linalg.cholesky(relative),
        "residual_root": residual_root(sources, model.residual_sd) / cells.scale[:, None],
        "count": sources.n.astype(float),
        "slope": np.array(model.evaporation or (0.0, 1.0), dtype=float),
        "slope_unit": cells.scale[0] / cells.scale[-1],
        "unit": cells.scale[0],
        "tau_scale": float(model.tau_scale),
        "first": first,
        "precision_root": root,
        "caps": np.array(model.caps or np.ones(len(sources)), dtype=float),
    }


@lru_cache(maxsize=8)
def _compiled(layout: Layout, warmup: int, draws: int) -> Any:
    """Return the sampler of all chains, what turns draws into values, and predictions."""
    import jax
    from numpyro.infer.hmc import hmc

    def chain(key: Any, accept: Any, data: Any, n: Any, mean: Any, scatter: Any) -> Any:
        start, go = jax.random.split(key)
        init, sample = hmc(lambda u: -log_density(layout, data, n, mean, scatter, u), algo="NUTS")
        vector = jax.random.uniform(start, (layout.size,), minval=-_REACH, maxval=_REACH)
        state = init(vector, warmup, target_accept_prob=accept, rng_key=go)

        def step(state: Any, _: Any) -> Any:
            state = sample(state)
            return state, (state.z, state.diverging)

        _, (vectors, diverging) = jax.lax.scan(step, state, None, length=warmup + draws)
        return vectors[warmup:], diverging[warmup:].sum()

    def values(data: Any, vector: Any) -> Any:
        parts = split(layout, data, vector)[0]
        return parts | predict(layout, data, parts)

    each = jax.vmap(chain, (0, None, None, None, None, None))
    rows = values
    for _ in range(2):
        rows = jax.vmap(rows, (None, 0))
    one = jax.vmap(lambda data, parts: predict(layout, data, parts), (None, 0))
    return jax.jit(each), jax.jit(rows), jax.jit(one)


def run_chains(
    model: Model,
    cells: Cells,
    sources: Composition,
    rng: np.random.Generator,
    *,
    length: Chains,
    samples: Sums | None = None,
    collect: int = 1,
) -> tuple[dict[str, Any], Any]:
    """Sample the posterior of one data set, or of many that differ in their samples only.

    Parameters
    ----------
    model, cells, sources
        The model and its data.
    rng : Generator
        Random numbers.
    length : Chains
        How long they are, and how many.
    samples : Sums, optional
        Of D data sets; by default those of the cells.
    collect : int
        Keep every so manieth draw.

    Returns
    -------
    found : dict of str to array
        Draws (D, chains, draws, ...).
    divergences : array of int of shape (D,)
        Left after such a data set was run once more with shorter steps, which follow a narrower
        posterior.
    """
    import jax

    warmup, draws, chains = length
    layout, data = lay_out(model, cells, sources), arrays(model, cells, sources)
    n, mean, scatter = samples or Sums(cells.n[None], cells.mean[None], cells.scatter[None])
    run, values, _ = _compiled(layout, warmup, draws)
    found, divergences = [], np.zeros(len(n), dtype=int)
    # One after the other: side by side, all would wait for the longest trajectory of any.
    for i, keys in enumerate(jax.random.split(_key(rng), (len(n), chains))):
        part = (data, n[i], mean[i], scatter[i])
        vectors, diverging = run(keys, _ACCEPT, *part)
        if diverging.any():
            vectors, diverging = run(keys, _CAREFUL, *part)
        divergences[i] = int(diverging.sum())
        made = values(data, vectors[:, ::collect])
        found.append({name: np.asarray(value) for name, value in made.items()})
    return {name: np.stack([one[name] for one in found]) for name in found[0]}, divergences


def _key(rng: np.random.Generator) -> Any:
    """Seed JAX from a generator of NumPy."""
    import jax

    return jax.random.PRNGKey(int(rng.integers(2**31)))


def draw_prior(
    model: Model, cells: Cells, sources: Composition, count: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Draw from the priors alone."""
    layout, data = lay_out(model, cells, sources), arrays(model, cells, sources)
    drawn = draw_values(layout, data, model.prior.draw(count, rng), rng)
    made = _compiled(layout, 1, 1)[2](data, drawn)
    every = drawn | {name: np.asarray(value) for name, value in made.items()}
    if not model.caps:
        return every
    kept = within_caps(every, model.caps)
    if not kept.any():
        raise DataError(
            "no draw of the priors keeps to the caps in every cell",
            found=f"{count} draws",
            do="Draw more, or use a smaller tau_scale",
        )
    return {name: value[kept] for name, value in every.items()}


def within_caps(found: dict[str, Any], caps: tuple[float, ...]) -> Any:
    """Say which draws keep to the caps in the common mean and in every cell.

    Parameters
    ----------
    found : dict of str to array
        With ``p_global`` (..., K) and ``p`` (..., C, K).
    caps : tuple of float
        Largest fraction of each source [1].

    Returns
    -------
    array of bool of shape (...)
    """
    limits = np.array(caps)
    inside: Any = (found["p_global"] <= limits).all(axis=-1)
    return inside & (found["p"] <= limits).all(axis=(-2, -1))
