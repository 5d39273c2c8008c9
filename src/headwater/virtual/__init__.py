"""A virtual headwater with known truth."""

from __future__ import annotations

from headwater.virtual.frame import Frame, outline
from headwater.virtual.headwater import Truth, VirtualHeadwater, make
from headwater.virtual.landscape import CLASSES, lay

__all__ = ["CLASSES", "Frame", "Truth", "VirtualHeadwater", "lay", "make", "outline"]
