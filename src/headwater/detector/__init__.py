"""The geographical detector: what drives the spatial pattern."""

from __future__ import annotations

__all__: list[str] = []
