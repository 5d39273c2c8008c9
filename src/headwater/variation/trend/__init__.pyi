from .classic import ols_trend, sen_mann_kendall
from .mann_kendall_persistent import hamed_rao, persistent_mann_kendall, yue_wang
from .ols_persistent import persistent_ols_trend
from .partial import partial_correlation_trend, partial_mann_kendall, residual_trend
from .pooled import (
    FieldTrend,
    contextual_mann_kendall,
    field_trend_test,
    regional_mann_kendall,
)
from .prewhitened import prewhitened_mann_kendall
from .seasonal import multivariate_mann_kendall, seasonal_mann_kendall

__all__ = [
    "FieldTrend",
    "contextual_mann_kendall",
    "field_trend_test",
    "hamed_rao",
    "multivariate_mann_kendall",
    "ols_trend",
    "partial_correlation_trend",
    "partial_mann_kendall",
    "persistent_mann_kendall",
    "persistent_ols_trend",
    "prewhitened_mann_kendall",
    "regional_mann_kendall",
    "residual_trend",
    "seasonal_mann_kendall",
    "sen_mann_kendall",
    "yue_wang",
]
