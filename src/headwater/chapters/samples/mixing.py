"""Which waters the samples are mixed of: a job is built, solved part by part, and reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headwater.chapters.samples.end_members import (
    analyse_end_members,
    likely_fractions,
)
from headwater.chapters.samples.mixing_job import (
    MixingJob,
    MixingPart,
    build_job,
    jobs_by_part,
)
from headwater.chapters.samples.results import (
    Answer,
    Finding,
    Place,
    diagram,
    report_answers,
)
from headwater.chapters.samples.table import described
from headwater.errors import DataError
from headwater.isotopes.excess import with_excess
from headwater.results import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headwater.chapters.samples.mixing_job import MixingJob, MixingPart
    from headwater.chapters.samples.options import SamplesOptions
    from headwater.isotopes import Effects
    from headwater.isotopes.mixing.hierarchical import HierarchicalPosterior
    from headwater.isotopes.mixing.posterior import Residual
    from headwater.isotopes.mixing.results import MixingPosterior

__all__ = [
    "check_mixing",
    "fit_together",
    "mixing_results",
    "solve_job",
]

_DRAWS, _KEPT = 12_000, 1000
_USUAL = (
    "Fractions by the means of the waters alone, as if nothing had evaporated: the usual way, next "
    "to the one that allows for it."
)


def mixing_results(
    table: pd.DataFrame, options: SamplesOptions, *, rng: np.random.Generator
) -> dict[str, Result]:
    """Split the mixtures of every group into their sources.

    Parameters
    ----------
    table : DataFrame
        From :func:`~headwater.chapters.samples.table.read_table`.
    options : SamplesOptions
        Table ``[samples]``, with ``mixing``.
    rng : Generator
        Random numbers.

    Returns
    -------
    dict of Result
        ``mixing`` (posterior fractions by grouping, label and period), ``mixing-closed`` (closed
        form, or the feasible bounds where there are more sources than tracers + 1),
        ``mixing-differences``, ``identifiability``, ``mixing-draws``, ``mixing-diagram`` (what lies
        where among two tracers); with evaporation ``mixing-evaporation`` and ``mixing-usual`` (as
        if there were none), without it ``polygon``.

    Raises
    ------
    DataError
        If no group has an answer; it gives the first reason.
    """
    job = build_job(table, options)
    answers = solve_job(job, rng=rng)
    found = report_answers(answers, job.asked, job.given)
    return found | analyse_end_members(job.given or table, table, job.asked, rng=rng)


def check_mixing(table: pd.DataFrame, options: SamplesOptions, *, rng: np.random.Generator) -> None:
    """Refuse what :func:`mixing_results` would refuse, as soon as one group has an answer.

    Parameters
    ----------
    table : DataFrame
        From :func:`~headwater.chapters.samples.table.read_table`.
    options : SamplesOptions
        Table ``[samples]``, with ``mixing``. Of a hierarchical model, whose chains take minutes,
        only the parts are built.
    rng : Generator
        Random numbers.

    Raises
    ------
    DataError
        As :func:`mixing_results`.
    """
    assert options.mixing is not None
    answers: list[Answer] = []
    for job in jobs_by_part(table, options):
        if job.together and not isinstance(job.parts[0], DataError):
            return
        answers += solve_job(job, rng=rng)
        if any(answer.findings for answer in answers):
            return
    report_answers(answers, options.mixing)


def solve_job(job: MixingJob, *, rng: np.random.Generator) -> list[Answer]:
    """Solve every part of a job.

    Parameters
    ----------
    job : MixingJob
        Mixtures with their sources and models.
    rng : Generator
        Random numbers.

    Returns
    -------
    list of Answer
        Of all parts; what could not be answered is among their refusals.
    """
    answers = []
    for part in job.parts:
        try:
            if isinstance(part, DataError):
                raise part
            answers += _SOLVERS[job.asked.model](job, part, rng)
        except DataError as refusal:
            answers.append(Answer(refusals=(refusal,)))
    return answers


def _solve_together(job: MixingJob, part: MixingPart, rng: np.random.Generator) -> list[Answer]:
    """Solve all groups in one model, and examine the sources as where each stands alone."""
    return [*fit_together(job, part, rng=rng), *_examine(part, rng, None)]


def _solve_alone(job: MixingJob, part: MixingPart, rng: np.random.Generator) -> list[Answer]:
    """Solve each group by itself, by the posterior and in closed form."""
    posterior = _posterior(part, rng)
    rows = part.placed(posterior.data)
    answers = [Answer((Finding("mixing", posterior, rows),), draws=_draws(part, posterior))]
    if part.grouping == job.places[0][0]:
        answers += _examine(part, rng, posterior.parameters)
    if part.model.evaporation is None:
        answers.append(_attempt(lambda: _closed_form(part)))
    else:
        answers += [_evaporation(part, posterior.parameters), _attempt(lambda: _usual(part))]
    return answers


_SOLVERS: dict[str, Callable[[MixingJob, MixingPart, np.random.Generator], list[Answer]]] = {
    "independent": _solve_alone,
    "hierarchical": _solve_together,
}


def _examine(
    part: MixingPart, rng: np.random.Generator, before: pd.DataFrame | None
) -> tuple[Answer, ...]:
    """Examine the sources, and estimate them with the fractions where samples state errors."""
    sources = _attempt(lambda: _judge(part, rng, before))
    return (
        (sources, likely_fractions(part, rng=rng)) if part.model.evaporation is None else (sources,)
    )


def _attempt(solve: Callable[[], Answer]) -> Answer:
    """Take a refusal as an answer: what else is known of the part stands."""
    try:
        return solve()
    except DataError as refusal:
        return Answer(refusals=(refusal,))


def _posterior(part: MixingPart, rng: np.random.Generator) -> MixingPosterior:
    from headwater.isotopes.mixing.composition import check_sources

    check_sources(part.sources)
    if part.model.evaporation is None:
        _refuse_outside(part, rng)
    draw = _dry if part.model.evaporation is None else _evaporated
    try:
        return _patiently(lambda count: draw(part, count, rng))
    except DataError as refusal:
        raise _located(refusal, part) from refusal


def _dry(part: MixingPart, count: int, rng: np.random.Generator) -> MixingPosterior:
    """Draw fractions where nothing evaporated; groups of few samples by the sources' scatter."""
    from headwater.isotopes.mixing.posterior import join_posteriors

    names, sizes = part.mixtures.labels, part.mixtures.n.max(axis=1)
    least = part.model.process_below
    few = [name for name, n in zip(names, sizes, strict=True) if n < least]
    rest = [name for name in names if name not in set(few)]
    if not few:
        return _drawn(part, rest, part.model.residual, count, rng)
    parts = [_drawn(part, few, "process", count, rng)]
    parts += [_drawn(part, rest, part.model.residual, count, rng)] if rest else []
    said = f"{len(few)} groups of fewer than {least} samples: scattered by the sources alone"
    joined = join_posteriors(parts, names)
    return replace(joined, choices=(*joined.choices, said))


def _drawn(
    part: MixingPart, names: list[str], residual: Residual, count: int, rng: np.random.Generator
) -> MixingPosterior:
    from headwater.isotopes.mixing.posterior import mix_posterior

    model = part.model
    return mix_posterior(
        part.sources,
        part.mixtures.take(names),
        rng=rng,
        prior=model.prior,
        residual=residual,
        source_error=model.source_error,
        residual_sd=model.residual_sd,
        concentration=model.concentration,
        n_resamples=count // 2,
        n_kept=_KEPT,
    )


def _evaporated(part: MixingPart, count: int, rng: np.random.Generator) -> MixingPosterior:
    from headwater.isotopes.mixing.evaporated_water import mix_evaporated

    assert part.model.evaporation is not None
    # a group that drew on all of a source is uncertain by the error of its mean alone
    alone = replace(part.sources, covariance=part.sources.mean_covariance())
    return mix_evaporated(
        alone if part.model.of_mean else part.sources,
        part.mixtures,
        rng=rng,
        slope=part.model.evaporation.slope(),
        prior=part.model.prior,
        n_resamples=count,
        n_kept=_KEPT,
    )


def _patiently(draw: Callable[[int], MixingPosterior]) -> MixingPosterior:
    """Draw ten times as often where the posterior is narrow and few draws fall into it."""
    try:
        posterior = draw(_DRAWS)
    except DataError:
        return draw(10 * _DRAWS)
    return posterior if (posterior.data["status"] == "ok").all() else draw(10 * _DRAWS)


def _refuse_outside(part: MixingPart, rng: np.random.Generator) -> None:
    """Refuse mixtures that no draw of the sources can make: a free scatter would hide it."""
    from headwater.isotopes.mixing.source_checks import polygon_test

    if len(part.sources) <= len(part.sources.tracers):
        return
    test = polygon_test(part.sources, part.mixtures, rng=rng, n_resamples=400)
    if test.cautions and (test.data["probability"] == 0.0).all():
        raise DataError(test.cautions[0], do="Add the missing source, or look at these rows")


def _located(refusal: DataError, part: MixingPart) -> DataError:
    """Say which rows have no fractions."""
    from headwater.isotopes.mixing.composition import name_rows

    rows = name_rows([row for group in part.mixtures.rows for row in group])
    return DataError(f"{refusal.wrong}{rows}", found=refusal.found, do=refusal.do)


def _draws(part: MixingPart, posterior: MixingPosterior) -> dict[Place, pd.DataFrame]:
    """Keep the draws of the groups that have an answer."""
    sources = list(dict.fromkeys(posterior.data["source"]))
    labels = dict.fromkeys(posterior.data["mixture"])
    return {
        Place(*map(str, part.front.loc[name])): pd.DataFrame(draws, columns=sources)
        for name, draws in zip(labels, posterior.draws, strict=True)
        if np.isfinite(draws).all()
    }


def _closed_form(part: MixingPart) -> Answer:
    """Solve in closed form, or give what is possible where sources outnumber the tracers."""
    from headwater.isotopes.mixing.bounds import feasible_bounds
    from headwater.isotopes.mixing.closed_form import mix_closed_form

    caps = part.model.caps or None
    closed: TableResult
    if len(part.sources) > len(part.sources.tracers) + 1:
        closed = feasible_bounds(part.sources, part.mixtures, caps=caps)
    else:
        q = part.model.concentration
        closed = mix_closed_form(part.sources, part.mixtures, caps=caps, concentration=q)
    return Answer((Finding("mixing-closed", closed, part.placed(closed.data)),))


def _usual(part: MixingPart) -> Answer:
    """Solve as studies usually do, by the means of the waters as if nothing had evaporated."""
    from headwater.isotopes.mixing.closed_form import mix_closed_form

    if len(part.sources) > len(part.sources.tracers) + 1:
        return Answer()
    found = mix_closed_form(part.sources, part.mixtures, caps=part.model.caps or None)
    usual = replace(found, method=_USUAL, choices=(), cautions=())
    return Answer((Finding("mixing-usual", usual, part.placed(usual.data)),))


def _judge(part: MixingPart, rng: np.random.Generator, before: pd.DataFrame | None) -> Answer:
    """Say whether these sources can be distinguished, and where the mixtures lie among them."""
    from headwater.isotopes.mixing.source_checks import identifiability, polygon_test

    dry = part.model.evaporation is None
    found = identifiability(part.sources, part.mixtures)
    # what evaporated lies outside the polygon without any fault of the sources
    data = found.data if dry else found.data[found.data["measure"] != "hull share"]
    data = data.assign(period=part.label)
    findings = [Finding("identifiability", replace(found, cautions=()), data)]
    if dry and len(part.sources) >= len(part.sources.tracers) + 1:
        test = polygon_test(part.sources, part.mixtures, rng=rng, n_resamples=600)
        rows = part.placed(test.data.drop(columns="rows", errors="ignore"))
        findings.append(Finding("polygon", test, rows))
    if len(part.sources.tracers) > 1:
        table = diagram(part, before)
        findings.append(Finding("mixing-diagram", TableResult(table, ""), table))
    return Answer(tuple(findings))


def _evaporation(part: MixingPart, parameters: pd.DataFrame) -> Answer:
    """Report slope, enrichment, and what the mixture was before it evaporated."""
    wide = parameters.pivot_table(index="mixture", columns="parameter", values=["mean", "sd"])
    names = [f"{pair[1]}_{pair[0]}" for pair in wide.columns.to_list()]
    wide = wide.set_axis(names, axis=1)[sorted(names)]
    table = part.front.join(wide, how="inner").reset_index(drop=True)
    table.attrs["units"] = {name: "1" if "slope" in name else "‰" for name in names}
    return Answer((Finding("mixing-evaporation", TableResult(table, ""), table),))


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
        evaporation=model.evaporation.slope() if model.evaporation else None,
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
    from headwater.isotopes.mixing.hierarchical import contribution_draws

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
