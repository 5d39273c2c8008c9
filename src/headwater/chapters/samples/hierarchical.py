"""Which waters all groups are mixed of together, sharing what they can (extra ``bayes``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.chapters.samples.end_members import with_excess
from headwater.chapters.samples.table import described
from headwater.errors import DataError
from headwater.results import TableResult

if TYPE_CHECKING:
    from headwater.chapters.samples.options import MixingOptions
    from headwater.chapters.samples.results import Shares
    from headwater.isotopes import Effects
    from headwater.isotopes.mixing.composition import Composition
    from headwater.isotopes.mixing.hierarchical import HierarchicalPosterior

__all__ = ["hierarchical_shares"]

_KEPT = 1000
_Places = list[tuple[str, tuple[str, ...]]]


def hierarchical_shares(
    found: Shares,
    waters: tuple[Composition, pd.DataFrame],
    asked: MixingOptions,
    *,
    how: dict[str, Any],
    places: _Places,
    period: tuple[str, ...],
    rng: np.random.Generator,
) -> None:
    """Fit one model to all mixtures that share their sources, and tell the groups' fractions.

    Parameters
    ----------
    found : Shares
        Takes ``mixing``, ``mixing-diagnostics``, ``mixing-checks`` and the draws.
    waters : tuple of (Composition, DataFrame)
        Sources, and the mixtures that share them.
    asked : MixingOptions
        Tracers and effects.
    how : dict
        ``prior`` and ``evaporation`` of the model.
    places : list of (str, tuple of str)
        Groupings and their columns.
    period : tuple of str
        The column of the periods.
    rng : Generator
        Random numbers.

    Raises
    ------
    StudyError
        If the extra ``bayes`` is not installed.
    DataError
        If a column has no effect, or the chains have not converged.
    """
    from headwater.isotopes import mix_hierarchical

    sources, rows = waters
    rows = with_excess(rows, list(asked.tracers))
    effects, named = _effects(rows, asked, places)
    whole = rows.dropna(subset=[*named, *asked.tracers])
    if whole.empty:
        raise DataError(
            "no mixture has all its tracers and effects",
            found=", ".join(named),
            do="Leave out an effect in [samples.mixing]",
        )
    posterior = mix_hierarchical(sources, whole, effects, rng=rng, **how)
    for grouping, columns in places:
        _tell(found, posterior, (grouping, columns, period), (whole, named))
    when = ", ".join(map(str, whole[period[0]].dropna().unique())) if period else ""
    _check(found, posterior, when, rng)


def _effects(
    rows: pd.DataFrame, asked: MixingOptions, places: _Places
) -> tuple[Effects, list[str]]:
    """Take the effects that the study asks for; without any, the columns of its groups."""
    from headwater.isotopes import Effects

    random = asked.random
    if not (random or asked.nested or asked.continuous):
        columns = dict.fromkeys(column for _, own in places for column in own)
        random = tuple(column for column in columns if len(rows[column].dropna().unique()) > 1)
    nested = [name for pair in asked.nested for name in pair]
    named = list(dict.fromkeys((*random, *nested, *asked.continuous)))
    return Effects(random, asked.nested, asked.continuous), named


def _tell(
    found: Shares, posterior: HierarchicalPosterior, place: tuple[str, Any, Any], of: Any
) -> None:
    """Add the fractions of one grouping, each group the mean of its samples' cells."""
    from headwater.isotopes.mixing.contributions import contribution_draws

    (grouping, columns, period), (whole, named) = place, of
    several = {name for name in columns if len(whole[name].dropna().unique()) > 1}
    apart = [name for name in columns if name in several and name not in named]
    if apart:
        note = f"{grouping} has no fractions: {', '.join(apart)} is no effect of the model."
        found.notes.setdefault("mixing", {})[note] = None
        return
    own = [name for name in columns if name in named]
    groups, draws = contribution_draws(posterior, by=own)
    order = _order(groups, whole, own)
    groups, draws = groups.iloc[order].reset_index(drop=True), draws[order]
    held = {name: str(whole[name].iloc[0]) for name in columns if name not in own}
    front = described(groups[own].assign(**held)[list(columns)], grouping, columns, period)
    sources = list(dict.fromkeys(posterior.data["source"]))
    table = _summary(draws, sources).assign(
        n=np.repeat(groups["n"].to_numpy(dtype=int), len(sources)),
        effective_draws=float(posterior.data["effective_draws"].iloc[0]),
        status="ok",
    )
    label = ", ".join if len(columns) else lambda _: "all"
    names = [label(map(str, row)) for row in groups[own].assign(**held)[list(columns)].to_numpy()]
    at = np.repeat(np.arange(len(groups)), len(sources))
    front = front.assign(mixture=names)
    found.add("mixing", posterior, front.iloc[at].reset_index(drop=True).join(table))
    step = max(len(draws[0]) // _KEPT, 1)
    for row, one in zip(front[["grouping", "label", "period"]].to_numpy(), draws, strict=True):
        found.keep_draws(tuple(row), one[::step], sources)


def _order(groups: pd.DataFrame, whole: pd.DataFrame, own: list[str]) -> Any:
    """Put groups in the order of their columns' own categories: June before August."""
    keys = []
    for name in reversed(own):
        column = whole[name]
        known = column.cat.categories if hasattr(column, "cat") else sorted(column.unique())
        keys.append(pd.Categorical(groups[name].astype(str), [str(k) for k in known]).codes)
    return np.lexsort(keys) if keys else np.arange(len(groups))


def _summary(draws: Any, sources: list[str]) -> pd.DataFrame:
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


def _check(
    found: Shares, posterior: HierarchicalPosterior, when: str, rng: np.random.Generator
) -> None:
    """Tell how well the chains converged, and what the model would make of the samples again."""
    from headwater.isotopes.mixing.hierarchical import leave_one_out, predictive_check

    told = posterior.diagnostics.assign(divergences=posterior.divergences, period=when)
    method = "Convergence: rank R-hat at most 1.01, at least 400 effective draws, no divergence."
    found.add("mixing-diagnostics", TableResult(told, method), told)
    check = predictive_check(posterior, rng=rng).assign(period=when)
    score = leave_one_out(posterior)
    words = (
        "Posterior predictive check: what 500 data sets made by the model give of each statistic; "
        f"leave-one-out log density {score.elpd:.1f} ± {score.se:.1f}."
    )
    found.add("mixing-checks", TableResult(check, words, cautions=score.cautions), check)
