"""A virtual headwater with known truth."""

from __future__ import annotations

__all__: list[str] = []
