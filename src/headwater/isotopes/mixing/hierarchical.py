"""Fractions that share what they can across months, places and depths (extra ``bayes``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, StudyError, nearest
from headwater.isotopes.mixing._hierarchy import Cells, Model, make_cells, needs_extra
from headwater.isotopes.mixing.composition import Composition, check_sources
from headwater.isotopes.mixing.hierarchical_chains import draw_prior, run_chains, within_caps
from headwater.isotopes.mixing.importance_sampling import PARETO_LIMIT, pareto_smooth
from headwater.isotopes.mixing.posterior import RESIDUALS
from headwater.isotopes.mixing.priors import FractionPrior, dirichlet_prior, held_by_caps
from headwater.isotopes.mixing.results import MixingPosterior
from headwater.results import TableResult, fingerprint

__all__ = [
    "Effects",
    "HierarchicalPosterior",
    "PredictiveScore",
    "grouped_kfold",
    "leave_one_out",
    "mix_hierarchical",
    "predictive_check",
    "prior_check",
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
_LOO = (
    "Vehtari, Gelman & Gabry (2017), Practical Bayesian model evaluation using leave-one-out "
    "cross-validation and WAIC, Stat. Comput. 27:1413, doi:10.1007/s11222-016-9696-4",
)
_SUMS = ("n", "mean", "scatter")
_R_HAT, _ENOUGH, _LOOSE = 1.01, 400.0, 1.05


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
    """

    random: tuple[str, ...] = ()
    nested: tuple[tuple[str, str], ...] = ()
    continuous: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HierarchicalPosterior(MixingPosterior):
    """Posterior fractions by cell of the effects; the columns of the effects stand beside them.

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


@dataclass(frozen=True, slots=True, eq=False)
class PredictiveScore(TableResult):
    """How well samples are predicted that the model has not seen, one row per sample.

    Columns: ``row``, ``elpd`` (log predictive density), ``pareto_k`` (leave-one-out) or ``fold``.

    Attributes
    ----------
    elpd, se : float
        Sum and its standard error.
    """

    elpd: float = float("nan")
    se: float = float("nan")


def mix_hierarchical(
    sources: Composition,
    samples: pd.DataFrame,
    effects: Effects,
    *,
    rng: np.random.Generator,
    prior: FractionPrior | None = None,
    residual: Literal["process_residual", "process", "residual", "simmr"] = "process_residual",
    evaporation: tuple[float, float] | None = None,
    tau_scale: float = 1.0,
    length: tuple[int, int, int] = (750, 1000, 4),
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
    residual : {"process_residual", "process", "residual", "simmr"}
        As for :func:`~headwater.isotopes.mixing.posterior.mix_posterior`; σ has a
        half-normal prior of twice the sources' mean scatter.
    evaporation : tuple of float, optional
        Mean and sd of the slope: each cell is enriched by E (1, S), E half-normal of scale
        5 ‰ of δ18O. Tracers must then be ``d18O`` and ``d2H``.
    tau_scale : float
        Scale of the half-normal prior of each effect's standard deviation [log-ratio].
    length : tuple of int
        Warm-up and kept draws of each chain, and chains.

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
    model, cells = _prepare(sources, samples, effects, (prior, residual, evaporation, tau_scale))
    batch, diverged = run_chains(model, cells, sources, rng, length=length)
    found, divergences = {name: value[0] for name, value in batch.items()}, int(diverged[0])
    diagnostics = _diagnose(found)
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
        fingerprint(sources.mean, cells.mean, cells.n, str(effects), residual, length),
        _choices(model, effects, length),
        held_by_caps(model.prior, draws, list(dict.fromkeys(table["mixture"]))),
        draws=draws,
        parameters=_parameters(flat, sources.tracers),
        overall=overall,
        diagnostics=diagnostics,
        divergences=divergences,
        cells=cells,
        centres=flat["centre"],
        variances=flat["v"],
    )


def _prepare(
    sources: Composition, samples: pd.DataFrame, effects: Effects, how: tuple[Any, ...]
) -> tuple[Model, Cells]:
    prior, residual, evaporation, tau_scale = how
    if residual not in RESIDUALS:
        raise StudyError(
            "unknown residual model", found=f"'{residual}'", do=nearest(residual, list(RESIDUALS))
        )
    needs_extra()
    check_sources(sources)
    if np.any(sources.n < 2):
        raise DataError(
            "hierarchical mixing needs the number of samples of each source",
            found=f"n = {int(sources.n.min())}",
            do="Add the column n",
        )
    if evaporation is not None and sources.tracers != ("d18O", "d2H"):
        raise DataError(
            "evaporation inside the mixing model needs δ18O and δ2H",
            found=", ".join(sources.tracers),
            do='Compose with ["d18O", "d2H"]',
        )
    chosen = prior or dirichlet_prior(np.ones(len(sources)))
    if len(chosen) != len(sources):
        raise DataError(
            "the prior has another number of sources than the data",
            found=f"{len(chosen)} and {len(sources)}",
            do="Give one value per source",
        )
    cells = make_cells(samples, sources.tracers, effects, sources)
    return Model(chosen, residual, evaporation, tau_scale), cells


def _diagnose(found: dict[str, Any]) -> pd.DataFrame:
    """Rank R-hat and effective draws of everything a reader may see."""
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


def _spread(values: Any) -> dict[str, Any]:
    low, median, high = np.quantile(values, [0.025, 0.5, 0.975], axis=0)
    return {
        "fraction": values.mean(axis=0),
        "sd": values.std(axis=0),
        "low": low,
        "median": median,
        "high": high,
    }


def _fractions(
    flat: Any, cells: Cells, sources: Composition, diagnostics: pd.DataFrame
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
        elif name == "beta":
            rows += [
                (f"beta {i + 1} of log-ratio {j + 1}", "", b.mean(), b.std())
                for (i, j), b in (
                    (ij, values[:, ij[0], ij[1]]) for ij in np.ndindex(*values.shape[1:])
                )
            ]
    return pd.DataFrame(rows, columns=["parameter", "tracer", "mean", "sd"])


def _choices(model: Model, effects: Effects, length: tuple[int, int, int]) -> tuple[str, ...]:
    said = [
        f"prior of the common mean: {model.prior.describe()}",
        f"random effects {', '.join(effects.random) or 'none'}, half-normal({model.tau_scale:g}) "
        "for their standard deviations",
        f"{length[2]} chains of {length[0]} + {length[1]} draws",
    ]
    said += [f"{inner} nested in {outer}" for inner, outer in effects.nested]
    said += [f"{name} as a continuous effect, standardised" for name in effects.continuous]
    if model.evaporation:
        said.append("evaporation inside the model, slope {:g} ± {:g}".format(*model.evaporation))
    return tuple(said)


def _log_density(cells: Cells, centres: Any, variances: Any, rows: Any) -> Any:
    """Log density of samples under every draw, (S, rows), in the tracers' own units."""
    cell = cells.cell[rows]
    lower = np.linalg.cholesky(variances.astype(float))[:, cell]
    miss = (cells.values[rows] - centres[:, cell])[..., None]
    white = np.linalg.solve(lower, miss)[..., 0]
    logs = np.log(lower.diagonal(axis1=-2, axis2=-1)).sum(axis=-1)
    units = np.log(cells.scale).sum() + 0.5 * len(cells.scale) * np.log(2.0 * np.pi)
    return -0.5 * np.square(white).sum(axis=-1) - logs - units


def leave_one_out(posterior: HierarchicalPosterior) -> PredictiveScore:
    """Score a model by samples it has not seen, by Pareto-smoothed leave-one-out.

    Parameters
    ----------
    posterior : HierarchicalPosterior
        A fitted model.

    Returns
    -------
    PredictiveScore
        Compare the elpd of models of the same samples: higher is better.

    References
    ----------
    Vehtari et al. (2017), Stat. Comput. 27:1413, doi:10.1007/s11222-016-9696-4.
    """
    cells = posterior.cells
    count = len(cells.values)
    elpd, tails = np.empty(count), np.empty(count)
    for i in range(count):
        logs = _log_density(cells, posterior.centres, posterior.variances, np.array([i]))[:, 0]
        weights, tails[i] = pareto_smooth(-logs)
        top = logs.max()
        elpd[i] = top + np.log(weights @ np.exp(logs - top))
    table = pd.DataFrame({"row": np.arange(count), "elpd": elpd, "pareto_k": tails})
    bad = table[table["pareto_k"] > PARETO_LIMIT]
    return PredictiveScore(
        table,
        "Pareto-smoothed leave-one-out cross-validation.",
        _LOO,
        posterior.fingerprint,
        cautions=(f"{len(bad)} samples have a Pareto k above {PARETO_LIMIT}: use grouped_kfold.",)
        if len(bad)
        else (),
        elpd=float(elpd.sum()),
        se=float(elpd.std(ddof=1) * np.sqrt(count)),
    )


def grouped_kfold(
    sources: Composition,
    samples: pd.DataFrame,
    effects: Effects,
    *,
    by: str,
    folds: int = 5,
    rng: np.random.Generator,
    length: tuple[int, int, int] = (500, 500, 2),
    **model: Any,
) -> PredictiveScore:
    """Score a model by whole groups it has not seen: a month, a site.

    Parameters
    ----------
    sources, samples, effects
        As for :func:`mix_hierarchical`.
    by : str
        Column whose levels are held out together.
    folds : int
        Number of refits; at most the number of levels.
    rng : Generator
        Random numbers.
    length : tuple of int
        Of each refit.
    **model
        Further arguments of :func:`mix_hierarchical`.

    Returns
    -------
    PredictiveScore
        Its cautions name refits that have not converged.

    Raises
    ------
    InputError
        If there is no such column.
    DataError
        If there are fewer than two levels.
    """
    how = {"prior": None, "residual": "process_residual", "evaporation": None, "tau_scale": 1.0}
    built, cells = _prepare(sources, samples, effects, tuple((how | model)[k] for k in how))
    if by not in samples:
        raise InputError(
            "no such column", found=f"'{by}'", do=nearest(by, [str(c) for c in samples.columns])
        )
    codes, levels = pd.factorize(samples[by].astype(str), sort=True)
    if len(levels) < 2:
        raise DataError(
            f"{by} has one level, so that nothing can be held out",
            found=levels[0],
            do="Choose another column",
        )
    assigned = rng.permutation(len(levels)) % min(folds, len(levels))
    held = [np.flatnonzero(assigned[codes] == f) for f in range(min(folds, len(levels)))]
    parts = [cells.without(rows) for rows in held]
    n, mean, scatter = (np.array([getattr(one, k) for one in parts]) for k in _SUMS)
    found, diverged = run_chains(
        built, cells, sources, rng, length=length, samples=(n, mean, scatter)
    )
    elpd, doubtful = np.empty(len(samples)), np.zeros(len(held), dtype=bool)
    for i, rows in enumerate(held):
        one = {name: value[i] for name, value in found.items()}
        elpd[rows] = _predict_held(cells, one, rows, built.caps)
        worst = _diagnose(one)
        doubtful[i] = bool(diverged[i]) or not worst["r_hat"].max() <= _LOOSE
    table = pd.DataFrame({"row": np.arange(len(samples)), "elpd": elpd, "fold": assigned[codes]})
    words = f"{doubtful.sum()} of {len(held)} refits have not converged (R-hat above {_LOOSE} or "
    return PredictiveScore(
        table,
        f"Cross-validation by {by}, {len(held)} folds.",
        _LOO,
        fingerprint(sources.mean, cells.mean, by, folds, length),
        cautions=(words + "divergences): run longer chains.",) if doubtful.any() else (),
        elpd=float(elpd.sum()),
        se=float(elpd.std(ddof=1) * np.sqrt(len(samples))),
    )


def _predict_held(cells: Cells, found: dict[str, Any], rows: Any, caps: tuple[float, ...]) -> Any:
    """Log predictive density of samples that a refit has not seen."""
    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in found.items()}
    kept = within_caps(flat, caps) if caps else slice(None)
    logs = _log_density(cells, flat["centre"][kept], flat["v"][kept], rows)
    if not len(logs):
        raise DataError(
            "no draw of a refit keeps to the caps",
            found=f"{len(rows)} samples held",
            do="Raise a cap: the samples may contradict it",
        )
    top = logs.max(axis=0)
    return top + np.log(np.exp(logs - top).mean(axis=0))


def predictive_check(
    posterior: HierarchicalPosterior, *, rng: np.random.Generator, n_resamples: int = 500
) -> pd.DataFrame:
    """Compare samples with what the fitted model would have made of them.

    Parameters
    ----------
    posterior : HierarchicalPosterior
        A fitted model.
    rng : Generator
        Random numbers.
    n_resamples : int
        Simulated data sets.

    Returns
    -------
    DataFrame
        ``tracer``, ``statistic`` (mean, sd, lowest, highest), ``observed``, ``low``, ``high`` (95 %
        of replicates), ``p`` (share of replicates above; near 0 or 1 the model fails).
    """
    cells = posterior.cells
    chosen = rng.integers(len(posterior.centres), size=n_resamples)
    made = _replicate(cells, posterior.centres[chosen], posterior.variances[chosen], rng)
    seen = cells.values * cells.scale + cells.centre
    rows = []
    tests: dict[str, Any] = {"mean": np.mean, "sd": np.std, "lowest": np.min, "highest": np.max}
    for j, tracer in enumerate(cells.tracers):
        for name, statistic in tests.items():
            replicated = statistic(made[:, :, j], axis=1)
            observed = float(statistic(seen[:, j]))
            low, high = np.quantile(replicated, [0.025, 0.975])
            rows.append((tracer, name, observed, low, high, float((replicated > observed).mean())))
    return pd.DataFrame(rows, columns=["tracer", "statistic", "observed", "low", "high", "p"])


def _replicate(cells: Cells, centres: Any, variances: Any, rng: np.random.Generator) -> Any:
    lower = np.linalg.cholesky(variances.astype(float))[:, cells.cell]
    noise = rng.standard_normal((len(centres), len(cells.cell), centres.shape[-1], 1))
    return (centres[:, cells.cell] + (lower @ noise)[..., 0]) * cells.scale + cells.centre


def prior_check(
    sources: Composition,
    samples: pd.DataFrame,
    effects: Effects,
    *,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    **model: Any,
) -> pd.DataFrame:
    """Show what the priors alone believe: fractions of the cells and ranges of the tracers.

    Parameters
    ----------
    sources, samples, effects
        As for :func:`mix_hierarchical`.
    rng : Generator
        Random numbers.
    n_resamples : int
        Draws.
    **model
        Further arguments of :func:`mix_hierarchical`.

    Returns
    -------
    DataFrame
        ``quantity`` (a source's fraction, or a tracer), ``mean``, ``sd``, ``low``, ``high`` (95 %)
        over all cells.
    """
    how = {"prior": None, "residual": "process_residual", "evaporation": None, "tau_scale": 1.0}
    built, cells = _prepare(sources, samples, effects, tuple((how | model)[k] for k in how))
    drawn = draw_prior(built, cells, sources, n_resamples, rng)
    made = _replicate(cells, drawn["centre"], drawn["v"], rng)
    columns = [(name, drawn["p"][:, :, i].ravel()) for i, name in enumerate(sources.labels)]
    columns += [(name, made[:, :, j].ravel()) for j, name in enumerate(sources.tracers)]
    rows = [(name, v.mean(), v.std(), *np.quantile(v, [0.025, 0.975])) for name, v in columns]
    return pd.DataFrame(rows, columns=["quantity", "mean", "sd", "low", "high"])
