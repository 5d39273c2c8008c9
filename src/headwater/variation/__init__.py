"""How soil moisture changes in time and space, and with what it varies."""

from __future__ import annotations

__all__: list[str] = []
