from .agreement import MEASURES, measures
from .agreement_intervals import agreement
from .anomalies import long_term_anomalies, mean_year, short_term_anomalies
from .collocation import Collocation, collocate_all, triple_collocation
from .collocation_extended import extended_collocation
from .gain import coarse_closure, downscaling_gain, spatial_correlation, within_cell_correlation
from .interval_scores import crps_ensemble, crps_normal, interval_skill
from .matching import collocate, match_times, station_cells, station_series
from .pairwise_agreement import compare_all
from .scaling import Scaling, fit_scaling, scale_cdf
from .scorecards import Scorecard, ScorecardOptions, scorecard

__all__ = [
    "Collocation",
    "MEASURES",
    "Scaling",
    "Scorecard",
    "ScorecardOptions",
    "agreement",
    "coarse_closure",
    "collocate",
    "collocate_all",
    "compare_all",
    "crps_ensemble",
    "crps_normal",
    "downscaling_gain",
    "extended_collocation",
    "fit_scaling",
    "interval_skill",
    "long_term_anomalies",
    "match_times",
    "mean_year",
    "measures",
    "scale_cdf",
    "scorecard",
    "short_term_anomalies",
    "spatial_correlation",
    "station_cells",
    "station_series",
    "triple_collocation",
    "within_cell_correlation",
]
