"""Satellite soil moisture on a finer grid, with its error.

Where the coarse cells lie on the fine grid:

- :func:`support`: the operator that averages pixels over cells
- :func:`aggregate_cube`: a fine cube averaged over the cells

From retrievals to a map:

- :func:`build_predictors`: what the fine grid knows of every day
- :class:`Recipe`, :func:`fit_downscaling`: learners trained on coarse cells, with their residuals
  out of fold
- :func:`downscale`: training and residuals at once

How far to trust it:

- :func:`twin_experiment`: the skill to expect, on synthetic truths
- how long ago, or how soon, a pixel was observed is in
  :mod:`headwater.downscaling.observation_age`
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
