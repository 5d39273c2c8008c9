"""Products compared with stations and with each other.

Bring together what is compared:

- :func:`station_series`: the cells of a cube in which stations stand
- :func:`match_series`: values that belong to the same time
- :func:`short_term_anomalies`, :func:`long_term_anomalies`, :func:`fit_scaling`

Compare with a reference:

- :func:`scorecard`, :class:`ScorecardOptions`: one table of agreement by station, season and
  stratum, with intervals that hold under autocorrelation
- :func:`agreement`, :func:`pairwise_agreement`: two series, or each two of many
- :func:`downscaling_gain`: what a finer grid adds
- :func:`interval_skill`: whether predicted intervals hold, and how sharp they are

Without a truth:

- :func:`triple_collocation`, :func:`triple_collocations`, :func:`extended_collocation`: errors of
  three products, of each three of many, and of products of which some err together
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
