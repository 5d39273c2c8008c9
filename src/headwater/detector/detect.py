"""A whole detection, from maps or a table to every detector's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from headwater.detector.association import association
from headwater.detector.detection import Detection
from headwater.detector.ecological import ecological
from headwater.detector.interaction import interaction
from headwater.detector.null_models import Permutation
from headwater.detector.ranking import FEWEST, MOST_WORK, chance_of, rank_factors
from headwater.detector.resample import Resampling
from headwater.detector.results import EcologicalResult, InteractionResult
from headwater.detector.risk import contrasts, risk
from headwater.detector.risk_maps import risk_maps
from headwater.detector.sample import Sample, read_sample
from headwater.detector.search_options import METHODS, Criterion, Scheme, Search
from headwater.detector.strata import Strata
from headwater.glossary import Kind

__all__ = ["Detection", "detect", "detect_sample"]


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
        See :func:`headwater.detector.optimal`.
    weights : str, optional
        Variable with the weight of each unit, such as its area.

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
    points, ``read_sample(..., coordinates=...)``, and to set how often chance is drawn.

    Examples
    --------
    >>> x = np.tile(np.arange(60.0), 4)
    >>> table = pd.DataFrame({"theta": x // 15, "rain": x, "noise": np.sin(37 * np.arange(240.0))})
    >>> found = detect(table, "theta", classes=[3, 4])
    >>> found.factor.data[["factor", "q"]].round(2).values.tolist()[0]
    ['rain', 1.0]
    """
    sample = read_sample(data, response, factors, kinds=kinds, weights=weights)
    return detect_sample(sample, methods=methods, classes=classes, by=by, fixed=fixed)


def detect_sample(
    sample: Sample,
    *,
    methods: Sequence[str] = METHODS,
    classes: Sequence[int] = range(3, 9),
    by: Criterion = "q_cv",
    fixed: Mapping[str, Scheme] | None = None,
    number: int = 999,
    rng: np.random.Generator | None = None,
) -> Detection:
    """Run all detectors on units that were read already.

    Parameters
    ----------
    sample : Sample
        From :func:`headwater.detector.read_sample`.
    methods, classes, by, fixed
        See :func:`headwater.detector.optimal`.
    number : int
        How many responses are made by chance, and how many resamples; fewer for the pairs, and
        where there are very many units.
    rng : numpy Generator, optional
        Source of randomness; default: one seeded with 1.

    Returns
    -------
    Detection

    Raises
    ------
    DataError
        As :func:`detect`.

    Notes
    -----
    Maps, and points with coordinates, are tested against responses of the same smoothness
    (:class:`headwater.detector.GridSpectral`, :class:`headwater.detector.MoranSpectral`) and their
    intervals come from resampling squares; tables without coordinates are tested by permutation
    and resampled unit by unit.

    Examples
    --------
    >>> x = np.tile(np.arange(60.0), 4)
    >>> sample = read_sample(pd.DataFrame({"theta": x // 15, "rain": x}), "theta")
    >>> sorted(detect_sample(sample, classes=[4]).results())
    ['association', 'contrasts', 'factor', 'optimal', 'risk', 'search']
    """
    y, weights = sample.response, sample.weights
    search = Search(tuple(methods), tuple(classes), by, 2, sample.kinds, fixed or {})
    chance = chance_of(sample, number, rng or np.random.default_rng(1))
    ranked = rank_factors(sample, search, chance)
    strata = ranked.strata
    pairs = _pair_results(sample, strata, chance) if len(strata) > 1 else (None, None)
    continuous = {
        name: values
        for name, values in sample.factors.items()
        if sample.kinds[name] == "continuous"
    }
    risks = risk(y, strata, weights=weights)
    detection = Detection(
        strata=strata,
        optimal=ranked.optimal,
        factor=ranked.factor,
        interaction=pairs[0],
        risk=risks,
        contrasts=contrasts(y, strata),
        ecological=pairs[1],
        association=association(strata, continuous),
        maps=risk_maps(sample, strata, risks) if sample.grid is not None else None,
        search=ranked.search,
    )
    return _labelled(detection, sample)


def _pair_results(
    sample: Sample, strata: Mapping[str, Strata], chance: Resampling
) -> tuple[InteractionResult, EcologicalResult]:
    y, weights = sample.response, sample.weights
    several = max(chance.number // 5, FEWEST)
    if chance.number == 0 or y.size * len(strata) ** 2 * several > MOST_WORK:
        together = interaction(y, strata, weights=weights)
        return together, ecological(y, strata, method="wang2010")
    # units of a table are taken as independent, for which the F test is right and quicker
    null = None if isinstance(chance.null, Permutation) else chance.null
    by = replace(chance, null=null, number=several)
    together = interaction(y, strata, weights=weights, resampling=by)
    return together, ecological(y, strata, resampling=replace(chance, null=None))


_OF_THE_RESPONSE = ("mean", "sd", "low", "high", "difference")
"""Columns in the unit of the response, in the tables of strata means."""


def _labelled(detection: Detection, sample: Sample) -> Detection:
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
    left_out = ", ".join(f"{name} {count}" for name, count in sample.missing.items() if count)
    note = f"Units: {sample.response.size} of {sample.total}" + (
        f"; {lost} left out for a missing value (missing: {left_out})." if lost else "."
    )
    labelled = replace(
        detection.factor,
        choices=(note, *sample.notes, *detection.optimal.choices, *detection.factor.choices),
        cautions=(*detection.factor.cautions, *_small_strata(detection.risk.data)),
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
