"""The end members of mixtures: those of their own months and altitude, and what supports them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.chapters.samples.results import Answer, Finding
from headwater.errors import DataError, InputError, nearest
from headwater.isotopes.excess import with_excess
from headwater.isotopes.mixing.source_tables import SourceTable
from headwater.results import Result, TableResult

if TYPE_CHECKING:
    from headwater.chapters.samples.mixing_job import MixingPart
    from headwater.chapters.samples.options import MixingOptions
    from headwater.isotopes.mixing.composition import Composition
    from headwater.isotopes.mixing.results import EmmaResult, MixLikelihood
    from headwater.tables import ReadingOptions

__all__ = [
    "EMMA_NEEDS",
    "analyse_end_members",
    "as_key",
    "likely_fractions",
    "paired_by_file",
    "paired_sources",
    "pairs_of",
    "with_sources",
]

EMMA_NEEDS = 3
"""Tracers below which an analysis of end members says nothing."""
_FEWEST = 6
_EDGE = 0.1
_NEAR_EDGE = (
    "Where a fraction is near 0, MIX moves the end members: its intervals then held the truth in "
    "as few as none of the simulated groups. Go by the posterior and the closed form."
)
_LEAST_RANGE = 100.0


def analyse_end_members(
    sources: pd.DataFrame | SourceTable,
    table: pd.DataFrame,
    asked: MixingOptions,
    *,
    rng: np.random.Generator,
) -> dict[str, Result]:
    """Ask the mixtures how many end members they have, and whether the sources can be these.

    Parameters
    ----------
    sources : DataFrame or SourceTable
        Where the sources are: the sample table, or a table of their own.
    table : DataFrame
        The sample table.
    asked : MixingOptions
        Sources, mixtures and tracers.
    rng : Generator
        Random numbers.

    Returns
    -------
    dict of Result
        ``emma`` (components and ranks); with three tracers or more also ``emma-scores``,
        ``emma-residuals`` (Hooper), ``emma-screening`` (which sources enclose the mixtures) and
        ``emma-archetypes``. With two tracers ``emma`` says why it says nothing. Empty where the
        samples do not allow it.
    """
    from headwater.isotopes.mixing.end_member_analysis import emma, screen_sources

    names = list(asked.tracers)
    if len(names) < 2:
        return {}
    mixed = table[table["water"].isin(asked.mixtures)]
    whole = with_excess(mixed, names).dropna(subset=names)
    try:
        found = emma(whole, names, rng=rng)
    except DataError as refusal:
        note = TableResult(pd.DataFrame(), "", cautions=(f"No end-member analysis: {refusal}",))
        return {"emma": note} if len(names) >= EMMA_NEEDS else {}
    plain: EmmaResult = replace(found, fit=None, scores=None)
    if len(names) < EMMA_NEEDS:
        return {"emma": TableResult(found.data, "", cautions=found.cautions[:1])}
    lacking = len(mixed) - len(whole)
    words = (f"{lacking} mixtures without every tracer were left out of the end-member analysis.",)
    ends = _all_sources(sources, asked)
    results: dict[str, Result] = {
        "emma": replace(plain, cautions=(*found.cautions, *(words if lacking else ()))),
        "emma-scores": TableResult(found.scores.reset_index(drop=True), ""),
        "emma-residuals": _residuals(found),
    }
    return results if ends is None else results | screen_sources(whole, found, ends, rng=rng)


def _all_sources(sources: pd.DataFrame | SourceTable, asked: MixingOptions) -> Composition | None:
    """Summarise all samples of each source; None where a file gives several means of one."""
    from headwater.isotopes.mixing.composition import compose

    if not isinstance(sources, SourceTable):
        rows = _source_rows(sources, asked)
        return compose(rows, asked.tracers, by=[asked.source_column])
    once = not sources.stated or sources.data["source"].is_unique
    return sources.compose() if once else None


def _source_rows(table: pd.DataFrame, asked: MixingOptions) -> pd.DataFrame:
    """Take the samples of the sources, which are no mixtures, by the column that names them."""
    named = table[asked.source_column].astype(str).isin(asked.sources)
    mixed = table["water"].isin(asked.mixtures)
    return table[named] if asked.source_column == "water" else table[named & ~mixed]


def with_sources(
    asked: MixingOptions, reading: ReadingOptions | None
) -> tuple[MixingOptions, SourceTable | None]:
    """Read the file of the sources, where there is one, and name them where nobody has.

    Parameters
    ----------
    asked : MixingOptions
        Table ``[samples.mixing]``.
    reading : ReadingOptions, optional
        What the files leave open.

    Returns
    -------
    asked : MixingOptions
        With sources, and with the concentrations of the file.
    given : SourceTable or None
        The sources.

    Raises
    ------
    InputError
        If a file lacks a tracer, or a source that is named.
    StudyError
        If the study names sources that the file does not have.
    """
    from headwater.isotopes.mixing.source_tables import read_sources
    from headwater.tables.options import DEFAULTS

    if asked.source_file is None:
        return asked, None
    given = read_sources(
        asked.source_file,
        tracers=asked.tracers,
        discrimination=asked.discrimination_file,
        concentration=asked.concentration_file,
        sheet=asked.source_sheet,
        discrimination_sheet=asked.discrimination_sheet,
        concentration_sheet=asked.concentration_sheet,
        reading=reading or DEFAULTS,
    )
    names = asked.sources or given.names
    for name in names:
        if name not in given.names:
            raise InputError(
                "the file of the sources has no such source",
                found=f"'{name}'",
                do=nearest(name, list(given.names)),
            )
    q = asked.concentration or {n: given.concentration[n] for n in names if given.concentration}
    filled = asked.model_copy(update={"sources": tuple(names), "concentration": q})
    return filled.checked(), given


def _residuals(found: Any) -> TableResult:
    fit = found.fit.reset_index(drop=True)
    fit["bias"] = fit["bias"].round(9)  # of centred data it is 0, but for rounding
    fit.attrs["units"] = dict.fromkeys(("bias", "rrmse", "rmse_over_mean"), "%")
    return TableResult(
        fit,
        "Hooper's diagnostics: residuals of the mixtures by rank; a tracer whose residuals "
        "depend on its concentration (p) asks for another end member.",
    )


def likely_fractions(part: MixingPart, *, rng: np.random.Generator) -> Answer:
    """Estimate end members and fractions together, where the samples state their errors (MIX).

    Parameters
    ----------
    part : MixingPart
        Mixtures that share their sources, with ``<tracer>_sd`` as errors.
    rng : Generator
        For the bootstrap; it is not advanced.

    Returns
    -------
    Answer
        ``mixing-likelihood`` and ``mixing-end-members``; a refusal where errors are not stated or
        the estimate does not converge; nothing where sources outnumber the tracers by two.
    """
    if len(part.sources) > len(part.sources.tracers) + 1:
        return Answer()
    try:
        fit, table = _fit_mix(part, rng.spawn(1)[0])
    except DataError as refusal:
        words = f"No maximum likelihood (MIX): {refusal.wrong}"
        return Answer(refusals=(DataError(words, found=refusal.found, do=refusal.do),))
    moved = fit.sources.assign(period=part.label)
    moved.attrs["units"] = {"shift": "sd"}
    near = (_NEAR_EDGE,) if (table["fraction"] < _EDGE).any() else ()
    likely = replace(fit, sources=None, data=table, cautions=(*fit.cautions, *near))
    return Answer(
        (
            Finding("mixing-likelihood", likely, part.placed(table)),
            Finding("mixing-end-members", TableResult(moved, ""), moved),
        )
    )


def _fit_mix(part: MixingPart, rng: np.random.Generator) -> tuple[MixLikelihood, pd.DataFrame]:
    """Fit single samples; return the fit, and the mean fractions of the groups."""
    from headwater.isotopes.mixing.composition import compose_each
    from headwater.isotopes.mixing.mix_model import bootstrap_means, mix_carrera

    names = list(part.sources.tracers)
    whole = with_excess(part.rows, names).dropna(subset=names)
    # names of samples may repeat, row numbers do not
    waters = compose_each(whole.drop(columns="sample_id", errors="ignore"), names)
    errors = np.nan_to_num(waters.mean_covariance().diagonal(axis1=1, axis2=2))
    if not (errors > 0.0).all():
        raise DataError(
            "samples have no stated error of measurement",
            found=", ".join(f"no {name}_sd" for name in names),
            do="Add these columns, or read the closed form",
        )
    fit = mix_carrera(part.sources, waters)
    rows = [row for group in waters.rows for row in group]
    groups = ["all"] * len(rows)
    if part.columns:
        keys = part.rows.loc[rows, list(part.columns)].astype(str).agg(", ".join, axis=1)
        groups = keys.str.replace("_", " ").tolist()
    each = fit.data.assign(mixture=np.repeat(groups, len(part.sources)))
    parted = each.groupby(["mixture", "source"], sort=False)["fraction"]
    means = pd.DataFrame({"fraction": parted.mean(), "sd": parted.std(), "n": parted.count()})
    ends = bootstrap_means(fit, waters, groups, rng=rng)
    table = means.reset_index().merge(ends, on=["mixture", "source"], how="left")
    table.attrs["units"] = dict.fromkeys(("fraction", "sd", "low", "high"), "1")
    return fit, table


def paired_sources(
    table: pd.DataFrame | SourceTable,
    mixtures: pd.DataFrame,
    asked: MixingOptions,
    columns: tuple[str, ...],
) -> Composition:
    """Summarise the sources that belong to a group of mixtures.

    Parameters
    ----------
    table : DataFrame or SourceTable
        The sample table, or a table of the sources alone.
    mixtures : DataFrame
        Samples that share the paired columns among `columns`.
    asked : MixingOptions
        Sources, tracers, and how sources are paired with their mixtures.
    columns : tuple of str
        Those that make the group.

    Returns
    -------
    Composition
        In the order asked for.

    Raises
    ------
    DataError
        If a source has no sample where its mixtures are, or no gradient with altitude is known.

    Notes
    -----
    With ``lapse``, a source has the mean ``m + g (z - z̄)`` at the mean altitude z of its mixtures,
    m and g by least squares on its samples, and that mean the covariance
    ``S (1/n + (z - z̄)² / Σ(z_i - z̄)²)``, S of the residuals. Fractions of a mixture of many
    altitudes follow from the mean altitude alone, for the gradient is linear.
    """
    from headwater.isotopes.mixing.composition import compose

    given = table if isinstance(table, SourceTable) else None
    column = "source" if given else asked.source_column
    ends = table.data if isinstance(table, SourceTable) else _source_rows(table, asked)
    for name in pairs_of(mixtures, asked, columns):
        _need_pair(ends, name)
        ends = ends[as_key(ends[name]).isin(as_key(mixtures[name].dropna()))]
    if given and given.stated and asked.paired and ends[column].duplicated().any():
        raise DataError(
            f"sources differ by {', '.join(asked.paired)}: a group that spans several of its "
            "values has no fractions",
            found=", ".join(columns) or "all samples together",
            do=f"Read the fractions by {', '.join(asked.paired)}",
        )
    lacking = [name for name in asked.sources if name not in set(ends[column].astype(str))]
    if lacking:
        raise DataError(
            f"{lacking[0]} has no sample where its mixtures are",
            found=f"{len(mixtures)} mixtures of {_where(mixtures, asked)}",
            do="Pair by fewer columns, or leave the source out",
        )
    order = [name.replace("_", " ") for name in asked.sources]
    found = given.compose(ends) if given else compose(ends, asked.tracers, by=[column])
    sources = replace(found, labels=tuple(n.replace("_", " ") for n in found.labels)).take(order)
    if not asked.lapse:
        return sources
    height = float(mixtures["elevation"].mean())
    parts = [_at_height(ends[ends[column] == name], asked, height) for name in asked.sources]
    mean, of_mean, n = (np.array(piece) for piece in zip(*parts, strict=True))
    count = np.broadcast_to(n[:, None], mean.shape)
    return replace(sources, mean=mean, covariance=of_mean * n[:, None, None], n=count, rows=())


def pairs_of(mixtures: pd.DataFrame, asked: MixingOptions, columns: tuple[str, ...]) -> list[str]:
    """Name the paired columns that a grouping can be paired by.

    Parameters
    ----------
    mixtures : DataFrame
        The samples that are grouped.
    asked : MixingOptions
        Table ``[samples.mixing]``.
    columns : tuple of str
        Those that make the groups.

    Returns
    -------
    list of str
        Paired columns among `columns`, and those that every group has one value of: packs of one
        region.
    """
    named = [name for name in columns if name in asked.paired]
    inside = [name for name in asked.paired if name not in columns and name in mixtures]
    if not columns:
        return named
    parts = mixtures.groupby(list(columns), observed=True)
    return named + [name for name in inside if parts[name].nunique().max() == 1]


def as_key(values: pd.Series) -> pd.Series:
    """Write values as text, so that 1, 1.0 and "1" are one group.

    Parameters
    ----------
    values : Series
        Of any type.

    Returns
    -------
    Series of str

    Examples
    --------
    >>> as_key(pd.Series(["1", " June"])).tolist(), as_key(pd.Series([1.0])).tolist()
    (['1', 'June'], ['1'])
    """
    text = values.astype(str).str.strip()
    number = pd.to_numeric(text, errors="coerce")
    return text.where(number.isna(), number.map("{:.12g}".format))


def paired_by_file(
    asked: MixingOptions, given: SourceTable | None, mixed: pd.DataFrame
) -> tuple[MixingOptions, SourceTable | None]:
    """Pair by the columns in which a file has several means of one source, unless a study does.

    Parameters
    ----------
    asked : MixingOptions
        Table ``[samples.mixing]``.
    given : SourceTable or None
        Sources of a file of their own.
    mixed : DataFrame
        The samples of the mixtures.

    Returns
    -------
    asked : MixingOptions
        With `paired`.
    given : SourceTable or None
        With a note that says so.
    """
    if given is None or not given.stated or asked.paired or given.data["source"].is_unique:
        return asked, given
    own = {"source", "n", *(f"{t}_{what}" for t in given.tracers for what in ("mean", "sd"))}
    shared = [str(c) for c in given.data if c not in own and c in mixed and mixed[c].notna().any()]
    if not shared or given.data.duplicated(["source", *shared]).any():
        return asked, given
    said = f"sources differ by {', '.join(shared)}: each group is split into those of its own"
    paired = asked.model_copy(update={"paired": tuple(shared)})
    return paired, replace(given, notes=(*given.notes, said))


def _need_pair(ends: pd.DataFrame, name: str) -> None:
    if name not in ends:
        raise DataError(
            f"the table of the sources has no column {name} to pair by",
            found=", ".join(map(str, ends.columns)),
            do="Add it, or leave it out of paired",
        )


def _at_height(rows: pd.DataFrame, asked: MixingOptions, height: float) -> tuple[Any, Any, int]:
    """Mean of one source at an altitude, the covariance of that mean, and n."""
    tracers = list(asked.tracers)
    whole = with_excess(rows, tracers)[[*tracers, "elevation"]].dropna()
    z = whole["elevation"].to_numpy(dtype=float)
    if len(z) < _FEWEST or np.ptp(z) < _LEAST_RANGE:
        raise DataError(
            f"the altitude gradient of {rows['water'].iloc[0]} is not known",
            found=f"{len(z)} samples within {np.ptp(z) if len(z) else 0:.0f} m",
            do="Set lapse = false in [samples.mixing]",
        )
    y = whole[tracers].to_numpy(dtype=float)
    off, n = z - z.mean(), len(z)
    gradient = off @ (y - y.mean(axis=0)) / (off @ off)
    rest = y - y.mean(axis=0) - off[:, None] * gradient
    away = height - float(z.mean())
    scatter = rest.T @ rest / (n - 2)
    return y.mean(axis=0) + away * gradient, scatter * (1.0 / n + away**2 / (off @ off)), n


def _where(mixtures: pd.DataFrame, asked: MixingOptions) -> str:
    parts = [", ".join(map(str, mixtures[name].dropna().unique()[:3])) for name in asked.paired]
    return "; ".join(part for part in parts if part) or "this group"
