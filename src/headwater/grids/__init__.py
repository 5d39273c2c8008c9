"""Open, check, clip, align and write grids; terrain, zones and cell areas."""

from __future__ import annotations

__all__: list[str] = []
