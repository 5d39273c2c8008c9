"""Types of the arrays in this room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flags", "Floats", "Places"]

Floats = NDArray[np.float64]
"""Values."""
Flags = NDArray[np.bool_]
"""Whether or not."""
Places = NDArray[np.integer[Any]]
"""Positions in another array."""
