"""How much water a mountain's soil holds, how it changes, what drives it, where it came from.

The rooms, in the direction in which data goes:

- :mod:`headwater.grids`: open, check, clip and align grids; terrain; bands; cell areas; writing
- :mod:`headwater.inference`: how sure we are
- :mod:`headwater.variation`: how soil moisture changes in time and space
- :mod:`headwater.detector`: what drives it (geographical detector)
- :mod:`headwater.isotopes`: where the water came from
- :mod:`headwater.downscaling`: satellite soil moisture made finer, with its error
- :mod:`headwater.stations`: the observation network; :mod:`headwater.web` serves it
- :mod:`headwater.virtual`: a virtual headwater with known truth
- :mod:`headwater.study`: one file composes them; :mod:`headwater.report` draws the results

Rooms are imported when first named, so ``import headwater`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "detector",
    "downscaling",
    "grids",
    "inference",
    "isotopes",
    "report",
    "stations",
    "study",
    "variation",
    "virtual",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"headwater.{name}")
    raise AttributeError(f"module 'headwater' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
