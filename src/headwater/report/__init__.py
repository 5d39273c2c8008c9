"""Figures, tables and the HTML report, drawn from result values."""

from __future__ import annotations

__all__: list[str] = []
