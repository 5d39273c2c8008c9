from .agreement_intervals import agreement, pairwise_agreement
from .anomalies import long_term_anomalies, short_term_anomalies
from .collocation import extended_collocation, triple_collocation, triple_collocations
from .gain import downscaling_gain, within_cell_correlation
from .interval_scores import crps_normal, interval_skill
from .matching import match_series, match_times, station_series
from .measures import agreement_measures
from .scaling import fit_scaling
from .scorecards import ScorecardOptions, scorecard

__all__ = [
    "ScorecardOptions",
    "agreement",
    "agreement_measures",
    "crps_normal",
    "downscaling_gain",
    "extended_collocation",
    "fit_scaling",
    "interval_skill",
    "long_term_anomalies",
    "match_series",
    "match_times",
    "pairwise_agreement",
    "scorecard",
    "short_term_anomalies",
    "station_series",
    "triple_collocation",
    "triple_collocations",
    "within_cell_correlation",
]
