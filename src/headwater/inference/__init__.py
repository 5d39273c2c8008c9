"""How sure we are: effective numbers, p-values, field significance, blocks and resampling.

From a statistic to a p
    :func:`kendall_p`, :func:`pettitt_p`, :func:`student_p`, :func:`correlation_p`

What persistent or neighbouring values are worth
    :func:`effective_n`, :func:`effective_n_pair`; :func:`modified_t_test` for maps

Many tests at once
    :func:`fdr` and :func:`field_statement` for maps, :func:`holm` and :func:`benjamini_hochberg`
    for tables

Blocks of what belongs together
    :func:`block_bootstrap` with :func:`block_length`; :func:`spatial_blocks` and
    :func:`temporal_blocks` for folds

Sums that merge chunk by chunk
    :mod:`headwater.inference.moments`
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
