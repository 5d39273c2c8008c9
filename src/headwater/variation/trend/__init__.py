"""Whether a series has a trend: tests for persistence, for many series at once, adjusted, pooled.

The usual tests, Sen's slope with Mann-Kendall and least squares among them, are on the face of
:mod:`headwater.variation`; here each has its module.

- :mod:`headwater.variation.trend.classic`: Sen's slope with Mann-Kendall, least squares, also
  where values persist
- :mod:`headwater.variation.trend.mann_kendall_persistent`: Mann-Kendall where values persist
- :mod:`headwater.variation.trend.seasonal`: seasons, or several series, at once
- :mod:`headwater.variation.trend.partial`: given another series
- :mod:`headwater.variation.trend.pooled`: with neighbours, for an area, for any trend in a field
- :mod:`headwater.variation.trend.compare`: every test that suits the time axis, next to each other
"""
