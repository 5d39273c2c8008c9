"""Products compared with stations and with each other.

Bring together what is compared:

- :func:`station_series`: the cells of a cube in which stations stand
- :func:`match_series`: values that belong to the same time
- :func:`short_term_anomalies`, :func:`long_term_anomalies`, :func:`fit_scaling`

Compare with a reference:

- :func:`scorecard`, :class:`ScorecardOptions`: one table of agreement by station, season and
  stratum, with intervals that hold under autocorrelation
- :func:`agreement`: two series; each two of many are in
  :mod:`headwater.validation.agreement_intervals`
- what a finer grid adds is in :mod:`headwater.validation.gain`, whether predicted intervals hold
  in :mod:`headwater.validation.measures`

Without a truth:

- :func:`triple_collocation`, :func:`extended_collocation`: errors of three products, and of
  products of which some err together; each three of many are in
  :mod:`headwater.validation.collocation`
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
