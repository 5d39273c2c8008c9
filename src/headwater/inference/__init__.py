"""How sure we are: moments that merge, null distributions, p-values and field significance."""

from __future__ import annotations

from headwater.inference import moments
from headwater.inference.effective import effective_n, effective_n_pair, lag1
from headwater.inference.kendall import (
    EXACT_LIMIT,
    kendall_p,
    score_variance,
    smallest_p,
    z_score,
)
from headwater.inference.moments import Moments, merge
from headwater.inference.significance import (
    FieldTest,
    correlation_p,
    fdr,
    field_statement,
    student_p,
)

__all__ = [
    "EXACT_LIMIT",
    "FieldTest",
    "Moments",
    "correlation_p",
    "effective_n",
    "effective_n_pair",
    "fdr",
    "field_statement",
    "kendall_p",
    "lag1",
    "merge",
    "moments",
    "score_variance",
    "smallest_p",
    "student_p",
    "z_score",
]
