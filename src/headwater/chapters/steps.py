"""All steps of a study, in the order in which they run."""

from __future__ import annotations

from headwater.chapters.correlation import step as correlation
from headwater.chapters.detector import step as detector
from headwater.chapters.downscaling import step as downscaling
from headwater.chapters.grids import step as grids
from headwater.chapters.restoration import step as restoration
from headwater.chapters.samples import step as samples
from headwater.chapters.validation import step as validation
from headwater.chapters.variation import step as variation
from headwater.chapters.vegetation import step as vegetation
from headwater.chapters.warning import step as warning
from headwater.study.step import Step

__all__ = ["STEPS"]

STEPS: tuple[Step, ...] = (
    grids.STEP,
    downscaling.STEP,
    validation.STEP,
    variation.STEP,
    correlation.STEP,
    detector.STEP,
    vegetation.STEP,
    warning.STEP,
    samples.STEP,
    restoration.STEP,
)
"""All steps, in the order in which they run."""
