from .bootstrap import block_bootstrap
from .dutilleul import modified_t_test
from .effective import effective_n
from .significance import fdr

__all__ = [
    "block_bootstrap",
    "effective_n",
    "fdr",
    "modified_t_test",
]
