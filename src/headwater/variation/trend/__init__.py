"""Whether a series has a trend: tests for persistence, for many series at once, adjusted, pooled.

The usual tests, Sen's slope with Mann-Kendall and least squares among them, are in
:mod:`headwater.variation`.

For values that persist
    :func:`persistent_ols_trend`, :func:`hamed_rao`, :func:`yue_wang`,
    :func:`prewhitened_mann_kendall`
For several series at once
    :func:`multivariate_mann_kendall`
Given another series
    :func:`residual_trend`, :func:`partial_mann_kendall`, :func:`partial_correlation_trend`
Pooled in space
    :func:`contextual_mann_kendall` with neighbours, :func:`regional_mann_kendall` for an area,
    :func:`field_trend_test` for any trend in a field
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
