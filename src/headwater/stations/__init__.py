"""The observation network: stations, what they observe, and where it is kept.

- :mod:`headwater.stations.entities`: Thing, Datastream, Observation … as frozen values
- :mod:`headwater.stations.times`: ISO 8601 at the edge, whole microseconds of UTC inside
- :mod:`headwater.stations.store`: one SQLite file or a PostgreSQL server behind one protocol

Rooms within this room are imported when first named, so that ``import headwater`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    "Datastream",
    "FeatureOfInterest",
    "HistoricalLocation",
    "Location",
    "MultiDatastream",
    "Observations",
    "ObservedProperty",
    "Sensor",
    "Store",
    "Thing",
    "Written",
    "iso",
    "microseconds",
    "open_store",
]

_HOME = {
    **dict.fromkeys(("Store", "open_store"), "store"),
    **dict.fromkeys(("iso", "microseconds"), "times"),
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = importlib.import_module(f"headwater.stations.{_HOME.get(name, 'entities')}")
        return getattr(home, name)
    raise AttributeError(f"module 'headwater.stations' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
