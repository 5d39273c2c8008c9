"""How sure we are: effective numbers, field significance, blocks and resampling.

What persistent or neighbouring values are worth
    :func:`effective_n` for series; :func:`modified_t_test` for maps
Many tests at once
    :func:`fdr` for maps; tables are corrected in :mod:`headwater.inference.significance`
Blocks of what belongs together
    :func:`block_bootstrap`; the blocks themselves are in :mod:`headwater.inference.blocks`

p-values of single statistics are in :mod:`headwater.inference.kendall`,
:mod:`headwater.inference.significance` and :mod:`headwater.inference.significance`, sums that merge
chunk by chunk in :mod:`headwater.inference.moments`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
