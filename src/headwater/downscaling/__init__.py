"""Satellite soil moisture made finer, with its error told."""

from __future__ import annotations

from headwater.downscaling.support import Aggregated, Support, aggregate_cube, support

__all__ = ["Aggregated", "Support", "aggregate_cube", "support"]
