"""The report: figures, tables and words from result values, as one page without network."""

from __future__ import annotations

from headwater.report.write import write_report

__all__ = ["write_report"]
