"""One study file composes the rooms: steps, resume, provenance."""

from __future__ import annotations

__all__: list[str] = []
