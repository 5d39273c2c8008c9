"""A virtual headwater with known truth.

:func:`make_headwater` draws one: its grids, the ground of its stations and the truth behind them
come as a :class:`VirtualHeadwater`. Stations are in :mod:`headwater.virtual.gauges`, water samples
in :mod:`headwater.virtual.samples`, satellites in :mod:`headwater.virtual.satellite`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
