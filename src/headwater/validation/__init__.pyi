from .agreement_intervals import agreement
from .anomalies import long_term_anomalies, short_term_anomalies
from .collocation import extended_collocation, triple_collocation
from .matching import match_series, station_series
from .scaling import fit_scaling
from .scorecards import ScorecardOptions, scorecard

__all__ = [
    "ScorecardOptions",
    "agreement",
    "extended_collocation",
    "fit_scaling",
    "long_term_anomalies",
    "match_series",
    "scorecard",
    "short_term_anomalies",
    "station_series",
    "triple_collocation",
]
