"""The geographical detector: what drives the spatial pattern."""

from __future__ import annotations

from headwater.detector.association import association
from headwater.detector.best_breaks import optimal_breaks
from headwater.detector.breaks import (
    equal_breaks,
    geometric_breaks,
    head_tail_breaks,
    quantile_breaks,
    standard_deviation_breaks,
)
from headwater.detector.detect import detect, detect_sample
from headwater.detector.detection import Detection
from headwater.detector.ecological import ecological
from headwater.detector.factor import factor
from headwater.detector.from_table import figures_of, from_table, summary_lines
from headwater.detector.interaction import interaction, interaction_class
from headwater.detector.letters import compact_letters
from headwater.detector.local import LocalMaps, local_q
from headwater.detector.natural import natural_breaks
from headwater.detector.null_models import GridSpectral, Permutation
from headwater.detector.optimal import Scheme, best_strata, optimal
from headwater.detector.q import (
    QStatistic,
    StratumSums,
    p_central,
    p_wang2016,
    q_interval,
    q_statistic,
    stratum_sums,
)
from headwater.detector.randomise_points import MoranSpectral, Rotation
from headwater.detector.resample import Blocks, Resampling, point_blocks, square_blocks, unit_blocks
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
    SeriesResult,
)
from headwater.detector.risk import contrasts, risk
from headwater.detector.robust import Robust, robust, robust_strata
from headwater.detector.sample import Sample, read_sample
from headwater.detector.scale import ScaleResult, coarsen, scale_sweep
from headwater.detector.search_options import Search
from headwater.detector.search_test import search_test
from headwater.detector.series import q_series
from headwater.detector.shapley import SharesResult, crossed_shares, shapley_values, shares
from headwater.detector.shegd import Heterogeneity, PairSharesResult, shegd
from headwater.detector.shift_test import ShiftTest, shift_test
from headwater.detector.spade import (
    GridWeights,
    SpadeResult,
    cpsd,
    distance_weights,
    psd,
    spade,
    spatial_variance,
)
from headwater.detector.stratify import Strata, as_strata, categories, cross, sectors, stratify
from headwater.detector.stream import chunked_categories, chunked_strata
from headwater.detector.tree import Gozh, TreeInteractionResult, gozh, tree_strata
from headwater.inference.multiplicity import benjamini_hochberg, holm

__all__ = [
    "AssociationResult",
    "Blocks",
    "ContrastResult",
    "Detection",
    "EcologicalResult",
    "FactorResult",
    "Gozh",
    "GridSpectral",
    "GridWeights",
    "Heterogeneity",
    "InteractionResult",
    "LocalMaps",
    "MoranSpectral",
    "OptimalResult",
    "PairSharesResult",
    "Permutation",
    "QStatistic",
    "Resampling",
    "RiskMaps",
    "RiskResult",
    "Robust",
    "Rotation",
    "Sample",
    "ScaleResult",
    "Scheme",
    "Search",
    "SearchResult",
    "SeriesResult",
    "SharesResult",
    "ShiftTest",
    "SpadeResult",
    "Strata",
    "StratumSums",
    "TreeInteractionResult",
    "as_strata",
    "association",
    "benjamini_hochberg",
    "best_strata",
    "categories",
    "chunked_categories",
    "chunked_strata",
    "coarsen",
    "compact_letters",
    "contrasts",
    "cpsd",
    "cross",
    "crossed_shares",
    "detect",
    "detect_sample",
    "distance_weights",
    "ecological",
    "equal_breaks",
    "factor",
    "figures_of",
    "from_table",
    "geometric_breaks",
    "gozh",
    "head_tail_breaks",
    "holm",
    "interaction",
    "interaction_class",
    "local_q",
    "natural_breaks",
    "optimal",
    "optimal_breaks",
    "p_central",
    "p_wang2016",
    "point_blocks",
    "psd",
    "q_interval",
    "q_series",
    "q_statistic",
    "quantile_breaks",
    "read_sample",
    "risk",
    "robust",
    "robust_strata",
    "scale_sweep",
    "search_test",
    "sectors",
    "shapley_values",
    "shares",
    "shegd",
    "shift_test",
    "spade",
    "spatial_variance",
    "square_blocks",
    "standard_deviation_breaks",
    "stratify",
    "stratum_sums",
    "summary_lines",
    "tree_strata",
    "unit_blocks",
]
