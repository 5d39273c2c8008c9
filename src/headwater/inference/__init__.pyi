from .blocks import spatial_blocks, temporal_blocks
from .bootstrap import block_bootstrap
from .dutilleul import modified_t_test
from .effective import effective_n
from .multiplicity import benjamini_hochberg, holm
from .significance import fdr

__all__ = [
    "benjamini_hochberg",
    "block_bootstrap",
    "effective_n",
    "fdr",
    "holm",
    "modified_t_test",
    "spatial_blocks",
    "temporal_blocks",
]
