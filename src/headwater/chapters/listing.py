"""What makes the report of each chapter, in reading order."""

from __future__ import annotations

from collections.abc import Mapping

from headwater.chapters.compared import make_compared
from headwater.chapters.correlation import section as correlation_section
from headwater.chapters.detector import section as detector_section
from headwater.chapters.downscaling import section as downscaling_section
from headwater.chapters.grids import section as grids_section
from headwater.chapters.opening import make_opening
from headwater.chapters.recovered import make_recovered
from headwater.chapters.restoration import section as restoration_section
from headwater.chapters.samples import section as samples_section
from headwater.chapters.validation import section as validation_section
from headwater.chapters.variation import section as variation_section
from headwater.chapters.vegetation import section as vegetation_section
from headwater.chapters.warning import section as warning_section
from headwater.report.section import MakeClosing, MakeComparison, MakeOpening, MakeSection

__all__ = ["CLOSING", "COMPARISON", "OPENING", "SECTIONS"]

SECTIONS: Mapping[str, MakeSection] = {
    "grids": grids_section.make_section,
    "downscaling": downscaling_section.make_section,
    "validation": validation_section.make_section,
    "variation": variation_section.make_section,
    "correlation": correlation_section.make_section,
    "detector": detector_section.make_section,
    "vegetation": vegetation_section.make_section,
    "warning": warning_section.make_section,
    "samples": samples_section.make_section,
    "restoration": restoration_section.make_section,
}
"""What makes the chapter of each step, in reading order."""

OPENING: MakeOpening = make_opening
"""What makes the figure that opens the report."""

COMPARISON: MakeComparison = make_compared
"""What makes the chapter that compares the usual methods with those of the report."""

CLOSING: MakeClosing = make_recovered
"""What makes the chapter that ends the report on data whose truth is known."""
