"""A mixing job: which mixtures share which sources, and by which model their fractions follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from headwater.chapters.samples.end_members import (
    paired_by_file,
    paired_sources,
    pairs_of,
    with_sources,
)
from headwater.chapters.samples.lines import evaporation_of, meteoric_line
from headwater.chapters.samples.table import described, groupings, period_column
from headwater.errors import DataError
from headwater.isotopes.mixing.source_tables import SourceTable

if TYPE_CHECKING:
    from headwater.chapters.samples.lines import Evaporation
    from headwater.chapters.samples.options import MixingOptions, SamplesOptions
    from headwater.isotopes.mixing.composition import Composition
    from headwater.isotopes.mixing.posterior import Residual
    from headwater.isotopes.mixing.priors import FractionPrior

__all__ = ["MixingJob", "MixingModel", "MixingPart", "build_job", "jobs_by_part"]

_EVAPORATES = {"soil", "lake", "plant"}


@dataclass(frozen=True, slots=True)
class MixingModel:
    """What is believed of the fractions, and what scatters the samples.

    Attributes
    ----------
    prior : FractionPrior
        Of the fractions.
    residual : str
        One of :data:`~headwater.isotopes.mixing.posterior.RESIDUALS`.
    residual_sd : mapping of str to float
        Expected residual by tracer.
    evaporation : Evaporation, optional
        Of the mixtures; None where they have not evaporated.
    of_mean : bool
        Whether a group drew on all of a source, so that only the error of its mean counts.
    source_error : bool
        Whether the means of the sources are uncertain.
    process_below : int
        Groups with fewer samples are scattered by the sources alone.
    caps : mapping of str to float
        Largest fraction of a source [1].
    concentration : mapping of str to tuple of float, optional
        Of each tracer by source.
    """

    prior: FractionPrior
    residual: Residual
    residual_sd: Mapping[str, float]
    evaporation: Evaporation | None
    of_mean: bool
    source_error: bool
    process_below: int
    caps: Mapping[str, float]
    concentration: Mapping[str, tuple[float, ...]] | None


@dataclass(frozen=True, slots=True, eq=False)
class MixingPart:
    """Mixtures that share their sources.

    Attributes
    ----------
    grouping : str
        What the groups are of; "all" for all samples together.
    columns, period : tuple of str
        Columns that make the groups, and which of them is the period.
    rows : DataFrame
        The samples of the mixtures.
    sources, mixtures : Composition
        Sources that are present, and one mixture for each group.
    front : DataFrame
        ``grouping``, ``label`` and ``period`` of each mixture, by its label in the models.
    model : MixingModel
        For these sources.
    """

    grouping: str
    columns: tuple[str, ...]
    period: tuple[str, ...]
    rows: pd.DataFrame
    sources: Composition
    mixtures: Composition
    front: pd.DataFrame
    model: MixingModel

    @property
    def label(self) -> str:
        """Name the periods of these mixtures, ``all`` where there are none."""
        return ", ".join(dict.fromkeys(self.front["period"])) or "all"

    def placed(self, data: pd.DataFrame) -> pd.DataFrame:
        """Put grouping, label and period before rows that name their ``mixture``."""
        place = self.front.loc[data["mixture"]].reset_index(drop=True)
        return place.join(data.reset_index(drop=True))


@dataclass(frozen=True, slots=True, eq=False)
class MixingJob:
    """All that a study asks of its mixtures, before anything is solved.

    Attributes
    ----------
    asked : MixingOptions
        Table ``[samples.mixing]``, with the sources of its file.
    given : SourceTable, optional
        Sources from a file of their own.
    parts : tuple of MixingPart or DataError
        Mixtures with their sources, in the order of the report; a refusal where a part has none.
    places : tuple of (str, tuple of str)
        Groupings that are reported, with their columns.
    """

    asked: MixingOptions
    given: SourceTable | None
    parts: tuple[MixingPart | DataError, ...]
    places: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def together(self) -> bool:
        """Whether all groups share what they can in one model, or each stands alone."""
        return self.asked.model == "hierarchical"


def build_job(table: pd.DataFrame, options: SamplesOptions) -> MixingJob:
    """Take mixtures and their sources from a sample table, as the study file asks.

    Parameters
    ----------
    table : DataFrame
        From :func:`~headwater.chapters.samples.table.read_table`.
    options : SamplesOptions
        Table ``[samples]``, with ``mixing``.

    Returns
    -------
    MixingJob
    """
    job, parts = _begun(table, options)
    return replace(job, parts=tuple(parts))


def jobs_by_part(table: pd.DataFrame, options: SamplesOptions) -> Iterator[MixingJob]:
    """Take mixtures and their sources part by part, each a job of its own.

    Parameters
    ----------
    table, options
        As of :func:`build_job`.

    Yields
    ------
    MixingJob
        With one part. All mixtures and models are there before the first; the sources of a part
        are taken when it is asked for.
    """
    job, parts = _begun(table, options)
    for part in parts:
        yield replace(job, parts=(part,))


def _begun(
    table: pd.DataFrame, options: SamplesOptions
) -> tuple[MixingJob, Iterator[MixingPart | DataError]]:
    """Give a job without its parts, and the parts one after the other."""
    assert options.mixing is not None
    asked, given = with_sources(options.mixing, options.reading)
    mixed = table[table["water"].isin(asked.mixtures)]
    asked, given = paired_by_file(asked, given, mixed)
    evaporation = None
    if _evaporated(asked):
        evaporation = evaporation_of(table, meteoric_line(table, options)[0], options)
    period = period_column(mixed, options)
    by = options.groups if asked.by is None else asked.by
    places = groupings(mixed, options, by)
    shared = asked.model == "hierarchical"
    together = [("all", tuple(dict.fromkeys((*asked.paired, *period))))]
    exact = isinstance(given, SourceTable) and given.exact
    begun = [
        (rows, there, _Place(grouping, columns, period), _model(there, evaporation, exact=exact))
        for grouping, columns in (together if shared else places)
        for rows in _alike(mixed, asked, columns, period)
        for there in (_present(rows, asked, period),)
    ]
    ends = table if given is None else given
    return MixingJob(asked, given, (), tuple(places)), (_part(ends, *one) for one in begun)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part stands in the report."""

    grouping: str
    columns: tuple[str, ...]
    period: tuple[str, ...]


def _evaporated(asked: MixingOptions) -> bool:
    """Say whether mixtures may have evaporated; unless stated, soil, lakes and plants may."""
    if asked.evaporation is not None:
        return asked.evaporation
    return asked.tracers == ("d18O", "d2H") and bool(_EVAPORATES & set(asked.mixtures))


def _alike(
    mixed: pd.DataFrame, asked: MixingOptions, columns: tuple[str, ...], period: tuple[str, ...]
) -> Iterator[pd.DataFrame]:
    """Give mixtures that share their sources: of one month where these are paired by month."""
    from headwater.isotopes.samples import group_rows

    # brought to the altitude of their mixtures, every group has sources of its own
    paired = pairs_of(mixed, asked, columns)
    shared = dict.fromkeys((*paired, *(period if asked.absent else ())))
    keys = dict.fromkeys((*columns, *paired)) if asked.lapse else shared
    for _, rows in group_rows(mixed, keys):
        yield rows


def _part(
    ends: pd.DataFrame | SourceTable,
    rows: pd.DataFrame,
    there: MixingOptions,
    place: _Place,
    model: MixingModel | DataError,
) -> MixingPart | DataError:
    """Join mixtures with the sources that are present where they are."""
    from headwater.isotopes.mixing.composition import compose

    try:
        sources = paired_sources(ends, rows, there, place.columns)
        mixtures = compose(rows, there.tracers, by=place.columns)
    except DataError as refusal:
        return refusal
    if isinstance(model, DataError):
        return model
    front = _front(rows, place)
    grouping, columns, period = place.grouping, place.columns, place.period
    return MixingPart(grouping, columns, period, rows, sources, mixtures, front, model)


def _present(rows: pd.DataFrame, asked: MixingOptions, period: tuple[str, ...]) -> MixingOptions:
    """Leave out the sources that the period of these mixtures does not have."""
    when = str(rows[period[0]].iloc[0]) if period else ""
    gone = asked.absent.get(when, ())
    return asked.model_copy(update={"sources": tuple(s for s in asked.sources if s not in gone)})


def _model(
    asked: MixingOptions, evaporation: Evaporation | None, *, exact: bool
) -> MixingModel | DataError:
    """Name sources as the models do, and cut the prior at their caps, or say why it cannot be."""
    caps = {name.replace("_", " "): cap for name, cap in asked.limits().items()}
    names = tuple(name.replace("_", " ") for name in asked.sources)
    caps = {name: cap for name, cap in caps.items() if name in names}
    concentration = {name.replace("_", " "): q for name, q in asked.concentration.items()}
    try:
        prior = _prior(names, asked, caps)
    except DataError as refusal:
        return refusal
    return MixingModel(
        prior,
        _residual(asked),
        asked.residual_sd,
        evaporation,
        asked.scatter == "mean",
        not exact and asked.residual != "simmr",
        asked.process_below,
        caps,
        concentration or None,
    )


def _prior(
    names: tuple[str, ...], asked: MixingOptions, caps: Mapping[str, float]
) -> FractionPrior:
    """Give the prior that the study file states; else all fractions equally likely, or simmr's."""
    from headwater.isotopes.mixing.priors import (
        boundary_prior,
        capped_prior,
        clr_prior,
        dirichlet_prior,
    )

    alpha = [asked.prior.get(name, 1.0) for name in asked.sources]
    if asked.boundary:
        return boundary_prior(alpha)
    # simmr's model is taken whole: its prior, and means of sources that are exact
    own = asked.residual == "simmr" and not asked.prior
    prior = clr_prior(len(alpha)) if own else dirichlet_prior(alpha)
    return capped_prior(prior, names, caps) if caps else prior


def _residual(asked: MixingOptions) -> Residual:
    """Say what scatters samples of a group: the sources do only where each took one water."""
    chosen = asked.residual or ("residual" if asked.scatter == "mean" else "mixsiar")
    return "process_residual" if chosen == "mixsiar" else chosen


def _front(rows: pd.DataFrame, place: _Place) -> pd.DataFrame:
    """Name each mixture by grouping, label and period; the index is its label in the models."""
    from headwater.isotopes.samples import group_label, group_rows

    groups = [keys for keys, _ in group_rows(rows, place.columns)]
    names = pd.Index([group_label(keys) for keys in groups])
    data = pd.DataFrame(groups, columns=list(place.columns), index=names)
    return described(data, place.grouping, place.columns, place.period)
