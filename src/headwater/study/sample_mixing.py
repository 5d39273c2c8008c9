"""Which waters the samples are mixed of, group by group, as the study file asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.results import Result, TableResult
from headwater.study.sample_lines import envelope_of, meteoric_line, slope_of
from headwater.study.sample_sources import paired_sources
from headwater.study.sample_tables import described, groupings, period_column

if TYPE_CHECKING:
    from headwater.isotopes.composition import Composition
    from headwater.isotopes.mixing_results import MixingPosterior
    from headwater.study.steps.samples import MixingOptions, SamplesOptions

__all__ = ["mixing_results"]

_EVAPORATES = {"soil", "lake", "plant"}
_DRAWS, _KEPT = 12_000, 1000
_MOST_NOTES, _ISOTOPES = 4, 2
_ABSENT = "absent, as the study file says"
_LEANS = (
    "{sources} sources and evaporation are {sources} unknowns for {tracers} isotopes: the data "
    "leave a range of fractions, within which the posterior leans on its prior{lean}. Read the "
    "intervals, not the means."
)


@dataclass(slots=True)
class _Found:
    """What the groups gave: tables by name, draws by group, and what could not be answered."""

    tables: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    draws: dict[tuple[str, str, str], pd.DataFrame] = field(default_factory=dict)
    refusals: dict[str, DataError] = field(default_factory=dict)
    notes: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, name: str, result: Any, table: pd.DataFrame) -> None:
        self.results.setdefault(name, result)
        self.tables.setdefault(name, []).append(table)
        self.notes.setdefault(name, {}).update(dict.fromkeys(result.cautions))

    def collected(self, name: str) -> Any:
        data = pd.concat(self.tables[name], ignore_index=True)
        data.attrs.update(self.results[name].data.attrs)
        return replace(self.results[name], data=data, cautions=_few(self.notes[name]))


def _few(notes: Iterable[str]) -> tuple[str, ...]:
    """Keep the first of many notes that differ in their numbers alone."""
    told = list(notes)
    more = len(told) - _MOST_NOTES
    return (*told[:_MOST_NOTES], *((f"… and {more} notes like these.",) if more > 0 else ()))


def mixing_results(
    table: pd.DataFrame, options: SamplesOptions, *, rng: np.random.Generator
) -> dict[str, Result]:
    """Split the mixtures of every group into their sources.

    Parameters
    ----------
    table : DataFrame
        From :func:`~headwater.study.sample_tables.read_table`.
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
    asked = options.mixing
    assert asked is not None
    found = _Found()
    mixed = table[table["water"].isin(asked.mixtures)]
    by = options.groups if asked.by is None else asked.by
    how = _how(table, options, rng)
    period = period_column(mixed, options)
    for grouping, columns in groupings(mixed, options, by):
        for rows in _alike(mixed, asked, columns, period):
            there = _present(rows, asked, period)
            try:
                sources = paired_sources(table, rows, there, columns)
                _split(found, (grouping, columns, period), (sources, rows), (there, how))
            except DataError as refusal:
                found.refusals.setdefault(str(refusal), refusal)
    if "mixing" not in found.results:
        raise next(iter(found.refusals.values()))
    return _collect(found, asked, how)


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
    from headwater.isotopes import group_rows

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
    found: _Found, place: tuple[str, tuple[str, ...], tuple[str, ...]],
    waters: tuple[Composition, pd.DataFrame], how: tuple[MixingOptions, _How],
) -> None:  # fmt: skip
    from headwater.isotopes.composition import compose

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


def _closed(sources: Composition, mixtures: Composition, asked: MixingOptions) -> Any:
    """Solve in closed form, or give what is possible where sources outnumber the tracers."""
    from headwater.isotopes.bounds import feasible_bounds
    from headwater.isotopes.mixing import mix

    solve = feasible_bounds if len(sources) > len(asked.tracers) + 1 else mix
    return solve(sources, mixtures, caps=asked.caps or None)


def _posterior(
    sources: Composition, mixtures: Composition, asked: MixingOptions, rules: _How
) -> MixingPosterior:
    from headwater.isotopes.bayes import mixing_posterior
    from headwater.isotopes.composition import check_sources
    from headwater.isotopes.evaporated_mixture import evaporated_mixture
    from headwater.isotopes.priors import dirichlet_prior

    check_sources(sources)
    prior = None
    if asked.prior:
        prior = dirichlet_prior([asked.prior.get(name, 1.0) for name in asked.sources])
    how: dict[str, Any] = {"rng": rules.rng, "prior": prior, "kept": _KEPT}
    try:
        if not rules.evaporation:
            return mixing_posterior(sources, mixtures, draws=_DRAWS // 2, **how)
        # a group that drew on all of a source is uncertain by the error of its mean alone
        alone = replace(sources, covariance=sources.mean_covariance())
        ends = alone if asked.scatter == "mean" else sources
        return _patiently(
            lambda n: evaporated_mixture(ends, mixtures, slope=rules.slope, draws=n, **how)
        )
    except DataError as refusal:
        raise _located(refusal, sources, mixtures, rules) from refusal


def _patiently(draw: Callable[[int], MixingPosterior]) -> MixingPosterior:
    """Draw ten times as often where the posterior is narrow and few draws fall into it."""
    try:
        posterior = draw(_DRAWS)
    except DataError:
        return draw(10 * _DRAWS)
    return posterior if (posterior.data["status"] == "ok").all() else draw(10 * _DRAWS)


def _located(
    refusal: DataError, sources: Composition, mixtures: Composition, rules: _How
) -> DataError:
    """Say of which rows no fractions could be told, and whether they lie outside the polygon."""
    from headwater.isotopes.composition import name_rows
    from headwater.isotopes.polygon import polygon_test

    rows = name_rows([row for group in mixtures.rows for row in group])
    if not rules.evaporation and len(sources) > len(sources.tracers):
        outside = polygon_test(sources, mixtures, rng=rules.rng, draws=400).cautions
        if outside:
            return DataError(outside[0], do="Add the missing source, or look at these rows")
    return DataError(f"{refusal.wrong}{rows}", found=refusal.found, do=refusal.do)


def _front(
    rows: pd.DataFrame, grouping: str, columns: tuple[str, ...], period: tuple[str, ...]
) -> pd.DataFrame:
    """Name each mixture by grouping, label and period; the index is its label in the models."""
    from headwater.isotopes import group_label, group_rows

    groups = [keys for keys, _ in group_rows(rows, columns)]
    names = pd.Index([group_label(keys) for keys in groups])
    data = pd.DataFrame(groups, columns=list(columns), index=names)
    return described(data, grouping, columns, period)


def _placed(data: pd.DataFrame, front: pd.DataFrame) -> pd.DataFrame:
    place = front.loc[data["mixture"]].reset_index(drop=True)
    return place.join(data.reset_index(drop=True))


def _keep_draws(found: _Found, posterior: MixingPosterior, front: pd.DataFrame) -> None:
    labels = list(dict.fromkeys(posterior.data["mixture"]))
    for name, draws in zip(labels, posterior.draws, strict=True):
        if np.isfinite(draws).all():
            grouping, label, period = front.loc[name]
            sources = dict.fromkeys(posterior.data["source"])
            table = pd.DataFrame(draws, columns=list(sources))
            found.draws[str(grouping), str(label), str(period)] = table


def _keep_evaporation(found: _Found, parameters: pd.DataFrame, front: pd.DataFrame) -> None:
    """Tell slope, enrichment, and what the mixture was before it evaporated."""
    wide = parameters.pivot_table(index="mixture", columns="parameter", values=["mean", "sd"])
    names = [f"{pair[1]}_{pair[0]}" for pair in wide.columns.to_list()]
    wide = wide.set_axis(names, axis=1)[sorted(names)]
    table = front.join(wide, how="inner").reset_index(drop=True)
    table.attrs["units"] = {name: "1" if "slope" in name else "‰" for name in names}
    found.add("mixing-evaporation", TableResult(table, ""), table)


def _place(
    found: _Found, waters: tuple[Composition, Composition], front: pd.DataFrame, before: Any
) -> None:
    """Say where sources and mixtures lie among the first two tracers, for a mixing diagram."""
    sources, mixtures = waters
    if len(sources.tracers) < 2:
        return
    periods, parts = list(dict.fromkeys(front["period"])), []
    for role, water, names in (
        ("source", sources, sources.labels), ("mixture", mixtures, list(front["label"])),
    ):  # fmt: skip
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
            pd.DataFrame({"role": "before evaporation", "label": wide["label"],
                          "period": wide["period"], "d18O": wide["mixture_d18O"],
                          "d2H": wide["mixture_d2H"]})
        )  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    table.attrs["units"] = dict.fromkeys(("d18O", "d2H", "d18O_sd", "d2H_sd", "d_excess"), "‰")
    found.add("mixing-diagram", TableResult(table, ""), table)


def _judge(
    found: _Found, waters: tuple[Composition, Composition], front: pd.DataFrame, rules: _How
) -> None:
    from headwater.isotopes.identifiability import identifiability
    from headwater.isotopes.polygon import polygon_test

    sources, mixtures = waters
    told = identifiability(sources, mixtures)
    # what evaporated lies beside the polygon without any fault of the sources
    data = told.data[told.data["measure"] != "hull share"] if rules.evaporation else told.data
    label = ", ".join(dict.fromkeys(front["period"])) or "all"
    found.add("identifiability", replace(told, cautions=()), data.assign(period=label))
    if not rules.evaporation and len(sources) >= len(sources.tracers) + 1:
        test = polygon_test(sources, mixtures, rng=rules.rng, draws=600)
        found.add("polygon", test, _placed(test.data.drop(columns="rows", errors="ignore"), front))


def _collect(found: _Found, asked: MixingOptions, how: _How) -> dict[str, Result]:
    results: dict[str, Result] = {name: found.collected(name) for name in found.results}
    choices = [*found.results["mixing"].choices]
    if how.evaporation:
        choices.append("Mixtures may have evaporated since they were mixed")
    sources = [name.replace("_", " ") for name in asked.sources]
    posterior = _with_absent(found.collected("mixing"), sources)
    whole = {
        key: draws.reindex(columns=sources, fill_value=0.0) for key, draws in found.draws.items()
    }
    refused = _few(found.refusals)
    most = int(posterior.data.groupby(["grouping", "label", "period"])["sd"].count().max())
    if how.evaporation and most > _ISOTOPES:
        lean = "" if asked.prior else " (all fractions equally likely) towards equal shares"
        words = _LEANS.format(sources=most, tracers=_ISOTOPES, lean=lean)
        refused = (words, *refused)
    results["mixing"] = replace(
        posterior, draws=None, parameters=None, choices=tuple(choices),
        cautions=(*posterior.cautions, *refused),
    )  # fmt: skip
    differences = _differences(whole, sources)
    if len(differences):
        results["mixing-differences"] = TableResult(
            differences,
            "Groups are compared by the differences of their posterior draws.",
        )
    parts = [
        draws.assign(label=label, period=period)
        for (grouping, label, period), draws in whole.items()
        if grouping == "all"
    ]
    if parts:
        table = pd.concat(parts, ignore_index=True)
        results["mixing-draws"] = TableResult(table, "")
    return results


def _with_absent(posterior: Any, sources: list[str]) -> Any:
    """Add the sources that a period does not have, as the 0 that the study file makes them."""
    place = ["grouping", "label", "period", "mixture"]
    groups = posterior.data[[*place, "n"]].drop_duplicates(place)
    lacking = groups.merge(pd.DataFrame({"source": sources}), how="cross").merge(
        posterior.data[[*place, "source"]], how="left", indicator=True
    )
    lacking = lacking[lacking["_merge"] == "left_only"].drop(columns="_merge")
    if lacking.empty:
        return posterior
    zeros = dict.fromkeys(("fraction", "low", "median", "high"), 0.0)
    data = pd.concat([posterior.data, lacking.assign(**zeros, status=_ABSENT)], ignore_index=True)
    data.attrs.update(posterior.data.attrs)
    return replace(posterior, data=data)


def _differences(
    whole: dict[tuple[str, str, str], pd.DataFrame], sources: list[str]
) -> pd.DataFrame:
    """Compare the periods of all samples, and the groups of a grouping within a period."""
    rows = []
    for one, two in combinations(whole, 2):
        periods = one[0] == two[0] == "all" and one[1] == two[1] and one[2] != two[2]
        groups = one[0] == two[0] != "all" and one[2] == two[2] and one[1] != two[1]
        if not (periods or groups):
            continue
        gap = whole[one].to_numpy() - whole[two].to_numpy()
        low, high = np.quantile(gap, [0.025, 0.975], axis=0)
        place = {
            "grouping": one[0], "within": one[1] if periods else one[2],
            "group_a": one[2] if periods else one[1], "group_b": two[2] if periods else two[1],
        }  # fmt: skip
        rows += [
            {**place, "source": name, "difference": gap[:, k].mean(), "sd": gap[:, k].std(),
             "low": low[k], "high": high[k], "probability": (gap[:, k] > 0.0).mean()}
            for k, name in enumerate(sources)
            if gap[:, k].any()  # a source that both lack has no difference to tell
        ]  # fmt: skip
    return pd.DataFrame(rows)
