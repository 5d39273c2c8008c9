"""A whole detection, from maps or a table to every detector's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from headwater.detector.ecological_detector import ecological
from headwater.detector.factor_detector import factor, independence_cautions
from headwater.detector.factor_table import association
from headwater.detector.field_covariance import FieldPlaces
from headwater.detector.further import further_results
from headwater.detector.interaction_detector import interaction
from headwater.detector.null_models import (
    MOST_POINTS,
    GridSpectral,
    MoranSpectral,
    Permutation,
    Randomisation,
    Rotation,
)
from headwater.detector.optimal_parameters import best_strata, opgd, search_test, without_refused
from headwater.detector.peer_breaks import Style
from headwater.detector.resample import Resampling, point_blocks, square_blocks, unit_blocks
from headwater.detector.results import (
    AssociationResult,
    ContrastResult,
    EcologicalResult,
    FactorResult,
    InteractionResult,
    OptimalResult,
    RiskMaps,
    RiskResult,
    SearchResult,
)
from headwater.detector.risk_detector import contrasts, risk, risk_maps
from headwater.detector.sample import Sample, read_sample
from headwater.detector.search_options import METHODS, Criterion, Scheme, Search
from headwater.detector.spread import spread_across
from headwater.detector.strata import Strata
from headwater.errors import DataError
from headwater.glossary import Kind
from headwater.results import Result

__all__ = [
    "Detection",
    "DetectionOptions",
    "FEWEST",
    "MOST_WORK",
    "Ranking",
    "chance_of",
    "detect",
    "detect_sample",
    "rank_factors",
]


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What all detectors found.

    Attributes
    ----------
    strata : dict of str to Strata
        The partitions used.
    optimal, factor, risk, contrasts, association : TableResult
        See the functions of the same names.
    search : SearchResult or None
        The test of the whole search; None where there are too many units for it.
    further : dict of str to Result
        Of the further detectors that were asked for (:mod:`headwater.detector.further`).
    interaction, ecological : TableResult or None
        None with a single factor.
    maps : RiskMaps or None
        None where the input was a table.
    """

    strata: Mapping[str, Strata]
    optimal: OptimalResult
    factor: FactorResult
    interaction: InteractionResult | None
    risk: RiskResult
    contrasts: ContrastResult
    ecological: EcologicalResult | None
    association: AssociationResult
    maps: RiskMaps | None
    search: SearchResult | None = None
    further: Mapping[str, Result] = field(default_factory=dict)

    def results(self) -> dict[str, Result]:
        """Gather what there is, by name.

        Returns
        -------
        dict of str to Result
        """
        names = ("optimal", "factor", "interaction", "risk", "contrasts", "ecological")
        every = {name: getattr(self, name) for name in (*names, "association", "search", "maps")}
        found = {name: result for name, result in every.items() if result is not None}
        return {**found, **self.further}

    def with_choices(self, choices: Sequence[str]) -> Detection:
        """Put what was chosen before the detection in front of its own choices.

        Parameters
        ----------
        choices : sequence of str
            Sentences.

        Returns
        -------
        Detection
        """
        return replace(self, factor=replace(self.factor, choices=(*choices, *self.factor.choices)))


_WORK = 400_000_000
"""Units times factors times draws beyond which fewer responses are made by chance."""

MOST_WORK = 2_000_000_000
"""Beyond this even the fewest draws would take minutes."""

FEWEST = 99
"""Below this many responses made by chance no test is worth its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What a search found, and what it is worth.

    Attributes
    ----------
    strata : dict of str to Strata
        The partitions chosen.
    optimal, factor : TableResult
        See the functions of the same names; the factor table with the tests of the search.
    search : SearchResult or None
        None where there are too many units to repeat the search.
    """

    strata: Mapping[str, Strata]
    optimal: OptimalResult
    factor: FactorResult
    search: SearchResult | None


def rank_factors(sample: Sample, search: Search, chance: Resampling) -> Ranking:
    """Search, part and test all factors of a sample.

    Parameters
    ----------
    sample : Sample
        From :func:`headwater.detector.sample.read_sample`.
    search : Search
        What is tried.
    chance : Resampling
        From :func:`chance_of`.

    Returns
    -------
    Ranking

    Raises
    ------
    DataError
        As :func:`headwater.detector.opgd`.
    """
    y, weights = sample.response, sample.weights
    found = opgd(
        y,
        sample.factors,
        kinds=search.kinds,
        methods=search.methods,
        classes=search.classes,
        by=search.by,
        min_units=search.min_units,
        weights=weights,
        fixed=search.fixed,
        style=search.style,
    )
    strata = best_strata(sample.factors, found)
    blocks = replace(chance, null=None) if chance.n_resamples else None
    factors = factor(y, strata, weights=weights, resampling=blocks)
    cautions = [text for text in factors.cautions if text not in independence_cautions(blocks)]
    fitting = independence_cautions(chance if chance.n_resamples else None)
    factors = replace(factors, cautions=(*chance.notes, *cautions, *fitting))
    if chance.n_resamples == 0:
        return Ranking(strata, found, factors, None)
    tested = search_test(
        y,
        sample.factors,
        search,
        null=chance.null,
        n_resamples=chance.n_resamples,
        weights=weights,
        rng=chance.rng,
    )
    return Ranking(strata, found, _tested(factors, tested, chance), tested)


def chance_of(sample: Sample, n_resamples: int, rng: np.random.Generator) -> Resampling:
    """Choose the null and the blocks that know about neighbours what the sample allows.

    Parameters
    ----------
    sample : Sample
        From :func:`headwater.detector.sample.read_sample`.
    n_resamples : int
        How many responses by chance; fewer of very many units, and 0 where that would be too few.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    Resampling
    """
    y = sample.response
    work = max(y.size * len(sample.factors), 1)
    asked = n_resamples
    n_resamples = min(n_resamples, max(_WORK // work, FEWEST))
    n_resamples = n_resamples if work * n_resamples <= MOST_WORK else 0
    notes = _draw_notes(asked, n_resamples, sample)
    if sample.grid is not None:
        shape = (sample.grid.shape[0], sample.grid.shape[1])
        blocks = square_blocks(sample.cells, shape, y)
        scale = spread_across(y, sample.cells, shape)
        null: Randomisation = GridSpectral(sample.cells, shape, scale)
        where = FieldPlaces.of_cells(sample.cells, shape, _stretch(sample.grid))
        return Resampling(rng, null, blocks, n_resamples, where, (*notes, *_scale_notes(scale)))
    if sample.places is not None:
        few = len(sample.places) <= MOST_POINTS
        null = MoranSpectral(sample.places) if few else Rotation(sample.places)
        where = FieldPlaces.of_points(sample.places)
        return Resampling(rng, null, point_blocks(sample.places), n_resamples, where, notes)
    blocks = unit_blocks(y.size, rng)
    return Resampling(rng, Permutation(), blocks, n_resamples, None, notes)


def _draw_notes(asked: int, made: int, sample: Sample) -> tuple[str, ...]:
    """Say where fewer responses were drawn than were asked for."""
    if made == asked:
        return ()
    size = f"{sample.response.size} units and {len(sample.factors)} factors"
    if made == 0:
        return (
            f"Nothing was resampled: with {size} not even {FEWEST} draws can be made in minutes. "
            "There is no p that knows of neighbours and none of the search; join cells, or take "
            "fewer factors.",
        )
    floor = 1.0 / (1 + made)
    return (
        f"{made} of {asked} draws were made, for {size}: p_search and its like are {floor:.2g} at "
        f"the least, and {min(1.0, floor * len(sample.factors)):.2g} corrected for all factors.",
    )


_TESTED = "p_spatial, p_search, p_gain, p_nonadditive"


def _scale_notes(scale: npt.NDArray[np.float64] | None) -> tuple[str, ...]:
    if scale is None:
        return ()
    return (
        "The response varies unequally: its local standard deviation is "
        f"{scale.max() / scale.min():.1f} times greater at one end of the map than at the other. "
        f"The tests by maps drawn at random ({_TESTED}) are of the response divided by it; q is of "
        "the response itself, and intervals suppose an equal scale.",
    )


def _stretch(grid: xr.DataArray) -> float:
    """Height of a cell over its width, of degrees at the middle of the map."""
    if min(grid.sizes.get("y", 0), grid.sizes.get("x", 0)) < 2:
        return 1.0
    if "y" not in grid.coords or "x" not in grid.coords:
        return 1.0
    y, x = grid["y"].values.astype(float), grid["x"].values.astype(float)
    ratio = abs((y[1] - y[0]) / (x[1] - x[0]))
    degrees = "degree" in str(grid["x"].attrs.get("units", ""))
    narrow = float(np.cos(np.radians(y.mean()))) if degrees else 1.0
    return ratio / max(narrow, 0.01) if np.isfinite(ratio) and ratio > 0 else 1.0


def _tested(factors: FactorResult, tested: SearchResult, chance: Resampling) -> FactorResult:
    """Put the tests of the whole search next to the F tests."""
    assert chance.null is not None
    found = tested.data.set_index("factor").loc[factors.data["factor"]]
    table = factors.data.copy()
    place = list(table.columns).index("p_holm") + 1
    table.insert(place, chance.null.column, found["p_fixed"].to_numpy())
    table.insert(place + 1, "p_search", found["p_search"].to_numpy())
    table.insert(place + 2, "q_chance", found["q_chance"].to_numpy())
    sentence = (
        f"{chance.null.column}: share of {chance.n_resamples} {chance.null.words} whose q "
        "reaches the one observed, the strata as chosen; p_search: the same with the whole search "
        "repeated on each; q_chance: the q that 5 % of them exceed after their search."
    )
    return _with(replace(factors, data=table), sentence)


def _with(factors: FactorResult, sentence: str) -> FactorResult:
    return replace(factors, choices=(*factors.choices, sentence))


class DetectionOptions(TypedDict, total=False):
    """How often chance is drawn and from what, further detectors, and whose class rules."""

    n_resamples: int
    rng: np.random.Generator | None
    further: Sequence[str]
    style: Style


def detect(
    data: xr.Dataset | pd.DataFrame,
    response: str,
    factors: Sequence[str] | None = None,
    *,
    kinds: Mapping[str, Kind] | None = None,
    methods: Sequence[str] = METHODS,
    classes: Sequence[int] = range(3, 9),
    by: Criterion = "q_cv",
    fixed: Mapping[str, Scheme] | None = None,
    weights: str | None = None,
    **options: Unpack[DetectionOptions],
) -> Detection:
    """Find out what explains the spatial pattern of a variable.

    Parameters
    ----------
    data : Dataset with dims (y, x), or DataFrame
        Maps on one grid, or rows of units.
    response : str
        The variable to be explained.
    factors : sequence of str, optional
        Default: all other variables.
    kinds : mapping, optional
        Kind of a factor (continuous, circular, categorical) where its ``kind`` attribute does not
        say it.
    methods, classes, by, fixed
        See :func:`headwater.detector.opgd`.
    weights : str, optional
        Variable with the weight of each unit, such as its area.
    **options
        ``n_resamples``, ``rng``, ``further`` and ``style`` as of :func:`detect_sample`.

    Returns
    -------
    Detection

    Raises
    ------
    DataError
        If a variable is missing, constant, empty, not a map, or cannot be parted.

    Notes
    -----
    Units without a value of any variable go out for all factors (listwise), so that all q are of
    the same units. To let each factor use all it has, read the data with
    ``read_sample(..., missing="pairwise")`` and call :func:`detect_sample`; so too for a table of
    points, ``read_sample(..., coordinates=...)``.

    Examples
    --------
    >>> x = np.tile(np.arange(60.0), 4)
    >>> table = pd.DataFrame({"theta": x // 15, "rain": x, "noise": np.sin(37 * np.arange(240.0))})
    >>> found = detect(table, "theta", classes=[3, 4])
    >>> found.factor.data[["factor", "q"]].round(2).values.tolist()[0]
    ['rain', 1.0]
    """
    sample = read_sample(data, response, factors, kinds=kinds, weights=weights)
    return detect_sample(sample, methods=methods, classes=classes, by=by, fixed=fixed, **options)


def detect_sample(
    sample: Sample,
    *,
    methods: Sequence[str] = METHODS,
    classes: Sequence[int] = range(3, 9),
    by: Criterion = "q_cv",
    fixed: Mapping[str, Scheme] | None = None,
    n_resamples: int = 999,
    rng: np.random.Generator | None = None,
    further: Sequence[str] = (),
    style: Style = "headwater",
) -> Detection:
    """Run all detectors on units that were read already.

    Parameters
    ----------
    sample : Sample
        From :func:`headwater.detector.sample.read_sample`.
    methods, classes, by, fixed
        See :func:`headwater.detector.opgd`.
    n_resamples : int
        How many responses are made by chance, and how many resamples; fewer for the pairs, and
        where there are very many units.
    rng : numpy Generator, optional
        Source of randomness; default: one seeded with 1.
    further : sequence of str
        Further detectors: "gozh", "lesh", "shegd", "shares", "rgd", "spade", "idsa", "srsgd",
        "scale", "local", "shift" (:func:`headwater.detector.further.further_results`). One that
        the units do not allow is left out, and named in the cautions.
    style : {"headwater", "gd", "sdsfun"}
        Whose class rules; see :func:`headwater.detector.opgd`.

    Returns
    -------
    Detection

    Raises
    ------
    DataError
        As :func:`detect`; but a factor that no rule can part is left out by name, as long as
        another can be.

    Notes
    -----
    Maps, and points with coordinates, are tested against responses of the same smoothness
    (:class:`headwater.detector.null_models.GridSpectral`,
    :class:`headwater.detector.null_models.MoranSpectral`) and their intervals come from resampling
    squares; tables without coordinates are tested by permutation and resampled unit by unit.

    Examples
    --------
    >>> x = np.tile(np.arange(60.0), 4)
    >>> sample = read_sample(pd.DataFrame({"theta": x // 15, "rain": x}), "theta")
    >>> sorted(detect_sample(sample, classes=[4]).results())
    ['association', 'contrasts', 'factor', 'optimal', 'risk', 'search']
    """
    y, weights = sample.response, sample.weights
    search = Search(tuple(methods), tuple(classes), by, 2, sample.kinds, fixed or {}, style)
    chance = chance_of(sample, n_resamples, rng or np.random.default_rng(1))
    refused: tuple[str, ...] = ()
    try:
        ranked = rank_factors(sample, search, chance)
    except DataError:
        sample, search, refused = without_refused(sample, search)
        ranked = rank_factors(sample, search, chance)
    strata = ranked.strata
    pairs = _pair_results(sample, strata, chance) if len(strata) > 1 else (None, None)
    continuous = {
        name: values
        for name, values in sample.factors.items()
        if sample.kinds[name] == "continuous"
    }
    places = replace(chance, null=None) if chance.n_resamples else None
    surest = _p_of_search(ranked)
    risks = risk(y, strata, weights=weights, resampling=places, p_factor=surest)
    detection = Detection(
        strata=strata,
        optimal=ranked.optimal,
        factor=ranked.factor,
        interaction=pairs[0],
        risk=risks,
        contrasts=contrasts(y, strata, weights=weights, resampling=places, p_factor=surest),
        ecological=pairs[1],
        association=association(strata, continuous, weights=weights),
        maps=risk_maps(sample, strata, risks) if sample.grid is not None else None,
        search=ranked.search,
    )
    several = max(chance.n_resamples // 5, FEWEST)
    beyond = further_results(sample, strata, further, search, n_resamples=several, rng=chance.rng)
    detection = replace(detection, further=beyond.results)
    return _labelled(detection, sample, (*refused, *beyond.left_out))


def _pair_results(
    sample: Sample, strata: Mapping[str, Strata], chance: Resampling
) -> tuple[InteractionResult, EcologicalResult]:
    y, weights = sample.response, sample.weights
    several = max(chance.n_resamples // 5, FEWEST)
    if chance.n_resamples == 0 or y.size * len(strata) ** 2 * several > MOST_WORK:
        together = interaction(y, strata, weights=weights)
        return together, ecological(y, strata, weights=weights, method="wang2010")
    # units of a table are taken as independent, for which the F test is right and quicker
    null = None if isinstance(chance.null, Permutation) else chance.null
    by = replace(chance, null=null, n_resamples=several)
    together = interaction(y, strata, weights=weights, resampling=by)
    blocks = replace(chance, null=None)
    return together, ecological(y, strata, weights=weights, resampling=blocks)


def _p_of_search(ranked: Ranking) -> dict[str, float]:
    """P of each factor that was searched; of strata as given there is nothing to protect."""
    if ranked.search is None:
        return {}
    tried = ranked.optimal.data.groupby("factor").size()
    p = ranked.search.data.set_index("factor")["p_search"]
    return {str(name): float(p[name]) for name in p.index if tried[name] > 1}


_OF_THE_RESPONSE = ("mean", "sd", "low", "high", "difference")
"""Columns in the unit of the response, in the tables of strata means."""


def _labelled(detection: Detection, sample: Sample, left_out: tuple[str, ...]) -> Detection:
    """Give every table the names that figures print, and the factor table the search's words."""
    for name, result in detection.results().items():
        if isinstance(result.data, pd.DataFrame):
            result.data.attrs |= {"response": sample.name, "labels": dict(sample.labels)}
            # elsewhere low, high and difference are those of q, which has no unit
            columns = _OF_THE_RESPONSE if name in ("risk", "contrasts") else ()
            result.data.attrs["units"] = {
                column: sample.units for column in columns if column in result.data
            }
    lost = sample.total - sample.response.size
    counts = ", ".join(f"{name} {count}" for name, count in sample.missing.items() if count)
    note = f"Units: {sample.response.size} of {sample.total}" + (
        f"; {lost} left out for a missing value (missing: {counts})." if lost else "."
    )
    labelled = replace(
        detection.factor,
        choices=(note, *sample.notes, *detection.optimal.choices, *detection.factor.choices),
        cautions=(*left_out, *detection.factor.cautions, *_small_strata(detection.risk.data)),
    )
    return replace(detection, factor=labelled)


def _small_strata(table: pd.DataFrame, least: int = 10) -> tuple[str, ...]:
    small = table[(table["n"] < least) & (table["n"] > 0)]
    if small.empty:
        return ()
    named = ", ".join(
        f"{row.factor} {row.name_} (n = {row.n})"
        for row in small.rename(columns={"name": "name_"}).itertuples()
    )
    return (f"Strata with fewer than {least} units: {named}.",)
