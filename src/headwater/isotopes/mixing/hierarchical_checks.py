"""How well a hierarchical mixing model predicts samples, and what its priors alone believe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes._arrays import Floats
from headwater.isotopes.mixing.composition import Composition
from headwater.isotopes.mixing.hierarchical import (
    Effects,
    HierarchicalPosterior,
    diagnose,
    model_of,
    prepare,
)
from headwater.isotopes.mixing.hierarchical_chains import draw_prior, run_chains, within_caps
from headwater.isotopes.mixing.hierarchical_density import Cells, Chains, Sums
from headwater.isotopes.mixing.importance_sampling import PARETO_LIMIT, pareto_smooth
from headwater.isotopes.samples import need_columns
from headwater.results import TableResult, of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "PredictiveScore",
    "grouped_kfold",
    "leave_one_out",
    "predictive_check",
    "prior_check",
]

_LOO = (
    "Vehtari, Gelman & Gabry (2017), Practical Bayesian model evaluation using leave-one-out "
    "cross-validation and WAIC, Stat. Comput. 27:1413, doi:10.1007/s11222-016-9696-4",
)
_SUMS = ("n", "mean", "scatter")
_LOOSE = 1.05
_REFIT = Chains(500, 500, 2)


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


@of_inputs
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


def _log_density(cells: Cells, centres: Floats, variances: Floats, rows: ArrayLike) -> Any:
    """Log density of samples under every draw, (S, rows), in the tracers' own units."""
    cell = cells.cell[rows]
    lower = np.linalg.cholesky(variances.astype(float))[:, cell]
    miss = (cells.values[rows] - centres[:, cell])[..., None]
    white = np.linalg.solve(lower, miss)[..., 0]
    logs = np.log(lower.diagonal(axis1=-2, axis2=-1)).sum(axis=-1)
    units = np.log(cells.scale).sum() + 0.5 * len(cells.scale) * np.log(2.0 * np.pi)
    return -0.5 * np.square(white).sum(axis=-1) - logs - units


@of_inputs
def grouped_kfold(
    sources: Composition,
    samples: pd.DataFrame,
    effects: Effects,
    *,
    by: str,
    folds: int = 5,
    rng: np.random.Generator,
    length: Chains = _REFIT,
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
    length : Chains
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
    built = model_of(sources, effects, model)
    cells = prepare(sources, samples, effects, built)
    need_columns(samples, [by])
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
        built, cells, sources, rng, length=length, samples=Sums(n, mean, scatter)
    )
    elpd, doubtful = np.empty(len(samples)), np.zeros(len(held), dtype=bool)
    for i, rows in enumerate(held):
        one = {name: value[i] for name, value in found.items()}
        elpd[rows] = _predict_held(cells, one, rows, built.caps)
        worst = diagnose(one)
        doubtful[i] = bool(diverged[i]) or not worst["r_hat"].max() <= _LOOSE
    table = pd.DataFrame({"row": np.arange(len(samples)), "elpd": elpd, "fold": assigned[codes]})
    words = f"{doubtful.sum()} of {len(held)} refits have not converged (R-hat above {_LOOSE} or "
    return PredictiveScore(
        table,
        f"Cross-validation by {by}, {len(held)} folds.",
        _LOO,
        cautions=(words + "divergences): run longer chains.",) if doubtful.any() else (),
        elpd=float(elpd.sum()),
        se=float(elpd.std(ddof=1) * np.sqrt(len(samples))),
    )


def _predict_held(
    cells: Cells, found: dict[str, Any], rows: NDArray[Any], caps: tuple[float, ...]
) -> Any:
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


def _replicate(cells: Cells, centres: Floats, variances: Floats, rng: np.random.Generator) -> Any:
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
    built = model_of(sources, effects, model)
    cells = prepare(sources, samples, effects, built)
    drawn = draw_prior(built, cells, sources, n_resamples, rng)
    made = _replicate(cells, drawn["centre"], drawn["v"], rng)
    columns = [(name, drawn["p"][:, :, i].ravel()) for i, name in enumerate(sources.labels)]
    columns += [(name, made[:, :, j].ravel()) for j, name in enumerate(sources.tracers)]
    rows = [(name, v.mean(), v.std(), *np.quantile(v, [0.025, 0.975])) for name, v in columns]
    return pd.DataFrame(rows, columns=["quantity", "mean", "sd", "low", "high"])
