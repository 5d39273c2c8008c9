"""How sure we are: moments that merge, null distributions, p-values and field significance."""

from __future__ import annotations

__all__: list[str] = []
