"""Satellite soil moisture on a finer grid, with its error.

- :mod:`headwater.downscaling.support_operator`: the operator that averages pixels over cells
- :func:`gather`, :class:`Recipe`, :func:`fit`: predictors, and learners trained on coarse cells
- :func:`fit_residual`: what they left over, spread over pixels and days
- :func:`downscale`: both at once; :func:`twin`: the skill to expect of it
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
