from .mann_kendall_persistent import hamed_rao, yue_wang
from .ols_persistent import persistent_ols_trend
from .partial import partial_correlation_trend, partial_mann_kendall, residual_trend
from .pooled import contextual_mann_kendall, field_trend_test, regional_mann_kendall
from .prewhitened import prewhitened_mann_kendall
from .seasonal import multivariate_mann_kendall

__all__ = [
    "contextual_mann_kendall",
    "field_trend_test",
    "hamed_rao",
    "multivariate_mann_kendall",
    "partial_correlation_trend",
    "partial_mann_kendall",
    "persistent_ols_trend",
    "prewhitened_mann_kendall",
    "regional_mann_kendall",
    "residual_trend",
    "yue_wang",
]
