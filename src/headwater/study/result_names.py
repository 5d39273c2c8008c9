"""Where the class of each saved result is defined, by the name that stands in its file."""

from __future__ import annotations

import importlib

from headwater.results import Result

__all__ = ["HOME_OF_RESULT", "result_class"]

HOME_OF_RESULT = {
    "AdjustedTrend": "headwater.variation.results",
    "AlertTable": "headwater.chapters.warning.results",
    "AnnualSeries": "headwater.variation.results",
    "AssociationResult": "headwater.detector.results",
    "AuditReport": "headwater.isotopes.results",
    "BandSeries": "headwater.variation.results",
    "BoundsTable": "headwater.isotopes.mixing.results",
    "BreakTable": "headwater.variation.results",
    "CVMap": "headwater.variation.results",
    "CapacityMap": "headwater.vegetation.results",
    "Collocation": "headwater.validation.collocation",
    "ContrastResult": "headwater.detector.results",
    "CorrelationMap": "headwater.variation.results",
    "CorrelationMatrix": "headwater.variation.results",
    "CorrelationPanels": "headwater.variation.results",
    "CoverMap": "headwater.vegetation.results",
    "CoverSeries": "headwater.vegetation.results",
    "CrossingTable": "headwater.isotopes.results",
    "DetectorScores": "headwater.warning.evaluation",
    "DroughtMap": "headwater.chapters.warning.results",
    "DryYearTable": "headwater.restoration.results",
    "EcologicalResult": "headwater.detector.results",
    "EmmaResult": "headwater.isotopes.mixing.results",
    "EndValueTable": "headwater.vegetation.results",
    "EvaporatedSourceTable": "headwater.isotopes.mixing.results",
    "EvidenceTable": "headwater.chapters.warning.results",
    "FactorResult": "headwater.detector.results",
    "GradeMap": "headwater.vegetation.results",
    "GroupTests": "headwater.isotopes.results",
    "GrowthSeasons": "headwater.vegetation.results",
    "HierarchicalPosterior": "headwater.isotopes.mixing.hierarchical",
    "Identifiability": "headwater.isotopes.mixing.results",
    "IdsaResult": "headwater.detector.spatial_overlay",
    "Importance": "headwater.downscaling.results",
    "InteractionResult": "headwater.detector.results",
    "KrigedMap": "headwater.grids.kriging_maps",
    "LagPanels": "headwater.variation.results",
    "LineTable": "headwater.isotopes.results",
    "LocalMaps": "headwater.detector.local",
    "MapResult": "headwater.results",
    "MixLikelihood": "headwater.isotopes.mixing.results",
    "MixingPosterior": "headwater.isotopes.mixing.results",
    "MixingTable": "headwater.isotopes.mixing.results",
    "MonthlyCorrelation": "headwater.variation.results",
    "MonthlySeries": "headwater.variation.results",
    "NetworkMap": "headwater.chapters.network.maps",
    "OptimalResult": "headwater.detector.results",
    "PairSeriesResult": "headwater.detector.results",
    "PairSharesResult": "headwater.detector.shapley",
    "PlaceGrades": "headwater.vegetation.results",
    "PlanTable": "headwater.restoration.results",
    "PolygonTable": "headwater.isotopes.mixing.results",
    "PosteriorDraws": "headwater.isotopes.mixing.results",
    "PredictiveScore": "headwater.isotopes.mixing.hierarchical_checks",
    "QualityReport": "headwater.isotopes.results",
    "Rehearsal": "headwater.warning.rehearsal",
    "ResponseCurves": "headwater.vegetation.results",
    "ResponseMap": "headwater.vegetation.results",
    "RiskMaps": "headwater.detector.results",
    "RiskResult": "headwater.detector.results",
    "RoughSetPairs": "headwater.detector.rough_sets",
    "RoughSetResult": "headwater.detector.rough_sets",
    "SampleSummary": "headwater.isotopes.results",
    "SampleTable": "headwater.isotopes.results",
    "ScaleResult": "headwater.detector.scale",
    "Scorecard": "headwater.validation.scorecards",
    "SearchResult": "headwater.detector.results",
    "SeasonMap": "headwater.vegetation.results",
    "SeasonMaps": "headwater.variation.results",
    "SeasonalCycle": "headwater.variation.results",
    "SeasonalCycles": "headwater.variation.results",
    "SeriesResult": "headwater.detector.results",
    "SharesResult": "headwater.detector.shapley",
    "ShiftResult": "headwater.detector.torus_shift",
    "SlopeTests": "headwater.isotopes.results",
    "SpadeResult": "headwater.detector.spatial_association",
    "StateMap": "headwater.chapters.warning.results",
    "StationMeasures": "headwater.validation.scorecards",
    "StationScores": "headwater.downscaling.results",
    "Summary": "headwater.variation.results",
    "TableResult": "headwater.results",
    "Timeline": "headwater.chapters.warning.results",
    "TreeInteractionResult": "headwater.detector.tree",
    "TrendFamily": "headwater.variation.trend.compare",
    "TrendMap": "headwater.variation.results",
    "TwinSkill": "headwater.downscaling.results",
    "UnitTable": "headwater.restoration.results",
    "VegetationForecast": "headwater.vegetation.results",
    "VegetationNotes": "headwater.vegetation.results",
    "WorkCalendar": "headwater.restoration.results",
    "ZoneSeries": "headwater.variation.results",
}
"""Module of each class of results."""


def result_class(name: str) -> type[Result]:
    """Find a class of results.

    Parameters
    ----------
    name : str
        Its name; files of version 0.1 have ``"module:name"``, of which the module is not asked.

    Returns
    -------
    type

    Raises
    ------
    ValueError
        If there is no such result: a results folder from elsewhere must not make us import
        anything else.
    """
    short = name.rpartition(":")[2]
    if short not in HOME_OF_RESULT:
        raise ValueError(f"'{name}' is no result of Headwater")
    kind: type[Result] = getattr(importlib.import_module(HOME_OF_RESULT[short]), short)
    return kind
