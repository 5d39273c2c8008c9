from .agreement_intervals import agreement, pairwise_agreement
from .anomalies import long_term_anomalies, short_term_anomalies
from .collocation import extended_collocation, triple_collocation, triple_collocations
from .gain import downscaling_gain
from .interval_scores import interval_skill
from .matching import match_series, station_series
from .scaling import fit_scaling
from .scorecards import ScorecardOptions, scorecard

__all__ = [
    "ScorecardOptions",
    "agreement",
    "downscaling_gain",
    "extended_collocation",
    "fit_scaling",
    "interval_skill",
    "long_term_anomalies",
    "match_series",
    "pairwise_agreement",
    "scorecard",
    "short_term_anomalies",
    "station_series",
    "triple_collocation",
    "triple_collocations",
]
