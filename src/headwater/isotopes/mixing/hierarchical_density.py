"""The hierarchical mixing model: data, choices, and its density as a function of one vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from headwater.errors import DataError, StudyError
from headwater.installation import install_hint
from headwater.isotopes.mixing.composition import Composition, name_rows
from headwater.isotopes.mixing.priors import CappedPrior, FractionPrior, ilr_basis
from headwater.isotopes.samples import need_columns

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from headwater.isotopes.mixing.hierarchical import Effects

__all__ = [
    "Cells",
    "Chains",
    "Layout",
    "Model",
    "Sums",
    "draw_values",
    "log_density",
    "make_cells",
    "needs_extra",
    "predict",
    "split",
]

WIDEST_RATIO = 20.0
RESIDUAL_SCALE, ENRICHMENT_SCALE = 2.0, 5.0
_WALL = 0.02


@dataclass(frozen=True, slots=True)
class Layout:
    """What decides which numbers stand where, and nothing else: equal layouts compile once.

    Attributes
    ----------
    sources, tracers, cells, covariates : int
        Sizes.
    prior : str
        Kind of the prior of the common mean.
    residual : str
        Residual model.
    levels : tuple of (str, int)
        Random and fixed effects, and how many levels each has.
    fixed : tuple of str
        Which of them are fixed: their levels have no common standard deviation.
    evaporated, capped : bool
        Whether cells are enriched, and whether fractions have caps.
    """

    sources: int
    tracers: int
    cells: int
    covariates: int
    prior: str
    residual: str
    levels: tuple[tuple[str, int], ...]
    fixed: tuple[str, ...]
    evaporated: bool
    capped: bool

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter, in the order of the vector."""
        k, t = self.sources, self.tracers
        own: dict[str, tuple[int, ...]] = {"z0": (k - 1,)}
        for name, count in self.levels:
            own |= {} if name in self.fixed else {f"tau {name}": ()}
            own[f"eta {name}"] = (count, k - 1)
        if self.covariates:
            own["beta"] = (self.covariates, k - 1)
        own |= {"source": (k, t), "chi": (k, t)}
        if self.residual in ("residual", "both"):
            own["omega"] = (t * (t + 1) // 2,)
        elif self.residual != "process":
            own["xi" if self.residual == "process_residual" else "sigma"] = (t,)
        if self.evaporated:
            own |= {"slope": (), "enrichment": (self.cells,)}
        return own

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())


def split(layout: Layout, data: Mapping[str, Any], vector: Any) -> tuple[dict[str, Any], Any]:
    """Return the parameters in their own units, and the log density of their priors.

    Parameters
    ----------
    layout : Layout
        Of the vector.
    data : mapping
        As made by :func:`~headwater.isotopes.mixing.hierarchical_chains.arrays`.
    vector : array of shape (D,)
        Unconstrained.

    Returns
    -------
    values : dict of str to array
        Parameters.
    log_prior : float
        Up to a constant, with the Jacobian of the way from the vector.
    """
    import jax
    import jax.numpy as jnp

    values, total, at = {}, _log_global(layout, data, vector[: layout.sources - 1]), 0
    for name, shape in layout.shapes.items():
        end = at + int(np.prod(shape))
        u = vector[at:end].reshape(shape)
        at = end
        if name == "z0":
            values[name] = u
        elif name.startswith("tau"):
            values[name] = jnp.exp(u)
            total += u - 0.5 * (values[name] / data["tau_scale"]) ** 2
        elif name in ("sigma", "enrichment"):
            scale = RESIDUAL_SCALE if name == "sigma" else ENRICHMENT_SCALE
            values[name] = scale * jnp.exp(u)
            total += (u - 0.5 * jnp.exp(2.0 * u)).sum()
        elif name == "chi":  # nearly standard normal in u
            n = data["count"]
            values[name] = n * jnp.exp(u * jnp.sqrt(2.0 / n))
            total += (u * jnp.sqrt(n / 2.0) - 0.5 * values[name]).sum()
        elif name == "xi":
            values[name] = WIDEST_RATIO * jax.nn.sigmoid(u)
            total -= (jax.nn.softplus(u) + jax.nn.softplus(-u)).sum()
        elif name == "omega":
            values[name], log_prior = _wishart(data["residual_root"], u)
            total += log_prior
        else:
            mean, sd = data["slope"] if name == "slope" else (0.0, 1.0)
            values[name] = mean + sd * u
            total -= 0.5 * (u**2).sum()
    return values, total


def _wishart(root: NDArray[Any], u: NDArray[Any]) -> tuple[Any, Any]:
    """Return the residual covariance of Bartlett's parameters, and their log density.

    As in the engine of groups that stand alone: T + 1 degrees of freedom, so that it does not
    depend on the choice of tracers.
    """
    import jax.numpy as jnp

    t = len(root)
    dof = t + 1.0
    lower = jnp.zeros((t, t)).at[jnp.tril_indices(t, -1)].set(u[t:])  # noqa: PD008 (a JAX array)
    factor = root @ (lower + jnp.diag(jnp.exp(u[:t])))
    own = (dof - np.arange(t)) * u[:t] - 0.5 * dof * jnp.exp(2.0 * u[:t])
    return factor @ factor.T, own.sum() - 0.5 * dof * (u[t:] ** 2).sum()


def _log_global(layout: Layout, data: Mapping[str, Any], z: NDArray[Any]) -> Any:
    import jax
    import jax.numpy as jnp

    if layout.prior == "dirichlet":  # each α - 1 becomes α in log-ratios
        return data["first"] @ jax.nn.log_softmax(jnp.asarray(ilr_basis(layout.sources)) @ z)
    return -0.5 * ((data["precision_root"] @ (z - data["first"])) ** 2).sum()


def predict(layout: Layout, data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return fractions by cell, and the mean and covariance of samples.

    Parameters
    ----------
    layout : Layout
        Of the model.
    data, values : mapping
        Arrays, and parameters as :func:`split` returns them.

    Returns
    -------
    dict of str to array
        ``p_global`` (K,), ``p`` (C, K), ``centre`` (C, T), ``v`` (C, T, T), in standard units.
    """
    import jax
    import jax.numpy as jnp

    basis = jnp.asarray(ilr_basis(layout.sources))
    z = jnp.broadcast_to(values["z0"], (layout.cells, layout.sources - 1))
    for name, _ in layout.levels:
        size = 1.0 if name in layout.fixed else values[f"tau {name}"]
        z = z + size * values[f"eta {name}"][data["codes"][name]]
    if layout.covariates:
        z = z + data["x"] @ values["beta"]
    p = jax.nn.softmax(z @ basis.T, axis=-1)
    # Means ~ N(m, s²/n); variances ~ (n - 1) s² / χ²_n (Ward et al. 2010).
    step = jnp.einsum("ktu,ku->kt", data["root"], values["source"])
    mu = data["mu"] + step * data["sd"] / jnp.sqrt(data["count"])
    omega = data["sd"] * jnp.sqrt((data["count"] - 1.0) / values["chi"])
    each = omega[:, :, None] * data["r"] * omega[:, None, :]
    v = _spread(layout.residual, jnp.einsum("ck,ktu->ctu", p**2, each), values)
    centre = p @ mu
    if layout.evaporated:
        e = values["enrichment"] / data["unit"]
        centre = centre + jnp.stack([e, e * values["slope"] * data["slope_unit"]], axis=1)
    return {"p_global": jax.nn.softmax(basis @ values["z0"]), "p": p, "centre": centre, "v": v}


def _spread(residual: str, process: Any, values: Mapping[str, Any]) -> Any:
    import jax.numpy as jnp

    if residual == "process":
        return process
    if residual == "process_residual":
        ratio = jnp.sqrt(values["xi"])
        return process * ratio[:, None] * ratio[None, :]
    if residual == "simmr":
        return process + jnp.diag(values["sigma"] ** 2)
    own = values["omega"]
    return process + own if residual == "both" else jnp.broadcast_to(own, process.shape)


def log_density(
    layout: Layout, data: Mapping[str, Any], n: Any, mean: Any, scatter: Any, vector: Any
) -> Any:
    """Log posterior density of a vector, up to a constant.

    Parameters
    ----------
    layout : Layout
        Of the vector.
    data : mapping
        Arrays of the model.
    n, mean, scatter : array of shape (C,), (C, T), (C, T, T)
        What the samples of each cell say, in standard units.
    vector : array of shape (D,)
        Unconstrained.

    Returns
    -------
    float

    Notes
    -----
    Caps are a steep wall outside of which nothing is kept: inside it is flat, so that the draws
    that are kept follow the truncated posterior exactly.
    """
    import jax.numpy as jnp

    values, total = split(layout, data, vector)
    made = predict(layout, data, values)
    if layout.capped:
        every = jnp.vstack([made["p_global"], made["p"]])
        total -= 0.5 * (jnp.maximum(every - data["caps"], 0.0) ** 2).sum() / _WALL**2
    miss = mean - made["centre"]
    whole = scatter + n[:, None, None] * miss[:, :, None] * miss[:, None, :]
    v = made["v"]
    if layout.tracers == 2:  # by hand: far faster than a batch of small factorisations
        a, b, c = v[:, 0, 0], v[:, 0, 1], v[:, 1, 1]
        det = a * c - b * b
        trace = (c * whole[:, 0, 0] - 2.0 * b * whole[:, 0, 1] + a * whole[:, 1, 1]) / det
        return total - 0.5 * (n * jnp.log(det) + trace).sum()
    trace = jnp.trace(jnp.linalg.solve(v, whole), axis1=1, axis2=2)
    return total - 0.5 * (n * jnp.linalg.slogdet(v)[1] + trace).sum()


def draw_values(
    layout: Layout, data: Mapping[str, Any], common: Any, rng: np.random.Generator
) -> dict[str, Any]:
    """Draw parameters from their priors.

    Parameters
    ----------
    layout : Layout
        Of the model.
    data : mapping
        Arrays of the model.
    common : array of shape (S, K)
        Draws of the common mean from its prior [1].
    rng : Generator
        Random numbers.

    Returns
    -------
    dict of str to array
        Each of shape (S, ...).
    """
    count, drawn = len(common), {}
    for name, shape in layout.shapes.items():
        whole = (count, *shape)
        if name == "z0":
            drawn[name] = np.log(common) @ ilr_basis(layout.sources)
        elif name.startswith("tau"):
            drawn[name] = np.abs(rng.normal(0.0, data["tau_scale"], whole))
        elif name in ("sigma", "enrichment"):
            scale = RESIDUAL_SCALE if name == "sigma" else ENRICHMENT_SCALE
            drawn[name] = np.abs(rng.normal(0.0, scale, whole))
        elif name == "chi":
            drawn[name] = rng.chisquare(data["count"], whole)
        elif name == "xi":
            drawn[name] = rng.uniform(0.0, WIDEST_RATIO, whole)
        elif name == "omega":
            drawn[name] = _draw_wishart(data["residual_root"], count, rng)
        else:
            mean, sd = data["slope"] if name == "slope" else (0.0, 1.0)
            drawn[name] = rng.normal(mean, sd, whole)
    return drawn


def _draw_wishart(root: NDArray[Any], count: int, rng: np.random.Generator) -> Any:
    """Draw residual covariances, (S, T, T)."""
    t = len(root)
    factor = np.tril(rng.standard_normal((count, t, t)), -1)
    factor[:, range(t), range(t)] = np.sqrt(rng.chisquare(t + 1.0 - np.arange(t), (count, t)))
    half = np.asarray(root) @ factor / np.sqrt(t + 1.0)
    return half @ half.swapaxes(1, 2)


class Chains(NamedTuple):
    """How long the chains are: warm-up and kept draws of each, and how many there are."""

    warmup: int = 750
    draws: int = 1000
    chains: int = 4


class Sums(NamedTuple):
    """n (D, C), mean (D, C, T) and scatter (D, C, T, T) of D data sets."""

    n: Any
    mean: Any
    scatter: Any


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

    def without(self, rows: ArrayLike) -> Cells:
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
            do=f"{install_hint('bayes')}; or use mix_posterior for independent groups",
        )


def make_cells(
    samples: pd.DataFrame, tracers: tuple[str, ...], effects: Effects, sources: Composition
) -> Cells:
    """Group samples into cells of equal effects, in standard units of the tracers."""
    needed = [*tracers, *effects.columns]
    need_columns(samples, needed)
    holes = samples.index[samples[needed].isna().any(axis=1).to_numpy()]
    if len(holes):
        raise DataError(
            f"samples lack a tracer or an effect{name_rows([int(row) for row in holes])}",
            found=f"{len(holes)} of {len(samples)}",
            do="Leave them out, or use mix_posterior, which takes missing tracers",
        )
    factors = list(effects.columns)
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
        values=values,
        cell=cell,
        **_sums(values, cell, len(table)),
        levels=levels,
        names=names,
        covariates=_covariates(table, samples, effects.continuous),
        table=table,
        tracers=tracers,
        centre=centre,
        scale=scale,
    )


def _sums(values: NDArray[Any], cell: NDArray[Any], count: int) -> dict[str, Any]:
    n = np.bincount(cell, minlength=count).astype(float)
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, cell, values)
    mean = total / np.maximum(n, 1.0)[:, None]
    off = values - mean[cell]
    scatter = np.zeros((count, values.shape[1], values.shape[1]))
    np.add.at(scatter, cell, off[:, :, None] * off[:, None, :])
    return {"n": n, "mean": mean, "scatter": scatter}


def _levels(table: pd.DataFrame, effects: Effects) -> tuple[dict[str, Any], dict[str, Any]]:
    levels, names = {}, {}
    for name in (*effects.random, *effects.fixed):
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
            raise DataError(
                f"{name} is the same for all samples",
                found="standard deviation 0",
                do="Leave the effect out",
            )
        parts.append((table[name].to_numpy(dtype=float) - float(samples[name].mean())) / sd)
    return np.array(parts).T if parts else np.zeros((len(table), 0))


@dataclass(frozen=True, slots=True)
class Model:
    """What does not change between runs: priors, residual, evaporation, what is fixed."""

    prior: FractionPrior
    residual: str
    evaporation: tuple[float, float] | None
    tau_scale: float
    residual_sd: Mapping[str, float] | None = None
    fixed: tuple[str, ...] = ()

    @property
    def caps(self) -> tuple[float, ...]:
        """Largest fraction of each source; empty where there are none."""
        return self.prior.caps if isinstance(self.prior, CappedPrior) else ()
