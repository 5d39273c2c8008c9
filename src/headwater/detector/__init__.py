"""The geographical detector: what explains the spatial pattern of a variable.

All at once

- :func:`detect`, :func:`from_table`: every detector below, from maps or from a table
- :func:`q_series`: in every year, season or month anew

One detector each

- :func:`factor`, :func:`interaction`, :func:`risk`, :func:`contrasts`, :func:`ecological`: the four
  of Wang et al. (2010), with tests and intervals that know about neighbours
- which factors go together is in :mod:`headwater.detector.factor_table`

Strata

- :func:`stratify`: by a rule; classes as given and directions are in
  :mod:`headwater.detector.strata`
- :func:`opgd`: the best rule and number of classes

Further detectors

- :func:`gozh`, :func:`lesh`: regression trees, and the share of each factor (SHEGD's is in
  :mod:`headwater.detector.shapley`)
- :func:`rgd`: robust strata
- :func:`spade`, :func:`idsa`: variance between neighbours, of factors and of their overlays
- :func:`srsgd`: a response of classes, by rough sets
- the size of the cells is in :mod:`headwater.detector.scale`, q by place in
  :mod:`headwater.detector.local`, the test by all shifts of the map in
  :mod:`headwater.detector.torus_shift`
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
