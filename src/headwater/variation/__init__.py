"""How soil moisture changes in time and space, and with what it varies."""

from __future__ import annotations

from headwater.variation.aggregation import aggregate, aggregate_all, aggregate_sums, period_sums
from headwater.variation.calendar import Cadence, Periods, cadence, check_time, decimal_years
from headwater.variation.change_point import pettitt
from headwater.variation.climatology import anomalies, climatology, mean_of_years, period_mean
from headwater.variation.correlation import correlate
from headwater.variation.cv import interannual_cv, monthly_cv, spatial_cv
from headwater.variation.lagged import lagged
from headwater.variation.map_correlation import Association, associate, circular_linear
from headwater.variation.monthly import monthly_correlation
from headwater.variation.series import area_series, band_series
from headwater.variation.trend.classic import TREND_CLASSES, ols, sen_mann_kendall, trend_class
from headwater.variation.trend.compare import (
    TREND_METHODS,
    TrendFamily,
    recommended_trend,
    trends,
)
from headwater.variation.trend.mann_kendall_persistent import (
    hamed_rao,
    persistent_mann_kendall,
    yue_wang,
)
from headwater.variation.trend.ols_persistent import persistent_ols
from headwater.variation.trend.partial import partial_correlation_trend, partial_mann_kendall
from headwater.variation.trend.prewhitened import prewhitened
from headwater.variation.trend.seasonal import multivariate_mann_kendall, seasonal_mann_kendall

__all__ = [
    "Association",
    "Cadence",
    "Periods",
    "TREND_CLASSES",
    "TREND_METHODS",
    "TrendFamily",
    "aggregate",
    "aggregate_all",
    "aggregate_sums",
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
    "hamed_rao",
    "interannual_cv",
    "lagged",
    "mean_of_years",
    "monthly_correlation",
    "monthly_cv",
    "multivariate_mann_kendall",
    "ols",
    "partial_correlation_trend",
    "partial_mann_kendall",
    "period_mean",
    "period_sums",
    "persistent_mann_kendall",
    "persistent_ols",
    "pettitt",
    "prewhitened",
    "recommended_trend",
    "seasonal_mann_kendall",
    "sen_mann_kendall",
    "spatial_cv",
    "trend_class",
    "trends",
    "yue_wang",
]
