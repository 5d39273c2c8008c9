"""What soil water lets grow, and where it is degrading.

- :func:`clean_ndvi`, :func:`place_composites`, :func:`whittaker`: from composites to even series
- :func:`end_values`, :class:`EndValues`, :func:`fractional_cover`: cover from NDVI
- :func:`greenness_season`, :func:`temperature_season`, :func:`thaw_season`: phenology

Condition indices (VCI, TCI, VHI) are in :mod:`headwater.vegetation.cover`, HANTS in
:mod:`headwater.vegetation.smoothing`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
