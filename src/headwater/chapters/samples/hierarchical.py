"""Which waters all groups are mixed of together, sharing what they can (extra ``bayes``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headwater.chapters.samples.end_members import with_excess
from headwater.chapters.samples.results import Answer, Finding, Place
from headwater.chapters.samples.table import described
from headwater.errors import DataError
from headwater.results import TableResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headwater.chapters.samples.mixing_job import MixingJob, MixingPart
    from headwater.isotopes import Effects
    from headwater.isotopes.mixing.hierarchical import HierarchicalPosterior

__all__ = ["fit_together"]

_KEPT = 1000


def fit_together(job: MixingJob, part: MixingPart, *, rng: np.random.Generator) -> list[Answer]:
    """Fit one model to all mixtures that share their sources, and report the groups' fractions.

    Parameters
    ----------
    job : MixingJob
        Its groupings, and the effects that the study file names.
    part : MixingPart
        Mixtures with their sources.
    rng : Generator
        Random numbers.

    Returns
    -------
    list of Answer
        ``mixing``, ``mixing-diagnostics``, ``mixing-checks`` and the draws.

    Raises
    ------
    StudyError
        If the extra ``bayes`` is not installed.
    DataError
        If a column has no effect, or the chains have not converged.
    """
    from headwater.isotopes import mix_hierarchical

    rows = with_excess(part.rows, list(part.sources.tracers))
    effects = _effects(rows, job)
    named = list(effects.columns)
    whole = rows.dropna(subset=[*named, *part.sources.tracers])
    if whole.empty:
        raise DataError(
            "no mixture has all its tracers and effects",
            found=", ".join(named),
            do="Leave out an effect in [samples.mixing]",
        )
    model = part.model
    posterior = mix_hierarchical(
        part.sources,
        whole,
        effects,
        rng=rng,
        prior=model.prior,
        residual=model.residual,
        residual_sd=model.residual_sd,
        evaporation=model.slope,
    )
    groups = [
        _grouped(posterior, whole, grouping, columns, part.period)
        for grouping, columns in job.places
    ]
    return [*groups, _check(posterior, _months(whole, part.period), rng)]


def _months(whole: pd.DataFrame, period: Sequence[str]) -> str:
    return ", ".join(map(str, whole[period[0]].dropna().unique())) if period else ""


def _effects(rows: pd.DataFrame, job: MixingJob) -> Effects:
    """Take the effects that the study asks for; without any, the columns of its groups."""
    from headwater.isotopes import Effects

    asked = job.asked
    random = asked.random
    if not (random or asked.nested or asked.continuous or asked.fixed):
        columns = dict.fromkeys(column for _, own in job.places for column in own)
        random = tuple(column for column in columns if len(rows[column].dropna().unique()) > 1)
    return Effects(random, asked.nested, asked.continuous, asked.fixed)


def _grouped(
    posterior: HierarchicalPosterior,
    whole: pd.DataFrame,
    grouping: str,
    columns: Sequence[str],
    period: Sequence[str],
) -> Answer:
    """Report the fractions of one grouping, each group the mean of its samples' cells."""
    from headwater.isotopes.mixing.contributions import contribution_draws

    named = set(posterior.cells.table.columns)
    apart = [
        name for name in columns if name not in named and len(whole[name].dropna().unique()) > 1
    ]
    if apart:
        return Answer(
            notes=(f"{grouping} has no fractions: {', '.join(apart)} is no effect of the model.",)
        )
    own = [name for name in columns if name in named]
    groups, draws = contribution_draws(posterior, by=own)
    order = _order(groups, whole, own)
    groups, draws = groups.iloc[order].reset_index(drop=True), draws[order]
    same = {name: str(whole[name].iloc[0]) for name in columns if name not in own}
    place = groups[own].assign(**same)[list(columns)]
    front = described(place, grouping, tuple(columns), tuple(period))
    sources = list(dict.fromkeys(posterior.data["source"]))
    table = _summary(draws, sources).assign(
        n=np.repeat(groups["n"].to_numpy(dtype=int), len(sources)),
        effective_draws=float(posterior.data["effective_draws"].iloc[0]),
        status="ok",
    )
    names = [", ".join(map(str, row)) if len(columns) else "all" for row in place.to_numpy()]
    at = np.repeat(np.arange(len(groups)), len(sources))
    placed = front.assign(mixture=names).iloc[at].reset_index(drop=True).join(table)
    step = max(len(draws[0]) // _KEPT, 1)
    kept = {
        Place(*map(str, row)): pd.DataFrame(one[::step], columns=sources)
        for row, one in zip(front[list(Place._fields)].to_numpy(), draws, strict=True)
        if np.isfinite(one).all()
    }
    return Answer((Finding("mixing", posterior, placed),), draws=kept)


def _order(groups: pd.DataFrame, whole: pd.DataFrame, own: list[str]) -> NDArray[np.intp]:
    """Put groups in the order of their columns' own categories: June before August."""
    keys = []
    for name in reversed(own):
        column = whole[name]
        known = column.cat.categories if hasattr(column, "cat") else sorted(column.unique())
        keys.append(pd.Categorical(groups[name].astype(str), [str(k) for k in known]).codes)
    return np.lexsort(keys) if keys else np.arange(len(groups))


def _summary(draws: NDArray[np.float64], sources: list[str]) -> pd.DataFrame:
    low, median, high = np.quantile(draws, [0.025, 0.5, 0.975], axis=1)
    values = {
        "fraction": draws.mean(axis=1),
        "sd": draws.std(axis=1),
        "low": low,
        "median": median,
        "high": high,
    }
    table = pd.DataFrame({name: value.ravel() for name, value in values.items()})
    table.insert(0, "source", sources * len(draws))
    return table


def _check(posterior: HierarchicalPosterior, when: str, rng: np.random.Generator) -> Answer:
    """Report how well the chains converged, and what the model would make of the samples again."""
    from headwater.isotopes.mixing.hierarchical_checks import leave_one_out, predictive_check

    chains = posterior.diagnostics.assign(divergences=posterior.divergences, period=when)
    method = "Convergence: rank R-hat at most 1.01, at least 400 effective draws, no divergence."
    check = predictive_check(posterior, rng=rng).assign(period=when)
    score = leave_one_out(posterior)
    words = (
        "Posterior predictive check: what 500 data sets made by the model give of each statistic; "
        f"leave-one-out log density {score.elpd:.1f} ± {score.se:.1f}."
    )
    return Answer(
        (
            Finding("mixing-diagnostics", TableResult(chains, method), chains),
            Finding("mixing-checks", TableResult(check, words, cautions=score.cautions), check),
        )
    )
