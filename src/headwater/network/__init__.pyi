from .entities import (
    Datastream,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    Observations,
    ObservedProperty,
    Sensor,
    Thing,
    Written,
)
from .store import Store, open_store
from .times import iso, microseconds

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
