"""How soil moisture changes in time and space, and with what it varies.

To longer periods, and to one series
    :func:`aggregate`, :func:`climatology`, :func:`anomalies`; means of an area and of its bands are
    in :mod:`headwater.variation.aggregation`
How much it varies
    :func:`interannual_cv`, :func:`monthly_cv`, :func:`spatial_cv`
Whether it has a trend
    :func:`trends` computes every test that suits the time axis, the recommended one first. By
    themselves: :func:`sen_mann_kendall`, :func:`persistent_mann_kendall`,
    :func:`seasonal_mann_kendall`, :func:`ols_trend`; the others, also those pooled in space and
    adjusted for rain, are in :mod:`headwater.variation.trend`.
When it changed
    :func:`pettitt` tests for one change, :func:`structural_breaks` finds several
With what it varies
    :func:`correlate` over time, :func:`lagged_correlation` (month by month in
    :mod:`headwater.variation.correlation`); :func:`correlate_maps` over an area (with a direction
    in :mod:`headwater.variation.map_correlation`)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
