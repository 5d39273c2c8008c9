"""How sure we are: moments that merge, null distributions, p-values and field significance."""

from __future__ import annotations

from headwater.inference import moments
from headwater.inference.blocks import Split, spatial_blocks, temporal_blocks
from headwater.inference.bootstrap import (
    Bootstrap,
    block_bootstrap,
    block_indices,
    block_length,
    spatial_block_indices,
)
from headwater.inference.dutilleul import ModifiedT, modified_t_test
from headwater.inference.effective import (
    autocorrelation,
    corrected_lag1,
    effective_n,
    effective_n_pair,
    lag1,
)
from headwater.inference.kendall import (
    EXACT_LIMIT,
    kendall_p,
    score_variance,
    series_p,
    smallest_p,
    tied_p,
    z_score,
)
from headwater.inference.moments import Moments, merge
from headwater.inference.multiplicity import benjamini_hochberg, holm
from headwater.inference.pettitt import PETTITT_EXACT_LIMIT, pettitt_exact_p, pettitt_p
from headwater.inference.serial import SerialPair, serial_pair
from headwater.inference.significance import (
    FieldTest,
    correlation_p,
    fdr,
    field_statement,
    student_p,
)

__all__ = [
    "Bootstrap",
    "EXACT_LIMIT",
    "FieldTest",
    "ModifiedT",
    "Moments",
    "PETTITT_EXACT_LIMIT",
    "SerialPair",
    "Split",
    "autocorrelation",
    "benjamini_hochberg",
    "block_bootstrap",
    "block_indices",
    "block_length",
    "corrected_lag1",
    "correlation_p",
    "effective_n",
    "effective_n_pair",
    "fdr",
    "field_statement",
    "holm",
    "kendall_p",
    "lag1",
    "merge",
    "modified_t_test",
    "moments",
    "pettitt_exact_p",
    "pettitt_p",
    "score_variance",
    "serial_pair",
    "series_p",
    "smallest_p",
    "spatial_block_indices",
    "spatial_blocks",
    "student_p",
    "temporal_blocks",
    "tied_p",
    "z_score",
]
