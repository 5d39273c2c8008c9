"""Fractions that share what they can across months, places and depths (extra ``bayes``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, StudyError, nearest
from headwater.isotopes._arrays import Floats
from headwater.isotopes.mixing.composition import Composition, check_sources
from headwater.isotopes.mixing.hierarchical_chains import run_chains, within_caps
from headwater.isotopes.mixing.hierarchical_density import (
    Cells,
    Chains,
    Model,
    make_cells,
    needs_extra,
)
from headwater.isotopes.mixing.posterior import RESIDUALS, Residual
from headwater.isotopes.mixing.priors import FractionPrior, dirichlet_prior, held_by_caps
from headwater.isotopes.mixing.results import MixingPosterior
from headwater.results import of_inputs

__all__ = [
    "Effects",
    "HierarchicalPosterior",
    "contribution_draws",
    "diagnose",
    "hierarchical_contributions",
    "mix_hierarchical",
    "model_of",
    "prepare",
]

_REFERENCES = (
    "Stock et al. (2018), Analyzing mixing systems using a new generation of Bayesian tracer "
    "mixing models, PeerJ 6:e5096, doi:10.7717/peerj.5096",
    "Ward, Semmens & Schindler (2010), Including source uncertainty and prior information in the "
    "analysis of stable isotope mixing models, Environ. Sci. Technol. 44:4645, "
    "doi:10.1021/es100053v",
    "Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Rank-normalization, folding, and "
    "localization: an improved R-hat, Bayesian Anal. 16:667, doi:10.1214/20-BA1221",
)
_R_HAT, _ENOUGH = 1.01, 400.0
_LENGTH = Chains()


@dataclass(frozen=True, slots=True)
class Effects:
    """What fractions may depend on.

    Attributes
    ----------
    random : tuple of str
        Columns whose levels vary about a common mean: month, altitude band, vegetation, aspect.
    nested : tuple of (str, str)
        (inner, outer): levels of `inner` within each level of `outer`.
    continuous : tuple of str
        Columns with numbers: elevation, depth.
    fixed : tuple of str
        Columns whose levels share nothing: each departs from the common mean by N(0, 1) in
        log-ratios, as in MixSIAR, and is not drawn towards the others.
    """

    random: tuple[str, ...] = ()
    nested: tuple[tuple[str, str], ...] = ()
    continuous: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the effects take, each once."""
        nested = [name for pair in self.nested for name in pair]
        return tuple(dict.fromkeys((*self.random, *self.fixed, *nested, *self.continuous)))


@dataclass(frozen=True, slots=True, eq=False)
class HierarchicalPosterior(MixingPosterior):
    """Posterior fractions by cell of the effects; the columns of the effects stand next to them.

    Attributes
    ----------
    overall : DataFrame
        The common mean: ``source``, ``fraction``, ``sd``, ``low``, ``median``, ``high``.
    diagnostics : DataFrame
        ``quantity``, ``r_hat``, ``ess_bulk``, ``ess_tail`` of what converged worst.
    divergences : int
        Of all chains.
    cells : Cells
        The data as the model saw them.
    centres, variances : array of shape (S, C, T) and (S, C, T, T)
        Predicted mean and covariance of samples, in standard units.
    """

    overall: Any = None
    diagnostics: Any = None
    divergences: int = 0
    cells: Cells = field(default=None)  # type: ignore[assignment]
    centres: Any = None
    variances: Any = None


@of_inputs
def mix_hierarchical(  # noqa: PLR0913 - each option is a choice of the model
    sources: Composition,
    samples: pd.DataFrame,
    effects: Effects,
    *,
    rng: np.random.Generator,
    prior: FractionPrior | None = None,
    residual: Residual = "process_residual",
    residual_sd: Mapping[str, float] | None = None,
    evaporation: tuple[float, float] | None = None,
    tau_scale: float = 1.0,
    length: Chains = _LENGTH,
) -> HierarchicalPosterior:
    """Posterior fractions of all cells together, by Hamiltonian Monte Carlo.

    Parameters
    ----------
    sources : Composition
        The end members.
    samples : DataFrame
        Mixtures, with the tracers of the sources and the columns of the effects.
    effects : Effects
        What fractions depend on.
    rng : Generator
        Random numbers.
    prior : FractionPrior, optional
        Of the common mean; all fractions equally likely by default. With caps
        (:func:`~headwater.isotopes.mixing.priors.capped_prior`) they hold for every cell too.
    residual : {"process_residual", "process", "residual", "both", "simmr"}
        As for :func:`~headwater.isotopes.mixing.posterior.mix_posterior`; simmr's σ has a
        half-normal prior of twice the sources' mean scatter.
    residual_sd : mapping of str to float, optional
        As there.
    evaporation : tuple of float, optional
        Mean and sd of the slope: each cell is enriched by E (1, S), E half-normal of scale
        5 ‰ of δ¹⁸O. Tracers must then be ``d18O`` and ``d2H``.
    tau_scale : float
        Scale of the half-normal prior of each effect's standard deviation [log-ratio].
    length : Chains
        Warm-up and kept draws of each chain, and how many chains.

    Returns
    -------
    HierarchicalPosterior

    Raises
    ------
    StudyError
        If the extra ``bayes`` is not installed or the residual model is unknown.
    DataError
        If sources or samples cannot be used, or **the chains have not converged**: rank R-hat above
        1.01, fewer than 400 effective draws in bulk or tail, or any divergence.

    Notes
    -----
    In isometric log-ratios ``z = z₀ + Σ τ_r η_r + Σ x β``, ``η ~ N(0, 1)``; sources as in Ward et
    al. (2010): ``μ ~ N(m, s²/n)``, ``ω² ~ (n - 1) s² / χ²_n``.

    References
    ----------
    Stock et al. (2018), PeerJ 6:e5096, doi:10.7717/peerj.5096. Ward et al. (2010), Environ. Sci.
    Technol. 44:4645, doi:10.1021/es100053v. Vehtari et al. (2021), Bayesian Anal. 16:667,
    doi:10.1214/20-BA1221.
    """
    chosen = prior or dirichlet_prior(np.ones(len(sources)))
    model = Model(chosen, residual, evaporation, tau_scale, residual_sd, effects.fixed)
    cells = prepare(sources, samples, effects, model)
    batch, diverged = run_chains(model, cells, sources, rng, length=length)
    found, divergences = {name: value[0] for name, value in batch.items()}, int(diverged[0])
    diagnostics = diagnose(found)
    _gate(diagnostics, divergences)
    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in found.items()}
    if model.caps:
        flat, diagnostics = _cut(flat, diagnostics, model.caps)
    table, draws = _fractions(flat["p"].astype(float), cells, sources, diagnostics)
    overall = pd.DataFrame({"source": sources.labels} | _spread(flat["p_global"]))
    return HierarchicalPosterior(
        table,
        "Posterior fractions of a hierarchical mixing model in log-ratio space by Hamiltonian "
        f"Monte Carlo; {RESIDUALS[residual]}.",
        _REFERENCES,
        choices=_choices(model, effects, length),
        cautions=held_by_caps(model.prior, draws, list(dict.fromkeys(table["mixture"]))),
        draws=draws,
        parameters=_parameters(flat, sources.tracers),
        overall=overall,
        diagnostics=diagnostics,
        divergences=divergences,
        cells=cells,
        centres=flat["centre"],
        variances=flat["v"],
    )


def prepare(sources: Composition, samples: pd.DataFrame, effects: Effects, model: Model) -> Cells:
    """Check that the model fits the data, and make the cells."""
    if model.residual not in RESIDUALS:
        raise StudyError(
            "unknown residual model",
            found=f"'{model.residual}'",
            do=nearest(model.residual, list(RESIDUALS)),
        )
    needs_extra()
    check_sources(sources)
    if np.any(sources.n < 2):
        raise DataError(
            "hierarchical mixing needs the number of samples of each source",
            found=f"n = {int(sources.n.min())}",
            do="Add the column n",
        )
    if model.evaporation is not None and sources.tracers != ("d18O", "d2H"):
        raise DataError(
            "evaporation inside the mixing model needs δ¹⁸O and δ²H",
            found=", ".join(sources.tracers),
            do='Compose with ["d18O", "d2H"]',
        )
    if len(model.prior) != len(sources):
        raise DataError(
            "the prior has another number of sources than the data",
            found=f"{len(model.prior)} and {len(sources)}",
            do="Give one value per source",
        )
    return make_cells(samples, sources.tracers, effects, sources)


def model_of(sources: Composition, effects: Effects, options: Mapping[str, Any]) -> Model:
    """Make a model of the arguments of :func:`mix_hierarchical`.

    Parameters
    ----------
    sources, effects
        As there.
    options : mapping
        Its other arguments by name; None for the default.

    Returns
    -------
    Model
    """
    how: dict[str, Any] = {
        "prior": dirichlet_prior(np.ones(len(sources))),
        "residual": "process_residual",
        "evaporation": None,
        "tau_scale": 1.0,
        "residual_sd": None,
    }
    chosen = how | {name: value for name, value in options.items() if value is not None}
    return Model(**chosen, fixed=effects.fixed)


def diagnose(found: dict[str, Any]) -> pd.DataFrame:
    """Rank R-hat and effective draws of everything a reader may see.

    Parameters
    ----------
    found : dict of str to array
        Draws of one data set, (chains, draws, ...).

    Returns
    -------
    DataFrame
        ``quantity``, ``r_hat``, ``ess_bulk``, ``ess_tail``, fewest effective draws first.
    """
    from importlib import import_module

    stats: Any = import_module("arviz_stats.base").array_stats  # its types are not exported
    rows = []
    for name, value in found.items():
        if name in ("centre", "v", "source", "chi", "z0") or name[:3] == "eta":
            continue
        flat = np.moveaxis(value.reshape(*value.shape[:2], -1), -1, 0).astype(float)
        rows.append(
            {
                "quantity": name,
                "r_hat": float(np.max(stats.rhat(flat, method="rank"))),
                "ess_bulk": float(np.min(stats.ess(flat, method="bulk"))),
                "ess_tail": float(np.min(stats.ess(flat, method="tail", prob=(0.05, 0.95)))),
            }
        )
    return pd.DataFrame(rows).sort_values("ess_bulk", ignore_index=True)


def _gate(diagnostics: pd.DataFrame, divergences: int) -> None:
    wrong = []
    worst = diagnostics.sort_values("r_hat").iloc[-1]
    if not worst["r_hat"] <= _R_HAT:
        wrong.append(f"R-hat {worst['r_hat']:.3f} of {worst['quantity']} (at most {_R_HAT})")
    for kind in ("ess_bulk", "ess_tail"):
        worst = diagnostics.sort_values(kind).iloc[0]
        if not worst[kind] >= _ENOUGH:
            wrong.append(
                f"{worst[kind]:.0f} effective draws ({kind[4:]}) of {worst['quantity']} "
                f"(at least {_ENOUGH:.0f})"
            )
    if divergences:
        wrong.append(f"{divergences} divergent transitions")
    if wrong:
        raise DataError(
            "the chains have not converged, so no fractions are given",
            found="; ".join(wrong),
            do="Run longer chains; with divergences use fewer effects, a smaller tau_scale or a "
            "tighter prior",
        )


def _cut(
    flat: dict[str, Any], diagnostics: pd.DataFrame, caps: tuple[float, ...]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Keep the draws within the caps, and no more effective draws than their share."""
    kept = within_caps(flat, caps)
    share = float(kept.mean())
    effective = diagnostics[["ess_bulk", "ess_tail"]] * share
    if not effective.min().min() >= _ENOUGH:
        raise DataError(
            "too few draws keep to the caps, so no fractions are given",
            found=f"{100 * share:.1f} % of the draws, {effective.min().min():.0f} effective",
            do="Run longer chains, or raise a cap: the samples may contradict it",
        )
    return {name: value[kept] for name, value in flat.items()}, diagnostics.assign(**effective)


def _spread(values: Floats) -> dict[str, Any]:
    low, median, high = np.quantile(values, [0.025, 0.5, 0.975], axis=0)
    return {
        "fraction": values.mean(axis=0),
        "sd": values.std(axis=0),
        "low": low,
        "median": median,
        "high": high,
    }


def _fractions(
    flat: Floats, cells: Cells, sources: Composition, diagnostics: pd.DataFrame
) -> tuple[pd.DataFrame, Any]:
    k = len(sources)
    labels = [", ".join(str(v) for v in row) for row in cells.table.itertuples(index=False)]
    effective = float(diagnostics.loc[diagnostics["quantity"] == "p", "ess_bulk"].iloc[0])
    table = pd.DataFrame(
        {"mixture": np.repeat(labels, k), "source": list(sources.labels) * len(labels)}
        | {name: np.repeat(cells.table[name].to_numpy(), k) for name in cells.table}
        | {name: value.ravel() for name, value in _spread(flat).items()}
        | {
            "n": np.repeat(cells.n.astype(int), k),
            "effective_draws": effective,
            "pareto_k": np.nan,
            "status": "ok",
        }
    )
    table.attrs["units"] = dict.fromkeys(("fraction", "sd", "low", "median", "high"), "1")
    return table, np.moveaxis(flat, 1, 0)


def _parameters(flat: dict[str, Any], tracers: tuple[str, ...]) -> pd.DataFrame:
    rows = []
    for name, values in flat.items():
        if name[:3] == "tau" or name == "slope":
            rows.append((name, "", values.mean(), values.std()))
        elif name == "enrichment":
            rows += [
                (f"enrichment of cell {i + 1}", "", e.mean(), e.std())
                for i, e in enumerate(values.T)
            ]
        elif name in ("xi", "sigma"):
            rows += [
                (name, t, values[:, j].mean(), values[:, j].std()) for j, t in enumerate(tracers)
            ]
        elif name == "omega":
            own = np.sqrt(values.diagonal(axis1=1, axis2=2))
            rows += [
                ("residual", t, own[:, j].mean(), own[:, j].std()) for j, t in enumerate(tracers)
            ]
        elif name == "beta":
            rows += [
                (f"beta {i + 1} of log-ratio {j + 1}", "", b.mean(), b.std())
                for (i, j), b in (
                    (ij, values[:, ij[0], ij[1]]) for ij in np.ndindex(*values.shape[1:])
                )
            ]
    return pd.DataFrame(rows, columns=["parameter", "tracer", "mean", "sd"])


def _choices(model: Model, effects: Effects, length: Chains) -> tuple[str, ...]:
    said = [
        f"prior of the common mean: {model.prior.describe()}",
        f"random effects {', '.join(effects.random) or 'none'}, half-normal({model.tau_scale:g}) "
        "for their standard deviations",
        f"{length[2]} chains of {length[0]} + {length[1]} draws",
    ]
    said += [f"{inner} nested in {outer}" for inner, outer in effects.nested]
    said += [f"{name} as a fixed effect, N(0, 1) in log-ratios" for name in effects.fixed]
    said += [f"{name} as a continuous effect, standardised" for name in effects.continuous]
    if model.evaporation:
        said.append("evaporation inside the model, slope {:g} ± {:g}".format(*model.evaporation))
    return tuple(said)


def contribution_draws(
    posterior: MixingPosterior, *, by: Sequence[str] | None = None
) -> tuple[pd.DataFrame, Any]:
    """Draw the fractions of groups together.

    Parameters
    ----------
    posterior : MixingPosterior
        A hierarchical fit, or groups by themselves, whose only column is ``mixture``.
    by : sequence of str, optional
        Columns of the effects that make the groups; all of them by default, none for all samples
        together.

    Returns
    -------
    groups : DataFrame
        One row per group: the columns of `by`, and ``n`` samples.
    draws : array of shape (G, S, K)
        Equally weighted draws [1]. Draw s of one group belongs to draw s of another, so that
        differences between groups may be taken draw by draw.

    Raises
    ------
    InputError
        If a column is not an effect of the fit; its effects are named.

    Notes
    -----
    Where a group holds several cells of the fit, each draw is their mean, weighted by their number
    of samples: the fraction in the samples of the group, not in the whole of its place and time.

    Examples
    --------
    >>> table = pd.DataFrame({"mixture": ["a", "a"], "source": ["rain", "ice"], "n": 4})
    >>> post = MixingPosterior(table, "", draws=np.array([[[0.25, 0.75], [0.35, 0.65]]]))
    >>> groups, draws = contribution_draws(post)
    >>> groups.values.tolist(), draws[0, :, 0].tolist()
    ([['a', 4]], [0.25, 0.35])
    """
    if isinstance(posterior, HierarchicalPosterior):
        cells, n = posterior.cells.table, np.asarray(posterior.cells.n, dtype=float)
    else:
        rows = posterior.data.drop_duplicates("mixture")
        cells, n = rows[["mixture"]].reset_index(drop=True), rows["n"].to_numpy(dtype=float)
    names = list(cells.columns if by is None else by)
    for name in names:
        if name not in cells:
            raise InputError(
                "the fit has no such effect",
                found=f"'{name}'",
                do=nearest(name, [str(c) for c in cells.columns]),
            )
    keys = cells[names] if names else pd.DataFrame({"": 0}, index=cells.index)
    group = keys.groupby(list(keys.columns), sort=True, observed=True).ngroup().to_numpy()
    count = np.bincount(group, weights=n)
    share = np.zeros((len(count), len(cells)))
    share[group, np.arange(len(cells))] = n / count[group]
    first = np.unique(group, return_index=True)[1]
    groups = cells.loc[cells.index[first], names].reset_index(drop=True)
    return groups.assign(n=count.astype(int)), np.einsum("gc,csk->gsk", share, posterior.draws)


def hierarchical_contributions(
    posterior: HierarchicalPosterior, *, by: Sequence[str] | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Contribution of each source by group, from a hierarchical fit.

    Parameters
    ----------
    posterior : HierarchicalPosterior
        The fit.
    by : sequence of str, optional
        As for :func:`contribution_draws`.
    level : float
        Probability of the intervals [1].

    Returns
    -------
    DataFrame
        The columns of `by`, then ``source``, ``mean``, ``sd``, ``lower``, ``upper`` (equal tails),
        ``n`` and ``method``.

    Raises
    ------
    InputError
        If a column is not an effect of the fit.
    DataError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> from headwater.isotopes.mixing.hierarchical_density import Cells
    >>> cells = Cells(None, None, np.array([3.0, 1.0]), None, None, {}, {}, None,
    ...               pd.DataFrame({"month": [6, 9]}), ("d18O",), None, None)
    >>> table = pd.DataFrame({"mixture": list("aabb"), "source": ["rain", "ice"] * 2})
    >>> draws = np.array([[[0.2, 0.8], [0.4, 0.6]], [[0.6, 0.4], [0.8, 0.2]]])
    >>> post = HierarchicalPosterior(table, "", draws=draws, cells=cells)
    >>> hierarchical_contributions(post)["mean"].round(2).tolist()
    [0.3, 0.7, 0.7, 0.3]
    >>> hierarchical_contributions(post, by=[])["mean"].round(2).tolist()
    [0.4, 0.6]
    """
    if not 0.0 < level < 1.0:
        raise DataError(
            "the level of an interval lies between 0 and 1",
            found=f"{level:g}",
            do="Use 0.95 for 95 %",
        )
    groups, draws = contribution_draws(posterior, by=by)
    sources = list(dict.fromkeys(posterior.data["source"]))
    tail = 0.5 * (1.0 - level)
    lower, upper = np.quantile(draws, [tail, 1.0 - tail], axis=1)
    repeated = groups.loc[np.repeat(np.arange(len(groups)), len(sources))].reset_index(drop=True)
    table = repeated.drop(columns="n").assign(
        source=sources * len(groups),
        mean=draws.mean(axis=1).ravel(),
        sd=draws.std(axis=1).ravel(),
        lower=lower.ravel(),
        upper=upper.ravel(),
        n=repeated["n"],
        method="hierarchical",
    )
    table.attrs["units"] = dict.fromkeys(("mean", "sd", "lower", "upper"), "1")
    return table
