"""Satellite and reanalysis products as they are delivered, with their quality flags obeyed.

:func:`read_product` reads a file or a folder of any product of
:mod:`headwater.grids.products.catalogue`; :func:`quality_counts` counts what its quality flags left
out.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
