"""The steps of a study, one file per room."""

from __future__ import annotations

from headwater.study.step import Step
from headwater.study.steps import correlation, detector, downscaling, grids, samples, variation

__all__ = ["STEPS"]

STEPS: tuple[Step, ...] = (
    grids.STEP,
    downscaling.STEP,
    variation.STEP,
    correlation.STEP,
    detector.STEP,
    samples.STEP,
)
"""All steps, in the order in which they run."""
