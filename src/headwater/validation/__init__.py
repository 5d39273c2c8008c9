"""Products compared with stations and with each other.

- :func:`scorecard`: one table of agreement with intervals that hold under autocorrelation
- :func:`match_times`, :func:`station_cells`, :func:`station_series`: values that belong together
- :func:`triple_collocation`: errors of three products without a truth
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
