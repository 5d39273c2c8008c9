"""How soil moisture changes in time and space, and with what it varies."""

from __future__ import annotations

from headwater.variation.aggregation import aggregate
from headwater.variation.calendar import Cadence, Periods, cadence, check_time, decimal_years
from headwater.variation.climatology import anomalies, climatology, period_mean
from headwater.variation.correlation import Association, associate, circular_linear, correlate
from headwater.variation.cv import interannual_cv, monthly_cv, spatial_cv
from headwater.variation.series import area_series, band_series
from headwater.variation.trend import TREND_CLASSES, ols, sen_mann_kendall, trend_class

__all__ = [
    "Association",
    "Cadence",
    "Periods",
    "TREND_CLASSES",
    "aggregate",
    "anomalies",
    "area_series",
    "associate",
    "band_series",
    "cadence",
    "check_time",
    "circular_linear",
    "climatology",
    "correlate",
    "decimal_years",
    "interannual_cv",
    "monthly_cv",
    "ols",
    "period_mean",
    "sen_mann_kendall",
    "spatial_cv",
    "trend_class",
]
