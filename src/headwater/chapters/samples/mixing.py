"""Which waters the samples are mixed of, group by group, as the study file asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.chapters.samples.end_members import end_members, likely_fractions
from headwater.chapters.samples.lines import envelope_of, meteoric_line, slope_of
from headwater.chapters.samples.results import Shares
from headwater.chapters.samples.sources import paired_sources
from headwater.chapters.samples.table import described, groupings, period_column
from headwater.errors import DataError
from headwater.results import Result, TableResult

if TYPE_CHECKING:
    from headwater.chapters.samples.options import MixingOptions, SamplesOptions
    from headwater.isotopes.mixing.composition import Composition
    from headwater.isotopes.mixing.priors import FractionPrior
    from headwater.isotopes.mixing.results import MixingPosterior

__all__ = ["mixing_results"]

_EVAPORATES = {"soil", "lake", "plant"}
_DRAWS, _KEPT = 12_000, 1000
_ISOTOPES = 2
_LEANS = (
    "{sources} sources and evaporation are {sources} unknowns for {tracers} isotopes: the data "
    "leave a range of fractions, within which the posterior leans on its prior{lean}. Read the "
    "intervals, not the means."
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
        where among two tracers); with evaporation ``mixing-evaporation``, without it ``polygon``.

    Raises
    ------
    DataError
        If no group can be answered for; the first reason is told.
    """
    from headwater.isotopes.mixing.composition import check_tracers

    asked = options.mixing
    assert asked is not None
    check_tracers(table[table["water"].isin((*asked.sources, *asked.mixtures))], asked.tracers)
    found = Shares()
    mixed = table[table["water"].isin(asked.mixtures)]
    by = options.groups if asked.by is None else asked.by
    how = _how(table, options, rng)
    period = period_column(mixed, options)
    places = groupings(mixed, options, by)
    together = tuple(dict.fromkeys((*asked.paired, *period)))
    shared = asked.model == "hierarchical"
    for grouping, columns in [("all", together)] if shared else places:
        for rows in _alike(mixed, asked, columns, period):
            there = _present(rows, asked, period)
            try:
                waters = paired_sources(table, rows, there, columns), rows
                if shared:
                    _share(found, waters, (there, how), (places, period))
                else:
                    _split(found, (grouping, columns, period), waters, (there, how))
            except DataError as refusal:
                found.refusals.setdefault(str(refusal), refusal)
    if "mixing" not in found.results:
        raise next(iter(found.refusals.values()))
    return _collect(found, asked, how) | end_members(table, asked, rng=rng)


def _share(
    found: Shares,
    waters: tuple[Composition, pd.DataFrame],
    how: tuple[MixingOptions, _How],
    where: tuple[Any, tuple[str, ...]],
) -> None:
    """Fit one model to all groups, and judge the mixtures as where each stands alone."""
    from headwater.chapters.samples.hierarchical import hierarchical_shares
    from headwater.isotopes.mixing.composition import compose

    (asked, rules), (places, period) = how, where
    sources, rows = waters
    model = {
        "prior": _prior(sources, asked),
        "residual": _residual(asked),
        "evaporation": rules.slope if rules.evaporation else None,
    }
    hierarchical_shares(
        found,
        waters,
        asked,
        how=model,
        places=places,
        period=period,
        rng=rules.rng,
    )
    grouping, columns = places[0]
    mixtures = compose(rows, asked.tracers, by=columns)
    front = _front(rows, grouping, columns, period)
    _judge(found, (sources, mixtures), front, rules)
    _place(found, (sources, mixtures), front, None)
    if not rules.evaporation:
        _estimate(found, sources, (rows, columns, front), asked)


@dataclass(frozen=True, slots=True)
class _How:
    evaporation: bool
    slope: tuple[float, float]
    rng: np.random.Generator


def _how(table: pd.DataFrame, options: SamplesOptions, rng: np.random.Generator) -> _How:
    """Decide on evaporation, and take its slope from the climates of the study file."""
    asked = options.mixing
    assert asked is not None
    both = asked.tracers == ("d18O", "d2H")
    evaporation = asked.evaporation
    if evaporation is None:
        evaporation = both and bool(_EVAPORATES & set(asked.mixtures))
    if not evaporation:
        return _How(False, (np.nan, np.nan), rng)
    lmwl, _ = meteoric_line(table, options)
    envelope = envelope_of(table, lmwl, options.climate, rain=options.lmwl.water)
    return _How(True, slope_of(envelope), rng)


def _alike(
    mixed: pd.DataFrame, asked: MixingOptions, columns: tuple[str, ...], period: tuple[str, ...]
) -> Iterator[pd.DataFrame]:
    """Give mixtures that share their sources: of one month where these are paired by month."""
    from headwater.isotopes.samples import group_rows

    # brought to the altitude of their mixtures, every group has sources of its own
    shared = {*asked.paired, *(period if asked.absent else ())}
    keys = columns if asked.lapse else [name for name in columns if name in shared]
    for _, rows in group_rows(mixed, keys):
        yield rows


def _present(rows: pd.DataFrame, asked: MixingOptions, period: tuple[str, ...]) -> MixingOptions:
    """Leave out the sources that the period of these mixtures does not have."""
    when = str(rows[period[0]].iloc[0]) if period else ""
    gone = asked.absent.get(when, ())
    return asked.model_copy(update={"sources": tuple(s for s in asked.sources if s not in gone)})


def _split(
    found: Shares,
    place: tuple[str, tuple[str, ...], tuple[str, ...]],
    waters: tuple[Composition, pd.DataFrame],
    how: tuple[MixingOptions, _How],
) -> None:
    from headwater.isotopes.mixing.composition import compose

    (grouping, columns, period), (asked, rules), (sources, rows) = place, how, waters
    mixtures = compose(rows, asked.tracers, by=columns)
    posterior = _posterior(sources, mixtures, asked, rules)
    front = _front(rows, grouping, columns, period)
    found.add("mixing", posterior, _placed(posterior.data, front))
    _keep_draws(found, posterior, front)
    if grouping == "all":
        _judge(found, (sources, mixtures), front, rules)
        _place(found, (sources, mixtures), front, posterior.parameters)
    if rules.evaporation:
        _keep_evaporation(found, posterior.parameters, front)
    else:
        closed = _closed(sources, mixtures, asked)
        found.add("mixing-closed", closed, _placed(closed.data, front))
        if grouping == "all":
            _estimate(found, sources, (rows, columns, front), asked)


def _closed(sources: Composition, mixtures: Composition, asked: MixingOptions) -> Any:
    """Solve in closed form, or give what is possible where sources outnumber the tracers."""
    from headwater.isotopes.mixing.bounds import feasible_bounds
    from headwater.isotopes.mixing.closed_form import mix_closed_form

    solve = feasible_bounds if len(sources) > len(asked.tracers) + 1 else mix_closed_form
    caps = _caps(sources, asked) or None
    if solve is mix_closed_form:
        return mix_closed_form(sources, mixtures, caps=caps, concentration=_concentration(asked))
    return feasible_bounds(sources, mixtures, caps=caps)


def _caps(sources: Composition, asked: MixingOptions) -> dict[str, float]:
    """Name the capped sources as the models do."""
    caps = {name.replace("_", " "): cap for name, cap in asked.limits().items()}
    return {name: cap for name, cap in caps.items() if name in sources.labels}


def _prior(sources: Composition, asked: MixingOptions) -> FractionPrior:
    """Give the prior that the study file states; without one, all fractions equally likely."""
    from headwater.isotopes.mixing.priors import boundary_prior, capped_prior, dirichlet_prior

    caps = _caps(sources, asked)
    alpha = [asked.prior.get(name, 1.0) for name in asked.sources]
    if asked.boundary:
        return boundary_prior(alpha)
    prior = dirichlet_prior(alpha)
    return capped_prior(prior, sources.labels, caps) if caps else prior


def _residual(asked: MixingOptions) -> Any:
    """Say what scatters the samples of a group: it tells of sources only if each took one water."""
    chosen = asked.residual or ("residual" if asked.scatter == "mean" else "mixsiar")
    if chosen == "both" and asked.model == "hierarchical":
        return "simmr"  # the same without correlation of the residual
    return "process_residual" if chosen == "mixsiar" else chosen


def _concentration(asked: MixingOptions) -> dict[str, Any] | None:
    """Name the concentrations as the models do."""
    return {name.replace("_", " "): q for name, q in asked.concentration.items()} or None


def _estimate(
    found: Shares,
    sources: Composition,
    of: tuple[pd.DataFrame, tuple[str, ...], Any],
    asked: MixingOptions,
) -> None:
    """Estimate end members and fractions together, where the samples state their errors (MIX)."""
    rows, columns, front = of
    if len(sources) > len(asked.tracers) + 1:
        return
    try:
        fit, waters = likely_fractions(sources, rows, asked)
    except DataError as refusal:
        note = DataError(
            f"No maximum likelihood (MIX): {refusal.wrong}", found=refusal.found, do=refusal.do
        )
        found.refusals.setdefault(str(note), note)
        return
    at = np.repeat([row for group in waters.rows for row in group], len(sources))
    names: Any = "all"
    if columns:
        parts = rows.loc[at, list(columns)].astype(str).agg(", ".join, axis=1)
        names = parts.str.replace("_", " ").to_numpy()
    each = fit.data.assign(mixture=names)
    parted = each.groupby(["mixture", "source"], sort=False)["fraction"]
    table = pd.DataFrame(
        {"fraction": parted.mean(), "sd": parted.std(), "n": parted.count()}
    ).reset_index()
    table.attrs["units"] = {"fraction": "1", "sd": "1"}
    found.add("mixing-likelihood", replace(fit, sources=None, data=table), _placed(table, front))
    label = ", ".join(dict.fromkeys(front["period"])) or "all"
    moved = fit.sources.assign(period=label)
    moved.attrs["units"] = {"shift": "sd"}
    found.add("mixing-end-members", TableResult(moved, ""), moved)


def _posterior(
    sources: Composition, mixtures: Composition, asked: MixingOptions, rules: _How
) -> MixingPosterior:
    from headwater.isotopes.mixing.composition import check_sources
    from headwater.isotopes.mixing.evaporated_water import mix_evaporated
    from headwater.isotopes.mixing.posterior import mix_posterior

    check_sources(sources)
    prior = _prior(sources, asked)
    how: dict[str, Any] = {"rng": rules.rng, "prior": prior, "n_kept": _KEPT}
    if not rules.evaporation:
        _refuse_outside(sources, mixtures, rules)
    try:
        if not rules.evaporation:
            how |= {"residual": _residual(asked), "residual_sd": asked.residual_sd}
            how["concentration"] = _concentration(asked)
            return _patiently(lambda n: mix_posterior(sources, mixtures, n_resamples=n // 2, **how))
        # a group that drew on all of a source is uncertain by the error of its mean alone
        alone = replace(sources, covariance=sources.mean_covariance())
        ends = alone if asked.scatter == "mean" else sources
        return _patiently(
            lambda n: mix_evaporated(ends, mixtures, slope=rules.slope, n_resamples=n, **how)
        )
    except DataError as refusal:
        raise _located(refusal, mixtures) from refusal


def _patiently(draw: Callable[[int], MixingPosterior]) -> MixingPosterior:
    """Draw ten times as often where the posterior is narrow and few draws fall into it."""
    try:
        posterior = draw(_DRAWS)
    except DataError:
        return draw(10 * _DRAWS)
    return posterior if (posterior.data["status"] == "ok").all() else draw(10 * _DRAWS)


def _refuse_outside(sources: Composition, mixtures: Composition, rules: _How) -> None:
    """Refuse mixtures that no draw of the sources can make: a free scatter would hide it."""
    from headwater.isotopes.mixing.source_checks import polygon_test

    if len(sources) <= len(sources.tracers):
        return
    test = polygon_test(sources, mixtures, rng=rules.rng, n_resamples=400)
    if test.cautions and (test.data["probability"] == 0.0).all():
        raise DataError(test.cautions[0], do="Add the missing source, or look at these rows")


def _located(refusal: DataError, mixtures: Composition) -> DataError:
    """Say of which rows no fractions could be told."""
    from headwater.isotopes.mixing.composition import name_rows

    rows = name_rows([row for group in mixtures.rows for row in group])
    return DataError(f"{refusal.wrong}{rows}", found=refusal.found, do=refusal.do)


def _front(
    rows: pd.DataFrame, grouping: str, columns: tuple[str, ...], period: tuple[str, ...]
) -> pd.DataFrame:
    """Name each mixture by grouping, label and period; the index is its label in the models."""
    from headwater.isotopes.samples import group_label, group_rows

    groups = [keys for keys, _ in group_rows(rows, columns)]
    names = pd.Index([group_label(keys) for keys in groups])
    data = pd.DataFrame(groups, columns=list(columns), index=names)
    return described(data, grouping, columns, period)


def _placed(data: pd.DataFrame, front: pd.DataFrame) -> pd.DataFrame:
    place = front.loc[data["mixture"]].reset_index(drop=True)
    return place.join(data.reset_index(drop=True))


def _named(kind: str) -> str:
    from headwater.isotopes.samples import water

    return water(kind).long_name


def _keep_draws(found: Shares, posterior: MixingPosterior, front: pd.DataFrame) -> None:
    sources = dict.fromkeys(posterior.data["source"])
    labels = list(dict.fromkeys(posterior.data["mixture"]))
    for name, draws in zip(labels, posterior.draws, strict=True):
        found.keep_draws(tuple(front.loc[name]), draws, sources)


def _keep_evaporation(found: Shares, parameters: pd.DataFrame, front: pd.DataFrame) -> None:
    """Tell slope, enrichment, and what the mixture was before it evaporated."""
    wide = parameters.pivot_table(index="mixture", columns="parameter", values=["mean", "sd"])
    names = [f"{pair[1]}_{pair[0]}" for pair in wide.columns.to_list()]
    wide = wide.set_axis(names, axis=1)[sorted(names)]
    table = front.join(wide, how="inner").reset_index(drop=True)
    table.attrs["units"] = {name: "1" if "slope" in name else "‰" for name in names}
    found.add("mixing-evaporation", TableResult(table, ""), table)


def _place(
    found: Shares, waters: tuple[Composition, Composition], front: pd.DataFrame, before: Any
) -> None:
    """Say where sources and mixtures lie among the first two tracers, for a mixing diagram."""
    sources, mixtures = waters
    if len(sources.tracers) < 2:
        return
    periods, parts = list(dict.fromkeys(front["period"])), []
    for role, water, names in (
        ("source", sources, sources.labels),
        ("mixture", mixtures, list(front["label"])),
    ):
        sd = np.sqrt(np.nan_to_num(water.covariance.diagonal(axis1=1, axis2=2)))
        part = pd.DataFrame({"role": role, "label": names, "n": water.n.max(axis=1)})
        for k, tracer in enumerate(sources.tracers[:2]):
            part[tracer], part[f"{tracer}_sd"] = water.mean[:, k], sd[:, k]
        own = [part.assign(period=p) for p in periods]
        parts += own if role == "source" else [part.assign(period=list(front["period"]))]
    if before is not None and "mixture_d18O" in set(before["parameter"]):
        wide = before.pivot_table(index="mixture", columns="parameter", values="mean")
        wide = front.join(wide, how="inner")
        parts.append(
            pd.DataFrame(
                {
                    "role": "before evaporation",
                    "label": wide["label"],
                    "period": wide["period"],
                    "d18O": wide["mixture_d18O"],
                    "d2H": wide["mixture_d2H"],
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table.attrs["units"] = dict.fromkeys(("d18O", "d2H", "d18O_sd", "d2H_sd", "d_excess"), "‰")
    found.add("mixing-diagram", TableResult(table, ""), table)


def _judge(
    found: Shares, waters: tuple[Composition, Composition], front: pd.DataFrame, rules: _How
) -> None:
    from headwater.isotopes.mixing.source_checks import identifiability, polygon_test

    sources, mixtures = waters
    told = identifiability(sources, mixtures)
    # what evaporated lies beside the polygon without any fault of the sources
    data = told.data[told.data["measure"] != "hull share"] if rules.evaporation else told.data
    label = ", ".join(dict.fromkeys(front["period"])) or "all"
    found.add("identifiability", replace(told, cautions=()), data.assign(period=label))
    if not rules.evaporation and len(sources) >= len(sources.tracers) + 1:
        test = polygon_test(sources, mixtures, rng=rules.rng, n_resamples=600)
        found.add("polygon", test, _placed(test.data.drop(columns="rows", errors="ignore"), front))


def _collect(found: Shares, asked: MixingOptions, how: _How) -> dict[str, Result]:
    results: dict[str, Result] = {name: found.collected(name) for name in found.results}
    sources = [name.replace("_", " ") for name in asked.sources]
    posterior = found.fractions(sources)
    most = int(posterior.data.groupby(["grouping", "label", "period"])["sd"].count().max())
    said: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    if how.evaporation:
        said = ("Mixtures may have evaporated since they were mixed",)
    if how.evaporation and most > _ISOTOPES:
        lean = "" if asked.prior else " (all fractions equally likely) towards equal shares"
        words = (_LEANS.format(sources=most, tracers=_ISOTOPES, lean=lean),)
    results["mixing"] = found.fractions(sources, choices=said, cautions=words)
    results["mixing"].data.attrs["mixtures"] = [_named(kind) for kind in asked.mixtures]
    return results | found.compared(sources)
