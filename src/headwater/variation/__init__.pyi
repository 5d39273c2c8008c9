from .aggregation import aggregate
from .breaks import pettitt, structural_breaks
from .correlation import correlate, lagged_correlation
from .cv import interannual_cv, monthly_cv, spatial_cv
from .map_correlation import correlate_maps
from .mean_year import anomalies, climatology
from .trend.classic import ols_trend, sen_mann_kendall
from .trend.compare import trends
from .trend.mann_kendall_persistent import persistent_mann_kendall
from .trend.seasonal import seasonal_mann_kendall

__all__ = [
    "aggregate",
    "anomalies",
    "climatology",
    "correlate",
    "correlate_maps",
    "interannual_cv",
    "lagged_correlation",
    "monthly_cv",
    "ols_trend",
    "persistent_mann_kendall",
    "pettitt",
    "seasonal_mann_kendall",
    "sen_mann_kendall",
    "spatial_cv",
    "structural_breaks",
    "trends",
]
