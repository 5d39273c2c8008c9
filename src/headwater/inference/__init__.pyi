from . import moments
from .blocks import Split, spatial_blocks, temporal_blocks
from .bootstrap import Bootstrap, block_bootstrap, block_length
from .dutilleul import ModifiedT, modified_t_test
from .effective import effective_n, effective_n_pair
from .kendall import kendall_p
from .multiplicity import benjamini_hochberg, holm
from .pettitt import pettitt_p
from .significance import FieldTest, correlation_p, fdr, field_statement, student_p

__all__ = [
    "Bootstrap",
    "FieldTest",
    "ModifiedT",
    "Split",
    "benjamini_hochberg",
    "block_bootstrap",
    "block_length",
    "correlation_p",
    "effective_n",
    "effective_n_pair",
    "fdr",
    "field_statement",
    "holm",
    "kendall_p",
    "modified_t_test",
    "moments",
    "pettitt_p",
    "spatial_blocks",
    "student_p",
    "temporal_blocks",
]
