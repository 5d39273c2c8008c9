"""What soil water lets grow, and where it is degrading.

- :func:`clean_ndvi`, :func:`whittaker`: from composites to even series
- :func:`end_values`, :func:`fractional_cover`: cover from NDVI
- :func:`fit_response`: how cover answers soil water, and how much of it; what it returns gives what
  water does not explain
- :class:`Soil`, :class:`Weather`, :func:`water_balance`, :func:`calibrate_soil`: the bucket
- :func:`carrying_capacity`: the densest cover that water carries
- :func:`peak_of_season`, :func:`grade_degradation`: degradation grades

Phenology is in :mod:`headwater.vegetation.phenology`, condition indices (VCI, TCI, VHI) are in
:mod:`headwater.vegetation.cover`, HANTS in :mod:`headwater.vegetation.smoothing`,
evapotranspiration in :mod:`headwater.vegetation.evapotranspiration`, what weather did to a peak in
:mod:`headwater.vegetation.degradation`, and indicator 15.3.1 in
:mod:`headwater.vegetation.degradation`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
